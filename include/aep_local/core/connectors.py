"""The tabular sources: what there is to know of each.

Ids, categories and the lists that name them are the contract's (section 4). Ways to log in come from the public
documentation of each source; where that differs from page to page, the newest way and the older one are both taken.
Technical names that no page tells are ours; a client has to look connectors up by their id or by the name served.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aep_local.core.logins import Login, basic, connection_string, principal

SERVICENOW: Final = "eb13cb25-47ab-407f-ba89-c0125281c563"
SALESFORCE_SERVICE_CLOUD: Final = "cb66ab34-8619-49cb-96d1-39b37ede86ea"


@dataclass(frozen=True)
class Connector:
    """A tabular source.

    :param id: of its connection specification.
    :param name: of its connection specification.
    :param lists: which published lists of the flow specification name it: ``S`` the tutorial's, ``H`` the page of
        customer success sources, ``T`` the newest template.
    """

    id: str
    name: str
    title: str
    category: str
    lists: str
    logins: tuple[Login, ...]


_USER = ("username", "password")
_SALESFORCE = (
    basic(*_USER, "securityToken", optional=("environmentUrl", "apiVersion")),
    Login(
        "OAuth2 Client Credential",
        "OAuth2ClientCredential",
        ("environmentUrl", "clientId", "clientSecret", "apiVersion"),
    ),
)
_HDINSIGHT = basic("host", *_USER, name="HDInsights Basic Authentication")
_DATABASE = basic("server", "database", *_USER)
_CLIENT = Login("Client-Id-Secret Based Authentication", "clientIdSecretAuth", ("host", "clientId", "clientSecret"))
_BY_PRINCIPAL = "Service Principal Key Based Authentication"
_SUCCESS, _CRM, _DATABASES = "Customer Success", "CRM", "Databases"
_MARKETING, _PAYMENTS = "Marketing Automation", "Payments"

CONNECTORS: Final[tuple[Connector, ...]] = (
    Connector(
        SALESFORCE_SERVICE_CLOUD,
        "salesforce-service-cloud",
        "Salesforce Service Cloud",
        _SUCCESS,
        "SHT",
        _SALESFORCE,
    ),
    Connector(SERVICENOW, "service-now", "ServiceNow", _SUCCESS, "SHT", (basic("endpoint", *_USER),)),
    Connector(
        "ba5126ec-c9ac-11eb-b8bc-0242ac130003",
        "oracle-service-cloud",
        "Oracle Service Cloud",
        _SUCCESS,
        "H",
        (basic("host", *_USER),),
    ),
    Connector("cfc0fee1-7dc0-40ef-b73e-d8b134c436f5", "salesforce", "Salesforce", _CRM, "SHT", _SALESFORCE),
    Connector(
        "38ad80fe-8b06-4938-94f4-d4ee80266b07",
        "dynamics-online",
        "Microsoft Dynamics",
        _CRM,
        "SHT",
        (
            basic("serviceUri", *_USER, name="Basic Authentication for Dynamics-Online"),
            principal(_BY_PRINCIPAL, "serviceUri"),
        ),
    ),
    Connector(
        "fcad62f3-09b0-41d3-be11-449d5a621b69",
        "veeva-crm",
        "Veeva CRM",
        _CRM,
        "HT",
        (basic("environmentUrl", *_USER, "securityToken"),),
    ),
    Connector(
        "929e4450-0237-4ed2-9404-b7e1e0a00309",
        "zoho-crm",
        "Zoho CRM",
        _CRM,
        "H",
        (basic("endpoint", "accountsUrl", "clientId", "clientSecret", "accessToken", "refreshToken"),),
    ),
    Connector(
        "3416976c-a9ca-4bba-901a-1f08f66978ff", "amazon-redshift", "Amazon Redshift", _DATABASES, "SHT", (_DATABASE,)
    ),
    Connector(
        "aac9bbd4-6c01-46ce-b47e-51c6f0f6db3f",
        "hive",
        "Apache Hive on Azure HDInsight",
        _DATABASES,
        "SHT",
        (_HDINSIGHT,),
    ),
    Connector(
        "6a8d82bc-1caf-45d1-908d-cadabc9d63a6",
        "spark",
        "Apache Spark on Azure HDInsight",
        _DATABASES,
        "SHT",
        (_HDINSIGHT,),
    ),
    Connector(
        "e9d7ec6b-0873-4e57-ad21-b3a7c65e310b",
        "databricks",
        "Azure Databricks",
        _DATABASES,
        "T",
        (
            Login(
                "Access Token Authentication",
                "accessTokenAuth",
                ("domain", "clusterId", "accessToken", "database"),
                ("catalog",),
            ),
        ),
    ),
    Connector(
        "0479cc14-7651-4354-b233-7480606c2ac3",
        "azure-data-explorer",
        "Azure Data Explorer",
        _DATABASES,
        "SHT",
        (principal("Service Principal Based Authentication", "endpoint", "database", "tenant"),),
    ),
    Connector(
        "a49bcc7d-8038-43af-b1e4-5a7a089a7d79",
        "azure-synapse-analytics",
        "Azure Synapse Analytics",
        _DATABASES,
        "SHT",
        (connection_string(), principal(_BY_PRINCIPAL, "server", "database", "tenant")),
    ),
    Connector(
        "ecde33f2-c56f-46cc-bdea-ad151c16cd69",
        "azure-table-storage",
        "Azure Table Storage",
        _DATABASES,
        "SHT",
        (connection_string(),),
    ),
    Connector(
        "a8f4d393-1a6b-43f3-931f-91a16ed857f4",
        "cassandra",
        "Cassandra",
        _DATABASES,
        "SHT",
        (basic("host", *_USER, optional=("port",)),),
    ),
    Connector(
        "1fe283f6-9bec-11ea-bb37-0242ac130002", "couchbase", "Couchbase", _DATABASES, "SH", (connection_string(),)
    ),
    Connector(
        "3c9b37f8-13a6-43d8-bad3-b863b941fedd",
        "google-big-query",
        "Google BigQuery",
        _DATABASES,
        "SHT",
        (
            Login(
                "Basic Authentication",
                "OAuth2.0",
                ("project", "clientId", "clientSecret", "refreshToken"),
                ("largeResultsDataSetId",),
            ),
        ),
    ),
    Connector(
        "37b6bf40-d318-4655-90be-5cd6f65d334b",
        "greenplum",
        "Greenplum",
        _DATABASES,
        "SHT",
        (connection_string("Basic Authentication"),),
    ),
    Connector(
        "a8b6a1a4-5735-42b4-952c-85dce0ac38b5", "hp-vertica", "HP Vertica", _DATABASES, "SHT", (connection_string(),)
    ),
    Connector(
        "09182899-b429-40c9-a15a-bf3ddbc8ced7",
        "ibm-db2",
        "IBM DB2",
        _DATABASES,
        "SHT",
        (basic("server", "database", *_USER, optional=("authenticationType",)),),
    ),
    Connector("3000eb99-cd47-43f3-827c-43caf170f015", "maria-db", "MariaDB", _DATABASES, "SHT", (connection_string(),)),
    Connector(
        "1f372ff9-38a4-4492-96f5-b9a4e4bd00ec",
        "sql-server",
        "Microsoft SQL Server",
        _DATABASES,
        "SHT",
        (connection_string(),),
    ),
    Connector("26d738e0-8963-47ea-aadf-c60de735468a", "mysql", "MySQL", _DATABASES, "SHT", (connection_string(),)),
    Connector(
        "d6b52d86-f0f8-475f-89d4-ce54c8527328",
        "oracle",
        "Oracle DB",
        _DATABASES,
        "SHT",
        (connection_string("ConnectionString"),),
    ),
    Connector(
        "102706fb-a5cd-42ee-afe0-bc42f017ff43",
        "phoenix",
        "Phoenix",
        _DATABASES,
        "SH",
        (basic("host", *_USER, optional=("port", "httpPath", "enableSsl")),),
    ),
    Connector(
        "74a1c565-4e59-48d7-9d67-7c03b8a13137", "postgresql", "PostgreSQL", _DATABASES, "SHT", (connection_string(),)
    ),
    Connector(
        "b2e08744-4f1a-40ce-af30-7abac3e23cf3",
        "snowflake",
        "Snowflake",
        _DATABASES,
        "HT",
        (connection_string("ConnectionString"),),
    ),
    Connector(
        "2fa8af9c-2d1a-43ea-a253-f00a00c74412",
        "teradata-vantage",
        "Teradata Vantage",
        _DATABASES,
        "HT",
        (connection_string("ConnectionString"),),
    ),
    Connector(
        "d771e9c1-4f26-40dc-8617-ce58c4b53702",
        "google-ads",
        "Google Ads",
        "Advertising",
        "SHT",
        (
            basic(
                "clientCustomerID",
                "developerToken",
                "clientId",
                "clientSecret",
                "refreshToken",
                optional=("loginCustomerID", "authenticationType"),
            ),
        ),
    ),
    Connector(
        "cc6a4487-9e91-433e-a3a3-9cf6626c1806",
        "hubspot",
        "HubSpot",
        _MARKETING,
        "SHT",
        (basic("clientId", "clientSecret", "accessToken", "refreshToken"),),
    ),
    Connector(
        "35d6c4d8-c9a9-11eb-b8bc-0242ac130003",
        "oracle-eloqua",
        "Oracle Eloqua",
        _MARKETING,
        "HT",
        (basic("endpoint", *_USER),),
    ),
    Connector(
        "ff4274f2-c9a9-11eb-b8bc-0242ac130003",
        "oracle-responsys",
        "Oracle Responsys",
        _MARKETING,
        "H",
        (basic("endpoint", "clientId", "clientSecret"),),
    ),
    Connector(
        "ea1c2a08-b722-11eb-8529-0242ac130003",
        "salesforce-marketing-cloud",
        "Salesforce Marketing Cloud",
        _MARKETING,
        "HT",
        (_CLIENT,),
    ),
    Connector("221c7626-58f6-4eec-8ee2-042b0226f03b", "paypal", "PayPal", _PAYMENTS, "SH", (_CLIENT,)),
    Connector(
        "2acf109f-9b66-4d5e-bc18-ebb2adcff8d5",
        "square",
        "Square",
        _PAYMENTS,
        "HT",
        (
            Login(
                "OAuth2 Refresh Code",
                "OAuth2RefreshCode",
                ("host", "clientId", "clientSecret", "accessToken", "refreshToken"),
            ),
        ),
    ),
    Connector(
        "4f63aa36-bd48-4e33-bb83-49fbcd11c708",
        "shopify",
        "Shopify",
        "eCommerce",
        "SHT",
        (
            basic("host", "accessToken"),
            Login("Access Token Based", "accessTokenAuth", ("host", "accessToken")),
        ),
    ),
    Connector(
        "8e6b41a8-d998-4545-ad7d-c6a9fff406c3",
        "odata",
        "OData",
        "Protocols",
        "SHT",
        (Login("Anonymous Authentication", "anonymousAuth", ("url",)),),
    ),
)
