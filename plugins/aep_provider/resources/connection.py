"""The base connection: the credentials of a source system, kept by AEP."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aep_provider.errors import (
    AepAnswerError,
    AepConfigError,
    AepConflictError,
    AepError,
    AepInvalidRequestError,
    AepNotFoundError,
)
from aep_provider.resources import flow_service
from aep_provider.resources.authentication import Credentials
from aep_provider.resources.connectors import Connector
from aep_provider.resources.fingerprint import differences, fingerprint, marked, read_mark
from aep_provider.resources.flow_service import FlowServiceResource
from aep_provider.resources.names import LONGEST, nearest
from aep_provider.resources.resource import Existing
from aep_provider.resources.shapes import COLUMN, shaped

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

log = logging.getLogger(__name__)

COLLECTION = "connections"
NOT_SHOWN = "(AEP does not show it)"
# The source system's own words are wrapped.
_SOURCE_REFUSES = 1308
# With what is added, no longer than any name may be.
_LONGEST_IN_TRIAL = LONGEST - len(" (trial 01234567)")


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
        """Credentials are never compared, and an address only as far as AEP shows it."""
        auth = document.get("auth") or {}
        shown = auth.get("params") or {}
        return {
            "connectionSpec": (document.get("connectionSpec") or {}).get("id"),
            "authentication": auth.get("specName"),
            "address": {key: _shown(shown.get(key)) for key in self._credentials.address},
        }

    def _existing(self, item: Mapping[str, Any]) -> Existing:
        """The mark tells of an address that AEP hides whether it is the wanted one."""
        existing, wanted = super()._existing(item), self.content()
        shows_all = not _hides_address(existing)
        return existing if shows_all or existing.mark != fingerprint(wanted) else replace(existing, content=wanted)

    def written_by_us(self, existing: Existing) -> bool:
        """What AEP hides cannot have been compared; there our mark has to do."""
        return _hides_address(existing) or super().written_by_us(existing)

    def frozen(self, existing: Existing) -> list[str]:
        """Another source system or another way in needs a new base connection."""
        return differences({**existing.content, "address": None}, {**self.content(), "address": None})

    def change(self, existing: Existing, description: str) -> str | None:
        """
        Send the credentials again.

        They are tried on a connection of their own first, for those in use cannot be read back: wrong ones never replace
        right ones, and no flow ever runs with them.
        """
        self._try()
        operations: list[dict[str, Any]] = [
            {"op": "replace", "path": "/auth/params", "value": dict(self._credentials.params)},
            flow_service.described(existing, description),
        ]
        return flow_service.patch(self.client, self.collection, existing.id, existing.etag, operations)

    def create(self, description: str) -> tuple[str, str | None]:
        made, etag = self._created({"name": self.name, "description": description, **self.body()})
        self._give_way(made, read_mark(description))
        return made, etag

    def _give_way(self, made: str, mark: str | None) -> None:
        """
        Many dataflows stand on one base connection, and may be provisioned for the first time at the same moment.

        Whoever was not the first takes theirs back, before anything stands on it. Where listings lag this
        may be seen too late; then there are two.

        :raises AepConflictError: an equal one is older.
        """
        try:
            equal = [one for one in self.find() if one.mark == mark]
            first = min(equal, key=lambda one: (one.created_at, one.id), default=None)
            if first is None or first.id == made:
                return
            flow_service.delete(self.client, self.collection, made)
        except AepError as error:
            log.warning("Whether the base connection %r is there twice could not be seen: %s", self.name, error)
            return
        raise AepConflictError(
            f"Another task made the base connection {self.name!r} ({first.id}) first, so {made} was deleted again",
            status=409,
        )

    def _created(self, body: Mapping[str, Any]) -> tuple[str, str | None]:
        """AEP may try credentials as soon as it gets them."""
        try:
            return flow_service.create(self.client, self.collection, body)
        except AepInvalidRequestError as error:
            if error.number != _SOURCE_REFUSES:
                raise
            raise _not_connected(repr(self.name), error.detail, "then try again") from error

    def _try(self) -> None:
        """What an attempt that was killed left behind bears the same name and mark, and is cleared away with it."""
        digest = fingerprint({"trial": self.name})
        trial = f"{self.name[:_LONGEST_IN_TRIAL]} (trial {digest[:8]})"
        description = marked("Made to try credentials, and deleted again.", digest)
        body = {"name": trial, "description": description, **self.body()}
        trial_id = None
        try:
            try:
                trial_id, _ = self._created(body)
            except AepConflictError:
                # Names may have to be unique, and one left behind is in the way.
                self._clear_away(trial, digest)
                trial_id, _ = self._created(body)
            try:
                test_connection(self.client, trial_id)
            except AepConfigError as error:
                if not isinstance(error.__cause__, AepNotFoundError):
                    raise
                raise AepError(
                    f"The connection {trial_id}, on which new credentials were tried, was deleted meanwhile: is somebody else "
                    "changing those of the same base connection?"
                ) from error
        finally:
            if trial_id is not None:
                # Listings may not show it yet.
                flow_service.delete(self.client, self.collection, trial_id)
            self._clear_away(trial, digest)

    def _clear_away(self, trial: str, digest: str) -> None:
        for left in flow_service.named(self.client, self.collection, trial):
            if read_mark(left.get("description")) == digest:
                flow_service.delete(self.client, self.collection, str(left["id"]))

    def always_changes(self) -> bool:
        """Whether credentials differ cannot be seen from outside."""
        return True


def _shown(value: Any) -> Any:
    """Left out, or masked: whether AEP hides fields, and how, is nowhere said."""
    return NOT_SHOWN if value is None or (isinstance(value, str) and set(value) <= {"*"}) else value


def _hides_address(existing: Existing) -> bool:
    return NOT_SHOWN in existing.content["address"].values()


def test_connection(client: AepClient, connection_id: str) -> None:
    """
    Ask AEP to log in to the source system.

    :raises AepConfigError: if it does not get in.
    """
    try:
        answer = client.get(flow_service.path_of(COLLECTION, connection_id, "test"))
    except AepInvalidRequestError as error:
        raise _not_connected(connection_id, error.detail) from error
    except AepNotFoundError as error:
        raise flow_service.gone(BaseConnection.kind, connection_id) from error
    result = answer.body.get("result") if isinstance(answer.body, dict) else None
    if not isinstance(result, bool):
        raise AepAnswerError(
            f"Whether the base connection {connection_id} works is not told: the answer bears no result."
        )
    if not result:
        raise _not_connected(connection_id, None)


test_connection.__test__ = False  # type: ignore[attr-defined]  # its name looks like a test to pytest


def _not_connected(
    connection: str, detail: str | None, then: str = "then send them with if_exists='update'"
) -> AepConfigError:
    said = f" AEP says: {detail}" if detail else ""
    return AepConfigError(
        f"AEP cannot log in to the source system of base connection {connection}.{said} Check host, login and password "
        f"of the Airflow connection with the source's credentials, {then}."
    )


def tables(client: AepClient, connection_id: str) -> list[str]:
    """Return the paths of the tables that the source system offers."""
    answer = _explore(client, connection_id, {"objectType": "root"})
    if not isinstance(answer, list):
        raise AepAnswerError(f"What tables base connection {connection_id} offers is not told: the answer is no list.")
    return [str(entry.get("path") or entry.get("name")) for entry in answer if isinstance(entry, dict)]


def table_columns(client: AepClient, connection_id: str, table: str) -> list[dict[str, Any]]:
    """Return the columns of a table just as AEP reports them, in the table's order."""
    answer = _explore(client, connection_id, {"objectType": "table", "object": table})
    schema = answer.get("schema") if isinstance(answer, dict) else None
    columns = schema.get("columns") if isinstance(schema, dict) else None
    if not isinstance(columns, list):
        raise AepAnswerError(f"What columns the table {table!r} has is not told: the answer bears no list of them.")
    named = [column for column in columns if isinstance(column, dict) and column.get("name")]
    return [shaped(column, COLUMN, f"a column of the table {table!r}") for column in named]


def check_table(table: str, known: Sequence[str]) -> None:
    """
    Check that the source system has a table.

    :raises AepConfigError: if it has not; the message names the nearest.
    """
    if table not in known:
        raise AepConfigError(
            f"The source system has no table {table!r} (AEP would answer 1330).{nearest(table, known)}"
        )


def _explore(client: AepClient, connection_id: str, params: Mapping[str, str]) -> Any:
    try:
        return client.get(flow_service.path_of(COLLECTION, connection_id, "explore"), params=params).body
    except AepNotFoundError as error:
        raise flow_service.gone(BaseConnection.kind, connection_id) from error
