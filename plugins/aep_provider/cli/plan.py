"""``airflow aep plan``: what would be done to bring sandboxes to what is declared."""

from __future__ import annotations

import json
import sys
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from aep_provider.cli.files import write_file
from aep_provider.cli.progress import shown
from aep_provider.cli.sandboxes import Place, places, told
from aep_provider.dataflows.plan import Plan
from aep_provider.dataflows.plan_text import plan_text
from aep_provider.dataflows.planning import make_plan
from aep_provider.errors import AepError

if TYPE_CHECKING:
    from argparse import Namespace


class Status(IntEnum):
    """The exit status."""

    NOTHING_TO_DO = 0
    ERROR = 1
    CHANGES = 2


def plan(args: Namespace) -> None:
    """
    Print the plans, and keep them in a file if one is named.

    :raises SystemExit: with the status.
    """
    plans: list[Plan] = []
    wrong: list[str] = []
    try:
        found, wrong = places(args.folder, args.names or [], args.sandbox)
        for place in found:
            try:
                plans.append(told(lambda: _plan(place, args)))  # noqa: B023
            except AepError as error:
                wrong.append(f"sandbox {place.sandbox}: {error}")
        if args.out:
            if wrong:
                wrong.append(f"No plan was kept in {args.out}, for it would not be whole.")
            else:
                write_file(args.out, json.dumps(document(plans, []), indent=1, ensure_ascii=False) + "\n")
    except AepError as error:
        wrong.append(str(error))
    if args.output:
        print(json.dumps(document(plans, wrong), indent=1, ensure_ascii=False))
    else:
        print("\n".join(plan_text(one) for one in plans), end="")
    for line in wrong:
        print(f"airflow aep plan: {line}", file=sys.stderr)
    raise SystemExit(int(_status(plans, wrong)))


def document(plans: list[Plan], wrong: list[str]) -> dict[str, Any]:
    """Return plans as JSON has them."""
    return {"plans": [one.document() for one in plans], **({"errors": wrong} if wrong else {})}


def _plan(place: Place, args: Namespace) -> Plan:
    with place.hook("airflow-aep-plan") as hook, shown(quiet=args.output) as how_far:
        sandbox = place.seen(hook, how_far)
        return make_plan(place.specs, sandbox, whole=place.whole, overwrite=args.overwrite, how_far=how_far)[0]


def _status(plans: list[Plan], wrong: list[str]) -> Status:
    if wrong or any(one.errors for one in plans):
        return Status.ERROR
    return Status.CHANGES if any(one.has_work for one in plans) else Status.NOTHING_TO_DO
