"""Tasks that need each other, done side by side as far as they do not."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event

from aep_provider.errors import AepError


@dataclass(frozen=True)
class Task:
    """
    Something to do.

    :param needs: what has to be done first.
    :param rank: of two that could be done, the one of the lower rank is begun first.
    :param do: does it; tasks that it returns are added.
    """

    key: Hashable
    do: Callable[[], Iterable[Task] | None]
    needs: frozenset[Hashable] = frozenset()
    rank: int = 0


@dataclass
class Ended:
    """
    What became of tasks.

    :param failed: by key, why; what needs it was not begun.
    :param left: what was not begun, because something that it needs failed, or because somebody said stop.
    """

    done: set[Hashable] = field(default_factory=set)
    failed: dict[Hashable, AepError] = field(default_factory=dict)
    left: set[Hashable] = field(default_factory=set)


class _Graph:
    def __init__(self) -> None:
        self.ended = Ended()
        self._waiting: dict[Hashable, set[Hashable]] = {}
        self._users: dict[Hashable, list[Task]] = defaultdict(list)
        self._ready: list[tuple[int, int, Task]] = []
        self._known: set[Hashable] = set()
        self._order = itertools.count()

    def add(self, tasks: Iterable[Task]) -> None:
        """Add tasks; one whose key is known already is the same one."""
        for task in tasks:
            if task.key in self._known:
                continue
            self._known.add(task.key)
            open_needs = {need for need in task.needs if need not in self.ended.done}
            if open_needs:
                self._waiting[task.key] = open_needs
                for need in open_needs:
                    self._users[need].append(task)
            else:
                self._push(task)

    def next(self) -> Task | None:
        return heapq.heappop(self._ready)[2] if self._ready else None

    def finish(self, task: Task) -> None:
        self.ended.done.add(task.key)
        for user in self._users.pop(task.key, []):
            self._waiting[user.key].discard(task.key)
            if not self._waiting[user.key]:
                del self._waiting[user.key]
                self._push(user)

    def close(self) -> Ended:
        self.ended.left = {*self._waiting, *(task.key for _, _, task in self._ready)}
        return self.ended

    def _push(self, task: Task) -> None:
        heapq.heappush(self._ready, (task.rank, next(self._order), task))


def work_off(tasks: Iterable[Task], *, workers: int, stop: Event | None = None) -> Ended:
    """
    Do tasks, each as soon as what it needs is done, at most ``workers`` at a time.

    What fails with one of our exceptions costs only what needs it. Anything else, such as a mistake in the program or
    Ctrl-C, ends the work once the tasks that run have ended.

    :param stop: once set, nothing further is begun.
    """
    graph = _Graph()
    graph.add(tasks)
    running: dict[Future[Iterable[Task] | None], Task] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="aep-apply") as pool:
        while True:
            while len(running) < workers and not (stop and stop.is_set()) and (task := graph.next()):
                running[pool.submit(task.do)] = task
            if not running:
                return graph.close()
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                try:
                    more = future.result()
                except AepError as error:
                    graph.ended.failed[task.key] = error
                else:
                    graph.add(more or ())
                    graph.finish(task)
