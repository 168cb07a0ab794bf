"""Airflow's plugin loader on the project's real `plugins/` folder."""

from __future__ import annotations

import subprocess
import sys

from environment import ROOT, airflow_environment

LOAD = """
import sys
from airflow import plugins_manager
from airflow.sdk import plugins_manager as sdk_plugins_manager

before = {name: module for name, module in sys.modules.items() if "." not in name}
errors = plugins_manager.get_import_errors()
assert not errors, errors
changed = [name for name, module in before.items() if sys.modules.get(name) is not module]
assert not changed, changed
strays = [
    name for name, module in sys.modules.items()
    if "/plugins/aep_provider/" in (getattr(module, "__file__", None) or "") and not name.startswith("aep_provider")
]
assert not strays, strays
"""


def test_the_plugins_folder_loads_and_leaves_other_modules_alone(tmp_path) -> None:
    """The loader runs every file it finds under its bare name; the library must stay out of its reach."""
    assert (ROOT / "plugins" / "aep_provider").is_dir()
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        env=airflow_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_dag_file_does_not_wait_for_http_libraries(tmp_path) -> None:
    """The operators are imported at every parse; what talks to AEP only when a task runs."""
    code = (
        "import sys, aep_provider.operators, aep_provider.sensors\n"
        "heavy = {'aep_provider.hooks.aep', 'aep_provider.platform.client', 'aep_provider.platform.blocking', 'aiohttp'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=airflow_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_provider_is_registered(tmp_path) -> None:
    """Airflow finds the provider by its installed distribution, and with it the connection type."""
    code = (
        "from airflow.providers_manager import ProvidersManager as Manager; manager = Manager();"
        "assert 'airflow-provider-aep' in manager.providers, list(manager.providers);"
        "assert 'aep' in manager.hooks, list(manager.hooks)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=airflow_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
