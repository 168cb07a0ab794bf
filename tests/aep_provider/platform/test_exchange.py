"""The judgement, without any I/O: what is sent again, when, and what never."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest

from aep_provider.errors import (
    AepAnswerError,
    AepAnswerLostError,
    AepAuthenticationError,
    AepConnectError,
    AepThrottledError,
)
from aep_provider.platform.exchange import Exchange, Failure, NewToken, Ok, Raise, Wait
from aep_provider.platform.settings import AepSettings
from aep_provider.platform.wire import is_plain_path, pairs_of, query_of, rebased, retry_after

SETTINGS: dict[str, Any] = {"ims_org_id": "1@AdobeOrg", "client_id": "id", "client_secret": "p8e-client-secret"}
WRITES = ["POST", "PUT", "PATCH"]


def exchange(method: str = "GET", clock: Any = lambda: 0.0, expect: Any = "json", **changes: Any) -> Exchange:
    """A call that was sent once, with the longest waits that chance can give."""
    settings = AepSettings.parse(**{**SETTINGS, **changes})
    one = Exchange(settings, method, "/a", expect=expect, clock=clock, jitter=lambda low, high: high)
    one.sending("token")
    return one


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_what_reads_or_deletes_is_sent_again(method: str, status: int) -> None:
    assert isinstance(exchange(method).answered(status, {}, b""), Wait)


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 505, 520, 599, 408])
@pytest.mark.parametrize("method", WRITES)
def test_what_writes_is_not_and_says_that_it_may_be_done(method: str, status: int) -> None:
    verdict = exchange(method).answered(status, {"Retry-After": "1"}, b"")
    assert isinstance(verdict, Raise)
    assert verdict.error.ambiguous


@pytest.mark.parametrize("status", [501, 505, 520])
def test_what_does_not_pass_is_not_sent_again(status: int) -> None:
    verdict = exchange("GET").answered(status, {}, b"")
    assert isinstance(verdict, Raise)
    assert not verdict.error.ambiguous


@pytest.mark.parametrize("status", [400, 402, 403, 404, 406, 409, 412, 415, 422])
@pytest.mark.parametrize("method", ["GET", "DELETE", *WRITES])
def test_a_refusal_is_final_for_the_call(method: str, status: int) -> None:
    verdict = exchange(method).answered(status, {}, b"")
    assert isinstance(verdict, Raise)
    assert not verdict.error.ambiguous


@pytest.mark.parametrize("method", WRITES)
def test_a_write_may_go_again_if_it_surely_did_not_arrive(method: str) -> None:
    assert isinstance(exchange(method).answered(429, {}, b""), Wait)
    verdict = exchange(method).failed(Failure.UNREACHED)
    assert isinstance(verdict, Wait)
    assert isinstance(verdict.error, AepConnectError)
    assert not verdict.error.ambiguous


@pytest.mark.parametrize("failure", [Failure.LOST, Failure.TOO_SLOW])
def test_a_lost_answer(failure: Failure) -> None:
    for method in ("GET", "DELETE"):
        assert isinstance(exchange(method).failed(failure), Wait)
    for method in WRITES:
        verdict = exchange(method).failed(failure)
        assert isinstance(verdict, Raise)
        assert isinstance(verdict.error, AepAnswerLostError)
        assert verdict.error.ambiguous


def test_an_answer_too_large_is_not_asked_for_again() -> None:
    verdict = exchange("GET").failed(Failure.TOO_LARGE)
    assert isinstance(verdict, Raise)
    assert isinstance(verdict.error, AepAnswerError)


def test_doubt_about_one_sending_stays() -> None:
    one = exchange("DELETE")
    one.failed(Failure.LOST)
    one.sending("token")
    for verdict in (one.answered(404, {}, b""), one.failed(Failure.UNTRUSTED), one.answered(429, {}, b"")):
        assert isinstance(verdict, Raise | Wait)
        assert verdict.error.ambiguous


def test_waits_grow_to_a_limit() -> None:
    one = exchange("GET", attempts=9, retry_budget_seconds=1000)
    waits = []
    for _ in range(8):
        verdict = one.answered(503, {}, b"")
        assert isinstance(verdict, Wait)
        waits.append(verdict.seconds)
        one.sending("token")
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    assert isinstance(one.answered(503, {}, b""), Raise)


def test_no_wait_goes_beyond_the_budget() -> None:
    now = [0.0]
    one = exchange("GET", clock=lambda: now[0], attempts=20, retry_budget_seconds=60)
    now[0] = 48.0
    assert isinstance(one.answered(503, {"retry-after": "10"}, b""), Wait)
    now[0] = 51.0
    assert isinstance(one.answered(503, {"retry-after": "10"}, b""), Raise)


def test_a_long_wait_is_handed_on() -> None:
    verdict = exchange("POST").answered(429, {"retry-after": "3600"}, b"")
    assert isinstance(verdict, Raise)
    assert isinstance(verdict.error, AepThrottledError)
    assert verdict.error.retry_after == 3600


def test_a_token_is_renewed_a_few_times_in_a_call() -> None:
    one = exchange("POST", attempts=3)
    for _ in range(2):
        assert isinstance(one.answered(401, {}, b""), NewToken)
        assert isinstance(one.answered(429, {}, b""), Wait)
        one.sending("eyJtoken")
    assert isinstance(one.answered(401, {}, b""), Raise)
    verdict = one.answered(403, {}, b'{"error_code": "403010"}')
    assert isinstance(verdict, Raise)


def test_a_ready_token_cannot_be_renewed() -> None:
    verdict = exchange(access_token="eyJtoken-x").answered(401, {}, b"")
    assert isinstance(verdict, Raise)
    assert isinstance(verdict.error, AepAuthenticationError)


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308])
def test_a_redirect_names_its_host_only(status: int) -> None:
    verdict = exchange("POST").answered(status, {"Location": "https://u:p@evil.example/x?token=1"}, b"")
    assert isinstance(verdict, Raise)
    assert isinstance(verdict.error, AepAnswerError)
    assert "to evil.example [POST /a" in str(verdict.error)
    for location in ("", "/x?token=1", "https://[::1"):
        verdict = exchange().answered(status, {"Location": location} if location else {}, b"")
        assert isinstance(verdict, Raise)
        assert "token" not in str(verdict.error)


@pytest.mark.parametrize(("content", "body"), [(b"", None), (b" \r\n", None), (b"null", None), (b"[1]", [1])])
def test_an_answer(content: bytes, body: Any) -> None:
    verdict = exchange("POST").answered(200, {"ETag": "x"}, content)
    assert isinstance(verdict, Ok)
    assert verdict.answer.body == body
    assert verdict.answer.headers == {"etag": "x"}


@pytest.mark.parametrize("content", [b"", b" ", b"<html>", b'{"items": ['])
def test_what_is_read_and_comes_as_no_document_is_asked_for_again(content: bytes) -> None:
    verdict = exchange("GET").answered(200, {}, content)
    assert isinstance(verdict, Wait)
    assert isinstance(verdict.error, AepAnswerError)
    assert isinstance(exchange("GET", expect="text").answered(200, {}, b""), Ok)
    assert isinstance(exchange("GET").answered(204, {}, b""), Ok)


def test_a_byte_order_mark_is_no_part_of_it() -> None:
    verdict = exchange(expect="text").answered(200, {}, b"\xef\xbb\xbfa\n")
    assert isinstance(verdict, Ok)
    assert verdict.answer.body == "a\n"


def test_a_sending_does_not_show_its_headers() -> None:
    assert repr(exchange().sending("eyJtoken-x")) == "Sending(GET /a)"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("86401", 86400),
        ("9" * 5000, 86400),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86400),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("1e9", None),
        ("nan", None),
        ("٣", None),
        ("Wed, 99 Foo 2015", None),
        ("Wed, 21 Oct 99999999 07:28:00 GMT", None),
    ],
)
def test_how_long_to_wait(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}) == seconds


def test_a_date_is_read_by_the_clock_of_its_sender() -> None:
    headers = {"retry-after": formatdate(1_000_030, usegmt=True), "date": formatdate(1_000_000, usegmt=True)}
    assert retry_after(headers) == 30
    assert retry_after({}) is None


def test_parameters() -> None:
    assert pairs_of({"a": [1, "b"], "c": True, "d": None, "e": ("x",)}) == [
        ("a", "1"),
        ("a", "b"),
        ("c", "true"),
        ("e", "x"),
    ]
    assert query_of([("a", "b c"), ("a", "&=+")]) == "a=b+c&a=%26%3D%2B"
    assert query_of(None) == ""


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("/connections?a=b", "/data/foundation/flowservice/connections"),
        ("connections?a=b", "/data/foundation/flowservice/connections"),
        ("/data/foundation/flowservice/connections?a=b", "/data/foundation/flowservice/connections"),
        ("https://platform-int.adobe.io/data/foundation/export/files/x?a=b", "/data/foundation/export/files/x"),
        ("//evil.example:1/data/foundation/export?a=b", "/data/foundation/export"),
    ],
)
def test_a_link_leads_to_the_gateway(link: str, path: str) -> None:
    assert rebased(link, "/data/foundation/flowservice") == (path, [("a", "b")])


@pytest.mark.parametrize("link", ["", "https://[::1", "/a/../b", "/a/%2e%2e/b", "/a\x00b", "#a"])
def test_a_link_that_leads_nowhere(link: str) -> None:
    with pytest.raises(AepAnswerError):
        rebased(link, "/data/foundation/flowservice")


@pytest.mark.parametrize("path", ["/a", "/a/", "/a/%3A%2F%2Fb", "/a/..b/c..", "/a;version=1"])
def test_a_plain_path(path: str) -> None:
    assert is_plain_path(path)
