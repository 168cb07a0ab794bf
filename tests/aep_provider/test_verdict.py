"""A run document in, what happened out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aep_provider.errors import AepAnswerError
from aep_provider.verdict import RunState, Tolerance, Verdict, judge, verdict_of

BATCH = {"reference": {"type": "Batch", "ids": ["01H", "01H", "01J"]}}


def run(status: object = "success", **summaries: Any) -> dict[str, Any]:
    metrics: dict[str, Any] = {"statusSummary": {"status": status, **summaries.pop("status_summary", {})}}
    if "records" in summaries:
        metrics["recordSummary"] = summaries.pop("records")
    if "times" in summaries:
        metrics["durationSummary"] = summaries.pop("times")
    return {"id": "r1", "flowId": "f1", "metrics": metrics, **summaries}


def counts(read: int, written: int, rejected: int | None = None) -> dict[str, int]:
    told = {"inputRecordCount": read, "outputRecordCount": written}
    return told if rejected is None else {**told, "failedRecordCount": rejected}


VOCABULARY = {
    RunState.SUCCEEDED: ["success", "Success", "SUCCESS", "succeeded", "completed", "COMPLETED"],
    RunState.PARTIAL: ["partialSuccess", "PARTIAL_SUCCESS", "PARTIAL_FAILURE", "partial-success", "Partial Success"],
    RunState.FAILED: ["failed", "Failed", "FAILED", "failure", "error", "aborted", "cancelled", "canceled"],
    RunState.RUNNING: [
        "scheduled", "SCHEDULED", "inProgress", "IN_PROGRESS", "in progress", "Processing", "Waiting", "QUEUED",
        "pending", "running", "started",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("state", "word"), [(state, word) for state, words in VOCABULARY.items() for word in words])
def test_every_vocabulary_and_casing(state: RunState, word: str) -> None:
    verdict = judge(run(word))
    assert (verdict.state, verdict.status) == (state, word)
    assert verdict.state.has_ended is (state is not RunState.RUNNING)


@pytest.mark.parametrize("word", ["", "finalizing", "SUCCEEDED_ISH", 5, True, [], {"value": "success"}])
def test_an_unknown_word_is_neither_success_nor_failure(word: object) -> None:
    verdict = judge(run(word))
    assert verdict.state is RunState.UNKNOWN
    assert not verdict.state.has_ended


@pytest.mark.parametrize("document", [{}, {"metrics": {}}, {"metrics": None}, {"metrics": {"statusSummary": {}}}])
def test_a_run_without_a_status_is_running(document: dict[str, Any]) -> None:
    assert judge(document).state is RunState.RUNNING


def test_a_plain_success() -> None:
    verdict = judge(run(records=counts(100, 100, 0), activities=[{"targetInfo": [BATCH]}]))
    assert verdict.state is RunState.SUCCEEDED
    assert (verdict.rows_read, verdict.rows_written, verdict.rows_rejected) == (100, 100, 0)
    assert verdict.batch_ids == ["01H", "01J"]


@pytest.mark.parametrize(
    "document",
    [
        run(records=counts(100, 99, 1)),
        run(records={"failedRecordCount": "1"}),
        run(status_summary={"errors": [{"code": "CONNECTOR-2001-500", "message": "bad row"}]}),
        run(activities=[{"statusSummary": {"extensions": {"errors": [{"code": "MAPPER-3700-400"}]}}}]),
        run(activites=[{"statusSummary": {"errors": [{"message": "misspelt key"}]}}]),
        run(records=counts(100, 99), activities=[]),
        run(records=counts(100, 99, 0)),
        run(activities=[{"recordSummary": {"inputRecordCount": 100, "failedRecordCount": 1}}]),
    ],
    ids=[
        "counted",
        "counted in text",
        "errors",
        "errors of an activity",
        "misspelt",
        "untold",
        "unaccounted",
        "activity's count",
    ],
)
def test_success_with_rejected_rows_is_no_plain_success(document: dict[str, Any]) -> None:
    assert judge(document).state is RunState.PARTIAL


def test_rows_that_are_skipped_are_accounted_for() -> None:
    assert judge(run(records={**counts(100, 90, 0), "skippedRecordCount": 10})).state is RunState.SUCCEEDED


def test_rows_that_nobody_accounts_for_are_told() -> None:
    verdict = judge(run(records=counts(100, 97, 1)))
    assert verdict.rows_rejected == 3
    assert any("2 " in reason for reason in verdict.reasons)


@pytest.mark.parametrize("unknown", [-1, None, "?", True, [], {}, float("nan"), float("inf"), "-1"])
def test_what_is_unknown_is_none(unknown: object) -> None:
    records = {"inputRecordCount": unknown, "outputRecordCount": unknown, "failedRecordCount": unknown}
    verdict = judge(run(records=records, times={"startedAtUTC": unknown, "completedAtUTC": unknown}))
    assert verdict.state is RunState.SUCCEEDED
    assert (verdict.rows_read, verdict.rows_written, verdict.rows_rejected) == (None, None, None)
    assert (verdict.started_at, verdict.completed_at) == (None, None)


def test_a_failure_without_metrics() -> None:
    verdict = judge(
        run("failed", status_summary={"errors": [{"code": "CONNECTOR-1001-500", "message": "copy failed"}] * 2})
    )
    assert verdict.state is RunState.FAILED
    assert verdict.reasons == ["CONNECTOR-1001-500 copy failed"]
    assert "CONNECTOR-1001-500 copy failed" in verdict.in_words()


def test_seconds_become_milliseconds() -> None:
    verdict = judge(run(times={"startedAtUTC": 1_590_512_053, "completedAtUTC": 1_590_512_053_123}))
    assert (verdict.started_at, verdict.completed_at) == (1_590_512_053_000, 1_590_512_053_123)


def test_both_spellings_of_activities_give_the_batches() -> None:
    for key in ("activities", "activites"):
        assert judge(run(**{key: [{"targetInfo": [BATCH]}]})).batch_ids == ["01H", "01J"]


def test_reasons_are_one_line_each_and_not_endless() -> None:
    verdict = judge(
        run("failed", status_summary={"errors": [{"code": "X", "message": "a\n\r\x1b[31m b" + "c" * 9999}]})
    )
    (reason,) = verdict.reasons
    assert len(reason) <= 500
    assert not any(ord(character) < 32 for character in reason)


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["success", "Batch"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def level(keys: list[str], inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(JUNK, st.dictionaries(st.sampled_from(keys), inner, max_size=len(keys)))


SUMMARY = level(
    ["status", "errors", "extensions", "failedRecordCount", "inputRecordCount", "outputRecordCount", "skippedRecordCount",
     "startedAtUTC", "completedAtUTC", "reference", "code", "message", "type", "ids"],
    JUNK,
)  # fmt: skip
METRICS = level(
    ["statusSummary", "recordSummary", "durationSummary", "targetInfo"],
    st.one_of(SUMMARY, st.lists(SUMMARY, max_size=2)),
)
HOSTILE = st.dictionaries(
    st.sampled_from(["id", "flowId", "metrics", "activities", "activites"]),
    st.one_of(METRICS, st.lists(METRICS, max_size=2)),
    max_size=5,
)


@settings(max_examples=100, deadline=None)
@given(HOSTILE)
def test_whatever_the_document_only_a_verdict_comes_out(document: dict[str, Any]) -> None:
    verdict = judge(document)
    assert isinstance(verdict, Verdict)
    assert isinstance(verdict.in_words(), str)
    assert verdict_of(json.loads(json.dumps(verdict.as_json()))) == verdict
    if verdict.state is RunState.SUCCEEDED:
        assert not verdict.rows_rejected
        assert not verdict.reasons


@pytest.mark.parametrize(
    "document", [{}, {"state": "succeeded"}, {"state": "?"}, {"run_id": "r", "foo": 1}, {"state": None}]
)
def test_a_verdict_that_is_none_of_ours_is_refused(document: object) -> None:
    with pytest.raises(AepAnswerError):
        verdict_of(document)


def test_no_verdict_is_no_verdict() -> None:
    assert verdict_of(None) is None


@pytest.mark.parametrize(
    ("tolerance", "read", "rejected", "borne"),
    [
        (Tolerance(), 100, 1, False),
        (Tolerance(rows=1), 100, 1, True),
        (Tolerance(rows=1), 100, 2, False),
        (Tolerance(percent=1), 100, 1, True),
        (Tolerance(percent=1), 99, 1, False),
        (Tolerance(rows=5, percent=1), 100, 5, True),
        (Tolerance(rows=5, percent=10), 100, 6, True),
        (Tolerance(percent=99), None, 1, False),
        (Tolerance(percent=100), 10, 10, True),
        (Tolerance(percent=float("nan")), 10, 1, False),
    ],
)
def test_tolerance(tolerance: Tolerance, read: int | None, rejected: int, borne: bool) -> None:
    verdict = Verdict("r", "f", RunState.PARTIAL, "success", rows_read=read, rows_rejected=rejected)
    assert tolerance.bears(verdict) is borne


@pytest.mark.parametrize("rejected", [0, None])
@pytest.mark.parametrize("tolerance", [Tolerance(), Tolerance(rows=10, percent=100)])
def test_a_partial_run_that_does_not_say_what_it_rejected_is_never_borne(
    rejected: int | None, tolerance: Tolerance
) -> None:
    assert not tolerance.bears(
        Verdict("r", "f", RunState.PARTIAL, "partialSuccess", rows_read=10, rows_rejected=rejected)
    )


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.RUNNING, RunState.UNKNOWN])
def test_only_what_ended_well_is_borne(state: RunState) -> None:
    assert not Tolerance(rows=10**9, percent=100).bears(Verdict("r", "f", state, "?", rows_read=1, rows_rejected=0))
    assert Tolerance().bears(Verdict("r", "f", RunState.SUCCEEDED, "success"))


def test_rows_that_landed_with_values_left_out_are_told() -> None:
    seen = judge({"id": "r", "flowId": "f", "metrics": {
        "statusSummary": {"status": "success"},
        "recordSummary": {"inputRecordCount": 3, "outputRecordCount": 3, "warningRecordCount": 2}}})  # fmt: skip
    assert (seen.state, seen.rows_warned) == (RunState.SUCCEEDED, 2)
    assert "2 written with warnings" in seen.in_words()
