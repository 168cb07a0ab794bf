"""Plan and apply 1, 10 and 40 dataflows at 150 ms of latency: this package beside a plain `requests` loop.

Both against a local AEP of their own. Ours has every check switched on: it reads what the sandbox
holds, validates tables, columns, schedule, mappings and permissions, judges the flow by AEP's JSON schemas, and looks again
after every answer that did not come. The plain loop does none of that.

The shortest time is what one dataflow takes alone, from the look at its table to its flow, for as many rounds as there are when
so many are worked on side by side. Two more lines tell what it costs to find that there is nothing to do, of 40 dataflows and
of 1,000.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import random
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from aep import ORG, local_aep, our_client
from aep_provider.dataflows.apply import Options, apply_plan
from aep_provider.dataflows.planning import make_plan
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.dataflows.survey import look_around
from aep_provider.resources.authentication import SourceLogin
from plain import PlainClient, base_connection, provision

LATENCY_MS = 150
DELTA = "sys_updated_at"


def tables(folder: Path, count: int, columns: int = 20, rows: int = 50) -> list[str]:
    """Generated tables, the same at every call."""
    chance = random.Random(7)
    names = [f"table_{number:02}" for number in range(count)]
    for name in names:
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(["sys_id", DELTA, *(f"column_{index}" for index in range(columns - 2))])
            for row in range(rows):
                moment = datetime(2024, 1, 1) + timedelta(minutes=chance.randrange(500_000))
                out.writerow([f"{name}-{row}", moment, *(chance.randrange(1000) for _ in range(columns - 2))])
    return names


def declared(names: list[str], prefix: str) -> list[DataflowSpec]:
    """The dataflows."""
    shape = {"load": "recurring", "recurrence": {"frequency": "day", "interval": 1}, "delta_column": DELTA}
    access = {"source": "servicenow", "source_conn_id": f"aep_source_{prefix.replace(' ', '_')}"}
    return [
        DataflowSpec.model_validate({"name": f"{prefix} {table}", "table": table, **access, **shape}) for table in names
    ]


def login(conn_id: str) -> SourceLogin:
    """How to get into the source system."""
    return SourceLogin(conn_id, "https://bench.service-now.example", "bench", "bench-secret")


def ours(url: str, specs: list[DataflowSpec], workers: int) -> tuple[int, float]:
    """Plan and apply; how many requests it took, and how many seconds the apply alone."""
    with our_client(url) as client:
        sandbox = look_around(client, login)
        plan, planned = make_plan(specs, sandbox, whole=False, workers=workers)
        began = time.perf_counter()
        applied = apply_plan(plan, planned, sandbox, Options(workers=workers))
        seconds = time.perf_counter() - began
        assert not applied.failed
        return client.requests_sent, seconds


def nothing_to_do(url: str, specs: list[DataflowSpec], workers: int) -> int:
    """Plan and apply where everything is as declared; how many requests, the one for a token too."""
    with our_client(url) as client:
        plan, _ = make_plan(specs, look_around(client, login), whole=False, workers=workers)
        assert not plan.has_work
        return client.requests_sent + 1


def plain(url: str, names: list[str], prefix: str) -> int:
    """The plain loop; how many requests it took."""
    client = PlainClient(url, ORG, "prod")
    base = base_connection(client, f"{prefix} base")
    for table in names:
        provision(client, base, f"{prefix} {table}", table, DELTA)
    return client.sent


def seconds_of(work: Callable[[], object]) -> tuple[Any, float]:
    """What came of it, and how long it took."""
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began


def measure(size: int, workers: int) -> dict[str, Any]:
    """One line: so many dataflows, of both, in a sandbox that holds nothing else."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "tables"
        folder.mkdir()
        names = tables(folder, size)
        latency = ("--latency-ms", str(LATENCY_MS))
        with local_aep(folder, Path(scratch) / "plain", *latency) as url:
            plain_requests, plain_seconds = seconds_of(lambda: plain(url, names, "plain"))
            # The base connection is there when the one dataflow is measured.
            ours(url, declared(names[:1], "first"), workers)
            alone = [spec.model_copy(update={"name": "alone"}) for spec in declared(names[:1], "first")]
            _, alone_seconds = ours(url, alone, workers)
        with local_aep(folder, Path(scratch) / "ours", *latency) as url:
            specs = declared(names, "ours")
            (our_requests, apply_seconds), our_seconds = seconds_of(lambda: ours(url, specs, workers))
            again_requests, again_seconds = seconds_of(lambda: nothing_to_do(url, specs, workers))
    return {
        "dataflows": size,
        "plain requests": plain_requests,
        "plain seconds": round(plain_seconds, 1),
        "our requests": our_requests,
        "our seconds": round(our_seconds, 1),
        "plain /ours": round(plain_seconds / our_seconds, 1),
        "apply /shortest": round(apply_seconds / (math.ceil(size / workers) * alone_seconds), 2),
        "requests again": again_requests,
        "seconds again": round(again_seconds, 1),
    }


def many(count: int) -> dict[str, Any]:
    """What it costs to find a thousand dataflows as declared."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "tables"
        folder.mkdir()
        (table,) = tables(folder, 1, columns=4, rows=1)
        with local_aep(folder, Path(scratch) / "state") as url:
            shape = declared([table], "many")[0]
            specs = [shape.model_copy(update={"name": f"many {number:04}"}) for number in range(count)]
            ours(url, specs, 8)
            requests, seconds = seconds_of(lambda: nothing_to_do(url, specs, 8))
    return {"dataflows": count, "requests again": requests, "seconds again, without latency": round(seconds, 1)}


def show(title: str, lines: list[dict[str, Any]]) -> None:
    """A table for people."""
    table = Table(title=title, title_justify="left")
    for column in lines[0]:
        table.add_column(column.replace(" ", "\n", 1), justify="right")
    for line in lines:
        table.add_row(*(str(value) for value in line.values()))
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 40])
    parser.add_argument("--workers", type=int, default=4, help="dataflows that we make at the same time")
    parser.add_argument("--many", type=int, default=1000, help="dataflows to find as declared; 0 leaves that out")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    measured = [measure(size, given.workers) for size in given.sizes]
    found = [many(given.many)] if given.many else []
    if given.json:
        print(json.dumps([*measured, *found]))
    else:
        show(f"Plan and apply at {LATENCY_MS} ms, {given.workers} at a time", measured)
        if found:
            show("Nothing to do", found)
