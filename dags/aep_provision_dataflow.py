"""
# Make one dataflow, step by step

Adobe's tutorial for customer-success sources as a DAG: one task for each object that AEP needs, ids handed on by XCom, and
a sensor that waits for the first flow run and says what arrived.

Trigger it by hand with the table that should land in AEP. Running it again is safe: each step looks first and takes what
is there. `check` finds what is wrong with the parameters before anything but the base connection is made.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, task

from aep_provider.operators import (
    AepCheckDataflowOperator,
    AepCreateConnectionOperator,
    AepCreateDatasetOperator,
    AepCreateFlowOperator,
    AepCreateMappingSetOperator,
    AepCreateSchemaOperator,
    AepCreateSourceConnectionOperator,
    AepCreateTargetConnectionOperator,
    AepGetFlowSpecOperator,
)
from aep_provider.resources.connectors import CONNECTORS
from aep_provider.sensors import AepFlowRunSensor

INCLUDE = Path(__file__).resolve().parent.parent / "include"

PARAMS = {
    "table": Param(
        "incident", type="string", minLength=1, title="Table", section="Source",
        description="The table of the source system, as it calls it.",
    ),
    "source": Param(
        "servicenow", enum=sorted(CONNECTORS), title="Source system", section="Source",
        description="Whether AEP still serves it is asked before anything is made.",
        values_display={key: connector.title for key, connector in CONNECTORS.items()},
    ),
    "source_conn_id": Param(
        "aep_source_servicenow", type="string", title="Connection of the source system", section="Source",
        description="Airflow connection with address, login and password of the source. Its id begins with aep_source_.",
    ),
    "columns": Param(
        None, type=["null", "array"], items={"type": "string"}, title="Columns", section="Source",
        description="Names, one a line. Empty takes all columns.",
    ),
    "frequency": Param(
        "minute", enum=["one_time", "minute", "hour", "day", "week"], title="Frequency", section="Schedule",
        description="one_time loads the whole table once; with the others AEP comes back for new rows.",
    ),
    "interval": Param(
        15, type=["null", "integer"], title="Interval", section="Schedule",
        description="Every so many minutes (at least 15), hours, days or weeks. Empty with one_time.",
    ),
    "backfill": Param(
        True, type=["null", "boolean"], title="Load what is there already", section="Schedule",
        description="Whether the first run takes all existing rows. one_time always does.",
    ),
    "delta_column": Param(
        "sys_updated_at", type=["null", "string"], title="Delta column", section="Schedule",
        description="The column with dates that tells new rows from old. Empty with one_time.",
    ),
    "start_time": Param(
        None, type=["null", "string"], format="date-time", title="Start", section="Schedule",
        description="Empty starts about a minute from now.",
    ),
    "name": Param(
        None, type=["null", "string"], title="Name of the dataflow", section="Target",
        description="Empty takes source and table. Its connections and its schema are called so too.",
    ),
    "dataset": Param(
        None, type=["null", "string"], title="Dataset", section="Target", description="Empty takes the dataflow's name.",
    ),
    "schema": Param(
        None, type=["null", "string"], title="Existing schema", section="Target",
        description="Title or $id. Empty composes one of the next three.",
    ),
    "schema_class": Param(
        "profile", type="string", title="Class", section="Target", examples=["profile", "experienceevent"],
        description="Class of the schema to compose: $id, or its last part.",
    ),
    "field_groups": Param(
        None, type=["null", "array"], items={"type": "string"}, title="Standard field groups", section="Target",
        description="$id or last part of each, one a line, such as profile-person-details.",
    ),
    "derive_fields": Param(
        True, type="boolean", title="A field for each column", section="Target",
        description="Whether a field group is made of the table's own columns.",
    ),
    "mappings": Param(
        None, type=["null", "array", "string"], title="Mappings", section="Target",
        description="A list of source and destination, or a JSON or YAML file under include/. Empty derives them.",
    ),
    "partial_ingestion_percent": Param(
        5, type="number", exclusiveMinimum=0, maximum=100, title="Error threshold", section="Run",
        description="AEP fails a run when as many percent of its rows are rejected.",
    ),
    "max_rejected_rows": Param(
        0, type="integer", minimum=0, title="Rejected rows borne", section="Run",
        description="The wait fails when AEP rejects more rows than this, even if AEP calls the run a success.",
    ),
    "if_exists": Param(
        "reuse", enum=["reuse", "update", "fail"], title="If an object is there already", section="Run",
        description="reuse takes it if it is what is wanted; update changes what AEP lets one change.",
    ),
    "start_delay_seconds": Param(
        60, type="integer", minimum=5, title="Seconds until the start", section="Run",
        description="How far ahead the start lies when no start time is given.",
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
    dag_id="aep_provision_dataflow",
    schedule=None,
    params=PARAMS,
    doc_md=__doc__,
    tags=["aep", "provisioning"],
    template_searchpath=[str(INCLUDE)],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    max_active_runs=8,
) as dag:
    reach = {"aep_conn_id": dag.param("aep_conn_id"), "sandbox": dag.param("sandbox")}
    make = {**reach, "if_exists": dag.param("if_exists")}
    source, table, dataset_name = dag.param("source"), dag.param("table"), dag.param("dataset")
    schedule = {field: dag.param(field) for field in ("frequency", "interval", "delta_column")}
    # A switch in the form cannot be left empty, and AEP takes no backfill with one_time.
    schedule["backfill"] = "{{ none if params.frequency == 'one_time' and params.backfill else params.backfill }}"
    composed = {field: dag.param(field) for field in ("schema", "schema_class", "field_groups", "derive_fields")}

    connection = AepCreateConnectionOperator(
        task_id="connection", source=source, source_conn_id=dag.param("source_conn_id"), **make
    )
    check = AepCheckDataflowOperator(
        task_id="check",
        base_connection_id=connection.output,
        source=source,
        table=table,
        name=dag.param("name"),
        dataset=dataset_name,
        columns=dag.param("columns"),
        mappings=dag.param("mappings"),
        start_time=dag.param("start_time"),
        source_conn_id=dag.param("source_conn_id"),
        **schedule,
        **composed,
        **reach,
    )
    name, columns = check.output["name"], check.output["columns"]

    source_connection = AepCreateSourceConnectionOperator(
        task_id="source_connection",
        source=source,
        base_connection_id=check.output,
        table=table,
        columns=columns,
        name=name,
        **make,
    )
    schema = AepCreateSchemaOperator(task_id="schema", title=name, table=table, columns=columns, **composed, **make)
    dataset = AepCreateDatasetOperator(task_id="dataset", name=check.output["dataset"], schema_id=schema.output, **make)
    target_connection = AepCreateTargetConnectionOperator(
        task_id="target_connection", name=name, dataset_id=dataset.output, schema_id=schema.output, **make
    )
    mapping_set = AepCreateMappingSetOperator(
        task_id="mapping_set", schema_id=schema.output, mappings=check.output["mappings"], **make
    )
    flow_spec = AepGetFlowSpecOperator(task_id="flow_spec", source=source, **reach)
    check >> flow_spec

    flow = AepCreateFlowOperator(
        task_id="flow",
        name=name,
        source=source,
        source_connection_id=source_connection.output,
        target_connection_id=target_connection.output,
        mapping_set_id=mapping_set.output,
        flow_spec_id=flow_spec.output,
        start_time=check.output["start_time"],
        start_delay_seconds=dag.param("start_delay_seconds"),
        partial_ingestion_percent=dag.param("partial_ingestion_percent"),
        **schedule,
        **make,
    )
    first_run = AepFlowRunSensor(
        task_id="first_run",
        flow_id=flow.output,
        max_rejected_rows=dag.param("max_rejected_rows"),
        lineage="{{ ti.xcom_pull(task_ids='check', key='lineage') | tojson }}",
        **reach,
    )

    @task(retries=0)
    def summary(ti: Any = None) -> dict[str, Any]:
        """Tell what is there now, and what arrived."""
        steps = {
            "connection": "base connection",
            "source_connection": "source connection",
            "schema": "schema",
            "dataset": "dataset",
            "target_connection": "target connection",
            "mapping_set": "mapping set",
            "flow": "flow",
        }

        def told(task_id: str, key: str = "return_value") -> Any:
            return ti.xcom_pull(task_ids=task_id, key=key)

        objects = [
            {"step": step, "kind": kind, "name": told(step, "name"), "id": told(step), "action": told(step, "action")}
            for step, kind in steps.items()
        ]
        if told("schema", "field_group_id"):
            group = {"step": "schema", "kind": "field group", "name": f"{told('schema', 'name')} columns"}
            group |= {"id": told("schema", "field_group_id"), "action": told("schema", "field_group_action")}
            objects.insert(2, group)
        arrived = told("first_run", "outcome")
        run = {key: arrived[key] for key in ("rows_read", "rows_written", "rows_rejected", "reasons")}
        run |= {"id": told("first_run"), "status": arrived["state"]}
        requests = [told(step, "requests") or 0 for step in (*steps, "check", "flow_spec")]
        return {
            "dataflow": told("check", "name"),
            "objects": objects,
            "run": run,
            "dataset_id": told("dataset"),
            "flow_id": told("flow"),
            "requests": sum(requests),
        }

    first_run >> summary()
