"""XDM schemas: the tree of fields behind one, which values a field takes, and how its values are stored.

A schema is a class and field groups put together with ``allOf`` and ``$ref``; :func:`expanded` puts in what they refer
to, :func:`tree` makes fields of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from aep_local.core import duck
from aep_local.core.store import Document, Scope, Store
from aep_local.xdm import standard as registry_data
from aep_local.xdm.values import CONVERTERS, Refused, kind_of

KINDS: Final = ("schemas", "fieldgroups", "classes", "datatypes")
"""Kinds of registry documents in the store; their id is ``$id``."""

_MAX_DEPTH = 32
_MAX_NODES = 20_000
_STORED: Final = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date-time": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
}

Load = Callable[[str], Document | None]


class SchemaError(ValueError):
    """A schema that cannot be put together: a reference that leads nowhere, a circle, a type that XDM does not have."""


@dataclass(frozen=True)
class Field:
    """One field of a schema.

    :param path: dotted, from the root; the root's is empty.
    :param kind: ``string integer number boolean date-time date object array map``.
    :param fields: an object's fields.
    :param item: what an array or a map holds.
    :param required: the names that an object must have.
    """

    path: str
    kind: str
    fields: dict[str, Field] = field(default_factory=dict)
    item: Field | None = None
    required: frozenset[str] = frozenset()
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    enum: tuple[Any, ...] = ()

    def lookup(self, path: str) -> Field | None:
        """The field at a dotted path below this one, or None."""
        found: Field | None = self
        for name in path.split("."):
            found = found.fields.get(name) if found is not None else None
        return found


class Invalid(Exception):
    """A value that does not fit its field.

    :param path: the field's dotted path.
    :param reason: why, naming the value's kind and never the value.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class OutOfBounds(Invalid):
    """A value of the right kind that the schema refuses: too small, too long, not one of the allowed ones."""


def loader(store: Store, scope: Scope) -> Load:
    """A function from ``$id`` to the registry document of a sandbox, or None."""

    def load(id: str) -> Document | None:
        if id in registry_data.BY_ID:
            return registry_data.BY_ID[id]
        return next((doc for kind in KINDS if (doc := store.get(kind, id, scope)) is not None), None)

    return load


def fields(store: Store, scope: Scope, schema_id: str) -> Field | None:
    """The field tree of a schema, None when there is no such schema.

    :raises SchemaError: the schema cannot be put together.
    """
    document = store.get("schemas", schema_id, scope)
    return None if document is None else tree(expanded(document, loader(store, scope)))


def expanded(document: Document, load: Load) -> Document:
    """A registry document's JSON schema with everything it refers to put in.

    :raises SchemaError: it cannot be put together.
    """
    return _Expansion(load).node(document, document, 0)


class _Expansion:
    def __init__(self, load: Load) -> None:
        self._load = load
        self._nodes = 0

    def node(self, node: Any, document: Document, depth: int) -> Document:
        self._nodes += 1
        if depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise SchemaError("the schema refers to itself or is too large")
        if not isinstance(node, dict):
            raise SchemaError("a field must be described by an object")
        merged: Document = {
            key: value
            for key, value in node.items()
            if key in _KEPT or (key.startswith("meta:") and key in {"meta:xdmType", "meta:enum"})
        }
        if isinstance(node.get("properties"), dict):
            merged["properties"] = {
                name: self.node(each, document, depth + 1) for name, each in node["properties"].items()
            }
        for key in ("items", "additionalProperties"):
            if isinstance(node.get(key), dict):
                merged[key] = self.node(node[key], document, depth + 1)
        for each in self._parts(node, document):
            _merge(merged, self.node(*each, depth + 1))
        return merged

    def _parts(self, node: Document, document: Document) -> Iterator[tuple[Any, Document]]:
        if "$ref" in node:
            yield self._referenced(node["$ref"], document)
        parts = node.get("allOf", [])
        if not isinstance(parts, list):
            raise SchemaError("allOf must be an array")
        for each in parts:
            yield each, document

    def _referenced(self, reference: Any, document: Document) -> tuple[Any, Document]:
        if not isinstance(reference, str):
            raise SchemaError("$ref must be a text")
        id, _, pointer = reference.partition("#")
        target = document if not id else self._load(id)
        if target is None:
            raise SchemaError(f"$ref {reference} leads nowhere")
        node: Any = target
        for step in pointer.strip("/").split("/") if pointer.strip("/") else []:
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, dict) or name not in node:
                raise SchemaError(f"$ref {reference} leads nowhere")
            node = node[name]
        return node, target


_KEPT: Final = frozenset(
    {"title", "description", "type", "format", "required", "minimum", "maximum", "minLength", "maxLength", "enum"}
)


def _merge(target: Document, other: Document) -> None:
    for key, value in other.items():
        if key == "properties":
            mine = target.setdefault("properties", {})
            for name, each in value.items():
                if name in mine:
                    _merge(mine[name], each)
                else:
                    mine[name] = each
        elif key == "required":
            target["required"] = sorted({*target.get("required", []), *value})
        else:
            target.setdefault(key, value)


def tree(schema: Document, path: str = "") -> Field:
    """The fields of an expanded JSON schema.

    :raises SchemaError: a type that XDM does not have, or names that differ only in case, which no table can hold.
    """
    kind = _kind(schema, path)
    children: dict[str, Field] = {}
    for name, each in schema.get("properties", {}).items() if kind == "object" else ():
        children[name] = tree(each, f"{path}.{name}" if path else name)
    if len({name.lower() for name in children}) < len(children):
        raise SchemaError(f"fields of {path or 'the schema'} differ only in case")
    inner = schema.get("items" if kind == "array" else "additionalProperties")
    item = (
        tree(inner if isinstance(inner, dict) else {"type": "string"}, f"{path}[]")
        if kind in {"array", "map"}
        else None
    )
    return Field(
        path=path,
        kind=kind,
        fields=children,
        item=item,
        required=frozenset(schema.get("required", ())),
        minimum=_number(schema, "minimum"),
        maximum=_number(schema, "maximum"),
        min_length=_count(schema, "minLength"),
        max_length=_count(schema, "maxLength"),
        enum=tuple(schema.get("enum", ())),
    )


def _kind(schema: Document, path: str) -> str:
    declared = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(declared, list):
        declared = next((each for each in declared if each != "null"), None)
    if declared == "string" and schema.get("format") in {"date-time", "date"}:
        return str(schema["format"])
    if declared == "object" and "properties" not in schema and isinstance(schema.get("additionalProperties"), dict):
        return "map"
    if declared in {"string", "integer", "number", "boolean", "object", "array"}:
        return str(declared)
    raise SchemaError(f"{path or 'the schema'} has no type of XDM")


def _number(schema: Document, key: str) -> float | None:
    value = schema.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(schema: Document, key: str) -> int | None:
    value = schema.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def convert(value: Any, target: Field) -> Any:
    """A source value as it lands in a field: JSON-ready, moments as UTC text. None stays None.

    :raises Invalid: the field does not take it.
    """
    if value is None:
        return None
    if target.kind == "object":
        return _convert_object(value, target)
    if target.item is not None:
        return _convert_many(value, target, target.item)
    try:
        result = CONVERTERS[target.kind](value)
    except Refused as error:
        raise Invalid(target.path, str(error)) from None
    _check(result, target)
    return result


def converter(target: Field) -> Callable[[Any], Any]:
    """:func:`convert` for one field; where nothing but its kind limits it, without the detour.

    The function raises :class:`Invalid`, or :class:`aep_local.xdm.values.Refused` without the path.
    """
    limits = (target.minimum, target.maximum, target.min_length, target.max_length)
    if target.kind in CONVERTERS and not target.enum and all(limit is None for limit in limits):
        return CONVERTERS[target.kind]
    return lambda value: convert(value, target)


def _convert_object(value: Any, target: Field) -> Any:
    if not isinstance(value, dict):
        raise Invalid(target.path, f"{kind_of(value)} is not an object")
    unknown = value.keys() - target.fields.keys()
    if unknown:
        raise Invalid(target.path, f"the schema has no field {min(unknown)}")
    return {name: convert(each, target.fields[name]) for name, each in value.items()}


def _convert_many(value: Any, target: Field, item: Field) -> Any:
    if target.kind == "array":
        if not isinstance(value, list | tuple):
            raise Invalid(target.path, f"{kind_of(value)} is not an array")
        return [convert(each, item) for each in value]
    if not isinstance(value, dict):
        raise Invalid(target.path, f"{kind_of(value)} is not a map")
    return {str(name): convert(each, item) for name, each in value.items()}


def _check(value: Any, target: Field) -> None:
    if target.minimum is not None and target.kind in {"integer", "number"} and value < target.minimum:
        raise OutOfBounds(target.path, f"{target.kind} is below {target.minimum}")
    if target.maximum is not None and target.kind in {"integer", "number"} and value > target.maximum:
        raise OutOfBounds(target.path, f"{target.kind} is above {target.maximum}")
    if target.min_length is not None and isinstance(value, str) and len(value) < target.min_length:
        raise OutOfBounds(target.path, f"text is shorter than {target.min_length}")
    if target.max_length is not None and isinstance(value, str) and len(value) > target.max_length:
        raise OutOfBounds(target.path, f"text is longer than {target.max_length}")
    if target.enum and value not in target.enum:
        raise OutOfBounds(target.path, f"{kind_of(value)} is not one of the allowed values")


def missing_required(row: dict[str, Any], target: Field) -> Iterator[Invalid]:
    """Every required field that a converted row does not have; an object that is absent demands nothing inside."""
    for name in sorted(target.required):
        if row.get(name) is None:
            yield Invalid(f"{target.path}.{name}" if target.path else name, "a required value is missing")
    for name, value in row.items():
        child = target.fields.get(name)
        if child is not None and child.kind == "object" and isinstance(value, dict):
            yield from missing_required(value, child)


def stored_type(target: Field) -> str:
    """The DuckDB type in which a field is stored; moments are UTC, integers 64 bits, numbers doubles.

    :raises SchemaError: an object without fields, which Parquet cannot hold.
    """
    if target.kind == "object":
        if not target.fields:
            raise SchemaError(f"{target.path} has no fields")
        inside = ", ".join(f"{duck.identifier(name)} {stored_type(each)}" for name, each in target.fields.items())
        return f"STRUCT({inside})"
    if target.item is not None:
        inner = stored_type(target.item)
        return f"{inner}[]" if target.kind == "array" else f"MAP(VARCHAR, {inner})"
    return _STORED[target.kind]


def narrowed(root: Field, paths: list[str]) -> Field:
    """The part of a tree that these paths name; an object named itself keeps all its fields."""
    kept: dict[str, Field] = {}
    below: dict[str, list[str]] = {}
    for path in paths:
        name, _, rest = path.partition(".")
        if rest:
            below.setdefault(name, []).append(rest)
        else:
            kept[name] = root.fields[name]
    for name, rests in below.items():
        if name not in kept:
            kept[name] = narrowed(root.fields[name], rests)
    order = [name for name in root.fields if name in kept]
    return Field(path=root.path, kind="object", fields={name: kept[name] for name in order}, required=root.required)
