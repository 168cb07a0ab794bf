"""
The secrets of the tests, and the search for them in everything that the tests leave behind.

After all tests have run, every file below their folder (logs, XComs, rendered fields, task states and all else that lies in
Airflow's databases, the local platform's own state), everything they printed or logged, and the command lines of all
processes that they started are searched: plain, base64, URL-encoded and hexadecimal.
"""

from __future__ import annotations

import base64
import os
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote_plus

import psutil

SECRETS = (
    "p8e-client-secret-0123456789",
    "hunter2-of-the-source",
    "hunter3-of-the-source",
    "s3curity-token-of-the-source",
    "right-source-password",
    "estate-secret",
    "local-secret",
    "local-source-secret",
    "local-security-token",
    "secret-of-ann",
)
ROW_VALUE = "value-of-a-row-7f3a91"
"""Stands in rows of tables; it may lie where rows lie, and nowhere else."""
WRITTEN_BY_TESTS = ("accounts.json", "accounts.yaml", "airflow_settings.yaml")
"""Files that tests write themselves, for those that are allowed to know secrets."""
_HOLD_ROWS = (".csv", ".parquet", ".ndjson")
_TOKEN = re.compile(rb"eyJ[\w-]{64}\.[\w-]{64}\.[\w-]{64}")
"""An access token of the local platform."""
_LOOK_EVERY_SECONDS = 0.5


def spellings(secret: str) -> set[bytes]:
    """Return all ways to write a secret that are searched for; base64 at all three places that it may begin at."""
    plain = secret.encode()
    found = {plain, quote_plus(secret).encode(), plain.hex().encode()}
    for before in range(3):
        coded = base64.b64encode(b"x" * before + plain).rstrip(b"=")
        # Without the characters that hold bits of what stands before or after.
        inner = coded[(0, 2, 3)[before] : len(coded) - bool((before + len(plain)) % 3)]
        found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


_NEEDLES = {secret: spellings(secret) for secret in SECRETS}


def leaked(content: bytes) -> list[str]:
    """Return what of the secrets is in some bytes."""
    found = [secret for secret, needles in _NEEDLES.items() if any(needle in content for needle in needles)]
    return [*found, *(["an access token"] if _TOKEN.search(content) else [])]


def in_files(folder: Path) -> Iterator[str]:
    """Yield a line for every file below a folder that holds a secret, and was not written by a test to hold it."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if name in WRITTEN_BY_TESTS or not path.is_file() or path.is_symlink():
                continue
            content = path.read_bytes()
            found = leaked(content)
            if ROW_VALUE.encode() in content and not name.endswith(_HOLD_ROWS):
                found.append("the value of a row")
            if found:
                yield f"{path}: {', '.join(found)}"


class CommandLines:
    """Looks at the command lines of all processes below this one, as long as it is watching."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        us = psutil.Process()
        while not self._ended.wait(_LOOK_EVERY_SECONDS):
            self.look(us.children(recursive=True))

    def look(self, processes: Iterable[psutil.Process]) -> None:
        for process in processes:
            try:
                words = process.cmdline()
            except psutil.Error:
                continue
            found = leaked("\0".join(words).encode(errors="surrogateescape"))
            if found:
                self.found.add(f"command line of {' '.join(words)[:60]!r}: {', '.join(found)}")
