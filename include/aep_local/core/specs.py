"""Connection specifications and the flow specification of tabular sources, as data."""

from __future__ import annotations

from typing import Any, Final

from aep_local.core.store import Document

DATA_LAKE: Final = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
SERVICENOW: Final = "eb13cb25-47ab-407f-ba89-c0125281c563"
SALESFORCE_SERVICE_CLOUD: Final = "cb66ab34-8619-49cb-96d1-39b37ede86ea"
CRM_TO_AEP: Final = "14518937-270c-4525-bdec-c2ba7cce3860"
_PROVIDER = "0ed90a81-07f4-4586-8190-b40eccef1c5a"
_DRAFT_07 = "http://json-schema.org/draft-07/schema#"
_PERMISSIONS = {
    action: [{"@type": "lowLevel", "name": "EnterpriseSource", "permissions": [right]}]
    for action, right in (("view", "read"), ("manage", "write"))
}

TABULAR_SOURCES: Final = (
    SALESFORCE_SERVICE_CLOUD,
    SERVICENOW,
    "ba5126ec-c9ac-11eb-b8bc-0242ac130003",  # Oracle Service Cloud
    "cfc0fee1-7dc0-40ef-b73e-d8b134c436f5",  # Salesforce
    "38ad80fe-8b06-4938-94f4-d4ee80266b07",  # Microsoft Dynamics
    "fcad62f3-09b0-41d3-be11-449d5a621b69",  # Veeva CRM
    "929e4450-0237-4ed2-9404-b7e1e0a00309",  # Zoho CRM
    "3416976c-a9ca-4bba-901a-1f08f66978ff",  # Amazon Redshift
    "aac9bbd4-6c01-46ce-b47e-51c6f0f6db3f",  # Apache Hive on Azure HDInsight
    "6a8d82bc-1caf-45d1-908d-cadabc9d63a6",  # Apache Spark on Azure HDInsight
    "e9d7ec6b-0873-4e57-ad21-b3a7c65e310b",  # Azure Databricks
    "0479cc14-7651-4354-b233-7480606c2ac3",  # Azure Data Explorer
    "a49bcc7d-8038-43af-b1e4-5a7a089a7d79",  # Azure Synapse Analytics
    "ecde33f2-c56f-46cc-bdea-ad151c16cd69",  # Azure Table Storage
    "a8f4d393-1a6b-43f3-931f-91a16ed857f4",  # Cassandra
    "1fe283f6-9bec-11ea-bb37-0242ac130002",  # Couchbase
    "3c9b37f8-13a6-43d8-bad3-b863b941fedd",  # Google BigQuery
    "37b6bf40-d318-4655-90be-5cd6f65d334b",  # Greenplum
    "a8b6a1a4-5735-42b4-952c-85dce0ac38b5",  # HP Vertica
    "09182899-b429-40c9-a15a-bf3ddbc8ced7",  # IBM DB2
    "3000eb99-cd47-43f3-827c-43caf170f015",  # MariaDB
    "1f372ff9-38a4-4492-96f5-b9a4e4bd00ec",  # Microsoft SQL Server
    "26d738e0-8963-47ea-aadf-c60de735468a",  # MySQL
    "d6b52d86-f0f8-475f-89d4-ce54c8527328",  # Oracle DB
    "102706fb-a5cd-42ee-afe0-bc42f017ff43",  # Phoenix
    "74a1c565-4e59-48d7-9d67-7c03b8a13137",  # PostgreSQL
    "b2e08744-4f1a-40ce-af30-7abac3e23cf3",  # Snowflake
    "2fa8af9c-2d1a-43ea-a253-f00a00c74412",  # Teradata Vantage
    "d771e9c1-4f26-40dc-8617-ce58c4b53702",  # Google Ads
    "cc6a4487-9e91-433e-a3a3-9cf6626c1806",  # HubSpot
    "35d6c4d8-c9a9-11eb-b8bc-0242ac130003",  # Oracle Eloqua
    "ff4274f2-c9a9-11eb-b8bc-0242ac130003",  # Oracle Responsys
    "ea1c2a08-b722-11eb-8529-0242ac130003",  # Salesforce Marketing Cloud
    "221c7626-58f6-4eec-8ee2-042b0226f03b",  # PayPal
    "2acf109f-9b66-4d5e-bc18-ebb2adcff8d5",  # Square
    "4f63aa36-bd48-4e33-bb83-49fbcd11c708",  # Shopify
    "8e6b41a8-d998-4545-ad7d-c6a9fff406c3",  # OData
)


def _object(properties: Document, required: list[str], **more: Any) -> Document:
    return {"$schema": _DRAFT_07, "type": "object", "properties": properties, "required": required, **more}


def _text(title: str) -> Document:
    return {"title": title, "type": "string", "minLength": 1}


def _secret(title: str) -> Document:
    return {**_text(title), "format": "password"}


_BASIC = "Basic Authentication"
_SERVICENOW_AUTH = [
    {
        "name": _BASIC,
        "type": "basicAuth",
        "spec": _object(
            {"endpoint": _text("Instance URL"), "username": _text("User name"), "password": _secret("Password")},
            ["endpoint", "username", "password"],
        ),
    }
]
_SALESFORCE_AUTH = [
    {
        "name": _BASIC,
        "type": "basicAuth",
        "spec": _object(
            {
                "environmentUrl": _text("Environment URL"),
                "username": _text("User name"),
                "password": _secret("Password"),
                "securityToken": _secret("Security token"),
                "apiVersion": _text("API version"),
            },
            ["username", "password", "securityToken"],
        ),
    },
    {
        "name": "OAuth2 Client Credential",
        "type": "OAuth2ClientCredential",
        "spec": _object(
            {
                "environmentUrl": _text("Environment URL"),
                "clientId": _text("Client id"),
                "clientSecret": _secret("Client secret"),
                "apiVersion": _text("API version"),
            },
            ["environmentUrl", "clientId", "clientSecret", "apiVersion"],
        ),
    },
]
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


def _source(id: str, name: str, auth: list[Document]) -> Document:
    return {
        "id": id,
        "name": name,
        "providerId": _PROVIDER,
        "version": "1.0",
        "authSpec": auth,
        "sourceSpec": {"type": "Tabular", "spec": _TABLE, "attributes": {"uiAttributes": {"isSource": True}}},
        "exploreSpec": {"name": "Table", "type": "Tabular"},
        "attributes": {"category": "Customer Success", "isSource": True},
        "permissionsInfo": _PERMISSIONS,
    }


CONNECTION_SPECS: Final[tuple[Document, ...]] = (
    _source(SERVICENOW, "service-now", _SERVICENOW_AUTH),
    _source(SALESFORCE_SERVICE_CLOUD, "salesforce-service-cloud", _SALESFORCE_AUTH),
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
        "sourceConnectionSpecIds": list(TABULAR_SOURCES),
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


def connection_spec(id: Any) -> Document | None:
    """A connection specification served here; None for another id."""
    return _BY_ID.get(id) if isinstance(id, str) else None


def auth_spec(spec: Document, name: str) -> Document | None:
    """One way to log in to a source; None when the specification has no such name."""
    return next((each for each in spec["authSpec"] if each["name"] == name), None)
