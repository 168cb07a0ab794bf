"""The platform in a process of its own, and callers with a sandbox each. Raw HTTP, nothing of the package's client."""

from __future__ import annotations

import functools
import itertools
import os
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel

from .. import platforms
from . import models

FLOW = "/data/foundation/flowservice"
REGISTRY = "/data/foundation/schemaregistry"
CATALOG = "/data/foundation/catalog"
DATA_PREP = "/data/foundation/conversion"
DATA_ACCESS = "/data/foundation/export"
SERVICE_CLOUD = "cb66ab34-8619-49cb-96d1-39b37ede86ea"
SERVICENOW = "eb13cb25-47ab-407f-ba89-c0125281c563"
DATA_LAKE = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
CRM_TO_AEP = "14518937-270c-4525-bdec-c2ba7cce3860"
RECORD = "https://ns.adobe.com/xdm/context/profile"
FULL = "application/vnd.adobe.xed-full+json;version=1"

SECONDS = 30
"""How long an answer may take: the machine may have much else to do."""
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here speaks TLS; a context without certificates spares every client the reading of them."""

Model = TypeVar("Model", bound=BaseModel)
_organisations = itertools.count(1)


class Server:
    """A running ``aep-local serve`` over ``folder/tables``."""

    def __init__(self, folder: Path, *arguments: str, for_real: bool = False) -> None:
        self.tables = folder / "tables"
        self.state = folder / "state"
        self.tables.mkdir(parents=True, exist_ok=True)
        self.state.mkdir(exist_ok=True)
        self.log = folder / "server.log"
        command = ["serve", "--tables", str(self.tables), "--state", str(self.state)]
        command += ["--port", "0", "--time-scale", "0.001", *arguments]
        with self.log.open("w") as log:
            self.process = platforms.start(command, log, for_real=for_real)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ready "):
                self.url = line.split()[1]
                return
        raise AssertionError(f"no ready line, exit {self.process.wait()}: {self.log.read_text()}")

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)
        assert self.process.stdout is not None
        self.process.stdout.close()

    @functools.cached_property
    def token(self) -> str:
        """What all callers share; a platform gives the same rights to everybody."""
        form = {"grant_type": "client_credentials", "client_id": "tester", "client_secret": "s3cret"}
        answer = anybody("POST", f"{self.url}/ims/token/v3", data=form | {"scope": "openid,AdobeID"})
        return checked(answer, models.Token).access_token

    def caller(self, organisation: str | None = None, sandbox: str = "prod") -> Caller:
        return Caller(self, organisation or new_organisation(), sandbox)

    def traceback(self) -> bool:
        return "Traceback" in self.log.read_text()


def anybody(method: str, url: str, **more: Any) -> httpx.Response:
    """One request of somebody who is not known."""
    return httpx.request(method, url, timeout=SECONDS, verify=NO_TLS, **more)


def new_organisation() -> str:
    return f"C{os.getpid():X}{next(_organisations):08d}@AdobeOrg"


def checked(answer: httpx.Response, model: type[Model], status: int = 200) -> Model:
    """The answer as a model; the status must be the documented one."""
    assert answer.status_code == status, f"{answer.request.method} {answer.request.url}: {answer.text}"
    return model.model_validate_json(answer.content)


def refused(answer: httpx.Response, code: int | None = None, status: int = 400) -> models.FlowProblem:
    """A refusal of Flow Service in its current shape, by the number of its code."""
    problem = checked(answer, models.FlowProblem, status)
    assert problem.status == status
    assert code is None or problem.code == str(code), problem
    return problem


class Caller:
    """An authorised client of one sandbox."""

    def __init__(self, server: Server, organisation: str, sandbox: str) -> None:
        self.server = server
        self.organisation = organisation
        self.sandbox = sandbox
        headers = {
            "Authorization": f"Bearer {server.token}",
            "x-api-key": "tester",
            "x-gw-ims-org-id": organisation,
            "x-sandbox-name": sandbox,
        }
        self.http = httpx.Client(base_url=server.url, headers=headers, timeout=SECONDS, verify=NO_TLS)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def other(self, sandbox: str) -> Caller:
        return Caller(self.server, self.organisation, sandbox)

    # -- requests

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.http.get(path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return self.http.post(path, json=body, **more) if body is not None else self.http.post(path, **more)

    def patch(self, path: str, body: Any, etag: str | None = None) -> httpx.Response:
        return self.http.patch(path, json=body, headers={"If-Match": etag} if etag is not None else {})

    def delete(self, path: str) -> httpx.Response:
        return self.http.delete(path)

    def follow(self, link: str) -> httpx.Response:
        """A link in an answer, whatever host it names, asked of this platform."""
        url = httpx.URL(link)
        return self.http.get(url.raw_path.decode())

    # -- the chain of a dataflow; each method gives an id

    def connection_body(self, **changes: Any) -> dict[str, Any]:
        params = {"endpoint": "https://dev1.service-now.example", "username": "ann", "password": "hunter2-secret"}
        auth = {"specName": "Basic Authentication", "params": params}
        return {"name": "base", "connectionSpec": {"id": SERVICENOW, "version": "1.0"}, "auth": auth} | changes

    def source_body(self, base: str, table: str, columns: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
        return {
            "name": "source",
            "baseConnectionId": base,
            "data": {"format": "tabular"},
            "params": {"tableName": table, "columns": columns},
            "connectionSpec": {"id": SERVICENOW, "version": "1.0"},
        } | changes

    def dataset_body(self, schema: str, **changes: Any) -> dict[str, Any]:
        return {"name": "dataset", "schemaRef": {"id": schema, "contentType": FULL}} | changes

    def target_body(self, dataset: str, schema: str, **changes: Any) -> dict[str, Any]:
        return {
            "name": "target",
            "data": {"format": "parquet_xdm", "schema": {"id": schema, "version": FULL}},
            "params": {"dataSetId": dataset},
            "connectionSpec": {"id": DATA_LAKE, "version": "1.0"},
        } | changes

    def mapping_body(self, schema: str, pairs: list[tuple[str, str]]) -> dict[str, Any]:
        mappings = [{"sourceAttribute": source, "destinationXdmPath": target} for source, target in pairs]
        return {"version": 0, "xdmSchema": schema, "xdmVersion": "1.0", "id": None, "mappings": mappings}

    def flow_body(self, source: str, target: str, mapping: str, **changes: Any) -> dict[str, Any]:
        """A flow of frequency ``once`` whose time comes in a (scaled) minute."""
        return {
            "name": "flow",
            "flowSpec": {"id": CRM_TO_AEP, "version": "1.0"},
            "sourceConnectionIds": [source],
            "targetConnectionIds": [target],
            "transformations": [{"name": "Mapping", "params": {"mappingId": mapping, "mappingVersion": "0"}}],
            "scheduleParams": {"startTime": int(time.time()) + 60, "frequency": "once"},
            "options": {"errorDiagnosticsEnabled": True, "partialIngestionPercent": 5},
        } | changes

    def create(self, kind: str, body: dict[str, Any]) -> str:
        return checked(self.post(f"{FLOW}/{kind}", body), models.Created, 201).id

    def base(self, **changes: Any) -> str:
        return self.create("connections", self.connection_body(**changes))

    def tenant(self) -> str:
        return "_" + checked(self.get(f"{REGISTRY}/stats"), models.Stats).tenantId

    def schema(self, fields: dict[str, Any], *, title: str = "row", required: list[str] | None = None) -> str:
        """A record schema whose own fields lie at ``_tenant.row``."""
        row = {"type": "object", "properties": fields} | ({"required": required} if required else {})
        own = {"type": "object", "properties": {"row": row}} | ({"required": ["row"]} if required else {})
        group = {
            "type": "object",
            "title": f"{title} fields",
            "meta:intendedToExtend": [RECORD],
            "definitions": {"x": {"properties": {self.tenant(): own}}},
            "allOf": [{"$ref": "#/definitions/x"}],
        }
        answer = self.post(f"{REGISTRY}/tenant/fieldgroups", group)
        assert answer.status_code == 201, answer.text
        references = [{"$ref": RECORD}, {"$ref": answer.json()["$id"]}]
        body = {"type": "object", "title": title, "allOf": references}
        return checked(self.post(f"{REGISTRY}/tenant/schemas", body), models.Schema, 201).id

    def dataset(self, schema: str, **changes: Any) -> str:
        body = self.dataset_body(schema, **changes)
        return checked(self.post(f"{CATALOG}/dataSets", body), models.DataSetCreated, 201).id

    def mapping(self, schema: str, pairs: list[tuple[str, str]]) -> str:
        body = self.mapping_body(schema, pairs)
        return checked(self.post(f"{DATA_PREP}/mappingSets", body), models.MappingSetCreated).id

    def columns(self, base: str, table: str) -> list[dict[str, Any]]:
        answer = self.get(f"{FLOW}/connections/{base}/explore", params={"objectType": "table", "object": table})
        checked(answer, models.Explored)
        return list(answer.json()["schema"]["columns"])

    # -- waiting

    def flow(self, id: str) -> models.Flow:
        return checked(self.get(f"{FLOW}/flows/{id}"), models.One[models.Flow]).items[0]

    def settled(self, id: str) -> models.Flow:
        """The flow once its last operation has ended."""
        return until(lambda: self.flow(id), lambda flow: flow.lastOperation.status.value == "completed")

    def runs(self, flow: str) -> list[models.Run]:
        answer = self.get(f"{FLOW}/runs", params={"property": f"flowId=={flow}"})
        return checked(answer, models.Listing[models.Run]).items

    def ended_runs(self, flow: str, count: int = 1) -> list[models.Run]:
        """The flow's runs once ``count`` are there and all have ended; newest first."""

        def all_ended(runs: list[models.Run]) -> bool:
            ended = {"success", "partialsuccess", "failed"}
            return len(runs) >= count and all(run.status in ended for run in runs)

        return until(lambda: self.runs(flow), all_ended)

    def batch(self, id: str) -> models.Batch:
        """The batch once nothing is going on in it."""
        busy = {"processing", "queued", "retrying", "loading", "staging", "active"}

        def read() -> models.Batch:
            return checked(self.get(f"{CATALOG}/batches/{id}"), models.Batches).root[id]

        return until(read, lambda batch: batch.status not in busy)


Value = TypeVar("Value")


def until(read: Callable[[], Value], true: Callable[[Value], bool], seconds: float = 60) -> Value:
    deadline = time.monotonic() + seconds
    while not true(found := read()):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found
