"""The words for a run's status; AEP's own are known only in part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aep_local.core.settings import Assumptions
from aep_local.core.store import Document

_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "documented": {},
    "partial": {"partial": "partialSuccess"},
    "capitalised": {
        "scheduled": "Waiting",
        "inProgress": "Processing",
        "success": "Success",
        "partial": "Success",
        "failed": "Failed",
    },
    "provider": {
        "scheduled": "SCHEDULED",
        "inProgress": "IN_PROGRESS",
        "success": "SUCCESS",
        "partial": "PARTIAL_SUCCESS",
        "failed": "FAILED",
    },
}
_UNKNOWN: Final = {"success": "FINALIZED_OK", "partial": "FINALIZED_OK"}
"""A word on no list, for there is no complete one; only its ``completedAtUTC`` tells that such a run is over."""


def worded(run: Document, assume: Assumptions) -> Document:
    """A run's document with the status words that the switches choose, in its metrics and in its activities."""
    words = _WORDS[assume.run_statuses]
    if assume.run_document_quirks == "unknown_word":
        words = {**words, **_UNKNOWN}
    if not words:
        return run
    metrics = _changed(run["metrics"], words)
    return {**run, "metrics": metrics, "activities": [_changed(each, words) for each in run.get("activities", [])]}


def _changed(summaries: Document, words: Mapping[str, str]) -> Document:
    status = summaries["statusSummary"]["status"]
    failed = summaries.get("recordSummary", {}).get("failedRecordCount", 0)
    key = "partial" if status == "success" and failed > 0 else status
    return {**summaries, "statusSummary": {**summaries["statusSummary"], "status": words.get(key, status)}}
