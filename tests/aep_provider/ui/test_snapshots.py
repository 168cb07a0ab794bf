"""How a sandbox is read: at once in part, whole in the background, and then only what is new."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from aep_provider.errors import AepAuthenticationError
from aep_provider.ui import reading, snapshots
from aep_provider.ui.app import open_hook
from aep_provider.ui.declared import Declared
from aep_provider.ui.places import Place
from aep_provider.ui.reading import Reading
from aep_provider.ui.snapshots import AFTER_TROUBLE, FRESH_SECONDS, Snapshots
from aep_provider.verdict import RunState

from ..resources.watching import DAY, HOUR, NOW
from .world import World, flow, flow_id, run
from .world import snapshots as made

HERE = Place("aep_default")


def many(count: int, hours: float = 1) -> list[Any]:
    """Runs of one flow, one every so many hours, the newest first."""
    return [
        run(f"r{number}", "one", began := int(NOW - HOUR - number * hours * HOUR), began + 60, "success")
        for number in range(count)
    ]


class TestReading:
    def read(self, world: World, days: int = 10, now: float = NOW, known: Reading | None = None) -> Reading:
        known = known or Reading(days)
        for _ in known.read(world, now):  # type: ignore[arg-type]
            pass
        return known

    @pytest.mark.parametrize("order", ["created", "updated", "oldest", "none"])
    def test_all_of_the_days_are_read_in_whatever_order_aep_lists(self, order: str) -> None:
        known = self.read(World([flow("one")], many(500), order=order), days=10)
        assert known.is_whole
        assert known.known_since == (NOW - 10 * DAY) * 1000
        assert len(known.by_flow[flow_id("one")]) == 10 * 24
        moments = [each.created_at for each in known.by_flow[flow_id("one")]]
        assert moments == sorted(moments, reverse=True)

    def test_the_first_reading_tells_how_far_it_has_come(self) -> None:
        world, known = World([flow("one")], many(220)), Reading(10)
        reached = []
        for _ in known.read(world, NOW):  # type: ignore[arg-type]
            reached.append((known.known_since, len(known.by_flow.get(flow_id("one"), ()))))
        assert reached[0] == (NOW * 1000, 0)
        since, count = reached[1]
        assert count == 100
        # All that was created since is there.
        assert sum(each["createdAt"] >= since for each in world.runs) <= count
        assert reached[-1][1] == 220

    def test_a_later_reading_asks_for_a_page(self) -> None:
        world = World([flow("one")], many(220))
        known = self.read(world)
        world.asked.clear()
        world.runs.append(run("new", "one", NOW, NOW + 9))
        self.read(world, now=NOW + 120, known=known)
        assert world.asked == ["runs"]
        assert known.runs["new"].state is RunState.FAILED

    def test_a_run_that_went_on_is_looked_at_until_it_ends(self) -> None:
        world = World([flow("one")], [run("long", "one", NOW - 5 * HOUR), *many(150)])
        known = self.read(world)
        assert not known.runs["long"].has_ended
        world.runs[0] = run("long", "one", NOW - 5 * HOUR, NOW + 60, "success")
        self.read(world, now=NOW + 120, known=known)
        assert known.runs["long"].state is RunState.SUCCEEDED
        assert known.by_flow[flow_id("one")].count(known.runs["long"]) == 1

    def test_what_is_too_old_is_forgotten(self) -> None:
        world = World([flow("one")], many(200))
        known = self.read(world)
        world.runs = []
        self.read(world, now=NOW + 20 * DAY, known=known)
        assert (known.runs, known.by_flow) == ({}, {})

    def test_no_more_is_kept_than_there_is_room_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "MOST_RUNS", 150)
        world = World([flow("one")], many(230))
        known = self.read(world)
        assert known.is_cut
        assert len(known.runs) <= 150
        assert world.asked.count("runs") == 2
        oldest = min(each.created_at for each in known.runs.values())
        assert known.known_since <= oldest
        # All that were created since are among those kept.
        assert sum(each["createdAt"] >= known.known_since for each in world.runs) == len(known.runs)

    def test_what_is_not_of_aeps_form_hides_nothing_else(self) -> None:
        odd_run, odd_flow = run("odd", "one", NOW - HOUR, NOW - 60, "success"), flow("two")
        odd_run["flowId"] = ["one"]
        odd_flow["name"] = {"first": "two"}
        world = World([flow("one"), odd_flow], [odd_run, *many(150)])
        known = self.read(world)
        assert known.is_whole
        assert set(known.flows) == {flow_id("one")}
        assert len(known.runs) == 150
        of_flows, of_runs = known.notes
        assert of_flows.startswith(
            "1 of the sandbox's flows cannot be understood, and is not shown. AEP's answer holds"
        )
        assert "(odd)" in of_runs
        assert "flowId is no text" in of_runs

        odd_run["flowId"], odd_flow["name"] = flow_id("one"), "two"
        self.read(world, now=NOW + 400, known=known)
        assert known.notes == ()
        assert known.runs["odd"].state is RunState.SUCCEEDED

    def test_what_is_not_of_aeps_form_is_forgotten_too(self) -> None:
        world = World([flow("one")], [run("odd", "one", NOW - HOUR, NOW - 60, "success") | {"flowId": 1}])
        known = self.read(world)
        assert known.notes
        world.runs.clear()
        self.read(world, now=NOW + 11 * DAY, known=known)
        assert known.notes == ()

    def test_a_flow_that_was_just_made_is_looked_for_when_it_runs(self) -> None:
        world = World([flow("one")], many(3))
        known = self.read(world)
        world.flows.append(flow("two"))
        world.runs.append(run("first", "two", NOW, NOW + 9))
        self.read(world, now=NOW + 90, known=known)
        assert set(known.flows) == {flow_id("one"), flow_id("two")}


class TestSnapshots:
    def test_one_reading_however_many_look(self) -> None:
        world, work = World([flow("one")], many(3)), []
        kept = Snapshots(world.hook, Declared, clock=lambda: NOW, start=work.append)
        assert [kept.get(HERE).is_reading for _ in range(50)] == [True] * 50
        assert len(work) == 1
        work.pop()()
        assert [row.name for row in kept.get(HERE).rows] == ["one"]
        assert (kept.get(HERE).is_reading, work) == (False, [])

    def test_nothing_is_read_before_it_is_old_and_nothing_where_nobody_looks(self) -> None:
        moment = [float(NOW)]
        world = World([flow("one")], many(3))
        kept = made(world, now=lambda: moment[0])
        kept.get(HERE)
        asked = list(world.asked)
        moment[0] += FRESH_SECONDS - 1
        kept.get(HERE)
        assert world.asked == asked
        moment[0] += 2
        kept.get(HERE)
        assert world.asked == [*asked, "runs"]

    def test_a_wrong_secret_is_not_tried_with_every_look(self) -> None:
        moment = [float(NOW)]
        world = World()
        world.error = AepAuthenticationError(status=401)
        opened: list[Place] = []

        def hook(place: Place) -> Any:
            opened.append(place)
            return world.hook(place)

        kept = Snapshots(hook, Declared, clock=lambda: moment[0], start=lambda work: work())
        for _ in range(10):
            kept.get(HERE)
        assert len(opened) == 1
        moment[0] += AFTER_TROUBLE + 1
        kept.get(HERE)
        assert len(opened) == 2

    def test_an_error_of_its_own_is_told_without_its_words(self) -> None:
        def hook(place: Place) -> Any:
            raise ValueError("right-source-password")

        kept = Snapshots(hook, Declared, clock=lambda: NOW, start=lambda work: work())
        kept.get(HERE)
        trouble = kept.get(HERE).trouble
        assert trouble is not None
        assert trouble.detail == "ValueError"

    def test_no_such_connection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
        kept = Snapshots(open_hook, Declared, clock=lambda: NOW, start=lambda work: work())
        kept.get(Place("nowhere"))
        trouble = kept.get(Place("nowhere")).trouble
        assert trouble is not None
        assert "There is no Airflow connection nowhere" in trouble.what

    def test_what_nobody_looks_at_any_more_is_let_go(self) -> None:
        moment = [float(NOW)]
        kept = made(World([flow("one")]), now=lambda: moment[0])
        kept.get(HERE)
        moment[0] += snapshots.KEPT_UNSEEN + 1
        kept.get(Place("other"))
        assert set(kept._kept) == {Place("other")}

    def test_only_what_has_changed_is_judged_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        moment = [float(NOW)]
        world = World([flow("one"), flow("two")], many(3))
        kept = made(world, now=lambda: moment[0])
        kept.get(HERE)
        judged: list[str] = []
        row: Callable[..., Any] = snapshots.Judge.row
        monkeypatch.setattr(snapshots.Judge, "row", lambda self, one: judged.append(one.name) or row(self, one))
        world.runs.append(run("new", "two", NOW + 60, NOW + 70))
        moment[0] += 90
        kept.get(HERE)
        assert judged == ["two"]
        assert [each.health.value for each in kept.get(HERE).rows] == ["well", "failing"]

    def test_it_is_read_off_the_thread_that_asks(self) -> None:
        world, go = World([flow("one")]), threading.Event()

        def declared() -> Declared:
            assert go.wait(60)
            return Declared()

        kept = Snapshots(world.hook, declared, clock=lambda: NOW)
        # Were it read here, this would wait.
        assert kept.get(HERE).is_reading
        go.set()
        for thread in threading.enumerate():
            if thread.name == "aep-page":
                thread.join(60)
        assert len(kept.get(HERE).rows) == 1
