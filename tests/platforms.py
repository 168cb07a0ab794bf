"""
The local platform in a process of its own, started for little.

Python and what the platform imports take five times the CPU of all else there is to a start. So one process for each
process of pytest imports it all, and forks for every start. Before that it has no thread, no loop, no socket and no
database, so a fork is what ``aep-local`` would be after its imports, except that it hashes texts as its siblings do.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TypeAlias

_FORKS = sys.platform == "linux"
_MOST_BYTES = 1 << 20
_DIES_WITH_ITS_PARENT = 1  # PR_SET_PDEATHSIG
_IMPORTED_LATE = (
    "anyio._backends._asyncio", "uvicorn.lifespan.on", "uvicorn.protocols.http.h11_impl",
    "uvicorn.protocols.websockets.auto", "uvloop",
)  # fmt: skip
"""What a platform imports when it serves, where it is there."""


class Forked:
    """A platform that was forked: of ``Popen``, what tests use. Who has started it closes ``stdout`` and waits for it."""

    def __init__(self, stdout: IO[str], status: socket.socket) -> None:
        self.stdout = stdout
        self.returncode: int | None = None
        self._status = status
        pid = status.recv(64)
        if not pid:
            stdout.close()
            status.close()
            raise RuntimeError("nothing was forked; standard error tells why")
        self.pid = int(pid)

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._status.settimeout(timeout)
            try:
                code = self._status.recv(64)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("aep-local", timeout or 0) from None
            # without a word only where the process that forks is gone, and this one with it
            self.returncode = int(code or -signal.SIGKILL)
            self._status.close()
        return self.returncode

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        # It may end in between.
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


Process: TypeAlias = "subprocess.Popen[str] | Forked"


def start(arguments: Sequence[str], log: IO[str], *, for_real: bool = False) -> Process:
    """
    ``aep-local`` in this folder and environment, with a pipe for its standard output.

    :param log: takes its standard error.
    :param for_real: start the command line as it is, for tests of how it starts and ends, and of what it takes.
    """
    if for_real or not _FORKS:
        command = [sys.executable, "-m", "aep_local.cli", *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    request = json.dumps([list(arguments), str(Path.cwd()), dict(os.environ)]).encode()
    asked = _asked_for_forks()
    status, its_status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stdout, its_stdout = os.pipe()
    try:
        socket.send_fds(asked, [request], [its_stdout, log.fileno(), its_status.fileno()])
    finally:
        os.close(its_stdout)
        its_status.close()
    return Forked(open(stdout, encoding="utf-8"), status)


_forks: list[tuple[subprocess.Popen[bytes], socket.socket]] = []


def _asked_for_forks() -> socket.socket:
    """Where to ask for forks. The process there, and all it has forked, end when this end is closed, however."""
    if not _forks or _forks[-1][0].poll() is not None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-P", __file__]
            _forks.append((subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL), ours))
    return _forks[-1][1]


@atexit.register
def _no_more_forks() -> None:
    for process, asked in _forks:
        asked.close()
        process.wait()


def _fork_for_all() -> tuple[bytes, list[int]]:
    """Fork for each request and tell what becomes of the forks. In each of them this returns: what was asked for."""
    with socket.socket(fileno=0) as asked, selectors.DefaultSelector() as awaited:
        awaited.register(asked, selectors.EVENT_READ)
        while True:
            for key, _ in awaited.select():
                if key.data:
                    _tell_end(*key.data)
                    awaited.unregister(key.fd)
                    os.close(key.fd)
                    continue
                request, files, _, _ = socket.recv_fds(asked, _MOST_BYTES, 3)
                if not request:
                    os._exit(0)
                pid = _forked()
                if pid == 0:
                    return request, files
                stdout, log, status = files
                os.close(stdout)
                os.close(log)
                if pid is None:
                    os.close(status)
                    continue
                with suppress(ConnectionError):
                    os.write(status, str(pid).encode())
                awaited.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, status))


def _forked() -> int | None:
    """As ``os.fork``, for a process that dies with this one; nothing where there may be no more processes."""
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        print(f"aep-local cannot be forked: {error}", file=sys.stderr)
        return None
    if pid == 0:
        ctypes.CDLL(None).prctl(_DIES_WITH_ITS_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    return pid


def _tell_end(pid: int, status: int) -> None:
    _, code = os.waitpid(pid, 0)
    with suppress(ConnectionError):
        os.write(status, str(os.waitstatus_to_exitcode(code)).encode())
    os.close(status)


def _become(request: bytes, files: list[int]) -> list[str]:
    """Be as a process that was just started with these files; its arguments."""
    arguments, folder, environment = json.loads(request)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(files[0], 1)
    os.dup2(files[1], 2)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv[1:] = arguments
    return list(arguments)


def _main() -> None:
    from aep_local.cli import main

    for name in _IMPORTED_LATE:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
    arguments = _become(*_fork_for_all())
    signal.signal(signal.SIGINT, interrupted)
    try:
        code: object = main(arguments)
    except SystemExit as ended:
        code = ended.code
    # as Python ends, but without freeing everything piece by piece, for which all of it would have to be copied first
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    _main()
