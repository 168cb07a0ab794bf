"""A real HTTP server that answers by script, both drivers behind one face, and a watch over secrets."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from aep_provider.errors import AepError
from aep_provider.platform.auth import TokenSource
from aep_provider.platform.client import AepAsyncClient, AepClient
from aep_provider.platform.exchange import Answer
from aep_provider.platform.settings import AepSettings
from aep_provider.platform.token_cache import TokenCache

CLIENT_SECRET = "p8e-client-secret-0123456789"
TOKEN_PREFIX = "eyJtoken-"
SOURCE_PASSWORD = "hunter2-of-the-source"


@dataclass
class Seen:
    """A request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass
class Step:
    """One answer, or the refusal to give one."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: str = ""
    drip: float = 0


class Scripted:
    """An HTTP server on loopback: it answers with the next step of its script, then with its default."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.steps: deque[Step] = deque()
        self.default = Step()
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.answer: Callable[[Seen], Step] | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20
            disable_nagle_algorithm = True

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def do(self) -> None:
                server.serve(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_CONNECT = do

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self.http = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.004,), daemon=True)
        self.thread.start()

    def say(self, status: int = 200, body: Any = None, times: int = 1, **options: Any) -> Scripted:
        """Script an answer; ``body`` is bytes as they are, or a document."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.steps.extend(Step(status, raw, **options) for _ in range(times))
        return self

    def hang_up(self, when: str, times: int = 1) -> Scripted:
        """Script a broken connection: ``unread``, ``read``, ``midway`` or ``silent`` (never an answer)."""
        self.steps.extend(Step(body=b'{"cut": "in the middle"}', hang_up=when) for _ in range(times))
        return self

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self.lock:
            step = self.steps.popleft() if self.steps else None
        body = b""
        if not step or step.hang_up != "unread":
            body = handler.rfile.read(int(headers.get("content-length", 0)))
        seen = Seen(handler.command, handler.path, headers, body)
        with self.lock:
            self.seen.append(seen)
        step = step or (self.answer(seen) if self.answer else self.default)
        if step.hang_up in {"unread", "read"}:
            handler.close_connection = True
            return
        if step.hang_up == "silent":
            self.stopping.wait(10)
            handler.close_connection = True
            return
        handler.send_response_only(step.status)
        handler.close_connection = handler.close_connection or step.headers.get("Connection") == "close"
        for name, value in step.headers.items():
            handler.send_header(name, value)
        if "Transfer-Encoding" not in step.headers:
            handler.send_header("Content-Length", str(len(step.body) + (100 if step.hang_up == "midway" else 0)))
        handler.end_headers()
        if step.drip:
            for index in range(len(step.body)):
                if self.stopping.wait(step.drip):
                    break
                handler.wfile.write(step.body[index : index + 1])
        elif handler.command != "HEAD":
            handler.wfile.write(step.body)
        handler.close_connection = handler.close_connection or step.hang_up == "midway"

    def close(self) -> None:
        self.stopping.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


class Driver:
    """Either client, asked the same way, so that each behaviour is tested on both."""

    def __init__(self, kind: str, settings: AepSettings, clock: Clock, cache: TokenCache) -> None:
        self.kind = kind
        tokens = TokenSource(settings, cache=cache, sleep=clock.sleep, clock=clock)
        self.runner = asyncio.Runner()
        self.blocking = AepClient(settings, tokens=tokens, sleep=clock.sleep, clock=clock)
        self.waiting = AepAsyncClient(settings, tokens=tokens, sleep=clock.sleep_async, clock=clock)

    @property
    def requests_sent(self) -> int:
        return self.blocking.requests_sent + self.waiting.requests_sent

    def request(self, method: str, path: str, **options: Any) -> Answer:
        if self.kind == "requests":
            return self.blocking.request(method, path, **options)
        return self.runner.run(self.waiting.request(method, path, **options))

    def text(self, path: str, **options: Any) -> str:
        if self.kind == "requests":
            return self.blocking.text(path, **options)
        return self.runner.run(self.waiting.text(path, **options))

    def close(self) -> None:
        self.blocking.close()
        self.runner.run(self.waiting.close())
        self.runner.close()


@pytest.fixture
def server() -> Iterator[Callable[[], Scripted]]:
    """Starts another scripted server."""
    started: list[Scripted] = []

    def start() -> Scripted:
        started.append(Scripted())
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def aep(server: Callable[[], Scripted]) -> Scripted:
    """The gateway."""
    return server()


@pytest.fixture
def ims(server: Callable[[], Scripted]) -> Scripted:
    """The identity service: each request gets another token, good for a day."""
    service = server()

    def answer(_: Seen) -> Step:
        token = {"access_token": f"{TOKEN_PREFIX}{len(service.seen)}", "token_type": "bearer", "expires_in": 86399}
        return Step(body=json.dumps(token).encode())

    service.answer = answer
    return service


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> TokenCache:
    """An empty cache of tokens, instead of the one of the process."""
    return TokenCache(clock)


@pytest.fixture
def settings(aep: Scripted, ims: Scripted) -> Callable[..., AepSettings]:
    """Settings for the scripted servers, with changes."""

    def build(**changes: Any) -> AepSettings:
        given = {
            "gateway": aep.url,
            "token_url": f"{ims.url}/ims/token/v3",
            "ims_org_id": "1234567890@AdobeOrg",
            "client_id": "the-client-id",
            "client_secret": CLIENT_SECRET,
            "sandbox": "stage",
        }
        return AepSettings.parse(**{**given, **changes})

    return build


@pytest.fixture(params=["requests", "aiohttp"])
def driver(
    request: pytest.FixtureRequest, settings: Callable[..., AepSettings], clock: Clock, cache: TokenCache
) -> Iterator[Callable[..., Driver]]:
    """Builds a client with changed settings; every test runs once over requests and once over aiohttp."""
    built: list[Driver] = []

    def build(**changes: Any) -> Driver:
        built.append(Driver(request.param, settings(**changes), clock, cache))
        return built[-1]

    yield build
    for one in built:
        one.close()


@pytest.fixture
def client(settings: Callable[..., AepSettings], clock: Clock, cache: TokenCache) -> Iterator[AepClient]:
    """A client over requests."""
    tokens = TokenSource(settings(), cache=cache, sleep=clock.sleep, clock=clock)
    with AepClient(settings(), tokens=tokens, sleep=clock.sleep, clock=clock) as one:
        yield one


@pytest.fixture(autouse=True)
def no_secret_escapes(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Looks for secrets in every error made and every record logged during a test, at the finest level."""
    errors: list[AepError] = []
    original = AepError.__init__

    def remembered(self: AepError, *args: Any, **fields: Any) -> None:
        errors.append(self)
        original(self, *args, **fields)

    monkeypatch.setattr(AepError, "__init__", remembered)
    caplog.set_level(logging.DEBUG)
    yield
    texts = [record.getMessage() + str(record.exc_text) for record in caplog.records]
    for error in errors:
        texts += [str(error), repr(error), repr(vars(error)), repr(pickle.dumps(error))]
        texts += traceback.format_exception(error)
        assert "\n" not in str(error)
    for text in texts:
        for secret in (CLIENT_SECRET, TOKEN_PREFIX, SOURCE_PASSWORD):
            assert secret not in text
