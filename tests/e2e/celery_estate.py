"""Airflow on Celery: the parts of the estate, a Redis, and workers that share no disk with them or with each other."""

from __future__ import annotations

import configparser
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from children import Child
from environment import BIN, clean_environment

from .estate import Estate, free_port
from .gate import kill_session

REDIS_SERVER = Path("/usr/bin/redis-server")
DAG_FILE = """\
# Airflow reads files that speak of a DAG.
from pathlib import Path

from aep_provider.dag_factory import dataflow_dags

globals().update(dataflow_dags(Path(__file__).resolve().parent.parent / "dataflows"))
"""
_SHARED_KEYS = (("core", "fernet_key"), ("api", "secret_key"), ("api_auth", "jwt_secret"))


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis of its own on a free port of loopback; its address."""
    folder.mkdir(parents=True)
    port = free_port()
    command = [str(REDIS_SERVER), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no"]
    child = Child("redis", command, environment=clean_environment(), log=folder / "redis.log")
    try:
        with redis.Redis(port=port, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 300)) as asked:
            asked.ping()
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        child.stop()


class CeleryEstate(Estate):
    """
    The estate with CeleryExecutor.

    Each worker has a machine: a folder with copies of the DAGs and their files, a home, a working folder and a place for
    temporary files, that nothing else is told of.

    :param broker: the address of a Redis.
    """

    def __init__(self, folder: Path, tables: Path, *, broker: str, **options: Any) -> None:
        super().__init__(folder, tables, **options)
        self.workers: dict[str, Child] = {}
        (self.dags / "dataflows.py").write_text(DAG_FILE)
        config = configparser.ConfigParser()
        config.read(folder / "home" / "airflow.cfg")
        self.environment |= {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{self.environment['AIRFLOW__DATABASE__SQL_ALCHEMY_CONN']}",
            # Two cores bear more than a dozen processes only if these rest in between.
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
            # What a dead worker had taken and not begun is given to another.
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "20",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
            **{f"AIRFLOW__{section}__{key}".upper(): config[section][key] for section, key in _SHARED_KEYS},
        }

    def start_worker(self, name: str) -> None:
        """Start a worker for two tasks at a time, on a machine of its own."""
        machine = self.machine(name)
        home, here, temporary = (machine / each for each in ("home", "here", "tmp"))
        for each in (home, here, temporary):
            each.mkdir(parents=True)
        shutil.copytree(self.dags, machine / "dags")
        shutil.copytree(self.specs, machine / "dataflows")
        environment = self.environment | {
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(machine / "dags"),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        }
        # Tasks talk to Airflow's API server alone; the database is where Celery keeps results.
        del environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
        command = [str(BIN / "airflow"), "celery", "worker", "--celery-hostname", name, "--concurrency", "2"]
        command += ["--skip-serve-logs"]
        log = self.folder / f"{name}.log"
        self.workers[name] = Child(name, command, environment=environment, log=log, folder=here)

    def wait_for_workers(self) -> None:
        for name, worker in self.workers.items():
            self.until(lambda name=name, worker=worker: f"{name} ready." in worker.output(), f"{name} takes tasks", 90)

    def machine(self, name: str) -> Path:
        return self.folder / "machines" / name

    def lost_worker(self) -> str | None:
        """The worker that has died, if one has: from now on nobody finds its machine's disk any more."""
        for name, worker in self.workers.items():
            if worker.process.poll() is not None:
                lost = self.folder / "lost"
                lost.mkdir(exist_ok=True)
                self.machine(name).rename(lost / name)
                return name
        return None

    def logs_of(self, worker: str, dag_id: str) -> list[Path]:
        """The logs of the DAG's tasks that lie on a worker's machine, or lay on it when it was lost."""
        machines = (self.machine(worker), self.folder / "lost" / worker)
        return [log for each in machines for log in sorted(each.glob(f"home/logs/dag_id={dag_id}/**/*.log"))]

    def task_logs(self, dag_id: str) -> str:
        """The ends of the last logs of a DAG's tasks, on all machines."""
        logs = [log for worker in self.workers for log in self.logs_of(worker, dag_id)]
        logs.sort(key=lambda log: log.stat().st_mtime)
        return "\n".join(f"{log}\n{log.read_text(errors='replace')[-6000:]}" for log in logs[-6:])

    def stop(self) -> None:
        for worker in self.workers.values():
            kill_session(worker.process.pid)
            worker.process.wait(30)
        super().stop()
