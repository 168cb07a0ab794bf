"""The sandboxes that a command is about: the dataflows of each, and how to reach it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from airflow.sdk.exceptions import AirflowException

from aep_provider.cli.specs import chosen_specs
from aep_provider.dataflows.chain import Sandbox
from aep_provider.dataflows.progress import Progress, Stage
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.dataflows.survey import look_around
from aep_provider.errors import AepConfigError, AepError, one_line
from aep_provider.hooks.aep import AepHook
from aep_provider.specs_folder import specs_folder

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """
    One sandbox, and what is declared for it.

    :param whole: whether these are all dataflows that the folder declares for it.
    """

    conn_id: str
    sandbox: str
    specs: Sequence[DataflowSpec]
    whole: bool

    @contextmanager
    def hook(self, caller: str) -> Iterator[AepHook]:
        """Open the way there."""
        # Otherwise Airflow finds no connection that is kept in its database.
        os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
        with AepHook(self.conn_id, self.sandbox, caller=caller) as hook:
            yield hook

    def seen(self, hook: AepHook, how_far: Progress | None) -> Sandbox:
        """
        Read what is there.

        :raises AepPermissionError: something may not be read.
        """
        Stage(how_far, f"reading the sandbox {hook.settings.sandbox}")
        return look_around(hook.client, hook.source_login)


def places(folder: str | None, names: Sequence[str], sandbox: str | None) -> tuple[list[Place], list[str]]:
    """
    Return the sandboxes for which something is declared, and what is wrong with files.

    :param folder: with the dataflows' files; None takes the configured one.
    :param names: of dataflows; all without any.
    :param sandbox: read every file for this one; None leaves it to the files.
    :raises AepConfigError: there is no such folder, or no dataflow of a name.
    """
    specs, broken = chosen_specs(specs_folder(folder), names, sandbox)

    def place(spec: DataflowSpec) -> tuple[str, str]:
        return spec.aep_conn_id, spec.sandbox

    found = [
        Place(conn_id, name, list(group), whole=not names and not broken)
        for (conn_id, name), group in groupby(sorted(specs, key=place), place)
    ]
    sandboxes = [one.sandbox for one in found]
    # Two ways into one sandbox: neither knows all that is declared for it.
    found = [
        Place(one.conn_id, one.sandbox, one.specs, one.whole and sandboxes.count(one.sandbox) == 1) for one in found
    ]
    return found, [str(error) for error in broken]


def told(work: Callable[[], T]) -> T:
    """
    Do something, and let what Airflow says of a connection be one of our errors.

    :raises AepError: what went wrong.
    """
    try:
        return work()
    except AepError:
        raise
    except AirflowException as error:
        raise AepConfigError(one_line(error)) from error
