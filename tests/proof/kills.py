"""A process that dies at a request: before it leaves, or after it arrived and before its answer did."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from requests.adapters import HTTPAdapter


class Killed(BaseException):
    """The process is no more: nothing in it may clean up."""


class Life:
    """
    The requests of a process, those for tokens too, over whatever client.

    :param ends_at: at which request it dies, counted from 1; 0 never.
    :param arrived: whether that request still reaches the platform.
    """

    def __init__(self, ends_at: int = 0, *, arrived: bool = False) -> None:
        self.requests = 0
        self.is_over = False
        self._ends_at = ends_at
        self._arrived = arrived
        self._lock = threading.Lock()

    @contextmanager
    def lived(self) -> Iterator[None]:
        """As long as the block lasts, all requests of this process are counted; after its end it sends none."""
        send, life = HTTPAdapter.send, self

        def counted(adapter: HTTPAdapter, *arguments: Any, **options: Any) -> Any:
            with life._lock:
                life._live()
                life.requests += 1
                mine = life.requests == life._ends_at
                life.is_over = mine and not life._arrived
                life._live()
            answer = send(adapter, *arguments, **options)
            with life._lock:
                life.is_over = life.is_over or mine
                if life.is_over:
                    answer.close()
                life._live()
            return answer

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(HTTPAdapter, "send", counted)
            yield

    def _live(self) -> None:
        if self.is_over:
            raise Killed
