"""The sensor says the same in every mode: in the worker, rescheduled, and in the triggerer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Asset
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.sdk.module_loading import import_string
from airflow.triggers.base import TriggerEvent

from aep_provider.errors import AepAnswerError, AepError, AepRunAbsentError
from aep_provider.resources.run_wait import Ending, Kind
from aep_provider.sensors import AepFlowRunSensor
from aep_provider.triggers.flow_run import AepFlowRunTrigger
from aep_provider.verdict import RunState, Verdict

MODES = ["poke", "reschedule", "deferrable"]
AWAKE = {"items": [{"id": "f1", "state": "enabled"}]}
QUICK = {"poke_interval": 0.02, "timeout": 10}


@pytest.fixture(params=MODES)
def wait(request: pytest.FixtureRequest, aep: Any, task: Any, no_waits: None) -> Callable[..., Any]:
    """Run a sensor to its end in one of the modes; returns the value and the task instance."""
    aep.answer("GET", "/flows/f1", AWAKE)

    async def run(ti: Any = None, **arguments: Any) -> Any:
        values = {**QUICK, **arguments}
        if request.param == "deferrable":
            return await _deferred(task(AepFlowRunSensor(task_id="t", deferrable=True, **values)), ti)
        done = task(None)
        done.ti = ti or done.ti
        while True:
            # Every poke of a sensor that is rescheduled is a process of its own.
            done.operator = AepFlowRunSensor(task_id="t", deferrable=False, mode=request.param, **values)
            try:
                return done.operator.execute(done.context)
            except AirflowRescheduleException:
                done.ti.rescheduled_at = done.ti.rescheduled_at or datetime.now(UTC)
                time.sleep(0.02)

    return run


async def _deferred(done: Any, ti: Any) -> Any:
    """What scheduler, triggerer and worker do with a deferred task; everything crosses the database."""
    done.ti = ti or done.ti
    with pytest.raises((TaskDeferred, AirflowFailException)) as raised:
        done.operator.execute(done.context)
    if not isinstance(raised.value, TaskDeferred):
        raise raised.value
    path, kwargs = raised.value.trigger.serialize()
    trigger = import_string(path)(**json.loads(json.dumps(kwargs)))
    events = [event async for event in trigger.run()]
    assert len(events) == 1
    payload = json.loads(json.dumps(events[0].payload))
    return done.operator.resume_execution(raised.value.method_name, {"event": payload}, done.context)


def shows(aep: Any, *runs: dict[str, Any]) -> None:
    """AEP lists these runs, and shows each at its own address."""
    aep.answer("GET", "/runs", page(*runs))
    for run in runs:
        aep.answer("GET", f"/runs/{run['id']}", page(run))


def document(
    status: object = "success", run_id: str = "r1", created: int = 1_800_000_000_000, **records: int
) -> dict[str, Any]:
    metrics = {
        "statusSummary": {"status": status},
        "recordSummary": records,
        "durationSummary": {"startedAtUTC": created},
    }
    return {"id": run_id, "flowId": "f1", "createdAt": created, "metrics": metrics, "activities": []}


def page(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(runs), "_links": {}}


GOOD = {"inputRecordCount": 10, "outputRecordCount": 10, "failedRecordCount": 0}
PARTLY = {"inputRecordCount": 10, "outputRecordCount": 9, "failedRecordCount": 1}


@pytest.fixture
def ti(task: Any) -> Any:
    return task(None).ti


class TestOutcomes:
    async def test_success(self, wait: Any, aep: Any, ti: Any) -> None:
        shows(aep, document(**GOOD))
        assert await wait(ti, flow_id="f1") == "r1"
        assert ti.xcoms["outcome"] == {
            "flow_id": "f1", "state": "succeeded", "status": "success", "rows_read": 10, "rows_written": 10,
            "rows_rejected": 0, "rows_skipped": None, "rows_warned": None, "bytes_read": None, "bytes_written": None,
            "reasons": [], "codes": [], "batch_ids": [], "started_at": 1_800_000_000_000, "completed_at": None,
        }  # fmt: skip

    async def test_it_waits_until_there_is_a_run_and_until_it_has_ended(self, wait: Any, aep: Any, ti: Any) -> None:
        aep.answer("GET", "/runs", page(), times=2)
        for status in ("scheduled", "IN_PROGRESS", "brand new word"):
            aep.answer("GET", "/runs", page(document(status)), times=1)
        shows(aep, document(**GOOD))
        assert await wait(ti, flow_id="f1") == "r1"

    async def test_one_run_by_its_id(self, wait: Any, aep: Any, ti: Any) -> None:
        """It may appear minutes after it was started, and not in lists alone."""
        aep.answer("GET", "/runs/r7", {"title": "not found"}, status=404, times=2)
        aep.answer("GET", "/runs/r7", page(document(run_id="r7", **GOOD)))
        assert await wait(ti, run_id="r7") == "r7"

    async def test_the_first_since_a_moment(self, wait: Any, aep: Any, ti: Any) -> None:
        runs = [document(run_id=f"r{number}", created=1_800_000_000_000 + number, **GOOD) for number in (3, 2, 1)]
        aep.answer("GET", "/runs", page(*runs))
        assert await wait(ti, flow_id="f1") == "r1"
        assert await wait(ti, flow_id="f1", since="1800000000") == "r1"
        runs[2]["createdAt"] -= 1000
        runs[2]["metrics"]["durationSummary"]["startedAtUTC"] -= 1000
        aep.faults.clear()
        aep.answer("GET", "/runs", page(*runs))
        assert await wait(ti, flow_id="f1", since=1_800_000_000) == "r2"

    async def test_a_failure_ends_the_task_and_says_why(self, wait: Any, aep: Any, ti: Any) -> None:
        failed = document("failed")
        failed["metrics"]["statusSummary"]["errors"] = [{"code": "CONNECTOR-1001-500", "message": "no such host"}]
        shows(aep, failed)
        with pytest.raises(AirflowFailException, match="CONNECTOR-1001-500 no such host"):
            await wait(ti, flow_id="f1")
        assert (ti.xcoms["outcome"]["state"], ti.xcoms["outcome"]["reasons"]) == (
            "failed",
            ["CONNECTOR-1001-500 no such host"],
        )

    async def test_success_with_rejected_rows_fails(self, wait: Any, aep: Any, ti: Any) -> None:
        shows(aep, document(**PARTLY))
        with pytest.raises(AirflowFailException, match=r"10 read, 9 written, 1 rejected.*max_rejected_rows"):
            await wait(ti, flow_id="f1")
        assert (ti.xcoms["outcome"]["state"], ti.xcoms["outcome"]["rows_rejected"]) == ("partially succeeded", 1)

    @pytest.mark.parametrize("bearing", [{"max_rejected_rows": "1"}, {"max_rejected_percent": "10.0"}])
    async def test_what_is_borne_passes_and_is_told(
        self, wait: Any, aep: Any, ti: Any, bearing: dict[str, str]
    ) -> None:
        shows(aep, document(**PARTLY))
        assert await wait(ti, flow_id="f1", **bearing) == "r1"
        assert ti.xcoms["outcome"]["rows_rejected"] == 1

    @pytest.mark.parametrize("runs", [page(), page(document("inProgress")), page(document("brand new word"))])
    async def test_time_runs_out(self, wait: Any, aep: Any, ti: Any, runs: dict[str, Any]) -> None:
        shows(aep, *runs["items"])
        with pytest.raises(AirflowSensorTimeout, match=r"did not (appear and )?end within 0 seconds"):
            await wait(ti, flow_id="f1", timeout=0.1)

    async def test_what_passes_by_itself_is_borne(
        self, wait: Any, aep: Any, ti: Any, capfd: pytest.CaptureFixture[str]
    ) -> None:
        aep.answer("GET", "/runs", {}, status=503, times=12)
        aep.answer("GET", "/runs", {"unexpected": True}, times=1)
        shows(aep, document(**GOOD))
        assert await wait(ti, flow_id="f1") == "r1"
        assert "Looking for the run failed, trying again" in "".join(capfd.readouterr())

    async def test_endless_trouble_is_borne_until_time_is_up(self, wait: Any, aep: Any, ti: Any) -> None:
        """In every mode alike: far more looks than a trigger once bore."""
        aep.answer("GET", "/runs", {}, status=503)
        with pytest.raises(AirflowSensorTimeout):
            await wait(ti, flow_id="f1", timeout=0.5)
        assert len([seen for seen in aep.seen if seen.path.endswith("/runs")]) > 11

    async def test_a_flow_that_is_gone_or_disabled_is_not_waited_for(
        self, wait: Any, aep: Any, ti: Any, client: Any, one_time_flow: str
    ) -> None:
        gone = "00000000-0000-4000-8000-000000000000"
        with pytest.raises(AirflowFailException, match=f"no flow {gone} in the sandbox"):
            await wait(ti, flow_id=gone)
        aep.answer("GET", "/runs", page())
        aep.answer("GET", f"/flows/{one_time_flow}", {"items": [{"id": one_time_flow, "state": "disabled"}]})
        with pytest.raises(AirflowFailException, match="disabled, so none will come: enable it with AepSetFlowState"):
            await wait(ti, flow_id=one_time_flow)

    async def test_a_run_of_a_disabled_flow_is_waited_for(self, wait: Any, aep: Any, ti: Any) -> None:
        aep.faults.clear()
        aep.answer("GET", "/flows/f1", {"items": [{"id": "f1", "state": "disabled"}]})
        aep.answer("GET", "/runs", page(document("inProgress")), times=1)
        aep.answer("GET", "/runs/r1", page(document("inProgress")), times=1)
        shows(aep, document(**GOOD))
        assert await wait(ti, flow_id="f1") == "r1"

    @pytest.mark.parametrize(("status", "told"), [(403, "permission"), (400, "400"), (404, "404")])
    async def test_what_does_not_pass_ends_the_task(self, wait: Any, aep: Any, ti: Any, status: int, told: str) -> None:
        aep.answer("GET", "/runs", page(), times=1)
        aep.answer("GET", "/runs", {"title": "no"}, status=status)
        with pytest.raises(AirflowFailException, match=told):
            await wait(ti, flow_id="f1")

    async def test_neither_flow_nor_run_is_refused(self, wait: Any, aep: Any, ti: Any) -> None:
        with pytest.raises(AirflowFailException, match="run_id, a list of them, or a flow_id"):
            await wait(ti, flow_id="None", run_id="")
        assert aep.seen == []

    @pytest.mark.parametrize(
        "wrong", [{"since": "soon"}, {"max_rejected_rows": "few"}, {"max_rejected_percent": "nan"}]
    )
    async def test_what_cannot_be_read_is_refused(self, wait: Any, aep: Any, ti: Any, wrong: dict[str, Any]) -> None:
        shows(aep, document(**PARTLY))
        with pytest.raises(AirflowFailException):
            await wait(ti, flow_id="f1", **wrong)

    async def test_soft_fail_skips(self, wait: Any, aep: Any, ti: Any) -> None:
        aep.answer("GET", "/runs", page(), times=1)
        shows(aep, document("failed"))
        with pytest.raises(AirflowSkipException):
            await wait(ti, flow_id="f1", soft_fail=True)


class TestWaiting:
    async def test_many_runs_are_waited_for_together(self, wait: Any, aep: Any, ti: Any) -> None:
        runs = [document(run_id=f"r{number}", **GOOD) for number in range(3)]
        going_on = document("inProgress", run_id="r1")
        aep.answer("GET", "/runs", page(runs[0], going_on, runs[2]), times=1)
        aep.answer("GET", "/runs/r1", page(going_on), times=1)
        shows(aep, *runs)
        assert await wait(ti, run_id=["r0", "r1", "r2"]) == ["r0", "r1", "r2"]
        assert (ti.xcoms["outcome"]["state"], ti.xcoms["outcome"]["rows_read"], len(ti.xcoms["outcome"]["runs"])) == (
            "succeeded",
            30,
            3,
        )

    async def test_one_of_many_that_failed_fails_the_task_when_all_have_ended(
        self, wait: Any, aep: Any, ti: Any
    ) -> None:
        failed = document("failed", run_id="r1")
        shows(aep, document(run_id="r0", **GOOD), failed, document(run_id="r2", **PARTLY))
        with pytest.raises(AirflowFailException, match="2 of 3 runs did not bring what they should: Run r1"):
            await wait(ti, run_id='["r0", "r1", "r2"]')
        assert (ti.xcoms["outcome"]["state"], ti.xcoms["outcome"]["rows_read"]) == ("failed", None)
        assert [one["state"] for one in ti.xcoms["outcome"]["runs"]] == ["succeeded", "failed", "partially succeeded"]

    async def test_a_run_that_lists_do_not_show_yet_is_seen_at_its_own_address(
        self, wait: Any, aep: Any, ti: Any
    ) -> None:
        aep.answer("GET", "/runs", page(document(run_id="r0", **GOOD)))
        now = int(time.time() * 1000)
        aep.answer("GET", "/runs/r1", page(document(run_id="r1", created=now, **GOOD)))
        assert await wait(ti, run_id=["r0", "r1"]) == ["r0", "r1"]

    async def test_no_runs_to_wait_for_is_refused(self, wait: Any, aep: Any, ti: Any) -> None:
        with pytest.raises(AirflowFailException, match="list of runs to wait for is empty"):
            await wait(ti, run_id=[])
        assert aep.seen == []

    async def test_a_run_that_never_appears(self, wait: Any, aep: Any, ti: Any) -> None:
        aep.answer("GET", "/runs/r9", {"title": "not found"}, status=404)
        with pytest.raises(
            AepRunAbsentError, match="AEP knows no flow run r9 in this sandbox, 0 minutes after the wait"
        ):
            await wait(ti, run_id="r9", grace=0.2)

    async def test_a_flow_that_never_runs(self, wait: Any, aep: Any, ti: Any) -> None:
        aep.answer("GET", "/runs", page())
        with pytest.raises(AepRunAbsentError, match=r"The first run of flow f1 has not appeared.*due at.*longer grace"):
            await wait(ti, flow_id="f1", grace=0.2)

    async def test_a_run_is_not_missed_before_the_flow_is_due(self, wait: Any, aep: Any, ti: Any) -> None:
        """Its schedule says when: grace counts from then on."""
        aep.faults.clear()
        schedule = {"frequency": "day", "interval": 1, "startTime": int(time.time()) + 3600}
        aep.answer("GET", "/flows/f1", {"items": [{"id": "f1", "state": "enabled", "scheduleParams": schedule}]})
        aep.answer("GET", "/runs", page())
        with pytest.raises(AirflowSensorTimeout, match="did not appear and end within"):
            await wait(ti, flow_id="f1", grace=0.2, timeout=1)

    async def test_trouble_is_borne_within_its_budget(self, wait: Any, aep: Any, ti: Any) -> None:
        aep.answer("GET", "/runs/r1", {}, status=503)
        with pytest.raises(AepError, match=r"AEP could not be asked for \d+ seconds.*503") as raised:
            await wait(ti, run_id="r1", trouble_budget=0.3)
        assert not raised.value.final

    async def test_trouble_that_ends_in_between_starts_the_budget_anew(self, wait: Any, aep: Any, ti: Any) -> None:
        for _ in range(6):
            aep.answer("GET", "/runs/r1", {"unexpected": 1}, times=2)
            aep.answer("GET", "/runs/r1", page(document("inProgress")), times=1)
        aep.answer("GET", "/runs/r1", page(document(**GOOD)))
        assert await wait(ti, run_id="r1", trouble_budget=0.2) == "r1"

    async def test_an_unknown_word_is_told_once(
        self, wait: Any, aep: Any, ti: Any, capfd: pytest.CaptureFixture[str]
    ) -> None:
        aep.answer("GET", "/runs/r1", page(document("brand new word")), times=4)
        aep.answer("GET", "/runs/r1", page(document(**GOOD)))
        assert await wait(ti, run_id="r1") == "r1"
        assert "".join(capfd.readouterr()).count("status that is not known, 'brand new word'") == 1

    @pytest.mark.parametrize(("accept", "passes"), [("true", True), (True, True), (False, False), ("False", False)])
    async def test_an_empty_run(self, wait: Any, aep: Any, ti: Any, accept: Any, passes: bool) -> None:
        shows(aep, document(inputRecordCount=0, outputRecordCount=0))
        if passes:
            assert await wait(ti, run_id="r1", accept_empty=accept) == "r1"
            return
        with pytest.raises(AirflowFailException, match="An empty run is not accepted"):
            await wait(ti, run_id="r1", accept_empty=accept)

    @pytest.mark.parametrize("status", ["success", "partialSuccess", "PARTIAL_FAILURE"])
    async def test_partial_success_may_be_accepted(self, wait: Any, aep: Any, ti: Any, status: str) -> None:
        shows(aep, document(status, **PARTLY))
        assert await wait(ti, run_id="r1", accept_partial=True) == "r1"
        assert ti.xcoms["outcome"]["state"] == "partially succeeded"

    @pytest.mark.parametrize("soft", [{"soft_fail": True}, {"never_fail": True}])
    async def test_soft_failures_skip_in_every_mode(self, wait: Any, aep: Any, ti: Any, soft: dict[str, bool]) -> None:
        aep.answer("GET", "/runs/r1", page(document("inProgress")))
        with pytest.raises(AirflowSkipException):
            await wait(ti, run_id="r1", timeout=0.1, **soft)

    @pytest.mark.parametrize(
        ("soft", "ends"),
        [
            ({}, AirflowSensorTimeout),
            ({"soft_fail": True}, AirflowSkipException),
            ({"never_fail": True}, AirflowSkipException),
        ],
    )
    def test_airflows_own_clock_may_be_first(
        self, aep: Any, task: Any, monkeypatch: pytest.MonkeyPatch, soft: dict[str, bool], ends: type[Exception]
    ) -> None:
        aep.answer("GET", "/runs/r1", page(document("inProgress")))
        monkeypatch.setattr("aep_provider.sensors.flow_run.time", SimpleNamespace(time=lambda: 1e9))
        with pytest.raises(ends, match=r"Run r1 of flow f1 running|Sensor has timed out"):
            task(AepFlowRunSensor(task_id="t", run_id="r1", deferrable=False, **QUICK | {"timeout": 0.1}, **soft)).run()


class TestDeferring:
    def sensor(self, task: Any, **changes: Any) -> Any:
        return task(AepFlowRunSensor(task_id="t", **{"flow_id": "f1", **QUICK, **changes}))

    def test_nothing_is_asked_before(self, aep: Any, task: Any, secrets: list[str]) -> None:
        """The one poll of the triggerer asks for all; a worker would fetch a token of its own first."""
        with pytest.raises(TaskDeferred) as deferred:
            self.sensor(task, run_id="{{ x }}").run()
        assert aep.seen == []
        _, kwargs = deferred.value.trigger.serialize()
        assert not [secret for secret in secrets if secret in json.dumps(kwargs)]
        assert kwargs["started"] == pytest.approx(time.time(), abs=2)

    def test_the_framework_gives_up_only_after_the_trigger(self, aep: Any, task: Any) -> None:
        with pytest.raises(TaskDeferred) as deferred:
            self.sensor(task, timeout=100, poke_interval=30).run()
        assert deferred.value.timeout.total_seconds() > 100 + 30

    @pytest.mark.parametrize(
        "event",
        [None, "ended", [], {}, {"ending": "done"}, {"ending": "ended"},
         {"ending": "ended", "verdicts": [], "message": "", "final": False},
         {"ending": "ended", "verdicts": [{"run_id": "r1"}], "message": "", "final": False},
         {"ending": "ended", "verdicts": "good", "message": "", "final": False},
         {"ending": "timeout", "verdicts": [{"state": "?"}], "message": "", "final": False}],
    )  # fmt: skip
    def test_an_event_that_is_not_ours_is_no_success(self, task: Any, event: Any) -> None:
        done = self.sensor(task)
        with pytest.raises(AepAnswerError):
            done.operator.execute_complete(done.context, event)

    def test_an_end_with_a_run_that_goes_on_is_no_success(self, task: Any) -> None:
        done = self.sensor(task)
        running = Verdict("r1", "f1", RunState.RUNNING, "inProgress")
        with pytest.raises(AepAnswerError, match="ended, but not its runs"):
            done.operator.execute_complete(done.context, Ending(Kind.ENDED, [running]).as_json())

    @pytest.mark.parametrize(("final", "kind"), [(True, AirflowFailException), (False, AepError)])
    def test_an_error_of_the_triggerer_is_told(self, task: Any, final: bool, kind: type[Exception]) -> None:
        done = self.sensor(task)
        with pytest.raises(kind, match="no way"):
            done.operator.execute_complete(done.context, Ending(Kind.ERROR, [], "no way", final).as_json())

    def test_a_killed_wait_says_that_the_run_goes_on(self, task: Any, capfd: pytest.CaptureFixture[str]) -> None:
        self.sensor(task).operator.on_kill()
        assert "AEP cannot cancel runs: they go on" in "".join(capfd.readouterr())

    def test_a_test_of_the_dag_resumes_what_the_trigger_ended(self, aep: Any, task: Any, no_waits: None) -> None:
        """It hands over the state in which the trigger ended the task, and nothing of what that published."""
        shows(aep, document(**GOOD))
        done = self.sensor(task)
        assert done.operator.execute_complete(done.context, "success") == "r1"
        assert done.ti.xcoms["outcome"]["rows_read"] == 10
        aep.faults.clear()
        shows(aep, document("inProgress"))
        with pytest.raises(AepAnswerError, match="had ended, and has not"):
            done.operator.execute_complete(done.context, "success")


class TestStartingInTheTriggerer:
    @pytest.mark.parametrize(
        "fields", [{"run_id": "r1"}, {"run_id": ["r1", "r2"]}, {"flow_id": "f1", "since": 5, "max_rejected_rows": 3}]
    )
    def test_plain_values_need_no_worker(self, fields: dict[str, Any]) -> None:
        sensor = AepFlowRunSensor(task_id="t", **fields)
        assert sensor.start_from_trigger
        args = sensor.start_trigger_args
        trigger = import_string(args.trigger_cls)(**json.loads(json.dumps(args.trigger_kwargs)))
        assert trigger.serialize() == (args.trigger_cls, args.trigger_kwargs)
        assert trigger.started is None
        assert args.next_method == "execute_complete"

    @pytest.mark.parametrize(
        "fields",
        [{"run_id": "{{ params.run }}"}, {"run_id": ["r1", "{% if x %}"]}, {"flow_id": "f1", "since": "{{ ds }}"},
         {"run_id": "r1", "sandbox": "{{ var.value.sandbox }}"}, {"run_id": "r1", "deferrable": False}, {}, {"run_id": []},
         {"run_id": "r1", "since": "soon"}, {"run_id": "r1", "start_from_trigger": False}],
    )  # fmt: skip
    def test_what_only_a_worker_can_tell_needs_one(self, fields: dict[str, Any]) -> None:
        assert not AepFlowRunSensor(task_id="t", **fields).start_from_trigger

    def test_what_another_task_returns_needs_a_worker(self) -> None:
        with DAG("d", schedule=None):
            first = AepFlowRunSensor(task_id="first", run_id="r1")
            assert not AepFlowRunSensor(task_id="second", run_id=first.output).start_from_trigger

    def test_the_limit_of_airflow_tells_when_the_wait_began(self) -> None:
        sensor = AepFlowRunSensor(task_id="t", run_id="r1", timeout=600, poke_interval=5)
        trigger = AepFlowRunTrigger(**sensor.start_trigger_args.trigger_kwargs)
        began = datetime(2026, 2, 3, tzinfo=UTC)
        trigger.timeout_after = began + sensor.start_trigger_args.timeout
        assert trigger.awaited().started == began.timestamp()
        assert trigger.awaited().deadline == began.timestamp() + 600

    async def test_success_with_outlets_is_left_to_a_worker(self, aep: Any) -> None:
        """Only there are the events of assets told."""
        shows(aep, document(**GOOD))
        sensor = AepFlowRunSensor(task_id="t", run_id="r1", outlets=[Asset("aep://prod/incidents")])
        trigger = AepFlowRunTrigger(**sensor.start_trigger_args.trigger_kwargs)
        events = [event async for event in trigger.run()]
        assert [type(event) for event in events] == [TriggerEvent]


async def test_a_real_run_on_the_platform(wait: Any, aep: Any, client: Any, ti: Any, one_time_flow: str) -> None:
    run_id = await wait(ti, flow_id=one_time_flow)
    assert run_id
    told = ti.xcoms["outcome"]
    assert (told["state"], told["rows_read"], told["rows_written"], told["rows_rejected"]) == ("succeeded", 3, 3, 0)
    assert len(told["batch_ids"]) == 1
    assert told["started_at"] > 1_700_000_000_000
    assert await wait(ti, run_id=run_id) == run_id
