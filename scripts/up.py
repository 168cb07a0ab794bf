"""Airflow's UI, scheduler, DAG processor and triggerer on this machine, with the local AEP, until Ctrl-C.

Everything listens on loopback and everyone there is administrator. If one part ends, all end, and the message says which.
"""

from __future__ import annotations

import argparse
import socket
import sys
import time
from pathlib import Path

import psutil
import requests
from rich.console import Console

import local_aep
from children import Child, leave_on_signals, stop_all
from environment import BIN, HOME, ROOT, airflow_environment
from local_aep import LocalAep, LocalAepError
from locks import InUseError, hold

SAMPLES = ROOT / "include" / "tables"
SETTINGS = ROOT / "airflow_settings.yaml"
PARTS = {
    "api-server": ["--host", "127.0.0.1"],
    # The log servers could only listen on all addresses; the API server reads the files itself.
    "scheduler": ["--skip-serve-logs"],
    "dag-processor": [],
    "triggerer": ["--skip-serve-logs"],
}
_HEALTHY_SECONDS = 180.0


class PartEndedError(RuntimeError):
    """A part of Airflow, or the platform, is not running any more."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, default=SAMPLES, help="folder of CSV or Parquet files, one a table")
    parser.add_argument("--state", type=Path, help="where the local platform keeps its state (default: by folder)")
    parser.add_argument("--home", type=Path, default=HOME, help="Airflow's home")
    parser.add_argument("--port", type=int, default=8080, help="of Airflow's UI; another one if it is taken")
    parser.add_argument("--aep-port", type=int, default=8765, help="of the local AEP; another one if it is taken")
    given = parser.parse_args()
    given.tables = given.tables.expanduser()
    given.state = (given.state or local_aep.state_of(given.tables)).resolve()
    given.home = given.home.resolve()
    return given


def free_port(wanted: int) -> int:
    """The wanted port if nobody listens there, otherwise some free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise LocalAepError("there is no free port on loopback")


def prepare(aep: LocalAep, environment: dict[str, str], logs: Path) -> None:
    """Airflow's database, with the connections, the pool and the variables of this project."""
    command = [sys.executable, str(ROOT / "scripts" / "import_settings.py"), str(SETTINGS), aep.url]
    child = Child("import-settings", command, environment=environment, log=logs / "import-settings.log")
    try:
        if child.process.wait():
            raise PartEndedError(f"Airflow's database could not be prepared: {child.last_line()} (log: {child.log})")
    finally:
        child.stop()


def healthy(url: str) -> bool:
    """Whether all four parts of Airflow say that they work, and tasks could report."""
    try:
        parts = requests.get(f"{url}/api/v2/monitor/health", timeout=5).json()
        # The first request to the execution API takes seconds; better now than in the first task.
        requests.get(f"{url}/execution/health", timeout=30)
    except (requests.RequestException, ValueError):
        return False
    return all(part["status"] == "healthy" for part in parts.values() if part["status"])


def listens(server: Child, port: int) -> bool:
    """Whether it is this one that has the port: somebody else may have taken it meanwhile, for another Airflow."""
    try:
        process = psutil.Process(server.process.pid)
        found = [each.net_connections("tcp") for each in (process, *process.children(recursive=True))]
    except psutil.Error:
        return False
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for each in found for one in each)


def check(children: list[Child]) -> None:
    """Raise if one of them has ended."""
    for child in children:
        code = child.process.poll()
        if code is not None:
            raise PartEndedError(f"{child.name} has ended with status {code}: {child.last_line()} (log: {child.log})")


def supervise(given: argparse.Namespace, console: Console) -> None:
    """Start everything, say where it is, and stay until something ends."""
    with hold(given.home / "up.lock", f"the Airflow in {given.home}") as lock:
        port = free_port(given.port)
        url = f"http://127.0.0.1:{port}"
        environment = airflow_environment(given.home, port=port)
        # The local AEP has no pages: links to Adobe's would lead nowhere.
        environment |= {f"AIRFLOW__AEP__{page}_URL": "" for page in ("FLOW", "FLOW_RUN", "DATASET")}
        logs = given.home / "logs"
        aep = local_aep.start(given.tables, given.state, port=free_port(given.aep_port))
        children = [aep.child]
        try:
            prepare(aep, environment, logs)
            for name, options in PARTS.items():
                command = [str(BIN / "airflow"), name, *options]
                log = logs / f"{name}.log"
                children.append(Child(name, command, environment=environment, log=log, keep=[lock.fileno()]))
            server = next(child for child in children if child.name == "api-server")
            deadline = time.monotonic() + _HEALTHY_SECONDS
            with console.status("Airflow starts …"):
                while not (listens(server, port) and healthy(url)):
                    check(children)
                    if time.monotonic() > deadline:
                        raise PartEndedError(f"Airflow was not healthy after {_HEALTHY_SECONDS:.0f} s (logs: {logs})")
                    time.sleep(0.2)
            console.print(f"Airflow    {url}   (no login; Ctrl-C ends it)")
            console.print(f"Local AEP  {aep.url}   tables from {given.tables}")
            console.print(f"Logs       {logs}")
            while True:
                check(children)
                time.sleep(0.5)
        finally:
            stop_all(children)
            aep.stop()


def main() -> int:
    """Run it, with one line for whatever ends it."""
    console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
    leave_on_signals()
    try:
        supervise(arguments(), console)
    except (PartEndedError, LocalAepError, InUseError) as error:
        console.print(f"Failed: {error}", style="red")
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
