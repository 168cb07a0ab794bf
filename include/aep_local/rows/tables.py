"""The source systems' tables: a folder of CSV and Parquet files, one file a table.

A table is only ever looked up in a listing of the folder. CSV is comma separated UTF-8 with a header line; an empty
value is null, and text is handed on exactly as it stands, blanks included. Its columns' types are told from every value
of the file, so a late odd value makes a column text instead of breaking it.
"""

from __future__ import annotations

import csv
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from aep_local.core import duck
from aep_local.rows.sniffing import declared_kind, sniff, without_zones
from aep_local.xdm.values import Refused, json_ready, to_boolean, to_integer, to_number

_SUFFIXES = {".csv", ".parquet"}
_FETCH = 2000
_XDM: dict[str, dict[str, Any]] = {
    "date-time": {"type": "string", "meta:xdmType": "date-time", "xdm": {"type": "string", "format": "date-time"}},
    "date": {"type": "string", "meta:xdmType": "date", "xdm": {"type": "string", "format": "date"}},
}
_TYPED = {"boolean": to_boolean, "integer": to_integer, "number": to_number}
_PATTERN = {
    "yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S", "SSS": "%g", "SSSSSS": "%f",
    "Z": "%z", "X": "%z", "XX": "%z", "XXX": "%z", "'T'": "T", "T": "T", "'Z'": "Z",
}  # fmt: skip


class TableError(Exception):
    """A table that is there but cannot be read; the text names table and column, never a path."""


class TableFolder:
    """The tables of one folder.

    :param folder: where the files are; it may be empty and it may change while the platform runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._database = duck.confined([self._folder])
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int, int], list[tuple[str, str]]] = {}

    def close(self) -> None:
        """Close the database behind it."""
        self._database.close()

    def names(self) -> list[str]:
        """The tables' names in order: file names without suffix, with it where two files would share a name."""
        return sorted(self._files())

    def columns(self, name: str) -> list[dict[str, Any]]:
        """A table's columns as explore reports them: ``name``, ``type``, ``xdm`` and for dates ``meta:xdmType``.

        An empty file has none.

        :raises KeyError: there is no such table.
        :raises TableError: it cannot be read.
        """
        return [
            {"name": column, **_XDM.get(kind, {"type": kind, "xdm": {"type": kind}})}
            for column, kind in self._kinds(name)
        ]

    def preview(self, name: str, limit: int) -> list[dict[str, Any]]:
        """The first rows, ready for JSON; numbers and booleans typed, all else text.

        :raises KeyError: there is no such table.
        :raises TableError: it cannot be read.
        """
        kinds = dict(self._kinds(name))
        if not kinds:
            return []
        rows: list[dict[str, Any]] = []
        for row in self.read(name, limit=limit):
            rows.append({column: _typed(value, kinds[column]) for column, value in row.items()})
        return rows

    def read(  # noqa: PLR0917 - a window reads naturally in this order
        self,
        name: str,
        columns: Sequence[str] | None = None,
        delta: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        include_null_delta: bool = False,
        *,
        date_format: str | None = None,
        edges: str = "start_inclusive",
        limit: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """The rows whose delta lies in the window, in file order; CSV values are text, Parquet values have their types.

        :param columns: which columns; all when None.
        :param delta: the date-time column that the window is about; without zone its values are UTC.
        :param start_ms: epoch milliseconds; open when None.
        :param end_ms: epoch milliseconds; open when None.
        :param include_null_delta: also the rows without a delta value, which belong to no window.
        :param date_format: how text in the delta column is written (``yyyy-MM-dd HH:mm:ss``), beside ISO 8601.
        :param edges: which edges belong to the window: ``start_inclusive`` (``start <= delta < end``), ``end_inclusive``,
            ``both_inclusive`` or ``neither_inclusive``.
        :raises KeyError: there is no such table.
        :raises TableError: no such column, a broken file, or a delta value that is not a date-time: such a row would
            otherwise be in no window, ever.
        """
        path = self._path(name)
        with self._database.cursor() as cursor:
            header = _header(cursor, path, name)
            wanted = [column for column, _ in header] if columns is None else list(dict.fromkeys(columns))
            position = {column: index for index, (column, _) in enumerate(header)}
            for column in [*wanted, *([] if delta is None else [delta])]:
                if column not in position:
                    raise TableError(f"table {name} has no column {column}")
            if not wanted:
                return
            source, values = _source(path, header)
            chosen = ", ".join(_selected(f"c{position[c]}", header[position[c]][1]) for c in wanted)
            condition, flag = "true", "false"
            bound: list[Any] = []
            if delta is not None and (start_ms is not None or end_ms is not None):
                field = f"c{position[delta]}"
                moment, format_values = _moment(field, header[position[delta]][1], date_format)
                source = f"(SELECT *, {moment} AS moment FROM {source})"  # noqa: S608 - positions, not names
                values = [*format_values, *values]
                condition, bound = _window(field, start_ms, end_ms, include_null_delta, edges)
                flag = f"({field} IS NOT NULL AND moment IS NULL)"
            sql = f"SELECT {chosen}, {flag} FROM {source} WHERE {condition}"  # noqa: S608 - positions, not names; values are bound
            if limit is not None:
                sql, bound = f"{sql} LIMIT ?", [*bound, limit]
            for *row, unreadable in _fetched(cursor, sql, [*values, *bound], name):
                if unreadable:
                    raise TableError(f"table {name}, delta column {delta}: a value is not a date-time")
                yield dict(zip(wanted, row, strict=True))

    def size(self, name: str) -> int:
        """The size of the table's file in bytes.

        :raises KeyError: there is no such table.
        """
        return self._path(name).stat().st_size

    def _files(self) -> dict[str, Path]:
        listing = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        files = [
            path
            for path in listing
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file() and _usable(path)
        ]
        shared = Counter(path.stem for path in files)
        return {path.stem if shared[path.stem] == 1 else path.name: path for path in files}

    def _path(self, name: str) -> Path:
        return self._files()[name]

    def _kinds(self, name: str) -> list[tuple[str, str]]:
        path = self._path(name)
        state = path.stat()
        key = (path.name, state.st_mtime_ns, state.st_size)
        with self._lock:
            if key not in self._known:
                with self._database.cursor() as cursor:
                    header = _header(cursor, path, name)
                    source, values = _source(path, header)
                    try:
                        kinds = (
                            sniff(cursor, source, values, len(header))
                            if _is_csv(path)
                            else [declared_kind(kind) for _, kind in header]
                        )
                    except duckdb.Error as error:
                        raise TableError(_explain(name, error)) from None
                self._known = {k: v for k, v in self._known.items() if k[0] != path.name}
                self._known[key] = [(column, kind) for (column, _), kind in zip(header, kinds, strict=True)]
            return self._known[key]


def _usable(path: Path) -> bool:
    return "\\" not in path.name and path.name.isprintable()


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _header(cursor: duckdb.DuckDBPyConnection, path: Path, name: str) -> list[tuple[str, str]]:
    """The columns' names with DuckDB's types; names are the file's own, not those that DuckDB makes unique."""
    if _is_csv(path):
        columns = [(column, "VARCHAR") for column in _first_record(path, name)]
    else:
        try:
            found = cursor.execute("DESCRIBE SELECT * FROM read_parquet(?)", [duck.exact_path(path)]).fetchall()
        except duckdb.Error as error:
            raise TableError(_explain(name, error)) from None
        columns = [(column, kind) for column, kind, *_ in found]
    twice = [column for column, count in Counter(column for column, _ in columns).items() if count > 1]
    if twice:
        raise TableError(f"table {name} has more than one column {twice[0]}")
    return columns


def _first_record(path: Path, name: str) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            record = next(csv.reader(file, strict=True), [])
    except (csv.Error, UnicodeDecodeError):
        raise TableError(f"table {name} has no readable header line") from None
    return [column or f"column{index}" for index, column in enumerate(record)]


def _source(path: Path, header: list[tuple[str, str]]) -> tuple[str, list[Any]]:
    """The file as a relation with the columns c0, c1, …, and the values to bind."""
    if _is_csv(path):
        reader = (
            "read_csv(?, columns = ?, header = true, delim = ',', quote = '\"', escape = '\"', nullstr = '', "
            "auto_detect = false, strict_mode = true)"
        )
        return reader, [duck.exact_path(path), {f"c{index}": "VARCHAR" for index in range(len(header))}]
    names = ", ".join(f"c{index}" for index in range(len(header)))
    reader = f"(SELECT * FROM read_parquet(?)) AS source({names})"  # noqa: S608 - positions
    return reader, [duck.exact_path(path)]


def _selected(field: str, kind: str) -> str:
    """A zoned column as UTC wall time, which Python takes without a zone library; the moment is the same."""
    plain = without_zones(kind)
    return field if plain == kind else f"CAST({field} AS {plain})"


def _moment(field: str, kind: str, date_format: str | None) -> tuple[str, list[Any]]:
    iso = f"epoch_us(TRY_CAST({field} AS TIMESTAMPTZ))"
    pattern = strptime_pattern(date_format) if kind == "VARCHAR" and date_format else None
    if pattern is None:
        return iso, []
    return f"coalesce(epoch_us(CAST(try_strptime({field}, ?) AS TIMESTAMPTZ)), {iso})", [pattern]


def strptime_pattern(date_format: str) -> str | None:
    """A Java date pattern (``yyyy-MM-dd HH:mm:ss``) for ``strptime``; None when it has parts that are not served."""
    pattern = ""
    for match in re.finditer(r"'[^']*'|([A-Za-z])\1*|.", date_format):
        part = match.group()
        if part in _PATTERN:
            pattern += _PATTERN[part]
        elif not part[0].isalpha() and part[0] not in "'%":
            pattern += part
        else:
            return None
    return pattern


def _window(
    field: str, start_ms: int | None, end_ms: int | None, include_null: bool, edges: str
) -> tuple[str, list[Any]]:
    inside, bound = [], []
    if start_ms is not None:
        inside.append("moment >= ?" if edges in {"start_inclusive", "both_inclusive"} else "moment > ?")
        bound.append(start_ms * 1000)
    if end_ms is not None:
        inside.append("moment <= ?" if edges in {"end_inclusive", "both_inclusive"} else "moment < ?")
        bound.append(end_ms * 1000)
    condition = f"({' AND '.join(inside)}) OR ({field} IS NOT NULL AND moment IS NULL)"
    return (f"{condition} OR {field} IS NULL" if include_null else condition), bound


def _fetched(cursor: duckdb.DuckDBPyConnection, sql: str, values: list[Any], name: str) -> Iterator[tuple[Any, ...]]:
    try:
        cursor.execute(sql, values)
        while batch := cursor.fetchmany(_FETCH):
            yield from batch
    except duckdb.Error as error:
        raise TableError(_explain(name, error)) from None


def _explain(name: str, error: duckdb.Error) -> str:
    line = re.search(r"CSV Error on Line: (\d+)", str(error))
    return f"table {name} cannot be read" + (f": malformed record at line {line[1]}" if line else "")


def _typed(value: Any, kind: str) -> Any:
    if isinstance(value, str) and kind in _TYPED:
        try:
            return _TYPED[kind](value)
        except Refused:
            return value
    return json_ready(value)
