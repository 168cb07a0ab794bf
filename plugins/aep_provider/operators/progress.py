"""How far long work has come, in a task's log: a line every now and then, and one at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

SECONDS_APART: Final = 10.0
"""Between two lines at the least, besides the last one of a stage."""


class Logged:
    """
    Tells a log how far it is.

    :param clock: seconds that only go forward.
    """

    def __init__(self, log: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._what = ""
        self._begun = self._told = clock()
        self._done, self._total = 0, 0

    def __call__(self, what: str, done: int, total: int | None, now: str) -> None:
        """Write a line if it is time."""
        if what != self._what:
            self.end()
            self._what = what
            self._begun = self._told = self._clock()
        self._done, self._total = done, total or 0
        if self._clock() - self._told >= SECONDS_APART:
            self._told = self._clock()
            of = f"{done} of {total}" if total is not None else f"{done}"
            self._log.info("%s %s after %.0f seconds, now: %s", of, what, self._told - self._begun, now)

    def end(self) -> None:
        """Write the last line of a stage, if it had more than one thing to do."""
        if self._total > 1:
            seconds = self._clock() - self._begun
            self._log.info("%d of %d %s in %.0f seconds", self._done, self._total, self._what, seconds)
        self._what, self._total = "", 0


@contextmanager
def logged(log: Any) -> Iterator[Logged]:
    """Tell a log how far the work in this block is."""
    progress = Logged(log)
    try:
        yield progress
    finally:
        progress.end()
