"""Source tables: found in a listing, read exactly, typed by all of their values."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from aep_local.rows.tables import TableError, TableFolder, strptime_pattern


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.tables = TableFolder(path)

    def csv(self, text: str, name: str = "t.csv", encoding: str = "utf-8") -> TableFolder:
        (self.path / name).write_bytes(text.encode(encoding))
        return self.tables

    def parquet(self, select: str, name: str = "t.parquet") -> TableFolder:
        with duckdb.connect() as writer:
            writer.execute("SET TimeZone = 'UTC'")
            writer.execute(f"COPY ({select}) TO '{self.path / name}' (FORMAT parquet)")
        return self.tables

    def kinds(self, name: str = "t") -> dict[str, str]:
        return {each["name"]: each.get("meta:xdmType", each["type"]) for each in self.tables.columns(name)}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.tables.close()


def rows(tables: TableFolder, name: str = "t", **more: Any) -> list[dict[str, Any]]:
    return list(tables.read(name, **more))


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("plain.csv", "plain"),
        ("UPPER.CSV", "UPPER"),
        ("a.b.csv", "a.b"),
        ("with blank.csv", "with blank"),
        ('it\'s "quoted".csv', 'it\'s "quoted"'),
        ("..evil.csv", None),
        ("two..dots.csv", "two..dots"),
        ("star*[1]?.csv", "star*[1]?"),
        ("snow☃.csv", "snow☃"),
        ("semi;drop--.csv", "semi;drop--"),
        (".hidden.csv", None),
        ("notes.txt", None),
        ("back\\slash.csv", None),
        ("new\nline.csv", None),
    ],
)
def test_names_come_from_a_listing(folder: Folder, file: str, name: str | None) -> None:
    folder.csv("a\n1\n", file)
    folder.csv("a\n2\n", "star1.csv")
    assert set(folder.tables.names()) == {"star1", *([name] if name else [])}
    if name:
        assert rows(folder.tables, name) == [{"a": "1"}]


@pytest.mark.parametrize("name", ["", ".", "..", "../t", "/etc/passwd", "t.csv", "*", "sub/t", "T", "t\0"])
def test_a_name_is_never_a_path(folder: Folder, name: str) -> None:
    (folder.path / "sub").mkdir()
    folder.csv("a\n1\n", "sub/t.csv")
    folder.csv("a\n1\n")
    for attempt in (folder.tables.columns, rows_of(folder), folder.tables.size):
        with pytest.raises(KeyError):
            attempt(name)


def rows_of(folder: Folder) -> Any:
    return lambda name: rows(folder.tables, name)


def test_two_files_of_one_name_are_both_there(folder: Folder) -> None:
    folder.csv("a\n1\n", "t.csv")
    folder.parquet("SELECT 2 AS a")
    assert folder.tables.names() == ["t.csv", "t.parquet"]
    assert rows(folder.tables, "t.csv") == [{"a": "1"}]
    assert rows(folder.tables, "t.parquet") == [{"a": 2}]


def test_a_folder_that_is_empty_or_gone(folder: Folder) -> None:
    assert folder.tables.names() == []
    os.rmdir(folder.path)
    assert folder.tables.names() == []
    with pytest.raises(KeyError):
        folder.tables.columns("t")


def test_text_is_handed_on_exactly(folder: Folder) -> None:
    tables = folder.csv('a,b\r\n  lead,"two\r\nlines, ""quoted"""\r\nd  ouble ,\t\r\n"",☃ é 𝄞\r\n007,"  "\r\n')
    assert rows(tables) == [
        {"a": "  lead", "b": 'two\r\nlines, "quoted"'},
        {"a": "d  ouble ", "b": "\t"},
        {"a": None, "b": "☃ é 𝄞"},
        {"a": "007", "b": "  "},
    ]


def test_header_names_stay(folder: Folder) -> None:
    tables = folder.csv('\ufeffId,id," x ","q""q","two\nlines",,select\n1,2,3,4,5,6,7\n')
    assert list(rows(tables)[0]) == ["Id", "id", " x ", 'q"q', "two\nlines", "column5", "select"]
    assert list(rows(tables)[0].values()) == list("1234567")
    with pytest.raises(TableError, match="more than one column a"):
        folder.csv("a,a\n1,2\n").columns("t")


def test_no_rows_and_no_columns(folder: Folder) -> None:
    assert folder.csv("a,b\n").columns("t") == [
        {"name": "a", "type": "string", "xdm": {"type": "string"}},
        {"name": "b", "type": "string", "xdm": {"type": "string"}},
    ]
    assert rows(folder.tables) == folder.tables.preview("t", 5) == []
    assert folder.csv("").columns("t") == []
    assert rows(folder.tables) == folder.tables.preview("t", 5) == []
    assert folder.csv("a,b").columns("t")[1]["name"] == "b"


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("boolean", ["true", "false", "TRUE"]),
        ("string", ["true", "yes"]),
        ("integer", ["0", "-7", "9223372036854775807"]),
        ("string", ["1", "9223372036854775808"]),
        ("string", ["1", "007"]),
        ("string", ["1", "+1"]),
        ("number", ["1", "2.5", "-1e3"]),
        ("string", ["1.5", "0.1234567890123456"]),
        ("string", ["1.5", "1e999"]),
        ("string", ["1.5", "nan"]),
        ("date", ["2024-02-29", "1970-01-01"]),
        ("string", ["2023-02-29"]),
        ("date-time", ["2016-02-29 01:16:00", "2016-02-29T01:16:00.123Z", "2016-02-29 01:16:00+01:00"]),
        ("string", ["2016-02-29 01:16:00", "2016-02-30 01:16:00"]),
        ("string", ["2016-02-29 01:16:00", "now"]),
        ("string", ["1", " 2"]),
        ("string", ["", ""]),
    ],
)
@pytest.mark.parametrize("before", [0, 5000], ids=["at once", "late"])
def test_types_are_told_from_every_value(folder: Folder, kind: str, values: list[str], before: int) -> None:
    lines = [f"x,{values[0]}"] * before + [f"x,{value}" for value in values] + ["x,"]
    folder.csv("k,v\n" + "\n".join(lines) + "\n")
    assert folder.kinds() == {"k": "string", "v": kind}
    assert rows(folder.tables, columns=["v"])[-2]["v"] == (values[-1] or None)


def test_a_changed_file_is_sniffed_again(folder: Folder) -> None:
    folder.csv("a\n1\n")
    assert folder.kinds() == {"a": "integer"}
    folder.csv("a\none\n")
    assert folder.kinds() == {"a": "string"}


def test_columns_and_preview_as_explore_reports_them(folder: Folder) -> None:
    tables = folder.csv("n,w,d,b,t\n1.50,7,2026-01-02,true,2026-01-02 03:04:05\n,,,,\n3,4,,,\n")
    assert tables.columns("t") == [
        {"name": "n", "type": "number", "xdm": {"type": "number"}},
        {"name": "w", "type": "integer", "xdm": {"type": "integer"}},
        {"name": "d", "type": "string", "meta:xdmType": "date", "xdm": {"type": "string", "format": "date"}},
        {"name": "b", "type": "boolean", "xdm": {"type": "boolean"}},
        {"name": "t", "type": "string", "meta:xdmType": "date-time", "xdm": {"type": "string", "format": "date-time"}},
    ]
    assert tables.preview("t", 2) == [
        {"n": 1.5, "w": 7, "d": "2026-01-02", "b": True, "t": "2026-01-02 03:04:05"},
        dict.fromkeys("nwdbt"),
    ]


@pytest.mark.slow
def test_five_hundred_columns(folder: Folder) -> None:
    names = [f"c{n}" for n in range(500)]
    tables = folder.csv(",".join(names) + "\n" + ",".join(map(str, range(500))) + "\n")
    assert set(folder.kinds().values()) == {"integer"}
    assert rows(tables, columns=["c499", "c0"]) == [{"c499": "499", "c0": "0"}]


@pytest.mark.parametrize("text", ["a,b\n1,2\n3\n", "a,b\n1,2,3\n", 'a,b\n1,"open\n', "a\n\udcff\n"])
def test_a_broken_file_is_an_error_without_a_path(folder: Folder, text: str) -> None:
    (folder.path / "t.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(TableError, match="table t") as caught:
        rows(folder.tables)
    assert str(folder.path) not in str(caught.value)


def test_parquet_keeps_its_types(folder: Folder) -> None:
    tables = folder.parquet(
        "SELECT TIMESTAMP '2016-02-29 01:02:03.123456' AS local, "
        "TIMESTAMPTZ '2016-02-29 01:02:03+02:00' AS zoned, DATE '2016-02-29' AS day, "
        "1.10::DECIMAL(10, 2) AS price, 9007199254740993::BIGINT AS big, 0.1::DOUBLE AS ratio, true AS yes, "
        "{'a': 1, 'at': TIMESTAMPTZ '2016-02-29 01:02:03+02:00', 'none': NULL::INTEGER} AS nested, "
        "[1, NULL, 3] AS many, NULL::STRUCT(x VARCHAR) AS nothing, 'text' AS \"TIMESTAMP WITH TIME ZONE\""
    )
    (row,) = rows(tables)
    assert row == {
        "local": datetime(2016, 2, 29, 1, 2, 3, 123456),
        "zoned": datetime(2016, 2, 28, 23, 2, 3),
        "day": date(2016, 2, 29),
        "price": Decimal("1.10"),
        "big": 9007199254740993,
        "ratio": 0.1,
        "yes": True,
        "nested": {"a": 1, "at": datetime(2016, 2, 28, 23, 2, 3), "none": None},
        "many": [1, None, 3],
        "nothing": None,
        "TIMESTAMP WITH TIME ZONE": "text",
    }
    assert list(folder.kinds().values()) == [
        *("date-time", "date-time", "date", "number", "integer", "number", "boolean"),
        *("object", "array", "object", "string"),
    ]
    assert tables.preview("t", 1)[0]["nested"] == {"a": 1, "at": "2016-02-28T23:02:03Z", "none": None}


EDGES = """\
id,at
before,2024-02-28 23:59:59.999999
start,2024-02-29 00:00:00
same moment,2024-02-29T01:00:00+01:00
ms,2024-02-29 12:00:00.001
last,2024-02-29T23:59:59.999Z
very last,2024-02-29 23:59:59.999999
end,2024-03-01 00:00:00.000
day,2024-02-29
none,
"""


@pytest.mark.parametrize(
    ("start", "end", "ids"),
    [
        ("2024-02-29", "2024-03-01", ["start", "same moment", "ms", "last", "very last", "day"]),
        ("2024-02-29 00:00:00.001", "2024-03-01", ["ms", "last", "very last"]),
        ("2024-02-29", "2024-02-29 23:59:59.999", ["start", "same moment", "ms", "day"]),
        ("2024-02-29 12:00:00.001", "2024-02-29 12:00:00.002", ["ms"]),
        ("2024-02-29 12:00:00", "2024-02-29 12:00:00.001", []),
        ("2024-02-29", "2024-02-29", []),
        ("2024-03-01", None, ["end"]),
        (None, "2024-02-29", ["before"]),
    ],
)
def test_a_window_has_its_start_and_not_its_end(
    folder: Folder, start: str | None, end: str | None, ids: list[str]
) -> None:
    window = {"start_ms": None if start is None else ms(start), "end_ms": None if end is None else ms(end)}
    found = rows(folder.csv(EDGES), columns=["id"], delta="at", **window)
    assert [row["id"] for row in found] == ids


def test_rows_without_a_delta_value_come_when_asked_for(folder: Folder) -> None:
    folder.csv(EDGES)
    found = rows(folder.tables, columns=["id"], delta="at", end_ms=ms("2024-02-29"), include_null_delta=True)
    assert [row["id"] for row in found] == ["before", "none"]
    assert len(rows(folder.tables, delta="at")) == 9


def test_a_window_over_parquet(folder: Folder) -> None:
    tables = folder.parquet(
        "SELECT i, TIMESTAMP '2024-02-29' + INTERVAL (i) MILLISECONDS AS at, "
        "CAST(TIMESTAMP '2024-02-29' + INTERVAL (i) MILLISECONDS AS TIMESTAMPTZ) AS zoned FROM range(5) t(i)"
    )
    for delta in ("at", "zoned"):
        window = {"start_ms": ms("2024-02-29 00:00:00.001"), "end_ms": ms("2024-02-29 00:00:00.004")}
        assert [row["i"] for row in rows(tables, columns=["i"], delta=delta, **window)] == [1, 2, 3]


def test_a_delta_that_is_no_moment_is_never_just_left_out(folder: Folder) -> None:
    tables = folder.csv("id,at\n1,2024-02-29 00:00:00\n2,soon\n")
    with pytest.raises(TableError, match="delta column at"):
        rows(tables, delta="at", start_ms=0, end_ms=1)
    for wrong in ({"delta": "other", "end_ms": 1}, {"columns": ["other"]}):
        with pytest.raises(TableError, match="no column other"):
            rows(tables, **wrong)


@pytest.mark.parametrize(
    ("date_format", "text"),
    [
        ("yyyy-MM-dd HH:mm:ss", "2024-02-29 10:00:00"),
        ("dd.MM.yyyy HH:mm", "29.02.2024 10:00"),
        ("yyyy-MM-dd'T'HH:mm:ssZ", "2024-02-29T12:00:00+0200"),
        ("yyyy-MM-ddTHH:mm:ssZ", "2024-02-29T12:00:00+0200"),
        ("YYYY-MM-DD", "2024-02-29 10:00:00"),
        (None, "2024-02-29T10:00:00.000Z"),
    ],
)
def test_formats_of_a_text_delta(folder: Folder, date_format: str | None, text: str) -> None:
    tables = folder.csv(f"id,at\n1,{text}\n")
    start = ms("2024-02-29 10:00:00")
    for window, count in (((start, start + 1), 1), ((start + 1, start + 2), 0)):
        found = rows(tables, delta="at", start_ms=window[0], end_ms=window[1], date_format=date_format)
        assert len(found) == count


@pytest.mark.parametrize("date_format", ["YYYY", "'; DROP TABLE t; --", "%n", "yyyy-'open", "EEE"])
def test_formats_that_are_not_served(date_format: str) -> None:
    assert strptime_pattern(date_format) is None
