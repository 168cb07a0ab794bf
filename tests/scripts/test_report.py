"""What `make run` prints of a flow run."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from arrivals import Arrivals, rows_in
from run import dag_conf, show_run


def test_rejected_rows_are_told_with_their_reasons(tmp_path: Path) -> None:
    console = Console(width=160, markup=False, record=True)
    run = {"id": "r1", "status": "partial", "rows_read": 10, "rows_written": 8, "rows_rejected": 2}
    run["reasons"] = ["MAPPER-3700-400 [row 7]: no date", {"code": "DCVS-1106-400", "rows": 1}]
    show_run(console, run, Arrivals(tmp_path, 8, 8))
    printed = console.export_text()
    assert "r1  partial" in printed
    assert "MAPPER-3700-400 [row 7]: no date" in printed
    assert "DCVS-1106-400" in printed
    assert "8 (the platform's runs report 8)" in printed


def test_a_dataset_without_files_has_no_rows(tmp_path: Path) -> None:
    assert rows_in(tmp_path / "nowhere") == 0


def test_without_a_delta_column_the_table_is_loaded_once() -> None:
    """The DAG's form starts from a schedule, so what a one-time load must not have is sent as empty."""
    once = {"frequency": "one_time", "interval": None, "backfill": None, "delta_column": None}
    source = {"source": "servicenow", "source_conn_id": "aep_source_servicenow"}
    assert dag_conf("incident", None) == {**source, "table": "incident", **once}
    assert dag_conf("incident", "at")["frequency"] == "minute"
