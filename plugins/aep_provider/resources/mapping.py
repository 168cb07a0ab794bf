"""Mappings from source columns to XDM paths: given, read from a file, or derived."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from aep_provider.errors import AepConfigError, one_line
from aep_provider.resources.columns import Column, column_names
from aep_provider.resources.names import nearest

TENANT_PLACEHOLDER = "{TENANT_ID}"
_LARGEST_FILE = 1_048_576

NormalMapping = dict[str, str]
"""``{"sourceType": "ATTRIBUTE" | "EXPRESSION" | "STATIC", "source": …, "destination": …}``."""


def normal_mapping(mapping: object, tenant: str | None = None) -> NormalMapping:
    """
    Return one mapping in the normal form, from either dialect of AEP.

    :param tenant: what ``{TENANT_ID}`` in a destination stands for.
    :raises AepConfigError: if source or destination are missing.
    """
    if not isinstance(mapping, Mapping):
        raise AepConfigError(f"The mapping {mapping!r} is no object with source and destination.")
    source = _first(mapping.get("source"), mapping.get("sourceAttribute"))
    destination = _first(mapping.get("destination"), mapping.get("destinationXdmPath"))
    if source is None or not isinstance(destination, str) or not destination:
        raise AepConfigError(
            f"The mapping {dict(mapping)!r} is incomplete: it needs source and destination "
            "(or sourceAttribute and destinationXdmPath)."
        )
    if tenant:
        destination = destination.replace(TENANT_PLACEHOLDER, tenant)
    return {
        "sourceType": _source_type(str(mapping.get("sourceType") or "ATTRIBUTE")),
        "source": str(source),
        "destination": destination,
    }


def normal_mappings(mappings: object, tenant: str | None = None) -> list[NormalMapping]:
    """
    Return mappings in the normal form, in the order given.

    :raises AepConfigError: if there is none, or two have one destination.
    """
    if not isinstance(mappings, Sequence) or isinstance(mappings, str) or not mappings:
        raise AepConfigError("mappings must be a list with at least one mapping, or be left out to derive them.")
    normal = [normal_mapping(mapping, tenant) for mapping in mappings]
    seen: set[str] = set()
    for mapping in normal:
        if mapping["destination"] in seen:
            raise AepConfigError(f"Two mappings have the destination {mapping['destination']!r}: keep one of them.")
        seen.add(mapping["destination"])
    return normal


def read_mappings(path: str, roots: Sequence[Path]) -> object:
    """
    Return what a JSON or YAML file holds.

    :param path: relative to one of ``roots``.
    :raises AepConfigError: if it is outside of them, not there, too large or not well formed.
    """
    # A DAG file that only names operators need not wait for it.
    from ruamel.yaml import YAML  # noqa: PLC0415
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    for root in roots:
        file = (root / path).resolve()
        if file.is_relative_to(root.resolve()) and file.is_file():
            break
    else:
        places = ", ".join(str(root) for root in roots) or "the DAG's template_searchpath, which is empty"
        raise AepConfigError(f"There is no mapping file {path!r} under {places}.")
    if file.stat().st_size > _LARGEST_FILE:
        raise AepConfigError(f"The mapping file {path!r} is larger than {_LARGEST_FILE} bytes.")
    try:
        text = file.read_text(encoding="utf-8")
        content = json.loads(text) if file.suffix == ".json" else YAML(typ="safe", pure=True).load(text)
    except RecursionError:
        raise AepConfigError(f"The mapping file {path!r} is not well formed: it is nested too deeply.") from None
    except (ValueError, YAMLError) as error:
        raise AepConfigError(f"The mapping file {path!r} is not well formed: {one_line(error, 300)}") from error
    return content.get("mappings") if isinstance(content, Mapping) else content


def derive_mappings(
    columns: Sequence[Column], fields: Mapping[str, Mapping[str, Any]], derived: Mapping[str, str]
) -> list[NormalMapping]:
    """
    Return one mapping for each column that has a field.

    :param fields: the paths of the schema, see :func:`aep_provider.resources.xdm.field_paths`.
    :param derived: by column, the field that was made for it.
    :raises AepConfigError: if not one column has a field; else columns without a field of their own are left out.
    """
    times = Counter(_folded(name) for name in column_names(columns))
    by_leaf: dict[str, list[str]] = {}
    for path, field in fields.items():
        if field.get("type") != "object":
            by_leaf.setdefault(_folded(path.rsplit(".", 1)[-1]), []).append(path)
    mappings = []
    for name in column_names(columns):
        same_name = by_leaf.get(_folded(name), []) if times[_folded(name)] == 1 else []
        destination = derived.get(name) or (same_name[0] if len(same_name) == 1 else None)
        if destination:
            mappings.append({"sourceType": "ATTRIBUTE", "source": name, "destination": destination})
    if not mappings:
        raise AepConfigError(
            "No column of the table has a field of the same name in the schema: give the mappings, or let the schema be "
            "derived from the columns."
        )
    return mappings


def check_mappings(
    mappings: Sequence[NormalMapping], columns: Sequence[Column], fields: Collection[str], schema: str
) -> None:
    """
    Check that every mapping comes from a column and leads to a field.

    :raises AepConfigError: for the first that does not; the message names the nearest.
    """
    names = set(column_names(columns))
    for mapping in mappings:
        source, destination = mapping["source"], mapping["destination"]
        if mapping["sourceType"] == "ATTRIBUTE" and source not in names:
            raise AepConfigError(
                f"The mapping to {destination!r} takes the column {source!r}, which is not among the columns."
                + nearest(source, names)
            )
        if destination not in fields:
            raise AepConfigError(
                f"The mapping of {source!r} leads to {destination!r}, a path that {schema} does not have."
                + nearest(destination, fields)
            )


def _first(*values: Any) -> Any:
    """AEP answers in both dialects at once, and may leave one of them empty."""
    return next((value for value in values if value is not None), None)


def _source_type(written: str) -> str:
    """AEP answers with media types where it was asked in words."""
    word = written.upper()
    if word in ("ATTRIBUTE", "EXPRESSION", "STATIC"):
        return word
    return "ATTRIBUTE" if "SCHEMA-PATH" in word else "STATIC" if "STATIC" in word else "EXPRESSION"


def _folded(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
