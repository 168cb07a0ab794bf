"""The moments at which AEP should start a flow's runs, from the schedule that the flow's document tells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aep_provider.resources.schedule import ON_DEMAND_START, Frequency

_PERIODS: Final[Mapping[str, int]] = {
    Frequency.MINUTE: 60,
    Frequency.HOUR: 3600,
    Frequency.DAY: 86_400,
    Frequency.WEEK: 604_800,
}
# Epoch seconds reach this number in the year 5138; greater ones are milliseconds, which AEP does not take.
_NO_SECONDS: Final = 100_000_000_000


def due_at_or_after(params: object, moment: float) -> int | None:
    """
    Return the first moment at or after another one at which AEP should start a run of a flow.

    :param params: the flow's ``scheduleParams``: AEP echoes numbers as they were sent, perhaps as text.
    :param moment: epoch seconds.
    :return: epoch seconds. None if there is no such start: the flow loaded its table once before ``moment``, it runs on
        demand, or its schedule cannot be read.
    """
    plan = _Plan.read(params)
    if plan is None:
        return None
    if moment <= plan.start:
        return plan.start
    if plan.period is None:
        return None
    # Division rounds down, so that of the negative rounds up.
    return plan.start - (plan.start - math.ceil(moment)) // plan.period * plan.period


def last_due(params: object, moment: float) -> int | None:
    """
    Return the last moment at or before another one at which AEP should have started a run of a flow.

    :param params: as in :func:`due_at_or_after`.
    :param moment: epoch seconds.
    :return: epoch seconds. None if there was no such start yet, the flow runs on demand, or its schedule cannot be read.
    """
    plan = _Plan.read(params)
    if plan is None or moment < plan.start:
        return None
    return plan.start if plan.period is None else plan.start + int(moment - plan.start) // plan.period * plan.period


@dataclass(frozen=True)
class _Plan:
    """:param period: seconds, None for a flow that runs once."""

    start: int
    period: int | None

    @classmethod
    def read(cls, params: object) -> _Plan | None:
        if not isinstance(params, Mapping):
            return None
        start, word = _whole(params.get("startTime")), str(params.get("frequency")).strip().lower()
        if start is None or start >= _NO_SECONDS:
            return None
        if word == Frequency.ONE_TIME.in_aep:
            return cls(start, None) if start < ON_DEMAND_START else None
        period, interval = _PERIODS.get(word), _whole(params.get("interval"))
        return cls(start, period * interval) if period and interval else None


def _whole(value: Any) -> int | None:
    """A number of at least 0, which may be a text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(value)
        return number if number >= 0 and number == float(value) else None
    except (ValueError, OverflowError):
        return None
