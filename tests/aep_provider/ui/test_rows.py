"""How a dataflow is, in a word."""

from __future__ import annotations

from typing import Any

import pytest

from aep_provider.cli.schedule import windows_in
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.resources.window import Edges, Window
from aep_provider.ui import due_windows
from aep_provider.ui.due_windows import DueWindows
from aep_provider.ui.rows import Health, Judge, Row, dataflows_of
from aep_provider.ui.seen_run import SeenRun

from ..resources.watching import DAY, HOUR, NOW
from .world import WEEK, flow, flow_id, run, spec, window_run

SINCE = WEEK[0] - 5 * DAY


def judged(flows: list[Any], runs: list[Any], *specs: DataflowSpec, since: int = SINCE) -> list[Row]:
    by_flow: dict[str, list[SeenRun]] = {}
    for each in map(SeenRun.of, sorted(runs, key=lambda one: -one["createdAt"])):
        by_flow.setdefault(each.flow_id, []).append(each)
    judge = Judge(NOW, since, Edges.START_INCLUSIVE)
    return [judge.row(one) for one in dataflows_of(flows, by_flow, {each.name: each for each in specs})]


def health(flows: list[Any], runs: list[Any], *specs: DataflowSpec) -> tuple[Health, str]:
    (row,) = judged(flows, runs, *specs)
    return row.health, row.why


LOADED = [window_run(f"r{number}", "one", start) for number, start in enumerate(WEEK[1:], 1)]
LATE_ROW = {"inputRecordCount": 10, "outputRecordCount": 8, "failedRecordCount": 2}


@pytest.mark.parametrize(
    ("flows", "runs", "specs", "expected", "words"),
    [
        ([flow("one")], LOADED, [spec("one")], Health.WELL, ""),
        ([flow("one")], [], [], Health.IDLE, ""),
        ([], [], [spec("one")], Health.ABSENT, "declared"),
        ([flow("one", state="disabled")], LOADED[2:], [spec("one")], Health.DISABLED, ""),
        ([flow("one")], LOADED[1:], [spec("one")], Health.LATE, "1 window missing, the first from 2026-01-04 00:00"),
        (
            [flow("one")],
            [*LOADED, run("x", "one", NOW - 9, NOW - 5)],
            [spec("one")],
            Health.FAILING,
            "CONNECTOR-1001-500",
        ),
        ([flow("one")], [window_run("r", "one", WEEK[1], **LATE_ROW)], [], Health.REJECTING, "2 rows of the last run"),
        ([flow("one")], [run("x", "one", NOW - HOUR)], [], Health.RUNNING, ""),
        ([flow("one")], [run("x", "one", NOW - 3 * HOUR)], [], Health.LATE, "a run goes on since"),
        ([flow("one", frequency="hour", start=NOW - 9 * HOUR)], [], [], Health.LATE, "no run since 2026-01-05 07:00"),
        (
            [flow("one", frequency="hour", start=NOW - 9 * HOUR)],
            [run("x", "one", NOW - HOUR, NOW - HOUR + 9, "success")],
            [],
            Health.WELL,
            "",
        ),
    ],
)
def test_in_a_word(flows: list[Any], runs: list[Any], specs: list[Any], expected: Health, words: str) -> None:
    word, why = health(flows, runs, *specs)
    assert word is expected
    assert words in why


def test_windows_count_as_in_airflow_aep_runs() -> None:
    bad = window_run("bad", "one", WEEK[2], "failed")
    (row,) = judged([flow("one")], [LOADED[0], bad, *LOADED[3:]], spec("one"))
    assert (row.windows_late, row.rows_in, row.rows_rejected) == (2, 40, 0)
    assert row.next_due == WEEK[0] + DAY
    assert [each.id for each in row.last_runs] == ["r6", "r5", "r4", "bad", "r1"]


def test_a_window_is_due_only_after_the_lag() -> None:
    nine = spec("one", schedule={"cron": "0 0 * * *", "start": "2025-12-20", "catchup": True, "lag": 9 * HOUR})
    (row,) = judged([flow("one")], LOADED[1:], nine)
    assert (row.windows_late, row.next_due) == (0, WEEK[0] + 9 * HOUR)


def test_what_a_replaced_flow_loaded_counts() -> None:
    old = flow("one (replaced 2026-01-03T00:00:00Z)")
    runs = [*LOADED[:2], *({**each, "flowId": old["id"]} for each in LOADED[2:])]
    (row,) = judged([old, flow("one")], runs, spec("one"))
    assert (row.name, row.flow_id, row.windows_late) == ("one", flow_id("one"), 0)


def test_what_is_before_all_that_was_ever_loaded_is_missing_only_with_catchup() -> None:
    new = flow("one") | {"createdAt": (NOW - 60) * 1000}
    # Days 2 and 4 to 5 back, as far as runs are known; and of those only the one after the first that was loaded.
    for catchup, late in ((True, 3), (False, 1)):
        one = spec("one", schedule={"cron": "0 0 * * *", "start": "2025-12-20", "catchup": catchup})
        (row,) = judged([new], [LOADED[0], LOADED[2]], one)
        assert row.windows_late == late


def test_windows_before_runs_are_known_are_not_judged() -> None:
    (row,) = judged([flow("one")], LOADED[:1], spec("one"), since=WEEK[1] + HOUR)
    assert row.windows_late == 0


def test_windows_are_carried_on() -> None:
    due, one = DueWindows(), spec("one").schedule
    assert one is not None
    first = due.of(one, SINCE, NOW)
    assert due.of(one, SINCE, NOW) == first
    later = due.of(one, SINCE + DAY, NOW + 2 * DAY)
    assert later == DueWindows().of(one, SINCE + DAY, NOW + 2 * DAY)
    assert [each.end for each in later][-1] == WEEK[0] + 3 * DAY


def test_a_schedule_starts_and_ends_where_it_says() -> None:
    due = DueWindows()
    for start, end in (("2026-01-02", None), ("2026-01-01", "2026-01-03"), ("2025-12-20", "2025-12-31")):
        one = spec("one", schedule={"cron": "0 0 * * *", "start": start, **({"end": end} if end else {})}).schedule
        assert one is not None
        assert due.of(one, SINCE, NOW) == windows_in(one, Window(SINCE, NOW + 1))


def test_a_schedule_of_every_minute_is_not_told_apart_for_months(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due_windows, "MOST", 30)
    one = spec("one", schedule={"cron": "*/30 * * * *", "start": "2025-12-01"}).schedule
    assert one is not None
    windows = DueWindows().of(one, NOW - 30 * DAY, NOW)
    assert len(windows) == 30
    assert windows[-1].end == NOW + HOUR / 2
