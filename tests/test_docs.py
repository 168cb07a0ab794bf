"""What the pages print works. What they say to type is typed in tests/e2e/test_documents.py."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aep_local.core.accounts import load as load_accounts
from aep_provider.dataflows.reading.document import parse, read_document
from aep_provider.dataflows.reading.load import load_folder
from aep_provider.dataflows.spec import DataflowSpec
from environment import ROOT

from .documents import LANGUAGES, PAGES, SHELL, blocks, missing_lines


def texts(page: Path, language: str) -> list[str]:
    return [block.text for block in blocks(page) if block.language == language]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_of_a_kind_that_is_tried(page: Path) -> None:
    """An indented block has no language, and nobody would see that it is not tried."""
    unknown = [f"{block.place} {block.language!r}" for block in blocks(page) if block.language not in LANGUAGES]
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_not_tried_says_why(page: Path) -> None:
    """A remark that stands nowhere before a block, or is misspelled, would keep nothing from being run."""
    found = blocks(page)
    remarks = re.findall(r"<!-- *(.*?) *-->", page.read_text(encoding="utf-8"), re.DOTALL)
    known = [f"not run here: {block.not_run}" for block in found if block.not_run]
    known += [f"wait: {wait}" for block in found for wait in block.waits]
    assert sorted(remarks) == sorted(known)
    assert all(block.language in {*SHELL, "console", "python"} for block in found if block.not_run)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_printed_dataflows_are_read(page: Path, tmp_path: Path) -> None:
    """A block that begins with the name of a file is that file of the page's folder; any other is the one that is there."""
    folder = tmp_path / "dataflows"
    folder.mkdir()
    (shipped,) = load_folder(ROOT / "include" / "dataflows").specs
    shutil.copytree(ROOT / "include" / "mappings", tmp_path / "mappings")
    for block in texts(page, "yaml"):
        named = re.match(r"# (?:include/dataflows/)?([\w.-]+\.yaml)\n", block)
        if block.startswith("# include/accounts.yaml\n"):
            (tmp_path / "accounts.yaml").write_text(block, encoding="utf-8")
            load_accounts(tmp_path / "accounts.yaml")
        elif named:
            assert not (folder / named[1]).exists(), f"{named[1]} is printed twice"
            (folder / named[1]).write_text(block, encoding="utf-8")
        else:
            content = parse(block, page).content
            assert DataflowSpec.model_validate(content) == shipped
    sandboxes = folder / "_sandboxes.yaml"
    for sandbox in read_document(sandboxes).content if sandboxes.exists() else [None]:
        loaded = load_folder(folder, sandbox=sandbox)
        assert loaded.wrong == []
        assert len(loaded.declared) == len(list(folder.glob("[!_]*.yaml")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_printed_python_runs(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for block in blocks(page):
        if block.language == "python" and not block.not_run:
            code = compile(block.text, block.place, "exec")
            # What a reader copies into a file of tests is run there.
            if not block.file.startswith("tests/"):
                exec(code, {"__name__": "printed", "__file__": str(ROOT / "include" / "printed.py")})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_printed_documents_are_well_formed(page: Path) -> None:
    for text in texts(page, "json"):
        json.loads(text)
    for text in texts(page, "ini"):
        configparser.ConfigParser(interpolation=None).read_string(text)
    # Rules for faults are tried where faults are: tests/aep_local/test_faults_rules.py.
    assert page.name == "faults.md" or not texts(page, "yml")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (page.parent / link).exists(), link


def test_output_is_compared_by_its_lines() -> None:
    printed = "Airflow    http://127.0.0.1:8080\n+ flow 3b33b1cb-65fb-4d55-9d1f-408c97f3935a\n│ Rows │ 200     │\nend"
    assert missing_lines("Airflow http://127.0.0.1:1\n…\n│ Rows │ 200 │\nend", printed) == []
    assert missing_lines("+ flow 0d3f0000-0000-0000-0000-000000000000", printed) == []
    assert missing_lines("│ Rows │ 20 │\nend\nAirflow …", printed) == ["│ Rows │ 20 │", "Airflow …"]


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """Every link leads somewhere, every name in a docstring is there, and what is exported is in the reference."""
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "--fail-on-warning",
        "--keep-going",
        "--quiet",
        "-d",
        str(tmp_path / "read"),
    ]
    done = subprocess.run(
        [*command, str(ROOT / "docs"), str(tmp_path / "site")], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    site = {page.stem: page.read_text(encoding="utf-8") for page in (tmp_path / "site" / "reference").glob("*.html")}
    for field in DataflowSpec.model_fields:
        assert field in site["dataflow-fields"]
    for name, page in (
        ("AepCreateFlowOperator", "operators"),
        ("AepFlowRunSensor", "sensors"),
        ("flow_url", "configuration"),
    ):
        assert name in site[page]
    assert "airflow aep destroy" in site["command-line"]
    assert "--time-scale" in site["command-line"]
    assert "run_window_in_document" in site["switches"]
