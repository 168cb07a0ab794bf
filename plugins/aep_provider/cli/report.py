"""What ``airflow aep runs`` prints: a table for people, lines for programs, JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import one_line
from aep_provider.resources.coverage import Answer, Coverage, Generation, WindowReport, WindowState
from aep_provider.resources.run_history import PastRun
from aep_provider.resources.window import Window

_GOOD, _SO_SO, _BAD = "green", "yellow", "red"
_COLOURS = {
    WindowState.SUCCEEDED: _GOOD,
    WindowState.PARTIAL: _SO_SO,
    WindowState.RUNNING: _SO_SO,
    WindowState.NOT_DUE: "dim",
    Answer.COMPLETE: _GOOD,
}


@dataclass(frozen=True)
class Told:
    """What is known of a dataflow."""

    spec: DataflowSpec
    asked: Window
    generations: list[Generation]
    coverage: Coverage

    def moment(self, seconds: int) -> str:
        """Return a moment in the time zone of the schedule, ISO 8601 with offset."""
        zone = ZoneInfo(self.spec.schedule.timezone) if self.spec.schedule else UTC
        return datetime.fromtimestamp(seconds, zone).isoformat()


def print_json(told: Sequence[Told], wrong: Sequence[str], out: TextIO) -> None:
    """Print one document with everything."""
    json.dump({"dataflows": [_document(one) for one in told], "errors": list(wrong)}, out, indent=2)
    out.write("\n")


def print_text(told: Sequence[Told], out: TextIO) -> None:
    """Print tables on a terminal. Anywhere else a line is a fact: its kind, the dataflow, and then fields, tab after tab."""
    if out.isatty():
        for one in told:
            _print_table(one, out)
        return
    for one in told:
        for kind, *fields in _lines(one):
            out.write("\t".join([kind, one.spec.name, *fields]) + "\n")


def _lines(told: Told) -> Iterator[list[str]]:
    coverage = told.coverage
    for report in coverage.windows:
        yield ["window", *_edges(told, report.window), report.state, *_counts(report), _ids(report.runs)]
    for gap in coverage.gaps:
        yield ["gap", *_edges(told, gap)]
    for overlap in coverage.overlaps:
        yield ["overlap", *_edges(told, overlap.window), _ids(overlap.runs)]
    for run in coverage.untold:
        yield ["window unknown", run.verdict.state, _id(run)]
    for run in coverage.short:
        yield ["rejected rows", str(run.verdict.rows_rejected), _id(run)]
    yield ["answer", *_edges(told, told.asked), coverage.answer, _summary(told)]


def _print_table(told: Told, out: TextIO) -> None:
    from rich.console import Console  # noqa: PLC0415  only a terminal needs it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(file=out)
    coverage = told.coverage
    table = Table(
        "from", "to", "state", "written", "rejected", "runs", title=Text(told.spec.name), title_justify="left"
    )
    for report in coverage.windows:
        state = Text(report.state, style=_COLOURS.get(report.state, _BAD))
        table.add_row(*_edges(told, report.window), state, *_counts(report), Text(_ids(report.runs)))
    console.print(table)
    for gap in coverage.gaps:
        console.print(Text(f"gap: {' to '.join(_edges(told, gap))}", style=_BAD))
    for overlap in coverage.overlaps:
        stretch = " to ".join(_edges(told, overlap.window))
        console.print(Text(f"overlap, rows are there twice: {stretch}, runs {_ids(overlap.runs)}", style=_BAD))
    for run in coverage.untold:
        console.print(Text(f"window unknown: run {_id(run)} ({run.verdict.state})", style=_SO_SO))
    for run in coverage.short:
        console.print(Text(f"more rejected rows than are borne: run {_id(run)}", style=_BAD))
    answer = Text(coverage.answer, style=_COLOURS.get(coverage.answer, _BAD))
    console.print(answer, Text(_summary(told)), "\n")


def _summary(told: Told) -> str:
    """One line for people."""
    coverage = told.coverage
    states = Counter(report.state for report in coverage.windows)
    parts = [f"{count} {state}" for state in WindowState if (count := states[state])]
    parts += [
        f"{len(what)} {word}{'' if len(what) == 1 else 's'}"
        for what, word in ((coverage.gaps, "gap"), (coverage.overlaps, "overlap"))
        if what
    ]
    if coverage.untold:
        parts.append(f"{len(coverage.untold)} of unknown window")
    if not coverage.windows:
        parts.insert(0, "no window of the schedule lies in the range" if told.spec.schedule else "no runs")
    if not told.generations:
        parts.append(f"no flow of this name in sandbox {told.spec.sandbox}")
    return ", ".join(parts)


def _document(told: Told) -> dict[str, Any]:
    coverage = told.coverage
    return {
        "name": told.spec.name,
        "sandbox": told.spec.sandbox,
        "from": told.moment(told.asked.start),
        "to": told.moment(told.asked.end),
        "answer": coverage.answer,
        "flows": [{"id": one.id, "name": one.name} for one in told.generations],
        "windows": [
            {**_stretch(told, report.window), "state": report.state, "scheduled": report.scheduled,
             "runs": [_run(run) for run in report.runs]}
            for report in coverage.windows
        ],
        "gaps": [_stretch(told, gap) for gap in coverage.gaps],
        "overlaps": [
            {**_stretch(told, overlap.window), "runs": [run.id for run in overlap.runs]} for overlap in coverage.overlaps
        ],
        "window_unknown": [_run(run) for run in coverage.untold],
        "more_rejected_than_borne": [run.id for run in coverage.short],
    }  # fmt: skip


def _run(run: PastRun) -> dict[str, Any]:
    verdict = run.verdict
    told = {"id": run.id, "flow_id": verdict.flow_id, "state": verdict.state}
    counts = {name: getattr(verdict, name) for name in ("rows_read", "rows_written", "rows_rejected")}
    return {**told, **counts}


def _stretch(told: Told, window: Window) -> dict[str, str]:
    start, end = _edges(told, window)
    return {"from": start, "to": end}


def _edges(told: Told, window: Window) -> tuple[str, str]:
    return told.moment(window.start), told.moment(window.end)


def _counts(report: WindowReport) -> tuple[str, str]:
    """Rows written and rejected by the runs that count: those of a failed one are not there."""
    verdicts = [run.verdict for run in report.runs if run.took_rows]
    return _sum(one.rows_written for one in verdicts), _sum(one.rows_rejected for one in verdicts)


def _sum(counts: Iterable[int | None]) -> str:
    known = [count for count in counts if count is not None]
    return str(sum(known)) if known else "-"


def _ids(runs: Iterable[PastRun]) -> str:
    return " ".join(_id(run) for run in runs) or "-"


def _id(run: PastRun) -> str:
    """AEP's own text, without what could move a terminal's cursor."""
    return one_line(run.id, 100)
