"""The flow document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from .base import Closed, Hex32, Link, Milliseconds, Named, Open, Seconds, Spec, Text, Uuid
from .connections import BaseConnection


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
