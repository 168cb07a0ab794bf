"""Waiting for flow runs, and telling completion from failure."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue, TaskInstanceState
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException

from aep_provider.errors import AepAnswerError, AepConfigError, AepRunAbsentError
from aep_provider.links import AepFlowLink, AepFlowRunLink, publish_links
from aep_provider.operators.base import TaskMemory, final_errors_end_the_task
from aep_provider.operators.rendered import epoch_seconds, listed, number, text
from aep_provider.operators.run_outcome import WaitsAndTells, conclude, tolerance_of, waited_in_vain
from aep_provider.provider_info import DEFAULT_CONN_ID
from aep_provider.resources.run_looks import Filters, look_for
from aep_provider.resources.run_wait import GRACE_SECONDS, TROUBLE_SECONDS, Awaited, Ending, Kind, RunWait

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import StartTriggerArgs

    from aep_provider.hooks.aep import AepHook
    from aep_provider.triggers.flow_run import AepFlowRunTrigger


class AepFlowRunSensor(WaitsAndTells, BaseSensorOperator):
    """
    Wait for flow runs to end, and say what arrived.

    Waits for one run, for many, or for the next run of a flow that AEP schedules itself. A run that has not appeared yet is
    neither failure nor success. AEP cannot cancel a run, so killing the task leaves it going. All sensors that wait in one
    triggerer share one poll: a hundred runs cost one request.

    :param run_id: wait for this run, or for all of a list of runs.
    :param flow_id: instead of them, wait for the first run of this flow.
    :param since: only runs of the flow count that started at or after this moment, ISO 8601 or epoch seconds.
    :param max_rejected_rows: how many rejected rows of a run are borne.
    :param max_rejected_percent: which share of the rows read may be rejected, 0 to 100. A run within either bound passes.
    :param accept_empty: whether a run that read no row is a success.
    :param accept_partial: whether a partial success is one, however many rows were rejected.
    :param aep_conn_id: the Airflow connection of the type ``aep``.
    :param sandbox: another sandbox than the connection's.
    :param deferrable: wait in the triggerer; otherwise in the worker, by ``mode``.
    :param poke_interval: seconds between two looks at the most.
    :param timeout: seconds until giving up.
    :param grace: seconds that a run may take to appear after it was due: at once, at ``since``, or when the flow is scheduled.
    :param trouble_budget: seconds for which it is borne that AEP gives no answer, or a 429 or 5xx, without one good look in
        between. What cannot pass (a permission, a sandbox, a flow that is gone or disabled) is told at once.

    :param lineage: where rows come from and go, for OpenLineage; see
        :class:`~aep_provider.operators.waiting.WaitsForRuns`. The dataset of an outlet needs no mention.
    :param start_from_trigger: start in the triggerer, without a worker, where all fields are plain values. Airflow loads the
        whole DAG there for each such task: in one of several hundred tasks, a worker costs less.

    A plain success of one run ends in the triggerer, unless the task has outlets, whose events only a worker can tell, or
    OpenLineage is told, which only a worker does, too. So a good wait needs no worker at all, or one to begin with.

    *Idempotency*: reads only; a retry waits for the same run.

    *XCom*: ``return_value`` is the id of the run, or the list of ids if a list was given; ``outcome`` a mapping of ``state``,
    ``rows_read``, ``rows_written``, ``rows_rejected``, ``rows_skipped``, ``rows_warned``, ``bytes_read``, ``bytes_written``
    (None where AEP does not tell), ``reasons``, ``codes``, ``batch_ids``, ``started_at``, ``completed_at`` (epoch milliseconds),
    AEP's ``status`` and ``flow_id``; of several runs the sums, and ``runs`` holds each one's. It is there also when the task
    fails.

    :raises AirflowFailException: a run failed, was empty or rejected more rows than is borne.
    :raises AirflowSensorTimeout: a run did not end in time.
    :raises AepRunAbsentError: no run has appeared.
    """

    operator_extra_links = (AepFlowLink(), AepFlowRunLink())
    template_fields: Sequence[str] = (
        "aep_conn_id",
        "sandbox",
        "flow_id",
        "run_id",
        "since",
        "max_rejected_rows",
        "max_rejected_percent",
        "accept_empty",
        "accept_partial",
        "grace",
        "trouble_budget",
        "lineage",
    )
    template_fields_renderers = {"lineage": "json"}  # noqa: RUF012  Airflow's form
    ui_color: str = "#e8f1e4"

    def __init__(
        self,
        *,
        run_id: Any = None,
        flow_id: str | None = None,
        since: str | int | None = None,
        max_rejected_rows: Any = 0,
        max_rejected_percent: Any = 0,
        accept_empty: Any = True,
        accept_partial: Any = False,
        aep_conn_id: str = DEFAULT_CONN_ID,
        sandbox: str | None = None,
        deferrable: bool = True,
        poke_interval: float = 30,
        timeout: float = 6 * 3600,
        grace: Any = GRACE_SECONDS,
        trouble_budget: Any = TROUBLE_SECONDS,
        lineage: Any = None,
        start_from_trigger: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, timeout=timeout, **kwargs)
        self.run_id = run_id
        self.flow_id = flow_id
        self.since = since
        self.max_rejected_rows = max_rejected_rows
        self.max_rejected_percent = max_rejected_percent
        self.accept_empty = accept_empty
        self.accept_partial = accept_partial
        self.aep_conn_id = aep_conn_id
        self.sandbox = sandbox
        self.deferrable = deferrable
        self.grace = grace
        self.trouble_budget = trouble_budget
        self.lineage = lineage
        self._wait: RunWait | None = None
        self._filters = Filters()
        # What is wrong with a field is told where the task runs, like everything else.
        if deferrable and start_from_trigger and all(_is_plain(getattr(self, field)) for field in self.template_fields):
            with suppress(AepConfigError):
                self.start_trigger_args = self._start_in_triggerer()
                self.start_from_trigger = True

    def execute(self, context: Context) -> Any:
        """Hand the wait over to the triggerer, or wait in the worker."""
        if not self.deferrable:
            self._wait = None
            try:
                return super().execute(context)
            except AirflowSensorTimeout:
                # Airflow's own clock may be ahead of ours by a moment; what it says tells nothing of the run.
                wait: RunWait | None = self._wait
                if wait is None:
                    raise
                with self._softened():
                    raise AirflowSensorTimeout(wait.timed_out().message) from None
        with self._softened():
            trigger = self._trigger(started=time.time())
            self._link(context, self.hook(), RunWait(trigger.awaited()))
            self.defer(trigger=trigger, method_name="execute_complete", timeout=self._net())

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once, in the worker."""
        with final_errors_end_the_task():
            wait = self._wait = self._wait or self._taken_up(context)
            with self.hook() as hook:
                look_for(hook.client, wait, self._filters)
                self._link(context, hook, wait)
            for note in wait.notes():
                (self.log.warning if note.warning else self.log.info)("%s", note.text)
            if ending := wait.ending(time.time()):
                return PokeReturnValue(is_done=True, xcom_value=self._end(context, ending))
            self._keep(context, wait)
            return PokeReturnValue(is_done=False)

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Say what the triggerer saw."""
        with self._softened():
            # `airflow dags test` resumes a task that its trigger has ended, and tells it no more than that.
            ending = self._looked_again() if event == TaskInstanceState.SUCCESS else Ending.of(event)
            for verdict in ending.verdicts:
                self.log.info("%s", verdict.in_words())
            return self._end(context, ending)

    def on_kill(self) -> None:
        """Say that the runs go on."""
        self.log.warning("The wait is over, but AEP cannot cancel runs: they go on")

    def _end(self, context: Context, ending: Ending) -> Any:
        if ending.kind is Kind.ENDED:
            run_ids = conclude(context, self, ending.verdicts, tolerance_of(self))
            return run_ids[0] if self._is_single() else run_ids
        error = waited_in_vain(context, self, ending)
        raise AirflowSensorTimeout(ending.message) if ending.kind is Kind.TIMEOUT else error

    def _looked_again(self) -> Ending:
        wait = RunWait(self._trigger(started=time.time()).awaited())
        with self.hook() as hook:
            look_for(hook.client, wait, self._filters)
        ending = wait.ending(time.time())
        if ending is None:
            raise AepAnswerError(f"{wait.awaited.in_words()} had ended, and has not: look at it in AEP")
        return ending

    def _trigger(self, started: float | None) -> AepFlowRunTrigger:
        # A parse of a DAG file that waits for nothing need not wait for it.
        from aep_provider.triggers.flow_run import AepFlowRunTrigger, tolerance_fields  # noqa: PLC0415

        tolerance = tolerance_of(self)
        return AepFlowRunTrigger(
            aep_conn_id=self.aep_conn_id,
            sandbox=text(self.sandbox),
            run_ids=self._run_ids(),
            flow_id=text(self.flow_id),
            since=self._since(),
            poke_interval=self.poke_interval,
            timeout=self.timeout,
            started=started,
            grace=number(self.grace, "grace"),
            trouble_budget=number(self.trouble_budget, "trouble_budget"),
            # The events of outlets, and a list over which other tasks may be mapped, only a worker can tell.
            tolerance=tolerance_fields(tolerance) if self._is_single() and not self.outlets else None,
        )

    def _start_in_triggerer(self) -> StartTriggerArgs:
        from airflow.triggers.base import StartTriggerArgs  # noqa: PLC0415

        path, kwargs = self._trigger(started=None).serialize()
        return StartTriggerArgs(
            trigger_cls=path, trigger_kwargs=kwargs, next_method="execute_complete", timeout=self._net()
        )

    def _net(self) -> timedelta:
        from aep_provider.triggers.flow_run import net_seconds  # noqa: PLC0415

        # The trigger keeps the deadline; this is a net for a trigger that hangs.
        return timedelta(seconds=self.timeout + net_seconds(self.poke_interval))

    def _link(self, context: Context, hook: AepHook, wait: RunWait) -> None:
        """Links stand from now on, while the task waits too; the run's needs the flow, which its first verdict tells."""
        flow_id = wait.awaited.flow_id or next((verdict.flow_id for verdict in wait.verdicts), None)
        publish_links(context, hook, flow_id=flow_id, run_id=next(iter(wait.run_ids), None))

    def _taken_up(self, context: Context) -> RunWait:
        """A wait in the worker; one that was rescheduled goes on as it was."""
        first = context["ti"].get_first_reschedule_date(context) if self.reschedule else None
        started = first.timestamp() if first else time.time()
        awaited = Awaited(
            run_ids=tuple(self._run_ids()),
            flow_id=text(self.flow_id),
            since=self._since(),
            started=started,
            deadline=started + self.timeout,
            grace=number(self.grace, "grace"),
            trouble=number(self.trouble_budget, "trouble_budget"),
        )
        note = TaskMemory(context, "wait").recall() if self.reschedule else None
        if not note or not first or note.get("since") != int(started):
            return RunWait(awaited)
        return RunWait(
            awaited,
            pinned=note.get("run"),
            troubled_since=note.get("troubled"),
            unknown_words=note.get("words") or (),
        )

    def _keep(self, context: Context, wait: RunWait) -> None:
        if self.reschedule:
            first = context["ti"].get_first_reschedule_date(context)
            since = int(first.timestamp() if first else wait.awaited.started)
            run = wait.run_ids[0] if self.flow_id and wait.run_ids else None
            note = {"since": since, "run": run, "troubled": wait.troubled_since, "words": sorted(wait.unknown_words)}
            TaskMemory(context, "wait").remember(note)

    @contextmanager
    def _softened(self) -> Generator[None]:
        """What Airflow does for sensors in the worker: skip, where the task is told to, instead of failing."""
        try:
            with final_errors_end_the_task():
                yield
        except (AirflowFailException, AirflowSensorTimeout, AepRunAbsentError) as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise

    def _run_ids(self) -> list[str]:
        if self._is_single():
            run_id = text(self.run_id)
            if not (run_id or text(self.flow_id)):
                raise AepConfigError("The sensor needs a run_id, a list of them, or a flow_id to wait for.")
            return [run_id] if run_id else []
        run_ids = [str(one) for one in listed(self.run_id, "run_id") or []]
        if not run_ids:
            raise AepConfigError(
                "The list of runs to wait for is empty. Skip the sensor where there is nothing to wait for."
            )
        return list(dict.fromkeys(run_ids))

    def _is_single(self) -> bool:
        return self.run_id is None or (isinstance(self.run_id, str) and not self.run_id.lstrip().startswith("["))

    def _since(self) -> int:
        return (epoch_seconds(self.since) or 0) * 1000


def _is_plain(value: Any) -> bool:
    """Whether a field is known before the task runs: no template, and nothing that another task has yet to return."""
    if isinstance(value, str):
        return not any(mark in value for mark in ("{{", "{%", "{#"))
    if isinstance(value, list | tuple):
        return all(isinstance(one, str) and _is_plain(one) for one in value)
    if isinstance(value, dict):
        return all(_is_plain(one) for one in value.values())
    return value is None or isinstance(value, bool | int | float)
