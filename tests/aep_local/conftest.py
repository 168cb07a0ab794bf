"""A real platform in a process of its own, and callers that are let in."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from aep_local.app import create_app
from aep_local.core.settings import Assumptions, Settings

from .. import platforms
from .faulty import Faulty
from .waiting import awaited

FLOW = "/data/foundation/flowservice"
SCHEMAS = "/data/foundation/schemaregistry"
CATALOG = "/data/foundation/catalog"
MAPPINGS = "/data/foundation/conversion"
EXPORT = "/data/foundation/export"
SERVICENOW = "eb13cb25-47ab-407f-ba89-c0125281c563"
SERVICE_CLOUD = "cb66ab34-8619-49cb-96d1-39b37ede86ea"
DATA_LAKE = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
CRM_TO_AEP = "14518937-270c-4525-bdec-c2ba7cce3860"
PROFILE = "https://ns.adobe.com/xdm/context/profile"
FULL = "application/vnd.adobe.xed-full+json;version=1"
SECONDS = 30
"""How long an answer may take: the machine may have much else to do."""
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here speaks TLS; a context without certificates spares every client the reading of them."""
ACCOUNTS = """\
Id,Name,Phone,CreatedDate,Employees,Active
001,Northwind,555-0100,2026-01-01T08:00:00Z,12,true
002,"Tail, Spin",555-0101,2026-01-02T08:00:00Z,7,false
003,Fabrikam,,2026-01-03T08:00:00Z,,true
"""


@dataclass
class Platform:
    """A running ``aep-local serve``."""

    tables: Path
    state: Path
    arguments: list[str] = field(default_factory=list)
    url: str = ""
    process: platforms.Process | None = None
    for_real: bool = True
    said: list[str] = field(default_factory=list)
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    def start(self) -> Platform:
        command = ["serve", "--tables", str(self.tables), "--state", str(self.state), *self.arguments]
        self.state.mkdir(parents=True, exist_ok=True)
        with self.log.open("a") as log:
            self.process = platforms.start(command, log, for_real=self.for_real)
        assert self.process.stdout is not None
        self.said = []
        for line in self.process.stdout:
            self.said.append(line.rstrip())
            if line.startswith("ready "):
                self.url = line.split()[1]
                return self
        raise AssertionError(f"no ready line, exit {self.process.wait()}: {self.log.read_text()}")

    @property
    def log(self) -> Path:
        return self.state.with_name(self.state.name + ".log")

    def logged(self, *texts: str) -> str:
        """The log once it holds these texts."""
        return awaited(self.log.read_text, lambda log: all(text in log for text in texts))

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def client(
        self, org: str, sandbox: str = "prod", client_id: str = "tester", secret: str = "s3cret"
    ) -> httpx.Client:
        if (client_id, secret) not in self.tokens:
            self.tokens[client_id, secret] = token_of(self.url, client_id, secret)
        return authorised(self.url, self.tokens[client_id, secret], org, sandbox, client_id)


def anybody(method: str, url: str, **more: Any) -> httpx.Response:
    """One request of somebody who is not known."""
    return httpx.request(method, url, timeout=SECONDS, verify=NO_TLS, **more)


def token_of(url: str, client_id: str, secret: str) -> str:
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    answer = anybody("POST", f"{url}/ims/token/v3", data={**form, "scope": "openid,AdobeID"})
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def authorised(url: str, token: str, org: str, sandbox: str, client_id: str) -> httpx.Client:
    headers = {
        "Authorization": f"Bearer {token}",
        "x-api-key": client_id,
        "x-gw-ims-org-id": org,
        "x-sandbox-name": sandbox,
    }
    return httpx.Client(base_url=url, headers=headers, timeout=SECONDS, verify=NO_TLS)


@pytest.fixture(scope="session")
def sample_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    (folder / "Account.csv").write_text(ACCOUNTS)
    (folder / "Empty.csv").write_text("")
    return folder


@pytest.fixture(scope="session")
def platform(sample_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One platform for all tests that need nothing special; each test has an organisation of its own."""
    running = Platform(sample_tables, tmp_path_factory.mktemp("shared") / "state", ["--time-scale", "0.001"]).start()
    yield running
    assert running.end() == 0


@pytest.fixture(scope="session")
def platform_with_faults(sample_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One platform for all tests of faults, which begin without any."""
    folder = tmp_path_factory.mktemp("faulty")
    none = folder / "faults.yaml"
    none.write_text("rules: []")
    arguments = ["--time-scale", "0.001", "--faults", str(none)]
    running = Platform(sample_tables, folder / "state", arguments, for_real=False).start()
    yield running
    assert running.end() == 0
    log = running.log.read_text()
    assert " ERROR " not in log, log[-5000:]


@pytest.fixture
def faulty(platform_with_faults: Platform, org: str) -> Iterator[Faulty]:
    """That platform, as the test's own organisation sees it."""
    with platform_with_faults.client(org) as client:
        faulty = Faulty(platform_with_faults, client, org)
        yield faulty
        faulty.go_wrong()


FOR_REAL = {"test_http_serve.py", "test_engine_killed.py", "test_engine_large.py"}
"""What they test is how the command starts, ends, is killed and comes back, and what memory it takes."""


@pytest.fixture
def start_platform(
    sample_tables: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Platform]]:
    """Start a platform with arguments of its own; it ends with the test."""
    started: list[Platform] = []
    for_real = request.path.name in FOR_REAL

    def start(*arguments: str, tables: Path = sample_tables, state: Path | None = None) -> Platform:
        place = state or tmp_path / "state"
        platform = Platform(tables, place, ["--time-scale", "0.001", *arguments], for_real=for_real)
        started.append(platform)
        return platform.start()

    yield start
    for each in started:
        # what it would do on a signal is a test of its own; waiting for it here would cost half a second a test
        each.end(signal.SIGKILL)


class _Ended(uvicorn.Server):
    """A server that ends when it is told to, instead of looking ten times a second whether it shall."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = threading.Event()
        self._over: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    async def main_loop(self) -> None:
        over = asyncio.Event()
        self._over = (asyncio.get_running_loop(), over)
        await self.on_tick(0)
        if not self._told.is_set():
            await over.wait()

    def end(self) -> None:
        self._told.set()
        if self._over is not None:
            loop, over = self._over
            loop.call_soon_threadsafe(over.set)


class Inside:
    """A platform served from a thread of this process: there at once, for switches that each need one of their own."""

    def __init__(self, settings: Settings) -> None:
        config = uvicorn.Config(create_app(settings), log_config=None, log_level="critical", access_log=False)
        self.state = settings.state
        self._clients: list[httpx.Client] = []
        self._server = _Ended(config)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        # the socket listens already, so a first request waits until the platform serves
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), daemon=True)
        self._thread.start()

    def end(self) -> None:
        for client in self._clients:
            client.close()
        self._server.end()
        self._thread.join(timeout=60)
        self._listener.close()

    def client(
        self, org: str = "A@AdobeOrg", sandbox: str = "prod", client_id: str = "tester", secret: str = "s3cret"
    ) -> httpx.Client:
        """An authorised client; it is closed with the platform."""
        token = token_of(self.url, client_id, secret)
        self._clients.append(authorised(self.url, token, org, sandbox, client_id))
        return self._clients[-1]


@pytest.fixture
def inside(sample_tables: Path, tmp_path: Path) -> Iterator[Callable[..., Inside]]:
    """Start platforms within this process; they end with the test."""
    started: list[Inside] = []

    def start(tables: Path = sample_tables, time_scale: float = 0.001, **settings: Any) -> Inside:
        assume = Assumptions(**settings.pop("assume", {}))
        state = tmp_path / f"inside-{len(started)}"
        started.append(Inside(Settings(tables=tables, state=state, time_scale=time_scale, assume=assume, **settings)))
        return started[-1]

    yield start
    for each in started:
        each.end()


ACCOUNTS_FILE = """
organisations:
  - {id: ONE@AdobeOrg, tenant: one, sandboxes: [prod, lab, vault]}
  - {id: TWO@AdobeOrg}
clients:
  - {id: admin, secret: admin-s3cret, organisation: ONE@AdobeOrg}
  - id: reader
    secret: reader-s3cret
    organisation: ONE@AdobeOrg
    permissions: {sources: [read], schemas: [read], datasets: [read], mappings: [read], sandboxes: [prod]}
  - id: nobody
    secret: nobody-s3cret
    organisation: ONE@AdobeOrg
    permissions: {sources: [], schemas: [], datasets: [], mappings: []}
  - id: tenant
    secret: tenant-s3cret
    organisation: ONE@AdobeOrg
    permissions:
      datasets: [read]
      sandboxes: {prod: {sources: [read]}, lab: {datasets: [read, write]}}
source_credentials:
  - connector: service-now
    params: {endpoint: "https://dev1.service-now.example", username: ann, password: right-s3cret}
connectors:
  retired: [oracle-service-cloud]
  outside_flow_spec: [929e4450-0237-4ed2-9404-b7e1e0a00309]
"""


ADMIN = {"org": "ONE@AdobeOrg", "client_id": "admin", "secret": "admin-s3cret"}


@pytest.fixture(scope="session")
def accounts_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("accounts") / "accounts.yaml"
    file.write_text(ACCOUNTS_FILE)
    return file


@pytest.fixture(scope="session")
def guarded(
    sample_tables: Path, accounts_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., httpx.Client]]:
    """Clients of one platform with an accounts file: ``guarded("reader", "prod")``."""
    state = tmp_path_factory.mktemp("guarded") / "state"
    running = Inside(Settings(tables=sample_tables, state=state, time_scale=0.001, accounts=accounts_file))
    clients: dict[tuple[str, str, str], httpx.Client] = {}

    def client(name: str = "admin", sandbox: str = "prod", org: str = "ONE@AdobeOrg") -> httpx.Client:
        key = (name, sandbox, org)
        if key not in clients:
            clients[key] = running.client(org, sandbox, name, f"{name}-s3cret")
        return clients[key]

    yield client
    running.end()


_orgs = itertools.count(1)


@pytest.fixture
def org() -> str:
    """An organisation that no other test uses."""
    return f"{os.getpid():X}{next(_orgs):08d}@AdobeOrg"


@pytest.fixture
def aep(platform: Platform, org: str) -> Iterator[httpx.Client]:
    """An authorised client in the sandbox prod of the test's own organisation."""
    with platform.client(org) as client:
        yield client


@pytest.fixture
def chain(aep: httpx.Client) -> Chain:
    """The objects of a dataflow, made when asked for."""
    return Chain(aep)


class Chain:
    """Everything that a flow needs, made with valid requests. Each method gives an id."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def post(self, path: str, body: Any, status: int = 201) -> Any:
        answer = self.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def connection_body(self, **changes: Any) -> dict[str, Any]:
        params = {"endpoint": "https://dev1.service-now.example", "username": "ann", "password": "hunter2-secret"}
        auth = {"specName": "Basic Authentication", "params": params}
        return {"name": "base", "connectionSpec": {"id": SERVICENOW, "version": "1.0"}, "auth": auth} | changes

    def connection(self, **changes: Any) -> str:
        return str(self.post(f"{FLOW}/connections", self.connection_body(**changes))["id"])

    def source_body(self, base: str, **changes: Any) -> dict[str, Any]:
        columns = [
            {"name": "Id", "type": "string", "xdm": {"type": "string"}},
            {"name": "Name", "type": "string", "xdm": {"type": "string"}},
            {
                "name": "CreatedDate",
                "type": "string",
                "meta:xdmType": "date-time",
                "xdm": {"type": "string", "format": "date-time"},
            },
        ]
        return {
            "name": "source",
            "baseConnectionId": base,
            "data": {"format": "tabular"},
            "params": {"tableName": "Account", "columns": columns},
            "connectionSpec": {"id": SERVICENOW, "version": "1.0"},
        } | changes

    def source(self, base: str | None = None, **changes: Any) -> str:
        body = self.source_body(base or self.connection(), **changes)
        return str(self.post(f"{FLOW}/sourceConnections", body)["id"])

    def schema(self, title: str = "accounts") -> str:
        groups = [PROFILE, "https://ns.adobe.com/xdm/context/profile-person-details"]
        body = {"type": "object", "title": title, "allOf": [{"$ref": each} for each in groups]}
        return str(self.post(f"{SCHEMAS}/tenant/schemas", body)["$id"])

    def dataset(self, schema: str) -> str:
        body = {"name": "accounts", "schemaRef": {"id": schema, "contentType": FULL}}
        return str(self.post(f"{CATALOG}/dataSets", body)[0]).rpartition("/")[2]

    def target_body(self, dataset: str, **changes: Any) -> dict[str, Any]:
        spec = {"id": DATA_LAKE, "version": "1.0"}
        return {"name": "target", "params": {"dataSetId": dataset}, "connectionSpec": spec} | changes

    def target(self, dataset: str, **changes: Any) -> str:
        return str(self.post(f"{FLOW}/targetConnections", self.target_body(dataset, **changes))["id"])

    def mapping(self, schema: str) -> str:
        mappings = [
            {"sourceAttribute": "Id", "destinationXdmPath": "_id"},
            {"sourceAttribute": "Name", "destinationXdmPath": "person.name.fullName"},
        ]
        body = {"version": 0, "xdmSchema": schema, "xdmVersion": "1.0", "id": None, "mappings": mappings}
        return str(self.post(f"{MAPPINGS}/mappingSets", body, 200)["id"])

    def flow_body(self, **changes: Any) -> dict[str, Any]:
        schema = self.schema()
        delta = {"name": "CreatedDate", "dateFormat": "yyyy-MM-dd HH:mm:ss", "timezone": "UTC"}
        return {
            "name": "flow",
            "flowSpec": {"id": CRM_TO_AEP, "version": "1.0"},
            "sourceConnectionIds": [self.source()],
            "targetConnectionIds": [self.target(self.dataset(schema))],
            "transformations": [
                {"name": "Copy", "params": {"deltaColumn": delta}},
                {"name": "Mapping", "params": {"mappingId": self.mapping(schema), "mappingVersion": "0"}},
            ],
            "scheduleParams": {
                "startTime": int(time.time()) + 3_000_000,
                "frequency": "minute",
                "interval": 15,
                "backfill": True,
            },
        } | changes

    def flow(self, body: dict[str, Any] | None = None) -> str:
        id = self.post(f"{FLOW}/flows", body or self.flow_body())["id"]
        self.until(f"{FLOW}/flows/{id}", lambda flow: flow["state"] == "enabled")
        return str(id)

    def get(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["items"][0]

    def until(self, path: str, true: Callable[[Any], bool]) -> Any:
        return awaited(lambda: self.get(path), true)


def code(answer: httpx.Response) -> str:
    """The numeric code of an error of Flow Service, for example ``1360``."""
    return str(answer.json()["type"]).rpartition("/")[2].split("-")[1]
