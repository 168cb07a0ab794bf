"""The trigger in the triggerer: one event, no secrets, no blocking, nothing left open."""

from __future__ import annotations

import asyncio
import gc
import json
import time
import warnings
from typing import Any

import pytest
from airflow.sdk.module_loading import import_string

from aep_provider.errors import AepAnswerError
from aep_provider.triggers.flow_run import AepFlowRunTrigger, checked_event
from aep_provider.verdict import RunState, verdict_of

GOOD = {
    "id": "r1", "flowId": "f1", "createdAt": 1_800_000_000_000,
    "metrics": {"statusSummary": {"status": "success"}, "recordSummary": {"inputRecordCount": 3, "outputRecordCount": 3}},
}  # fmt: skip


def trigger(**changes: Any) -> AepFlowRunTrigger:
    values: dict[str, Any] = {
        "aep_conn_id": "aep_default", "sandbox": None, "flow_id": "f1", "run_id": None, "since": 0, "poke_interval": 0.02,
        "deadline": time.time() + 10, **changes,
    }  # fmt: skip
    return AepFlowRunTrigger(**values)


async def only_event(made: AepFlowRunTrigger) -> Any:
    """The payload of the one event, as it comes out of the database."""
    path, kwargs = made.serialize()
    started_anew = import_string(path)(**json.loads(json.dumps(kwargs)))
    assert type(started_anew) is AepFlowRunTrigger
    events = [json.loads(json.dumps(event.payload)) async for event in started_anew.run()]
    assert len(events) == 1
    return events[0]


def test_it_crosses_the_database_whole() -> None:
    made = trigger(sandbox="stage", run_id="r1", since=5)
    path, kwargs = made.serialize()
    assert path == "aep_provider.triggers.flow_run.AepFlowRunTrigger"
    assert import_string(path)(**kwargs).serialize() == (path, kwargs)


async def test_the_verdict_is_the_event(aep: Any) -> None:
    aep.answer("GET", "/runs", {"items": [], "_links": {}}, times=1)
    aep.answer("GET", "/runs", {"items": [GOOD], "_links": {}})
    event = await only_event(trigger())
    kind, told = checked_event(event)
    verdict = verdict_of(told["verdict"])
    assert kind == "ended"
    assert verdict is not None
    assert (verdict.state, verdict.rows_read) == (RunState.SUCCEEDED, 3)


async def test_a_run_on_the_second_page_is_found(aep: Any) -> None:
    later = {**GOOD, "id": "r2", "createdAt": GOOD["createdAt"] + 1}  # type: ignore[operator]
    link = {"next": {"href": "/runs?continuationToken=x"}}
    aep.answer("GET", "/runs", {"items": [later], "_links": link}, times=1)
    aep.answer("GET", "/runs", {"items": [GOOD], "_links": {}}, times=1)
    assert (await only_event(trigger()))["verdict"]["run_id"] == "r1"


async def test_time_is_up(aep: Any) -> None:
    aep.answer("GET", "/runs", {"items": [], "_links": {}})
    assert await only_event(trigger(deadline=time.time() + 0.1)) == {
        "event": "timeout",
        "verdict": None,
        "trouble": None,
    }


async def test_a_deadline_that_passed_while_nobody_watched_still_gets_one_look(aep: Any) -> None:
    aep.answer("GET", "/runs", {"items": [GOOD], "_links": {}})
    assert (await only_event(trigger(deadline=time.time() - 3600)))["event"] == "ended"


async def test_a_run_that_goes_on_is_told_when_time_is_up(aep: Any) -> None:
    going_on = {**GOOD, "metrics": {"statusSummary": {"status": "inProgress"}}}
    aep.answer("GET", "/runs", {"items": [going_on], "_links": {}})
    event = await only_event(trigger(deadline=time.time() - 1))
    assert (event["event"], event["verdict"]["state"]) == ("timeout", "running")


async def test_a_run_that_is_not_known_yet_is_waited_for(aep: Any) -> None:
    aep.answer("GET", "/runs/r1", {}, status=404, times=30)
    aep.answer("GET", "/runs/r1", {"items": [GOOD]})
    assert (await only_event(trigger(flow_id=None, run_id="r1", poke_interval=0.001)))["event"] == "ended"


async def test_a_list_that_is_not_there_is_an_error(aep: Any) -> None:
    aep.answer("GET", "/runs", {}, status=404)
    event = await only_event(trigger())
    assert (event["event"], event["final"]) == ("error", True)


async def test_transient_trouble_is_borne_and_then_forgotten(aep: Any, no_waits: None) -> None:
    for _ in range(2):
        aep.answer("GET", "/runs", {"unexpected": 1}, times=12)
        aep.answer("GET", "/runs", {"items": [], "_links": {}}, times=1)
    aep.answer("GET", "/runs", {"items": [GOOD], "_links": {}})
    assert (await only_event(trigger(poke_interval=0.001)))["event"] == "ended"


async def test_endless_trouble_is_borne_until_time_is_up_and_told(aep: Any, no_waits: None) -> None:
    aep.answer("GET", "/runs", {"unexpected": 1})
    event = await only_event(trigger(poke_interval=0.001, deadline=time.time() + 0.5))
    assert (event["event"], event["verdict"]) == ("timeout", None)
    assert "GET" in event["trouble"]
    assert len([seen for seen in aep.seen if seen.path.endswith("/runs")]) > 11


async def test_what_cannot_pass_is_an_error_at_once(aep: Any, secrets: list[str]) -> None:
    aep.answer("GET", "/runs", {"title": f"no, {secrets[0]}"}, status=403)
    event = await only_event(trigger())
    assert (event["event"], event["final"]) == ("error", True)
    assert len([seen for seen in aep.seen if seen.path.endswith("/runs")]) == 1


async def test_a_wrong_connection_is_an_error(set_connection: Any, secrets: list[str]) -> None:
    set_connection(
        "aep_default", conn_type="aep", host="http://evil.example", login="x", password=secrets[0], extra="{}"
    )
    event = await only_event(trigger())
    assert (event["event"], event["final"]) == ("error", True)
    assert secrets[0] not in json.dumps(event)


async def test_another_sandbox_is_asked(aep: Any) -> None:
    aep.answer("GET", "/runs", {"items": [GOOD], "_links": {}})
    await only_event(trigger(sandbox="stage"))
    assert {seen.headers["x-sandbox-name"] for seen in aep.seen if seen.path.endswith("/runs")} == {"stage"}


async def test_nothing_is_left_open_when_it_is_cancelled(aep: Any) -> None:
    aep.answer("GET", "/runs", {"items": [], "_links": {}})

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
    await only_event(trigger())
    ended = True
    await ticking
    assert longest < 0.2


@pytest.mark.parametrize("event", [None, 5, "ended", [], {}, {"event": None}, {"event": "success"}, {"verdict": {}}])
def test_an_event_that_is_not_ours_is_refused(event: Any) -> None:
    with pytest.raises(AepAnswerError):
        checked_event(event)
