"""What runs look up of the services, without asking them over HTTP."""

from __future__ import annotations

from typing import Final

from aep_local.core.store import Document, Scope, Store

DATASETS: Final = "dataSets"
BATCHES: Final = "batches"
MAPPING_SETS: Final = "mappingSets"


def dataset(store: Store, scope: Scope, id: str) -> Document | None:
    """A dataset, or None: ``name schemaRef tags state …`` with its ``id``."""
    return store.get(DATASETS, id, scope)


def normal_mappings(store: Store, scope: Scope, id: str, version: int | None = None) -> Document | None:
    """A version of a mapping set (the newest when None) in normal form (``schemaRef``, ``mappings`` …), or None."""
    doc = store.get(MAPPING_SETS, id, scope)
    found = None if doc is None else mapping_version(doc, version)
    return None if found is None else found[1]


def mapping_version(doc: Document, version: int | None) -> tuple[int, Document] | None:
    """Number and content of one version of a mapping set (the newest when None), or None."""
    wanted = len(doc["versions"]) - 1 if version is None else version
    return (wanted, doc["versions"][wanted]["content"]) if 0 <= wanted < len(doc["versions"]) else None
