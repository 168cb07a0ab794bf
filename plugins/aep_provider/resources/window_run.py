"""
Loading one window, once.

AEP has no idempotency key for runs: two equal requests read the rows twice. So the flow's runs are looked at before one is
posted, the intent is remembered before the request leaves, and after an answer that never came the run is looked for until
it would have appeared.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from aep_provider.errors import (
    AepConfigError,
    AepDuplicateError,
    AepError,
    AepInvalidRequestError,
    AepNotFoundError,
)
from aep_provider.resources import flow, flow_service
from aep_provider.resources.ensure import Memory, NoMemory, Patience
from aep_provider.resources.on_demand_flow import runnable_flow
from aep_provider.resources.retrigger import SETTLE_SECONDS, retrigger
from aep_provider.resources.run import COLLECTION, read_run
from aep_provider.resources.run_history import History, Ledger, NoLedger, PastRun, read_history, remember_run
from aep_provider.resources.window import Edges, Window
from aep_provider.verdict import RunState, Verdict, judge

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

log = logging.getLogger(__name__)

_BEFORE_START = 1380


class OnFailedRun(StrEnum):
    """What to do about a window whose last run failed. A failed run leaves no rows."""

    RETRIGGER = "retrigger"
    """Have AEP do that run again."""
    NEW = "new"
    """Post a new run."""
    FAIL = "fail"
    """Leave it to a human."""


class How(StrEnum):
    """How a window came by its run."""

    POSTED = "posted"
    TAKEN_OVER = "taken over"
    RETRIGGERED = "re-triggered"


@dataclass(frozen=True)
class WindowRequest:
    """
    A window that should be loaded once.

    :param delta_column: goes with every run; AEP holds a flow to that of its first. None leaves it to the flow.
    :param delta_format: how its dates are written, where the source has a format of its own.
    :param earlier_flow_ids: flows that loaded the same dataset before this one: their windows count as done.
    :param edges: which edges AEP counts in.
    :param force: post a run even if the window is loaded already: its rows are appended again.
    """

    flow_id: str
    window: Window
    delta_column: str | None = None
    delta_format: str | None = None
    on_failed: OnFailedRun = OnFailedRun.RETRIGGER
    earlier_flow_ids: Sequence[str] = ()
    edges: Edges = Edges.START_INCLUSIVE
    force: bool = False


@dataclass(frozen=True)
class Started:
    """The run that loads a window, and what is known of it where it was there already."""

    run_id: str
    how: How
    verdict: Verdict | None = None


def start_window(
    client: AepClient,
    request: WindowRequest,
    *,
    memory: Memory | None = None,
    ledger: Ledger | None = None,
    patience: Patience | None = None,
) -> Started:
    """
    Make sure that one run loads the window, and return it.

    A run of exactly this window that goes on or ended well is taken over. Whatever makes it uncertain whether the rows
    would come twice is refused.

    :param memory: keeps the intent for later tries of the same task.
    :param ledger: tells the tasks that load the same dataset of each other's runs.
    :raises AepConfigError: the flow cannot be run on demand, or another window took rows of this one.
    :raises AepDuplicateError: a run may have been started, or may have taken the rows, and it cannot be told which.
    """
    patience = patience or Patience(settle_seconds=SETTLE_SECONDS, look_every_seconds=10)
    return _Loading(client, request, memory or NoMemory(), ledger or NoLedger(), patience).start()


class _Loading:
    def __init__(
        self, client: AepClient, request: WindowRequest, memory: Memory, ledger: Ledger, patience: Patience
    ) -> None:
        self.client = client
        self.request = request
        self.window = request.window
        self.memory = memory
        self.ledger = ledger
        self.patience = patience

    def start(self) -> Started:
        note = self._own_note()
        if note and note.get("run"):
            log.info("This task started run %s for %s: taking it over", note["run"], self.window)
            return self._take_over(str(note["run"]))
        document = self._flow()
        if note:
            log.info("An earlier try may have started a run for %s: looking for it", self.window)
            found = self._look(float(note["at"]), note.get("known") or [])
            if found:
                return self._take_over(found)
        history = self._history()
        if self.request.force:
            self._tell_force(history)
            return self._post(document, history)
        history = self._told(history)
        standing = self._standing(history)
        if standing:
            return self._take_over(standing.id, standing.verdict)
        kept = self._kept_run()
        if kept:
            return self._take_over(kept.run_id, kept)
        found = self._look_for_that_of_others()
        return self._take_over(found) if found else self._post(document, history)

    # What is known

    def _own_note(self) -> Mapping[str, Any] | None:
        """What an earlier try remembered, if it was about the same window of the same flow, and as forceful."""
        note = self.memory.recall()
        mine = {"flow": self.request.flow_id, "window": self.window.as_json(), "force": self.request.force}
        same = note is not None and all(note.get(key) == value for key, value in mine.items())
        return note if same else None

    def _history(self, *, whole: bool = False) -> History:
        own = self._history_of(self.request.flow_id, whole=whole)
        for earlier in self.request.earlier_flow_ids:
            other = self._history_of(earlier, whole=whole)
            own = History(own.flow_id, [*own.recent, *other.recent], [*own.old, *other.old])
        if not whole and own.touches_old(self.window):
            return self._history(whole=True)
        return own

    def _history_of(self, flow_id: str, *, whole: bool) -> History:
        return read_history(
            self.client,
            flow_id,
            self.ledger,
            now=self.patience.now(),
            settle_seconds=self.patience.settle_seconds,
            edges=self.request.edges,
            whole=whole,
        )

    def _told(self, history: History) -> History:
        """Wait while a run goes on that does not tell its window yet: some do so only once rows were copied."""
        deadline = self.patience.now() + self.patience.settle_seconds
        while self.patience.now() < deadline and not history.of(self.window):
            untold = history.untold()
            if not untold or all(run.verdict.state.has_ended for run in untold):
                break
            log.info("Waiting for %s to tell which rows it takes", _few(untold))
            self.patience.sleep(self.patience.look_every_seconds)
            history = self._history()
        return history

    def _standing(self, history: History) -> PastRun | None:
        """Return the run of this window, or None if none was posted yet; refuse what cannot be told."""
        same = history.of(self.window)
        took = [run for run in same if run.took_rows]
        if len(took) > 1:
            log.warning(
                "The window %s was loaded more than once: %s", self.window, ", ".join(run.in_words() for run in took)
            )
        for run in took or same[:1]:
            return run
        crossing = history.crossing(self.window)
        if crossing:
            raise AepConfigError(
                f"The window {self.window} shares rows with what {crossing[0].in_words()} of flow "
                f"{crossing[0].verdict.flow_id} took: they would come twice. Choose windows that follow each other without "
                "overlap, or set force to append those rows again."
            )
        untold = history.untold()
        if untold:
            raise AepDuplicateError(
                f"Whether the window {self.window} was loaded cannot be told: {_few(untold)} of flow {self.request.flow_id} "
                "took rows, AEP does not tell which, and no task here remembers having posted it. Look at it in AEP: if it "
                "took none of this window's rows, set force."
            )
        return None

    def _tell_force(self, history: History) -> None:
        took = [run for run in (*history.of(self.window), *history.crossing(self.window)) if run.took_rows]
        if took:
            log.warning("force: the rows of %s are appended again, after %s", self.window, _few(took))

    def _flow(self) -> dict[str, Any]:
        request = self.request
        return runnable_flow(self.client, request.flow_id, request.delta_column, self.patience)

    # Taking over

    def _take_over(self, run_id: str, verdict: Verdict | None = None) -> Started:
        if verdict is None:
            try:
                verdict = judge(read_run(self.client, run_id))
            except AepNotFoundError:
                log.info("Run %s is not shown yet", run_id)
        if verdict is None or verdict.state is not RunState.FAILED:
            log.info("Window %s is loaded by run %s: %s", self.window, run_id, verdict.in_words() if verdict else "new")
            self._remember(run_id)
            return Started(run_id, How.TAKEN_OVER, verdict)
        return self._after_failure(run_id, verdict)

    def _after_failure(self, run_id: str, verdict: Verdict) -> Started:
        log.warning("The window's last run failed: %s", verdict.in_words())
        match self.request.on_failed:
            case OnFailedRun.FAIL:
                return Started(run_id, How.TAKEN_OVER, verdict)
            case OnFailedRun.RETRIGGER:
                self._flow()
                new, _ = retrigger(
                    self.client, run_id, memory=_Nested(self.memory, self._note()), patience=self.patience
                )
                self._remember(new)
                return Started(new, How.RETRIGGERED)
            case OnFailedRun.NEW:
                document = self._flow()
                return self._post(document, self._history())

    # Posting

    def _note(self) -> dict[str, Any]:
        return {"flow": self.request.flow_id, "window": self.window.as_json(), "force": self.request.force}

    def _remember(self, run_id: str) -> None:
        self.memory.remember({**self._note(), "run": run_id})
        remember_run(self.ledger, run_id, self.window)
        self.ledger.set(self._intent_key(self.request.flow_id), {"at": self.patience.now(), "run": run_id})

    def _post(self, document: Mapping[str, Any], history: History) -> Started:
        """Post a run. What is known of the window so far is remembered with the intent: any other run will be ours."""
        known = [run.id for run in (*history.of(self.window), *history.untold())]
        body = {"flowId": self.request.flow_id, "params": self._params(document)}
        for attempt in range(1, self.patience.attempts + 1):
            at = self.patience.now()
            self.memory.remember({**self._note(), "at": at, "known": known})
            self.ledger.set(self._intent_key(self.request.flow_id), {"at": at})
            try:
                answer = self.client.post(flow_service.path_of(COLLECTION), json=body)
                made = flow_service.made_by(answer.body, "The answer to posting a run")
                run_id: str | None = made["id"]
            except AepError as error:
                if not error.ambiguous:
                    # Nothing was started, so the next try need not look for it.
                    self.memory.remember({})
                    self.ledger.set(self._intent_key(self.request.flow_id), {"at": 0})
                    _refuse_early(error)
                    raise
                log.warning("Posting a run for %s had no clear answer, looking for it: %s", self.window, error)
                # A posted run may appear so much later than the loss, which may itself have taken minutes to show.
                at = self.patience.now()
                self.memory.remember({**self._note(), "at": at, "known": known})
                run_id = self._look(at, known)
                if run_id is None and attempt == self.patience.attempts:
                    raise
            if run_id is not None:
                self._remember(run_id)
                log.info("Posted run %s for %s", run_id, self.window)
                return Started(run_id, How.POSTED)
        raise AssertionError("the last attempt returns or raises")

    def _params(self, document: Mapping[str, Any]) -> dict[str, Any]:
        start, end = self.request.edges.sent(self.window)
        # AEP takes the delta column from the first run and holds the flow to it; its runSpec asks for it in every run.
        delta = {"name": self.request.delta_column or flow.held_delta(document)}
        if self.request.delta_format:
            delta["dateFormat"] = self.request.delta_format
        times = {"startTime": int(time.time()), "windowStartTime": start, "windowEndTime": end}
        return {**times, "deltaColumn": delta}

    def _intent_key(self, flow_id: str) -> str:
        return f"aep_intent:{flow_id}:{self.window.start}-{self.window.end}"

    def _kept_run(self) -> Verdict | None:
        """
        Return what became of the run that a task posted for this window, where no list of runs shows it.

        :raises AepDuplicateError: AEP knows it no more, which does not take its rows away.
        """
        for flow_id in (self.request.flow_id, *self.request.earlier_flow_ids):
            kept = self.ledger.get(self._intent_key(flow_id))
            run_id = kept.get("run") if isinstance(kept, Mapping) else None
            if not isinstance(run_id, str):
                continue
            try:
                return judge(read_run(self.client, run_id))
            except AepNotFoundError:
                raise AepDuplicateError(
                    f"The window {self.window} was loaded by run {run_id} of flow {flow_id}, which AEP shows no more: its rows "
                    "would come twice. Look at the dataset in AEP: if they are not there, set force.",
                    # It may be shown again.
                    final=False,
                ) from None
        return None

    def _look_for_that_of_others(self) -> str | None:
        """Another task may just have posted the same window, and runs appear minutes late."""
        intent = self.ledger.get(self._intent_key(self.request.flow_id))
        at = intent.get("at") if isinstance(intent, Mapping) else None
        if not isinstance(at, int | float) or self.patience.now() >= at + self.patience.settle_seconds:
            return None
        log.info("Another task was about to load %s: looking for its run", self.window)
        return self._look(at, [])

    def _look(self, at: float, known: Sequence[str]) -> str | None:
        """
        Look for a run of this window that is none of ``known``, until it would have appeared.

        :raises AepDuplicateError: there is a run that may be it, and it does not tell its window.
        """
        deadline = at + self.patience.settle_seconds
        while True:
            last = self.patience.now() >= deadline
            history = self._history_of(self.request.flow_id, whole=False)
            if history.touches_old(self.window):
                history = self._history_of(self.request.flow_id, whole=True)
            new = [run for run in history.of(self.window) if run.id not in known]
            if new:
                return new[-1].id
            untold = [run for run in history.recent if run.window is None and run.id not in known]
            if untold and last:
                raise AepDuplicateError(
                    f"Whether the window {self.window} of flow {self.request.flow_id} was posted cannot be told: the answer "
                    f"never came, runs do not tell their window, and {_few(untold)} came after. Look at them in AEP: if none "
                    "is it, set force.",
                    # What still runs may yet tell it.
                    final=all(run.verdict.state.has_ended for run in untold),
                )
            if last:
                return None
            self.patience.sleep(min(self.patience.look_every_seconds, max(0.0, deadline - self.patience.now())))


class _Nested:
    """The memory of a re-trigger, inside that of the window: both must outlive the process."""

    def __init__(self, outer: Memory, note: Mapping[str, Any]) -> None:
        self._outer = outer
        self._note = note

    def recall(self) -> Mapping[str, Any] | None:
        note = self._outer.recall()
        inner = note.get("retrigger") if note else None
        return inner if isinstance(inner, Mapping) else None

    def remember(self, note: Mapping[str, Any]) -> None:
        self._outer.remember({**self._note, "run": note["run"], "retrigger": dict(note)})


def _refuse_early(error: AepError) -> None:
    """An on-demand flow starts so late that AEP never runs it by itself, and its runs are posted before that."""
    if isinstance(error, AepInvalidRequestError) and error.number == _BEFORE_START:
        raise AepConfigError(
            f"AEP takes no run of this flow before the flow's start time ({error}). On-demand flows start in 2038, so that "
            "AEP does not run them by itself besides: here, windows cannot be loaded without the risk of rows that come "
            "twice. Use a recurring dataflow instead."
        ) from error


def _few(runs: Sequence[PastRun]) -> str:
    words = ", ".join(run.in_words() for run in runs[:3])
    return words if len(runs) <= 3 else f"{words} and {len(runs) - 3} more"
