"""The flow specification: which sources a kind of flow serves, and the JSON schemas that its flows must satisfy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepConfigError
from aep_provider.platform.paging import flow_service_items
from aep_provider.resources import flow_service
from aep_provider.resources.connectors import DATA_LAKE_SPEC_ID, TABULAR_FLOW_SPEC, Connector
from aep_provider.resources.judging import violations
from aep_provider.resources.shapes import relied_on

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient


@dataclass(frozen=True)
class FlowSpec:
    """A flow specification as AEP holds it."""

    id: str
    name: str
    version: str
    document: Mapping[str, Any]

    def serve(self, connector: Connector) -> None:
        """
        Check that this kind of flow serves a source system.

        :raises AepConfigError: if it does not (any more).
        """
        if connector.spec_id not in (self.document.get("sourceConnectionSpecIds") or []):
            raise AepConfigError(
                f"AEP's flow specification {self.name} does not serve {connector.title} ({connector.spec_id}) in this "
                "organisation (AEP would answer 1413): ask Adobe whether the source was retired."
            )
        targets = self.document.get("targetConnectionSpecIds")
        if targets and DATA_LAKE_SPEC_ID not in targets:
            raise AepConfigError(f"AEP's flow specification {self.name} does not lead to the data lake any more.")

    def check(self, body: Mapping[str, Any]) -> None:
        """
        Judge the body of a new flow by the JSON schemas that the specification carries.

        :raises AepConfigError: with everything that is wrong in one message.
        """
        wrong = list(self._wrong(body))
        if wrong:
            raise AepConfigError(f"AEP's flow specification {self.name} refuses the flow: {'; '.join(wrong[:8])}.")

    def _wrong(self, body: Mapping[str, Any]) -> Iterator[str]:
        yield from _violations(self.document.get("scheduleSpec"), body.get("scheduleParams"), "scheduleParams")
        if "options" in body:
            yield from _violations(self.document.get("optionSpec"), body["options"], "options")
        specs = self.document.get("transformationSpecs") or self.document.get("transformationSpec") or []
        by_name = {spec.get("name"): spec for spec in specs if isinstance(spec, Mapping)}
        for transformation in body.get("transformations") or []:
            name = transformation["name"]
            if by_name and name not in by_name:
                yield f"there is no transformation {name!r}"
            yield from _violations(by_name.get(name), transformation.get("params"), f"transformations.{name}")


def find_flow_spec(client: AepClient, name: str = TABULAR_FLOW_SPEC, flow_spec_id: str | None = None) -> FlowSpec:
    """
    Return the flow specification of a name, or of an id if one is given.

    :raises AepConfigError: if there is none.
    """
    wanted, value = ("id", flow_spec_id) if flow_spec_id else ("name", name)
    for item in flow_service_items(client, flow_service.path_of("flowSpecs"), [("property", f"{wanted}=={value}")]):
        if item.get(wanted) == value:
            return _flow_spec(item)
    raise AepConfigError(f"AEP has no flow specification with the {wanted} {value!r} in this organisation.")


def _flow_spec(item: Mapping[str, Any]) -> FlowSpec:
    relied_on(item, "flowSpecs")
    return FlowSpec(item["id"], str(item.get("name")), str(item.get("version") or "1.0"), item)


def _violations(spec: object, value: object, where: str) -> Iterator[str]:
    """A specification without a schema judges nothing."""
    schema = spec.get("spec") if isinstance(spec, Mapping) else None
    if not isinstance(schema, Mapping):
        return
    for violation in violations(schema, value, where):
        path = ".".join([where, *map(str, violation.absolute_path)])
        yield f"{path}: {violation.message[:300]}"
