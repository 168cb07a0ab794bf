"""The store as one request is to see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from aep_local.core.store import Document, Scope, Store

Hidden = Callable[[str, Document], bool]
"""Whether a document of a kind is not to be seen."""


def without(store: Store, hidden: Hidden) -> Store:
    """The same store, but some of what it holds is not seen in it."""
    return cast("Store", _Without(store, hidden))


class _Without:
    """Passes everything on to the store but what reads documents; transactions and writes are the store's own."""

    def __init__(self, store: Store, hidden: Hidden) -> None:
        self._store = store
        self._hidden = hidden

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get(self, kind: str, id: str, scope: Scope) -> Document | None:
        doc = self._store.get(kind, id, scope)
        return None if doc is None or self._hidden(kind, doc) else doc

    def all(
        self, kind: str, scope: Scope, *, ref: str | None = None, ids: Sequence[str] | None = None
    ) -> list[Document]:
        return [doc for _, doc in self.scan(kind, scope, ref=ref, ids=ids)]

    def scan(
        self,
        kind: str,
        scope: Scope,
        *,
        ref: str | None = None,
        ids: Sequence[str] | None = None,
        before: int | None = None,
    ) -> Iterator[tuple[int, Document]]:
        found = self._store.scan(kind, scope, ref=ref, ids=ids, before=before)
        return ((seq, doc) for seq, doc in found if not self._hidden(kind, doc))
