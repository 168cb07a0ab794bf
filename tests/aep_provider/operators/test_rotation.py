"""New credentials of a source system: tried first, then sent, so that wrong ones never replace right ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from aep_provider.operators import AepCreateConnectionOperator, AepTestConnectionOperator
from aep_provider.platform.client import AepClient
from aep_provider.platform.paging import flow_service_items
from aep_provider.resources import flow_service
from aep_provider.resources.ensure import Patience


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, no_waits: None) -> None:
    """Objects settle at once."""
    monkeypatch.setattr("aep_provider.resources.ensure.Patience", lambda: Patience(0.3, 0.05))


class Rotation:
    """One base connection on the platform with accounts, and what the Airflow connection says of its password."""

    def __init__(self, wire: Any, client: AepClient, task: Any, set_connection: Any, name: str) -> None:
        self.wire, self.client, self.task, self.set_connection, self.name = wire, client, task, set_connection, name

    def ensure(self, password: str, **options: Any) -> str:
        host = "https://dev1.service-now.example"
        self.set_connection("aep_source_servicenow", conn_type="http", host=host, login="ann", password=password)
        values = {"source": "servicenow", "source_conn_id": "aep_source_servicenow", "name": self.name, **options}
        return str(self.task(AepCreateConnectionOperator(task_id="c", **values)).run())

    def logs_in(self, base: str) -> bool:
        return self.client.get(flow_service.path_of("connections", base, "test")).body["result"] is True

    def patches(self) -> list[Any]:
        return [seen for seen in self.wire.seen if seen.method == "PATCH" and seen.status == 200]

    def of_ours(self) -> list[str]:
        """Names that begin as ours does, the trial's too."""
        found = flow_service_items(self.client, flow_service.path_of("connections"))
        return sorted(item["name"] for item in found if item["name"].startswith(self.name[:100]))


@pytest.fixture
def rotation(
    strict_platform: Any, make_wire: Any, make_client: Callable[..., AepClient], task: Any, set_connection: Any,
    secrets: list[str], request: pytest.FixtureRequest,
) -> Rotation:  # fmt: skip
    wire = make_wire(strict_platform)
    extra = {"ims_org_id": "ACME@AdobeOrg", "token_url": f"{wire.url}/ims/token/v3"}
    account = {"login": "robot", "password": secrets[0], "extra": json.dumps(extra)}
    set_connection("aep_default", conn_type="aep", host=wire.url, **account)
    client = make_client(strict_platform.url, ims_org_id="ACME@AdobeOrg", client_id="robot", client_secret=secrets[0])
    return Rotation(
        wire, client, task, set_connection, f"rotated {request.node.name}".replace("[", " ").replace("]", "")
    )


def test_the_right_one_is_sent_and_lets_in(rotation: Rotation, secrets: list[str]) -> None:
    base = rotation.ensure(secrets[1])
    assert rotation.ensure(secrets[2], if_exists="update") == base
    assert rotation.logs_in(base)
    (patch,) = rotation.patches()
    assert patch.headers["if-match"].startswith('"')
    assert patch.json[0]["value"]["password"] == secrets[2]
    assert rotation.of_ours() == [rotation.name]


def test_a_wrong_one_is_told_and_the_old_one_stays(rotation: Rotation, secrets: list[str]) -> None:
    base = rotation.ensure(secrets[1])
    with pytest.raises(AirflowFailException, match="cannot log in") as ended:
        rotation.ensure("a-wrong-password", if_exists="update")
    assert "a-wrong-password" not in str(ended.value)
    assert rotation.patches() == []
    assert rotation.logs_in(base)
    assert rotation.task(AepTestConnectionOperator(task_id="t", base_connection_id=base)).run() == base
    assert rotation.of_ours() == [rotation.name]


def test_an_edit_in_between_is_read_again(rotation: Rotation, secrets: list[str]) -> None:
    base = rotation.ensure(secrets[1])
    rotation.wire.lose("PATCH", f"/{base}", carried_out=False, status=412)
    rotation.ensure(secrets[2], if_exists="update")
    assert len(rotation.patches()) == 1
    assert rotation.logs_in(base)


def test_killed_after_sending_and_run_again(
    rotation: Rotation, secrets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = rotation.ensure(secrets[1])

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("aep_provider.operators.connection.test_connection", die)
        with pytest.raises(KeyboardInterrupt):
            rotation.ensure(secrets[2], if_exists="update")
    assert rotation.ensure(secrets[2], if_exists="update") == base
    assert rotation.logs_in(base)
    assert rotation.of_ours() == [rotation.name]


def test_a_trial_left_behind_is_cleared_away_and_nothing_else(
    rotation: Rotation, secrets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rotation.ensure(secrets[1])

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("aep_provider.resources.connection.test_connection", die)
        patch.setattr("aep_provider.resources.flow_service.delete", die)
        with pytest.raises(KeyboardInterrupt):
            rotation.ensure(secrets[2], if_exists="update")
    trial, ours = sorted(rotation.of_ours(), key=len, reverse=True)
    assert ours == rotation.name
    auth = {"specName": "Basic Authentication", "params": {"endpoint": "x", "username": "x", "password": "x-secret"}}
    spec = {"id": "eb13cb25-47ab-407f-ba89-c0125281c563"}
    theirs = {"name": trial, "connectionSpec": spec, "auth": auth, "description": "by hand"}
    flow_service.create(rotation.client, "connections", theirs)
    rotation.ensure(secrets[2], if_exists="update")
    assert sorted(rotation.of_ours()) == sorted([rotation.name, trial])


def test_the_trial_of_the_longest_name_is_no_longer(rotation: Rotation, secrets: list[str]) -> None:
    rotation.name = rotation.name.ljust(200, "n")
    rotation.ensure(secrets[1])
    rotation.ensure(secrets[2], if_exists="update")
    names = [
        seen.json["name"] for seen in rotation.wire.seen if seen.method == "POST" and seen.path.endswith("/connections")
    ]
    assert len(names) == 2
    assert max(map(len, names)) == 200
    assert rotation.of_ours() == [rotation.name]
