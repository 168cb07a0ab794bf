"""Which window a task is to load: told by parameters, or by the data interval of its DAG run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf

from aep_provider.errors import AepConfigError
from aep_provider.operators.rendered import text
from aep_provider.resources.window import Edges, Window

if TYPE_CHECKING:
    from airflow.sdk import Context

_DIGITS_OF_SECONDS = 11
_WITH_AN_INTERVAL = ("scheduled", "backfill")


def window_of_task(context: Context, start: Any, end: Any) -> Window:
    """
    Return the window that the parameters name, or else that of the DAG run.

    Only scheduled and backfill runs have an interval that somebody chose. Of one triggered by hand it is a guess, unless it
    was typed in, which shows where the DAG has no schedule: there a guess is empty.

    :param start: ISO 8601 or epoch seconds; without an offset it is taken as UTC.
    :raises AepConfigError: there is no window, or only half of one.
    """
    given = _moment(start, "window_start"), _moment(end, "window_end")
    if given[0] is not None and given[1] is not None:
        return Window.between(given[0], given[1])
    if given[0] is not None or given[1] is not None:
        missing = "window_end" if given[1] is None else "window_start"
        raise AepConfigError(
            f"The window has no {missing}: give both edges, or none to take the DAG run's data interval."
        )
    run: Any = context["dag_run"]
    interval = context.get("data_interval_start"), context.get("data_interval_end")
    if interval[0] is None or interval[1] is None:
        raise AepConfigError(
            "This DAG run has no data interval, so no window: give window_start and window_end, or a logical date with an "
            "interval."
        )
    # The id may still say "scheduled" when a backfill does a run again; the type is always right.
    kind = str(getattr(run.run_type, "value", run.run_type))
    if kind in _WITH_AN_INTERVAL or (_has_no_schedule(context) and interval[0] < interval[1]):
        if interval[0] == interval[1]:
            raise AepConfigError(
                f"The data interval of this DAG run is empty ({interval[0].isoformat()}): with a cron string as its schedule "
                "a DAG gets no window in Airflow 3. Use CronDataIntervalTimetable."
            )
        return Window.between(interval[0], interval[1])
    raise AepConfigError(
        "A DAG run triggered by hand has no window of its own: Airflow only guesses one "
        f"({interval[0].isoformat()} to {interval[1].isoformat()}). Give window_start and window_end."
    )


def edges_of(window: Window) -> dict[str, str]:
    """Return ``window_start`` and ``window_end`` as tasks tell them, ISO 8601 in UTC."""
    start, end = (datetime.fromtimestamp(edge, UTC).isoformat() for edge in (window.start, window.end))
    return {"window_start": start, "window_end": end}


def configured_edges() -> Edges:
    """
    Return which edges of a window AEP counts in, as Airflow's configuration says.

    :raises AepConfigError: it says something else.
    """
    word = conf.get("aep", "window_edges", fallback=Edges.START_INCLUSIVE.value)
    try:
        return Edges(word)
    except ValueError:
        raise AepConfigError(
            f"window_edges in the section [aep] of Airflow's configuration is {word!r}, but must be one of {', '.join(Edges)}."
        ) from None


def _has_no_schedule(context: Context) -> bool:
    return getattr(context["dag"], "schedule", None) is None


def _moment(value: Any, what: str) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    rendered = text(value)
    if rendered is None:
        return None
    if rendered.isdecimal() and len(rendered) > _DIGITS_OF_SECONDS:
        raise AepConfigError(f"{what}, {rendered}, is no moment in epoch seconds: milliseconds, perhaps?")
    try:
        moment = (
            datetime.fromtimestamp(int(rendered), UTC) if rendered.isdecimal() else datetime.fromisoformat(rendered)
        )
    except (ValueError, OverflowError, OSError):
        raise AepConfigError(
            f"{what} is {rendered!r}, but must be a date and time as in 2030-01-31T00:00:00+00:00, or epoch seconds."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
