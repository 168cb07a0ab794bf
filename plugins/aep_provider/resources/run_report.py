"""The report on a flow run: what whoever is on call needs to know of it, on a page of plain lines.

It is read when something has gone wrong already, so a part that cannot be read says so and hides nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from aep_provider.errors import AepError, one_line
from aep_provider.platform.paging import single
from aep_provider.platform.problems import hide
from aep_provider.resources.flow_service import path_of
from aep_provider.resources.flow_state import FLOWS
from aep_provider.resources.row_errors import RejectedRow, RowErrors, read_row_errors
from aep_provider.resources.run import COLLECTION, window_of
from aep_provider.resources.run_causes import Advice, advice
from aep_provider.verdict import RunError, Verdict, activities_of, errors_of, judge, mapping, milliseconds

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient
    from aep_provider.platform.exchange import Answer

MAX_LINES: Final = 60
MAX_LINE: Final = 2000
"""Characters."""

_MOST_LINKS: Final = 5
_MOST_ACTIVITIES: Final = 8
_MOST_ERRORS: Final = 8
_MOST_ROWS: Final = 10
_MOST_ROWS_WITH_VALUES: Final = 5
_MOST_BATCHES: Final = 10
_MESSAGE: Final = 500
_CODE: Final = re.compile(r"[A-Z]{2,20}-\d{2,6}(-\d{3})?")
_ID: Final = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True)
class Activity:
    """A step of a run: the copy from the source, or the promotion into the dataset. Times are epoch milliseconds."""

    name: str
    status: str
    """AEP's own word; empty where it tells none."""
    started_at: int | None = None
    completed_at: int | None = None


@dataclass(frozen=True)
class ToldError:
    """An error of a run, and what is known of it."""

    error: RunError
    where: str
    """The activity that tells it first; empty for the run itself."""
    advice: Advice | None = None


@dataclass(frozen=True)
class RunReport:
    """
    What is known of a run.

    :param flow_id: None where neither AEP nor the document tells it.
    :param verdict: None where the run could not be read.
    :param window: epoch milliseconds, None where the run does not tell it.
    :param rejected: a sample of the rejected rows, None where AEP kept none.
    :param links: URLs by what they lead to.
    :param request_ids: under which Adobe's support finds the readings, by what was read.
    :param unread: why parts could not be read, a line each.
    """

    run_id: str
    flow_id: str | None = None
    flow_name: str | None = None
    verdict: Verdict | None = None
    window: tuple[int, int] | None = None
    activities: list[Activity] = field(default_factory=list)
    errors: list[ToldError] = field(default_factory=list)
    rejected: RowErrors | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    request_ids: Mapping[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the report for a log: at most :data:`MAX_LINES` lines of :data:`MAX_LINE` characters, no secrets."""
        told = [_line(line) for line in _told(self)]
        if len(told) > MAX_LINES:
            told[MAX_LINES - 1 :] = [f"and {len(told) - MAX_LINES + 1} more lines"]
        return told


def read_report(
    client: AepClient,
    run_id: str,
    *,
    document: Mapping[str, Any] | None = None,
    sample_rows: int = 5,
    show_values: bool = False,
    links: Mapping[str, str] | None = None,
) -> RunReport:
    """
    Return the report on a run, reading what is missing: its document, its flow's name, a sample of its rejected rows.

    Where a part cannot be read, the report says why; none of AEP's errors is raised.

    :param document: the run's document, where it was read already.
    :param sample_rows: how many rejected rows to show; 0 reads none.
    :param show_values: whether to show what these rows hold. They may be people's data, and a log has many readers.
    :param links: URLs of pages about the run, by what they lead to.
    """
    reading = _Reading(client)
    if document is None:
        document = reading.item("run", COLLECTION, run_id)
    links = dict(links or {})
    if document is None:
        return RunReport(run_id, links=links, request_ids=reading.request_ids, unread=reading.unread)
    verdict = judge(document)
    flow_id = document.get("flowId")
    flow = reading.item("flow", FLOWS, flow_id) if flow_id else {}
    return RunReport(
        run_id,
        links=links,
        flow_id=str(flow_id) if flow_id else None,
        flow_name=_text((flow or {}).get("name")) or None,
        verdict=verdict,
        window=window_of(document),
        activities=[_activity(one, number) for number, one in enumerate(activities_of(document), 1)],
        errors=_errors(document),
        rejected=reading.rows(document, verdict.rows_rejected, sample_rows, show_values),
        request_ids=reading.request_ids,
        unread=reading.unread,
    )


class _Reading:
    """Reads parts of a report, and notes what could not be read."""

    def __init__(self, client: AepClient) -> None:
        self._client = client
        self.request_ids: dict[str, str] = {}
        self.unread: list[str] = []

    def item(self, what: str, collection: str, object_id: object) -> dict[str, Any] | None:
        if not isinstance(object_id, str) or not _ID.fullmatch(object_id):
            self.unread.append(f"The {what} could not be read: {one_line(object_id, 100)!r} is no id")
            return None
        path = path_of(collection, object_id)
        try:
            answer: Answer = self._client.get(path)
            self.request_ids[what] = answer.request_id
            return single(answer.body, path)
        except AepError as error:
            self.unread.append(f"The {what} could not be read: {error}")
            return None

    def rows(self, document: Mapping[str, Any], rejected: int | None, rows: int, show_values: bool) -> RowErrors | None:
        if rows <= 0:
            return None
        most = _MOST_ROWS_WITH_VALUES if show_values else _MOST_ROWS
        try:
            found = read_row_errors(self._client, document, rows=min(rows, most), show_values=show_values)
        except AepError as error:
            self.unread.append(f"The rejected rows could not be read: {error}")
            return None
        if found is None and rejected:
            self.unread.append(
                "The rejected rows could not be read: AEP tells of no diagnostics, so they may be off for the flow"
            )
        return found


# --- What a document tells ---


def _activity(told: Mapping[str, Any], number: int) -> Activity:
    times = mapping(told.get("durationSummary"))
    return Activity(
        name=_text(told.get("name")) or _text(told.get("id")) or f"activity {number}",
        status=_text(mapping(told.get("statusSummary")).get("status")),
        started_at=milliseconds(times.get("startedAtUTC")),
        completed_at=milliseconds(times.get("completedAtUTC")),
    )


def _errors(document: Mapping[str, Any]) -> list[ToldError]:
    """Every error once, with the activity that tells it."""
    parts = [("", mapping(document.get("metrics")))]
    parts += [(_activity(one, number).name, one) for number, one in enumerate(activities_of(document), 1)]
    told = [(where, error) for where, part in parts for error in _errors_of(part)]
    # The code of a failed copy comes with words that say no more than the code; the reason stands beside it.
    words = " ".join(dict.fromkeys(error.message for _, error in told))
    found: dict[str, ToldError] = {}
    for where, error in told:
        first = found.get(error.in_words())
        if first is None or not first.where:
            found[error.in_words()] = ToldError(error, where, advice(error.code, f"{error.message} {words}"))
    return list(found.values())


def _errors_of(part: Mapping[str, Any]) -> Iterator[RunError]:
    """The errors of a part, and what its counts and its copy add about the reason."""
    yield from errors_of(part)
    records = mapping(part.get("recordSummary"))
    for name in ("failedInfo", "skippedInfo"):
        yield from errors_of({"statusSummary": {"errors": records.get(name)}})
    detail = mapping(mapping(part.get("statusSummary")).get("extensions")).get("errorDetail")
    if detail and isinstance(detail, str):
        yield RunError("", one_line(detail, _MESSAGE))


def _text(value: object) -> str:
    return one_line(value, 100) if isinstance(value, str) else ""


# --- In words ---


def _told(report: RunReport) -> Iterator[str]:
    flow = f"flow {report.flow_name!r} ({report.flow_id})" if report.flow_name else f"flow {report.flow_id or '?'}"
    yield f"Report on flow run {report.run_id} of {flow}"
    yield from _some([f"  {name}: {url}" for name, url in report.links.items()], _MOST_LINKS, "links")
    if report.verdict:
        yield from _told_outcome(report.verdict, report.window)
    yield from _some([_told_activity(one) for one in report.activities], _MOST_ACTIVITIES, "activities")
    yield from _told_errors(report.errors)
    yield from _told_rows(report)
    if report.verdict and report.verdict.batch_ids:
        yield f"Batches: {', '.join(_some(report.verdict.batch_ids, _MOST_BATCHES, 'batches'))}"
    if report.request_ids:
        ids = ", ".join(f"{request_id} ({what})" for what, request_id in report.request_ids.items())
        yield f"Request ids for Adobe's support: {ids}"
    yield from report.unread


def _told_outcome(verdict: Verdict, window: tuple[int, int] | None) -> Iterator[str]:
    status = "nothing of its status" if verdict.status in ("", "None") else verdict.status
    yield f"AEP says {status}; that is: {verdict.state}"
    yield f"Window: {f'{_iso(window[0])} to {_iso(window[1])}' if window else 'not told'}"
    yield f"Time: {_span(verdict.started_at, verdict.completed_at)}"
    rows = (
        (verdict.rows_read, "read"),
        (verdict.rows_written, "written"),
        (verdict.rows_rejected, "rejected"),
        (verdict.rows_skipped, "skipped"),
        (verdict.rows_warned, "with warnings"),
    )
    yield f"Rows: {_counts(rows)}; bytes: {_counts(((verdict.bytes_read, 'read'), (verdict.bytes_written, 'written')))}"


def _told_activity(activity: Activity) -> str:
    return f"{activity.name}: {activity.status or '?'}, {_span(activity.started_at, activity.completed_at)}"


def _told_errors(errors: list[ToldError]) -> Iterator[str]:
    said: set[str] = set()
    for told in errors[:_MOST_ERRORS]:
        rows = f" ({told.error.rows} row{'s' if told.error.rows > 1 else ''})" if told.error.rows else ""
        where = f" [{told.where}]" if told.where else ""
        yield f"Error {one_line(told.error.in_words(), _MESSAGE)}{rows}{where}"
        if told.advice:
            sentences = {"  It means: ": told.advice.meaning, "  To do: ": told.advice.remedy}
            yield from (how + sentence for how, sentence in sentences.items() if sentence not in said)
            said.update(sentences.values())
    if len(errors) > _MOST_ERRORS:
        yield f"and {len(errors) - _MOST_ERRORS} more errors"


def _told_rows(report: RunReport) -> Iterator[str]:
    of = report.verdict.rows_rejected if report.verdict else None
    if not report.rejected:
        return
    sample = report.rejected
    skipped = f"; {sample.skipped_lines} lines were not readable" if sample.skipped_lines else ""
    explained: set[str] = set()
    yield f"Rejected rows, {len(sample.rows)} of {'?' if of is None else of}, from {sample.read_from}{skipped}"
    for number, row in enumerate(sample.rows, 1):
        yield f"  {number}. {_told_row(row)}"
        for code in _new_codes(row, report, explained):
            if found := advice(code):
                yield f"     {code} means: {found.meaning}"
                yield f"     To do: {found.remedy}"
        if row.values is not None:
            yield f"     holds {', '.join(f'{name}={value!r}' for name, value in row.values.items())}"


def _new_codes(row: RejectedRow, report: RunReport, explained: set[str]) -> list[str]:
    """The codes that a row was rejected with and nothing was said of yet."""
    known = {told.error.code for told in report.errors} | explained
    found = [
        code for reason in row.reasons if (code := reason.partition(" ")[0]) not in known and _CODE.fullmatch(code)
    ]
    explained.update(found)
    return list(dict.fromkeys(found))


def _told_row(row: RejectedRow) -> str:
    columns = ", ".join(row.columns) + (f" and {row.more_columns} more" if row.more_columns else "")
    return f"{'; '.join(row.reasons) or 'no reason is told'} (columns: {columns or 'unknown'})"


def _line(text: str) -> str:
    indent = text[: len(text) - len(text.lstrip(" "))]
    # Cut before looking for secrets, which would take its time; and after, for masks may be longer than what they mask.
    return indent + one_line(_without_secrets(one_line(text, MAX_LINE)), MAX_LINE - len(indent))


def _counts(counts: Iterable[tuple[int | None, str]]) -> str:
    return ", ".join(f"{'?' if number is None else number} {what}" for number, what in counts)


def _some(items: list[str], most: int, what: str) -> list[str]:
    return items if len(items) <= most else [*items[:most], f"and {len(items) - most} more {what}"]


def _span(start: int | None, end: int | None) -> str:
    """Start, end and duration of something."""
    lasted = f" ({_duration(end - start)})" if start is not None and end is not None and end >= start else ""
    return f"{_iso(start)} to {_iso(end)}{lasted}"


def _iso(moment: int | None) -> str:
    """
    A moment in UTC.

    :param moment: epoch milliseconds.
    """
    if moment is None:
        return "?"
    try:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment)
    except OverflowError:
        return "a moment beyond the year 9999"
    return at.isoformat(timespec="milliseconds" if moment % 1000 else "seconds").replace("+00:00", "Z")


def _duration(milliseconds_taken: int) -> str:
    seconds = milliseconds_taken // 1000
    if seconds < 60:
        return f"{seconds}.{milliseconds_taken % 1000:03} s"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds % 60} s"


# The source system's own words are passed on, and may repeat what was sent to it.
_SECRETS: Final = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 ***"),
    (re.compile(r"(?i)://[^\s/@]+@"), "://***@"),
    (
        re.compile(
            r"(?i)\b([\w-]{0,40}(?:password|passwd|pwd|passphrase|secret|token|(?:api|access|account)[_-]?key))"
            r"([\"']?\s*[=:]\s*)(\"[^\"]*\"?|'[^']*'?|[^\s;,&}\"']+)"
        ),
        r"\1\2***",
    ),
    (re.compile(r"(?i)([?&;]sig=)[^\s;,&\"']+"), r"\1***"),
)


def _without_secrets(line: str) -> str:
    line = hide(line, ()) or ""
    for secret, shown in _SECRETS:
        line = secret.sub(shown, line)
    return line
