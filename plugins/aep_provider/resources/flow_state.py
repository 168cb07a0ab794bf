"""The two states in which a flow rests, and how to bring it from one to the other."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from aep_provider.errors import AepInvalidRequestError
from aep_provider.resources import flow_service

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

FLOWS = "flows"
_NOT_IN_THIS_STATE = 1422


class FlowState(StrEnum):
    """The two states in which a flow rests."""

    ENABLED = "enabled"
    DISABLED = "disabled"

    @property
    def action(self) -> str:
        """AEP's word for getting there."""
        return "enable" if self is FlowState.ENABLED else "disable"


def set_state(client: AepClient, flow_id: str, state: FlowState) -> bool:
    """
    Enable or disable a flow; return whether there was anything to do.

    AEP refuses to enable what is enabled. So the state is read first, and again after a refusal: somebody else may have
    been faster.

    :raises AepNotFoundError: if there is no such flow.
    """
    if state_of(client, flow_id) == state:
        return False
    try:
        client.post(flow_service.path_of(FLOWS, flow_id, "action"), params={"op": state.action})
    except AepInvalidRequestError as error:
        if error.number == _NOT_IN_THIS_STATE and state_of(client, flow_id) == state:
            return False
        raise
    return True


def state_of(client: AepClient, flow_id: str) -> object:
    """
    Return AEP's word for the state of a flow.

    :raises AepNotFoundError: if there is no such flow.
    """
    return flow_service.read(client, FLOWS, flow_id).get("state")
