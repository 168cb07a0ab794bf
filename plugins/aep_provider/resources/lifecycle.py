"""Taking a flow down, in the order that AEP demands."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepConfigError, AepInvalidRequestError, AepNotFoundError
from aep_provider.platform.paging import flow_service_items
from aep_provider.resources import connection, flow, flow_service
from aep_provider.resources.ensure import Memory, NoMemory
from aep_provider.resources.shapes import relied_on
from aep_provider.resources.source_connection import SourceConnection
from aep_provider.resources.target_connection import TargetConnection

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

log = logging.getLogger(__name__)

_IN_USE = 1418


@dataclass
class Deleted:
    """What was deleted, and what was left because something else needs it: pairs of kind and id."""

    deleted: list[tuple[str, str]] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)


def delete_flow(
    client: AepClient,
    flow_id: str,
    *,
    with_connections: bool = True,
    with_base_connection: bool = False,
    memory: Memory | None = None,
) -> Deleted:
    """
    Delete a flow, then its source and target connection, then its base connection, as far as asked for.

    A connection that another flow uses stays. Datasets, schemas and rows are never touched. What is gone already is no
    error.

    :param memory: keeps what the flow led to before it is deleted, so that a deletion that was interrupted can be ended.
    :raises AepConfigError: the base connection was to go too, but other flows use it; nothing is deleted then.
    """
    done = Deleted()
    memory = memory or NoMemory()
    leads_to = memory.recall()
    if not leads_to or leads_to.get("flow") != flow_id:
        try:
            leads_to = _leads_to(client, flow_id)
        except AepNotFoundError:
            log.info("There is no flow %s any more", flow_id)
            return done
    bases = leads_to["bases"] if with_base_connection else []
    for base in bases:
        _refuse_shared(client, base, {flow_id})
    memory.remember(leads_to)

    _delete(client, done, flow.Flow.kind, flow.COLLECTION, flow_id)
    if with_connections or with_base_connection:
        for resource, ids in ((SourceConnection, leads_to["sources"]), (TargetConnection, leads_to["targets"])):
            for one in ids:
                if any(_flows_of(client, resource.collection, one)):
                    done.left.append((resource.kind, one))
                    continue
                try:
                    _delete(client, done, resource.kind, resource.collection, one)
                except AepInvalidRequestError as error:
                    # A flow that uses it may be too new for lists to show it.
                    if error.number != _IN_USE:
                        raise
                    done.left.append((resource.kind, one))
    for base in bases:
        _delete(client, done, connection.BaseConnection.kind, connection.COLLECTION, base)
    return done


def _leads_to(client: AepClient, flow_id: str) -> dict[str, Any]:
    document = flow_service.read(client, flow.COLLECTION, flow_id)
    sources = [str(one) for one in document.get("sourceConnectionIds") or []]
    found = (_base_of(client, one) for one in sources)
    return {
        "flow": flow_id,
        "sources": sources,
        "targets": [str(one) for one in document.get("targetConnectionIds") or []],
        "bases": sorted({str(base) for base in found if base}),
    }


def _base_of(client: AepClient, source_connection_id: str) -> object:
    try:
        return flow_service.read(client, SourceConnection.collection, source_connection_id).get("baseConnectionId")
    except AepNotFoundError:
        return None


def _delete(client: AepClient, done: Deleted, kind: str, collection: str, object_id: str) -> None:
    if flow_service.delete(client, collection, object_id):
        log.info("Deleted the %s %s", kind, object_id)
        done.deleted.append((kind, object_id))


def _flows_of(client: AepClient, collection: str, connection_id: str) -> Iterator[str]:
    """Yield the flows that use a source or target connection."""
    member = "sourceConnectionIds" if collection == SourceConnection.collection else "targetConnectionIds"
    filters = [("property", f"{member}[]=={connection_id}")]
    for item in flow_service_items(client, flow_service.path_of(flow.COLLECTION), filters):
        if connection_id in (relied_on(item, flow.COLLECTION).get(member) or []):
            yield str(item["id"])


def _refuse_shared(client: AepClient, base: str, going: set[str]) -> None:
    """AEP refuses to delete a base connection in use (1418); said before anything is gone."""
    filters = [("property", f"baseConnectionId=={base}")]
    users = flow_service_items(client, flow_service.path_of(SourceConnection.collection), filters)
    ids = [str(relied_on(item, SourceConnection.collection)["id"]) for item in users]
    others = {flow_id for one in ids for flow_id in _flows_of(client, SourceConnection.collection, one)}
    if others - going:
        raise AepConfigError(
            f"The base connection {base} is used by {len(others - going)} other flows, for example "
            f"{min(others - going)}: delete those first, or keep the base connection (AEP would answer 1418)."
        )
