"""Counting how far long work has come."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aep_provider.dataflows.ensured import ensure_dataflows
from aep_provider.dataflows.progress import Stage
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.platform.client import AepClient
from aep_provider.resources.authentication import SourceLogin

from ..conftest import SOURCE_PASSWORD


def on_demand(name: str) -> DataflowSpec:
    least = {"source": "servicenow", "table": "incident", "delta_column": "sys_updated_at"}
    return DataflowSpec.model_validate({"name": name, "source_conn_id": "aep_source_servicenow", **least})


class Told:
    """Whoever wants to know."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, int, int | None, str]] = []

    def __call__(self, what: str, done: int, total: int | None, now: str) -> None:
        self.lines.append((what, done, total, now))


def test_it_counts_what_ends_and_tells_what_begins() -> None:
    told = Told()
    stage = Stage(told, "things", 2)
    stage.begins("a")
    stage.ends("a")
    stage.ends("b")
    stage.ends("found on the way")
    assert told.lines == [
        ("things", 0, 2, ""), ("things", 0, 2, "a"), ("things", 1, 2, "a"), ("things", 2, 2, "b"),
        ("things", 3, 3, "found on the way"),
    ]  # fmt: skip


def test_many_threads_count_as_one() -> None:
    told = Told()
    stage = Stage(told, "things", 400)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(stage.ends, map(str, range(400))))
    assert [done for _, done, _, _ in told.lines] == list(range(401)), "one at a time, in order"


def test_who_watches_and_breaks_stops_nothing_and_is_left_alone() -> None:
    asked = []

    def broken(*_: Any) -> None:
        asked.append(1)
        raise OSError("the terminal is gone")

    stage = Stage(broken, "things", 1)
    stage.ends("a")
    assert asked == [1]


def test_nobody_need_watch() -> None:
    Stage(None, "things").ends("a")


def test_dataflows_are_told_as_they_are_planned_and_made(client: AepClient) -> None:
    told = Told()
    specs = [on_demand("one"), on_demand("two")]
    login = SourceLogin("aep_source_servicenow", "https://dev1.service-now.example", "ann", SOURCE_PASSWORD)

    def ensure() -> None:
        ensure_dataflows(client, lambda _: login, specs, how_far=told)

    ensure()
    assert list(dict.fromkeys(what for what, *_ in told.lines)) == ["dataflows planned", "objects made or changed"]
    assert [line for line in told.lines if line[0] == "dataflows planned"][-1][1:3] == (2, 2)
    made = [line for line in told.lines if line[0] == "objects made or changed"]
    assert made[0][1:3] == (0, 15), "one base connection, and seven objects of each"
    assert made[-1][1:3] == (15, 15)
    assert {"flow one", "created flow one"} <= {now for *_, now in made}
    told.lines.clear()
    ensure()
    assert told.lines[-1] == ("objects made or changed", 0, 0, "")
