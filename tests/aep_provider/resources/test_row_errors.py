"""A few of the rows that a run rejected: told, without what was in them."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aep_provider.errors import AepAnswerError, AepError, AepNotFoundError, AepPermissionError, one_line
from aep_provider.platform.client import AepClient
from aep_provider.resources.redaction import MASK
from aep_provider.resources.row_errors import RejectedRow, RowErrors, read_row_errors

EXPORT = "/data/foundation/export/batches/01H"
HOST = "https://platform-int.adobe.io:443"


class Files:
    """Data Access, as far as it is asked: texts by path and parameters."""

    def __init__(self, **files: str) -> None:
        self.files = files
        self.asked: list[tuple[str, Any]] = []

    def text(self, path: str, *, params: Any = None, headers: Any = None) -> str:
        self.asked.append((path, params))
        name = dict(params or []).get("path", "")
        if name not in self.files:
            raise AepNotFoundError(status=404, method="GET", path=path)
        return self.files[name]


def run(sample: object = None, failed: object = None, **more: Any) -> dict[str, Any]:
    manifest = {name: link for name, link in (("sampleErrors", sample), ("failedRecords", failed)) if link is not None}
    promotion = {"name": "Promotion Activity", "statusSummary": {"extensions": {"manifest": manifest}}}
    return {"id": "r", "activities": [{"name": "Copy Activity"}, promotion], **more}


def link(name: str) -> str:
    return f"{HOST}{EXPORT}/meta?path={name}"


def read(text: str, **options: Any) -> RowErrors:
    client: Any = Files(sample=text)
    found = read_row_errors(client, run(link("sample")), **options)
    assert found is not None
    return found


def row(document: object, **options: Any) -> RejectedRow:
    (found,) = read(json.dumps(document), **options).rows
    return found


def listing(*names: str) -> str:
    data = [
        {"name": name, "length": "12", "_links": {"self": {"href": link(f"row_errors%2F{name}")}}} for name in names
    ]
    return json.dumps({"data": data, "_page": {"limit": 100, "count": len(names)}})


LINE = {
    "_row": 2,
    "_errors": [
        {"code": "MAPPER-3700-400", "column": "_acme.amount", "message": "row 2, _acme.amount: text is no number"}
    ],
    "row": {"sys_id": "a2", "amount": "n/a"},
}

# --- Where they are read ---


def test_without_diagnostics_there_is_nothing_to_read() -> None:
    client: Any = Files()
    for document in ({}, run(), run(""), run(5, [link("x")]), {"activities": [None, 3]}, {"activities": None}):
        assert read_row_errors(client, document) is None
    assert client.asked == []


def test_the_sample_is_read_from_the_gateway_whatever_host_the_link_names() -> None:
    client: Any = Files(sample=json.dumps(LINE))
    found = read_row_errors(client, run(link("sample"), link("all")))
    assert client.asked == [(f"{EXPORT}/meta", [("path", "sample")])]
    assert found is not None
    assert found.read_from == f"{EXPORT}/meta?path=sample"
    assert len(found.rows) == 1


def test_without_a_sample_the_first_file_of_the_list_is_read() -> None:
    files = {"all": listing("one.json", "two.json"), "row_errors/one.json": json.dumps(LINE)}
    client: Any = Files(**files)
    found = read_row_errors(client, run(None, link("all")))
    assert found is not None
    assert len(found.rows) == 1
    assert [dict(params)["path"] for _, params in client.asked] == ["all", "row_errors/one.json"]
    assert found.read_from.endswith("?path=row_errors/one.json")


def test_where_the_sample_is_gone_or_empty_the_list_is_followed() -> None:
    for sample in ({}, {"sample": ""}, {"sample": "\n\n"}, {"sample": listing()}):
        client: Any = Files(**sample, all=listing("one.json"), **{"row_errors/one.json": json.dumps(LINE)})
        found = read_row_errors(client, run(link("sample"), link("all")))
        assert found is not None
        assert len(found.rows) == 1


def test_a_list_without_files_is_no_row() -> None:
    client: Any = Files(all=listing())
    found = read_row_errors(client, run(None, link("all")))
    assert found == RowErrors([], f"{EXPORT}/meta?path=all")


def test_rows_that_are_kept_no_more_are_told_apart_from_none() -> None:
    client: Any = Files()
    with pytest.raises(AepNotFoundError):
        read_row_errors(client, run(link("sample"), link("all")))


def test_the_misspelt_key_and_the_runs_own_manifest_are_found_too() -> None:
    activities = run(link("sample"))["activities"]
    client: Any = Files(sample=json.dumps(LINE))
    assert read_row_errors(client, {"activites": activities})
    assert read_row_errors(client, {"metrics": activities[1]})


@pytest.mark.parametrize(
    "wrong",
    [
        "https://evil.example/data/foundation/flowservice/connections/1",
        "/data/foundation/flowservice/connections",
        "/data/foundation/export/../flowservice/connections",
        "/data/foundation/export/%2e%2e/flowservice/connections",
        "/data/foundation/exports/batches",
        "//evil.example",
        "https://[",
        "?",
        " ",
        "ł",
        "\ud800",
        "/" * 5000,
        "/data/foundation/export/" + "a" * 5000,
    ],
)
def test_a_link_leads_to_data_access_or_nowhere(wrong: str) -> None:
    client: Any = Files()
    with pytest.raises(AepAnswerError) as error:
        read_row_errors(client, run(wrong))
    assert client.asked == []
    assert len(str(error.value)) < 300
    client = Files(all=json.dumps({"data": [{"_links": {"self": {"href": wrong}}}]}))
    with pytest.raises(AepAnswerError):
        read_row_errors(client, run(None, link("all")))
    assert len(client.asked) == 1


def test_links_without_end_are_not_all_followed() -> None:
    client: Any = Files()
    activities = [run(link(f"s{n}"), link(f"a{n}"))["activities"][1] for n in range(500)]
    with pytest.raises(AepNotFoundError):
        read_row_errors(client, {"activities": activities})
    assert len(client.asked) <= 10


def test_what_else_goes_wrong_is_raised() -> None:
    class Refusing(Files):
        def text(self, path: str, **_: Any) -> str:
            raise AepPermissionError(status=403)

    client: Any = Refusing()
    with pytest.raises(AepPermissionError):
        read_row_errors(client, run(link("sample"), link("all")))


# --- What a file looks like ---


def test_lines_arrays_and_one_document_over_many_lines_are_read_alike() -> None:
    lines = "\n".join(json.dumps(LINE) for _ in range(3))
    array = json.dumps([LINE] * 3, indent=2)
    assert read(lines).rows == read(array).rows == read(lines.replace("\n", "\r\n\n")).rows
    assert len(read(lines).rows) == 3
    assert read(json.dumps(LINE, indent=4)).rows == read(lines, rows=1).rows


def test_junk_is_skipped_and_counted_as_far_as_was_read() -> None:
    lines = [
        "not json",
        json.dumps(LINE),
        "[1",
        "5",
        '"text"',
        "null",
        "{}",
        "[]",
        "[" * 10**5,
        json.dumps(LINE),
        "junk",
    ]
    found = read("\n".join(lines), rows=2)
    assert (len(found.rows), found.skipped_lines) == (2, 8)
    found = read("\n".join(lines))
    assert (len(found.rows), found.skipped_lines) == (2, 9)
    assert read("<html>").rows == []
    assert read("").skipped_lines == 0
    assert read("[5, {}, null]").skipped_lines == 3


def test_a_line_separator_within_a_text_ends_no_line() -> None:
    found = read(json.dumps({"a\u2028b": "x", "_errors": []}, ensure_ascii=False))
    assert found.skipped_lines == 0
    assert found.rows[0].columns == ["a b"]


@pytest.mark.parametrize("rows", [0, 1, 3, 5])
def test_so_many_rows_and_no_more(rows: int) -> None:
    assert len(read("\n".join([json.dumps(LINE)] * 100), rows=rows).rows) == rows


@pytest.mark.parametrize("inside", ["_errors", "x"])
@pytest.mark.parametrize("show_values", [False, True])
def test_what_is_nested_without_end_is_a_row_or_skipped(inside: str, show_values: bool) -> None:
    for depth, (before, after) in itertools.product([100, *range(850, 1000), 5000], [("[", "]"), ('{"a":', "}")]):
        line = f'{{"{inside}": {before * depth}1{after * depth}, "y": 2}}'
        found = read(f"{line}\n{json.dumps(LINE)}", show_values=show_values)
        assert len(found.rows) + found.skipped_lines == 2
        assert found.rows[-1].columns == ["sys_id", "amount"]


def test_errors_without_end_are_not_all_looked_at() -> None:
    began = time.monotonic()
    told = row({f"c{n}": f"value {n}" for n in range(1000)} | {"_errors": [f"wrong {n}" * 9 for n in range(9000)]})
    assert time.monotonic() - began < 20
    assert told.reasons[-1] == "and 8995 more"


def test_an_endless_line_is_no_row() -> None:
    found = read("\n".join(['{"a": "' + "x" * 2_000_000 + '"}', json.dumps(LINE)]))
    assert (len(found.rows), found.skipped_lines) == (1, 1)


# --- What a line looks like ---

SHAPES: list[dict[str, Any]] = [
    LINE,
    {"sys_id": "a2", "amount": "n/a", "_errors": LINE["_errors"], "_filename": "conversion_errors_0.json"},
    {"sys_id": "a2", "amount": "n/a", "_errors": json.dumps(LINE["_errors"])},
    {"sys_id": "a2", "amount": "n/a", "errors": LINE["_errors"]},
    {"sys_id": "a2", "amount": "n/a", "error": LINE["_errors"][0]},
    {"record": json.dumps(LINE["row"]), "_errors": LINE["_errors"]},
    {**LINE["_errors"][0], "row": LINE["row"]},
    {**LINE["_errors"][0], **LINE["row"]},
    {**LINE["row"], "_errors": [{"errorCode": "MAPPER-3700-400", "columnName": "_acme.amount",
                                 "error_message": "row 2, _acme.amount: text is no number", "severity": "ERROR"}]},
    {**LINE["row"], "_errors": {"_acme.amount": {"code": "MAPPER-3700-400",
                                                 "message": "row 2, _acme.amount: text is no number"}}},
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_the_shapes_of_a_line(shape: dict[str, Any]) -> None:
    assert row(shape) == RejectedRow(
        ["sys_id", "amount"], ["MAPPER-3700-400 _acme.amount: row 2, _acme.amount: text is no number"]
    )
    assert row(shape, show_values=True).values == {"sys_id": "a2", "amount": "n/a"}


def test_a_row_that_could_not_be_read_at_all() -> None:
    """As Adobe's documents show it."""
    line = {
        "_corrupt_record": '{missingQuotes: "v1"}',
        "_errors": [{"code": "1401", "message": "Row is corrupted and cannot be read, please fix and resend."}],
        "_filename": "parsing_errors_0.json",
    }
    assert row(line) == RejectedRow([], ["1401: Row is corrupted and cannot be read, please fix and resend."])
    assert row({"_corrupt_record": "x"}) == RejectedRow([], ["AEP could not read the row at all"])


def test_pieces_of_a_row_that_could_not_be_read_are_values() -> None:
    line = {"_corrupt_record": "7,Ann|ann@x.example", "_errors": ["Unexpected Ann after 7 near ann@x.example"]}
    assert row(line).reasons == [f"Unexpected {MASK} after {MASK} near {MASK}"]
    assert row({**line, "_errors": ["near 7,Ann|ann@x.example!"]}).reasons == [f"near {MASK}!"]
    assert row({"_corrupt_record": {"x": ["Ann"]}, "_errors": ["near Ann"]}).reasons == [f"near {MASK}"]


@pytest.mark.parametrize("whole", ["_row", "row", "record", "data", "_record", "_data", "anything"])
def test_wherever_a_line_holds_the_row_its_values_are_left_out(whole: str) -> None:
    for held in ({"x": "Ann"}, json.dumps({"x": "Ann"}), "7,Ann", ["Ann"], [{"x": "Ann"}]):
        told = row({whole: held, "_filename": "a.json", "_errors": ["near 7,Ann", "near Ann"][held != "7,Ann" :]})
        assert "Ann" not in str(told) or (whole == "anything" and held == "7,Ann")
        assert told.columns in ([whole], ["x"])
    assert row({whole: {"x": "Ann"}, "_errors": []}).columns == ([whole] if whole == "anything" else ["x"])
    assert row({"_row": 2, "_errors": ["row 2"], "x": "y"}) == RejectedRow(["x"], ["row 2"])


@pytest.mark.parametrize(
    ("errors", "reasons"),
    [
        ("no reason", ["no reason"]),
        (["first", {"message": "second"}, [["third"]]], ["first", "second", "third"]),
        ([{"code": "1401"}], ["1401"]),
        ([{"column": "amount", "message": "wrong"}] * 9, ["amount: wrong"]),
        ([{"columns": ["amount", "x.y"], "message": "one", "detail": "two"}], ["amount, x.y: one - two"]),
        ([{"field": "amount", "msg": "one", "column": "x.y"}], ["amount, x.y: one"]),
        ([{"message": str(n)} for n in range(10, 30)], ["10", "11", "12", "13", "14", "and 15 more"]),
        ([{"code": "strange code", "message": "wrong"}], ["strange code - wrong"]),
        ([None, True, {}, {"message": None}, {"message": {"en": "x"}}], []),
        ({}, []),
        (None, []),
    ],
)
def test_the_shapes_of_errors(errors: object, reasons: list[str]) -> None:
    assert row({"amount": "", "_errors": errors}).reasons == reasons


def test_a_line_that_is_the_error_itself_may_have_columns_that_sound_like_it() -> None:
    line = {"code": "1401", "message": "wrong", "description": "private", "path": "p/q", "detail": 5}
    assert row(line) == RejectedRow(["description", "path", "detail"], ["1401: wrong"])
    line = {"code": "1401", "description": "private"}
    assert row(line) == RejectedRow(["code", "description"], [])


def test_beside_the_errors_a_column_may_be_called_error_or_message() -> None:
    line = {"error": "private", "message": "secret", "code": "1401", "_errors": [{"message": "wrong"}]}
    assert row(line) == RejectedRow(["error", "message", "code"], ["wrong"])
    assert row({**line, "_errors": []}) == RejectedRow(["error", "message", "code"], [])
    assert row({"data": "private", "_errors": ["wrong: private"]}) == RejectedRow(["data"], [f"wrong: {MASK}"])


def test_what_is_told_of_a_row_has_bounds() -> None:
    wide = {f"column_{n}_{'x' * 300}": "v" * 5000 for n in range(150)}
    errors = [{"column": f"column_{n}", "message": f"{n} " + "w" * 4000} for n in range(100)]
    for show_values in (False, True):
        told = row({**wide, "_errors": errors}, show_values=show_values)
        assert sum(map(len, told.columns)) <= 500
        assert len(told.columns) + told.more_columns == 150
        assert sum(map(len, told.reasons)) <= 2000
        assert sum(len(name) + len(value) for name, value in (told.values or {}).items()) <= 1000
        assert told.reasons[-1] == "and 95 more"
    assert row({"a": "b", "_errors": ["x" * 6000]}).reasons == ["a message of 6000 characters, left out"]


def test_nothing_that_is_told_holds_control_characters() -> None:
    told = row({"a\n\x1b[31m": "b\rc", "_errors": [{"message": "x\n\u202ey", "column": "c\n"}]}, show_values=True)
    texts = [*told.columns, *told.reasons, *(told.values or {}), *(told.values or {}).values()]
    assert all(one_line(text) == text for text in texts)


def test_a_row_as_large_as_aep_takes_it_is_read_in_no_time() -> None:
    wide = {f"c{n}": f"value {n} é" for n in range(10_000)}
    errors = [{"column": f"c{n}", "message": f"cannot convert 'value {n} é' to integer " * 50} for n in range(5)]
    began = time.monotonic()
    told = row({**wide, "_errors": errors})
    assert time.monotonic() - began < 20
    assert told.reasons[3].startswith(
        f"MAPPER-3700-400 c3: cannot convert '{MASK}' to integer"[len("MAPPER-3700-400 ") :]
    )


# --- Values are left out ---


@pytest.mark.parametrize(
    ("values", "message", "left"),
    [
        ({"a": "abc"}, "cannot convert 'abc' to integer", f"cannot convert '{MASK}' to integer"),
        ({"a": "abc"}, "cannot convert abc to integer", f"cannot convert {MASK} to integer"),
        ({"a": "abc"}, "cannot convert xabcx", f"cannot convert x{MASK}x"),
        ({"a": "Abc"}, "cannot convert ABC", f"cannot convert {MASK}"),
        ({"x": "a"}, "cannot convert", f"c{MASK}nnot convert"),
        ({"x": 1}, "row 1 has 11 of 1.0", f"row {MASK} has {MASK} of {MASK}"),
        ({"x": 12.50}, "12.5 is no date", f"{MASK} is no date"),
        ({"x": "1234567"}, "1,234,567 is too much", f"{MASK} is too much"),
        ({"x": 1e22}, "10000000000000000000000 and 1E+22", f"{MASK} and {MASK}"),
        ({"x": True}, "TRUE is no number", f"{MASK} is no number"),
        ({"x": None}, "null is no number", "null is no number"),
        ({"x": {"y": [{"z": "deep"}]}}, "deep is no number", f"{MASK} is no number"),
        ({"x": '{"y": "deep"}'}, "deep is no number", f"{MASK} is no number"),
        ({"x": {"ann@x.example": {"primary": True}}}, "ann@x.example has no id", f"{MASK} has no id"),
        ({"x": 'a "quoted" one'}, r"cannot read a \"quoted\" one", f"cannot read {MASK}"),
        ({"x": 'a "quoted" one'}, r"cannot read a \\\"quoted\\\" one", f"cannot read {MASK}"),
        ({"x": "O'Brien"}, "cannot read 'O''Brien', O\\'Brien or O&#x27;Brien",
         f"cannot read '{MASK}', {MASK} or {MASK}"),
        ({"x": "Łódź"}, "cannot read \\u0141\\u00f3d\\u017a, łódź, Ło\u0301dz\u0301 or %C5%81%C3%B3d%C5%BA",
         f"cannot read {MASK}, {MASK}, {MASK} or {MASK}"),
        ({"x": "two  words\n"}, "cannot read two words, two\twords", f"cannot read {MASK}, {MASK}"),
        ({"x": "2026-01-02 03:04:05"}, "2026-01-02T03:04:05Z is late", f"{MASK}Z is late"),
        ({"x": "Ann Lee of London and elsewhere"}, "cannot read Ann Lee of London an...", f"cannot read {MASK}..."),
        ({"x": "ab", "y": "bc"}, "abc", MASK),
        ({"x": "a" * 16 + "bc"}, "a" * 17 + "bc", MASK),
        ({"x": "ab", "y": "abcd"}, "abcd", MASK),
        ({"x": "b", "y": "a…c"}, "abc", MASK),
        ({"x": " "}, "two words stay", "two words stay"),
        ({"x": ""}, "two words stay", "two words stay"),
    ],
)  # fmt: skip
def test_values_are_left_out_of_reasons(values: dict[str, Any], message: str, left: str) -> None:
    told = row({**values, "_errors": [{"message": message}]})
    assert told.reasons == [left]
    assert told.values is None
    assert told.columns == list(values)
    assert row({"row": values, "_errors": [{"message": message}]}).reasons == [left]


@pytest.mark.parametrize("quoted", ["'zzz'", '"zzz"', "`zzz`", "[zzz]", "“zzz”", "‘zzz’", "«zzz»"])
def test_what_aep_quotes_is_left_out_even_where_the_row_does_not_hold_it(quoted: str) -> None:
    said = f"cannot convert {quoted} to 'integer' in 'amount' (\"MAPPER-3700-400\"), it isn't one, don't ask"
    expected = said.replace("zzz", MASK)
    assert row({"amount": "", "_errors": [said]}).reasons == [expected]


def test_columns_and_codes_stay() -> None:
    line = {"p": "3", "prio": "p", "_errors": [{"code": "MAPPER-3700-400", "column": "_acme.prio",
            "message": "MAPPER-3700-400: prio and _acme.prio and p and price are 3"}]}  # fmt: skip
    assert row(line) == RejectedRow(
        ["p", "prio"],
        [f"MAPPER-3700-400 _acme.prio: MAPPER-3700-400: prio and _acme.prio and {MASK} and {MASK}rice are {MASK}"],
    )


def test_a_value_equal_to_a_columns_name_is_left_out_and_the_column_is_named() -> None:
    line = {"name": "name", "_errors": [{"column": "name", "message": "name 'name' is wrong"}]}
    assert row(line) == RejectedRow(["name"], [f"name: {MASK} '{MASK}' is wrong"])


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ("_acme.phones", "_acme.phones"),
        ("First Name", "First Name"),
        ("identityMap.Email.ann", f"identityMap.Email.{MASK}"),
        ("ann", MASK),
        ("Ann Lee", MASK),
        ("+49 30 123", MASK),
        ("age=5", MASK),
    ],
)
def test_a_column_is_named_only_where_it_looks_like_one(column: str, told: str) -> None:
    line = {"First Name": "ann", "_errors": [{"column": column, "message": "wrong"}]}
    assert row(line).reasons == [f"{told}: wrong"]


def test_values_that_an_error_holds_beside_its_message_are_left_out() -> None:
    line = {"a": "", "_errors": [{"message": "abc and 5 and x", "value": "abc", "input": {"n": 5}, "raw": ["x"]}]}
    assert row(line).reasons == [f"{MASK} and {MASK} and {MASK}"]
    for name in ("row", "line", "raw", "value", "column", "code", "message"):
        for held in (["abc"], "abc", {"x": "abc"}, [{"x": ["abc"]}]):
            line = {"a": "", "_errors": [{name: held, "severity": "ERROR"}, {"message": "wrong: abc"}]}
            said = name in ("column", "code", "message") and held in ("abc", ["abc"])
            assert said or "abc" not in str(row(line)), (name, held)
    line = {"a": "", "_errors": {"a": "abc", "b": {"value": "abc"}}}
    assert row(line).reasons == ["a", "b"]


def test_both_values_of_a_column_that_comes_twice_are_left_out() -> None:
    (found,) = read('{"a": "one", "a": "two", "_errors": ["one or two"]}').rows
    assert found.reasons == [f"{MASK} or {MASK}"]


def test_a_row_with_more_values_than_can_be_looked_for_has_no_messages() -> None:
    line = {"a": [str(n) for n in range(30_000)], "_errors": [{"code": "1401", "message": "7 is wrong"}]}
    assert row(line).reasons == ["1401: a message of 10 characters, left out"]


VALUE = st.one_of(
    st.text(max_size=4),
    st.text(min_size=10, max_size=40),
    st.sampled_from(["1", "a", "e", "on", "to", "convert", "cannot", "row", "amount", "name", "'", '"', "\\", "%", "…",
                     "ß", "İ", "ΑΣ", "null", "true", "MAPPER", "3700", "400", "-", ":", " - ", "0", "00",
                     "e\u0301", "\u200b", "a\nb", "x\u2028y", "🙂", "\ud800"]),
    st.integers(),
    st.floats(),
    st.booleans(),
)  # fmt: skip
CELL = st.recursive(
    VALUE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
COLUMN = st.sampled_from(["a", "amount", "name", "Case Number", "sys_id", "e", "data", "error"])
CODE = st.sampled_from(["MAPPER-3700-400", "INGEST-1401-400", "1401"])
PART = st.sampled_from(
    ["cannot convert ", " to integer", "'", '"', " ", "row ", ", ", ": ", "amount", "name", "MAPPER-3700-400", "[", "]",
     "\n", "\u200b", "…", "x", "1"]
)  # fmt: skip


def scalars(part: Any) -> list[str]:
    if isinstance(part, dict):
        return [each for value in part.values() for each in scalars(value)]
    if isinstance(part, list):
        return [each for value in part for each in scalars(value)]
    return [str(part)] if isinstance(part, str | bool) else [] if part is None else [json.dumps(part)]


@st.composite
def lines(draw: st.DrawFn) -> tuple[dict[str, Any], list[str]]:
    """A row, and messages that quote its values in every way."""
    cells = draw(st.dictionaries(COLUMN, CELL, min_size=1, max_size=4))
    values = scalars(cells)
    spelled = st.sampled_from(values).flatmap(
        lambda value: st.sampled_from([value, json.dumps(value), value.upper(), value * 2, f"x{value}", value.strip()])
    )
    messages = draw(
        st.lists(st.lists(spelled | PART, min_size=1, max_size=8).map("".join), min_size=1, max_size=3)
        if values
        else st.lists(st.lists(PART, max_size=8).map("".join), min_size=1, max_size=3)
    )
    return cells, messages


def exposed(said: str, cells: dict[str, Any]) -> list[str]:
    """The values that can be read in what was said, apart from whole names of columns and AEP's own codes."""
    names = sorted(map(re.escape, cells), key=len, reverse=True)
    rest = re.sub(rf"(?<!\w)(?:MAPPER-3700-400|{'|'.join(names)})(?!\w)", MASK, said)
    values = [value for value in scalars(cells) if value.strip(f" {MASK}") and MASK not in value]
    found = [value for value in values if value in rest or (value.strip() and value.strip() in rest)]
    # Whole names and codes may be values as well, and are then left out.
    return found + [
        value for value in values if value in cells and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", said)
    ]


def check_nothing_is_exposed(case: tuple[dict[str, Any], list[str]], code: str, nested: bool) -> None:
    cells, messages = case
    errors = [{"code": code, "message": message} for message in messages]
    line: dict[str, Any] = {"row": cells, "_errors": errors} if nested else {**cells, "_errors": errors}
    (told,) = read(json.dumps(line)).rows
    assert told.values is None
    for reason in told.reasons:
        assert reason.startswith(code)
        said = reason.removeprefix(code).removeprefix(": ")
        assert exposed(said, cells) == [], (cells, messages, reason)
        assert one_line(reason) == reason


CASES = {
    "short": ({"a": "1", "e": "a"}, ["cannot convert 'a1' to integer"]),
    "the mask": ({"a": "x…y", "e": "b"}, ["xby", "x…y"]),
    "sigma": ({"a": "ΑΣ"}, ["ΑΣΒ", "ας"]),
    "dotted": ({"a": "İ"}, ["xİy", "i̇"]),
    "blanks": ({"a": "a\nb"}, ["a\nb", "a b"]),
    "zero width": ({"a": "\u200b"}, ["\u200b"]),
}


@settings(max_examples=300, deadline=None)
@given(lines(), CODE, st.booleans())
@example(CASES["short"], "1401", False)
@example(CASES["the mask"], "1401", False)
@example(CASES["sigma"], "1401", True)
@example(CASES["dotted"], "1401", False)
@example(CASES["blanks"], "1401", False)
@example(CASES["zero width"], "1401", False)
def test_no_value_of_a_row_can_be_read(case: tuple[dict[str, Any], list[str]], code: str, nested: bool) -> None:
    check_nothing_is_exposed(case, code, nested)


@pytest.mark.thorough
@settings(max_examples=1_500, deadline=None)
@given(lines(), CODE, st.booleans())
def test_no_value_of_many_rows_can_be_read(case: tuple[dict[str, Any], list[str]], code: str, nested: bool) -> None:
    check_nothing_is_exposed(case, code, nested)


WORDS = st.sampled_from(["cannot", "convert", "integer", "row", "is", "text", "2", "of", "a", "value"])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(WORDS, min_size=1, max_size=8).map(" ".join), st.dictionaries(COLUMN, st.sampled_from(["ZQ", "Q9", 77]))
)
def test_all_other_words_stay(message: str, cells: dict[str, Any]) -> None:
    (told,) = read(json.dumps({**cells, "_errors": [{"code": "1401", "message": message}]})).rows
    assert told.reasons == [f"1401: {message}"]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
    | st.sampled_from(["1401", "{", "[1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["_errors", "errors", "error", "code", "message", "column", "row", "data",
                             "_corrupt_record", "a", "_links", "_page", "self", "href", ""]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip


def check_any_file(documents: list[Any], array: bool, show_values: bool) -> None:
    text = json.dumps(documents) if array else "\n".join(map(json.dumps, documents))
    client: Any = Files(sample=text)
    try:
        found = read_row_errors(client, run(link("sample")), show_values=show_values)
    except AepError:
        return
    assert found is not None
    assert len(found.rows) <= 5
    for each in found.rows:
        assert all(isinstance(one, str) and one_line(one) == one for one in (*each.columns, *each.reasons))
        assert (each.values is not None) is show_values


@settings(max_examples=200, deadline=None)
@given(st.lists(JUNK, max_size=4), st.booleans(), st.booleans())
def test_any_file_gives_rows_or_one_of_our_errors(documents: list[Any], array: bool, show_values: bool) -> None:
    check_any_file(documents, array, show_values)


@pytest.mark.thorough
@settings(max_examples=1_500, deadline=None)
@given(st.lists(JUNK, max_size=4), st.booleans(), st.booleans())
def test_many_files_give_rows_or_one_of_our_errors(documents: list[Any], array: bool, show_values: bool) -> None:
    check_any_file(documents, array, show_values)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    read(text)


# --- On the wire ---


def test_a_link_to_a_foreign_host_is_asked_for_at_the_gateway(
    client: AepClient, wire: Any, make_wire: Callable[..., Any], platform: Any
) -> None:
    elsewhere = make_wire(platform)
    wire.answer("GET", "/meta", LINE)
    found = read_row_errors(client, run(f"{elsewhere.url}{EXPORT}/meta?path=sample"))
    assert found is not None
    assert found.rows[0].columns == ["sys_id", "amount"]
    assert elsewhere.seen == []
    (asked,) = [seen for seen in wire.seen if seen.method == "GET"]
    assert asked.target == f"{EXPORT}/meta?path=sample"
