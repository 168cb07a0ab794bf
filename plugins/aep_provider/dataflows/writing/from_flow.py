"""One flow of AEP, whoever made it, as a specification."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from pydantic import ValidationError

from aep_provider.dataflows.chain import Sandbox, mapping_of
from aep_provider.dataflows.parts import DEFAULT_CONN_ID
from aep_provider.dataflows.reading.wording import in_one_line, problems
from aep_provider.dataflows.spec import DataflowSpec, slug_of
from aep_provider.dataflows.writing.delta import delta_choice
from aep_provider.dataflows.writing.spec_text import short_mappings
from aep_provider.errors import AepConfigError
from aep_provider.resources.columns import Column
from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.connectors import DATA_LAKE_SPEC_ID, Connector, connector
from aep_provider.resources.dataset import Dataset
from aep_provider.resources.flow import flow_content, held_delta
from aep_provider.resources.flow_state import FlowState
from aep_provider.resources.mapping import normal_mappings
from aep_provider.resources.mapping_set import schema_of
from aep_provider.resources.resource import Document, Resource
from aep_provider.resources.schedule import Frequency
from aep_provider.resources.schema import Schema
from aep_provider.resources.source_connection import SourceConnection
from aep_provider.resources.target_connection import TargetConnection

_MARKS: Final = re.compile(r"\s*\(airflow-aep [^()]*\)")
_NO_CRON: Final = (
    "AEP does not hold when windows end. Until a schedule is added, they are only loaded by hand:",
    "schedule:",
    '  cron: "0 0 * * *"',
    "  start: 2026-01-31",
)
_TEMPLATE_MARKS: Final = ("{{", "{%", "{#")


@dataclass(frozen=True)
class Exported:
    """
    A dataflow that is in AEP, as a specification.

    :param fields: what its file declares; a default is left out.
    :param notes: by field, what whoever reads the file has to know.
    """

    flow_id: str
    spec: DataflowSpec
    fields: Mapping[str, Any]
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)


class FlowReading:
    """What one flow leads to. Raises ``AepConfigError``, without a subject, where a specification cannot say what is there."""

    def __init__(self, flow: Document, sandbox: Sandbox) -> None:
        self._flow = flow
        self._sandbox = sandbox
        self._inventory = sandbox.inventory
        self._content = flow_content(flow)

    def exported(self, aep_conn_id: str) -> Exported:
        """
        Return the flow as a specification.

        :raises AepConfigError: a specification cannot say what it is.
        """
        self._check_state()
        notes: dict[str, list[str]] = {}
        fields = {
            **self._about(),
            **self._source(),
            **self._loading(notes),
            **({} if aep_conn_id == DEFAULT_CONN_ID else {"aep_conn_id": aep_conn_id}),
            "sandbox": self._sandbox.client.settings.sandbox,
            **self._target(),
            **self._names(),
            **({"enabled": False} if self._flow.get("state") == FlowState.DISABLED else {}),
            **self._policy(),
            "columns": self._columns(),
            "mapping": short_mappings(normal_mappings(self._mapping_set.get("mappings"))),
        }
        try:
            spec = DataflowSpec.model_validate(fields)
        except ValidationError as error:
            raise AepConfigError(in_one_line(problems(error, DataflowSpec))) from None
        if fields["sandbox"] == DataflowSpec.model_fields["sandbox"].default:
            del fields["sandbox"]
        return Exported(str(self._flow["id"]), spec, fields, notes)

    def _check_state(self) -> None:
        state = self._flow.get("state")
        if state == "draft":
            raise AepConfigError("it is a draft: publish it first")

    def _about(self) -> dict[str, Any]:
        name = self._flow.get("name")
        if not isinstance(name, str) or not slug_of(name):
            raise AepConfigError("its name holds no letter or digit that a file could be called after: rename it")
        description = _MARKS.sub("", str(self._flow.get("description") or "")).strip()
        # Nothing but people reads it, so it may be missing.
        told = description and not any(mark in description for mark in _TEMPLATE_MARKS)
        return {"name": name, **({"description": description} if told else {})}

    def _source(self) -> dict[str, Any]:
        source = self._source_connection
        params = source.get("params") or {}
        if (source.get("data") or {}).get("format") != "tabular":
            raise AepConfigError("its source connection takes no table, but files")
        more = sorted(key for key, value in params.items() if key not in ("tableName", "columns") and value)
        if more:
            raise AepConfigError(f"its source connection has {', '.join(more)}, which a file cannot say")
        base = self._inventory.by_id(BaseConnection, source.get("baseConnectionId"))
        if base is None:
            raise AepConfigError("its base connection is not in the sandbox")
        self._check_alone(BaseConnection, base)
        return {
            "source": self._connector.key,
            "base_connection": base.get("name"),
            "table": params.get("tableName"),
        }

    @cached_property
    def _connector(self) -> Connector:
        spec_id = (self._source_connection.get("connectionSpec") or {}).get("id")
        try:
            return connector(spec_id)
        except AepConfigError:
            raise AepConfigError(
                f"its source system (connection specification {spec_id}) is none that this package knows"
            ) from None

    def _loading(self, notes: dict[str, list[str]]) -> dict[str, Any]:
        schedule = self._content["schedule"]
        match schedule["frequency"]:
            case "on_demand":
                notes["schedule"] = list(_NO_CRON)
                return {"delta_column": self._delta_on_demand(notes)}
            case "once":
                return self._one_time(notes)
            case word if word in [one for one in Frequency if one.recurs]:
                recurrence = {"frequency": word, "interval": schedule["interval"]}
                backfill = {} if schedule["backfill"] is True else {"backfill": schedule["backfill"]}
                return {"load": "recurring", "recurrence": recurrence | backfill, **self._delta()}
        raise AepConfigError(f"it runs every {schedule['frequency']}, which is no frequency that this package knows")

    def _one_time(self, notes: dict[str, list[str]]) -> dict[str, Any]:
        held = held_delta(self._flow)
        if held:
            notes["load"] = [
                f"Somebody posts runs to this flow, by the column {held}. Airflow would not: AEP may run it by itself besides.",
                "To have windows loaded, make a new dataflow with load: on_demand.",
            ]
        return {"load": "one_time"}

    def _delta_on_demand(self, notes: dict[str, list[str]]) -> str:
        """AEP learns the delta column with the first run."""
        held = held_delta(self._flow)
        if held:
            return held
        choice = delta_choice(self._columns())
        if choice is None:
            raise AepConfigError("it had no run yet that told its delta column, and no column it lists holds dates")
        notes["delta_column"] = [
            "To be checked: no run has told AEP the delta column yet, and this is only the likeliest.",
            *choice.explained(),
        ]
        return choice.name

    def _delta(self) -> dict[str, Any]:
        told = self._content["copy"] or {}
        delta = told.get("deltaColumn") or {}
        more = sorted({*told} - {"deltaColumn"} | {*delta} - {"name", "timezone", "dateFormat"})
        if more:
            raise AepConfigError(f"its Copy has {', '.join(more)}, which a file cannot say")
        fields = {"delta_column": delta.get("name")}
        if (form := delta.get("dateFormat") or "") != self._connector.date_format:
            fields["delta_format"] = form
        if delta.get("timezone") != DataflowSpec.model_fields["delta_timezone"].default:
            fields["delta_timezone"] = delta.get("timezone")
        return fields

    def _target(self) -> dict[str, Any]:
        target = self._target_connection
        if (target.get("connectionSpec") or {}).get("id") != DATA_LAKE_SPEC_ID:
            raise AepConfigError("its target is not the data lake")
        dataset = self._inventory.by_id(Dataset, (target.get("params") or {}).get("dataSetId"))
        if dataset is None:
            raise AepConfigError("its dataset is not in the sandbox")
        self._check_alone(Dataset, dataset)
        schema_id = ((target.get("data") or {}).get("schema") or {}).get("id")
        if not schema_id:
            raise AepConfigError("its target connection does not tell its schema")
        mapped = schema_of(self._mapping_set)
        for what, other in (("dataset", (dataset.get("schemaRef") or {}).get("id")), ("mapping", mapped)):
            if other != schema_id:
                raise AepConfigError(f"its target connection has the schema {schema_id}, and its {what} has {other}")
        named = {} if dataset.get("name") == self._flow.get("name") else {"dataset": dataset.get("name")}
        return {"target": {**named, "existing_schema": self._schema(str(schema_id))}}

    def _schema(self, schema_id: str) -> str:
        """People call a schema by its title."""
        title = str((self._inventory.by_id(Schema, schema_id) or {}).get("title") or "")
        alone = len(self._inventory.named(Schema, title)) == 1
        return title if title and alone and not any(mark in title for mark in _TEMPLATE_MARKS) else schema_id

    def _names(self) -> dict[str, Any]:
        found = {
            "source_connection": self._source_connection.get("name"),
            "target_connection": self._target_connection.get("name"),
        }
        other = {key: name for key, name in found.items() if name != self._flow.get("name")}
        return {"names": other} if other else {}

    def _policy(self) -> dict[str, Any]:
        options = self._content["options"]
        policy: dict[str, Any] = {}
        if options["errorDiagnosticsEnabled"] is not True:
            policy["error_diagnostics"] = options["errorDiagnosticsEnabled"]
        if options["partialIngestionPercent"] != 5:
            policy["partial_ingestion_percent"] = options["partialIngestionPercent"]
        return {"policy": policy} if policy else {}

    def _columns(self) -> list[Column]:
        return list((self._source_connection.get("params") or {}).get("columns") or [])

    @cached_property
    def _mapping_set(self) -> Document:
        others = [
            part.get("name")
            for part in self._flow.get("transformations") or []
            if part.get("name") not in ("Copy", "Mapping")
        ]
        if others:
            raise AepConfigError(f"it has the transformation {others[0]}, which a file cannot say")
        found = mapping_of(self._flow, self._sandbox)
        if found is None:
            raise AepConfigError("it has no Mapping")
        return found

    @cached_property
    def _source_connection(self) -> Document:
        return self._only(SourceConnection, "sourceConnectionIds")

    @cached_property
    def _target_connection(self) -> Document:
        return self._only(TargetConnection, "targetConnectionIds")

    def _only(self, kind: type[Resource], member: str) -> Document:
        """The one connection of a kind, if the name leads to it."""
        ids = self._flow.get(member) or []
        if len(ids) != 1:
            raise AepConfigError(f"it has {len(ids)} {kind.kind}s, and a file tells of one")
        found = self._inventory.by_id(kind, ids[0])
        if found is None:
            raise AepConfigError(f"its {kind.kind} {ids[0]} is not in the sandbox")
        if found.get("state") == "disabled":
            raise AepConfigError(f"its {kind.kind} {found.get('name')!r} is disabled, so that no row arrives")
        self._check_alone(kind, found)
        return found

    def _check_alone(self, kind: type[Resource], found: Document) -> None:
        name = found.get("name")
        if not isinstance(name, str):
            raise AepConfigError(f"its {kind.kind} {found.get(kind.id_key)} has no name, by which a file could tell it")
        others = len(self._inventory.named(kind, name)) - 1
        if others:
            raise AepConfigError(f"there are {others + 1} {kind.kind}s with the name {name!r}: rename all but one")
