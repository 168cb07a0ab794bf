"""The source systems that we know: how AEP calls each, and how an Airflow connection becomes its credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aep_provider.errors import AepConfigError
from aep_provider.resources.names import nearest

DATA_LAKE_SPEC_ID = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
TABULAR_FLOW_SPEC = "CRMToAEP"


@dataclass(frozen=True)
class SourceLogin:
    """What the second Airflow connection holds: where a source system is, and how to get in."""

    conn_id: str
    host: str | None
    login: str | None
    password: str | None
    extra: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"SourceLogin({self.conn_id!r})"


@dataclass(frozen=True)
class Authentication:
    """One way into a source system."""

    spec_name: str
    """``auth.specName``."""
    params: Callable[[SourceLogin], dict[str, Any]]
    """From a login to ``auth.params``; None where the login has no value."""
    address: tuple[str, ...]
    """The fields that are no secret and say which system is meant; only these are compared."""


@dataclass(frozen=True)
class Connector:
    """A tabular source of AEP."""

    key: str
    title: str
    spec_id: str
    authentications: tuple[Authentication, ...]
    date_format: str = "yyyy-MM-dd HH:mm:ss"
    """How the delta column's values are written."""

    def authentication(self, spec_name: str | None) -> Authentication:
        """Return the named way in, by default the first."""
        if spec_name is None:
            return self.authentications[0]
        for authentication in self.authentications:
            if authentication.spec_name == spec_name:
                return authentication
        raise AepConfigError(
            f"{self.title} has no authentication {spec_name!r} (AEP would answer 1415)."
            + nearest(spec_name, (one.spec_name for one in self.authentications))
        )

    def auth_params(self, authentication: Authentication, login: SourceLogin) -> dict[str, Any]:
        """
        Return ``auth.params`` for a base connection.

        :raises AepConfigError: if the Airflow connection lacks a field, all that it lacks in one message.
        """
        params = authentication.params(login)
        missing = [field for field, value in params.items() if value in (None, "")]
        if missing:
            raise AepConfigError(
                f"The Airflow connection {login.conn_id!r} lacks {', '.join(missing)} for {self.title} with "
                f"{authentication.spec_name}: host is the address, login and password are the account."
            )
        return params


def _servicenow(login: SourceLogin) -> dict[str, Any]:
    return {"endpoint": login.host, "username": login.login, "password": login.password}


CONNECTORS: dict[str, Connector] = {
    connector.key: connector
    for connector in (
        Connector(
            key="servicenow",
            title="ServiceNow",
            spec_id="eb13cb25-47ab-407f-ba89-c0125281c563",
            authentications=(Authentication("Basic Authentication", _servicenow, address=("endpoint",)),),
        ),
    )
}


def connector(key: object) -> Connector:
    """
    Return the connector that users call ``key``.

    :raises AepConfigError: if there is none of this name.
    """
    if isinstance(key, str) and key in CONNECTORS:
        return CONNECTORS[key]
    raise AepConfigError(f"There is no source {key!r}.{nearest(str(key), CONNECTORS)}")
