"""A flow run, as little of it as the page needs: tens of thousands of them stay in the API server's memory."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from aep_provider.resources.coverage import window_taken
from aep_provider.resources.run import window_of
from aep_provider.resources.run_history import PastRun
from aep_provider.resources.window import Edges
from aep_provider.verdict import RunState, Verdict, judge, milliseconds

_MOST_REASONS: Final = 3


@dataclass(frozen=True, slots=True)
class SeenRun:
    """A run that AEP listed. Moments are epoch milliseconds, 0 where AEP does not tell; counts are None there."""

    id: str
    flow_id: str
    state: RunState
    created_at: int
    began_at: int
    completed_at: int
    told: tuple[int, int] | None
    """Its window's edges, as AEP writes them."""
    rows_read: int | None
    rows_written: int | None
    rows_rejected: int | None
    codes: tuple[str, ...]
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return what a run's document tells."""
        verdict = judge(document)
        created = milliseconds(document.get("createdAt")) or 0
        return cls(
            id=verdict.run_id,
            flow_id=sys.intern(verdict.flow_id),
            state=verdict.state,
            created_at=created,
            began_at=verdict.started_at or created,
            completed_at=verdict.completed_at or 0,
            told=window_of(document),
            rows_read=verdict.rows_read,
            rows_written=verdict.rows_written,
            rows_rejected=verdict.rows_rejected,
            # Many runs fail for one cause.
            codes=tuple(map(sys.intern, verdict.codes[:_MOST_REASONS])),
            reasons=tuple(map(sys.intern, verdict.reasons[:_MOST_REASONS])),
        )

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state.has_ended

    def as_verdict(self) -> Verdict:
        """Return it in the form in which runs are judged."""
        return Verdict(
            run_id=self.id,
            flow_id=self.flow_id,
            state=self.state,
            status=self.state.value,
            rows_read=self.rows_read,
            rows_written=self.rows_written,
            rows_rejected=self.rows_rejected,
            reasons=list(self.reasons),
            codes=list(self.codes),
        )

    def as_past(self, edges: Edges, *, recurs: bool) -> PastRun:
        """Return it in the form in which windows are covered."""
        return PastRun(self.id, self.as_verdict(), window_taken(self.told, edges, recurs=recurs), self.created_at)
