"""XDM: schemas put together, values checked and converted without loss."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aep_local.xdm import fields as xdm
from aep_local.xdm import standard as registry_data
from aep_local.xdm.values import compact, json_ready, to_date_time, to_integer, to_moment, to_number

TEXT = {"type": "string"}
MOMENT = {"type": "string", "format": "date-time"}


def tree(properties: dict[str, Any], **more: Any) -> xdm.Field:
    return xdm.tree({"type": "object", "properties": properties, **more})


@pytest.mark.parametrize(
    ("schema", "value", "landed"),
    [
        (TEXT, "  as it  is ", "  as it  is "),
        (TEXT, 12, "12"),
        (TEXT, True, "true"),
        (TEXT, Decimal("1.10"), "1.10"),
        (TEXT, Decimal("1E+5"), "100000"),
        (TEXT, datetime(2024, 2, 29, 1, 2, 3), "2024-02-29T01:02:03Z"),
        ({"type": "integer"}, "42", 42),
        ({"type": "integer"}, " -7 ", -7),
        ({"type": "integer"}, "007", 7),
        ({"type": "integer"}, "3.0", 3),
        ({"type": "integer"}, 3.0, 3),
        ({"type": "integer"}, Decimal("3.00"), 3),
        ({"type": "integer"}, "9223372036854775807", 2**63 - 1),
        ({"type": "integer"}, "9007199254740993", 2**53 + 1),
        ({"type": "number"}, "1.50", 1.5),
        ({"type": "number"}, ".5", 0.5),
        ({"type": "number"}, "1e3", 1000.0),
        ({"type": "number"}, Decimal("0.1"), 0.1),
        ({"type": "number"}, 0.1 + 0.2, 0.1 + 0.2),
        ({"type": "number"}, str(0.1 + 0.2), 0.1 + 0.2),
        ({"type": "boolean"}, "TRUE", True),
        ({"type": "boolean"}, False, False),
        ({"type": "boolean"}, " Yes", True),
        ({"type": "boolean"}, "y", True),
        ({"type": "boolean"}, "ON", True),
        ({"type": "boolean"}, "n", False),
        ({"type": "boolean"}, "NO", False),
        ({"type": "boolean"}, "off", False),
        (MOMENT, "2016-02-29 01:16:00", "2016-02-29T01:16:00Z"),
        (MOMENT, "2016-02-29T01:16:00.120Z", "2016-02-29T01:16:00.120000Z"),
        (MOMENT, "2016-02-29 01:16+02:00", "2016-02-28T23:16:00Z"),
        (MOMENT, "2016-02-29T01:16:00-0130", "2016-02-29T02:46:00Z"),
        (MOMENT, "2016-02-29", "2016-02-29T00:00:00Z"),
        (MOMENT, "2016-02-29 01:16:00.1234560", "2016-02-29T01:16:00.123456Z"),
        ({"type": "string", "format": "date"}, "2024-02-29", "2024-02-29"),
        ({"type": "string", "format": "date"}, date(2024, 2, 29), "2024-02-29"),
        ({"type": "string", "format": "date"}, "2024-02-29 00:00:00", "2024-02-29"),
        ({"type": "array", "items": {"type": "integer"}}, ["1", None, 3], [1, None, 3]),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": "1"}, {"a": 1}),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, {"a": "1"}, {"a": 1}),
        ({"type": "string", "enum": ["a", "b"]}, "b", "b"),
        ({"type": "integer", "minimum": 1, "maximum": 3}, "3", 3),
        ({"type": "integer"}, None, None),
    ],
)
def test_accepted(schema: dict[str, Any], value: Any, landed: Any) -> None:
    result = xdm.convert(value, tree({"f": schema}).fields["f"])
    assert (result, type(result)) == (landed, type(landed))
    if value is not None:
        assert xdm.converter(tree({"f": schema}).fields["f"])(value) == landed


@pytest.mark.parametrize(
    ("schema", "value", "reason"),
    [
        ({"type": "integer"}, "secret", "text is not an integer"),
        ({"type": "integer"}, "1.5", "number with a fraction is not an integer"),
        ({"type": "integer"}, "9223372036854775808", "integer does not fit into 64 bits"),
        ({"type": "integer"}, "1e400", "integer does not fit into 64 bits"),
        ({"type": "integer"}, True, "boolean is not an integer"),
        ({"type": "integer"}, "", "text is not an integer"),
        ({"type": "integer"}, "٣", "text is not an integer"),
        ({"type": "integer"}, "1_000", "text is not an integer"),
        ({"type": "number"}, "abc", "text is not a number"),
        ({"type": "number"}, "1,5", "text is not a number"),
        ({"type": "number"}, "nan", "text is not a number"),
        ({"type": "number"}, float("inf"), "number is not finite"),
        ({"type": "number"}, "9007199254740993", "number has more digits than a double keeps"),
        ({"type": "number"}, Decimal("0.12345678901234567890"), "number has more digits than a double keeps"),
        ({"type": "number"}, "1e999", "number has more digits than a double keeps"),
        ({"type": "number"}, "1e-999", "number has more digits than a double keeps"),
        ({"type": "boolean"}, "maybe", "text is not a boolean"),
        ({"type": "boolean"}, "t", "text is not a boolean"),
        ({"type": "boolean"}, 1, "integer is not a boolean"),
        (MOMENT, "2023-02-29 00:00:00", "text is not a date-time"),
        (MOMENT, "2016-02-29 25:00:00", "text is not a date-time"),
        (MOMENT, "2016-W09-1T01:02:03", "text is not a date-time"),
        (MOMENT, "20160229T010203.123", "text is not a date-time"),
        (MOMENT, "2016-02-29 01:16:00.1234567", "date-time is finer than a microsecond"),
        (MOMENT, 1456704960, "integer is not a date-time"),
        ({"type": "string", "format": "date"}, "2024-02-29 00:00:01", "date-time is not a date"),
        ({"type": "string", "format": "date"}, "2024-02-30", "text is not a date"),
        (TEXT, {"a": 1}, "object is not a string"),
        (TEXT, b"x", "binary is not a string"),
        ({"type": "object", "properties": {"a": TEXT}}, "x", "text is not an object"),
        ({"type": "object", "properties": {"a": TEXT}}, {"b": 1}, "the schema has no field b"),
        ({"type": "array", "items": TEXT}, "x", "text is not an array"),
        ({"type": "string", "enum": ["a"]}, "b", "text is not one of the allowed values"),
        ({"type": "integer", "minimum": 1}, "0", "integer is below 1"),
        ({"type": "string", "maxLength": 2}, "abc", "text is longer than 2"),
    ],
)
def test_refused_with_the_kind_and_never_the_value(schema: dict[str, Any], value: Any, reason: str) -> None:
    with pytest.raises(xdm.Invalid) as caught:
        xdm.convert(value, tree({"f": schema}).fields["f"])
    assert (caught.value.path, caught.value.reason) == ("f", reason)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_survives_as_text(value: float) -> None:
    assert to_number(repr(value)) == to_number(Decimal(repr(value))) == value


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_is_exact_or_refused(value: Decimal) -> None:
    try:
        landed = to_number(str(value))
    except ValueError:
        return
    assert Decimal(repr(landed)) == value


@given(st.integers(-(2**70), 2**70))
def test_an_integer_is_exact_or_refused(value: int) -> None:
    try:
        assert to_integer(str(value)) == value
    except ValueError:
        assert not -(2**63) <= value < 2**63


@given(
    st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2999, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
)
def test_a_moment_survives_in_any_zone(moment: datetime, minutes: int) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    text = zoned.isoformat(sep=" ")
    assert to_moment(text) == zoned
    assert to_moment(to_date_time(text)) == zoned
    assert to_date_time(moment.isoformat(sep=" ")) == moment.isoformat() + "Z"


def test_a_tree_of_class_and_field_groups() -> None:
    ids = [registry_data.PROFILE, "https://ns.adobe.com/xdm/context/profile-person-details"]
    schema = {"allOf": [{"$ref": id} for id in ids], "type": "object"}
    root = xdm.tree(xdm.expanded(schema, registry_data.BY_ID.get))
    kinds = {path: found.kind for path in PATHS if (found := root.lookup(path))}
    assert kinds == PATHS
    assert root.lookup("person.name.nickname") is root.lookup("personalEmail") is root.lookup("") is None


PATHS = {
    "_id": "string",
    "_repo.createDate": "date-time",
    "_repo.modifyDate": "date-time",
    "person.name.fullName": "string",
    "person.name.firstName": "string",
    "person.name.lastName": "string",
    "person.birthDate": "date",
    "person.birthYear": "integer",
    "person": "object",
}


def test_two_field_groups_share_the_tenant_namespace() -> None:
    groups = {
        id: {"definitions": {"x": {"properties": {"_acme": {"properties": {name: TEXT}, "required": [name]}}}}}
        | {"allOf": [{"$ref": "#/definitions/x"}]}
        for id, name in (("a", "one"), ("b", "two"))
    }
    root = xdm.tree(xdm.expanded({"allOf": [{"$ref": "a"}, {"$ref": "b"}]}, groups.get))
    assert set(root.fields["_acme"].fields) == {"one", "two"}
    assert root.fields["_acme"].required == {"one", "two"}


def test_what_cannot_be_put_together() -> None:
    doubling: dict[str, Any] = {
        "definitions": {str(n): {"allOf": [{"$ref": f"#/definitions/{n + 1}"}] * 2} for n in range(30)}
    }
    doubling["definitions"]["30"] = {"properties": {"a": TEXT}}
    circle = {"definitions": {"x": {"properties": {"a": {"$ref": "#/definitions/x"}}}}}
    for schema in (
        {"allOf": [{"$ref": "nowhere"}]},
        {"allOf": [{"$ref": "#/definitions/nothing"}]},
        {"allOf": "x"},
        {"$ref": 1},
        {"properties": {"a": 1}},
        circle | {"allOf": [{"$ref": "#/definitions/x"}]},
        doubling | {"allOf": [{"$ref": "#/definitions/0"}]},
    ):
        with pytest.raises(xdm.SchemaError):
            xdm.expanded(schema, lambda _: None)
    with pytest.raises(xdm.SchemaError, match="case"):
        tree({"Id": TEXT, "id": TEXT})
    with pytest.raises(xdm.SchemaError, match="no type"):
        tree({"a": {"type": "money"}})


def test_required_counts_only_where_its_object_is() -> None:
    root = tree({"a": {"type": "object", "properties": {"b": TEXT, "c": TEXT}, "required": ["b"]}, "d": TEXT})
    assert list(xdm.missing_required({"d": "x"}, root)) == []
    (error,) = xdm.missing_required({"a": {"c": "x"}}, root)
    assert (error.path, error.reason) == ("a.b", "a required value is missing")
    (error,) = xdm.missing_required({}, tree({"d": TEXT}, required=["d"]))
    assert error.path == "d"


def test_stored_types_quote_names() -> None:
    root = tree({'q"x': {"type": "object", "properties": {"a b": MOMENT, "n": {"type": "array", "items": TEXT}}}})
    assert xdm.stored_type(root) == 'STRUCT("q""x" STRUCT("a b" TIMESTAMP WITH TIME ZONE, "n" VARCHAR[]))'
    with pytest.raises(xdm.SchemaError):
        xdm.stored_type(tree({"empty": {"type": "object", "properties": {}}}))


def test_only_the_named_part_is_stored() -> None:
    root = tree({"a": {"type": "object", "properties": {"x": TEXT, "y": TEXT}}, "b": TEXT, "c": TEXT})
    part = xdm.narrowed(root, ["c", "a.y"])
    assert {name: list(field.fields) for name, field in part.fields.items()} == {"a": ["y"], "c": []}


def test_json_of_odd_values() -> None:
    assert json_ready({"n": float("nan"), "b": b"\x01", "d": Decimal("1.5"), "t": datetime(2024, 1, 1)}) == {
        "n": "nan",
        "b": "01",
        "d": 1.5,
        "t": "2024-01-01T00:00:00Z",
    }
    assert compact({"☃": None}) == '{"☃":null}'
