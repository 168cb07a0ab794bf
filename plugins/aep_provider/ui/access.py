"""Who may see the page, and which dataflows: Airflow's own login and permissions decide, in every request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from fastapi import Depends, HTTPException, status
from sqlalchemy import select

from aep_provider.resources.window import Window

_DAGS: Final = "aep_dataflow__"
_MOST_RUNS: Final = 2_000


@dataclass(frozen=True)
class KnownDag:
    """A DAG that Airflow has for a dataflow."""

    is_paused: bool
    is_stale: bool
    """Its file does not make it any more."""


@dataclass(frozen=True)
class KnownRun:
    """A DAG run."""

    run_id: str
    state: str


@dataclass(frozen=True)
class Viewer:
    """
    Somebody who may see the page.

    :param dags: the dataflows' DAGs that they may read, by id.
    :param hidden: those that they may not.
    """

    user: BaseUser
    dags: dict[str, KnownDag]
    hidden: frozenset[str]

    def sees(self, dag_id: str) -> bool:
        """Whether a dataflow may be shown; one that is no DAG in Airflow may."""
        return dag_id not in self.hidden

    def runs(self, dag_id: str, since: Window) -> dict[Window, KnownRun]:
        """Return the DAG runs over windows that touch a stretch of time, the newest of each window; none without permission."""
        if dag_id not in self.dags:
            return {}
        manager = get_auth_manager()
        details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
        if not manager.is_authorized_dag(
            method="GET", access_entity=DagAccessEntity.RUN, details=details, user=self.user
        ):
            return {}
        query = (
            select(DagRun.run_id, DagRun.state, DagRun.data_interval_start, DagRun.data_interval_end)
            .where(DagRun.dag_id == dag_id, DagRun.data_interval_start.is_not(None))
            .order_by(DagRun.id.desc())
            .limit(_MOST_RUNS)
        )
        found: dict[Window, KnownRun] = {}
        with create_session() as session:
            for run_id, state, start, end in session.execute(query):
                if end and start < end and end.timestamp() > since.start:
                    window = Window(int(start.timestamp()), int(end.timestamp()))
                    found.setdefault(window, KnownRun(run_id, str(getattr(state, "value", state))))
        return found


def viewer(user: GetUserDep) -> Viewer:
    """
    Let in who may see Airflow's plugins and DAGs.

    Airflow shows the entry in the navigation to nobody else; but an address can be typed. No parameter of the request has a
    say: permission for one DAG, named in the address, must not open the page.
    """
    manager = get_auth_manager()
    allowed = manager.is_authorized_view(access_view=AccessView.PLUGINS, user=user) and manager.is_authorized_dag(
        method="GET", user=user
    )
    if not allowed:
        raise HTTPException(status.HTTP_403_FORBIDDEN, "Forbidden")
    readable = manager.get_authorized_dag_ids(user=user, method="GET")
    query = select(DagModel.dag_id, DagModel.is_paused, DagModel.is_stale).where(
        DagModel.dag_id.startswith(_DAGS, autoescape=True)
    )
    with create_session() as session:
        known = {dag_id: KnownDag(bool(paused), bool(stale)) for dag_id, paused, stale in session.execute(query)}
    return Viewer(
        user,
        {dag_id: dag for dag_id, dag in known.items() if dag_id in readable},
        frozenset(known.keys() - readable),
    )


ViewerDep = Annotated[Viewer, Depends(viewer)]
