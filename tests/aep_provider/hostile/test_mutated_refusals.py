"""Error bodies, token answers, headers and links that no AEP should send: whatever they hold, our errors come out."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from aep_provider.errors import AepAnswerError, AepApiError, AepError
from aep_provider.platform import auth
from aep_provider.platform.auth import TokenSource
from aep_provider.platform.blocking import Raw
from aep_provider.platform.exchange import Exchange, NewToken, Ok, Raise, Wait
from aep_provider.platform.problems import refusal
from aep_provider.platform.services import CATALOG, DATA_ACCESS, FLOW_SERVICE
from aep_provider.platform.token_cache import TokenCache
from aep_provider.platform.wire import query_of, rebased, retry_after

from .hunt import judged, shown
from .mutants import BODIES, LINKS, PROBLEMS, STATUSES, WAITS, mutants
from .mutants import Raw as AsItIs
from .texts import flaws
from .world import GATEWAY, SOURCE_PASSWORD, TOKEN, Written, settings, written

pytestmark = pytest.mark.slow

MUTANTS = 5 * int(os.environ.get("AEP_HOSTILE", "60"))
CLIENT_SECRET = "p8e-client-secret-0123456789"
TOKEN_ANSWER = {"access_token": TOKEN, "token_type": "bearer", "expires_in": 86399}
# Halves of characters are gone before anybody reads a link.
LINK_TEXTS = [link for link in LINKS if not isinstance(link, AsItIs)]


def findings(answers: Iterator[Written], read: Callable[[Written], Any]) -> list[str]:
    """Read each answer, and tell what went wrong, each thing once."""
    found: dict[str, str] = {}
    for answer in answers:
        for what, details in judged(lambda this=answer: read(this)):  # type: ignore[misc]
            found.setdefault(what, f"{what}\n{details}\n{shown({'answer': answer})}")
    return list(found.values())


@pytest.mark.parametrize("number", range(len(PROBLEMS)))
def test_a_refusal_in_any_words(number: int) -> None:
    def read(answer: Written) -> None:
        status, _, body = answer
        error = refusal(
            max(status, 400), body, method="GET", path="/x", request_id="r", hidden=[TOKEN, SOURCE_PASSWORD]
        )
        assert isinstance(error, AepApiError)
        raise error

    assert findings(mutants(written(PROBLEMS[number], 400), f"refusal {number}", MUTANTS), read) == []


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_judgement_on_any_answer(method: str) -> None:
    def read(answer: Written) -> None:
        exchange = Exchange(
            settings(), method, "/data/foundation/x", json_body=None if method == "GET" else {"name": "x"}
        )
        exchange.sending(TOKEN)
        verdict = exchange.answered(*answer)
        assert isinstance(verdict, Ok | Wait | NewToken | Raise)
        if isinstance(verdict, Wait):
            assert 0 <= verdict.seconds <= 120
        if not isinstance(verdict, Ok):
            raise verdict.error

    assert findings(mutants(written({"items": [{"id": "x"}]}), f"judged {method}", MUTANTS), read) == []


def test_a_token_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    def read(answer: Written) -> None:
        status, headers, body = answer

        def send(_: Any, __: Any, sending: Any) -> Raw:
            sent.append(sending.url)
            return Raw(status, headers, body)

        monkeypatch.setattr(auth, "send", send)
        given = settings(
            access_token=None, client_secret=CLIENT_SECRET, token_url=f"{GATEWAY}/ims/token/v3", attempts=1
        )
        token = TokenSource(given, cache=TokenCache(), sleep=lambda _: None).token()
        # It goes into a header.
        assert token.isascii()
        assert token.isprintable()
        assert " " not in token

    found = findings(mutants(written(TOKEN_ANSWER), "token", MUTANTS), read)
    # A token in a refusal was given to nobody yet.
    assert [one for one in found if not one.startswith("message holds a secret")] == []
    assert set(sent) == {f"{GATEWAY}/ims/token/v3"}


def test_a_secret_that_the_identity_service_repeats_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings(access_token=None, client_secret=CLIENT_SECRET, token_url=f"{GATEWAY}/ims/token/v3", attempts=1)
    source = TokenSource(given, cache=TokenCache(), sleep=lambda _: None)
    for problem in PROBLEMS:
        for key in problem:
            for status in (200, 302, 400, 401, 500):
                body = json.dumps({**problem, key: f"x {CLIENT_SECRET} y"}).encode()
                answer = Raw(status, {"Location": f"https://{CLIENT_SECRET}/"}, body)
                monkeypatch.setattr(auth, "send", lambda *_, this=answer: this)
                with pytest.raises(AepError) as caught:
                    source.token()
                assert CLIENT_SECRET not in str(caught.value)


@pytest.mark.parametrize("value", WAITS)
def test_a_wait_of_any_length(value: str) -> None:
    for date in ("", "x", *WAITS):
        asked = retry_after({"retry-after": value, "date": date})
        assert asked is None or 0 <= asked <= 86_400


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_of_any_number(status: int) -> None:
    for method in ("GET", "POST"):
        for body in BODIES:
            exchange = Exchange(settings(), method, "/data/foundation/x")
            exchange.sending(TOKEN)
            verdict = exchange.answered(status, {"Location": f"https://{TOKEN}.evil.example/"}, body)
            if not isinstance(verdict, Ok):
                assert list(flaws(str(verdict.error))) == []
                assert TOKEN.lower() not in str(verdict.error)


@pytest.mark.parametrize("link", LINK_TEXTS)
def test_a_link_leads_below_the_gateway_or_nowhere(link: str) -> None:
    refused: list[str] = []
    for service in (FLOW_SERVICE, DATA_ACCESS, CATALOG):
        try:
            path, params = rebased(link, service)
        except AepAnswerError as nowhere:
            refused.append(str(nowhere))
            continue
        assert path.startswith("/data/foundation/")
        assert not re.search(r"[^\x20-\x7e]|[?#\\]", path)
        assert not {".", ".."} & set(unquote(path).split("/"))
        url = f"{GATEWAY}{path}?{query_of(params)}"
        assert (urlsplit(url).scheme, urlsplit(url).netloc) == tuple(GATEWAY.split("://"))
    assert [flaw for message in refused for flaw in flaws(message)] == []
