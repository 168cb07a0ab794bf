"""The step that says where rows land."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aep_provider.links import AepDatasetLink
from aep_provider.operators.base import AepEnsureOperator
from aep_provider.operators.rendered import text
from aep_provider.resources.dataset import Dataset

if TYPE_CHECKING:
    from aep_provider.hooks.aep import AepHook
    from aep_provider.platform.client import AepClient


class AepCreateDatasetOperator(AepEnsureOperator):
    """
    Make sure of a dataset.

    :param name: name of the dataset.
    :param schema_id: ``$id`` of its schema.
    :param tags: for example ``{"unifiedProfile": ["enabled:true"]}``.

    *Idempotency*: the natural key is the name. Only tags can be updated; another schema is an error.

    *XCom*: ``return_value`` is the id of the dataset; ``name``, ``action``, ``created``, ``requests``.
    """

    operator_extra_links = (AepDatasetLink(),)
    link_to = "dataset_id"
    template_fields: Sequence[str] = (*AepEnsureOperator.template_fields, "name", "schema_id", "tags", "description")
    template_fields_renderers = {"tags": "json"}  # noqa: RUF012  Airflow's form

    def __init__(
        self,
        *,
        name: str,
        schema_id: str,
        tags: Mapping[str, Sequence[str]] | None = None,
        description: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.schema_id = schema_id
        self.tags = tags
        self.description = description

    def resource(self, client: AepClient, hook: AepHook) -> Dataset:  # noqa: ARG002
        return Dataset(
            client, name=self.name, schema_id=self.schema_id, tags=self.tags, description=text(self.description)
        )
