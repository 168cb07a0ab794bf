"""
A local platform in a process of its own, a wire in front of it that remembers requests and breaks on command, and what a
task gets from Airflow.
"""

from __future__ import annotations

import functools
import http.client
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.sdk._shared.secrets_masker.secrets_masker import SecretsMasker

from aep_provider.platform.client import AepAsyncClient, AepClient
from aep_provider.platform.paging import catalog_objects, data_prep_sets, flow_service_items, registry_results
from aep_provider.platform.settings import AepSettings

from .. import platforms
from .on_demand import OnDemand

CLIENT_SECRET = "p8e-client-secret-0123456789"
SOURCE_PASSWORD = "hunter2-of-the-source"
NEXT_SOURCE_PASSWORD = "hunter3-of-the-source"
TABLE = """\
sys_id,number,priority,opened,short_description,active,sys_updated_at
a1,INC001,1,2026-01-01,"Wi-Fi, slow",true,2026-01-01 08:00:00
a2,INC002,3,2026-01-02,Łódź badge,false,2026-01-02 08:00:00
a3,INC003,2,2026-01-03,,true,2026-01-03 08:00:00
"""


@dataclass
class Platform:
    """A running ``aep-local serve``."""

    process: platforms.Process
    url: str
    state: Path

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)
        if self.process.stdout:
            self.process.stdout.close()


def serve(folder: Path, *arguments: str) -> Platform:
    tables, state = folder / "tables", folder / "state"
    tables.mkdir(parents=True, exist_ok=True)
    (tables / "incident.csv").write_text(TABLE)
    (tables / "customer.csv").write_text("id,Name\n1,Ann\n")
    (tables / "t0.csv").write_text("id,Name\n")
    (tables / "t500.csv").write_text("".join(",".join(f"{what}{n}" for n in range(500)) + "\n" for what in "cv"))
    command = ["serve", "--tables", str(tables), "--state", str(state), *arguments]
    with (folder / "log").open("w") as log:
        process = platforms.start(command, log)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready "):
            return Platform(process, line.split()[1], state)
    raise AssertionError(f"the platform did not start: {(folder / 'log').read_text()}")


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One platform for all tests that need nothing special; each test has an organisation of its own."""
    running = serve(tmp_path_factory.mktemp("platform") / "aep", "--time-scale", "0.001")
    yield running
    running.end()


@pytest.fixture
def start_platform(tmp_path: Path) -> Iterator[Callable[..., Platform]]:
    """Start a platform with arguments of its own; it ends with the test."""
    started: list[Platform] = []

    def start(*arguments: str) -> Platform:
        started.append(serve(tmp_path / f"aep{len(started)}", *arguments))
        return started[-1]

    yield start
    for each in started:
        each.end()


@dataclass
class Seen:
    """A request that passed over the wire, and how it was answered; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    status: int = 0

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Fault:
    """
    What happens to the next requests that it fits.

    :param carried_out: whether the platform gets the request all the same.
    :param status: what is answered; 0 hangs up without an answer.
    """

    method: str
    path: str
    carried_out: bool = False
    status: int = 0
    body: bytes = b"{}"
    times: int = 1

    def fits(self, seen: Seen) -> bool:
        return self.times > 0 and seen.method == self.method and seen.path.endswith(self.path)


class Wire:
    """A proxy on loopback in front of a platform."""

    def __init__(self, upstream: str) -> None:
        self.seen: list[Seen] = []
        self.faults: list[Fault] = []
        self._upstream = urlsplit(upstream).netloc
        self._local = threading.local()
        self._lock = threading.Lock()
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            timeout = 20

            def handle_any(self) -> None:
                wire.handle(self)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any

            def finish(self) -> None:
                super().finish()
                wire.hang_up()

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(request.command, request.path, headers, body)
        with self._lock:
            self.seen.append(seen)
            fault = next((one for one in self.faults if one.fits(seen)), None)
            if fault:
                fault.times -= 1
        status, answered, content = 0, [("Content-Type", "application/json")], b""
        if fault is None or fault.carried_out:
            status, answered, content = self._forward(seen)
        if fault:
            status, content = fault.status, fault.body
            if not status:
                request.close_connection = True
                return
        seen.status = status
        request.send_response_only(status)
        for name, value in answered:
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date"):
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _forward(self, seen: Seen) -> tuple[int, list[tuple[str, str]], bytes]:
        # One connection a thread, which is one for each of the client's.
        headers = {name: value for name, value in seen.headers.items() if name not in ("host", "connection")}
        upstream = getattr(self._local, "upstream", None) or http.client.HTTPConnection(self._upstream, timeout=20)
        self._local.upstream = upstream
        upstream.request(seen.method, seen.target, seen.body or None, headers)
        answer = upstream.getresponse()
        return answer.status, answer.getheaders(), answer.read()

    def hang_up(self) -> None:
        upstream = getattr(self._local, "upstream", None)
        if upstream:
            upstream.close()

    def lose(self, method: str, path: str, *, carried_out: bool, status: int = 0, times: int = 1) -> None:
        """Lose the answer to the next requests of this kind, or answer with ``status`` instead."""
        self.faults.append(Fault(method, path, carried_out=carried_out, status=status, times=times))

    def answer(self, method: str, path: str, document: Any, *, status: int = 200, times: int = 10**6) -> None:
        """Answer requests of this kind with ``document``, without asking the platform."""
        self.faults.append(Fault(method, path, status=status, body=json.dumps(document).encode(), times=times))

    def created(self) -> list[str]:
        """The collections in which something was made, in order."""
        kinds = ("connections", "sourceConnections", "targetConnections", "flows", "runs", "schemas", "fieldgroups",
                 "dataSets", "mappingSets")  # fmt: skip
        made = [seen.path.rsplit("/", 1)[-1] for seen in self.seen if seen.method == "POST" and seen.status < 400]
        return [kind for kind in made if kind in kinds]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


_orgs = itertools.count(1)


@pytest.fixture
def org() -> str:
    """An organisation that no other test uses."""
    return f"{os.getpid():X}{next(_orgs):08d}@AdobeOrg"


@pytest.fixture
def make_wire() -> Iterator[Callable[[Platform], Wire]]:
    wires: list[Wire] = []

    def make(platform: Platform) -> Wire:
        wires.append(Wire(platform.url))
        return wires[-1]

    yield make
    for wire in wires:
        wire.close()


@pytest.fixture
def wire(platform: Platform, make_wire: Callable[[Platform], Wire]) -> Wire:
    return make_wire(platform)


@pytest.fixture
def make_client(org: str) -> Iterator[Callable[..., AepClient]]:
    """Clients for any gateway; what they wait between repetitions takes no time."""
    clients: list[AepClient] = []

    def make(gateway: str, sandbox: str = "prod", **changes: Any) -> AepClient:
        values = {"ims_org_id": org, "client_id": "tester", "client_secret": CLIENT_SECRET, "sandbox": sandbox}
        token_url = f"{gateway}/ims/token/v3"
        settings = AepSettings.parse(**{**values, "gateway": gateway, "token_url": token_url, **changes})
        clients.append(AepClient(settings, sleep=lambda _: None))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(wire: Wire, make_client: Callable[..., AepClient]) -> AepClient:
    return make_client(wire.url)


class Ids:
    """What is there, by listing, as somebody else would see it."""

    def __call__(self, client: AepClient) -> dict[str, set[str]]:
        there = {
            collection: {item["id"] for item in flow_service_items(client, f"/{collection}")}
            for collection in ("connections", "sourceConnections", "targetConnections", "flows")
        }
        for kind in ("schemas", "fieldgroups"):
            there[kind] = {item["$id"] for item in registry_results(client, f"/tenant/{kind}", {"orderby": "title"})}
        there["dataSets"] = {key for key, _ in catalog_objects(client)}
        there["mappingSets"] = {item["id"] for item in data_prep_sets(client)}
        return there


@pytest.fixture
def listed() -> Ids:
    """Call it with a client; returns the ids of each kind."""
    return Ids()


@pytest.fixture
def on_demand() -> type[OnDemand]:
    """Make an on-demand dataflow of a client, a platform and a name."""
    return OnDemand


class TaskInstance:
    """What operators use of a task instance."""

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}
        self.rescheduled_at: datetime | None = None

    def get_first_reschedule_date(self, _: Any) -> datetime | None:
        return self.rescheduled_at

    def xcom_push(self, key: str, value: Any) -> None:
        json.dumps(value)
        self.xcoms[key] = value


class StateStore:
    """What outlives a try; values cross the database as JSON."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.held[key]) if key in self.held else default

    def set(self, key: str, value: Any, **_: Any) -> None:
        assert value is not None
        self.held[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        self.held.pop(key, None)


@dataclass
class Task:
    """One task: run it again to retry it."""

    operator: Any
    store: StateStore = field(default_factory=StateStore)
    ti: TaskInstance = field(default_factory=TaskInstance)
    search: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def context(self) -> Any:
        dag = SimpleNamespace(template_searchpath=self.search, schedule=None)
        return {"ti": self.ti, "task_state_store": self.store, "dag": dag, **self.more}

    def run(self) -> Any:
        self.ti = TaskInstance()
        return self.operator.execute(self.context)


@pytest.fixture
def task() -> type[Task]:
    return Task


@pytest.fixture
def fault() -> type[Fault]:
    return Fault


@pytest.fixture
def masked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """
    What Airflow was asked to mask in logs. It masks nothing here, so that what we log ourselves is seen as it is.

    (It would also compile one pattern of the secrets of all tests, ever slower.)
    """
    asked: list[str] = []
    monkeypatch.setattr(SecretsMasker, "add_mask", lambda _, secret, name=None: asked.append(secret))
    return asked


@pytest.fixture
def set_connection(monkeypatch: pytest.MonkeyPatch, masked: list[str]) -> Callable[..., None]:
    """Define an Airflow connection for this test."""

    def define(conn_id: str, **fields: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))

    return define


@pytest.fixture
def aep(wire: Wire, org: str, set_connection: Callable[..., None]) -> Wire:
    """The connections ``aep_default`` and ``aep_source_servicenow``, and the wire that leads to the platform."""
    extra = {"ims_org_id": org, "sandbox": "prod", "token_url": f"{wire.url}/ims/token/v3"}
    set_connection(
        "aep_default", conn_type="aep", host=wire.url, login="tester", password=CLIENT_SECRET, extra=json.dumps(extra)
    )
    set_connection(
        "aep_source_servicenow",
        conn_type="http",
        host="https://dev1.service-now.example",
        login="ann",
        password=SOURCE_PASSWORD,
    )
    return wire


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repetitions of requests follow one another at once."""

    async def at_once(_: float) -> None:
        pass

    monkeypatch.setattr("aep_provider.hooks.aep.AepClient", functools.partial(AepClient, sleep=lambda _: None))
    monkeypatch.setattr("aep_provider.hooks.aep.AepAsyncClient", functools.partial(AepAsyncClient, sleep=at_once))


ACCOUNTS = f"""\
organisations:
  - {{id: ACME@AdobeOrg, tenant: acme, sandboxes: [prod, stage]}}
clients:
  - {{id: robot, secret: {CLIENT_SECRET}, organisation: ACME@AdobeOrg}}
  - id: reader
    secret: {CLIENT_SECRET}
    organisation: ACME@AdobeOrg
    permissions: {{sources: [read, write], datasets: [], sandboxes: [prod]}}
  - id: viewer
    secret: {CLIENT_SECRET}
    organisation: ACME@AdobeOrg
    permissions: {{sources: [read], datasets: [read], sandboxes: [prod]}}
source_credentials:
  - connector: service-now
    params: {{endpoint: "https://dev1.service-now.example", username: ann, password: {SOURCE_PASSWORD}}}
  - connector: service-now
    params: {{endpoint: "https://dev1.service-now.example", username: ann, password: {NEXT_SOURCE_PASSWORD}}}
  - connector: shopify
    params: {{host: "shop.example", accessToken: {SOURCE_PASSWORD}}}
connectors:
  retired: [paypal]
  outside_flow_spec: [shopify]
"""


@pytest.fixture(scope="session")
def strict_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that lets in only the accounts above, to only the source above."""
    folder = tmp_path_factory.mktemp("strict")
    (folder / "accounts.yaml").write_text(ACCOUNTS)
    running = serve(folder / "aep", "--time-scale", "0.001", "--accounts", str(folder / "accounts.yaml"))
    yield running
    running.end()


@pytest.fixture
def secrets() -> list[str]:
    """What may be seen nowhere; tokens of the local platform begin with the last."""
    return [CLIENT_SECRET, SOURCE_PASSWORD, NEXT_SOURCE_PASSWORD]


@pytest.fixture
def one_time_flow(client: AepClient) -> str:
    """The id of a flow that loads ``incident`` at once."""

    def make(path: str, body: dict[str, Any]) -> Any:
        answer = client.post(f"/data/foundation/{path}", json=body).body
        return answer[0].rpartition("/")[2] if isinstance(answer, list) else answer.get("id", answer.get("$id"))

    servicenow = {"id": "eb13cb25-47ab-407f-ba89-c0125281c563", "version": "1.0"}
    params = {"endpoint": "https://dev1.service-now.example", "username": "ann", "password": SOURCE_PASSWORD}
    auth = {"specName": "Basic Authentication", "params": params}
    base = make("flowservice/connections", {"name": "base", "connectionSpec": servicenow, "auth": auth})
    columns = [{"name": name, "type": "string", "xdm": {"type": "string"}} for name in ("sys_id", "short_description")]
    source = make(
        "flowservice/sourceConnections",
        {"name": "source", "baseConnectionId": base, "data": {"format": "tabular"}, "connectionSpec": servicenow,
         "params": {"tableName": "incident", "columns": columns}},
    )  # fmt: skip
    parts = ["https://ns.adobe.com/xdm/context/profile", "https://ns.adobe.com/xdm/context/profile-person-details"]
    schema_body = {"type": "object", "title": "incidents", "allOf": [{"$ref": part} for part in parts]}
    schema = make("schemaregistry/tenant/schemas", schema_body)
    accept = "application/vnd.adobe.xed-full+json;version=1"
    dataset = make("catalog/dataSets", {"name": "incidents", "schemaRef": {"id": schema, "contentType": accept}})
    lake = {"id": "c604ff05-7f1a-43c0-8e18-33bf874cb11c", "version": "1.0"}
    target = make(
        "flowservice/targetConnections",
        {"name": "target", "params": {"dataSetId": dataset}, "connectionSpec": lake,
         "data": {"format": "parquet_xdm", "schema": {"id": schema, "version": accept}}},
    )  # fmt: skip
    mappings = [
        {"sourceType": "ATTRIBUTE", "source": "sys_id", "destination": "_id"},
        {"sourceType": "ATTRIBUTE", "source": "short_description", "destination": "person.name.fullName"},
    ]
    schema_ref = {"schemaRef": {"id": schema, "contentType": accept}}
    mapping = make("conversion/mappingSets", {"outputSchema": schema_ref, "mappings": mappings})
    return str(
        make(
            "flowservice/flows",
            {"name": "flow", "flowSpec": {"id": "14518937-270c-4525-bdec-c2ba7cce3860", "version": "1.0"},
             "sourceConnectionIds": [source], "targetConnectionIds": [target],
             "transformations": [{"name": "Mapping", "params": {"mappingId": mapping, "mappingVersion": "0"}}],
             "scheduleParams": {"startTime": int(time.time()) + 60, "frequency": "once"}},
        )
    )  # fmt: skip
