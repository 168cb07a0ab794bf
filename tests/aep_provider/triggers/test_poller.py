"""One poll for many waits: what it costs AEP, how soon it sees, and that no wait disturbs another."""

from __future__ import annotations

import asyncio
import contextvars
import random
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest

from aep_provider.errors import (
    AepAuthenticationError,
    AepInvalidRequestError,
    AepNotFoundError,
    AepPermissionError,
    AepServerError,
    AepThrottledError,
)
from aep_provider.resources.run_wait import Awaited, Ending, Kind, RunWait
from aep_provider.triggers import poller
from aep_provider.triggers.poller import Seat, watched


def document(run_id: str, status: str = "success", flow_id: str = "f", created: int | None = None) -> dict[str, Any]:
    created = int(time.time() * 1000) if created is None else created
    metrics = {"statusSummary": {"status": status}, "durationSummary": {"startedAtUTC": created}}
    return {"id": run_id, "flowId": flow_id, "createdAt": created, "updatedAt": created, "metrics": metrics}


class Aep:
    """
    Runs in memory, behind the lists and filters of Flow Service.

    :param several: what becomes of a filter with several values: works, ignored, empty or refused.
    :param late: ids that lists do not show (yet).
    """

    def __init__(self, *runs: dict[str, Any], several: str = "works", late: set[str] | None = None) -> None:
        self.runs = {run["id"]: run for run in runs}
        self.flows: dict[str, dict[str, Any]] = {}
        self.several = several
        self.late = late or set()
        self.asked: list[tuple[float, str, str]] = []
        self.troubles: list[Exception] = []
        self.clients: list[Any] = []
        self.secret = "first"
        self.answer_after = 0.0

    async def connect(self) -> Any:
        client = SimpleNamespace(settings=self.secret, requests_sent=0, is_open=True)

        async def get(path: str, *, params: Any = ()) -> Any:
            client.requests_sent += 1
            assert client.is_open
            await asyncio.sleep(self.answer_after)
            return SimpleNamespace(body=self._answer(path.rpartition("flowservice/")[2], dict(params)))

        async def close() -> None:
            client.is_open = False

        client.get, client.close = get, close
        self.clients.append(client)
        return client

    def _answer(self, path: str, params: dict[str, str]) -> Any:
        wanted = params.get("property", "")
        self.asked.append((time.monotonic(), path, wanted))
        if self.troubles:
            raise self.troubles.pop(0)
        collection, _, object_id = unquote(path).partition("/")
        there = self.runs if collection == "runs" else self.flows
        if object_id:
            if object_id not in there:
                raise AepNotFoundError(status=404)
            return {"items": [there[object_id]]}
        key, _, values = wanted.partition("==")
        ids = values.split(",")
        listed = [each for each in there.values() if each["id"] not in self.late]
        if len(ids) > 1 and self.several != "works":
            if self.several == "refused":
                raise AepInvalidRequestError(status=400, number=1454)
            return {"items": listed[:100] if self.several == "ignored" else [], "_links": {}}
        found = [each for each in listed if each.get(key) in ids]
        return {"items": sorted(found, key=lambda each: -each.get("createdAt", 0))[:100], "_links": {}}

    def requests(self, kind: str = "") -> list[str]:
        return [f"{path} {wanted}".strip() for _, path, wanted in self.asked if kind in path]

    def end(self, run_id: str, status: str = "success") -> None:
        self.runs[run_id] = document(run_id, status, self.runs[run_id]["flowId"], self.runs[run_id]["createdAt"])


def wait_for(*run_ids: str, **fields: Any) -> RunWait:
    now = time.time()
    values = {"run_ids": run_ids, "started": now, "deadline": now + 30, **fields}
    return RunWait(Awaited(**values))


async def ended(wait: RunWait, aep: Aep, *, interval: float = 0.2, key: str = "aep_default") -> Ending:
    """Wait as a trigger does."""
    seat = Seat(wait, interval)
    async with watched((key, None), aep.connect, seat):
        while not (ending := wait.ending(time.time())):
            if seat.broken:
                raise seat.broken
            seat.news.clear()
            async with asyncio.timeout(10):
                await seat.news.wait()
        return ending


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that begin together gather for less long, and first looks follow each other sooner."""
    monkeypatch.setattr(poller, "GATHER_SECONDS", 0.02)
    monkeypatch.setattr(poller, "FIRST_PAUSE_SECONDS", 0.05)


async def all_ended(aep: Aep, waits: list[RunWait], **options: Any) -> list[Ending]:
    return list(await asyncio.gather(*(ended(wait, aep, **options) for wait in waits)))


class TestCost:
    async def test_one_run_is_asked_for_at_its_own_address(self) -> None:
        aep = Aep(document("r1"))
        assert (await ended(wait_for("r1"), aep)).kind is Kind.ENDED
        assert aep.requests() == ["runs/r1"]

    async def test_a_hundred_runs_are_one_request(self) -> None:
        aep = Aep(*(document(f"r{number}") for number in range(100)))
        endings = await all_ended(aep, [wait_for(f"r{number}") for number in range(100)])
        assert {ending.verdicts[0].run_id for ending in endings} == set(aep.runs)
        assert len(aep.asked) == 1

    async def test_waits_for_the_same_run_ask_for_it_once(self) -> None:
        aep = Aep(document("r1"), document("r2"))
        await all_ended(aep, [wait_for("r1"), wait_for("r1"), wait_for("r1", "r2")])
        assert len(aep.asked) == 1

    async def test_flows_share_one_list_of_their_runs(self) -> None:
        aep = Aep(*(document(f"r{number}", flow_id=f"f{number}") for number in range(50)))
        endings = await all_ended(aep, [wait_for(flow_id=f"f{number}") for number in range(50)])
        assert [ending.verdicts[0].run_id for ending in endings] == [f"r{number}" for number in range(50)]
        assert len(aep.asked) == 1

    async def test_a_flow_is_looked_at_once_and_its_run_by_id_from_then_on(self) -> None:
        aep = Aep()
        aep.flows = {name: {"id": name, "state": "enabled"} for name in ("f1", "f2")}
        waiting = [asyncio.ensure_future(ended(wait_for(flow_id=name), aep)) for name in aep.flows]
        await seen(lambda: len(aep.requests("flows")) == 1 and len(aep.requests("runs")) > 3)
        aep.runs = {name: document(name, "inProgress", flow_id=name[1:]) for name in ("rf1", "rf2")}
        await seen(lambda: "runs id==rf1,rf2" in aep.requests())
        aep.end("rf1")
        aep.end("rf2", "failed")
        endings = await asyncio.gather(*waiting)
        assert [ending.verdicts[0].state for ending in endings] == ["succeeded", "failed"]
        assert len(aep.requests("flows")) == 1

    @pytest.mark.slow
    async def test_a_thousand_waits_take_ten_requests_an_interval(self) -> None:
        """However they begin and end; and each end is seen within an interval."""
        chance = random.Random(5)
        interval = 1.0
        aep = Aep(*(document(f"r{number}", "inProgress") for number in range(1000)))
        aep.answer_after = 0.01
        seen_after: list[float] = []

        async def one(run_id: str) -> None:
            await asyncio.sleep(chance.uniform(0, 1.5))
            waiting = asyncio.ensure_future(ended(wait_for(run_id), aep, interval=interval))
            await asyncio.sleep(chance.uniform(0, 6))
            aep.end(run_id)
            at = time.monotonic()
            assert (await waiting).kind is Kind.ENDED
            seen_after.append(time.monotonic() - at)

        await asyncio.gather(*(one(run_id) for run_id in list(aep.runs)))
        times = [at for at, _, _ in aep.asked]
        most = max(sum(begin <= at < begin + interval for at in times) for begin in times)
        assert most <= 10
        assert sorted(seen_after)[990] < interval + 1
        assert [client.is_open for client in aep.clients] == [False]

    async def test_what_goes_on_is_looked_at_ever_more_seldom(self) -> None:
        aep = Aep(document("r1", "inProgress"))
        wait = wait_for("r1", deadline=time.time() + 1.3)
        assert (await ended(wait, aep, interval=0.8)).kind is Kind.TIMEOUT
        pauses = [later - earlier for (earlier, *_), (later, *_) in zip(aep.asked, aep.asked[1:], strict=False)]
        assert len(aep.asked) <= 7
        assert pauses[0] < 0.2 < max(pauses)


async def seen(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not check():
            await asyncio.sleep(0.01)


class TestFiltersThatDoNotWork:
    @pytest.mark.parametrize("several", ["refused", "ignored"])
    async def test_every_run_is_asked_for_by_itself_and_that_is_said_once(
        self, several: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        aep = Aep(*(document(f"r{number}") for number in range(20)), document("other"), several=several)
        endings = await all_ended(aep, [wait_for(f"r{number}") for number in range(20)])
        assert {ending.kind for ending in endings} == {Kind.ENDED}
        assert caplog.text.count("does not take a filter with several values") == 1

    async def test_a_filter_that_finds_nothing_is_found_out(self, caplog: pytest.LogCaptureFixture) -> None:
        old = int(time.time() * 1000) - 3_600_000
        aep = Aep(*(document(f"r{number}", created=old) for number in range(300)), several="empty")
        endings = await all_ended(aep, [wait_for(f"r{number}") for number in range(300)])
        assert {ending.kind for ending in endings} == {Kind.ENDED}
        assert caplog.text.count("it leaves out what is there") == 1

    async def test_runs_that_lists_show_late_do_not_count_as_a_filter_that_fails(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        aep = Aep(*(document(f"r{number}") for number in range(5)), late={"r1", "r3"})
        endings = await all_ended(aep, [wait_for(f"r{number}") for number in range(5)])
        assert [ending.verdicts[0].run_id for ending in endings] == list(aep.runs)
        assert "several values" not in caplog.text
        assert sorted(aep.requests("runs/")) == ["runs/r1", "runs/r3"]

    @pytest.mark.parametrize("several", ["refused", "ignored", "empty"])
    async def test_flows(self, several: str) -> None:
        aep = Aep(
            *(document(f"r{number}", flow_id=f"f{number}") for number in range(3)), document("other"), several=several
        )
        aep.flows = {f"f{number}": {"id": f"f{number}", "state": "enabled"} for number in range(9)}
        endings = await all_ended(aep, [wait_for(flow_id=f"f{number}") for number in range(3)], interval=0.05)
        assert [ending.verdicts[0].run_id for ending in endings] == ["r0", "r1", "r2"]

    async def test_a_strange_id_is_asked_for_by_itself(self) -> None:
        aep = Aep(document("r1"), document("r2"), document("a,b"))
        endings = await all_ended(aep, [wait_for("r1"), wait_for("r2"), wait_for("a,b")])
        assert {ending.kind for ending in endings} == {Kind.ENDED}
        assert sorted(aep.requests()) == ["runs id==r1,r2", "runs/a%2Cb"]


class TestTrouble:
    async def test_what_passes_is_borne_by_all(self) -> None:
        aep = Aep(document("r1"), document("r2"))
        aep.troubles = [AepServerError(status=503), AepServerError(status=500)]
        assert {ending.kind for ending in await all_ended(aep, [wait_for("r1"), wait_for("r2")])} == {Kind.ENDED}

    async def test_a_request_to_wait_is_honoured_for_all(self) -> None:
        aep = Aep(document("r1"), document("r2"))
        aep.troubles = [AepThrottledError(status=429, retry_after=0.7)]
        await all_ended(aep, [wait_for("r1"), wait_for("r2")], interval=0.05)
        first, second = (at for at, _, _ in aep.asked)
        assert second - first >= 0.7

    async def test_what_is_final_ends_those_whom_it_concerns(self) -> None:
        aep = Aep(document("r1"), document("r2"))
        aep.troubles = [AepPermissionError(status=403)]
        endings = await all_ended(aep, [wait_for("r1"), wait_for("r2")])
        assert {(ending.kind, ending.final) for ending in endings} == {(Kind.ERROR, True)}
        assert len(aep.asked) == 1

    async def test_a_run_that_is_not_there_disturbs_no_other(self) -> None:
        aep = Aep(document("r1"))
        good, bad = await all_ended(aep, [wait_for("r1"), wait_for("nowhere", grace=0.3)])
        assert (good.kind, bad.kind) == (Kind.ENDED, Kind.ABSENT)

    async def test_credentials_that_were_changed_are_read_again(self) -> None:
        aep = Aep(document("r1"))
        aep.troubles = [AepAuthenticationError(status=401)]

        async def connect() -> Any:
            client = await Aep.connect(aep)
            aep.secret = "second"
            return client

        aep.connect = connect  # type: ignore[method-assign]
        assert (await ended(wait_for("r1"), aep)).kind is Kind.ENDED
        assert [client.is_open for client in aep.clients] == [False, False]

    async def test_credentials_that_are_as_they_were_are_final(self) -> None:
        aep = Aep(document("r1"))
        aep.troubles = [AepAuthenticationError(status=401)] * 3
        ending = await ended(wait_for("r1"), aep)
        assert (ending.kind, ending.final) == (Kind.ERROR, True)
        assert len(aep.asked) == 1

    async def test_no_connection_breaks_every_wait(self) -> None:
        aep = Aep()

        async def connect() -> Any:
            raise AepPermissionError(status=403)

        aep.connect = connect  # type: ignore[method-assign]
        for result in await asyncio.gather(*(ended(wait_for(f"r{n}"), aep) for n in range(3)), return_exceptions=True):
            assert isinstance(result, AepPermissionError)
        aep.connect = Aep.connect.__get__(aep)  # type: ignore[method-assign]
        aep.runs = {"r1": document("r1")}
        assert (await ended(wait_for("r1"), aep)).kind is Kind.ENDED

    async def test_a_mistake_of_ours_breaks_every_wait_and_leaves_nothing_open(self) -> None:
        aep = Aep(document("r1"))
        aep.troubles = [ZeroDivisionError("ours")]
        results = await asyncio.gather(*(ended(wait_for(f"r{n}"), aep) for n in range(3)), return_exceptions=True)
        assert {type(result) for result in results} == {ZeroDivisionError}
        assert [client.is_open for client in aep.clients] == [False]


class TestLife:
    async def test_the_last_wait_ends_it(self) -> None:
        aep = Aep(document("r1"), document("r2", "inProgress"))
        second = asyncio.ensure_future(ended(wait_for("r2"), aep))
        await ended(wait_for("r1"), aep)
        assert aep.clients[0].is_open
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert not aep.clients[0].is_open
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    async def test_another_connection_or_sandbox_has_another(self) -> None:
        one, two = Aep(document("r1")), Aep(document("r1", "failed"))
        endings = await asyncio.gather(ended(wait_for("r1"), one), ended(wait_for("r1"), two, key="other"))
        assert [ending.verdicts[0].state for ending in endings] == ["succeeded", "failed"]

    def test_every_event_loop_has_its_own(self) -> None:
        aep = Aep(document("r1"))
        for _ in range(2):
            assert asyncio.run(ended(wait_for("r1"), aep)).kind is Kind.ENDED
        assert len(aep.clients) == 2

    async def test_it_does_not_speak_in_the_name_of_a_wait(self) -> None:
        """Airflow tells whose log a line belongs to by the context in which it is written."""
        who = contextvars.ContextVar("who", default="nobody")
        aep = Aep(document("r1"))
        names: list[str] = []
        answer = aep._answer

        def watched_answer(*arguments: Any) -> Any:
            names.append(who.get())
            return answer(*arguments)

        aep._answer = watched_answer  # type: ignore[method-assign]
        who.set("the first wait")
        await ended(wait_for("r1"), aep)
        assert names == ["nobody"]
