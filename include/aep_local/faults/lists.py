"""Faults of lists: something comes twice, something new is missing yet, and pages that lead nowhere or oddly on."""

from __future__ import annotations

from dataclasses import replace
from time import time
from typing import Any, Literal
from urllib.parse import quote

from aep_local.core.store import Document
from aep_local.faults import cursors
from aep_local.faults.asked import BEHIND_THE_GATEWAY, ROOTS, Asked, Service
from aep_local.faults.exchange import Exchange
from aep_local.faults.fault import Fault, Happening, Seconds
from aep_local.faults.views import without
from aep_local.web import listing


class _OfLists(Fault):
    at = BEHIND_THE_GATEWAY

    def fits(self, asked: Asked) -> bool:
        return super().fits(asked) and asked.lists


class DuplicateItem(_OfLists):
    """Something comes twice: within a first page, and on a further page what the page before ended with."""

    kind: Literal["duplicate_item"]

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        answer = await exchange.work()
        content = answer.content
        items = _items(content, exchange.asked)
        if items is None:
            return
        earlier = await _last_of_page_before(exchange)
        if isinstance(items, dict):
            if not earlier:
                return
            content = {**earlier, **items}
        elif earlier:
            items.insert(0, earlier[0])
        elif items:
            items.append(items[0])
        else:
            return
        told.happens()
        await exchange.send(answer.with_content(content))


class LaggingList(_OfLists):
    """What was made less than so many seconds ago is in no list; asked for by its id, it is there."""

    kind: Literal["lagging_list"]
    seconds: Seconds

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        since = (time() - self.seconds) * 1000
        view = without(exchange.services.store, lambda _, doc: _made_ms(doc) > since)
        true = await exchange.work()
        late = await exchange.work(services=replace(exchange.services, store=view))
        if late.body != true.body:
            told.happens()
            await exchange.send(late)


class RepeatingCursor(_OfLists):
    """Every page leads to itself."""

    at = frozenset[Service]({"flowservice", "schemaregistry", "conversion"})
    kind: Literal["repeating_cursor"]

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        answer = await exchange.work()
        content = answer.content
        if not _items(content, exchange.asked):
            return
        name = "continuationToken" if exchange.asked.service == "flowservice" else "start"
        cursor = cursors.value(exchange.query, name) or cursors.again(exchange.query)
        if _lead_on(content, exchange, cursor):
            told.happens()
            await exchange.send(answer.with_content(content))


class SpecialCursor(_OfLists):
    """The cursor of the next page holds ``=`` and ``&``, which mean nothing in it."""

    at = frozenset[Service]({"flowservice", "schemaregistry"})
    kind: Literal["special_cursor"]

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        answer = await exchange.work()
        content = answer.content
        cursor = _next(content, exchange.asked)
        if cursor is not None and _lead_on(content, exchange, cursors.special(cursor)):
            told.happens()
            await exchange.send(answer.with_content(content))


def _items(content: Any, asked: Asked) -> list[Any] | Document | None:
    """What a list lists; None when it is no list."""
    match asked.service, content:
        case "catalog", dict():
            return content
        case "flowservice", {"items": list() as items, "_links": dict()}:
            return items
        case "schemaregistry", {"results": list() as items, "_page": dict(), "_links": dict()}:
            return items
        case "conversion", {"data": list() as items, "_page": dict(), "_links": dict()}:
            return items
        case "export", {"data": list() as items, "_page": dict()}:
            return items
    return None


def _next(content: Any, asked: Asked) -> str | None:
    """The cursor of the next page."""
    match asked.service, content:
        case "flowservice", {"_links": {"next": {"href": str() as href}}}:
            return cursors.value(href.partition("?")[2], "continuationToken")
        case "schemaregistry", {"_page": {"next": str() as start}}:
            return start
    return None


def _lead_on(content: Document, exchange: Exchange, cursor: str) -> bool:
    """Let a page lead on with a cursor; False where pages of this kind lead nowhere."""
    asked, query = exchange.asked, exchange.query
    if asked.service == "flowservice":
        href = f"{asked.path}?continuationToken={quote(cursor, safe='')}"
    elif asked.service == "schemaregistry":
        if content["_page"].get("orderby") is None:
            return False
        content["_page"]["next"] = cursor
        href = f"{ROOTS[asked.service]}{asked.path}?{cursors.changed(query, start=cursor)}"
    else:
        href = f"{asked.path}?{cursors.changed(query, start=cursor)}"
    content["_links"]["next"] = {"href": href}
    return True


async def _last_of_page_before(exchange: Exchange) -> Any:
    """What stands before a further page, as a list of one or a map of one; nothing before a first page."""
    query = cursors.understood(exchange.query)
    service = exchange.asked.service
    if service == "flowservice":
        token = cursors.value(query, "continuationToken")
        earlier = None if token is None else listing.one_earlier(token)
        asked = None if earlier is None else cursors.changed(query, continuationToken=earlier, limit=1)
    elif service == "schemaregistry":
        start = cursors.value(query, "start")
        asked = None if not start else cursors.changed("", property=f"$id=={start}", limit=1)
    else:
        start = cursors.value(query, "start") or cursors.value(query, "offset") or "0"
        first = not (start.isascii() and start.isdigit() and int(start) > 0)
        asked = None if first else cursors.changed(query, start=int(start) - 1, limit=1)
    if asked is None:
        return None
    return _items((await exchange.work(query=asked)).content, exchange.asked)


def _made_ms(doc: Document) -> int:
    """When something was made, epoch milliseconds; each service has its own word for it."""
    metadata = doc.get("meta:registryMetadata", {})
    made: int = (
        doc.get("createdAt") or doc.get("created") or doc.get("createdDate") or metadata.get("repo:createdDate", 0)
    )
    return made
