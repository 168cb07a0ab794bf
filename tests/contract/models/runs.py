"""The run document, and what posting a run answers."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field

from .base import Closed, Count, Created, Kept, Milliseconds, Open, Seconds, Size, Spec, Text, Uuid
from .flows import DeltaColumn

WindowEdge = Literal[0] | Annotated[int, Field(ge=10**11, lt=10**13)]  # milliseconds; 0 is the beginning of time


class Window(Open):
    windowStart: WindowEdge | None = None
    windowEnd: WindowEdge | None = None


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
