"""All of Airflow beside a local AEP, on a database of choice, each part of which can be killed and started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import requests

from aep_provider.dataflows.spec import DataflowSpec
from children import Child, stop_all
from environment import BIN, airflow_environment, clean_environment

from ..leaks import ROW_VALUE, leaked
from .gate import Gate

DAG_FILE = """\
# Airflow reads files that speak of a DAG.
from pathlib import Path

from aep_provider.dag_factory import dataflow_dags

globals().update(dataflow_dags(Path({specs!r})))
"""
PARTS = {
    "api-server": ["--host", "127.0.0.1"],
    "scheduler": ["--skip-serve-logs"],
    "dag-processor": [],
    "triggerer": ["--skip-serve-logs"],
}
POSTGRES = {"host": "127.0.0.1", "port": 5432, "user": "postgres"}
_HEALTHY_SECONDS = 180.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgres() -> Iterator[str]:
    """A database of its own on this machine's PostgreSQL; its SQLAlchemy address."""
    import psycopg2

    name = f"airflow_{uuid4().hex[:12]}"
    server = psycopg2.connect(dbname="postgres", **POSTGRES)
    server.autocommit = True
    try:
        with server.cursor() as cursor:
            cursor.execute(f"create database {name}")
        yield f"postgresql+psycopg2://{POSTGRES['user']}@{POSTGRES['host']}:{POSTGRES['port']}/{name}"
        assert list(_leaks_in(name)) == []
    finally:
        with server.cursor() as cursor:
            cursor.execute(f"drop database if exists {name} with (force)")
        server.close()


def _leaks_in(database: str) -> Iterator[str]:
    """The tables in which a secret lies, or the value of a row, however Airflow came by it."""
    import psycopg2

    with closing(psycopg2.connect(dbname=database, **POSTGRES)) as connection, connection.cursor() as cursor:
        cursor.execute("select table_name from information_schema.tables where table_schema = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f"select coalesce(string_agg(one::text, chr(10)), '') from \"{table}\" one")
            ((text,),) = cursor.fetchall()
            found = leaked(text.encode()) + (["the value of a row"] if ROW_VALUE in text else [])
            if found:
                yield f"{table}: {', '.join(found)}"


def postgres_is_there() -> bool:
    """Whether this machine has a PostgreSQL that lets us in."""
    try:
        import psycopg2

        psycopg2.connect(dbname="postgres", connect_timeout=3, **POSTGRES).close()
    except Exception:
        return False
    return True


class Estate:
    """
    Airflow's four parts and a local AEP.

    :param folder: holds everything.
    :param tables: the source's tables.
    :param database: SQLAlchemy's address; SQLite by default.
    :param platform: further options of ``aep-local serve``.
    """

    def __init__(
        self, folder: Path, tables: Path, *, database: str | None = None, platform: list[str] | None = None
    ) -> None:
        self.folder = folder
        self.tables = tables
        self.state = folder / "state"
        self.specs = folder / "dataflows"
        self.dags = folder / "dags"
        for each in (self.specs, self.dags):
            each.mkdir(parents=True)
        (self.dags / "dataflows.py").write_text(DAG_FILE.format(specs=str(self.specs)))
        self.aep_port, self.port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.aep_url = f"http://127.0.0.1:{self.aep_port}"
        self.gate = Gate(self.aep_url)
        self._database = database
        self._platform = platform or ["--time-scale", "0.01"]
        self.children: dict[str, Child] = {}
        self.environment = airflow_environment(folder / "home", port=self.port)
        self.environment |= {
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
            "AIRFLOW_CONN_AEP_DEFAULT": json.dumps(self._aep_connection()),
        }
        if database:
            self.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = database
        self.source_password("right-source-password")

    def _aep_connection(self) -> dict[str, Any]:
        extra = {"ims_org_id": "LOCAL@AdobeOrg", "sandbox": "prod", "token_url": f"{self.gate.url}/ims/token/v3"}
        return {"conn_type": "aep", "host": self.gate.url, "login": "c", "password": "estate-secret", "extra": extra}

    def source_password(self, password: str) -> None:
        """What the source's Airflow connection holds from the next start of the parts on."""
        source = {"conn_type": "http", "host": "https://dev1.service-now.example", "login": "ann", "password": password}
        self.environment["AIRFLOW_CONN_AEP_SOURCE_SERVICENOW"] = json.dumps(source)

    def spec(self, name: str, **fields: Any) -> str:
        """Declare a dataflow; the id of its DAG. JSON is YAML."""
        policy = {"retries": 4, "retry_delay": 1, "settle": 4, "poll_interval": 1, **fields.pop("policy", {})}
        spec = {"source": "servicenow", "source_conn_id": "aep_source_servicenow", **fields, "policy": policy}
        (self.specs / f"{name}.yaml").write_text(json.dumps(spec))
        return f"aep_dataflow__{name}"

    # The parts

    def start(self) -> None:
        """Start everything and wait until all parts are healthy."""
        self.start_aep()
        subprocess.run(
            [str(BIN / "airflow"), "db", "migrate"], env=self.environment, check=True, capture_output=True, timeout=180
        )
        for part in PARTS:
            self.start_part(part)
        self.until(self.healthy, "Airflow is healthy", _HEALTHY_SECONDS)

    def start_aep(self) -> None:
        command = [str(BIN / "aep-local"), "serve", "--tables", str(self.tables), "--state", str(self.state)]
        command += ["--port", str(self.aep_port), *self._platform]
        child = Child("aep-local", command, environment=clean_environment(), log=self.folder / f"aep-{uuid4().hex}.log")
        self.children["aep-local"] = child
        self.until(lambda: "ready " in child.output(), "the local AEP serves", 60)

    def start_part(self, part: str) -> None:
        command = [str(BIN / "airflow"), part, *PARTS[part]]
        log = self.folder / f"{part}-{uuid4().hex}.log"
        self.children[part] = Child(part, command, environment=self.environment, log=log)

    def kill(self, part: str) -> None:
        """SIGKILL for a part and all it started."""
        child = self.children.pop(part)
        with suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait(30)

    def stop(self) -> None:
        stop_all(list(self.children.values()))
        self.gate.close()

    def healthy(self) -> bool:
        try:
            parts = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
            requests.get(f"{self.url}/execution/health", timeout=30)
        except (requests.RequestException, ValueError):
            return False
        return all(part["status"] == "healthy" for part in parts.values() if part["status"])

    def until(self, check: Any, what: str, seconds: float) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := check()):
            for name, child in self.children.items():
                assert child.process.poll() is None, f"{name} has ended: {child.output()[-3000:]}"
            assert time.monotonic() < deadline, f"after {seconds} s it is still not so that {what}"
            time.sleep(0.2)
        return found

    # Airflow

    def airflow(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of Airflow's command line beside it."""
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """A request to Airflow's REST API. On SQLite it answers 500 while another part writes; then it is asked again."""
        deadline = time.monotonic() + (0 if self._database else 30)
        while (answer := self._asked(method, path, body)).status_code == 500 and time.monotonic() < deadline:
            time.sleep(0.5)
        assert answer.ok, f"{answer.text}\n{self.children['api-server'].output()[-3000:]}"
        return answer.json() if answer.content else None

    def _asked(self, method: str, path: str, body: Any) -> requests.Response:
        token = requests.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"{self.url}/api/v2{path}", json=body, headers=headers, timeout=60)

    def known(self, *dag_ids: str) -> None:
        """Wait until Airflow has read them."""
        for dag_id in dag_ids:
            self.until(lambda dag_id=dag_id: self._knows(dag_id), f"Airflow knows {dag_id}", 90)

    def unpause(self, *dag_ids: str) -> None:
        for dag_id in dag_ids:
            self.api("PATCH", f"/dags/{dag_id}", {"is_paused": False})

    def _knows(self, dag_id: str) -> bool:
        listed = self.api("GET", "/dags?limit=100&exclude_stale=true")["dags"]
        return any(dag["dag_id"] == dag_id for dag in listed)

    def backfill(self, dag_id: str, first: str, last: str, *more: str) -> None:
        """Create a backfill, and unpause the DAG."""
        with self._alone():
            self.airflow("backfill", "create", "--dag-id", dag_id, "--from-date", first, "--to-date", last, *more)
        self.unpause(dag_id)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """On SQLite Airflow gives up creating a backfill when another part writes meanwhile: there they rest."""
        writers = [] if self._database else ["scheduler", "dag-processor", "triggerer"]
        stop_all([self.children.pop(part) for part in writers])
        yield
        for part in writers:
            self.start_part(part)

    def active_backfills(self, dag_id: str) -> list[Any]:
        found = self.api("GET", f"/backfills?dag_id={dag_id}&limit=100")["backfills"]
        return [one for one in found if one["completed_at"] is None]

    def states(self, dag_id: str, task_id: str) -> list[str]:
        """The states of a task in all runs of the DAG."""
        found = self.api("GET", f"/dags/{dag_id}/dagRuns/~/taskInstances?limit=100")["task_instances"]
        return [str(one["state"]) for one in found if one["task_id"] == task_id]

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        return list(self.api("GET", f"/dags/{dag_id}/dagRuns?limit=100")["dag_runs"])

    def ended_runs(self, dag_id: str, count: int, seconds: float = 240) -> dict[str, str]:
        """The states of the DAG's runs by the first day of their windows, once ``count`` of them have ended."""

        def ended() -> Any:
            runs = self.runs(dag_id)
            done = [run for run in runs if run["state"] in ("success", "failed")]
            return runs if len(done) >= count and len(done) == len(runs) else None

        try:
            runs = self.until(ended, f"{count} runs of {dag_id} have ended", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.task_logs(dag_id)}") from None
        return {str(run["data_interval_start"])[:10]: run["state"] for run in runs}

    def task_logs(self, dag_id: str) -> str:
        """The ends of the logs of a DAG's tasks."""
        logs = sorted(
            (self.folder / "home" / "logs").glob(f"dag_id={dag_id}/**/*.log"), key=lambda log: log.stat().st_mtime
        )
        return "\n".join(f"{log}\n{log.read_text(errors='replace')[-6000:]}" for log in logs[-6:])

    # AEP

    def aep(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> Any:
        """A request of somebody who knows AEP and not this package."""
        form = {"grant_type": "client_credentials", "client_id": "looker", "client_secret": "estate-secret"}
        token = requests.post(f"{self.aep_url}/ims/token/v3", data=form, timeout=30).json()["access_token"]
        own = {"Authorization": f"Bearer {token}", "x-api-key": "looker", "x-sandbox-name": "prod"}
        headers = {**own, "x-gw-ims-org-id": "LOCAL@AdobeOrg", **(headers or {})}
        answer = requests.request(
            method, f"{self.aep_url}/data/foundation{path}", headers=headers, timeout=30, **options
        )
        assert answer.ok, answer.text
        return answer.json()

    def aep_runs(self) -> list[dict[str, Any]]:
        """All flow runs of the sandbox; nothing of this is scaled up to a second page in these tests."""
        found = self.aep("GET", "/flowservice/runs", params={"limit": "100"})
        assert not found.get("_links", {}).get("next")
        return list(found["items"])

    def datasets(self) -> list[Path]:
        return [folder for folder in sorted(self.state.glob("datasets/*")) if any(folder.glob("*.parquet"))]

    def keys(self, dataset: Path, member: str = "sys_id") -> list[str]:
        """The value of one field of each row that has landed, wherever in the row it is."""
        with duckdb.connect() as database:
            query = f"select to_json(row)::varchar from read_parquet('{dataset}/*.parquet') row"
            rows = [json.loads(text) for (text,) in database.execute(query).fetchall()]
        return [found for row in rows if (found := _find(row, member)) is not None]


def _find(row: Any, member: str) -> Any:
    if isinstance(row, dict):
        if member in row and not isinstance(row[member], dict):
            return row[member]
        return next((found for value in row.values() if (found := _find(value, member)) is not None), None)
    return None


def on_demand(name: str, table: str, **more: Any) -> DataflowSpec:
    """A table of ServiceNow whose windows Airflow has loaded."""
    least = {"name": name, "source": "servicenow", "table": table, "delta_column": "sys_updated_at"}
    return DataflowSpec.model_validate({**least, **more})
