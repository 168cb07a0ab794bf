"""The background work: flows become ready, runs become due, and runs run.

Everything that is to happen is a ``due_ms`` on a document in the store, so a start after a crash goes on where it was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from aep_local.core import accounts
from aep_local.core.clock import Clock
from aep_local.core.documents import INTERNAL
from aep_local.core.settings import Settings
from aep_local.core.store import Document, Scope, Store
from aep_local.rows import run_documents, timetable
from aep_local.rows.execution import Execution, Stopped
from aep_local.rows.landing import Landing
from aep_local.rows.tables import TableFolder

_log = logging.getLogger(__name__)

_INITIALIZING_SECONDS: Final = 2.0
_SCHEDULED_SECONDS: Final = 2.0
_IN_PROGRESS_SECONDS: Final = 3.0
_RETRY_MS: Final = 1000
_HELD_MS: Final = 200
_LONGEST_WAIT: Final = 60.0
_WORKERS: Final = 2
_EXECUTING: Final = 2**53
"""The ``due_ms`` of a run that a worker has taken; a start makes such runs due again."""


class Engine:
    """Advances flows and runs in threads of its own.

    :param state: the platform's state folder.
    :param held: whether a run, by its id, is to stay in progress before it reads any row.
    """

    def __init__(
        self,
        store: Store,
        tables: TableFolder,
        state: Path,
        clock: Clock,
        settings: Settings,
        *,
        held: Callable[[str], bool] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._held = held
        self.landing = Landing(state)
        self._stopping = threading.Event()
        self._changed = threading.Event()
        known = accounts.load(settings.accounts)
        self._execution = Execution(store, tables, self.landing, known, clock, settings, self._stopping)
        self._thread: threading.Thread | None = None
        self._workers: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Take up what was left and go on until :meth:`stop`."""
        self._stopping.clear()
        self._take_up()
        self._workers = ThreadPoolExecutor(_WORKERS, "aep-local-run")
        self._thread = threading.Thread(target=self._loop, name="aep-local-engine", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End for good; a run in the middle of its rows begins again when the platform next starts."""
        self._stopping.set()
        self._changed.set()
        if self._thread is not None:
            self._thread.join()
        if self._workers is not None:
            self._workers.shutdown(wait=True, cancel_futures=True)
        self.landing.close()

    def wake(self) -> None:
        """Say that a document was written whose time may have come."""
        self._changed.set()

    def start_run(
        self,
        scope: Scope,
        flow: Document,
        *,
        start_ms: int | None,
        end_ms: int | None,
        delta: Document | None,
        params: Document | None = None,
        include_null: bool = False,
        edges: str = "start_inclusive",
        begin_ms: int | None = None,
        retrigger_of: str | None = None,
    ) -> Document:
        """Insert a run of a flow and set it going; in a transaction of the caller's it goes once that is committed.

        :param start_ms: the window's start, epoch milliseconds; open when None.
        :param end_ms: the window's end, epoch milliseconds; open when None.
        :param delta: the delta column as in the Copy transformation; None reads the whole table.
        :param params: an on-demand request's parameters, echoed by the run where the settings say so.
        :param edges: which edges belong to the window, see :meth:`aep_local.rows.tables.TableFolder.read`.
        :param begin_ms: for a posted run, when it begins (epoch milliseconds, at once when past). Such a run is there at
            once and in lists later; a scheduled one, without this, appears late altogether.
        :param retrigger_of: the run that this one does again.
        :returns: the run's document.
        """
        window = {"startMs": start_ms, "endMs": end_ms, "includeNull": include_null, "edges": edges}
        assume = self._settings.assume
        echoed = params if assume.run_window_in_document == "params" else None
        due = self._clock.after_ms(_SCHEDULED_SECONDS)
        kept: Document = {} if retrigger_of is None else {"retriggerOf": retrigger_of}
        if begin_ms is not None:
            begin = max(self._clock.now_ms(), self._clock.reached_ms(begin_ms))
            kept["listedMs"] = begin + round(self._clock.scaled(assume.run_appears_after_seconds) * 1000)
            due = max(due, begin)
        with self._store.transaction():
            number = self._store.next_number()
            run = run_documents.new_run(
                flow, self._clock, number=number, window=window, delta=delta, params=echoed, kept=kept
            )
            self._store.insert("runs", run["id"], scope, run, ref=flow["id"], due_ms=due)
        self.wake()
        return run

    def _take_up(self) -> None:
        now = self._clock.now_ms()
        staged: set[str] = set()
        for id, scope, run in self._store.due("runs", _EXECUTING):
            if "outcome" in run[INTERNAL]:
                staged.add(run[INTERNAL]["batchId"])
            if run["metrics"]["statusSummary"]["status"] == "inProgress":
                self._store.put("runs", id, scope, run, due_ms=now)
        self.landing.forget_staged(staged)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._changed.clear()
            try:
                now = self._clock.now_ms()
                self._each("flows", now, self._advance_flow)
                self._each("runs", now, self._advance_run)
                pause = self._pause()
            except Exception:
                # for example a full disk: the platform must go on once there is room again
                _log.exception("the engine is held up")
                pause = _RETRY_MS / 1000
            self._changed.wait(pause)

    def _each(self, kind: str, now: int, advance: Callable[[str, Scope], None]) -> None:
        for id, scope, _ in self._store.due(kind, now):
            if self._stopping.is_set():
                return
            try:
                advance(id, scope)
            except Exception:
                _log.exception("%s %s could not be advanced", kind, id)
                self._try_again(kind, id, scope)

    def _pause(self) -> float:
        dues = [due for kind in ("flows", "runs") if (due := self._store.next_due(kind)) is not None]
        if not dues:
            return _LONGEST_WAIT
        return min(_LONGEST_WAIT, max(0.0, (min(dues) - self._clock.now_ms()) / 1000))

    def _advance_flow(self, id: str, scope: Scope) -> None:
        with self._store.transaction():
            flow = self._store.get("flows", id, scope)
            if flow is None:
                return
            now = self._clock.now_ms()
            ready = flow["createdAt"] + round(self._clock.scaled(_INITIALIZING_SECONDS) * 1000)
            if flow["state"] == "initializing" and now < ready:
                self._store.put("flows", id, scope, flow, due_ms=ready)
                return
            if flow["state"] == "initializing":
                _become_enabled(flow, now)
            due = self._run_if_due(scope, flow, now) if flow["state"] == "enabled" else None
            self._store.put("flows", id, scope, flow, due_ms=due)

    def _run_if_due(self, scope: Scope, flow: Document, now: int) -> int | None:
        """Start the flow's next run if its time has come; when to look again."""
        plan = timetable.plan(flow, self._clock.time_scale, self._settings.assume)
        step = plan.next(flow[INTERNAL].get("schedule", {}), now)
        if step.run is not None:
            self.start_run(
                scope,
                flow,
                start_ms=step.run.start_ms,
                end_ms=step.run.end_ms,
                delta=_delta(flow) if step.run.end_ms is not None else None,
                include_null=step.run.include_null,
            )
            flow[INTERNAL]["schedule"] = step.memory
        return step.due_ms

    def _advance_run(self, id: str, scope: Scope) -> None:
        with self._store.transaction():
            run = self._store.get("runs", id, scope)
            if run is None:
                return
            status = run["metrics"]["statusSummary"]["status"]
            if status == "scheduled":
                run_documents.begin(run, self._clock, number=self._store.next_number())
                self._store.put("runs", id, scope, run, due_ms=self._clock.after_ms(_IN_PROGRESS_SECONDS))
                return
            if status == "inProgress" and self._held is not None and self._held(id):
                self._store.put("runs", id, scope, run, due_ms=self._clock.now_ms() + _HELD_MS)
                return
            self._store.put("runs", id, scope, run, due_ms=_EXECUTING if status == "inProgress" else None)
        if status == "inProgress" and self._workers is not None:
            self._workers.submit(self._execute, id, scope)

    def _execute(self, id: str, scope: Scope) -> None:
        try:
            self._execution.execute(id, scope)
        except Stopped:
            return
        except Exception:
            _log.exception("run %s could not be ended, it is tried again", id)
            self._try_again("runs", id, scope)
        self.wake()

    def _try_again(self, kind: str, id: str, scope: Scope) -> None:
        with self._store.transaction():
            doc = self._store.get(kind, id, scope)
            if doc is not None:
                self._store.put(kind, id, scope, doc, due_ms=self._clock.now_ms() + _RETRY_MS)


def _become_enabled(flow: Document, now: int) -> None:
    flow["state"] = "enabled"
    flow["updatedAt"] = now
    operation = flow.get("lastOperation")
    if operation is not None:
        operation.update(updated=now, percentCompleted=100, status={"value": "completed", "errors": []})


def _delta(flow: Document) -> Any:
    copy = next((each.get("params") for each in flow["transformations"] if each.get("name") == "Copy"), None)
    return copy.get("deltaColumn") if copy else None
