"""The two dialects of mapping sets: read into one normal form, written with the vocabularies of both."""

from __future__ import annotations

from typing import Any

from aep_local.core.store import Document
from aep_local.xdm.mapping import ATTRIBUTE, EXPRESSION, STATIC

MAX_MAPPINGS = 2000
_SOURCE_TYPES = {
    "ATTRIBUTE": ATTRIBUTE,
    "STATIC": STATIC,
    "EXPRESSION": EXPRESSION,
    "text/x.schema-path": ATTRIBUTE,
    "text/x.static": STATIC,
    "text/x.aep-xl": EXPRESSION,
}
_WRITTEN = {ATTRIBUTE: "text/x.schema-path", STATIC: "text/x.static", EXPRESSION: "text/x.aep-xl"}
_CONTENT_TYPE = "application/vnd.adobe.xed-full+json;version=1"


class Malformed(ValueError):
    """A mapping set that is not of either dialect; the text says what is wrong."""


def normal(body: Any) -> Document:
    """A mapping set in normal form: ``name description schemaRef inputSchema mappings``.

    :raises Malformed: it is of neither dialect.
    """
    if not isinstance(body, dict):
        raise Malformed("a mapping set must be an object")
    mappings = body.get("mappings")
    if not isinstance(mappings, list) or not mappings:
        raise Malformed("mappings must be an array with content")
    if len(mappings) > MAX_MAPPINGS:
        raise Malformed(f"a mapping set may have {MAX_MAPPINGS} mappings")
    for name in ("name", "description"):
        if body.get(name) is not None and not isinstance(body[name], str):
            raise Malformed(f"{name} must be a text")
    return {
        "name": body.get("name"),
        "description": body.get("description"),
        "schemaRef": _schema_ref(body),
        "inputSchema": body.get("inputSchema"),
        "mappings": [_mapping(each, index) for index, each in enumerate(mappings)],
    }


def input_columns(mapping_set: Document) -> list[str] | None:
    """The source's column names, where the set carries a schema of its input; None when they are not known."""
    schema = mapping_set.get("inputSchema")
    schema = schema.get("schema", schema) if isinstance(schema, dict) else None
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if isinstance(properties, dict) and properties:
        return list(properties)
    columns = schema.get("columns") if isinstance(schema, dict) else None
    if isinstance(columns, list) and columns:
        return [each["name"] for each in columns if isinstance(each, dict) and isinstance(each.get("name"), str)]
    return None


def written(set_id: str, version: int, mapping_set: Document) -> Document:
    """What a mapping set looks like in answers, in both vocabularies."""
    reference = mapping_set["schemaRef"]
    return {
        "id": set_id,
        "version": version,
        "name": mapping_set["name"],
        "description": mapping_set["description"],
        "status": "PUBLISHED",
        "xdmSchema": reference["id"],
        "xdmVersion": "1.0",
        "schemaRef": reference,
        "outputSchema": {"schemaRef": reference},
        "inputSchema": mapping_set["inputSchema"],
        "mappings": written_mappings(set_id, version, mapping_set),
    }


def written_mappings(set_id: str, version: int, mapping_set: Document) -> list[Document]:
    """The mappings of a set as answers show them, in both vocabularies."""
    return [
        {
            "id": f"{set_id}-{index}",
            "version": version,
            "name": each["name"],
            "description": each["description"],
            "sourceType": _WRITTEN[each["sourceType"]],
            "source": each["source"],
            "destination": each["destination"],
            "sourceAttribute": each["source"],
            "destinationXdmPath": each["destination"],
            "identity": each["identity"],
            "primaryIdentity": False,
            "identityGroup": None,
            "namespaceCode": None,
            "matchScore": 0.0,
            "functionVersion": None,
        }
        for index, each in enumerate(mapping_set["mappings"])
    ]


def _schema_ref(body: Document) -> Document:
    output = body.get("outputSchema")
    reference = output.get("schemaRef") if isinstance(output, dict) else body.get("schemaRef")
    if isinstance(reference, dict) and isinstance(reference.get("id"), str):
        content_type = reference.get("contentType", _CONTENT_TYPE)
        if not isinstance(content_type, str):
            raise Malformed("contentType must be a text")
        return {"id": reference["id"], "contentType": content_type}
    if isinstance(body.get("xdmSchema"), str):
        return {"id": body["xdmSchema"], "contentType": _CONTENT_TYPE}
    raise Malformed("outputSchema.schemaRef.id or xdmSchema is missing")


def _mapping(given: Any, index: int) -> Document:
    if not isinstance(given, dict):
        raise Malformed(f"mapping {index} must be an object")
    source = given.get("source", given.get("sourceAttribute"))
    destination = given.get("destination", given.get("destinationXdmPath"))
    declared = given.get("sourceType", ATTRIBUTE)
    kind = _SOURCE_TYPES.get(declared) if isinstance(declared, str) else None
    if kind is None:
        raise Malformed(f"mapping {index}: sourceType is unknown")
    if kind != STATIC and (not isinstance(source, str) or not source):
        raise Malformed(f"mapping {index}: source or sourceAttribute is missing")
    if kind == STATIC and not isinstance(source, str | int | float | bool):
        raise Malformed(f"mapping {index}: a static source must be a text, a number or a boolean")
    if not isinstance(destination, str) or not destination:
        raise Malformed(f"mapping {index}: destination or destinationXdmPath is missing")
    return {
        "sourceType": kind,
        "source": source,
        "destination": destination,
        "name": given.get("name") if isinstance(given.get("name"), str) else None,
        "description": given.get("description") if isinstance(given.get("description"), str) else None,
        "identity": given.get("identity") is True,
    }
