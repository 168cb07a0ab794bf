"""What is new of the flows of a sandbox is told once, to everybody, and no refusal of AEP reads as good news."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, BaseNotifier
from airflow.sdk.exceptions import AirflowFailException

from aep_provider.dag_factory import dataflow_asset, watch_asset
from aep_provider.errors import AepAnswerError, AepConfigError, AepServerError
from aep_provider.operators import AepWatchFlowRunsOperator
from aep_provider.platform.client import AepClient
from aep_provider.resources.flow_state import FlowState, set_state
from aep_provider.resources.flow_watch import WatchRequest, watch
from aep_provider.resources.watch_memory import WatchMemory

ASSET = watch_asset("prod")
RUNS = "/flowservice/runs"


class Note(BaseNotifier):
    """Keeps what it would send."""

    template_fields = ("text",)

    def __init__(self, text: str = "{{ aep_message }}", *, fails: bool = False) -> None:
        super().__init__()
        self.text = text
        self.fails = fails
        self.sent: list[str] = []
        self.seen: list[Any] = []

    def notify(self, context: Any) -> None:
        if self.fails:
            raise ConnectionError("the chat is down")
        self.sent.append(self.text)
        self.seen.append(context["aep_watch"])


@pytest.fixture(autouse=True)
def quick(no_waits: None, aep: Any) -> None:
    """Repetitions take no time."""


@pytest.fixture
def watching(task: Any) -> Callable[..., Any]:
    """A task that watches; its asset has a state and events."""

    def make(**values: Any) -> Any:
        outlets = values.pop("outlets", [ASSET])
        made = task(AepWatchFlowRunsOperator(task_id="watch", outlets=outlets, **values))
        made.events = {asset: SimpleNamespace(extra={}) for asset in outlets}
        made.more = {
            "asset_state_store": dict.fromkeys(outlets, made.store),
            "outlet_events": made.events,
            "dag": DAG("d"),
        }
        return made

    return make


@pytest.fixture
def dataflow(client: AepClient, platform: Any, on_demand: Any) -> Any:
    return on_demand(client, platform)


class TestTelling:
    def test_failed_runs_of_one_cause(self, watching: Any, dataflow: Any, capfd: pytest.CaptureFixture[str]) -> None:
        failed = dataflow.fail(dataflow.day(1), dataflow.day(2))
        note = Note()
        done = watching(notifiers=[note])
        (row,) = done.run()
        assert {key: row[key] for key in ("kind", "flow", "flow_id", "code", "count", "new")} == {
            "kind": "failed", "flow": "incidents", "flow_id": dataflow.flow_id, "code": "CONNECTOR-1001-500", "count": 2,
            "new": True,
        }  # fmt: skip
        assert set(row["run_ids"]) == set(failed)
        text = note.sent[0]
        assert text.startswith("2 runs failed, 1 cause (sandbox prod)\n- 2 runs of 1 flow (incidents), ")
        assert "CONNECTOR-1001-500, by base connection ServiceNow via aep_source_servicenow (" in text
        assert "AEP says: the source has no such table" in text
        assert "To do: " in text
        assert done.ti.xcoms["message"] == text
        new = {"failed": 2, "causes": 1, "missed": 0, "disabled": 0, "late": 0}
        assert {key: done.ti.xcoms[key] for key in new} == new
        told = {**new, "message": text, "headline": "2 runs failed, 1 cause (sandbox prod)", "sandbox": "prod"}
        assert done.events[ASSET].extra == told
        assert note.seen == [{**told, "rows": [row]}]
        log = capfd.readouterr().out
        assert all(line in log for line in text.splitlines())
        assert done.ti.xcoms["requests"] == 3

    def test_a_second_look_has_nothing_new(self, watching: Any, dataflow: Any) -> None:
        dataflow.fail(dataflow.day(1))
        note = Note()
        done = watching(notifiers=[note])
        done.run()
        assert done.run() == []
        assert len(note.sent) == 1
        assert done.ti.xcoms["message"] == ""
        assert done.ti.xcoms["failed"] == 0
        assert done.events[ASSET].extra["failed"] == 0
        assert done.ti.xcoms["requests"] == 2

    def test_a_new_failure_is_told_once(self, watching: Any, dataflow: Any) -> None:
        done = watching()
        dataflow.fail(dataflow.day(1))
        done.run()
        (second,) = dataflow.fail(dataflow.day(2))
        assert [row["run_ids"] for row in done.run()] == [[second]]
        assert done.run() == []

    def test_states_are_told_once_and_stand(self, watching: Any, dataflow: Any, client: AepClient) -> None:
        set_state(client, dataflow.flow_id, FlowState.DISABLED)
        done = watching()
        assert [(row["kind"], row["new"]) for row in done.run()] == [("disabled", True)]
        assert done.ti.xcoms["message"] == "1 flow is disabled (sandbox prod)\nDisabled: incidents"
        assert [(row["kind"], row["new"]) for row in done.run()] == [("disabled", False)]
        assert done.ti.xcoms["message"] == ""
        assert done.ti.xcoms["disabled"] == 0

    @pytest.mark.slow
    def test_a_run_of_a_recurring_flow_that_never_came(
        self, start_platform: Any, make_client: Any, on_demand: Any
    ) -> None:
        """It is made for real; then hours pass for the watch alone."""
        platform = start_platform("--assume", "run_appears_after_seconds=9000")
        there = make_client(platform.url)
        flow = on_demand(there, platform, shape="recurring", recurrence={"frequency": "hour", "interval": 1})
        start = int(flow.document["scheduleParams"]["startTime"])
        request = WatchRequest()
        assert not watch(there, request, None, now=start + 60).is_news
        watched = watch(there, request, None, now=start + 3600)
        assert [(each.flow.name, each.since) for each in watched.findings] == [("incidents", start)]

    def test_an_empty_sandbox(self, watching: Any) -> None:
        note = Note()
        done = watching(notifiers=[note])
        assert done.run() == []
        assert note.sent == []


class TestNotifiers:
    def test_their_templates_stay(self, watching: Any, dataflow: Any) -> None:
        note = Note("{{ aep_watch.failed }} of {{ aep_watch.sandbox }}")
        done = watching(notifiers=[note])
        for number in (1, 2):
            dataflow.fail(*[dataflow.day(number)] * number)
            done.run()
        assert note.sent == ["1 of prod", "2 of prod"]
        assert note.text == "{{ aep_watch.failed }} of {{ aep_watch.sandbox }}"

    def test_what_aep_says_is_no_template(
        self, watching: Any, client: AepClient, platform: Any, on_demand: Any, secrets: list[str]
    ) -> None:
        flow = on_demand(client, platform)
        flow.rename("{{ conn.aep_default.password }}")
        flow.fail(flow.day(1))
        note = Note()
        watching(notifiers=[note]).run()
        assert "{{ conn.aep_default.password }}" in note.sent[0]
        assert secrets[0] not in note.sent[0]

    def test_one_that_fails_loses_no_news(self, watching: Any, dataflow: Any) -> None:
        dataflow.fail(dataflow.day(1))
        broken, works = Note(fails=True), Note()
        done = watching(notifiers=[broken, works])
        with pytest.raises(ConnectionError, match="the chat is down"):
            done.run()
        assert len(works.sent) == 1
        assert done.store.held == {}
        broken.fails = False
        done.run()
        assert len(broken.sent) == 1
        assert done.run() == []
        assert len(broken.sent) == 1

    def test_a_kill_between_telling_and_remembering_tells_again(self, watching: Any, dataflow: Any) -> None:
        class Killed(BaseException):
            pass

        def die(key: str, value: Any) -> None:
            raise Killed

        dataflow.fail(dataflow.day(1))
        note = Note()
        done = watching(notifiers=[note])
        remember, done.store.set = done.store.set, die
        with pytest.raises(Killed):
            done.run()
        done.store.set = remember
        done.run()
        done.run()
        assert len(note.sent) == 2


class TestMemory:
    def test_without_an_outlet_each_look_is_a_first_one(
        self, watching: Any, dataflow: Any, capfd: pytest.CaptureFixture[str]
    ) -> None:
        dataflow.fail(dataflow.day(1))
        done = watching(outlets=[])
        assert len(done.run()) == 1
        assert len(done.run()) == 1
        assert "it cannot remember what it told" in capfd.readouterr().out

    def test_other_names_are_another_watch(self, watching: Any, dataflow: Any) -> None:
        dataflow.fail(dataflow.day(1))
        every, some = watching(), watching(flows=["incidents"])
        some.store = every.store
        some.more["asset_state_store"] = every.more["asset_state_store"]
        for done in (every, some):
            assert len(done.run()) == 1
            assert done.run() == []
        assert len(every.store.held) == 2
        assert all(key.startswith("aep_watch:prod:") for key in every.store.held)

    @pytest.mark.parametrize("junk", ["x", {"form": 99}, {"form": 1}])
    def test_a_memory_of_another_form(
        self, watching: Any, dataflow: Any, junk: Any, capfd: pytest.CaptureFixture[str]
    ) -> None:
        dataflow.fail(dataflow.day(1))
        done = watching()
        done.store.set("aep_watch:prod:all", junk)
        assert len(done.run()) == 1
        assert "The watch begins anew" in capfd.readouterr().out
        assert done.run() == []

    def test_the_asset_is_no_datasets(self) -> None:
        assert ASSET.uri == "aep://prod/watch/flow-runs"
        assert dataflow_asset("prod", "watch/flow-runs").uri != ASSET.uri
        assert isinstance(ASSET, Asset)


class TestParameters:
    def test_names_as_a_template_renders_them(self, watching: Any, dataflow: Any) -> None:
        dataflow.fail(dataflow.day(1))
        texts = {"lookback": "3600", "grace": "60", "late_after": "10", "max_rejected_percent": "0.5"}
        assert len(watching(flows='["incidents"]', **texts).run()) == 1
        assert len(watching(flows="None").run()) == 1
        assert len(watching(flows=[]).run()) == 1

    def test_a_name_that_is_not_there(self, watching: Any, dataflow: Any) -> None:
        with pytest.raises(AirflowFailException, match=r"no flow of the name 'incident' \(but 'incidents'\)"):
            watching(flows=["incident"]).run()

    @pytest.mark.parametrize(
        ("more", "wrong"),
        [
            ({"lookback": -1}, "lookback is -1"),
            ({"grace": "soon"}, "grace is 'soon'"),
            ({"late_after": float("nan")}, "late_after is nan"),
            ({"flows": "incidents"}, "flows is 'incidents', but must be a list"),
            ({"max_rejected_rows": "few"}, "max_rejected_rows is 'few'"),
        ],
    )
    def test_what_cannot_be_meant(self, watching: Any, aep: Any, more: Any, wrong: str) -> None:
        with pytest.raises(AirflowFailException, match=wrong) as raised:
            watching(**more).run()
        assert isinstance(raised.value.__cause__, AepConfigError)
        assert aep.seen == []


class TestRefusals:
    """Whatever is refused, nothing is told and nothing is remembered."""

    @pytest.mark.parametrize("path", [RUNS, "/flowservice/flows"])
    @pytest.mark.parametrize(
        ("status", "error"),
        [(401, AirflowFailException), (403, AirflowFailException), (404, AirflowFailException), (500, AepServerError),
         (503, AepServerError)],
    )  # fmt: skip
    def test_a_list_that_is_refused(
        self, watching: Any, dataflow: Any, aep: Any, path: str, status: int, error: Any
    ) -> None:
        dataflow.fail(dataflow.day(1))
        note = Note()
        done = watching(notifiers=[note])
        aep.answer("GET", path, {"title": "no"}, status=status)
        with pytest.raises(error):
            done.run()
        assert (done.store.held, note.sent) == ({}, [])
        aep.faults.clear()
        assert len(done.run()) == 1

    @pytest.mark.parametrize("document", [{}, {"items": None}, {"items": {}}, []])
    def test_an_answer_that_is_no_list(self, watching: Any, aep: Any, document: Any) -> None:
        done = watching()
        aep.answer("GET", RUNS, document)
        with pytest.raises(AepAnswerError):
            done.run()
        assert done.store.held == {}

    @pytest.mark.parametrize("status", [403, 500])
    def test_an_open_run_that_may_not_be_read(self, watching: Any, dataflow: Any, aep: Any, status: int) -> None:
        """Its list shows other runs only."""
        (run_id,) = dataflow.fail(dataflow.day(1))
        done = watching()
        done.store.set("aep_watch:prod:all", WatchMemory(0, 0, open_runs={run_id: False}).as_json())
        kept = dict(done.store.held)
        aep.answer("GET", RUNS, {"items": [], "_links": {}})
        aep.answer("GET", f"{RUNS}/{run_id}", {"title": "no"}, status=status)
        with pytest.raises((AirflowFailException, AepServerError)):
            done.run()
        assert done.store.held == kept
        aep.faults.clear()
        assert [row["run_ids"] for row in done.run()] == [[run_id]]

    def test_the_name_of_a_base_connection_that_is_gone(self, watching: Any, dataflow: Any, aep: Any) -> None:
        dataflow.fail(dataflow.day(1))
        base = dataflow.document["inheritedAttributes"]["sourceConnections"][0]["baseConnection"]["id"]
        aep.answer("GET", f"/connections/{base}", {"title": "no"}, status=404)
        (row,) = watching().run()
        assert row["cause"] == f"CONNECTOR-1001-500, by base connection ({base})"
