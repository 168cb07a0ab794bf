"""Columns of a source table."""

from __future__ import annotations

from typing import Any

import pytest

from aep_provider.errors import AepConfigError
from aep_provider.resources.columns import check_columns, check_delta_column, choose_columns, is_date_time

ID = {"name": "sys_id", "type": "string", "xdm": {"type": "string"}}
UPDATED = {
    "name": "sys_updated_at",
    "type": "string",
    "meta:xdmType": "date-time",
    "xdm": {"type": "string", "format": "date-time"},
}
BORN = {"name": "born", "type": "string", "meta:xdmType": "date", "xdm": {"type": "string", "format": "date"}}
COUNT = {"name": "count", "type": "integer", "xdm": {"type": "integer"}}
REPORTED = [ID, UPDATED, BORN, COUNT]


def test_all_columns_are_taken_by_default() -> None:
    assert choose_columns(REPORTED, None, "incident") == REPORTED


def test_names_and_columns_may_be_mixed_and_keep_their_order() -> None:
    narrowed = {**COUNT, "type": "string"}
    assert choose_columns(REPORTED, ["sys_updated_at", narrowed, "sys_id"], "incident") == [UPDATED, narrowed, ID]


def test_a_column_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(AepConfigError, match=r"'incident' has no column 'sys_updated'.*Did you mean 'sys_updated_at'"):
        choose_columns(REPORTED, ["sys_id", "sys_updated"], "incident")


def test_a_table_without_columns_is_refused_with_its_code() -> None:
    with pytest.raises(AepConfigError, match="1330"):
        choose_columns([], None, "incident")


@pytest.mark.parametrize("columns", [[], (), "sys_id", 5, [5], [{}], [{"name": ""}], [{"name": 5}], [None]])
def test_malformed_columns_are_refused(columns: object) -> None:
    with pytest.raises(AepConfigError):
        check_columns(columns)


def test_a_column_named_twice_is_refused() -> None:
    with pytest.raises(AepConfigError, match="'sys_id' more than once"):
        check_columns([ID, COUNT, ID])


def test_a_delta_column_with_dates_passes() -> None:
    check_delta_column(REPORTED, "sys_updated_at")


def test_a_delta_column_that_is_not_there_is_told_with_the_nearest_that_holds_dates() -> None:
    with pytest.raises(AepConfigError, match=r"'updated_at' is not among.*'sys_updated_at'"):
        check_delta_column(REPORTED, "updated_at")


@pytest.mark.parametrize(("name", "held"), [("sys_id", "string"), ("count", "integer"), ("born", "date")])
def test_a_delta_column_without_points_in_time_is_told_with_those_that_have(name: str, held: str) -> None:
    with pytest.raises(AepConfigError, match=rf"{name}.*no date and time, but {held}.*'sys_updated_at'"):
        check_delta_column(REPORTED, name)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ({"type": "string", "meta:xdmType": "date-time"}, True),
        ({"type": "string", "xdm": {"type": "string", "format": "date-time"}}, True),
        ({"type": "string", "xdm": {"type": "string", "meta:xdmType": "date-time"}}, True),
        ({"type": "date-time"}, True),
        ({"type": "string", "xdm": None}, False),
        ({"type": "string"}, False),
        (BORN, False),
    ],
)
def test_each_way_of_saying_date_time_is_known(column: dict[str, Any], expected: bool) -> None:
    assert is_date_time({"name": "c", **column}) is expected
