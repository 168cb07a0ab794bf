"""
One poll for all waits of a triggerer's process that go to the same connection and sandbox.

A thousand waits cost ten requests in a polling interval, however they came together: one request asks for a hundred runs,
and is filled up with those that are due next. A poller belongs to the event loop that it was made in, and ends with its last
wait.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakKeyDictionary

from aep_provider.errors import AepAuthenticationError, AepError, AepThrottledError
from aep_provider.resources.run_looks import (
    AT_ONCE,
    Document,
    Filters,
    Looking,
    first_runs,
    flows_by_id,
    look_async,
    runs_by_id,
)
from aep_provider.resources.run_wait import RunWait
from aep_provider.triggers.budget import Budget
from aep_provider.verdict import milliseconds

if TYPE_CHECKING:
    from aep_provider.platform.client import AepAsyncClient

AT_THE_SAME_TIME: Final = 4
FIRST_PAUSE_SECONDS: Final = 1.0
"""A run that ends soon is seen soon; one that takes its time is looked at ever more seldom, down to its interval."""
GATHER_SECONDS: Final = 0.1
"""How long the first look waits for others that begin at the same moment."""
LISTED_AFTER_SECONDS: Final = 600.0
"""A run that exists so long and is in no list shows that the filter finds nothing, for lists lag minutes."""
CHECK_INTERVALS: Final = 10
"""So many intervals apart, a flow in whose list nothing is found is asked for by itself."""

Connect = Callable[[], Awaitable["AepAsyncClient"]]
T = TypeVar("T")


@dataclass(eq=False)
class Seat:
    """
    One wait's place at the poller.

    :param interval: seconds between two looks at the most.
    """

    wait: RunWait
    interval: float
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something was seen."""
    broken: Exception | None = None
    """Why nothing will be seen any more."""


@dataclass(eq=False)
class _Item:
    """Something to look at: a run of a wait or, without an id, the first run of its flow. Moments are monotonic seconds."""

    seat: Seat
    run_id: str | None
    due: float
    pause: float
    checked: float = 0.0
    """When it was looked at by itself, for lists did not show it."""

    @property
    def wait(self) -> RunWait:
        return self.seat.wait

    @property
    def flow_id(self) -> str:
        return str(self.wait.awaited.flow_id)


class RunPoller:
    """
    Looks at runs for any number of waits.

    :param connect: makes a client; called again when its credentials are refused, for they may have been changed since.
    """

    def __init__(self, connect: Connect) -> None:
        self.client: AepAsyncClient | None = None
        self.has_ended = False
        self._connect = connect
        self._filters = Filters()
        self._items: dict[Seat, list[_Item]] = {}
        self._unlisted: list[_Item] = []
        self._doubt: _Item | None = None
        self._budget = Budget()
        self._counted = 0
        self._not_before = 0.0
        self._joined = asyncio.Event()
        self._connecting = asyncio.Lock()
        self._gate = asyncio.Semaphore(AT_THE_SAME_TIME)
        self.aside = asyncio.Lock()
        """For what a wait does besides, such as telling Airflow something: one at a time, so that no end is held up."""
        # In a context of its own: what is logged here must not look as if the first wait had said it.
        self._task = asyncio.get_running_loop().create_task(self._run(), context=contextvars.Context())

    def join(self, seat: Seat) -> None:
        """Look at what the wait waits for from now on."""
        due = time.monotonic() + min(GATHER_SECONDS, seat.interval)
        pause = min(FIRST_PAUSE_SECONDS, seat.interval)
        wanted: list[str | None] = [*seat.wait.run_ids] or [None]
        self._items[seat] = [_Item(seat, run_id, due, pause) for run_id in wanted]
        self._joined.set()

    async def leave(self, seat: Seat) -> None:
        """Look no more for this wait. With the last one, the poller ends and its connections are closed."""
        self._items.pop(seat, None)
        if not self._items:
            self.has_ended = True
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            self.client = await self._connect()
            while True:
                self._joined.clear()
                await self._until_next_round()
                await self._round()
        except Exception as error:
            # Nobody would see it here: each wait raises it.
            self.has_ended = True
            for seat in self._items:
                seat.broken = error
                seat.news.set()
        finally:
            if self.client:
                await self.client.close()

    # When to look

    async def _until_next_round(self) -> None:
        while (pause := self._next_round() - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(None if math.isinf(pause) else pause):
                    await self._joined.wait()
            except TimeoutError:
                return
            self._joined.clear()
            await asyncio.sleep(GATHER_SECONDS)

    def _next_round(self) -> float:
        soonest = min((item.due for items in self._items.values() for item in items), default=math.inf)
        return max(soonest, self._not_before, self._budget.next_at(self._interval(), self._at_least()))

    def _interval(self) -> float:
        return min((seat.interval for seat in self._items), default=FIRST_PAUSE_SECONDS)

    def _at_least(self) -> int:
        """How many requests it takes to see everything once."""
        items = [item for items in self._items.values() for item in items]
        at_once = AT_ONCE if self._filters.take_several else 1
        runs = sum(item.run_id is not None for item in items)
        return -(-runs // at_once) + -(-(len(items) - runs) // at_once)

    def _room(self) -> int:
        return self._budget.room(self._interval(), self._at_least())

    def _later(self, item: _Item, *, changed: bool) -> None:
        """Jitter only ever shortens a pause, so that nothing is seen later than the interval promises."""
        now = time.monotonic()
        item.pause = min(FIRST_PAUSE_SECONDS if changed else item.pause * 2, item.seat.interval)
        item.due = now + item.pause * random.uniform(0.85, 1.0)  # noqa: S311  no secret
        deadline = now + item.wait.awaited.deadline - time.time()
        if deadline > now:
            item.due = min(item.due, deadline)

    # What to look at

    async def _round(self) -> None:
        """Look at what is due, the longest due first, as far as the budget goes."""
        items = [item for items in self._items.values() for item in items]
        flows = [item for item in items if item.run_id is None]
        unknown = [item for item in flows if item.wait.asks_for_flow]
        looks = [
            *((batch, self._look_at_runs) for batch in self._batches([one for one in items if one.run_id], _run_id)),
            *((batch, self._look_for_first_runs) for batch in self._batches(sorted(flows, key=_since), _flow_id)),
            *((batch, self._look_at_flows) for batch in self._batches(unknown, _flow_id)),
        ]
        looks.sort(key=lambda look: look[0][0].due)
        if self._doubt:
            looks.insert(0, ([self._doubt], self._look_at_each))
        self._unlisted, self._doubt = [], None
        await _together(how(batch) for batch, how in looks[: self._room()])
        now = time.monotonic()
        longest = sorted(self._unlisted, key=lambda item: item.checked)
        again = [item for item in longest if item.run_id or now - item.checked > CHECK_INTERVALS * item.seat.interval]
        await self._look_at_each(again[: self._room()])

    def _batches(self, items: Sequence[_Item], key: Callable[[_Item], str]) -> Iterator[list[_Item]]:
        """Yield what one request can ask for, the longest due first: what is due, filled up with what is due next."""
        by_id: dict[str, list[_Item]] = {}
        for item in sorted(items, key=lambda item: item.due):
            by_id.setdefault(key(item), []).append(item)
        now = time.monotonic()
        for group in self._filters.batches(by_id):
            batch = [item for one in group for item in by_id[one]]
            if min(item.due for item in batch) <= now:
                yield batch

    async def _look_at_runs(self, batch: list[_Item]) -> None:
        seen = await self._looked(batch, runs_by_id(_distinct(batch, _run_id), self._filters))
        if seen is None:
            return
        unlisted = [item for item in batch if item.run_id not in seen]
        for item in batch:
            if item.run_id in seen:
                self._saw_run(item, seen[item.run_id])
            else:
                self._later(item, changed=False)
        if not seen and len(unlisted) > 1:
            # Not one of them: the filter itself may find nothing.
            self._doubt = min(unlisted, key=lambda item: item.checked)
        self._unlisted += unlisted

    async def _look_for_first_runs(self, batch: list[_Item]) -> None:
        since: dict[str, int] = {}
        for item in batch:
            since[item.flow_id] = min(since.get(item.flow_id, _since(item)), _since(item))
        # Waits for one flow that count from different moments are rare: those for the later ones look by themselves.
        alone = [item for item in batch if _since(item) != since[item.flow_id]]
        together = [item for item in batch if _since(item) == since[item.flow_id]]
        seen = await self._looked(together, first_runs(since, self._filters))
        for item in together if seen is not None else []:
            if seen is not None and item.flow_id in seen:
                self._saw_first_run(item, seen[item.flow_id])
            else:
                self._later(item, changed=False)
            if item.run_id is None and len(since) > 1:
                self._unlisted.append(item)
        for item in alone:
            await self._look_for_first_runs([item])

    async def _look_at_each(self, batch: list[_Item]) -> None:
        await _together(self._look_by_itself(item) for item in batch)

    async def _look_by_itself(self, item: _Item) -> None:
        """Look at something that lists do not show: they lag behind, or their filter finds nothing."""
        item.checked = time.monotonic()
        if item.run_id:
            seen = await self._looked([item], runs_by_id([item.run_id], self._filters))
            document = seen and seen[item.run_id]
            created = milliseconds(document.get("createdAt")) if document else None
            if created and time.time() - created / 1000 > LISTED_AFTER_SECONDS:
                self._filters.give_up("it leaves out what is there")
            if seen is not None:
                self._saw_run(item, document or None)
            return
        first = await self._looked([item], first_runs({item.flow_id: _since(item)}, self._filters))
        if first and (document := first[item.flow_id]):
            self._filters.give_up("it leaves out what is there")
            self._saw_first_run(item, document)

    async def _look_at_flows(self, batch: list[_Item]) -> None:
        seen = await self._looked(batch, flows_by_id(_distinct(batch, _flow_id), self._filters))
        for item in batch if seen is not None else []:
            if seen is not None and item.flow_id not in seen:
                seen |= await self._looked([item], flows_by_id([item.flow_id], self._filters)) or {}
            if seen is not None and item.flow_id in seen:
                item.wait.saw_flow(seen[item.flow_id], time.time())
                item.seat.news.set()

    # What was seen

    def _saw_run(self, item: _Item, document: Document | None) -> None:
        changed = item.wait.saw_run(str(item.run_id), document, time.time())
        self._told(item, changed=changed)

    def _saw_first_run(self, item: _Item, document: Document | None) -> None:
        changed = item.wait.saw_first_run(document, time.time())
        item.run_id = next(iter(item.wait.run_ids), None)
        self._told(item, changed=changed)

    def _told(self, item: _Item, *, changed: bool) -> None:
        self._later(item, changed=changed)
        mine = self._items.get(item.seat, [])
        if item.run_id and item.run_id not in item.wait.open_ids and item in mine:
            mine.remove(item)
        item.seat.news.set()

    # Asking

    async def _looked(self, batch: list[_Item], looking: Looking[T]) -> T | None:
        """Look; what goes wrong is told to all whom it concerns, and None comes back."""
        try:
            return await self._asked(looking)
        except AepError as error:
            if isinstance(error, AepThrottledError):
                self._not_before = time.monotonic() + (error.retry_after or self._interval())
            for item in batch:
                item.wait.failed(error, time.time())
                self._told(item, changed=False)
            return None

    async def _asked(self, looking: Looking[T]) -> T:
        async with self._gate:
            client = self.client
            if client is None:
                raise AepError("The poll of AEP has not begun")
            try:
                return await look_async(client, looking)
            except AepAuthenticationError:
                if not await self._reconnected(client):
                    raise
            finally:
                self._count(client)
        raise AepError("The Airflow connection of AEP was changed while runs were waited for")

    async def _reconnected(self, refused: AepAsyncClient) -> bool:
        """Read the Airflow connection again; return whether it holds other credentials than those that were refused."""
        async with self._connecting:
            if self.client is not refused:
                return True
            fresh = await self._connect()
            if fresh.settings == refused.settings:
                await fresh.close()
                return False
            self.client, self._counted = fresh, 0
            await refused.close()
            return True

    def _count(self, client: AepAsyncClient) -> None:
        if client is self.client:
            new, self._counted = client.requests_sent - self._counted, client.requests_sent
            self._budget.spend(new)


def _run_id(item: _Item) -> str:
    return str(item.run_id)


def _flow_id(item: _Item) -> str:
    return item.flow_id


def _since(item: _Item) -> int:
    return item.wait.awaited.since


def _distinct(batch: list[_Item], key: Callable[[_Item], str]) -> list[str]:
    return list(dict.fromkeys(map(key, batch)))


async def _together(looks: Iterator[Awaitable[None]]) -> None:
    """Look side by side. What breaks ends all of it."""
    try:
        async with asyncio.TaskGroup() as group:
            for look in looks:
                group.create_task(look)  # type: ignore[arg-type]  # coroutines, all of them
    except* Exception as broken:
        raise broken.exceptions[0] from None


_POLLERS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str | None], RunPoller]] = WeakKeyDictionary()


@asynccontextmanager
async def watched(key: tuple[str, str | None], connect: Connect, seat: Seat) -> AsyncGenerator[RunPoller]:
    """
    Have this event loop's poller look at what a wait waits for, as long as the block lasts.

    :param key: the Airflow connection and the sandbox: waits with the same ones share a poller.
    """
    pollers = _POLLERS.setdefault(asyncio.get_running_loop(), {})
    poller = pollers.get(key)
    if poller is None or poller.has_ended:
        poller = pollers[key] = RunPoller(connect)
    poller.join(seat)
    try:
        yield poller
    finally:
        await poller.leave(seat)
        if poller.has_ended and pollers.get(key) is poller:
            del pollers[key]
