"""What was read of a sandbox, and reading what is new: flows, and the runs of some days."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from aep_provider.errors import AepAnswerError
from aep_provider.platform.paging import flow_service_items
from aep_provider.resources import flow_service
from aep_provider.resources.flow_state import FLOWS
from aep_provider.resources.run import COLLECTION
from aep_provider.resources.shapes import relied_on
from aep_provider.resources.watch_runs import documents_by_id, pages_since
from aep_provider.ui.seen_run import SeenRun
from aep_provider.verdict import milliseconds

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

log = logging.getLogger(__name__)

MOST_RUNS: Final = 50_000
"""Kept of one sandbox, the newest; about half a kilobyte each."""
MOST_FLOWS: Final = 20_000
LAG_MS: Final = 900_000
"""How late AEP may list a run."""
MOST_ODD: Final = 1_000
_FLOWS_EVERY: Final = 300.0
_SHOWN_AFTER: Final = (1, 10, 40, 100)
"""Pages of a first reading, and then each time that so many more were read as in the last."""
_DAY_MS: Final = 86_400_000
_NEVER: Final = 2**63


class Reading:
    """
    All that the page knows of a sandbox. One thread reads at a time.

    :param days: how far back runs are read.
    """

    def __init__(self, days: int) -> None:
        self.days = days
        self.flows: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, SeenRun] = {}
        self.by_flow: dict[str, tuple[SeenRun, ...]] = {}
        """The runs of each flow, the newest first."""
        self.known_since = _NEVER
        """All runs that were created since are here; epoch milliseconds."""
        self.is_whole = False
        """Whether runs have once been read as far back as they should."""
        self.is_cut = False
        """Whether there are more runs than are kept."""
        self.changed: set[str] = set()
        """Flows of which something is new; whoever has looked at them empties it."""
        self._odd: dict[tuple[str, str], tuple[int, str]] = {}
        """When what is not of AEP's form was created, and what is wrong, by collection and id."""
        self._read_at = 0
        self._flows_at = 0.0

    def read(self, client: AepClient, now: float) -> Iterator[None]:
        """
        Read what is new. Yields whenever there is something more to be shown.

        The first reading goes back over all days, in requests for a hundred runs each; a later one only to what may have been
        listed since.

        :param now: epoch seconds.
        :raises AepError: what was read until then stays.
        """
        start = int(now * 1000)
        if not self.is_whole:
            self.known_since = start
        if now - self._flows_at >= _FLOWS_EVERY:
            self._read_flows(client, now)
            yield
        oldest = start - self.days * _DAY_MS
        since = max(self._read_at - LAG_MS, oldest) if self.is_whole else oldest
        reached, is_cut = start, False
        for number, page in enumerate(pages_since(client, since), 1):
            self._add(self._understood(page, COLLECTION))
            reached = min(reached, _last_moment(page) or reached)
            if self.is_whole:
                continue
            self.known_since = max(reached, oldest)
            if is_cut := len(self.runs) > MOST_RUNS:
                break
            if number in _SHOWN_AFTER or number % _SHOWN_AFTER[-1] == 0:
                self._group()
                yield
        self._look_again(client)
        if not (self.is_whole or is_cut):
            self.known_since = oldest
        self.is_whole, self._read_at = True, start
        self._forget(oldest)
        if any(flow_id not in self.flows for flow_id in self.changed):
            self._read_flows(client, now)
        self._group()
        yield

    def _read_flows(self, client: AepClient, now: float) -> None:
        found: dict[str, dict[str, Any]] = {}
        self._odd = {key: odd for key, odd in self._odd.items() if key[0] != FLOWS}
        for document in self._understood(flow_service_items(client, flow_service.path_of(FLOWS)), FLOWS):
            found[str(document["id"])] = document
            if len(found) >= MOST_FLOWS:
                log.warning("The sandbox has more than %d flows: the page shows no more", MOST_FLOWS)
                break
        self.changed |= {each for each in found.keys() | self.flows.keys() if found.get(each) != self.flows.get(each)}
        self.flows, self._flows_at = found, now

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the sandbox is not shown, a sentence for each kind."""
        flaws: dict[str, list[str]] = defaultdict(list)
        for (collection, _), (_, flaw) in self._odd.items():
            flaws[collection].append(flaw)
        return tuple(
            f"{len(found):,} of the sandbox's {collection} cannot be understood, and {'is' if len(found) == 1 else 'are'} "
            f"not shown. {found[-1]}"
            for collection, found in flaws.items()
        )

    def _understood(self, documents: Iterable[dict[str, Any]], collection: str) -> Iterator[dict[str, Any]]:
        """Those that are of AEP's form; whatever else is there must not hide them."""
        for document in documents:
            told = document.get("id") if isinstance(document, Mapping) else None
            try:
                whole = relied_on(document, collection)
            except AepAnswerError as error:
                created = milliseconds(document.get("createdAt")) if isinstance(document, Mapping) else None
                if len(self._odd) < MOST_ODD:
                    self._odd[collection, str(told)[:100]] = created or 0, str(error)
            else:
                self._odd.pop((collection, str(told)), None)
                yield whole

    def _add(self, documents: Iterable[dict[str, Any]]) -> None:
        for document in documents:
            run = SeenRun.of(document)
            if self.runs.get(run.id) != run:
                self.runs[run.id] = run
                self.changed.add(run.flow_id)

    def _look_again(self, client: AepClient) -> None:
        """At the runs that went on when they were last seen and that the list need not have shown again."""
        if self.is_whole:
            before = self._read_at - LAG_MS
            still = [run.id for run in self.runs.values() if not run.has_ended and run.created_at < before]
            found = documents_by_id(client, still)
            self._add(found.values())
            for gone in set(still) - found.keys():
                self.changed.add(self.runs.pop(gone).flow_id)

    def _forget(self, oldest: int) -> None:
        """What is too old, and what there is no room for."""
        late = [run for run in self.runs.values() if run.has_ended and 0 < run.created_at < oldest]
        spare = len(self.runs) - len(late) - MOST_RUNS
        if spare > 0:
            late = sorted(self.runs.values(), key=lambda run: run.created_at)[: spare + len(late)]
            self.known_since = max(self.known_since, late[-1].created_at + 1)
        self._odd = {key: odd for key, odd in self._odd.items() if key[0] != COLLECTION or not 0 < odd[0] < oldest}
        self.is_cut = self.known_since > oldest
        self.known_since = max(self.known_since, oldest)
        for run in late:
            del self.runs[run.id]
            self.changed.add(run.flow_id)

    def _group(self) -> None:
        grouped: dict[str, list[SeenRun]] = defaultdict(list)
        for run in self.runs.values():
            if run.flow_id in self.changed:
                grouped[run.flow_id].append(run)
        fresh = {
            flow_id: tuple(sorted(grouped[flow_id], key=lambda run: (run.created_at, run.id), reverse=True))
            for flow_id in self.changed
        }
        # A new mapping each time: what was published before stays as it is.
        self.by_flow = {flow_id: runs for flow_id, runs in {**self.by_flow, **fresh}.items() if runs}


def _last_moment(page: list[dict[str, Any]]) -> int:
    """
    Before when all runs on further pages were created, 0 where that cannot be told.

    The list is by creation or by change, and what was changed before a moment was created before it.
    """
    last = page[-1] if page else {}
    return max(milliseconds(last.get(key)) or 0 for key in ("createdAt", "updatedAt"))
