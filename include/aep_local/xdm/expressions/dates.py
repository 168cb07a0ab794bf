"""Functions of dates and times. A date is a moment with its zone; it lands as the same moment in UTC."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from aep_local.xdm.expressions.date_formats import date_format, settled, zone
from aep_local.xdm.expressions.signatures import INTEGER, NULLABLE_TEXT, TEXT, Category, Parameter, as_date_text
from aep_local.xdm.values import Refused, to_moment

DATES: Final = Category("Date / Time")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_FALLBACKS: Final = (
    "yyyy-MM-dd HH:mm:ssZ",
    "yyyy-MM-dd HH:mm:ss.SSSZ",
    "yyyy-MM-dd HH:mm:ss.SSS",
    "yyyy-MM-dd'T'HH:mm:ss.SSSX",
    "yyyy-MM-dd'T'HH:mm:ss'Z'",
    "yyyy-MM-dd",
    "yyyy/MM/dd",
    "yyyy.MM.dd",
    "yyyy-MMM-dd",
    "yyyyMMdd",
    "MM-dd-yyyy",
    "MMddyyyy",
    "M/dd/yyyy",
    "dd.M.yyyy",
    "M/dd/yyyy hh:mm:ss a",
    "dd.M.yyyy hh:mm:ss a",
    "dd.MMM.yyyy",
    "dd-MMM-yyyy",
)
"""What Data Prep tries, in this order, where no format is given."""

_TRAILING_OFFSET: Final = re.compile(r"\d([+-]\d{2}:?\d{2})$", re.ASCII)


def to_zoned(value: Any) -> datetime:
    """A date, a moment or a text without a given format as a moment with its zone; UTC where it names none.

    :raises Refused: it is none.
    """
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    if isinstance(value, date | datetime):
        return to_moment(value)
    if not isinstance(value, str):
        as_date_text(value)
    text = value.strip()
    wall, _, place = text.rpartition(" ")
    if wall and place[:1].isalpha() and place.upper() not in {"AM", "PM"}:
        return settled(_guessed(wall).replace(tzinfo=None), zone(place))
    return _guessed(text)


def _guessed(text: str) -> datetime:
    try:
        moment = to_moment(text)
    except Refused:
        return _tried(text)
    offset = _TRAILING_OFFSET.search(text)
    return moment if offset is None or len(text) < 12 else _moved(moment, offset[1])


def _tried(text: str) -> datetime:
    for each in _FALLBACKS:
        try:
            return date_format(each).read(text)
        except Refused:
            continue
    raise Refused("text is not a date in any of the usual formats")


def _moved(moment: datetime, place: str) -> datetime:
    there = zone(place)
    try:
        return moment.astimezone(there)
    except (OverflowError, ValueError):
        raise Refused("there is no such date") from None


MOMENT: Final = Parameter("date", to_zoned)
_SOURCE: Final = Parameter("date", as_date_text, nullable=True)
_DEFAULT: Final = Parameter("date", to_zoned, nullable=True)


@DATES.add("now")
def _now() -> datetime:
    """now(): the current moment."""
    return _EPOCH + timedelta(microseconds=time.time_ns() // 1000)


@DATES.add("timestamp")
def _timestamp() -> int:
    """timestamp(): the current moment in epoch milliseconds."""
    return time.time_ns() // 1_000_000


@DATES.add("date", takes=(_SOURCE, NULLABLE_TEXT, _DEFAULT), optional=2)
def _date(value: Any, form: str | None = None, default: datetime | None = None) -> datetime | None:
    """date(text, format, default): a text of this format as a date; without one the usual formats are tried.

    The default is for null.
    """
    if value is None:
        return default
    if form is None or not isinstance(value, str):
        return to_zoned(value)
    return date_format(form).read(value)


@DATES.add("format", takes=(MOMENT, TEXT))
def _format(moment: datetime, form: str) -> str:
    """format(date, format): the date as text, in its own zone."""
    return date_format(form).write(moment)


@DATES.add("dformat", takes=(INTEGER, TEXT))
def _dformat(milliseconds: int, form: str) -> str:
    """dformat(milliseconds, format): epoch milliseconds as text, in UTC."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise Refused("there is no such date") from None
    return date_format(form).write(moment)


_PARTS: Final[dict[str, str]] = {
    **dict.fromkeys(("year", "yyyy", "yy"), "year"),
    **dict.fromkeys(("quarter", "qq", "q"), "quarter"),
    **dict.fromkeys(("month", "mm", "m"), "month"),
    **dict.fromkeys(("dayofyear", "dy", "y"), "dayofyear"),
    **dict.fromkeys(("day", "dd", "d"), "day"),
    **dict.fromkeys(("week", "ww", "w"), "week"),
    **dict.fromkeys(("weekday", "dw"), "weekday"),
    **dict.fromkeys(("hour", "hh", "hh24"), "hour"),
    "hh12": "hour12",
    **dict.fromkeys(("minute", "mi", "n"), "minute"),
    **dict.fromkeys(("second", "ss", "s"), "second"),
    **dict.fromkeys(("millisecond", "ms", "sss"), "millisecond"),
}
_SETTABLE: Final = frozenset({"year", "month", "day", "hour", "minute", "second"})


@DATES.add("date_part", takes=(TEXT, MOMENT))
def _date_part(component: str, moment: datetime) -> int:  # noqa: PLR0911 - one part each
    """date_part(component, date): the year, quarter, month, dayofyear, day, week, weekday, hour, minute, … of a date.

    Weeks are those of ISO 8601, their first day is Monday and counts 1.
    """
    part = _part(component)
    match part:
        case "quarter":
            return (moment.month + 2) // 3
        case "dayofyear":
            return moment.timetuple().tm_yday
        case "week":
            return moment.isocalendar().week
        case "weekday":
            return moment.isoweekday()
        case "hour12":
            return moment.hour % 12 or 12
        case "millisecond":
            return moment.microsecond // 1000
        case _:
            return int(getattr(moment, part))


@DATES.add("set_date_part", takes=(TEXT, INTEGER, MOMENT))
def _set_date_part(component: str, value: int, moment: datetime) -> datetime:
    """set_date_part(component, value, date): the date with another year, month, day, hour, minute or second."""
    part = _part(component)
    if part not in _SETTABLE:
        raise Refused("this part of a date cannot be set")
    changes: Any = {part: value}
    place = moment.tzinfo or UTC
    try:
        wall = moment.replace(tzinfo=None, **changes)
    except (ValueError, OverflowError):
        raise Refused("there is no such date") from None
    return settled(wall, place)


@DATES.add("make_date_time", "make_timestamp", takes=(INTEGER,) * 7 + (TEXT,))
def _make_date_time(  # noqa: PLR0917 - a date has so many parts
    year: int, month: int, day: int, hour: int, minute: int, second: int, nanosecond: int, place: str
) -> datetime:
    """make_date_time(year, month, day, hour, minute, second, nanosecond, zone): a date of its parts."""
    if not 0 <= nanosecond < 1_000_000_000:
        raise Refused("there is no such date")
    try:
        wall = datetime(year, month, day, hour, minute, second, nanosecond // 1000)
    except (ValueError, OverflowError):
        raise Refused("there is no such date") from None
    return settled(wall, zone(place))


@DATES.add("zone_date_to_utc", takes=(MOMENT,))
def _zone_date_to_utc(moment: datetime) -> datetime:
    """zone_date_to_utc(date): the same moment in UTC."""
    return _moved(moment, "UTC")


@DATES.add("zone_date_to_zone", takes=(MOMENT, TEXT))
def _zone_date_to_zone(moment: datetime, place: str) -> datetime:
    """zone_date_to_zone(date, zone): the same moment on the clocks of a zone."""
    return _moved(moment, place)


def _part(component: str) -> str:
    part = _PARTS.get(component.lower())
    if part is None:
        raise Refused("the component of a date is unknown")
    return part
