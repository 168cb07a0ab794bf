"""A first specification for a table that no dataflow loads yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import ValidationError

from aep_provider.dataflows.chain import Sandbox, existing_base
from aep_provider.dataflows.parts import DEFAULT_CONN_ID
from aep_provider.dataflows.plan import DataflowPlan
from aep_provider.dataflows.planning import plan_dataflow
from aep_provider.dataflows.reading.wording import in_one_line, problems
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.dataflows.survey import from_source
from aep_provider.dataflows.writing.delta import delta_choice
from aep_provider.dataflows.writing.spec_text import short_mappings
from aep_provider.errors import AepConfigError
from aep_provider.resources import connection
from aep_provider.resources.columns import Column, choose_columns, is_date_time
from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.connectors import connector
from aep_provider.resources.ensure import ensure
from aep_provider.resources.flow import Flow


@dataclass(frozen=True)
class Wish:
    """
    What somebody wants to load.

    :param source_conn_id: Airflow connection with the source system's address and credentials.
    :param base_connection: name of the base connection; without ``source_conn_id``, of one that is there.
    :param name: of the dataflow, by default the source system's and the table's.
    :param existing_schema: title or ``$id`` of a schema to land in.
    :param mapping: whether to write down where each column lands.
    """

    source: str
    table: str
    sandbox: str
    source_conn_id: str | None = None
    base_connection: str | None = None
    name: str | None = None
    existing_schema: str | None = None
    mapping: bool = False
    aep_conn_id: str = DEFAULT_CONN_ID

    def fields(self, **more: Any) -> dict[str, Any]:
        """Return what a file declares for it; a default is left out."""
        told = {
            "name": self.name or f"{connector(self.source).title} {self.table}",
            "source": self.source,
            "source_conn_id": self.source_conn_id,
            "base_connection": self.base_connection,
            "table": self.table,
            "sandbox": self.sandbox,
            "aep_conn_id": self.aep_conn_id,
            "target": {"existing_schema": self.existing_schema} if self.existing_schema else None,
            **more,
        }
        defaults = {name: field.default for name, field in DataflowSpec.model_fields.items()}
        return {key: value for key, value in told.items() if value is not None and value != defaults[key]}

    def bare(self) -> DataflowSpec:
        """
        Return a specification with nothing that only the source system can tell.

        :raises AepConfigError: what is wanted cannot be.
        """
        return _spec(self.fields(load="one_time"))


@dataclass(frozen=True)
class Scaffold:
    """
    A first specification.

    :param notes: by field, what whoever reads the file has to know.
    :param plan: what applying it would do.
    """

    spec: DataflowSpec
    fields: Mapping[str, Any]
    notes: Mapping[str, Sequence[str]]
    plan: DataflowPlan


def scaffold_dataflow(sandbox: Sandbox, wish: Wish, *, today: date, create_base_connection: bool = False) -> Scaffold:
    """
    Ask the source system about a table, and return a first specification for it.

    :param create_base_connection: whether to make the base connection if there is none; nothing else is ever made.
    :raises AepConfigError: AEP cannot ask the source system, there is no such table, or a dataflow of the name is there.
    """
    bare = wish.bare()
    if sandbox.inventory.named(Flow, bare.name):
        raise AepConfigError(
            f"There is a flow {bare.name!r} in the sandbox: `airflow aep export --name` writes its file. For another dataflow "
            "of the table, choose another name with --name."
        )
    base = _base_connection(bare, sandbox, create=create_base_connection)
    columns = _columns(bare, sandbox, base)
    choice = delta_choice(columns)
    fields = wish.fields(**({"delta_column": choice.name} if choice else {"load": "one_time"}))
    notes: dict[str, Sequence[str]] = {"columns": list(_listed(columns))}
    if choice:
        notes |= {"delta_column": list(choice.explained()), "schedule": _schedule(today)}
    else:
        notes["load"] = [
            "No column holds dates and times, by which new rows could be told from old: all are loaded once."
        ]
    if wish.mapping or wish.existing_schema:
        fields["mapping"] = short_mappings(from_source(_spec(fields), sandbox, base).checked.mappings)
    else:
        notes["mapping"] = [
            "Each column lands in a field of its own. --mapping of `airflow aep scaffold` writes them down."
        ]
    spec = _spec(fields)
    plan = plan_dataflow(spec, sandbox, base_connection_id=base).plan
    if plan.error:
        raise AepConfigError(plan.error)
    return Scaffold(spec, fields, notes, plan)


def _spec(fields: Mapping[str, Any]) -> DataflowSpec:
    try:
        return DataflowSpec.model_validate(fields)
    except ValidationError as error:
        raise AepConfigError(f"{in_one_line(problems(error, DataflowSpec))}.") from None


def _base_connection(spec: DataflowSpec, sandbox: Sandbox, *, create: bool) -> str:
    system = connector(spec.source)
    if spec.source_conn_id and not sandbox.inventory.named(BaseConnection, spec.base_name):
        if not create:
            raise AepConfigError(
                f"There is no base connection {spec.base_name!r} in the sandbox, and only through one can AEP be asked about a "
                "table. --create-base-connection makes it, with the credentials of the Airflow connection "
                f"{spec.source_conn_id!r}; --base-connection names another that is there."
            )
        resource = BaseConnection(
            sandbox.client, name=spec.base_name, connector=system, credentials=sandbox.credentials(spec)
        )
        return ensure(resource).id
    base = existing_base(spec, sandbox.inventory)
    document = sandbox.inventory.by_id(BaseConnection, base) or {}
    if (document.get("connectionSpec") or {}).get("id") != system.spec_id:
        raise AepConfigError(
            f"The base connection {spec.base_name!r} ({base}) does not lead to {system.title}: check --source, or name another "
            "one with --base-connection."
        )
    return base


def _columns(spec: DataflowSpec, sandbox: Sandbox, base: str) -> list[Column]:
    sandbox.facts.source_lets_in(base)
    connection.check_table(spec.table, sandbox.facts.tables(base))
    return choose_columns(connection.table_columns(sandbox.client, base, spec.table), None, spec.table)


def _listed(columns: Sequence[Column]) -> Iterator[str]:
    yield "All columns are taken. To take some, name them, as in columns: [one, two]. There are:"
    widest = max(len(str(column["name"])) for column in columns)
    for column in columns:
        kind = "date-time" if is_date_time(column) else (column.get("xdm") or {}).get("type") or column.get("type")
        yield f"  {column['name']!s:<{widest}}  {kind}"


def _schedule(today: date) -> Sequence[str]:
    return (
        "A run for each window, once it is over. Without a schedule windows are only loaded by hand:",
        "schedule:",
        '  cron: "0 0 * * *"',
        "  timezone: UTC",
        f"  start: {today}",
        "  lag: 15m",
    )
