"""What a watch found, for people and for programs: a headline, a text, a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from aep_provider.errors import one_line
from aep_provider.resources.run_causes import Advice, advice
from aep_provider.resources.watch_findings import Cause, FailedRun, Finding, Kind, Watched
from aep_provider.verdict import RunState

MOST_ROWS: Final = 1000
"""A table has so many rows at the most."""
_MOST_CAUSES: Final = 10
_MOST_NAMES: Final = 5
_MOST_MESSAGES: Final = 3
_MOST_RUNS: Final = 10
_LONGEST: Final = 300
_WHAT_IS_WRONG: Final = {
    RunState.FAILED: "failed",
    RunState.PARTIAL: "rejected too many rows",
    RunState.SUCCEEDED: "brought no rows",
}


def headline(watched: Watched, sandbox: str) -> str:
    """Return one line with what is new, such as ``80 runs failed, 1 cause (sandbox prod)``; empty if nothing is."""
    parts = list(_counts(watched))
    return f"{'; '.join(parts)} (sandbox {sandbox})" if parts else ""


def message(watched: Watched, sandbox: str) -> str:
    """Return all that is new as a text of several lines, the headline first; empty if nothing is."""
    lines = [headline(watched, sandbox)]
    for cause in watched.causes[:_MOST_CAUSES]:
        lines += _of_cause(cause)
    if len(watched.causes) > _MOST_CAUSES:
        runs = sum(len(cause.runs) for cause in watched.causes[_MOST_CAUSES:])
        lines.append(f"- {_many(runs, 'run')} of {_many(len(watched.causes) - _MOST_CAUSES, 'further cause')}")
    for kind, what in (
        (Kind.MISSED, "Did not run when they should have"),
        (Kind.DISABLED, "Disabled"),
        (Kind.LATE, "Still running"),
    ):
        found = watched.of(kind)
        if found:
            lines.append(f"{what}: {_few([_named(each) for each in found], '; ')}")
    return "\n".join(lines)


def table(watched: Watched) -> list[dict[str, Any]]:
    """
    Return a row for each flow of each new cause, and for each state that stands, new or not.

    A row has ``kind`` (``failed``, ``missed``, ``disabled``, ``late``), ``flow``, ``flow_id``, ``run_ids`` (the newest ten),
    ``cause`` (the same text in all rows of one cause), ``code``, ``message``, ``since`` (ISO 8601 in UTC, or None),
    ``count`` (of runs) and ``new``.
    """
    rows = [row for cause in watched.causes for row in _rows_of(cause)]
    rows += [_row(finding) for finding in watched.findings]
    return rows[:MOST_ROWS]


def counts(watched: Watched) -> dict[str, int]:
    """Return how much is new: ``failed`` (runs), ``causes``, ``missed`` and ``disabled`` (flows), ``late`` (runs)."""
    return {
        "failed": len(watched.failed),
        "causes": len(watched.causes),
        **{kind.value: len(watched.of(kind)) for kind in Kind},
    }


def _counts(watched: Watched) -> Iterator[str]:
    new = counts(watched)
    states = Counter(each.run.verdict.state for each in watched.failed)
    runs = [f"{_many(states[state], 'run')} {what}" for state, what in _WHAT_IS_WRONG.items() if states[state]]
    if runs:
        yield f"{' and '.join(runs)}, {_many(new['causes'], 'cause')}"
    if new["missed"]:
        yield f"{_many(new['missed'], 'flow')} did not run when {'it' if new['missed'] == 1 else 'they'} should have"
    if new["disabled"]:
        yield f"{_many(new['disabled'], 'flow')} {'is' if new['disabled'] == 1 else 'are'} disabled"
    if new["late"]:
        yield f"{_many(new['late'], 'run')} {'is' if new['late'] == 1 else 'are'} late"


def _of_cause(cause: Cause) -> Iterator[str]:
    ends = [_moment(each.run.ended_at // 1000) for each in cause.runs]
    when = ends[0] if ends[0] == ends[-1] else f"{ends[0]} to {ends[-1]}"
    flows = [flow.name for flow in cause.flows]
    yield f"- {_many(len(cause.runs), 'run')} of {_many(len(flows), 'flow')} ({_few(flows)}), {when}: {label(cause)}"
    advised: set[Advice] = set()
    for text, count in cause.messages[:_MOST_MESSAGES]:
        often = f" ({_many(count, 'run')})" if len(cause.messages) > 1 else ""
        yield f"  AEP says: {one_line(text, _LONGEST) or 'nothing'}{often}"
        known = advice(cause.code, text)
        if known and known not in advised:
            advised.add(known)
            yield f"  It means: {known.meaning}"
            yield f"  To do: {known.remedy}"
    if len(cause.messages) > _MOST_MESSAGES:
        yield f"  and {_many(len(cause.messages) - _MOST_MESSAGES, 'further message')}"


def label(cause: Cause) -> str:
    """Return what all runs of a cause have in common, on one line."""
    code = cause.code or next((text for text, _ in cause.messages if text), "") or "AEP tells no reason"
    if not cause.base_connection_id:
        return f"{one_line(code, _LONGEST)}, by a base connection that AEP does not tell"
    name = f"{cause.base_connection_name} " if cause.base_connection_name else ""
    return f"{one_line(code, _LONGEST)}, by base connection {name}({one_line(cause.base_connection_id, 100)})"


def _rows_of(cause: Cause) -> Iterator[dict[str, Any]]:
    its: dict[str, list[FailedRun]] = {}
    for each in cause.runs:
        its.setdefault(each.flow.id, []).append(each)
    for flow in cause.flows:
        runs = its[flow.id]
        yield {
            "kind": "failed",
            "flow": flow.name,
            "flow_id": flow.id,
            "run_ids": [each.run.id for each in reversed(runs)][:_MOST_RUNS],
            "cause": label(cause),
            "code": cause.code,
            "message": one_line(runs[-1].message, _LONGEST),
            "since": _moment(min(each.run.ended_at for each in runs) // 1000),
            "count": len(runs),
            "new": True,
        }


def _row(finding: Finding) -> dict[str, Any]:
    what = {
        Kind.MISSED: "AEP should have started a run, and none is there",
        Kind.DISABLED: "the flow is disabled, so nothing runs",
        Kind.LATE: "a run goes on for too long",
    }
    return {
        "kind": finding.kind.value,
        "flow": finding.flow.name,
        "flow_id": finding.flow.id,
        "run_ids": [finding.run_id] if finding.run_id else [],
        "cause": "",
        "code": "",
        "message": what[finding.kind],
        "since": None if finding.since is None else _moment(finding.since),
        "count": 1 if finding.run_id else 0,
        "new": finding.new,
    }


def _named(finding: Finding) -> str:
    if finding.since is None:
        return finding.flow.name
    since = _moment(finding.since)
    if finding.kind is Kind.MISSED:
        return f"{finding.flow.name}, due {since}"
    return f"{finding.flow.name}, run {one_line(finding.run_id, 100)} since {since}"


def _few(names: Sequence[str], between: str = ", ") -> str:
    rest = len(names) - _MOST_NAMES
    return between.join(names[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _moment(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return "a moment beyond the year 9999"
