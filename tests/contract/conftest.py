"""One platform for all contract tests that need nothing special; each caller has an organisation of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .parts import Parts
from .platform import Caller, Server

ACCOUNTS = """\
Id,Name,Phone,CreatedDate,Employees,Active
001,Northwind,555-0100,2026-01-01T08:00:00Z,12,true
002,"Tail, Spin",555-0101,2026-01-02T08:00:00Z,7,false
003,Fabrikam,,2026-01-03T08:00:00Z,,true
004,Woodgrove,555-0103,2026-01-04T08:00:00Z,90,true
"""


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("contract"), for_real=True)
    (running.tables / "Account.csv").write_text(ACCOUNTS)
    yield running
    running.end()
    assert not running.traceback(), running.log.read_text()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start a platform with switches of its own; it ends with the test."""
    started: list[Server] = []

    def start_one(*arguments: str) -> Server:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        one = Server(folder, *arguments)
        started.append(one)
        (one.tables / "Account.csv").write_text(ACCOUNTS)
        return one

    yield start_one
    for each in started:
        each.end()
        assert not each.traceback(), each.log.read_text()


@pytest.fixture
def aep(server: Server) -> Iterator[Caller]:
    with server.caller() as caller:
        yield caller


@pytest.fixture
def parts(aep: Caller) -> Parts:
    return Parts(aep)
