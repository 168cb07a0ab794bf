"""
Rows that AEP cannot convert: what a task tells, whether it fails and what its log holds agree with the source's table and
the dataset's Parquet files, and not one value of a rejected row is told.

The tables: a small one made here, ServiceNow's own one with text written into a column that held only numbers when the
dataflow was made, and that one as it is, with a column of text mapped onto a field for numbers.
"""

from __future__ import annotations

import csv
import json
import logging
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from airflow.sdk.module_loading import import_string
from airflow.triggers.base import TaskSuccessEvent

from aep_provider.errors import AepRunEmptyError, AepRunFailedError, AepRunPartialError
from aep_provider.operators import AepCreateFlowRunOperator
from aep_provider.resources.schema import tenant_id
from aep_provider.sensors import AepFlowRunSensor
from environment import ROOT

REAL_TABLE = ROOT.parent / "shared" / "data" / "servicenow" / "incident.csv"
KEY, DELTA = "sys_id", "sys_updated_at"
THRESHOLD = 5
"""Percent of rejected rows at which AEP fails a run, by default."""
SAMPLE = 5
"""So many rejected rows a report shows at the most."""
TEXTS = ("ask Łucja, 0048-600-100-217", "7 or 8 times", "12,5", "0x1F is it", 'she said "twice"', "n/a – unknown")
WORKER = {"deferrable": False}
TRIGGERER = {"deferrable": True}


@dataclass
class Table:
    """The source's table, read and counted with nothing but a reader of CSV."""

    file: Path
    column: str
    """Which column goes to a field for whole numbers."""

    def rows(self, day: str) -> list[dict[str, str]]:
        return [row for row in self._all() if row[DELTA].startswith(day)]

    def unfit(self, day: str) -> list[dict[str, str]]:
        """The rows of a day that hold something else than a whole number or nothing."""
        return [row for row in self.rows(day) if not self.fits(row)]

    def fits(self, row: dict[str, str]) -> bool:
        return re.fullmatch(r"-?[0-9]+|", row[self.column]) is not None

    def spoil(self, day: str, count: int) -> None:
        """Write text into so many rows of a day, spread over it."""
        rows = self.rows(day)
        chosen = [rows[number * len(rows) // count][KEY] for number in range(count)]
        self._write({key: TEXTS[number % len(TEXTS)] for number, key in enumerate(chosen)})

    def mend(self, day: str) -> None:
        """Empty what does not fit."""
        self._write({row[KEY]: "" for row in self.unfit(day)})

    def _all(self) -> list[dict[str, str]]:
        with self.file.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def _write(self, changed: dict[str, str]) -> None:
        rows = self._all()
        aside = self.file.with_suffix(".aside")
        with aside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            for row in rows:
                writer.writerow({**row, self.column: changed.get(row[KEY], row[self.column])})
        aside.replace(self.file)


@dataclass
class Days:
    """Days of a table, and how many of their rows do not fit."""

    below: dict[str, int]
    """AEP takes the other rows of these days."""
    above: tuple[str, int]
    """It takes none of this one."""
    empty: str
    """It has no rows."""


GENERATED = Days({"2026-01-05": 2, "2026-01-06": 2}, ("2026-01-07", 3), "2026-01-20")
"""Of 60 rows each: 3.3 percent, and exactly as many as AEP does not bear."""
SPOILT = Days({"2016-03-02": 64, "2016-03-03": 30}, ("2016-03-01", 39), "2016-03-07")
"""Of 1285 and 602 rows, where one more would be too many; and of 767, where one less would not."""
AS_IT_IS = Days({"2016-03-02": 50, "2016-03-01": 25}, ("2016-03-06", 6), "2016-03-07")
"""What ServiceNow's table has in its column ``problem_id``."""


def generated_table(file: Path) -> None:
    """Sixty rows a day, not in the order of their time."""
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow([KEY, "caller", "phone", "calls", DELTA])
        for number in range(180):
            day, minute = 5 + number % 3, number * 7 % 1440
            moment = f"2026-01-{day:02} {minute // 60:02}:{minute % 60:02}:00"
            phone = f"+48 600 {number:03} {number * 3:03}"
            writer.writerow([f"row-{number}", f"Zoë Ćwik {number}", phone, number % 9, moment])


@dataclass
class Load:
    """A dataflow whose source has rows that do not fit, and all that its tasks have said."""

    table: Table
    days: Days
    flow: Any
    wire: Any
    task: Any
    caplog: Any
    capfd: Any
    target: str
    """The path of the field for whole numbers."""
    stores: dict[str, Any] = field(default_factory=dict)
    """What outlives a try, by window."""
    printed: str = ""

    def window(self, day: str, **arguments: Any) -> Any:
        """The task that loads a day; made again for one day, it is the same task."""
        values = {"poll_interval": 0.05, "timeout": 20, "settle_seconds": 1.5, "delta_column": DELTA, **arguments}
        edges = {"window_start": day, "window_end": following(day)}
        operator = AepCreateFlowRunOperator(task_id="window", flow_id=self.flow.flow_id, **edges, **values)
        done = self.task(operator)
        done.store = self.stores.setdefault(day, done.store)
        return done

    def sensor(self, run_id: str, **arguments: Any) -> Any:
        return self.task(AepFlowRunSensor(task_id="sensor", run_id=run_id, poke_interval=0.05, timeout=20, **arguments))

    def landed(self, batch: str = "*") -> list[tuple[str, int | None]]:
        """Key and number of each row in the dataset, or in one batch of it."""
        files = self.flow.state / "datasets" / self.flow.dataset / f"{batch}.parquet"
        if not list(files.parent.glob(files.name)):
            return []
        tenant, table, name = self.target.split(".")
        inside = f'("{tenant}").{table}'
        with duckdb.connect() as database:
            found = database.execute(f"select {inside}.{KEY}, {inside}.{name} from read_parquet('{files}')").fetchall()
        return sorted(found)

    def fitting(self, *days: str) -> list[tuple[str, int | None]]:
        """The same of the rows of some days that fit, from the table."""
        rows = [row for day in days for row in self.table.rows(day) if self.table.fits(row)]
        return sorted((row[KEY], int(row[self.table.column]) if row[self.table.column] else None) for row in rows)

    def said(self, done: Any, raised: BaseException | str = "") -> str:
        """Everything that came out of a task: its log, what it printed, its XComs and its error."""
        out, err = self.capfd.readouterr()
        self.printed += out + err
        xcoms = json.dumps(done.ti.xcoms, ensure_ascii=False)
        return "\n".join([self.caplog.text, self.printed, xcoms, str(raised), repr(raised)])

    def report(self) -> list[str]:
        """The lines of the log about runs that did not bring what they should."""
        records = self.caplog.records
        return [one.getMessage() for one in records if one.name == "aep_provider.operators.run_outcome"]

    def posted(self) -> int:
        return sum(seen.method == "POST" and seen.path.endswith("/flowservice/runs") for seen in self.wire.seen)

    def forget(self) -> None:
        """What was said so far."""
        self.caplog.clear()
        self.capfd.readouterr()
        self.printed = ""


def following(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


CASES = [
    "generated",
    pytest.param("text among ServiceNow's numbers", marks=pytest.mark.slow),
    pytest.param("ServiceNow's text mapped onto a number", marks=pytest.mark.slow),
]


@pytest.fixture(params=CASES)
def load(
    request: pytest.FixtureRequest, start_platform: Callable[..., Any], make_wire: Any, make_client: Callable[..., Any],
    set_connection: Callable[..., None], org: str, on_demand: Any, task: Any, no_waits: None, caplog: Any, capfd: Any,
) -> Load:  # fmt: skip
    """The dataflow is made while everything fits; then the rows come that do not."""
    real = request.param != "generated"
    if real and not REAL_TABLE.exists():
        pytest.skip(f"ServiceNow's table is not there: {REAL_TABLE}")
    platform = start_platform("--time-scale", "0.001")
    file = platform.state.parent / "tables" / "incident.csv"
    shutil.copyfile(REAL_TABLE, file) if real else generated_table(file)
    wire = make_wire(platform)
    extra = json.dumps({"ims_org_id": org, "token_url": f"{wire.url}/ims/token/v3"})
    set_connection("aep_default", conn_type="aep", host=wire.url, login="t", password="secret-of-the-test", extra=extra)
    client = make_client(wire.url)
    prefix = f"_{tenant_id(client)}.incident"
    more: dict[str, Any] = {}
    if request.param == CASES[-1].values[0]:
        days, column, target = AS_IT_IS, "problem_id", f"{prefix}.reassignment_count"
        pairs = {KEY: f"{prefix}.{KEY}", "caller_id": f"{prefix}.caller_id", column: target}
        more["mapping"] = [{"source": source, "destination": destination} for source, destination in pairs.items()]
    else:
        days, column = (SPOILT, "reassignment_count") if real else (GENERATED, "calls")
        target = f"{prefix}.{column}"
    flow = on_demand(client, platform, **more)
    table = Table(file, column)
    for day, count in [*days.below.items(), days.above]:
        if not more:
            table.spoil(day, count)
        # Which days are below the threshold and which above it is a matter of the table, and not of AEP.
        assert len(table.unfit(day)) == count
        assert (100 * count < THRESHOLD * len(table.rows(day))) is (day in days.below)
    caplog.set_level(logging.DEBUG)
    made = Load(table, days, flow, wire, task, caplog, capfd, target)
    made.forget()
    return made


async def ended(done: Any) -> Any:
    """Run a task to its end, also where the triggerer waits for it; everything crosses the database."""
    try:
        return done.run()
    except TaskDeferred as deferred:
        path, kwargs = deferred.trigger.serialize()
        trigger = import_string(path)(**json.loads(json.dumps(kwargs)))
        (event,) = [event async for event in trigger.run()]
        if isinstance(event, TaskSuccessEvent):
            told = json.loads(json.dumps(event.xcoms))
            value = told.pop("return_value")
            done.ti.xcoms |= told
            return value
        payload = json.loads(json.dumps(event.payload))
        return done.operator.resume_execution(deferred.method_name, {"event": payload}, done.context)


async def fails_for_good(done: Any, cause: type[Exception]) -> AirflowFailException:
    """No retry of this task would be made."""
    with pytest.raises(AirflowFailException) as raised:
        await ended(done)
    assert type(raised.value.__cause__) is cause
    return raised.value


def tells_the_counts(done: Any, state: str, rows: dict[str, int]) -> None:
    wanted = {"state": state, **rows}
    assert {key: done.ti.xcoms["outcome"][key] for key in wanted} == wanted


def counts(read: int, rejected: int, *, written: int | None = None) -> dict[str, int]:
    written = read - rejected if written is None else written
    return {"rows_read": read, "rows_written": written, "rows_rejected": rejected}


def holds_the_report(load: Load, run_id: str, day: str, said_by_aep: str, rows: dict[str, int]) -> None:
    """Counts, codes and their meaning, and a sample of the rejected rows, as the table has them."""
    read, written, rejected = rows.values()
    report = load.report()
    (batch,) = {line.partition(": ")[2] for line in report if line.startswith("Batches: ")}
    sample = min(SAMPLE, rejected)
    at = f"/data/foundation/export/batches/{batch}/meta?path=row_error_samples.json"
    for line in (
        f"Report on flow run {run_id} of flow 'incidents' ({load.flow.flow_id})",
        said_by_aep,
        f"Window: {day}T00:00:00Z to {following(day)}T00:00:00Z",
        f"Rejected rows, {sample} of {rejected}, from {at}",
    ):
        assert report.count(line) == 1, line
    for start in (
        f"Rows: {read} read, {written} written, {rejected} rejected, ",
        f"Error CONNECTOR-2001-500 {rejected} of {read} rows were rejected; the threshold is {THRESHOLD} percent",
        "  It means: AEP counted rejected rows, and fails the whole run where their share reaches the flow's threshold",
        "  To do: Mend the values or the mapping as the rejected rows tell",
        f"Error INGEST-1212-400 encountered {rejected} errors in the data, ingested {written} rows ({rejected} rows)",
        "  It means: Rows were rejected; the message says how many of them, and how many landed",
    ):
        assert sum(line.startswith(start) for line in report) == 1, start
    holds_the_sample(load, day, sample)


def holds_the_sample(load: Load, day: str, sample: int) -> None:
    """The first rejected rows, each on a line that has room for nothing else; in a number a value may be left out."""
    rows = load.table.rows(day)
    places = [str(number) for number, row in enumerate(rows, 1) if not load.table.fits(row)][:sample]
    lines = [line for line in load.report() if re.match(r" +[0-9]+\. ", line)]
    path = re.escape(load.target)
    for number, (line, place) in enumerate(zip(lines, places, strict=True), 1):
        told = rf"  {number}\. MAPPER-3700-400 {path}: row ([0-9…]+), {path}: text is not an integer \(columns: (.+)\)"
        match = re.fullmatch(told, line)
        assert match, line
        assert re.fullmatch(match[1].replace("…", "[0-9]+"), place)
        names = re.sub(r" and [0-9]+ more$", "", match[2]).split(", ")
        assert names[0] == KEY
        assert set(names) <= rows[0].keys()


def tells_no_value(load: Load, day: str, said: str) -> None:
    """Of no rejected row. Bare numbers are everywhere; where they might be told, :func:`holds_the_sample` looks."""
    for row in load.table.unfit(day):
        # AEP may cut what it quotes, so the beginning of what does not fit must not be there either.
        for value in (*row.values(), row[load.table.column][:8]):
            if len(value) > 2 and not value.isdigit():
                # Logs put blanks together, and XComs are JSON.
                for written in {value, " ".join(value.split()), json.dumps(value)[1:-1], repr(value)[1:-1]}:
                    assert written not in said, f"{row[KEY]}: {value!r}"


async def test_a_few_rejected_rows_fail_the_task_for_good(load: Load) -> None:
    """The good rows are in the dataset. Task and sensors, in the worker and in the triggerer, tell the same of the bad ones."""
    for day, how in zip(load.days.below, (WORKER, TRIGGERER), strict=True):
        rows = counts(len(load.table.rows(day)), len(load.table.unfit(day)))
        done = load.window(day, **how)
        raised = await fails_for_good(done, AepRunPartialError)
        run_id = await ended(load.window(day, wait=False))
        for waits in (None, WORKER, TRIGGERER):
            if waits is not None:
                load.forget()
                done = load.sensor(run_id, **waits)
                raised = await fails_for_good(done, AepRunPartialError)
            assert (
                f"rows {rows['rows_read']} read, {rows['rows_written']} written, {rows['rows_rejected']} rejected"
                in str(raised)
            )
            tells_the_counts(done, "partially succeeded", rows)
            assert done.ti.xcoms["outcome"]["codes"] == ["CONNECTOR-2001-500", "INGEST-1212-400"]
            (batch,) = done.ti.xcoms["outcome"]["batch_ids"]
            assert load.landed(batch) == load.fitting(day)
            assert len(load.landed(batch)) == rows["rows_written"]
            holds_the_report(load, run_id, day, "AEP says success; that is: partially succeeded", rows)
            tells_no_value(load, day, load.said(done, raised))
        load.forget()
    assert load.landed() == load.fitting(*load.days.below)
    assert load.posted() == 2


async def test_what_is_borne_is_borne_to_the_row(load: Load) -> None:
    """The same run, judged again: so many rows or percent pass, and one less or a hair less does not."""
    day, rejected = next(iter(load.days.below.items()))
    read = len(load.table.rows(day))
    share = 100 * rejected / read
    passes: list[dict[str, Any]] = [
        {"max_rejected_rows": rejected},
        {"max_rejected_percent": share},
        {"max_rejected_rows": 0, "max_rejected_percent": share},
        {"max_rejected_rows": str(rejected), "max_rejected_percent": 0},
        {"accept_partial": True},
        {"accept_partial": True, "accept_empty": False},
    ]
    fails: list[dict[str, Any]] = [
        {"max_rejected_rows": rejected - 1},
        {"max_rejected_percent": math.nextafter(share, 0)},
        {"max_rejected_rows": rejected - 1, "max_rejected_percent": math.nextafter(share, 0)},
        {"max_rejected_rows": rejected - 1, "accept_partial": False},
    ]
    run_id = await ended(load.window(day, **TRIGGERER, **passes[0]))
    for bounds in passes + fails:
        for done in (
            load.window(day, **WORKER, **bounds),
            load.sensor(run_id, **WORKER, **bounds),
            load.sensor(run_id, **TRIGGERER, **bounds),
        ):
            load.forget()
            if bounds in passes:
                assert await ended(done) == run_id
                assert load.report() == []
            else:
                raised = await fails_for_good(done, AepRunPartialError)
                assert f"{rejected} rejected" in str(raised)
                assert f"Report on flow run {run_id} of flow 'incidents' ({load.flow.flow_id})" in load.report()
            tells_the_counts(done, "partially succeeded", counts(read, rejected))
            tells_no_value(load, day, load.said(done))
    assert load.landed() == load.fitting(day)
    assert load.posted() == 1


async def test_too_many_rejected_rows_fail_the_whole_run(load: Load) -> None:
    """Nothing lands, and nothing makes that pass. Once the rows are mended, the next try brings each of them once."""
    day, rejected = load.days.above
    rows = counts(len(load.table.rows(day)), rejected, written=0)
    done = load.window(day, **TRIGGERER, accept_partial=True, max_rejected_percent=100, max_rejected_rows=10**6)
    with pytest.raises(AepRunFailedError, match=f"{rejected} of {rows['rows_read']} rows were rejected") as raised:
        await ended(done)
    load.flow.wait_for(load.flow.runs)
    (run,) = load.flow.runs()
    waits = [load.window(day, **WORKER, on_failed_run="fail")]
    waits += [
        load.sensor(run["id"], **how, accept_partial=True, max_rejected_percent=100) for how in (WORKER, TRIGGERER)
    ]
    for again in (None, *waits):
        final: BaseException = raised.value
        if again is not None:
            load.forget()
            final = await fails_for_good(again, AepRunFailedError)
        done = again or done
        if again is not waits[0]:
            # The one that leaves a failed run to a human has nothing to wait for.
            tells_the_counts(done, "failed", rows)
            holds_the_report(load, run["id"], day, "AEP says failed; that is: failed", rows)
        tells_no_value(load, day, load.said(done, final))
    assert load.landed() == []
    assert load.posted() == 1

    load.table.mend(day)
    load.forget()
    done = load.window(day, **TRIGGERER)
    await ended(done)
    assert done.ti.xcoms["how"] == "re-triggered"
    tells_the_counts(done, "succeeded", counts(rows["rows_read"], 0))
    assert load.report() == []
    assert load.landed() == load.fitting(day)
    assert len(load.landed()) == rows["rows_read"]


async def test_a_window_without_rows(load: Load) -> None:
    """A success, unless somebody asks for rows: then it is a failure for good, and no other run is posted."""
    day = load.days.empty
    assert load.table.rows(day) == []
    run_id = await ended(load.window(day, **TRIGGERER))
    for how in (WORKER, TRIGGERER):
        for done in (load.window(day, **how), load.sensor(run_id, **how)):
            assert await ended(done) == run_id
            tells_the_counts(done, "succeeded", counts(0, 0))
    assert load.report() == []
    for bounds in ({}, {"accept_partial": True, "max_rejected_percent": 100, "max_rejected_rows": 1}):
        for done in (
            load.window(day, **WORKER, **bounds, accept_empty=False),
            load.sensor(run_id, **WORKER, **bounds, accept_empty=False),
            load.sensor(run_id, **TRIGGERER, **bounds, accept_empty=False),
        ):
            load.forget()
            await fails_for_good(done, AepRunEmptyError)
            tells_the_counts(done, "succeeded", counts(0, 0))
            report = load.report()
            assert f"Report on flow run {run_id} of flow 'incidents' ({load.flow.flow_id})" in report
            assert any(line.startswith("Rows: 0 read, 0 written, 0 rejected, ") for line in report)
            assert not any(line.startswith("Rejected rows") for line in report)
    assert load.landed() == []
    assert load.posted() == 1


QUOTES: list[Callable[[str, dict[str, str]], str]] = [
    lambda value, row: f"cannot be converted to INTEGER: the value '{value}'",
    lambda value, row: f"cannot be converted: {json.dumps(value)} in the row {json.dumps(row)}",
    lambda value, row: f"cannot be converted: {value} (key {row[KEY]}; {', '.join(map(str, row.values()))})",
]
"""How AEP may quote what it could not convert."""


async def test_values_that_aep_quotes_are_left_out(load: Load) -> None:
    """The platform's own words quote nothing, so these are put into the rows that it rejected, on their way here."""
    day = next(iter(load.days.below))
    loaded = load.window(day, **WORKER, accept_partial=True)
    run_id = await ended(loaded)
    (batch,) = loaded.ti.xcoms["outcome"]["batch_ids"]
    kept = (load.flow.state / "row_errors" / f"{batch}.json").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in kept.splitlines()]
    assert [line["row"][KEY] for line in lines] == [row[KEY] for row in load.table.unfit(day)]
    for quoted in QUOTES:
        for line in lines:
            line["_errors"][0]["message"] = quoted(line["row"][load.table.column], line["row"])
        load.wire.faults.clear()
        load.wire.answer("GET", f"/export/batches/{batch}/meta", lines)
        for done in (load.sensor(run_id, **WORKER), load.sensor(run_id, **TRIGGERER), load.window(day, **WORKER)):
            load.forget()
            raised = await fails_for_good(done, AepRunPartialError)
            told = [line for line in load.report() if re.match(r" +[0-9]+\. ", line)]
            assert len(told) == min(SAMPLE, len(lines))
            for line in told:
                assert f" MAPPER-3700-400 {load.target}: cannot be converted" in line
                assert "…" in line
            tells_no_value(load, day, load.said(done, raised))


async def test_values_are_shown_where_the_configuration_says_so(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__AEP__SHOW_REJECTED_VALUES", "True")
    day = next(iter(load.days.below))
    await fails_for_good(load.window(day, **WORKER), AepRunPartialError)
    shown = [line for line in load.report() if "holds " in line]
    assert len(shown) == min(5, len(load.table.unfit(day)))
    assert load.table.unfit(day)[0][KEY] in shown[0]
