"""Why a plan cannot be made: each reason is an error of its own, and says what to do."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from aep_provider.dataflows.survey import look_around
from aep_provider.errors import (
    AepAuthenticationError,
    AepConnectError,
    AepError,
    AepPermissionError,
    AepSandboxError,
)
from aep_provider.resources.authentication import SourceLogin

from ..conftest import Platform
from .estate import CLIENT_SECRET, PASSWORD, SERVICENOW_HOST, Estate, Line, dataflow, serve_estate

ORGANISATION = "ACME@AdobeOrg"
SERVICES = ("sources", "schemas", "datasets", "mappings")
READING: dict[str, Any] = {service: ["read"] for service in SERVICES}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that knows who may do what."""
    folder = tmp_path_factory.mktemp("strict")
    permissions = {"all": {}, "reader": READING} | {f"no-{one}": READING | {one: []} for one in SERVICES}
    permissions["prod-only"] = {"sandboxes": ["prod"]}
    login = {"endpoint": SERVICENOW_HOST, "username": "ann", "password": PASSWORD}
    accounts = {
        "organisations": [{"id": ORGANISATION, "sandboxes": ["prod", "dev"]}],
        "clients": [
            {"id": name, "secret": CLIENT_SECRET, "organisation": ORGANISATION, "permissions": each}
            for name, each in permissions.items()
        ],
        "source_credentials": [{"connector": "service-now", "params": login}],
    }
    (folder / "accounts.json").write_text(json.dumps(accounts))
    running = serve_estate(folder / "aep", "--time-scale", "0.001", "--accounts", str(folder / "accounts.json"))
    yield running
    running.end()


def told(platform: Platform, **account: Any) -> AepError:
    """Why there is no plan."""
    estate = Estate(platform, ORGANISATION, account={"client_id": "all", **account})
    line = Line()
    with line.open(), pytest.raises(AepError) as refused:
        estate.plan(dataflow())
    assert line.only_reads
    assert CLIENT_SECRET not in str(refused.value)
    return refused.value


@pytest.mark.parametrize("service", SERVICES)
def test_a_permission_is_missing(platform: Platform, service: str) -> None:
    error = told(platform, client_id=f"no-{service}")
    assert type(error) is AepPermissionError
    names = {"sources": "Enterprise Source", "schemas": "Schemas", "datasets": "Datasets", "mappings": "Mapping Sets"}
    assert f"view denied on {names[service]}" in str(error)
    assert "Give the technical account this permission in its product profile" in str(error)


def test_reading_is_all_that_a_plan_needs(platform: Platform) -> None:
    """Who may only read gets the same plan, and the first thing that an apply would make is refused."""
    Estate(platform, ORGANISATION, account={"client_id": "all", "sandbox": "dev"}).apply(dataflow(2))
    reader = Estate(platform, ORGANISATION, account={"client_id": "reader", "sandbox": "dev"})
    with reader.look([dataflow(), dataflow(2)]) as looked:
        assert (looked.plan.has_work, looked.plan.errors) == (True, [])
        failed = looked.apply().failed
    assert list(failed) == [dataflow().name]
    assert "manage denied on" in failed[dataflow().name]


def test_the_sandbox_is_not_there(platform: Platform) -> None:
    error = told(platform, sandbox="stag")
    assert type(error) is AepSandboxError
    assert "sandbox stag not found" in str(error)
    assert "Check the sandbox: its name in lower case, not its title, and the account's access to it" in str(error)


def test_the_sandbox_is_closed_to_the_account(platform: Platform) -> None:
    error = told(platform, client_id="prod-only", sandbox="dev")
    assert type(error) is AepPermissionError
    assert "access denied on sandbox dev" in str(error)
    assert "for this sandbox too" in str(error)


def test_a_token_has_expired(platform: Platform) -> None:
    """One that somebody put into the connection, and that cannot be renewed."""
    error = told(platform, client_secret=None, access_token="eyJ-of-yesterday")
    assert type(error) is AepAuthenticationError
    assert "401013" in str(error)
    assert "a ready access_token may have expired" in str(error)
    assert "of-yesterday" not in str(error)


@pytest.mark.parametrize("account", [{"client_secret": "another-secret-0123"}, {"client_id": "nobody"}])
def test_the_account_is_not_known(platform: Platform, account: dict[str, str]) -> None:
    error = told(platform, **account)
    assert type(error) is AepAuthenticationError
    assert "Adobe's identity service refused" in str(error)
    assert "Check login (client id), password (client secret), scopes and ims_org_id" in str(error)


def test_a_token_that_is_revoked_is_renewed(platform: Platform) -> None:
    """That is no error at all, as long as the account may have another."""
    estate = Estate(platform, ORGANISATION, account={"client_id": "all"})
    with estate.process() as client:
        look_around(client, estate.login)
        with closing(sqlite3.connect(platform.state / "platform.db")) as store, store:
            assert store.execute("DELETE FROM documents WHERE kind = 'tokens'").rowcount
        assert look_around(client, estate.login).inventory.documents


@pytest.mark.parametrize("what", ["gateway", "token_url"])
def test_a_host_cannot_be_reached(platform: Platform, what: str) -> None:
    """It is named, and so is the reason."""
    nowhere = "http://127.0.0.1:9"
    error = told(platform, **{what: nowhere if what == "gateway" else f"{nowhere}/ims/token/v3"})
    assert type(error) is AepConnectError
    who = "AEP could not be reached" if what == "gateway" else "Adobe's identity service gave no answer"
    assert f"{who} (127.0.0.1: ConnectionRefusedError: Connection refused)" in str(error)


def test_the_source_system_does_not_let_us_in(platform: Platform) -> None:
    """What is wrong with one dataflow stands in the plan, beside those that are right."""
    Estate(platform, ORGANISATION, account={"client_id": "all"}).apply(dataflow())
    wrong = Estate(
        platform, ORGANISATION, account={"client_id": "all"},
        login=lambda conn_id: SourceLogin(conn_id, SERVICENOW_HOST, "ann", None),
    )  # fmt: skip
    ((name, why),) = wrong.plan(dataflow(policy={"partial_ingestion_percent": 9})).plan.errors
    assert (name, "lacks fields for ServiceNow: Basic Authentication needs password" in why) == (dataflow().name, True)
