"""
Thousands of answers that no AEP should give, for everything that reads what AEP answers.

``AEP_HOSTILE=20000`` in the environment has each reader get as many; the same number is always the same answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from random import Random

import pytest

from aep_provider.errors import AepError
from aep_provider.resources.run_wait import Awaited, RunWait
from aep_provider.triggers.poller import RunPoller, Seat

from .hunt import hunt, mutants_for
from .mutants import mutant
from .parsers import PARSERS, Parser
from .world import FLOW, RUNS, SEEDS, AsyncWorldClient, World

pytestmark = pytest.mark.slow

MUTANTS = int(os.environ.get("AEP_HOSTILE", "60"))
"""For each reader."""


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_it_reads_the_answers_of_the_contract(parser: Parser) -> None:
    assert parser.answers()


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_nothing_but_our_errors_comes_out(parser: Parser) -> None:
    found = hunt(parser, range(max(1, MUTANTS * parser.share // 100)))
    assert not found, "\n\n".join(map(str, found))


def test_each_document_of_the_contract_is_read_by_somebody() -> None:
    assert {name for parser in PARSERS for name in parser.answers()} == SEEDS.keys()


def test_the_same_number_is_always_the_same_mutant() -> None:
    first, second = (
        [mutants_for("x", {"runs": SEEDS["runs"], "test": SEEDS["test"]}, number) for number in range(50)] for _ in "12"
    )
    assert first == second
    assert len({json.dumps(str(one)) for one in first}) > 40
    assert mutant(SEEDS["runs"], Random("a")) != mutant(SEEDS["runs"], Random("b"))


async def test_no_answer_ends_the_poll_that_all_waits_of_a_triggerer_share() -> None:
    async def wait(number: int) -> Exception | None:
        instead = mutants_for(
            "poll", {name: SEEDS[name] for name in ("runs", "runs 2", f"flows {FLOW}", *_RUNS)}, number
        )

        async def connect() -> AsyncWorldClient:
            return AsyncWorldClient(World(instead=instead))

        poller, now = RunPoller(connect), time.time()
        awaited = (Awaited(run_ids=RUNS, deadline=now + 60), Awaited(flow_id=FLOW, since=1, deadline=now + 60))
        seats = [Seat(RunWait(one), interval=0.01) for one in awaited]
        for seat in seats:
            poller.join(seat)
        await asyncio.gather(*(asyncio.wait_for(seat.news.wait(), 20) for seat in seats))
        for seat in seats:
            await poller.leave(seat)
        return seats[0].broken

    broken = await asyncio.gather(*(wait(number) for number in range(40)))
    assert [error for error in broken if error and not isinstance(error, AepError)] == []


_RUNS = [f"runs {run}" for run in RUNS]
