"""The target connection: which dataset of the data lake. Frozen once a flow uses it."""

from __future__ import annotations

from typing import Any

from aep_provider.platform.client import AepClient
from aep_provider.resources import flow_service
from aep_provider.resources.connectors import DATA_LAKE_SPEC_ID
from aep_provider.resources.ensure import Existing, Resource
from aep_provider.resources.fingerprint import read_mark
from aep_provider.resources.names import check_name
from aep_provider.resources.source_connection import SourceConnection

COLLECTION = "targetConnections"
NEWEST_MINOR_VERSION = "application/vnd.adobe.xed-full+json;version=1"


class TargetConnection(Resource):
    """A target connection that should be there. Needs no base connection: the data lake is AEP's own."""

    kind = "target connection"
    fixed_because = SourceConnection.fixed_because

    def __init__(
        self, client: AepClient, *, name: str, dataset_id: str, schema_id: str, description: str | None = None
    ) -> None:
        self._client = client
        self._name = check_name(name, "name of the target connection")
        self._dataset_id = dataset_id
        self._schema_id = schema_id
        self._description = description

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str | None:
        return self._description

    def content(self) -> dict[str, Any]:
        return {"connectionSpec": DATA_LAKE_SPEC_ID, "dataset": self._dataset_id, "schema": self._schema_id}

    def find(self) -> list[Existing]:
        found = flow_service.named(self._client, COLLECTION, self._name, DATA_LAKE_SPEC_ID)
        return [_existing(item) for item in found]

    def create(self, description: str) -> tuple[str, str | None]:
        body = {
            "name": self._name,
            "description": description,
            "data": {"format": "parquet_xdm", "schema": {"id": self._schema_id, "version": NEWEST_MINOR_VERSION}},
            "params": {"dataSetId": self._dataset_id},
            "connectionSpec": {"id": DATA_LAKE_SPEC_ID, "version": "1.0"},
        }
        return flow_service.create(self._client, COLLECTION, body)


def _existing(item: dict[str, Any]) -> Existing:
    return Existing(
        id=item["id"],
        name=item["name"],
        content={
            "connectionSpec": (item.get("connectionSpec") or {}).get("id"),
            "dataset": (item.get("params") or {}).get("dataSetId"),
            "schema": ((item.get("data") or {}).get("schema") or {}).get("id"),
        },
        mark=read_mark(item.get("description")),
        etag=item.get("etag"),
        created_at=item.get("createdAt") or 0,
        description=item.get("description"),
    )
