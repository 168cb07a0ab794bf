"""Texts without the values of a row, as far as they can be told: whole, in pieces, quoted, and however they are written."""

from __future__ import annotations

import html
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import groupby
from typing import Final
from urllib.parse import quote, quote_plus

from aep_provider.errors import one_line

MASK: Final = "…"
"""Stands where a value stood."""

_LONGEST_MESSAGE: Final = 5000
_LONGEST_NAME: Final = 500
"""Longer ones are no names of columns, and may be left out like values."""
_MOST_VALUES: Final = 20_000
_PATH: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.:/\[\]-]{0,199}", re.ASCII)
_SEGMENT: Final = re.compile(r"[^./\[\]]+")
_HEAD: Final = 16
"""AEP may cut a long value when it quotes it, so its first characters are enough."""
_TYPES: Final = frozenset(
    {"string", "text", "integer", "int", "long", "short", "byte", "number", "double", "float", "decimal", "boolean",
     "bool", "date", "date-time", "datetime", "timestamp", "time", "object", "array", "map", "null"}
)  # fmt: skip
_AEP_CODE: Final = re.compile(r"(?<!\w)(?:CONNECTOR|DCVS|FLOW|INGEST|MAPPER|XDM)-[0-9]{3,6}-[0-9]{3}(?!\w)", re.ASCII)
_QUOTED: Final = re.compile(
    r"(?<!\w)'(?P<a>(?:[^']|(?<=\w)'(?=\w))*)'(?!\w)|\"(?P<b>[^\"]*)\"|`(?P<c>[^`]*)`|“(?P<d>[^”]*)”|‘(?P<e>[^’]*)’"
    r"|«(?P<f>[^»]*)»|(?<!\w)\[(?P<g>[^\]]*)\]"
)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,60}(?:\.[0-9]{0,60})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_MOMENT: Final = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}.*)", re.ASCII | re.DOTALL)
_Spans = list[tuple[int, int]]


class Redactor:
    """
    Takes the values of a row out of texts: every occurrence, also within other words, whatever the case.

    What AEP quotes is left out as well unless it is a column's name or a type, for the row may not hold it as it is
    quoted. Names of columns stay whole where they are words of their own, even if a short value is a part of them.
    """

    def __init__(self, values: Iterable[str], names: Iterable[str]) -> None:
        known = dict.fromkeys(values)
        self._too_many = len(known) > _MOST_VALUES
        spelled = {_folded(_plain(one)) for value in ([] if self._too_many else known) for one in _spellings(value)}
        self._values = {one for one in spelled if one.strip(f"{MASK} ")}
        self._names: set[str] = set()
        self._kept = _AEP_CODE
        self.keep(names)

    def keep(self, names: Iterable[str]) -> None:
        """Let these names stay."""
        self._names.update(filter(None, (_plain(name) for name in names if len(name) <= _LONGEST_NAME)))
        longest_first = sorted(self._names, key=lambda name: (-len(name), name))
        words = "|".join(map(re.escape, longest_first))
        self._kept = re.compile(rf"{_AEP_CODE.pattern}|(?<!\w)(?:{words})(?!\w)" if words else _AEP_CODE.pattern)

    def column(self, told: str, names: list[str]) -> str:
        """The column that an error names; parts of its path that are values, as keys of maps may be, are left out."""
        if told in names:
            return told
        path = _plain(told)
        if not _PATH.fullmatch(path):
            return MASK
        return _SEGMENT.sub(lambda part: MASK if self._is_value(part[0]) else part[0], path)

    def _is_value(self, text: str) -> bool:
        return text not in self._names and _folded(text) in self._values

    def __call__(self, message: str) -> str:
        if self._too_many or len(message) > _LONGEST_MESSAGE:
            return f"a message of {len(message)} characters, left out"
        text = _plain(message)
        text = _masked(text, [*self._quoted(text), *self._spans(text, self._values)])
        # Where a value holds the mask itself, leaving others out may have made it.
        with_mask = {value for value in self._values if MASK in value}
        while spans := self._spans(text, with_mask):
            text = _masked(text, spans)
        return text

    def _spans(self, text: str, values: set[str]) -> _Spans:
        folded = _folded(text)
        kept = [match.span() for match in self._kept.finditer(text)]
        return [
            (start, end)
            for value in values
            for start, end in _occurrences(folded, value)
            if not any(first <= start and end <= last and (first, last) != (start, end) for first, last in kept)
        ]

    def _quoted(self, text: str) -> Iterator[tuple[int, int]]:
        for match in _QUOTED.finditer(text):
            inner = match[match.lastgroup or 0].strip()
            if inner and inner not in self._names and inner.lower() not in _TYPES and not _AEP_CODE.fullmatch(inner):
                yield match.span(match.lastgroup or 0)


def _occurrences(text: str, value: str) -> Iterator[tuple[int, int]]:
    head = value[:_HEAD]
    start = text.find(head)
    while start >= 0:
        end, length = start + len(head), len(head)
        while length < len(value) and text[end : end + 1] == value[length]:
            end, length = end + 1, length + 1
        yield start, end
        start = text.find(head, start + 1)


def _masked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    covered = bytearray(len(text))
    for start, end in spans:
        covered[start:end] = b"\1" * (end - start)
    pieces = groupby(zip(text, covered, strict=True), key=lambda pair: pair[1])
    masked = "".join(MASK if hidden else "".join(character for character, _ in piece) for hidden, piece in pieces)
    return re.sub(f"{MASK}+", MASK, masked)


def _plain(text: str) -> str:
    """As the log will show it: a value must not come into being where blanks are put together afterwards."""
    return " ".join(text.split()) if text.isprintable() else one_line(text, len(text))


def _folded(text: str) -> str:
    """In lower case, character by character, so that places in it are places in the text."""
    if text.isascii():
        return text.lower()
    return "".join(lower if len(lower := character.lower()) == 1 else character for character in text)


def _spellings(value: str) -> Iterator[str]:
    """How a value may be written where it is quoted."""
    yield value
    if value.isascii() and value.isalpha():
        return
    yield from _as_numbers(value)
    if moment := _MOMENT.fullmatch(value.strip()):
        yield from (f"{moment[1]}T{moment[2]}", f"{moment[1]} {moment[2]}")
    written = json.dumps(value)[1:-1]
    yield from (written, json.dumps(written)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1])
    yield from (value.replace(*change) for change in (("'", "''"), ("'", "\\'"), ('"', '""'), ("/", "\\/")))
    yield from (html.escape(value), quote(value, safe="", errors="replace"), quote_plus(value, errors="replace"))
    if not value.isascii():
        yield from (unicodedata.normalize(form, value) for form in ("NFC", "NFD", "NFKC"))


def _as_numbers(value: str) -> Iterator[str]:
    if not _NUMBER.fullmatch(value.strip()):
        return
    number = Decimal(value.strip())
    for one in (number, number.normalize()):
        yield from (format(one, "f"), format(one, ",f"), str(one))
    if math.isfinite(float(number)):
        yield repr(float(number))
