"""Every test runs in this project's own Airflow environment, whatever the shell or the user's Airflow says."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from environment import HOME, airflow_environment

# Before anything imports Airflow, which reads its configuration while it is imported.
_environment = airflow_environment(HOME / "tests") | {"AIRFLOW__CORE__UNIT_TEST_MODE": "True"}
os.environ.clear()
os.environ.update(_environment)
