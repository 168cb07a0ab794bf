"""Paths of source attributes: read, found among the columns, followed in a row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from aep_local.xdm.expressions.signatures import Evaluate


def names(text: str) -> tuple[str, ...]:
    r"""The names of a path: ``a.b`` is two, ``a\.b`` is one, both also within ``${…}``."""
    inner = text[2:-1] if text.startswith("${") and text.endswith("}") else text
    return tuple(re.sub(r"\\(.)", r"\1", each, flags=re.DOTALL) for each in re.split(r"(?<!\\)\.", inner))


def located(path: tuple[str, ...], columns: Iterable[str]) -> tuple[str, tuple[str, ...]] | None:
    """The column that a path starts with, the longest one that fits, and the names below it; None when there is none."""
    known = columns if isinstance(columns, set | frozenset) else set(columns)
    for length in range(len(path), 0, -1):
        column = ".".join(path[:length])
        if column in known:
            return column, path[length:]
    return None


def inside(column: str, below: tuple[str, ...]) -> Evaluate:
    """From a row to the value of a column, or to what lies below it; null where there is nothing."""
    if not below:
        return lambda row: row.get(column)

    def evaluate(row: Mapping[str, Any]) -> Any:
        value = row.get(column)
        for name in below:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    return evaluate
