"""When a flow runs, and over which window.

Windows lie on the grid of the schedule: they end at ``startTime + n periods``, and each begins where the last one ended,
so no moment is in two windows or in none. Periods missed while nothing ran become one window. With a time scale below 1
the grid passes faster, counted from the flow's creation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aep_local.core.settings import Assumptions
from aep_local.core.store import Document

_SECONDS: Final = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_FASTEST: Final = 0.0001
"""Below this scale a schedule of minutes would do nothing but start runs."""


@dataclass(frozen=True)
class Window:
    """What a run reads: ``start <= delta < end`` in epoch milliseconds, None is open; without end the whole table."""

    start_ms: int | None
    end_ms: int | None
    include_null: bool = False


@dataclass(frozen=True)
class Step:
    """What to do now: start a run or not, what to remember then, and when to look again (None: never)."""

    run: Window | None
    memory: Document
    due_ms: int | None


@dataclass(frozen=True)
class Plan:
    """A flow's schedule.

    :param created_ms: from where scaled time is counted.
    :param start_ms: ``startTime``.
    :param period_ms: None for a flow that runs once.
    :param appears_ms: how long after its time a run appears.
    """

    created_ms: int
    start_ms: int
    period_ms: int | None
    backfill: bool
    scale: float
    appears_ms: int
    once_by_itself: bool

    @property
    def started_ms(self) -> int:
        """When the start time comes on the platform's clock, epoch milliseconds."""
        return self._real(self.start_ms)

    def next(self, memory: Document, now_ms: int) -> Step:
        """The step at a moment, given what the last one remembered."""
        if self.period_ms is None:
            return self._once(memory, now_ms)
        last = memory.get("windowEnd")
        end = self.start_ms if last is None else self._grid(last, self.period_ms) + self.period_ms
        due = self._real(end + self.appears_ms)
        if now_ms < due:
            return Step(None, memory, due)
        passed = self._grid(self._nominal(now_ms) - self.appears_ms, self.period_ms)
        end = max(end, passed)
        if last is not None:
            window = Window(last, end)
        elif self.backfill:
            window = Window(None, end, include_null=True)
        else:
            window = Window(self.start_ms, end)
        following = end + self.period_ms
        return Step(window, {"windowEnd": end}, self._real(following + self.appears_ms))

    def _once(self, memory: Document, now_ms: int) -> Step:
        if memory.get("done") or not self.once_by_itself:
            return Step(None, memory, None)
        due = self._real(self.start_ms + self.appears_ms)
        if now_ms < due:
            return Step(None, memory, due)
        return Step(Window(None, None), {"done": True}, None)

    def _grid(self, moment: int, period: int) -> int:
        """The last moment of the grid that is not after this one."""
        return self.start_ms + (moment - self.start_ms) // period * period

    def _real(self, nominal: int) -> int:
        return nominal if self.scale == 1 else self.created_ms + round((nominal - self.created_ms) * self.scale)

    def _nominal(self, real: int) -> int:
        return real if self.scale == 1 else self.created_ms + int((real - self.created_ms) / self.scale)


def plan(flow: Document, time_scale: float, assume: Assumptions) -> Plan:
    """The schedule of a flow; numbers and booleans in it may be texts."""
    params = flow["scheduleParams"]
    frequency = params["frequency"]
    period = None if frequency == "once" else _SECONDS[frequency] * int(params["interval"]) * 1000
    return Plan(
        created_ms=flow["createdAt"],
        start_ms=int(params["startTime"]) * 1000,
        period_ms=period,
        backfill=str(params.get("backfill", True)).lower() == "true",
        scale=max(time_scale, _FASTEST),
        appears_ms=round(assume.run_appears_after_seconds * 1000),
        once_by_itself=assume.once_runs_by_itself == "yes",
    )
