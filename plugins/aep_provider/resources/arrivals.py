"""What arrived in all runs that were waited for, told as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aep_provider.verdict import RunState, Verdict

OUTCOME: Final = "outcome"
"""Under which name it is published: all in one, for where many waits end at a time every name is a write of its own."""

_WORST_FIRST = (RunState.FAILED, RunState.UNKNOWN, RunState.RUNNING, RunState.PARTIAL, RunState.SUCCEEDED)
_SUMS = ("rows_read", "rows_written", "rows_rejected", "rows_skipped", "rows_warned", "bytes_read", "bytes_written")
_LISTS = ("reasons", "codes", "batch_ids")


def arrived(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """
    Return what is published of some runs, in plain JSON types: of one, all that its verdict holds but its id.

    Of several: the worst ``state``, the sums of rows and bytes (None if one run does not tell), the reasons, codes and batch
    ids of all, the first start, the last end (None if one has none), and ``runs``, each one's own.
    """
    each = [verdict.as_json() for verdict in verdicts]
    if len(each) == 1:
        return {key: value for key, value in each[0].items() if key != "run_id"}
    worst = min(verdicts, key=lambda verdict: _WORST_FIRST.index(verdict.state))
    starts, ends = ([one[key] for one in each] for key in ("started_at", "completed_at"))
    return {
        "flow_id": worst.flow_id if len({one["flow_id"] for one in each}) == 1 else None,
        "state": worst.state.value,
        "status": worst.status,
        **{key: _sum([one[key] for one in each]) for key in _SUMS},
        **{key: list(dict.fromkeys(value for one in each for value in one[key])) for key in _LISTS},
        "started_at": min((start for start in starts if start), default=None),
        "completed_at": None if None in ends else max(ends),
        "runs": each,
    }


def _sum(numbers: list[int | None]) -> int | None:
    told = [number for number in numbers if number is not None]
    return sum(told) if len(told) == len(numbers) else None
