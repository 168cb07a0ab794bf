"""Fields derived from columns, and the paths that a schema has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aep_provider.resources.xdm import DerivedFields, field_name, field_paths


def columns(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "type": "string", "xdm": {"type": "string"}} for name in names]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("sys_id", "sys_id"),
        ("Prénom", "Prenom"),
        ("lifetime value", "lifetime_value"),
        ("a.b-c/d", "a_b_c_d"),
        ("_leading_", "leading"),
        ("2fa_code", "field_2fa_code"),
        ("Customer ID (old)", "Customer_ID_old"),
    ],
)
def test_a_name_becomes_letters_digits_and_underscores(name: str, field: str) -> None:
    assert field_name(name) == field


@given(st.text(min_size=1))
def test_whatever_the_name_the_field_is_one_that_a_schema_takes(name: str) -> None:
    field = field_name(name)
    assert field.isascii()
    assert field[0].isalpha()
    assert field.replace("_", "").isalnum()
    assert field_name(name) == field


def test_names_in_other_scripts_stay_apart() -> None:
    assert len({field_name("имя"), field_name("город"), field_name("都市")}) == 3


@given(st.lists(st.text(min_size=1, max_size=6), unique=True, min_size=1, max_size=12))
def test_no_two_columns_share_a_field(names: list[str]) -> None:
    paths = DerivedFields("acme", "incident", columns(*names)).paths()
    assert len({path.casefold() for path in paths.values()}) == len(names)


def test_columns_that_fold_together_are_told_apart_whatever_their_order() -> None:
    forth = DerivedFields("acme", "t", columns("a b", "a_b", "A-B", "c")).paths()
    back = DerivedFields("acme", "t", columns("c", "A-B", "a_b", "a b")).paths()
    assert forth == back
    assert forth["c"] == "_acme.t.c"
    assert forth["a b"].startswith("_acme.t.a_b_")
    assert len({path.casefold() for path in forth.values()}) == 4


def test_five_hundred_columns() -> None:
    names = [f"Column {number}" for number in range(500)]
    fields = DerivedFields("acme", "wide", columns(*names))
    table = fields.properties()["_acme"]["properties"]["wide"]["properties"]
    assert len(table) == 500
    assert {f"_acme.wide.{name}" for name in table} == set(fields.paths().values()) == set(fields.types())


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ({"type": "string", "meta:xdmType": "date-time"}, {"type": "string", "format": "date-time"}),
        ({"type": "string", "xdm": {"type": "string", "format": "date"}}, {"type": "string", "format": "date"}),
        ({"type": "integer", "xdm": {"type": "integer"}}, {"type": "integer"}),
        ({"type": "number"}, {"type": "number"}),
        ({"type": "boolean", "xdm": {"type": "boolean"}}, {"type": "boolean"}),
        ({"type": "decimal(10,2)"}, {"type": "string"}),
        ({}, {"type": "string"}),
        ({"type": "object", "xdm": None}, {"type": "string"}),
    ],
)
def test_types_of_columns_become_types_of_fields(column: dict[str, Any], expected: dict[str, str]) -> None:
    fields = DerivedFields("acme", "t", [{"name": "c", **column}])
    assert fields.types() == {"_acme.t.c": expected}
    node = fields.properties()["_acme"]["properties"]["t"]["properties"]["c"]
    assert {key: node[key] for key in expected} == expected


def test_paths_of_a_resolved_schema_go_through_parts_and_local_references() -> None:
    document = {
        "type": "object",
        "definitions": {
            "custom": {"properties": {"_acme": {"type": "object", "properties": {"n": {"type": "integer"}}}}}
        },
        "allOf": [{"$ref": "#/definitions/custom"}, {"properties": {"_id": {"type": "string"}}}],
        "properties": {"person": {"type": "object", "properties": {"born": {"type": "string", "format": "date"}}}},
    }
    assert field_paths(document) == {
        "_acme": {"type": "object"},
        "_acme.n": {"type": "integer"},
        "_id": {"type": "string"},
        "person": {"type": "object"},
        "person.born": {"type": "string", "format": "date"},
    }


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"allOf": None, "properties": None},
        {"allOf": [None, 5, {"$ref": 5}, {"$ref": "#/nowhere"}, {"$ref": "https://elsewhere"}], "properties": {"a": 5}},
        {"properties": [1, 2]},
    ],
)
def test_documents_without_fields_have_no_paths(document: dict[str, Any]) -> None:
    assert field_paths(document) == {}


def test_a_schema_that_refers_to_itself_ends() -> None:
    document = {
        "allOf": [{"$ref": "#"}, {"$ref": "#/definitions/me"}],
        "definitions": {"me": {"allOf": [{"$ref": "#/definitions/me"}]}},
    }
    assert field_paths(document) == {}
