"""The gateway: tokens, headers, scopes, permissions and bodies, before any service answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import CATALOG, FLOW, SCHEMAS, Chain, Platform, code

LIST = f"{FLOW}/connections"
FORM = {"grant_type": "client_credentials", "client_id": "tester", "client_secret": "s3cret", "scope": "openid,AdobeID"}


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize("where", ["data", "params"])
def test_a_token_is_given_for_client_credentials(platform: Platform, version: str, where: Any) -> None:
    answer = httpx.post(f"{platform.url}/ims/token/{version}", **{where: FORM})
    assert answer.status_code == 200
    token = answer.json()
    assert set(token) == {"access_token", "token_type", "expires_in"}
    assert token["token_type"] == "bearer"
    assert token["expires_in"] == 86399


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_secret": ""}, "invalid_request"),
        ({"client_id": ""}, "invalid_request"),
    ],
)
def test_a_wrong_token_request_is_refused(platform: Platform, change: dict[str, str], error: str) -> None:
    answer = httpx.post(f"{platform.url}/ims/token/v3", data=FORM | change)
    assert answer.status_code == 400
    assert answer.json()["error"] == error


@pytest.mark.parametrize(
    ("header", "value", "status", "error_code"),
    [
        ("Authorization", None, 403, "403010"),
        ("Authorization", "Bearer", 403, "403010"),
        ("Authorization", "Basic abc", 403, "403010"),
        ("Authorization", "Bearer forged", 401, "401013"),
        ("x-api-key", None, 403, "403000"),
        ("x-api-key", "someone-else", 403, "403003"),
        ("x-gw-ims-org-id", None, 400, "400003"),
    ],
)
def test_the_gateway_answers_before_a_service(
    aep: httpx.Client, header: str, value: str | None, status: int, error_code: str
) -> None:
    del aep.headers[header]
    if value is not None:
        aep.headers[header] = value
    answer = aep.get(LIST)
    assert answer.status_code == status
    assert set(answer.json()) == {"error_code", "message"}
    assert str(answer.json()["error_code"]) == error_code
    # A body that nobody could read changes nothing: the gateway comes first.
    assert aep.post(LIST, content=b"{").status_code == status


@pytest.mark.parametrize(
    ("headers", "status", "number"),
    [
        ({"x-gw-ims-org-id": ""}, 401, "2001"),
        ({"x-sandbox-name": ""}, 400, "2105"),
        ({"x-sandbox-name": "nowhere"}, 404, "2100"),
        ({"x-sandbox-name": "PROD"}, 404, "2100"),
        ({"x-sandbox-name": "*"}, 403, "2111"),
        ({"x-sandbox-id": "1"}, 400, "2110"),
    ],
)
def test_flow_service_wants_a_known_sandbox(
    aep: httpx.Client, headers: dict[str, str], status: int, number: str
) -> None:
    answer = aep.get(LIST, headers=headers)
    assert answer.status_code == status
    assert code(answer) == number
    assert answer.json()["errorMessage"] == answer.json()["report"]["detailed-message"]


def test_other_services_want_a_sandbox_too(aep: httpx.Client) -> None:
    for path in (f"{CATALOG}/dataSets", f"{SCHEMAS}/stats"):
        answer = aep.get(path, headers={"x-sandbox-name": "nowhere", "Accept": "application/json"})
        assert answer.status_code == 404
        assert answer.json()["status"] == 404


def test_an_expired_token_is_refused(start_platform: Callable[..., Platform]) -> None:
    platform = start_platform("--token-seconds", "0.5")
    with platform.client("A@AdobeOrg") as client:
        assert client.get(LIST).status_code == 200
        deadline = time.monotonic() + 10
        while (answer := client.get(LIST)).status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert answer.status_code == 401
        assert answer.json()["error_code"] == "401013"
        client.headers["Authorization"] = f"Bearer {platform.token('tester')}"
        assert client.get(LIST).status_code == 200


def test_organisations_and_sandboxes_see_only_their_own(platform: Platform, org: str, chain: Chain) -> None:
    id = chain.connection()
    with platform.client(org, "stage") as stage, platform.client("other" + org) as other:
        for stranger in (stage, other):
            assert stranger.get(LIST).json()["items"] == []
            assert stranger.get(LIST, params={"property": f"id=={id}"}).json()["items"] == []
            for answer in (
                stranger.get(f"{LIST}/{id}"),
                stranger.delete(f"{LIST}/{id}"),
                stranger.get(f"{LIST}/{id}/test"),
                stranger.get(f"{LIST}/{id}/explore", params={"objectType": "root"}),
                stranger.patch(f"{LIST}/{id}", json=[], headers={"If-Match": "x"}),
            ):
                assert answer.status_code == 404
                assert code(answer) == "1439"
            body = chain.source_body(id)
            assert stranger.post(f"{FLOW}/sourceConnections", json=body).status_code == 404
    found = chain.get(f"{LIST}/{id}")
    assert (found["imsOrgId"], found["sandboxName"]) == (org, "prod")


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": {"format": "tabular",}}',
        b'{"name": "x"',
        b'{"name": NaN}',
        b'{"name": 1e999}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b'{"n": 123456789012345678901234567890}',
        b"[" * 70 + b"]" * 70,
        b"[" * 5000 + b"]" * 5000,
    ],
)
def test_only_strict_json_is_read(aep: httpx.Client, body: bytes) -> None:
    answer = aep.post(LIST, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["type"] == "/placeholder/type/uri"
    assert answer.json()["title"] == "BadRequestError"


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_the_content_type_must_be_json(aep: httpx.Client, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = aep.post(LIST, content=b'{"name": "x"}', headers=headers)
    assert answer.status_code == 400
    assert answer.json()["type"] == "/placeholder/type/uri"


def test_an_empty_body_is_1405(aep: httpx.Client) -> None:
    for content in (b"", b"  ", b"{}", b"[]"):
        answer = aep.post(LIST, content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, code(answer)) == (400, "1405")


def test_a_huge_body_is_refused(platform: Platform, aep: httpx.Client) -> None:
    body = json.dumps({"name": "x" * 1024 * 1024}).encode()
    answer = aep.post(LIST, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    big_form = httpx.post(f"{platform.url}/ims/token/v3", data=FORM | {"scope": "x" * 1024 * 1024})
    assert big_form.status_code == 413


def test_unknown_paths_and_methods(aep: httpx.Client) -> None:
    assert aep.get("/data/foundation/nothing").status_code == 404
    assert "error_code" in aep.get("/data/foundation/nothing").json()
    assert aep.put(LIST).status_code == 405


def test_every_path_also_works_with_a_trailing_slash(aep: httpx.Client, chain: Chain) -> None:
    id = aep.post(f"{LIST}/", json=chain.connection_body()).json()["id"]
    assert aep.get(f"{LIST}/{id}/").json()["items"][0]["id"] == id
    assert aep.get(f"{LIST}/").json()["items"][0]["id"] == id
    assert aep.delete(f"{LIST}/{id}/").status_code == 204


ACCOUNTS = """
organisations:
  - {id: ONE@AdobeOrg, tenant: one, sandboxes: [prod, lab]}
  - {id: TWO@AdobeOrg}
clients:
  - {id: admin, secret: admin-s3cret, organisation: ONE@AdobeOrg}
  - id: reader
    secret: reader-s3cret
    organisation: ONE@AdobeOrg
    permissions: {sources: [read], datasets: [], sandboxes: [prod]}
source_credentials:
  - connector: service-now
    params: {endpoint: "https://dev1.service-now.example", username: ann, password: right-s3cret}
"""


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    file = tmp_path / "accounts.yaml"
    file.write_text(ACCOUNTS)
    return file


def test_an_accounts_file_decides_who_may_do_what(accounts: Path, start_platform: Callable[..., Platform]) -> None:
    platform = start_platform("--accounts", str(accounts))
    for wrong in ({"client_id": "nobody"}, {"client_id": "admin", "client_secret": "wrong"}):
        answer = httpx.post(f"{platform.url}/ims/token/v3", data=FORM | wrong)
        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_client"
    with platform.client("ONE@AdobeOrg", client_id="admin", secret="admin-s3cret") as admin:
        assert admin.get(LIST).status_code == 200
        assert admin.get(LIST, headers={"x-sandbox-name": "lab"}).status_code == 200
        assert code(admin.get(LIST, headers={"x-sandbox-name": "dev"})) == "2100"
        answer = admin.get(LIST, headers={"x-gw-ims-org-id": "TWO@AdobeOrg"})
        assert (answer.status_code, code(answer)) == (401, "2000")
    with platform.client("ONE@AdobeOrg", client_id="reader", secret="reader-s3cret") as reader:
        assert reader.get(LIST).status_code == 200
        for answer in (
            reader.post(LIST, json=Chain(reader).connection_body()),
            reader.delete(f"{LIST}/x"),
            reader.post(f"{FLOW}/flows", json={"name": "x"}),
            reader.post(f"{FLOW}/flows/x/action?op=enable"),
        ):
            assert answer.status_code == 403
            assert answer.json()["type"] == "https://ns.adobe.com/aep/errors/FLOW-2120-403"
            assert answer.json()["title"] == "Forbidden"
            assert set(answer.json()["report"]) == {"detailed-message", "request-id"}
        assert reader.get(f"{CATALOG}/dataSets").status_code == 403
        assert code(reader.get(LIST, headers={"x-sandbox-name": "lab"})) == "2121"


@pytest.mark.parametrize(("assume", "status"), [("result_false", 200), ("400", 400)])
def test_wrong_source_credentials_are_noticed(
    accounts: Path, start_platform: Callable[..., Platform], assume: str, status: int
) -> None:
    platform = start_platform("--accounts", str(accounts), "--assume", f"test_bad_credentials={assume}")
    with platform.client("ONE@AdobeOrg", client_id="admin", secret="admin-s3cret") as admin:
        chain = Chain(admin)
        right = chain.connection_body()
        right["auth"]["params"]["password"] = "right-s3cret"
        good, bad = chain.connection(**right), chain.connection()
        assert admin.get(f"{LIST}/{good}/test").json() == {"result": True}
        answer = admin.get(f"{LIST}/{bad}/test")
        assert answer.status_code == status
        if status == 200:
            assert answer.json() == {"result": False}
        else:
            assert code(answer) == "1308"
        explored = admin.get(f"{LIST}/{bad}/explore", params={"objectType": "root"})
        assert (explored.status_code, code(explored)) == (400, "1308")

        patch = [{"op": "replace", "path": "/auth/params/password", "value": "right-s3cret"}]
        etag = chain.get(f"{LIST}/{bad}")["etag"]
        assert admin.patch(f"{LIST}/{bad}", json=patch, headers={"If-Match": etag}).status_code == 200
        assert admin.get(f"{LIST}/{bad}/test").json() == {"result": True}


def test_credentials_may_be_checked_when_a_connection_is_made(
    accounts: Path, start_platform: Callable[..., Platform]
) -> None:
    platform = start_platform("--accounts", str(accounts), "--assume", "credentials_checked_at_create=yes")
    with platform.client("ONE@AdobeOrg", client_id="admin", secret="admin-s3cret") as admin:
        answer = admin.post(LIST, json=Chain(admin).connection_body())
        assert (answer.status_code, code(answer)) == (400, "1308")
        assert admin.get(LIST).json()["items"] == []
