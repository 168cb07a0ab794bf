"""A whole dataflow in one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError, AepNotFoundError, one_line
from aep_provider.links import AepDatasetLink, AepFlowLink, publish_links
from aep_provider.operators.base import AepEnsureOperator, TaskMemory, publish
from aep_provider.operators.ledger import ledger_of
from aep_provider.operators.rendered import truth
from aep_provider.resources import flow, flow_service
from aep_provider.resources.authentication import credentials
from aep_provider.resources.chain import ensure_dataflow
from aep_provider.resources.check import DataflowRequest
from aep_provider.resources.connection import BaseConnection, test_connection
from aep_provider.resources.connectors import connector
from aep_provider.resources.coverage import all_flows, generations
from aep_provider.resources.dataset import Dataset
from aep_provider.resources.ensure import Outcome, ensure
from aep_provider.resources.facts import Facts
from aep_provider.resources.schedule import Frequency

if TYPE_CHECKING:
    from airflow.sdk import Context

    from aep_provider.hooks.aep import AepHook


class AepEnsureDataflowOperator(AepEnsureOperator):
    """
    Make sure of all objects of an on-demand dataflow, from the base connection to the flow.

    Everything is checked before anything but the base connection is made; what does not depend on each other is made side
    by side.

    :param spec: the dataflow, as a file of ``include/dataflows`` holds it (a mapping of plain values).

    *Idempotency*: as of the single steps. Where the task has the dataset's :class:`~airflow.sdk.Asset` as an inlet or outlet,
    what was made is remembered with it, and an unchanged specification costs one request.

    *XCom*: ``return_value`` is the id of the flow; ``name``, ``action`` (``created`` if anything was, ``reused`` otherwise),
    ``created`` (which kinds), ``earlier_flow_ids`` (the flows that it replaced), ``requests``.

    :raises AirflowFailException: a specification that cannot be, or objects that are there with another definition.
    """

    operator_extra_links = (AepFlowLink(), AepDatasetLink())
    template_fields: Sequence[str] = (*AepEnsureOperator.template_fields, "spec")
    template_fields_renderers = {"spec": "json"}  # noqa: RUF012  Airflow's form

    def __init__(self, *, spec: Mapping[str, Any] | DataflowSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec.model_dump(mode="json") if isinstance(spec, DataflowSpec) else spec

    def run_step(self, context: Context, hook: AepHook) -> str:
        spec = self._checked_spec()
        ledger, key, digest = ledger_of(context, self), f"aep_dataflow:{spec.name}", spec.digest()
        kept = ledger.get(key)
        if isinstance(kept, Mapping) and kept.get("digest") == digest and self._is_there(hook, str(kept.get("flow"))):
            self.log.info("The dataflow %s is as it was made: flow %s", spec.name, kept["flow"])
            publish_links(context, hook, flow_id=str(kept["flow"]), dataset_id=kept.get("dataset"))
            publish(context, name=spec.name, action="reused", created=[], earlier_flow_ids=kept.get("earlier") or [])
            return str(kept["flow"])
        made = self._ensure(context, hook, spec)
        created = [one.kind for one in made if one.action == "created"]
        for one in made:
            self.log.info("%s %s: %s (%s)", one.kind, one.name, one.id, one.action)
        flow_id = made[-1].id
        dataset_id = next((one.id for one in made if one.kind == Dataset.kind), "")
        publish_links(context, hook, flow_id=flow_id, dataset_id=dataset_id)
        earlier = [one.id for one in generations(all_flows(hook.client), spec.name) if one.id != flow_id]
        ledger.set(key, {"digest": digest, "flow": flow_id, "dataset": dataset_id, "earlier": earlier})
        action = "created" if created else "reused"
        publish(context, name=spec.name, action=action, created=created, earlier_flow_ids=earlier)
        return flow_id

    def _ensure(self, context: Context, hook: AepHook, spec: DataflowSpec) -> list[Outcome]:
        client, system = hook.client, connector(spec.source)
        base = BaseConnection(
            client,
            name=f"{system.title} via {spec.source_conn_id}",
            connector=system,
            credentials=credentials(client, system, hook.source_login(spec.source_conn_id), spec.authentication),
        )
        adopt = truth(self.adopt, "adopt") is True
        below = ensure(base, if_exists=self.if_exists, adopt=adopt, memory=TaskMemory(context, base.kind))
        test_connection(client, below.id)
        if spec.mapping is not None and not isinstance(spec.mapping, list):
            raise AepConfigError("spec.mapping must be a list here: a file is read where the DAG is made.")
        request = DataflowRequest(
            name=spec.name,
            connector=system,
            table=spec.table,
            schema=spec.schema_choice(),
            columns=spec.columns,
            mappings=spec.mapping,
            frequency=Frequency.ON_DEMAND,
            delta_column=spec.delta_column,
            further_names={"name of the dataset": spec.dataset},
        )
        chain = ensure_dataflow(
            Facts(client),
            request,
            below.id,
            dataset=spec.dataset,
            if_exists=self.if_exists,
            partial_ingestion_percent=spec.policy.partial_ingestion_percent,
            memory_for=lambda kind: TaskMemory(context, kind),
        )
        return [below, *chain.outcomes]

    def _checked_spec(self) -> DataflowSpec:
        try:
            return DataflowSpec.model_validate(self.spec)
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
                for problem in error.errors(include_input=False)
            )
            raise AepConfigError(f"The specification of the dataflow is not possible: {one_line(wrong)}") from None

    def _is_there(self, hook: AepHook, flow_id: str) -> bool:
        """A flow that was disabled is left to the full look, which says so; one that was just made is not enabled yet."""
        try:
            return flow_service.read(hook.client, flow.COLLECTION, flow_id).get("state") != "disabled"
        except AepNotFoundError:
            return False
