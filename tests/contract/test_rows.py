"""Small tables of every kind of value: what lands equals what plain Python makes of the same rows, and all counts agree."""

from __future__ import annotations

import csv
import itertools
import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from . import models
from .platform import DATA_ACCESS, FLOW, Caller, Server, checked

_tables = itertools.count(1)
XDM = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "moment": {"type": "string", "format": "date-time"},
}
DUCK = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN", "moment": "TIMESTAMPTZ"}
letters = st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"])
texts = st.text(letters, min_size=1, max_size=12).filter(lambda text: text.strip())
# What readers of CSV like to take for something else.
traps = ["007", "1e5", "NULL", "null", "NaN", "\\N", "true", "2026-01-01", "0x1F", "=1+1", "-", "."]
traps += [" x ", "a\nb", "a,b;c", '"', "''", "\t", "e\u0301"]
labels = st.text(st.characters(codec="utf-8", categories=["Ll", "Lo"]), min_size=1, max_size=8)
moments = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)).map(
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC)
)
formats = st.sampled_from(["csv", "parquet"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.one_of(texts, st.sampled_from(traps)),
    "integer": st.integers(-(2**53), 2**53),
    "number": st.floats(allow_nan=False, allow_infinity=False, width=32).filter(lambda value: value != 0),
    "boolean": st.booleans(),
    "moment": moments,
}


@dataclass(frozen=True)
class Case:
    """A table, and what of it the schema takes. ``lie`` is a column whose text must become whole numbers."""

    names: list[str]
    kinds: list[str]
    rows: list[list[Any]]
    required: bool
    lie: bool
    format: str
    percent: int

    @property
    def bad(self) -> list[int]:
        """The rows that the schema refuses. The first column is the row's number and never bad."""

        def is_bad(row: list[Any]) -> bool:
            value = row[1]
            if value is None:
                return self.required
            return self.lie and not re.fullmatch("-?[0-9]+", value)

        return [number for number, row in enumerate(self.rows) if is_bad(row)]

    @property
    def succeeds(self) -> bool:
        """Only while the errors stay below the threshold."""
        return not self.bad or len(self.bad) * 100 / len(self.rows) < self.percent


def sometimes_nothing(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 5).flatmap(lambda number: st.none() if number == 5 else value)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """The first column numbers the rows, the second may be wrong, the rest is of any kind."""
    lie = draw(st.booleans())
    first = draw(st.sampled_from(["string"])) if lie else draw(st.sampled_from(["string", "string", "integer"]))
    kinds = ["integer", first, *draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=4))]
    unique = st.lists(labels, min_size=len(kinds), max_size=len(kinds), unique_by=str.casefold)
    names = [f"{name}_{number}" for number, name in enumerate(draw(unique))]
    numbers = st.integers(-999, 999).map(str)
    mostly_right = st.integers(0, 5).flatmap(
        lambda n: st.sampled_from(["four", "1x", "--1", "☃"]) if n == 5 else numbers
    )
    values = [mostly_right if lie else VALUES[first], *(VALUES[kind] for kind in kinds[2:])]
    row = [sometimes_nothing(value) for value in values]
    rows = draw(st.lists(st.tuples(*row), min_size=1, max_size=14))
    numbered = [[number, *values] for number, values in enumerate(rows)]
    required, percent, format = draw(st.booleans()), draw(st.sampled_from([5, 50, 50, 100])), draw(formats)
    return Case(names, kinds, numbered, required, lie, format, percent)


def as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return repr(value) if isinstance(value, float) else str(value)


def write(case: Case, tables: Path) -> str:
    name = f"table{next(_tables)}"
    path = tables / f"{name}.{case.format}"
    partial = tables / f".{path.name}"
    if case.format == "csv":
        with partial.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([case.names, *([as_text(value) for value in row] for row in case.rows)])
    else:
        columns = ", ".join(f'"{label}" {DUCK[kind]}' for label, kind in zip(case.names, case.kinds, strict=True))
        with duckdb.connect() as database:
            database.execute("SET TimeZone = 'UTC'")
            database.execute(f"CREATE TABLE t ({columns})")
            rows = [[value.isoformat() if isinstance(value, datetime) else value for value in row] for row in case.rows]
            database.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(case.kinds))})", rows)
            database.execute(f"COPY t TO '{partial}' (FORMAT parquet)")
    partial.rename(path)
    return name


def column(label: str, kind: str) -> dict[str, Any]:
    xdm = XDM[kind]
    return {"name": label, "type": xdm["type"], "xdm": xdm} | ({"meta:xdmType": "date-time"} if "format" in xdm else {})


def run_it(aep: Caller, case: Case, table: str) -> tuple[models.Run, str]:
    """The flow's one run, and the dataset's id."""
    tenant = aep.tenant()
    fields = {f"f{place}": XDM[kind] for place, kind in enumerate(case.kinds)}
    if case.lie:
        fields["f1"] = XDM["integer"]
    schema = aep.schema(fields, title=table, required=["f1"] if case.required else None)
    dataset = aep.dataset(schema)
    columns = [column(label, kind) for label, kind in zip(case.names, case.kinds, strict=True)]
    source = aep.create("sourceConnections", aep.source_body(aep.base(), table, columns))
    target = aep.create("targetConnections", aep.target_body(dataset, schema))
    pairs = [(label, f"{tenant}.row.f{place}") for place, label in enumerate(case.names)]
    mapping = aep.mapping(schema, pairs)
    options = {"errorDiagnosticsEnabled": True, "partialIngestionPercent": case.percent}
    flow = aep.create("flows", aep.flow_body(source, target, mapping, options=options))
    (run,) = aep.ended_runs(flow)
    return run, dataset


def landed(server: Server, dataset: str, tenant: str, kinds: list[str]) -> dict[int, list[Any]]:
    """What any tool reads from the dataset's Parquet, by the row's number."""
    folder = server.state / "datasets" / dataset
    if not list(folder.glob("*.parquet")):
        return {}
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        fields = [f"{tenant}.row.f{place}" for place in range(len(kinds))]
        picked = [f"{name}::VARCHAR" if kind == "moment" else name for name, kind in zip(fields, kinds, strict=True)]
        read = [
            list(row) for row in database.execute(f"SELECT {', '.join(picked)} FROM '{folder}/*.parquet'").fetchall()
        ]
    assert len({row[0] for row in read}) == len(read), "no row twice"
    return {row[0]: row for row in read}


def same(kind: str, wanted: Any, found: Any) -> bool:
    if wanted is None or found is None:
        return wanted is None and found is None
    if kind == "moment":
        moment = datetime.fromisoformat(found)
        return abs(moment - wanted) < timedelta(milliseconds=1)
    if kind == "number":
        return math.isclose(wanted, found, rel_tol=1e-12)
    return type(wanted) is type(found) and wanted == found


def judge(server: Server, case: Case) -> None:
    with server.caller() as aep:
        run, dataset = run_it(aep, case, write(case, server.tables))
        rows = landed(server, dataset, aep.tenant(), case.kinds)
        records = run.metrics.recordSummary
        bad = case.bad
        if not case.succeeds:
            assert run.status == "failed"
            assert rows == {}, "a failed run leaves nothing"
            assert records is None or records.outputRecordCount <= 0
            assert aep.batch(run.batch).status in {"failed", "failure", "aborted"}
            return
        assert run.status == "success" if not bad else run.status in {"success", "partialsuccess"}
        wanted = {row[0]: row for row in case.rows if row[0] not in bad}
        assert set(rows) == set(wanted)
        for number, row in wanted.items():
            for kind, expected, found in zip(case.kinds, row, rows[number], strict=True):
                assert same(kind, expected, found) or (
                    case.lie and kind == "string" and expected is not None and found == int(expected)
                ), (kind, expected, found)

        everything, good = len(case.rows), len(case.rows) - len(bad)
        assert records is not None
        assert (records.inputRecordCount, records.outputRecordCount) == (everything, good)
        assert (records.failedRecordCount or 0) == len(bad)
        assert bool(run.metrics.statusSummary.errors) == bool(bad)
        copied, promoted = run.copy_activity.recordSummary, run.promotion_activity.recordSummary
        assert (copied.inputRecordCount, copied.outputRecordCount) == (everything, everything)
        assert (promoted.inputRecordCount, promoted.outputRecordCount) == (everything, good)
        assert (promoted.failedRecordCount or 0) == len(bad)
        batch = aep.batch(run.batch)
        assert (batch.metrics.inputRecordCount, batch.metrics.outputRecordCount) == (everything, good)
        assert (batch.metrics.failedRecordCount or 0) == len(bad)
        assert len(row_errors(aep, run)) == len(bad)
        assert checked(aep.get(f"{FLOW}/runs/{run.id}"), models.One[models.Run]).items == [run], "an end is an end"


def row_errors(aep: Caller, run: models.Run) -> list[Any]:
    """The rejected rows, one JSON document a line."""
    answer = aep.get(f"{DATA_ACCESS}/batches/{run.batch}/meta", params={"path": "row_errors"})
    if answer.status_code == 404:  # a batch without errors has no such folder
        return []
    entries = checked(answer, models.Entries)
    lines = [line for entry in entries.data for line in aep.follow(entry.links.self.href).text.splitlines()]
    return [json.loads(line) for line in lines if line]


def check(server: Server, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases())
    def every_table(case: Case) -> None:
        judge(server, case)

    every_table()


def test_a_few_tables(server: Server) -> None:
    check(server, 5)


@pytest.mark.thorough
def test_many_tables(server: Server) -> None:
    check(server, 60)


@pytest.mark.parametrize(("percent", "lands"), [(25, False), (26, True)])
def test_the_threshold_is_not_reached_by_staying_below_it(server: Server, percent: int, lands: bool) -> None:
    """One bad row of four: 25 percent of errors are not below 25."""
    rows = [[number, text] for number, text in enumerate(["1", "2", "three", "4"])]
    case = Case(["n", "text"], ["integer", "string"], rows, False, True, "csv", percent)
    assert case.succeeds is lands
    judge(server, case)


def test_of_eight_rows_three_are_refused_and_counted(server: Server) -> None:
    """Two whole numbers that are none, and one that is missing where the schema demands it."""
    texts = ["1", "two", "3", None, "5", "6", "7x", "8"]
    rows = [[number, text, f"row {number}"] for number, text in enumerate(texts)]
    case = Case(["n", "text", "name"], ["integer", "string", "string"], rows, True, True, "csv", 50)
    assert case.bad == [1, 3, 6]
    judge(server, case)
    with server.caller() as aep:
        run, dataset = run_it(aep, case, write(case, server.tables))
        records = run.metrics.recordSummary
        assert records is not None
        assert (records.inputRecordCount, records.outputRecordCount, records.failedRecordCount) == (8, 5, 3)
        assert set(landed(server, dataset, aep.tenant(), case.kinds)) == {0, 2, 4, 5, 7}
        kept = [json.dumps(error) for error in row_errors(aep, run)]
        assert [sum(f'"{text}"' in line for line in kept) for text in ("two", "7x", "5")] == [1, 1, 0]
        assert len(kept) == 3
        assert aep.batch(run.batch).metrics.failedRecordCount == 3
        extensions = run.promotion_activity.statusSummary.extensions
        assert extensions is not None
        assert [each.recordCount for each in extensions.errors or []] == [3]
