"""The environment Airflow runs in holds nothing of the user's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from environment import ROOT, airflow_environment, clean_environment


def test_nothing_of_the_shell_leaks_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", "/elsewhere")
    monkeypatch.setenv("AIRFLOW_CONN_AEP_DEFAULT", "aep://somebody:secret@platform.adobe.io")
    monkeypatch.setenv("AIRFLOW_CONFIG", "/elsewhere/airflow.cfg")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("OPENLINEAGE_URL", "https://lineage/elsewhere")
    monkeypatch.setenv("NO_PROXY", "intranet")
    environment = airflow_environment(tmp_path)
    assert "/elsewhere" not in " ".join(environment.values())
    assert "secret@" not in " ".join(environment.values())
    assert environment["AIRFLOW__CORE__DAGS_FOLDER"] == str(ROOT / "dags")
    assert environment["AIRFLOW_HOME"] == str(tmp_path)
    assert environment["NO_PROXY"].split(",")[:2] == ["intranet", "127.0.0.1"]


def test_the_keys_are_made_once_and_stay_private(tmp_path: Path) -> None:
    airflow_environment(tmp_path / "home")
    config = tmp_path / "home" / "airflow.cfg"
    keys = config.read_text(encoding="utf-8")
    assert config.stat().st_mode & 0o077 == 0
    airflow_environment(tmp_path / "home")
    assert config.read_text(encoding="utf-8") == keys
    airflow_environment(tmp_path / "other")
    assert (tmp_path / "other" / "airflow.cfg").read_text(encoding="utf-8") != keys
    assert [file.name for file in (tmp_path / "home").iterdir()] == ["airflow.cfg"]


@pytest.mark.parametrize("name", ["my tables", "o'neill", "a$b", 'say "hi"', "$(touch x)", "`touch x`"])
def test_make_hands_on_any_folder_name_as_it_is(name: str) -> None:
    shown = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "run", f"TABLES={name}"],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()[-1]
    words = subprocess.run(
        ["sh", "-c", shown.replace(".venv/bin/python scripts/run.py", "printf '%s\\n'")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert words.splitlines() == ["--tables", name]
