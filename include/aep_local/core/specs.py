"""Connection specifications and the flow specification of tabular sources, as data."""

from __future__ import annotations

from typing import Any, Final

from aep_local.core.accounts import Accounts
from aep_local.core.connectors import CONNECTORS, Connector
from aep_local.core.settings import Assumptions
from aep_local.core.store import Document

DATA_LAKE: Final = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
CRM_TO_AEP: Final = "14518937-270c-4525-bdec-c2ba7cce3860"
_PROVIDER = "0ed90a81-07f4-4586-8190-b40eccef1c5a"
_DRAFT_07 = "http://json-schema.org/draft-07/schema#"
_PERMISSIONS = {
    action: [{"@type": "lowLevel", "name": "EnterpriseSource", "permissions": [right]}]
    for action, right in (("view", "read"), ("manage", "write"))
}


def _object(properties: Document, required: list[str], **more: Any) -> Document:
    return {"$schema": _DRAFT_07, "type": "object", "properties": properties, "required": required, **more}


def _text(title: str) -> Document:
    return {"title": title, "type": "string", "minLength": 1}


_TABLE = _object(
    {
        "tableName": _text("Table"),
        "columns": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": _text("Column"), "type": _text("Type"), "xdm": {"type": "object"}},
                "required": ["name", "type"],
            },
        },
        "cdcEnabled": {"type": "boolean"},
    },
    ["tableName", "columns"],
)


def _source(connector: Connector) -> Document:
    return {
        "id": connector.id,
        "name": connector.name,
        "providerId": _PROVIDER,
        "version": "1.0",
        "authSpec": [{"name": each.name, "type": each.kind, "spec": each.schema} for each in connector.logins],
        "sourceSpec": {"type": "Tabular", "spec": _TABLE, "attributes": {"uiAttributes": {"isSource": True}}},
        "exploreSpec": {"name": "Table", "type": "Tabular"},
        "attributes": {"category": connector.category, "isSource": True},
        "permissionsInfo": _PERMISSIONS,
    }


CONNECTION_SPECS: Final[tuple[Document, ...]] = (
    *(_source(connector) for connector in CONNECTORS),
    {
        "id": DATA_LAKE,
        "name": "Data Lake",
        "providerId": _PROVIDER,
        "version": "1.0",
        "authSpec": [],
        "targetSpec": {
            "spec": _object({"dataSetId": _text("Dataset")}, ["dataSetId"]),
        },
        "attributes": {"isSource": False},
        "permissionsInfo": _PERMISSIONS,
    },
)

_FORBIDDEN_WITH_ONCE = {"allOf": [{"not": {"required": ["interval"]}}, {"not": {"required": ["backfill"]}}]}
SCHEDULE_SCHEMA: Final[Document] = _object(
    {
        "startTime": {"description": "epoch time", "type": "integer"},
        "frequency": {"type": "string", "enum": ["once", "minute", "hour", "day", "week"]},
        "interval": {"type": "integer"},
        "backfill": {"type": "boolean", "default": True},
    },
    ["startTime", "frequency"],
    **{
        "if": {"properties": {"frequency": {"const": "once"}}},
        "then": _FORBIDDEN_WITH_ONCE,
        "else": {
            "required": ["interval"],
            "if": {"properties": {"frequency": {"const": "minute"}}},
            "then": {"properties": {"interval": {"minimum": 15}}},
            "else": {"properties": {"interval": {"minimum": 1}}},
        },
    },
)
OPTION_SCHEMA: Final[Document] = _object(
    {
        "errorDiagnosticsEnabled": {
            "title": "Error diagnostics.",
            "description": "Keep details and samples of rejected rows.",
            "type": "boolean",
            "default": False,
        },
        "partialIngestionPercent": {
            "title": "Partial ingestion threshold.",
            "description": "The percentage of errors from which on a run counts as failed.",
            "type": "number",
            "exclusiveMinimum": 0,
        },
    },
    [],
)
TRANSFORMATION_SCHEMAS: Final[Document] = {
    "Copy": _object(
        {
            "deltaColumn": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "dateFormat": {"type": "string"},
                    "timezone": {"type": "string"},
                },
                "required": ["name"],
            }
        },
        ["deltaColumn"],
    ),
    "Mapping": _object(
        {"mappingId": {"type": "string"}, "mappingVersion": {"type": "string"}},
        [],
        description="Which mapping takes the source to the target.",
    ),
}
FLOW_SPECS: Final[tuple[Document, ...]] = (
    {
        "id": CRM_TO_AEP,
        "name": "CRMToAEP",
        "providerId": _PROVIDER,
        "version": "1.0",
        "sourceConnectionSpecIds": [connector.id for connector in CONNECTORS],
        "targetConnectionSpecIds": [DATA_LAKE],
        "optionSpec": {"name": "OptionSpec", "spec": OPTION_SCHEMA},
        "transformationSpecs": [{"name": name, "spec": spec} for name, spec in TRANSFORMATION_SCHEMAS.items()],
        "scheduleSpec": {"name": "PeriodicSchedule", "type": "Periodic", "spec": SCHEDULE_SCHEMA},
        "attributes": {
            "isSourceFlow": True,
            "frequency": "batch",
            "notification": {"category": "sources", "flowRun": {"enabled": True}},
        },
        "permissionsInfo": _PERMISSIONS,
    },
)
_BY_ID = {spec["id"]: spec for spec in CONNECTION_SPECS}
_LISTS: Final = {"all": set("SHT"), "tutorial": {"S"}, "page": {"H"}, "template": {"T"}}


def connection_spec(id: Any) -> Document | None:
    """A connection specification, also of a source that is no longer offered; None for another id."""
    return _BY_ID.get(id) if isinstance(id, str) else None


def auth_spec(spec: Document, name: str) -> Document | None:
    """One way to log in to a source; None when the specification has no such name."""
    return next((each for each in spec["authSpec"] if each["name"] == name), None)


class Specs:
    """The specifications that one platform offers: all but what its accounts and switches take away.

    :ivar connections: every connection specification.
    :ivar flows: every flow specification, each with the sources that it serves.
    """

    def __init__(self, accounts: Accounts, assume: Assumptions) -> None:
        gone, kept_out = accounts.connectors.retired_ids, accounts.connectors.outside_ids
        listed = _LISTS[assume.connectors_in_flow_spec]
        served = [each.id for each in CONNECTORS if set(each.lists) & listed and each.id not in gone | kept_out]
        self.connections = tuple(each for each in CONNECTION_SPECS if each["id"] not in gone)
        self.flows = tuple({**each, "sourceConnectionSpecIds": served} for each in FLOW_SPECS)

    def connection(self, id: Any) -> Document | None:
        """A connection specification that is offered, or None."""
        return next((each for each in self.connections if each["id"] == id), None)

    def flow(self, id: Any) -> Document | None:
        """A flow specification, or None."""
        return next((each for each in self.flows if each["id"] == id), None)
