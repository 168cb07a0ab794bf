"""A year of daily windows of one on-demand dataflow: time, and how many requests each window costs.

One after another, as Airflow runs them, with a memory for each task and a ledger for all, every check switched on. Beside it
what people write today: post the run, look until it has ended, nothing checked or remembered.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from aep import local_aep, our_client
from aep_provider.dataflows.ensured import ensure_dataflows
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.platform.client import AepClient
from aep_provider.resources import flow_service
from aep_provider.resources.authentication import SourceLogin
from aep_provider.resources.ensure import Patience
from aep_provider.resources.run import read_run
from aep_provider.resources.window import Window
from aep_provider.resources.window_run import WindowRequest, start_window
from aep_provider.verdict import RunState, judge

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
DELTA = "sys_updated_at"
# The platform's waits are a thousandth of AEP's, so this is what five minutes are there.
SETTLED = Patience(settle_seconds=0.3, look_every_seconds=0.01)


class Memory:
    """What Airflow keeps for a task, and for an asset."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, key: str) -> Any:
        """Return what was kept."""
        return json.loads(self.kept[key]) if key in self.kept else None

    def set(self, key: str, value: Any) -> None:
        """Keep it."""
        self.kept[key] = json.dumps(value)

    def recall(self) -> Any:
        """Return the note."""
        return self.get("note")

    def remember(self, note: Any) -> None:
        """Keep the note."""
        self.set("note", note)


def table(folder: Path, days: int, rows: int = 20_000) -> Counter[str]:
    """A table over so many days and as many after them; how many rows each day has."""
    chance = random.Random(11)
    counts: Counter[str] = Counter()
    with (folder / "events.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["sys_id", DELTA, "amount"])
        for row in range(rows):
            moment = FIRST + timedelta(seconds=chance.randrange(2 * days * 86400))
            counts[f"{moment:%Y-%m-%d}"] += 1
            out.writerow([f"row-{row}", f"{moment:%Y-%m-%d %H:%M:%S}", chance.randrange(1000)])
    return counts


def dataflow(client: AepClient, name: str) -> tuple[str, str]:
    """Flow and dataset of an on-demand dataflow."""
    spec = DataflowSpec.model_validate(
        {
            "name": name,
            "source": "servicenow",
            "source_conn_id": "aep_source_bench",
            "table": "events",
            "delta_column": DELTA,
        }
    )
    login = SourceLogin("aep_source_bench", "https://bench.service-now.example", "bench", "bench-secret")
    (made,) = ensure_dataflows(client, lambda _: login, [spec])
    while flow_service.read(client, "flows", made.flow_id)["state"] != "enabled":
        time.sleep(0.01)
    return made.flow_id, made.dataset_id


def ours(client: AepClient, flow_id: str, windows: list[Window]) -> tuple[int, int]:
    """Load the windows; requests besides looking at runs, and looks."""
    ledger, looks, before = Memory(), 0, client.requests_sent
    for window in windows:
        request = WindowRequest(flow_id, window, delta_column=DELTA)
        # What the DAG's first task asks: whether the dataflow is still there.
        flow_service.read(client, "flows", flow_id)
        started = start_window(client, request, memory=Memory(), ledger=ledger, patience=SETTLED)
        while True:
            looks += 1
            if judge(read_run(client, started.run_id)).state.has_ended:
                break
            time.sleep(0.01)
    return client.requests_sent - before - looks, looks


def plain(client: AepClient, flow_id: str, windows: list[Window]) -> tuple[int, int]:
    """The same windows, posted and looked at."""
    looks, before = 0, client.requests_sent
    for window in windows:
        params = {"startTime": int(time.time()), "windowStartTime": window.start, "windowEndTime": window.end}
        body = {"flowId": flow_id, "params": {**params, "deltaColumn": {"name": DELTA}}}
        run_id = client.post("/data/foundation/flowservice/runs", json=body).body["items"][0]["id"]
        while True:
            looks += 1
            verdict = judge(read_run(client, run_id))
            if verdict.state.has_ended:
                if verdict.state is not RunState.SUCCEEDED:
                    raise SystemExit(f"a run failed: {verdict.in_words()}")
                break
            time.sleep(0.01)
    return client.requests_sent - before - looks, looks


def rows_by_day(folder: Path) -> Counter[str]:
    """What has landed."""
    with duckdb.connect() as database:
        query = "select row::varchar from read_parquet(?) row"
        texts = [text for (text,) in database.execute(query, [f"{folder}/*.parquet"]).fetchall()]
    return Counter(text.partition(f"'{DELTA}': ")[2][:11].strip("'")[:10] for text in texts)


def measure(days: int) -> dict[str, Any]:
    """Both, on one platform."""
    windows = []
    for number in range(days):
        begin = FIRST + timedelta(days=number)
        windows.append(Window.between(begin, begin + timedelta(days=1)))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "tables"
        folder.mkdir()
        counts = table(folder, days)
        wanted = {f"{FIRST + timedelta(days=number):%Y-%m-%d}" for number in range(days)}
        told: dict[str, Any] = {"windows": days}
        with local_aep(folder, Path(scratch) / "state", "--time-scale", "0.001") as url, our_client(url) as client:
            for name, load in (("plain", plain), ("ours", ours)):
                flow_id, dataset = dataflow(client, name)
                began = time.perf_counter()
                requests, looks = load(client, flow_id, windows)
                took = time.perf_counter() - began
                landed = rows_by_day(Path(scratch) / "state" / "datasets" / dataset)
                if landed != Counter({day: counts[day] for day in wanted if counts[day]}):
                    raise SystemExit(f"{name}: the rows are not right")
                told[name] = {
                    "seconds": round(took, 1),
                    "requests a window": round(requests / days, 2),
                    "looks a window": round(looks / days, 1),
                }
        told["seconds, ours to plain"] = round(told["ours"]["seconds"] / told["plain"]["seconds"], 2)
        return told


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365)
    print(json.dumps(measure(parser.parse_args().days), indent=2))
