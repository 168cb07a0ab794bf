"""A DAG for each dataflow that is declared in a file: ``aep_dataflow__<name>``."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param, XComArg, task
from croniter import croniter

from aep_provider.dataflows.load import load_spec, refuse_clashes, spec_files, with_mappings
from aep_provider.dataflows.spec import DataflowSpec, Schedule
from aep_provider.errors import AepConfigError
from aep_provider.operators import AepCreateFlowRunOperator, AepEnsureDataflowOperator
from aep_provider.retries import AepRetryPolicy

log = logging.getLogger(__name__)

DAY_SECONDS = 86_400.0
BATCHES_A_DAY = 90
"""How many batches a day AEP's guardrail names for a sandbox (contract 3.8)."""


def dataflow_asset(sandbox: str, dataset: str) -> Asset:
    """Return the asset that stands for a dataset; every window that is loaded into it is an event of it."""
    return Asset(f"aep://{quote(sandbox, safe='')}/{quote(dataset, safe='')}")


def watch_asset(sandbox: str) -> Asset:
    """
    Return the asset that stands for the watch over a sandbox's flows; what it remembers is kept with it.

    Its URI has one part more than any dataset's: in those a slash of the name is quoted.
    """
    return Asset(f"aep://{quote(sandbox, safe='')}/watch/flow-runs")


def dataflow_dags(folder: Path, root: Path | None = None) -> dict[str, DAG]:
    """
    Return a DAG for each specification in a folder, by id.

    A file that cannot be read costs the others nothing: it becomes a DAG that says what is wrong with it.

    :param root: where the names of mapping files start, by default the folder above.
    """
    dags: dict[str, DAG] = {}
    read: list[tuple[Path, DataflowSpec]] = []
    for file in spec_files(folder):
        try:
            spec = with_mappings(load_spec(file), root or folder.parent)
            refuse_clashes([*read, (file, spec)])
            dag = dataflow_dag(spec)
        except AepConfigError as error:
            log.error("%s", error)
            dag = _broken_dag(file, str(error))
        else:
            read.append((file, spec))
        # A file that is broken or of a name that is taken must not hide another one's DAG.
        dags.setdefault(dag.dag_id, dag)
    for sandbox, warning in batch_warnings(spec for _, spec in read).items():
        log.warning("%s", warning)
        for _, spec in read:
            if spec.sandbox == sandbox and spec.schedule:
                one = dags[f"aep_dataflow__{spec.slug}"]
                one.doc_md = f"{one.doc_md}\n\n**{warning}.**"
    return dags


def dataflow_dag(spec: DataflowSpec) -> DAG:
    """Return the DAG that makes sure of a dataflow and loads one window of it in each run."""
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
        params=_params(spec),
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
        AepCreateFlowRunOperator(
            task_id="window",
            flow_id=dataflow.output,
            window_start=dag.param("window_start"),
            window_end=dag.param("window_end"),
            delta_column=spec.delta_column,
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
            # A task that waits in the triggerer counts, too.
            max_active_tis_per_dag=policy.windows_at_once,
            outlets=[asset],
        )
    return dag


def _retry_policy(retry_delay: float) -> AepRetryPolicy:
    """What may pass by itself waits as long as a failed run at first, and then longer."""
    first = min(max(1.0, retry_delay), DAY_SECONDS)
    return AepRetryPolicy(first_delay=first, max_delay=max(first, AepRetryPolicy.max_delay))


def batch_warnings(specs: Iterable[DataflowSpec]) -> dict[str, str]:
    """Return a line for each sandbox whose schedules make more batches a day than AEP advises."""
    batches: dict[str, int] = defaultdict(int)
    for spec in specs:
        if spec.schedule:
            batches[spec.sandbox] += windows_a_day(spec.schedule)
    return {
        sandbox: f"The schedules of sandbox {sandbox} make up to {count} batches a day; AEP advises at most "
        f"{BATCHES_A_DAY} for Profile and ExperienceEvent data (a soft limit): larger windows make fewer"
        for sandbox, count in batches.items()
        if count > BATCHES_A_DAY
    }


def windows_a_day(schedule: Schedule) -> int:
    """Return how many windows end on the busiest day of a week."""
    begin = datetime(2026, 1, 5, tzinfo=UTC)
    ends = croniter(schedule.cron, begin - timedelta(seconds=1))
    counts: dict[date, int] = defaultdict(int)
    while (moment := ends.get_next(datetime)) < begin + timedelta(days=7):
        counts[moment.date()] += 1
    return max(counts.values(), default=0)


def _params(spec: DataflowSpec) -> dict[str, Param]:
    policy = spec.policy
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
            policy.on_failed_run, enum=["retrigger", "new", "fail"], title="If the window's last run failed",
            section="Policy", description="Have AEP do it again, post a new run, or leave it to a human.",
        ),
        "max_rejected_rows": Param(
            policy.max_rejected_rows, type="integer", minimum=0, title="Rejected rows borne", section="Policy",
            description="More of them fail the task. The other rows are in the dataset either way.",
        ),
        "max_rejected_percent": Param(
            policy.max_rejected_percent, type="number", minimum=0, maximum=100, title="Rejected share borne",
            section="Policy", description="In percent of the rows read. A run within either bound passes.",
        ),
        "force": Param(
            False, type="boolean", title="Load it again", section="Policy",
            description="Posts a run even if the window was loaded: its rows are appended again.",
        ),
    }  # fmt: skip


def _doc(spec: DataflowSpec) -> str:
    lands = f"**{spec.table}** of {spec.source} lands in the dataset **{spec.dataset}** of sandbox {spec.sandbox}"
    when = (
        f", one window for each interval of `{spec.schedule.cron}` ({spec.schedule.timezone})" if spec.schedule else ""
    )
    return (
        f"{spec.description or ''}\n\n{lands}{when}, by its column `{spec.delta_column}`.\n\n"
        "A window is loaded once: clearing its task takes the same run over. A backfill loads what never ran, and with "
        "`--reprocess-behavior failed` what failed."
    ).strip()


def _moment(value: datetime | date, schedule: Schedule) -> datetime:
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(schedule.timezone))


def _broken_dag(file: Path, message: str) -> DAG:
    """What is wrong with a file stands where its DAG would be."""
    with DAG(
        dag_id=f"aep_dataflow__{file.stem}",
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
