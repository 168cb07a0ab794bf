"""The page's FastAPI app: reading only, every route behind Airflow's checks, nothing from any other host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, HTTPException, Query, Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aep_provider.errors import AepConfigError
from aep_provider.hooks.aep import AepHook
from aep_provider.ui.access import ViewerDep, viewer
from aep_provider.ui.chains import Chains
from aep_provider.ui.declared import DeclaredFolder
from aep_provider.ui.detail import detail_of
from aep_provider.ui.listing import Asked, listed
from aep_provider.ui.pages import Pages
from aep_provider.ui.places import Place, configured_days, configured_places
from aep_provider.ui.snapshots import Hook, Snapshots

_ASSETS: Final = Path(__file__).parent / "assets"
_TYPES: Final = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "icon.svg": "image/svg+xml",
    "icon_dark.svg": "image/svg+xml",
}
_HEADERS: Final = {
    # Styles, scripts and requests from this page's own server alone, none of them within the page.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "private, no-cache",
}
_SAID: Final = {
    status.HTTP_401_UNAUTHORIZED: ("You are not signed in", "Sign in to Airflow, then open this page again."),
    status.HTTP_403_FORBIDDEN: (
        "You may not see this page",
        "It needs Airflow's permissions to see plugins and to read DAGs. Ask whoever manages Airflow.",
    ),
    status.HTTP_404_NOT_FOUND: ("There is nothing here", "Go back to the list, and look for it by name."),
    status.HTTP_422_UNPROCESSABLE_CONTENT: ("This address is not right", "Go back to the list."),
}
_LONGEST: Final = 300


class _Headed:
    """Puts the security headers on every answer, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [one for one in message.get("headers", []) if one[0] not in dict(named)] + named
            await send(message)

        await self._app(scope, receive, headed if scope["type"] == "http" else send)


def open_hook(place: Place) -> Any:
    """Return the hook of a sandbox."""
    return AepHook(place.conn_id, place.sandbox, caller="airflow-aep-page")


def create_app(
    hook: Callable[[Place], Any] = open_hook, snapshots: Snapshots | None = None, chains: Chains | None = None
) -> FastAPI:
    """
    Return the app. Its routes are no coroutines: Airflow's event loop never waits for them.

    :param hook: makes the hook of a sandbox.
    """
    # The check belongs to the app, so that a route cannot be added without it.
    app = FastAPI(
        title="AEP dataflows", dependencies=[Depends(viewer)], docs_url=None, redoc_url=None, openapi_url=None,
        redirect_slashes=False,
    )  # fmt: skip
    app.add_middleware(_Headed)
    pages = Pages()
    kept = _Kept(hook, snapshots, chains)

    @app.get("/", response_class=HTMLResponse)
    def flows(
        request: Request,
        looker: ViewerDep,
        *,
        place: _Text = "",
        q: _Text = "",
        health: _Text = "",
        sort: _Text = "health",
        page: Annotated[int, Query(ge=1, le=100_000)] = 1,
    ) -> Response:
        """All dataflows of a sandbox."""
        chosen, places = _chosen(place)
        asked = Asked(chosen.label if place else "", q.strip(), health, sort, page)
        snapshot = kept.snapshots().get(chosen)
        rows = [row for row in snapshot.rows if looker.sees(row.dag_id)]
        return pages.flows(
            request, looker, places=places, place=chosen, snapshot=snapshot, asked=asked, listed=listed(rows, asked)
        )

    @app.get("/dataflow", response_class=HTMLResponse)
    def flow(request: Request, looker: ViewerDep, name: _Text, place: _Text = "") -> Response:
        """One dataflow."""
        chosen, places = _chosen(place)
        snapshot = kept.snapshots().get(chosen)
        row = next((row for row in snapshot.rows if row.name == name and looker.sees(row.dag_id)), None)
        dataflow = snapshot.dataflow(name) if row else None
        if not (row and dataflow):
            if snapshot.is_reading and not snapshot.is_whole:
                return pages.wait(request, places, chosen, snapshot)
            raise HTTPException(status.HTTP_404_NOT_FOUND)
        chain = kept.chains.get(chosen, dataflow.present) if dataflow.flows else None
        detail = detail_of(snapshot, dataflow, row, chain, looker)
        return pages.flow(request, places=places, place=chosen, snapshot=snapshot, row=row, detail=detail)

    @app.get("/assets/{name}")
    def asset(name: str) -> Response:
        """Style, script and icons."""
        if name not in _TYPES:
            raise HTTPException(status.HTTP_404_NOT_FOUND)
        return FileResponse(_ASSETS / name, media_type=_TYPES[name])

    @app.exception_handler(AepConfigError)
    def misconfigured(request: Request, error: AepConfigError) -> Response:
        return pages.message(request, "The page is not set up right", str(error), 500)

    @app.exception_handler(StarletteHTTPException)
    def refused(request: Request, error: StarletteHTTPException) -> Response:
        title, words = _SAID.get(error.status_code, ("This cannot be shown", ""))
        return pages.message(request, title, words, error.status_code)

    @app.exception_handler(RequestValidationError)
    def misspelled(request: Request, error: RequestValidationError) -> Response:  # noqa: ARG001  FastAPI's signature
        return pages.message(request, *_SAID[422], status_code=422)

    return app


_Text = Annotated[str, Query(max_length=_LONGEST)]


class _Kept:
    """What the app keeps; made when it is first needed, for the configuration may be wrong."""

    def __init__(self, hook: Callable[[Place], Any], snapshots: Snapshots | None, chains: Chains | None) -> None:
        self._hook = hook
        self._snapshots = snapshots
        self.chains = chains or Chains(hook)
        self._folder = DeclaredFolder()

    def snapshots(self) -> Snapshots:
        if self._snapshots is None:
            self._snapshots = Snapshots(self._hook, self._folder.read, days=configured_days())
        return self._snapshots


def _chosen(label: str) -> tuple[Place, list[Place]]:
    """The place that an address names, if the configuration has it."""
    places = configured_places()
    if not places:
        raise AepConfigError(
            "No AEP connection may be shown: name some as page_connections in the section [aep] of Airflow's configuration."
        )
    chosen = next((place for place in places if place.label == label), None) if label else places[0]
    if chosen is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND)
    return chosen, places


__all__ = ["Hook", "create_app", "open_hook"]
