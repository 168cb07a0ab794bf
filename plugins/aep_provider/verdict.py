"""A run document in, what happened out: every vocabulary of statuses, judged by the counts of rows as well."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

log = logging.getLogger(__name__)

# Epoch milliseconds passed this number in 1973; smaller ones are seconds.
_MILLISECONDS_FROM = 100_000_000_000


class RunState(StrEnum):
    """What became of a run."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partially succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """A status that nobody told us of: taken as running, with a warning."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self in (RunState.SUCCEEDED, RunState.PARTIAL, RunState.FAILED)


_STATES = {
    **dict.fromkeys(("success", "succeeded", "completed"), RunState.SUCCEEDED),
    **dict.fromkeys(("partialsuccess", "partialfailure"), RunState.PARTIAL),
    **dict.fromkeys(("failed", "failure", "error", "aborted", "cancelled", "canceled"), RunState.FAILED),
    **dict.fromkeys(
        ("scheduled", "queued", "waiting", "pending", "inprogress", "processing", "running", "started"),
        RunState.RUNNING,
    ),
}


@dataclass(frozen=True)
class Verdict:
    """
    What happened in a run.

    Counts of rows are None where AEP does not tell them. Times are epoch milliseconds.
    """

    run_id: str
    flow_id: str
    state: RunState
    status: str
    """AEP's own word."""
    rows_read: int | None = None
    rows_written: int | None = None
    rows_rejected: int | None = None
    reasons: list[str] = field(default_factory=list)
    """AEP's codes and messages, each once."""
    batch_ids: list[str] = field(default_factory=list)
    started_at: int | None = None
    completed_at: int | None = None

    def in_words(self) -> str:
        """Return one line for people."""
        counts = ", ".join(
            f"{'?' if number is None else number} {what}"
            for number, what in (
                (self.rows_read, "read"),
                (self.rows_written, "written"),
                (self.rows_rejected, "rejected"),
            )
        )
        why = f". {'; '.join(self.reasons[:3])}" if self.reasons else ""
        return f"Run {self.run_id} of flow {self.flow_id} {self.state} ({self.status}): rows {counts}{why}"

    def as_json(self) -> dict[str, Any]:
        """Return the verdict in plain JSON types."""
        return {**asdict(self), "state": self.state.value}


@dataclass(frozen=True)
class Tolerance:
    """
    How many rejected rows are borne. A run within either bound passes.

    :param rows: this many.
    :param percent: this share of the rows read, 0 to 100.
    """

    rows: int = 0
    percent: float = 0

    def bears(self, verdict: Verdict) -> bool:
        """Whether a run that has ended may pass. One that failed never does."""
        if verdict.state is RunState.SUCCEEDED:
            return True
        if verdict.state is not RunState.PARTIAL or verdict.rows_rejected is None:
            return False
        share = 100 * verdict.rows_rejected / verdict.rows_read if verdict.rows_read else 100.0
        return verdict.rows_rejected <= self.rows or share <= self.percent


def judge(run: Mapping[str, Any]) -> Verdict:
    """Return what the document of a run tells. It may be incomplete, as those of failed runs are."""
    metrics = _mapping(run.get("metrics"))
    activities = [_mapping(one) for one in _list(run.get("activities") or run.get("activites"))]
    status = _mapping(metrics.get("statusSummary")).get("status")
    records = _mapping(metrics.get("recordSummary"))
    times = _mapping(metrics.get("durationSummary"))
    rejected = _count(records.get("failedRecordCount"))
    reasons = list(dict.fromkeys(_reasons(metrics, activities)))
    state = _state(status)
    if state is RunState.SUCCEEDED and (rejected or reasons):
        state = RunState.PARTIAL
    if state is RunState.UNKNOWN:
        log.warning("Run %s has a status that is not known, %r: taking it as running", run.get("id"), status)
    return Verdict(
        run_id=str(run.get("id")),
        flow_id=str(run.get("flowId")),
        state=state,
        status=str(status),
        rows_read=_count(records.get("inputRecordCount")),
        rows_written=_count(records.get("outputRecordCount")),
        rows_rejected=rejected,
        reasons=reasons,
        batch_ids=list(dict.fromkeys(_batches(activities))),
        started_at=_milliseconds(times.get("startedAtUTC")),
        completed_at=_milliseconds(times.get("completedAtUTC")),
    )


def _state(status: object) -> RunState:
    """A run that has no status yet has only just been scheduled."""
    if status is None:
        return RunState.RUNNING
    word = "".join(character for character in str(status).lower() if character.isalnum())
    return _STATES.get(word, RunState.UNKNOWN)


def _reasons(metrics: Mapping[str, Any], activities: list[Mapping[str, Any]]) -> Iterator[str]:
    for part in (metrics, *activities):
        summary = _mapping(part.get("statusSummary"))
        for error in (*_list(summary.get("errors")), *_list(_mapping(summary.get("extensions")).get("errors"))):
            told = _mapping(error)
            text = " ".join(f"{told.get('code', '')} {told.get('message', '')}".split())
            if text:
                yield text[:500]


def _batches(activities: list[Mapping[str, Any]]) -> Iterator[str]:
    for activity in activities:
        for target in _list(activity.get("targetInfo")):
            reference = _mapping(_mapping(target).get("reference"))
            if str(reference.get("type")).lower() == "batch":
                yield from (str(one) for one in _list(reference.get("ids")))


def _count(value: object) -> int | None:
    """-1 stands for unknown."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if number >= 0 else None


def _milliseconds(value: object) -> int | None:
    number = _count(value)
    return number * 1000 if number is not None and number < _MILLISECONDS_FROM else number


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def verdict_of(document: object) -> Verdict | None:
    """Return the verdict that :meth:`Verdict.as_json` made a document of, None if there was none."""
    if not isinstance(document, Mapping):
        return None
    return Verdict(**{**document, "state": RunState(document["state"])})
