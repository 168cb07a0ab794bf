"""What is wanted beside what is there. Asks nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from aep_provider.errors import AepDuplicateError
from aep_provider.resources.resource import Existing, Resource

log = logging.getLogger(__name__)


class Author(StrEnum):
    """Who wrote what is there, told by the mark."""

    US = "us"
    HAND = "by hand"
    """We made it, and somebody edited it since."""
    OTHERS = "somebody else"


@dataclass(frozen=True)
class Comparison:
    """
    An object that is there, and how it differs from the one that is wanted.

    :param duplicates: ids of further objects of the same name and content.
    :param lines: one for each thing that differs; none if it is as wanted.
    :param frozen: those of them that AEP does not let one change.
    """

    existing: Existing
    duplicates: list[str]
    lines: list[str]
    frozen: list[str]
    author: Author


def compare(resource: Resource, found: Sequence[Existing]) -> Comparison | None:
    """
    Return how what was found differs from what is wanted, None if nothing was found.

    :raises AepDuplicateError: several were found and it is not clear which one is meant.
    """
    if not found:
        return None
    existing, duplicates = the_one(resource, found)
    lines = resource.differences(existing)
    return Comparison(
        existing, duplicates, lines, resource.frozen(existing) if lines else [], _author(resource, existing)
    )


def the_one(resource: Resource, found: Sequence[Existing]) -> tuple[Existing, list[str]]:
    """
    Return the object that is meant, and the ids of the others.

    Of several it is the oldest and then the smaller id, if all bear our mark with one and the same fingerprint.

    :raises AepDuplicateError: they do not.
    """
    ordered = sorted(found, key=lambda one: (one.created_at, one.id))
    first, *rest = ordered
    if not rest:
        return first, []
    if first.mark is None or any(one.mark != first.mark for one in rest):
        told_apart = ", ".join(
            f"{one.id} ({'ours, ' + one.mark[:8] if one.mark else 'made by somebody else'})" for one in ordered
        )
        raise AepDuplicateError(
            f"There are {len(ordered)} objects of the kind {resource.kind} with the name {resource.name!r}: {told_apart}. "
            "Rename or delete all but the one that is meant, or choose another name."
        )
    duplicates = [one.id for one in rest]
    log.warning(
        "There are %d equal objects of the kind %s named %r: taking the oldest, %s. To be deleted if nothing uses them: %s",
        len(ordered), resource.kind, resource.name, first.id, ", ".join(duplicates),
    )  # fmt: skip
    return first, duplicates


def _author(resource: Resource, existing: Existing) -> Author:
    if existing.mark is None:
        return Author.OTHERS
    return Author.US if resource.written_by_us(existing) else Author.HAND
