"""
Killed at any request, an apply is repeated: what was declared is there once, and nothing besides.

A process is killed before a request leaves, or after it arrived and before its answer did. Nothing of it cleans up, and
the next one knows nothing of it.

Between two requests that write nothing changes. So only three dataflows that are new are gone through at every request;
of a change only those that write are taken, and of forty new dataflows a few of some hundreds. All of all take an hour::

    AEP_KILL_EVERYWHERE=1 .venv/bin/python -m pytest -n 2 tests/aep_provider/dataflows/test_kill_matrix.py
"""

from __future__ import annotations

import itertools
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest

from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepError
from aep_provider.resources.ensure import Memory, Patience

from ..conftest import Platform
from .estate import (
    Counts,
    Estate,
    Killed,
    Line,
    dataflow,
    dataflows,
    day,
    ensured,
    every,
    from_the_first_write,
    load,
    repeated,
    rows,
    serve_estate,
    tally,
    until,
    writes,
)

BEFORE, AFTER = "before it leaves", "after it arrived"
MOMENTS = pytest.mark.parametrize("moment", [BEFORE, AFTER])
FORTY = 40
SAMPLE = 2
"""Of the requests of forty dataflows, how many are taken at each of the two moments."""
EVERYWHERE = bool(os.environ.get("AEP_KILL_EVERYWHERE"))
OF_A_CHANGE = from_the_first_write if EVERYWHERE else writes


@pytest.fixture(autouse=True)
def untold() -> Iterator[None]:
    """What thousands of requests are told about takes longer than they do."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform on which no flow runs by itself before a test has ended: a minute lasts for hours."""
    running = serve_estate(tmp_path_factory.mktemp("calm") / "aep", "--time-scale", "100", tables=FORTY)
    yield running
    running.end()


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform on which a run takes no time."""
    running = serve_estate(tmp_path_factory.mktemp("lively") / "aep", "--time-scale", "0.001")
    yield running
    running.end()


@pytest.fixture(scope="module")
def lagging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform whose lists of Flow Service lack what was made in the last third of a second."""
    assume = ("--time-scale", "0.001", "--assume", "listing_lag_seconds=300")
    running = serve_estate(tmp_path_factory.mktemp("lagging") / "aep", *assume)
    yield running
    running.end()


@pytest.fixture(scope="module")
def far_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform whose lists lack what was made in the last three seconds."""
    assume = ("--time-scale", "0.001", "--assume", "listing_lag_seconds=3000")
    running = serve_estate(tmp_path_factory.mktemp("behind") / "aep", *assume)
    yield running
    running.end()


def killed(estate: Estate, specs: Sequence[DataflowSpec], line: Line, **options: Any) -> bool:
    """Apply until the process is killed; whether it was."""
    with line.open():
        try:
            estate.apply(*specs, **options)
        except Killed:
            return True
    assert not line.dead
    return False


def points(moment: str, whole: Counts) -> Iterator[Line]:
    """Lines that break at one request after another. Of one that only reads, both moments are one."""
    arrived = moment == AFTER
    return (Line(number, arrived=arrived, counts=writes if arrived else whole) for number in itertools.count(1))


@pytest.mark.thorough
@MOMENTS
def test_three_dataflows_at_every_request(calm: Platform, moment: str) -> None:
    specs = dataflows(3)
    found: dict[int, list[str]] = {}
    for point, line in enumerate(points(moment, every), 1):
        estate = Estate(calm)
        if not killed(estate, specs, line):
            break
        # Before anything was sent that matters, nothing can be there.
        if any(one.writes for one in line.sent) and (wrong := repeated(estate, *specs)):
            found[point] = wrong
    assert found == {}
    assert point > 20


REPLACES: dict[str, dict[str, Any]] = {
    "mapping": {"mapping": [{"source": "sys_id", "destination": "_id"}]},
    "columns": {"columns": ["sys_id", "number", "sys_updated_on"]},
}


@pytest.mark.thorough
@MOMENTS
@pytest.mark.parametrize("change", REPLACES)
def test_a_replace_at_every_request(lively: Platform, moment: str, change: str) -> None:
    """The window that the old flow loaded counts as loaded, whatever became of the new one."""
    before, after = dataflow(), dataflow(**REPLACES[change])
    found: dict[int, list[str]] = {}
    for point, line in enumerate(points(moment, OF_A_CHANGE), 1):
        estate = Estate(lively)
        estate.apply(before)
        load(estate, before, day(1))
        if not killed(estate, [after], line):
            break
        wrong = repeated(estate, after, replaced=1, sets_before=1)
        if not wrong:
            one = ensured(estate, after)
            for window in (day(1), day(2)):
                load(estate, after, window, one)
            landed = rows(estate, one.dataset_id)
            wrong = [] if len(landed) == 2 else [f"rows: {landed}"]
        if wrong:
            found[point] = wrong
    assert found == {}
    assert point > 5


@pytest.mark.thorough
@MOMENTS
def test_an_update_in_place_at_every_request(lively: Platform, moment: str) -> None:
    """Another mapping, interval and policy of a flow that recurs, and a field group more in its schema."""
    before = dataflow(load="recurring", recurrence={"frequency": "hour", "interval": 6, "start": "2037-01-01"})
    after = dataflow(
        load="recurring",
        recurrence={"frequency": "hour", "interval": 3, "start": "2037-01-01"},
        policy={"partial_ingestion_percent": 9},
        target={"field_groups": ["profile-person-details"]},
        mapping=[{"source": "number", "destination": "person.name.lastName"}],
    )
    found: dict[int, list[str]] = {}
    for point, line in enumerate(points(moment, OF_A_CHANGE), 1):
        estate = Estate(lively)
        estate.apply(before)
        flow_id = ensured(estate, before).flow_id
        if not killed(estate, [after], line):
            break
        wrong = repeated(estate, after, sets_before=1)
        if wrong or ensured(estate, after).flow_id != flow_id:
            found[point] = [*wrong, "another flow"]
    assert found == {}
    assert point > 3


@pytest.mark.thorough
@MOMENTS
def test_forty_dataflows(calm: Platform, moment: str) -> None:
    """At some of their requests, or at all of them."""
    specs = dataflows(FORTY)
    whole = Line()
    assert not killed(Estate(calm), specs, whole)
    count = sum(one.writes for one in whole.sent) if moment == AFTER else len(whole.sent)
    assert count > 250
    taken = count if EVERYWHERE else SAMPLE
    found: dict[int, list[str]] = {}
    for point, line in enumerate(itertools.islice(points(moment, every), count), 1):
        # Spread evenly, the last one among them.
        if point * taken % count >= taken:
            continue
        estate = Estate(calm)
        # Who asks first what all need is not always the same, so that the last requests may not be reached.
        killed(estate, specs, line)
        if wrong := repeated(estate, *specs):
            found[point] = wrong
    assert found == {}


class Intents:
    """Memories that outlive a process; what they hold crosses a file as JSON."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def memory_for(self, kind: str, name: str) -> Memory:
        return _Note(self.kept, (kind, name))


class _Note:
    def __init__(self, kept: dict[tuple[str, str], str], key: tuple[str, str]) -> None:
        self._kept = kept
        self._key = key

    def recall(self) -> Any:
        return json.loads(self._kept[self._key]) if self._key in self._kept else None

    def remember(self, note: Any) -> None:
        self._kept[self._key] = json.dumps(note)


@pytest.mark.slow
class TestWhereListsLag:
    PATIENCE = Patience(settle_seconds=2, look_every_seconds=0.05)

    def test_a_memory_that_outlives_the_process_keeps_it_from_making_anything_again(self, lagging: Platform) -> None:
        spec = dataflow()
        found: dict[int, list[str]] = {}
        for point, line in enumerate(points(AFTER, writes), 1):
            estate, intents = Estate(lagging), Intents()
            if not killed(estate, [spec], line, memory_for=intents.memory_for, patience=self.PATIENCE):
                break
            estate.apply(spec, memory_for=intents.memory_for, patience=self.PATIENCE)
            settled(estate, spec)
            if wrong := repeated(estate, spec):
                found[point] = wrong
        assert found == {}
        assert point > 7

    @pytest.mark.parametrize(
        ("collection", "twice", "told"),
        [
            ("sourceConnections", {"source connection"}, "an equal one is there, too"),
            ("flows", {"source connection", "target connection", "flow"}, "There are 2 objects of the kind flow"),
        ],
    )
    def test_without_one_things_come_twice_and_are_told(
        self, far_behind: Platform, collection: str, twice: set[str], told: str
    ) -> None:
        """Who repeats an apply at once, and knows nothing of what was made, cannot do better."""
        before, spec, estate = dataflow(2), dataflow(), Estate(far_behind)
        estate.apply(before)
        settled(estate, before)
        at_its_creation = Line(1, arrived=True, counts=lambda one, _: one.writes and one.url.endswith(f"/{collection}"))
        assert killed(estate, [before, spec], at_its_creation)
        with suppress(AepError):
            estate.apply(before, spec)
        until(lambda: {kind for kind, names in tally(estate.inventory()).items() if names[spec.name] > 1} == twice)
        assert told in estate.plan(before, spec).text


def settled(estate: Estate, spec: DataflowSpec) -> None:
    """Wait until lists show everything that was made."""
    until(lambda: all(tally(estate.inventory())[kind][spec.name] for kind in ("source connection", "flow")))
