"""
The one algorithm that all kinds of objects share: find, compare, then create, reuse, update or fail.

AEP has no idempotency key, and (but for schemas) no unique names. So an object is looked for before it is made; the
intent is remembered before the request leaves; and after an answer that never came, or a server error, it is looked
for again until a settling time has passed, because listings may lag behind.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from aep_provider.errors import (
    AepConfigError,
    AepConflictError,
    AepDifferenceError,
    AepError,
    AepPreconditionError,
)
from aep_provider.resources.comparison import Author, Comparison, compare
from aep_provider.resources.fingerprint import fingerprint, marked
from aep_provider.resources.resource import Action, Existing, IfExists, Outcome, Resource

log = logging.getLogger(__name__)


class Memory(Protocol):
    """Where an intent outlives the process that had it."""

    def recall(self) -> Mapping[str, Any] | None:
        """Return what was remembered last, or None."""

    def remember(self, note: Mapping[str, Any]) -> None:
        """Keep ``note``, JSON values only."""


class NoMemory:
    """For callers that have nowhere to keep an intent."""

    def recall(self) -> None:
        """Return None."""

    def remember(self, note: Mapping[str, Any]) -> None:
        """Forget ``note``."""


@dataclass(frozen=True)
class Patience:
    """How long to look for an object whose creation was not answered."""

    settle_seconds: float = 30.0
    """Listings are taken to show an object at the latest this long after it was made."""
    look_every_seconds: float = 3.0
    attempts: int = 3
    """How often to create, or to change after a concurrent edit, before giving up."""
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    """Epoch seconds."""


def ensure(
    resource: Resource,
    *,
    if_exists: IfExists | str = IfExists.REUSE,
    adopt: bool = False,
    memory: Memory | None = None,
    patience: Patience | None = None,
    found: Sequence[Existing] | None = None,
) -> Outcome:
    """
    Make sure that ``resource`` is there once, and return its id.

    :param if_exists: what to do with an object of the same name, see :class:`IfExists`.
    :param adopt: let ``update`` change an object that somebody else made, or that was edited by hand since.
    :param memory: keeps the intent before the request leaves, so that a retry in another process looks long enough.
    :param found: what a look has just found; None looks now.
    :raises AepConfigError: ``if_exists`` is none of the three words.
    :raises AepDifferenceError: an object of the name is there, with another content than wanted.
    :raises AepDuplicateError: several objects of the name are there and it is not clear which one is meant.
    """
    try:
        if_exists = IfExists(if_exists)
    except ValueError:
        raise AepConfigError(f"if_exists is {if_exists!r}, but must be one of {', '.join(IfExists)}.") from None
    memory = memory or NoMemory()
    patience = patience or Patience()
    digest = fingerprint(resource.content())

    intent = _own_intent(memory.recall(), resource, digest)
    found = resource.find() if found is None else found
    if not found and intent:
        log.info("An earlier attempt may have created the %s %r: looking for it", resource.kind, resource.name)
        # The worker of then may have had a clock that ran ahead.
        at = min(float(intent["at"]), patience.now())
        found = _look_until(resource, at + patience.settle_seconds, patience)
    if found:
        return _take(resource, found, digest, if_exists, adopt, mine=bool(intent), patience=patience)
    return _create(resource, digest, memory, patience)


def told(lines: list[str], most: int = 12) -> str:
    """Return differences as one line for a message, the first ``most`` of them."""
    rest = f"; and {len(lines) - most} more" if len(lines) > most else ""
    return "Differences: " + "; ".join(lines[:most]) + rest + "."


def _own_intent(note: Mapping[str, Any] | None, resource: Resource, digest: str) -> Mapping[str, Any] | None:
    """A note about another object (the task's arguments changed since) is no intent of ours."""
    if note and (note.get("kind"), note.get("name"), note.get("digest")) == (resource.kind, resource.name, digest):
        return note
    return None


def _intent(resource: Resource, digest: str, at: float) -> dict[str, Any]:
    return {"kind": resource.kind, "name": resource.name, "digest": digest, "at": at}


def _create(resource: Resource, digest: str, memory: Memory, patience: Patience) -> Outcome:
    description = marked(resource.description, digest)
    lost: AepError | None = None
    maybe_ours = False
    for _ in range(patience.attempts):
        memory.remember(_intent(resource, digest, patience.now()))
        try:
            new_id, etag = resource.create(description)
        except AepError as error:
            if not (error.ambiguous or isinstance(error, AepConflictError)):
                raise
            lost = error
            maybe_ours = maybe_ours or error.ambiguous
            log.warning(
                "Creating the %s %r had no clear answer, looking for it: %s", resource.kind, resource.name, error
            )
            # A request that ran into its time-out may have been carried out at its very end.
            now = patience.now()
            memory.remember(_intent(resource, digest, now))
            found = _look_until(resource, now + patience.settle_seconds, patience)
            if found:
                outcome = _take(resource, found, digest, IfExists.REUSE, adopt=False, mine=True, patience=patience)
                return replace(outcome, action=Action.CREATED if maybe_ours else Action.REUSED)
        else:
            log.info("Created the %s %r: %s", resource.kind, resource.name, new_id)
            return Outcome(resource.kind, resource.name, new_id, Action.CREATED, etag)
    assert lost is not None  # noqa: S101  the loop ends here only after a lost answer
    raise lost


def _look_until(resource: Resource, deadline: float, patience: Patience) -> Sequence[Existing]:
    """Look at once, then again and again until the object shows up or ``deadline`` (epoch seconds) has passed."""
    while True:
        last = patience.now() >= deadline
        found = resource.find()
        if found or last:
            return found
        patience.sleep(min(patience.look_every_seconds, max(0.0, deadline - patience.now())))


def _take(
    resource: Resource,
    found: Sequence[Existing],
    digest: str,
    if_exists: IfExists,
    adopt: bool,
    *,
    mine: bool,
    patience: Patience,
) -> Outcome:
    there = _compared(resource, found)
    if if_exists is IfExists.FAIL and not mine:
        raise AepDifferenceError(
            f"The {resource.kind} {there.existing.name!r} is there already ({there.existing.id}), and if_exists is 'fail'."
        )
    edits, deadline = 0, patience.now() + patience.settle_seconds
    sent: list[str] | None = None
    while edits < patience.attempts:
        existing = there.existing
        lines = there.lines + _resting(resource, existing, if_exists)
        if not lines and not (if_exists is IfExists.UPDATE and resource.always_changes()):
            log.info("The %s %r is there already: %s", resource.kind, existing.name, existing.id)
            return Outcome(
                resource.kind, existing.name, existing.id, Action.REUSED if sent is None else Action.UPDATED,
                existing.etag, changes=sent or [], duplicates=there.duplicates,
            )  # fmt: skip
        _refuse_unwanted_change(resource, there, lines, if_exists, adopt)
        try:
            etag = existing.etag
            if there.lines or resource.always_changes():
                etag = resource.change(existing, marked(resource.description or existing.description, digest))
            if existing.disabled:
                resource.enable(existing)
                etag = None  # enabling made a new one
        except AepPreconditionError:
            log.info("The %s %r was edited meanwhile, reading it again", resource.kind, existing.name)
            edits += 1
        except AepError as error:
            # It may have been carried out, or AEP could not validate what was only just made. What sets a
            # state may be sent again.
            if not error.ambiguous or patience.now() >= deadline:
                raise
            log.warning(
                "Changing the %s %r had no clear answer, looking at it: %s", resource.kind, existing.name, error
            )
            sent = lines
            patience.sleep(patience.look_every_seconds)
        else:
            log.info("Updated the %s %r (%s): %s", resource.kind, existing.name, existing.id, "; ".join(lines))
            return Outcome(
                resource.kind,
                existing.name,
                existing.id,
                Action.UPDATED,
                etag,
                changes=lines,
                duplicates=there.duplicates,
            )
        there = _compared(resource, resource.find() or [existing])
    raise AepDifferenceError(
        f"The {resource.kind} {there.existing.name!r} ({there.existing.id}) was edited by others {edits} times while it "
        "was being updated: look who else writes to it, then run again."
    )


def _compared(resource: Resource, found: Sequence[Existing]) -> Comparison:
    there = compare(resource, found)
    assert there is not None  # noqa: S101  something was found
    return there


def _resting(resource: Resource, existing: Existing, if_exists: IfExists) -> list[str]:
    """What is disabled is as good as not there: whoever waits for it would wait in vain."""
    if not existing.disabled:
        return []
    if resource.enabled_by is None or if_exists is not IfExists.UPDATE:
        mend = resource.enabled_by or "delete it in AEP, or choose another name"
        raise AepDifferenceError(
            f"The {resource.kind} {existing.name!r} ({existing.id}) is there, but disabled, so that no row would ever arrive: "
            f"{mend}."
        )
    return ['state: "disabled" in AEP, "enabled" wanted']


def _refuse_unwanted_change(
    resource: Resource, there: Comparison, lines: list[str], if_exists: IfExists, adopt: bool
) -> None:
    """Three ways: what is wanted, what we last wrote (the mark), and what is there."""
    what = f"The {resource.kind} {there.existing.name!r} ({there.existing.id})"
    if not lines:
        if there.author is Author.OTHERS and not adopt:
            raise AepDifferenceError(
                f"{what} was made by somebody else. Pass adopt=True to send our credentials into it all the same."
            )
        return
    if if_exists is not IfExists.UPDATE:
        raise AepDifferenceError(
            f"{what} is there already with another definition. {told(lines)} "
            "Choose another name, or if_exists='update' to change it."
        )
    if there.author is Author.OTHERS and not adopt:
        raise AepDifferenceError(
            f"{what} was made by somebody else and is not as wanted. {told(lines)} Pass adopt=True to change it all the same."
        )
    if there.author is Author.HAND and not adopt:
        raise AepDifferenceError(
            f"{what} was edited by hand since we last wrote it. {told(lines)} "
            "Pass adopt=True to overwrite the edit, or put the edit into the definition."
        )
    if there.frozen:
        raise AepDifferenceError(f"{what} is not as wanted, and {resource.fixed_because}. {told(there.lines)}")
