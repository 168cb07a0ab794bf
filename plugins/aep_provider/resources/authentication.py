"""From an Airflow connection to the credentials that a source system wants, as AEP's connection specification tells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepAnswerError, AepConfigError
from aep_provider.platform.paging import flow_service_items
from aep_provider.resources.connectors import Connector
from aep_provider.resources.flow_service import path_of
from aep_provider.resources.judging import violations
from aep_provider.resources.names import nearest
from aep_provider.resources.shapes import relied_on

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

# Basic authentication to Salesforce is announced to end in January 2026, so client credentials come first.
_PREFERRED = ("OAuth2 Client Credential",)
_ADDRESS = {"endpoint", "environmentUrl", "host", "server", "url", "serviceUrl", "serviceUri", "domain", "accountName"}
# With the address they tell which system is meant.
_WHICH = {"database", "databaseName", "project", "clientCustomerID"}
_FROM_FIELDS = {
    **dict.fromkeys(_ADDRESS, "host"),
    **dict.fromkeys(("username", "user", "userName", "clientId", "email"), "login"),
    **dict.fromkeys(("password", "clientSecret", "accessToken", "token", "apiKey"), "password"),
    **dict.fromkeys(("database", "databaseName"), "schema"),
    "port": "port",
}


@dataclass(frozen=True)
class SourceLogin:
    """What the second Airflow connection holds: where a source system is, and how to get in."""

    conn_id: str
    host: str | None = None
    login: str | None = None
    password: str | None = None
    schema: str | None = None
    port: int | None = None
    extra: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        return f"SourceLogin({self.conn_id!r})"

    def value(self, field: str) -> Any:
        """Return what the connection has for a field of AEP: an extra of its name, in snake case too, or a standard field."""
        extra = self.extra or {}
        for key in (field, _snake_case(field)):
            if extra.get(key) not in (None, ""):
                return extra[key]
        return getattr(self, _FROM_FIELDS[field]) if field in _FROM_FIELDS else None


@dataclass(frozen=True)
class Credentials:
    """
    What goes into ``auth`` of a base connection.

    :param address: names of the fields that say which system is meant; they are no secrets, and only they are compared.
    """

    spec_name: str
    params: Mapping[str, Any]
    address: Sequence[str]

    def __repr__(self) -> str:
        return f"Credentials({self.spec_name!r})"


def credentials(
    client: AepClient, connector: Connector, login: SourceLogin, authentication: str | None = None
) -> Credentials:
    """
    Return the credentials for a base connection, by the way in that AEP's connection specification describes.

    :param authentication: AEP's name of the way in; by default the first for which the connection has all fields.
    :raises AepConfigError: if there is no such way in, or the connection lacks fields for it, all of them in one message.
    """
    ways = sorted(_ways_in(client, connector), key=lambda way: way.get("name") not in _PREFERRED)
    if authentication:
        names = [str(way.get("name")) for way in ways]
        if authentication not in names:
            raise AepConfigError(
                f"{connector.title} has no authentication {authentication!r} (AEP would answer 1415)."
                + nearest(authentication, names)
            )
        ways = [way for way in ways if way.get("name") == authentication]
    lacking = []
    for way in ways:
        schema = way.get("spec") or {}
        params = _params(schema, login)
        missing = [field for field in schema.get("required") or [] if field not in params]
        if not missing:
            return _checked(way, params, connector, login)
        lacking.append(f"{way.get('name')} needs {', '.join(missing)}")
    raise AepConfigError(
        f"The Airflow connection {login.conn_id!r} lacks fields for {connector.title}: {'; or '.join(lacking)} (AEP would "
        "answer 1304). Host is the address, login and password are the account; anything else is an extra of AEP's name."
    )


def is_no_secret(field: str) -> bool:
    """Whether a field, in AEP's spelling or in snake case, only says which system is meant."""
    return field in _ADDRESS | _WHICH or field in map(_snake_case, _ADDRESS | _WHICH)


def _ways_in(client: AepClient, connector: Connector) -> list[dict[str, Any]]:
    filters = [("property", f"id=={connector.spec_id}")]
    for item in flow_service_items(client, path_of("connectionSpecs"), filters):
        if item.get("id") == connector.spec_id:
            ways: list[dict[str, Any]] = relied_on(item, "connectionSpecs").get("authSpec") or []
            if ways:
                return ways
            raise AepAnswerError(f"AEP's connection specification of {connector.title} describes no way to log in.")
    raise AepConfigError(
        f"AEP has no connection specification of {connector.title} ({connector.spec_id}) in this organisation: ask Adobe "
        "whether the source was retired."
    )


def _params(schema: Mapping[str, Any], login: SourceLogin) -> dict[str, Any]:
    found = {field: login.value(field) for field in schema.get("properties") or {}}
    return {field: value for field, value in found.items() if value not in (None, "")}


def _checked(way: Mapping[str, Any], params: dict[str, Any], connector: Connector, login: SourceLogin) -> Credentials:
    """Messages of the validator hold the values, so only the fields are named."""
    found = violations(way.get("spec") or {}, params, f"{connector.title}'s {way.get('name')}")
    wrong = sorted({str(error.path[0]) for error in found if error.path})
    if wrong:
        raise AepConfigError(
            f"In the Airflow connection {login.conn_id!r}, {', '.join(wrong)} is not what {connector.title} takes with "
            f"{way.get('name')}."
        )
    return Credentials(str(way.get("name")), params, [field for field in params if is_no_secret(field)])


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()
