"""When a flow runs: windows on the schedule's grid, none missed and none twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aep_local.core.settings import Assumptions
from aep_local.rows.timetable import Plan, Window, plan

MINUTE = 60_000
START = 1_767_225_600_000


def made(**changes: Any) -> Plan:
    values: dict[str, Any] = {
        "created_ms": START - 10 * MINUTE,
        "start_ms": START,
        "period_ms": 15 * MINUTE,
        "backfill": True,
        "scale": 1.0,
        "appears_ms": 2 * MINUTE,
        "once_by_itself": True,
    }
    return Plan(**(values | changes))


def test_the_first_run_takes_everything_before_the_start() -> None:
    early = made().next({}, START + 2 * MINUTE - 1)
    assert (early.run, early.due_ms) == (None, START + 2 * MINUTE)
    first = made().next({}, START + 2 * MINUTE)
    assert first.run == Window(None, START, include_null=True)
    assert first.due_ms == START + 17 * MINUTE
    second = made().next(first.memory, START + 17 * MINUTE)
    assert second.run == Window(START, START + 15 * MINUTE)


def test_without_backfill_nothing_historic_comes() -> None:
    first = made(backfill=False).next({}, START + 2 * MINUTE)
    assert first.run == Window(START, START)
    second = made(backfill=False).next(first.memory, START + 17 * MINUTE)
    assert second.run == Window(START, START + 15 * MINUTE)


@pytest.mark.parametrize("memory", [{}, {"windowEnd": START}])
def test_missed_periods_become_one_window(memory: dict[str, int]) -> None:
    late = START + 47 * MINUTE
    step = made().next(memory, late)
    assert step.run is not None
    assert (step.run.start_ms, step.run.end_ms) == (memory.get("windowEnd"), START + 45 * MINUTE)
    assert step.due_ms == START + 62 * MINUTE


def test_a_changed_interval_goes_on_from_the_last_window() -> None:
    hourly = made(period_ms=60 * MINUTE)
    step = hourly.next({"windowEnd": START + 15 * MINUTE}, START + 62 * MINUTE)
    assert step.run == Window(START + 15 * MINUTE, START + 60 * MINUTE)


@given(
    st.lists(st.integers(1, 200 * MINUTE), min_size=1, max_size=30),
    st.sampled_from([1.0, 0.001, 0.5]),
    st.booleans(),
)
def test_windows_are_seamless_whenever_we_look(pauses: list[int], scale: float, backfill: bool) -> None:
    schedule = made(scale=scale, backfill=backfill)
    memory: dict[str, Any] = {}
    now, end = schedule.created_ms, None
    for pause in pauses:
        now += pause
        step = schedule.next(memory, now)
        if step.run is None:
            assert step.due_ms is not None
            assert step.due_ms > now
            continue
        assert step.run.start_ms == (end if end is not None else None if backfill else START)
        assert step.run.end_ms is not None
        assert (step.run.end_ms - START) % (15 * MINUTE) == 0
        assert end is None or step.run.end_ms > end
        end, memory = step.run.end_ms, step.memory


def test_once_runs_once_or_not_by_itself() -> None:
    once = made(period_ms=None)
    assert once.next({}, START).run is None
    step = once.next({}, START + 2 * MINUTE)
    assert (step.run, step.due_ms) == (Window(None, None), None)
    assert once.next(step.memory, START + 99 * MINUTE).run is None
    never = made(period_ms=None, once_by_itself=False).next({}, START + 99 * MINUTE)
    assert (never.run, never.due_ms) == (None, None)


def test_scaled_time_is_counted_from_the_creation() -> None:
    fast = made(scale=0.001)
    # ten minutes until the start and two until the run appears are 720 ms
    assert fast.next({}, fast.created_ms).due_ms == fast.created_ms + 720
    assert fast.next({}, fast.created_ms + 720).run == Window(None, START, include_null=True)


def test_texts_in_a_schedule() -> None:
    params = {"startTime": "1767225600", "frequency": "minute", "interval": "15", "backfill": "false"}
    flow = {"createdAt": 5, "scheduleParams": params}
    made_plan = plan(flow, 0, Assumptions())
    assert (made_plan.start_ms, made_plan.period_ms, made_plan.backfill) == (START, 15 * MINUTE, False)
    assert made_plan.scale > 0
