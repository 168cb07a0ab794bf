"""Flow runs, as AEP lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aep_provider.platform.paging import flow_service_items, identified
from aep_provider.resources import flow_service
from aep_provider.resources.shapes import relied_on
from aep_provider.verdict import activities_of, mapping, milliseconds

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

COLLECTION = "runs"


def runs_of(client: AepClient, flow_id: str) -> list[dict[str, Any]]:
    """Return all runs of a flow. A flow that was just made has none, and that is no failure."""
    runs = flow_service_items(client, flow_service.path_of(COLLECTION), of_flow(flow_id))
    return [relied_on(run, COLLECTION) for run in runs]


def read_run(client: AepClient, run_id: str) -> dict[str, Any]:
    """
    Return one run.

    :raises AepNotFoundError: if there is none of this id (yet).
    """
    return identified(client.get(flow_service.path_of(COLLECTION, run_id)).body)


def of_flow(flow_id: str) -> list[tuple[str, str]]:
    """Return the filter for the runs of a flow."""
    return [("property", f"flowId=={flow_id}")]


def first_since(runs: Iterable[dict[str, Any]], since: int) -> dict[str, Any] | None:
    """
    Return the oldest run that started at or after a moment.

    :param since: epoch milliseconds.
    """
    later = [run for run in runs if _began_at(run) >= since]
    return min(later, key=lambda run: (_began_at(run), str(run.get("id"))), default=None)


def _began_at(run: dict[str, Any]) -> int:
    """A run that does not say when it was made or began is taken as old: it may be one that somebody has waited for."""
    metrics = run.get("metrics")
    times = metrics.get("durationSummary") if isinstance(metrics, dict) else None
    started = milliseconds(times.get("startedAtUTC")) if isinstance(times, dict) else None
    return max(milliseconds(run.get("createdAt")) or 0, started or 0)


class ReadBack:
    """
    How far a list of runs has to be read to find all that were created since a moment.

    AEP lists the most recently created or else the most recently changed first; which of them is not certain.
    Either way a run that is older in both respects is followed by none that was created since.

    :param since: epoch milliseconds.
    """

    def __init__(self, since: int) -> None:
        self._since = since
        self._by_creation = self._by_change = True
        self._last: tuple[int, int] | None = None
        self._old_was_seen = False

    def add(self, page: Iterable[Mapping[str, Any]]) -> None:
        """See the next runs. One that does not tell its moment shows no order."""
        for run in page:
            created, changed = (milliseconds(run.get(key)) or 0 for key in ("createdAt", "updatedAt"))
            last = self._last or (created, changed)
            self._by_creation = self._by_creation and 0 < created <= last[0]
            self._by_change = self._by_change and 0 < changed <= last[1]
            self._last = created, changed
            self._old_was_seen = self._old_was_seen or 0 < max(created, changed) < self._since

    @property
    def in_order(self) -> bool:
        """Whether the list is in one of the two orders, as far as was seen."""
        return self._by_creation or self._by_change

    @property
    def is_done(self) -> bool:
        """Whether no further page can hold a run that was created since."""
        return self.in_order and self._old_was_seen


def window_of(run: Mapping[str, Any]) -> tuple[int, int] | None:
    """
    Return the window that a run took, epoch milliseconds, None if it does not tell.

    On-demand runs echo it in ``params`` (seconds, perhaps as text); others tell it once rows were copied.
    """
    params = mapping(run.get("params"))
    window = _moments(params.get("windowStartTime"), params.get("windowEndTime"))
    if window:
        return window
    for activity in activities_of(run):
        extensions = mapping(mapping(activity.get("durationSummary")).get("extensions"))
        window = _moments(extensions.get("windowStart"), extensions.get("windowEnd"))
        if window:
            return window
    return None


def _moments(start: Any, end: Any) -> tuple[int, int] | None:
    first, last = milliseconds(start), milliseconds(end)
    return None if first is None or last is None else (first, last)
