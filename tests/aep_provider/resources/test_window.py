"""Windows tile the time line: every second is in one of them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from airflow.timetables.base import TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable
from hypothesis import given, settings
from hypothesis import strategies as st
from pendulum import instance

from aep_provider.resources.window import Edges, Window, merged, windows_from

CRONS = ["0 0 * * *", "30 2 * * *", "0 */6 * * *", "*/15 * * * *", "0 5 * * 1", "0 0 1 * *", "15 1,13 * * *"]
ZONES = ["UTC", "Europe/Amsterdam", "America/New_York", "Asia/Kolkata"]
# Both clock changes of Europe/Amsterdam in 2026, and a leap day.
AROUND = [datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC), datetime(2024, 2, 27, tzinfo=UTC)]


def windows_of(cron: str, zone: str, begin: datetime, count: int) -> list[Window]:
    """The first windows that Airflow's own timetable makes."""
    timetable = CronDataIntervalTimetable(cron, timezone=zone)
    restriction = TimeRestriction(earliest=instance(begin), latest=None, catchup=True)
    last, found = None, []
    for _ in range(count):
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        assert info is not None
        last = info.data_interval
        found.append(Window.between(last.start, last.end))
    return found


@settings(max_examples=40, deadline=None)
@given(
    cron=st.sampled_from(CRONS), zone=st.sampled_from(ZONES), begin=st.sampled_from(AROUND), hours=st.integers(0, 48)
)
def test_the_windows_of_a_schedule_follow_each_other(cron: str, zone: str, begin: datetime, hours: int) -> None:
    windows = windows_of(cron, zone, begin + timedelta(hours=hours), 20)
    assert [one.end for one in windows[:-1]] == [one.start for one in windows[1:]]
    assert merged(windows) == [Window(windows[0].start, windows[-1].end)]
    assert not any(one.overlaps(other) for one, other in itertools.pairwise(windows))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-03-28", 24)])
def test_a_day_of_23_or_25_hours_is_one_window(day: str, hours: int) -> None:
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("Europe/Amsterdam"))
    (window,) = windows_of("0 0 * * *", "Europe/Amsterdam", begin, 1)
    assert window == Window(int(begin.timestamp()), int(begin.timestamp()) + hours * 3600)


SECONDS = st.integers(0, 60)
WINDOWS = st.tuples(SECONDS, SECONDS).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: Window(*pair))


@given(st.lists(WINDOWS))
def test_merging_keeps_every_second(windows: list[Window]) -> None:
    def seconds(some: list[Window]) -> set[int]:
        return {second for one in some for second in range(one.start, one.end)}

    once = merged(windows)
    assert seconds(once) == seconds(windows)
    assert all(one.end < other.start for one, other in itertools.pairwise(once))


@given(WINDOWS, WINDOWS)
def test_overlap_is_a_second_in_both(one: Window, other: Window) -> None:
    assert one.overlaps(other) == bool(set(range(one.start, one.end)) & set(range(other.start, other.end)))


@given(st.lists(st.integers(2, 50), min_size=2, unique=True), st.sampled_from(Edges))
def test_sent_as_aep_counts_every_second_is_taken_once(cuts: list[int], edges: Edges) -> None:
    """Whatever AEP counts in, the windows between some moments take each second between the outer ones once."""
    cuts = sorted(cuts)
    taken: list[int] = []
    for start, end in itertools.pairwise(cuts):
        window = Window(start, end)
        first, last = edges.sent(window)
        assert edges.read(first * 1000, last * 1000) == window
        begins = first if edges in (Edges.START_INCLUSIVE, Edges.BOTH_INCLUSIVE) else first + 1
        ends = last if edges in (Edges.END_INCLUSIVE, Edges.BOTH_INCLUSIVE) else last - 1
        taken += range(begins, ends + 1)
    shift = 1 if edges is Edges.END_INCLUSIVE else 0
    assert sorted(taken) == list(range(cuts[0] + shift, cuts[-1] + shift))


def test_a_memory_of_another_form_is_no_window() -> None:
    assert windows_from("text") == windows_from([[1], ["a", "b"], None]) == []
    assert windows_from([[1, 2]]) == [Window(1, 2)]
