"""A proxy before the local AEP that kills who asks: before a request arrives, or before its answer does."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

import psutil


class Gate:
    """
    Forwards everything. ``plan`` says what becomes of the process that sends the first, second, … ``POST …/runs``:
    killed before the request arrives, or before its answer does, or the latter with all processes of its session.

    :param upstream: the local AEP's address; it may be gone for a while.
    """

    def __init__(self, upstream: str) -> None:
        self.plan: list[Literal["before", "after", "session", ""]] = []
        self.killed: list[int] = []
        self.posted = 0
        self.seen: list[tuple[float, str, str]] = []
        """When (epoch seconds) who asked for which path, with its query; who is the end of the User-Agent."""
        self._upstream = urlsplit(upstream).netloc
        self._lock = threading.Lock()
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def handle_any(self) -> None:
                gate.handle(self)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        who = (request.headers.get("User-Agent") or "").rpartition(" ")[2]
        self.seen.append((time.time(), who, request.path))
        fate = ""
        if request.command == "POST" and request.path.rstrip("/").endswith("/flowservice/runs"):
            with self._lock:
                self.posted += 1
                fate = self.plan.pop(0) if self.plan else ""
        if fate == "before":
            self._kill(request.client_address[1])
            request.close_connection = True
            return
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host", "connection")}
        upstream = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            upstream.request(request.command, request.path, body or None, headers)
            answer = upstream.getresponse()
            content = answer.read()
        except OSError:
            request.close_connection = True
            return
        finally:
            upstream.close()
        if fate:
            self._kill(request.client_address[1], session=fate == "session")
            request.close_connection = True
            return
        request.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        with suppress(OSError):
            request.wfile.write(content)

    def _kill(self, port: int, *, session: bool = False) -> None:
        """SIGKILL for the process at the other end of the connection, and for its whole session if so told."""
        for link in psutil.net_connections("tcp"):
            if link.laddr and link.laddr.port == port and link.pid and link.pid != os.getpid():
                if session:
                    kill_session(os.getsid(link.pid))
                else:
                    os.kill(link.pid, signal.SIGKILL)
                self.killed.append(link.pid)
                return

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def kill_session(leader: int) -> None:
    """
    SIGKILL for a process and all below it.

    A task leads a process group of its own, so killing its worker's group would leave it alive.
    """
    assert leader != os.getsid(0)
    for process in [leader, *(one for one in psutil.pids() if one != leader)]:
        with suppress(ProcessLookupError):
            if os.getsid(process) == leader:
                os.kill(process, signal.SIGKILL)
