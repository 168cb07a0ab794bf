"""A first file for a table: it loads, a plan for it creates, and nothing was made for it that nobody asked for."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from aep_provider.cli.scaffold import scaffold as command_scaffold
from aep_provider.dataflows.plan import Change
from aep_provider.dataflows.planning import make_plan
from aep_provider.dataflows.reading.document import parse
from aep_provider.dataflows.reading.load import load_folder
from aep_provider.dataflows.survey import look_around
from aep_provider.dataflows.writing.scaffold import Scaffold, Wish, scaffold_dataflow
from aep_provider.dataflows.writing.spec_text import spec_text
from aep_provider.errors import AepConfigError, AepError
from aep_provider.platform.client import AepClient
from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.inventory import KINDS, Inventory

from ..made import declared, made
from ..on_demand import LOGIN

TODAY = date(2026, 1, 31)
INCIDENT = {"source": "servicenow", "table": "incident", "sandbox": "prod", "source_conn_id": "aep_source_servicenow"}
FIRST = """\
name: ServiceNow incident
source: servicenow
source_conn_id: aep_source_servicenow
table: incident
# sys_updated_at changes with every change of a row.
delta_column: sys_updated_at
# A run for each window, once it is over. Without a schedule windows are only loaded by hand:
# schedule:
#   cron: "0 0 * * *"
#   timezone: UTC
#   start: 2026-01-31
#   lag: 15m
# All columns are taken. To take some, name them, as in columns: [one, two]. There are:
#   sys_id             string
#   number             string
#   priority           integer
#   opened             string
#   short_description  string
#   active             boolean
#   sys_updated_at     date-time
# Each column lands in a field of its own. --mapping of `airflow aep scaffold` writes them down.
"""


def first(client: AepClient, *, create: bool = True, **wish: Any) -> Scaffold:
    sandbox = look_around(client, lambda _: LOGIN)
    return scaffold_dataflow(sandbox, Wish(**{**INCIDENT, **wish}), today=TODAY, create_base_connection=create)


def text_of(one: Scaffold) -> str:
    return spec_text(one.fields, notes=one.notes)


def there(client: AepClient) -> dict[str, int]:
    inventory = Inventory.read(client)
    return {kind.kind: len(inventory.documents[kind]) for kind in KINDS if inventory.documents[kind]}


class TestFirst:
    def test_what_it_says(self, client: AepClient) -> None:
        assert text_of(first(client)) == FIRST

    def test_a_plan_for_it_creates(self, client: AepClient) -> None:
        one = first(client)
        plan, _ = make_plan([one.spec], look_around(client, lambda _: LOGIN), whole=True)
        assert [step.change for step in plan.dataflows[0].steps] == [Change.CREATE] * 7
        assert [step.change for step in plan.shared] == [Change.UNCHANGED]
        assert plan.errors == []
        made(client, LOGIN, one.spec)

    def test_only_the_base_connection_is_made(self, client: AepClient, wire: Any) -> None:
        first(client)
        assert there(client) == {BaseConnection.kind: 1}
        assert wire.created() == ["connections"]
        wire.seen.clear()
        first(client, create=False)
        assert {seen.method for seen in wire.seen} == {"GET"}

    def test_without_a_base_connection_it_says_what_to_do(self, client: AepClient, wire: Any) -> None:
        with pytest.raises(AepConfigError, match="--create-base-connection makes it") as refused:
            first(client, create=False)
        assert "'ServiceNow via aep_source_servicenow'" in str(refused.value)
        assert there(client) == {}
        assert {seen.method for seen in wire.seen if "/ims/" not in seen.path} == {"GET"}

    def test_over_a_base_connection_that_is_there(self, client: AepClient) -> None:
        first(client, base_connection="Desk")
        one = first(client, create=False, source_conn_id=None, base_connection="Desk")
        assert (one.fields["base_connection"], "source_conn_id" in one.fields) == ("Desk", False)
        with pytest.raises(AepConfigError, match="Did you mean 'Desk'"):
            first(client, source_conn_id=None, base_connection="Desc")
        with pytest.raises(AepConfigError, match="does not lead to Salesforce"):
            first(client, source="salesforce", source_conn_id=None, base_connection="Desk")

    def test_an_unknown_table(self, client: AepClient) -> None:
        with pytest.raises(AepConfigError, match=r"no table 'incidents'.*Did you mean 'incident'"):
            first(client, table="incidents")

    def test_a_table_without_dates_is_loaded_once(self, client: AepClient) -> None:
        text = text_of(first(client, table="customer"))
        assert "# No column holds dates and times" in text
        assert "load: one_time" in text
        assert "schedule:" not in text

    def test_the_mapping_if_it_is_asked_for(self, client: AepClient) -> None:
        one = first(client, mapping=True)
        assert [mapping["source"] for mapping in one.fields["mapping"]][-1] == "sys_updated_at"
        assert all(mapping.keys() == {"source", "destination"} for mapping in one.fields["mapping"])
        assert "--mapping" not in text_of(one)
        plan, _ = make_plan([one.spec], look_around(client, lambda _: LOGIN), whole=True)
        assert (plan.errors, plan.counts()["create"]) == ([], 7)

    def test_into_an_existing_schema(self, client: AepClient) -> None:
        made(client, LOGIN, declared())
        one = first(client, existing_schema="incidents")
        assert one.fields["target"] == {"existing_schema": "incidents"}
        assert len(one.fields["mapping"]) == 7
        with pytest.raises(AepConfigError, match="Did you mean 'incidents'"):
            first(client, existing_schema="incident")

    def test_a_dataflow_that_is_there_is_exported_instead(self, client: AepClient) -> None:
        made(client, LOGIN, declared("ServiceNow incident"))
        with pytest.raises(AepConfigError, match="airflow aep export"):
            first(client)
        assert first(client, name="Another").spec.name == "Another"

    @pytest.mark.parametrize(
        ("wish", "told"),
        [
            ({"source": "service now"}, "Did you mean 'servicenow'"),
            ({"name": "a, b"}, "holds a comma"),
            ({"source_conn_id": None}, "source_conn_id"),
            ({"table": ""}, "table"),
        ],
    )
    def test_what_cannot_be_is_told_before_anything_is_made(self, client: AepClient, wish: Any, told: str) -> None:
        with pytest.raises(AepError, match=told):
            first(client, **wish)
        assert there(client) == {}

    def test_another_sandbox_and_connection_stand_in_the_file(self, wire: Any, make_client: Any) -> None:
        one = first(make_client(wire.url, "stage"), sandbox="stage", aep_conn_id="aep_stage")
        assert (one.fields["sandbox"], one.fields["aep_conn_id"]) == ("stage", "aep_stage")


class TestCommand:
    @pytest.fixture
    def command(self, aep: Any, no_waits: None, capsys: Any, monkeypatch: Any, tmp_path: Path) -> Any:
        monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")

        def run(**given: Any) -> tuple[int, str, str]:
            defaults = {
                "source": "servicenow", "table": "incident", "source_conn_id": "aep_source_servicenow", "sandbox": None,
                "conn_id": "aep_default", "out": str(tmp_path / "out"), "name": None, "base_connection": None,
                "existing_schema": None, "mapping": False, "create_base_connection": False,
            }  # fmt: skip
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                command_scaffold(Namespace(**{**defaults, **given}))
            return int(ended.value.code or 0), *capsys.readouterr()

        return run

    def test_the_file_loads(self, command: Any, client: AepClient, tmp_path: Path) -> None:
        status, out, err = command(create_base_connection=True)
        assert (status, err) == (0, "")
        assert "made      the base connection ServiceNow via aep_source_servicenow" in out
        assert "would make 7 objects" in out
        loaded = load_folder(tmp_path / "out")
        assert loaded.wrong == []
        plan, _ = make_plan(loaded.specs, look_around(client, lambda _: LOGIN), whole=True)
        assert plan.counts()["create"] == 7

    def test_a_file_is_never_overwritten(self, command: Any, client: AepClient, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        path = tmp_path / "out" / "ServiceNow_incident.yaml"
        path.write_text("mine")
        status, out, err = command(create_base_connection=True)
        assert (status, out, path.read_text()) == (1, "", "mine")
        assert "is there already" in err
        assert there(client) == {}
        assert command(create_base_connection=True, name="Another")[0] == 0

    def test_what_dataflows_share_must_not_change_it(self, command: Any, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "_defaults.yaml").write_text("policy: {retries: 9}\n")
        status, _, err = command(create_base_connection=True)
        assert (status, "would change its policy" in err) == (1, True)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["_defaults.yaml"]

    def test_what_is_there_already_is_told(self, command: Any, client: AepClient) -> None:
        made(client, LOGIN, declared("other", target={"dataset": "ServiceNow incident"}))
        status, _, err = command()
        assert (status, "ServiceNow incident" in err) == (1, True)

    def test_without_an_airflow_connection(self, command: Any) -> None:
        status, _, err = command(source_conn_id="aep_source_missing", create_base_connection=True)
        assert (status, "aep_source_missing" in err) == (1, True)

    def test_no_secret_is_told(self, command: Any, aep: Any, tmp_path: Path) -> None:
        _, out, err = command(create_base_connection=True)
        text = (tmp_path / "out" / "ServiceNow_incident.yaml").read_text()
        assert not any(secret in out + err + text for secret in ("hunter2", "p8e-client", "dev1.service-now", "ann\n"))
        assert json.dumps(parse(text, Path("f")).content)

    def test_the_command_line_gives_what_it_takes(self) -> None:
        from airflow.cli import cli_parser

        given = vars(cli_parser.get_parser().parse_args(["aep", "scaffold", "--table", "t", "--source", "servicenow"]))
        wanted = {
            "table": "t", "source": "servicenow", "source_conn_id": None, "base_connection": None, "name": None,
            "existing_schema": None, "mapping": False, "create_base_connection": False, "out": None, "sandbox": None,
            "conn_id": "aep_default",
        }  # fmt: skip
        assert {key: given[key] for key in wanted} == wanted
