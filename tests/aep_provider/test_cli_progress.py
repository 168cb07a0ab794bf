"""How far a command is, on a terminal and nowhere else; what it prints stays as it was."""

from __future__ import annotations

import io
import logging
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from aep_provider.cli.progress import shown
from aep_provider.dataflows.progress import Stage

SPEC = """\
name: incidents
source: servicenow
source_conn_id: aep_source_servicenow
table: incident
delta_column: sys_updated_at
"""
COMMANDS = {
    "plan": lambda folder: [str(folder)],
    "apply": lambda folder: [str(folder), "--yes"],
    "runs": lambda folder: ["--specs", str(folder), "--from", "2026-01-01", "--to", "2026-01-02"],
    "export": lambda folder: ["--out", str(folder / "exported")],
    "rotate": lambda folder: ["--specs", str(folder), "aep_source_servicenow"],
    "destroy": lambda folder: ["--specs", str(folder), "incidents", "--yes"],
}


class Terminal:
    """A pseudo-terminal, and all that was written to it."""

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()
        self._read: list[bytes] = []
        self._reader = threading.Thread(target=self._take, daemon=True)
        self._reader.start()

    def _take(self) -> None:
        # Linux ends the reading with an error once nobody can write any more.
        with suppress(OSError):
            while data := os.read(self._master, 65536):
                self._read.append(data)

    def text(self) -> str:
        """All that was written, once nobody writes any more."""
        self._reader.join(30)
        os.close(self._master)
        return b"".join(self._read).decode(errors="replace")


def seen_at_the_end(written: str) -> str:
    """What stands on the last line of the terminal after all that was written to it."""
    return written.rpartition("\x1b[2K")[2].strip() if "\x1b[2K" in written else written


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    specs = tmp_path / "dataflows"
    specs.mkdir()
    (specs / "incidents.yaml").write_text(SPEC)
    return specs


@pytest.fixture
def command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], aep: Any, no_waits: None, monkeypatch: Any
) -> Callable[..., tuple[str, str]]:
    """Run a command; what it prints on standard output, and what on standard error, which may be a terminal."""
    from airflow.cli import cli_parser

    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
    # Rich takes these for a terminal.
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("aep_provider.cli.intents.AIRFLOW_HOME", str(tmp_path / "home"))
    parser = cli_parser.get_parser()

    def run(word: str, *more: str, terminal: bool = False) -> tuple[str, str]:
        args = parser.parse_args(["aep", word, *COMMANDS[word](folder), *more])
        capsys.readouterr()
        if not terminal:
            with pytest.raises(SystemExit):
                args.func(args)
            return tuple(capsys.readouterr())  # type: ignore[return-value]
        screen = Terminal()
        with monkeypatch.context() as patch, os.fdopen(screen.slave, "w") as stderr:
            patch.setattr(sys, "stderr", stderr)
            with pytest.raises(SystemExit):
                args.func(args)
        return capsys.readouterr().out, screen.text()

    return run


def test_every_command_says_how_far_it_is_on_a_terminal_and_leaves_nothing_behind(command: Any, folder: Path) -> None:
    counted = {
        "plan": "1/1", "apply": "8/8", "rotate": "1/1", "runs": "1/1", "export": "1/1", "destroy": "3/3",
    }  # fmt: skip
    for word, count in counted.items():
        out, err = command(word, terminal=True)
        assert "\x1b" not in out, word
        assert count in err, (word, err)
        assert seen_at_the_end(err) == "", word
        assert "\x1b[?25l" not in err, f"{word} hides the cursor: whoever is killed cannot show it again"


def test_elsewhere_it_says_nothing(command: Any) -> None:
    for word in COMMANDS:
        out, err = command(word)
        assert err == "", word
        assert "\x1b" not in out, word


def test_beside_json_it_says_nothing_even_on_a_terminal(command: Any) -> None:
    for word in ("plan", "apply", "runs"):
        assert command(word, "--json", terminal=True)[1] == "", word


def test_standard_output_is_the_same_either_way(command: Any) -> None:
    assert command("plan")[0] == command("plan", terminal=True)[0]
    out, _ = command("apply", terminal=True)
    assert out.endswith("Applied to sandbox prod: 8 created.\n")
    out, _ = command("destroy", terminal=True)
    assert "deleted the flow incidents" in out, "what is printed meanwhile goes where it belongs"


@pytest.mark.slow
def test_a_process_of_its_own(folder: Path, aep: Any, tmp_path: Path) -> None:
    """The real command line: standard error a terminal, standard output a pipe."""
    screen = Terminal()
    command = [sys.executable, "-m", "airflow", "aep", "plan", str(folder)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=screen.slave, timeout=120, check=False
        )
    finally:
        os.close(screen.slave)
    written, out = screen.text(), done.stdout.decode()
    assert done.returncode == 2, written
    assert "Plan: 8 to create, 0 unchanged." in out
    assert "\x1b" not in out
    assert "1/1" in written
    assert "dataflows planned" in written


def test_what_aep_calls_things_cannot_move_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    with os.fdopen(screen.slave, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        with shown() as how_far:
            stage = Stage(how_far, "things", 1)
            stage.ends("evil\x1b[2J\r\n[red]name[/red]")
        monkeypatch.undo()
    written = screen.text()
    assert "\x1b[2J" not in written
    assert "[red]name[/red]" in written


def test_what_is_logged_meanwhile_stands_above_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    with os.fdopen(screen.slave, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        handler, into_a_file = logging.StreamHandler(stderr), logging.StreamHandler(io.StringIO())
        monkeypatch.setattr(logging.getLogger(), "handlers", [handler, into_a_file])
        with shown() as how_far:
            Stage(how_far, "things", 1)
            logging.getLogger("somebody").error("a line of the log")
            assert isinstance(into_a_file.stream, io.StringIO)
        assert handler.stream is stderr
        monkeypatch.undo()
    assert "\x1b[2Ka line of the log\r\n" in screen.text()
