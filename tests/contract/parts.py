"""What a flow needs, ready made in a sandbox."""

from __future__ import annotations

import time
from typing import Any

from . import models
from .platform import (
    Caller,
)

STRING = {"type": "string"}


class Parts:
    """What a flow needs, ready made in the caller's sandbox."""

    def __init__(self, aep: Caller) -> None:
        self.aep = aep
        self.tenant = aep.tenant()
        self.base = aep.base()
        self.columns = aep.columns(self.base, "Account")
        self.source = aep.create("sourceConnections", aep.source_body(self.base, "Account", self.columns))
        self.schema = aep.schema({"id": STRING, "name": STRING})
        self.dataset = aep.dataset(self.schema)
        self.target = aep.create("targetConnections", aep.target_body(self.dataset, self.schema))
        self.pairs = [("Id", f"{self.tenant}.row.id"), ("Name", f"{self.tenant}.row.name")]
        self.mapping = aep.mapping(self.schema, self.pairs)

    def flow_body(self, **changes: Any) -> dict[str, Any]:
        return self.aep.flow_body(self.source, self.target, self.mapping, **changes)

    def scheduled_body(self, **changes: Any) -> dict[str, Any]:
        """A recurring flow whose time never comes."""
        delta = {"name": "CreatedDate", "dateFormat": "yyyy-MM-dd HH:mm:ss", "timezone": "UTC"}
        mapping = {"name": "Mapping", "params": {"mappingId": self.mapping, "mappingVersion": "0"}}
        schedule = {"startTime": int(time.time()) + 3_000_000, "frequency": "minute", "interval": 15, "backfill": True}
        transformations = [{"name": "Copy", "params": {"deltaColumn": delta}}, mapping]
        return self.flow_body(scheduleParams=schedule, transformations=transformations) | changes

    def create_flow(self, body: dict[str, Any]) -> models.Flow:
        return self.aep.settled(self.aep.create("flows", body))
