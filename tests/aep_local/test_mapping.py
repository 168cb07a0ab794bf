"""Mappings: rows become nested XDM rows, or say which field refused what."""

from __future__ import annotations

from typing import Any

import pytest

from aep_local.xdm import fields as xdm
from aep_local.xdm.mapping import Mapper, Rejection, problems

TEXT = {"type": "string"}
ROOT = xdm.tree(
    {
        "properties": {
            "_id": TEXT,
            "_acme": {
                "type": "object",
                "properties": {
                    "count": {"type": "integer"},
                    "at": {"type": "string", "format": "date-time"},
                    "deep": {"type": "object", "properties": {"a": TEXT, "b": {"type": "boolean"}}},
                },
            },
        }
    }
)
COLUMNS = ["Id", "n", "when", "address", "address.city"]


def attribute(source: str, destination: str) -> dict[str, Any]:
    return {"sourceType": "ATTRIBUTE", "source": source, "destination": destination}


def expression(source: str, destination: str) -> dict[str, Any]:
    return {"sourceType": "EXPRESSION", "source": source, "destination": destination}


def static(source: Any, destination: str) -> dict[str, Any]:
    return {"sourceType": "STATIC", "source": source, "destination": destination}


def test_a_row_becomes_nested_and_typed() -> None:
    mapper = Mapper(
        [
            attribute("Id", "_id"),
            attribute("n", "_acme.count"),
            attribute("when", "_acme.at"),
            attribute("address.street.name", "_acme.deep.a"),
            static("true", "_acme.deep.b"),
        ],
        ROOT,
        COLUMNS,
    )
    assert mapper.columns == ["Id", "n", "when", "address"]
    row = {"Id": " x ", "n": "12", "when": "2024-02-29", "address": {"street": {"name": "Main"}}}
    assert mapper.row(row) == {
        "_id": " x ",
        "_acme": {"count": 12, "at": "2024-02-29T00:00:00Z", "deep": {"a": "Main", "b": True}},
    }
    assert mapper.row(dict.fromkeys(mapper.columns)) == {"_acme": {"deep": {"b": True}}}


def test_a_column_with_a_dot_goes_before_a_path() -> None:
    mapper = Mapper([attribute("address.city", "_id")], ROOT, COLUMNS)
    assert mapper.columns == ["address.city"]
    assert mapper.row({"address.city": "Bonn"}) == {"_id": "Bonn"}


def test_attributes_whose_names_have_special_characters() -> None:
    columns = ["First Name", "a.b", "address"]
    for source, row, value in (
        ("${First Name}", {"First Name": "Ann"}, "Ann"),
        ("First Name", {"First Name": "Ann"}, "Ann"),
        (r"a\.b", {"a.b": "x"}, "x"),
        (r"address.street\.name", {"address": {"street.name": "Main"}}, "Main"),
        (r"${address.street\.name}", {"address": {"street.name": "Main"}}, "Main"),
    ):
        assert Mapper([attribute(source, "_id")], ROOT, columns).row(row) == {"_id": value}, source


def test_expressions_land_beside_attributes() -> None:
    mapper = Mapper(
        [
            attribute("Id", "_id"),
            expression("n * 2 + 1", "_acme.count"),
            expression('date(when, "dd.MM.yyyy")', "_acme.at"),
            expression("upper(trim(address.street.name))", "_acme.deep.a"),
            expression("n > 5 && !is_empty(Id)", "_acme.deep.b"),
        ],
        ROOT,
        COLUMNS,
    )
    assert mapper.columns == ["Id", "n", "when", "address"]
    row = {"Id": "x", "n": "12", "when": "29.02.2024", "address": {"street": {"name": " main "}}}
    assert mapper.row(row) == {
        "_id": "x",
        "_acme": {"count": 25, "at": "2024-02-29T00:00:00Z", "deep": {"a": "MAIN", "b": True}},
    }
    assert mapper.row(dict.fromkeys(mapper.columns)) == {"_acme": {"deep": {"b": False}}}


def test_a_failed_expression_names_destination_column_and_reason_but_no_value() -> None:
    mapper = Mapper([attribute("Id", "_id"), expression("to_integer(Id) / n", "_acme.count")], ROOT, COLUMNS)
    origin = "(expression to_integer(Id) / n of column Id, n)"
    for row, reason in (
        ({"Id": "secret", "n": 1}, "to_integer: text is not a number"),
        ({"Id": "7", "n": 0}, "/: division by zero"),
        ({"Id": "7", "n": 2.0}, "number with a fraction is not an integer"),
    ):
        result = mapper.row(row)
        assert isinstance(result, Rejection)
        assert [(each.path, each.reason) for each in result.errors] == [("_acme.count", f"{reason} {origin}")]
    assert mapper.row({"Id": "7", "n": 2}) == {"_id": "7", "_acme": {"count": 3}}


def test_a_failed_expression_may_leave_its_attribute_null_and_warn() -> None:
    mappings = [attribute("Id", "_id"), expression("to_integer(Id) / n", "_acme.count")]
    mapper, warned = Mapper(mappings, ROOT, COLUMNS), list[xdm.Invalid]()
    assert mapper.row({"Id": "7", "n": 2}, warned) == {"_id": "7", "_acme": {"count": 3}}
    assert warned == []
    for row, reason in (
        ({"Id": "7", "n": 0}, "/: division by zero (expression"),
        ({"Id": "7", "n": 2.0}, "number with a fraction is not an integer (expression"),
    ):
        warned.clear()
        assert mapper.row(row, warned) == {"_id": "7"}
        assert [(each.path, each.reason.startswith(reason)) for each in warned] == [("_acme.count", True)]


def test_what_the_schema_refuses_is_no_failed_expression() -> None:
    root = xdm.tree({"properties": {"n": {"type": "integer", "maximum": 9}, "name": TEXT}, "required": ["n"]})
    mapper = Mapper([expression("10 / n", "n"), expression("upper(Id)", "name")], root, COLUMNS)
    for n, reasons in ((1, ["integer is above 9"]), (0, ["a required value is missing", "/: division by zero"])):
        result = mapper.row({"Id": "x", "n": n}, [])
        assert isinstance(result, Rejection)
        assert [each.reason.partition(" (")[0] for each in result.errors] == reasons
    passed_on = Mapper([attribute("n", "n")], root, COLUMNS)
    assert isinstance(passed_on.row({"n": "many"}, []), Rejection), "an attribute is passed on, not transformed"


def test_a_long_expression_is_shortened_in_errors() -> None:
    mapper = Mapper([expression(f"to_integer(concat(Id, '{'x' * 500}'))", "_acme.count")], ROOT, COLUMNS)
    result = mapper.row({"Id": "1"})
    assert isinstance(result, Rejection)
    assert len(result.errors[0].reason) < 300


def test_a_rejection_names_every_field() -> None:
    mapper = Mapper([attribute("n", "_acme.count"), attribute("when", "_acme.at")], ROOT, COLUMNS)
    result = mapper.row({"n": "many", "when": 7})
    assert isinstance(result, Rejection)
    assert [(each.path, each.reason) for each in result.errors] == [
        ("_acme.count", "text is not an integer"),
        ("_acme.at", "integer is not a date-time"),
    ]


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        (attribute("Id", "_acme.nothing"), "destination _acme.nothing is not in the schema"),
        (attribute("Id", "_ID"), "destination _ID is not in the schema"),
        (attribute("Id", ""), "destination  is not in the schema"),
        (attribute("id", "_id"), "source attribute id is unknown"),
        (static("soon", "_acme.at"), "the static value does not fit _acme.at: text is not a date-time"),
        (static("x", "_acme.deep"), "the static value does not fit _acme.deep: text is not an object"),
        (expression("uper(Id)", "_id"), "the function uper does not exist; near names: upper"),
        (expression("substr(Id, 1)", "_id"), "the function substr takes 3 arguments, not 2"),
        (expression("concat(Id, Nmae)", "_id"), "source attribute Nmae is unknown (position 12)"),
        (expression("upper(Id", "_id"), "syntax error at position 9: the expression ends too early"),
        (expression("Id ? ", "_id"), "syntax error at position 6"),
        (expression("upper(Id)", "_nothing"), "destination _nothing is not in the schema"),
    ],
)
def test_problems_are_told_by_name(mapping: dict[str, Any], problem: str) -> None:
    (found,) = problems([mapping], ROOT, COLUMNS)
    assert len(found) == 1
    assert found[0].startswith(problem)
    with pytest.raises(ValueError, match="mapping 0"):
        Mapper([mapping], ROOT, COLUMNS)


def test_a_destination_is_filled_once() -> None:
    for second in ("_acme.deep.a", "_acme.deep", "_acme"):
        found = problems([attribute("Id", "_acme.deep.a"), attribute("n", second)], ROOT, COLUMNS)
        assert found[0] == []
        assert found[1] == [f"destination {second} is already the target of mapping 0"]


def test_unknown_columns_are_not_a_problem_yet() -> None:
    assert problems([attribute("anything", "_id")], ROOT, None) == [[]]


def test_required_fields() -> None:
    root = xdm.tree({"properties": {"_id": TEXT, "name": TEXT}, "required": ["_id"]})
    mapper = Mapper([attribute("Id", "_id"), attribute("n", "name")], root, COLUMNS)
    assert mapper.row({"Id": "1", "n": None}) == {"_id": "1"}
    result = mapper.row({"Id": None, "n": "x"})
    assert isinstance(result, Rejection)
    assert [each.path for each in result.errors] == ["_id"]
