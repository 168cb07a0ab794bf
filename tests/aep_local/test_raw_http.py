"""Requests that no HTTP library would send: each gets a clear refusal, and the platform goes on serving."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from .conftest import CATALOG, EXPORT, FLOW, FULL, MAPPINGS, PROFILE, SCHEMAS, SECONDS, Chain, Platform
from .waiting import awaited

LIST = f"{FLOW}/connections"
SERVICES = [LIST, f"{SCHEMAS}/tenant/schemas", f"{CATALOG}/dataSets", f"{MAPPINGS}/mappingSets"]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Line:
    """A way to the platform for bytes as they are."""

    platform: Platform
    headers: dict[str, str]

    def connected(self) -> socket.socket:
        host, port = self.platform.url.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=SECONDS)

    def head(self, method: str, path: str, *more: str) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", "Host: x", *(f"{name}: {each}" for name, each in self.headers.items())]
        return "\r\n".join([*lines, *more, "", ""]).encode("latin-1")

    def send(self, raw: bytes) -> Answer:
        """The first answer to these bytes; status 0 when the platform hangs up without one."""
        with closing(self.connected()) as line:
            received = b""
            with suppress(OSError):  # refused while we were still sending; the answer may be there all the same
                line.sendall(raw)
            try:
                while b"\r\n\r\n" not in received and (part := line.recv(65536)):
                    received += part
                return self._parsed(received, line, has_body=not raw.startswith(b"HEAD"))
            except ConnectionResetError:
                return self._parsed(received, line, has_body=False)

    @staticmethod
    def _parsed(received: bytes, line: socket.socket, *, has_body: bool) -> Answer:
        head, _, body = received.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in rest)}
        length = int(headers.get("content-length", "0")) if has_body else 0
        while len(body) < length and (part := line.recv(65536)):
            body += part
        return Answer(int(first.split()[1]) if first else 0, headers, body)

    def post(self, path: str, body: bytes, content_type: str = "application/json") -> Answer:
        more = (f"Content-Type: {content_type}", f"Content-Length: {len(body)}")
        return self.send(self.head("POST", path, *more) + body)


@pytest.fixture
def line(platform: Platform, aep: httpx.Client) -> Iterator[Line]:
    names = ("authorization", "x-api-key", "x-gw-ims-org-id", "x-sandbox-name")
    yield Line(platform, {name: aep.headers[name] for name in names})
    assert aep.get(LIST).status_code == 200, "it still serves"
    assert "Traceback" not in platform.log.read_text()


def assert_readable(answer: Answer, *statuses: int) -> None:
    """A refusal in the shape of one of the layers."""
    assert answer.status in statuses, answer
    said = json.loads(answer.body)
    assert {"error_code", "message"} <= set(said) or {"type", "title", "status"} <= set(said), said
    assert said.get("status", answer.status) == answer.status


NOT_HTTP = "Invalid HTTP request received."


def assert_not_http(answer: Answer) -> None:
    """The library under the platform refuses what is no HTTP request."""
    assert (answer.status, answer.body.decode()) in {(400, NOT_HTTP), (400, "")}, answer


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PUT", "CONNECT", "BREW", "DELETE", "get"])
def test_methods_that_a_list_does_not_have(line: Line, method: str) -> None:
    answer = line.send(line.head(method, LIST))
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) <= {"GET", "POST"}
    if method != "HEAD":
        assert_readable(answer, 405)


def test_a_header_does_not_change_the_method(line: Line, aep: httpx.Client, chain: Chain) -> None:
    id = chain.connection()
    for header in ("X-HTTP-Method-Override: DELETE", "X-Method-Override: DELETE", "X-HTTP-Method: DELETE"):
        assert line.send(line.head("GET", f"{LIST}/{id}", header)).status == 200
        assert line.send(line.head("POST", f"{LIST}/{id}?_method=DELETE", header, "Content-Length: 0")).status == 405
    assert aep.get(f"{LIST}/{id}").status_code == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
        b"GET\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nNo colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /?property=" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: a\r\n" % each for each in range(20_000)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 5_000_000,
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_what_is_no_request(line: Line, raw: bytes) -> None:
    assert_not_http(line.send(raw))


@pytest.mark.parametrize("length", ["-1", "abc", "+5", "0x10", "9" * 23, "1_0", "٥"])
def test_lengths_that_are_none(line: Line, length: str) -> None:
    head = line.head("POST", LIST, "Content-Type: application/json")[:-2]
    assert_not_http(line.send(head + f"Content-Length: {length}\r\n\r\n{{}}".encode()))


def test_two_lengths(line: Line) -> None:
    more = ("Content-Type: application/json", "Content-Length: 2", "Content-Length: 3")
    assert_not_http(line.send(line.head("POST", LIST, *more) + b"{}"))


@pytest.mark.parametrize("path", [*SERVICES, "/ims/token/v3"])
def test_a_length_beyond_the_limit_is_refused_before_the_body(line: Line, path: str) -> None:
    began = time.perf_counter()
    more = ("Content-Type: application/json", "Content-Length: 9999999999")
    assert_readable(line.send(line.head("POST", path, *more) + b"{"), 413)
    assert time.perf_counter() - began < 2


def test_chunks(line: Line) -> None:
    head = line.head("POST", LIST, "Content-Type: application/json", "Transfer-Encoding: chunked")
    assert line.send(head + b"zz\r\n{}\r\n0\r\n\r\n").status == 400
    assert line.send(head + b"-1\r\n{}\r\n0\r\n\r\n").status == 400
    assert_readable(line.send(head + (b"10000\r\n" + b"a" * 65536 + b"\r\n") * 40 + b"0\r\n\r\n"), 413)
    assert_readable(line.send(head + b"2\r\n{}\r\n0\r\n\r\n"), 400)


@pytest.mark.parametrize("body", [b"5\r\n{}", b"ffffffffffffff\r\n{}"])
def test_a_caller_that_hangs_up(line: Line, platform: Platform, body: bytes) -> None:
    before = platform.log.read_text().count(" 499 ")
    with closing(line.connected()) as connection:
        more = ("Content-Type: application/json", "Transfer-Encoding: chunked")
        connection.sendall(line.head("POST", LIST, *more) + body)
    awaited(platform.log.read_text, lambda log: log.count(" 499 ") > before)


@pytest.mark.parametrize("path", SERVICES)
@pytest.mark.parametrize(
    "body",
    [
        '{"name": "x"}'.encode("utf-16"),
        '{"name": "x"}'.encode("utf-16-le"),
        '{"name": "x"}'.encode("utf-32"),
        b'\xef\xbb\xbf{"name": "x"}',
        '{"name": "é"}'.encode("latin-1"),
        b'{"name": "\xc0\xaf"}',
        b'{"name": "\xed\xa0\x80"}',
        b'{"name": "\\ud800"}',
        b'{"name": "\x00"}',
        b'{"name": "a", "name": "b"}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": 01}',
        b'{"a": 1,}',
        b"[1,]",
        b"{'a': 1}",
        b"{/**/}",
        b"{}{}",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"\xff" * 1000,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_bodies_that_are_no_json(line: Line, path: str, body: bytes) -> None:
    answer = line.post(path, body)
    assert_readable(answer, 400)
    assert json.loads(answer.body)["type"] == "/placeholder/type/uri"


@pytest.mark.parametrize("path", SERVICES)
@pytest.mark.parametrize("body", [b"5", b'"x"', b"null", b"true", b"[]", b"[[]]", b"{}", b'{"name": {"a": []}}'])
def test_bodies_that_are_no_document(line: Line, path: str, body: bytes) -> None:
    assert_readable(line.post(path, body), 400)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=latin-1",
        "application/json;charset=utf-16",
        "text/plain",
        "é/\x01",
        "",
        "application/",
    ],
)
def test_content_types(line: Line, content_type: str) -> None:
    answer = line.post(LIST, b'{"name": "x"}', content_type)
    if "\x01" in content_type:
        assert answer.status == 400
    else:
        assert_readable(answer, 400)
    named = line.post(LIST, b'{"name": "x"}', 'Application/JSON; charset="UTF-8"')
    assert "FLOW-1413-400" in named.body.decode(), "this one is read"


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/..%5c..%5cwindows",
        "/..\\..\\windows",
        "/x%00y",
        "/%ff%fe",
        "/%zz",
        "/%",
        "/a%0d%0aSet-Cookie:%20x=1",
        "/" + "9" * 20_000,
        "/'%20OR%201=1--",
        "/%F0%9F%92%A9",
    ],
    ids=lambda path: path[:30],
)
@pytest.mark.parametrize(
    "start", [LIST, f"{FLOW}/flowSpecs", f"{CATALOG}/dataSets", f"{EXPORT}/files", f"{SCHEMAS}/tenant/schemas"]
)
def test_paths_that_lead_nowhere(line: Line, start: str, path: str) -> None:
    answer = line.send(line.head("GET", start + path, "Accept: application/vnd.adobe.xed+json; version=1"))
    assert_readable(answer, 404)
    assert "set-cookie" not in answer.headers
    assert b"root:" not in answer.body


@pytest.mark.parametrize(
    "name", ["../secret", "..%2Fsecret", "/etc/passwd", "x\x00.csv", "Account.csv", "C:\\x", "~root"]
)
def test_tables_are_found_by_their_name_only(aep: httpx.Client, chain: Chain, name: str) -> None:
    answer = aep.get(f"{LIST}/{chain.connection()}/explore", params={"objectType": "table", "object": name})
    assert answer.status_code == 400
    assert "CONNECTOR-1330-400" in answer.text


def token(**content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


@pytest.mark.parametrize(
    "query",
    [
        "limit=" + "9" * 5000,
        "limit=%00",
        "limit=-1",
        "count=%ff",
        "property=%00",
        "property=" + "%22" * 5000,
        "property=" + "a" * 20_000 + "==b",
        "orderby=" + "a." * 5000,
        "continuationToken=%00",
        "continuationToken=" + "A" * 40_000,
        "continuationToken=" + token(after=["x"]),
        "continuationToken=" + token(after=[None], property=[], orderby=None, limit=5),
        "a" * 30_000,
        "&".join(f"p{each}=1" for each in range(2000)),
    ],
    ids=lambda query: query[:30],
)
def test_queries_that_nobody_reads(line: Line, query: str) -> None:
    assert_readable(line.send(line.head("GET", f"{LIST}?{query}")), 400)


@pytest.mark.parametrize("position", [10**30, -(10**30), 2**63, -(2**63) - 1])
def test_positions_beyond_every_list(line: Line, position: int) -> None:
    forged = token(after=[position], property=[], orderby=None, limit=5)
    answer = line.send(line.head("GET", f"{LIST}?continuationToken={forged}"))
    assert answer.status in {200, 400}, answer


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("x-sandbox-name", "pr\xe9d", 404),
        ("x-sandbox-name", "prod/../dev", 404),
        ("x-sandbox-name", "a" * 30_000, 404),
        ("authorization", "Bearer \xff\xfe", 401),
        ("authorization", "Bearer " + "a" * 30_000, 401),
        ("authorization", "Bearer a b", 401),
        ("x-api-key", "' OR 1=1--", 403),
        ("x-gw-ims-org-id", " ", 401),
    ],
)
def test_headers_that_open_nothing(line: Line, name: str, value: str, status: int) -> None:
    line.headers = line.headers | {name: value}
    assert_readable(line.send(line.head("GET", LIST)), status)


def test_an_accept_header_writes_no_header(line: Line) -> None:
    raw = line.head("GET", f"{SCHEMAS}/global/classes/x", "Accept: a\r\n\tSet-Cookie: x=1")
    answer = line.send(raw)
    assert_readable(answer, 400)
    assert "set-cookie" not in answer.headers


def test_a_stranger_cannot_keep_others_from_being_served(line: Line, aep: httpx.Client) -> None:
    half: list[socket.socket] = []
    for _ in range(50):
        half.append(line.connected())
        half[-1].sendall(b"POST " + LIST.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Le")
    began = time.perf_counter()
    assert aep.get(LIST).status_code == 200
    assert time.perf_counter() - began < 2
    for each in half:
        each.close()


def test_tokens_are_asked_for_in_a_form(line: Line) -> None:
    many = b"a=1&" * 1000
    wrong = b"client_id=%ff&grant_type=client_credentials"
    for body in (b"\xff\xfe", many, b"grant_type", b"=", b"%00=%00", wrong):
        answer = line.post("/ims/token/v3", body, "application/x-www-form-urlencoded")
        assert answer.status == 400
        assert set(json.loads(answer.body)) == {"error", "error_description"}


STRANGE: list[Any] = [None, 7, -1.5, True, "", "x", [], [[]], {}, {"a": 1}, ["x"], [None], "\x00", 2**62]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document, the document's own included."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from leaves(child, (*path, key))


def put(value: Any, path: tuple[Any, ...], strange: Any) -> Any:
    if not path:
        return strange
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = put(value[path[0]], path[1:], strange)
    return copied


@pytest.fixture
def bodies(chain: Chain, aep: httpx.Client) -> dict[str, tuple[str, str, Any]]:
    """A good body for each thing that can be sent, with its method and its path."""
    base, schema = chain.connection(), chain.schema("tried")
    dataset, flow = chain.dataset(schema), chain.flow_body()
    tenant = aep.get(f"{SCHEMAS}/stats").json()["tenantId"]
    group = {
        "type": "object",
        "title": "group",
        "meta:intendedToExtend": [PROFILE],
        "definitions": {
            "x": {"properties": {f"_{tenant}": {"type": "object", "properties": {"a": {"type": "string"}}}}}
        },
        "allOf": [{"$ref": "#/definitions/x"}],
    }
    identity = {
        "@type": "xdm:descriptorIdentity",
        "xdm:sourceSchema": schema,
        "xdm:sourceVersion": 1,
        "xdm:sourceProperty": "/_id",
        "xdm:namespace": "Email",
        "xdm:property": "xdm:code",
        "xdm:isPrimary": False,
    }
    mappings = [{"sourceType": "ATTRIBUTE", "source": "Id", "destination": "_id"}]
    reference = {"id": schema, "contentType": FULL}
    return {
        "connection": ("POST", LIST, chain.connection_body(description="d")),
        "connection patch": (
            "PATCH",
            f"{LIST}/{base}",
            [{"op": "replace", "path": "/auth/params/password", "value": "x"}],
        ),
        "source": ("POST", f"{FLOW}/sourceConnections", chain.source_body(base)),
        "target": (
            "POST",
            f"{FLOW}/targetConnections",
            chain.target_body(dataset, data={"format": "parquet_xdm", "schema": {"id": schema, "version": FULL}}),
        ),
        "flow": ("POST", f"{FLOW}/flows", flow),
        "schema": ("POST", f"{SCHEMAS}/tenant/schemas", {"type": "object", "title": "t", "allOf": [{"$ref": PROFILE}]}),
        "schema patch": (
            "PATCH",
            f"{SCHEMAS}/tenant/schemas/{quote(schema, safe='')}",
            [{"op": "add", "path": "/description", "value": "d"}],
        ),
        "group": ("POST", f"{SCHEMAS}/tenant/fieldgroups", group),
        "descriptor": ("POST", f"{SCHEMAS}/tenant/descriptors", identity),
        "dataset": ("POST", f"{CATALOG}/dataSets", {"name": "d", "tags": {"t": ["v"]}, "schemaRef": reference}),
        "dataset patch": ("PATCH", f"{CATALOG}/dataSets/{dataset}", {"name": "d", "tags": {"t": ["v"]}}),
        "dataset operations": (
            "PATCH",
            f"{CATALOG}/dataSets/{dataset}",
            [{"op": "replace", "path": "/name", "value": "x"}],
        ),
        "mapping set": (
            "POST",
            f"{MAPPINGS}/mappingSets",
            {"name": "m", "outputSchema": {"schemaRef": reference}, "mappings": mappings},
        ),
    }


KINDS = (
    "connection",
    "connection patch",
    "source",
    "target",
    "flow",
    "schema",
    "schema patch",
    "group",
    "descriptor",
    "dataset",
    "dataset patch",
    "dataset operations",
    "mapping set",
)


def offended(aep: httpx.Client, body: tuple[str, str, Any], strange: list[Any]) -> list[tuple[Any, ...]]:
    """Where a strange value made the platform fail instead of answer."""
    method, path, good = body
    etag = aep.get(path).json()["items"][0]["etag"] if method == "PATCH" and path.startswith(FLOW) else "x"
    wrong = []
    for place in leaves(good):
        for each in strange:
            answer = aep.request(
                method, path, json=put(good, place, each), headers={"If-Match": etag} if etag != "x" else {}
            )
            if answer.status_code >= 500:
                wrong.append((place, each))
            elif answer.status_code < 300 and method == "PATCH" and path.startswith(FLOW):
                etag = answer.json()["etag"]
    return wrong


@pytest.mark.parametrize("kind", KINDS)
def test_no_place_of_a_body_takes_a_list_for_a_text(
    line: Line, aep: httpx.Client, bodies: dict[str, Any], kind: str
) -> None:
    assert set(bodies) == set(KINDS)
    assert offended(aep, bodies[kind], [["x"], {"a": 1}]) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_place_of_a_body_takes_anything(line: Line, aep: httpx.Client, bodies: dict[str, Any], kind: str) -> None:
    assert offended(aep, bodies[kind], STRANGE) == []
