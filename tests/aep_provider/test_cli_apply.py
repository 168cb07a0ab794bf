"""`airflow aep plan`, `apply` and `rotate`, from the command line's words to what AEP holds."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aep_provider.cli import apply as command_apply
from aep_provider.cli.intents import Intents
from aep_provider.errors import AepError
from aep_provider.hooks.aep import AepHook
from aep_provider.platform.client import AepClient
from aep_provider.resources import flow_service
from aep_provider.resources.ensure import Patience
from aep_provider.resources.flow import Flow
from aep_provider.resources.flow_state import FlowState, set_state

from .dataflows.estate import until

SPEC = """\
name: incidents
source: servicenow
source_conn_id: aep_source_servicenow
table: incident
delta_column: sys_updated_at
"""


@dataclass
class Printed:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    specs = tmp_path / "dataflows"
    specs.mkdir()
    (specs / "incidents.yaml").write_text(SPEC)
    return specs


@pytest.fixture
def command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], aep: Any, no_waits: None, monkeypatch: Any
) -> Callable[..., Printed]:
    from airflow.cli import cli_parser

    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
    monkeypatch.setattr("aep_provider.cli.intents.AIRFLOW_HOME", str(tmp_path / "home"))
    parser = cli_parser.get_parser()

    def run(word: str, *arguments: str) -> Printed:
        where = ["--specs", str(folder)] if word == "rotate" else [str(folder)]
        args = parser.parse_args(["aep", word, *where, *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            args.func(args)
        printed = capsys.readouterr()
        return Printed(int(ended.value.code or 0), printed.out, printed.err)

    return run


def flow_of(client: AepClient, name: str = "incidents") -> dict[str, Any]:
    (found,) = flow_service.named(client, "flows", name)
    return found


class TestFromNothing:
    def test_plan_apply_plan(self, command: Any, aep: Any) -> None:
        first = command("plan")
        assert first.status == 2, first.err
        assert "+   create          flow              incidents" in first.out
        assert "Plan: 8 to create, 0 unchanged." in first.out
        assert {seen.method for seen in aep.seen if "/ims/" not in seen.path} == {"GET"}
        done = command("apply", "--yes")
        assert (done.status, done.err) == (0, "")
        assert "Applied to sandbox prod: 8 created." in done.out
        again = command("plan")
        assert (again.status, again.out.strip().splitlines()[-1]) == (0, "Nothing to do: 1 dataflows are as declared.")
        assert command("apply").status == 0

    def test_json(self, command: Any) -> None:
        told = command("plan", "--json")
        (plan,) = told.json["plans"]
        assert (told.status, plan["counts"]["create"], plan["sandbox"]) == (2, 8, "prod")
        done = command("apply", "--yes", "--json")
        (sandbox,) = done.json["sandboxes"]
        assert (done.status, {one["action"] for one in sandbox["done"]}) == (0, {"created"})
        assert command("plan", "--json").json["plans"][0]["counts"]["unchanged"] == 8

    def test_nobody_is_there_to_ask(self, command: Any, aep: Any) -> None:
        told = command("apply")
        assert told.status == 1
        assert "give --yes" in told.err
        assert {seen.method for seen in aep.seen if "/ims/" not in seen.path} == {"GET"}

    @pytest.mark.parametrize(("answer", "status"), [("yes", 0), ("y", 1), ("", 1)])
    def test_the_question(self, command: Any, monkeypatch: Any, answer: str, status: int) -> None:
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("builtins.input", lambda _: answer)
        assert command("apply").status == status
        assert command("plan").status == (0 if answer == "yes" else 2)

    def test_only_one_of_two(self, command: Any, folder: Path) -> None:
        (folder / "others.yaml").write_text(SPEC.replace("incidents", "others"))
        assert command("apply", "--yes", "--name", "others").status == 0
        told = command("plan")
        assert "1 dataflow unchanged" in told.out
        assert "Plan: 7 to create" in told.out


class TestSandboxes:
    def test_each_has_its_own(self, command: Any, folder: Path, aep: Any, set_connection: Any) -> None:
        set_connection(
            "aep_source_dev", conn_type="http", host="https://dev2.service-now.example", login="d", password="of-dev"
        )
        (folder / "_sandboxes.yaml").write_text("prod: {}\nstage: {}\ndev: {source_conn_id: aep_source_dev}\n")
        for sandbox in ("dev", "stage", "prod"):
            assert command("apply", "--yes", "--sandbox", sandbox).status == 0
            assert command("plan", "--sandbox", sandbox).status == 0
        assert "ServiceNow via aep_source_dev" in str(command("plan", "--sandbox", "dev", "--json").json)
        assert "stage" in command("plan", "--sandbox", "stag").err

    def test_files_for_several(self, command: Any, folder: Path) -> None:
        (folder / "others.yaml").write_text(SPEC.replace("incidents", "others") + "sandbox: dev\n")
        assert [one["sandbox"] for one in command("plan", "--json").json["plans"]] == ["dev", "prod"]
        assert command("apply", "--yes").status == 0
        assert command("plan").status == 0


class TestKeptPlans:
    def test_applied_without_a_question(self, command: Any, tmp_path: Path) -> None:
        file = str(tmp_path / "plan.json")
        assert command("plan", "--out", file).status == 2
        assert command("apply", "--plan", file).status == 0
        assert command("plan").status == 0
        told = command("apply", "--plan", file)
        assert told.status == 1
        assert "does not fit any more" in told.err

    def test_refused_when_a_file_changed(self, command: Any, tmp_path: Path, folder: Path, aep: Any) -> None:
        file = str(tmp_path / "plan.json")
        command("plan", "--out", file)
        (folder / "incidents.yaml").write_text(SPEC + "policy: {partial_ingestion_percent: 9}\n")
        aep.seen.clear()
        told = command("apply", "--plan", file)
        assert told.status == 1
        assert "digest" in told.err
        assert {seen.method for seen in aep.seen if "/ims/" not in seen.path} == {"GET"}

    def test_refused_for_another_sandbox(self, command: Any, tmp_path: Path) -> None:
        file = str(tmp_path / "plan.json")
        command("plan", "--out", file)
        told = command("apply", "--plan", file, "--sandbox", "dev")
        assert (told.status, "a plan for the sandboxes prod" in told.err) == (1, True)

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"plans": [{"plan": 2}]}', "[" * 100_000])
    def test_no_plan_at_all(self, command: Any, tmp_path: Path, text: str) -> None:
        file = tmp_path / "plan.json"
        file.write_text(text)
        told = command("apply", "--plan", str(file))
        assert (told.status, "is no plan: make one with" in told.err) == (1, True)

    def test_a_place_that_cannot_be_written(self, command: Any, tmp_path: Path) -> None:
        told = command("plan", "--out", str(tmp_path / "nowhere" / "plan.json"))
        assert (told.status, "cannot be written" in told.err) == (1, True)


class TestDecisions:
    def test_drift_stops_it(self, command: Any, client: AepClient) -> None:
        command("apply", "--yes")
        set_state(client, flow_of(client)["id"], FlowState.DISABLED)
        told = command("plan")
        assert told.status == 2
        assert "!   drifted         flow" in told.out
        refused = command("apply", "--yes")
        assert (refused.status, "overwrite" in refused.err) == (1, True)
        assert command("apply", "--yes", "--overwrite").status == 0
        assert flow_of(client)["state"] == "enabled"
        assert command("plan").status == 0

    def test_a_file_that_cannot_be_read_stops_it(self, command: Any, folder: Path, aep: Any) -> None:
        (folder / "broken.yaml").write_text("tabel: x\n")
        told = command("plan")
        assert told.status == 1
        assert "broken.yaml" in told.err
        assert "+   create          flow" in told.out
        aep.seen.clear()
        told = command("apply", "--yes")
        assert (told.status, aep.seen) == (1, [])


class TestSecrets:
    def test_none_is_left_behind(self, command: Any, tmp_path: Path, secrets: list[str], monkeypatch: Any) -> None:
        file = tmp_path / "plan.json"
        printed = [command("plan", "--out", str(file)), command("plan", "--json")]

        def killed(*_: Any) -> None:
            raise AepError("the machine is gone")

        monkeypatch.setattr(Intents, "done", killed)
        printed.append(command("apply", "--yes"))
        assert printed[-1].status == 1
        (intents,) = (tmp_path / "home" / "aep").iterdir()
        assert intents.stat().st_mode & 0o077 == 0
        texts = [file.read_text(), intents.read_text(), *(one.out + one.err for one in printed)]
        assert not [secret for secret in secrets for text in texts if secret in text]


def test_a_changed_file_waits_until_aep_lists_what_the_last_apply_made(
    command: Any, aep: Any, folder: Path, start_platform: Any, set_connection: Any, org: str, monkeypatch: Any
) -> None:
    lagging = start_platform("--time-scale", "0.001", "--assume", "listing_lag_seconds=2000")
    extra = json.dumps({"ims_org_id": org, "sandbox": "prod", "token_url": f"{lagging.url}/ims/token/v3"})
    set_connection("aep_default", conn_type="aep", host=lagging.url, login="tester", password="any", extra=extra)
    monkeypatch.setattr("aep_provider.cli.apply.Patience", partial(Patience, look_every_seconds=0.1))
    first = command("apply", "--yes", "--json")
    assert first.status == 0, first.err
    (folder / "incidents.yaml").write_text(SPEC + "policy: {partial_ingestion_percent: 7}\n")
    second = command("apply", "--yes", "--accept", "--json")
    assert (second.status, second.err) == (0, "incidents was made just now: waiting until AEP lists it\n")
    made = {one["kind"]: one["action"] for one in second.json["sandboxes"][0]["done"]}
    assert made == {"flow": "created"}
    with AepHook() as hook:

        def flows() -> list[str]:
            return sorted(one["name"] for one in Flow.listing(hook.client))

        until(lambda: len(flows()) >= 2)
        assert [name.partition(" (replaced")[0] for name in flows()] == ["incidents", "incidents"]


def test_the_first_signal_lets_end_what_was_begun() -> None:
    before = signal.getsignal(signal.SIGINT)
    with command_apply._stopped_by_a_signal() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


class TestRotate:
    def test_new_credentials_are_tried_and_sent(self, command: Any, aep: Any, set_connection: Any) -> None:
        command("apply", "--yes")
        set_connection(
            "aep_source_servicenow", conn_type="http", host="https://dev1.service-now.example", login="ann",
            password="another-of-the-source",
        )  # fmt: skip
        aep.seen.clear()
        told = command("rotate", "aep_source_servicenow")
        assert (told.status, told.err) == (0, "")
        assert "AEP logs in with the credentials of aep_source_servicenow" in told.out
        (patch,) = (seen for seen in aep.seen if seen.method == "PATCH")
        assert patch.json[0]["value"]["password"] == "another-of-the-source"
        assert "another-of-the-source" not in told.out
        assert command("plan").status == 0

    def test_before_anything_is_there(self, command: Any) -> None:
        assert "there is no base connection" in command("rotate", "aep_source_servicenow").out

    def test_a_connection_that_no_dataflow_has(self, command: Any) -> None:
        told = command("rotate", "aep_source_servicenaw")
        assert (told.status, "Did you mean 'aep_source_servicenow'" in told.err) == (1, True)
