"""How far a task is, in its log: seldom while it goes on, and once at the end."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from aep_provider.dataflows.progress import Stage
from aep_provider.operators import AepEnsureDataflowOperator
from aep_provider.operators.progress import Logged, logged


@pytest.fixture
def clock() -> Any:
    class Clock:
        now = 0.0

        def __call__(self) -> float:
            return self.now

    return Clock()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_line_each_ten_seconds_and_one_at_the_end(clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    progress = Logged(logging.getLogger("task"), clock)
    stage = Stage(progress, "dataflows planned", 100)
    for number in range(100):
        clock.now += 0.25
        stage.ends(f"n{number}")
    progress.end()
    assert lines(caplog) == [
        "40 of 100 dataflows planned after 10 seconds, now: n39",
        "80 of 100 dataflows planned after 20 seconds, now: n79",
        "100 of 100 dataflows planned in 25 seconds",
    ]


def test_each_stage_has_its_last_line(clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    progress = Logged(logging.getLogger("task"), clock)
    Stage(progress, "dataflows planned", 3).ends("a")
    clock.now = 4
    Stage(progress, "objects made or changed", 2).ends("b")
    progress.end()
    progress.end()
    assert lines(caplog) == ["1 of 3 dataflows planned in 4 seconds", "1 of 2 objects made or changed in 0 seconds"]


def test_what_is_one_thing_needs_no_counting(clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with logged(logging.getLogger("task")) as progress:
        Stage(progress, "dataflows planned", 1).ends("a")
        Stage(progress, "objects made or changed", 0)
    assert lines(caplog) == []


def test_a_batch_tells_its_log(aep: Any, task: Any, no_waits: None, capfd: pytest.CaptureFixture[str]) -> None:
    spec = {
        "source": "servicenow", "source_conn_id": "aep_source_servicenow", "table": "incident",
        "delta_column": "sys_updated_at",
    }  # fmt: skip
    specs = [{**spec, "name": name} for name in ("one", "two")]
    task(AepEnsureDataflowOperator(task_id="dataflows", specs=specs)).run()
    printed = capfd.readouterr().out
    told = [printed.find(line) for line in ("2 of 2 dataflows planned in", "15 of 15 objects made or changed in")]
    assert told == sorted(told)
    assert told[0] >= 0
    assert printed.count(" seconds") == 2
