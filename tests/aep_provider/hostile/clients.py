"""Both clients behind one face, impatient."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from aep_provider.platform.auth import TokenSource
from aep_provider.platform.client import AepAsyncClient, AepClient
from aep_provider.platform.exchange import Answer
from aep_provider.platform.settings import AepSettings
from aep_provider.platform.token_cache import TokenCache

CLIENT_SECRET: Final = "p8e-client-secret-0123456789"
CLIENT_ID: Final = "the-client-id"
READY_TOKEN: Final = "eyJhbGciOiJIUzI1NiJ9-ready-token"
SECRETS: Final = (CLIENT_SECRET, READY_TOKEN)
PATIENCE: Final = 0.3
"""Seconds for a whole answer."""

Ask = Callable[..., Answer]


def settings(gateway: str, token_url: str | None = None, patience: float = PATIENCE) -> AepSettings:
    """
    Settings for a gateway: with a ready token, or with a place to get one at.

    :param patience: seconds until an answer is given up and asked for again.
    """
    given: dict[str, Any] = {"access_token": READY_TOKEN}
    if token_url:
        given = {"client_secret": CLIENT_SECRET, "token_url": token_url}
    return AepSettings.parse(
        gateway=gateway, ims_org_id="1@AdobeOrg", client_id=CLIENT_ID, attempts=2, connect_timeout=2,
        read_timeout=patience, answer_timeout=patience, **given,
    )  # fmt: skip


def blocking(given: AepSettings) -> Ask:
    """Ask as a worker does."""

    def ask(method: str, path: str, **options: Any) -> Answer:
        tokens = TokenSource(given, cache=TokenCache(), sleep=lambda _: None)
        with AepClient(given, tokens=tokens, sleep=lambda _: None) as client:
            return client.request(method, path, **options)

    return ask


async def at_once(_: float) -> None:
    """Wait for nothing."""


class BothClients(AepClient):
    """The client of a worker, with that of the triggerer at hand."""

    def __init__(self, given: AepSettings) -> None:
        super().__init__(given, sleep=lambda _: None)

    def asynchronous(self) -> AepAsyncClient:
        """That of the triggerer, for the same sandbox."""
        return AepAsyncClient(self.settings, sleep=at_once)


def nonblocking(given: AepSettings) -> Ask:
    """Ask as the triggerer does."""

    async def asked(method: str, path: str, **options: Any) -> Answer:
        tokens = TokenSource(given, cache=TokenCache(), sleep=lambda _: None)
        async with AepAsyncClient(given, tokens=tokens, sleep=at_once) as client:
            return await client.request(method, path, **options)

    return lambda *arguments, **options: asyncio.run(asked(*arguments, **options))


CLIENTS: Final = (blocking, nonblocking)
