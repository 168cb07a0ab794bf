"""Carrying out a plan that somebody has seen."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepConfigError, AepDifferenceError
from aep_provider.operators.base import StopsInOrder, TaskMemory, publish
from aep_provider.operators.plan import PlansDataflows, refuse_without_plan
from aep_provider.operators.progress import logged
from aep_provider.operators.rendered import truth
from aep_provider.resources.ensure import Patience
from aep_provider.resources.resource import Action

if TYPE_CHECKING:
    from airflow.sdk import Context

    from aep_provider.dataflows.apply import Applied
    from aep_provider.dataflows.plan import Plan
    from aep_provider.dataflows.planning import Planned
    from aep_provider.hooks.aep import AepHook

_DIGEST = re.compile(r"[0-9a-f]{64}")


class AepApplyDataflowsOperator(StopsInOrder, PlansDataflows):
    """
    Bring a sandbox to what a folder of specifications declares, exactly as a plan says.

    Files and sandbox are read again and the plan is made again; if it is not the same any more, nothing is sent.

    :param plan: what :class:`~aep_provider.operators.plan.AepPlanDataflowsOperator` returned, or just its digest.
    :param accept: whether rows may come twice or be missed, where the plan says so.
    :param settle_seconds: how late AEP's lists may show what was just made. A retry looks for as long for what an earlier try
        was about to make.

    *Idempotency*: the natural keys of the single objects. That the plan was begun, and each object that is about to be made,
    is remembered in the task's state: a retry goes on if what is left is nothing but the rest of the plan, and refuses
    otherwise. What fails costs only the dataflows that need it. When the task is stopped, nothing further is begun.

    *XCom*: ``return_value`` is how many objects were ``created`` (also in place of others) and ``updated`` by this try;
    ``flow_ids`` (by dataflow), ``digest`` (of the plan), ``requests``.

    :raises AirflowFailException: the plan does not fit any more, or somebody has to decide something first.
    :raises AepError: some dataflows are not done; the message names them.
    """

    template_fields: Sequence[str] = (*PlansDataflows.template_fields, "plan", "accept")
    template_fields_renderers = {"plan": "json"}  # noqa: RUF012  Airflow's form

    def __init__(
        self, *, plan: Mapping[str, Any] | str, accept: bool = False, settle_seconds: float = 30, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.accept = accept
        self.settle_seconds = settle_seconds

    def run_step(self, context: Context, hook: AepHook) -> dict[str, int]:
        from aep_provider.dataflows.apply import Options, apply_plan, failure  # noqa: PLC0415

        kept, accept, workers = _kept(self.plan), truth(self.accept, "accept") is True, self.side_by_side()
        with logged(self.log) as how_far:
            plan, planned, sandbox = self.planned(hook, how_far)
        refuse_without_plan(plan)
        self._refuse_unfit(TaskMemory(context, "plan"), kept, plan)
        with logged(self.log) as how_far:
            options = Options(
                accept=accept,
                workers=workers,
                memory_for=lambda kind, name: TaskMemory(context, f"{kind}_{_short(name)}"),
                progress=lambda told: self.log.info("%s", told),
                how_far=how_far,
                patience=Patience(settle_seconds=self.settle_seconds),
                stop=self.stopping(),
            )
            applied = apply_plan(plan, planned, sandbox, options)
        self._publish(context, kept, planned, applied)
        wrong = failure(applied)
        if wrong:
            raise wrong
        actions = [outcome.action for outcome in applied.outcomes.values()]
        return {action.value: actions.count(action) for action in (Action.CREATED, Action.UPDATED)}

    def _refuse_unfit(self, memory: TaskMemory, kept: Mapping[str, Any], plan: Plan) -> None:
        """Check that the plan is the one that was kept, or what an earlier try left of it."""
        from aep_provider.dataflows.apply import refuse_unfit  # noqa: PLC0415
        from aep_provider.dataflows.plan_text import summary  # noqa: PLC0415
        from aep_provider.dataflows.resumed import essence, refuse_other_than_rest  # noqa: PLC0415

        now, is_whole = plan.document(), "dataflows" in kept
        begun = memory.recall() or {}
        if begun.get("digest") == kept["digest"] != now["digest"]:
            refuse_other_than_rest(kept if is_whole else begun["plan"], plan)
            self.log.info("An earlier try began this plan, and this is its rest. %s", summary(plan))
            return
        if is_whole:
            refuse_unfit(kept, now)
        elif kept["digest"] != now["digest"]:
            raise AepDifferenceError(
                "The plan does not fit any more: the files or AEP have changed since it was made. Make a new plan and look at it."
            )
        memory.remember({"digest": kept["digest"], **({} if is_whole else {"plan": essence(now)})})

    def _publish(self, context: Context, kept: Mapping[str, Any], planned: Sequence[Planned], applied: Applied) -> None:
        from aep_provider.resources.flow import Flow  # noqa: PLC0415

        flows = {one.spec.name: applied.ids.get((Flow.kind, one.spec.name)) for one in planned}
        publish(context, digest=kept["digest"], flow_ids={name: each for name, each in flows.items() if each})


def _kept(plan: object) -> Mapping[str, Any]:
    """Return a plan that may have come as JSON, or as its digest alone."""
    read = plan
    if isinstance(plan, str):
        if _DIGEST.fullmatch(plan.strip()):
            return {"digest": plan.strip()}
        try:
            read = json.loads(plan)
        except (ValueError, RecursionError):
            read = None
    if isinstance(read, Mapping) and _DIGEST.fullmatch(str(read.get("digest"))):
        return read
    raise AepConfigError(
        "plan is no plan: give what AepPlanDataflowsOperator returned (its output), or its digest. In a template only the digest "
        "stays what it is."
    )


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]
