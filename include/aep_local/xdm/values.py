"""Scalar values of XDM: what is accepted for a field, and the exact value that lands.

A value is converted only where nothing is lost: text that reads as a number becomes that number, a number with more
digits than a double keeps is refused instead of rounded.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1

_EXACT_DIGITS: Final = 15
"""So many decimal digits always come back from a double."""

INTEGER = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)
NUMBER = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,3})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2})?(?:\.(\d{1,9}))?\s?(Z|z|[+-]\d{2}:?\d{2})?", re.ASCII
)


_YES: Final = frozenset({"true", "yes", "y", "on"})
_NO: Final = frozenset({"false", "no", "n", "off"})


class Refused(ValueError):
    """A value that a field does not take; the text names the kind of the value, never the value itself."""


def kind_of(value: Any) -> str:  # noqa: PLR0911 - one kind a line
    """What a value is, for messages: ``text``, ``integer``, ``number``, ``boolean``, ``date-time``, …"""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float() | Decimal():
            return "number"
        case datetime():
            return "date-time"
        case date():
            return "date"
        case dict():
            return "object"
        case list() | tuple():
            return "array"
        case bytes():
            return "binary"
        case _:
            return "text"


def to_string(value: Any) -> str:  # noqa: PLR0911 - one kind a line
    """Any scalar as text; text stays as it is, blanks included."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            return to_date_time(value)
        case date() | UUID():
            return str(value)
        case bytes() | dict() | list() | tuple():
            raise Refused(f"{kind_of(value)} is not a string")
        case _:
            return str(value)


def to_integer(value: Any) -> int:
    """A whole number of 64 bits; text and decimals are taken when they are whole."""
    if isinstance(value, bool):
        raise Refused("boolean is not an integer")
    if isinstance(value, str):
        text = value.strip()
        if INTEGER.fullmatch(text):
            whole = int(text)
        elif NUMBER.fullmatch(text):
            whole = _whole(Decimal(text))
        else:
            raise Refused("text is not an integer")
    elif isinstance(value, int):
        whole = value
    elif isinstance(value, float) and math.isfinite(value):
        whole = _whole(Decimal(value))
    elif isinstance(value, Decimal) and value.is_finite():
        whole = _whole(value)
    else:
        raise Refused(f"{kind_of(value)} is not an integer")
    if not INTEGER_MIN <= whole <= INTEGER_MAX:
        raise Refused("integer does not fit into 64 bits")
    return whole


def _whole(number: Decimal) -> int:
    if number.adjusted() > 40:
        raise Refused("integer does not fit into 64 bits")
    whole = int(number)
    if whole != number:
        raise Refused("number with a fraction is not an integer")
    return whole


def to_number(value: Any) -> float:
    """A double; refused when the value has more digits than a double gives back."""
    if isinstance(value, bool):
        raise Refused("boolean is not a number")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Refused("number is not finite")
        return value
    if isinstance(value, str):
        text = value.strip()
        if not NUMBER.fullmatch(text):
            raise Refused("text is not a number")
        if len(text) <= _EXACT_DIGITS and text[-1].isdigit() and "e" not in text.lower():
            return float(text)
        exact = Decimal(text)
    elif isinstance(value, int | Decimal):
        exact = Decimal(value)
    else:
        raise Refused(f"{kind_of(value)} is not a number")
    number = float(exact)
    if not math.isfinite(number) or Decimal(repr(number)) != exact:
        raise Refused("number has more digits than a double keeps")
    return number


def to_boolean(value: Any) -> bool:
    """A boolean, or the words true, yes, y, on and false, no, n, off in any case."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _YES or word in _NO:
            return word in _YES
    raise Refused(f"{kind_of(value)} is not a boolean")


def to_moment(value: Any) -> datetime:
    """A moment in UTC; without a zone it is UTC already, a date is its midnight.

    Digits below the microsecond are refused unless they are zero.
    """
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, str):
        raise Refused(f"{kind_of(value)} is not a date-time")
    text = value.strip()
    if _DATE.fullmatch(text):
        return to_moment(to_day(text))
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise Refused("text is not a date-time")
    day, minutes, seconds, fraction, zone = match.groups()
    fraction = fraction or ""
    if fraction[6:].strip("0"):
        raise Refused("date-time is finer than a microsecond")
    if zone is None or zone in {"Z", "z"}:
        zone = "+00:00"
    try:
        return datetime.fromisoformat(f"{day}T{minutes}{seconds or ':00'}.{fraction[:6]:0<6}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused("text is not a date-time") from None


def to_date_time(value: Any) -> str:
    """A moment as RFC 3339 text in UTC, with as many digits as it needs."""
    if isinstance(value, str) and len(value) == 19 and (plain := _plain_moment(value)) is not None:
        return plain
    moment = to_moment(value)
    return moment.replace(tzinfo=None).isoformat() + "Z"


def _plain_moment(text: str) -> str | None:
    """The short way for ``yyyy-MM-dd HH:mm:ss``, which most values of most tables are."""
    if text[4] + text[7] + text[13] + text[16] != "--::" or text[10] not in " T":
        return None
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return None
    return f"{text[:10]}T{text[11:]}Z"


def to_day(value: Any) -> date:
    """A calendar date; a moment is taken only at midnight UTC."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value.strip()):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            raise Refused("text is not a date") from None
    if isinstance(value, str | datetime):
        try:
            moment = to_moment(value)
        except Refused:
            raise Refused(f"{kind_of(value)} is not a date") from None
        if moment == moment.replace(hour=0, minute=0, second=0, microsecond=0):
            return moment.date()
        raise Refused("date-time is not a date")
    raise Refused(f"{kind_of(value)} is not a date")


def to_date(value: Any) -> str:
    """A calendar date as ``yyyy-MM-dd``."""
    return to_day(value).isoformat()


CONVERTERS: Final[dict[str, Callable[[Any], Any]]] = {
    "string": to_string,
    "integer": to_integer,
    "number": to_number,
    "boolean": to_boolean,
    "date-time": to_date_time,
    "date": to_date,
}
"""For each scalar kind, a function from any value but None to what lands; it raises :class:`Refused`."""


def json_ready(value: Any) -> Any:  # noqa: PLR0911 - one kind a line
    """A source value as JSON shows it; what JSON has no kind for becomes text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case dict():
            return {str(key): json_ready(item) for key, item in value.items()}
        case list() | tuple():
            return [json_ready(item) for item in value]
        case bytes():
            return value.hex()
        case Decimal():
            number = float(value)
            return number if math.isfinite(number) and Decimal(repr(number)) == value else str(value)
        case timedelta():
            return str(value)
        case _:
            return to_string(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False)


def compact(value: Any) -> str:
    """JSON text without blanks, for files of one document a line."""
    return _ENCODER.encode(value)
