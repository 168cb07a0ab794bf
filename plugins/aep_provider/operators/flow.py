"""The last step of making a dataflow: the flow itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aep_provider.links import AepFlowLink
from aep_provider.operators.base import AepEnsureOperator
from aep_provider.operators.rendered import epoch_seconds, number, text, truth, whole_number
from aep_provider.resources.connectors import connector
from aep_provider.resources.flow import START_MARGIN_SECONDS, Flow, FlowDefinition
from aep_provider.resources.flow_spec import find_flow_spec
from aep_provider.resources.schedule import Frequency

if TYPE_CHECKING:
    from aep_provider.hooks.aep import AepHook
    from aep_provider.platform.client import AepClient


class AepCreateFlowOperator(AepEnsureOperator):
    """
    Make sure of a flow: source, target and mapping tied together, with the schedule on which AEP runs it.

    The body is judged by the JSON schemas of the flow specification, and by AEP's further rules, before it is sent.

    :param name: name of the dataflow.
    :param source: the source system, for example ``servicenow``; it decides how the delta column's dates are written.
    :param source_connection_id: id of the source connection.
    :param target_connection_id: id of the target connection.
    :param mapping_set_id: id of the mapping set.
    :param flow_spec_id: id of the flow specification, by default that of tabular sources.
    :param frequency: ``one_time``, ``minute``, ``hour``, ``day`` or ``week``.
    :param interval: in units of ``frequency``: at least 15 minutes, or 1 of the others; none with ``one_time``.
    :param backfill: whether the first run takes all that is there already; none with ``one_time``.
    :param delta_column: tells new rows from old; none with ``one_time``.
    :param delta_format: how its dates are written, by default what the source is known for.
    :param start_time: ISO 8601 or epoch seconds; None means ``start_delay_seconds`` after the request is sent.
    :param partial_ingestion_percent: a run fails when as many percent of its rows are rejected.
    :param error_diagnostics: whether AEP keeps rejected rows for 30 days.

    *Idempotency*: the natural key is the name; start times are not compared. ``if_exists="update"`` changes mapping,
    interval and options of a recurring flow; AEP freezes the rest.

    *XCom*: ``return_value`` is the id of the flow; ``name``, ``etag``, ``action``, ``created``, ``requests``.
    """

    operator_extra_links = (AepFlowLink(),)
    link_to = "flow_id"
    template_fields: Sequence[str] = (
        *AepEnsureOperator.template_fields,
        "name",
        "source",
        "source_connection_id",
        "target_connection_id",
        "mapping_set_id",
        "mapping_version",
        "flow_spec_id",
        "frequency",
        "interval",
        "backfill",
        "delta_column",
        "delta_format",
        "delta_timezone",
        "start_time",
        "start_delay_seconds",
        "partial_ingestion_percent",
        "error_diagnostics",
        "description",
    )

    def __init__(
        self,
        *,
        name: str,
        source: str,
        source_connection_id: str,
        target_connection_id: str,
        mapping_set_id: str,
        mapping_version: int = 0,
        flow_spec_id: str | None = None,
        frequency: str = Frequency.ONE_TIME,
        interval: int | None = None,
        backfill: bool | None = None,
        delta_column: str | None = None,
        delta_format: str | None = None,
        delta_timezone: str = "UTC",
        start_time: str | int | None = None,
        start_delay_seconds: int = START_MARGIN_SECONDS,
        partial_ingestion_percent: float = 5,
        error_diagnostics: bool = True,
        description: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.source = source
        self.source_connection_id = source_connection_id
        self.target_connection_id = target_connection_id
        self.mapping_set_id = mapping_set_id
        self.mapping_version = mapping_version
        self.flow_spec_id = flow_spec_id
        self.frequency = frequency
        self.interval = interval
        self.backfill = backfill
        self.delta_column = delta_column
        self.delta_format = delta_format
        self.delta_timezone = delta_timezone
        self.start_time = start_time
        self.start_delay_seconds = start_delay_seconds
        self.partial_ingestion_percent = partial_ingestion_percent
        self.error_diagnostics = error_diagnostics
        self.description = description

    def resource(self, client: AepClient, hook: AepHook) -> Flow:  # noqa: ARG002
        definition = FlowDefinition(
            name=self.name,
            source_connection_id=self.source_connection_id,
            target_connection_id=self.target_connection_id,
            mapping_set_id=self.mapping_set_id,
            mapping_version=whole_number(self.mapping_version, "mapping_version") or 0,
            frequency=self.frequency,
            interval=whole_number(self.interval, "interval"),
            backfill=truth(self.backfill, "backfill"),
            start_time=epoch_seconds(self.start_time),
            start_delay_seconds=whole_number(self.start_delay_seconds, "start_delay_seconds") or START_MARGIN_SECONDS,
            delta_column=text(self.delta_column),
            delta_format=text(self.delta_format) or connector(self.source).date_format,
            delta_timezone=text(self.delta_timezone) or "UTC",
            partial_ingestion_percent=number(self.partial_ingestion_percent, "partial_ingestion_percent"),
            error_diagnostics=truth(self.error_diagnostics, "error_diagnostics") is not False,
            description=text(self.description),
        )
        return Flow(client, definition, find_flow_spec(client, flow_spec_id=text(self.flow_spec_id)))
