"""Lists, page by page, as generators of plain documents. Each service pages in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from aep_provider.errors import AepAnswerError
from aep_provider.platform.services import CATALOG, DATA_PREP, FLOW_SERVICE, SCHEMA_REGISTRY
from aep_provider.platform.wire import Params, pairs_of, rebased

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

Pairs = list[tuple[str, str]]
Document = dict[str, Any]

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
        self._seen = {(self.path, tuple(sorted(self.params)))}

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
        page = (path, tuple(sorted(params)))
        if page in self._seen:
            raise AepAnswerError("AEP's list leads back to a page already read", method="GET", path=path)
        self._seen.add(page)
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
    seen: set[str] = set()
    while True:
        page = [pair for pair in wanted if pair[0] not in {"orderby", "start"} or start is None]
        if start is not None:
            page += [("start", start)] + ([("orderby", orderby)] if orderby else [])
        body = client.get(path, params=page, headers={"Accept": accept}).body
        yield from _documents(_member(body, "results", path), path)
        about = body.get("_page")
        about = about if isinstance(about, dict) else {}
        if about.get("next") in {None, ""}:
            return
        start = str(about["next"])
        orderby = orderby or (str(about["orderby"]) if about.get("orderby") else None)
        if start in seen:
            raise AepAnswerError("AEP's list leads back to a page already read", method="GET", path=path)
        seen.add(start)


def catalog_objects(
    client: AepClient, path: str = "/dataSets", params: Params | None = None, limit: int = 100
) -> Iterator[tuple[str, Document]]:
    """Datasets and other objects of Catalog, each with its id. Catalog tells no next page: a short page is the last."""
    path = path if path.startswith(CATALOG) else CATALOG + path
    wanted = [pair for pair in pairs_of(params) if pair[0] not in {"limit", "start"}]
    seen: set[str] = set()
    start = 0
    while True:
        body = client.get(path, params=[*wanted, ("limit", str(limit)), ("start", str(start))]).body
        if not isinstance(body, dict) or not all(isinstance(value, dict) for value in body.values()):
            raise AepAnswerError("AEP's answer is not a list of Catalog", method="GET", path=path)
        fresh = {key: value for key, value in body.items() if key not in seen}
        yield from fresh.items()
        if len(body) < limit:
            return
        if not fresh:
            raise AepAnswerError("AEP's list leads back to a page already read", method="GET", path=path)
        seen |= fresh.keys()
        start += len(body)


def data_prep_sets(client: AepClient, params: Params | None = None, limit: int = 100) -> Iterator[Document]:
    """Mapping sets of Data Prep, which wants ``limit`` and ``start`` on every page."""
    path = f"{DATA_PREP}/mappingSets"
    wanted = [pair for pair in pairs_of(params) if pair[0] not in {"limit", "start"}]
    seen: set[object] = set()
    start = 0
    while True:
        body = client.get(path, params=[*wanted, ("limit", str(limit)), ("start", str(start))]).body
        page = _documents(_member(body, "data", path), path)
        fresh = [document for document in page if document.get("id") not in seen]
        yield from fresh
        if len(page) < limit:
            return
        if not fresh:
            raise AepAnswerError("AEP's list leads back to a page already read", method="GET", path=path)
        seen |= {document.get("id") for document in fresh}
        start += len(page)


def _member(body: Any, name: str, path: str) -> Any:
    if not isinstance(body, Mapping) or name not in body:
        raise AepAnswerError(f"AEP's answer has no {name}", method="GET", path=path)
    return body[name]


def _documents(items: Any, path: str) -> list[Document]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise AepAnswerError("AEP's answer is not a list of objects", method="GET", path=path)
    return items


def _next_link(body: Any, path: str) -> str | None:
    links = body.get("_links") or {}
    following = links.get("next") if isinstance(links, dict) else links
    if following in (None, {}, ""):
        return None
    link = following.get("href") if isinstance(following, dict) else following
    if link is not None and not isinstance(link, str):
        raise AepAnswerError("AEP's link to the next page is not a text", method="GET", path=path)
    return link or None
