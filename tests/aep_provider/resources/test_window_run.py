"""One run loads a window, whatever happens to requests, answers and tries in between."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from aep_provider.errors import AepConfigError, AepDuplicateError, AepError
from aep_provider.platform.client import AepClient
from aep_provider.resources import flow_service
from aep_provider.resources.authentication import SourceLogin
from aep_provider.resources.ensure import Patience
from aep_provider.resources.run import read_run, runs_of
from aep_provider.resources.run_history import read_history
from aep_provider.resources.window import Edges, Window
from aep_provider.resources.window_run import How, OnFailedRun, Started, WindowRequest, start_window
from aep_provider.verdict import RunState, Verdict, judge

from ..made import declared, made

LOGIN = SourceLogin("aep_source_servicenow", "https://dev1.service-now.example", "ann", "hunter2-of-the-source")
QUICK = Patience(settle_seconds=1.5, look_every_seconds=0.05)
RUNS = "/flowservice/runs"


def day(number: int, last: int | None = None) -> Window:
    """From midnight of a day of January 2026 to the next one, or to that after ``last``."""
    return Window(*(int(datetime(2026, 1, one, tzinfo=UTC).timestamp()) for one in (number, (last or number) + 1)))


class Notes:
    """A memory and a ledger; values cross a database as JSON."""

    def __init__(self) -> None:
        self.note: str | None = None
        self.kept: dict[str, str] = {}

    def recall(self) -> Any:
        return json.loads(self.note) if self.note else None

    def remember(self, note: Any) -> None:
        self.note = json.dumps(note)

    def get(self, key: str) -> Any:
        return json.loads(self.kept[key]) if key in self.kept else None

    def set(self, key: str, value: Any) -> None:
        assert value is not None
        self.kept[key] = json.dumps(value)


class Dataflow:
    """An on-demand dataflow on a platform, and what has landed of it."""

    def __init__(self, client: AepClient, state: Path, name: str = "incidents", **more: Any) -> None:
        one = made(client, LOGIN, declared(name, **more))
        self.client = client
        self.flow_id = one.flow_id
        self.folder = state / "datasets" / one.dataset_id
        while flow_service.read(client, "flows", self.flow_id)["state"] != "enabled":
            pass

    def load(self, window: Window, notes: Notes | None = None, ledger: Notes | None = None, **more: Any) -> Started:
        request = WindowRequest(self.flow_id, window, **{"delta_column": "sys_updated_at", **more})
        return start_window(self.client, request, memory=notes, ledger=ledger, patience=QUICK)

    def ended(self, started: Started) -> Verdict:
        """Wait until the run has ended, and is listed: that comes later."""
        while all(run["id"] != started.run_id for run in runs_of(self.client, self.flow_id)):
            pass
        while True:
            verdict = judge(read_run(self.client, started.run_id))
            if verdict.state.has_ended:
                return verdict

    def run(self, window: Window, notes: Notes | None = None, ledger: Notes | None = None, **more: Any) -> Verdict:
        return self.ended(self.load(window, notes, ledger, **more))

    def settle(self) -> None:
        """Wait until all runs have ended."""
        while not all(judge(run).state.has_ended for run in runs_of(self.client, self.flow_id)):
            pass

    def keys(self) -> list[str]:
        """The keys that have landed, as often as they did."""
        if not list(self.folder.glob("*.parquet")):
            return []
        with duckdb.connect() as database:
            query = f"select row::varchar from read_parquet('{self.folder}/*.parquet') row"
            rows = [row for (row,) in database.execute(query).fetchall()]
        return sorted(key for row in rows for key in ("a1", "a2", "a3") if f"'sys_id': {key}" in row)


@pytest.fixture
def dataflow(client: AepClient, platform: Any) -> Dataflow:
    return Dataflow(client, platform.state)


def posted(wire: Any) -> int:
    return sum(seen.method == "POST" and seen.path.rstrip("/").endswith(RUNS) for seen in wire.seen)


class TestARunThatListsShowNoMore:
    """The dataset's ledger knows of it, so its window is not loaded again."""

    def test_is_taken_over_at_its_own_address(self, dataflow: Dataflow, wire: Any) -> None:
        ledger = Notes()
        run_id = dataflow.run(day(1), Notes(), ledger).run_id
        wire.answer("GET", RUNS, {"items": []})
        again = dataflow.load(day(1), Notes(), ledger)
        assert (again.run_id, again.how) == (run_id, How.TAKEN_OVER)
        assert posted(wire) == 1

    def test_nor_its_own_address(self, dataflow: Dataflow, wire: Any) -> None:
        ledger = Notes()
        run_id = dataflow.run(day(1), Notes(), ledger).run_id
        wire.answer("GET", RUNS, {"items": []})
        wire.answer("GET", f"{RUNS}/{run_id}", {"type": "x", "title": "not there", "status": 404}, status=404)
        with pytest.raises(AepDuplicateError, match=f"run {run_id} .* which AEP shows no more") as refused:
            dataflow.load(day(1), Notes(), ledger)
        assert not refused.value.final
        dataflow.load(day(2), Notes(), ledger)
        dataflow.load(day(1), Notes(), ledger, force=True)
        assert posted(wire) == 3


class TestWindows:
    def test_a_window_takes_its_rows_and_no_others(self, dataflow: Dataflow) -> None:
        verdict = dataflow.run(day(2))
        assert (verdict.state, verdict.rows_read, verdict.rows_written) == (RunState.SUCCEEDED, 1, 1)
        assert dataflow.keys() == ["a2"]

    def test_windows_that_follow_each_other_take_every_row_once(self, dataflow: Dataflow) -> None:
        eight = int(datetime(2026, 1, 2, 8, tzinfo=UTC).timestamp())
        whole = day(1, 3)
        for window in (Window(whole.start, eight), Window(eight, whole.end)):
            dataflow.run(window)
        assert dataflow.keys() == ["a1", "a2", "a3"]

    def test_an_empty_window_is_loaded_too(self, dataflow: Dataflow) -> None:
        verdict = dataflow.run(day(9))
        assert (verdict.state, verdict.rows_read) == (RunState.SUCCEEDED, 0)

    @pytest.mark.slow
    @pytest.mark.parametrize("edges", Edges)
    def test_whatever_edges_aep_counts_in(self, start_platform: Any, make_client: Any, edges: Edges) -> None:
        platform = start_platform("--time-scale", "0.001", "--assume", f"window_edges={edges}")
        dataflow = Dataflow(make_client(platform.url), platform.state)
        eight = int(datetime(2026, 1, 2, 8, tzinfo=UTC).timestamp())
        whole = day(1, 3)
        for window in (Window(whole.start, eight), Window(eight, eight + 1), Window(eight + 1, whole.end)):
            dataflow.run(window, edges=edges)
            assert dataflow.load(window, edges=edges).how is How.TAKEN_OVER
        assert dataflow.keys() == ["a1", "a2", "a3"]


class TestOnce:
    def test_a_second_task_takes_the_run_over(self, dataflow: Dataflow, wire: Any) -> None:
        ledger = Notes()
        first = dataflow.load(day(1), Notes(), ledger)
        second = dataflow.load(day(1), Notes(), ledger)
        dataflow.ended(first)
        third = dataflow.load(day(1))
        assert (first.how, second.how, third.how) == (How.POSTED, How.TAKEN_OVER, How.TAKEN_OVER)
        assert {first.run_id, second.run_id, third.run_id} == {first.run_id}
        assert third.verdict is not None
        assert third.verdict.rows_written == 1
        assert posted(wire) == 1

    def test_a_retry_asks_for_its_run_and_nothing_else(self, dataflow: Dataflow, wire: Any) -> None:
        notes = Notes()
        first = dataflow.load(day(1), notes)
        wire.seen.clear()
        assert dataflow.load(day(1), notes).run_id == first.run_id
        assert [(seen.method, seen.path.rpartition("/")[2]) for seen in wire.seen] == [("GET", first.run_id)]

    def test_three_requests_load_a_window(self, dataflow: Dataflow, wire: Any) -> None:
        wire.seen.clear()
        dataflow.load(day(1), Notes(), Notes())
        assert [seen.method for seen in wire.seen] == ["GET", "GET", "POST"]

    def test_a_note_about_another_window_counts_for_nothing(self, dataflow: Dataflow) -> None:
        notes = Notes()
        first = dataflow.load(day(1), notes)
        second = dataflow.load(day(2), notes)
        assert second.run_id != first.run_id

    @pytest.mark.parametrize(
        ("carried_out", "status"),
        [
            (True, 0),
            *(
                pytest.param(*one, marks=pytest.mark.slow)
                for one in [(False, 0), (True, 502), (False, 503), (True, 500)]
            ),
        ],
    )
    def test_a_lost_answer(self, dataflow: Dataflow, wire: Any, carried_out: bool, status: int) -> None:
        wire.lose("POST", RUNS, carried_out=carried_out, status=status)
        dataflow.run(day(1))
        dataflow.settle()
        assert dataflow.keys() == ["a1"]
        assert len(runs_of(dataflow.client, dataflow.flow_id)) == 1

    @pytest.mark.parametrize("carried_out", [True, pytest.param(False, marks=pytest.mark.slow)])
    def test_killed_before_the_answer_is_remembered(self, dataflow: Dataflow, wire: Any, carried_out: bool) -> None:
        class Killed(BaseException):
            pass

        class Mortal(Notes):
            def remember(self, note: Any) -> None:
                if "run" in note:
                    raise Killed
                super().remember(note)

        notes = Mortal()
        if carried_out:
            with pytest.raises(Killed):
                dataflow.load(day(1), notes)
        else:
            wire.lose("POST", RUNS, carried_out=False, times=9)
            with pytest.raises(AepError):
                dataflow.load(day(1), notes)
            wire.faults.clear()
        again = Notes()
        again.note = notes.note
        dataflow.run(day(1), again)
        dataflow.settle()
        assert dataflow.keys() == ["a1"]

    def test_what_was_refused_is_not_looked_for(self, dataflow: Dataflow, wire: Any) -> None:
        notes = Notes()
        wire.answer("POST", RUNS, {"title": "no", "status": 400}, status=400, times=1)
        with pytest.raises(AepError):
            dataflow.load(day(1), notes)
        wire.seen.clear()
        assert dataflow.load(day(1), notes).how is How.POSTED
        assert [seen.method for seen in wire.seen] == ["GET", "GET", "POST"]

    def test_windows_that_share_rows_are_refused(self, dataflow: Dataflow, wire: Any) -> None:
        dataflow.run(day(1, 2))
        with pytest.raises(AepConfigError, match=r"shares rows with what run .* they would come twice"):
            dataflow.load(day(2, 3))
        assert posted(wire) == 1

    def test_force_appends_the_rows_again_once_for_each_task(
        self, dataflow: Dataflow, caplog: pytest.LogCaptureFixture
    ) -> None:
        dataflow.run(day(1))
        notes = Notes()
        dataflow.run(day(1), notes, force=True)
        dataflow.run(day(1), notes, force=True)
        assert dataflow.keys() == ["a1", "a1"]
        assert "appended again" in caplog.text

    def test_the_windows_of_an_earlier_generation_count(self, dataflow: Dataflow, platform: Any) -> None:
        dataflow.run(day(1))
        later = Dataflow(dataflow.client, platform.state, "incidents 2")
        assert later.load(day(1), earlier_flow_ids=[dataflow.flow_id]).how is How.TAKEN_OVER
        with pytest.raises(AepConfigError, match="shares rows"):
            later.load(day(1, 2), earlier_flow_ids=[dataflow.flow_id])


class TestSettledHistory:
    """What is older than AEP's lists may lag is kept as stretches of time, and not listed again."""

    @pytest.fixture
    def ledger(self, dataflow: Dataflow) -> Notes:
        """One that holds the first two days as settled."""
        kept = Notes()
        for window in (day(1), day(2)):
            dataflow.run(window, Notes(), kept)
        both = [day(1, 2).as_json()]
        while (kept.get(f"aep_history:{dataflow.flow_id}") or {}).get("covered") != both:
            read_history(dataflow.client, dataflow.flow_id, kept, now=time.time(), settle_seconds=0.1)
        return kept

    def test_an_old_window_is_taken_over_still(self, dataflow: Dataflow, ledger: Notes, wire: Any) -> None:
        assert dataflow.load(day(1), Notes(), ledger).how is How.TAKEN_OVER
        assert posted(wire) == 2

    def test_an_old_window_shares_no_rows(self, dataflow: Dataflow, ledger: Notes) -> None:
        with pytest.raises(AepConfigError, match="shares rows"):
            dataflow.load(day(2, 3), Notes(), ledger)

    def test_old_runs_are_not_listed_again(self, dataflow: Dataflow, ledger: Notes) -> None:
        history = read_history(dataflow.client, dataflow.flow_id, ledger, now=time.time(), settle_seconds=0.1)
        assert history.recent == []
        assert history.touches_old(day(2))
        assert not history.touches_old(day(3))

    def test_a_list_in_another_order_is_read_to_its_end(self, dataflow: Dataflow, ledger: Notes, wire: Any) -> None:
        runs = list(reversed(runs_of(dataflow.client, dataflow.flow_id)))
        wire.answer("GET", RUNS, {"items": [{**run, "createdAt": n} for n, run in enumerate(runs, start=10**15)]})
        history = read_history(dataflow.client, dataflow.flow_id, ledger, now=time.time(), settle_seconds=0.1)
        assert {run.window for run in history.recent} == {day(1), day(2)}
        assert history.old == []


class TestFailedRuns:
    @pytest.fixture
    def failed(self, dataflow: Dataflow, platform: Any) -> Started:
        """A run that failed because the table was gone for a while."""
        table = platform.state.parent / "tables" / "incident.csv"
        hidden = table.with_suffix(".hidden")
        table.rename(hidden)
        try:
            started = dataflow.load(day(1))
            assert dataflow.ended(started).state is RunState.FAILED
        finally:
            hidden.rename(table)
        return started

    @pytest.mark.parametrize(
        ("policy", "how"), [(OnFailedRun.RETRIGGER, How.RETRIGGERED), (OnFailedRun.NEW, How.POSTED)]
    )
    def test_it_is_done_again(self, dataflow: Dataflow, failed: Started, policy: OnFailedRun, how: How) -> None:
        notes = Notes()
        again = dataflow.load(day(1), notes, on_failed=policy)
        assert again.how is how
        assert again.run_id != failed.run_id
        assert dataflow.load(day(1), notes, on_failed=policy).run_id == again.run_id
        assert dataflow.ended(again).state is RunState.SUCCEEDED
        assert dataflow.load(day(1), on_failed=policy).run_id == again.run_id
        assert dataflow.keys() == ["a1"]

    def test_a_failed_run_is_not_taken_for_the_one_whose_answer_was_lost(
        self, dataflow: Dataflow, failed: Started, wire: Any
    ) -> None:
        wire.lose("POST", RUNS, carried_out=False)
        assert dataflow.run(day(1), on_failed=OnFailedRun.NEW).state is RunState.SUCCEEDED
        assert dataflow.keys() == ["a1"]

    def test_it_is_left_to_a_human(self, dataflow: Dataflow, failed: Started, wire: Any) -> None:
        before = posted(wire)
        found = dataflow.load(day(1), on_failed=OnFailedRun.FAIL)
        assert (found.run_id, found.how) == (failed.run_id, How.TAKEN_OVER)
        assert found.verdict is not None
        assert found.verdict.state is RunState.FAILED
        assert posted(wire) == before

    def test_a_retry_does_its_own_failed_run_again(self, dataflow: Dataflow, failed: Started) -> None:
        notes = Notes()
        notes.remember({"flow": dataflow.flow_id, "window": day(1).as_json(), "force": False, "run": failed.run_id})
        assert dataflow.run(day(1), notes).state is RunState.SUCCEEDED
        assert dataflow.keys() == ["a1"]


class TestFlowsThatTakeNoWindows:
    def test_disabled(self, dataflow: Dataflow) -> None:
        path = flow_service.path_of("flows", dataflow.flow_id, "action")
        dataflow.client.post(path, params={"op": "disable"})
        with pytest.raises(AepConfigError, match=r"is disabled.*1388.*AepSetFlowStateOperator"):
            dataflow.load(day(1))

    def test_recurring(self, client: AepClient, platform: Any) -> None:
        dataflow = Dataflow(client, platform.state, shape="recurring", recurrence={"frequency": "day", "interval": 1})
        with pytest.raises(AepConfigError, match=r"runs every day by itself.*1386"):
            dataflow.load(day(1))

    def test_one_time_before_it_begins(self, client: AepClient, platform: Any) -> None:
        dataflow = Dataflow(client, platform.state, shape="one_time")
        with pytest.raises(AepConfigError, match="will load the whole table by itself"):
            dataflow.load(day(1))

    def test_another_delta_column(self, dataflow: Dataflow) -> None:
        dataflow.run(day(1))
        with pytest.raises(AepConfigError, match=r"goes by the delta column 'sys_updated_at'.*1382"):
            dataflow.load(day(2), delta_column="opened")
        assert dataflow.run(day(2), delta_column=None).state is RunState.SUCCEEDED

    def test_no_delta_column_at_first(self, dataflow: Dataflow) -> None:
        with pytest.raises(AepConfigError, match="1383"):
            dataflow.load(day(1), delta_column=None)


SWITCHES = [
    "run_window_in_document=params",
    "run_window_in_document=extensions",
    "run_window_in_document=none",
    "run_appears_after_seconds=400",
    "post_runs_answer=items",
    "post_runs_answer=id",
    "post_runs_answer=run",
    "run_statuses=partial",
    "run_statuses=capitalised",
    "run_statuses=provider",
    "retrigger_again=refused",
    "once_flow_patch=refused",
    "name_filter=refused",
    "name_filter=empty",
    "run_window_filter=refused",
    "run_window_filter=empty",
    "page_size=1",
    "continuation=position_only",
    "filter_case=insensitive",
    "once_runs_by_itself=no",
    "several_values_filter=ignored",
    "several_values_filter=empty",
    "several_values_filter=refused",
    "runs_order=updated",
    "run_document_quirks=activites",
    "run_document_quirks=seconds",
]


@pytest.mark.thorough
@pytest.mark.parametrize("switch", SWITCHES)
class TestUnderEachSwitch:
    @pytest.fixture
    def dataflow(
        self, switch: str, start_platform: Callable[..., Any], make_wire: Any, make_client: Any
    ) -> tuple[Dataflow, Any]:
        platform = start_platform("--time-scale", "0.001", "--assume", switch)
        wire = make_wire(platform)
        return Dataflow(make_client(wire.url), platform.state), wire

    def test_every_window_once(self, dataflow: tuple[Dataflow, Any], switch: str) -> None:
        """Tasks that know of each other by the ledger alone."""
        flow, wire = dataflow
        ledger = Notes()
        for window in (day(1), day(2), day(1), day(3), day(2)):
            flow.run(window, Notes(), ledger)
        assert flow.keys() == ["a1", "a2", "a3"]
        assert posted(wire) == 3

    def test_a_lost_answer(self, dataflow: tuple[Dataflow, Any], switch: str) -> None:
        """Right, or refused with a message."""
        flow, wire = dataflow
        ledger, notes = Notes(), Notes()
        flow.run(day(1), Notes(), ledger)
        wire.lose("POST", RUNS, carried_out=True)
        if switch == "run_window_in_document=none":
            with pytest.raises(AepDuplicateError, match="cannot be told"):
                flow.load(day(2), notes, ledger)
            with pytest.raises(AepDuplicateError, match="cannot be told"):
                flow.load(day(2), notes, ledger)
        else:
            flow.run(day(2), notes, ledger)
        flow.settle()
        assert flow.keys() == ["a1", "a2"]


@pytest.mark.slow
def test_a_run_that_nobody_remembers_stops_the_dataflow(start_platform: Callable[..., Any], make_client: Any) -> None:
    platform = start_platform("--time-scale", "0.001", "--assume", "run_window_in_document=none")
    dataflow = Dataflow(make_client(platform.url), platform.state)
    run_id = dataflow.load(day(1), Notes(), Notes()).run_id
    dataflow.ended(Started(run_id, How.POSTED))
    for window in (day(1), day(2)):
        with pytest.raises(AepDuplicateError, match=f"{run_id}.*cannot be told|cannot be told.*{run_id}"):
            dataflow.load(window, Notes(), Notes())
    assert dataflow.keys() == ["a1"]


@pytest.mark.slow
def test_a_flow_that_ran_by_itself_takes_no_windows(start_platform: Callable[..., Any], make_client: Any) -> None:
    """Somebody else moved the start of the flow: AEP has loaded the whole table."""
    platform = start_platform("--time-scale", "0.001")
    client = make_client(platform.url)
    dataflow = Dataflow(client, platform.state, shape="one_time")
    while not runs_of(client, dataflow.flow_id):
        pass
    dataflow.settle()
    with pytest.raises(AepError, match=r"will load the whole table|shares rows|cannot be told"):
        dataflow.load(day(1))
    assert dataflow.keys() == ["a1", "a2", "a3"]


@pytest.mark.slow
def test_runs_that_aep_takes_only_after_the_start(start_platform: Callable[..., Any], make_client: Any) -> None:
    platform = start_platform("--time-scale", "0.001", "--assume", "run_before_flow_start=refused")
    dataflow = Dataflow(make_client(platform.url), platform.state)
    with pytest.raises(AepConfigError, match="AEP takes no run of this flow before the flow's start time"):
        dataflow.load(day(1))
