"""``airflow aep runs``: which windows of a range were loaded."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import groupby
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException

from aep_provider.cli.progress import shown
from aep_provider.cli.report import Told, print_json, print_text
from aep_provider.cli.schedule import read_moment, windows_in
from aep_provider.cli.specs import chosen_specs
from aep_provider.dataflows.progress import Progress, Stage
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError, AepError, one_line
from aep_provider.hooks.aep import AepHook
from aep_provider.operators.windows import configured_edges
from aep_provider.resources.coverage import (
    Answer,
    Expectation,
    all_flows,
    cover,
    generations,
    of_one_dataset,
    past_runs,
)
from aep_provider.resources.window import Window
from aep_provider.specs_folder import specs_folder

if TYPE_CHECKING:
    from argparse import Namespace

    from aep_provider.platform.client import AepClient


class Status(IntEnum):
    """The exit status."""

    COMPLETE = 0
    ERROR = 1
    INCOMPLETE = 2
    UNKNOWN = 3


_STATUS = {Answer.COMPLETE: Status.COMPLETE, Answer.INCOMPLETE: Status.INCOMPLETE, Answer.UNKNOWN: Status.UNKNOWN}


def runs(args: Namespace) -> None:
    """
    Print what became of each window of a range.

    :raises SystemExit: with the status.
    """
    # Otherwise Airflow finds no connection that is kept in its database.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    told: list[Told] = []
    wrong: list[str] = []
    try:
        if args.from_ is None or args.to is None:
            raise AepConfigError("Give both edges of the range: --from and --to.")
        specs, broken = chosen_specs(specs_folder(args.specs), args.names, args.sandbox)
        wrong += map(str, broken)
        asked = [(spec, _range(spec, args.from_, args.to)) for spec in specs]
        with shown(quiet=args.output) as how_far:
            for one in _told(asked, how_far):
                told.append(one) if isinstance(one, Told) else wrong.append(one)
    except AepError as error:
        wrong.append(str(error))
    if args.output:
        print_json(told, wrong, sys.stdout)
    else:
        print_text(told, sys.stdout)
    for line in wrong:
        print(f"airflow aep runs: {line}", file=sys.stderr)
    raise SystemExit(int(_status(told, wrong)))


def _status(told: Sequence[Told], wrong: Sequence[str]) -> Status:
    if wrong:
        return Status.ERROR
    answers = {one.coverage.answer for one in told}
    worst = next((answer for answer in (Answer.INCOMPLETE, Answer.UNKNOWN) if answer in answers), Answer.COMPLETE)
    return _STATUS[worst]


def _told(asked: Sequence[tuple[DataflowSpec, Window]], how_far: Progress | None) -> Iterator[Told | str]:
    """Yield what is known of each dataflow, or why it could not be found out; one sandbox after the other."""

    def place(one: tuple[DataflowSpec, Window]) -> tuple[str, str]:
        return one[0].aep_conn_id, one[0].sandbox

    stage = Stage(how_far, "dataflows looked at", len(asked))
    for (conn_id, sandbox), group in groupby(sorted(asked, key=place), place):
        here = list(group)
        try:
            with AepHook(conn_id, sandbox, caller="airflow-aep-runs") as hook:
                flows = all_flows(hook.client)
                for spec, window in here:
                    stage.begins(spec.name)
                    try:
                        yield _one(hook.client, flows, spec, window)
                    except AepError as error:
                        yield f"{spec.name}: {error}"
                    stage.ends(spec.name)
        except (AepError, AirflowException) as error:
            # For example no such connection: the other sandboxes can be told all the same.
            yield f"{', '.join(spec.name for spec, _ in here)}: {one_line(error)}"


def _one(client: AepClient, flows: list[dict[str, Any]], spec: DataflowSpec, asked: Window) -> Told:
    lag = spec.schedule.lag if spec.schedule else 0
    expected = Expectation(
        range=asked,
        windows=windows_in(spec.schedule, asked) if spec.schedule else None,
        due=time.time() - lag,
        tolerance=spec.policy.tolerance(),
    )
    these = of_one_dataset(client, generations(flows, spec.name), spec.name)
    done = past_runs(client, these, configured_edges())
    return Told(spec, asked, these, cover(done, expected))


def _range(spec: DataflowSpec, start: str, end: str) -> Window:
    timezone = spec.schedule.timezone if spec.schedule else "UTC"
    try:
        return Window.between(read_moment(start, "--from", timezone), read_moment(end, "--to", timezone))
    except OverflowError:
        raise AepConfigError(f"{start} to {end} lies beyond what dates can tell.") from None
