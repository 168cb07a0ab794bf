"""What the page says of each dataflow: how it is, its last runs, its counts, what is late."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from aep_provider.dataflows.spec import DataflowSpec, slug_of
from aep_provider.errors import AepError, one_line
from aep_provider.resources.coverage import Coverage, Expectation, Generation, WindowState, cover
from aep_provider.resources.flow_schedule import due_at_or_after, last_due
from aep_provider.resources.flow_state import FlowState
from aep_provider.resources.window import Edges, Window
from aep_provider.ui.due_windows import DueWindows
from aep_provider.ui.seen_run import SeenRun
from aep_provider.verdict import RunState, Tolerance, milliseconds

STRIP: Final = 14
"""So many of its last runs a dataflow shows."""
GRACE: Final = 1_800
"""Seconds that a run of AEP's own may take to appear."""
LATE_AFTER: Final = 9_000
"""Seconds that a run may go on."""
_SKEW: Final = 60
_AT_LEAST_EVERY: Final = 600
_REPLACED: Final = re.compile(r" \(replaced [^()]*\)$")
_MISSING: Final = (WindowState.NEVER, WindowState.FAILED, WindowState.IN_PART, WindowState.UNKNOWN)


class Health(StrEnum):
    """How a dataflow is, the worst first."""

    FAILING = "failing"
    LATE = "late"
    REJECTING = "rejecting rows"
    DISABLED = "disabled"
    ABSENT = "not in AEP"
    RUNNING = "running"
    IDLE = "no runs yet"
    WELL = "well"


@dataclass(frozen=True)
class Row:
    """A dataflow. Moments are epoch seconds; counts are of all days that are shown."""

    name: str
    flow_id: str
    state: str
    """AEP's word for the flow's state."""
    health: Health
    why: str
    """A few words on the health."""
    table: str
    last_runs: tuple[SeenRun, ...] = ()
    """The newest last."""
    rows_in: int = 0
    rows_rejected: int = 0
    windows_late: int | None = None
    """None where nothing says which windows are due."""
    next_due: int | None = None
    last_run_at: int | None = None
    valid_until: float = 0

    @property
    def dag_id(self) -> str:
        """The id of the DAG that its file makes."""
        return f"aep_dataflow__{slug_of(self.name)}"


@dataclass(frozen=True)
class Dataflow:
    """
    A dataflow with all that it was made of.

    :param flows: its flows, the present one first.
    :param runs: of all its flows, the newest first.
    """

    name: str
    flows: Sequence[Mapping[str, Any]]
    runs: Sequence[SeenRun]
    spec: DataflowSpec | None = None

    @property
    def present(self) -> Mapping[str, Any]:
        """The flow's document, empty where there is none."""
        return self.flows[0] if self.flows else {}


@dataclass(frozen=True)
class Judge:
    """
    Judges dataflows at one moment.

    :param now: epoch seconds.
    :param since: since when runs are known, epoch seconds.
    """

    now: float
    since: int
    edges: Edges
    due: DueWindows = field(default_factory=DueWindows)

    def row(self, dataflow: Dataflow) -> Row:
        """Return what is to be said of a dataflow."""
        flow, spec = dataflow.present, dataflow.spec
        state = str(flow.get("state") or "").lower()
        coverage, next_due = self.windows(dataflow)
        late = late_windows(coverage, self._due(spec)) if coverage else None
        health, why = self._health(dataflow, state, late)
        begins = dataflow.runs[0].began_at // 1000 if dataflow.runs else None
        soon = [moment for moment in (next_due, self.now + _AT_LEAST_EVERY) if moment and moment > self.now]
        return Row(
            name=dataflow.name,
            flow_id=str(flow.get("id") or ""),
            state=state,
            health=health,
            why=why,
            table=f"{spec.source} · {spec.table}" if spec else "",
            last_runs=tuple(reversed(dataflow.runs[:STRIP])),
            rows_in=sum(run.rows_written or 0 for run in dataflow.runs),
            rows_rejected=sum(run.rows_rejected or 0 for run in dataflow.runs),
            windows_late=None if late is None else len(late),
            next_due=None if state == FlowState.DISABLED else next_due,
            last_run_at=begins,
            valid_until=min(soon),
        )

    def windows(self, dataflow: Dataflow) -> tuple[Coverage | None, int | None]:
        """Return what became of its windows, and when the next one is due; None where nothing says which there should be."""
        spec = dataflow.spec
        if not (spec and spec.schedule):
            return None, due_at_or_after(dataflow.present.get("scheduleParams"), self.now)
        try:
            windows = self.due.of(spec.schedule, self.since, self.now)
        except AepError:
            return None, None
        due, lag = self._due(spec), spec.schedule.lag
        next_due = next((each.end + lag for each in windows if each.end > due), None)
        recurs = {str(flow.get("id")): Generation.of(flow).recurs for flow in dataflow.flows}
        past = [run.as_past(self.edges, recurs=recurs.get(run.flow_id, False)) for run in dataflow.runs]
        # Where nobody asked Airflow to catch up, what lies before all that was ever loaded is not missing.
        first = min((run.window.end for run in past if run.window), default=self.now)
        begin = 0 if spec.schedule.catchup else min(first, self._made_at(dataflow) + 1)
        asked = [each for each in windows if each.end >= begin]
        if not asked:
            return None, next_due
        expected = Expectation(Window(asked[0].start, asked[-1].end), asked, due, spec.policy.tolerance())
        return cover(past, expected), next_due

    def _due(self, spec: DataflowSpec | None) -> float:
        return self.now - (spec.schedule.lag if spec and spec.schedule else 0)

    def _made_at(self, dataflow: Dataflow) -> int:
        """When its first flow was made, epoch seconds."""
        made = [milliseconds(flow.get("createdAt")) or 0 for flow in dataflow.flows]
        return min(made, default=int(self.now * 1000)) // 1000

    def _health(self, dataflow: Dataflow, state: str, late: Sequence[Window] | None) -> tuple[Health, str]:
        if not dataflow.flows:
            return Health.ABSENT, "declared in a file, and not made yet"
        if state == FlowState.DISABLED:
            return Health.DISABLED, ""
        ended = next((run for run in dataflow.runs if run.has_ended), None)
        if ended and ended.state is RunState.FAILED:
            return Health.FAILING, _cause(ended)
        if why := self._late(dataflow, late or ()):
            return Health.LATE, why
        return self._going(dataflow, ended)

    def _late(self, dataflow: Dataflow, late: Sequence[Window]) -> str:
        if late:
            return f"{_many(len(late), 'window')} missing, the first from {moment(late[0].start)}"
        return self._missed(dataflow) or self._goes_on(dataflow.runs)

    def _going(self, dataflow: Dataflow, ended: SeenRun | None) -> tuple[Health, str]:
        """How it is where nothing failed and nothing is missing."""
        tolerance = dataflow.spec.policy.tolerance() if dataflow.spec else Tolerance()
        if ended and not tolerance.bears(ended.as_verdict()):
            count = ended.rows_rejected
            return Health.REJECTING, f"{_many(count, 'row')} of the last run" if count else _cause(ended)
        if any(not run.has_ended for run in dataflow.runs[:STRIP]):
            return Health.RUNNING, ""
        return (Health.WELL, "") if ended else (Health.IDLE, "")

    def _missed(self, dataflow: Dataflow) -> str:
        """Whether AEP should have started a run by itself, and none is there."""
        flow = dataflow.present
        due = last_due(flow.get("scheduleParams"), self.now - GRACE)
        newest = max((max(run.created_at, run.began_at) // 1000 for run in dataflow.runs), default=0)
        # AEP starts nothing before a flow is made, and what was due before runs are known may be one of them.
        made = (milliseconds(flow.get("createdAt")) or 0) // 1000
        if due is None or due <= max(made, self.since) or newest + _SKEW >= due:
            return ""
        return f"no run since {moment(due)}, when one was due"

    def _goes_on(self, runs: Iterable[SeenRun]) -> str:
        begun = [run.began_at // 1000 for run in runs if not run.has_ended and run.began_at]
        oldest = min(begun, default=None)
        if oldest is None or oldest >= self.now - LATE_AFTER:
            return ""
        return f"a run goes on since {moment(oldest)}"


def late_windows(coverage: Coverage, due: float) -> list[Window]:
    """Return the windows that should have been loaded and were not, in order."""
    return [
        report.window
        for report in coverage.windows
        if report.scheduled and report.window.end <= due and report.state in _MISSING
    ]


def dataflows_of(
    flows: Iterable[Mapping[str, Any]], by_flow: Mapping[str, Sequence[SeenRun]], specs: Mapping[str, DataflowSpec]
) -> list[Dataflow]:
    """Return all dataflows of a sandbox: those in AEP, each with the flows that it replaced, and those only declared."""
    named: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for flow in flows:
        named[_REPLACED.sub("", one_line(flow.get("name") or flow.get("id"), 200))].append(flow)
    found = []
    for name in sorted(named.keys() | specs.keys()):
        generations = sorted(named.get(name, []), key=_newest_first)
        runs = [run for flow in generations for run in by_flow.get(str(flow.get("id")), ())]
        if len(generations) > 1:
            runs.sort(key=lambda run: (run.created_at, run.id), reverse=True)
        found.append(Dataflow(name, generations, runs, specs.get(name)))
    return found


def moment(seconds: float) -> str:
    """Return a moment as people read it, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _newest_first(flow: Mapping[str, Any]) -> tuple[bool, int]:
    return bool(_REPLACED.search(str(flow.get("name")))), -(milliseconds(flow.get("createdAt")) or 0)


def _cause(run: SeenRun) -> str:
    return one_line(run.reasons[0], 160) if run.reasons else f"run {run.state}"


def _many(count: int | None, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count:,} {what}s"
