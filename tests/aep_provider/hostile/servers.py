"""Servers on loopback that keep to no rules, and listeners that nobody may ever connect to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

Script = Callable[["Conversation"], None]


@dataclass
class Conversation:
    """One connection, after a request was read."""

    connection: socket.socket
    request: bytes
    stopping: threading.Event

    def say(self, *parts: bytes) -> None:
        """Send; raises OSError once the client has gone."""
        self.connection.sendall(b"".join(parts))

    def answer(self, body: bytes, *headers: bytes, status: bytes = b"200 OK") -> None:
        """Send an answer with a length of its own unless one is given."""
        if not any(one.lower().startswith((b"content-length", b"transfer-encoding")) for one in headers):
            headers = (*headers, b"Content-Length: %d" % len(body))
        self.say(b"HTTP/1.1 ", status, b"\r\n", b"".join(one + b"\r\n" for one in headers), b"\r\n", body)

    def without_end(self, part: bytes, pause: float = 0.0) -> None:
        """Send the same again and again until the client or the test has had enough."""
        while not self.stopping.wait(pause) if pause else not self.stopping.is_set():
            self.say(part)


@dataclass
class RawServer:
    """Answers each request with a script, on a connection of its own."""

    script: Script = lambda conversation: conversation.answer(b"{}", b"Content-Type: application/json")
    requests: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                if self._stopping.is_set():
                    connection.close()
                    return
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(30)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = read_request(connection)
            if request:
                self.requests.append(request)
                self.script(Conversation(connection, request, self._stopping))

    def close(self) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError), socket.create_connection(self._listening.getsockname(), timeout=5):
            pass
        self._listening.close()
        for thread in self._threads:
            thread.join(10)


def read_request(connection: socket.socket) -> bytes:
    """Read a request with its body, as far as it comes."""
    read = b""
    while b"\r\n\r\n" not in read:
        block = connection.recv(65536)
        if not block:
            return read
        read += block
    head, _, body = read.partition(b"\r\n\r\n")
    lengths = [
        int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    ]
    while lengths and len(body) < lengths[0]:
        block = connection.recv(65536)
        if not block:
            break
        body += block
    return head + b"\r\n\r\n" + body


class Elsewhere:
    """
    Other hosts: a second port of this machine, a second address of it, and any name at all.

    Whoever connects is remembered, with the first that is said; so is every name that is looked up.
    """

    ADDRESS: Final = "127.0.0.2"

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.names: list[str] = []
        self._listening = [socket.create_server((host, 0), backlog=64) for host in ("127.0.0.1", self.ADDRESS)]
        self.port, self.far_port = (one.getsockname()[1] for one in self._listening)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._accept, args=(one,), daemon=True) for one in self._listening]
        for thread in self._threads:
            thread.start()

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, contextlib.suppress(OSError):
                    if self._stopping.is_set():
                        return
                    # Connecting is too much already.
                    self.heard.append(b"")
                    connection.settimeout(1)
                    self.heard[-1] = connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    @property
    def hosts(self) -> list[str]:
        """Hosts with ports, as they stand in addresses."""
        return [
            f"127.0.0.1:{self.port}",
            f"{self.ADDRESS}:{self.far_port}",
            f"localhost:{self.port}",
            "evil.example",
            "xn--80ak6aa92e.example",
        ]

    @contextlib.contextmanager
    def found_by_any_name(self) -> Iterator[None]:
        """Let every name but that of this machine lead here, whatever the port."""
        original = socket.getaddrinfo

        def look_up(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            if name in (None, "", "localhost") or name.replace(".", "").isdigit():
                return original(host, port, *arguments, **options)
            self.names.append(name)
            return original(self.ADDRESS, self.far_port, *arguments, **options)

        socket.getaddrinfo = look_up
        try:
            yield
        finally:
            socket.getaddrinfo = original

    def close(self) -> None:
        self._stopping.set()
        for one in self._listening:
            with contextlib.suppress(OSError), socket.create_connection(one.getsockname(), timeout=5):
                pass
            one.close()
        for thread in self._threads:
            thread.join(10)
