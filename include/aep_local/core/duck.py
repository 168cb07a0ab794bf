"""DuckDB confined to the folders it is given: no other file, no network, no extension, UTC only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import duckdb

_MEMORY: Final = "512MB"
_MOST_THREADS: Final = 4
"""Each thread that reads holds buffers of its own, and the limit of memory does not grow with the cores."""


def confined(folders: Iterable[Path], *, scratch: Path | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory database that can read and write files in these folders only.

    Take ``connection.cursor()`` for each piece of work; cursors may be used in different threads.

    :param scratch: where it may spill; within ``folders``. Without it nothing is spilled.
    """
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "memory_limit": _MEMORY,
            "threads": min(_MOST_THREADS, os.cpu_count() or 1),
            "temp_directory": "" if scratch is None else str(scratch),
        }
    )
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    allowed = ", ".join(literal(str(folder.resolve()) + "/") for folder in folders)
    connection.execute(f"SET GLOBAL allowed_directories = [{allowed}]")
    connection.execute("SET GLOBAL enable_external_access = false")
    connection.execute("SET GLOBAL lock_configuration = true")
    return connection


def literal(text: str) -> str:
    """A text as an SQL literal, where a value cannot be bound."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def exact_path(path: Path) -> str:
    """A file's path as DuckDB takes it: pattern characters in its name stand for themselves.

    A backslash cannot be written this way, so names with one cannot be opened.
    """
    return str(path.with_name("".join(f"[{char}]" if char in "*?[" else char for char in path.name)))
