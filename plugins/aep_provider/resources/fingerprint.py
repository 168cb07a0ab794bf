"""The mark by which an object of ours is known again, and how two contents differ."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_MARK = re.compile(r"\(airflow-aep sha256=([0-9a-f]{32})\)")
_DECLARATION = re.compile(r"\(airflow-aep dataflow=([0-9a-f]{32})\)")
_LONGEST_VALUE = 120


def fingerprint(content: Mapping[str, Any]) -> str:
    """Return 32 hexadecimal digits that stand for ``content``, the same for the same content whatever its order of keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def marked(description: str | None, digest: str) -> str:
    """Return ``description`` with the fingerprint ``digest`` at its end, in place of any that stood there."""
    text = _MARK.sub("", description or "").strip()
    return f"{text} (airflow-aep sha256={digest})".lstrip()


def read_mark(description: object) -> str | None:
    """Return the fingerprint that stands in ``description``, or None if we did not write it."""
    found = _MARK.search(description) if isinstance(description, str) else None
    return found.group(1) if found else None


def declared(description: str | None, digest: str) -> str:
    """Return ``description`` with the digest of a dataflow's declaration at its end."""
    text = _DECLARATION.sub("", description or "").strip()
    return f"{text} (airflow-aep dataflow={digest})".lstrip()


def read_declaration(description: object) -> str | None:
    """Return the digest of the declaration that an object was made from, if it stands in ``description``."""
    found = _DECLARATION.search(description) if isinstance(description, str) else None
    return found.group(1) if found else None


def differences(there: Any, wanted: Any, path: str = "") -> list[str]:
    """Return one line for each place in which two contents differ: ``"schedule.interval: 15 in AEP, 30 wanted"``."""
    return [_printable(line) for line in _differences(there, wanted, path)]


def missing(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield what of ``wanted`` is not there at all: the path of each, and what should stand at it."""
    for key in sorted(wanted, key=str):
        if key not in there:
            yield (str(key),), wanted[key]
        elif isinstance(there[key], Mapping) and isinstance(wanted[key], Mapping):
            for path, value in missing(there[key], wanted[key]):
                yield (str(key), *path), value


def contradictions(there: Any, wanted: Any, path: str = "") -> list[str]:
    """Return one line for each place in which both say something, and not the same."""
    return [_printable(line) for line in _differences(_shared(there, wanted), _shared(wanted, there), path)]


def _shared(one: Any, other: Any) -> Any:
    """What stands at the places that the other has too."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {key: _shared(value, other[key]) for key, value in one.items() if key in other}
    return one


def _differences(there: Any, wanted: Any, path: str) -> Iterator[str]:
    if isinstance(there, Mapping) and isinstance(wanted, Mapping):
        for key in sorted({*there, *wanted}, key=str):
            inner = f"{path}.{key}" if path else str(key)
            if key not in there:
                yield f"{inner}: missing in AEP, {_shown(wanted[key])} wanted"
            elif key not in wanted:
                yield f"{inner}: {_shown(there[key])} in AEP, not wanted"
            else:
                yield from _differences(there[key], wanted[key], inner)
    elif isinstance(there, list) and isinstance(wanted, list) and len(there) == len(wanted):
        for index, (left, right) in enumerate(zip(there, wanted, strict=True)):
            yield from _differences(left, right, f"{path}[{index}]")
    elif there != wanted:
        yield f"{path}: {_shown(there)} in AEP, {_shown(wanted)} wanted"


def _printable(line: str) -> str:
    """With escapes for what would break a log's lines, or looks like nothing."""
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)


def _shown(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
