"""Waiting for a run that this task started: in the triggerer, or in the worker."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from aep_provider.errors import AepError, AepNotFoundError, AepRunTimeoutError
from aep_provider.operators.base import AepBaseOperator
from aep_provider.operators.rendered import text
from aep_provider.resources.ensure import Patience
from aep_provider.resources.run import read_run
from aep_provider.triggers.flow_run import AepFlowRunTrigger
from aep_provider.verdict import Verdict, judge

if TYPE_CHECKING:
    from aep_provider.hooks.aep import AepHook

_FIRST_PAUSE_SECONDS = 1.0


class WaitsForRuns(AepBaseOperator):
    """
    Base of the operators that start runs and wait for them. AEP cannot cancel a run.

    A subclass sets the three numbers (seconds), and has a method ``run_has_ended`` for when the triggerer saw one end.
    """

    poll_interval: float
    timeout: float
    settle_seconds: float

    def on_kill(self) -> None:
        """Say that the run goes on."""
        self.log.warning("The task is killed, but AEP cannot cancel runs: they go on, and the next try takes them over")

    def patience(self) -> Patience:
        """Return how long to look for a run whose start was not answered."""
        return Patience(settle_seconds=self.settle_seconds, look_every_seconds=min(10, self.poll_interval))

    def wait_in_triggerer(self, run_id: str, deadline: float) -> None:
        """Hand the wait over; the task goes on in ``run_has_ended``."""
        self.defer(
            trigger=AepFlowRunTrigger(
                aep_conn_id=self.aep_conn_id,
                sandbox=text(self.sandbox),
                flow_id=None,
                run_id=run_id,
                since=0,
                poke_interval=self.poll_interval,
                deadline=deadline,
            ),
            method_name="run_has_ended",
            # The trigger keeps the deadline; this is a net for a trigger that hangs.
            timeout=timedelta(seconds=self.timeout + 10 * self.poll_interval + 60),
        )

    def wait_in_worker(self, hook: AepHook, run_id: str, deadline: float) -> Verdict:
        """
        Look until the run has ended.

        :raises AepRunTimeoutError: it did not do so in time.
        """
        pause, seen = _FIRST_PAUSE_SECONDS, None
        while True:
            trouble = None
            try:
                seen = judge(read_run(hook.client, run_id))
            except AepError as error:
                # A run that was just started may not be shown yet.
                if error.final and not isinstance(error, AepNotFoundError):
                    raise
                self.log.warning("Looking for the run failed, trying again: %s", error)
                trouble = str(error)
            if seen and seen.state.has_ended:
                return seen
            if time.time() >= deadline:
                raise self.timed_out(seen, trouble)
            time.sleep(min(pause, self.poll_interval, max(0.0, deadline - time.time())))
            pause *= 2

    def timed_out(self, seen: Verdict | None, trouble: object) -> AepRunTimeoutError:
        """Return the error for a run that did not end in time; another try may find it ended."""
        last = seen.in_words() if seen else "It has not appeared yet"
        last = f"{last}. The last look failed: {trouble}" if trouble else last
        return AepRunTimeoutError(
            f"The flow run did not end within {self.timeout:.0f} seconds. {last}",
            hint="It goes on in AEP, and the next try takes it over",
        )
