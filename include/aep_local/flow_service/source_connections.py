"""Source connections: which table of a base connection, and which of its columns."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from aep_local.core.problems import connector, flow_service
from aep_local.core.store import Document
from aep_local.flow_service import common, connections, lists, names
from aep_local.web import documents, listing
from aep_local.web.bodies import FLOW_SERVICE
from aep_local.web.gateway import Caller, CallerDep, JsonBody
from aep_local.web.services import Services, ServicesDep

router = APIRouter()
KIND = "sourceConnections"
_PATH = f"{FLOW_SERVICE}/{KIND}"


@router.post(_PATH)
def create(body: JsonBody, caller: CallerDep, services: ServicesDep, mode: str | None = None) -> Response:
    """A new source connection; whether the table is there is seen when a flow uses it."""
    caller.require("sources", "write")
    documents.no_drafts(mode)
    body = documents.as_object(body)
    fields = {"name": documents.text(body, "name"), **documents.optional_text(body, "description")}
    with services.store.transaction():
        names.refuse_taken(services, caller, KIND, fields)
        base = _base(body, caller, services)
        fields |= {
            "baseConnectionId": base["id"],
            "state": "enabled",
            "data": _data(body),
            "connectionSpec": base["connectionSpec"],
            "params": _params(body.get("params")),
            "inheritedAttributes": {"baseConnection": {"id": base["id"], "connectionSpec": base["connectionSpec"]}},
        }
        doc = documents.new(caller, services.clock, fields)
        services.store.insert(KIND, doc["id"], caller.scope, doc, ref=base["id"])
    return documents.created(KIND, doc)


@router.get(_PATH)
def list_all(request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """Source connections."""
    caller.require("sources", "read")
    return listing.stored(request, services, caller, lists.SOURCE_CONNECTIONS)


@router.get(_PATH + "/{id}")
def get(id: str, caller: CallerDep, services: ServicesDep) -> Response:
    """One source connection."""
    caller.require("sources", "read")
    return documents.one(documents.found(services, caller, KIND, id))


@router.patch(_PATH + "/{id}")
def patch(id: str, request: Request, body: JsonBody, caller: CallerDep, services: ServicesDep) -> Response:
    """Change a source connection; a flow that uses it already does not notice."""
    caller.require("sources", "write")
    with services.store.transaction():
        _, changed = common.patched(request, body, caller, services, kind=KIND, id=id, more=("params", "data"))
        changed["data"], changed["params"] = _data(changed), _params(changed.get("params"))
        documents.touch(changed, services.clock, caller)
        services.store.put(KIND, id, caller.scope, changed)
    return documents.changed(changed)


@router.delete(_PATH + "/{id}")
def delete(id: str, caller: CallerDep, services: ServicesDep) -> Response:
    """Remove a source connection that no flow uses."""
    caller.require("sources", "write")
    with services.store.transaction():
        documents.found(services, caller, KIND, id)
        common.refuse_if_used(services, caller, KIND, "sourceConnectionIds", id)
        services.store.delete(KIND, id, caller.scope)
    return Response(status_code=204)


def _base(body: Document, caller: Caller, services: Services) -> Document:
    given = body.get("connectionSpec")
    spec = services.specs.connection(given.get("id")) if isinstance(given, dict) else None
    if spec is None or "sourceSpec" not in spec:
        raise flow_service(1413, 400, "connectionSpec.id is not the id of a source's connection specification")
    documents.text(body, "baseConnectionId")
    base = documents.referenced(services, caller, connections.KIND, body["baseConnectionId"])
    if base["connectionSpec"]["id"] != spec["id"]:
        raise flow_service(1413, 400, "connectionSpec.id differs from the base connection's")
    return base


def _data(body: Document) -> Document:
    data = body.get("data")
    if not isinstance(data, dict):
        raise documents.missing("data")
    if data.get("format") != "tabular":
        raise connector(1327, "data.format is not supported; this source takes tabular")
    return data


def _params(params: Any) -> Document:
    if not isinstance(params, dict):
        raise documents.missing("params")
    documents.text({"params": params}, "params", "tableName")
    columns = params.get("columns", [])
    if not isinstance(columns, list) or ("columns" in params and not columns):
        raise documents.missing("params.columns")
    if "filters" in params:
        # nothing here evaluates them, and unfiltered rows would be wrong rows
        raise connector(1349, "Filters at the source are not supported by this source")
    for column in columns:
        if not isinstance(column, dict):
            raise documents.missing("params.columns")
        documents.text(column, "name")
        documents.text(column, "type")
    return params
