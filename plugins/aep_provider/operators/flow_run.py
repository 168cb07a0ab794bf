"""Loading one window of an on-demand dataflow."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepConfigError
from aep_provider.links import AepFlowLink, AepFlowRunLink, publish_links
from aep_provider.operators.base import TaskMemory, final_errors_end_the_task, publish
from aep_provider.operators.ledger import assets_of, ledger_of
from aep_provider.operators.rendered import listed, number, text, truth
from aep_provider.operators.run_outcome import conclude, tell_assets, tolerance_of
from aep_provider.operators.waiting import WaitsForRuns
from aep_provider.operators.windows import configured_edges, edges_of, window_of_task
from aep_provider.resources.retrigger import SETTLE_SECONDS
from aep_provider.resources.window import Window
from aep_provider.resources.window_run import OnFailedRun, WindowRequest, start_window
from aep_provider.verdict import Verdict

if TYPE_CHECKING:
    from airflow.sdk import Context

    from aep_provider.hooks.aep import AepHook


class AepCreateFlowRunOperator(WaitsForRuns):
    """
    Load one window of an on-demand dataflow, once, and say what arrived.

    The window is the data interval of a scheduled or backfill run, or what the parameters name. A run of this window that
    goes on or ended well is taken over, whoever posted it.

    :param flow_id: the flow, of frequency ``on_demand``.
    :param window_start: first moment of the window, ISO 8601 or epoch seconds; None takes the data interval.
    :param window_end: the moment after its last one.
    :param delta_column: the column by whose dates a run finds its rows. It goes with every run; AEP holds the flow to that
        of its first one.
    :param delta_format: how its dates are written, where the source has a format of its own.
    :param lag: seconds to wait after the window's end for rows that come late.
    :param on_failed_run: what to do when the window's last run failed: ``retrigger`` it, post a ``new`` one, or ``fail``.
    :param earlier_flow_ids: flows that loaded the same dataset before: their windows count as done.
    :param force: post a run even if the window was loaded: its rows are appended again.
    :param wait: wait for the run to end; otherwise hand its id over, for example to the sensor.
    :param deferrable: wait in the triggerer; otherwise in the worker.
    :param poll_interval: seconds between two looks at the most.
    :param timeout: seconds to wait for the run's end. It goes on in AEP, and the next try takes it over.
    :param settle_seconds: how late a posted run may appear in AEP's lists. So long it is looked for before another is posted.
    :param max_rejected_rows: how many rejected rows are borne.
    :param max_rejected_percent: which share of the rows read may be rejected, 0 to 100. A run within either bound passes.
    :param accept_empty: whether a window without rows is a success.
    :param accept_partial: whether a partial success is one, however many rows were rejected.
    :param lineage: where rows come from and go, for OpenLineage; see
        :class:`~aep_provider.operators.waiting.WaitsForRuns`. The dataset of an outlet needs no mention.

    *Idempotency*: before the request leaves, flow, window and moment are kept in the task's state, and the id right after. A
    retry, and a cleared task too, takes the same run over; after an answer that never came it is looked for. Give the task
    the dataset's :class:`~airflow.sdk.Asset` as an outlet: then all tasks that load it know of each other's runs, also where
    AEP does not tell their windows. A partly successful window is never posted again, except with ``force``.

    *XCom*: ``return_value`` is the id of the run; ``window_start`` and ``window_end`` (ISO 8601, UTC), ``how`` the run was come
    by, and with ``wait`` the ``outcome``, as the sensor tells it. The events of the outlets tell window, run, state and rows.

    :raises AirflowFailException: what repeating cannot mend, such as windows that share rows.
    :raises AepRunFailedError: the run failed; the next try does as ``on_failed_run`` says.
    """

    operator_extra_links = (AepFlowLink(), AepFlowRunLink())
    template_fields: Sequence[str] = (
        *WaitsForRuns.template_fields,
        "flow_id",
        "window_start",
        "window_end",
        "delta_column",
        "delta_format",
        "lag",
        "on_failed_run",
        "earlier_flow_ids",
        "force",
        "max_rejected_rows",
        "max_rejected_percent",
        "accept_empty",
        "accept_partial",
    )

    def __init__(
        self,
        *,
        flow_id: Any,
        window_start: Any = None,
        window_end: Any = None,
        delta_column: str | None = None,
        delta_format: str | None = None,
        lag: Any = 0,
        on_failed_run: Any = OnFailedRun.RETRIGGER,
        earlier_flow_ids: Any = None,
        force: Any = False,
        wait: bool = True,
        deferrable: bool = True,
        poll_interval: float = 30,
        timeout: float = 6 * 3600,
        settle_seconds: float = SETTLE_SECONDS,
        max_rejected_rows: Any = 0,
        max_rejected_percent: Any = 0,
        accept_empty: Any = True,
        accept_partial: Any = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.flow_id = flow_id
        self.window_start = window_start
        self.window_end = window_end
        self.delta_column = delta_column
        self.delta_format = delta_format
        self.lag = lag
        self.on_failed_run = on_failed_run
        self.earlier_flow_ids = earlier_flow_ids
        self.force = force
        self.wait = wait
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.settle_seconds = settle_seconds
        self.max_rejected_rows = max_rejected_rows
        self.max_rejected_percent = max_rejected_percent
        self.accept_empty = accept_empty
        self.accept_partial = accept_partial

    def run_step(self, context: Context, hook: AepHook) -> str:
        window = window_of_task(context, self.window_start, self.window_end)
        self._wait_for_late_rows(window)
        started = start_window(
            hook.client,
            self._request(window),
            memory=TaskMemory(context, "window"),
            ledger=ledger_of(context, self),
            patience=self.patience(),
        )
        self.log.info("Window %s: run %s (%s)", window, started.run_id, started.how)
        self.saw_window(edges_of(window), started.how.value)
        publish_links(context, hook, flow_id=str(self.flow_id), run_id=started.run_id)
        publish(context, **edges_of(window), how=started.how.value)
        if not self.wait:
            return started.run_id
        if started.verdict and started.verdict.state.has_ended:
            return self._end(context, window, started.verdict)
        if self.deferrable:
            self.wait_in_triggerer(started.run_id)
        return self._end(context, window, self.wait_in_worker(context, hook, started.run_id))

    def late_rows_are_in(self, context: Context, event: Any = None) -> Any:  # noqa: ARG002  Airflow hands it over
        """Go on when the lag has passed."""
        return self.execute(context)

    def run_has_ended(self, context: Context, event: Any = None) -> str:
        """Say what the triggerer saw."""
        with final_errors_end_the_task():
            window = window_of_task(context, self.window_start, self.window_end)
            return self._end(context, window, self.verdict_of(context, event))

    def _request(self, window: Window) -> WindowRequest:
        try:
            on_failed = OnFailedRun(str(self.on_failed_run))
        except ValueError:
            raise AepConfigError(
                f"on_failed_run is {self.on_failed_run!r}, but must be one of {', '.join(OnFailedRun)}."
            ) from None
        return WindowRequest(
            flow_id=self.flow_id,
            window=window,
            delta_column=text(self.delta_column),
            delta_format=text(self.delta_format),
            on_failed=on_failed,
            earlier_flow_ids=tuple(listed(self.earlier_flow_ids, "earlier_flow_ids") or ()),
            edges=configured_edges(),
            force=truth(self.force, "force") is True,
        )

    def _wait_for_late_rows(self, window: Window) -> None:
        moment = window.end + number(self.lag, "lag")
        if moment <= time.time():
            return
        then = datetime.fromtimestamp(moment, UTC)
        self.log.info("Waiting until %s for rows that come late to the window %s", then.isoformat(), window)
        if self.deferrable:
            from airflow.providers.standard.triggers.temporal import DateTimeTrigger  # noqa: PLC0415  only here

            self.defer(trigger=DateTimeTrigger(moment=then), method_name="late_rows_are_in")
        time.sleep(moment - time.time())

    def _end(self, context: Context, window: Window, verdict: Verdict) -> str:
        may_repeat = str(self.on_failed_run) != OnFailedRun.FAIL
        self.log.info("Window %s: %s", window, verdict.in_words())
        # What was published before waiting is gone when a task resumes with a clean slate.
        publish(context, **edges_of(window))
        self.saw_window(edges_of(window), self._how)
        conclude(context, self, [verdict], tolerance_of(self), may_repeat=may_repeat)
        tell_assets(context, assets_of(self.outlets), {**edges_of(window), **_counted(verdict)})
        return verdict.run_id


def _counted(verdict: Verdict) -> dict[str, Any]:
    told = verdict.as_json()
    counts = ("rows_read", "rows_written", "rows_rejected", "rows_warned")
    return {key: told[key] for key in ("run_id", "flow_id", "state", *counts)}
