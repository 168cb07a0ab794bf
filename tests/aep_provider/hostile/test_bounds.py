"""Answers that are right in form and without measure: lists without end, circles, documents that grow while they are read."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import json
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aep_provider.errors import AepAnswerError, AepError
from aep_provider.platform import documents, paging
from aep_provider.platform.documents import DEEPEST, document_in, is_deeper
from aep_provider.platform.exchange import Sending
from aep_provider.platform.paging import catalog_objects, data_prep_sets, flow_service_items, registry_results
from aep_provider.resources import row_errors, run_report, watch_words
from aep_provider.resources.flow_spec import FlowSpec
from aep_provider.resources.judging import MOST_PARTS, violations
from aep_provider.resources.redaction import Redactor
from aep_provider.resources.row_errors import read_row_errors
from aep_provider.resources.run import read_run
from aep_provider.resources.run_report import read_report
from aep_provider.resources.xdm import field_paths
from aep_provider.verdict import Tolerance, judge

from .parsers import PARSERS
from .servers import Elsewhere
from .world import RUNS, SEEDS, World, WorldClient, Written, written

SECONDS = 15.0
"""Of this process's own time; what has no bounds takes minutes or for ever."""
LISTING_RUNS = ("watch", "verdicts on runs", "looks, in the triggerer")


class Endless(World):
    """A sandbox whose lists go on for ever, each page another one."""

    def __init__(self, page: Callable[[int], Any]) -> None:
        super().__init__()
        self._page = page
        self._numbers = itertools.count()

    def answer(self, sending: Sending) -> Written:
        self._watch(sending)
        return written(self._page(next(self._numbers)))


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < SECONDS


@pytest.fixture
def few_pages(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(paging, "MOST_PAGES", 50)
    return 50


LISTS: dict[str, tuple[Callable[[Any], Any], Callable[[int], Any]]] = {
    "Flow Service": (
        lambda client: flow_service_items(client, "/flows"),
        lambda number: {
            "items": [{"id": f"f-{number}"}],
            "_links": {"next": {"href": f"/flows?continuationToken={number}"}},
        },
    ),
    "Flow Service, empty pages": (
        lambda client: flow_service_items(client, "/flows"),
        lambda number: {"items": [], "_links": {"next": {"href": f"/flows?continuationToken={number}"}}},
    ),
    "Flow Service, another path each time": (
        lambda client: flow_service_items(client, "/flows"),
        lambda number: {"items": [], "_links": {"next": {"href": f"/flows/{number}"}}},
    ),
    "Schema Registry": (
        lambda client: registry_results(client, "/tenant/schemas", {"orderby": "title"}),
        lambda number: {"results": [], "_page": {"next": f"z{number}"}},
    ),
    "Catalog": (
        lambda client: catalog_objects(client, limit=2),
        lambda number: {f"a{number}": {}, f"b{number}": {}},
    ),
    "Data Prep": (
        lambda client: data_prep_sets(client, limit=2),
        lambda number: {"data": [{"id": f"a{number}"}, {"id": f"b{number}"}]},
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_without_end_is_given_up(few_pages: int, name: str) -> None:
    read, page = LISTS[name]
    world = Endless(page)
    with WorldClient(world) as client, pytest.raises(AepAnswerError, match="does not end"):
        list(read(client))
    assert len(world.urls) <= few_pages + 1


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_goes_round_in_a_circle_is_left(name: str) -> None:
    read, page = LISTS[name]
    world = Endless(lambda number: page(number % 3))
    with WorldClient(world) as client, pytest.raises(AepAnswerError, match="already read"):
        list(read(client))
    assert len(world.urls) <= 7


@pytest.mark.parametrize("parser", [one for one in PARSERS if one.name in LISTING_RUNS], ids=lambda parser: parser.name)
def test_runs_without_end_are_given_up_by_all_who_read_them(few_pages: int, parser: Any) -> None:
    page = LISTS["Flow Service, empty pages"][1]
    world = Endless(page)
    with WorldClient(world) as client, pytest.raises(AepAnswerError):
        parser.read(client)


@pytest.mark.parametrize("place", [{"a": 1}, ["a"], [], 1.5, {"next": None}])
def test_a_place_in_a_list_is_a_word(place: Any) -> None:
    world = Endless(lambda _: {"results": [], "_page": {"next": place}})
    with WorldClient(world) as client, pytest.raises(AepAnswerError, match="where it goes on"):
        list(registry_results(client, "/tenant/schemas"))
    assert len(world.urls) == 1


PAGES: dict[str, Callable[[int], Any]] = {
    "Flow Service": lambda count: {"items": [{}] * count},
    "Schema Registry": lambda count: {"results": [{}] * count},
    "Catalog": lambda count: {f"d{number}": {} for number in range(count)},
    "Data Prep": lambda count: {"data": [{"id": str(number)} for number in range(count)]},
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_a_largest_size(name: str) -> None:
    read, _ = LISTS[name]
    world = Endless(lambda _: PAGES[name](paging.MOST_ON_PAGE + 1))
    with WorldClient(world) as client, pytest.raises(AepAnswerError, match="more than 10000 objects on one page"):
        list(read(client))


def test_no_sandbox_has_as_many_pages() -> None:
    assert 1000 <= paging.MOST_PAGES <= 100_000


# --- Documents ---


@pytest.mark.parametrize("levels", [DEEPEST + 1, 300, 900, 100_000])
@pytest.mark.parametrize("form", ["[", '{"a":'])
def test_what_is_nested_too_deep_is_no_document(levels: int, form: str) -> None:
    close = {"[": "]", '{"a":': "}"}[form]
    inner = "" if form == "[" else "1"
    with pytest.raises(ValueError, match="nested deeper than 100 levels"):
        document_in((form * levels + inner + close * levels).encode())


def test_depth_is_counted_to_the_level() -> None:
    for levels in (1, 2, DEEPEST):
        document = document_in(b"[" * levels + b"]" * levels)
        assert is_deeper(document, levels - 1)
        assert not is_deeper(document, levels)
    assert not is_deeper("text", 0)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_not_finite(number: str) -> None:
    for body in (number, f'{{"a": [{number}]}}'):
        with pytest.raises(ValueError, match="not finite"):
            document_in(body.encode())


@pytest.mark.parametrize("number", ["9223372036854775808", "-9223372036854775808", "9" * 4300, "9" * 5_000_000])
def test_whole_numbers_that_no_database_holds(number: str) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        document_in(f'{{"a": {number}}}'.encode())


def test_what_json_may_hold_is_read_as_it_is() -> None:
    body = '\ufeff {"a": [1, -0.5, 9223372036854775807, 1e308, null, true, "\\ud83d\\ude00 \\u0000", "Łódź"]} \n'
    assert document_in(body.encode()) == {"a": [1, -0.5, 2**63 - 1, 1e308, None, True, "😀 \x00", "Łódź"]}


@pytest.mark.parametrize("half", ["\\ud83d", "\\udE00", "\\uD83d x", "\\ude00\\ud83d"])
def test_a_character_that_was_cut_in_two_does_no_harm(half: str) -> None:
    document = document_in(f'{{"message {half}": ["cut {half}", "😀"]}}'.encode())
    assert json.dumps(document, ensure_ascii=False).encode()
    ((name, (text, whole)),) = document.items()
    assert name.startswith("message ?")
    assert text.startswith("cut ?")
    assert whole == "😀"


def test_what_takes_much_more_room_than_it_seems_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"[" + b"[]," * documents.MOST_PARTS + b"[]]"
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="more than 4000000 lists and objects"):
            document_in(body)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(body)
    finally:
        tracemalloc.stop()


# --- Schemas ---


def circles() -> dict[str, Any]:
    """Each part is twice the next, so that they come to more than anybody can walk through."""
    parts = {f"a{n}": {"allOf": [{"$ref": f"#/definitions/a{n + 1}"}] * 2} for n in range(30)}
    return {"definitions": parts, "allOf": [{"$ref": "#/definitions/a0"}]}


def test_a_schema_that_grows_while_it_is_read_is_given_up() -> None:
    with pytest.raises(AepAnswerError, match="more than 100000 fields and parts"):
        field_paths(circles())


def test_a_schema_that_refers_to_itself_ends() -> None:
    document = {"properties": {"a": {"allOf": [{"$ref": "#/properties/a"}], "properties": {"b": {"type": "string"}}}}}
    assert {"a", "a.b"} <= field_paths(document).keys()
    assert field_paths({"allOf": [{"$ref": "#/"}, {"$ref": 1}, None], "properties": {"c": {}, "d": None}}) == {"c": {}}


def test_paths_of_a_schema_have_a_length() -> None:
    long = "x" * 1_000_000
    fields = {f"f{n}": {"type": "string"} for n in range(1000)}
    assert field_paths({"properties": {long: {"properties": fields}, "a": {}}}) == {"a": {}}


ELSEWHERE = "http://127.0.0.2:{port}/schema.json"
TEXT = "a" * 27
"""Long enough for a pattern to take minutes over it."""


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": ELSEWHERE},
        {"properties": {"a": {"$ref": ELSEWHERE}}},
        {"allOf": [{"$ref": ELSEWHERE + "#/definitions/x"}]},
        {"$id": ELSEWHERE, "properties": {"a": {"$ref": "other.json"}}},
        {"$schema": ELSEWHERE, "properties": {"a": {"type": "string"}}},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "ftp://127.0.0.2:{port}/x"},
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
        circles(),
        {"properties": {"a": {"pattern": "^(a+)+$!"}}},
        {"properties": {"a": {"pattern": "("}}},
        {"patternProperties": {"^(a+)+!$": {}}, "additionalProperties": False},
        {"propertyNames": {"pattern": "^(.*.*)*!$"}},
        {"type": "nonsense"},
        {"type": ["string", {}]},
        {"required": "abc"},
        {"required": [1, {}]},
        {"properties": []},
        {"enum": {}},
        {"multipleOf": 0},
        {"properties": {"n": {"multipleOf": 1e-300}}},
        {"properties": {"n": {"multipleOf": 5e-324}}},
        {"if": True, "then": False},
        {"not": {}},
        {"anyOf": []},
        {"dependencies": {"a": "b"}},
        {"anyOf": [{"not": {}}] * (100 * MOST_PARTS)},
        {"allOf": [{"not": {}}] * 1500},
        {"$id": 5, "$schema": [], "definitions": 1},
        {"format": {}, "title": [], "description": 1},
    ],
    ids=lambda schema: str(schema)[:50],
)
def test_a_json_schema_of_any_kind(schema: dict[str, Any]) -> None:
    listening = Elsewhere()
    try:
        mine = json.loads(json.dumps(schema).replace("{port}", str(listening.far_port)))
        value = {"a": TEXT, TEXT: 1, "n": 1e300}
        wrong: list[Any] = []
        try:
            wrong = violations(mine, value, "scheduleParams")
        except AepError as error:
            wrong = [error]
        assert all(str(one) for one in wrong)
        spec = FlowSpec("x", "CRMToAEP", "1.0", {"scheduleSpec": {"spec": mine}, "optionSpec": {"spec": mine}})
        try:
            spec.check({"scheduleParams": value, "options": value})
        except AepError as refused:
            wrong.append(refused)
    finally:
        listening.close()
    assert listening.heard == []


def test_a_json_schema_that_is_deeper_than_what_is_left_of_the_stack() -> None:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(DEEPEST - 2):
        schema = {"not": schema}

    def further(calls: int) -> Any:
        return further(calls - 1) if calls else violations(schema, {}, "options")

    assert violations(schema, {}, "options") != []
    for left in (60, 150, 300):
        with pytest.raises(AepAnswerError, match="JSON schema for options is not valid: RecursionError"):
            further(sys.getrecursionlimit() - len(inspect.stack(0)) - left)


def test_a_json_schema_has_a_largest_size() -> None:
    violations({"anyOf": [{}] * (MOST_PARTS - 2)}, {}, "options")
    with pytest.raises(AepAnswerError, match="JSON schema for options has more than 2000 parts"):
        violations({"anyOf": [{}] * (MOST_PARTS - 1)}, {}, "options")


def test_what_a_json_schema_demands_is_judged_all_the_same() -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"b": {"type": "integer", "minimum": 15}}}
    told = [f"{list(one.path)} {one.message}" for one in violations(schema, {"b": 3}, "x")]
    assert told == ["[] 'a' is a required property", "['b'] 3 is less than the minimum of 15"]


# --- Counts and rows ---


@pytest.mark.parametrize("count", ["9" * 4000, 10**30, 1e300, "1e999", 2**63, "9" * 5000])
def test_counts_that_nobody_can_count_to(count: Any) -> None:
    records = dict.fromkeys(("inputRecordCount", "outputRecordCount", "failedRecordCount", "skippedRecordCount"), count)
    verdict = judge({"id": "r", "metrics": {"recordSummary": records, "statusSummary": {"status": "partialSuccess"}}})
    assert verdict.rows_read is None
    assert Tolerance(rows=1, percent=1).bears(verdict) is False
    assert json.dumps(verdict.as_json())


MOMENTS = ("createdAt", "updatedAt", "startedAtUTC", "completedAtUTC", "updatedAtUTC", "windowStart", "windowEnd",
           "windowStartTime", "windowEndTime", "startTime")  # fmt: skip
READING_RUNS = [one for one in PARSERS if any(name.startswith("runs") for name in one.answers())]


@pytest.mark.parametrize(
    "moment", [2**62, -(2**62), 10**17, 253_402_300_800_000, 0, 1, 1e18, 0.5, "9" * 400, "-1", "NaN"]
)
def test_moments_of_no_calendar(moment: Any) -> None:
    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: moment if name in MOMENTS else moved(one) for name, one in value.items()}
        return [moved(one) for one in value] if isinstance(value, list) else value

    for parser in READING_RUNS:
        names = [name for name in parser.answers() if name.startswith(("runs", "flows"))]
        with contextlib.suppress(AepError):
            parser.run({name: written(moved(json.loads(SEEDS[name][2]))) for name in names})


ERROR = {"code": "MAPPER-3700-400", "column": "a", "message": "'x' " + "y" * 300}
FILES: dict[str, Callable[[], str]] = {
    "a name of megabytes": lambda: json.dumps({"k" * 3_000_000: 1, "_errors": [ERROR]}),
    "a hundred thousand names": lambda: json.dumps({**{f"k{n}": n for n in range(100_000)}, "_errors": [ERROR]}),
    "names within names": lambda: json.dumps({**{"a" * n: 1 for n in range(1, 2000)}, "_errors": [ERROR]}),
    "a value of megabytes": lambda: json.dumps({"a": "v " * 400_000, "_errors": [ERROR]}),
    "thirty thousand errors": lambda: json.dumps({"a": "v", "_errors": [ERROR] * 30_000}),
    "quotes in quotes": lambda: json.dumps(
        {"a": "v", "_errors": [{"message": "'" * 5000 + '"' * 99}, {"message": "['" * 4000}]}
    ),
    "many values": lambda: json.dumps({"a": [str(n) * 5 for n in range(50_000)], "_errors": [ERROR]}),
    "lines that are no rows": lambda: "x\n" * 2_000_000,
    "documents in texts": lambda: json.dumps({"a": json.dumps({"b": json.dumps([1] * 100_000)}), "_errors": [ERROR]}),
    "a row that could not be read": lambda: json.dumps({"_corrupt_record": "a,b;" * 100_000, "_errors": [ERROR]}),
    "rows nested too deep": lambda: "\n".join(['{"a":' * 900 + "1" + "}" * 900] * 500),
}


@pytest.mark.parametrize("name", FILES)
def test_rejected_rows_without_measure(name: str) -> None:
    world = World(instead={"rows": (200, {}, FILES[name]().encode())})
    with WorldClient(world) as client:
        found = read_row_errors(client, read_run(client, RUNS[1]), rows=3)
        lines = read_report(client, RUNS[1], show_values=True).lines()
    assert found is None or len(str(found)) < 20_000
    assert len(lines) <= 60


def test_what_has_more_columns_than_any_row_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_errors, "_MOST_COLUMNS", 10)
    rows = [{**{f"k{n}": n for n in range(count)}, "_errors": [ERROR]} for count in (10, 9)]
    world = World(instead={"rows": (200, {}, "\n".join(json.dumps(row) for row in rows).encode())})
    with WorldClient(world) as client:
        found = read_row_errors(client, read_run(client, RUNS[1]), rows=3)
    assert found
    assert (len(found.rows), found.skipped_lines) == (1, 1)


@pytest.mark.parametrize("milliseconds", [10**17, 2**62, -(2**62)])
def test_a_moment_of_no_calendar_is_told_in_words(milliseconds: int) -> None:
    assert "9999" in run_report._iso(milliseconds)
    assert "9999" in watch_words._moment(milliseconds // 1000)


def test_long_names_are_no_names_that_stay() -> None:
    assert Redactor(["secret"], ["n" * 501, "plain"])("plain secret") == "plain …"
