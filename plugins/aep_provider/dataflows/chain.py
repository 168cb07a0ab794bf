"""The objects that one dataflow consists of, and which of them needs which."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError
from aep_provider.resources import mapping_set
from aep_provider.resources.authentication import Credentials, SourceLogin, credentials
from aep_provider.resources.check import Checked
from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.connectors import connector
from aep_provider.resources.coverage import generations
from aep_provider.resources.dataset import Dataset
from aep_provider.resources.facts import Facts
from aep_provider.resources.fingerprint import read_mark
from aep_provider.resources.flow import START_MARGIN_SECONDS, Flow, FlowDefinition
from aep_provider.resources.inventory import Inventory
from aep_provider.resources.mapping_set import MappingSet
from aep_provider.resources.names import nearest
from aep_provider.resources.resource import Document, Resource
from aep_provider.resources.schema import DerivedFieldGroup, Schema
from aep_provider.resources.source_connection import SourceConnection
from aep_provider.resources.target_connection import TargetConnection

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

Key = tuple[str, str]
"""Kind and name. A mapping set, which has no name of its own, goes by the dataflow's."""
Ids = Mapping[str, str]
"""Ids by kind."""


@dataclass(frozen=True)
class Node:
    """
    One object of a dataflow.

    :param needs: the objects that have to be there first, by kind.
    :param given: ids of what is there in any case, by kind.
    """

    kind: type[Resource]
    key: Key
    build: Callable[[Ids], Resource]
    needs: Mapping[str, Key] = field(default_factory=dict)
    given: Ids = field(default_factory=dict)

    def resource(self, ids: Mapping[Key, str]) -> Resource:
        """Return the object that should be there, once those that it needs are."""
        return self.build({**self.given, **{kind: ids[key] for kind, key in self.needs.items()}})


@dataclass
class Sandbox:
    """
    Where dataflows are looked at and made: what it holds, what is the same for all of them, and how to log in to sources.

    :param source_login: reads endpoint and credentials of a source system; called only where a base connection is ours.
    """

    client: AepClient
    facts: Facts
    inventory: Inventory
    source_login: Callable[[str], SourceLogin]

    def credentials(self, spec: DataflowSpec) -> Credentials:
        """Return what the base connection of a dataflow should log in with."""
        system, conn_id, way = connector(spec.source), str(spec.source_conn_id), spec.authentication
        # The secrets are kept no longer than one piece of work lasts, and AEP is asked once how to log in.
        return self.facts.once(
            ("credentials", system.key, conn_id, str(way)),
            lambda: credentials(self.client, system, self.source_login(conn_id), way),
        )


def chain(spec: DataflowSpec, checked: Checked, sandbox: Sandbox) -> list[Node]:
    """
    Return the objects of a dataflow, each after those that it needs.

    :raises AepConfigError: a base connection or a schema that should be there is not.
    """
    return list(_chain(spec, checked, sandbox))


def _chain(spec: DataflowSpec, checked: Checked, sandbox: Sandbox) -> Iterator[Node]:
    client, facts, system = sandbox.client, sandbox.facts, connector(spec.source)
    description = spec.description
    base: dict[str, Key] = {}
    base_given: dict[str, str] = {}
    if spec.source_conn_id:
        base = {BaseConnection.kind: (BaseConnection.kind, spec.base_name)}
        yield Node(
            BaseConnection,
            base[BaseConnection.kind],
            lambda _: BaseConnection(
                client, name=spec.base_name, connector=system, credentials=sandbox.credentials(spec)
            ),
        )
    else:
        base_given = {BaseConnection.kind: existing_base(spec, sandbox.inventory)}
    source_name = spec.names.source_connection or spec.name
    source: Key = (SourceConnection.kind, source_name)
    yield Node(
        SourceConnection,
        source,
        lambda ids: SourceConnection(
            client,
            name=source_name,
            connector=system,
            base_connection_id=ids[BaseConnection.kind],
            table=spec.table,
            columns=checked.columns,
            description=description,
        ),
        base,
        base_given,
    )

    choice = spec.schema_choice()
    schema: dict[str, Key] = {}
    schema_given: dict[str, str] = {}
    if choice.existing:
        schema_given = {Schema.kind: existing_schema(choice.existing, sandbox)}
    else:
        class_id, groups = choice.parts()
        group: dict[str, Key] = {}
        if choice.derive:
            group = {DerivedFieldGroup.kind: (DerivedFieldGroup.kind, choice.group_title)}
            fields = choice.derived(facts.tenant(), spec.table, checked.columns)
            assert fields is not None  # noqa: S101  the choice derives
            yield Node(
                DerivedFieldGroup,
                group[DerivedFieldGroup.kind],
                lambda _: DerivedFieldGroup(client, title=choice.group_title, class_id=class_id, fields=fields),
            )
        schema = {Schema.kind: (Schema.kind, str(choice.title))}
        yield Node(
            Schema,
            schema[Schema.kind],
            lambda ids: Schema(
                client, title=str(choice.title), class_id=class_id, field_groups=[*groups, *ids.values()]
            ),
            group,
        )
    dataset: Key = (Dataset.kind, spec.dataset)
    yield Node(
        Dataset,
        dataset,
        lambda ids: Dataset(client, name=spec.dataset, schema_id=ids[Schema.kind]),
        schema,
        schema_given,
    )
    target_name = spec.names.target_connection or spec.name
    target: Key = (TargetConnection.kind, target_name)
    yield Node(
        TargetConnection,
        target,
        lambda ids: TargetConnection(
            client,
            name=target_name,
            dataset_id=ids[Dataset.kind],
            schema_id=ids[Schema.kind],
            description=description,
        ),
        {Dataset.kind: dataset, **schema},
        schema_given,
    )
    mapping: Key = (MappingSet.kind, spec.name)
    yield Node(
        MappingSet,
        mapping,
        lambda ids: MappingSet(client, schema_id=ids[Schema.kind], mappings=checked.mappings),
        schema,
        schema_given,
    )
    yield Node(
        Flow,
        (Flow.kind, spec.name),
        lambda ids: Flow(client, _definition(spec, ids, sandbox.inventory), facts.flow_spec(), parts_are_known=True),
        {SourceConnection.kind: source, TargetConnection.kind: target, MappingSet.kind: mapping},
    )


def existing_base(spec: DataflowSpec, inventory: Inventory) -> str:
    """
    Return the id of the base connection that a dataflow names and that others made.

    :raises AepConfigError: there is none of the name, or more than one.
    """
    found = inventory.named(BaseConnection, spec.base_name)
    if len(found) == 1:
        return str(found[0]["id"])
    if found:
        ids = ", ".join(sorted(str(one["id"]) for one in found))
        raise AepConfigError(f"There are {len(found)} base connections {spec.base_name!r} ({ids}): rename all but one.")
    names = [str(one.get("name")) for one in inventory.documents[BaseConnection]]
    raise AepConfigError(
        f"There is no base connection {spec.base_name!r} in the sandbox.{nearest(spec.base_name, names)} To have it made, give "
        "source_conn_id."
    )


def existing_schema(title_or_id: str, sandbox: Sandbox) -> str:
    """
    Return the ``$id`` of a schema that others made, from the listing if it is there.

    :raises AepConfigError: there is none.
    """
    if sandbox.inventory.by_id(Schema, title_or_id):
        return title_or_id
    found = sandbox.inventory.named(Schema, title_or_id)
    return str(found[0]["$id"]) if found else sandbox.facts.existing_schema(title_or_id)


def flow_of(spec: DataflowSpec, inventory: Inventory) -> Document | None:
    """Return the flow that bears the dataflow's name; None where there is none, or it is not clear which one is meant."""
    found = inventory.named(Flow, spec.name)
    marks = {read_mark(one.get("description")) for one in found}
    if len(found) > 1 and (None in marks or len(marks) > 1):
        return None
    return min(found, key=lambda one: (one.get("createdAt") or 0, str(one["id"])), default=None)


def was_replaced(spec: DataflowSpec, inventory: Inventory) -> bool:
    """Whether a flow of the dataflow gave way to another, which need not be there yet."""
    return any(one.name != spec.name for one in generations(inventory.documents[Flow], spec.name))


def mapping_of(flow: Document, sandbox: Sandbox) -> Document | None:
    """Return the mapping set that a flow uses, in the version that it uses."""
    set_id, version = _mapping_used(flow)
    if set_id is None:
        return None
    listed = sandbox.inventory.by_id(MappingSet, set_id)
    if listed and listed.get("mappings") and int(listed.get("version") or 0) == version:
        return listed
    return sandbox.facts.once(
        ("mapping set", set_id, str(version)), lambda: mapping_set.read(sandbox.client, set_id, version)
    )


def _mapping_used(flow: Document) -> tuple[str | None, int]:
    for part in flow.get("transformations") or []:
        if part.get("name") == "Mapping":
            params = part.get("params") or {}
            return params.get("mappingId"), int(params.get("mappingVersion") or 0)
    return None, 0


def _start(spec: DataflowSpec, inventory: Inventory) -> int | None:
    """A flow that takes another's place begins when it is made, where the start that is declared was that of the old one."""
    start = spec.recurrence.start if spec.recurrence else None
    if start is None:
        return None
    passed = start.timestamp() <= time.time() + START_MARGIN_SECONDS
    if passed and (inventory.named(Flow, spec.name) or was_replaced(spec, inventory)):
        return None
    return int(start.timestamp())


def _definition(spec: DataflowSpec, ids: Ids, inventory: Inventory) -> FlowDefinition:
    recurrence = spec.recurrence
    mapping_id = ids[MappingSet.kind]
    there = flow_of(spec, inventory)
    used, version = _mapping_used(there) if there else (None, 0)
    delta_format = connector(spec.source).date_format if spec.delta_format is None else spec.delta_format
    return FlowDefinition(
        name=spec.name,
        source_connection_id=ids[SourceConnection.kind],
        target_connection_id=ids[TargetConnection.kind],
        mapping_set_id=mapping_id,
        mapping_version=version if used == mapping_id else 0,
        frequency=recurrence.frequency if recurrence else spec.load,
        interval=recurrence.interval if recurrence else None,
        backfill=recurrence.backfill if recurrence else None,
        start_time=_start(spec, inventory),
        delta_column=spec.delta_column,
        delta_format=delta_format or None,
        delta_timezone=spec.delta_timezone,
        partial_ingestion_percent=spec.policy.partial_ingestion_percent,
        error_diagnostics=spec.policy.error_diagnostics,
        description=spec.description,
        declaration=spec.digest(),
        says_all=says_all(spec),
        enabled=spec.enabled,
    )


def says_all(spec: DataflowSpec) -> bool:
    """Whether nothing of a dataflow has to be known from the declaration that it was made from."""
    columns = spec.columns
    return columns is not None and all(isinstance(one, dict) for one in columns) and isinstance(spec.mapping, list)
