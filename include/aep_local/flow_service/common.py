"""What base, source and target connections have in common: how they are changed, and that a flow keeps them."""

from __future__ import annotations

from fastapi import Request

from aep_local.core.problems import flow_service
from aep_local.core.store import Document
from aep_local.flow_service import names
from aep_local.web import documents, patching
from aep_local.web.gateway import Caller
from aep_local.web.services import Services


def patched(
    request: Request, body: object, caller: Caller, services: Services, *, kind: str, id: str, more: tuple[str, ...]
) -> tuple[Document, Document]:
    """A connection as it is, and as a patch makes it, with a name and a description that it may have.

    To be called in the transaction that writes it.

    :param more: the fields that may be changed beside name and description.
    :raises Problem: what is not there, has another etag, or must not be changed so.
    """
    doc = documents.found(services, caller, kind, id)
    patching.check_version(request, doc, kind)
    refused = {"connectionSpec": flow_service(1414, 400, "connectionSpec of a connection cannot be changed")}
    changed = patching.patched(doc, body, ("name", "description", *more), refused)
    names.refuse_taken(services, caller, kind, {"name": documents.text(changed, "name")}, but=id)
    documents.optional_text(changed, "description")
    return doc, changed


def refuse_if_used(services: Services, caller: Caller, kind: str, field: str, id: str) -> None:
    """Refuse to remove a connection that a flow names.

    :raises Problem: FLOW-1418-400.
    """
    if any(id in flow[field] for flow in services.store.all("flows", caller.scope)):
        raise flow_service(1418, 400, f"{kind} {id} is used by a flow", id=id, kind=kind)
