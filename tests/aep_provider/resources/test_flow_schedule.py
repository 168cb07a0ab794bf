"""When AEP should start a flow's runs: every schedule that a document may show, at its edges."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aep_provider.resources.flow_schedule import due_at_or_after, last_due
from aep_provider.resources.schedule import ON_DEMAND_START


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def schedule(frequency: str, interval: Any = 1, start: str | int = "2026-01-01T00:00") -> dict[str, Any]:
    moment = at(start) if isinstance(start, str) else start
    return {"startTime": moment, "frequency": frequency, "interval": interval}


@pytest.mark.parametrize(
    ("params", "moment", "last", "following"),
    [
        (schedule("day"), "2026-01-09T23:59:59", "2026-01-09T00:00", "2026-01-10T00:00"),
        (schedule("day"), "2026-01-10T00:00:00", "2026-01-10T00:00", "2026-01-10T00:00"),
        (schedule("day"), "2026-01-10T00:00:01", "2026-01-10T00:00", "2026-01-11T00:00"),
        (schedule("day", 1, "2028-01-31T02:00"), "2028-02-29T12:00", "2028-02-29T02:00", "2028-03-01T02:00"),
        (schedule("day", 1, "2027-01-31T02:00"), "2027-03-01T01:00", "2027-02-28T02:00", "2027-03-01T02:00"),
        (schedule("day", 15), "2026-01-15T23:00", "2026-01-01T00:00", "2026-01-16T00:00"),
        (schedule("day", 15), "2026-02-01T00:00", "2026-01-31T00:00", "2026-02-15T00:00"),
        (schedule("minute", 15, "2026-01-01T00:07"), "2026-01-01T01:00", "2026-01-01T00:52", "2026-01-01T01:07"),
        (schedule("hour", 5), "2026-01-02T00:00", "2026-01-01T20:00", "2026-01-02T01:00"),
        (schedule("week", 2, "2025-12-29T06:00"), "2026-01-11T00:00", "2025-12-29T06:00", "2026-01-12T06:00"),
        # In Amsterdam the clocks are put forward on 29 March; AEP counts seconds.
        (schedule("day", 1, "2026-03-28T01:00"), "2026-03-29T03:00", "2026-03-29T01:00", "2026-03-30T01:00"),
        (schedule("day", 1, "2030-01-01T00:00"), "2026-01-01T00:00", None, "2030-01-01T00:00"),
        (schedule("once", None), "2026-01-01T00:00", "2026-01-01T00:00", "2026-01-01T00:00"),
        (schedule("once", None), "2026-01-01T00:01", "2026-01-01T00:00", None),
        (schedule("once", None), "2025-12-31T23:59", None, "2026-01-01T00:00"),
    ],
)
def test_starts(params: dict[str, Any], moment: str, last: str | None, following: str | None) -> None:
    asked = at(moment)
    assert last_due(params, asked) == (last and at(last))
    assert due_at_or_after(params, asked) == (following and at(following))


def test_numbers_come_back_as_they_were_sent() -> None:
    params = {"startTime": str(at("2026-01-01T00:00")), "frequency": "minute", "interval": "15", "backfill": "true"}
    assert last_due(params, at("2026-01-01T00:20") + 0.5) == at("2026-01-01T00:15")
    assert due_at_or_after(params, at("2026-01-01T00:15") + 0.5) == at("2026-01-01T00:30")


@pytest.mark.parametrize(
    "params",
    [
        schedule("once", None, ON_DEMAND_START),
        schedule("once", None, ON_DEMAND_START + 1),
        {"startTime": str(ON_DEMAND_START), "frequency": "once"},
        None,
        "day",
        [],
        {},
        {"frequency": "day", "interval": 1},
        {"startTime": 1},
        schedule("fortnight"),
        schedule("day", None),
        schedule("day", 0),
        schedule("day", "-1"),
        schedule("day", "often"),
        schedule("day", True),
        schedule("day", 1.5),
        schedule("day", [1]),
        schedule("day", 1, -1),
        schedule("day", 1, 1_767_225_600_000),
        {"startTime": "soon", "frequency": "day", "interval": 1},
        {"startTime": float("nan"), "frequency": "day", "interval": 1},
        {"startTime": float("inf"), "frequency": "day", "interval": 1},
        {"startTime": "9" * 5000, "frequency": "day", "interval": 1},
        {"startTime": None, "frequency": None, "interval": None},
    ],
    ids=lambda params: str(params)[:80],
)
def test_flows_that_aep_never_starts(params: Any) -> None:
    assert last_due(params, at("2039-01-01T00:00")) is None
    assert due_at_or_after(params, at("2026-01-01T00:00")) is None


@given(
    frequency=st.sampled_from(["minute", "hour", "day", "week"]),
    interval=st.integers(1, 1000),
    start=st.integers(0, 4_000_000_000),
    moment=st.floats(0, 4_000_000_000),
)
def test_nothing_lies_between_two_starts(frequency: str, interval: int, start: int, moment: float) -> None:
    params = {"startTime": start, "frequency": frequency, "interval": interval}
    period = interval * {"minute": 60, "hour": 3600, "day": 86400, "week": 604800}[frequency]
    last, following = last_due(params, moment), due_at_or_after(params, moment)
    assert following is not None
    assert moment <= following
    if last is None:
        assert following == start
        assert moment < start
    else:
        assert last <= moment
        assert (following - last) in (0, period)
        assert (last - start) % period == 0
