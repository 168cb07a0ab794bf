"""Whether a parser bears what it gets: only our errors come out, in words fit for a log, soon, and without a secret."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from aep_provider.errors import AepError

from .mutants import mutant
from .parsers import Parser
from .texts import flaws
from .world import Written

SECONDS: Final = 1.5
"""Of this process's own time, for all that a reader does with an answer of some megabytes."""


@dataclass(frozen=True)
class Finding:
    """Something that should not have come out."""

    what: str
    """Without what differs from answer to answer, so that equal ones are told once."""
    number: int
    """Of the mutant; with the parser's name it is the seed."""
    details: str

    def __str__(self) -> str:
        return f"mutant {self.number}: {self.what}\n{self.details}"


def hunt(parser: Parser, numbers: range) -> list[Finding]:
    """Return what goes wrong with mutants of the answers that a parser reads, each thing once."""
    answers = parser.answers()
    found: dict[str, Finding] = {}
    for number in numbers:
        instead = mutants_for(parser.name, answers, number)
        for what, details in judged(lambda these=instead: parser.run(these)):  # type: ignore[misc]
            found.setdefault(what, Finding(what, number, f"{details}\n{shown(instead)}"))
    return list(found.values())


def mutants_for(name: str, answers: Mapping[str, Written], number: int) -> dict[str, Written]:
    """Return what stands in for some of the answers: one most often, seldom two."""
    chance = Random(f"{name} {number}")
    chosen = chance.sample(sorted(answers), min(len(answers), chance.choice((1, 1, 1, 2))))
    return {each: mutant(answers[each], chance) for each in chosen}


def judged(read: Callable[[], Any]) -> Iterator[tuple[str, str]]:
    """Read, and yield what was wrong with how it ended."""
    began = time.process_time()
    with logged() as lines:
        try:
            read()
        except AepError as error:
            yield from ((f"message {flaw}", repr(str(error)[:500])) for flaw in flaws(str(error)))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            frames = traceback.extract_tb(error.__traceback__)
            at = [one for one in frames if "plugins/aep_provider/" in one.filename or one is frames[-1]][-1]
            what = f"{type(error).__name__} at {at.filename.rpartition('aep_provider/')[2]}:{at.lineno} {at.line}"
            yield what, "".join(traceback.format_exception(error)[-4:])[:3000]
    spent = time.process_time() - began
    if spent > SECONDS:
        yield "slow", f"{spent:.1f} s"
    for line in lines:
        yield from ((f"log {flaw}", repr(line[:500])) for flaw in flaws(line, longest=1_000_000))


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def logged() -> Iterator[list[str]]:
    """What the package logs meanwhile."""
    ours, handler = logging.getLogger("aep_provider"), _Lines()
    level, passes_on = ours.level, ours.propagate
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    try:
        yield handler.lines
    finally:
        ours.removeHandler(handler)
        ours.setLevel(level)
        ours.propagate = passes_on


def shown(instead: Mapping[str, Written]) -> str:
    """Return the answers that were given, shortened."""
    return "\n".join(
        f"  {name}: HTTP {status} {dict(list(headers.items())[:4])!r:.300} {body[:1500]!r}{'…' if len(body) > 1500 else ''}"
        for name, (status, headers, body) in instead.items()
    )
