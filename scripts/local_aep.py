"""Starts the local AEP on a folder of tables, with one state per folder and one user per state."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from children import Child
from environment import BIN, ROOT, clean_environment
from locks import hold

STATES = ROOT / ".local" / "state"
# Invented. The local platform takes any account, and nothing else ever sees these.
ACCOUNT = {"client_id": "local-client", "client_secret": "local-secret", "ims_org_id": "LOCAL@AdobeOrg"}
SANDBOX = "prod"

_START_SECONDS = 60.0


class LocalAepError(RuntimeError):
    """The local platform cannot be used; the message says why in one line."""


@dataclass(frozen=True)
class LocalAep:
    """A local platform that serves.

    :param url: its gateway, without a slash at the end.
    :param state: what it keeps; datasets are `state/datasets/<id>/*.parquet`.
    """

    url: str
    state: Path
    child: Child
    lock: IO[str]

    @property
    def token_url(self) -> str:
        """Where it gives tokens."""
        return f"{self.url}/ims/token/v3"

    def connection(self) -> str:
        """The Airflow connection to it, as the JSON that an `AIRFLOW_CONN_…` variable takes."""
        # The sandbox is the default one: named here, Airflow would warn in every log that it is too short to be masked.
        extra = {"ims_org_id": ACCOUNT["ims_org_id"], "token_url": self.token_url}
        return json.dumps(
            {
                "conn_type": "aep",
                "host": self.url,
                "login": ACCOUNT["client_id"],
                "password": ACCOUNT["client_secret"],
                "extra": extra,
            }
        )

    def stop(self) -> None:
        """End the platform and give its state free."""
        self.child.stop()
        self.lock.close()


def state_of(tables: Path) -> Path:
    """Where the state for a folder of tables lives: always the same place for the same folder."""
    folder = tables.resolve()
    name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-") or "tables"
    return STATES / f"{name}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]}"


def start(tables: Path, state: Path, *, port: int = 0, time_scale: float = 0.01) -> LocalAep:
    """Start it and wait until it serves.

    :param port: 0 for any free one.
    :param time_scale: what one second of the platform's own waiting lasts here, in seconds.
    :raises LocalAepError: no such folder, or a platform that does not start.
    :raises InUseError: another process works on this state.
    """
    if not tables.is_dir():
        raise LocalAepError(f"there is no folder {tables}")
    lock = hold(Path(f"{state}.lock"), f"the state {state}")
    command = [str(BIN / "aep-local"), "serve", "--tables", str(tables.resolve()), "--state", str(state)]
    command += ["--port", str(port), "--time-scale", str(time_scale)]
    log = Path(f"{state}.log")
    child = Child("aep-local", command, environment=clean_environment(), log=log, keep=[lock.fileno()])
    try:
        lock.write(f", with aep-local as process {child.process.pid}")
        lock.flush()
        return LocalAep(_ready(child), state, child, lock)
    except BaseException:
        child.stop()
        lock.close()
        raise


def _ready(child: Child) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        found = re.search(r"^ready (http://\S+)$", child.output(), re.MULTILINE)
        if found:
            return found[1]
        if child.process.poll() is not None:
            raise LocalAepError(f"the local platform did not start: {child.last_line()} (log: {child.log})")
        time.sleep(0.05)
    raise LocalAepError(f"the local platform was not ready after {_START_SECONDS:.0f} s (log: {child.log})")
