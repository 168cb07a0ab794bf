"""What a watch over flow runs remembers from one look to the next, small enough for a store of short values."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aep_provider.errors import one_line

FORM = 1
"""Told in every memory, so that one of another form is known as such."""
SPARE_MARKS = 1000
"""How many runs that were told are remembered beyond those that must be: AEP may touch a run that ended long ago."""

_T = TypeVar("_T")


def mark(object_id: str) -> str:
    """Return a short stand-in for an id: thousands of them fit where whole ids would not."""
    return base64.urlsafe_b64encode(hashlib.sha256(object_id.encode()).digest()[:8]).decode().rstrip("=")


@dataclass(frozen=True)
class WatchMemory:
    """
    How far a watch has come. Flows and runs are marks (see :func:`mark`), but for the open runs, which are looked up.

    :param read_until: runs that were created or ended after this moment are read again, epoch seconds.
    :param due_until: starts that were due up to this moment have been judged, epoch seconds.
    :param open_runs: ids of the runs that went on, each with whether it was told as late.
    :param told_runs: failed runs that were told, the oldest first.
    :param missed: flows that were told as not having run, each with the start that was due, epoch seconds.
    :param disabled: flows that were seen disabled.
    :param resumed: flows that are not disabled any more, each with the moment of the look that found it, epoch seconds.
    """

    read_until: int
    due_until: int
    open_runs: Mapping[str, bool] = field(default_factory=dict)
    told_runs: Sequence[str] = ()
    missed: Mapping[str, int] = field(default_factory=dict)
    disabled: Collection[str] = frozenset()
    resumed: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def none(cls, since: float) -> WatchMemory:
        """Return that of a watch which begins: it looks back to ``since``, epoch seconds."""
        return cls(read_until=int(since), due_until=int(since))

    def as_json(self) -> dict[str, Any]:
        """Return it in plain JSON types, without None."""
        return {
            "form": FORM,
            "read_until": self.read_until,
            "due_until": self.due_until,
            "open_runs": dict(self.open_runs),
            "told_runs": list(self.told_runs),
            "missed": dict(self.missed),
            "disabled": sorted(self.disabled),
            "resumed": dict(self.resumed),
        }

    @classmethod
    def from_json(cls, kept: Any) -> WatchMemory | None:
        """
        Return what :meth:`as_json` made a document of, None if there was none.

        :raises ValueError: the document is of another form.
        """
        if kept is None:
            return None
        if not isinstance(kept, Mapping) or kept.get("form") != FORM:
            raise ValueError(f"what was remembered is not of our form: {one_line(kept, 200)}")
        return cls(
            read_until=_moment(kept.get("read_until")),
            due_until=_moment(kept.get("due_until")),
            open_runs=_mapping(kept.get("open_runs"), bool),
            told_runs=tuple(_texts(kept.get("told_runs"))),
            missed=_mapping(kept.get("missed"), _moment),
            disabled=frozenset(_texts(kept.get("disabled"))),
            resumed=_mapping(kept.get("resumed"), _moment),
        )


def _moment(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"what was remembered holds {one_line(value, 80)} where a moment should be")
    return value


def _mapping(value: Any, read: Callable[[Any], _T]) -> dict[str, _T]:
    if not isinstance(value, Mapping):
        raise ValueError(f"what was remembered holds {one_line(value, 80)} where a mapping should be")
    return {str(key): read(one) for key, one in value.items()}


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(f"what was remembered holds {one_line(value, 80)} where a list should be")
    return [str(one) for one in value]
