"""What a sandbox holds, read in a few listings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.dataset import Dataset
from aep_provider.resources.flow import Flow
from aep_provider.resources.mapping_set import MappingSet
from aep_provider.resources.resource import Document, Existing, Resource
from aep_provider.resources.schema import DerivedFieldGroup, Schema
from aep_provider.resources.source_connection import SourceConnection
from aep_provider.resources.target_connection import TargetConnection

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

KINDS: tuple[type[Resource], ...] = (
    BaseConnection, SourceConnection, TargetConnection, Flow, Dataset, Schema, DerivedFieldGroup, MappingSet,
)  # fmt: skip
"""All kinds of objects that a dataflow consists of."""


class Inventory:
    """
    All objects of a sandbox as they were at one moment.

    :param documents: by kind, in AEP's form.
    """

    def __init__(self, documents: Mapping[type[Resource], Sequence[Document]]) -> None:
        self.documents = documents
        self._by_key: dict[type[Resource], dict[Any, list[Document]]] = {}
        self._by_id: dict[type[Resource], dict[Any, Document]] = {}
        for kind, each in documents.items():
            named: dict[Any, list[Document]] = defaultdict(list)
            for document in each:
                named[document.get(kind.key)].append(document)
            self._by_key[kind] = dict(named)
            self._by_id[kind] = {document.get(kind.id_key): document for document in each}

    @classmethod
    def read(cls, client: AepClient) -> Inventory:
        """
        List all kinds side by side.

        :raises AepPermissionError: if one may not be read.
        """
        with ThreadPoolExecutor(len(KINDS), thread_name_prefix="aep-inventory") as pool:
            listings = [(kind, pool.submit(lambda one: list(one.listing(client)), kind)) for kind in KINDS]
        return cls({kind: listing.result() for kind, listing in listings})

    def found(self, resource: Resource) -> list[Existing]:
        """Return the objects that bear the natural key of ``resource``."""
        return resource.recognise(self.named(type(resource), resource.name))

    def named(self, kind: type[Resource], name: str) -> list[Document]:
        """Return the objects of a name."""
        return self._by_key.get(kind, {}).get(name, [])

    def by_id(self, kind: type[Resource], object_id: object) -> Document | None:
        """Return the object of an id, None if there is none."""
        return self._by_id.get(kind, {}).get(object_id)
