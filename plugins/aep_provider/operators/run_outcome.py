"""What becomes of a task whose flow run has ended: the same for sensor and operator."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepRunFailedError, AepRunPartialError
from aep_provider.operators.base import publish
from aep_provider.verdict import RunState, Tolerance, Verdict

if TYPE_CHECKING:
    from airflow.sdk import Context


log = logging.getLogger(__name__)


def conclude(context: Context, verdict: Verdict, tolerance: Tolerance, *, may_repeat: bool = False) -> str:
    """
    Publish what arrived, then fail if the run did, so that it can be read either way; return the id of the run.

    :param may_repeat: whether another try of the task would do a failed run again.
    :raises AepRunPartialError: more rows were rejected than are borne.
    :raises AepRunFailedError: the run failed.
    """
    outcome = verdict.as_json()
    run_id = str(outcome.pop("run_id"))
    publish(context, **outcome)
    if verdict.rows_warned:
        log.warning(
            "%d rows landed with values left out, because AEP could not convert them: look at the mapping",
            verdict.rows_warned,
        )
    if tolerance.bears(verdict):
        return run_id
    if verdict.state is RunState.PARTIAL:
        raise AepRunPartialError(
            f"{verdict.in_words()}. The other rows are in the dataset",
            hint="Mend the rows at the source, or bear them with max_rejected_rows or max_rejected_percent",
            final=True,
        )
    raise AepRunFailedError(verdict.in_words(), final=not may_repeat)


def tell_assets(context: Context, assets: list[Any], told: dict[str, Any]) -> None:
    """Add what happened to the events of the assets that a task updates."""
    for asset in assets:
        context["outlet_events"][asset].extra.update(told)
