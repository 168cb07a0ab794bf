"""Lists of Flow Service: filters, order, paging and count.

``property=path op value`` may be repeated (all must hold); commas in the value mean *or*; ``[]`` after a name looks
into an array. A page ends with a link that holds an opaque continuation token. ``POST …/search`` takes the same query
in a body.
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

from aep_local.core.documents import INTERNAL
from aep_local.core.problems import Problem, flow_service
from aep_local.core.store import Document
from aep_local.web import documents, recency
from aep_local.web.filters import Condition, parse, values_at
from aep_local.web.gateway import Caller
from aep_local.web.services import Services

MAX_LIMIT = 100
MAX_SEARCH_LIMIT = 1000
_SEARCH: Mapping[str, type] = {
    "queryString": str,
    "limit": int,
    "orderby": str,
    "count": bool,
    "projectionFields": list,
}
_ALLOWED = frozenset({"property", "limit", "orderby", "count", "continuationToken"})

Positioned = tuple[list[Any], Document]


@dataclass(frozen=True)
class _Query:
    properties: tuple[str, ...] = ()
    orderby: str | None = None
    limit: int = 0
    count: bool = False
    after: list[Any] | None = None
    conditions: tuple[Condition, ...] = ()
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listed:
    """What is listed.

    :param kind: the kind in the store, also the list's path under Flow Service.
    :param ref: the field that the store indexes as ``ref``.
    :param aliases: other names for paths in filters.
    :param shown: how a document looks in answers.
    :param doubtful: paths (and all below them) whose filters nobody has seen working, each with the switch that decides.
    :param several: the switch that decides on filters ``==`` of several values.
    :param by_update: whether the most recently updated comes first, not the most recently created.
    :param suffix: what its path has after the kind.
    """

    kind: str
    ref: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    shown: Callable[[Document], Document] = documents.shown
    doubtful: Mapping[str, str] = field(default_factory=dict)
    several: str | None = None
    by_update: bool = False
    suffix: str = ""


def stored(request: Request, services: Services, caller: Caller, listed: Listed) -> JSONResponse:
    """Answer a list request from the store, the newest first unless ``orderby`` says otherwise."""
    return _from_store(_read(request, services, listed), services, caller, listed)


def fixed(request: Request, services: Services, listed: Listed, items: Sequence[Document]) -> JSONResponse:
    """Answer a list request from items that never change, such as specifications."""
    return _from_items(_read(request, services, listed), services, listed, items)


def searched(request: Request, body: Document, services: Services, caller: Caller, listed: Listed) -> JSONResponse:
    """Answer a search, which is a list request whose query is in its body; pages may be longer."""
    return _from_store(_read_search(request, body, services, listed), services, caller, _in_search(listed))


def searched_fixed(
    request: Request, body: Document, services: Services, listed: Listed, items: Sequence[Document]
) -> JSONResponse:
    """Like :func:`searched`, in items that never change."""
    return _from_items(_read_search(request, body, services, listed), services, _in_search(listed), items)


def _from_store(query: _Query, services: Services, caller: Caller, listed: Listed) -> JSONResponse:
    exact = [condition for condition in query.conditions if condition.exact]
    ids = next((c.values for c in exact if c.path == "id" and c.operator == "=="), None)
    ref = next((c.values[0] for c in exact if listed.ref and c.is_single(listed.ref)), None)
    now = services.clock.now_ms()
    horizon = now - services.clock.scaled(services.settings.assume.listing_lag_seconds) * 1000
    by_update = listed.by_update and query.orderby is None
    before = query.after[0] if query.after and query.orderby is None and not by_update else None
    last_number = services.store.last_number()
    visible = (
        (seq, doc)
        for seq, doc in services.store.scan(listed.kind, caller.scope, ref=ref, ids=ids, before=before)
        if doc.get("createdAt", 0) <= horizon and doc.get(INTERNAL, {}).get("listedMs", 0) <= now
    )
    positioned: Iterable[tuple[list[int], Document]] = (([-seq], doc) for seq, doc in visible)
    if by_update:
        positioned = recency.ordered(visible, last_number, query.after)
    return _answer(query, listed, services, ((position, listed.shown(doc)) for position, doc in positioned))


def _from_items(query: _Query, services: Services, listed: Listed, items: Sequence[Document]) -> JSONResponse:
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
        links = {"next": {"href": f"/{listed.kind}{listed.suffix}?continuationToken={token}"}}
    return JSONResponse({"items": [_projected(doc, query.fields) for _, doc in page], "_links": links})


def _projected(doc: Document, paths: tuple[str, ...]) -> Document:
    """Only these paths of a document; all of it when there are none."""
    if not paths:
        return doc
    result: Document = {}
    for path in paths:
        *parents, name = path.split(".")
        there, into = doc, result
        for parent in parents:
            there = there[parent] if isinstance(there.get(parent), dict) else {}
            into = into.setdefault(parent, {}) if there else {}
        if name in there:
            into[name] = there[name]
    return result


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
    return _parsed(parse_qsl(request.url.query, keep_blank_values=True), services, listed, MAX_LIMIT)


def _read_search(request: Request, body: Document, services: Services, listed: Listed) -> _Query:
    """The query of a search: ``queryString`` is the query of a list request, the rest stands beside it."""
    for name, value in body.items():
        if name not in _SEARCH:
            raise flow_service(1451, 400, f"Unknown search parameter {name[:100]}")
        if type(value) is not _SEARCH[name]:
            raise flow_service(1454, 400, f"{name} is not of the right type")
    pairs = parse_qsl(body.get("queryString", "").removeprefix("?"), keep_blank_values=True)
    pairs += [(name, str(body[name])) for name in ("limit", "orderby", "count") if name in body]
    pairs += parse_qsl(request.url.query, keep_blank_values=True)
    fields = body.get("projectionFields", [])
    if not all(isinstance(each, str) for each in fields):
        raise flow_service(1454, 400, "projectionFields must be an array of texts")
    return replace(_parsed(pairs, services, listed, MAX_SEARCH_LIMIT), fields=tuple(fields))


def _in_search(listed: Listed) -> Listed:
    return replace(listed, suffix="/search")


def _parsed(pairs: list[tuple[str, str]], services: Services, listed: Listed, most: int) -> _Query:
    assume = services.settings.assume
    for name, _ in pairs:
        if name not in _ALLOWED:
            raise flow_service(1451, 400, f"Unknown query parameter {name[:100]}")
    given = dict(pairs)
    properties = tuple(value for name, value in pairs if name == "property")
    query = _Query(
        properties=properties,
        orderby=_orderby(given["orderby"]) if "orderby" in given else None,
        limit=_limit(given["limit"], most) if "limit" in given else assume.page_size,
        count=_flag(given["count"]) if "count" in given else False,
    )
    if query.count and "limit" in given:
        raise flow_service(1401, 400, "limit and count cannot be given together")
    if "continuationToken" in given:
        query = _continued(given, query, services, listed, most)
    conditions = (_assumed(parse(each, listed.aliases), listed, services) for each in query.properties)
    return replace(query, conditions=tuple(each for each in conditions if each is not None))


def _assumed(condition: Condition, listed: Listed, services: Services) -> Condition | None:
    """A filter as the switches let it work; None where it changes nothing."""
    assume = services.settings.assume
    for switch, refusal in _doubts(condition, listed):
        match getattr(assume, switch):
            case "refused":
                raise refusal
            case "ignored":
                return None
            case "empty":
                return Condition(condition.path, "==", ())
    return replace(condition, exact=assume.filter_case == "exact")


def _doubts(condition: Condition, listed: Listed) -> Iterator[tuple[str, Problem]]:
    """The switches that decide on a filter, each with what refuses it.

    The catalogue has 1448 to 1454 for a bad operator, field, query parameter or value of a filter: here 1449
    for a field and 1454 for a value. Its one code for several values, 1443, is for ranges only.
    """
    path = next((p for p in listed.doubtful if condition.path == p or condition.path.startswith(f"{p}.")), None)
    if path is not None:
        detail = f"property {condition.path[:100]} is not supported in filters"
        yield listed.doubtful[path], flow_service(1449, 400, detail)
    if listed.several is not None and condition.operator == "==" and len(condition.values) > 1:
        detail = f"property {condition.path[:100]} takes one value"
        yield listed.several, flow_service(1454, 400, detail)


def _limit(value: str, most: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 6 and 1 <= int(value) <= most):
        raise flow_service(1454, 400, f"limit must be between 1 and {most}")
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
    return _encoded(content)


def one_earlier(token: str) -> str | None:
    """A token whose page begins with what the page before ended with; None for a text that is no token."""
    try:
        content = _decoded(token)
    except Problem:
        return None
    match content["after"]:
        case [*others, int(last)]:
            return _encoded({**content, "after": [*others, last - 1]})
    return None


def _encoded(content: Document) -> str:
    raw = json.dumps(content).encode()
    # A length of 3n + 1 ends in "==", like the tokens of AEP's database: a client must not split a link at "=".
    raw += b" " * ((1 - len(raw)) % 3)
    return base64.urlsafe_b64encode(raw).decode()


def _continued(given: Mapping[str, str], query: _Query, services: Services, listed: Listed, most: int) -> _Query:
    content = _decoded(given["continuationToken"])
    after = content["after"]
    if services.settings.assume.continuation != "self_contained":
        if len(after) != _position_length(query.orderby, listed):
            raise _bad_token()
        return replace(query, after=_position(after))
    properties, orderby = tuple(content.get("property", ())), content.get("orderby")
    if query.properties not in ((), properties) or query.orderby not in (None, orderby):
        raise flow_service(1454, 400, "continuationToken belongs to another query")
    if not all(isinstance(each, str) for each in properties) or len(after) != _position_length(orderby, listed):
        raise _bad_token()
    limit = query.limit if "limit" in given else _limit(str(content.get("limit")), most)
    orderby = None if orderby is None else _orderby(str(orderby))
    return replace(query, properties=properties, orderby=orderby, limit=limit, after=_position(after))


def _position_length(orderby: str | None, listed: Listed) -> int:
    """What tells the positions of one order from those of another."""
    if orderby is not None:
        return 2
    return 3 if listed.by_update else 1


def _position(after: list[Any]) -> list[Any]:
    match after:
        case [int(tie)]:
            return [-tie]
        case [int(), int(), int()]:
            return after
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
