"""Waits of one loop on a real platform, under each setting of what its lists and documents may be like."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from airflow.triggers.base import TriggerEvent

from aep_provider.platform.client import AepClient
from aep_provider.resources.run import read_run
from aep_provider.resources.run_wait import Ending
from aep_provider.triggers.flow_run import AepFlowRunTrigger
from aep_provider.verdict import judge

pytestmark = pytest.mark.slow

SWITCHES = [
    "several_values_filter=works",
    "several_values_filter=ignored",
    "several_values_filter=empty",
    "several_values_filter=refused",
    "runs_order=updated",
    "run_document_quirks=activites",
    "run_document_quirks=seconds",
    "run_statuses=partial",
    "run_statuses=capitalised",
    "run_statuses=provider",
    "failed_run_document=bare",
    "page_size=1",
    "continuation=position_only",
    "run_appears_after_seconds=2000",
    "run_window_in_document=none",
]


@pytest.mark.parametrize("switch", SWITCHES)
async def test_every_end_is_told_as_it_is(
    switch: str, start_platform: Callable[..., Any], make_wire: Any, make_client: Callable[..., AepClient], on_demand: Any,
    set_connection: Callable[..., None], org: str,
) -> None:  # fmt: skip
    """Runs by id and first runs of flows, good and failed ones, waited for side by side."""
    platform = start_platform("--time-scale", "0.001", "--assume", switch)
    wire = make_wire(platform)
    client = make_client(wire.url)
    extra = json.dumps({"ims_org_id": org, "token_url": f"{wire.url}/ims/token/v3"})
    set_connection("aep_default", conn_type="aep", host=wire.url, login="t", password="secret-of-the-test", extra=extra)
    dataflows = [on_demand(client, platform, name=f"flow {number}") for number in range(3)]
    before = int(time.time()) * 1000

    async def told(**awaited: Any) -> str:
        values = {"aep_conn_id": "aep_default", "sandbox": None, "run_ids": [], "poke_interval": 0.1, "timeout": 60}
        trigger = AepFlowRunTrigger(**{**values, **awaited, "started": time.time()})
        (event,) = [event async for event in trigger.run()]
        return state_of(event)

    flows = [asyncio.ensure_future(told(flow_id=flow.flow_id, since=before)) for flow in dataflows]
    await asyncio.sleep(0)
    with dataflows[2].no_table():
        failing = [flow.post(flow.day(1)) for flow in dataflows]
        failed = await asyncio.gather(*(told(run_ids=[run_id]) for run_id in failing))
    good = [flow.post(flow.day(number)) for flow in dataflows for number in (1, 2, 3)]
    ended = await asyncio.gather(*(told(run_ids=[run_id]) for run_id in good), told(run_ids=good))
    assert set(failed) == {"failed"}
    # What the platform itself says, run by run.
    shown = [judge(read_run(client, run_id)).state.value for run_id in good]
    assert ended == [*shown, shown[0]]
    assert "succeeded" in shown
    assert await asyncio.gather(*flows) == ["failed"] * 3


def state_of(event: TriggerEvent) -> str:
    return str(Ending.of(event.payload).verdicts[0].state)
