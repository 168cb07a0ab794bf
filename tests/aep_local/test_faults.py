"""Faults of connections, statuses and contents: what comes through the wire, and whether the work was done."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from aep_local.app import create_app
from aep_local.core.settings import Settings
from aep_local.faults.injector import Injection
from aep_local.faults.rules import Rule

from .conftest import CATALOG, EXPORT, FLOW, MAPPINGS, SCHEMAS, Chain, Platform, anybody, code
from .faulty import Faulty, Raw, received
from .waiting import awaited

LIST = f"{FLOW}/connections"
TOKEN = "/ims/token/v3"


@pytest.fixture
def body(faulty: Faulty) -> dict[str, Any]:
    """What makes a connection, the only one of the test's organisation."""
    return Chain(faulty.client).connection_body(name="mine")


def done(faulty: Faulty) -> bool:
    """Whether the connection was made, once nothing goes wrong any more."""
    faulty.go_wrong()
    return faulty.names(LIST) == ["mine"]


def length(raw: Raw) -> int:
    return int(raw.header("content-length") or -1)


@pytest.mark.parametrize(("by", "ending"), [("reset", "reset"), ("close", "end")])
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_connection_ends_without_a_byte(
    faulty: Faulty, body: dict[str, Any], when: str, by: str, ending: str
) -> None:
    faulty.go_wrong({"kind": "hang_up", "when": when, "by": by})
    raw = faulty.raw("POST", LIST, body)
    assert (raw.received, raw.ending) == (b"", ending)
    assert faulty.counts() == [(1, 1)]
    assert done(faulty) is (when == "after")


@pytest.mark.parametrize(("by", "ending"), [("reset", "reset"), ("close", "end")])
def test_the_answer_breaks_off_after_the_work(faulty: Faulty, body: dict[str, Any], by: str, ending: str) -> None:
    faulty.go_wrong({"kind": "hang_up", "when": "middle", "by": by})
    raw = faulty.raw("POST", LIST, body)
    assert raw.ending == ending
    assert raw.status == 201
    assert 0 < len(raw.body) == length(raw) // 2
    assert raw.body.startswith(b'{"id":')
    assert done(faulty)


def test_who_reads_slowly_gets_what_was_sent_before_the_reset(faulty: Faulty) -> None:
    Chain(faulty.client).connection(description="x" * 400_000)
    faulty.go_wrong({"kind": "hang_up", "when": "middle"})
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = faulty.url.removeprefix("http://").split(":")
        connection.connect((host, int(port)))
        connection.sendall(faulty.request("GET", LIST))
        awaited(lambda: faulty.injected() == [1])
        time.sleep(0.1)  # in which a reset would come that waits for nobody
        raw = received(connection)
    assert raw.ending == "reset"
    assert len(raw.body) == length(raw) // 2


def test_an_answer_without_a_body_breaks_off_in_its_head(faulty: Faulty) -> None:
    id = Chain(faulty.client).connection()
    faulty.go_wrong({"kind": "hang_up", "when": "middle"})
    raw = faulty.raw("DELETE", f"{LIST}/{id}")
    assert (raw.received, raw.ending) == (b"HTTP/1.1 2", "reset")
    faulty.go_wrong()
    assert faulty.client.get(f"{LIST}/{id}").status_code == 404


def test_what_http_clients_make_of_it(faulty: Faulty) -> None:
    faulty.go_wrong({"kind": "hang_up", "when": "middle", "by": "close"})
    with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection without sending complete message body"):
        faulty.client.get(LIST)
    faulty.go_wrong({"kind": "hang_up", "when": "before"})
    with pytest.raises(httpx.ReadError):
        faulty.client.get(LIST)
    faulty.go_wrong({"kind": "hang_up", "when": "before", "by": "close"})
    with pytest.raises(httpx.RemoteProtocolError, match="Server disconnected"):
        faulty.client.get(LIST)


def test_a_large_answer_breaks_off_too(faulty: Faulty) -> None:
    for _ in range(6):
        Chain(faulty.client).connection(description="x" * 900_000)
    faulty.go_wrong({"kind": "hang_up", "when": "middle"})
    raw = faulty.raw("GET", LIST)
    assert raw.ending == "reset"
    assert len(raw.body) == length(raw) // 2 > 2_500_000


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_failure_before_or_after_the_work(faulty: Faulty, body: dict[str, Any], status: int, when: str) -> None:
    faulty.go_wrong({"kind": "status", "status": status, "when": when})
    answer = faulty.client.post(LIST, json=body)
    assert answer.status_code == status
    assert "retry-after" not in answer.headers
    assert faulty.injected() == [1]
    assert done(faulty) is (when == "after")


PROBLEM = {"type", "title", "status", "detail"}
FLOW_PROBLEM = {"type", "title", "status", "report", "errorMessage", "errorDetails"}
SHAPES = [
    ("POST", TOKEN, {"error", "error_description"}),
    ("GET", LIST, FLOW_PROBLEM),
    ("GET", f"{SCHEMAS}/tenant/schemas", PROBLEM | {"report"}),
    ("GET", f"{CATALOG}/dataSets", PROBLEM),
    ("GET", f"{MAPPINGS}/mappingSets", PROBLEM),
    ("GET", f"{EXPORT}/batches/1/meta", PROBLEM),
]


@pytest.mark.parametrize(("method", "path", "keys"), SHAPES)
def test_a_failure_has_the_shape_of_its_service(faulty: Faulty, method: str, path: str, keys: set[str]) -> None:
    faulty.go_wrong({"kind": "status", "status": 503})
    answer = faulty.client.request(method, path)
    assert answer.status_code == 503
    assert set(answer.json()) == keys
    assert answer.json().get("status", 503) == 503
    faulty.go_wrong({"kind": "status", "status": 429})
    assert faulty.client.request(method, path).json() == {"error_code": "429050", "message": "Too many requests"}


@pytest.mark.parametrize(("method", "path", "keys"), SHAPES)
def test_a_permission_that_is_withdrawn(faulty: Faulty, method: str, path: str, keys: set[str]) -> None:
    faulty.go_wrong({"after": 1, "in_a_row": 2, "times": 2, "fault": "forbidden"})
    answers = [faulty.client.request(method, path) for _ in range(4)]
    assert [answer.status_code == 403 for answer in answers] == [False, True, True, False]
    if path.startswith(FLOW):
        assert code(answers[1]) == "2120"
        assert set(answers[1].json()) == keys
    else:
        assert set(answers[1].json()) == (keys - {"report"})


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (2, "2"),
        (0, "0"),
        (-5, "-5"),
        (1.5, "1.5"),
        (10**9, "1000000000"),
        ("soon", "soon"),
        ("", ""),
        ("Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:59 GMT"),
    ],
)
def test_what_retry_after_says(faulty: Faulty, given: object, sent: str) -> None:
    for status in (429, 503):
        faulty.go_wrong({"kind": "status", "status": status, "retry_after": given})
        assert faulty.raw("GET", LIST).header("retry-after") == sent


@pytest.mark.parametrize("seconds", [30, -86400, 10**9, -(10**9)])
def test_retry_after_a_date(faulty: Faulty, seconds: int) -> None:
    faulty.go_wrong({"kind": "status", "status": 429, "retry_after": {"date_in": seconds}})
    date = faulty.client.get(LIST).headers["retry-after"]
    assert date.endswith(" GMT")
    assert abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds() - seconds) < 10


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("status", [200, 502])
def test_a_page_of_a_gateway(faulty: Faulty, body: dict[str, Any], status: int, when: str) -> None:
    faulty.go_wrong({"kind": "html", "status": status, "when": when})
    raw = faulty.raw("POST", LIST, body)
    assert raw.status == status
    assert raw.header("content-type") == "text/html; charset=utf-8"
    assert length(raw) == len(raw.body)
    assert raw.body.startswith(b"<!DOCTYPE html>")
    assert done(faulty) is (when == "after")


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_empty_body(faulty: Faulty, body: dict[str, Any], when: str) -> None:
    faulty.go_wrong({"kind": "empty", "when": when})
    raw = faulty.raw("POST", LIST, body)
    assert (raw.status, raw.header("content-length"), raw.body, raw.ending) == (200, "0", b"", "end")
    assert done(faulty) is (when == "after")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_another_host(faulty: Faulty, body: dict[str, Any], status: int) -> None:
    faulty.go_wrong({"kind": "redirect", "status": status, "to": "https://elsewhere.invalid/"})
    raw = faulty.raw("POST", f"{LIST}?mode=a%20b", body)
    assert raw.status == status
    assert raw.header("location") == f"https://elsewhere.invalid{LIST}?mode=a%20b"
    id = "https%3A%2F%2Fns.adobe.com%2Fx"
    raw = faulty.raw("GET", f"{SCHEMAS}/tenant/schemas/{id}/")
    assert raw.header("location") == f"https://elsewhere.invalid{SCHEMAS}/tenant/schemas/{id}"
    assert not done(faulty)


def test_half_a_document_in_a_whole_answer(faulty: Faulty, body: dict[str, Any]) -> None:
    faulty.go_wrong("cut_json")
    raw = faulty.raw("POST", LIST, body)
    assert (raw.status, raw.header("content-type")) == (201, "application/json")
    assert 0 < length(raw) == len(raw.body)
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(raw.body)
    assert done(faulty)


@pytest.mark.parametrize(("to", "other"), [("text", "unexpected"), ("number", 0), ("none", None)])
def test_json_of_another_type(faulty: Faulty, body: dict[str, Any], to: str, other: object) -> None:
    faulty.go_wrong({"kind": "wrong_json", "to": to})
    answer = faulty.client.post(LIST, json=body)
    assert (answer.status_code, answer.json()) == (201, other)
    assert done(faulty)


def test_a_list_where_an_object_should_be_and_the_other_way_round(faulty: Faulty) -> None:
    schema = Chain(faulty.client).schema()
    dataset = {"name": "x", "schemaRef": {"id": schema, "contentType": "application/vnd.adobe.xed+json;version=1"}}
    faulty.go_wrong({"kind": "wrong_json", "to": "list"})
    assert faulty.client.get(LIST).json() == [{"items": [], "_links": {}}]
    assert faulty.client.post(f"{CATALOG}/dataSets", json=dataset).json()[0].startswith("@/dataSets/"), "a list it is"
    assert faulty.counts() == [(2, 1)]
    faulty.go_wrong({"kind": "wrong_json", "to": "object"})
    assert faulty.client.get(LIST).json() == {"items": [], "_links": {}}, "nobody could tell {} from an empty answer"
    assert faulty.client.post(f"{CATALOG}/dataSets", json=dataset).json() == {}
    assert faulty.counts() == [(2, 1)]


def test_an_answer_that_has_no_json_is_left_alone(faulty: Faulty) -> None:
    ids = [Chain(faulty.client).connection() for _ in range(2)]
    for kind in ("cut_json", {"kind": "wrong_json", "to": "none"}):
        faulty.go_wrong(kind)
        assert faulty.client.delete(f"{LIST}/{ids.pop()}").status_code == 204
        assert faulty.counts() == [(1, 0)]


def test_a_fault_that_found_nothing_to_do_may_still_happen(faulty: Faulty) -> None:
    id = Chain(faulty.client).connection()
    faulty.go_wrong({"times": 1, "fault": {"kind": "wrong_json", "to": "none"}})
    assert faulty.client.delete(f"{LIST}/{id}").status_code == 204
    assert faulty.client.get(LIST).json() is None
    assert faulty.client.get(LIST).json() is not None
    assert faulty.counts() == [(3, 1)]


def test_a_first_byte_that_comes_late(faulty: Faulty, body: dict[str, Any]) -> None:
    faulty.go_wrong({"kind": "slow_start", "seconds": 0.3})
    raw = faulty.raw("POST", LIST, body)
    assert raw.status == 201
    assert raw.first_byte >= 0.3
    assert done(faulty)


def silent(connection: socket.socket) -> bool:
    connection.settimeout(0.05)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    return True


def test_an_answer_that_comes_late_although_the_work_is_done(faulty: Faulty, body: dict[str, Any]) -> None:
    faulty.go_wrong({"kind": "slow_start", "seconds": 600, "when": "after"})
    with faulty.asking("POST", LIST, body) as connection:
        assert silent(connection)
        assert done(faulty)


def test_work_that_is_done_late_although_the_caller_has_given_up(faulty: Faulty, body: dict[str, Any]) -> None:
    faulty.go_wrong({"kind": "slow_start", "seconds": 1, "when": "before"})
    began = time.monotonic()
    with faulty.asking("POST", LIST, body) as connection:
        assert silent(connection)
    assert not done(faulty)
    awaited(lambda: done(faulty))
    assert time.monotonic() - began >= 1


def test_a_body_that_drips(faulty: Faulty, body: dict[str, Any]) -> None:
    faulty.go_wrong({"kind": "drip", "bytes_per_second": 400})
    with faulty.connection() as connection:
        began = time.monotonic()
        connection.sendall(faulty.request("POST", LIST, body))
        parts: list[tuple[float, bytes]] = []
        while part := connection.recv(65536):
            parts.append((time.monotonic() - began, part))
    raw = Raw(b"".join(part for _, part in parts), "end", parts[0][0])
    assert raw.status == 201
    assert length(raw) == len(raw.body) > 80
    assert parts[-1][0] - parts[0][0] >= (len(raw.body) - 20) / 400
    assert len(parts) > 3
    assert done(faulty)


def lines(platform: Platform, request: str, status: int) -> int:
    return platform.log.read_text().count(f"aep_local.access INFO {request} {status} ")


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_never_comes(
    faulty: Faulty, platform_with_faults: Platform, body: dict[str, Any], when: str
) -> None:
    faulty.go_wrong({"kind": "never", "when": when})
    ended = lines(platform_with_faults, f"POST '{LIST}'", 0)
    with faulty.asking("POST", LIST, body) as connection:
        assert silent(connection)
        assert lines(platform_with_faults, f"POST '{LIST}'", 0) == ended
    awaited(lambda: lines(platform_with_faults, f"POST '{LIST}'", 0) == ended + 1)
    assert done(faulty) is (when == "after")


def test_who_hangs_up_while_a_body_drips_is_let_go(faulty: Faulty, platform_with_faults: Platform) -> None:
    faulty.go_wrong({"kind": "drip", "bytes_per_second": 1})
    path = f"{FLOW}/flowSpecs"
    ended = lines(platform_with_faults, f"GET '{path}'", 200)
    with faulty.asking("GET", path) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    awaited(lambda: lines(platform_with_faults, f"GET '{path}'", 200) == ended + 1)


Start = Callable[..., Platform]


@pytest.fixture
def start_faulty(start_platform: Start, tmp_path: Path) -> Callable[[str], tuple[Platform, Faulty]]:
    def start(rules: str) -> tuple[Platform, Faulty]:
        file = tmp_path / "faults.yaml"
        file.write_text(rules)
        platform = start_platform("--faults", str(file))
        return platform, Faulty(platform, httpx.Client(base_url=platform.url), "A@AdobeOrg")

    return start


@pytest.mark.parametrize("fault", ["never", "{kind: slow_start, seconds: 600, when: before}"])
def test_a_server_that_stops_waits_for_nothing_that_waits_on_purpose(
    start_faulty: Callable[[str], tuple[Platform, Faulty]], fault: str
) -> None:
    platform, faulty = start_faulty(f"rules: [{{fault: {fault}}}]")
    with faulty.client, faulty.connection() as patient, faulty.connection() as gone:
        for connection in (patient, gone):
            connection.sendall(b"GET /data/foundation/catalog/dataSets HTTP/1.1\r\nhost: localhost\r\n\r\n")
        awaited(lambda: faulty.injected() == [2])
        gone.close()
        began = time.monotonic()
        assert platform.end() == 0
        assert time.monotonic() - began < 4, "uvicorn would cancel them after five seconds"
        with pytest.raises(ConnectionResetError):
            patient.recv(1)
    log = platform.log.read_text()
    assert "Traceback" not in log
    assert "Cancel" not in log


def statuses(faulty: Faulty, requests: int, path: str = f"{FLOW}/flowSpecs/x") -> list[int]:
    return [faulty.client.get(path).status_code for _ in range(requests)]


def test_the_same_seed_hits_the_same_requests(faulty: Faulty) -> None:
    rules = [
        {"chance": 0.3, "fault": {"kind": "status", "status": 503}},
        {"chance": 0.3, "fault": {"kind": "status", "status": 500}},
    ]
    faulty.go_wrong(*rules, seed=3)
    first = statuses(faulty, 40)
    counts = faulty.counts()
    faulty.go_wrong(*rules, seed=3)
    assert statuses(faulty, 40) == first
    assert faulty.counts() == counts
    hits = [[Rule(**rule).hits(3, number, nth) for nth in range(1, 41)] for number, rule in enumerate(rules, 1)]
    assert first == [503 if one else 500 if two else 404 for one, two in zip(*hits, strict=True)], "the first rule wins"
    assert counts == [(40, first.count(503)), (40, first.count(500))]
    faulty.go_wrong(*rules, seed=4)
    assert statuses(faulty, 40) != first


def test_a_rule_counts_only_what_it_fits(faulty: Faulty) -> None:
    rules = [
        {"service": "catalog", "chance": 0.5, "fault": {"kind": "status", "status": 500}},
        {"path": "/flowSpecs/{id}", "chance": 0.5, "fault": {"kind": "status", "status": 503}},
    ]
    faulty.go_wrong(*rules)
    alone = statuses(faulty, 20)
    faulty.go_wrong(*rules)
    mixed = []
    for _ in range(20):
        faulty.client.get(f"{CATALOG}/dataSets")
        faulty.client.get(f"{FLOW}/flows")
        mixed += statuses(faulty, 1)
    assert mixed == alone
    assert [matched for matched, _ in faulty.counts()] == [20, 20]


def test_all_hits_happen_whatever_comes_at_the_same_time(faulty: Faulty) -> None:
    rule = {"chance": 0.4, "times": 7, "fault": {"kind": "status", "status": 503}}
    faulty.go_wrong(rule)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.extend(statuses(faulty, 8))) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    hits = sum(Rule(**rule).hits(0, 1, nth) for nth in range(1, 33))
    assert hits > 7
    assert sorted(found) == [404] * 25 + [503] * 7
    assert faulty.counts() == [(32, 7)]


def test_after_in_a_row_and_times(faulty: Faulty) -> None:
    faulty.go_wrong({"after": 2, "times": 3, "fault": {"kind": "status", "status": 503}})
    assert statuses(faulty, 7) == [404, 404, 503, 503, 503, 404, 404]
    assert faulty.counts() == [(7, 3)]


def test_what_waits_counts_as_happened_at_once(faulty: Faulty) -> None:
    faulty.go_wrong({"times": 2, "fault": "never"})
    waiting = [faulty.connection() for _ in range(2)]
    for each in waiting:
        each.sendall(faulty.request("GET", LIST))
    awaited(lambda: faulty.injected() == [2])
    assert statuses(faulty, 1) == [404]
    for each in waiting:
        each.close()


def test_rules_change_while_it_runs(faulty: Faulty) -> None:
    assert faulty.control().json() == {"seed": 0, "rules": []}
    rule = {"service": ["flowservice"], "times": 2, "fault": {"kind": "status", "status": 503}}
    answer = faulty.control("PUT", content=f"seed: 9\nrules:\n - {json.dumps(rule)}")
    told = {"seed": 9, "rules": [{"number": 1, "kind": "status", "matched": 0, "injected": 0, "rule": rule}]}
    assert (answer.status_code, answer.json()) == (200, told)
    assert statuses(faulty, 1) == [503]
    told["rules"][0] |= {"matched": 1, "injected": 1}
    assert faulty.control().json() == told
    answer = faulty.control("DELETE")
    assert (answer.status_code, answer.json()) == (200, {"seed": 0, "rules": []})
    assert statuses(faulty, 1) == [404]


def test_wrong_rules_change_nothing(faulty: Faulty) -> None:
    faulty.go_wrong({"kind": "status", "status": 503})
    for content, told in {
        b"rules: [{fault: meteor}]": "rule 1, fault: kind must be one of",
        b"{": "neither YAML nor JSON",
        b"\xff": "not UTF-8",
        b"": "there must be rules",
    }.items():
        answer = faulty.control("PUT", content=content)
        assert answer.status_code == 400
        assert answer.json()["detail"].startswith(told)
    assert faulty.control("PUT", content=b"#" * 2**20 + b"rules: []").status_code == 413
    assert statuses(faulty, 1) == [503]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_the_rules_are_for_those_who_know_the_token(faulty: Faulty, method: str) -> None:
    faulty.go_wrong({"kind": "status", "status": 503})
    url = f"{faulty.url}/local/faults"
    token = faulty.client.headers["authorization"]
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {faulty.token}"},
        {"Authorization": token},
    ):
        answer = anybody(method, url, headers=headers, content=b"rules: []")
        assert answer.status_code == 401
        assert set(answer.json()) == PROBLEM
    strange = {"Authorization": b"Bearer wron\xdf"}
    assert httpx.request(method, url, headers=strange, content=b"{").status_code == 401
    assert len(faulty.control().json()["rules"]) == 1


def test_the_token_is_printed_before_the_ready_line_and_is_nowhere_else(
    faulty: Faulty, platform_with_faults: Platform
) -> None:
    assert re.fullmatch(r"faults-token [\w-]{43}", platform_with_faults.said[-2])
    assert platform_with_faults.said[-1] == f"ready {faulty.url}"
    faulty.go_wrong("empty")
    folder = platform_with_faults.state.parent
    for file in (each for each in folder.rglob("*") if each.is_file()):
        assert faulty.token.encode() not in file.read_bytes(), file
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert faulty.token.encode() not in command.read_bytes()
        except OSError:
            continue


def test_two_servers_have_two_tokens(tmp_path: Path, sample_tables: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("rules: []")
    apps = [create_app(Settings(tables=sample_tables, state=tmp_path / "s", faults=file)) for _ in range(2)]
    assert apps[0].state.faults.token != apps[1].state.faults.token


def test_each_fault_is_a_line_in_the_log_without_its_query(faulty: Faulty, platform_with_faults: Platform) -> None:
    faulty.go_wrong({"fault": "empty", "service": "ims"}, {"kind": "html", "status": 502}, "never")
    anybody("POST", f"{faulty.url}/ims/token/v2", params={"client_id": "needle"})
    faulty.client.get(f"{LIST}/a%0Ab", params={"name": "needle"})
    log = platform_with_faults.logged(
        "aep_local.faults INFO rule 1 empty POST '/ims/token/v2'",
        f"aep_local.faults INFO rule 2 html GET '{LIST}/a\\nb'",
    )
    assert "needle" not in log
    assert "/a\nb" not in log


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_without_the_flag_nobody_can_make_anything_go_wrong(platform: Platform, method: str) -> None:
    headers = {"Authorization": "Bearer x"}
    answer = anybody(method, f"{platform.url}/local/faults", headers=headers, content=b"rules: []")
    assert answer.status_code == 404
    assert answer.json() == anybody("GET", f"{platform.url}/local/nothing").json()


def test_without_the_flag_nothing_is_different(
    platform: Platform, faulty: Faulty, tmp_path: Path, sample_tables: Path
) -> None:
    assert platform.said == [f"ready {platform.url}"]
    app = create_app(Settings(tables=sample_tables, state=tmp_path / "s"))
    assert app.state.faults is None
    assert Injection not in [each.cls for each in app.user_middleware]
    with platform.client(faulty.org) as client:
        plain, with_none = (each.get(f"{FLOW}/flowSpecs") for each in (client, faulty.client))
    assert plain.content == with_none.content
    assert [name for name, _ in plain.headers.raw] == [name for name, _ in with_none.headers.raw]


def test_requests_that_are_for_no_service_are_left_alone(faulty: Faulty) -> None:
    faulty.go_wrong({"kind": "hang_up", "when": "before"})
    for path in ("/", "/local/nothing", "/data/foundation", "/data/foundation/nothing", "/imsx", "/ims"):
        assert anybody("GET", faulty.url + path).status_code == 404
    assert faulty.counts() == [(0, 0)]


def test_a_body_that_is_too_large_is_refused_as_ever(faulty: Faulty) -> None:
    faulty.go_wrong({"kind": "slow_start", "seconds": 0.01})
    huge = b'{"name": "' + b"x" * 2**20 + b'"}'
    assert faulty.raw("POST", LIST, huge).status == 413
    head = faulty.request("POST", LIST, b"{}").replace(b"content-length: 2", b"transfer-encoding: chunked")
    with faulty.connection() as connection:
        # without an end: nobody waits for it
        connection.sendall(head.removesuffix(b"{}") + b"%x\r\n%b\r\n" % (len(huge), huge))
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_caller_who_hangs_up_before_the_body_has_arrived_has_asked_nothing(
    faulty: Faulty, platform_with_faults: Platform, body: dict[str, Any]
) -> None:
    faulty.go_wrong({"kind": "slow_start", "seconds": 600})
    ended = lines(platform_with_faults, f"POST '{LIST}'", 0)
    with faulty.connection() as connection:
        connection.sendall(faulty.request("POST", LIST, body)[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    awaited(lambda: lines(platform_with_faults, f"POST '{LIST}'", 0) == ended + 1)
    assert not done(faulty)
