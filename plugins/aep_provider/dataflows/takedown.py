"""Making room for a new flow: the old one is stopped and kept under another name, for its runs tell what was loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any

from aep_provider.errors import AepError, AepInvalidRequestError, AepPreconditionError, AepRunTimeoutError
from aep_provider.resources import flow, flow_service
from aep_provider.resources.ensure import Patience
from aep_provider.resources.flow_state import FlowState, set_state
from aep_provider.resources.resource import Document
from aep_provider.resources.run import runs_of
from aep_provider.resources.source_connection import SourceConnection
from aep_provider.resources.target_connection import TargetConnection
from aep_provider.verdict import judge

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

log = logging.getLogger(__name__)

_LOOKS_APART = 3
"""A run takes minutes, where other waits are for what takes seconds."""
_GIVES_WAY = " (airflow-aep gives way)"
_NO_DELTA_COLUMN_WITH_ONCE = 1369


def gives_way(description: object) -> bool:
    """Whether we were about to put another flow in the place of one: then nobody else disabled it."""
    return isinstance(description, str) and _GIVES_WAY in description


def take_down(
    client: AepClient,
    flows: Sequence[Document],
    connections: Sequence[Document],
    *,
    patience: Patience,
    timeout: float,
    progress: Callable[[str], None] | None = None,
    stop: Event | None = None,
) -> None:
    """
    Disable flows, wait for their runs, and rename them and their connections. Each of these may be done again.

    First is noted in a flow why it will be disabled, so that another attempt can tell that from an edit by hand. It is
    renamed last: as long as it bears its name, another attempt finds that there is something to replace.

    :param flows: the flow and its equals; none if it is gone or renamed already.
    :param connections: their source and target connections, as far as they are replaced.
    :param timeout: how long to wait for their runs, seconds.
    :param stop: once set, runs are waited for no longer.
    :raises AepRunTimeoutError: a run did not end in time; the flows are disabled then.
    """
    # Not shortened, however long the name is: by it the flow is found as one that loaded the dataset before.
    suffix = f" (replaced {datetime.fromtimestamp(patience.now(), UTC):%Y-%m-%d %H:%M:%S}Z)"
    for old in flows:
        if not gives_way(old.get("description")):
            noted = f"{old.get('description') or ''}{_GIVES_WAY}"
            _set(client, flow.COLLECTION, old, field="description", value=noted, patience=patience)
        set_state(client, str(old["id"]), FlowState.DISABLED)
    for old in flows:
        await_runs(client, old, patience=patience, timeout=timeout, progress=progress, stop=stop)
    for document in connections:
        kind = SourceConnection if "baseConnectionId" in document else TargetConnection
        _set(client, kind.collection, document, field="name", value=f"{document['name']}{suffix}", patience=patience)
    for old in flows:
        here = flow_service.read(client, flow.COLLECTION, str(old["id"]))
        _set(client, flow.COLLECTION, here, field="name", value=f"{old['name']}{suffix}", patience=patience)
        log.info("The flow %r (%s) was disabled and renamed", old.get("name"), old["id"])


def stays(client: AepClient, flow_id: str, *, patience: Patience) -> None:
    """Take back the note that a flow gives way, once it is wanted after all."""
    here = flow_service.read(client, flow.COLLECTION, flow_id)
    if gives_way(here.get("description")):
        without = here["description"].replace(_GIVES_WAY, "")
        _set(client, flow.COLLECTION, here, field="description", value=without, patience=patience)


def await_runs(
    client: AepClient,
    old: Document,
    *,
    patience: Patience,
    timeout: float,
    progress: Callable[[str], None] | None = None,
    stop: Event | None = None,
    becomes: str = "replaced",
) -> None:
    """
    Wait for the runs of a flow that is disabled.

    :param becomes: what becomes of it then.
    :raises AepRunTimeoutError: a run did not end in time.
    """
    deadline = patience.now() + timeout
    while going_on := [run for run in runs_of(client, str(old["id"])) if not judge(run).state.has_ended]:
        if patience.now() >= deadline or (stop and stop.is_set()):
            raise AepRunTimeoutError(
                f"The flow {str(old.get('name'))!r} ({old['id']}) is disabled and to be {becomes}, but its run "
                f"{going_on[0].get('id')} has not ended. Do it again when it has."
            )
        if progress:
            progress(f"waits for {len(going_on)} runs of the flow {old.get('name')} that is {becomes}")
        patience.sleep(_LOOKS_APART * patience.look_every_seconds)


def _set(client: AepClient, collection: str, document: Document, *, field: str, value: str, patience: Patience) -> None:
    here: dict[str, Any] = dict(document)
    forgets_delta = False
    for left in reversed(range(patience.attempts)):
        operations = [{"op": "add" if here.get(field) is None else "replace", "path": f"/{field}", "value": value}]
        if forgets_delta:
            operations += _without_delta(here)
        try:
            flow_service.patch(client, collection, str(here["id"]), here.get("etag"), operations)
        except AepInvalidRequestError as error:
            # AEP may let nothing of a flow be changed that loads once and holds the delta column of its first posted run.
            if error.number != _NO_DELTA_COLUMN_WITH_ONCE or forgets_delta or not left:
                raise
            forgets_delta = True
        except AepError as error:
            # Edited meanwhile, or done although the answer never came.
            if not (error.ambiguous or isinstance(error, AepPreconditionError)) or not left:
                raise
        else:
            return
        here = flow_service.read(client, collection, str(document["id"]))
        if here.get(field) == value:
            return


def _without_delta(document: Document) -> list[dict[str, Any]]:
    """Its runs bring the delta column again, and one that is replaced has none any more."""
    parts = enumerate(document.get("transformations") or [])
    return [
        {"op": "remove", "path": f"/transformations/{index}"} for index, part in parts if part.get("name") == "Copy"
    ]
