r"""Mappings: from a row of a source table to a nested XDM row.

A mapping in normal form is ``{"sourceType": "ATTRIBUTE" | "EXPRESSION" | "STATIC", "source": …, "destination": …}``. An
attribute is a column's name, or a dotted path into a column that holds objects (dots within a name as ``\.`` or the name
in ``${…}``); an expression is text in the language of :mod:`aep_local.xdm.expressions`; a static source is the value
itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aep_local.core.store import Document
from aep_local.xdm import fields as xdm
from aep_local.xdm.expressions import Expression, bind, parse
from aep_local.xdm.expressions.paths import located, names
from aep_local.xdm.values import Refused

ATTRIBUTE = "ATTRIBUTE"
STATIC = "STATIC"
EXPRESSION = "EXPRESSION"

_SHOWN: Final = 200
"""Characters of an expression that a row's error shows."""


@dataclass(frozen=True)
class Rejection:
    """Why a row does not land: each field's path and reason."""

    errors: tuple[xdm.Invalid, ...]


@dataclass(frozen=True)
class _Attribute:
    column: str
    below: tuple[str, ...]
    name: str
    target: xdm.Field
    convert: Callable[[Any], Any]


@dataclass(frozen=True)
class _Computed:
    destination: tuple[str, ...]
    evaluate: Callable[[Any], Any]
    target: xdm.Field
    convert: Callable[[Any], Any]
    origin: str


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
        self._computed: list[_Computed] = []
        self._static: list[tuple[tuple[str, ...], Any]] = []
        columns_read: list[str] = []
        for each in mappings:
            source, target = each["source"], _target(root, each["destination"])
            path = tuple(each["destination"].split("."))
            if each["sourceType"] == STATIC:
                self._static.append((path, xdm.convert(source, target)))
            elif each["sourceType"] == EXPRESSION:
                expression = bind(parse(source), known)
                columns_read += expression.columns
                self._computed.append(_computed(source, expression, path, target))
            else:
                column, below = _located(source, known)
                columns_read.append(column)
                attribute = _Attribute(column, below, path[-1], target, xdm.converter(target))
                self._groups.setdefault(path[:-1], []).append(attribute)
        self.columns = list(dict.fromkeys(columns_read))
        self.landing = xdm.narrowed(root, [each["destination"] for each in mappings])

    def row(self, row: Mapping[str, Any], warned: list[xdm.Invalid] | None = None) -> dict[str, Any] | Rejection:
        """One source row as an XDM row; null values are left out.

        :param warned: an empty list that takes the expressions that failed, whose attributes then are null; without it
            they reject the row.
        """
        result: dict[str, Any] = {}
        errors: list[xdm.Invalid] = []
        for parents, attributes in self._groups.items():
            values: dict[str, Any] = {}
            for each in attributes:
                value = row[each.column]
                if each.below:
                    value = _below(value, each.below)
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
        if self._computed:
            self._compute(row, result, errors, warned)
        for path, value in self._static:
            _parent(result, path[:-1])[path[-1]] = value
        if self._demanding and not errors:
            errors += xdm.missing_required(result, self._root)
        return Rejection((*errors, *(warned or ()))) if errors else result

    def _compute(
        self,
        row: Mapping[str, Any],
        result: dict[str, Any],
        errors: list[xdm.Invalid],
        warned: list[xdm.Invalid] | None,
    ) -> None:
        for each in self._computed:
            try:
                value = each.evaluate(row)
                if value is not None:
                    value = each.convert(value)
            except (Refused, xdm.Invalid) as error:
                # a value that only the schema refuses is no failed transformation
                told = errors if warned is None or isinstance(error, xdm.OutOfBounds) else warned
                told.append(_failed(each, error))
                continue
            if value is not None:
                _parent(result, each.destination[:-1])[each.destination[-1]] = value


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


def _source_problems(mapping: Document, known: set[str] | None) -> list[str]:
    kind, source = mapping["sourceType"], mapping["source"]
    try:
        if kind == EXPRESSION:
            bind(parse(source), known)
        elif kind == ATTRIBUTE and known is not None:
            _located(source, known)
        elif kind not in {ATTRIBUTE, STATIC}:
            return [f"sourceType {kind} is unknown"]
    except ValueError as error:
        return [str(error)]
    return []


def _located(source: str, columns: set[str]) -> tuple[str, tuple[str, ...]]:
    """The column that an attribute reads, the longest one that fits, and the names below it."""
    found = (source, ()) if source in columns else located(names(source), columns)
    if found is None:
        raise ValueError(f"source attribute {source} is unknown")
    return found


def _computed(source: str, expression: Expression, path: tuple[str, ...], target: xdm.Field) -> _Computed:
    shown = source if len(source) <= _SHOWN else source[: _SHOWN - 1] + "…"
    of = f" of column {', '.join(expression.columns)}" if expression.columns else ""
    return _Computed(path, expression.evaluate, target, xdm.converter(target), f"expression {shown}{of}")


def _failed(computed: _Computed, error: Refused | xdm.Invalid) -> xdm.Invalid:
    """A row's error: destination, expression and columns, and the reason; never a value."""
    path, reason = (error.path, error.reason) if isinstance(error, xdm.Invalid) else (computed.target.path, str(error))
    return xdm.Invalid(path, f"{reason} ({computed.origin})")


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


def _below(value: Any, names: tuple[str, ...]) -> Any:
    for name in names:
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
