"""What Airflow's connection form and registries show. Imports nothing, so that reading it is free."""

from __future__ import annotations

from typing import Any, Final

DEFAULT_CONN_ID: Final = "aep_default"


def get_provider_info() -> dict[str, Any]:
    """Describe this provider to Airflow."""
    return {
        "package-name": "airflow-provider-aep",
        "name": "Adobe Experience Platform",
        "description": "Dataflows of Adobe Experience Platform, run from Apache Airflow.",
        "connection-types": [
            {
                "connection-type": "aep",
                "hook-class-name": "aep_provider.hooks.aep.AepHook",
                "hook-name": "Adobe Experience Platform",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "extra"],
                    "relabeling": {
                        "host": "Gateway URL",
                        "login": "Client ID (API key)",
                        "password": "Client secret",
                    },
                    # Airflow 3.3.1 and 3.3.2 test no saved connection without a port (apache/airflow#73298).
                    "placeholders": {"host": "https://platform.adobe.io", "port": "443"},
                },
                "conn-fields": {
                    "ims_org_id": {
                        "label": "Organisation ID",
                        "description": "As in 1234567890ABCDEF@AdobeOrg.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "sandbox": {
                        "label": "Sandbox",
                        "description": "Its name in lower case, not its title.",
                        "schema": {"type": ["string", "null"], "default": "prod"},
                    },
                    "token_url": {
                        "label": "Token URL",
                        "description": "Only on adobelogin.com, or on this machine.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "scopes": {
                        "label": "Scopes",
                        "description": "Separated by commas. Empty takes those of a server-to-server credential.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "access_token": {
                        "label": "Access token",
                        "description": "A ready token, instead of client ID and secret.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                },
            }
        ],
        "extra-links": [
            "aep_provider.links.AepDatasetLink",
            "aep_provider.links.AepFlowLink",
            "aep_provider.links.AepFlowRunLink",
        ],
        "asset-uris": [
            # Without a handler of its own: the URIs stay what they are.
            {
                "schemes": ["aep"],
                "handler": None,
                "to_openlineage_converter": "aep_provider.lineage.assets.to_openlineage",
            }
        ],
        "config": {
            "aep": {
                "description": "Dataflows of Adobe Experience Platform.",
                "options": {
                    "sandbox": {
                        "description": "The sandbox that the DAGs of all dataflows' files are for. Empty leaves it to each file.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "stage",
                        "default": "",
                    },
                    "dataflows_folder": {
                        "description": "The folder with the files of dataflows, the same on every worker. Empty takes "
                        "include/dataflows beside the folder of DAGs.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/opt/airflow/include/dataflows",
                        "default": "",
                    },
                    "page_connections": {
                        "description": "The AEP connections that the page of dataflows may show to everybody who may open it, "
                        "separated by commas: the id alone for the connection's own sandbox, or id@sandbox. Empty shows none.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "aep_default, aep_default@stage",
                        "default": DEFAULT_CONN_ID,
                    },
                    "page_days": {
                        "description": "How many days of flow runs the page of dataflows shows, from 1 to 90.",
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": "7",
                        "default": "30",
                    },
                    "source_connection_prefix": {
                        "description": "Only Airflow connections whose ids begin so are ever sent to AEP as the credentials "
                        "of a source system.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "aep_source_",
                        "default": "aep_source_",
                    },
                    "allowed_token_hosts": {
                        "description": "Hosts, separated by commas, that may be sent client secret and token besides "
                        "adobe.io, adobelogin.com and this machine.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "ims.example.com",
                        "default": "",
                    },
                    "window_edges": {
                        "description": "Which edges of a window your AEP takes: start_inclusive, end_inclusive, "
                        "both_inclusive or neither_inclusive.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "both_inclusive",
                        "default": "start_inclusive",
                    },
                    "show_rejected_values": {
                        "description": "Whether the log shows the values of rejected rows, which may be the data of people, "
                        "besides columns and reasons.",
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": "True",
                        "default": "False",
                    },
                    "flow_url": {
                        "description": "Where AEP's page of a flow is, for the links of tasks; without it, an address that "
                        "Adobe's documents print. Empty switches the link off.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": None,
                        "default": None,
                    },
                    "flow_run_url": {
                        "description": "Where AEP's page of a flow run is, for the links of tasks; without it, an address "
                        "that Adobe's documents print. Empty switches the link off.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": None,
                        "default": None,
                    },
                    "dataset_url": {
                        "description": "Where AEP's page of a dataset is, for the links of tasks; without it, an address "
                        "that Adobe's documents print. Empty switches the link off.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": None,
                        "default": None,
                    },
                    "ui_tenant": {
                        "description": "The organisation's name in the addresses of AEP's pages; without it, the "
                        "organisation's id.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "acme",
                        "default": None,
                    },
                },
            }
        },
        "cli": ["aep_provider.cli.definition.get_commands"],
    }
