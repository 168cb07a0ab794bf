"""A specification as the text of its file: short, in an order that reads well, and read back as what was meant."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from aep_provider.dataflows.json_schema import FILE
from aep_provider.dataflows.reading.document import parse
from aep_provider.dataflows.reading.load import Loaded, load_folder
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError, one_line
from aep_provider.resources.mapping import NormalMapping

# What most readers want to know first; lists of columns and mappings are long.
_ORDER: Final = (
    "name", "description", "source", "source_conn_id", "base_connection", "authentication", "table", "load", "recurrence",
    "delta_column", "delta_format", "delta_timezone", "aep_conn_id", "sandbox", "target", "names", "schedule", "enabled",
    "policy", "columns", "mapping",
)  # fmt: skip
_ADDRESS_WITH_PASSWORD: Final = re.compile(r"://[^/\s@]*:[^/\s@]*@")
_PLAIN: Final = re.compile(r"[^\W\d](?:[\w ./-]*[\w.])?")
_TRUTH: Final = re.compile(r"y|n|yes|no|on|off", re.IGNORECASE)
"""What older readers of YAML take for a truth value."""


class _Representer(RoundTripRepresenter):
    """Writes null as a word: nothing at all looks like something forgotten."""


_Representer.add_representer(
    type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
)


def spec_text(
    fields: Mapping[str, Any], *, head: Sequence[str] = (), notes: Mapping[str, Sequence[str]] | None = None
) -> str:
    """
    Return the text of a dataflow's file.

    :param fields: what it declares.
    :param head: comments at its beginning.
    :param notes: comments before a field, or where it would stand.
    :raises AepConfigError: a file cannot hold it.
    """
    lines = [_comment(line) for line in head]
    for field in _ORDER:
        lines += [_comment(line) for line in (notes or {}).get(field, ())]
        if field in fields:
            lines.append(_yaml(field, fields[field]))
    text = "\n".join(lines) + "\n"
    if _ADDRESS_WITH_PASSWORD.search(text):
        raise AepConfigError("It holds an address with a password, which a file must not: take it out in AEP.")
    if parse(text, Path("the file")).content != dict(fields):
        raise AepConfigError("It holds a text that YAML does not give back as it was.")
    return text


def head_of(folder: Path) -> list[str]:
    """Return the comment by which editors find the JSON Schema, if it lies beside the dataflows."""
    return [f"yaml-language-server: $schema={FILE.name}"] if (folder / FILE.name).is_file() else []


def short_mappings(mappings: Iterable[NormalMapping]) -> list[NormalMapping]:
    """Return mappings as a file tells them: an attribute need not be called one."""
    usual = ("sourceType", "ATTRIBUTE")
    return [{key: value for key, value in one.items() if (key, value) != usual} for one in mappings]


def misread(folder: Path, texts: Mapping[str, str], meant: Mapping[str, DataflowSpec]) -> dict[str, str]:
    """
    Return the files that would not be read from a folder as what they are meant to be, and why; nothing is written there.

    :param texts: by name of the file.
    :param meant: by name of the file, what it is meant to declare; all for one sandbox.
    """
    if not texts:
        return {}
    loaded = _read_back(folder, texts, next(iter(meant.values())).sandbox)
    broken = {path.name: str(error) for path, error in loaded.broken.items()}
    specs = {one.file.name: one.spec.model_dump(mode="json") for one in loaded.declared}
    wrong: dict[str, str] = {}
    for file in texts:
        if file not in specs:
            wrong[file] = (
                f"in {folder} it cannot be read: {broken.get(file, 'no dataflow may have a file of this name')}"
            )
            continue
        wanted = meant[file].model_dump(mode="json")
        other = sorted(field for field in wanted if wanted[field] != specs[file][field])
        if other:
            wrong[file] = (
                f"what dataflows share in {folder} would change its {', '.join(other)}: choose another folder with --out"
            )
    return wrong


def _read_back(folder: Path, texts: Mapping[str, str], sandbox: str) -> Loaded:
    """What dataflows share, and what is different in a sandbox, may change what a file says."""
    with tempfile.TemporaryDirectory(prefix="aep-dataflows-") as scratch:
        here = Path(scratch)
        for file in folder.glob("*.y*ml"):
            if file.is_file():
                shutil.copyfile(file, here / file.name)
        for name, text in texts.items():
            (here / name).write_text(text, encoding="utf-8")
        return load_folder(here, sandbox=sandbox, root=folder.parent)


def _comment(line: str) -> str:
    """AEP's own text may hold line breaks, and must not end the comment."""
    return f"# {line if line.isprintable() else one_line(line)}".rstrip()


def _yaml(field: str, value: Any) -> str:
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.width = 1_000_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    written = io.StringIO()
    yaml.dump({field: _plain(value)}, written)
    return written.getvalue().rstrip("\n")


def _plain(value: Any) -> Any:
    """A mapping in a list takes one line; a text that would be read as something else is quoted."""
    if isinstance(value, dict):
        return CommentedMap((_text(key), _plain(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return CommentedSeq(_in_one_line(_plain(one)) for one in value)
    return _text(value) if isinstance(value, str) else value


def _in_one_line(value: Any) -> Any:
    if isinstance(value, CommentedMap | CommentedSeq):
        value.fa.set_flow_style()
    return value


def _text(value: str) -> str:
    """What no reader of YAML takes for anything else may stand as it is; constants are known to the writer."""
    plain = _PLAIN.fullmatch(value) and not _TRUTH.fullmatch(value)
    return value if plain else DoubleQuotedScalarString(value)
