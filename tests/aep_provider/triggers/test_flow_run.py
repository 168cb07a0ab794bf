"""The trigger in the triggerer: one event, no secrets, no blocking, nothing left open."""

from __future__ import annotations

import asyncio
import gc
import json
import time
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.module_loading import import_string
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent

from aep_provider.resources.run_wait import Ending, Kind
from aep_provider.triggers.flow_run import AepFlowRunTrigger
from aep_provider.verdict import RunState

GOOD = {
    "id": "r1", "flowId": "f1", "createdAt": 1_800_000_000_000,
    "metrics": {"statusSummary": {"status": "success"}, "recordSummary": {"inputRecordCount": 3, "outputRecordCount": 3}},
}  # fmt: skip


def trigger(**changes: Any) -> AepFlowRunTrigger:
    values: dict[str, Any] = {
        "aep_conn_id": "aep_default", "sandbox": None, "flow_id": "f1", "run_ids": [], "poke_interval": 0.02, "timeout": 10,
        "started": time.time(), **changes,
    }  # fmt: skip
    return AepFlowRunTrigger(**values)


async def event_of(made: AepFlowRunTrigger) -> TriggerEvent:
    """The one event of a trigger that came out of the database."""
    path, kwargs = made.serialize()
    started_anew = import_string(path)(**json.loads(json.dumps(kwargs)))
    assert type(started_anew) is AepFlowRunTrigger
    events = [event async for event in started_anew.run()]
    assert len(events) == 1
    return events[0]


async def ending_of(made: AepFlowRunTrigger) -> Ending:
    """How the wait ended, as it comes out of the database."""
    return Ending.of(json.loads(json.dumps((await event_of(made)).payload)))


def test_it_crosses_the_database_whole() -> None:
    made = trigger(sandbox="stage", run_ids=["r1"], since=5, tolerance={"rows": 3})
    path, kwargs = made.serialize()
    assert path == "aep_provider.triggers.flow_run.AepFlowRunTrigger"
    assert import_string(path)(**kwargs).serialize() == (path, kwargs)


async def test_the_verdict_is_the_event(aep: Any) -> None:
    aep.answer("GET", "/runs", {"items": [], "_links": {}}, times=1)
    aep.answer("GET", "/flows/f1", {"items": [{"id": "f1", "state": "enabled"}]})
    aep.answer("GET", "/runs", {"items": [GOOD], "_links": {}})
    ending = await ending_of(trigger())
    assert ending.kind is Kind.ENDED
    (verdict,) = ending.verdicts
    assert (verdict.state, verdict.rows_read) == (RunState.SUCCEEDED, 3)


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is pushed for the task ``t``; a key that is already there cannot be."""
    found: dict[str, Any] = {}

    async def push(key: str, value: Any, **whose: Any) -> None:
        assert whose == {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1}
        if key in found:
            raise RuntimeError("no database")
        found[key] = json.loads(json.dumps(value))

    monkeypatch.setattr("airflow.sdk.execution_time.xcom.XCom.aset", push)
    return found


def of_a_task(**changes: Any) -> AepFlowRunTrigger:
    made = trigger(**{"flow_id": None, "run_ids": ["r1"], "tolerance": {}, **changes})
    made.task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)  # type: ignore[assignment]
    return made


async def events_of(made: AepFlowRunTrigger) -> list[type]:
    return [type(event) async for event in made.run()]


async def test_a_plain_success_ends_the_task(aep: Any, pushed: dict[str, Any]) -> None:
    """What it publishes is pushed before, and not by the event: tasks would read that back as text."""
    aep.answer("GET", "/runs/r1", {"items": [GOOD]})
    events = [event async for event in of_a_task().run()]
    assert [type(event) for event in events] == [TaskSuccessEvent]
    assert events[0].xcoms is None  # type: ignore[attr-defined]
    outcome = pushed["outcome"]
    assert (pushed["return_value"], outcome["rows_read"], outcome["state"]) == ("r1", 3, "succeeded")
    assert pushed["_link_AepFlowRunLink"].startswith("https://")


async def test_what_openlineage_is_told_only_a_worker_can_tell(
    aep: Any, pushed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    aep.answer("GET", "/runs/r1", {"items": [GOOD]})
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", '{"type": "console"}')
    assert await events_of(of_a_task()) == [TriggerEvent]
    assert pushed.keys() <= {"_link_AepFlowRunLink"}


async def test_what_cannot_be_published_here_is_told_to_a_worker(aep: Any, pushed: dict[str, Any]) -> None:
    aep.answer("GET", "/runs/r1", {"items": [GOOD]})
    pushed["outcome"] = "in the way"
    assert await events_of(of_a_task()) == [TriggerEvent]


async def test_many_runs_are_told_to_a_worker(aep: Any, pushed: dict[str, Any]) -> None:
    """Other tasks may be mapped over the list of them, of which Airflow has to know the length."""
    aep.answer("GET", "/runs", {"items": [GOOD, {**GOOD, "id": "r2"}], "_links": {}})
    assert await events_of(of_a_task(run_ids=["r1", "r2"])) == [TriggerEvent]
    assert pushed == {}


@pytest.mark.parametrize(("rows", "event"), [(0, TriggerEvent), (1, TaskSuccessEvent)])
async def test_what_is_not_borne_is_told_to_a_worker(aep: Any, pushed: dict[str, Any], rows: int, event: type) -> None:
    metrics = {"statusSummary": {"status": "success"}, "recordSummary": {"inputRecordCount": 3, "outputRecordCount": 2}}
    aep.answer("GET", "/runs/r1", {"items": [{**GOOD, "metrics": metrics}]})
    assert await events_of(of_a_task(tolerance={"rows": rows})) == [event]


async def test_a_run_on_the_second_page_is_found(aep: Any) -> None:
    later = {**GOOD, "id": "r2", "createdAt": GOOD["createdAt"] + 1}  # type: ignore[operator]
    link = {"next": {"href": "/runs?continuationToken=x"}}
    aep.answer("GET", "/runs", {"items": [later], "_links": link}, times=1)
    aep.answer("GET", "/runs", {"items": [GOOD], "_links": {}}, times=1)
    assert (await ending_of(trigger())).verdicts[0].run_id == "r1"


async def test_time_is_up(aep: Any) -> None:
    aep.answer("GET", "/runs", {"items": [], "_links": {}})
    aep.answer("GET", "/flows/f1", {"items": [{"id": "f1", "state": "enabled"}]})
    ending = await ending_of(trigger(timeout=0.1))
    assert (ending.kind, ending.verdicts) == (Kind.TIMEOUT, [])
    assert "did not appear and end within 0 seconds. No run has appeared yet" in ending.message


async def test_a_deadline_that_passed_while_nobody_watched_still_gets_one_look(aep: Any) -> None:
    """The triggerer was away for an hour."""
    aep.answer("GET", "/runs", {"items": [GOOD], "_links": {}})
    ended_long_ago = trigger(started=time.time() - 50, timeout=10)
    assert (await ending_of(ended_long_ago)).kind is Kind.ENDED


async def test_a_run_that_goes_on_is_told_when_time_is_up(aep: Any) -> None:
    going_on = {**GOOD, "metrics": {"statusSummary": {"status": "inProgress"}}}
    aep.answer("GET", "/runs", {"items": [going_on], "_links": {}})
    aep.answer("GET", "/runs/r1", {"items": [going_on]})
    ending = await ending_of(trigger(timeout=0.1))
    assert (ending.kind, ending.verdicts[0].state) == (Kind.TIMEOUT, "running")


async def test_a_run_that_is_not_known_yet_is_waited_for(aep: Any) -> None:
    aep.answer("GET", "/runs/r1", {}, status=404, times=30)
    aep.answer("GET", "/runs/r1", {"items": [GOOD]})
    assert (await ending_of(trigger(flow_id=None, run_ids=["r1"], poke_interval=0.001))).kind is Kind.ENDED


async def test_a_list_that_is_not_there_is_an_error(aep: Any) -> None:
    aep.answer("GET", "/runs", {}, status=404)
    ending = await ending_of(trigger())
    assert (ending.kind, ending.final) == (Kind.ERROR, True)


async def test_transient_trouble_is_borne_and_then_forgotten(aep: Any, no_waits: None) -> None:
    for _ in range(2):
        aep.answer("GET", "/runs/r1", {"unexpected": 1}, times=12)
        aep.answer("GET", "/runs/r1", {}, status=404, times=1)
    aep.answer("GET", "/runs/r1", {"items": [GOOD], "_links": {}})
    ending = await ending_of(trigger(flow_id=None, run_ids=["r1"], poke_interval=0.001))
    assert ending.kind is Kind.ENDED


async def test_endless_trouble_is_borne_until_time_is_up_and_told(aep: Any, no_waits: None) -> None:
    aep.answer("GET", "/runs", {"unexpected": 1})
    ending = await ending_of(trigger(poke_interval=0.001, timeout=3))
    assert (ending.kind, ending.verdicts) == (Kind.TIMEOUT, [])
    assert "The last look failed" in ending.message
    assert len([seen for seen in aep.seen if seen.path.endswith("/runs")]) > 11


async def test_what_cannot_pass_is_an_error_at_once(aep: Any, secrets: list[str]) -> None:
    aep.answer("GET", "/runs", {"title": f"no, {secrets[0]}"}, status=403)
    ending = await ending_of(trigger())
    assert (ending.kind, ending.final) == (Kind.ERROR, True)
    assert len([seen for seen in aep.seen if seen.path.endswith("/runs")]) == 1


async def test_a_wrong_connection_is_an_error(set_connection: Any, secrets: list[str]) -> None:
    set_connection(
        "aep_default", conn_type="aep", host="http://evil.example", login="x", password=secrets[0], extra="{}"
    )
    ending = await ending_of(trigger())
    assert (ending.kind, ending.final) == (Kind.ERROR, True)
    assert secrets[0] not in json.dumps(ending.as_json())


async def test_no_connection_is_an_error_that_names_it() -> None:
    ending = await ending_of(trigger(aep_conn_id="aep_nowhere"))
    assert (ending.kind, ending.final) == (Kind.ERROR, True)
    assert "aep_nowhere" in ending.message


async def test_a_killed_wait_says_that_the_run_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    await trigger().on_kill()
    assert "AEP cannot cancel runs: they go on" in "".join(capfd.readouterr())


async def test_another_sandbox_is_asked(aep: Any) -> None:
    aep.answer("GET", "/runs", {"items": [GOOD], "_links": {}})
    await ending_of(trigger(sandbox="stage"))
    assert {seen.headers["x-sandbox-name"] for seen in aep.seen if seen.path.endswith("/runs")} == {"stage"}


async def test_nothing_is_left_open_when_it_is_cancelled(aep: Any) -> None:
    aep.answer("GET", "/runs", {"items": [], "_links": {}})
    aep.answer("GET", "/flows/f1", {"items": [{"id": "f1", "state": "enabled"}]})

    async def watch() -> None:
        async for _ in trigger(poke_interval=60).run():
            pass

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        watching = asyncio.create_task(watch())
        while not any(seen.path.endswith("/runs") and seen.status for seen in aep.seen):
            await asyncio.sleep(0.01)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        del watching
        await asyncio.sleep(0)
        gc.collect()
    assert [str(one.message) for one in caught if issubclass(one.category, ResourceWarning)] == []


async def test_the_loop_is_not_blocked(aep: Any) -> None:
    """Airflow warns at 0.2 seconds; a token is fetched on the way."""
    aep.answer("GET", "/runs", {"items": [], "_links": {}}, times=3)
    aep.answer("GET", "/flows/f1", {"items": [{"id": "f1", "state": "enabled"}]})
    aep.answer("GET", "/runs", {"items": [GOOD], "_links": {}})
    longest = 0.0
    ended = False

    async def tick() -> None:
        nonlocal longest
        while not ended:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - before)

    ticking = asyncio.create_task(tick())
    await ending_of(trigger())
    ended = True
    await ticking
    assert longest < 0.2
