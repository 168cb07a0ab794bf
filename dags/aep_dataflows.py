"""The DAGs `aep_dataflow__<name>`: one for each file of `include/dataflows`."""

from __future__ import annotations

from pathlib import Path

from aep_provider.dag_factory import dataflow_dags

# Airflow looks for "DAG" and "airflow" in a file before it reads it as one.
globals().update(dataflow_dags(Path(__file__).resolve().parent.parent / "include" / "dataflows"))
