"""
The same at the same moment, from several processes: one object each, or one clear error.

AEP has no lock. What its unique titles of schemas and field groups do not settle is seen afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aep_provider.dataflows.ensured import Ensured, ensure_dataflows
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepError, AepServerError
from aep_provider.resources.ensure import Patience
from aep_provider.resources.resource import IfExists
from aep_provider.resources.run import runs_of
from aep_provider.resources.window_run import WindowRequest, start_window

from ..conftest import Platform
from .estate import QUICK, Estate, dataflow, day, ensured, repeated, rows, serve_estate, tally, until

pytestmark = pytest.mark.slow

AT_ONCE = 4
TRIES = 4
"""Airflow tries a task again."""


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform on which no flow runs by itself before a test has ended: a minute lasts for hours."""
    running = serve_estate(tmp_path_factory.mktemp("calm") / "aep", "--time-scale", "100")
    yield running
    running.end()


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform on which a run takes no time."""
    running = serve_estate(tmp_path_factory.mktemp("lively") / "aep", "--time-scale", "0.001")
    yield running
    running.end()


def all_at_once(task: Callable[[], Any], tries: int = TRIES) -> list[Any]:
    """Let several processes try it as often as Airflow would; what each returned, or the last error of it."""
    together = threading.Barrier(AT_ONCE, timeout=30)

    def process() -> Any:
        together.wait()
        error: AepError | None = None
        for _ in range(tries):
            try:
                return task()
            except AepError as failed:
                error = failed
                if failed.final:
                    break
        return error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [one.result() for one in [pool.submit(process) for _ in range(AT_ONCE)]]


class TestTasks:
    """Tasks of several DAG runs that make sure of the same dataflow at once."""

    @pytest.mark.parametrize("attempt", range(3))
    def test_in_an_empty_sandbox(self, lively: Platform, attempt: int) -> None:
        estate, spec = Estate(lively), dataflow()

        def task() -> Ensured:
            with estate.process() as client:
                (one,) = ensure_dataflows(client, estate.login, [spec], patience=QUICK)
                return one

        done = all_at_once(task)
        assert {getattr(one, "flow_id", one) for one in done} == {ensured(estate, spec).flow_id}, attempt
        assert repeated(estate, spec) == []

    @pytest.mark.parametrize("attempt", range(3))
    def test_of_which_each_makes_another_dataflow_over_one_new_base_connection(
        self, lively: Platform, attempt: int
    ) -> None:
        estate = Estate(lively)
        specs = iter([dataflow(number) for number in (0, 2, 4)] + [dataflow(0, name="more")])
        lock = threading.Lock()
        own = threading.local()

        def task() -> str:
            with lock:
                own.spec = getattr(own, "spec", None) or next(specs)
            with estate.process() as client:
                (one,) = ensure_dataflows(client, estate.login, [own.spec], patience=QUICK)
                return one.name

        # Whoever made it, nobody has to try again.
        done = all_at_once(task, tries=1)
        assert sorted(map(str, done)) == ["incidents 00", "incidents 02", "incidents 04", "more"], attempt
        assert tally(estate.inventory())["base connection"].total() == 1


class TestWhereListsLag:
    """What was made just now is in no list yet."""

    @pytest.fixture(scope="class")
    @classmethod
    def lagging(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
        """A platform whose lists lack what was made in the last second."""
        assume = ("--time-scale", "0.001", "--assume", "listing_lag_seconds=1000")
        running = serve_estate(tmp_path_factory.mktemp("lagging") / "aep", *assume)
        yield running
        running.end()

    def test_a_change_of_what_was_made_just_now_waits_until_all_of_it_is_there(self, lagging: Platform) -> None:
        estate, before = Estate(lagging), dataflow()
        after = dataflow(policy={"partial_ingestion_percent": 7})
        patience = Patience(settle_seconds=2, look_every_seconds=0.05)
        with estate.process() as client:
            (one,) = ensure_dataflows(client, estate.login, [before], patience=patience)
        with estate.process() as client:
            (two,) = ensure_dataflows(
                client, estate.login, [after], if_exists=IfExists.UPDATE, patience=patience,
                known_flows={before.name: one.flow_id},
            )  # fmt: skip
        assert two.earlier_flow_ids == [one.flow_id]
        assert two.dataset_id == one.dataset_id
        until(lambda: tally(estate.inventory())["flow"][after.name])
        assert repeated(estate, after, replaced=1) == []


class TestApplies:
    """Two applies, both of which looked before either of them made anything."""

    @pytest.fixture
    def estate(self, calm: Platform) -> Estate:
        estate = Estate(calm)
        estate.apply(dataflow())
        return estate

    @staticmethod
    def apply_twice(estate: Estate, *specs: DataflowSpec) -> list[dict[str, str]]:
        """What each of them says of dataflows that are not done."""
        both_looked = threading.Barrier(2, timeout=30)
        told: list[dict[str, str]] = []

        def one() -> None:
            with estate.look(specs) as looked:
                both_looked.wait()
                told.append(looked.apply(accept=True).failed)

        threads = [threading.Thread(target=one) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(told) == 2
        return told

    def test_in_an_empty_sandbox_everything_is_made_once(self, calm: Platform) -> None:
        specs, estate = [dataflow(0), dataflow(2)], Estate(calm)
        told = self.apply_twice(estate, *specs)
        # Of a dataflow that the other one has made whole by then, there is nothing to say.
        assert all("is the same being applied somewhere else" in why for one in told for why in one.values())
        assert repeated(estate, *specs) == []
        assert not estate.plan(*specs).plan.has_work

    def test_titles_that_are_unique_let_only_one_of_them_end(self, estate: Estate) -> None:
        """The other one takes back what it has made until then."""
        spec = dataflow(2)
        told = self.apply_twice(estate, dataflow(), spec)
        assert sorted(map(len, told)) == [0, 1]
        assert repeated(estate, dataflow(), spec) == []

    def test_where_nothing_is_unique_the_first_flow_stays(self, lively: Platform) -> None:
        """Both land in a dataset that was there."""
        estate = Estate(lively)
        estate.apply(dataflow())
        spec = self.into_the_same()
        told = self.apply_twice(estate, dataflow(), spec)
        ((why,),) = ([*one.values()] for one in told if one)
        assert "was made somewhere else at the same time, and first: ours" in why
        there = tally(estate.inventory())
        assert [there[kind]["more"] for kind in ("flow", "source connection", "target connection")] == [1, 1, 1]
        assert not estate.plan(dataflow(), spec).plan.has_work

    def test_a_flow_that_cannot_be_deleted_is_told(self, estate: Estate) -> None:
        """Here it takes minutes until AEP lets one do that."""
        spec = self.into_the_same()
        told = self.apply_twice(estate, dataflow(), spec)
        assert any("at the same time, somewhere else" in one.get(spec.name, "") for one in told)
        ((name, why),) = estate.plan(dataflow(), spec).plan.errors
        assert (name, "There are 2 objects of the kind flow" in why) == (spec.name, True)

    def test_a_flow_that_cannot_be_deleted_is_told_though_the_other_apply_is_over(self, estate: Estate) -> None:
        spec = self.into_the_same()
        with estate.look([dataflow(), spec]) as first, estate.look([dataflow(), spec]) as second:
            assert first.apply(accept=True).failed == {}
            told = second.apply(accept=True).failed
        assert "at the same time, somewhere else" in told[spec.name]

    @pytest.mark.parametrize("method", ["flow_service.read", "runs_of"])
    def test_a_second_flow_is_told_though_nothing_more_can_be_found_out(
        self, estate: Estate, method: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def out_of_order(*_: Any, **__: Any) -> Any:
            raise AepServerError("AEP is out of order", status=503)

        spec = self.into_the_same()
        with estate.look([dataflow(), spec]) as first, estate.look([dataflow(), spec]) as second:
            first.apply(accept=True)
            monkeypatch.setattr(f"aep_provider.dataflows.twins.{method}", out_of_order)
            told = second.apply(accept=True).failed
        assert "was made somewhere else, too" in told[spec.name]
        assert "AEP is out of order" in told[spec.name]

    @staticmethod
    def into_the_same() -> DataflowSpec:
        target = {"dataset": dataflow().dataset, "existing_schema": dataflow().name}
        return dataflow(0, name="more", target=target)


class TestWindows:
    """Tasks of several DAG runs that load the same window at once."""

    def test_whose_intents_are_told_to_each_other(self, lively: Platform) -> None:
        """A run is posted once where each task sees in the dataset's ledger that another one was about to."""
        estate, spec = Estate(lively), dataflow()
        estate.apply(spec)
        one, ledger = ensured(estate, spec), Shared()

        def task() -> str:
            with estate.process() as client:
                request = WindowRequest(one.flow_id, day(1), delta_column=spec.delta_column)
                return start_window(client, request, ledger=ledger, patience=QUICK).run_id

        first = task()
        assert set(all_at_once(task)) == {first}
        with estate.process() as client:
            until(lambda: [run["id"] for run in runs_of(client, one.flow_id)] == [first])
        until(lambda: len(rows(estate, one.dataset_id)) == 1)


class Shared:
    """What Airflow keeps for an asset."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.kept.get(key)

    def set(self, key: str, value: Any) -> None:
        self.kept[key] = value
