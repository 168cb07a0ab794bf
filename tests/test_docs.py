"""What the documents print works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from aep_provider.dataflows.load import load_spec
from aep_provider.dataflows.spec import DataflowSpec
from environment import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_printed_dataflows_are_the_one_that_is_there(page: Path) -> None:
    there = load_spec(ROOT / "include" / "dataflows" / "servicenow_incident.yaml")
    for block in blocks(page, "yaml"):
        assert DataflowSpec.model_validate(YAML(typ="safe").load(block)) == there


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_printed_python_runs(page: Path) -> None:
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), {"__name__": "printed"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (page.parent / link).exists(), link
