"""Runs one DAG to its end in this process, as `airflow dags test` does, and writes what came of it to a file.

`run.py` starts it as a child in Airflow's environment: one interpreter migrates the database, runs the DAG and reads
the result, where the command line would need three of several seconds each.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from airflow.listeners import hookimpl
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.sdk.listener import get_listener_manager
from airflow.sdk.timezone import utcnow
from airflow.utils import db
from airflow.utils.cli import get_bagged_dag
from airflow.utils.session import create_session
from sqlalchemy import select

RESULT_TASK = "summary"


class LastErrors:
    """Remembers the last error of each task, in its own words."""

    def __init__(self) -> None:
        self.of_task: dict[str, str] = {}

    @hookimpl
    def on_task_instance_failed(self, task_instance: Any, error: Any) -> None:
        """Called by Airflow after every failed try."""
        self.of_task[task_instance.task_id] = " ".join(str(error).split()) or type(error).__name__


class Steps:
    """Writes into a file how far the run is: how many tasks are done, of how many, and which one runs."""

    def __init__(self, file: Path, total: int) -> None:
        self._file = file
        self._total = total
        self._done: set[str] = set()

    @hookimpl
    def on_task_instance_running(self, task_instance: Any) -> None:
        """Called by Airflow when a task begins, or goes on after a wait."""
        self._tell(task_instance.task_id)

    @hookimpl
    def on_task_instance_success(self, task_instance: Any) -> None:
        """Called by Airflow when a task has ended well."""
        self._done.add(task_instance.task_id)
        self._tell(task_instance.task_id)

    def _tell(self, task_id: str) -> None:
        self._file.write_text(f"{len(self._done)} {self._total} {task_id}\n", encoding="utf-8")


def run(dag_id: str, conf: dict[str, Any], steps: Path) -> dict[str, Any]:
    """Run the DAG once.

    :param steps: the file that tells how far it is.
    :return: `state` of the run, `result` (what the task `summary` returned, or None) and `failed`, an error per task.
    """
    db.upgradedb()
    errors = LastErrors()
    get_listener_manager().add_listener(errors)
    dag = get_bagged_dag(None, dag_id)
    get_listener_manager().add_listener(Steps(steps, len(dag.task_ids)))
    dag_run = dag.test(logical_date=utcnow(), run_conf=conf)
    key = {"dag_id": dag_id, "run_id": dag_run.run_id}
    with create_session() as session:
        failed = session.scalars(select(TaskInstance.task_id).filter_by(**key, state="failed")).all()
        result = session.scalars(
            select(XComModel).filter_by(**key, task_id=RESULT_TASK, key="return_value").limit(1)
        ).first()
    return {
        "state": str(dag_run.state),
        "result": XComModel.deserialize_value(result) if result else None,
        "failed": {task: errors.of_task.get(task, "no error was reported") for task in failed},
    }


if __name__ == "__main__":
    found = Path(sys.argv[3])
    outcome = run(sys.argv[1], json.loads(sys.argv[2]), found.with_suffix(".steps"))
    found.write_text(json.dumps(outcome), encoding="utf-8")
