"""A platform that was forked is as one that was started, and does not outlive who asked for it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import requests

from . import platforms
from .platforms import Process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="platforms are forked on Linux only")

Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a platform, told everything relative to the test's folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tables").mkdir()
    started: list[Process] = []

    def start_one(*arguments: str) -> Process:
        with (tmp_path / "log").open("a") as log:
            command = ["serve", "--tables", "tables", "--state", f"state{len(started)}", *arguments]
            started.append(platforms.start(command, log))
        return started[-1]

    yield start_one
    for each in started:
        each.kill()
        each.wait(20)
        if each.stdout:
            each.stdout.close()


def told(process: Process) -> str:
    """All it says on standard output from here on."""
    assert process.stdout is not None
    return process.stdout.read()


def address(process: Process) -> str:
    assert process.stdout is not None
    word, url = process.stdout.readline().split()
    assert word == "ready"
    return url


def token(url: str) -> str:
    form = {"grant_type": "client_credentials", "client_id": "c", "client_secret": "s", "scope": "openid"}
    return str(requests.post(f"{url}/ims/token/v3", data=form, timeout=30).json()["access_token"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)])
def test_it_serves_until_a_signal_ends_it(start: Start, tmp_path: Path, number: signal.Signals, code: int) -> None:
    process = start()
    assert token(address(process))
    assert (process.poll(), process.returncode) == (None, None)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.send_signal(number)
    assert process.wait(20) == process.poll() == process.returncode == code
    assert not psutil.pid_exists(process.pid)
    assert told(process) == ""
    log = (tmp_path / "log").read_text()
    assert len(log.splitlines()) == 1, log
    assert "POST '/ims/token/v3' 200" in log
    process.kill()


def test_what_ends_it_at_once_is_in_its_log(start: Start, tmp_path: Path) -> None:
    process = start("--port", "70000")
    assert (told(process), process.wait(20)) == ("", 2)
    assert "--port" in (tmp_path / "log").read_text()


def test_siblings_share_neither_chance_nor_files(start: Start) -> None:
    processes = [start() for _ in range(3)]
    assert len({token(address(process)) for process in processes}) == 3
    held: set[str] = set()
    for process in processes:
        files = {os.readlink(file) for file in Path(f"/proc/{process.pid}/fd").iterdir()}
        own = {file for file in files if file.startswith(("socket:", "pipe:")) or "state" in file}
        assert own
        assert not held & own
        held |= own
    processes[0].kill()
    assert told(processes[0]) == "", "its pipe ends with it, while the others live"


def test_the_environment_is_that_of_the_start(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address(start())
    monkeypatch.setenv("TZ", "NPT-5:45")
    process = start()
    began = datetime.now(UTC).replace(microsecond=0)
    token(address(process))
    process.terminate()
    process.wait(20)
    moment = re.match(r"\S+ [\d:]+", (tmp_path / "log").read_text())
    assert moment
    logged = datetime.fromisoformat(f"{moment[0]}+05:45")
    assert began <= logged <= began + timedelta(minutes=1)


PARENT = """
import sys, time
sys.path.insert(0, sys.argv[1])
import platforms
with open("log", "w") as log:
    process = platforms.start(["serve", "--tables", "tables", "--state", "state"], log)
print(process.stdout.readline(), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("who", [0, 1], ids=["who starts", "who forks"])
def test_nothing_outlives_who_is_killed(tmp_path: Path, who: int) -> None:
    (tmp_path / "tables").mkdir()
    command = [sys.executable, "-c", PARENT, str(Path(platforms.__file__).parent)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().startswith("ready ")
        (forks,) = psutil.Process(parent.pid).children()
        (platform,) = forks.children()
        [parent, forks][who].kill()
        _, alive = psutil.wait_procs([forks, platform] if who == 0 else [platform], timeout=20)
        parent.kill()
    assert alive == []
