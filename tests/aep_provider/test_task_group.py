"""A dataflow in single steps is the same dataflow, and a batch of them the same batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException
from airflow.serialization.serialized_objects import DagSerialization

from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError
from aep_provider.operators import AepEnsureDataflowOperator
from aep_provider.platform.client import AepClient
from aep_provider.resources import flow_service
from aep_provider.task_group import DataflowTaskGroup, base_connections, batches, dataflow_task_group

from .made import SHAPES, declared

STEPS = [
    "connection", "check", "source_connection", "schema", "dataset", "target_connection", "mapping_set", "flow_spec", "flow",
]  # fmt: skip
MAPPING = [{"source": "sys_id", "destination": "_id"}]


@pytest.fixture(autouse=True)
def quick(no_waits: None) -> None:
    """Repetitions follow at once."""


class GroupRun:
    """The tasks of a group, run one after the other as Airflow does: rendered, with the XComs of those before."""

    def __init__(self, task: Any, spec: DataflowSpec, **options: Any) -> None:
        with DAG("steps", schedule=None) as dag:
            self.group = dataflow_task_group(spec, **options)
        self.dag = dag
        self._task = task
        self.xcoms: dict[tuple[str, str], Any] = {}

    def __call__(self) -> str:
        """Run all of them and return the id of the flow."""
        for step in self.dag.topological_sort():
            self._run(step)
        return str(self.told("flow"))

    def told(self, step: str, key: str = "return_value") -> Any:
        return self.xcoms[self.group.child_id(step), key]

    def _run(self, step: Any) -> None:
        task = self._task(step.prepare_for_execution())
        task.ti.xcom_pull = lambda task_ids, key, **_: self.xcoms[task_ids, key]
        context = {**task.context, "params": {}, "task": task.operator}
        task.operator.render_template_fields(context)
        self.xcoms[step.task_id, "return_value"] = task.operator.execute(context)
        self.xcoms |= {(step.task_id, key): value for key, value in task.ti.xcoms.items()}


@pytest.fixture
def steps(task: Any, aep: Any) -> Callable[..., GroupRun]:
    return lambda spec, **options: GroupRun(task, spec, **options)


WAYS = {
    **{shape: {"shape": shape} for shape in SHAPES},
    "much of it told": {
        "shape": "recurring",
        "columns": ["sys_id", "number", "sys_updated_at"],
        "mapping": MAPPING,
        "names": {"source_connection": "the source", "target_connection": "the target"},
        "target": {"dataset": "landing", "field_groups": ["profile-person-details"]},
        "recurrence": {"frequency": "hour", "interval": 6, "backfill": False, "start": "2037-01-01T06:00:00+02:00"},
        "delta_format": "yyyy-MM-dd'T'HH:mm:ss",
        "delta_timezone": "Europe/Amsterdam",
        "policy": {"error_diagnostics": False, "partial_ingestion_percent": 12.5},
        "description": "What it is for.\n",
    },
    "fields of others": {
        "shape": "one_time",
        "target": {"derive_fields": False, "field_groups": ["profile-person-details"]},
        "mapping": [*MAPPING, {"source": "number", "destination": "person.name.fullName"}],
    },
}


@pytest.mark.parametrize("way", WAYS)
class TestTheSameDataflow:
    def test_steps_first(
        self, steps: Callable[..., GroupRun], task: Any, aep: Any, client: AepClient, listed: Any, way: str
    ) -> None:
        """Nothing is left to do for the one task that does the same, not even a note."""
        spec = declared(**WAYS[way])
        flow_id = steps(spec)()
        there = listed(client)
        aep.seen.clear()
        whole = task(AepEnsureDataflowOperator(task_id="d", spec=spec))
        assert whole.run() == flow_id
        assert (whole.ti.xcoms["action"], whole.ti.xcoms["created"]) == ("reused", [])
        assert {seen.method for seen in aep.seen if "/ims/" not in seen.path} == {"GET"}
        assert listed(client) == there

    def test_steps_last(
        self, steps: Callable[..., GroupRun], task: Any, aep: Any, client: AepClient, listed: Any, way: str
    ) -> None:
        spec = declared(**WAYS[way])
        flow_id = task(AepEnsureDataflowOperator(task_id="d", spec=spec)).run()
        there = listed(client)
        aep.seen.clear()
        run = steps(spec)
        assert run() == flow_id
        made = set(STEPS) - {"check", "flow_spec"}
        assert {run.told(step, "action") for step in made} == {"reused"}
        assert {seen.method for seen in aep.seen if "/ims/" not in seen.path} == {"GET"}
        assert listed(client) == there


class TestWhatIsThereAlready:
    def test_a_base_connection_of_others(self, steps: Callable[..., GroupRun], task: Any, client: AepClient) -> None:
        first = steps(declared("first"))
        first()
        name = declared().base_name
        run = steps(declared("second", base_connection=name))
        run()
        assert run.told("connection") == first.told("connection")
        spec = declared("second", base_connection=name)
        assert task(AepEnsureDataflowOperator(task_id="d", spec=spec)).run() == run.told("flow")

    def test_one_that_there_is_not(self, steps: Callable[..., GroupRun]) -> None:
        with pytest.raises(AirflowFailException, match="There is no base connection 'nowhere'"):
            steps(declared(base_connection="nowhere"))()

    def test_a_schema_of_others(self, steps: Callable[..., GroupRun], task: Any) -> None:
        first = steps(declared("first"))
        first()
        spec = declared("second", target={"existing_schema": "first"})
        run = steps(spec)
        run()
        assert run.told("schema") == first.told("schema")
        assert task(AepEnsureDataflowOperator(task_id="d", spec=spec)).run() == run.told("flow")

    def test_what_differs_fails_or_is_updated(
        self, steps: Callable[..., GroupRun], task: Any, client: AepClient
    ) -> None:
        flow_id = steps(declared(shape="recurring"))()
        slower = declared(shape="recurring", recurrence={"frequency": "minute", "interval": 30})
        with pytest.raises(AirflowFailException, match="is there already with another definition"):
            steps(slower)()
        assert steps(slower, if_exists="update")() == flow_id
        whole = task(AepEnsureDataflowOperator(task_id="d", spec=slower))
        assert (whole.run(), whole.ti.xcoms["action"]) == (flow_id, "reused")


def test_the_group_tells_ids_to_what_follows(aep: Any) -> None:
    with DAG("steps", schedule=None) as dag:
        group = dataflow_task_group(declared("Service Now: Störung 1.2"))
    assert isinstance(group, DataflowTaskGroup)
    assert group.group_id == "Service_Now_Störung_1_2"
    assert [key.rpartition(".")[2] for key in group.children] == STEPS
    assert (group.flow_id.operator.task_id, group.dataset_id.operator.task_id) == (
        group.child_id("flow"), group.child_id("dataset"),
    )  # fmt: skip
    assert group.flow_id.key == "return_value"
    assert set(DagSerialization.from_dict(DagSerialization.to_dict(dag)).task_ids) == set(dag.task_ids)


def test_groups_may_be_many_and_in_groups() -> None:
    with DAG("steps", schedule=None) as dag:
        one = dataflow_task_group(declared("one"), default_args={"retries": 7})
        two = dataflow_task_group(declared("two"), group_id="other", prefix_group_id=True)
    assert len(dag.tasks) == 2 * len(STEPS)
    assert one.flow_id.operator.retries == 7
    assert two.flow_id.operator.task_id == "other.flow"


def test_nothing_in_a_specification_is_a_template(task: Any) -> None:
    """A specification refuses templates; these have come in another way."""
    spec = declared()
    told = "{{ conn.aep_default.password }} "
    names = spec.names.model_copy(update={"source_connection": told, "target_connection": told})
    target = spec.target.model_copy(update={"dataset": told})
    parts = {"names": names, "target": target, **dict.fromkeys(("name", "table", "description", "delta_column"), told)}
    with DAG("steps", schedule=None):
        group = dataflow_task_group(spec.model_copy(update=parts), group_id="g")
    found = set()
    for step in group.children.values():
        ready: Any = step.prepare_for_execution()  # type: ignore[attr-defined]
        one = task(ready)
        one.ti.xcom_pull = lambda **_: "of a task before"
        ready.render_template_fields({**one.context, "params": {}, "task": ready})
        found |= {
            (ready.label, field) for field in ready.template_fields if str(getattr(ready, field, "")).startswith(told)
        }
    assert {("flow", "name"), ("source_connection", "table"), ("dataset", "name"), ("flow", "description")} <= found
    assert ("check", "delta_column") in found


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ({"columns": []}, "columns is an empty list"),
        ({"delta_format": ""}, "delta_format is an empty text"),
        ({"policy": {"partial_ingestion_percent": None}}, "partial_ingestion_percent is null"),
        ({"mapping": "a.yaml"}, "mapping is the name of a file"),
    ],
)
def test_what_steps_cannot_do_is_refused(more: Any, wrong: str) -> None:
    with DAG("steps", schedule=None), pytest.raises(AepConfigError, match=wrong):
        dataflow_task_group(declared(**more))


class TestBatches:
    def test_none_is_larger_than_it_may_be(self) -> None:
        specs = [declared(f"d{number}") for number in range(10)]
        found = batches(specs, 4)
        assert [len(batch) for batch in found] == [4, 4, 2]
        assert [one["name"] for batch in found for one in batch] == [spec.name for spec in specs]
        assert [DataflowSpec.model_validate(one) for batch in found for one in batch] == specs
        assert batches([]) == []

    @pytest.mark.parametrize(
        "shared",
        [
            lambda number: {"target": {"dataset": f"landing {number}"}},
            lambda number: {"names": {"source_connection": f"source {number}"}},
            lambda number: {"names": {"target_connection": f"target {number}"}},
        ],
    )
    def test_what_shares_an_object_stays_together(self, shared: Callable[[int], Any]) -> None:
        """Side by side, two tasks would make it twice."""
        specs = [declared(f"d{number}", **shared(number % 3)) for number in range(9)]
        found = batches(specs, 2)
        assert sorted(sorted(one["name"] for one in batch) for batch in found) == [
            ["d0", "d3", "d6"], ["d1", "d4", "d7"], ["d2", "d5", "d8"],
        ]  # fmt: skip

    def test_sharing_goes_by_way_of_others(self) -> None:
        ends = [declared("a", target={"dataset": "x"}), declared("z", names={"source_connection": "y"})]
        between = declared("m", target={"dataset": "x"}, names={"source_connection": "y"})
        assert len(batches([*ends, declared("alone"), between], 3)) == 2

    def test_different_sandboxes_are_different_tasks(self) -> None:
        with pytest.raises(AepConfigError, match="different sandboxes"):
            batches([declared("a"), declared("b", sandbox="stage")])

    @pytest.mark.parametrize("size", [0, -1])
    def test_a_size_that_cannot_be(self, size: int) -> None:
        with pytest.raises(AepConfigError, match="size is"):
            batches([declared()], size)

    def test_base_connections_come_once(self) -> None:
        specs = [
            declared("a"),
            declared("b"),
            declared("c", source_conn_id="aep_source_other"),
            declared("d", base_connection="x"),
        ]
        assert base_connections(specs) == [
            {
                "source": "servicenow",
                "source_conn_id": conn_id,
                "name": f"ServiceNow via {conn_id}",
                "authentication": None,
            }
            for conn_id in ("aep_source_servicenow", "aep_source_other")
        ]


def test_a_flow_made_in_steps_bears_its_declaration(steps: Callable[..., GroupRun], client: AepClient) -> None:
    spec = declared(description="What it is for")
    flow_id = steps(spec)()
    description = flow_service.read(client, "flows", flow_id)["description"]
    assert description.startswith(f"What it is for (airflow-aep dataflow={spec.digest()})")
