"""Dataflows over whole tables: what a test needs to see rows go from a file into a dataset."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import duckdb
import httpx

from .conftest import CATALOG, CRM_TO_AEP, DATA_LAKE, FLOW, FULL, MAPPINGS, PROFILE, SCHEMAS, SERVICENOW, Platform
from .waiting import awaited

REAL_TABLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "servicenow" / "incident.csv"
STARTED = {"scheduled", "inProgress"}


class Lake:
    """Makes the objects of a dataflow with valid requests, runs it, and reads what landed with a DuckDB of its own."""

    def __init__(self, platform: Platform, client: httpx.Client) -> None:
        self.platform = platform
        self.client = client
        self.tenant = "_" + self.ok("GET", f"{SCHEMAS}/stats")["tenantId"]

    def ok(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        answer = self.client.request(method, path, json=body, **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def columns(self, base: str, table: str) -> list[dict[str, Any]]:
        params = {"objectType": "table", "object": table}
        found = self.ok("GET", f"{FLOW}/connections/{base}/explore", params=params)
        return list(found["schema"]["columns"])

    def base(self) -> str:
        auth = {
            "specName": "Basic Authentication",
            "params": {"endpoint": "https://example.service-now.com", "username": "ann", "password": "pw"},
        }
        body = {"name": "base", "auth": auth, "connectionSpec": {"id": SERVICENOW, "version": "1.0"}}
        return str(self.ok("POST", f"{FLOW}/connections", body)["id"])

    def schema(self, fields: dict[str, Any], *, title: str = "table", required: list[str] | None = None) -> str:
        record: dict[str, Any] = {"type": "object", "properties": fields}
        if required:
            record["required"] = required
        own = {"type": "object", "properties": {"row": record}, **({"required": ["row"]} if required else {})}
        group = {
            "type": "object",
            "title": f"{title} fields",
            "meta:intendedToExtend": [PROFILE],
            "definitions": {"x": {"properties": {self.tenant: own}}},
            "allOf": [{"$ref": "#/definitions/x"}],
        }
        group_id = self.ok("POST", f"{SCHEMAS}/tenant/fieldgroups", group)["$id"]
        body = {"type": "object", "title": title, "allOf": [{"$ref": PROFILE}, {"$ref": group_id}]}
        return str(self.ok("POST", f"{SCHEMAS}/tenant/schemas", body)["$id"])

    def dataset(self, schema: str) -> str:
        body = {"name": "rows", "schemaRef": {"id": schema, "contentType": FULL}}
        return str(self.ok("POST", f"{CATALOG}/dataSets", body)[0]).rpartition("/")[2]

    def mapping(self, schema: str, mappings: list[dict[str, Any]]) -> str:
        reference = {"schemaRef": {"id": schema, "contentType": FULL}}
        return str(self.ok("POST", f"{MAPPINGS}/mappingSets", {"outputSchema": reference, "mappings": mappings})["id"])

    def same(self, names: list[str]) -> list[dict[str, Any]]:
        """Mappings of columns to fields of the same name."""
        return [
            {"sourceType": "ATTRIBUTE", "source": name, "destination": f"{self.tenant}.row.{name}"} for name in names
        ]

    def flow(
        self,
        table: str,
        schema: str,
        mappings: list[dict[str, Any]],
        *,
        columns: list[dict[str, Any]] | None = None,
        schedule: dict[str, Any] | None = None,
        delta: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[str, str]:
        """A flow from a table; the flow's id and the dataset's."""
        base = self.base()
        spec = {"id": SERVICENOW, "version": "1.0"}
        source = {
            "name": "source",
            "baseConnectionId": base,
            "data": {"format": "tabular"},
            "params": {"tableName": table, "columns": columns or self.columns(base, table)},
            "connectionSpec": spec,
        }
        dataset = self.dataset(schema)
        target = {
            "name": "target",
            "params": {"dataSetId": dataset},
            "connectionSpec": {"id": DATA_LAKE, "version": "1.0"},
        }
        transformations: list[dict[str, Any]] = [
            {"name": "Mapping", "params": {"mappingId": self.mapping(schema, mappings), "mappingVersion": "0"}}
        ]
        if delta:
            copy = {"name": "Copy", "params": {"deltaColumn": {"name": delta, "dateFormat": "yyyy-MM-dd HH:mm:ss"}}}
            transformations.insert(0, copy)
        body = {
            "name": "flow",
            "flowSpec": {"id": CRM_TO_AEP, "version": "1.0"},
            "sourceConnectionIds": [self.ok("POST", f"{FLOW}/sourceConnections", source)["id"]],
            "targetConnectionIds": [self.ok("POST", f"{FLOW}/targetConnections", target)["id"]],
            "transformations": transformations,
            "scheduleParams": schedule or {"startTime": int(time.time()) + 60, "frequency": "once"},
            **({"options": options} if options else {}),
        }
        return str(self.ok("POST", f"{FLOW}/flows", body)["id"]), dataset

    def runs(self, flow: str) -> list[dict[str, Any]]:
        return list(self.ok("GET", f"{FLOW}/runs", params={"property": f"flowId=={flow}", "limit": 100})["items"])

    def ended(self, flow: str, *, count: int = 1, seconds: float = 60) -> list[dict[str, Any]]:
        """The flow's runs, oldest first, once so many of them have ended."""

        def over() -> list[dict[str, Any]]:
            return [run for run in self.runs(flow) if status(run) not in STARTED]

        return awaited(over, lambda runs: len(runs) >= count, seconds)[::-1]

    def files(self, dataset: str) -> list[Path]:
        return sorted((self.platform.state / "datasets" / dataset).glob("*"))

    def rows(self, dataset: str, select: str = "*") -> list[tuple[Any, ...]]:
        """What stands in a dataset, read as any other tool would."""
        pattern = str(self.platform.state / "datasets" / dataset / "*.parquet")
        with duckdb.connect() as reader:
            reader.execute("SET TimeZone = 'UTC'")
            return reader.execute(f"SELECT {select} FROM read_parquet(?)", [pattern]).fetchall()

    def batch(self, run: dict[str, Any]) -> dict[str, Any]:
        id = batch_id(run)
        return dict(self.ok("GET", f"{CATALOG}/batches/{id}")[id])


def status(run: dict[str, Any]) -> str:
    return str(run["metrics"]["statusSummary"]["status"])


def counts(run: dict[str, Any]) -> tuple[int, int, int]:
    """Rows read, landed and rejected, as the run tells them."""
    summary = run["metrics"]["recordSummary"]
    return summary["inputRecordCount"], summary["outputRecordCount"], summary["failedRecordCount"]


def batch_id(run: dict[str, Any]) -> str:
    return str(next(info["reference"]["ids"][0] for each in run["activities"] for info in each.get("targetInfo", [])))


def field(column: dict[str, Any]) -> dict[str, Any]:
    """A schema's field for a column as explore reports it."""
    return dict(column["xdm"])
