"""`make up`: a DAG run under a real scheduler, triggerer and API server."""

from __future__ import annotations

import json

import psutil
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DAG_ID = "aep_provision_dataflow"


def test_everything_listens_on_loopback_only(running) -> None:
    family = [psutil.Process(running.child.process.pid), *psutil.Process(running.child.process.pid).children(True)]
    listening = [link.laddr.ip for one in family for link in one.net_connections("inet") if link.status == "LISTEN"]
    assert listening
    assert set(listening) == {"127.0.0.1"}


def test_the_settings_file_is_in_the_database(running) -> None:
    connection = running.get("/connections/aep_default")
    assert connection["conn_type"] == "aep"
    assert connection["host"].startswith("http://127.0.0.1:")
    assert running.get("/connections/aep_source_servicenow")["host"] == "https://example.service-now.com"
    assert running.get("/pools/aep")["slots"] > 0


def test_a_run_triggered_from_the_command_line_succeeds(running) -> None:
    once = {"frequency": "one_time", "interval": None, "backfill": None, "delta_column": None}
    conf = {"source": "servicenow", "table": "incident", **once}
    running.airflow("dags", "trigger", DAG_ID, "--run-id", "from-cli", "--conf", json.dumps(conf))
    run = running.ended_run(DAG_ID, "from-cli")
    assert run["state"] == "success", running.task_log(DAG_ID, "from-cli")
    summary = running.summary(DAG_ID, "from-cli")
    assert summary["run"]["status"] == "succeeded"
    assert summary["run"]["rows_written"] == 200
    assert summary["run"]["rows_rejected"] == 0
    assert {item["action"] for item in summary["objects"]} <= {"created", "reused"}
    assert (running.state / "datasets" / summary["dataset_id"]).is_dir()
