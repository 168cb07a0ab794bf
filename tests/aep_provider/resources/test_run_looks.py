"""What is asked about runs, without any I/O: the requests, and what is made of their answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aep_provider.errors import AepError, AepInvalidRequestError, AepNotFoundError, AepServerError
from aep_provider.resources.run_looks import Ask, Filters, first_runs, flows_by_id, run_by_id, runs_by_id

HOUR = 3_600_000
NOON = 1_800_000_000_000


def run(run_id: str, created: int = NOON, *, flow: str = "f1", updated: int | None = None) -> dict[str, Any]:
    return {"id": run_id, "flowId": flow, "createdAt": created, "updatedAt": updated or created}


def page(*items: dict[str, Any], after: str | None = None) -> dict[str, Any]:
    return {"items": list(items), "_links": {"next": {"href": f"/runs?continuationToken={after}"}} if after else {}}


def asked(looking: Any, *answers: Any) -> tuple[list[Ask], Any]:
    """The requests, and what comes of these answers to them."""
    asks: list[Ask] = []
    try:
        asks.append(next(looking))
        for answer in answers:
            asks.append(looking.throw(answer) if isinstance(answer, AepError) else looking.send(answer))
    except StopIteration as end:
        return asks, end.value
    raise AssertionError(f"it asks for more: {asks}")


def test_one_run_is_asked_for_at_its_address() -> None:
    asks, seen = asked(runs_by_id(["r1"], Filters()), page(run("r1")))
    assert asks == [Ask("/data/foundation/flowservice/runs/r1")]
    assert seen == {"r1": run("r1")}
    assert asked(run_by_id("r1"), AepNotFoundError(status=404))[1] is None


def test_many_are_asked_for_by_one_filter() -> None:
    asks, seen = asked(runs_by_id(["r1", "r2", "r3"], Filters()), page(run("r3"), run("r1")))
    assert asks == [Ask("/data/foundation/flowservice/runs", [("property", "id==r1,r2,r3"), ("limit", "100")])]
    assert seen == {"r1": run("r1"), "r3": run("r3")}


def test_a_page_that_is_shorter_than_asked_for_is_followed() -> None:
    _, seen = asked(runs_by_id(["r1", "r2"], Filters()), page(run("r1"), after="x"), page(run("r2")))
    assert set(seen) == {"r1", "r2"}


def test_no_further_page_is_read_once_all_are_seen() -> None:
    asks, _ = asked(runs_by_id(["r1", "r2"], Filters()), page(run("r1"), run("r2"), after="x"))
    assert len(asks) == 1


@pytest.mark.parametrize(
    "answer", [AepInvalidRequestError(status=400), AepInvalidRequestError(status=414), page(run("other"))]
)
def test_a_filter_that_does_not_work_is_given_up(answer: Any) -> None:
    filters = Filters()
    assert asked(runs_by_id(["r1", "r2"], filters), answer)[1] == {}
    assert filters.batches(["r1", "r2"]) == [["r1"], ["r2"]]


def test_other_trouble_is_not_blamed_on_the_filter() -> None:
    filters = Filters()
    for look in (
        runs_by_id(["r1", "r2"], filters),
        first_runs({"f1": 0, "f2": 0}, filters),
        flows_by_id(["f1"], filters),
    ):
        with pytest.raises(AepServerError):
            asked(look, AepServerError(status=503))
    assert filters.take_several


def test_groups_are_of_a_hundred_and_strange_ids_stand_alone() -> None:
    groups = Filters().batches([*(f"r{number}" for number in range(250)), "a,b", "é", "r7"])
    assert [len(group) for group in groups] == [100, 100, 50, 1, 1]


def test_a_flow_that_is_gone() -> None:
    assert asked(flows_by_id(["f1"], Filters()), AepNotFoundError(status=404))[1] == {"f1": None}


class TestFirstRuns:
    def test_the_oldest_since_a_moment_of_each_flow(self) -> None:
        runs = [run("r4", NOON + 3, flow="f2"), run("r3", NOON + 2), run("r2", NOON + 1), run("r1", NOON - 1)]
        _, seen = asked(first_runs({"f1": NOON, "f2": NOON, "f3": 0}, Filters()), page(*runs))
        assert (seen["f1"]["id"], seen["f2"]["id"], seen["f3"]) == ("r2", "r4", None)

    def test_a_run_that_was_made_before_and_started_after_counts(self) -> None:
        early = {**run("r1", NOON - HOUR, updated=NOON), "metrics": {"durationSummary": {"startedAtUTC": NOON + 5}}}
        assert asked(first_runs({"f1": NOON}, Filters()), page(early))[1]["f1"]["id"] == "r1"

    def test_it_is_read_back_to_that_moment_and_no_further(self) -> None:
        pages = [page(run("r3", NOON + 2), run("r2", NOON + 1), after="x"), page(run("r1", NOON - 1), after="y")]
        asks, seen = asked(first_runs({"f1": NOON}, Filters()), *pages)
        assert (len(asks), seen["f1"]["id"]) == (2, "r2")

    def test_a_list_by_last_change_is_read_as_well(self) -> None:
        """A run of long ago that was changed lately comes first, and ends nothing."""
        changed = run("r0", NOON - HOUR, updated=NOON + 9)
        pages = [page(changed, after="x"), page(run("r2", NOON + 1), after="y"), page(run("r1", NOON - 2), after="z")]
        asks, seen = asked(first_runs({"f1": NOON}, Filters()), *pages)
        assert (len(asks), seen["f1"]["id"]) == (3, "r2")

    def test_a_list_without_order_is_read_to_its_end(self) -> None:
        pages = [page(run("r9", NOON - 9), run("r1", NOON - 5), run("r8", NOON - 7), after="x"), page(run("r2", NOON))]
        assert asked(first_runs({"f1": NOON}, Filters()), *pages)[1]["f1"]["id"] == "r2"

    def test_runs_of_other_flows_show_that_the_filter_changes_nothing(self) -> None:
        filters = Filters()
        assert asked(first_runs({"f1": 0, "f2": 0}, filters), page(run("r1", flow="f9")))[1] == {}
        assert not filters.take_several

    @given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=30), st.integers(0, 60), st.booleans())
    def test_reading_less_never_changes_what_is_found(
        self, times: list[tuple[int, int]], since: int, by_change: bool
    ) -> None:
        """However runs were made and changed, and in either of the two orders."""
        runs = [run(f"r{number}", NOON + made, updated=NOON + made + more) for number, (made, more) in enumerate(times)]
        runs.sort(key=lambda one: -one["updatedAt" if by_change else "createdAt"])
        looking = first_runs({"f1": NOON + since}, Filters())
        next(looking)
        seen = None
        for number, one in enumerate(runs or [None]):
            body = page(*([one] if one else []), after=str(number) if number + 1 < len(runs) else None)
            try:
                looking.send(body)
            except StopIteration as end:
                seen = end.value["f1"]
                break
        later = [one for one in runs if one["createdAt"] >= NOON + since]
        wanted = min(later, key=lambda one: (one["createdAt"], one["id"]), default=None)
        assert seen == wanted
