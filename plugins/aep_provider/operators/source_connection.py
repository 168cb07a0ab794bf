"""The step that says which table, and which of its columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aep_provider.operators.base import AepEnsureOperator
from aep_provider.operators.rendered import listed, text
from aep_provider.resources.columns import choose_columns
from aep_provider.resources.connection import table_columns
from aep_provider.resources.connectors import connector
from aep_provider.resources.source_connection import SourceConnection

if TYPE_CHECKING:
    from aep_provider.hooks.aep import AepHook
    from aep_provider.platform.client import AepClient


class AepCreateSourceConnectionOperator(AepEnsureOperator):
    """
    Make sure of a source connection: which table of a source system, which columns.

    :param source: the source system, for example ``servicenow``.
    :param base_connection_id: id of the base connection.
    :param table: the table, as AEP's explore calls it.
    :param columns: columns in AEP's own form, or names; by default all that AEP reports.
    :param name: name of the source connection, by default source and table.

    *Idempotency*: the natural key is the name. A flow freezes its source connection, so another definition of the same
    name is an error also with ``if_exists="update"``.

    *XCom*: ``return_value`` is the id; ``name``, ``etag``, ``action``, ``created``, ``requests``.
    """

    template_fields: Sequence[str] = (
        *AepEnsureOperator.template_fields,
        "source",
        "base_connection_id",
        "table",
        "columns",
        "name",
        "description",
    )
    template_fields_renderers = {"columns": "json"}  # noqa: RUF012  Airflow's form

    def __init__(
        self,
        *,
        source: str,
        base_connection_id: str,
        table: str,
        columns: Sequence[Any] | None = None,
        name: str | None = None,
        description: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.base_connection_id = base_connection_id
        self.table = table
        self.columns = columns
        self.name = name
        self.description = description

    def resource(self, client: AepClient, hook: AepHook) -> SourceConnection:  # noqa: ARG002
        system = connector(self.source)
        columns = listed(self.columns, "columns") or None
        if columns is None or any(isinstance(column, str) for column in columns):
            columns = choose_columns(table_columns(client, self.base_connection_id, self.table), columns, self.table)
        return SourceConnection(
            client,
            name=text(self.name) or f"{system.title} {self.table}",
            connector=system,
            base_connection_id=self.base_connection_id,
            table=self.table,
            columns=columns,
            description=text(self.description),
        )
