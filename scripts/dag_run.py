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


def run(dag_id: str, conf: dict[str, Any]) -> dict[str, Any]:
    """Run the DAG once.

    :return: `state` of the run, `result` (what the task `summary` returned, or None) and `failed`, an error per task.
    """
    db.upgradedb()
    errors = LastErrors()
    get_listener_manager().add_listener(errors)
    dag_run = get_bagged_dag(None, dag_id).test(logical_date=utcnow(), run_conf=conf)
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
    Path(sys.argv[3]).write_text(json.dumps(run(sys.argv[1], json.loads(sys.argv[2]))), encoding="utf-8")
