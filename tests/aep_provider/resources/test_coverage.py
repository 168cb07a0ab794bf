"""What of a range was loaded: states of windows, gaps, overlaps, and what cannot be told."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aep_provider.platform.client import AepClient
from aep_provider.resources.coverage import (
    Answer,
    Coverage,
    Expectation,
    Generation,
    WindowState,
    all_flows,
    cover,
    generations,
    of_one_dataset,
    past_runs,
    uncovered,
)
from aep_provider.resources.run_history import PastRun
from aep_provider.resources.window import Edges, Window
from aep_provider.verdict import RunState, Tolerance, Verdict

from ..made import declared, made
from ..on_demand import LOGIN

OK, PARTLY, FAILED, RUNNING = RunState.SUCCEEDED, RunState.PARTIAL, RunState.FAILED, RunState.RUNNING
ASKED = Window(0, 50)
TEN = [Window(start, start + 10) for start in range(0, 50, 10)]


def run(
    start: int | None, end: int = 0, state: RunState = OK, *, written: int | None = 5, rejected: int = 0
) -> PastRun:
    verdict = Verdict("r", "f", state, "", 100, written, rejected)
    return PastRun(f"r{start}-{end}-{state}", verdict, None if start is None else Window(start, end), 0)


def covered(
    *runs: PastRun, asked: Window = ASKED, windows: list[Window] | None = TEN, due: float = 1000, borne: int = 0
) -> Coverage:
    return cover(runs, Expectation(asked, windows, due, Tolerance(rows=borne)))


def states(coverage: Coverage) -> list[WindowState]:
    return [report.state for report in coverage.windows]


ALL = [run(window.start, window.end) for window in TEN]


class TestStates:
    def test_everything_once_is_complete(self) -> None:
        coverage = covered(*ALL)
        assert states(coverage) == [WindowState.SUCCEEDED] * 5
        assert (coverage.gaps, coverage.overlaps, coverage.answer) == ([], [], Answer.COMPLETE)

    @pytest.mark.parametrize(
        ("third", "state", "gap"),
        [
            ([], WindowState.NEVER, True),
            ([run(20, 30, FAILED)], WindowState.FAILED, True),
            ([run(20, 30, RUNNING)], WindowState.RUNNING, False),
            ([run(20, 30, RunState.UNKNOWN)], WindowState.RUNNING, False),
            ([run(20, 30, PARTLY, rejected=1)], WindowState.PARTIAL, False),
            ([run(20, 25)], WindowState.IN_PART, True),
        ],
    )
    def test_one_that_is_not_so(self, third: list[PastRun], state: WindowState, gap: bool) -> None:
        coverage = covered(*ALL[:2], *third, *ALL[3:])
        assert states(coverage)[2] is state
        assert bool(coverage.gaps) is gap
        assert coverage.answer is Answer.INCOMPLETE

    def test_a_failed_window_that_was_loaded_later_is_no_failure(self) -> None:
        coverage = covered(run(20, 30, FAILED), *ALL, run(20, 30, FAILED))
        assert states(coverage)[2] is WindowState.SUCCEEDED
        assert coverage.answer is Answer.COMPLETE

    def test_rejected_rows_that_are_borne(self) -> None:
        some = [*ALL[:2], run(20, 30, PARTLY, rejected=3), *ALL[3:]]
        assert covered(*some, borne=3).answer is Answer.COMPLETE
        coverage = covered(*some, borne=2)
        assert coverage.answer is Answer.INCOMPLETE
        assert [one.id for one in coverage.short] == [some[2].id]

    def test_other_windows_may_load_what_the_schedule_has(self) -> None:
        """A recurring flow, or an earlier schedule."""
        coverage = covered(run(0, 25), run(25, 50))
        assert states(coverage) == [WindowState.SUCCEEDED] * 5
        assert coverage.answer is Answer.COMPLETE

    def test_what_is_not_due_is_not_missed(self) -> None:
        coverage = covered(*ALL[:3], due=39)
        assert states(coverage)[3:] == [WindowState.NOT_DUE] * 2
        assert coverage.answer is Answer.COMPLETE
        assert covered(*ALL[:3], due=40).gaps == [Window(30, 40)]

    def test_a_failed_window_before_it_is_due_is_told(self) -> None:
        coverage = covered(*ALL[:4], run(40, 50, FAILED), due=45)
        assert states(coverage)[4] is WindowState.FAILED
        assert coverage.answer is Answer.INCOMPLETE

    def test_a_window_that_the_schedule_does_not_have(self) -> None:
        coverage = covered(run(5, 9, FAILED), *ALL[1:], windows=TEN[1:])
        assert [(report.window, report.scheduled) for report in coverage.windows][:2] == [
            (Window(5, 9), False),
            (Window(10, 20), True),
        ]
        assert coverage.answer is Answer.INCOMPLETE

    def test_without_a_schedule_all_of_the_range_counts(self) -> None:
        coverage = covered(run(0, 20), run(30, 40), windows=None)
        assert [report.window for report in coverage.windows] == [Window(0, 20), Window(30, 40)]
        assert coverage.gaps == [Window(20, 30), Window(40, 50)]
        assert covered(run(0, 20), windows=None, due=20).answer is Answer.COMPLETE
        assert covered(windows=None, due=-1).answer is Answer.COMPLETE


class TestEdgesOfTheRange:
    def test_a_window_that_is_cut_counts_as_far_as_it_is_asked_for(self) -> None:
        coverage = covered(run(0, 5), run(5, 10, FAILED), asked=Window(0, 5), windows=TEN[:1])
        assert (states(coverage), coverage.answer) == ([WindowState.SUCCEEDED], Answer.COMPLETE)
        coverage = covered(run(0, 5), asked=Window(3, 7), windows=TEN[:1])
        assert (states(coverage), coverage.gaps) == ([WindowState.IN_PART], [Window(5, 7)])

    def test_what_is_wrong_beyond_it_does_not_count(self) -> None:
        beyond = [run(50, 60), run(55, 60), run(50, 60, PARTLY, rejected=9), run(60, 70, FAILED)]
        assert covered(*ALL, *beyond).answer is Answer.COMPLETE

    def test_no_window_at_all(self) -> None:
        coverage = covered(windows=[])
        assert (coverage.windows, coverage.gaps, coverage.answer) == ([], [], Answer.COMPLETE)


class TestGapsAndOverlaps:
    def test_neighbouring_gaps_are_one(self) -> None:
        assert covered(ALL[0], ALL[4]).gaps == [Window(10, 40)]

    def test_rows_that_are_there_twice(self) -> None:
        coverage = covered(*ALL, run(15, 35))
        assert [(one.window, len(one.runs)) for one in coverage.overlaps] == [
            (Window(15, 20), 2),
            (Window(20, 30), 2),
            (Window(30, 35), 2),
        ]
        assert coverage.answer is Answer.INCOMPLETE
        assert states(coverage) == [WindowState.SUCCEEDED] * 5

    @pytest.mark.parametrize("second", [run(20, 30, FAILED), run(20, 30, written=0)])
    def test_what_brought_no_rows_brought_none_twice(self, second: PastRun) -> None:
        assert covered(*ALL, second).overlaps == []

    def test_what_does_not_tell_how_many_it_brought_counts(self) -> None:
        assert [one.window for one in covered(*ALL, run(20, 30, written=None)).overlaps] == [Window(20, 30)]

    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(
            st.tuples(st.integers(0, 30), st.integers(1, 12), st.sampled_from([OK, PARTLY, FAILED, RUNNING])),
            max_size=8,
        ),
        st.tuples(st.integers(0, 25), st.integers(1, 20)),
        st.one_of(st.none(), st.sets(st.integers(0, 40), min_size=2, max_size=6)),
    )
    def test_second_by_second(self, told: Any, asked: Any, edges: Any) -> None:
        """The same as counting for every second how many runs loaded it."""
        runs = [run(start, start + length, state) for start, length, state in told]
        range_ = Window(asked[0], asked[0] + asked[1])
        windows = None if edges is None else [Window(*pair) for pair in pairwise(sorted(edges))]
        reaching = None if windows is None else [one for one in windows if one.overlaps(range_)]
        coverage = covered(*runs, asked=range_, windows=reaching)

        def over(second: int, *which: RunState) -> int:
            return sum(
                one.verdict.state in which and one.window.start <= second < one.window.end for one in runs if one.window
            )

        seconds = range(range_.start, range_.end)
        expected = [one for one in seconds if windows is None or any(w.start <= one < w.end for w in windows)]
        gaps = [one for gap in coverage.gaps for one in range(gap.start, gap.end)]
        assert gaps == [one for one in expected if not over(one, OK, PARTLY, RUNNING)]
        twice = {one: len(lap.runs) for lap in coverage.overlaps for one in range(lap.window.start, lap.window.end)}
        assert twice == {one: count for one in seconds if (count := over(one, OK, PARTLY)) > 1}
        assert all(first.end < second.start for first, second in pairwise(coverage.gaps))

    def test_uncovered(self) -> None:
        assert uncovered(Window(10, 20), [Window(0, 12), Window(14, 15), Window(19, 30)]) == [
            Window(12, 14),
            Window(15, 19),
        ]
        assert uncovered(Window(10, 20), [Window(0, 15), Window(15, 30)]) == []

    @pytest.mark.slow
    def test_years_of_small_windows(self) -> None:
        windows = [Window(start, start + 900) for start in range(0, 900 * 20_000, 900)]
        began = time.monotonic()
        coverage = covered(
            *(run(window.start, window.end) for window in windows),
            asked=Window(0, 900 * 20_000),
            windows=windows,
            due=9e9,
        )
        assert coverage.answer is Answer.COMPLETE
        assert time.monotonic() - began < 10


class TestRunsThatDoNotTellTheirWindow:
    def test_gaps_cannot_be_told(self) -> None:
        coverage = covered(*ALL[:4], run(None))
        assert states(coverage)[4] is WindowState.UNKNOWN
        assert coverage.answer is Answer.UNKNOWN

    def test_nor_that_nothing_came_twice(self) -> None:
        assert covered(*ALL, run(None)).answer is Answer.UNKNOWN

    def test_a_failed_one_took_nothing(self) -> None:
        assert covered(*ALL, run(None, state=FAILED)).answer is Answer.COMPLETE

    def test_what_is_certain_is_said(self) -> None:
        assert covered(*ALL, ALL[0], run(None)).answer is Answer.INCOMPLETE


def test_the_generations_of_a_dataflow() -> None:
    names = [
        "a.b",
        "a.b (replaced 2026-01-01T00:00:00Z)",
        "a.b (copy)",
        "axb",
        "a.b (replaced",
        "A.b",
        "a.b 2",
        "my a.b",
    ]
    flows = [{"id": str(number), "name": name} for number, name in enumerate(names)]
    assert [one.id for one in generations(flows, "a.b")] == ["0", "1"]


THEN = 1_800_000_000


def page(*runs: dict[str, Any], following: str | None = None) -> dict[str, Any]:
    return {"items": list(runs), "_links": {"next": {"href": following}} if following else {}}


def document(run_id: str, start: int, end: int, created: int) -> dict[str, Any]:
    """A run that AEP scheduled: its window in milliseconds after a second of 2027."""
    extensions = {"windowStart": THEN * 1000 + start, "windowEnd": THEN * 1000 + end}
    activity = {"id": "copy", "durationSummary": {"extensions": extensions}}
    metrics = {"statusSummary": {"status": "success"}}
    return {"id": run_id, "flowId": "f", "createdAt": created, "metrics": metrics, "activities": [activity]}


class TestPastRuns:
    def test_windows_between_seconds_still_meet(self, client: AepClient, wire: Any) -> None:
        wire.answer("GET", "/runs", page(document("b", 12_345, 19_999, 2), document("a", 1_001, 12_345, 1)))
        found = past_runs(client, [Generation("f", "f", recurs=True)], Edges.BOTH_INCLUSIVE)
        assert [one.window for one in found] == [Window(THEN + 12, THEN + 19), Window(THEN + 1, THEN + 12)]

    def test_the_edges_of_a_posted_window_are_as_configured(self, client: AepClient, wire: Any) -> None:
        wire.answer("GET", "/runs", page(document("a", 10_000, 19_000, 1)))
        found = past_runs(client, [Generation("f", "f", recurs=False)], Edges.BOTH_INCLUSIVE)
        assert [one.window for one in found] == [Window(THEN + 10, THEN + 20)]

    def test_the_second_page_and_a_run_on_both(self, client: AepClient, wire: Any) -> None:
        runs = [document(name, 10_000 * at, 10_000 * (at + 1), at) for at, name in enumerate("abc")]
        wire.answer("GET", "/runs", page(runs[2], runs[1], following="/runs?continuationToken=2"), times=1)
        wire.answer("GET", "/runs", page(runs[1], runs[0]), times=1)
        assert [one.id for one in past_runs(client, [Generation("f", "f", recurs=False)])] == ["c", "b", "a"]

    def test_another_dataset_begins_anew(self, client: AepClient, platform: Any, on_demand: Any) -> None:
        """Generations into the dataset of today count, those into another one do not."""
        old = on_demand(client, platform)
        old.rename("incidents (replaced 2026-01-01)")
        made(client, LOGIN, declared(target={"dataset": "others"}, names={"target_connection": "second"}))
        both = generations(all_flows(client), "incidents")
        assert len(both) == 2
        assert [one.name for one in of_one_dataset(client, both, "incidents")] == ["incidents"]
        assert of_one_dataset(client, both, "gone") == both

    def test_all_generations(self, client: AepClient, platform: Any, on_demand: Any) -> None:
        """A flow that was replaced, and the one that replaced it, which loaded a day of it again."""
        first = on_demand(client, platform)
        first.run(first.day(1), first.day(2))
        first.rename("incidents (replaced 2026-01-04T00:00:00Z)")
        other = on_demand(client, platform, "incidents 2")
        other.rename("incidents")
        other.run(first.day(2), first.day(3))
        flows = generations(all_flows(client), "incidents")
        assert {one.id for one in flows} == {first.flow_id, other.flow_id}
        days = [first.day(number) for number in (1, 2, 3, 4)]
        expected = Expectation(first.day(1, 4), days, time.time(), Tolerance())
        coverage = cover(past_runs(client, flows), expected)
        assert states(coverage) == [WindowState.SUCCEEDED] * 3 + [WindowState.NEVER]
        assert coverage.gaps == [first.day(4)]
        assert [one.window for one in coverage.overlaps] == [first.day(2)]
        assert len(coverage.windows[1].runs) == 2

    @pytest.mark.slow
    def test_more_runs_than_a_page_has(self, client: AepClient, platform: Any, on_demand: Any) -> None:
        dataflow = on_demand(client, platform)
        start = dataflow.day(1).start
        windows = [Window(start + 600 * number, start + 600 * (number + 1)) for number in range(105)]
        dataflow.run(*windows)
        asked = Window(windows[0].start, windows[-1].end)
        flows = generations(all_flows(client), "incidents")
        coverage = cover(past_runs(client, flows), Expectation(asked, windows, time.time(), Tolerance()))
        assert coverage.answer is Answer.COMPLETE
        assert states(coverage) == [WindowState.SUCCEEDED] * 105
