"""The main job in one command: a table of a folder lands in a dataset of the local AEP, by way of real Airflow.

Starts the local platform on the folder, runs the DAG `aep_provision_dataflow` until its first flow run has ended, and
says what there is now. Exit status 0 only if the DAG run succeeded and the rows in the Parquet files are as many as the
platform's runs report.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import local_aep
from aep_provider.cli.progress import shown
from aep_provider.dataflows.progress import Progress
from arrivals import Arrivals
from children import Child, leave_on_signals
from environment import HOME, ROOT, airflow_environment
from local_aep import LocalAep, LocalAepError
from locks import InUseError

DAG_ID = "aep_provision_dataflow"
SAMPLES = ROOT / "include" / "tables"
SAMPLE_TABLE, SAMPLE_DELTA = "incident", "sys_updated_at"
# Invented, as the local platform takes any; by source, what its Airflow connection holds.
LOGINS: dict[str, dict[str, Any]] = {
    "servicenow": {
        "conn_type": "http",
        "host": "https://example.service-now.com",
        "login": "integration",
        "password": "local-source-secret",
    },
    "salesforce_service_cloud": {
        "conn_type": "generic",
        "host": "https://example.my.salesforce.com",
        "login": "local-client-id",
        "password": "local-source-secret",
        "extra": {"api_version": "60.0"},
    },
    "postgresql": {
        "conn_type": "generic",
        "extra": {"connection_string": "Server=db.example;Database=crm;UID=integration;Password=local-source-secret"},
    },
}
DEFAULT_SOURCE = "servicenow"
_LOOK_SECONDS = 0.2


def arguments() -> argparse.Namespace:
    """The command line, with the sample table where nothing else is said."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, help="folder of CSV or Parquet files, one a table (default: samples)")
    parser.add_argument("--table", help=f"the table to load (default: {SAMPLE_TABLE})")
    parser.add_argument(
        "--source", choices=sorted(LOGINS), default=DEFAULT_SOURCE, help=f"as which source (default: {DEFAULT_SOURCE})"
    )
    parser.add_argument("--delta", help="column that tells new rows from old; without it the table is loaded once")
    parser.add_argument("--state", type=Path, help="where the local platform keeps its state (default: by folder)")
    parser.add_argument("--home", type=Path, help="Airflow's home (default: by state)")
    given = parser.parse_args()
    given.table = given.table or SAMPLE_TABLE
    if not given.tables and given.table == SAMPLE_TABLE:
        given.delta = given.delta or SAMPLE_DELTA
    given.tables = (given.tables or SAMPLES).expanduser()
    given.state = (given.state or local_aep.state_of(given.tables)).resolve()
    given.home = (given.home or HOME / "run" / given.state.name).resolve()
    return given


def dag_conf(table: str, delta: str | None, source: str = DEFAULT_SOURCE) -> dict[str, Any]:
    """The DAG's parameters: every 15 minutes from the start of the data on, or once if there is no delta column."""
    frequency, interval, backfill = ("minute", 15, True) if delta else ("one_time", None, None)
    conf = {"source": source, "source_conn_id": f"aep_source_{source}", "table": table, "delta_column": delta}
    return conf | {"frequency": frequency, "interval": interval, "backfill": backfill}


def run_dag(
    conf: dict[str, Any],
    aep: LocalAep,
    home: Path,
    login: dict[str, Any] | None = None,
    how_far: Progress | None = None,
) -> tuple[dict[str, Any], Path]:
    """Run the DAG in a child process; what `dag_run.py` found, and the log of it all.

    :param login: the Airflow connection of the source, where the invented one will not do.
    :param how_far: told how many tasks are done.
    """
    environment = airflow_environment(home) | {
        "AIRFLOW_CONN_AEP_DEFAULT": aep.connection(),
        f"AIRFLOW_CONN_{conf['source_conn_id'].upper()}": json.dumps(login or LOGINS[conf["source"]]),
    }
    with tempfile.TemporaryDirectory() as scratch:
        found = Path(scratch) / "result.json"
        command = [sys.executable, str(ROOT / "scripts" / "dag_run.py"), DAG_ID, json.dumps(conf), str(found)]
        child = Child("airflow", command, environment=environment, log=home / "run.log")
        try:
            while child.process.poll() is None:
                tell_steps(found.with_suffix(".steps"), how_far)
                with suppress(subprocess.TimeoutExpired):
                    child.process.wait(_LOOK_SECONDS if how_far else None)
        finally:
            child.stop()
        if not found.exists():
            return {"state": "not started", "failed": {"airflow": child.last_line()}, "result": None}, child.log
        return json.loads(found.read_text(encoding="utf-8")), child.log


def tell_steps(file: Path, how_far: Progress | None) -> None:
    """Tell what `dag_run.py` has written last; it may be writing just now."""
    if how_far is None:
        return
    words = file.read_text(encoding="utf-8").split() if file.exists() else []
    if len(words) == 3:
        how_far("tasks done", int(words[0]), int(words[1]), words[2])
    elif not file.exists():
        how_far(f"Airflow starts {DAG_ID}", 0, None, "")


def show_objects(console: Console, result: dict[str, Any]) -> None:
    """Each object with its id, and whether this run created it."""
    table = Table(title=f"Dataflow {result['dataflow']}", title_justify="left")
    table.add_column("Object", no_wrap=True)
    for column in ("Name", "Id"):
        table.add_column(column, overflow="fold")
    table.add_column("This run", no_wrap=True)
    for item in result["objects"]:
        table.add_row(item["kind"], item.get("name") or "", item["id"], item["action"])
    console.print(table)
    if all(item["action"] == "reused" for item in result["objects"]):
        console.print("Nothing created: every object was there already.")


def show_run(console: Console, run: dict[str, Any], arrivals: Arrivals) -> None:
    """The flow run and what lies in the dataset."""
    table = Table(show_header=False)
    table.add_row("Flow run", f"{run['id']}  {run['status']}")
    table.add_row("Rows read", str(run["rows_read"]))
    table.add_row("Rows written", str(run["rows_written"]))
    table.add_row("Rows rejected", str(run["rows_rejected"]))
    for reason in run.get("reasons") or ():
        table.add_row("", reason if isinstance(reason, str) else json.dumps(reason, ensure_ascii=False))
    table.add_row("Rows in Parquet", f"{arrivals.stored} (the platform's runs report {arrivals.reported})")
    table.add_row("Parquet folder", os.path.relpath(arrivals.folder))
    console.print(table)


def provision(given: argparse.Namespace, console: Console) -> int:
    """Do it all; the exit status."""
    aep = local_aep.start(given.tables, given.state)
    try:
        console.print(f"Local AEP on {aep.url}, tables from {given.tables}, state in {os.path.relpath(aep.state)}")
        with shown() as how_far:
            conf = dag_conf(given.table, given.delta, given.source)
            outcome, log = run_dag(conf, aep, given.home, how_far=how_far)
        result = outcome["result"]
        if result:
            show_objects(console, result)
            arrivals = Arrivals.of(aep, result["dataset_id"])
            show_run(console, result["run"], arrivals)
    finally:
        aep.stop()
    if outcome["state"] != "success" or not result:
        for task, error in outcome["failed"].items() or [("airflow", f"the DAG run ended as {outcome['state']}")]:
            console.print(f"Failed: {task}: {error}", style="red")
        console.print(f"The whole log: {os.path.relpath(log)}")
        return 1
    if arrivals.stored != arrivals.reported:
        console.print("Failed: the Parquet files do not hold the rows that the runs report", style="red")
        return 1
    return 0


def main() -> int:
    """Run it, with one line for whatever stands in the way."""
    width = None if sys.stdout.isatty() else 160
    # Names and errors are printed as they are, whatever brackets and colons they hold.
    console = Console(width=width, markup=False, emoji=False, highlight=False, soft_wrap=True)
    leave_on_signals()
    try:
        return provision(arguments(), console)
    except (LocalAepError, InUseError) as error:
        console.print(f"Failed: {error}", style="red")
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
