"""Brings Airflow's database up to date and puts in what `airflow_settings.yaml` lists and the database lacks.

`up.py` starts it as a child in Airflow's environment. What a user changed in the UI stays, except where the local
platform is to be found, for its port may be another one today.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow.models import Connection, Pool, Variable
from airflow.utils import db
from airflow.utils.session import create_session
from ruamel.yaml import YAML
from sqlalchemy import select
from sqlalchemy.orm import Session


def import_connection(session: Session, settings: dict[str, Any], aep_url: str) -> None:
    """Add the connection if there is none; point one that leads to a local platform to the one that runs."""
    extra = dict(settings.get("conn_extra") or {})
    known = session.scalars(select(Connection).filter_by(conn_id=settings["conn_id"])).first()
    connection = known or Connection(
        conn_id=settings["conn_id"],
        conn_type=settings["conn_type"],
        host=settings.get("conn_host"),
        login=settings.get("conn_login"),
        password=settings.get("conn_password"),
        schema=settings.get("conn_schema"),
        port=settings.get("conn_port"),
        extra=json.dumps(extra) if extra else None,
    )
    if connection.conn_type == "aep" and urlsplit(connection.host or "").hostname == "127.0.0.1":
        connection.host = aep_url
        connection.extra = json.dumps(connection.extra_dejson | {"token_url": f"{aep_url}/ims/token/v3"})
    session.add(connection)


def main(settings_file: Path, aep_url: str) -> None:
    """Migrate and import."""
    db.upgradedb()
    settings = YAML(typ="safe").load(settings_file)["airflow"]
    with create_session() as session:
        for connection in settings["connections"]:
            import_connection(session, connection, aep_url)
        for pool in settings["pools"]:
            if not session.scalars(select(Pool).filter_by(pool=pool["pool_name"])).first():
                session.add(
                    Pool(
                        pool=pool["pool_name"],
                        slots=pool["pool_slot"],
                        description=pool["pool_description"],
                        # A deferred wait is still a dataflow under way.
                        include_deferred=True,
                    )
                )
        for variable in settings["variables"]:
            if not session.scalars(select(Variable).filter_by(key=variable["variable_name"])).first():
                found = Variable(key=variable["variable_name"], val=variable["variable_value"])
                session.add(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
