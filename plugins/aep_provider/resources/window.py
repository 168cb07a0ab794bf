"""The stretch of time whose rows one run takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Self

from aep_provider.errors import AepConfigError

_LATEST: Final = 253_402_300_799
"""Epoch seconds of the last second of the year 9999; what lies beyond is in milliseconds."""


@dataclass(frozen=True, order=True)
class Window:
    """
    ``start <= delta column < end``, both in whole epoch seconds.

    :raises AepConfigError: if the two do not make a window, before anything is sent.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        for what, value in (("start", self.start), ("end", self.end)):
            if not 0 <= value <= _LATEST:
                raise AepConfigError(
                    f"The {what} of the window, {value}, is no moment in epoch seconds: milliseconds, perhaps?"
                )
        if self.end < self.start:
            raise AepConfigError(
                f"The window ends before it starts, {_iso(self.start)} to {_iso(self.end)} (AEP would answer 1381): "
                "swap the two."
            )
        if self.end == self.start:
            raise AepConfigError(
                f"The window {_iso(self.start)} to {_iso(self.end)} is empty: no row can be in it. Give a later end."
            )

    @classmethod
    def between(cls, start: datetime, end: datetime) -> Self:
        """
        Return the window between two moments with an offset.

        :raises AepConfigError: for moments that are not on the second, which AEP could not be told.
        """
        for moment in (start, end):
            if moment.microsecond:
                raise AepConfigError(
                    f"The window's edge {moment.isoformat()} lies between two seconds: AEP takes whole seconds only, and "
                    "rows on the edge would be taken twice or not at all. Give whole seconds."
                )
        return cls(int(start.timestamp()), int(end.timestamp()))

    def overlaps(self, other: Window) -> bool:
        """Whether a row could be in both."""
        return self.start < other.end and other.start < self.end

    def as_json(self) -> list[int]:
        """Start and end."""
        return [self.start, self.end]

    def __str__(self) -> str:
        return f"{_iso(self.start)} to {_iso(self.end)}"


class Edges(StrEnum):
    """
    Which of the edges that a run is sent AEP counts in. Its documents do not say, so it can be told.

    Windows must follow each other without gap and overlap whatever AEP does. Where it counts in both edges, or neither, one
    of them is sent a second off, which is right for dates in whole seconds.
    """

    START_INCLUSIVE = "start_inclusive"
    END_INCLUSIVE = "end_inclusive"
    """Follow each other just as well: a row on an edge comes with the window before."""
    BOTH_INCLUSIVE = "both_inclusive"
    NEITHER_INCLUSIVE = "neither_inclusive"

    def sent(self, window: Window) -> tuple[int, int]:
        """Return the edges to send, epoch seconds."""
        match self:
            case Edges.BOTH_INCLUSIVE:
                return window.start, window.end - 1
            case Edges.NEITHER_INCLUSIVE:
                return max(0, window.start - 1), window.end
            case _:
                return window.start, window.end

    def read(self, start_ms: int, end_ms: int) -> Window | None:
        """Return the window of a run that tells its edges in epoch milliseconds, None for one that takes no time."""
        start, end = max(0, start_ms // 1000), -(-end_ms // 1000)
        match self:
            case Edges.BOTH_INCLUSIVE:
                end += 1
            case Edges.NEITHER_INCLUSIVE:
                start += 1 if start else 0
            case _:
                pass
        return Window(start, end) if start < end <= _LATEST else None


def merged(windows: Iterable[Window]) -> list[Window]:
    """Return the same stretches of time in order, those that touch or overlap as one."""
    done: list[Window] = []
    for window in sorted(windows):
        if done and window.start <= done[-1].end:
            done[-1] = Window(done[-1].start, max(done[-1].end, window.end))
        else:
            done.append(window)
    return done


def windows_from(pairs: Any) -> list[Window]:
    """Return what :meth:`Window.as_json` made; what is of another form is left out, for it was only a memory."""
    if not isinstance(pairs, list):
        return []
    found = []
    for pair in pairs:
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, int) for one in pair):
            found.append(Window(*pair))
    return found


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
