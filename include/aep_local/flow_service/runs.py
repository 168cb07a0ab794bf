"""Flow runs as answers show them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from aep_local.core.problems import connector
from aep_local.web import documents, listing
from aep_local.web.bodies import FLOW_SERVICE
from aep_local.web.gateway import CallerDep, JsonBody
from aep_local.web.services import ServicesDep

router = APIRouter()
KIND = "runs"
_PATH = f"{FLOW_SERVICE}/{KIND}"
_LISTED = listing.Listed(KIND, ref="flowId", aliases={"state": "metrics.statusSummary.status"})


@router.get(_PATH)
def list_all(request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """Runs, the newest first; usually filtered by ``flowId``."""
    caller.require("sources", "read")
    return listing.stored(request, services, caller, _LISTED)


@router.get(_PATH + "/{id}")
def get(id: str, caller: CallerDep, services: ServicesDep) -> Response:
    """One run, wrapped in ``items``."""
    caller.require("sources", "read")
    return documents.one(documents.found(services, caller, KIND, id))


@router.post(_PATH)
def create(body: JsonBody, caller: CallerDep) -> Response:
    """Refused: the connectors served here take no on-demand runs."""
    caller.require("sources", "write")
    documents.as_object(body)
    raise connector(1385, "On-demand runs are not supported by this connector")


@router.post(_PATH + "/{id}/action")
def act(id: str, caller: CallerDep, services: ServicesDep, op: str = "") -> Response:
    """Refused: the connectors served here repeat no runs."""
    caller.require("sources", "write")
    documents.found(services, caller, KIND, id)
    raise connector(1401, f"Run action {op[:50]} is not supported by this connector")
