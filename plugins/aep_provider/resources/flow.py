"""The flow: what ties source, target and mapping together, and says when AEP runs it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepConfigError, AepDifferenceError, AepNotFoundError
from aep_provider.resources import flow_service, mapping_set
from aep_provider.resources.columns import check_delta_column
from aep_provider.resources.fingerprint import declared, differences, read_declaration
from aep_provider.resources.flow_service import FlowServiceResource
from aep_provider.resources.flow_spec import FlowSpec
from aep_provider.resources.flow_state import FLOWS, FlowState, set_state
from aep_provider.resources.resource import Existing
from aep_provider.resources.schedule import ON_DEMAND_START, Frequency, check_schedule, check_start
from aep_provider.resources.source_connection import SourceConnection
from aep_provider.resources.target_connection import TargetConnection

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

COLLECTION = FLOWS
START_MARGIN_SECONDS = 60
_CHANGEABLE: Mapping[str, Any] = {"mapping": None, "options": None}
AWAKE = 'state: "enabled" in AEP, "disabled" wanted'
REDECLARED = "declaration: not the one that is recorded in AEP"
"""Nothing that moves rows differs; what the flow was made from is noted anew."""
_NEEDS_NEW_FLOW = (
    "AEP freezes it once a flow was made: that takes a new source connection, target connection and flow, so give the "
    "dataflow a new name"
)


@dataclass(frozen=True)
class FlowDefinition:
    """
    What a flow should be.

    :param interval: in units of ``frequency``; None with one_time and on_demand.
    :param backfill: whether the first run takes all that is there already; None leaves it to AEP, which does.
    :param start_time: epoch seconds; None means a minute after the request is sent. An on-demand flow has none.
    :param delta_column: an on-demand flow is made without; its first run brings it.
    :param partial_ingestion_percent: a run fails when as many percent of its rows are rejected; None leaves it to AEP.
    :param error_diagnostics: whether AEP keeps the rejected rows for 30 days.
    :param declaration: digest of the document that declares the dataflow, kept in the description.
    :param enabled: False for a flow that is there and rests.
    :param says_all: whether that document names all columns and mappings, so that it need not be the one that is recorded.
    """

    name: str
    source_connection_id: str
    target_connection_id: str
    mapping_set_id: str
    mapping_version: int = 0
    frequency: str = Frequency.ONE_TIME
    interval: int | None = None
    backfill: bool | None = None
    start_time: int | None = None
    start_delay_seconds: int = START_MARGIN_SECONDS
    delta_column: str | None = None
    delta_format: str | None = None
    delta_timezone: str = "UTC"
    partial_ingestion_percent: float | None = 5
    error_diagnostics: bool = True
    description: str | None = None
    declaration: str | None = None
    says_all: bool = False
    enabled: bool = True


class Flow(FlowServiceResource):
    """
    A flow that should be there. Its start time is sent, never compared.

    :param parts_are_known: whether source, target and mapping were just made or compared, so that they need no look.
    """

    kind = "flow"
    collection = COLLECTION
    fixed_because = _NEEDS_NEW_FLOW
    enabled_by = "enable it with AepSetFlowStateOperator, or with if_exists='update'"

    def __init__(
        self, client: AepClient, definition: FlowDefinition, spec: FlowSpec, *, parts_are_known: bool = False
    ) -> None:
        about = definition.description
        super().__init__(
            client, definition.name, declared(about, definition.declaration) if definition.declaration else about
        )
        self._parts_are_known = parts_are_known
        self._definition = definition
        self._spec = spec
        self._frequency, self._interval = check_schedule(
            definition.frequency, definition.interval, definition.backfill, definition.delta_column
        )

    def comparable(self, document: Mapping[str, Any]) -> dict[str, Any]:
        return flow_content(document)

    def check(self, *, new: bool = True) -> None:
        """
        Judge it by the JSON schemas that the flow specification carries, before anything is sent.

        :param new: whether it is to be made.
        :raises AepConfigError: with everything that is wrong in one message.
        """
        if new and not self._definition.enabled:
            raise AepConfigError(
                f"The flow {self.name!r} is not to be enabled, and AEP makes no other: leave enabled out until it is there."
            )
        self._spec.check(self.body())

    def create(self, description: str) -> tuple[str, str | None]:
        self.check()
        if not self._parts_are_known:
            self._check_parts()
        return super().create(description)

    def differences(self, existing: Existing) -> list[str]:
        """The delta column that an on-demand flow is held to came with its first run; until then there is none."""
        held = held_delta(existing.document)
        wanted = self._definition.delta_column
        another = self._frequency is Frequency.ON_DEMAND and held is not None and held != wanted
        lines = [f'delta column: "{held}" in AEP, "{wanted}" wanted'] if another else []
        awake = [AWAKE] if self._is_awake(existing) else []
        return [*super().differences(existing), *lines, *self._redeclared(existing), *awake]

    def _existing(self, item: Mapping[str, Any]) -> Existing:
        """What is to rest is not in the way because it does."""
        existing = super()._existing(item)
        return existing if self._definition.enabled else replace(existing, disabled=False)

    def _is_awake(self, existing: Existing) -> bool:
        return not self._definition.enabled and existing.document.get("state") == FlowState.ENABLED

    def _redeclared(self, existing: Existing) -> list[str]:
        declaration = self._definition.declaration
        if not (declaration and existing.mark) or self._definition.says_all:
            return []
        if read_declaration(existing.description) == declaration:
            return []
        return [REDECLARED]

    def frozen(self, existing: Existing) -> list[str]:
        """Mapping, interval and options of a recurring flow can be changed; nothing of a one-time flow can."""
        if not self._frequency.recurs:
            return [line for line in self.differences(existing) if line not in (REDECLARED, AWAKE)]
        there, wanted = ({**content, **_CHANGEABLE} for content in (existing.content, self.content()))
        for content in (there, wanted):
            content["schedule"] = {**content["schedule"], "interval": None}
        return differences(there, wanted)

    def change(self, existing: Existing, description: str) -> str | None:
        wanted = self.content()
        document = flow_service.read(self.client, self.collection, existing.id)
        operations: list[dict[str, Any]] = [flow_service.described(existing, description)]
        if existing.content["mapping"] != wanted["mapping"]:
            operations.append(_replace_mapping(document, self._mapping()))
        if existing.content["schedule"] != wanted["schedule"]:
            operations.append({"op": "replace", "path": "/scheduleParams/interval", "value": self._interval})
        if existing.content["options"] != wanted["options"]:
            # A flow made by hand may have none yet, and adding replaces what is there.
            operations.append({"op": "add", "path": "/options", "value": self._options()})
        etag = flow_service.patch(self.client, self.collection, existing.id, existing.etag, operations)
        if not self._is_awake(existing):
            return etag
        set_state(self.client, existing.id, FlowState.DISABLED)
        return None

    def enable(self, existing: Existing) -> None:
        set_state(self.client, existing.id, FlowState.ENABLED)

    def content(self) -> dict[str, Any]:
        return flow_content(self._body(ON_DEMAND_START if self._frequency is Frequency.ON_DEMAND else 0))

    def body(self) -> dict[str, Any]:
        return self._body(self._start_time())

    def _body(self, start_time: int) -> dict[str, Any]:
        definition = self._definition
        transformations = [self._mapping()]
        if definition.delta_column and self._frequency.recurs:
            delta = {"name": definition.delta_column, "timezone": definition.delta_timezone}
            if definition.delta_format:
                delta["dateFormat"] = definition.delta_format
            transformations.insert(0, {"name": "Copy", "params": {"deltaColumn": delta}})
        schedule: dict[str, Any] = {"startTime": start_time, "frequency": self._frequency.in_aep}
        if self._frequency.recurs:
            schedule["interval"] = self._interval
            schedule["backfill"] = definition.backfill is not False
        return {
            "flowSpec": {"id": self._spec.id, "version": self._spec.version},
            "sourceConnectionIds": [definition.source_connection_id],
            "targetConnectionIds": [definition.target_connection_id],
            "transformations": transformations,
            "scheduleParams": schedule,
            "options": self._options(),
        }

    def _mapping(self) -> dict[str, Any]:
        params = {
            "mappingId": self._definition.mapping_set_id,
            "mappingVersion": str(self._definition.mapping_version),
        }
        return {"name": "Mapping", "params": params}

    def _options(self) -> dict[str, Any]:
        """AEP's own texts disagree about the defaults."""
        percent = self._definition.partial_ingestion_percent
        told = {} if percent is None else {"partialIngestionPercent": _number(percent)}
        return {"errorDiagnosticsEnabled": self._definition.error_diagnostics, **told}

    def _start_time(self) -> int:
        if self._frequency is Frequency.ON_DEMAND:
            return ON_DEMAND_START
        now = time.time()
        if self._definition.start_time is None:
            return int(now) + max(1, self._definition.start_delay_seconds)
        check_start(self._definition.start_time, now)
        return self._definition.start_time

    def _check_parts(self) -> None:
        """What AEP would refuse with 1425, or accept and fail at in every run."""
        definition = self._definition
        source = flow_service.referenced(
            self.client, SourceConnection.collection, SourceConnection.kind, definition.source_connection_id
        )
        if definition.delta_column:
            check_delta_column((source.get("params") or {}).get("columns") or [], definition.delta_column)
        target = flow_service.referenced(
            self.client, TargetConnection.collection, TargetConnection.kind, definition.target_connection_id
        )
        lands_in = ((target.get("data") or {}).get("schema") or {}).get("id")
        try:
            mapping = mapping_set.read(self.client, definition.mapping_set_id)
        except AepNotFoundError as error:
            raise AepConfigError(
                f"There is no mapping set {definition.mapping_set_id} in the sandbox (AEP would answer 1419): clear the task "
                "that makes it, so that it is made again."
            ) from error
        leads_to = mapping_set.schema_of(mapping)
        if lands_in and leads_to and lands_in != leads_to:
            raise AepConfigError(
                f"The mapping set {definition.mapping_set_id} leads to the schema {leads_to}, but the target connection "
                f"{definition.target_connection_id} lands in {lands_in} (AEP would answer 1425): both must have one schema."
            )


def held_delta(document: Mapping[str, Any]) -> str | None:
    """Return the delta column that a flow is held to since its first run, or since it was made."""
    for part in document.get("transformations") or []:
        if part.get("name") == "Copy":
            held = ((part.get("params") or {}).get("deltaColumn") or {}).get("name")
            return held if isinstance(held, str) else None
    return None


def flow_content(document: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what of a flow is compared.

    AEP echoes what was sent, numbers and truth values perhaps as strings; transformations are found by name.
    """
    by_name = {part.get("name"): part.get("params") or {} for part in document.get("transformations") or []}
    schedule = document.get("scheduleParams") or {}
    once = schedule.get("frequency") == "once"
    options = document.get("options") or {}
    mapping = by_name.get("Mapping") or {}
    return {
        "flowSpec": (document.get("flowSpec") or {}).get("id"),
        "source": document.get("sourceConnectionIds"),
        "target": document.get("targetConnectionIds"),
        # The first on-demand run of a one-time flow makes AEP add the delta column by itself.
        "copy": None if once else _copy(by_name.get("Copy")),
        "mapping": {"id": mapping.get("mappingId"), "version": _number(mapping.get("mappingVersion") or 0)},
        "schedule": {
            "frequency": _shape(schedule),
            "interval": None if once else _number(schedule.get("interval")),
            "backfill": None if once else _truth(schedule.get("backfill", True)),
        },
        "options": {
            "errorDiagnosticsEnabled": _truth(options.get("errorDiagnosticsEnabled", False)),
            "partialIngestionPercent": _number(options.get("partialIngestionPercent")),
        },
    }


def _copy(params: Any) -> Any:
    """A delta column without time zone is read in UTC."""
    delta = params.get("deltaColumn") if isinstance(params, Mapping) else None
    return {**params, "deltaColumn": {"timezone": "UTC", **delta}} if isinstance(delta, Mapping) else params


def _shape(schedule: Mapping[str, Any]) -> Any:
    """Start times are not compared, but for what they say: whether AEP runs a flow once by itself, or on demand alone."""
    frequency = schedule.get("frequency")
    start = _number(schedule.get("startTime") or 0)
    late = isinstance(start, int) and start >= ON_DEMAND_START
    return "on_demand" if frequency == "once" and late else frequency


def _replace_mapping(document: Mapping[str, Any], mapping: Mapping[str, Any]) -> dict[str, Any]:
    """The index is looked up: with Copy first, the index of AEP's examples would overwrite Copy."""
    for index, part in enumerate(document.get("transformations") or []):
        if part.get("name") == "Mapping":
            return {"op": "replace", "path": f"/transformations/{index}", "value": mapping}
    raise AepDifferenceError(f"The flow {document.get('id')} has no Mapping to replace: was it made by hand?")


def _number(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    try:
        number = float(value)
        return int(number) if number.is_integer() else number
    except (TypeError, ValueError, OverflowError):
        return value


def _truth(value: Any) -> Any:
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value
