"""Provisioning 1, 10 and 40 dataflows at 150 ms of latency: this package beside a plain `requests` loop.

Both against one local AEP, in turns, each with names of its own. Ours has every check switched on: it looks for each
object before it makes it, validates tables, columns, schedule, mappings and permissions, and judges the flow by AEP's JSON
schemas. The plain loop does none of that. A second line tells what it costs us to find everything there already.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from aep import ORG, local_aep, our_client
from aep_provider.resources.authentication import SourceLogin, credentials
from aep_provider.resources.chain import ensure_dataflow
from aep_provider.resources.check import DataflowRequest
from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.connectors import connector
from aep_provider.resources.ensure import ensure
from aep_provider.resources.facts import Facts
from aep_provider.resources.target import SchemaChoice
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


def ours(url: str, names: list[str], prefix: str, workers: int) -> int:
    """Make sure of the dataflows; how many requests it took."""
    system = connector("servicenow")
    with our_client(url) as client, ThreadPoolExecutor(workers) as pool:
        facts = Facts(client)
        login = SourceLogin("aep_source_bench", "https://bench.service-now.example", "bench", "bench-secret")
        found = credentials(client, system, login)
        base = ensure(BaseConnection(client, name=f"{prefix} base", connector=system, credentials=found)).id

        def one(table: str) -> None:
            name = f"{prefix} {table}"
            request = DataflowRequest(
                name, system, table, SchemaChoice(title=name), frequency="day", interval=1, delta_column=DELTA
            )
            ensure_dataflow(facts, request, base)

        list(pool.map(one, names))
        return client.requests_sent


def plain(url: str, names: list[str], prefix: str) -> int:
    """The plain loop; how many requests it took."""
    client = PlainClient(url, ORG, "prod")
    base = base_connection(client, f"{prefix} base")
    for table in names:
        provision(client, base, f"{prefix} {table}", table, DELTA)
    return client.sent


def timed(work: Callable[[], int]) -> tuple[int, float]:
    """Requests and seconds."""
    began = time.perf_counter()
    requests = work()
    return requests, time.perf_counter() - began


def measure(sizes: list[int], workers: int) -> list[dict[str, Any]]:
    """One line for each size."""
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "tables"
        folder.mkdir()
        every = tables(folder, max(sizes))
        with local_aep(folder, Path(scratch) / "state", "--latency-ms", str(LATENCY_MS)) as url:
            for size in sizes:
                names = every[:size]
                plain_requests, plain_seconds = timed(lambda: plain(url, names, f"plain {size}"))  # noqa: B023
                our_requests, our_seconds = timed(lambda: ours(url, names, f"ours {size}", workers))  # noqa: B023
                again_requests, again_seconds = timed(lambda: ours(url, names, f"ours {size}", workers))  # noqa: B023
                lines.append(
                    {
                        "dataflows": size,
                        "plain requests": plain_requests,
                        "plain seconds": round(plain_seconds, 1),
                        "our requests": our_requests,
                        "our seconds": round(our_seconds, 1),
                        "ours /plain": round(our_seconds / plain_seconds, 2),
                        "requests again": again_requests,
                        "seconds again": round(again_seconds, 1),
                    }
                )
    return lines


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
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    measured = measure(given.sizes, given.workers)
    if given.json:
        print(json.dumps(measured))
    else:
        show(f"Provisioning at {LATENCY_MS} ms, {given.workers} at a time", measured)
