"""Each resource on the local platform: create, reuse, show a difference, update where AEP lets one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from aep_provider.errors import AepConfigError, AepDifferenceError, AepDuplicateError, AepError
from aep_provider.platform.client import AepClient
from aep_provider.resources import connection, flow_service, mapping_set
from aep_provider.resources.authentication import SourceLogin, credentials
from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.connectors import connector
from aep_provider.resources.dataset import Dataset
from aep_provider.resources.ensure import Patience, ensure
from aep_provider.resources.fingerprint import read_mark
from aep_provider.resources.flow import Flow, FlowDefinition
from aep_provider.resources.flow_spec import FlowSpec, find_flow_spec
from aep_provider.resources.flow_state import FlowState, set_state, state_of
from aep_provider.resources.mapping_set import MappingSet
from aep_provider.resources.resource import Action, Outcome, Resource
from aep_provider.resources.schema import DerivedFieldGroup, Schema, existing_schema, full_id, resolved, tenant_id
from aep_provider.resources.source_connection import SourceConnection
from aep_provider.resources.target_connection import TargetConnection
from aep_provider.resources.xdm import DerivedFields, field_paths

PROFILE = "https://ns.adobe.com/xdm/context/profile"
SERVICENOW = connector("servicenow")
LOGIN = SourceLogin("aep_source_servicenow", "https://dev1.service-now.example", "ann", "hunter2-of-the-source")
QUICK = Patience(settle_seconds=0.3, look_every_seconds=0.05)


def make_sure(resource: Resource, **options: Any) -> Outcome:
    return ensure(resource, patience=QUICK, **options)


class Chain:
    """The objects of one dataflow, from the bottom up; each is made sure of when it is asked for."""

    def __init__(self, client: AepClient, name: str = "incidents") -> None:
        self.client = client
        self.name = name
        self._made: dict[str, str] = {}
        self._columns: list[dict[str, Any]] = []
        self._tenant = ""

    def made(self, kind: str) -> str:
        """The id of the plain object of a kind."""
        if kind not in self._made:
            self._made[kind] = make_sure(self.resource(kind)).id
        return self._made[kind]

    def base_resource(self, login: SourceLogin = LOGIN, authentication: str | None = None) -> BaseConnection:
        found = credentials(self.client, SERVICENOW, login, authentication)
        return BaseConnection(self.client, name=self.name, connector=SERVICENOW, credentials=found)

    def base(self) -> str:
        return self.made("base")

    def columns(self) -> list[dict[str, Any]]:
        self._columns = self._columns or connection.table_columns(self.client, self.base(), "incident")
        return self._columns

    def source_resource(self, **changes: Any) -> SourceConnection:
        values = {"name": self.name, "connector": SERVICENOW, "table": "incident", **changes}
        values.setdefault("base_connection_id", self.base())
        values.setdefault("columns", self.columns())
        return SourceConnection(self.client, **values)

    def fields(self) -> DerivedFields:
        self._tenant = self._tenant or tenant_id(self.client)
        return DerivedFields(self._tenant, "incident", self.columns())

    def group_resource(self, **changes: Any) -> DerivedFieldGroup:
        values = {"title": f"{self.name} columns", "class_id": PROFILE, **changes}
        values.setdefault("fields", self.fields())
        return DerivedFieldGroup(self.client, **values)

    def schema_resource(self, **changes: Any) -> Schema:
        values = {"title": self.name, "class_id": PROFILE, **changes}
        if "field_groups" not in values:
            values["field_groups"] = [self.made("group")]
        return Schema(self.client, **values)

    def schema(self) -> str:
        return self.made("schema")

    def dataset_resource(self, **changes: Any) -> Dataset:
        values = {"name": self.name, **changes}
        values.setdefault("schema_id", self.schema())
        return Dataset(self.client, **values)

    def target_resource(self, **changes: Any) -> TargetConnection:
        values = {"name": self.name, **changes}
        values.setdefault("dataset_id", self.made("dataset"))
        values.setdefault("schema_id", self.schema())
        return TargetConnection(self.client, **values)

    def mapping_resource(self, **changes: Any) -> MappingSet:
        values = dict(changes)
        values.setdefault("schema_id", self.schema())
        values.setdefault("mappings", [{"source": c, "destination": p} for c, p in self.fields().paths().items()])
        return MappingSet(self.client, **values)

    def spec(self) -> FlowSpec:
        return find_flow_spec(self.client)

    def definition(self, **changes: Any) -> FlowDefinition:
        values: dict[str, Any] = {
            "name": self.name, "frequency": "minute", "interval": 15, "delta_column": "sys_updated_at",
            "delta_format": "yyyy-MM-dd HH:mm:ss", "start_time": int(time.time()) + 10**7, **changes,
        }  # fmt: skip
        if "source_connection_id" not in values:
            values["source_connection_id"] = self.made("source")
        if "target_connection_id" not in values:
            values["target_connection_id"] = self.made("target")
        if "mapping_set_id" not in values:
            values["mapping_set_id"] = self.made("mapping")
        return FlowDefinition(**values)

    def flow_resource(self, definition: FlowDefinition | None = None) -> Flow:
        return Flow(self.client, definition or self.definition(), self.spec())

    def resource(self, kind: str) -> Resource:
        made: Resource = getattr(self, f"{kind}_resource")()
        return made


@pytest.fixture
def chain(client: AepClient) -> Chain:
    return Chain(client)


KINDS = ["base", "source", "group", "schema", "dataset", "target", "mapping", "flow"]
POSTED = {
    "base": "connections", "source": "sourceConnections", "group": "fieldgroups", "schema": "schemas",
    "dataset": "dataSets", "target": "targetConnections", "mapping": "mappingSets", "flow": "flows",
}  # fmt: skip


A_FEW = pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[] if kind in ("base", "schema", "mapping") else pytest.mark.slow) for kind in KINDS],
    indirect=True,
)
"""All kinds, most of them only where there is time."""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestEveryKind:
    def test_it_is_created_once_with_our_mark_and_then_reused(
        self, chain: Chain, kind: str, wire: Any, listed: Any
    ) -> None:
        resource = chain.resource(kind)
        first = make_sure(resource)
        (found,) = resource.find()
        assert (first.action, found.id) == (Action.CREATED, first.id)
        assert found.mark is not None
        assert found.content == resource.content()
        before, posts = listed(chain.client), len(wire.created())
        second = make_sure(resource)
        assert (second.action, second.id) == (Action.REUSED, first.id)
        assert second.etag == first.etag or kind == "flow"
        assert listed(chain.client) == before
        assert len(wire.created()) == posts

    def test_a_lost_answer_makes_no_second_one(self, chain: Chain, kind: str, wire: Any, listed: Any) -> None:
        resource = chain.resource(kind)
        before = listed(chain.client)[POSTED[kind]]
        wire.lose("POST", f"/{POSTED[kind]}", carried_out=True)
        outcome = make_sure(resource)
        assert outcome.action is Action.CREATED
        assert listed(chain.client)[POSTED[kind]] - before == {outcome.id}

    @A_FEW
    def test_a_server_error_that_made_nothing_is_tried_again(
        self, chain: Chain, kind: str, wire: Any, listed: Any
    ) -> None:
        resource = chain.resource(kind)
        before = listed(chain.client)[POSTED[kind]]
        wire.lose("POST", f"/{POSTED[kind]}", carried_out=False, status=503)
        outcome = make_sure(resource)
        assert listed(chain.client)[POSTED[kind]] - before == {outcome.id}

    @A_FEW
    def test_an_answer_without_an_id_makes_no_second_one(self, chain: Chain, kind: str, wire: Any, listed: Any) -> None:
        resource = chain.resource(kind)
        before = listed(chain.client)[POSTED[kind]]
        wire.lose("POST", f"/{POSTED[kind]}", carried_out=True, status=200)
        outcome = make_sure(resource)
        assert listed(chain.client)[POSTED[kind]] - before == {outcome.id}

    @A_FEW
    @pytest.mark.parametrize("status", [401, 403, 500])
    def test_a_list_that_cannot_be_read_is_not_an_empty_one(
        self, chain: Chain, kind: str, wire: Any, status: int
    ) -> None:
        resource = chain.resource(kind)
        posts = len(wire.created())
        path = f"/{POSTED[kind]}"
        wire.lose("GET", path, carried_out=False, status=status, times=99)
        with pytest.raises(AepError):
            make_sure(resource)
        assert len(wire.created()) == posts

    @A_FEW
    def test_two_sandboxes_hold_one_each(
        self, chain: Chain, kind: str, wire: Any, make_client: Callable[..., AepClient]
    ) -> None:
        here = make_sure(chain.resource(kind))
        there = make_sure(Chain(make_client(wire.url, "stage")).resource(kind))
        assert (here.action, there.action) == (Action.CREATED, Action.CREATED)
        assert here.id != there.id
        assert make_sure(chain.resource(kind)).id == here.id


class TestTwoAtOnce:
    """Two workers look, see nothing, and create."""

    def both(self, wire: Any, make_client: Callable[..., AepClient], kind: str) -> list[Outcome]:
        chains = [Chain(make_client(wire.url)) for _ in range(2)]
        resources = [chain.resource(kind) for chain in chains]
        together = threading.Barrier(2, timeout=10)
        for resource in resources:
            _meet_before_creating(resource, together)
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(make_sure, resources))

    @pytest.mark.parametrize("kind", ["source", "dataset", "mapping"], indirect=True)
    def test_whoever_comes_next_takes_the_oldest_and_tells_of_the_other(
        self, kind: str, wire: Any, make_client: Callable[..., AepClient]
    ) -> None:
        made = {outcome.id for outcome in self.both(wire, make_client, kind)}
        assert len(made) == 2
        next_one, after = (make_sure(Chain(make_client(wire.url)).resource(kind)) for _ in range(2))
        assert next_one.action is Action.REUSED
        assert {next_one.id, *next_one.duplicates} == made
        assert after.id == next_one.id

    def test_dataflows_that_share_a_base_connection_agree_on_the_oldest(
        self, wire: Any, make_client: Callable[..., AepClient], listed: Any
    ) -> None:
        """Otherwise each would stand on one of its own, and new credentials would reach one of them."""
        clients = [make_client(wire.url) for _ in range(3)]
        resources = [Chain(client).base_resource() for client in clients]
        together = threading.Barrier(3, timeout=10)
        for resource in resources:
            _meet_around_the_post(resource, together)
        with ThreadPoolExecutor(3) as pool:
            outcomes = list(pool.map(make_sure, resources))
        assert wire.created() == ["connections"] * 3
        (one,) = listed(clients[0])["connections"]
        assert {outcome.id for outcome in outcomes} == {one}
        assert sorted(outcome.action for outcome in outcomes) == [Action.CREATED, Action.REUSED, Action.REUSED]

    def test_one_that_somebody_else_made_meanwhile_is_left_alone(self, chain: Chain, wire: Any, listed: Any) -> None:
        resource = chain.base_resource()
        create = resource.create

        def late(description: str) -> tuple[str, str | None]:
            flow_service.create(chain.client, "connections", {"name": chain.name, **resource.body()})
            return create(description)

        resource.create = late  # type: ignore[method-assign]
        assert make_sure(resource).action is Action.CREATED
        assert len(listed(chain.client)["connections"]) == 2
        with pytest.raises(AepDuplicateError, match="somebody else"):
            make_sure(chain.base_resource())

    def test_a_list_that_cannot_be_read_afterwards_loses_nothing(self, chain: Chain, wire: Any, listed: Any) -> None:
        resource = chain.base_resource()
        create = resource.create

        def unread(description: str) -> tuple[str, str | None]:
            wire.lose("GET", "/connections", carried_out=False, status=403)
            return create(description)

        resource.create = unread  # type: ignore[method-assign]
        assert {make_sure(resource).id} == listed(chain.client)["connections"]

    @pytest.mark.parametrize("kind", ["group", "schema"], indirect=True)
    def test_a_unique_title_leaves_one(self, kind: str, wire: Any, make_client: Callable[..., AepClient]) -> None:
        first, second = self.both(wire, make_client, kind)
        assert first.id == second.id
        assert {first.action, second.action} == {Action.CREATED, Action.REUSED}


def _meet_around_the_post(resource: BaseConnection, together: threading.Barrier) -> None:
    """All post after all have looked, and look again after all have posted."""
    post = resource._created

    def meet(body: Mapping[str, Any]) -> tuple[str, str | None]:
        together.wait()
        made = post(body)
        together.wait()
        return made

    resource._created = meet  # type: ignore[method-assign]


def _meet_before_creating(resource: Resource, together: threading.Barrier) -> None:
    create = resource.create

    def meet(description: str) -> tuple[str, str | None]:
        together.wait()
        return create(description)

    resource.create = meet  # type: ignore[method-assign]


class TestOnAFurtherPage:
    """Lists are read to their last page: what comes before are objects of other names."""

    @pytest.fixture
    def chain(self, platform: Any, make_client: Callable[..., AepClient]) -> Chain:
        """Without the wire, which would slow a hundred requests down."""
        return Chain(make_client(platform.url))

    @pytest.mark.slow
    def test_a_base_connection_behind_a_page_of_noise(self, chain: Chain) -> None:
        spec = {"id": SERVICENOW.spec_id, "version": "1.0"}
        auth = {
            "specName": "Basic Authentication",
            "params": {"endpoint": "https://x.example", "username": "u", "password": "p-secret"},
        }
        first = make_sure(chain.base_resource())
        for number in range(101):
            flow_service.create(
                chain.client, "connections", {"name": f"noise {number}", "connectionSpec": spec, "auth": auth}
            )
        found = [one["id"] for one in flow_service.flow_service_items(chain.client, "/connections")]
        assert len(found) == 102
        assert make_sure(chain.base_resource()).id == first.id

    @pytest.mark.slow
    def test_duplicates_on_two_pages_are_seen(self, chain: Chain) -> None:
        resource = chain.base_resource()
        description = "the same (airflow-aep sha256=" + "0" * 32 + ")"
        body = {"name": resource.name, "description": description, **resource.body()}
        made = [flow_service.create(chain.client, "connections", body)[0] for _ in range(102)]
        assert {one.id for one in resource.find()} == set(made)

    @pytest.mark.slow
    def test_a_dataset_behind_a_page_of_noise(self, chain: Chain) -> None:
        schema = chain.schema()
        first = make_sure(chain.dataset_resource())
        for number in range(101):
            chain.client.post(
                "/data/foundation/catalog/dataSets",
                json={
                    "name": f"noise {number}",
                    "schemaRef": {"id": schema, "contentType": "application/vnd.adobe.xed+json;version=1"},
                },
            )
        assert make_sure(chain.dataset_resource()).id == first.id


class TestWhatOthersMade:
    def made_by_hand(self, chain: Chain, **changes: Any) -> str:
        body = {
            "name": chain.name,
            "connectionSpec": {"id": SERVICENOW.spec_id, "version": "1.0"},
            "auth": {
                "specName": "Basic Authentication",
                "params": {"endpoint": LOGIN.host, "username": "theirs", "password": "theirs-secret"},
            },
            **changes,
        }
        return flow_service.create(chain.client, "connections", body)[0]

    def test_it_is_reused_if_equal_and_left_as_it_is(self, chain: Chain, wire: Any) -> None:
        theirs = self.made_by_hand(chain)
        before = flow_service.read(chain.client, "connections", theirs)
        assert make_sure(chain.base_resource()).id == theirs
        assert flow_service.read(chain.client, "connections", theirs) == before

    def test_our_credentials_are_not_sent_into_it_unasked(self, chain: Chain, wire: Any) -> None:
        theirs = self.made_by_hand(chain)
        with pytest.raises(AepDifferenceError, match="somebody else"):
            make_sure(chain.base_resource(), if_exists="update")
        assert not [seen for seen in wire.seen if seen.method == "PATCH"]
        outcome = make_sure(chain.base_resource(), if_exists="update", adopt=True)
        document = flow_service.read(chain.client, "connections", theirs)
        assert outcome.action is Action.UPDATED
        assert read_mark(document["description"])

    def test_one_of_another_source_system_is_a_difference(self, chain: Chain) -> None:
        salesforce = {"id": "cb66ab34-8619-49cb-96d1-39b37ede86ea", "version": "1.0"}
        auth = {
            "specName": "Basic Authentication",
            "params": {"username": "u", "password": "p-1234", "securityToken": "t-1234"},
        }
        self.made_by_hand(chain, connectionSpec=salesforce, auth=auth)
        for options in ({}, {"if_exists": "update", "adopt": True}):
            with pytest.raises(AepDifferenceError, match="connectionSpec"):
                make_sure(chain.base_resource(), **options)

    def test_two_of_one_name_are_an_error_that_names_both(self, chain: Chain) -> None:
        ids = [self.made_by_hand(chain), self.made_by_hand(chain)]
        with pytest.raises(AepDuplicateError) as refused:
            make_sure(chain.base_resource())
        assert all(one in str(refused.value) for one in ids)

    def test_a_schema_with_a_comma_in_its_title_is_found(self, chain: Chain) -> None:
        body = {"type": "object", "title": "Orders, EU & more", "allOf": [{"$ref": PROFILE}]}
        made = chain.client.post("/data/foundation/schemaregistry/tenant/schemas", json=body).body["$id"]
        assert existing_schema(chain.client, "Orders, EU & more") == made


class TestBaseConnection:
    def test_it_logs_in(self, chain: Chain) -> None:
        connection.test_connection(chain.client, chain.base())
        assert set(connection.tables(chain.client, chain.base())) == {"incident", "customer", "t0", "t500"}

    def test_another_address_is_a_difference_and_updated(self, chain: Chain) -> None:
        first = make_sure(chain.base_resource())
        moved = chain.base_resource(login=replace(LOGIN, host="https://dev2.service-now.example"))
        with pytest.raises(AepDifferenceError, match=r"address\.endpoint.*dev1.*dev2"):
            make_sure(moved)
        outcome = make_sure(moved, if_exists="update")
        assert (outcome.action, outcome.id) == (Action.UPDATED, first.id)
        assert outcome.etag != first.etag
        assert make_sure(moved).action is Action.REUSED

    def test_an_address_that_aep_hides_is_never_taken_for_the_wanted_one(self, chain: Chain, wire: Any) -> None:
        first = make_sure(chain.base_resource())
        document = flow_service.read(chain.client, "connections", first.id)
        document["auth"]["params"] = {"username": "ann"}
        wire.answer("GET", "/connections", {"items": [document], "_links": {}})
        assert make_sure(chain.base_resource()).id == first.id
        moved = chain.base_resource(login=replace(LOGIN, host="https://dev2.service-now.example"))
        with pytest.raises(AepDifferenceError, match=r"AEP does not show it.*dev2"):
            make_sure(moved)
        document["description"] = "by hand"
        wire.faults.clear()
        wire.answer("GET", "/connections", {"items": [document], "_links": {}})
        with pytest.raises(AepDifferenceError, match="AEP does not show it"):
            make_sure(chain.base_resource())

    def test_a_disabled_one_is_told(self, chain: Chain, wire: Any) -> None:
        first = make_sure(chain.base_resource())
        document = {**flow_service.read(chain.client, "connections", first.id), "state": "disabled"}
        wire.answer("GET", "/connections", {"items": [document], "_links": {}})
        for if_exists in ("reuse", "update"):
            with pytest.raises(AepDifferenceError, match=r"is there, but disabled.*delete it in AEP"):
                make_sure(chain.base_resource(), if_exists=if_exists)

    def test_another_password_is_sent_under_update(self, chain: Chain, wire: Any) -> None:
        make_sure(chain.base_resource())
        changed = chain.base_resource(login=replace(LOGIN, password="changed-secret"))
        assert make_sure(changed).action is Action.REUSED
        assert make_sure(changed, if_exists="update").action is Action.UPDATED
        patch = next(seen for seen in wire.seen if seen.method == "PATCH")
        assert patch.headers["if-match"].startswith('"')
        assert {"op": "replace", "path": "/auth/params"}.items() <= patch.json[0].items()
        assert patch.json[0]["value"]["password"] == "changed-secret"

    def test_an_edit_in_between_is_read_again(self, chain: Chain, wire: Any) -> None:
        first = make_sure(chain.base_resource())
        wire.lose("PATCH", f"/{first.id}", carried_out=False, status=412)
        assert make_sure(chain.base_resource(), if_exists="update").action is Action.UPDATED

    def test_an_unknown_way_in_is_refused_with_the_nearest(self, chain: Chain) -> None:
        with pytest.raises(AepConfigError, match=r"1415.*'Basic Authentication'"):
            chain.base_resource(authentication="Basic Auth")

    def test_what_the_login_lacks_is_told_at_once(self, chain: Chain) -> None:
        with pytest.raises(AepConfigError, match="endpoint, password") as refused:
            chain.base_resource(login=SourceLogin("aep_source_x", None, "ann", ""))
        assert "aep_source_x" in str(refused.value)


class TestFrozen:
    def test_a_source_connection(self, chain: Chain) -> None:
        make_sure(chain.source_resource())
        fewer = chain.source_resource(columns=chain.columns()[:2])
        for options in ({}, {"if_exists": "update"}, {"if_exists": "update", "adopt": True}):
            with pytest.raises(AepDifferenceError, match="columns"):
                make_sure(fewer, **options)

    def test_the_order_of_columns_says_nothing(self, chain: Chain) -> None:
        first = make_sure(chain.source_resource())
        assert make_sure(chain.source_resource(columns=chain.columns()[::-1])).id == first.id

    def test_a_target_connection(self, chain: Chain) -> None:
        make_sure(chain.target_resource())
        other = make_sure(chain.dataset_resource(name="other")).id
        with pytest.raises(AepDifferenceError, match="dataset"):
            make_sure(chain.target_resource(dataset_id=other), if_exists="update")

    def test_the_class_of_a_schema(self, chain: Chain) -> None:
        make_sure(chain.schema_resource())
        event = "https://ns.adobe.com/xdm/context/experienceevent"
        with pytest.raises(AepDifferenceError, match=r"keeps its class.*parts"):
            make_sure(chain.schema_resource(class_id=event), if_exists="update")

    def test_the_type_of_a_field(self, chain: Chain) -> None:
        make_sure(chain.group_resource())
        other = [
            {**column, "xdm": {"type": "boolean"}, "type": "boolean", "meta:xdmType": "boolean"}
            for column in chain.columns()
        ]
        fields = DerivedFields(tenant_id(chain.client), "incident", other)
        with pytest.raises(AepDifferenceError, match=r"cannot change its type.*fields\._"):
            make_sure(chain.group_resource(fields=fields), if_exists="update")

    def test_the_schema_of_a_dataset(self, chain: Chain) -> None:
        make_sure(chain.dataset_resource())
        other = make_sure(chain.schema_resource(title="other")).id
        with pytest.raises(AepDifferenceError, match="schema"):
            make_sure(chain.dataset_resource(schema_id=other), if_exists="update")


class TestSchema:
    def test_a_field_group_can_be_added(self, chain: Chain) -> None:
        first = make_sure(chain.schema_resource())
        person = "https://ns.adobe.com/xdm/context/profile-person-details"
        more = chain.schema_resource(field_groups=[person])
        with pytest.raises(AepDifferenceError, match="parts"):
            make_sure(more)
        assert make_sure(more, if_exists="update").action is Action.UPDATED
        (found,) = more.find()
        assert found.id == first.id
        assert person in found.content["parts"]
        assert more.written_by_us(found)
        assert make_sure(more).action is Action.REUSED
        # What is there stays, and says nothing.
        assert make_sure(chain.schema_resource()).action is Action.REUSED

    def test_columns_can_be_added(self, chain: Chain) -> None:
        tenant, columns = tenant_id(chain.client), chain.columns()
        few = chain.group_resource(fields=DerivedFields(tenant, "incident", columns[:2]))
        first = make_sure(few)
        every = chain.group_resource(fields=DerivedFields(tenant, "incident", columns))
        with pytest.raises(AepDifferenceError, match=rf"_{tenant}.incident.*missing in AEP"):
            make_sure(every)
        assert make_sure(every, if_exists="update").action is Action.UPDATED
        (found,) = every.find()
        assert found.id == first.id
        assert every.written_by_us(found)
        assert make_sure(every).action is Action.REUSED
        assert make_sure(few).action is Action.REUSED

    def test_a_title_is_unique_over_schemas_and_field_groups(self, chain: Chain) -> None:
        group = chain.group_resource()
        make_sure(group)
        before = time.monotonic()
        with pytest.raises(AepDifferenceError, match="another kind"):
            make_sure(chain.schema_resource(title=group.name))
        assert time.monotonic() - before < 5

    def test_a_title_taken_behind_a_lagging_list_is_found(self, chain: Chain, wire: Any) -> None:
        """Somebody else was quicker, and their schema does not show in the list at first."""
        resource = chain.schema_resource()
        theirs = make_sure(resource)
        wire.faults.append(_empty_list(wire, "/tenant/schemas"))
        outcome = make_sure(resource)
        assert (outcome.id, outcome.action) == (theirs.id, Action.REUSED)

    def test_the_fields_of_every_column_are_there(self, chain: Chain) -> None:
        paths = field_paths(resolved(chain.client, "schemas", chain.schema()))
        derived = chain.fields()
        assert derived.types().items() <= {key: value for key, value in paths.items() if key in derived.types()}.items()
        assert "_id" in paths

    def test_standard_parts_go_by_their_last_name(self, chain: Chain) -> None:
        group = full_id("profile-person-details")
        schema = make_sure(chain.schema_resource(field_groups=[group])).id
        assert "person.name.firstName" in field_paths(resolved(chain.client, "schemas", schema))

    @pytest.mark.parametrize(
        "standard", ["https://ns.adobe.com/experience/campaign/x", "https://ns.adobe.com/xdm/context/profile"]
    )
    def test_whatever_is_not_the_tenants_own_is_looked_for_among_adobes(
        self, chain: Chain, wire: Any, standard: str
    ) -> None:
        wire.answer("GET", quote(standard, safe=""), {"$id": standard})
        assert resolved(chain.client, "fieldgroups", standard) == {"$id": standard}
        assert [seen.path.split("/")[4] for seen in wire.seen if "fieldgroups" in seen.path] == ["global"]

    def test_the_other_container_is_tried_too(self, chain: Chain) -> None:
        """An id of another form than expected."""
        assert resolved(chain.client, "classes", PROFILE)["$id"] == PROFILE
        with pytest.raises(AepConfigError, match=r"no class 'https://ns\.adobe\.com/x/classes/0' in the sandbox"):
            resolved(chain.client, "classes", "https://ns.adobe.com/x/classes/0")

    def test_an_existing_schema_by_title_and_by_id(self, chain: Chain) -> None:
        made = chain.schema()
        assert existing_schema(chain.client, chain.name) == existing_schema(chain.client, made) == made

    def test_an_unknown_title_is_told_with_the_nearest(self, chain: Chain) -> None:
        chain.schema()
        with pytest.raises(AepConfigError, match=r"'incidentz'.*'incidents'"):
            existing_schema(chain.client, "incidentz")


def _empty_list(wire: Any, path: str) -> Any:
    wire.lose("GET", path, carried_out=False, status=200)
    fault = wire.faults.pop()
    fault.body = b'{"results": [], "_page": {"count": 0}, "_links": {}}'
    return fault


class TestDataset:
    def test_tags_are_updated_and_those_of_others_sent_along(self, chain: Chain, wire: Any) -> None:
        """Whether AEP merges tags or replaces them all is nowhere said."""
        made = make_sure(chain.dataset_resource(tags={"team": ["service"]}))
        path = f"/data/foundation/catalog/dataSets/{made.id}"
        chain.client.patch(path, json={"tags": {"team": ["service"], "theirs": ["x:1"]}})
        changed = chain.dataset_resource(tags={"team": ["service", "desk"]})
        with pytest.raises(AepDifferenceError, match="team"):
            make_sure(changed)
        assert make_sure(changed, if_exists="update").action is Action.UPDATED
        sent = [seen.json["tags"] for seen in wire.seen if seen.method == "PATCH"][-1]
        assert sent == chain.client.get(path).body[made.id]["tags"] == {"team": ["service", "desk"], "theirs": ["x:1"]}
        assert make_sure(changed).action is Action.REUSED

    def test_a_tag_that_is_wanted_no_longer_is_no_edit_by_hand(self, chain: Chain) -> None:
        make_sure(chain.dataset_resource(tags={"team": ["service"], "old": ["x:1"]}))
        fewer = chain.dataset_resource(tags={"team": ["desk"]})
        (change,) = make_sure(fewer, if_exists="update").changes
        assert change.startswith("tags.team")
        assert make_sure(fewer).action is Action.REUSED

    def test_a_tag_that_was_edited_by_hand_is_told(self, chain: Chain) -> None:
        made = make_sure(chain.dataset_resource(tags={"team": ["service"], "old": ["x:1"]}))
        chain.client.patch(
            f"/data/foundation/catalog/dataSets/{made.id}", json={"tags": {"team": ["theirs"], "old": ["x:1"]}}
        )
        with pytest.raises(AepDifferenceError, match="edited by hand"):
            make_sure(chain.dataset_resource(tags={"team": ["desk"]}), if_exists="update")

    def test_blanks_in_tags_say_nothing(self, chain: Chain) -> None:
        made = make_sure(chain.dataset_resource(tags={"a": ["enabled:true"]}))
        assert make_sure(chain.dataset_resource(tags={"a": ["enabled: true"]})).id == made.id


class TestMappingSet:
    def test_both_dialects_are_the_same_set(self, chain: Chain) -> None:
        made = make_sure(chain.mapping_resource())
        paths = chain.fields().paths().items()
        legacy = [{"sourceAttribute": column, "destinationXdmPath": path} for column, path in reversed(paths)]
        assert make_sure(chain.mapping_resource(mappings=legacy)).id == made.id

    def test_other_mappings_are_another_set(self, chain: Chain) -> None:
        made = make_sure(chain.mapping_resource())
        fewer = [{"source": "sys_id", "destination": "_id"}]
        assert make_sure(chain.mapping_resource(mappings=fewer)).id != made.id

    def test_a_static_value(self, chain: Chain) -> None:
        mappings = [{"sourceType": "STATIC", "source": "desk", "destination": "_id"}]
        made = make_sure(chain.mapping_resource(mappings=mappings))
        assert make_sure(chain.mapping_resource(mappings=mappings)).id == made.id
        assert mapping_set.schema_of(mapping_set.read(chain.client, made.id)) == chain.schema()

    def test_what_aep_refuses_is_told_before_anything_is_made(self, chain: Chain, wire: Any) -> None:
        resource = chain.mapping_resource(mappings=[{"source": "sys_id", "destination": "no.such.path"}])
        with pytest.raises(AepConfigError, match=r"no\.such\.path"):
            make_sure(resource)
        assert "mappingSets" not in wire.created()


class TestFlow:
    def test_a_recurring_flow_goes_over_the_wire_typed(self, chain: Chain, wire: Any) -> None:
        make_sure(chain.flow_resource())
        body = next(seen for seen in wire.seen if seen.method == "POST" and seen.path.endswith("/flows")).json
        assert body["scheduleParams"] | {"startTime": 0} == {
            "startTime": 0, "frequency": "minute", "interval": 15, "backfill": True,
        }  # fmt: skip
        assert type(body["scheduleParams"]["startTime"]) is int
        assert [part["name"] for part in body["transformations"]] == ["Copy", "Mapping"]
        assert body["transformations"][1]["params"]["mappingVersion"] == "0"
        assert "state" not in body

    def test_a_one_time_flow_has_only_a_mapping(self, chain: Chain, wire: Any) -> None:
        make_sure(chain.flow_resource(chain.definition(frequency="one_time", interval=None, delta_column=None)))
        body = next(seen for seen in wire.seen if seen.method == "POST" and seen.path.endswith("/flows")).json
        assert set(body["scheduleParams"]) == {"startTime", "frequency"}
        assert [part["name"] for part in body["transformations"]] == ["Mapping"]

    def test_the_start_time_is_never_compared(self, chain: Chain) -> None:
        definition = chain.definition()
        first = make_sure(chain.flow_resource(definition))
        later = replace(definition, start_time=int(time.time()) + 2 * 10**7)
        past = replace(definition, start_time=5)
        assert make_sure(chain.flow_resource(later)).id == make_sure(chain.flow_resource(past)).id == first.id

    def test_mapping_interval_and_options_are_updated(self, chain: Chain, wire: Any) -> None:
        definition = chain.definition()
        first = make_sure(chain.flow_resource(definition))
        _settled(chain.client, first.id)
        mapping = make_sure(chain.mapping_resource(mappings=[{"source": "sys_id", "destination": "_id"}])).id
        changed = chain.flow_resource(
            replace(
                definition, mapping_set_id=mapping, interval=30, partial_ingestion_percent=7.5, error_diagnostics=False
            )
        )
        with pytest.raises(AepDifferenceError, match=r"schedule\.interval: 15 in AEP, 30 wanted"):
            make_sure(changed)
        outcome = make_sure(changed, if_exists="update")
        assert (outcome.action, outcome.id, len(outcome.changes)) == (Action.UPDATED, first.id, 4)
        _settled(chain.client, first.id)
        document = flow_service.read(chain.client, "flows", first.id)
        assert [part["name"] for part in document["transformations"]] == ["Copy", "Mapping"]
        assert document["transformations"][1]["params"]["mappingId"] == mapping
        assert make_sure(changed).action is Action.REUSED

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"frequency": "hour"}, r"schedule\.frequency"),
            ({"backfill": False}, r"schedule\.backfill"),
            ({"delta_timezone": "Europe/Paris"}, r"copy\.deltaColumn\.timezone"),
            ({"frequency": "one_time", "interval": None, "delta_column": None}, r"schedule\.frequency"),
        ],
    )
    def test_what_aep_freezes_is_refused(self, chain: Chain, change: dict[str, Any], told: str) -> None:
        definition = chain.definition()
        make_sure(chain.flow_resource(definition))
        with pytest.raises(AepDifferenceError, match=told) as refused:
            make_sure(chain.flow_resource(replace(definition, **change)), if_exists="update", adopt=True)
        assert "new name" in str(refused.value)

    def test_a_disabled_one_is_refused_and_enabled_by_update(self, chain: Chain) -> None:
        flow_id = make_sure(chain.flow_resource()).id
        _settled(chain.client, flow_id)
        set_state(chain.client, flow_id, FlowState.DISABLED)
        with pytest.raises(AepDifferenceError, match=r"disabled.*AepSetFlowStateOperator"):
            make_sure(chain.flow_resource())
        outcome = make_sure(chain.flow_resource(), if_exists="update")
        assert (outcome.action, outcome.id) == (Action.UPDATED, flow_id)
        assert state_of(chain.client, flow_id) == "enabled"
        assert make_sure(chain.flow_resource()).action is Action.REUSED

    def test_a_disabled_one_of_somebody_else_is_not_enabled_unasked(self, chain: Chain) -> None:
        flow_id = make_sure(chain.flow_resource()).id
        document = _settled(chain.client, flow_id)
        operations = [{"op": "replace", "path": "/description", "value": "theirs"}]
        flow_service.patch(chain.client, "flows", flow_id, document["etag"], operations)
        set_state(chain.client, flow_id, FlowState.DISABLED)
        with pytest.raises(AepDifferenceError, match="somebody else"):
            make_sure(chain.flow_resource(), if_exists="update")
        assert state_of(chain.client, flow_id) == "disabled"

    def test_an_edit_by_hand_is_seen(self, chain: Chain) -> None:
        definition = chain.definition()
        first = make_sure(chain.flow_resource(definition))
        document = _settled(chain.client, first.id)
        edit = [{"op": "replace", "path": "/scheduleParams/interval", "value": 45}]
        flow_service.patch(chain.client, "flows", first.id, document["etag"], edit)
        _settled(chain.client, first.id)
        with pytest.raises(AepDifferenceError, match="interval: 45 in AEP, 15 wanted"):
            make_sure(chain.flow_resource(definition))
        with pytest.raises(AepDifferenceError, match="edited by hand"):
            make_sure(chain.flow_resource(definition), if_exists="update")
        assert make_sure(chain.flow_resource(definition), if_exists="update", adopt=True).action is Action.UPDATED

    def test_texts_in_the_schedule_are_the_same_as_numbers(self, chain: Chain) -> None:
        """AEP echoes what was sent, and others sent texts."""
        definition = chain.definition()
        resource = chain.flow_resource(definition)
        body = {"name": resource.name, "description": "by hand", **resource.body()}
        schedule = {key: str(value).lower() for key, value in body["scheduleParams"].items()}
        made, _ = flow_service.create(chain.client, "flows", {**body, "scheduleParams": schedule})
        outcome = make_sure(resource)
        assert (outcome.id, outcome.action) == (made, Action.REUSED)

    def test_a_mapping_to_another_schema_is_refused_before_it_is_sent(self, chain: Chain, wire: Any) -> None:
        other = make_sure(chain.schema_resource(title="other")).id
        mapping = make_sure(
            chain.mapping_resource(schema_id=other, mappings=[{"source": "sys_id", "destination": "_id"}])
        )
        with pytest.raises(AepConfigError, match="1425"):
            make_sure(chain.flow_resource(chain.definition(mapping_set_id=mapping.id)))
        assert "flows" not in wire.created()

    def test_a_delta_column_outside_of_the_source_connection_is_refused(self, chain: Chain, wire: Any) -> None:
        with pytest.raises(AepConfigError, match="'opened_at' is not among"):
            make_sure(chain.flow_resource(chain.definition(delta_column="opened_at")))
        assert "flows" not in wire.created()

    @pytest.mark.parametrize("percent", [0, -1])
    def test_the_flow_specification_judges_the_body(self, chain: Chain, wire: Any, percent: float) -> None:
        with pytest.raises(AepConfigError, match=r"CRMToAEP refuses.*partialIngestionPercent"):
            make_sure(chain.flow_resource(chain.definition(partial_ingestion_percent=percent)))
        assert "flows" not in wire.created()

    def test_a_start_in_the_past_is_refused(self, chain: Chain) -> None:
        with pytest.raises(AepConfigError, match="1360"):
            make_sure(chain.flow_resource(chain.definition(start_time=1_500_000_000)))


def _settled(client: AepClient, flow_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while (document := flow_service.read(client, "flows", flow_id))["state"] != "enabled":
        assert time.monotonic() < deadline, document
        time.sleep(0.02)
    return document


class TestFlowSpec:
    def test_it_serves_the_connector(self, chain: Chain) -> None:
        spec = chain.spec()
        spec.serve(SERVICENOW)
        assert find_flow_spec(chain.client, flow_spec_id=spec.id).name == "CRMToAEP"

    def test_an_unknown_source_is_refused(self, chain: Chain) -> None:
        with pytest.raises(AepConfigError, match="does not serve"):
            chain.spec().serve(replace(SERVICENOW, spec_id="00000000-0000-0000-0000-000000000000"))

    def test_an_unknown_name_is_refused(self, chain: Chain) -> None:
        with pytest.raises(AepConfigError, match="NoSuchSpec"):
            find_flow_spec(chain.client, "NoSuchSpec")


@pytest.mark.parametrize(
    "name", ["a~b", "50% off!", "a b:c/d", "Łódź 東京", "a+b", "x?y#z", "(x) [y] {z}", "a\\b", "a|b;c*"]
)
def test_every_allowed_name_is_found_again(chain: Chain, name: str) -> None:
    odd = Chain(chain.client, name)
    for kind in ("base", "schema", "dataset"):
        assert make_sure(odd.resource(kind)).id == make_sure(odd.resource(kind)).id
