"""
The one algorithm that all kinds of objects share.

An AEP of one shelf stands in for the service: it loses answers, lists late and edits behind one's back on command, which
cannot be had otherwise. Its clock is a fake one.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from aep_provider.errors import (
    AepAnswerLostError,
    AepConfigError,
    AepConflictError,
    AepConnectError,
    AepDifferenceError,
    AepDuplicateError,
    AepInvalidRequestError,
    AepPreconditionError,
    AepServerError,
)
from aep_provider.resources.ensure import Patience, ensure
from aep_provider.resources.fingerprint import fingerprint, marked, read_mark
from aep_provider.resources.resource import Action, Existing, IfExists, Outcome, Resource

LOST = AepAnswerLostError("no answer", ambiguous=True)
FAILED = AepServerError(status=503, ambiguous=True)
NEVER_SENT = AepConnectError("not reached")
REFUSED = AepInvalidRequestError(status=400)
TAKEN = AepConflictError(status=409)
EDITED = AepPreconditionError(status=412)


class Clock:
    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.time += seconds
        # A platform whose clock stands still would be asked for ever.
        assert seconds > 0 or self.time < 1_900_000_000


@dataclass
class Shelf:
    """What AEP holds of one name, and how it fails: each fault meets one creation (or change), in turn."""

    clock: Clock
    lag: float = 0
    faults: deque[tuple[Exception, bool]] = field(default_factory=deque)
    """What is raised, and whether the object was made all the same."""
    change_faults: deque[tuple[Exception, bool]] = field(default_factory=deque)
    """The same of changes."""
    held: list[tuple[float, Existing]] = field(default_factory=list)
    ids: Any = field(default_factory=lambda: itertools.count(1))
    posts: int = 0
    patches: int = 0
    looks: int = 0

    def put(self, content: Mapping[str, Any], description: str | None, **fields: Any) -> Existing:
        given = {"id": f"id-{next(self.ids)}", "created_at": int(self.clock.time * 1000), "etag": '"1"', **fields}
        made = Existing(name="it", content=dict(content), mark=read_mark(description), description=description, **given)
        self.held.append((self.clock.time, made))
        return made

    @property
    def objects(self) -> list[Existing]:
        return [made for _, made in self.held]


class Thing(Resource):
    """Wants ``content`` to be on the shelf."""

    kind = "thing"

    def __init__(
        self, shelf: Shelf, content: Mapping[str, Any] | None = None, secret: bool = False, fixed: bool = False
    ):
        self.shelf = shelf
        self.wanted = content or {"color": "red"}
        self.secret = secret
        self.fixed = fixed

    @property
    def name(self) -> str:
        return "it"

    def content(self) -> Mapping[str, Any]:
        return self.wanted

    def find(self) -> list[Existing]:
        self.shelf.looks += 1
        return [made for at, made in self.shelf.held if at + self.shelf.lag <= self.shelf.clock.time]

    def create(self, description: str) -> tuple[str, str | None]:
        self.shelf.posts += 1
        fault, made_all_the_same = self.shelf.faults.popleft() if self.shelf.faults else (None, True)
        made = self.shelf.put(self.wanted, description) if made_all_the_same else None
        if fault:
            raise fault
        assert made is not None
        return made.id, made.etag

    def frozen(self, existing: Existing) -> list[str]:
        return self.differences(existing) if self.fixed else []

    @classmethod
    def listing(cls, client: object) -> Iterator[Mapping[str, Any]]:
        raise NotImplementedError

    def search(self) -> list[Mapping[str, Any]]:
        raise NotImplementedError

    def recognise(self, documents: object) -> list[Existing]:
        raise NotImplementedError

    def change(self, existing: Existing, description: str) -> str | None:
        self.shelf.patches += 1
        fault, changed_all_the_same = self.shelf.change_faults.popleft() if self.shelf.change_faults else (None, True)
        if not changed_all_the_same:
            assert fault is not None
            raise fault
        changed = replace(existing, content=dict(self.wanted), mark=read_mark(description), etag='"2"')
        self.shelf.held = [(at, changed if one.id == existing.id else one) for at, one in self.shelf.held]
        if fault:
            raise fault
        return '"2"'

    def always_changes(self) -> bool:
        return self.secret


class Notes:
    """An intent that outlives the process."""

    def __init__(self, note: Mapping[str, Any] | None = None) -> None:
        self.note = note
        self.times = 0

    def recall(self) -> Mapping[str, Any] | None:
        return self.note

    def remember(self, note: Mapping[str, Any]) -> None:
        self.note = dict(note)
        self.times += 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shelf(clock: Clock) -> Shelf:
    return Shelf(clock)


def make_sure(thing: Thing, **options: Any) -> Outcome:
    clock = thing.shelf.clock
    return ensure(thing, patience=Patience(sleep=clock.sleep, now=clock.now), **options)


def note_of(thing: Thing, at: float, **changes: Any) -> dict[str, Any]:
    return {"kind": "thing", "name": "it", "digest": fingerprint(thing.content()), "at": at, **changes}


class TestCreating:
    def test_once_and_then_it_is_there(self, shelf: Shelf) -> None:
        first, second = make_sure(Thing(shelf)), make_sure(Thing(shelf))
        assert (first.action, second.action) == (Action.CREATED, Action.REUSED)
        assert first.id == second.id
        assert shelf.posts == 1
        assert shelf.objects[0].mark == fingerprint({"color": "red"})

    def test_the_intent_is_remembered_before_the_request_leaves(self, shelf: Shelf) -> None:
        notes = Notes()
        seen: list[Any] = []

        class Watching(Thing):
            def create(self, description: str) -> tuple[str, str | None]:
                seen.append(notes.note)
                return super().create(description)

        make_sure(Watching(shelf), memory=notes)
        assert seen == [note_of(Thing(shelf), shelf.clock.now())]

    @pytest.mark.parametrize("fault", [LOST, FAILED])
    def test_a_lost_answer_and_it_is_there(self, shelf: Shelf, fault: Exception) -> None:
        shelf.faults.append((fault, True))
        outcome = make_sure(Thing(shelf))
        assert (outcome.action, outcome.id, shelf.posts) == (Action.CREATED, "id-1", 1)

    @pytest.mark.parametrize("lag", [1, 10, 29, 30])
    def test_a_lost_answer_and_listings_lag(self, shelf: Shelf, lag: float) -> None:
        shelf.lag = lag
        shelf.faults.append((LOST, True))
        outcome = make_sure(Thing(shelf))
        assert (outcome.id, shelf.posts, len(shelf.objects)) == ("id-1", 1, 1)

    def test_an_answer_is_lost_after_long_waiting_and_listings_lag(self, shelf: Shelf) -> None:
        """What AEP made at the end of a request that ran into its time-out is listed later still."""

        class Slow(Thing):
            def create(self, description: str) -> tuple[str, str | None]:
                self.shelf.clock.sleep(60)
                return super().create(description)

        shelf.lag = 10
        shelf.faults.append((LOST, True))
        notes = Notes()
        outcome = make_sure(Slow(shelf), memory=notes)
        assert (outcome.id, shelf.posts, len(shelf.objects)) == ("id-1", 1, 1)
        assert notes.note is not None
        assert notes.note["at"] == 1_800_000_060

    def test_a_lost_answer_and_it_is_not_there_is_sent_again_after_settling(self, shelf: Shelf) -> None:
        shelf.faults.append((LOST, False))
        before = shelf.clock.now()
        outcome = make_sure(Thing(shelf))
        assert (outcome.action, shelf.posts, len(shelf.objects)) == (Action.CREATED, 2, 1)
        assert shelf.clock.now() - before >= 30

    def test_each_attempt_renews_the_intent(self, shelf: Shelf) -> None:
        shelf.faults.append((LOST, False))
        notes = Notes()
        make_sure(Thing(shelf), memory=notes)
        assert notes.times == 3
        assert notes.note is not None
        assert notes.note["at"] >= 1_800_000_030

    def test_it_gives_up_after_some_attempts(self, shelf: Shelf) -> None:
        shelf.faults.extend([(LOST, False)] * 9)
        with pytest.raises(AepAnswerLostError):
            make_sure(Thing(shelf))
        assert shelf.posts == 3

    def test_after_the_last_attempt_it_is_looked_for_as_well(self, shelf: Shelf) -> None:
        shelf.faults.extend([(LOST, False), (LOST, False), (LOST, True)])
        assert make_sure(Thing(shelf)).id == "id-1"

    @pytest.mark.parametrize("fault", [REFUSED, NEVER_SENT])
    def test_what_was_refused_or_never_sent_is_not_repeated_nor_looked_for(
        self, shelf: Shelf, fault: Exception
    ) -> None:
        shelf.faults.append((fault, False))
        with pytest.raises(type(fault)):
            make_sure(Thing(shelf))
        assert (shelf.posts, shelf.looks) == (1, 1)

    def test_somebody_else_was_quicker(self, shelf: Shelf) -> None:
        class Raced(Thing):
            def create(self, description: str) -> tuple[str, str | None]:
                self.shelf.put(self.wanted, "theirs")
                raise TAKEN

        outcome = make_sure(Raced(shelf))
        assert (outcome.action, outcome.id) == (Action.REUSED, "id-1")

    def test_somebody_else_was_quicker_with_something_else(self, shelf: Shelf) -> None:
        class Raced(Thing):
            def create(self, description: str) -> tuple[str, str | None]:
                self.shelf.put({"color": "blue"}, "theirs")
                raise TAKEN

        with pytest.raises(AepDifferenceError, match="blue"):
            make_sure(Raced(shelf), if_exists="update", adopt=True)
        assert shelf.patches == 0

    def test_two_that_raced_agree_on_the_oldest(self, shelf: Shelf) -> None:
        thing = Thing(shelf)
        digest = fingerprint(thing.content())
        shelf.put(thing.wanted, marked(None, digest), created_at=5)
        shelf.put(thing.wanted, marked(None, digest), created_at=4)
        outcome = make_sure(thing)
        assert (outcome.id, outcome.duplicates) == ("id-2", ["id-1"])


class TestAnIntentOfAnEarlierTry:
    def test_nothing_is_created_again_while_listings_lag(self, shelf: Shelf) -> None:
        """The first process died between sending and answer; the second finds the object only later."""
        thing = Thing(shelf)
        notes = Notes(note_of(thing, shelf.clock.now()))
        shelf.put(thing.wanted, marked(None, fingerprint(thing.content())))
        shelf.lag = 25
        outcome = make_sure(thing, memory=notes)
        assert (shelf.posts, outcome.id) == (0, "id-1")

    def test_it_is_looked_for_only_until_the_settling_time_of_then(self, shelf: Shelf) -> None:
        thing = Thing(shelf)
        notes = Notes(note_of(thing, shelf.clock.now() - 3600))
        before = shelf.clock.now()
        outcome = make_sure(thing, memory=notes)
        assert (outcome.action, shelf.posts, shelf.clock.now()) == (Action.CREATED, 1, before)

    def test_a_clock_that_ran_ahead_does_not_make_it_wait_for_long(self, shelf: Shelf) -> None:
        thing = Thing(shelf)
        notes = Notes(note_of(thing, shelf.clock.now() + 86_400))
        before = shelf.clock.now()
        make_sure(thing, memory=notes)
        assert shelf.clock.now() - before <= 31

    @pytest.mark.parametrize("change", [{"digest": "0" * 32}, {"name": "other"}, {"kind": "flow"}])
    def test_one_of_something_else_is_ignored(self, shelf: Shelf, change: dict[str, Any]) -> None:
        thing = Thing(shelf)
        before = shelf.clock.now()
        make_sure(thing, memory=Notes(note_of(thing, before, **change)))
        assert (shelf.posts, shelf.clock.now()) == (1, before)

    @pytest.mark.parametrize("note", [{}, {"at": 5}, {"kind": "thing"}])
    def test_one_that_is_none_is_ignored(self, shelf: Shelf, note: dict[str, Any]) -> None:
        assert make_sure(Thing(shelf), memory=Notes(note)).action is Action.CREATED

    def test_what_this_task_made_does_not_fail_under_fail(self, shelf: Shelf) -> None:
        thing = Thing(shelf)
        notes = Notes()
        make_sure(thing, memory=notes, if_exists="fail")
        assert make_sure(thing, memory=notes, if_exists="fail").id == "id-1"
        with pytest.raises(AepDifferenceError, match="there already"):
            make_sure(thing, memory=Notes(), if_exists="fail")


RED, BLUE = {"color": "red"}, {"color": "blue"}
OURS_RED, OURS_BLUE = marked(None, fingerprint(RED)), marked(None, fingerprint(BLUE))


class TestComparing:
    """Red is wanted. Three ways: what is wanted, what we last wrote (the mark), what is there."""

    @pytest.mark.parametrize(
        ("there", "mark", "if_exists", "adopt", "expected"),
        [
            (RED, OURS_RED, IfExists.REUSE, False, Action.REUSED),
            (RED, OURS_RED, IfExists.UPDATE, False, Action.REUSED),
            (RED, OURS_RED, IfExists.FAIL, False, "is there already"),
            (RED, None, IfExists.REUSE, False, Action.REUSED),
            (RED, None, IfExists.UPDATE, False, Action.REUSED),
            (RED, OURS_BLUE, IfExists.REUSE, False, Action.REUSED),
            (BLUE, OURS_BLUE, IfExists.REUSE, False, "another definition"),
            (BLUE, OURS_BLUE, IfExists.REUSE, True, "another definition"),
            (BLUE, OURS_BLUE, IfExists.UPDATE, False, Action.UPDATED),
            (BLUE, OURS_BLUE, IfExists.FAIL, True, "is there already"),
            (BLUE, OURS_RED, IfExists.REUSE, False, "another definition"),
            (BLUE, OURS_RED, IfExists.UPDATE, False, "edited by hand"),
            (BLUE, OURS_RED, IfExists.UPDATE, True, Action.UPDATED),
            (BLUE, None, IfExists.REUSE, True, "another definition"),
            (BLUE, None, IfExists.UPDATE, False, "made by somebody else"),
            (BLUE, None, IfExists.UPDATE, True, Action.UPDATED),
        ],
    )
    def test_three_ways(
        self, shelf: Shelf, there: dict[str, str], mark: str | None, if_exists: IfExists, adopt: bool, expected: Any
    ) -> None:
        shelf.put(there, mark)
        thing = Thing(shelf, RED)
        if not isinstance(expected, Action):
            with pytest.raises(AepDifferenceError, match=expected) as refused:
                make_sure(thing, if_exists=if_exists, adopt=adopt)
            assert "id-1" in str(refused.value)
            assert if_exists is IfExists.FAIL or 'color: "blue" in AEP, "red" wanted' in str(refused.value)
            assert shelf.objects[0].content == there
        else:
            outcome = make_sure(thing, if_exists=if_exists, adopt=adopt)
            assert (outcome.action, outcome.id, shelf.posts) == (expected, "id-1", 0)
            assert shelf.patches == (expected is Action.UPDATED)
            assert shelf.objects[0].content == RED
            if expected is Action.UPDATED:
                assert (outcome.etag, outcome.changes) == ('"2"', ['color: "blue" in AEP, "red" wanted'])

    def test_what_aep_does_not_let_one_change_says_so(self, shelf: Shelf) -> None:
        shelf.put(BLUE, OURS_BLUE)
        with pytest.raises(AepDifferenceError, match=r"AEP cannot change it.*blue"):
            make_sure(Thing(shelf, RED, fixed=True), if_exists="update")

    def test_credentials_are_sent_under_update_although_nothing_shows(self, shelf: Shelf) -> None:
        shelf.put(RED, OURS_RED)
        assert make_sure(Thing(shelf, RED, secret=True), if_exists="reuse").action is Action.REUSED
        assert make_sure(Thing(shelf, RED, secret=True), if_exists="update").action is Action.UPDATED

    def test_credentials_are_not_sent_into_what_somebody_else_made(self, shelf: Shelf) -> None:
        shelf.put(RED, "made by hand")
        with pytest.raises(AepDifferenceError, match=r"made by somebody else.*adopt"):
            make_sure(Thing(shelf, RED, secret=True), if_exists="update")
        assert shelf.patches == 0
        assert make_sure(Thing(shelf, RED, secret=True), if_exists="update", adopt=True).action is Action.UPDATED

    def test_an_unknown_word_is_refused(self, shelf: Shelf) -> None:
        with pytest.raises(AepConfigError, match=r"'replace'.*reuse, update, fail"):
            make_sure(Thing(shelf), if_exists="replace")


class TestSeveral:
    def test_with_our_equal_mark_the_oldest_and_then_the_smaller_id(self, shelf: Shelf) -> None:
        for number, created in ((9, 5), (3, 4), (2, 4), (1, 6)):
            shelf.put(RED, OURS_RED, id=f"id-{number}", created_at=created)
        outcome = make_sure(Thing(shelf, RED))
        assert (outcome.id, outcome.duplicates) == ("id-2", ["id-3", "id-9", "id-1"])
        assert shelf.posts == 0

    @pytest.mark.parametrize(
        "descriptions",
        [(OURS_RED, OURS_BLUE), (OURS_RED, None), (None, OURS_RED), (None, None), (OURS_RED, OURS_RED, None)],
    )
    @pytest.mark.parametrize("if_exists", list(IfExists))
    def test_any_other_is_an_error_that_names_all(
        self, shelf: Shelf, descriptions: tuple[str | None, ...], if_exists: IfExists
    ) -> None:
        for description in descriptions:
            shelf.put(RED, description)
        with pytest.raises(AepDuplicateError) as refused:
            make_sure(Thing(shelf, RED), if_exists=if_exists, adopt=True)
        assert all(one.id in str(refused.value) for one in shelf.objects)
        assert (shelf.posts, shelf.patches) == (0, 0)


class TestConcurrentEdits:
    def test_it_is_read_again_and_changed_with_what_is_there_then(self, shelf: Shelf) -> None:
        shelf.put(BLUE, OURS_BLUE)
        shelf.change_faults.append((EDITED, False))
        outcome = make_sure(Thing(shelf, RED), if_exists="update")
        assert (outcome.action, shelf.patches) == (Action.UPDATED, 2)

    def test_an_edit_by_hand_in_between_is_not_overwritten(self, shelf: Shelf) -> None:
        shelf.put(BLUE, OURS_BLUE)

        class Edited(Thing):
            def change(self, existing: Existing, description: str) -> str | None:
                self.shelf.held = [(at, replace(one, content={"color": "green"})) for at, one in self.shelf.held]
                raise EDITED

        with pytest.raises(AepDifferenceError, match="edited by hand"):
            make_sure(Edited(shelf, RED), if_exists="update")
        assert shelf.objects[0].content == {"color": "green"}

    def test_what_somebody_else_made_equal_in_between_is_taken(self, shelf: Shelf) -> None:
        shelf.put(BLUE, OURS_BLUE)

        class Mended(Thing):
            def change(self, existing: Existing, description: str) -> str | None:
                self.shelf.held = [(at, replace(one, content=RED)) for at, one in self.shelf.held]
                raise EDITED

        assert make_sure(Mended(shelf, RED), if_exists="update").action is Action.REUSED

    def test_it_gives_up_after_some_attempts(self, shelf: Shelf) -> None:
        shelf.put(BLUE, OURS_BLUE)
        shelf.change_faults.extend([(EDITED, False)] * 9)
        with pytest.raises(AepDifferenceError, match="edited by others 3 times"):
            make_sure(Thing(shelf, RED), if_exists="update")
        assert shelf.patches == 3


class TestALostAnswerToAChange:
    @pytest.mark.parametrize("fault", [LOST, FAILED])
    def test_what_was_carried_out_is_not_sent_again(self, shelf: Shelf, fault: Exception) -> None:
        shelf.put(BLUE, OURS_BLUE)
        shelf.change_faults.append((fault, True))
        outcome = make_sure(Thing(shelf, RED), if_exists="update")
        assert (outcome.action, shelf.patches, shelf.objects[0].content) == (Action.UPDATED, 1, RED)
        assert (outcome.etag, outcome.changes) == ('"2"', ['color: "blue" in AEP, "red" wanted'])

    def test_what_was_not_is_sent_again_until_it_has_settled(self, shelf: Shelf) -> None:
        shelf.put(BLUE, OURS_BLUE)
        shelf.change_faults.extend([(FAILED, False)] * 5)
        assert make_sure(Thing(shelf, RED), if_exists="update").action is Action.UPDATED
        assert (shelf.patches, shelf.objects[0].content) == (6, RED)

    def test_credentials_are_sent_again_for_they_cannot_be_seen(self, shelf: Shelf) -> None:
        shelf.put(RED, OURS_RED)
        shelf.change_faults.append((LOST, True))
        assert make_sure(Thing(shelf, RED, secret=True), if_exists="update").action is Action.UPDATED
        assert shelf.patches == 2

    def test_it_ends_with_the_last_error(self, shelf: Shelf, clock: Clock) -> None:
        shelf.put(BLUE, OURS_BLUE)
        shelf.change_faults.extend([(FAILED, False)] * 99)
        before = clock.time
        with pytest.raises(AepServerError):
            make_sure(Thing(shelf, RED), if_exists="update")
        assert 30 <= clock.time - before < 40

    def test_an_edit_by_somebody_else_meanwhile_is_not_overwritten(self, shelf: Shelf) -> None:
        shelf.put(BLUE, OURS_BLUE)
        thing = Thing(shelf, RED)

        def edited(*_: Any) -> None:
            shelf.held = [(at, replace(one, content={"color": "green"})) for at, one in shelf.held]
            raise LOST

        thing.change = edited  # type: ignore[method-assign]
        with pytest.raises(AepDifferenceError, match="edited by hand"):
            make_sure(thing, if_exists="update")

    def test_what_was_refused_is_not_sent_again(self, shelf: Shelf) -> None:
        shelf.put(BLUE, OURS_BLUE)
        shelf.change_faults.append((REFUSED, False))
        with pytest.raises(AepInvalidRequestError):
            make_sure(Thing(shelf, RED), if_exists="update")
        assert shelf.patches == 1
