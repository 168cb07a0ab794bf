"""``aep-local serve``: how it starts, stops, and comes back after being killed."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from aep_local.cli import main
from aep_local.core.settings import Assumptions

from .conftest import FLOW, Chain, Inside, Platform, anybody

LIST = f"{FLOW}/connections"
Start = Callable[..., Platform]


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says on standard error when it refuses how it was called."""
    with pytest.raises(SystemExit) as refused:
        main(["serve", *arguments])
    assert refused.value.code == 2
    output = capsys.readouterr()
    assert "ready" not in output.out
    return output.err


def test_it_says_where_it_serves_and_serves_there(platform: Platform) -> None:
    assert platform.url.startswith("http://127.0.0.1:")
    assert not platform.url.endswith(":0")
    assert anybody("GET", platform.url).status_code == 404


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_stops_it_cleanly(start_platform: Start, number: signal.Signals) -> None:
    platform = start_platform()
    with platform.client("A@AdobeOrg") as aep:
        assert aep.get(LIST).status_code == 200
    assert platform.end(number) == 0
    assert "Traceback" not in platform.log.read_text()
    with pytest.raises(httpx.ConnectError):
        anybody("GET", platform.url)


@pytest.mark.slow
def test_everything_is_there_again_after_a_kill(start_platform: Start) -> None:
    platform = start_platform()
    with platform.client("A@AdobeOrg") as aep:
        flow_id = Chain(aep).flow()
        kept = {path: aep.get(path).json() for path in (LIST, f"{FLOW}/flows", f"{FLOW}/flows/{flow_id}")}
        assert kept[LIST]["items"]
        created = Chain(aep).connection(name="last words")
        assert platform.end(signal.SIGKILL) == -signal.SIGKILL
        platform.start()
        aep.base_url = httpx.URL(platform.url)
        assert aep.get(f"{LIST}/{created}").status_code == 200, "what was answered is kept, and so is the token"
        for path in list(kept)[1:]:
            assert aep.get(path).json() == kept[path]
        assert aep.get(LIST).json()["items"][1:] == kept[LIST]["items"]


def test_a_state_folder_has_one_server(
    platform: Platform, sample_tables: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--tables", str(sample_tables), "--state", str(platform.state)]) == 1
    said = capsys.readouterr()
    assert "in use by another server" in said.err
    assert "ready" not in said.out
    assert anybody("GET", platform.url).status_code == 404, "the first one is not disturbed"


def test_nobody_else_may_look_into_a_state_folder_that_it_makes(start_platform: Start, tmp_path: Path) -> None:
    """Rows lie there, and hashes of secrets."""
    start_platform("--state", str(tmp_path / "new"))
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


def test_a_port_that_is_taken_is_an_error(
    sample_tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code = main(["serve", "--tables", str(sample_tables), "--state", str(tmp_path / "s"), "--port", port])
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_it_works_without_any_table(inside: Callable[..., Inside], tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    aep = inside(tables=empty).client()
    id = Chain(aep).connection()
    assert aep.get(f"{LIST}/{id}/explore", params={"objectType": "root"}).json() == []
    (empty / "Late.csv").write_text("Id\n1\n")
    explored = aep.get(f"{LIST}/{id}/explore", params={"objectType": "root"}).json()
    assert [each["name"] for each in explored] == ["Late"]


def test_latency_is_added_to_every_answer(inside: Callable[..., Inside]) -> None:
    platform = inside(latency_ms=150)
    began = time.perf_counter()
    assert anybody("GET", platform.url + "/nothing").status_code == 404
    assert time.perf_counter() - began >= 0.15


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--assume", "gravity=no"], ["gravity=no", "once_runs_by_itself", "run_window_in_document"]),
        (["--assume", "once_runs_by_itself"], ["KEY=VALUE"]),
        (["--assume", "once_runs_by_itself=maybe"], ["once_runs_by_itself", "'yes' or 'no'"]),
        (["--assume", "listing_lag_seconds=-1"], ["listing_lag_seconds"]),
        (["--time-scale", "-1"], ["--time-scale"]),
        (["--token-seconds", "0"], ["--token-seconds"]),
        (["--port", "70000"], ["--port"]),
        (["--accounts", "/nothing/there.yaml"], ["accounts file"]),
        (["--faults", "f.json"], ["--faults"]),
        (["--tables", "/nothing/there"], ["--tables", "no such folder"]),
    ],
)
def test_a_wrong_call_is_explained(
    sample_tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    said = explained(capsys, "--tables", str(sample_tables), "--state", str(tmp_path / "s"), *arguments)
    for word in words:
        assert word in said


def test_the_switches_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["assumptions"]) == 0
    told = capsys.readouterr().out
    for key in Assumptions.model_fields:
        assert f"  {key}=" in told
    for settings in ("start_inclusive, end_inclusive, both_", "a whole number from 1 to 100", "a number, 0 or more"):
        assert f"      settings: {settings}" in told


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("clients: [", "neither YAML nor JSON"),
        ("organisations: []\nclients: [{id: a, secret: needle, organisation: X}]", "X is not listed"),
        ("organisations: []\nclients: [{id: a, secret: [needle], organisation: X}]", "secret"),
        ("organisations: []\nclients: []\nfriends: []", "friends"),
    ],
)
def test_a_wrong_accounts_file_is_explained_without_its_secrets(
    sample_tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, word: str
) -> None:
    file = tmp_path / "accounts.yaml"
    file.write_text(content)
    said = explained(capsys, "--tables", str(sample_tables), "--state", str(tmp_path / "s"), "--accounts", str(file))
    assert word in said
    assert "needle" not in said


def test_the_access_log_has_no_queries(platform: Platform) -> None:
    anybody("POST", f"{platform.url}/ims/token/v2", params={"client_id": "needle"})
    anybody("GET", f"{platform.url}/a%0Ab?needle=1")
    # a line is written after its answer was sent
    log = platform.logged("POST '/ims/token/v2' 400", "'/a\\nb'")
    assert "/a\nb" not in log, "nobody can write lines into the log"
    assert "needle" not in log
