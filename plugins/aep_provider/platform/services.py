"""Where AEP's services live below the gateway."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

FLOW_SERVICE: Final = "/data/foundation/flowservice"
SCHEMA_REGISTRY: Final = "/data/foundation/schemaregistry"
CATALOG: Final = "/data/foundation/catalog"
DATA_PREP: Final = "/data/foundation/conversion"
DATA_ACCESS: Final = "/data/foundation/export"


def segment(value: str) -> str:
    """``value`` as one segment of a path: ids of schemas are URLs, and an id must not reach another path."""
    return quote(value, safe="")
