"""Which windows a flow has taken: from AEP's list of its runs, and from what was remembered of those long settled."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from aep_provider.platform.paging import flow_service_items
from aep_provider.resources import flow_service
from aep_provider.resources.run import COLLECTION, of_flow, window_of
from aep_provider.resources.shapes import relied_on
from aep_provider.resources.window import Edges, Window, merged, windows_from
from aep_provider.verdict import RunState, Verdict, judge, milliseconds

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

log = logging.getLogger(__name__)


class Ledger(Protocol):
    """Where all tasks that load one dataset keep what they know. Nothing in it is needed as long as runs tell their windows."""

    def get(self, key: str) -> Any:
        """Return what was kept under ``key``, or None."""

    def set(self, key: str, value: Any) -> None:
        """Keep ``value``, JSON without None."""


class NoLedger:
    """For callers that have nowhere to keep anything."""

    def get(self, key: str) -> None:
        """Return None."""

    def set(self, key: str, value: Any) -> None:
        """Forget ``value``."""


@dataclass(frozen=True)
class PastRun:
    """A run that AEP lists."""

    id: str
    verdict: Verdict
    window: Window | None
    """None where neither AEP nor the ledger tells."""
    created_at: int
    """Epoch milliseconds; 0 where AEP does not tell."""

    @property
    def took_rows(self) -> bool:
        """Whether its rows are in the dataset, or may get there. A failed run leaves none."""
        return self.verdict.state is not RunState.FAILED

    def in_words(self) -> str:
        """Id, state and window."""
        return f"run {self.id} ({self.verdict.state}, {self.window or 'it does not tell its window'})"


@dataclass
class History:
    """
    What a flow has done.

    :param recent: the runs that were listed, the newest first.
    :param old: the windows of runs that need not be listed any more.
    """

    flow_id: str
    recent: list[PastRun]
    old: list[Window] = field(default_factory=list)

    def of(self, window: Window) -> list[PastRun]:
        """Return the listed runs over exactly ``window``, the newest first."""
        return [run for run in self.recent if run.window == window]

    def crossing(self, window: Window) -> list[PastRun]:
        """Return the listed runs that took rows of ``window``, and of another one besides."""
        return [
            run
            for run in self.recent
            if run.took_rows and run.window and run.window != window and run.window.overlaps(window)
        ]

    def untold(self) -> list[PastRun]:
        """Return the listed runs that may have taken any row."""
        return [run for run in self.recent if run.took_rows and run.window is None]

    def touches_old(self, window: Window) -> bool:
        """Whether a run that was not listed took a row of ``window``, or tried to."""
        return any(window.overlaps(old) for old in self.old)


def remember_run(ledger: Ledger, run_id: str, window: Window) -> None:
    """Keep the window of a run that was posted: not every run tells it."""
    ledger.set(f"aep_run:{run_id}", window.as_json())


def read_history(
    client: AepClient,
    flow_id: str,
    ledger: Ledger,
    *,
    now: float,
    settle_seconds: float,
    edges: Edges = Edges.START_INCLUSIVE,
    whole: bool = False,
) -> History:
    """
    Return what a flow has done, with as few requests as the ledger allows.

    AEP lists the newest runs first. What is older than the settling time and has ended is kept in the ledger as the
    stretches of time that it covers, so that years of windows need no reading again.

    :param now: epoch seconds.
    :param whole: read the list to its end, whatever the ledger knows.
    """
    settled = _Settled() if whole else _Settled.read(ledger, flow_id)
    recent: list[PastRun] = []
    for document in flow_service_items(client, flow_service.path_of(COLLECTION), of_flow(flow_id)):
        run = _past_run(relied_on(document, COLLECTION), ledger, edges)
        if not whole and (not run.created_at or (recent and run.created_at > recent[-1].created_at)):
            log.info("The runs of flow %s are not listed with the newest first: reading all of them", flow_id)
            return read_history(
                client, flow_id, ledger, now=now, settle_seconds=settle_seconds, edges=edges, whole=True
            )
        if run.created_at < settled.until:
            break
        recent.append(run)
    more = settled.with_runs(recent, int((now - settle_seconds) * 1000))
    if more != settled:
        more.keep(ledger, flow_id)
    return History(flow_id, recent, [*settled.covered, *settled.failed])


def _past_run(document: Mapping[str, Any], ledger: Ledger, edges: Edges) -> PastRun:
    verdict = judge(document)
    told = window_of(document)
    window = edges.read(*told) if told else _kept_window(ledger, verdict.run_id)
    return PastRun(verdict.run_id, verdict, window, milliseconds(document.get("createdAt")) or 0)


def _kept_window(ledger: Ledger, run_id: str) -> Window | None:
    kept = windows_from([ledger.get(f"aep_run:{run_id}")])
    return kept[0] if kept else None


@dataclass(frozen=True)
class _Settled:
    """What need not be read again: all runs created before ``until`` (epoch milliseconds), by what became of their windows."""

    until: int = 0
    covered: list[Window] = field(default_factory=list)
    failed: list[Window] = field(default_factory=list)

    @classmethod
    def read(cls, ledger: Ledger, flow_id: str) -> _Settled:
        kept = ledger.get(_key(flow_id))
        if not isinstance(kept, Mapping) or not isinstance(kept.get("until"), int):
            return cls()
        return cls(kept["until"], windows_from(kept.get("covered")), windows_from(kept.get("failed")))

    def keep(self, ledger: Ledger, flow_id: str) -> None:
        covered, failed = ([window.as_json() for window in part] for part in (self.covered, self.failed))
        ledger.set(_key(flow_id), {"until": self.until, "covered": covered, "failed": failed})

    def with_runs(self, recent: list[PastRun], until: int) -> _Settled:
        """Add the runs that were created before ``until``, as far as all before them have ended and tell their window."""
        for run in recent:
            if run.took_rows and (run.window is None or not run.verdict.state.has_ended):
                until = min(until, run.created_at)
        old = [run for run in recent if run.window and run.created_at < until]
        if not old:
            return self
        covered = [run.window for run in old if run.window and run.took_rows]
        failed = [run.window for run in old if run.window and not run.took_rows]
        return _Settled(until, merged([*self.covered, *covered]), merged([*self.failed, *failed]))


def _key(flow_id: str) -> str:
    return f"aep_history:{flow_id}"
