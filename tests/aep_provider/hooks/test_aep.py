"""From an Airflow connection to a client of AEP, and to generic HTTP operators."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.http.operators.http import HttpOperator

from aep_provider.errors import AepConfigError
from aep_provider.hooks.aep import AepHook

LIST = "/data/foundation/flowservice/connections"


@pytest.fixture
def define(set_connection: Callable[..., None], aep: Any, org: str) -> Callable[..., None]:
    """Define ``aep_default`` anew, with changes."""

    def change(extra: dict[str, Any] | None = None, **fields: Any) -> None:
        extras = {"ims_org_id": org, "sandbox": "prod", "token_url": f"{aep.url}/ims/token/v3", **(extra or {})}
        values = {"conn_type": "aep", "host": aep.url, "login": "tester", "password": "p8e-client-secret-0123456789"}
        kept = {key: value for key, value in extras.items() if value is not None}
        set_connection("aep_default", **{**values, **fields, "extra": json.dumps(kept)})

    return change


class TestSettings:
    def test_every_field_of_the_form_arrives(self, define: Callable[..., None]) -> None:
        define({"sandbox": "stage", "scopes": "openid"}, host="https://platform-va7.adobe.io")
        settings = AepHook().settings
        assert (settings.gateway, settings.sandbox, settings.scopes) == (
            "https://platform-va7.adobe.io",
            "stage",
            "openid",
        )
        assert settings.client_id == "tester"

    def test_another_sandbox_may_be_asked_for(self, define: Callable[..., None]) -> None:
        define()
        assert AepHook(sandbox="dev").settings.sandbox == "dev"

    def test_without_a_host_it_is_adobes_own_gateway(self, define: Callable[..., None]) -> None:
        define({"token_url": None}, host=None)
        assert AepHook().settings.gateway == "https://platform.adobe.io"
        assert AepHook().settings.token_url.startswith("https://ims-na1.adobelogin.com/")

    @pytest.mark.parametrize(
        ("fields", "gateway"),
        [
            ({"host": "platform-va7.adobe.io"}, "https://platform-va7.adobe.io"),
            ({"host": "platform-va7.adobe.io", "port": 8443}, "https://platform-va7.adobe.io:8443"),
            ({"host": "127.0.0.1", "schema": "http", "port": 8765}, "http://127.0.0.1:8765"),
            ({"host": "https://platform-va7.adobe.io:99", "port": 8443}, "https://platform-va7.adobe.io:99"),
        ],
    )
    def test_a_gateway_however_it_was_typed(
        self, define: Callable[..., None], fields: dict[str, Any], gateway: str
    ) -> None:
        define(**fields)
        assert AepHook().settings.gateway == gateway

    @pytest.mark.parametrize(
        ("extra", "fields", "told"),
        [
            ({}, {"host": "http://platform.adobe.io"}, "gateway: must begin with https"),
            ({}, {"host": "https://user:pass@platform.adobe.io"}, "must not contain a user"),
            ({}, {"host": "https://platform.adobe.io/path"}, "must not have a path"),
            ({}, {"host": "https://platform.adobe.io:port"}, "is not a URL"),
            ({"token_url": "https://evil.example/token"}, {}, "token_url: must be on adobelogin.com"),
            ({"sandbox": "Prod"}, {}, "sandbox"),
            ({"sandbox": 5}, {}, "sandbox"),
            ({"ims_org_id": None}, {}, "ims_org_id"),
            ({}, {"login": None}, "client_id"),
            ({}, {"password": None}, "client_secret or a ready access_token"),
        ],
    )
    def test_what_is_wrong_is_told_without_secrets(
        self, define: Callable[..., None], extra: dict[str, Any], fields: dict[str, Any], told: str, secrets: list[str]
    ) -> None:
        define(extra, **fields)
        with pytest.raises(AepConfigError, match=told.replace(".", r"\.")) as refused:
            _ = AepHook().settings
        assert "\n" not in str(refused.value)
        assert not [secret for secret in (*secrets, "user:pass") if secret in repr(refused.value)]

    def test_all_that_is_wrong_is_told_at_once(self, define: Callable[..., None]) -> None:
        define({"ims_org_id": None, "sandbox": "Not Lower"}, login=None)
        with pytest.raises(AepConfigError) as refused:
            _ = AepHook().settings
        assert all(field in str(refused.value) for field in ("ims_org_id", "sandbox", "client_id"))

    def test_a_configured_token_host_is_allowed(
        self, define: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__AEP__ALLOWED_TOKEN_HOSTS", "ims.corp.example, other.example")
        define({"token_url": "https://ims.corp.example/token"})
        assert AepHook().settings.token_url == "https://ims.corp.example/token"

    def test_a_ready_token_is_used_instead_of_a_secret(
        self, define: Callable[..., None], aep: Any, platform: Any
    ) -> None:
        define()
        with AepHook() as hook:
            hook.client.get(LIST, params={"limit": "1"})
        token = next(seen for seen in aep.seen if "authorization" in seen.headers).headers["authorization"].split()[1]
        aep.seen.clear()
        define({"access_token": token, "token_url": None}, password=None)
        with AepHook() as hook:
            hook.client.get(LIST, params={"limit": "1"})
        assert [seen.path for seen in aep.seen] == [LIST]


class TestMasking:
    """Airflow masks what it is told of, should anybody else log it."""

    def test_the_secrets_of_the_connection(
        self, define: Callable[..., None], masked: list[str], secrets: list[str]
    ) -> None:
        define({"access_token": "eyJ-a-ready-token"})
        _ = AepHook().settings
        assert all(secret in masked for secret in (secrets[0], "eyJ-a-ready-token"))

    def test_the_secrets_of_the_source(self, aep: Any, masked: list[str], secrets: list[str]) -> None:
        AepHook().source_login("aep_source_servicenow")
        assert secrets[1] in masked

    def test_what_is_secret_in_the_extras_of_the_source(self, set_connection: Any, masked: list[str]) -> None:
        """By name Airflow would take a connection string for harmless."""
        extra = {
            "connection_string": "Server=db;Pwd=x1",
            "environmentUrl": "https://acme.example",
            "apiVersion": "60.0",
        }
        set_connection("aep_source_db", conn_type="generic", extra=json.dumps(extra))
        assert AepHook().source_login("aep_source_db").value("connectionString") == "Server=db;Pwd=x1"
        assert "Server=db;Pwd=x1" in masked
        assert "https://acme.example" not in masked


class TestTestConnection:
    def test_a_good_one(self, aep: Any) -> None:
        good, message = AepHook().test_connection()
        assert good
        assert message.startswith("Token, organisation, sandbox prod and permissions are right")

    @pytest.mark.parametrize(
        ("extra", "fields", "told"),
        [
            ({"sandbox": "nowhere"}, {}, "The test of the sandbox failed (right: token, gateway, organisation). "),
            ({"sandbox": "No Such"}, {}, "lower case"),
            ({"access_token": "eyJ-not-a-token"}, {"password": None}, "access_token may have expired"),
            (
                {},
                {"host": "http://127.0.0.1:9"},
                "The test of the gateway failed (right: token). AEP could not be reached",
            ),
            (
                {"token_url": "http://127.0.0.1:9/ims"},
                {"login": "never-asked-before"},
                "identity service gave no answer",
            ),
        ],
        ids=["unknown sandbox", "malformed", "wrong token", "unreachable", "unreachable identity service"],
    )
    def test_what_is_wrong_is_told_apart(
        self, define: Callable[..., None], extra: dict[str, Any], fields: dict[str, Any], told: str,
        no_waits: None, secrets: list[str],
    ) -> None:  # fmt: skip
        define(extra, **fields)
        good, message = AepHook().test_connection()
        assert not good
        assert told in message
        assert "\n" not in message
        assert not [secret for secret in (*secrets, "eyJ-not-a-token") if secret in message]

    def test_a_wrong_secret(self, strict_platform: Any, define: Callable[..., None], secrets: list[str]) -> None:
        urls = {"token_url": f"{strict_platform.url}/ims/token/v3", "ims_org_id": "ACME@AdobeOrg"}
        define(urls, host=strict_platform.url, login="robot", password=secrets[0])
        assert AepHook().test_connection()[0]
        define(urls, host=strict_platform.url, login="robot", password="wrong-secret")
        good, message = AepHook().test_connection()
        assert (good, "wrong-secret" in message) == (False, False)
        assert message.startswith("The test of the token failed. Adobe's identity service refused")
        assert "client secret" in message

    @pytest.mark.parametrize(
        ("changes", "login", "told"),
        [
            (
                {"ims_org_id": "OTHER@AdobeOrg"},
                "robot",
                ["the organisation failed (right: token, gateway)", "ims_org_id"],
            ),
            (
                {"sandbox": "dev"},
                "robot",
                ["the sandbox failed (right: token, gateway, organisation)", "not its title"],
            ),
            (
                {"sandbox": "stage"},
                "reader",
                ["the permissions failed", "read sources, schemas, datasets", "FLOW-2121"],
            ),
            (
                {},
                "reader",
                ["the permissions failed", "Not allowed to read datasets: ", "product profile"],
            ),
        ],
        ids=["another organisation", "no such sandbox", "sandbox denied", "no permissions"],
    )
    def test_each_door_is_tried(
        self, strict_platform: Any, define: Callable[..., None], secrets: list[str], changes: dict[str, str], login: str,
        told: list[str], no_waits: None,
    ) -> None:  # fmt: skip
        extra = {"token_url": f"{strict_platform.url}/ims/token/v3", "ims_org_id": "ACME@AdobeOrg"} | changes
        define(extra, host=strict_platform.url, login=login, password=secrets[0])
        good, message = AepHook().test_connection()
        assert not good
        assert not [words for words in told if words not in message], message
        assert "\n" not in message

    def test_it_never_raises(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AIRFLOW_CONN_AEP_DEFAULT", raising=False)
        good, message = AepHook("no_such_connection").test_connection()
        assert not good
        assert message

    def test_it_asks_little(self, aep: Any) -> None:
        AepHook().test_connection()
        assert {seen.method for seen in aep.seen if seen.path.startswith("/data/")} == {"GET"}
        assert len([seen for seen in aep.seen if seen.path.startswith("/data/")]) == 4


class TestSourceLogin:
    def test_endpoint_and_credentials_come_together(self, aep: Any) -> None:
        login = AepHook().source_login("aep_source_servicenow")
        assert (login.host, login.login, login.password) == (
            "https://dev1.service-now.example", "ann", "hunter2-of-the-source",
        )  # fmt: skip
        assert "hunter2" not in repr(login)

    @pytest.mark.parametrize(
        "conn_id", ["aep_default", "AEP_SOURCE_X", "source_aep_source_x", "", " aep_source_servicenow"]
    )
    def test_other_connections_are_never_read(self, aep: Any, conn_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(AepHook, "get_connection", _never)
        with pytest.raises(AepConfigError, match="aep_source_"):
            AepHook().source_login(conn_id)

    def test_the_prefix_is_configurable(self, aep: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__AEP__SOURCE_CONNECTION_PREFIX", "crm_")
        with pytest.raises(AepConfigError, match="'crm_'"):
            AepHook().source_login("aep_source_servicenow")


def _never(*_: Any) -> Any:
    raise AssertionError("a connection was read")


class TestGenericHttpOperators:
    def test_a_plain_one_works(self, aep: Any, task: Any, org: str) -> None:
        operator = HttpOperator(
            task_id="t", http_conn_id="aep_default", endpoint=f"{LIST}?limit=1", method="GET", log_response=True
        )
        assert json.loads(task(operator).run()) == {"items": [], "_links": {}}
        request = aep.seen[-1]
        assert request.headers["x-gw-ims-org-id"] == org
        assert request.headers["authorization"].startswith("Bearer ")

    def test_no_extra_becomes_a_header_and_no_secret_leaves(
        self, define: Callable[..., None], aep: Any, task: Any, secrets: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        define(
            {
                "x-evil": "1",
                "verify": False,
                "allow_redirects": True,
                "stream": True,
                "proxies": {"http": "http://127.0.0.1:9"},
            }
        )
        with caplog.at_level(logging.DEBUG):
            task(HttpOperator(task_id="t", http_conn_id="aep_default", endpoint=LIST, method="GET")).run()
        (request,) = [seen for seen in aep.seen if seen.path == LIST]
        assert not {"x-evil", "verify", "ims_org_id", "sandbox", "token_url", "scopes"} & set(request.headers)
        assert not [secret for secret in secrets if secret in json.dumps(request.headers) or secret in caplog.text]

    def test_a_foreign_address_gets_no_token(self, aep: Any, make_wire: Any, platform: Any) -> None:
        """The wire of somebody else: another origin than the connection's."""
        other = make_wire(platform)
        with AepHook().get_conn() as session:
            assert session.get(f"{other.url}{LIST}").status_code == 403
        assert "authorization" not in other.seen[-1].headers

    def test_requests_are_timed(self, aep: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        with AepHook().get_conn() as session:
            adapter = session.get_adapter(f"{aep.url}/")
            assert adapter._timeout == (10, 60)
