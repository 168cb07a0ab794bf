"""Carrying out a plan: in the order in which things need each other, and so that it can be done again from any point."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any

from aep_provider.dataflows.chain import Key, Node, Sandbox
from aep_provider.dataflows.plan import Change, Plan, Step, decided_of
from aep_provider.dataflows.planning import FROZEN_BY_USE, Planned, plan_dataflow, refuse_clash
from aep_provider.dataflows.progress import Progress, Stage
from aep_provider.dataflows.takedown import gives_way, stays, take_down
from aep_provider.dataflows.twins import beside
from aep_provider.dataflows.work import Ended, Task, work_off
from aep_provider.errors import AepConfigError, AepDifferenceError, AepError
from aep_provider.resources import flow_service
from aep_provider.resources.check import Checked
from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.dataset import Dataset
from aep_provider.resources.ensure import Memory, NoMemory, Patience, ensure
from aep_provider.resources.fingerprint import fingerprint
from aep_provider.resources.flow import REDECLARED, Flow
from aep_provider.resources.mapping_set import MappingSet
from aep_provider.resources.resource import Action, Document, IfExists, Outcome
from aep_provider.resources.source_connection import SourceConnection
from aep_provider.resources.target_connection import TargetConnection

log = logging.getLogger(__name__)

_CHECK = "check"
_TAKE_DOWN = "take down"


@dataclass(frozen=True)
class Options:
    """
    How a plan is carried out.

    :param accept: whether rows may come twice or be missed, as the plan says.
    :param workers: how many dataflows are worked on side by side.
    :param memory_for: gives the memory for an object, where an intent outlives this process. Called from threads.
    :param progress: told of each step that is done, with the words for it.
    :param how_far: told how many steps are done, and which one is begun.
    :param stop: once set, nothing further is begun.
    :param send_credentials: send those of the source systems again, whether or not anything else has changed.
    """

    accept: bool = False
    send_credentials: bool = False
    workers: int = 4
    memory_for: Callable[[str, str], Memory] | None = None
    progress: Callable[[str], None] | None = None
    how_far: Progress | None = None
    patience: Patience = field(default_factory=Patience)
    stop: Event | None = None


@dataclass(frozen=True)
class Applied:
    """
    What was done.

    :param outcomes: by key, of each object that was made or changed.
    :param failed: by dataflow, why it is not done.
    :param left: dataflows that were not begun or not ended because somebody said stop.
    :param ids: by key, of all objects of the dataflows that are done.
    :param checked: by dataflow, columns and mappings, as far as they are known for certain.
    """

    outcomes: Mapping[Key, Outcome]
    failed: dict[str, str]
    left: list[str]
    ids: Mapping[Key, str]
    checked: Mapping[str, Checked] = field(default_factory=dict)


def refuse(plan: Plan, *, accept: bool) -> None:
    """
    Check that a plan may be carried out.

    :raises AepDifferenceError: somebody has to decide first: about drift, or about rows.
    :raises AepError: there is no plan for some dataflow; final unless AEP was out of order.
    """
    if plan.errors:
        kind = AepError if any(one.may_pass for one in plan.dataflows) else AepConfigError
        raise kind("There is no plan for " + "; ".join(f"{name}: {why}" for name, why in plan.errors))
    drifted = [step for step in plan.steps() if step.change is Change.DRIFTED]
    if drifted and not plan.overwrite:
        named = "; ".join(f"{step.kind} {step.name!r} ({step.id}), {step.cause}" for step in drifted[:8])
        more = f"; and {len(drifted) - 8} more" if len(drifted) > 8 else ""
        raise AepDifferenceError(
            f"In AEP is not what was applied last: {named}{more}. Put the edit into the file, or apply with overwrite to undo it."
        )
    if plan.losses and not accept:
        raise AepDifferenceError(
            "Rows would come twice or be missed: "
            + "; ".join(f"{name}: {text}" for name, text in plan.losses[:8])
            + " Apply with accept if that is meant."
        )


def refuse_unfit(kept: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """
    Check that a plan that was kept is the one that would be made now.

    :raises AepDifferenceError: the declarations or AEP have changed since, and how.
    """
    if kept.get("digest") == now.get("digest"):
        return
    for what in ("organisation", "sandbox"):
        if kept.get(what) != now.get(what):
            raise AepDifferenceError(
                f"The plan was made for the {what} {kept.get(what)!r}, and this is {now.get(what)!r}."
            )
    changed = list(_changes_since(kept, now))
    if changed:
        more = f"; and {len(changed) - 8} more" if len(changed) > 8 else ""
        raise AepDifferenceError(
            "The plan does not fit any more: the files or AEP have changed since it was made. "
            f"{'; '.join(changed[:8])}{more}. Make a new plan and look at it."
        )


def _changes_since(kept: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    was, declared = ([one.get("name") for one in plan.get("dataflows") or []] for plan in (kept, now))
    yield from (f"{name!r} is not declared any more" for name in was if name not in declared)
    yield from (f"{name!r} was not declared then" for name in declared if name not in was)
    both = [name for name in declared if name in was]
    then, after = _parts(kept, both), _parts(now, both)
    for label in [*after, *(each for each in then if each not in after)]:
        if then.get(label) != after.get(label):
            yield label + _changed_to(then.get(label), after.get(label))


def _parts(plan: Mapping[str, Any], names: Sequence[Any]) -> dict[str, Any]:
    """What is compared of a plan and some of its dataflows, by what messages call it."""
    parts: dict[str, Any] = {"what is done about drift": plan.get("overwrite")}
    steps = list(plan.get("base_connections") or [])
    for one in plan.get("dataflows") or []:
        name = one.get("name")
        if name not in names:
            continue
        parts[f"the digest of the declaration of {name!r}"] = one.get("digest")
        parts[f"the error of {name!r}"] = one.get("error")
        parts[f"what becomes of the rows of {name!r}"] = decided_of(one)["consequences"]
        steps += one.get("steps") or []
    parts["the list of orphans"] = plan.get("orphans")
    return parts | {f"{step.get('kind')} {step.get('name')!r}": step for step in steps}


def _changed_to(then: Any, now: Any) -> str:
    before, after = (each.get("change") if isinstance(each, Mapping) else None for each in (then, now))
    return f": {before or 'not there'} then, {after or 'not there'} now" if before != after else " has changed"


def apply_plan(plan: Plan, planned: Sequence[Planned], sandbox: Sandbox, options: Options) -> Applied:
    """
    Carry out a plan. What fails costs only the dataflows that need it; what was done is found again next time.

    :raises AepError: the plan may not be carried out, see :func:`refuse`; nothing is sent then.
    """
    refuse(plan, accept=options.accept)
    run = _Run(plan, sandbox, options)
    # Two threads a dataflow: that many of its objects do not need each other.
    ended = work_off(run.tasks(planned), workers=2 * options.workers, stop=options.stop)
    return run.applied(planned, ended)


class _MadeElsewhereError(AepDifferenceError):
    """Somebody else is making the same dataflow, or has just made it."""


class _Run:
    def __init__(self, plan: Plan, sandbox: Sandbox, options: Options) -> None:
        self._overwrite = plan.overwrite
        self._sandbox = sandbox
        self._options = options
        self.ids: dict[Key, str] = {}
        self.outcomes: dict[Key, Outcome] = {}
        self._checked: dict[str, Checked] = {}
        self._wanted: dict[Key, tuple[str, Any]] = {}
        self._wanting = Lock()
        self._stage = Stage(options.how_far, "objects made or changed", sum(step.is_work for step in plan.steps()))

    def tasks(self, planned: Sequence[Planned]) -> Iterator[Task]:
        for rank, one in enumerate(planned):
            if one.plan.certain:
                refuse_clash(one, self._wanted)
                yield from self._tasks_of(one, rank)
            else:
                base = next(node for node in one.nodes if node.kind is BaseConnection)
                yield from self._node_task(one, base, rank)
                yield Task((_CHECK, one.spec.name), self._check(one, rank), frozenset([base.key]), rank)

    def applied(self, planned: Sequence[Planned], ended: Ended) -> Applied:
        failed, left = self._beside_others(), []
        for one in planned:
            name = one.spec.name
            keys = [node.key for node in one.nodes] + [(_CHECK, name), (_TAKE_DOWN, name)]
            why = [str(ended.failed[key]) for key in keys if key in ended.failed]
            if why:
                failed[name] = "; ".join(why)
                if any(isinstance(ended.failed.get(key), _MadeElsewhereError) for key in keys):
                    self._take_back(one)
            elif any(key in ended.left for key in keys):
                left.append(name)
        return Applied(self.outcomes, failed, left, self.ids, self._checked)

    def _beside_others(self) -> dict[str, str]:
        """
        AEP refuses no second flow of a name, so whoever makes the same at the same moment is only seen afterwards.

        :return: by dataflow, why it is not done.
        """
        made = {
            name: outcome.id
            for (kind, name), outcome in self.outcomes.items()
            if kind == Flow.kind and outcome.action is Action.CREATED
        }
        client, known = self._sandbox.client, self._sandbox.inventory
        try:
            there = list(Flow.listing(client)) if made else []
        except AepError as error:
            log.warning("Whether a flow was made somewhere else, too, could not be seen: %s", error)
            return {}
        new = [one for one in there if one["id"] not in made.values() and not known.by_id(Flow, one["id"])]
        equal = {name: [one for one in new if one.get("name") == name] for name in made}
        return {name: why for name, others in equal.items() if others and (why := self._beside(made[name], others))}

    def _beside(self, made: str, others: Sequence[Document]) -> str | None:
        try:
            return beside(self._sandbox.client, made, others, patience=self._options.patience)
        except AepError as error:
            ids = ", ".join(str(one["id"]) for one in others)
            return f"The flow {made} was made somewhere else, too ({ids}), and which one stays is not settled: {error}"

    def _take_back(self, one: Planned) -> None:
        """What was made for a dataflow that is made somewhere else would be in the way of those who find it."""
        for node in one.nodes:
            outcome = self.outcomes.get(node.key)
            if (
                issubclass(node.kind, SourceConnection | TargetConnection)
                and outcome
                and outcome.action is Action.CREATED
            ):
                try:
                    self._sandbox.client.delete(flow_service.path_of(node.kind.collection, outcome.id))
                except AepError as error:
                    log.warning("The %s %s was made in vain, and is still there: %s", outcome.kind, outcome.id, error)
                else:
                    del self.outcomes[node.key]

    def _check(self, one: Planned, rank: int) -> Callable[[], Iterator[Task]]:
        """What only the source system could tell, once it can be asked; nothing but the base connection is made before."""

        def do() -> Iterator[Task]:
            base = self.ids[BaseConnection.kind, one.spec.base_name]
            sure = plan_dataflow(one.spec, self._sandbox, overwrite=self._overwrite, base_connection_id=base)
            with self._wanting:
                refuse_clash(sure, self._wanted)
            settings = self._sandbox.client.settings
            refuse(
                Plan(settings.ims_org_id, settings.sandbox, dataflows=(sure.plan,), overwrite=self._overwrite),
                accept=self._options.accept,
            )
            return iter(
                [task for task in self._tasks_of(sure, rank) if task.key != (BaseConnection.kind, one.spec.base_name)]
            )

        return do

    def _tasks_of(self, one: Planned, rank: int) -> Iterator[Task]:
        if one.checked:
            self._checked[one.spec.name] = one.checked
        steps = {step.key: step for step in one.plan.steps}
        down: frozenset[Key] = frozenset()
        if any(self._change(step) is Change.REPLACE for step in steps.values()):
            down = frozenset([(_TAKE_DOWN, one.spec.name)])
            # Whatever may be refused is made first: until then the old flow goes on.
            before = frozenset(node.key for node in one.nodes if node.kind in (Dataset, MappingSet))
            yield Task((_TAKE_DOWN, one.spec.name), self._take_down(one, steps), before, rank)
        for node in one.nodes:
            yield from self._node_task(
                one, node, rank, down if node.kind.kind in (*FROZEN_BY_USE, Flow.kind) else frozenset()
            )

    def _node_task(self, one: Planned, node: Node, rank: int, more: frozenset[Key] = frozenset()) -> Iterator[Task]:
        step = next(step for step in one.plan.steps if step.key == node.key)
        change = self._change(step)

        def do() -> None:
            if change is Change.UNCHANGED and not (node.kind is BaseConnection and self._options.send_credentials):
                self.ids[node.key] = str(step.id)
                return
            self._stage.begins(f"{node.kind.kind} {node.key[1]}")
            outcome = self._ensure(one, node, step)
            self.ids[node.key] = outcome.id
            if outcome.action is Action.REUSED:
                return
            self.outcomes[node.key] = outcome
            done = f"{outcome.action} {outcome.kind} {outcome.name}"
            self._stage.ends(done)
            if self._options.progress:
                self._options.progress(done)

        yield Task(node.key, do, frozenset(node.needs.values()) | more, rank)

    def _ensure(self, one: Planned, node: Node, step: Step) -> Outcome:
        resource, change = node.resource(self.ids), self._change(step)
        options = self._options
        memory = options.memory_for(*node.key) if options.memory_for else NoMemory()
        if change in (Change.UPDATE, Change.UNCHANGED):
            found = [existing for existing in one.found[node.key] if existing.id == step.id]
            # An edit by hand that was put into the file is an edit no more.
            adopt = self._overwrite or step.lines == (REDECLARED,)
            outcome = ensure(
                resource, if_exists=IfExists.UPDATE, adopt=adopt, memory=memory, patience=options.patience, found=found
            )
            if node.kind is Flow and any(gives_way(existing.description) for existing in found):
                stays(self._sandbox.client, outcome.id, patience=options.patience)
            return outcome
        begun = memory.recall() or {}
        outcome = ensure(resource, memory=memory, patience=options.patience, found=[])
        # Many dataflows stand on one base connection, and any of them may have made it.
        shared = node.kind is BaseConnection
        # What was begun earlier was made by ourselves, even if lists have shown it only now.
        known = begun.get("digest") == fingerprint(resource.content())
        if outcome.action is not Action.CREATED and not (shared or known):
            raise _MadeElsewhereError(
                f"The {outcome.kind} {outcome.name!r} ({outcome.id}) was made by somebody else meanwhile: is the same being "
                "applied somewhere else? Wait for that, then plan again."
            )
        return outcome

    def _take_down(self, one: Planned, steps: Mapping[Key, Step]) -> Callable[[], None]:
        def do() -> None:
            replaced = [key for key, step in steps.items() if self._change(step) is Change.REPLACE]
            # Equals go along: they would load the same rows, or stand in the way of the new ones.
            flows, pair = (
                [existing.document for key in replaced if key[0] in kinds for existing in one.found[key]]
                for kinds in ((Flow.kind,), FROZEN_BY_USE)
            )
            options = self._options

            def tell(told: str) -> None:
                self._stage.begins(told)
                if options.progress:
                    options.progress(told)

            take_down(
                self._sandbox.client, flows, pair, patience=options.patience, timeout=one.spec.policy.timeout,
                progress=tell, stop=options.stop,
            )  # fmt: skip

        return do

    def _change(self, step: Step) -> Change:
        return step.carried_out(overwrite=self._overwrite)


def failure(applied: Applied) -> AepError | None:
    """Return what to raise where not everything was done."""
    if not applied.failed and not applied.left:
        return None
    if not applied.failed:
        return AepError(f"Stopped before {len(applied.left)} dataflows were done: {', '.join(applied.left)}")
    told = "; ".join(f"{name}: {why}" for name, why in list(applied.failed.items())[:8])
    more = f"; and {len(applied.failed) - 8} more" if len(applied.failed) > 8 else ""
    return AepError(f"{len(applied.failed)} dataflows are not done: {told}{more}")
