"""The first step: the credentials of the source system."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aep_provider.operators.base import AepEnsureOperator, publish_outcome
from aep_provider.operators.rendered import text
from aep_provider.resources.authentication import credentials
from aep_provider.resources.connection import BaseConnection, test_connection
from aep_provider.resources.connectors import connector

if TYPE_CHECKING:
    from airflow.sdk import Context

    from aep_provider.hooks.aep import AepHook
    from aep_provider.platform.client import AepClient


class AepCreateConnectionOperator(AepEnsureOperator):
    """
    Make sure of a base connection: the credentials of a source system, kept by AEP.

    Endpoint and credentials come together from a second Airflow connection, which is read when the request is sent and
    never rendered, logged or returned.

    :param source: the source system, for example ``servicenow``.
    :param source_conn_id: the Airflow connection with host (the address), login and password of the source system. Its id
        must begin with ``[aep] source_connection_prefix``, by default ``aep_source_``.
    :param name: name of the base connection, by default made of the two above.
    :param authentication: AEP's name of the way in; by default the first for which the connection has all fields.

    *Idempotency*: the natural key is the name. ``if_exists="update"`` sends the credentials again. They are tested
        either way.

    *XCom*: ``return_value`` is the id of the base connection; ``name``, ``etag``, ``action``, ``created``, ``requests``.

    :raises AirflowFailException: wrong credentials, another definition of the same name, or anything that retrying cannot
        mend; :class:`~aep_provider.errors.AepError` otherwise.
    """

    template_fields: Sequence[str] = (
        *AepEnsureOperator.template_fields,
        "source",
        "source_conn_id",
        "name",
        "authentication",
        "description",
    )

    def __init__(
        self,
        *,
        source: str,
        source_conn_id: str,
        name: str | None = None,
        authentication: str | None = None,
        description: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.source_conn_id = source_conn_id
        self.name = name
        self.authentication = authentication
        self.description = description

    def resource(self, client: AepClient, hook: AepHook) -> BaseConnection:
        system = connector(self.source)
        return BaseConnection(
            client,
            name=text(self.name) or f"{system.title} via {self.source_conn_id}",
            connector=system,
            credentials=credentials(
                client, system, hook.source_login(self.source_conn_id), text(self.authentication) or None
            ),
            description=text(self.description),
        )

    def run_step(self, context: Context, hook: AepHook) -> str:
        outcome = self.ensured(context, self.resource(hook.client, hook))
        publish_outcome(context, outcome)
        # Also one that is there already: an earlier try may have made it and failed here.
        test_connection(hook.client, outcome.id)
        return outcome.id
