"""Waiting for a run that this task started: in the triggerer, or in the worker."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepRunTimeoutError
from aep_provider.operators.base import AepBaseOperator
from aep_provider.operators.rendered import text
from aep_provider.operators.run_outcome import WaitsAndTells, waited_in_vain
from aep_provider.resources.ensure import Patience
from aep_provider.resources.run_looks import Filters, look_for
from aep_provider.resources.run_wait import Awaited, Ending, Kind, RunWait
from aep_provider.verdict import Verdict

if TYPE_CHECKING:
    from airflow.sdk import Context

    from aep_provider.hooks.aep import AepHook

_FIRST_PAUSE_SECONDS = 1.0


class WaitsForRuns(WaitsAndTells, AepBaseOperator):
    """
    Base of the operators that start runs and wait for them. AEP cannot cancel a run.

    A subclass sets the three numbers (seconds), and has a method ``run_has_ended`` for when the triggerer saw one end.

    :param lineage: where rows come from and where they go, for OpenLineage: what ``lineage`` among the XComs of
        :class:`~aep_provider.operators.dataflow.AepEnsureDataflowOperator` and
        :class:`~aep_provider.operators.check.AepCheckDataflowOperator` holds, or a mapping of ``source`` (a namespace, such as
        ``servicenow://example.service-now.com``), ``table``, ``sandbox`` and ``dataset``.
    """

    template_fields: Sequence[str] = (*AepBaseOperator.template_fields, "lineage")
    template_fields_renderers = {"lineage": "json"}  # noqa: RUF012  Airflow's form

    poll_interval: float
    timeout: float
    settle_seconds: float

    def __init__(self, *, lineage: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lineage = lineage

    def on_kill(self) -> None:
        """Say that the run goes on."""
        self.log.warning("The task is killed, but AEP cannot cancel runs: they go on, and the next try takes them over")

    def patience(self) -> Patience:
        """Return how long to look for a run whose start was not answered."""
        return Patience(settle_seconds=self.settle_seconds, look_every_seconds=min(10, self.poll_interval))

    def wait_in_triggerer(self, run_id: str) -> None:
        """Hand the wait over; the task goes on in ``run_has_ended``."""
        # A parse of a DAG file need not wait for it.
        from aep_provider.triggers.flow_run import AepFlowRunTrigger, net_seconds  # noqa: PLC0415

        self.defer(
            trigger=AepFlowRunTrigger(
                aep_conn_id=self.aep_conn_id,
                sandbox=text(self.sandbox),
                run_ids=[run_id],
                poke_interval=self.poll_interval,
                timeout=self.timeout,
                started=time.time(),
            ),
            method_name="run_has_ended",
            # The trigger keeps the deadline; this is a net for a trigger that hangs.
            timeout=timedelta(seconds=self.timeout + net_seconds(self.poll_interval)),
        )

    def wait_in_worker(self, context: Context, hook: AepHook, run_id: str) -> Verdict:
        """
        Look until the run has ended.

        :raises AepRunTimeoutError: it did not do so in time.
        """
        started, pause, filters = time.time(), _FIRST_PAUSE_SECONDS, Filters()
        wait = RunWait(Awaited(run_ids=(run_id,), started=started, deadline=started + self.timeout))
        while True:
            look_for(hook.client, wait, filters)
            for note in wait.notes():
                (self.log.warning if note.warning else self.log.info)("%s", note.text)
            if ending := wait.ending(time.time()):
                return self.verdict_of(context, ending)
            time.sleep(min(pause, self.poll_interval, max(0.0, wait.awaited.deadline - time.time())))
            pause *= 2

    def verdict_of(self, context: Context, event: Any) -> Verdict:
        """
        Return what became of the run that was waited for.

        :param event: how the wait ended, or the triggerer's event of it.
        :raises AepRunTimeoutError: the run did not end in time; another try may find it ended.
        :raises AepError: the wait broke off.
        """
        ending = event if isinstance(event, Ending) else Ending.of(event)
        if ending.kind is Kind.ENDED:
            return ending.verdicts[0]
        error = waited_in_vain(context, self, ending)
        if ending.kind is Kind.TIMEOUT:
            raise AepRunTimeoutError(ending.message, hint="It goes on in AEP, and the next try takes it over")
        raise error
