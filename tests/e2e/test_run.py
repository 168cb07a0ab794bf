"""`make run`: a table of a folder lands in a dataset, by way of real Airflow."""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import duckdb
import psutil
import pytest

from environment import ROOT, clean_environment
from locks import hold

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SAMPLES = ROOT / "include" / "tables"
REAL_TABLES = ROOT.parent / "shared" / "data" / "servicenow"


def landed(files: list[str], columns: list[str]) -> dict[str, list[str | None]]:
    """The values of each source column in Parquet files, wherever in the XDM schema the column has landed."""
    paths = duckdb.execute(
        "SELECT DISTINCT path_in_schema FROM parquet_metadata($1)",
        [files],
    ).fetchall()
    leaf = {path.split(", ")[-1]: path.split(", ") for (path,) in paths}
    missing = [column for column in columns if column not in leaf]
    assert not missing, f"columns that did not land: {missing}; landed: {sorted(leaf)}"
    values = {}
    for column in columns:
        expression = ".".join(f'"{part}"' for part in leaf[column])
        query = f"SELECT {expression}::VARCHAR FROM read_parquet($1, union_by_name = true)"
        values[column] = [value for (value,) in duckdb.execute(query, [files]).fetchall()]
    return values


def source_rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_sample_table_lands_and_a_second_run_creates_nothing(place) -> None:
    first = place.run(SAMPLES, "incident", "sys_updated_at")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Nothing created" not in first.stdout
    assert "│ created" in first.stdout
    folders = sorted(path.name for path in (place.state / "datasets").iterdir())
    rows = source_rows(SAMPLES / "incident.csv")
    values = landed(place.parquet_files(), list(rows[0]))
    assert Counter(values["sys_id"]) == Counter(row["sys_id"] for row in rows)
    assert Counter(values["short_description"]) == Counter(row["short_description"] or None for row in rows)

    second = place.run(SAMPLES, "incident", "sys_updated_at")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "Nothing created" in second.stdout
    assert "│ created" not in second.stdout
    assert sorted(path.name for path in (place.state / "datasets").iterdir()) == folders
    assert Counter(landed(place.parquet_files(), ["sys_id"])["sys_id"]) == Counter(row["sys_id"] for row in rows)


@pytest.mark.thorough
def test_files_that_say_something_else_than_the_runs_are_a_failure(place) -> None:
    """The rows are counted in the files; a platform that only says so is not believed."""
    assert place.run(SAMPLES, "customer").returncode == 0
    file = Path(place.parquet_files()[0])
    file.with_name("again.parquet").write_bytes(file.read_bytes())
    done = place.run(SAMPLES, "customer")
    assert done.returncode == 1
    assert "Failed: the Parquet files do not hold the rows that the runs report" in done.stdout
    assert "Nothing created" in done.stdout


def test_the_real_incident_table_lands_whole(place) -> None:
    """3,743 rows and 37 columns of a real ServiceNow table, not one more or fewer."""
    if not REAL_TABLES.is_dir():
        pytest.skip(f"there is no folder {REAL_TABLES}")
    done = place.run(REAL_TABLES, "incident", "sys_updated_at")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = source_rows(REAL_TABLES / "incident.csv")
    columns = list(rows[0])
    assert (len(rows), len(columns)) == (3743, 37)
    values = landed(place.parquet_files(), columns)
    assert Counter(values["sys_id"]) == Counter(row["sys_id"] for row in rows)
    for column in columns:
        filled = sum(value is not None for value in values[column])
        assert filled == sum(row[column] != "" for row in rows), f"values lost or invented in {column}"
        assert len(values[column]) == 3743


@pytest.mark.thorough
def test_a_table_made_just_now_lands_once(place, tmp_path: Path) -> None:
    """Without a delta column, from a folder with a blank in its name, given relative to where one stands."""
    chance = random.Random()
    folder = tmp_path / "my tables"
    folder.mkdir()
    rows = [
        {
            "key": f"{number:05d}-{chance.randrange(10**6)}",
            "amount": str(chance.randrange(-(10**6), 10**6)),
            "note": chance.choice(["", "café", "a, b", 'say "hi"', "日本語", "line\nbreak", "O'Neill"]),
        }
        for number in range(chance.randrange(50, 500))
    ]
    with (folder / "orders.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["key", "amount", "note"])
        writer.writeheader()
        writer.writerows(rows)
    done = place.run("my tables", "orders", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    values = landed(place.parquet_files(), ["key", "amount", "note"])
    wanted = Counter((row["key"], row["amount"], row["note"] or None) for row in rows)
    assert Counter(zip(values["key"], values["amount"], values["note"], strict=True)) == wanted


def test_a_table_that_does_not_exist_is_one_clear_error(place) -> None:
    done = place.run(SAMPLES, "incidnet", "sys_updated_at")
    assert done.returncode == 1
    failed = [line for line in done.stdout.splitlines() if line.startswith("Failed: ")]
    assert failed, done.stdout
    assert "incidnet" in done.stdout
    assert "incident" in done.stdout.replace("incidnet", "")
    assert "Traceback" not in done.stdout + done.stderr
    assert "whole log" in done.stdout
    assert not place.parquet_files()


@pytest.mark.thorough
def test_a_column_that_does_not_exist_is_one_clear_error(place) -> None:
    done = place.run(SAMPLES, "incident", "sys_updatd_at")
    assert done.returncode == 1
    assert "sys_updatd_at" in done.stdout
    assert "sys_updated_at" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not place.parquet_files()


def test_a_folder_that_does_not_exist_is_one_clear_error(place, tmp_path: Path) -> None:
    done = place.run(tmp_path / "nowhere", "incident")
    assert done.returncode == 1
    assert done.stdout.startswith("Failed: there is no folder")


def test_two_runs_never_share_a_state(place) -> None:
    with hold(Path(f"{place.state}.lock"), "it"):
        done = place.run(SAMPLES, "incident")
    assert done.returncode == 1
    assert f"{place.state} is in use by process" in done.stdout.replace("\n", "")


def test_sigterm_ends_everything(place) -> None:
    """As Ctrl-C does: neither the platform nor Airflow outlives the command."""
    command = place.command(SAMPLES, "incident")
    with subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE, text=True) as process:
        log = place.home / "run.log"
        deadline = time.monotonic() + 60
        while not log.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped." in output
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
