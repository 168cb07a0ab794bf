"""A large run is quick and its memory does not grow with the table."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Platform
from .lake import Lake, counts, field, status

ROWS = 100_000
KINDS = ("text", "whole", "decimal", "moment")


@pytest.mark.thorough
def test_a_hundred_thousand_rows_of_forty_columns(
    start_platform: Callable[..., Platform], tmp_path: Path, org: str
) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    names = [f"{KINDS[index % 4]}{index}" for index in range(40)]
    with (tables / "large.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for row in range(ROWS):
            values = (f"text {row}", row, f"{row}.25", f"2026-01-{row % 28 + 1:02d} 10:20:{row % 60:02d}")
            writer.writerow([values[index % 4] for index in range(40)])
    platform = start_platform(tables=tables)
    with platform.client(org) as client:
        lake = Lake(platform, client)
        columns = lake.columns(lake.base(), "large")
        schema = lake.schema({each["name"]: field(each) for each in columns})
        flow, dataset = lake.flow("large", schema, lake.same(names), columns=columns)
        began = time.monotonic()
        (run,) = lake.ended(flow, seconds=240)
        seconds = time.monotonic() - began
        memory = peak_megabytes(platform)
        print(f"{seconds:.1f} s, peak {memory:.0f} MB")
        assert status(run) == "success"
        assert counts(run) == (ROWS, ROWS, 0)
        row = f"{lake.tenant}.row"
        assert lake.rows(dataset, f"count(*), sum({row}.whole1), max({row}.text0)") == [
            (ROWS, ROWS * (ROWS - 1) // 2, "text 99999")
        ]
    assert seconds < 30
    assert memory < 900


def peak_megabytes(platform: Platform) -> float:
    assert platform.process is not None
    status_file = Path(f"/proc/{platform.process.pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status_file.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
