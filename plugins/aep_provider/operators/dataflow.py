"""Whole dataflows in one task: one, or a batch of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from aep_provider.errors import AepConfigError, AepNotFoundError
from aep_provider.links import AepDatasetLink, AepFlowLink, publish_links
from aep_provider.operators.base import AepEnsureOperator, StopsInOrder, TaskMemory, publish
from aep_provider.operators.ledger import ledger_of
from aep_provider.operators.lineage import TellsMadeDatasets, lineage_of, where_told
from aep_provider.operators.progress import logged
from aep_provider.operators.rendered import truth
from aep_provider.resources import flow, flow_service
from aep_provider.resources.dataset import Dataset
from aep_provider.resources.ensure import Patience
from aep_provider.resources.lineage import Lineage
from aep_provider.resources.resource import Action, IfExists

if TYPE_CHECKING:
    from airflow.sdk import Context

    from aep_provider.dataflows.ensured import Ensured
    from aep_provider.dataflows.spec import DataflowSpec
    from aep_provider.hooks.aep import AepHook


class AepEnsureDataflowOperator(TellsMadeDatasets, StopsInOrder, AepEnsureOperator):
    """
    Make sure of all objects of a dataflow, from the base connection to the flow; or of a batch of dataflows.

    Everything is checked before anything but the base connection is made; what does not depend on each other is made side
    by side. Many dataflows are few tasks: map the operator over batches, ``.partial(…).expand(specs=[[…], […]])``.

    :param spec: the dataflow, as a file of ``include/dataflows`` holds it (a mapping of plain values).
    :param specs: or several of them.
    :param accept: whether ``if_exists="update"`` may replace a flow where rows come twice or are missed by it.
    :param workers: how many dataflows are made side by side.
    :param settle_seconds: how late AEP's lists may show what was just made. Of a dataflow that is newer than that, nothing
        more is made before it is that old.

    *Idempotency*: as of the single steps; ``if_exists="reuse"`` fails where anything would have to be changed. Where the task
    of one dataflow has the dataset's :class:`~airflow.sdk.Asset` as an inlet or outlet, what was made is remembered with it,
    and an unchanged specification costs one request. When the task is stopped, nothing further is begun.

    *XCom*: ``return_value`` is the id of the flow, of several a mapping from name to id; ``action`` (``created`` if anything
    was, ``updated``, ``reused``), ``created`` (which kinds), ``requests``; of one dataflow also ``name`` and
    ``earlier_flow_ids`` (the flows that loaded its dataset before) and, where OpenLineage is told, ``lineage`` (where rows come
    from and go, for the tasks that load them).

    :raises AirflowFailException: a specification that cannot be, or objects that are there with another definition.
    """

    operator_extra_links = (AepFlowLink(), AepDatasetLink())

    def __init__(
        self,
        *,
        spec: Mapping[str, Any] | DataflowSpec | None = None,
        specs: Sequence[Mapping[str, Any] | DataflowSpec] | None = None,
        accept: bool = False,
        workers: int = 4,
        settle_seconds: float = 30,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.spec = _plain(spec) if spec is not None else None
        self.specs = specs
        self.accept = accept
        self.workers = workers
        self.settle_seconds = settle_seconds

    def run_step(self, context: Context, hook: AepHook) -> Any:
        if (self.spec is None) == (self.specs is None):
            raise AepConfigError("Give spec for one dataflow, or specs for several.")
        if self.spec is None:
            return self._several(context, hook, [_checked(_plain(one)) for one in self.specs or ()])
        return self._one(context, hook, _checked(self.spec))

    def _one(self, context: Context, hook: AepHook, spec: DataflowSpec) -> str:
        ledger, key, digest = ledger_of(context, self), f"aep_dataflow:{spec.name}", spec.digest()
        kept = ledger.get(key)
        if isinstance(kept, Mapping) and kept.get("digest") == digest and self._is_there(hook, str(kept.get("flow"))):
            self.log.info("The dataflow %s is as it was made: flow %s", spec.name, kept["flow"])
            publish_links(context, hook, flow_id=str(kept["flow"]), dataset_id=kept.get("dataset"))
            publish(context, name=spec.name, action="reused", created=[], earlier_flow_ids=kept.get("earlier") or [])
            self._tell_lineage(context, where_told(lambda: Lineage.of(kept.get("lineage")) or _lineage(hook, spec)))
            return str(kept["flow"])
        known = {spec.name: str(kept["flow"])} if isinstance(kept, Mapping) and kept.get("flow") else {}
        (made,) = self._ensure(context, hook, [spec], known)
        publish_links(context, hook, flow_id=made.flow_id, dataset_id=made.dataset_id)
        told = {"digest": digest, "flow": made.flow_id, "dataset": made.dataset_id, "earlier": made.earlier_flow_ids}
        lineage = where_told(lambda: _lineage(hook, spec, made))
        ledger.set(key, {**told, **({"lineage": lineage.as_json()} if lineage else {})})
        publish(
            context,
            name=spec.name,
            action=made.action.value,
            created=made.created,
            earlier_flow_ids=made.earlier_flow_ids,
        )
        self._tell_lineage(context, lineage, created=Dataset.kind in made.created)
        return made.flow_id

    def _tell_lineage(self, context: Context, lineage: Lineage | None, *, created: bool = False) -> None:
        if lineage:
            publish(context, lineage=lineage.as_json())
            self._made = [(lineage, created)]

    def _several(self, context: Context, hook: AepHook, specs: Sequence[DataflowSpec]) -> dict[str, str]:
        if not specs:
            return {}
        made = self._ensure(context, hook, specs)
        actions = {one.action for one in made}
        action = next((each for each in (Action.CREATED, Action.UPDATED) if each in actions), Action.REUSED)
        created = [f"{kind} of {one.name}" for one in made for kind in one.created]
        pairs = [(where_told(lambda: _lineage(hook, spec, one)), one) for spec, one in zip(specs, made, strict=True)]  # noqa: B023
        self._made = [(lineage, Dataset.kind in one.created) for lineage, one in pairs if lineage]
        publish(context, action=action.value, created=created)
        return {one.name: one.flow_id for one in made}

    def _ensure(
        self,
        context: Context,
        hook: AepHook,
        specs: Sequence[DataflowSpec],
        known_flows: Mapping[str, str] | None = None,
    ) -> list[Ensured]:
        # Planning brings much along that a parse of a DAG file need not wait for.
        from aep_provider.dataflows.ensured import ensure_dataflows  # noqa: PLC0415

        try:
            if_exists = IfExists(self.if_exists)
        except ValueError:
            raise AepConfigError(
                f"if_exists is {self.if_exists!r}, but must be one of {', '.join(IfExists)}."
            ) from None
        with logged(self.log) as how_far:
            return ensure_dataflows(
                hook.client,
                hook.source_login,
                specs,
                if_exists=if_exists,
                adopt=truth(self.adopt, "adopt") is True,
                accept=self.accept,
                workers=self.workers,
                memory_for=lambda kind, name: TaskMemory(context, f"{kind}_{_short(name)}"),
                progress=lambda text: self.log.info("%s", text),
                how_far=how_far,
                stop=self.stopping(),
                known_flows=known_flows,
                patience=Patience(settle_seconds=self.settle_seconds),
            )

    def _is_there(self, hook: AepHook, flow_id: str) -> bool:
        """A flow that was disabled is left to the full look, which says so; one that was just made is not enabled yet."""
        try:
            return flow_service.read(hook.client, flow.COLLECTION, flow_id).get("state") != "disabled"
        except AepNotFoundError:
            return False


def _lineage(hook: AepHook, spec: DataflowSpec, made: Ensured | None = None) -> Lineage:
    return lineage_of(
        hook,
        source=spec.source,
        source_conn_id=spec.source_conn_id,
        base_connection=spec.base_name,
        table=spec.table,
        dataset=spec.dataset,
        checked=made.checked if made else None,
    )


def _plain(spec: Mapping[str, Any] | DataflowSpec) -> Mapping[str, Any]:
    return spec.model_dump(mode="json", exclude_defaults=True) if isinstance(spec, BaseModel) else spec


def _checked(spec: Mapping[str, Any]) -> DataflowSpec:
    # A parse of a DAG file that holds mappings need not wait for it.
    from aep_provider.dataflows.reading.wording import in_one_line, problems  # noqa: PLC0415
    from aep_provider.dataflows.spec import DataflowSpec  # noqa: PLC0415

    try:
        checked = DataflowSpec.model_validate(spec)
    except ValidationError as error:
        raise AepConfigError(
            f"The specification of the dataflow is not possible: {in_one_line(problems(error, DataflowSpec))}"
        ) from None
    if isinstance(checked.mapping, str):
        raise AepConfigError("spec.mapping must be a list here: a file is read where the DAG is made.")
    return checked


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]
