"""The dataflows that a sandbox holds as specifications, whoever made them: a plan right after has nothing to do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aep_provider.dataflows.chain import Sandbox
from aep_provider.dataflows.parts import DEFAULT_CONN_ID
from aep_provider.dataflows.plan import DataflowPlan
from aep_provider.dataflows.planning import make_plan
from aep_provider.dataflows.progress import Progress, Stage
from aep_provider.dataflows.writing.from_flow import Exported, FlowReading
from aep_provider.errors import AepConfigError, AepNotFoundError
from aep_provider.resources.flow import Flow

_REPLACED: Final = re.compile(r" \(replaced [^()]*\)$")


@dataclass(frozen=True)
class Left:
    """
    A flow that is not exported.

    :param foreign: whether it is of another kind than this package's, so that nobody misses it.
    """

    flow_id: str
    name: str
    reason: str
    foreign: bool = False


def export_dataflows(
    sandbox: Sandbox, aep_conn_id: str = DEFAULT_CONN_ID, names: Sequence[str] = (), how_far: Progress | None = None
) -> tuple[list[Exported], list[Left]]:
    """
    Return the dataflows of a sandbox, by name, and what cannot be one. Asks no source system.

    :param names: of flows; all by default.
    :param how_far: told of each flow that was read, and then of each dataflow that was planned.
    """
    done: list[Exported] = []
    left: list[Left] = []
    flows = sandbox.inventory.documents[Flow]
    stage = Stage(how_far, "flows read", len(flows))
    times = Counter(flow.get("name") for flow in flows)
    for flow in sorted(flows, key=lambda one: (str(one.get("name")), str(one.get("id")))):
        name, flow_id = str(flow.get("name")), str(flow.get("id"))
        stage.ends(name)
        if _REPLACED.search(name) or (names and name not in names):
            continue
        if (flow.get("flowSpec") or {}).get("id") != sandbox.facts.flow_spec().id:
            left.append(Left(flow_id, name, "it is no flow of a table into the data lake", foreign=True))
            continue
        try:
            if times[flow.get("name")] > 1:
                raise AepConfigError(f"there are {times[name]} flows of this name: rename all but one")
            done.append(FlowReading(flow, sandbox).exported(aep_conn_id))
        except (AepConfigError, AepNotFoundError) as error:
            left.append(Left(flow_id, name, str(error).rstrip(".")))
    done = _without(done, _clashes(done), left)
    return _without(done, _not_as_told(done, sandbox, how_far), left), left


def _clashes(done: Sequence[Exported]) -> Iterator[tuple[str, str]]:
    """Yield the dataflows whose files would have one name, also where case does not count."""
    slugs = Counter(one.spec.slug.casefold() for one in done)
    for one in done:
        if slugs[one.spec.slug.casefold()] > 1:
            yield (
                one.flow_id,
                f"its file would be called {one.spec.slug}.yaml, as that of another: rename one of the two",
            )


def _not_as_told(done: Sequence[Exported], sandbox: Sandbox, how_far: Progress | None) -> Iterator[tuple[str, str]]:
    """Yield the dataflows for which a plan would have something to do: then a file would not say what is there."""
    plan, _ = make_plan([one.spec for one in done], sandbox, whole=False, how_far=how_far)
    for one, planned in zip(done, plan.dataflows, strict=True):
        if planned.error or planned.work:
            yield one.flow_id, f"a plan for it would not be empty: {_why(planned)}"


def _why(planned: DataflowPlan) -> str:
    if planned.error:
        return planned.error
    step = planned.work[0]
    return f"{step.kind} {step.name!r}, {step.change}: {'; '.join(step.lines[:3]) or step.cause}"


def _without(done: Sequence[Exported], wrong: Iterator[tuple[str, str]], left: list[Left]) -> list[Exported]:
    reasons = dict(wrong)
    left += [
        Left(one.flow_id, one.spec.name, reasons[one.flow_id].rstrip(".")) for one in done if one.flow_id in reasons
    ]
    return [one for one in done if one.flow_id not in reasons]
