"""A DAG for each file, also for one that cannot be read."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from aep_provider.dag_factory import dataflow_dags, windows_a_day
from aep_provider.dataflows.spec import Schedule
from aep_provider.errors import AepConfigError

GOOD = """\
source: servicenow
source_conn_id: aep_source_servicenow
table: incident
delta_column: sys_updated_at
schedule: {cron: "*/15 * * * *", timezone: Europe/Amsterdam, start: 2026-01-01, end: 2026-02-01, lag: 5m}
policy: {pool: aep, windows_at_once: 2}
"""


def test_a_dag_for_each_file(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GOOD)
    (tmp_path / "two.yaml").write_text(GOOD.replace("schedule:", "# schedule:"))
    dags = dataflow_dags(tmp_path)
    assert set(dags) == {"aep_dataflow__one", "aep_dataflow__two"}
    dag = dags["aep_dataflow__one"]
    assert dag.start_date is not None
    assert dag.start_date.isoformat() == "2025-12-31T23:00:00+00:00"
    assert dag.params["lag"] == 300
    assert (dag.catchup, dag.is_paused_upon_creation) == (False, True)
    dataflow, window = dag.get_task("dataflow"), dag.get_task("window")
    assert window.upstream_task_ids == {"dataflow"}
    assert {task.pool for task in dag.tasks} == {"aep"}
    assert window.max_active_tis_per_dag == 2
    assert [asset.uri for asset in window.outlets] == [asset.uri for asset in dataflow.inlets] == ["aep://prod/one"]
    assert dags["aep_dataflow__two"].schedule is None


def test_a_file_that_cannot_be_read_costs_the_others_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "one.yaml").write_text(GOOD)
    (tmp_path / "two.yaml").write_text("source: servicenow\n")
    dags = dataflow_dags(tmp_path)
    assert "two.yaml: " in caplog.text
    broken = dags["aep_dataflow__two"]
    assert "table: Field required" in str(broken.doc_md)
    (task,) = broken.tasks
    with pytest.raises(AepConfigError, match="table: Field required"):
        task.execute({})  # type: ignore[arg-type]
    assert set(dags) == {"aep_dataflow__one", "aep_dataflow__two"}


def test_two_files_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GOOD)
    (tmp_path / "two.yaml").write_text(GOOD + "name: one\n")
    dags = dataflow_dags(tmp_path)
    assert "is also that of one.yaml" in str(dags["aep_dataflow__two"].doc_md)
    assert len(dags["aep_dataflow__one"].tasks) == 2


@pytest.mark.parametrize(
    ("cron", "count"),
    [
        ("@daily", 1),
        ("@hourly", 24),
        ("*/15 * * * *", 96),
        ("0 5 * * 1", 1),
        ("0,30 8-17 * * 1-5", 20),
    ],
)
def test_windows_on_the_busiest_day(cron: str, count: int) -> None:
    assert windows_a_day(Schedule.model_validate({"cron": cron, "start": "2026-01-01"})) == count


def test_more_batches_than_aep_advises(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    hourly = GOOD.replace("*/15 *", "0 *")
    for number in range(3):
        (tmp_path / f"hourly{number}.yaml").write_text(hourly)
    with caplog.at_level(logging.WARNING):
        dataflow_dags(tmp_path)
        assert "batches a day" not in caplog.text
        (tmp_path / "more.yaml").write_text(hourly)
        (tmp_path / "elsewhere.yaml").write_text(hourly + "sandbox: stage\n")
        dags = dataflow_dags(tmp_path)
    assert "sandbox prod make up to 96 batches a day; AEP advises at most 90" in caplog.text
    assert "stage make" not in caplog.text
    assert "96 batches a day" in str(dags["aep_dataflow__more"].doc_md)
