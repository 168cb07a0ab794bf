"""
A look at all flows of a sandbox, or some by name: what failed since the last look, what did not run when it should have, what
is disabled, what runs late.

Reading costs a request for each hundred flows and each hundred runs since the last look, whatever the number of flows that
have something to tell.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from aep_provider.errors import AepConfigError, AepNotFoundError, one_line
from aep_provider.platform.paging import flow_service_items
from aep_provider.resources import flow_service
from aep_provider.resources.flow_schedule import due_at_or_after, last_due
from aep_provider.resources.flow_state import FLOWS, FlowState
from aep_provider.resources.retrigger import CLOCK_SKEW_MS
from aep_provider.resources.watch_findings import Cause, FailedRun, Finding, Kind, Watched, WatchedFlow
from aep_provider.resources.watch_memory import SPARE_MARKS, WatchMemory, mark
from aep_provider.resources.watch_runs import SeenRun, runs_by_id, runs_since
from aep_provider.verdict import Tolerance

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

_SKEW: Final = CLOCK_SKEW_MS // 1000
_MOST_NAMES: Final = 20
"""Of so many base connections the name is read; more of them fail together only where AEP itself does."""
# A flow whose dataflow goes on in a newer one rests for good; nobody need be told.
_REPLACED: Final = re.compile(r" \(replaced [^()]*\)$")


@dataclass(frozen=True)
class WatchRequest:
    """
    What is watched, and what is worth telling. All times are seconds.

    :param flows: names of flows; without any, all flows of the sandbox.
    :param lookback: how far a first look goes back.
    :param grace: how long after its time a run may appear before its flow counts as not having run.
    :param late_after: how long a run may go on.
    :param settle: how late AEP may list a run, or tell that it has ended.
    :param tolerance: which ended runs are borne.
    """

    flows: Sequence[str] = ()
    lookback: float = 86_400
    grace: float = 1_800
    late_after: float = 9_000
    settle: float = 900
    tolerance: Tolerance = field(default_factory=Tolerance)


def watch(client: AepClient, request: WatchRequest, memory: WatchMemory | None, *, now: float) -> Watched:
    """
    Look at flows and runs, and return what is to tell and what to remember.

    :param memory: what the last look left, None for a first one.
    :param now: epoch seconds.
    :raises AepConfigError: there is no flow of a name.
    """
    memory = memory or WatchMemory.none(now - request.lookback)
    runs = runs_since(client, _read_since(request, memory, now) * 1000)
    runs |= runs_by_id(client, [run_id for run_id in memory.open_runs if run_id not in runs])
    # After the runs, so that the flows of all of them are there.
    flows = _watched_flows(client, request.flows)
    watched = compare(request, memory, flows, runs.values(), now=now)
    return replace(watched, causes=_with_names(client, watched.causes))


def compare(
    request: WatchRequest, memory: WatchMemory, flows: Iterable[WatchedFlow], runs: Iterable[SeenRun], *, now: float
) -> Watched:
    """
    Return what is to tell of flows and of the runs since the last look, and what to remember.

    :param runs: at least those since the last look, and those that went on then; others are left out.
    :param now: epoch seconds.
    """
    known = {flow.id: flow for flow in flows}
    ours = [run for run in runs if run.flow_id in known or not request.flows]
    told = set(memory.told_runs)
    news = [
        FailedRun(known.get(run.flow_id) or WatchedFlow(run.flow_id, run.flow_id), run)
        for run in _ended(ours, memory, _read_since(request, memory, now) * 1000)
        if not request.tolerance.bears(run.verdict) and mark(run.id) not in told
    ]
    by_name = sorted(known.values(), key=lambda flow: (flow.name, flow.id))
    late = _late(ours, known, request, memory, now)
    missed = _missed(by_name, ours, request, memory, now)
    disabled = [
        Finding(Kind.DISABLED, flow, mark(flow.id) not in memory.disabled)
        for flow in by_name
        if flow.state == FlowState.DISABLED and not _REPLACED.search(flow.name)
    ]
    next_memory = WatchMemory(
        read_until=int(now - request.settle),
        due_until=int(min(max(now - request.grace, memory.due_until), now)),
        open_runs=_open_runs(ours, memory, {each.run_id for each in late}),
        missed={mark(each.flow.id): each.since or 0 for each in missed},
        disabled={mark(each.flow.id) for each in disabled},
        resumed=_resumed(by_name, request, memory, now),
    )
    since = _read_since(request, next_memory, now) * 1000
    next_memory = replace(next_memory, told_runs=_told(news, ours, memory, since))
    return Watched(_causes(news), [*missed, *disabled, *late], next_memory, len(known), len(ours))


def _read_since(request: WatchRequest, memory: WatchMemory, now: float) -> int:
    """From when on runs must be read: what may have been listed late, and what tells whether a start was missed."""
    return int(min(memory.read_until, memory.due_until - _SKEW, now - request.settle))


def _watched_flows(client: AepClient, names: Sequence[str]) -> list[WatchedFlow]:
    documents = list(flow_service_items(client, flow_service.path_of(FLOWS)))
    if names:
        there = {str(document.get("name")) for document in documents}
        wrong = [_near(name, there) for name in dict.fromkeys(names) if name not in there]
        if wrong:
            raise AepConfigError(f"Sandbox {client.settings.sandbox} has no flow of the name {'; '.join(wrong)}.")
    return [WatchedFlow.of(document) for document in documents if not names or document.get("name") in names]


def _near(name: str, there: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(there), n=3)
    return f"{name!r}" + (f" (but {', '.join(map(repr, near))})" if near else "")


def _ended(runs: Iterable[SeenRun], memory: WatchMemory, since: int) -> list[SeenRun]:
    """The runs that ended since the last look, the oldest first. What ended before was told, or need not be."""
    ended = [
        run
        for run in runs
        if run.has_ended
        and (run.id in memory.open_runs or not run.ended_at or max(run.ended_at, run.created_at) >= since)
    ]
    return sorted(ended, key=lambda run: (run.ended_at, run.id))


def _told(news: Sequence[FailedRun], runs: Iterable[SeenRun], memory: WatchMemory, since: int) -> list[str]:
    """What need not be told again: all that the next look may see, and as much of the rest as there is room for."""
    told = dict.fromkeys([*memory.told_runs, *(mark(each.run.id) for each in news)])
    again = {mark(run.id) for run in runs if run.touches(since)}
    rest = [each for each in told if each not in again]
    return [*rest[-SPARE_MARKS:], *(each for each in told if each in again)]


def _late(
    runs: Iterable[SeenRun], flows: Mapping[str, WatchedFlow], request: WatchRequest, memory: WatchMemory, now: float
) -> list[Finding]:
    late = [run for run in runs if not run.has_ended and 0 < run.began_at < (now - request.late_after) * 1000]
    return [
        Finding(
            Kind.LATE,
            flows.get(run.flow_id) or WatchedFlow(run.flow_id, run.flow_id),
            not memory.open_runs.get(run.id, False),
            run.began_at // 1000,
            run.id,
        )
        for run in sorted(late, key=lambda run: (run.began_at, run.id))
    ]


def _open_runs(runs: Iterable[SeenRun], memory: WatchMemory, late: Iterable[str]) -> dict[str, bool]:
    told = {*late, *(run_id for run_id, was_late in memory.open_runs.items() if was_late)}
    return {run.id: run.id in told for run in runs if not run.has_ended}


def _missed(
    flows: Iterable[WatchedFlow], runs: Iterable[SeenRun], request: WatchRequest, memory: WatchMemory, now: float
) -> list[Finding]:
    """The enabled flows for whose last due start no run is there. One that still does an earlier run is not among them."""
    latest: dict[str, int] = defaultdict(int)
    busy: set[str] = set()
    for run in runs:
        latest[run.flow_id] = max(latest[run.flow_id], run.created_at // 1000, run.began_at // 1000)
        if not run.has_ended:
            busy.add(run.flow_id)
    found = []
    for flow in flows:
        if flow.state != FlowState.ENABLED or flow.id in busy:
            continue
        due, told = last_due(flow.schedule, now - request.grace), memory.missed.get(mark(flow.id))
        ran = latest[flow.id] + _SKEW
        # AEP starts nothing before a flow is made, nor while it is disabled.
        expected_after = max(memory.due_until, flow.created_at // 1000 - 1, _rested_until(flow, memory, now))
        if told is not None and ran < told:
            found.append(Finding(Kind.MISSED, flow, False, told))
        elif due is not None and due > expected_after and ran < due:
            found.append(Finding(Kind.MISSED, flow, True, due))
    return found


def _rested_until(flow: WatchedFlow, memory: WatchMemory, now: float) -> int:
    """Up to when a flow may have been disabled, as far as was seen; epoch seconds."""
    its = mark(flow.id)
    return int(now) if its in memory.disabled else memory.resumed.get(its, 0)


def _resumed(flows: Iterable[WatchedFlow], request: WatchRequest, memory: WatchMemory, now: float) -> dict[str, int]:
    """The flows that were found enabled again, until a start after that has been judged."""
    found = {}
    for flow in flows:
        since = _rested_until(flow, memory, now)
        if not since or flow.state == FlowState.DISABLED or due_at_or_after(flow.schedule, since) is None:
            continue
        if (last_due(flow.schedule, now - request.grace) or 0) <= since:
            found[mark(flow.id)] = since
    return found


def _causes(failed: Iterable[FailedRun]) -> list[Cause]:
    groups: dict[tuple[str, str], list[FailedRun]] = defaultdict(list)
    for each in failed:
        groups[each.cause].append(each)
    causes = [Cause(runs, runs[0].flow.base_connection_id, code=runs[0].code) for runs in groups.values()]
    return sorted(causes, key=lambda cause: -len(cause.runs))


def _with_names(client: AepClient, causes: Sequence[Cause]) -> list[Cause]:
    bases = [base for base in dict.fromkeys(cause.base_connection_id for cause in causes) if base]
    names = {base: _name_of(client, base) for base in bases[:_MOST_NAMES]}
    return [replace(cause, base_connection_name=names.get(cause.base_connection_id, "")) for cause in causes]


def _name_of(client: AepClient, base: str) -> str:
    try:
        return one_line(flow_service.read(client, "connections", base).get("name") or "", 200)
    except AepNotFoundError:
        return ""
