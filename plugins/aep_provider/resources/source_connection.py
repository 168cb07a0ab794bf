"""The source connection: which table, which columns. Frozen once a flow uses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aep_provider.platform.client import AepClient
from aep_provider.resources import flow_service
from aep_provider.resources.columns import Column, check_columns
from aep_provider.resources.connectors import Connector
from aep_provider.resources.ensure import Existing, Resource
from aep_provider.resources.fingerprint import read_mark
from aep_provider.resources.names import check_name

COLLECTION = "sourceConnections"


class SourceConnection(Resource):
    """
    A source connection that should be there.

    :param columns: in AEP's own form; always sent, for what AEP does without them is nowhere said.
    """

    kind = "source connection"
    fixed_because = (
        "AEP does not carry a change of it into the flows that use it: a change needs a new source connection, a new target "
        "connection and a new flow, so give the dataflow a new name"
    )

    def __init__(
        self,
        client: AepClient,
        *,
        name: str,
        connector: Connector,
        base_connection_id: str,
        table: str,
        columns: Sequence[Column],
        description: str | None = None,
    ) -> None:
        self._client = client
        self._name = check_name(name, "name of the source connection")
        self._connector = connector
        self._base_connection_id = base_connection_id
        self._table = table
        self._columns = check_columns(columns)
        self._description = description

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str | None:
        return self._description

    def content(self) -> dict[str, Any]:
        return _comparable(self._connector.spec_id, self._base_connection_id, self._table, self._columns)

    def find(self) -> list[Existing]:
        found = flow_service.named(self._client, COLLECTION, self._name, self._connector.spec_id)
        return [_existing(item) for item in found]

    def create(self, description: str) -> tuple[str, str | None]:
        body = {
            "name": self._name,
            "description": description,
            "baseConnectionId": self._base_connection_id,
            "data": {"format": "tabular"},
            "params": {"tableName": self._table, "columns": self._columns},
            "connectionSpec": {"id": self._connector.spec_id, "version": "1.0"},
        }
        return flow_service.create(self._client, COLLECTION, body)


def _comparable(spec_id: Any, base_connection_id: Any, table: Any, columns: Sequence[Column]) -> dict[str, Any]:
    """The order of columns says nothing: they are compared by name."""
    return {
        "connectionSpec": spec_id,
        "baseConnection": base_connection_id,
        "table": table,
        "columns": {str(column.get("name")): dict(column) for column in columns},
    }


def _existing(item: dict[str, Any]) -> Existing:
    params = item.get("params") or {}
    return Existing(
        id=item["id"],
        name=item["name"],
        content=_comparable(
            (item.get("connectionSpec") or {}).get("id"),
            item.get("baseConnectionId"),
            params.get("tableName"),
            params.get("columns") or [],
        ),
        mark=read_mark(item.get("description")),
        etag=item.get("etag"),
        created_at=item.get("createdAt") or 0,
        description=item.get("description"),
    )
