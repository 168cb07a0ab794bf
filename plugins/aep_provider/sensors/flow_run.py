"""Waiting for a flow run, and telling completion from failure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowSensorTimeout

from aep_provider.errors import (
    AepAnswerError,
    AepConfigError,
    AepError,
    AepNotFoundError,
)
from aep_provider.operators.base import ReachesAep, final_errors_end_the_task
from aep_provider.operators.rendered import epoch_seconds, number, text, whole_number
from aep_provider.operators.run_outcome import conclude
from aep_provider.provider_info import DEFAULT_CONN_ID
from aep_provider.resources.flow_service import gone
from aep_provider.resources.flow_state import FlowState, state_of
from aep_provider.resources.run import first_since, read_run, runs_of
from aep_provider.triggers.flow_run import EVENT_ENDED, EVENT_ERROR, AepFlowRunTrigger, checked_event
from aep_provider.verdict import Tolerance, Verdict, judge, verdict_of

if TYPE_CHECKING:
    from airflow.sdk import Context


class AepFlowRunSensor(ReachesAep, BaseSensorOperator):
    """
    Wait for a flow run to end, and say what arrived.

    A flow has no run until a few minutes after its start time: that is neither failure nor success. AEP cannot cancel a run,
    so killing the task leaves the run going. What may pass by itself (no answer, 429, 5xx) is borne until the timeout, in
    every mode; a flow that is gone or disabled is told at once.

    :param flow_id: wait for the first run of this flow.
    :param run_id: wait for this run instead.
    :param since: only runs created at or after this moment count, ISO 8601 or epoch seconds.
    :param max_rejected_rows: how many rejected rows are borne.
    :param max_rejected_percent: which share of the rows read may be rejected, 0 to 100. A run within either bound passes.
    :param aep_conn_id: the Airflow connection of the type ``aep``.
    :param sandbox: another sandbox than the connection's.
    :param deferrable: wait in the triggerer; otherwise in the worker, by ``mode``.
    :param poke_interval: seconds between two looks.
    :param timeout: seconds until giving up.

    *Idempotency*: reads only; a retry waits for the same run.

    *XCom*: ``return_value`` is the id of the run; ``state``, ``rows_read``, ``rows_written``, ``rows_rejected``,
    ``rows_warned`` (None where
    AEP does not tell), ``reasons``, ``batch_ids``, ``started_at`` and ``completed_at`` (epoch milliseconds). They are there
    also when the task fails.

    :raises AirflowFailException: the run failed, or rejected more rows than are borne.
    :raises AirflowSensorTimeout: it did not end in time.
    """

    template_fields: Sequence[str] = (
        "aep_conn_id",
        "sandbox",
        "flow_id",
        "run_id",
        "since",
        "max_rejected_rows",
        "max_rejected_percent",
    )
    ui_color: str = "#e8f1e4"

    def __init__(
        self,
        *,
        flow_id: str | None = None,
        run_id: str | None = None,
        since: str | int | None = None,
        max_rejected_rows: int = 0,
        max_rejected_percent: float = 0,
        aep_conn_id: str = DEFAULT_CONN_ID,
        sandbox: str | None = None,
        deferrable: bool = True,
        poke_interval: float = 30,
        timeout: float = 6 * 3600,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, timeout=timeout, **kwargs)
        self.flow_id = flow_id
        self.run_id = run_id
        self.since = since
        self.max_rejected_rows = max_rejected_rows
        self.max_rejected_percent = max_rejected_percent
        self.aep_conn_id = aep_conn_id
        self.sandbox = sandbox
        self.deferrable = deferrable
        self._flow_is_awake = False

    def execute(self, context: Context) -> Any:
        """Look once; then wait in the triggerer, or in the worker."""
        with final_errors_end_the_task():
            if not self.deferrable:
                return super().execute(context)
            verdict = self._look()
            if verdict and verdict.state.has_ended:
                return self._end(context, verdict)
            if verdict is None:
                self._refuse_idle_flow()
        self.defer(
            trigger=AepFlowRunTrigger(
                aep_conn_id=self.aep_conn_id,
                sandbox=text(self.sandbox),
                flow_id=text(self.flow_id),
                run_id=text(self.run_id),
                since=self._since(),
                poke_interval=self.poke_interval,
                deadline=time.time() + self.timeout,
            ),
            method_name="execute_complete",
            # The trigger keeps the deadline; this is a net for a trigger that hangs.
            timeout=timedelta(seconds=self.timeout + 10 * self.poke_interval + 60),
        )

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once, in the worker."""
        with final_errors_end_the_task():
            verdict = self._look()
            if verdict is None:
                self._refuse_idle_flow()
            if verdict is None or not verdict.state.has_ended:
                return PokeReturnValue(is_done=False)
            return PokeReturnValue(is_done=True, xcom_value=self._end(context, verdict))

    def execute_complete(self, context: Context, event: Any = None) -> str:
        """Say what the triggerer saw."""
        with final_errors_end_the_task():
            kind, told = checked_event(event)
            if kind == EVENT_ERROR:
                raise AepError(str(told.get("message")), final=bool(told.get("final")))
            seen = verdict_of(told.get("verdict"))
            if kind == EVENT_ENDED:
                if seen is None:
                    raise AepAnswerError("The wait for the flow run ended without a verdict.")
                return self._end(context, seen)
        trouble = told.get("trouble")
        last = f"The last look failed: {trouble}" if trouble else "No run has appeared yet."
        last = seen.in_words() if seen else last
        raise AirflowSensorTimeout(f"{self._awaited()} did not end within {self.timeout:.0f} seconds. {last}")

    def _look(self) -> Verdict | None:
        """Return what is known of the run. What may pass by itself is borne until time is up."""
        flow_id, run_id, since = text(self.flow_id), text(self.run_id), self._since()
        if not (flow_id or run_id):
            raise AepConfigError("The sensor needs a flow_id or a run_id to wait for.")
        verdict: Verdict | None = None
        try:
            with self.hook() as hook:
                if run_id:
                    verdict = judge(read_run(hook.client, run_id))
                else:
                    first = first_since(runs_of(hook.client, str(flow_id)), since)
                    verdict = judge(first) if first else None
        except AepError as error:
            # A run that was just started may not be known yet; a list is always there.
            if error.final and not (run_id and isinstance(error, AepNotFoundError)):
                raise
            self.log.warning("Looking for the run failed, trying again: %s", error)
        else:
            self.log.info("%s", verdict.in_words() if verdict else f"{self._awaited()} has not appeared yet")
        return verdict

    def _refuse_idle_flow(self) -> None:
        """Ask once whether a run can still come: a flow that is gone or disabled would be waited for in vain."""
        flow_id = text(self.flow_id)
        if self._flow_is_awake or not flow_id:
            return
        try:
            with self.hook() as hook:
                state = state_of(hook.client, flow_id)
        except AepNotFoundError as error:
            raise gone("flow", flow_id) from error
        except AepError as error:
            if error.final:
                raise
            self.log.warning("Looking at the flow failed, trying again: %s", error)
            return
        if state == FlowState.DISABLED:
            raise AepConfigError(
                f"The flow {flow_id} has no run and is disabled, so none will come: enable it with AepSetFlowStateOperator."
            )
        self._flow_is_awake = True

    def _end(self, context: Context, verdict: Verdict) -> str:
        self.log.info("%s", verdict.in_words())
        return conclude(context, verdict, self._tolerance())

    def _tolerance(self) -> Tolerance:
        return Tolerance(
            whole_number(self.max_rejected_rows, "max_rejected_rows") or 0,
            number(self.max_rejected_percent, "max_rejected_percent"),
        )

    def _since(self) -> int:
        return (epoch_seconds(self.since) or 0) * 1000

    def _awaited(self) -> str:
        return f"Run {self.run_id}" if self.run_id else f"The first run of flow {self.flow_id}"
