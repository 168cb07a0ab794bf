"""The server: every part of the platform behind one gateway."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from aep_local import catalog, data_access, data_prep
from aep_local.core import accounts, problems
from aep_local.core.clock import Clock
from aep_local.core.settings import Settings
from aep_local.core.specs import Specs
from aep_local.core.store import Store
from aep_local.faults import control
from aep_local.faults.injector import Faults, Injection
from aep_local.faults.rules import load as load_faults
from aep_local.flow_service import connections, flows, runs, search, source_connections, specs, target_connections
from aep_local.rows.engine import Engine
from aep_local.rows.tables import TableFolder
from aep_local.schema_registry import descriptors
from aep_local.schema_registry import routes as schema_registry
from aep_local.web import ims
from aep_local.web.services import Services

_PARTS = (
    ims,
    specs,
    connections,
    source_connections,
    target_connections,
    flows,
    runs,
    search,
    descriptors,  # its paths would also fit the general ones of the next
    schema_registry,
    catalog,
    data_prep,
    data_access,
)
_log = logging.getLogger("aep_local.access")


def create_app(settings: Settings) -> FastAPI:
    """A platform as an ASGI application; its engine runs between start-up and shutdown.

    :raises ValueError: the accounts file or the faults file is wrong.
    """
    known = accounts.load(settings.accounts)
    faults = None if settings.faults is None else Faults(load_faults(settings.faults))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = _services(settings, known, faults)
        app.state.services = services
        services.engine.start()
        try:
            yield
        finally:
            await asyncio.to_thread(services.engine.stop)
            services.tables.close()
            services.store.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.add_exception_handler(problems.Problem, problems.answer)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)
    app.state.faults = faults
    for part in _PARTS:
        app.include_router(part.router)
    if settings.latency_ms:
        app.middleware("http")(_delay(settings.latency_ms / 1000))
    if faults is not None:
        app.include_router(control.router)
        app.add_middleware(Injection, faults=faults)
    app.add_middleware(_NoTrailingSlash)
    app.add_middleware(_AccessLog)
    return app


def _services(settings: Settings, known: accounts.Accounts, faults: Faults | None) -> Services:
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = Store(settings.state / "platform.db")
    clock = Clock(settings.time_scale)
    tables = TableFolder(settings.tables)
    engine = Engine(store, tables, settings.state, clock, settings, held=faults.held if faults else None)
    return Services(
        store=store,
        tables=tables,
        clock=clock,
        settings=settings,
        accounts=known,
        engine=engine,
        specs=Specs(known, settings.assume),
    )


class _AccessLog:
    """One line a request: method, path, status (0: no answer was begun), milliseconds.

    Never the query, which may hold credentials.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def noticed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noticed)
        finally:
            took = (time.perf_counter() - began) * 1000
            _log.info("%s %r %d %.1f ms", scope["method"], scope["path"], status, took)


class _NoTrailingSlash:
    """Every path of the platform also works with a slash at its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and len(scope["path"]) > 1:
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self._app(scope, receive, send)


def _delay(seconds: float) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    async def wait(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        await asyncio.sleep(seconds)
        return await go_on(request)

    return wait


async def _no_route(_request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = {404: "Resource not found", 405: "Method not allowed"}.get(status, "The request cannot be served")
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse({"error_code": f"{status}000", "message": message}, status_code=status, headers=headers)


async def _unreadable(_request: Request, _error: Exception) -> JSONResponse:
    body = {
        "type": "/placeholder/type/uri",
        "status": 400,
        "title": "BadRequestError",
        "detail": "A parameter is wrong",
    }
    return JSONResponse(body, status_code=400)


async def _gone(_request: Request, _error: Exception) -> Response:
    """The caller hung up before its body had arrived. Nobody reads this; the access log shows the status."""
    return Response(status_code=499)


async def _unexpected(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse({"error_code": "500000", "message": "Internal server error"}, status_code=500)
