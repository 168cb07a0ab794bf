"""
The pages, as blocks of code: what language they are in, what they are to be written to, and what must come out of them.

- ``sh``: commands, run one after another in the project; none may fail. ``# ends with 2`` says that a command does.
- ``console``: the same after ``$ ``, each followed by what it prints, compared loosely: see :func:`missing_lines`.
- ``python``, ``yaml``, ``json``, ``ini``: checked for themselves. Where the first line names a path (``# include/x.yaml``),
  the block is that file.
- ``yml``: rules for faults.
- ``text``: anything else, and never run.

Before a block, ``<!-- not run here: why -->`` keeps it from being run, and ``<!-- wait: dag_id -->`` has the test wait until the
runs of a DAG have ended, as a reader does who looks at Airflow's page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt

from environment import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHELL = {"sh", "bash", "shell"}
LANGUAGES = {*SHELL, "console", "python", "yaml", "json", "ini", "yml", "text"}
_MARK = re.compile(r"<!-- (not run here|wait): (.+?) -->", re.DOTALL)
_UNCERTAIN = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{20,40}(?:…|\b)", "ID"),
    (r"tables-[0-9a-f]{4,8}…?", "tables-STATE"),
    (r"https://ns\.adobe\.com/local/(mixins|schemas)/[0-9a-f]+", r"https://ns.adobe.com/local/\1/"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"[━─═┄]+|-{4,}", "-"),
    (r"\s+", " "),
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str = ""
    waits: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def file(self) -> str:
        """The path that the block is to be written to, relative to the project or to the home folder; empty for none."""
        found = re.match(r"# ((?:~/)?[\w.-]+(?:/[\w.-]+)+)\n", self.text)
        return found[1] if found and self.language in {"python", "yaml", "json", "ini"} else ""

    def commands(self) -> Iterator[tuple[str, int, str]]:
        """Each command, the status it ends with, and what it must print."""
        if self.language in SHELL:
            told = [int(status) for status in re.findall(r"# .*?\bends with (\d)", self.text)]
            yield self.text, told[-1] if told else 0, ""
        elif self.language == "console":
            for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
                command = re.match(r"(?:.*\\\n)*.*", part)
                assert command
                ends = re.search(r"# .*?\bends with (\d)", command[0])
                yield command[0], int(ends[1]) if ends else 0, part[command.end() :].strip("\n")


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page; one that is indented only says nothing of what it is."""
    found = []
    marks: list[tuple[str, str]] = []
    for token in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "html_block":
            marks += _MARK.findall(token.content)
        elif token.type == "code_block":
            found.append(Block(page, line, "", token.content))
        elif token.type == "fence":
            not_run = " ".join(told for kind, told in marks if kind == "not run here")
            waits = [told for kind, told in marks if kind == "wait"]
            found.append(Block(page, line, token.info.strip(), token.content, not_run, waits))
        if token.type not in {"html_block"}:
            marks = []
    return found


def missing_lines(wanted: str, printed: str) -> list[str]:
    """
    Return the lines that were not printed, in the order in which they should have been.

    ``…`` stands for anything, a line of it for any lines. Ids, ports, rules of tables and blanks are not compared.
    """
    lines = [_certain(line) for line in printed.splitlines()]
    missing, at = [], 0
    for line in wanted.splitlines():
        pattern = ".*".join(re.escape(part) for part in _certain(line).split("…"))
        if pattern in {"", ".*"}:
            continue
        here = next((number for number in range(at, len(lines)) if re.search(pattern, lines[number])), None)
        if here is None:
            missing.append(line)
        else:
            at = here + 1
    return missing


def _certain(line: str) -> str:
    for uncertain, instead in _UNCERTAIN:
        line = re.sub(uncertain, instead, line)
    return line.strip()
