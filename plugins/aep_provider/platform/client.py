"""Two thin drivers over :mod:`aep_provider.platform.exchange`: one for workers, one for the triggerer.

What is sent, what is repeated and what an answer means is decided there, once for both.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_if_result

from aep_provider.platform import blocking, nonblocking
from aep_provider.platform.auth import TokenSource
from aep_provider.platform.blocking import NoAnswer
from aep_provider.platform.exchange import Answer, Exchange, Expect, NewToken, Ok, Raise, Verdict, Wait
from aep_provider.platform.pace import pace_of
from aep_provider.platform.settings import AepSettings
from aep_provider.platform.wire import Params

logger = logging.getLogger(__name__)


class AepClient:
    """AEP for workers. Safe for threads; one pooled session.

    :param sleep: how to wait between repetitions.
    :param clock: monotonic seconds.
    """

    def __init__(
        self,
        settings: AepSettings,
        *,
        tokens: TokenSource | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.requests_sent = 0
        """Requests sent to the gateway so far, repetitions included."""
        self._tokens = tokens or TokenSource(settings, sleep=sleep, clock=clock)
        self._sleep = sleep
        self._clock = clock
        self._session = blocking.new_session()
        self._pace = pace_of(settings)
        self._counting = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        etag: str | None = None,
        expect: Expect = "json",
    ) -> Answer:
        """Send a request to ``path`` below the gateway and return AEP's answer.

        Reading and deleting are repeated while AEP is busy or failing. Creating and changing are repeated only when
        AEP cannot have carried them out; otherwise the error is ``ambiguous``.

        :param params: query; a list of pairs may repeat a name.
        :param json: body; ``None`` sends none.
        :param etag: sent as ``If-Match``, verbatim.
        :raises AepError: every failure, as one of the tree in :mod:`aep_provider.errors`.
        """
        exchange = Exchange(
            self.settings,
            method,
            path,
            params=params,
            json_body=json,
            headers=headers,
            etag=etag,
            expect=expect,
            clock=self._clock,
        )
        retrying = Retrying(retry=_waits, wait=_seconds, before_sleep=_tell, sleep=self._sleep)
        return _answer(retrying(self._attempt, exchange))

    def get(self, path: str, **options: Any) -> Answer:
        """Read. Options as in :meth:`request`."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Answer:
        """Create or act. Options as in :meth:`request`."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> Answer:
        """Replace. Options as in :meth:`request`."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Answer:
        """Change. Options as in :meth:`request`."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        """Delete. Options as in :meth:`request`."""
        return self.request("DELETE", path, **options)

    def text(self, path: str, *, params: Params | None = None, headers: Mapping[str, str] | None = None) -> str:
        """Read a text, such as a file of JSON lines."""
        return self.get(path, params=params, headers=headers, expect="text").body or ""

    def authorise(self) -> None:
        """
        Get a token, unless there is one already.

        :raises AepAuthenticationError: Adobe's identity service refuses the client id, the secret or the scopes.
        """
        self._tokens.token()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _attempt(self, exchange: Exchange) -> Verdict:
        token = self._tokens.token()
        verdict = self._once(exchange, token)
        while isinstance(verdict, NewToken):
            self._tokens.invalidate(token)
            token = self._tokens.token()
            verdict = self._once(exchange, token)
        return verdict

    def _once(self, exchange: Exchange, token: str) -> Verdict:
        sending = exchange.sending(token)
        with self._counting:
            self.requests_sent += 1
        try:
            with self._pace.turn():
                raw = blocking.send(self._session, self.settings, sending)
        except NoAnswer as lost:
            return exchange.failed(lost.failure, lost.reason)
        return exchange.answered(raw.status, raw.headers, raw.content)


class AepAsyncClient:
    """AEP for the triggerer: many waits in one thread. Use it with ``async with``.

    :param sleep: how to wait between repetitions.
    :param clock: monotonic seconds.
    """

    def __init__(
        self,
        settings: AepSettings,
        *,
        tokens: TokenSource | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.requests_sent = 0
        """Requests sent to the gateway so far, repetitions included."""
        self._tokens = tokens or TokenSource(settings, clock=clock)
        self._sleep = sleep
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        etag: str | None = None,
        expect: Expect = "json",
    ) -> Answer:
        """As :meth:`AepClient.request`."""
        exchange = Exchange(
            self.settings,
            method,
            path,
            params=params,
            json_body=json,
            headers=headers,
            etag=etag,
            expect=expect,
            clock=self._clock,
        )
        retrying = AsyncRetrying(retry=_waits, wait=_seconds, before_sleep=_tell, sleep=self._sleep)
        return _answer(await retrying(self._attempt, exchange))

    async def get(self, path: str, **options: Any) -> Answer:
        """Read. Options as in :meth:`request`."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Answer:
        """Create or act. Options as in :meth:`request`."""
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Any) -> Answer:
        """Replace. Options as in :meth:`request`."""
        return await self.request("PUT", path, **options)

    async def patch(self, path: str, **options: Any) -> Answer:
        """Change. Options as in :meth:`request`."""
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Any) -> Answer:
        """Delete. Options as in :meth:`request`."""
        return await self.request("DELETE", path, **options)

    async def text(self, path: str, *, params: Params | None = None, headers: Mapping[str, str] | None = None) -> str:
        """Read a text, such as a file of JSON lines."""
        return (await self.get(path, params=params, headers=headers, expect="text")).body or ""

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _attempt(self, exchange: Exchange) -> Verdict:
        token = await self._tokens.token_async()
        verdict = await self._once(exchange, token)
        while isinstance(verdict, NewToken):
            self._tokens.invalidate(token)
            token = await self._tokens.token_async()
            verdict = await self._once(exchange, token)
        return verdict

    async def _once(self, exchange: Exchange, token: str) -> Verdict:
        sending = exchange.sending(token)
        self.requests_sent += 1
        if self._session is None:
            self._session = nonblocking.new_session(self.settings)
        try:
            raw = await nonblocking.send(self._session, sending)
        except NoAnswer as lost:
            return exchange.failed(lost.failure, lost.reason)
        return exchange.answered(raw.status, raw.headers, raw.content)


_waits = retry_if_result(lambda verdict: isinstance(verdict, Wait))


def _seconds(state: RetryCallState) -> float:
    verdict = state.outcome.result() if state.outcome else None
    return verdict.seconds if isinstance(verdict, Wait) else 0.0


def _tell(state: RetryCallState) -> None:
    verdict = state.outcome.result() if state.outcome else None
    if isinstance(verdict, Wait):
        logger.warning("%s. Trying again in %.1f s", verdict.error, verdict.seconds)


def _answer(verdict: Verdict) -> Answer:
    match verdict:
        case Ok(answer):
            return answer
        case Raise(error) | NewToken(error) | Wait(_, error):
            raise error
