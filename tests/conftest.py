"""Every test runs in this project's own Airflow environment, whatever the shell or the user's Airflow says."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from .leaks import CommandLines, in_files, leaked

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from environment import HOME, airflow_environment

# Before anything imports Airflow, which reads its configuration while it is imported.
_environment = airflow_environment(HOME / "tests") | {"AIRFLOW__CORE__UNIT_TEST_MODE": "True"}
os.environ.clear()
os.environ.update(_environment)


class NothingLeaks:
    """After all tests, searches what they leave behind for their secrets. Lives in the process that tells their results."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._found: list[str] = []
        self._command_lines = CommandLines()

    def pytest_sessionstart(self) -> None:
        self._command_lines.start()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        printed = "".join(text for _, text in report.sections) + report.longreprtext
        found = leaked(printed.encode(errors="replace"))
        if found:
            self._found.append(f"output of {report.nodeid}: {', '.join(found)}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._command_lines.stop()
        self._found += [*sorted(self._command_lines.found), *in_files(self._config._tmp_path_factory.getbasetemp())]
        if self._found and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._found:
            terminalreporter.section("secrets left behind")
            for line in self._found:
                terminalreporter.line(line)


def pytest_configure(config: pytest.Config) -> None:
    # A worker of xdist runs tests for another process, which tells the results.
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(NothingLeaks(config), "nothing-leaks")
