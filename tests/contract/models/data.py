"""Catalog, Data Prep and Data Access."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, RootModel, StringConstraints, model_validator

from .base import HEX, Closed, Count, Hex24, Hex32, Milliseconds, Open, Organisation, SchemaId, Text
from .registry import Href


class DataSetCreated(RootModel[list[Annotated[str, StringConstraints(pattern=rf"^@/dataSets/{HEX}{{24}}$")]]]):
    @property
    def id(self) -> str:
        (only,) = self.root
        return only.rpartition("/")[2]


class SchemaRef(Closed):
    id: SchemaId
    contentType: Annotated[
        str, StringConstraints(pattern=r"^application/vnd\.adobe\.xed(-full)?(-notext)?\+json; ?version=1(\.\d+)?$")
    ]


class DataSet(Open):
    name: Text
    description: str | None = None
    imsOrg: Organisation
    version: Annotated[str, StringConstraints(pattern=r"^1\.0\.\d+$")]
    created: Milliseconds
    updated: Milliseconds
    createdClient: Text
    createdUser: Text
    updatedUser: Text
    tags: dict[str, list[str]]
    schemaRef: SchemaRef
    state: Text
    files: Text


class DataSets(RootModel[dict[Hex24, DataSet]]):
    pass


class Related(Closed):
    type: Text
    id: Text


class BatchMetrics(Open):
    inputRecordCount: Count
    outputRecordCount: Count
    failedRecordCount: Count | None = None


class BatchError(Closed):
    code: Text
    description: Text
    recordCount: Count | None = None


class Batch(Open):
    status: Literal[
        "processing",
        "success",
        "failure",
        "queued",
        "retrying",
        "stalled",
        "aborted",
        "abandoned",
        "inactive",
        "failed",
        "loading",
        "loaded",
        "staged",
        "active",
        "staging",
        "deleted",
    ]
    relatedObjects: list[Related]
    metrics: BatchMetrics
    errors: list[BatchError] | None = None
    created: Milliseconds
    updated: Milliseconds


class Batches(RootModel[dict[Text, Batch]]):
    pass


class MappingSetCreated(Closed):
    id: Hex32
    version: Count
    createdDate: Milliseconds
    modifiedDate: Milliseconds
    createdBy: Text
    modifiedBy: Text


class Mapping(Open):
    """Both vocabularies on one object."""

    sourceType: Text
    source: Text
    destination: Text
    sourceAttribute: Text
    destinationXdmPath: Text
    identity: bool
    primaryIdentity: bool
    matchScore: int | float
    functionVersion: int | str | None

    @model_validator(mode="after")
    def _one_meaning(self) -> Mapping:
        if (self.source, self.destination) != (self.sourceAttribute, self.destinationXdmPath):
            raise ValueError("both vocabularies say the same")
        return self


class OutputSchema(Open):
    schemaRef: SchemaRef


class MappingSet(Open):
    id: Hex32
    version: Count
    createdDate: Milliseconds
    modifiedDate: Milliseconds
    createdBy: Text
    modifiedBy: Text
    status: Literal["PUBLISHED"]
    mappings: list[Mapping]
    xdmSchema: SchemaId
    xdmVersion: Text
    schemaRef: SchemaRef
    outputSchema: OutputSchema
    inputSchema: Any

    @model_validator(mode="after")
    def _one_schema(self) -> MappingSet:
        if len({self.xdmSchema, self.schemaRef.id, self.outputSchema.schemaRef.id}) != 1:
            raise ValueError("one schema in every vocabulary")
        return self


class MappingPage(Open):
    count: Count
    limit: Count


class MappingSetList(Closed):
    data: list[MappingSet]
    page: MappingPage = Field(alias="_page")
    links: dict[str, Any] = Field(alias="_links")


class Validation(Closed):
    status: Literal["SUCCESS", "FAILED"]
    errors: list[Any] | None

    @model_validator(mode="after")
    def _failed_tells_why(self) -> Validation:
        if (self.status == "FAILED") != bool(self.errors):
            raise ValueError("errors with FAILED, null with SUCCESS")
        return self


class Validated(Closed):
    validationResponse: list[Validation]


class PreviewedRow(Closed):
    data: dict[str, Any] | None
    errors: list[Any] | None


class MappingPreview(RootModel[list[PreviewedRow]]):
    pass


class SelfLink(Closed):
    self: Href


class Entry(Open):
    name: Text
    length: Annotated[str, StringConstraints(pattern=r"^\d+$")] | int
    links: SelfLink = Field(alias="_links")


class EntryPage(Open):
    count: Count
    limit: Annotated[int, Field(ge=1, le=100)]


class Entries(Closed):
    data: Annotated[list[Entry], Field(max_length=100)]
    page: EntryPage = Field(alias="_page")
