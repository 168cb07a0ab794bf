"""The pictures of docs/images, taken of the real thing in Chromium: a `make up` of their own, and one that loads for two weeks.

Run with `make pictures` after the UI, a form or a DAG has changed; look at what came out before it is committed.
"""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import requests
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import WebDriverWait

from children import Child
from environment import ROOT, airflow_environment, clean_environment

IMAGES = ROOT / "docs" / "images"
CHAIN, DATAFLOW = "aep_provision_dataflow", "aep_dataflow__ServiceNow_incident_daily"
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--lang=en-GB",
]
_START_SECONDS = 240.0
_LOADED_SECONDS = 1200.0
DAYS = 14
TABLES = {
    "incident": 120, "change_request": 25, "problem": 12, "sc_req_item": 260, "sys_user": 40, "cmdb_ci": 90,
    "kb_knowledge": 8,
}  # fmt: skip
"""The tables of two weeks, and about how many rows they get a day."""
DROPPED, PAUSED, NEW = "kb_knowledge", "cmdb_ci", "problem"
"""What becomes of some: the table is dropped meanwhile, the DAG paused, and one is only declared."""


class Airflow:
    """What is asked of it while it loads."""

    def __init__(self, url: str) -> None:
        self._url = url

    def pause(self, table: str, *, is_paused: bool) -> None:
        """Pause a table's DAG, or let it go."""
        until(lambda: self._asked("PATCH", dag_id(table), {"is_paused": is_paused}), f"{table} is paused or not")

    def states(self, table: str) -> list[str]:
        """How the DAG runs of a table are."""
        found = self._asked("GET", f"{dag_id(table)}/dagRuns?limit=100") or {"dag_runs": []}
        return [run["state"] for run in found["dag_runs"]]

    def has_ended(self, table: str) -> bool:
        """Whether all windows of a table have been tried."""
        states = self.states(table)
        return len(states) >= DAYS and set(states) <= {"success", "failed"}

    def _asked(self, method: str, what: str, body: Any = None) -> Any:
        """The answer; None where SQLite was just locked, or the DAG is not known yet."""
        token = requests.get(f"{self._url}/auth/token", timeout=30).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.request(method, f"{self._url}/api/v2/dags/{what}", json=body, headers=headers, timeout=60)
        return answer.json() if answer.ok else None


def dag_id(table: str) -> str:
    """The DAG of a table's dataflow."""
    return f"aep_dataflow__ServiceNow_{table}"


def until(check: Callable[[], Any], what: str, seconds: float = _LOADED_SECONDS) -> Any:
    """What a check returns once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:.0f} s it is still not so that {what}")
        time.sleep(0.5)
    return found


class Camera:
    """A browser, at the size that a picture needs."""

    def __init__(self, url: str) -> None:
        self._url = url
        options = webdriver.ChromeOptions()
        options.binary_location = str(shutil.which("chromium") or shutil.which("google-chrome"))
        for flag in FLAGS:
            options.add_argument(flag)
        self._chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        self._wait = WebDriverWait(self._chrome, 120, ignored_exceptions=[StaleElementReferenceException])

    def open(self, path: str, width: int, height: int) -> None:
        """Open a page of Airflow's."""
        self._chrome.set_window_size(width, height)
        self._chrome.get(f"{self._url}{path}")

    def prefer_graphs(self) -> None:
        """Have the pages of DAGs begin with their graph."""
        self._chrome.execute_script("localStorage.setItem('default_dag_view', '\"graph\"')")

    def see(self, what: str) -> WebElement:
        """Wait until it is there, by its XPath."""
        return self._wait.until(expected.visibility_of_element_located((By.XPATH, what)))

    def click(self, what: str) -> None:
        """Wait until it can be clicked, and do so."""
        self._wait.until(expected.element_to_be_clickable((By.XPATH, what))).click()

    def settle(self) -> None:
        """Wait until nothing moves any more: two pictures in a row are the same."""
        before = b""
        while (now := self._chrome.get_screenshot_as_png()) != before:
            before = now
            time.sleep(1)

    def take(self, name: str, of: str | None = None) -> None:
        """Write a picture of the page, or of a part of it."""
        self.settle()
        picture = self.see(of).screenshot_as_png if of else self._chrome.get_screenshot_as_png()
        (IMAGES / f"{name}.png").write_bytes(picture)
        print(IMAGES / f"{name}.png")

    def into(self, title: str) -> None:
        """Go into a frame."""
        self._chrome.switch_to.default_content()
        frame = (By.CSS_SELECTOR, f"iframe[title='{title}']")
        self._wait.until(expected.frame_to_be_available_and_switch_to_it(frame))

    def gone(self, what: str) -> None:
        """Wait until it is not there any more, by its XPath."""
        self._wait.until(expected.invisibility_of_element_located((By.XPATH, what)))

    def darken(self) -> None:
        """Have Airflow dark from now on."""
        self._chrome.switch_to.default_content()
        self._chrome.execute_script("localStorage.setItem('theme', 'dark')")
        self._chrome.refresh()

    def leave(self) -> None:
        """Close it."""
        self._chrome.quit()


def provision(home: Path) -> None:
    """One run of the chain, so that its graph is green."""
    command = ["airflow", "dags", "trigger", CHAIN, "--run-id", "pictured"]
    subprocess.run(command, env=airflow_environment(home), check=True, capture_output=True)


def take_forms(camera: Camera) -> None:
    """The pictures of Airflow's own pages."""
    dialog = "//*[@role='dialog'][.//*[@data-testid='trigger-dag-submit']]"
    camera.open(f"/dags/{CHAIN}", 1400, 1300)
    camera.prefer_graphs()
    camera.click("//*[@data-testid='trigger-dag-button']")
    camera.click(f"{dialog}//button[normalize-space()='Schedule']")
    camera.take("form", of=dialog)
    camera.open(f"/dags/{DATAFLOW}", 1400, 1260)
    camera.click("//*[@data-testid='trigger-dag-button']")
    camera.click(f"{dialog}//*[normalize-space()='Backfill']")
    camera.take("backfill")
    camera.open(f"/dags/{CHAIN}/runs/pictured", 2300, 700)
    camera.see("//*[contains(@class, 'react-flow__node')]//*[normalize-space()='summary']/ancestor::*[1]")
    camera.take("graph", of="//*[contains(@class, 'react-flow__renderer')]")


def take_page(camera: Camera) -> None:
    """The pictures of the page of dataflows, within Airflow."""
    camera.open("/plugin/aep_dataflows", 1400, 900)
    camera.into("Dataflows")
    camera.see("//tr[contains(., 'failing')]")
    camera.see(f"//tr[contains(., '{PAUSED}')][contains(., 'missing')]")
    camera.take("page-light")
    camera.darken()
    camera.into("Dataflows")
    camera.click(f"//a[normalize-space()='ServiceNow {DROPPED}']")
    camera.see(f"//h1[normalize-space()='ServiceNow {DROPPED}']")
    camera.gone("//*[contains(., 'being read')]")
    camera.take("page-dark")


def write_tables(folder: Path, midnight: datetime) -> None:
    """Rows of two weeks, up to the last midnight."""
    chance = random.Random(5)  # noqa: S311  no secret
    for table, daily in TABLES.items():
        with (folder / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(["sys_id", "number", "active", "sys_updated_at"])
            for day in range(DAYS):
                for _ in range(chance.randint(daily // 2, daily * 2)):
                    moment = midnight - timedelta(days=day + 1) + timedelta(seconds=chance.randrange(86_400))
                    number = f"{table[:3].upper()}{chance.randrange(10**7):07}"
                    out.writerow([f"{chance.getrandbits(128):032x}", number, "true", f"{moment:%Y-%m-%d %H:%M:%S}"])


def write_specs(folder: Path, midnight: datetime) -> None:
    """A dataflow for each table, in place of those that are there."""
    shutil.rmtree(folder)
    folder.mkdir()
    for table in TABLES:
        spec = {
            "name": f"ServiceNow {table}",
            "source": "servicenow",
            "source_conn_id": "aep_source_servicenow",
            "table": table,
            "delta_column": "sys_updated_at",
            "schedule": {
                "cron": "0 0 * * *", "start": f"{midnight - timedelta(days=DAYS):%Y-%m-%d}", "catchup": True
            },
            "policy": {"retries": 0, "poll_interval": 1, "settle": 10},
        }  # fmt: skip
        (folder / f"{table}.yaml").write_text(json.dumps(spec), encoding="utf-8")


def load(url: str, tables: Path) -> None:
    """Let Airflow load the two weeks, and have something go wrong."""
    airflow = Airflow(url)
    going = [table for table in TABLES if table != NEW]
    for table in going:
        airflow.pause(table, is_paused=False)
    until(lambda: airflow.states(PAUSED).count("success") > DAYS // 2, f"half of {PAUSED} is loaded")
    airflow.pause(PAUSED, is_paused=True)
    until(lambda: airflow.states(DROPPED).count("success") > DAYS // 2, f"half of {DROPPED} is loaded")
    (tables / f"{DROPPED}.csv").unlink()
    for table in going:
        if table != PAUSED:
            until(partial(airflow.has_ended, table), f"{table} is loaded")


@contextmanager
def airflow_up(project: Path, scratch: Path, *options: str) -> Iterator[str]:
    """A project's `make up`; the address of its Airflow."""
    home = scratch / "home"
    command = [sys.executable, str(project / "scripts" / "up.py"), "--home", str(home), *options]
    command += ["--state", str(scratch / "state"), "--port=0", "--aep-port=0"]
    up = Child("up", command, environment=clean_environment(), log=home / "up.log")
    try:

        def address() -> re.Match[str] | None:
            if up.process.poll() is not None:
                raise RuntimeError(up.output())
            return re.search(r"^Airflow +(http://\S+)", up.output(), re.MULTILINE)

        yield str(until(address, "Airflow is up", _START_SECONDS)[1])
    finally:
        up.process.terminate()
        up.process.wait(60)
        up.stop()


def shoot(url: str, take: Callable[[Camera], None]) -> None:
    """Take some pictures, or one of what went wrong."""
    camera = Camera(url)
    try:
        take(camera)
    except Exception:
        camera.take("failed")
        raise
    finally:
        camera.leave()


def main() -> None:
    """Start everything, take the pictures, end everything."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        with airflow_up(ROOT, scratch) as url:
            provision(scratch / "home")
            shoot(url, take_forms)
    with tempfile.TemporaryDirectory() as folder:
        project, tables = Path(folder) / "project", Path(folder) / "tables"
        for part in ("dags", "include", "scripts"):
            shutil.copytree(ROOT / part, project / part)
        shutil.copy(ROOT / "airflow_settings.yaml", project)
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        tables.mkdir()
        write_tables(tables, midnight)
        write_specs(project / "include" / "dataflows", midnight)
        with airflow_up(project, Path(folder), "--tables", str(tables)) as url:
            load(url, tables)
            shoot(url, take_page)


if __name__ == "__main__":
    main()
