"""
One end for a whole answer over ``requests``: status, headers, body and trailers, however slowly they drip.

A time-out of a socket counts anew with every byte, and the standard library reads on through any number of interim answers
(``100 Continue``) and trailers. So each reading of a socket looks at the clock.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class TooSlowError(TimeoutError):
    """An answer that goes on for too long."""


_reading = threading.local()


@contextmanager
def until(moment: float) -> Iterator[None]:
    """Let the answers to what this thread sends meanwhile end before a moment (monotonic seconds)."""
    before = getattr(_reading, "until", None)
    _reading.until = moment
    try:
        yield
    finally:
        _reading.until = before


class _Timed(io.RawIOBase):
    """What a socket gives, up to a moment."""

    def __init__(self, raw: io.RawIOBase, moment: float) -> None:
        self._raw = raw
        self._moment = moment

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self._moment:
            raise TooSlowError
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        moment = getattr(_reading, "until", None)
        if moment is not None:
            self.fp: Any = io.BufferedReader(_Timed(self.fp.detach(), moment))


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: Final = {"http": _Pool, "https": _SecurePool}


class DeadlineAdapter(HTTPAdapter):
    """Sends as every adapter does, and keeps :func:`until`."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
