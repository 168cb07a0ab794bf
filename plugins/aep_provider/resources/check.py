"""The look before the first step: everything that can be wrong is said before anything but the base connection is made."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepConfigError
from aep_provider.resources import connection, flow, flow_service
from aep_provider.resources.columns import Column, check_delta_column, choose_columns
from aep_provider.resources.connectors import Connector
from aep_provider.resources.facts import Facts
from aep_provider.resources.mapping import NormalMapping, check_mappings, derive_mappings, normal_mappings
from aep_provider.resources.names import check_name
from aep_provider.resources.schedule import Frequency, check_schedule, check_start
from aep_provider.resources.target import SchemaChoice

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient


@dataclass(frozen=True)
class DataflowRequest:
    """What somebody wants, before it is known whether it can be had."""

    name: str
    connector: Connector
    table: str
    schema: SchemaChoice
    columns: Sequence[Any] | None = None
    """Names or columns in AEP's form; None takes all."""
    mappings: Sequence[object] | None = None
    """In either dialect of AEP; None derives them."""
    frequency: str = Frequency.ONE_TIME
    interval: int | None = None
    backfill: bool | None = None
    delta_column: str | None = None
    start_time: int | None = None
    """Epoch seconds."""
    further_names: dict[str, str] = field(default_factory=dict)
    """Other names to be given, by what they are for."""


@dataclass(frozen=True)
class Checked:
    """What the check settled, for the steps that follow."""

    columns: list[Column]
    mappings: list[NormalMapping]
    types: dict[str, str] = field(default_factory=dict)
    """What the fields hold that are mapped to, by path, as far as the schema was read."""


def check_request(request: DataflowRequest) -> None:
    """
    Check what needs no answer from AEP.

    :raises AepConfigError: for names, schedule and schema that cannot be.
    """
    if not request.table:
        raise AepConfigError("No table is named: say which one of the source system to take.")
    check_name(request.name, "name of the dataflow")
    for what, name in request.further_names.items():
        check_name(name, what)
    check_schedule(request.frequency, request.interval, request.backfill, request.delta_column)
    request.schema.check()
    if request.mappings is not None:
        normal_mappings(request.mappings)


def check_dataflow(facts: Facts, request: DataflowRequest, base_connection_id: str) -> Checked:
    """
    Check everything, creating nothing, and settle columns and mappings.

    Each service is asked once, so that a permission that is missing shows here and not after half of the chain. What does
    not depend on each other is asked side by side, and judged in a fixed order.

    :raises AepConfigError: what the user gave cannot be.
    :raises AepPermissionError: a service may not even be read.
    """
    check_request(request)
    client, table = facts.client, request.table
    with ThreadPoolExecutor(max_workers=7, thread_name_prefix="aep-check") as pool:
        spec = pool.submit(facts.flow_spec)
        readable = [pool.submit(facts.datasets_are_readable), pool.submit(facts.mapping_sets_are_readable)]
        tenant = pool.submit(facts.tenant)
        let_in = pool.submit(facts.source_lets_in, base_connection_id)
        tables = pool.submit(facts.tables, base_connection_id)
        reported = pool.submit(connection.table_columns, client, base_connection_id, table)
        spec.result().serve(request.connector)
        for answer in readable:
            answer.result()
        tenant.result()
        let_in.result()
        connection.check_table(table, tables.result())
        columns = choose_columns(reported.result(), request.columns, table)
    if request.delta_column:
        check_delta_column(columns, request.delta_column)
    _check_start(client, request)

    derived = request.schema.derived(tenant.result(), table, columns)
    fields = request.schema.fields(facts, derived)
    if request.mappings is None:
        mappings = derive_mappings(columns, fields, derived.paths() if derived else {})
    else:
        mappings = normal_mappings(request.mappings, tenant.result())
    check_mappings(mappings, columns, fields, request.schema.in_words)
    held = {path: fields.get(path) or {} for path in (one["destination"] for one in mappings)}
    types = {path: str(each.get("format") or each.get("type") or "") for path, each in held.items()}
    return Checked(columns, mappings, types)


def _check_start(client: AepClient, request: DataflowRequest) -> None:
    """A start time that has passed is no mistake when the flow is there already."""
    if request.start_time is None:
        return
    try:
        check_start(request.start_time, time.time())
    except AepConfigError:
        if not any(flow_service.named(client, flow.COLLECTION, request.name)):
            raise
