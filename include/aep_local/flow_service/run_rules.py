"""What a posted run must look like, and which runs may be done again: each rule with its own code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aep_local.core.documents import INTERNAL
from aep_local.core.problems import connector, flow_service
from aep_local.core.store import Document
from aep_local.flow_service import flow_rules
from aep_local.rows import timetable
from aep_local.web import documents
from aep_local.web.gateway import Caller
from aep_local.web.services import Services

_PARAMS = ("startTime", "windowStartTime", "windowEndTime", "deltaColumn")
_NOT_SECONDS = 10**11
"""From here on a number is epoch milliseconds, which would be a window thousands of years away."""


@dataclass(frozen=True)
class PostedRun:
    """A request for a run on demand; moments in epoch seconds.

    :param params: the known ones of its parameters, as they were sent.
    :param start: when the run is to begin; None for now.
    :param delta: the delta column as sent.
    """

    flow_id: str
    params: Document
    start: int | None
    window_start: int
    window_end: int
    delta: Document | None


def read(body: Document) -> PostedRun:
    """Read the body of ``POST /runs``; numbers may be texts.

    :raises Problem: 1304 for a field that is missing or of the wrong type, 1380 for a moment that is not in seconds,
        1381 for a window that ends before it starts, 1384 for no parameters.
    """
    flow_id = documents.text(body, "flowId")
    params = body.get("params")
    if not isinstance(params, dict) or not params:
        raise connector(1384, "params of an on-demand run must not be empty")
    window_start, window_end = _moment(params, "windowStartTime"), _moment(params, "windowEndTime")
    start = _moment(params, "startTime") if params.get("startTime") is not None else None
    if window_end < window_start:
        raise connector(1381, "windowEndTime is before windowStartTime")
    delta = params.get("deltaColumn")
    if delta is not None:
        flow_rules.check_delta_column(delta)
    echoed = {name: params[name] for name in _PARAMS if name in params}
    return PostedRun(flow_id, echoed, start, window_start, window_end, delta)


def _moment(params: Document, name: str) -> int:
    value: Any = flow_rules.integer(params.get(name))
    if isinstance(value, bool) or not isinstance(value, int):
        raise documents.missing(f"params.{name}")
    if not 0 <= value < _NOT_SECONDS:
        raise connector(1380, f"{name} must be epoch seconds")
    return value


def flow_to_run(services: Services, caller: Caller, posted: PostedRun) -> Document:
    """The flow that a posted run is for.

    :raises Problem: 1430 for a flow that is not there, 1386 for one that AEP schedules, 1380 for one that is not enabled
        or whose own time, where the settings say so, has not come.
    """
    flow = services.store.get("flows", posted.flow_id, caller.scope)
    if flow is None:
        raise flow_service(1430, 400, f"flow not found with id = [{posted.flow_id[:100]}]")
    if flow["scheduleParams"]["frequency"] != "once":
        raise connector(1386, "On-demand runs are supported for flows of frequency once only")
    if flow["state"] != "enabled":
        raise connector(1380, f"An on-demand run is not possible: the flow is {flow['state']}")
    assume = services.settings.assume
    if assume.run_before_flow_start == "refused":
        plan = timetable.plan(flow, services.clock.time_scale, assume)
        if services.clock.now_ms() < plan.started_ms:
            raise connector(1380, "An on-demand run is not possible before the flow's start time")
    return flow


def delta_to_use(flow: Document, given: Document | None) -> Document:
    """The delta column of a posted run: what the flow's first run wrote, to which every later one is held.

    :raises Problem: 1383 when neither the flow nor the request has one, 1382 when they differ.
    """
    written = flow_rules.delta_column(flow["transformations"])
    if written is None:
        if given is None:
            raise connector(1383, "deltaColumn is required in the first on-demand run")
        return given
    if given is not None and any(written.get(key) != value for key, value in given.items()):
        raise connector(1382, "deltaColumn differs from the one that the flow has")
    return written


def flow_to_run_again(services: Services, caller: Caller, run: Document) -> Document:
    """The flow of a run that is to be re-triggered.

    :raises Problem: 1430 for a flow that is not there any more, 1388 for one that is not enabled, 1387 for a run that is
        not over, brought rows, or, where the settings say so, was re-triggered before.
    """
    flow = services.store.get("flows", run["flowId"], caller.scope)
    if flow is None:
        raise flow_service(1430, 400, f"flow not found with id = [{run['flowId']}]")
    if flow["state"] != "enabled":
        raise connector(1388, f"A run cannot be re-triggered: its flow is {flow['state']}")
    metrics = run["metrics"]
    status, records = metrics["statusSummary"]["status"], metrics["recordSummary"]
    if status != "failed" and (status != "success" or records["outputRecordCount"] > 0):
        raise connector(1387, f"A run in state {status} with records cannot be re-triggered")
    if services.settings.assume.retrigger_again == "refused":
        runs = services.store.all("runs", caller.scope, ref=flow["id"])
        if any(each[INTERNAL].get("retriggerOf") == run["id"] for each in runs):
            raise connector(1387, "The run was re-triggered before")
    return flow
