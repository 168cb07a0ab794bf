"""
# Load one window by hand

One window of any on-demand dataflow, told by its id in AEP. A window that was loaded is not loaded again: its run is taken
over, and what it brought is told. For the dataflows of `include/dataflows` rather trigger their own DAG: the tasks of one
DAG also know of each other's runs where AEP is slow to list them.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from aep_provider.operators import AepCreateFlowRunOperator

PARAMS = {
    "flow_id": Param(
        None, type=["null", "string"], title="Flow", section="Dataflow",
        description="Id of the flow, of frequency on_demand.",
    ),
    "delta_column": Param(
        None, type=["null", "string"], title="Delta column", section="Dataflow",
        description="Needed with the first run of a flow; AEP holds it to that one.",
    ),
    "window_start": Param(
        None, type=["null", "string"], format="date-time", title="Window from", section="Window",
        description="The first moment to load. Empty takes the data interval, if one is specified manually.",
    ),
    "window_end": Param(
        None, type=["null", "string"], format="date-time", title="Window to", section="Window",
        description="The moment after the last one to load.",
    ),
    "on_failed_run": Param(
        "retrigger", enum=["retrigger", "new", "fail"], title="If the window's last run failed", section="Policy",
        description="Have AEP do it again, post a new run, or leave it to a human.",
    ),
    "max_rejected_rows": Param(
        0, type="integer", minimum=0, title="Rejected rows borne", section="Policy",
        description="More of them fail the task. The other rows are in the dataset either way.",
    ),
    "force": Param(
        False, type="boolean", title="Load it again", section="Policy",
        description="Posts a run even if the window was loaded: its rows are appended again.",
    ),
    "aep_conn_id": Param(
        "aep_default", type="string", title="Connection of AEP", section="AEP",
        description="Airflow connection of the type Adobe Experience Platform.",
    ),
    "sandbox": Param(
        None, type=["null", "string"], title="Sandbox", section="AEP", description="Empty takes the connection's.",
    ),
}  # fmt: skip

with DAG(
    dag_id="aep_ingest_window",
    schedule=None,
    params=PARAMS,
    doc_md=__doc__,
    tags=["aep", "window"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    max_active_runs=8,
) as dag:
    AepCreateFlowRunOperator(
        task_id="window",
        **{field: dag.param(field) for field in PARAMS},
    )
