"""The command ``aep-local``."""

from __future__ import annotations

import argparse
import fcntl
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import IO

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from aep_local.app import create_app
from aep_local.core.settings import Assumptions, Settings
from aep_local.faults.injector import Faults
from aep_local.faults.mix import MIX
from aep_local.faults.wire import WiredProtocol

_MAX_HEAD_BYTES = 64 * 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 after a clean stop, 2 when it was called wrongly, 1 when it cannot serve."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.command == "assumptions":
        print(Assumptions.describe())
        return 0
    if given.command == "faults":
        print(MIX, end="")
        return 0
    try:
        settings = _settings(given)
        app = create_app(settings)
    except ValueError as error:
        parser.error(str(error))
    try:
        lock = _lock(settings.state)
    except OSError as error:
        print(f"aep-local: {error}", file=sys.stderr)
        return 1
    with lock:
        try:
            listener = _listen(settings)
        except OSError as error:
            print(f"aep-local: cannot listen on {settings.host}:{settings.port}: {error.strerror}", file=sys.stderr)
            return 1
        with listener:
            _serve(app, listener)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aep-local", description="Adobe Experience Platform on this machine")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser(
        "serve",
        help="serve the platform over HTTP",
        epilog="switches for --assume, KEY=DEFAULT each:\n" + Assumptions.describe(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_argument("--tables", required=True, type=Path, metavar="DIR", help="the source tables, CSV or Parquet")
    serve.add_argument("--state", required=True, type=Path, metavar="DIR", help="where everything is kept")
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: loopback)")
    serve.add_argument("--port", default=0, type=int, help="the port to listen on; 0 takes a free one")
    serve.add_argument("--accounts", type=Path, metavar="FILE", help="who may do what; default: everybody everything")
    serve.add_argument(
        "--faults", type=Path, metavar="FILE", help="what goes wrong, see the command faults; default: nothing"
    )
    serve.add_argument("--latency-ms", default=0.0, type=float, metavar="N", help="added to every answer")
    serve.add_argument("--time-scale", default=1.0, type=float, metavar="F", help="every wait is multiplied by it")
    serve.add_argument("--token-seconds", default=86399, type=float, metavar="N", help="how long tokens are valid")
    serve.add_argument("--assume", action="append", default=[], metavar="KEY=VALUE", help="set a switch, see below")
    commands.add_parser(
        "assumptions", help="list the switches for what is not known about AEP, as serve --assume takes them"
    )
    commands.add_parser("faults", help="print an example for serve --faults, with every kind of fault in it")
    return parser


def _settings(given: argparse.Namespace) -> Settings:
    if not given.tables.is_dir():
        raise ValueError(f"--tables {given.tables}: no such folder")
    try:
        return Settings(
            tables=given.tables,
            state=given.state,
            host=given.host,
            port=given.port,
            accounts=given.accounts,
            faults=given.faults,
            latency_ms=given.latency_ms,
            time_scale=given.time_scale,
            token_seconds=given.token_seconds,
            assume=Assumptions.parse(given.assume),
        )
    except ValidationError as error:
        problem = error.errors()[0]
        raise ValueError(f"--{str(problem['loc'][0]).replace('_', '-')}: {problem['msg']}") from None


def _lock(state: Path) -> IO[str]:
    """Hold the state folder for this process; the lock ends with the process, however it ends."""
    # Rows and hashes of secrets lie there.
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = (state / "lock").open("a", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise OSError(f"the state folder {state} is in use by another server") from None
    return lock


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family, backlog=2048)


def _serve(app: FastAPI, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    faults: Faults | None = app.state.faults
    # Queries may carry credentials (the token service takes them there), so uvicorn's own access log stays off.
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=5,
        # The other parser takes a request line and headers of any size; this one stops here, with a plain 400.
        http="h11" if faults is None else WiredProtocol,
        h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
        server_header=False,
    )
    # uvicorn repeats the signal that stopped it once everything is closed; then these end the process without a noise.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    _Announcing(config, f"ready {address}", faults).run(sockets=[listener])


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


class _Announcing(uvicorn.Server):
    """A server that says on standard output when it serves, and before that who may change the faults, if there are any."""

    def __init__(self, config: uvicorn.Config, announcement: str, faults: Faults | None) -> None:
        super().__init__(config)
        self._announcement = announcement
        self._faults = faults

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            if self._faults is not None:
                print(f"faults-token {self._faults.token}")
            print(self._announcement, flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._faults is not None:
            # nothing that waits on purpose is waited for
            self._faults.stopping.set()
        await super().shutdown(sockets)


if __name__ == "__main__":
    sys.exit(main())
