"""The Schema Registry over HTTP: Accept rules, unique titles, paging, errors."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from .conftest import CATALOG, FULL, PROFILE, SCHEMAS

DETAILS = "https://ns.adobe.com/xdm/context/profile-person-details"
EVENT = "https://ns.adobe.com/xdm/context/experienceevent"
IDS = {"Accept": "application/vnd.adobe.xed-id+json"}
ONE = {"Accept": "application/vnd.adobe.xed-full+json; version=1"}


def schema(title: str = "people", *parts: str) -> dict[str, Any]:
    return {"type": "object", "title": title, "allOf": [{"$ref": each} for each in (parts or (PROFILE, DETAILS))]}


def group(tenant: str, title: str = "own", **changes: Any) -> dict[str, Any]:
    properties = {f"_{tenant}": {"type": "object", "properties": {"score": {"type": "integer"}}}}
    return {
        "type": "object",
        "title": title,
        "meta:intendedToExtend": [PROFILE],
        "definitions": {"x": {"properties": properties}},
        "allOf": [{"$ref": "#/definitions/x"}],
    } | changes


def tenant_of(aep: httpx.Client) -> str:
    return str(aep.get(f"{SCHEMAS}/stats").json()["tenantId"])


def code(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rpartition("/")[2]


def create(aep: httpx.Client, body: dict[str, Any], kind: str = "schemas") -> dict[str, Any]:
    answer = aep.post(f"{SCHEMAS}/tenant/{kind}", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_new_schema(aep: httpx.Client) -> None:
    made = create(aep, schema())
    tenant = tenant_of(aep)
    assert made["$id"].startswith(f"https://ns.adobe.com/{tenant}/schemas/")
    assert made["meta:altId"] == f"_{tenant}.schemas." + made["$id"].rpartition("/")[2]
    assert made["version"] == "1.0"
    assert made["meta:class"] == PROFILE
    assert made["refs"] == [PROFILE, DETAILS]
    assert made["allOf"][0] == {"$ref": PROFILE, "type": "object", "meta:xdmType": "object"}
    assert (made["meta:containerId"], made["meta:tenantNamespace"]) == ("tenant", f"_{tenant}")
    assert made["meta:registryMetadata"]["repo:createdDate"] > 1_700_000_000_000
    for id in (made["meta:altId"], quote(made["$id"], safe="")):
        answer = aep.get(f"{SCHEMAS}/tenant/schemas/{id}", headers=ONE)
        assert answer.json()["$id"] == made["$id"]
        person = answer.json()["properties"]["person"]["properties"]["name"]["properties"]
        assert person["fullName"]["type"] == "string"


@pytest.mark.parametrize("kind", ["schemas", "fieldgroups", "classes"])
@pytest.mark.parametrize(
    ("accept", "status", "error"),
    [
        ("application/vnd.adobe.xed-id+json", 200, None),
        ("application/vnd.adobe.xed+json", 200, None),
        ("application/vnd.adobe.xed+json; version=1", 400, "XDM-1006-400"),
        ("application/json", 400, "XDM-1006-400"),
        ("*/*", 406, None),
        (None, 406, None),
    ],
)
def test_accept_of_lists(aep: httpx.Client, kind: str, accept: str | None, status: int, error: str | None) -> None:
    for container in ("global", "tenant"):
        request = aep.build_request("GET", f"{SCHEMAS}/{container}/{kind}")
        del request.headers["accept"]
        if accept:
            request.headers["accept"] = accept
        answer = aep.send(request)
        assert answer.status_code == status, answer.text
        if status == 406:
            assert (answer.json()["type"], answer.json()["title"]) == ("/placeholder/type/uri", "NotAcceptableError")
        elif error:
            assert code(answer) == error
            assert answer.json()["type"].startswith("http://")
            assert answer.json()["report"]["registryRequestId"]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/vnd.adobe.xed+json; version=1", 200),
        ("application/vnd.adobe.xed+json;version=1", 200),
        ("application/vnd.adobe.xed-full-notext+json; version=1", 200),
        ("application/vnd.adobe.xed-full+json", 400),
        ("application/vnd.adobe.xed-id+json", 400),
        ("application/vnd.adobe.xed-full+json; version=2", 400),
        ("*/*", 406),
    ],
)
def test_accept_of_look_ups(aep: httpx.Client, accept: str, status: int) -> None:
    path = f"{SCHEMAS}/global/classes/{quote(PROFILE, safe='')}"
    answer = aep.get(path, headers={"Accept": accept})
    assert answer.status_code == status
    if status == 400:
        assert code(answer) == "XDM-1007-400"


def test_the_global_documents(aep: httpx.Client) -> None:
    listed = aep.get(f"{SCHEMAS}/global/classes", headers=IDS).json()
    assert {each["$id"] for each in listed["results"]} == {PROFILE, EVENT}
    assert set(listed["results"][0]) == {"$id", "meta:altId", "version", "title"}
    groups = aep.get(f"{SCHEMAS}/global/fieldgroups", headers=IDS).json()["results"]
    assert DETAILS in {each["$id"] for each in groups}
    answer = aep.post(f"{SCHEMAS}/global/schemas", json=schema())
    assert answer.status_code == 403


def test_titles_are_unique_over_schemas_and_field_groups(aep: httpx.Client, org: str) -> None:
    tenant = tenant_of(aep)
    made = create(aep, schema("one"))
    own = create(aep, group(tenant, "two"), "fieldgroups")
    for kind, body, there in (
        ("schemas", schema("one"), made),
        ("fieldgroups", group(tenant, "one"), made),
        ("schemas", schema("two"), own),
        ("fieldgroups", group(tenant, "two"), own),
    ):
        answer = aep.post(f"{SCHEMAS}/tenant/{kind}", json=body)
        assert answer.status_code == 400
        assert f"Title must be unique. An object {there['$id']} already exists" in answer.json()["detail"]
    assert aep.get(f"{SCHEMAS}/tenant/schemas", headers=IDS).json()["_page"]["count"] == 1
    other = aep.post(f"{SCHEMAS}/tenant/schemas", json=schema("one"), headers={"x-sandbox-name": "dev"})
    assert other.status_code == 201


def test_a_missing_document(aep: httpx.Client) -> None:
    answer = aep.get(f"{SCHEMAS}/tenant/schemas/_x.schemas.none", headers=ONE)
    assert (answer.status_code, code(answer), answer.json()["title"]) == (404, "XDM-1012-404", "Resource Not Found")
    assert aep.get(f"{SCHEMAS}/tenant/nothing", headers=IDS).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"title": ""},
        {"title": None},
        {"type": "array"},
        {"allOf": []},
        {"allOf": [{"$ref": DETAILS}]},
        {"allOf": [{"$ref": PROFILE}, {"$ref": EVENT}]},
        {"allOf": [{"$ref": EVENT}, {"$ref": DETAILS}]},
        {"allOf": [{"$ref": PROFILE}, {"$ref": "https://ns.adobe.com/none"}]},
        {"allOf": "x"},
        {"allOf": [1]},
    ],
)
def test_schemas_that_are_refused(aep: httpx.Client, change: dict[str, Any]) -> None:
    answer = aep.post(f"{SCHEMAS}/tenant/schemas", json=schema() | change)
    assert answer.status_code == 400
    assert answer.json()["type"].startswith("http://ns.adobe.com/aep/errors/XDM-")


@pytest.mark.parametrize(
    "change",
    [
        {"meta:intendedToExtend": []},
        {"definitions": {"x": {"properties": {"loose": {"type": "string"}}}}},
        {"definitions": {"x": {"properties": {"TENANT": {"properties": {"a.b": {"type": "string"}}}}}}},
        {"definitions": {"x": {"properties": {"TENANT": {"properties": {"a": {"type": "money"}}}}}}},
        {"definitions": {"x": {"properties": {"TENANT": {"properties": {"a": {}, "A": {}}}}}}},
        {"definitions": {"x": {"properties": {"TENANT": {"$ref": "#/definitions/x"}}}}},
        {"definitions": {"x": 1}},
        {"definitions": []},
        {"allOf": [{"$ref": "#/definitions/y"}]},
    ],
)
def test_field_groups_that_are_refused(aep: httpx.Client, change: dict[str, Any]) -> None:
    tenant = tenant_of(aep)
    properties = change.get("definitions", {})
    if isinstance(properties, dict) and isinstance(properties.get("x"), dict):
        inside = {name.replace("TENANT", f"_{tenant}"): each for name, each in properties["x"]["properties"].items()}
        change = {"definitions": {"x": {"properties": inside}}}
    answer = aep.post(f"{SCHEMAS}/tenant/fieldgroups", json=group(tenant) | change)
    assert answer.status_code == 400, answer.text


def test_pages(aep: httpx.Client) -> None:
    for title in ("c", "a", "d", "b", "e"):
        create(aep, schema(title))
    path, params = f"{SCHEMAS}/tenant/schemas", {"orderby": "title", "limit": "2"}
    titles: list[str] = []
    while True:
        page = aep.get(path, params=params, headers=IDS).json()
        titles += [each["title"] for each in page["results"]]
        assert page["_links"]["global_schemas"]
        assert page["_page"]["count"] == len(page["results"])
        if page["_page"]["next"] is None:
            break
        assert page["_links"]["next"]["href"]
        params["start"] = page["_page"]["next"]
    assert titles == list("abcde")
    down = aep.get(path, params={"orderby": "-title"}, headers=IDS).json()
    assert [each["title"] for each in down["results"]] == list("edcba")
    found = aep.get(path, params={"property": "title==d"}, headers=IDS).json()
    assert [each["title"] for each in found["results"]] == ["d"]
    for wrong in ({"limit": "0"}, {"limit": "301"}, {"start": "x"}, {"property": "title"}, {"other": "1"}):
        assert aep.get(path, params=wrong, headers=IDS).status_code == 400


def test_the_union_tag_opens_a_schema_for_profile(aep: httpx.Client) -> None:
    made = create(aep, schema())
    body = {
        "name": "d",
        "schemaRef": {"id": made["$id"], "contentType": FULL},
        "tags": {"unifiedProfile": ["enabled: true"]},
    }
    assert aep.post(f"{CATALOG}/dataSets", json=body).status_code == 400
    path = f"{SCHEMAS}/tenant/schemas/{made['meta:altId']}"
    tag = [{"op": "add", "path": "/meta:immutableTags", "value": ["union"]}]
    answer = aep.patch(path, json=tag)
    assert answer.status_code == 200
    assert (answer.json()["meta:immutableTags"], answer.json()["version"]) == (["union"], "1.1")
    assert aep.post(f"{CATALOG}/dataSets", json=body).status_code == 201
    assert aep.patch(path, json=[{"op": "remove", "path": "/meta:immutableTags"}]).status_code == 400
    assert aep.patch(path, json=[{"op": "move", "path": "/title", "from": "/x"}]).status_code == 400


def test_a_document_in_use_stays(aep: httpx.Client) -> None:
    own = create(aep, group(tenant_of(aep)), "fieldgroups")
    made = create(aep, schema("s", PROFILE, own["$id"]))
    assert aep.delete(f"{SCHEMAS}/tenant/fieldgroups/{own['meta:altId']}").status_code == 400
    body = {"name": "d", "schemaRef": {"id": made["$id"], "contentType": FULL}}
    (dataset,) = aep.post(f"{CATALOG}/dataSets", json=body).json()
    path = f"{SCHEMAS}/tenant/schemas/{made['meta:altId']}"
    assert aep.delete(path).status_code == 400
    assert aep.delete(f"{CATALOG}/{dataset[2:]}").status_code == 200
    assert aep.delete(path).status_code == 204
    assert aep.delete(path).status_code == 404
    assert aep.delete(f"{SCHEMAS}/tenant/fieldgroups/{own['meta:altId']}").status_code == 204


DESCRIPTORS = f"{SCHEMAS}/tenant/descriptors"


def identity(schema_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "@type": "xdm:descriptorIdentity",
        "xdm:sourceSchema": schema_id,
        "xdm:sourceVersion": 1,
        "xdm:sourceProperty": "/person/name/fullName",
        "xdm:namespace": "Email",
        "xdm:property": "xdm:code",
        "xdm:isPrimary": True,
    } | changes


def test_descriptors_of_a_schema(aep: httpx.Client) -> None:
    made = create(aep, schema())
    one = create(aep, identity(made["$id"]), "descriptors")
    assert identity(made["$id"]).items() <= one.items()
    label = {"@type": "xdm:alternateDisplayInfo", "xdm:title": {"en_us": "T"}, "xdm:sourceProperty": "/person"}
    two = create(aep, {**identity(made["$id"]), **label}, "descriptors")
    ids = {"xdm:descriptorIdentity": [one["@id"]], "xdm:alternateDisplayInfo": [two["@id"]]}
    for accept, shown in (
        ("application/vnd.adobe.xdm-id+json", ids),
        ("application/vnd.adobe.xdm-link+json", {k: [f"/tenant/descriptors/{v[0]}"] for k, v in ids.items()}),
        ("application/vnd.adobe.xdm+json", {"xdm:descriptorIdentity": [one], "xdm:alternateDisplayInfo": [two]}),
    ):
        assert aep.get(DESCRIPTORS, headers={"Accept": accept}).json() == shown
    paged = aep.get(DESCRIPTORS, headers={"Accept": "application/vnd.adobe.xdm-v2+json"}).json()
    assert paged["results"] == [two, one]
    path = f"{DESCRIPTORS}/{one['@id']}"
    assert aep.get(path).json() == one
    put = aep.put(path, json=identity(made["$id"], **{"xdm:namespace": "Phone"}))
    assert (put.status_code, put.json()) == (201, {"@id": one["@id"]})
    assert aep.get(path).json()["xdm:namespace"] == "Phone"
    assert aep.get(path, headers={"x-sandbox-name": "dev"}).status_code == 404
    assert aep.delete(path).status_code == 204
    gone = aep.delete(path)
    assert (gone.status_code, code(gone)) == (404, "XDM-1012-404")


@pytest.mark.parametrize(
    ("accept", "status", "error"),
    [
        ("application/vnd.adobe.xed-id+json", 400, "XDM-1008-400"),
        ("application/vnd.adobe.xdm-id+json; version=1", 400, "XDM-1008-400"),
        ("application/json", 400, "XDM-1008-400"),
        ("*/*", 406, None),
    ],
)
def test_accept_of_descriptors(aep: httpx.Client, accept: str, status: int, error: str | None) -> None:
    answer = aep.get(DESCRIPTORS, headers={"Accept": accept})
    assert answer.status_code == status
    assert error is None or code(answer) == error
    wrong = aep.get(f"{DESCRIPTORS}/x", headers={"Accept": "application/vnd.adobe.xed+json; version=1"})
    assert (wrong.status_code, code(wrong)) == (400, "XDM-1009-400")


@pytest.mark.parametrize(
    "change",
    [
        {"@type": "xdm:descriptorMagic"},
        {"@type": ["xdm:descriptorIdentity"]},
        {"xdm:sourceSchema": "https://ns.adobe.com/none"},
        {"xdm:sourceVersion": 2},
        {"xdm:sourceVersion": True},
        {"xdm:sourceProperty": "/person/nothing"},
        {"xdm:sourceProperty": "person"},
        {"xdm:sourceProperty": "/properties/person"},
        {"xdm:property": "xdm:name"},
        {"xdm:isPrimary": "yes"},
    ],
)
def test_descriptors_that_are_refused(aep: httpx.Client, change: dict[str, Any]) -> None:
    made = create(aep, schema())
    answer = aep.post(DESCRIPTORS, json=identity(made["$id"]) | change)
    assert answer.status_code == 400
    assert answer.json()["type"].startswith("http://ns.adobe.com/aep/errors/XDM-")
    assert aep.get(DESCRIPTORS, headers={"Accept": "application/vnd.adobe.xdm+json"}).json() == {}


def test_a_schema_has_one_primary_identity(aep: httpx.Client) -> None:
    made = create(aep, schema())
    one = create(aep, identity(made["$id"]), "descriptors")
    second = identity(made["$id"], **{"xdm:sourceProperty": "/person/name/lastName"})
    assert aep.post(DESCRIPTORS, json=second).status_code == 400
    create(aep, second | {"xdm:isPrimary": False}, "descriptors")
    assert aep.put(f"{DESCRIPTORS}/{one['@id']}", json=identity(made["$id"])).status_code == 201


def test_versions(aep: httpx.Client) -> None:
    """Every change raises the minor version; a look-up names the major one."""
    made = create(aep, schema())
    path = f"{SCHEMAS}/tenant/schemas/{made['meta:altId']}"
    tag = made["meta:registryMetadata"]["eTag"]
    described = aep.patch(path, json=[{"op": "add", "path": "/description", "value": "d"}]).json()
    assert (described["version"], described["description"]) == ("1.1", "d")
    assert described["meta:registryMetadata"]["eTag"] != tag
    replaced = aep.put(path, json=schema("people, again")).json()
    assert (replaced["version"], replaced["title"], replaced["$id"]) == ("1.2", "people, again", made["$id"])
    assert aep.get(path, headers=ONE).json()["version"] == "1.2"
    listed = aep.get(f"{SCHEMAS}/tenant/schemas", headers=IDS).json()["results"]
    assert listed == [{name: replaced[name] for name in ("$id", "meta:altId", "version", "title")}]
    for accept in ("application/vnd.adobe.xed+json;version=2", "application/vnd.adobe.xed+json;version=one"):
        answer = aep.get(path, headers={"Accept": accept})
        assert (answer.status_code, code(answer)) == (400, "XDM-1007-400")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_title_that_is_taken_cannot_be_changed_into(aep: httpx.Client, method: str) -> None:
    first, second = create(aep, schema("first")), create(aep, schema("second"))
    path = f"{SCHEMAS}/tenant/schemas/{second['meta:altId']}"
    patch = [{"op": "replace", "path": "/title", "value": "first"}]
    answer = aep.request(method, path, json=schema("first") if method == "PUT" else patch)
    assert answer.status_code == 400
    assert f"An object {first['$id']} already exists" in answer.json()["detail"]
    assert aep.get(path, headers=ONE).json()["title"] == "second"
    assert aep.put(path, json=schema("second")).status_code == 200, "its own title is no clash"


def test_a_field_group_shows_up_in_its_schemas(aep: httpx.Client) -> None:
    tenant = tenant_of(aep)
    own = create(aep, group(tenant), "fieldgroups")
    assert (own["meta:resourceType"], own["version"]) == ("mixins", "1.0")
    made = create(aep, schema("s", PROFILE, own["$id"]))
    path = f"{SCHEMAS}/tenant/schemas/{made['meta:altId']}"
    full = aep.get(path, headers=ONE).json()
    assert full["properties"][f"_{tenant}"]["properties"]["score"]["type"] == "integer"
    plain = aep.get(path, headers={"Accept": "application/vnd.adobe.xed+json; version=1"}).json()
    assert "properties" not in plain
    assert own["$id"] in [each["$ref"] for each in plain["allOf"]]
    for kind in ("fieldgroups", "mixins"):
        found = aep.get(f"{SCHEMAS}/tenant/{kind}/{own['meta:altId']}", headers=ONE)
        assert found.json()["$id"] == own["$id"]
