"""PostgreSQL, Redis and two Celery workers that share no disk: one is lost in the middle of a backfill."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from environment import ROOT

from .celery_estate import REDIS_SERVER, CeleryEstate, redis_server
from .estate import postgres, postgres_is_there
from .test_backfill import DAYS, FIRST, generated_table, schedule

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.service]

WORKERS = ("worker1", "worker2")
TABLES = ("generated", "other")
PROVISION = "aep_provision_dataflow"


@pytest.fixture
def estate(tmp_path: Path, demand: Any) -> Iterator[CeleryEstate]:
    demand(REDIS_SERVER.exists(), f"there is no {REDIS_SERVER}")
    demand(postgres_is_there(), "no PostgreSQL on 127.0.0.1 lets the user postgres in")
    tables = tmp_path / "tables"
    tables.mkdir()
    with postgres() as database, redis_server(tmp_path / "redis") as broker:
        made = CeleryEstate(
            tmp_path / "estate", tables, broker=broker, database=database, platform=["--time-scale", "0.02"]
        )
        try:
            yield made
        finally:
            made.stop()


def test_a_worker_is_lost_in_the_middle_of_a_backfill(estate: CeleryEstate) -> None:
    """It posts the third window and dies, and its disk with it, before the answer comes; the other one does the rest."""
    for seed, table in enumerate(TABLES):
        generated_table(estate.tables / f"{table}.csv", seed)
    dag_id = estate.spec(
        "generated",
        table="generated",
        delta_column="sys_updated_at",
        schedule=schedule(FIRST, DAYS),
        policy={"settle": 8, "windows_at_once": 3},
    )
    (estate.dags / "provision.py").write_text((ROOT / "dags" / f"{PROVISION}.py").read_text())
    estate.gate.plan = ["", "", "session"]
    for worker in WORKERS:
        estate.start_worker(worker)
    estate.start()
    estate.wait_for_workers()
    estate.known(dag_id, PROVISION)

    # A chain of steps, each on whichever worker is free, while the windows of another dataflow are loaded.
    provision(estate)
    estate.backfill(dag_id, "2024-02-26", "2024-03-03")
    lost = estate.until(estate.lost_worker, "a worker is lost", 240)
    (left,) = set(WORKERS) - {lost}

    days = [f"{FIRST + timedelta(days=number):%Y-%m-%d}" for number in range(DAYS)]
    assert estate.ended_runs(dag_id, DAYS, 400) == dict.fromkeys(days, "success")
    assert list(estate.ended_runs(PROVISION, 1).values()) == ["success"]
    assert len(estate.gate.killed) == 1

    # Every row of both tables once, and no window twice.
    keys = sorted(f"row-{number}" for number in range(300))
    assert [sorted(estate.keys(dataset)) for dataset in estate.datasets()] == [keys, keys]
    assert estate.gate.posted == DAYS
    runs = estate.until(lambda: len(found := successful_runs(estate)) > DAYS and found, "AEP lists all runs", 60)
    windows = [run["params"]["windowStartTime"] for run in runs if "params" in run]
    assert len(runs) - 1 == len(windows) == len(set(windows)) == DAYS

    # Both had worked, and what the lost one had begun was known to the other.
    assert all(estate.logs_of(worker, dag_id) for worker in WORKERS)
    again = [log for log in estate.logs_of(left, dag_id) if log.name == "attempt=2.log"]
    assert any("An earlier try may have started a run" in log.read_text(encoding="utf-8") for log in again)


def provision(estate: CeleryEstate) -> None:
    """Load a whole table once, by Adobe's tutorial step by step."""
    conf = {"table": "other", "frequency": "one_time", "interval": None, "delta_column": None, "start_delay_seconds": 5}
    estate.api("POST", f"/dags/{PROVISION}/dagRuns", {"logical_date": None, "conf": conf})
    estate.unpause(PROVISION)


def successful_runs(estate: CeleryEstate) -> list[dict[str, Any]]:
    """AEP's runs that ended well, of both dataflows."""
    return [run for run in estate.aep_runs() if run["metrics"]["statusSummary"]["status"] == "success"]
