"""Tasks that need each other: what is done in which order, and what a failure costs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import pytest

from aep_provider.dataflows.work import Task, work_off
from aep_provider.errors import AepError


class Log:
    """What was done, in order."""

    def __init__(self) -> None:
        self.done: list[Hashable] = []
        self.at_once = 0
        self._running = 0
        self._lock = threading.Lock()

    def task(self, key: str, *needs: str, rank: int = 0, also: Callable[[], Any] = lambda: None) -> Task:
        def do() -> Iterable[Task] | None:
            with self._lock:
                self._running += 1
                self.at_once = max(self.at_once, self._running)
            try:
                more: Iterable[Task] | None = also()
            finally:
                with self._lock:
                    self._running -= 1
                    self.done.append(key)
            return more

        return Task(key, do, frozenset(needs), rank)


@pytest.fixture
def log() -> Log:
    return Log()


def fails(error: BaseException) -> Callable[[], None]:
    def do() -> None:
        raise error

    return do


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_what_is_needed_is_done_before(log: Log, workers: int) -> None:
    tasks = [log.task("d", "b", "c"), log.task("b", "a"), log.task("c", "a"), log.task("a")]
    ended = work_off(tasks, workers=workers)
    assert (log.done[0], set(log.done[1:3]), log.done[3]) == ("a", {"b", "c"}, "d")
    assert (ended.done, ended.failed, ended.left) == ({"a", "b", "c", "d"}, {}, set())


def test_the_lower_rank_is_begun_first_and_equals_in_the_order_given(log: Log) -> None:
    work_off([log.task("late", rank=2), log.task("b", rank=1), log.task("c", rank=1), log.task("a")], workers=1)
    assert log.done == ["a", "b", "c", "late"]


def test_so_many_are_done_at_once_and_no_more(log: Log) -> None:
    together = threading.Barrier(3, timeout=10)

    def meet() -> None:
        together.wait()

    work_off([log.task(str(number), also=meet) for number in range(9)], workers=3)
    assert (len(log.done), log.at_once) == (9, 3)


def test_one_and_the_same_is_done_once(log: Log) -> None:
    """What two dataflows stand on is a task of both."""
    ended = work_off([log.task("base"), log.task("a", "base"), log.task("base"), log.task("b", "base")], workers=2)
    assert sorted(map(str, log.done)) == ["a", "b", "base"]
    assert ended.left == set()


def test_nothing_to_do() -> None:
    assert work_off([], workers=2).done == set()


class TestFailure:
    def test_costs_only_what_needs_it(self, log: Log) -> None:
        error = AepError("no")
        tasks = [
            log.task("a", also=fails(error)), log.task("on a", "a"), log.task("on that", "on a", "b"),
            log.task("b"), log.task("on b", "b"),
        ]  # fmt: skip
        ended = work_off(tasks, workers=2)
        assert (ended.failed, ended.done) == ({"a": error}, {"b", "on b"})
        assert ended.left == {"on a", "on that"}

    def test_what_nobody_does_is_left(self, log: Log) -> None:
        assert work_off([log.task("a", "nobody")], workers=1).left == {"a"}

    @pytest.mark.parametrize("error", [KeyError("a mistake"), KeyboardInterrupt(), SystemExit(1)])
    def test_anything_else_ends_the_work(self, log: Log, error: BaseException) -> None:
        """What runs ends, and nothing further is begun."""
        began, ending = threading.Event(), threading.Event()

        def long() -> None:
            began.set()
            assert ending.wait(10)

        def wrong() -> None:
            assert began.wait(10)
            threading.Timer(0.05, ending.set).start()
            raise error

        with pytest.raises(type(error)):
            work_off([log.task("long", also=long), log.task("wrong", also=wrong), log.task("next", "long")], workers=2)
        assert set(log.done) == {"long", "wrong"}


class TestStop:
    def test_nothing_further_is_begun(self, log: Log) -> None:
        stop = threading.Event()
        tasks = [log.task("a", also=stop.set), log.task("b", "a"), log.task("c", rank=1)]
        ended = work_off(tasks, workers=1, stop=stop)
        assert (log.done, ended.done, ended.left) == (["a"], {"a"}, {"b", "c"})

    def test_what_runs_ends(self, log: Log) -> None:
        stop, running = threading.Event(), threading.Event()

        def long() -> None:
            running.set()
            assert stop.wait(10)

        def says_stop() -> None:
            assert running.wait(10)
            stop.set()

        ended = work_off([log.task("long", also=long), log.task("stop", also=says_stop)], workers=2, stop=stop)
        assert ended.done == {"long", "stop"}

    def test_said_before_leaves_everything(self, log: Log) -> None:
        stop = threading.Event()
        stop.set()
        assert work_off([log.task("a"), log.task("b", "a")], workers=2, stop=stop).left == {"a", "b"}


class TestMoreTasks:
    """What has to be done may be known only when something was done."""

    def test_are_added(self, log: Log) -> None:
        more = [log.task("b"), log.task("c", "b", "a")]
        ended = work_off([log.task("a", also=lambda: more)], workers=2)
        assert (log.done, ended.left) == (["a", "b", "c"], set())

    def test_may_need_what_is_done_what_runs_and_what_waits(self, log: Log) -> None:
        more = [log.task("new", "first", "asks", "waits")]
        tasks = [log.task("first"), log.task("asks", "first", also=lambda: more), log.task("waits", "asks")]
        assert work_off(tasks, workers=2).left == set()
        assert log.done == ["first", "asks", "waits", "new"]

    def test_that_are_there_already_are_the_same(self, log: Log) -> None:
        work_off([log.task("base"), log.task("a", "base", also=lambda: [log.task("base"), log.task("b")])], workers=1)
        assert log.done == ["base", "a", "b"]

    def test_are_not_begun_once_somebody_said_stop(self, log: Log) -> None:
        stop = threading.Event()

        def asks() -> list[Task]:
            stop.set()
            return [log.task("b")]

        ended = work_off([log.task("a", also=asks)], workers=1, stop=stop)
        assert (ended.done, ended.left) == ({"a"}, {"b"})

    def test_whoever_needs_what_is_not_there_yet_waits_for_it(self, log: Log) -> None:
        tasks = [log.task("later", "b"), log.task("a", also=lambda: [log.task("b")])]
        work_off(tasks, workers=1)
        assert log.done == ["a", "b", "later"]

    def test_that_need_what_failed_are_left(self, log: Log) -> None:
        tasks = [
            log.task("bad", also=fails(AepError("no"))),
            log.task("asks", also=lambda: [log.task("new", "bad")], rank=1),
        ]
        assert work_off(tasks, workers=1).left == {"new"}
