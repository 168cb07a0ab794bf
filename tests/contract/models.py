"""What AEP's answers look like, as models of their own: strict types, and no key that nobody spoke of.

Written for these tests alone. A model is open (``extra="allow"``) only where AEP's documents say that more keys come.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Generic, Literal, TypeVar

from jsonschema import Draft7Validator
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    StringConstraints,
    model_validator,
)

HEX = "[0-9a-f]"
UUID = rf"{HEX}{{8}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{12}}"


def _tail_is_a_second(etag: str) -> str:
    second = int(etag.strip('"').rpartition("-")[2][:8], 16)
    if not 1_500_000_000 < second < 2_500_000_000:
        raise ValueError(f"the last group of {etag} is no epoch second")
    return etag


def _is_schema(value: dict[str, Any]) -> dict[str, Any]:
    if "draft-07" not in value.get("$schema", ""):
        raise ValueError("a flow spec's schemas are of draft-07")
    Draft7Validator.check_schema(value)
    return value


Text = Annotated[str, StringConstraints(min_length=1)]
Uuid = Annotated[str, StringConstraints(pattern=rf"^{UUID}$")]
Hex24 = Annotated[str, StringConstraints(pattern=rf"^{HEX}{{24}}$")]
Hex32 = Annotated[str, StringConstraints(pattern=rf"^{HEX}{{32}}$")]
Etag = Annotated[
    str,
    StringConstraints(pattern=rf'^"{HEX}{{8}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{12}}"$'),
    AfterValidator(_tail_is_a_second),
]
Milliseconds = Annotated[int, Field(ge=10**12, lt=10**13)]
Seconds = Annotated[int, Field(ge=10**9, lt=10**10)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=-1)]  # -1 when AEP does not know
Link = Annotated[str, StringConstraints(pattern=r"^/[^/]")]  # relative to the service's root
JsonSchema = Annotated[dict[str, Any], AfterValidator(_is_schema)]
SchemaId = Annotated[str, StringConstraints(pattern=rf"^https://ns\.adobe\.com/[a-z0-9]+/schemas/{HEX}+$")]
Organisation = Annotated[str, StringConstraints(pattern="^[^@]+@AdobeOrg$")]
Person = Annotated[str, StringConstraints(pattern="^[^@]+@AdobeID$")]
State = Literal[
    "enabled",
    "disabled",
    "initializing",
    "inProgress",
    "updating",
    "enabling",
    "disabling",
    "pending",
    "enabled-finalizing",
    "delete-finalizing",
    "draft",
]


class Closed(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Open(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


# --- IMS


class Token(Closed):
    access_token: Text
    token_type: Literal["bearer"]
    expires_in: Annotated[int, Field(gt=0, le=10**6)]  # seconds


class ImsError(Closed):
    error: Text
    error_description: Text


# --- errors, one shape per layer


class GatewayError(Closed):
    """(a) before any service."""

    error_code: Annotated[str, StringConstraints(pattern=r"^\d{6}$")] | int
    message: Text


class FlowReport(Closed):
    detailed_message: Text = Field(alias="detailed-message")
    request_id: Uuid = Field(alias="request-id")
    id: Text | None = None
    type: Text | None = None


class FlowProblem(Closed):
    """(b) Flow Service today."""

    type: Annotated[
        str, StringConstraints(pattern=r"^https://ns\.adobe\.com/aep/errors/(FLOW|CONNECTOR)-\d{4}-[45]\d\d$")
    ]
    title: Text
    status: int
    report: FlowReport
    errorMessage: Text
    errorDetails: Text

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> FlowProblem:
        if not self.type.endswith(f"-{self.status}"):
            raise ValueError(f"{self.type} with status {self.status}")
        if {self.errorMessage, self.errorDetails} != {self.report.detailed_message}:
            raise ValueError("errorMessage and errorDetails repeat the detailed message")
        return self

    @property
    def code(self) -> str:
        return self.type.rpartition("/")[2].split("-")[1]


class FlowErrorOlder(Closed):
    """(c) Flow Service as it was."""

    errorMessage: Text
    errorDetails: Text


class RegistryReport(Closed):
    registryRequestId: Uuid
    timestamp: Annotated[str, StringConstraints(pattern=r"^\d\d-\d\d-\d{4} \d\d:\d\d:\d\d$")]
    detailed_message: Text = Field(alias="detailed-message")
    sub_errors: list[RegistryError] = Field(alias="sub-errors")


class RegistryError(Closed):
    """(d) Schema Registry; ``http:``, unlike Flow Service."""

    type: Annotated[str, StringConstraints(pattern=r"^http://ns\.adobe\.com/aep/errors/XDM-\d{4}-[45]\d\d$")]
    title: Text
    status: int
    report: RegistryReport
    detail: Text

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> RegistryError:
        if not self.type.endswith(f"-{self.status}"):
            raise ValueError(f"{self.type} with status {self.status}")
        return self


RegistryReport.model_rebuild()


class PlaceholderError(Closed):
    """(e) a wrong content type, and the registry's older errors."""

    type: Literal["/placeholder/type/uri"]
    title: Literal["BadRequestError", "NotFoundError", "NotAcceptableError"]
    status: int
    detail: Text


class Problem(Closed):
    """(f) Catalog, Data Prep, Data Access."""

    type: Text
    title: Text
    status: int
    detail: Text


# --- Flow Service: what every resource has


class Created(Closed):
    id: Uuid
    etag: Etag


class Next(Closed):
    href: Link


class Links(Closed):
    next: Next | None = None


Item = TypeVar("Item")


class Listing(Closed, Generic[Item]):
    items: list[Item]
    links: Links = Field(alias="_links")
    count: Count | None = None


class One(Closed, Generic[Item]):
    """GET of one object wraps it too."""

    items: Annotated[list[Item], Field(min_length=1, max_length=1)]
    links: Links | None = Field(alias="_links", default=None)


class OnlyCount(Closed):
    count: Count


class Spec(Closed):
    id: Uuid
    version: Text | None = None


class Kept(Closed):
    id: Uuid
    createdAt: Milliseconds
    updatedAt: Milliseconds
    createdBy: Person
    updatedBy: Person
    createdClient: Text
    updatedClient: Text
    sandboxId: Uuid
    sandboxName: Text
    imsOrgId: Organisation
    etag: Etag
    version: Etag | None = None

    @model_validator(mode="after")
    def _one_version(self) -> Kept:
        if self.version is not None and self.version != self.etag:
            raise ValueError("version equals etag")
        if self.createdAt > self.updatedAt:
            raise ValueError("updated before it was created")
        return self


class Named(Kept):
    version: Etag
    name: Text
    description: str | None = None
    state: State
    labels: list[str] | None = None


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


# --- specs


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


# --- flows


class Schedule(Closed):
    """As it was sent: numbers or their strings."""

    startTime: Seconds | Annotated[str, StringConstraints(pattern=r"^\d{10}$")]
    frequency: Literal["once", "minute", "hour", "day", "week"]
    interval: int | Annotated[str, StringConstraints(pattern=r"^\d+$")] | None = None
    backfill: bool | Literal["true", "false"] | None = None


class DeltaColumn(Closed):
    name: Text
    dateFormat: Text | None = None
    timezone: Text | None = None


class CopyParams(Closed):
    deltaColumn: DeltaColumn


class Copy(Closed):
    name: Literal["Copy"]
    params: CopyParams


class MappingParams(Closed):
    mappingId: Hex32
    mappingVersion: Annotated[str, StringConstraints(pattern=r"^\d+$")]


class MappingStep(Closed):
    name: Literal["Mapping"]
    params: MappingParams


class Options(Closed):
    errorDiagnosticsEnabled: bool | None = None
    partialIngestionPercent: int | float | None = None


class InheritedSource(Closed):
    id: Uuid
    connectionSpec: Spec
    baseConnection: BaseConnection


class InheritedTarget(Closed):
    id: Uuid
    connectionSpec: Spec


class FlowProperties(Open):
    isSourceFlow: Literal[True]


class Inherited(Closed):
    sourceConnections: list[InheritedSource]
    targetConnections: list[InheritedTarget]
    properties: FlowProperties


class OperationStatus(Closed):
    value: Text
    errors: list[Any]


class LastOperation(Closed):
    started: Milliseconds
    updated: Milliseconds
    percentCompleted: int | float
    status: OperationStatus
    ops: list[Any]
    operation: Literal["create", "update"]


class LastRun(Closed):
    id: Uuid
    state: Literal["success", "failed"]
    startedAtUTC: Milliseconds
    completedAtUTC: Milliseconds


class Flow(Named):
    flowSpec: Spec
    sourceConnectionIds: Annotated[list[Uuid], Field(min_length=1, max_length=1)]
    targetConnectionIds: Annotated[list[Uuid], Field(min_length=1, max_length=1)]
    inheritedAttributes: Inherited
    scheduleParams: Schedule
    transformations: list[Copy | MappingStep]
    options: Options | None = None
    runs: Link
    lastOperation: LastOperation
    lastRunDetails: LastRun | None = None


# --- runs


class Window(Open):
    windowStart: Milliseconds | None = None
    windowEnd: Milliseconds | None = None


class Duration(Closed):
    startedAtUTC: Milliseconds
    completedAtUTC: Milliseconds | None = None
    extensions: Window | None = None


class Sizes(Closed):
    inputBytes: Size
    outputBytes: Size


class Reason(Closed):
    code: Text
    message: Text


class Records(Closed):
    inputRecordCount: Size
    outputRecordCount: Size
    createdRecordCount: Size | None = None
    updatedRecordCount: Size | None = None
    skippedRecordCount: Size | None = None
    failedRecordCount: Size | None = None
    deletedRecordCount: Size | None = None
    warningRecordCount: Size | None = None
    failedInfo: list[Reason] | None = None
    skippedInfo: list[Reason] | None = None


class Files(Closed):
    inputFileCount: Size
    outputFileCount: Size
    skippedFileCount: Size | None = None
    failedFileCount: Size | None = None
    activityRefs: list[Text] | None = None
    manifest: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


class RunStatus(Closed):
    status: Text
    errors: list[Reason] | None = None
    activityRefs: list[Text] | None = None
    extensions: dict[str, Any] | None = None


class Metrics(Closed):
    durationSummary: Duration
    sizeSummary: Sizes
    recordSummary: Records | None = None
    fileSummary: Files
    statusSummary: RunStatus


class Manifest(Closed):
    failedRecords: Text | None = None
    sampleErrors: Text | None = None


class CountedReason(Closed):
    code: Text
    recordCount: Count | None = None
    message: Text


class StatusExtensions(Closed):
    type: Text | None = None
    manifest: Manifest | None = None
    errors: list[CountedReason] | None = None


class ActivityStatus(Closed):
    status: Text
    errors: list[Reason] | None = None
    extensions: StatusExtensions | None = None


class AdfReference(Closed):
    type: Literal["AdfRunId"]
    ids: list[Text]


class BatchReference(Closed):
    type: Literal["Batch", "batch"]
    ids: Annotated[list[Text], Field(min_length=1)]


class SourceInfo(Closed):
    id: Uuid
    type: Literal["SourceConnection"]
    reference: AdfReference


class TargetInfo(Closed):
    id: Uuid
    type: Literal["TargetConnection"]
    reference: BatchReference


class Activity(Closed):
    id: Text
    name: Text | None = None
    updatedAtUTC: Milliseconds
    durationSummary: Duration
    latencySummary: dict[str, Any] | None = None
    sizeSummary: Sizes
    recordSummary: Records
    fileSummary: Files
    statusSummary: ActivityStatus
    sourceInfo: list[SourceInfo] | None = None
    targetInfo: list[TargetInfo] | None = None


class RunParams(Closed):
    startTime: Seconds | str | None = None
    windowStartTime: Annotated[int, Field(ge=0, lt=10**11)] | str
    windowEndTime: Annotated[int, Field(ge=0, lt=10**11)] | str
    deltaColumn: DeltaColumn | None = None


class Run(Kept):
    flowId: Uuid
    flowSpec: Spec | None = None
    providerRefId: Text | None = None
    params: RunParams | None = None
    metrics: Metrics
    activities: list[Activity]

    @property
    def status(self) -> str:
        return re.sub("[_ -]", "", self.metrics.statusSummary.status).lower()

    @property
    def batch(self) -> str:
        (info,) = [info for activity in self.activities for info in activity.targetInfo or []]
        return info.reference.ids[0]

    @property
    def copy_activity(self) -> Activity:
        (found,) = [each for each in self.activities if each.sourceInfo]
        return found

    @property
    def promotion_activity(self) -> Activity:
        (found,) = [each for each in self.activities if each.targetInfo]
        return found


class ItemsCreated(Closed):
    """What ``POST /runs`` answers, by the documents' newest page."""

    items: Annotated[list[Created], Field(min_length=1, max_length=1)]


class ScheduledRun(Kept):
    """What ``POST /runs`` answers, by an earlier page: the whole run, not yet begun."""

    flowId: Uuid
    flowSpec: Spec | None = None
    providerRefId: Text | None = None
    params: RunParams | None = None
    metrics: ScheduledMetrics
    activities: Annotated[list[Activity], Field(max_length=0)]


class ScheduledMetrics(Open):
    statusSummary: RunStatus


ScheduledRun.model_rebuild()


# --- Schema Registry


class Stats(Open):
    imsOrg: Organisation
    tenantId: Text


class ShortSchema(Closed):
    id: SchemaId = Field(alias="$id")
    alternative: Text = Field(alias="meta:altId")
    version: Text
    title: Text


class Reference(Closed):
    ref: Text = Field(alias="$ref")
    type: Literal["object"]
    xdm_type: Literal["object"] = Field(alias="meta:xdmType")


class RegistryMetadata(Closed):
    created: Milliseconds = Field(alias="repo:createdDate")
    modified: Milliseconds = Field(alias="repo:lastModifiedDate")
    created_client: Text = Field(alias="xdm:createdClientId")
    modified_client: Text = Field(alias="xdm:lastModifiedClientId")
    created_user: Text = Field(alias="xdm:createdUserId")
    modified_user: Text = Field(alias="xdm:lastModifiedUserId")
    etag: Text = Field(alias="eTag")
    library: Text = Field(alias="meta:globalLibVersion")


class _SchemaHead(Closed):
    id: SchemaId = Field(alias="$id")
    alternative: Text = Field(alias="meta:altId")
    kind: Literal["schemas"] = Field(alias="meta:resourceType")
    version: Annotated[str, StringConstraints(pattern=r"^1\.\d+$")]
    type: Literal["object"]
    organisation: Organisation = Field(alias="imsOrg")
    extensible: Literal[False] = Field(alias="meta:extensible")
    abstract: Literal[False] = Field(alias="meta:abstract")
    extends: list[Text] = Field(alias="meta:extends")
    xdm_type: Literal["object"] = Field(alias="meta:xdmType")
    metadata: RegistryMetadata = Field(alias="meta:registryMetadata")
    class_: Text = Field(alias="meta:class")
    container: Literal["tenant"] = Field(alias="meta:containerId")
    sandbox: Uuid = Field(alias="meta:sandboxId")
    sandbox_type: Literal["production", "development"] = Field(alias="meta:sandboxType")
    namespace: Text = Field(alias="meta:tenantNamespace")

    @model_validator(mode="after")
    def _ids_agree(self) -> _SchemaHead:
        tenant, _, digest = self.id.removeprefix("https://ns.adobe.com/").partition("/schemas/")
        if self.alternative != f"_{tenant}.schemas.{digest}" or self.namespace != f"_{tenant}":
            raise ValueError(f"{self.id}, {self.alternative} and {self.namespace} do not belong together")
        return self


class Schema(_SchemaHead):
    """As it was composed (``xed``)."""

    title: Text
    description: str | None = None
    all_of: Annotated[list[Reference], Field(min_length=1)] = Field(alias="allOf")
    refs: list[Text]


class SchemaWithoutText(_SchemaHead):
    """``xed-notext``: no titles, no descriptions."""

    all_of: Annotated[list[Reference], Field(min_length=1)] = Field(alias="allOf")
    refs: list[Text]


class FullSchema(_SchemaHead):
    """``xed-full``: references resolved into properties."""

    title: Text
    description: str | None = None
    properties: dict[str, Any]
    required: list[str] | None = None


class FullSchemaWithoutText(_SchemaHead):
    properties: dict[str, Any]
    required: list[str] | None = None


class RegistryPage(Closed):
    orderby: Text | None
    next: Text | None
    count: Count


class Href(Closed):
    href: Text


class RegistryLinks(Closed):
    next: Href | None = None
    global_schemas: Href


class SchemaList(Closed, Generic[Item]):
    results: list[Item]
    page: RegistryPage = Field(alias="_page")
    links: RegistryLinks = Field(alias="_links")


# --- Catalog


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


# --- Data Prep


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


# --- Data Access


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
