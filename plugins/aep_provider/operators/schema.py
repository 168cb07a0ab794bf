"""The step that says what rows look like in AEP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepConfigError
from aep_provider.operators.base import XCOM_ACTION, XCOM_CREATED, AepEnsureOperator, publish, publish_outcome
from aep_provider.operators.rendered import listed, text, truth
from aep_provider.resources.columns import check_columns
from aep_provider.resources.resource import Action
from aep_provider.resources.schema import PROFILE_CLASS, DerivedFieldGroup, Schema, existing_schema, tenant_id
from aep_provider.resources.target import SchemaChoice

if TYPE_CHECKING:
    from airflow.sdk import Context

    from aep_provider.hooks.aep import AepHook

XCOM_FIELD_GROUP = "field_group_id"
XCOM_FIELD_GROUP_ACTION = "field_group_action"


class AepCreateSchemaOperator(AepEnsureOperator):
    """
    Make sure of a target schema: an existing one, or a class with field groups, one of them derived from a table's columns.

    :param schema: title or ``$id`` of an existing schema; then the rest is not looked at.
    :param title: title of the schema to compose.
    :param schema_class: ``$id`` of its class, or its last part (``profile``, ``experienceevent``).
    :param field_groups: ``$id`` or last part of each standard field group.
    :param derive_fields: whether a field group ``<title> columns`` with one field ``_{tenant}.{table}.{column}`` for each of
        ``columns`` is made and added.
    :param table: the table that the derived fields are called after.
    :param columns: columns in AEP's own form.

    *Idempotency*: the natural key is the title, unique in AEP over schemas and field groups. A schema is never changed.

    *XCom*: ``return_value`` is the schema's ``$id``; ``name``, ``action``, ``created``, ``field_group_id``,
    ``field_group_action``, ``requests``.
    """

    template_fields: Sequence[str] = (
        *AepEnsureOperator.template_fields,
        "schema",
        "title",
        "schema_class",
        "field_groups",
        "derive_fields",
        "table",
        "columns",
        "description",
    )
    template_fields_renderers = {"columns": "json", "field_groups": "json"}  # noqa: RUF012  Airflow's form

    def __init__(
        self,
        *,
        schema: str | None = None,
        title: str | None = None,
        schema_class: str = PROFILE_CLASS,
        field_groups: Sequence[str] = (),
        derive_fields: bool = True,
        table: str | None = None,
        columns: Sequence[Any] | None = None,
        description: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.schema = schema
        self.title = title
        self.schema_class = schema_class
        self.field_groups = field_groups
        self.derive_fields = derive_fields
        self.table = table
        self.columns = columns
        self.description = description

    def run_step(self, context: Context, hook: AepHook) -> str:
        choice = SchemaChoice(
            text(self.schema),
            text(self.title),
            text(self.schema_class) or PROFILE_CLASS,
            listed(self.field_groups, "field_groups") or (),
            truth(self.derive_fields, "derive_fields") is not False,
        )
        choice.check()
        if choice.existing:
            schema_id = existing_schema(hook.client, choice.existing)
            publish(context, **{"name": choice.existing, XCOM_ACTION: Action.REUSED.value, XCOM_CREATED: False})
            return schema_id
        class_id, field_groups = choice.parts()
        if choice.derive:
            field_groups.append(self._derived_field_group(context, hook, choice, class_id))
        outcome = self.ensured(
            context,
            Schema(
                hook.client,
                title=str(choice.title),
                class_id=class_id,
                field_groups=field_groups,
                description=text(self.description),
            ),
        )
        publish_outcome(context, outcome)
        return outcome.id

    def _derived_field_group(self, context: Context, hook: AepHook, choice: SchemaChoice, class_id: str) -> str:
        columns = listed(self.columns, "columns")
        if not columns:
            raise AepConfigError("derive_fields needs columns to make fields of: give them, or switch it off.")
        fields = choice.derived(tenant_id(hook.client), text(self.table) or str(choice.title), check_columns(columns))
        assert fields is not None  # noqa: S101  the choice derives
        group = DerivedFieldGroup(hook.client, title=choice.group_title, class_id=class_id, fields=fields)
        outcome = self.ensured(context, group)
        publish(context, **{XCOM_FIELD_GROUP: outcome.id, XCOM_FIELD_GROUP_ACTION: outcome.action.value})
        return outcome.id
