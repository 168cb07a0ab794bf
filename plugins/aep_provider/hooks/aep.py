"""From an Airflow connection to a client of AEP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson
from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk import conf
from airflow.sdk.log import mask_secret
from requests.adapters import HTTPAdapter

from aep_provider.errors import AepConfigError, AepError
from aep_provider.hooks.turns import AIRFLOW
from aep_provider.platform.auth import AepAuth
from aep_provider.platform.blocking import new_session
from aep_provider.platform.client import AepAsyncClient, AepClient
from aep_provider.platform.settings import AepSettings
from aep_provider.provider_info import DEFAULT_CONN_ID
from aep_provider.resources.access import check_access
from aep_provider.resources.authentication import SourceLogin, is_no_secret

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from requests import Session

# Airflow masks nothing shorter.
_SHORTEST_SECRET = 5
_ATTEMPTS_OF_TEST = 2
_OPTIONAL = ("sandbox", "token_url", "scopes", "access_token", "requests_at_once", "requests_per_second")


class _TimedAdapter(HTTPAdapter):
    """Generic HTTP operators send without a timeout unless their author thought of one."""

    def __init__(self, timeout: tuple[float, float]) -> None:
        super().__init__()
        self._timeout = timeout

    def send(self, request: Any, **options: Any) -> Any:  # type: ignore[override]
        return super().send(request, **{**options, "timeout": options.get("timeout") or self._timeout})


class AepHook(HttpHook):
    """
    Talk to Adobe Experience Platform with the credentials of an Airflow connection of the type ``aep``.

    The hook owns its session: pooled, timed out, authorised for the gateway alone. Extras of the connection never become
    headers. A plain :class:`~airflow.providers.http.operators.http.HttpOperator` works with such a connection as long as it
    is not deferrable.

    :param aep_conn_id: the Airflow connection: login is the client id (also the API key), password the client secret, host
        the gateway, extras are ``ims_org_id``, ``sandbox``, ``token_url``, ``scopes`` and ``access_token``.
    :param sandbox: another sandbox than the connection's.
    :param caller: who asks, for the User-Agent.
    """

    conn_name_attr = "aep_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = "aep"
    hook_name = "Adobe Experience Platform"

    def __init__(
        self,
        aep_conn_id: str = default_conn_name,
        sandbox: str | None = None,
        caller: str = "",
        method: str = "GET",
        **kwargs: Any,
    ) -> None:
        super().__init__(method=method, http_conn_id=aep_conn_id, **kwargs)
        self.aep_conn_id = aep_conn_id
        self.sandbox = sandbox
        self.caller = caller

    @cached_property
    def settings(self) -> AepSettings:
        """
        What the connection says.

        :raises AepConfigError: listing all that is wrong with it.
        """
        connection = self.get_connection(self.aep_conn_id)
        return settings_from(connection, connection.extra_dejson, self.sandbox, self.caller)

    @cached_property
    def client(self) -> AepClient:
        """A client for workers. Close the hook, or use it in a ``with`` block, to close its session."""
        return AepClient(self.settings)

    async def async_client(self, **changes: Any) -> AepAsyncClient:
        """
        Return a client for the triggerer, made without blocking its loop; enter it with ``async with``.

        :param changes: fields of the settings that shall differ, such as ``attempts``.
        """
        connection = await get_async_connection(self.aep_conn_id)
        # In a thread, for masking a secret asks Airflow's supervisor and waits for the answer.
        extra = await get_async_extra_dejson(connection)
        settings = await asyncio.to_thread(settings_from, connection, extra, self.sandbox, self.caller)
        return AepAsyncClient(settings.model_copy(update=changes))

    def close(self) -> None:
        """Close the session, if there is one."""
        if "client" in self.__dict__:
            self.client.close()
            del self.__dict__["client"]

    def __enter__(self) -> AepHook:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def get_conn(self, headers: dict[Any, Any] | None = None, extra_options: dict[str, Any] | None = None) -> Session:
        """Return the hook's own session, for generic HTTP operators; ``extra_options`` cannot weaken it."""
        self.base_url = self.settings.gateway
        self._base_url_initialized = True
        self.merged_extra = {key: value for key, value in (extra_options or {}).items() if key == "check_response"}
        session = new_session()
        session.auth = AepAuth(self.settings)
        timed = _TimedAdapter((self.settings.connect_timeout, self.settings.read_timeout))
        session.mount("https://", timed)
        session.mount("http://", timed)
        if headers:
            session.headers.update(headers)
        return session

    def source_login(self, source_conn_id: str) -> SourceLogin:
        """
        Return endpoint and credentials of a source system from its own Airflow connection.

        Only connections whose id begins with ``[aep] source_connection_prefix`` are read, so that a trigger form cannot send
        the secrets of any other to AEP.

        :raises AepConfigError: if the id does not begin so.
        """
        prefix = conf.get("aep", "source_connection_prefix", fallback="aep_source_")
        if not source_conn_id.startswith(prefix):
            raise AepConfigError(
                f"The source connection {source_conn_id!r} does not begin with {prefix!r}: only such connections may be sent "
                "to AEP. Rename it, or set source_connection_prefix in the section [aep] of Airflow's configuration."
            )
        with AIRFLOW:
            found = self.get_connection(source_conn_id)
            if found.password:
                mask_secret(found.password)
            # Reading the extras masks only those whose names say that they are secret.
            extra = found.extra_dejson
            for field, value in extra.items():
                if isinstance(value, str) and len(value) >= _SHORTEST_SECRET and not is_no_secret(field):
                    mask_secret(value)
        return SourceLogin(source_conn_id, found.host, found.login, found.password, found.schema, found.port, extra)

    def test_connection(self) -> tuple[bool, str]:
        """Try token, organisation, sandbox and permissions one after another, only reading. Never raises."""
        try:
            # Somebody waits before a form, so what fails is not tried for minutes.
            with AepClient(self.settings.model_copy(update={"attempts": _ATTEMPTS_OF_TEST})) as client:
                access = check_access(client)
        except AepError as error:
            return False, str(error)
        except Exception as error:
            return False, f"{type(error).__name__} while testing the connection"
        return access.closed is None, str(access)


def settings_from(connection: Connection, extra: Mapping[str, Any], sandbox: str | None, caller: str) -> AepSettings:
    """
    Return the settings that an Airflow connection holds.

    :raises AepConfigError: listing all that is wrong with it.
    """
    values: dict[str, Any] = {key: extra[key] for key in _OPTIONAL if extra.get(key)}
    for secret in (connection.password, extra.get("access_token")):
        if secret:
            mask_secret(secret)
    if sandbox:
        values["sandbox"] = sandbox
    if connection.host:
        values["gateway"] = _gateway(connection)
    hosts = conf.get("aep", "allowed_token_hosts", fallback="")
    return AepSettings.parse(
        **values,
        ims_org_id=extra.get("ims_org_id") or "",
        client_id=connection.login or "",
        client_secret=connection.password,
        allowed_token_hosts=tuple(host for host in hosts.replace(",", " ").split() if host),
        caller=caller,
    )


def _gateway(connection: Connection) -> str:
    """Host, or scheme, host and port, however they were typed into the form."""
    host = str(connection.host)
    if "://" not in host:
        host = f"{connection.schema or 'https'}://{host}"
    return f"{host}:{connection.port}" if connection.port and urlsplit(host).port is None else host
