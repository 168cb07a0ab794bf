"""What would be done to bring a sandbox to what is declared: plain data, the same for the same input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

LOADED: Final = "loaded_until_now"


class Change(StrEnum):
    """What becomes of an object."""

    CREATE = "create"
    UPDATE = "update in place"
    REPLACE = "replace"
    """AEP does not let it be changed: it is renamed and kept, and a new one is made."""
    UNCHANGED = "unchanged"
    DRIFTED = "drifted"
    """It is not as declared, and not because the declaration changed: somebody edited it, or it is somebody else's."""
    ORPHANED = "orphaned"
    """This package made it, and no declaration wants it."""


@dataclass(frozen=True)
class Step:
    """
    What becomes of one object.

    :param id: of the one that is there.
    :param lines: what differs, one line for each thing.
    :param cause: why.
    :param then: what overwriting a drift comes to.
    :param also: ids of further objects of the same name and content, which nobody needs.
    """

    kind: str
    name: str
    change: Change
    id: str | None = None
    lines: tuple[str, ...] = ()
    cause: str = ""
    then: Change | None = None
    also: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Kind and name."""
        return self.kind, self.name

    @property
    def is_work(self) -> bool:
        """Whether there is anything to do, or to decide."""
        return self.change not in (Change.UNCHANGED, Change.ORPHANED)

    def carried_out(self, *, overwrite: bool) -> Change:
        """Return what is done about it."""
        return self.then if self.then and overwrite else self.change

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        told = {"kind": self.kind, "name": self.name, "change": self.change.value, "id": self.id}
        more = {"differences": list(self.lines), "cause": self.cause, "then": self.then, "duplicates": list(self.also)}
        return told | {key: value for key, value in more.items() if value}


@dataclass(frozen=True)
class Consequence:
    """
    What a step means for rows.

    :param loaded: what the old flow has brought until now. Not part of what is decided: it goes on while a plan is looked at.
    :param loses: whether rows would come twice or be missed, so that somebody has to accept it.
    """

    text: str
    loaded: str = ""
    loses: bool = False

    @property
    def in_words(self) -> str:
        """All of it, for people."""
        return f"{self.text} Loaded until now: {self.loaded}." if self.loaded else self.text

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        told = {"text": self.text, "needs_accept": self.loses}
        return told | ({LOADED: self.loaded} if self.loaded else {})


@dataclass(frozen=True)
class DataflowPlan:
    """
    What becomes of one dataflow.

    :param digest: of its declaration.
    :param error: why there is no plan.
    :param may_pass: whether there may be one later, with nothing changed: AEP was out of order.
    :param certain: False while its columns are not known, because the base connection has to be made first.
    """

    name: str
    digest: str
    steps: tuple[Step, ...] = ()
    consequences: tuple[Consequence, ...] = ()
    error: str | None = None
    may_pass: bool = False
    certain: bool = True

    @property
    def work(self) -> list[Step]:
        """The steps that are not nothing."""
        return [step for step in self.steps if step.is_work]

    @property
    def drifted(self) -> list[Step]:
        """The steps over which somebody has to decide."""
        return [step for step in self.steps if step.change is Change.DRIFTED]

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        told = {
            "name": self.name,
            "digest": self.digest,
            "certain": self.certain,
            "steps": [step.document() for step in self.steps],
            "consequences": [one.document() for one in self.consequences],
        }
        return told | ({"error": self.error} if self.error else {})


@dataclass(frozen=True)
class Plan:
    """
    What becomes of a sandbox.

    :param shared: the base connections, on which many dataflows stand.
    :param orphans: what this package made and nothing declares; None where not all declarations were looked at.
    :param overwrite: whether drift is overwritten.
    """

    organisation: str
    sandbox: str
    shared: tuple[Step, ...] = ()
    dataflows: tuple[DataflowPlan, ...] = ()
    orphans: tuple[Step, ...] | None = ()
    overwrite: bool = False

    def steps(self) -> Iterator[Step]:
        """Yield all steps; an object that two dataflows share comes once."""
        seen: set[tuple[str, str]] = set()
        for step in (*self.shared, *(step for one in self.dataflows for step in one.steps)):
            if step.key not in seen:
                seen.add(step.key)
                yield step

    @property
    def has_work(self) -> bool:
        """Whether there is anything to do, or to decide."""
        return any(step.is_work for step in self.steps())

    @property
    def errors(self) -> list[tuple[str, str]]:
        """Each dataflow that has no plan, and why."""
        return [(one.name, one.error) for one in self.dataflows if one.error]

    @property
    def losses(self) -> list[tuple[str, str]]:
        """Each dataflow of which rows would come twice or be missed, and how."""
        return [(one.name, each.in_words) for one in self.dataflows for each in one.consequences if each.loses]

    def counts(self) -> dict[str, int]:
        """Return how many objects each change concerns."""
        counts = dict.fromkeys((change.value for change in Change), 0)
        for step in (*self.steps(), *(self.orphans or ())):
            counts[step.change.value] += 1
        return counts

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it. It holds no secret and no time; its digest is the same until something changes."""
        told: dict[str, Any] = {
            "plan": 1,
            "organisation": self.organisation,
            "sandbox": self.sandbox,
            "overwrite": self.overwrite,
            "base_connections": [step.document() for step in self.shared],
            "dataflows": [one.document() for one in self.dataflows],
            "orphans": None if self.orphans is None else [step.document() for step in self.orphans],
        }
        decided = {**told, "dataflows": [decided_of(one) for one in told["dataflows"]]}
        text = json.dumps(decided, sort_keys=True, ensure_ascii=False)
        return {**told, "counts": self.counts(), "digest": hashlib.sha256(text.encode()).hexdigest()}


def decided_of(dataflow: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a dataflow's plan, as JSON has it, what somebody decides about: not what was loaded until now."""
    implied = [
        {key: value for key, value in each.items() if key != LOADED} for each in dataflow.get("consequences") or []
    ]
    return {**dataflow, "consequences": implied}
