"""
Nothing twice, nothing lost, nothing leaked, under every kind of fault and kill: a short form of the table in the docs.

And the count is not blind: it sees what becomes of the same job with what people write today.
"""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from .faults import EVERYTHING, FAULTS
from .table import heard, killed_at_every_request, under_faults
from .world import HOURS, Done, Job, Tally, world

SHORT = Job.of(2, 2)
ONE = Job.of(1, 1)
EVERY_SO_MANY = 4
"""Of the requests of a process, each fourth is one at which it dies."""


@pytest.mark.thorough
@pytest.mark.parametrize("trouble", [name for name in FAULTS if name != EVERYTHING])
def test_under_each_kind_of_fault(trouble: str) -> None:
    line = under_faults(trouble, FAULTS[trouble], "ours", SHORT)
    assert line.tally == Tally(windows=4), line
    assert line.faults > 0 or not FAULTS[trouble]


@pytest.mark.slow
def test_under_all_faults_at_once() -> None:
    line = under_faults(EVERYTHING, FAULTS[EVERYTHING], "ours", Job.of(8, 6))
    assert line.tally == Tally(windows=48), line
    assert line.faults > 50


@pytest.mark.thorough
@pytest.mark.parametrize("arrived", [False, True], ids=["before it leaves", "after it arrived"])
def test_killed_at_requests(arrived: bool) -> None:
    line = killed_at_every_request("ours", arrived=arrived, job=ONE, step=EVERY_SO_MANY)
    assert line.faults > 25 // EVERY_SO_MANY
    assert line.tally == Tally(windows=line.faults), line


@pytest.mark.thorough
class TestTheCount:
    """It sees what it is there for."""

    def test_what_people_write_today_makes_things_twice(self) -> None:
        trouble = "500, 502, 503, 504 after the work"
        tally = under_faults(trouble, FAULTS[trouble], "plain", Job.of(4, 4)).tally
        assert tally.duplicates > 0
        assert tally.orphans > 0
        assert tally.rows_twice > 0

    def test_what_was_never_loaded_is_lost_if_the_client_says_otherwise(self, tmp_path: Path) -> None:
        with world(tmp_path, ONE) as place:
            assert place.truth(ONE, Done()) == Tally(windows=1, not_done=1)
            says_so = Done({(ONE.names[0], 0): True})
            assert place.truth(ONE, says_so) == Tally(windows=1, rows_lost=len(HOURS), wrong_verdicts=1)
            gives_up = Done({(ONE.names[0], 0): False})
            assert place.truth(ONE, gives_up) == Tally(windows=1, not_done=1)

    def test_secrets_that_are_logged(self) -> None:
        """With the client's secret in a log, of whoever."""
        with heard() as ear:
            logging.getLogger("anybody").debug("the secret is %s", "".join(["p8e-client-", "secret-0123456789"]))
        assert ear.secrets == 1
