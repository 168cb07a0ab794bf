"""Tokens of this process: every worker and trigger in it shares one, and one of them at a time gets a new one."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass, field
from typing import Final

from pydantic import SecretStr

from aep_provider.errors import AepError
from aep_provider.platform.settings import AepSettings


@dataclass(frozen=True)
class Token:
    """A token and the moment (monotonic seconds) from which on another one is wanted."""

    value: SecretStr
    renew_at: float


Outcome = Token | Exception | None
"""Of a refresh; ``None`` if it was interrupted."""


@dataclass
class _Entry:
    token: Token | None = None
    coming: Future[Outcome] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class TokenCache:
    """Tokens by credentials. Safe for threads, and for any number of event loops."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        """Forget everything, also locks and refreshes of a process that this one was forked from."""
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, ...], _Entry] = {}

    def _entry(self, settings: AepSettings) -> _Entry:
        secret = settings.client_secret.get_secret_value() if settings.client_secret else ""
        digest = hashlib.sha256(secret.encode()).hexdigest()
        key = (settings.token_url, settings.client_id, digest, settings.scopes)
        with self._lock:
            return self._entries.setdefault(key, _Entry())

    def _claim(self, entry: _Entry) -> tuple[Token | None, Future[Outcome], bool]:
        """The cached token if it is good; else the refresh to wait for, and whether it is ours to do."""
        with entry.lock:
            if entry.token and self._clock() < entry.token.renew_at:
                return entry.token, Future(), False
            if entry.coming:
                return None, entry.coming, False
            entry.coming = Future()
            # From here on it cannot be cancelled: whoever stops waiting must not stop it for the others.
            entry.coming.set_running_or_notify_cancel()
            return None, entry.coming, True

    def _refresh(self, entry: _Entry, coming: Future[Outcome], fetch: Callable[[], Token]) -> None:
        outcome: Outcome = None
        try:
            outcome = fetch()
        except Exception as error:
            outcome = error
        finally:
            # Also when this thread is interrupted: then the others find nothing, and one of them tries.
            with entry.lock:
                entry.token, entry.coming = outcome if isinstance(outcome, Token) else None, None
            coming.set_result(outcome)

    def get(self, settings: AepSettings, fetch: Callable[[], Token]) -> str:
        """A good token. Many threads may ask at once: one of them calls ``fetch``, the others wait for it."""
        entry = self._entry(settings)
        while True:
            token, coming, ours = self._claim(entry)
            if ours:
                self._refresh(entry, coming, fetch)
            token = token or _token_of(coming.result())
            if token:
                return token.value.get_secret_value()

    async def get_async(self, settings: AepSettings, fetch: Callable[[], Token]) -> str:
        """As :meth:`get`; the refresh runs in a thread, so that any loop and any thread can wait for it."""
        entry = self._entry(settings)
        while True:
            token, coming, ours = self._claim(entry)
            if ours:
                threading.Thread(target=self._refresh, args=(entry, coming, fetch), daemon=True).start()
            token = token or _token_of(await asyncio.wrap_future(coming))
            if token:
                return token.value.get_secret_value()

    def invalidate(self, settings: AepSettings, value: str) -> None:
        """Forget a token that AEP refused, unless another one has taken its place already."""
        entry = self._entry(settings)
        with entry.lock:
            if entry.token and entry.token.value.get_secret_value() == value:
                entry.token = None


def _token_of(outcome: Outcome) -> Token | None:
    if isinstance(outcome, AepError):
        # A copy for each: many raise it, and each adds its own traceback.
        raise copy(outcome)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


TOKENS: Final = TokenCache()
os.register_at_fork(after_in_child=TOKENS.clear)
