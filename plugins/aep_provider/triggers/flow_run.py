"""Waiting for flow runs in the triggerer, where a wait holds no worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from aep_provider.errors import AepConfigError, AepError
from aep_provider.lineage.assets import is_told
from aep_provider.links import link_urls
from aep_provider.resources.arrivals import OUTCOME, arrived
from aep_provider.resources.run_wait import GRACE_SECONDS, TROUBLE_SECONDS, Awaited, Ending, Kind, RunWait
from aep_provider.verdict import Tolerance, Verdict

if TYPE_CHECKING:
    from aep_provider.platform.client import AepAsyncClient
    from aep_provider.triggers.poller import RunPoller, Seat

LINK_SECONDS: Final = 1.0
"""Between two links that are pushed while tasks wait."""


def net_seconds(poke_interval: float) -> float:
    """Return how long after the deadline Airflow itself gives up: a net for a trigger that hangs."""
    return 10 * poke_interval + 120


class AepFlowRunTrigger(BaseTrigger):
    """
    Wait until runs have ended: those named, or the first of a flow. Only reads, so it may be started anew at any time.

    All triggers of a process that go to the same connection and sandbox share one poll of AEP.

    :param run_ids: the runs to wait for; empty for the first run of a flow.
    :param flow_id: the flow whose first run to wait for.
    :param since: only runs of the flow count that started at or after this moment, epoch milliseconds.
    :param poke_interval: seconds between two looks at the most; the first ones follow each other sooner.
    :param timeout: seconds to wait.
    :param started: when the wait began, epoch seconds; absolute, so that a restart of the triggerer does not move it. None if
        the task starts in the triggerer: then Airflow's own limit tells.
    :param grace: seconds that a run may take to appear after it was due.
    :param trouble_budget: seconds of unbroken trouble that are borne.
    :param tolerance: what is borne of a run, the fields of a :class:`~aep_provider.verdict.Tolerance`. With it a plain
        success of one run ends the task here, without a worker, unless OpenLineage is told; without it, everything is told to
        the task.
    """

    def __init__(
        self,
        *,
        aep_conn_id: str,
        sandbox: str | None,
        run_ids: list[str],
        poke_interval: float,
        timeout: float,
        flow_id: str | None = None,
        since: int = 0,
        started: float | None = None,
        grace: float = GRACE_SECONDS,
        trouble_budget: float = TROUBLE_SECONDS,
        tolerance: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's has no annotations
        self.aep_conn_id = aep_conn_id
        self.sandbox = sandbox
        self.run_ids = run_ids
        self.flow_id = flow_id
        self.since = since
        self.poke_interval = poke_interval
        self.timeout = timeout
        self.started = started
        self.grace = grace
        self.trouble_budget = trouble_budget
        self.tolerance = tolerance

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, plain JSON types without secrets."""
        fields = (
            "aep_conn_id", "sandbox", "run_ids", "flow_id", "since", "poke_interval", "timeout", "started", "grace",
            "trouble_budget", "tolerance",
        )  # fmt: skip
        return f"{type(self).__module__}.{type(self).__qualname__}", {field: getattr(self, field) for field in fields}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: how the wait ended, or that the task has succeeded."""
        # Sensors import this module, at parse time too, so what it takes is imported here; in a thread, for the loop goes on.
        poller = await asyncio.to_thread(import_module, "aep_provider.triggers.poller")
        await asyncio.to_thread(import_module, "aep_provider.hooks.aep")
        wait = RunWait(self.awaited())
        seat = poller.Seat(wait, self.poke_interval)
        try:
            async with poller.watched((self.aep_conn_id, self.sandbox), self._connect, seat) as common:
                linking = asyncio.create_task(self._link(wait, common))
                try:
                    ending = await self._ended(wait, seat)
                finally:
                    linking.cancel()
                # Many waits have no time for it now.
                links = {} if common.aside.locked() else self._links(wait, common)
        except AepError as error:
            ending, links = Ending(Kind.ERROR, wait.verdicts, str(error), error.final), {}
        ends_here = (
            self._is_borne(ending)
            # Airflow tells OpenLineage of what ends in a worker, and of nothing that ends here.
            and not await asyncio.to_thread(is_told)
            and await self._published(ending.verdicts[0], links)
        )
        yield TaskSuccessEvent() if ends_here else TriggerEvent(ending.as_json())

    async def on_kill(self) -> None:
        """Say that the runs go on."""
        self.log.warning("The wait is over, but AEP cannot cancel runs: they go on")

    def awaited(self) -> Awaited:
        """Return what is waited for, with absolute moments."""
        started = self.started
        if started is None:
            limit = getattr(self, "timeout_after", None)
            net = self.timeout + net_seconds(self.poke_interval)
            started = limit.timestamp() - net if isinstance(limit, datetime) else time.time()
        return Awaited(
            run_ids=tuple(self.run_ids),
            flow_id=self.flow_id,
            since=self.since,
            started=started,
            deadline=started + self.timeout,
            grace=self.grace,
            trouble=self.trouble_budget,
        )

    async def _connect(self) -> AepAsyncClient:
        from aep_provider.hooks.aep import AepHook  # noqa: PLC0415

        # What may pass is repeated by the poll itself, so that nobody waits for one who waits.
        return await AepHook(self.aep_conn_id, self.sandbox, caller=type(self).__name__).async_client(attempts=1)

    async def _ended(self, wait: RunWait, seat: Seat) -> Ending:
        # Airflow's supervisor takes the lines, and may be busy with the events of other waits: the loop need not wait for it.
        log: Any = self.log
        await log.ainfo("Waiting for %s", wait.awaited.in_words())
        while True:
            for note in wait.notes():
                await (log.awarning if note.warning else log.ainfo)("%s", note.text)
            if ending := wait.ending(time.time()):
                return ending
            if seat.broken:
                raise self._broken(seat.broken)
            seat.news.clear()
            try:
                async with asyncio.timeout(max(1.0, wait.awaited.deadline - time.time())):
                    await seat.news.wait()
            except TimeoutError:
                continue

    def _links(self, wait: RunWait, poller: RunPoller) -> dict[str, str]:
        if poller.client is None:
            return {}
        flow_id = self.flow_id or next((verdict.flow_id for verdict in wait.verdicts), None)
        return link_urls(poller.client.settings, flow_id=flow_id, run_id=next(iter(wait.run_ids), None))

    async def _link(self, wait: RunWait, poller: RunPoller) -> None:
        """
        Push links while the task waits, if it began here; where it began in a worker, that one has done it.

        Each asks Airflow's supervisor, which has the events of all waits to care for: so they go one by one, and unhurried.
        """
        if self.started is not None or self.task_instance is None:
            return
        told: dict[str, str] = {}
        while True:
            links = self._links(wait, poller)
            async with poller.aside:
                for key in [key for key, url in links.items() if told.get(key) != url]:
                    if not await self._pushed(key, links[key]):
                        return
                    told[key] = links[key]
                    await asyncio.sleep(LINK_SECONDS)
            if wait.verdicts and told == self._links(wait, poller):
                return
            await asyncio.sleep(self.poke_interval)

    async def _published(self, verdict: Verdict, links: dict[str, str]) -> bool:
        """
        Publish what a worker would; return whether that could be done.

        Not by way of the event: what Airflow 3.3 pushes for it, tasks read back as the text of its JSON.
        """
        if verdict.rows_warned:
            self.log.warning("%s", verdict.warning())
        told = {"return_value": verdict.run_id, OUTCOME: arrived([verdict]), **links}
        return all(await asyncio.gather(*(self._pushed(key, value) for key, value in told.items())))

    async def _pushed(self, key: str, value: Any) -> bool:
        ti = self.task_instance
        if ti is None:
            return False
        from airflow.providers.common.compat.sdk import XCom  # noqa: PLC0415  only in the triggerer

        whose = {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": ti.map_index}
        try:
            await XCom.aset(key, value, **whose)
        except Exception as error:
            self.log.warning("The XCom %s could not be pushed here: %s", key, type(error).__name__)
            return False
        return True

    def _broken(self, error: Exception) -> AepError:
        if isinstance(error, AepError):
            return error
        if type(error).__name__ == "AirflowNotFoundException":
            return AepConfigError(f"There is no Airflow connection {self.aep_conn_id!r}.")
        return AepError(f"The poll of AEP broke off ({type(error).__name__}: {error})")

    def _is_borne(self, ending: Ending) -> bool:
        if self.tolerance is None or ending.kind is not Kind.ENDED or len(ending.verdicts) != 1:
            return False
        return Tolerance(**self.tolerance).bears(ending.verdicts[0])


def tolerance_fields(tolerance: Tolerance) -> dict[str, Any]:
    """Return a tolerance in plain JSON types, for the trigger."""
    return asdict(tolerance)
