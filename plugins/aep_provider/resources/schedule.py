"""When AEP runs a dataflow: the rules that its JSON schemas do not hold, each with the code that AEP would answer."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from aep_provider.errors import AepConfigError

ON_DEMAND_START: Final = 2_145_916_800
"""Epoch seconds. AEP may run a flow of frequency ``once`` by itself at its start time, so one that only runs
on demand starts as late as fits into 31 bits; by this start it is told from one that loads the table once."""


class Frequency(StrEnum):
    """How often AEP runs a dataflow. ``one_time`` and ``on_demand`` are what AEP calls ``once``."""

    ONE_TIME = "one_time"
    ON_DEMAND = "on_demand"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"

    @property
    def in_aep(self) -> str:
        """The word that goes over the wire."""
        return self.value if self.recurs else "once"

    @property
    def recurs(self) -> bool:
        """Whether AEP comes back by itself."""
        return self not in (Frequency.ONE_TIME, Frequency.ON_DEMAND)


_LEAST_INTERVAL = {Frequency.MINUTE: 15, Frequency.HOUR: 1, Frequency.DAY: 1, Frequency.WEEK: 1}


def check_schedule(
    frequency: str, interval: int | None, backfill: bool | None, delta_column: str | None
) -> tuple[Frequency, int | None]:
    """
    Return frequency and interval, if AEP would take this schedule.

    :raises AepConfigError: with everything that is wrong in one message, and the code that AEP would answer.
    """
    try:
        word = Frequency("one_time" if frequency == "once" else frequency)
    except ValueError:
        raise AepConfigError(
            f"frequency is {frequency!r}, but must be one of {', '.join(Frequency)} (AEP would answer 1397)."
        ) from None
    if word is Frequency.ONE_TIME:
        wrong = _wrong_for_one_time(interval, backfill, delta_column)
    elif word is Frequency.ON_DEMAND:
        wrong = _wrong_for_on_demand(interval, backfill, delta_column)
    else:
        wrong = _wrong_for_recurring(word, interval, delta_column)
    if wrong:
        raise AepConfigError("The schedule is not possible: " + "; ".join(wrong) + ".")
    return word, interval


def _wrong_for_one_time(interval: int | None, backfill: bool | None, delta_column: str | None) -> list[str]:
    wrong = []
    if interval is not None:
        wrong.append(f"interval {interval} with frequency one_time, which has none (AEP would answer 1361)")
    if backfill is not None:
        wrong.append("backfill with frequency one_time, which loads everything anyway (AEP would answer 1364)")
    if delta_column is not None:
        wrong.append(
            f"delta column {delta_column!r} with frequency one_time, which loads the whole table (AEP would answer 1369)"
        )
    return wrong


def _wrong_for_on_demand(interval: int | None, backfill: bool | None, delta_column: str | None) -> list[str]:
    wrong = []
    if interval is not None:
        wrong.append(
            f"interval {interval} with frequency on_demand, whose runs bring their windows (AEP would answer 1361)"
        )
    if backfill is not None:
        wrong.append("backfill with frequency on_demand, whose runs bring their windows (AEP would answer 1364)")
    if not delta_column:
        wrong.append(
            "frequency on_demand needs a delta column, by which a run finds the rows of its window (AEP would answer 1383)"
        )
    return wrong


def _wrong_for_recurring(frequency: Frequency, interval: int | None, delta_column: str | None) -> list[str]:
    wrong = []
    least = _LEAST_INTERVAL[frequency]
    if interval is None:
        wrong.append(f"frequency {frequency} needs an interval of at least {least}")
    elif interval < least:
        code = 1394 if least == 1 else 1362
        wrong.append(f"interval {interval} with frequency {frequency}, the least is {least} (AEP would answer {code})")
    if not delta_column:
        wrong.append(
            f"frequency {frequency} needs a delta column, which tells new rows from old (AEP would answer 1367); "
            "to load the whole table once, choose one_time"
        )
    return wrong


def check_start(start_time: int, now: float) -> None:
    """
    Check that a start time lies ahead.

    :param start_time: epoch seconds.
    :param now: epoch seconds.
    :raises AepConfigError: if it does not.
    """
    if start_time > now * 100:
        raise AepConfigError(f"The start time {start_time} is not in epoch seconds: milliseconds, perhaps?")
    if start_time <= now:
        past = datetime.fromtimestamp(start_time).astimezone().isoformat()
        raise AepConfigError(
            f"The start time {past} is in the past (AEP would answer 1360): choose a later one, or leave it out to start "
            "in about a minute."
        )
