"""Every answer of the chain against its model, each error in the shape of the layer that fails."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import jsonschema
import pytest

from . import models
from .platform import (
    CATALOG,
    CRM_TO_AEP,
    DATA_ACCESS,
    DATA_LAKE,
    DATA_PREP,
    FLOW,
    FULL,
    RECORD,
    REGISTRY,
    SERVICE_CLOUD,
    SERVICENOW,
    Caller,
    Server,
    checked,
    refused,
    until,
)

PERSON = "https://ns.adobe.com/xdm/context/profile-person-details"
NOBODY = "00000000-0000-4000-8000-000000000000"
STRING = {"type": "string"}
TABULAR = """
cb66ab34-8619-49cb-96d1-39b37ede86ea eb13cb25-47ab-407f-ba89-c0125281c563 ba5126ec-c9ac-11eb-b8bc-0242ac130003
cfc0fee1-7dc0-40ef-b73e-d8b134c436f5 38ad80fe-8b06-4938-94f4-d4ee80266b07 fcad62f3-09b0-41d3-be11-449d5a621b69
929e4450-0237-4ed2-9404-b7e1e0a00309 3416976c-a9ca-4bba-901a-1f08f66978ff aac9bbd4-6c01-46ce-b47e-51c6f0f6db3f
6a8d82bc-1caf-45d1-908d-cadabc9d63a6 e9d7ec6b-0873-4e57-ad21-b3a7c65e310b 0479cc14-7651-4354-b233-7480606c2ac3
a49bcc7d-8038-43af-b1e4-5a7a089a7d79 ecde33f2-c56f-46cc-bdea-ad151c16cd69 a8f4d393-1a6b-43f3-931f-91a16ed857f4
1fe283f6-9bec-11ea-bb37-0242ac130002 3c9b37f8-13a6-43d8-bad3-b863b941fedd 37b6bf40-d318-4655-90be-5cd6f65d334b
a8b6a1a4-5735-42b4-952c-85dce0ac38b5 09182899-b429-40c9-a15a-bf3ddbc8ced7 3000eb99-cd47-43f3-827c-43caf170f015
1f372ff9-38a4-4492-96f5-b9a4e4bd00ec 26d738e0-8963-47ea-aadf-c60de735468a d6b52d86-f0f8-475f-89d4-ce54c8527328
102706fb-a5cd-42ee-afe0-bc42f017ff43 74a1c565-4e59-48d7-9d67-7c03b8a13137 b2e08744-4f1a-40ce-af30-7abac3e23cf3
2fa8af9c-2d1a-43ea-a253-f00a00c74412 d771e9c1-4f26-40dc-8617-ce58c4b53702 cc6a4487-9e91-433e-a3a3-9cf6626c1806
35d6c4d8-c9a9-11eb-b8bc-0242ac130003 ff4274f2-c9a9-11eb-b8bc-0242ac130003 ea1c2a08-b722-11eb-8529-0242ac130003
221c7626-58f6-4eec-8ee2-042b0226f03b 2acf109f-9b66-4d5e-bc18-ebb2adcff8d5 4f63aa36-bd48-4e33-bb83-49fbcd11c708
8e6b41a8-d998-4545-ad7d-c6a9fff406c3
""".split()
OTHER_SPECS = [each for each in TABULAR if each not in {SERVICE_CLOUD, SERVICENOW}]


class Parts:
    """What a flow needs, ready made in the caller's sandbox."""

    def __init__(self, aep: Caller) -> None:
        self.aep = aep
        self.tenant = aep.tenant()
        self.base = aep.base()
        self.columns = aep.columns(self.base, "Account")
        self.source = aep.create("sourceConnections", aep.source_body(self.base, "Account", self.columns))
        self.schema = aep.schema({"id": STRING, "name": STRING})
        self.dataset = aep.dataset(self.schema)
        self.target = aep.create("targetConnections", aep.target_body(self.dataset, self.schema))
        self.pairs = [("Id", f"{self.tenant}.row.id"), ("Name", f"{self.tenant}.row.name")]
        self.mapping = aep.mapping(self.schema, self.pairs)

    def flow_body(self, **changes: Any) -> dict[str, Any]:
        return self.aep.flow_body(self.source, self.target, self.mapping, **changes)

    def scheduled_body(self, **changes: Any) -> dict[str, Any]:
        """A recurring flow whose time never comes."""
        delta = {"name": "CreatedDate", "dateFormat": "yyyy-MM-dd HH:mm:ss", "timezone": "UTC"}
        mapping = {"name": "Mapping", "params": {"mappingId": self.mapping, "mappingVersion": "0"}}
        schedule = {"startTime": int(time.time()) + 3_000_000, "frequency": "minute", "interval": 15, "backfill": True}
        transformations = [{"name": "Copy", "params": {"deltaColumn": delta}}, mapping]
        return self.flow_body(scheduleParams=schedule, transformations=transformations) | changes

    def create_flow(self, body: dict[str, Any]) -> models.Flow:
        return self.aep.settled(self.aep.create("flows", body))


@pytest.fixture
def parts(aep: Caller) -> Parts:
    return Parts(aep)


# --- IMS and the gateway


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize("place", ["data", "params"])
def test_a_token_is_given_by_both_versions_in_body_and_query(server: Server, version: str, place: str) -> None:
    fields = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "s3cret-xyz", "scope": "openid"}
    answer = httpx.post(f"{server.url}/ims/token/{version}", **{place: fields})
    assert 1000 < checked(answer, models.Token).expires_in <= 86400, "seconds, not milliseconds"
    assert "s3cret-xyz" not in server.log.read_text()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"grant_type": "client_credentials"},
        {"grant_type": "password", "client_id": "a", "client_secret": "b"},
        {"grant_type": "client_credentials", "client_id": "a"},
    ],
)
def test_a_refused_token_request(server: Server, fields: dict[str, str]) -> None:
    answer = httpx.post(f"{server.url}/ims/token/v3", data=fields)
    assert answer.status_code in {400, 401}
    models.ImsError.model_validate_json(answer.content)


@pytest.mark.parametrize("service", [f"{FLOW}/flows", f"{REGISTRY}/tenant/schemas", f"{CATALOG}/dataSets"])
@pytest.mark.parametrize(
    ("header", "status", "code"),
    [("authorization", 403, "403010"), ("x-api-key", 403, "403000"), ("x-gw-ims-org-id", 400, "400003")],
)
def test_a_missing_header_is_the_gateways_error(
    aep: Caller, service: str, header: str, status: int, code: str
) -> None:
    del aep.http.headers[header]
    assert str(checked(aep.get(service), models.GatewayError, status).error_code) == code


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer eyJhbGciOiJub25lIn0.e30."])
def test_a_token_nobody_gave(aep: Caller, header: str) -> None:
    aep.http.headers["authorization"] = header
    assert str(checked(aep.get(f"{FLOW}/flows"), models.GatewayError, 401).error_code) == "401013"


def test_an_expired_token(start: Callable[..., Server]) -> None:
    with start("--token-seconds", "1").caller() as caller:
        answer = until(lambda: caller.get(f"{FLOW}/flows"), lambda answer: answer.status_code != 200, 5)
        assert str(checked(answer, models.GatewayError, 401).error_code) == "401013"


def test_a_foreign_api_key_is_invalid(aep: Caller) -> None:
    aep.http.headers["x-api-key"] = "somebody-else"
    assert str(checked(aep.get(f"{FLOW}/flows"), models.GatewayError, 403).error_code) == "403003"


def test_flow_service_wants_a_sandbox_that_there_is(aep: Caller) -> None:
    aep.http.headers["x-sandbox-name"] = "nowhere"
    answer = aep.get(f"{FLOW}/flows")
    assert refused(answer, status=404).code in {"2100", "2101", "2103"}
    del aep.http.headers["x-sandbox-name"]
    refused(aep.get(f"{FLOW}/flows"), 2105)


# --- base connections


def test_a_connection_created_and_read(aep: Caller) -> None:
    before = int(time.time())
    answer = aep.post(f"{FLOW}/connections", aep.connection_body(description="for tests"))
    created = checked(answer, models.Created, 201)
    assert answer.headers["location"].endswith(f"/connections/{created.id}")
    written = int(created.etag.strip('"').rpartition("-")[2][:8], 16)
    assert before <= written <= time.time()

    read = checked(aep.get(f"{FLOW}/connections/{created.id}"), models.One[models.Connection]).items[0]
    assert (read.name, read.description, read.state) == ("base", "for tests", "enabled")
    assert read.etag == created.etag
    assert read.createdAt // 1000 in range(before, before + 30)
    assert read.imsOrgId == aep.organisation
    assert read.sandboxName == aep.sandbox
    assert read.connectionSpec.id == SERVICENOW
    assert read.auth is not None
    assert read.auth.specName == "Basic Authentication"
    listed = checked(aep.get(f"{FLOW}/connections"), models.Listing[models.Connection])
    assert [each.id for each in listed.items] == [read.id]
    assert checked(aep.get(f"{FLOW}/connections/{created.id}/"), models.One[models.Connection]).items[0] == read


def test_a_connection_tested_and_explored(aep: Caller) -> None:
    base = f"{FLOW}/connections/{aep.base()}"
    assert checked(aep.get(f"{base}/test"), models.Tested).result is True
    for spelling in ("root", "ROOT"):
        tables = checked(aep.get(f"{base}/explore", params={"objectType": spelling}), models.Root).root
        assert "Account" in [table.path for table in tables]
    table = {"objectType": "table", "object": "Account"}
    explored = checked(aep.get(f"{base}/explore", params=table), models.Explored)
    assert [column.name for column in explored.schema_.columns] == "Id Name Phone CreatedDate Employees Active".split()
    types = {each.name: (each.type, each.xdm.type, each.xdm_type, each.xdm.format) for each in explored.schema_.columns}
    assert types["Name"] == ("string", "string", None, None)
    assert types["CreatedDate"] == ("string", "string", "date-time", "date-time")
    previewed = checked(aep.get(f"{base}/explore", params=table | {"preview": "true"}), models.Previewed)
    assert previewed.schema_ == explored.schema_
    assert previewed.data[1]["Name"] == "Tail, Spin"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"objectType": "planet"}, 1358),
        ({"objectType": "table"}, 1337),
        ({"objectType": "table", "object": "NoSuchTable"}, 1330),
        ({"objectType": "table", "object": "../Account"}, 1330),
        ({"objectType": "table", "object": "Account'; DROP TABLE x; --"}, 1330),
    ],
)
def test_explore_refuses(aep: Caller, query: dict[str, str], code: int) -> None:
    refused(aep.get(f"{FLOW}/connections/{aep.base()}/explore", params=query), code)


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        ({"specName": "Palm Reading", "params": {}}, 1415),
        ({"specName": "Basic Authentication", "params": {"endpoint": "https://x.example", "username": "u"}}, 1304),
        ({"specName": "Basic Authentication", "params": {}}, 1304),
    ],
)
def test_connection_auth_is_judged_by_the_spec(aep: Caller, auth: dict[str, Any], code: int) -> None:
    problem = refused(aep.post(f"{FLOW}/connections", aep.connection_body(auth=auth)), code)
    assert "hunter2" not in problem.errorMessage


def test_a_connection_of_an_unknown_spec(aep: Caller) -> None:
    refused(aep.post(f"{FLOW}/connections", aep.connection_body(connectionSpec={"id": NOBODY})), 1413)


# --- specs


def test_the_specs_of_the_two_sources_of_the_tutorial(aep: Caller) -> None:
    for id in (SERVICENOW, SERVICE_CLOUD):
        spec = checked(aep.get(f"{FLOW}/connectionSpecs/{id}"), models.One[models.ConnectionSpec]).items[0]
        assert spec.id == id
        found = aep.get(f"{FLOW}/connectionSpecs", params={"property": f"name=={spec.name}"})
        assert [each.id for each in checked(found, models.Listing[models.ConnectionSpec]).items] == [id]
    auth = {each.name: set(each.spec["required"]) for each in spec.authSpec}
    assert auth == {
        "Basic Authentication": {"username", "password", "securityToken"},
        "OAuth2 Client Credential": {"environmentUrl", "clientId", "clientSecret", "apiVersion"},
    }


@pytest.mark.parametrize("id", TABULAR)
def test_every_tabular_connector_has_its_spec(aep: Caller, id: str) -> None:
    spec = checked(aep.get(f"{FLOW}/connectionSpecs/{id}"), models.One[models.ConnectionSpec]).items[0]
    assert spec.id == id


def test_the_37_specs_page_by_page(aep: Caller) -> None:
    found: list[str] = []
    query: dict[str, Any] | None = {"limit": 10}
    while query:
        answer = aep.get(f"{FLOW}/connectionSpecs", params=query)
        page = checked(answer, models.Listing[models.AnySpec])  # the data lake's spec has no tables
        assert len(page.items) <= 10
        found += [each.id for each in page.items]
        query = {"limit": 10} | dict(httpx.URL(page.links.next.href).params) if page.links.next else None
    assert len(found) == len(set(found))
    assert set(TABULAR) <= set(found)


@pytest.mark.parametrize("value", ['"CRMToAEP"', "CRMToAEP", "%22CRMToAEP%22"])
def test_the_flow_spec_by_name(aep: Caller, value: str) -> None:
    answer = aep.get(f"{FLOW}/flowSpecs?property=name=={value}")
    (spec,) = checked(answer, models.Listing[models.FlowSpec]).items
    assert (spec.id, spec.name) == (CRM_TO_AEP, "CRMToAEP")
    assert len(spec.sourceConnectionSpecIds) == len(set(spec.sourceConnectionSpecIds))
    assert set(spec.sourceConnectionSpecIds) == set(TABULAR)
    assert spec.targetConnectionSpecIds == [DATA_LAKE]
    assert spec.permissionsInfo.view[0].permissions == ["read"]
    assert spec.permissionsInfo.manage[0].permissions == ["write"]


@pytest.mark.parametrize(
    ("schedule", "right"),
    [
        ({"startTime": 1767225600, "frequency": "once"}, True),
        ({"startTime": 1767225600, "frequency": "once", "interval": 15}, False),
        ({"startTime": 1767225600, "frequency": "once", "backfill": True}, False),
        ({"startTime": 1767225600, "frequency": "minute", "interval": 15}, True),
        ({"startTime": 1767225600, "frequency": "minute", "interval": 14}, False),
        ({"startTime": 1767225600, "frequency": "minute"}, False),
        ({"startTime": 1767225600, "frequency": "hour", "interval": 1}, True),
        ({"startTime": 1767225600, "frequency": "hour", "interval": 0}, False),
        ({"startTime": 1767225600, "frequency": "week", "interval": 2, "backfill": False}, True),
        ({"startTime": 1767225600, "frequency": "month", "interval": 1}, False),
        ({"startTime": "1767225600", "frequency": "day", "interval": 1}, False),
        ({"frequency": "day", "interval": 1}, False),
    ],
)
def test_the_schedule_schema_is_the_rule_set(aep: Caller, schedule: dict[str, Any], right: bool) -> None:
    answer = aep.get(f"{FLOW}/flowSpecs", params={"property": "name==CRMToAEP"})
    spec = checked(answer, models.Listing[models.FlowSpec]).items[0]
    assert jsonschema.Draft7Validator(spec.scheduleSpec.spec).is_valid(schedule) is right


def test_the_schemas_of_options_and_transformations(aep: Caller) -> None:
    answer = aep.get(f"{FLOW}/flowSpecs", params={"property": "name==CRMToAEP"})
    spec = checked(answer, models.Listing[models.FlowSpec]).items[0]
    options = jsonschema.Draft7Validator(spec.optionSpec.spec)
    assert options.is_valid({"errorDiagnosticsEnabled": True, "partialIngestionPercent": 5})
    assert not options.is_valid({"partialIngestionPercent": 0})
    assert not options.is_valid({"errorDiagnosticsEnabled": "true"})
    assert spec.optionSpec.spec["properties"]["errorDiagnosticsEnabled"]["default"] is False
    assert spec.scheduleSpec.spec["properties"]["backfill"]["default"] is True
    copy, mapping = (jsonschema.Draft7Validator(spec.steps[name]) for name in ("Copy", "Mapping"))
    assert copy.is_valid({"deltaColumn": {"name": "at"}})
    assert not copy.is_valid({"deltaColumn": {"timezone": "UTC"}})
    assert not copy.is_valid({})
    assert mapping.is_valid({"mappingId": "7c", "mappingVersion": "0"})
    assert not mapping.is_valid({"mappingId": "7c", "mappingVersion": 0})


# --- source and target connections


def test_source_and_target_connections(parts: Parts) -> None:
    aep = parts.aep
    read = aep.get(f"{FLOW}/sourceConnections/{parts.source}")
    source = checked(read, models.One[models.SourceConnection]).items[0]
    assert source.baseConnectionId == parts.base
    assert source.inheritedAttributes.baseConnection.id == parts.base
    assert source.inheritedAttributes.baseConnection.connectionSpec.id == SERVICENOW
    assert read.json()["items"][0]["params"]["columns"] == parts.columns, "columns come back as explore gave them"
    listed = aep.get(f"{FLOW}/sourceConnections", params={"property": "params.tableName==Account"})
    assert checked(listed, models.Listing[models.SourceConnection]).items == [source]
    target = checked(aep.get(f"{FLOW}/targetConnections/{parts.target}"), models.One[models.TargetConnection]).items[0]
    assert target.params.dataSetId == parts.dataset
    assert target.connectionSpec.id == DATA_LAKE
    listed = aep.get(f"{FLOW}/targetConnections", params={"property": f"params.dataSetId=={parts.dataset}"})
    assert checked(listed, models.Listing[models.TargetConnection]).items == [target]


def test_the_data_of_a_target_connection_may_be_left_out(parts: Parts) -> None:
    body = parts.aep.target_body(parts.dataset, parts.schema)
    del body["data"]
    id = parts.aep.create("targetConnections", body)
    checked(parts.aep.get(f"{FLOW}/targetConnections/{id}"), models.One[models.TargetConnection])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"connectionSpec": {"id": SERVICENOW, "version": "1.0"}}, 1307),
        ({"params": {}}, 1325),
        ({"params": {"dataSetId": "5ed18e0f4f90b719196f44a9"}}, None),
    ],
)
def test_a_target_connection_refused(parts: Parts, change: dict[str, Any], code: int | None) -> None:
    body = parts.aep.target_body(parts.dataset, parts.schema, **change)
    refused(parts.aep.post(f"{FLOW}/targetConnections", body), code)


def test_a_source_connection_of_another_format(parts: Parts) -> None:
    body = parts.aep.source_body(parts.base, "Account", parts.columns, data={"format": "clay tablet"})
    refused(parts.aep.post(f"{FLOW}/sourceConnections", body), 1327)


def test_a_table_that_is_not_there_is_found_out(parts: Parts) -> None:
    """Nobody says when AEP looks. At the latest the run must."""
    body = parts.aep.source_body(parts.base, "NoSuchTable", parts.columns)
    answer = parts.aep.post(f"{FLOW}/sourceConnections", body)
    if answer.status_code != 201:
        refused(answer, 1330)
        return
    source = answer.json()["id"]
    flow = parts.aep.create("flows", parts.aep.flow_body(source, parts.target, parts.mapping))
    (run,) = parts.aep.ended_runs(flow)
    assert run.status == "failed"
    assert [each.code for each in run.metrics.statusSummary.errors or []] == ["CONNECTOR-1001-500"]
    last = parts.aep.flow(flow).lastRunDetails
    assert last is not None
    assert (last.id, last.state) == (run.id, "failed")


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
    assert (one[second].name, one[second].schemaRef.id, one[second].tags["airflow"]) == ("second", parts.schema, ["a:b"])
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


# --- flows and runs


def test_the_document_of_a_flow_before_its_first_run(parts: Parts) -> None:
    answer = parts.aep.post(f"{FLOW}/flows", parts.scheduled_body())
    created = checked(answer, models.Created, 201)
    assert answer.headers["location"].endswith(f"/flows/{created.id}")
    at_once = parts.aep.flow(created.id)
    assert at_once.state in {"initializing", "enabled"}
    flow = parts.aep.settled(created.id)
    assert flow.state == "enabled"
    assert flow.lastRunDetails is None
    assert [step.name for step in flow.transformations] == ["Copy", "Mapping"]
    assert flow.inheritedAttributes.sourceConnections[0].baseConnection.id == parts.base
    assert flow.inheritedAttributes.targetConnections[0].id == parts.target
    assert (flow.sourceConnectionIds, flow.targetConnectionIds) == ([parts.source], [parts.target])
    assert created.id in flow.runs
    assert flow.lastOperation.operation == "create"
    assert parts.aep.runs(created.id) == []
    listed = parts.aep.get(f"{FLOW}/flows", params={"property": "flowSpec.id==" + CRM_TO_AEP})
    assert checked(listed, models.Listing[models.Flow]).items == [flow]


def test_a_run_from_flow_to_batch(parts: Parts) -> None:
    aep = parts.aep
    flow = aep.create("flows", parts.flow_body())
    (run,) = aep.ended_runs(flow)
    assert (run.flowId, run.status, run.metrics.statusSummary.status) == (flow, "success", "success")
    assert checked(aep.get(f"{FLOW}/runs/{run.id}"), models.One[models.Run]).items == [run]
    assert run.metrics.recordSummary is not None
    assert (run.metrics.recordSummary.inputRecordCount, run.metrics.recordSummary.outputRecordCount) == (4, 4)
    assert run.metrics.durationSummary.completedAtUTC is not None
    assert run.metrics.durationSummary.startedAtUTC <= run.metrics.durationSummary.completedAtUTC
    assert [info.id for info in run.copy_activity.sourceInfo or []] == [parts.source]
    assert [info.id for info in run.promotion_activity.targetInfo or []] == [parts.target]
    batch = aep.batch(run.batch)
    assert (batch.status, batch.metrics.inputRecordCount, batch.metrics.outputRecordCount) == ("success", 4, 4)
    assert [(each.type, each.id) for each in batch.relatedObjects] == [("dataSet", parts.dataset)]
    last = aep.flow(flow).lastRunDetails
    assert last is not None
    assert (last.id, last.state) == (run.id, "success")
    assert aep.get(f"{DATA_ACCESS}/batches/{run.batch}/files").status_code == 200
    assert aep.get(f"{DATA_ACCESS}/batches/{run.batch}/failed").status_code == 200


def test_the_rows_a_run_rejected(aep: Caller) -> None:
    tenant, base = aep.tenant(), aep.base()
    columns = aep.columns(base, "Account")
    source = aep.create("sourceConnections", aep.source_body(base, "Account", columns))
    schema = aep.schema({"id": STRING, "phone": STRING}, required=["phone"])
    dataset = aep.dataset(schema)
    target = aep.create("targetConnections", aep.target_body(dataset, schema))
    mapping = aep.mapping(schema, [("Id", f"{tenant}.row.id"), ("Phone", f"{tenant}.row.phone")])
    options = {"errorDiagnosticsEnabled": True, "partialIngestionPercent": 50}
    flow = aep.create("flows", aep.flow_body(source, target, mapping, options=options))
    (run,) = aep.ended_runs(flow)
    assert run.status in {"success", "partialsuccess"}, "one of four is below 50 percent"
    records = run.metrics.recordSummary
    assert records is not None
    assert (records.inputRecordCount, records.outputRecordCount, records.failedRecordCount) == (4, 3, 1)
    assert run.metrics.statusSummary.errors
    extensions = run.promotion_activity.statusSummary.extensions
    assert extensions is not None
    assert extensions.manifest is not None
    assert extensions.manifest.failedRecords is not None
    listing = checked(aep.follow(extensions.manifest.failedRecords), models.Entries)
    assert listing == checked(aep.get(f"{DATA_ACCESS}/batches/{run.batch}/meta?path=row_errors"), models.Entries)
    lines = [line for entry in listing.data for line in aep.follow(entry.links.self.href).text.splitlines()]
    assert len(lines) == 1
    assert "003" in lines[0]
    json.loads(lines[0])
    assert extensions.manifest.sampleErrors is not None
    assert aep.follow(extensions.manifest.sampleErrors).status_code == 200
    assert aep.batch(run.batch).metrics.failedRecordCount == 1


def test_unknown_ids_are_404_in_every_kind(aep: Caller) -> None:
    for kind in ("connections", "sourceConnections", "targetConnections", "flows", "runs"):
        problem = refused(aep.get(f"{FLOW}/{kind}/{NOBODY}"), status=404)
        assert problem.code in {"1439", "1101"}
        assert problem.report.id == NOBODY
        if kind != "runs":
            refused(aep.delete(f"{FLOW}/{kind}/{NOBODY}"), status=404)
    for kind in ("connectionSpecs", "flowSpecs"):
        refused(aep.get(f"{FLOW}/{kind}/{NOBODY}"), status=404)
    checked(aep.get(f"{CATALOG}/dataSets/5ed18e0f4f90b719196f44a9"), models.Problem, 404)
    checked(aep.get(f"{CATALOG}/batches/01M85ZT7CT65KWH45NFJE6Q3QV"), models.Problem, 404)
    checked(aep.get(f"{DATA_ACCESS}/batches/01M85ZT7CT65KWH45NFJE6Q3QV/meta?path=row_errors"), models.Problem, 404)


def test_bodies_that_are_none(aep: Caller) -> None:
    path = f"{FLOW}/connections"
    as_json = {"content-type": "application/json"}
    trailing = json.dumps(aep.connection_body())[:-1] + ",}"
    for text in (trailing, '"text"', "[]", "{"):
        assert 400 == aep.post(path, content=text.encode(), headers=as_json).status_code, text
    refused(aep.post(path, content=b"", headers=as_json), 1405)
    answer = aep.post(path, content=json.dumps(aep.connection_body()).encode(), headers={"content-type": "text/plain"})
    assert checked(answer, models.PlaceholderError, 400).title == "BadRequestError"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"state": "enabled"}, 1410),
        ({"mode": "draft"}, 1368),
        ({"flowSpec": {"id": NOBODY, "version": "1.0"}}, 1413),
        ({"sourceConnectionIds": []}, None),
        ({"sourceConnectionIds": [NOBODY, NOBODY]}, None),
        ({"targetConnectionIds": []}, None),
        ({"transformations": []}, 1370),
        ({"scheduleParams": {}}, 1317),
        ({"scheduleParams": {"startTime": 1590792316, "frequency": "once"}}, 1360),
        ({"scheduleParams": {"startTime": 4102444800, "frequency": "once", "interval": 15}}, 1361),
        ({"scheduleParams": {"startTime": 4102444800, "frequency": "once", "backfill": True}}, 1364),
        ({"scheduleParams": {"startTime": 4102444800, "frequency": "fortnight"}}, 1397),
        ({"scheduleParams": {"startTime": 4102444800, "frequency": "day", "interval": 1}}, 1367),
    ],
)
def test_a_flow_refused(parts: Parts, change: dict[str, Any], code: int | None) -> None:
    problem = refused(parts.aep.post(f"{FLOW}/flows", parts.flow_body(**change)), code)
    if code is None:
        assert problem.code in {"1320", "1321", "1338"}


@pytest.mark.parametrize(
    ("schedule", "codes"),
    [
        ({"frequency": "once"}, {"1369"}),
        ({"frequency": "minute", "interval": 14}, {"1362", "1363", "1394"}),
        ({"frequency": "minute", "interval": 0}, {"1362", "1363", "1394"}),
        ({"frequency": "week", "interval": 0}, {"1362", "1363", "1394"}),
    ],
)
def test_a_schedule_with_a_delta_column_refused(parts: Parts, schedule: dict[str, Any], codes: set[str]) -> None:
    body = parts.scheduled_body(scheduleParams={"startTime": int(time.time()) + 3_000_000} | schedule)
    assert refused(parts.aep.post(f"{FLOW}/flows", body)).code in codes


def test_a_schedule_by_the_schema_not_by_the_prose(parts: Parts) -> None:
    """The tutorial's text wants 15 for every frequency, its schema only for minutes."""
    schedule = {"startTime": int(time.time()) + 3_000_000, "frequency": "hour", "interval": 1}
    assert parts.create_flow(parts.scheduled_body(scheduleParams=schedule)).scheduleParams.interval == 1


def test_a_flow_whose_mapping_is_wrong(parts: Parts) -> None:
    def with_mapping(id: str, version: Any) -> httpx.Response:
        step = {"name": "Mapping", "params": {"mappingId": id, "mappingVersion": version}}
        return parts.aep.post(f"{FLOW}/flows", parts.flow_body(transformations=[step]))

    assert refused(with_mapping("0" * 32, "0")).code in {"1419", "1412"}
    assert refused(with_mapping(parts.mapping, "7")).code in {"1419", "1412"}
    assert refused(with_mapping(parts.mapping, "nought")).code in {"1419", "1412"}
    other = parts.aep.schema({"id": STRING, "name": STRING}, title="other")
    foreign = parts.aep.mapping(other, parts.pairs)
    refused(with_mapping(foreign, "0"), 1425)


def test_strings_in_a_schedule_come_back_as_sent(parts: Parts) -> None:
    """And mappingVersion comes back as a string whatever was sent."""
    start = str(int(time.time()) + 3_000_000)
    schedule = {"startTime": start, "frequency": "minute", "interval": "15", "backfill": "true"}
    body = parts.scheduled_body(scheduleParams=schedule)
    body["transformations"][1]["params"]["mappingVersion"] = 0
    flow = parts.create_flow(body)
    assert parts.aep.get(f"{FLOW}/flows/{flow.id}").json()["items"][0]["scheduleParams"] == schedule
    mapping = flow.transformations[1]
    assert isinstance(mapping, models.MappingStep)
    assert mapping.params.mappingVersion == "0"


# --- changing


def test_etags_guard_every_change(parts: Parts) -> None:
    aep = parts.aep
    flow = parts.create_flow(parts.scheduled_body())
    change = [{"op": "replace", "path": "/name", "value": "renamed"}]
    for kind, id in (
        ("connections", parts.base),
        ("sourceConnections", parts.source),
        ("targetConnections", parts.target),
        ("flows", flow.id),
    ):
        path = f"{FLOW}/{kind}/{id}"
        etag = aep.get(path).json()["items"][0]["etag"]
        refused(aep.patch(path, change), 1403)
        in_query = aep.http.patch(path, json=change, params={"if-match": etag})
        refused(in_query, 1403)
        stale = '"00000000-0000-0200-0000-5ed18cea0000"'
        for wrong in (stale, etag.strip('"')):
            answer = aep.patch(path, change, wrong)
            assert answer.status_code == 412, answer.text
            told = answer.json()
            model = models.FlowProblem if "type" in told else models.FlowErrorOlder
            assert "does not match the current version" in model.model_validate(told).errorMessage
        refused(aep.patch(path, [{"op": "move", "from": "/name", "path": "/description"}], etag), 1434)
        if kind == "connections":
            spec = {"op": "replace", "path": "/connectionSpec", "value": {"id": SERVICE_CLOUD, "version": "1.0"}}
            refused(aep.patch(path, [spec], etag), 1414)
        shouted = [{"op": "REPLACE", "path": "/name", "value": "renamed"}]
        changed = checked(aep.patch(path, shouted, etag), models.Created)
        assert changed.id == id
        assert changed.etag != etag
        after = until(
            lambda path=path: aep.get(path).json()["items"][0], lambda item: item["state"] in {"enabled", "disabled"}
        )
        assert after["name"] == "renamed"
        assert after["updatedAt"] >= after["createdAt"]
        assert aep.patch(path, change, etag).status_code == 412


def test_a_flow_disabled_and_enabled(parts: Parts) -> None:
    aep = parts.aep
    flow = parts.create_flow(parts.scheduled_body())

    def act(operation: str) -> httpx.Response:
        return aep.http.post(f"{FLOW}/flows/{flow.id}/action", params={"op": operation})

    def is_now(state: str) -> None:
        until(lambda: aep.flow(flow.id).state, lambda now: now == state)

    refused(act("enable"), 1422)
    assert checked(act("disable"), models.Created).id == flow.id
    is_now("disabled")
    refused(act("disable"), 1422)
    assert checked(act("ENABLE"), models.Created).id == flow.id
    is_now("enabled")
    assert refused(act("levitate")).code in {"1398", "1436", "1401"}


def test_deleted_things_are_gone_and_what_is_used_stays(parts: Parts) -> None:
    aep = parts.aep
    flow = parts.create_flow(parts.scheduled_body())
    refused(aep.delete(f"{FLOW}/connections/{parts.base}"), 1418)
    for kind, id in (
        ("flows", flow.id),
        ("sourceConnections", parts.source),
        ("targetConnections", parts.target),
        ("connections", parts.base),
    ):
        answer = aep.delete(f"{FLOW}/{kind}/{id}")
        assert (answer.status_code, answer.content) == (204, b""), answer.text
        refused(aep.get(f"{FLOW}/{kind}/{id}"), status=404)
        refused(aep.delete(f"{FLOW}/{kind}/{id}"), status=404)
    assert parts.dataset in checked(aep.get(f"{CATALOG}/dataSets/{parts.dataset}"), models.DataSets).root


# --- listing


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=1&count=true", {"1401"}),
        ("property=name~abc", {"1440"}),
        ("property=createdAt<=1,2", {"1443"}),
        ("colour=blue", {"1451"}),
        ("orderby=*name", {"1432", "1433"}),
        ("property=name", {str(code) for code in range(1448, 1455)}),
    ],
)
def test_a_listing_refused(aep: Caller, query: str, code: set[str]) -> None:
    assert refused(aep.get(f"{FLOW}/connections?{query}")).code in code


def test_count_without_items(aep: Caller) -> None:
    for _ in range(3):
        aep.base()
    assert checked(aep.get(f"{FLOW}/connections", params={"count": "true"}), models.OnlyCount).count == 3
    answer = aep.get(f"{FLOW}/connections", params={"count": "false", "limit": 2})
    assert len(checked(answer, models.Listing[models.Connection]).items) == 2


def test_runs_of_a_sandbox_filtered(parts: Parts) -> None:
    flow = parts.aep.create("flows", parts.flow_body())
    (run,) = parts.aep.ended_runs(flow)
    started = run.metrics.durationSummary.startedAtUTC

    def ids(*filters: str) -> list[str]:
        answer = parts.aep.get(f"{FLOW}/runs", params=[("property", each) for each in filters])
        return [each.id for each in checked(answer, models.Listing[models.Run]).items]

    assert ids() == [run.id]
    assert ids(f"flowId=={flow}", f"metrics.durationSummary.startedAtUTC>{started - 1}") == [run.id]
    assert ids(f"flowId=={flow}", f"metrics.durationSummary.startedAtUTC>{started}") == []
    assert ids("metrics.statusSummary.status==success") == [run.id]
    assert ids("metrics.statusSummary.status==failed") == []
    assert ids(f"id=={NOBODY},{run.id}") == [run.id]
    assert ids("state==inProgress") == []


@pytest.mark.parametrize("kind", ["connections", "flows", "flowSpecs"])
def test_search_is_a_listing_too(parts: Parts, kind: str) -> None:
    parts.create_flow(parts.scheduled_body())
    model = {"connections": models.Connection, "flows": models.Flow, "flowSpecs": models.FlowSpec}[kind]
    whole = checked(parts.aep.get(f"{FLOW}/{kind}"), models.Listing[model])  # type: ignore[valid-type]
    answer = parts.aep.post(f"{FLOW}/{kind}/search", {"queryString": "", "limit": 1000})
    assert checked(answer, models.Listing[model]).items == whole.items  # type: ignore[valid-type]


# --- on-demand runs


def run_body(flow: str, **changes: Any) -> dict[str, Any]:
    params = {
        "startTime": int(time.time()),
        "windowStartTime": 1767225600,  # 2026-01-01
        "windowEndTime": 1767225600 + 2 * 86400,
        "deltaColumn": {"name": "CreatedDate"},
    }
    return {"flowId": flow, "params": params | changes}


@pytest.mark.parametrize("path", ["/runs", "/runs/"])
@pytest.mark.parametrize("kind", [int, str])
def test_a_run_on_demand_reads_its_window(parts: Parts, path: str, kind: Callable[[int], Any]) -> None:
    aep = parts.aep
    far = {"startTime": int(time.time()) + 3_000_000, "frequency": "once"}
    flow = parts.create_flow(parts.flow_body(scheduleParams=far)).id
    body = run_body(flow)
    for name in ("startTime", "windowStartTime", "windowEndTime"):
        body["params"][name] = kind(body["params"][name])
    answer = aep.post(FLOW + path, body)
    assert answer.status_code in {200, 201}, answer.text
    told = posted_id(answer)
    (run,) = aep.ended_runs(flow)
    assert run.id == told
    assert run.status == "success"
    assert run.metrics.recordSummary is not None
    assert run.metrics.recordSummary.outputRecordCount == 2
    copy = [step for step in aep.flow(flow).transformations if isinstance(step, models.Copy)]
    assert [step.params.deltaColumn.name for step in copy] == ["CreatedDate"], "the first run writes its delta column"
    # a second run over the same window is a second run
    again = aep.post(f"{FLOW}/runs", run_body(flow))
    assert posted_id(again) != told
    assert len(aep.ended_runs(flow, 2)) == 2


def posted_id(answer: httpx.Response) -> str:
    """The run's id from any of the three documented answers, each of which must be right."""
    assert answer.status_code in {200, 201}, answer.text
    told = answer.json()
    if "items" in told:
        return models.ItemsCreated.model_validate_json(answer.content).items[0].id
    if "activities" in told:
        return models.ScheduledRun.model_validate_json(answer.content).id
    return models.Created.model_validate_json(answer.content).id


def test_runs_on_demand_refused(parts: Parts) -> None:
    aep = parts.aep
    far = {"startTime": int(time.time()) + 3_000_000, "frequency": "once"}
    flow = parts.create_flow(parts.flow_body(scheduleParams=far)).id
    first = run_body(flow)
    del first["params"]["deltaColumn"]
    refused(aep.post(f"{FLOW}/runs", first), 1383)
    refused(aep.post(f"{FLOW}/runs", run_body(flow, windowEndTime=1767225600 - 1)), 1381)
    refused(aep.post(f"{FLOW}/runs", {"flowId": flow, "params": {}}), 1384)
    problem = aep.post(f"{FLOW}/runs", run_body(NOBODY))
    assert problem.status_code in {400, 404}
    models.FlowProblem.model_validate_json(problem.content)
    posted_id(aep.post(f"{FLOW}/runs", run_body(flow)))
    refused(aep.post(f"{FLOW}/runs", run_body(flow, deltaColumn={"name": "Name"})), 1382)
    without = run_body(flow)
    del without["params"]["deltaColumn"]
    posted_id(aep.post(f"{FLOW}/runs", without))
    recurring = parts.create_flow(parts.scheduled_body()).id
    refused(aep.post(f"{FLOW}/runs", run_body(recurring)), 1386)


def test_a_failed_run_posted_again(parts: Parts) -> None:
    aep = parts.aep
    schema = aep.schema({"id": {"type": "integer"}}, title="numbers")
    dataset = aep.dataset(schema)
    target = aep.create("targetConnections", aep.target_body(dataset, schema))
    mapping = aep.mapping(schema, [("Name", f"{parts.tenant}.row.id")])
    flow = aep.settled(aep.create("flows", aep.flow_body(parts.source, target, mapping))).id
    (failed,) = aep.ended_runs(flow)
    assert failed.status == "failed"
    answer = aep.http.post(f"{FLOW}/runs/{failed.id}/action", params={"op": "re-trigger"})
    assert answer.status_code in {200, 201}, answer.text
    again = models.Created.model_validate_json(answer.content).id
    assert again != failed.id
    runs = aep.ended_runs(flow, 2)
    assert {run.id for run in runs} == {failed.id, again}
    checked(aep.http.post(f"{FLOW}/flows/{flow}/action", params={"op": "disable"}), models.Created)
    until(lambda: aep.flow(flow).state, lambda state: state == "disabled")
    refused(aep.http.post(f"{FLOW}/runs/{failed.id}/action", params={"op": "RE_TRIGGER"}), 1388)


def test_a_good_run_is_not_posted_again(parts: Parts) -> None:
    flow = parts.aep.create("flows", parts.flow_body())
    (run,) = parts.aep.ended_runs(flow)
    refused(parts.aep.http.post(f"{FLOW}/runs/{run.id}/action", params={"op": "re-trigger"}), 1387)


# --- isolation


def test_what_a_sandbox_holds_no_other_sees(parts: Parts) -> None:
    with parts.aep.other("stage") as stage, parts.aep.server.caller() as stranger:
        for elsewhere in (stage, stranger):
            for kind, id in (
                ("connections", parts.base),
                ("sourceConnections", parts.source),
                ("targetConnections", parts.target),
            ):
                refused(elsewhere.get(f"{FLOW}/{kind}/{id}"), status=404)
                refused(elsewhere.delete(f"{FLOW}/{kind}/{id}"), status=404)
                assert elsewhere.get(f"{FLOW}/{kind}").json()["items"] == []
            checked(elsewhere.get(f"{CATALOG}/dataSets/{parts.dataset}"), models.Problem, 404)
            checked(elsewhere.get(f"{DATA_PREP}/mappingSets/{parts.mapping}"), models.Problem, 404)
            path = f"{REGISTRY}/tenant/schemas/{quote(parts.schema, safe='')}"
            accept = {"Accept": "application/vnd.adobe.xed+json;version=1"}
            checked(elsewhere.get(path, headers=accept), models.RegistryError, 404)
            body = elsewhere.source_body(parts.base, "Account", parts.columns)
            assert elsewhere.post(f"{FLOW}/sourceConnections", body).status_code in {400, 404}
