"""The dataflows that files declare, read again only when a file has changed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from airflow.sdk import conf

from aep_provider.dataflows.reading.load import load_folder
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError
from aep_provider.specs_folder import specs_folder

_SUFFIXES: Final = (".yaml", ".yml")


@dataclass(frozen=True)
class Declared:
    """
    What the folder of dataflows declares.

    :param notes: what about it cannot be read, a sentence each.
    """

    specs: tuple[DataflowSpec, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, conn_id: str, sandbox: str) -> dict[str, DataflowSpec]:
        """Return the dataflows of a sandbox by name."""
        return {spec.name: spec for spec in self.specs if (spec.aep_conn_id, spec.sandbox) == (conn_id, sandbox)}


@dataclass
class DeclaredFolder:
    """The folder that the DAGs of dataflows are made from, as far as this machine has it."""

    _fingerprint: object = None
    _declared: Declared = field(default_factory=Declared)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> Declared:
        """Return what it declares now; a folder of a thousand files takes seconds to read, once."""
        try:
            folder = specs_folder(None)
        except AepConfigError:
            return Declared(
                notes=(
                    "The files of the dataflows are not on the API server's machine, so it is not known which windows "
                    "are due: set dataflows_folder in the section [aep] of Airflow's configuration.",
                )
            )
        sandbox = conf.get("aep", "sandbox", fallback=None) or None
        with self._lock:
            fingerprint = (folder, sandbox, _state_of(folder))
            if fingerprint != self._fingerprint:
                loaded = load_folder(folder, sandbox=sandbox)
                notes = [f"A file of a dataflow cannot be read. {error}" for error in loaded.wrong]
                self._fingerprint, self._declared = fingerprint, Declared(tuple(loaded.specs), tuple(notes))
            return self._declared


def _state_of(folder: Path) -> list[tuple[str, int, int]]:
    try:
        files = [(path.name, path.stat()) for path in sorted(folder.iterdir()) if path.suffix in _SUFFIXES]
    except OSError:
        return []
    return [(name, state.st_mtime_ns, state.st_size) for name, state in files]
