"""What all operators promise: fields that are templates, constructors without I/O, errors that end or repeat a task."""

from __future__ import annotations

import inspect
import socket
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore
from time import sleep
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.exceptions import AirflowFailException

from aep_provider import operators, sensors
from aep_provider.errors import AepConfigError, AepDifferenceError, AepServerError
from aep_provider.operators.base import TaskMemory, final_errors_end_the_task

OPERATORS = [getattr(operators, name) for name in operators.__all__]
ALL = [*OPERATORS, *(getattr(sensors, name) for name in sensors.__all__)]
NOT_RENDERED = {
    "deferrable", "wait", "notifiers", "poke_interval", "poll_interval", "settle_seconds", "start_from_trigger", "timeout",
    "kwargs", "self",
}  # fmt: skip
LITERAL = {operators.AepEnsureDataflowOperator: {"spec", "specs", "accept", "workers"}}
"""What is taken as it was given where the DAG is made."""


def own_fields(operator: type) -> dict[str, inspect.Parameter]:
    """The arguments of the operator and of the bases of ours."""
    found: dict[str, inspect.Parameter] = {}
    for base in operator.__mro__:
        if base in (BaseOperator, BaseSensorOperator):
            break
        if "__init__" in vars(base):
            found |= inspect.signature(inspect.unwrap(vars(base)["__init__"])).parameters
    return found


def arguments(operator: type) -> dict[str, str]:
    """A text for each argument that must be given."""
    required = {name for name, one in own_fields(operator).items() if one.default is inspect.Parameter.empty}
    return {name: f"some {name}" for name in required - NOT_RENDERED}


@pytest.mark.parametrize("operator", ALL)
def test_every_field_is_a_template(operator: Any) -> None:
    literal = NOT_RENDERED | LITERAL.get(operator, set())
    assert set(own_fields(operator)) - literal - set(operator.template_fields) == set()


@pytest.mark.parametrize("operator", ALL)
def test_every_template_is_kept_as_it_was_given(operator: Any) -> None:
    """Airflow renders attributes of the same name; a constructor that reads one would read the template."""
    values = dict.fromkeys(operator.template_fields, "{{ value }}")
    made = operator(task_id="t", **values)
    assert {field: getattr(made, field) for field in operator.template_fields} == values
    made.render_template_fields({"value": "rendered"})
    assert {getattr(made, field) for field in operator.template_fields} == {"rendered"}


@pytest.mark.parametrize("operator", ALL)
def test_constructing_opens_no_connection(operator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a constructor opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("aep_provider.hooks.aep.AepHook.get_connection", refuse)
    operator(task_id="t", **arguments(operator))


@pytest.mark.parametrize("operator", ALL)
def test_it_can_be_mapped(operator: Any) -> None:
    given = arguments(operator)
    field = sorted(given or {"sandbox"})[0]
    with DAG("mapped", schedule=None) as dag:
        operator.partial(task_id="t", **{name: value for name, value in given.items() if name != field}).expand(
            **{field: ["a", "b"]}
        )
    mapped = dag.get_task("t")
    assert isinstance(mapped, MappedOperator)
    assert getattr(mapped.unmap({**given, field: "b"}), field) == "b"


@pytest.mark.parametrize("operator", ALL)
def test_it_tells_what_it_does_in_its_docstring(operator: Any) -> None:
    text = inspect.getdoc(operator) or ""
    assert "*Idempotency*" in text
    assert "*XCom*" in text
    undocumented = {name for name in operator.template_fields if f":param {name}:" not in _with_bases(operator)}
    assert (
        undocumented
        - {"description", "mapping_version", "delta_timezone", "start_delay_seconds", "backfill", "delta_column"}
        == set()
    )


def _with_bases(operator: type) -> str:
    return "".join(base.__doc__ or "" for base in operator.__mro__)


class TestErrors:
    @pytest.mark.parametrize("error", [AepConfigError("a\nb"), AepDifferenceError("x")])
    def test_final_ones_end_the_task_in_one_line(self, error: Exception) -> None:
        with pytest.raises(AirflowFailException) as ended, final_errors_end_the_task():
            raise error
        assert str(ended.value) == str(error)
        assert "\n" not in str(ended.value)
        assert ended.value.__cause__ is error

    def test_others_keep_their_type(self) -> None:
        error = AepServerError(status=503)
        with pytest.raises(AepServerError) as raised, final_errors_end_the_task():
            raise error
        assert raised.value is error

    def test_what_is_not_ours_passes(self) -> None:
        with pytest.raises(KeyError), final_errors_end_the_task():
            raise KeyError("x")


class TestTaskMemory:
    def test_each_kind_has_its_own_note(self, task: Any) -> None:
        context = task(None).context
        TaskMemory(context, "schema").remember({"at": 1})
        TaskMemory(context, "field group").remember({"at": 2})
        assert TaskMemory(context, "schema").recall() == {"at": 1}
        assert TaskMemory(context, "field group").recall() == {"at": 2}
        assert TaskMemory(context, "flow").recall() is None

    @pytest.mark.parametrize("kept", ["text", 5, ["a"]])
    def test_what_is_no_note_is_none(self, task: Any, kept: Any) -> None:
        context = task(None).context
        context["task_state_store"].set("aep_intent_flow", kept)
        assert TaskMemory(context, "flow").recall() is None

    def test_threads_take_turns(self) -> None:
        """Airflow's line to a task bears one at a time under ``airflow dags test``."""
        inside = Semaphore(1)

        class Store(dict[str, Any]):
            def get(self, key: str, default: Any = None) -> Any:
                assert inside.acquire(blocking=False)
                sleep(0.001)
                inside.release()
                return super().get(key, default)

            def set(self, key: str, value: Any) -> None:
                self.get(key)
                self[key] = value

        context: Any = {"task_state_store": Store()}
        with ThreadPoolExecutor(8) as pool:
            for kind in [pool.submit(_remembered, context, f"kind {number}") for number in range(40)]:
                kind.result()


def _remembered(context: Any, kind: str) -> None:
    memory = TaskMemory(context, kind)
    memory.remember({"kind": kind})
    assert memory.recall() == {"kind": kind}
