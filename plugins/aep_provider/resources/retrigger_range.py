"""
Starting the failed runs of a stretch of time again, each once.

AEP is asked anew at every step which windows are loaded, for others may load them meanwhile; the memory tells what was started
and is not listed yet.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepDuplicateError, AepNotFoundError
from aep_provider.resources.coverage import uncovered
from aep_provider.resources.ensure import Memory, Patience
from aep_provider.resources.retrigger import CLOCK_SKEW_MS, retrigger
from aep_provider.resources.run import read_run
from aep_provider.resources.run_history import Ledger, PastRun, read_history, remember_run
from aep_provider.resources.window import Edges, Window, windows_from
from aep_provider.verdict import RunState, Verdict, judge

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RangeRequest:
    """
    The failed runs that should be started again: those whose window shares time with a range.

    :param earlier_flow_ids: other flows that loaded the same dataset: their windows count as done.
    :param max_at_once: how many runs may go on at the same time.
    :param edges: which edges AEP counts in.
    """

    flow_id: str
    range: Window
    earlier_flow_ids: Sequence[str] = ()
    max_at_once: int = 1
    edges: Edges = Edges.START_INCLUSIVE


@dataclass
class Progress:
    """
    How far it has come.

    :param started: the runs that this task started, in any try, each with its window.
    :param running: runs that go on, the oldest first.
    :param waiting: windows whose turn has not come.
    :param left: windows that were loaded already, or by somebody else.
    :param ended: the verdicts of runs that this task started and that brought their rows, by window.
    :param failed: the runs that were started again in this try and failed again, by window.
    :param shared: windows of failed runs that a run of another window loaded in part: doing them again would bring rows twice.
    :param untold: failed runs that do not tell their window, so that it cannot be told whether they belong to the range.
    """

    started: list[tuple[str, Window]] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    waiting: list[Window] = field(default_factory=list)
    left: list[Window] = field(default_factory=list)
    ended: dict[Window, Verdict] = field(default_factory=dict)
    failed: dict[Window, Verdict] = field(default_factory=dict)
    shared: dict[Window, str] = field(default_factory=dict)
    untold: list[PastRun] = field(default_factory=list)


class Notes:
    """
    What the task remembers: for each run that it started again what :func:`retrigger` notes, and what this try has started.

    A note is written before the request that it is about, and again right after.
    """

    def __init__(self, memory: Memory, flow_id: str) -> None:
        self._memory = memory
        self._flow_id = flow_id
        note = memory.recall()
        same = note is not None and note.get("flow") == flow_id
        self._runs: dict[str, Any] = dict(note.get("runs") or {}) if note and same else {}
        self._this_try: list[str] = list(note.get("this_try") or []) if note and same else []

    def begin_try(self) -> None:
        """What failed again in an earlier try may be started once more."""
        if self._this_try:
            self._this_try = []
            self._keep()

    def started(self) -> list[tuple[str, Window]]:
        """Return the runs that were started, each with its window, in the order in which they were."""
        return [(str(note["new"]), window) for note, window in self._noted() if note.get("new")]

    def _open_intent(self, window: Window) -> str | None:
        """Return the failed run of ``window`` that somebody was about to start again when the task was killed."""
        runs = [str(note["run"]) for note, noted in self._noted() if noted == window and self._is_open(note)]
        return runs[-1] if runs else None

    def adopt(self, window: Window, same: Sequence[PastRun]) -> None:
        """Take the run of ``window`` that came after such an intent for the one that was meant: it is listed by now."""
        old = self._open_intent(window)
        if old is None:
            return
        made = next((run.created_at for run in same if run.id == old), 0)
        since = int(float(self._runs[old]["at"]) * 1000) - CLOCK_SKEW_MS
        mine = {run_id for run_id, _ in self.started()}
        later = [run for run in same if run.id not in {old, *mine} and run.created_at >= max(since, made)]
        if later:
            self.remember(old, {**self._runs[old], "new": min(later, key=lambda run: (run.created_at, run.id)).id})

    def in_this_try(self, run_id: str) -> bool:
        """Whether the run was started in this try."""
        return run_id in self._this_try

    def was_started_again(self, run_id: str) -> bool:
        """Whether a run came of it, which then is not shown as the newest: asking for it again would never end."""
        return bool((self.recall(run_id) or {}).get("new"))

    def of(self, run_id: str, window: Window) -> Memory:
        """Return the memory for starting one run again."""
        return _NoteOfRun(self, run_id, window)

    def recall(self, run_id: str) -> Mapping[str, Any] | None:
        """Return what was noted of a failed run."""
        note = self._runs.get(run_id)
        return note if isinstance(note, Mapping) else None

    def remember(self, run_id: str, note: Mapping[str, Any]) -> None:
        """Keep what is known of a failed run, and that the new one is of this try."""
        self._runs[run_id] = dict(note)
        if note.get("new") and note["new"] not in self._this_try:
            self._this_try.append(str(note["new"]))
        self._keep()

    def _noted(self) -> list[tuple[Mapping[str, Any], Window]]:
        noted = [
            (note, windows_from([note.get("window")])) for note in self._runs.values() if isinstance(note, Mapping)
        ]
        return [(note, windows[0]) for note, windows in noted if windows]

    @staticmethod
    def _is_open(note: Mapping[str, Any]) -> bool:
        return bool(note.get("at")) and not note.get("new")

    def _keep(self) -> None:
        self._memory.remember({"flow": self._flow_id, "runs": self._runs, "this_try": self._this_try})


class _NoteOfRun:
    """The memory of one re-trigger inside that of the range."""

    def __init__(self, notes: Notes, run_id: str, window: Window) -> None:
        self._notes = notes
        self._run_id = run_id
        self._window = window

    def recall(self) -> Mapping[str, Any] | None:
        return self._notes.recall(self._run_id)

    def remember(self, note: Mapping[str, Any]) -> None:
        self._notes.remember(self._run_id, {**note, "window": self._window.as_json()})


def retrigger_range(
    client: AepClient, request: RangeRequest, notes: Notes, ledger: Ledger, patience: Patience
) -> Progress:
    """
    Start as many failed runs again as may go on at the same time, and return how far the range has come.

    Call it again once one of the running ones has ended, until nothing is running or waiting.

    :raises AepDuplicateError: runs that do not tell their window may have loaded any of the range.
    """
    progress, failed = _look(client, request, notes, ledger, patience)
    for window, run_id in failed:
        if len(progress.running) >= request.max_at_once:
            progress.waiting.append(window)
            continue
        new, fresh = retrigger(client, run_id, memory=notes.of(run_id, window), patience=patience)
        remember_run(ledger, new, window)
        log.info("Window %s: run %s %s as run %s", window, run_id, "was started again" if fresh else "goes on", new)
        progress.started.append((new, window))
        progress.running.append(new)
    return progress


def _look(
    client: AepClient, request: RangeRequest, notes: Notes, ledger: Ledger, patience: Patience
) -> tuple[Progress, list[tuple[Window, str]]]:
    """Return how far the range has come, and the failed runs that are to be started again, in the order of their windows."""
    own = _own_runs(client, request, notes, ledger, patience)
    others = [run for each in request.earlier_flow_ids for run in _runs_of(client, each, request, ledger, patience)]
    progress = Progress()
    untold = [run for run in (*own, *others) if run.window is None]
    # A run of an on-demand flow reads what there is: none that was made before the range can be of it.
    progress.untold = [run for run in untold if not run.took_rows and run.created_at >= request.range.start * 1000]
    progress.running = _refuse_untold([run for run in untold if run.took_rows], request)
    todo: list[tuple[Window, str]] = []
    taken = [run for run in (*own, *others) if run.took_rows and run.window]
    failed = {run.window for run in own if run.window and not run.took_rows and run.window.overlaps(request.range)}
    for window in sorted(failed):
        same = [run for run in own if run.window == window]
        notes.adopt(window, same)
        over = [run for run in taken if run.window and run.window.overlaps(window)]
        going_on = [run.id for run in over if not run.verdict.state.has_ended]
        if going_on:
            progress.running += [run_id for run_id in reversed(going_on) if run_id not in progress.running]
        elif not uncovered(window, [run.window for run in over if run.window]):
            _sort_loaded(progress, notes, window, over)
        elif over:
            progress.shared[window] = over[0].in_words()
        elif notes.in_this_try(same[0].id) or notes.was_started_again(same[0].id):
            progress.failed[window] = same[0].verdict
        else:
            todo.append((window, same[0].id))
    progress.started = [(run, window) for run, window in notes.started() if window.overlaps(request.range)]
    if any(run.window is None and run.id in progress.running for run in untold):
        # Which rows they take will be known later.
        progress.waiting, todo = [window for window, _ in todo], []
    return progress, todo


def _refuse_untold(untold: Sequence[PastRun], request: RangeRequest) -> list[str]:
    """Return those of the runs that may yet tell their window; refuse to go on if one of them never will."""
    silent = [run for run in untold if run.verdict.state.has_ended]
    if silent:
        raise AepDuplicateError(
            f"Which windows of {request.range} were loaded cannot be told: {silent[0].in_words()} of flow "
            f"{silent[0].verdict.flow_id} took rows and no task here remembers having posted it. Look at it in AEP, and "
            "start failed runs again one by one, with run_id.",
            final=True,
        )
    return [run.id for run in reversed(untold)]


def _sort_loaded(progress: Progress, notes: Notes, window: Window, over: Sequence[PastRun]) -> None:
    mine = {run for run, _ in notes.started()}
    ours = [run.verdict for run in over if run.id in mine and run.window == window]
    if ours:
        progress.ended[window] = ours[0]
    else:
        progress.left.append(window)


def _own_runs(
    client: AepClient, request: RangeRequest, notes: Notes, ledger: Ledger, patience: Patience
) -> list[PastRun]:
    """The flow's runs, the newest first, also those that this task started and that appear in lists later."""
    mine = dict(notes.started())
    listed = _runs_of(client, request.flow_id, request, ledger, patience)
    told = [replace(run, window=run.window or mine.get(run.id)) for run in listed]
    return [*_not_listed(client, notes, {run.id for run in listed}), *told]


def _runs_of(
    client: AepClient, flow_id: str, request: RangeRequest, ledger: Ledger, patience: Patience
) -> list[PastRun]:
    history = read_history(
        client,
        flow_id,
        ledger,
        now=patience.now(),
        settle_seconds=patience.settle_seconds,
        edges=request.edges,
        whole=True,
    )
    return history.recent


def _not_listed(client: AepClient, notes: Notes, listed: set[str]) -> list[PastRun]:
    """The runs that the task started and that appear in lists later; the newest first."""
    found: list[PastRun] = []
    for run_id, window in notes.started():
        if run_id in listed:
            continue
        try:
            verdict = judge(read_run(client, run_id))
        except AepNotFoundError:
            verdict = Verdict(run_id, "", RunState.RUNNING, "not shown yet")
        found.insert(0, PastRun(run_id, verdict, window, 0))
    return found
