"""The flow of a dataflow that AEP does not run by itself: whether it takes windows now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepConfigError, AepError
from aep_provider.resources import flow, flow_service
from aep_provider.resources.ensure import Patience
from aep_provider.resources.schedule import ON_DEMAND_START

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

_SETTLED_STATES = ("enabled", "disabled", None)


def runnable_flow(client: AepClient, flow_id: str, delta_column: str | None, patience: Patience) -> dict[str, Any]:
    """
    Return the flow, once AEP has finished making it.

    :param delta_column: what the next run would go by; None leaves it to the flow.
    :raises AepConfigError: AEP would not run it on demand, or runs it by itself besides.
    """
    deadline = patience.now() + patience.settle_seconds
    while True:
        document = flow_service.read(client, flow.COLLECTION, flow_id)
        state = document.get("state")
        if state in _SETTLED_STATES:
            break
        if patience.now() >= deadline:
            raise AepError(f"The flow {flow_id} is still {state}. Try again later.")
        patience.sleep(patience.look_every_seconds)
    _check(document, delta_column, patience)
    return document


def _check(document: Mapping[str, Any], wanted: str | None, patience: Patience) -> None:
    named = f"The flow {str(document.get('name'))!r} ({document.get('id')})"
    if document.get("state") == "disabled":
        raise AepConfigError(
            f"{named} is disabled, so AEP runs nothing of it (AEP would answer 1388): enable it, for example with "
            "AepSetFlowStateOperator."
        )
    schedule = document.get("scheduleParams") or {}
    if schedule.get("frequency") != "once":
        raise AepConfigError(
            f"{named} runs every {schedule.get('frequency')} by itself: only a flow of frequency on_demand takes windows "
            "(AEP would answer 1386)."
        )
    start = _number(schedule.get("startTime"))
    # Its own run appears minutes after the start.
    if start is not None and patience.now() - patience.settle_seconds < start < ON_DEMAND_START:
        raise AepConfigError(
            f"{named} is a one_time flow that only begins: AEP will load the whole table by itself, and the rows of "
            "the window would come twice. Make the flow with frequency on_demand."
        )
    held = flow.held_delta(document)
    if held and wanted and held != wanted:
        raise AepConfigError(
            f"{named} goes by the delta column {held!r} since its first run, not by {wanted!r} (AEP would answer 1382): "
            "give that one, or make a new flow."
        )
    if not (held or wanted):
        raise AepConfigError(
            f"{named} had no run yet, and its first one must name the delta column (AEP would answer 1383)."
        )


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
