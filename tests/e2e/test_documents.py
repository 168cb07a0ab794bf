"""The commands of the pages, typed one after another into a copy of the project, against one Airflow and one local AEP."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from children import Child
from environment import ROOT, clean_environment

from ..airflow_forks import shim
from ..documents import PAGES, SHELL, Block, blocks, missing_lines

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

# Where a reader is to begin; the others are read in any order, and run in that of their names.
FIRST = ["README.md", "tutorial.md"]
HERE = Path(__file__).parent
GOES_ON = {"make up": r"^Airflow +(http://\S+)", "aep-local serve": r"^ready (http://\S+)"}


class Reader:
    """Somebody who types what the pages say. Has a copy of the project, a home folder with tables, and two terminals."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "airflow-provider-aep"
        self.home = folder / "home"
        self.running: dict[str, Child] = {}
        self.airflow = self._up = ""
        _copy(self.project)
        _tables(self.home / "my-tables")
        self.terminal = clean_environment() | {"HOME": str(self.home), "SHELL": "/bin/sh"}
        self.in_shell: dict[str, str] = {}

    def read(self, page: Path) -> list[str]:
        """Do all that a page says; what did not come out as it says."""
        wrong: list[str] = []
        # Pages other than the first two say at their top, by way of the index, where one is: in `make shell`.
        environment = self.terminal if page.name in FIRST else self.shell()
        started = []
        if page.name not in FIRST:
            # What a page declares is its own example; all go on from the tutorial's.
            shutil.copytree(self.project / "include" / "dataflows", self.folder / "declared", dirs_exist_ok=True)
        for block in blocks(page):
            for told in block.waits:
                self.wait(*told.split())
            if block.file and not block.not_run:
                self.write(block)
            if block.language not in {*SHELL, "console"} or block.not_run:
                continue
            for command, status, wanted in block.commands():
                if command.strip() == "make shell":
                    environment = self.shell()
                elif (goes_on := next((one for one in GOES_ON if command.startswith(one)), None)) is not None:
                    started += [goes_on] if self.start(goes_on, command, environment) else []
                else:
                    wrong += [f"{block.place}: {one}" for one in self.type(command, status, wanted, environment)]
        if page.name not in FIRST:
            shutil.rmtree(self.project / "include" / "dataflows")
            shutil.copytree(self.folder / "declared", self.project / "include" / "dataflows")
        for one in started:
            if one != "make up":
                self.running.pop(one).stop()
        if any(block.file.startswith("tests/") for block in blocks(page)):
            wrong += self.test(page)
        return wrong

    def write(self, block: Block) -> None:
        file = self.home / block.file[2:] if block.file.startswith("~/") else self.project / block.file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, encoding="utf-8")

    def type(self, command: str, status: int, wanted: str, environment: dict[str, str]) -> Iterator[str]:
        """Run a command; what is not as the page says. What SQLite refuses is typed again, as the pages tell to."""
        for _ in range(3):
            begun = time.monotonic()
            self.up_again()
            done = subprocess.run(
                ["bash", "-e", "-o", "pipefail", "-c", command],
                env=environment, cwd=self.project, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
            print(f"$ {command.rstrip()}\n{done.stdout}{done.stderr[-3000:]}({time.monotonic() - begun:.1f} s)\n")
            if "database is locked" not in done.stderr:
                break
        if done.returncode != status:
            yield f"{command.strip()!r} ended with {done.returncode}: {(done.stderr or done.stdout)[-800:]}"
        for line in missing_lines(wanted, done.stdout + done.stderr):
            yield f"{command.strip()!r} did not print {line!r}"

    def up_again(self) -> None:
        """Start `make up` again if a part of Airflow has ended: a scheduler does when SQLite takes a backfill back (3.3)."""
        if "make up" in self.running and self.running["make up"].process.poll() is not None:
            print(self.running.pop("make up").output())
            self.start("make up", self._up, self.terminal)

    def start(self, name: str, command: str, environment: dict[str, str]) -> bool:
        """Start what goes on, unless it does so already."""
        if name in self.running:
            return False
        words = shlex.split(command, comments=True)
        if name == "make up":
            self._up = command
            # One of their own for all pages, on ports that nobody else has.
            options = [f"--{word.partition('=')[0].lower()}={word.partition('=')[2]}" for word in words[2:]]
            words = [str(self.project / ".venv/bin/python"), str(self.project / "scripts/up.py"), *options]
            words = [word.replace("~", str(self.home)) for word in [*words, "--port=0", "--aep-port=0"]]
        else:
            words = ["bash", "-c", f"cd {shlex.quote(str(self.project))} && exec {command}"]
        child = Child(name, words, environment=environment, log=self.folder / f"{name}.log")
        self.running[name] = child
        deadline = time.monotonic() + 180
        while not (found := re.search(GOES_ON[name], child.output(), re.MULTILINE)):
            assert child.process.poll() is None, child.output()
            assert time.monotonic() < deadline, child.output()
            time.sleep(0.1)
        if name == "make up":
            self.airflow = found[1]
        return True

    def shell(self) -> dict[str, str]:
        """The environment within `make shell`, in which `airflow` costs little."""
        if not self.in_shell:
            told = subprocess.run(
                ["make", "--silent", "shell"],
                env=self.terminal, cwd=self.project, input="env -0\n", capture_output=True, text=True, check=True,
            )  # fmt: skip
            self.in_shell = dict(line.split("=", 1) for line in told.stdout.split("\0") if "=" in line)
            address = self.folder / "forks"
            shim(self.folder / "shims", address)
            command = [sys.executable, str(HERE.parent / "airflow_forks.py"), str(address)]
            self.running["forks"] = Child("forks", command, environment=self.in_shell, log=self.folder / "forks.log")
            deadline = time.monotonic() + 120
            while not address.exists():
                assert self.running["forks"].process.poll() is None, self.running["forks"].output()
                assert time.monotonic() < deadline, self.running["forks"].output()
                time.sleep(0.1)
            self.in_shell["PATH"] = os.pathsep.join([str(self.folder / "shims"), self.in_shell["PATH"]])
        return self.in_shell

    def wait(self, dag_id: str, until: str) -> None:
        """Look at Airflow's pages until the DAG ``appears``, or until each of its runs, and its backfill, ``ends``."""
        deadline = time.monotonic() + 240
        while True:
            self.up_again()
            runs = self.told(f"dags/{dag_id}/dagRuns")
            states = [run["state"] for run in runs["dag_runs"]] if runs else []
            if until == "appears" and runs:
                return
            if states and not {"queued", "running"} & set(states):
                backfills = self.told(f"backfills?dag_id={dag_id}")
                if backfills and all(one["completed_at"] for one in backfills["backfills"]):
                    return
            assert time.monotonic() < deadline, f"{dag_id}: {states}"
            time.sleep(0.5)

    def told(self, path: str) -> Any:
        """What Airflow's REST API tells; None where it refuses."""
        token = requests.get(f"{self.airflow}/auth/token", timeout=30).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.get(f"{self.airflow}/api/v2/{path}", headers=headers, timeout=30)
        return answer.json() if answer.ok else None

    def test(self, page: Path) -> Iterator[str]:
        """Run the tests that the page has a reader copy."""
        tests = [
            one.file
            for one in blocks(page)
            if one.file.startswith("tests/") and Path(one.file).name.startswith("test_")
        ]
        command = f"python -m pytest -q -p no:cacheprovider {' '.join(tests)}"
        yield from self.type(command, 0, "… passed", self.terminal)

    def leave(self) -> None:
        """Press Ctrl-C everywhere."""
        for child in reversed(self.running.values()):
            child.process.terminate()
        for child in self.running.values():
            child.stop(30)
        # They name the account of the local AEP, which is searched for in all that tests leave behind.
        shutil.rmtree(self.project / "scripts")


def _copy(project: Path) -> None:
    """The project without its tests, as fresh as a clone; with the virtual environment that is there."""
    kept = shutil.ignore_patterns("__pycache__", "*.lock", "*.log", "tests", "build", ".*")
    shutil.copytree(ROOT, project, ignore=kept)
    shutil.copy2(ROOT / "requirements.lock", project)
    (project / ".venv").symlink_to(Path(sys.prefix), target_is_directory=True)


def _tables(folder: Path) -> None:
    """The sample tables, and as many more as the pages speak of."""
    shutil.copytree(ROOT / "include" / "tables", folder)
    for name in ("change_request", "problem", "sc_task"):
        shutil.copy(folder / "incident.csv", folder / f"{name}.csv")


def test_what_the_pages_say_is_what_happens(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    pages = sorted(PAGES, key=lambda page: (FIRST.index(page.name) if page.name in FIRST else len(FIRST), page.name))
    try:
        wrong = [line for page in pages for line in reader.read(page)]
    finally:
        reader.leave()
    assert wrong == []
