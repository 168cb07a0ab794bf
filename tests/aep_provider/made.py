"""Dataflows made for tests."""

from __future__ import annotations

from typing import Any

from aep_provider.dataflows.ensured import Ensured, ensure_dataflows
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.platform.client import AepClient
from aep_provider.resources.authentication import SourceLogin
from aep_provider.resources.ensure import Patience

QUICK = Patience(settle_seconds=1, look_every_seconds=0.02)
SHAPES: dict[str, dict[str, Any]] = {
    "one_time": {"load": "one_time"},
    "recurring": {
        "load": "recurring",
        "recurrence": {"frequency": "minute", "interval": 15},
        "delta_column": "sys_updated_at",
    },
    "on_demand": {"delta_column": "sys_updated_at"},
}


def declared(name: str = "incidents", shape: str = "on_demand", **more: Any) -> DataflowSpec:
    """The table ``incident`` of ServiceNow, in one of the three shapes."""
    least = {"name": name, "source": "servicenow", "table": "incident", **SHAPES[shape]}
    access = {} if "base_connection" in more else {"source_conn_id": "aep_source_servicenow"}
    return DataflowSpec.model_validate({**least, **access, **more})


def made(client: AepClient, login: SourceLogin, spec: DataflowSpec, **options: Any) -> Ensured:
    """Make sure of one dataflow, on a platform whose lists show everything within a second."""
    (one,) = ensure_dataflows(client, lambda _: login, [spec], **{"patience": QUICK, **options})
    return one
