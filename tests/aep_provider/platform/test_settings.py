"""What may be set, and which addresses may be sent a token or a secret."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from aep_provider.errors import AepConfigError
from aep_provider.platform.settings import DEFAULT_SCOPES, AepSettings

SECRET = "p8e-client-secret-0123456789"
NEEDED = {"ims_org_id": "1@AdobeOrg", "client_id": "id", "client_secret": SECRET}


def parse(**changes: Any) -> AepSettings:
    return AepSettings.parse(**{**NEEDED, **changes})


def test_defaults_are_adobes() -> None:
    settings = parse()
    assert settings.gateway == "https://platform.adobe.io"
    assert settings.token_url == "https://ims-na1.adobelogin.com/ims/token/v3"
    assert settings.scopes == DEFAULT_SCOPES
    assert settings.sandbox == "prod"
    assert (settings.connect_timeout, settings.read_timeout) == (10, 60)
    assert (settings.attempts, settings.retry_budget_seconds) == (5, 120)


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(AepConfigError) as caught:
        AepSettings.parse(gateway="http://a.b", token_url="https://evil.example", sandbox="Prod", attempts=0, port=1)
    text = str(caught.value)
    for name in ("gateway", "token_url", "ims_org_id", "client_id", "access_token", "sandbox", "attempts", "port"):
        assert f"{name}: " in text
    assert caught.value.final
    assert not caught.value.ambiguous


@pytest.mark.parametrize(
    "changes",
    [
        {"client_secret": f"{SECRET}\r\nX: y"},
        {"client_secret": [SECRET]},
        {"access_token": f"{SECRET} blank"},
        {"gateway": f"https://user:{SECRET}@platform.adobe.io"},
        {"token_url": f"https://ims.adobelogin.com/?client_secret={SECRET}"},
    ],
)
def test_a_mistake_is_told_without_the_secret(changes: dict[str, Any]) -> None:
    with pytest.raises(AepConfigError) as caught:
        parse(**changes)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    with pytest.raises(ValidationError) as raw:
        AepSettings(**{**NEEDED, **changes})
    assert SECRET not in str(raw.value)


def test_secrets_are_not_shown() -> None:
    settings = parse(access_token="eyJtoken-x")
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert SECRET not in text
        assert "eyJtoken" not in text


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        parse().sandbox = "dev"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://platform.adobe.io/", "https://platform.adobe.io"),
        ("platform.adobe.io", "https://platform.adobe.io"),
        (" HTTPS://Platform.Adobe.io:443 ", "https://platform.adobe.io"),
        ("https://gateway.example:8443", "https://gateway.example:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_gateway_is_an_origin(given: str, used: str) -> None:
    assert parse(gateway=given, allowed_token_hosts=["Gateway.example "]).gateway == used


@pytest.mark.parametrize(
    "gateway",
    [
        "",
        "https://",
        "http://platform.adobe.io",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://127.0.0.1@evil.example",
        "http://evil.example#@127.0.0.1",
        "http://evil.example\\@127.0.0.1",
        "http://[::ffff:127.0.0.1]",
        "http://[::2]",
        "http://2130706433",
        "http://127.1",
        "http://0.0.0.0",
        "http://0x7f.0.0.1",
        "http://ⓛocalhost",
        "http://localhost:99999",
        "http://localhost:0",
        "https://user@platform.adobe.io",
        "https://:@platform.adobe.io",
        "https://platform.adobe.io/path",
        "https://evil.example",
        "https://evil-adobe.io",
        "https://adobe.io.evil.example",
        "https://sub.gateway.example",
        "https://platform.adobe.io?x=y",
        "https://platform.adobe.io#",
        "https://plat form.adobe.io",
        "ftp://platform.adobe.io",
        "file:///etc/passwd",
        "https://[::1",
    ],
)
def test_a_gateway_that_is_refused(gateway: str) -> None:
    with pytest.raises(AepConfigError, match="gateway: "):
        parse(gateway=gateway, allowed_token_hosts=("gateway.example",))


@pytest.mark.parametrize(
    "token_url",
    [
        "https://ims-na1.adobelogin.com/ims/token/v3",
        "https://ims-na1-stg1.adobelogin.com/ims/token/v3",
        "https://adobelogin.com/ims/token/v3",
        "https://IMS.AdobeLogin.com/ims/token/v3",
        "http://127.0.0.1:8080/ims/token/v3",
        "https://ims.corp.example/token",
    ],
)
def test_where_the_secret_may_go(token_url: str) -> None:
    assert parse(token_url=token_url, allowed_token_hosts=("IMS.corp.example",)).token_url.lower() == token_url.lower()


@pytest.mark.parametrize(
    "token_url",
    [
        "https://evil.example/ims/token/v3",
        "https://evil-adobelogin.com/ims/token/v3",
        "https://adobelogin.com.evil.example/ims/token/v3",
        "https://ims.adobelogin.com@evil.example/ims/token/v3",
        "https://evil.example\\.adobelogin.com/ims",
        "https://evil.example?.adobelogin.com/ims",
        "https://evil.example#.adobelogin.com",
        "http://ims-na1.adobelogin.com/ims/token/v3",
        "http://ims.corp.example/token",
        "https://sub.ims.corp.example/token",
    ],
)
def test_where_the_secret_may_not_go(token_url: str) -> None:
    with pytest.raises(AepConfigError, match="token_url: "):
        parse(token_url=token_url, allowed_token_hosts=("ims.corp.example",))


@pytest.mark.parametrize("sandbox", ["prod", "dev-2", "0a"])
def test_a_sandbox(sandbox: str) -> None:
    assert parse(sandbox=sandbox).sandbox == sandbox


@pytest.mark.parametrize("sandbox", ["", "Prod", "*", "a b", "a_b", "-a", "a\nb", "a/b"])
def test_a_sandbox_that_is_refused(sandbox: str) -> None:
    with pytest.raises(AepConfigError, match="sandbox: "):
        parse(sandbox=sandbox)


def test_blanks_around_are_a_slip_of_the_clipboard() -> None:
    settings = parse(client_id=" id\n", client_secret=f" {SECRET}\n", ims_org_id=" 1@AdobeOrg ")
    assert (settings.client_id, settings.ims_org_id) == ("id", "1@AdobeOrg")
    assert settings.client_secret is not None
    assert settings.client_secret.get_secret_value() == SECRET


@pytest.mark.parametrize("secret", [None, "", "  "])
def test_a_secret_or_a_token_is_needed(secret: str | None) -> None:
    with pytest.raises(AepConfigError, match="client_secret or a ready access_token"):
        parse(client_secret=secret, access_token="")
    assert parse(client_secret=secret, access_token="eyJtoken-x").client_secret is None


def test_scopes_are_written_one_way() -> None:
    assert parse(scopes="openid, AdobeID  session").scopes == "openid,AdobeID,session"
    with pytest.raises(AepConfigError, match="scopes: "):
        parse(scopes=" , ")


def test_a_caller_cannot_break_the_header() -> None:
    assert parse(caller="airflow\r\nX: é").caller == "airflowX: "
