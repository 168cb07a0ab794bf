"""Runs: what they read, what lands, what they reject, and what their documents say."""

from __future__ import annotations

import csv
import itertools
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aep_local.rows.tables import TableFolder

from .lake import batch_id, counts, status
from .waiting import awaited
from .workshop import DATASET, SCHEMA, SCOPE, Workshop

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
NUMBER = {"type": "number"}
MOMENT = {"type": "string", "format": "date-time"}
TEN = "n,name\n" + "".join(f"{n},name {n}\n" for n in range(10))
ONE_BAD = TEN.replace("\n4,", "\nfour,")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    made.engine.start()
    yield made
    made.close()


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Callable[..., Workshop]]:
    started: list[Workshop] = []

    def start(**more: Any) -> Workshop:
        made = Workshop(tmp_path, **more)
        made.engine.start()
        started.append(made)
        return made

    yield start
    for each in started:
        each.close()


def only_run(shop: Workshop, text: str, fields: dict[str, Any], **options: Any) -> dict[str, Any]:
    shop.table("t", text)
    shop.prepare(fields)
    return shop.ended(shop.run(shop.flow("t", options=options)))


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_a_run_lands_its_rows_with_their_types(shop: Workshop) -> None:
    text = 'n,ratio,at,name\n1,0.1,2024-02-29 10:00:00.5,"two\nlines ""☃"""\n,,,\n9007199254740993,1e3,,  blanks \n'
    run = only_run(shop, text, {"n": WHOLE, "ratio": NUMBER, "at": MOMENT, "name": TEXT})
    assert (status(run), counts(run)) == ("success", (3, 3, 0))
    assert shop.rows('n, ratio, "at"::VARCHAR, name') == [
        (1, 0.1, "2024-02-29 10:00:00.5+00", 'two\nlines "☃"'),
        (None, None, None, None),
        (9007199254740993, 1000.0, None, "  blanks "),
    ]
    assert shop.rows('typeof(n), typeof(ratio), typeof("at"), typeof(name)')[0] == (
        "BIGINT",
        "DOUBLE",
        "TIMESTAMP WITH TIME ZONE",
        "VARCHAR",
    )


def test_what_a_run_looks_like_from_start_to_end(shop: Workshop) -> None:
    shop.table("t", TEN)
    shop.prepare({"n": WHOLE, "name": TEXT})
    flow = shop.flow("t")
    run_id = shop.run(flow)
    run = shop.store.get("runs", run_id, SCOPE)
    assert run is not None
    assert (status(run), run["activities"]) == ("scheduled", [])
    assert "completedAtUTC" not in run["metrics"]["durationSummary"]
    etag = run["etag"]

    run = shop.ended(run_id)
    assert run["etag"] != etag
    duration = run["metrics"]["durationSummary"]
    assert duration["startedAtUTC"] <= duration["completedAtUTC"] <= time.time() * 1000
    assert run["metrics"]["recordSummary"]["createdRecordCount"] == 10
    assert run["metrics"]["sizeSummary"] == {
        "inputBytes": len(TEN),
        "outputBytes": shop.files()[0].stat().st_size,
    }
    assert "errors" not in run["metrics"]["statusSummary"]
    copy, promotion = run["activities"]
    assert copy["sourceInfo"][0]["id"] == "source"
    assert copy["statusSummary"] == {"status": "success", "extensions": {"type": "one-time"}}
    assert promotion["targetInfo"][0]["reference"] == {"type": "Batch", "ids": [shop.files()[0].stem]}
    assert promotion["recordSummary"] == {"inputRecordCount": 10, "outputRecordCount": 10, "failedRecordCount": 0}

    batch = shop.store.get("batches", batch_id(run), SCOPE)
    assert batch is not None
    assert batch["status"] == "success"
    assert batch["relatedObjects"] == [{"type": "dataSet", "id": DATASET}]
    assert (batch["metrics"]["inputRecordCount"], batch["metrics"]["outputRecordCount"]) == (10, 10)
    kept = shop.store.get("flows", "flow", SCOPE)
    assert kept is not None
    assert kept["lastRunDetails"] == {"id": run_id, "state": "success", **duration}


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(None, "failed"), (5, "failed"), (10, "failed"), (10.5, "success"), (100, "success")],
)
def test_the_threshold_decides(shop: Workshop, percent: float | None, expected: str) -> None:
    """One of ten rows is bad: ten percent, so only a threshold above ten lets the run succeed."""
    options = {} if percent is None else {"partialIngestionPercent": percent}
    run = only_run(shop, ONE_BAD, {"n": WHOLE, "name": TEXT}, **options)
    landed = 9 if expected == "success" else 0
    assert (status(run), counts(run)) == (expected, (10, landed, 1))
    assert run["metrics"]["statusSummary"]["errors"][0]["code"] == "CONNECTOR-2001-500"
    assert run["activities"][1]["statusSummary"]["extensions"]["errors"][0] == {
        "code": "INGEST-1212-400",
        "recordCount": 1,
        "message": f"encountered 1 errors in the data, ingested {landed} rows",
    }
    batch = shop.store.get("batches", batch_id(run), SCOPE)
    assert batch is not None
    assert (batch["status"], batch["metrics"]["outputRecordCount"], batch["metrics"]["failedRecordCount"]) == (
        expected,
        landed,
        1,
    )
    if landed:
        assert [name for (name,) in shop.rows("name")] == [f"name {n}" for n in range(10) if n != 4]
    else:
        assert shop.files() == []


def test_a_hundred_percent_of_bad_rows_fail_even_then(shop: Workshop) -> None:
    run = only_run(shop, "n\nx\ny\n", {"n": WHOLE}, partialIngestionPercent=100)
    assert (status(run), counts(run), shop.files()) == ("failed", (2, 0, 2), [])


def test_rejected_rows_are_kept_with_their_reasons(shop: Workshop) -> None:
    run = only_run(shop, ONE_BAD, {"n": WHOLE, "name": TEXT}, partialIngestionPercent=50, errorDiagnosticsEnabled=True)
    manifest = run["activities"][1]["statusSummary"]["extensions"]["manifest"]
    assert manifest["failedRecords"].endswith(f"/export/batches/{batch_id(run)}/meta?path=row_errors")
    (line,) = shop.engine.landing.row_errors(batch_id(run)).read_text().splitlines()
    assert json.loads(line) == {
        "_row": 5,
        "_errors": [{"code": "MAPPER-3700-400", "column": "n", "message": "row 5, n: text is not an integer"}],
        "row": {"n": "four", "name": "name 4"},
    }


def test_without_diagnostics_only_a_remark(shop: Workshop) -> None:
    run = only_run(shop, ONE_BAD, {"n": WHOLE, "name": TEXT}, partialIngestionPercent=50)
    extensions = run["activities"][1]["statusSummary"]["extensions"]
    assert [each["code"] for each in extensions["errors"]] == ["INGEST-1212-400", "INGEST-1211-400"]
    assert "manifest" not in extensions
    assert not shop.engine.landing.row_errors(batch_id(run)).exists()


def test_a_late_odd_value_costs_its_row_only(shop: Workshop) -> None:
    text = "n\n" + "".join(f"{n}\n" for n in range(5000)) + "odd\n"
    run = only_run(shop, text, {"n": WHOLE}, partialIngestionPercent=1)
    assert (status(run), counts(run)) == ("success", (5001, 5000, 1))
    assert shop.rows("count(*), sum(n)") == [(5000, 5000 * 4999 // 2)]


def test_required_fields_reject_rows(shop: Workshop) -> None:
    shop.table("t", "id,name\n1,a\n,b\n")
    shop.prepare({"id": TEXT, "name": TEXT})
    schema = shop.store.get("schemas", SCHEMA, SCOPE)
    assert schema is not None
    shop.store.put("schemas", SCHEMA, SCOPE, schema | {"required": ["id"]})
    run = shop.ended(shop.run(shop.flow("t", options={"partialIngestionPercent": 60})))
    assert (status(run), counts(run)) == ("success", (2, 1, 1))


@pytest.mark.parametrize("text", ["n,name\n", "n,name"])
def test_a_table_without_rows_lands_an_empty_file(shop: Workshop, text: str) -> None:
    run = only_run(shop, text, {"n": WHOLE, "name": TEXT})
    assert (status(run), counts(run)) == ("success", (0, 0, 0))
    assert shop.rows() == []
    with duckdb.connect() as reader:
        described = reader.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(shop.files()[0])]).fetchall()
    assert [(name, kind) for name, kind, *_ in described] == [("n", "BIGINT"), ("name", "VARCHAR")]


def test_a_column_that_is_always_null_is_a_column(shop: Workshop) -> None:
    only_run(shop, "n,name\n,\n,\n", {"n": WHOLE, "name": TEXT})
    assert shop.rows("n, name") == [(None, None), (None, None)]


def broken(shop: Workshop, what: str) -> None:
    match what:
        case "no table":
            (shop.tables / "t.csv").unlink()
        case "no column":
            shop.table("t", "n\n1\n")
        case "empty file":
            shop.table("t", "")
        case "broken file":
            shop.table("t", 'n,name\n1,"open\n')
        case "no connection":
            shop.store.delete("connections", "base", SCOPE)
        case "no mapping":
            shop.store.delete("mappingSets", "0" * 32, SCOPE)
        case "no schema":
            shop.store.delete("schemas", SCHEMA, SCOPE)
        case "no dataset":
            shop.store.delete("dataSets", DATASET, SCOPE)


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("no table", "CONNECTOR-1001-500"),
        ("no column", "CONNECTOR-2001-500"),
        ("empty file", "CONNECTOR-2001-500"),
        ("broken file", "CONNECTOR-1001-500"),
        ("no connection", "CONNECTOR-1001-500"),
        ("no mapping", "CONNECTOR-2001-500"),
        ("no schema", "CONNECTOR-2001-500"),
        ("no dataset", "CONNECTOR-3001-500"),
    ],
)
def test_a_run_that_cannot_be_done_fails_and_leaves_nothing(shop: Workshop, what: str, code: str) -> None:
    shop.table("t", TEN)
    shop.prepare({"n": WHOLE, "name": TEXT})
    flow = shop.flow("t")
    broken(shop, what)
    run = shop.ended(shop.run(flow))
    assert status(run) == "failed"
    (error,) = run["metrics"]["statusSummary"]["errors"]
    assert error["code"] == code
    assert str(shop.tables) not in json.dumps(run)
    assert counts(run)[1] == 0
    assert shop.files() == []


def test_a_source_column_that_went_away_fails_the_copy(shop: Workshop) -> None:
    shop.table("t", "n\n1\n")
    shop.prepare({"n": WHOLE, "name": TEXT})
    flow = shop.flow("t")
    flow["_local"]["source"]["params"]["columns"] = [{"name": "n"}, {"name": "name"}]
    run = shop.ended(shop.run(flow))
    assert run["metrics"]["statusSummary"]["errors"] == [
        {"code": "CONNECTOR-1001-500", "message": "table t has no column name"}
    ]


def test_a_dataset_removed_while_its_run_runs(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    publish = shop.engine.landing.publish

    def remove_and_publish(dataset_id: str, batch: str) -> None:
        shop.store.delete("dataSets", DATASET, SCOPE)
        shop.engine.landing.drop(DATASET)
        publish(dataset_id, batch)

    monkeypatch.setattr(shop.engine.landing, "publish", remove_and_publish)
    run = only_run(shop, TEN, {"n": WHOLE, "name": TEXT})
    assert (status(run), counts(run)[1], shop.files()) == ("failed", 0, [])


def test_an_unexpected_error_fails_the_run_and_not_the_engine(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shop.folder, "size", lambda name: 1 / 0)
        run = only_run(shop, TEN, {"n": WHOLE, "name": TEXT})
    assert status(run) == "failed"
    flow = shop.store.get("flows", "flow", SCOPE)
    assert flow is not None
    assert status(shop.ended(shop.run(flow))) == "success"


def test_a_parquet_source_with_nested_columns(shop: Workshop) -> None:
    with duckdb.connect() as writer:
        writer.execute("SET TimeZone = 'UTC'")
        writer.execute(
            "COPY (SELECT * FROM (VALUES "
            "(1, 12345678901.25::DECIMAL(20, 2), TIMESTAMPTZ '2024-02-29 01:00:00+01:00', {'city': 'Bonn', 'nr': 7}), "
            "(2, NULL, NULL, NULL), (3, NULL, NULL, {'city': NULL, 'nr': NULL})) t(n, price, \"at\", address)) "
            f"TO '{shop.tables / 't.parquet'}' (FORMAT parquet)"
        )
    address = {"type": "object", "properties": {"city": TEXT, "nr": WHOLE}}
    shop.prepare({"n": WHOLE, "price": NUMBER, "at": MOMENT, "address": address})
    run = shop.ended(shop.run(shop.flow("t")))
    assert (status(run), counts(run)) == ("success", (3, 3, 0))
    assert shop.rows('n, price, "at"::VARCHAR, address') == [
        (1, 12345678901.25, "2024-02-29 00:00:00+00", {"city": "Bonn", "nr": 7}),
        (2, None, None, None),
        (3, None, None, {"city": None, "nr": None}),
    ]


def test_a_rejected_row_of_a_parquet_source_is_kept_too(shop: Workshop) -> None:
    with duckdb.connect() as writer:
        writer.execute(
            "COPY (SELECT 1.5::DECIMAL(3, 1) AS n, TIMESTAMP '2024-02-29 01:00:00' AS moment, 'x'::BLOB AS raw) "
            f"TO '{shop.tables / 't.parquet'}' (FORMAT parquet)"
        )
    shop.prepare({"n": WHOLE, "moment": MOMENT, "raw": TEXT})
    run = shop.ended(shop.run(shop.flow("t", options={"errorDiagnosticsEnabled": True})))
    assert counts(run) == (1, 0, 1)
    (line,) = shop.engine.landing.row_errors(batch_id(run)).read_text().splitlines()
    assert json.loads(line)["row"] == {"n": 1.5, "moment": "2024-02-29T01:00:00Z", "raw": "78"}
    assert [each["column"] for each in json.loads(line)["_errors"]] == ["n", "raw"]


def test_every_letter_and_every_digit_lands(shop: Workshop) -> None:
    texts = ["a\0b", "\u2028\u2029", "\U0010ffff", "\\", '"', "'", "\t", "null", "NaN", "{}", "x" * 100_000, "\x7f\x1f"]
    numbers = [0.1, 1e-308, 1.7976931348623157e308, 5e-324, -0.0, 123456789.123456, 2**53 + 2.0]
    wholes = [2**63 - 1, -(2**63), 0, 2**53 + 1]
    moments = ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "1970-01-01 00:00:00.000001", "1582-10-10 00:00:00"]
    count = len(texts)
    columns = [(each * count)[:count] for each in (numbers, wholes, moments)]
    with (shop.tables / "t.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "number", "whole", "moment"])
        writer.writerows(zip(texts, *columns, strict=True))
    shop.prepare({"text": TEXT, "number": NUMBER, "whole": WHOLE, "moment": MOMENT})
    run = shop.ended(shop.run(shop.flow("t")))
    assert counts(run) == (count, count, 0)
    landed = shop.rows("text, number, whole, strftime(moment, '%Y-%m-%d %H:%M:%S.%f')")
    padded = [moment if "." in moment else f"{moment}.000000" for moment in columns[2]]
    assert landed == list(zip(texts, columns[0], columns[1], padded, strict=True))
    assert [repr(row[1]) for row in landed] == [repr(number) for number in columns[0]]


DAYS = "n,at\n" + "".join(f"{day},2024-02-{day:02d} 12:00:00\n" for day in range(26, 30)) + "31,\n"


def test_windows_append_and_never_overlap(shop: Workshop) -> None:
    shop.table("t", DAYS)
    shop.prepare({"n": WHOLE, "at": MOMENT})
    flow = shop.flow("t")
    edges = [ms(f"2024-02-{day}T12:00:00") for day in (26, 27, 29)]
    for start, end, read in ((edges[0], edges[1], 1), (edges[1], edges[2], 2), (edges[2], edges[2] + 1, 1)):
        params = {"windowStartTime": start // 1000, "windowEndTime": end // 1000}
        run = shop.ended(shop.run(flow, start_ms=start, end_ms=end, delta="at", params=params))
        assert counts(run) == (read, read, 0)
        assert run["params"] == params
        assert run["activities"][0]["durationSummary"]["extensions"] == {"windowStart": start, "windowEnd": end}
    assert sorted(shop.rows("n")) == [(26,), (27,), (28,), (29,)]
    assert len(shop.files()) == 3


MOMENTS = st.integers(0, 8).map(lambda half: half * 500)  # milliseconds, close enough to meet the edges often


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.none() | MOMENTS, max_size=8), MOMENTS, MOMENTS)
def test_the_edges_of_a_window(tmp_path: Path, moments: list[int | None], one: int, other: int) -> None:
    texts = ["" if at is None else f"1970-01-01T00:00:{at / 1000:06.3f}Z" for at in moments]
    (tmp_path / "edges.csv").write_text("n,at\n" + "".join(f"{n},{at}\n" for n, at in enumerate(texts)))
    start, end = min(one, other), max(one, other)
    folder = TableFolder(tmp_path)
    within: dict[str, Callable[[int], bool]] = {
        "start_inclusive": lambda at: start <= at < end,
        "end_inclusive": lambda at: start < at <= end,
        "both_inclusive": lambda at: start <= at <= end,
        "neither_inclusive": lambda at: start < at < end,
    }
    for edges, holds in within.items():
        found = [int(row["n"]) for row in folder.read("edges", ["n"], "at", start, end, edges=edges)]
        assert found == [n for n, at in enumerate(moments) if at is not None and holds(at)], edges
    folder.close()


@pytest.mark.parametrize(("zone", "expected"), [("UTC", "success"), ("Europe/Berlin", "failed")])
def test_another_time_zone_is_refused_and_never_taken_for_utc(shop: Workshop, zone: str, expected: str) -> None:
    shop.table("t", DAYS)
    shop.prepare({"n": WHOLE, "at": MOMENT})
    delta = {"name": "at", "timezone": zone}
    run = shop.engine.start_run(SCOPE, shop.flow("t"), start_ms=0, end_ms=2**42, delta=delta)
    assert status(shop.ended(run["id"])) == expected


@pytest.mark.parametrize(("told", "params", "extensions"), [("extensions", False, True), ("none", False, False)])
def test_runs_that_do_not_tell_their_window(
    workshop: Callable[..., Workshop], told: str, params: bool, extensions: bool
) -> None:
    shop = workshop(assume={"run_window_in_document": told})
    shop.table("t", DAYS)
    shop.prepare({"n": WHOLE, "at": MOMENT})
    run_id = shop.run(shop.flow("t"), start_ms=0, end_ms=2**42, delta="at", params={"windowStartTime": 0})
    run = shop.ended(run_id)
    assert ("params" in run, "extensions" in run["activities"][0]["durationSummary"]) == (params, extensions)
    assert counts(run) == (4, 4, 0)


def test_a_scheduled_flow_takes_history_first_and_then_its_windows(workshop: Callable[..., Workshop]) -> None:
    shop = workshop()
    now = int(time.time())
    start = now + 60
    moments = [start - 1, start, start + 899, start + 900]
    lines = [f"{n},{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S}" for n, moment in enumerate(moments)]
    shop.table("t", "n,at\n" + "\n".join(lines) + "\n9,\n")
    shop.prepare({"n": WHOLE, "at": MOMENT})
    copy = {"name": "Copy", "params": {"deltaColumn": {"name": "at"}}}
    mapping = {"name": "Mapping", "params": {"mappingId": "0" * 32, "mappingVersion": "0"}}
    schedule = {"startTime": str(start), "frequency": "minute", "interval": "15", "backfill": "true"}
    shop.flow("t", state="initializing", transformations=[copy, mapping], scheduleParams=schedule)
    shop.engine.wake()
    awaited(shop.files, lambda files: len(files) >= 3)
    runs = [shop.ended(run["id"]) for run in reversed(shop.store.all("runs", SCOPE))]
    # a slow machine may look so late that two periods become one window; then no row may be missing or doubled either
    assert counts(runs[0]) == (2, 2, 0)
    windows = [run["activities"][0]["durationSummary"]["extensions"] for run in runs]
    assert windows[0] == {"windowStart": 0, "windowEnd": start * 1000}
    assert all(one["windowEnd"] == other["windowStart"] for one, other in itertools.pairwise(windows))
    assert sorted(n for (n,) in shop.rows("n")) == [0, 1, 2, 3, 9]


def test_a_flow_becomes_enabled_and_a_disabled_one_rests(workshop: Callable[..., Workshop]) -> None:
    shop = workshop()
    shop.table("t", TEN)
    shop.prepare({"n": WHOLE, "name": TEXT})
    schedule = {"startTime": int(time.time()) + 1, "frequency": "once"}
    operation = {"status": {"value": "inProgress", "errors": []}, "percentCompleted": 0}
    shop.flow("t", state="initializing", scheduleParams=schedule, lastOperation=operation)
    shop.engine.wake()
    runs = awaited(lambda: shop.store.all("runs", SCOPE))
    flow = shop.store.get("flows", "flow", SCOPE)
    assert flow is not None
    assert (flow["state"], flow["lastOperation"]["status"]["value"]) == ("enabled", "completed")
    assert counts(shop.ended(runs[0]["id"])) == (10, 10, 0)
    assert shop.store.next_due("flows") is None
    # woken again, a flow of frequency once has nothing more to do
    shop.store.put("flows", "flow", SCOPE, flow, due_ms=0)
    shop.engine.wake()
    awaited(lambda: shop.store.next_due("flows"), lambda due: due is None)
    assert len(shop.store.all("runs", SCOPE)) == 1
