"""One request over ``aiohttp``, with the same limits and the same named failures as :mod:`.blocking`."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import aiohttp
from yarl import URL

from aep_provider.platform.blocking import NoAnswer, Raw, proxy_for, reason_of
from aep_provider.platform.exchange import MAX_ANSWER_BYTES, Failure, Sending
from aep_provider.platform.settings import AepSettings


def new_session(settings: AepSettings, connections: int = 32) -> aiohttp.ClientSession:
    """A pooled session that sends what it is given: no ``.netrc``, no cookies, no repetitions of its own."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, ssl=_trust()),
        timeout=aiohttp.ClientTimeout(
            total=settings.answer_timeout,
            sock_connect=settings.connect_timeout,
            sock_read=settings.read_timeout,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        max_line_size=65_536,
        max_field_size=65_536,
    )
    # aiohttp sends a PUT or DELETE again by itself when a kept connection breaks; what is repeated is not its business.
    session._retry_connection = False
    return session


async def send(session: aiohttp.ClientSession, sending: Sending) -> Raw:
    """Send a request and read its whole answer, or raise :class:`NoAnswer`."""
    try:
        async with session.request(
            sending.method,
            URL(sending.url, encoded=True),
            headers=sending.headers,
            data=sending.body,
            allow_redirects=False,
            proxy=proxy_for(sending.url),
            skip_auto_headers=("Content-Type",),
        ) as response:
            content = bytearray()
            async for block in response.content.iter_any():
                content += block
                if len(content) > MAX_ANSWER_BYTES:
                    raise NoAnswer(Failure.TOO_LARGE, f"{MAX_ANSWER_BYTES >> 20} MiB")
            return Raw(response.status, dict(response.headers), bytes(content))
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        failure = _failure_of(error)
        reason = reason_of(error)
    raise NoAnswer(failure, reason)


def _failure_of(error: Exception) -> Failure:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return Failure.UNTRUSTED
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.ClientHttpProxyError):
        return Failure.UNREACHED
    return Failure.LOST


def _trust() -> ssl.SSLContext | bool:
    # The variables that requests knows: a worker and the triggerer behind the same company proxy trust the same.
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if not bundle:
        return True
    folder = Path(bundle).is_dir()
    return ssl.create_default_context(cafile=None if folder else bundle, capath=bundle if folder else None)
