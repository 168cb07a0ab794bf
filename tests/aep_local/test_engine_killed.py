"""However a run is interrupted, it ends exactly once, with all of its rows or none."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aep_local.core.store import Store
from aep_local.rows.execution import Execution
from aep_local.rows.landing import BatchWriter, Landing

from .conftest import FLOW, Platform
from .lake import Lake, counts, field, status
from .waiting import awaited
from .workshop import SCOPE, Workshop

pytestmark = pytest.mark.slow

STRING = {"type": "string"}
WHOLE = {"type": "integer"}


def thorough(moment: str) -> Any:
    return pytest.param(moment, marks=pytest.mark.thorough)


class Killed(BaseException):
    """The process is gone."""


def dies(owner: type, name: str, *, after: bool, when: Callable[..., bool] = lambda *_: True) -> Any:
    """A method that ends the process before or after its work."""
    method = getattr(owner, name)

    def broken(*args: Any, **more: Any) -> Any:
        if not when(*args):
            return method(*args, **more)
        if after:
            method(*args, **more)
        raise Killed

    return broken


def third_row(_writer: BatchWriter, row: dict[str, Any]) -> bool:
    return row["number"] == 3


def outcome(_store: Store, kind: str, *_: Any) -> bool:
    doc = _[-1]
    return kind == "runs" and "outcome" in doc.get("_local", {})


def ended(_store: Store, kind: str, *_: Any) -> bool:
    return kind == "runs" and "completedAtUTC" in _[-1]["metrics"]["durationSummary"]


def a_batch(_store: Store, kind: str, *_: Any) -> bool:
    return kind == "batches"


POINTS: dict[str, tuple[type, str, bool, Callable[..., bool]]] = {
    "before the batch": (Store, "insert", False, a_batch),
    "after the batch": (Store, "insert", True, a_batch),
    "between two rows": (BatchWriter, "add", True, third_row),
    "before the file": (BatchWriter, "finish", False, lambda *_: True),
    "file written": (BatchWriter, "finish", True, lambda *_: True),
    "before the outcome": (Store, "put", False, outcome),
    "after the outcome": (Store, "put", True, outcome),
    "before the rename": (Landing, "publish", False, lambda *_: True),
    "after the rename": (Landing, "publish", True, lambda *_: True),
    "within the last transaction": (Store, "put", True, ended),
}


@contextmanager
def workshop(folder: Path) -> Iterator[Workshop]:
    made = Workshop(folder)
    try:
        yield made
    finally:
        made.close()


def execution_of(shop: Workshop) -> Execution:
    return Execution(
        shop.store, shop.folder, shop.engine.landing, shop.accounts, shop.clock, shop.settings, threading.Event()
    )


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("rejected", [0, 2], ids=["clean", "too many rejected"])
def test_killed_between_two_steps(point: str, rejected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with workshop(tmp_path) as first:
        first.table("t", "number,name\n" + "".join(f"{n},name {n}\n" for n in range(6)) + "x,odd\n" * rejected)
        first.prepare({"number": WHOLE, "name": STRING})
        flow = first.flow("t")
        run_id = first.run(flow)
        run = first.store.get("runs", run_id, SCOPE)
        assert run is not None
        run["metrics"]["statusSummary"] = {"status": "inProgress"}
        first.store.put("runs", run_id, SCOPE, run, due_ms=2**53)
        execution = execution_of(first)
        owner, name, after, when = POINTS[point]
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, dies(owner, name, after=after, when=when))
            happened = False
            try:
                execution.execute(run_id, SCOPE)
            except Killed:
                happened = True
        # a run that fails writes no file and renames nothing
        assert happened or (rejected and name in {"finish", "publish"})

    with workshop(tmp_path) as second:
        # the source has changed meanwhile: whatever was not committed is read anew, the rest is not read again
        second.table("t", "number,name\n" + "".join(f"{n},later {n}\n" for n in range(9)) + "x,odd\n" * rejected)
        second.engine.start()
        run = second.ended(run_id)
        assert len(second.store.all("runs", SCOPE)) == 1
        batches = second.store.all("batches", SCOPE)
        assert len(batches) == 1
        if rejected:
            assert (status(run), counts(run)[1]) == ("failed", 0)
            assert batches[0]["status"] == "failed"
            assert second.files() == []
        else:
            names = [name for (name,) in second.rows("name")]
            assert names in ([f"name {n}" for n in range(6)], [f"later {n}" for n in range(9)])
            assert (names[0] == "name 0") == (
                point
                in {"after the outcome", "before the rename", "after the rename"} | {"within the last transaction"}
            )
            assert counts(run) == (len(names), len(names), 0)
            assert (batches[0]["status"], len(second.files())) == ("success", 1)
        assert [path.name for path in (second.state / "staging").iterdir()] == []


ROWS = 20_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment", [*map(thorough, ["scheduled", "inProgress", "*.ndjson", "*.parquet"]), "datasets/*/*.parquet"]
)
def test_killed_for_real(moment: str, start_platform: Callable[..., Platform], tmp_path: Path, org: str) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    lines = (f"{n},name {n}," + ",".join(str(n + c) for c in range(20)) for n in range(ROWS))
    header = "number,name," + ",".join(f"c{c}" for c in range(20))
    (tables / "t.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    # slow enough that every state is seen
    platform = start_platform("--time-scale", "0.05", "--assume", "run_appears_after_seconds=0", tables=tables)
    with platform.client(org) as client:
        lake = Lake(platform, client)
        columns = lake.columns(lake.base(), "t")
        schema = lake.schema({each["name"]: field(each) for each in columns})
        schedule = {"startTime": int(time.time()) + 10, "frequency": "once"}
        mappings = lake.same([each["name"] for each in columns])
        flow, dataset = lake.flow("t", schema, mappings, columns=columns, schedule=schedule)
        wait_for(moment, lake, flow)
        platform.end(signal.SIGKILL)
    platform.start()
    with platform.client(org) as client:
        lake = Lake(platform, client)
        (run,) = lake.ended(flow)
        assert status(run) == "success"
        assert counts(run) == (ROWS, ROWS, 0)
        assert len(lake.files(dataset)) == 1
        assert lake.rows(dataset, f"count(*), count(DISTINCT {lake.tenant}.row.number)") == [(ROWS, ROWS)]
        # nothing more comes
        assert len(lake.runs(flow)) == 1
        assert lake.batch(run)["metrics"]["outputRecordCount"] == ROWS


@pytest.mark.parametrize("point", POINTS)
def test_a_posted_run_killed_between_two_steps(point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its window and the edges of it are kept with it, whatever the switches say after the restart."""
    rows = "number,at\n" + "".join(f"{n},2026-01-01T0{n}:00:00Z\n" for n in range(8))
    hour = 3_600_000
    begin = 1_767_225_600_000  # 2026-01-01 00:00:00 UTC
    with workshop(tmp_path) as first:
        first.table("t", rows)
        first.prepare({"number": WHOLE})
        window = {"start_ms": begin + 2 * hour, "end_ms": begin + 6 * hour, "edges": "end_inclusive"}
        run_id = first.run(first.flow("t"), delta="at", begin_ms=0, **window)
        run = first.store.get("runs", run_id, SCOPE)
        assert run is not None
        run["metrics"]["statusSummary"] = {"status": "inProgress"}
        first.store.put("runs", run_id, SCOPE, run, due_ms=2**53)
        owner, name, after, when = POINTS[point]
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, dies(owner, name, after=after, when=when))
            with pytest.raises(Killed):
                execution_of(first).execute(run_id, SCOPE)
    with workshop(tmp_path) as second:
        second.engine.start()
        assert counts(second.ended(run_id)) == (4, 4, 0)
        assert sorted(second.rows("number")) == [(3,), (4,), (5,), (6,)]
        assert (len(second.store.all("runs", SCOPE)), len(second.store.all("batches", SCOPE))) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("moment", [*map(thorough, ["*.ndjson", "datasets/*/*.parquet"]), "at once"])
def test_posted_runs_killed_for_real(
    moment: str, start_platform: Callable[..., Platform], tmp_path: Path, org: str
) -> None:
    """Six windows posted side by side, the platform killed among them: each row lands once, and no run is left over."""
    tables = tmp_path / "tables"
    tables.mkdir()
    begin, windows = 1_767_225_600, 6
    moments = (f"{datetime.fromtimestamp(begin + n, UTC):%Y-%m-%d %H:%M:%S}" for n in range(ROWS))
    (tables / "t.csv").write_text("number,at\n" + "".join(f"{n},{at}\n" for n, at in enumerate(moments)))
    platform = start_platform("--time-scale", "0.05", "--assume", "run_appears_after_seconds=0", tables=tables)
    span = -(-ROWS // windows)
    with platform.client(org) as client:
        lake = Lake(platform, client)
        schedule = {"startTime": int(time.time()) + 3_000_000, "frequency": "once"}
        flow, dataset = lake.flow("t", lake.schema({"number": WHOLE}), lake.same(["number"]), schedule=schedule)
        while lake.ok("GET", f"{FLOW}/flows/{flow}")["items"][0]["state"] != "enabled":
            time.sleep(0.02)
        for number in range(windows):
            params = {"windowStartTime": begin + number * span, "windowEndTime": begin + (number + 1) * span}
            lake.ok("POST", f"{FLOW}/runs", {"flowId": flow, "params": params | {"deltaColumn": {"name": "at"}}})
        if moment != "at once":
            wait_for(moment, lake, flow)
        platform.end(signal.SIGKILL)
    platform.start()
    with platform.client(org) as client:
        lake = Lake(platform, client)
        runs = lake.ended(flow, count=windows)
        assert {status(run) for run in runs} == {"success"}
        assert sum(counts(run)[1] for run in runs) == ROWS
        number = f"{lake.tenant}.row.number"
        assert lake.rows(dataset, f"count(*), count(DISTINCT {number})") == [(ROWS, ROWS)]
        assert (len(lake.runs(flow)), len(lake.files(dataset))) == (windows, windows)


def wait_for(moment: str, lake: Lake, flow: str) -> None:
    folder = lake.platform.state if "/" in moment else lake.platform.state / "staging"
    if "*" in moment:
        awaited(lambda: next(folder.glob(moment), None))
    else:
        awaited(lambda: lake.runs(flow), lambda runs: any(status(run) == moment for run in runs))
