"""What all objects of the Flow Service have in common: how they are listed, read, made and changed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aep_provider.errors import AepAnswerError, AepConfigError, AepInvalidRequestError, AepNotFoundError
from aep_provider.platform.paging import flow_service_items, identified, single
from aep_provider.platform.services import FLOW_SERVICE
from aep_provider.resources.fingerprint import read_mark
from aep_provider.resources.named import NamedResource
from aep_provider.resources.resource import Document, Existing
from aep_provider.resources.shapes import relied_on
from aep_provider.verdict import milliseconds

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

# "Bad operator, field, query parameter or value": the filter itself was refused.
_FILTER_REFUSED = {1440, *range(1448, 1455)}


def path_of(collection: str, object_id: str | None = None, *more: str) -> str:
    """Return the path of a collection, an object in it, or something under that object."""
    parts = [FLOW_SERVICE, collection]
    if object_id is not None:
        parts.append(quote(object_id, safe=""))
    return "/".join([*parts, *more])


def named(
    client: AepClient, collection: str, name: str, connection_spec: str | None = None
) -> Iterator[dict[str, Any]]:
    """
    Yield the objects of ``collection`` whose name is exactly ``name``.

    Filtering source and target connections by name is not in AEP's tables of filters: it may be refused, change
    nothing, or find nothing. So what it finds is compared here, and where it finds nothing, all objects of the connection
    spec are read: that filter is documented.

    :param connection_spec: given for kinds whose filter by name is not documented.
    """
    by_spec = [("property", f"connectionSpec.id=={connection_spec}")] if connection_spec else []
    found: list[dict[str, Any]] = []
    try:
        found = _with_name(client, collection, name, [("property", f"name=={name}"), *by_spec])
    except AepInvalidRequestError as error:
        if error.number not in _FILTER_REFUSED or not by_spec:
            raise
    if not found and by_spec:
        found = _with_name(client, collection, name, by_spec)
    yield from found


def _with_name(client: AepClient, collection: str, name: str, filters: list[tuple[str, str]]) -> list[dict[str, Any]]:
    items = flow_service_items(client, path_of(collection), filters)
    return [relied_on(item, collection) for item in items if item.get("name") == name]


def read(client: AepClient, collection: str, object_id: str) -> dict[str, Any]:
    """
    Return one object.

    :raises AepNotFoundError: if there is none of this id in the sandbox.
    """
    return relied_on(identified(client.get(path_of(collection, object_id)).body), collection)


def gone(kind: str, object_id: str, number: int | None = 1439) -> AepConfigError:
    """Return what to say of an id that leads nowhere; it may come from an XCom of long ago."""
    return AepConfigError(
        f"There is no {kind} {object_id} in the sandbox (AEP answers {number}): it was deleted, or made in another sandbox. "
        "Clear the task that makes it, so that it is made again."
    )


def referenced(client: AepClient, collection: str, kind: str, object_id: str) -> dict[str, Any]:
    """
    Return an object that another one is to refer to.

    :raises AepConfigError: if it is not there.
    """
    try:
        return read(client, collection, object_id)
    except AepNotFoundError as error:
        raise gone(kind, object_id) from error


def create(client: AepClient, collection: str, body: Mapping[str, Any]) -> tuple[str, str | None]:
    """
    Create an object and return its id and etag.

    :raises AepAnswerError: ambiguous, if the answer bears no id: the object may be there.
    """
    answer = client.post(path_of(collection), json=body)
    created = made_by(answer.body, f"POST {path_of(collection)}: the answer to a creation")
    return created["id"], _etag(created)


def made_by(body: Any, answer: str) -> dict[str, Any]:
    """
    Return what an answer says was made: an item in a list, a bare id, or a whole object.

    :param answer: what messages call it.
    :raises AepAnswerError: ambiguous, if it bears no id: something may have been made.
    """
    try:
        return identified(body)
    except AepAnswerError:
        raise AepAnswerError(f"{answer} bears no id.", ambiguous=True) from None


def described(existing: Existing, description: str) -> dict[str, Any]:
    """Return the operation that writes a description; where there is none yet, there is nothing to replace."""
    return {"op": "add" if existing.description is None else "replace", "path": "/description", "value": description}


def patch(
    client: AepClient, collection: str, object_id: str, etag: str | None, operations: Sequence[Mapping[str, Any]]
) -> str | None:
    """
    Change an object in place and return its new etag.

    :raises AepPreconditionError: if it was changed since ``etag`` was read.
    """
    answer = client.patch(path_of(collection, object_id), json=list(operations), etag=etag)
    try:
        return _etag(single(answer.body))
    except AepAnswerError as error:
        raise AepAnswerError(f"The answer to a change: {error}", ambiguous=True) from error


def _etag(answer: Mapping[str, Any]) -> str | None:
    """That of an object just written. It is no more than a hint, so one that is none is not told."""
    etag = answer.get("etag")
    return etag if isinstance(etag, str) and etag.isprintable() else None


def rename(client: AepClient, collection: str, document: Mapping[str, Any], name: str) -> None:
    """
    Give an object another name.

    :param document: the object as it was read.
    :raises AepPreconditionError: if it was changed since.
    """
    operation = {"op": "replace", "path": "/name", "value": name}
    patch(client, collection, str(document["id"]), document.get("etag"), [operation])


def delete(client: AepClient, collection: str, object_id: str) -> bool:
    """Delete an object; return whether it was still there."""
    try:
        client.delete(path_of(collection, object_id))
    except AepNotFoundError:
        return False
    return True


class FlowServiceResource(NamedResource):
    """An object of the Flow Service. Subclasses say what is sent, and what of an answer is compared."""

    connection_spec: str | None = None
    """Narrows the look for it, where names alone may not be a filter."""

    @abstractmethod
    def body(self) -> dict[str, Any]:
        """What is sent to create it, but for name and description."""

    @abstractmethod
    def comparable(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """What of a document, wanted or read, is compared."""

    def content(self) -> Mapping[str, Any]:
        return self.comparable(self.body())

    @classmethod
    def listing(cls, client: AepClient) -> Iterator[Document]:
        return (relied_on(item, cls.collection) for item in flow_service_items(client, path_of(cls.collection)))

    def search(self) -> Iterable[Document]:
        return named(self.client, self.collection, self.name, self.connection_spec)

    def recognise(self, documents: Iterable[Document]) -> list[Existing]:
        return [self._existing(item) for item in documents if item.get("name") == self.name]

    def create(self, description: str) -> tuple[str, str | None]:
        body = {"name": self.name, "description": description, **self.body()}
        return create(self.client, self.collection, body)

    def _existing(self, item: Mapping[str, Any]) -> Existing:
        return Existing(
            id=item["id"],
            name=item["name"],
            content=self.comparable(item),
            mark=read_mark(item.get("description")),
            etag=item.get("etag"),
            created_at=milliseconds(item.get("createdAt")) or 0,
            description=item.get("description"),
            disabled=item.get("state") == "disabled",
            document=item,
        )
