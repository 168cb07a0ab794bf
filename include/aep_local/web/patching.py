"""Changing a document of Flow Service: If-Match and JSON-Patch."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

from fastapi import Request

from aep_local.core.documents import INTERNAL
from aep_local.core.problems import Problem, flow_service
from aep_local.core.store import Document

_OPERATIONS = frozenset({"add", "replace", "remove"})
_MAX_OPERATIONS = 100


def check_version(request: Request, doc: Document, kind: str, *, required: bool = True) -> None:
    """Compare ``If-Match`` with the etag, double quotes included.

    :raises Problem: 1403-400 when it is absent, 1404-412 when it differs.
    """
    given = request.headers.get("if-match")
    if given is None:
        if required:
            raise flow_service(1403, 400, "If-Match header is missing")
        return
    if given != doc["etag"]:
        supplied = given.strip('"')[:100]
        detail = f'Supplied version=["{supplied}"] does not match the current version on entity=["{doc["id"]}"]'
        raise flow_service(1404, 412, detail, id=doc["id"], kind=kind)


def patched(doc: Document, body: Any, allowed: Collection[str], refused: Mapping[str, Problem]) -> Document:
    """A changed copy of a document.

    :param allowed: the top-level names that may be changed.
    :param refused: names that have an error of their own.
    :raises Problem: 1434 for an operation other than add, replace and remove; 1455 for anything else that is wrong.
    """
    if not isinstance(body, list) or not body or len(body) > _MAX_OPERATIONS:
        raise _invalid("the body must be an array of operations")
    result = copy.deepcopy({key: value for key, value in doc.items() if key != INTERNAL})
    for each in body:
        _apply(result, each, allowed, refused)
    return result


def _apply(result: Document, operation: Any, allowed: Collection[str], refused: Mapping[str, Problem]) -> None:
    if not isinstance(operation, dict):
        raise _invalid("an operation must be an object")
    name, path = operation.get("op"), operation.get("path")
    if not isinstance(name, str):
        raise _invalid("op is missing")
    if name.lower() not in _OPERATIONS:
        raise flow_service(1434, 400, f"Patch operation {name[:50]} is not supported")
    if not isinstance(path, str) or not path.startswith("/"):
        raise _invalid("path is missing or does not start with /")
    remove = name.lower() == "remove"
    if not remove and "value" not in operation:
        raise _invalid("value is missing")
    steps = [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]
    if steps[0] in refused:
        raise refused[steps[0]]
    if steps[0] not in allowed:
        raise _invalid(f"/{steps[0][:100]} cannot be changed")
    parent = _parent(result, steps)
    if remove:
        _remove(parent, steps[-1])
    else:
        _set(parent, steps[-1], operation["value"], insert=name.lower() == "add")


def _parent(target: Any, steps: list[str]) -> Any:
    for step in steps[:-1]:
        match target:
            case dict() if step in target:
                target = target[step]
            case list():
                target = target[_index(step, len(target) - 1)]
            case _:
                raise _invalid("path leads nowhere")
    return target


def _remove(parent: Any, step: str) -> None:
    match parent:
        case dict() if step in parent:
            del parent[step]
        case list():
            del parent[_index(step, len(parent) - 1)]
        case _:
            raise _invalid("path leads nowhere")


def _set(parent: Any, step: str, value: Any, *, insert: bool) -> None:
    value = copy.deepcopy(value)
    match parent:
        case dict() if insert or step in parent:
            parent[step] = value
        case list() if insert:
            parent.insert(len(parent) if step == "-" else _index(step, len(parent)), value)
        case list():
            parent[_index(step, len(parent) - 1)] = value
        case _:
            raise _invalid("path leads nowhere")


def _index(step: str, last: int) -> int:
    if not (step.isascii() and step.isdigit() and len(step) < 6 and int(step) <= last):
        raise _invalid("path leads nowhere")
    return int(step)


def _invalid(detail: str) -> Problem:
    return flow_service(1455, 400, f"Patch validation failed: {detail}")
