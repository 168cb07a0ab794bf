"""The dataflows that a command is about: files of a folder, filtered by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aep_provider.dataflows.reading.load import load_folder
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError
from aep_provider.resources.names import nearest


def chosen_specs(
    folder: Path, names: Sequence[str], sandbox: str | None = None
) -> tuple[list[DataflowSpec], list[AepConfigError]]:
    """
    Return the dataflows of these names, all without any, and what is wrong with files.

    :param names: as the file says, or as in the DAG's id. With names, files that cannot be read count only if one is missing.
    :param sandbox: read them for this sandbox; None leaves it to each file.
    :raises AepConfigError: there is no dataflow at all, or none of a name.
    """
    loaded = load_folder(folder, sandbox=sandbox)
    specs, wrong = loaded.specs, loaded.wrong
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
