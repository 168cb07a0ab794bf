"""A server that keeps to no rules of HTTP: both clients end soon, with our errors or with what was said."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from aep_provider.errors import AepAnswerError, AepError
from aep_provider.platform.settings import AepSettings

from .clients import CLIENTS, PATIENCE, SECRETS, Ask, settings
from .mutants import BODIES, LINKS
from .servers import Conversation, RawServer, Script
from .texts import flaws

pytestmark = pytest.mark.slow

JSON = b"Content-Type: application/json"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
AT_THE_LATEST = 20.0
"""Seconds: much more than the patience of the clients, much less than without end."""


@cache
def zeros(megabytes: int) -> bytes:
    """So many of zeros, packed."""
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packing.compress(bytes(1 << 20)) for _ in range(megabytes)) + packing.flush()


def drips(head: bytes, drop: bytes = b"a") -> Script:
    """Say something without end, so slowly that no time-out of a socket ever ends it."""

    def script(conversation: Conversation) -> None:
        conversation.say(head)
        conversation.without_end(drop, PATIENCE / 10)

    return script


def floods(head: bytes, part: bytes) -> Script:
    """Say something without end, as fast as it is taken."""

    def script(conversation: Conversation) -> None:
        conversation.say(head)
        conversation.without_end(part)

    return script


def says(*parts: bytes) -> Script:
    return lambda conversation: conversation.say(*parts)


def answers(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Script:
    return lambda conversation: conversation.answer(body, *headers, status=status)


ENDLESS: dict[str, Script] = {
    "a status that drips": drips(b"HTTP/1.1 2", b"0"),
    "a header that drips": drips(b"HTTP/1.1 200 OK\r\nX: "),
    "headers that drip": drips(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "a body that drips": drips(b"HTTP/1.1 200 OK\r\n\r\n", b"["),
    "chunks that drip": drips(CHUNKED, b"1\r\n[\r\n"),
    "a chunk's length that drips": drips(CHUNKED + b"1;"),
    "trailers that drip": drips(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n"),
    "interim answers that drip": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a flood of interim answers": floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "a flood of early hints": floods(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1000),
    "a flood of headers": floods(b"HTTP/1.1 200 OK\r\n", b"X-a: b\r\n" * 1000),
    "a flood of long headers": floods(b"HTTP/1.1 200 OK\r\n", b"X-a: " + b"b" * 60_000 + b"\r\n"),
    "a header without end": floods(b"HTTP/1.1 200 OK\r\nX: ", b"b" * 65_536),
    "a status without end": floods(b"HTTP/1.1 200 ", b"b" * 65_536),
    "a body without end": floods(b"HTTP/1.1 200 OK\r\n\r\n", b"[" * 65_536),
    "chunks without end": floods(CHUNKED, b"1\r\n[\r\n" * 10_000),
    "long chunk extensions": floods(CHUNKED, b"1;" + b"x" * 60_000 + b"\r\n[\r\n"),
    "trailers without end": floods(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n" * 1000),
    "nothing at all": lambda conversation: conversation.stopping.wait(30) and None,
}

BROKEN: dict[str, Script] = {
    "a length that lies": answers(b"{}", JSON, b"Content-Length: 100"),
    "a huge length": answers(b"{}", JSON, b"Content-Length: 99999999999999999999999"),
    "a negative length": answers(b"{}", JSON, b"Content-Length: -5"),
    "a length in letters": answers(b"{}", JSON, b"Content-Length: two"),
    "two lengths": answers(b"{}", JSON, b"Content-Length: 2", b"Content-Length: 5"),
    "a length and chunks": answers(b"2\r\n{}\r\n0\r\n\r\n", b"Content-Length: 2", b"Transfer-Encoding: chunked"),
    "a chunk's length in letters": answers(b"zz\r\n{}\r\n0\r\n\r\n", b"Transfer-Encoding: chunked"),
    "a negative chunk": answers(b"-5\r\n{}\r\n0\r\n\r\n", b"Transfer-Encoding: chunked"),
    "a huge chunk": answers(b"fffffffffffffffff\r\n{}\r\n", b"Transfer-Encoding: chunked"),
    "an unknown transfer": answers(b"{}", b"Transfer-Encoding: rot13"),
    "what is not packed": answers(b"{}", b"Content-Encoding: gzip"),
    "what was packed and cut": answers(gzip.compress(b"{}")[:-9], b"Content-Encoding: gzip"),
    "packed, and more after it": answers(gzip.compress(b"{}") + b"x" * 99, b"Content-Encoding: gzip"),
    "packed thirty times, it says": answers(gzip.compress(b"{}"), b"Content-Encoding: " + b", ".join([b"gzip"] * 30)),
    "brotli that is none": answers(b"{}", b"Content-Encoding: br"),
    "zstandard that is none": answers(b"{}", b"Content-Encoding: zstd"),
    "an unknown packing": answers(b"{}", b"Content-Encoding: rot13"),
    "another charset": answers('{"a": "é"}'.encode("latin-1"), b"Content-Type: application/json; charset=latin-1"),
    "a charset that is none": answers(b"{}", b"Content-Type: application/json; charset=\xff\x00"),
    "bytes in headers": answers(b"{}", b"X-\xff\xfe: \xff", b"Retry-After: \xff", b"Location: \xff\xfe"),
    "a zero in a header": answers(b"{}", b"Content-Type: a\x00b"),
    "a blank in a header's name": answers(b"{}", b"Content Type : x"),
    "a header without colon": answers(b"{}", b"nonsense"),
    "a folded header": answers(b"{}", b"X: a\r\n b\r\n\tc"),
    "another protocol": says(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "no headers": says(b"{}"),
    "a version that is none": says(b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "a status in letters": says(b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\n{}"),
    "a status that is too large": says(b"HTTP/1.1 99999 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "a status in other digits": says("HTTP/1.1 ٢٠٠ OK\r\nContent-Length: 2\r\n\r\n{}".encode()),
    "a negative status": says(b"HTTP/1.1 -20 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "another protocol from now on": answers(b"", b"Upgrade: h2c", b"Connection: Upgrade", status=b"101 Switching"),
    "a body where there is none": answers(b"{}", status=b"204 No Content"),
    "nothing new": answers(b"", status=b"304 Not Modified"),
    "a proxy that wants a login": answers(b"", b"Proxy-Authenticate: Basic", status=b"407 Proxy"),
    "another login": answers(b"", b"WWW-Authenticate: Digest realm=x", status=b"401 Unauthorized"),
    "a hang-up": lambda conversation: None,
    "a reset": lambda conversation: conversation.connection.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0"),
}


@pytest.fixture
def server() -> Iterator[Callable[[Script], RawServer]]:
    started: list[RawServer] = []

    def start(script: Script) -> RawServer:
        started.append(RawServer(script))
        return started[-1]

    yield start
    for one in started:
        one.close()


def asked(ask: Ask, *arguments: Any, **options: Any) -> Any:
    """The body of the answer, or our error; it must not take long, and its words must be fit for a log."""
    began = time.monotonic()
    try:
        said = ask(*arguments, **options).body
    except AepError as refused:
        said = refused
    assert time.monotonic() - began < AT_THE_LATEST
    if isinstance(said, AepError):
        assert [*flaws(str(said)), *(secret for secret in SECRETS if secret in str(said))] == []
    return said


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_ended(
    server: Callable[[Script], RawServer], client: Callable[[AepSettings], Ask], name: str
) -> None:
    running = server(ENDLESS[name])
    error = asked(client(settings(running.url)), "POST", "/data/foundation/x", json={})
    assert isinstance(error, AepError)
    assert error.ambiguous
    assert len(running.requests) == 1


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_our_error_or_what_was_said(
    server: Callable[[Script], RawServer], client: Callable[[AepSettings], Ask], name: str
) -> None:
    running = server(BROKEN[name])
    for method in ("GET", "POST"):
        answer = asked(client(settings(running.url)), method, "/data/foundation/x")
        assert isinstance(answer, AepError) or answer in (None, {})


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("name", [*ENDLESS, *BROKEN][::3])
def test_the_identity_service_may_do_the_same(
    server: Callable[[Script], RawServer], client: Callable[[AepSettings], Ask], name: str
) -> None:
    ims, gateway = server({**ENDLESS, **BROKEN}[name]), server(answers(b"{}", JSON))
    given = settings(gateway.url, f"{ims.url}/ims/token/v3").model_copy(update={"attempts": 1})
    assert isinstance(asked(client(given), "GET", "/data/foundation/x"), AepError)
    assert gateway.requests == []


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_what_grows_when_it_is_unpacked_is_refused_in_time(
    server: Callable[[Script], RawServer], client: Callable[[AepSettings], Ask], layers: int
) -> None:
    body = zeros(1024)
    for _ in range(layers - 1):
        body = gzip.compress(body)
    running = server(answers(body, JSON, b"Content-Encoding: " + b", ".join([b"gzip"] * layers)))
    given = settings(running.url).model_copy(update={"read_timeout": 60.0, "answer_timeout": 60.0, "attempts": 1})
    tracemalloc.start()
    try:
        with pytest.raises(AepAnswerError, match=r"larger than this client reads|is not JSON"):
            client(given)("GET", "/data/foundation/x")
        # A gigabyte, and so many times what it was packed into.
        assert tracemalloc.get_traced_memory()[1] < 300 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("client", CLIENTS)
def test_bodies_of_any_kind(server: Callable[[Script], RawServer], client: Callable[[AepSettings], Ask]) -> None:
    left = list(BODIES)
    running = server(lambda conversation: conversation.answer(left[0], JSON))
    given = settings(running.url).model_copy(update={"attempts": 1})
    while left:
        asked(client(given), "GET", "/data/foundation/x")
        left.pop(0)


@pytest.mark.parametrize("client", CLIENTS)
def test_links_in_headers_are_followed_by_nobody(
    server: Callable[[Script], RawServer], client: Callable[[AepSettings], Ask]
) -> None:
    links = [str(link).encode("utf-8", "replace").replace(b"\r\n", b" ") for link in LINKS[::2]]
    for name in (b"Content-Location", b"Link", b"Refresh", b"Alt-Svc", b"Location"):
        left = list(links)
        running = server(lambda conversation, name=name, left=left: conversation.answer(b"{}", name + b": " + left[0]))
        while left:
            asked(client(settings(running.url)), "GET", "/data/foundation/x")
            left.pop(0)
        assert len(running.requests) <= 2 * len(links)
