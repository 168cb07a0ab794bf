"""Flows: what is accepted, what is refused and with which code, and their life."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import jsonschema
import pytest

from .conftest import CRM_TO_AEP, FLOW, Chain, Platform, code
from .moments import later

FLOWS = f"{FLOW}/flows"
GONE = "00000000-0000-4000-8000-000000000000"
LATER = int(time.time()) + 3_000_000
DELTA = {"deltaColumn": {"name": "CreatedDate"}}
KEEP = object()


@pytest.fixture(scope="module")
def shared(platform: Platform) -> Any:
    """One valid flow body whose parts may be used by many refused flows."""
    with platform.client("shared-flows@AdobeOrg") as client:
        yield Chain(client), Chain(client).flow_body()


def once(body: dict[str, Any], **schedule: Any) -> dict[str, Any]:
    mapping = [each for each in body["transformations"] if each["name"] == "Mapping"]
    return body | {"transformations": mapping, "scheduleParams": {"startTime": LATER, "frequency": "once"} | schedule}


def with_copy(body: dict[str, Any], params: Any) -> list[Any]:
    copy = [] if params is None else [{"name": "Copy", "params": params}]
    return [*copy, *(each for each in body["transformations"] if each["name"] == "Mapping")]


def with_mapping(body: dict[str, Any], **changes: Any) -> list[Any]:
    copy, mapping = body["transformations"]
    return [copy, {"name": "Mapping", "params": mapping["params"] | changes}]


def test_a_flow_has_aeps_shape(chain: Chain) -> None:
    body = chain.flow_body(description="d", options={"errorDiagnosticsEnabled": True, "partialIngestionPercent": 5})
    answer = chain.client.post(FLOWS, json=body)
    assert answer.status_code == 201
    assert set(answer.json()) == {"id", "etag"}
    assert answer.headers["Location"].endswith(f"/flows/{answer.json()['id']}")
    flow = chain.until(f"{FLOWS}/{answer.json()['id']}", lambda flow: flow["state"] == "enabled")
    assert {key: flow[key] for key in body} == body
    assert flow["version"] == flow["etag"]
    inherited = flow["inheritedAttributes"]
    assert inherited["sourceConnections"][0]["id"] == body["sourceConnectionIds"][0]
    assert set(inherited["sourceConnections"][0]) == {"id", "connectionSpec", "baseConnection"}
    assert set(inherited["sourceConnections"][0]["baseConnection"]) == {"id", "connectionSpec"}
    assert inherited["targetConnections"][0]["id"] == body["targetConnectionIds"][0]
    assert inherited["properties"] == {"isSourceFlow": True}
    assert flow["lastOperation"]["operation"] == "create"
    assert flow["lastOperation"]["status"] == {"value": "completed", "errors": []}
    assert flow["runs"].endswith(flow["id"])
    assert "lastRunDetails" not in flow
    assert "_local" not in flow


def test_a_flow_is_initializing_first(inside: Callable[..., Any]) -> None:
    # Two seconds last twenty on this platform, so the state can be looked at.
    with inside(time_scale=10).client() as aep:
        chain = Chain(aep)
        body = chain.flow_body()
        answer = chain.post(FLOWS, body)
        flow = chain.get(f"{FLOWS}/{answer['id']}")
        assert flow["state"] == "initializing"
        assert flow["lastOperation"]["status"]["value"] == "inProgress"
        patch = [{"op": "replace", "path": "/name", "value": "x"}]
        changed = aep.patch(f"{FLOWS}/{flow['id']}", json=patch, headers={"If-Match": flow["etag"]})
        assert (changed.status_code, code(changed)) == (400, "1417")
        assert code(aep.delete(f"{FLOWS}/{flow['id']}")) == "1417"
        assert code(aep.post(f"{FLOWS}/{flow['id']}/action?op=disable")) == "1422"
        once_only = chain.post(FLOWS, once(body))["id"]
        assert code(aep.post(f"{FLOW}/runs", json=posted_run(once_only))) == "1380", "nor does it run yet"


def test_the_schemas_of_the_flow_spec_agree_with_the_platform(shared: Any) -> None:
    chain, body = shared
    spec = chain.get(f"{FLOW}/flowSpecs/{CRM_TO_AEP}")
    schemas = {each["name"]: each["spec"] for each in spec["transformationSpecs"]}
    for schema in (*schemas.values(), spec["scheduleSpec"]["spec"], spec["optionSpec"]["spec"]):
        jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(body["scheduleParams"], spec["scheduleSpec"]["spec"])
    for each in body["transformations"]:
        jsonschema.validate(each["params"], schemas[each["name"]])


@pytest.mark.parametrize(
    "schedule",
    [
        {"frequency": "minute", "interval": 15},
        {"frequency": "minute", "interval": "15", "backfill": "true", "startTime": str(LATER)},
        {"frequency": "hour", "interval": 1, "backfill": False},
        {"frequency": "day", "interval": 1},
        {"frequency": "week", "interval": 2},
    ],
)
def test_schedules_that_are_accepted(shared: Any, schedule: dict[str, Any]) -> None:
    chain, body = shared
    sent = {"startTime": LATER} | schedule
    id = chain.post(FLOWS, body | {"scheduleParams": sent})["id"]
    assert chain.get(f"{FLOWS}/{id}")["scheduleParams"] == sent


def test_a_flow_may_run_once(shared: Any) -> None:
    chain, body = shared
    id = chain.post(FLOWS, once(body))["id"]
    assert chain.get(f"{FLOWS}/{id}")["scheduleParams"] == {"startTime": LATER, "frequency": "once"}


SCHEDULE = {"startTime": LATER, "frequency": "minute", "interval": 15}


@pytest.mark.parametrize(
    ("changes", "status", "type_"),
    [
        ({"state": "enabled"}, 400, "FLOW-1410"),
        ({"mode": "draft"}, 400, "CONNECTOR-1368"),
        ({"flowSpec": None}, 400, "FLOW-1413"),
        ({"flowSpec": {"id": GONE}}, 400, "FLOW-1413"),
        ({"sourceConnectionIds": None}, 400, "CONNECTOR-1320"),
        ({"sourceConnectionIds": []}, 400, "CONNECTOR-1321"),
        ({"targetConnectionIds": None}, 400, "CONNECTOR-1320"),
        ({"targetConnectionIds": ["a", "b"]}, 400, "CONNECTOR-1321"),
        ({"sourceConnectionIds": [GONE]}, 404, "FLOW-1101"),
        ({"targetConnectionIds": [{}]}, 404, "FLOW-1101"),
        ({"scheduleParams": None}, 400, "CONNECTOR-1317"),
        ({"scheduleParams": {}}, 400, "CONNECTOR-1317"),
        ({"scheduleParams": SCHEDULE | {"frequency": "month"}}, 400, "CONNECTOR-1397"),
        ({"scheduleParams": {"frequency": "minute", "interval": 15}}, 400, "CONNECTOR-1304"),
        ({"scheduleParams": {"startTime": LATER, "interval": 15}}, 400, "CONNECTOR-1304"),
        ({"scheduleParams": {"startTime": LATER, "frequency": "day"}}, 400, "CONNECTOR-1304"),
        ({"scheduleParams": SCHEDULE | {"startTime": "soon"}}, 400, "CONNECTOR-1304"),
        ({"scheduleParams": SCHEDULE | {"backfill": "perhaps"}}, 400, "CONNECTOR-1304"),
        ({"scheduleParams": SCHEDULE | {"startTime": 1590792316}}, 400, "CONNECTOR-1360"),
        ({"scheduleParams": SCHEDULE | {"startTime": "1590792316"}}, 400, "CONNECTOR-1360"),
        ({"scheduleParams": SCHEDULE | {"interval": 14}}, 400, "CONNECTOR-1362"),
        ({"scheduleParams": SCHEDULE | {"interval": "14"}}, 400, "CONNECTOR-1362"),
        ({"scheduleParams": SCHEDULE | {"interval": "often"}}, 400, "CONNECTOR-1363"),
        ({"scheduleParams": SCHEDULE | {"interval": True}}, 400, "CONNECTOR-1363"),
        ({"scheduleParams": SCHEDULE | {"frequency": "hour", "interval": 0}}, 400, "CONNECTOR-1394"),
        ({"transformations": None}, 400, "CONNECTOR-1370"),
        ({"transformations": []}, 400, "CONNECTOR-1370"),
        ({"transformations": ["Copy"]}, 400, "CONNECTOR-1304"),
        ({"options": {"partialIngestionPercent": 0}}, 400, "CONNECTOR-1304"),
        ({"options": {"partialIngestionPercent": "some"}}, 400, "CONNECTOR-1304"),
        ({"options": {"errorDiagnosticsEnabled": 1}}, 400, "CONNECTOR-1304"),
        ({"options": []}, 400, "CONNECTOR-1304"),
        ({"name": 1}, 400, "CONNECTOR-1304"),
    ],
)
def test_a_wrong_flow_is_refused(shared: Any, changes: dict[str, Any], status: int, type_: str) -> None:
    chain, body = shared
    refused(chain.client, body | changes, type_, status)


@pytest.mark.parametrize(
    ("copy", "type_"),
    [
        (None, "CONNECTOR-1367"),
        ({}, "CONNECTOR-1367"),
        ({"deltaColumn": {"dateFormat": "x"}}, "CONNECTOR-1304"),
        ({"deltaColumn": {"name": 1}}, "CONNECTOR-1304"),
    ],
)
def test_a_scheduled_flow_needs_a_delta_column(shared: Any, copy: Any, type_: str) -> None:
    chain, body = shared
    refused(chain.client, body | {"transformations": with_copy(body, copy)}, type_)


@pytest.mark.parametrize(
    ("schedule", "copy", "type_"),
    [
        ({"interval": 15}, None, "CONNECTOR-1361"),
        ({"backfill": True}, None, "CONNECTOR-1364"),
        ({"backfill": False}, None, "CONNECTOR-1364"),
        ({}, DELTA, "CONNECTOR-1369"),
        ({"startTime": 1590792316}, None, "CONNECTOR-1360"),
    ],
)
def test_once_goes_with_nothing_else(shared: Any, schedule: dict[str, Any], copy: Any, type_: str) -> None:
    chain, body = shared
    refused(chain.client, once(body, **schedule) | {"transformations": with_copy(body, copy)}, type_)


@pytest.mark.parametrize(
    ("changes", "type_"),
    [
        ({"mappingVersion": "first"}, "FLOW-1412"),
        ({"mappingVersion": -1}, "FLOW-1412"),
        ({"mappingVersion": 7}, "FLOW-1419"),
        ({"mappingId": "0" * 32}, "FLOW-1419"),
        ({"mappingId": None}, "CONNECTOR-1370"),
        ({"mappingId": 7}, "CONNECTOR-1304"),
    ],
)
def test_a_flow_needs_a_mapping_that_exists(shared: Any, changes: dict[str, Any], type_: str) -> None:
    chain, body = shared
    refused(chain.client, body | {"transformations": with_mapping(body, **changes)}, type_)


def test_the_mapping_must_lead_to_the_datasets_schema(chain: Chain) -> None:
    body = chain.flow_body()
    other = chain.mapping(chain.schema("another schema"))
    refused(chain.client, body | {"transformations": with_mapping(body, mappingId=other)}, "FLOW-1425")


def test_the_table_must_exist(chain: Chain) -> None:
    body = chain.flow_body()
    for table in ("Nothing", "Empty"):
        columns = [{"name": "Id", "type": "string"}]
        source = chain.source(params={"tableName": table, "columns": columns})
        refused(chain.client, body | {"sourceConnectionIds": [source]}, "CONNECTOR-1330")


def refused(client: httpx.Client, body: dict[str, Any], type_: str, status: int = 400) -> None:
    before = client.get(FLOWS, params={"count": "true"}).json()
    answer = client.post(FLOWS, json=body)
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert problem["type"] == f"https://ns.adobe.com/aep/errors/{type_}-{status}", problem
    assert problem["errorMessage"] == problem["errorDetails"] == problem["report"]["detailed-message"]
    assert client.get(FLOWS, params={"count": "true"}).json() == before


def change(chain: Chain, id: str, *operations: dict[str, Any]) -> httpx.Response:
    etag = chain.get(f"{FLOWS}/{id}")["etag"]
    return chain.client.patch(f"{FLOWS}/{id}", json=list(operations), headers={"If-Match": etag})


def test_a_flow_can_be_changed(chain: Chain) -> None:
    body = chain.flow_body()
    id = chain.flow(body)
    etag = chain.get(f"{FLOWS}/{id}")["etag"]
    answer = change(
        chain,
        id,
        {"op": "replace", "path": "/scheduleParams/frequency", "value": "day"},
        {"op": "replace", "path": "/scheduleParams/interval", "value": "2"},
        {"op": "add", "path": "/options", "value": {"partialIngestionPercent": "10"}},
        {"op": "remove", "path": "/transformations/0/params/deltaColumn/dateFormat"},
        {"op": "replace", "path": "/transformations/1/params/mappingVersion", "value": 0},
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["etag"] != etag
    flow = chain.get(f"{FLOWS}/{id}")
    assert flow["etag"] == answer.json()["etag"]
    assert flow["scheduleParams"] == body["scheduleParams"] | {"frequency": "day", "interval": "2"}
    assert flow["options"] == {"partialIngestionPercent": 10}
    assert "dateFormat" not in flow["transformations"][0]["params"]["deltaColumn"]
    assert flow["transformations"][1]["params"]["mappingVersion"] == "0"
    assert flow["lastOperation"]["operation"] == "update"


@pytest.mark.parametrize(
    ("operation", "number"),
    [
        ({"op": "replace", "path": "/scheduleParams/startTime", "value": 1590792316}, "1360"),
        ({"op": "replace", "path": "/scheduleParams/interval", "value": 5}, "1362"),
        ({"op": "replace", "path": "/scheduleParams/frequency", "value": "once"}, "1361"),
        ({"op": "replace", "path": "/transformations/0", "value": {"name": "Mapping", "params": {}}}, "1370"),
        ({"op": "remove", "path": "/transformations/0"}, "1367"),
        ({"op": "replace", "path": "/transformations/1/params/mappingVersion", "value": "9"}, "1419"),
        ({"op": "replace", "path": "/transformations/7", "value": {}}, "1455"),
        ({"op": "replace", "path": "/state", "value": "disabled"}, "1456"),
        ({"op": "replace", "path": "/sourceConnectionIds", "value": []}, "1455"),
        ({"op": "remove", "path": "/scheduleParams"}, "1317"),
        ({"op": "copy", "from": "/name", "path": "/description"}, "1434"),
    ],
)
def test_a_wrong_change_is_refused(shared: Any, operation: dict[str, Any], number: str) -> None:
    chain, body = shared
    id = chain.flow(body)
    before = chain.get(f"{FLOWS}/{id}")
    answer = change(chain, id, operation)
    assert (answer.status_code, code(answer)) == (400, number)
    assert chain.get(f"{FLOWS}/{id}") == before


def test_after_the_start_some_things_are_fixed(inside: Callable[..., Any]) -> None:
    chain = Chain(inside(assume={"start_time_skew": 60}).client())
    body = chain.flow_body()
    start = int(time.time()) - 1
    id = chain.flow(body | {"scheduleParams": body["scheduleParams"] | {"startTime": start}})
    later = {"op": "replace", "path": "/scheduleParams/startTime", "value": LATER}
    assert code(change(chain, id, later)) == "1366"
    to_once = {"op": "replace", "path": "/scheduleParams", "value": {"startTime": start, "frequency": "once"}}
    assert code(change(chain, id, to_once)) == "1403"
    no_backfill = {"op": "replace", "path": "/scheduleParams/backfill", "value": False}
    assert code(change(chain, id, no_backfill)) == "1404"
    assert change(chain, id, {"op": "replace", "path": "/scheduleParams/interval", "value": 30}).status_code == 200


def test_a_flow_is_disabled_and_enabled(chain: Chain) -> None:
    id = chain.flow()
    before = chain.get(f"{FLOWS}/{id}")["etag"]
    for op, state in (("disable", "disabled"), ("ENABLE", "enabled")):
        answer = chain.client.post(f"{FLOWS}/{id}/action", params={"op": op})
        assert answer.status_code == 200
        assert set(answer.json()) == {"id", "etag"}
        assert answer.json()["etag"] != before
        assert chain.get(f"{FLOWS}/{id}")["state"] == state
        again = chain.client.post(f"{FLOWS}/{id}/action", params={"op": op})
        assert (again.status_code, code(again)) == (400, "1422")
    stale = chain.client.post(f"{FLOWS}/{id}/action?op=disable", headers={"If-Match": before})
    assert (stale.status_code, code(stale)) == (412, "1404")
    assert code(chain.client.post(f"{FLOWS}/{id}/action?op=explode")) == "1398"
    assert code(chain.client.post(f"{FLOWS}/{GONE}/action?op=enable")) == "1439"


def test_a_deleted_flow_is_gone(chain: Chain) -> None:
    id = chain.flow()
    assert chain.client.delete(f"{FLOWS}/{id}").status_code == 204
    for answer in (chain.client.get(f"{FLOWS}/{id}"), chain.client.delete(f"{FLOWS}/{id}")):
        assert (answer.status_code, code(answer)) == (404, "1439")


def test_what_a_flow_stands_on_is_deleted_after_it(chain: Chain) -> None:
    body = chain.flow_body()
    flow = chain.flow(body)
    source, target = body["sourceConnectionIds"][0], body["targetConnectionIds"][0]
    base = chain.get(f"{FLOW}/sourceConnections/{source}")["baseConnectionId"]
    paths = [f"sourceConnections/{source}", f"targetConnections/{target}", f"connections/{base}/"]
    for path in paths:
        answer = chain.client.delete(f"{FLOW}/{path}")
        assert (answer.status_code, code(answer)) == (400, "1418")
    chain.client.post(f"{FLOWS}/{flow}/action", params={"op": "disable"})
    assert code(chain.client.delete(f"{FLOW}/{paths[0]}")) == "1418", "a disabled flow uses them too"
    for path in (f"flows/{flow}", *paths):
        assert chain.client.delete(f"{FLOW}/{path}").status_code == 204


def test_names_need_not_be_unique(shared: Any) -> None:
    chain, body = shared
    assert chain.post(FLOWS, body)["id"] != chain.post(FLOWS, body)["id"]


def test_a_filter_at_the_source_is_refused_and_never_forgotten(chain: Chain) -> None:
    columns = [{"name": "Id", "type": "string"}]
    params = {"tableName": "Account", "columns": columns, "filters": {"type": "PQL"}}
    body = chain.source_body(chain.connection(), params=params)
    assert code(chain.client.post(f"{FLOW}/sourceConnections", json=body)) == "1349"


# --- switches


def posted_run(flow: str) -> dict[str, Any]:
    window = {"windowStartTime": 1767225600, "windowEndTime": 1767312000}
    return {"flowId": flow, "params": {"startTime": int(time.time()), **window, **DELTA}}


@pytest.mark.parametrize("setting", ["accepted", "refused"])
def test_changing_a_flow_that_its_first_run_has_changed(inside: Callable[..., Any], setting: str) -> None:
    aep = inside(assume={"once_flow_patch": setting}).client()
    chain = Chain(aep)
    id = chain.flow(once(chain.flow_body()))
    rename = {"op": "replace", "path": "/name", "value": "renamed"}
    assert change(chain, id, rename).status_code == 200
    assert aep.post(f"{FLOW}/runs", json=posted_run(id)).status_code == 201
    answer = change(chain, id, rename | {"value": "again"})
    other = {"op": "replace", "path": "/transformations/0/params/deltaColumn/name", "value": "Name"}
    assert code(change(chain, id, other)) == "1369", "the delta column is the first run's under either setting"
    if setting == "accepted":
        assert answer.status_code == 200
        assert [step["name"] for step in chain.get(f"{FLOWS}/{id}")["transformations"]] == ["Copy", "Mapping"]
    else:
        assert code(answer) == "1369"
        without = {"op": "remove", "path": "/transformations/0"}
        assert change(chain, id, without, rename).status_code == 200
        run = posted_run(id)
        del run["params"]["deltaColumn"]
        assert code(aep.post(f"{FLOW}/runs", json=run)) == "1383", "the next run is a first run again"


@pytest.mark.parametrize(("skew", "accepted"), [(0, False), (600, True)])
def test_how_far_a_start_may_lie_in_the_past(inside: Callable[..., Any], skew: float, accepted: bool) -> None:
    chain = Chain(inside(assume={"start_time_skew": skew}).client())
    body = once(chain.flow_body(), startTime=int(time.time()) - 300)
    answer = chain.client.post(FLOWS, json=body)
    if not accepted:
        assert code(answer) == "1360"
        return
    assert answer.status_code == 201
    assert code(chain.client.post(FLOWS, json=once(body, startTime=int(time.time()) - 900))) == "1360"
    chain.until(f"{FLOWS}/{answer.json()['id']}", lambda flow: "lastRunDetails" in flow)


@pytest.mark.parametrize("setting", ["allowed", "refused"])
def test_two_objects_of_one_name(inside: Callable[..., Any], setting: str) -> None:
    aep = inside(assume={"duplicate_names": setting}).client()
    chain = Chain(aep)
    body = chain.flow_body(name="same")
    again = {
        "flows": body,
        "connections": chain.connection_body(name="base"),
        "sourceConnections": chain.source_body(chain.connection(name="other"), name="source"),
        "targetConnections": chain.target_body(chain.dataset(chain.schema("other")), name="target"),
    }
    chain.flow(body)
    for kind, second in again.items():
        listed = len(aep.get(f"{FLOW}/{kind}").json()["items"])
        answer = aep.post(f"{FLOW}/{kind}", json=second)
        after = len(aep.get(f"{FLOW}/{kind}").json()["items"])
        if setting == "allowed":
            assert (answer.status_code, after) == (201, listed + 1)
            continue
        assert (answer.status_code, after) == (409, listed)
        assert second["name"] in answer.json()["errorMessage"]
        other = aep.post(f"{FLOW}/{kind}", json=second | {"name": "another"}).json()["id"]
        item = chain.until(f"{FLOW}/{kind}/{other}", lambda item: item["state"] == "enabled")
        for name, status in ((second["name"], 409), ("another", 200)):
            patch = [{"op": "replace", "path": "/name", "value": name}]
            changed = aep.patch(f"{FLOW}/{kind}/{other}", json=patch, headers={"If-Match": item["etag"]})
            assert changed.status_code == status
    with inside(assume={"duplicate_names": setting}).client("B@AdobeOrg") as elsewhere:
        Chain(elsewhere).flow(Chain(elsewhere).flow_body(name="same"))


@pytest.mark.parametrize("seconds", [0, 300])
def test_what_is_too_new_to_be_validated(
    inside: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    chain = Chain(inside(assume={"validation_lag_seconds": seconds}, time_scale=1).client())
    schema = chain.schema()

    def posted(path: str, body: dict[str, Any], number: str, moment: float) -> str:
        answer = chain.client.post(path, json=body)
        if seconds:
            assert (answer.status_code, code(answer)) == (500, number)
            assert chain.client.get(path).json()["items"] == [], "what could not be validated is not there"
            later(monkeypatch, moment)
            answer = chain.client.post(path, json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    target = posted(f"{FLOW}/targetConnections", chain.target_body(chain.dataset(schema)), "2200", 301)
    step = {"name": "Mapping", "params": {"mappingId": chain.mapping(schema), "mappingVersion": "0"}}
    flow = {
        "flowSpec": {"id": CRM_TO_AEP, "version": "1.0"},
        "sourceConnectionIds": [chain.source()],
        "targetConnectionIds": [target],
        "transformations": [step],
        "scheduleParams": {"startTime": LATER, "frequency": "once"},
    }
    posted(FLOWS, flow, "2250", 602)
