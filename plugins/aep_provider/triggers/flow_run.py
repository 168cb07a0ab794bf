"""Waiting for a flow run in the triggerer, where a wait holds no worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from aep_provider.errors import AepAnswerError, AepError, AepNotFoundError
from aep_provider.platform.paging import flow_service_items_async, single
from aep_provider.resources import flow_service, run
from aep_provider.verdict import Verdict, judge

if TYPE_CHECKING:
    from aep_provider.platform.client import AepAsyncClient

# A run that ends soon is seen soon; one that takes its time is looked at ever more seldom, down to ``poke_interval``.
FIRST_PAUSE_SECONDS = 1.0

EVENT_ENDED = "ended"
EVENT_TIMEOUT = "timeout"
EVENT_ERROR = "error"


class AepFlowRunTrigger(BaseTrigger):
    """
    Wait until a run has ended: the one named, or the first of a flow. Only reads, so it may be started anew at any time.

    What may pass by itself (no answer, 429, 5xx) is borne until the deadline, as the sensor does in the worker.

    :param since: the run was created at or after this moment, epoch milliseconds.
    :param poke_interval: seconds between two looks at the most; the first ones follow each other sooner.
    :param deadline: when to give up, epoch seconds; absolute, so that a restart of the triggerer does not move it.
    """

    def __init__(
        self,
        *,
        aep_conn_id: str,
        sandbox: str | None,
        flow_id: str | None,
        run_id: str | None,
        since: int,
        poke_interval: float,
        deadline: float,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's has no annotations
        self.aep_conn_id = aep_conn_id
        self.sandbox = sandbox
        self.flow_id = flow_id
        self.run_id = run_id
        self.since = since
        self.poke_interval = poke_interval
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, plain JSON types without secrets."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "aep_conn_id": self.aep_conn_id,
                "sandbox": self.sandbox,
                "flow_id": self.flow_id,
                "run_id": self.run_id,
                "since": self.since,
                "poke_interval": self.poke_interval,
                "deadline": self.deadline,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: the verdict, that time is up, or what cannot be mended by waiting."""
        from aep_provider.hooks.aep import AepHook  # noqa: PLC0415  sensors import this module, at parse time too

        try:
            hook = AepHook(self.aep_conn_id, self.sandbox, caller=type(self).__name__)
            async with await hook.async_client() as client:
                yield TriggerEvent(await self._wait(client))
        except AepError as error:
            yield TriggerEvent({"event": EVENT_ERROR, "message": str(error), "final": error.final})

    async def _wait(self, client: AepAsyncClient) -> dict[str, Any]:
        pause = FIRST_PAUSE_SECONDS
        while True:
            verdict, trouble = None, None
            try:
                verdict = await self._look(client)
            except AepError as error:
                if error.final:
                    raise
                self.log.warning("Looking for the run failed, trying again: %s", error)
                trouble = str(error)
            if verdict and verdict.state.has_ended:
                return {"event": EVENT_ENDED, "verdict": verdict.as_json()}
            if time.time() >= self.deadline:
                return {"event": EVENT_TIMEOUT, "verdict": verdict.as_json() if verdict else None, "trouble": trouble}
            await asyncio.sleep(min(pause, self.poke_interval, max(0.0, self.deadline - time.time())))
            pause *= 2

    async def _look(self, client: AepAsyncClient) -> Verdict | None:
        if self.run_id:
            try:
                answer = await client.get(flow_service.path_of(run.COLLECTION, self.run_id))
            except AepNotFoundError as error:
                # Runs appear minutes late, and not in lists alone.
                self.log.info("The run has not appeared yet: %s", error)
                return None
            return judge(single(answer.body))
        listing = flow_service_items_async(client, flow_service.path_of(run.COLLECTION), run.of_flow(str(self.flow_id)))
        first = run.first_since([document async for document in listing], self.since)
        return judge(first) if first else None


def checked_event(event: Any) -> tuple[str, Mapping[str, Any]]:
    """
    Return the kind of an event and the event, if it is one of ours; it has crossed the metadata database.

    :raises AepAnswerError: if it is not.
    """
    if isinstance(event, Mapping) and event.get("event") in (EVENT_ENDED, EVENT_TIMEOUT, EVENT_ERROR):
        return str(event["event"]), event
    raise AepAnswerError(f"The wait for the flow run ended with an event that is not ours: {event!r}")
