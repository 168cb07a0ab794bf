"""IMS, the gateway, connections and specs: every answer against its model, each error in the shape of its layer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import jsonschema
import pytest

from . import models
from .parts import Parts
from .platform import (
    CATALOG,
    CRM_TO_AEP,
    DATA_LAKE,
    FLOW,
    REGISTRY,
    SERVICE_CLOUD,
    SERVICENOW,
    Caller,
    Server,
    anybody,
    checked,
    refused,
    until,
)

NOBODY = "00000000-0000-4000-8000-000000000000"
TABULAR = [
    "cb66ab34-8619-49cb-96d1-39b37ede86ea",
    "eb13cb25-47ab-407f-ba89-c0125281c563",
    "ba5126ec-c9ac-11eb-b8bc-0242ac130003",
    "cfc0fee1-7dc0-40ef-b73e-d8b134c436f5",
    "38ad80fe-8b06-4938-94f4-d4ee80266b07",
    "fcad62f3-09b0-41d3-be11-449d5a621b69",
    "929e4450-0237-4ed2-9404-b7e1e0a00309",
    "3416976c-a9ca-4bba-901a-1f08f66978ff",
    "aac9bbd4-6c01-46ce-b47e-51c6f0f6db3f",
    "6a8d82bc-1caf-45d1-908d-cadabc9d63a6",
    "e9d7ec6b-0873-4e57-ad21-b3a7c65e310b",
    "0479cc14-7651-4354-b233-7480606c2ac3",
    "a49bcc7d-8038-43af-b1e4-5a7a089a7d79",
    "ecde33f2-c56f-46cc-bdea-ad151c16cd69",
    "a8f4d393-1a6b-43f3-931f-91a16ed857f4",
    "1fe283f6-9bec-11ea-bb37-0242ac130002",
    "3c9b37f8-13a6-43d8-bad3-b863b941fedd",
    "37b6bf40-d318-4655-90be-5cd6f65d334b",
    "a8b6a1a4-5735-42b4-952c-85dce0ac38b5",
    "09182899-b429-40c9-a15a-bf3ddbc8ced7",
    "3000eb99-cd47-43f3-827c-43caf170f015",
    "1f372ff9-38a4-4492-96f5-b9a4e4bd00ec",
    "26d738e0-8963-47ea-aadf-c60de735468a",
    "d6b52d86-f0f8-475f-89d4-ce54c8527328",
    "102706fb-a5cd-42ee-afe0-bc42f017ff43",
    "74a1c565-4e59-48d7-9d67-7c03b8a13137",
    "b2e08744-4f1a-40ce-af30-7abac3e23cf3",
    "2fa8af9c-2d1a-43ea-a253-f00a00c74412",
    "d771e9c1-4f26-40dc-8617-ce58c4b53702",
    "cc6a4487-9e91-433e-a3a3-9cf6626c1806",
    "35d6c4d8-c9a9-11eb-b8bc-0242ac130003",
    "ff4274f2-c9a9-11eb-b8bc-0242ac130003",
    "ea1c2a08-b722-11eb-8529-0242ac130003",
    "221c7626-58f6-4eec-8ee2-042b0226f03b",
    "2acf109f-9b66-4d5e-bc18-ebb2adcff8d5",
    "4f63aa36-bd48-4e33-bb83-49fbcd11c708",
    "8e6b41a8-d998-4545-ad7d-c6a9fff406c3",
]


# --- IMS and the gateway


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize("place", ["data", "params"])
def test_a_token_is_given_by_both_versions_in_body_and_query(server: Server, version: str, place: str) -> None:
    fields = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "s3cret-xyz", "scope": "openid"}
    answer = anybody("POST", f"{server.url}/ims/token/{version}", **{place: fields})
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
    answer = anybody("POST", f"{server.url}/ims/token/v3", data=fields)
    assert answer.status_code in {400, 401}
    models.ImsError.model_validate_json(answer.content)


@pytest.mark.parametrize("service", [f"{FLOW}/flows", f"{REGISTRY}/tenant/schemas", f"{CATALOG}/dataSets"])
@pytest.mark.parametrize(
    ("header", "status", "code"),
    [("authorization", 403, "403010"), ("x-api-key", 403, "403000"), ("x-gw-ims-org-id", 400, "400003")],
)
def test_a_missing_header_is_the_gateways_error(aep: Caller, service: str, header: str, status: int, code: str) -> None:
    del aep.http.headers[header]
    assert str(checked(aep.get(service), models.GatewayError, status).error_code) == code


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer eyJhbGciOiJub25lIn0.e30."])
def test_a_token_nobody_gave(aep: Caller, header: str) -> None:
    aep.http.headers["authorization"] = header
    assert str(checked(aep.get(f"{FLOW}/flows"), models.GatewayError, 401).error_code) == "401013"


@pytest.mark.slow
def test_an_expired_token(start: Callable[..., Server]) -> None:
    with start("--token-seconds", "1").caller() as caller:
        answer = until(lambda: caller.get(f"{FLOW}/flows"), lambda answer: answer.status_code != 200)
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
    assert [column.name for column in explored.schema_.columns] == [
        "Id",
        "Name",
        "Phone",
        "CreatedDate",
        "Employees",
        "Active",
    ]
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


def test_every_tabular_connector_has_its_spec(aep: Caller) -> None:
    for id in TABULAR:
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
    answer = parts.aep.post(f"{FLOW}/flows", parts.aep.flow_body(source, parts.target, parts.mapping))
    if answer.status_code != 201:
        refused(answer, 1330)
        return
    flow = answer.json()["id"]
    (run,) = parts.aep.ended_runs(flow)
    assert run.status == "failed"
    assert [each.code for each in run.metrics.statusSummary.errors or []] == ["CONNECTOR-1001-500"]
    last = parts.aep.flow(flow).lastRunDetails
    assert last is not None
    assert (last.id, last.state) == (run.id, "failed")
