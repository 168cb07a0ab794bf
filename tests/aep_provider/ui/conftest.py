"""The page in an app with Airflow's own users, tokens and database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow import settings
from airflow.api_fastapi import app as airflow_app
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models import import_all_models
from airflow.models.base import Base
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import create_engine
from sqlalchemy.orm import scoped_session, sessionmaker

from aep_provider.ui.app import create_app
from aep_provider.ui.chains import Chains
from aep_provider.ui.plugin import PREFIX

from .world import World, snapshots


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Airflow's tables in a database of their own."""
    import_all_models()
    engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('database') / 'airflow.db'}")
    Base.metadata.create_all(engine)
    before = settings.Session
    settings.Session = scoped_session(sessionmaker(engine, expire_on_commit=False))
    yield
    settings.Session.remove()
    settings.Session = before
    engine.dispose()


@pytest.fixture
def manager(database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleAuthManager:
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "False")
    monkeypatch.setenv(
        "AIRFLOW__API_AUTH__JWT_SECRET", "a secret of the tests that is long enough for HS512, all of it" * 2
    )
    made = SimpleAuthManager()
    monkeypatch.setattr(airflow_app._AuthManagerState, "instance", made)
    return made


class Page:
    """The page, and somebody who looks at it."""

    def __init__(self, manager: SimpleAuthManager, app: FastAPI) -> None:
        self._manager = manager
        self.app = app
        outer = FastAPI()
        outer.mount(PREFIX, app)
        self.client = TestClient(outer)

    def get(self, path: str = "/", role: str | None = "VIEWER", **options: Any) -> Any:
        """Look as somebody with a role; "nobody" is not signed in."""
        return self.client.get(f"{PREFIX}{path}", headers=self.headers(role), **options)

    def headers(self, role: str | None) -> dict[str, str]:
        """What tells Airflow who one is."""
        if role == "nobody":
            return {}
        token = self._manager.generate_jwt(SimpleAuthManagerUser(username="ann", role=role))
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def open_page(manager: SimpleAuthManager) -> Iterator[Callable[..., Page]]:
    """Open the page over a sandbox."""
    chains: list[Chains] = []

    def opened(world: World, *specs: Any, **more: Any) -> Page:
        chains.append(Chains(world.hook, patience=60))
        return Page(manager, create_app(world.hook, snapshots(world, *specs, **more), chains[-1]))

    yield opened
    for each in chains:
        each.close()
