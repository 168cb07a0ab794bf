"""Watching the flows of a sandbox: what is new is told once, to the log, to notifiers, to assets and as a table."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepConfigError
from aep_provider.operators.base import AepBaseOperator, publish
from aep_provider.operators.ledger import assets_of, ledger_of
from aep_provider.operators.rendered import listed, number
from aep_provider.operators.run_outcome import tell_assets, tolerance_of
from aep_provider.resources.run_history import Ledger, NoLedger

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier, Context

    from aep_provider.hooks.aep import AepHook
    from aep_provider.resources.flow_watch import WatchRequest
    from aep_provider.resources.watch_findings import Watched
    from aep_provider.resources.watch_memory import WatchMemory

CONTEXT_FINDINGS = "aep_watch"
CONTEXT_MESSAGE = "aep_message"


class AepWatchFlowRunsOperator(AepBaseOperator):
    """
    Tell what is new of all flows of a sandbox, or of some: failed runs by cause, and flows that did not run when they should
    have, are disabled, or run late.

    Failed runs over one base connection with one code are one cause, however many flows they are of. A state that lasts is
    told when it is first seen, and stands in the table for as long as it lasts.

    :param flows: names of the flows; None (or an empty list) watches all of the sandbox.
    :param lookback: seconds that the first look goes back.
    :param grace: seconds that a run may take to appear after it was due.
    :param late_after: seconds that a run may go on; AEP's own delay alert takes as many.
    :param max_rejected_rows: how many rejected rows are borne in a run.
    :param max_rejected_percent: which share of the rows read. A run within either bound is not told.
    :param accept_empty: whether a run that read no row is well.
    :param accept_partial: whether a partial success is well, however many rows were rejected.
    :param notifiers: called when something is new, each with the task's context and two more keys: ``aep_message``, the
        text, and ``aep_watch``, a mapping of the same form as an asset event's with ``rows`` besides. Their templates may
        use both.

    *Idempotency*: creates nothing. How far the watch has come is remembered in the state of the task's asset outlet
    (:func:`~aep_provider.dag_factory.watch_asset`), after everybody was told: so nothing is missed, however long nobody
    watched, and a retry tells nothing twice. If a notifier fails the others are still called, then the task fails, and the
    next try tells all of them again; so does one after a kill between telling and remembering. Without an outlet each look
    is a first one. Another set of names is another watch.

    *XCom*: ``return_value`` is the table, a list of rows with ``kind``, ``flow``, ``flow_id``, ``run_ids``, ``cause``,
    ``code``, ``message``, ``since`` (ISO 8601, UTC), ``count`` and ``new``; ``message`` (empty if nothing is new); ``failed``
    (runs), ``causes``, ``missed`` and ``disabled`` (flows) and ``late`` (runs): how much of each is new; ``requests``.

    *Asset events*: Airflow writes one for each success; its extra holds these counts, ``message``, ``headline`` and
    ``sandbox``, so that who listens knows whether anything is new.

    :raises AirflowFailException: there is no flow of a name, or AEP does not let us in.
    """

    template_fields: Sequence[str] = (
        *AepBaseOperator.template_fields,
        "flows",
        "lookback",
        "grace",
        "late_after",
        "max_rejected_rows",
        "max_rejected_percent",
        "accept_empty",
        "accept_partial",
    )

    def __init__(
        self,
        *,
        flows: Sequence[str] | str | None = None,
        lookback: Any = 86_400,
        grace: Any = 1_800,
        late_after: Any = 9_000,
        max_rejected_rows: Any = 0,
        max_rejected_percent: Any = 0,
        accept_empty: Any = True,
        accept_partial: Any = False,
        notifiers: Sequence[BaseNotifier] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.flows = flows
        self.lookback = lookback
        self.grace = grace
        self.late_after = late_after
        self.max_rejected_rows = max_rejected_rows
        self.max_rejected_percent = max_rejected_percent
        self.accept_empty = accept_empty
        self.accept_partial = accept_partial
        self.notifiers = notifiers

    def run_step(self, context: Context, hook: AepHook) -> list[dict[str, Any]]:
        # A parse of a DAG file need not wait for it.
        from aep_provider.resources.flow_watch import watch  # noqa: PLC0415
        from aep_provider.resources.watch_words import counts, headline, message, table  # noqa: PLC0415

        request, sandbox, ledger = self._request(), hook.settings.sandbox, ledger_of(context, self)
        key = _key(sandbox, request)
        watched = watch(hook.client, request, self._recalled(ledger, key), now=time.time())
        rows = table(watched)
        told = {
            **counts(watched),
            "message": message(watched, sandbox),
            "headline": headline(watched, sandbox),
            "sandbox": sandbox,
        }
        self._log(watched, told, rows)
        if watched.is_news:
            self._notify(context, {**told, "rows": rows})
        publish(context, **{name: told[name] for name in (*counts(watched), "message")})
        tell_assets(context, assets_of(self.outlets), told)
        ledger.set(key, watched.memory.as_json())
        return rows

    def _request(self) -> WatchRequest:
        from aep_provider.resources.flow_watch import WatchRequest  # noqa: PLC0415

        return WatchRequest(
            flows=tuple(str(name) for name in listed(self.flows, "flows") or ()),
            lookback=_seconds(self.lookback, "lookback"),
            grace=_seconds(self.grace, "grace"),
            late_after=_seconds(self.late_after, "late_after"),
            tolerance=tolerance_of(self),
        )

    def _recalled(self, ledger: Ledger, key: str) -> WatchMemory | None:
        if isinstance(ledger, NoLedger):
            self.log.warning(
                "The task has no asset as an outlet, so it cannot remember what it told: it looks back over the last %s "
                "seconds each time. Give it outlets=[watch_asset(sandbox)]",
                self.lookback,
            )
            return None
        from aep_provider.resources.watch_memory import WatchMemory  # noqa: PLC0415

        try:
            return WatchMemory.from_json(ledger.get(key))
        except ValueError as error:
            self.log.warning("The watch begins anew, for %s", error)
            return None

    def _log(self, watched: Watched, told: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        from aep_provider.resources.watch_findings import Kind  # noqa: PLC0415
        from aep_provider.resources.watch_words import MOST_ROWS  # noqa: PLC0415

        for line in told["message"].splitlines():
            self.log.warning("%s", line)
        if not watched.is_news:
            self.log.info("Nothing is new in sandbox %s", told["sandbox"])
        standing = {kind: sum(each.kind is kind for each in watched.findings) for kind in Kind}
        self.log.info(
            "Flows looked at: %d, runs: %d. What stands, new or not: %s",
            watched.flows_seen,
            watched.runs_seen,
            ", ".join(f"{count} {kind}" for kind, count in standing.items()),
        )
        if len(rows) == MOST_ROWS:
            self.log.warning("The table is cut after %d rows; the counts are whole", MOST_ROWS)

    def _notify(self, context: Context, told: dict[str, Any]) -> None:
        failed: Exception | None = None
        for notifier in self.notifiers or ():
            # Notifiers render their templates in place, and add their fields to the context.
            further: Any = {**context, CONTEXT_MESSAGE: told["message"], CONTEXT_FINDINGS: told}
            try:
                copy.copy(notifier)(further)
            except Exception as error:
                self.log.exception("%s could not tell what is new", type(notifier).__name__)
                failed = failed or error
        if failed:
            raise failed


def _key(sandbox: str, request: WatchRequest) -> str:
    names = json.dumps(sorted(set(request.flows))).encode()
    return f"aep_watch:{sandbox}:{hashlib.sha256(names).hexdigest()[:16] if request.flows else 'all'}"


def _seconds(value: Any, what: str) -> float:
    seconds = number(value, what)
    if seconds < 0:
        raise AepConfigError(f"{what} is {value!r}, but must not be negative.")
    return seconds
