"""Target connections: the dataset in the data lake where rows land."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from aep_local.core import holdings
from aep_local.core.problems import connector
from aep_local.core.specs import DATA_LAKE
from aep_local.core.store import Document
from aep_local.flow_service import common, flow_rules, lists, names
from aep_local.web import documents, listing
from aep_local.web.bodies import FLOW_SERVICE
from aep_local.web.gateway import Caller, CallerDep, JsonBody
from aep_local.web.services import Services, ServicesDep

router = APIRouter()
KIND = "targetConnections"
_PATH = f"{FLOW_SERVICE}/{KIND}"
_FORMAT = "parquet_xdm"


@router.post(_PATH)
def create(body: JsonBody, caller: CallerDep, services: ServicesDep, mode: str | None = None) -> Response:
    """A new target connection to a dataset that exists."""
    caller.require("sources", "write")
    documents.no_drafts(mode)
    body = documents.as_object(body)
    fields = {"name": documents.text(body, "name"), **documents.optional_text(body, "description")}
    spec = body.get("connectionSpec")
    if not isinstance(spec, dict) or spec.get("id") != DATA_LAKE:
        raise connector(1307, f"Target connection spec must be {DATA_LAKE}")
    fields |= {
        "state": "enabled",
        **_data(body),
        "connectionSpec": {"id": DATA_LAKE, "version": "1.0"},
        "params": _params(body.get("params"), caller, services),
        "inheritedAttributes": {},
    }
    with services.store.transaction():
        names.refuse_taken(services, caller, KIND, fields)
        doc = documents.new(caller, services.clock, fields)
        services.store.insert(KIND, doc["id"], caller.scope, doc)
    return documents.created(KIND, doc)


@router.get(_PATH)
def list_all(request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """Target connections."""
    caller.require("sources", "read")
    return listing.stored(request, services, caller, lists.TARGET_CONNECTIONS)


@router.get(_PATH + "/{id}")
def get(id: str, caller: CallerDep, services: ServicesDep) -> Response:
    """One target connection."""
    caller.require("sources", "read")
    return documents.one(documents.found(services, caller, KIND, id))


@router.patch(_PATH + "/{id}")
def patch(id: str, request: Request, body: JsonBody, caller: CallerDep, services: ServicesDep) -> Response:
    """Change a target connection; a flow that uses it already does not notice."""
    caller.require("sources", "write")
    with services.store.transaction():
        _, changed = common.patched(request, body, caller, services, kind=KIND, id=id, more=("params", "data"))
        _data(changed)
        _params(changed.get("params"), caller, services)
        documents.touch(changed, services.clock, caller)
        services.store.put(KIND, id, caller.scope, changed)
    return documents.changed(changed)


@router.delete(_PATH + "/{id}")
def delete(id: str, caller: CallerDep, services: ServicesDep) -> Response:
    """Remove a target connection that no flow uses; dataset and data stay."""
    caller.require("sources", "write")
    with services.store.transaction():
        documents.found(services, caller, KIND, id)
        common.refuse_if_used(services, caller, KIND, "targetConnectionIds", id)
        services.store.delete(KIND, id, caller.scope)
    return Response(status_code=204)


def _data(body: Document) -> Document:
    data = body.get("data")
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise documents.missing("data")
    if data.get("format", _FORMAT) != _FORMAT:
        raise connector(1327, f"data.format is not supported; the data lake takes {_FORMAT}")
    return {"data": data}


def _params(params: Any, caller: Caller, services: Services) -> Document:
    dataset_id = params.get("dataSetId") if isinstance(params, dict) else None
    if not isinstance(dataset_id, str) or not dataset_id:
        raise connector(1325, "dataSetId is missing in the target connection's params")
    flow_rules.refuse_too_new(services, caller, holdings.DATASETS, dataset_id)
    if holdings.dataset(services.store, caller.scope, dataset_id) is None:
        raise connector(1325, f"dataSetId {dataset_id[:100]} is not the id of a dataset")
    return dict(params)
