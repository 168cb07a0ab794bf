"""Tokens: asked for once, kept, renewed, and never given away."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from aep_provider.errors import (
    AepAnswerError,
    AepAnswerLostError,
    AepAuthenticationError,
    AepConnectError,
    AepServerError,
    AepThrottledError,
)
from aep_provider.platform.auth import AepAuth, TokenSource
from aep_provider.platform.blocking import Raw
from aep_provider.platform.client import AepAsyncClient
from aep_provider.platform.settings import DEFAULT_SCOPES
from aep_provider.platform.token_cache import TOKENS, TokenCache

SECRET = "p8e-client-secret-0123456789"


@pytest.fixture
def source(settings: Any, cache: Any, clock: Any) -> Any:
    def build(**changes: Any) -> TokenSource:
        return TokenSource(settings(**changes), cache=cache, sleep=clock.sleep, clock=clock)

    return build


def test_credentials_go_in_the_form_and_nowhere_else(ims: Any, source: Any) -> None:
    source(client_secret="a+b&c=d/é".replace("é", "e")).token()
    (seen,) = ims.seen
    assert (seen.method, seen.target) == ("POST", "/ims/token/v3")
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in seen.headers
    assert parse_qs(seen.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["the-client-id"],
        "client_secret": ["a+b&c=d/e"],
        "scope": [DEFAULT_SCOPES],
    }


def test_a_token_is_kept_for_everyone_with_these_credentials(ims: Any, source: Any) -> None:
    assert source().token() == source(sandbox="prod").token() == "eyJtoken-1"
    assert source(client_secret="another").token() == "eyJtoken-2"
    assert source(client_id="another").token() == "eyJtoken-3"
    assert source(scopes="openid").token() == "eyJtoken-4"
    assert source().token() == "eyJtoken-1"


@pytest.mark.parametrize(
    ("expires_in", "good_for"),
    [(86399, 86399 - 300), (86399992, 86399.992 - 300), (1000, 900), ("1000", 900), (None, 270)],
    ids=["a day", "milliseconds", "short", "as text", "untold"],
)
def test_a_token_is_renewed_a_while_before_its_end(
    ims: Any, source: Any, clock: Any, expires_in: Any, good_for: float
) -> None:
    token = {"access_token": "eyJtoken-a", "token_type": "Bearer", "expires_in": expires_in}
    ims.say(200, {name: value for name, value in token.items() if value is not None})
    tokens = source()
    assert tokens.token() == "eyJtoken-a"
    clock.now += good_for - 1
    assert tokens.token() == "eyJtoken-a"
    clock.now += 2
    assert tokens.token() == "eyJtoken-2"


def test_only_the_token_that_was_refused_is_forgotten(ims: Any, source: Any) -> None:
    tokens = source()
    first = tokens.token()
    tokens.invalidate(first)
    second = tokens.token()
    tokens.invalidate(first)
    assert tokens.token() == second
    assert len(ims.seen) == 2


@pytest.mark.parametrize("status", [400, 401, 403])
def test_wrong_credentials_are_told_apart_and_not_tried_again(ims: Any, source: Any, status: int) -> None:
    ims.say(status, {"error": "invalid_client", "error_description": f"invalid client_secret {SECRET}"}, times=2)
    with pytest.raises(
        AepAuthenticationError, match=r"identity service.*invalid_client.*\*\*\*.*Check login"
    ) as caught:
        source().token()
    assert (caught.value.status, caught.value.code) == (status, "invalid_client")
    assert caught.value.final
    assert not caught.value.ambiguous
    assert len(ims.seen) == 1


def test_an_identity_service_with_a_bad_moment_is_asked_again(ims: Any, source: Any, clock: Any) -> None:
    ims.say(503).say(429).hang_up("read")
    assert source().token() == "eyJtoken-4"
    assert len(clock.slept) == 3


@pytest.mark.parametrize(("status", "kind"), [(500, AepServerError), (503, AepServerError), (429, AepThrottledError)])
def test_an_identity_service_that_is_down_is_not_a_wrong_secret(ims: Any, source: Any, status: int, kind: Any) -> None:
    ims.say(status, b"<html>down</html>", times=9)
    with pytest.raises(kind, match="identity service") as caught:
        source(attempts=3).token()
    assert len(ims.seen) == 3
    assert not caught.value.final
    # Nothing was sent to AEP yet, whatever was about to be.
    assert not caught.value.ambiguous


def test_an_identity_service_that_cannot_be_reached(source: Any, clock: Any) -> None:
    with pytest.raises(AepConnectError, match="identity service"):
        source(token_url="http://127.0.0.1:9/ims/token/v3", attempts=2).token()
    assert len(clock.slept) == 1


def test_an_identity_service_that_never_answers(ims: Any, source: Any) -> None:
    ims.hang_up("silent")
    with pytest.raises(AepAnswerLostError) as caught:
        source(read_timeout=0.1, attempts=1).token()
    assert not caught.value.ambiguous


def test_a_write_without_a_token_is_surely_not_carried_out(aep: Any, ims: Any, driver: Any) -> None:
    ims.say(500, times=9)
    with pytest.raises(AepServerError) as caught:
        driver(attempts=2).request("POST", "/data/foundation/flowservice/flows", json={})
    assert not caught.value.ambiguous
    assert aep.seen == []


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[" * 100_000,
        {},
        [],
        {"access_token": ""},
        {"access_token": 5},
        {"access_token": "eyJtoken-\r\nX: y"},
        {"access_token": "eyJtoken-é"},
        {"access_token": "eyJtoken-1", "token_type": "mac"},
        {"access_token": "eyJtoken-1", "expires_in": "soon"},
        {"access_token": "eyJtoken-1", "expires_in": -1},
        {"access_token": "eyJtoken-1", "expires_in": 10**400},
    ],
)
def test_an_answer_that_is_no_token(ims: Any, source: Any, body: Any) -> None:
    ims.say(200, body, times=9)
    with pytest.raises(AepAnswerError, match="something else than a token"):
        source().token()
    assert len(ims.seen) == 5


def test_a_page_of_a_gateway_instead_of_a_token_is_asked_for_again(ims: Any, source: Any) -> None:
    ims.say(200, b"<html>Please wait</html>")
    assert source().token() == "eyJtoken-2"
    assert len(ims.seen) == 2


def test_a_redirect_of_the_identity_service_is_not_followed(ims: Any, server: Any, source: Any) -> None:
    foreign = server()
    ims.say(307, headers={"Location": f"{foreign.url}/ims/token/v3"})
    with pytest.raises(AepAnswerError, match="token_url"):
        source().token()
    assert foreign.seen == []


def test_many_threads_ask_for_one_token(ims: Any, source: Any) -> None:
    tokens = source()
    together = threading.Barrier(50)

    def ask(_: int) -> str:
        together.wait(5)
        return tokens.token()

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(ask, range(50))) == {"eyJtoken-1"}
    assert len(ims.seen) == 1


def test_many_threads_share_one_refusal(ims: Any, source: Any) -> None:
    together = threading.Barrier(20)
    arrived = threading.Event()
    answer = ims.answer

    def slowly(seen: Any) -> Any:
        arrived.wait(0.3)
        step = answer(seen)
        step.status, step.body = 401, b'{"error": "invalid_client"}'
        return step

    ims.answer = slowly
    tokens = source()

    def ask(_: int) -> Exception | None:
        together.wait(5)
        try:
            tokens.token()
        except AepAuthenticationError as error:
            return error
        return None

    with ThreadPoolExecutor(20) as pool:
        errors = list(pool.map(ask, range(20)))
    assert all(errors)
    assert len({id(error) for error in errors}) == 20
    assert len(ims.seen) == 1


async def test_many_tasks_ask_for_one_token(ims: Any, source: Any) -> None:
    tokens = source()
    assert set(await asyncio.gather(*(tokens.token_async() for _ in range(50)))) == {"eyJtoken-1"}
    assert len(ims.seen) == 1


def test_many_loops_and_threads_ask_for_one_token(ims: Any, source: Any) -> None:
    tokens = source()
    together = threading.Barrier(8)

    def loop(number: int) -> set[str]:
        async def ask() -> set[str]:
            return set(await asyncio.gather(*(tokens.token_async() for _ in range(10))))

        together.wait(5)
        return asyncio.run(ask()) if number % 2 else {tokens.token()}

    with ThreadPoolExecutor(8) as pool:
        assert set.union(*pool.map(loop, range(8))) == {"eyJtoken-1"}
    assert len(ims.seen) == 1


async def test_who_stops_waiting_does_not_stop_the_others(ims: Any, source: Any) -> None:
    go = threading.Event()
    answer = ims.answer

    def held(seen: Any) -> Any:
        go.wait(5)
        return answer(seen)

    ims.answer = held
    tokens = source()
    first, second = (asyncio.create_task(tokens.token_async()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    go.set()
    assert await second == "eyJtoken-1"
    assert first.cancelled()
    assert len(ims.seen) == 1


def test_an_interrupted_refresh_is_taken_over(settings: Any, cache: Any) -> None:
    def interrupted() -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.get(settings(), interrupted)
    tokens = TokenSource(settings(), cache=cache)
    assert tokens.token() == "eyJtoken-1"


async def test_a_mistake_in_a_refresh_is_told_and_not_repeated(settings: Any, cache: Any) -> None:
    def mistaken() -> Any:
        raise RuntimeError("a mistake")

    with pytest.raises(RuntimeError, match="a mistake"):
        await cache.get_async(settings(), mistaken)


def test_a_fork_takes_no_lock_along() -> None:
    # A worker may be forked while a thread of its parent holds the lock; the child would wait for it forever.
    with TOKENS._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if TOKENS._lock.acquire(timeout=1) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


async def test_the_clients_of_a_process_share_its_tokens(ims: Any, settings: Any) -> None:
    for _ in range(2):
        async with AepAsyncClient(settings()) as client:
            await client.get("/data/foundation/catalog/dataSets")
    assert len(ims.seen) == 1


class TestAnySession:
    """:class:`AepAuth` on a session of someone else."""

    @pytest.fixture
    def session(self, settings: Any, source: Any) -> Any:
        with requests.Session() as session:
            session.auth = AepAuth(settings(), source())
            yield session

    def test_the_gateway_gets_the_headers(self, aep: Any, session: Any) -> None:
        session.get(f"{aep.url}/data/foundation/catalog/dataSets", timeout=5)
        headers = aep.seen[0].headers
        assert headers["authorization"] == "Bearer eyJtoken-1"
        assert headers["x-api-key"] == "the-client-id"
        assert headers["x-gw-ims-org-id"] == "1234567890@AdobeOrg"
        assert headers["x-sandbox-name"] == "stage"

    def test_nobody_else_gets_any(self, aep: Any, ims: Any, server: Any, session: Any) -> None:
        foreign = server()
        session.get(f"{foreign.url}/data", timeout=5)
        session.get(aep.url.replace("127.0.0.1", "localhost"), timeout=5)
        for seen in (foreign.seen[0], aep.seen[0]):
            assert not {"authorization", "x-api-key", "x-gw-ims-org-id", "x-sandbox-name"} & seen.headers.keys()
        assert ims.seen == []

    def test_a_redirect_is_refused(self, aep: Any, server: Any, session: Any) -> None:
        foreign = server()
        aep.say(302, headers={"Location": foreign.url})
        with pytest.raises(AepAnswerError, match="redirects"):
            session.get(f"{aep.url}/data?a=b", timeout=5)
        assert foreign.seen == []

    def test_a_refused_token_is_not_used_again(self, aep: Any, session: Any) -> None:
        aep.say(401)
        session.get(f"{aep.url}/data", timeout=5)
        session.get(f"{aep.url}/data", timeout=5)
        assert aep.seen[1].headers["authorization"] == "Bearer eyJtoken-2"


def test_a_cache_says_nothing_about_its_tokens(settings: Any, cache: TokenCache, source: Any) -> None:
    token = source().token()
    assert token not in repr(Raw(200, {"x": token}, token.encode()))
    entry = cache._entry(settings())
    assert token not in repr(entry)
    assert SECRET not in repr(vars(cache))
