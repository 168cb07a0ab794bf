"""Whether what is left to do is the rest of a plan that an earlier attempt has carried out in part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aep_provider.dataflows.plan import Change, Plan, Step
from aep_provider.errors import AepDifferenceError

_LEAVES: Mapping[Change, frozenset[Change]] = {
    Change.CREATE: frozenset([Change.CREATE]),
    Change.UPDATE: frozenset([Change.UPDATE]),
    # Once the old one bears another name, only making the new one is left.
    Change.REPLACE: frozenset([Change.REPLACE, Change.CREATE]),
}
"""What may be left to do about an object, by what the plan does about it."""
_RESTING = "state"
"""What differs besides of a flow that is being replaced: it was disabled."""
_MOST_TOLD = 8


def essence(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a plan, as JSON has it, what :func:`refuse_other_than_rest` needs: not what is unchanged."""

    def work(steps: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [step for step in steps if step["change"] != Change.UNCHANGED]

    return {
        **{field: document[field] for field in ("plan", "digest", "organisation", "sandbox", "overwrite")},
        "base_connections": work(document["base_connections"]),
        "dataflows": [{**one, "steps": work(one["steps"])} for one in document["dataflows"]],
    }


def refuse_other_than_rest(kept: Mapping[str, Any], now: Plan) -> None:
    """
    Check that what is left to do are steps of a plan that was begun, and nothing else.

    Where a base connection had to be made before the plan could be certain, whatever could be planned since follows from it.

    :param kept: the plan as JSON has it, or its essence.
    :param now: the plan that would be made now.
    :raises AepDifferenceError: something else is to be done, for the files or AEP have changed since.
    """
    beyond = list(_beyond(kept, now))
    if beyond:
        more = f"; and {len(beyond) - _MOST_TOLD} more" if len(beyond) > _MOST_TOLD else ""
        raise AepDifferenceError(
            f"The plan was begun, and what is left is not its rest: {'; '.join(beyond[:_MOST_TOLD])}{more}. Make a new plan and "
            "look at it: what is done will be found."
        )


def _beyond(kept: Mapping[str, Any], now: Plan) -> Iterator[str]:
    for field, value in (("organisation", now.organisation), ("sandbox", now.sandbox), ("overwrite", now.overwrite)):
        if kept[field] != value:
            yield f"{field} was {kept[field]!r} and is {value!r}"
    yield from _steps(kept["base_connections"], now.shared, now)
    before = {one["name"]: one for one in kept["dataflows"]}
    declared = {one.name: one for one in now.dataflows}
    for name in sorted({*before, *declared}):
        was, one = before.get(name), declared.get(name)
        if was is None or one is None or was["digest"] != one.digest:
            yield f"the dataflow {name!r} is declared otherwise"
        elif was["certain"]:
            if any(each.loses for each in one.consequences) > any(each["needs_accept"] for each in was["consequences"]):
                yield f"rows of {name!r} would come twice or be missed"
            yield from _steps(was["steps"], one.steps, now)


def _steps(kept: Iterable[Mapping[str, Any]], steps: Iterable[Step], now: Plan) -> Iterator[str]:
    before = {(step["kind"], step["name"]): step for step in kept}
    for step in steps:
        if step.is_work and not _is_left_of(before.get(step.key), step, overwrite=now.overwrite):
            was = before.get(step.key, {"change": Change.UNCHANGED})["change"]
            there = f" ({step.id})" if step.id else ""
            yield f"the {step.kind} {step.name!r}{there} was planned as {was}, and is {step.change} now"


def _is_left_of(was: Mapping[str, Any] | None, step: Step, *, overwrite: bool) -> bool:
    if was is None:
        return False
    planned = Change(was.get("then") or was["change"]) if overwrite else Change(was["change"])
    if step.carried_out(overwrite=overwrite) not in _LEAVES.get(planned, ()):
        return False
    if step.change is Change.DRIFTED:
        # What is wanted in a place may have got another id since, but no further place may differ.
        known = {_place(line) for line in was.get("differences", ())}
        known |= {_RESTING} if planned is Change.REPLACE else set()
        if was["change"] != Change.DRIFTED or not {_place(line) for line in step.lines} <= known:
            return False
    return step.change is Change.CREATE or step.id == was["id"]


def _place(line: str) -> str:
    return line.partition(":")[0]
