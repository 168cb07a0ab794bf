"""Faults of runs: one that never ends, and one that nobody can find any more."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

from aep_local.faults.asked import Asked, Service
from aep_local.faults.exchange import Exchange
from aep_local.faults.fault import Fault, Happening, Seconds
from aep_local.faults.views import without
from aep_local.web.services import Services


class RunStuck(Fault):
    """A run stays in progress: it neither ends nor lands its rows.

    It happens to a run that is about to read its rows and to no request, so its rule selects none, and its chance, ``after``
    and ``times`` are about runs.

    :param seconds: how long it is held; left out: as long as the rule is there.
    """

    at = frozenset[Service]()
    kind: Literal["run_stuck"]
    seconds: Seconds | None = None

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        """It happens to no request."""


class RunVanished(Fault):
    """The first run of an answer is not there any more, neither by its id nor in a list.

    :param seconds: how long; left out: as long as the rule is there.
    """

    at = frozenset[Service]({"flowservice"})
    kind: Literal["run_vanished"]
    seconds: Seconds | None = None

    def fits(self, asked: Asked) -> bool:
        parts = asked.path.split("/")
        reads = asked.lists or (asked.method == "GET" and len(parts) == 3)
        return super().fits(asked) and parts[1] == "runs" and reads

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        match (await exchange.work()).content:
            case {"items": [{"id": str() as id, "flowId": str()}, *_]}:
                told.hide_run(id, self.seconds)
                told.happens()
                await exchange.go_on(without_runs(exchange.services, {id}))


def without_runs(services: Services, ids: Collection[str]) -> Services:
    """What answers a request from which some runs are hidden."""
    store = without(services.store, lambda kind, doc: kind == "runs" and doc["id"] in ids)
    return replace(services, store=store)
