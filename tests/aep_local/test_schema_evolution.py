"""How schemas in use may change: fields come, none goes, and whatever comes after sees it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .conftest import CATALOG, FULL, MAPPINGS, PROFILE, SCHEMAS

WHOLE = {"type": "integer"}
TEXT = {"type": "string"}
TABLE: dict[str, Any] = {
    "n": WHOLE,
    "code": {"type": "string", "enum": ["a", "b"]},
    "tags": {"type": "array", "items": TEXT},
    "amount": {"type": "number", "minimum": 0, "maximum": 10},
    "word": {"type": "string", "minLength": 1, "maxLength": 5},
}
RESOLVED = {"Accept": "application/vnd.adobe.xed-full+json; version=1"}


class Registry:
    """A schema of one field group with the fields of ``TABLE`` under ``_<tenant>.table``."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.tenant = "_" + client.get(f"{SCHEMAS}/stats").json()["tenantId"]
        self.fields = f"/definitions/x/properties/{self.tenant}/properties/table/properties"
        self.group = self.made("fieldgroups", self.group_body(TABLE))
        self.schema = self.made("schemas", self.schema_body(self.group["$id"]))

    def made(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.post(f"{SCHEMAS}/tenant/{kind}", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def group_body(self, fields: dict[str, Any], title: str = "table fields", **more: Any) -> dict[str, Any]:
        own = {"type": "object", "properties": {"table": {"type": "object", "properties": fields, **more}}}
        return {
            "type": "object",
            "title": title,
            "meta:intendedToExtend": [PROFILE],
            "definitions": {"x": {"properties": {self.tenant: own}}},
            "allOf": [{"$ref": "#/definitions/x"}],
        }

    def schema_body(self, *groups: str) -> dict[str, Any]:
        return {"type": "object", "title": "table", "allOf": [{"$ref": each} for each in (PROFILE, *groups)]}

    def dataset(self) -> str:
        body = {"name": "rows", "schemaRef": {"id": self.schema["$id"], "contentType": FULL}}
        answer = self.client.post(f"{CATALOG}/dataSets", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()[0]).rpartition("/")[2]

    def patch(self, kind: str, *operations: dict[str, Any]) -> httpx.Response:
        document = self.group if kind == "fieldgroups" else self.schema
        return self.client.patch(f"{SCHEMAS}/tenant/{kind}/{document['meta:altId']}", json=list(operations))

    def put(self, kind: str, body: dict[str, Any]) -> httpx.Response:
        document = self.group if kind == "fieldgroups" else self.schema
        return self.client.put(f"{SCHEMAS}/tenant/{kind}/{document['meta:altId']}", json=body)

    def whole(self) -> dict[str, Any]:
        """The schema with all that it refers to."""
        return dict(self.client.get(f"{SCHEMAS}/tenant/schemas/{self.schema['meta:altId']}", headers=RESOLVED).json())

    def resolved(self) -> dict[str, Any]:
        """The fields of the table as the schema has them."""
        return dict(self.whole()["properties"][self.tenant]["properties"]["table"]["properties"])


@pytest.fixture
def registry(aep: httpx.Client) -> Registry:
    return Registry(aep)


def test_a_field_is_added_while_a_dataset_uses_the_schema(registry: Registry) -> None:
    registry.dataset()
    path = f"{registry.tenant}.table.later"
    mappings = [{"sourceType": "ATTRIBUTE", "source": "Later", "destination": path}]
    body = {"outputSchema": {"schemaRef": {"id": registry.schema["$id"], "contentType": FULL}}, "mappings": mappings}

    def validated() -> str:
        answer = registry.client.post(f"{MAPPINGS}/mappingSets/validate", json=body).json()
        return str(answer["validationResponse"][0]["status"])

    assert validated() == "FAILED"
    assert registry.client.post(f"{MAPPINGS}/mappingSets", json=body).status_code == 400
    moment = {"type": "string", "format": "date-time", "title": "Later"}
    answer = registry.patch("fieldgroups", {"op": "add", "path": f"{registry.fields}/later", "value": moment})
    assert (answer.status_code, answer.json()["version"]) == (200, "1.1")
    assert registry.resolved() == TABLE | {"later": moment}
    assert validated() == "SUCCESS"
    assert registry.client.post(f"{MAPPINGS}/mappingSets", json=body).status_code == 200
    previewed = {"data": [{"Later": "2026-01-01T00:00:00Z"}], "mappingSet": body}
    (row,) = registry.client.post(f"{MAPPINGS}/mappingSets/preview", json=previewed).json()
    assert row["data"][registry.tenant]["table"]["later"].startswith("2026-01-01T00:00:00")


def test_a_field_group_is_added_while_a_dataset_uses_the_schema(registry: Registry) -> None:
    registry.dataset()
    more = registry.made("fieldgroups", registry.group_body({"extra": TEXT}, "more fields"))
    reference = {"$ref": more["$id"], "type": "object", "meta:xdmType": "object"}
    answer = registry.patch("schemas", {"op": "add", "path": "/allOf/-", "value": reference})
    assert answer.status_code == 200, answer.text
    assert answer.json()["refs"] == [PROFILE, registry.group["$id"], more["$id"]]
    assert more["$id"] in answer.json()["meta:extends"]
    assert registry.resolved() == TABLE | {"extra": TEXT}


@pytest.mark.parametrize("kind", ["fieldgroups", "schemas"])
def test_texts_are_changed_while_a_dataset_uses_the_schema(registry: Registry, kind: str) -> None:
    registry.dataset()
    texts = [
        {"op": "add", "path": "/description", "value": "new words"},
        {"op": "replace", "path": "/title", "value": "another title"},
    ]
    changed = registry.patch(kind, *texts).json()
    assert (changed["title"], changed["description"]) == ("another title", "new words")
    before = registry.group if kind == "fieldgroups" else registry.schema
    assert (changed["$id"], changed["meta:altId"]) == (before["$id"], before["meta:altId"])
    assert registry.resolved() == TABLE
    ids = {"Accept": "application/vnd.adobe.xed-id+json"}
    named = {title: {"property": f"title=={title}"} for title in (before["title"], "another title")}
    listed = [
        registry.client.get(f"{SCHEMAS}/tenant/{kind}", headers=ids, params=each).json() for each in named.values()
    ]
    assert [[each["$id"] for each in page["results"]] for page in listed] == [[], [before["$id"]]]
    again = registry.client.post(
        f"{SCHEMAS}/tenant/fieldgroups", json=registry.group_body({"n": WHOLE}, str(before["title"]))
    )
    assert again.status_code == 201, "the title that was given up is free"


ADDED = {
    "a field": {"op": "add", "path": "/later", "value": TEXT},
    "an object": {"op": "add", "path": "/inner", "value": {"type": "object", "properties": {"deep": WHOLE}}},
    "a title": {"op": "add", "path": "/n/title", "value": "Number"},
    "a value": {"op": "add", "path": "/code/enum/-", "value": "c"},
    "any value": {"op": "remove", "path": "/code/enum"},
    "higher": {"op": "replace", "path": "/amount/maximum", "value": 11},
    "lower": {"op": "replace", "path": "/amount/minimum", "value": -1},
    "no bound": {"op": "remove", "path": "/word/maxLength"},
}
TAKEN = {
    "a field": {"op": "remove", "path": "/n"},
    "another type": {"op": "replace", "path": "/n/type", "value": "number"},
    "another format": {"op": "add", "path": "/word/format", "value": "date-time"},
    "another item": {"op": "replace", "path": "/tags/items/type", "value": "integer"},
    "an object": {"op": "replace", "path": "/n", "value": {"type": "object", "properties": {"deep": WHOLE}}},
    "a value": {"op": "remove", "path": "/code/enum/1"},
    "all but some": {"op": "add", "path": "/tags/items/enum", "value": ["x"]},
    "lower": {"op": "replace", "path": "/amount/maximum", "value": 9},
    "higher": {"op": "replace", "path": "/amount/minimum", "value": 1},
    "shorter": {"op": "replace", "path": "/word/maxLength", "value": 4},
    "longer": {"op": "replace", "path": "/word/minLength", "value": 2},
    "a bound": {"op": "add", "path": "/n/minimum", "value": 0},
}


@pytest.mark.parametrize("what", ADDED)
def test_what_is_allowed_in_use(registry: Registry, what: str) -> None:
    registry.dataset()
    operation = ADDED[what] | {"path": registry.fields + ADDED[what]["path"]}
    answer = registry.patch("fieldgroups", operation)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("what", TAKEN)
def test_what_is_refused_in_use_only(registry: Registry, what: str) -> None:
    operation = TAKEN[what] | {"path": registry.fields + TAKEN[what]["path"]}
    dataset = registry.dataset()
    before = registry.whole()
    answer = registry.patch("fieldgroups", operation)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (400, "XDM-1000-400")
    assert registry.schema["$id"] in answer.json()["detail"]
    assert registry.whole() == before
    assert registry.client.delete(f"{CATALOG}/dataSets/{dataset}").status_code == 200
    assert registry.patch("fieldgroups", operation).status_code == 200


def test_the_tag_for_profile_is_a_use_too(registry: Registry) -> None:
    gone = {"op": "remove", "path": f"{registry.fields}/n"}
    tag = {"op": "add", "path": "/meta:immutableTags", "value": ["union"]}
    assert registry.patch("schemas", tag).status_code == 200
    assert registry.patch("fieldgroups", gone).status_code == 400
    assert (
        registry.patch("fieldgroups", {"op": "add", "path": f"{registry.fields}/m", "value": WHOLE}).status_code == 200
    )


def test_a_use_of_another_schema_is_none(registry: Registry) -> None:
    other = registry.made("fieldgroups", registry.group_body({"n": WHOLE}, "other fields"))
    made = registry.made("schemas", registry.schema_body(other["$id"]) | {"title": "other"})
    body = {"name": "rows", "schemaRef": {"id": made["$id"], "contentType": FULL}}
    assert registry.client.post(f"{CATALOG}/dataSets", json=body).status_code == 201
    assert registry.patch("fieldgroups", {"op": "remove", "path": f"{registry.fields}/n"}).status_code == 200


def test_a_field_of_a_data_type_stays_too(registry: Registry) -> None:
    properties = {registry.tenant: {"type": "object", "properties": {"street": TEXT}}}
    kind = registry.made("datatypes", {"type": "object", "title": "address", "properties": properties})
    place = {"op": "add", "path": f"{registry.fields}/place", "value": {"$ref": kind["$id"], "type": "object"}}
    assert registry.patch("fieldgroups", place).status_code == 200
    path = f"{SCHEMAS}/tenant/datatypes/{kind['meta:altId']}"
    assert registry.client.delete(path).status_code == 400, "a field group is made of it"
    registry.dataset()
    street = f"/properties/{registry.tenant}/properties"
    gone = [{"op": "remove", "path": f"{street}/street"}, {"op": "add", "path": f"{street}/road", "value": TEXT}]
    assert registry.client.patch(path, json=gone).status_code == 400
    assert registry.client.patch(path, json=gone[1:]).status_code == 200
    assert registry.resolved()["place"]["properties"][registry.tenant]["properties"] == {"street": TEXT, "road": TEXT}


def test_a_field_group_stays_in_a_schema_in_use(registry: Registry) -> None:
    registry.dataset()
    assert registry.patch("schemas", {"op": "remove", "path": "/allOf/1"}).status_code == 400
    assert registry.put("schemas", registry.schema_body()).status_code == 400
    assert registry.put("schemas", registry.schema_body(registry.group["$id"])).status_code == 200
    assert registry.resolved() == TABLE


def test_a_replacement_has_all_fields_of_a_schema_in_use(registry: Registry) -> None:
    registry.dataset()
    without = {name: each for name, each in TABLE.items() if name != "n"}
    assert registry.put("fieldgroups", registry.group_body(without)).status_code == 400
    assert registry.put("fieldgroups", registry.group_body(TABLE | {"m": WHOLE})).status_code == 200
    assert registry.resolved() == TABLE | {"m": WHOLE}


def test_a_field_may_be_demanded_later(registry: Registry) -> None:
    registry.dataset()
    assert registry.put("fieldgroups", registry.group_body(TABLE, required=["n"])).status_code == 200
    assert registry.put("fieldgroups", registry.group_body(TABLE)).status_code == 200


def test_a_field_that_no_table_could_hold_is_refused_in_use(registry: Registry) -> None:
    more = registry.made("fieldgroups", registry.group_body({"extra": TEXT}, "more fields"))
    registry.dataset()
    both = registry.schema_body(registry.group["$id"], more["$id"])
    assert registry.put("schemas", both).status_code == 200
    clash = {"op": "add", "path": f"{registry.fields}/Extra", "value": TEXT}
    answer = registry.patch("fieldgroups", clash)
    assert answer.status_code == 400, "it differs in case only from one of another field group"
    assert registry.resolved() == TABLE | {"extra": TEXT}


def test_only_paths_that_are_there_are_patched(registry: Registry) -> None:
    deep = {"op": "add", "path": f"{registry.fields}/gone/properties/m", "value": WHOLE}
    for wrong in (deep, deep | {"path": f"{registry.fields}/n", "op": "test"}, {"op": "remove", "path": "/title"}):
        assert registry.patch("fieldgroups", wrong).status_code == 400
    odd = {"op": "add", "path": f"{registry.fields}/with~1slash", "value": WHOLE}
    assert registry.patch("fieldgroups", odd).status_code == 400, "no field has such a name"
    outside = {"op": "add", "path": "/definitions/x/properties/other", "value": TEXT}
    assert registry.patch("fieldgroups", outside).status_code == 400, "only the tenant's namespace is free"
