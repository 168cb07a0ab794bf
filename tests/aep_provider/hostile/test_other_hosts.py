"""No answer makes a client of AEP connect to another host, let alone tell it a token or a secret."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.auth import AuthBase

from aep_provider.errors import AepAnswerError, AepError
from aep_provider.platform.auth import AepAuth, TokenSource
from aep_provider.platform.blocking import new_session
from aep_provider.platform.exchange import Sending
from aep_provider.platform.paging import flow_service_items
from aep_provider.platform.settings import AepSettings
from aep_provider.platform.token_cache import TokenCache

from .clients import CLIENT_ID, CLIENTS, READY_TOKEN, SECRETS, Ask, BothClients, settings
from .parsers import PARSERS, Parser, told
from .servers import Conversation, Elsewhere, RawServer
from .world import SEEDS, World, WorldClient, Written, written

pytestmark = pytest.mark.slow

REDIRECTS = (300, 301, 302, 303, 304, 305, 307, 308, 399)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PATIENT = 15.0
"""Seconds: what takes longer is asked for again, which these tests would count."""


def addresses(host: str) -> list[str]:
    """Ways to write an address of another host, so that somebody might take it for a path of the gateway."""
    return [
        f"http://{host}/data/foundation/flowservice/flows?continuationToken=x",
        f"https://{host}/x",
        f"//{host}/data/foundation/flowservice/flows",
        f"http:{host}/x",
        f"http:/{host}/x",
        f"http:///{host}/x",
        f"http://GATEWAY@{host}/x",
        f"http://GATEWAY%40{host}/x",
        f"http://{host}#@GATEWAY/x",
        f"http://{host}?@GATEWAY/x",
        f"http://{host}\\@GATEWAY/x",
        f"\\\\{host}\\x",
        f"/\\{host}/x",
        f"http:\\\\{host}\\x",
        f"@{host}/x",
        f":@{host}/x",
        f".{host}/x",
        f"\thttp://{host}/x",
        f"/\t/{host}/x",
        f"//{host}:80/%2e%2e/x",
        f"HTTP://{host.upper()}/x",
        f"http://user:password@{host}/x",
        f"/data/foundation/export/..%2f..%2f//{host}/x",
        f"/data/foundation/export/x HTTP/1.1\r\nHost: {host}\r\nX: ",
        f"/data/foundation/export/%0d%0aHost:%20{host}",
        f"file://{host}/etc/passwd",
        f"ftp://{host}/x",
        host,
    ]


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """All other hosts there are. After the test, none of them has heard a thing."""
    listening = Elsewhere()
    with listening.found_by_any_name():
        yield listening
    listening.close()
    assert listening.heard == []
    assert listening.names == []


@pytest.fixture
def server() -> Iterator[Callable[..., RawServer]]:
    started: list[RawServer] = []

    def start(*script: Any) -> RawServer:
        started.append(RawServer(*script))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_the_listeners_hear_and_see_every_other_host() -> None:
    listening = Elsewhere()
    try:
        with listening.found_by_any_name():
            for host in listening.hosts:
                assert requests.get(f"http://{host}/x", headers={"Authorization": "Bearer x"}, timeout=5).text == "{}"
    finally:
        listening.close()
    assert len(listening.heard) == len(listening.hosts)
    assert all(b"Authorization: Bearer x" in heard for heard in listening.heard)
    assert listening.names == ["evil.example", "xn--80ak6aa92e.example"]


def redirecting(server: Callable[..., RawServer]) -> tuple[RawServer, dict[str, Any]]:
    """A server that redirects; to where, and with which status, is set from outside."""
    told: dict[str, Any] = {"status": 302, "to": ""}

    def script(conversation: Conversation) -> None:
        location = told["to"].encode().replace(b"\r\n", b"%0d%0a")
        headers = (b"Location: " + location, b"Refresh: 0; url=" + location, b"Set-Cookie: a=b; Domain=127.0.0.2")
        conversation.answer(b"", *headers, status=b"%d Moved" % told["status"])

    return server(script), told


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_is_refused(
    elsewhere: Elsewhere, server: Callable[..., RawServer], client: Callable[[AepSettings], Ask], status: int
) -> None:
    gateway, told = redirecting(server)
    ask, told["status"] = client(settings(gateway.url, patience=PATIENT)), status
    own = [f"{gateway.url}/data/foundation/y", "/data/foundation/y", "y", "?y", ""]
    locations = [address for host in elsewhere.hosts[:2] for address in addresses(host)[::3]]
    for number, told["to"] in enumerate([*own, *locations]):
        method = METHODS[number % len(METHODS)]
        before = len(gateway.requests)
        with pytest.raises(AepAnswerError) as caught:
            ask(method, "/data/foundation/x", **({} if method == "GET" else {"json": {"name": "x"}}))
        assert len(gateway.requests) == before + 1
        assert [secret for secret in SECRETS if secret in str(caught.value)] == []


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_of_the_identity_service_is_refused(
    elsewhere: Elsewhere, server: Callable[..., RawServer], client: Callable[[AepSettings], Ask], status: int
) -> None:
    ims, told = redirecting(server)
    gateway = server()
    ask, told["status"] = client(settings(gateway.url, f"{ims.url}/ims/token/v3", PATIENT)), status
    hosts = [*elsewhere.hosts, urlsplit(gateway.url).netloc]
    for told["to"] in ["/ims/token/v4", *(address for host in hosts for address in addresses(host)[::9])]:
        before = len(ims.requests)
        with pytest.raises(AepAnswerError, match="redirects") as caught:
            ask("GET", "/data/foundation/x")
        assert len(ims.requests) == before + 1
        assert [secret for secret in SECRETS if secret in str(caught.value)] == []
    # Nor does the gateway get what is meant for the identity service.
    assert gateway.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_generic_http_task_follows_no_redirect_either(
    elsewhere: Elsewhere, server: Callable[..., RawServer], status: int
) -> None:
    """As ``AepHook.get_conn`` makes it, with ``requests`` told to follow redirects, as it does by default."""
    gateway, told = redirecting(server)
    given = settings(gateway.url, patience=PATIENT)
    told["status"] = status
    with new_session() as session:
        session.auth = AepAuth(given, TokenSource(given, cache=TokenCache()))
        for told["to"] in (address for host in elsewhere.hosts for address in addresses(host)[::5]):
            for method in ("GET", "POST"):
                with pytest.raises(AepAnswerError, match="redirects"):
                    session.request(method, f"{gateway.url}/data/foundation/x", json={}, timeout=5)


def test_a_generic_http_task_tells_other_hosts_nothing(server: Callable[..., RawServer]) -> None:
    """Where a pager of somebody else follows a link, it goes there without a token."""
    listening, gateway = Elsewhere(), server()
    given = settings(gateway.url, patience=PATIENT)
    netloc = urlsplit(gateway.url).netloc
    with new_session() as session, listening.found_by_any_name():
        auth: AuthBase = AepAuth(given, TokenSource(given, cache=TokenCache()))
        session.auth = auth
        for host in listening.hosts:
            for address in addresses(host):
                try:
                    session.get(address.replace("GATEWAY", netloc), timeout=5, allow_redirects=False)
                except (requests.RequestException, ValueError):
                    continue
    listening.close()
    said = b"".join(listening.heard)
    assert listening.heard
    assert READY_TOKEN.encode() not in said
    assert CLIENT_ID.encode() not in said


# --- Links ---


class Served(RawServer):
    """The sandbox over HTTP."""

    def __init__(self) -> None:
        self.world = World()
        super().__init__(self._answer)

    def _answer(self, conversation: Conversation) -> None:
        line, _, _ = conversation.request.partition(b"\r\n")
        method, target, _ = line.decode().split(" ")
        body = conversation.request.partition(b"\r\n\r\n")[2]
        status, headers, content = self.world.answer(Sending(method, self.world.gateway + target, {}, body))
        lines = [f"{name}: {value}".encode() for name, value in headers.items()]
        conversation.answer(content, *lines, status=b"%d Said" % status)


@pytest.fixture
def served() -> Iterator[Served]:
    running = Served()
    yield running
    running.close()


def leading_to(address: str, answer: Written) -> Written:
    """An answer in which every link, and whatever else is an address, is another one."""

    def changed(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            extra = {"$ref": address, "$schema": address, "$id": address} if key == "spec" else {}
            return {**{name: changed(one, name) for name, one in value.items()}, **extra}
        if isinstance(value, list):
            return [changed(one) for one in value]
        is_link = key in ("href", "next", "self", "runs") and isinstance(value, str)
        is_link = is_link or (isinstance(value, str) and value.startswith(("http", "/")) and "schemas" not in value)
        return address if is_link else value

    status, headers, body = answer
    try:
        document = json.loads(body)
    except ValueError:
        return answer
    if "_links" in document:
        document["_links"] = {"next": {"href": address}, "self": {"href": address}}
    if "_page" in document:
        document["_page"]["next"] = address
    more = {name: address for name in ("Location", "Link", "Content-Location") if address.isprintable()}
    return status, {**headers, **more}, json.dumps(changed(document)).encode()


LINKED = [parser for parser in PARSERS if not parser.name.startswith(("plan", "apply", "export", "scaffold", "range"))]


@pytest.mark.parametrize("parser", LINKED, ids=lambda parser: parser.name)
def test_links_lead_nowhere_but_to_the_gateway(elsewhere: Elsewhere, served: Served, parser: Parser) -> None:
    given = settings(served.url, patience=PATIENT)
    answers = parser.answers()
    forms = [address for number, host in enumerate(elsewhere.hosts) for address in addresses(host)[number::5]]
    for address in forms:
        to = address.replace("GATEWAY", urlsplit(served.url).netloc)
        served.world = World(
            lacks=parser.lacks, instead={name: leading_to(to, answer) for name, answer in answers.items()}
        )
        with BothClients(given) as client, contextlib.suppress(AepError):
            told(parser.read(client))
        assert all(url.startswith(f"{served.world.gateway}/data/foundation/") for url in served.world.urls)
    assert all(b"Bearer " + READY_TOKEN.encode() in request for request in served.requests)


@pytest.mark.parametrize(
    "place",
    [
        "/data/foundation/flowservice/connections/b-1",
        "/data/foundation/exportx/batches/1/meta",
        "/data/foundation/export",
        "/data/foundation/export/../catalog/dataSets",
        "/data/foundation/export/%2e%2e/catalog/dataSets",
        "/data/foundation/export\\..\\catalog",
        "/data/foundation/catalog/dataSets?path=/data/foundation/export/",
        "/data/foundation/catalog/dataSets#/data/foundation/export/",
    ],
)
@pytest.mark.parametrize(
    "parser", [one for one in PARSERS if "rejected rows" in one.name], ids=lambda parser: parser.name
)
def test_a_manifest_leads_to_data_access_alone(parser: Parser, place: str) -> None:
    """A run's document must not have the client read what else is below the gateway, such as credentials."""
    answers = parser.answers()
    linked = {name: leading_to(f"https://platform.adobe.io{place}", answer) for name, answer in answers.items()}
    for name, answer in linked.items():
        world = World(instead={**parser.given, name: answer})
        with contextlib.suppress(AepError), WorldClient(world) as client:
            told(parser.read(client))
        places = {urlsplit(url).path for url in world.urls}
        assert {one for one in places if not one.startswith("/data/foundation/export/batches/")} == {
            "/data/foundation/flowservice/runs/r-2"
        }


@pytest.mark.parametrize("name", ["flows", "runs", "connections", "sourceConnections", "targetConnections"])
def test_the_next_page_is_one_of_the_gateway(elsewhere: Elsewhere, served: Served, name: str) -> None:
    """The very page that the link names, on the gateway: a list is not cut short because its links bear another host."""
    link = f"https://{elsewhere.hosts[0]}/data/foundation/flowservice/{name}?continuationToken=x"
    document = json.loads(SEEDS[name][2])
    served.world = World(instead={name: written({**document, "_links": {"next": {"href": link}}})})
    with BothClients(settings(served.url, patience=PATIENT)) as client:
        found = list(flow_service_items(client, f"/{name}"))
    assert len(found) > len(document["items"])
    assert served.world.asked == [name, f"{name} 2"]
