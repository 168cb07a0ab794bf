"""Which windows of a stretch of time have been loaded: what AEP's runs tell, over all flows that loaded them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepNotFoundError
from aep_provider.platform.paging import flow_service_items
from aep_provider.resources import flow, flow_service
from aep_provider.resources.run import runs_of, window_of
from aep_provider.resources.run_history import PastRun
from aep_provider.resources.shapes import relied_on
from aep_provider.resources.target_connection import TargetConnection
from aep_provider.resources.window import Edges, Window, merged
from aep_provider.verdict import RunState, Tolerance, judge, milliseconds

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient


class WindowState(StrEnum):
    """What became of a window, as far as it lies in the range that was asked for."""

    SUCCEEDED = "succeeded"
    PARTIAL = "partly succeeded"
    """All of it was loaded, but rows were rejected."""
    RUNNING = "running"
    IN_PART = "loaded in part"
    """By runs of other windows, which leave some of it out."""
    FAILED = "failed"
    NEVER = "never ran"
    UNKNOWN = "cannot be told"
    """No run that tells its window loaded it, but one that does not may have."""
    NOT_DUE = "not due yet"


class Answer(StrEnum):
    """What can be said of the whole range."""

    COMPLETE = "complete"
    """All that is due was loaded, and no row twice."""
    INCOMPLETE = "incomplete"
    """Something is missing, failed, was loaded twice, lost more rows than are borne, or still runs."""
    UNKNOWN = "cannot be told"
    """Nothing wrong was found, but runs that do not tell their window may have loaded anything."""


@dataclass(frozen=True)
class Generation:
    """A flow that loads the dataflow, or did so until it was replaced."""

    id: str
    name: str
    recurs: bool
    """AEP schedules it."""
    targets: tuple[str, ...] = ()
    """Ids of its target connections, which say in which dataset its rows land."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Generation:
        """Return what a flow's document tells."""
        relied_on(document, flow.COLLECTION)
        frequency = (document.get("scheduleParams") or {}).get("frequency")
        targets = tuple(str(one) for one in document.get("targetConnectionIds") or [])
        return cls(str(document.get("id")), str(document.get("name")), frequency != "once", targets)


@dataclass(frozen=True)
class Expectation:
    """
    What should have been loaded.

    :param range: the stretch of time that is asked about.
    :param windows: the windows of the schedule that lie in the range or reach into it; None if there is no schedule, so that
        all of the range should be covered, in whichever windows.
    :param due: up to when windows should have been loaded, epoch seconds. A window that ends later is not missed.
    :param tolerance: how many rejected rows are borne.
    """

    range: Window
    windows: Sequence[Window] | None
    due: float
    tolerance: Tolerance


@dataclass(frozen=True)
class WindowReport:
    """A window, and the runs that took rows of it or tried to, the newest first."""

    window: Window
    state: WindowState
    runs: list[PastRun]
    scheduled: bool = True
    """False for one that the schedule does not have: somebody chose it."""


@dataclass(frozen=True)
class Overlap:
    """A stretch of time whose rows were loaded more than once."""

    window: Window
    runs: list[PastRun]


@dataclass(frozen=True)
class Coverage:
    """
    What is known of a range.

    :param gaps: what should have been loaded, and neither was nor is being loaded; neighbours in one.
    :param untold: the runs that may have taken any row, for they do not tell their window.
    :param short: the runs that rejected more rows than are borne.
    """

    windows: list[WindowReport]
    gaps: list[Window]
    overlaps: list[Overlap]
    untold: list[PastRun]
    short: list[PastRun]

    @property
    def answer(self) -> Answer:
        """What this comes to. What is certain goes before what cannot be told."""
        # A failed window need not be a gap: it may not be due.
        wanting = any(report.state in (WindowState.RUNNING, WindowState.FAILED) for report in self.windows)
        if self.overlaps or self.short or wanting or (self.gaps and not self.untold):
            return Answer.INCOMPLETE
        return Answer.UNKNOWN if self.untold else Answer.COMPLETE


def generations(flows: Iterable[Mapping[str, Any]], name: str) -> list[Generation]:
    """Return the flows of a dataflow: the one that bears its name, and those that it replaced."""
    pattern = re.compile(rf"{re.escape(name)}(?: \(replaced [^()]*\))?")
    return [Generation.of(document) for document in flows if pattern.fullmatch(str(document.get("name")))]


def of_one_dataset(client: AepClient, flows: Sequence[Generation], name: str) -> list[Generation]:
    """
    Return those generations that load, or loaded, the dataset of the one that bears the dataflow's name.

    A dataflow that was given another dataset begins anew: what lies in the old one is no window of the new one.
    """
    now = next((one for one in flows if one.name == name), None)
    if now is None or len(flows) < 2:
        return list(flows)
    dataset = _dataset_of(client, now)
    return [one for one in flows if one is now or dataset is None or _dataset_of(client, one) in (None, dataset)]


def _dataset_of(client: AepClient, flow: Generation) -> object:
    """What cannot be told is None: a connection that was deleted says nothing any more."""
    for target in flow.targets:
        try:
            document = flow_service.read(client, TargetConnection.collection, target)
        except AepNotFoundError:
            return None
        return (document.get("params") or {}).get("dataSetId")
    return None


def all_flows(client: AepClient) -> list[dict[str, Any]]:
    """Return all flows of the sandbox: AEP's filters cannot find those of a name that only begins alike."""
    return list(flow_service_items(client, flow_service.path_of(flow.COLLECTION)))


def past_runs(client: AepClient, flows: Iterable[Generation], edges: Edges = Edges.START_INCLUSIVE) -> list[PastRun]:
    """
    Return all runs of some flows, the newest first.

    :param edges: which edges AEP counts in when a window is posted. Those of its own schedules follow each other.
    """
    found: dict[str, PastRun] = {}
    for each in flows:
        for document in runs_of(client, each.id):
            verdict = judge(document)
            told = window_of(document)
            window = window_taken(told, edges, recurs=each.recurs)
            created = milliseconds(document.get("createdAt")) or 0
            # A list that grows while it is read may show a run on two pages.
            found.setdefault(verdict.run_id, PastRun(verdict.run_id, verdict, window, created))
    return sorted(found.values(), key=lambda run: run.created_at, reverse=True)


def window_taken(told: tuple[int, int] | None, edges: Edges, *, recurs: bool) -> Window | None:
    """
    Return the window of a run, None if it does not tell one.

    :param told: its edges as :func:`~aep_provider.resources.run.window_of` reads them.
    :param edges: which edges AEP counts in when a window is posted.
    :param recurs: whether AEP has scheduled the run by itself.
    """
    if told is None:
        return None
    return _own_window(*told) if recurs else edges.read(*told)


def cover(runs: Sequence[PastRun], expected: Expectation) -> Coverage:
    """Return what runs, the newest first, have loaded of what should be there."""
    told = [run for run in runs if run.window and run.window.overlaps(expected.range)]
    untold = [run for run in runs if run.window is None and run.took_rows]
    loaded = [run for run in told if run.took_rows and run.verdict.state.has_ended]
    schedule = merged(expected.windows or ())
    others = {run.window for run in told if run.window and not any(run.window.overlaps(area) for area in schedule)}
    reports = [
        _report(window, runs, expected, scheduled=window not in others, anything=bool(untold))
        for window, runs in _touching([*(expected.windows or ()), *others], told)
    ]
    under_way = [run for run in told if run.took_rows]
    return Coverage(
        windows=reports,
        gaps=[gap for area in _due(expected) for gap in uncovered(area, _windows(under_way))],
        overlaps=_overlaps(loaded, expected.range),
        untold=untold,
        short=[run for run in loaded if not expected.tolerance.bears(run.verdict)],
    )


def uncovered(window: Window, taken: Iterable[Window]) -> list[Window]:
    """Return the stretches of a window that no other covers, in order."""
    gaps, at = [], window.start
    for other in merged(taken):
        if not other.overlaps(window):
            continue
        if at < other.start:
            gaps.append(Window(at, other.start))
        at = other.end
    if at < window.end:
        gaps.append(Window(at, window.end))
    return gaps


def _touching(windows: Iterable[Window], runs: Sequence[PastRun]) -> Iterator[tuple[Window, list[PastRun]]]:
    """Yield each window, in order, with the runs that share time with it; years of small windows take no longer than that."""
    waiting = deque(sorted(runs, key=_begin))
    here: list[PastRun] = []
    for window in sorted(windows):
        while waiting and _begin(waiting[0]) < window.end:
            here.append(waiting.popleft())
        here = [run for run in here if run.window and run.window.end > window.start]
        touching = [run for run in here if run.window and run.window.overlaps(window)]
        yield window, sorted(touching, key=lambda run: run.created_at, reverse=True)


def _begin(run: PastRun) -> int:
    return run.window.start if run.window else 0


def _report(
    window: Window, touching: Sequence[PastRun], expected: Expectation, *, scheduled: bool, anything: bool
) -> WindowReport:
    part = _cut(window, expected.range)
    runs = [run for run in touching if run.window and run.window.overlaps(part)]
    loaded = [run for run in runs if run.took_rows and run.verdict.state.has_ended]
    missing = uncovered(part, _windows(loaded))
    if any(run.took_rows and not run.verdict.state.has_ended for run in runs):
        state = WindowState.RUNNING
    elif not missing:
        partly = any(run.verdict.state is RunState.PARTIAL for run in loaded)
        state = WindowState.PARTIAL if partly else WindowState.SUCCEEDED
    elif scheduled and window.end > expected.due and not runs:
        state = WindowState.NOT_DUE
    elif anything:
        state = WindowState.UNKNOWN
    elif loaded:
        state = WindowState.IN_PART
    else:
        state = WindowState.FAILED if runs else WindowState.NEVER
    return WindowReport(window, state, runs, scheduled)


def _due(expected: Expectation) -> list[Window]:
    """What should have been loaded by now, neighbouring windows in one."""
    due, asked = int(expected.due), expected.range
    if expected.windows is not None:
        return merged(_cut(window, asked) for window in expected.windows if window.end <= due)
    return [Window(asked.start, min(asked.end, due))] if asked.start < due else []


def _overlaps(loaded: Sequence[PastRun], asked: Window) -> list[Overlap]:
    """The stretches that more than one run loaded. One that wrote no row brought none twice."""
    runs = [run for run in loaded if run.verdict.rows_written != 0]
    edges = sorted({edge for run in runs if run.window for edge in _cut(run.window, asked).as_json()})
    found: list[Overlap] = []
    stretches = [Window(start, end) for start, end in pairwise(edges)]
    for stretch, here in _touching(stretches, runs):
        if len(here) < 2:
            continue
        last = found[-1] if found else None
        if last and last.window.end == stretch.start and last.runs == here:
            found[-1] = Overlap(Window(last.window.start, stretch.end), here)
        else:
            found.append(Overlap(stretch, here))
    return found


def _windows(runs: Iterable[PastRun]) -> list[Window]:
    return [run.window for run in runs if run.window]


def _cut(window: Window, asked: Window) -> Window:
    return Window(max(window.start, asked.start), min(window.end, asked.end))


def _own_window(start_ms: int, end_ms: int) -> Window | None:
    """The window of a run that AEP scheduled, to the second; both edges rounded alike, so that they still meet."""
    start, end = start_ms // 1000, end_ms // 1000
    return Window(start, end) if start < end else None
