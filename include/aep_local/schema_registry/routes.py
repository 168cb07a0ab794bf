"""Schema Registry: classes, field groups and schemas, Adobe's own (``global``) and those of the organisation (``tenant``).

Every read needs an ``Accept`` of its own kind: with a version for one document, without for a list.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from aep_local.core.problems import Problem, placeholder, registry
from aep_local.core.store import Document
from aep_local.schema_registry import documents, evolution
from aep_local.schema_registry.listing import page
from aep_local.web.gateway import Caller, CallerDep, JsonBody
from aep_local.web.services import Services, ServicesDep
from aep_local.xdm import fields as xdm

router = APIRouter()
_PATH = "/data/foundation/schemaregistry"
_LIST = re.compile(r"application/vnd\.adobe\.xed(-id)?\+json")
_LOOK_UP = re.compile(r"application/vnd\.adobe\.xed(-full)?(-notext|-desc|-deprecatefield)?\+json;version=1(\.\d+)?")
_KINDS = {kind: "fieldgroups" if kind == "mixins" else kind for kind in documents.RESOURCE_TYPES}


@router.get(f"{_PATH}/stats")
def stats(caller: CallerDep, services: ServicesDep) -> Response:
    """What the organisation has in the registry, and its tenant id."""
    caller.require("schemas", "read")
    docs = {kind: services.store.all(kind, caller.scope) for kind in xdm.KINDS}
    counts = {kind: len(each) for kind, each in docs.items()}
    recent = [documents.short(doc) for each in docs.values() for doc in each[:10]]
    return JSONResponse(
        {
            "imsOrg": caller.scope.org,
            "tenantId": caller.tenant,
            "counts": {
                "schemas": counts["schemas"],
                "mixins": counts["fieldgroups"],
                "datatypes": counts["datatypes"],
                "classes": counts["classes"],
                "unions": 0,
            },
            "recentlyCreatedResources": recent[:10],
        }
    )


@router.get(f"{_PATH}/{{container}}/{{kind}}")
def list_all(container: str, kind: str, request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """Documents of a container: ``{results, _page, _links}``; ``limit``, ``start`` with ``orderby``, ``property``."""
    caller.require("schemas", "read")
    stored = _kind(container, kind)
    accept = _accept(request)
    if not _LIST.fullmatch(accept):
        raise registry(1006, 400, "Accept must be application/vnd.adobe.xed-id+json or application/vnd.adobe.xed+json")
    docs = documents.global_documents(kind) if container == "global" else services.store.all(stored, caller.scope)
    bare = "-id" in accept or services.settings.assume.registry_list == "bare"
    return page(request, docs, kind, container, bare=bare)


@router.get(f"{_PATH}/{{container}}/{{kind}}/{{id:path}}")
def get(  # noqa: PLR0917 - a request's parameters
    container: str, kind: str, id: str, request: Request, caller: CallerDep, services: ServicesDep
) -> Response:
    """One document, by ``meta:altId`` or URL-encoded ``$id``."""
    caller.require("schemas", "read")
    stored = _kind(container, kind)
    accept = _accept(request)
    if not _LOOK_UP.fullmatch(accept):
        detail = "Accept must be application/vnd.adobe.xed[-full][-notext]+json; version=1"
        raise registry(1007, 400, detail)
    document = _found(services, caller, container, stored, id)
    load = xdm.loader(services.store, caller.scope)
    try:
        body = documents.shown(document, accept, load)
    except xdm.SchemaError as error:
        raise documents.bad(str(error)) from None
    return JSONResponse(body, headers={"Content-Type": request.headers["accept"]})


@router.post(f"{_PATH}/{{container}}/{{kind}}")
def create(container: str, kind: str, body: JsonBody, caller: CallerDep, services: ServicesDep) -> Response:
    """A new document of the tenant; titles are unique over all its documents."""
    caller.require("schemas", "write")
    stored = _writable(container, kind)
    load = xdm.loader(services.store, caller.scope)
    with services.store.transaction():
        document = documents.new(stored, body, caller, services.clock, load)
        _check_title(document, caller, services)
        services.store.insert(stored, document["$id"], caller.scope, document)
    return JSONResponse(document, status_code=201)


@router.put(f"{_PATH}/{{container}}/{{kind}}/{{id:path}}")
def replace(  # noqa: PLR0917 - a request's parameters
    container: str, kind: str, id: str, body: JsonBody, caller: CallerDep, services: ServicesDep
) -> Response:
    """Replace a document's content; once it is in use, by additions only."""
    caller.require("schemas", "write")
    stored = _writable(container, kind)
    with services.store.transaction():
        document = _found(services, caller, container, stored, id)
        changed = _rewritten(document, body, stored, caller, services)
    return JSONResponse(changed)


@router.patch(f"{_PATH}/{{container}}/{{kind}}/{{id:path}}")
def patch(  # noqa: PLR0917 - a request's parameters
    container: str, kind: str, id: str, body: JsonBody, caller: CallerDep, services: ServicesDep
) -> Response:
    """Change a document by JSON-Patch, for example ``add /meta:immutableTags ["union"]``; once it is in use, by additions."""
    caller.require("schemas", "write")
    stored = _writable(container, kind)
    with services.store.transaction():
        document = _found(services, caller, container, stored, id)
        changed = _rewritten(document, _patched(document, body), stored, caller, services)
    return JSONResponse(changed)


@router.delete(f"{_PATH}/{{container}}/{{kind}}/{{id:path}}")
def delete(container: str, kind: str, id: str, caller: CallerDep, services: ServicesDep) -> Response:
    """Remove a document that no other one and no dataset uses."""
    caller.require("schemas", "write")
    stored = _writable(container, kind)
    with services.store.transaction():
        document = _found(services, caller, container, stored, id)
        user = next(_users(document["$id"], caller, services), None)
        if user is not None:
            raise documents.bad(f"{document['$id']} is used by {user}")
        services.store.delete(stored, document["$id"], caller.scope)
    return Response(status_code=204)


def _kind(container: str, kind: str) -> str:
    if container not in {"global", "tenant"} or kind not in _KINDS:
        raise _not_found(f"{container[:50]}/{kind[:50]}")
    return _KINDS[kind]


def _writable(container: str, kind: str) -> str:
    stored = _kind(container, kind)
    if container != "tenant":
        raise registry(1018, 403, "the global container cannot be changed", title="Forbidden")
    return stored


def _accept(request: Request) -> str:
    accept = request.headers.get("accept", "").replace(" ", "")
    if accept in {"", "*/*"}:
        raise placeholder(406, "NotAcceptableError", "Accept parameter is missing")
    return accept


def _found(services: Services, caller: Caller, container: str, stored: str, id: str) -> Document:
    if container == "tenant":
        document = services.store.get(stored, documents.full_id(id), caller.scope)
    else:
        known = documents.global_documents(stored)
        document = next((each for each in known if id in {each["$id"], each["meta:altId"]}), None)
    if document is None:
        raise _not_found(id)
    return document


def _not_found(id: str) -> Problem:
    detail = f"The requested resource is not found: {id[:300]}"
    return registry(1012, 404, detail, title="Resource Not Found")


def _check_title(document: Document, caller: Caller, services: Services) -> None:
    for kind in xdm.KINDS:
        for other in services.store.all(kind, caller.scope):
            if other["title"] == document["title"] and other["$id"] != document["$id"]:
                detail = f"Title must be unique. An object {other['$id']} already exists with the same title"
                raise registry(1521, 400, detail, title="Title not unique")


def _rewritten(document: Document, body: Any, stored: str, caller: Caller, services: Services) -> Document:
    load = xdm.loader(services.store, caller.scope)
    content = documents.checked(stored, body, caller, load)
    tags = document.get("meta:immutableTags", [])
    if not set(tags) <= set(content.get("meta:immutableTags", [])):
        raise documents.bad("meta:immutableTags cannot be taken away")
    changeable = {*content, "description", "properties", "definitions", "allOf", "required"}
    kept = {key: value for key, value in document.items() if key not in changeable}
    changed = documents.touched({**kept, **content}, caller, services.clock)
    _check_title(changed, caller, services)
    evolution.check(changed, caller, services)
    services.store.put(stored, document["$id"], caller.scope, changed)
    return changed


def _patched(document: Document, body: Any) -> Document:
    if not isinstance(body, list) or not body or len(body) > 100:
        raise documents.bad("the body must be an array of operations")
    changed = copy.deepcopy(document)
    for each in body:
        operation, path = (each.get("op"), each.get("path")) if isinstance(each, dict) else (None, None)
        if operation not in ("add", "replace", "remove") or not isinstance(path, str) or not path.startswith("/"):
            raise documents.bad("an operation needs op (add, replace, remove) and path")
        if operation != "remove" and "value" not in each:
            raise documents.bad("an operation needs a value")
        steps = [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]
        _apply(changed, steps, operation, each.get("value"))
    return changed


def _apply(target: Any, steps: list[str], operation: str, value: Any) -> None:
    for step in steps[:-1]:
        target = _child(target, step)
    last = steps[-1]
    if isinstance(target, list):
        index = len(target) if last == "-" and operation == "add" else _index(last, len(target))
        if operation == "add":
            target.insert(index, copy.deepcopy(value))
            return
        if index == len(target):
            raise documents.bad("path leads nowhere")
        if operation == "replace":
            target[index] = copy.deepcopy(value)
        else:
            del target[index]
    elif isinstance(target, dict) and (operation == "add" or last in target):
        if operation == "remove":
            del target[last]
        else:
            target[last] = copy.deepcopy(value)
    else:
        raise documents.bad("path leads nowhere")


def _child(target: Any, step: str) -> Any:
    if isinstance(target, dict) and step in target:
        return target[step]
    if isinstance(target, list) and _index(step, len(target)) < len(target):
        return target[int(step)]
    raise documents.bad("path leads nowhere")


def _index(step: str, length: int) -> int:
    if not re.fullmatch(r"\d{1,5}", step, re.ASCII) or int(step) > length:
        raise documents.bad("path leads nowhere")
    return int(step)


def _users(id: str, caller: Caller, services: Services) -> Iterator[str]:
    for kind in xdm.KINDS:
        for other in services.store.all(kind, caller.scope):
            if id in documents.references(other):
                yield other["$id"]
    for dataset in services.store.all("dataSets", caller.scope):
        if dataset["schemaRef"]["id"] == id:
            yield f"dataset {dataset['id']}"
