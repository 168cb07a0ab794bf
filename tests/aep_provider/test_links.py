"""Links from a task to AEP's pages: where they lead, when they are there, and what never gets into them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy
from airflow.models.dagrun import DagRun
from airflow.models.xcom import XComModel
from airflow.providers_manager import ProvidersManager
from airflow.sdk import DAG, BaseOperator, TaskInstanceState
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.execution_time import task_runner
from airflow.serialization.definitions import operatorlink
from airflow.serialization.serialized_objects import DagSerialization
from sqlalchemy.orm import Session

from aep_provider import links
from aep_provider.errors import AepConfigError
from aep_provider.links import (
    AepDatasetLink,
    AepFlowLink,
    AepFlowRunLink,
    link_urls,
    named_urls,
    publish_links,
)
from aep_provider.platform.settings import AepSettings
from aep_provider.provider_info import get_provider_info
from environment import airflow_environment

SECRET = "never-to-be-seen"
SETTINGS = AepSettings.parse(ims_org_id="12AB@AdobeOrg", client_id="robot", client_secret=SECRET, sandbox="dev-1")
UI = "https://experience.adobe.com/#/@12AB@AdobeOrg/sname:dev-1/platform"
ALL = {"flow_id": "f-1", "run_id": "r-1", "dataset_id": "d-1"}


class LinkedOperator(BaseOperator):
    """An operator such as ours."""

    operator_extra_links = (AepFlowLink(), AepFlowRunLink(), AepDatasetLink())

    def __init__(self, *, what: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.what = what


class Xcoms:
    """A task instance and Airflow's store of its XComs."""

    def __init__(self) -> None:
        self.id = uuid4()
        self.dag_id, self.run_id, self.task_id, self.map_index = "dag", "run", "task", -1
        self.held: dict[str, Any] = {}
        self.pushed: list[str] = []
        self.read: list[str] = []

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed.append(key)
        self.held[key] = json.loads(json.dumps(value))

    @property
    def context(self) -> Any:
        return {"ti": self}

    def next_leg(self) -> None:
        """The task goes on in another process."""
        links._published.clear()


@pytest.fixture
def ti(monkeypatch: pytest.MonkeyPatch) -> Xcoms:
    """A task instance in a worker: what it pushes can be read as Airflow's links read it."""
    one = Xcoms()

    def get_value(*, ti_key: Any, key: str) -> Any:
        assert ti_key is one
        one.read.append(key)
        return one.held.get(key)

    monkeypatch.setattr(BaseXCom, "get_value", get_value)
    return one


@pytest.fixture
def hook() -> Any:
    return SimpleNamespace(settings=SETTINGS)


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_option(option: str, value: str) -> None:
        monkeypatch.setenv(f"AIRFLOW__AEP__{option.upper()}", value)

    return set_option


@pytest.fixture(autouse=True)
def _a_process_of_its_own() -> None:
    links._published.clear()
    links._warn.cache_clear()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# Where they lead


def test_by_default_they_lead_where_adobe_documents_its_own_links() -> None:
    assert link_urls(SETTINGS, **ALL) == {
        "_link_AepFlowLink": f"{UI}/source/dataflows/f-1/activity",
        "_link_AepFlowRunLink": f"{UI}/source/dataflows/f-1/activity/r-1",
        "_link_AepDatasetLink": f"{UI}/dataset/browse/d-1",
    }


def test_people_read_their_names() -> None:
    assert named_urls(SETTINGS, **ALL) == {
        "Flow in AEP": f"{UI}/source/dataflows/f-1/activity",
        "Flow run in AEP": f"{UI}/source/dataflows/f-1/activity/r-1",
        "Dataset in AEP": f"{UI}/dataset/browse/d-1",
    }


@pytest.mark.parametrize("tenant", ["acme", "@acme", " acme "])
def test_the_organisation_may_have_a_name(configure: Any, tenant: str) -> None:
    configure("ui_tenant", tenant)
    assert named_urls(SETTINGS, flow_id="f")["Flow in AEP"].startswith(
        "https://experience.adobe.com/#/@acme/sname:dev-1/"
    )


def test_templates_come_from_airflows_configuration(configure: Any) -> None:
    configure("ui_tenant", "acme")
    configure(
        "flow_url", "https://aep.example:8443/{tenant}/{sandbox}/{org}?flow={flow_id}&run={run_id}&set={dataset_id}#x"
    )
    assert named_urls(SETTINGS, **ALL)["Flow in AEP"] == (
        "https://aep.example:8443/acme/dev-1/12AB@AdobeOrg?flow=f-1&run=r-1&set=d-1#x"
    )


def test_only_what_is_known_has_a_link(configure: Any) -> None:
    assert named_urls(SETTINGS) == {}
    assert set(named_urls(SETTINGS, flow_id="f")) == {"Flow in AEP"}
    assert set(named_urls(SETTINGS, flow_id="f", run_id=" ")) == {"Flow in AEP"}
    assert set(named_urls(SETTINGS, dataset_id="d")) == {"Dataset in AEP"}
    # By default a run's page is below its flow's.
    assert named_urls(SETTINGS, run_id="r") == {}
    configure("flow_run_url", "https://aep.example/{run_id}")
    assert named_urls(SETTINGS, run_id="r") == {"Flow run in AEP": "https://aep.example/r"}


def test_without_an_id_of_its_own_there_is_no_link(configure: Any) -> None:
    configure("flow_run_url", "https://aep.example/{flow_id}")
    assert set(named_urls(SETTINGS, flow_id="f")) == {"Flow in AEP"}


def test_an_empty_template_switches_a_link_off(configure: Any, caplog: pytest.LogCaptureFixture) -> None:
    configure("flow_url", "")
    assert set(named_urls(SETTINGS, **ALL)) == {"Flow run in AEP", "Dataset in AEP"}
    assert warnings(caplog) == []


def test_values_are_quoted(configure: Any) -> None:
    configure("flow_url", "https://aep.example/{flow_id}/end")
    nasty = "../a b?c#d&e=\"<f>'\r\n%2F\\é\ud800{run_id}"
    url = named_urls(SETTINGS, flow_id=nasty)["Flow in AEP"]
    assert url == "https://aep.example/..%2Fa%20b%3Fc%23d%26e%3D%22%3Cf%3E%27%0D%0A%252F%5C%C3%A9%3F%7Brun_id%7D/end"


# What never gets into them


@pytest.mark.parametrize(
    "template",
    [
        "http://aep.example/{flow_id}",
        "HTTP://aep.example/{flow_id}",
        "javascript:alert({flow_id})",
        "//aep.example/{flow_id}",
        "{flow_id}",
        "https:///{flow_id}",
        f"https://ann:{SECRET}@aep.example/{{flow_id}}",
        "https://{sandbox}.example/{flow_id}",
        "https://aep.example{flow_id}",
        "https://aep.example:{flow_id}/",
        "https://aep.example\\@evil.example/{flow_id}",
        "https://aep.example/{flow_id} x",
        "https://aep.example/{flow_id}\nx",
        "https://aep.example/ü/{flow_id}",
        "https://aep.example/{flow_id",
        "https://aep.example/flow_id}",
        "https://aep.example/{}/{flow_id}",
        "https://aep.example/{0}/{flow_id}",
        "https://aep.example/{client_secret}/{flow_id}",
        "https://aep.example/{flow_id.__class__}",
        "https://aep.example/{flow_id[0]}",
        "https://aep.example/{flow_id!r}",
        "https://aep.example/{flow_id:>9999999}",
        "https://aep.example/{flow_id:{run_id}}",
    ],
)
def test_a_broken_template_is_one_warning_and_no_link(
    configure: Any, template: str, caplog: pytest.LogCaptureFixture, ti: Xcoms, hook: Any
) -> None:
    configure("flow_url", template)
    publish_links(ti.context, hook, **ALL)
    publish_links(ti.context, hook, **ALL)
    assert set(ti.held) == {"_link_AepFlowRunLink", "_link_AepDatasetLink"}
    (warning,) = warnings(caplog)
    assert "flow_url" in warning
    assert "[aep]" in warning
    assert SECRET not in warning


def test_literal_braces_are_no_placeholders(configure: Any) -> None:
    configure("flow_url", "https://aep.example/{{x}}/{flow_id}")
    assert named_urls(SETTINGS, flow_id="f")["Flow in AEP"] == "https://aep.example/{x}/f"


def test_a_configuration_that_cannot_be_read_is_a_warning_each(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def get(section: str, option: str, **_: Any) -> str:
        raise ValueError(SECRET)

    monkeypatch.setattr(links, "conf", SimpleNamespace(get=get))
    assert [link_urls(SETTINGS, **ALL), link_urls(SETTINGS, **ALL)] == [{}, {}]
    assert len(warnings(caplog)) == 4
    assert SECRET not in caplog.text


IMPORT = """
import sys
from airflow.sdk import conf

read = []
get = conf.get
conf.get = lambda section, *rest, **options: read.append(section) or get(section, *rest, **options)

from aep_provider.links import AepFlowLink
from aep_provider.retries import AepRetryPolicy

AepFlowLink().xcom_key, AepRetryPolicy()
assert "aep" not in read, read
heavy = {"aep_provider.hooks.aep", "aep_provider.platform.client", "aiohttp"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
"""


def test_a_dag_file_that_names_them_reads_no_configuration(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT],
        env=airflow_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_no_secret_gets_into_them() -> None:
    told = json.dumps([link_urls(SETTINGS, **ALL), named_urls(SETTINGS, **ALL)])
    assert SECRET not in told
    assert "robot" not in told


# When they are there


def test_they_are_pushed_at_once_under_the_keys_that_airflow_reads(ti: Xcoms, hook: Any) -> None:
    publish_links(ti.context, hook, **ALL)
    assert ti.held == link_urls(SETTINGS, **ALL)


def test_what_comes_later_is_added_and_nothing_is_pushed_twice(ti: Xcoms, hook: Any) -> None:
    publish_links(ti.context, hook, flow_id="f-1")
    publish_links(ti.context, hook, flow_id="f-1", run_id="r-1")
    publish_links(ti.context, hook, run_id="r-1")
    publish_links(ti.context, hook, flow_id="f-2")
    assert ti.pushed == ["_link_AepFlowLink", "_link_AepFlowRunLink", "_link_AepFlowLink"]
    assert ti.held["_link_AepFlowLink"] == f"{UI}/source/dataflows/f-2/activity"
    assert ti.held["_link_AepFlowRunLink"] == f"{UI}/source/dataflows/f-1/activity/r-1"


def test_another_task_in_the_same_process_has_links_of_its_own(ti: Xcoms, hook: Any) -> None:
    publish_links(ti.context, hook, flow_id="f-1")
    other = Xcoms()
    publish_links(other.context, hook, flow_id="f-1")
    assert other.pushed == ["_link_AepFlowLink"]


def test_task_instances_without_an_id_are_not_taken_for_each_other(task: Any, hook: Any) -> None:
    for one in (task(None), task(None)):
        publish_links(one.context, hook, flow_id="f-1")
        assert one.ti.xcoms == link_urls(SETTINGS, flow_id="f-1")


def test_a_task_does_not_fail_for_the_lack_of_a_link(ti: Xcoms, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        @property
        def settings(self) -> Any:
            raise AepConfigError(SECRET)

    def refuse(key: str, value: Any) -> None:
        raise RuntimeError(SECRET)

    publish_links(ti.context, Broken(), flow_id="f-1")
    ti.xcom_push = refuse  # type: ignore[method-assign]
    publish_links(ti.context, SimpleNamespace(settings=SETTINGS), flow_id="f-1")
    assert warnings(caplog) == [
        "The links to AEP could not be published: AepConfigError",
        "The links to AEP could not be published: RuntimeError",
    ]


def test_what_could_not_be_pushed_is_pushed_the_next_time(
    ti: Xcoms, hook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(ti, "xcom_push", lambda **_: 1 / 0)
        publish_links(ti.context, hook, flow_id="f-1")
    publish_links(ti.context, hook, flow_id="f-1")
    assert ti.held == link_urls(SETTINGS, flow_id="f-1")


@pytest.mark.parametrize("held", [None, "", 7, {"url": "https://x"}, "javascript:alert(1)", "http://aep.example/"])
def test_anything_but_a_link_is_none(ti: Xcoms, held: Any) -> None:
    ti.held["_link_AepFlowLink"] = held
    assert AepFlowLink().get_link(LinkedOperator(task_id="task"), ti_key=ti) == ""  # type: ignore[arg-type]


def test_a_link_that_cannot_be_read_raises_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(BaseXCom, "get_value", lambda **_: 1 / 0)
    assert AepFlowLink().get_link(LinkedOperator(task_id="task"), ti_key=Xcoms()) == ""  # type: ignore[arg-type]
    assert warnings(caplog) == ["The link 'Flow in AEP' could not be read: ZeroDivisionError"]


# With Airflow


@pytest.fixture
def end_leg(ti: Xcoms, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let Airflow do what it does at the end of a leg, which is to push what the links return."""
    monkeypatch.setattr(task_runner, "_xcom_push_to_db", lambda ti, key, value: ti.xcom_push(key=key, value=value))

    def end(state: TaskInstanceState) -> None:
        running: Any = ti
        running.start_date = running.end_date = None
        running.task = LinkedOperator(task_id="task")
        task_runner.finalize(running, state, running.context, task_runner.log)

    return end


@pytest.mark.parametrize(
    "last", [TaskInstanceState.FAILED, TaskInstanceState.SUCCESS, TaskInstanceState.UP_FOR_RETRY, None]
)
def test_airflow_keeps_them_over_all_legs(ti: Xcoms, hook: Any, end_leg: Any, last: TaskInstanceState | None) -> None:
    publish_links(ti.context, hook, flow_id="f-1")
    end_leg(TaskInstanceState.DEFERRED)
    assert ti.held == {**link_urls(SETTINGS, flow_id="f-1"), "_link_AepFlowRunLink": "", "_link_AepDatasetLink": ""}
    ti.next_leg()
    publish_links(ti.context, hook, flow_id="f-1", run_id="r-1")
    end_leg(TaskInstanceState.DEFERRED)
    if last is not None:
        ti.next_leg()
        end_leg(last)
    assert ti.held == {**link_urls(SETTINGS, flow_id="f-1", run_id="r-1"), "_link_AepDatasetLink": ""}


def test_what_was_just_published_is_not_read_again(ti: Xcoms, hook: Any, end_leg: Any) -> None:
    publish_links(ti.context, hook, flow_id="f-1", run_id="r-1")
    end_leg(TaskInstanceState.SUCCESS)
    assert ti.read == ["_link_AepDatasetLink"]


def test_they_come_back_from_a_serialized_dag() -> None:
    with DAG("linked") as dag:
        LinkedOperator(task_id="one")
        LinkedOperator.partial(task_id="many").expand(what=["a", "b"])
    text = json.dumps(DagSerialization.to_dict(dag))
    again = DagSerialization.from_dict(json.loads(text))
    for task_id in ("one", "many"):
        shown = again.get_task(task_id).operator_extra_links
        assert {link.name: link.xcom_key for link in shown} == {
            "Dataset in AEP": "_link_AepDatasetLink",
            "Flow in AEP": "_link_AepFlowLink",
            "Flow run in AEP": "_link_AepFlowRunLink",
        }
    # What publishes and what shows meet at the keys.
    assert {link.xcom_key for link in shown} == set(link_urls(SETTINGS, **ALL))


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Session:
    """A metadata database of its own, as Airflow's API reads links from it."""
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)
    for model in (DagRun, XComModel):
        model.__table__.create(engine)  # type: ignore[attr-defined]
    session = Session(engine)

    @contextmanager
    def create_session() -> Any:
        yield session

    monkeypatch.setattr(operatorlink, "create_session", create_session)
    return session


def test_airflows_api_reads_what_was_published(metadata: Session, ti: Xcoms, hook: Any, end_leg: Any) -> None:
    with DAG("dag") as dag:
        LinkedOperator(task_id="task")
    task = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("task")
    publish_links(ti.context, hook, flow_id="f-1", run_id="r-1")
    end_leg(TaskInstanceState.DEFERRED)
    moment = "2024-01-01 00:00:00"
    metadata.execute(
        sqlalchemy.text(
            "insert into dag_run (id, dag_id, run_id, run_type, run_after, span_status, clear_number, log_template_id) "
            f"values (1, 'dag', 'run', 'manual', '{moment}', 'x', 0, 1)"
        )
    )
    for key, value in ti.held.items():
        metadata.add(
            XComModel(
                dag_run_id=1, dag_id="dag", run_id="run", task_id="task", map_index=-1, key=key, value=json.dumps(value)
            )
        )
    metadata.flush()
    shown = {name: task.get_extra_links(SimpleNamespace(key=ti), name) or None for name in task.extra_links}  # type: ignore[arg-type]
    assert shown == {**named_urls(SETTINGS, flow_id="f-1", run_id="r-1"), "Dataset in AEP": None}


def test_the_provider_names_them() -> None:
    declared = get_provider_info()["extra-links"]
    assert sorted(declared) == sorted(
        f"{kind.__module__}.{kind.__qualname__}" for kind in links._AepLink.__subclasses__()
    )
    assert set(declared) <= set(ProvidersManager().extra_links_class_names)
