"""All objects of one dataflow, each made sure of as soon as those that it needs are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from aep_provider.resources.check import Checked, DataflowRequest, check_dataflow
from aep_provider.resources.dataset import Dataset
from aep_provider.resources.ensure import Action, IfExists, Memory, Outcome, Resource, ensure
from aep_provider.resources.facts import Facts
from aep_provider.resources.flow import Flow, FlowDefinition
from aep_provider.resources.mapping_set import MappingSet
from aep_provider.resources.schema import DerivedFieldGroup, Schema
from aep_provider.resources.source_connection import SourceConnection
from aep_provider.resources.target_connection import TargetConnection


@dataclass(frozen=True)
class Chain:
    """What became of each object of a dataflow, in the order in which they need each other."""

    outcomes: tuple[Outcome, ...]

    @property
    def flow_id(self) -> str:
        """The last of them."""
        return self.outcomes[-1].id

    @property
    def created(self) -> list[Outcome]:
        """Those that were not there before."""
        return [outcome for outcome in self.outcomes if outcome.action is Action.CREATED]


def ensure_dataflow(
    facts: Facts,
    request: DataflowRequest,
    base_connection_id: str,
    *,
    dataset: str | None = None,
    if_exists: IfExists | str = IfExists.REUSE,
    partial_ingestion_percent: float = 5,
    memory_for: Callable[[str], Memory] | None = None,
) -> Chain:
    """
    Check a dataflow, then make sure of all its objects, those that do not need each other side by side.

    :param facts: shared by all dataflows of one sandbox that are made together.
    :param dataset: name of the dataset, by default that of the dataflow.
    :param partial_ingestion_percent: a run fails when as many percent of its rows are rejected.
    :param memory_for: gives the memory for a kind of object, where an intent outlives this process. Called from threads.
    :raises AepError: as the check and the single objects do; what was made until then is found again next time.
    """
    checked = check_dataflow(facts, request, base_connection_id)
    client, name = facts.client, request.name

    def sure_of(resource: Resource) -> Outcome:
        return ensure(resource, if_exists=if_exists, memory=memory_for(resource.kind) if memory_for else None)

    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="aep-chain") as pool:
        source = pool.submit(
            sure_of,
            SourceConnection(
                client,
                name=name,
                connector=request.connector,
                base_connection_id=base_connection_id,
                table=request.table,
                columns=checked.columns,
            ),
        )
        schema = list(_schema(facts, request, checked, sure_of))
        schema_id = schema[-1].id
        mapping = pool.submit(sure_of, MappingSet(client, schema_id=schema_id, mappings=checked.mappings))
        landing = sure_of(Dataset(client, name=dataset or name, schema_id=schema_id))
        target = sure_of(TargetConnection(client, name=name, dataset_id=landing.id, schema_id=schema_id))
        definition = FlowDefinition(
            name=name,
            source_connection_id=source.result().id,
            target_connection_id=target.id,
            mapping_set_id=mapping.result().id,
            frequency=request.frequency,
            interval=request.interval,
            backfill=request.backfill,
            start_time=request.start_time,
            delta_column=request.delta_column,
            delta_format=request.connector.date_format,
            partial_ingestion_percent=partial_ingestion_percent,
        )
    flow = sure_of(Flow(client, definition, facts.flow_spec()))
    return Chain((source.result(), *schema, landing, target, mapping.result(), flow))


def _schema(
    facts: Facts, request: DataflowRequest, checked: Checked, sure_of: Callable[[Resource], Outcome]
) -> Iterator[Outcome]:
    choice = request.schema
    if choice.existing:
        yield Outcome(Schema.kind, choice.existing, facts.existing_schema(choice.existing), Action.REUSED)
        return
    class_id, field_groups = choice.parts()
    fields = choice.derived(facts.tenant(), request.table, checked.columns)
    if fields:
        group = DerivedFieldGroup(facts.client, title=choice.group_title, class_id=class_id, fields=fields)
        outcome = sure_of(group)
        yield outcome
        field_groups.append(outcome.id)
    schema = Schema(facts.client, title=str(choice.title), class_id=class_id, field_groups=field_groups)
    yield sure_of(schema)
