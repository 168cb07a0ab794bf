"""What an object of AEP is to the one algorithm that all kinds share: how it is found, compared, made and changed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from aep_provider.resources.fingerprint import differences, fingerprint

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

Document = Mapping[str, Any]
"""An object just as AEP tells it."""


class IfExists(StrEnum):
    """What to do when an object of the name is there already."""

    REUSE = "reuse"
    """Take it if it is what is wanted, otherwise fail and show the difference."""
    UPDATE = "update"
    """Take it, and change what AEP lets one change."""
    FAIL = "fail"
    """Fail, unless it was this very task that made it."""


class Action(StrEnum):
    """What became of an object."""

    CREATED = "created"
    REUSED = "reused"
    UPDATED = "updated"


@dataclass(frozen=True)
class Existing:
    """An object as AEP holds it, reduced to what can be compared."""

    id: str
    name: str
    content: Mapping[str, Any]
    mark: str | None = None
    """The fingerprint that we wrote into it, None if somebody else made it."""
    etag: str | None = None
    created_at: int = 0
    """Epoch milliseconds."""
    description: str | None = None
    disabled: bool = False
    """Whether it rests: AEP does nothing with it until it is enabled."""
    document: Document = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Outcome:
    """What ``ensure`` did."""

    kind: str
    name: str
    id: str
    action: Action
    etag: str | None = None
    changes: list[str] = field(default_factory=list)
    """One line for each thing that was changed in place."""
    duplicates: list[str] = field(default_factory=list)
    """Ids of further objects of the same name and content, left where they are."""


class Resource(ABC):
    """One object that should be there. Subclasses say how its kind is found, compared, made and changed."""

    kind: str
    """What messages call it, in AEP's own word."""
    collection: str
    """The collection of its service that holds it."""
    key: str = "name"
    """Under what a document tells the natural key."""
    id_key: str = "id"
    """Under what it tells the id."""
    fixed_because: str = "AEP cannot change it in place"
    """Why a change may be refused, and what to do instead."""
    enabled_by: str | None = None
    """How a user enables one that is disabled; None where AEP tells no way."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The natural key within the sandbox and the kind."""

    @property
    def description(self) -> str | None:
        """What people read about it; the mark is appended."""
        return None

    @abstractmethod
    def content(self) -> Mapping[str, Any]:
        """What is wanted, in the comparable form: no secrets, no start times, nothing that AEP adds by itself."""

    @classmethod
    @abstractmethod
    def listing(cls, client: AepClient) -> Iterator[Document]:
        """Yield all objects of the kind in the sandbox."""

    @abstractmethod
    def search(self) -> Iterable[Document]:
        """Ask AEP for what may bear the natural key, to the last page."""

    @abstractmethod
    def recognise(self, documents: Iterable[Document]) -> list[Existing]:
        """Return which of ``documents`` bear the natural key."""

    def find(self) -> list[Existing]:
        """Return all objects that bear the natural key."""
        return self.recognise(self.search())

    @abstractmethod
    def create(self, description: str) -> tuple[str, str | None]:
        """Make it and return id and etag."""

    def differences(self, existing: Existing) -> list[str]:
        """Return one line for each thing that is not as wanted."""
        return differences(existing.content, self.content())

    def frozen(self, existing: Existing) -> list[str]:
        """Return those of the differences that AEP does not let one change."""
        return self.differences(existing)

    def change(self, existing: Existing, description: str) -> str | None:
        """Change in place what differs and is not frozen, and return the new etag."""
        raise NotImplementedError(f"{existing.id}: {description}")

    def always_changes(self) -> bool:
        """Whether ``update`` has something to send even if the comparable content is equal (credentials)."""
        return False

    def written_by_us(self, existing: Existing) -> bool:
        """Whether ``existing``, which bears our mark, still is what we last wrote."""
        return existing.mark == fingerprint(existing.content)

    def enable(self, existing: Existing) -> None:
        """Enable what is disabled; asked of kinds with ``enabled_by`` only."""
        raise NotImplementedError(existing.id)
