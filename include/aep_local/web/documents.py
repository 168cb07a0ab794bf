"""What all resources of Flow Service have in common: their envelope, their etag, their answers."""

from __future__ import annotations

import uuid
from typing import Any

from fastapi.responses import JSONResponse, Response

from aep_local.core.clock import Clock
from aep_local.core.documents import INTERNAL, etag
from aep_local.core.problems import Problem, connector, flow_service, not_found
from aep_local.core.store import Document
from aep_local.web.bodies import FLOW_SERVICE
from aep_local.web.gateway import Caller
from aep_local.web.services import Services


def new(caller: Caller, clock: Clock, fields: Document) -> Document:
    """A document with a fresh id and the envelope that Flow Service adds (moments in epoch milliseconds)."""
    now = clock.now_ms()
    tag = etag(now)
    return {
        "id": str(uuid.uuid4()),
        "createdAt": now,
        "updatedAt": now,
        "createdBy": caller.user,
        "updatedBy": caller.user,
        "createdClient": caller.client_id,
        "updatedClient": caller.client_id,
        "sandboxId": caller.sandbox_id,
        "sandboxName": caller.scope.sandbox,
        "imsOrgId": caller.scope.org,
        **fields,
        "version": tag,
        "etag": tag,
    }


def touch(doc: Document, clock: Clock, caller: Caller | None = None) -> None:
    """Give a document that is about to be written a new etag and, for a caller's change, the caller's name."""
    now = clock.now_ms()
    doc["updatedAt"] = now
    doc["version"] = doc["etag"] = etag(now)
    if caller is not None:
        doc["updatedBy"] = caller.user
        doc["updatedClient"] = caller.client_id


def shown(doc: Document) -> Document:
    """A document as answers show it."""
    return {key: value for key, value in doc.items() if key != INTERNAL}


def found(services: Services, caller: Caller, kind: str, id: str) -> Document:
    """A document of the caller's sandbox.

    :raises Problem: FLOW-1439-404.
    """
    doc = services.store.get(kind, id, caller.scope)
    if doc is None:
        raise not_found(kind, id[:100])
    return doc


def referenced(services: Services, caller: Caller, kind: str, id: Any) -> Document:
    """A document that another one names.

    :raises Problem: FLOW-1101-404.
    """
    doc = services.store.get(kind, id, caller.scope) if isinstance(id, str) else None
    if doc is None:
        raise flow_service(1101, 404, f"{kind} not found with id = [{str(id)[:100]}]", title="Resource not found")
    return doc


def created(kind: str, doc: Document) -> Response:
    """201 with ``{"id", "etag"}`` and where the new document is."""
    headers = {"Location": f"{FLOW_SERVICE}/{kind}/{doc['id']}"}
    return JSONResponse({"id": doc["id"], "etag": doc["etag"]}, status_code=201, headers=headers)


def changed(doc: Document) -> Response:
    """200 with ``{"id", "etag"}``."""
    return JSONResponse({"id": doc["id"], "etag": doc["etag"]})


def one(doc: Document) -> Response:
    """One document, wrapped in ``items``."""
    return JSONResponse({"items": [shown(doc)]})


def as_object(body: Any) -> Document:
    """A body that must be an object.

    :raises Problem: FLOW-1405-400 for an empty one or another type.
    """
    if not isinstance(body, dict) or not body:
        raise flow_service(1405, 400, "The request body must be a JSON object with content")
    return body


def text(body: Document, *path: str) -> str:
    """A mandatory text of a body.

    :raises Problem: CONNECTOR-1304-400.
    """
    value: Any = body
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise missing(".".join(path))
    return value


def optional_text(body: Document, key: str) -> Document:
    """``{key: text}`` when the body has it, else ``{}``."""
    value = body.get(key)
    if value is None:
        return {}
    if not isinstance(value, str):
        raise connector(1304, f"{key} must be a text")
    return {key: value}


def missing(name: str) -> Problem:
    """CONNECTOR-1304-400: a mandatory field is missing."""
    return connector(1304, f"Mandatory field {name} is missing or not of the right type")


def no_drafts(mode: str | None) -> None:
    """Refuse ``?mode=draft``: the specs served here do not say that they support drafts."""
    if mode is not None:
        raise flow_service(1451, 400, "Drafts are not supported by this specification (isDraftModeSupported)")
