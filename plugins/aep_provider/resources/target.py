"""Which schema rows land in: one that is there, or one composed for them; and the fields it has, or will have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aep_provider.errors import AepConfigError
from aep_provider.resources import schema
from aep_provider.resources.columns import Column
from aep_provider.resources.facts import Facts
from aep_provider.resources.names import check_name
from aep_provider.resources.xdm import DerivedFields, field_paths


@dataclass(frozen=True)
class SchemaChoice:
    """
    The schema that a dataflow lands in.

    :param existing: title or ``$id`` of a schema that is there; then nothing is composed.
    :param title: title of the schema to compose.
    :param schema_class: ``$id`` of its class, or its last part (``profile``, ``experienceevent``).
    :param field_groups: ``$id`` or last part of each field group.
    :param derive: whether a field group with one field for each column is added.
    """

    existing: str | None = None
    title: str | None = None
    schema_class: str = schema.PROFILE_CLASS
    field_groups: Sequence[str] = ()
    derive: bool = True

    def check(self) -> None:
        """
        Check what can be checked without asking AEP.

        :raises AepConfigError: if neither an existing schema nor a title is named, or no field group is.
        """
        if self.existing:
            if self.field_groups:
                raise AepConfigError("An existing schema is named, and field groups too: leave one of them out.")
            return
        check_name(self.title, "title of the schema")
        if self.derive:
            check_name(self.group_title, "title of the derived field group")
        if not self.derive and not self.field_groups:
            raise AepConfigError(
                "The schema has a class but no field group: name at least one, or let one be derived from the columns."
            )

    @property
    def in_words(self) -> str:
        """How messages call it."""
        return f"the schema {self.existing or self.title!r}"

    @property
    def group_title(self) -> str:
        """The title of the derived field group."""
        return f"{self.title} columns"

    def parts(self) -> tuple[str, list[str]]:
        """Return the ``$id`` of the class and of each named field group."""
        return schema.full_id(self.schema_class), [schema.full_id(group) for group in self.field_groups]

    def derived(self, tenant: str, table: str, columns: Sequence[Column]) -> DerivedFields | None:
        """Return the fields to derive, None if there are none."""
        return None if self.existing or not self.derive else DerivedFields(tenant, table, columns)

    def fields(self, facts: Facts, derived: DerivedFields | None) -> Mapping[str, Mapping[str, Any]]:
        """Return what stands at each path of the schema, or will stand when it has been composed."""
        if self.existing:
            return field_paths(facts.resolved("schemas", facts.existing_schema(self.existing)))
        class_id, groups = self.parts()
        paths = field_paths(facts.resolved("classes", class_id))
        for group in groups:
            paths |= field_paths(facts.resolved("fieldgroups", group))
        return paths | (derived.types() if derived else {})
