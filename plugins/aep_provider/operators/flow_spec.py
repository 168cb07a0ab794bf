"""The step that finds the specification of tabular flows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aep_provider.operators.base import XCOM_NAME, AepBaseOperator, publish
from aep_provider.resources.connectors import TABULAR_FLOW_SPEC, connector
from aep_provider.resources.flow_spec import find_flow_spec

if TYPE_CHECKING:
    from airflow.sdk import Context

    from aep_provider.hooks.aep import AepHook


class AepGetFlowSpecOperator(AepBaseOperator):
    """
    Look up the specification of a kind of flow, and check that it serves a source system.

    :param source: the source system, for example ``servicenow``.
    :param name: name of the flow specification.

    *Idempotency*: reads only.

    *XCom*: ``return_value`` is the id of the flow specification; ``name``, ``version``, ``requests``.
    """

    template_fields: Sequence[str] = (*AepBaseOperator.template_fields, "source", "name")

    def __init__(self, *, source: str, name: str = TABULAR_FLOW_SPEC, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.name = name

    def run_step(self, context: Context, hook: AepHook) -> str:
        spec = find_flow_spec(hook.client, self.name)
        spec.serve(connector(self.source))
        publish(context, **{XCOM_NAME: spec.name, "version": spec.version})
        return spec.id
