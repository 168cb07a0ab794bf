"""Plan and apply in one go, for tasks that make sure of some dataflows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

from aep_provider.dataflows.apply import Options, apply_plan, failure
from aep_provider.dataflows.consequences import dataset_of
from aep_provider.dataflows.plan import Change, Plan, Step
from aep_provider.dataflows.planning import Planned, make_plan
from aep_provider.dataflows.progress import Progress
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.dataflows.survey import look_around
from aep_provider.errors import AepDifferenceError, AepNotFoundError
from aep_provider.resources import flow, flow_service
from aep_provider.resources.authentication import SourceLogin
from aep_provider.resources.check import Checked
from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.coverage import generations
from aep_provider.resources.dataset import Dataset
from aep_provider.resources.ensure import Memory, Patience, told
from aep_provider.resources.flow import REDECLARED, Flow
from aep_provider.resources.resource import Action, IfExists

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ensured:
    """
    A dataflow that is there.

    :param created: which kinds of objects were not there before.
    :param earlier_flow_ids: the flows that loaded its dataset before.
    :param checked: its columns and mappings.
    """

    name: str
    flow_id: str
    dataset_id: str
    action: Action
    created: list[str]
    earlier_flow_ids: list[str]
    checked: Checked | None = None


def ensure_dataflows(
    client: AepClient,
    source_login: Callable[[str], SourceLogin],
    specs: Sequence[DataflowSpec],
    *,
    if_exists: IfExists = IfExists.REUSE,
    adopt: bool = False,
    accept: bool = False,
    workers: int = 4,
    memory_for: Callable[[str, str], Memory] | None = None,
    progress: Callable[[str], None] | None = None,
    how_far: Progress | None = None,
    stop: Event | None = None,
    patience: Patience | None = None,
    known_flows: Mapping[str, str] | None = None,
) -> list[Ensured]:
    """
    Make sure of dataflows, and return what became of each, in the order given.

    :param source_login: reads endpoint and credentials of a source system.
    :param if_exists: ``reuse`` what is as declared and fail otherwise, ``update`` what is not, or ``fail`` if a flow is there.
    :param adopt: let ``update`` change what somebody else made, or edited by hand since.
    :param accept: let ``update`` replace a flow where rows come twice or are missed by it.
    :param progress: told of each step that is done, with the words for it.
    :param how_far: told how many dataflows are planned, and then how many steps are done.
    :param stop: once set, nothing further is begun.
    :param patience: how long to look for an object whose creation was not answered.
    :param known_flows: by dataflow, the id of its flow as it was made last: lists may not show it yet.
    :raises AepError: as the plan says, before anything is made; or what went wrong with some of them, after the rest was made.
    """
    patience = patience or Patience()
    newness = _Newness(client, patience, known_flows or {}, memory_for)
    until = patience.now() + patience.settle_seconds
    while True:
        sandbox = look_around(client, source_login)
        plan, planned = make_plan(specs, sandbox, whole=False, overwrite=adopt, workers=workers, how_far=how_far)
        if patience.now() >= until or (stop and stop.is_set()):
            break
        new = [one.spec.name for one in planned if newness.of(one)]
        if not new:
            break
        log.info("%s was made just now, or is being made somewhere else: waiting until all of it is there", new[0])
        patience.sleep(patience.look_every_seconds)
    _refuse(plan, if_exists)
    applied = apply_plan(
        plan,
        planned,
        sandbox,
        Options(
            accept=accept,
            workers=workers,
            memory_for=memory_for,
            progress=progress,
            how_far=how_far,
            send_credentials=if_exists is IfExists.UPDATE,
            stop=stop,
            patience=patience,
        ),
    )
    wrong = failure(applied)
    if wrong:
        raise wrong
    changed = {key: outcome.action for key, outcome in applied.outcomes.items()}

    def ensured(one: Planned) -> Ensured:
        keys = [step.key for step in one.plan.steps]
        actions = [changed[key] for key in keys if key in changed]
        flow_id = applied.ids[Flow.kind, one.spec.name]
        dataset_id = applied.ids[Dataset.kind, one.spec.dataset]
        flows = sandbox.inventory.documents[Flow]
        earlier = [
            generation.id
            for generation in generations(flows, one.spec.name)
            if generation.id != flow_id
            and dataset_of(sandbox.inventory.by_id(Flow, generation.id) or {}, sandbox) == dataset_id
        ]
        action = next((each for each in (Action.CREATED, Action.UPDATED) if each in actions), Action.REUSED)
        created = [kind for kind, name in keys if changed.get((kind, name)) is Action.CREATED]
        checked = applied.checked.get(one.spec.name)
        return Ensured(one.spec.name, flow_id, dataset_id, action, created, earlier, checked)

    return [ensured(one) for one in planned]


class _Newness:
    """
    Which dataflows are so new that lists may lack some of their objects: somebody is making them, or has just done so.

    :param known: by dataflow, the id of its flow as it was made last.
    :param memory_for: tells what the same task began: of that it knows itself how long to look for it.
    """

    def __init__(
        self,
        client: AepClient,
        patience: Patience,
        known: Mapping[str, str],
        memory_for: Callable[[str, str], Memory] | None,
    ) -> None:
        self._client = client
        self._patience = patience
        self._known = known
        self._memory_for = memory_for

    def of(self, one: Planned) -> bool:
        """Whether something would be made of a dataflow of which something was made just now."""
        if not any(step.change in (Change.CREATE, Change.REPLACE) for step in one.plan.steps):
            return False
        own = {key: there for key, there in one.found.items() if key[0] != BaseConnection.kind}
        made = [existing.created_at for there in own.values() for existing in there if existing.mark]
        flow_is_there = any(step.kind == Flow.kind and step.id for step in one.plan.steps)
        if not flow_is_there and one.spec.name in self._known:
            made.append(self._made_at(self._known[one.spec.name]))
        if self._patience.now() >= max(made, default=0) / 1000 + self._patience.settle_seconds:
            return False
        begun = self._memory_for and any(self._memory_for(*key).recall() for key in own)
        return flow_is_there or one.spec.name in self._known or not begun

    def _made_at(self, flow_id: str) -> int:
        """When a flow was made that no list shows, epoch milliseconds; 0 if it is gone."""
        try:
            created = flow_service.read(self._client, flow.COLLECTION, flow_id).get("createdAt")
        except AepNotFoundError:
            return 0
        return created if isinstance(created, int) else 0


def _refuse(plan: Plan, if_exists: IfExists) -> None:
    """What ``update`` would change, ``reuse`` does not; what is there, ``fail`` does not take."""
    if if_exists is IfExists.UPDATE:
        return
    for step in plan.steps():
        there = f"The {step.kind} {step.name!r} ({step.id})"
        if if_exists is IfExists.FAIL and step.kind == Flow.kind and step.id:
            raise AepDifferenceError(f"{there} is there already, and if_exists is 'fail'.")
        if step.is_work and step.change is not Change.CREATE and not _is_only_noted(step):
            why = told(list(step.lines)) if step.lines else f"Cause: {step.cause}."
            raise AepDifferenceError(
                f"{there} is there already with another definition. {why} Look at it with `airflow aep plan` and bring it there "
                "with `airflow aep apply`, or pass if_exists='update'."
            )


def _is_only_noted(step: Step) -> bool:
    return step.change is Change.UPDATE and step.lines == (REDECLARED,)
