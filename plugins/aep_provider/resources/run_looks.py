"""
What to ask AEP about runs that are waited for, without any I/O: a hundred of them in one request.

Each look is a generator. It yields what to ask for, is sent the answer's body or thrown its error, and returns what was
seen. So workers and the triggerer, which ask in different ways, look in the same one.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aep_provider.errors import AepError, AepInvalidRequestError, AepNotFoundError
from aep_provider.platform.paging import FlowPages, identified
from aep_provider.resources import flow_service
from aep_provider.resources.flow_state import FLOWS
from aep_provider.resources.run import COLLECTION, ReadBack, first_since, of_flow
from aep_provider.resources.shapes import relied_on

if TYPE_CHECKING:
    from aep_provider.platform.client import AepAsyncClient, AepClient
    from aep_provider.resources.run_wait import RunWait

log = logging.getLogger(__name__)

AT_ONCE: Final = 100
"""How many objects one request asks for: no page is longer."""

# What stands in an id cannot end a value of a filter, nor begin the next.
_PLAIN: Final = re.compile(r"[\w.-]+", re.ASCII)

T = TypeVar("T")
Document = dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """One request to read."""

    path: str
    params: list[tuple[str, str]] = field(default_factory=list)


Looking = Generator[Ask, Any, T]


def look(client: AepClient, looking: Looking[T]) -> T:
    """Look with the client of a worker."""
    try:
        ask = next(looking)
        while True:
            try:
                body = client.get(ask.path, params=ask.params).body
            except AepError as error:
                ask = looking.throw(error)
            else:
                ask = looking.send(body)
    except StopIteration as end:
        seen: T = end.value
        return seen


async def look_async(client: AepAsyncClient, looking: Looking[T]) -> T:
    """Look with the client of the triggerer."""
    try:
        ask = next(looking)
        while True:
            try:
                body = (await client.get(ask.path, params=ask.params)).body
            except AepError as error:
                ask = looking.throw(error)
            else:
                ask = looking.send(body)
    except StopIteration as end:
        seen: T = end.value
        return seen


def look_for(client: AepClient, wait: RunWait, filters: Filters, clock: Callable[[], float] = time.time) -> None:
    """Look once, with the client of a worker, at what a wait waits for, and tell it what was seen."""
    try:
        if wait.run_ids:
            for batch in filters.batches(wait.open_ids):
                seen = look(client, runs_by_id(batch, filters))
                for run_id in batch:
                    if run_id not in seen:
                        seen |= look(client, runs_by_id([run_id], filters))
                    wait.saw_run(run_id, seen[run_id], clock())
            return
        flow_id, since = str(wait.awaited.flow_id), wait.awaited.since
        wait.saw_first_run(look(client, first_runs({flow_id: since}, filters))[flow_id], clock())
        if wait.asks_for_flow:
            wait.saw_flow(look(client, flows_by_id([flow_id], filters))[flow_id], clock())
    except AepError as error:
        wait.failed(error, clock())


class Filters:
    """Whether AEP takes several values in one filter. Once it is seen not to, every object is asked for by itself."""

    def __init__(self) -> None:
        self.take_several = True

    def give_up(self, why: str) -> None:
        """Ask for each object by itself from now on, and say so once."""
        if self.take_several:
            log.warning("AEP does not take a filter with several values (%s): asking for each object by itself", why)
        self.take_several = False

    def batches(self, ids: Iterable[str]) -> list[list[str]]:
        """Return the ids in groups, each of which one request can ask for."""
        every = list(dict.fromkeys(ids))
        if not self.take_several:
            return [[one] for one in every]
        plain = [one for one in every if _PLAIN.fullmatch(one)]
        groups = [plain[start : start + AT_ONCE] for start in range(0, len(plain), AT_ONCE)]
        return groups + [[one] for one in every if not _PLAIN.fullmatch(one)]


def runs_by_id(ids: Sequence[str], filters: Filters) -> Looking[dict[str, Document | None]]:
    """
    See some runs. One that AEP has not shown is None; one of which nothing can be said is left out.

    A list shows a run minutes late where its own address shows it at once: see :func:`run_by_id`.

    :param ids: as :meth:`Filters.batches` grouped them.
    """
    if len(ids) == 1:
        return {ids[0]: (yield from run_by_id(ids[0]))}
    return (yield from _listed(COLLECTION, ids, filters))


def run_by_id(run_id: str) -> Looking[Document | None]:
    """See one run at its own address, None if AEP knows none of this id (yet)."""
    try:
        body = yield Ask(flow_service.path_of(COLLECTION, run_id))
    except AepNotFoundError:
        return None
    return identified(body)


def flows_by_id(ids: Sequence[str], filters: Filters) -> Looking[dict[str, Document | None]]:
    """See some flows, as :func:`runs_by_id` does."""
    if len(ids) > 1:
        return (yield from _listed(FLOWS, ids, filters))
    try:
        body = yield Ask(flow_service.path_of(FLOWS, ids[0]))
    except AepNotFoundError:
        return {ids[0]: None}
    return {ids[0]: identified(body)}


def first_runs(since: Mapping[str, int], filters: Filters) -> Looking[dict[str, Document | None]]:
    """
    See the first run of each of some flows, None if it has none yet; a flow of which nothing can be said is left out.

    :param since: for each flow, which runs count: those that started at or after this moment, epoch milliseconds.
    """
    flows = list(since)
    pages = FlowPages(flow_service.path_of(COLLECTION), of_flow(",".join(flows)))
    runs: list[Document] = []
    back = ReadBack(min(since.values()))
    while pages.more and not back.is_done:
        try:
            body = yield Ask(pages.path, pages.params)
        except AepInvalidRequestError as error:
            if len(flows) == 1:
                raise
            filters.give_up(str(error))
            return {}
        page = [relied_on(run, COLLECTION) for run in pages.items(body)]
        if len(flows) > 1 and any(run.get("flowId") not in since for run in page):
            filters.give_up("it changes nothing")
            return {}
        runs += page
        back.add(page)
    if len(flows) == 1:
        return {flows[0]: first_since(runs, since[flows[0]])}
    return {flow: first_since((run for run in runs if run.get("flowId") == flow), since[flow]) for flow in flows}


def _listed(collection: str, ids: Sequence[str], filters: Filters) -> Looking[dict[str, Document | None]]:
    pages = FlowPages(flow_service.path_of(collection), [("property", f"id=={','.join(ids)}")])
    found: dict[str, Document | None] = {}
    while pages.more and len(found) < len(ids):
        try:
            body = yield Ask(pages.path, pages.params)
        except AepInvalidRequestError as error:
            filters.give_up(str(error))
            return {}
        for document in pages.items(body):
            relied_on(document, collection)
            if document.get("id") not in ids:
                filters.give_up("it changes nothing")
                return {}
            found[str(document["id"])] = document
    return found
