"""Links to AEP and retry policies in real Airflow: what its API shows and what its scheduler does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from .estate import Estate

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.thorough]

RETRY_AFTER = 8
SHOWN = {
    "Flow in AEP": "https://aep.example/acme/dev/LOCAL@AdobeOrg/f%201",
    "Flow run in AEP": "https://experience.adobe.com/#/@acme/sname:dev/platform/source/dataflows/f%201/activity/r-1",
    "Dataset in AEP": None,
}

# The triggerer imports triggers by name.
TRIGGER = """
import asyncio

from airflow.triggers.base import BaseTrigger, TaskFailedEvent, TaskSuccessEvent


class Ends(BaseTrigger):
    def __init__(self, event, xcoms, file):
        super().__init__()
        self.event, self.xcoms, self.file = event, xcoms, file

    def serialize(self):
        return "that_ends.Ends", {"event": self.event, "xcoms": self.xcoms, "file": self.file}

    async def run(self):
        import os

        while not os.path.exists(self.file):
            await asyncio.sleep(0.2)
        yield {"success": TaskSuccessEvent, "failure": TaskFailedEvent}[self.event](xcoms=self.xcoms)
"""

DAG_FILE = """
import os
import time
from types import SimpleNamespace

from airflow.sdk import DAG, BaseOperator
from airflow.providers.standard.triggers.file import FileTrigger

from aep_provider.errors import AepConnectError, AepError, AepNotFoundError, AepThrottledError
from aep_provider.links import AepDatasetLink, AepFlowLink, AepFlowRunLink, link_urls, publish_links
from aep_provider.retries import AepRetryPolicy

SETTINGS = SimpleNamespace(sandbox="dev", ims_org_id="LOCAL@AdobeOrg")
SIGNAL = {signal!r}


class Waiting(BaseOperator):
    operator_extra_links = (AepFlowLink(), AepFlowRunLink(), AepDatasetLink())

    def __init__(self, ends, **kwargs):
        super().__init__(**kwargs)
        self.ends = ends

    def execute(self, context):
        from that_ends import Ends

        publish_links(context, SimpleNamespace(settings=SETTINGS), flow_id="f 1", run_id="r-1")
        if self.ends == "without leaving it":
            deadline = time.monotonic() + 300
            while not os.path.exists(SIGNAL) and time.monotonic() < deadline:
                time.sleep(0.2)
            self.fail(context)
        trigger = FileTrigger(filepath=SIGNAL, poke_interval=0.2)
        if self.ends != "in the worker":
            trigger = Ends(self.ends, link_urls(SETTINGS, dataset_id="d-1"), SIGNAL)
        self.defer(trigger=trigger, method_name="fail")

    def fail(self, context, event=None):
        raise ValueError("as it should")


class Trying(BaseOperator):
    def __init__(self, kind, **kwargs):
        super().__init__(**kwargs)
        self.kind = kind

    def execute(self, context):
        if context["ti"].try_number > 1:
            return
        if self.kind == "throttled":
            raise AepThrottledError(status=429, retry_after={retry_after})
        if self.kind == "wrapped":
            raise RuntimeError from AepConnectError("nobody there")
        if self.kind == "final":
            raise AepNotFoundError(status=404)
        raise AepError("told by a trigger", final=True)


with DAG("waits", schedule=None):
    Waiting(task_id="busy", ends="without leaving it")
    Waiting(task_id="failed", ends="in the worker")
    Waiting(task_id="failed_there", ends="failure")
    Waiting(task_id="ended_there", ends="success")
    Waiting.partial(task_id="many").expand(ends=["in the worker", "success"])

policy = AepRetryPolicy(first_delay=4)
with DAG("tries", schedule=None, default_args={{"retries": 3, "retry_delay": 3600, "retry_policy": policy}}):
    for kind in ("throttled", "wrapped", "final", "event"):
        Trying(task_id=kind, kind=kind)
    Trying.partial(task_id="many").expand(kind=["throttled", "final"])
"""


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tasks wait until it is there."""
    return tmp_path_factory.mktemp("signal") / "go"


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory, go: Path) -> Iterator[Estate]:
    folder = tmp_path_factory.mktemp("links")
    tables, modules = folder / "tables", folder / "modules"
    tables.mkdir()
    modules.mkdir()
    one = Estate(folder / "estate", tables)
    (modules / "that_ends.py").write_text(TRIGGER)
    (one.dags / "links.py").write_text(DAG_FILE.format(signal=str(go), retry_after=RETRY_AFTER))
    one.environment |= {
        "PYTHONPATH": str(modules),
        "AIRFLOW__AEP__UI_TENANT": "acme",
        "AIRFLOW__AEP__FLOW_URL": "https://aep.example/{tenant}/{sandbox}/{org}/{flow_id}",
    }
    try:
        one.start()
        one.known("waits", "tries")
        yield one
    finally:
        go.touch()  # no task outlives a test that failed
        one.stop()


def trigger(estate: Estate, dag_id: str) -> str:
    estate.unpause(dag_id)
    return str(estate.api("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None})["dag_run_id"])


def instances(estate: Estate, dag_id: str, run_id: str) -> list[dict[str, Any]]:
    return list(estate.api("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"])


def states(estate: Estate, dag_id: str, run_id: str) -> dict[tuple[str, int], str]:
    return {(one["task_id"], one["map_index"]): one["state"] for one in instances(estate, dag_id, run_id)}


def shown(estate: Estate, run_id: str) -> Callable[..., dict[str, str | None]]:
    def links(task_id: str, map_index: int = -1) -> dict[str, str | None]:
        path = f"/dags/waits/dagRuns/{run_id}/taskInstances/{task_id}/links?map_index={map_index}"
        return dict(estate.api("GET", path)["extra_links"])

    return links


def legs_are_over(estate: Estate, but: str = "") -> bool:
    """Whether the workers have done what they do after a task's state is set: they push its links once more."""
    logs = (estate.folder / "home" / "logs").glob("dag_id=waits/**/attempt=1.log")
    texts = [log.read_text() for log in logs if f"task_id={but}/" not in str(log)]
    return bool(texts) and all("Post Execute" in text and "::endgroup::" in text.splitlines()[-1] for text in texts)


def test_links_are_there_while_the_task_waits_and_after_it_ended(estate: Estate, go: Path) -> None:
    run_id = trigger(estate, "waits")
    tasks = {("failed", -1), ("failed_there", -1), ("ended_there", -1), ("many", 0), ("many", 1)}
    waiting = {**dict.fromkeys(tasks, "deferred"), ("busy", -1): "running"}
    estate.until(lambda: states(estate, "waits", run_id) == waiting, "all tasks of the DAG wait", 120)
    estate.until(lambda: legs_are_over(estate, but="busy"), "the first legs are over", 60)
    links = shown(estate, run_id)
    # Airflow itself has pushed none for the one that runs, and pushed anew for those whose first leg has ended.
    assert [links(*task) for task in sorted(waiting)] == [SHOWN] * 6

    go.touch()
    ended = {"busy": "failed", "failed": "failed", "failed_there": "failed", "ended_there": "success"}
    wanted = {(task_id, -1): state for task_id, state in ended.items()} | {
        ("many", 0): "failed",
        ("many", 1): "success",
    }
    estate.until(lambda: states(estate, "waits", run_id) == wanted, "all tasks of the DAG have ended", 120)
    dataset = "https://experience.adobe.com/#/@acme/sname:dev/platform/dataset/browse/d-1"
    estate.until(lambda: legs_are_over(estate), "all legs are over", 60)
    assert links("busy") == links("failed") == links("many", 0) == SHOWN
    assert links("failed_there") == links("ended_there") == links("many", 1) == {**SHOWN, "Dataset in AEP": dataset}


def test_what_cannot_help_is_not_tried_again_and_the_rest_when_it_may(estate: Estate) -> None:
    run_id = trigger(estate, "tries")
    succeed = {("throttled", -1): 2, ("wrapped", -1): 2, ("many", 0): 2}
    fail = {("final", -1): 1, ("event", -1): 1, ("many", 1): 1}
    wanted = {**dict.fromkeys(succeed, "success"), **dict.fromkeys(fail, "failed")}
    estate.until(lambda: states(estate, "tries", run_id) == wanted, "all tasks of the DAG have ended", 120)
    counted = {(one["task_id"], one["map_index"]): one["try_number"] for one in instances(estate, "tries", run_id)}
    assert counted == {**succeed, **fail}
    for task, (least, most) in {("throttled", ""): (8, 10), ("many", "/0"): (8, 10), ("wrapped", ""): (2, 4)}.items():
        path = f"/dags/tries/dagRuns/{run_id}/taskInstances/{task[0]}{task[1]}/tries"
        first, second = sorted(estate.api("GET", path)["task_instances"], key=lambda one: int(one["try_number"]))
        waited = datetime.fromisoformat(second["start_date"]) - datetime.fromisoformat(first["end_date"])
        # The scheduler takes its time; the task's own delay would be an hour.
        assert least <= waited.total_seconds() <= most + 30, task
