"""Schema Registry documents: what a class, field group or schema must look like, and what the registry makes of it."""

from __future__ import annotations

import copy
import re
import secrets
import uuid
from collections.abc import Iterator
from typing import Any, Final

from aep_local.core.clock import Clock
from aep_local.core.problems import Problem, registry
from aep_local.core.store import Document
from aep_local.web.gateway import Caller
from aep_local.xdm import fields as xdm
from aep_local.xdm import standard as registry_data

RESOURCE_TYPES: Final = {
    "schemas": "schemas",
    "fieldgroups": "mixins",
    "mixins": "mixins",
    "classes": "classes",
    "datatypes": "datatypes",
}
"""What ``meta:resourceType`` says, by the name in the path."""

_NAMESPACE: Final = "https://ns.adobe.com"
_MAX_TITLE = 300
_FIELD = re.compile(r"[A-Za-z_$@][A-Za-z0-9_:@$-]*")
_CALLERS: Final = ("title", "description", "type", "properties", "definitions", "allOf", "required")
_EXTENSIONS: Final = ("meta:intendedToExtend", "meta:immutableTags", "meta:extends")


def bad(detail: str) -> Problem:
    """400: the document is not valid."""
    return registry(1000, 400, detail, title="Bad Request")


def new(kind: str, body: Any, caller: Caller, clock: Clock, load: xdm.Load) -> Document:
    """A new document as the registry keeps it.

    :raises Problem: 400, the body is not a valid document of its kind.
    """
    content = checked(kind, body, caller, load)
    now = clock.now_ms()
    path = RESOURCE_TYPES[kind]
    alternative = f"_{caller.tenant}.{path}.{secrets.token_hex(24)}"
    return {
        "$id": full_id(alternative),
        "meta:altId": alternative,
        "meta:resourceType": path,
        "version": "1.0",
        **content,
        "imsOrg": caller.scope.org,
        "meta:extensible": kind in {"classes", "datatypes"},
        "meta:abstract": kind != "schemas",
        "meta:xdmType": "object",
        "meta:registryMetadata": {
            "repo:createdDate": now,
            "repo:lastModifiedDate": now,
            "xdm:createdClientId": caller.client_id,
            "xdm:lastModifiedClientId": caller.client_id,
            "xdm:createdUserId": caller.user,
            "xdm:lastModifiedUserId": caller.user,
            "eTag": _tag(),
            "meta:globalLibVersion": "1.0.0",
        },
        "meta:containerId": "tenant",
        "meta:sandboxId": caller.sandbox_id,
        "meta:sandboxType": "production" if caller.scope.sandbox == "prod" else "development",
        "meta:tenantNamespace": f"_{caller.tenant}",
    }


def full_id(id: str) -> str:
    """The ``$id`` of a document of a tenant, from its ``meta:altId``; any other text as it is."""
    return f"{_NAMESPACE}/{'/'.join(id[1:].rsplit('.', 2))}" if id.startswith("_") else id


def touched(document: Document, caller: Caller, clock: Clock) -> Document:
    """A document that is about to be written again, with a higher minor version."""
    metadata = {
        **document["meta:registryMetadata"],
        "repo:lastModifiedDate": clock.now_ms(),
        "xdm:lastModifiedClientId": caller.client_id,
        "xdm:lastModifiedUserId": caller.user,
        "eTag": _tag(),
    }
    version = f"1.{int(document['version'].partition('.')[2] or 0) + 1}"
    return {**document, "version": version, "meta:registryMetadata": metadata}


def checked(kind: str, body: Any, caller: Caller, load: xdm.Load) -> Document:
    """What the registry takes over of a body.

    :raises Problem: 400, the body is not a valid document of its kind.
    """
    if not isinstance(body, dict):
        raise bad("the body must be an object")
    title = body.get("title")
    if not isinstance(title, str) or not title.strip() or len(title) > _MAX_TITLE:
        raise bad(f"title must be a text with content, at most {_MAX_TITLE} letters")
    if body.get("type", "object") != "object":
        raise bad("type must be object")
    if not isinstance(body.get("description", ""), str):
        raise bad("description must be a text")
    content = {key: copy.deepcopy(body[key]) for key in (*_CALLERS, *_EXTENSIONS) if key in body}
    content["type"] = "object"
    for key in _EXTENSIONS:
        if not _are_texts(content.get(key, [])):
            raise bad(f"{key} must be an array of texts")
    _check_keywords(content)
    if kind == "schemas":
        content |= _composed(content, load)
    else:
        _check_names(content, f"_{caller.tenant}")
    if kind in {"fieldgroups", "mixins"} and not content.get("meta:intendedToExtend"):
        raise bad("meta:intendedToExtend must name at least one class")
    try:
        xdm.tree(xdm.expanded(content, load))
    except xdm.SchemaError as error:
        raise bad(str(error)) from None
    return content


def _composed(content: Document, load: xdm.Load) -> Document:
    """What follows from a schema's ``allOf``: one class, and field groups that may extend it."""
    parts = content.get("allOf")
    if not isinstance(parts, list) or not parts:
        raise bad("allOf must name a class")
    references = [each.get("$ref") if isinstance(each, dict) else None for each in parts]
    documents = [load(each) if isinstance(each, str) else None for each in references]
    for reference, document in zip(references, documents, strict=True):
        if document is None:
            raise bad(f"$ref {str(reference)[:200]} leads nowhere")
    known = [document for document in documents if document is not None]
    classes = [document["$id"] for document in known if document["meta:resourceType"] == "classes"]
    if len(classes) != 1:
        raise bad("allOf must name exactly one class")
    for document in known:
        extended = document.get("meta:intendedToExtend")
        if document["meta:resourceType"] == "mixins" and extended and classes[0] not in extended:
            raise bad(f"field group {document['$id']} does not extend the class {classes[0]}")
    ids = [document["$id"] for document in known]
    extends = [*ids, *(id for document in known for id in document.get("meta:extends", []))]
    return {
        "allOf": [{"$ref": id, "type": "object", "meta:xdmType": "object"} for id in ids],
        "refs": ids,
        "meta:extends": list(dict.fromkeys(extends)),
        "meta:class": classes[0],
    }


def _check_keywords(node: Any) -> None:
    """What JSON Schema says of each keyword's type, wherever fields are described."""
    if not isinstance(node, dict):
        raise bad("a field must be described by an object")
    kinds = node.get("type", "object")
    if not _are_texts(kinds if isinstance(kinds, list) else [kinds]):
        raise bad("type must be a text or an array of texts")
    for key in ("format", "title", "description", "$ref"):
        if not isinstance(node.get(key, ""), str):
            raise bad(f"{key} must be a text")
    if not _are_texts(node.get("required", [])):
        raise bad("required must be an array of texts")
    enum = node.get("enum", [])
    if not isinstance(enum, list) or any(isinstance(each, dict | list) for each in enum):
        raise bad("enum must be an array of plain values")
    for key in ("properties", "definitions"):
        inner = node.get(key, {})
        if not isinstance(inner, dict):
            raise bad(f"{key} must be an object")
        for each in inner.values():
            _check_keywords(each)
    parts = node.get("allOf", [])
    if not isinstance(parts, list):
        raise bad("allOf must be an array")
    inside = [node[key] for key in ("items", "additionalProperties") if key in node]
    for each in (*parts, *(each for each in inside if not isinstance(each, bool))):
        _check_keywords(each)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _check_names(content: Document, namespace: str) -> None:
    """Custom fields live under the tenant's namespace; no name has a dot or a blank."""
    definitions = content.get("definitions", {})
    if not isinstance(definitions, dict) or not isinstance(content.get("properties", {}), dict):
        raise bad("definitions and properties must be objects")
    for node in (content, *definitions.values()):
        properties = node.get("properties", {}) if isinstance(node, dict) else None
        if not isinstance(properties, dict):
            raise bad("a definition must be an object with properties")
        for name, each in properties.items():
            if name != namespace and not name.startswith(f"{namespace}:"):
                raise bad(f"field {name[:100]} must be under the namespace {namespace}")
            _check_deep(each)


def _check_deep(node: Any) -> None:
    properties = node.get("properties", {}) if isinstance(node, dict) else {}
    if not isinstance(properties, dict):
        raise bad("properties must be an object")
    for name, each in properties.items():
        if not _FIELD.fullmatch(name):
            raise bad(f"field name {name[:100]!r} may have letters, digits, _ and - only")
        _check_deep(each)


def shown(document: Document, accept: str, load: xdm.Load) -> Document:
    """A document as a media type asks for it: ``full`` puts in what it refers to, ``notext`` leaves out the texts."""
    result = document
    if "-full" in accept:
        extended = xdm.expanded(document, load)
        kept = {key: value for key, value in document.items() if key not in {"allOf", "definitions", "refs"}}
        result = {**kept, **{key: extended[key] for key in ("properties", "required") if key in extended}}
    return _without_texts(result) if "-notext" in accept else result


def _without_texts(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_texts(each) for each in node]
    if not isinstance(node, dict):
        return node
    is_field = isinstance(node.get("type"), str) or "$id" in node or "meta:xdmType" in node
    return {
        key: _without_texts(value)
        for key, value in node.items()
        if not (is_field and key in {"title", "description"} and isinstance(value, str))
    }


def short(document: Document) -> Document:
    """A document in a list of ids."""
    return {key: document[key] for key in ("$id", "meta:altId", "version", "title")}


def global_documents(kind: str) -> list[Document]:
    """Adobe's own documents of a kind."""
    by_kind = {"classes": registry_data.CLASSES, "mixins": registry_data.FIELD_GROUPS}
    return list(by_kind.get(RESOURCE_TYPES[kind], ()))


def references(node: Any) -> Iterator[str]:
    """The ids that a document, or a part of one, refers to; an empty one is the document itself."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].partition("#")[0]
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def _tag() -> str:
    return uuid.uuid4().hex
