"""A task that loads a window: in the worker and in the triggerer, over several tries, and what it tells."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from airflow.sdk.module_loading import import_string

from aep_provider.dag_factory import dataflow_asset
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepRunFailedError, AepRunTimeoutError
from aep_provider.operators import AepCreateFlowRunOperator, AepEnsureDataflowOperator

ASSET = dataflow_asset("prod", "incidents")
DAY = {"window_start": "2026-01-02", "window_end": "2026-01-03"}
QUICK = {"poll_interval": 0.05, "timeout": 20, "settle_seconds": 1.5}
SPEC = {
    "name": "incidents",
    "source": "servicenow",
    "source_conn_id": "aep_source_servicenow",
    "table": "incident",
    "delta_column": "sys_updated_at",
}


@pytest.fixture
def more(task: Any) -> dict[str, Any]:
    """What a task of a dataflow's DAG gets from Airflow: the asset's state, and where to put its events."""
    store = task(None).store
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return {
        "asset_state_store": {ASSET: store},
        "outlet_events": defaultdict(lambda: SimpleNamespace(extra={})),
        "dag_run": SimpleNamespace(run_type="scheduled"),
        "data_interval_start": start,
        "data_interval_end": start + timedelta(days=1),
    }


@pytest.fixture
def flow_id(aep: Any, task: Any, more: dict[str, Any], client: Any, no_waits: None) -> str:
    """A flow that AEP has finished making."""
    made = str(task(AepEnsureDataflowOperator(task_id="dataflow", spec=SPEC, inlets=[ASSET]), more=more).run())
    while client.get(f"/data/foundation/flowservice/flows/{made}").body["items"][0]["state"] != "enabled":
        pass
    return made


@pytest.fixture
def window(task: Any, more: dict[str, Any], flow_id: str) -> Any:
    """Make the task that loads a window."""

    def make(**arguments: Any) -> Any:
        values = {"flow_id": flow_id, "delta_column": "sys_updated_at", "deferrable": False, **QUICK, **arguments}
        operator = AepCreateFlowRunOperator(task_id="window", outlets=[ASSET], **values)
        return task(operator, more=more)

    return make


async def triggered(done: Any) -> Any:
    """Run a task that waits in the triggerer; everything crosses the database."""
    try:
        return done.run()
    except TaskDeferred as deferred:
        path, kwargs = deferred.trigger.serialize()
        trigger = import_string(path)(**json.loads(json.dumps(kwargs)))
        events = [event async for event in trigger.run()]
        payload = json.loads(json.dumps(events[0].payload))
        return done.operator.resume_execution(deferred.method_name, {"event": payload}, done.context)


def posts(aep: Any) -> int:
    return sum(seen.method == "POST" and seen.path.endswith("/flowservice/runs") for seen in aep.seen)


async def test_the_data_interval_is_loaded_and_told(window: Any, more: dict[str, Any], aep: Any) -> None:
    for deferrable in (False, True):
        done = window(deferrable=deferrable)
        run_id = await triggered(done)
        told = done.ti.xcoms
        assert (told["window_start"], told["window_end"]) == ("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00")
        outcome = told["outcome"]
        assert (outcome["state"], outcome["rows_read"], outcome["rows_written"]) == ("succeeded", 1, 1)
        event = more["outlet_events"][ASSET].extra
        assert event == {
            "run_id": run_id,
            "flow_id": done.operator.flow_id,
            "window_start": told["window_start"],
            "window_end": told["window_end"],
            "state": "succeeded",
            "rows_read": 1,
            "rows_written": 1,
            "rows_rejected": 0,
            "rows_warned": None,
        }
    assert posts(aep) == 1, "the second task takes the run over"


async def test_a_window_costs_four_requests_besides_looking_at_the_run(
    window: Any, task: Any, more: dict[str, Any], aep: Any
) -> None:
    aep.seen.clear()
    spec = AepEnsureDataflowOperator(task_id="dataflow", spec=SPEC, inlets=[ASSET])
    ensured = task(spec, more=more)
    ensured.run()
    assert ensured.ti.xcoms["action"] == "reused"
    window(wait=False).run()
    assert [seen.method for seen in aep.seen if "/ims/" not in seen.path] == ["GET", "GET", "GET", "POST"]


def test_handed_over_to_whoever_waits(window: Any) -> None:
    done = window(wait=False, **DAY)
    run_id = done.run()
    assert done.ti.xcoms["how"] == "posted"
    assert "outcome" not in done.ti.xcoms
    assert window(**DAY).run() == run_id


def test_a_failed_run_is_done_again_by_the_next_try(window: Any, platform: Any, aep: Any) -> None:
    table = platform.state.parent / "tables" / "incident.csv"
    hidden = table.with_suffix(".hidden")
    table.rename(hidden)
    done = window(**DAY)
    try:
        with pytest.raises(AepRunFailedError):
            done.run()
        assert done.ti.xcoms["outcome"]["state"] == "failed"
    finally:
        hidden.rename(table)
    done.run()
    assert (done.ti.xcoms["how"], done.ti.xcoms["outcome"]["rows_written"]) == ("re-triggered", 1)
    assert posts(aep) == 1


def test_a_failed_run_that_is_left_to_a_human(window: Any, platform: Any, caplog: pytest.LogCaptureFixture) -> None:
    table = platform.state.parent / "tables" / "incident.csv"
    hidden = table.with_suffix(".hidden")
    table.rename(hidden)
    try:
        done = window(on_failed_run="fail", **DAY)
        with pytest.raises(AirflowFailException):
            done.run()
        # Run again, or cleared, it tells as much as the first time.
        caplog.clear()
        with pytest.raises(AirflowFailException):
            done.run()
        assert "Report on flow run" in caplog.text
        assert done.ti.xcoms["outcome"]["state"] == "failed"
    finally:
        hidden.rename(table)


def test_late_rows_are_waited_for(window: Any) -> None:
    now = int(time.time())
    edges = {"window_start": now - 60, "window_end": now}
    with pytest.raises(TaskDeferred) as deferred:
        window(deferrable=True, lag=3600, **edges).run()
    assert deferred.value.method_name == "late_rows_are_in"
    assert deferred.value.trigger.serialize()[1]["moment"].timestamp() == now + 3600
    began = time.monotonic()
    window(lag=1, **{**edges, "window_end": int(time.time()) + 1}).run()
    assert time.monotonic() - began >= 1


async def test_a_run_that_takes_too_long(window: Any, aep: Any) -> None:
    running = {"items": [{"id": "r1", "flowId": "f", "metrics": {"statusSummary": {"status": "inProgress"}}}]}
    done = window(**{**DAY, **QUICK, "timeout": 0.3, "wait": False})
    aep.answer("GET", f"/runs/{done.run()}", running)
    done.operator.wait = True
    for deferrable in (False, True):
        done.operator.deferrable = deferrable
        with pytest.raises(AepRunTimeoutError, match="It goes on in AEP, and the next try takes it over"):
            await triggered(done)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("on_failed_run", "again", "on_failed_run is 'again'"),
        ("window_end", "2026-01-01", "ends before it starts"),
        ("force", "perhaps", "force"),
        ("lag", "long", "lag"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_sent(
    window: Any, aep: Any, field: str, value: str, told: str
) -> None:
    aep.seen.clear()
    with pytest.raises(AirflowFailException, match=told):
        window(**{**DAY, field: value}).run()
    assert aep.seen == []


class TestDataflow:
    def test_a_changed_specification_is_looked_at_again(
        self, task: Any, more: dict[str, Any], flow_id: str, aep: Any
    ) -> None:
        changed = {**SPEC, "policy": {"partial_ingestion_percent": 7}}
        with pytest.raises(AirflowFailException, match="partialIngestionPercent"):
            task(
                AepEnsureDataflowOperator(task_id="d", spec=changed, inlets=[ASSET], settle_seconds=1), more=more
            ).run()

    def test_a_new_schedule_is_no_change(self, task: Any, more: dict[str, Any], flow_id: str, aep: Any) -> None:
        aep.seen.clear()
        spec = DataflowSpec.model_validate({**SPEC, "schedule": {"cron": "@daily", "start": "2026-01-01"}})
        assert task(AepEnsureDataflowOperator(task_id="d", spec=spec, inlets=[ASSET]), more=more).run() == flow_id
        assert len(aep.seen) <= 2

    def test_without_a_memory_everything_is_found(self, task: Any, flow_id: str) -> None:
        done = task(AepEnsureDataflowOperator(task_id="d", spec=SPEC))
        assert done.run() == flow_id
        assert done.ti.xcoms["created"] == []

    def test_a_flow_that_was_deleted_is_made_anew(
        self, task: Any, more: dict[str, Any], flow_id: str, client: Any
    ) -> None:
        client.delete(f"/data/foundation/flowservice/flows/{flow_id}")
        done = task(AepEnsureDataflowOperator(task_id="d", spec=SPEC, inlets=[ASSET], settle_seconds=1), more=more)
        assert done.run() != flow_id
        assert done.ti.xcoms["created"] == ["flow"]

    def test_what_a_replaced_flow_loaded_is_not_loaded_again(
        self, task: Any, more: dict[str, Any], flow_id: str, window: Any, client: Any
    ) -> None:
        first = window(**DAY).run()
        path = f"/data/foundation/flowservice/flows/{flow_id}"
        etag = client.get(path).body["items"][0]["etag"]
        name = "incidents (replaced 2026-01-09T00:00:00Z)"
        client.patch(path, json=[{"op": "replace", "path": "/name", "value": name}], etag=etag)
        client.post(f"{path}/action", params={"op": "disable"})
        done = task(AepEnsureDataflowOperator(task_id="d", spec=SPEC, inlets=[ASSET], settle_seconds=1), more=more)
        later = done.run()
        assert (done.ti.xcoms["created"], done.ti.xcoms["earlier_flow_ids"]) == (["flow"], [flow_id])
        assert window(flow_id=later, earlier_flow_ids=[flow_id], **DAY).run() == first

    def test_a_specification_that_cannot_be(self, task: Any, aep: Any, no_waits: None) -> None:
        with pytest.raises(AirflowFailException, match="tabel: there is no such field"):
            task(AepEnsureDataflowOperator(task_id="d", spec={**SPEC, "tabel": "x"})).run()
        assert aep.seen == []


def test_the_asset_of_a_dataset() -> None:
    assert dataflow_asset("prod", "Łódź / daily").uri == "aep://prod/%C5%81%C3%B3d%C5%BA%20%2F%20daily"
    assert isinstance(ASSET, Asset)
