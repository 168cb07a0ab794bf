"""The base connection: the credentials of a source system, kept by AEP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepConfigError, AepInvalidRequestError
from aep_provider.resources import flow_service
from aep_provider.resources.authentication import Credentials
from aep_provider.resources.connectors import Connector
from aep_provider.resources.ensure import Existing
from aep_provider.resources.flow_service import FlowServiceResource

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

COLLECTION = "connections"


class BaseConnection(FlowServiceResource):
    """
    A base connection that should be there.

    :param credentials: endpoint and credentials; only the endpoint is compared, for AEP may mask the rest.
    """

    kind = "base connection"
    collection = COLLECTION

    def __init__(
        self,
        client: AepClient,
        *,
        name: str,
        connector: Connector,
        credentials: Credentials,
        description: str | None = None,
    ) -> None:
        super().__init__(client, name, description)
        self._connector = connector
        self._credentials = credentials

    def body(self) -> dict[str, Any]:
        return {
            "connectionSpec": {"id": self._connector.spec_id, "version": "1.0"},
            "auth": {"specName": self._credentials.spec_name, "params": dict(self._credentials.params)},
        }

    def comparable(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Credentials are never compared. Where AEP does not show the address, the wanted one stands for it."""
        auth = document.get("auth") or {}
        shown, wanted = auth.get("params") or {}, self._credentials
        return {
            "connectionSpec": (document.get("connectionSpec") or {}).get("id"),
            "authentication": auth.get("specName"),
            "address": {key: shown.get(key, wanted.params.get(key)) for key in wanted.address},
        }

    def find(self) -> list[Existing]:
        """By name alone: a connection of this name to another source system is another definition, not none."""
        return [self._existing(item) for item in flow_service.named(self.client, self.collection, self.name)]

    def change(self, existing: Existing, description: str) -> str | None:
        """
        Send the credentials again. Another source system or another way in needs a new base connection.

        They are tried on a connection of their own first, for those in use cannot be read back: wrong ones never replace
        right ones, and no flow ever runs with them.
        """
        wanted = self.content()
        if {**existing.content, "address": None} != {**wanted, "address": None}:
            return super().change(existing, description)
        self._try()
        operations: list[dict[str, Any]] = [
            {"op": "replace", "path": "/auth/params", "value": dict(self._credentials.params)},
            flow_service.described(existing, description),
        ]
        return flow_service.patch(self.client, self.collection, existing.id, existing.etag, operations)

    def _try(self) -> None:
        """What an attempt that was killed left behind bears the same name, and is cleared away with it."""
        trial = f"{self.name} (trial of new credentials)"
        try:
            body = {"name": trial, "description": "Made to try credentials, and deleted again.", **self.body()}
            trial_id, _ = flow_service.create(self.client, self.collection, body)
            test_connection(self.client, trial_id)
        finally:
            for left in flow_service.named(self.client, self.collection, trial):
                flow_service.delete(self.client, self.collection, str(left["id"]))

    def always_changes(self) -> bool:
        """Whether credentials differ cannot be seen from outside."""
        return True


def test_connection(client: AepClient, connection_id: str) -> None:
    """
    Ask AEP to log in to the source system.

    :raises AepConfigError: if it does not get in.
    """
    try:
        answer = client.get(flow_service.path_of(COLLECTION, connection_id, "test"))
    except AepInvalidRequestError as error:
        raise _not_connected(connection_id, error.detail) from error
    if not (isinstance(answer.body, dict) and answer.body.get("result") is True):
        raise _not_connected(connection_id, None)


test_connection.__test__ = False  # type: ignore[attr-defined]  # its name looks like a test to pytest


def _not_connected(connection_id: str, detail: str | None) -> AepConfigError:
    said = f" AEP says: {detail}" if detail else ""
    return AepConfigError(
        f"AEP cannot log in to the source system of base connection {connection_id}.{said} Check host, login and password "
        "of the Airflow connection with the source's credentials, then send them with if_exists='update'."
    )


def tables(client: AepClient, connection_id: str) -> list[str]:
    """Return the paths of the tables that the source system offers."""
    answer = client.get(flow_service.path_of(COLLECTION, connection_id, "explore"), params={"objectType": "root"})
    entries = answer.body if isinstance(answer.body, list) else []
    return [str(entry.get("path") or entry.get("name")) for entry in entries if isinstance(entry, dict)]


def table_columns(client: AepClient, connection_id: str, table: str) -> list[dict[str, Any]]:
    """Return the columns of a table just as AEP reports them, in the table's order."""
    answer = client.get(
        flow_service.path_of(COLLECTION, connection_id, "explore"), params={"objectType": "table", "object": table}
    )
    schema = answer.body.get("schema") if isinstance(answer.body, dict) else None
    columns = schema.get("columns") if isinstance(schema, dict) else None
    return [column for column in columns or [] if isinstance(column, dict) and column.get("name")]
