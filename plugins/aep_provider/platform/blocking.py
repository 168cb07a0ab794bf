"""One request over ``requests``, bounded in time and size, its failures named.

Redirects are never followed and ``.netrc`` is never read (a login found there would replace the token). Proxies and
certificate authorities of the environment count as in every other program.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.utils import get_environ_proxies, select_proxy

from aep_provider.platform.deadline import DeadlineAdapter, TooSlowError, until
from aep_provider.platform.exchange import MAX_ANSWER_BYTES, Failure, Sending
from aep_provider.platform.settings import AepSettings, is_loopback


class NoAnswer(Exception):
    """No whole answer came; ``reason`` names what the HTTP library met, without addresses and headers."""

    def __init__(self, failure: Failure, reason: str) -> None:
        super().__init__(failure.value)
        self.failure = failure
        self.reason = reason


@dataclass(frozen=True)
class Raw:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    # A token may be in it.
    content: bytes = field(repr=False)


def new_session(connections: int = 16) -> requests.Session:
    """A pooled session that sends what it is given: no ``.netrc``, no cookies, no repetitions of its own."""
    session = requests.Session()
    # With an auth of its own, requests does not look into .netrc; leaving out trust_env would lose the proxies too.
    session.auth = lambda prepared: prepared
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = DeadlineAdapter(pool_connections=4, pool_maxsize=connections, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def send(session: requests.Session, settings: AepSettings, sending: Sending) -> Raw:
    """Send a request and read its whole answer, or raise :class:`NoAnswer`."""
    deadline = time.monotonic() + settings.answer_timeout
    # Named, also when there is none, or requests would take its own from the environment.
    proxies: dict[str, Any] = dict.fromkeys(("http", "https", "all"), proxy_for(sending.url))
    try:
        with (
            until(deadline),
            session.request(
                sending.method,
                sending.url,
                headers=sending.headers,
                data=sending.body,
                proxies=proxies,
                timeout=(settings.connect_timeout, min(settings.read_timeout, settings.answer_timeout)),
                allow_redirects=False,
                stream=True,
            ) as response,
        ):
            content = _read(response)
            return Raw(response.status_code, dict(response.headers), content)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        failure = failure_of(error)
        reason = reason_of(error)
    # Raised out here: the library's error may hold the address with its query, or headers.
    raise NoAnswer(failure, reason)


def _read(response: requests.Response) -> bytes:
    content = bytearray()
    # read1 returns what has come; read would wait for a full block, however slowly it drips.
    while block := response.raw.read1(1 << 16, decode_content=True):
        content += block
        if len(content) > MAX_ANSWER_BYTES:
            raise NoAnswer(Failure.TOO_LARGE, f"{MAX_ANSWER_BYTES >> 20} MiB")
    return bytes(content)


def failure_of(error: BaseException) -> Failure:
    """What a failure of ``requests`` or ``urllib3`` says about whether the request was sent."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return Failure.UNTRUSTED
    unreached = (
        requests.exceptions.ConnectTimeout,
        requests.exceptions.ProxyError,
        urllib3.exceptions.NewConnectionError,
        urllib3.exceptions.ConnectTimeoutError,
        urllib3.exceptions.ProxyError,
    )
    if any(isinstance(cause, unreached) for cause in causes):
        return Failure.UNREACHED
    if any(isinstance(cause, TooSlowError) for cause in causes):
        return Failure.TOO_SLOW
    return Failure.LOST


def reason_of(error: BaseException) -> str:
    """The innermost cause as a word: its class, and the operating system's text if it has one."""
    innermost = list(_causes(error))[-1]
    text = innermost.strerror if isinstance(innermost, OSError) else None
    return f"{type(innermost).__name__}: {text}" if text else type(innermost).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    parts: list[object] = [error]
    while parts:
        part = parts.pop(0)
        if isinstance(part, BaseException) and id(part) not in seen:
            seen.add(id(part))
            yield part
            parts += [part.__cause__, part.__context__, getattr(part, "reason", None), *part.args]


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for ``url``; none for this machine.

    Only addresses of this machine may be ``http://``, because what is sent there does not leave it.
    """
    if is_loopback(urlsplit(url).hostname or ""):
        return None
    return select_proxy(url, get_environ_proxies(url))
