"""
One YAML file as plain values, each with its line.

YAML as people mean it: what is not ``true``, ``false``, ``null`` or a decimal number is text. So ``on``, ``0123``, ``12:30`` and
``2026-01-31`` are what stands there, and what they mean is decided by the field that they are given to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]

from aep_provider.errors import AepConfigError, one_line

_LARGEST_FILE: Final = 1_048_576
_DEEPEST: Final = 20
_MOST_VALUES: Final = 100_000
# libyaml's parser where it is there: many times as fast, the same events.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTANTS: Final[Mapping[str, bool | None]] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})", re.ASCII)
_NUMBER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})?(\.[0-9]{1,30}|\.(?=[eE]|$))?([eE][-+]?[0-9]{1,2})?", re.ASCII)
# What the parser's messages mean for who wrote the file, and whether the line to mend is the one where the thing began.
_SIGNS: Final = tuple(
    (re.compile(sign), begins_before, words)
    for sign, begins_before, words in (
        (r"tab character|'\\t'", False, "it holds a tab: indent with blanks"),
        (r"quoted scalar", True, "a quote is not closed: end the text with the quote it began with"),
        (r"expected ',' or", True, "a bracket is not closed: end the list with ] or the mapping with }"),
        (r"flow node", True, "a bracket is not closed, or a comma is one too many"),
        (
            r"mapping values are not allowed",
            False,
            "a colon stands where no field begins: put the text in quotes, or mend its indentation",
        ),
        (
            r"cannot start any token|directive",
            False,
            "a text begins with a character such as @, % or `: put it in quotes",
        ),
        (r"simple key|expected ':'", False, "a field has no value: write it as field: value"),
        (r"block (mapping|collection|sequence)", False, "the line is indented otherwise than those before it"),
        (r"alias|anchor", False, "a text begins with * or &: put it in quotes"),
    )
)

Place = tuple[str | int, ...]
"""Where a value stands: keys and places in lists, from the top."""


@dataclass(frozen=True)
class Document:
    """What a file holds, and in which line each key or element of it stands."""

    file: Path
    content: Any
    lines: Mapping[Place, int]


def read_document(file: Path) -> Document:
    """
    Return what a YAML file holds.

    :raises AepConfigError: with file and line: it is no YAML or not plain, a key comes twice, it is too large or too deep.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise AepConfigError(f"{file.name}: cannot be read: {error.strerror or error}.") from None
    if len(data) > _LARGEST_FILE:
        raise AepConfigError(f"{file.name}: is larger than {_LARGEST_FILE} bytes: keep to what describes the dataflow.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise AepConfigError(f"{file.name}, line {line}: is not in UTF-8: save it as such.") from None
    return parse(text, file)


def parse(text: str, file: Path) -> Document:
    """
    Return what a YAML text holds.

    :param file: where it comes from.
    :raises AepConfigError: as :func:`read_document`.
    """
    try:
        loader = _Loader(text)
        try:
            lines: dict[Place, int] = {}
            return Document(file, _Reader(loader, file, lines).document(), lines)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise _no_yaml(error, text, file) from None
    except yaml.YAMLError:
        raise AepConfigError(f"{file.name}: is no YAML: it holds a control character: take it out.") from None


class _Reader:
    """Builds values from the parser's events; what they may grow to is counted, also where an alias repeats them."""

    def __init__(self, loader: Any, file: Path, lines: dict[Place, int]) -> None:
        self._loader = loader
        self._file = file
        self._lines = lines
        self._anchors: dict[str, tuple[Any, int, int]] = {}
        self._values = 0

    def document(self) -> Any:
        loader = self._loader
        loader.get_event()  # the stream begins
        if isinstance(loader.get_event(), yaml.StreamEndEvent):
            return None
        content, _ = self._value(loader.get_event(), (), 0)
        loader.get_event()  # the document ends
        following = loader.get_event()
        if not isinstance(following, yaml.StreamEndEvent):
            raise self._wrong(following, "a second document begins (---): give it a file of its own")
        return content

    def _value(self, event: Any, path: Place, depth: int) -> tuple[Any, int]:
        """Return the value that begins with an event, and how deep it is."""
        self._count(event, 1)
        if depth > _DEEPEST:
            raise self._wrong(event, f"is nested more than {_DEEPEST} deep")
        if isinstance(event, yaml.AliasEvent):
            return self._repeated(event, path, depth)
        before = self._values
        if isinstance(event, yaml.ScalarEvent):
            value, deep = self._scalar(event), 0
        elif isinstance(event, yaml.MappingStartEvent):
            self._plain(event, "!!map")
            value, deep = self._mapping(path, depth)
        else:
            self._plain(event, "!!seq")
            value, deep = self._sequence(path, depth)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._values - before, deep)
        return value, deep

    def _mapping(self, path: Place, depth: int) -> tuple[dict[str, Any], int]:
        content: dict[str, Any] = {}
        deepest = 0
        while not isinstance(event := self._loader.get_event(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._wrong(event, "a field's name must be a text")
            self._plain(event, "!!str")
            key = event.value
            if key == "<<":
                raise self._wrong(event, "'<<' takes nothing over here: what dataflows share stands in _defaults.yaml")
            here = (*path, key)
            if key in content:
                raise self._wrong(
                    event, f"{_dotted(here)} is there already, in line {self._lines[here]}: keep one of the two"
                )
            self._lines[here] = event.start_mark.line + 1
            content[key], deep = self._value(self._loader.get_event(), here, depth + 1)
            deepest = max(deepest, deep + 1)
        return content, deepest

    def _sequence(self, path: Place, depth: int) -> tuple[list[Any], int]:
        content: list[Any] = []
        deepest = 0
        while not isinstance(event := self._loader.get_event(), yaml.SequenceEndEvent):
            here = (*path, len(content))
            self._lines[here] = event.start_mark.line + 1
            value, deep = self._value(event, here, depth + 1)
            content.append(value)
            deepest = max(deepest, deep + 1)
        return content, deepest

    def _scalar(self, event: Any) -> Any:
        self._plain(event, "!!str")
        return _meant(event.value) if event.implicit[0] and not event.tag else event.value

    def _repeated(self, event: Any, path: Place, depth: int) -> tuple[Any, int]:
        if event.anchor not in self._anchors:
            raise self._wrong(event, f"*{event.anchor} repeats what is nowhere complete before it")
        value, values, deep = self._anchors[event.anchor]
        self._count(event, values)
        if depth + deep > _DEEPEST:
            raise self._wrong(event, f"is nested more than {_DEEPEST} deep")
        for inner in _paths(value, path):
            self._lines.setdefault(inner, event.start_mark.line + 1)
        return value, deep

    def _count(self, event: Any, values: int) -> None:
        self._values += values
        if self._values > _MOST_VALUES:
            raise self._wrong(event, f"holds more than {_MOST_VALUES} values")

    def _plain(self, event: Any, allowed: str) -> None:
        tag = str(event.tag or "").replace("tag:yaml.org,2002:", "!!")
        if tag not in ("", "!", allowed):
            raise self._wrong(event, f"has the tag {one_line(tag, 60)}, and only plain values are read: take it out")

    def _wrong(self, event: Any, what: str) -> AepConfigError:
        return AepConfigError(f"{self._file.name}, line {event.start_mark.line + 1}: {what}.")


def _meant(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] in "0123456789+-.":
        if _INTEGER.fullmatch(text):
            return int(text)
        if any(character.isdigit() for character in text) and _NUMBER.fullmatch(text):
            return float(text)
    return text


def _paths(value: Any, path: Place) -> Iterator[Place]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from _paths(one, (*path, key))


def _dotted(path: Place) -> str:
    return ".".join(map(str, path))


def _no_yaml(error: Any, text: str, file: Path) -> AepConfigError:
    """What the parser tells, in words that say what to write; it quotes nothing of the text but single characters."""
    told = " ".join(filter(None, (error.context, error.problem)))
    if error.problem_mark and _is_tab(text, error.problem_mark):
        told = "tab character"
    known = ((begins_before, words) for sign, begins_before, words in _SIGNS if sign.search(told))
    begins_before, words = next(known, (False, one_line(told, 200)))
    mark = (error.context_mark if begins_before else None) or error.problem_mark or error.context_mark
    # What is missed at the end is told as if it were in a line after the last.
    where = f", line {min(mark.line + 1, len(text.splitlines()))}" if mark else ""
    return AepConfigError(f"{file.name}{where}: is no YAML: {words}.")


def _is_tab(text: str, mark: Any) -> bool:
    lines = text.splitlines()
    return bool(mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t")
