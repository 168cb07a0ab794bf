"""Functions of texts. Positions count from 0, as in Data Prep's examples."""

from __future__ import annotations

import functools
import re
import threading
from typing import Any, Final

import duckdb

from aep_local.xdm.expressions.signatures import (
    ARRAY,
    INTEGER,
    NULLABLE_TEXT,
    TEXT,
    Category,
    bounded,
    bounded_items,
    text_of,
)
from aep_local.xdm.values import Refused

STRINGS: Final = Category("String")
PATTERNS: Final = Category("Regular expression")

_BLANKS: Final = " \t\n\r\f\v"
_MAX_PATTERN: Final = 500
_MAX_GROUPS: Final = 9


@STRINGS.add("concat", takes=(NULLABLE_TEXT,), rest=NULLABLE_TEXT)
def _concat(*parts: str | None) -> str | None:
    """concat(text, …): the texts one after the other; null is skipped, only nulls are null."""
    given = [part for part in parts if part is not None]
    bounded(sum(map(len, given)))
    return "".join(given) if given else None


@STRINGS.add("upper", "ucase", takes=(TEXT,))
def _upper(text: str) -> str:
    """upper(text): in capital letters."""
    return text.upper()


@STRINGS.add("lower", "lcase", takes=(TEXT,))
def _lower(text: str) -> str:
    """lower(text): in small letters."""
    return text.lower()


@STRINGS.add("trim", takes=(TEXT,))
def _trim(text: str) -> str:
    """trim(text): without blanks at both ends."""
    return text.strip(_BLANKS)


@STRINGS.add("ltrim", takes=(TEXT,))
def _ltrim(text: str) -> str:
    """ltrim(text): without blanks at its beginning."""
    return text.lstrip(_BLANKS)


@STRINGS.add("rtrim", takes=(TEXT,))
def _rtrim(text: str) -> str:
    """rtrim(text): without blanks at its end."""
    return text.rstrip(_BLANKS)


@STRINGS.add("substr", takes=(TEXT, INTEGER, INTEGER))
def _substr(text: str, start: int, length: int) -> str:
    """substr(text, start, length): so many characters from a position on."""
    return text[_natural(start, "start") :][: _natural(length, "length")]


@STRINGS.add("left", takes=(TEXT, INTEGER))
def _left(text: str, count: int) -> str:
    """left(text, count): the first characters."""
    return text[: _natural(count, "count")]


@STRINGS.add("right", takes=(TEXT, INTEGER))
def _right(text: str, count: int) -> str:
    """right(text, count): the last characters."""
    return text[max(0, len(text) - _natural(count, "count")) :]


@STRINGS.add("lpad", takes=(NULLABLE_TEXT, INTEGER, NULLABLE_TEXT))
def _lpad(text: str | None, count: int, padding: str | None) -> str:
    """lpad(text, count, padding): padded at its beginning; a null or empty padding is a blank."""
    return _padding(text, count, padding) + (text or "")


@STRINGS.add("rpad", takes=(NULLABLE_TEXT, INTEGER, NULLABLE_TEXT))
def _rpad(text: str | None, count: int, padding: str | None) -> str:
    """rpad(text, count, padding): padded at its end; a null or empty padding is a blank."""
    return (text or "") + _padding(text, count, padding)


@STRINGS.add("replacestr", takes=(TEXT, TEXT, TEXT))
def _replacestr(text: str, find: str, replacement: str) -> str:
    """replacestr(text, find, replacement): every occurrence replaced."""
    if not find:
        return text
    bounded(len(text) + text.count(find) * max(0, len(replacement) - len(find)))
    return text.replace(find, replacement)


@STRINGS.add("instr", takes=(TEXT, TEXT, INTEGER, INTEGER), optional=2)
def _instr(text: str, find: str, start: int = 0, occurrence: int = 1) -> int:
    """instr(text, find, start, occurrence): the position of a text in another, -1 when it is not there."""
    if occurrence < 1:
        raise Refused("the occurrence must be at least 1")
    position = text.find(find, _natural(start, "start"))
    for _ in range(min(occurrence, len(text) + 2) - 1):
        if position < 0:
            break
        position = text.find(find, position + 1)
    return position


@STRINGS.add("split", takes=(TEXT, TEXT))
def _split(text: str, separators: str) -> list[str]:
    """split(text, separators): the parts between any of these characters; neighbouring separators count as one."""
    if not separators:
        return [text]
    parts = re.split(f"[{re.escape(separators)}]", text)
    return _few([part for part in parts if part])


@STRINGS.add("join", takes=(TEXT, ARRAY))
def _join(separator: str, parts: list[Any]) -> str:
    """join(separator, array): the array's items in one text; null is skipped."""
    texts = [text_of(part) for part in parts if part is not None]
    bounded(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


@STRINGS.add("equals", takes=(NULLABLE_TEXT, NULLABLE_TEXT))
def _equals(one: str | None, other: str | None) -> bool:
    """text.equals(text): whether both are the same."""
    return one == other


@STRINGS.add("equalsIgnoreCase", takes=(NULLABLE_TEXT, NULLABLE_TEXT))
def _equals_ignore_case(one: str | None, other: str | None) -> bool:
    """text.equalsIgnoreCase(text): whether both are the same but for case."""
    return one == other if one is None or other is None else one.casefold() == other.casefold()


@STRINGS.add("explode", takes=(TEXT, NULLABLE_TEXT), optional=1)
def _explode(text: str, pattern: str | None = None) -> list[str]:
    """explode(text, pattern): the parts between what a regular expression finds, "," when none is given.

    Empty parts at the end are left out.
    """
    literal = _literal(pattern or ",")
    if literal is not None:
        parts = text.split(literal)
    else:
        parts = _found("SELECT string_split_regex($text, $pattern)", text, pattern or ",")[0]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return _few(parts)


@PATTERNS.add("matches_regex", takes=(TEXT, TEXT))
def _matches_regex(text: str, pattern: str) -> bool:
    """matches_regex(text, pattern): whether the whole text matches."""
    return bool(_found("SELECT regexp_full_match($text, $pattern)", text, pattern)[0])


@PATTERNS.add("extract_regex", takes=(TEXT, TEXT))
def _extract_regex(text: str, pattern: str) -> list[str]:
    """extract_regex(text, pattern): what matched, then each group; an empty array when nothing did."""
    groups = _groups(pattern)
    shown = ", ".join(_EXTRACTS[: groups + 1])
    matched, *found = _found(f"SELECT regexp_matches($text, $pattern), {shown}", text, pattern)
    return list(found) if matched else []


_EXTRACTS: Final = tuple(f"regexp_extract($text, $pattern, {group})" for group in range(_MAX_GROUPS + 1))
_LOCAL: Final = threading.local()


def _found(query: str, text: str, pattern: str) -> Any:
    """One row of a constant query. DuckDB matches in time that grows with the text only, whatever the pattern."""
    _groups(pattern)
    database: duckdb.DuckDBPyConnection | None = getattr(_LOCAL, "database", None)
    if database is None:
        database = _LOCAL.database = duckdb.connect(config={"enable_external_access": False, "threads": 1})
    try:
        row = database.execute(query, {"text": text, "pattern": pattern}).fetchone()
    except (duckdb.Error, UnicodeError):
        raise Refused("the text or its regular expression cannot be read") from None
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    return row


@functools.lru_cache(maxsize=256)
def _groups(pattern: str) -> int:
    if len(pattern) > _MAX_PATTERN:
        raise Refused(f"the regular expression is longer than {_MAX_PATTERN} characters")
    plain = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "", pattern, flags=re.DOTALL)
    groups = len(re.findall(r"\((?!\?)", plain))
    if groups > _MAX_GROUPS:
        raise Refused(f"the regular expression has more than {_MAX_GROUPS} groups")
    return groups


@functools.lru_cache(maxsize=256)
def _literal(pattern: str) -> str | None:
    """The text that a pattern without special signs stands for; None when it has some."""
    plain = re.fullmatch(r"(?:[^\\.^$|?*+()\[\]{}]|\\[^\w\s])+", pattern)
    return re.sub(r"\\(.)", r"\1", pattern) if plain else None


def _natural(number: int, name: str) -> int:
    if number < 0:
        raise Refused(f"the {name} must not be negative")
    return number


def _padding(text: str | None, count: int, padding: str | None) -> str:
    missing = max(0, count - len(text or ""))
    bounded(missing)
    padding = padding or " "
    return (padding * (missing // len(padding) + 1))[:missing]


def _few(parts: list[str]) -> list[str]:
    bounded_items(len(parts))
    return parts
