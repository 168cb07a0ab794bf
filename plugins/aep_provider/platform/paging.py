"""Lists, page by page, as generators of plain documents. Each service pages in its own way."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sized
from typing import TYPE_CHECKING, Any, Final

from aep_provider.errors import AepAnswerError
from aep_provider.platform.services import CATALOG, DATA_PREP, FLOW_SERVICE, SCHEMA_REGISTRY
from aep_provider.platform.wire import Params, is_id, pairs_of, rebased

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

Pairs = list[tuple[str, str]]
Document = dict[str, Any]

MOST_PAGES: Final = 10_000
"""Of one list. With a hundred objects on each, no sandbox has as many."""
MOST_ON_PAGE: Final = 10_000
"""Objects. No service of AEP gives more than a thousand at once."""
KEPT_PARAMS: Final = ("property", "orderby", "limit")
"""What the link to a next page may leave out although it still counts."""


def single(body: Any, path: str | None = None) -> Document:
    """The one object of an answer, which may stand alone or as the only one of ``items``.

    :raises AepAnswerError: there is none, or more than one.
    """
    items = body.get("items", [body]) if isinstance(body, dict) else None
    if not isinstance(items, list) or len(items) != 1 or not isinstance(items[0], dict):
        raise AepAnswerError("AEP's answer does not hold exactly one object", path=path)
    return items[0]


def identified(body: Any, path: str | None = None) -> Document:
    """The one object of an answer to somebody who asked for it by its id.

    :raises AepAnswerError: there is none, or it does not say which one it is.
    """
    item = single(body, path)
    if not is_id(item.get("id")):
        raise AepAnswerError("AEP's answer holds an object without an id", path=path)
    return item


def flow_service_items(
    client: AepClient, path: str, params: Params | None = None, limit: int = 100
) -> Iterator[Document]:
    """Connections, flows, runs and other objects of Flow Service.

    :param path: such as ``/connections``, with or without the root of the service.
    :param params: ``property`` (may repeat), ``orderby``.
    """
    pages = FlowPages(path, params, limit)
    while pages.more:
        yield from pages.items(client.get(pages.path, params=pages.params).body)


class FlowPages:
    """
    A list of Flow Service, page by page and without I/O: what to ask for next, and what an answer holds.

    :param path: such as ``/runs``, with or without the root of the service.
    :param params: ``property`` (may repeat), ``orderby``.
    """

    more = True
    """Whether there is a page to ask for: ``path`` with ``params``."""

    def __init__(self, path: str, params: Params | None, limit: int = 100) -> None:
        self.path = path if path.startswith(FLOW_SERVICE) else FLOW_SERVICE + path
        self.more = True
        self.params = pairs_of(params)
        if "limit" not in dict(self.params):
            self.params.append(("limit", str(limit)))
        self._kept = [pair for pair in self.params if pair[0] in KEPT_PARAMS]
        self._seen: set[Hashable] = {(self.path, tuple(sorted(self.params)))}

    def items(self, body: Any) -> list[Document]:
        """Return the objects of the page that was asked for, and turn to the next."""
        items = _documents(_member(body, "items", self.path), self.path)
        link = _next_link(body, self.path)
        self.more = link is not None
        if link is not None:
            self.path, self.params = self._followed(link)
        return items

    def _followed(self, link: str) -> tuple[str, Pairs]:
        path, params = rebased(link, FLOW_SERVICE)
        named = {name for name, _ in params}
        params += [pair for pair in self._kept if pair[0] not in named]
        _turn((path, tuple(sorted(params))), self._seen, path)
        return path, params


def registry_results(
    client: AepClient,
    path: str,
    params: Params | None = None,
    limit: int = 300,
    accept: str = "application/vnd.adobe.xed-id+json",
) -> Iterator[Document]:
    """Schemas, field groups and other resources of the Schema Registry.

    :param path: such as ``/tenant/schemas``, with or without the root of the service.
    :param accept: how much of each resource is told; for lists it names no version.
    """
    path = path if path.startswith(SCHEMA_REGISTRY) else SCHEMA_REGISTRY + path
    wanted = pairs_of(params)
    if "limit" not in dict(wanted):
        wanted.append(("limit", str(limit)))
    # `start` is read in the order of the list, so the registry takes it only together with `orderby`.
    start: str | None = None
    orderby = dict(wanted).get("orderby")
    seen: set[Hashable] = set()
    while True:
        page = [pair for pair in wanted if pair[0] not in {"orderby", "start"} or start is None]
        if start is not None:
            page += [("start", start)] + ([("orderby", orderby)] if orderby else [])
        body = client.get(path, params=page, headers={"Accept": accept}).body
        yield from _documents(_member(body, "results", path), path)
        about = body.get("_page")
        about = about if isinstance(about, dict) else {}
        start = _place(about.get("next"), path)
        if start is None:
            return
        orderby = orderby or _place(about.get("orderby"), path)
        _turn(start, seen, path)


def catalog_objects(
    client: AepClient, path: str = "/dataSets", params: Params | None = None, limit: int = 100
) -> Iterator[tuple[str, Document]]:
    """Datasets and other objects of Catalog, each with its id. Catalog tells no next page: a short page is the last."""
    path = path if path.startswith(CATALOG) else CATALOG + path
    wanted = [pair for pair in pairs_of(params) if pair[0] not in {"limit", "start"}]
    seen: set[str] = set()
    turned: set[Hashable] = set()
    start = 0
    while True:
        body = client.get(path, params=[*wanted, ("limit", str(limit)), ("start", str(start))]).body
        if not isinstance(body, dict) or not all(isinstance(value, dict) for value in body.values()):
            raise AepAnswerError("AEP's answer is not a list of Catalog", method="GET", path=path)
        _check_size(body, path)
        fresh = {key: value for key, value in body.items() if key not in seen}
        yield from fresh.items()
        if len(body) < limit:
            return
        if not fresh:
            raise _circle(path)
        seen |= fresh.keys()
        _turn(start, turned, path)
        start += len(body)


def data_prep_sets(client: AepClient, params: Params | None = None, limit: int = 100) -> Iterator[Document]:
    """Mapping sets of Data Prep, which wants ``limit`` and ``start`` on every page."""
    path = f"{DATA_PREP}/mappingSets"
    wanted = [pair for pair in pairs_of(params) if pair[0] not in {"limit", "start"}]
    seen: set[str] = set()
    turned: set[Hashable] = set()
    start = 0
    while True:
        body = client.get(path, params=[*wanted, ("limit", str(limit)), ("start", str(start))]).body
        page = _documents(_member(body, "data", path), path)
        fresh = [document for document in page if str(document.get("id")) not in seen]
        yield from fresh
        if len(page) < limit:
            return
        if not fresh:
            raise _circle(path)
        seen |= {str(document.get("id")) for document in fresh}
        _turn(start, turned, path)
        start += len(page)


def _turn(page: Hashable, seen: set[Hashable], path: str) -> None:
    """Turn to a page, unless the list goes round in a circle, or on without end."""
    if page in seen:
        raise _circle(path)
    if len(seen) >= MOST_PAGES:
        raise AepAnswerError(f"AEP's list does not end: {MOST_PAGES} pages were read", method="GET", path=path)
    seen.add(page)


def _circle(path: str) -> AepAnswerError:
    return AepAnswerError("AEP's list leads back to a page already read", method="GET", path=path)


def _place(told: object, path: str) -> str | None:
    """A place in a list, or the order that it has: text, or a number."""
    if told is None or told == "":
        return None
    if not isinstance(told, str | int):
        raise AepAnswerError("AEP's list does not say in a word where it goes on", method="GET", path=path)
    return str(told)


def _member(body: Any, name: str, path: str) -> Any:
    if not isinstance(body, Mapping) or name not in body:
        raise AepAnswerError(f"AEP's answer has no {name}", method="GET", path=path)
    return body[name]


def _documents(items: Any, path: str) -> list[Document]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise AepAnswerError("AEP's answer is not a list of objects", method="GET", path=path)
    _check_size(items, path)
    return items


def _check_size(page: Sized, path: str) -> None:
    if len(page) > MOST_ON_PAGE:
        raise AepAnswerError(f"AEP's list has more than {MOST_ON_PAGE} objects on one page", method="GET", path=path)


def _next_link(body: Any, path: str) -> str | None:
    links = body.get("_links") or {}
    following = links.get("next") if isinstance(links, dict) else links
    if following in (None, {}, ""):
        return None
    link = following.get("href") if isinstance(following, dict) else following
    if link is not None and not isinstance(link, str):
        raise AepAnswerError("AEP's link to the next page is not a text", method="GET", path=path)
    return link or None
