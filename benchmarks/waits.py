"""A thousand waits for flow runs on one event loop, as in one triggerer: processor time, memory, requests, and how late.

Our triggers, with every check switched on, beside what people write today: each wait polls by itself, once with a session of its
own and once with one session for all. The runs end at random moments on a local AEP; each way waits for runs of its own. What
Airflow's triggerer does besides is the same for all and left out; `tests/e2e/test_waits.py` has the whole.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from aep import ORG, local_aep, our_client
from aep_provider.hooks.aep import AepHook
from aep_provider.platform import nonblocking
from aep_provider.platform.client import AepClient
from aep_provider.resources import flow_service
from aep_provider.resources.run import read_run
from aep_provider.triggers import poller
from aep_provider.triggers.flow_run import AepFlowRunTrigger
from aep_provider.verdict import judge
from windows import dataflow

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
INTERVAL = 5.0
RUNS = "/data/foundation/flowservice/runs"

# A triggerer has them all imported before it waits.
_IMPORTED = (AepHook, poller)

Report = Callable[[str, str], None]


async def ours(url: str, ids: list[str], report: Report) -> int:
    """Our triggers; how many requests they sent."""
    send, sent = nonblocking.send, 0

    async def counted(*arguments: Any) -> Any:
        nonlocal sent
        sent += 1
        return await send(*arguments)

    nonblocking.send = counted  # type: ignore[assignment]
    extra = json.dumps({"ims_org_id": ORG, "token_url": f"{url}/ims/token/v3"})
    connection = {"conn_type": "aep", "host": url, "login": "ours", "password": "ours-secret", "extra": extra}
    os.environ["AIRFLOW_CONN_AEP_DEFAULT"] = json.dumps(connection)

    async def wait(run_id: str) -> None:
        trigger = AepFlowRunTrigger(
            aep_conn_id="aep_default", sandbox=None, run_ids=[run_id], poke_interval=INTERVAL, timeout=3600,
            started=time.time(),
        )  # fmt: skip
        async for event in trigger.run():
            report(run_id, event.payload["verdicts"][0]["state"])

    await asyncio.gather(*(wait(run_id) for run_id in ids))
    return sent


def plain(*, shared: bool) -> Callable[[str, list[str], Report], Awaitable[int]]:
    """Return each wait polling by itself."""

    async def poll(url: str, ids: list[str], report: Report) -> int:
        sent = 0
        with our_client(url) as client:
            token = client._tokens.token()
        headers = {
            "Authorization": f"Bearer {token}",
            "x-api-key": "ours",
            "x-gw-ims-org-id": ORG,
            "x-sandbox-name": "prod",
        }

        async def wait(run_id: str, common: aiohttp.ClientSession) -> None:
            nonlocal sent
            async with nullcontext(common) if shared else aiohttp.ClientSession() as session:
                while True:
                    sent += 1
                    async with session.get(f"{url}{RUNS}/{run_id}", headers=headers) as answer:
                        state = judge((await answer.json())["items"][0]).state
                    if state.has_ended:
                        report(run_id, state.value)
                        return
                    await asyncio.sleep(INTERVAL)

        async with aiohttp.ClientSession() as common:
            await asyncio.gather(*(wait(run_id, common) for run_id in ids))
        return sent

    return poll


WAYS = {"plain, a session each": plain(shared=False), "plain, one session": plain(shared=True), "ours": ours}


def host(way: str, url: str, ids: Path) -> None:
    """Wait for all runs in this process, and print what it took."""
    seen: dict[str, tuple[float, str]] = {}

    async def run() -> int:
        blocked = asyncio.create_task(_longest_block())
        try:
            return await WAYS[way](
                url, json.loads(ids.read_text()), lambda run, state: seen.update({run: (time.time(), state)})
            )
        finally:
            blocked.cancel()

    before = resource.getrusage(resource.RUSAGE_SELF)
    sent = asyncio.run(run())
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told = {
        "cpu seconds": round(cpu, 2), "MB at the most": round(after.ru_maxrss / 1024), "MB to begin with":
        round(before.ru_maxrss / 1024), "requests": sent, "loop blocked for at most, s": round(_LONGEST[0], 2), "seen": seen,
    }  # fmt: skip
    print(json.dumps(told))


_LONGEST = [0.0]


async def _longest_block() -> None:
    while True:
        before = time.monotonic()
        await asyncio.sleep(0.02)
        _LONGEST[0] = max(_LONGEST[0], time.monotonic() - before - 0.02)


def post(client: AepClient, flow_id: str, count: int, seconds: float) -> list[str]:
    """Post runs over windows of their own, which begin at random moments from a quarter of these seconds on."""
    chance, now, ids = random.Random(13), time.time(), []
    for number in range(count):
        start = int((FIRST + timedelta(minutes=number)).timestamp())
        params = {
            "startTime": int(now + chance.uniform(seconds / 4, seconds)), "windowStartTime": start,
            "windowEndTime": start + 60, "deltaColumn": {"name": "sys_updated_at"},
        }  # fmt: skip
        answer = client.post(flow_service.path_of("runs"), json={"flowId": flow_id, "params": params}).body
        ids.append(str(answer["items"][0]["id"]))
    return ids


def measure(count: int, seconds: float) -> dict[str, Any]:
    """All ways, one after another on one platform."""
    told: dict[str, Any] = {"waits": count, "polling interval, s": INTERVAL}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "tables"
        folder.mkdir()
        with (folder / "events.csv").open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(["sys_id", "sys_updated_at", "amount"])
            for number in range(count):
                out.writerow([f"row-{number}", f"{FIRST + timedelta(minutes=number):%Y-%m-%d %H:%M:%S}", number])
        options = ("--assume", "run_appears_after_seconds=1")
        with local_aep(folder, Path(scratch) / "state", *options) as url, our_client(url) as client:
            for way in WAYS:
                flow_id, _ = dataflow(client, way.replace(",", ""))
                ids = Path(scratch) / "ids.json"
                ids.write_text(json.dumps(post(client, flow_id, count, seconds)))
                told[way] = _hosted(way, url, ids, client, scratch)
    reference = told["plain, one session"]
    told["ours to plain with one session"] = {
        "cpu": round(told["ours"]["cpu seconds"] / reference["cpu seconds"], 2),
        "requests": round(told["ours"]["requests"] / reference["requests"], 3),
    }
    return told


def _hosted(way: str, url: str, ids: Path, client: AepClient, home: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--host", way, url, str(ids)]
    environment = os.environ | {"AIRFLOW_HOME": home, "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING"}
    told = json.loads(
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    )
    late = []
    for run_id, (at, state) in told.pop("seen").items():
        verdict = judge(read_run(client, run_id))
        if verdict.state.value != state:
            raise SystemExit(f"{way}: run {run_id} {verdict.state}, but was told as {state}")
        late.append(at - (verdict.completed_at or 0) / 1000)
    if len(late) != len(json.loads(ids.read_text())):
        raise SystemExit(f"{way}: {len(late)} runs were told")
    late.sort()
    return {
        **told,
        "told after, s (median)": round(late[len(late) // 2], 1),
        "(99 %)": round(late[len(late) * 99 // 100 - 1], 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waits", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=120, help="within which the runs end")
    parser.add_argument("--host", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.host:
        host(given.host[0], given.host[1], Path(given.host[2]))
    else:
        print(json.dumps(measure(given.waits, given.seconds), indent=2))
