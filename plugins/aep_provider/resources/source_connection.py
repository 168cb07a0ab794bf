"""The source connection: which table, which columns. Frozen once a flow uses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepInvalidRequestError, AepNotFoundError
from aep_provider.resources import flow_service
from aep_provider.resources.columns import Column, check_columns
from aep_provider.resources.connectors import Connector
from aep_provider.resources.flow_service import FlowServiceResource

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

# AEP's catalogues have several codes for what a body refers to and is not there.
_NO_BASE_CONNECTION = {1101, 1430, 1439}


class SourceConnection(FlowServiceResource):
    """
    A source connection that should be there.

    :param columns: in AEP's own form. None at all leaves the choice to AEP; what it does then is nowhere said.
    """

    kind = "source connection"
    collection = "sourceConnections"
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
        super().__init__(client, name, description)
        self.connection_spec = connector.spec_id
        self._base_connection_id = base_connection_id
        self._table = table
        self._columns = check_columns(columns) if columns else []

    def body(self) -> dict[str, Any]:
        return {
            "baseConnectionId": self._base_connection_id,
            "data": {"format": "tabular"},
            "params": {"tableName": self._table, **({"columns": self._columns} if self._columns else {})},
            "connectionSpec": {"id": self.connection_spec, "version": "1.0"},
        }

    def create(self, description: str) -> tuple[str, str | None]:
        try:
            return super().create(description)
        except (AepInvalidRequestError, AepNotFoundError) as error:
            if error.number not in _NO_BASE_CONNECTION:
                raise
            raise flow_service.gone("base connection", self._base_connection_id, error.number) from error

    def comparable(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The order of columns says nothing: they are compared by name."""
        params = document.get("params") or {}
        return {
            "connectionSpec": (document.get("connectionSpec") or {}).get("id"),
            "baseConnection": document.get("baseConnectionId"),
            "table": params.get("tableName"),
            "columns": {str(column.get("name")): dict(column) for column in params.get("columns") or []},
        }
