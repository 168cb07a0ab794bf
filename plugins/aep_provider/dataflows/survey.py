"""What is read before a plan: the sandbox, and of a source system no more than cannot be known without it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aep_provider.dataflows.chain import Sandbox, flow_of, mapping_of, was_replaced
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.resources.authentication import SourceLogin
from aep_provider.resources.check import Checked, DataflowRequest, check_dataflow
from aep_provider.resources.columns import Column, column_names
from aep_provider.resources.connectors import connector
from aep_provider.resources.facts import Facts
from aep_provider.resources.fingerprint import read_declaration
from aep_provider.resources.inventory import Inventory
from aep_provider.resources.mapping import NormalMapping, normal_mappings
from aep_provider.resources.resource import Document
from aep_provider.resources.schema import DerivedFieldGroup, Schema
from aep_provider.resources.source_connection import SourceConnection

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

_TENANT = re.compile(r"https://ns\.adobe\.com/([^/]+)/(?:schemas|mixins|fieldgroups)/[0-9a-f]+")
_UNKNOWN = "(known once the base connection is there)"


@dataclass(frozen=True)
class Surveyed:
    """
    A dataflow, with its columns and mappings.

    :param checked: what there is to compare with.
    :param asked: whether the source system was asked, and everything checked.
    :param certain: whether they are the right ones; otherwise they stand in for what only the source system knows.
    """

    spec: DataflowSpec
    checked: Checked
    asked: bool
    certain: bool


def look_around(client: AepClient, source_login: Callable[[str], SourceLogin]) -> Sandbox:
    """
    Read what the sandbox holds.

    :raises AepPermissionError: something may not be read.
    """
    inventory, facts = Inventory.read(client), Facts(client)
    # What the listings have shown need not be asked again.
    facts.once(("datasets",), lambda: None)
    facts.once(("mapping_sets",), lambda: None)
    tenant = _tenant(inventory)
    if tenant:
        facts.once(("tenant",), lambda: tenant)
    return Sandbox(client, facts, inventory, source_login)


def from_aep(spec: DataflowSpec, sandbox: Sandbox) -> Surveyed:
    """
    Return a dataflow with the columns and mappings that AEP holds of it.

    They are certain where the declaration names them itself, or is the very one from which the flow was made.
    """
    flow = flow_of(spec, sandbox.inventory)
    same = flow is not None and read_declaration(flow.get("description")) == spec.digest()
    there = _columns_there(spec, flow, sandbox.inventory)
    columns = _columns(spec, there, same=same)
    mappings = _mappings(spec, flow if same else None, sandbox)
    placeholders: list[Column] = [{"name": spec.delta_column or _UNKNOWN}]
    stand_in: NormalMapping = {"sourceType": "ATTRIBUTE", "source": _UNKNOWN, "destination": _UNKNOWN}
    return Surveyed(
        spec,
        Checked(placeholders if columns is None else columns, mappings or [stand_in]),
        asked=False,
        certain=columns is not None and mappings is not None,
    )


def from_source(spec: DataflowSpec, sandbox: Sandbox, base_connection_id: str) -> Surveyed:
    """
    Return a dataflow with the columns that the source system has, everything checked.

    :raises AepConfigError: what was declared cannot be.
    """
    request = request_of(spec)
    if request.start_time and was_replaced(spec, sandbox.inventory):
        request = replace(request, start_time=None)
    checked = check_dataflow(sandbox.facts, request, base_connection_id)
    if spec.columns == []:
        checked = replace(checked, columns=[])
    return Surveyed(spec, checked, asked=True, certain=True)


def request_of(spec: DataflowSpec) -> DataflowRequest:
    """Return what has to be checked of a dataflow."""
    recurrence = spec.recurrence
    return DataflowRequest(
        name=spec.name,
        connector=connector(spec.source),
        table=spec.table,
        schema=spec.schema_choice(),
        columns=spec.columns or None,
        mappings=spec.mapping if isinstance(spec.mapping, list) else None,
        frequency=recurrence.frequency if recurrence else spec.load,
        interval=recurrence.interval if recurrence else None,
        backfill=recurrence.backfill if recurrence else None,
        delta_column=spec.delta_column,
        start_time=int(recurrence.start.timestamp()) if recurrence and recurrence.start else None,
        further_names={"name of the dataset": spec.dataset},
    )


def _columns_there(spec: DataflowSpec, flow: Document | None, inventory: Inventory) -> list[Column]:
    used = (flow or {}).get("sourceConnectionIds") or []
    source = inventory.by_id(SourceConnection, used[0]) if used else None
    if source is None:
        named = inventory.named(SourceConnection, spec.names.source_connection or spec.name)
        source = named[0] if len(named) == 1 else {}
    return list((source.get("params") or {}).get("columns") or [])


def _columns(spec: DataflowSpec, there: list[Column], *, same: bool) -> list[Column] | None:
    if spec.columns is None:
        return there if same else None
    by_name = dict(zip(column_names(there), there, strict=True))
    chosen = [by_name.get(one) if isinstance(one, str) else one for one in spec.columns]
    return None if any(one is None for one in chosen) else [one for one in chosen if one is not None]


def _mappings(spec: DataflowSpec, same_flow: Document | None, sandbox: Sandbox) -> list[NormalMapping] | None:
    if isinstance(spec.mapping, list):
        return normal_mappings(spec.mapping, sandbox.facts.tenant())
    used = mapping_of(same_flow, sandbox) if same_flow else None
    return normal_mappings(used["mappings"]) if used else None


def _tenant(inventory: Inventory) -> str | None:
    """The organisation's name stands in the ids of its own schemas and field groups."""
    for kind in (Schema, DerivedFieldGroup):
        for document in inventory.documents[kind]:
            found = _TENANT.fullmatch(str(document.get("$id")))
            if found:
                return found[1]
    return None
