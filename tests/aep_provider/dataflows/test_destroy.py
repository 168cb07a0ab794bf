"""Taking dataflows down: in the right order, nothing of others, nothing that something else uses, and again from any point."""

from __future__ import annotations

import itertools
import os
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from aep_provider.cli.destroy import destroy as command_destroy
from aep_provider.dataflows.destroy import Extent, Names, Takedown, takedown
from aep_provider.dataflows.destroying import carry_out
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError, AepInvalidRequestError, AepRunTimeoutError
from aep_provider.platform.client import AepClient
from aep_provider.platform.exchange import Answer
from aep_provider.platform.settings import AepSettings
from aep_provider.resources import flow_service
from aep_provider.resources.dataset import Dataset
from aep_provider.resources.ensure import Patience
from aep_provider.resources.inventory import KINDS, Inventory
from aep_provider.resources.mapping_set import MappingSet
from aep_provider.resources.resource import IfExists

from ..made import declared, made
from ..on_demand import LOGIN, OnDemand, await_

QUICK = Patience(settle_seconds=2, look_every_seconds=0.01)
LEAST = Extent()
EVERYTHING = Extent(dataset=True, schema=True, base_connection=True, all_generations=True)
FLOW_SERVICE = "/data/foundation/flowservice"


def there(client: AepClient) -> dict[str, list[str]]:
    """By kind, the names; mapping sets cannot go."""
    inventory = Inventory.read(client)
    told = {kind.kind: sorted(str(one.get(kind.key)) for one in inventory.documents[kind]) for kind in KINDS}
    return {kind: names for kind, names in told.items() if names and kind != MappingSet.kind}


def look(client: AepClient, *names: str | DataflowSpec, extent: Extent = LEAST, **more: Any) -> Takedown:
    wanted = [Names.usual(one) if isinstance(one, str) else Names.of(one) for one in names]
    return takedown(Inventory.read(client), wanted, extent, **more)


def take_down(client: AepClient, *names: str | DataflowSpec, extent: Extent = LEAST, **more: Any) -> Takedown:
    found = look(client, *names, extent=extent, **more)
    carry_out(client, found.goes, patience=QUICK, timeout=20)
    return found


def kinds(found: Takedown) -> list[str]:
    return [one.kind.kind for one in found.goes]


def reasons(found: Takedown) -> dict[tuple[str, str], str]:
    return {(one.kind.kind, one.name): one.reason for one in found.stays}


def enabled(client: AepClient, name: str) -> str:
    (flow,) = flow_service.named(client, "flows", name)
    await_(lambda: flow_service.read(client, "flows", flow["id"])["state"] == "enabled")
    return str(flow["id"])


class TestWhatGoes:
    def test_the_flow_and_its_connections(self, client: AepClient, wire: Any) -> None:
        made(client, LOGIN, declared())
        before = there(client)
        wire.seen.clear()
        found = take_down(client, "incidents")
        assert kinds(found) == ["flow", "source connection", "target connection"]
        after = there(client)
        assert {kind: names for kind, names in before.items() if kind not in kinds(found)} == after
        deleted = [seen.path.split("/")[-2] for seen in wire.seen if seen.method == "DELETE"]
        assert deleted == ["flows", "sourceConnections", "targetConnections"]
        ids = {one.kind.kind: one.id for one in found.stays}
        told = {kind: reason for (kind, _), reason in reasons(found).items()}
        assert told == {
            "mapping set": "AEP deletes no mapping sets",
            "dataset": "--with-dataset takes it, with its rows",
            "schema": f"the dataset 'incidents' ({ids['dataset']}, which --with-dataset takes) uses it",
            "field group": f"the schema 'incidents' ({ids['schema']}, which --with-schema takes) uses it",
            "base connection": "--with-base-connection takes it",
        }

    def test_everything_in_the_right_order(self, client: AepClient) -> None:
        spec = declared(target={"dataset": "rows"}, names={"source_connection": "s", "target_connection": "t"})
        made(client, LOGIN, spec)
        found = take_down(client, spec, extent=EVERYTHING)
        assert kinds(found) == [
            "flow", "source connection", "target connection", "dataset", "schema", "field group", "base connection",
        ]  # fmt: skip
        assert there(client) == {}

    def test_several_go_kind_by_kind_and_what_they_share_too(self, client: AepClient) -> None:
        for name in ("one", "two"):
            made(client, LOGIN, declared(name))
        assert [one.kind.kind for one in look(client, "one", "two").stays].count("base connection") == 1
        found = take_down(client, "one", "two", extent=EVERYTHING)
        assert kinds(found)[:4] == ["flow", "flow", "source connection", "source connection"]
        assert there(client) == {}

    def test_what_another_flow_uses_stays(self, client: AepClient) -> None:
        made(client, LOGIN, declared("one"))
        shared = {"names": {"source_connection": "one", "target_connection": "one"}, "target": {"dataset": "one"}}
        second = declared("two", **shared, mapping=[{"source": "sys_id", "destination": "_id"}])
        second = second.model_copy(update={"target": second.target.model_copy(update={"existing_schema": "one"})})
        made(client, LOGIN, second)
        found = take_down(client, "one")
        assert kinds(found) == ["flow"]
        assert "the flow 'two'" in reasons(found)["source connection", "one"]
        assert "the flow 'two'" in reasons(found)["target connection", "one"]
        assert there(client)["flow"] == ["two"]
        again = take_down(client, "one")
        assert again.goes == ()
        assert kinds(take_down(client, second)) == ["flow", "source connection", "target connection"]

    @pytest.mark.parametrize(
        ("extent", "told"),
        [
            (Extent(dataset=True), "dataset 'rows'.*target connection 'two'"),
            (Extent(dataset=True, schema=True), "schema 'schema'.*dataset"),
            (Extent(schema=True), "schema 'schema'.*--with-dataset takes"),
            (Extent(base_connection=True), "base connection .*source connection 'two'"),
        ],
    )
    def test_what_something_else_uses_is_refused(self, client: AepClient, wire: Any, extent: Extent, told: str) -> None:
        made(client, LOGIN, declared("schema"))
        rows = {"dataset": "rows", "existing_schema": "schema"}
        for name in ("one", "two"):
            target = (
                rows if extent != Extent(dataset=True, schema=True) or name == "one" else {**rows, "dataset": "other"}
            )
            made(client, LOGIN, declared(name, target=target, mapping=[{"source": "sys_id", "destination": "_id"}]))
        take_down(client, "schema", extent=Extent(dataset=True))
        wire.seen.clear()
        with pytest.raises(AepConfigError, match=f"Nothing was taken down: .*{told}"):
            look(client, "one", extent=extent)
        assert {seen.method for seen in wire.seen} == {"GET"}
        assert take_down(client, "one", "two", extent=EVERYTHING).goes
        assert there(client) == {}

    def test_a_target_connection_uses_a_schema_also_without_its_dataset(self, client: AepClient) -> None:
        made(client, LOGIN, declared("one"))
        rows = {"existing_schema": "one", "dataset": "two"}
        made(client, LOGIN, declared("two", target=rows, mapping=[{"source": "sys_id", "destination": "_id"}]))
        held = dict(Inventory.read(client).documents)
        held[Dataset] = [one for one in held[Dataset] if one["name"] == "one"]
        with pytest.raises(AepConfigError, match=r"schema 'one'.*target connection 'two'"):
            takedown(Inventory(held), [Names.usual("one")], Extent(dataset=True, schema=True))

    def test_a_namesake_of_another_dataflow_stays(self, client: AepClient) -> None:
        """Connections and a dataset of the name that another flow uses are not what an earlier attempt left."""
        other = declared(
            "other", names={"source_connection": "mine", "target_connection": "mine"}, target={"dataset": "mine"}
        )
        made(client, LOGIN, other)
        made(client, LOGIN, declared("mine", names={"source_connection": "s", "target_connection": "t"},
                                     target={"dataset": "d"}))  # fmt: skip
        found = take_down(client, "mine", extent=Extent(dataset=True, schema=True))
        assert [(one.kind.kind, one.name) for one in found.goes] == [
            ("flow", "mine"), ("source connection", "s"), ("target connection", "t"), ("dataset", "d"), ("schema", "mine"),
            ("field group", "mine columns"),
        ]  # fmt: skip
        assert there(client)["dataset"] == ["mine"]

    def test_a_dataset_that_the_dataflow_leads_to_no_longer_stays(self, client: AepClient) -> None:
        """Its rows may be all that is left of what was loaded before."""
        made(client, LOGIN, declared())
        (old,) = flow_service_listing(client, "targetConnections")
        flow_service.delete(client, "flows", enabled(client, "incidents"))
        flow_service.delete(client, "targetConnections", old["id"])
        now = declared(target={"dataset": "rows", "existing_schema": "incidents"},
                       mapping=[{"source": "sys_id", "destination": "_id"}])  # fmt: skip
        made(client, LOGIN, now)
        take_down(client, "incidents", extent=Extent(dataset=True))
        assert there(client)["dataset"] == ["incidents"]
        take_down(client, "incidents", extent=Extent(dataset=True))
        assert "dataset" not in there(client)

    def test_earlier_generations_only_if_asked(self, client: AepClient) -> None:
        made(client, LOGIN, declared(shape="recurring", recurrence={"frequency": "day", "interval": 1}))
        enabled(client, "incidents")
        made(
            client, LOGIN, declared(shape="recurring", recurrence={"frequency": "week", "interval": 1}),
            if_exists=IfExists.UPDATE, accept=True,
        )  # fmt: skip
        assert len(there(client)["flow"]) == 2
        with pytest.raises(
            AepConfigError, match=r"target connection 'incidents'.*used by the flow.*--all-generations takes"
        ):
            look(client, "incidents", extent=Extent(dataset=True))
        found = take_down(client, "incidents")
        assert kinds(found) == ["flow"]
        assert "--all-generations takes" in reasons(found)["source connection", "incidents"]
        (before,) = there(client)["flow"]
        assert before.startswith("incidents (replaced ")
        found = take_down(client, "incidents", extent=EVERYTHING)
        assert kinds(found)[:1] == ["flow"]
        assert there(client).keys() <= {"base connection"}

    def test_two_equal_ones_both_go(self, client: AepClient) -> None:
        made(client, LOGIN, declared())
        (flow,) = flow_service.named(client, "flows", "incidents")
        body = {key: flow[key] for key in ("name", "description", "flowSpec", "sourceConnectionIds", "targetConnectionIds",
                                           "transformations", "scheduleParams", "options")}  # fmt: skip
        flow_service.create(client, "flows", body)
        assert kinds(take_down(client, "incidents")).count("flow") == 2


class TestOfOthers:
    def test_nothing_of_theirs_is_touched(self, client: AepClient, wire: Any) -> None:
        made(client, LOGIN, declared())
        enabled(client, "incidents")
        for kind in ("flows", "sourceConnections", "targetConnections", "connections"):
            (one,) = flow_service_listing(client, kind)
            theirs(client, kind, str(one["id"]))
        wire.seen.clear()
        found = look(client, "incidents", extent=Extent(base_connection=True))
        assert found.goes == ()
        assert [(one.kind.kind, one.foreign) for one in found.stays] == [("flow", True)]
        assert {seen.method for seen in wire.seen} == {"GET"}

    def test_ours_goes_and_theirs_stays(self, client: AepClient) -> None:
        made(client, LOGIN, declared())
        (source,) = flow_service_listing(client, "sourceConnections")
        theirs(client, "sourceConnections", source["id"])
        found = take_down(client, "incidents")
        assert kinds(found) == ["flow", "target connection"]
        assert [one.name for one in found.stays if one.foreign] == ["incidents"]
        assert there(client)["source connection"] == ["incidents"]

    def test_what_was_edited_by_hand_is_still_ours(self, client: AepClient) -> None:
        made(client, LOGIN, declared(shape="recurring"))
        flow_id = enabled(client, "incidents")
        document = flow_service.read(client, "flows", flow_id)
        edit = [{"op": "replace", "path": "/scheduleParams/interval", "value": 45}]
        flow_service.patch(client, "flows", flow_id, document["etag"], edit)
        assert kinds(take_down(client, "incidents"))[0] == "flow"


def flow_service_listing(client: AepClient, collection: str) -> list[dict[str, Any]]:
    return list(client.get(f"{FLOW_SERVICE}/{collection}").body["items"])


def theirs(client: AepClient, collection: str, object_id: str) -> None:
    """Let somebody else have made it."""
    document = flow_service.read(client, collection, object_id)
    change = [{"op": "replace", "path": "/description", "value": "theirs"}]
    flow_service.patch(client, collection, object_id, document["etag"], change)


class TestRuns:
    def test_a_run_under_way_is_awaited(self, client: AepClient, platform: Any, wire: Any) -> None:
        dataflow = OnDemand(client, platform)
        dataflow.post(dataflow.day(1, 3))
        wire.seen.clear()
        take_down(client, "incidents")
        calls = [f"{seen.method} {seen.path.rsplit('/', 1)[-1]}" for seen in wire.seen if "/flows/" in seen.path]
        assert "POST action" in calls
        assert calls.index("POST action") < len(calls) - 1
        assert calls[-1].startswith("DELETE")
        runs = [run for run in dataflow.runs() if run["flowId"] == dataflow.flow_id]
        assert all(run["metrics"]["statusSummary"]["status"] == "success" for run in runs)

    def test_one_that_does_not_end_is_told(self, client: AepClient, wire: Any) -> None:
        made(client, LOGIN, declared())
        flow_id = enabled(client, "incidents")
        wire.answer("GET", "/runs", {"items": [{"id": "r", "flowId": flow_id, "metrics": {}}]})
        found = look(client, "incidents")
        with pytest.raises(AepRunTimeoutError, match="disabled and to be deleted, but its run r has not ended"):
            carry_out(client, found.goes, patience=QUICK, timeout=0.1)
        assert flow_service.read(client, "flows", flow_id)["state"] == "disabled"
        assert not [seen for seen in wire.seen if seen.method == "DELETE"]

    def test_a_flow_that_is_being_made_is_awaited(self, client: AepClient, wire: Any) -> None:
        made(client, LOGIN, declared())
        found = look(client, "incidents")
        flow = flow_service.read(client, "flows", found.goes[0].id)
        wire.answer("GET", found.goes[0].id, {"items": [{**flow, "state": "initializing"}]}, times=3)
        wire.seen.clear()
        carry_out(client, found.goes, patience=QUICK, timeout=20)
        assert [seen.method for seen in wire.seen].index("POST") > 3
        assert "flow" not in there(client)

    def test_what_is_gone_meanwhile_is_no_error(self, client: AepClient) -> None:
        spec = declared()
        made(client, LOGIN, spec)
        enabled(client, "incidents")
        found = look(client, spec, extent=EVERYTHING)
        take_down(client, spec, extent=EVERYTHING)
        said: list[str] = []
        carry_out(client, found.goes, patience=QUICK, timeout=20, progress=said.append)
        assert len(said) == len(found.goes)
        assert all(text.startswith("gone already: the ") for text in said)

    def test_a_use_that_ends_is_awaited(self, client: AepClient, wire: Any) -> None:
        """AEP may end a deletion later than it answers it."""
        made(client, LOGIN, declared())
        found = look(client, "incidents")
        problem = {"type": "https://ns.adobe.com/aep/errors/FLOW-1418-400", "status": 400, "title": "in use"}
        wire.answer("DELETE", found.goes[1].id, problem, status=400, times=2)
        carry_out(client, found.goes, patience=QUICK, timeout=20)
        assert "source connection" not in there(client)

    def test_any_other_refusal_is_told_at_once(self, client: AepClient, wire: Any) -> None:
        made(client, LOGIN, declared())
        found = look(client, "incidents")
        problem = {"type": "https://ns.adobe.com/aep/errors/FLOW-1416-400", "status": 400, "title": "no"}
        wire.answer("DELETE", found.goes[1].id, problem, status=400, times=1)
        with pytest.raises(AepInvalidRequestError, match="1416"):
            carry_out(client, found.goes, patience=QUICK, timeout=20)
        assert "target connection" in there(client)

    def test_rows_stay_without_the_dataset_and_go_with_it(self, client: AepClient, platform: Any) -> None:
        dataflow = OnDemand(client, platform)
        dataflow.run(dataflow.day(1, 3))
        take_down(client, "incidents")
        assert dataflow.keys() == ["a1", "a2", "a3"]
        assert there(client)["dataset"] == ["incidents"]
        take_down(client, "incidents", extent=Extent(dataset=True))
        assert dataflow.keys() == []


class Killed(BaseException):
    """The process is no more."""


class MortalClient(AepClient):
    """
    Dies at one of its requests.

    :param arrived: whether that request is still carried out.
    """

    arrived = False
    dies_at = 0
    counter = itertools.count(1)

    def dies(self, at: int, *, arrived: bool) -> None:
        self.counter, self.dies_at, self.arrived = itertools.count(1), at, arrived

    def request(self, method: str, path: str, **options: Any) -> Answer:
        mine = next(self.counter) == self.dies_at
        if mine and not self.arrived:
            raise Killed
        answer = super().request(method, path, **options)
        if mine:
            raise Killed
        return answer


_orgs = itertools.count(1)


@pytest.fixture
def new_client(platform: Any) -> Iterator[Callable[[], MortalClient]]:
    """Each call is an organisation of its own."""
    clients: list[MortalClient] = []

    def make() -> MortalClient:
        values = {"ims_org_id": f"{os.getpid():X}D{next(_orgs):08d}@AdobeOrg", "client_id": "tester"}
        settings = AepSettings.parse(
            gateway=platform.url, token_url=f"{platform.url}/ims/token/v3", client_secret="p8e-client-secret", **values
        )
        clients.append(MortalClient(settings, sleep=lambda _: None))
        return clients[-1]

    yield make
    for each in clients:
        each.close()


@pytest.mark.slow
@pytest.mark.parametrize("arrived", [False, True])
@pytest.mark.parametrize("by_spec", [True, False])
def test_killed_at_any_request_and_repeated_nothing_is_left(
    new_client: Callable[[], MortalClient], arrived: bool, by_spec: bool
) -> None:
    named = {"target": {"dataset": "rows"}, "names": {"source_connection": "s", "target_connection": "t"}}
    spec = declared(**(named if by_spec else {}))
    extent = EVERYTHING if by_spec else Extent(dataset=True, schema=True)
    left: dict[int, Any] = {}
    for point in itertools.count(1):
        client = new_client()
        made(client, LOGIN, spec)
        enabled(client, "incidents")
        client.dies(point, arrived=arrived)
        try:
            take_down(client, spec if by_spec else "incidents", extent=extent)
        except Killed:
            client.dies(0, arrived=arrived)
            take_down(client, spec if by_spec else "incidents", extent=extent)
        else:
            assert point > 15
            break
        if found := there(client):
            left[point] = found
    base = {"base connection": ["ServiceNow via aep_source_servicenow"]}
    assert {point: found for point, found in left.items() if by_spec or found != base} == {}


class TestCommand:
    SPEC = """\
name: incidents
source: servicenow
source_conn_id: aep_source_servicenow
table: incident
delta_column: sys_updated_at
target: {dataset: rows}
"""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        specs = tmp_path / "dataflows"
        specs.mkdir()
        (specs / "incidents.yaml").write_text(self.SPEC)
        return specs

    @pytest.fixture
    def command(self, aep: Any, no_waits: None, capsys: Any, monkeypatch: Any, folder: Path) -> Any:
        monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
        monkeypatch.setattr("aep_provider.cli.destroy.Patience", lambda: QUICK)

        def run(*names: str, **given: Any) -> tuple[int, str, str]:
            flags = (
                "dry_run",
                "yes",
                "with_dataset",
                "with_schema",
                "with_base_connection",
                "orphans",
                "all_generations",
            )
            defaults: Mapping[str, Any] = {**dict.fromkeys(flags, False), "sandbox": None, "conn_id": None}
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                command_destroy(Namespace(**{**defaults, "names": list(names), "specs": str(folder), **given}))
            return int(ended.value.code or 0), *capsys.readouterr()

        return run

    @pytest.fixture
    def spec(self) -> DataflowSpec:
        return declared(target={"dataset": "rows"})

    def test_a_dry_run_sends_no_more_than_gets(self, command: Any, client: AepClient, spec: Any, aep: Any) -> None:
        made(client, LOGIN, spec)
        before = there(client)
        aep.seen.clear()
        status, out, err = command("incidents", dry_run=True, with_dataset=True)
        assert (status, err) == (0, "")
        assert {seen.method for seen in aep.seen if "/ims/" not in seen.path} == {"GET"}
        assert there(client) == before
        lines = out.splitlines()
        assert [line[:23].strip().split("  ", 1) for line in lines[1:5]] == [
            ["1", "flow"], ["2", "source connection"], ["3", "target connection"], ["4", "dataset"],
        ]  # fmt: skip
        assert lines[4].endswith(", with its rows")
        assert "stays  mapping set" in out

    def test_yes(self, command: Any, client: AepClient, spec: Any) -> None:
        made(client, LOGIN, spec)
        status, out, err = command(
            "incidents", yes=True, with_dataset=True, with_schema=True, with_base_connection=True
        )
        assert (status, err, there(client)) == (0, "", {})
        assert "deleted the flow incidents" in out
        status, out, err = command("incidents", yes=True)
        assert (status, err) == (0, "")
        assert "There is nothing of 'incidents' in the sandbox" in out

    @pytest.mark.parametrize(
        ("terminal", "answer", "status"), [(False, "prod", 1), (True, "prod", 0), (True, "yes", 1)]
    )
    def test_the_question(
        self, command: Any, client: AepClient, spec: Any, monkeypatch: Any, terminal: bool, answer: str, status: int
    ) -> None:
        made(client, LOGIN, spec)
        monkeypatch.setattr("sys.stdin.isatty", lambda: terminal, raising=False)
        monkeypatch.setattr("builtins.input", lambda _: answer)
        assert command("incidents")[0] == status
        assert ("flow" in there(client)) is bool(status)

    def test_what_changes_while_it_asks_is_looked_at_again(
        self, command: Any, client: AepClient, spec: Any, monkeypatch: Any
    ) -> None:
        made(client, LOGIN, spec)

        def change(_: str) -> str:
            made(client, LOGIN, declared("two", target={"dataset": "rows", "existing_schema": "incidents"},
                                         names={"target_connection": "incidents"},
                                         mapping=[{"source": "sys_id", "destination": "_id"}]))  # fmt: skip
            return "prod"

        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("builtins.input", change)
        status, _, err = command("incidents")
        assert (status, "changed meanwhile" in err) == (1, True)
        assert there(client)["flow"] == ["incidents", "two"]

    def test_somebody_elses_is_told_with_how_to_do_it_by_hand(self, command: Any, client: AepClient) -> None:
        made(client, LOGIN, declared("theirs"))
        flow_id = enabled(client, "theirs")
        for kind in ("flows", "sourceConnections", "targetConnections"):
            (one,) = flow_service_listing(client, kind)
            theirs(client, kind, one["id"])
        status, out, err = command("theirs", yes=True)
        assert status == 1
        assert f"disable it, wait for its runs, then DELETE {FLOW_SERVICE}/flows/{flow_id}" in err
        assert "somebody else made it; by hand: disable it" in out
        assert there(client)["flow"] == ["theirs"]
        made(client, LOGIN, declared("ours"))
        status, _, err = command("ours", "theirs", yes=True)
        assert (status, "made by somebody else" in err, there(client)["flow"]) == (1, True, ["theirs"])

    def test_the_command_line_gives_what_it_takes(self) -> None:
        from airflow.cli import cli_parser

        given = vars(cli_parser.get_parser().parse_args(["aep", "destroy", "a", "b", "--dry-run", "--with-schema"]))
        wanted = {
            "names": ["a", "b"], "dry_run": True, "with_schema": True, "with_dataset": False, "with_base_connection": False,
            "all_generations": False, "orphans": False, "yes": False, "sandbox": None, "conn_id": None, "specs": None,
        }  # fmt: skip
        assert {key: given[key] for key in wanted} == wanted

    def test_a_dataflow_that_no_file_declares(self, command: Any, client: AepClient) -> None:
        made(client, LOGIN, declared("other"))
        assert command("other", yes=True)[0] == 0
        assert "flow" not in there(client)

    def test_orphans(self, command: Any, client: AepClient, spec: Any) -> None:
        made(client, LOGIN, spec)
        made(client, LOGIN, declared("forgotten"))
        status, out, _ = command(orphans=True, yes=True)
        assert status == 0
        assert "stays  dataset           forgotten" in out
        assert there(client)["flow"] == ["incidents"]
        assert there(client)["dataset"] == ["forgotten", "rows"]
        status, out, _ = command(orphans=True, yes=True, with_schema=True)
        assert (status, there(client)["schema"]) == (0, ["forgotten", "incidents"])
        assert "which --with-dataset takes) uses it" in out
        status, _, _ = command(orphans=True, yes=True, with_dataset=True, with_schema=True, with_base_connection=True)
        assert (status, there(client)["dataset"], there(client)["schema"]) == (0, ["rows"], ["incidents"])
        assert there(client)["base connection"] == ["ServiceNow via aep_source_servicenow"]
        assert "There is nothing to take down." in command(orphans=True, yes=True)[1]

    def test_orphans_cannot_be_told_without_all_files(self, command: Any, client: AepClient, folder: Path) -> None:
        made(client, LOGIN, declared("forgotten"))
        (folder / "broken.yaml").write_text("source: [")
        status, _, err = command(orphans=True, yes=True)
        assert (status, "broken.yaml" in err) == (1, True)
        for path in folder.iterdir():
            path.unlink()
        status, _, err = command(orphans=True, yes=True)
        assert (status, "everything would be orphaned" in err) == (1, True)
        assert there(client)["flow"] == ["forgotten"]

    def test_orphans_cannot_be_told_without_all_plans(self, command: Any, client: AepClient, folder: Path) -> None:
        made(client, LOGIN, declared("forgotten"))
        text = self.SPEC.replace("source_conn_id: aep_source_servicenow", "base_connection: missing")
        (folder / "other.yaml").write_text(text.replace("incidents", "other"))
        status, _, err = command(orphans=True, yes=True)
        assert (status, "no base connection 'missing'" in err) == (1, True)
        assert there(client)["flow"] == ["forgotten"]

    def test_what_an_attempt_left_is_found_by_the_names_in_the_file(
        self, command: Any, client: AepClient, folder: Path
    ) -> None:
        names = {"source_connection": "s", "target_connection": "t"}
        (folder / "incidents.yaml").write_text(self.SPEC + "names: {source_connection: s, target_connection: t}\n")
        made(client, LOGIN, declared(target={"dataset": "rows"}, names=names))
        flow_service.delete(client, "flows", enabled(client, "incidents"))
        assert command("incidents", yes=True, with_base_connection=True)[0] == 0
        assert there(client).keys() == {"dataset", "schema", "field group"}

    def test_ctrl_c(self, command: Any, client: AepClient, spec: Any, monkeypatch: Any) -> None:
        def interrupted(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        made(client, LOGIN, spec)
        monkeypatch.setattr("aep_provider.cli.destroy.carry_out", interrupted)
        status, _, err = command("incidents", yes=True)
        assert (status, "do it again" in err) == (1, True)

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"names": []}, "Name the dataflows"),
            ({"names": ["a"], "specs": "/nowhere"}, "no folder /nowhere"),
            ({"names": ["incidents", "others"]}, "--sandbox"),
            ({"names": ["incidents", "thirds"]}, "--conn-id"),
        ],
    )
    def test_what_is_asked_wrongly(self, command: Any, aep: Any, folder: Path, given: Any, told: str) -> None:
        (folder / "others.yaml").write_text(self.SPEC.replace("incidents", "others") + "sandbox: stage\n")
        (folder / "thirds.yaml").write_text(self.SPEC.replace("incidents", "thirds") + "aep_conn_id: other\n")
        status, _, err = command(**given)
        assert (status, told in err, aep.seen) == (1, True, [])

    def test_another_sandbox(self, command: Any, client: AepClient, spec: Any, aep: Any) -> None:
        made(client, LOGIN, spec)
        assert command("incidents", sandbox="stage", yes=True)[0] == 0
        assert there(client)["flow"] == ["incidents"]
