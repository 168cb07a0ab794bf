"""Mappings: both dialects, files, and derivation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aep_provider.errors import AepConfigError
from aep_provider.resources.mapping import (
    check_mappings,
    derive_mappings,
    normal_mapping,
    normal_mappings,
    read_mappings,
)

NORMAL = {"sourceType": "ATTRIBUTE", "source": "Id", "destination": "_id"}
COLUMNS = [{"name": "Id"}, {"name": "first_name"}, {"name": "Phone"}]
FIELDS: dict[str, dict[str, Any]] = {
    "_id": {"type": "string"},
    "person": {"type": "object"},
    "person.name": {"type": "object"},
    "person.name.firstName": {"type": "string"},
    "home.phone": {"type": "string"},
    "work.phone": {"type": "string"},
}


@pytest.mark.parametrize(
    "written",
    [
        {"source": "Id", "destination": "_id"},
        {"sourceAttribute": "Id", "destinationXdmPath": "_id", "identity": False, "version": 0},
        {"sourceType": "ATTRIBUTE", "source": "Id", "destination": "_id", "name": "n"},
        {"sourceType": "attribute", "source": "Id", "destination": "_id"},
        {"sourceType": "text/x.schema-path", "source": "Id", "destination": "_id", "sourceAttribute": "Id"},
        {
            "sourceType": "text/x.schema-path",
            "source": None,
            "destination": None,
            "sourceAttribute": "Id",
            "destinationXdmPath": "_id",
        },
    ],
)
def test_both_dialects_and_what_aep_answers_are_one(written: dict[str, Any]) -> None:
    assert normal_mapping(written) == NORMAL


@pytest.mark.parametrize(
    ("written", "normal"),
    [("STATIC", "STATIC"), ("EXPRESSION", "EXPRESSION"), ("text/x.aep-xl", "EXPRESSION"), ("text/x.static", "STATIC")],
)
def test_kinds_of_sources(written: str, normal: str) -> None:
    assert normal_mapping({"sourceType": written, "source": "x", "destination": "_id"})["sourceType"] == normal


def test_the_tenant_is_put_in_where_it_is_asked_for() -> None:
    mapping = {"source": "Id", "destination": "_{TENANT_ID}.incident.id"}
    assert normal_mapping(mapping, "acme")["destination"] == "_acme.incident.id"
    assert normal_mapping(mapping)["destination"] == "_{TENANT_ID}.incident.id"


@pytest.mark.parametrize(
    "mapping",
    [
        None,
        "Id",
        [],
        {},
        {"source": "Id"},
        {"destination": "_id"},
        {"source": "Id", "destination": ""},
        {"source": "Id", "destination": 5},
    ],
)
def test_an_incomplete_mapping_is_refused(mapping: object) -> None:
    with pytest.raises(AepConfigError):
        normal_mapping(mapping)


@pytest.mark.parametrize("mappings", [[], (), "Id", 5, {}, [None]])
def test_what_is_no_list_of_mappings_is_refused(mappings: object) -> None:
    with pytest.raises(AepConfigError):
        normal_mappings(mappings)


def test_two_mappings_to_one_field_are_refused_also_across_dialects() -> None:
    with pytest.raises(AepConfigError, match=r"Two mappings have the destination '_acme\.id'"):
        normal_mappings(
            [
                {"source": "Id", "destination": "_acme.id"},
                {"sourceAttribute": "Nr", "destinationXdmPath": "_{TENANT_ID}.id"},
            ],
            "acme",
        )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.json", json.dumps([{"source": "Id", "destination": "_id"}])),
        ("m.json", json.dumps({"mappings": [{"source": "Id", "destination": "_id"}]})),
        ("m.yaml", "- source: Id\n  destination: _id\n"),
        ("m.yml", "mappings:\n  - {sourceAttribute: Id, destinationXdmPath: _id}\n"),
        ("deep/er/m.yaml", "- source: Id\n  destination: _id\n"),
    ],
)
def test_files_in_json_and_yaml(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
    assert normal_mappings(read_mappings(name, [tmp_path / "elsewhere", tmp_path])) == [NORMAL]


@pytest.mark.parametrize(
    "path", ["../secret.json", "sub/../../secret.json", "{absolute}", "link.json", ".", "", "nowhere.json"]
)
def test_nothing_outside_the_folder_is_read(tmp_path: Path, path: str) -> None:
    inside = tmp_path / "include"
    inside.mkdir()
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps([{"source": "top secret", "destination": "_id"}]))
    (inside / "link.json").symlink_to(secret)
    with pytest.raises(AepConfigError, match="no mapping file") as refused:
        read_mappings(path.format(absolute=secret), [inside])
    assert "top secret" not in str(refused.value)


def test_without_a_folder_the_message_says_what_is_missing() -> None:
    with pytest.raises(AepConfigError, match="template_searchpath"):
        read_mappings("m.json", [])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.json", "[{"),
        ("m.json", '[{"source": "Id",}]'),
        ("m.yaml", "- source: [Id\n"),
        ("m.yaml", "a: b: c"),
        ("m.yaml", "- !!python/object/apply:os.system [echo]\n"),
        ("m.json", "[" * 200_000),
        ("m.yaml", "[" * 1_100),
        ("m.json", "\udcff"),
        ("m.yaml", "\udcff"),
    ],
)
def test_a_malformed_file_is_told_in_one_line(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(AepConfigError, match="not well formed") as refused:
        read_mappings(name, [tmp_path])
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(" " * (1 << 20) + "[]")
    with pytest.raises(AepConfigError, match="larger than"):
        read_mappings("m.json", [tmp_path])


def test_an_empty_file_is_no_mapping(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("")
    with pytest.raises(AepConfigError, match="at least one mapping"):
        normal_mappings(read_mappings("m.yaml", [tmp_path]))


def test_columns_are_derived_to_fields_made_for_them_or_of_the_same_name() -> None:
    derived = derive_mappings([{"name": "Id"}, {"name": "first_name"}], FIELDS, {"Id": "_acme.incident.Id"})
    assert [(one["source"], one["destination"]) for one in derived] == [
        ("Id", "_acme.incident.Id"),
        ("first_name", "person.name.firstName"),
    ]


def test_a_column_with_two_fields_of_its_name_is_left_out() -> None:
    assert [one["source"] for one in derive_mappings(COLUMNS, FIELDS, {})] == ["Id", "first_name"]


def test_nothing_to_derive_is_refused() -> None:
    with pytest.raises(AepConfigError, match="No column of the table has a field"):
        derive_mappings([{"name": "Phone"}, {"name": "person"}], FIELDS, {})


def test_two_columns_never_lead_to_one_field() -> None:
    """``Id`` and ``ID_`` fold to the same name; rows of the second would overwrite the first."""
    derived = derive_mappings([{"name": "first_name"}, {"name": "FirstName"}, {"name": "Id"}], FIELDS, {})
    destinations = [one["destination"] for one in derived]
    assert len(set(destinations)) == len(destinations)
    normal_mappings(derived)


def test_mappings_are_checked_against_columns_and_fields() -> None:
    check_mappings([NORMAL], COLUMNS, FIELDS, "the schema 'x'")
    check_mappings([{**NORMAL, "sourceType": "STATIC", "source": "constant"}], COLUMNS, FIELDS, "the schema 'x'")


def test_a_mapping_from_no_column_is_told_with_the_nearest() -> None:
    with pytest.raises(AepConfigError, match=r"'First_Nam'.*not among the columns.*'first_name'"):
        check_mappings([{**NORMAL, "source": "First_Nam"}], COLUMNS, FIELDS, "the schema 'x'")


def test_a_mapping_to_no_field_is_told_with_the_schema_and_the_nearest() -> None:
    with pytest.raises(AepConfigError, match=r"'person.name.fistName'.*the schema 'x'.*'person.name.firstName'"):
        check_mappings([{**NORMAL, "destination": "person.name.fistName"}], COLUMNS, FIELDS, "the schema 'x'")
