"""The failed runs of a range, each started again once, whatever happens in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from airflow.sdk.module_loading import import_string

from aep_provider.errors import AepError, AepRunFailedError, AepRunTimeoutError
from aep_provider.operators import AepRetriggerFlowRunOperator
from aep_provider.platform.client import AepClient
from aep_provider.resources.run import window_of
from aep_provider.resources.run_wait import Ending, Kind
from aep_provider.verdict import RunState

pytestmark = pytest.mark.slow

QUICK: dict[str, Any] = {"deferrable": False, "poll_interval": 0.02, "timeout": 20, "settle_seconds": 1.5}


@pytest.fixture(autouse=True)
def quick(no_waits: None, aep: Any) -> None:
    """Repetitions take no time."""


@pytest.fixture
def dataflow(client: AepClient, platform: Any, on_demand: Any) -> Any:
    return on_demand(client, platform)


@pytest.fixture
def again(task: Any, dataflow: Any) -> Callable[..., Any]:
    """A task that starts the failed runs of days of January again."""

    def make(first: int = 1, last: int = 3, **more: Any) -> Any:
        window = dataflow.day(first, last)
        values = {"flow_id": dataflow.flow_id, "window_start": window.start, "window_end": window.end, **QUICK, **more}
        return task(AepRetriggerFlowRunOperator(task_id="t", **values))

    return make


def actions(aep: Any) -> list[str]:
    """The runs that were started again, in order."""
    return [seen.path.split("/")[-2] for seen in aep.seen if seen.path.endswith("/action")]


def is_step(seen: Any) -> bool:
    return bool(seen.path.endswith(("/action", "/flowservice/runs")))


class Killed(BaseException):
    pass


class TestRange:
    def test_each_failed_window_once(self, again: Any, dataflow: Any, aep: Any) -> None:
        failed = dataflow.fail(dataflow.day(1), dataflow.day(2), dataflow.day(3))
        done = again()
        ids = done.run()
        assert dataflow.keys() == ["a1", "a2", "a3"]
        assert actions(aep) == failed
        assert done.ti.xcoms["run_ids"] == ids
        assert len(set(ids)) == 3
        told = {key: done.ti.xcoms[key] for key in ("started", "succeeded", "failed", "left")}
        assert told == {"started": 3, "succeeded": 3, "failed": 0, "left": 0}
        assert done.run() == ids
        assert len(actions(aep)) == 3

    @pytest.mark.slow
    def test_what_was_loaded_is_left(self, again: Any, dataflow: Any, aep: Any) -> None:
        """Before or after it failed, or by runs of other windows."""
        dataflow.run(dataflow.day(1))
        failed = dataflow.fail(dataflow.day(1), dataflow.day(2), dataflow.day(3))
        dataflow.run(dataflow.day(2))
        done = again()
        assert len(done.run()) == 1
        assert actions(aep) == failed[2:]
        assert done.ti.xcoms["left"] == 2
        assert dataflow.keys() == ["a1", "a2", "a3"]

    def test_nothing_failed(self, again: Any, dataflow: Any, aep: Any) -> None:
        dataflow.run(dataflow.day(1))
        assert again().run() == []
        assert actions(aep) == []

    def test_a_range_that_cuts_a_window(self, again: Any, dataflow: Any, aep: Any) -> None:
        """It is loaded as a whole, and its neighbours are not touched."""
        failed = dataflow.fail(dataflow.day(1), dataflow.day(2), dataflow.day(3))
        noon = dataflow.day(2).start + 12 * 3600
        again(window_start=noon, window_end=noon + 3600).run()
        assert actions(aep) == failed[1:2]
        assert dataflow.keys() == ["a2"]
        again(window_start=dataflow.day(1).end - 1, window_end=dataflow.day(1).end).run()
        assert dataflow.keys() == ["a1", "a2"]

    def test_no_more_at_once_than_told(self, again: Any, dataflow: Any, aep: Any) -> None:
        dataflow.fail(*(dataflow.day(number) for number in (1, 2, 3, 4)))
        again(last=4, max_at_once=2).run()
        # Before a third one is started the list is read, when one of the two has been seen to end.
        steps = "".join("s" if seen.path.endswith("/action") else "l" for seen in aep.seen if is_step(seen))
        assert steps.count("s") == 4
        assert "sss" not in steps
        assert dataflow.keys() == ["a1", "a2", "a3"]

    def test_a_window_that_was_loaded_in_part_is_refused_and_named(self, again: Any, dataflow: Any, aep: Any) -> None:
        dataflow.fail(dataflow.day(1, 2), dataflow.day(3))
        dataflow.run(dataflow.day(2))
        done = again()
        with pytest.raises(AirflowFailException, match=r"2026-01-01.* was loaded in part by run .*twice"):
            done.run()
        assert dataflow.keys() == ["a2", "a3"]

    def test_windows_of_an_earlier_flow_count(
        self, again: Any, dataflow: Any, client: AepClient, platform: Any, on_demand: Any, aep: Any
    ) -> None:
        dataflow.fail(dataflow.day(1))
        earlier = on_demand(client, platform, "earlier")
        earlier.run(earlier.day(1))
        assert again(earlier_flow_ids=[earlier.flow_id]).run() == []
        assert actions(aep) == []

    def test_outlets_are_told(self, again: Any, dataflow: Any) -> None:
        asset = Asset("aep://prod/incidents")
        done = again(outlets=[asset])
        events = {asset: type("Event", (), {"extra": {}})()}
        dataflow.fail(dataflow.day(1))
        more = {"outlet_events": events, "asset_state_store": {asset: done.store}}
        ids = done.operator.execute({**done.context, **more})
        assert events[asset].extra == {
            "flow_id": dataflow.flow_id, "run_ids": ids, "windows": [dataflow.day(1).as_json()],
        }  # fmt: skip


class TestThatFailAgain:
    def test_they_are_named_and_the_next_try_starts_them_once_more(self, again: Any, dataflow: Any, aep: Any) -> None:
        dataflow.fail(dataflow.day(1), dataflow.day(2))
        done = again()
        with (
            dataflow.no_table(),
            pytest.raises(AepRunFailedError, match=r"window 2026-01-01.*failed again.*window 2026-01-02") as raised,
        ):
            done.run()
        assert not raised.value.final
        assert (done.ti.xcoms["started"], done.ti.xcoms["failed"]) == (2, 2)
        assert len(actions(aep)) == 2
        assert len(done.run()) == 4
        assert len(actions(aep)) == 4
        assert dataflow.keys() == ["a1", "a2"]

    def test_the_others_are_loaded_all_the_same(self, again: Any, dataflow: Any, monkeypatch: Any) -> None:
        dataflow.fail(dataflow.day(1), dataflow.day(2))
        done = again()
        module = "aep_provider.resources.retrigger_range.retrigger"
        original = import_string(module)

        def first_without_table(client: Any, run_id: str, **more: Any) -> Any:
            with monkeypatch.context() as patch:
                patch.setattr(module, original)
                with dataflow.no_table():
                    new = original(client, run_id, **more)
                    assert dataflow.ended(new[0]) is RunState.FAILED
            monkeypatch.setattr(module, original)
            return new

        monkeypatch.setattr(module, first_without_table)
        with pytest.raises(AepRunFailedError, match="window 2026-01-01"):
            done.run()
        assert dataflow.keys() == ["a2"]
        assert done.ti.xcoms["succeeded"] == 1


class TestOnce:
    @pytest.mark.parametrize("carried_out", [True, False])
    def test_a_lost_answer(self, again: Any, dataflow: Any, aep: Any, carried_out: bool) -> None:
        dataflow.fail(dataflow.day(1), dataflow.day(2))
        aep.lose("POST", "/action", carried_out=carried_out)
        assert len(again(settle_seconds=1.5 if carried_out else 0.2).run()) == 2
        dataflow.settle()
        assert dataflow.keys() == ["a1", "a2"]

    @pytest.mark.slow
    def test_a_lost_answer_of_one_that_failed_again_a_moment_ago(self, again: Any, dataflow: Any, aep: Any) -> None:
        """The run that failed first is no answer to what was started after."""
        dataflow.fail(dataflow.day(1))
        done = again()
        with dataflow.no_table(), pytest.raises(AepRunFailedError):
            done.run()
        dataflow.settle(*done.ti.xcoms["run_ids"])
        aep.lose("POST", "/action", carried_out=False)
        done.run()
        assert dataflow.keys() == ["a1"]

    @pytest.mark.slow
    @pytest.mark.parametrize("carried_out", [True, False])
    @pytest.mark.parametrize("listed", [True, False])
    def test_killed_before_the_answer_is_remembered(
        self, again: Any, dataflow: Any, aep: Any, carried_out: bool, listed: bool
    ) -> None:
        dataflow.fail(dataflow.day(1), dataflow.day(2))
        done = again()
        if carried_out:
            remember = done.store.set

            def die(key: str, value: Any) -> None:
                if any(note.get("new") for note in value["runs"].values()):
                    raise Killed
                remember(key, value)

            done.store.set = die
            with pytest.raises(Killed):
                done.run()
            done.store.set = remember
        else:
            aep.lose("POST", "/action", carried_out=False, times=9)
            with pytest.raises(AepError):
                done.run()
            aep.faults.clear()
        if listed:
            dataflow.wait_for(lambda: len(dataflow.runs()) == 2 + carried_out)
            dataflow.settle()
        ids = done.run()
        dataflow.settle(*ids)
        assert dataflow.keys() == ["a1", "a2"]
        assert len(ids) == 2

    @pytest.mark.slow
    def test_killed_at_any_write(self, again: Any, dataflow: Any, aep: Any) -> None:
        """Each try dies one write later than the one before it, until one lives."""
        dataflow.fail(*(dataflow.day(number) for number in (1, 2, 3)))
        done = again()
        remember, lives, tries = done.store.set, 0, 0

        def mortal(key: str, value: Any) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            remember(key, value)

        while True:
            left, tries, lives = lives, tries + 1, lives + 1
            done.store.set = mortal
            try:
                ids = done.run()
                break
            except Killed:
                assert tries < 20
        dataflow.settle(*ids)
        assert tries > 3
        assert dataflow.keys() == ["a1", "a2", "a3"]
        assert len(actions(aep)) == len(set(ids)) == 3

    @pytest.mark.slow
    def test_killed_while_it_waits(self, again: Any, dataflow: Any, aep: Any, monkeypatch: Any) -> None:
        dataflow.fail(dataflow.day(1), dataflow.day(2))
        done = again()
        with monkeypatch.context() as patch:

            def die(*_: Any) -> None:
                raise Killed

            patch.setattr(AepRetriggerFlowRunOperator, "wait_in_worker", die)
            with pytest.raises(Killed):
                done.run()
        assert len(done.run()) == 2
        assert len(actions(aep)) == 2
        assert dataflow.keys() == ["a1", "a2"]

    def test_a_new_run_that_is_not_shown_as_the_newest(self, again: Any, dataflow: Any, aep: Any) -> None:
        """It failed as well; looking at the two in turn would never end."""
        first, second = dataflow.fail(dataflow.day(1), dataflow.day(1))
        runs = {run["id"]: run for run in dataflow.runs()}
        aep.answer("GET", "/flowservice/runs", {"items": [runs[second], runs[first]], "_links": {}})
        done = again()
        window = dataflow.day(1).as_json()
        note = {"run": second, "at": 1, "new": first, "window": window}
        held = {"flow": dataflow.flow_id, "runs": {second: note}, "this_try": []}
        done.store.set("aep_intent_retrigger_range", held)
        with pytest.raises(AepRunFailedError, match="window 2026-01-01"):
            done.run()
        assert actions(aep) == []

    def test_what_somebody_else_started_is_waited_for(self, again: Any, dataflow: Any, aep: Any) -> None:
        dataflow.fail(dataflow.day(1))
        (other,) = dataflow.run(dataflow.day(1))
        runs = dataflow.runs()
        runs[0]["metrics"]["statusSummary"]["status"] = "inProgress"
        assert runs[0]["id"] == other
        aep.seen.clear()
        aep.answer("GET", "/flowservice/runs", {"items": runs, "_links": {}}, times=1)
        done = again()
        assert done.run() == []
        assert [seen.path.rpartition("/")[2] for seen in aep.seen if seen.path.endswith(("runs", other))] == [
            "runs", other, "runs",
        ]  # fmt: skip
        assert done.ti.xcoms["left"] == 1
        assert actions(aep) == []


@pytest.mark.slow
async def test_in_the_triggerer(again: Any, dataflow: Any, aep: Any) -> None:
    """Everything crosses the database, and each leg is another worker with another operator."""
    dataflow.fail(*(dataflow.day(number) for number in (1, 2, 3)))
    first = again(deferrable=True, max_at_once=2)
    legs = 0
    run: Callable[[], Any] = first.run
    while True:
        try:
            ids = run()
            break
        except TaskDeferred as deferred:
            legs += 1
            path, kwargs = deferred.trigger.serialize()
            trigger = import_string(path)(**json.loads(json.dumps(kwargs)))
            (event,) = [one async for one in trigger.run()]
            payload = json.loads(json.dumps(event.payload))
            leg = again(deferrable=True, max_at_once=2)
            leg.store = first.store

            def run(leg: Any = leg, method: str = deferred.method_name, payload: Any = payload) -> Any:
                return leg.operator.resume_execution(method, {"event": payload}, leg.context)

    assert len(ids) == 3
    assert legs <= 3
    assert len(actions(aep)) == 3
    assert dataflow.keys() == ["a1", "a2", "a3"]


@pytest.mark.parametrize(
    ("event", "error", "message"),
    [
        (Ending(Kind.TIMEOUT, [], "Run r did not end").as_json(), AepRunTimeoutError, "did not end.*takes it over"),
        (Ending(Kind.ERROR, [], "no way", final=True).as_json(), AirflowFailException, "no way"),
        ({"ending": "mine"}, AepError, "not ours"),
    ],
)
def test_what_the_triggerer_may_tell_besides(again: Any, event: Any, error: Any, message: str) -> None:
    done = again()
    with pytest.raises(error, match=message):
        done.operator.run_has_ended(done.context, event)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"run_id": "r"}, "Give a run_id, .* or a flow_id"),
        ({"flow_id": None}, "Give a run_id, .* or a flow_id"),
        ({"flow_id": "None"}, "Give a run_id, .* or a flow_id"),
        ({"max_at_once": 0}, "at least 1"),
        ({"max_at_once": "many"}, "whole number"),
        ({"window_end": None}, "no window_end"),
        ({"window_end": 0}, "ends before it starts"),
        ({"window_start": 1, "window_end": 1}, "is empty"),
    ],
)
def test_what_cannot_be_meant(again: Any, aep: Any, more: Any, message: str) -> None:
    done = again(**more)
    sent = len(aep.seen)
    with pytest.raises(AirflowFailException, match=message):
        done.run()
    assert len(aep.seen) == sent


@pytest.mark.thorough
@pytest.mark.parametrize(
    "switch",
    [
        "run_window_in_document=extensions",
        "run_window_in_document=none",
        "run_appears_after_seconds=1000",
        "retrigger_again=refused",
        "failed_run_document=bare",
        "run_statuses=provider",
        "post_runs_answer=run",
        "page_size=1",
        "continuation=position_only",
    ],
)
class TestUnderEachSwitch:
    @pytest.fixture
    def platform(self, start_platform: Any, switch: str) -> Any:
        return start_platform("--time-scale", "0.001", "--assume", switch)

    def test_each_failed_window_once_or_refused(
        self, again: Any, dataflow: Any, aep: Any, switch: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        dataflow.run(dataflow.day(1))
        dataflow.fail(dataflow.day(2), dataflow.day(3))
        done = again()
        if switch == "run_window_in_document=none":
            with pytest.raises(AirflowFailException, match="cannot be told"):
                done.run()
            assert actions(aep) == []
            return
        with dataflow.no_table(), pytest.raises(AepRunFailedError):
            done.run()
        aep.lose("POST", "/action", carried_out=True)
        ids = done.run()
        dataflow.settle(*ids)
        assert dataflow.keys() == ["a1", "a2", "a3"]
        assert len({window_of(run) for run in dataflow.runs()}) == 3
        assert len(actions(aep)) == 4


@pytest.mark.slow
class TestWhereRunsDoNotTellTheirWindow:
    @pytest.fixture
    def platform(self, start_platform: Any) -> Any:
        return start_platform("--time-scale", "0.001", "--assume", "run_window_in_document=none")

    @pytest.mark.parametrize("remembered", [2, 3])
    def test_what_the_tasks_remember_counts(self, again: Any, dataflow: Any, aep: Any, remembered: int) -> None:
        ids = dataflow.run(dataflow.day(1)) + dataflow.fail(dataflow.day(2), dataflow.day(3))
        asset = Asset("aep://prod/incidents")
        done = again(outlets=[asset])
        for number, run_id in list(enumerate(ids, 1))[:remembered]:
            done.store.set(f"aep_run:{run_id}", dataflow.day(number).as_json())
        events = {asset: type("Event", (), {"extra": {}})()}
        context = {**done.context, "outlet_events": events, "asset_state_store": {asset: done.store}}
        if remembered == 3:
            new = done.operator.execute(context)
            assert [done.store.get(f"aep_run:{run_id}") for run_id in new] == [
                dataflow.day(number).as_json() for number in (2, 3)
            ]
            dataflow.settle(*new)
            # Killed in between, the task knows by itself.
            done.store.delete(f"aep_run:{new[1]}")
            assert done.operator.execute(context) == new
            assert dataflow.keys() == ["a1", "a2", "a3"]
        else:
            with pytest.raises(AirflowFailException, match="cannot be told of run"):
                done.operator.execute(context)
            assert dataflow.keys() == ["a1", "a2"]
