"""
# Do the failed runs of a weekend again

When the cause is mended (a password that was changed, a source that was down), this loads what failed: for each on-demand flow
of the sandbox, or some by name, the failed windows of a range, a few at a time. Windows that were loaded since are left alone,
so triggering it again does no harm. The failed tasks of the flows' own DAGs can then be cleared: they take these runs over.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from aep_provider.operators import AepRetriggerFlowRunOperator

PARAMS = {
    "window_start": Param(
        None, type=["null", "string"], format="date-time", title="Windows from", section="What failed",
        description="The first moment of the range.",
    ),
    "window_end": Param(
        None, type=["null", "string"], format="date-time", title="Windows to", section="What failed",
        description="The moment after its last one.",
    ),
    "flows": Param(
        None, type=["null", "array"], items={"type": "string"}, title="Flows", section="What failed",
        description="Names of flows, one a line. Empty takes all on-demand flows of the sandbox that failed.",
    ),
    "max_at_once": Param(
        1, type="integer", minimum=1, title="At once", section="How", description="Runs of one flow side by side.",
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
    dag_id="aep_retrigger_failed_runs",
    schedule=None,
    params=PARAMS,
    doc_md=__doc__,
    tags=["aep", "window"],
    default_args={"retries": 2, "retry_delay": timedelta(minutes=2)},
    max_active_runs=1,
) as dag:

    @task
    def failed_flows(params: Any = None) -> list[str]:
        """Return the ids of the flows that have failed runs."""
        from aep_provider.hooks.aep import AepHook  # noqa: PLC0415  a parse need not wait for it
        from aep_provider.operators.windows import window_of_task  # noqa: PLC0415
        from aep_provider.resources.failed_flows import flows_with_failed_runs  # noqa: PLC0415

        window = window_of_task(get_current_context(), params["window_start"], params["window_end"])
        with AepHook(params["aep_conn_id"], params["sandbox"]) as hook:
            found = flows_with_failed_runs(hook.client, window.start, params["flows"] or ())
        logging.getLogger(__name__).info("%d flows have failed runs: %s", len(found), ", ".join(found.values()))
        return list(found)

    AepRetriggerFlowRunOperator.partial(
        task_id="again",
        window_start=dag.param("window_start"),
        window_end=dag.param("window_end"),
        max_at_once=dag.param("max_at_once"),
        aep_conn_id=dag.param("aep_conn_id"),
        sandbox=dag.param("sandbox"),
        # AEP and the source system are shared by all of them.
        max_active_tis_per_dagrun=8,
    ).expand(flow_id=failed_flows())
