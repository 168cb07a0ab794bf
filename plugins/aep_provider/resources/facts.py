"""What is the same for all dataflows of a sandbox, asked once and kept while one piece of work lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aep_provider.platform.services import CATALOG, DATA_PREP
from aep_provider.resources import connection, schema
from aep_provider.resources.flow_spec import FlowSpec, find_flow_spec

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

T = TypeVar("T")


class Facts:
    """
    Answers of AEP that many dataflows need. Safe for threads: whoever asks second waits for the first.

    An error is kept as well: what is refused once is refused to all.
    """

    def __init__(self, client: AepClient) -> None:
        self.client = client
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, ...], Future[Any]] = {}

    def flow_spec(self) -> FlowSpec:
        """Return the specification of tabular flows."""
        return self.once(("flow_spec",), lambda: find_flow_spec(self.client))

    def tenant(self) -> str:
        """Return the organisation's ``TENANT_ID``."""
        return self.once(("tenant",), lambda: schema.tenant_id(self.client))

    def datasets_are_readable(self) -> None:
        """
        Ask Catalog for one dataset.

        :raises AepPermissionError: if datasets may not be read.
        """
        self.once(("datasets",), lambda: self.client.get(f"{CATALOG}/dataSets", params={"limit": "1"}))

    def mapping_sets_are_readable(self) -> None:
        """
        Ask Data Prep for one mapping set.

        :raises AepPermissionError: if mapping sets may not be read.
        """
        one = {"limit": "1", "start": "0"}
        self.once(("mapping_sets",), lambda: self.client.get(f"{DATA_PREP}/mappingSets", params=one))

    def source_lets_in(self, base_connection_id: str) -> None:
        """
        Ask AEP to log in to the source system.

        :raises AepConfigError: if it does not get in.
        """
        self.once(("test", base_connection_id), lambda: connection.test_connection(self.client, base_connection_id))

    def tables(self, base_connection_id: str) -> list[str]:
        """Return the paths of the tables that the source system offers."""
        return self.once(("tables", base_connection_id), lambda: connection.tables(self.client, base_connection_id))

    def resolved(self, kind: str, object_id: str) -> dict[str, Any]:
        """Return a class, field group or schema with all its fields in place."""
        return self.once(("resolved", kind, object_id), lambda: schema.resolved(self.client, kind, object_id))

    def existing_schema(self, title_or_id: str) -> str:
        """Return the ``$id`` of a schema that a user named by title or by ``$id``."""
        return self.once(("schema", title_or_id), lambda: schema.existing_schema(self.client, title_or_id))

    def once(self, key: tuple[str, ...], ask: Callable[[], T]) -> T:
        """Return what ``ask`` answered the first time that it was asked for ``key``."""
        with self._lock:
            mine = key not in self._answers
            answer = self._answers.setdefault(key, Future())
        if mine:
            try:
                answer.set_result(ask())
            except BaseException as error:
                answer.set_exception(error)
                raise
        return cast("T", answer.result())
