"""How far a command is, on a line of the terminal that is gone when it is done."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from aep_provider.dataflows.progress import Progress as Told
from aep_provider.errors import one_line

_LONGEST = 120


class _Console(Console):
    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002  rich's signature
        """Leave it: whoever is killed could not show it again."""
        return False


@contextmanager
def _logs_above(console: Console) -> Iterator[None]:
    """What is logged to a terminal meanwhile is written above the line, and not into it."""
    theirs = {
        handler: handler.stream
        for handler in logging.getLogger().handlers
        # A file that opens late has no stream before its first line.
        if isinstance(handler, logging.StreamHandler) and handler.stream is not None and handler.stream.isatty()
    }
    for handler, stream in theirs.items():
        handler.setStream(FileProxy(console, stream))
    try:
        yield
    finally:
        for handler, stream in theirs.items():
            handler.setStream(stream)


class _Counted(MofNCompleteColumn):
    def render(self, task):  # type: ignore[no-untyped-def]
        return super().render(task) if task.total is not None else ""


@contextmanager
def shown(*, quiet: bool = False) -> Iterator[Told | None]:
    """
    Show how far it is on standard error, if that is a terminal; elsewhere nobody watches, and None is to be told.

    :param quiet: show nothing, for example beside JSON.
    """
    # Not what rich takes for a terminal: its environment variables may say so of a pipe.
    if quiet or not sys.stderr.isatty():
        yield None
        return
    one_row = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    line = Progress(
        SpinnerColumn(),
        _Counted(),
        TextColumn("{task.description}", markup=False, table_column=one_row),
        TimeElapsedColumn(),
        console=_Console(stderr=True),
        transient=True,
        expand=True,
        # What goes into a file or a pipe meanwhile must not come here.
        redirect_stdout=sys.stdout.isatty(),
    )
    with line, _logs_above(line.console):
        shown_as = line.add_task("", total=None)

        def tell(what: str, done: int, total: int | None, now: str) -> None:
            about = one_line(f"{what}, now: {now}" if now else what, _LONGEST)
            line.update(shown_as, description=about, completed=done, total=total)

        yield tell
