"""Where accepted rows land: one Parquet file a batch, ``STATE/datasets/<dataset id>/<batch id>.parquet``.

A batch is written aside, made durable, and put into the dataset's folder by one rename, so whoever looks finds none of
its rows or all of them. The name is the batch's own: doing it again after a crash replaces and never repeats.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import duckdb

from aep_local.core import duck
from aep_local.xdm import fields as xdm
from aep_local.xdm.mapping import Rejection
from aep_local.xdm.values import compact, json_ready

_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_LINE_BYTES = 1 << 24
"""The longest line of JSON that DuckDB reads unless it is told of a longer one."""


class Landing:
    """The folders of a platform's state that hold rows.

    :param state: the platform's state folder.
    """

    def __init__(self, state: Path) -> None:
        self._state = state.resolve()
        self._aside = self._state / "staging"
        for folder in (self._aside, self._state / "datasets", self._state / "row_errors"):
            folder.mkdir(parents=True, exist_ok=True)
        self._database = duck.confined([self._state], scratch=self._aside)

    def close(self) -> None:
        """Close the database behind it."""
        self._database.close()

    def dataset(self, dataset_id: str) -> Path:
        """A dataset's folder; it is there from the first batch on."""
        return self._state / "datasets" / _safe(dataset_id)

    def file(self, dataset_id: str, batch_id: str) -> Path:
        """A batch's file in its dataset."""
        return self.dataset(dataset_id) / f"{_safe(batch_id)}.parquet"

    def staged(self, batch_id: str) -> Path:
        """A batch's finished file before it is in its dataset."""
        return self._aside / f"{_safe(batch_id)}.parquet"

    def row_errors(self, batch_id: str) -> Path:
        """The file with a batch's rejected rows, one JSON document a line; it may not exist."""
        return self._state / "row_errors" / f"{_safe(batch_id)}.json"

    def write(self, batch_id: str, root: xdm.Field) -> BatchWriter:
        """Begin a batch whose rows have the fields of a tree."""
        return BatchWriter(
            self._database.cursor(), self._aside / f"{_safe(batch_id)}.ndjson", self.staged(batch_id), root
        )

    def publish(self, dataset_id: str, batch_id: str) -> None:
        """Put a staged batch into its dataset; nothing happens when that has been done.

        :raises FileNotFoundError: the batch is neither staged nor in the dataset.
        """
        target = self.file(dataset_id, batch_id)
        target.parent.mkdir(exist_ok=True)
        try:
            self.staged(batch_id).replace(target)
        except FileNotFoundError:
            if not target.exists():
                raise
            return
        _sync_folder(target.parent)
        _sync_folder(target.parent.parent)

    def withdraw(self, dataset_id: str, batch_id: str) -> None:
        """Take a batch out of its dataset and out of staging, if it is there."""
        for path in (self.file(dataset_id, batch_id), self.staged(batch_id)):
            path.unlink(missing_ok=True)

    def drop(self, dataset_id: str) -> None:
        """Remove a dataset's rows."""
        shutil.rmtree(self.dataset(dataset_id), ignore_errors=True)

    def forget_staged(self, keep: set[str]) -> None:
        """Remove what interrupted batches left aside, except for these batches."""
        for path in self._aside.iterdir():
            if path.name.partition(".")[0] not in keep and path.is_file():
                path.unlink(missing_ok=True)


class BatchWriter:
    """Collects one batch's rows as lines of JSON and makes a Parquet file with the schema's types of them.

    Leaving the ``with`` block removes the lines; only :meth:`finish` leaves a staged file.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, lines: Path, staged: Path, root: xdm.Field) -> None:
        self._cursor = cursor
        self._path = lines
        self._staged = staged
        self._root = root
        self._longest = 0
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._file = self._path.open("wb", buffering=1 << 20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        self._cursor.close()
        self._path.unlink(missing_ok=True)

    def add(self, row: dict[str, Any]) -> None:
        """Take one converted row."""
        assert self._file is not None  # noqa: S101 - only within the with block
        line = (compact(row) + "\n").encode()
        self._longest = max(self._longest, len(line))
        self._file.write(line)

    def finish(self) -> int:
        """Write the staged file, durably.

        :returns: its size in bytes.
        """
        assert self._file is not None  # noqa: S101 - only within the with block
        self._file.close()
        columns = {name: xdm.stored_type(each) for name, each in self._root.fields.items()}
        # Whoever reads takes twice the longest line at once and more than once, however short the file is, and runs that
        # land side by side share one limit of memory: no more than the rows need.
        line_bytes = max(self._longest, _LINE_BYTES)
        self._cursor.execute(
            "COPY (SELECT * FROM read_json(?, format = 'newline_delimited', columns = ?, maximum_object_size = ?)) "
            "TO ? (FORMAT parquet, COMPRESSION zstd)",
            [duck.exact_path(self._path), columns, line_bytes, str(self._staged)],
        )
        _sync_file(self._staged)
        return self._staged.stat().st_size


class RowErrors:
    """Writes a batch's rejected rows, one JSON document a line, when there are any.

    :param path: the file; replaced when a batch is done again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        self._path.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def add(self, number: int, row: dict[str, Any], rejection: Rejection) -> None:
        """Take one rejected row with its number within the window, counted from 1."""
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8", buffering=1 << 20)
        errors = [
            {"code": "MAPPER-3700-400", "column": error.path, "message": f"row {number}, {error.path}: {error.reason}"}
            for error in rejection.errors
        ]
        self._file.write(compact({"_row": number, "_errors": errors, "row": json_ready(row)}) + "\n")


def lines(path: Path) -> Iterator[str]:
    """The lines of a file of rejected rows; none when there is no such file."""
    with suppress(FileNotFoundError), path.open(encoding="utf-8") as file:
        yield from file


def _safe(id: str) -> str:
    """An id as part of a file name; ids are made by the platform, anything else is a mistake."""
    if not _ID.fullmatch(id):
        raise ValueError("not an id of the platform")
    return id


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
