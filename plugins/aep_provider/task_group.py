"""A dataflow as single steps that are seen in Airflow, and many dataflows as a few tasks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import TaskGroup, XComArg, literal, task

from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError
from aep_provider.operators import (
    AepCheckDataflowOperator,
    AepCreateConnectionOperator,
    AepCreateDatasetOperator,
    AepCreateFlowOperator,
    AepCreateMappingSetOperator,
    AepCreateSchemaOperator,
    AepCreateSourceConnectionOperator,
    AepCreateTargetConnectionOperator,
    AepGetFlowSpecOperator,
)
from aep_provider.operators.base import final_errors_end_the_task
from aep_provider.resources.fingerprint import declared

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


class DataflowTaskGroup(TaskGroup):
    """The steps that make sure of one dataflow."""

    @property
    def flow_id(self) -> XComArg:
        """The id of the flow, known when all of it is there."""
        return self._made_by("flow")

    @property
    def dataset_id(self) -> XComArg:
        """The id of the dataset."""
        return self._made_by("dataset")

    def _made_by(self, step: str) -> XComArg:
        group: Any = self
        return XComArg(group.children[group.child_id(step)])


def dataflow_task_group(
    spec: DataflowSpec, *, group_id: str | None = None, if_exists: str = "reuse", adopt: bool = False, **options: Any
) -> DataflowTaskGroup:
    """
    Make sure of one dataflow, each of its objects in a task of its own. To be called within a DAG.

    The same objects come of it as of :class:`~aep_provider.operators.dataflow.AepEnsureDataflowOperator`, which needs one task
    for all of them: this is for who wants to see the steps, or to hang something between them. What belongs together is not
    replaced together here: where AEP freezes an object, its step fails and says so.

    :param spec: the dataflow, as :func:`~aep_provider.dataflows.reading.load.load_folder` reads it. Nothing in it is a template.
    :param group_id: by default made of the dataflow's name.
    :param if_exists: as of the single steps.
    :param adopt: as of the single steps.
    :param options: of the :class:`~airflow.sdk.TaskGroup`, for example ``default_args``.
    :return: the group; ``flow_id`` and ``dataset_id`` are for the tasks that follow.
    :raises AepConfigError: the specification says what single steps cannot do.
    """
    _refuse_what_steps_cannot_do(spec)
    group = DataflowTaskGroup(group_id=group_id or re.sub(r"[^\w-]+", "_", spec.slug), **options)
    with group:
        _steps(spec, if_exists, adopt)
    return group


def _steps(spec: DataflowSpec, if_exists: str, adopt: bool) -> None:
    recurrence = spec.recurrence
    reach = _literal(aep_conn_id=spec.aep_conn_id, sandbox=spec.sandbox)
    make = {**reach, "if_exists": if_exists, "adopt": adopt}
    about = _literal(description=spec.description)
    source = _literal(source=spec.source)
    table = _literal(table=spec.table)
    schedule = _literal(
        frequency=recurrence.frequency if recurrence else spec.load,
        interval=recurrence.interval if recurrence else None,
        backfill=recurrence.backfill if recurrence else None,
        delta_column=spec.delta_column,
    )
    composed = _literal(
        schema=spec.target.existing_schema,
        schema_class=spec.target.schema_class,
        field_groups=spec.target.field_groups,
        derive_fields=spec.target.derive_fields,
    )
    check = AepCheckDataflowOperator(
        task_id="check",
        base_connection_id=_base_connection(spec, {**source, **make}),
        start_time=recurrence.start.isoformat() if recurrence and recurrence.start else None,
        **_literal(name=spec.name, dataset=spec.dataset, columns=spec.columns, mappings=spec.mapping),
        **source,
        **table,
        **schedule,
        **composed,
        **reach,
    )
    source_connection = AepCreateSourceConnectionOperator(
        task_id="source_connection",
        base_connection_id=_of(check),
        columns=_of(check, "columns"),
        **_literal(name=spec.names.source_connection or spec.name),
        **source,
        **table,
        **about,
        **make,
    )
    schema = AepCreateSchemaOperator(
        task_id="schema", columns=_of(check, "columns"), **_literal(title=spec.name), **table, **composed, **make
    )
    dataset = AepCreateDatasetOperator(task_id="dataset", schema_id=_of(schema), **_literal(name=spec.dataset), **make)
    target_connection = AepCreateTargetConnectionOperator(
        task_id="target_connection",
        dataset_id=_of(dataset),
        schema_id=_of(schema),
        **_literal(name=spec.names.target_connection or spec.name),
        **about,
        **make,
    )
    mapping_set = AepCreateMappingSetOperator(
        task_id="mapping_set", schema_id=_of(schema), mappings=_of(check, "mappings"), **make
    )
    flow_spec = AepGetFlowSpecOperator(task_id="flow_spec", **source, **reach)
    check >> flow_spec
    AepCreateFlowOperator(
        task_id="flow",
        source_connection_id=_of(source_connection),
        target_connection_id=_of(target_connection),
        mapping_set_id=_of(mapping_set),
        flow_spec_id=_of(flow_spec),
        start_time=_of(check, "start_time"),
        **_literal(
            name=spec.name,
            delta_format=spec.delta_format,
            delta_timezone=spec.delta_timezone,
            partial_ingestion_percent=spec.policy.partial_ingestion_percent,
            error_diagnostics=spec.policy.error_diagnostics,
            # What the flow was made from, as a plan notes it: so a plan knows it again.
            description=declared(spec.description, spec.digest()),
        ),
        **source,
        **schedule,
        **make,
    )


def _literal(**fields: Any) -> dict[str, Any]:
    """Fields that are no templates, whatever stands in them."""
    return {name: literal(value) for name, value in fields.items()}


def _of(step: BaseOperator, key: str = "return_value") -> Any:
    return XComArg(step, key=key)


def _base_connection(spec: DataflowSpec, make: dict[str, Any]) -> Any:
    if spec.source_conn_id:
        return _of(
            AepCreateConnectionOperator(
                task_id="connection",
                **_literal(source_conn_id=spec.source_conn_id, name=spec.base_name, authentication=spec.authentication),
                **make,
            )
        )

    @task(task_id="connection")
    def there_already() -> str:
        """Find the base connection that the specification names."""
        from aep_provider.dataflows.chain import existing_base  # noqa: PLC0415  a parse need not wait for it
        from aep_provider.hooks.aep import AepHook  # noqa: PLC0415
        from aep_provider.resources.connection import BaseConnection  # noqa: PLC0415
        from aep_provider.resources.inventory import Inventory  # noqa: PLC0415

        with final_errors_end_the_task(), AepHook(spec.aep_conn_id, spec.sandbox) as hook:
            return existing_base(spec, Inventory({BaseConnection: list(BaseConnection.listing(hook.client))}))

    return there_already()


def _refuse_what_steps_cannot_do(spec: DataflowSpec) -> None:
    wrong = [
        what
        for is_so, what in (
            (isinstance(spec.mapping, str), "mapping is the name of a file (it is read when the DAG is made)"),
            (spec.columns == [], "columns is an empty list"),
            (spec.delta_format == "", "delta_format is an empty text"),
            (spec.policy.partial_ingestion_percent is None, "policy.partial_ingestion_percent is null"),
        )
        if is_so
    ]
    if wrong:
        raise AepConfigError(
            f"The dataflow {spec.name!r} cannot be made in single steps: {'; '.join(wrong)}. AepEnsureDataflowOperator can."
        )


def batches(specs: Sequence[DataflowSpec], size: int = 25) -> list[list[dict[str, Any]]]:
    """
    Return dataflows in batches, to map :class:`~aep_provider.operators.dataflow.AepEnsureDataflowOperator` over::

        AepEnsureDataflowOperator.partial(task_id="dataflows").expand(specs=batches(specs))

    Batches are worked on side by side, so dataflows that share a dataset or a connection of their own are kept in one,
    however large it becomes. A base connection is shared by many more: make those first, see :func:`base_connections`.

    :param size: how many dataflows a batch has at most.
    :raises AepConfigError: they are for different sandboxes, of which a task has one.
    """
    if size < 1:
        raise AepConfigError(f"size is {size}, but must be at least 1.")
    if len({(spec.aep_conn_id, spec.sandbox) for spec in specs}) > 1:
        raise AepConfigError("The dataflows are for different sandboxes or connections: make batches of each.")
    found: list[list[DataflowSpec]] = []
    for together in sorted(_sharing(specs), key=len, reverse=True):
        room = next((batch for batch in found if len(batch) + len(together) <= size), None)
        if room is None:
            found.append(list(together))
        else:
            room += together
    return [[spec.model_dump(mode="json", exclude_defaults=True) for spec in batch] for batch in found]


def base_connections(specs: Sequence[DataflowSpec]) -> list[dict[str, Any]]:
    """
    Return what makes each base connection that dataflows need, to map over before them::

        bases = AepCreateConnectionOperator.partial(task_id="bases").expand_kwargs(base_connections(specs))
    """
    bases = {
        spec.base_name: {
            "source": spec.source,
            "source_conn_id": spec.source_conn_id,
            "name": spec.base_name,
            "authentication": spec.authentication,
        }
        for spec in specs
        if spec.source_conn_id
    }
    return list(bases.values())


def _sharing(specs: Sequence[DataflowSpec]) -> list[list[DataflowSpec]]:
    """Dataflows that share an object, whether directly or by way of others, together."""
    by_object: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, spec in enumerate(specs):
        by_object["dataset", spec.dataset].append(number)
        by_object["source connection", spec.names.source_connection or spec.name].append(number)
        by_object["target connection", spec.names.target_connection or spec.name].append(number)
    group_of = list(range(len(specs)))
    for numbers in (numbers for numbers in by_object.values() if len(numbers) > 1):
        joined = {group_of[number] for number in numbers}
        group_of = [min(joined) if group in joined else group for group in group_of]
    groups: dict[int, list[DataflowSpec]] = defaultdict(list)
    for spec, group in zip(specs, group_of, strict=True):
        groups[group].append(spec)
    return list(groups.values())
