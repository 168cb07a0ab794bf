"""The documents of flow runs and batches: what they look like at each moment of a run."""

from __future__ import annotations

import secrets
import uuid
from typing import Any, Final, Literal

from aep_local.core.clock import Clock
from aep_local.core.documents import INTERNAL, etag
from aep_local.core.store import Document

COPY_ACTIVITY: Final = "4f008a00-3a04-11eb-adc1-0242ac120002"
PROMOTION_ACTIVITY: Final = "37b34f84-1ada-11eb-adc1-0242ac120002"
COPY_FAILED: Final = "CONNECTOR-1001-500"
PROCESSING_FAILED: Final = "CONNECTOR-2001-500"
BATCH_FAILED: Final = "CONNECTOR-3001-500"
ROWS_REJECTED: Final = "INGEST-1212-400"
DIAGNOSTICS_OFF: Final = "INGEST-1211-400"

_META = "https://platform.adobe.io/data/foundation/export/batches/{batch}/meta?path={path}"

_KEPT = ("batchId", "window", "delta", "listedMs", "retriggerOf", "updates")
"""What the platform remembers of a run that has ended; a re-trigger needs its window, a list the order of updates."""

WindowShown = Literal["params", "extensions", "none"]


def new_run(
    flow: Document,
    clock: Clock,
    *,
    number: int,
    window: Document,
    delta: Document | None,
    params: Document | None,
    kept: Document | None = None,
) -> Document:
    """A run in state ``scheduled``. It keeps all that it needs of its flow, so later changes do not reach it.

    :param number: the store's number of this write, as for all that change a run.
    :param window: ``startMs`` and ``endMs`` (epoch milliseconds or None for open), ``includeNull``, ``edges``.
    :param delta: the delta column as the Copy transformation gives it; None reads the whole table.
    :param params: what an on-demand request sent, echoed by the document.
    :param kept: what the platform remembers beside that: ``listedMs``, ``retriggerOf``.
    """
    now = clock.now_ms()
    tag = etag(now)
    envelope = ("createdBy", "updatedBy", "createdClient", "updatedClient", "sandboxId", "sandboxName", "imsOrgId")
    return {
        "id": str(uuid.uuid4()),
        "createdAt": now,
        "updatedAt": now,
        **{key: flow[key] for key in envelope if key in flow},
        "flowId": flow["id"],
        "flowSpec": flow.get("flowSpec"),
        **({} if params is None else {"params": params}),
        "metrics": _metrics("scheduled", now),
        "activities": [],
        "version": tag,
        "etag": tag,
        INTERNAL: {
            **(kept or {}),
            "updates": [number],
            "batchId": _batch_id(now),
            "window": window,
            "delta": delta,
            "source": flow[INTERNAL]["source"],
            "target": flow[INTERNAL]["target"],
            "transformations": flow["transformations"],
            "options": flow.get("options", {}),
        },
    }


def begin(run: Document, clock: Clock, *, number: int) -> None:
    """Move a run from ``scheduled`` to ``inProgress``."""
    run["metrics"]["statusSummary"] = {"status": "inProgress"}
    _touch(run, clock.now_ms(), number)


def finish(run: Document, outcome: Document, clock: Clock, shown: WindowShown, *, number: int) -> None:
    """Write into a run how it ended.

    :param outcome: ``status`` (success or failed), ``read``, ``accepted``, ``rejected``, ``warned`` (how many of the
        accepted rows lack an attribute that could not be computed), ``inputBytes``, ``outputBytes``,
        ``errors`` (code and message) and ``copied`` (whether the source was read to its end).
    """
    now = clock.now_ms()
    local = run[INTERNAL]
    started = run["metrics"]["durationSummary"]["startedAtUTC"]
    failed = outcome["status"] == "failed"
    written = 0 if failed else outcome["accepted"]
    run["metrics"] = {
        "durationSummary": {"startedAtUTC": started, "completedAtUTC": now},
        "sizeSummary": {"inputBytes": outcome["inputBytes"], "outputBytes": outcome["outputBytes"]},
        "recordSummary": {
            "inputRecordCount": outcome["read"],
            "outputRecordCount": written,
            "createdRecordCount": written,
            "updatedRecordCount": 0,
            "skippedRecordCount": 0,
            "failedRecordCount": outcome["rejected"],
            "deletedRecordCount": 0,
            **_warnings(outcome),
        },
        "fileSummary": {
            "inputFileCount": 1 if outcome["copied"] else 0,
            "outputFileCount": 0 if failed else 1,
            "activityRefs": [PROMOTION_ACTIVITY],
        },
        "statusSummary": {
            "status": outcome["status"],
            **({"errors": outcome["errors"]} if outcome["errors"] else {}),
            "activityRefs": [COPY_ACTIVITY, PROMOTION_ACTIVITY],
        },
    }
    run["activities"] = [_copy(run, outcome, now, shown)]
    if outcome["copied"]:
        run["activities"].append(_promotion(run, outcome, now))
    run[INTERNAL] = {key: local[key] for key in _KEPT if key in local}
    _touch(run, now, number)


def new_batch(run: Document, clock: Clock) -> Document:
    """The batch of a run that is being written."""
    now = clock.now_ms()
    return {
        "id": run[INTERNAL]["batchId"],
        "imsOrg": run.get("imsOrgId"),
        "created": now,
        "updated": now,
        "createdClient": run.get("createdClient"),
        "createdUser": run.get("createdBy"),
        "status": "loading",
        "version": "1.0.0",
        "relatedObjects": [{"type": "dataSet", "id": run[INTERNAL]["target"]["params"]["dataSetId"]}],
        "metrics": {},
        "errors": [],
    }


def finish_batch(batch: Document, outcome: Document, clock: Clock) -> None:
    """Write into a batch how it ended."""
    now = clock.now_ms()
    failed = outcome["status"] == "failed"
    batch["updated"] = batch["completed"] = now
    batch["version"] = "1.0.1"
    batch["status"] = "failed" if failed else "success"
    batch["metrics"] = {
        "startTime": batch["created"],
        "endTime": now,
        "inputRecordCount": outcome["read"],
        "outputRecordCount": 0 if failed else outcome["accepted"],
        "failedRecordCount": outcome["rejected"],
        "outputByteSize": outcome["outputBytes"],
    }
    batch["errors"] = [{"code": each["code"], "description": each["message"]} for each in outcome["errors"]]
    batch["errors"] += [
        {"code": each["code"], "description": each["message"], "recordCount": each["recordCount"]}
        for each in _row_errors(outcome)
    ]


def _metrics(status: str, now: int) -> Document:
    return {
        "durationSummary": {"startedAtUTC": now},
        "sizeSummary": {"inputBytes": -1, "outputBytes": -1},
        "recordSummary": {"inputRecordCount": 0, "outputRecordCount": 0, "failedRecordCount": 0},
        "fileSummary": {"inputFileCount": 0, "outputFileCount": 0},
        "statusSummary": {"status": status},
    }


def _copy(run: Document, outcome: Document, now: int, shown: WindowShown) -> Document:
    window = run[INTERNAL]["window"]
    extensions: Document = {}
    if shown != "none" and window["endMs"] is not None:
        extensions = {"extensions": {"windowStart": window["startMs"] or 0, "windowEnd": window["endMs"]}}
    status: Document = {"status": "success" if outcome["copied"] else "failed"}
    if not outcome["copied"]:
        status["errors"] = outcome["errors"]
    if run[INTERNAL]["delta"] is None:
        status["extensions"] = {"type": "one-time"}
    copied = outcome["read"] if outcome["copied"] else 0
    return {
        "id": COPY_ACTIVITY,
        "name": "Copy Activity",
        "updatedAtUTC": now,
        "durationSummary": {**_duration(run, now), **extensions},
        "latencySummary": {},
        "sizeSummary": {"inputBytes": outcome["inputBytes"], "outputBytes": outcome["inputBytes"]},
        "recordSummary": {"inputRecordCount": outcome["read"], "outputRecordCount": copied},
        "fileSummary": {"inputFileCount": 1 if outcome["copied"] else 0, "outputFileCount": 0},
        "statusSummary": status,
        "sourceInfo": [
            {
                "id": run[INTERNAL]["source"]["id"],
                "type": "SourceConnection",
                "reference": {"type": "AdfRunId", "ids": [run["id"]]},
            }
        ],
    }


def _promotion(run: Document, outcome: Document, now: int) -> Document:
    batch = run[INTERNAL]["batchId"]
    failed = outcome["status"] == "failed"
    extensions: Document = {}
    if outcome["rejected"]:
        extensions["errors"] = _row_errors(outcome)
        if outcome["diagnostics"]:
            extensions["manifest"] = {
                "failedRecords": _META.format(batch=batch, path="row_errors"),
                "sampleErrors": _META.format(batch=batch, path="row_error_samples.json"),
            }
    return {
        "id": PROMOTION_ACTIVITY,
        "name": "Promotion Activity",
        "updatedAtUTC": now,
        "durationSummary": _duration(run, now),
        "latencySummary": {},
        "sizeSummary": {"inputBytes": outcome["inputBytes"], "outputBytes": outcome["outputBytes"]},
        "recordSummary": {
            "inputRecordCount": outcome["read"],
            "outputRecordCount": 0 if failed else outcome["accepted"],
            "failedRecordCount": outcome["rejected"],
            **_warnings(outcome),
        },
        "fileSummary": {
            "inputFileCount": 1,
            "outputFileCount": 0 if failed else 1,
            "extensions": {"manifest": {"fileInfo": _META.format(batch=batch, path="input_files")}},
        },
        "statusSummary": {
            "status": outcome["status"],
            **({"errors": outcome["errors"]} if outcome["errors"] else {}),
            "extensions": extensions,
        },
        "targetInfo": [
            {
                "id": run[INTERNAL]["target"]["id"],
                "type": "TargetConnection",
                "reference": {"type": "Batch", "ids": [batch]},
            }
        ],
    }


def _warnings(outcome: Document) -> Document:
    return {"warningRecordCount": outcome["warned"]} if outcome["warned"] else {}


def _row_errors(outcome: Document) -> list[Document]:
    if not outcome["rejected"]:
        return []
    total: Document = {
        "code": ROWS_REJECTED,
        "recordCount": outcome["rejected"],
        "message": f"encountered {outcome['rejected']} errors in the data, "
        f"ingested {0 if outcome['status'] == 'failed' else outcome['accepted']} rows",
    }
    if outcome["diagnostics"]:
        return [total]
    hint = {
        "code": DIAGNOSTICS_OFF,
        "recordCount": outcome["rejected"],
        "message": "error diagnostics are not enabled, so rejected rows are not kept",
    }
    return [total, hint]


def _duration(run: Document, now: int) -> dict[str, Any]:
    return {"startedAtUTC": run["metrics"]["durationSummary"]["startedAtUTC"], "completedAtUTC": now}


def _touch(run: Document, now: int, number: int) -> None:
    run["updatedAt"] = now
    run["version"] = run["etag"] = etag(now)
    run[INTERNAL].setdefault("updates", []).append(number)


def _batch_id(now: int) -> str:
    """Like a ULID: upper case, sorted by time."""
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    moment = "".join(digits[(now >> shift) & 31] for shift in range(45, -5, -5))
    return moment + "".join(secrets.choice(digits) for _ in range(16))
