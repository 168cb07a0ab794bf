"""
# After a window was loaded

An example of a DAG that runs when a dataset got rows: it is scheduled on the dataset's asset, and each event says which
window came, by which run, and how many rows.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import DAG, task

from aep_provider.dag_factory import dataflow_asset

INCIDENTS = dataflow_asset(sandbox="prod", dataset="ServiceNow incident daily")

with DAG(
    dag_id="aep_after_load",
    schedule=[INCIDENTS],
    catchup=False,
    is_paused_upon_creation=True,
    doc_md=__doc__,
    tags=["aep", "example"],
    default_args={"retries": 2},
) as dag:

    @task
    def what_came(triggering_asset_events: Any = None) -> int:
        """Tell each window that came since the last run of this DAG, and return how many rows they brought."""
        rows = 0
        for event in triggering_asset_events[INCIDENTS]:
            told = event.extra or {}
            window = f"{told.get('window_start')} to {told.get('window_end')}"
            logging.getLogger(__name__).info(
                "Run %s brought %s: %s rows", told.get("run_id"), window, told.get("rows_written")
            )
            rows += told.get("rows_written") or 0
        return rows

    what_came()
