"""Edits of names and texts, the same for all that has them, and taking everything down again in order."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from .conftest import CATALOG, FLOW, FULL, MAPPINGS, SCHEMAS, Chain, Inside, code

KINDS = ("connections", "sourceConnections", "targetConnections", "flows")
IDS = {"Accept": "application/vnd.adobe.xed-id+json"}
FAR = int(time.time()) + 3_000_000


def once(body: dict[str, Any]) -> dict[str, Any]:
    """The body of a flow that runs once."""
    steps = [step for step in body["transformations"] if step["name"] == "Mapping"]
    return body | {"scheduleParams": {"startTime": FAR, "frequency": "once"}, "transformations": steps}


class Objects:
    """One object of each kind that a dataflow is made of."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        body = chain.flow_body()
        self.ids = {"flows": chain.flow(body)}
        self.ids["sourceConnections"], self.ids["targetConnections"] = (
            body["sourceConnectionIds"][0],
            body["targetConnectionIds"][0],
        )
        self.ids["connections"] = self.get("sourceConnections")["baseConnectionId"]
        self.dataset = self.get("targetConnections")["params"]["dataSetId"]
        self.mapping = body["transformations"][1]["params"]["mappingId"]

    def path(self, kind: str) -> str:
        return f"{FLOW}/{kind}/{self.ids[kind]}"

    def get(self, kind: str) -> dict[str, Any]:
        return dict(self.chain.get(self.path(kind)))

    def patch(self, kind: str, *operations: dict[str, Any], etag: str | None = None) -> httpx.Response:
        headers = {"If-Match": self.get(kind)["etag"] if etag is None else etag}
        return self.chain.client.patch(self.path(kind), json=list(operations), headers=headers)

    def named(self, kind: str, name: str) -> list[str]:
        found = self.chain.client.get(f"{FLOW}/{kind}", params={"property": f"name=={name}"}).json()["items"]
        return [each["id"] for each in found]


@pytest.fixture
def objects(chain: Chain) -> Objects:
    return Objects(chain)


NAME = {"op": "replace", "path": "/name", "value": "another name"}
TEXT = {"op": "add", "path": "/description", "value": "sha256=0123 and more"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_and_a_description_are_changed(objects: Objects, kind: str) -> None:
    before = objects.get(kind)
    assert objects.named(kind, before["name"]) == [before["id"]]
    answer = objects.patch(kind, NAME, TEXT)
    assert answer.status_code == 200, answer.text
    after = objects.get(kind)
    assert answer.json() == {"id": before["id"], "etag": after["etag"]}
    assert after["etag"] == after["version"] != before["etag"]
    assert (after["name"], after["description"]) == ("another name", "sha256=0123 and more")
    assert after["updatedAt"] >= before["updatedAt"]
    moving = {"name", "description", "etag", "version", "updatedAt", "lastOperation"}
    assert {k: v for k, v in after.items() if k not in moving} == {k: v for k, v in before.items() if k not in moving}
    assert objects.named(kind, before["name"]) == []
    assert objects.named(kind, "another name") == [before["id"]]
    listed = objects.chain.client.get(f"{FLOW}/{kind}").json()["items"]
    assert listed == [after], "a list shows what a look-up shows"
    assert objects.patch(kind, {"op": "remove", "path": "/description"}).status_code == 200
    assert "description" not in objects.get(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_needs_the_current_etag(objects: Objects, kind: str) -> None:
    before = objects.get(kind)
    path, client = objects.path(kind), objects.chain.client
    for params in ({}, {"if-match": before["etag"]}):
        answer = client.patch(path, json=[NAME], params=params)
        assert (answer.status_code, code(answer)) == (400, "1403")
    for stale in (before["etag"].strip('"'), '"0000aaaa-0000-0200-0000-000000000000"', "*", f"W/{before['etag']}"):
        answer = objects.patch(kind, NAME, etag=stale)
        assert (answer.status_code, code(answer)) == (412, "1404")
    assert objects.get(kind) == before
    assert objects.patch(kind, NAME, etag=before["etag"]).status_code == 200
    answer = objects.patch(kind, NAME, etag=before["etag"])
    assert (answer.status_code, code(answer)) == (412, "1404"), "an etag is good for one edit"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", ["id", "state", "createdAt", "etag", "sandboxName"])
def test_what_is_not_the_callers_is_not_edited(objects: Objects, kind: str, wrong: str) -> None:
    before = objects.get(kind)
    answer = objects.patch(kind, NAME, {"op": "replace", "path": f"/{wrong}", "value": "x"})
    assert (answer.status_code, code(answer)) == (400, "1456" if (kind, wrong) == ("flows", "state") else "1455")
    assert objects.get(kind) == before, "no operation counts unless all do"


def test_a_dataset_is_renamed(objects: Objects) -> None:
    client, path = objects.chain.client, f"{CATALOG}/dataSets/{objects.dataset}"
    before = client.get(path).json()[objects.dataset]

    def listed(**query: str) -> list[str]:
        return list(client.get(f"{CATALOG}/dataSets", params=query).json())

    assert listed(name=before["name"]) == [objects.dataset]
    change = {"name": "another name", "description": "more", "tags": {"own": ["word"]}}
    assert client.patch(path, json=change).json() == [f"@/dataSets/{objects.dataset}"]
    after = client.get(path).json()[objects.dataset]
    assert {key: after[key] for key in change} == change
    assert (after["version"], after["schemaRef"]) == ("1.0.1", before["schemaRef"])
    assert (listed(name=before["name"]), listed(name="another name")) == ([], [objects.dataset])
    assert listed(property="name==another name") == listed(tags="own:word") == [objects.dataset]
    one = client.get(f"{CATALOG}/dataSets").json()
    assert one == {objects.dataset: after}


def test_everything_is_taken_down_in_order(objects: Objects) -> None:
    client = objects.chain.client
    schema = client.get(f"{CATALOG}/dataSets/{objects.dataset}").json()[objects.dataset]["schemaRef"]["id"]
    alternative = "_" + schema.removeprefix("https://ns.adobe.com/").replace("/", ".")
    ordered = [
        *((objects.path(kind), 204) for kind in ("flows", "sourceConnections", "targetConnections", "connections")),
        (f"{CATALOG}/dataSets/{objects.dataset}", 200),
        (f"{SCHEMAS}/tenant/schemas/{alternative}", 204),
    ]
    for path, _ in ordered[1:4]:
        assert code(client.delete(path)) == "1418"
    assert client.delete(ordered[-1][0]).status_code == 400, "its dataset needs it"
    for path, status in ordered:
        assert client.delete(path).status_code == status
        for answer in (client.delete(path), client.get(path, headers={"Accept": FULL})):
            assert answer.status_code == 404, path
    for kind in KINDS:
        assert client.get(f"{FLOW}/{kind}").json()["items"] == []
    assert client.get(f"{MAPPINGS}/mappingSets/{objects.mapping}").status_code == 200, (
        "nothing takes a mapping set away"
    )


# --- switches


EDITS = {
    "scheduleParams": {"op": "replace", "path": "/scheduleParams/startTime", "value": FAR + 60},
    "transformations": {"op": "replace", "path": "/transformations/0/params/mappingVersion", "value": "0"},
    "options": {"op": "add", "path": "/options", "value": {"partialIngestionPercent": 5}},
}


@pytest.mark.parametrize("setting", ["accepted", "refused"])
def test_edits_of_a_flow_that_runs_once(inside: Callable[..., Inside], setting: str) -> None:
    chain = Chain(inside(assume={"once_flow_edits": setting}).client())
    scheduled = chain.flow_body()
    flow = chain.flow(once(scheduled))
    path = f"{FLOW}/flows"

    def patch(id: str, *operations: dict[str, Any]) -> httpx.Response:
        return chain.client.patch(
            f"{path}/{id}", json=list(operations), headers={"If-Match": chain.get(f"{path}/{id}")["etag"]}
        )

    for operation in EDITS.values():
        before = chain.get(f"{path}/{flow}")
        answer = patch(flow, NAME, operation)
        if setting == "accepted":
            assert answer.status_code == 200, answer.text
        else:
            assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (400, "CONNECTOR-1365-400")
            assert chain.get(f"{path}/{flow}") == before
    for texts in ([NAME], [TEXT], [{"op": "add", "path": "/labels", "value": ["a"]}]):
        assert patch(flow, *texts).status_code == 200
    for op in ("disable", "enable"):
        assert chain.client.post(f"{path}/{flow}/action", params={"op": op}).status_code == 200
    recurring = chain.flow(scheduled)
    later = EDITS["transformations"] | {"path": "/transformations/1/params/mappingVersion"}
    assert patch(recurring, EDITS["scheduleParams"], later, EDITS["options"]).status_code == 200
    to_once = {"op": "replace", "path": "/scheduleParams", "value": {"startTime": FAR, "frequency": "once"}}
    assert patch(recurring, to_once, {"op": "remove", "path": "/transformations/0"}).status_code == 200
    assert patch(recurring, EDITS["scheduleParams"]).status_code == (200 if setting == "accepted" else 400)


@pytest.mark.parametrize("setting", ["full", "short"])
def test_how_mapping_sets_are_listed(inside: Callable[..., Inside], setting: str) -> None:
    chain = Chain(inside(assume={"mapping_sets_list": setting}).client())
    schema = chain.schema()
    id = chain.mapping(schema)
    mapping = {"sourceType": "ATTRIBUTE", "source": "Id", "destination": "_id"}
    body = {"name": "named", "xdmSchema": schema, "mappings": [mapping]}
    assert chain.client.put(f"{MAPPINGS}/mappingSets/{id}", json=body).json()["version"] == 1
    query = {"limit": "10", "start": "0"}
    (listed,) = chain.client.get(f"{MAPPINGS}/mappingSets", params=query).json()["data"]
    (named,) = chain.client.get(f"{MAPPINGS}/mappingSets", params=query | {"name": "named"}).json()["data"]
    whole = chain.client.get(f"{MAPPINGS}/mappingSets/{id}").json()
    kept = {
        "id",
        "name",
        "version",
        "createdDate",
        "modifiedDate",
        "xdmSchema",
        "xdmVersion",
        "schemaRef",
        "outputSchema",
    }
    assert len(whole["mappings"]) == 1
    assert listed == named == (whole if setting == "full" else {key: whole[key] for key in kept})


@pytest.mark.parametrize("setting", ["with_description", "bare"])
@pytest.mark.parametrize("container", ["tenant", "global"])
def test_how_the_registry_lists(inside: Callable[..., Inside], setting: str, container: str) -> None:
    chain = Chain(inside(assume={"registry_list": setting}).client())
    chain.schema()
    path = f"{SCHEMAS}/{container}/{'schemas' if container == 'tenant' else 'fieldgroups'}"
    plain = chain.client.get(path, headers={"Accept": "application/vnd.adobe.xed+json"}).json()["results"]
    ids = chain.client.get(path, headers=IDS).json()["results"]
    whole = chain.client.get(
        f"{path}/{ids[0]['meta:altId']}", headers={"Accept": "application/vnd.adobe.xed+json;version=1"}
    )
    assert set(ids[0]) == {"$id", "meta:altId", "version", "title"}
    assert plain[0] == (whole.json() if setting == "with_description" else ids[0])
