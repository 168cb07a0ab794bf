"""Children end with their parent, whatever they themselves have started."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

import psutil
import pytest

from children import Child, stop_all
from environment import clean_environment
from local_aep import state_of
from locks import InUseError, hold
from up import PartEndedError, check, listens

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"])
print("started", flush=True)
time.sleep(600)
"""


def start(code: str, tmp_path: Path, **options: object) -> Child:
    command = [sys.executable, "-c", code]
    return Child("part", command, environment=clean_environment(), log=tmp_path / "part.log", **options)


def await_output(child: Child, text: str) -> None:
    deadline = time.monotonic() + 20
    while text not in child.output():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_stop_ends_a_stubborn_child_and_its_children(tmp_path: Path) -> None:
    child = start(STUBBORN, tmp_path)
    await_output(child, "started")
    family = psutil.Process(child.process.pid).children(recursive=True)
    assert family
    child.stop(seconds=0.2)
    assert child.process.returncode == -9
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive


def test_a_part_that_ended_is_named_with_its_last_words(tmp_path: Path) -> None:
    child = start("raise SystemExit('the cable is out')", tmp_path)
    child.process.wait(20)
    with pytest.raises(PartEndedError, match=r"part has ended with status 1: the cable is out"):
        check([child])


SERVER = """\
import socket, subprocess, sys, time
if len(sys.argv) == 1:
    subprocess.run([sys.executable, __file__, "child"])
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    time.sleep(600)
"""


def test_a_port_is_somebodys_own_only_if_they_or_theirs_listen_there(tmp_path: Path) -> None:
    file = tmp_path / "server.py"
    file.write_text(SERVER)
    with socket.create_server(("127.0.0.1", 0)) as others:
        child = Child("server", [sys.executable, str(file)], environment=clean_environment(), log=tmp_path / "log")
        try:
            deadline = time.monotonic() + 30
            while not child.output().endswith("\n"):
                assert time.monotonic() < deadline, child.output()
                time.sleep(0.05)
            assert listens(child, int(child.output()))
            assert not listens(child, others.getsockname()[1])
        finally:
            child.stop()
        assert not listens(child, int(child.output()))


def test_a_lock_lasts_as_long_as_the_child_that_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    lock = hold(path, "it")
    child = start("import time; time.sleep(600)", tmp_path, keep=[lock.fileno()])
    lock.close()
    with pytest.raises(InUseError, match="it is in use by process"):
        hold(path, "it")
    stop_all([child])
    hold(path, "it").close()


def test_a_folder_has_one_state_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "My Tables").mkdir()
    (tmp_path / "other" / "My Tables").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert state_of(Path("My Tables")) == state_of(tmp_path / "other" / ".." / "My Tables")
    assert state_of(Path("My Tables")) != state_of(Path("other/My Tables"))
    assert state_of(Path("My Tables")).name.startswith("my-tables-")
