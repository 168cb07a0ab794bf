"""Lists of Catalog: simple filters, ``property`` conditions, tags, times, order and paging.

Answers are objects keyed by id. Filters of different parameters must all hold; commas mean *or* in a simple filter and
*and* in ``tags``. ``*`` in a name or in a tag's value stands for any letters (``**`` for itself).
"""

from __future__ import annotations

import operator
import re
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

import duckdb
from fastapi import Request
from fastapi.responses import JSONResponse

from aep_local.core.problems import Problem, generic
from aep_local.core.store import Document

MAX_LIMIT: Final = 100
_DEFAULT_LIMIT: Final = 20
_MAX_PATTERN: Final = 1000
_IGNORED = frozenset({"requestDataSource"})
_SIMPLE = frozenset({"name", "state", "status", "createdUser", "createdClient", "description", "version"})
_SORTABLE = frozenset({"created", "updated", "name", "version", "state", "status"})
_CONDITION = re.compile(r"([A-Za-z_][A-Za-z_.]*)(==|!=|<=|>=|<|>|~)(.*)", re.DOTALL)
_EXISTENCE = re.compile(r"(!?)([A-Za-z_][A-Za-z_.]*)")
_VERSION = re.compile(r"\d{1,9}(\.\d{1,9})+", re.ASCII)
_RANGES: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

Test = Callable[[Document], bool]


@dataclass
class _Query:
    tests: tuple[Test, ...] = ()
    limit: int = _DEFAULT_LIMIT
    start: int = 0
    order: str = "desc:created"
    fields: Collection[str] | None = None


def page(request: Request, docs: list[Document], shown: Callable[[Document], Document]) -> JSONResponse:
    """A page of documents, keyed by id.

    :param docs: the newest first.
    :raises Problem: 400, a wrong query parameter.
    """
    query = _read(request)
    passed = [doc for doc in docs if all(test(doc) for test in query.tests)]
    found = _ordered(passed, query.order)[query.start : query.start + query.limit]
    return JSONResponse({doc["id"]: chosen(shown(doc), query.fields) for doc in found})


def fields(request: Request) -> Collection[str] | None:
    """The names in ``properties``, or None when all are asked for."""
    given = request.query_params.get("properties")
    return None if given is None else frozenset(given.split(","))


def chosen(doc: Document, names: Collection[str] | None) -> Document:
    """A document with only some of its properties; None keeps all."""
    return doc if names is None else {name: value for name, value in doc.items() if name in names}


def _read(request: Request) -> _Query:
    query = _Query(fields=fields(request))
    for key, value in parse_qsl(request.url.query, keep_blank_values=True):
        match key:
            case "limit":
                query.limit = _whole(value, "limit", 1, MAX_LIMIT)
            case "start" | "offset":
                query.start = _whole(value, "start", 0, 10**9)
            case "orderBy":
                query.order = value
            case "tags":
                query.tests += tuple(_tagged(each) for each in value.split(","))
            case "property":
                query.tests += (_condition(value),)
            case "createdAfter" | "createdBefore":
                query.tests += (_created(key, _whole(value, key, 0, 10**15)),)
            case _ if key in _SIMPLE:
                query.tests += (_simple(key, value),)
            case _ if key not in _IGNORED | {"properties", "dataSet"}:
                raise bad(f"query parameter {key[:50]} is unknown")
    return query


def _created(key: str, moment: int) -> Test:
    compare = operator.gt if key == "createdAfter" else operator.lt
    return lambda doc: compare(doc["created"], moment)


def _tagged(given: str) -> Test:
    name, colon, wanted = given.partition(":")
    if not name or not colon:
        raise bad("tags must be <tag>:<value>")
    parts = _wildcards(wanted)
    return lambda doc: any(_fits(parts, each) for each in doc.get("tags", {}).get(name, []))


def _simple(name: str, given: str) -> Test:
    negated, values = given.startswith("!"), given.removeprefix("!").split(",")
    wanted = [_wildcards(each) if name == "name" else [each] for each in values]

    def holds(doc: Document) -> bool:
        value = _text(doc.get(name))
        return (value is not None and any(_fits(parts, value) for parts in wanted)) is not negated

    return holds


def _wildcards(text: str) -> list[str]:
    """The parts of a text between its wildcards ``*``; ``**`` is a star itself."""
    return [each.replace("\0", "*") for each in text.replace("**", "\0").split("*")]


def _fits(parts: list[str], text: str) -> bool:
    """Whether a text has these parts in this order, from its first letter to its last."""
    first, *more = parts
    if not more:
        return text == first
    *middle, last = more
    if not (text.startswith(first) and text.endswith(last) and len(text) >= len(first) + len(last)):
        return False
    position, end = len(first), len(text) - len(last)
    for part in middle:
        position = text.find(part, position, end)
        if position < 0:
            return False
        position += len(part)
    return True


def _condition(given: str) -> Test:
    existence = _EXISTENCE.fullmatch(given)
    if existence is not None:
        absent, name = existence.groups()
        _top_level(name)
        return lambda doc: (name not in doc) is bool(absent)
    match = _CONDITION.fullmatch(given)
    if match is None:
        raise bad("property must be <name>, !<name> or <name><operator><value>")
    name, sign, wanted = match.groups()
    _top_level(name)
    wanted = wanted[1:-1] if len(wanted) > 1 and wanted[0] == wanted[-1] == '"' else wanted
    if sign == "~":
        return _matching(name, wanted)
    if sign in _RANGES:
        return lambda doc: _compared(doc.get(name), wanted, _RANGES[sign])
    return lambda doc: (_text(doc.get(name)) == wanted) is (sign == "==")


def _top_level(name: str) -> None:
    if "." in name:
        raise bad("property takes properties of the first level only")


def _matching(name: str, pattern: str) -> Test:
    """Whether a text holds a match of a regular expression; tried once on nothing, to refuse a wrong one."""
    if len(pattern) > _MAX_PATTERN:
        raise bad("the regular expression is too long")
    _search(pattern, "")
    return lambda doc: isinstance(doc.get(name), str) and _search(pattern, doc[name])


_local = threading.local()


def _search(pattern: str, text: str) -> bool:
    # DuckDB's matcher takes time that grows with the text only; Python's can be made to run for ever by its pattern.
    database = getattr(_local, "database", None)
    if database is None:
        database = _local.database = duckdb.connect(config={"enable_external_access": False, "threads": 1})
    try:
        row = database.execute("SELECT regexp_matches($text, $pattern)", {"text": text, "pattern": pattern}).fetchone()
    except (duckdb.Error, UnicodeError):
        raise bad("the regular expression cannot be read") from None
    return row is not None and bool(row[0])


def _compared(value: Any, wanted: str, compare: Callable[[Any, Any], bool]) -> bool:
    text = _text(value)
    if text is None:
        return False
    if isinstance(value, int | float) and not isinstance(value, bool):
        return bool(re.fullmatch(r"-?\d{1,18}", wanted, re.ASCII)) and compare(value, int(wanted))
    if _VERSION.fullmatch(text) and _VERSION.fullmatch(wanted):
        return compare([int(each) for each in text.split(".")], [int(each) for each in wanted.split(".")])
    return compare(text, wanted)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None or isinstance(value, dict | list) else str(value)


def _ordered(docs: list[Document], order: str) -> list[Document]:
    # documents come with the newest first; a stable sort keeps that among equals
    for each in reversed(order.split(",")):
        direction, _, name = each.rpartition(":")
        if direction not in {"", "asc", "desc"} or name not in _SORTABLE:
            raise bad(f"orderBy must be [asc:|desc:]<name> of {', '.join(sorted(_SORTABLE))}")
        docs = sorted(docs, key=lambda doc: _rank(doc.get(name)), reverse=direction == "desc")
    return docs


def _rank(value: Any) -> tuple[int, Any]:
    if isinstance(value, int | float):
        return (1, value)
    return (2, value) if isinstance(value, str) else (0, 0)


def _whole(text: str, name: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 17 and low <= int(text) <= high):
        raise bad(f"{name} must be a whole number from {low} to {high}")
    return int(text)


def bad(detail: str) -> Problem:
    """400 in the shape of Catalog."""
    return generic(400, "Bad Request", detail)
