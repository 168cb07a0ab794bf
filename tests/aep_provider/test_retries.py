"""Which errors are tried again, after how long, and that Airflow asks."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, RetryAction, RetryDecision, RetryPolicy, TaskInstanceState
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.sdk.execution_time import task_runner
from airflow.serialization.serialized_objects import DagSerialization

from aep_provider import errors
from aep_provider.errors import (
    AepAnswerError,
    AepAnswerLostError,
    AepApiError,
    AepConfigError,
    AepConflictError,
    AepConnectError,
    AepError,
    AepPermissionError,
    AepRunFailedError,
    AepRunPartialError,
    AepRunTimeoutError,
    AepServerError,
    AepThrottledError,
)
from aep_provider.retries import AepRetryPolicy

POLICY = AepRetryPolicy(first_delay=10, max_delay=60, max_retry_after=100)
SECRET = "never-to-be-seen"


def throttled(retry_after: float | None) -> AepThrottledError:
    return AepThrottledError(status=429, retry_after=retry_after)


def after(error: BaseException, try_number: int = 1, policy: RetryPolicy = POLICY) -> RetryDecision:
    return policy.evaluate(exception=error, try_number=try_number, max_tries=9)


def seconds(error: BaseException, try_number: int = 1, policy: RetryPolicy = POLICY) -> float:
    decision = after(error, try_number, policy)
    assert decision.action is RetryAction.RETRY
    assert decision.retry_delay is not None
    return decision.retry_delay.total_seconds()


def raised_from(error: BaseException, *causes: BaseException) -> BaseException:
    outer = error
    for cause in causes:
        outer.__cause__ = cause
        outer = cause
    return error


def every_kind() -> list[AepError]:
    kinds = [getattr(errors, name) for name in errors.__all__]
    return [kind("x", status=400) if issubclass(kind, AepApiError) else kind("x") for kind in kinds]


@pytest.mark.parametrize("error", every_kind(), ids=lambda error: type(error).__name__)
def test_what_is_final_fails_at_once_and_only_that(error: AepError) -> None:
    assert (after(error).action is RetryAction.FAIL) == error.final


@pytest.mark.parametrize("error", [AepError("told by a trigger", final=True), AepRunFailedError("x", final=True)])
def test_an_error_that_says_so_itself_is_final(error: AepError) -> None:
    assert after(error).action is RetryAction.FAIL


@pytest.mark.parametrize("asked", [0, 1, 8, 99.5, 100])
def test_throttled_tasks_wait_as_long_as_aep_says_and_a_little_longer(asked: float) -> None:
    waits = {seconds(throttled(asked)) for _ in range(50)}
    assert min(waits) >= asked
    assert max(waits) <= asked + max(1, asked / 4)
    assert len(waits) == 50


@pytest.mark.parametrize("asked", [101, 1e9, 1e300])
def test_aep_cannot_make_a_task_wait_for_ever(asked: float) -> None:
    assert 100 <= seconds(throttled(asked)) <= 125


@pytest.mark.parametrize("asked", [None, -1, float("nan"), float("inf"), "soon"])
def test_throttled_tasks_that_were_told_nothing_wait_ever_longer(asked: Any) -> None:
    assert 5 <= seconds(throttled(asked)) <= 10
    assert 20 <= seconds(throttled(asked), 3) <= 40


@pytest.mark.parametrize(
    "error",
    [AepConnectError("x"), AepAnswerLostError("x"), AepAnswerError("x"), AepServerError("x", status=503)],
    ids=lambda error: type(error).__name__,
)
def test_what_may_pass_by_itself_waits_ever_longer(error: AepError) -> None:
    for try_number, longest in ((1, 10), (2, 20), (3, 40), (4, 60), (5, 60), (10**9, 60)):
        waits = {seconds(error, try_number) for _ in range(50)}
        assert min(waits) >= longest / 2
        assert max(waits) <= longest
        assert len(waits) == 50


@pytest.mark.parametrize(
    "error",
    [
        AepError("told by a trigger"),
        AepRunFailedError("x"),
        AepRunTimeoutError("x"),
        AepConflictError("x", status=409),
        ValueError("x"),
        AirflowException("x"),
        TimeoutError(),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_rest_is_left_to_the_task(error: BaseException) -> None:
    assert after(error) == RetryDecision.default()


def test_errors_are_found_where_others_were_raised_from_them() -> None:
    assert 8 <= seconds(raised_from(RuntimeError(), throttled(8))) <= 10
    assert after(raised_from(AirflowException(), ValueError(), AepConfigError("x"))).action is RetryAction.FAIL
    # The outermost of ours knows best.
    assert after(raised_from(AepRunFailedError("x"), AepRunPartialError("x"))) == RetryDecision.default()


def test_what_was_only_handled_on_the_way_does_not_count() -> None:
    error = ValueError("something else")
    error.__context__ = AepPermissionError("x", status=403)
    assert after(error) == RetryDecision.default()


def test_errors_that_are_each_others_cause_end() -> None:
    one, two = ValueError(), ValueError()
    one.__cause__, two.__cause__ = two, one
    assert after(one) == RetryDecision.default()


def test_reasons_say_which_and_hold_no_detail() -> None:
    error = AepThrottledError(SECRET, status=429, retry_after=8, detail=SECRET, path=f"/x?token={SECRET}")
    told = [
        after(error).reason,
        after(AepPermissionError(SECRET, status=403)).reason,
        after(AepConnectError(SECRET)).reason,
    ]
    assert [text.split(":")[0] for text in told if text] == [
        "AepThrottledError",
        "AepPermissionError",
        "AepConnectError",
    ]
    assert SECRET not in str(told)


@pytest.mark.parametrize("name", ["first_delay", "max_delay", "max_retry_after"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), 1e9, "ten", None])
def test_delays_that_make_no_sense_are_refused_in_the_dag_file(name: str, value: Any) -> None:
    with pytest.raises(AepConfigError, match=name):
        AepRetryPolicy(**{name: value})


def test_it_comes_back_from_json_and_from_a_pickle() -> None:
    assert AepRetryPolicy.deserialize(json.loads(json.dumps(POLICY.serialize()))) == POLICY
    assert pickle.loads(pickle.dumps(POLICY)) == POLICY


# With Airflow


class Failing(BaseOperator):
    def __init__(self, *, what: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.what = what


def test_a_dag_with_it_survives_serialization() -> None:
    with DAG("tried", default_args={"retries": 3, "retry_policy": POLICY}) as dag:
        Failing(task_id="one")
        Failing.partial(task_id="many").expand(what=["a", "b"])
    with DAG("plain") as plain:
        Failing(task_id="own", retry_policy=AepRetryPolicy())
        Failing(task_id="none")
    again, other = (
        DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(each)))) for each in (dag, plain)
    )
    # The scheduler has to know only that there is one: the worker takes it from the DAG file.
    assert [again.get_task(task_id).has_retry_policy for task_id in ("one", "many")] == [True, True]
    assert [other.get_task(task_id).has_retry_policy for task_id in ("own", "none")] == [True, False]
    assert "first_delay" not in json.dumps(DagSerialization.to_dict(dag))
    assert dag.get_task("many").retry_policy == dag.get_task("one").retry_policy == POLICY


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What Airflow's worker makes of an exception; nothing else of a task is there."""
    monkeypatch.setattr(task_runner, "stats", SimpleNamespace(incr=lambda *_, **__: None))

    def ends(error: BaseException, try_number: int = 1, tries_left: bool = True) -> Any:
        server = SimpleNamespace(max_tries=3, should_retry=tries_left)
        ti = SimpleNamespace(
            task=Failing(task_id="one", retry_policy=POLICY), try_number=try_number, _ti_context_from_server=server,
            _failure_metrics_emitted=False, stats_tags={}, rendered_map_index=None, end_date=datetime.now(UTC),
        )  # fmt: skip
        message, state = task_runner._handle_current_task_failed(ti, error, task_runner.log, None)  # type: ignore[arg-type]
        return state, getattr(message, "retry_delay_seconds", None), getattr(message, "retry_reason", None)

    return ends


def test_airflows_worker_does_as_it_says(worker: Any) -> None:
    state, delay, reason = worker(throttled(8))
    assert state is TaskInstanceState.UP_FOR_RETRY
    assert 8 <= delay <= 10
    assert reason == f"AepThrottledError: again after {delay:.0f} s, AEP asked for 8 s"
    state, delay, reason = worker(AepConnectError("x"), 2)
    assert state is TaskInstanceState.UP_FOR_RETRY
    assert 10 <= delay <= 20
    assert worker(AepConfigError("x")) == (TaskInstanceState.FAILED, None, None)
    assert worker(AepRunFailedError("x")) == (TaskInstanceState.UP_FOR_RETRY, None, None)
    assert worker(ValueError("x")) == (TaskInstanceState.UP_FOR_RETRY, None, None)
    assert worker(throttled(8), tries_left=False)[0] is TaskInstanceState.FAILED


def test_what_the_operators_raise_for_a_final_error_fails_too(worker: Any) -> None:
    assert worker(raised_from(AirflowFailException("x"), AepConfigError("x")))[0] is TaskInstanceState.FAILED


def test_forked_workers_do_not_wait_alike() -> None:
    waits = set()
    for _ in range(3):
        with multiprocessing.get_context("fork").Pool(1) as child:
            waits.add(child.apply(seconds, (throttled(8),)))
    assert len(waits) == 3
