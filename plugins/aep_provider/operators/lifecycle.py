"""Steps for a flow that is there: enable or disable it, and take it down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepConfigError
from aep_provider.operators.base import AepBaseOperator, TaskMemory, publish
from aep_provider.operators.rendered import truth
from aep_provider.resources.flow_state import FlowState, set_state
from aep_provider.resources.lifecycle import delete_flow

if TYPE_CHECKING:
    from airflow.sdk import Context

    from aep_provider.hooks.aep import AepHook


class AepSetFlowStateOperator(AepBaseOperator):
    """
    Enable or disable a flow.

    :param flow_id: id of the flow.
    :param state: ``enabled`` or ``disabled``.

    *Idempotency*: a flow that is in the state already is left alone.

    *XCom*: ``return_value`` is the id of the flow; ``state``, ``changed``, ``requests``.
    """

    template_fields: Sequence[str] = (*AepBaseOperator.template_fields, "flow_id", "state")

    def __init__(self, *, flow_id: str, state: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.flow_id = flow_id
        self.state = state

    def run_step(self, context: Context, hook: AepHook) -> str:
        try:
            state = FlowState(self.state)
        except ValueError:
            raise AepConfigError(f"state is {self.state!r}, but must be one of {', '.join(FlowState)}.") from None
        changed = set_state(hook.client, self.flow_id, state)
        self.log.info("Flow %s %s %s", self.flow_id, "is now" if changed else "was already", state)
        publish(context, state=state.value, changed=changed)
        return self.flow_id


class AepDeleteFlowOperator(AepBaseOperator):
    """
    Delete a flow and, in the order that AEP demands, the connections that only it uses.

    Datasets, schemas, mapping sets and rows stay.

    :param flow_id: id of the flow.
    :param with_connections: whether its source and target connection go too.
    :param with_base_connection: whether its base connection goes too; refused before anything is gone if other flows use it.

    *Idempotency*: what is gone already is no error.

    *XCom*: ``return_value`` is the id of the flow; ``deleted`` and ``left`` (pairs of kind and id), ``requests``.
    """

    template_fields: Sequence[str] = (
        *AepBaseOperator.template_fields,
        "flow_id",
        "with_connections",
        "with_base_connection",
    )

    def __init__(
        self, *, flow_id: str, with_connections: bool = True, with_base_connection: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.flow_id = flow_id
        self.with_connections = with_connections
        self.with_base_connection = with_base_connection

    def run_step(self, context: Context, hook: AepHook) -> str:
        done = delete_flow(
            hook.client,
            self.flow_id,
            with_connections=truth(self.with_connections, "with_connections") is not False,
            with_base_connection=truth(self.with_base_connection, "with_base_connection") is True,
            memory=TaskMemory(context, "deletion"),
        )
        for kind, object_id in done.left:
            self.log.info("Left the %s %s, which another flow uses", kind, object_id)
        publish(context, deleted=[list(one) for one in done.deleted], left=[list(one) for one in done.left])
        return self.flow_id
