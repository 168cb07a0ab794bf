"""The tabular sources, line by line as the contract (section 4) has them."""

from __future__ import annotations

import pytest

from aep_provider.errors import AepConfigError
from aep_provider.resources.connectors import CONNECTORS, connector

PUBLISHED = {
    "cb66ab34-8619-49cb-96d1-39b37ede86ea": ("Salesforce Service Cloud", "Customer success"),
    "eb13cb25-47ab-407f-ba89-c0125281c563": ("ServiceNow", "Customer success"),
    "ba5126ec-c9ac-11eb-b8bc-0242ac130003": ("Oracle Service Cloud", "Customer success"),
    "cfc0fee1-7dc0-40ef-b73e-d8b134c436f5": ("Salesforce", "CRM"),
    "38ad80fe-8b06-4938-94f4-d4ee80266b07": ("Microsoft Dynamics", "CRM"),
    "fcad62f3-09b0-41d3-be11-449d5a621b69": ("Veeva CRM", "CRM"),
    "929e4450-0237-4ed2-9404-b7e1e0a00309": ("Zoho CRM", "CRM"),
    "3416976c-a9ca-4bba-901a-1f08f66978ff": ("Amazon Redshift", "Database"),
    "aac9bbd4-6c01-46ce-b47e-51c6f0f6db3f": ("Apache Hive on Azure HDInsight", "Database"),
    "6a8d82bc-1caf-45d1-908d-cadabc9d63a6": ("Apache Spark on Azure HDInsight", "Database"),
    "e9d7ec6b-0873-4e57-ad21-b3a7c65e310b": ("Azure Databricks", "Database"),
    "0479cc14-7651-4354-b233-7480606c2ac3": ("Azure Data Explorer", "Database"),
    "a49bcc7d-8038-43af-b1e4-5a7a089a7d79": ("Azure Synapse Analytics", "Database"),
    "ecde33f2-c56f-46cc-bdea-ad151c16cd69": ("Azure Table Storage", "Database"),
    "a8f4d393-1a6b-43f3-931f-91a16ed857f4": ("Cassandra", "Database"),
    "1fe283f6-9bec-11ea-bb37-0242ac130002": ("Couchbase", "Database"),
    "3c9b37f8-13a6-43d8-bad3-b863b941fedd": ("Google BigQuery", "Database"),
    "37b6bf40-d318-4655-90be-5cd6f65d334b": ("Greenplum", "Database"),
    "a8b6a1a4-5735-42b4-952c-85dce0ac38b5": ("HP Vertica", "Database"),
    "09182899-b429-40c9-a15a-bf3ddbc8ced7": ("IBM DB2", "Database"),
    "3000eb99-cd47-43f3-827c-43caf170f015": ("MariaDB", "Database"),
    "1f372ff9-38a4-4492-96f5-b9a4e4bd00ec": ("Microsoft SQL Server", "Database"),
    "26d738e0-8963-47ea-aadf-c60de735468a": ("MySQL", "Database"),
    "d6b52d86-f0f8-475f-89d4-ce54c8527328": ("Oracle DB", "Database"),
    "102706fb-a5cd-42ee-afe0-bc42f017ff43": ("Phoenix", "Database"),
    "74a1c565-4e59-48d7-9d67-7c03b8a13137": ("PostgreSQL", "Database"),
    "b2e08744-4f1a-40ce-af30-7abac3e23cf3": ("Snowflake", "Database"),
    "2fa8af9c-2d1a-43ea-a253-f00a00c74412": ("Teradata Vantage", "Database"),
    "d771e9c1-4f26-40dc-8617-ce58c4b53702": ("Google Ads", "Advertising"),
    "cc6a4487-9e91-433e-a3a3-9cf6626c1806": ("HubSpot", "Marketing automation"),
    "35d6c4d8-c9a9-11eb-b8bc-0242ac130003": ("Oracle Eloqua", "Marketing automation"),
    "ff4274f2-c9a9-11eb-b8bc-0242ac130003": ("Oracle Responsys", "Marketing automation"),
    "ea1c2a08-b722-11eb-8529-0242ac130003": ("Salesforce Marketing Cloud", "Marketing automation"),
    "221c7626-58f6-4eec-8ee2-042b0226f03b": ("PayPal", "Payments"),
    "2acf109f-9b66-4d5e-bc18-ebb2adcff8d5": ("Square", "Payments"),
    "4f63aa36-bd48-4e33-bb83-49fbcd11c708": ("Shopify", "E-commerce"),
    "8e6b41a8-d998-4545-ad7d-c6a9fff406c3": ("OData", "Protocols"),
}
# Microsoft Dynamics, Azure Table Storage and OData write the values of their delta columns so.
ISO = {
    "38ad80fe-8b06-4938-94f4-d4ee80266b07",
    "ecde33f2-c56f-46cc-bdea-ad151c16cd69",
    "8e6b41a8-d998-4545-ad7d-c6a9fff406c3",
}


def test_all_37_are_known_by_id_title_and_category() -> None:
    assert len(CONNECTORS) == len(PUBLISHED) == 37
    assert {one.spec_id: (one.title, one.category) for one in CONNECTORS.values()} == PUBLISHED


@pytest.mark.parametrize("spec_id", PUBLISHED)
def test_each_is_found_by_key_and_by_id_and_knows_its_dates(spec_id: str) -> None:
    known = connector(spec_id)
    assert connector(known.key) is known
    assert known.date_format == ("yyyy-MM-ddTHH:mm:ssZ" if spec_id in ISO else "yyyy-MM-dd HH:mm:ss")


@pytest.mark.parametrize("wrong", ["", None, "zendesk", "SERVICENOW", "cb66ab34"])
def test_what_is_no_source_is_refused(wrong: object) -> None:
    with pytest.raises(AepConfigError, match="There is no source"):
        connector(wrong)
