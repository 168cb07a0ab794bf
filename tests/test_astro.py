"""The files that the Astro CLI reads."""

from __future__ import annotations

import re
from typing import Any

from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from aep_provider.provider_info import DEFAULT_CONN_ID
from environment import ROOT

TEXT = {"type": ["string", "null"]}
CONNECTION = {
    "conn_id": {"type": "string", "minLength": 1},
    **{f"conn_{field}": TEXT for field in ("type", "host", "schema", "login", "password", "uri")},
    "conn_port": {"type": ["integer", "null"]},
    # The CLI writes the keys of a map in lower case.
    "conn_extra": {
        "type": ["object", "string", "null"],
        "propertyNames": {"pattern": "^[a-z_]+$"},
        "additionalProperties": {"type": "string"},
    },
}
POOL = {
    "pool_name": {"type": "string", "minLength": 1},
    # Zero is skipped.
    "pool_slot": {"type": "integer", "minimum": 1},
    "pool_description": TEXT,
}
VARIABLE = {"variable_name": {"type": "string", "minLength": 1}, "variable_value": {"type": "string", "minLength": 1}}


def list_of(fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    required = [next(iter(fields))]
    one = {"type": "object", "properties": fields, "required": required, "additionalProperties": False, **more}
    return {"type": ["array", "null"], "items": one}


TYPED = {"anyOf": [{"required": [key], "properties": {key: {"type": "string"}}} for key in ("conn_type", "conn_uri")]}
SETTINGS = {
    "type": "object",
    "properties": {
        "airflow": {
            "type": "object",
            "properties": {
                "connections": list_of(CONNECTION, **TYPED),
                "pools": list_of(POOL),
                "variables": list_of(VARIABLE),
            },
            "additionalProperties": False,
        }
    },
    "required": ["airflow"],
    "additionalProperties": False,
}
"""What the CLI reads (its settings/types.go): anything else it leaves out without a word."""


def test_the_settings_are_what_the_cli_reads() -> None:
    settings = YAML(typ="safe").load(ROOT / "airflow_settings.yaml")
    assert [error.message for error in Draft202012Validator(SETTINGS).iter_errors(settings)] == []
    connections = {one["conn_id"]: one for one in settings["airflow"]["connections"]}
    assert connections[DEFAULT_CONN_ID]["conn_type"] == "aep"


def test_the_image_is_of_airflow_3_3_and_of_a_python_that_the_package_names() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in dockerfile.splitlines() if line and not line.startswith("#")]
    assert [line.split()[0] for line in lines] == ["FROM", "RUN"]
    python = re.fullmatch(r"FROM astrocrpublic\.azurecr\.io/runtime:3\.3-\d+-python-(3\.\d+)", lines[0])
    assert python
    classifier = f'"Programming Language :: Python :: {python[1]}"'
    assert classifier in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
