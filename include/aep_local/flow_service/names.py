"""Names of objects; whether two may be equal is a switch."""

from __future__ import annotations

from aep_local.core.problems import flow_service
from aep_local.core.store import Document
from aep_local.web.gateway import Caller
from aep_local.web.services import Services

_TAKEN = 4090
"""No code for this is published; a client can only go by the status."""


def refuse_taken(services: Services, caller: Caller, kind: str, named: Document, *, but: str | None = None) -> None:
    """Refuse the name of another object of its kind in the sandbox, where the settings say so.

    :param named: something with a ``name``; without one nothing is refused.
    :param but: the id of the object that the name is for, when it is there already.
    :raises Problem: 409.
    """
    name = named.get("name")
    if name is None or services.settings.assume.duplicate_names == "allowed":
        return
    for doc in services.store.all(kind, caller.scope):
        if doc.get("name") == name and doc["id"] != but:
            detail = f"an object with the name {name[:100]} exists already in {kind}"
            raise flow_service(_TAKEN, 409, detail, id=doc["id"], kind=kind)
