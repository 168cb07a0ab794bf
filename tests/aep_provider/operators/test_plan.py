"""A folder of dataflows planned in one task and applied in another, on the local platform."""

from __future__ import annotations

import itertools
import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from markdown_it import MarkdownIt

from aep_provider.errors import AepError
from aep_provider.operators import AepApplyDataflowsOperator, AepPlanDataflowsOperator
from aep_provider.operators.plan import cut, in_code_block
from aep_provider.platform.client import AepClient
from aep_provider.resources import flow_service
from aep_provider.resources.run import runs_of
from aep_provider.verdict import RunState, judge

from ..made import SHAPES

ONE_EACH = {
    "connections": 1, "sourceConnections": 1, "targetConnections": 1, "flows": 1, "schemas": 1, "fieldgroups": 1,
    "dataSets": 1, "mappingSets": 1,
}  # fmt: skip
WRITES = ("POST", "PATCH", "PUT", "DELETE")


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture(autouse=True)
def quick(no_waits: None) -> None:
    """Repetitions follow at once."""


class Folder:
    """Specifications, and the two tasks that read them."""

    def __init__(self, path: Path, task: Any, wire: Any, client: AepClient) -> None:
        self.path, self.task, self.wire, self.client = path, task, wire, client
        path.mkdir()
        self.plan_task = task(None)

    def declare(self, name: str = "incidents", shape: str = "on_demand", **more: Any) -> None:
        least = {
            "source": "servicenow",
            "source_conn_id": "aep_source_servicenow",
            "table": "incident",
            **SHAPES[shape],
        }
        (self.path / f"{name}.yaml").write_text(json.dumps({**least, **more}))

    def plan(self, **options: Any) -> dict[str, Any]:
        self.plan_task.operator = AepPlanDataflowsOperator(task_id="plan", folder=str(self.path), **options)
        return dict(self.plan_task.run())

    @property
    def xcoms(self) -> dict[str, Any]:
        """What the last plan published."""
        return dict(self.plan_task.ti.xcoms)

    def apply_task(self, plan: Any, **options: Any) -> Any:
        given = {"folder": str(self.path), "settle_seconds": 0.3, **options}
        return self.task(AepApplyDataflowsOperator(task_id="apply", plan=plan, **given))

    def apply(self, **options: Any) -> Any:
        """Plan and apply; the task of the latter."""
        planning = {name: value for name, value in options.items() if name not in ("accept", "workers")}
        task = self.apply_task(self.plan(**planning), **options)
        task.run()
        return task

    def written(self) -> list[str]:
        """What was sent to AEP that writes, since the last call."""
        sent = [f"{seen.method} {seen.path.rpartition('/')[2]}" for seen in self.wire.seen
                if seen.method in WRITES and "/ims/" not in seen.path and not seen.path.endswith("/validate")]  # fmt: skip
        self.wire.seen.clear()
        return sent

    def flow(self, name: str = "incidents") -> Any:
        (found,) = flow_service.named(self.client, "flows", name)
        return found

    def edit_by_hand(self) -> None:
        """The partial ingestion of a flow, as somebody sets it in AEP."""
        # AEP lets nothing be changed that it has not finished making.
        while (there := self.flow())["state"] != "enabled":
            pass
        operation = {"op": "replace", "path": "/options/partialIngestionPercent", "value": 50}
        flow_service.patch(self.client, "flows", there["id"], there["etag"], [operation])
        self.wire.seen.clear()


@pytest.fixture
def folder(tmp_path: Path, task: Any, aep: Any, client: AepClient) -> Folder:
    return Folder(tmp_path / "dataflows", task, aep, client)


class TestPlan:
    def test_it_says_what_would_be_done_and_writes_nothing(self, folder: Folder) -> None:
        folder.declare()
        document = folder.plan()
        assert folder.written() == []
        assert document["counts"]["create"] == 8
        assert document["digest"] == folder.xcoms["digest"]
        told = folder.xcoms
        assert (told["has_work"], told["drifted"], told["needs_accept"]) == (True, 0, False)
        assert told["counts"] == document["counts"]
        assert "create          flow              incidents" in told["text"]
        assert told["text"] in told["markdown"].replace("\n```", "\n")
        assert (
            told["headline"] == f"Sandbox prod of {folder.client.settings.ims_org_id}. Plan: 8 to create, 0 unchanged."
        )

    def test_the_same_again_is_the_same(self, folder: Folder) -> None:
        folder.declare()
        assert folder.plan() == folder.plan()

    def test_the_log_has_every_line(self, folder: Folder, capfd: pytest.CaptureFixture[str]) -> None:
        folder.declare()
        folder.plan()
        log = "".join(capfd.readouterr())
        assert [line for line in folder.xcoms["text"].splitlines() if line not in log] == []

    def test_nothing_to_do(self, folder: Folder) -> None:
        folder.declare()
        folder.apply()
        folder.plan()
        assert folder.xcoms["has_work"] is False
        assert "Nothing to do: 1 dataflows are as declared" in folder.xcoms["headline"]

    def test_an_edit_by_hand_is_counted(self, folder: Folder) -> None:
        folder.declare(shape="recurring")
        folder.apply()
        folder.edit_by_hand()
        document = folder.plan()
        assert (folder.xcoms["drifted"], folder.xcoms["has_work"]) == (1, True)
        (then,) = [step["then"] for step in document["dataflows"][0]["steps"] if "then" in step]
        # An XCom is read back as plain values.
        assert (then, type(then)) == ("update in place", str)

    def test_every_broken_file_is_told(self, folder: Folder, capfd: pytest.CaptureFixture[str]) -> None:
        folder.declare()
        folder.declare("first", load="sometimes")
        folder.declare("second", sorce="servicenow")
        with pytest.raises(
            AirflowFailException, match=r"2 files .* cannot be read: first\.yaml, .* second\.yaml, "
        ) as ended:
            folder.plan()
        assert "\n" not in str(ended.value)
        log = "".join(capfd.readouterr())
        assert [line for line in ("first.yaml", "second.yaml") if f"{line}, line 1" not in log] == []
        assert folder.wire.seen == []

    def test_a_broken_file_does_not_matter_to_others_that_are_named(self, folder: Folder) -> None:
        folder.declare()
        folder.declare("other", load="sometimes")
        assert [one["name"] for one in folder.plan(names=["incidents"])["dataflows"]] == ["incidents"]
        with pytest.raises(AirflowFailException, match=r"1 file of .* cannot be read"):
            folder.plan(names=["incidents", "other"])

    def test_some_of_them_by_name(self, folder: Folder) -> None:
        for name in ("a", "b", "c"):
            folder.declare(name)
        for names in (["c", "a", "c"], '["c", "a"]'):
            document = folder.plan(names=names)
            assert [one["name"] for one in document["dataflows"]] == ["c", "a"]
            # What others are there for is not known.
            assert document["orphans"] is None
        assert folder.plan(names=[])["orphans"] == []

    def test_a_name_that_there_is_not(self, folder: Folder) -> None:
        folder.declare()
        with pytest.raises(AirflowFailException, match=r"There is no dataflow 'incident' .* Did you mean 'incidents'?"):
            folder.plan(names=["incident"])

    def test_a_folder_that_there_is_not(self, folder: Folder, task: Any) -> None:
        with pytest.raises(AirflowFailException, match=r"There is no folder .*nowhere: "):
            task(AepPlanDataflowsOperator(task_id="plan", folder=str(folder.path / "nowhere"))).run()

    def test_an_empty_folder(self, folder: Folder) -> None:
        with pytest.raises(AirflowFailException, match=r"There is no dataflow in .* for sandbox 'prod'"):
            folder.plan()

    def test_the_folder_of_the_configuration(
        self, folder: Folder, task: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        folder.declare()
        monkeypatch.setenv("AIRFLOW__AEP__DATAFLOWS_FOLDER", str(folder.path))
        planning = task(AepPlanDataflowsOperator(task_id="plan"))
        assert planning.run()["dataflows"][0]["name"] == "incidents"
        monkeypatch.delenv("AIRFLOW__AEP__DATAFLOWS_FOLDER")
        monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path / "dags"))
        (tmp_path / "include").mkdir()
        (tmp_path / "include" / "dataflows").symlink_to(folder.path)
        assert planning.run()["dataflows"][0]["name"] == "incidents"

    def test_files_for_another_sandbox_or_connection_are_left_alone(self, folder: Folder) -> None:
        folder.declare("here")
        folder.declare("elsewhere", sandbox="stage")
        document = folder.plan()
        assert [one["name"] for one in document["dataflows"]] == ["here"]
        assert document["orphans"] == []
        folder.declare("other way", aep_conn_id="aep_other")
        document = folder.plan()
        assert [one["name"] for one in document["dataflows"]] == ["here"]
        # Over the other connection there is more of this sandbox.
        assert document["orphans"] is None

    def test_a_sandbox_that_is_given_is_that_of_all_files(self, folder: Folder) -> None:
        folder.declare("here")
        folder.declare("elsewhere", sandbox="stage")
        document = folder.plan(sandbox="stage")
        assert document["sandbox"] == "stage"
        assert [one["name"] for one in document["dataflows"]] == ["elsewhere", "here"]

    def test_a_dataflow_without_a_plan_fails_after_all_was_told(self, folder: Folder) -> None:
        folder.declare()
        folder.apply()
        folder.declare("wrong", base_connection="ServiceNow nowhere", source_conn_id=None)
        with pytest.raises(AepError, match="no plan for 1 dataflow: wrong: There is no base connection"):
            folder.plan()
        assert "error: There is no base connection" in folder.xcoms["text"]

    @pytest.mark.parametrize("workers", [0, "no", None])
    def test_workers_that_cannot_be(self, folder: Folder, workers: Any) -> None:
        folder.declare()
        with pytest.raises(AirflowFailException, match="workers is"):
            folder.plan(workers=workers)

    def test_one_too_large_for_an_xcom_is_left_out(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.declare()
        whole = folder.plan()
        monkeypatch.setattr("aep_provider.operators.plan.LARGEST_DOCUMENT", 100)
        assert folder.plan() == {
            name: whole[name] for name in ("digest", "organisation", "sandbox", "overwrite", "counts")
        }


class TestTextForPeople:
    def test_what_is_too_long_is_cut_between_lines_and_says_so(self) -> None:
        told = "".join(f"line {number}\n" for number in range(100))
        short = cut(told, 40)
        assert short.startswith("line 0\nline 1\n")
        *kept, nothing, last = short.splitlines()
        assert (kept, nothing) == (told.splitlines()[: len(kept)], "")
        assert last == f"{100 - len(kept)} more lines stand in the log of the task that made the plan."
        assert len("\n".join(kept)) <= 40
        assert cut(told, len(told)) == told

    @pytest.mark.parametrize(
        "hostile",
        [
            "```", "````js", "~~~", "a ``` b ````` c", "<script>alert(1)</script>", "[x](javascript:alert(1))",
            "![x](https://elsewhere.example/x.png)", "{{ 7*7 }}", "{% raw %}", "# title", "    indented", "<!-- -->",
            "[x]: javascript:alert(1)", "https://elsewhere.example", "&lt;b&gt;", "\\`",
        ],
    )  # fmt: skip
    def test_nothing_in_a_code_block_comes_to_life(self, hostile: str) -> None:
        """Whatever AEP's objects are called by whomever."""
        told = f"first\n{hostile}\n  {hostile} {hostile}\n\nlast\n"
        tokens = MarkdownIt("commonmark").parse(f"before\n\n{in_code_block(told)}")
        assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close", "fence"]
        # Without a language Airflow's page would run all lines into one.
        assert (tokens[-1].content, tokens[-1].info) == (told, "text")

    def test_names_of_others_stand_in_the_plan_as_they_are(self, folder: Folder) -> None:
        """Somebody's object that seems to be ours is listed, whatever it is called."""
        hostile = "{{ 7*7 }} <script>alert(1)</script> [x](javascript:alert(1)) ```"
        folder.declare("a ``` [x](javascript:alert(1))")
        body = {
            "name": hostile, "description": f"(airflow-aep sha256={'0' * 32})",
            "connectionSpec": {"id": "eb13cb25-47ab-407f-ba89-c0125281c563", "version": "1.0"},
            "auth": {"specName": "Basic Authentication",
                     "params": {"endpoint": "https://dev1.service-now.example", "username": "ann", "password": "secret-of-ann"}},
        }  # fmt: skip
        folder.client.post(flow_service.path_of("connections"), json=body)
        folder.plan()
        assert hostile in folder.xcoms["text"]
        *_, block = MarkdownIt("commonmark").parse(folder.xcoms["markdown"])
        assert (block.type, block.content) == ("fence", folder.xcoms["text"])


class TestApply:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_the_plan_is_carried_out_exactly(self, folder: Folder, client: AepClient, listed: Any, shape: str) -> None:
        folder.declare(shape=shape)
        task = folder.apply_task(folder.plan())
        assert task.run() == {"created": 8, "updated": 0}
        assert {kind: len(ids) for kind, ids in listed(client).items()} == ONE_EACH
        assert task.ti.xcoms["flow_ids"] == {"incidents": folder.flow()["id"]}
        assert task.ti.xcoms["digest"] == folder.xcoms["digest"]
        folder.written()
        again = folder.apply()
        assert again.ti.xcoms["flow_ids"] == {"incidents": folder.flow()["id"]}
        assert folder.written() == []

    @pytest.mark.parametrize("form", [lambda plan: plan["digest"], json.dumps, lambda plan: f" {plan['digest']}\n"])
    def test_a_plan_in_another_form(self, folder: Folder, form: Callable[[Any], Any]) -> None:
        folder.declare()
        assert folder.apply_task(form(folder.plan())).run()["created"] == 8

    @pytest.mark.parametrize("plan", [None, "", "abc", "{'digest': 1}", {"digest": 7}, {}, 5, "[" * 10**5])
    def test_what_is_no_plan(self, folder: Folder, plan: Any) -> None:
        folder.declare()
        with pytest.raises(AirflowFailException, match="plan is no plan"):
            folder.apply_task(plan).run()
        assert folder.wire.seen == []

    @pytest.mark.parametrize("form", [lambda plan: plan, lambda plan: plan["digest"]], ids=["whole", "digest"])
    @pytest.mark.parametrize("changed", ["file", "AEP"])
    def test_one_that_does_not_fit_any_more_is_refused(
        self, folder: Folder, changed: str, form: Callable[[Any], Any]
    ) -> None:
        folder.declare(shape="recurring")
        folder.apply()
        folder.declare("more")
        plan = form(folder.plan())
        if changed == "file":
            folder.declare("even more")
        else:
            folder.edit_by_hand()
        folder.written()
        with pytest.raises(AirflowFailException, match="does not fit any more: the files or AEP have changed"):
            folder.apply_task(plan).run()
        assert folder.written() == []

    def test_an_edit_by_hand_stays_without_overwrite(self, folder: Folder) -> None:
        folder.declare(shape="recurring")
        folder.apply()
        folder.edit_by_hand()
        with pytest.raises(AirflowFailException, match="edited by hand"):
            folder.apply_task(folder.plan()).run()
        assert folder.written() == []
        with pytest.raises(AirflowFailException, match="does not fit any more"):
            folder.apply_task(folder.plan(), overwrite=True).run()
        task = folder.apply_task(folder.plan(overwrite=True), overwrite="true")
        assert task.run() == {"created": 0, "updated": 1}
        assert folder.flow()["options"]["partialIngestionPercent"] == 5

    def test_rows_that_come_twice_have_to_be_accepted(self, folder: Folder) -> None:
        folder.declare(shape="one_time", columns=["sys_id", "number"])
        folder.apply()
        self._await_rows(folder)
        folder.declare(shape="one_time", columns=["sys_id", "number", "priority"])
        plan = folder.plan()
        assert folder.xcoms["needs_accept"] is True
        assert "needs --accept" in folder.xcoms["text"]
        folder.written()
        with pytest.raises(AirflowFailException, match="Rows would come twice"):
            folder.apply_task(plan).run()
        assert folder.written() == []
        old = folder.flow()["id"]
        assert folder.apply_task(plan, accept="True").run()["created"] == 4
        assert folder.flow()["id"] != old

    def _await_rows(self, folder: Folder) -> None:
        deadline = time.monotonic() + 30
        while not any(judge(run).state is RunState.SUCCEEDED for run in runs_of(folder.client, folder.flow()["id"])):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def test_what_fails_is_named_and_the_rest_is_done(self, folder: Folder) -> None:
        folder.declare("good")
        folder.apply()
        for name in ("bad", "good too"):
            folder.declare(name)
        task = folder.apply_task(folder.plan())
        folder.wire.seen.clear()

        def refuse(seen: Any) -> bool:
            return seen.method == "POST" and seen.path.endswith("/flows") and seen.json["name"] == "bad"

        folder.wire.lose("POST", "/flows", carried_out=False, status=400, times=9)
        folder.wire.faults[-1].fits = refuse
        with pytest.raises(AepError, match="1 dataflows are not done: bad: "):
            task.run()
        assert set(task.ti.xcoms["flow_ids"]) == {"good", "good too"}
        folder.wire.faults.clear()
        assert task.run() == {"created": 1, "updated": 0}
        assert set(task.ti.xcoms["flow_ids"]) == {"good", "good too", "bad"}

    def test_what_cannot_be_found_out_for_a_while_is_tried_again(self, folder: Folder) -> None:
        """It is no reason to say that the plan does not fit any more."""
        folder.declare("first")
        folder.apply()
        folder.declare("second")
        task = folder.apply_task(folder.plan())
        folder.written()
        folder.wire.lose("GET", "/explore", carried_out=False, status=503, times=99)
        with pytest.raises(AepError, match=r"There is no plan for 1 dataflow: second: .*503") as failed:
            task.run()
        assert not failed.value.final
        assert folder.written() == []
        folder.wire.faults.clear()
        assert task.run() == {"created": 7, "updated": 0}

    def test_once_stopped_nothing_further_is_begun(self, folder: Folder, listed: Any, client: AepClient) -> None:
        for number in range(6):
            folder.declare(f"d{number}")
        task = folder.apply_task(folder.plan(), workers=1)
        # Before it runs there is nothing to stop.
        task.operator.on_kill()

        def on_a_source_connection(seen: Any) -> bool:
            if seen.method == "POST" and seen.path.endswith("/sourceConnections"):
                task.operator.on_kill()
            return False

        folder.wire.lose("POST", "/sourceConnections", carried_out=False)
        folder.wire.faults[-1].fits = on_a_source_connection
        with pytest.raises(AepError, match=r"Stopped before 6 dataflows were done: d0, d1"):
            task.run()
        assert sum(len(ids) for ids in listed(client).values()) < 6
        folder.wire.faults.clear()
        assert task.run()["created"] > 30
        assert {kind: len(ids) for kind, ids in listed(client).items()} == {
            **dict.fromkeys(ONE_EACH, 6),
            "connections": 1,
        }

    def test_secrets_are_seen_nowhere(
        self, folder: Folder, secrets: list[str], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        folder.declare()
        with caplog.at_level(logging.DEBUG):
            task = folder.apply()
        seen = json.dumps([folder.xcoms, folder.plan_task.store.held, task.ti.xcoms, task.store.held])
        seen += "".join(capfd.readouterr()) + caplog.text + repr(vars(task.operator))
        assert "created flow incidents" in seen
        assert [secret for secret in secrets if secret in seen] == []


def killed_at(patch: pytest.MonkeyPatch, point: int, *, arrived: bool) -> None:
    """Kill the process at its ``point``-th request that writes, before it leaves or after it arrived."""
    writes, dead = itertools.count(1), threading.Event()
    send = AepClient.request

    def request(self: AepClient, method: str, path: str, **options: Any) -> Any:
        if dead.is_set():
            raise Killed
        if method not in WRITES:
            return send(self, method, path, **options)
        here = next(writes) == point
        if here and not arrived:
            dead.set()
            raise Killed
        answer = send(self, method, path, **options)
        if here or dead.is_set():
            dead.set()
            raise Killed
        return answer

    patch.setattr(AepClient, "request", request)


EVERYWHERE = [pytest.param(point, marks=[] if point in (2, 7) else pytest.mark.thorough) for point in range(1, 15)]
MOMENTS = pytest.mark.parametrize("arrived", [False, True], ids=["before it leaves", "after it arrived"])


@MOMENTS
@pytest.mark.parametrize("point", EVERYWHERE)
class TestKilled:
    """The next try goes on, wherever the one before ended."""

    def test_while_all_is_made(self, folder: Folder, listed: Any, point: int, arrived: bool) -> None:
        folder.declare()
        task = folder.apply_task(folder.plan())
        assert kill(task, point, arrived=arrived) or point > 8
        task.run()
        all_is_there_once(folder, listed)

    def test_while_a_flow_is_replaced(self, folder: Folder, listed: Any, point: int, arrived: bool) -> None:
        folder.declare(columns=["sys_id", "sys_updated_at"])
        folder.apply()
        folder.declare(columns=["sys_id", "number", "sys_updated_at"], target={"dataset": "another"})
        task = folder.apply_task(folder.plan())
        assert kill(task, point, arrived=arrived) or point > 10
        task.run()
        twice = dict.fromkeys(("sourceConnections", "targetConnections", "flows", "dataSets", "mappingSets"), 2)
        all_is_there_once(folder, listed, **twice)


@MOMENTS
def test_killed_where_only_the_digest_is_known(folder: Folder, listed: Any, arrived: bool) -> None:
    """What the plan was is remembered by the task that begins it."""
    folder.declare()
    task = folder.apply_task(folder.plan()["digest"])
    assert kill(task, 5, arrived=arrived)
    task.run()
    all_is_there_once(folder, listed)


def kill(task: Any, point: int, *, arrived: bool) -> bool:
    """Run a task until it is killed; whether it was."""
    with pytest.MonkeyPatch.context() as patch:
        killed_at(patch, point, arrived=arrived)
        try:
            task.run()
        except Killed:
            return True
    return False


def all_is_there_once(folder: Folder, listed: Any, **beside: int) -> None:
    assert {kind: len(ids) for kind, ids in listed(folder.client).items()} == {**ONE_EACH, **beside}
    folder.plan()
    assert folder.xcoms["has_work"] is False


@pytest.mark.thorough
@pytest.mark.parametrize("point", [6, 9, 12])
def test_killed_where_lists_show_late_what_was_made(
    tmp_path: Path, task: Any, aep: Any, org: str, listed: Any, start_platform: Callable[..., Any], make_wire: Any,
    make_client: Any, set_connection: Callable[..., None], point: int,
) -> None:  # fmt: skip
    """Each object that was about to be made is remembered, of every dataflow."""
    wire = make_wire(start_platform("--assume", "listing_lag_seconds=1"))
    extra = {"ims_org_id": org, "token_url": f"{wire.url}/ims/token/v3"}
    set_connection(
        "aep_default", conn_type="aep", host=wire.url, login="tester", password="any", extra=json.dumps(extra)
    )
    folder = Folder(tmp_path / "dataflows", task, wire, make_client(wire.url))
    for name in ("a", "b", "c"):
        folder.declare(name)
    applying = folder.apply_task(folder.plan(), settle_seconds=3)
    assert kill(applying, point, arrived=True)
    applying.run()
    time.sleep(1.2)
    assert {kind: len(ids) for kind, ids in listed(folder.client).items()} == {
        **dict.fromkeys(ONE_EACH, 3),
        "connections": 1,
    }


class TestKilledAndChangedSince:
    @pytest.fixture
    def begun(self, folder: Folder) -> Any:
        """A task that was killed when it had made three objects."""
        folder.declare(columns=["sys_id", "sys_updated_at"])
        folder.declare("beside", columns=["sys_id", "sys_updated_at"])
        folder.apply(names=["beside"])
        task = folder.apply_task(folder.plan())
        assert kill(task, 3, arrived=True)
        folder.written()
        return task

    def test_another_file_is_not_the_rest(self, folder: Folder, begun: Any) -> None:
        folder.declare("later")
        with pytest.raises(AirflowFailException, match="not its rest: the dataflow 'later' is declared otherwise"):
            begun.run()
        assert folder.written() == []

    def test_neither_is_a_change_of_something_else(self, folder: Folder, begun: Any) -> None:
        folder.declare("beside", columns=["sys_id", "number", "sys_updated_at"])
        with pytest.raises(AirflowFailException, match="not its rest: the dataflow 'beside' is declared otherwise"):
            begun.run()
        assert folder.written() == []

    def test_nor_what_somebody_deleted(self, folder: Folder, begun: Any) -> None:
        folder.client.delete(flow_service.path_of("flows", folder.flow("beside")["id"]))
        folder.wire.seen.clear()
        with pytest.raises(AirflowFailException, match="the flow 'beside' was planned as unchanged, and is create now"):
            begun.run()
        assert folder.written() == []

    def test_another_plan_for_the_same_task_has_to_fit(self, folder: Folder, begun: Any) -> None:
        """Cleared together with the task that makes the plan, it gets a new one; what was begun with the old one is past."""
        begun.operator.plan = folder.plan()
        folder.declare("later")
        with pytest.raises(AirflowFailException, match="does not fit any more"):
            begun.run()
        begun.operator.plan = folder.plan()
        begun.run()
        folder.plan()
        assert folder.xcoms["has_work"] is False
