"""What the page says of one dataflow: its windows with their gaps, and its runs with the causes of their failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aep_provider.links import named_urls
from aep_provider.resources.coverage import Coverage, Expectation, Generation, Overlap, WindowReport, WindowState, cover
from aep_provider.resources.run_causes import Advice, advice
from aep_provider.resources.window import Edges, Window, merged
from aep_provider.ui.rows import Dataflow, Judge, Row, late_windows
from aep_provider.ui.seen_run import SeenRun
from aep_provider.verdict import RunState, Tolerance

if TYPE_CHECKING:
    from aep_provider.ui.access import KnownRun, Viewer
    from aep_provider.ui.chains import Chain
    from aep_provider.ui.snapshots import Snapshot

MOST_RUNS: Final = 100
MOST_WINDOWS: Final = 120
"""Shown of each, the newest."""
_LINKS: Final = {"flow": "Flow in AEP", "dataset": "Dataset in AEP"}


@dataclass(frozen=True)
class ShownRun:
    """:param url: its page in AEP, empty where no link is configured."""

    run: SeenRun
    window: Window | None
    advice: Advice | None
    url: str
    dag_run: KnownRun | None


@dataclass(frozen=True)
class ShownWindow:
    """:param is_late: whether it should have been loaded and was not."""

    report: WindowReport
    is_late: bool
    dag_run: KnownRun | None


@dataclass(frozen=True)
class Detail:
    """
    A dataflow.

    :param windows: the newest first.
    :param gaps: what is missing, neighbouring windows in one.
    :param is_scheduled: whether a schedule says which windows there should be.
    :param urls: pages in AEP, by kind of object.
    """

    windows: Sequence[ShownWindow]
    windows_in_all: int
    gaps: Sequence[Window]
    overlaps: Sequence[Overlap]
    is_scheduled: bool
    runs: Sequence[ShownRun]
    runs_in_all: int
    chain: Chain | None
    urls: Mapping[str, str]
    schedule: str
    twins: int
    """How many further flows bear the name."""
    dag_id: str = ""
    """Empty where Airflow has none for it, or not for this viewer."""
    is_paused: bool = False


def detail_of(snapshot: Snapshot, dataflow: Dataflow, row: Row, chain: Chain | None, looker: Viewer) -> Detail:
    """Return all that there is to be said of a dataflow."""
    now = snapshot.read_at or 0.0
    judge = Judge(now, snapshot.known_since, snapshot.edges)
    coverage, _ = judge.windows(dataflow)
    is_scheduled = coverage is not None
    lag = dataflow.spec.schedule.lag if dataflow.spec and dataflow.spec.schedule else 0
    late = late_windows(coverage, now - lag) if coverage else []
    coverage = coverage or _told(dataflow, snapshot.edges, now)
    reports = list(reversed(coverage.windows)) if coverage else []
    dag_id = dag_of(snapshot, row, looker)
    touched = Window(min(report.window.start for report in reports), int(now) + 1) if reports else None
    dag_runs = looker.runs(dag_id, touched) if dag_id and touched else {}
    recurs = {str(flow.get("id")): Generation.of(flow).recurs for flow in dataflow.flows}
    present = [flow for flow in dataflow.flows if flow.get("name") == row.name]
    parts = {part.kind: part.id for part in chain.parts} if chain else {}
    urls = named_urls(snapshot.address, flow_id=row.flow_id or None, dataset_id=parts.get("dataset") or None)
    return Detail(
        windows=[
            ShownWindow(report, report.window in late, dag_runs.get(report.window)) for report in reports[:MOST_WINDOWS]
        ],
        windows_in_all=len(reports),
        gaps=merged(late) if is_scheduled else (coverage.gaps if coverage and _recurs(recurs) else []),
        overlaps=coverage.overlaps if coverage else [],
        is_scheduled=is_scheduled,
        runs=[_shown(run, snapshot, recurs, dag_runs) for run in dataflow.runs[:MOST_RUNS]],
        runs_in_all=len(dataflow.runs),
        chain=chain,
        urls={kind: urls[link] for kind, link in _LINKS.items() if link in urls},
        schedule=_schedule(dataflow),
        twins=max(0, len(present) - 1),
        dag_id=dag_id,
        is_paused=bool(dag_id and looker.dags[dag_id].is_paused),
    )


def dag_of(snapshot: Snapshot, row: Row, looker: Viewer) -> str:
    """Return the id of a dataflow's DAG; empty where Airflow has none of this sandbox, or not for this viewer."""
    dag = looker.dags.get(row.dag_id)
    # Another sandbox may hold a dataflow of the same name, which is not the one that the DAG is for.
    is_its = row.name in snapshot.specs if snapshot.specs else True
    return row.dag_id if dag and is_its and not dag.is_stale else ""


def _told(dataflow: Dataflow, edges: Edges, now: float) -> Coverage | None:
    """The windows that runs tell, where no schedule says which there should be."""
    recurs = {str(flow.get("id")): Generation.of(flow).recurs for flow in dataflow.flows}
    past = [run.as_past(edges, recurs=recurs.get(run.flow_id, False)) for run in dataflow.runs]
    told = [run.window for run in past if run.window]
    if not told:
        return None
    tolerance = dataflow.spec.policy.tolerance() if dataflow.spec else Tolerance()
    # No gap is sought before the first window or after the last.
    reach = Window(min(window.start for window in told), max(window.end for window in told))
    return cover(past, Expectation(reach, None, min(now, reach.end), tolerance))


def _recurs(recurs: Mapping[str, bool]) -> bool:
    """Windows that somebody loads by hand need not follow each other."""
    return bool(recurs) and all(recurs.values())


def _shown(
    run: SeenRun, snapshot: Snapshot, recurs: Mapping[str, bool], dag_runs: Mapping[Window, KnownRun]
) -> ShownRun:
    window = run.as_past(snapshot.edges, recurs=recurs.get(run.flow_id, False)).window
    known = advice(run.codes[0], " ".join(run.reasons)) if run.codes and run.state is not RunState.SUCCEEDED else None
    url = named_urls(snapshot.address, flow_id=run.flow_id, run_id=run.id).get("Flow run in AEP", "")
    return ShownRun(run, window, known, url, dag_runs.get(window) if window else None)


def _schedule(dataflow: Dataflow) -> str:
    """How often it runs, in a few words."""
    spec = dataflow.spec
    if spec and spec.schedule:
        lag = f", {spec.schedule.lag / 60:g} min after the window's end" if spec.schedule.lag else ""
        return f"{spec.schedule.cron} ({spec.schedule.timezone}), by Airflow{lag}"
    plan = dataflow.present.get("scheduleParams")
    plan = plan if isinstance(plan, Mapping) else {}
    word = str(plan.get("frequency") or "").lower()
    if word == "once":
        return "once, or by hand"
    return f"every {plan.get('interval')} {word}, by AEP" if word and plan.get("interval") else ""


CALM: Final = {
    WindowState.SUCCEEDED: "good",
    WindowState.PARTIAL: "warn",
    WindowState.RUNNING: "busy",
    WindowState.IN_PART: "bad",
    WindowState.FAILED: "bad",
    WindowState.NEVER: "bad",
    WindowState.UNKNOWN: "warn",
    WindowState.NOT_DUE: "idle",
}
"""How a state of a window looks."""
