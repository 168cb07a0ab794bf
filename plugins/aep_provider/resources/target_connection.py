"""The target connection: which dataset of the data lake. Frozen once a flow uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepConfigError, AepInvalidRequestError
from aep_provider.resources.connectors import DATA_LAKE_SPEC_ID
from aep_provider.resources.flow_service import FlowServiceResource
from aep_provider.resources.source_connection import SourceConnection

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

_NO_DATASET = 1325
NEWEST_MINOR_VERSION = "application/vnd.adobe.xed-full+json;version=1"


class TargetConnection(FlowServiceResource):
    """A target connection that should be there. Needs no base connection: the data lake is AEP's own."""

    kind = "target connection"
    collection = "targetConnections"
    connection_spec = DATA_LAKE_SPEC_ID
    fixed_because = SourceConnection.fixed_because

    def __init__(
        self, client: AepClient, *, name: str, dataset_id: str, schema_id: str, description: str | None = None
    ) -> None:
        super().__init__(client, name, description)
        self._dataset_id = dataset_id
        self._schema_id = schema_id

    def body(self) -> dict[str, Any]:
        return {
            "data": {"format": "parquet_xdm", "schema": {"id": self._schema_id, "version": NEWEST_MINOR_VERSION}},
            "params": {"dataSetId": self._dataset_id},
            "connectionSpec": {"id": DATA_LAKE_SPEC_ID, "version": "1.0"},
        }

    def create(self, description: str) -> tuple[str, str | None]:
        try:
            return super().create(description)
        except AepInvalidRequestError as error:
            if error.number != _NO_DATASET:
                raise
            raise AepConfigError(
                f"There is no dataset {self._dataset_id} in the sandbox (AEP answers 1325): it was deleted, or made in another "
                "sandbox. Clear the task that makes it, so that it is made again."
            ) from error

    def comparable(self, document: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "connectionSpec": (document.get("connectionSpec") or {}).get("id"),
            "dataset": (document.get("params") or {}).get("dataSetId"),
            "schema": ((document.get("data") or {}).get("schema") or {}).get("id"),
        }
