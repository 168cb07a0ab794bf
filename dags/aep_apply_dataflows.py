"""
# Bring a sandbox to what the files declare, once somebody has approved the plan

The files are those of `include/dataflows`. `plan` reads them and the sandbox, and says per object what would be done; it writes
nothing. `approval` shows that plan and waits: *Approve* lets `apply` do exactly that, *Reject* does nothing. Where there is
nothing to do, nobody is asked.

`apply` makes the plan again before it sends anything, and refuses if it is another one by then, because a file or AEP has
changed: trigger the DAG again and look at the new plan. A try that was killed in the middle is taken up where it ended, as long
as nothing but the rest of the plan is left.

Nobody is asked about a plan that would be refused: an edit made by hand in AEP needs `overwrite`, rows that would come twice or
be missed need `accept`. The log of `plan` says what was edited, and which rows.

There is one run at a time, for two could make the same object twice: a run that waits for its approval holds up the next one.
After `ANSWER_WITHIN` the approval fails, and nothing is done. Who may approve is whoever may answer required actions in Airflow,
or only `APPROVERS`.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Param, conf, task
from airflow.sdk.exceptions import AirflowFailException

from aep_provider.operators import AepApplyDataflowsOperator, AepPlanDataflowsOperator

BESIDE = Path(__file__).resolve().parent.parent / "include" / "dataflows"
FOLDER = conf.get("aep", "dataflows_folder", fallback=None) or str(BESIDE)
ANSWER_WITHIN = timedelta(days=3)
# As in {"id": "1", "name": "ann"}: Airflow's id and name of a user. Empty lets in everybody with the permission.
APPROVERS: list = []

PARAMS = {
    "sandbox": Param(
        None, type=["null", "string"], title="Sandbox", section="What is applied",
        description="The files are read for this one. Empty takes the connection's, and of the files those that are for it.",
    ),
    "names": Param(
        None, type=["null", "array"], items={"type": "string"}, title="Dataflows", section="What is applied",
        description="Names of dataflows, one a line. Empty takes all.",
    ),
    "approval": Param(
        True, type="boolean", title="Ask for approval", section="How",
        description="Whether somebody has to approve the plan before it is carried out.",
    ),
    "overwrite": Param(
        False, type="boolean", title="Overwrite edits by hand", section="How",
        description="Undoes what was edited in AEP, or made there by somebody else under the same name. Without it, such an edit "
        "stops the run.",
    ),
    "accept": Param(
        False, type="boolean", title="Accept that rows come twice or are missed", section="How",
        description="A flow that is put in the place of another may load rows again, or leave some out. The plan says which. "
        "Without it, such a plan stops the run.",
    ),
    "aep_conn_id": Param(
        "aep_default", type="string", title="Connection of AEP", section="AEP",
        description="Airflow connection of the type Adobe Experience Platform. Dataflows of other connections are left alone.",
    ),
}  # fmt: skip

with DAG(
    dag_id="aep_apply_dataflows",
    schedule=None,
    max_active_runs=1,
    params=PARAMS,
    doc_md=__doc__,
    tags=["aep", "dataflow"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
) as dag:
    what = {field: dag.param(field) for field in ("aep_conn_id", "sandbox", "names", "overwrite")} | {"folder": FOLDER}

    plan = AepPlanDataflowsOperator(task_id="plan", **what)

    @task.branch
    def next_step(has_work: bool, drifted: int, needs_accept: bool, params: dict) -> list[str]:
        """Ask, apply or end; a plan that would be refused is nothing to ask about."""
        if drifted and not params["overwrite"]:
            raise AirflowFailException(
                f"{drifted} objects were edited in AEP or made by somebody else, see the log of the task plan. Put the edits "
                "into the files, or trigger the DAG with overwrite to undo them."
            )
        if needs_accept and not params["accept"]:
            raise AirflowFailException(
                "Rows would come twice or be missed, see the log of the task plan. If that is meant, trigger the DAG with accept."
            )
        if not has_work:
            return []
        return ["approval"] if params["approval"] else ["apply"]

    approval = ApprovalOperator(
        task_id="approval",
        # The plan comes as an XCom, of which no template is rendered: names in AEP may hold anything.
        subject=plan.output["headline"],
        body=plan.output["markdown"],
        assigned_users=APPROVERS or None,
        response_timeout=ANSWER_WITHIN,
        # Who was asked in vain is not asked again.
        retries=0,
    )
    apply = AepApplyDataflowsOperator(
        task_id="apply",
        plan=plan.output,
        accept=dag.param("accept"),
        # Without approval the task before it is skipped.
        trigger_rule="none_failed_min_one_success",
        **what,
    )
    next_step(plan.output["has_work"], plan.output["drifted"], plan.output["needs_accept"]) >> [approval, apply]
    approval >> apply
