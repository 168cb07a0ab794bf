"""What others did in a sandbox: shown, left alone, and overwritten only where it is ours and somebody says so."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest

from aep_provider.dataflows.plan import Change
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepDifferenceError, AepError
from aep_provider.platform.client import AepClient
from aep_provider.platform.services import CATALOG, DATA_PREP, SCHEMA_REGISTRY
from aep_provider.resources import flow_service
from aep_provider.resources.flow_state import FlowState, set_state
from aep_provider.resources.inventory import KINDS
from aep_provider.resources.run import read_run, runs_of
from aep_provider.resources.window_run import WindowRequest, start_window
from aep_provider.verdict import judge

from ..conftest import Platform
from .estate import QUICK, Estate, Line, dataflow, day, ensured, keys, load, rows, serve_estate, until

DRIFTED, REPLACE, UPDATE = Change.DRIFTED, Change.REPLACE, Change.UPDATE
BY_HAND = "edited by hand since it was last applied"
BY_OTHERS = "made by somebody else"
RECURRING: dict[str, Any] = {
    "load": "recurring",
    "recurrence": {"frequency": "hour", "interval": 6, "start": "2037-01-01"},
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = serve_estate(tmp_path_factory.mktemp("drift") / "aep", "--time-scale", "0.001")
    yield running
    running.end()


@pytest.fixture
def estate(platform: Platform) -> Estate:
    return Estate(platform)


class Hand:
    """Somebody who works in AEP itself."""

    def __init__(self, estate: Estate, spec: DataflowSpec) -> None:
        self.estate = estate
        self.spec = spec

    def document(self, kind: str, name: str | None = None) -> dict[str, Any]:
        inventory = self.estate.inventory()
        (found,) = inventory.named(next(one for one in KINDS if one.kind == kind), name or self.spec.name)
        return dict(found)

    def edits(self, collection: str, document: dict[str, Any], path: str, value: Any) -> None:
        with self.estate.process() as client:
            here = flow_service.read(client, collection, document["id"])
            operation = {"op": "add", "path": path, "value": value}
            flow_service.patch(client, collection, document["id"], here["etag"], [operation])

    def swaps_the_mapping(self) -> None:
        flow = self.document("flow")
        (index,) = (at for at, part in enumerate(flow["transformations"]) if part["name"] == "Mapping")
        used = flow["transformations"][index]["params"]["mappingId"]
        with self.estate.process() as client:
            there = client.get(f"{DATA_PREP}/mappingSets/{used}").body
            destination = there["mappings"][0]["destination"]
            mappings = [{"sourceType": "ATTRIBUTE", "source": "number", "destination": destination}]
            body = {"outputSchema": there["outputSchema"], "mappings": mappings}
            other = client.post(f"{DATA_PREP}/mappingSets", json=body).body["id"]
        self.edits("flows", flow, f"/transformations/{index}/params/mappingId", other)

    def disables(self) -> None:
        with self.estate.process() as client:
            set_state(client, self.document("flow")["id"], FlowState.DISABLED)

    def sets_options(self) -> None:
        self.edits("flows", self.document("flow"), "/options/partialIngestionPercent", 50)

    def sets_the_interval(self) -> None:
        self.edits("flows", self.document("flow"), "/scheduleParams/interval", 12)

    def takes_columns_out(self, *kept: str) -> None:
        source = self.document("source connection")
        columns = [one for one in source["params"]["columns"] if one["name"] in (kept or ("sys_id", "number"))]
        self.edits("sourceConnections", source, "/params/columns", columns)

    def moves_the_base_connection(self) -> None:
        base = self.document("base connection", self.spec.base_name)
        params = {"endpoint": "https://elsewhere.service-now.example", "username": "eve", "password": "p-of-eve"}
        self.edits("connections", base, "/auth/params", params)


@pytest.mark.parametrize(
    ("shape", "edit", "shown", "line", "then"),
    [
        ({}, Hand.swaps_the_mapping, ["flow"], "mapping.id: ", REPLACE),
        (RECURRING, Hand.swaps_the_mapping, ["flow"], "mapping.id: ", UPDATE),
        ({}, Hand.disables, ["flow"], 'state: "disabled" in AEP, "enabled" wanted', UPDATE),
        ({}, Hand.sets_options, ["flow"], "options.partialIngestionPercent: 50 in AEP, 5 wanted", REPLACE),
        (RECURRING, Hand.sets_options, ["flow"], "options.partialIngestionPercent: 50 in AEP, 5 wanted", UPDATE),
        (RECURRING, Hand.sets_the_interval, ["flow"], "schedule.interval: 12 in AEP, 6 wanted", UPDATE),
        ({}, Hand.takes_columns_out, ["source connection"], "columns.active: missing in AEP", REPLACE),
        ({}, Hand.moves_the_base_connection, ["base connection"], "address.endpoint: ", UPDATE),
    ],
)
class TestAnEditByHand:
    def test_is_shown_left_alone_and_overwritten_only_when_told(
        self, estate: Estate, shape: dict[str, Any], edit: Callable[[Hand], None], shown: list[str], line: str, then: Change
    ) -> None:  # fmt: skip
        spec, others = dataflow(**shape), dataflow(2)
        estate.apply(spec, others)
        ensured(estate, spec)
        edit(Hand(estate, spec))

        looked = estate.plan(spec, others)
        drifted = [step for step in looked.plan.steps() if step.is_work]
        assert [(step.kind, step.change, step.cause) for step in drifted] == [
            (kind, DRIFTED, BY_HAND) for kind in shown
        ]
        assert (line in "; ".join(drifted[0].lines), drifted[0].then) == (True, then)
        assert f"{BY_HAND}, overwriting means {then}" in looked.text

        before = documents(estate)
        wires = Line()
        with (
            wires.open(),
            pytest.raises(AepDifferenceError, match=f"{BY_HAND}. Put the edit into the file, or apply with"),
        ):
            estate.apply(spec, others)
        assert (wires.only_reads, documents(estate) == before) == (True, True)

        estate.apply(spec, others, overwrite=True)
        after = estate.plan(spec, others)
        assert (after.plan.has_work, after.plan.losses) == (False, [])
        if shape == {}:
            load(estate, spec, day(1))
            assert keys(rows(estate, ensured(estate, spec).dataset_id)) == ["t00d1"]


def documents(estate: Estate) -> dict[str, Any]:
    """Everything that is there, as AEP tells it."""
    there = estate.inventory().documents
    return {str(document[kind.id_key]): document for kind, each in there.items() for document in each}


def test_an_edit_by_hand_goes_with_the_flow_only_when_told(estate: Estate) -> None:
    """Somebody put the flow to rest; a change of the declaration does not wake it, nor does the flow that takes its place."""
    estate.apply(dataflow())
    ensured(estate, dataflow())
    Hand(estate, dataflow()).disables()
    after = dataflow(columns=["sys_id", "sys_updated_on"])
    (step,) = [step for step in estate.plan(after).of(after).steps if step.kind == "flow"]
    assert (step.change, step.cause, step.then) == (DRIFTED, BY_HAND, REPLACE)
    with pytest.raises(AepDifferenceError, match="apply with overwrite"):
        estate.apply(after)


def test_an_edit_that_comes_to_what_is_declared_is_none(estate: Estate) -> None:
    before, after = (dataflow(policy={"partial_ingestion_percent": percent}, **RECURRING) for percent in (5, 50))
    estate.apply(before)
    ensured(estate, before)
    Hand(estate, before).sets_options()
    (step,) = [step for step in estate.plan(after).plan.steps() if step.is_work]
    assert (step.kind, step.change, len(step.lines)) == ("flow", UPDATE, 1)
    estate.apply(after)
    assert not estate.plan(after).plan.has_work


def test_an_edited_connection_needs_a_new_flow_even_where_it_is_what_is_declared(estate: Estate) -> None:
    """AEP does not carry the edit into the flow that uses it."""
    mapping = [{"source": "sys_id", "destination": "_id"}]
    before, after = dataflow(mapping=mapping), dataflow(mapping=mapping, columns=["sys_id", "sys_updated_on"])
    estate.apply(before)
    ensured(estate, before)
    Hand(estate, before).takes_columns_out("sys_id", "sys_updated_on")
    looked = estate.plan(after)
    assert looked.changes(after) == dict.fromkeys(("source connection", "target connection", "flow"), REPLACE)
    assert "AEP does not carry that into the flow" in looked.text
    estate.apply(after)
    assert not estate.plan(after).plan.has_work


def test_overwriting_an_edited_connection_renews_the_pair(estate: Estate) -> None:
    """A new flow gets both connections new."""
    estate.apply(dataflow())
    ensured(estate, dataflow())
    Hand(estate, dataflow()).takes_columns_out()
    changes = estate.plan(dataflow(), overwrite=True).changes(dataflow())
    assert changes == {"source connection": DRIFTED, "target connection": REPLACE, "flow": REPLACE}


def test_tags_that_others_set_on_a_dataset_stay(estate: Estate) -> None:
    spec = dataflow()
    estate.apply(spec)
    dataset = Hand(estate, spec).document("dataset")["id"]
    with estate.process() as client:
        client.patch(f"{CATALOG}/dataSets/{dataset}", json={"tags": {"owner": ["ann"]}})
    assert not estate.plan(spec).plan.has_work
    estate.apply(spec, overwrite=True)
    estate.apply(dataflow(columns=["sys_id", "sys_updated_on"]), overwrite=True)
    assert Hand(estate, spec).document("dataset")["tags"] == {"owner": ["ann"]}


def a_flow(client: AepClient, hand: Hand) -> None:
    """It loads another table, and bears the name of ours."""
    theirs = hand.document("flow", "theirs")
    hand.edits("flows", theirs, "/name", hand.spec.name)
    hand.edits("flows", theirs, "/description", "by bob")


def a_dataset(client: AepClient, hand: Hand) -> None:
    theirs = hand.document("schema", "theirs")["$id"]
    content_type = "application/vnd.adobe.xed+json;version=1"
    schema = {"id": theirs, "contentType": content_type}
    client.post(f"{CATALOG}/dataSets", json={"name": hand.spec.name, "schemaRef": schema})


def a_schema(client: AepClient, hand: Hand) -> None:
    parts = ["https://ns.adobe.com/xdm/context/profile", "https://ns.adobe.com/xdm/context/profile-person-details"]
    body = {"type": "object", "title": hand.spec.name, "allOf": [{"$ref": part} for part in parts]}
    client.post(f"{SCHEMA_REGISTRY}/tenant/schemas", json=body, headers={"Accept": "application/json"})


def a_base_connection(client: AepClient, hand: Hand) -> None:
    spec = hand.document("base connection", dataflow(2).base_name)["connectionSpec"]
    params = {"endpoint": "https://elsewhere.service-now.example", "username": "bob", "password": "p-of-bob"}
    auth = {"specName": "Basic Authentication", "params": params}
    flow_service.create(client, "connections", {"name": "of bob", "connectionSpec": spec, "auth": auth})


@pytest.mark.parametrize(
    ("make", "more", "refused"),
    [
        (a_flow, {}, BY_OTHERS),
        (a_dataset, {}, "AEP keeps a dataset's schema for good: choose another name for the dataset"),
        (a_schema, {}, BY_OTHERS),
        (a_base_connection, {"base_connection": "of bob"}, BY_OTHERS),
    ],
)
def test_what_is_somebody_elses_is_touched_by_nothing(
    estate: Estate, make: Callable[[AepClient, Hand], None], more: dict[str, Any], refused: str
) -> None:
    """Whatever bears the name of ours: no plan, no apply, and no overwriting of other dataflows."""
    theirs, spec, others = dataflow(4, name="theirs"), dataflow(**more), dataflow(2)
    estate.apply(theirs, others)
    ensured(estate, theirs)
    with estate.process() as client:
        make(client, Hand(estate, spec))
    Hand(estate, others).disables()
    before = documents(estate)

    assert refused in estate.plan(spec, others, theirs).text
    with pytest.raises(AepError, match=refused):
        estate.apply(spec, whole=False)
    assert documents(estate) == before

    estate.apply(others, dataflow(1), overwrite=True, whole=False)
    overwritten = Hand(estate, others).document("flow")["id"]
    assert before[overwritten]["state"] == "disabled"
    after = documents(estate)
    assert {key: value for key, value in after.items() if key in before and key != overwritten} == {
        key: value for key, value in before.items() if key != overwritten
    }


def test_an_equal_base_connection_of_somebody_else_is_used_and_not_written_to(estate: Estate) -> None:
    """Unless somebody says so, they keep the credentials that they put into it."""
    estate.apply(dataflow(2))
    hand = Hand(estate, dataflow(2))
    base = hand.document("base connection", dataflow(2).base_name)
    hand.edits("connections", base, "/description", "by bob")
    before = hand.document("base connection", dataflow(2).base_name)
    estate.apply(dataflow(), dataflow(2))
    with estate.look([dataflow(), dataflow(2)]) as looked:
        failed = looked.apply(send_credentials=True).failed
    assert ["was made by somebody else" in why for why in failed.values()] == [True, True]
    assert hand.document("base connection", dataflow(2).base_name) == before


class TestOrphans:
    """What bears our mark, and nothing declares."""

    @pytest.fixture
    def left(self, estate: Estate) -> DataflowSpec:
        estate.apply(dataflow(), dataflow(2))
        return dataflow()

    def test_an_undeclared_dataflow_of_ours_is_listed_and_left_alone(self, estate: Estate, left: DataflowSpec) -> None:
        looked = estate.plan(dataflow(2))
        orphans = {(step.kind, step.name) for step in looked.plan.orphans or ()}
        kinds = ("source connection", "target connection", "flow", "dataset", "schema")
        assert orphans == {(kind, left.name) for kind in kinds} | {("field group", f"{left.name} columns")}
        assert not looked.plan.has_work
        before = documents(estate)
        estate.apply(dataflow(2), overwrite=True)
        assert documents(estate) == before

    def test_what_others_made_is_never_listed(self, estate: Estate, left: DataflowSpec) -> None:
        hand = Hand(estate, left)
        hand.edits("flows", hand.document("flow"), "/description", "by bob")
        with estate.process() as client:
            a_schema(client, Hand(estate, dataflow(name="of bob")))
        listed = {(step.kind, step.name) for step in estate.plan(dataflow(2)).plan.orphans or ()}
        assert {("flow", left.name), ("schema", "of bob")} & listed == set()

    def test_nor_is_what_gave_way_to_something_that_is_declared(self, estate: Estate, left: DataflowSpec) -> None:
        """Its runs tell which windows were loaded."""
        after = dataflow(columns=["sys_id", "sys_updated_on"])
        ensured(estate, left)
        estate.apply(after, dataflow(2))
        assert estate.plan(after, dataflow(2)).plan.orphans == ()

    def test_nor_what_others_stand_on(self, estate: Estate, left: DataflowSpec) -> None:
        """A schema and a base connection of ours that another dataflow names."""
        target = {"existing_schema": left.name}
        after = dataflow(name="more", target=target, source_conn_id=None, base_connection=left.base_name)
        listed = {step.kind for step in estate.plan(after).plan.orphans or ()}
        assert listed & {"schema", "field group", "base connection"} == {"schema", "field group"}
        names = {step.name for step in estate.plan(after).plan.orphans or ()}
        assert names == {left.name, dataflow(2).name, f"{dataflow(2).name} columns"}

    def test_without_all_declarations_nobody_knows(self, estate: Estate, left: DataflowSpec) -> None:
        looked = estate.plan(dataflow(2), whole=False)
        assert (looked.plan.orphans, looked.plan.document()["orphans"]) == (None, None)


class TestEqualFlows:
    """Two flows of one name and content, as an answer that was lost can leave them behind."""

    @pytest.fixture
    def second(self, estate: Estate) -> dict[str, Any]:
        spec = dataflow()
        estate.apply(spec)
        ensured(estate, spec)
        return copied(estate, "flows", Hand(estate, spec).document("flow"))

    def test_load_the_same_rows_and_are_told(self, estate: Estate, second: dict[str, Any]) -> None:
        ((_, told),) = estate.plan(dataflow()).plan.losses
        assert f"is there more than once, also as {second['id']}: rows come twice" in told
        with pytest.raises(AepDifferenceError, match="is there more than once"):
            estate.apply(dataflow())

    def test_unless_one_of_them_rests(self, estate: Estate, second: dict[str, Any]) -> None:
        with estate.process() as client:
            set_state(client, second["id"], FlowState.DISABLED)
        looked = estate.plan(dataflow())
        assert (looked.plan.has_work, looked.plan.losses) == (False, [])
        assert f"an equal one is there, too: {second['id']}" in looked.text

    def test_give_way_together(self, estate: Estate, second: dict[str, Any]) -> None:
        """The rows of both are told, and none is left that goes on loading."""
        load_by_hand(estate, second["id"])
        after = dataflow(columns=["sys_id", "sys_updated_on"])
        (told,) = estate.plan(after).of(after).consequences
        assert ("1 row in 1 run" in told.in_words, told.loses) == (True, False)
        estate.apply(after)
        there = [one for one in documents(estate).values() if "flowSpec" in one]
        awake = [one["name"] for one in there if one["state"] != "disabled"]
        assert (len(there), awake) == (3, [after.name])
        load(estate, after, day(1))
        assert keys(rows(estate, ensured(estate, after).dataset_id)) == ["t00d1"]


@pytest.mark.parametrize(
    "kind", ["base connection", "source connection", "dataset", "target connection", "mapping set"]
)
def test_of_equal_objects_the_one_that_the_flow_uses_is_meant(estate: Estate, kind: str) -> None:
    """An older one that an apply left behind is no reason for a new flow."""
    spec = dataflow()
    estate.apply(spec)
    older = older_copy(estate, next(str(step.id) for step in estate.plan(spec).plan.steps() if step.kind == kind))
    looked = estate.plan(spec)
    assert not looked.plan.has_work
    assert [step.also for step in looked.plan.steps() if step.kind == kind] == [(older,)]


def test_and_it_gets_what_is_sent(estate: Estate) -> None:
    spec = dataflow()
    estate.apply(spec)
    (used,) = (str(step.id) for step in estate.plan(spec).plan.shared)
    older_copy(estate, used)
    line = Line()
    with line.open():
        estate.apply(spec, send_credentials=True)
    assert [one.url.rpartition("/")[2] for one in line.sent if one.method == "PATCH"] == [used]


def older_copy(estate: Estate, object_id: str) -> str:
    """Put an equal object into the platform's store, made an hour before."""
    with closing(sqlite3.connect(estate.platform.state / "platform.db")) as store, store:
        columns = "kind, org, sandbox, ref, doc"
        row = store.execute(f"SELECT {columns} FROM documents WHERE id = ?", (object_id,)).fetchone()
        new_id = object_id[::-1] if "-" not in object_id else str(uuid4())
        document = {**json.loads(row[-1]), "id": new_id}
        for moment in {"createdAt", "created", "createdDate"} & document.keys():
            document[moment] -= 3_600_000
        insert = f"INSERT INTO documents (id, {columns}) VALUES (?, ?, ?, ?, ?, ?)"
        store.execute(insert, (new_id, *row[:-1], json.dumps(document)))
    return new_id


def copied(estate: Estate, collection: str, document: dict[str, Any]) -> dict[str, Any]:
    """Make another object like one that is there."""
    kept = ("name", "description", "baseConnectionId", "connectionSpec", "data", "params", "flowSpec", "options",
            "sourceConnectionIds", "targetConnectionIds", "transformations", "scheduleParams")  # fmt: skip
    with estate.process() as client:
        body = {key: value for key, value in document.items() if key in kept}
        made, _ = flow_service.create(client, collection, body)
        until(lambda: flow_service.read(client, collection, made)["state"] == "enabled")
        return flow_service.read(client, collection, made)


def load_by_hand(estate: Estate, flow_id: str) -> None:
    with estate.process() as client:
        request = WindowRequest(flow_id, day(1), delta_column="sys_updated_on")
        started = start_window(client, request, patience=QUICK)
        until(lambda: any(run["id"] == started.run_id for run in runs_of(client, flow_id)))
        until(lambda: judge(read_run(client, started.run_id)).state.has_ended)
