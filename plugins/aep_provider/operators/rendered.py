"""Reading fields that a template may have rendered as text."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from aep_provider.errors import AepConfigError, one_line


def epoch_seconds(moment: str | int | None) -> int | None:
    """
    Return a moment in epoch seconds.

    :param moment: epoch seconds, or ISO 8601 (without an offset it is taken as UTC).
    :raises AepConfigError: if it is neither.
    """
    if _is_none(moment):
        return None
    if not isinstance(moment, bool) and str(moment).isdecimal():
        return int(str(moment))
    try:
        parsed = datetime.fromisoformat(str(moment))
    except ValueError:
        raise AepConfigError(
            f"The start time {_shown(moment)} is no date and time, as in 2030-01-31T06:00:00+00:00."
        ) from None
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())


def whole_number(value: Any, what: str) -> int | None:
    """
    Return a number that may have been rendered as text.

    :raises AepConfigError: if it is no whole number.
    """
    if _is_none(value):
        return None
    try:
        if isinstance(value, bool) or int(value) != float(value):
            raise ValueError
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise AepConfigError(f"{what} is {_shown(value)}, but must be a whole number.") from None


def truth(value: Any, what: str) -> bool | None:
    """
    Return a truth value that may have been rendered as text.

    :raises AepConfigError: if it is none.
    """
    if value is None or isinstance(value, bool):
        return value
    known = {"true": True, "false": False, "none": None, "": None}
    if str(value).strip().lower() not in known:
        raise AepConfigError(f"{what} is {_shown(value)}, but must be true or false.")
    return known[str(value).strip().lower()]


def number(value: Any, what: str) -> float:
    """
    Return a number that may have been rendered as text.

    :raises AepConfigError: if it is none.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        if not math.isfinite(read := float(value)):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise AepConfigError(f"{what} is {_shown(value)}, but must be a number.") from None
    return read


def text(value: Any) -> str | None:
    """Return a text that may be left out: an empty one, and what a template makes of None, are none."""
    return None if _is_none(value) else str(value)


def listed(value: Any, what: str) -> list[Any] | None:
    """
    Return a list that may have been rendered as JSON, None if it was left out.

    :raises AepConfigError: if it is no list.
    """
    if _is_none(value):
        return None
    read, why = value, ""
    if isinstance(value, str):
        try:
            read = json.loads(value)
        except RecursionError:
            why = " (as JSON it is nested too deeply)"
        except ValueError as error:
            why = f" (as JSON it is not well formed: {one_line(error, 120)})" if value.lstrip().startswith("[") else ""
    if isinstance(read, Sequence) and not isinstance(read, str | bytes):
        return list(read)
    raise AepConfigError(
        f"{what} is {_shown(value)}, but must be a list{why}. A template makes a text of it, unless the DAG has "
        "render_template_as_native_obj=True."
    )


def _is_none(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in ("", "none"))


def _shown(value: Any) -> str:
    return one_line(repr(value), 80)
