"""Cursors of pages that the platform understands beside its own, whatever rules there are by now.

What a fault gives out as a cursor says itself what it means, so nothing has to be remembered of it.
"""

from __future__ import annotations

import base64
from typing import Final
from urllib.parse import parse_qsl, urlencode

CURSORS: Final = frozenset({"continuationToken", "start"})
"""The query parameters that hold them."""

_AGAIN: Final = "again."
_SPECIAL: Final = "a=1&b=2&"


def again(query: str) -> str:
    """A cursor that leads to the page that this query leads to."""
    return _AGAIN + base64.urlsafe_b64encode(query.encode("latin-1")).decode()


def special(cursor: str) -> str:
    """A cursor with letters that mean something in a query, unless they are encoded."""
    return _SPECIAL + cursor


def understood(query: str) -> str:
    """A query with the platform's own cursors in it."""
    if _AGAIN not in query and "%26" not in query:
        return query
    pairs = parse_qsl(query, keep_blank_values=True)
    for index, (name, value) in enumerate(pairs):
        if name in CURSORS and value.startswith(_AGAIN):
            return _query_in(value.removeprefix(_AGAIN), query)
        if name in CURSORS and value.startswith(_SPECIAL):
            pairs[index] = (name, value.removeprefix(_SPECIAL))
            query = urlencode(pairs)
    return query


def _query_in(text: str, otherwise: str) -> str:
    try:
        return base64.urlsafe_b64decode(text).decode("latin-1")
    except ValueError:
        return otherwise


def value(query: str, name: str) -> str | None:
    """A parameter of a query, the last one of that name."""
    return dict(parse_qsl(query, keep_blank_values=True)).get(name)


def changed(query: str, **values: str | int) -> str:
    """A query with other values for some of its parameters."""
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in values]
    return urlencode([*kept, *values.items()])
