"""``airflow aep export``: files of the dataflows that a sandbox holds."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

from aep_provider.cli.files import write_file
from aep_provider.cli.progress import shown
from aep_provider.cli.sandboxes import Place, told
from aep_provider.dataflows.chain import Sandbox
from aep_provider.dataflows.writing.export import Left, export_dataflows
from aep_provider.dataflows.writing.from_flow import Exported
from aep_provider.dataflows.writing.spec_text import head_of, misread, spec_text
from aep_provider.errors import AepConfigError, AepError, one_line
from aep_provider.resources.flow import Flow
from aep_provider.resources.names import nearest
from aep_provider.specs_folder import specs_folder

if TYPE_CHECKING:
    from argparse import Namespace


class Status(IntEnum):
    """The exit status."""

    DONE = 0
    ERROR = 1
    LEFT = 2


def export(args: Namespace) -> None:
    """
    Write a file for each dataflow of a sandbox, and tell what was left out and why.

    :raises SystemExit: with the status.
    """
    try:
        status = told(lambda: _export(args))
    except AepError as error:
        print(f"airflow aep export: {error}", file=sys.stderr)
        status = Status.ERROR
    raise SystemExit(int(status))


def _export(args: Namespace) -> Status:
    folder = Path(args.out) if args.out else specs_folder(None)
    names = args.names or []
    place = Place(args.conn_id, args.sandbox, [], whole=False)
    with place.hook("airflow-aep-export") as hook, shown() as how_far:
        sandbox = place.seen(hook, how_far)
        _check_names(names, sandbox)
        done, left = export_dataflows(sandbox, args.conn_id, names, how_far)
    files = {f"{one.spec.slug}.yaml": one for one in done}
    texts, refused = _texts(files, folder)
    if not args.force:
        refused |= _in_the_way(texts, folder)
    texts = {file: text for file, text in texts.items() if file not in refused}
    refused |= misread(folder, texts, {file: one.spec for file, one in files.items()})
    for file, text in texts.items():
        if file not in refused:
            print(f"{write_spec(folder, file, text)}  {folder / file}")
            for line in files[file].notes.get("delta_column", ()):
                print(f"  {line}")
    left += [Left(files[file].flow_id, files[file].spec.name, reason) for file, reason in refused.items()]
    for one in left:
        print(f"left out  {one_line(one.name, 200)} ({one_line(one.flow_id, 100)}): {one_line(one.reason)}")
    return Status.LEFT if any(not one.foreign for one in left) else Status.DONE


def _check_names(names: Sequence[str], sandbox: Sandbox) -> None:
    there = {str(flow.get("name")) for flow in sandbox.inventory.documents[Flow]}
    for name in names:
        if name not in there:
            raise AepConfigError(f"There is no flow {name!r} in the sandbox.{nearest(name, there)}")


def _texts(files: Mapping[str, Exported], folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return what each file should hold, and why some cannot be written."""
    texts: dict[str, str] = {}
    refused: dict[str, str] = {}
    for file, one in files.items():
        origin = f"From the flow {one.flow_id} of the sandbox {one.spec.sandbox}, by `airflow aep export`."
        try:
            texts[file] = spec_text(one.fields, head=[*head_of(folder), origin], notes=one.notes)
        except AepConfigError as error:
            refused[file] = str(error)
    return texts, refused


def _in_the_way(texts: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the files that hold something else already."""
    return {
        file: f"{folder / file} is there already, and not the same: overwrite it with --force, or move it away"
        for file, text in texts.items()
        if (folder / file).exists() and _held(folder / file) != text
    }


def _held(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def write_spec(folder: Path, file: str, text: str) -> str:
    """
    Write a file, and return what was done about it.

    :raises AepConfigError: it cannot be written.
    """
    if _held(folder / file) == text:
        return "the same"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AepConfigError(f"{folder} cannot be made: {error.strerror}.") from error
    write_file(folder / file, text)
    return "written "
