"""From what is declared and what was read to a plan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from aep_provider.dataflows.chain import Key, Node, Sandbox, chain, flow_of, mapping_of, says_all
from aep_provider.dataflows.consequences import consequences, dataset_of
from aep_provider.dataflows.plan import Change, Consequence, DataflowPlan, Plan, Step
from aep_provider.dataflows.progress import Progress, Stage
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.dataflows.survey import Surveyed, from_aep, from_source
from aep_provider.dataflows.takedown import gives_way
from aep_provider.errors import AepConfigError, AepDifferenceError, AepError
from aep_provider.resources.check import Checked
from aep_provider.resources.comparison import Author, Comparison, compare
from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.dataset import Dataset
from aep_provider.resources.ensure import told
from aep_provider.resources.fingerprint import differences, read_mark
from aep_provider.resources.flow import REDECLARED, Flow
from aep_provider.resources.inventory import KINDS
from aep_provider.resources.mapping_set import MappingSet
from aep_provider.resources.resource import Document, Existing, Resource
from aep_provider.resources.schema import Schema
from aep_provider.resources.source_connection import SourceConnection
from aep_provider.resources.target_connection import TargetConnection

FROZEN_BY_USE = (SourceConnection.kind, TargetConnection.kind)
_REPLACEABLE = (*FROZEN_BY_USE, Flow.kind)
_REPLACED = re.compile(r" \(replaced [^()]*\)$")


@dataclass(frozen=True)
class Planned:
    """
    A dataflow's plan, and what carries it out.

    :param found: by key, what is there of each object.
    :param edited: whether what tells columns and mappings is not as it was written.
    :param checked: its columns and mappings; what stands in for them where the plan is not certain.
    """

    spec: DataflowSpec
    plan: DataflowPlan
    nodes: Sequence[Node] = ()
    found: Mapping[Key, Sequence[Existing]] = field(default_factory=dict)
    ids: Mapping[Key, str] = field(default_factory=dict)
    edited: bool = False
    checked: Checked | None = None


def make_plan(
    specs: Sequence[DataflowSpec],
    sandbox: Sandbox,
    *,
    whole: bool,
    overwrite: bool = False,
    workers: int = 4,
    how_far: Progress | None = None,
) -> tuple[Plan, list[Planned]]:
    """
    Return the plan for some dataflows of a sandbox, and what carries it out.

    Source systems are asked only about dataflows that are new or changed.

    :param whole: whether these are all that are declared, so that what nothing declares can be told.
    :param overwrite: whether drift is overwritten.
    :param workers: how many dataflows are looked at side by side.
    :param how_far: told of each dataflow that was looked at.
    """
    stage = Stage(how_far, "dataflows planned", len(specs))

    def look(spec: DataflowSpec) -> Planned:
        stage.begins(spec.name)
        planned = plan_dataflow(spec, sandbox, overwrite=overwrite)
        stage.ends(spec.name)
        return planned

    with ThreadPoolExecutor(workers, thread_name_prefix="aep-plan") as pool:
        planned = list(pool.map(look, specs))
    planned = _refuse_clashes(planned)
    shared: dict[Key, Step] = {}
    for one in planned:
        shared |= {step.key: step for step in one.plan.steps if step.kind == BaseConnection.kind}
    # Of a dataflow without a plan nobody knows what it claims.
    can_tell = whole and not any(one.plan.error for one in planned)
    orphans = tuple(_orphans(planned, sandbox)) if can_tell else None
    planned = [_beside_orphans(one, orphans or (), sandbox) for one in planned]
    settings = sandbox.client.settings
    plan = Plan(
        organisation=settings.ims_org_id,
        sandbox=settings.sandbox,
        shared=tuple(shared.values()),
        dataflows=tuple(
            replace(one.plan, steps=tuple(step for step in one.plan.steps if step.kind != BaseConnection.kind))
            for one in planned
        ),
        orphans=orphans,
        overwrite=overwrite,
    )
    return plan, planned


def plan_dataflow(
    spec: DataflowSpec, sandbox: Sandbox, *, overwrite: bool = False, base_connection_id: str | None = None
) -> Planned:
    """
    Return the plan for one dataflow; what is wrong with it stands in the plan.

    :param base_connection_id: the base connection, if it was made since the sandbox was read.
    """
    try:
        planned = _planned(from_aep(spec, sandbox), sandbox, overwrite)
        if planned.plan.certain and not _moves_anything(planned.plan) and not planned.edited:
            return _beside_equals(planned, overwrite)
        base = base_connection_id or _base_id(planned, spec)
        if base:
            planned = _planned(from_source(spec, sandbox, base), sandbox, overwrite, base)
        told = consequences(spec, planned.plan.steps, flow_of(spec, sandbox.inventory), sandbox)
        return _beside_equals(replace(planned, plan=replace(planned.plan, consequences=tuple(told))), overwrite)
    except AepError as error:
        return Planned(spec, DataflowPlan(spec.name, spec.digest(), error=str(error), may_pass=not error.final))


def _planned(surveyed: Surveyed, sandbox: Sandbox, overwrite: bool, base: str | None = None) -> Planned:
    spec = surveyed.spec
    nodes = chain(spec, surveyed.checked, sandbox)
    ids: dict[Key, str] = {}
    known = {(BaseConnection.kind, spec.base_name): base} if base else {}
    found: dict[Key, Sequence[Existing]] = {}
    steps: dict[Key, Step] = {}
    edited = False
    flow_is_there = bool(sandbox.inventory.named(Flow, spec.name))

    def judge(node: Node) -> Step:
        nonlocal edited
        resource = node.resource(ids)
        there = _found(resource, spec, sandbox)
        comparison = _compared(resource, there, spec, sandbox)
        found[node.key] = there
        by_hand = comparison is not None and comparison.author is Author.HAND
        edited = edited or (by_hand and node.kind in (SourceConnection, Flow) and not says_all(spec))
        step = _step(node, resource, comparison)
        if isinstance(resource, MappingSet) and step.change is Change.CREATE:
            step = replace(step, lines=tuple(_other_mappings(resource, spec, sandbox)))
        if isinstance(resource, Flow) and Change.UNCHANGED is not step.change is not Change.DRIFTED:
            resource.check(new=step.change is not Change.UPDATE)
        return step if surveyed.certain else _uncertain(step)

    for node in nodes:
        steps[node.key] = judge(node)
        if node.kind is TargetConnection and flow_is_there:
            _renew_pair(steps, overwrite)
        ids.update({key: known.get(key) or _id_after(each, overwrite) for key, each in steps.items()})
    plan = DataflowPlan(spec.name, spec.digest(), tuple(steps.values()), certain=surveyed.certain)
    return Planned(spec, plan, nodes, found, ids, edited, surveyed.checked)


def _found(resource: Resource, spec: DataflowSpec, sandbox: Sandbox) -> Sequence[Existing]:
    """A mapping set has no name that others would give it, so an equal one that the flow uses goes before those of ours."""
    there = sandbox.inventory.found(resource)
    flow = flow_of(spec, sandbox.inventory) if isinstance(resource, MappingSet) else None
    used = mapping_of(flow, sandbox) if flow else None
    if not (isinstance(resource, MappingSet) and used) or any(one.id == used["id"] for one in there):
        return there
    existing = resource.existing(used)
    return [existing] if existing.content == resource.content() else there


def _compared(resource: Resource, there: Sequence[Existing], spec: DataflowSpec, sandbox: Sandbox) -> Comparison | None:
    """Of several equal objects the one that is meant is the one that the flow uses."""
    comparison = compare(resource, there)
    if comparison is None or len(there) == 1:
        return comparison
    used = _in_use(flow_of(spec, sandbox.inventory) or {}, sandbox)
    chosen = next((one for one in there if one.id in used), comparison.existing)
    alone = compare(resource, [chosen])
    return replace(alone, duplicates=[one.id for one in there if one.id != chosen.id]) if alone else None


def _in_use(flow: Document, sandbox: Sandbox) -> set[object]:
    """The ids of what a flow stands on, the schema excepted, of which there is only one."""
    sources = flow.get("sourceConnectionIds") or []
    bases = [(sandbox.inventory.by_id(SourceConnection, one) or {}).get("baseConnectionId") for one in sources]
    sets = [(part.get("params") or {}).get("mappingId") for part in flow.get("transformations") or []]
    return {*sources, *bases, *sets, *(flow.get("targetConnectionIds") or []), dataset_of(flow, sandbox)}


def _other_mappings(resource: MappingSet, spec: DataflowSpec, sandbox: Sandbox) -> list[str]:
    """How the mappings differ from those that the flow uses: a set that is used cannot be changed, so another one is made."""
    flow = flow_of(spec, sandbox.inventory)
    used = mapping_of(flow, sandbox) if flow else None
    there = resource.existing(used).content["mappings"] if used else None
    return differences(there, resource.content()["mappings"], "mappings") if there else []


def _step(node: Node, resource: Resource, comparison: Comparison | None) -> Step:
    kind, name = node.key
    if comparison is None:
        return Step(kind, name, Change.CREATE)
    existing = comparison.existing
    resting = ['state: "disabled" in AEP, "enabled" wanted'] if existing.disabled else []
    lines = (*comparison.lines, *resting)
    if not lines and kind in FROZEN_BY_USE and comparison.author is Author.HAND:
        cause = "edited by hand, and AEP does not carry that into the flow that uses it"
        return Step(kind, name, Change.REPLACE, existing.id, cause=cause, also=tuple(comparison.duplicates))
    if not lines:
        return Step(kind, name, Change.UNCHANGED, existing.id, also=tuple(comparison.duplicates))
    if comparison.frozen and kind not in _REPLACEABLE:
        raise AepDifferenceError(
            f"The {kind} {name!r} ({existing.id}) is not as declared, and {resource.fixed_because}. {told(comparison.lines)}"
        )
    if resting and resource.enabled_by is None:
        raise AepDifferenceError(
            f"The {kind} {name!r} ({existing.id}) is disabled, so that no row would ever arrive: delete it in AEP, or choose "
            "another name."
        )
    change = Change.REPLACE if comparison.frozen else Change.UPDATE
    begun = bool(resting) and gives_way(existing.description)
    if (begun or not resting) and (comparison.author is Author.US or lines == (REDECLARED,)):
        cause = "AEP does not let it be changed once a flow uses it" if change is Change.REPLACE else ""
        cause = "disabled by an apply that was to replace it and did not end" if begun else cause
        return Step(kind, name, change, existing.id, lines, cause, also=tuple(comparison.duplicates))
    cause = (
        "made by somebody else" if comparison.author is Author.OTHERS else "edited by hand since it was last applied"
    )
    return Step(kind, name, Change.DRIFTED, existing.id, lines, cause, then=change, also=tuple(comparison.duplicates))


def _uncertain(step: Step) -> Step:
    """What only the source system could tell is compared when it can be asked."""
    if step.kind in _REPLACEABLE or step.change is Change.CREATE:
        return step
    return replace(
        step, change=Change.UNCHANGED, lines=(), cause="compared once the base connection is there", then=None
    )


def _renew_pair(steps: dict[Key, Step], overwrite: bool) -> None:
    """A new flow gets both connections new: what Adobe's pages demand."""
    pair = [key for key in steps if key[0] in FROZEN_BY_USE]
    if any(steps[key].carried_out(overwrite=overwrite) in (Change.CREATE, Change.REPLACE) for key in pair):
        for key in pair:
            if steps[key].change in (Change.UNCHANGED, Change.UPDATE):
                steps[key] = replace(steps[key], change=Change.REPLACE, cause="the other connection of its flow is new")


def _id_after(step: Step, overwrite: bool) -> str:
    done = step.carried_out(overwrite=overwrite)
    new = done in (Change.CREATE, Change.REPLACE) or step.id is None
    return f"(the new {step.kind} {step.name!r})" if new else str(step.id)


def _base_id(planned: Planned, spec: DataflowSpec) -> str | None:
    if not spec.source_conn_id:
        return next(node.given[BaseConnection.kind] for node in planned.nodes if node.kind is SourceConnection)
    step = next(step for step in planned.plan.steps if step.kind == BaseConnection.kind)
    return step.id


def _moves_anything(plan: DataflowPlan) -> bool:
    return any(step.is_work for step in plan.steps)


def refuse_clash(one: Planned, wanted: dict[Key, tuple[str, Any]]) -> None:
    """
    Check that a dataflow shares with others only what is one and the same.

    :param wanted: what others want, and which of them; what this one wants is added.
    :raises AepConfigError: it does not.
    """
    for node in one.nodes:
        content = node.resource(one.ids).content()
        other, there = wanted.setdefault(node.key, (one.spec.name, content))
        if there != content or (other != one.spec.name and node.kind in (Flow, MappingSet)):
            raise AepConfigError(
                f"The {node.key[0]} {node.key[1]!r} is also wanted by the dataflow {other!r}, and not the same: give one of the "
                "two another name."
            )


def _refuse_clashes(planned: Sequence[Planned]) -> list[Planned]:
    wanted: dict[Key, tuple[str, Any]] = {}
    names: set[str] = set()
    judged = []
    for one in planned:
        name = one.spec.name
        try:
            if name in names:
                raise AepConfigError(f"The dataflow {name!r} is declared twice: give one of the two another name.")
            names.add(name)
            refuse_clash(one, wanted)
        except AepError as error:
            judged.append(replace(one, plan=replace(one.plan, error=str(error)), nodes=()))
        else:
            judged.append(one)
    return judged


def _beside_equals(planned: Planned, overwrite: bool) -> Planned:
    """Two equal flows load the same rows, unless one of them rests, or both give way."""
    step = next(step for step in planned.plan.steps if step.kind == Flow.kind)
    awake = [one.id for one in planned.found[step.key] if one.id in step.also and not one.disabled]
    if not awake or step.carried_out(overwrite=overwrite) is Change.REPLACE:
        return planned
    told = Consequence(
        f"The flow {step.name!r} is there more than once, also as {', '.join(awake)}: rows come twice. Delete those in AEP, "
        "with their source and target connections.",
        loses=True,
    )
    return replace(planned, plan=replace(planned.plan, consequences=(*planned.plan.consequences, told)))


def _beside_orphans(planned: Planned, orphans: Iterable[Step], sandbox: Sandbox) -> Planned:
    """A dataflow that was given another name may leave a flow behind that loads the same dataset."""
    if not any(step.kind == Flow.kind and step.change is Change.CREATE for step in planned.plan.steps):
        return planned
    datasets = {one.id for (kind, _), found in planned.found.items() if kind == Dataset.kind for one in found}
    lands = (_still_lands_in(orphan, sandbox) for orphan in orphans if orphan.kind == Flow.kind)
    told = [
        Consequence(
            f"The flow {name!r}, which nothing declares any more, still loads the same dataset: rows would come twice. Take it "
            "down first, with `airflow aep destroy`.",
            loses=True,
        )
        for name, dataset in lands
        if dataset in datasets
    ]
    if not told:
        return planned
    plan = planned.plan
    return replace(planned, plan=replace(plan, consequences=(*plan.consequences, *told)))


def _still_lands_in(orphan: Step, sandbox: Sandbox) -> tuple[str, object]:
    flow = sandbox.inventory.by_id(Flow, orphan.id) or {}
    if flow.get("state") == "disabled":
        return orphan.name, None
    return orphan.name, dataset_of(flow, sandbox)


def _orphans(planned: Iterable[Planned], sandbox: Sandbox) -> Iterable[Step]:
    """What bears our mark, and is neither declared nor an earlier generation of what is."""
    claimed = {existing.id for one in planned for found in one.found.values() for existing in found}
    claimed |= {given for one in planned for node in one.nodes for given in node.given.values()}
    schemas = [sandbox.inventory.by_id(Schema, each) or {} for each in claimed]
    claimed |= {str(part.get("$ref")) for schema in schemas for part in schema.get("allOf") or []}
    for kind in KINDS:
        # A mapping set that no flow uses any more does nothing, and AEP does not let it be deleted.
        ours = [] if kind is MappingSet else sandbox.inventory.documents[kind]
        found = [
            (str(one.get(kind.key)), str(one.get(kind.id_key))) for one in ours if read_mark(one.get("description"))
        ]
        for name, object_id in sorted(found):
            if object_id not in claimed and not _REPLACED.search(name):
                yield Step(kind.kind, name, Change.ORPHANED, object_id)
