"""Specifications from files, one dataflow a file. What is wrong is told with file, line and field."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError, one_line
from aep_provider.resources.mapping import normal_mappings, read_mappings


def spec_files(folder: Path) -> list[Path]:
    """Return the files that hold specifications, in the order of their names."""
    return sorted(path for path in folder.glob("*.y*ml") if path.suffix in (".yaml", ".yml") and path.is_file())


def load_spec(file: Path) -> DataflowSpec:
    """
    Return the specification that a file holds. Without a name the dataflow is called after the file.

    :raises AepConfigError: with everything that is wrong, each with its line.
    """
    document = _read(file)
    if not isinstance(document, dict):
        raise AepConfigError(f"{file.name}: a dataflow is a mapping of fields such as source and table.")
    try:
        return DataflowSpec.model_validate({"name": file.stem, **document})
    except ValidationError as error:
        wrong = "; ".join(_place(document, problem) for problem in error.errors(include_url=False))
        raise AepConfigError(f"{file.name}: {wrong}.") from None


def with_mappings(spec: DataflowSpec, root: Path) -> DataflowSpec:
    """
    Return a specification that holds its mappings itself, read from their file where it names one.

    :param root: the folder that the name of the file starts from.
    :raises AepConfigError: the file cannot be read, or holds no mappings.
    """
    if not isinstance(spec.mapping, str):
        return spec
    return spec.model_copy(update={"mapping": normal_mappings(read_mappings(spec.mapping, [root]))})


def refuse_clashes(specs: Iterable[tuple[Path, DataflowSpec]]) -> None:
    """
    Check that no two specifications mean the same DAG.

    :raises AepConfigError: naming both files.
    """
    seen: dict[str, Path] = {}
    for file, spec in specs:
        if spec.slug in seen:
            raise AepConfigError(
                f"{file.name}: the name {spec.name!r} is also that of {seen[spec.slug].name}: give one of the two another."
            )
        seen[spec.slug] = file


def _read(file: Path) -> Any:
    try:
        return YAML(typ="rt").load(file.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise AepConfigError(f"{file.name}, line {line}: no YAML: {one_line(error.problem, 200)}.") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise AepConfigError(f"{file.name}: no YAML: {one_line(error, 200)}.") from None


def _place(document: Any, problem: Any) -> str:
    path = [part for part in problem["loc"] if not str(part).startswith(("function-", "list[", "str"))]
    line: int | None = None
    here = document
    for part in path:
        try:
            line = _line_of(here, part) or line
            here = here[part]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    message = problem["msg"].removeprefix("Value error, ").rstrip(".")
    where = ".".join(map(str, path))
    return ": ".join(text for text in (f"line {line}" if line else "", where, message) if text)


def _line_of(mapping: Any, key: Any) -> int | None:
    places = getattr(getattr(mapping, "lc", None), "data", None) or {}
    place = places.get(key)
    return place[0] + 1 if place else None
