"""A sandbox as the page sees it, and a page whose background work is done at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepError
from aep_provider.ui.declared import Declared
from aep_provider.ui.places import Place
from aep_provider.ui.snapshots import Snapshots

from ..resources import watching
from ..resources.watching import DAY, NOW, Sandbox

WEEK = [NOW - NOW % DAY - day * DAY for day in range(7)]
"""The midnights of the last days, the newest first."""
OBJECTS = {
    "connections/b1": {"id": "b1", "name": "ServiceNow"},
    "sourceConnections/s1": {"id": "s1", "name": "incident", "baseConnectionId": "b1"},
    "targetConnections/t1": {
        "id": "t1",
        "name": "lake",
        "params": {"dataSetId": "d1"},
        "data": {"schema": {"id": "x1"}},
    },
    "dataSets/d1": {"d1": {"name": "Incidents", "schemaRef": {"id": "x1"}}},
    "schemas/x1": {"$id": "x1", "title": "Incident"},
    "mappingSets/m1": {"id": "m1", "name": "airflow-aep 1"},
}


class World(Sandbox):
    """:param error: what every request fails with."""

    error: AepError | None = None

    def get(self, path: str, params: Any = None, **options: Any) -> Any:
        if self.error:
            raise self.error
        last = "/".join(path.split("/")[-2:])
        if last in OBJECTS:
            self.asked.append(last)
            found = OBJECTS[last]
            wrapped = not last.startswith(("dataSets", "schemas", "mappingSets"))
            return SimpleNamespace(body={"items": [found]} if wrapped else found)
        return super().get(path, params, **options)

    @contextmanager
    def hook(self, place: Place) -> Iterator[Any]:
        settings = SimpleNamespace(sandbox=place.sandbox or "prod", ims_org_id="LOCAL@AdobeOrg")
        yield SimpleNamespace(settings=settings, client=self)


def flow_id(name: str) -> str:
    """The id of the flow of a name."""
    return "flow-" + re.sub(r"\W+", "-", name)


def flow(name: str, **more: Any) -> Any:
    """A flow's document."""
    return watching.flow(name, **more) | {"id": flow_id(name)}


def run(name: str, of: str, *more: Any, **fields: Any) -> Any:
    """A run's document."""
    return watching.run(name, of, *more, **fields) | {"flowId": flow_id(of)}


def spec(name: str, **more: Any) -> DataflowSpec:
    """A dataflow that loads a day at a time."""
    fields = {
        "name": name, "source": "servicenow", "source_conn_id": "aep_source_servicenow", "table": "incident",
        "delta_column": "sys_updated_at",
        "schedule": {"cron": "0 0 * * *", "start": "2025-12-20", "catchup": True},
        **more,
    }  # fmt: skip
    return DataflowSpec.model_validate(fields)


def window_run(name: str, of: str, start: int, status: str = "success", **records: Any) -> Any:
    """A run over the day from a midnight on, half an hour after its end."""
    counts = {"inputRecordCount": 10, "outputRecordCount": 10, **records} if status == "success" else {}
    made = run(name, of, start + DAY + 1800, start + DAY + 1900, status, **counts)
    return {**made, "params": {"windowStartTime": str(start), "windowEndTime": str(start + DAY)}}


def whole_flow(name: str, **more: Any) -> Any:
    """A flow that tells its whole chain."""
    return flow(name) | {
        "sourceConnectionIds": ["s1"],
        "targetConnectionIds": ["t1"],
        "transformations": [{"name": "Mapping", "params": {"mappingId": "m1", "mappingVersion": "0"}}],
        **more,
    }


def snapshots(world: World, *specs: DataflowSpec, now: Callable[[], float] = lambda: NOW, days: int = 10) -> Snapshots:
    """Snapshots that are there when somebody first looks."""
    declared = Declared(specs)
    return Snapshots(world.hook, lambda: declared, days=days, clock=now, start=lambda work: work())
