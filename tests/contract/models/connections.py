"""Base, source and target connections, and what exploring them tells."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, RootModel, model_validator

from .base import Closed, Hex24, Named, Open, SchemaId, Spec, Text, Uuid


class Auth(Closed):
    specName: Text
    params: dict[str, Any]


class Connection(Named):
    connectionSpec: Spec
    auth: Auth | None = None


class BaseConnection(Closed):
    id: Uuid
    connectionSpec: Spec


class Xdm(Open):
    type: Text
    format: Text | None = None


class Column(Open):
    """Passed on as explore gave it."""

    name: Text
    type: Text
    xdm: Xdm
    xdm_type: Text | None = Field(alias="meta:xdmType", default=None)


class SourceParams(Open):
    tableName: Text
    columns: list[Column] | None = None


class SourceData(Closed):
    format: Literal["tabular"]


class SourceInherited(Closed):
    baseConnection: BaseConnection


class SourceConnection(Named):
    baseConnectionId: Uuid
    data: SourceData
    params: SourceParams
    connectionSpec: Spec
    providerRefId: Text | None = None
    inheritedAttributes: SourceInherited


class TargetSchema(Closed):
    id: SchemaId
    version: Text


class TargetData(Closed):
    format: Literal["parquet_xdm"] | None = None
    schema_: TargetSchema | None = Field(alias="schema", default=None)


class TargetParams(Open):
    dataSetId: Hex24


class TargetConnection(Named):
    data: TargetData | None = None
    params: TargetParams
    connectionSpec: Spec
    providerRefId: Text | None = None
    inheritedAttributes: dict[str, Any] | None = None


class Tested(Closed):
    result: bool


class Table(Closed):
    type: Literal["table"]
    name: Text
    path: Text
    canPreview: bool
    canFetchSchema: bool


class Root(RootModel[list[Table]]):
    pass


class TableSchema(Closed):
    columns: Annotated[list[Column], Field(min_length=1)]


class Explored(Closed):
    format: Literal["flat"]
    schema_: TableSchema = Field(alias="schema")


class Previewed(Explored):
    data: list[dict[str, Any]]

    @model_validator(mode="after")
    def _rows_of_these_columns(self) -> Previewed:
        names = {column.name for column in self.schema_.columns}
        for row in self.data:
            if not set(row) <= names:
                raise ValueError(f"{set(row) - names} are no columns")
        return self
