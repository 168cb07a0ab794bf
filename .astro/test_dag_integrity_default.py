"""What `astro dev parse` runs: every file of dags/ can be imported. The one that the Astro CLI makes fails on Airflow 3.3."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

DAGS = Path(__file__).resolve().parent.parent / "dags"


@pytest.mark.parametrize("file", sorted(DAGS.glob("*.py")), ids=lambda file: file.name)
def test_file_imports(file: Path) -> None:
    bag = DagBag(dag_folder=str(file), bundle_path=DAGS, bundle_name="dags-folder")
    assert bag.import_errors == {}
    assert bag.dags
