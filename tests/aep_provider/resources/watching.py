"""A sandbox that shows what a test wants, in the ways in which AEP may show it, and a watch over it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from aep_provider.errors import AepInvalidRequestError, AepNotFoundError
from aep_provider.resources.flow_watch import WatchRequest, watch
from aep_provider.resources.watch_findings import Watched
from aep_provider.resources.watch_memory import WatchMemory

NOW = 1_767_600_000
"""Epoch seconds: Monday, 5 January 2026, 8 o'clock."""
HOUR = 3600
DAY = 24 * HOUR
REFUSED = ("CONNECTOR-1001-500", "the source refused the connection: its credentials are not right")


def flow(name: str, *, base: str = "b1", state: str = "enabled", frequency: str = "once", **more: Any) -> Any:
    """A flow's document; on demand unless told otherwise, made a month ago."""
    schedule = {"startTime": str(more.pop("start", 2_145_916_800)), "frequency": frequency}
    if frequency != "once":
        schedule["interval"] = str(more.pop("interval", 1))
    source = {"id": f"source of {name}", "baseConnection": {"id": base}}
    return {
        "id": f"flow {name}",
        "name": name,
        "state": state,
        "createdAt": (NOW - 30 * DAY) * 1000,
        "scheduleParams": schedule,
        "inheritedAttributes": {"sourceConnections": [source]},
        **more,
    }


def run(
    name: str,
    of: str,
    created: int,
    ended: int | None = None,
    status: str = "failed",
    *,
    error: tuple[str, str] | None = REFUSED,
    bare: bool = False,
    **records: Any,
) -> Any:
    """
    A run's document; without an end it goes on.

    :param created: epoch seconds, as is ``ended``.
    :param bare: a failed run that tells neither its end nor its records.
    """
    errors = [{"code": error[0], "message": error[1]}] if error and ended and status == "failed" else []
    times = {"startedAtUTC": created * 1000, **({} if ended is None or bare else {"completedAtUTC": ended * 1000})}
    summary = {"status": status if ended else "inProgress", **({"errors": errors} if errors else {})}
    return {
        "id": name,
        "flowId": f"flow {of}",
        "createdAt": created * 1000,
        "updatedAt": (ended or created) * 1000,
        "metrics": {
            "durationSummary": times,
            "statusSummary": summary,
            **({"recordSummary": records} if records else {}),
        },
        "activities": [],
    }


@dataclass
class Sandbox:
    """
    What a client sees.

    :param order: ``created``, ``updated``, ``oldest`` (first), or ``none``: the newest and the oldest in turn.
    :param several: what a filter by several ids does: ``works``, ``ignored``, ``empty``, ``refused``.
    """

    flows: list[Any] = field(default_factory=list)
    runs: list[Any] = field(default_factory=list)
    connections: list[Any] = field(default_factory=lambda: [{"id": "b1", "name": "ServiceNow"}])
    order: str = "created"
    several: str = "works"
    page: int = 100
    asked: list[str] = field(default_factory=list)
    settings: Any = field(default_factory=lambda: SimpleNamespace(sandbox="prod"))

    def get(self, path: str, params: Any = None, **_: Any) -> Any:
        parts = [part for part in path.split("/") if part]
        collection, one = (parts[-2], parts[-1]) if parts[-1] not in ("flows", "runs") else (parts[-1], None)
        self.asked.append(f"{collection}/{one}" if one else collection)
        here = list(getattr(self, collection))
        if one:
            found = [each for each in here if each["id"] == one]
            if not found:
                raise AepNotFoundError("no such", status=404)
            return SimpleNamespace(body={"items": json.loads(json.dumps(found))})
        given = dict(params or [])
        if collection == "runs":
            here = list(self._ordered(here))
        wanted = given.get("property", "").removeprefix("id==").split(",")
        if "property" in given:
            here = self._filtered(here, wanted)
        begin = int(given.get("continuationToken", 0))
        size = min(self.page, int(given["limit"]))
        more = begin + size < len(here)
        links = {"next": {"href": f"/{collection}?continuationToken={begin + size}"}} if more else {}
        items = json.loads(json.dumps(here[begin : begin + size]))
        return SimpleNamespace(body={"items": items, "_links": links})

    def _ordered(self, runs: list[Any]) -> Iterator[Any]:
        key = "updatedAt" if self.order == "updated" else "createdAt"
        runs = sorted(runs, key=lambda each: each.get(key, 0), reverse=self.order != "oldest")
        while runs:
            yield runs.pop(0)
            if self.order == "none":
                runs.reverse()

    def _filtered(self, here: list[Any], wanted: list[str]) -> list[Any]:
        if self.several == "refused":
            raise AepInvalidRequestError("no", status=400, number=1454)
        if self.several == "empty":
            return []
        return here if self.several == "ignored" else [each for each in here if each["id"] in wanted]


class Watch:
    """A watch over a sandbox, whose memory crosses a database."""

    def __init__(self, sandbox: Any, **request: Any) -> None:
        self.sandbox = sandbox
        self.request = WatchRequest(**request)
        self.kept: str | None = None

    def look(self, now: float = NOW, *, remember: bool = True) -> Watched:
        memory = WatchMemory.from_json(json.loads(self.kept)) if self.kept else None
        watched = watch(self.sandbox, self.request, memory, now=now)
        kept = watched.memory.as_json()
        assert None not in kept.values()
        if remember:
            self.kept = json.dumps(kept)
        return watched


def told(watched: Watched) -> list[str]:
    """The ids of the runs that are told as failed."""
    return sorted(each.run.id for each in watched.failed)
