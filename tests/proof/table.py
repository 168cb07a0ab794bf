"""
What becomes of dataflows and windows under faults and kills, for this package and for what people write today::

    .venv/bin/python -m tests.proof.table            # the table of the docs
    .venv/bin/python -m tests.proof.table --long     # 1,000 dataflows and 10,000 windows under all faults at once

Both do the same job on local platforms of their own. A task is tried so often; what has not ended then is cleared once the
faults are over, as somebody would on Monday. Counted is what is there in the end, past all faults.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..leaks import in_files, leaked
from .faults import EVERYTHING, FAULTS
from .kills import Killed, Life
from .ours import Ours, new_process
from .plain import Plain
from .world import Job, Tally, World, world

KILLS = {"killed at a request, before it leaves": False, "killed at a request, after it arrived": True}
LONG = Job.of(1000, 10)
CLIENTS: dict[str, Callable[[World], Ours | Plain]] = {"ours": Ours, "plain": Plain}


@dataclass
class Line:
    """One line of the table: what happened to one client under one kind of trouble."""

    trouble: str
    client: str
    faults: int
    cleared: int
    tally: Tally
    seconds: float

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), **asdict(self.tally)} | {"tally": None}


class _Ear(logging.Handler):
    """Hears everything that is logged, at every level, and counts what holds a secret."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.secrets = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.secrets += bool(leaked(self.format(record).encode(errors="replace")))


@contextmanager
def heard() -> Iterator[_Ear]:
    """Log everything, to nobody else."""
    ear, root = _Ear(), logging.getLogger()
    before, root.handlers, level = root.handlers, [ear], root.level
    root.setLevel(logging.DEBUG)
    try:
        yield ear
    finally:
        root.handlers = before
        root.setLevel(level)


def secrets_of(client: Ours | Plain, place: World) -> int:
    """In how many places that outlive a process a secret is."""
    kept = client.kept.values.values() if isinstance(client, Ours) else map(json.dumps, client.results.values())
    return sum(bool(leaked(text.encode())) for text in (*client.failures, *kept)) + len(list(in_files(place.state)))


def under_faults(
    trouble: str,
    rules: Sequence[Mapping[str, Any]],
    who: str,
    job: Job,
    *,
    workers: int = 8,
    tries: int = 5,
    stages: Sequence[bool] = (False, True),
) -> Line:
    """
    Do the job under faults, and clear what did not end once they are over.

    :param stages: whether dataflows are declared in another way by then, each time that it is done.
    """
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch, world(Path(scratch), job) as place, heard() as ear:
        new_process()
        client = CLIENTS[who](place, workers=workers, tries=tries)
        faults = cleared = 0
        for changed in stages:
            place.faults(rules)
            done = client.work(job, changed=changed)
            faults += place.injected()
            place.faults([])
            left = len(job.names) * len(job.windows) - len(done.verdicts)
            if left:
                new_process()
                done = client.work(job, changed=changed)
            cleared += left
        tally = place.truth(job, done)
        tally.secrets = ear.secrets + secrets_of(client, place)
    return Line(trouble, who, faults, cleared, tally, time.perf_counter() - began)


def killed_at_every_request(who: str, *, arrived: bool, job: Job, step: int = 1) -> Line:
    """
    Die at one request after another, each time in an empty sandbox, and begin again each time.

    :param step: 2 takes every second request.
    """
    began, tally, points = time.perf_counter(), Tally(), 0
    with tempfile.TemporaryDirectory() as scratch, world(Path(scratch), job) as first, heard() as ear:
        for point in itertools.count(1, step):
            place, life = first.another(), Life(point, arrived=arrived)
            client = CLIENTS[who](place, workers=1)
            new_process()
            try:
                with life.lived():
                    client.work(job)
            except Killed:
                pass
            if not life.is_over:
                break
            points += 1
            new_process()
            found = place.truth(job, client.work(job))
            found.secrets = secrets_of(client, place)
            tally += found
        tally.secrets += ear.secrets
    moment = next(moment for moment, after in KILLS.items() if after == arrived)
    return Line(moment, who, points, 0, tally, time.perf_counter() - began)


def whole_table(job: Job, kill_job: Job, only: str = "") -> Iterator[Line]:
    """Yield each line as it comes."""
    for trouble, rules in FAULTS.items():
        for who in CLIENTS if only in trouble else ():
            yield under_faults(trouble, rules, who, job)
    for moment, arrived in KILLS.items():
        for who in CLIENTS if only in moment else ():
            yield killed_at_every_request(who, arrived=arrived, job=kill_job)


def shown(lines: Sequence[Line]) -> Table:
    """A table for people."""
    table = Table(title="Under faults and kills", title_justify="left")
    table.add_column("trouble")
    table.add_column("client")
    for name in ("faults", "windows", "cleared", "duplicates", "orphans", "rows\nlost", "rows\ntwice", "wrong\nverdicts",
                 "secrets", "not\ndone"):  # fmt: skip
        table.add_column(name, justify="right")
    for line in lines:
        one = line.tally
        counts = (line.faults, one.windows, line.cleared, one.duplicates, one.orphans, one.rows_lost, one.rows_twice,
                  one.wrong_verdicts, one.secrets, one.not_done)  # fmt: skip
        table.add_row(line.trouble, line.client, *map(str, counts))
    return table


def markdown(lines: Sequence[Line]) -> str:
    """Return the table as the docs have it: a line for each trouble, ours and plain side by side."""
    names = ("duplicates", "orphans", "rows lost", "rows twice", "wrong verdicts", "secrets", "not done")
    told = [f"| Trouble | Faults | Cleared | {' | '.join(name.capitalize() for name in names)} |"]
    told.append("|---|" + "---:|" * (len(names) + 2))
    for trouble in dict.fromkeys(line.trouble for line in lines):
        both = [line for line in lines if line.trouble == trouble]
        counts = [[line.faults, line.cleared, *list(asdict(line.tally).values())[1:]] for line in both]
        told.append(f"| {trouble} | {' | '.join(' / '.join(map(str, each)) for each in zip(*counts, strict=True))} |")
    return "\n".join(told)


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataflows", type=int, default=10)
    parser.add_argument("--windows", type=int, default=10, help="of each dataflow")
    parser.add_argument(
        "--long", action="store_true", help="1,000 dataflows of 10 windows under all faults at once, ours only"
    )
    parser.add_argument("--only", default="", help="kinds of trouble with these words in their names")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    given = parser.parse_args()
    lines: list[Line] = []
    if given.long:
        lines.append(under_faults(EVERYTHING, FAULTS[EVERYTHING], "ours", LONG, stages=[False]))
    else:
        for line in whole_table(Job.of(given.dataflows, given.windows), Job.of(1, 2), given.only):
            lines.append(line)
            Console(stderr=True).print(f"{line.trouble}, {line.client}: {line.tally} ({line.seconds:.0f} s)")
    if given.json:
        print(json.dumps([line.document() for line in lines]))
    elif given.markdown:
        print(markdown(lines))
    else:
        Console(width=160).print(shown(lines))


if __name__ == "__main__":
    main()
