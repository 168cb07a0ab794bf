"""``POST …/search``: a list request with its query in the body, for filters that would not fit into a URL.

What ``queryString`` holds is not published; here it is the query of the list request (``property=name==A&property=…``).
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from aep_local.core.problems import not_found
from aep_local.flow_service import lists
from aep_local.web import documents, listing
from aep_local.web.bodies import FLOW_SERVICE
from aep_local.web.gateway import CallerDep, JsonBody
from aep_local.web.services import ServicesDep

router = APIRouter()
_SHOWN_AS_STORED = {each.kind: each for each in (lists.SOURCE_CONNECTIONS, lists.TARGET_CONNECTIONS, lists.FLOWS)}
_SHOWN_BY_SWITCHES = {"connections": lists.connections, "runs": lists.runs}


@router.post(f"{FLOW_SERVICE}/{{kind}}/search")
def search(kind: str, request: Request, body: JsonBody, caller: CallerDep, services: ServicesDep) -> Response:
    """A page of the objects of one kind, at most 1000."""
    caller.require("sources", "read")
    body = documents.as_object(body)
    fixed = {"connectionSpecs": services.specs.connections, "flowSpecs": services.specs.flows}.get(kind)
    if fixed is not None:
        return listing.searched_fixed(request, body, services, listing.Listed(kind), fixed)
    by_switches = _SHOWN_BY_SWITCHES.get(kind)
    listed = by_switches(services) if by_switches else _SHOWN_AS_STORED.get(kind)
    if listed is None:
        raise not_found(kind[:50], "search")
    return listing.searched(request, body, services, caller, listed)
