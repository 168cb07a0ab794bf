"""Data Prep: mapping sets, from the columns of a source to the paths of a schema.

A create answers 200. Every version of a set is kept; a flow names the version that it uses.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from aep_local.core.holdings import MAPPING_SETS, mapping_version
from aep_local.core.problems import Problem, generic
from aep_local.core.store import Document, Scope, Store
from aep_local.web.gateway import Caller, CallerDep, JsonBody
from aep_local.web.services import Services, ServicesDep
from aep_local.xdm import fields as xdm
from aep_local.xdm.mapping import Mapper, Rejection, problems
from aep_local.xdm.mapping_forms import Malformed, input_columns, normal, written

router = APIRouter()
_PATH = "/data/foundation/conversion/mappingSets"
_MAX_LIMIT = 1000
_MAX_PREVIEW = 1000
_MAX_PREVIEWED = 50_000
"""Values that one preview computes at most: rows times mappings."""
_MOMENTS: Final[dict[str, Callable[[Document], int]]] = {
    "createdDate": lambda doc: doc["createdDate"],
    "updatedDate": lambda doc: doc["versions"][-1]["modifiedDate"],
    "modifiedDate": lambda doc: doc["versions"][-1]["modifiedDate"],
}
_SHORT: Final = (
    *("id", "name", "version", "createdDate", "modifiedDate"),
    *("xdmSchema", "xdmVersion", "schemaRef", "outputSchema"),
)


def mapping_set(store: Store, scope: Scope, id: str, version: int | None = None) -> Document | None:
    """A version of a mapping set (the newest when None) as answers show it, or None when it is not there."""
    doc = store.get(MAPPING_SETS, id, scope)
    shown = None if doc is None else mapping_version(doc, version)
    return None if doc is None or shown is None else _written(doc, *shown)


@router.post(_PATH)
def create(body: JsonBody, caller: CallerDep, services: ServicesDep) -> Response:
    """A new mapping set, version 0."""
    caller.require("mappings", "write")
    content = _valid(body, caller, services)
    now = services.clock.now_ms()
    doc: Document = {
        "id": secrets.token_hex(16),
        "createdDate": now,
        "createdBy": caller.user,
        "versions": [{"modifiedDate": now, "modifiedBy": caller.user, "content": content}],
    }
    services.store.insert(MAPPING_SETS, doc["id"], caller.scope, doc)
    return JSONResponse(_receipt(doc))


@router.get(_PATH)
def list_all(request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """Mapping sets, the newest first; ``limit`` and ``start`` are required."""
    caller.require("mappings", "read")
    query = request.query_params
    for name in query:
        if name not in {"limit", "start", "name", "orderBy", "expandSchema"}:
            raise _bad(f"query parameter {name[:50]} is unknown")
    limit, start = _whole(query.get("limit"), "limit", 1), _whole(query.get("start"), "start", 0)
    # an unencoded "+" arrives as a blank
    order = query.get("orderBy", "-createdDate").strip()
    moment = _MOMENTS.get(order.lstrip("+-"))
    if moment is None:
        raise _bad("orderBy must be +createdDate, -createdDate, +updatedDate or -updatedDate")
    docs = services.store.all(MAPPING_SETS, caller.scope)
    if "name" in query:
        docs = [doc for doc in docs if doc["versions"][-1]["content"]["name"] == query["name"]]
    docs.sort(key=moment, reverse=order.startswith("-"))
    page = docs[start : start + limit]
    links: Document = {}
    if start + limit < len(docs):
        links = {"next": {"href": f"/mappingSets?limit={limit}&start={start + limit}"}}
    shown = _in_short if services.settings.assume.mapping_sets_list == "short" else _newest
    data = [shown(doc) for doc in page]
    return JSONResponse({"data": data, "_page": {"count": len(page), "limit": limit}, "_links": links})


@router.post(f"{_PATH}/validate")
def validate(body: JsonBody, caller: CallerDep, services: ServicesDep) -> Response:
    """For each mapping of a set whether it works; nothing is kept."""
    caller.require("mappings", "read")
    content = _normal(body.get("mappingSet", body) if isinstance(body, dict) else body)
    found = problems(content["mappings"], _tree(content, caller, services), input_columns(content))
    return JSONResponse(
        {
            "validationResponse": [
                {"status": "FAILED" if wrong else "SUCCESS", "errors": [_error(text) for text in wrong] or None}
                for wrong in found
            ]
        }
    )


@router.post(f"{_PATH}/preview")
def preview(body: JsonBody, caller: CallerDep, services: ServicesDep) -> Response:
    """What a set makes of the given rows; nothing is kept."""
    caller.require("mappings", "read")
    if not isinstance(body, dict):
        raise _bad("the body must be an object")
    rows = body.get("data")
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) or len(rows) > _MAX_PREVIEW:
        raise _bad(f"data must be an array of at most {_MAX_PREVIEW} objects")
    content = _normal(body.get("mappingSet"))
    if len(rows) * len(content["mappings"]) > _MAX_PREVIEWED:
        raise _bad(f"a preview computes at most {_MAX_PREVIEWED} values, rows times mappings")
    try:
        columns = {name: None for row in rows for name in row}
        mapper = Mapper(content["mappings"], _tree(content, caller, services), columns)
    except ValueError as error:
        raise _bad(str(error)) from None
    lenient = services.settings.assume.failed_transformation == "null_with_warning"
    return JSONResponse([_previewed(mapper, {**columns, **row}, lenient=lenient) for row in rows])


@router.get(f"{_PATH}/{{id}}")
def get(id: str, caller: CallerDep, services: ServicesDep, version: str | None = None) -> Response:
    """One mapping set, its newest version or the one asked for."""
    caller.require("mappings", "read")
    return JSONResponse(_found(services, caller, id, version))


@router.get(f"{_PATH}/{{id}}/mappings")
def list_mappings(id: str, caller: CallerDep, services: ServicesDep, version: str | None = None) -> Response:
    """The mappings of a set."""
    caller.require("mappings", "read")
    shown = _found(services, caller, id, version)
    return JSONResponse({"data": shown["mappings"], "_page": {"count": len(shown["mappings"])}, "_links": {}})


@router.put(f"{_PATH}/{{id}}")
def replace(id: str, body: JsonBody, caller: CallerDep, services: ServicesDep) -> Response:
    """A new version of a mapping set; the versions before stay."""
    caller.require("mappings", "write")
    content = _valid(body, caller, services)
    with services.store.transaction():
        doc = services.store.get(MAPPING_SETS, id, caller.scope)
        if doc is None:
            raise _not_found(id)
        doc["versions"].append({"modifiedDate": services.clock.now_ms(), "modifiedBy": caller.user, "content": content})
        services.store.put(MAPPING_SETS, id, caller.scope, doc)
    return JSONResponse(_receipt(doc))


def _valid(body: Any, caller: Caller, services: Services) -> Document:
    content = _normal(body)
    found = problems(content["mappings"], _tree(content, caller, services), input_columns(content))
    wrong = [f"mapping {index}: {'; '.join(each)}" for index, each in enumerate(found) if each]
    if wrong:
        raise _bad(" | ".join(wrong[:20]))
    return content


def _normal(body: Any) -> Document:
    try:
        return normal(body)
    except Malformed as error:
        raise _bad(str(error)) from None


def _tree(content: Document, caller: Caller, services: Services) -> xdm.Field:
    try:
        root = xdm.fields(services.store, caller.scope, content["schemaRef"]["id"])
    except xdm.SchemaError as error:
        raise _bad(str(error)) from None
    if root is None:
        raise _bad(f"schema {content['schemaRef']['id'][:200]} is not a schema of this sandbox")
    return root


def _previewed(mapper: Mapper, row: Document, *, lenient: bool) -> Document:
    warned: list[xdm.Invalid] = []
    mapped = mapper.row(row, warned if lenient else None)
    data, found = (None, mapped.errors) if isinstance(mapped, Rejection) else (mapped, warned)
    return {"data": data, "errors": [_error(f"{each.path}: {each.reason}") for each in found] or None}


def _error(text: str) -> Document:
    return {"code": "MAPPER-3700-400", "message": text}


def _written(doc: Document, version: int, content: Document) -> Document:
    return {**written(doc["id"], version, content), **_dates(doc, version)}


def _newest(doc: Document) -> Document:
    version = doc["versions"][-1]
    return _written(doc, len(doc["versions"]) - 1, version["content"])


def _in_short(doc: Document) -> Document:
    whole = _newest(doc)
    return {key: whole[key] for key in _SHORT}


def _dates(doc: Document, version: int) -> Document:
    return {
        "createdDate": doc["createdDate"],
        "createdBy": doc["createdBy"],
        "modifiedDate": doc["versions"][version]["modifiedDate"],
        "modifiedBy": doc["versions"][version]["modifiedBy"],
    }


def _receipt(doc: Document) -> Document:
    version = len(doc["versions"]) - 1
    return {"id": doc["id"], "version": version, **_dates(doc, version)}


def _found(services: Services, caller: Caller, id: str, version: str | None) -> Document:
    number = None if version is None else _whole(version, "version", 0)
    found = mapping_set(services.store, caller.scope, id, number)
    if found is None:
        raise _not_found(id)
    return found


def _whole(text: str | None, name: str, low: int) -> int:
    if text is None:
        raise _bad(f"query parameter {name} is required")
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not low <= int(text):
        raise _bad(f"{name} must be a whole number from {low}")
    return min(int(text), _MAX_LIMIT) if name == "limit" else int(text)


def _not_found(id: str) -> Problem:
    return generic(404, "Not Found", f"mapping set {id[:100]} not found")


def _bad(detail: str) -> Problem:
    return generic(400, "Bad Request", detail)
