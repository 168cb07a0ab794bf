"""Tokens from Adobe's identity service (IMS), and the headers they are sent in.

IMS gives no refresh token: when one runs out after about a day, another is asked for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import requests
from pydantic import SecretStr
from requests.auth import AuthBase
from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_random_exponential

from aep_provider.errors import (
    AepAnswerError,
    AepAnswerLostError,
    AepAuthenticationError,
    AepConnectError,
    AepError,
    AepServerError,
    AepThrottledError,
    AepTransportError,
)
from aep_provider.platform.blocking import NoAnswer, Raw, new_session, send
from aep_provider.platform.exchange import BACKOFF_CAP_SECONDS, Failure, Sending
from aep_provider.platform.problems import read_problem, refusal
from aep_provider.platform.settings import AepSettings, origin_of
from aep_provider.platform.token_cache import TOKENS, Token, TokenCache
from aep_provider.platform.wire import credentials, host_of, retry_after, user_agent

MILLISECONDS_ABOVE: Final = 10**6
LEAD_SECONDS: Final = 300.0
LIFETIME_UNTOLD: Final = 300.0


class TokenSource:
    """The tokens for one set of settings."""

    def __init__(
        self,
        settings: AepSettings,
        *,
        cache: TokenCache = TOKENS,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._cache = cache
        self._sleep = sleep
        self._clock = clock

    def token(self) -> str:
        """A token that should be good for a while.

        :raises AepAuthenticationError: IMS refuses the client id, the secret or the scopes.
        :raises AepError: IMS cannot be reached, fails, or answers something else than a token.
        """
        if self._settings.access_token:
            return self._settings.access_token.get_secret_value()
        return self._cache.get(self._settings, self._fetch)

    async def token_async(self) -> str:
        """As :meth:`token`, without blocking the event loop."""
        if self._settings.access_token:
            return self._settings.access_token.get_secret_value()
        return await self._cache.get_async(self._settings, self._fetch)

    def invalidate(self, token: str) -> None:
        """AEP refused this token."""
        self._cache.invalidate(self._settings, token)

    def _fetch(self) -> Token:
        # Asking IMS twice does no harm, so everything that may pass is tried again.
        return Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(self._settings.attempts) | stop_after_delay(self._settings.retry_budget_seconds),
            wait=wait_random_exponential(multiplier=1, max=BACKOFF_CAP_SECONDS),
            sleep=self._sleep,
            reraise=True,
        )(self._ask)

    def _ask(self) -> Token:
        settings = self._settings
        secret = settings.client_secret.get_secret_value() if settings.client_secret else ""
        form = {
            "grant_type": "client_credentials",
            "client_id": settings.client_id,
            "client_secret": secret,
            "scope": settings.scopes,
        }
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": user_agent(settings.caller),
        }
        sending = Sending("POST", settings.token_url, headers, urlencode(form).encode())
        asked_at = self._clock()
        lost: NoAnswer | None = None
        try:
            with new_session(1) as session:
                raw = send(session, settings, sending)
        except NoAnswer as failed:
            lost = failed
        path = urlsplit(settings.token_url).path
        if lost:
            unreached = lost.failure in {Failure.UNREACHED, Failure.UNTRUSTED}
            kind = AepConnectError if unreached else AepAnswerLostError
            raise kind(
                f"Adobe's identity service gave no answer ({host_of(settings.token_url)}: {lost.reason})",
                method="POST",
                path=path,
                final=lost.failure is Failure.UNTRUSTED,
            )
        return _token_in(raw, asked_at, path, (secret,))


def _may_pass(error: BaseException) -> bool:
    return (
        isinstance(error, AepTransportError | AepServerError | AepThrottledError | AepAnswerError) and not error.final
    )


def _token_in(raw: Raw, asked_at: float, path: str, hidden: tuple[str, ...]) -> Token:
    if not 200 <= raw.status < 300:
        raise _refused(raw, path, hidden)
    try:
        document = json.loads(raw.content)
    except (ValueError, RecursionError):
        document = None
    document = document if isinstance(document, dict) else {}
    value = document.get("access_token")
    bearer = str(document.get("token_type", "bearer")).lower() == "bearer"
    lifetime = _seconds(document.get("expires_in", LIFETIME_UNTOLD))
    if not (isinstance(value, str) and value.isascii() and value.isprintable() and " " not in value and value):
        value = None
    if value is None or lifetime is None or not bearer:
        raise AepAnswerError("Adobe's identity service answered something else than a token", method="POST", path=path)
    return Token(SecretStr(value), asked_at + lifetime - min(LEAD_SECONDS, lifetime / 10))


def _seconds(lifetime: Any) -> float | None:
    try:
        seconds = float(lifetime)
    except (TypeError, ValueError, OverflowError):
        return None
    # The service's retired exchange answered in milliseconds.
    seconds = seconds / 1000 if seconds > MILLISECONDS_ABOVE else seconds
    return seconds if 0 <= seconds < MILLISECONDS_ABOVE else None


def _refused(raw: Raw, path: str, hidden: tuple[str, ...]) -> AepError:
    message = "Adobe's identity service refused"
    if raw.status < 400:
        told = f"{message}: it redirects (HTTP {raw.status}); check token_url"
        return AepAnswerError(told, method="POST", path=path, final=True)
    headers = {name.lower(): value for name, value in raw.headers.items()}
    wait = retry_after(headers)
    error = refusal(raw.status, raw.content, method="POST", path=path, retry_after=wait, hidden=hidden, message=message)
    if raw.status not in {400, 401, 403}:
        return error
    problem = read_problem(raw.content)
    return AepAuthenticationError(
        message,
        status=raw.status,
        code=error.code,
        number=problem.number,
        title=error.title,
        detail=error.detail,
        request_id=error.request_id,
        method="POST",
        path=path,
    )


class AepAuth(AuthBase):
    """AEP's headers for any ``requests`` session, on requests to the gateway only.

    Whatever else a session is sent to gets nothing, and a redirect of the gateway is refused rather than followed.
    """

    def __init__(self, settings: AepSettings, tokens: TokenSource | None = None) -> None:
        self._settings = settings
        self._tokens = tokens or TokenSource(settings)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if origin_of(urlsplit(request.url or "")) != self._settings.gateway:
            return request
        token = self._tokens.token()
        request.headers.update(credentials(self._settings, token))

        def judge(response: requests.Response, *_: Any, **__: Any) -> requests.Response:
            if response.status_code == 401:
                self._tokens.invalidate(token)
            if response.is_redirect:
                response.close()
                raise AepAnswerError(
                    f"AEP redirects (HTTP {response.status_code})", method=request.method, path=request.path_url
                )
            return response

        request.register_hook("response", judge)  # type: ignore[no-untyped-call]
        return request
