"""The mark, and how two contents differ."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aep_provider.resources.fingerprint import differences, fingerprint, marked, read_mark

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=3), JSON, max_size=4)


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(inner) for key, inner in reversed(value.items())}
    return [shuffled(inner) for inner in value] if isinstance(value, list) else value


@given(OBJECTS)
def test_the_order_of_keys_says_nothing(content: dict[str, Any]) -> None:
    assert fingerprint(shuffled(content)) == fingerprint(content)


@given(OBJECTS, OBJECTS)
def test_fingerprints_are_equal_exactly_when_contents_do_not_differ(
    left: dict[str, Any], right: dict[str, Any]
) -> None:
    if differences(left, right):
        return
    assert left == right


@given(OBJECTS)
def test_what_is_equal_has_no_differences(content: dict[str, Any]) -> None:
    assert differences(content, shuffled(content)) == []


@pytest.mark.parametrize("description", [None, "", "Incidents of the service desk"])
def test_a_mark_is_read_back_and_replaced_not_repeated(description: str | None) -> None:
    first, second = fingerprint({"a": 1}), fingerprint({"a": 2})
    once = marked(description, first)
    assert read_mark(once) == first
    twice = marked(once, second)
    assert read_mark(twice) == second
    assert twice.count("sha256") == 1
    assert twice.startswith(description or "(airflow-aep")


@pytest.mark.parametrize(
    "description", [None, 5, "", "made by hand", "(airflow-aep sha256=xyz)", "(airflow-aep sha256=ABC)", {}]
)
def test_what_we_did_not_write_bears_no_mark(description: object) -> None:
    assert read_mark(description) is None


def test_each_difference_is_one_line_with_its_place() -> None:
    there = {"schedule": {"interval": 15, "old": 1}, "columns": ["a", "b"], "list": [{"x": 1}, {"x": 2}]}
    wanted = {"schedule": {"interval": 30, "new": True}, "columns": ["a"], "list": [{"x": 1}, {"x": 3}]}
    assert differences(there, wanted) == [
        'columns: ["a", "b"] in AEP, ["a"] wanted',
        "list[1].x: 2 in AEP, 3 wanted",
        "schedule.interval: 15 in AEP, 30 wanted",
        "schedule.new: missing in AEP, true wanted",
        "schedule.old: 1 in AEP, not wanted",
    ]


def test_long_values_are_cut() -> None:
    (line,) = differences({"a": "x" * 5000}, {"a": "y"})
    assert len(line) < 200
