"""Starting a failed run again, once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepConfigError, AepDuplicateError, AepError
from aep_provider.resources import flow_service
from aep_provider.resources.ensure import Memory, NoMemory, Patience
from aep_provider.resources.run import COLLECTION, read_run, runs_of, window_of
from aep_provider.verdict import RunState, judge, milliseconds

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

log = logging.getLogger(__name__)

# Runs appear in listings two to three minutes late.
SETTLE_SECONDS = 300.0
# Clocks of AEP and of this machine may differ by so much.
CLOCK_SKEW_MS = 60_000


def retrigger(
    client: AepClient, run_id: str, *, memory: Memory | None = None, patience: Patience | None = None
) -> tuple[str, bool]:
    """
    Start a failed run again over the same window; return the id of the new run, and whether this call started it.

    The intent is remembered before the request leaves, and the new id right after. A call that finds an intent without an
    id looks for the run until a settling time has passed.

    :raises AepConfigError: the run neither failed nor read nothing (AEP would answer 1387).
    :raises AepDuplicateError: an earlier request may have started a run, and which one it was cannot be told.
    """
    memory, patience = memory or NoMemory(), patience or Patience(settle_seconds=SETTLE_SECONDS, look_every_seconds=10)
    note = memory.recall()
    if note and note.get("run") == run_id:
        if note.get("new"):
            log.info("Run %s was started again already, as %s", run_id, note["new"])
            return str(note["new"]), False
        found = _look(client, run_id, float(note["at"]), patience) if note.get("at") else None
        if found:
            memory.remember({**note, "new": found})
            return found, False
    _refuse_what_needs_none(read_run(client, run_id))
    for attempt in range(1, patience.attempts + 1):
        at = patience.now()
        memory.remember({"run": run_id, "at": at})
        try:
            answer = client.post(flow_service.path_of(COLLECTION, run_id, "action"), params={"op": "re-trigger"})
            made = flow_service.made_by(answer.body, "The answer to starting a run again")
            new: str | None = made["id"]
        except AepError as error:
            if not error.ambiguous:
                # Nothing was started, so the next try need not look for it.
                memory.remember({"run": run_id})
                raise
            log.warning("Starting run %s again had no clear answer, looking for the new run: %s", run_id, error)
            # The new run may appear so much later than the loss, which may itself have taken minutes to show.
            new = _look(client, run_id, at, patience, lost=patience.now())
            if new is None and attempt == patience.attempts:
                raise
        if new is not None:
            memory.remember({"run": run_id, "at": at, "new": new})
            return new, True
    raise AssertionError("the last attempt returns or raises")


def _refuse_what_needs_none(run: Mapping[str, Any]) -> None:
    verdict = judge(run)
    if verdict.state is RunState.FAILED or (verdict.state is RunState.SUCCEEDED and verdict.rows_read == 0):
        return
    raise AepConfigError(
        f"Run {verdict.run_id} {verdict.state}: only a failed run, or one that read no rows, can be started again (AEP would "
        "answer 1387)."
    )


def _look(client: AepClient, run_id: str, at: float, patience: Patience, lost: float | None = None) -> str | None:
    """
    Look for a run of the same flow and window that appeared since ``at`` (epoch seconds), until it is settled.

    :param lost: when it showed that the answer was lost, epoch seconds; by default ``at``.
    """
    original = read_run(client, run_id)
    flow_id, window = str(original.get("flowId")), window_of(original)
    deadline = (lost or at) + patience.settle_seconds
    while True:
        last = patience.now() >= deadline
        # The run that is done again may itself be but seconds old, and have failed twins that are older.
        since = max(int(at * 1000) - CLOCK_SKEW_MS, _made_at(original))
        later = [
            run
            for run in runs_of(client, flow_id)
            if run["id"] != run_id and _made_at(run) >= since and window_of(run) in (window, None)
        ]
        if later and all(window_of(run) == window for run in later) and window is not None:
            return str(min(later, key=lambda run: (_made_at(run), str(run["id"])))["id"])
        if later and last:
            raise AepDuplicateError(
                f"Whether run {run_id} was started again cannot be told: runs do not say their window, and "
                f"{', '.join(str(run['id']) for run in later)} came after. Look at them in AEP, and start the run again "
                "by hand if none of them is it."
            )
        if last:
            return None
        patience.sleep(min(patience.look_every_seconds, max(0.0, deadline - patience.now())))


def _made_at(run: Mapping[str, Any]) -> int:
    """Epoch milliseconds; 0 where the run does not tell."""
    return milliseconds(run.get("createdAt")) or 0
