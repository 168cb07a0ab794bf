"""An Airflow of a user who has nothing of this project yet."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from environment import BIN, ROOT, clean_environment

_LOCKED = ["-c", str(ROOT / "requirements.lock")]


class NoIndexError(RuntimeError):
    """No package index can be reached."""


@contextmanager
def bare_airflow(folder: Path, demand: Callable[[bool, str], None]) -> Iterator[BareAirflow]:
    """A bare Airflow, gone in the end; a test that asks for it where no package index can be reached is skipped, or fails."""
    with TemporaryDirectory(prefix="bare-airflow-") as venv:
        try:
            yield BareAirflow(Path(venv), folder)
        except NoIndexError as error:
            demand(False, str(error))


class BareAirflow:
    """
    A virtual environment with Airflow, in the locked version, and nothing of the checkout: no path leads there.

    :param venv: where it shall be. Not below the folder of the tests, all of which is searched for secrets in the end.
    :param folder: holds what a user would have.
    :raises NoIndexError: packages can be had from nowhere.
    """

    def __init__(self, venv: Path, folder: Path) -> None:
        self.bin = venv / "bin"
        self.home = folder / "home"
        self.elsewhere = folder / "elsewhere"
        for each in (self.home, self.elsewhere):
            each.mkdir(parents=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
        self.environment = {
            name: value for name, value in clean_environment().items() if name not in ("VIRTUAL_ENV", "PATH")
        }
        self.environment |= {
            "PATH": os.pathsep.join([str(self.bin), os.defpath]),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        }
        self.install("apache-airflow")

    def install(self, *what: str) -> None:
        """Install requirements or wheels, and what they need, in the locked versions."""
        with_uv = [str(BIN / "uv"), "pip", "install", "--python", str(self.bin / "python")]
        # Some need pip for the package index that it is configured with.
        with_pip = [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "install", "--quiet"]
        told = []
        for command in (with_uv, with_pip):
            done = subprocess.run(
                [*command, *_LOCKED, *what],
                env=clean_environment(),
                cwd=self.elsewhere,
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
            if done.returncode == 0:
                return
            told += done.stderr.strip().splitlines()[-1:]
        raise NoIndexError(f"{' '.join(what)} could not be installed: {'; '.join(told)}")

    def run(self, command: str, *arguments: str, folder: Path | None = None, check: bool = True, **more: str) -> str:
        """
        Run a command of the environment; what it printed.

        :param folder: where, by default far from the checkout.
        :param more: further variables of its environment.
        """
        done = subprocess.run(
            [str(self.bin / command), *arguments],
            env=self.environment | more,
            cwd=folder or self.elsewhere,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert (done.returncode == 0) is check, done.stdout[-6000:] + done.stderr[-6000:]
        return done.stdout + done.stderr
