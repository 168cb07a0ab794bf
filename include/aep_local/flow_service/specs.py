"""Connection specifications and flow specifications, listed and looked up."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from aep_local.core.problems import not_found
from aep_local.core.store import Document
from aep_local.web import listing
from aep_local.web.bodies import FLOW_SERVICE
from aep_local.web.gateway import CallerDep
from aep_local.web.services import ServicesDep

router = APIRouter()


@router.get(f"{FLOW_SERVICE}/connectionSpecs")
def list_connection_specs(request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """Every connection specification."""
    caller.require("sources", "read")
    return listing.fixed(request, services, listing.Listed("connectionSpecs"), services.specs.connections)


@router.get(f"{FLOW_SERVICE}/connectionSpecs/{{id}}")
def get_connection_spec(id: str, caller: CallerDep, services: ServicesDep) -> Response:
    """One connection specification."""
    caller.require("sources", "read")
    return _one(services.specs.connection(id), "connectionSpecs", id)


@router.get(f"{FLOW_SERVICE}/flowSpecs")
def list_flow_specs(request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """Every flow specification."""
    caller.require("sources", "read")
    return listing.fixed(request, services, listing.Listed("flowSpecs"), services.specs.flows)


@router.get(f"{FLOW_SERVICE}/flowSpecs/{{id}}")
def get_flow_spec(id: str, caller: CallerDep, services: ServicesDep) -> Response:
    """One flow specification."""
    caller.require("sources", "read")
    return _one(services.specs.flow(id), "flowSpecs", id)


def _one(spec: Document | None, kind: str, id: str) -> Response:
    if spec is None:
        raise not_found(kind, id[:100])
    return JSONResponse({"items": [spec]})
