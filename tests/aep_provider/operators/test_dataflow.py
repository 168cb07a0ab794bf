"""Whole dataflows in one task, and many of them in a few, on the local platform."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.exceptions import AirflowFailException

from aep_provider.errors import AepError
from aep_provider.operators import AepCreateConnectionOperator, AepEnsureDataflowOperator
from aep_provider.platform.client import AepClient
from aep_provider.resources import flow_service
from aep_provider.resources.run import runs_of
from aep_provider.task_group import base_connections, batches
from aep_provider.verdict import RunState, judge

from ..made import SHAPES, declared

COLUMNS = ["sys_id", "number"]
KINDS = (
    "sourceConnections", "targetConnections", "flows", "schemas", "fieldgroups", "dataSets", "mappingSets",
)  # fmt: skip


@pytest.fixture(autouse=True)
def quick(no_waits: None) -> None:
    """Repetitions follow at once."""


@pytest.fixture
def ensure(task: Any, aep: Any) -> Callable[..., Any]:
    """Run the task and return it; what it returned is its ``result``."""

    def run(**arguments: Any) -> Any:
        done = task(AepEnsureDataflowOperator(task_id="dataflows", **{"settle_seconds": 1, **arguments}))
        done.result = done.run()
        return done

    return run


def there(listed: Any, client: AepClient) -> dict[str, int]:
    return {kind: len(ids) for kind, ids in listed(client).items()}


def chains(count: int) -> dict[str, int]:
    return {**dict.fromkeys(KINDS, count), "connections": 1}


class TestABatch:
    specs = [declared(shape.replace("_", " "), shape) for shape in SHAPES]  # noqa: RUF012  never changed

    def test_each_is_made_once(self, ensure: Callable[..., Any], listed: Any, client: AepClient) -> None:
        done = ensure(specs=self.specs)
        assert there(listed, client) == chains(3)
        assert list(done.result) == ["one time", "recurring", "on demand"]
        for name, flow_id in done.result.items():
            assert flow_service.read(client, "flows", flow_id)["name"] == name
        assert done.ti.xcoms["action"] == "created"
        assert sorted(done.ti.xcoms["created"])[:2] == ["base connection of on demand", "base connection of one time"]
        assert done.ti.xcoms["requests"] > 0

    def test_again_nothing_is_made(self, ensure: Callable[..., Any], aep: Any) -> None:
        first = ensure(specs=self.specs)
        aep.seen.clear()
        again = ensure(specs=self.specs)
        assert again.result == first.result
        assert (again.ti.xcoms["action"], again.ti.xcoms["created"]) == ("reused", [])
        assert aep.created() == []
        assert again.ti.xcoms["requests"] <= 12

    def test_of_several_one_is_new(self, ensure: Callable[..., Any]) -> None:
        first = ensure(specs=self.specs[:1])
        more = ensure(specs=self.specs[:2])
        assert more.result["one time"] == first.result["one time"]
        assert more.ti.xcoms["action"] == "created"
        assert "flow of recurring" in more.ti.xcoms["created"]
        assert "flow of one time" not in more.ti.xcoms["created"]

    def test_an_empty_one_sends_nothing(self, ensure: Callable[..., Any], aep: Any) -> None:
        assert ensure(specs=[]).result == {}
        assert aep.seen == []

    def test_one_that_fails_costs_only_itself(
        self, ensure: Callable[..., Any], listed: Any, client: AepClient, aep: Any
    ) -> None:
        wrong = declared("wrong", table="incidnet")
        with pytest.raises(AepError, match=r"1 dataflows are not done: wrong: .*'incidnet'.* Did you mean 'incident'"):
            ensure(specs=[*self.specs, wrong])
        assert there(listed, client) == chains(3)

    def test_what_cannot_be_is_refused_before_anything_is_sent(self, ensure: Callable[..., Any], aep: Any) -> None:
        with pytest.raises(AirflowFailException, match="tabel: "):
            ensure(specs=[*self.specs, {"name": "x", "tabel": "y"}])
        with pytest.raises(AirflowFailException, match=r"spec\.mapping must be a list here"):
            ensure(specs=[declared(mapping="a.yaml")])
        assert aep.seen == []

    def test_two_of_one_name_are_refused(self, ensure: Callable[..., Any], aep: Any) -> None:
        ensure(spec=declared("other"))
        aep.seen.clear()
        with pytest.raises(AirflowFailException, match="'a' is declared twice"):
            ensure(specs=[declared("a"), declared("a", columns=[*COLUMNS, "sys_updated_at"])])
        assert aep.created() == []

    def test_once_stopped_nothing_further_is_begun(self, task: Any, aep: Any, listed: Any, client: AepClient) -> None:
        dataflows = task(AepEnsureDataflowOperator(task_id="dataflows", specs=self.specs, workers=1))
        operator = dataflows.operator
        # Before it runs there is nothing to stop.
        operator.on_kill()

        def on_a_source_connection(seen: Any) -> bool:
            if seen.method == "POST" and seen.path.endswith("/sourceConnections"):
                operator.on_kill()
            return False

        aep.lose("POST", "/sourceConnections", carried_out=False)
        aep.faults[-1].fits = on_a_source_connection
        with pytest.raises(AepError, match="Stopped before 3 dataflows were done: one time, recurring, on demand"):
            dataflows.run()
        assert there(listed, client)["flows"] == 0
        aep.faults.clear()
        dataflows.run()
        assert there(listed, client) == chains(3)

    @pytest.mark.parametrize("given", [{}, {"spec": declared(), "specs": [declared()]}])
    def test_one_or_several(self, ensure: Callable[..., Any], given: Any) -> None:
        with pytest.raises(AirflowFailException, match="Give spec for one dataflow, or specs for several"):
            ensure(**given)


class TestMapped:
    """``.partial(…).expand(specs=…)``: a few tasks for many dataflows."""

    def test_over_batches(self, task: Any, aep: Any, listed: Any, client: AepClient) -> None:
        """Side by side, once their base connection is there."""
        specs = [declared(f"d{number}") for number in range(6)]
        with DAG("many", schedule=None) as dag:
            bases = AepCreateConnectionOperator.partial(task_id="bases").expand_kwargs(base_connections(specs))
            dataflows = AepEnsureDataflowOperator.partial(task_id="dataflows", workers=2).expand(
                specs=batches(specs, 2)
            )
            bases >> dataflows
        mapped = {name: dag.get_task(name) for name in ("bases", "dataflows")}
        assert all(isinstance(one, MappedOperator) for one in mapped.values())
        for given in base_connections(specs):
            task(mapped["bases"].unmap(given)).run()
        tasks = [task(mapped["dataflows"].unmap({"specs": batch})) for batch in batches(specs, 2)]
        assert len(tasks) == 3
        with ThreadPoolExecutor(3) as side_by_side:
            results = list(side_by_side.map(lambda one: one.run(), tasks))
        assert [list(result) for result in results] == [["d0", "d1"], ["d2", "d3"], ["d4", "d5"]]
        assert there(listed, client) == chains(6)

    def test_a_specification_is_no_template(self, task: Any) -> None:
        """Those of a batch are taken as they are."""
        with DAG("many", schedule=None) as dag:
            AepEnsureDataflowOperator.partial(task_id="dataflows").expand(specs=batches([declared()]))
        told = {"name": "{{ conn.aep_default.password }}"}
        operator = dag.get_task("dataflows").unmap({"specs": [told]})
        operator.render_template_fields({**task(operator).context, "conn": None})
        assert operator.specs == [told]


class TestIfExists:
    @pytest.fixture
    def made(self, ensure: Callable[..., Any]) -> Any:
        return ensure(spec=declared(shape="recurring"))

    slower = declared(shape="recurring", recurrence={"frequency": "minute", "interval": 30})

    @pytest.mark.parametrize("given", [{"spec": slower}, {"specs": [slower]}])
    def test_reuse_takes_only_what_is_as_declared(
        self, ensure: Callable[..., Any], made: Any, given: Any, aep: Any
    ) -> None:
        aep.seen.clear()
        with pytest.raises(
            AirflowFailException, match=r"another definition\. Differences: schedule.interval: 15 in AEP, 30"
        ):
            ensure(**given)
        assert {seen.method for seen in aep.seen if "/ims/" not in seen.path} == {"GET"}

    def test_update_changes_it(self, ensure: Callable[..., Any], made: Any) -> None:
        done = ensure(specs=[self.slower], if_exists="update")
        assert done.result == {"incidents": made.result}
        assert (done.ti.xcoms["action"], done.ti.xcoms["created"]) == ("updated", [])
        assert ensure(spec=self.slower).result == made.result

    def test_fail_takes_nothing_that_is_there(self, ensure: Callable[..., Any], made: Any) -> None:
        with pytest.raises(AirflowFailException, match="is there already, and if_exists is 'fail'"):
            ensure(spec=declared(shape="recurring"), if_exists="fail")
        assert ensure(spec=declared("other"), if_exists="fail").ti.xcoms["action"] == "created"

    def test_another_word(self, ensure: Callable[..., Any]) -> None:
        with pytest.raises(
            AirflowFailException, match="if_exists is 'replace', but must be one of reuse, update, fail"
        ):
            ensure(spec=declared(), if_exists="replace")

    def test_an_edit_by_hand_needs_adopt(self, ensure: Callable[..., Any], made: Any, client: AepClient) -> None:
        # AEP lets nothing be changed that it has not finished making.
        while (flow := flow_service.read(client, "flows", made.result))["state"] != "enabled":
            pass
        edit = {"op": "replace", "path": "/options/partialIngestionPercent", "value": 50}
        flow_service.patch(client, "flows", flow["id"], flow["etag"], [edit])
        with pytest.raises(AirflowFailException, match="edited by hand since it was last applied"):
            ensure(spec=self.slower, if_exists="update")
        done = ensure(spec=self.slower, if_exists="update", adopt="true")
        assert (done.result, done.ti.xcoms["action"]) == (made.result, "updated")
        assert flow_service.read(client, "flows", made.result)["options"]["partialIngestionPercent"] == 5


def test_rows_that_come_twice_have_to_be_accepted(ensure: Callable[..., Any], client: AepClient) -> None:
    first = ensure(spec=declared(shape="one_time", columns=COLUMNS)).result
    deadline = time.monotonic() + 30
    while not any(judge(run).state is RunState.SUCCEEDED for run in runs_of(client, first)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    wider = declared(shape="one_time", columns=[*COLUMNS, "priority"])
    with pytest.raises(AirflowFailException, match="already with another definition"):
        ensure(spec=wider, accept=True)
    with pytest.raises(AirflowFailException, match="Rows would come twice or be missed: incidents: "):
        ensure(spec=wider, if_exists="update")
    done = ensure(spec=wider, if_exists="update", accept=True)
    assert done.result != first
    assert done.ti.xcoms["earlier_flow_ids"] == [first]
    assert done.ti.xcoms["action"] == "created"
    assert flow_service.read(client, "flows", first)["state"] == "disabled"
