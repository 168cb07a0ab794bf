"""The gateway: tokens, headers, scopes, permissions and bodies, before any service answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from .conftest import CATALOG, EXPORT, FLOW, MAPPINGS, SCHEMAS, Chain, Inside, Platform, anybody, code
from .waiting import awaited

LIST = f"{FLOW}/connections"
FORM = {"grant_type": "client_credentials", "client_id": "tester", "client_secret": "s3cret", "scope": "openid,AdobeID"}


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize("where", ["data", "params"])
def test_a_token_is_given_for_client_credentials(platform: Platform, version: str, where: Any) -> None:
    answer = anybody("POST", f"{platform.url}/ims/token/{version}", **{where: FORM})
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
    answer = anybody("POST", f"{platform.url}/ims/token/v3", data=FORM | change)
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


def test_an_expired_token_is_refused(inside: Callable[..., Inside]) -> None:
    platform = inside(token_seconds=0.5)
    client = platform.client()
    assert client.get(LIST).status_code == 200
    answer = awaited(lambda: client.get(LIST), lambda answer: answer.status_code != 200)
    assert answer.status_code == 401
    assert answer.json()["error_code"] == "401013"
    assert platform.client().get(LIST).status_code == 200


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
    big_form = anybody("POST", f"{platform.url}/ims/token/v3", data=FORM | {"scope": "x" * 1024 * 1024})
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


Guarded = Callable[..., httpx.Client]


def test_an_accounts_file_decides_who_gets_a_token(guarded: Guarded) -> None:
    url = str(guarded().base_url)
    for wrong in ({"client_id": "unknown"}, {"client_id": "admin", "client_secret": "wrong"}):
        answer = anybody("POST", f"{url}/ims/token/v3", data=FORM | wrong)
        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_client"


def test_an_accounts_file_decides_where_a_client_may_go(guarded: Guarded) -> None:
    assert guarded().get(LIST).status_code == 200
    assert guarded(sandbox="lab").get(LIST).status_code == 200
    unknown = guarded().get(LIST, headers={"x-sandbox-name": "dev"})
    assert (unknown.status_code, code(unknown)) == (404, "2100")
    other = guarded().get(LIST, headers={"x-gw-ims-org-id": "TWO@AdobeOrg"})
    assert (other.status_code, code(other)) == (401, "2000")
    for path in (f"{CATALOG}/dataSets", f"{SCHEMAS}/stats"):
        answer = guarded().get(path, headers={"x-gw-ims-org-id": "TWO@AdobeOrg"})
        assert (answer.status_code, answer.json()["status"]) == (401, 401)
    closed = guarded("reader").get(LIST, headers={"x-sandbox-name": "lab"})
    assert (closed.status_code, code(closed)) == (403, "2121")
    assert guarded("reader").get(f"{CATALOG}/dataSets", headers={"x-sandbox-name": "lab"}).status_code == 403


ID = "00000000-0000-4000-8000-000000000000"
READS = [
    *(f"{FLOW}/{kind}" for kind in ("connections", "sourceConnections", "targetConnections", "flows", "runs")),
    *(f"{FLOW}/{kind}/{ID}" for kind in ("connections", "sourceConnections", "targetConnections", "flows", "runs")),
    f"{FLOW}/connections/{ID}/test",
    f"{FLOW}/connections/{ID}/explore?objectType=root",
    f"{FLOW}/connectionSpecs",
    f"{FLOW}/connectionSpecs/{ID}",
    f"{FLOW}/flowSpecs",
    f"{FLOW}/flowSpecs/{ID}",
    f"{SCHEMAS}/stats",
    f"{SCHEMAS}/tenant/schemas",
    f"{SCHEMAS}/tenant/schemas/x",
    f"{SCHEMAS}/global/classes",
    f"{CATALOG}/dataSets",
    f"{CATALOG}/dataSets/{ID}",
    f"{CATALOG}/batches",
    f"{CATALOG}/batches/{ID}",
    f"{EXPORT}/batches/{ID}/meta?path=row_errors",
    f"{EXPORT}/batches/{ID}/files",
    f"{EXPORT}/batches/{ID}/failed",
    f"{EXPORT}/files/{ID}",
    f"{MAPPINGS}/mappingSets?limit=1&start=0",
    f"{MAPPINGS}/mappingSets/{ID}",
    f"{MAPPINGS}/mappingSets/{ID}/mappings",
    f"{SCHEMAS}/tenant/descriptors",
    f"{SCHEMAS}/tenant/descriptors/x",
]
LOOKS = [
    *(f"{FLOW}/{kind}/search" for kind in ("connections", "sourceConnections", "targetConnections", "flows", "runs")),
    f"{FLOW}/flowSpecs/search",
    f"{MAPPINGS}/mappingSets/validate",
    f"{MAPPINGS}/mappingSets/preview",
]
"""What is posted and still only looks."""
WRITES = [
    *(("POST", f"{FLOW}/{kind}") for kind in ("connections", "sourceConnections", "targetConnections", "flows")),
    *(("PATCH", f"{FLOW}/{kind}/{ID}") for kind in ("connections", "sourceConnections", "targetConnections", "flows")),
    *(("DELETE", f"{FLOW}/{kind}/{ID}") for kind in ("connections", "sourceConnections", "targetConnections", "flows")),
    ("POST", f"{FLOW}/flows/{ID}/action?op=enable"),
    ("POST", f"{FLOW}/runs"),
    ("POST", f"{FLOW}/runs/{ID}/action?op=re-trigger"),
    ("PUT", f"{FLOW}/runs/{ID}"),
    *(("POST", f"{SCHEMAS}/tenant/{kind}") for kind in ("schemas", "fieldgroups", "classes", "descriptors")),
    *((method, f"{SCHEMAS}/tenant/schemas/x") for method in ("PUT", "PATCH", "DELETE")),
    *((method, f"{SCHEMAS}/tenant/descriptors/x") for method in ("PUT", "DELETE")),
    ("POST", f"{CATALOG}/dataSets"),
    *((method, f"{CATALOG}/dataSets/{ID}") for method in ("PATCH", "DELETE")),
    ("POST", f"{MAPPINGS}/mappingSets"),
    ("PUT", f"{MAPPINGS}/mappingSets/{ID}"),
]


def assert_forbidden(answer: httpx.Response, path: str) -> None:
    assert answer.status_code == 403, (path, answer.text)
    if path.startswith(FLOW):
        assert answer.json()["type"] == "https://ns.adobe.com/aep/errors/FLOW-2120-403"
        assert answer.json()["title"] == "Forbidden"
        assert set(answer.json()["report"]) == {"detailed-message", "request-id"}
    else:
        assert {"type", "title", "status", "detail"} <= set(answer.json())


@pytest.mark.parametrize("path", READS)
def test_reading_needs_the_right_to_read(guarded: Guarded, path: str) -> None:
    headers = {"Accept": "application/vnd.adobe.xed-id+json" if "/tenant/schemas" in path else "application/json"}
    assert_forbidden(guarded("nobody").get(path, headers=headers), path)
    assert guarded("reader").get(path, headers=headers).status_code in {200, 400, 404}, "not a matter of rights"


@pytest.mark.parametrize("path", LOOKS)
def test_looking_with_a_body_needs_the_right_to_read_only(guarded: Guarded, path: str) -> None:
    body = {"limit": 1, "data": [{}]}
    assert_forbidden(guarded("nobody").post(path, json=body), path)
    assert guarded("reader").post(path, json=body).status_code in {200, 400}, "not a matter of rights"


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_writing_needs_the_right_to_write(guarded: Guarded, method: str, path: str) -> None:
    body = None if method == "DELETE" or "action" in path else {"name": "x"}
    for who in ("nobody", "reader"):
        assert_forbidden(guarded(who).request(method, path, json=body), path)
    assert guarded().request(method, path, json=body, headers={"If-Match": "x"}).status_code in {400, 404}


def test_rights_of_a_sandbox_take_the_place_of_the_general_ones(guarded: Guarded) -> None:
    prod, lab = guarded("tenant", "prod"), guarded("tenant", "lab")
    for client in (prod, lab):
        assert client.get(LIST).status_code == 200
        assert client.get(f"{CATALOG}/dataSets").status_code == 200
    body = Chain(prod).connection_body()
    assert prod.post(LIST, json=body).status_code == 403
    assert lab.post(LIST, json=body).status_code == 201
    assert prod.delete(f"{CATALOG}/dataSets/{ID}").status_code == 403
    assert lab.delete(f"{CATALOG}/dataSets/{ID}").status_code == 404
    assert code(guarded("tenant").get(LIST, headers={"x-sandbox-name": "vault"})) == "2121"


def test_no_answer_speaks_of_limits(aep: httpx.Client) -> None:
    """Nothing is published about limits of these services, so a client must not learn to rely on any."""
    names = {name.lower() for name in aep.get(LIST).headers}
    assert not {name for name in names if "ratelimit" in name or name == "retry-after"}
