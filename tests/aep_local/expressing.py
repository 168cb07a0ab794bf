"""Evaluate one expression on one row."""

from __future__ import annotations

from typing import Any

from aep_local.xdm.expressions import bind, parse


def value(text: str, row: dict[str, Any] | None = None) -> Any:
    row = row or {}
    return bind(parse(text), row).evaluate(row)
