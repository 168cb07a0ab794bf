"""The report on a run: whatever AEP tells, on a page, and never an error of its own."""

from __future__ import annotations

import copy
import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aep_provider.errors import AepAnswerError, AepError, AepNotFoundError, AepPermissionError, AepServerError, one_line
from aep_provider.platform.client import AepClient
from aep_provider.platform.exchange import Answer, Exchange
from aep_provider.platform.settings import AepSettings
from aep_provider.resources import flow_service
from aep_provider.resources.authentication import SourceLogin
from aep_provider.resources.redaction import MASK
from aep_provider.resources.run import read_run
from aep_provider.resources.run_causes import advice
from aep_provider.resources.run_report import MAX_LINE, MAX_LINES, RunReport, read_report
from aep_provider.verdict import RunState, judge

from ..made import declared, made

LOGIN = SourceLogin("aep_source_servicenow", "https://dev1.service-now.example", "ann", "hunter2-of-the-source")
RUN, FLOW, BATCH = "c0cb4b5b-367f-4946-a6cc-f7ccfe005b89", "cf4fce79-8822-456d-8fce-798822556dc6", "01H6F1A900"
META = f"https://platform-int.adobe.io/data/foundation/export/batches/{BATCH}/meta"
COPY = {
    "id": "4f008a00-3a04-11eb-adc1-0242ac120002",
    "name": "Copy Activity",
    "updatedAtUTC": 0,
    "durationSummary": {"startedAtUTC": 1767225600000, "completedAtUTC": 1767225603250,
                        "extensions": {"windowStart": 1767225600000, "windowEnd": 1767312000000}},
    "sizeSummary": {"inputBytes": 2048, "outputBytes": 2048},
    "recordSummary": {"inputRecordCount": 100, "outputRecordCount": 100},
    "statusSummary": {"status": "success", "extensions": {"type": "one-time"}},
    "sourceInfo": [{"id": "s", "type": "SourceConnection", "reference": {"type": "AdfRunId", "ids": ["x"]}}],
}  # fmt: skip
PROMOTION = {
    "id": "37b34f84-1ada-11eb-adc1-0242ac120002",
    "name": "Promotion Activity",
    "durationSummary": {"startedAtUTC": 1767225604000, "completedAtUTC": 1767225739000},
    "sizeSummary": {"inputBytes": 2048, "outputBytes": 1024},
    "recordSummary": {"inputRecordCount": 100, "outputRecordCount": 99, "failedRecordCount": 1},
    "statusSummary": {
        "status": "success",
        "errors": [{"code": "CONNECTOR-2001-500", "message": "Error occurred at promotion activity."}],
        "extensions": {
            "manifest": {"failedRecords": f"{META}?path=row_errors",
                         "sampleErrors": f"{META}?path=row_error_samples.json"},
            "errors": [
                {"code": "INGEST-1212-400",
                 "message": "Encountered 1 errors in the data. Successfully ingested 99 rows."},
                {"code": "MAPPER-3700-400", "recordCount": 1, "message": "Mapper Transform Error"},
            ],
        },
    },
    "targetInfo": [{"id": "t", "type": "TargetConnection", "reference": {"type": "Batch", "ids": [BATCH]}}],
}  # fmt: skip
WITH_REJECTED: dict[str, Any] = {
    "id": RUN,
    "createdAt": 1767225599000,
    "flowId": FLOW,
    "etag": '"1"',
    "metrics": {
        "durationSummary": {"startedAtUTC": 1767225600000, "completedAtUTC": 1767225740000},
        "sizeSummary": {"inputBytes": 2048, "outputBytes": 1024},
        "recordSummary": {"inputRecordCount": 100, "outputRecordCount": 99, "failedRecordCount": 1},
        "statusSummary": {
            "status": "success",
            "errors": [{"code": "CONNECTOR-2001-500", "message": "Error occurred at promotion activity."}],
        },
    },
    "activities": [COPY, PROMOTION],
}
NETWORK = (
    "A connection attempt failed because the connected party did not properly respond after a period of time, or "
    "established connection failed because connected host has failed to respond"
)
FAILED_IN_COPY: dict[str, Any] = {
    "id": RUN,
    "flowId": FLOW,
    "metrics": {
        "durationSummary": {"startedAtUTC": 1693538422921, "completedAtUTC": 1693539869854},
        "recordSummary": {"failedInfo": [{"code": "2200", "message": NETWORK}]},
        "statusSummary": {
            "status": "failed",
            "errors": [{"code": "CONNECTOR-1001-500", "message": "Error in copying the data from Source."}],
        },
    },
    "activities": [
        {
            "id": "4f008a00-3a04-11eb-adc1-0242ac120002",
            "name": "SFTP Copy Activity",
            "durationSummary": {"startedAtUTC": 1693538422921, "completedAtUTC": 1693539869854},
            "recordSummary": {"failedInfo": [{"code": "2200", "message": NETWORK}]},
            "statusSummary": {
                "status": "failed",
                "errors": [{"code": "CONNECTOR-1001-500", "message": "Error in copying the data from Source."}],
                "extensions": {
                    "errorDetail": "ErrorCode=SftpNetworkIssue,Message=Network issue, SocketErrorCode: 'TimedOut'",
                    "errors": [{"code": "2200", "message": NETWORK}],
                },
            },
        }
    ],
}
FAILED_IN_PROMOTION: dict[str, Any] = {
    "id": RUN,
    "flowId": FLOW,
    "metrics": {
        "durationSummary": {"startedAtUTC": 1597434147190},
        "sizeSummary": {"inputBytes": -1},
        "fileSummary": {"inputFileCount": -1},
        "statusSummary": {
            "status": "failed",
            "errors": [{"code": "CONNECTOR-2001-500", "message": "Error in processing the copied data."}],
        },
    },
    "activities": [
        {
            "id": "promotionActivity",
            "durationSummary": {"startedAtUTC": 1597434147190, "completedAtUTC": 1597434157212},
            "recordSummary": {},
            "statusSummary": {
                "status": "failed",
                "errors": [{"code": "CONNECTOR-2001-500", "message": "Error in processing the copied data."}],
                "extensions": {"errors": [{"code": "133", "message": "We are unable to locate any files uploaded."}]},
            },
            "targetInfo": [{"reference": {"type": "Batch", "ids": [BATCH]}}],
        }
    ],
}
IN_SECONDS: dict[str, Any] = {
    "id": RUN,
    "flowId": FLOW,
    "params": {"windowStartTime": "1767225600", "windowEndTime": "1767312000"},
    "metrics": {
        "durationSummary": {"startedAtUTC": 1590512053, "completedAtUTC": 1590512113},
        "statusSummary": {"status": "success"},
    },
    "activites": [{"id": "copyActivity", "durationSummary": {"completedAtUTC": 1590512053}}],
}
SCHEDULED: dict[str, Any] = {"id": RUN, "flowId": FLOW, "metrics": {"statusSummary": {"status": "scheduled"}}}
REAL = [WITH_REJECTED, FAILED_IN_COPY, FAILED_IN_PROMOTION, IN_SECONDS, SCHEDULED]
LINE = {"row": {"id": "a2", "amount": "n/a"}, "_errors": [{"code": "MAPPER-3700-400", "column": "_acme.amount",
                                                           "message": "'n/a' is no number"}]}  # fmt: skip


class Aep:
    """AEP, as far as a report asks: it answers with documents, texts and errors by the end of a path."""

    settings = AepSettings.parse(ims_org_id="o", client_id="c", client_secret="s")

    def __init__(self, **answers: Any) -> None:
        self.answers = {"flows": {"items": [{"id": FLOW, "name": "incidents"}]}, "meta": json.dumps(LINE), **answers}
        self.asked: list[str] = []

    def get(self, path: str, *, params: Any = None, expect: str = "json") -> Answer:
        Exchange(self.settings, "GET", path, params=params).sending("token")
        self.asked.append(path)
        unknown = AepNotFoundError(status=404, method="GET", path=path)
        body = self.answers.get("meta" if path.endswith("/meta") else path.split("/")[4], unknown)
        if isinstance(body, AepError):
            raise body
        return Answer(200, {}, body, f"request-{len(self.asked)}")

    def text(self, path: str, *, params: Any = None) -> str:
        return str(self.get(path, params=params, expect="text").body)


def report(document: dict[str, Any] | None, /, **options: Any) -> RunReport:
    client: Any = Aep(**options.pop("answers", {}))
    return read_report(client, RUN, document=document, **options)


def told(document: dict[str, Any] | None, /, **options: Any) -> str:
    return "\n".join(report(document, **options).lines())


# --- What it tells ---


def test_a_run_with_a_rejected_row() -> None:
    links = {"Flow": "https://experience.example/flow", "Flow run": "https://experience.example/run"}
    lines = report(WITH_REJECTED, links=links).lines()
    known, rows, mapping = advice("CONNECTOR-2001-500"), advice("INGEST-1212-400"), advice("MAPPER-3700-400")
    assert known is not None
    assert rows is not None
    assert mapping is not None
    assert lines == [
        f"Report on flow run {RUN} of flow 'incidents' ({FLOW})",
        "  Flow: https://experience.example/flow",
        "  Flow run: https://experience.example/run",
        "AEP says success; that is: partially succeeded",
        "Window: 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z",
        "Time: 2026-01-01T00:00:00Z to 2026-01-01T00:02:20Z (2 min 20 s)",
        "Rows: 100 read, 99 written, 1 rejected, ? skipped, ? with warnings; bytes: 2048 read, 1024 written",
        "Copy Activity: success, 2026-01-01T00:00:00Z to 2026-01-01T00:00:03.250Z (3.250 s)",
        "Promotion Activity: success, 2026-01-01T00:00:04Z to 2026-01-01T00:02:19Z (2 min 15 s)",
        "Error CONNECTOR-2001-500 Error occurred at promotion activity. [Promotion Activity]",
        f"  It means: {known.meaning}",
        f"  To do: {known.remedy}",
        "Error INGEST-1212-400 Encountered 1 errors in the data. Successfully ingested 99 rows. [Promotion Activity]",
        f"  It means: {rows.meaning}",
        f"  To do: {rows.remedy}",
        "Error MAPPER-3700-400 Mapper Transform Error (1 row) [Promotion Activity]",
        f"  It means: {mapping.meaning}",
        f"  To do: {mapping.remedy}",
        f"Rejected rows, 1 of 1, from /data/foundation/export/batches/{BATCH}/meta?path=row_error_samples.json",
        f"  1. MAPPER-3700-400 _acme.amount: '{MASK}' is no number (columns: id, amount)",
        f"Batches: {BATCH}",
        "Request ids for Adobe's support: request-1 (flow)",
    ]


def test_what_rows_hold_is_shown_only_to_who_asks_for_it() -> None:
    assert "n/a" not in told(WITH_REJECTED)
    shown = told(WITH_REJECTED, show_values=True)
    assert "'n/a' is no number" in shown
    assert "holds id='a2', amount='n/a'" in shown


def test_a_failed_copy_tells_the_reason_that_stands_beside_its_code() -> None:
    text = told(FAILED_IN_COPY)
    assert "AEP says failed; that is: failed" in text
    assert "SFTP Copy Activity: failed, 2023-09-01T03:20:22.921Z to 2023-09-01T03:44:29.854Z (24 min 6 s)" in text
    assert text.count("Error CONNECTOR-1001-500 Error in copying the data from Source. [SFTP Copy Activity]") == 1
    assert f"Error 2200 {NETWORK} [SFTP Copy Activity]" in text
    assert "SftpNetworkIssue" in text
    assert "AEP could not copy the rows" not in text
    assert text.count("could not reach the source system over the network") == 1
    assert "Window: not told" in text
    assert "Batches" not in text


def test_what_only_the_counts_tell_of_errors_is_told_too() -> None:
    info = {"failedInfo": [{"code": "2200", "message": NETWORK}], "skippedInfo": [{"code": "7", "message": "old"}]}
    document = {**SCHEDULED, "metrics": {"statusSummary": {"status": "failed"}, "recordSummary": info}}
    text = told(document)
    assert f"Error 2200 {NETWORK}\n" in text
    assert "Error 7 old" in text


def test_an_error_is_told_with_the_first_activity_that_names_it() -> None:
    errors = {"errors": [{"code": "9", "message": "wrong"}]}
    activities = [{"name": name, "statusSummary": errors} for name in ("first", "second")]
    text = told({**SCHEDULED, "metrics": {"statusSummary": errors}, "activities": activities})
    assert text.count("Error 9 wrong") == text.count("Error 9 wrong [first]") == 1


@pytest.mark.parametrize(
    ("start", "end", "span"),
    [
        (0, 999, "1970-01-01T00:00:00Z to 1970-01-01T00:16:39Z (16 min 39 s)"),
        (1767225600000, 1767225600005, "2026-01-01T00:00:00Z to 2026-01-01T00:00:00.005Z (0.005 s)"),
        (1767225600000, 1767240061000, "2026-01-01T00:00:00Z to 2026-01-01T04:01:01Z (4 h 1 min)"),
        (1767225600000, 1767225599000, "2026-01-01T00:00:00Z to 2025-12-31T23:59:59Z"),
        (10**18, "x", "a moment beyond the year 9999 to ?"),
        (10**400, None, "a moment beyond the year 9999 to ?"),
    ],
)
def test_times(start: object, end: object, span: str) -> None:
    times = {"durationSummary": {"startedAtUTC": start, "completedAtUTC": end}}
    assert f"Time: {span}\n" in told({**SCHEDULED, "metrics": times})


def test_a_failed_promotion_without_an_end_and_without_counts() -> None:
    text = told(FAILED_IN_PROMOTION)
    assert "Time: 2020-08-14T19:42:27.190Z to ?\n" in text
    assert "Rows: ? read, ? written, ? rejected, ? skipped, ? with warnings; bytes: ? read, ? written" in text
    assert "promotionActivity: failed" in text
    assert "No file reached the batch" in text
    assert f"Batches: {BATCH}" in text


def test_seconds_the_misspelt_key_and_the_windows_parameters() -> None:
    text = told(IN_SECONDS)
    assert "Time: 2020-05-26T16:54:13Z to 2020-05-26T16:55:13Z (1 min 0 s)" in text
    assert "copyActivity: ?, ? to 2020-05-26T16:54:13Z" in text
    assert "Window: 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z" in text


def test_a_run_that_has_only_just_been_scheduled() -> None:
    assert "AEP says scheduled; that is: running" in told(SCHEDULED)
    assert "AEP says nothing of its status; that is: running" in told({"id": RUN, "flowId": FLOW})


def test_partial_success_in_aeps_own_word() -> None:
    document = copy.deepcopy(WITH_REJECTED)
    document["metrics"]["statusSummary"]["status"] = "PARTIAL_SUCCESS"
    assert "AEP says PARTIAL_SUCCESS; that is: partially succeeded" in told(document)


def test_advice_is_given_once_however_many_errors_need_it() -> None:
    errors = [{"code": "MAPPER-3700-400", "message": f"field {n}"} for n in range(5)]
    text = told({**SCHEDULED, "metrics": {"statusSummary": {"status": "failed", "errors": errors}}})
    assert text.count("Error MAPPER") == 5
    assert text.count("It means:") == text.count("To do:") == 1


def test_of_unknown_errors_only_aeps_words_are_told() -> None:
    errors = [{"code": "NEW-9999-500", "message": "never seen"}]
    text = told({**SCHEDULED, "metrics": {"statusSummary": {"status": "failed", "errors": errors}}})
    assert "Error NEW-9999-500 never seen" in text
    assert "It means" not in text


# --- What cannot be read ---


def test_a_run_that_cannot_be_read_is_still_reported() -> None:
    client: Any = Aep(runs=AepNotFoundError(status=404, request_id="abc"))
    found = read_report(client, RUN, links={"Flow run": "https://x.example"})
    lines = found.lines()
    assert lines[:2] == [f"Report on flow run {RUN} of flow ?", "  Flow run: https://x.example"]
    assert lines[2].startswith("The run could not be read: AEP refused (HTTP 404) [request id abc]")
    assert found.verdict is None
    assert len(client.asked) == 1


@pytest.mark.parametrize("body", [None, [], "x", {"items": []}, {"items": [5]}, {"items": [{}, {}]}])
def test_an_answer_that_is_no_run(body: object) -> None:
    client: Any = Aep(runs=body)
    assert "The run could not be read" in read_report(client, RUN).lines()[-1]


@pytest.mark.parametrize("run_id", ["", "a b", "ł", "\ud800", "x" * 500])
def test_an_id_that_is_none_is_not_asked_for(run_id: str) -> None:
    client: Any = Aep()
    assert "is no id" in read_report(client, run_id).lines()[1]
    assert client.asked == []


def test_the_flow_that_cannot_be_read_hides_nothing_else() -> None:
    text = told(WITH_REJECTED, answers={"flows": AepPermissionError(status=403)})
    assert f"Report on flow run {RUN} of flow {FLOW}" in text
    assert "The flow could not be read: AEP refused (HTTP 403)" in text
    assert f"1. MAPPER-3700-400 _acme.amount: '{MASK}' is no number" in text


def test_the_rows_that_cannot_be_read_hide_nothing_else() -> None:
    text = told(WITH_REJECTED, answers={"meta": AepServerError(status=503)})
    assert "of flow 'incidents'" in text
    assert "The rejected rows could not be read: AEP refused (HTTP 503)" in text
    assert "Error MAPPER-3700-400" in text


def test_without_diagnostics_it_is_said_why_no_row_is_shown() -> None:
    document = copy.deepcopy(WITH_REJECTED)
    del document["activities"][1]["statusSummary"]["extensions"]["manifest"]
    assert "The rejected rows could not be read: AEP tells of no diagnostics" in told(document)
    assert "rejected rows" not in told(SCHEDULED).lower()


def test_only_what_is_missing_is_read() -> None:
    client: Any = Aep(runs={"items": [WITH_REJECTED]})
    found = read_report(client, RUN)
    assert [path.split("/")[4] for path in client.asked] == ["runs", "flows", "batches"]
    assert dict(found.request_ids) == {"run": "request-1", "flow": "request-2"}
    client = Aep()
    read_report(client, RUN, document=WITH_REJECTED, sample_rows=0)
    assert [path.split("/")[4] for path in client.asked] == ["flows"]


# --- Its bounds ---


def test_however_long_the_document_the_report_is_a_page() -> None:
    errors = [{"code": f"X-{n}-500", "message": "m" * 5000} for n in range(1000)]
    known = [{"code": code, "message": f"{n}"} for n, code in enumerate(["MAPPER-3700-400", "1308", "133", "1330"] * 9)]
    activity = {
        **PROMOTION,
        "name": "n" * 5000,
        "statusSummary": {**PROMOTION["statusSummary"], "errors": known + errors},
    }
    activity["targetInfo"] = [{"reference": {"type": "Batch", "ids": [f"{n:050}" for n in range(5000)]}}]
    document = {**WITH_REJECTED, "activities": [activity, *[{"name": "n" * 5000}] * 299]}
    rows = "\n".join(json.dumps({f"c{n}_{'x' * 50}": "v" * 300 for n in range(300)} | {"_errors": ["w" * 4000] * 50})
                     for _ in range(50))  # fmt: skip
    links = {f"page {n}": "https://x.example/" + "y" * 5000 for n in range(50)}
    for show_values in (False, True):
        lines = report(document, links=links, sample_rows=1000, show_values=show_values, answers={"meta": rows}).lines()
        assert len(lines) <= MAX_LINES
        assert max(map(len, lines)) <= MAX_LINE
        text = "\n".join(lines)
        for rest in (
            "and 45 more links",
            "and 292 more activities",
            "more errors",
            "and 4990 more batches",
            "Request ids",
        ):
            assert rest in text
        assert "Rejected rows, 10 of 1" in text or show_values


def test_more_lines_than_a_page_has_are_counted() -> None:
    lines = RunReport(RUN, unread=[f"part {n}" for n in range(100)]).lines()
    assert len(lines) == MAX_LINES
    assert lines[-2:] == ["part 57", "and 42 more lines"]


def test_no_control_characters() -> None:
    evil = "a\n\x1b[31m\u202eb\u2028c\x00"
    document = json.loads(json.dumps(WITH_REJECTED).replace("Mapper Transform Error", "x\\n\\u001b[31m\\u202ey"))
    document |= {"flowId": "f\n"}
    document["activities"][0] = {**COPY, "name": evil, "statusSummary": {"status": evil}}
    lines = report(document, links={evil: evil}, answers={"meta": json.dumps({evil: evil, "_errors": [evil]})}).lines()
    assert all(one_line(line) == line.strip() for line in lines)


@pytest.mark.parametrize(
    "secret",
    [
        "Authorization: Bearer abcdef.ghi-jkl0123",
        "eyJhbGciOiJSUzI1NiJ9.hunter2.signature",
        "Server=db;User Id=ann;Password=hunter2;Encrypt=true",
        '{"username": "ann", "password": "hunter2 and more"}',
        "client_secret='hunter2'",
        "pwd=hunter2&x=1",
        "https://ann:hunter2@db.example/x",
        "https://blob.example/x?sv=1&sig=hunter2%3D",
        "AccountKey=hunter2==;",
        '"refreshToken":"hunter2',
    ],
)
def test_secrets_that_the_source_repeats_are_not_passed_on(secret: str) -> None:
    message = f"The source said: {secret}"
    errors = [{"code": "1308", "message": message}]
    text = told(
        {**SCHEDULED, "metrics": {"statusSummary": {"status": "failed", "errors": errors}}}, links={"x": secret}
    )
    assert "The source said: " in text
    assert "hunter2" not in text
    assert "abcdef" not in text
    assert "***" in text


@pytest.mark.parametrize("size", [10**5, 10**6])
def test_long_words_take_no_time(size: int) -> None:
    began = time.monotonic()
    for word in ("a-" * size, "password" * size, "://" * size, "token:" * size):
        told(
            {**SCHEDULED, "metrics": {"statusSummary": {"status": "failed", "errors": [{"message": word}]}}},
            links={word: word},
        )
    assert time.monotonic() - began < 10


# --- Whatever comes ---

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(
        [-1, 0, 10**11, 10**18, 10**400, float("inf"), float("nan"), 1.5, "", "success", "\ud800", "1e999"]
    )
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def places(part: Any) -> list[tuple[Any, Any]]:
    """Every place in a document, as the container and the key."""
    keys = list(part) if isinstance(part, dict) else list(range(len(part))) if isinstance(part, list) else []
    return [place for key in keys for place in [(part, key), *places(part[key])]]


@st.composite
def mutants(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    """A document as AEP makes it, with some of its places changed; and so a file of rejected rows."""
    chance = draw(st.randoms(use_true_random=False))
    document = copy.deepcopy(draw(st.sampled_from(REAL)))
    rows = copy.deepcopy([LINE, {"data": [{"_links": {"self": {"href": META}}}], "_page": {}}])
    for target in (document, rows):
        for _ in range(draw(st.integers(1, 4))):
            mutate(target, chance, draw(JUNK))
    return document, "\n".join(map(json.dumps, rows)) if chance.random() < 0.5 else json.dumps(
        chance.choice(rows or [0])
    )


def mutate(document: Any, chance: random.Random, junk: Any) -> None:
    found = places(document)
    if not found:
        return
    container, key = chance.choice(found)
    match chance.randrange(5):
        case 0:
            del container[key]
        case 1:
            container[key] = [container[key]]
        case 2:
            other, name = chance.choice(found)
            container[key] = (
                copy.deepcopy(other[name])
                if name in (other if isinstance(other, dict) else range(len(other)))
                else junk
            )
        case 3 if isinstance(container, dict):
            container[str(junk)] = container[key]
        case _:
            container[key] = junk


def check_mutant(mutant: tuple[dict[str, Any], Any], show_values: bool) -> None:
    document, rows = mutant
    lines = report(document, show_values=show_values, answers={"meta": rows}).lines()
    assert 4 <= len(lines) <= MAX_LINES
    assert all(one_line(line, MAX_LINE) == line.strip() for line in lines)
    assert RUN in lines[0]


@settings(max_examples=300, deadline=None)
@given(mutants(), st.booleans())
def test_whatever_aep_tells_there_is_a_report(mutant: tuple[dict[str, Any], Any], show_values: bool) -> None:
    check_mutant(mutant, show_values)


@pytest.mark.thorough
@settings(max_examples=2_500, deadline=None)
@given(mutants(), st.booleans())
def test_whatever_aep_tells_there_is_a_report_tens_of_thousands(
    mutant: tuple[dict[str, Any], Any], show_values: bool
) -> None:
    check_mutant(mutant, show_values)


@pytest.mark.parametrize("part", ["runs", "flows", "meta"])
@pytest.mark.parametrize("error", [AepError("x"), AepAnswerError("y"), AepServerError(status=500)])
def test_no_error_of_aep_is_raised(part: str, error: AepError) -> None:
    client: Any = Aep(**{"runs": {"items": [WITH_REJECTED]}, part: error})
    assert "could not be read" in "\n".join(read_report(client, RUN).lines())


# --- On the local platform ---


def column(name: str, kind: str, **xdm: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "xdm": {"type": kind, **xdm}}


def load(client: AepClient, org: str, percent: float) -> tuple[str, str]:
    """Load ``incident`` with a text as a number; return the ids of flow and run."""
    columns = [column("sys_id", "string"), column("short_description", "integer"),
               column("sys_updated_at", "string", format="date-time")]  # fmt: skip
    spec = declared("incidents", columns=columns, policy={"partial_ingestion_percent": percent})
    chain = made(client, LOGIN, spec)
    await_(lambda: flow_service.read(client, "flows", chain.flow_id)["state"] == "enabled")
    params = {"startTime": int(time.time()), "windowStartTime": 1767225600, "windowEndTime": 1767571200,
              "deltaColumn": {"name": "sys_updated_at"}}  # fmt: skip
    answer = client.post(flow_service.path_of("runs"), json={"flowId": chain.flow_id, "params": params}).body
    run_id = str(answer["items"][0]["id"] if "items" in answer else answer["id"])
    await_(lambda: judge(read_run(client, run_id)).state.has_ended)
    return chain.flow_id, run_id


def await_(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("percent", "state", "written", "means"),
    [(90, RunState.PARTIAL, 1, "Rows were rejected"), (5, RunState.FAILED, 0, "fails the whole run")],
)
def test_a_table_with_text_where_numbers_should_be(
    client: AepClient, org: str, wire: Any, percent: float, state: RunState, written: int, means: str
) -> None:
    flow_id, run_id = load(client, org, percent)
    wire.seen.clear()
    found = read_report(client, run_id)
    text = "\n".join(found.lines())
    assert found.verdict is not None
    assert found.verdict.state is state
    assert f"Report on flow run {run_id} of flow 'incidents' ({flow_id})" in text
    assert "Window: 2026-01-01T00:00:00Z to 2026-01-05T00:00:00Z" in text
    assert f"Rows: 3 read, {written} written, 2 rejected" in text
    assert "Copy Activity: success" in text
    assert "Promotion Activity: " in text
    assert "CONNECTOR-2001-500 2 of 3 rows were rejected" in text
    assert means in text
    assert "Rejected rows, 2 of 2" in text
    assert "text is not an integer (columns: sys_id, short_description, sys_updated_at)" in text
    assert f"Batches: {found.verdict.batch_ids[0]}" in text
    assert found.unread == []
    asked = [seen.path.split("/")[4] for seen in wire.seen if seen.method == "GET"]
    assert asked == ["runs", "flows", "batches"]
    sent = {seen.headers["x-request-id"]: seen.path for seen in wire.seen}
    assert sent[found.request_ids["run"]].endswith(run_id)
    assert sent[found.request_ids["flow"]].endswith(flow_id)
    assert found.rejected is not None
    for value in ("Wi-Fi", "badge", "a1", "a2", "08:00:00"):
        assert value not in str(found.rejected.rows)
    assert "hunter2" not in text
    shown = "\n".join(read_report(client, run_id, show_values=True).lines())
    assert "sys_id='a2', short_description='Łódź badge'" in shown


def test_links_of_foreign_hosts_lead_to_the_gateway_only(
    client: AepClient, org: str, wire: Any, make_wire: Callable[..., Any], platform: Any
) -> None:
    elsewhere = make_wire(platform)
    document = json.loads(json.dumps(WITH_REJECTED).replace("https://platform-int.adobe.io", elsewhere.url))
    wire.answer("GET", "/meta", LINE)
    found = read_report(client, RUN, document=document)
    assert found.rejected is not None
    assert len(found.rejected.rows) == 1
    assert elsewhere.seen == []
    assert any(seen.path.endswith(f"/{BATCH}/meta") for seen in wire.seen)


def test_a_run_that_nobody_knows(client: AepClient) -> None:
    lines = read_report(client, "00000000-0000-0000-0000-000000000000").lines()
    assert len(lines) == 2
    assert lines[1].startswith("The run could not be read: AEP refused (HTTP 404 FLOW-1439-404)")
