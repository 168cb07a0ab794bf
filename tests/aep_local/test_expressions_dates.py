"""Dates in expressions: formats read and written, parts, zones."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aep_local.xdm.expressions.date_formats import date_format
from aep_local.xdm.values import Refused, to_date_time

from .expressing import value

ROW: dict[str, Any] = {
    "none": None,
    "day": date(2024, 2, 29),
    "at": datetime(2024, 2, 29, 23, 5, 6, 78900, tzinfo=UTC),
    "bare": datetime(2024, 2, 29, 1, 2, 3),
    "n": 5,
}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


READ = [
    ('date("2019-10-23 11:24", "yyyy-MM-dd HH:mm", now())', utc(2019, 10, 23, 11, 24)),
    ('date("2019-10-23 11:24")', utc(2019, 10, 23, 11, 24)),
    ('date(none, "yyyy", date("2020-01-01"))', utc(2020, 1, 1)),
    ("date(none)", None),
    ("date(day)", utc(2024, 2, 29)),
    ('date(at, "yyyy")', utc(2024, 2, 29, 23, 5, 6, 78900)),
    ("date(bare)", utc(2024, 2, 29, 1, 2, 3)),
    ('date("29.02.2024", "dd.MM.yyyy")', utc(2024, 2, 29)),
    ('date("5/3/24", "d/M/yy")', utc(2024, 3, 5)),
    ('date("20240305", "yyyyMMdd")', utc(2024, 3, 5)),
    ('date("March 5, 2024", "MMMM d, yyyy")', utc(2024, 3, 5)),
    ('date("Tue 05-mar-2024", "EEE dd-MMM-yyyy")', utc(2024, 3, 5)),
    ('date("2024-060", "yyyy-DDD")', utc(2024, 2, 29)),
    ('date("12:00:00 AM", "hh:mm:ss a")', utc(1970, 1, 1)),
    ('date("12:30 pm", "h:mm a")', utc(1970, 1, 1, 12, 30)),
    ('date("24:00", "kk:mm")', utc(1970, 1, 1)),
    ('date("11 PM", "K a")', utc(1970, 1, 1, 23)),
    ('date("2024-02-29T23:59:59.123456Z", "yyyy-MM-dd\'T\'HH:mm:ss.SSSSSSX")', utc(2024, 2, 29, 23, 59, 59, 123456)),
    ('date("2024-01-01 00:00:00 +0530", "yyyy-MM-dd HH:mm:ss Z")', utc(2023, 12, 31, 18, 30)),
    ('date("2024-01-01 00:00 -08", "yyyy-MM-dd HH:mm X")', utc(2024, 1, 1, 8)),
    ('date("2024-01-01 00:00 PST", "yyyy-MM-dd HH:mm z")', utc(2024, 1, 1, 8)),
    ('date("2024-07-01 00:00 Europe/Paris", "yyyy-MM-dd HH:mm VV")', utc(2024, 6, 30, 22)),
    ('date("2024-01-01 00:00 GMT+2", "yyyy-MM-dd HH:mm O")', utc(2023, 12, 31, 22)),
    ("date(\"at 5 o'clock\", \"'at 'H' o''clock'\")", utc(1970, 1, 1, 5)),
    # without a format, in the order of Data Prep's list
    ('date("2024/02/29")', utc(2024, 2, 29)),
    ('date("2024.02.29")', utc(2024, 2, 29)),
    ('date("2024-Feb-29")', utc(2024, 2, 29)),
    ('date("20240229")', utc(2024, 2, 29)),
    ('date("02-29-2024")', utc(2024, 2, 29)),
    ('date("12112020")', utc(2020, 12, 11)),
    ('date("2/29/2024")', utc(2024, 2, 29)),
    ('date("29.2.2024")', utc(2024, 2, 29)),
    ('date("2/29/2024 11:00:00 PM")', utc(2024, 2, 29, 23)),
    ('date("29-Feb-2024")', utc(2024, 2, 29)),
    ('date("29.Feb.2024")', utc(2024, 2, 29)),
    ('date("2024-02-29T10:00:00+02:00")', utc(2024, 2, 29, 8)),
    ('zone_date_to_utc("2019-10-17T11:55:12 PST")', utc(2019, 10, 17, 19, 55, 12)),
    ('zone_date_to_utc(zone_date_to_zone(at, "Asia/Tokyo"))', utc(2024, 2, 29, 23, 5, 6, 78900)),
    ("zone_date_to_utc(none)", None),
    ('make_date_time(2019, 10, 17, 11, 55, 12, 999, "America/Los_Angeles")', utc(2019, 10, 17, 18, 55, 12)),
    ('make_timestamp(2024, 2, 29, 0, 0, 0, 5000, "UTC")', utc(2024, 2, 29, 0, 0, 0, 5)),
    # clocks that spring forward have no 2:30, those that fall back have it twice: the first
    ('make_date_time(2024, 3, 10, 2, 30, 0, 0, "America/New_York")', utc(2024, 3, 10, 7, 30)),
    ('make_date_time(2024, 11, 3, 1, 30, 0, 0, "America/New_York")', utc(2024, 11, 3, 5, 30)),
    ('set_date_part("m", 4, date("2016-11-09T11:44:44.797"))', utc(2016, 4, 9, 11, 44, 44, 797000)),
    ('set_date_part("year", 2028, day)', utc(2028, 2, 29)),
    ('set_date_part("hh", 0, at)', utc(2024, 2, 29, 0, 5, 6, 78900)),
]

WRITTEN = [
    ("dformat(1571829875000, \"yyyy-MM-dd'T'HH:mm:ss.SSSX\")", "2019-10-23T11:24:35.000Z"),
    ('dformat("0", "yyyy-MM-dd")', "1970-01-01"),
    ('dformat(-1, "yyyy-MM-dd HH:mm:ss.SSS")', "1969-12-31 23:59:59.999"),
    ('dformat(none, "yyyy")', None),
    ('format(at, "yyyy-MM-dd HH:mm:ss")', "2024-02-29 23:05:06"),
    ('format(day, "EEEE, d MMMM yyyy")', "Thursday, 29 February 2024"),
    ('format(day, "E d MMM yy")', "Thu 29 Feb 24"),
    ('format(at, "K:mm a, h, k, H")', "11:05 PM, 11, 23, 23"),
    ('format(day, "K h k H")', "0 12 24 0"),
    ('format(at, "SSS S SSSSSS")', "078 0 078900"),
    ('format(day, "D DDD w W F u Q QQQ")', "60 060 9 5 5 4 1 Q1"),
    ('format("2024-12-30", "YYYY-\'W\'ww")', "2025-W01"),
    ('format(day, "G y q MMMMM")', "AD 2024 1 F"),
    ("format(day, \"yyyy'T''x'\")", "2024T'x"),
    ('format(zone_date_to_zone(at, "Europe/Paris"), "yyyy-MM-dd HH:mm X XX XXX Z z VV O")',
     "2024-03-01 00:05 +01 +0100 +01:00 +0100 CET Europe/Paris GMT+1"),
    ('format(zone_date_to_zone(at, "Asia/Kolkata"), "HH:mm X")', "04:35 +0530"),
    ('format(date("2024-02-29T10:00:00+02:00"), "HH:mm XXX")', "10:00 +02:00"),
    ('format(at, "X Z O VV")', "Z +0000 GMT Z"),
    ('format(zone_date_to_zone("2024-03-31T00:59:59Z", "Europe/Paris"), "HH:mm:ss")', "01:59:59"),
    ('format(zone_date_to_zone("2024-03-31T01:00:00Z", "Europe/Paris"), "HH:mm:ss")', "03:00:00"),
    ('format("2024-02-29", "dd/MM/yyyy")', "29/02/2024"),
]  # fmt: skip

PARTS = [
    (f'date_part("{name}", at)', expected)
    for names, expected in {
        ("year", "yyyy", "YY"): 2024,
        ("quarter", "qq", "q"): 1,
        ("month", "MM", "m"): 2,
        ("dayofyear", "dy", "y"): 60,
        ("day", "dd", "d"): 29,
        ("week", "ww", "w"): 9,
        ("weekday", "dw"): 4,
        ("hour", "hh", "hh24"): 23,
        ("hh12",): 11,
        ("minute", "mi", "n"): 5,
        ("second", "ss", "s"): 6,
        ("millisecond", "ms", "SSS"): 78,
    }.items()
    for name in names
]

NOW = [("now() >= date('2020-01-01')", True), ("timestamp() > 1600000000000", True)]
DATES: list[tuple[str, Any]] = [*READ, *WRITTEN, *PARTS, *NOW]


@pytest.mark.parametrize(("text", "expected"), DATES)
def test_value(text: str, expected: Any) -> None:
    found = value(text, ROW)
    # a time that a clock shows twice is equal to nothing in another zone, its moment is
    assert (found.astimezone(UTC) if isinstance(found, datetime) else found) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('date("soon")', "date: text is not a date in any of the usual formats"),
        ('date("")', "date: text is not a date"),
        ("date(n)", "date: integer is not a date"),
        ('date("2023-02-29", "yyyy-MM-dd")', "date: there is no such date"),
        ('date("2024-13-01", "yyyy-MM-dd")', "date: there is no such date"),
        ('date("2023-366", "yyyy-DDD")', "date: there is no such date"),
        ('date("13 PM", "h a")', "date: there is no such date"),
        ('date("24", "HH")', "date: there is no such date"),
        ('date("2024-1-1", "yyyy-MM-dd")', "date: text does not have the date format"),
        ('date("2024-01-01x", "yyyy-MM-dd")', "date: text does not have the date format"),
        ('date("0001-01-01 +1400", "yyyy-MM-dd Z")', "date: there is no such date"),
        ('date("9999-12-31 23:00 -14", "yyyy-MM-dd HH:mm X")', "date: there is no such date"),
        ('date("2024 Atlantis", "yyyy VV")', "date: the time zone is unknown"),
        ('date("2024 ../../etc/passwd", "yyyy VV")', "date: text does not have the date format"),
        ('date("1 1", "d d")', "date: the date format has a letter twice"),
        ('date("1", "w")', "date: a date cannot be read with the letter w"),
        ('date("1.1234567", "s.SSSSSSS")', "date: date-time is finer than a microsecond"),
        ('format(at, "J")', "format: the date format has the letter J, which means nothing"),
        ('format(at, "\'open")', "format: the date format has a quote that does not end"),
        ('dformat(99999999999999999, "yyyy")', "dformat: there is no such date"),
        ('date_part("century", at)', "date_part: the component of a date is unknown"),
        ('set_date_part("week", 1, at)', "set_date_part: this part of a date cannot be set"),
        ('set_date_part("year", 2023, day)', "set_date_part: there is no such date"),
        ('make_date_time(2023, 2, 29, 0, 0, 0, 0, "UTC")', "make_date_time: there is no such date"),
        ('make_date_time(1, 1, 1, 0, 0, 0, 0, "Asia/Tokyo")', "make_date_time: there is no such date"),
        ('make_date_time(2024, 2, 29, 0, 0, 0, 0, "Mars")', "make_date_time: the time zone is unknown"),
        ('zone_date_to_zone(at, "/etc/localtime")', "zone_date_to_zone: the time zone is unknown"),
        ('zone_date_to_zone("9999-12-31T23:00:00Z", "Asia/Tokyo")', "zone_date_to_zone: there is no such date"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        value(text, ROW)
    assert str(caught.value).startswith(reason)


def test_no_text_takes_long() -> None:
    began = time.process_time()
    with pytest.raises(Refused):
        value('date(x, "zVO")', {"x": "A" * 5000 + "!"})
    assert time.process_time() - began < 1


def test_a_moment_lands_in_utc() -> None:
    moment = value('make_date_time(2024, 7, 1, 0, 0, 0, 0, "Europe/Amsterdam")')
    assert moment.tzinfo == ZoneInfo("Europe/Amsterdam")
    assert to_date_time(moment) == "2024-06-30T22:00:00Z"


@given(
    st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(2999, 1, 1)),
    st.integers(-12 * 60, 14 * 60),
)
def test_what_is_written_is_read_again(moment: datetime, minutes: int) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    for text in ("yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX", "d MMMM yyyy h:m:s.SSSSSS a Z", "yyyy-D k:mm:ss.SSSSSS O"):
        form = date_format(text)
        assert form.read(form.write(zoned)) == zoned
