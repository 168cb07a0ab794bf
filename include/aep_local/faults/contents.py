"""Faults of the content: an answer that cannot be what was asked for, or says it in other words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from aep_local.faults.asked import Asked, Service
from aep_local.faults.exchange import Exchange
from aep_local.faults.fault import Fault, Happening


class CutJson(Fault):
    """Half of a JSON document, in an answer that is whole to HTTP."""

    kind: Literal["cut_json"]

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        answer = await exchange.work()
        if isinstance(answer.content, dict | list):
            told.happens()
            await exchange.send(answer.with_body(answer.body[: len(answer.body) // 2]))


_OTHERS: Final = {"text": "unexpected", "number": 0, "none": None}


class WrongJson(Fault):
    """A JSON value of another type than the service has there.

    :param to: what it is; a list (the object is in it) takes the place of an object only, and an object that of a list.
    """

    kind: Literal["wrong_json"]
    to: Literal["list", "object", "text", "number", "none"]

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        answer = await exchange.work()
        match self.to, answer.content:
            case "list", dict() as content:
                other: Any = [content]
            case "object", list():
                other = {}
            case (("text" | "number" | "none"), (dict() | list())):
                other = _OTHERS[self.to]
            case _:
                return
        told.happens()
        await exchange.send(answer.with_content(other))


class RunWords(Fault):
    """A run's status in words that nobody expects.

    :param words: what stands for each of the platform's own words, for example ``{success: Completed}``.
    """

    at = frozenset[Service]({"flowservice"})
    kind: Literal["run_words"]
    words: Annotated[Mapping[str, str], Field(min_length=1)]

    def fits(self, asked: Asked) -> bool:
        return super().fits(asked) and asked.path.startswith("/runs")

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        answer = await exchange.work()
        content = answer.content
        if _reworded(content, self.words):
            told.happens()
            await exchange.send(answer.with_content(content))


def _reworded(node: Any, words: Mapping[str, str]) -> bool:
    """Change all statuses in a document; whether there was any to change."""
    if isinstance(node, list):
        return sum(_reworded(each, words) for each in node) > 0
    if not isinstance(node, dict):
        return False
    summary = node.get("statusSummary")
    word = words.get(str(summary.get("status"))) if isinstance(summary, dict) else None
    if word is not None:
        node["statusSummary"]["status"] = word
    return sum((word is not None, *(_reworded(each, words) for each in node.values()))) > 0
