"""An engine without HTTP: for tests that look inside a run, or break it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from aep_local.core.accounts import Accounts
from aep_local.core.clock import Clock
from aep_local.core.settings import Assumptions, Settings
from aep_local.core.store import Scope, Store
from aep_local.rows.engine import Engine
from aep_local.rows.tables import TableFolder

from .waiting import awaited

SCOPE = Scope("org@AdobeOrg", "prod")
SCHEMA = "https://ns.adobe.com/acme/schemas/1"
DATASET = "5ed18e0f4f90b719196f44a9"
MAPPING = "0" * 32


class Workshop:
    """A platform's store and engine in this process, with one dataset.

    Making another one on the same folder is a restart.
    """

    def __init__(self, folder: Path, *, time_scale: float = 0.001, assume: dict[str, Any] | None = None) -> None:
        self.tables = folder / "tables"
        self.state = folder / "state"
        for each in (self.tables, self.state):
            each.mkdir(exist_ok=True)
        settings = Settings(
            tables=self.tables, state=self.state, time_scale=time_scale, assume=Assumptions(**(assume or {}))
        )
        self.settings = settings
        self.clock = Clock(settings.time_scale)
        self.store = Store(self.state / "platform.db")
        self.folder = TableFolder(self.tables)
        self.engine = Engine(self.store, self.folder, self.state, self.clock, settings)
        self.accounts = Accounts()

    def close(self) -> None:
        self.engine.stop()
        self.folder.close()
        self.store.close()

    def table(self, name: str, text: str) -> None:
        (self.tables / f"{name}.csv").write_text(text, encoding="utf-8", newline="")

    def prepare(
        self,
        fields: dict[str, Any],
        mappings: list[dict[str, Any]] | None = None,
        *,
        required: list[str] | None = None,
    ) -> None:
        """A schema with these fields at its root, a dataset and a mapping of equal names."""
        schema = {
            "$id": SCHEMA,
            "title": "rows",
            "meta:resourceType": "schemas",
            "type": "object",
            "properties": fields,
            "required": required or [],
        }
        self.store.insert("schemas", SCHEMA, SCOPE, schema)
        reference = {"id": SCHEMA, "contentType": "application/vnd.adobe.xed-full+json;version=1"}
        self.store.insert("dataSets", DATASET, SCOPE, {"id": DATASET, "name": "rows", "schemaRef": reference})
        same = [{"sourceType": "ATTRIBUTE", "source": name, "destination": name} for name in fields]
        content = {"schemaRef": reference, "mappings": mappings or same}
        versions = [{"modifiedDate": 0, "modifiedBy": "t", "content": content}]
        self.store.insert("mappingSets", MAPPING, SCOPE, {"id": MAPPING, "versions": versions})
        self.store.insert("connections", "base", SCOPE, {"id": "base"})

    def flow(self, table: str, **changes: Any) -> dict[str, Any]:
        """A flow that is enabled; a far schedule of frequency once unless said otherwise."""
        flow = {
            "id": "flow",
            "createdAt": self.clock.now_ms(),
            "state": "enabled",
            "transformations": [{"name": "Mapping", "params": {"mappingId": MAPPING, "mappingVersion": "0"}}],
            "scheduleParams": {"startTime": 2**40, "frequency": "once"},
            "options": {},
            "_local": {
                "source": {"id": "source", "baseConnectionId": "base", "params": {"tableName": table}},
                "target": {"id": "target", "params": {"dataSetId": DATASET}},
            },
        } | changes
        self.store.insert("flows", "flow", SCOPE, flow, due_ms=self.clock.now_ms())
        return flow

    def run(self, flow: dict[str, Any], **window: Any) -> str:
        delta = {"name": window.pop("delta")} if "delta" in window else None
        window = {"start_ms": None, "end_ms": None} | window
        return str(self.engine.start_run(SCOPE, flow, delta=delta, **window)["id"])

    def ended(self, run_id: str, seconds: float = 60) -> dict[str, Any]:

        def run() -> dict[str, Any]:
            found = self.store.get("runs", run_id, SCOPE)
            assert found is not None
            return found

        return awaited(run, lambda run: run["metrics"]["statusSummary"]["status"] in {"success", "failed"}, seconds)

    def files(self) -> list[Path]:
        return sorted((self.state / "datasets" / DATASET).glob("*"))

    def rows(self, select: str = "*") -> list[tuple[Any, ...]]:
        with duckdb.connect() as reader:
            reader.execute("SET TimeZone = 'UTC'")
            pattern = str(self.state / "datasets" / DATASET / "*.parquet")
            return reader.execute(f"SELECT {select} FROM read_parquet(?)", [pattern]).fetchall()
