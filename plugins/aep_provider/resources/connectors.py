"""The tabular sources of AEP: how users call each, how AEP does, and how it writes dates."""

from __future__ import annotations

from dataclasses import dataclass

from aep_provider.errors import AepConfigError
from aep_provider.resources.names import nearest

DATA_LAKE_SPEC_ID = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
TABULAR_FLOW_SPEC = "CRMToAEP"

PLAIN_DATES = "yyyy-MM-dd HH:mm:ss"
ISO_DATES = "yyyy-MM-ddTHH:mm:ssZ"


@dataclass(frozen=True)
class Connector:
    """
    A tabular source of AEP.

    Whether AEP still serves it is asked of the flow specification at run time, and how one logs in of the connection
    specification: both change more often than this table.
    """

    key: str
    """How users call it."""
    title: str
    spec_id: str
    category: str
    date_format: str = PLAIN_DATES
    """How the values of its delta column are written."""


_SERVICE = "Customer success"
_CRM = "CRM"
_DATABASE = "Database"
_MARKETING = "Marketing automation"
_PAYMENTS = "Payments"

CONNECTORS: dict[str, Connector] = {
    connector.key: connector
    for connector in (
        Connector("salesforce_service_cloud", "Salesforce Service Cloud", "cb66ab34-8619-49cb-96d1-39b37ede86ea", _SERVICE),
        Connector("servicenow", "ServiceNow", "eb13cb25-47ab-407f-ba89-c0125281c563", _SERVICE),
        Connector("oracle_service_cloud", "Oracle Service Cloud", "ba5126ec-c9ac-11eb-b8bc-0242ac130003", _SERVICE),
        Connector("salesforce", "Salesforce", "cfc0fee1-7dc0-40ef-b73e-d8b134c436f5", _CRM),
        Connector("dynamics", "Microsoft Dynamics", "38ad80fe-8b06-4938-94f4-d4ee80266b07", _CRM, ISO_DATES),
        Connector("veeva", "Veeva CRM", "fcad62f3-09b0-41d3-be11-449d5a621b69", _CRM),
        Connector("zoho", "Zoho CRM", "929e4450-0237-4ed2-9404-b7e1e0a00309", _CRM),
        Connector("redshift", "Amazon Redshift", "3416976c-a9ca-4bba-901a-1f08f66978ff", _DATABASE),
        Connector("hive", "Apache Hive on Azure HDInsight", "aac9bbd4-6c01-46ce-b47e-51c6f0f6db3f", _DATABASE),
        Connector("spark", "Apache Spark on Azure HDInsight", "6a8d82bc-1caf-45d1-908d-cadabc9d63a6", _DATABASE),
        Connector("databricks", "Azure Databricks", "e9d7ec6b-0873-4e57-ad21-b3a7c65e310b", _DATABASE),
        Connector("data_explorer", "Azure Data Explorer", "0479cc14-7651-4354-b233-7480606c2ac3", _DATABASE),
        Connector("synapse", "Azure Synapse Analytics", "a49bcc7d-8038-43af-b1e4-5a7a089a7d79", _DATABASE),
        Connector("azure_table_storage", "Azure Table Storage", "ecde33f2-c56f-46cc-bdea-ad151c16cd69", _DATABASE, ISO_DATES),
        Connector("cassandra", "Cassandra", "a8f4d393-1a6b-43f3-931f-91a16ed857f4", _DATABASE),
        Connector("couchbase", "Couchbase", "1fe283f6-9bec-11ea-bb37-0242ac130002", _DATABASE),
        Connector("bigquery", "Google BigQuery", "3c9b37f8-13a6-43d8-bad3-b863b941fedd", _DATABASE),
        Connector("greenplum", "Greenplum", "37b6bf40-d318-4655-90be-5cd6f65d334b", _DATABASE),
        Connector("vertica", "HP Vertica", "a8b6a1a4-5735-42b4-952c-85dce0ac38b5", _DATABASE),
        Connector("db2", "IBM DB2", "09182899-b429-40c9-a15a-bf3ddbc8ced7", _DATABASE),
        Connector("mariadb", "MariaDB", "3000eb99-cd47-43f3-827c-43caf170f015", _DATABASE),
        Connector("sqlserver", "Microsoft SQL Server", "1f372ff9-38a4-4492-96f5-b9a4e4bd00ec", _DATABASE),
        Connector("mysql", "MySQL", "26d738e0-8963-47ea-aadf-c60de735468a", _DATABASE),
        Connector("oracle", "Oracle DB", "d6b52d86-f0f8-475f-89d4-ce54c8527328", _DATABASE),
        Connector("phoenix", "Phoenix", "102706fb-a5cd-42ee-afe0-bc42f017ff43", _DATABASE),
        Connector("postgresql", "PostgreSQL", "74a1c565-4e59-48d7-9d67-7c03b8a13137", _DATABASE),
        Connector("snowflake", "Snowflake", "b2e08744-4f1a-40ce-af30-7abac3e23cf3", _DATABASE),
        Connector("teradata", "Teradata Vantage", "2fa8af9c-2d1a-43ea-a253-f00a00c74412", _DATABASE),
        Connector("google_ads", "Google Ads", "d771e9c1-4f26-40dc-8617-ce58c4b53702", "Advertising"),
        Connector("hubspot", "HubSpot", "cc6a4487-9e91-433e-a3a3-9cf6626c1806", _MARKETING),
        Connector("eloqua", "Oracle Eloqua", "35d6c4d8-c9a9-11eb-b8bc-0242ac130003", _MARKETING),
        Connector("responsys", "Oracle Responsys", "ff4274f2-c9a9-11eb-b8bc-0242ac130003", _MARKETING),
        Connector("marketing_cloud", "Salesforce Marketing Cloud", "ea1c2a08-b722-11eb-8529-0242ac130003", _MARKETING),
        Connector("paypal", "PayPal", "221c7626-58f6-4eec-8ee2-042b0226f03b", _PAYMENTS),
        Connector("square", "Square", "2acf109f-9b66-4d5e-bc18-ebb2adcff8d5", _PAYMENTS),
        Connector("shopify", "Shopify", "4f63aa36-bd48-4e33-bb83-49fbcd11c708", "E-commerce"),
        Connector("odata", "OData", "8e6b41a8-d998-4545-ad7d-c6a9fff406c3", "Protocols", ISO_DATES),
    )
}  # fmt: skip


def connector(key: object) -> Connector:
    """
    Return the connector that users call ``key``; AEP's own id of its connection specification will do, too.

    :raises AepConfigError: if there is none of this name.
    """
    if isinstance(key, str):
        if key in CONNECTORS:
            return CONNECTORS[key]
        for known in CONNECTORS.values():
            if known.spec_id == key:
                return known
    raise AepConfigError(f"There is no source {key!r}.{nearest(str(key), CONNECTORS)}")
