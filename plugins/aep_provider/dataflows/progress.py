"""How far long work has come, told to whoever wants to know: a terminal, a log, nobody."""

from __future__ import annotations

import logging
from threading import Lock
from typing import Protocol

log = logging.getLogger(__name__)


class Progress(Protocol):
    """Told of every step of some work, from several threads, but one at a time."""

    def __call__(self, what: str, done: int, total: int | None, now: str) -> None:
        """
        Take up how far it is.

        :param what: is counted, such as ``dataflows planned``; with another one, a stage of its own begins.
        :param total: None where nobody knows how many there will be.
        :param now: what is being done, or was done last.
        """


class Stage:
    """
    Counts one stage of some work.

    :param what: is counted.
    """

    def __init__(self, progress: Progress | None, what: str, total: int | None = None, now: str = "") -> None:
        self._progress = progress
        self._what = what
        self._total = total
        self._done = 0
        self._lock = Lock()
        self.begins(now)

    def begins(self, now: str) -> None:
        """Tell what is being done from now on."""
        self._tell(0, now)

    def ends(self, now: str) -> None:
        """Count one more that is done."""
        self._tell(1, now)

    def _tell(self, more: int, now: str) -> None:
        with self._lock:
            self._done += more
            if self._total is not None:
                # What only comes to light on the way was not counted before.
                self._total = max(self._total, self._done)
            if self._progress is None:
                return
            try:
                self._progress(self._what, self._done, self._total, now)
            except Exception as error:
                # Whoever watches may be gone, and the work goes on.
                self._progress = None
                log.debug("Progress cannot be told any more: %s", type(error).__name__)
