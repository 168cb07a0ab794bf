"""Two flows of one name that were made at the same moment, by two who did not see each other."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aep_provider.errors import AepError, AepInvalidRequestError, AepNotFoundError
from aep_provider.resources import flow, flow_service
from aep_provider.resources.ensure import Patience
from aep_provider.resources.lifecycle import delete_flow
from aep_provider.resources.resource import Document
from aep_provider.resources.run import runs_of

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

log = logging.getLogger(__name__)


def beside(client: AepClient, made: str, others: Sequence[Document], *, patience: Patience) -> str | None:
    """
    Let the oldest of some equal flows stay; return why ours cannot be used, None if it is the one that stays.

    Whoever was not the first deletes theirs, unless it has had a run: then its rows are there, and somebody has to decide.

    :param made: the id of ours, just made.
    :param others: those that were made somewhere else.
    """
    ours = flow_service.read(client, flow.COLLECTION, made)
    first = min([ours, *others], key=_age)
    if first is ours:
        staying = _still_there(client, others, patience)
        return staying and _twice(ours, staying)
    if any(runs_of(client, made)):
        return _twice(ours, str(first["id"]))
    try:
        _delete(client, made, patience)
    except AepError as error:
        log.warning("The flow %s was made in vain, and is still there: %s", made, error)
        return _twice(ours, str(first["id"]))
    return (
        f"The flow {str(ours.get('name'))!r} ({first['id']}) was made somewhere else at the same time, and first: ours ({made}) "
        "was deleted again. The next try finds that one."
    )


def _age(document: Document) -> tuple[int, str]:
    created = document.get("createdAt")
    return created if isinstance(created, int) else 0, str(document["id"])


def _still_there(client: AepClient, others: Sequence[Document], patience: Patience) -> str | None:
    """Wait until the others have given way; the id of one that does not."""
    deadline = patience.now() + patience.settle_seconds
    for other in others:
        while True:
            try:
                flow_service.read(client, flow.COLLECTION, str(other["id"]))
            except AepNotFoundError:
                break
            if patience.now() >= deadline:
                return str(other["id"])
            patience.sleep(patience.look_every_seconds)
    return None


def _delete(client: AepClient, flow_id: str, patience: Patience) -> None:
    """A flow that was just made cannot be deleted yet."""
    deadline = patience.now() + patience.settle_seconds
    while True:
        try:
            delete_flow(client, flow_id)
        except AepInvalidRequestError:
            if patience.now() >= deadline:
                raise
            patience.sleep(patience.look_every_seconds)
        else:
            log.info("The flow %s was deleted again: an equal one is older", flow_id)
            return


def _twice(ours: Document, other: str) -> str:
    return (
        f"The flow {str(ours.get('name'))!r} was made here ({ours['id']}) and, at the same time, somewhere else ({other}): rows "
        "would come twice. Delete one of the two in AEP, with its source and target connection, then plan again."
    )
