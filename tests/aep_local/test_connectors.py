"""Connection specifications of all tabular sources, and base connections made by what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from jsonschema import Draft7Validator

from aep_local.core.connectors import CONNECTORS

from .conftest import CRM_TO_AEP, FLOW, SERVICE_CLOUD, SERVICENOW, Chain, Inside, code

SPECS, BASE = f"{FLOW}/connectionSpecs", f"{FLOW}/connections"
ORACLE_SERVICE_CLOUD = "ba5126ec-c9ac-11eb-b8bc-0242ac130003"
ZOHO = "929e4450-0237-4ed2-9404-b7e1e0a00309"
DATABRICKS = "e9d7ec6b-0873-4e57-ad21-b3a7c65e310b"


def params_for(schema: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """Parameters that fit a schema of an auth specification."""
    kinds = {name: schema["properties"][name]["type"] for name in required}
    return {name: True if kind == "boolean" else f"any-{name}" for name, kind in kinds.items()}


def members(client: httpx.Client) -> set[str]:
    (spec,) = client.get(f"{FLOW}/flowSpecs", params={"property": "name==CRMToAEP"}).json()["items"]
    (same,) = client.get(f"{FLOW}/flowSpecs/{CRM_TO_AEP}").json()["items"]
    assert same == spec
    return set(spec["sourceConnectionSpecIds"])


def test_a_base_connection_of_each_way_to_log_in(aep: httpx.Client, chain: Chain) -> None:
    ways = [(connector, way) for connector in CONNECTORS for way in chain.get(f"{SPECS}/{connector.id}")["authSpec"]]
    assert {connector for connector, _ in ways} == set(CONNECTORS)
    for connector, way in ways:
        schema, required = way["spec"], way["spec"]["required"]
        Draft7Validator.check_schema(schema)
        given = params_for(schema, required)
        auth = {"specName": way["name"], "params": given}
        id = chain.connection(connectionSpec={"id": connector.id}, auth=auth)
        shown = chain.get(f"{BASE}/{id}")["auth"]["params"]
        secret = {name for name, each in schema["properties"].items() if each.get("format") == "password"}
        assert {name for name, value in shown.items() if value != given[name]} == secret & set(required)
        missing = required[-1]
        body = chain.connection_body(
            connectionSpec={"id": connector.id},
            auth={**auth, "params": {name: value for name, value in given.items() if name != missing}},
        )
        answer = aep.post(BASE, json=body)
        assert (answer.status_code, code(answer)) == (400, "1304")
        assert missing in answer.json()["errorMessage"]


def test_every_credential_that_is_secret_is_marked_so() -> None:
    telling = ("secret", "password", "token", "key", "connectionstring")
    for connector in CONNECTORS:
        for login in connector.logins:
            for name, schema in login.schema["properties"].items():
                assert (schema.get("format") == "password") == name.lower().endswith(telling), (connector.name, name)


@pytest.mark.parametrize("spec", [SERVICENOW, SERVICE_CLOUD, DATABRICKS])
def test_a_way_to_log_in_that_the_source_does_not_have(aep: httpx.Client, chain: Chain, spec: str) -> None:
    auth = {"specName": "Kerberos", "params": {"username": "u", "password": "needle"}}
    answer = aep.post(BASE, json=chain.connection_body(connectionSpec={"id": spec}, auth=auth))
    assert (answer.status_code, code(answer)) == (400, "1415")
    assert "Kerberos" in answer.json()["errorMessage"]
    assert "needle" not in answer.text


@pytest.mark.parametrize(
    ("params", "wrong"),
    [
        ({"endpoint": 7}, "endpoint"),
        ({"username": ""}, "username"),
        ({"password": ["needle"]}, "password"),
        ({"password": None}, "password"),
    ],
)
def test_a_parameter_of_the_wrong_type(aep: httpx.Client, chain: Chain, params: dict[str, Any], wrong: str) -> None:
    body = chain.connection_body()
    body["auth"]["params"] |= params
    answer = aep.post(BASE, json=body)
    assert (answer.status_code, code(answer)) == (400, "1304")
    assert wrong in answer.json()["errorMessage"]
    assert "needle" not in answer.text


def test_names_and_ids_are_unique_and_found_by_filter(aep: httpx.Client) -> None:
    names = [each.name for each in CONNECTORS]
    assert len(set(names)) == len({each.id for each in CONNECTORS}) == 37
    chosen = ",".join(names[:3])
    found = aep.get(SPECS, params={"property": f"name=={chosen}"}).json()["items"]
    assert [each["name"] for each in found] == names[:3]
    (one,) = aep.get(SPECS, params={"property": f"id=={DATABRICKS}"}).json()["items"]
    assert one["name"] == "databricks"
    sources = aep.get(SPECS, params={"property": "attributes.isSource==true", "limit": "100"}).json()["items"]
    assert [each["name"] for each in sources] == names
    assert aep.get(SPECS, params={"count": "true"}).json() == {"count": 38}


def test_a_retired_connector_is_gone(guarded: Callable[..., httpx.Client]) -> None:
    aep = guarded()
    assert code(aep.get(f"{SPECS}/{ORACLE_SERVICE_CLOUD}")) == "1439"
    assert aep.get(SPECS, params={"property": "name==oracle-service-cloud"}).json()["items"] == []
    assert members(aep) == {each.id for each in CONNECTORS} - {ORACLE_SERVICE_CLOUD, ZOHO}
    params = {"host": "h", "username": "u", "password": "p"}
    auth = {"specName": "Basic Authentication", "params": params}
    body = Chain(aep).connection_body(connectionSpec={"id": ORACLE_SERVICE_CLOUD}, auth=auth)
    assert code(aep.post(BASE, json=body)) == "1413"


def test_a_flow_needs_a_source_that_its_specification_serves(guarded: Callable[..., httpx.Client]) -> None:
    aep = guarded()
    chain = Chain(aep)
    spec = chain.get(f"{SPECS}/{ZOHO}")
    way = spec["authSpec"][0]
    auth = {"specName": way["name"], "params": params_for(way["spec"], way["spec"]["required"])}
    base = chain.connection(connectionSpec={"id": ZOHO}, auth=auth)
    source = chain.source(base, connectionSpec={"id": ZOHO, "version": "1.0"})
    answer = aep.post(f"{FLOW}/flows", json=chain.flow_body(sourceConnectionIds=[source]))
    assert (answer.status_code, code(answer)) == (400, "1413")


@pytest.mark.parametrize(
    ("listed", "count", "absent"),
    [("tutorial", 27, ZOHO), ("page", 36, DATABRICKS), ("template", 31, ORACLE_SERVICE_CLOUD)],
)
def test_the_list_of_the_flow_specification_is_a_switch(
    inside: Callable[..., Inside], listed: str, count: int, absent: str
) -> None:
    aep = inside(assume={"connectors_in_flow_spec": listed}).client()
    found = members(aep)
    assert len(found) == count
    assert absent not in found
    assert {SERVICENOW, SERVICE_CLOUD} <= found
    assert aep.get(f"{SPECS}/{absent}").status_code == 200, "a specification may outlive its place in the list"
