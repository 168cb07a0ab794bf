"""The gateway before every service: token, API key, organisation, sandbox, and what the caller may do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from aep_local.core.accounts import Permissions, Right, Service, sandbox_id
from aep_local.core.problems import Problem, flow_service, gateway, generic
from aep_local.core.store import Scope
from aep_local.web import ims
from aep_local.web.bodies import FLOW_SERVICE, read_json
from aep_local.web.services import Services, ServicesDep

_NAMES: dict[Service, str] = {
    "sources": "Enterprise Source",
    "schemas": "Schemas",
    "datasets": "Datasets",
    "mappings": "Mapping Sets",
}


@dataclass(frozen=True)
class Caller:
    """Who asks, and where.

    :param scope: organisation and sandbox; documents are found and kept only there.
    :param client_id: the API key.
    :param user: as written to ``createdBy``.
    :param sandbox_id: the sandbox's uuid.
    :param tenant: the organisation's tenant id, without underscore.
    """

    scope: Scope
    client_id: str
    user: str
    sandbox_id: str
    tenant: str
    permissions: Permissions
    flow_service: bool

    def require(self, resource: Service, right: Right) -> None:
        """Refuse a caller without a permission.

        :raises Problem: 403, for Flow Service as FLOW-2120.
        """
        if self.permissions.allows(resource, right, self.scope.sandbox):
            return
        action = "manage" if right == "write" else "view"
        detail = f"{action} denied on {_NAMES[resource]}"
        raise flow_service(2120, 403, detail) if self.flow_service else generic(403, "Forbidden", detail)


def authorised(request: Request, services: ServicesDep) -> Caller:
    """Let a request through to a service, or answer as the gateway does (a FastAPI dependency)."""
    headers = request.headers
    scheme, _, token = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise gateway("403010", "Oauth token is missing.")
    api_key = headers.get("x-api-key", "")
    if not api_key:
        raise gateway("403000", "Api Key is required")
    org = headers.get("x-gw-ims-org-id")
    if org is None:
        raise gateway("400003", "Missing mandatory header: x-gw-ims-org-id")
    client_id = ims.client_of(services, token.strip())
    if client_id is None:
        raise gateway("401013", "Oauth token is not valid")
    if client_id != api_key:
        raise gateway("403003", "Api Key is invalid")
    return _inside(request, services, client_id, org)


def _inside(request: Request, services: Services, client_id: str, org: str) -> Caller:
    accounts = services.accounts
    in_flow_service = request.url.path.startswith(FLOW_SERVICE)

    def refuse(code: int, status: int, title: str, detail: str) -> Problem:
        return flow_service(code, status, detail) if in_flow_service else generic(status, title, detail)

    if not org.strip():
        raise refuse(2001, 401, "Unauthorized", "x-gw-ims-org-id header is empty")
    if not accounts.may_enter(client_id, org):
        raise refuse(2000, 401, "Unauthorized", "the token has no access to the organization")
    if "x-sandbox-id" in request.headers:
        raise refuse(2110, 400, "Bad Request", "x-sandbox-id header is not allowed with this token")
    sandbox = request.headers.get("x-sandbox-name", "")
    if not sandbox:
        raise refuse(2105, 400, "Bad Request", "x-sandbox-name header is missing")
    if sandbox == "*":
        raise refuse(2111, 403, "Forbidden", "the wildcard sandbox is restricted with this token")
    if sandbox not in accounts.sandboxes(org):
        raise refuse(2100, 404, "Not Found", f"sandbox {sandbox[:100]} not found")
    permissions = accounts.permissions(client_id)
    if not permissions.opens(sandbox):
        raise refuse(2121, 403, "Forbidden", f"access denied on sandbox {sandbox}")
    user = hashlib.sha256(client_id.encode()).hexdigest()[:24].upper() + "@AdobeID"
    return Caller(
        scope=Scope(org, sandbox),
        client_id=client_id,
        user=user,
        sandbox_id=sandbox_id(org, sandbox),
        tenant=accounts.tenant(org),
        permissions=permissions,
        flow_service=in_flow_service,
    )


CallerDep = Annotated[Caller, Depends(authorised)]


async def json_body(request: Request, _caller: CallerDep) -> Any:
    """The request's JSON body, any type (a FastAPI dependency); malformed or absent: 400."""
    return await read_json(request)


JsonBody = Annotated[Any, Depends(json_body)]
