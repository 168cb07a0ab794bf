"""The datasets of AEP as Airflow's assets and OpenLineage name them. Airflow imports this module wherever assets are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aep_provider.resources.lineage import SCHEME, dataset_of_uri

if TYPE_CHECKING:
    from openlineage.client.event_v2 import Dataset


def is_told() -> bool:
    """Whether Airflow tells OpenLineage about tasks here: its provider is installed, and has somebody to tell."""
    try:
        from airflow.providers.openlineage import conf  # noqa: PLC0415  it need not be there

        return not conf.is_disabled()
    except Exception:
        # Not there, or configured wrongly; then it tells nothing either.
        return False


def namespace(sandbox: str) -> str:
    """Return OpenLineage's namespace of a sandbox's datasets."""
    return f"{SCHEME}://{sandbox}"


def to_openlineage(asset: Any, lineage_context: Any = None) -> Dataset | None:  # noqa: ARG001  Airflow's signature
    """Return the dataset that an asset stands for, None if it stands for none. Airflow finds this in the provider's metadata."""
    from openlineage.client.event_v2 import Dataset  # noqa: PLC0415  who calls this has it

    found = dataset_of_uri(str(asset.uri))
    return Dataset(namespace=namespace(found[0]), name=found[1]) if found else None
