"""Reading fields that a template may have rendered as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aep_provider.errors import AepConfigError


def epoch_seconds(moment: str | int | None) -> int | None:
    """
    Return a moment in epoch seconds.

    :param moment: epoch seconds, or ISO 8601 (without an offset it is taken as UTC).
    :raises AepConfigError: if it is neither.
    """
    if moment is None or moment == "":
        return None
    if isinstance(moment, int) or str(moment).isdigit():
        return int(moment)
    try:
        parsed = datetime.fromisoformat(str(moment))
    except ValueError:
        raise AepConfigError(
            f"The start time {moment!r} is no date and time, as in 2030-01-31T06:00:00+00:00."
        ) from None
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())


def whole_number(value: Any, what: str) -> int | None:
    """
    Return a number that may have been rendered as text.

    :raises AepConfigError: if it is no whole number.
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, bool) or int(value) != float(value):
            raise ValueError
        return int(value)
    except (TypeError, ValueError):
        raise AepConfigError(f"{what} is {value!r}, but must be a whole number.") from None


def truth(value: Any, what: str) -> bool | None:
    """
    Return a truth value that may have been rendered as text.

    :raises AepConfigError: if it is none.
    """
    if value is None or isinstance(value, bool):
        return value
    known = {"true": True, "false": False, "none": None, "": None}
    if str(value).strip().lower() not in known:
        raise AepConfigError(f"{what} is {value!r}, but must be true or false.")
    return known[str(value).strip().lower()]


def number(value: Any, what: str) -> float:
    """
    Return a number that may have been rendered as text.

    :raises AepConfigError: if it is none.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise AepConfigError(f"{what} is {value!r}, but must be a number.") from None
