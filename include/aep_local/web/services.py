"""What every part of the platform shares, and how a part joins the server.

A part is a module with a ``router`` whose paths are complete, for example::

    router = APIRouter()

    @router.get("/data/foundation/catalog/dataSets/{id}")
    def look_up(id: str, caller: CallerDep, services: ServicesDep) -> Any:
        caller.require("datasets", "read")
        return services.store.get("dataSets", id, caller.scope)

    @router.post("/data/foundation/catalog/dataSets", status_code=201)
    def create(body: JsonBody, caller: CallerDep, services: ServicesDep) -> Any: ...

``CallerDep`` and ``JsonBody`` are in :mod:`aep_local.web.gateway`, which answers first whatever the body is. Paths are
given without a trailing slash: the server takes it off before it looks for a route. Functions are plain ``def``: the
server runs each in a thread. An error is a raised :class:`aep_local.core.problems.Problem`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request

if TYPE_CHECKING:
    from aep_local.core.accounts import Accounts
    from aep_local.core.clock import Clock
    from aep_local.core.settings import Settings
    from aep_local.core.specs import Specs
    from aep_local.core.store import Store
    from aep_local.rows.engine import Engine
    from aep_local.rows.tables import TableFolder


@dataclass(frozen=True)
class Services:
    """What a request handler works with; one for the life of a server, found at ``app.state.services``.

    :param echoed: the secrets of base connections in clear, by the connection's id; filled only where a switch says that
        answers show them, and never written anywhere.
    """

    store: Store
    tables: TableFolder
    clock: Clock
    settings: Settings
    accounts: Accounts
    engine: Engine
    specs: Specs
    echoed: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)


def services_of(request: Request) -> Services:
    """The services of the server that answers, or those that only this request has (a FastAPI dependency)."""
    services: Services = getattr(request.state, "services", None) or request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]
