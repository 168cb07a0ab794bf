"""What a folder of 200 dataflows costs each time that Airflow parses it, beside the same DAGs written by hand.

By hand means: the same operators with the same values in one Python file, nothing read and nothing checked. Both make the same
DAGs, which is looked at first. Each is parsed in a fresh process, in turns, where no connection to anywhere can be opened; what
both import is imported before the clock starts, what only one of them needs is not. `again` is a second parse in the same
process, where nothing is left to import. Seconds are of the processor, which other programs disturb least.
"""

from __future__ import annotations

import argparse
import difflib
import json
import logging
import os
import pprint
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from aep_provider.dag_factory import dataflow_dags
from aep_provider.dataflows.reading.load import load_folder

TARGET_MS = 2.0
SANDBOX = "stage"

DEFAULTS = """\
source: servicenow
source_conn_id: aep_source_servicenow
delta_column: sys_updated_at
policy: {retries: 4, retry_delay: 2m, max_rejected_percent: 0.5, pool: aep}
"""
SANDBOXES = """\
prod:
stage:
  policy: {retries: 2}
  dataflows:
    table_007: {base_connection: ServiceNow stage, policy: {pool: small}}
"""
WINDOWS = """\
# Incidents of one team, window by window.
table: {name}
description: The table {name} of the service desk, for the reports of team {number}.
schedule:
  cron: "{cron}"
  timezone: Europe/Amsterdam
  start: 2026-01-01
  lag: 15m
target:
  dataset: ServiceNow {name}
  field_groups: [profile-person-details, profile-personal-details]
"""
COLUMNS = """\
columns: [sys_id, number, priority, short_description, sys_updated_at]
mapping:
  - {source: sys_id, destination: "_{TENANT_ID}.incident.sys_id"}
  - {source: number, destination: "_{TENANT_ID}.incident.number"}
  - {source: priority, destination: "_{TENANT_ID}.incident.priority"}
  - {source: short_description, destination: "_{TENANT_ID}.incident.short_description"}
  - {source: sys_updated_at, destination: "_{TENANT_ID}.incident.sys_updated_at"}
"""
RECURRING = "table: {name}\nload: recurring\nrecurrence: {{frequency: hour, interval: 6}}\n"
ONE_TIME = "table: {name}\nload: one_time\ndelta_column:\n"

FROM_FILES = """\
from pathlib import Path
from aep_provider.dag_factory import dataflow_dags  # makes Airflow DAGs
globals().update(dataflow_dags(Path({folder!r}), sandbox={sandbox!r}))
"""
BY_HAND = """\
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param, XComArg
from aep_provider.operators import AepCreateFlowRunOperator, AepEnsureDataflowOperator
from aep_provider.retries import AepRetryPolicy
from aep_provider.sensors import AepFlowRunSensor

DATAFLOWS = {dataflows}
LINEAGE = "{{{{ ti.xcom_pull(task_ids='dataflow', key='lineage') | tojson }}}}"


def make(one):
    schedule, asset = one["schedule"], Asset(one["asset"])
    with DAG(
        dag_id=one["dag_id"],
        schedule=CronDataIntervalTimetable(schedule["cron"], timezone=schedule["timezone"]) if schedule else None,
        start_date=datetime(*schedule["start"], tzinfo=ZoneInfo(schedule["timezone"])) if schedule else None,
        catchup=False,
        is_paused_upon_creation=bool(schedule),
        params={{name: Param(value, **more) for name, (value, more) in one["params"].items()}},
        doc_md=one["doc"],
        tags=["aep", "dataflow", "servicenow"],
        max_active_runs=16,
        default_args={{
            "retries": 2,
            "retry_delay": timedelta(seconds=120),
            "retry_policy": AepRetryPolicy(first_delay=120, max_delay=AepRetryPolicy.max_delay),
            "aep_conn_id": "aep_default",
            "sandbox": {sandbox!r},
            "pool": one["pool"],
        }},
    ) as dag:
        dataflow = AepEnsureDataflowOperator(
            task_id="dataflow", spec=one["spec"], inlets=[asset], max_active_tis_per_dag=1
        )
        if one["load"] == "on_demand":
            AepCreateFlowRunOperator(
                task_id="window",
                flow_id=dataflow.output,
                window_start=dag.param("window_start"),
                window_end=dag.param("window_end"),
                delta_column="sys_updated_at",
                lag=dag.param("lag"),
                on_failed_run=dag.param("on_failed_run"),
                earlier_flow_ids=XComArg(dataflow, key="earlier_flow_ids"),
                force=dag.param("force"),
                max_rejected_rows=dag.param("max_rejected_rows"),
                max_rejected_percent=dag.param("max_rejected_percent"),
                poll_interval=30,
                timeout=21600,
                settle_seconds=300,
                max_active_tis_per_dag=1,
                outlets=[asset],
                lineage=LINEAGE,
            )
        elif one["load"] == "one_time":
            AepFlowRunSensor(
                task_id="first_run",
                flow_id=dataflow.output,
                max_rejected_rows=dag.param("max_rejected_rows"),
                max_rejected_percent=dag.param("max_rejected_percent"),
                poke_interval=30,
                timeout=21600,
                outlets=[asset],
                lineage=LINEAGE,
            )
    return dag


for dataflow in DATAFLOWS:
    globals()[dataflow["dag_id"]] = make(dataflow)
"""
PARSE = """\
import json, logging, socket, sys, time
from pathlib import Path

def refuse(*arguments, **options):
    raise AssertionError("a connection was opened while the DAGs were parsed")

import airflow.sdk, aep_provider.operators, aep_provider.sensors
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

logging.disable(logging.WARNING)
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
folder = sys.argv[1]
took = []
for _ in range(2):
    began = time.process_time()
    bag = DagBag(dag_folder=folder, bundle_path=Path(folder), bundle_name="bench")
    took.append(time.process_time() - began)
assert not bag.import_errors, bag.import_errors
told = {"first": took[0], "again": took[1], "dags": len(bag.dags)}
if len(sys.argv) > 2:
    told["made"] = {dag_id: DagSerialization.to_dict(dag) for dag_id, dag in sorted(bag.dags.items())}
print(json.dumps(told, default=str))
"""


def write_specs(folder: Path, count: int) -> None:
    """Files such as teams have them: most by windows, some with columns and mappings, some of the other loads."""
    folder.mkdir()
    (folder / "_defaults.yaml").write_text(DEFAULTS)
    (folder / "_sandboxes.yaml").write_text(SANDBOXES)
    for number in range(count):
        name = f"table_{number:03}"
        text = {8: RECURRING, 9: ONE_TIME}.get(number % 10, WINDOWS)
        cron = f"{number % 60} * * * *" if number % 4 == 0 else f"{number % 60} 0 * * *"
        filled = text.format(name=name, number=number, cron=cron)
        (folder / f"{name}.yaml").write_text(filled + (COLUMNS if number % 10 == 3 else ""))


def write_by_hand(file: Path, specs: Path) -> None:
    """The same DAGs as one Python file."""
    dataflows = []
    dags = dataflow_dags(specs, sandbox=SANDBOX)
    for spec in load_folder(specs, sandbox=SANDBOX).specs:
        dag, schedule = dags[f"aep_dataflow__{spec.slug}"], spec.schedule
        ensure: Any = dag.get_task("dataflow")
        dataflows.append(
            {
                "dag_id": dag.dag_id,
                "doc": dag.doc_md,
                "load": spec.load,
                "pool": spec.policy.pool,
                "asset": ensure.inlets[0].uri,
                "spec": ensure.spec,
                "params": {
                    name: (param.value, {**param.schema, "description": param.description})
                    for name, param in ((name, dag.params.get_param(name)) for name in dag.params)
                },
                "schedule": schedule
                and {
                    "cron": schedule.cron,
                    "timezone": schedule.timezone,
                    "start": (schedule.start.year, schedule.start.month, schedule.start.day),
                },
            }
        )
    written = pprint.pformat(dataflows, width=120, sort_dicts=False)
    file.write_text(BY_HAND.format(dataflows=written, sandbox=SANDBOX))


def parsed(folder: Path, environment: dict[str, str], *options: str) -> dict[str, Any]:
    """How long Airflow takes for a folder of DAGs, in a fresh process."""
    command = [sys.executable, "-c", PARSE, str(folder), *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def compared(ours: dict[str, Any], by_hand: dict[str, Any]) -> None:
    """Both folders make the same DAGs, but for where they stand."""
    for one in (ours, by_hand):
        for made in one.values():
            made["dag"].pop("fileloc")
            made["dag"].pop("relative_fileloc", None)
    for dag_id in sorted({*ours, *by_hand}):
        if ours.get(dag_id) != by_hand.get(dag_id):
            first, second = (
                json.dumps(one.get(dag_id), indent=1, sort_keys=True).splitlines() for one in (ours, by_hand)
            )
            raise SystemExit(
                f"{dag_id} is not the same:\n" + "\n".join(difflib.unified_diff(first, second, lineterm="", n=1))
            )


def measure(count: int, rounds: int) -> dict[str, Any]:
    """Both, in turns."""
    # So many schedules make more batches than AEP advises, and that is told.
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        environment = {**os.environ, "AIRFLOW_HOME": str(base / "home"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        write_specs(base / "dataflows", count)
        files, by_hand = base / "files", base / "by_hand"
        for folder in (files, by_hand):
            folder.mkdir()
        (files / "dags.py").write_text(FROM_FILES.format(folder=str(base / "dataflows"), sandbox=SANDBOX))
        write_by_hand(by_hand / "dags.py", base / "dataflows")
        made = [parsed(folder, environment, "made")["made"] for folder in (files, by_hand)]
        assert len(made[0]) == count, "not every file became a DAG"
        compared(*made)
        took: dict[str, list[dict[str, Any]]] = {"files": [], "by hand": []}
        for _ in range(rounds):
            took["files"].append(parsed(files, environment))
            took["by hand"].append(parsed(by_hand, environment))
    told: dict[str, Any] = {"dataflows": count, "rounds": rounds, "requests while parsing": 0}
    for which in ("first", "again"):
        medians = {name: statistics.median(one[which] for one in ones) for name, ones in took.items()}
        pairs = zip(took["files"], took["by hand"], strict=True)
        more = 1000 * statistics.median(ours[which] - theirs[which] for ours, theirs in pairs) / count
        told[which] = {f"{name}, s": round(value, 3) for name, value in medians.items()}
        told[which]["more a file, ms"] = round(more, 2)
    told["target, ms"] = TARGET_MS
    told["met"] = told["first"]["more a file, ms"] < TARGET_MS
    return told


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataflows", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    result = measure(options.dataflows, options.rounds)
    print(json.dumps(result, indent=2))
    sys.exit(0 if result["met"] else 1)
