"""The windows of schedules, computed once for each cron expression and then only carried on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from aep_provider.cli.schedule import moment_of, windows_in
from aep_provider.dataflows.spec import Schedule
from aep_provider.resources.window import Window

MOST: Final = 2_000
"""Windows of one schedule, the newest; they are told apart no further back."""
_DAY: Final = 86_400
_BEFORE: Final = 40
"""Days: a window that ends after a moment may have begun a month before it."""


class DueWindows:
    """
    Remembers the windows of every cron expression it was asked about. For one thread.

    Where a schedule starts and ends only cuts them, so that a thousand dataflows of one expression cost what one does.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[int, list[Window]]] = {}

    def of(self, schedule: Schedule, since: int, now: float) -> list[Window]:
        """
        Return the windows that end after a moment, in order; the last is the one that is still open, if there is one.

        :param since: epoch seconds, as is ``now``.
        :raises AepConfigError: there are too many of them.
        """
        first = moment_of(schedule.start, schedule.timezone).timestamp()
        last = moment_of(schedule.end, schedule.timezone).timestamp() if schedule.end else now
        return [each for each in self._all(schedule, since, now) if first <= each.start <= last]

    def _all(self, schedule: Schedule, since: int, now: float) -> list[Window]:
        key, until = (schedule.cron, schedule.timezone), int(now) + 1
        early = datetime.fromtimestamp(max(0, since - _BEFORE * _DAY), UTC)
        endless = schedule.model_copy(update={"start": early, "end": None})
        began, windows = self._known.get(key, (since, []))
        if not windows or since < began:
            began, windows = since, windows_in(endless, Window(_near(endless, since, until), until))
        elif windows[-1].end <= now:
            last = windows[-1].end
            windows = [*windows, *(each for each in windows_in(endless, Window(last, until)) if each.start >= last)]
        windows = [each for each in windows if each.end > since][-MOST:]
        self._known[key] = began, windows
        return windows


def _near(schedule: Schedule, since: int, until: int) -> int:
    """No earlier than the windows reach that are told apart: a schedule of every minute has tens of thousands a month."""
    a_day = len(windows_in(schedule, Window(until - _DAY, until)))
    return max(since, until - _DAY * max(1, MOST // a_day)) if a_day else since
