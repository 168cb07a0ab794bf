"""
What dataflows share, and what is different in a sandbox: layers of fields under and over a dataflow's own file.

From the lowest to the highest: ``_defaults.yaml``, the file, the sandbox in ``_sandboxes.yaml``, and there the entry of the
dataflow. Mappings are merged, anything else is replaced, and null takes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from aep_provider.dataflows.parts import SANDBOX_NAME
from aep_provider.dataflows.reading.document import Document, Place, read_document
from aep_provider.errors import AepConfigError
from aep_provider.resources.names import nearest

DEFAULTS: Final = "_defaults.yaml"
SANDBOXES: Final = "_sandboxes.yaml"
OVERRIDES: Final = "dataflows"
"""Within a sandbox, the fields of single dataflows, by name."""


@dataclass(frozen=True)
class Layer:
    """Some fields, and where in a document they stand."""

    document: Document
    fields: Mapping[str, Any]
    place: Place = ()

    def line(self, place: Place) -> int | None:
        """Return the line of a field, from the top of this layer; None where it does not stand."""
        return self.document.lines.get((*self.place, *place))


@dataclass(frozen=True)
class Layers:
    """The layers of a folder, besides the dataflows' files."""

    defaults: Layer | None = None
    sandboxes: Document | None = None

    @classmethod
    def read(cls, folder: Path) -> Layers:
        """
        Return what stands in a folder under and over its dataflows.

        :raises AepConfigError: with everything that is wrong with one of the two files.
        """
        _refuse_near_misses(folder)
        defaults, sandboxes = folder / DEFAULTS, folder / SANDBOXES
        return cls(
            _defaults(read_document(defaults)) if defaults.is_file() else None,
            _sandboxes(read_document(sandboxes)) if sandboxes.is_file() else None,
        )

    def unlisted(self, sandbox: str) -> str | None:
        """Return what is wrong with a sandbox that is not among those listed; None if nothing is."""
        if self.sandboxes is None or sandbox in self.sandboxes.content:
            return None
        near = nearest(sandbox, self.sandboxes.content)
        return f"there is no sandbox {sandbox!r} in {SANDBOXES}.{near} If it is right, list it there: {sandbox}: {{}}"

    def around(self, own: Layer, sandbox: str, name: str) -> list[Layer]:
        """Return all layers of a dataflow, the lowest first."""
        return [*([self.defaults] if self.defaults else []), own, *self._over(sandbox, name)]

    def _over(self, sandbox: str, name: str) -> Iterator[Layer]:
        if self.sandboxes is None or not (here := self.sandboxes.content.get(sandbox)):
            return
        fields = {field: value for field, value in here.items() if field != OVERRIDES}
        yield Layer(self.sandboxes, fields, (sandbox,))
        if single := (here.get(OVERRIDES) or {}).get(name):
            yield Layer(self.sandboxes, single, (sandbox, OVERRIDES, name))

    def unknown_dataflows(self, names: Iterable[str]) -> AepConfigError | None:
        """Return what is wrong with overlays of dataflows that are not there; None if nothing is."""
        if self.sandboxes is None:
            return None
        known = set(names)
        wrong = [
            _told(self.sandboxes, (sandbox, OVERRIDES, name), f"there is no dataflow {name!r}.{nearest(name, known)}")
            for sandbox, fields in self.sandboxes.content.items()
            for name in (fields or {}).get(OVERRIDES) or {}
            if name not in known
        ]
        return together(wrong) if wrong else None


def merged(layers: Sequence[Layer]) -> dict[str, Any]:
    """Return the fields of all layers, each over those before it."""
    fields: dict[str, Any] = {}
    for layer in layers:
        fields = _merge(fields, layer.fields)
    return fields


def origin(layers: Sequence[Layer], place: Place) -> tuple[Document, int] | None:
    """Return the document and the line from which a value comes; where it does not stand, those of what is around it."""
    for length in range(len(place), 0, -1):
        for layer in reversed(layers):
            if line := layer.line(place[:length]):
                return layer.document, line
    return None


def together(wrong: Sequence[str]) -> AepConfigError:
    """Return one error that tells everything."""
    text = "; ".join(one.rstrip(".") for one in wrong)
    return AepConfigError(text if text.endswith("?") else f"{text}.")


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    fields = dict(under)
    for field, value in over.items():
        below = fields.get(field)
        fields[field] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return fields


def _defaults(document: Document) -> Layer:
    content = {} if document.content is None else document.content
    if not isinstance(content, dict):
        raise together(
            [_told(document, (), "must be a mapping of fields that all dataflows share, as in source: servicenow")]
        )
    if "name" in content:
        raise together([_told(document, ("name",), "each dataflow has a name of its own: write it into its file")])
    return Layer(document, content)


def _sandboxes(document: Document) -> Document:
    """Return the document, if it is one: what is not for the sandbox at hand should not lie in wait."""
    content = document.content
    if not content or not isinstance(content, dict):
        how = "is empty" if content is None else "has another form"
        raise together(
            [_told(document, (), f"{how}: list every sandbox, with what is different there, as in dev: {{}}")]
        )
    if wrong := list(_odd(document)):
        raise together(wrong)
    return document


def _odd(document: Document) -> Iterator[str]:
    for sandbox, fields in document.content.items():
        if not SANDBOX_NAME.fullmatch(sandbox):
            yield _told(
                document, (sandbox,), f"{sandbox!r} is no sandbox's name: lower case letters, digits and hyphens"
            )
        if fields is None:
            continue
        if not isinstance(fields, dict):
            yield _told(
                document, (sandbox,), "must be a mapping of fields, as in dev: {base_connection: ServiceNow dev}"
            )
            continue
        yield from _fixed(document, (sandbox,), fields)
        single = fields.get(OVERRIDES)
        if single is not None and not isinstance(single, dict):
            yield _told(document, (sandbox, OVERRIDES), "must be a mapping from names of dataflows to fields")
            continue
        for name, inner in (single or {}).items():
            place = (sandbox, OVERRIDES, name)
            if inner is not None and not isinstance(inner, dict):
                yield _told(document, place, "must be a mapping of fields, as in table: incident")
                continue
            yield from _fixed(document, place, inner or {})


def _fixed(document: Document, place: Place, fields: Mapping[str, Any]) -> Iterator[str]:
    if "name" in fields:
        yield _told(document, (*place, "name"), "a dataflow has one name in all sandboxes: write it into its file")
    if "sandbox" in fields:
        yield _told(document, (*place, "sandbox"), f"the sandbox is {place[0]}: leave it out")


def _told(document: Document, place: Place, what: str) -> str:
    line = document.lines.get(place, 1)
    where = ".".join(map(str, place))
    return f"{document.file.name}, line {line}: {where}{': ' if where else ''}{what}"


def _refuse_near_misses(folder: Path) -> None:
    """A layer that is not read because of its name would be missed only when rows are where they should not be."""
    known = {Path(name).stem: name for name in (DEFAULTS, SANDBOXES)}
    for file in sorted(folder.glob("_*.y*ml")):
        close = get_close_matches(file.stem.casefold(), known, n=1, cutoff=0.8)
        if close and file.name != known[close[0]]:
            raise AepConfigError(f"{file.name}: is not read by this name: call it {known[close[0]]!r}.")
