"""The failed weekend in real Airflow: the watch names one cause, and one command mends it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aep_provider.dataflows.ensured import ensure_dataflows
from aep_provider.platform.client import AepClient
from aep_provider.platform.settings import AepSettings
from aep_provider.resources import flow_service
from aep_provider.resources.authentication import SourceLogin, credentials
from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.connectors import connector
from aep_provider.resources.ensure import ensure
from aep_provider.resources.run import read_run
from aep_provider.resources.window import Window
from aep_provider.verdict import RunState, judge
from environment import ROOT

from .estate import Estate, on_demand, postgres, postgres_is_there

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.service]

FLOWS = 40
SATURDAY = datetime(2026, 1, 3, tzinfo=UTC)
NIGHTS = 2
ROWS_A_NIGHT = 3
ACCOUNTS = """\
organisations:
  - {{id: LOCAL@AdobeOrg, tenant: local}}
clients:
  - {{id: c, secret: estate-secret, organisation: LOCAL@AdobeOrg}}
  - {{id: looker, secret: estate-secret, organisation: LOCAL@AdobeOrg}}
source_credentials:
  - connector: service-now
    params: {{endpoint: "https://dev1.service-now.example", username: ann, password: {password}}}
"""
WATCH = ("aep_watch_flow_runs", "watch")


@pytest.fixture
def estate(tmp_path: Path, demand: Callable[[bool, str], None]) -> Iterator[Estate]:
    """This project's own DAGs over a source that lets in the password of Friday."""
    demand(postgres_is_there(), "no PostgreSQL on 127.0.0.1 lets the user postgres in")
    tables = tmp_path / "tables"
    tables.mkdir()
    moments = [
        SATURDAY + timedelta(days=night, hours=hour)
        for night in range(NIGHTS)
        for hour in range(0, 8 * ROWS_A_NIGHT, 8)
    ]
    rows = "".join(f"row-{number},{moment:%Y-%m-%d %H:%M:%S}\n" for number, moment in enumerate(moments))
    (tables / "incident.csv").write_text(f"sys_id,sys_updated_at\n{rows}")
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(ACCOUNTS.format(password="of-friday"))
    with postgres() as database:
        made = Estate(
            tmp_path / "estate",
            tables,
            database=database,
            platform=["--time-scale", "0.01", "--accounts", str(accounts)],
        )
        made.environment["AIRFLOW__CORE__DAGS_FOLDER"] = str(ROOT / "dags")
        yield made
        made.stop()


def client_of(estate: Estate) -> AepClient:
    return AepClient(
        AepSettings.parse(
            gateway=estate.aep_url, token_url=f"{estate.aep_url}/ims/token/v3", ims_org_id="LOCAL@AdobeOrg", client_id="c",
            client_secret="estate-secret",
        )
    )  # fmt: skip


def base(client: AepClient, password: str, **how: Any) -> str:
    system = connector("servicenow")
    login = SourceLogin("aep_source_servicenow", "https://dev1.service-now.example", "ann", password)
    return ensure(
        BaseConnection(
            client, name="ServiceNow", connector=system, credentials=credentials(client, system, login, None)
        ),
        **how,
    ).id


def flows_of(client: AepClient, names: list[str]) -> list[str]:
    """The base connection is there, so that nobody asks for a login."""

    def no_login(conn_id: str) -> SourceLogin:
        raise AssertionError(conn_id)

    specs = [on_demand(name, "incident", base_connection="ServiceNow") for name in names]
    return [one.flow_id for one in ensure_dataflows(client, no_login, specs)]


def post(client: AepClient, flow_id: str, window: Window) -> str:
    params = {
        "startTime": window.end, "windowStartTime": window.start, "windowEndTime": window.end,
        "deltaColumn": {"name": "sys_updated_at"},
    }  # fmt: skip
    answer = client.post(flow_service.path_of("runs"), json={"flowId": flow_id, "params": params}).body
    return str(answer["items"][0]["id"])


def states(client: AepClient, runs: list[str]) -> set[RunState]:
    return {judge(read_run(client, run_id)).state for run_id in runs}


def watched(estate: Estate, looks: int) -> tuple[str, list[dict[str, Any]]]:
    """What another look of the watch says: its message and its table."""
    run = estate.api("POST", f"/dags/{WATCH[0]}/dagRuns", {"logical_date": None})
    path = f"/dags/{WATCH[0]}/dagRuns/{run['dag_run_id']}"
    ended = estate.until(
        lambda: (found := estate.api("GET", path))["state"] in ("success", "failed") and found,
        f"look {looks} is over",
        120,
    )
    assert ended["state"] == "success", estate.task_logs(WATCH[0])
    entries = f"{path}/taskInstances/{WATCH[1]}/xcomEntries"
    message, table = (
        estate.api("GET", f"{entries}/{key}?deserialize=true")["value"] for key in ("message", "return_value")
    )
    return message, table


def test_a_weekend_of_wrong_credentials(estate: Estate, tmp_path: Path) -> None:
    estate.start()
    with client_of(estate) as client:
        base(client, "of-friday")
        flows = flows_of(client, [f"table {number:02}" for number in range(FLOWS)])
        estate.until(
            lambda: all(flow_service.read(client, "flows", one)["state"] == "enabled" for one in flows),
            "flows rest",
            60,
        )
        # The password expires, and the nights go by.
        estate.kill("aep-local")
        (tmp_path / "accounts.yaml").write_text(ACCOUNTS.format(password="of-monday"))
        estate.start_aep()
        nights = [Window.between(SATURDAY + timedelta(days=n), SATURDAY + timedelta(days=n + 1)) for n in range(NIGHTS)]
        runs = [post(client, one, night) for night in nights for one in flows]
        estate.until(lambda: states(client, runs) == {RunState.FAILED}, "all runs have failed", 120)
        estate.until(
            lambda: len(estate.aep("GET", "/flowservice/runs", params={"limit": "100"})["items"]) >= 80, "listed", 60
        )

        estate.known(WATCH[0], "aep_retrigger_failed_runs")
        estate.unpause(WATCH[0], "aep_retrigger_failed_runs")
        message, table = watched(estate, 1)
        assert message.splitlines()[0].startswith("80 runs failed, 1 cause")
        assert "ServiceNow" in message
        assert len(table) == FLOWS
        assert sum(row["count"] for row in table) == FLOWS * NIGHTS
        assert watched(estate, 2)[0] == ""

        base(client, "of-monday", if_exists="update")
        window = {"window_start": nights[0].start, "window_end": nights[-1].end}
        iso = {name: datetime.fromtimestamp(moment, UTC).isoformat() for name, moment in window.items()}
        estate.airflow("dags", "trigger", "aep_retrigger_failed_runs", "--conf", json.dumps(iso))
        assert set(estate.ended_runs("aep_retrigger_failed_runs", 1, 400).values()) == {"success"}

    datasets = estate.datasets()
    assert len(datasets) == FLOWS
    for dataset in datasets:
        assert sorted(estate.keys(dataset)) == [f"row-{number}" for number in range(NIGHTS * ROWS_A_NIGHT)]
    assert watched(estate, 3)[0] == ""
