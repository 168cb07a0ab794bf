"""
# Watch the flows of a sandbox

Every half hour: what failed since the last look, what did not run when it should have, what is disabled, what runs late. Runs
that failed for one cause, such as an expired password of one source system, are told as one. The log of the task says what it
means and what to do, its XCom holds the table, and each notifier of `NOTIFIERS` is called when something is new.

A look goes on where the last one ended, however long ago that was; nothing is told twice. Without names all flows of the
sandbox are watched, also those that were made elsewhere.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from aep_provider.dag_factory import watch_asset
from aep_provider.operators import AepWatchFlowRunsOperator

SANDBOX = "prod"
# Airflow notifiers of any kind; a template in them may use {{ aep_message }}, the text of what is new.
NOTIFIERS: list = []

PARAMS = {
    "flows": Param(
        None, type=["null", "array"], items={"type": "string"}, title="Flows", section="What is watched",
        description="Names of flows, one a line. Empty watches all flows of the sandbox.",
    ),
    "lookback": Param(
        86400, type="integer", minimum=0, title="First look back", section="What is watched",
        description="Seconds that the first look goes back. The following ones go on where the last one ended.",
    ),
    "grace": Param(
        1800, type="integer", minimum=0, title="Grace", section="What is told",
        description="Seconds that a run may take to appear after it was due; AEP shows runs minutes late.",
    ),
    "late_after": Param(
        9000, type="integer", minimum=0, title="Late after", section="What is told",
        description="Seconds after which a run that goes on is told as late.",
    ),
    "max_rejected_rows": Param(
        0, type="integer", minimum=0, title="Rejected rows borne", section="What is told",
        description="A run that rejected more of them is told, although its other rows are in the dataset.",
    ),
    "max_rejected_percent": Param(
        0, type="number", minimum=0, maximum=100, title="Rejected share borne", section="What is told",
        description="In percent of the rows read. A run within either bound is not told.",
    ),
}  # fmt: skip

with DAG(
    dag_id="aep_watch_flow_runs",
    schedule="*/30 * * * *",
    catchup=False,
    # Two looks at a time would both tell what is new.
    max_active_runs=1,
    is_paused_upon_creation=True,
    params=PARAMS,
    doc_md=__doc__,
    tags=["aep", "watch"],
    default_args={"retries": 2, "retry_delay": timedelta(minutes=2)},
) as dag:
    AepWatchFlowRunsOperator(
        task_id="watch",
        sandbox=SANDBOX,
        notifiers=NOTIFIERS,
        outlets=[watch_asset(SANDBOX)],
        **{field: dag.param(field) for field in PARAMS},
    )
