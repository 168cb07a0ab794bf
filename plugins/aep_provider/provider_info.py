"""What Airflow's connection form and registries show. Imports nothing, so that reading it is free."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Describe this provider to Airflow."""
    return {
        "package-name": "airflow-provider-aep",
        "name": "Adobe Experience Platform",
        "description": "Dataflows of Adobe Experience Platform, run from Apache Airflow.",
    }
