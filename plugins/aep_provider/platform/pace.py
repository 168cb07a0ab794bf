"""How many requests one account sends at once, and how fast: shared by all that a process does with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aep_provider.platform.settings import AepSettings


class Pace:
    """
    Turns to send a request. Safe for threads.

    :param at_once: how many requests may be under way.
    :param per_second: how many may begin within a second; None leaves it to ``at_once``.
    :param clock: monotonic seconds.
    """

    def __init__(
        self,
        at_once: int,
        per_second: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._places = threading.BoundedSemaphore(at_once)
        self._gap = 1 / per_second if per_second else 0.0
        self._lock = threading.Lock()
        self._next = 0.0
        self._clock = clock
        self._sleep = sleep

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until a request may be sent, and hold the place until it was answered."""
        with self._places:
            if self._gap:
                with self._lock:
                    at = max(self._next, self._clock())
                    self._next = at + self._gap
                self._sleep(max(0.0, at - self._clock()))
            yield


def pace_of(settings: AepSettings) -> Pace:
    """Return the pace that all clients of an account share."""
    return _shared(
        settings.gateway,
        settings.ims_org_id,
        settings.client_id,
        settings.requests_at_once,
        settings.requests_per_second,
    )


@cache
def _shared(gateway: str, organisation: str, client_id: str, at_once: int, per_second: float | None) -> Pace:  # noqa: ARG001
    return Pace(at_once, per_second)
