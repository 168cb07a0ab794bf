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
                    "hidden-fields": ["port", "schema", "extra"],
                    "relabeling": {
                        "host": "Gateway URL",
                        "login": "Client ID (API key)",
                        "password": "Client secret",
                    },
                    "placeholders": {"host": "https://platform.adobe.io"},
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
        "cli": ["aep_provider.cli.definition.get_commands"],
    }
