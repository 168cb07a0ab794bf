"""
What of AEP's documents is relied upon: the members that somebody reads without asking of which type they are.

What more they hold is let through. What is left out or null is not told, which is for the reader to judge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar

from aep_provider.errors import AepAnswerError
from aep_provider.platform.wire import is_id

_Document = TypeVar("_Document", bound=Mapping[str, Any])


class Leaf(Enum):
    """A member that holds no others."""

    TEXT = "text"
    NAME = "text, which must be there"
    ID = "id, which must be there"
    TO_ID = "id of something else"
    WHOLE = "whole number, which AEP may write as text"


@dataclass(frozen=True)
class Each:
    """A mapping whose keys are anything, and whose values all have one shape."""

    shape: Any


Shape = Any
"""A leaf, a mapping of members, a list with the one shape of its entries, or :class:`Each`."""

_WHOLE: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
TEXT, NAME, ID, TO_ID, WHOLE = Leaf.TEXT, Leaf.NAME, Leaf.ID, Leaf.TO_ID, Leaf.WHOLE

COLUMN: Final[Shape] = {"name": NAME, "xdm": {}}
TAGS: Final[Shape] = Each([])
_HAS_SPEC: Final[Shape] = {"connectionSpec": {"id": TO_ID}}
_OBJECT: Final = {"id": ID, "name": TEXT, "description": TEXT, "state": TEXT, "etag": TEXT}
_REGISTERED: Final[Shape] = {"meta:registryMetadata": {}}

SHAPES: Final[Mapping[str, Shape]] = {
    "connections": {**_OBJECT, **_HAS_SPEC, "auth": {"specName": TEXT, "params": {}}},
    "sourceConnections": {
        **_OBJECT,
        **_HAS_SPEC,
        "baseConnectionId": TO_ID,
        "data": {"format": TEXT},
        "params": {"tableName": TEXT, "columns": [COLUMN]},
    },
    "targetConnections": {
        **_OBJECT,
        **_HAS_SPEC,
        "data": {"schema": {"id": TO_ID}},
        "params": {"dataSetId": TO_ID},
    },
    "flows": {
        **_OBJECT,
        "flowSpec": {"id": TO_ID},
        "sourceConnectionIds": [ID],
        "targetConnectionIds": [ID],
        "transformations": [
            {"name": TEXT, "params": {"mappingId": TO_ID, "mappingVersion": WHOLE, "deltaColumn": {"name": TEXT}}}
        ],
        "scheduleParams": {"frequency": TEXT},
        "options": {},
    },
    "runs": {"id": ID, "flowId": TEXT},
    "flowSpecs": {
        "id": ID,
        "name": TEXT,
        "sourceConnectionSpecIds": [TEXT],
        "targetConnectionSpecIds": [TEXT],
        "transformationSpecs": [{"name": TEXT}],
        "transformationSpec": [{"name": TEXT}],
    },
    "connectionSpecs": {"authSpec": [{"name": TEXT, "spec": {"properties": {}, "required": [NAME]}}]},
    "tenant/schemas": {"$id": ID, "title": TEXT, "description": TEXT, "allOf": [{"$ref": TO_ID}], **_REGISTERED},
    "tenant/fieldgroups": {
        "$id": ID,
        "title": TEXT,
        "description": TEXT,
        "meta:intendedToExtend": [NAME],
        "definitions": Each({"properties": Each({})}),
        **_REGISTERED,
    },
    "dataSets": {
        "id": ID,
        "name": TEXT,
        "description": TEXT,
        "schemaRef": {"id": TO_ID},
        "tags": {},
    },
    "mappingSets": {
        "id": ID,
        "name": TEXT,
        "version": WHOLE,
        "mappings": [{}],
        "outputSchema": {"schemaRef": {"id": TO_ID}},
        "schemaRef": {"id": TO_ID},
        "xdmSchema": TO_ID,
    },
}
"""By collection."""


def relied_on(document: _Document, collection: str) -> _Document:
    """
    Return a document of a collection, if it is as it is relied upon.

    :raises AepAnswerError: it is not; the message names the member.
    """
    told = document.get("id", document.get("$id")) if isinstance(document, Mapping) else None
    which = f" ({told})" if is_id(told) else ""
    return shaped(document, SHAPES[collection], f"an object of {collection}{which}")


def shaped(document: _Document, shape: Shape, what: str) -> _Document:
    """
    Return a document, if it has a shape.

    :param what: what the message calls it.
    :raises AepAnswerError: it has not; the message names the member.
    """
    flaw = _flaw(document, shape, "")
    if flaw:
        raise AepAnswerError(f"AEP's answer holds {what} that is not of AEP's form: {flaw}")
    return document


def _flaw(value: Any, shape: Shape, path: str) -> str | None:
    """The first member that is not of its shape."""
    if isinstance(shape, Leaf):
        return None if _fits(value, shape) else f"{path} is no {shape.value}"
    if isinstance(shape, list):
        return _flaw_in_list(value, shape, path)
    if not isinstance(value, Mapping):
        return f"{path or 'it'} is no object"
    all_alike = isinstance(shape, Each)
    for name, inner in (dict.fromkeys(value, shape.shape) if all_alike else shape).items():
        member = value.get(name)
        if member is None and not all_alike and inner not in (NAME, ID):
            continue
        if flaw := _flaw(member, inner, f"{path}.{name}" if path else name):
            return flaw
    return None


def _flaw_in_list(value: Any, shape: list[Shape], path: str) -> str | None:
    if not isinstance(value, list):
        return f"{path} is no list"
    flaws = (_flaw(one, inner, f"{path}[{index}]") for inner in shape for index, one in enumerate(value))
    return next(filter(None, flaws), None)


def _fits(value: Any, leaf: Leaf) -> bool:
    if leaf is WHOLE:
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return whole or (isinstance(value, str) and bool(_WHOLE.fullmatch(value)))
    if leaf in (ID, TO_ID):
        return is_id(value) or (leaf is TO_ID and value == "")
    return isinstance(value, str) and (leaf is TEXT or bool(value))
