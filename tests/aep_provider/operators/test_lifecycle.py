"""The steps that stand alone: test, explore, enable and disable, delete, start again."""

from __future__ import annotations

import time
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from aep_provider.operators import (
    AepDeleteFlowOperator,
    AepExploreOperator,
    AepRetriggerFlowRunOperator,
    AepSetFlowStateOperator,
    AepTestConnectionOperator,
)
from aep_provider.platform.client import AepClient
from aep_provider.resources.flow_service import path_of, read
from aep_provider.resources.run import runs_of
from aep_provider.sensors import AepFlowRunSensor

GONE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def quick(no_waits: None, aep: Any) -> None:
    """Repetitions take no time."""


@pytest.fixture
def flow(client: AepClient, one_time_flow: str) -> dict[str, Any]:
    """A flow that has been set up, and so can be changed."""
    deadline = time.monotonic() + 10
    while (document := read(client, "flows", one_time_flow))["state"] != "enabled":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return document


def twin(client: AepClient, flow: dict[str, Any]) -> str:
    """Another flow on the same connections."""
    kept = ("flowSpec", "sourceConnectionIds", "targetConnectionIds", "transformations")
    schedule = {"startTime": int(time.time()) + 10**6, "frequency": "once"}
    body = {key: flow[key] for key in kept} | {"name": "twin", "scheduleParams": schedule}
    return str(client.post(path_of("flows"), json=body).body["id"])


def base_of(client: AepClient, flow: dict[str, Any]) -> str:
    return str(read(client, "sourceConnections", flow["sourceConnectionIds"][0])["baseConnectionId"])


class TestLooking:
    def test_a_connection_that_lets_in(self, task: Any, client: AepClient, flow: dict[str, Any]) -> None:
        base = base_of(client, flow)
        assert task(AepTestConnectionOperator(task_id="t", base_connection_id=base)).run() == base

    def test_tables_and_columns(self, task: Any, client: AepClient, flow: dict[str, Any]) -> None:
        base = base_of(client, flow)
        tables = task(AepExploreOperator(task_id="t", base_connection_id=base))
        assert tables.run() == base
        assert "incident" in tables.ti.xcoms["tables"]
        columns = task(AepExploreOperator(task_id="t", base_connection_id=base, table="customer"))
        columns.run()
        assert [column["name"] for column in columns.ti.xcoms["columns"]] == ["id", "Name"]
        with pytest.raises(AirflowFailException, match="Did you mean 'customer'"):
            task(AepExploreOperator(task_id="t", base_connection_id=base, table="custmer")).run()


class TestState:
    def test_there_back_and_already_so(self, task: Any, client: AepClient, flow: dict[str, Any]) -> None:
        changes = []
        for state in ("disabled", "disabled", "enabled", "enabled"):
            done = task(AepSetFlowStateOperator(task_id="t", flow_id=flow["id"], state=state))
            assert done.run() == flow["id"]
            assert read(client, "flows", flow["id"])["state"] == state
            changes.append(done.ti.xcoms["changed"])
        assert changes == [True, False, True, False]

    def test_somebody_else_was_faster(self, task: Any, aep: Any, flow: dict[str, Any]) -> None:
        """The state was read before it changed: AEP refuses (1422), and that is what was wanted."""
        client_sees = {"items": [{**flow, "state": "enabled"}]}
        task(AepSetFlowStateOperator(task_id="t", flow_id=flow["id"], state="disabled")).run()
        aep.answer("GET", f"/flows/{flow['id']}", client_sees, times=1)
        done = task(AepSetFlowStateOperator(task_id="t", flow_id=flow["id"], state="disabled"))
        done.run()
        assert done.ti.xcoms["changed"] is False
        assert [seen.status for seen in aep.seen if seen.path.endswith("/action")] == [200, 400]

    @pytest.mark.parametrize(("flow_id", "state", "told"), [(GONE, "enabled", "1439"), (GONE, "paused", "paused")])
    def test_what_cannot_be(self, task: Any, flow_id: str, state: str, told: str) -> None:
        with pytest.raises(AirflowFailException, match=told):
            task(AepSetFlowStateOperator(task_id="t", flow_id=flow_id, state=state)).run()


class TestDelete:
    def test_in_order_and_gone_already(self, task: Any, aep: Any, client: AepClient, listed: Any, flow: Any) -> None:
        before = listed(client)
        done = task(AepDeleteFlowOperator(task_id="t", flow_id=flow["id"], with_base_connection=True))
        assert done.run() == flow["id"]
        kinds = [kind for kind, _ in done.ti.xcoms["deleted"]]
        assert kinds == ["flow", "source connection", "target connection", "base connection"]
        after = listed(client)
        assert not any(after[kind] for kind in ("flows", "sourceConnections", "targetConnections", "connections"))
        assert all(after[kind] == before[kind] for kind in ("schemas", "dataSets", "mappingSets"))
        again = task(AepDeleteFlowOperator(task_id="t", flow_id=flow["id"], with_base_connection=True))
        assert again.run() == flow["id"]
        assert again.ti.xcoms["deleted"] == []

    def test_what_another_flow_uses_stays(self, task: Any, client: AepClient, listed: Any, flow: Any) -> None:
        other = twin(client, flow)
        with pytest.raises(AirflowFailException, match="1418"):
            task(AepDeleteFlowOperator(task_id="t", flow_id=flow["id"], with_base_connection=True)).run()
        assert listed(client)["flows"] == {flow["id"], other}
        done = task(AepDeleteFlowOperator(task_id="t", flow_id=flow["id"]))
        done.run()
        assert [kind for kind, _ in done.ti.xcoms["left"]] == ["source connection", "target connection"]
        assert listed(client)["flows"] == {other}

    def test_killed_in_between_and_run_again(
        self, task: Any, client: AepClient, listed: Any, flow: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The flow is gone, and with it what tells which connections it had; the task's state remembers."""
        done = task(AepDeleteFlowOperator(task_id="t", flow_id=flow["id"], with_base_connection=True))

        def die(*_: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("aep_provider.resources.lifecycle._flows_of", die)
            patch.setattr("aep_provider.resources.lifecycle._refuse_shared", lambda *_: None)
            with pytest.raises(KeyboardInterrupt):
                done.run()
        assert not listed(client)["flows"]
        assert listed(client)["sourceConnections"]
        done.run()
        left = listed(client)
        assert not any(left[kind] for kind in ("sourceConnections", "targetConnections", "connections"))


class TestStartAgain:
    @pytest.fixture
    def ended(self, client: AepClient, flow: dict[str, Any]) -> str:
        """The id of a run that ended well."""
        deadline = time.monotonic() + 20
        while not (runs := runs_of(client, flow["id"])) or "completedAtUTC" not in str(runs[0]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return str(runs[0]["id"])

    def test_a_run_that_went_well_is_refused_before_anything_is_sent(self, task: Any, aep: Any, ended: str) -> None:
        with pytest.raises(AirflowFailException, match="1387"):
            task(AepRetriggerFlowRunOperator(task_id="t", run_id=ended)).run()
        assert not [seen for seen in aep.seen if seen.path.endswith("/action")]

    def test_started_once_and_then_taken(self, task: Any, aep: Any, ended: str) -> None:
        document = {"id": ended, "flowId": "f", "metrics": {"statusSummary": {"status": "failed"}}}
        aep.answer("GET", f"/runs/{ended}", {"items": [document]})
        aep.answer("POST", f"/runs/{ended}/action", {"id": "new", "etag": "e"})
        done = task(AepRetriggerFlowRunOperator(task_id="t", run_id=ended))
        created = []
        for _ in range(3):
            assert done.run() == "new"
            created.append(done.ti.xcoms["created"])
        assert created == [True, False, False]
        assert len([seen for seen in aep.seen if seen.path.endswith("/action")]) == 1


class TestStartAgainForReal:
    @pytest.fixture
    def platform(self, start_platform: Any) -> Any:
        """One whose tables may be taken away."""
        return start_platform("--time-scale", "0.01")

    def test_a_failed_run_succeeds_once_its_table_is_back(
        self, task: Any, aep: Any, client: AepClient, platform: Any, one_time_flow: str
    ) -> None:
        table = platform.state.parent / "tables" / "incident.csv"
        table.rename(table.with_suffix(".away"))
        wait = {"task_id": "s", "deferrable": False, "poke_interval": 0.05, "timeout": 30}
        with pytest.raises(AirflowFailException, match="failed"):
            task(AepFlowRunSensor(flow_id=one_time_flow, **wait)).run()
        (first,) = runs_of(client, one_time_flow)
        table.with_suffix(".away").rename(table)
        again = task(AepRetriggerFlowRunOperator(task_id="t", run_id=first["id"]))
        new = again.run()
        assert again.run() == new != first["id"]
        sensor = task(AepFlowRunSensor(run_id=new, **wait))
        assert sensor.run() == new
        assert sensor.ti.xcoms["outcome"]["rows_written"] == 3
        assert len([seen for seen in aep.seen if seen.path.endswith("/action")]) == 1
