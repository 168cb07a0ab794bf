"""``airflow aep scaffold``: a first file for a table."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aep_provider.cli.export import write_spec
from aep_provider.cli.sandboxes import Place, told
from aep_provider.dataflows.plan import Change
from aep_provider.dataflows.survey import look_around
from aep_provider.dataflows.writing.scaffold import Scaffold, Wish, scaffold_dataflow
from aep_provider.dataflows.writing.spec_text import head_of, misread, spec_text
from aep_provider.errors import AepConfigError, AepError, one_line
from aep_provider.resources.connection import BaseConnection
from aep_provider.specs_folder import specs_folder

if TYPE_CHECKING:
    from argparse import Namespace


def scaffold(args: Namespace) -> None:
    """
    Write a first file for a table, and tell what applying it would do.

    :raises SystemExit: 0 if the file was written, 1 if not.
    """
    try:
        told(lambda: _scaffold(args))
    except AepError as error:
        print(f"airflow aep scaffold: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    raise SystemExit(0)


def _scaffold(args: Namespace) -> None:
    folder = Path(args.out) if args.out else specs_folder(None)
    with Place(args.conn_id, args.sandbox, [], whole=False).hook("airflow-aep-scaffold") as hook:
        wish = Wish(
            source=args.source,
            table=args.table,
            sandbox=hook.client.settings.sandbox,
            source_conn_id=args.source_conn_id,
            base_connection=args.base_connection,
            name=args.name,
            existing_schema=args.existing_schema,
            mapping=args.mapping,
            aep_conn_id=args.conn_id,
        )
        file = f"{wish.bare().slug}.yaml"
        if (folder / file).exists():
            raise AepConfigError(
                f"{folder / file} is there already: choose another name with --name, or another folder with --out."
            )
        made = scaffold_dataflow(
            look_around(hook.client, hook.source_login),
            wish,
            today=datetime.now(UTC).date(),
            create_base_connection=args.create_base_connection,
        )
    head = [
        *head_of(folder),
        "A first file, by `airflow aep scaffold`. Look it over; then `airflow aep plan` shows more.",
    ]
    text = spec_text(made.fields, head=head, notes=made.notes)
    for reason in misread(folder, {file: text}, {file: made.spec}).values():
        raise AepConfigError(f"{file} was not written: {reason}.")
    print(f"{write_spec(folder, file, text)}  {folder / file}")
    _print_plan(made)


def _print_plan(made: Scaffold) -> None:
    base = BaseConnection.kind
    for step in made.plan.steps:
        if step.kind == base and step.change is Change.CREATE:
            print(f"made      the base connection {one_line(step.name, 200)}")
        elif step.change is not Change.CREATE and (step.is_work or step.kind != base):
            print(f"there is  the {step.kind} {one_line(step.name, 200)} ({step.id}), which would be {step.change}")
    new = sum(step.change is Change.CREATE and step.kind != base for step in made.plan.steps)
    print(f"Applying it would make {new} objects.")
