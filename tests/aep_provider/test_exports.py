"""Public names are exported once, and the arrows between the layers point inward."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import aep_provider

ROOT = Path(next(iter(aep_provider.__path__)))
MODULES = sorted(found.name for found in pkgutil.walk_packages([str(ROOT)], "aep_provider."))
INWARD = {
    "errors": set(),
    "provider_info": set(),
    "platform": {"errors", "platform"},
    "verdict": {"errors"},
    "resources": {"errors", "platform", "resources", "verdict"},
    "dataflows": {"errors", "platform", "resources", "verdict", "dataflows"},
    "hooks": {"provider_info", "errors", "platform", "resources", "hooks"},
    "links": {"errors"},
    "lineage": {"lineage", "resources", "verdict"},
    "retries": {"errors"},
    "specs_folder": {"errors"},
}
INWARD["triggers"] = INWARD["hooks"] | {"verdict", "links", "lineage", "triggers"}
INWARD["operators"] = INWARD["triggers"] | {"dataflows", "operators", "specs_folder"}
INWARD["sensors"] = INWARD["operators"] | {"sensors"}
INWARD["dag_factory"] = INWARD["sensors"] | {"retries"}
INWARD["task_group"] = INWARD["sensors"]
INWARD["cli"] = INWARD["operators"] | {"cli"}
INWARD["ui"] = INWARD["cli"] | {"ui"}


def imports_of(module: str) -> set[str]:
    file = ROOT.joinpath(*module.split(".")[1:])
    path = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("module", MODULES)
def test_every_module_can_be_imported(module: str) -> None:
    importlib.import_module(module)


@pytest.mark.parametrize("module", [module for module in MODULES if module.split(".")[1] in INWARD])
def test_arrows_point_inward(module: str) -> None:
    layer = module.split(".")[1]
    ours = {name.split(".")[1] for name in imports_of(module) if name.startswith("aep_provider.")}
    assert ours - INWARD[layer] == set()


@pytest.mark.parametrize(
    "module",
    [
        module
        for module in MODULES
        if module.split(".")[1] in ("platform", "resources", "dataflows", "errors", "verdict")
    ],
)
def test_the_inner_layers_know_no_airflow(module: str) -> None:
    assert [name for name in imports_of(module) if name.split(".")[0] in ("airflow", "aep_local")] == []


@pytest.mark.parametrize("module", MODULES)
def test_the_library_never_imports_the_local_platform(module: str) -> None:
    assert [name for name in imports_of(module) if name.split(".")[0] == "aep_local"] == []


@pytest.mark.parametrize("package", ["operators", "sensors"])
def test_every_public_operator_is_exported_once(package: str) -> None:
    exported = importlib.import_module(f"aep_provider.{package}").__all__
    assert len(set(exported)) == len(exported)
    assert sorted(exported) == list(exported)
    defined = {
        name
        for module in MODULES
        if module.startswith(f"aep_provider.{package}.")
        for name, value in vars(importlib.import_module(module)).items()
        if inspect.isclass(value) and value.__module__ == module and name.endswith(("Operator", "Sensor"))
    }
    assert set(exported) == defined - {"AepBaseOperator", "AepEnsureOperator"}
