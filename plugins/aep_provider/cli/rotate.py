"""``airflow aep rotate``: give AEP the new credentials of a source system."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from aep_provider.cli.progress import shown
from aep_provider.cli.sandboxes import Place, places, told
from aep_provider.dataflows.progress import Stage
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError, AepError
from aep_provider.resources.authentication import credentials
from aep_provider.resources.connection import BaseConnection, test_connection
from aep_provider.resources.connectors import connector
from aep_provider.resources.ensure import ensure
from aep_provider.resources.names import nearest
from aep_provider.resources.resource import IfExists

if TYPE_CHECKING:
    from argparse import Namespace


def rotate(args: Namespace) -> None:
    """
    Send what Airflow connections hold to the base connections that stand on them, in every sandbox that is declared.

    :raises SystemExit: 0 if AEP logs in with all of them now, 1 if not.
    """
    wrong: list[str] = []
    try:
        found, wrong = places(args.specs, [], args.sandbox)
        ids = {str(spec.source_conn_id) for place in found for spec in place.specs if spec.source_conn_id}
        for conn_id in args.conn_ids:
            if conn_id not in ids:
                raise AepConfigError(f"No dataflow has the source connection {conn_id!r}.{nearest(conn_id, ids)}")
        for place in found:
            try:
                told(lambda: _rotate(place, args.conn_ids, adopt=args.adopt))  # noqa: B023
            except AepError as error:
                wrong.append(f"sandbox {place.sandbox}: {error}")
    except AepError as error:
        wrong.append(str(error))
    for line in wrong:
        print(f"airflow aep rotate: {line}", file=sys.stderr)
    raise SystemExit(1 if wrong else 0)


def _rotate(place: Place, conn_ids: list[str], *, adopt: bool) -> None:
    """One after the other: each is tried on a connection of its own before it replaces what works."""
    bases: dict[str, DataflowSpec] = {spec.base_name: spec for spec in place.specs if spec.source_conn_id in conn_ids}
    with place.hook("airflow-aep-rotate") as hook, shown() as how_far:
        stage = Stage(how_far, "base connections", len(bases))
        for name, spec in bases.items():
            stage.begins(name)
            system = connector(spec.source)
            login = hook.source_login(str(spec.source_conn_id))
            wanted = credentials(hook.client, system, login, spec.authentication)
            resource = BaseConnection(hook.client, name=name, connector=system, credentials=wanted)
            if not resource.find():
                stage.ends(name)
                print(f"{place.sandbox}: there is no base connection {name!r} yet; apply makes it")
                continue
            outcome = ensure(resource, if_exists=IfExists.UPDATE, adopt=adopt)
            test_connection(hook.client, outcome.id)
            stage.ends(name)
            print(f"{place.sandbox}: AEP logs in with the credentials of {spec.source_conn_id} ({name}, {outcome.id})")
