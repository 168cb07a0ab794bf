"""Descriptors: what a schema's field means, above all that it is an identity.

Their ``Accept`` values are of their own kind (``xdm`` instead of ``xed``) and have no version. A list is grouped by the
descriptors' types; types without any are left out.
"""

from __future__ import annotations

import re
import secrets
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from aep_local.core.problems import placeholder, registry
from aep_local.core.store import Document
from aep_local.schema_registry import documents
from aep_local.web.gateway import Caller, CallerDep, JsonBody
from aep_local.web.services import Services, ServicesDep
from aep_local.xdm import fields as xdm

router = APIRouter()
KIND: Final = "descriptors"
_PATH = f"/data/foundation/schemaregistry/tenant/{KIND}"
_IDENTITY: Final = "xdm:descriptorIdentity"
_TYPES: Final = (
    _IDENTITY,
    "xdm:alternateDisplayInfo",
    "xdm:descriptorOneToOne",
    "xdm:descriptorReferenceIdentity",
)
_LIST = re.compile(r"application/vnd\.adobe\.xdm(-id|-link|-v2)?\+json")
_LOOK_UP = re.compile(r"application/vnd\.adobe\.xdm\+json")


@router.post(_PATH)
def create(body: JsonBody, caller: CallerDep, services: ServicesDep) -> Response:
    """A new descriptor of a field that its schema has."""
    caller.require("schemas", "write")
    with services.store.transaction():
        doc = {
            **_checked(body, caller, services),
            "imsOrg": caller.scope.org,
            "createdUser": caller.user,
            "createdClient": caller.client_id,
            "created": services.clock.now_ms(),
            "meta:containerId": "tenant",
            "@id": secrets.token_hex(20),
        }
        _touch(doc, caller, services)
        services.store.insert(KIND, doc["@id"], caller.scope, doc, ref=doc["xdm:sourceSchema"])
    return JSONResponse(doc, status_code=201)


@router.get(_PATH)
def list_all(request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """Descriptors by their type: ids, links or the whole, as ``Accept`` says; ``xdm-v2`` gives pages."""
    caller.require("schemas", "read")
    accept = request.headers.get("accept", "").replace(" ", "")
    if accept in {"", "*/*"}:
        raise placeholder(406, "NotAcceptableError", "Accept parameter is missing")
    if not _LIST.fullmatch(accept):
        raise registry(1008, 400, "Accept must be application/vnd.adobe.xdm-id+json or application/vnd.adobe.xdm+json")
    docs = services.store.all(KIND, caller.scope)
    if "-v2" in accept:
        about = {"orderby": None, "next": None, "count": len(docs)}
        return JSONResponse({"results": docs, "_page": about, "_links": {}})
    grouped: dict[str, list[Any]] = {}
    for doc in docs:
        shown = doc["@id"] if "-id" in accept else f"/tenant/{KIND}/{doc['@id']}" if "-link" in accept else doc
        grouped.setdefault(doc["@type"], []).append(shown)
    return JSONResponse(grouped)


@router.get(_PATH + "/{id}")
def get(id: str, request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """One descriptor; it has no versions, so that no ``Accept`` is needed."""
    caller.require("schemas", "read")
    accept = request.headers.get("accept", "").replace(" ", "")
    if accept not in {"", "*/*", "application/json"} and not _LOOK_UP.fullmatch(accept):
        raise registry(1009, 400, "Accept must be application/vnd.adobe.xdm+json")
    return JSONResponse(_found(id, caller, services))


@router.put(_PATH + "/{id}")
def replace(id: str, body: JsonBody, caller: CallerDep, services: ServicesDep) -> Response:
    """Write a descriptor anew; 201 with its ``@id``."""
    caller.require("schemas", "write")
    with services.store.transaction():
        before = _found(id, caller, services)
        kept = {name: before[name] for name in before if name[:4] not in {"@typ", "xdm:"}}
        doc = {**_checked(body, caller, services, but=id), **kept}
        _touch(doc, caller, services)
        services.store.put(KIND, id, caller.scope, doc)
    return JSONResponse({"@id": id}, status_code=201)


@router.delete(_PATH + "/{id}")
def delete(id: str, caller: CallerDep, services: ServicesDep) -> Response:
    """Remove a descriptor."""
    caller.require("schemas", "write")
    with services.store.transaction():
        _found(id, caller, services)
        services.store.delete(KIND, id, caller.scope)
    return Response(status_code=204)


def _found(id: str, caller: Caller, services: Services) -> Document:
    doc = services.store.get(KIND, id, caller.scope)
    if doc is None:
        detail = f"The requested resource is not found: {id[:300]}"
        raise registry(1012, 404, detail, title="Resource Not Found")
    return doc


def _touch(doc: Document, caller: Caller, services: Services) -> None:
    doc["updatedUser"], doc["updated"] = caller.user, services.clock.now_ms()


def _checked(body: Any, caller: Caller, services: Services, but: str | None = None) -> Document:
    """A descriptor's own content.

    :param but: the descriptor that it replaces.
    :raises Problem: 400, it describes nothing that is there.
    """
    if not isinstance(body, dict):
        raise documents.bad("the body must be an object")
    if body.get("@type") not in _TYPES:
        raise documents.bad(f"@type must be one of {', '.join(_TYPES)}")
    if body.get("xdm:sourceVersion") != 1 or isinstance(body["xdm:sourceVersion"], bool):
        raise documents.bad("xdm:sourceVersion must be 1")
    _check_field(body, caller, services)
    if body["@type"] == _IDENTITY:
        _check_identity(body, caller, services, but)
    return {name: value for name, value in body.items() if name == "@type" or name.startswith(("xdm:", "meta:enum"))}


def _check_field(body: Document, caller: Caller, services: Services) -> None:
    schema, path = body.get("xdm:sourceSchema"), body.get("xdm:sourceProperty")
    if not isinstance(schema, str) or services.store.get("schemas", schema, caller.scope) is None:
        raise documents.bad("xdm:sourceSchema is not the $id of a schema of this sandbox")
    if not isinstance(path, str) or not path.startswith("/") or path.endswith("/"):
        raise documents.bad("xdm:sourceProperty must be a path such as /personalEmail/address")
    try:
        there = xdm.fields(services.store, caller.scope, schema)
    except xdm.SchemaError as error:
        raise documents.bad(str(error)) from None
    for name in path[1:].split("/"):
        there = there.fields.get(name) if there is not None else None
    if there is None:
        raise documents.bad(f"xdm:sourceProperty {path[:200]} is not a field of the schema")


def _check_identity(body: Document, caller: Caller, services: Services, but: str | None) -> None:
    if not isinstance(body.get("xdm:namespace"), str | int) or body.get("xdm:property") not in ("xdm:id", "xdm:code"):
        raise documents.bad("an identity needs xdm:namespace and xdm:property (xdm:id or xdm:code)")
    if not isinstance(body.get("xdm:isPrimary", False), bool):
        raise documents.bad("xdm:isPrimary must be true or false")
    others = services.store.all(KIND, caller.scope)
    if body.get("xdm:isPrimary") and any(_is_primary(each, body["xdm:sourceSchema"], but) for each in others):
        raise documents.bad("a schema has one primary identity")


def _is_primary(doc: Document, schema: str, but: str | None) -> bool:
    of_schema = doc["@type"] == _IDENTITY and doc["xdm:sourceSchema"] == schema
    return of_schema and doc.get("xdm:isPrimary") is True and doc["@id"] != but
