"""The look before the first step: everything that can be wrong is said before anything is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aep_provider.operators.base import AepBaseOperator, publish
from aep_provider.operators.lineage import lineage_of, where_told
from aep_provider.operators.rendered import epoch_seconds, listed, text, truth, whole_number
from aep_provider.resources.connectors import connector
from aep_provider.resources.mapping import read_mappings
from aep_provider.resources.schedule import Frequency
from aep_provider.resources.schema import PROFILE_CLASS
from aep_provider.resources.target import SchemaChoice

if TYPE_CHECKING:
    from airflow.sdk import Context

    from aep_provider.hooks.aep import AepHook


class AepCheckDataflowOperator(AepBaseOperator):
    """
    Check that a dataflow can be made, making nothing; and settle its name, its columns and its mappings.

    The source system lets us in, the table and its columns are there, the delta column holds dates, the schedule is one
    that AEP takes, every mapping leads to a field that the schema has or will have, each name can be found again, and each
    of AEP's services may be read.

    :param base_connection_id: the base connection of the source system.
    :param source: the source system, for example ``servicenow``.
    :param table: the table, as AEP's explore calls it.
    :param name: name of the dataflow, by default source and table.
    :param columns: names, or columns in AEP's own form; by default all.
    :param schema: title or ``$id`` of an existing schema. Without it, one is composed of the next three.
    :param schema_class: ``$id`` or last part of its class.
    :param field_groups: ``$id`` or last part of each standard field group.
    :param derive_fields: whether a field group with one field for each column is added.
    :param mappings: a list in either dialect of AEP, or a JSON or YAML file under the DAG's ``template_searchpath``; by
        default derived.
    :param frequency: ``one_time``, ``minute``, ``hour``, ``day`` or ``week``.
    :param interval: see :class:`~aep_provider.operators.flow.AepCreateFlowOperator`, as for the next two.
    :param start_time: ISO 8601 or epoch seconds; None means soon.
    :param dataset: name of the dataset, by default that of the dataflow.
    :param source_conn_id: the Airflow connection of the source system. Only lineage needs it, to name the system by its address.

    *Idempotency*: creates nothing.

    *XCom*: ``return_value`` is the id of the base connection, so that what follows can hang on this task alone; ``name``,
    ``dataset``, ``columns`` (in AEP's form), ``mappings`` (normal form), ``start_time`` (epoch seconds, empty for soon),
    ``requests``; where OpenLineage is told, ``lineage`` (where rows come from and go, for the task that waits for them).

    :raises AirflowFailException: with one line that says what is wrong, where, and how to mend it.
    """

    template_fields: Sequence[str] = (
        *AepBaseOperator.template_fields,
        "base_connection_id",
        "source",
        "table",
        "name",
        "columns",
        "schema",
        "schema_class",
        "field_groups",
        "derive_fields",
        "mappings",
        "frequency",
        "interval",
        "backfill",
        "delta_column",
        "start_time",
        "dataset",
        "source_conn_id",
    )
    template_fields_renderers = {"columns": "json", "mappings": "json", "field_groups": "json"}  # noqa: RUF012  Airflow's form

    def __init__(
        self,
        *,
        base_connection_id: str,
        source: str,
        table: str,
        name: str | None = None,
        columns: Sequence[Any] | None = None,
        schema: str | None = None,
        schema_class: str = PROFILE_CLASS,
        field_groups: Sequence[str] = (),
        derive_fields: bool = True,
        mappings: Sequence[Mapping[str, Any]] | str | None = None,
        frequency: str = Frequency.ONE_TIME,
        interval: int | None = None,
        backfill: bool | None = None,
        delta_column: str | None = None,
        start_time: str | int | None = None,
        dataset: str | None = None,
        source_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.base_connection_id = base_connection_id
        self.source = source
        self.table = table
        self.name = name
        self.columns = columns
        self.schema = schema
        self.schema_class = schema_class
        self.field_groups = field_groups
        self.derive_fields = derive_fields
        self.mappings = mappings
        self.frequency = frequency
        self.interval = interval
        self.backfill = backfill
        self.delta_column = delta_column
        self.start_time = start_time
        self.dataset = dataset
        self.source_conn_id = source_conn_id

    def run_step(self, context: Context, hook: AepHook) -> str:
        # A parse of a DAG file need not wait for it.
        from aep_provider.resources.check import DataflowRequest, check_dataflow  # noqa: PLC0415
        from aep_provider.resources.facts import Facts  # noqa: PLC0415

        system = connector(self.source)
        name = text(self.name) or f"{system.title} {self.table}"
        dataset = text(self.dataset)
        start_time = epoch_seconds(self.start_time)
        request = DataflowRequest(
            name=name,
            connector=system,
            table=self.table,
            schema=SchemaChoice(
                existing=text(self.schema),
                title=name,
                schema_class=text(self.schema_class) or PROFILE_CLASS,
                field_groups=listed(self.field_groups, "field_groups") or (),
                derive=truth(self.derive_fields, "derive_fields") is not False,
            ),
            columns=listed(self.columns, "columns") or None,
            mappings=self._given_mappings(context),
            frequency=self.frequency,
            interval=whole_number(self.interval, "interval"),
            backfill=truth(self.backfill, "backfill"),
            delta_column=text(self.delta_column),
            start_time=start_time,
            further_names={"name of the dataset": dataset} if dataset else {},
        )
        checked = check_dataflow(Facts(hook.client), request, self.base_connection_id)
        self.log.info("%s: %d columns, %d mappings", name, len(checked.columns), len(checked.mappings))
        publish(
            context,
            name=name,
            dataset=dataset or name,
            columns=checked.columns,
            mappings=checked.mappings,
            # Airflow takes an XCom without a value for one that is not there.
            start_time=start_time or "",
        )
        known = where_told(
            lambda: lineage_of(
                hook,
                source=system.key,
                source_conn_id=text(self.source_conn_id),
                base_connection=self.base_connection_id,
                table=self.table,
                dataset=dataset or name,
                checked=checked,
            )
        )
        if known:
            publish(context, lineage=known.as_json())
        return self.base_connection_id

    def _given_mappings(self, context: Context) -> Any:
        path = text(self.mappings) if isinstance(self.mappings, str) else None
        if path is None or path.lstrip().startswith("["):
            return listed(self.mappings, "mappings")
        search = context["dag"].template_searchpath or ()
        roots = [Path(root) for root in ([search] if isinstance(search, str) else search)]
        return read_mappings(path, roots)
