"""A DAG for each file, also for one that cannot be read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aep_provider.dag_factory import dataflow_dags, runs_a_day, windows_a_day
from aep_provider.dataflows.spec import DataflowSpec, Recurrence, Schedule
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
    assert "two.yaml, line 1: table: is missing" in caplog.text
    broken = dags["aep_dataflow__two"]
    assert "two.yaml, line 1: table: is missing" in str(broken.doc_md)
    (task,) = broken.tasks
    with pytest.raises(AepConfigError, match=r"two.yaml, line 1: .* table: is missing"):
        task.execute({})  # type: ignore[arg-type]
    assert set(dags) == {"aep_dataflow__one", "aep_dataflow__two"}


def test_a_broken_layer_leaves_a_dag_for_each_file(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GOOD)
    (tmp_path / "the other (2).yaml").write_text(GOOD)
    (tmp_path / "_defaults.yaml").write_text("a: [")
    dags = dataflow_dags(tmp_path)
    assert set(dags) == {"aep_dataflow__one", "aep_dataflow__the_other_2"}
    assert all("_defaults.yaml, line 1: is no YAML" in str(dag.doc_md) for dag in dags.values())


def test_two_files_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GOOD)
    (tmp_path / "two.yaml").write_text(GOOD + "name: one\n")
    dags = dataflow_dags(tmp_path)
    assert "is also the name of one.yaml" in str(dags["aep_dataflow__two"].doc_md)
    assert len(dags["aep_dataflow__one"].tasks) == 2


class TestLoads:
    LEAST = "source: servicenow\nsource_conn_id: aep_source_servicenow\ntable: incident\n"

    def dag(self, folder: Path, text: str) -> Any:
        (folder / "one.yaml").write_text(self.LEAST + text)
        (dag,) = dataflow_dags(folder).values()
        assert "broken" not in dag.tags, dag.doc_md
        return dag

    def test_recurring_is_only_made(self, tmp_path: Path) -> None:
        dag = self.dag(
            tmp_path, "load: recurring\nrecurrence: {frequency: minute, interval: 30}\ndelta_column: sys_updated_at\n"
        )
        (dataflow,) = dag.tasks
        assert (dataflow.task_id, [asset.uri for asset in dataflow.inlets]) == ("dataflow", ["aep://prod/one"])
        assert (dag.schedule, dict(dag.params), dag.is_paused_upon_creation) == (None, {}, False)
        assert "every 30 minutes, by its column `sys_updated_at`" in dag.doc_md
        assert "AEP runs it by itself" in dag.doc_md
        assert "`aep_watch_flow_runs` watches its runs" in dag.doc_md

    def test_one_time_waits_for_the_one_run(self, tmp_path: Path) -> None:
        policy = (
            "policy: {max_rejected_rows: 7, accept_empty: false, accept_partial: true, poll_interval: 9, timeout: 1h}\n"
        )
        dag = self.dag(tmp_path, f"load: one_time\n{policy}")
        dataflow, first_run = dag.get_task("dataflow"), dag.get_task("first_run")
        assert first_run.upstream_task_ids == {"dataflow"}
        assert first_run.flow_id.operator is dataflow
        assert [asset.uri for asset in first_run.outlets] == ["aep://prod/one"]
        assert (first_run.poke_interval, first_run.timeout) == (9, 3600)
        assert (first_run.accept_empty, first_run.accept_partial) == (False, True)
        assert dag.params.dump() == {"max_rejected_rows": 7, "max_rejected_percent": 0}
        assert (first_run.aep_conn_id, first_run.sandbox) == ("aep_default", "prod")
        assert (dag.schedule, dag.is_paused_upon_creation) == (None, False)

    def test_on_demand_hands_on_how_dates_are_written(self, tmp_path: Path) -> None:
        text = "delta_column: sys_updated_at\ndelta_format: yyyy\n"
        window = self.dag(tmp_path, text).get_task("window")
        assert (window.delta_column, window.delta_format) == ("sys_updated_at", "yyyy")


class TestSandbox:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> Iterator[Path]:
        (tmp_path / "one.yaml").write_text(GOOD)
        (tmp_path / "_sandboxes.yaml").write_text("prod:\nstage: {policy: {pool: stage}}\ndev: {table: dev}\n")
        return tmp_path

    def spec(self, folder: Path, **options: Any) -> DataflowSpec:
        (dag,) = dataflow_dags(folder, **options).values()
        task = dag.get_task("dataflow")
        spec = DataflowSpec.model_validate(task.spec)
        assert task.sandbox == spec.sandbox
        return spec

    def test_is_the_files_own(self, folder: Path) -> None:
        assert self.spec(folder).sandbox == "prod"

    def test_is_told_where_the_dags_are_made(self, folder: Path) -> None:
        spec = self.spec(folder, sandbox="dev")
        assert (spec.sandbox, spec.table) == ("dev", "dev")

    def test_is_told_by_airflows_configuration(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__AEP__SANDBOX", "stage")
        assert self.spec(folder).policy.pool == "stage"
        assert self.spec(folder, sandbox="dev").sandbox == "dev"

    def test_is_one_that_is_listed(self, folder: Path) -> None:
        (dag,) = dataflow_dags(folder, sandbox="stag").values()
        assert "there is no sandbox 'stag' in _sandboxes.yaml. Did you mean 'stage'?" in str(dag.doc_md)


class TestTemplates:
    """Airflow renders operators' fields; what a file says must not come out as something else."""

    SECRET = "{{ conn.aep_default.password }}"
    LINEAGE = "{{ ti.xcom_pull(task_ids='dataflow', key='lineage') | tojson }}"

    @pytest.mark.parametrize(
        "field", ["delta_column", "table", "name", "aep_conn_id", "source_conn_id", "delta_format", "description"]
    )
    def test_a_file_with_one_is_broken(self, field: str, tmp_path: Path) -> None:
        text = "".join(line for line in GOOD.splitlines(keepends=True) if not line.startswith(f"{field}:"))
        (tmp_path / "one.yaml").write_text(f"{text}{field}: '{self.SECRET}'\n")
        (dag,) = dataflow_dags(tmp_path).values()
        assert f"{field}: holds a template mark" in str(dag.doc_md)
        assert [task.task_id for task in dag.tasks] == ["specification_is_broken"]

    def test_the_specification_is_not_rendered(self, tmp_path: Path) -> None:
        (tmp_path / "one.yaml").write_text(GOOD)
        task = dataflow_dags(tmp_path)["aep_dataflow__one"].get_task("dataflow")
        assert "spec" not in task.template_fields

    def test_nothing_is_left_to_render_but_parameters_and_xcoms(self, tmp_path: Path) -> None:
        (tmp_path / "one.yaml").write_text(GOOD + "mapping: [{source: a, destination: '_{TENANT_ID}.b'}]\n")
        for task in dataflow_dags(tmp_path)["aep_dataflow__one"].tasks:
            texts = [value for field in task.template_fields if isinstance(value := getattr(task, field), str)]
            assert [text for text in texts if "{" in text and text != self.LINEAGE] == []


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


@pytest.mark.parametrize(
    ("frequency", "interval", "count"),
    [("minute", 15, 96), ("minute", 25, 58), ("hour", 1, 24), ("day", 1, 1), ("week", 2, 1)],
)
def test_runs_on_the_busiest_day(frequency: str, interval: int, count: int) -> None:
    assert runs_a_day(Recurrence.model_validate({"frequency": frequency, "interval": interval})) == count


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


def test_batches_of_flows_that_aep_schedules_count_too(tmp_path: Path) -> None:
    recurring = "load: recurring\nrecurrence: {frequency: minute, interval: 15}\n"
    (tmp_path / "one.yaml").write_text(TestLoads.LEAST + "delta_column: d\n" + recurring)
    dags = dataflow_dags(tmp_path)
    assert "96 batches a day" in str(dags["aep_dataflow__one"].doc_md)
