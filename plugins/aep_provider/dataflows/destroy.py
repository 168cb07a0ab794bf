"""What goes when dataflows are taken down, in the order in which AEP lets it go; and what stays, and why."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aep_provider.dataflows.plan import Step
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError
from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.dataset import Dataset
from aep_provider.resources.fingerprint import read_mark
from aep_provider.resources.flow import Flow
from aep_provider.resources.inventory import Inventory
from aep_provider.resources.mapping_set import MappingSet
from aep_provider.resources.resource import Document, Resource
from aep_provider.resources.schema import DerivedFieldGroup, Schema
from aep_provider.resources.source_connection import SourceConnection
from aep_provider.resources.target_connection import TargetConnection

Kind = type[Resource]

ORDER: Final[tuple[Kind, ...]] = (
    Flow, SourceConnection, TargetConnection, Dataset, Schema, DerivedFieldGroup, BaseConnection,
)  # fmt: skip
"""Each before what it stands on."""
_REPLACED: Final = re.compile(r" \(replaced [^()]*\)$")


@dataclass(frozen=True)
class Names:
    """
    How the objects of a dataflow are called; by them what is left is found once its flow is gone.

    :param schema: None where the schema is one that was there before.
    :param base: None where nobody knows.
    """

    flow: str
    source: str
    target: str
    dataset: str
    schema: str | None
    base: str | None = None

    @classmethod
    def of(cls, spec: DataflowSpec) -> Names:
        """Return what a specification says."""
        choice, names = spec.schema_choice(), spec.names
        return cls(
            flow=spec.name,
            source=names.source_connection or spec.name,
            target=names.target_connection or spec.name,
            dataset=spec.dataset,
            schema=None if choice.existing else choice.title,
            base=spec.base_name,
        )

    @classmethod
    def usual(cls, name: str) -> Names:
        """Return what the objects of a dataflow are called that no file declares."""
        return cls(name, name, name, name, name)

    def by_kind(self) -> Mapping[Kind, str | None]:
        """Return the names by kind."""
        group = f"{self.schema} columns" if self.schema else None
        return dict(
            zip(ORDER, (self.flow, self.source, self.target, self.dataset, self.schema, group, self.base), strict=True)
        )


@dataclass(frozen=True)
class Extent:
    """How much goes besides flows and their source and target connections."""

    dataset: bool = False
    schema: bool = False
    base_connection: bool = False
    all_generations: bool = False

    def takes(self, kind: Kind) -> bool:
        """Whether objects of a kind go."""
        asked = {Dataset: self.dataset, Schema: self.schema, DerivedFieldGroup: self.schema}
        return {**asked, BaseConnection: self.base_connection}.get(kind, True)


_OPTIONS: Final[Mapping[Kind, str]] = {
    Dataset: "--with-dataset", Schema: "--with-schema", DerivedFieldGroup: "--with-schema",
    BaseConnection: "--with-base-connection",
}  # fmt: skip


@dataclass(frozen=True)
class Doomed:
    """An object that goes."""

    kind: Kind
    id: str
    name: str


@dataclass(frozen=True)
class Kept:
    """
    An object that stays.

    :param foreign: whether somebody else made it.
    """

    kind: Kind
    id: str
    name: str
    reason: str
    foreign: bool = False


@dataclass(frozen=True)
class Takedown:
    """What goes, in order, and what stays."""

    goes: tuple[Doomed, ...]
    stays: tuple[Kept, ...]


def takedown(
    inventory: Inventory, dataflows: Iterable[Names], extent: Extent, orphans: Sequence[Step] = ()
) -> Takedown:
    """
    Return what goes with some dataflows and orphans, and what stays. Asks nothing.

    Only what bears our mark goes, and only what nothing else uses.

    :param orphans: what this package made and nothing declares, as a plan lists it.
    :raises AepConfigError: something was asked for that something else uses.
    """
    return _Takedown(inventory, list(dataflows), extent, orphans).result()


@dataclass
class _Belongings:
    """The objects of one dataflow, as far as they were looked up."""

    names: Names
    held: dict[Kind, list[Document]] = field(default_factory=dict)


class _Takedown:
    def __init__(
        self, inventory: Inventory, dataflows: Sequence[Names], extent: Extent, orphans: Sequence[Step]
    ) -> None:
        self._inventory = inventory
        self._dataflows = dataflows
        self._extent = extent
        self._orphans = {(step.kind, step.id) for step in orphans}
        self._goes: dict[Kind, dict[str, Document]] = {kind: {} for kind in ORDER}
        self._judged: set[tuple[Kind, str]] = set()
        self._stays: list[Kept] = []
        self._refused: list[str] = []
        self._above: dict[tuple[Kind, object], list[tuple[Kind, Document]]] = defaultdict(list)
        for upper in ORDER:
            for document in inventory.documents[upper]:
                for lower, below in _stands_on(upper, document):
                    self._above[lower, below].append((upper, document))

    def result(self) -> Takedown:
        belongings = [_Belongings(names) for names in self._dataflows]
        for kind in ORDER:
            for each in belongings:
                each.held[kind] = [*self._led_to(each, kind), *self._left(each, kind)]
            for document in (document for each in belongings for document in each.held[kind]):
                self._judge(kind, document)
        for kind in ORDER:
            for word, object_id in sorted(self._orphans, key=str):
                orphan = self._inventory.by_id(kind, object_id) if word == kind.kind else None
                if orphan:
                    self._judge(kind, orphan, orphaned=True)
        if self._refused:
            raise AepConfigError(f"Nothing was taken down: {'; '.join(self._refused)}.")
        self._stays += self._mapping_sets()
        goes = [
            Doomed(kind, each, str(document.get(kind.key)))
            for kind in ORDER
            for each, document in sorted(self._goes[kind].items(), key=lambda one: (str(one[1].get(kind.key)), one[0]))
        ]
        return Takedown(tuple(goes), tuple(self._stays))

    def _judge(self, kind: Kind, document: Document, *, orphaned: bool = False) -> None:
        object_id, name = str(document[kind.id_key]), str(document.get(kind.key))
        if (kind, object_id) in self._judged:
            return
        self._judged.add((kind, object_id))
        asked = self._extent.takes(kind)
        users = list(self._users(kind, object_id))
        if not read_mark(document.get("description")):
            if asked:
                self._stays.append(Kept(kind, object_id, name, "somebody else made it", foreign=True))
        elif not users and asked:
            self._goes[kind][object_id] = document
        elif not users:
            rows = ", with its rows" if kind is Dataset else ""
            self._stays.append(Kept(kind, object_id, name, f"{_OPTIONS[kind]} takes it{rows}"))
        elif orphaned or not asked or kind in (SourceConnection, TargetConnection):
            self._stays.append(Kept(kind, object_id, name, f"{users[0]} uses it"))
        else:
            self._refused.append(f"the {kind.kind} {name!r} ({object_id}) is used by {' and '.join(users[:3])}")

    def _led_to(self, belongings: _Belongings, kind: Kind) -> list[Document]:
        """What its objects stand on; of connections that stay, too, so that it is told why it does."""
        ids: dict[object, None] = {}
        for upper, documents in belongings.held.items():
            for document in documents:
                if upper is not Flow or document["id"] in self._goes[Flow]:
                    ids |= {below: None for lower, below in _stands_on(upper, document) if lower is kind}
        found = (self._inventory.by_id(kind, each) for each in ids)
        return [document for document in found if document is not None]

    def _left(self, belongings: _Belongings, kind: Kind) -> Iterator[Document]:
        """
        What only bears its name: an earlier attempt may have left it.

        Where something else uses it, it is no remains; and where its own objects lead to another one, that is the one meant.
        """
        wanted = belongings.names.by_kind()[kind]
        own = kind in (Flow, SourceConnection, TargetConnection)
        if not own and self._led_to(belongings, kind):
            return
        for document in self._inventory.documents[kind]:
            name = str(document.get(kind.key))
            before = own and self._extent.all_generations and _REPLACED.sub("", name) == wanted
            if (name == wanted or before) and not any(self._users(kind, str(document[kind.id_key]))):
                yield document

    def _users(self, kind: Kind, object_id: str) -> Iterator[str]:
        """What stands on it and does not go."""
        for upper, document in self._above[kind, object_id]:
            if document[upper.id_key] not in self._goes[upper]:
                yield self._told(upper, document)

    def _told(self, kind: Kind, document: Document) -> str:
        """What it is, and how it could go, too."""
        name, object_id = str(document.get(kind.key)), str(document[kind.id_key])
        wanted = {one.flow for one in self._dataflows}
        before = kind is Flow and name not in wanted and _REPLACED.sub("", name) in wanted
        hint = "--all-generations" if before else _OPTIONS.get(kind)
        ours = hint and read_mark(document.get("description"))
        user = next(self._users(kind, object_id), None) if kind in (SourceConnection, TargetConnection) else None
        return (
            f"the {kind.kind} {name!r} ({object_id}{f', which {hint} takes' if ours else ''})"
            f"{f', used by {user}' if user else ''}"
        )

    def _mapping_sets(self) -> Iterator[Kept]:
        for flow in self._goes[Flow].values():
            for part in flow.get("transformations") or []:
                used = self._inventory.by_id(MappingSet, (part.get("params") or {}).get("mappingId"))
                if used:
                    yield Kept(MappingSet, str(used["id"]), str(used.get("name")), "AEP deletes no mapping sets")


def _stands_on(upper: Kind, document: Document) -> list[tuple[Kind, object]]:
    """What an object would not work without: kinds and ids."""
    params, data = document.get("params") or {}, document.get("data") or {}
    if upper is Flow:
        return [
            *((SourceConnection, each) for each in document.get("sourceConnectionIds") or []),
            *((TargetConnection, each) for each in document.get("targetConnectionIds") or []),
        ]
    if upper is SourceConnection:
        return [(BaseConnection, document.get("baseConnectionId"))]
    if upper is TargetConnection:
        return [(Dataset, params.get("dataSetId")), (Schema, (data.get("schema") or {}).get("id"))]
    if upper is Dataset:
        return [(Schema, (document.get("schemaRef") or {}).get("id"))]
    if upper is Schema:
        return [(DerivedFieldGroup, part.get("$ref")) for part in document.get("allOf") or []]
    return []
