"""Starting failed runs again: one, or all of a stretch of time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepConfigError, AepDuplicateError, AepRunFailedError, AepRunPartialError
from aep_provider.links import AepFlowLink, AepFlowRunLink, publish_links
from aep_provider.operators.base import TaskMemory, final_errors_end_the_task, publish
from aep_provider.operators.ledger import assets_of, ledger_of
from aep_provider.operators.rendered import listed, text, whole_number
from aep_provider.operators.run_outcome import report, tell_assets, tolerance_of
from aep_provider.operators.waiting import WaitsForRuns
from aep_provider.operators.windows import configured_edges, edges_of, window_of_task
from aep_provider.resources.retrigger import SETTLE_SECONDS, retrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from aep_provider.hooks.aep import AepHook
    from aep_provider.resources.retrigger_range import Notes, Progress, RangeRequest

_SHOWN = 5


class AepRetriggerFlowRunOperator(WaitsForRuns):
    """
    Start a failed run again over the window that it had, or all failed runs of a range. AEP makes a new run of each.

    With ``run_id`` one run is started and not waited for: do that with the sensor. With ``flow_id`` the failed runs are
    started whose windows lie in a range or reach into it, a few at a time, and each is waited for. Windows that were loaded
    by another run are left.

    :param run_id: id of the failed run.
    :param flow_id: instead of it, the on-demand flow whose failed runs to start again.
    :param window_start: with ``flow_id``, first moment of the range, ISO 8601 or epoch seconds; None takes the data interval.
    :param window_end: the moment after its last one.
    :param max_at_once: how many runs go on at the same time at most.
    :param earlier_flow_ids: flows that loaded the same dataset before: their windows count as done.
    :param deferrable: wait in the triggerer; otherwise in the worker.
    :param poll_interval: seconds between two looks at the most.
    :param timeout: seconds to wait for the end of one run.
    :param settle_seconds: how late a run may appear in AEP's lists.
    :param max_rejected_rows: with ``flow_id``, how many rejected rows are borne in a window.
    :param max_rejected_percent: which share of the rows read. A run within either bound passes.
    :param accept_empty: whether a window without rows is a success.
    :param accept_partial: whether a partial success is one, however many rows were rejected.
    :param lineage: with ``flow_id``, where rows come from and go, for OpenLineage; see
        :class:`~aep_provider.operators.waiting.WaitsForRuns`. The dataset of an outlet needs no mention.

    *Idempotency*: what was started is remembered in the task's state: a retry, and a cleared task too, takes the same new
    runs. After an answer that never came the run is looked for before anything is sent again. A window whose run failed again
    is tried once more by the next try of the task. Where AEP does not tell the windows of runs, give the task the dataset's
    asset as an outlet: then it knows those that other tasks have loaded.

    *XCom*: ``return_value`` is the id of the new run, or with ``flow_id`` the list of all that this task started; ``created``
    (with ``run_id``), ``run_ids``, ``started``, ``succeeded``, ``failed`` and ``left`` (with ``flow_id``, also when the task
    fails: the ids, and how many runs were started, brought their rows, failed again, and how many windows had been loaded);
    ``requests``.

    :raises AepRunFailedError: runs failed again; the message names their windows.
    :raises AirflowFailException: what repeating cannot mend, such as windows that were loaded in part by others.
    """

    operator_extra_links = (AepFlowLink(), AepFlowRunLink())
    template_fields: Sequence[str] = (
        *WaitsForRuns.template_fields,
        "run_id",
        "flow_id",
        "window_start",
        "window_end",
        "max_at_once",
        "earlier_flow_ids",
        "max_rejected_rows",
        "max_rejected_percent",
        "accept_empty",
        "accept_partial",
    )

    def __init__(
        self,
        *,
        run_id: Any = None,
        flow_id: Any = None,
        window_start: Any = None,
        window_end: Any = None,
        max_at_once: Any = 1,
        earlier_flow_ids: Sequence[str] | str | None = None,
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
        self.run_id = run_id
        self.flow_id = flow_id
        self.window_start = window_start
        self.window_end = window_end
        self.max_at_once = max_at_once
        self.earlier_flow_ids = earlier_flow_ids
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.settle_seconds = settle_seconds
        self.max_rejected_rows = max_rejected_rows
        self.max_rejected_percent = max_rejected_percent
        self.accept_empty = accept_empty
        self.accept_partial = accept_partial

    def run_step(self, context: Context, hook: AepHook) -> str | list[str]:
        run_id, flow_id = text(self.run_id), text(self.flow_id)
        if (run_id is None) == (flow_id is None):
            raise AepConfigError("Give a run_id, to start one run again, or a flow_id, to start those of a range.")
        if run_id is None:
            self._notes(context).begin_try()
            return self._range(context, hook)
        new, started = retrigger(hook.client, run_id, memory=TaskMemory(context, "retrigger"), patience=self.patience())
        self.log.info("Run %s %s as run %s", run_id, "was started again" if started else "goes on", new)
        publish_links(context, hook, run_id=new)
        publish(context, created=started)
        return new

    def run_has_ended(self, context: Context, event: Any = None) -> list[str]:
        """Start the next ones, when the triggerer saw one end."""
        with final_errors_end_the_task(), self.hook() as hook:
            self.verdict_of(context, event)
            try:
                return self._range(context, hook)
            finally:
                publish(context, requests=hook.client.requests_sent)

    def _range(self, context: Context, hook: AepHook) -> list[str]:
        # A parse of a DAG file need not wait for it.
        from aep_provider.resources.retrigger_range import retrigger_range  # noqa: PLC0415

        request, notes, ledger = self._request(context), self._notes(context), ledger_of(context, self)
        while True:
            progress = retrigger_range(hook.client, request, notes, ledger, self.patience())
            if not progress.running:
                return self._end(context, request, progress)
            self.log.info(
                "%s: %d runs go on, %d windows wait for their turn, %d need none",
                request.range,
                len(progress.running),
                len(progress.waiting),
                len(progress.left) + len(progress.ended),
            )
            publish_links(context, hook, flow_id=request.flow_id, run_id=progress.running[0])
            if self.deferrable:
                self.wait_in_triggerer(progress.running[0])
            self.wait_in_worker(context, hook, progress.running[0])

    def _request(self, context: Context) -> RangeRequest:
        from aep_provider.resources.retrigger_range import RangeRequest  # noqa: PLC0415

        at_once = whole_number(self.max_at_once, "max_at_once")
        if at_once is None or at_once < 1:
            raise AepConfigError(f"max_at_once is {self.max_at_once!r}, but must be at least 1.")
        return RangeRequest(
            flow_id=str(text(self.flow_id)),
            range=window_of_task(context, self.window_start, self.window_end),
            earlier_flow_ids=tuple(listed(self.earlier_flow_ids, "earlier_flow_ids") or ()),
            max_at_once=at_once,
            edges=configured_edges(),
        )

    def _notes(self, context: Context) -> Notes:
        from aep_provider.resources.retrigger_range import Notes  # noqa: PLC0415

        return Notes(TaskMemory(context, "retrigger range"), str(text(self.flow_id)))

    def _end(self, context: Context, request: RangeRequest, progress: Progress) -> list[str]:
        tolerance = tolerance_of(self)
        short = {window: verdict for window, verdict in progress.ended.items() if not tolerance.bears(verdict)}
        run_ids = [run_id for run_id, _ in progress.started]
        publish(
            context,
            run_ids=run_ids,
            started=len(run_ids),
            succeeded=len(progress.ended) - len(short),
            failed=len(progress.failed),
            left=len(progress.left),
        )
        wrong = [
            *(f"window {window} failed again: {verdict.in_words()}" for window, verdict in progress.failed.items()),
            *(
                f"window {window} has rows that were rejected: {verdict.in_words()}"
                for window, verdict in short.items()
            ),
            *(
                f"window {window} was loaded in part by {run}: its failed run, done again, would bring those rows twice"
                for window, run in progress.shared.items()
            ),
            *(f"whether it is of the range cannot be told of {run.in_words()}" for run in progress.untold),
        ]
        for line in wrong:
            self.log.error("%s", line)
        self.saw_window(edges_of(request.range))
        self.saw_arrive([*progress.ended.values(), *progress.failed.values()])
        report(context, self, [*progress.failed.values(), *short.values()])
        if progress.failed:
            raise AepRunFailedError(_few(wrong), hint="The next try starts what failed once more")
        if short:
            raise AepRunPartialError(_few(wrong), final=True)
        if wrong:
            raise AepDuplicateError(_few(wrong), hint="Look at these runs in AEP", final=True)
        told = {"flow_id": request.flow_id, "run_ids": run_ids}
        windows = [window.as_json() for window in progress.ended]
        tell_assets(context, assets_of(self.outlets), {**told, "windows": windows})
        return run_ids


def _few(lines: Iterable[str]) -> str:
    every = list(lines)
    rest = f"; and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return "; ".join(every[:_SHOWN]) + rest
