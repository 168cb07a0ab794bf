"""The project as an Astro image and standalone mode lay it out, without Docker: the Dockerfile's lines in a bare Airflow."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from environment import ROOT

from .bare import BareAirflow, bare_airflow

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

LOOK = """
import json, sys
import aep_local, aep_provider.operators
from airflow import plugins_manager
from airflow.providers_manager import ProvidersManager

errors = plugins_manager.get_import_errors()
print("seen", json.dumps({
    "files": [aep_local.__file__, aep_provider.__file__],
    "provider": "airflow-provider-aep" in ProvidersManager().providers,
    "form": "aep" in ProvidersManager().hooks,
    "plugin_errors": errors,
    "twice": [
        name for name, module in sys.modules.items()
        if "/aep_provider/" in (getattr(module, "__file__", None) or "") and not name.startswith("aep_provider")
    ],
}))
"""


@dataclass(frozen=True)
class Project:
    """A copy of the project, with the library installed in place."""

    root: Path
    airflow: BareAirflow

    def image(self) -> dict[str, str]:
        """The environment of a container."""
        return {"AIRFLOW_HOME": str(self.root), "PYTHONPATH": str(self.root)}

    def standalone(self) -> dict[str, str]:
        """The environment of ``astro dev start --standalone``, whose folder of plugins is not the project's."""
        home = {"AIRFLOW_HOME": str(self.root / ".astro" / "standalone")}
        return {**home, "PYTHONPATH": str(self.root), "AIRFLOW__CORE__DAGS_FOLDER": str(self.root / "dags")}


def left_out(folder: str, names: list[str]) -> set[str]:
    """What the image's build does not get to see, as ``shutil.copytree`` asks."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    here = Path(folder).relative_to(ROOT)

    def ignored(name: str) -> bool:
        anywhere = (pattern.removeprefix("**/") for pattern in patterns if pattern.startswith("**/"))
        return (here / name).as_posix() in patterns or any(fnmatch(name, pattern) for pattern in anywhere)

    return {name for name in names if ignored(name)}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, demand: Callable[[bool, str], None]) -> Iterator[Project]:
    # Not below the folder of the tests, which is searched for secrets: the copy has them, in its tests.
    with (
        TemporaryDirectory(prefix="astro-") as folder,
        bare_airflow(tmp_path_factory.mktemp("user"), demand) as airflow,
    ):
        root = Path(folder).resolve() / "project"
        airflow.install("-r", str(ROOT / "requirements.txt"), "pip", "pytest")
        shutil.copytree(ROOT, root, ignore=left_out)
        for line in re.findall(r"^RUN (.*)$", (root / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE):
            airflow.run(*shlex.split(line), folder=root)
        yield Project(root, airflow)


def test_secrets_and_what_was_built_here_stay_out_of_the_image(project: Project) -> None:
    assert not {".git", ".env", ".venv", "airflow_settings.yaml"} & {path.name for path in project.root.iterdir()}


@pytest.mark.parametrize("mode", [Project.image, Project.standalone])
def test_the_library_is_there_once(project: Project, mode: Callable[[Project], dict[str, str]]) -> None:
    told = project.airflow.run("python", "-c", LOOK, folder=project.root, **mode(project))
    seen = json.loads(told[told.index("seen ") + 5 :].splitlines()[0])
    wanted = [project.root / "include" / "aep_local", project.root / "plugins" / "aep_provider"]
    assert [Path(file).parent for file in seen["files"]] == wanted
    assert (seen["provider"], seen["form"]) == (True, True)
    assert (seen["plugin_errors"], seen["twice"]) == ({}, [])


@pytest.mark.parametrize(
    "words",
    [".astro/test_dag_integrity_default.py", "tests/dags/test_dags.py -o addopts=--import-mode=importlib"],
    ids=["parse", "pytest"],
)
def test_what_the_astro_cli_runs_passes(project: Project, words: str) -> None:
    """``astro dev parse``, and ``astro dev pytest`` as docs/astro.md has it."""
    told = project.airflow.run("pytest", *words.split(), folder=project.root, **project.image())
    assert re.search(r"\d+ passed", told), told
