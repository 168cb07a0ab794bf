"""Reading the runs of a sandbox: the newest ones, and those that went on when they were last read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aep_provider.platform.paging import FlowPages
from aep_provider.resources import flow_service, run_looks
from aep_provider.resources.run import COLLECTION, ReadBack
from aep_provider.verdict import Verdict, judge, milliseconds

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SeenRun:
    """A run that AEP shows. Moments are epoch milliseconds, 0 where AEP does not tell."""

    id: str
    flow_id: str
    verdict: Verdict
    created_at: int
    updated_at: int

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> SeenRun:
        """Return what a run's document tells."""
        verdict = judge(document)
        created, updated = (milliseconds(document.get(key)) or 0 for key in ("createdAt", "updatedAt"))
        return cls(verdict.run_id, verdict.flow_id, verdict, created, updated)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.verdict.state.has_ended

    @property
    def began_at(self) -> int:
        """When it began."""
        return self.verdict.started_at or self.created_at

    @property
    def ended_at(self) -> int:
        """When it ended. Some failed runs do not tell, so the last change of their document stands for it."""
        return self.verdict.completed_at or self.updated_at or self.began_at

    def touches(self, since: int) -> bool:
        """Whether anything happened to it at or after a moment, or it does not tell when anything did."""
        moments = [moment for moment in (self.created_at, self.updated_at) if moment]
        return not moments or max(moments) >= since


def runs_since(client: AepClient, since: int) -> dict[str, SeenRun]:
    """
    Return the runs of the sandbox that were created since a moment, and others that changed since, by id.

    Runs that were created before and have changed since are certain to be here only if the list is by change
    (:class:`~aep_provider.resources.run.ReadBack`): whoever knows their ids looks them up.

    :param since: epoch milliseconds.
    """
    found: dict[str, SeenRun] = {}
    for page in pages_since(client, since):
        # A list that grows while it is read may show a run on two pages, the later one fresher.
        found |= {run.id: run for run in map(SeenRun.of, page) if run.touches(since)}
    return found


def pages_since(client: AepClient, since: int) -> Iterator[list[dict[str, Any]]]:
    """
    Yield the pages of the sandbox's runs until no further one can hold a run that was created since a moment.

    :param since: epoch milliseconds.
    """
    back = ReadBack(since)
    pages = FlowPages(flow_service.path_of(COLLECTION), None)
    while pages.more and not back.is_done:
        page = pages.items(client.get(pages.path, params=pages.params).body)
        back.add(page)
        yield page
    if not back.in_order:
        log.warning("AEP lists runs neither by creation nor by change, so all of them had to be read")


def runs_by_id(client: AepClient, run_ids: Iterable[str]) -> dict[str, SeenRun]:
    """Return some runs by id, many in one request where AEP can do that. Those that AEP does not know are left out."""
    return {run_id: SeenRun.of(document) for run_id, document in documents_by_id(client, run_ids).items()}


def documents_by_id(client: AepClient, run_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the documents of some runs, as :func:`runs_by_id` does."""
    filters = run_looks.Filters()
    found: dict[str, dict[str, Any]] = {}
    for batch in filters.batches(run_ids):
        seen = run_looks.look(client, run_looks.runs_by_id(batch, filters))
        for run_id in batch:
            if run_id not in seen:
                seen |= run_looks.look(client, run_looks.runs_by_id([run_id], filters))
            document = seen[run_id]
            if document is None:
                log.warning("Run %s, which went on when it was last seen, is not there any more", run_id)
            else:
                found[run_id] = document
    return found
