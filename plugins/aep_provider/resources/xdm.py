"""Fields of schemas: the paths that a schema has, and fields derived from the columns of a table."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aep_provider.errors import AepAnswerError
from aep_provider.resources.columns import Column, is_date_time

_DEEPEST = 24
_MOST_STEPS = 100_000
_LONGEST = 2000


@dataclass(frozen=True)
class DerivedFields:
    """
    Fields ``_{tenant}.{table}.{column}``, one for each column of a table.

    :param tenant: the organisation's ``TENANT_ID``, without the underscore.
    """

    tenant: str
    table: str
    columns: Sequence[Column]

    def paths(self) -> dict[str, str]:
        """Return the path of each column's field, by the column's name."""
        prefix = f"_{self.tenant}.{field_name(self.table)}"
        return {str(column["name"]): f"{prefix}.{field}" for column, field in self._named()}

    def properties(self) -> dict[str, Any]:
        """Return the JSON schema of the fields, as the definition of a field group holds it."""
        fields = {field: {"title": str(column["name"]), **_xdm_type(column)} for column, field in self._named()}
        table = {"type": "object", "title": self.table, "properties": fields}
        return {f"_{self.tenant}": {"type": "object", "properties": {field_name(self.table): table}}}

    def types(self) -> dict[str, dict[str, Any]]:
        """Return what each path holds, in the form of :func:`field_paths`."""
        paths = self.paths()
        return {paths[str(column["name"])]: _xdm_type(column) for column in self.columns}

    def _named(self) -> Iterator[tuple[Column, str]]:
        """Two columns whose names come out the same are told apart by a digest of the name, whatever their order."""
        plain = [field_name(str(column["name"])) for column in self.columns]
        folded = [name.casefold() for name in plain]
        for column, field in zip(self.columns, plain, strict=True):
            alone = folded.count(field.casefold()) == 1
            yield column, field if alone else f"{field}_{_digest(str(column['name']))}"


def field_name(name: str) -> str:
    """Return ``name`` as a field of a schema may be called: letters, digits and underscores, a letter first."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9]+", "_", ascii_only).strip("_")
    if not plain:
        return f"field_{_digest(name)}"
    return plain if plain[0].isalpha() else f"field_{plain}"


def field_paths(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """
    Return what stands at each dotted path of a resolved schema, class or field group.

    :return: for each path, objects included, its ``type`` and ``format`` as far as they are given.
    """
    return dict(_Walk(document).of(document, "", 0))


class _Walk:
    """References may lead in circles, and to one part from many places, so both depth and steps are counted."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._steps = 0

    def of(self, node: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise AepAnswerError(f"AEP's schema has more than {_MOST_STEPS} fields and parts")
        if depth > _DEEPEST:
            return
        parts = node.get("allOf")
        for part in parts if isinstance(parts, list) else []:
            target = self._local(part.get("$ref")) if isinstance(part, Mapping) and "$ref" in part else part
            if isinstance(target, Mapping):
                yield from self.of(target, prefix, depth + 1)
        properties = node.get("properties")
        if not isinstance(properties, Mapping):
            return
        for name, inner in properties.items():
            if isinstance(inner, Mapping):
                path = f"{prefix}.{name}" if prefix else str(name)
                if len(path) > _LONGEST:
                    continue
                yield path, {key: inner[key] for key in ("type", "format") if key in inner}
                yield from self.of(inner, path, depth + 1)

    def _local(self, reference: object) -> Any:
        """Follow a reference inside the document; others are resolved by the Schema Registry."""
        if not (isinstance(reference, str) and reference.startswith("#/")):
            return None
        node: Any = self._root
        for step in reference[2:].split("/"):
            node = node.get(step) if isinstance(node, Mapping) else None
        return node


def _xdm_type(column: Column) -> dict[str, str]:
    if is_date_time(column):
        return {"type": "string", "format": "date-time"}
    declared = (column.get("xdm") or {}).get("type") or column.get("type")
    simple = declared if declared in ("string", "integer", "number", "boolean") else "string"
    day = (column.get("xdm") or {}).get("format") == "date"
    return {"type": "string", "format": "date"} if simple == "string" and day else {"type": simple}


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:6]
