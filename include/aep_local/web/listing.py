"""Lists of Flow Service: filters, order, paging and count.

``property=path op value`` may be repeated (all must hold); commas in the value mean *or*; ``[]`` after a name looks
into an array. A page ends with a link that holds an opaque continuation token.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.responses import JSONResponse

from aep_local.core.problems import Problem, flow_service
from aep_local.core.store import Document
from aep_local.web import documents
from aep_local.web.filters import Condition, parse, values_at
from aep_local.web.gateway import Caller
from aep_local.web.services import Services

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
_ALLOWED = frozenset({"property", "limit", "orderby", "count", "continuationToken"})

Positioned = tuple[list[Any], Document]


@dataclass(frozen=True)
class _Query:
    properties: tuple[str, ...] = ()
    orderby: str | None = None
    limit: int = DEFAULT_LIMIT
    count: bool = False
    after: list[Any] | None = None
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Listed:
    """What is listed.

    :param path: the list's path under Flow Service, also the kind in the store.
    :param ref: the field that the store indexes as ``ref``.
    :param aliases: other names for paths in filters.
    :param shown: how a document looks in answers.
    """

    path: str
    ref: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    shown: Callable[[Document], Document] = documents.shown


def stored(request: Request, services: Services, caller: Caller, listed: Listed) -> JSONResponse:
    """Answer a list request from the store, the newest first unless ``orderby`` says otherwise."""
    query = _read(request, services, listed)
    ids = next((c.values for c in query.conditions if c.path == "id" and c.operator == "=="), None)
    ref = next((c.values[0] for c in query.conditions if listed.ref and c.is_single(listed.ref)), None)
    horizon = services.clock.now_ms() - services.clock.scaled(services.settings.assume.listing_lag_seconds) * 1000
    before = query.after[0] if query.after and query.orderby is None else None
    scanned = services.store.scan(listed.path, caller.scope, ref=ref, ids=ids, before=before)
    visible: Iterator[Positioned] = (
        ([-seq], listed.shown(doc)) for seq, doc in scanned if doc.get("createdAt", 0) <= horizon
    )
    return _answer(query, listed, services, visible)


def fixed(request: Request, services: Services, listed: Listed, items: Sequence[Document]) -> JSONResponse:
    """Answer a list request from items that never change, such as specifications."""
    query = _read(request, services, listed)
    positioned: Iterator[Positioned] = (([index], dict(item)) for index, item in enumerate(items))
    if query.after and query.orderby is None:
        start = -query.after[0]
        positioned = (each for each in positioned if each[0][0] > start)
    return _answer(query, listed, services, positioned)


def _answer(query: _Query, listed: Listed, services: Services, items: Iterable[Positioned]) -> JSONResponse:
    matching: Iterator[Positioned] = (
        item for item in items if all(condition.holds(item[1]) for condition in query.conditions)
    )
    if query.count:
        return JSONResponse({"count": sum(1 for _ in matching)})
    if query.orderby is not None:
        matching = _ordered(matching, query.orderby, query.after)
    page = list(itertools.islice(matching, query.limit + 1))
    links: Document = {}
    if len(page) > query.limit:
        page.pop()
        token = _token(query, services, page[-1][0])
        links = {"next": {"href": f"/{listed.path}?continuationToken={token}"}}
    return JSONResponse({"items": [doc for _, doc in page], "_links": links})


def _ordered(items: Iterable[Positioned], orderby: str, after: list[Any] | None) -> Iterator[Positioned]:
    path = orderby.lstrip("+-")
    keyed = [([_sort_key(doc, path), position[0]], doc) for position, doc in items]
    # Python's sort is stable, also in reverse, so ties stay in the order of the list.
    keyed.sort(key=lambda item: item[0][0], reverse=orderby.startswith("-"))
    if after is None:
        return iter(keyed)
    last = [tuple(after[0]) if isinstance(after[0], list) else after[0], after[1]]

    def is_later(position: list[Any]) -> bool:
        key, tie = tuple(position[0]), position[1]
        if key == last[0]:
            return bool(tie > last[1])
        return bool(key < last[0] if orderby.startswith("-") else key > last[0])

    return (item for item in keyed if is_later(item[0]))


def _sort_key(doc: Document, path: str) -> tuple[int, Any]:
    value = next(iter(values_at(doc, path)), None)
    if isinstance(value, bool):
        return (1, int(value))
    if isinstance(value, int | float):
        return (2, value)
    if isinstance(value, str):
        return (3, value)
    return (0, 0)


def _read(request: Request, services: Services, listed: Listed) -> _Query:
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    for name, _ in pairs:
        if name not in _ALLOWED:
            raise flow_service(1451, 400, f"Unknown query parameter {name[:100]}")
    given = dict(pairs)
    properties = tuple(value for name, value in pairs if name == "property")
    query = _Query(
        properties=properties,
        orderby=_orderby(given["orderby"]) if "orderby" in given else None,
        limit=_limit(given["limit"]) if "limit" in given else DEFAULT_LIMIT,
        count=_flag(given["count"]) if "count" in given else False,
    )
    if query.count and "limit" in given:
        raise flow_service(1401, 400, "limit and count cannot be given together")
    if "continuationToken" in given:
        query = _continued(given, query, services)
    conditions = tuple(parse(each, listed.aliases) for each in query.properties)
    return replace(query, conditions=conditions)


def _limit(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 6 and 1 <= int(value) <= MAX_LIMIT):
        raise flow_service(1454, 400, f"limit must be between 1 and {MAX_LIMIT}")
    return int(value)


def _flag(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise flow_service(1454, 400, "count must be true or false")
    return value.lower() == "true"


def _orderby(value: str) -> str:
    # An unencoded "+" arrives as a blank.
    value = value.strip()
    if not value.lstrip("+-"):
        raise flow_service(1432, 400, "orderby names no property")
    name = value.removeprefix("-") if value.startswith("-") else value.removeprefix("+")
    if not all(part.isidentifier() for part in name.replace("[]", "").split(".")):
        raise flow_service(1433, 400, "orderby must be a property, +property or -property")
    return f"-{name}" if value.startswith("-") else name


def _token(query: _Query, services: Services, position: list[Any]) -> str:
    content: Document = {"after": position}
    if services.settings.assume.continuation == "self_contained":
        content |= {"property": query.properties, "orderby": query.orderby, "limit": query.limit}
    raw = json.dumps(content).encode()
    # A length of 3n + 1 ends in "==", like the tokens of AEP's database: a client must not split a link at "=".
    raw += b" " * ((1 - len(raw)) % 3)
    return base64.urlsafe_b64encode(raw).decode()


def _continued(given: Mapping[str, str], query: _Query, services: Services) -> _Query:
    content = _decoded(given["continuationToken"])
    after = content["after"]
    if services.settings.assume.continuation != "self_contained":
        expected = 1 if query.orderby is None else 2
        if len(after) != expected:
            raise _bad_token()
        return replace(query, after=_position(after))
    properties, orderby = tuple(content.get("property", ())), content.get("orderby")
    if query.properties not in ((), properties) or query.orderby not in (None, orderby):
        raise flow_service(1454, 400, "continuationToken belongs to another query")
    if not all(isinstance(each, str) for each in properties) or len(after) != (1 if orderby is None else 2):
        raise _bad_token()
    limit = query.limit if "limit" in given else _limit(str(content.get("limit")))
    orderby = None if orderby is None else _orderby(str(orderby))
    return replace(query, properties=properties, orderby=orderby, limit=limit, after=_position(after))


def _position(after: list[Any]) -> list[Any]:
    match after:
        case [int(tie)]:
            return [-tie]
        case [[int() as rank, str() | int() | float() as value], int(tie)]:
            return [(rank, value), tie]
    raise _bad_token()


def _decoded(token: str) -> Document:
    try:
        content = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise _bad_token() from None
    if not isinstance(content, dict) or not isinstance(content.get("after"), list):
        raise _bad_token()
    if not isinstance(content.get("property", []), list):
        raise _bad_token()
    return content


def _bad_token() -> Problem:
    return flow_service(1454, 400, "continuationToken is not valid")
