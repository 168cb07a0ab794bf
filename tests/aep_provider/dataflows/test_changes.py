"""
Every kind of change made once: what is planned, what is done about it, and what lands afterwards.

A window that was loaded before is loaded again by nothing but a new dataset.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any, ClassVar

import pytest

from aep_provider.dataflows.plan import Change
from aep_provider.errors import AepDifferenceError, AepError
from aep_provider.resources.flow import Flow
from aep_provider.resources.flow_state import FlowState, set_state
from aep_provider.resources.run import runs_of, window_of
from aep_provider.resources.window import Window
from aep_provider.resources.window_run import How, WindowRequest, start_window

from ..conftest import Platform
from .estate import (
    NEXT_PASSWORD,
    QUICK,
    Estate,
    Killed,
    Line,
    dataflow,
    day,
    ensured,
    keys,
    load,
    login,
    rows,
    serve_estate,
    table,
    tally,
    until,
    write_table,
)

CREATE, UPDATE, REPLACE = Change.CREATE, Change.UPDATE, Change.REPLACE
SOURCE, TARGET, SET, FLOW = "source connection", "target connection", "mapping set", "flow"
NEW_FLOW = {SET: CREATE, FLOW: REPLACE}
NEW_PAIR = {SOURCE: REPLACE, TARGET: REPLACE, **NEW_FLOW}
FEW = ["sys_id", "number", "sys_updated_on"]
COUNTS_AS_DONE = "none is loaded again, and their rows stay as they are"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform on which a run takes no time."""
    running = serve_estate(tmp_path_factory.mktemp("changes") / "aep", "--time-scale", "0.001", tables=30)
    yield running
    running.end()


@pytest.fixture
def estate(platform: Platform) -> Iterator[Estate]:
    """Its flows run no longer than the test."""
    estate = Estate(platform)
    yield estate
    with estate.process() as client:
        for document in estate.inventory().documents[Flow]:
            set_state(client, document["id"], FlowState.DISABLED)


def to(field_name: str, number: int = 0) -> str:
    """The path of the field that was derived for a column."""
    return f"_{{TENANT_ID}}.{table(number)}.{field_name}"


@dataclass(frozen=True)
class Case:
    """
    A change of an on-demand dataflow that has loaded a window.

    :param after: what is declared then; ``before`` is what was.
    :param changes: what becomes of the objects that do not stay as they are.
    :param lines: part of what is told of an object, by kind.
    :param implies: what is told of rows.
    :param loses: whether that needs to be accepted.
    :param next: the window that is loaded then.
    :param lands: what of its row.
    """

    after: dict[str, Any]
    changes: dict[str, Change]
    lines: dict[str, str]
    lands: dict[str, Any]
    before: dict[str, Any] = field(default_factory=dict)
    implies: str = COUNTS_AS_DONE
    loses: bool = False
    next: Window = field(default_factory=lambda: day(2))


CASES = {
    "mapping": Case(
        {"mapping": [
            {"source": "sys_id", "destination": to("sys_id")},
            {"source": "number", "destination": to("short_description")},
        ]},
        NEW_FLOW,
        {SET: 'short_description.source: "short_description" in AEP, "number" wanted', FLOW: "mapping.id"},
        {"short_description": "N0002", "number": None},
    ),
    "a column less": Case(
        {"columns": FEW},
        NEW_PAIR,
        {SOURCE: 'columns.priority: {"name": "priority", "type": "integer"', FLOW: "source[0]"},
        {"number": "N0002", "priority": None},
    ),
    "a column more": Case(
        {"columns": [*FEW, "priority"]},
        {"field group": UPDATE, **NEW_PAIR},
        {"field group": "priority: missing in AEP", SOURCE: "columns.priority: missing in AEP"},
        {"number": "N0002", "priority": 3},
        before={"columns": FEW},
    ),
    "delta column": Case(
        {"delta_column": "sys_created_on"},
        {FLOW: REPLACE},
        {FLOW: 'delta column: "sys_updated_on" in AEP, "sys_created_on" wanted'},
        {"number": "N0002"},
        implies="by the column 'sys_updated_on': rows whose 'sys_created_on' lies in another window than that come twice",
        loses=True,
        # The second row was made twenty days before it was changed.
        next=Window(day(2).start - 20 * 86_400, day(2).end - 20 * 86_400),
    ),
    "table": Case(
        {"table": table(2)},
        {"field group": UPDATE, **NEW_PAIR},
        {SOURCE: f'table: "{table(0)}" in AEP, "{table(2)}" wanted'},
        {"sys_id": "t02d2"},
        implies=f"although they were loaded from the table '{table(0)}': the rows of '{table(2)}' in them are missed",
        loses=True,
    ),
    "partial ingestion": Case(
        {"policy": {"partial_ingestion_percent": 9}},
        {FLOW: REPLACE},
        {FLOW: "options.partialIngestionPercent: 5 in AEP, 9 wanted"},
        {"number": "N0002"},
    ),
    "error diagnostics": Case(
        {"policy": {"error_diagnostics": False}},
        {FLOW: REPLACE},
        {FLOW: "options.errorDiagnosticsEnabled: true in AEP, false wanted"},
        {"number": "N0002"},
    ),
    "field groups": Case(
        {"target": {"field_groups": ["profile-person-details"]},
         "mapping": [{"source": "number", "destination": "person.name.lastName"}]},
        {"schema": UPDATE, **NEW_FLOW},
        {"schema": "profile-person-details missing in AEP"},
        {"lastName": "N0002"},
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
class TestOnDemand:
    """The flow that goes is kept under another name, so that its windows still count."""

    def test_what_is_planned_is_done_and_no_window_comes_twice(self, estate: Estate, case: Case) -> None:
        before, after = dataflow(**case.before), dataflow(**case.after)
        estate.apply(before)
        load(estate, before, day(1))

        looked = estate.plan(after)
        assert looked.changes(after) == case.changes
        assert [kind for kind, part in case.lines.items() if part not in "; ".join(looked.lines(after, kind))] == []
        ((told, loses),) = [(one.text, one.loses) for one in looked.of(after).consequences]
        assert (case.implies in told, loses) == (True, case.loses)
        if case.loses:
            self.is_refused(estate, after)

        estate.apply(after, accept=case.loses)
        again = estate.plan(after)
        assert (again.plan.has_work, again.plan.orphans) == (False, ())
        assert load(estate, after, day(1)).how is How.TAKEN_OVER
        load(estate, after, case.next)
        assert self.landed(estate, after) == [1, 1]
        assert case.lands.items() <= self.row(estate, after, 2).items()

    @staticmethod
    def is_refused(estate: Estate, spec: Any) -> None:
        line = Line()
        with line.open(), pytest.raises(AepDifferenceError, match="Apply with accept if that is meant"):
            estate.apply(spec)
        assert line.only_reads

    @staticmethod
    def landed(estate: Estate, spec: Any) -> list[int]:
        """How many rows each of the first two days has brought."""
        found = rows(estate, ensured(estate, spec).dataset_id)
        return [sum(f"d{number}" in str(row) or f"N{number:04}" in str(row) for row in found) for number in (1, 2)]

    @staticmethod
    def row(estate: Estate, spec: Any, number: int) -> dict[str, Any]:
        found = rows(estate, ensured(estate, spec).dataset_id)
        return next(row for row in found if f"d{number}" in str(row) or f"N{number:04}" in str(row))


def test_what_may_be_refused_is_made_before_the_old_flow_is_stopped(estate: Estate) -> None:
    """And what fails costs only the dataflow that needs it."""
    estate.apply(dataflow(), dataflow(2))
    ensured(estate, dataflow())
    broken = [{"sourceType": "EXPRESSION", "source": "concat(", "destination": to("sys_id")}]
    with estate.look([dataflow(mapping=broken), dataflow(2, columns=FEW)]) as looked:
        failed = looked.apply().failed
    assert [(name, "AEP refuses 1 of 1 mappings" in why) for name, why in failed.items()] == [("incidents 00", True)]
    looked = estate.plan(dataflow(), dataflow(2, columns=FEW))
    assert not looked.plan.has_work
    load(estate, dataflow(), day(1))


def test_a_delta_column_of_which_no_run_has_made_use_is_only_noted(estate: Estate) -> None:
    """The first window brings it to the flow."""
    estate.apply(dataflow())
    after = dataflow(delta_column="sys_created_on")
    looked = estate.plan(after)
    assert (looked.changes(after), looked.plan.losses) == ({FLOW: UPDATE}, [])
    estate.apply(after)
    load(estate, after, Window(day(2).start - 20 * 86_400, day(2).end - 20 * 86_400))
    assert keys(rows(estate, ensured(estate, after).dataset_id)) == ["t00d2"]


def test_when_airflow_has_windows_loaded_is_nothing_to_aep(estate: Estate) -> None:
    before = dataflow(schedule={"cron": "@daily", "start": "2026-01-01"})
    after = dataflow(schedule={"cron": "0 * * * *", "start": "2026-02-01", "lag": "2h"}, policy={"retries": 9})
    estate.apply(before)
    assert estate.plan(after).plan.document() == estate.plan(before).plan.document()
    assert not estate.plan(after).plan.has_work


class TestAnotherDataset:
    """What was loaded stays where it is."""

    def test_begins_empty_and_takes_all_windows_again(self, estate: Estate) -> None:
        before, after = dataflow(), dataflow(target={"dataset": "elsewhere"})
        estate.apply(before)
        load(estate, before, day(1))
        old = ensured(estate, before).dataset_id

        looked = estate.plan(after)
        assert looked.changes(after) == {"dataset": CREATE, SOURCE: REPLACE, TARGET: REPLACE, FLOW: REPLACE}
        ((_, told),) = looked.plan.losses
        assert "What was loaded stays in the old dataset" in told
        assert "1 row in 1 run, of the time 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z" in told
        estate.apply(after, accept=True)
        assert not estate.plan(after).plan.has_work
        assert load(estate, after, day(1)).how is How.POSTED
        new = ensured(estate, after).dataset_id
        assert (keys(rows(estate, old)), keys(rows(estate, new))) == (["t00d1"], ["t00d1"])

    def test_is_needed_for_another_schema(self, estate: Estate) -> None:
        """A dataset has one schema for good."""
        others = dataflow(2, table=table(0))
        estate.apply(dataflow(), others)
        existing = {"existing_schema": others.name}
        ((_, why),) = estate.plan(dataflow(target=existing), others).plan.errors
        assert "AEP keeps a dataset's schema for good: choose another name for the dataset" in why

        after = dataflow(target={**existing, "dataset": "elsewhere"})
        looked = estate.plan(after, others)
        assert looked.changes(after) == {"dataset": CREATE, SOURCE: REPLACE, TARGET: REPLACE, FLOW: REPLACE}
        assert [(step.kind, step.name) for step in looked.plan.orphans or ()] == [
            ("dataset", "incidents 00"),
            ("schema", "incidents 00"),
            ("field group", "incidents 00 columns"),
        ]
        estate.apply(after, others)
        load(estate, after, day(1))
        assert keys(rows(estate, ensured(estate, after).dataset_id)) == ["t00d1"]
        assert not estate.plan(after, others).plan.has_work


class TestAnotherName:
    def test_is_another_dataflow_and_the_old_one_is_left_and_listed(self, estate: Estate) -> None:
        before, after = dataflow(), dataflow(name="tickets")
        estate.apply(before)
        looked = estate.plan(after)
        assert set(looked.changes(after).values()) == {CREATE}
        orphans = {step.kind for step in looked.plan.orphans or ()}
        assert orphans == {SOURCE, TARGET, FLOW, "dataset", "schema", "field group"}
        assert looked.plan.losses == []
        estate.apply(after)
        there = tally(estate.inventory())
        assert (there[FLOW], there["dataset"]) == ({"incidents 00": 1, "tickets": 1}, {"incidents 00": 1, "tickets": 1})

    def test_for_the_same_dataset_would_bring_rows_twice(self, estate: Estate) -> None:
        target = {"existing_schema": "incidents 02", "dataset": "incidents 02"}
        before, after, others = dataflow(target=target), dataflow(name="tickets", target=target), dataflow(2)
        estate.apply(others)
        estate.apply(others, before)
        ((name, told),) = estate.plan(others, after).plan.losses
        assert (name, "The flow 'incidents 00', which nothing declares any more" in told) == ("tickets", True)


class TestCredentials:
    def test_are_no_part_of_a_plan_and_sent_when_asked_for(self, estate: Estate) -> None:
        spec = dataflow()
        estate.apply(spec)
        base = estate.inventory().documents
        rotated = Estate(estate.platform, estate.org, login=lambda conn_id: login(conn_id, NEXT_PASSWORD))
        assert rotated.plan(spec).plan.document() == estate.plan(spec).plan.document()

        line = Line()
        with line.open():
            rotated.apply(spec)
        assert line.only_reads
        with line.open():
            rotated.apply(spec, send_credentials=True)
        sent = [one.url.rpartition("/flowservice/")[2].partition("/")[0] for one in line.sent if one.writes]
        assert set(sent) == {"connections"}
        assert tally(rotated.inventory()) == tally(estate.inventory())
        assert [len(each) for each in rotated.inventory().documents.values()] == [len(each) for each in base.values()]
        load(rotated, spec, day(1))


OFTEN = {"frequency": "minute", "interval": 15}
"""A second of the platform's time."""
RARELY = {**OFTEN, "start": "2037-01-01"}


def recurring(number: int, recurrence: dict[str, Any], **more: Any) -> Any:
    return dataflow(number, load="recurring", recurrence=recurrence, **more)


def ahead(estate: Estate, flow_id: str) -> float:
    """A moment that a flow's next runs will come to: where time is shrunk, their windows hurry ahead of it."""
    with estate.process() as client:
        told = until(lambda: [window for run in runs_of(client, flow_id) if (window := window_of(run))])
    return float(max(end for _, end in told) / 1000 + 2700)


def row_of(platform: Platform, number: int, moment: float) -> None:
    """A row that the source system has since a moment."""
    told = datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)
    file = platform.state.parent / "tables" / f"{table(number)}.csv"
    with file.open("a", encoding="utf-8") as rows_of:
        rows_of.write(f"new,N9,1,new,true,{told},{told}\n")


@pytest.mark.slow
class TestRecurring:
    """AEP lets mapping, interval and policy of such a flow be changed."""

    @pytest.mark.parametrize(
        ("number", "after", "changes", "line"),
        [
            (4, {}, {FLOW: UPDATE}, "schedule.interval: 15 in AEP, 20 wanted"),
            (6, {"mapping": [{"source": "number", "destination": to("sys_id", 6)}]}, {SET: CREATE, FLOW: UPDATE}, "mapping.id"),
            (8, {"policy": {"partial_ingestion_percent": 9}}, {FLOW: UPDATE}, "options.partialIngestionPercent: 5 in AEP"),
            (10, {"policy": {"error_diagnostics": False}}, {FLOW: UPDATE}, "options.errorDiagnosticsEnabled: true in AEP"),
        ],
    )  # fmt: skip
    def test_what_may_be_changed_is_and_the_same_flow_goes_on(
        self, estate: Estate, number: int, after: dict[str, Any], changes: dict[str, Change], line: str
    ) -> None:
        before = recurring(number, OFTEN)
        spec = recurring(number, {**OFTEN, "interval": 15 if after else 20}, **after)
        estate.apply(before)
        first = ensured(estate, before)
        until(lambda: len(rows(estate, first.dataset_id)) == 6)

        looked = estate.plan(spec)
        assert (looked.changes(spec), looked.plan.losses) == (changes, [])
        assert line in "; ".join(looked.lines(spec, FLOW))
        estate.apply(spec)
        row_of(estate.platform, number, ahead(estate, first.flow_id))
        until(lambda: len(rows(estate, first.dataset_id)) == 7)
        again = estate.plan(spec)
        assert (again.plan.has_work, again.plan.orphans) == (False, ())
        assert ensured(estate, spec).flow_id == first.flow_id
        landed = keys(rows(estate, first.dataset_id))
        assert landed[0] == ("N9" if "mapping" in after else "new")

    def test_another_frequency_needs_a_new_flow_and_rows_are_accepted_to_come_twice(self, estate: Estate) -> None:
        before, after = recurring(12, OFTEN), recurring(12, {"frequency": "hour", "interval": 1})
        estate.apply(before)
        first = ensured(estate, before)
        until(lambda: len(rows(estate, first.dataset_id)) == 6)
        looked = estate.plan(after)
        assert looked.changes(after) == {FLOW: REPLACE}
        assert 'schedule.frequency: "minute" in AEP, "hour" wanted' in looked.lines(after, FLOW)
        ((_, told),) = looked.plan.losses
        assert "The first run of the new flow takes all that is there: what was loaded comes twice" in told
        assert "Loaded until now: 6 rows in " in told
        estate.apply(after, accept=True)
        until(lambda: len(rows(estate, first.dataset_id)) == 12)
        assert not estate.plan(after).plan.has_work

    def test_what_an_earlier_flow_loaded_comes_twice_as_well(self, estate: Estate) -> None:
        """The second flow has not run yet when the third takes its place."""
        before, between = recurring(14, OFTEN), recurring(14, RARELY, columns=FEW)
        after = recurring(14, RARELY, columns=[*FEW, "priority"])
        estate.apply(before)
        until(lambda: len(rows(estate, ensured(estate, before).dataset_id)) == 6)
        estate.apply(between, accept=True)
        ensured(estate, between)
        ((_, told),) = estate.plan(after).plan.losses
        assert "Loaded until now: 6 rows in " in told

    def test_a_start_that_has_passed_was_that_of_the_first_flow(self, estate: Estate) -> None:
        """Also where the old flow is gone already, and the new one not there yet."""
        soon = time.time() + 1.5
        shape = {**OFTEN, "start": datetime.fromtimestamp(soon, UTC).isoformat(), "backfill": False}
        before, after = recurring(16, shape), recurring(16, shape, columns=FEW)
        estate.apply(before)
        ensured(estate, before)
        until(lambda: time.time() > soon)
        # Before the first write to a collection of new objects.
        line = Line(1, counts=lambda one, _: one.method == "POST" and one.url.endswith("Connections"))
        with line.open(), pytest.raises(Killed):
            estate.apply(after, accept=True)
        estate.apply(after, accept=True)
        assert not estate.plan(after).plan.has_work


SHAPES: dict[str, dict[str, Any]] = {
    "on_demand": {},
    "recurring": {"load": "recurring", "recurrence": OFTEN},
    "recurring from now on": {"load": "recurring", "recurrence": {**OFTEN, "backfill": False}},
    "one_time": {"load": "one_time", "delta_column": None},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "before", "after", "told"),
    [
        (18, "on_demand", "recurring", "takes all that is there: what was loaded comes twice"),
        (20, "on_demand", "recurring from now on", "takes only what changes after its start"),
        (22, "on_demand", "one_time", "The new flow loads the whole table again"),
        (24, "recurring", "on_demand", "does not lie in the windows of the schedule"),
        (26, "one_time", "on_demand", "that run tells no window: every window is refused"),
    ],
)  # fmt: skip
def test_another_way_of_loading_needs_a_new_flow(
    estate: Estate, number: int, before: str, after: str, told: str
) -> None:
    old, new = dataflow(number, **SHAPES[before]), dataflow(number, **SHAPES[after])
    estate.apply(old)
    dataset = ensured(estate, old).dataset_id
    if before == "on_demand":
        load(estate, old, day(1))
    until(lambda: rows(estate, dataset))
    count = len(rows(estate, dataset))

    looked = estate.plan(new)
    assert looked.changes(new) == {FLOW: REPLACE}
    assert f'schedule.frequency: "{in_aep(before)}" in AEP, "{in_aep(after)}" wanted' in looked.lines(new, FLOW)
    ((_, loss),) = looked.plan.losses
    assert told in loss
    estate.apply(new, accept=True)
    assert not estate.plan(new).plan.has_work
    if after == "on_demand":
        refused = "they would come twice" if before == "recurring" else "was loaded cannot be told"
        with pytest.raises(AepError, match=refused):
            load(estate, new, day(1))
        assert len(rows(estate, dataset)) == count
    elif after == "recurring from now on":
        row_of(estate.platform, number, ahead(estate, ensured(estate, new).flow_id))
        until(lambda: len(rows(estate, dataset)) == count + 1)
    else:
        until(lambda: len(rows(estate, dataset)) == count + 6)


def in_aep(shape: str) -> str:
    """How flows of a shape are told apart."""
    return {"on_demand": "on_demand", "one_time": "once"}.get(shape, "minute")


def test_a_new_column_of_the_source_is_seen_with_the_next_change(estate: Estate) -> None:
    """A source system is asked only about what is new or changed."""
    estate.apply(dataflow(28))
    write_table(estate.platform.state.parent / "tables", 28, "urgency")
    assert not estate.plan(dataflow(28)).plan.has_work
    after = dataflow(28, policy={"partial_ingestion_percent": 9})
    assert "columns.urgency: missing in AEP" in "; ".join(estate.plan(after).lines(after, SOURCE))


@pytest.fixture(scope="module")
def unhurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform on which a run takes a second, and is listed at once."""
    assume = ("--time-scale", "0.2", "--assume", "run_appears_after_seconds=0")
    running = serve_estate(tmp_path_factory.mktemp("unhurried") / "aep", *assume)
    yield running
    running.end()


@pytest.mark.slow
class TestARunThatGoesOn:
    """The flow that is to go has one."""

    IN_NO_TIME: ClassVar[dict[str, Any]] = {"columns": FEW, "policy": {"timeout": 0}}

    @pytest.fixture
    def estate(self, unhurried: Platform) -> Estate:
        estate = Estate(unhurried)
        estate.apply(dataflow())
        one = ensured(estate, dataflow())
        with estate.process() as client:
            request = WindowRequest(one.flow_id, day(1), delta_column="sys_updated_on")
            start_window(client, request, patience=QUICK)
        return estate

    def test_is_waited_for(self, estate: Estate) -> None:
        told: list[str] = []
        estate.apply(dataflow(columns=FEW), progress=told.append)
        assert "waits for 1 runs of the flow incidents 00 that is replaced" in told
        assert load(estate, dataflow(columns=FEW), day(1)).how is How.TAKEN_OVER
        assert keys(rows(estate, ensured(estate, dataflow(columns=FEW)).dataset_id)) == ["t00d1"]

    def test_that_takes_too_long_is_waited_for_next_time(self, estate: Estate) -> None:
        """The old flow rests until then, and nobody takes that for an edit by hand."""
        after = dataflow(**self.IN_NO_TIME)
        with pytest.raises(AepError, match="is disabled and to be replaced, but its run"):
            estate.apply(after)
        (step,) = [step for step in estate.plan(after).of(after).steps if step.kind == FLOW]
        assert (step.change, "by an apply that was to replace it" in step.cause) == (REPLACE, True)
        estate.apply(dataflow(columns=FEW))
        assert load(estate, after, day(1)).how is How.TAKEN_OVER
        assert keys(rows(estate, ensured(estate, after).dataset_id)) == ["t00d1"]

    def test_is_not_waited_for_once_somebody_says_stop(self, estate: Estate) -> None:
        stop = Event()
        with estate.look([dataflow(columns=FEW)]) as looked:
            applied = looked.apply(stop=stop, progress=lambda told: stop.set() if told.startswith("waits") else None)
        assert "has not ended" in applied.failed["incidents 00"]
        estate.apply(dataflow(columns=FEW))
        assert not estate.plan(dataflow(columns=FEW)).plan.has_work

    def test_and_the_old_declaration_after_all(self, estate: Estate) -> None:
        """The old flow goes on; who puts it to rest by hand then is told from us again."""
        with pytest.raises(AepError, match="is disabled and to be replaced"):
            estate.apply(dataflow(**self.IN_NO_TIME))
        assert estate.plan(dataflow()).changes(dataflow()) == {FLOW: UPDATE}
        estate.apply(dataflow())
        looked = estate.plan(dataflow())
        assert not looked.plan.has_work
        (flow,) = looked.sandbox.inventory.named(Flow, dataflow().name)
        assert (flow["state"], "gives way" in flow["description"]) == ("enabled", False)
        with estate.process() as client:
            set_state(client, flow["id"], FlowState.DISABLED)
        assert estate.plan(dataflow()).changes(dataflow()) == {FLOW: Change.DRIFTED}


@pytest.mark.slow
def test_where_aep_lets_nothing_be_changed_of_a_flow_that_loads_windows(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """It may refuse any change that leaves the delta column in place which the first window brought."""
    assume = ("--time-scale", "0.001", "--assume", "once_flow_patch=refused")
    platform = serve_estate(tmp_path_factory.mktemp("frozen") / "aep", *assume)
    try:
        estate, after = Estate(platform), dataflow(columns=FEW)
        estate.apply(dataflow())
        load(estate, dataflow(), day(1))
        estate.apply(after)
        assert load(estate, after, day(1)).how is How.TAKEN_OVER
        load(estate, after, day(2))
        assert keys(rows(estate, ensured(estate, after).dataset_id)) == ["t00d1", "t00d2"]
    finally:
        platform.end()


def test_a_long_name_is_found_again_after_a_replace(estate: Estate) -> None:
    """By the name of the flow that gave way its windows are known."""
    name = "x" * 190
    estate.apply(dataflow(name=name))
    load(estate, dataflow(name=name), day(1))
    after = dataflow(name=name, columns=FEW)
    estate.apply(after)
    assert load(estate, after, day(1)).how is How.TAKEN_OVER
