"""Specifications from a folder, one dataflow a file. What is wrong is told with file, line, field and what to write instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aep_provider.dataflows.reading.document import Document, read_document
from aep_provider.dataflows.reading.layers import SANDBOXES, Layer, Layers, merged, origin, together
from aep_provider.dataflows.reading.wording import Problem, problems
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError
from aep_provider.resources.mapping import normal_mappings, read_mappings

_DEFAULT_SANDBOX = str(DataflowSpec.model_fields["sandbox"].default)

_BY_LOAD = (("recurrence",), ("delta_column",))
"""What is missed because of the load."""


@dataclass(frozen=True)
class Declared:
    """A dataflow, and the file that declares it."""

    file: Path
    spec: DataflowSpec


@dataclass(frozen=True)
class Loaded:
    """
    What a folder declares.

    :param declared: the dataflows, in the order of their files' names.
    :param broken: what is wrong, by file. Where it is with a layer that all share, each file has the same.
    """

    declared: list[Declared] = field(default_factory=list)
    broken: dict[Path, AepConfigError] = field(default_factory=dict)

    @property
    def wrong(self) -> list[AepConfigError]:
        """Everything that is wrong, each told once."""
        return list({str(error): error for error in self.broken.values()}.values())

    @property
    def specs(self) -> list[DataflowSpec]:
        """The dataflows."""
        return [one.spec for one in self.declared]


def load_folder(folder: Path, *, sandbox: str | None = None, root: Path | None = None) -> Loaded:
    """
    Return the dataflows that a folder declares, and what is wrong with those that cannot be read.

    :param sandbox: read all of them for this sandbox; None leaves it to each file.
    :param root: the folder that names of mapping files start from, by default the one above.
    """
    files = _files(folder)
    try:
        layers = Layers.read(folder)
        if sandbox is not None and (unlisted := layers.unlisted(sandbox)):
            raise together([f"{SANDBOXES}: {unlisted}"])
    except AepConfigError as error:
        return Loaded(broken=dict.fromkeys(files or [folder], error))
    return _Folder(layers, sandbox, root or folder.parent).load(files)


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.glob("*.y*ml")
        if path.suffix in (".yaml", ".yml") and not path.name.startswith("_") and path.is_file()
    )


class _Folder:
    """One reading of a folder."""

    def __init__(self, layers: Layers, sandbox: str | None, root: Path) -> None:
        self._layers = layers
        self._sandbox = sandbox
        self._root = root
        self._mappings: dict[str, Any] = {}

    def load(self, files: Sequence[Path]) -> Loaded:
        loaded = Loaded()
        documents: list[Document] = []
        for file in files:
            try:
                documents.append(_dataflow(read_document(file)))
            except AepConfigError as error:
                loaded.broken[file] = error
        # What a file is called that cannot be read is not known.
        if self._layers.sandboxes and not loaded.broken:
            unknown = self._layers.unknown_dataflows(map(_name, documents))
            if unknown:
                loaded.broken[self._layers.sandboxes.file] = unknown
        seen: dict[str, Path] = {}
        for document in documents:
            try:
                spec = self._spec(document, seen)
            except AepConfigError as error:
                loaded.broken[document.file] = error
            else:
                seen[spec.slug] = document.file
                loaded.declared.append(Declared(document.file, spec))
        return loaded

    def _spec(self, document: Document, seen: Mapping[str, Path]) -> DataflowSpec:
        own, name = Layer(document, document.content), _name(document)
        sandbox, found = self._sandbox_of(own)
        layers = self._layers.around(own, sandbox, name)
        fields = {**merged(layers), "name": name}
        if self._sandbox:
            fields["sandbox"] = self._sandbox
        if isinstance(fields.get("mapping"), str):
            try:
                fields["mapping"] = self._mapping(fields["mapping"])
            except AepConfigError as error:
                found.append(Problem(("mapping",), str(error).rstrip(".")))
                del fields["mapping"]
        try:
            spec = DataflowSpec.model_validate(fields)
        except ValidationError as error:
            found += problems(error, DataflowSpec)
        else:
            if other := seen.get(spec.slug):
                found.append(
                    Problem(("name",), f"{name!r} is also the name of {other.name}: give one of the two another")
                )
        if found:
            raise together(_places(found, layers, document))
        return spec

    def _sandbox_of(self, own: Layer) -> tuple[str, list[Problem]]:
        if self._sandbox:
            return self._sandbox, []
        below = [self._layers.defaults, own] if self._layers.defaults else [own]
        told = merged(below).get("sandbox") or _DEFAULT_SANDBOX
        if not isinstance(told, str):
            return _DEFAULT_SANDBOX, []
        unlisted = self._layers.unlisted(told)
        return told, [Problem(("sandbox",), unlisted)] if unlisted else []

    def _mapping(self, path: str) -> Any:
        if path not in self._mappings:
            self._mappings[path] = normal_mappings(read_mappings(path, [self._root]))
        return self._mappings[path]


def _dataflow(document: Document) -> Document:
    if isinstance(document.content, dict):
        return document
    raise AepConfigError(
        f"{document.file.name}, line 1: a dataflow is a mapping of fields: write at least source: servicenow and "
        "table: incident."
    )


def _name(document: Document) -> Any:
    """A dataflow without a name is called after its file."""
    name = document.content.get("name")
    return document.file.stem if name is None else name


def _places(found: list[Problem], layers: Sequence[Layer], document: Document) -> list[str]:
    """Return each problem with where it is: what stands in the file first, in the order of its lines."""
    told = []
    for problem in found:
        place = origin(layers, problem.place)
        if place is None and problem.place[:1] in _BY_LOAD:
            place = origin(layers, ("load",))
        at, line = place or (document, 1)
        text = f"{at.file.name}, line {line}: {problem.field}: {problem.message}"
        told.append((at.file != document.file, at.file.name, line, text))
    return [text for *_, text in sorted(told, key=lambda one: one[:3])]
