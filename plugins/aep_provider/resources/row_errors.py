"""A sample of the rows that a run rejected, as Data Access keeps them for 30 days: which columns they have, and why.

Rows are people's data, and a log has many readers: the values of a row are left out, also where AEP's words quote
them. What a line of these files looks like is documented only in part, so many shapes are read.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aep_provider.errors import AepAnswerError, AepNotFoundError, one_line
from aep_provider.platform.services import DATA_ACCESS
from aep_provider.platform.wire import rebased
from aep_provider.resources.redaction import Redactor
from aep_provider.verdict import activities_of, mapping

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

_MAX_LINKS: Final = 6
_LONGEST_LINK: Final = 2000
_LONGEST_LINE: Final = 1_000_000
_LONGEST_ARRAY: Final = 20_000_000
"""Characters of a file that is read as one document."""
_MOST_SKIPPED: Final = 100_000
"""After so many lines that are no rows the file is given up."""
_MOST_COLUMNS: Final = 20_000
_MOST_ERRORS: Final = 50
_MOST_REASONS: Final = 5
_REASON: Final = 300
_NAME: Final = 100
_NAMES: Final = 500
"""Characters of all names of columns together."""
_VALUES: Final = 1000
"""Characters of all values together."""


@dataclass(frozen=True)
class RejectedRow:
    """A row that did not land."""

    columns: list[str]
    """The names of its columns, as many as have room."""
    reasons: list[str]
    """AEP's codes, columns and words, without the row's values unless these were asked for."""
    values: Mapping[str, str] | None = None
    """What the row held, shortened; None unless it was asked for."""
    more_columns: int = 0
    """How many names were left out."""


@dataclass(frozen=True)
class RowErrors:
    """
    Some of the rows that a run rejected.

    :param read_from: the path they were read from.
    :param skipped_lines: how many lines before the last of these rows were no row.
    """

    rows: list[RejectedRow]
    read_from: str
    skipped_lines: int = 0


def read_row_errors(
    client: AepClient, run: Mapping[str, Any], *, rows: int = 5, show_values: bool = False
) -> RowErrors | None:
    """
    Return the first rows that a run rejected, None if it tells of no diagnostics (they may be off for its flow).

    AEP's links name hosts of their own; only their path is followed, on the gateway and within Data Access.

    :param run: the document of the run.
    :param rows: at most so many.
    :param show_values: whether to tell what the rows held. They may be people's data: ask before showing them.
    :raises AepNotFoundError: if they are not kept any more.
    :raises AepAnswerError: if a link leads elsewhere.
    """
    found: RowErrors | None = None
    missing: AepNotFoundError | None = None
    for link in list(dict.fromkeys(_links(run)))[:_MAX_LINKS]:
        try:
            found = _read(client, link, rows, show_values)
        except AepNotFoundError as error:
            missing = missing or error
            continue
        if found.rows:
            return found
    if found is None and missing:
        raise missing
    return found


def _links(run: Mapping[str, Any]) -> Iterator[str]:
    """The samples first: they are shorter than the files with all rejected rows."""
    for part in (*activities_of(run), mapping(run.get("metrics"))):
        extensions = mapping(mapping(part.get("statusSummary")).get("extensions"))
        manifest = mapping(extensions.get("manifest"))
        for name in ("sampleErrors", "failedRecords"):
            if isinstance(manifest.get(name), str) and manifest[name]:
                yield manifest[name]


def _read(client: AepClient, link: str, rows: int, show_values: bool) -> RowErrors:
    read_from, text = _fetched(client, link)
    files = _listed(text)
    if files == []:
        return RowErrors([], read_from)
    if files:
        read_from, text = _fetched(client, files[0])
    found: list[RejectedRow] = []
    skipped = 0
    for document in _documents(text):
        if len(found) >= rows or skipped >= _MOST_SKIPPED:
            break
        row = _rejected_row(document, show_values) if isinstance(document, dict) and document else None
        if row:
            found.append(row)
        else:
            skipped += 1
    return RowErrors(found, read_from, skipped)


def _fetched(client: AepClient, link: str) -> tuple[str, str]:
    """Where a link leads, and the text there."""
    path, params = rebased(link, DATA_ACCESS) if len(link) <= _LONGEST_LINK and link.isascii() else ("", [])
    # Anything else below the gateway is none of the manifest's business.
    if not path.startswith(f"{DATA_ACCESS}/"):
        raise AepAnswerError("AEP's link to the rejected rows does not lead to Data Access", method="GET")
    within = next((f"?path={value}" for name, value in params if name == "path"), "")
    return one_line(path + within, 300), client.text(path, params=params)


def _listed(text: str) -> list[str] | None:
    """The files that a list of Data Access names, None if the text is no such list."""
    document = _loaded(text, _LONGEST_ARRAY)
    entries = document.get("data") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(entries, list):
        return None
    links = [mapping(mapping(mapping(entry).get("_links")).get("self")).get("href") for entry in entries]
    files = [link for link in links if isinstance(link, str) and link]
    return files if files or "_page" in document else None


def _documents(text: str) -> Iterator[Any]:
    """What the file holds: lines of JSON, one array, or one document over several lines. None for what is not JSON."""
    whole = _loaded(text, _LONGEST_ARRAY)
    if isinstance(whole, list):
        yield from whole
    elif isinstance(whole, dict):
        yield whole
    else:
        # Not `splitlines`, which also breaks lines where JSON does not.
        yield from (_loaded(line) for line in io.StringIO(text, newline="\n") if line.strip())


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A table may have two columns of one name, and both values must be known to be left out."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        found[name] = [found[name], value] if name in found else value
    return found


# Numbers stay as they are written, for so AEP's words quote them.
_DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_object)


def _loaded(text: str, longest: int = _LONGEST_LINE) -> Any:
    try:
        return _DECODER.decode(text.strip()) if len(text) <= longest else None
    except (ValueError, RecursionError):
        return None


_HOLDERS: Final = ("_errors", "_error", "errors", "error")
_CORRUPT: Final = "_corrupt_record"
_WRAPPERS: Final = frozenset({"row", "record", "data", "_row", "_record", "_data"})
"""What a line may hold the whole row under."""
_MESSAGES: Final = frozenset(
    {"message", "msg", "errormessage", "detailedmessage", "description", "errordescription", "detail", "details",
     "reason", "error", "text"}
)  # fmt: skip
_CODES: Final = frozenset({"code", "errorcode", "errcode"})
_COLUMNS: Final = frozenset(
    {"column", "columns", "columnname", "field", "fields", "fieldname", "fieldpath", "path", "xdmpath", "attributename",
     "sourcecolumn", "sourcefield", "targetcolumn", "targetfield", "destination", "destinationpath"}
)  # fmt: skip
_HARMLESS: Final = frozenset({"severity", "level", "type", "timestamp", "status", "filename"})
"""What else an error may tell, that is no value of the row."""
_NUMBERED: Final = frozenset({"count", "recordcount", "row", "rownumber", "line", "linenumber"})
"""The same, if it is a number; a row, for one, may be the row itself."""
_ALONE: Final = frozenset({"code", "errorcode", "message", "msg", "errormessage", "column", "columnname"})
"""What tells an error in a line without a part of its own for errors; others may as well be columns."""

_CODE: Final = re.compile(r"(?:[A-Z][A-Z0-9]{1,30}-)?[0-9]{1,9}(?:-[0-9]{3})?|[A-Z][A-Z_]{2,60}", re.ASCII)
_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$:.-]{0,99}", re.ASCII)


@dataclass
class _Told:
    """What one error of a line tells."""

    code: str = ""
    columns: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    """Parts that may be values of the row."""


def _rejected_row(document: dict[str, Any], show_values: bool) -> RejectedRow | None:
    """None for what is nested deeper than any row, or has more columns."""
    if len(document) > _MOST_COLUMNS:
        return None
    try:
        errors, row, values = _parted(document)
        shown = _values(row) if show_values else None
    except RecursionError:
        return None
    if len(row) > _MOST_COLUMNS:
        return None
    names = list(row)
    looked_at = errors[:_MOST_ERRORS]
    reasons = _reasons(looked_at) if show_values else _redacted_reasons(looked_at, names, values)
    if not reasons and _CORRUPT in document:
        reasons = ["AEP could not read the row at all"]
    more = max(0, len(reasons) - _MOST_REASONS) + len(errors) - len(looked_at)
    if more:
        reasons[_MOST_REASONS:] = [f"and {more} more"]
    columns = _within(names, _NAMES)
    return RejectedRow(columns, reasons, shown, len(names) - len(columns))


def _redacted_reasons(errors: list[_Told], names: list[str], values: list[str]) -> list[str]:
    redactor = Redactor(values, names)
    columns = [[redactor.column(one, names) for one in error.columns] for error in errors]
    redactor.keep(name for told in columns for name in told)
    messages = [[redactor(message) for message in error.messages] for error in errors]
    told = zip(errors, columns, messages, strict=True)
    return _reasons(_Told(error.code, column, message) for error, column, message in told)


def _reasons(errors: Iterable[_Told]) -> list[str]:
    """Each once, in words."""
    return [reason for reason in dict.fromkeys(map(_in_words, errors)) if reason]


def _in_words(error: _Told) -> str:
    about = " ".join(part for part in (error.code, ", ".join(dict.fromkeys(error.columns))) if part)
    said = " - ".join(dict.fromkeys(filter(None, error.messages)))
    return one_line(": ".join(part for part in (about, said) if part), _REASON)


def _parted(document: dict[str, Any]) -> tuple[list[_Told], Mapping[str, Any], list[str]]:
    """The errors of a line, its row, and every value that may be the row's."""
    # Beside `_errors`, a column may well be called `error`.
    holder = next((name for name in _HOLDERS if name in document), None)
    rest = {name: value for name, value in document.items() if name != holder and not _is_about(name, value)}
    wrapper = next(iter(rest)) if len(rest) == 1 and next(iter(rest)) in _WRAPPERS else None
    if holder:
        errors = list(_errors(_unfolded(document[holder])))
    elif _is_error(document):
        # The line itself is the error, and what else it holds is the row.
        error = {name: value for name, value in rest.items() if _plain_key(name) in _ALONE}
        rest = {name: value for name, value in rest.items() if name not in error}
        wrapper = next((name for name in rest if name in _WRAPPERS and isinstance(rest[name], dict)), None)
        errors = [_error(error)]
    else:
        errors = []
    corrupt = document.get(_CORRUPT)
    row = _unfolded(rest[wrapper]) if wrapper else rest
    values = list(_scalars([rest, corrupt, *(value for error in errors for value in error.values)]))
    for text in (corrupt, row):
        if isinstance(text, str):
            # Nobody knows where in such a text a value begins, so each piece of it is taken for one.
            values += [text, *re.split(r"[\s,;:|='\"(){}\[\]\\]+", text)]
    return errors, row if isinstance(row, dict) else rest, values


def _is_about(name: str, value: Any) -> bool:
    """Whether a part of a line tells about the row, and is no column."""
    return name == _CORRUPT or (
        isinstance(value, str) and (name == "_filename" or (name == "_row" and value.isdigit()))
    )


def _is_error(document: Mapping[str, Any]) -> bool:
    keys = {_plain_key(name): value for name, value in document.items()}
    code = next((keys[name] for name in _CODES if name in keys), None)
    return isinstance(code, str) and bool(_CODE.fullmatch(code)) and bool(keys.keys() & _MESSAGES & _ALONE)


def _errors(held: Any) -> Iterator[_Told]:
    if isinstance(held, list):
        for one in held:
            yield from _errors(one)
    elif isinstance(held, str):
        yield _Told(messages=[held])
    elif isinstance(held, dict):
        if {_plain_key(name) for name in held} & (_MESSAGES | _CODES):
            yield _error(held)
            return
        for name, one in held.items():
            # Errors by their column.
            inner = _error(one) if isinstance(one, dict) else _Told(values=[one])
            inner.columns.insert(0, name)
            yield inner


def _error(held: Mapping[str, Any]) -> _Told:
    told = _Told()
    for name, value in held.items():
        key = _plain_key(name)
        parts = value if isinstance(value, list) else [value]
        texts = [one for one in parts if isinstance(one, str)]
        known = True
        if key in _CODES and len(texts) == 1 and _CODE.fullmatch(texts[0]):
            told.code = texts[0]
        elif key in _MESSAGES | _CODES:
            told.messages += texts
        elif key in _COLUMNS:
            told.columns += texts
        else:
            known = isinstance(value, str) and (key in _HARMLESS or (key in _NUMBERED and value.isdigit()))
        told.values += [one for one in parts if not known or not isinstance(one, str)]
    return told


def _plain_key(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _within(names: list[str], room: int) -> list[str]:
    """The first names that fit."""
    shown: list[str] = []
    for name in names:
        room -= min(len(name), _NAME) + 2
        if room < 0:
            break
        shown.append(one_line(name, _NAME))
    return shown


def _values(row: Mapping[str, Any]) -> dict[str, str]:
    shown: dict[str, str] = {}
    room = _VALUES
    for name, value in row.items():
        text = one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), _NAME)
        room -= len(text) + min(len(name), _NAME) + 2
        if room < 0:
            break
        shown[one_line(name, _NAME)] = text
    return shown


def _unfolded(value: Any) -> Any:
    """A value that may be written as JSON in a text."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        read = _loaded(value)
        return value if read is None else read
    return value


def _scalars(parts: list[Any]) -> Iterator[str]:
    """Every single value, however deep. Keys of inner objects that are no names, as in maps, are data too."""
    left = [(part, 0) for part in parts]
    while left:
        part, depth = left.pop()
        if isinstance(part, dict):
            left += [(value, depth + 1) for value in part.values()]
            if depth:
                yield from (name for name in part if not _IDENTIFIER.fullmatch(name))
        elif isinstance(part, list):
            left += [(value, depth) for value in part]
        elif isinstance(part, str):
            yield part
            inner = _unfolded(part)
            if inner is not part:
                left.append((inner, depth + 1))
        elif isinstance(part, bool):
            yield str(part)
