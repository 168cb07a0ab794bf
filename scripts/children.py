"""Child processes that end when their parent ends, each with a log file of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType


class Child:
    """A running command. It leads a process group, so `stop` reaches whatever it started in turn.

    :param name: what messages call it.
    :param log: takes its standard output and standard error; written anew.
    :param keep: open files that it shall hold too (a lock that must live as long as it does).
    :param folder: its working folder; by default this process's own.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: dict[str, str],
        log: Path,
        keep: Sequence[int] = (),
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=keep,
                cwd=folder,
            )

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def last_line(self) -> str:
        """The last line it printed; of a Python traceback, that is the error."""
        lines = [line.strip() for line in self.output().splitlines() if line.strip()]
        return lines[-1] if lines else "it printed nothing"

    def stop(self, seconds: float = 10) -> None:
        """End it and all it started: politely at first, for certain after `seconds`."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                break
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        self.process.wait()


def stop_all(children: Sequence[Child]) -> None:
    """End several, side by side."""
    for child in children:
        with suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGTERM)
    for child in children:
        child.stop()


def leave_on_signals() -> None:
    """Let Ctrl-C and SIGTERM unwind this process, so that `finally` blocks end the children, undisturbed by a second."""

    def leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  (the signature signal handlers have)
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM)
    for each in signals:
        signal.signal(each, leave)
