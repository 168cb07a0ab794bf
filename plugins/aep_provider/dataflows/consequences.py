"""What a new flow in place of another means for rows: which would come twice, and which would be missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aep_provider.dataflows.chain import Sandbox
from aep_provider.dataflows.plan import Change, Consequence, Step
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.resources.coverage import Generation, generations, past_runs
from aep_provider.resources.dataset import Dataset
from aep_provider.resources.flow import Flow, held_delta
from aep_provider.resources.resource import Document
from aep_provider.resources.run_history import PastRun
from aep_provider.resources.schedule import ON_DEMAND_START
from aep_provider.resources.source_connection import SourceConnection
from aep_provider.resources.target_connection import TargetConnection


@dataclass(frozen=True)
class _Loaded:
    """What the old flow brought."""

    runs: Sequence[PastRun]

    def in_words(self) -> str:
        rows = [run.verdict.rows_written for run in self.runs]
        told = _times(sum(count or 0 for count in rows), "row") if None not in rows else "rows"
        windows = [run.window for run in self.runs if run.window]
        if not windows:
            return f"{told} in {_times(len(self.runs), 'run')}"
        first, last = min(one.start for one in windows), max(one.end for one in windows)
        span = type(windows[0])(first, last)
        return f"{told} in {_times(len(self.runs), 'run')}, of the time {span}"


def consequences(
    spec: DataflowSpec, steps: Sequence[Step], flow: Document | None, sandbox: Sandbox
) -> Iterator[Consequence]:
    """Yield what replacing a flow implies. Reads the runs of the flow that goes, and of those before it."""
    step = next(step for step in steps if step.kind == Flow.kind)
    if flow is None or Change.REPLACE not in (step.change, step.then):
        return
    loaded = _Loaded([run for run in past_runs(sandbox.client, _loaders(spec, flow, sandbox)) if run.took_rows])
    if not loaded.runs:
        yield Consequence("The flow has brought no rows yet: none comes twice, and none is missed.")
        return
    landing = next(step for step in steps if step.kind == Dataset.kind)
    if landing.id is None or landing.id != dataset_of(flow, sandbox):
        yield _another_dataset(spec, loaded)
        return
    yield _same_dataset(spec, flow, loaded, sandbox)


def dataset_of(flow: Document, sandbox: Sandbox) -> object:
    """Return the id of the dataset that a flow loads, None if that cannot be told."""
    for target_id in flow.get("targetConnectionIds") or []:
        target = sandbox.inventory.by_id(TargetConnection, target_id) or {}
        return (target.get("params") or {}).get("dataSetId")
    return None


def _loaders(spec: DataflowSpec, flow: Document, sandbox: Sandbox) -> list[Generation]:
    """The flow, its equals, and those that gave way to it, as far as they loaded the same dataset."""
    dataset = dataset_of(flow, sandbox)
    every = generations(sandbox.inventory.documents[Flow], spec.name)
    loaders = {one.id: dataset_of(sandbox.inventory.by_id(Flow, one.id) or {}, sandbox) for one in every}
    return [one for one in every if one.id == flow["id"] or loaders[one.id] == dataset is not None]


def _another_dataset(spec: DataflowSpec, loaded: _Loaded) -> Consequence:
    stay, done = "What was loaded stays in the old dataset, and the new one begins empty: ", loaded.in_words()
    if spec.load == "one_time" or (spec.recurrence and spec.recurrence.backfill):
        return Consequence(stay + "the new flow loads the whole table into it.", loaded=done)
    if spec.load == "recurring":
        return Consequence(stay + "the new flow takes only what changes from now on.", done, loses=True)
    return Consequence(stay + "load the windows again with a backfill, or its rows are missed.", done, loses=True)


def _same_dataset(spec: DataflowSpec, flow: Document, loaded: _Loaded, sandbox: Sandbox) -> Consequence:
    done = loaded.in_words()
    if spec.load == "one_time":
        return Consequence("The new flow loads the whole table again: what was loaded comes twice.", done, loses=True)
    if spec.recurrence and spec.recurrence.backfill:
        return Consequence(
            "The first run of the new flow takes all that is there: what was loaded comes twice. With recurrence.backfill false "
            "it takes only what changes after its start.",
            done,
            loses=True,
        )
    if spec.recurrence:
        return Consequence(
            "The new flow takes only what changes after its start: rows that changed between the last run and that start are "
            "missed.",
            done,
            loses=True,
        )
    return _windows_count_as_done(spec, flow, done, sandbox)


def _windows_count_as_done(spec: DataflowSpec, flow: Document, done: str, sandbox: Sandbox) -> Consequence:
    if not _runs_on_demand(flow):
        in_force = "unless each is loaded with `force`, whereupon rows that are there come twice"
        if Generation.of(flow).recurs:
            return Consequence(
                "What the old flow loaded by itself does not lie in the windows of the schedule: a window that shares time with "
                f"it is refused, and its other rows are missed, {in_force}.",
                done,
                loses=True,
            )
        return Consequence(
            f"The old flow loaded the whole table, and that run tells no window: every window is refused, {in_force}. Into "
            "another dataset, windows can be loaded as they are.",
            done,
            loses=True,
        )
    table = _table_of(flow, sandbox)
    if table not in (None, spec.table):
        return Consequence(
            f"Windows that were loaded count as done, although they were loaded from the table {table!r}: the rows of "
            f"{spec.table!r} in them are missed, unless each is loaded with `force`.",
            done,
            loses=True,
        )
    held = held_delta(flow)
    if held not in (None, spec.delta_column):
        return Consequence(
            f"Windows that were loaded count as done, by the column {held!r}: rows whose {spec.delta_column!r} lies in another "
            "window than that come twice or are missed.",
            done,
            loses=True,
        )
    return Consequence(
        "Windows that were loaded count as done: none is loaded again, and their rows stay as they are.", done
    )


def _runs_on_demand(flow: Document) -> bool:
    schedule: Mapping[str, Any] = flow.get("scheduleParams") or {}
    try:
        return schedule.get("frequency") == "once" and int(schedule.get("startTime") or 0) >= ON_DEMAND_START
    except (TypeError, ValueError):
        return False


def _table_of(flow: Document, sandbox: Sandbox) -> object:
    for source_id in flow.get("sourceConnectionIds") or []:
        source = sandbox.inventory.by_id(SourceConnection, source_id) or {}
        return (source.get("params") or {}).get("tableName")
    return None


def _times(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
