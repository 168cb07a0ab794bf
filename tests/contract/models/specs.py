"""Connection specs and flow specs, with the JSON schemas that they carry."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from .base import JsonSchema, Open, Text, Uuid


class AuthSpec(Open):
    name: Text
    type: Text
    spec: JsonSchema


class SourceSpec(Open):
    spec: JsonSchema
    attributes: dict[str, Any]

    @model_validator(mode="after")
    def _tabular(self) -> SourceSpec:
        if not {"tableName", "columns"} <= set(self.spec.get("required", [])):
            raise ValueError("the spec of a tabular source requires tableName and columns")
        return self


class Permission(Open):
    name: Literal["EnterpriseSource"]
    permissions: list[Literal["read", "write"]]


class Permissions(Open):
    view: list[Permission]
    manage: list[Permission]


class SourceAttributes(Open):
    category: Text
    isSource: Literal[True]


class AnySpec(Open):
    id: Uuid
    name: Text
    providerId: Uuid
    version: Literal["1.0"]


class ConnectionSpec(AnySpec):
    """Of a tabular source."""

    authSpec: Annotated[list[AuthSpec], Field(min_length=1)]
    sourceSpec: SourceSpec
    exploreSpec: dict[str, Any]
    attributes: SourceAttributes
    permissionsInfo: Permissions


class NamedSchema(Open):
    name: Text
    spec: JsonSchema


class FlowSpec(Open):
    id: Uuid
    name: Text
    providerId: Uuid
    version: Literal["1.0"]
    sourceConnectionSpecIds: Annotated[list[Uuid], Field(min_length=1)]
    targetConnectionSpecIds: Annotated[list[Uuid], Field(min_length=1)]
    optionSpec: NamedSchema
    transformationSpecs: list[NamedSchema] | None = None
    transformationSpec: list[NamedSchema] | None = None
    scheduleSpec: NamedSchema
    attributes: dict[str, Any]
    permissionsInfo: Permissions

    @property
    def steps(self) -> dict[str, dict[str, Any]]:
        return {each.name: each.spec for each in self.transformationSpecs or self.transformationSpec or []}
