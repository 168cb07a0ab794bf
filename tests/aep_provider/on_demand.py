"""An on-demand dataflow on a local platform, for tests of what was loaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from aep_provider.platform.client import AepClient
from aep_provider.resources import flow_service
from aep_provider.resources.authentication import SourceLogin
from aep_provider.resources.run import read_run, runs_of
from aep_provider.resources.window import Window
from aep_provider.verdict import RunState, judge

from .made import declared, made

LOGIN = SourceLogin("aep_source_servicenow", "https://dev1.service-now.example", "ann", "hunter2-of-the-source")


def await_(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class OnDemand:
    """The table ``incident``, with a row in each of the first three days of 2026."""

    def __init__(self, client: AepClient, platform: Any, name: str = "incidents", **more: Any) -> None:
        one = made(client, LOGIN, declared(name, **more))
        self.client = client
        self.flow_id, self.dataset = one.flow_id, one.dataset_id
        self.state: Path = platform.state
        await_(lambda: self.document["state"] == "enabled")

    @staticmethod
    def day(number: int, last: int | None = None) -> Window:
        """From midnight (UTC) of a day of January 2026 to the next one, or to that after ``last``."""
        return Window(*(int(datetime(2026, 1, one, tzinfo=UTC).timestamp()) for one in (number, (last or number) + 1)))

    @property
    def document(self) -> dict[str, Any]:
        return flow_service.read(self.client, "flows", self.flow_id)

    def post(self, window: Window) -> str:
        """Post a run whatever was loaded before, as somebody else might."""
        params = {
            "startTime": int(time.time()),
            "windowStartTime": window.start,
            "windowEndTime": window.end,
            "deltaColumn": {"name": "sys_updated_at"},
        }
        answer = self.client.post(flow_service.path_of("runs"), json={"flowId": self.flow_id, "params": params}).body
        return str(answer["items"][0]["id"] if "items" in answer else answer["id"])

    def run(self, *windows: Window) -> list[str]:
        """Post runs and wait until they have ended and are listed."""
        ids = [self.post(window) for window in windows]
        self.settle(*ids)
        return ids

    def fail(self, *windows: Window) -> list[str]:
        """Post runs that fail, because the table is gone for a while."""
        with self.no_table():
            ids = self.run(*windows)
        assert {run["id"]: judge(run).state for run in self.runs() if run["id"] in ids} == dict.fromkeys(
            ids, RunState.FAILED
        )
        return ids

    def settle(self, *ids: str) -> None:
        """Wait until all runs have ended, and these are listed."""
        await_(lambda: {run["id"] for run in self.runs()} >= set(ids))
        await_(lambda: all(judge(run).state.has_ended for run in self.runs()))

    @staticmethod
    def wait_for(condition: Callable[[], Any]) -> None:
        await_(condition)

    def ended(self, run_id: str) -> RunState:
        await_(lambda: judge(read_run(self.client, run_id)).state.has_ended)
        return judge(read_run(self.client, run_id)).state

    @contextmanager
    def no_table(self) -> Iterator[None]:
        table = self.state.parent / "tables" / "incident.csv"
        table.rename(table.with_suffix(".hidden"))
        try:
            yield
        finally:
            table.with_suffix(".hidden").rename(table)

    def runs(self) -> list[dict[str, Any]]:
        return runs_of(self.client, self.flow_id)

    def rename(self, name: str) -> None:
        change = [{"op": "replace", "path": "/name", "value": name}]
        flow_service.patch(self.client, "flows", self.flow_id, self.document["etag"], change)

    def keys(self) -> list[str]:
        """The keys that have landed, as often as they did."""
        folder = self.state / "datasets" / self.dataset
        if not list(folder.glob("*.parquet")):
            return []
        with duckdb.connect() as database:
            rows = database.execute(f"select row::varchar from read_parquet('{folder}/*.parquet') row").fetchall()
        return sorted(key for (row,) in rows for key in ("a1", "a2", "a3") if f"'sys_id': {key}" in row)
