"""The dataflows that a command is about: files of a folder, filtered by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from airflow.sdk import conf

from aep_provider.dataflows.load import load_spec, refuse_clashes, spec_files
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError
from aep_provider.resources.names import nearest


def specs_folder(given: str | None) -> Path:
    """
    Return the folder with the dataflows' files.

    :raises AepConfigError: there is no such folder.
    """
    told = given or conf.get("aep", "dataflows_folder", fallback=None)
    folder = Path(told) if told else Path(conf.get("core", "dags_folder")).parent / "include" / "dataflows"
    if not folder.is_dir():
        raise AepConfigError(
            f"There is no folder {folder}: name the one with the dataflows' files with --specs, or set dataflows_folder in "
            "the section [aep] of Airflow's configuration."
        )
    return folder


def chosen_specs(folder: Path, names: Sequence[str]) -> tuple[list[DataflowSpec], list[AepConfigError]]:
    """
    Return the dataflows of these names, all without any, and what is wrong with files.

    :param names: as the file says, or as in the DAG's id. With names, files that cannot be read count only if one is missing.
    :raises AepConfigError: there is no dataflow at all, or none of a name.
    """
    read: list[tuple[Path, DataflowSpec]] = []
    wrong: list[AepConfigError] = []
    for file in spec_files(folder):
        try:
            spec = load_spec(file)
            refuse_clashes([*read, (file, spec)])
        except AepConfigError as error:
            wrong.append(error)
        else:
            read.append((file, spec))
    specs = [spec for _, spec in read]
    if not names:
        if not (specs or wrong):
            raise AepConfigError(f"There is no dataflow in {folder}: each is a file that ends in .yaml.")
        return specs, wrong
    known = {spec.slug: spec for spec in specs} | {spec.name: spec for spec in specs}
    for name in names:
        if name not in known:
            broken = f" What cannot be read: {'; '.join(map(str, wrong))}" if wrong else ""
            raise AepConfigError(
                f"There is no dataflow {name!r} in {folder}.{nearest(name, [spec.name for spec in specs])}{broken}"
            )
    return list({known[name].name: known[name] for name in names}.values()), []
