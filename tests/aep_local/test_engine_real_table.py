"""The real ServiceNow table, mapped whole, lands whole."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aep_local.rows.tables import TableFolder

from .conftest import Platform
from .lake import REAL_TABLE, Lake, counts, field, status

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not REAL_TABLE.exists(), reason="../shared/data/servicenow/incident.csv is not there"),
]


@pytest.fixture
def lake(start_platform: Callable[..., Platform], tmp_path: Path, org: str) -> Iterator[Lake]:
    tables = tmp_path / "tables"
    tables.mkdir()
    shutil.copy(REAL_TABLE, tables)
    platform = start_platform(tables=tables)
    with platform.client(org) as client:
        yield Lake(platform, client)


def source_rows() -> list[dict[str, str]]:
    with REAL_TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_row_and_every_value_lands(lake: Lake) -> None:
    base = lake.base()
    columns = lake.columns(base, "incident")
    kinds = {each["name"]: each.get("meta:xdmType", each["type"]) for each in columns}
    assert len(columns) == 37
    assert {name for name, kind in kinds.items() if kind == "boolean"} == {
        "active",
        "made_sla",
        "knowledge",
        "u_priority_confirmation",
    }
    assert {name for name, kind in kinds.items() if kind == "integer"} == {
        "reassignment_count",
        "reopen_count",
        "sys_mod_count",
    }
    assert {name for name, kind in kinds.items() if kind == "date-time"} == {
        "opened_at",
        "sys_created_at",
        "sys_updated_at",
        "resolved_at",
        "closed_at",
    }

    names = [each["name"] for each in columns]
    schema = lake.schema({each["name"]: field(each) for each in columns})
    flow, dataset = lake.flow("incident", schema, lake.same(names), columns=columns)
    (run,) = lake.ended(flow)

    assert status(run) == "success"
    assert counts(run) == (3743, 3743, 0)
    batch = lake.batch(run)
    assert batch["status"] == "success"
    assert batch["metrics"]["outputRecordCount"] == 3743
    assert len(lake.files(dataset)) == 1

    landed = lake.rows(dataset, f"{lake.tenant}.row::STRUCT({', '.join(f'{n} VARCHAR' for n in names)})")
    expected = []
    for row in source_rows():
        expected.append({name: value or None for name, value in row.items()})
        for name in expected[-1]:
            if kinds[name] == "date-time" and row[name]:
                expected[-1][name] = row[name] + "+00"
    assert [row for (row,) in landed] == expected
    assert any("  " in (row["opened_by"] or "") for row in expected), "double blanks are part of the test"
    types = dict(lake.rows(dataset, f"typeof({lake.tenant}.row.active), typeof({lake.tenant}.row.opened_at)")[:1])
    assert types == {"BOOLEAN": "TIMESTAMP WITH TIME ZONE"}


def test_windows_by_day_give_the_truth() -> None:
    """Windows of single days count what the table's README counts; nothing is in two windows."""
    folder = TableFolder(REAL_TABLE.parent)
    truth = [496, 767, 1285, 602, 439, 48, 106]
    first = int(datetime(2016, 2, 29, tzinfo=UTC).timestamp() * 1000)
    day = 86_400_000
    seen = [
        [row["sys_id"] for row in folder.read("incident", ["sys_id"], "sys_updated_at", start, start + day)]
        for start in range(first, first + 7 * day, day)
    ]
    assert [len(ids) for ids in seen] == truth
    assert len({id for ids in seen for id in ids}) == 3743
    folder.close()
