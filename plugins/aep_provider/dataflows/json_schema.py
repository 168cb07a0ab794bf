"""
The JSON Schema of a dataflow's file, from the models, so that editors complete and check while somebody types.

``python -m aep_provider.dataflows.json_schema`` prints it; ``dataflow.schema.json`` beside this module holds it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.resources.connectors import CONNECTORS

FILE: Final = Path(__file__).with_name("dataflow.schema.json")
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_UUID: Final = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def dataflow_schema() -> dict[str, Any]:
    """
    Return the schema of a dataflow's file.

    Only ``table`` is required, for anything else may come from another layer. Null is allowed wherever a layer may take
    something back with it.
    """
    made = DataflowSpec.model_json_schema()
    parts = {name: _part(part) for name, part in sorted(made.pop("$defs").items())}
    return {
        "$schema": _DIALECT,
        "title": "A dataflow of Adobe Experience Platform",
        "type": "object",
        "description": _plain(made["description"]),
        "additionalProperties": False,
        "required": ["table"],
        "properties": {**_part(made)["properties"], "table": _field(made["properties"]["table"], required=True),
                       "source": _source(made["properties"]["source"])},
        "$defs": parts,
    }  # fmt: skip


def as_text() -> str:
    """Return the schema as its file holds it."""
    return json.dumps(dataflow_schema(), indent=2, ensure_ascii=False) + "\n"


def _part(made: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": _plain(made["description"]),
        "additionalProperties": False,
        "properties": {name: _field(field) for name, field in made["properties"].items()},
    }


def _field(made: Mapping[str, Any], *, required: bool = False) -> dict[str, Any]:
    about = {key: made[key] for key in ("description", "default", "examples") if made.get(key) is not None}
    if isinstance(about.get("default"), dict):
        # Of a part, the defaults stand at its fields.
        del about["default"]
    kind = {key: value for key, value in made.items() if key not in ("title", "description", "default", "examples")}
    return {**about, **(kind if required else _or_null(kind))}


def _source(made: Mapping[str, Any]) -> dict[str, Any]:
    served = [{"enum": sorted(CONNECTORS)}, {"type": "string", "pattern": _UUID}, {"type": "null"}]
    return {"description": made["description"], "examples": made["examples"], "anyOf": served}


def _or_null(kind: Mapping[str, Any]) -> dict[str, Any]:
    choices = [one for one in kind.get("anyOf", [kind]) if one != {"type": "null"}]
    rest = {key: value for key, value in kind.items() if key != "anyOf"} if "anyOf" in kind else {}
    if len(choices) == 1 and isinstance(choices[0].get("type"), str) and "enum" not in choices[0]:
        return {**rest, **choices[0], "type": [choices[0]["type"], "null"]}
    return {**rest, "anyOf": [*choices, {"type": "null"}]}


def _plain(docstring: str) -> str:
    """The prose of a docstring on one line: editors show it as it is."""
    return " ".join(docstring.partition(":raises")[0].replace("``", "`").split())


if __name__ == "__main__":
    print(as_text(), end="")
