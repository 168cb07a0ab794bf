"""
What nobody knows of AEP is a switch of the local platform; under each setting of each the client is right, or refuses with
a message that a test shows.

Counted is what is there when everything is listed: never two of one kind.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from aep_local.core.settings import Assumptions
from aep_provider.dataflows.ensured import Ensured
from aep_provider.errors import AepConfigError, AepDifferenceError, AepError
from aep_provider.platform.client import AepClient
from aep_provider.resources import flow_service, mapping_set
from aep_provider.resources.authentication import SourceLogin, credentials
from aep_provider.resources.connection import BaseConnection, test_connection
from aep_provider.resources.connectors import CONNECTORS, connector
from aep_provider.resources.ensure import Patience, ensure
from aep_provider.resources.flow_spec import find_flow_spec
from aep_provider.resources.flow_state import state_of
from aep_provider.resources.lifecycle import delete_flow
from aep_provider.resources.resource import Action, IfExists, Outcome
from aep_provider.resources.run import read_run, runs_of
from aep_provider.resources.run_looks import Filters, look_for
from aep_provider.resources.run_wait import Awaited, Kind, RunWait
from aep_provider.resources.window import Window
from aep_provider.resources.window_run import WindowRequest, start_window
from aep_provider.verdict import RunState, Verdict, judge

from .made import SHAPES, declared, made

T = TypeVar("T")

NUMBERS = {
    "start_time_skew": ["600"],
    "page_size": ["1", "100"],
    "validation_lag_seconds": ["300"],
    "listing_lag_seconds": ["300"],
    "run_appears_after_seconds": ["0", "1000"],
}
"""Of switches that are numbers, the settings beside the default that are tried; seconds are a thousandth here."""
HOSTILE = (
    "name_filter=empty", "duplicate_names=refused", "listing_lag_seconds=100", "page_size=1",
    "continuation=position_only", "filter_case=insensitive", "run_window_filter=empty", "secrets_in_answers=absent",
    "run_statuses=capitalised", "post_runs_answer=run", "once_flow_patch=refused",
)  # fmt: skip
"""Much that is not as expected, at once."""
OF_FLOWS = (
    "failed_", "listing_lag", "once_", "post_runs", "retrigger", "run_", "runs_", "sample_", "start_time", "validation",
    "window_",
)  # fmt: skip
"""How switches begin that are about flows and their runs."""
MADE = [
    "connections", "sourceConnections", "fieldgroups", "schemas", "dataSets", "targetConnections", "mappingSets", "flows",
]  # fmt: skip
ONE_EACH = dict.fromkeys(MADE, 1)
HOST = "https://dev1.service-now.example"
SERVICENOW = connector("servicenow")
FEWER = [{"source": "sys_id", "destination": "_id"}]
JANUARY = Window(1_767_225_600, 1_769_904_000)
DEADLINE_SECONDS = 20


def settings_of(switch: str) -> list[str]:
    """Every setting of a switch as the platform tells them, its default first."""
    told = Assumptions.model_json_schema()["properties"][switch]
    default = str(told["default"])
    return [default, *(value for value in told.get("enum", NUMBERS.get(switch, [])) if value != default)]


def settings() -> list[Any]:
    """None, and each that is no default; in the quick loop the worst of them together."""
    each = [f"{switch}={setting}" for switch in Assumptions.model_fields for setting in settings_of(switch)[1:]]
    alone = [pytest.param((one,), id=one, marks=pytest.mark.thorough) for one in each]
    return [pytest.param(HOSTILE, id="hostile"), pytest.param((), id="as expected", marks=pytest.mark.slow), *alone]


def test_no_switch_is_left_out() -> None:
    untried = [switch for switch in Assumptions.model_fields if len(settings_of(switch)) < 2]
    assert untried == []


class Notes:
    """A memory; what it holds crosses a database as JSON."""

    def __init__(self) -> None:
        self.note: str | None = None

    def recall(self) -> Any:
        return json.loads(self.note) if self.note else None

    def remember(self, note: Any) -> None:
        self.note = json.dumps(note)


class World:
    """One platform with one login to one source system, and the dataflow that somebody wants there."""

    def __init__(self, client: AepClient, wire: Any, listed: Any, password: str, tables: Path) -> None:
        self.client, self.wire, self.listed, self.password, self.tables = client, wire, listed, password, tables
        params = {"endpoint": HOST, "username": "ann", "password": password}
        self.auth = {"specName": "Basic Authentication", "params": params}
        self._notes: dict[str, Notes] = {}

    def notes(self, kind: str) -> Notes:
        return self._notes.setdefault(kind, Notes())

    def login(self, password: str | None = None, host: str = HOST) -> SourceLogin:
        return SourceLogin("aep_source_servicenow", host, "ann", password or self.password)

    def base(self, password: str | None = None, host: str = HOST, **options: Any) -> Outcome:
        found = credentials(self.client, SERVICENOW, self.login(password, host))
        resource = BaseConnection(self.client, name="incidents", connector=SERVICENOW, credentials=found)
        return ensure(resource, memory=self.notes("base connection"), **options)

    def make(self, shape: str, if_exists: str = "reuse", name: str = "incidents", **changes: Any) -> Ensured:
        """From the base connection to the flow, which is waited for until it rests."""
        self.base()
        access = {"base_connection": "incidents", "source_conn_id": "aep_source_servicenow"}
        spec = declared(name, shape, **{**access, **changes})
        one = made(
            self.client, self.login(), spec, if_exists=IfExists(if_exists), memory_for=lambda kind, _: self.notes(kind)
        )
        until(lambda: state_of(self.client, one.flow_id) == "enabled")
        return one

    def there(self) -> dict[str, int]:
        """How many of each kind there are. What was made last is listed last, so whatever lists lack has come by then."""
        body = {"name": "the last", "connectionSpec": {"id": SERVICENOW.spec_id}, "auth": self.auth}
        last, _ = flow_service.create(self.client, "connections", body)
        until(lambda: last in self.listed(self.client)["connections"])
        flow_service.delete(self.client, "connections", last)
        return {kind: len(ids) for kind, ids in self.listed(self.client).items()}

    def first_run(self, chain: Ensured, shape: str) -> Verdict:
        """Watch the first run to its end; an on-demand flow is given a window."""
        if shape == "on_demand":
            window = WindowRequest(chain.flow_id, JANUARY, delta_column="sys_updated_at")
            started = start_window(self.client, window, memory=Notes(), patience=Patience(3, 0.05))
            return until(lambda: ended(read_run(self.client, started.run_id)))
        return until(lambda: next(filter(None, map(ended, runs_of(self.client, chain.flow_id)[-1:])), None))


def ended(run: dict[str, Any]) -> Verdict | None:
    verdict = judge(run)
    return verdict if verdict.state.has_ended else None


def until(condition: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (held := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return held


@pytest.fixture
def in_world(
    start_platform: Callable[..., Any], make_wire: Any, make_client: Callable[..., AepClient], tmp_path: Path,
    secrets: list[str], listed: Any, monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., World]:  # fmt: skip
    """Start a platform that assumes something, with accounts of its own."""
    monkeypatch.setattr("aep_provider.resources.ensure.Patience", lambda: Patience(0.6, 0.05))
    logins = [{"endpoint": HOST, "username": "ann", "password": password} for password in secrets[1:]]
    accounts = {
        "organisations": [{"id": "ACME@AdobeOrg", "tenant": "acme"}],
        "clients": [{"id": "robot", "secret": secrets[0], "organisation": "ACME@AdobeOrg"}],
        "source_credentials": [{"connector": "service-now", "params": login} for login in logins],
    }
    file = tmp_path / "accounts.json"
    file.write_text(json.dumps(accounts))

    def start(*assume: str) -> World:
        arguments = [part for setting in assume for part in ("--assume", setting)]
        platform = start_platform("--time-scale", "0.001", "--accounts", str(file), *arguments)
        wire = make_wire(platform)
        client = make_client(wire.url, ims_org_id="ACME@AdobeOrg", client_id="robot", client_secret=secrets[0])
        return World(client, wire, listed, secrets[1], platform.state.parent / "tables")

    return start


def dataflows() -> list[Any]:
    """Each setting with each shape of a dataflow; those that say nothing of flows and their runs with one of them in turn."""
    found = []
    for number, setting in enumerate(settings()):
        (assume,) = setting.values
        alike = len(assume) == 1 and not assume[0].startswith(OF_FLOWS)
        for shape in [list(SHAPES)[number % len(SHAPES)]] if alike else SHAPES:
            slow = [] if shape == "recurring" else [pytest.mark.slow]
            found.append(pytest.param(assume, shape, id=f"{shape}-{setting.id}", marks=[*setting.marks, *slow]))
    return found


class TestUnderEachSetting:
    @pytest.mark.parametrize(("assume", "shape"), dataflows())
    def test_a_dataflow_from_its_first_request_to_its_deletion(
        self, in_world: Callable[..., World], assume: tuple[str, ...], shape: str
    ) -> None:
        world = in_world(*assume)
        for kind in MADE:
            world.wire.lose("POST", f"/{kind}", carried_out=True)
        chain = world.make(shape)
        assert world.there() == ONE_EACH
        assert world.make(shape).action is Action.REUSED

        self.see_it_run(world, chain, shape, assume)
        assert world.make(shape).action is Action.REUSED
        flow_id = self.change_the_mapping(world, chain, shape, assume)
        sets = 1 if shape == "one_time" else 2
        assert world.there() == ONE_EACH | {"mappingSets": sets}

        gone = delete_flow(world.client, flow_id, with_base_connection=True)
        assert [kind for kind, _ in gone.deleted] == [
            "flow",
            "source connection",
            "target connection",
            "base connection",
        ]
        assert (delete_flow(world.client, flow_id).deleted, gone.left) == ([], [])
        assert world.there() == dict.fromkeys(MADE, 0) | {
            "schemas": 1,
            "fieldgroups": 1,
            "dataSets": 1,
            "mappingSets": sets,
        }

    def see_it_run(self, world: World, chain: Ensured, shape: str, assume: tuple[str, ...]) -> None:
        if shape == "one_time" and "once_runs_by_itself=no" in assume:
            return  # shown below
        if shape == "on_demand" and "run_before_flow_start=refused" in assume:
            with pytest.raises(AepConfigError, match="AEP takes no run of this flow before the flow's start time"):
                world.first_run(chain, shape)
            return
        if "run_document_quirks=unknown_word" in assume:
            self.see_a_word_that_nobody_knows(world, chain, shape)
            return
        verdict = world.first_run(chain, shape)
        assert (verdict.state, verdict.rows_written) == (RunState.SUCCEEDED, 3)

    def see_a_word_that_nobody_knows(self, world: World, chain: Ensured, shape: str) -> None:
        """Neither success nor failure is made of it: whoever waits does so until time is up, and says what the word is."""
        if shape == "on_demand":
            window = WindowRequest(chain.flow_id, JANUARY, delta_column="sys_updated_at")
            start_window(world.client, window, memory=Notes(), patience=Patience(3, 0.05))
        until(lambda: any(judge(run).state is RunState.UNKNOWN for run in runs_of(world.client, chain.flow_id)))
        now = time.time()
        wait = RunWait(Awaited(flow_id=chain.flow_id, started=now, deadline=now))
        look_for(world.client, wait, Filters())
        ending = wait.ending(time.time())
        assert ending is not None
        assert (ending.kind, "FINALIZED_OK" in ending.message) == (Kind.TIMEOUT, True)

    def change_the_mapping(self, world: World, chain: Ensured, shape: str, assume: tuple[str, ...]) -> str:
        """Only flows that recur can be changed; of others AEP's texts show no change, so that a new one takes their place."""
        with pytest.raises(AepDifferenceError, match=r"mapping.*if_exists='update'"):
            world.make(shape, mapping=FEWER)
        if shape == "one_time":
            return chain.flow_id
        if shape == "on_demand" and "run_document_quirks=unknown_word" in assume:
            with pytest.raises(AepError, match="is disabled and to be replaced, but its run"):
                world.make(shape, if_exists="update", mapping=FEWER, policy={"timeout": 1})
            return chain.flow_id
        changed = world.make(shape, if_exists="update", mapping=FEWER)
        document = flow_service.read(world.client, "flows", changed.flow_id)
        if shape == "recurring":
            assert (changed.action, changed.flow_id) == (Action.CREATED, chain.flow_id)
        else:
            assert (changed.earlier_flow_ids, changed.created) == ([chain.flow_id], ["mapping set", "flow"])
            delete_flow(world.client, chain.flow_id)
        (mapping,) = (part["params"] for part in document["transformations"] if part["name"] == "Mapping")
        (field,) = mapping_set.read(world.client, mapping["mappingId"])["mappings"]
        assert field["destination"] == "_id"
        assert world.make(shape, mapping=FEWER).action is Action.REUSED
        return changed.flow_id

    @pytest.mark.slow
    @pytest.mark.parametrize("assume", [one for one in settings() if not str(one.id).startswith(OF_FLOWS)])
    def test_new_credentials(
        self, in_world: Callable[..., World], assume: tuple[str, ...], secrets: list[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        """Wrong ones never replace right ones, and nothing on which they were tried is left."""
        caplog.set_level("DEBUG")
        world = in_world(*assume)
        base = world.base()
        assert world.base(secrets[2], if_exists="update").id == base.id
        test_connection(world.client, base.id)
        with pytest.raises(AepConfigError, match="cannot log in") as refused:
            world.base("a-wrong-password", if_exists="update")
        test_connection(world.client, base.id)
        assert world.base().action is Action.REUSED
        assert world.there()["connections"] == 1
        told = caplog.text + str(refused.value)
        assert [secret for secret in (*secrets, "a-wrong-password") if secret in told] == []


def every(switch: str) -> list[str]:
    return [f"{switch}={setting}" for setting in settings_of(switch)]


@pytest.mark.slow
@pytest.mark.parametrize("assume", [*every("test_bad_credentials"), *every("credentials_checked_at_create")])
def test_credentials_that_never_were_right(in_world: Callable[..., World], assume: str) -> None:
    """They are told of when they are sent or when they are tried, in the same words."""
    world = in_world(assume)
    with pytest.raises(AepConfigError, match="cannot log in to the source system") as refused:
        test_connection(world.client, world.base("a-wrong-password").id)
    assert "a-wrong-password" not in str(refused.value)
    assert world.there()["connections"] == (assume != "credentials_checked_at_create=yes")


@pytest.mark.slow
@pytest.mark.parametrize("assume", every("secrets_in_answers"))
def test_another_address_is_told_without_any_secret(
    in_world: Callable[..., World], assume: str, secrets: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    world = in_world(assume)
    world.base()
    with pytest.raises(AepDifferenceError, match=r"address\.endpoint.*elsewhere") as refused:
        world.base(host="https://elsewhere.example")
    assert [secret for secret in secrets if secret in caplog.text + str(refused.value)] == []


@pytest.mark.slow
@pytest.mark.parametrize("assume", every("duplicate_names"))
def test_a_trial_that_was_killed_is_not_in_the_way(
    in_world: Callable[..., World], assume: str, secrets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = in_world(assume)
    base = world.base()

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("aep_provider.resources.connection.test_connection", die)
        patch.setattr("aep_provider.resources.flow_service.delete", die)
        with pytest.raises(KeyboardInterrupt):
            world.base(secrets[2], if_exists="update")
    assert world.there()["connections"] == 2
    assert world.base(secrets[2], if_exists="update").id == base.id
    test_connection(world.client, base.id)
    assert world.there()["connections"] == 1


@pytest.mark.slow
def test_names_that_must_be_unique_and_are_taken_by_something_else(in_world: Callable[..., World]) -> None:
    """A name that is taken where we do not look for it is told as such, and nothing is made."""
    world = in_world("duplicate_names=refused")
    base = world.base()
    other = {"endpoint": HOST, "username": "ann", "password": "p-secret"}
    spec = {"id": connector("salesforce").spec_id}
    auth = {"specName": "Basic Authentication", "params": other | {"securityToken": "t-secret"}}
    theirs, _ = flow_service.create(
        world.client, "connections", {"name": "theirs", "connectionSpec": spec, "auth": auth}
    )
    flow_service.create(
        world.client,
        "sourceConnections",
        {"name": "incidents", "baseConnectionId": theirs, "connectionSpec": spec, "data": {"format": "tabular"},
         "params": {"tableName": "incident", "columns": [{"name": "sys_id", "type": "string", "xdm": {"type": "string"}}]}},
    )  # fmt: skip
    with pytest.raises(AepDifferenceError, match=r"source connection 'incidents' .* with another definition"):
        world.make("recurring")
    assert base.id
    assert world.there()["sourceConnections"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("assume", every("connectors_in_flow_spec"))
def test_sources_that_the_flow_specification_does_not_serve(in_world: Callable[..., World], assume: str) -> None:
    world = in_world(assume)
    served = find_flow_spec(world.client).document["sourceConnectionSpecIds"]
    refused = [one for one in CONNECTORS.values() if one.spec_id not in served]
    assert (refused == []) == (assume == "connectors_in_flow_spec=all")
    for one in refused:
        with pytest.raises(AepConfigError, match=f"does not serve {one.title} .*1413"):
            world.make("recurring", source=one.key, source_conn_id=None)
    assert world.there() == dict.fromkeys(MADE, 0) | {"connections": len(refused) > 0}


@pytest.mark.slow
def test_a_one_time_flow_that_never_runs(in_world: Callable[..., World]) -> None:
    """Where AEP does not run it by itself it stays empty, and takes no window that could come on top of a run of its own."""
    world = in_world("once_runs_by_itself=no")
    chain = world.make("one_time")
    recurring = world.make("recurring", name="others")
    assert world.first_run(recurring, "recurring").rows_written == 3
    assert runs_of(world.client, chain.flow_id) == []
    with pytest.raises(AepConfigError, match="AEP will load the whole table by itself"):
        world.first_run(chain, "on_demand")


@pytest.mark.thorough
@pytest.mark.parametrize("assume", [*every("run_statuses"), *every("failed_run_document")])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_first_run_that_fails(in_world: Callable[..., World], assume: str, shape: str) -> None:
    """It is seen to have failed, in whatever words and however little is told."""
    world = in_world(assume, "run_appears_after_seconds=2000")
    chain = world.make(shape)
    (world.tables / "incident.csv").unlink()
    verdict = world.first_run(chain, shape)
    assert verdict.state is RunState.FAILED
    assert not verdict.rows_written
    assert any("CONNECTOR-1001-500" in reason for reason in verdict.reasons)


@pytest.mark.thorough
@pytest.mark.parametrize("name_filter", every("name_filter"))
@pytest.mark.parametrize("continuation", every("continuation"))
def test_behind_pages_of_others(in_world: Callable[..., World], name_filter: str, continuation: str) -> None:
    """Lists are read to their last page, whatever a link to the next one carries."""
    world = in_world(name_filter, continuation)
    world.make("recurring")
    base = world.base().id
    columns = [{"name": "sys_id", "type": "string", "xdm": {"type": "string"}}]
    body = {
        "baseConnectionId": base, "connectionSpec": {"id": SERVICENOW.spec_id}, "data": {"format": "tabular"},
        "params": {"tableName": "incident", "columns": columns},
    }  # fmt: skip
    for number in range(101):
        flow_service.create(world.client, "sourceConnections", {"name": f"noise {number}", **body})
    assert world.make("recurring").action is Action.REUSED
    assert world.there() == ONE_EACH | {"sourceConnections": 102}


@pytest.mark.slow
@pytest.mark.parametrize("assume", every("start_time_skew"))
def test_a_start_that_has_passed(in_world: Callable[..., World], assume: str) -> None:
    """It is refused whether AEP would bear it or not, but for a flow that is there already."""
    world = in_world(assume)
    with pytest.raises(AepConfigError, match="in the past"):
        world.make("recurring", **starts(-60))
    assert world.there() == dict.fromkeys(MADE, 0) | {"connections": 1}
    one = world.make("recurring", **starts(60))
    assert world.make("recurring", **starts(-60)).flow_id == one.flow_id


def starts(seconds: float) -> dict[str, Any]:
    """A recurring flow that begins so many seconds from now."""
    start = datetime.fromtimestamp(time.time() + seconds, UTC).isoformat()
    return {"recurrence": {"frequency": "minute", "interval": 15, "start": start}}
