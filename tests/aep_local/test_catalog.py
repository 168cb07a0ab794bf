"""Catalog over HTTP: maps keyed by id, ids in an array, paging and patches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import CATALOG, FULL, Chain, Inside, Platform
from .lake import Lake, batch_id

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


def test_lists_are_paged_and_ordered(aep: httpx.Client, reference: dict[str, str]) -> None:
    ids = [create(aep, name=name, schemaRef=reference) for name in ("b", "a", "b")]
    assert list(aep.get(SETS).json()) == ids[::-1]
    assert list(aep.get(SETS, params={"limit": "2", "start": "1"}).json()) == ids[1::-1]
    assert aep.get(SETS, params={"start": "3"}).json() == {}
    assert list(aep.get(SETS, params={"orderBy": "asc:created", "limit": "1"}).json()) == [ids[0]]
    assert next(iter(aep.get(SETS, params={"orderBy": "name"}).json())) == ids[1]
    assert list(aep.get(SETS, params={"orderBy": "desc:name,created"}).json()) == [ids[0], ids[2], ids[1]]
    assert list(aep.get(SETS, params={"orderBy": "desc:name,desc:created"}).json()) == [ids[2], ids[0], ids[1]]
    assert aep.get(SETS, params={"name": "a", "properties": "name,nothing"}).json() == {ids[1]: {"name": "a"}}
    assert aep.get(f"{SETS}/{ids[0]}", params={"properties": "name"}).json() == {ids[0]: {"name": "b"}}


def test_a_list_has_twenty_entries_unless_asked(aep: httpx.Client, reference: dict[str, str]) -> None:
    ids = {create(aep, name=f"d{number}", schemaRef=reference) for number in range(21)}
    assert len(aep.get(SETS).json()) == 20
    assert set(aep.get(SETS, params={"limit": "100"}).json()) == ids


NAMES = ["one", "One", "two", "b,c", "te*st", "test", "ünï 雪", "a.c"]


@pytest.fixture(scope="module")
def named(platform: Platform) -> Iterator[Callable[[dict[str, str]], set[str]]]:
    """The names of the datasets that a query finds, in an organisation that has one of each."""
    with platform.client("NAMED@AdobeOrg") as client:
        reference = {"id": Chain(client).schema(), "contentType": FULL}
        for name in NAMES:
            more = {"description": "x"} if name == "two" else {}
            create(client, name=name, schemaRef=reference, tags={"n": [name], "first": [name[0]]}, **more)

        def find(query: dict[str, str]) -> set[str]:
            answer = client.get(SETS, params=query)
            assert answer.status_code == 200, answer.text
            return {each["name"] for each in answer.json().values()}

        yield find


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"name": "one"}, {"one"}),
        ({"name": "one,two"}, {"one", "two"}),
        ({"name": "b,c"}, set()),
        ({"name": "!one,two"}, set(NAMES) - {"one", "two"}),
        ({"name": "t*"}, {"two", "te*st", "test"}),
        ({"name": "te*st"}, {"te*st", "test"}),
        ({"name": "te**st"}, {"te*st"}),
        ({"name": "*"}, set(NAMES)),
        ({"name": "*e*"}, {"one", "One", "te*st", "test"}),
        ({"name": "o*one"}, set()),
        ({"property": "name==b,c"}, {"b,c"}),
        ({"property": 'name=="one"'}, {"one"}),
        ({"property": "name!=one"}, set(NAMES) - {"one"}),
        ({"property": "name~^o"}, {"one"}),
        ({"property": "name~(?i)^o"}, {"one", "One"}),
        ({"property": "name~e.?s"}, {"te*st", "test"}),
        ({"property": "name~a.c"}, {"a.c"}),
        ({"property": "name~雪$"}, {"ünï 雪"}),
        ({"property": "name~"}, set(NAMES)),
        ({"property": "name~^(one|two)$"}, {"one", "two"}),
        ({"property": "created~^1"}, set()),
        ({"property": "name>=te"}, {"test", "te*st", "two", "ünï 雪"}),
        ({"property": "created>1500000000000"}, set(NAMES)),
        ({"property": "created<1500000000000"}, set()),
        ({"property": "version<1.0.10"}, set(NAMES)),
        ({"property": "version>1.0.0"}, set()),
        ({"property": "description"}, set(NAMES)),
        ({"property": "!description"}, set()),
        ({"property": "nothing"}, set()),
        ({"tags": "n:one"}, {"one"}),
        ({"tags": "n:*,first:o"}, {"one"}),
        ({"tags": "n:t*"}, {"two", "te*st", "test"}),
        ({"tags": "m:*"}, set()),
        ({"createdAfter": "1500000000000"}, set(NAMES)),
        ({"createdBefore": "1500000000000"}, set()),
        ({"property": "name~^t", "name": "!two"}, {"te*st", "test"}),
    ],
)
def test_filters(named: Callable[[dict[str, str]], set[str]], query: dict[str, str], found: set[str]) -> None:
    assert named(query) == found


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "1e1"},
        {"limit": "٣"},
        {"start": "-1"},
        {"start": "9" * 40},
        {"orderBy": "x"},
        {"orderBy": "up:name"},
        {"orderBy": ""},
        {"foo": "1"},
        {"tags": "n"},
        {"createdAfter": "yesterday"},
        {"property": ""},
        {"property": "name~["},
        {"property": "name~(" + "a{1000}" * 3 + "){1000}"},
        {"property": "name~" + "a" * 1001},
        {"property": "name=~^a"},
        {"property": "schemaRef.id==x"},
    ],
)
def test_queries_that_are_refused(aep: httpx.Client, query: dict[str, str]) -> None:
    answer = aep.get(SETS, params=query)
    assert answer.status_code == 400
    assert {"type", "title", "status", "detail"} <= set(answer.json())


def test_no_pattern_takes_for_ever(aep: httpx.Client, reference: dict[str, str]) -> None:
    create(aep, name="a" * 5000, schemaRef=reference)
    for query in ({"property": "name~^(a+)+$|^(a|aa)*b"}, {"property": "name~(a*)*(a*)*b"}, {"name": "*a" * 50 + "b"}):
        began = time.perf_counter()
        assert aep.get(SETS, params=query).status_code == 200
        assert time.perf_counter() - began < 2, query


def test_batches_by_dataset_and_status(inside: Callable[..., Inside], tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "t.csv").write_text("n,name\n1,a\nx,b\n", encoding="utf-8")
    platform = inside(tables=tmp_path / "tables")
    lake = Lake(platform, platform.client())
    columns = [{"name": "n", "type": "integer", "xdm": {"type": "integer"}}]
    schema = lake.schema({"n": {"type": "integer"}})
    batches = {}
    for name, options in (("failed", {}), ("success", {"partialIngestionPercent": 60})):
        flow, dataset = lake.flow("t", schema, lake.same(["n"]), columns=columns, options=options)
        (run,) = lake.ended(flow)
        batches[name] = (batch_id(run), dataset)

    def found(**query: str) -> list[str]:
        return list(lake.ok("GET", f"{CATALOG}/batches", params=query))

    ids = {name: id for name, (id, _) in batches.items()}
    assert found() == [ids["success"], ids["failed"]], "the newest first"
    assert found(orderBy="asc:created") == [ids["failed"], ids["success"]]
    assert (found(limit="1"), found(limit="1", start="1")) == ([ids["success"]], [ids["failed"]])
    for status, (id, dataset) in batches.items():
        assert lake.ok("GET", f"{CATALOG}/batches/{id}")[id]["status"] == status
        assert found(dataSet=dataset) == found(status=status) == [id]
    assert found(dataSet=batches["failed"][1], status="success") == []
    assert set(found(status="success,failed")) == set(ids.values())
    assert found(dataSet="0" * 24) == []


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
