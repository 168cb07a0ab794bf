"""Airflow's plugin loader on the project's real `plugins/` folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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


def succeeds(code: str, home: Path) -> None:
    """Run a program in a process of its own, as every part of Airflow is one."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=airflow_environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]


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


ONE_PAGE = """
import importlib.metadata, importlib_metadata, sys

if {folder_only}:
    # As in a project whose image does not install the distribution.
    def hide(metadata):
        there = metadata.distributions
        metadata.distributions = lambda **options: (
            one for one in there(**options) if one.metadata["Name"] != "airflow-provider-aep"
        )
        metadata.entry_points = lambda **wanted: metadata.EntryPoints(
            point for one in metadata.distributions() for point in one.entry_points
        ).select(**wanted)

    hide(importlib.metadata)
    hide(importlib_metadata)
    sys.path = [folder for folder in sys.path if not folder.endswith(("/plugins", "/include"))]

from airflow import plugins_manager

assert not plugins_manager.get_import_errors(), plugins_manager.get_import_errors()
apps, _ = plugins_manager.get_fastapi_plugins()
views, _ = plugins_manager._get_ui_plugins()
assert [app["url_prefix"] for app in apps] == ["/aep"], apps
assert [view["url_route"] for view in views] == ["aep_dataflows"], views
(plugin,) = [one for one in plugins_manager._get_plugins()[0] if one.name == "aep"]
print(type(plugin.source).__name__)
"""


@pytest.mark.parametrize(("folder_only", "source"), [(False, "EntryPointSource"), (True, "PluginsDirectorySource")])
def test_there_is_exactly_one_page(folder_only: bool, source: str, tmp_path) -> None:
    """Whether the distribution is installed, or the plugins folder is all there is."""
    done = subprocess.run(
        [sys.executable, "-c", ONE_PAGE.format(folder_only=folder_only)],
        env=airflow_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-1] == source


def test_the_plugin_costs_the_other_parts_of_airflow_nothing(tmp_path) -> None:
    """Workers and DAG processors load plugins, too."""
    code = (
        "import sys, airflow.plugins_manager\n"
        "before = set(sys.modules)\n"
        "import aep_provider.ui.plugin\n"
        "new = {name for name in sys.modules.keys() - before if not name.startswith('aep_provider')}\n"
        "assert not new, new"
    )
    succeeds(code, tmp_path / "home")


def test_a_dag_file_does_not_wait_for_http_libraries(tmp_path) -> None:
    """The operators are imported at every parse; what talks to AEP only when a task runs."""
    code = (
        "import sys, aep_provider.operators, aep_provider.sensors\n"
        "heavy = {'aep_provider.hooks.aep', 'aep_provider.platform.client', 'aep_provider.platform.blocking', 'aiohttp'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()"
    )
    succeeds(code, tmp_path / "home")


def test_the_provider_is_registered(tmp_path) -> None:
    """Airflow finds the provider by its installed distribution, and with it the connection type."""
    code = (
        "from airflow.providers_manager import ProvidersManager as Manager; manager = Manager();"
        "assert 'airflow-provider-aep' in manager.providers, list(manager.providers);"
        "assert 'aep' in manager.hooks, list(manager.hooks)"
    )
    succeeds(code, tmp_path / "home")
