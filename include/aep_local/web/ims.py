"""Adobe's identity service: client credentials in, an access token that expires out."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from aep_local.core.problems import Problem
from aep_local.core.store import PLATFORM_SCOPE
from aep_local.web.bodies import read_body
from aep_local.web.services import Services, ServicesDep

router = APIRouter()
_KIND = "tokens"


def client_of(services: Services, token: str) -> str | None:
    """The client that an access token was given to; None when it is unknown or expired."""
    kept = services.store.get(_KIND, _fingerprint(token), PLATFORM_SCOPE)
    if kept is None or kept["expires_ms"] <= services.clock.now_ms():
        return None
    client_id: str = kept["client_id"]
    return client_id


def expire(services: Services, token: str, seconds: float) -> bool:
    """Let an access token expire in so many seconds; False for one that is valid no longer than that anyway."""
    expires_ms = services.clock.now_ms() + round(seconds * 1000)
    with services.store.transaction():
        kept = services.store.get(_KIND, _fingerprint(token), PLATFORM_SCOPE)
        if kept is None or kept["expires_ms"] <= expires_ms:
            return False
        kept["expires_ms"] = expires_ms
        services.store.put(_KIND, _fingerprint(token), PLATFORM_SCOPE, kept, due_ms=expires_ms)
    return True


@router.post("/ims/token/v3")
@router.post("/ims/token/v2")
async def token(request: Request, services: ServicesDep) -> JSONResponse:
    """Client credentials, as a form or in the query, for ``{"access_token", "token_type", "expires_in"}`` (seconds)."""
    fields = dict(request.query_params)
    body = await read_body(request)
    try:
        fields |= dict(parse_qsl(body.decode(), max_num_fields=50))
    except ValueError:
        raise _refused(400, "invalid_request", "the form cannot be read") from None
    if fields.get("grant_type") != "client_credentials":
        raise _refused(400, "unsupported_grant_type", "grant_type must be client_credentials")
    client_id, secret = fields.get("client_id", ""), fields.get("client_secret", "")
    if not client_id or not secret:
        raise _refused(400, "invalid_request", "client_id and client_secret are required")
    if not services.accounts.login(client_id, secret):
        raise _refused(401, "invalid_client", "invalid client_id or client_secret")
    return JSONResponse(await run_in_threadpool(_issue, services, client_id), headers={"Cache-Control": "no-store"})


def _issue(services: Services, client_id: str) -> dict[str, Any]:
    # Three dotted parts like a JWT, but opaque: nothing in it can be read or forged.
    value = "eyJ" + ".".join(secrets.token_urlsafe(48) for _ in range(3))
    now = services.clock.now_ms()
    lifetime = services.settings.token_seconds
    expires_ms = now + round(lifetime * 1000)
    with services.store.transaction():
        for expired, scope, _ in services.store.due(_KIND, now):
            services.store.delete(_KIND, expired, scope)
        document = {"client_id": client_id, "expires_ms": expires_ms}
        services.store.insert(_KIND, _fingerprint(value), PLATFORM_SCOPE, document, due_ms=expires_ms)
    return {"access_token": value, "token_type": "bearer", "expires_in": int(lifetime)}


def _fingerprint(token: str) -> str:
    # A token is 144 random bytes, so a plain hash cannot be guessed back.
    return hashlib.sha256(token.encode()).hexdigest()


def _refused(status: int, error: str, description: str) -> Problem:
    return Problem(status, {"error": error, "error_description": description})
