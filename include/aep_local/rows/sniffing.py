"""What the columns of a table hold: sniffed from every value of a CSV file, declared by a Parquet file."""

from __future__ import annotations

import re
from typing import Any, Final

import duckdb

_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?"
_CHECKS: Final = {
    "boolean": "lower({0}) IN ('true', 'false')",
    "integer": r"regexp_full_match({0}, '-?(0|[1-9][0-9]*)') AND TRY_CAST({0} AS BIGINT) IS NOT NULL",
    # more than 15 digits may not survive a double, so such a column stays text
    "number": (
        r"regexp_full_match({0}, '" + _NUMBER + "') AND isfinite(TRY_CAST({0} AS DOUBLE)) AND "
        r"length(ltrim(regexp_replace(split_part(lower({0}), 'e', 1), '[^0-9]', '', 'g'), '0')) <= 15"
    ),
    "date": r"regexp_full_match({0}, '\d{4}-\d{2}-\d{2}') AND TRY_CAST({0} AS DATE) IS NOT NULL",
    "date-time": (
        r"regexp_full_match({0}, '\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?"
        r"(Z|[+-]\d{2}:?\d{2})?') AND TRY_CAST({0} AS TIMESTAMPTZ) IS NOT NULL"
    ),
}
_SAMPLE = 1000
_CHUNK = 125
"""Checks in one query; the time to plan a query grows faster than their number."""
_INTEGERS = {
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "HUGEINT",
    "UHUGEINT",
}


def sniff(cursor: duckdb.DuckDBPyConnection, source: str, values: list[Any], count: int) -> list[str]:
    """The kinds of the text columns c0, c1, … of a relation: the narrowest that every value fits, else ``string``.

    Numbers with leading zeros are text. A first look at some rows rules most kinds out, so the whole file is read for
    what remains only.
    """
    sample = f"(SELECT * FROM {source} LIMIT {_SAMPLE})"  # noqa: S608 - built by the caller from constants
    left = {index: list(_CHECKS) for index in range(count)}
    for relation in (sample, source):
        left = _remaining(cursor, relation, values, left)
    return [left[index][0] if left[index] else "string" for index in range(count)]


def _remaining(
    cursor: duckdb.DuckDBPyConnection, relation: str, values: list[Any], left: dict[int, list[str]]
) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {index: [] for index in left}
    asked = [(index, kind) for index, kinds in left.items() for kind in kinds]
    for start in range(0, len(asked), _CHUNK):
        part = asked[start : start + _CHUNK]
        # an aggregate over no value at all is null: a column without values is text
        checks = ", ".join(_aggregate(kind, f"c{index}") for index, kind in part)
        row = cursor.execute(f"SELECT {checks} FROM {relation}", values).fetchone() or ()  # noqa: S608 - constants and positions
        for (index, kind), holds in zip(part, row, strict=True):
            if holds or (holds is None and "LIMIT" in relation):
                found[index].append(kind)
    return found


def _aggregate(kind: str, field: str) -> str:
    return f"bool_and({_CHECKS[kind].replace('{0}', field)}) FILTER ({field} IS NOT NULL)"


def declared_kind(kind: str) -> str:  # noqa: PLR0911 - one kind a line
    """What a Parquet column's DuckDB type is in XDM."""
    if kind.endswith("]"):
        return "array"
    if kind.startswith(("STRUCT", "MAP")):
        return "object"
    if kind == "BOOLEAN":
        return "boolean"
    if kind in _INTEGERS:
        return "integer"
    if kind in {"FLOAT", "DOUBLE"} or kind.startswith("DECIMAL"):
        return "number"
    if kind == "DATE":
        return "date"
    return "date-time" if kind.startswith("TIMESTAMP") else "string"


def without_zones(kind: str) -> str:
    """A DuckDB type whose moments have no zone, also within lists and structs."""
    return re.sub(r'("(?:[^"]|"")*")|TIMESTAMP WITH TIME ZONE', lambda match: match[1] or "TIMESTAMP", kind)
