"""The step that ties a dataset to the data lake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aep_provider.operators.base import AepEnsureOperator
from aep_provider.operators.rendered import text
from aep_provider.resources.target_connection import TargetConnection

if TYPE_CHECKING:
    from aep_provider.hooks.aep import AepHook
    from aep_provider.platform.client import AepClient


class AepCreateTargetConnectionOperator(AepEnsureOperator):
    """
    Make sure of a target connection: the dataset that a flow lands in.

    :param name: name of the target connection.
    :param dataset_id: id of the dataset.
    :param schema_id: ``$id`` of the dataset's schema.

    *Idempotency*: the natural key is the name. A flow freezes its target connection, so another definition of the same
    name is an error also with ``if_exists="update"``.

    *XCom*: ``return_value`` is the id; ``name``, ``etag``, ``action``, ``created``, ``requests``.
    """

    template_fields: Sequence[str] = (
        *AepEnsureOperator.template_fields,
        "name",
        "dataset_id",
        "schema_id",
        "description",
    )

    def __init__(
        self, *, name: str, dataset_id: str, schema_id: str, description: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.dataset_id = dataset_id
        self.schema_id = schema_id
        self.description = description

    def resource(self, client: AepClient, hook: AepHook) -> TargetConnection:  # noqa: ARG002
        return TargetConnection(
            client,
            name=self.name,
            dataset_id=self.dataset_id,
            schema_id=self.schema_id,
            description=text(self.description),
        )
