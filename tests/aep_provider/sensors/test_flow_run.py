"""The sensor says the same in every mode: in the worker, rescheduled, and in the triggerer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.sdk.module_loading import import_string

from aep_provider.errors import AepAnswerError, AepError
from aep_provider.sensors import AepFlowRunSensor

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
        done = task(AepFlowRunSensor(task_id="t", deferrable=False, mode=request.param, **values))
        done.ti = ti or done.ti
        deadline = time.monotonic() + values["timeout"]
        while True:
            try:
                return done.operator.execute(done.context)
            except AirflowRescheduleException:
                if time.monotonic() > deadline:
                    raise AirflowSensorTimeout("as Airflow would tell from the first reschedule date") from None
                time.sleep(0.02)

    return run


async def _deferred(done: Any, ti: Any) -> Any:
    """What scheduler, triggerer and worker do with a deferred task; everything crosses the database."""
    done.ti = ti or done.ti
    try:
        return done.operator.execute(done.context)
    except TaskDeferred as deferred:
        path, kwargs = deferred.trigger.serialize()
        trigger = import_string(path)(**json.loads(json.dumps(kwargs)))
        events = [event async for event in trigger.run()]
        assert len(events) == 1
        payload = json.loads(json.dumps(events[0].payload))
        return done.operator.resume_execution(deferred.method_name, {"event": payload}, done.context)


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
        aep.answer("GET", "/runs", page(document(**GOOD)))
        assert await wait(ti, flow_id="f1") == "r1"
        assert ti.xcoms == {
            "flow_id": "f1", "state": "succeeded", "status": "success", "rows_read": 10, "rows_written": 10,
            "rows_rejected": 0,
            "rows_warned": None, "reasons": [], "batch_ids": [], "started_at": 1_800_000_000_000, "completed_at": None,
        }  # fmt: skip

    async def test_it_waits_until_there_is_a_run_and_until_it_has_ended(self, wait: Any, aep: Any, ti: Any) -> None:
        aep.answer("GET", "/runs", page(), times=2)
        for status in ("scheduled", "IN_PROGRESS", "brand new word"):
            aep.answer("GET", "/runs", page(document(status)), times=1)
        aep.answer("GET", "/runs", page(document(**GOOD)))
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
        aep.faults.clear()
        aep.answer("GET", "/runs", page(*runs))
        assert await wait(ti, flow_id="f1", since=1_800_000_000) == "r2"

    async def test_a_failure_ends_the_task_and_says_why(self, wait: Any, aep: Any, ti: Any) -> None:
        failed = document("failed")
        failed["metrics"]["statusSummary"]["errors"] = [{"code": "CONNECTOR-1001-500", "message": "no such host"}]
        aep.answer("GET", "/runs", page(failed))
        with pytest.raises(AirflowFailException, match="CONNECTOR-1001-500 no such host"):
            await wait(ti, flow_id="f1")
        assert (ti.xcoms["state"], ti.xcoms["reasons"]) == ("failed", ["CONNECTOR-1001-500 no such host"])

    async def test_success_with_rejected_rows_fails(self, wait: Any, aep: Any, ti: Any) -> None:
        aep.answer("GET", "/runs", page(document(**PARTLY)))
        with pytest.raises(AirflowFailException, match=r"10 read, 9 written, 1 rejected.*max_rejected_rows"):
            await wait(ti, flow_id="f1")
        assert (ti.xcoms["state"], ti.xcoms["rows_rejected"]) == ("partially succeeded", 1)

    @pytest.mark.parametrize("bearing", [{"max_rejected_rows": "1"}, {"max_rejected_percent": "10.0"}])
    async def test_what_is_borne_passes_and_is_told(
        self, wait: Any, aep: Any, ti: Any, bearing: dict[str, str]
    ) -> None:
        aep.answer("GET", "/runs", page(document(**PARTLY)))
        assert await wait(ti, flow_id="f1", **bearing) == "r1"
        assert ti.xcoms["rows_rejected"] == 1

    @pytest.mark.parametrize("runs", [page(), page(document("inProgress")), page(document("brand new word"))])
    async def test_time_runs_out(self, wait: Any, aep: Any, ti: Any, runs: dict[str, Any]) -> None:
        aep.answer("GET", "/runs", runs)
        with pytest.raises(AirflowSensorTimeout):
            await wait(ti, flow_id="f1", timeout=0.1)

    async def test_what_passes_by_itself_is_borne(
        self, wait: Any, aep: Any, ti: Any, capfd: pytest.CaptureFixture[str]
    ) -> None:
        aep.answer("GET", "/runs", {}, status=503, times=12)
        aep.answer("GET", "/runs", {"unexpected": True}, times=1)
        aep.answer("GET", "/runs", page(document(**GOOD)))
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
        aep.answer("GET", "/runs", page(document("inProgress")), times=2)
        aep.answer("GET", "/runs", page(document(**GOOD)))
        assert await wait(ti, flow_id="f1") == "r1"

    @pytest.mark.parametrize(("status", "told"), [(403, "permission"), (400, "400"), (404, "404")])
    async def test_what_does_not_pass_ends_the_task(self, wait: Any, aep: Any, ti: Any, status: int, told: str) -> None:
        aep.answer("GET", "/runs", page(), times=1)
        aep.answer("GET", "/runs", {"title": "no"}, status=status)
        with pytest.raises(AirflowFailException, match=told):
            await wait(ti, flow_id="f1")

    async def test_neither_flow_nor_run_is_refused(self, wait: Any, aep: Any, ti: Any) -> None:
        with pytest.raises(AirflowFailException, match="flow_id or a run_id"):
            await wait(ti, flow_id="None", run_id="")
        assert aep.seen == []

    @pytest.mark.parametrize(
        "wrong", [{"since": "soon"}, {"max_rejected_rows": "few"}, {"max_rejected_percent": "nan"}]
    )
    async def test_what_cannot_be_read_is_refused(self, wait: Any, aep: Any, ti: Any, wrong: dict[str, Any]) -> None:
        aep.answer("GET", "/runs", page(document(**PARTLY)))
        with pytest.raises(AirflowFailException):
            await wait(ti, flow_id="f1", **wrong)

    async def test_soft_fail_skips(self, wait: Any, aep: Any, ti: Any) -> None:
        aep.answer("GET", "/runs", page(), times=1)
        aep.answer("GET", "/runs", page(document("failed")))
        with pytest.raises(AirflowSkipException):
            await wait(ti, flow_id="f1", soft_fail=True)


class TestDeferring:
    @pytest.fixture(autouse=True)
    def awake(self, aep: Any) -> None:
        """The flow may still have a run."""
        aep.answer("GET", "/flows/f1", AWAKE)

    def sensor(self, task: Any, **changes: Any) -> Any:
        return task(AepFlowRunSensor(task_id="t", **{"flow_id": "f1", **QUICK, **changes}))

    def test_a_run_that_has_ended_needs_no_triggerer(self, aep: Any, task: Any) -> None:
        aep.answer("GET", "/runs", page(document(**GOOD)))
        assert self.sensor(task).run() == "r1"

    def test_nothing_secret_is_handed_to_the_triggerer(self, aep: Any, task: Any, secrets: list[str]) -> None:
        aep.answer("GET", "/runs", page())
        with pytest.raises(TaskDeferred) as deferred:
            self.sensor(task).run()
        _, kwargs = deferred.value.trigger.serialize()
        text = json.dumps(kwargs)
        tokens = [seen.headers["authorization"].split()[1] for seen in aep.seen if "authorization" in seen.headers]
        assert not [secret for secret in (*secrets, *tokens) if secret in text]
        assert kwargs["deadline"] == pytest.approx(time.time() + 10, abs=2)

    def test_the_framework_gives_up_only_after_the_trigger(self, aep: Any, task: Any) -> None:
        aep.answer("GET", "/runs", page())
        with pytest.raises(TaskDeferred) as deferred:
            self.sensor(task, timeout=100, poke_interval=30).run()
        assert deferred.value.timeout.total_seconds() > 100 + 30

    @pytest.mark.parametrize(
        "event",
        [None, "ended", [], {}, {"event": "done"}, {"event": "ended"}, {"event": "ended", "verdict": None},
         {"event": "ended", "verdict": {"run_id": "r1"}}, {"event": "ended", "verdict": "good"},
         {"event": "timeout", "verdict": {"state": "?"}}],
    )  # fmt: skip
    def test_an_event_that_is_not_ours_is_no_success(self, task: Any, event: Any) -> None:
        done = self.sensor(task)
        with pytest.raises(AepAnswerError):
            done.operator.execute_complete(done.context, event)

    def test_time_is_up_with_a_run_going_on(self, task: Any) -> None:
        done = self.sensor(task, timeout=60)
        with pytest.raises(AirflowSensorTimeout, match=r"f1 did not end within 60 seconds\. No run has appeared yet"):
            done.operator.execute_complete(done.context, {"event": "timeout", "verdict": None})

    @pytest.mark.parametrize(("final", "kind"), [(True, AirflowFailException), (False, AepError)])
    def test_an_error_of_the_triggerer_is_told(self, task: Any, final: bool, kind: type[Exception]) -> None:
        done = self.sensor(task)
        with pytest.raises(kind, match="no way"):
            done.operator.execute_complete(done.context, {"event": "error", "message": "no way", "final": final})

    def test_the_last_trouble_is_told_when_time_is_up(self, task: Any) -> None:
        done = self.sensor(task, timeout=60)
        event = {"event": "timeout", "verdict": None, "trouble": "AEP refused (HTTP 503)"}
        with pytest.raises(AirflowSensorTimeout, match=r"The last look failed: AEP refused \(HTTP 503\)"):
            done.operator.execute_complete(done.context, event)


async def test_a_real_run_on_the_platform(wait: Any, aep: Any, client: Any, ti: Any, one_time_flow: str) -> None:
    run_id = await wait(ti, flow_id=one_time_flow)
    assert run_id
    assert (ti.xcoms["state"], ti.xcoms["rows_read"], ti.xcoms["rows_written"], ti.xcoms["rows_rejected"]) == (
        "succeeded", 3, 3, 0,
    )  # fmt: skip
    assert len(ti.xcoms["batch_ids"]) == 1
    assert ti.xcoms["started_at"] > 1_700_000_000_000
    assert await wait(ti, run_id=run_id) == run_id
