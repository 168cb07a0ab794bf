"""Flow runs: listed and looked up, posted on demand, and done again."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from aep_local.core.documents import INTERNAL
from aep_local.core.problems import connector, flow_service
from aep_local.core.store import Document
from aep_local.flow_service import lists, run_rules
from aep_local.web import documents, listing
from aep_local.web.bodies import FLOW_SERVICE
from aep_local.web.gateway import Caller, CallerDep, JsonBody
from aep_local.web.services import Services, ServicesDep

router = APIRouter()
KIND = "runs"
_PATH = f"{FLOW_SERVICE}/{KIND}"


@router.get(_PATH)
def list_all(request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """Runs, the newest first; usually filtered by ``flowId``."""
    caller.require("sources", "read")
    return listing.stored(request, services, caller, lists.runs(services))


@router.get(_PATH + "/{id}")
def get(id: str, caller: CallerDep, services: ServicesDep) -> Response:
    """One run, wrapped in ``items``."""
    caller.require("sources", "read")
    return JSONResponse({"items": [lists.run_shown(documents.found(services, caller, KIND, id), services)]})


@router.post(_PATH)
def create(body: JsonBody, caller: CallerDep, services: ServicesDep) -> Response:
    """A run of a flow of frequency once over a window. Two equal requests are two runs."""
    caller.require("sources", "write")
    posted = run_rules.read(documents.as_object(body))
    with services.store.transaction():
        flow = run_rules.flow_to_run(services, caller, posted)
        delta = run_rules.delta_to_use(flow, posted.delta)
        _write_delta(flow, delta, caller, services)
        run = services.engine.start_run(
            caller.scope,
            flow,
            start_ms=posted.window_start * 1000,
            end_ms=posted.window_end * 1000,
            delta=delta,
            params=posted.params,
            edges=services.settings.assume.window_edges,
            begin_ms=(posted.start or 0) * 1000,
        )
    services.engine.wake()
    return _answer(run, services)


@router.put(_PATH + "/{id}")
def replace_one(id: str, _body: JsonBody, caller: CallerDep, services: ServicesDep) -> Response:
    """Refused: only the provider of a source writes runs."""
    caller.require("sources", "write")
    documents.found(services, caller, KIND, id)
    raise flow_service(1427, 400, "a flow run cannot be created or updated with a user token", id=id, kind=KIND)


@router.post(_PATH + "/{id}/action")
def act(id: str, caller: CallerDep, services: ServicesDep, op: str = "") -> Response:
    """Do a run again, over the same window; the run that it repeats stays as it is."""
    caller.require("sources", "write")
    with services.store.transaction():
        run = documents.found(services, caller, KIND, id)
        if op.lower().replace("_", "-") != "re-trigger":
            raise connector(1401, f"Run action {op[:50]} is not supported; use re-trigger")
        flow = run_rules.flow_to_run_again(services, caller, run)
        window = run[INTERNAL]["window"]
        again = services.engine.start_run(
            caller.scope,
            flow,
            start_ms=window["startMs"],
            end_ms=window["endMs"],
            delta=run[INTERNAL]["delta"],
            params=run.get("params"),
            include_null=window["includeNull"],
            edges=window["edges"],
            begin_ms=0,
            retrigger_of=id,
        )
    services.engine.wake()
    return documents.changed(again)


def _write_delta(flow: Document, delta: Document, caller: Caller, services: Services) -> None:
    """The first posted run's delta column becomes the flow's own, as a Copy before its Mapping."""
    if any(each.get("name") == "Copy" for each in flow["transformations"]):
        return
    flow["transformations"] = [{"name": "Copy", "params": {"deltaColumn": delta}}, *flow["transformations"]]
    documents.touch(flow, services.clock, caller)
    services.store.put("flows", flow["id"], caller.scope, flow)


def _answer(run: Document, services: Services) -> Response:
    """One of the three documented answers."""
    short = {"id": run["id"], "etag": run["etag"]}
    match services.settings.assume.post_runs_answer:
        case "items":
            return JSONResponse({"items": [short]}, status_code=201)
        case "id":
            return documents.created(KIND, run)
        case _:
            return JSONResponse(lists.run_shown(run, services))
