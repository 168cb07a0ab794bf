"""A folder of dataflows applied by real Airflow: planned, shown to somebody, approved or not, and killed in between."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Literal

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import WebDriverWait

from aep_provider.platform.client import AepClient
from aep_provider.platform.settings import AepSettings
from aep_provider.resources import flow_service
from aep_provider.resources.inventory import Inventory
from environment import ROOT

from .estate import Estate
from .gate import Gate

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DAG_ID, IMPATIENT = "aep_apply_dataflows", "aep_apply_dataflows_impatient"
DATAFLOWS = 3
HOSTILE = "{{ 7*7 }} <script>document.title='hacked'</script> [x](javascript:alert(1)) ``` ![y](https://elsewhere.example/y.png)"
SHAPES: list[dict[str, Any]] = [
    {"delta_column": "sys_updated_at"},
    {"load": "one_time"},
    {"load": "recurring", "recurrence": {"frequency": "hour", "interval": 1}, "delta_column": "sys_updated_at"},
]
CHAINS = {
    "base connection": 1, "source connection": 3, "target connection": 3, "flow": 3, "dataset": 3, "schema": 3,
    "field group": 3, "mapping set": 3,
}  # fmt: skip
NOTHING = dict.fromkeys(CHAINS, 0)


class Watched:
    """The gate before AEP: counts what is written, and kills who writes at some of these requests."""

    def __init__(self, gate: Gate) -> None:
        self.points: Mapping[int, Literal["before", "after"]] = {}
        self.writes: list[str] = []
        self.gate = gate
        self._pass_on = gate.handle
        gate.handle = self.handle  # type: ignore[method-assign]

    def begin(self, points: Mapping[int, Literal["before", "after"]] | None = None) -> None:
        """Count from here on."""
        self.writes, self.points = [], points or {}

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path
        fate = ""
        if request.command != "GET" and "/ims/" not in path and not path.endswith("/validate"):
            self.writes.append(path)
            fate = self.points.get(len(self.writes), "")
        if not fate:
            self._pass_on(request)
            return
        if fate == "after":
            # The answer goes nowhere.
            request.wfile = io.BytesIO()
            self._pass_on(request)
        self.gate._kill(request.client_address[1])
        request.close_connection = True


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """Airflow with the project's DAG, and a copy that does not wait long for an answer."""
    folder = tmp_path_factory.mktemp("apply")
    tables = folder / "tables"
    tables.mkdir()
    (tables / "incident.csv").write_text("sys_id,number,sys_updated_at\na1,INC1,2026-01-01 08:00:00\n")
    made = Estate(folder / "estate", tables)
    made.environment["AIRFLOW__AEP__DATAFLOWS_FOLDER"] = str(made.specs)
    text = (ROOT / "dags" / f"{DAG_ID}.py").read_text()
    for there, here in (
        ('{"retries": 2, "retry_delay": timedelta(seconds=30)}', '{"retries": 5, "retry_delay": timedelta(seconds=1)}'),
        ('task_id="apply",', 'task_id="apply", settle_seconds=2,'),
    ):
        assert there in text
        text = text.replace(there, here)
    (made.dags / "apply.py").write_text(text)
    soon = text.replace(f'dag_id="{DAG_ID}"', f'dag_id="{IMPATIENT}"').replace(
        "timedelta(days=3)", "timedelta(seconds=4)"
    )
    assert "ANSWER_WITHIN = timedelta(seconds=4)" in soon
    (made.dags / "impatient.py").write_text(soon)
    for number, shape in enumerate(SHAPES):
        made.spec(f"dataflow {number}", table="incident", **shape)
    try:
        made.start()
        made.known(DAG_ID, IMPATIENT)
        made.unpause(DAG_ID, IMPATIENT)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def watched(estate: Estate) -> Watched:
    return Watched(estate.gate)


class Run:
    """A run of the DAG."""

    def __init__(self, estate: Estate, sandbox: str, dag_id: str = DAG_ID, **conf: Any) -> None:
        self.estate = estate
        body = {"logical_date": None, "conf": {"sandbox": sandbox, **conf}}
        self.id = estate.api("POST", f"/dags/{dag_id}/dagRuns", body)["dag_run_id"]
        self.path = f"/dags/{dag_id}/dagRuns/{self.id}"
        self.dag_id = dag_id

    def states(self) -> dict[str, str]:
        found = self.estate.api("GET", f"{self.path}/taskInstances")["task_instances"]
        return {one["task_id"]: str(one["state"]) for one in found}

    def asked(self) -> dict[str, Any]:
        """What is shown to who should approve."""
        self.estate.until(lambda: self.states()["approval"] == "awaiting_input", "somebody is asked", 60)
        # Airflow takes a task for killed if it is answered before the scheduler has seen that its first leg ended.
        rests = f"TaskInstance Finished: dag_id={self.dag_id}, task_id=approval, run_id={self.id},"
        self.estate.until(lambda: rests in self.estate.children["scheduler"].output(), "its first leg has ended", 30)
        return dict(self.estate.api("GET", f"{self.path}/taskInstances/approval/-1/hitlDetails"))

    def answer(self, option: str) -> None:
        body = {"chosen_options": [option], "params_input": {}}
        self.estate.api("PATCH", f"{self.path}/taskInstances/approval/-1/hitlDetails", body)

    def ended(self) -> tuple[str, dict[str, str]]:
        """How the run and its tasks ended."""
        ends = ("success", "failed")
        run = self.estate.until(
            lambda: (found := self.estate.api("GET", self.path))["state"] in ends and found, f"{self.id} is over", 90
        )
        return run["state"], self.states()

    def xcom(self, task_id: str, key: str = "return_value") -> Any:
        return self.estate.api("GET", f"{self.path}/taskInstances/{task_id}/xcomEntries/{key}?deserialize=true")[
            "value"
        ]


@pytest.fixture
def there(estate: Estate) -> Iterator[Callable[[str], dict[str, int]]]:
    """How many objects of each kind a sandbox holds."""
    clients: list[AepClient] = []

    def count(sandbox: str) -> dict[str, int]:
        clients.append(client_of(estate, sandbox))
        return {kind.kind: len(found) for kind, found in Inventory.read(clients[-1]).documents.items()}

    yield count
    for client in clients:
        client.close()


def client_of(estate: Estate, sandbox: str) -> AepClient:
    return AepClient(
        AepSettings.parse(
            gateway=estate.aep_url, token_url=f"{estate.aep_url}/ims/token/v3", ims_org_id="LOCAL@AdobeOrg", client_id="c",
            client_secret="estate-secret", sandbox=sandbox,
        )
    )  # fmt: skip


@pytest.mark.thorough
def test_approved_and_killed_in_between(
    estate: Estate, watched: Watched, there: Callable[[str], dict[str, int]]
) -> None:
    """Each try goes on where the one before was killed; then there is nothing to do, and nobody is asked."""
    watched.begin({1: "after", 8: "before", 15: "after"})
    run = Run(estate, "stage")
    asked = run.asked()
    assert asked["subject"] == "Sandbox stage of LOCAL@AdobeOrg. Plan: 22 to create, 0 unchanged."
    assert run.xcom("plan", "text") in asked["body"].replace("\n```", "\n")
    assert (watched.writes, there("stage")) == ([], NOTHING)
    run.answer("Approve")
    state, states = run.ended()
    assert state == "success", (states, estate.task_logs(DAG_ID))
    assert len(estate.gate.killed) == 3
    assert there("stage") == CHAINS
    assert sorted(run.xcom("apply", "flow_ids")) == [f"dataflow {number}" for number in range(DATAFLOWS)]
    assert "this is its rest" in estate.task_logs(DAG_ID)

    watched.begin()
    again = Run(estate, "stage")
    assert again.ended() == (
        "success", {"plan": "success", "next_step": "success", "approval": "skipped", "apply": "skipped"},
    )  # fmt: skip
    assert watched.writes == []


def test_without_approval(estate: Estate, watched: Watched, there: Callable[[str], dict[str, int]]) -> None:
    watched.begin()
    run = Run(estate, "dev", approval=False, names=["dataflow 1"])
    assert run.ended() == (
        "success", {"plan": "success", "next_step": "success", "approval": "skipped", "apply": "success"},
    )  # fmt: skip
    assert run.xcom("apply") == {"created": 8, "updated": 0}
    assert there("dev") == dict.fromkeys(CHAINS, 1)


def test_nobody_answers(estate: Estate, watched: Watched, there: Callable[[str], dict[str, int]]) -> None:
    watched.begin()
    before = there("prod")
    run = Run(estate, "prod", IMPATIENT, names=["dataflow 0"])
    state, states = run.ended()
    assert state == "failed"
    assert states == {"plan": "success", "next_step": "success", "approval": "failed", "apply": "upstream_failed"}
    assert "response timeout has passed" in estate.task_logs(IMPATIENT)
    assert (watched.writes, there("prod")) == ([], before)


@pytest.mark.browser
def test_somebody_looks_and_rejects(
    estate: Estate, watched: Watched, there: Callable[[str], dict[str, int]], browser: webdriver.Chrome, tmp_path: Path
) -> None:  # fmt: skip
    """What the page shows is the plan, whatever it is that somebody calls an object in AEP."""
    body = {
        "name": HOSTILE, "description": f"(airflow-aep sha256={'0' * 32})",
        "connectionSpec": {"id": "eb13cb25-47ab-407f-ba89-c0125281c563", "version": "1.0"},
        "auth": {"specName": "Basic Authentication",
                 "params": {"endpoint": "https://dev1.service-now.example", "username": "ann", "password": "secret-of-ann"}},
    }  # fmt: skip
    with client_of(estate, "prod") as client:
        client.post(flow_service.path_of("connections"), json=body)
    before = there("prod")
    watched.begin()
    run = Run(estate, "prod")
    text = run.xcom("plan", "text") if run.asked() else ""
    assert HOSTILE in text
    wait = WebDriverWait(browser, 60)
    browser.get(f"{estate.url}{run.path.replace('dagRuns', 'runs')}/tasks/approval/required_actions")
    reject = wait.until(expected.element_to_be_clickable((By.CSS_SELECTOR, "[data-testid=hitl-option-Reject]")))
    wait.until(expected.text_to_be_present_in_element((By.TAG_NAME, "body"), "22 to create"))
    browser.save_screenshot(str(tmp_path / "approval.png"))
    shown = browser.execute_script("return document.body.textContent")
    assert text.rstrip() in shown
    assert browser.title != "hacked"
    alive = browser.find_elements(By.CSS_SELECTOR, "a[href^=javascript], img[src*=elsewhere]")
    assert alive == []
    # The lines stand under each other, as they were written.
    block = browser.find_element(By.CSS_SELECTOR, "code.language-text")
    assert block.size["height"] > 15 * len(text.splitlines())
    assert "\n  +   create          field group       dataflow 0 columns\n" in block.get_attribute("innerText")
    reject.click()
    assert run.ended() == (
        "success", {"plan": "success", "next_step": "success", "approval": "success", "apply": "skipped"},
    )  # fmt: skip
    # Nor when somebody clears what was skipped.
    clear = {"dry_run": False, "task_ids": ["apply"], "dag_run_id": run.id, "only_failed": False}
    estate.api("POST", f"/dags/{DAG_ID}/clearTaskInstances", clear)
    assert run.ended()[1]["apply"] == "skipped"
    assert (watched.writes, there("prod")) == ([], before)
