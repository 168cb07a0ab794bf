"""Date formats such as ``yyyy-MM-dd'T'HH:mm:ss.SSSX``: the pattern letters of Data Prep, read and written.

A format is read once into steps; reading a date with it is one regular expression without nested repetition, in which
every letter may occur once, so that no format and no text takes long.
"""

from __future__ import annotations

import calendar
import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from aep_local.xdm.values import Refused

_MAX_FORMAT: Final = 100
_MAX_DATE: Final = 200
"""Characters in a text that is read as a date."""

_MONTHS: Final = list(calendar.month_name)[1:]
_DAYS: Final = list(calendar.day_name)

_HOURS_OF: Final = {
    **{"UTC": 0, "GMT": 0, "UT": 0, "Z": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3},
    **{"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "JST": 9},
}
_OFFSET: Final = re.compile(r"(?:GMT|UTC)?([+-])(\d{1,2})(?::?(\d{2}))?", re.ASCII)
_STEP: Final = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|([^A-Za-z']+)")


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


@functools.lru_cache(maxsize=512)
def zone(name: str) -> tzinfo:
    """The zone of a name: ``Europe/Paris``, ``PST``, ``Z``, ``+02:00``, ``GMT+2``.

    :raises Refused: there is no such zone.
    """
    if name in _HOURS_OF:
        return timezone(timedelta(hours=_HOURS_OF[name]), name) if _HOURS_OF[name] else UTC
    match = _OFFSET.fullmatch(name)
    if match is not None:
        sign, hours, minutes = match.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        if offset <= timedelta(hours=18) and int(minutes or 0) < 60:
            return timezone(-offset if sign == "-" else offset)
    elif name in _zones():
        return ZoneInfo(name)
    raise Refused("the time zone is unknown")


class DateFormat:
    """One format, ready to read and to write.

    :raises Refused: a letter that has no meaning, a quote that does not end, or a format that is too long.
    """

    def __init__(self, text: str) -> None:
        if len(text) > _MAX_FORMAT:
            raise Refused(f"the date format is longer than {_MAX_FORMAT} characters")
        self._steps = _steps(text)
        self._reader: re.Pattern[str] | None = None

    def read(self, text: str) -> datetime:
        """The moment that a text describes; without a zone it is UTC, what the format leaves out is 1970-01-01 00:00.

        :raises Refused: the text does not have this format, or there is no such moment.
        """
        if self._reader is None:
            self._reader = re.compile(_pattern(self._steps), re.ASCII | re.IGNORECASE)
        match = self._reader.fullmatch(text.strip()) if len(text) <= _MAX_DATE else None
        if match is None:
            raise Refused("text does not have the date format")
        found = {name[0]: value for name, value in match.groupdict().items()}
        try:
            return _moment(found)
        except Refused:
            raise
        except (ValueError, OverflowError):
            raise Refused("there is no such date") from None

    def write(self, moment: datetime) -> str:
        """A moment in this format, in its own zone."""
        return "".join(step if isinstance(step, str) else _WRITERS[step[0]](moment, step[1]) for step in self._steps)


@functools.lru_cache(maxsize=256)
def date_format(text: str) -> DateFormat:
    """The format of a text."""
    return DateFormat(text)


Step = str | tuple[str, int]


def _steps(text: str) -> list[Step]:
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise Refused("the date format has a quote that does not end")
        position = match.end()
        if match[1] is not None:
            steps.append(match[1].replace("''", "'") or "'")
        elif match[2] is not None:
            letter = match[2]
            if letter not in _WRITERS:
                raise Refused(f"the date format has the letter {letter}, which means nothing")
            steps.append((letter, len(match[0])))
        else:
            steps.append(match[3])
    return steps


# --- reading

_ZONE: Final = r"[A-Za-z][A-Za-z0-9_+\-/]*(?::\d{2})?|[+-]\d{2}:?\d{2}"


def _pattern(steps: list[Step]) -> str:
    letters = [("M" if step[0] == "L" else step[0]) for step in steps if not isinstance(step, str)]
    if len(set(letters)) < len(letters):
        raise Refused("the date format has a letter twice")
    parts = []
    for step in steps:
        if isinstance(step, str):
            parts.append(re.escape(step))
        else:
            letter, count = step
            name = "M" if letter == "L" else letter
            # group names that differ only in case are different groups
            parts.append(f"(?P<{name}_>{_read_as(letter, count)})")
    return "".join(parts)


def _read_as(letter: str, count: int) -> str:  # noqa: PLR0911 - one kind of letter a line
    if letter in "ML" and count >= 3:
        names = _MONTHS if count > 3 else [month[:3] for month in _MONTHS]
        return "|".join(names)
    if letter == "E":
        return "|".join(_DAYS if count > 3 else [day[:3] for day in _DAYS])
    if letter == "a":
        return "AM|PM"
    if letter == "G":
        return "AD|CE"
    if letter == "S":
        return rf"\d{{{count}}}"
    if letter in "XZ":
        return r"Z|[+-]\d{2}(?::?\d{2})?"
    if letter in "zVO":
        return _ZONE
    if letter == "y":
        return r"\d{2}" if count == 2 else rf"\d{{{count}}}" if count > 2 else r"\d{1,4}"
    if letter in "MLdHhKkmsD":
        widest = 3 if letter == "D" else 2
        return rf"\d{{{count}}}" if count > 1 else rf"\d{{1,{widest}}}"
    raise Refused(f"a date cannot be read with the letter {letter}")


def _moment(found: dict[str, str]) -> datetime:
    year = int(found.get("y", "1970"))
    if len(found.get("y", "")) == 2:
        year += 2000
    month = found.get("M", "1")
    number = int(month) if month.isdigit() else [each[:3].lower() for each in _MONTHS].index(month[:3].lower()) + 1
    fraction = found.get("S", "")
    if fraction[6:].strip("0"):
        raise Refused("date-time is finer than a microsecond")
    place = found.get("X") or found.get("Z") or found.get("z") or found.get("V") or found.get("O")
    moment = datetime(
        year,
        number,
        int(found.get("d", "1")),
        _hour(found),
        int(found.get("m", "0")),
        int(found.get("s", "0")),
        int(f"{fraction[:6]:0<6}"),
    )
    if "D" in found:
        if not 1 <= int(found["D"]) <= 365 + calendar.isleap(year):
            raise ValueError
        moment = moment.replace(month=1, day=1) + timedelta(days=int(found["D"]) - 1)
    return settled(moment, UTC if place is None else zone(place.upper() if len(place) == 1 else place))


def _hour(found: dict[str, str]) -> int:
    if "H" in found:
        return int(found["H"])
    if "k" in found:
        return _within(int(found["k"]), 1, 24) % 24
    half = 12 if found.get("a", "").upper() == "PM" else 0
    if "K" in found:
        return _within(int(found["K"]), 0, 11) + half
    return _within(int(found["h"]), 1, 12) % 12 + half if "h" in found else 0


def _within(number: int, low: int, high: int) -> int:
    if not low <= number <= high:
        raise ValueError
    return number


def settled(wall: datetime, place: tzinfo) -> datetime:
    """A time on the clocks of a zone. One that they skip moves on by what was skipped, of two equal ones it is the first."""
    try:
        return wall.replace(tzinfo=place).astimezone(UTC).astimezone(place)
    except (ValueError, OverflowError):
        raise Refused("there is no such date") from None


# --- writing


def _padded(take: Callable[[datetime], int]) -> Callable[[datetime, int], str]:
    return lambda moment, count: str(take(moment)).zfill(count)


def _year(year: int, count: int) -> str:
    return str(year % 100).zfill(2) if count == 2 else str(year).zfill(count)


def _month(moment: datetime, count: int) -> str:
    name = _MONTHS[moment.month - 1]
    return str(moment.month).zfill(count) if count < 3 else name[:3] if count == 3 else name if count == 4 else name[0]


def _offset(moment: datetime, *, colon: bool, short: bool = False) -> str:
    minutes = round((moment.utcoffset() or timedelta()).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    if short and not rest:
        return f"{sign}{hours:02}"
    return f"{sign}{hours:02}{':' if colon else ''}{rest:02}"


def _iso_zone(moment: datetime, count: int) -> str:
    if not moment.utcoffset():
        return "Z"
    return _offset(moment, colon=count >= 3, short=count == 1)


def _zone_id(moment: datetime, _count: int) -> str:
    place = moment.tzinfo
    return place.key if isinstance(place, ZoneInfo) else "Z" if not moment.utcoffset() else _offset(moment, colon=True)


def _gmt_zone(moment: datetime, _count: int) -> str:
    minutes = round((moment.utcoffset() or timedelta()).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return "GMT" + (f"{sign}{hours}" if minutes else "") + (f":{rest:02}" if rest else "")


def _quarter(moment: datetime, count: int) -> str:
    number = (moment.month + 2) // 3
    return str(number).zfill(count) if count < 3 else f"Q{number}"


_WRITERS: Final[dict[str, Callable[[Any, int], str]]] = {
    "G": lambda _moment, count: "Anno Domini" if count == 4 else "A" if count > 4 else "AD",
    "y": lambda moment, count: _year(moment.year, count),
    "Y": lambda moment, count: _year(moment.isocalendar().year, count),
    "M": _month,
    "L": _month,
    "w": _padded(lambda moment: moment.isocalendar().week),
    "W": _padded(lambda moment: (moment.day + moment.replace(day=1).weekday() + 6) // 7),
    "D": _padded(lambda moment: moment.timetuple().tm_yday),
    "d": _padded(lambda moment: moment.day),
    "F": _padded(lambda moment: (moment.day + 6) // 7),
    "E": lambda moment, count: _DAYS[moment.weekday()] if count == 4 else _DAYS[moment.weekday()][:3],
    "u": _padded(lambda moment: moment.isoweekday()),
    "a": lambda moment, _count: "AM" if moment.hour < 12 else "PM",
    "H": _padded(lambda moment: moment.hour),
    "k": _padded(lambda moment: moment.hour or 24),
    "K": _padded(lambda moment: moment.hour % 12),
    "h": _padded(lambda moment: moment.hour % 12 or 12),
    "m": _padded(lambda moment: moment.minute),
    "s": _padded(lambda moment: moment.second),
    "S": lambda moment, count: f"{moment.microsecond:06}"[:count].ljust(count, "0"),
    "z": lambda moment, _count: moment.tzname() or "",
    "Z": lambda moment, _count: _offset(moment, colon=False),
    "X": _iso_zone,
    "V": _zone_id,
    "O": _gmt_zone,
    "Q": _quarter,
    "q": _quarter,
}
