"""Catalog over HTTP: maps keyed by id, ids in an array, paging and patches."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .conftest import CATALOG, FULL, Chain

SETS = f"{CATALOG}/dataSets"


@pytest.fixture
def reference(chain: Chain) -> dict[str, str]:
    return {"id": chain.schema(), "contentType": FULL}


def create(aep: httpx.Client, **body: Any) -> str:
    answer = aep.post(SETS, json=body)
    assert answer.status_code == 201, answer.text
    (path,) = answer.json()
    assert path.startswith("@/dataSets/")
    assert answer.headers["location"].endswith(path.removeprefix("@"))
    return str(path).rpartition("/")[2]


def test_a_dataset_is_keyed_by_its_id(aep: httpx.Client, reference: dict[str, str], org: str) -> None:
    id = create(aep, name="d", description="x", schemaRef=reference, tags={"mine": ["v"]})
    assert len(id) == 24
    answer = aep.get(f"{SETS}/{id}")
    assert list(answer.json()) == [id]
    doc = answer.json()[id]
    assert (doc["name"], doc["description"], doc["schemaRef"], doc["imsOrg"]) == ("d", "x", reference, org)
    assert (doc["version"], doc["tags"]) == ("1.0.0", {"mine": ["v"]})
    assert doc["created"] == doc["updated"] > 1_700_000_000_000
    assert aep.get(f"{SETS}/{'0' * 24}").status_code == 404
    assert aep.get(f"{SETS}/{id}", headers={"x-sandbox-name": "dev"}).status_code == 404


def test_names_are_not_unique_and_lists_are_paged(aep: httpx.Client, reference: dict[str, str]) -> None:
    ids = [create(aep, name=name, schemaRef=reference, tags={"n": [name]}) for name in ("a", "a", "b,c")]
    assert list(aep.get(SETS).json()) == ids[::-1]
    assert list(aep.get(SETS, params={"limit": "2", "start": "1"}).json()) == ids[1::-1]
    assert list(aep.get(SETS, params={"orderBy": "asc:name", "limit": "1"}).json()) in ([ids[0]], [ids[1]])
    for wanted in ({"name": "a"}, {"property": "name==a"}, {"tags": "n:a"}, {"name": "a,z"}):
        assert set(aep.get(SETS, params=wanted).json()) == set(ids[:2]), wanted
    assert list(aep.get(SETS, params={"name": "b,c"}).json()) == [ids[2]]
    assert aep.get(SETS, params={"name": "b,c", "properties": "name"}).json() == {ids[2]: {"name": "b,c"}}
    assert aep.get(SETS, params={"name": "nobody"}).json() == {}
    for wrong in ({"limit": "0"}, {"limit": "101"}, {"start": "-1"}, {"orderBy": "x"}, {"foo": "1"}):
        assert aep.get(SETS, params=wrong).status_code == 400, wrong


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/vnd.adobe.xed+json;version=1", 201),
        ("application/vnd.adobe.xed-full-notext+json; version=1", 201),
        ("application/vnd.adobe.xed-full+json;version=1.0", 201),
        ("application/json", 400),
        ("application/vnd.adobe.xed+json", 400),
        (None, 400),
    ],
)
def test_content_types_of_the_schema(
    aep: httpx.Client, reference: dict[str, str], content_type: str | None, status: int
) -> None:
    body = {"name": "d", "schemaRef": {"id": reference["id"], "contentType": content_type}}
    assert aep.post(SETS, json=body).status_code == status


@pytest.mark.parametrize(
    "change", [{"name": ""}, {"schemaRef": {"id": "x", "contentType": FULL}}, {"tags": {"a": "b"}}]
)
def test_datasets_that_are_refused(aep: httpx.Client, reference: dict[str, str], change: dict[str, Any]) -> None:
    answer = aep.post(SETS, json={"name": "d", "schemaRef": reference} | change)
    assert answer.status_code == 400
    assert aep.get(SETS).json() == {}


def test_both_kinds_of_patches(aep: httpx.Client, reference: dict[str, str]) -> None:
    id = create(aep, name="d", schemaRef=reference, tags={"keep": ["k"]})
    assert aep.patch(f"{SETS}/{id}", json={"description": "new", "tags": {"t": ["v"]}}).json() == [f"@/dataSets/{id}"]
    operations = [{"op": "replace", "path": "/name", "value": "e"}, {"op": "remove", "path": "/tags/t"}]
    patch = {"Content-Type": "application/json-patch+json"}
    assert aep.patch(f"{SETS}/{id}", json=operations, headers=patch).status_code == 200
    doc = aep.get(f"{SETS}/{id}").json()[id]
    assert (doc["name"], doc["description"], doc["tags"], doc["version"]) == ("e", "new", {"keep": ["k"]}, "1.0.2")
    assert aep.patch(f"{SETS}/{id}", json={"name": "f"}, headers={"If-Match": "1.0.0"}).status_code == 412
    dry = aep.patch(f"{SETS}/{id}", json={"name": "f"}, headers={"Pragma": "validate-only"})
    assert dry.status_code == 200
    for wrong in ({"schemaRef": {}}, {"id": "x"}, {}, [{"op": "move", "path": "/name", "value": "x"}], {"name": 5}):
        assert aep.patch(f"{SETS}/{id}", json=wrong).status_code == 400, wrong
    assert aep.get(f"{SETS}/{id}").json()[id]["name"] == "e"


def test_delete(aep: httpx.Client, reference: dict[str, str]) -> None:
    id = create(aep, name="d", schemaRef=reference)
    assert aep.delete(f"{SETS}/{id}").status_code == 200
    assert aep.delete(f"{SETS}/{id}").status_code == 404
    assert aep.get(f"{CATALOG}/batches").json() == {}
    assert aep.get(f"{CATALOG}/batches/01ABC").status_code == 404
