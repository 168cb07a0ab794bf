"""Real Airflow against the local AEP, each test with homes and states of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from selenium import webdriver

from children import Child
from environment import ROOT, airflow_environment, clean_environment

SCRIPTS = ROOT / "scripts"
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1800",
]


@pytest.fixture(scope="session")
def demand() -> Callable[[bool, str], None]:
    """Skip with the reason if something is missing here; fail where it must be there (`CI` is set)."""

    def check(present: bool, reason: str) -> None:
        if present:
            return
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)

    return check


@dataclass(frozen=True)
class Place:
    """Where `make run` keeps things in a test."""

    state: Path
    home: Path

    def command(self, tables: Path | str, table: str | None = None, delta: str | None = None) -> list[str]:
        """`make run` with this place instead of the project's."""
        command = [sys.executable, str(SCRIPTS / "run.py"), "--tables", str(tables)]
        command += ["--state", str(self.state), "--home", str(self.home)]
        for option, value in (("--table", table), ("--delta", delta)):
            command += [option, value] if value else []
        return command

    def run(
        self, tables: Path | str, table: str | None = None, delta: str | None = None, cwd: Path = ROOT
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        done = subprocess.run(
            self.command(tables, table, delta),
            env=clean_environment(),
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        print(done.stdout, done.stderr)
        return done

    def parquet_files(self) -> list[str]:
        """Every file of every dataset."""
        return sorted(str(file) for file in self.state.glob("datasets/*/*.parquet"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "state", tmp_path / "home")


@dataclass(frozen=True)
class Running:
    """An Airflow that is up."""

    url: str
    home: Path
    state: Path
    child: Child

    def airflow(self, *arguments: str) -> str:
        """Run a command of Airflow's command line beside it, as a user would in another terminal."""
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            env=airflow_environment(self.home),
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout

    def get(self, path: str) -> dict:
        """An answer of Airflow's REST API."""
        token = requests.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]
        answer = requests.get(f"{self.url}/api/v2{path}", headers={"Authorization": f"Bearer {token}"}, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def ended_run(self, dag_id: str, run_id: str, seconds: float = 180) -> dict:
        """The DAG run once it has ended."""
        deadline = time.monotonic() + seconds
        while True:
            run = self.get(f"/dags/{dag_id}/dagRuns/{run_id}")
            if run["state"] in {"success", "failed"}:
                return run
            assert time.monotonic() < deadline, f"still {run['state']} after {seconds} s; logs in {self.home}/logs"
            time.sleep(0.5)

    def summary(self, dag_id: str, run_id: str) -> dict:
        """What the DAG's last task returned."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/summary/xcomEntries/return_value"
        value = self.get(f"{path}?deserialize=true")["value"]
        return value if isinstance(value, dict) else json.loads(value)

    def task_log(self, dag_id: str, run_id: str) -> str:
        """The logs of the tasks that did not succeed, to be shown when a test fails."""
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}"
        tasks = self.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        bad = {task["task_id"] for task in tasks if task["state"] != "success"}
        logs = [file for task in sorted(bad) for file in sorted(folder.glob(f"task_id={task}/**/*.log"))]
        return "\n".join(f"{log}\n{log.read_text(encoding='utf-8')[-4000:]}" for log in logs)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`make up` on the sample tables, once for all tests."""
    folder = tmp_path_factory.mktemp("up")
    home, state = folder / "home", folder / "state"
    # Of several at once each must have ports of its own, however long it takes until it listens.
    command = [sys.executable, str(SCRIPTS / "up.py"), "--home", str(home), "--state", str(state)]
    command += ["--port", "0", "--aep-port", "0"]
    child = Child("up", command, environment=clean_environment(), log=folder / "up.log")
    try:
        deadline = time.monotonic() + 180
        while not (found := re.search(r"^Airflow +(http://\S+)", child.output(), re.MULTILINE)):
            assert child.process.poll() is None, child.output()
            assert time.monotonic() < deadline, child.output()
            time.sleep(0.2)
        yield Running(found[1], home, state, child)
    finally:
        child.process.terminate()
        child.process.wait(60)
        child.stop()


@pytest.fixture
def browser(demand: Callable[[bool, str], None], tmp_path: Path) -> Iterator[webdriver.Chrome]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    demand(bool(chromium and driver), "there is no chromium with chromedriver here")
    options = webdriver.ChromeOptions()
    options.binary_location = str(chromium)
    for flag in [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(flag)
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(driver)))
    yield chrome
    chrome.quit()
