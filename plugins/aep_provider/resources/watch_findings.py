"""What a watch finds of flows and their runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from aep_provider.errors import one_line
from aep_provider.resources.watch_memory import WatchMemory
from aep_provider.resources.watch_runs import SeenRun
from aep_provider.verdict import RunState, milliseconds

# What differs between the messages of one cause: quoted names, ids, numbers.
_PARTICULAR: Final = re.compile(r"'[^']*'|\"[^\"]*\"|\b[0-9a-fA-F-]{8,}\b|\d+")
_BEGINNING: Final = 80


@dataclass(frozen=True)
class WatchedFlow:
    """A flow, as far as a watch is concerned."""

    id: str
    name: str
    state: str = ""
    schedule: Any = None
    base_connection_id: str = ""
    """Empty where AEP does not tell it, or the flow is gone."""
    created_at: int = 0
    """Epoch milliseconds."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> WatchedFlow:
        """Return what a flow's document tells."""
        flow_id = str(document.get("id"))
        return cls(
            id=flow_id,
            name=one_line(document.get("name") or flow_id, 200),
            state=str(document.get("state")).lower(),
            schedule=document.get("scheduleParams"),
            base_connection_id=_base_of(document),
            created_at=milliseconds(document.get("createdAt")) or 0,
        )


@dataclass(frozen=True)
class FailedRun:
    """A run that is not borne, with its flow."""

    flow: WatchedFlow
    run: SeenRun

    @property
    def code(self) -> str:
        """AEP's first code; empty where it gives none."""
        return next(iter(self.run.verdict.codes), "")

    @property
    def message(self) -> str:
        """AEP's first words."""
        if self.run.verdict.state is RunState.SUCCEEDED:
            return "the run read no row"
        return next(iter(self.run.verdict.reasons), "").removeprefix(self.code).strip()

    @property
    def cause(self) -> tuple[str, str]:
        """What it has in common with others of the same cause: the base connection, and the code or else the words."""
        # Two flows of which nothing is known that they share do not have one cause.
        where = self.flow.base_connection_id or f"flow {self.flow.id}"
        return where, self.code or _PARTICULAR.sub("…", self.message)[:_BEGINNING]


@dataclass(frozen=True)
class Cause:
    """Failed runs over one base connection that failed with one code, the oldest first."""

    runs: Sequence[FailedRun]
    base_connection_id: str
    base_connection_name: str = ""
    code: str = ""

    @property
    def flows(self) -> list[WatchedFlow]:
        """Their flows, by name."""
        return sorted({each.flow.id: each.flow for each in self.runs}.values(), key=lambda flow: flow.name)

    @property
    def messages(self) -> list[tuple[str, int]]:
        """AEP's words and how many runs have them, the most frequent first."""
        return Counter(each.message for each in self.runs).most_common()


class Kind(StrEnum):
    """What a standing finding says of a flow."""

    MISSED = "missed"
    """AEP should have started a run, and none is there."""
    DISABLED = "disabled"
    LATE = "late"
    """A run goes on for too long."""


@dataclass(frozen=True)
class Finding:
    """
    A state of a flow that lasts until somebody does something.

    :param new: whether the last look did not tell it yet.
    :param since: when it began, epoch seconds: the start that was missed, the beginning of the run. None if not known.
    """

    kind: Kind
    flow: WatchedFlow
    new: bool
    since: int | None = None
    run_id: str = ""


@dataclass(frozen=True)
class Watched:
    """What a look found. Nobody is told twice of what is ``new`` once ``memory`` is kept."""

    causes: Sequence[Cause]
    """Of runs that failed since the last look, the most frequent first."""
    findings: Sequence[Finding]
    """All that stands, new or not, by name of the flow."""
    memory: WatchMemory
    flows_seen: int = 0
    runs_seen: int = 0

    def of(self, kind: Kind) -> list[Finding]:
        """Return what is new of a kind."""
        return [each for each in self.findings if each.kind is kind and each.new]

    @property
    def failed(self) -> list[FailedRun]:
        """The failed runs of all causes."""
        return [run for cause in self.causes for run in cause.runs]

    @property
    def is_news(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.causes) or any(each.new for each in self.findings)


def _base_of(document: Mapping[str, Any]) -> str:
    inherited = document.get("inheritedAttributes")
    sources = inherited.get("sourceConnections") if isinstance(inherited, Mapping) else None
    for source in sources if isinstance(sources, list) else []:
        base = source.get("baseConnection") if isinstance(source, Mapping) else None
        if isinstance(base, Mapping) and base.get("id"):
            return str(base["id"])
    return ""
