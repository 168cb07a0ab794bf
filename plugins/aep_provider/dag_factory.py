"""A DAG for each dataflow that is declared in a file: ``aep_dataflow__<name>``."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param, XComArg, conf, task
from croniter import croniter

from aep_provider.dataflows.reading.load import load_folder
from aep_provider.dataflows.spec import DataflowSpec, Recurrence, Schedule, slug_of
from aep_provider.errors import AepConfigError
from aep_provider.operators import AepCreateFlowRunOperator, AepEnsureDataflowOperator
from aep_provider.resources.lineage import dataset_uri
from aep_provider.retries import AepRetryPolicy
from aep_provider.sensors import AepFlowRunSensor

log = logging.getLogger(__name__)

DAY_SECONDS = 86_400.0
_LONGEST_STEM = 200
_MINUTE, _HOUR, _SECOND = 0, 1, 5
"""Where they stand in a cron expression."""
_PERIODS = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
# Not there where OpenLineage is not told, nor of a run that an older version of this package began.
_LINEAGE = "{{ ti.xcom_pull(task_ids='dataflow', key='lineage') | tojson }}"
BATCHES_A_DAY = 90
"""How many batches a day AEP's guardrail names for a sandbox."""


def dataflow_asset(sandbox: str, dataset: str) -> Asset:
    """Return the asset that stands for a dataset; every window that is loaded into it is an event of it."""
    return Asset(dataset_uri(sandbox, dataset))


def watch_asset(sandbox: str) -> Asset:
    """
    Return the asset that stands for the watch over a sandbox's flows; what it remembers is kept with it.

    Its URI has one part more than any dataset's: in those a slash of the name is quoted.
    """
    return Asset(f"aep://{quote(sandbox, safe='')}/watch/flow-runs")


def dataflow_dags(folder: Path, root: Path | None = None, sandbox: str | None = None) -> dict[str, DAG]:
    """
    Return a DAG for each dataflow that a folder declares, by id.

    A file that cannot be read costs the others nothing: it becomes a DAG that says what is wrong with it.

    :param root: where the names of mapping files start, by default the folder above.
    :param sandbox: the sandbox that all of them are for, by default the option ``sandbox`` in the section ``[aep]`` of
        Airflow's configuration; without, each file names its own.
    """
    loaded = load_folder(folder, sandbox=sandbox or conf.get("aep", "sandbox", fallback=None) or None, root=root)
    dags: dict[str, DAG] = {}
    for spec in loaded.specs:
        dag = dataflow_dag(spec)
        dags[dag.dag_id] = dag
    for file, error in loaded.broken.items():
        log.error("%s", error)
        dag = _broken_dag(file, str(error))
        # A file that is broken or of a name that is taken must not hide another one's DAG.
        dags.setdefault(dag.dag_id, dag)
    for crowded, warning in batch_warnings(loaded.specs).items():
        log.warning("%s", warning)
        for spec in loaded.specs:
            if spec.sandbox == crowded and batches_a_day(spec):
                one = dags[f"aep_dataflow__{spec.slug}"]
                one.doc_md = f"{one.doc_md}\n\n**{warning}.**"
    return dags


def dataflow_dag(spec: DataflowSpec) -> DAG:
    """
    Return the DAG that makes sure of a dataflow, and then waits for its rows.

    With load on_demand each run loads one window, with one_time it waits for the one load, and with recurring it waits for
    nothing: AEP comes back by itself.
    """
    policy, schedule = spec.policy, spec.schedule
    asset = dataflow_asset(spec.sandbox, spec.dataset)
    with DAG(
        dag_id=f"aep_dataflow__{spec.slug}",
        schedule=CronDataIntervalTimetable(schedule.cron, timezone=schedule.timezone) if schedule else None,
        start_date=_moment(schedule.start, schedule) if schedule else None,
        end_date=_moment(schedule.end, schedule) if schedule and schedule.end else None,
        catchup=schedule.catchup if schedule else False,
        # A dataflow begins to move rows when somebody says so.
        is_paused_upon_creation=schedule is not None,
        params=_PARAMS[spec.load](spec),
        doc_md=_doc(spec),
        tags=["aep", "dataflow", spec.source],
        max_active_runs=max(16, policy.windows_at_once),
        default_args={
            "retries": policy.retries,
            "retry_delay": timedelta(seconds=policy.retry_delay),
            "retry_policy": _retry_policy(policy.retry_delay),
            "aep_conn_id": spec.aep_conn_id,
            "sandbox": spec.sandbox,
            **({"pool": policy.pool} if policy.pool else {}),
        },
    ) as dag:
        dataflow = AepEnsureDataflowOperator(task_id="dataflow", spec=spec, inlets=[asset], max_active_tis_per_dag=1)
        if spec.load == "on_demand":
            _window(dag, spec, dataflow, asset)
        elif spec.load == "one_time":
            _first_run(dag, spec, dataflow, asset)
    return dag


def _window(dag: DAG, spec: DataflowSpec, dataflow: AepEnsureDataflowOperator, asset: Asset) -> None:
    """The task that loads a window. What it takes from the specification holds no template: a specification has none."""
    policy = spec.policy
    AepCreateFlowRunOperator(
        task_id="window",
        flow_id=dataflow.output,
        window_start=dag.param("window_start"),
        window_end=dag.param("window_end"),
        delta_column=spec.delta_column,
        delta_format=spec.delta_format or None,
        lag=dag.param("lag"),
        on_failed_run=dag.param("on_failed_run"),
        earlier_flow_ids=XComArg(dataflow, key="earlier_flow_ids"),
        force=dag.param("force"),
        max_rejected_rows=dag.param("max_rejected_rows"),
        max_rejected_percent=dag.param("max_rejected_percent"),
        accept_empty=policy.accept_empty,
        accept_partial=policy.accept_partial,
        poll_interval=policy.poll_interval,
        timeout=policy.timeout,
        settle_seconds=policy.settle,
        lineage=_LINEAGE,
        # A task that waits in the triggerer counts, too.
        max_active_tis_per_dag=policy.windows_at_once,
        outlets=[asset],
    )


def _first_run(dag: DAG, spec: DataflowSpec, dataflow: AepEnsureDataflowOperator, asset: Asset) -> None:
    """The task that waits for the run that AEP starts by itself."""
    policy = spec.policy
    AepFlowRunSensor(
        task_id="first_run",
        flow_id=dataflow.output,  # type: ignore[arg-type]  # known when the task runs
        max_rejected_rows=dag.param("max_rejected_rows"),
        max_rejected_percent=dag.param("max_rejected_percent"),
        accept_empty=policy.accept_empty,
        accept_partial=policy.accept_partial,
        poke_interval=policy.poll_interval,
        timeout=policy.timeout,
        lineage=_LINEAGE,
        outlets=[asset],
    )


def _retry_policy(retry_delay: float) -> AepRetryPolicy:
    """What may pass by itself waits as long as a failed run at first, and then longer."""
    first = min(max(1.0, retry_delay), DAY_SECONDS)
    return AepRetryPolicy(first_delay=first, max_delay=max(first, AepRetryPolicy.max_delay))


def batch_warnings(specs: Iterable[DataflowSpec]) -> dict[str, str]:
    """Return a line for each sandbox whose schedules make more batches a day than AEP advises."""
    batches: dict[str, int] = defaultdict(int)
    for spec in specs:
        batches[spec.sandbox] += batches_a_day(spec)
    return {
        sandbox: f"The schedules of sandbox {sandbox} make up to {count} batches a day; AEP advises at most "
        f"{BATCHES_A_DAY} for Profile and ExperienceEvent data (a soft limit): larger windows make fewer"
        for sandbox, count in batches.items()
        if count > BATCHES_A_DAY
    }


def batches_a_day(spec: DataflowSpec) -> int:
    """Return how many batches a dataflow's own schedule makes on the busiest day."""
    if spec.schedule:
        return windows_a_day(spec.schedule)
    return runs_a_day(spec.recurrence) if spec.recurrence else 0


def windows_a_day(schedule: Schedule) -> int:
    """Return how many windows end on the busiest day."""
    # Of minute, hour and perhaps second, for asking for one end after the other takes milliseconds.
    fields, _ = croniter.expand(schedule.cron)
    within = {_MINUTE: 60, _HOUR: 24, _SECOND: 60}
    return math.prod(
        most if fields[at] == ["*"] else len(fields[at]) for at, most in within.items() if at < len(fields)
    )


def runs_a_day(recurrence: Recurrence) -> int:
    """Return how many runs AEP starts on the busiest day."""
    return math.ceil(DAY_SECONDS / (recurrence.interval * _PERIODS[recurrence.frequency]))


def _params(spec: DataflowSpec) -> dict[str, Param]:
    return {
        "window_start": Param(
            None, type=["null", "string"], format="date-time", title="Window from", section="Window",
            description="For a run by hand: the first moment to load. A scheduled run takes its data interval.",
        ),
        "window_end": Param(
            None, type=["null", "string"], format="date-time", title="Window to", section="Window",
            description="The moment after the last one to load.",
        ),
        "lag": Param(
            spec.schedule.lag if spec.schedule else 0, type="integer", minimum=0, title="Lag", section="Window",
            description="Seconds to wait after the window's end for rows that come late.",
        ),
        "on_failed_run": Param(
            spec.policy.on_failed_run, enum=["retrigger", "new", "fail"], title="If the window's last run failed",
            section="Policy", description="Have AEP do it again, post a new run, or leave it to a human.",
        ),
        **_tolerance_params(spec),
        "force": Param(
            False, type="boolean", title="Load it again", section="Policy",
            description="Posts a run even if the window was loaded: its rows are appended again.",
        ),
    }  # fmt: skip


def _tolerance_params(spec: DataflowSpec) -> dict[str, Param]:
    return {
        "max_rejected_rows": Param(
            spec.policy.max_rejected_rows, type="integer", minimum=0, title="Rejected rows borne", section="Policy",
            description="More of them fail the task. The other rows are in the dataset either way.",
        ),
        "max_rejected_percent": Param(
            spec.policy.max_rejected_percent, type="number", minimum=0, maximum=100, title="Rejected share borne",
            section="Policy", description="In percent of the rows read. A run within either bound passes.",
        ),
    }  # fmt: skip


_PARAMS: Mapping[str, Callable[[DataflowSpec], dict[str, Param]]] = {
    "on_demand": _params,
    "one_time": _tolerance_params,
    "recurring": lambda _: {},
}


def _doc(spec: DataflowSpec) -> str:
    lands = f"**{spec.table}** of {spec.source} lands in the dataset **{spec.dataset}** of sandbox {spec.sandbox}"
    return f"{spec.description or ''}\n\n{lands}{_HOW[spec.load](spec)}".strip()


def _by_windows(spec: DataflowSpec) -> str:
    schedule = spec.schedule
    when = f", one window for each interval of `{schedule.cron}` ({schedule.timezone})" if schedule else ""
    return (
        f"{when}, by its column `{spec.delta_column}`.\n\n"
        "A window is loaded once: clearing its task takes the same run over. A backfill loads what never ran, and with "
        "`--reprocess-behavior failed` what failed."
    )


def _by_itself(spec: DataflowSpec) -> str:
    recurrence = spec.recurrence
    often = f"every {recurrence.interval} {recurrence.frequency}s" if recurrence and recurrence.interval > 1 else (
        f"every {recurrence.frequency}" if recurrence else "again and again"
    )  # fmt: skip
    return (
        f", {often}, by its column `{spec.delta_column}`.\n\n"
        "AEP runs it by itself. This DAG only makes sure that it is there, when somebody triggers it; "
        "`aep_watch_flow_runs` watches its runs, and tells those that fail, are late or never come."
    )


def _once(_: DataflowSpec) -> str:
    return (
        ", once and as a whole.\n\n"
        "AEP loads it by itself, soon after it was made. A run of this DAG makes sure that it is there and waits for the "
        "load to end; a further one finds the same load again and moves no rows."
    )


_HOW: Mapping[str, Callable[[DataflowSpec], str]] = {
    "on_demand": _by_windows,
    "recurring": _by_itself,
    "one_time": _once,
}


def _moment(value: datetime | date, schedule: Schedule) -> datetime:
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(schedule.timezone))


def _broken_dag(file: Path, message: str) -> DAG:
    """What is wrong with a file stands where its DAG would be."""
    with DAG(
        dag_id=f"aep_dataflow__{slug_of(file.stem)[:_LONGEST_STEM]}",
        schedule=None,
        tags=["aep", "dataflow", "broken"],
        doc_md=f"The specification cannot be read:\n\n{message}",
        default_args={"retries": 0},
    ) as dag:

        @task
        def specification_is_broken() -> None:
            raise AepConfigError(message)

        specification_is_broken()
    return dag
