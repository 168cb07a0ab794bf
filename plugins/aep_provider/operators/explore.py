"""Steps that only look at a source system."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aep_provider.operators.base import AepBaseOperator, publish
from aep_provider.operators.rendered import text
from aep_provider.resources.connection import check_table, table_columns, tables, test_connection

if TYPE_CHECKING:
    from airflow.sdk import Context

    from aep_provider.hooks.aep import AepHook


class AepTestConnectionOperator(AepBaseOperator):
    """
    Ask AEP to log in to a source system, and fail if it does not get in.

    :param base_connection_id: id of the base connection.

    *Idempotency*: reads only.

    *XCom*: ``return_value`` is the id of the base connection; ``requests``.
    """

    template_fields: Sequence[str] = (*AepBaseOperator.template_fields, "base_connection_id")

    def __init__(self, *, base_connection_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.base_connection_id = base_connection_id

    def run_step(self, context: Context, hook: AepHook) -> str:  # noqa: ARG002
        test_connection(hook.client, self.base_connection_id)
        return self.base_connection_id


class AepExploreOperator(AepBaseOperator):
    """
    List the tables of a source system, or the columns of one table. Rows are never read.

    :param base_connection_id: id of the base connection.
    :param table: the table whose columns are wanted.

    *Idempotency*: reads only.

    *XCom*: ``return_value`` is the id of the base connection; ``tables`` (paths) or ``columns`` (in AEP's own form, fit for
    the other operators), ``requests``.
    """

    template_fields: Sequence[str] = (*AepBaseOperator.template_fields, "base_connection_id", "table")

    def __init__(self, *, base_connection_id: str, table: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.base_connection_id = base_connection_id
        self.table = table

    def run_step(self, context: Context, hook: AepHook) -> str:
        known = tables(hook.client, self.base_connection_id)
        table = text(self.table)
        if not table:
            publish(context, tables=known)
        else:
            check_table(table, known)
            publish(context, columns=table_columns(hook.client, self.base_connection_id, table))
        return self.base_connection_id
