"""The columns of a source table: which of them to take, and which one tells new rows from old."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from aep_provider.errors import AepConfigError
from aep_provider.resources.names import nearest

Column = dict[str, Any]
"""As AEP reports it: ``{"name", "type", "xdm": {"type", "format"?}, "meta:xdmType"?}``."""


def column_names(columns: Sequence[Column]) -> list[str]:
    """Return the names in the table's order."""
    return [str(column["name"]) for column in columns]


def check_columns(columns: object) -> list[Column]:
    """
    Return columns that a user gave, if they are well formed.

    :raises AepConfigError: if one is not of the form that AEP reports, or a name comes twice.
    """
    if not isinstance(columns, list | tuple) or not columns:
        raise AepConfigError("columns must be a list with at least one column, or be left out to take all.")
    for column in columns:
        if not (isinstance(column, dict) and isinstance(column.get("name"), str) and column["name"]):
            raise AepConfigError(
                f'The column {column!r} is malformed: it needs at least a name, as in {{"name": "Id", "type": "string", '
                '"xdm": {"type": "string"}}.'
            )
    twice = [name for name, times in Counter(column_names(columns)).items() if times > 1]
    if twice:
        raise AepConfigError(f"The columns name {', '.join(map(repr, twice))} more than once: name each once.")
    return list(columns)


def choose_columns(reported: Sequence[Column], wanted: Sequence[Any] | None, table: str) -> list[Column]:
    """
    Return the columns to read, by default all that AEP reports.

    :param wanted: names, or columns in AEP's form (taken as they are, if the table has one of that name).
    :raises AepConfigError: if the table has no columns, or not the ones wanted; the message names the nearest.
    """
    if not reported:
        raise AepConfigError(f"The table {table!r} has no columns (AEP would answer 1330): is it the right table?")
    if wanted is None:
        return check_columns(list(reported))
    by_name = {str(column["name"]): column for column in reported}
    given = check_columns([{"name": one} if isinstance(one, str) else one for one in wanted])
    for name in column_names(given):
        if name not in by_name:
            raise AepConfigError(f"The table {table!r} has no column {name!r}.{nearest(name, by_name)}")
    return [column if len(column) > 1 else by_name[column["name"]] for column in given]


def check_delta_column(columns: Sequence[Column], delta_column: str) -> None:
    """
    Check that ``delta_column`` can tell new rows from old.

    :raises AepConfigError: if it is not among the columns, or holds no dates.
    """
    by_name = {str(column["name"]): column for column in columns}
    dates = [name for name, column in by_name.items() if is_date_time(column)]
    if delta_column not in by_name:
        raise AepConfigError(
            f"The delta column {delta_column!r} is not among the columns of the table.{nearest(delta_column, dates)}"
        )
    if delta_column not in dates:
        raise AepConfigError(
            f"The delta column {delta_column!r} holds no date and time, but {_type_of(by_name[delta_column])}."
            + (f" Columns that do: {', '.join(map(repr, dates[:8]))}." if dates else " No column of the table does.")
        )


def is_date_time(column: Column) -> bool:
    """Whether AEP takes the column's values as points in time."""
    xdm = column.get("xdm") or {}
    return "date-time" in (column.get("meta:xdmType"), xdm.get("meta:xdmType"), xdm.get("format"), column.get("type"))


def _type_of(column: Column) -> str:
    xdm = column.get("xdm") or {}
    return str(column.get("meta:xdmType") or xdm.get("format") or xdm.get("type") or column.get("type"))
