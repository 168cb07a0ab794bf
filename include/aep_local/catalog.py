"""Catalog: datasets and the batches that landed in them.

Answers are objects keyed by id, never arrays; a create answers ``["@/dataSets/<id>"]``.
"""

from __future__ import annotations

import copy
import re
import secrets
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from aep_local import catalog_listing
from aep_local.catalog_listing import bad
from aep_local.core.holdings import BATCHES, DATASETS
from aep_local.core.problems import generic
from aep_local.core.store import Document
from aep_local.web.gateway import Caller, CallerDep, JsonBody
from aep_local.web.services import Services, ServicesDep
from aep_local.xdm import standard as registry_data

router = APIRouter()
_PATH = "/data/foundation/catalog"
_CONTENT_TYPE = re.compile(r"application/vnd\.adobe\.(xed|xed-full|xed-full-notext|xsd)\+json;version=1(\.\d+)?")
_WRITABLE = frozenset({"name", "description", "tags", "enableErrorDiagnostics"})


@router.post(f"{_PATH}/dataSets")
def create(body: JsonBody, caller: CallerDep, services: ServicesDep) -> Response:
    """A new dataset of a schema that exists; names need not be unique."""
    caller.require("datasets", "write")
    if not isinstance(body, dict):
        raise bad("the body must be an object")
    now = services.clock.now_ms()
    doc: Document = {
        "id": secrets.token_hex(12),
        "name": _text(body.get("name"), "name"),
        "description": _optional_text(body.get("description"), "description"),
        "schemaRef": _schema_ref(body.get("schemaRef")),
        "tags": _tags(body.get("tags")),
        "enableErrorDiagnostics": body.get("enableErrorDiagnostics") is True,
        "imsOrg": caller.scope.org,
        "sandboxId": caller.sandbox_id,
        "version": "1.0.0",
        "created": now,
        "updated": now,
        "createdClient": caller.client_id,
        "createdUser": caller.user,
        "updatedUser": caller.user,
        "state": "DRAFT",
    }
    doc["files"] = f"@/dataSets/{doc['id']}/views/{secrets.token_hex(12)}/files"
    with services.store.transaction():
        _check_profile(doc, caller, services)
        services.store.insert(DATASETS, doc["id"], caller.scope, doc)
    headers = {"Location": f"{_PATH}/dataSets/{doc['id']}"}
    return JSONResponse([f"@/dataSets/{doc['id']}"], status_code=201, headers=headers)


@router.get(f"{_PATH}/dataSets")
def list_datasets(request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """Datasets, keyed by id."""
    caller.require("datasets", "read")
    return catalog_listing.page(request, services.store.all(DATASETS, caller.scope), _shown)


@router.get(f"{_PATH}/dataSets/{{id}}")
def get_dataset(id: str, request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """One dataset, keyed by its id; ``properties`` names what to show of it."""
    caller.require("datasets", "read")
    return _one(_found(services, caller, DATASETS, id), request)


@router.patch(f"{_PATH}/dataSets/{{id}}")
def patch_dataset(id: str, request: Request, body: JsonBody, caller: CallerDep, services: ServicesDep) -> Response:
    """Change name, description or tags; the body is a part of a dataset, or a JSON-Patch with that content type."""
    caller.require("datasets", "write")
    with services.store.transaction():
        doc = _found(services, caller, DATASETS, id)
        given = request.headers.get("if-match")
        if given is not None and given.strip('"') not in {doc["version"], "*"}:
            raise generic(412, "Precondition Failed", "the dataset has another version")
        changed = _patched(doc, body)
        changed["name"] = _text(changed.get("name"), "name")
        changed["description"] = _optional_text(changed.get("description"), "description")
        changed["tags"] = _tags(changed.get("tags"))
        _check_profile(changed, caller, services)
        if request.headers.get("pragma", "").lower() != "validate-only":
            changed["version"] = f"1.0.{int(doc['version'].rpartition('.')[2]) + 1}"
            changed["updated"] = services.clock.now_ms()
            changed["updatedUser"] = caller.user
            services.store.put(DATASETS, id, caller.scope, changed)
    return JSONResponse([f"@/dataSets/{id}"])


@router.delete(f"{_PATH}/dataSets/{{id}}")
def delete_dataset(id: str, caller: CallerDep, services: ServicesDep) -> Response:
    """Remove a dataset with its rows."""
    caller.require("datasets", "write")
    with services.store.transaction():
        _found(services, caller, DATASETS, id)
        services.store.delete(DATASETS, id, caller.scope)
    services.engine.landing.drop(id)
    return JSONResponse([f"@/dataSets/{id}"])


@router.get(f"{_PATH}/batches")
def list_batches(request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """Batches, keyed by id; ``dataSet=`` asks for those of one dataset."""
    caller.require("datasets", "read")
    dataset_id = request.query_params.get("dataSet")
    return catalog_listing.page(request, services.store.all(BATCHES, caller.scope, ref=dataset_id), _shown)


@router.get(f"{_PATH}/batches/{{id}}")
def get_batch(id: str, request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """One batch, keyed by its id; ``properties`` names what to show of it."""
    caller.require("datasets", "read")
    return _one(_found(services, caller, BATCHES, id), request)


def _found(services: Services, caller: Caller, kind: str, id: str) -> Document:
    doc = services.store.get(kind, id, caller.scope)
    if doc is None:
        raise generic(404, "Not Found", f"{kind} {id[:100]} not found")
    return doc


def _one(doc: Document, request: Request) -> Response:
    return JSONResponse({doc["id"]: catalog_listing.chosen(_shown(doc), catalog_listing.fields(request))})


def _shown(doc: Document) -> Document:
    return {key: value for key, value in doc.items() if key not in {"id", "_local"}}


def _patched(doc: Document, body: Any) -> Document:
    changed = copy.deepcopy(doc)
    for path, value in _changes(body):
        name, _, rest = path.partition("/")
        if name not in _WRITABLE or (rest and name != "tags"):
            raise bad(f"/{path[:100]} cannot be changed")
        target, key = (changed.setdefault("tags", {}), rest) if rest else (changed, name)
        if value is None:
            target.pop(key, None)
        else:
            target[key] = value
    return changed


def _changes(body: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(body, dict) and body:
        for name, value in body.items():
            if name == "tags" and isinstance(value, dict):
                yield from ((f"tags/{tag}", each) for tag, each in value.items())
            else:
                yield name, value
        return
    if not isinstance(body, list) or not body:
        raise bad("the body must be an object or an array of operations")
    for each in body:
        operation = each.get("op", "") if isinstance(each, dict) else ""
        path = each.get("path", "") if isinstance(each, dict) else ""
        if operation not in ("add", "replace", "remove") or not isinstance(path, str) or not path.startswith("/"):
            raise bad("an operation needs op (add, replace, remove) and path")
        if operation != "remove" and each.get("value") is None:
            raise bad("an operation needs a value")
        yield path[1:], None if operation == "remove" else each["value"]


def _check_profile(doc: Document, caller: Caller, services: Services) -> None:
    schema = services.store.get("schemas", doc["schemaRef"]["id"], caller.scope)
    if schema is None:
        raise bad(f"schemaRef.id {doc['schemaRef']['id'][:200]} is not a schema of this sandbox")
    tags = [value.replace(" ", "") for value in doc["tags"].get("unifiedProfile", [])]
    if "enabled:true" in tags and registry_data.UNION_TAG not in schema.get("meta:immutableTags", []):
        raise bad("a dataset for Profile needs a schema with the tag union")


def _schema_ref(value: Any) -> Document:
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        raise bad("schemaRef.id is missing")
    content_type = value.get("contentType")
    if not isinstance(content_type, str) or not _CONTENT_TYPE.fullmatch(content_type.replace(" ", "")):
        raise bad("schemaRef.contentType must be application/vnd.adobe.xed+json;version=1")
    return {"id": value["id"], "contentType": content_type}


def _tags(value: Any) -> Document:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(
        isinstance(each, list) and all(isinstance(text, str) for text in each) for each in value.values()
    ):
        raise bad("tags must map names to arrays of texts")
    return dict(value)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise bad(f"{name} must be a text with content")
    return value


def _optional_text(value: Any, name: str) -> str:
    if value is not None and not isinstance(value, str):
        raise bad(f"{name} must be a text")
    return value or ""
