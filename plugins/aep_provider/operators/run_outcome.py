"""What becomes of a task whose flow runs have ended, or were waited for in vain: the same for sensor and operators."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf

from aep_provider.errors import (
    AepError,
    AepRunAbsentError,
    AepRunEmptyError,
    AepRunError,
    AepRunFailedError,
    AepRunPartialError,
)
from aep_provider.links import named_urls, publish_links
from aep_provider.operators.base import ReachesAep, publish
from aep_provider.operators.lineage import TellsLineage
from aep_provider.operators.rendered import number, truth, whole_number
from aep_provider.resources.arrivals import OUTCOME, arrived
from aep_provider.resources.run_wait import Ending, Kind
from aep_provider.verdict import RunState, Tolerance, Verdict

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

_REPORTED = 5
"""Of so many runs that did not bring what they should, the log holds a report."""


class WaitsAndTells(TellsLineage, ReachesAep):
    """A task that waits for flow runs, and tells what they brought."""


def tolerance_of(task: Any) -> Tolerance:
    """
    Return what a task's rendered fields say is borne.

    :raises AepConfigError: one of them cannot be read.
    """
    return Tolerance(
        rows=whole_number(task.max_rejected_rows, "max_rejected_rows") or 0,
        percent=number(task.max_rejected_percent, "max_rejected_percent"),
        accept_empty=truth(task.accept_empty, "accept_empty") is not False,
        accept_partial=truth(task.accept_partial, "accept_partial") is True,
    )


def conclude(
    context: Context,
    task: WaitsAndTells,
    verdicts: Sequence[Verdict],
    tolerance: Tolerance,
    *,
    may_repeat: bool = False,
) -> list[str]:
    """
    Publish what arrived, then fail if a run did, so that it can be read either way; return the ids of the runs.

    Before a task fails, its log holds a report on what went wrong.

    :param may_repeat: whether another try of the task would do a failed run again.
    :raises AepRunFailedError: a run failed.
    :raises AepRunPartialError: more rows were rejected than are borne.
    :raises AepRunEmptyError: a run brought no rows, where that is not accepted.
    """
    publish(context, **{OUTCOME: arrived(verdicts)})
    task.saw_arrive(verdicts)
    for verdict in verdicts:
        if warning := verdict.warning():
            log.warning("%s", warning)
    wrong = [verdict for verdict in verdicts if not tolerance.bears(verdict)]
    if wrong:
        report(context, task, wrong)
        raise _error(wrong, len(verdicts), may_repeat=may_repeat)
    return [verdict.run_id for verdict in verdicts]


def waited_in_vain(context: Context, task: WaitsAndTells, ending: Ending) -> AepError:
    """Publish and report what is known of the runs, and return what to raise for a wait that was not ended by them."""
    if ending.verdicts:
        publish(context, **{OUTCOME: arrived(ending.verdicts)})
        task.saw_arrive(ending.verdicts)
        report(context, task, [verdict for verdict in ending.verdicts if not verdict.state.has_ended])
    if ending.kind is Kind.ABSENT:
        return AepRunAbsentError(ending.message)
    return AepError(ending.message, final=ending.final)


def report(context: Context, task: ReachesAep, verdicts: Sequence[Verdict]) -> None:
    """
    Write into the task's log what AEP tells of some runs, and let its links lead to the first of them.

    What cannot be read is no failure of its own.
    """
    if not verdicts:
        return
    from aep_provider.resources.run_report import read_report  # noqa: PLC0415  most tasks never need it

    try:
        with task.hook() as hook:
            for verdict in verdicts[:_REPORTED]:
                links = named_urls(hook.settings, flow_id=verdict.flow_id, run_id=verdict.run_id)
                found = read_report(hook.client, verdict.run_id, links=links, show_values=_values_may_be_shown())
                for line in found.lines():
                    log.error("%s", line)
            publish_links(context, hook, flow_id=verdicts[0].flow_id, run_id=verdicts[0].run_id)
    except AepError as error:
        log.warning("A report on the runs cannot be had: %s", error)
    if len(verdicts) > _REPORTED:
        log.error("%d more runs did not bring what they should; they are in the XCom 'runs'", len(verdicts) - _REPORTED)


def _values_may_be_shown() -> bool:
    """Whether Airflow's configuration lets the log show what rejected rows hold. They may be people's data."""
    return bool(conf.getboolean("aep", "show_rejected_values", fallback=False))


def _error(wrong: Sequence[Verdict], of: int, *, may_repeat: bool) -> AepRunError:
    failed = [verdict for verdict in wrong if verdict.state is RunState.FAILED]
    partial = [verdict for verdict in wrong if verdict.state is RunState.PARTIAL]
    first = (failed or partial or list(wrong))[0]
    message = (
        first.in_words() if of == 1 else f"{len(wrong)} of {of} runs did not bring what they should: {first.in_words()}"
    )
    if failed:
        again = (
            None
            if may_repeat
            else "Nothing does it again by itself: mend the cause, then start it again with AepRetriggerFlowRunOperator"
        )
        return AepRunFailedError(message, hint=again, final=not may_repeat)
    if partial:
        return AepRunPartialError(
            f"{message}. The other rows are in the dataset",
            hint="Mend the rows at the source, or bear them with max_rejected_rows or max_rejected_percent",
        )
    return AepRunEmptyError(
        f"{message}. An empty run is not accepted",
        hint="See whether the source has rows in this window and the delta column is the right one, or set accept_empty",
    )


def tell_assets(context: Context, assets: list[Any], told: dict[str, Any]) -> None:
    """Add what happened to the events of the assets that a task updates."""
    for asset in assets:
        context["outlet_events"][asset].extra.update(told)
