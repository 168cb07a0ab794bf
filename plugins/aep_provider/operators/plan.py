"""What would be done to bring a sandbox to what a folder of specifications declares."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from aep_provider.errors import AepConfigError, AepError
from aep_provider.operators.base import AepBaseOperator, publish
from aep_provider.operators.progress import logged
from aep_provider.operators.rendered import listed, text, truth, whole_number
from aep_provider.resources.names import nearest
from aep_provider.specs_folder import specs_folder

if TYPE_CHECKING:
    from airflow.sdk import Context

    from aep_provider.dataflows.chain import Sandbox
    from aep_provider.dataflows.plan import Plan
    from aep_provider.dataflows.planning import Planned
    from aep_provider.dataflows.progress import Progress
    from aep_provider.dataflows.spec import DataflowSpec
    from aep_provider.hooks.aep import AepHook

LARGEST_DOCUMENT: Final = 1_048_576
"""Bytes of JSON. A plan of some eight hundred new dataflows is as large."""
LONGEST_TEXT: Final = 262_144
"""Characters."""
LONGEST_TO_APPROVE: Final = 65_536
"""Characters. Nobody reads more in a form, and a browser takes its time for it."""
_ON_APPROVAL: Final = (
    "Approving does exactly this, rejecting does nothing. If the files or AEP change before, nothing is done either."
)


class PlansDataflows(AepBaseOperator):
    """
    Base of the operators that plan what a folder of specifications declares.

    :param folder: the folder with the dataflows' files, on every worker; by default ``dataflows_folder`` in the section
        ``[aep]`` of Airflow's configuration, or ``include/dataflows`` beside the DAGs folder.
    :param names: of dataflows; without, all that are declared for the sandbox over this connection.
    :param sandbox: read the files for this sandbox. Without, it is the connection's, and of the files those that say they
        are for it.
    :param overwrite: whether what was edited by hand in AEP is undone.
    :param workers: how many dataflows are worked on side by side.
    """

    template_fields: Sequence[str] = (*AepBaseOperator.template_fields, "folder", "names", "overwrite", "workers")

    def __init__(
        self,
        *,
        folder: str | None = None,
        names: Sequence[str] | None = None,
        overwrite: bool = False,
        workers: int = 4,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.folder = folder
        self.names = names
        self.overwrite = overwrite
        self.workers = workers

    def planned(self, hook: AepHook, how_far: Progress) -> tuple[Plan, list[Planned], Sandbox]:
        """Read files and sandbox, and return the plan, what carries it out, and the sandbox as it was read."""
        # Planning brings much along that a parse of a DAG file need not wait for.
        from aep_provider.dataflows.planning import make_plan  # noqa: PLC0415
        from aep_provider.dataflows.survey import look_around  # noqa: PLC0415

        specs, whole = self._specs(hook.settings.sandbox)
        sandbox = look_around(hook.client, hook.source_login)
        overwrite = truth(self.overwrite, "overwrite") is True
        plan, planned = make_plan(
            specs, sandbox, whole=whole, overwrite=overwrite, workers=self.side_by_side(), how_far=how_far
        )
        return plan, planned, sandbox

    def side_by_side(self) -> int:
        """Return how many dataflows are worked on side by side."""
        workers = whole_number(self.workers, "workers")
        if workers is None or workers < 1:
            raise AepConfigError(f"workers is {self.workers!r}, but must be at least 1.")
        return workers

    def _specs(self, sandbox: str) -> tuple[list[DataflowSpec], bool]:
        """Return the dataflows, and whether they are all that is declared for the sandbox."""
        from aep_provider.dataflows.reading.load import load_folder  # noqa: PLC0415

        folder = specs_folder(text(self.folder))
        loaded = load_folder(folder, sandbox=text(self.sandbox))
        here = [spec for spec in loaded.specs if spec.sandbox == sandbox]
        specs = [spec for spec in here if spec.aep_conn_id == self.aep_conn_id]
        place = f"sandbox {sandbox!r} over the connection {self.aep_conn_id!r}"
        names = [str(name) for name in listed(self.names, "names") or ()]
        known = {spec.slug: spec for spec in specs} | {spec.name: spec for spec in specs}
        missing = [name for name in names if name not in known]
        if loaded.wrong and (missing or not names):
            for error in loaded.wrong:
                self.log.error("%s", error)
            told = " ".join(map(str, loaded.wrong))
            raise AepConfigError(f"{_counted(len(loaded.wrong), 'file')} of {folder} cannot be read: {told}")
        if missing:
            near = nearest(missing[0], [spec.name for spec in specs])
            raise AepConfigError(f"There is no dataflow {missing[0]!r} in {folder} for {place}.{near}")
        if not specs:
            raise AepConfigError(f"There is no dataflow in {folder} for {place}: each is a file that ends in .yaml.")
        if names:
            return list({known[name].name: known[name] for name in names}.values()), False
        # Over another connection there may be more of the same sandbox.
        return specs, len(here) == len(specs)


class AepPlanDataflowsOperator(PlansDataflows):
    """
    Plan what would be done to bring a sandbox to what a folder of specifications declares. Writes nothing.

    *Idempotency*: creates nothing. The same files and the same sandbox give the same plan.

    *XCom*: ``return_value`` is the plan as JSON (``airflow aep plan --json`` prints the same), for
    :class:`~aep_provider.operators.apply.AepApplyDataflowsOperator`; one of more than 1 MiB is left out, and only
    ``digest``, ``organisation``, ``sandbox``, ``overwrite`` and ``counts`` stand there. ``text`` is the plan for people, and
    ``markdown`` the same in a code block, for an approval; both are cut where they are too long, and say so. ``headline`` (one
    line), ``digest``, ``counts`` (objects by what becomes of them), ``has_work`` (whether there is anything to do or to
    decide), ``drifted`` (how many objects were edited by hand), ``needs_accept`` (whether rows would come twice or be missed),
    ``requests``. The log has the whole text.

    :raises AirflowFailException: a file cannot be read; the log has all of them.
    """

    def run_step(self, context: Context, hook: AepHook) -> dict[str, Any]:
        from aep_provider.dataflows.plan import Change  # noqa: PLC0415
        from aep_provider.dataflows.plan_text import plan_text, summary  # noqa: PLC0415

        with logged(self.log) as how_far:
            plan, _, _ = self.planned(hook, how_far)
        told = plan_text(plan)
        for line in told.splitlines():
            self.log.info("%s", line)
        # As it is read back: its words for changes are of a type of their own.
        document: dict[str, Any] = json.loads(json.dumps(plan.document()))
        publish(
            context,
            text=cut(told, LONGEST_TEXT),
            markdown=f"{_ON_APPROVAL}\n\n{in_code_block(cut(told, LONGEST_TO_APPROVE))}",
            headline=f"Sandbox {plan.sandbox} of {plan.organisation}. {summary(plan)}",
            digest=document["digest"],
            counts=document["counts"],
            has_work=plan.has_work,
            drifted=sum(step.change is Change.DRIFTED for step in plan.steps()),
            needs_accept=bool(plan.losses),
        )
        refuse_without_plan(plan)
        if len(json.dumps(document, ensure_ascii=False).encode()) > LARGEST_DOCUMENT:
            self.log.warning("The plan is too large for an XCom: only its digest and its counts are kept")
            return {name: document[name] for name in ("digest", "organisation", "sandbox", "overwrite", "counts")}
        return document


def refuse_without_plan(plan: Plan) -> None:
    """
    Check that there is a plan for every dataflow. Where there is none, AEP may have been out of order for a while.

    :raises AepError: naming those without.
    """
    if plan.errors:
        wrong = "; ".join(f"{name}: {why}" for name, why in plan.errors)
        raise AepError(f"There is no plan for {_counted(len(plan.errors), 'dataflow')}: {wrong}")


def cut(told: str, most: int) -> str:
    """Return as many whole lines as ``most`` characters take; if some are left out, the last one says so."""
    if len(told) <= most:
        return told
    lines = told[:most].splitlines()[:-1]
    left = len(told.splitlines()) - len(lines)
    return "\n".join([*lines, "", f"{left} more lines stand in the log of the task that made the plan."]) + "\n"


def in_code_block(told: str) -> str:
    """
    Return a text as Markdown shows it as it is.

    Nothing in it ends the block, so no link, image or HTML in it comes to life. Airflow keeps the line breaks of a code block
    only where its language is named.
    """
    longest = max((len(run) for run in re.findall("`+", told)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{told.rstrip()}\n{fence}"


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
