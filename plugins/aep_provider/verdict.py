"""A run document in, what happened out: every vocabulary of statuses, judged by the counts of rows as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from aep_provider.errors import AepAnswerError, one_line

# Epoch milliseconds passed this number in 1973; smaller ones are seconds.
_MILLISECONDS_FROM = 100_000_000_000
_MOST = 2**63


class RunState(StrEnum):
    """What became of a run."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partially succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """A status that nobody told us of: taken as running; who waits warns of it once."""

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

    Counts of rows and bytes are None where AEP does not tell them. Times are epoch milliseconds.
    """

    run_id: str
    flow_id: str
    """Empty where AEP does not tell it."""
    state: RunState
    status: str
    """AEP's own word."""
    rows_read: int | None = None
    rows_written: int | None = None
    rows_rejected: int | None = None
    rows_skipped: int | None = None
    rows_warned: int | None = None
    """Rows that were written, but not as they should be: AEP may leave out a value that it cannot convert."""
    bytes_read: int | None = None
    bytes_written: int | None = None
    reasons: list[str] = field(default_factory=list)
    """AEP's codes and messages, each once."""
    codes: list[str] = field(default_factory=list)
    """The codes alone, each once."""
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
        if self.rows_skipped:
            counts += f", {self.rows_skipped} skipped"
        if self.rows_warned:
            counts += f", {self.rows_warned} written with warnings"
        why = f". {'; '.join(self.reasons[:3])}" if self.reasons else ""
        of = f" of flow {self.flow_id}" if self.flow_id else ""
        return f"Run {self.run_id}{of} {self.state} ({self.status}): rows {counts}{why}"

    def warning(self) -> str | None:
        """Return what to say of rows that landed, but not as they should be; None if there are none."""
        if not self.rows_warned:
            return None
        left_out = "rows landed with values left out, because AEP could not convert them: look at the mapping"
        return f"Run {self.run_id}: {self.rows_warned} {left_out}"

    def as_json(self) -> dict[str, Any]:
        """Return the verdict in plain JSON types."""
        return {**asdict(self), "state": self.state.value}


@dataclass(frozen=True)
class Tolerance:
    """
    What is borne of a run that has ended. One that failed never is.

    :param rows: so many rejected rows. A run within either bound passes.
    :param percent: this share of the rows read, 0 to 100.
    :param accept_empty: whether a run that read no row is a success.
    :param accept_partial: whether a partial success is one, however many rows were rejected. Otherwise it passes only
        within the bounds, and never if AEP does not say how many rows it rejected.
    """

    rows: int = 0
    percent: float = 0
    accept_empty: bool = True
    accept_partial: bool = False

    def bears(self, verdict: Verdict) -> bool:
        """Whether a run that has ended may pass."""
        if verdict.state not in (RunState.SUCCEEDED, RunState.PARTIAL):
            return False
        if is_empty(verdict) and not self.accept_empty:
            return False
        if verdict.state is RunState.SUCCEEDED or self.accept_partial:
            return True
        if not verdict.rows_rejected:
            return False
        share = 100 * verdict.rows_rejected / verdict.rows_read if verdict.rows_read else 100.0
        return verdict.rows_rejected <= self.rows or share <= self.percent


def is_empty(verdict: Verdict) -> bool:
    """Whether a run read no row; where AEP does not tell what it read, whether it wrote none."""
    return (verdict.rows_written if verdict.rows_read is None else verdict.rows_read) == 0


def judge(run: Mapping[str, Any]) -> Verdict:
    """Return what the document of a run tells. It may be incomplete, as those of failed runs are."""
    metrics = mapping(run.get("metrics"))
    activities = activities_of(run)
    status = mapping(metrics.get("statusSummary")).get("status")
    records = mapping(metrics.get("recordSummary"))
    sizes = mapping(metrics.get("sizeSummary"))
    times = mapping(metrics.get("durationSummary"))
    read, written = _count(records.get("inputRecordCount")), _count(records.get("outputRecordCount"))
    rejected, skipped = _rejected(records, activities), _count(records.get("skippedRecordCount"))
    errors = [*errors_of(metrics), *(error for activity in activities for error in errors_of(activity))]
    reasons = list(dict.fromkeys(error.in_words() for error in errors))
    state = _state(status)
    missing = _unaccounted(read, written, rejected, skipped)
    if missing and state in (RunState.SUCCEEDED, RunState.PARTIAL):
        rejected = (rejected or 0) + missing
        reasons.append(f"AEP read {missing} rows of which it says neither that it wrote nor that it rejected them")
    if state is RunState.SUCCEEDED and (rejected or reasons):
        state = RunState.PARTIAL
    return Verdict(
        run_id=one_line(run.get("id"), 200),
        flow_id=one_line(run.get("flowId") or "", 200),
        state=state,
        status=one_line(status, 100),
        rows_read=read,
        rows_written=written,
        rows_rejected=rejected,
        rows_skipped=skipped,
        rows_warned=_count(records.get("warningRecordCount")),
        bytes_read=_count(sizes.get("inputBytes")),
        bytes_written=_count(sizes.get("outputBytes")),
        reasons=reasons,
        codes=list(dict.fromkeys(error.code for error in errors if error.code)),
        batch_ids=list(dict.fromkeys(_batches(activities))),
        started_at=milliseconds(times.get("startedAtUTC")),
        completed_at=milliseconds(times.get("completedAtUTC")),
    )


@dataclass(frozen=True)
class RunError:
    """An error that a run or one of its activities reports."""

    code: str
    """As AEP writes it, such as ``CONNECTOR-1001-500``; empty where there is none."""
    message: str
    rows: int | None = None
    """How many rows it concerns, where AEP tells."""

    def in_words(self) -> str:
        """Code and message, on one line."""
        return one_line(f"{self.code} {self.message}", 500)


def errors_of(part: Mapping[str, Any]) -> Iterator[RunError]:
    """Yield the errors that the ``metrics`` of a run, or one of its activities, report."""
    summary = mapping(part.get("statusSummary"))
    for error in (*_list(summary.get("errors")), *_list(mapping(summary.get("extensions")).get("errors"))):
        told = mapping(error)
        found = RunError(
            one_line(told.get("code") or "", 100),
            one_line(told.get("message") or "", 500),
            _count(told.get("recordCount")),
        )
        if found.in_words():
            yield found


def activities_of(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a run's activities: a copy and a promotion. AEP's own specification misspells the key."""
    return [mapping(one) for one in _list(run.get("activities") or run.get("activites"))]


def _state(status: object) -> RunState:
    """A run that has no status yet has only just been scheduled."""
    if status is None:
        return RunState.RUNNING
    word = "".join(character for character in str(status).lower() if character.isalnum())
    return _STATES.get(word, RunState.UNKNOWN)


def _rejected(records: Mapping[str, Any], activities: list[Mapping[str, Any]]) -> int | None:
    """The run's own count; where it has none, the greatest that one of its activities tells."""
    told = _count(records.get("failedRecordCount"))
    if told is not None:
        return told
    counts = (_count(mapping(one.get("recordSummary")).get("failedRecordCount")) for one in activities)
    return max((count for count in counts if count is not None), default=None)


def _unaccounted(read: int | None, written: int | None, rejected: int | None, skipped: int | None) -> int:
    """How many rows were read and then never heard of. Nothing can be said where AEP does not tell the two totals."""
    if read is None or written is None:
        return 0
    return max(0, read - written - (rejected or 0) - (skipped or 0))


def _batches(activities: list[Mapping[str, Any]]) -> Iterator[str]:
    for activity in activities:
        for target in _list(activity.get("targetInfo")):
            reference = mapping(mapping(target).get("reference"))
            if str(reference.get("type")).lower() == "batch":
                yield from (one_line(one, 200) for one in _list(reference.get("ids")))


def _count(value: object) -> int | None:
    """No table has more rows or bytes than 64 bits can count."""
    number = _whole(value)
    return number if number is not None and number < _MOST else None


def _whole(value: object) -> int | None:
    """-1 stands for unknown."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if number >= 0 else None


def milliseconds(value: object) -> int | None:
    """Return a moment that AEP tells in milliseconds, or by mistake in seconds; None where it does not tell it."""
    number = _whole(value)
    return number * 1000 if number is not None and number < _MILLISECONDS_FROM else number


def mapping(value: object) -> Mapping[str, Any]:
    """Return what is told in members of its own; nothing where another type stands."""
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def verdict_of(document: object) -> Verdict | None:
    """
    Return the verdict that :meth:`Verdict.as_json` made a document of, None if there was none.

    :raises AepAnswerError: if the document is of another form; another version of this package may have made it.
    """
    if document is None:
        return None
    try:
        fields: dict[str, Any] = dict(document)  # type: ignore[call-overload]  # what is no mapping raises
        return Verdict(**{**fields, "state": RunState(fields["state"])})
    except (KeyError, TypeError, ValueError) as error:
        raise AepAnswerError(f"The verdict on a flow run is not of our form: {one_line(document, 200)}") from error
