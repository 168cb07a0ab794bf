"""Looking at the rules and changing them while the platform serves; needs the token that it printed at its start."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from aep_local.core.problems import generic
from aep_local.faults.injector import Faults
from aep_local.faults.rules import Plan, parse
from aep_local.web.bodies import read_body

router = APIRouter()
_PATH = "/local/faults"


def _let_in(request: Request) -> Faults:
    faults: Faults = request.app.state.faults
    scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), faults.token.encode()):
        raise generic(
            401, "Unauthorized", "the bearer token must be the one that was printed as faults-token at the start"
        )
    return faults


FaultsDep = Annotated[Faults, Depends(_let_in)]


@router.get(_PATH)
def report(faults: FaultsDep) -> Response:
    """The rules, each with how many requests fitted and how often its fault happened."""
    return JSONResponse(faults.report())


@router.put(_PATH)
async def replace(request: Request, faults: FaultsDep) -> Response:
    """Other rules, written as in a faults file; all counts begin anew."""
    body = await read_body(request)
    try:
        plan = await run_in_threadpool(lambda: parse(body.decode()))
    except ValueError as error:
        detail = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise generic(400, "Bad Request", detail) from None
    faults.replace(plan)
    return JSONResponse(faults.report())


@router.delete(_PATH)
def remove(faults: FaultsDep) -> Response:
    """No rules any more."""
    faults.replace(Plan(rules=()))
    return JSONResponse(faults.report())
