"""From what is known to HTML. Every value is escaped by the templates; nothing here makes markup of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from aep_provider.ui.detail import CALM, Detail, dag_of
from aep_provider.ui.listing import Asked, Listed
from aep_provider.ui.places import Place
from aep_provider.ui.plugin import PREFIX
from aep_provider.ui.rows import Health, Row
from aep_provider.ui.seen_run import SeenRun
from aep_provider.ui.snapshots import Snapshot
from aep_provider.verdict import RunState

if TYPE_CHECKING:
    from aep_provider.ui.access import Viewer

_HEALTH: Final = {
    Health.FAILING: "bad",
    Health.LATE: "bad",
    Health.REJECTING: "warn",
    Health.DISABLED: "idle",
    Health.ABSENT: "idle",
    Health.RUNNING: "busy",
    Health.IDLE: "idle",
    Health.WELL: "good",
}
_RUN: Final = {
    RunState.SUCCEEDED: "good",
    RunState.PARTIAL: "warn",
    RunState.FAILED: "bad",
    RunState.RUNNING: "busy",
    RunState.UNKNOWN: "busy",
}
_SIGNS: Final = {"good": "✓", "warn": "!", "bad": "✕", "busy": "…", "idle": "–"}
_SOON: Final = 2
_LATER: Final = 60
"""Seconds until the page is looked at again: while it is being read, and otherwise."""
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


class Pages:
    """The templates."""

    def __init__(self) -> None:
        folder = Path(__file__).parent / "templates"
        self._templates = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"moment": moment, "number": number, "lasted": lasted}
        self._templates.globals |= {
            "health_look": _HEALTH,
            "run_look": _RUN,
            "window_look": CALM,
            "signs": _SIGNS,
            "healths": list(Health),
            "strip_text": strip_text,
            "run_text": run_text,
        }

    def flows(
        self,
        request: Request,
        looker: Viewer,
        *,
        places: Sequence[Place],
        place: Place,
        snapshot: Snapshot,
        asked: Asked,
        listed: Listed,
    ) -> HTMLResponse:
        """All dataflows of a sandbox."""

        def dag(row: Row) -> str:
            return dag_of(snapshot, row, looker)

        return self._page(
            request, "flows.html", snapshot, places=places, place=place, asked=asked, listed=listed, dag_of=dag,
            dags=looker.dags,
        )  # fmt: skip

    def flow(
        self,
        request: Request,
        *,
        places: Sequence[Place],
        place: Place,
        snapshot: Snapshot,
        row: Row,
        detail: Detail,
    ) -> HTMLResponse:
        """One dataflow."""
        return self._page(
            request, "flow.html", snapshot, places=places, place=place, row=row, detail=detail,
            again=_SOON if detail.chain and detail.chain.is_reading else None,
        )  # fmt: skip

    def wait(self, request: Request, places: Sequence[Place], place: Place, snapshot: Snapshot) -> HTMLResponse:
        """What was asked for may yet be read."""
        return self._page(request, "wait.html", snapshot, places=places, place=place)

    def message(self, request: Request, title: str, words: str, status_code: int) -> HTMLResponse:
        """A sentence instead of a page. It may be read by somebody who is not signed in, so it holds nothing else."""
        page = self._templates.get_template("message.html")
        return HTMLResponse(page.render(title=title, words=words, home=_home(request)), status_code=status_code)

    def _page(
        self, request: Request, template: str, snapshot: Snapshot, again: int | None = None, **values: Any
    ) -> HTMLResponse:
        home = _home(request)
        place: Place = values["place"]
        several = len(values["places"]) > 1

        def dataflow(name: str) -> str:
            return f"{home}/dataflow?{urlencode({'name': name} | ({'place': place.label} if several else {}))}"

        waits = snapshot.is_reading and not snapshot.is_whole
        html = self._templates.get_template(template).render(
            snapshot=snapshot,
            home=home,
            dataflow_url=dataflow,
            dag_url=lambda dag_id: f"{_airflow(home)}/dags/{quote(dag_id, safe='')}",
            dag_run_url=lambda dag_id, run_id: (
                f"{_airflow(home)}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
            ),
            again=again or (_SOON if waits or snapshot.read_at is None else _LATER),
            now=datetime.now(UTC).timestamp(),
            **values,
        )
        return HTMLResponse(html)


def _home(request: Request) -> str:
    """The app's own root below that of Airflow, which may live below a path itself."""
    return str(request.scope.get("root_path") or "").rstrip("/")


def _airflow(home: str) -> str:
    return home.removesuffix(PREFIX)


def moment(seconds: float | None) -> str:
    """Return a moment as people read it, in UTC."""
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def number(count: int | None) -> str:
    """Return a count with its thousands apart; a question mark for one that AEP does not tell."""
    return "?" if count is None else f"{count:,}"


def lasted(seconds: float) -> str:
    """Return a stretch of time in its two greatest units."""
    whole = max(0, int(seconds))
    units = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (1, "s"))
    told = []
    for size, unit in units:
        if whole >= size:
            told.append(f"{whole // size} {unit}")
            whole %= size
    return " ".join(told[:2]) or "0 s"


def run_text(run: SeenRun) -> str:
    """Return a run in words, for those who do not see its colour."""
    rows = f", {number(run.rows_written)} rows" if run.rows_written is not None else ""
    rejected = f", {number(run.rows_rejected)} rejected" if run.rows_rejected else ""
    return f"{run.state}, {moment(run.began_at / 1000)} UTC{rows}{rejected}"


def strip_text(runs: Sequence[SeenRun]) -> str:
    """Return a strip of runs in words."""
    if not runs:
        return "No runs"
    counts = {state: sum(run.state is state for run in runs) for state in RunState}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return f"Last {len(runs)} runs: {told}. The newest: {run_text(runs[-1])}"
