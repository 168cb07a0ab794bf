"""OpenLineage need not be there, and nothing of it is imported before somebody asks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from aep_provider.lineage.assets import is_told

LOOK = """
import sys
from airflow.sdk import Asset
import aep_provider.operators, aep_provider.sensors, aep_provider.task_group, aep_provider.dag_factory
import aep_provider.triggers.flow_run, aep_provider.lineage.assets
Asset("aep://prod/incidents")
# Airflow itself reads what each provider says of itself.
known = {"airflow.providers.openlineage", "airflow.providers.openlineage.get_provider_info"}
names = {name for name in sys.modules if name.startswith(("openlineage", "airflow.providers.openlineage"))}
assert names <= known, names
"""
WITHOUT = """
import importlib.metadata
import sys

import importlib_metadata

for module in (importlib.metadata, importlib_metadata):
    every = module.distributions
    module.distributions = lambda every=every, **which: (
        one for one in every(**which) if "openlineage" not in (one.metadata["Name"] or "")
    )

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "openlineage" or name.startswith("airflow.providers.openlineage"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Nowhere())
"""


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_importing_operators_imports_none_of_it() -> None:
    python(LOOK)


@pytest.mark.slow
def test_all_works_without_it() -> None:
    asked = "assert not aep_provider.lineage.assets.is_told()\n"
    printed = python(f"{WITHOUT}{LOOK}{asked}{TASK}")
    assert "Traceback" not in printed
    assert "openlineage" not in printed.lower()


TASK = """
from aep_provider.operators.run_outcome import conclude, tolerance_of
from aep_provider.sensors import AepFlowRunSensor
from aep_provider.verdict import RunState, Verdict

class Ti:
    def xcom_push(self, key, value): pass

sensor = AepFlowRunSensor(task_id="t", run_id="r", lineage={"sandbox": "prod", "dataset": "x"})
verdict = Verdict("r", "f", RunState.SUCCEEDED, "success", rows_read=1, rows_written=1)
assert conclude({"ti": Ti()}, sensor, [verdict], tolerance_of(sensor)) == ["r"]
"""


@pytest.mark.parametrize(
    ("transport", "disabled", "told"),
    [(None, "False", False), ('{"type": "console"}', "False", True), ('{"type": "console"}', "True", False)],
)
def test_it_is_told_where_airflow_tells_it(
    monkeypatch: pytest.MonkeyPatch, transport: str | None, disabled: str, told: bool
) -> None:
    if transport:
        monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", transport)
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__DISABLED", disabled)
    assert is_told() is told


def test_a_configuration_that_cannot_be_read_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", "{")
    assert is_told() is False
