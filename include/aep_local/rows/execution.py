"""What a run does: read the window, map and check every row, write the batch, count truthfully, and commit.

A commit has three steps, each safe to be killed after: the outcome is written to the run once the batch's file is durable
but still aside; the file is put into the dataset; run, batch and flow say how it ended. A run found with an outcome goes
on from there, one without starts again from the source, under the same batch.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from aep_local.core.accounts import Accounts
from aep_local.core.clock import Clock
from aep_local.core.credentials import accepted
from aep_local.core.documents import INTERNAL
from aep_local.core.holdings import BATCHES, dataset, normal_mappings
from aep_local.core.settings import Settings
from aep_local.core.store import Document, Scope, Store
from aep_local.rows import run_documents
from aep_local.rows.landing import Landing, RowErrors
from aep_local.rows.tables import TableError, TableFolder
from aep_local.xdm import fields as xdm
from aep_local.xdm.mapping import Mapper, Rejection

_log = logging.getLogger(__name__)
_UTC = frozenset({"", "UTC", "GMT", "Z", "ETC/UTC", "NONE"})


class Stopped(Exception):
    """The platform shuts down; the run goes on after the next start."""


class _Failed(Exception):
    def __init__(self, code: str, message: str, *, copied: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.copied = copied


class Execution:
    """Executes runs; one instance serves several threads.

    :param stopping: set when the platform shuts down.
    """

    def __init__(  # noqa: PLR0917 - the parts that a run touches
        self,
        store: Store,
        tables: TableFolder,
        landing: Landing,
        accounts: Accounts,
        clock: Clock,
        settings: Settings,
        stopping: threading.Event,
    ) -> None:
        self._store = store
        self._tables = tables
        self._landing = landing
        self._accounts = accounts
        self._clock = clock
        self._settings = settings
        self._stopping = stopping

    def execute(self, run_id: str, scope: Scope) -> None:
        """Bring a run to its end, from wherever it was left.

        :raises Stopped: the platform shuts down.
        """
        run = self._store.get("runs", run_id, scope)
        if run is None or run["metrics"]["statusSummary"]["status"] != "inProgress":
            return
        local = run[INTERNAL]
        batch_id, dataset_id = local["batchId"], local["target"]["params"]["dataSetId"]
        outcome = local.get("outcome")
        if outcome is None:
            self._open_batch(run, scope)
            outcome = self._outcome(run, scope)
            local["outcome"] = outcome
            self._store.put("runs", run_id, scope, run)
        if outcome["status"] == "success":
            try:
                self._landing.publish(dataset_id, batch_id)
            except FileNotFoundError:
                # somebody removed the staged file: nothing has landed, so begin again
                del local["outcome"]
                self._store.put("runs", run_id, scope, run)
                self.execute(run_id, scope)
                return
        else:
            self._landing.withdraw(dataset_id, batch_id)
        self._close(run, scope, outcome)

    def _open_batch(self, run: Document, scope: Scope) -> None:
        batch = run_documents.new_batch(run, self._clock)
        with self._store.transaction():
            if self._store.get(BATCHES, batch["id"], scope) is None:
                dataset_id = run[INTERNAL]["target"]["params"]["dataSetId"]
                self._store.insert(BATCHES, batch["id"], scope, batch, ref=dataset_id)

    def _close(self, run: Document, scope: Scope, outcome: Document) -> None:
        batch_id, dataset_id = run[INTERNAL]["batchId"], run[INTERNAL]["target"]["params"]["dataSetId"]
        with self._store.transaction():
            if outcome["status"] == "success" and dataset(self._store, scope, dataset_id) is None:
                outcome = _failure(outcome, run_documents.BATCH_FAILED, "the dataset does not exist any more")
                self._landing.drop(dataset_id)
            shown, number = self._settings.assume.run_window_in_document, self._store.next_number()
            run_documents.finish(run, outcome, self._clock, shown, number=number)
            self._store.put("runs", run["id"], scope, run, due_ms=None)
            batch = self._store.get(BATCHES, batch_id, scope)
            if batch is not None:
                run_documents.finish_batch(batch, outcome, self._clock)
                self._store.put(BATCHES, batch_id, scope, batch)
            flow = self._store.get("flows", run["flowId"], scope)
            if flow is not None:
                flow["lastRunDetails"] = {
                    "id": run["id"],
                    "state": outcome["status"],
                    **run["metrics"]["durationSummary"],
                }
                self._store.put("flows", flow["id"], scope, flow)

    def _outcome(self, run: Document, scope: Scope) -> Document:
        outcome: Document = {
            "status": "success",
            "read": 0,
            "accepted": 0,
            "rejected": 0,
            "warned": 0,
            "inputBytes": -1,
            "outputBytes": 0,
            "errors": [],
            "copied": True,
            "diagnostics": run[INTERNAL]["options"].get("errorDiagnosticsEnabled") is True,
        }
        try:
            mapper, table = self._prepared(run, scope)
            outcome["inputBytes"] = self._tables.size(table)
            self._copy(run, mapper, table, outcome)
        except _Failed as error:
            return {**_failure(outcome, error.code, str(error)), "copied": error.copied}
        except KeyError:
            return {**_failure(outcome, run_documents.COPY_FAILED, "the source has no such table"), "copied": False}
        except (TableError, FileNotFoundError) as error:
            reason = str(error) if isinstance(error, TableError) else "the source has no such table"
            return {**_failure(outcome, run_documents.COPY_FAILED, reason), "copied": False}
        except Stopped:
            raise
        except Exception:
            _log.exception("run %s failed unexpectedly", run["id"])
            return _failure(outcome, run_documents.PROCESSING_FAILED, "the rows could not be processed")
        return outcome

    def _prepared(self, run: Document, scope: Scope) -> tuple[Mapper, str]:
        """The mapper and the table of a run; everything that can be wrong before the first row is found here."""
        local = run[INTERNAL]
        base = self._store.get("connections", local["source"].get("baseConnectionId", ""), scope)
        if base is None or not accepted(self._accounts, base):
            raise _Failed(run_documents.COPY_FAILED, "the source refused the connection: its credentials are not right")
        table = local["source"]["params"]["tableName"]
        columns = [column["name"] for column in local["source"]["params"].get("columns", [])]
        if not columns:
            columns = [column["name"] for column in self._tables.columns(table)]
        target = dataset(self._store, scope, local["target"]["params"]["dataSetId"])
        if target is None:
            raise _Failed(run_documents.BATCH_FAILED, "the dataset does not exist any more", copied=True)
        params: Document = next((each["params"] for each in local["transformations"] if each["name"] == "Mapping"), {})
        version = params.get("mappingVersion")
        content = normal_mappings(
            self._store, scope, params.get("mappingId", ""), None if version is None else int(version)
        )
        if content is None:
            raise _Failed(run_documents.PROCESSING_FAILED, "the mapping set does not exist any more", copied=True)
        try:
            root = xdm.fields(self._store, scope, content["schemaRef"]["id"])
            if root is None:
                raise _Failed(run_documents.PROCESSING_FAILED, "the schema does not exist any more", copied=True)
            return Mapper(content["mappings"], root, columns), table
        except ValueError as error:
            raise _Failed(run_documents.PROCESSING_FAILED, str(error), copied=True) from None

    def _copy(self, run: Document, mapper: Mapper, table: str, outcome: Document) -> None:
        local = run[INTERNAL]
        window, delta = local["window"], local["delta"]
        if delta and str(delta.get("timezone", "UTC")).upper() not in _UTC:
            raise _Failed(run_documents.COPY_FAILED, "the delta column's timezone is not served here, only UTC is")
        # a table with only static mappings is still as long as it is
        columns = mapper.columns or [self._tables.columns(table)[0]["name"]]
        rows = self._tables.read(
            table,
            columns,
            delta["name"] if delta else None,
            window["startMs"],
            window["endMs"],
            window["includeNull"],
            date_format=delta.get("dateFormat") if delta else None,
            edges=window["edges"],
        )
        errors = RowErrors(self._landing.row_errors(local["batchId"])) if outcome["diagnostics"] else None
        with self._landing.write(local["batchId"], mapper.landing) as writer:
            if errors is None:
                self._convert(rows, mapper, outcome, writer.add, lambda *_: None)
            else:
                with errors:
                    self._convert(rows, mapper, outcome, writer.add, errors.add)
            percent = local["options"].get("partialIngestionPercent")
            if _too_many(outcome["rejected"], outcome["read"], percent):
                failure = _failure(outcome, run_documents.PROCESSING_FAILED, _rejected(outcome, percent))
                outcome.update(failure)
                return
            if outcome["rejected"]:
                outcome["errors"] = [{"code": run_documents.PROCESSING_FAILED, "message": _rejected(outcome, percent)}]
            outcome["outputBytes"] = writer.finish()

    def _convert(
        self,
        rows: Any,
        mapper: Mapper,
        outcome: Document,
        accept: Callable[[dict[str, Any]], None],
        reject: Callable[[int, dict[str, Any], Rejection], None],
    ) -> None:
        number = rejected = with_warnings = 0
        warned: list[xdm.Invalid] | None = None
        if self._settings.assume.failed_transformation == "null_with_warning":
            warned = []
        for number, row in enumerate(rows, 1):
            if number % 1000 == 0 and self._stopping.is_set():
                raise Stopped
            result = mapper.row(row, warned)
            if isinstance(result, Rejection):
                rejected += 1
                reject(number, row, result)
            else:
                with_warnings += bool(warned)
                accept(result)
            if warned:
                warned.clear()
        outcome["read"], outcome["rejected"], outcome["accepted"] = number, rejected, number - rejected
        outcome["warned"] = with_warnings


def _too_many(rejected: int, read: int, percent: float | None) -> bool:
    """Without a threshold no row may be rejected; with one, the share must stay below it."""
    return rejected > 0 and (percent is None or rejected * 100 >= percent * read)


def _rejected(outcome: Document, percent: float | None) -> str:
    threshold = "no threshold is set" if percent is None else f"the threshold is {percent} percent"
    return f"{outcome['rejected']} of {outcome['read']} rows were rejected; {threshold}"


def _failure(outcome: Document, code: str, message: str) -> Document:
    return {**outcome, "status": "failed", "outputBytes": 0, "errors": [{"code": code, "message": message}]}
