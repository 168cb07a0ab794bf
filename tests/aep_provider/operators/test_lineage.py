"""What tasks tell OpenLineage after they ran against the platform, and that it costs no request and no task."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.openlineage.extractors import ExtractorManager, OperatorLineage
from airflow.utils.state import TaskInstanceState

from aep_provider.dag_factory import dataflow_asset
from aep_provider.operators import (
    AepCheckDataflowOperator,
    AepCreateConnectionOperator,
    AepCreateFlowRunOperator,
    AepEnsureDataflowOperator,
)
from aep_provider.sensors import AepFlowRunSensor

ASSET = dataflow_asset("prod", "incidents")
SPEC = {
    "name": "incidents",
    "source": "servicenow",
    "source_conn_id": "aep_source_servicenow",
    "table": "incident",
    "delta_column": "sys_updated_at",
}
DAY = {"window_start": "2026-01-02", "window_end": "2026-01-03"}
QUICK = {"poll_interval": 0.05, "timeout": 20, "settle_seconds": 1.5, "deferrable": False}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", '{"type": "console"}')


@pytest.fixture
def more(task: Any) -> dict[str, Any]:
    return {
        "asset_state_store": {ASSET: task(None).store},
        "outlet_events": defaultdict(lambda: SimpleNamespace(extra={})),
        "dag_run": SimpleNamespace(run_type="manual"),
    }


def extracted(operator: Any, state: TaskInstanceState = TaskInstanceState.SUCCESS) -> OperatorLineage[Any, Any]:
    """As Airflow's listener asks a task."""
    run: Any = SimpleNamespace(run_id="r")
    return ExtractorManager().extract_metadata(run, operator, state, SimpleNamespace())


def ensured(task: Any, more: dict[str, Any], **spec: Any) -> Any:
    done = task(AepEnsureDataflowOperator(task_id="dataflow", spec={**SPEC, **spec}, inlets=[ASSET]), more=more)
    done.run()
    return done


def names(lineage: OperatorLineage[Any, Any]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    sides = (lineage.inputs, lineage.outputs)
    return tuple([(one.namespace, one.name) for one in side] for side in sides)  # type: ignore[return-value]


SOURCE, TARGET = ("servicenow://dev1.service-now.example", "incident"), ("aep://prod", "incidents")


class TestWindows:
    @pytest.fixture
    def made(self, aep: Any, task: Any, more: dict[str, Any], client: Any, no_waits: None, told: None) -> Any:
        done = task(AepEnsureDataflowOperator(task_id="dataflow", spec=SPEC, inlets=[ASSET]), more=more)
        flow_id = done.run()
        while client.get(f"/data/foundation/flowservice/flows/{flow_id}").body["items"][0]["state"] != "enabled":
            pass
        return SimpleNamespace(flow_id=flow_id, done=done)

    def test_rows_are_told_from_the_table_to_the_dataset(
        self, made: Any, task: Any, more: dict[str, Any], aep: Any, platform: Any
    ) -> None:
        lineage = json.dumps(made.done.ti.xcoms["lineage"])
        operator = AepCreateFlowRunOperator(
            task_id="window", flow_id=made.flow_id, delta_column="sys_updated_at", lineage=lineage, outlets=[ASSET],
            **DAY, **QUICK,
        )  # fmt: skip
        before = extracted(operator, TaskInstanceState.RUNNING)
        assert names(before) == ([SOURCE], [TARGET])
        done = task(operator, more=more)
        run_id = done.run()
        asked = len(aep.seen)
        found = extracted(operator)
        assert len(aep.seen) == asked, "nothing is asked for lineage alone"
        assert names(found) == ([SOURCE], [TARGET])
        outcome = done.ti.xcoms["outcome"]
        assert found.inputs[0].inputFacets["inputStatistics"].rowCount == outcome["rows_read"] == 1
        assert found.outputs[0].outputFacets["outputStatistics"].rowCount == outcome["rows_written"] == 1
        fields = {one.name: one.type for one in found.outputs[0].facets["schema"].fields}
        assert any(name.endswith(".sys_id") for name in fields)
        facet = found.run_facets["aep_flowRun"]
        assert (facet.windowStart, facet.how, facet.runs[0]["runId"]) == ("2026-01-02T00:00:00+00:00", "posted", run_id)
        again = task(operator, more=more)
        again.run()
        assert extracted(operator).run_facets["aep_flowRun"].how == "taken over"

    def test_an_outlet_is_enough_for_the_dataset(self, made: Any, task: Any, more: dict[str, Any]) -> None:
        operator = AepCreateFlowRunOperator(
            task_id="window", flow_id=made.flow_id, delta_column="sys_updated_at", outlets=[ASSET], lineage="null",
            **DAY, **QUICK,
        )  # fmt: skip
        task(operator, more=more).run()
        found = extracted(operator)
        assert names(found) == ([], [TARGET])
        assert found.outputs[0].outputFacets["outputStatistics"].rowCount == 1

    def test_the_dataset_is_what_the_first_task_makes_and_no_input_of_it(
        self, made: Any, task: Any, more: dict[str, Any], aep: Any
    ) -> None:
        assert names(extracted(made.done.operator, TaskInstanceState.RUNNING)) == ([], [TARGET])
        found = extracted(made.done.operator)
        assert names(found) == ([], [TARGET])
        assert set(found.outputs[0].facets) == {"schema", "columnLineage", "lifecycleStateChange"}
        aep.seen.clear()
        again = ensured(task, more)
        assert [seen.method for seen in aep.seen if "/ims/" not in seen.path] == ["GET"], "as many as without lineage"
        assert again.ti.xcoms["lineage"] == made.done.ti.xcoms["lineage"]
        assert set(extracted(again.operator).outputs[0].facets) == {"schema", "columnLineage"}

    def test_no_secret_is_in_it(self, made: Any, secrets: list[str]) -> None:
        text = json.dumps(made.done.ti.xcoms["lineage"])
        assert not [secret for secret in [*secrets, "ann"] if secret in text]


def test_nothing_is_published_where_nobody_is_told(aep: Any, task: Any, more: dict[str, Any], no_waits: None) -> None:
    assert "lineage" not in ensured(task, more).ti.xcoms
    (kept,) = (value for key, value in more["asset_state_store"][ASSET].held.items() if key.startswith("aep_dataflow:"))
    assert "lineage" not in kept


def test_what_was_made_before_anybody_was_told_is_known_by_name(
    aep: Any, task: Any, more: dict[str, Any], no_waits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensured(task, more)
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", '{"type": "console"}')
    lineage = ensured(task, more).ti.xcoms["lineage"]
    assert (lineage["source"], lineage["table"], lineage["dataset"]) == (*SOURCE, "incidents")
    assert "fields" not in lineage


def test_a_mistake_in_lineage_is_no_failure_of_the_task(
    aep: Any, task: Any, more: dict[str, Any], no_waits: None, told: None, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("broken with hunter2-of-the-source")

    monkeypatch.setattr("aep_provider.operators.dataflow.lineage_of", broken)
    with caplog.at_level(logging.WARNING):
        done = ensured(task, more)
    assert done.ti.xcoms["action"] == "created"
    warned = [record.getMessage() for record in caplog.records if "OpenLineage" in record.getMessage()]
    assert warned == ["OpenLineage is not told where the rows come from: RuntimeError"]


def test_the_check_tells_it_for_the_single_steps(aep: Any, task: Any, no_waits: None, told: None) -> None:
    login = {"source": "servicenow", "source_conn_id": "aep_source_servicenow"}
    base = task(AepCreateConnectionOperator(task_id="connection", **login)).run()
    done = task(AepCheckDataflowOperator(task_id="check", base_connection_id=base, table="incident", name="n", **login))
    done.run()
    lineage = done.ti.xcoms["lineage"]
    assert (lineage["source"], lineage["table"], lineage["sandbox"], lineage["dataset"]) == (*SOURCE, "prod", "n")
    assert set(lineage["columns"]) == set(lineage["origins"].values())
    assert "date-time" in lineage["fields"].values()


def test_a_wait_tells_what_came_also_when_it_fails(
    aep: Any, task: Any, no_waits: None, client: Any, one_time_flow: str
) -> None:
    known = {"source": SOURCE[0], "table": SOURCE[1], "sandbox": "prod", "dataset": "incidents"}
    sensor = AepFlowRunSensor(
        task_id="wait", flow_id=one_time_flow, lineage=known, deferrable=False, poke_interval=0.05, timeout=20,
        accept_empty=False,
    )  # fmt: skip
    task(sensor).run()
    found = extracted(sensor)
    assert names(found) == ([SOURCE], [TARGET])
    assert found.outputs[0].outputFacets["outputStatistics"].rowCount == 3
    assert names(extracted(sensor, TaskInstanceState.FAILED)) == ([SOURCE], [TARGET])
