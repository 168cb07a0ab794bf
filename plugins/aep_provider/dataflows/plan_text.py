"""A plan as text: the same for the same plan, so that it can stand in a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from aep_provider.dataflows.plan import Change, DataflowPlan, Plan, Step
from aep_provider.errors import one_line

SIGNS = {
    Change.CREATE: "+",
    Change.UPDATE: "~",
    Change.REPLACE: "-/+",
    Change.UNCHANGED: " ",
    Change.DRIFTED: "!",
    Change.ORPHANED: "?",
}
_MOST_LINES = 20
_WIDEST = 200


def plan_text(plan: Plan) -> str:
    """Return the plan as lines, without colours or times."""
    return "\n".join(_lines(plan)) + "\n"


def summary(plan: Plan) -> str:
    """Return what a plan comes to, in one line."""
    counts = plan.counts()
    told = [
        f"{counts[change]} {words}"
        for change, words in (
            (Change.CREATE, "to create"),
            (Change.UPDATE, "to update in place"),
            (Change.REPLACE, "to replace"),
            (Change.DRIFTED, "drifted"),
            (Change.ORPHANED, "orphaned"),
        )
        if counts[change]
    ]
    wrong = len(plan.errors)
    told += [f"{wrong} dataflow{'' if wrong == 1 else 's'} without a plan"] if wrong else []
    if not plan.has_work and not wrong:
        orphans = f" ({counts[Change.ORPHANED]} orphaned)" if counts[Change.ORPHANED] else ""
        return f"Nothing to do: {len(plan.dataflows)} dataflows are as declared{orphans}."
    return f"Plan: {', '.join(told)}, {counts[Change.UNCHANGED]} unchanged."


def _lines(plan: Plan) -> Iterator[str]:
    yield f"Organisation {_shown(plan.organisation)}, sandbox {_shown(plan.sandbox)}"
    bases = [step for step in plan.shared if step.is_work]
    if bases:
        yield ""
        yield "Base connections"
        for step in bases:
            yield from _step(step)
    idle = 0
    for one in plan.dataflows:
        if one.error or one.work or one.consequences or any(step.also for step in one.steps):
            yield ""
            yield from _dataflow(one)
        else:
            idle += 1
    if idle and plan.has_work:
        yield ""
        yield f"{idle} dataflow{'' if idle == 1 else 's'} unchanged"
    if plan.orphans:
        yield ""
        yield "Made by this package, and declared nowhere (left alone; `airflow aep destroy` takes them down):"
        for step in plan.orphans:
            yield from _step(step)
    yield ""
    yield summary(plan)


def _dataflow(one: DataflowPlan) -> Iterator[str]:
    yield _shown(one.name)
    if one.error:
        yield f"  error: {_shown(one.error, 2000)}"
        return
    for step in one.steps:
        if step.is_work or step.also:
            yield from _step(step)
    if not one.certain:
        yield "      Columns and mappings are known, and checked, once the base connection is there."
    for each in one.consequences:
        word = "needs --accept: " if each.loses else ""
        yield f"      {word}{_shown(each.in_words, 1000)}"


def _step(step: Step) -> Iterator[str]:
    there = f" ({_shown(step.id)})" if step.id else ""
    then = f", overwriting means {step.then}" if step.then else ""
    cause = f": {_shown(step.cause)}{then}" if step.cause else ""
    yield f"  {SIGNS[step.change]:<3} {step.change:<15} {step.kind:<17} {_shown(step.name)}{there}{cause}"
    for line in step.lines[:_MOST_LINES]:
        yield f"        {_shown(line, 400)}"
    if len(step.lines) > _MOST_LINES:
        yield f"        and {len(step.lines) - _MOST_LINES} more differences"
    for each in step.also:
        yield f"        an equal one is there, too: {_shown(each)}; delete it in AEP if nothing uses it"


def _shown(text: object, most: int = _WIDEST) -> str:
    """AEP's own text, without what could move a terminal's cursor."""
    return one_line(text, most)
