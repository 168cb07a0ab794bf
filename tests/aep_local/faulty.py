"""A platform on which things go wrong: to say what, to count how often it did, and to see it on the wire."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from .waiting import awaited

SECONDS = 30
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Served(Protocol):
    """A platform that was started with faults."""

    url: str
    said: list[str]


@dataclass(frozen=True)
class Raw:
    """All that came through a connection, and how it ended: ``reset``, ``end``, or ``open`` where it did not in time."""

    received: bytes
    ending: str
    first_byte: float
    """Seconds until it came."""

    @property
    def head(self) -> str:
        return self.received.partition(b"\r\n\r\n")[0].decode()

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    @property
    def body(self) -> bytes:
        return self.received.partition(b"\r\n\r\n")[2]

    def header(self, name: str) -> str | None:
        lines = (line.partition(": ") for line in self.head.split("\r\n")[1:])
        return next((value for key, _, value in lines if key.lower() == name), None)


class Faulty:
    """Such a platform and one of its callers."""

    def __init__(self, platform: Served, client: httpx.Client, org: str) -> None:
        self.url = platform.url
        self.client = client
        self.org = org
        token = next(line for line in platform.said if line.startswith("faults-token "))
        self.token = token.split()[1]

    def control(self, method: str = "GET", token: str | None = None, **more: Any) -> httpx.Response:
        """A request to the route that tells and changes the rules."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return self.client.request(method, "/local/faults", headers=headers, **more)

    def go_wrong(self, *rules: Any, seed: int = 0) -> None:
        """From now on go by these rules; a kind or its fields stand for a rule that hits everything."""
        whole = [each if isinstance(each, dict) and "fault" in each else {"fault": each} for each in rules]
        answer = self.control("PUT", json={"seed": seed, "rules": whole})
        assert answer.status_code == 200, answer.text

    def counts(self) -> list[tuple[int, int]]:
        """How many requests each rule fitted, and to how many its fault happened."""
        return [(each["matched"], each["injected"]) for each in self.control().json()["rules"]]

    def injected(self) -> list[int]:
        return [injected for _, injected in self.counts()]

    def connection(self) -> socket.socket:
        host, port = self.url.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=SECONDS)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> bytes:
        """A request as it goes through a connection, which is to end after it."""
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        names = ("authorization", "x-api-key", "x-gw-ims-org-id", "x-sandbox-name")
        all_headers = {name: self.client.headers[name] for name in names}
        all_headers |= {"host": "localhost", "connection": "close", "content-length": str(len(content))}
        all_headers |= {"content-type": "application/json", **headers}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in all_headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + content

    @contextmanager
    def asking(self, method: str, path: str, body: Any = None) -> Iterator[socket.socket]:
        """The connection of a request that a fault is happening to, so far without a byte of an answer."""
        before = sum(self.injected())
        with self.connection() as connection:
            connection.sendall(self.request(method, path, body))
            awaited(lambda: sum(self.injected()) == before + 1)
            yield connection

    def raw(self, method: str, path: str, body: Any = None, *, seconds: float = SECONDS, **headers: str) -> Raw:
        """What comes back through a connection of its own."""
        with self.connection() as connection:
            connection.sendall(self.request(method, path, body, **headers))
            return received(connection, seconds)

    def names(self, path: str) -> list[str]:
        """The names that a list of Flow Service has, the newest first; the rules must let it through."""
        answer = self.client.get(path, params={"limit": 100})
        assert answer.status_code == 200, answer.text
        return [each["name"] for each in answer.json()["items"]]


def received(connection: socket.socket, seconds: float = SECONDS) -> Raw:
    """What comes through a connection from now on."""
    began, got, first_byte = time.monotonic(), bytearray(), float("inf")
    while True:
        connection.settimeout(max(began + seconds - time.monotonic(), 0.001))
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            return Raw(bytes(got), "reset", first_byte)
        except TimeoutError:
            return Raw(bytes(got), "open", first_byte)
        if not part:
            return Raw(bytes(got), "end", first_byte)
        first_byte = min(first_byte, time.monotonic() - began)
        got += part
