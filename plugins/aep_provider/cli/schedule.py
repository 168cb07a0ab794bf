"""The windows that Airflow makes of a schedule, and moments as people type them."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pendulum
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable

from aep_provider.dataflows.spec import Schedule
from aep_provider.errors import AepConfigError, one_line
from aep_provider.resources.window import Window

MOST_WINDOWS = 100_000
_DAY = 86400


def windows_in(schedule: Schedule, asked: Window) -> list[Window]:
    """
    Return the windows of a schedule that lie in a range or reach into it, in order.

    They come from Airflow's own timetable, the one that the dataflow's DAG has, so that days on which clocks change and
    29 February are what they are in its data intervals.

    :raises AepConfigError: there are too many of them.
    """
    timetable = CronDataIntervalTimetable(schedule.cron, timezone=schedule.timezone)
    first = moment_of(schedule.start, schedule.timezone)
    last = moment_of(schedule.end, schedule.timezone) if schedule.end else None
    restriction = TimeRestriction(
        earliest=pendulum.instance(first),
        latest=pendulum.instance(last) if last else None,
        catchup=True,
    )
    # A day early: were the first of them sought in an hour that comes twice, it would not be Airflow's.
    before = pendulum.from_timestamp(max(0, asked.start - _DAY))
    interval: DataInterval | None = DataInterval(start=pendulum.from_timestamp(0).subtract(years=1), end=before)
    found: list[Window] = []
    while info := timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=restriction):
        interval = info.data_interval
        if interval is None or interval.start.timestamp() >= asked.end:
            break
        window = Window.between(interval.start, interval.end)
        if window.overlaps(asked):
            found.append(window)
        if len(found) > MOST_WINDOWS:
            raise AepConfigError(f"The range holds more than {MOST_WINDOWS} windows: ask about a shorter one.")
        # Later windows follow from the last one; finding the first anew each time takes most of the time.
        restriction = restriction._replace(earliest=None)
    return found


def moment_of(value: datetime | date, timezone: str) -> datetime:
    """Return a moment with an offset; a date is its midnight, and what has no offset is read in ``timezone``."""
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))


def read_moment(text: str, what: str, timezone: str) -> datetime:
    """
    Return a moment that somebody typed.

    :raises AepConfigError: it is neither a date nor a date and time in ISO 8601.
    """
    for read in (date.fromisoformat, datetime.fromisoformat):
        try:
            return moment_of(read(text), timezone)
        except (ValueError, OverflowError):
            continue
    raise AepConfigError(
        f"{what} is {one_line(text, 80)!r}, but must be a date, as in 2026-01-31, or a date and time, as in "
        "2026-01-31T06:00:00+01:00."
    )
