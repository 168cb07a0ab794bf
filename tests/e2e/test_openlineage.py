"""What OpenLineage is told of real runs, also of what waited in the triggerer: the rows that are in the dataset."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import local_aep
import run
from aep_provider import operators
from arrivals import Arrivals
from environment import ROOT, airflow_environment

from ..leaks import leaked
from .estate import Estate, postgres, postgres_is_there

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

TABLE = """\
sys_id,number,sys_updated_at
a1,INC001,2026-01-01 08:00:00
a2,INC002,2026-01-02 08:00:00
a3,INC003,2026-01-02 09:00:00
"""
WAIT = """\
from pathlib import Path

from airflow.sdk import DAG

from aep_provider.sensors import AepFlowRunSensor

RUN = Path({run!r})
KNOWN = {{"source": "servicenow://dev1", "table": "incident", "sandbox": "prod", "dataset": "incidents"}}
if RUN.exists():
    with DAG("waits", schedule=None, is_paused_upon_creation=False, default_args={{"retries": 0}}):
        AepFlowRunSensor(task_id="wait", run_id=RUN.read_text(), poke_interval=1, lineage=KNOWN)
"""


class Heard:
    """The events that Airflow has sent."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @property
    def environment(self) -> dict[str, str]:
        transport = {"type": "file", "log_file_path": str(self.file), "append": True}
        return {"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport)}

    def of(self, job: str) -> dict[str, dict[str, Any]]:
        """Those of a task by their type, once it is complete: that is sent after Airflow knows of its success."""
        deadline = time.monotonic() + 60
        while True:
            text = self.file.read_text() if self.file.exists() else ""
            found = {one["eventType"]: one for one in map(json.loads, text.splitlines()) if one["job"]["name"] == job}
            if "COMPLETE" in found:
                assert leaked(text.encode()) == []
                return found
            assert time.monotonic() < deadline, f"of {job} OpenLineage is told {sorted(found)}"
            time.sleep(0.2)


def ends(event: dict[str, Any]) -> list[tuple[str, str, int | None]]:
    """Each dataset of an event, with its count of rows."""
    counted = []
    for side, facets, facet in (
        ("inputs", "inputFacets", "inputStatistics"),
        ("outputs", "outputFacets", "outputStatistics"),
    ):
        for one in event[side]:
            counted.append((one["namespace"], one["name"], one.get(facets, {}).get(facet, {}).get("rowCount")))
    return counted


def test_a_run_of_a_dag_is_told_from_the_table_to_the_dataset(tmp_path: Path) -> None:
    tables, home, heard = tmp_path / "tables", tmp_path / "home", Heard(tmp_path / "events.jsonl")
    tables.mkdir()
    (tables / "incident.csv").write_text(TABLE)
    aep = local_aep.start(tables, tmp_path / "state")
    try:
        conf = run.dag_conf("incident", None)
        result = tmp_path / "result.json"
        environment = airflow_environment(home) | heard.environment
        environment |= {
            # Each event is a process of its own, and of the other steps none is looked at here.
            "AIRFLOW__OPENLINEAGE__DISABLED_FOR_OPERATORS": ";".join(
                f"{one.__module__}.{one.__qualname__}" for one in map(vars(operators).get, operators.__all__)
            ),
            "AIRFLOW_CONN_AEP_DEFAULT": aep.connection(),
            "AIRFLOW_CONN_AEP_SOURCE_SERVICENOW": json.dumps(run.LOGINS["servicenow"]),
        }
        command = [sys.executable, str(ROOT / "scripts" / "dag_run.py"), run.DAG_ID, json.dumps(conf), str(result)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        told = json.loads(result.read_text())
        assert told["state"] == "success", told
        arrivals = Arrivals.of(aep, told["result"]["dataset_id"])
    finally:
        aep.stop()
    events = heard.of(f"{run.DAG_ID}.first_run")
    source, dataset = ("servicenow://example.service-now.com", "incident"), ("aep://prod", "ServiceNow incident")
    assert ends(events["START"]) == [(*source, None), (*dataset, None)]
    assert ends(events["COMPLETE"]) == [(*source, 3), (*dataset, arrivals.stored)]
    assert arrivals.stored == 3
    facets = events["COMPLETE"]["run"]["facets"]
    assert facets["aep_flowRun"]["runs"][0]["runId"] == told["result"]["run"]["id"]
    fields = [one["name"] for one in events["COMPLETE"]["outputs"][0]["facets"]["schema"]["fields"]]
    assert "_local.incident.sys_id" in fields
    assert "warning" not in [line for line in done.stderr.splitlines() if "OpenLineage" in line]


@pytest.fixture
def estate(tmp_path: Path, demand: Callable[[bool, str], None]) -> Iterator[Estate]:
    demand(postgres_is_there(), "no PostgreSQL on 127.0.0.1 lets the user postgres in")
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "incident.csv").write_text(TABLE)
    with postgres() as database:
        estate = Estate(tmp_path / "estate", tables, database=database)
        estate.environment |= Heard(tmp_path / "events.jsonl").environment
        (estate.dags / "waits.py").write_text(WAIT.format(run=str(tmp_path / "run")))
        try:
            yield estate
        finally:
            estate.stop()


@pytest.mark.service
def test_waits_of_a_real_triggerer_are_told_by_a_worker(estate: Estate, tmp_path: Path) -> None:
    heard = Heard(tmp_path / "events.jsonl")
    dag_id = estate.spec("incidents", table="incident", delta_column="sys_updated_at")
    estate.start()
    estate.known(dag_id)
    day = {"window_start": "2026-01-02T00:00:00Z", "window_end": "2026-01-03T00:00:00Z"}
    estate.api("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": day})
    events = heard.of(f"{dag_id}.window")
    (landed,) = estate.datasets()
    assert len(estate.keys(landed)) == 2
    source, dataset = ("servicenow://dev1.service-now.example", "incident"), ("aep://prod", "incidents")
    assert ends(events["START"]) == [(*source, None), (*dataset, None)]
    assert ends(events["COMPLETE"]) == [(*source, 2), (*dataset, 2)]
    made = heard.of(f"{dag_id}.dataflow")["COMPLETE"]
    assert ends(made) == [(*dataset, None)]
    assert made["outputs"][0]["facets"]["lifecycleStateChange"]["lifecycleStateChange"] == "CREATE"

    # This one begins in the triggerer, and would end there if nobody were told.
    (flow_run,) = estate.aep_runs()
    (tmp_path / "run").write_text(flow_run["id"])
    estate.known("waits")
    estate.api("POST", "/dags/waits/dagRuns", {"logical_date": None})
    events = heard.of("waits.wait")
    assert ends(events["COMPLETE"]) == [("servicenow://dev1", "incident", 2), (*dataset, 2)]
    assert events["COMPLETE"]["run"]["facets"]["externalQuery"]["externalQueryId"] == flow_run["id"]
