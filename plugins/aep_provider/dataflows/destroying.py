"""Carrying out a take-down: what is gone already is no error, so it can be done again from any point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from aep_provider.dataflows.destroy import Doomed, Kind
from aep_provider.dataflows.progress import Progress, Stage
from aep_provider.dataflows.takedown import await_runs
from aep_provider.errors import AepError, AepInvalidRequestError, AepNotFoundError
from aep_provider.platform.services import SCHEMA_REGISTRY
from aep_provider.resources import dataset, flow_service
from aep_provider.resources.dataset import Dataset
from aep_provider.resources.ensure import Patience
from aep_provider.resources.flow import Flow
from aep_provider.resources.flow_service import FlowServiceResource
from aep_provider.resources.flow_state import FlowState, set_state, state_of
from aep_provider.resources.schema import DerivedFieldGroup, Schema

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

_IN_USE: Final = 1418


def carry_out(
    client: AepClient,
    goes: Sequence[Doomed],
    *,
    patience: Patience,
    timeout: float,
    progress: Callable[[str], None] | None = None,
    how_far: Progress | None = None,
) -> None:
    """
    Disable flows and wait for their runs, then delete everything, in the order given.

    :param timeout: how long to wait for the runs of a flow, seconds.
    :param progress: told of each step that is done, with the words for it.
    :param how_far: told how many objects are gone, and what is being done.
    :raises AepRunTimeoutError: a run did not end in time; its flow is disabled then.
    """
    tell = progress or (lambda _: None)
    stage = Stage(how_far, "objects deleted", len(goes))
    flows = [one for one in goes if one.kind is Flow]
    for one in flows:
        stage.begins(f"disabling the flow {one.name}")
        _rest(client, one, patience)
    for one in flows:
        stage.begins(f"waiting for the runs of the flow {one.name}")
        await_runs(
            client,
            {"id": one.id, "name": one.name},
            patience=patience,
            timeout=timeout,
            progress=tell,
            becomes="deleted",
        )
    for one in goes:
        stage.begins(f"{one.kind.kind} {one.name}")
        gone = not _delete(client, one, patience)
        stage.ends(f"{one.kind.kind} {one.name}")
        tell(f"{'gone already: ' if gone else 'deleted '}the {one.kind.kind} {one.name} ({one.id})")


def path_of(kind: Kind, object_id: str) -> str:
    """Return the path at which AEP deletes an object."""
    if issubclass(kind, FlowServiceResource):
        return flow_service.path_of(kind.collection, object_id)
    if issubclass(kind, Schema | DerivedFieldGroup):
        return f"{SCHEMA_REGISTRY}/{kind.collection}/{quote(object_id, safe='')}"
    if kind is Dataset:
        return f"{dataset.COLLECTION}/{quote(object_id, safe='')}"
    raise NotImplementedError(kind.kind)


def _rest(client: AepClient, one: Doomed, patience: Patience) -> None:
    """A flow that was just made can be neither disabled nor deleted."""
    deadline = patience.now() + patience.settle_seconds
    try:
        while (state := state_of(client, one.id)) not in (FlowState.ENABLED, FlowState.DISABLED, None):
            if patience.now() >= deadline:
                raise AepError(f"The flow {one.name!r} ({one.id}) is still {state}. Do it again when it is enabled.")
            patience.sleep(patience.look_every_seconds)
        set_state(client, one.id, FlowState.DISABLED)
    except AepNotFoundError:
        return


def _delete(client: AepClient, one: Doomed, patience: Patience) -> bool:
    """Whether it was still there. What used it may be going still."""
    deadline = patience.now() + patience.settle_seconds
    while True:
        try:
            client.delete(path_of(one.kind, one.id))
        except AepNotFoundError:
            return False
        except AepInvalidRequestError as error:
            if error.number != _IN_USE or patience.now() >= deadline:
                raise
        else:
            return True
        patience.sleep(patience.look_every_seconds)
