"""The step that says which column goes to which field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepConfigError
from aep_provider.operators.base import AepEnsureOperator
from aep_provider.operators.rendered import listed, text
from aep_provider.resources.columns import check_columns
from aep_provider.resources.mapping import TENANT_PLACEHOLDER, derive_mappings, normal_mappings
from aep_provider.resources.mapping_set import MappingSet
from aep_provider.resources.schema import resolved, tenant_id
from aep_provider.resources.xdm import DerivedFields, field_paths

if TYPE_CHECKING:
    from aep_provider.hooks.aep import AepHook
    from aep_provider.platform.client import AepClient


class AepCreateMappingSetOperator(AepEnsureOperator):
    """
    Make sure of a mapping set: which source column goes to which XDM path.

    :param schema_id: ``$id`` of the target schema.
    :param mappings: in either dialect of AEP; ``{TENANT_ID}`` in a destination stands for the organisation's own.
    :param columns: in AEP's own form; mappings are derived from them where none are given.
    :param table: the table that derived fields of the schema are called after.

    *Idempotency*: the natural key is the content: the same mappings to the same schema are the same set.

    *XCom*: ``return_value`` is the id; ``name``, ``action``, ``created``, ``requests``.
    """

    template_fields: Sequence[str] = (*AepEnsureOperator.template_fields, "schema_id", "mappings", "columns", "table")
    template_fields_renderers = {"mappings": "json", "columns": "json"}  # noqa: RUF012  Airflow's form

    def __init__(
        self,
        *,
        schema_id: str,
        mappings: Sequence[Mapping[str, Any]] | None = None,
        columns: Sequence[Any] | None = None,
        table: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.schema_id = schema_id
        self.mappings = mappings
        self.columns = columns
        self.table = table

    def resource(self, client: AepClient, hook: AepHook) -> MappingSet:  # noqa: ARG002
        return MappingSet(client, schema_id=self.schema_id, mappings=self._mappings(client))

    def _mappings(self, client: AepClient) -> Sequence[Mapping[str, Any]]:
        mappings, columns = listed(self.mappings, "mappings"), listed(self.columns, "columns")
        if mappings is not None:
            tenant = tenant_id(client) if TENANT_PLACEHOLDER in str(mappings) else None
            return normal_mappings(mappings, tenant)
        if columns is None:
            raise AepConfigError("A mapping set needs mappings, or columns to derive them from.")
        columns = check_columns(columns)
        fields = field_paths(resolved(client, "schemas", self.schema_id))
        table = text(self.table)
        derived = DerivedFields(tenant_id(client), table, columns).paths() if table else {}
        there = {column: path for column, path in derived.items() if path in fields}
        return derive_mappings(columns, fields, there)
