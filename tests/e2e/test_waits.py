"""A thousand waits in a real triggerer: what they cost AEP, how soon each end is seen, and that none is lost or told twice."""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from aep_provider.dataflows.ensured import ensure_dataflows
from aep_provider.platform.client import AepClient
from aep_provider.platform.settings import AepSettings
from aep_provider.resources import flow_service
from aep_provider.resources.authentication import SourceLogin
from aep_provider.verdict import judge

from .estate import Estate, on_demand, postgres, postgres_is_there

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.service]

INTERVAL = 5.0
FIRST_ROW = int(datetime(2026, 1, 1).timestamp())
A_DAG = 5
"""How many waits a DAG has: Airflow loads the whole DAG for each."""
DAG_FILE = """\
import json
from pathlib import Path

from airflow.sdk import DAG

from aep_provider.sensors import AepFlowRunSensor

IDS = json.loads(Path({ids!r}).read_text())
for first in range(0, len(IDS), {a_dag}):
    with DAG(f"waits_{{first}}", schedule=None, is_paused_upon_creation=False, default_args={{"retries": 0}}) as dag:
        for number, run_id in enumerate(IDS[first:first + {a_dag}], first):
            AepFlowRunSensor(task_id=f"wait_{{number}}", run_id=run_id, poke_interval={interval}, timeout=900)
    globals()[dag.dag_id] = dag
"""


@pytest.fixture
def database(demand: Callable[[bool, str], None]) -> Iterator[str]:
    demand(postgres_is_there(), "no PostgreSQL on 127.0.0.1 lets the user postgres in")
    with postgres() as address:
        yield address


class Waits:
    """Runs of the local AEP that end at random moments, and a task that waits for each."""

    def __init__(self, folder: Path, database: str, count: int) -> None:
        tables = folder / "tables"
        tables.mkdir()
        rows = "".join(f"row-{n},{datetime.fromtimestamp(FIRST_ROW + n):%Y-%m-%d %H:%M:%S}\n" for n in range(count))
        for table in ("good", "bad"):
            (tables / f"{table}.csv").write_text(f"sys_id,sys_updated_at\n{rows}")
        self.estate = Estate(
            folder / "estate", tables, database=database, platform=["--assume", "run_appears_after_seconds=1"]
        )
        self.estate.environment |= {
            "AIRFLOW__TRIGGERER__CAPACITY": "2000",
            # Airflow loads a DAG for each wait that begins in the triggerer: a few at a time do not hold up the others.
            "AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP": "20",
            # The scheduler is busy, not dead: nobody shall take its tasks for orphans.
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "300",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "120",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "300",
        }
        self.count = count
        self.ids: list[str] = []

    def start(self) -> None:
        """Start everything but the runs, which have yet to be posted for Airflow to know their ids."""
        self.estate.start()

    def post(self, within: tuple[float, float]) -> None:
        """Post runs that begin at random moments, so many seconds from now; one in thirty fails."""
        chance = random.Random(7)
        settings = AepSettings.parse(
            gateway=self.estate.aep_url, token_url=f"{self.estate.aep_url}/ims/token/v3", ims_org_id="LOCAL@AdobeOrg",
            client_id="c", client_secret="estate-secret",
        )  # fmt: skip
        with AepClient(settings) as client:
            flows = {table: self._flow(client, table) for table in ("good", "bad")}
            (self.estate.tables / "bad.csv").unlink()
            now = time.time()
            for number in range(self.count):
                start = FIRST_ROW + number
                params = {
                    "startTime": int(now + chance.uniform(*within)), "windowStartTime": start, "windowEndTime": start + 1,
                    "deltaColumn": {"name": "sys_updated_at"},
                }  # fmt: skip
                body = {"flowId": flows["bad" if number % 30 == 7 else "good"], "params": params}
                answer = client.post(flow_service.path_of("runs"), json=body).body
                self.ids.append(answer["items"][0]["id"])
        ids = self.estate.folder / "ids.json"
        ids.write_text(json.dumps(self.ids))
        (self.estate.dags / "waits.py").write_text(DAG_FILE.format(ids=str(ids), interval=INTERVAL, a_dag=A_DAG))

    def _flow(self, client: AepClient, table: str) -> str:
        login = SourceLogin("aep_source_servicenow", "https://dev1.service-now.example", "ann", "right-source-password")
        (made,) = ensure_dataflows(
            client, lambda _: login, [on_demand(table, table, source_conn_id="aep_source_servicenow")]
        )
        flow_id = made.flow_id
        self.estate.until(
            lambda: flow_service.read(client, "flows", flow_id)["state"] == "enabled",
            f"the flow of {table} is ready",
            30,
        )
        return flow_id

    def trigger(self) -> None:
        dags = [f"waits_{first}" for first in range(0, self.count, A_DAG)]
        self.estate.until(
            lambda: self.estate.api("GET", "/dags?limit=1&exclude_stale=true")["total_entries"] == len(dags),
            "all DAGs are read",
            90,
        )
        for dag_id in dags:
            self.estate.api("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None})

    def tasks(self) -> list[dict[str, Any]]:
        """All task instances, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            path = f"/dags/~/dagRuns/~/taskInstances?limit=100&offset={len(found)}"
            page = self.estate.api("GET", path)["task_instances"]
            found += page
            if not page:
                return found

    def count_of(self, state: str) -> int:
        """How many task instances are in a state; one request, for Airflow has its hands full."""
        return int(self.estate.api("GET", f"/dags/~/dagRuns/~/taskInstances?limit=1&state={state}")["total_entries"])

    def have_ended(self) -> Counter[str] | None:
        """How many tasks ended in which state, None as long as a DAG run goes on."""
        going_on = self.estate.api("GET", "/dags/~/dagRuns?limit=1&state=running&state=queued")["total_entries"]
        if going_on:
            return None
        return Counter(str(task["state"]) for task in self.tasks())

    def shows_a_link(self) -> bool:
        """Whether a task that waits, and that no worker has seen, leads to its flow run."""
        waiting = self.estate.api("GET", "/dags/~/dagRuns/~/taskInstances?limit=20&state=deferred")["task_instances"]
        for task in waiting:
            path = f"/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}/links"
            link = self.estate.api("GET", path)["extra_links"]["Flow run in AEP"]
            if link:
                return str(link).endswith(self.ids[int(task["task_id"].removeprefix("wait_"))])
        return False

    def runs(self) -> dict[str, dict[str, Any]]:
        """AEP's documents, by id."""
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(self.ids), 100):
            wanted = ",".join(self.ids[start : start + 100])
            listed = self.estate.aep("GET", "/flowservice/runs", params={"property": f"id=={wanted}", "limit": "100"})
            found |= {run["id"]: run for run in listed["items"]}
        return found

    def begun(self) -> list[Path]:
        """The logs of the triggers that have begun."""
        logs = (self.estate.folder / "home" / "logs").glob("dag_id=waits_*/**/*.trigger.*.log")
        return [log for log in logs if log.stat().st_size]

    def usage(self) -> tuple[float, int]:
        """Processor time (seconds) and memory (bytes) of the triggerer and its process for triggers."""
        process = psutil.Process(self.estate.children["triggerer"].process.pid)
        family = [process, *process.children(recursive=True)]
        return sum(sum(one.cpu_times()[:2]) for one in family), sum(one.memory_info().rss for one in family)

    def fired(self) -> dict[str, list[float]]:
        """When (epoch seconds) the trigger of each task fired, from Airflow's logs."""
        found: dict[str, list[float]] = {}
        for log in (self.estate.folder / "home" / "logs").glob("dag_id=waits_*/**/*.trigger.*.log"):
            task = re.search(r"task_id=(wait_\d+)", str(log))
            assert task
            for line in log.read_text().splitlines():
                told = json.loads(line)
                if told.get("event") == "Trigger fired event":
                    at = datetime.fromisoformat(told["timestamp"].replace("Z", "+00:00")).timestamp()
                    found.setdefault(task[1], []).append(at)
        return found

    def requests(self) -> list[float]:
        """When (epoch seconds) the triggerer asked AEP."""
        seen = self.estate.gate.seen
        return [at for at, who, path in seen if who == "AepFlowRunTrigger" and "/flowservice/" in path]


@pytest.fixture
def make_waits(tmp_path: Path) -> Iterator[Callable[..., Waits]]:
    made: list[Waits] = []

    def make(database: str, count: int) -> Waits:
        made.append(Waits(tmp_path, database, count))
        return made[-1]

    yield make
    for each in made:
        each.estate.stop()


def test_many_waits(make_waits: Callable[..., Waits], database: str) -> None:
    waits = make_waits(database, 1000)
    waits.start()
    waits.post((60, 240))
    waits.trigger()
    waits.estate.until(lambda: waits.count_of("deferred") > waits.count * 0.9, "the tasks wait", 120)
    started = time.time()
    waits.estate.until(lambda: len(waits.begun()) == waits.count, "all triggers have begun", 120)
    begun = time.time()
    usage = waits.usage()
    states = waits.estate.until(waits.have_ended, "all have ended", 400)
    cpu, memory = (after - before for after, before in zip(waits.usage(), (usage[0], 0), strict=True))
    runs = {run_id: judge(run) for run_id, run in waits.runs().items()}
    failed = {run_id for run_id, verdict in runs.items() if verdict.state == "failed"}
    assert len(runs) == waits.count
    assert states == {"success": waits.count - len(failed), "failed": len(failed)}
    for task in waits.tasks():
        run_id = waits.ids[int(task["task_id"].removeprefix("wait_"))]
        assert task["state"] == ("failed" if run_id in failed else "success")
        assert task["try_number"] == 1
    asked = waits.requests()
    times = [at for at in asked if at > started]
    most = max(sum(begin <= at < begin + INTERVAL for at in times) for begin in times)
    fired = waits.fired()
    assert {len(moments) for moments in fired.values()} == {1}
    late = sorted(
        moments[0] - (runs[waits.ids[int(task.removeprefix("wait_"))]].completed_at or 0) / 1000
        for task, moments in fired.items()
    )
    print(f"{waits.count} waits, {len(asked)} requests, at most {most} in an interval; seen after {late[len(late) // 2]:.1f} s "
          f"(median), {late[int(len(late) * 0.99) - 1]:.1f} s (99 %), {late[-1]:.1f} s (all); the triggerer took {cpu:.0f} s of "
          f"processor time in {time.time() - begun:.0f} s, and {memory / 2**20:.0f} MB")  # fmt: skip
    assert most <= 10
    assert late[int(len(late) * 0.99) - 1] <= INTERVAL + 1
    # Airflow itself loads a DAG for each wait that begins in the triggerer; what counts is that the waits hold up nobody.
    blocked = [
        float(line.partition("was blocked for ")[2].split()[0])
        for line in waits.estate.children["triggerer"].output().splitlines()
        if "thread was blocked" in line and datetime.fromisoformat(line.split()[0].replace("Z", "+00:00")).timestamp() > begun
    ]  # fmt: skip
    # For a moment a busy machine holds up anybody.
    assert max(blocked, default=0) < 1, blocked
    assert len(blocked) <= 5, blocked


def test_a_triggerer_that_is_killed(make_waits: Callable[..., Waits], database: str) -> None:
    """What it saw before it told of it is seen again by the next one; what was told is not told again."""
    waits = make_waits(database, 300)
    waits.start()
    waits.post((50, 100))
    waits.trigger()
    waits.estate.until(waits.shows_a_link, "a task that waits leads to its run in AEP", 120)
    waits.estate.until(lambda: waits.count_of("success") >= waits.count // 10, "some have ended", 240)
    waits.estate.kill("triggerer")
    assert waits.count_of("deferred") > 0
    waits.estate.start_part("triggerer")
    states = waits.estate.until(waits.have_ended, "all have ended", 300)
    runs = {run_id: judge(run) for run_id, run in waits.runs().items()}
    failed = sum(verdict.state == "failed" for verdict in runs.values())
    assert states == {"success": waits.count - failed, "failed": failed}
    assert {task["try_number"] for task in waits.tasks()} == {1}
