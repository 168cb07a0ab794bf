"""On call: a watch over a platform that runs flows, over a source system whose password changes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aep_provider.platform.client import AepClient
from aep_provider.platform.paging import flow_service_items
from aep_provider.platform.settings import AepSettings
from aep_provider.resources import flow_service
from aep_provider.resources.authentication import credentials
from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.connectors import connector
from aep_provider.resources.ensure import NoMemory, Patience, ensure
from aep_provider.resources.flow_watch import WatchRequest, watch
from aep_provider.resources.retrigger_range import Notes, RangeRequest, retrigger_range
from aep_provider.resources.run_history import NoLedger
from aep_provider.resources.watch_memory import WatchMemory
from aep_provider.resources.watch_words import counts, message, table
from aep_provider.verdict import RunState, judge

from .conftest import CLIENT_SECRET, serve
from .made import declared, made
from .on_demand import LOGIN, OnDemand, await_

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("order", ["created", "updated"])
@pytest.mark.parametrize("several", ["works", "ignored", "empty", "refused"])
def test_runs_that_went_on_when_they_were_last_seen(
    start_platform: Any, make_client: Any, order: str, several: str
) -> None:
    """The looks are hours apart, so no list that is read holds these runs again: they are looked up."""
    assumed = (f"runs_order={order}", f"several_values_filter={several}", "run_appears_after_seconds=0")
    platform = start_platform("--time-scale", "0.1", *(word for each in assumed for word in ("--assume", each)))
    client = make_client(platform.url)
    flow = OnDemand(client, platform)
    with flow.no_table():
        posted = {flow.post(flow.day(number)) for number in (1, 2, 3)}
        now = time.time() + 3600
        first = watch(client, WatchRequest(), None, now=now)
        assert set(first.memory.open_runs) == posted
        assert not first.is_news
        flow.settle(*posted)
    memory = WatchMemory.from_json(json.loads(json.dumps(first.memory.as_json())))
    assert memory is not None
    second = watch(client, WatchRequest(), memory, now=now + 3600)
    assert {each.run.id for each in second.failed} == posted
    assert not watch(client, WatchRequest(), second.memory, now=now + 7200).is_news


def test_runs_that_are_listed_late(start_platform: Any, make_client: Any) -> None:
    """Each is told once, however often somebody looks meanwhile."""
    platform = start_platform("--time-scale", "0.001", "--assume", "run_appears_after_seconds=2000")
    client = make_client(platform.url)
    flow = OnDemand(client, platform)
    memory: WatchMemory | None = None
    told: list[str] = []

    def look() -> bool:
        nonlocal memory
        watched = watch(client, WatchRequest(), memory, now=time.time())
        told.extend(each.run.id for each in watched.failed)
        memory = watched.memory
        return bool(told)

    with flow.no_table():
        posted = [flow.post(flow.day(number)) for number in (1, 2)]
        assert flow.ended(posted[0]) is RunState.FAILED
        assert not look()
        await_(look)
    flow.settle(*posted)
    for _ in range(5):
        look()
    assert sorted(told) == sorted(posted)


FLOWS = 40
OLD, NEW = str(LOGIN.password), "a-new-one-after-90-days"
ACCOUNTS = """\
organisations:
  - {{id: ACME@AdobeOrg, tenant: acme, sandboxes: [prod]}}
clients:
  - {{id: robot, secret: {secret}, organisation: ACME@AdobeOrg}}
source_credentials:
  - connector: service-now
    params: {{endpoint: "{endpoint}", username: {user}, password: {password}}}
"""


class Estate:
    """Forty on-demand flows over one base connection, on a platform whose source system changes its password."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client: Any = None
        self.platform: Any = None

    def source_accepts(self, password: str) -> None:
        """The platform goes on, on the same state, over a source that lets in only this password."""
        self.end()
        accounts = self.folder.parent / "accounts.yaml"
        accounts.write_text(
            ACCOUNTS.format(secret=CLIENT_SECRET, endpoint=LOGIN.host, user=LOGIN.login, password=password)
        )
        self.platform = serve(self.folder, "--time-scale", "0.001", "--accounts", str(accounts))
        url = self.platform.url
        account = {"ims_org_id": "ACME@AdobeOrg", "client_id": "robot", "client_secret": CLIENT_SECRET}
        self.client = AepClient(AepSettings.parse(**account, gateway=url, token_url=f"{url}/ims/token/v3"))

    def end(self) -> None:
        if self.platform:
            self.client.close()
            self.platform.end()

    def base(self, password: str, **how: Any) -> str:
        """Make the base connection, or give it another password."""
        system = connector("servicenow")
        login = credentials(self.client, system, replace(LOGIN, password=password), None)
        return ensure(BaseConnection(self.client, name="ServiceNow", connector=system, credentials=login), **how).id

    def flows(self) -> list[OnDemand]:
        return [_OverOneBase(self, f"table {number:02}") for number in range(FLOWS)]


class _OverOneBase(OnDemand):
    def __init__(self, estate: Estate, name: str) -> None:
        one = made(estate.client, LOGIN, declared(name, base_connection="ServiceNow"))
        self.estate = estate
        self.flow_id, self.dataset = one.flow_id, one.dataset_id
        self.state = estate.platform.state

    @property
    def client(self) -> AepClient:  # type: ignore[override]
        made: AepClient = self.estate.client
        return made


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    made = Estate(tmp_path / "aep")
    yield made
    made.end()


def test_the_password_expired_on_saturday(estate: Estate) -> None:
    """On call: 40 flows failed for two nights. One cause is named, the windows are loaded again, then all is quiet."""
    estate.source_accepts(OLD)
    estate.base(OLD)
    flows = estate.flows()
    await_(lambda: all(flow.document["state"] == "enabled" for flow in flows))
    request = WatchRequest()
    before = watch(estate.client, request, None, now=time.time())
    assert not before.is_news

    estate.source_accepts(NEW)
    for day in (1, 2):
        for flow in flows:
            flow.post(flow.day(day))
    await_(lambda: len(_ended(estate.client)) == 2 * FLOWS)

    sent = estate.client.requests_sent
    monday = watch(estate.client, request, before.memory, now=time.time())
    assert estate.client.requests_sent - sent == 3
    text = message(monday, "prod")
    assert text.startswith("80 runs failed, 1 cause (sandbox prod)\n- 80 runs of 40 flows (table 00, ")
    assert "by base connection ServiceNow (" in text
    assert "refuses the credentials" in text
    assert counts(monday)["causes"] == 1
    assert sum(row["count"] for row in table(monday)) == 80

    estate.base(NEW, if_exists="update")
    for flow in flows:
        _load_again(flow)
    sent = estate.client.requests_sent
    quiet = watch(estate.client, request, monday.memory, now=time.time())
    assert estate.client.requests_sent - sent == 3
    assert message(quiet, "prod") == ""
    assert not quiet.is_news
    assert {tuple(flow.keys()) for flow in flows} == {("a1", "a2")}
    assert len(_ended(estate.client)) == 4 * FLOWS


def _ended(client: AepClient) -> list[Any]:
    runs = list(flow_service_items(client, flow_service.path_of("runs")))
    return [run for run in runs if judge(run).state.has_ended]


def _load_again(flow: OnDemand) -> None:
    request = RangeRequest(flow.flow_id, flow.day(1, 2), max_at_once=2)
    notes, patience = Notes(NoMemory(), flow.flow_id), Patience(settle_seconds=2, look_every_seconds=0.05)
    done = False

    def has_ended() -> bool:
        nonlocal done
        progress = retrigger_range(flow.client, request, notes, NoLedger(), patience)
        assert not progress.failed
        done = not progress.running and not progress.waiting
        return done

    await_(has_ended)
