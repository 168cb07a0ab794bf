"""Base, source and target connections, and a look into the source."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import ADMIN, DATA_LAKE, FLOW, SERVICE_CLOUD, SERVICENOW, Chain, Inside, Platform, anybody, code
from .waiting import awaited

BASE, SOURCE, TARGET = f"{FLOW}/connections", f"{FLOW}/sourceConnections", f"{FLOW}/targetConnections"
GONE = "00000000-0000-4000-8000-000000000000"


def test_a_connection_has_aeps_envelope_and_masked_secrets(aep: httpx.Client, chain: Chain, org: str) -> None:
    answer = aep.post(BASE, json=chain.connection_body(description="d"))
    assert answer.status_code == 201
    assert answer.headers["Location"].endswith(f"/connections/{answer.json()['id']}")
    found = chain.get(f"{BASE}/{answer.json()['id']}")
    assert found["etag"] == found["version"] == answer.json()["etag"]
    assert isinstance(found["createdAt"], int)
    assert found["createdAt"] > 10**12
    assert found["createdBy"].endswith("@AdobeID")
    assert found["createdClient"] == "tester"
    assert found["imsOrgId"] == org
    assert found["state"] == "enabled"
    assert found["connectionSpec"] == {"id": SERVICENOW, "version": "1.0"}
    assert found["auth"]["params"]["username"] == "ann"
    assert set(found["auth"]["params"]) == {"endpoint", "username", "password"}
    assert found["auth"]["params"]["password"] not in ("", "hunter2-secret")
    assert "_local" not in found


def test_secrets_are_nowhere_in_clear(platform: Platform, aep: httpx.Client, chain: Chain) -> None:
    body = chain.connection_body()
    body["auth"]["params"] |= {"password": "needle-in-hay", "unknownToken": "needle-in-hay"}
    id = aep.post(BASE, json=body).json()["id"]
    answers = [aep.get(f"{BASE}/{id}").text, aep.get(BASE).text]
    bad = chain.connection_body(auth={"specName": "Basic Authentication", "params": {"password": ["needle-in-hay"]}})
    answers.append(aep.post(BASE, json=bad).text)
    anybody(
        "POST", f"{platform.url}/ims/token/v2", params={"client_id": "needle-in-hay", "client_secret": "needle-in-hay"}
    )
    assert not any("needle-in-hay" in answer for answer in answers)
    token = aep.headers["authorization"].split()[1]
    platform.logged("/ims/token/v2")
    kept = [platform.log, *(path for path in platform.state.rglob("*") if path.is_file())]
    for path in kept:
        content = path.read_bytes()
        assert b"needle-in-hay" not in content, path
        assert token.encode() not in content, path


def test_names_need_not_be_unique(chain: Chain) -> None:
    assert chain.connection() != chain.connection()


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"name": None}, "1304"),
        ({"name": 7}, "1304"),
        ({"connectionSpec": {"id": GONE}}, "1413"),
        ({"connectionSpec": {"id": SERVICENOW, "version": "9.0"}}, "1413"),
        ({"connectionSpec": {"id": [SERVICENOW]}}, "1413"),
        ({"connectionSpec": {"id": DATA_LAKE}}, "1413"),
        ({"connectionSpec": None}, "1413"),
        ({"auth": None}, "1304"),
        ({"auth": {"specName": "Basic Authentication"}}, "1304"),
        ({"auth": {"specName": "Basic Authentication", "params": {"username": "u", "password": "p"}}}, "1304"),
        ({"auth": {"specName": "Magic", "params": {}}}, "1415"),
    ],
)
def test_a_wrong_connection_is_refused(aep: httpx.Client, chain: Chain, changes: dict[str, Any], number: str) -> None:
    answer = aep.post(BASE, json=chain.connection_body(**changes))
    assert (answer.status_code, code(answer)) == (400, number)
    assert aep.get(BASE).json()["items"] == []


def test_service_cloud_takes_both_ways_to_log_in(aep: httpx.Client, chain: Chain) -> None:
    spec = {"id": SERVICE_CLOUD}
    oauth = {"environmentUrl": "https://x.example", "clientId": "c", "clientSecret": "s", "apiVersion": "60.0"}
    chain.connection(connectionSpec=spec, auth={"specName": "OAuth2 Client Credential", "params": oauth})
    del oauth["apiVersion"]
    body = chain.connection_body(connectionSpec=spec, auth={"specName": "OAuth2 Client Credential", "params": oauth})
    answer = aep.post(BASE, json=body)
    assert code(answer) == "1304"
    assert "apiVersion" in answer.json()["errorMessage"]


def test_a_patch_needs_the_current_etag_with_its_quotes(aep: httpx.Client, chain: Chain) -> None:
    url = f"{BASE}/{chain.connection()}"
    rename = [{"op": "Replace", "path": "/name", "value": "new"}]
    etag = chain.get(url)["etag"]
    missing = aep.patch(url, json=rename)
    assert (missing.status_code, code(missing)) == (400, "1403")
    in_query = aep.patch(url, json=rename, params={"if-match": etag})
    assert code(in_query) == "1403"
    unquoted = aep.patch(url, json=rename, headers={"If-Match": etag.strip('"')})
    assert (unquoted.status_code, code(unquoted)) == (412, "1404")
    done = aep.patch(url, json=rename, headers={"If-Match": etag})
    assert done.status_code == 200
    assert done.json()["etag"] != etag
    stale = aep.patch(url, json=rename, headers={"If-Match": etag})
    assert (stale.status_code, code(stale)) == (412, "1404")
    assert stale.json()["errorMessage"].startswith("Supplied version=[")
    assert chain.get(url)["name"] == "new"


@pytest.mark.parametrize(
    ("body", "number"),
    [
        ([{"op": "move", "from": "/name", "path": "/description"}], "1434"),
        ([{"op": "test", "path": "/name", "value": "base"}], "1434"),
        ([{"op": "replace", "path": "/connectionSpec/id", "value": GONE}], "1414"),
        ([{"op": "replace", "path": "/id", "value": GONE}], "1455"),
        ([{"op": "replace", "path": "/name"}], "1455"),
        ([{"op": "replace", "value": "x"}], "1455"),
        ([{"path": "/name", "value": "x"}], "1455"),
        ([{"op": "add", "path": "/_local/secrets", "value": {}}], "1455"),
        ([{"op": "remove", "path": "/description"}], "1455"),
        ([{"op": "remove", "path": "/auth/params/password"}], "1304"),
        ([{"op": "replace", "path": "/name", "value": 1}], "1304"),
        ({"op": "replace", "path": "/name", "value": "x"}, "1455"),
        (["x"], "1455"),
    ],
)
def test_a_wrong_patch_changes_nothing(aep: httpx.Client, chain: Chain, body: Any, number: str) -> None:
    url = f"{BASE}/{chain.connection()}"
    before = chain.get(url)
    answer = aep.patch(url, json=body, headers={"If-Match": before["etag"]})
    assert (answer.status_code, code(answer)) == (400, number)
    assert chain.get(url) == before


def test_a_connection_that_a_flow_uses_stays(aep: httpx.Client, chain: Chain) -> None:
    flow = chain.get(f"{FLOW}/flows/{chain.flow()}")
    source, target = flow["sourceConnectionIds"][0], flow["targetConnectionIds"][0]
    base = chain.get(f"{SOURCE}/{source}")["baseConnectionId"]
    for url in (f"{BASE}/{base}", f"{SOURCE}/{source}", f"{TARGET}/{target}"):
        answer = aep.delete(url)
        assert (answer.status_code, code(answer)) == (400, "1418")
    assert aep.delete(f"{FLOW}/flows/{flow['id']}").status_code == 204
    for url in (f"{SOURCE}/{source}", f"{TARGET}/{target}", f"{BASE}/{base}"):
        assert aep.delete(url).status_code == 204
        again = aep.delete(url)
        assert (again.status_code, code(again)) == (404, "1439")
        assert again.json()["title"] == "Resource not found"
        assert again.json()["report"]["type"] == url.split("/")[-2]
        assert aep.get(url).status_code == 404


def test_the_root_lists_the_tables(aep: httpx.Client, chain: Chain) -> None:
    answer = aep.get(f"{BASE}/{chain.connection()}/explore", params={"objectType": "ROOT"})
    assert answer.status_code == 200
    table = {"type": "table", "name": "Account", "path": "Account", "canPreview": True, "canFetchSchema": True}
    assert table in answer.json()


def test_a_table_tells_its_columns_and_rows(aep: httpx.Client, chain: Chain) -> None:
    url = f"{BASE}/{chain.connection()}/explore"
    answer = aep.get(url, params={"objectType": "table", "object": "Account"}).json()
    assert set(answer) == {"format", "schema"}
    assert answer["format"] == "flat"
    columns = {each["name"]: each for each in answer["schema"]["columns"]}
    assert list(columns) == ["Id", "Name", "Phone", "CreatedDate", "Employees", "Active"]
    assert columns["Name"] == {"name": "Name", "type": "string", "xdm": {"type": "string"}}
    assert columns["CreatedDate"]["type"] == "string"
    assert columns["CreatedDate"]["meta:xdmType"] == "date-time"
    assert columns["CreatedDate"]["xdm"] == {"type": "string", "format": "date-time"}
    assert columns["Employees"]["xdm"]["type"] == "integer"
    assert columns["Active"]["xdm"]["type"] == "boolean"

    answer = aep.get(url, params={"objectType": "table", "object": "Account", "preview": "true"}).json()
    assert [row["Name"] for row in answer["data"]] == ["Northwind", "Tail, Spin", "Fabrikam"]
    assert answer["data"][2]["Phone"] is None
    assert chain.source_body("x", params={"tableName": "Account", "columns": answer["schema"]["columns"]})


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ({}, "1334"),
        ({"objectType": "rest"}, "1358"),
        ({"objectType": "table"}, "1337"),
        ({"objectType": "table", "object": ""}, "1337"),
        ({"objectType": "table", "object": "Nothing"}, "1330"),
        ({"objectType": "table", "object": "Empty"}, "1330"),
        ({"objectType": "table", "object": "../tables/Account"}, "1330"),
        ({"objectType": "table", "object": "Account.csv"}, "1330"),
        ({"objectType": "table", "object": "Account", "preview": "perhaps"}, "1359"),
        ({"objectType": "table", "object": "Account", "preview": "true", "filters": "e30="}, "1349"),
    ],
)
def test_a_wrong_look_is_refused(aep: httpx.Client, chain: Chain, query: dict[str, str], number: str) -> None:
    answer = aep.get(f"{BASE}/{chain.connection()}/explore", params=query)
    assert (answer.status_code, code(answer)) == (400, number)


def test_a_source_connection_keeps_what_was_sent(aep: httpx.Client, chain: Chain) -> None:
    base = chain.connection()
    id = chain.source(base)
    found = chain.get(f"{SOURCE}/{id}")
    sent = chain.source_body(base)
    assert {key: found[key] for key in sent} == sent
    assert found["inheritedAttributes"]["baseConnection"]["id"] == base
    assert found["state"] == "enabled"


@pytest.mark.parametrize(
    ("changes", "status", "number"),
    [
        ({"name": None}, 400, "1304"),
        ({"data": None}, 400, "1304"),
        ({"data": {"format": "delimited"}}, 400, "1327"),
        ({"params": None}, 400, "1304"),
        ({"params": {"path": "Account"}}, 400, "1304"),
        ({"params": {"tableName": "Account", "columns": [{"name": "Id"}]}}, 400, "1304"),
        ({"params": {"tableName": "Account", "columns": []}}, 400, "1304"),
        ({"baseConnectionId": GONE}, 404, "1101"),
        ({"baseConnectionId": None}, 400, "1304"),
        ({"connectionSpec": {"id": SERVICE_CLOUD}}, 400, "1413"),
        ({"connectionSpec": {"id": DATA_LAKE}}, 400, "1413"),
    ],
)
def test_a_wrong_source_connection_is_refused(
    aep: httpx.Client, chain: Chain, changes: dict[str, Any], status: int, number: str
) -> None:
    answer = aep.post(SOURCE, json=chain.source_body(chain.connection(), **changes))
    assert (answer.status_code, code(answer)) == (status, number)


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"name": None}, "1304"),
        ({"connectionSpec": {"id": SERVICENOW}}, "1307"),
        ({"params": {}}, "1325"),
        ({"params": {"dataSetId": "5e543e8a60b15218ad44b95f"}}, "1325"),
        ({"data": {"format": "delta"}}, "1327"),
    ],
)
def test_a_wrong_target_connection_is_refused(
    aep: httpx.Client, chain: Chain, changes: dict[str, Any], number: str
) -> None:
    dataset = chain.dataset(chain.schema())
    answer = aep.post(TARGET, json=chain.target_body(dataset, **changes))
    assert (answer.status_code, code(answer)) == (400, number)


@pytest.mark.parametrize("kind", ["sourceConnections", "targetConnections"])
def test_source_and_target_connections_can_be_renamed(aep: httpx.Client, chain: Chain, kind: str) -> None:
    id = chain.source() if kind == "sourceConnections" else chain.target(chain.dataset(chain.schema()))
    url = f"{FLOW}/{kind}/{id}"
    patch = [{"op": "ADD", "path": "/description", "value": "d"}, {"op": "replace", "path": "/name", "value": "n"}]
    assert aep.patch(url, json=patch, headers={"If-Match": chain.get(url)["etag"]}).status_code == 200
    assert (chain.get(url)["name"], chain.get(url)["description"]) == ("n", "d")
    spec = [{"op": "replace", "path": "/connectionSpec/id", "value": GONE}]
    assert code(aep.patch(url, json=spec, headers={"If-Match": chain.get(url)["etag"]})) == "1414"


def test_connection_specs_describe_how_to_log_in(aep: httpx.Client, chain: Chain) -> None:
    spec = chain.get(f"{FLOW}/connectionSpecs/{SERVICENOW}")
    basic = next(each for each in spec["authSpec"] if each["name"] == "Basic Authentication")
    assert basic["spec"]["required"] == ["endpoint", "username", "password"]
    assert spec["sourceSpec"]["spec"]["required"] == ["tableName", "columns"]
    found = aep.get(f"{FLOW}/connectionSpecs", params={"property": f"name=={spec['name']}"}).json()["items"]
    assert found == [spec]
    assert aep.get(f"{FLOW}/connectionSpecs/{GONE}").status_code == 404
    assert code(aep.get(f"{FLOW}/flowSpecs/{GONE}")) == "1439"


def test_drafts_are_refused(aep: httpx.Client, chain: Chain) -> None:
    answer = aep.post(BASE, params={"mode": "draft"}, json=chain.connection_body())
    assert answer.status_code == 400
    assert aep.get(BASE).json()["items"] == []


LAND = {"endpoint": "https://dev1.service-now.example", "username": "ann"}
RIGHT, WRONG = LAND | {"password": "right-s3cret"}, LAND | {"password": "wrong-s3cret"}
BASIC = "Basic Authentication"


def rotate(aep: httpx.Client, url: str, params: dict[str, str], etag: str | None = None) -> httpx.Response:
    etag = etag or aep.get(url).json()["items"][0]["etag"]
    patch = [{"op": "replace", "path": "/auth/params", "value": params}]
    return aep.patch(url, json=patch, headers={"If-Match": etag})


def test_new_credentials_are_judged_at_once(guarded: Callable[..., httpx.Client]) -> None:
    aep = guarded()
    chain = Chain(aep)
    url = f"{BASE}/{chain.connection(auth={'specName': BASIC, 'params': WRONG})}"
    first = chain.get(url)["etag"]
    assert aep.get(f"{url}/test").json() == {"result": False}
    explored = aep.get(f"{url}/explore", params={"objectType": "root"})
    assert (explored.status_code, code(explored)) == (400, "1308")
    done = rotate(aep, url, RIGHT)
    assert done.status_code == 200
    assert done.json()["etag"] != first
    assert aep.get(f"{url}/test").json() == {"result": True}
    assert aep.get(f"{url}/explore", params={"objectType": "root"}).status_code == 200
    stale = rotate(aep, url, WRONG, etag=first)
    assert (stale.status_code, code(stale)) == (412, "1404")
    assert aep.get(f"{url}/test").json() == {"result": True}, "a refused change changes nothing"
    assert rotate(aep, url, LAND).status_code == 400
    assert rotate(aep, url, WRONG).status_code == 200
    assert aep.get(f"{url}/test").json() == {"result": False}


def test_another_way_to_log_in(aep: httpx.Client, chain: Chain) -> None:
    basic = {"username": "u", "password": "p", "securityToken": "t"}
    spec = {"id": SERVICE_CLOUD}
    url = f"{BASE}/{chain.connection(connectionSpec=spec, auth={'specName': BASIC, 'params': basic})}"
    oauth = {"environmentUrl": "https://x.example", "clientId": "c", "clientSecret": "s", "apiVersion": "60.0"}
    assert code(rotate(aep, url, oauth)) == "1304"
    auth = {"specName": "OAuth2 Client Credential", "params": oauth}
    patch = [{"op": "replace", "path": "/auth", "value": auth}]
    assert aep.patch(url, json=patch, headers={"If-Match": chain.get(url)["etag"]}).status_code == 200
    found = chain.get(url)["auth"]
    assert (found["specName"], set(found["params"])) == ("OAuth2 Client Credential", set(oauth))
    unknown = [{"op": "replace", "path": "/auth/specName", "value": "Kerberos"}]
    answer = aep.patch(url, json=unknown, headers={"If-Match": chain.get(url)["etag"]})
    assert (answer.status_code, code(answer)) == (400, "1415")


@pytest.mark.parametrize("assume", ["result_false", "400"])
def test_what_the_test_of_wrong_credentials_answers_is_a_switch(
    inside: Callable[..., Inside], accounts_file: Path, assume: str
) -> None:
    aep = inside(accounts=accounts_file, assume={"test_bad_credentials": assume}).client(**ADMIN)
    url = f"{BASE}/{Chain(aep).connection(auth={'specName': BASIC, 'params': WRONG})}"
    answer = aep.get(f"{url}/test")
    if assume == "400":
        assert (answer.status_code, code(answer)) == (400, "1308")
    else:
        assert (answer.status_code, answer.json()) == (200, {"result": False})


def test_credentials_may_be_checked_when_a_connection_is_made(
    inside: Callable[..., Inside], accounts_file: Path
) -> None:
    aep = inside(accounts=accounts_file, assume={"credentials_checked_at_create": "yes"}).client(**ADMIN)
    answer = aep.post(BASE, json=Chain(aep).connection_body(auth={"specName": BASIC, "params": WRONG}))
    assert (answer.status_code, code(answer)) == (400, "1308")
    assert aep.get(BASE).json()["items"] == []


@pytest.mark.parametrize("assume", ["masked", "absent", "echoed"])
def test_how_answers_show_secrets_is_a_switch(inside: Callable[..., Inside], accounts_file: Path, assume: str) -> None:
    platform = inside(accounts=accounts_file, assume={"secrets_in_answers": assume})
    aep = platform.client(**ADMIN)
    url = f"{BASE}/{Chain(aep).connection(auth={'specName': BASIC, 'params': WRONG})}"
    expected = {"masked": {"password": "******"}, "absent": {}, "echoed": {"password": "wrong-s3cret"}}[assume]
    for answer in (aep.get(url), aep.get(BASE), aep.post(f"{BASE}/search", json={"limit": 5})):
        items = answer.json()["items"]
        assert items[0]["auth"]["params"] == LAND | expected
    # what was shown, sent back, changes nothing; a part of it may be changed alone
    shown = aep.get(url).json()["items"][0]["auth"]["params"]
    if assume != "absent":
        assert rotate(aep, url, shown).status_code == 200
    patch = [{"op": "replace", "path": "/auth/params/password", "value": "right-s3cret"}]
    etag = aep.get(url).json()["items"][0]["etag"]
    assert aep.patch(url, json=patch, headers={"If-Match": etag}).status_code == 200
    assert aep.get(f"{url}/test").json() == {"result": True}
    after = aep.get(url).json()["items"][0]["auth"]["params"]
    assert after == LAND | ({"password": "right-s3cret"} if assume == "echoed" else expected)
    for path in platform.state.rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes(), path
    assert aep.delete(url).status_code == 204


def test_the_next_run_of_a_flow_uses_the_new_credentials(inside: Callable[..., Inside], accounts_file: Path) -> None:
    aep = inside(accounts=accounts_file, time_scale=0.0003).client(**ADMIN)
    chain = Chain(aep)
    base = chain.connection(auth={"specName": BASIC, "params": WRONG})
    body = chain.flow_body(sourceConnectionIds=[chain.source(base)])
    body["scheduleParams"]["startTime"] = int(time.time()) + 5
    flow = chain.flow(body)

    def summaries() -> dict[str, Any]:
        runs = aep.get(f"{FLOW}/runs", params={"property": f"flowId=={flow}"}).json()["items"]
        return {run["metrics"]["statusSummary"]["status"]: run["metrics"]["statusSummary"] for run in runs}

    awaited(lambda: "failed" in summaries())
    assert summaries()["failed"]["errors"][0]["code"] == "CONNECTOR-1001-500"
    assert "success" not in summaries()
    assert chain.get(f"{FLOW}/flows/{flow}")["lastRunDetails"]["state"] == "failed"
    assert rotate(aep, f"{BASE}/{base}", RIGHT).status_code == 200
    awaited(lambda: "success" in summaries())
