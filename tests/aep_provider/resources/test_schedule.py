"""When AEP runs a dataflow: every rule, with the code that AEP would answer."""

from __future__ import annotations

import time

import pytest

from aep_provider.errors import AepConfigError
from aep_provider.resources.schedule import Frequency, check_schedule, check_start


@pytest.mark.parametrize(
    ("frequency", "interval"), [("minute", 15), ("minute", 90), ("hour", 1), ("day", 1), ("week", 1), ("day", 15)]
)
@pytest.mark.parametrize("backfill", [True, False, None])
def test_recurring_schedules_that_aep_takes(frequency: str, interval: int, backfill: bool | None) -> None:
    assert check_schedule(frequency, interval, backfill, "updated") == (Frequency(frequency), interval)


@pytest.mark.parametrize("frequency", ["one_time", "once"])
def test_one_time_needs_nothing_else(frequency: str) -> None:
    word, interval = check_schedule(frequency, None, None, None)
    assert (word, word.in_aep, interval) == (Frequency.ONE_TIME, "once", None)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("minute", 14, None, "updated"), ["14", "15", "1362"]),
        (("minute", 0, None, "updated"), ["1362"]),
        (("hour", 0, None, "updated"), ["least is 1", "1394"]),
        (("day", -1, None, "updated"), ["1394"]),
        (("week", 0, True, "updated"), ["1394"]),
        (("hour", None, None, "updated"), ["needs an interval"]),
        (("hour", 1, None, None), ["delta column", "1367"]),
        (("hour", 1, None, ""), ["1367"]),
        (("one_time", 15, None, None), ["1361"]),
        (("one_time", None, True, None), ["1364"]),
        (("one_time", None, False, None), ["1364"]),
        (("one_time", None, None, "updated"), ["1369"]),
        (("one_time", 15, True, "updated"), ["1361", "1364", "1369"]),
        (("minute", None, None, None), ["needs an interval", "1367"]),
        (("on_demand", 1, True, None), ["1361", "1364", "1383"]),
        (("fortnight", 1, None, "updated"), ["fortnight", "one_time, on_demand, minute, hour, day, week", "1397"]),
        ((None, 1, None, "updated"), ["1397"]),
        (("", 1, None, "updated"), ["1397"]),
        (("MINUTE", 15, None, "updated"), ["1397"]),
    ],
)
def test_each_rule_is_told_with_its_code(arguments: tuple[object, ...], told: list[str]) -> None:
    with pytest.raises(AepConfigError) as refused:
        check_schedule(*arguments)  # type: ignore[arg-type]
    for text in told:
        assert text in str(refused.value)


def test_a_start_that_lies_ahead_passes() -> None:
    now = time.time()
    check_start(int(now) + 1, now)
    check_start(int(now) + 400_000_000, now)


@pytest.mark.parametrize("behind", [0, 1, 86_400, 10**9])
def test_a_start_in_the_past_is_told_as_a_date(behind: int) -> None:
    now = 1_800_000_000
    with pytest.raises(AepConfigError, match=r"start time \d{4}-\d\d-\d\dT.*past.*1360"):
        check_start(now - behind, now)


@pytest.mark.parametrize("moment", [1_800_000_000_000, 1_700_000_000_000])
def test_milliseconds_are_told_from_seconds(moment: int) -> None:
    with pytest.raises(AepConfigError, match="milliseconds"):
        check_start(moment, 1_800_000_000)
