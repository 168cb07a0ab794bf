"""After a rotation the flow's next run logs in with the new password; after one that failed, still with the old."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aep_provider.errors import AepError
from aep_provider.platform.client import AepClient
from aep_provider.platform.settings import AepSettings
from aep_provider.resources.authentication import credentials
from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.connectors import connector
from aep_provider.resources.ensure import ensure
from aep_provider.resources.resource import Outcome
from aep_provider.resources.run import read_run
from aep_provider.resources.window_run import WindowRequest, start_window
from aep_provider.verdict import RunState, judge

from .conftest import CLIENT_SECRET, serve
from .on_demand import LOGIN, OnDemand

pytestmark = pytest.mark.slow

ACCOUNTS = f"""\
organisations:
  - {{id: ACME@AdobeOrg, tenant: acme, sandboxes: [prod]}}
clients:
  - {{id: robot, secret: {CLIENT_SECRET}, organisation: ACME@AdobeOrg}}
source_credentials:
"""
SOURCE = """\
  - connector: service-now
    params: {endpoint: "https://dev1.service-now.example", username: ann, password: %s}
"""
OLD, NEW = str(LOGIN.password), "a-new-one-after-90-days"


class Place:
    """A platform that is started anew with other accepted passwords, on the same state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: Any = None
        self.client: AepClient | None = None

    def accepting(self, *passwords: str) -> AepClient:
        self.end()
        accounts = self.folder.parent / "accounts.yaml"
        accounts.write_text(ACCOUNTS + "".join(SOURCE % password for password in passwords))
        self.running = serve(self.folder, "--time-scale", "0.001", "--accounts", str(accounts))
        url = self.running.url
        values = {"ims_org_id": "ACME@AdobeOrg", "client_id": "robot", "client_secret": CLIENT_SECRET}
        self.client = AepClient(AepSettings.parse(**values, gateway=url, token_url=f"{url}/ims/token/v3"))
        return self.client

    def end(self) -> None:
        if self.client:
            self.client.close()
        if self.running:
            self.running.end()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path / "aep")
    yield made
    made.end()


def state_of(client: AepClient, flow_id: str, day: int) -> RunState:
    """What becomes of the run over a day."""
    request = WindowRequest(flow_id, OnDemand.day(day), delta_column="sys_updated_at")
    started = start_window(client, request)
    while not (verdict := judge(read_run(client, started.run_id))).state.has_ended:
        pass
    return verdict.state


def rotate(client: AepClient, password: str) -> Outcome:
    system = connector("servicenow")
    login = replace(LOGIN, password=password)
    base = BaseConnection(
        client,
        name="ServiceNow via aep_source_servicenow",
        connector=system,
        credentials=credentials(client, system, login, None),
    )
    return ensure(base, if_exists="update")


def test_the_next_run_uses_the_new_password(place: Place) -> None:
    flow = OnDemand(place.accepting(OLD, NEW), place.running)
    assert rotate(flow.client, NEW).action == "updated"
    client = place.accepting(NEW)
    assert state_of(client, flow.flow_id, 1) is RunState.SUCCEEDED


def test_without_a_rotation_it_fails(place: Place) -> None:
    flow = OnDemand(place.accepting(OLD), place.running)
    client = place.accepting(NEW)
    assert state_of(client, flow.flow_id, 1) is RunState.FAILED


def test_a_wrong_password_leaves_the_old_one(place: Place) -> None:
    flow = OnDemand(place.accepting(OLD), place.running)
    with pytest.raises(AepError) as refused:
        rotate(flow.client, "mistyped")
    assert "mistyped" not in str(refused.value)
    assert state_of(flow.client, flow.flow_id, 1) is RunState.SUCCEEDED
