"""Faults of what the platform holds or goes by: tokens, versions of objects, and its own switches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from aep_local.core.settings import Assumptions
from aep_local.core.store import Document
from aep_local.faults.asked import BEHIND_THE_GATEWAY, Asked, Service
from aep_local.faults.exchange import Exchange
from aep_local.faults.fault import Fault, Happening, Seconds
from aep_local.web import documents, ims
from aep_local.web.services import Services

_VERSIONED: Final = re.compile(
    r"/(?P<kind>connections|sourceConnections|targetConnections|flows|dataSets)/(?P<id>[^/]+)(/action)?"
)


class TokenRevoked(Fault):
    """The access token of the request is good for nothing any more, long before its time; another one can be had."""

    at = BEHIND_THE_GATEWAY
    kind: Literal["token_revoked"]

    def fits(self, asked: Asked) -> bool:
        return super().fits(asked) and bool(asked.token)

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        if await run_in_threadpool(ims.expire, exchange.services, exchange.asked.token, 0):
            told.happens()
            await exchange.go_on()


class TokenExpiresEarly(Fault):
    """An access token expires sooner than its answer says."""

    at = frozenset[Service]({"ims"})
    kind: Literal["token_expires_early"]
    seconds: Seconds

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        content = (await exchange.work()).content
        token = content.get("access_token") if isinstance(content, dict) else None
        if token is not None and await run_in_threadpool(ims.expire, exchange.services, token, self.seconds):
            told.happens()
            await exchange.go_on()


class ConcurrentEdit(Fault):
    """Somebody else edits an object just before a request that names the version that it would change."""

    at = frozenset[Service]({"flowservice", "catalog"})
    kind: Literal["concurrent_edit"]

    def fits(self, asked: Asked) -> bool:
        versioned = "if-match" in asked.headers and _VERSIONED.fullmatch(asked.path) is not None
        return super().fits(asked) and asked.writes and versioned

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        await exchange.read()
        if await run_in_threadpool(_edited, exchange.services, exchange.asked):
            told.happens()
            await exchange.go_on()


def _edited(services: Services, asked: Asked) -> bool:
    """Give an object another version, as an edit does that changes nothing else."""
    match = _VERSIONED.fullmatch(asked.path)
    if match is None:
        return False
    kind, id = match["kind"], unquote(match["id"])
    with services.store.transaction():
        doc = services.store.get(kind, id, asked.place)
        if doc is None:
            return False
        if kind == "dataSets":
            _next_version(doc, services)
        else:
            documents.touch(doc, services.clock)
        services.store.put(kind, id, asked.place, doc)
    return True


def _next_version(dataset: Document, services: Services) -> None:
    head, _, last = dataset["version"].rpartition(".")
    dataset["version"], dataset["updated"] = f"{head}.{int(last) + 1}", services.clock.now_ms()


def _settings(value: dict[str, Any]) -> dict[str, Any]:
    unknown = [name for name in value if name not in Assumptions.model_fields]
    if unknown:
        raise ValueError(f"{unknown[0]} is no switch; aep-local assumptions lists them")
    try:
        Assumptions.model_validate(value)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ValueError(f"{problem['loc'][0]}: {problem['msg']}") from None
    return value


class Switches(Fault):
    """For one request, some of the platform's switches are set in another way.

    :param set: settings by the switches' names, see :class:`aep_local.core.settings.Assumptions`. Those that say how rows
        and runs are made have no effect, for no request makes them.
    """

    at = BEHIND_THE_GATEWAY
    kind: Literal["switches"]
    set: Annotated[Mapping[str, Any], AfterValidator(_settings), Field(min_length=1)]

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        settings = exchange.services.settings
        assume = Assumptions.model_validate({**settings.assume.model_dump(), **self.set})
        changed = settings.model_copy(update={"assume": assume})
        told.happens()
        await exchange.go_on(replace(exchange.services, settings=changed))
