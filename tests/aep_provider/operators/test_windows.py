"""Which window a task loads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from aep_provider.errors import AepConfigError
from aep_provider.operators.windows import window_of_task
from aep_provider.resources.window import Window

MIDNIGHT = datetime(2024, 2, 29, tzinfo=UTC)
NEXT = MIDNIGHT + timedelta(days=1)
LEAP_DAY = Window(int(MIDNIGHT.timestamp()), int(NEXT.timestamp()))


def context(kind: str, *interval: datetime, schedule: Any = "a timetable") -> Any:
    told = {"dag_run": SimpleNamespace(run_type=kind), "dag": SimpleNamespace(schedule=schedule)}
    return {**told, **dict(zip(("data_interval_start", "data_interval_end"), interval, strict=False))}


@pytest.mark.parametrize("kind", ["scheduled", "backfill"])
def test_the_interval_of_a_run_that_somebody_planned(kind: str) -> None:
    assert window_of_task(context(kind, MIDNIGHT, NEXT), None, None) == LEAP_DAY


def test_an_interval_typed_into_the_form_of_a_dag_without_a_schedule() -> None:
    assert window_of_task(context("manual", MIDNIGHT, NEXT, schedule=None), None, "None") == LEAP_DAY


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-02-29T00:00:00+00:00", "2024-03-01T00:00:00Z"),
        ("2024-02-29", "2024-03-01T01:00:00+01:00"),
        (LEAP_DAY.start, str(LEAP_DAY.end)),
        (MIDNIGHT, NEXT.replace(tzinfo=None)),
    ],
)
@pytest.mark.parametrize("kind", ["scheduled", "backfill", "manual", "asset_triggered"])
def test_parameters_come_first(kind: str, start: Any, end: Any) -> None:
    early = MIDNIGHT - timedelta(days=9)
    assert window_of_task(context(kind, early, early + timedelta(days=1)), start, end) == LEAP_DAY
    assert window_of_task(context(kind), start, end) == LEAP_DAY


@pytest.mark.parametrize(
    ("told", "start", "end", "message"),
    [
        (context("manual", MIDNIGHT, NEXT), None, None, "triggered by hand has no window of its own"),
        (context("asset_triggered", MIDNIGHT, NEXT), None, None, "triggered by hand|no window"),
        (context("manual", MIDNIGHT, MIDNIGHT, schedule=None), None, None, "no window of its own"),
        (context("manual"), None, None, "no data interval"),
        (context("scheduled", MIDNIGHT, MIDNIGHT), None, None, "CronDataIntervalTimetable"),
        (context("scheduled", MIDNIGHT, NEXT), "2024-02-29", None, "no window_end"),
        (context("scheduled", MIDNIGHT, NEXT), None, "2024-02-29", "no window_start"),
        (context("manual"), "2024-03-01", "2024-02-29", "ends before it starts.*1381"),
        (context("manual"), "2024-03-01", "2024-03-01", "is empty"),
        (context("manual"), LEAP_DAY.start * 1000, LEAP_DAY.end * 1000, "milliseconds"),
        (context("manual"), "yesterday", "today", "window_start is 'yesterday'"),
        (context("manual"), "2024-02-29T00:00:00.5+00:00", "2024-03-01", "between two seconds"),
    ],
)
def test_what_is_no_window_is_said(told: Any, start: Any, end: Any, message: str) -> None:
    with pytest.raises(AepConfigError, match=message):
        window_of_task(told, start, end)
