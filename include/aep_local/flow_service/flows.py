"""Flows: which source runs into which target, mapped how and when."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from aep_local.core.documents import INTERNAL
from aep_local.core.problems import Problem, connector, flow_service
from aep_local.core.store import Document
from aep_local.flow_service import connections, flow_rules, lists, names, source_connections, target_connections
from aep_local.web import documents, listing, patching
from aep_local.web.bodies import FLOW_SERVICE
from aep_local.web.gateway import Caller, CallerDep, JsonBody
from aep_local.web.services import Services, ServicesDep

router = APIRouter()
KIND = "flows"
_PATH = f"{FLOW_SERVICE}/{KIND}"
_INITIALIZING_SECONDS = 2
_CHANGEABLE = ("name", "description", "scheduleParams", "transformations", "options", "labels")


@router.post(_PATH)
def create(body: JsonBody, caller: CallerDep, services: ServicesDep, mode: str | None = None) -> Response:
    """A new flow. It is ``initializing`` until the provider has set it up."""
    caller.require("sources", "write")
    documents.no_drafts(mode)
    body = documents.as_object(body)
    if "state" in body:
        raise flow_service(1410, 400, "state is not allowed when a flow is created")
    if "mode" in body:
        raise connector(1368, "mode is not allowed in a flow")
    spec = _flow_spec(body, services)
    with services.store.transaction():
        source, base, target = _ends(body, spec, caller, services)
        skew = services.settings.assume.start_time_skew
        typed = flow_rules.check_schedule(body.get("scheduleParams"), services.clock, skew=skew)
        transformations = flow_rules.check_transformations(body.get("transformations"), typed["frequency"])
        options = flow_rules.check_options(body.get("options"))
        connections.table_columns(services, source["params"]["tableName"])
        flow_rules.check_mapping(transformations, target, caller, services)
        named = documents.optional_text(body, "name")
        names.refuse_taken(services, caller, KIND, named)
        fields = {
            **named,
            **documents.optional_text(body, "description"),
            "flowSpec": {"id": spec["id"], "version": spec["version"]},
            "state": "initializing",
            "sourceConnectionIds": [source["id"]],
            "targetConnectionIds": [target["id"]],
            "inheritedAttributes": _inherited(source, base, target),
            "scheduleParams": body["scheduleParams"],
            "transformations": transformations,
            **({"options": options} if options else {}),
            INTERNAL: {"source": _frozen(source), "target": _frozen(target)},
        }
        doc = documents.new(caller, services.clock, fields)
        doc["runs"] = f"/runs?property=flowId=={doc['id']}"
        doc["lastOperation"] = _operation("create", doc["createdAt"], "inProgress", 0)
        due = services.clock.after_ms(_INITIALIZING_SECONDS)
        services.store.insert(KIND, doc["id"], caller.scope, doc, due_ms=due)
    services.engine.wake()
    return documents.created(KIND, doc)


@router.get(_PATH)
def list_all(request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """Flows."""
    caller.require("sources", "read")
    return listing.stored(request, services, caller, lists.FLOWS)


@router.get(_PATH + "/{id}")
def get(id: str, caller: CallerDep, services: ServicesDep) -> Response:
    """One flow."""
    caller.require("sources", "read")
    return documents.one(documents.found(services, caller, KIND, id))


@router.patch(_PATH + "/{id}")
def patch(id: str, request: Request, body: JsonBody, caller: CallerDep, services: ServicesDep) -> Response:
    """Change name, description, schedule, transformations or options of an enabled or disabled flow."""
    caller.require("sources", "write")
    with services.store.transaction():
        doc = documents.found(services, caller, KIND, id)
        patching.check_version(request, doc, KIND)
        _refuse_in_transition(doc)
        changed = patching.patched(doc, body, _CHANGEABLE, _unchangeable(doc, services))
        names.refuse_taken(services, caller, KIND, documents.optional_text(changed, "name"), but=id)
        documents.optional_text(changed, "description")
        typed = _changed_schedule(doc, changed, services)
        changed["transformations"] = flow_rules.check_transformations(
            changed.get("transformations"), typed["frequency"], _written(doc, services)
        )
        if "options" in changed:
            changed["options"] = flow_rules.check_options(changed["options"])
        target = {"params": doc[INTERNAL]["target"]["params"]}
        flow_rules.check_mapping(changed["transformations"], target, caller, services)
        changed[INTERNAL] = doc[INTERNAL]
        changed["lastOperation"] = _operation("update", services.clock.now_ms(), "completed", 100)
        documents.touch(changed, services.clock, caller)
        services.store.put(KIND, id, caller.scope, changed, due_ms=services.clock.now_ms())
    services.engine.wake()
    return documents.changed(changed)


@router.post(_PATH + "/{id}/action")
def act(id: str, request: Request, caller: CallerDep, services: ServicesDep, op: str = "") -> Response:
    """Enable or disable a flow; 1422 when it is so already."""
    caller.require("sources", "write")
    wanted = {"enable": "enabled", "disable": "disabled"}.get(op.lower())
    if wanted is None:
        raise connector(1398, f"Operation {op[:50]} is not supported; use enable or disable")
    with services.store.transaction():
        doc = documents.found(services, caller, KIND, id)
        patching.check_version(request, doc, KIND, required=False)
        if doc["state"] not in {"enabled", "disabled"} or doc["state"] == wanted:
            raise flow_service(1422, 400, f"Action {op.lower()} is not allowed in state {doc['state']}")
        doc["state"] = wanted
        doc["lastOperation"] = _operation("update", services.clock.now_ms(), "completed", 100)
        documents.touch(doc, services.clock, caller)
        services.store.put(KIND, id, caller.scope, doc, due_ms=services.clock.now_ms())
    services.engine.wake()
    return documents.changed(doc)


@router.delete(_PATH + "/{id}")
def delete(id: str, caller: CallerDep, services: ServicesDep) -> Response:
    """Remove a flow; its runs, its dataset and its data stay."""
    caller.require("sources", "write")
    with services.store.transaction():
        doc = documents.found(services, caller, KIND, id)
        _refuse_in_transition(doc)
        services.store.delete(KIND, id, caller.scope)
    services.engine.wake()
    return Response(status_code=204)


def _flow_spec(body: Document, services: Services) -> Document:
    given = body.get("flowSpec")
    wanted = given.get("id") if isinstance(given, dict) else None
    spec = services.specs.flow(wanted)
    if spec is None:
        raise flow_service(1413, 400, "flowSpec.id is not the id of a flow specification")
    return spec


def _ends(body: Document, spec: Document, caller: Caller, services: Services) -> tuple[Document, Document, Document]:
    ids = [_single(body, "sourceConnectionIds"), _single(body, "targetConnectionIds")]
    source = documents.referenced(services, caller, source_connections.KIND, ids[0])
    target = documents.referenced(services, caller, target_connections.KIND, ids[1])
    base = documents.referenced(services, caller, connections.KIND, source["baseConnectionId"])
    if source["connectionSpec"]["id"] not in spec["sourceConnectionSpecIds"]:
        raise flow_service(1413, 400, "the flow specification does not serve the source's connection specification")
    return source, base, target


def _single(body: Document, field: str) -> Any:
    ids = body.get(field)
    if ids is None:
        raise connector(1320, f"{field} must not be null")
    if not isinstance(ids, list) or len(ids) != 1:
        raise connector(1321, f"{field} must have exactly one id")
    return ids[0]


def _inherited(source: Document, base: Document, target: Document) -> Document:
    return {
        "sourceConnections": [
            {
                "id": source["id"],
                "connectionSpec": source["connectionSpec"],
                "baseConnection": {"id": base["id"], "connectionSpec": base["connectionSpec"]},
            }
        ],
        "targetConnections": [{"id": target["id"], "connectionSpec": target["connectionSpec"]}],
        "properties": {"isSourceFlow": True},
    }


def _frozen(connection: Document) -> Document:
    """What a flow keeps of a connection: later changes to the connection do not reach the flow."""
    keep = ("id", "baseConnectionId", "params", "data")
    return {key: connection[key] for key in keep if key in connection}


def _operation(operation: str, now_ms: int, status: str, percent: int) -> Document:
    return {
        "started": now_ms,
        "updated": now_ms,
        "percentCompleted": percent,
        "status": {"value": status, "errors": []},
        "ops": [],
        "operation": operation,
    }


def _refuse_in_transition(doc: Document) -> None:
    if doc["state"] == "initializing":
        raise flow_service(1417, 400, "a flow that is initializing cannot be changed or deleted with this token")


def _unchangeable(doc: Document, services: Services) -> dict[str, Problem]:
    """What a patch must not touch; AEP's pages for users say more of a flow that runs once than those for callers do."""
    refused = {"state": flow_service(1456, 400, "state cannot be changed by a patch; use the flow's actions")}
    once = doc["scheduleParams"]["frequency"] == "once"
    if once and services.settings.assume.once_flow_edits == "refused":
        for name in ("scheduleParams", "transformations", "options"):
            refused[name] = connector(1365, f"The path /{name} is not valid for a flow of frequency once")
    return refused


def _changed_schedule(doc: Document, changed: Document, services: Services) -> Document:
    before = flow_rules.schedule(doc["scheduleParams"])
    given = changed.get("scheduleParams")
    after = flow_rules.schedule(given) if isinstance(given, dict) else {}
    started = before["startTime"] <= services.clock.now_ms() // 1000
    same_start = after.get("startTime") == before["startTime"]
    if started and not same_start:
        raise connector(1366, "startTime cannot be changed after it has passed")
    if started and after.get("frequency") == "once" != before["frequency"]:
        raise connector(1403, "frequency cannot become once after the start time has passed")
    if started and after.get("backfill", True) != before.get("backfill", True):
        raise connector(1404, "backfill cannot be changed after the start time has passed")
    skew = None if same_start else services.settings.assume.start_time_skew
    return flow_rules.check_schedule(given, services.clock, skew=skew)


def _written(doc: Document, services: Services) -> Document | None:
    """The delta column that a flow of frequency once got from its first posted run, if a change may keep it."""
    if doc["scheduleParams"]["frequency"] != "once" or services.settings.assume.once_flow_patch == "refused":
        return None
    return flow_rules.delta_column(doc["transformations"])
