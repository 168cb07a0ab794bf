"""A wait for flow runs, without any I/O and without a clock: what was seen goes in, how it ends comes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from aep_provider.errors import AepAnswerError, AepConfigError, AepError, AepRunAbsentError, one_line
from aep_provider.resources.flow_schedule import due_at_or_after
from aep_provider.resources.flow_service import gone
from aep_provider.resources.flow_state import FlowState
from aep_provider.verdict import RunState, Verdict, judge, verdict_of

GRACE_SECONDS: Final = 1800.0
"""How late a run may appear. AEP says two to three minutes after its start."""
TROUBLE_SECONDS: Final = 3600.0
"""How long it is borne that AEP gives no answer, or a 429 or 5xx, without one good look in between."""
LAST_LOOK_SECONDS: Final = 60.0
"""How long after the deadline one more look may take to come: whoever watches may have been away."""


@dataclass(frozen=True)
class Awaited:
    """
    What is waited for, and how long. All moments are absolute, so that a wait may be taken up anew by somebody else.

    :param run_ids: these runs; empty for the first run of a flow.
    :param flow_id: the first run of this flow instead.
    :param since: only runs of the flow count that started at or after this moment, epoch milliseconds.
    :param started: when the wait began, epoch seconds.
    :param deadline: when to give up, epoch seconds.
    :param grace: how many seconds a run may take to appear after it was due.
    :param trouble: how many seconds of unbroken trouble are borne.
    """

    run_ids: tuple[str, ...] = ()
    flow_id: str | None = None
    since: int = 0
    started: float = 0.0
    deadline: float = 0.0
    grace: float = GRACE_SECONDS
    trouble: float = TROUBLE_SECONDS

    def in_words(self) -> str:
        """Return what is waited for, for messages."""
        if not self.run_ids:
            return f"The first run of flow {self.flow_id}" + (
                f" since {_moment(self.since / 1000)}" if self.since else ""
            )
        return f"Run {self.run_ids[0]}" if len(self.run_ids) == 1 else f"{len(self.run_ids)} runs"


class Kind(StrEnum):
    """How a wait ends."""

    ENDED = "ended"
    """All runs have ended, well or not."""
    TIMEOUT = "timeout"
    ABSENT = "absent"
    """No run has appeared."""
    ERROR = "error"


@dataclass(frozen=True)
class Ending:
    """
    How a wait ended.

    :param verdicts: what is known of the runs, in the order in which they were asked for.
    :param message: what to say of it, unless the runs have ended.
    :param final: whether waiting again cannot help.
    """

    kind: Kind
    verdicts: list[Verdict] = field(default_factory=list)
    message: str = ""
    final: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it in plain JSON types: it crosses the metadata database."""
        verdicts = [verdict.as_json() for verdict in self.verdicts]
        return {"ending": self.kind.value, "verdicts": verdicts, "message": self.message, "final": self.final}

    @classmethod
    def of(cls, document: Any) -> Ending:
        """
        Return the ending that :meth:`as_json` made a document of.

        :raises AepAnswerError: if it is none: nothing is taken for a success that does not say so.
        """
        try:
            fields = dict(document)
            verdicts = [verdict for one in fields["verdicts"] if (verdict := verdict_of(one))]
            ending = cls(Kind(fields["ending"]), verdicts, str(fields["message"]), bool(fields["final"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise AepAnswerError(f"The wait ended with an event that is not ours: {one_line(document, 200)}") from None
        if ending.kind is Kind.ENDED and not (verdicts and all(one.state.has_ended for one in verdicts)):
            raise AepAnswerError(f"The wait ended, but not its runs: {one_line(document, 200)}")
        return ending


@dataclass(frozen=True)
class Note:
    """A line for the log of whoever waits."""

    text: str
    warning: bool = False


class RunWait:
    """
    What one wait knows so far. Whoever looks tells it what was seen; it says when it is over.

    A flow is waited for until its first run has appeared, and from then on that run. The keyword arguments take up a wait that
    somebody else began.
    """

    def __init__(
        self,
        awaited: Awaited,
        *,
        pinned: str | None = None,
        troubled_since: float | None = None,
        unknown_words: Iterable[str] = (),
    ) -> None:
        self.awaited = awaited
        self.flow_is_known = not awaited.flow_id
        """Whether the flow's document was seen, so that it need not be asked whether a run can come at all."""
        self.troubled_since = troubled_since
        self.unknown_words = set(unknown_words)
        """The words for a run's state that were warned of."""
        self._ids = list(awaited.run_ids) or ([pinned] if pinned else [])
        self._verdicts: dict[str, Verdict] = {}
        self._notes: list[Note] = []
        self._due = max(awaited.started, awaited.since / 1000)
        self._error: AepError | None = None
        self._trouble = ""
        self._looked_at: float | None = None
        self._absent: dict[str | None, float] = {}

    @property
    def run_ids(self) -> list[str]:
        """The runs that are waited for; none as long as the flow has had no run."""
        return list(self._ids)

    @property
    def open_ids(self) -> list[str]:
        """The runs that have to be looked at: those that have not ended."""
        return [run_id for run_id in self._ids if not self._has_ended(run_id)]

    @property
    def asks_for_flow(self) -> bool:
        """Whether the flow should be looked at: it has no run, and perhaps none will come."""
        return not self.flow_is_known and None in self._absent

    @property
    def verdicts(self) -> list[Verdict]:
        """What is known of the runs, as far as they were seen."""
        return [self._verdicts[run_id] for run_id in self._ids if run_id in self._verdicts]

    def notes(self) -> list[Note]:
        """Return the lines for the log since this was asked last."""
        told, self._notes = self._notes, []
        return told

    def saw_run(self, run_id: str, document: Mapping[str, Any] | None, now: float) -> bool:
        """
        Take up what AEP shows of a run, None if it does not show it (yet); return whether that is news.

        :param now: epoch seconds.
        """
        self._good_look(now)
        if document is None:
            return self._is_absent(run_id, f"Run {run_id} has not appeared yet", now)
        self._absent.pop(run_id, None)
        verdict = judge(document)
        before = self._verdicts.get(run_id)
        self._verdicts[run_id] = verdict
        if verdict.state is RunState.UNKNOWN and verdict.status not in self.unknown_words:
            self.unknown_words.add(verdict.status)
            self._tell(
                f"Run {run_id} has a status that is not known, {verdict.status!r}: taking it as running", warning=True
            )
        if before is None or before.status != verdict.status:
            self._tell(verdict.in_words())
        return before != verdict

    def saw_first_run(self, document: Mapping[str, Any] | None, now: float) -> bool:
        """Take up the first run of the flow, None if it has none yet; return whether that is news."""
        if document is None:
            self._good_look(now)
            return self._is_absent(None, f"{self.awaited.in_words()} has not appeared yet", now)
        self._absent.clear()
        run_id = str(document.get("id"))
        self._ids = [run_id]
        return self.saw_run(run_id, document, now)

    def saw_flow(self, document: Mapping[str, Any] | None, now: float) -> bool:
        """Take up the flow itself, None if it is gone: one without runs that is disabled would be waited for in vain."""
        self._good_look(now)
        self.flow_is_known = True
        flow_id = str(self.awaited.flow_id)
        if document is None:
            self._error = gone("flow", flow_id)
        elif document.get("state") == FlowState.DISABLED:
            self._error = AepConfigError(
                f"The flow {flow_id} has no run and is disabled, so none will come: enable it with AepSetFlowStateOperator."
            )
        else:
            due = due_at_or_after(
                document.get("scheduleParams"), int(self.awaited.since / 1000 or self.awaited.started)
            )
            self._due = max(self._due, due or 0)
        return self._error is not None

    def failed(self, error: AepError, now: float) -> bool:
        """Take up that a look failed. What may pass by itself is borne for a while."""
        if error.final:
            self._error = error
            return True
        self._looked_at = now
        if self.troubled_since is None:
            self.troubled_since = now
        if str(error) != self._trouble:
            self._tell(f"Looking for the run failed, trying again: {error}", warning=True)
        self._trouble = str(error)
        return now - self.troubled_since > self.awaited.trouble

    def ending(self, now: float) -> Ending | None:
        """Return how the wait ends, None as long as it goes on."""
        if self._ids and not self.open_ids:
            return Ending(Kind.ENDED, self.verdicts)
        if self._error:
            return Ending(Kind.ERROR, self.verdicts, str(self._error), final=True)
        if self._deadline_has_passed(now):
            return self.timed_out()
        if self.troubled_since is not None and now - self.troubled_since > self.awaited.trouble:
            seconds = now - self.troubled_since
            message = (
                f"AEP could not be asked for {seconds:.0f} seconds, so nothing is known of the run: {self._trouble}"
            )
            return Ending(Kind.ERROR, self.verdicts, message)
        if missing := self._missing():
            return Ending(Kind.ABSENT, self.verdicts, str(self._absence(missing)))
        return None

    def timed_out(self) -> Ending:
        """Return how the wait ends when time is up."""
        seconds = self.awaited.deadline - self.awaited.started
        what = "did not end" if self.verdicts or self.awaited.run_ids else "did not appear and end"
        message = f"{self.awaited.in_words()} {what} within {seconds:.0f} seconds. {self._last_seen()}"
        return Ending(Kind.TIMEOUT, self.verdicts, message)

    def _deadline_has_passed(self, now: float) -> bool:
        """Only after a look: whoever watches may have been away when it passed, and the run have ended long ago."""
        looked = self._looked_at is not None and self._looked_at >= self.awaited.deadline
        return now >= self.awaited.deadline and (looked or now >= self.awaited.deadline + LAST_LOOK_SECONDS)

    def _last_seen(self) -> str:
        open_now = [self._verdicts[run_id] for run_id in self.open_ids if run_id in self._verdicts]
        seen = f"{open_now[0].in_words()}" if open_now else "No run has appeared yet"
        more = f" (and {len(self.open_ids) - 1} more)" if len(self.open_ids) > 1 else ""
        return f"{seen}{more}." + (f" The last look failed: {self._trouble}" if self._trouble else "")

    def _missing(self) -> list[str | None]:
        """The runs that were looked for after the grace and not found; None stands for the first run of the flow."""
        late = self._due + self.awaited.grace
        return [run_id for run_id, looked_at in self._absent.items() if looked_at > late]

    def _absence(self, missing: list[str | None]) -> AepRunAbsentError:
        minutes = self.awaited.grace / 60
        if self._ids:
            return AepRunAbsentError(
                f"AEP knows no flow run {', '.join(map(str, missing[:5]))} in this sandbox, {minutes:.0f} minutes after the "
                "wait began",
                hint="See whether the id is one of a run (not of a flow), and of this sandbox",
            )
        return AepRunAbsentError(
            f"{self.awaited.in_words()} has not appeared, {minutes:.0f} minutes after it was due at {_moment(self._due)}",
            hint="See in AEP whether the flow is scheduled as you think; a longer grace bears a later run",
        )

    def _has_ended(self, run_id: str) -> bool:
        return run_id in self._verdicts and self._verdicts[run_id].state.has_ended

    def _good_look(self, now: float) -> None:
        self._looked_at, self.troubled_since, self._trouble = now, None, ""

    def _is_absent(self, run_id: str | None, text: str, now: float) -> bool:
        if run_id not in self._absent:
            self._tell(text)
        self._absent[run_id] = now
        return bool(self._missing())

    def _tell(self, text: str, *, warning: bool = False) -> None:
        self._notes.append(Note(text, warning))


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
