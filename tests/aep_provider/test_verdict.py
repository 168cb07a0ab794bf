"""A run document in, what happened out."""

from __future__ import annotations

import json
import random
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


def activity(name: str, status: str = "success", **more: Any) -> dict[str, Any]:
    return {"id": name, "name": f"{name} Activity", "statusSummary": {"status": status, **more}}


COPY_FAILED = {"errors": [{"code": "CONNECTOR-1001-500", "message": "the copy failed"}]}
DOCUMENTS: dict[str, tuple[dict[str, Any], tuple[RunState, int | None, int | None, int | None]]] = {
    "success": (run(records=counts(9, 9, 0)), (RunState.SUCCEEDED, 9, 9, 0)),
    "success with rejected rows": (run(records=counts(9, 7, 2)), (RunState.PARTIAL, 9, 7, 2)),
    "partial": (run("partialSuccess", records=counts(9, 7, 2)), (RunState.PARTIAL, 9, 7, 2)),
    "partial without counts": (run("partialSuccess"), (RunState.PARTIAL, None, None, None)),
    "failed, and no end": (
        run("failed", times={"startedAtUTC": 1_800_000_000_000}, status_summary=COPY_FAILED), (RunState.FAILED, None, None, None),
    ),
    "failed in the copy": (
        run("failed", records=counts(0, 0), activities=[activity("Copy", "failed", **COPY_FAILED)]),
        (RunState.FAILED, 0, 0, None),
    ),
    "failed in the promotion": (
        run("failed", records=counts(9, 0, 9), activities=[activity("Copy"), activity("Promotion", "failed")]),
        (RunState.FAILED, 9, 0, 9),
    ),
    "capitals": (run("SUCCESS", records=counts(9, 9)), (RunState.SUCCEEDED, 9, 9, None)),
    "the provider's failure in part": (run("PARTIAL_FAILURE", records=counts(9, 8, 1)), (RunState.PARTIAL, 9, 8, 1)),
    "an unknown word": (run("FINALIZED_OK", records=counts(9, 9)), (RunState.UNKNOWN, 9, 9, None)),
    "an unknown word, and an end": (run("odd", times={"completedAtUTC": 1}), (RunState.UNKNOWN, None, None, None)),
    "no metrics": ({"id": "r1"}, (RunState.RUNNING, None, None, None)),
    "sizes of -1": (
        {"id": "r1", "metrics": {
            "statusSummary": {"status": "success"}, "recordSummary": counts(9, 9),
            "sizeSummary": {"inputBytes": -1, "outputBytes": -1}}},
        (RunState.SUCCEEDED, 9, 9, None),
    ),
    "the misspelt key": (
        run(records=counts(9, 8), activites=[{"recordSummary": {"failedRecordCount": 1}}]), (RunState.PARTIAL, 9, 8, 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("document", "wanted"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_of_each_kind(
    document: dict[str, Any], wanted: tuple[RunState, int | None, int | None, int | None]
) -> None:
    verdict = judge(document)
    assert (verdict.state, verdict.rows_read, verdict.rows_written, verdict.rows_rejected) == wanted
    assert (verdict.bytes_read, verdict.bytes_written) == (None, None)


SCRAPS: list[Any] = [
    None, True, False, 0, -1, 7, 10**30, -0.5, 1e308, float("inf"), float("nan"), "",
    "success", "failed", "9" * 5000, "\x00\u202e",
    [], {}, [[]], [{}], {"status": "success"}, {"errors": [None, {"code": [], "message": {}}]}, "partialSuccess", 1_800_000_000,
]  # fmt: skip


def mutated(value: Any, chance: random.Random, depth: int = 0) -> Any:
    """A document with some of its parts replaced, left out, doubled or nested."""
    if chance.random() < 0.06:
        return chance.choice(SCRAPS)
    if isinstance(value, dict):
        kept = {key: mutated(part, chance, depth + 1) for key, part in value.items() if chance.random() > 0.04}
        return kept if chance.random() > 0.02 else {"extra": kept, **kept}
    if isinstance(value, list):
        parts = [mutated(part, chance, depth + 1) for part in value]
        return parts * chance.choice([1, 1, 1, 2])
    return value


@pytest.mark.thorough
def test_tens_of_thousands_of_mutations_give_only_a_verdict() -> None:
    """And never a success where rows were rejected or AEP told an error."""
    chance = random.Random(23)
    whole = run(
        records={**counts(9, 7, 2), "skippedRecordCount": 0, "warningRecordCount": 1},
        times={"startedAtUTC": 1_800_000_000_000, "completedAtUTC": 1_800_000_009_000},
        activities=[activity("Copy", **COPY_FAILED), {**activity("Promotion"), "targetInfo": [BATCH]}],
    )
    for base in [*(document for document, _ in DOCUMENTS.values()), whole]:
        for _ in range(2500):
            document = mutated(base, chance)
            if not isinstance(document, dict):
                continue
            verdict = judge(document)
            assert isinstance(verdict, Verdict)
            assert len(verdict.in_words()) < 3000
            assert verdict_of(json.loads(json.dumps(verdict.as_json()))) == verdict
            if verdict.state is RunState.SUCCEEDED:
                assert not verdict.rows_rejected
                assert not verdict.reasons
