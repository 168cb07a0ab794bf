"""Airflow's plugin: the page, and its entry in the navigation. Every part of Airflow imports this, so it imports little."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI

PREFIX: Final = "/aep"
_TITLE: Final = "Dataflows"
"""In the navigation there is room for no more."""


class AepPlugin(AirflowPlugin):
    """The page of dataflows."""

    name = "aep"
    # Relative, so that it is also right where Airflow itself lives below a path.
    external_views: list[dict[str, Any]] = [  # noqa: RUF012  Airflow's own is declared so
        {
            "name": _TITLE,
            "href": f"{PREFIX.removeprefix('/')}/",
            "url_route": "aep_dataflows",
            "destination": "nav",
            "icon": f"{PREFIX.removeprefix('/')}/assets/icon.svg",
            "icon_dark_mode": f"{PREFIX.removeprefix('/')}/assets/icon_dark.svg",
            "nav_top_level": True,
        }
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]  # only the API server asks for it
        """What Airflow's API server mounts."""
        return [{"app": _app(), "url_prefix": PREFIX, "name": _TITLE}]


def _app() -> FastAPI:
    from aep_provider.ui.app import create_app  # noqa: PLC0415  scheduler and workers load plugins, too

    return create_app()
