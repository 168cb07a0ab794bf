"""
A sandbox of AEP in memory, as the contract describes its answers: one dataflow, its runs, and what they lead to.

Every answer has a name, under which a test can put another one in its place. Whatever is asked, by whichever client, is
judged as if it had come over the wire.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.platform.auth import TokenSource
from aep_provider.platform.client import AepAsyncClient, AepClient
from aep_provider.platform.exchange import Exchange, Sending, Verdict
from aep_provider.platform.settings import AepSettings
from aep_provider.resources.authentication import Credentials, SourceLogin
from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.connectors import connector
from aep_provider.resources.dataset import Dataset
from aep_provider.resources.fingerprint import fingerprint, marked
from aep_provider.resources.flow import Flow, FlowDefinition
from aep_provider.resources.flow_spec import FlowSpec
from aep_provider.resources.mapping_set import MappingSet
from aep_provider.resources.resource import Resource
from aep_provider.resources.schedule import ON_DEMAND_START
from aep_provider.resources.schema import PROFILE_CLASS, DerivedFieldGroup, Schema
from aep_provider.resources.source_connection import SourceConnection
from aep_provider.resources.target_connection import TargetConnection
from aep_provider.resources.xdm import DerivedFields

GATEWAY: Final = "http://127.0.0.1:9"
"""Nothing listens there, and nothing is sent."""
TOKEN: Final = "eyJhbGciOiJIUzI1NiJ9-token-of-the-client"
SOURCE_PASSWORD: Final = "hunter2-of-the-source"
NOW: Final = 1_767_300_000
"""Epoch seconds: 2026-01-01 20:40 UTC."""
MOST_REQUESTS: Final = 400
"""One thing asked of this sandbox takes a few dozen."""

NAME: Final = "incidents"
BASE, SOURCE, TARGET, FLOW = "b-1", "s-1", "t-1", "f-1"
DATASET, MAPPING = "5ed18e0f4f90b719196f44a9", "0123456789abcdef0123456789abcdef"
SCHEMA: Final = "https://ns.adobe.com/acme/schemas/0a1b2c"
GROUP: Final = "https://ns.adobe.com/acme/mixins/3d4e5f"
BATCH: Final = "01JBATCH"
RUNS: Final = ("r-3", "r-2", "r-1")
SERVICENOW: Final = connector("servicenow")
LAKE: Final = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
FULL: Final = "application/vnd.adobe.xed-full+json;version=1"
COLUMNS: Final = [
    {"name": "sys_id", "type": "string", "xdm": {"type": "string"}},
    {"name": "priority", "type": "integer", "xdm": {"type": "integer"}},
    {
        "name": "sys_updated_on",
        "type": "string",
        "meta:xdmType": "date-time",
        "xdm": {"type": "string", "format": "date-time"},
    },
]
LOGIN: Final = SourceLogin("aep_source_servicenow", "https://dev1.service-now.example", "ann", SOURCE_PASSWORD)
CREDENTIALS: Final = Credentials(
    "Basic Authentication",
    {"endpoint": LOGIN.host, "username": LOGIN.login, "password": SOURCE_PASSWORD},
    ["endpoint"],
)
DECLARED: Final = DataflowSpec.model_validate(
    {
        "name": NAME,
        "source": "servicenow",
        "source_conn_id": LOGIN.conn_id,
        "table": "incident",
        "delta_column": "sys_updated_on",
        # Waits take no time here, but every look is a request.
        "policy": {"timeout": 60},
    }
)

Headers = dict[str, str]
Written = tuple[int, Headers, bytes]
"""Status, headers and body of an answer."""


class TooManyRequestsError(BaseException):
    """Whoever asks would ask without end. No error of ours, and none that anybody catches."""


class LeakError(BaseException):
    """A request would have left for somewhere else."""


def settings(**changes: Any) -> AepSettings:
    """Settings for this sandbox, with a token that is good. What is strange is asked for once more."""
    given = {
        "gateway": GATEWAY,
        "ims_org_id": "1@AdobeOrg",
        "client_id": "tester",
        "access_token": TOKEN,
        "attempts": 2,
    }
    return AepSettings.parse(**{**given, **changes})


class World:
    """
    The sandbox.

    :param lacks: kinds of objects that are not there yet; all of them stands for an empty sandbox.
    :param instead: by the name of an answer, another one; its bytes and status are taken as they are.
    """

    def __init__(self, *, lacks: Collection[str] = (), instead: Mapping[str, Written] | None = None) -> None:
        self.instead = dict(instead or {})
        self.asked: list[str] = []
        """The names of the answers that were given, each once."""
        self.urls: list[str] = []
        self.gateway = GATEWAY
        self._lacks = lacks
        self._lock = threading.Lock()

    def answer(self, sending: Sending) -> Written:
        """Answer a request, which must be one to the gateway."""
        self._watch(sending)
        parts = urlsplit(sending.url)
        name = self._name(sending.method, parts.path, dict(parse_qsl(parts.query)))
        with self._lock:
            if name not in self.asked:
                self.asked.append(name)
        return self.instead.get(name) or seed(name)

    def _watch(self, sending: Sending) -> None:
        if not sending.url.startswith(f"{self.gateway}/data/foundation/"):
            raise LeakError(sending.url)
        with self._lock:
            self.urls.append(sending.url)
            if len(self.urls) > MOST_REQUESTS:
                raise TooManyRequestsError(sending.url)

    def _name(self, method: str, path: str, query: dict[str, str]) -> str:
        service, _, rest = path.removeprefix("/data/foundation/").partition("/")
        steps = [unquote(step) for step in rest.strip("/").split("/")]
        match (method, service, steps):
            case ("GET", "flowservice", [collection]) if collection in _LISTS:
                if collection in self._lacks:
                    return "nothing"
                return f"{collection} 2" if "continuationToken" in query else collection
            case ("GET", "flowservice", ["connections", _, "test"]):
                return "test"
            case ("GET", "flowservice", ["connections", _, "explore"]):
                return "tables" if query.get("objectType") == "root" else "columns"
            case ("GET", "flowservice", [collection, one]):
                name = f"{collection} {one}"
                return name if name in SEEDS and collection not in self._lacks else "missing"
            case ("POST", "flowservice", [collection]):
                return f"created {collection}"
            case ("POST", "flowservice", ["runs", _, "action"]):
                return "created runs"
            case ("POST" | "PATCH", "flowservice", _):
                return "changed"
            case ("DELETE", _, _):
                return "deleted"
            case ("GET", "schemaregistry", ["stats"]):
                return "stats"
            case ("GET", "schemaregistry", ["tenant", kind]):
                if kind in self._lacks:
                    return "no results"
                return f"{kind} 2" if "start" in query else kind
            case ("GET", "schemaregistry", [_, "classes", _]):
                return "class"
            case ("GET", "schemaregistry", [_, kind, _]):
                return "missing" if kind in self._lacks else f"{kind} one"
            case ("POST" | "PATCH", "schemaregistry", [_, kind, *_]):
                return f"{kind} one"
            case ("GET", "catalog", ["dataSets"]):
                return "no datasets" if "dataSets" in self._lacks else "dataSets"
            case ("GET", "catalog", ["dataSets", _]):
                return "dataSets"
            case ("POST" | "PATCH", "catalog", _):
                return "created dataset"
            case ("GET", "conversion", ["mappingSets"]):
                return "no sets" if "mappingSets" in self._lacks else "mappingSets"
            case ("GET", "conversion", ["mappingSets", _]):
                return "mappingSet"
            case ("POST", "conversion", ["mappingSets", "validate"]):
                return "validated"
            case ("POST", "conversion", ["mappingSets"]):
                return "created mappingSet"
            case ("GET", "export", ["batches", _, "meta"]):
                return {"row_errors": "error files"}.get(query.get("path", ""), "rows")
        return "missing"


KINDS: Final = (
    "connections", "sourceConnections", "schemas", "fieldgroups", "dataSets", "targetConnections", "mappingSets", "flows",
)  # fmt: skip
"""What a dataflow consists of, each after what it needs."""
_LISTS: Final = (
    "connections", "sourceConnections", "targetConnections", "flows", "runs", "flowSpecs", "connectionSpecs",
)  # fmt: skip


class WorldClient(AepClient):
    """The client of a worker, whose requests a world answers."""

    def __init__(self, world: World) -> None:
        super().__init__(settings(), tokens=TokenSource(settings()), sleep=lambda _: None)
        self._world = world

    def asynchronous(self) -> AepAsyncClient:
        """That of the triggerer, for the same sandbox."""
        return AsyncWorldClient(self._world)

    def _once(self, exchange: Exchange, token: str) -> Verdict:
        return exchange.answered(*self._world.answer(exchange.sending(token)))


class AsyncWorldClient(AepAsyncClient):
    """The client of the triggerer, whose requests a world answers."""

    def __init__(self, world: World) -> None:
        async def at_once(_: float) -> None:
            pass

        super().__init__(settings(), tokens=TokenSource(settings()), sleep=at_once)
        self._world = world

    async def _once(self, exchange: Exchange, token: str) -> Verdict:
        return exchange.answered(*self._world.answer(exchange.sending(token)))


@dataclass
class Time:
    """Seconds that pass only by waiting, and then fast."""

    now: float = NOW
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += max(1.0, seconds)

    def __call__(self) -> float:
        return self.now


def written(document: Any, status: int = 200, **headers: str) -> Written:
    """An answer that holds a document."""
    kind = {"Content-Type": "application/json"}
    return status, {**kind, **headers}, json.dumps(document, ensure_ascii=False).encode()


def seed(name: str) -> Written:
    """The answer of a name as the contract has it."""
    return SEEDS[name]


def _stamp(at: int, **more: Any) -> dict[str, Any]:
    moment = (NOW - at) * 1000
    return {
        "createdAt": moment,
        "updatedAt": moment + 1000,
        "createdBy": "a@AdobeID",
        "updatedBy": "a@AdobeID",
        "createdClient": "tester",
        "updatedClient": "tester",
        "sandboxId": "d1f8-x",
        "sandboxName": "prod",
        "imsOrgId": "1@AdobeOrg",
        "version": '"2900a761-0000-0200-0000-5ed18cea0000"',
        "etag": '"2900a761-0000-0200-0000-5ed18cea0000"',
        **more,
    }


def _flow_spec() -> dict[str, Any]:
    schedule = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "startTime": {"type": "integer"},
            "frequency": {"type": "string", "enum": ["once", "minute", "hour", "day", "week"]},
            "interval": {"type": "integer"},
            "backfill": {"type": "boolean", "default": True},
        },
        "required": ["startTime", "frequency"],
        "if": {"properties": {"frequency": {"const": "once"}}},
        "then": {"allOf": [{"not": {"required": ["interval"]}}, {"not": {"required": ["backfill"]}}]},
        "else": {"required": ["interval"]},
    }
    options = {
        "type": "object",
        "properties": {
            "errorDiagnosticsEnabled": {"type": "boolean", "default": False},
            "partialIngestionPercent": {"type": "number", "exclusiveMinimum": 0},
        },
    }
    copied = {"type": "object", "properties": {"deltaColumn": {"type": "object", "required": ["name"]}}}
    mapped = {"type": "object", "properties": {"mappingId": {"type": "string"}, "mappingVersion": {"type": "string"}}}
    return {
        "id": "14518937-270c-4525-bdec-c2ba7cce3860",
        "name": "CRMToAEP",
        "version": "1.0",
        "sourceConnectionSpecIds": [SERVICENOW.spec_id],
        "targetConnectionSpecIds": [LAKE],
        "optionSpec": {"name": "OptionSpec", "spec": options},
        "transformationSpecs": [{"name": "Copy", "spec": copied}, {"name": "Mapping", "spec": mapped}],
        "scheduleSpec": {"name": "PeriodicSchedule", "type": "Periodic", "spec": schedule},
        "attributes": {"isSourceFlow": True},
    }


def resources(client: AepClient) -> dict[str, Resource]:
    """What the dataflow consists of, as somebody would declare it."""
    spec = FlowSpec("14518937-270c-4525-bdec-c2ba7cce3860", "CRMToAEP", "1.0", _flow_spec())
    fields = DerivedFields("acme", "incident", COLUMNS)
    paths = fields.paths()
    mappings = [{"sourceType": "ATTRIBUTE", "source": name, "destination": path} for name, path in paths.items()]
    definition = FlowDefinition(
        name=NAME,
        source_connection_id=SOURCE,
        target_connection_id=TARGET,
        mapping_set_id=MAPPING,
        frequency="on_demand",
        delta_column="sys_updated_on",
        declaration=DECLARED.digest(),
    )
    return {
        "connections": BaseConnection(client, name=DECLARED.base_name, connector=SERVICENOW, credentials=CREDENTIALS),
        "sourceConnections": SourceConnection(
            client, name=NAME, connector=SERVICENOW, base_connection_id=BASE, table="incident", columns=COLUMNS
        ),
        "schemas": Schema(client, title=NAME, class_id=PROFILE_CLASS, field_groups=[GROUP]),
        "fieldgroups": DerivedFieldGroup(client, title=f"{NAME} columns", class_id=PROFILE_CLASS, fields=fields),
        "dataSets": Dataset(client, name=NAME, schema_id=SCHEMA, tags={"unifiedProfile": ["enabled:true"]}),
        "targetConnections": TargetConnection(client, name=NAME, dataset_id=DATASET, schema_id=SCHEMA),
        "mappingSets": MappingSet(client, schema_id=SCHEMA, mappings=mappings),
        "flows": Flow(client, definition, spec),
    }


def _marks() -> Callable[[str], str]:
    made = resources(WorldClient(World()))
    return lambda kind: marked(made[kind].description, fingerprint(made[kind].content()))


def _objects() -> dict[str, dict[str, Any]]:
    """By kind, the object of the dataflow."""
    mark = _marks()
    made = resources(WorldClient(World()))
    servicenow = {"id": SERVICENOW.spec_id, "version": "1.0"}
    group = made["fieldgroups"]
    assert isinstance(group, DerivedFieldGroup)
    mappings = made["mappingSets"].content()["mappings"]
    return {
        "connections": {
            "id": BASE,
            **_stamp(900_000),
            "name": DECLARED.base_name,
            "description": mark("connections"),
            "connectionSpec": servicenow,
            "state": "enabled",
            "auth": {
                "specName": "Basic Authentication",
                "params": {"endpoint": LOGIN.host, "username": "ann", "password": "********"},
            },
        },
        "sourceConnections": {
            "id": SOURCE,
            **_stamp(900_000),
            "name": NAME,
            "description": mark("sourceConnections"),
            "baseConnectionId": BASE,
            "state": "enabled",
            "data": {"format": "tabular", "schema": None, "properties": None},
            "connectionSpec": servicenow,
            "params": {"tableName": "incident", "columns": COLUMNS},
            "inheritedAttributes": {"baseConnection": {"id": BASE, "connectionSpec": servicenow}},
        },
        "targetConnections": {
            "id": TARGET,
            **_stamp(900_000),
            "name": NAME,
            "description": mark("targetConnections"),
            "state": "enabled",
            "data": {"format": "parquet_xdm", "schema": {"id": SCHEMA, "version": FULL}},
            "connectionSpec": {"id": LAKE, "version": "1.0"},
            "params": {"dataSetId": DATASET},
        },
        "flows": {
            "id": FLOW,
            **_stamp(800_000),
            "name": NAME,
            "description": mark("flows"),
            "flowSpec": {"id": "14518937-270c-4525-bdec-c2ba7cce3860", "version": "1.0"},
            "state": "enabled",
            "sourceConnectionIds": [SOURCE],
            "targetConnectionIds": [TARGET],
            "inheritedAttributes": {
                "sourceConnections": [
                    {
                        "id": SOURCE,
                        "connectionSpec": servicenow,
                        "baseConnection": {"id": BASE, "connectionSpec": servicenow},
                    }
                ],
                "targetConnections": [{"id": TARGET, "connectionSpec": {"id": LAKE, "version": "1.0"}}],
            },
            "scheduleParams": {"startTime": str(ON_DEMAND_START), "frequency": "once"},
            "transformations": [
                {"name": "Copy", "params": {"deltaColumn": {"name": "sys_updated_on"}}},
                {"name": "Mapping", "params": {"mappingId": MAPPING, "mappingVersion": "0"}},
            ],
            "options": {"errorDiagnosticsEnabled": True, "partialIngestionPercent": 5},
            "runs": f"/flows/{FLOW}/runs",
            "lastOperation": {"started": 0, "percentCompleted": 100.0, "status": {"value": "completed"}},
            "lastRunDetails": {"id": RUNS[0], "state": "success", "startedAtUTC": (NOW - 700) * 1000},
        },
        "schemas": {
            "$id": SCHEMA,
            "meta:altId": "_acme.schemas.0a1b2c",
            "meta:resourceType": "schemas",
            "version": "1.0",
            "title": NAME,
            "type": "object",
            "description": mark("schemas"),
            "allOf": [{"$ref": PROFILE_CLASS, "type": "object", "meta:xdmType": "object"}, {"$ref": GROUP}],
            "refs": [PROFILE_CLASS, GROUP],
            "meta:class": PROFILE_CLASS,
            "meta:containerId": "tenant",
            "meta:registryMetadata": {"repo:createdDate": (NOW - 900_000) * 1000, "eTag": "ab12"},
        },
        "fieldgroups": {
            "$id": GROUP,
            "meta:altId": "_acme.mixins.3d4e5f",
            "version": "1.0",
            "title": f"{NAME} columns",
            "description": mark("fieldgroups"),
            **{key: value for key, value in group.body().items() if key != "title"},
            "meta:registryMetadata": {"repo:createdDate": (NOW - 900_000) * 1000},
        },
        "dataSets": {
            "name": NAME,
            "description": mark("dataSets"),
            "imsOrg": "1@AdobeOrg",
            "version": "1.0.0",
            "created": (NOW - 900_000) * 1000,
            "updated": (NOW - 900_000) * 1000,
            "tags": {"adobe/pqs/table": ["incidents"], "unifiedProfile": ["enabled: true"]},
            "schemaRef": {"id": SCHEMA, "contentType": "application/vnd.adobe.xed+json;version=1"},
            "state": "ACTIVE",
        },
        "mappingSets": {
            "id": MAPPING,
            "version": 0,
            "createdDate": (NOW - 900_000) * 1000,
            "modifiedDate": (NOW - 900_000) * 1000,
            "name": made["mappingSets"].name,
            "status": "PUBLISHED",
            "xdmSchema": SCHEMA,
            "outputSchema": {"schemaRef": {"id": SCHEMA, "contentType": FULL}},
            "mappings": [
                {
                    "id": "m",
                    "sourceType": "text/x.schema-path",
                    "source": one["source"],
                    "destination": one["destination"],
                    "sourceAttribute": one["source"],
                    "destinationXdmPath": one["destination"],
                    "identity": False,
                    "matchScore": 0.5,
                }
                for one in mappings.values()
            ],
        },
    }


def _run(run_id: str, began: int, status: str, **counts: int) -> dict[str, Any]:
    """A run over an hour. What the manifest links to bears another host of Adobe's, as in AEP's own documents."""
    at, day = (NOW - began) * 1000, 86_400
    start = (NOW - began) // day * day
    errors = [{"code": "CONNECTOR-2001-500", "message": "Some rows could not be 'parsed' at row 7."}]
    ended = {} if status == "inProgress" else {"completedAtUTC": at + 90_000}
    export = f"https://platform-int.adobe.io/data/foundation/export/batches/{BATCH}/meta?path="
    manifest = {"failedRecords": f"{export}row_errors", "sampleErrors": f"{export}row_error_samples.json"}
    records = {"inputRecordCount": 100, "outputRecordCount": 98, "failedRecordCount": 2, **counts}
    wrong = status == "failed" or records["failedRecordCount"]
    return {
        "id": run_id,
        **_stamp(began),
        "flowId": FLOW,
        "providerRefId": "p",
        "params": {
            "windowStartTime": start,
            "windowEndTime": str(start + 3600),
            "deltaColumn": {"name": "sys_updated_on"},
        },
        "metrics": {
            "durationSummary": {"startedAtUTC": at, **ended},
            "sizeSummary": {"inputBytes": 4096, "outputBytes": -1},
            "recordSummary": {**records, "failedInfo": [{"code": "INGEST-1212-400", "message": "2 errors"}]},
            "fileSummary": {"inputFileCount": 1, "outputFileCount": 1, "activityRefs": ["promotion"]},
            "statusSummary": {"status": status, **({"errors": errors, "activityRefs": ["promotion"]} if wrong else {})},
        },
        "activities": [
            {
                "id": "copyActivity",
                "name": "Acme Copy Activity",
                "updatedAtUTC": at,
                "durationSummary": {
                    "startedAtUTC": at,
                    **ended,
                    "extensions": {"windowStart": start * 1000, "windowEnd": 0},
                },
                "sizeSummary": {"inputBytes": 4096, "outputBytes": 4096},
                "recordSummary": {},
                "fileSummary": {"inputFileCount": 1, "outputFileCount": 1},
                "statusSummary": {"status": "success", "extensions": {"type": "one-time", "errorDetail": "none"}},
                "sourceInfo": [
                    {"id": SOURCE, "type": "SourceConnection", "reference": {"type": "AdfRunId", "ids": ["a"]}}
                ],
            },
            {
                "id": "promotionActivity",
                "name": "Acme Promotion Activity",
                "updatedAtUTC": at,
                "durationSummary": {"startedAtUTC": at, **ended},
                "recordSummary": records,
                "statusSummary": {
                    "status": status,
                    "errors": errors if wrong else [],
                    "extensions": {
                        "manifest": manifest,
                        "errors": [{"code": "MAPPER-3700-400", "recordCount": "2", "message": "no number: 'x'"}],
                    },
                },
                "targetInfo": [
                    {"id": TARGET, "type": "TargetConnection", "reference": {"type": "Batch", "ids": [BATCH]}}
                ],
            },
        ],
    }


def runs() -> list[dict[str, Any]]:
    """The newest first: one goes on, one rejected rows, one failed."""
    day = 86_400
    return [
        _run(RUNS[0], 700, "inProgress", failedRecordCount=0),
        _run(RUNS[1], day + 700, "success"),
        _run(RUNS[2], 2 * day + 700, "failed", outputRecordCount=0),
    ]


def _paged(name: str, documents: Iterable[Any]) -> dict[str, Written]:
    """A list of Flow Service on two pages."""
    first, *rest = documents
    link = {"next": {"href": f"/{name}?continuationToken=eyJ0b2tlbiI6IjEifQ=="}}
    return {
        name: written({"items": [first], "_links": link}),
        f"{name} 2": written({"items": rest, "_links": {}}),
    }


def _resolved() -> dict[str, Any]:
    person = {"type": "object", "properties": {"name": {"type": "object", "properties": {"first": {"type": "string"}}}}}
    return {
        "$id": SCHEMA,
        "title": NAME,
        "type": "object",
        "definitions": {"person": {"properties": {"person": person}}},
        "allOf": [{"$ref": "#/definitions/person", "type": "object"}],
        "properties": {
            "_id": {"type": "string", "title": "Identifier"},
            "sys_id": {"type": "string", "meta:xdmType": "string"},
            "_acme": {"type": "object", "properties": {"priority": {"type": "integer"}}},
        },
    }


def _seeds() -> dict[str, Written]:
    objects, ran = _objects(), runs()
    other = {"id": "x-1", "name": "of somebody else", "state": "enabled", **_stamp(5_000_000)}
    seeds: dict[str, Written] = {}
    for name in ("connections", "sourceConnections", "targetConnections", "flows"):
        seeds |= _paged(name, [other, objects[name]])
        seeds[f"{name} {objects[name]['id']}"] = written({"items": [objects[name]]})
        seeds[f"created {name}"] = written({"id": "new-1", "etag": '"ab"'}, 201, Location=f"{GATEWAY}/{name}/new-1")
    seeds |= _paged("runs", ran)
    seeds |= {f"runs {run['id']}": written({"items": [run]}) for run in ran}
    seeds["created runs"] = written({"items": [{"id": "new-run", "etag": '"ab"'}]}, 201)
    seeds |= _paged("flowSpecs", [{"id": "o", "name": "other"}, _flow_spec()])
    basic = {
        "name": "Basic Authentication",
        "type": "Basic",
        "spec": {
            "type": "object",
            "properties": {
                "endpoint": {"type": "string"},
                "username": {"type": "string"},
                "password": {"type": "string", "format": "password"},
            },
            "required": ["endpoint", "username", "password"],
        },
    }
    way = {"id": SERVICENOW.spec_id, "name": "service-now", "providerId": "p", "version": "1.0", "authSpec": [basic]}
    seeds |= _paged("connectionSpecs", [{"id": "o", "name": "other"}, way])
    for kind in ("schemas", "fieldgroups"):
        page = {"orderby": "title", "next": "z", "count": 1}
        first = {"$id": "https://ns.adobe.com/acme/schemas/99", "title": "a", "version": "1.0", "allOf": []}
        seeds[kind] = written(
            {"results": [first], "_page": page, "_links": {"next": {"href": f"/tenant/{kind}?start=z"}}}
        )
        seeds[f"{kind} 2"] = written(
            {"results": [objects[kind]], "_page": {"orderby": "title", "next": None, "count": 1}}
        )
    known = {"name": "x", "created": 1, "schemaRef": {"id": "https://ns.adobe.com/acme/schemas/99"}}
    mapping_set = {"data": [objects["mappingSets"]], "_page": {"count": 1, "limit": 100}, "_links": {}}
    problem = {
        "type": "https://ns.adobe.com/aep/errors/FLOW-1439-404",
        "title": "Resource not found",
        "status": 404,
        "report": {"detailed-message": "no such thing", "id": "x", "request-id": "req-1", "type": "flows"},
        "errorMessage": "no such thing",
        "errorDetails": "no such thing",
    }
    entry = {
        "name": "part-1",
        "length": "9",
        "_links": {"self": {"href": f"/batches/{BATCH}/meta?path=row_errors/part-1"}},
    }
    wrong = {"code": "MAPPER-3700-400", "column": "priority", "message": "'high'"}
    row = {"sys_id": "a1", "priority": "high", "_errors": [wrong]}
    rows = "\n".join(json.dumps(one) for one in (row, {**row, "sys_id": "a2"}))
    tables = [{"type": "table", "name": "incident", "path": "incident", "canPreview": True, "canFetchSchema": True}]
    return {
        **seeds,
        "schemas one": written({**objects["schemas"], **_resolved(), "allOf": objects["schemas"]["allOf"]}),
        "fieldgroups one": written(objects["fieldgroups"]),
        "class": written(_resolved()),
        "stats": written({"imsOrg": "1@AdobeOrg", "tenantId": "acme", "counts": {"schemas": 4}}),
        "dataSets": written({"5ed0": known, DATASET: objects["dataSets"]}),
        "created dataset": written([f"@/dataSets/{DATASET}"], 201),
        "mappingSets": written(mapping_set),
        "mappingSet": written(objects["mappingSets"]),
        "created mappingSet": written({"id": MAPPING, "version": 0, "createdDate": 1, "createdBy": "a"}),
        "validated": written({"validationResponse": [{"status": "SUCCESS", "errors": None}] * 3}),
        "test": written({"result": True}),
        "tables": written(tables),
        "columns": written({"format": "flat", "schema": {"columns": COLUMNS}}),
        "changed": written({"id": FLOW, "etag": '"cd"'}),
        "deleted": (204, {}, b""),
        "nothing": written({"items": [], "_links": {}}),
        "no results": written({"results": [], "_page": {"next": None, "count": 0}}),
        "no datasets": written({}),
        "no sets": written({"data": [], "_page": {"count": 0, "limit": 100}}),
        "missing": written(problem, 404),
        "error files": written({"data": [entry], "_page": {"count": 1, "limit": 100}}),
        "rows": (200, {"Content-Type": "application/octet-stream"}, rows.encode()),
    }


SEEDS: Final = _seeds()
