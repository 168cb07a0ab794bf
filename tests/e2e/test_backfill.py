"""Windows under a real scheduler and triggerer: every row of every day once, whatever is killed in between."""

from __future__ import annotations

import csv
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from environment import ROOT

from ..leaks import ROW_VALUE
from .estate import Estate, postgres, postgres_is_there

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

REAL_TABLE = ROOT.parent / "shared" / "data" / "servicenow" / "incident.csv"
FIRST = datetime(2024, 2, 26)
"""The week has a leap day."""
DAYS = 7


def schedule(first: datetime, days: int, **more: Any) -> dict[str, Any]:
    end = first + timedelta(days=days)
    return {"cron": "0 0 * * *", "start": f"{first:%Y-%m-%d}", "end": f"{end:%Y-%m-%d}", **more}


def generated_table(file: Path, seed: int, rows: int = 300) -> Counter[str]:
    """A table over a week, some rows on midnight itself; how many rows there are of each day."""
    chance = random.Random(seed)
    days: Counter[str] = Counter()
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["sys_id", "number", "sys_updated_at"])
        for number in range(rows):
            moment = FIRST + timedelta(days=chance.randrange(DAYS))
            if number % 10:
                moment += timedelta(seconds=chance.randrange(86400))
            days[f"{moment:%Y-%m-%d}"] += 1
            writer.writerow([f"row-{number}", f"{ROW_VALUE}-{number}", f"{moment:%Y-%m-%d %H:%M:%S}"])
    return days


SQLITE, POSTGRESQL = "sqlite", pytest.param("postgresql", marks=pytest.mark.service)
ON_POSTGRESQL = pytest.mark.parametrize("database", [POSTGRESQL], indirect=True)
"""For what takes minutes on SQLite, where no backfill can be created beside other parts of Airflow."""


@pytest.fixture
def database(request: pytest.FixtureRequest, demand: Callable[[bool, str], None]) -> Iterator[str | None]:
    if getattr(request, "param", SQLITE) == SQLITE:
        yield None
        return
    demand(postgres_is_there(), "no PostgreSQL on 127.0.0.1 lets the user postgres in")
    with postgres() as address:
        yield address


@pytest.fixture
def make_estate(tmp_path: Path) -> Iterator[Callable[..., Estate]]:
    made: list[Estate] = []

    def make(**options: Any) -> Estate:
        tables = tmp_path / "tables"
        tables.mkdir(exist_ok=True)
        made.append(Estate(tmp_path / f"estate{len(made)}", tables, **options))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@ON_POSTGRESQL
def test_seven_days_of_several_dataflows(
    make_estate: Callable[..., Estate], database: str | None, demand: Callable[[bool, str], None]
) -> None:
    """The real table and generated ones, several windows at once."""
    estate = make_estate(database=database)
    wanted: dict[str, tuple[list[str], int]] = {}
    dag_ids: dict[str, datetime] = {}
    for seed in (1, 2):
        generated_table(estate.tables / f"generated{seed}.csv", seed)
        dag_id = estate.spec(
            f"generated{seed}", table=f"generated{seed}", delta_column="sys_updated_at", schedule=schedule(FIRST, DAYS)
        )
        dag_ids[dag_id] = FIRST
        wanted[dag_id] = sorted(f"row-{number}" for number in range(300)), DAYS
    if REAL_TABLE.exists():
        shutil.copy(REAL_TABLE, estate.tables)
        first = datetime(2016, 2, 29)
        # Its runs take their time side by side: AEP bears it, and each has a window of its own.
        dag_id = estate.spec(
            "incident", table="incident", delta_column="sys_updated_at", schedule=schedule(first, 7),
            policy={"windows_at_once": 3},
        )  # fmt: skip
        dag_ids[dag_id] = first
        with REAL_TABLE.open(newline="", encoding="utf-8") as file:
            wanted[dag_id] = sorted(row["sys_id"] for row in csv.DictReader(file)), 7
        assert len(wanted[dag_id][0]) == 3743
    after = (ROOT / "dags" / "aep_after_load.py").read_text().replace("ServiceNow incident daily", "generated1")
    (estate.dags / "after.py").write_text(after)
    estate.start()
    estate.known(*dag_ids, "aep_after_load")
    estate.unpause("aep_after_load")
    for dag_id, first in dag_ids.items():
        estate.backfill(dag_id, f"{first:%Y-%m-%d}", f"{first + timedelta(days=6):%Y-%m-%d}", "--max-active-runs", "4")
    for dag_id, first in dag_ids.items():
        days = [f"{first + timedelta(days=number):%Y-%m-%d}" for number in range(7)]
        assert estate.ended_runs(dag_id, 7) == dict.fromkeys(days, "success"), estate.task_logs(dag_id)
    # Each window was an event of its dataset's asset, and the DAG that waits for them got all.
    events = estate.api("GET", "/assets/events?limit=100")["asset_events"]
    rows = Counter(event["source_dag_id"] for event in events for _ in range(event["extra"]["rows_written"]))
    assert rows == {dag_id: len(keys) for dag_id, (keys, _) in wanted.items()}
    assert len({event["extra"]["run_id"] for event in events}) == len(events) == 7 * len(wanted)
    estate.until(lambda: rows_told(estate) == 300, "the DAG after the load was told of every row", 60)
    landed = sorted(sorted(estate.keys(dataset)) for dataset in estate.datasets())
    assert landed == sorted(keys for keys, _ in wanted.values())
    windows = sum(windows for _, windows in wanted.values())
    estate.until(lambda: len(estate.aep_runs()) >= windows, "AEP lists all runs", 60)
    assert len(estate.aep_runs()) == windows


def rows_told(estate: Estate) -> int:
    """What the tasks that run after a load returned."""
    path = "/dags/aep_after_load/dagRuns/~/taskInstances/what_came/xcomEntries/return_value"
    found = 0
    for run in estate.runs("aep_after_load"):
        if run["state"] == "success":
            told = estate.api("GET", path.replace("~", run["dag_run_id"]))
            found += int(told["value"])
    return found


def successful_windows(estate: Estate) -> list[tuple[int, int]]:
    """The windows of the runs that ended well, as often as they did."""
    return sorted(
        (int(run["params"]["windowStartTime"]), int(run["params"]["windowEndTime"]))
        for run in estate.aep_runs()
        if run["metrics"]["statusSummary"]["status"] == "success"
    )


def listed_windows(estate: Estate) -> list[tuple[int, int]]:
    """The same, once AEP lists all runs: it does so late."""
    return list(
        estate.until(lambda: len(found := successful_windows(estate)) >= DAYS and found, "AEP lists all runs", 60)
    )


@ON_POSTGRESQL
def test_killed_at_every_place(make_estate: Callable[..., Estate], database: str | None) -> None:
    """Tasks before and after their POST arrived, then triggerer, scheduler and platform while a run is waited for."""
    estate = make_estate(database=database, platform=["--time-scale", "0.05"])
    generated_table(estate.tables / "generated.csv", 3)
    dag_id = estate.spec(
        "generated",
        table="generated",
        delta_column="sys_updated_at",
        schedule=schedule(FIRST, DAYS),
        policy={"settle": 8},
    )
    estate.gate.plan = ["before", "after", "", "after", "before"]
    estate.start()
    estate.known(dag_id)
    estate.backfill(dag_id, "2024-02-26", "2024-03-03")
    for part in ("triggerer", "scheduler", "aep-local"):
        estate.until(lambda: "deferred" in estate.states(dag_id, "window"), "a run is waited for", 240)
        estate.kill(part)
        if part == "aep-local":
            estate.start_aep()
        else:
            estate.start_part(part)
    days = [f"{FIRST + timedelta(days=number):%Y-%m-%d}" for number in range(DAYS)]
    assert estate.ended_runs(dag_id, DAYS, 400) == dict.fromkeys(days, "success"), estate.task_logs(dag_id)
    assert len(estate.gate.killed) == 4
    wanted = sorted(f"row-{number}" for number in range(300))
    (dataset,) = estate.datasets()
    assert sorted(estate.keys(dataset)) == wanted
    windows = listed_windows(estate)
    assert len(windows) == len(set(windows)) == DAYS

    # A cleared task takes its run over.
    posted = estate.gate.posted
    run_id = estate.runs(dag_id)[0]["dag_run_id"]
    body = {"dry_run": False, "task_ids": ["window"], "dag_run_id": run_id, "only_failed": False}
    estate.api("POST", f"/dags/{dag_id}/clearTaskInstances", body)
    assert set(estate.ended_runs(dag_id, DAYS).values()) == {"success"}
    assert estate.gate.posted == posted
    assert sorted(estate.keys(dataset)) == wanted


FORTY = 40


@ON_POSTGRESQL
def test_every_part_is_killed_while_forty_dataflows_are_busy(
    make_estate: Callable[..., Estate], database: str | None
) -> None:
    """Two windows of each; workers at their POST, triggerer, scheduler with its tasks, API server, and the platform."""
    estate = make_estate(database=database, platform=["--time-scale", "0.02"])
    for number in range(4):
        generated_table(estate.tables / f"generated{number}.csv", number)
    # Each is made sure of first, so a worker's first POST is that of a window.
    dag_ids = [
        estate.spec(
            f"flow{number:02}", table=f"generated{number % 4}", delta_column="sys_updated_at",
            schedule=schedule(FIRST, DAYS), policy={"settle": 8},
        )
        for number in range(FORTY)
    ]  # fmt: skip
    estate.gate.plan = [*[""] * 10, "before", *[""] * 10, "after", *[""] * 10, "after"]
    estate.start()
    estate.known(*dag_ids)
    for dag_id in dag_ids:
        span = {"from_date": "2024-02-26T00:00:00Z", "to_date": "2024-02-27T00:00:00Z", "max_active_runs": 2}
        estate.api("POST", "/backfills", {"dag_id": dag_id, **span})
        estate.unpause(dag_id)

    def busy() -> bool:
        listed = estate.api("GET", "/dags/~/dagRuns/~/taskInstances?state=running&state=deferred&limit=100")
        return bool(listed["task_instances"])

    for part in ("triggerer", "scheduler", "api-server", "aep-local"):
        estate.until(busy, "something is busy", 120)
        estate.kill(part)
        if part == "aep-local":
            estate.start_aep()
        else:
            estate.start_part(part)
            estate.until(estate.healthy, f"Airflow is healthy without that {part}", 180)

    for dag_id in dag_ids:
        states = estate.ended_runs(dag_id, 2, 600)
        assert states == dict.fromkeys(("2024-02-26", "2024-02-27"), "success"), estate.task_logs(dag_id)
    assert len(estate.gate.killed) == 3
    for kind in ("flows", "sourceConnections", "targetConnections"):
        assert len(estate.aep("GET", f"/flowservice/{kind}", params={"limit": "100"})["items"]) == FORTY
    estate.until(lambda: len(estate.aep_runs()) >= 2 * FORTY, "AEP lists all runs", 60)
    assert len(successful_windows(estate)) == len(estate.aep_runs()) == 2 * FORTY
    landed = Counter(tuple(sorted(estate.keys(dataset))) for dataset in estate.datasets())
    wanted = [keys_of_days(estate.tables / f"generated{number}.csv", 2) for number in range(4)]
    assert landed == dict.fromkeys(wanted, FORTY // 4)


def keys_of_days(file: Path, days: int) -> tuple[str, ...]:
    """The keys of the rows of the first days of a generated table."""
    end = f"{FIRST + timedelta(days=days):%Y-%m-%d}"
    with file.open(newline="", encoding="utf-8") as table:
        return tuple(sorted(row["sys_id"] for row in csv.DictReader(table) if row["sys_updated_at"] < end))


ACCOUNTS = """\
organisations:
  - {{id: LOCAL@AdobeOrg, tenant: local, sandboxes: [prod]}}
clients:
  - {{id: c, secret: estate-secret, organisation: LOCAL@AdobeOrg}}
  - {{id: looker, secret: estate-secret, organisation: LOCAL@AdobeOrg}}
source_credentials:
  - connector: service-now
    params: {{endpoint: "https://dev1.service-now.example", username: ann, password: {password}}}
"""


@ON_POSTGRESQL
@pytest.mark.parametrize("told", ["extensions", "none"])
def test_killed_where_runs_do_not_tell_their_window_at_once(
    make_estate: Callable[..., Estate], database: str | None, told: str
) -> None:
    """The run of a killed task is found once it tells its window; where none ever does, a human is asked."""
    switches = [
        f"run_window_in_document={told}",
        "post_runs_answer=run",
        "run_statuses=provider",
        "once_runs_by_itself=yes",
    ]
    platform = ["--time-scale", "0.01", *(word for switch in switches for word in ("--assume", switch))]
    estate = make_estate(database=database, platform=platform)
    days = generated_table(estate.tables / "generated.csv", 5)
    dag_id = estate.spec("generated", table="generated", delta_column="sys_updated_at", schedule=schedule(FIRST, DAYS))
    estate.gate.plan = ["", "after"]
    estate.start()
    estate.known(dag_id)
    estate.backfill(dag_id, "2024-02-26", "2024-02-28")
    states = estate.ended_runs(dag_id, 3)
    assert len(estate.gate.killed) == 1
    (dataset,) = estate.datasets()
    estate.until(lambda: len(estate.aep_runs()) >= estate.gate.posted, "AEP lists all runs", 60)
    landed = Counter(str(moment)[:10] for moment in estate.keys(dataset, "sys_updated_at"))
    if told == "extensions":
        assert set(states.values()) == {"success"}, estate.task_logs(dag_id)
        assert landed == {day: days[day] for day in ("2024-02-26", "2024-02-27", "2024-02-28")}
        assert estate.gate.posted == 3
    else:
        # The second window was loaded, and its task cannot know it. Once that run is listed, nothing else is loaded either.
        assert [states[day] for day in sorted(states)][:2] == ["success", "failed"]
        assert "cannot be told" in estate.task_logs(dag_id)
        loaded = ["2024-02-26", "2024-02-27", *(["2024-02-28"] if states["2024-02-28"] == "success" else [])]
        assert landed == {day: days[day] for day in loaded}


def test_windows_by_hand(make_estate: Callable[..., Estate]) -> None:
    """Typed into the parameters, or as the interval of a DAG without a schedule; without one it is an error."""
    estate = make_estate()
    days = generated_table(estate.tables / "generated.csv", 6)
    dag_id = estate.spec("generated", table="generated", delta_column="sys_updated_at", schedule=schedule(FIRST, DAYS))
    (estate.dags / "by_hand.py").write_text((ROOT / "dags" / "aep_ingest_window.py").read_text())
    estate.start()
    estate.known(dag_id, "aep_ingest_window")
    estate.unpause(dag_id, "aep_ingest_window")

    def triggered(dag: str, body: dict[str, Any]) -> str:
        run_id = estate.api("POST", f"/dags/{dag}/dagRuns", {"logical_date": None, **body})["dag_run_id"]
        path = f"/dags/{dag}/dagRuns/{run_id}"
        ended = estate.until(
            lambda: (run := estate.api("GET", path))["state"] in ("success", "failed") and run, run_id, 120
        )
        return str(ended["state"])

    begin = "2024-03-01T00:00:00Z"
    assert triggered(dag_id, {"logical_date": begin}) == "failed"
    assert "has no window of its own" in estate.task_logs(dag_id)
    typed = {"window_start": "2024-02-28T00:00:00+00:00", "window_end": "2024-02-29T00:00:00+00:00"}
    assert triggered(dag_id, {"conf": typed}) == "success"
    (flow,) = estate.aep("GET", "/flowservice/flows")["items"]
    interval = {"data_interval_start": "2024-02-29T00:00:00Z", "data_interval_end": "2024-03-01T00:00:00Z"}
    conf = {"flow_id": flow["id"], "delta_column": "sys_updated_at"}
    body = {"logical_date": "2024-02-29T00:00:00Z", **interval, "conf": conf}
    assert triggered("aep_ingest_window", body) == "success", estate.task_logs("aep_ingest_window")
    (dataset,) = estate.datasets()
    landed = Counter(str(moment)[:10] for moment in estate.keys(dataset, "sys_updated_at"))
    assert landed == {day: days[day] for day in ("2024-02-28", "2024-02-29")}


@ON_POSTGRESQL
def test_a_weekend_of_wrong_credentials(
    make_estate: Callable[..., Estate], database: str | None, tmp_path: Path
) -> None:
    """On Monday the password is mended, and a backfill of what failed loads exactly what was missing."""
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(ACCOUNTS.format(password="right-source-password"))
    estate = make_estate(database=database, platform=["--time-scale", "0.01", "--accounts", str(accounts)])
    generated_table(estate.tables / "generated.csv", 4)
    dag_id = estate.spec(
        "generated",
        table="generated",
        delta_column="sys_updated_at",
        schedule=schedule(FIRST, DAYS),
        policy={"retries": 1},
    )
    estate.start()
    estate.known(dag_id)
    estate.backfill(dag_id, "2024-02-26", "2024-02-29")
    assert set(estate.ended_runs(dag_id, 4).values()) == {"success"}

    estate.kill("aep-local")
    accounts.write_text(ACCOUNTS.format(password="rotated"))
    estate.start_aep()
    # Airflow notices only after a while that a backfill is over.
    estate.until(lambda: not estate.active_backfills(dag_id), "the first backfill is over", 120)
    estate.backfill(dag_id, "2024-03-01", "2024-03-02")
    states = estate.ended_runs(dag_id, 6)
    assert [states[day] for day in ("2024-03-01", "2024-03-02")] == ["failed", "failed"]

    (connection,) = estate.aep("GET", "/flowservice/connections")["items"]
    change = [{"op": "replace", "path": "/auth/params", "value": {
        "endpoint": "https://dev1.service-now.example", "username": "ann", "password": "rotated"}}]  # fmt: skip
    path = f"/flowservice/connections/{connection['id']}"
    estate.aep("PATCH", path, json=change, headers={"If-Match": connection["etag"]})
    estate.until(lambda: not estate.active_backfills(dag_id), "the second backfill is over", 120)
    estate.backfill(dag_id, "2024-02-26", "2024-03-03", "--reprocess-behavior", "failed")
    days = [f"{FIRST + timedelta(days=number):%Y-%m-%d}" for number in range(DAYS)]
    assert estate.ended_runs(dag_id, DAYS) == dict.fromkeys(days, "success"), estate.task_logs(dag_id)
    (dataset,) = estate.datasets()
    assert sorted(estate.keys(dataset)) == sorted(f"row-{number}" for number in range(300))
    windows = listed_windows(estate)
    assert len(windows) == len(set(windows)) == DAYS
