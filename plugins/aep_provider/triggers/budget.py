"""How many requests a poll may send, and when."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

LEAST: Final = 10
"""How many requests one polling interval may take, unless it needs more to see everything once."""
SPREAD: Final = 5
"""Into so many parts of an interval its requests are spread, if it takes as many, so that what they show comes spread."""


class Budget:
    """
    Requests over any stretch of time as long as an interval, and over each part of it.

    :param clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sent: deque[float] = deque()

    def spend(self, requests: int) -> None:
        """Note that so many requests were sent."""
        self._sent.extend([self._clock()] * requests)

    def room(self, interval: float, at_least: int) -> int:
        """
        Return how many requests may be sent now.

        :param interval: seconds.
        :param at_least: how many requests it takes to see everything once.
        """
        now = self._clock()
        spent = ((sum(at + window > now for at in self._sent), most) for window, most in _limits(interval, at_least))
        return max(0, min(most - sent for sent, most in spent))

    def next_at(self, interval: float, at_least: int) -> float:
        """Return when the next request may be sent, monotonic seconds; 0 for at once. Parameters as of :meth:`room`."""
        now = self._clock()
        while self._sent and self._sent[0] + interval <= now:
            self._sent.popleft()
        full = [self._sent[-most] + window for window, most in _limits(interval, at_least) if len(self._sent) >= most]
        return max(full, default=0.0)


def _limits(interval: float, at_least: int) -> Iterator[tuple[float, int]]:
    """Over how many seconds how many requests may be sent."""
    most = max(LEAST, at_least)
    yield interval, most
    yield interval / SPREAD, -(-most // SPREAD)
