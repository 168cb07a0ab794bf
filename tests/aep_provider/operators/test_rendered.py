"""Fields that a template may have rendered as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from aep_provider.errors import AepConfigError
from aep_provider.operators.rendered import epoch_seconds, listed, number, text, truth, whole_number

NOTHING = [None, "", " ", "None", "none"]


@pytest.mark.parametrize("nothing", NOTHING)
def test_nothing_is_nothing_in_every_form(nothing: Any) -> None:
    assert epoch_seconds(nothing) is None
    assert whole_number(nothing, "x") is None
    assert truth(nothing, "x") is None
    assert text(nothing) is None
    assert listed(nothing, "x") is None


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        (1_900_000_000, 1_900_000_000),
        ("1900000000", 1_900_000_000),
        ("2030-01-31T06:00:00+00:00", 1_896_069_600),
        ("2030-01-31T06:00:00Z", 1_896_069_600),
        ("2030-01-31 06:00:00", 1_896_069_600),
        ("2030-01-31T08:00:00+02:00", 1_896_069_600),
        ("2030-01-31", 1_896_048_000),
        (datetime(2030, 1, 31, 6, tzinfo=UTC), 1_896_069_600),
        (datetime(2030, 1, 31, 8, tzinfo=timezone(timedelta(hours=2))), 1_896_069_600),
    ],
)
def test_moments(written: Any, moment: int) -> None:
    assert epoch_seconds(written) == moment


@pytest.mark.parametrize("written", ["soon", True, "-5", -5, 1.5, "²", [], "2030-13-01"])
def test_no_moments(written: Any) -> None:
    with pytest.raises(AepConfigError, match="no date and time"):
        epoch_seconds(written)


@pytest.mark.parametrize(("written", "read"), [(15, 15), ("15", 15), (" 15 ", 15), (15.0, 15), ("-1", -1)])
def test_whole_numbers(written: Any, read: int) -> None:
    assert whole_number(written, "interval") == read


@pytest.mark.parametrize("written", ["fifteen", 1.5, "1.5", True, [], {}, float("inf"), float("nan"), "9" * 5000])
def test_no_whole_numbers(written: Any) -> None:
    with pytest.raises(AepConfigError, match=r"interval is .* whole number"):
        whole_number(written, "interval")


@pytest.mark.parametrize(
    ("written", "read"), [(True, True), ("true", True), ("True", True), ("FALSE", False), (False, False)]
)
def test_truth_values(written: Any, read: bool) -> None:
    assert truth(written, "backfill") is read


@pytest.mark.parametrize("written", ["yes", 1, 0, "0", [], "t"])
def test_no_truth_values(written: Any) -> None:
    with pytest.raises(AepConfigError, match="backfill is"):
        truth(written, "backfill")


@pytest.mark.parametrize(("written", "read"), [(5, 5.0), ("7.5", 7.5), (0, 0.0)])
def test_numbers(written: Any, read: float) -> None:
    assert number(written, "x") == read


@pytest.mark.parametrize("written", [None, "None", "", "five", True, float("nan"), "inf", []])
def test_no_numbers(written: Any) -> None:
    with pytest.raises(AepConfigError, match="must be a number"):
        number(written, "x")


@pytest.mark.parametrize(
    ("written", "read"), [([], []), (["a"], ["a"]), (("a", 1), ["a", 1]), ('["a", "b"]', ["a", "b"]), ("[]", [])]
)
def test_lists(written: Any, read: list[Any]) -> None:
    assert listed(written, "columns") == read


@pytest.mark.parametrize(
    "written", ["sys_id", "['a', 'b']", '{"a": 1}', "5", 5, {"a": 1}, b"ab", '"ab"', "[" * 100_000]
)
def test_no_lists(written: Any) -> None:
    with pytest.raises(AepConfigError, match=r"columns is .* must be a list") as refused:
        listed(written, "columns")
    assert "render_template_as_native_obj" in str(refused.value)
