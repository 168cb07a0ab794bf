"""Mappings: from a row of a source table to a nested XDM row.

A mapping in normal form is ``{"sourceType": "ATTRIBUTE" | "STATIC", "source": …, "destination": …}``. An attribute is a
column's name, or a dotted path into a column that holds objects; a static source is the value itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aep_local.core.store import Document
from aep_local.xdm import fields as xdm
from aep_local.xdm.values import Refused

ATTRIBUTE = "ATTRIBUTE"
STATIC = "STATIC"
EXPRESSION = "EXPRESSION"


@dataclass(frozen=True)
class Rejection:
    """Why a row does not land: each field's path and reason."""

    errors: tuple[xdm.Invalid, ...]


@dataclass(frozen=True)
class _Attribute:
    source: str
    name: str
    target: xdm.Field
    convert: Callable[[Any], Any]


class Mapper:
    """The mappings of one set, ready for rows.

    :param mappings: in normal form.
    :param root: the schema's field tree.
    :param columns: the source's column names.
    :raises ValueError: a mapping that cannot be applied; the text names it.
    """

    def __init__(self, mappings: Sequence[Document], root: xdm.Field, columns: Iterable[str]) -> None:
        known = set(columns)
        for index, found in enumerate(problems(mappings, root, known)):
            if found:
                raise ValueError(f"mapping {index} ({mappings[index].get('destination')}): {'; '.join(found)}")
        self._root = root
        self._demanding = any(True for _ in _demands(root))
        self._groups: dict[tuple[str, ...], list[_Attribute]] = {}
        self._static: list[tuple[tuple[str, ...], Any]] = []
        for each in mappings:
            target = _target(root, each["destination"])
            *parents, name = each["destination"].split(".")
            if each["sourceType"] == STATIC:
                self._static.append(((*parents, name), xdm.convert(each["source"], target)))
            else:
                attribute = _Attribute(each["source"], name, target, xdm.converter(target))
                self._groups.setdefault(tuple(parents), []).append(attribute)
        sources = [each.source for group in self._groups.values() for each in group]
        self.columns = list(dict.fromkeys(column_of(source, known) for source in sources))
        self.landing = xdm.narrowed(root, [each["destination"] for each in mappings])

    def row(self, row: Mapping[str, Any]) -> dict[str, Any] | Rejection:
        """One source row as an XDM row; null values are left out."""
        result: dict[str, Any] = {}
        errors: list[xdm.Invalid] = []
        for parents, attributes in self._groups.items():
            values: dict[str, Any] = {}
            for each in attributes:
                value = row[each.source] if each.source in row else _inside(row, each.source)
                if value is None:
                    continue
                try:
                    values[each.name] = each.convert(value)
                except Refused as error:
                    errors.append(xdm.Invalid(each.target.path, str(error)))
                except xdm.Invalid as error:
                    errors.append(error)
            if values:
                _parent(result, parents).update(values)
        for path, value in self._static:
            _parent(result, path[:-1])[path[-1]] = value
        if self._demanding and not errors:
            errors += xdm.missing_required(result, self._root)
        return Rejection(tuple(errors)) if errors else result


def problems(mappings: Sequence[Document], root: xdm.Field, columns: Iterable[str] | None) -> list[list[str]]:
    """What is wrong with each mapping, empty lists when nothing is.

    :param columns: the source's column names, None when they are not known.
    """
    known = None if columns is None else set(columns)
    taken: dict[str, int] = {}
    found: list[list[str]] = []
    for index, each in enumerate(mappings):
        wrong = _source_problems(each, known)
        destination = each["destination"]
        target = root.lookup(destination)
        if target is None:
            wrong.append(f"destination {destination} is not in the schema")
        else:
            wrong += _target_problems(each, target)
        clash = next((other for other in taken if _overlap(other, destination)), None)
        if clash is not None:
            wrong.append(f"destination {destination} is already the target of mapping {taken[clash]}")
        taken.setdefault(destination, index)
        found.append(wrong)
    return found


def column_of(source: str, columns: Iterable[str]) -> str:
    """The column that an attribute reads: the longest one that is the attribute itself or the start of its path."""
    fitting = [column for column in columns if source == column or source.startswith(column + ".")]
    if not fitting:
        raise ValueError(f"source attribute {source} is unknown")
    return max(fitting, key=len)


def _source_problems(mapping: Document, known: set[str] | None) -> list[str]:
    kind, source = mapping["sourceType"], mapping["source"]
    if kind == EXPRESSION:
        return [f"source {source!r} is an expression (sourceType EXPRESSION), which is not served here"]
    if kind not in {ATTRIBUTE, STATIC}:
        return [f"sourceType {kind} is unknown"]
    if kind == ATTRIBUTE and known is not None:
        try:
            column_of(source, known)
        except ValueError as error:
            return [str(error)]
    return []


def _target_problems(mapping: Document, target: xdm.Field) -> list[str]:
    try:
        xdm.stored_type(target)
        if mapping["sourceType"] == STATIC:
            xdm.convert(mapping["source"], target)
    except xdm.Invalid as error:
        return [f"the static value does not fit {target.path}: {error.reason}"]
    except xdm.SchemaError as error:
        return [str(error)]
    return []


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(other + ".") or other.startswith(one + ".")


def _target(root: xdm.Field, path: str) -> xdm.Field:
    target = root.lookup(path)
    if target is None:
        raise ValueError(f"destination {path} is not in the schema")
    return target


def _inside(row: Mapping[str, Any], source: str) -> Any:
    column = column_of(source, row)
    value: Any = row[column]
    for name in source[len(column) + 1 :].split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _parent(row: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for name in path:
        row = row.setdefault(name, {})
    return row


def _demands(field: xdm.Field) -> Iterator[str]:
    yield from field.required
    for child in field.fields.values():
        yield from _demands(child)
