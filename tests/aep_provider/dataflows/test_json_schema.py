"""The JSON Schema that editors check with says what the models say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from aep_provider.dataflows.json_schema import FILE, as_text, dataflow_schema
from aep_provider.dataflows.reading.document import read_document
from aep_provider.dataflows.spec import DataflowSpec
from environment import ROOT

FILES = sorted((ROOT / "include" / "dataflows").glob("[!_]*.yaml"))
SCHEMA = dataflow_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
HOURLY = {"frequency": "hour", "interval": 1}


def parts() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "", SCHEMA
    yield from SCHEMA["$defs"].items()


def test_the_file_is_what_the_models_make() -> None:
    command = f"python -m aep_provider.dataflows.json_schema > {FILE.relative_to(ROOT)}"
    assert FILE.read_text(encoding="utf-8") == as_text(), f"make the file anew: {command}"


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(json.loads(FILE.read_text(encoding="utf-8")))
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["required"] == ["table"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_shipped_dataflows_fit(file: Any) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(read_document(file).content)] == []


@pytest.mark.parametrize(("name", "part"), list(parts()))
def test_every_field_is_described_and_no_other_is_taken(name: str, part: dict[str, Any]) -> None:
    assert part["additionalProperties"] is False
    assert part["description"]
    assert [field for field, told in part["properties"].items() if not told.get("description")] == []
    assert name == "" or "required" not in part


def test_every_field_of_the_models_is_there() -> None:
    assert set(SCHEMA["properties"]) == set(DataflowSpec.model_fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"source": "servicenow", "columns": ["a", {"name": "b", "xdm": {"type": "string"}}]},
        {"source": "eb13cb25-47ab-407f-ba89-c0125281c563", "columns": []},
        {"load": "recurring", "recurrence": HOURLY},
        {"schedule": {"lag": "15m", "start": "2026-01-31"}, "policy": {"timeout": 60, "retry_delay": " 2 h "}},
        {"schedule": {"start": "2026-01-31T06:00:00Z", "end": "2026-01-31 06:00"}},
        {"mapping": [{"source": "a", "destination": "b"}], "target": {"field_groups": ["a"]}},
        {"mapping": "mappings/a.yaml"},
        dict.fromkeys(set(DataflowSpec.model_fields) - {"table"}),
        {"policy": {"retries": None, "poll_interval": None, "partial_ingestion_percent": None}},
    ],
)
def test_what_fits(fields: dict[str, Any]) -> None:
    assert [error.message for error in VALIDATOR.iter_errors({"table": "t", **fields})] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"table": None},
        {"table": 3},
        {"table": ""},
        {"tabel": "t"},
        {"source": "servicenaw"},
        {"load": "weekly"},
        {"recurrence": {**HOURLY, "frequency": "month"}},
        {"recurrence": {**HOURLY, "interval": "1"}},
        {"schedule": {"lag": "soon"}},
        {"schedule": {"lag": -1}},
        {"schedule": {"start": "soon"}},
        {"schedule": {"catchup": "yes"}},
        {"schedule": {"zone": "UTC"}},
        {"policy": {"poll_interval": 0}},
        {"policy": {"max_rejected_percent": 101}},
        {"columns": "a"},
        {"names": {"flow": "a"}},
    ],
)
def test_what_does_not(fields: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid({"table": "t", **fields})
