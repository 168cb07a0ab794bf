"""Schema Registry, Catalog and Data Prep: every answer against its model."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from . import models
from .parts import STRING, Parts
from .platform import (
    CATALOG,
    DATA_PREP,
    FULL,
    RECORD,
    REGISTRY,
    Caller,
    checked,
)

PERSON = "https://ns.adobe.com/xdm/context/profile-person-details"


# --- Schema Registry


def test_a_schema_created_listed_and_read_in_every_form(aep: Caller) -> None:
    tenant = aep.tenant()
    references = [{"$ref": RECORD}, {"$ref": PERSON}]
    body = {"type": "object", "title": "Accounts", "description": "of customers", "allOf": references}
    schema = checked(aep.post(f"{REGISTRY}/tenant/schemas", body), models.Schema, 201)
    assert [each.ref for each in schema.all_of] == [RECORD, PERSON]
    assert (schema.title, schema.description, schema.class_) == ("Accounts", "of customers", RECORD)
    assert (schema.namespace, schema.organisation) == (tenant, aep.organisation)

    def form(name: str, version: str = ";version=1") -> dict[str, str]:
        return {"Accept": f"application/vnd.adobe.{name}+json{version}"}

    path = f"{REGISTRY}/tenant/schemas"
    short = checked(aep.get(path, headers=form("xed-id", "")), models.SchemaList[models.ShortSchema])
    assert [(each.id, each.title) for each in short.results] == [(schema.id, "Accounts")]
    assert short.page.count == 1
    assert checked(aep.get(path, headers=form("xed", "")), models.SchemaList[models.Schema]).results == [schema]

    for id in (schema.alternative, quote(schema.id, safe="")):
        for version in (";version=1", "; version=1"):
            assert checked(aep.get(f"{path}/{id}", headers=form("xed", version)), models.Schema) == schema
    full = checked(aep.get(f"{path}/{schema.alternative}", headers=form("xed-full")), models.FullSchema)
    assert "fullName" in full.properties["person"]["properties"]["name"]["properties"]
    notext = aep.get(f"{path}/{schema.alternative}", headers=form("xed-notext"))
    checked(notext, models.SchemaWithoutText)
    answer = aep.get(f"{path}/{schema.alternative}", headers=form("xed-full-notext"))
    checked(answer, models.FullSchemaWithoutText)
    for name in ("xed-desc", "xed-deprecatefield"):
        assert checked(aep.get(f"{path}/{schema.alternative}", headers=form(name)), models.Schema).id == schema.id
    for name in ("xed-full-desc", "xed-full-deprecatefield"):
        assert checked(aep.get(f"{path}/{schema.alternative}", headers=form(name)), models.FullSchema).id == schema.id


@pytest.mark.parametrize(
    ("path", "accept", "status", "code"),
    [
        ("/tenant/schemas", "application/vnd.adobe.xed+json;version=1", 400, "XDM-1006-400"),
        ("/tenant/schemas", "application/json", 400, "XDM-1006-400"),
        ("/tenant/schemas/{alt}", "application/vnd.adobe.xed+json", 400, "XDM-1007-400"),
        ("/tenant/schemas/_x.schemas.0", "application/vnd.adobe.xed+json;version=1", 404, "XDM-1012-404"),
    ],
)
def test_the_registry_refuses(aep: Caller, path: str, accept: str, status: int, code: str) -> None:
    body = {"type": "object", "title": "Accounts", "allOf": [{"$ref": RECORD}]}
    schema = checked(aep.post(f"{REGISTRY}/tenant/schemas", body), models.Schema, 201)
    answer = aep.get(f"{REGISTRY}{path.format(alt=schema.alternative)}", headers={"Accept": accept})
    assert checked(answer, models.RegistryError, status).type.endswith(code)


def test_the_registry_without_accept(aep: Caller) -> None:
    del aep.http.headers["accept"]
    answer = aep.get(f"{REGISTRY}/tenant/schemas")
    assert checked(answer, models.PlaceholderError, 406).title == "NotAcceptableError"


def test_a_title_is_unique_and_the_error_names_the_first(aep: Caller) -> None:
    body = {"type": "object", "title": "Accounts", "allOf": [{"$ref": RECORD}]}
    first = checked(aep.post(f"{REGISTRY}/tenant/schemas", body), models.Schema, 201)
    answer = aep.post(f"{REGISTRY}/tenant/schemas", body)
    problem = checked(answer, models.RegistryError, 400)
    assert "Title must be unique" in problem.detail
    assert first.id in problem.detail
    group = {"type": "object", "title": "Accounts", "meta:intendedToExtend": [RECORD], "definitions": {}, "allOf": []}
    group |= {"definitions": {"x": {"properties": {aep.tenant(): {"type": "object", "properties": {"a": STRING}}}}}}
    answer = aep.post(f"{REGISTRY}/tenant/fieldgroups", group | {"allOf": [{"$ref": "#/definitions/x"}]})
    assert first.id in checked(answer, models.RegistryError, 400).detail, "unique over all of the tenant's resources"


def test_schemas_page_by_page_and_by_title(aep: Caller) -> None:
    titles = [f"t{number}" for number in range(5)]
    for title in titles:
        body = {"type": "object", "title": title, "allOf": [{"$ref": RECORD}]}
        checked(aep.post(f"{REGISTRY}/tenant/schemas", body), models.Schema, 201)
    short = {"Accept": "application/vnd.adobe.xed-id+json"}
    query: dict[str, Any] | None = {"limit": 2, "orderby": "title"}
    found: list[str] = []
    while query:
        answer = aep.get(f"{REGISTRY}/tenant/schemas", headers=short, params=query)
        page = checked(answer, models.SchemaList[models.ShortSchema])
        found += [each.title for each in page.results]
        assert bool(page.page.next) == bool(page.links.next)
        query = query | {"start": page.page.next} if page.page.next else None
        assert len(found) <= 5
    assert found == titles
    answer = aep.get(f"{REGISTRY}/tenant/schemas", headers=short, params={"property": "title==t3"})
    assert [each.title for each in checked(answer, models.SchemaList[models.ShortSchema]).results] == ["t3"]


# --- Catalog


def test_datasets_are_a_map_keyed_by_id(parts: Parts) -> None:
    aep = parts.aep
    tags = {"unifiedProfile": ["enabled: false"], "airflow": ["a:b"]}
    answer = aep.post(f"{CATALOG}/dataSets", aep.dataset_body(parts.schema, name="second", tags=tags))
    second = checked(answer, models.DataSetCreated, 201).id
    assert answer.headers["location"].endswith(f"/dataSets/{second}")
    one = checked(aep.get(f"{CATALOG}/dataSets/{second}"), models.DataSets).root
    assert list(one) == [second]
    assert (one[second].name, one[second].schemaRef.id, one[second].tags["airflow"]) == (
        "second",
        parts.schema,
        ["a:b"],
    )
    every = checked(aep.get(f"{CATALOG}/dataSets"), models.DataSets).root
    assert set(every) == {parts.dataset, second}
    for query in ({"name": "second"}, {"property": "name==second"}, {"tags": "airflow:a:b"}):
        assert set(checked(aep.get(f"{CATALOG}/dataSets", params=query), models.DataSets).root) == {second}, query
    pages = [{"limit": 1, "start": start, "orderBy": "asc:created"} for start in range(3)]
    found = [list(checked(aep.get(f"{CATALOG}/dataSets", params=page), models.DataSets).root) for page in pages]
    assert found == [[parts.dataset], [second], []]


def test_datasets_by_a_pattern_of_their_name(parts: Parts) -> None:
    """``~`` is Catalog's, though not Flow Service's."""
    second = parts.aep.dataset(parts.schema, name="second")
    answer = parts.aep.get(f"{CATALOG}/dataSets", params={"property": "name~^sec"})
    assert set(checked(answer, models.DataSets).root) == {second}


def test_a_dataset_changed_and_deleted(parts: Parts) -> None:
    aep = parts.aep
    id = aep.dataset(parts.schema)
    path = f"{CATALOG}/dataSets/{id}"
    before = checked(aep.get(path), models.DataSets).root[id]
    assert checked(aep.http.patch(path, json={"description": "new"}), models.DataSetCreated).id == id
    patch = json.dumps([{"op": "replace", "path": "/name", "value": "renamed"}])
    answer = aep.http.patch(path, content=patch, headers={"content-type": "application/json-patch+json"})
    assert checked(answer, models.DataSetCreated).id == id
    after = checked(aep.get(path), models.DataSets).root[id]
    assert (after.name, after.description) == ("renamed", "new")
    assert after.version != before.version
    assert aep.delete(path).status_code == 200
    assert checked(aep.get(path), models.Problem, 404).status == 404


@pytest.mark.parametrize("limit", ["0", "101", "-1", "many"])
def test_catalog_refuses_a_limit(aep: Caller, limit: str) -> None:
    assert checked(aep.get(f"{CATALOG}/dataSets", params={"limit": limit}), models.Problem, 400).status == 400


# --- Data Prep


@pytest.mark.parametrize("kind", ["ATTRIBUTE", "EXPRESSION"])
def test_a_mapping_set_in_both_dialects(parts: Parts, kind: str) -> None:
    aep = parts.aep
    path = f"{DATA_PREP}/mappingSets"
    legacy = checked(aep.get(f"{path}/{parts.mapping}"), models.MappingSet)
    assert legacy.xdmSchema == parts.schema
    assert [(each.source, each.destination) for each in legacy.mappings] == parts.pairs
    current = {
        "name": "by name",
        "outputSchema": {"schemaRef": {"id": parts.schema, "contentType": FULL}},
        "mappings": [
            {"sourceType": kind, "source": source, "destination": target}
            for kind, (source, target) in zip((kind, "ATTRIBUTE"), parts.pairs, strict=True)
        ],
    }
    created = checked(aep.post(path, current), models.MappingSetCreated, 200)  # not 201
    read = checked(aep.get(f"{path}/{created.id}"), models.MappingSet)
    assert [(each.sourceAttribute, each.destinationXdmPath) for each in read.mappings] == parts.pairs
    assert read.xdmSchema == parts.schema

    answer = aep.get(path, params={"limit": 10, "start": 0, "name": "by name"})
    assert [each.id for each in checked(answer, models.MappingSetList).data] == [created.id]
    for missing in ({"limit": 10}, {"start": 0}, {}):
        checked(aep.get(path, params=missing), models.Problem, 400)


def test_mapping_sets_validated_previewed_and_replaced(parts: Parts) -> None:
    aep = parts.aep
    path = f"{DATA_PREP}/mappingSets"
    body = aep.mapping_body(parts.schema, [*parts.pairs, ("Name", f"{parts.tenant}.row.nowhere")])
    validated = checked(aep.post(f"{path}/validate", body), models.Validated).validationResponse
    assert [each.status for each in validated] == ["SUCCESS", "SUCCESS", "FAILED"]
    good = aep.mapping_body(parts.schema, parts.pairs)
    rows = [{"Id": "1", "Name": "Ann"}, {"Id": "2", "Name": None}]
    previewed = checked(aep.post(f"{path}/preview", {"data": rows, "mappingSet": good}), models.MappingPreview).root
    assert [each.errors for each in previewed] == [None, None]
    assert previewed[0].data == {parts.tenant: {"row": {"id": "1", "name": "Ann"}}}

    replaced = checked(aep.http.put(f"{path}/{parts.mapping}", json=good), models.MappingSetCreated)
    assert (replaced.id, replaced.version) == (parts.mapping, 1)
    assert checked(aep.get(f"{path}/{parts.mapping}"), models.MappingSet).version == 1
    assert checked(aep.get(f"{path}/{parts.mapping}", params={"version": 0}), models.MappingSet).version == 0
    assert aep.get(f"{path}/{parts.mapping}/mappings").status_code == 200
    assert aep.delete(f"{path}/{parts.mapping}").status_code in {404, 405}, "nothing but one client speaks of DELETE"
    checked(aep.get(f"{path}/{'0' * 32}"), models.Problem, 404)
