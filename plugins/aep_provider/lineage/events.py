"""The datasets and facets of OpenLineage's events. Needs OpenLineage, so only what it calls imports this."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    RunFacet,
    column_lineage_dataset,
    external_query_run,
    input_statistics_input_dataset,
    lifecycle_state_change_dataset,
    output_statistics_output_dataset,
    schema_dataset,
)

from aep_provider.lineage.assets import namespace
from aep_provider.resources.lineage import SCHEME, Lineage
from aep_provider.verdict import RunState, Verdict

FACET = "aep_flowRun"
_BROUGHT_ROWS = (RunState.SUCCEEDED, RunState.PARTIAL)


@attrs.define
class AepFlowRunFacet(RunFacet):
    """
    What AEP did in a run of a task.

    :param runs: of each flow run its ids, state, counts of rows, bytes and batches.
    :param windowStart: first moment of the window that was loaded, ISO 8601; None where the task has none.
    :param windowEnd: the moment after its last one.
    :param how: the window came by its run: posted, taken over (then its rows have been told before), re-triggered.
    """

    organisation: str | None = attrs.field(default=None)
    sandbox: str | None = attrs.field(default=None)
    windowStart: str | None = attrs.field(default=None)
    windowEnd: str | None = attrs.field(default=None)
    how: str | None = attrs.field(default=None)
    runs: list[dict[str, Any]] = attrs.field(factory=list)


def lineage_of_runs(
    lineage: Lineage | None,
    datasets: Iterable[tuple[str, str]],
    verdicts: Sequence[Verdict] = (),
    window: Mapping[str, str] | None = None,
    how: str | None = None,
) -> OperatorLineage[Any, Any]:
    """
    Return what a task tells that loads rows, or waits for them.

    Counts stand with the datasets only where all runs are of one flow, and only of runs that brought rows.

    :param lineage: what is known of the dataflow.
    :param datasets: what the task updates in any case, sandbox and name of each.
    :param verdicts: what is known of the flow runs.
    :param window: ``window_start`` and ``window_end``, ISO 8601.
    """
    named = list(dict.fromkeys([*([(lineage.sandbox, lineage.dataset)] if lineage else []), *datasets]))
    brought = [one for one in verdicts if one.state in _BROUGHT_ROWS]
    counted = brought if len({one.flow_id for one in verdicts}) == 1 else []
    # Where the dataflow is not known, rows of one run cannot have gone to two datasets.
    lands = named[0] if lineage or len(named) == 1 else None
    return OperatorLineage(
        inputs=[_input(lineage, counted)] if lineage and lineage.source and lineage.table else [],
        outputs=[
            _output(where, lineage if lineage and where == lands else None, counted if where == lands else [])
            for where in named
        ],
        run_facets=_run_facets(lineage, named, verdicts, window or {}, how),
    )


def lineage_of_made(
    made: Iterable[tuple[Lineage, bool]], datasets: Iterable[tuple[str, str]] = ()
) -> OperatorLineage[Any, Any]:
    """
    Return what a task tells that makes datasets, or makes sure of them: it moves no rows.

    :param made: what is known of each dataflow, and whether its dataset was not there before.
    :param datasets: those of which no more is known than sandbox and name.
    """
    outputs = {(one.sandbox, one.dataset): _output((one.sandbox, one.dataset), one, []) for one, _ in made}
    for one, is_new in made:
        if is_new:
            change = lifecycle_state_change_dataset.LifecycleStateChange.CREATE
            facet = lifecycle_state_change_dataset.LifecycleStateChangeDatasetFacet(change)
            (outputs[one.sandbox, one.dataset].facets or {})["lifecycleStateChange"] = facet
    for where in datasets:
        outputs.setdefault(where, _output(where, None, []))
    return OperatorLineage(outputs=list(outputs.values()))


def _input(lineage: Lineage, verdicts: Sequence[Verdict]) -> InputDataset:
    facts = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
        rowCount=_sum(one.rows_read for one in verdicts), size=_sum(one.bytes_read for one in verdicts)
    )
    return InputDataset(
        namespace=lineage.source,
        name=lineage.table,
        facets=_schema(lineage.columns),
        inputFacets={"inputStatistics": facts} if facts.rowCount is not None else {},
    )


def _output(where: tuple[str, str], lineage: Lineage | None, verdicts: Sequence[Verdict]) -> OutputDataset:
    facts = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=_sum(one.rows_written for one in verdicts), size=_sum(one.bytes_written for one in verdicts)
    )
    return OutputDataset(
        namespace=namespace(where[0]),
        name=where[1],
        facets={**_schema(lineage.fields), **_columns(lineage)} if lineage else {},
        outputFacets={"outputStatistics": facts} if facts.rowCount is not None else {},
    )


def _schema(types: Mapping[str, str]) -> dict[str, DatasetFacet]:
    if not types:
        return {}
    fields = [schema_dataset.SchemaDatasetFacetFields(name=name, type=kind or None) for name, kind in types.items()]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields=fields)}


def _columns(lineage: Lineage) -> dict[str, DatasetFacet]:
    """What an expression makes of columns is not read here, so only those fields are told that are a column as it is."""
    if not (lineage.source and lineage.table and lineage.origins):
        return {}
    fields = {
        path: column_lineage_dataset.Fields(
            inputFields=[column_lineage_dataset.InputField(namespace=lineage.source, name=lineage.table, field=column)]
        )
        for path, column in lineage.origins.items()
    }
    return {"columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(fields=fields)}


def _run_facets(
    lineage: Lineage | None,
    datasets: Sequence[tuple[str, str]],
    verdicts: Sequence[Verdict],
    window: Mapping[str, str],
    how: str | None,
) -> dict[str, RunFacet]:
    if not verdicts:
        return {}
    sandbox = datasets[0][0] if datasets else None
    facets: dict[str, RunFacet] = {
        FACET: AepFlowRunFacet(
            organisation=lineage.organisation or None if lineage else None,
            sandbox=sandbox,
            windowStart=window.get("window_start"),
            windowEnd=window.get("window_end"),
            how=how,
            runs=[_told(one) for one in verdicts],
        )
    }
    if len(verdicts) == 1:
        source = namespace(sandbox) if sandbox else SCHEME
        facets["externalQuery"] = external_query_run.ExternalQueryRunFacet(verdicts[0].run_id, source)
    return facets


def _told(verdict: Verdict) -> dict[str, Any]:
    """Ids and numbers. AEP's own sentences may quote what stood in a row, and are left to the task's log."""
    return {
        "runId": verdict.run_id,
        "flowId": verdict.flow_id,
        "state": verdict.state.value,
        "rowsRead": verdict.rows_read,
        "rowsWritten": verdict.rows_written,
        "rowsRejected": verdict.rows_rejected,
        "rowsSkipped": verdict.rows_skipped,
        "bytesRead": verdict.bytes_read,
        "bytesWritten": verdict.bytes_written,
        "codes": verdict.codes,
        "batchIds": verdict.batch_ids,
        "startedAt": verdict.started_at,
        "completedAt": verdict.completed_at,
    }


def _sum(numbers: Iterable[int | None]) -> int | None:
    """Of runs of which one does not tell, nothing can be said."""
    every = list(numbers)
    told = [number for number in every if number is not None]
    return sum(told) if told and len(told) == len(every) else None
