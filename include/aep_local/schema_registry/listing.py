"""Lists of the Schema Registry: filters, order and paging."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from aep_local.core.store import Document
from aep_local.schema_registry import documents

_PATH = "/data/foundation/schemaregistry"
_MAX_LIMIT: Final = 300
_FILTER = re.compile(r"([\w$:.]+)(==|!=|<=|>=|<|>|~)(.*)", re.DOTALL)
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "~": operator.contains,
}


@dataclass
class _Query:
    limit: int = _MAX_LIMIT
    start: str = ""
    order: str = ""
    properties: tuple[str, ...] = ()


def page(request: Request, docs: list[Document], kind: str, container: str, *, bare: bool) -> Response:
    """A page of documents: ``{results, _page, _links}``.

    :param bare: only what tells the documents apart, not the whole of them.
    :raises Problem: 400, a wrong query parameter.
    """
    query = _read(request)
    docs = [doc for doc in docs if all(_matches(doc, each) for each in query.properties)]
    if query.order:
        docs = _after(_ordered(docs, query.order), query.start)
    shown = docs[: query.limit]
    following = shown[-1]["$id"] if query.order and len(docs) > query.limit else None
    links: Document = {}
    if container == "tenant":
        links[f"global_{kind}"] = {"href": f"{_PATH}/global/{kind}"}
    if following is not None:
        href = f"{_PATH}/{container}/{kind}?orderby={query.order}&limit={query.limit}&start={following}"
        links["next"] = {"href": href}
    results = [documents.short(doc) if bare else doc for doc in shown]
    about = {"orderby": query.order or None, "next": following, "count": len(shown)}
    return JSONResponse({"results": results, "_page": about, "_links": links})


def _read(request: Request) -> _Query:
    query = _Query()
    for name, value in parse_qsl(request.url.query, keep_blank_values=True):
        match name:
            case "limit":
                if not re.fullmatch(r"\d{1,4}", value, re.ASCII) or not 1 <= int(value) <= _MAX_LIMIT:
                    raise documents.bad(f"limit must be from 1 to {_MAX_LIMIT}")
                query.limit = int(value)
            case "start":
                query.start = value
            case "orderby":
                # an unencoded "+" arrives as a blank
                query.order = value.strip()
            case "property":
                query.properties += (value,)
            case _:
                raise documents.bad(f"query parameter {name[:50]} is unknown")
    if query.start and not query.order:
        raise documents.bad("start works with orderby only")
    return query


def _ordered(docs: list[Document], order: str) -> list[Document]:
    key = order.lstrip("+-")
    return sorted(docs, key=lambda doc: (_sortable(doc, key), doc["$id"]), reverse=order.startswith("-"))


def _after(docs: list[Document], start: str) -> list[Document]:
    """What follows the last page. Its last document's id is the token: documents made meanwhile shift nothing."""
    if not start:
        return docs
    ids = [doc["$id"] for doc in docs]
    if start not in ids:
        raise documents.bad("start is not a value of _page.next")
    return docs[ids.index(start) + 1 :]


def _sortable(doc: Document, key: str) -> str:
    value = doc.get(key)
    if key == "updated":
        return f"{doc.get('meta:registryMetadata', {}).get('repo:lastModifiedDate', 0):020d}"
    return value if isinstance(value, str) else ""


def _matches(doc: Document, condition: str) -> bool:
    match = _FILTER.fullmatch(condition)
    if match is None:
        raise documents.bad("property must be <name><operator><value>")
    name, operator, wanted = match.groups()
    wanted = wanted[1:-1] if len(wanted) > 1 and wanted[0] == wanted[-1] == '"' else wanted
    value = doc.get(name)
    if isinstance(value, list):
        return wanted in value if operator != "!=" else wanted not in value
    return _COMPARE[operator](value if isinstance(value, str) else "", wanted)
