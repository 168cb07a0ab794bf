"""Forty dataflows of two systems, written once, in three sandboxes that differ a little."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from aep_provider.dataflows.reading.load import load_folder
from aep_provider.dataflows.spec import DataflowSpec

from ..conftest import Platform
from .estate import Estate, dataflows, login, serve_estate, tally, wanted

FORTY = 40
SANDBOXES = """\
prod:
stage:
  policy: {partial_ingestion_percent: 9}
dev:
  policy: {timeout: 1h}
  dataflows:
    incidents 00: {base_connection: One for development}
    cases 01: {target: {field_groups: [profile-person-details]}}
"""
BASES = {"dev": 3, "stage": 2, "prod": 2}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform on which no flow runs by itself before a test has ended."""
    running = serve_estate(tmp_path_factory.mktemp("three") / "aep", "--time-scale", "100", tables=FORTY)
    yield running
    running.end()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for spec in dataflows(FORTY):
        text = yaml.safe_dump(spec.model_dump(mode="json", exclude_defaults=True), sort_keys=False)
        (tmp_path / f"{spec.slug}.yaml").write_text(text)
    (tmp_path / "_sandboxes.yaml").write_text(SANDBOXES)
    return tmp_path


def declared(folder: Path, sandbox: str) -> list[DataflowSpec]:
    loaded = load_folder(folder, sandbox=sandbox)
    assert (loaded.wrong, {spec.sandbox for spec in loaded.specs}) == ([], {sandbox})
    return loaded.specs


@pytest.mark.slow
def test_each_is_planned_applied_and_then_there_is_nothing_to_do(platform: Platform, folder: Path) -> None:
    estates = {name: Estate(platform, "THREE@AdobeOrg", login, {"sandbox": name}) for name in ("dev", "stage", "prod")}
    for sandbox, estate in estates.items():
        specs = declared(folder, sandbox)
        assert len(specs) == FORTY
        first = estate.plan(*specs)
        assert first.text.endswith(f"Plan: {7 * FORTY + BASES[sandbox]} to create, 0 unchanged.\n")
        estate.apply(*specs)
        there = tally(estate.inventory())
        assert {kind: there[kind] for kind in wanted(specs)} == wanted(specs)
    for sandbox, estate in estates.items():
        again = estate.plan(*declared(folder, sandbox))
        assert again.text.endswith(f"Nothing to do: {FORTY} dataflows are as declared.\n")
        assert again.plan.orphans == ()
