"""What the wheel and the sdist hold."""

from __future__ import annotations

import re
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePath

import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement

from environment import ROOT

from .distribution import PACKAGES, build

pytestmark = pytest.mark.slow

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def metadata(contents: dict[str, bytes]) -> Metadata:
    (name,) = (name for name in contents if name.endswith(".dist-info/METADATA"))
    return Metadata.from_email(contents[name], validate=True)


def test_the_wheel_holds_every_file_of_both_packages_and_nothing_else(contents: dict[str, bytes]) -> None:
    """Whatever kind a file is: pages, schemas, type markers."""
    wanted = {
        f"{name}/{file.relative_to(folder).as_posix()}"
        for name, folder in PACKAGES.items()
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {name for name in contents if ".dist-info/" not in name} == wanted
    assert {f"{name}/py.typed" for name in PACKAGES} <= wanted


def test_nothing_of_this_machine_and_no_tests_are_handed_out(contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        assert not {"tests", "__pycache__", ".venv"} & set(PurePath(name).parts), name
        assert str(ROOT).encode() not in content, name
        assert not re.search(rb"(?<![\w.:/*])/(home|Users|root|work)/\w", content), name


def test_the_sdist_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    sdist = build("sdist", tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
        archive.extractall(tmp_path, filter="data")
    (source,) = {PurePath(name).parts[0] for name in names}
    assert not [name for name in names if "tests" in PurePath(name).parts]
    again = build("wheel", tmp_path / "again", tmp_path / source)
    assert (again.name, again.read_bytes()) == (wheel.name, wheel.read_bytes())


def test_the_metadata_are_valid_and_say_what_is_needed(metadata: Metadata, contents: dict[str, bytes]) -> None:
    assert (metadata.name, metadata.license_expression) == ("airflow-provider-aep", "Apache-2.0")
    assert metadata.license_files == ["LICENSE"]
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in contents)
    assert metadata.description == (ROOT / "README.md").read_text(encoding="utf-8")
    assert metadata.description_content_type == "text/markdown"
    assert set(metadata.provides_extra or []) == PROJECT["optional-dependencies"].keys() >= {"local"}
    assert not [one for one in metadata.requires_dist or [] if one.url]


def test_the_changelog_begins_with_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", changelog, re.MULTILINE)[0] == PROJECT["version"]


def test_an_image_installs_what_the_distribution_needs() -> None:
    """But not Airflow itself, which the image brings."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = {Requirement(line) for line in lines if line and not line.startswith("#")}
    needed = {Requirement(line) for line in PROJECT["dependencies"]}
    assert needed - listed == {one for one in needed if one.name == "apache-airflow"}
    assert listed <= needed
