"""Connection specifications and flow specifications, listed and looked up."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from aep_local.core.problems import not_found
from aep_local.core.specs import CONNECTION_SPECS, FLOW_SPECS
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
    return listing.fixed(request, services, listing.Listed("connectionSpecs"), CONNECTION_SPECS)


@router.get(f"{FLOW_SERVICE}/connectionSpecs/{{id}}")
def get_connection_spec(id: str, caller: CallerDep) -> Response:
    """One connection specification."""
    return _one(caller, CONNECTION_SPECS, "connectionSpecs", id)


@router.get(f"{FLOW_SERVICE}/flowSpecs")
def list_flow_specs(request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """Every flow specification."""
    caller.require("sources", "read")
    return listing.fixed(request, services, listing.Listed("flowSpecs"), FLOW_SPECS)


@router.get(f"{FLOW_SERVICE}/flowSpecs/{{id}}")
def get_flow_spec(id: str, caller: CallerDep) -> Response:
    """One flow specification."""
    return _one(caller, FLOW_SPECS, "flowSpecs", id)


def _one(caller: CallerDep, specs: tuple[Document, ...], kind: str, id: str) -> Response:
    caller.require("sources", "read")
    spec = next((each for each in specs if each["id"] == id), None)
    if spec is None:
        raise not_found(kind, id[:100])
    return JSONResponse({"items": [spec]})
