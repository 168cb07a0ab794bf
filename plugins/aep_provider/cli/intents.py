"""What an apply was about to make, so that one that was killed is known to the next."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from airflow.configuration import AIRFLOW_HOME

from aep_provider.cli.files import write_file
from aep_provider.resources.ensure import Memory

_MADE: Final = "made"
"""No kind of object is called so."""


class Intents:
    """
    Memories for the objects of one sandbox, in one file below ``AIRFLOW_HOME``. Safe for threads.

    They are needed where AEP's lists show a new object late: whoever repeats an apply that was killed must not make it again.
    """

    def __init__(self, organisation: str, sandbox: str, folder: Path | None = None) -> None:
        key = hashlib.sha256(f"{organisation} {sandbox}".encode()).hexdigest()[:16]
        self._file = (folder or Path(AIRFLOW_HOME) / "aep") / f"apply-{key}.json"
        self._lock = threading.Lock()
        self._notes = self._read()

    def memory_for(self, kind: str, name: str) -> Memory:
        """Return the memory for one object."""
        return _Note(self, f"{kind} {name}")

    def get(self, key: str) -> Any:
        """Return what was kept."""
        with self._lock:
            return self._notes.get(key)

    def set(self, key: str, note: Mapping[str, Any]) -> None:
        """Keep something."""
        with self._lock:
            self._notes[key] = dict(note)
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_file(self._file, json.dumps(self._notes), private=True)

    def done(self, flows: Mapping[str, str]) -> None:
        """
        Forget what was begun: all of it is done. The flows that were made are kept, for lists may not show them yet.

        :param flows: by dataflow, the id of the flow that was made.
        """
        with self._lock:
            self._notes = {}
        if flows:
            self.set(_MADE, {"flows": dict(flows), "at": time.time()})
        else:
            self._file.unlink(missing_ok=True)

    def made_within(self, seconds: float) -> dict[str, str]:
        """Return the flows of the last apply, by dataflow, if that was no longer ago."""
        made = self.get(_MADE)
        if not isinstance(made, Mapping) or not isinstance(made.get("flows"), dict):
            return {}
        at = made.get("at")
        return dict(made["flows"]) if isinstance(at, int | float) and 0 <= time.time() - at <= seconds else {}

    def _read(self) -> dict[str, Any]:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}


class _Note:
    def __init__(self, intents: Intents, key: str) -> None:
        self._intents = intents
        self._key = key

    def recall(self) -> Mapping[str, Any] | None:
        note = self._intents.get(self._key)
        return note if isinstance(note, Mapping) else None

    def remember(self, note: Mapping[str, Any]) -> None:
        self._intents.set(self._key, note)
