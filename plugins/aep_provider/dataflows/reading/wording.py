"""What is wrong with a specification, in plain words: what, and what to write instead."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import isclass
from typing import Any, Final, get_args

from pydantic import ValidationError

from aep_provider.dataflows.parts import Part
from aep_provider.dataflows.reading.document import Place
from aep_provider.errors import one_line
from aep_provider.resources.names import nearest

_SECRET_FIELD: Final = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|credential|(api|access|private)_?key", re.IGNORECASE
)
_SECRET_VALUE: Final = re.compile(
    r"eyJ[\w-]{10,}"  # a signed token
    r"|[a-z][a-z0-9+.-]*://[^/\s@]*:[^/\s@]*@"  # an address with a password
    r"|(?:bearer|basic)\s+\S+"
    r"|(?=\S*[0-9])(?=\S*[A-Za-z])[\w+/=~.-]{24,}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Problem:
    """
    One thing that is wrong.

    :param place: the field, from the top.
    :param message: without its place, and without a full stop.
    """

    place: Place
    message: str

    @property
    def field(self) -> str:
        """How messages call it."""
        return ".".join(map(str, self.place))


def problems(error: ValidationError, part: type[Part]) -> list[Problem]:
    """
    Return what pydantic found, without its technical words and without what may be a secret.

    :param part: what was to be read.
    """
    found = []
    for one in error.errors(include_url=False):
        place = tuple(one["loc"])
        message = _WORDS.get(one["type"], _as_told)(one, part)
        found.append(Problem(place, one_line(_without_secrets(message, one["input"]).rstrip("."), 400)))
    return found


def in_one_line(found: list[Problem]) -> str:
    """Return problems of a specification that is in no file as one message."""
    return "; ".join(": ".join(filter(None, (one.field, one.message))) for one in found)


def _unknown(one: Mapping[str, Any], part: type[Part]) -> str:
    field = str(one["loc"][-1])
    if _SECRET_FIELD.search(field):
        return (
            "there is no such field, and a file is no place for secrets: keep them in the Airflow connection that "
            "source_conn_id names"
        )
    around = _part_at(part, tuple(one["loc"][:-1]))
    return f"there is no such field.{nearest(field, around.model_fields if around else ())}"


def _missing(one: Mapping[str, Any], part: type[Part]) -> str:
    field = str(one["loc"][-1])
    around = _part_at(part, tuple(one["loc"][:-1]))
    examples = around.model_fields[field].examples if around and field in around.model_fields else None
    return "is missing" + (f": write it, as in {field}: {json.dumps(examples[0])}" if examples else ": write it")


def _text(one: Mapping[str, Any], _: type[Part]) -> str:
    value = one["input"]
    if isinstance(value, bool | int | float):
        return f"must be a text, and {_shown(one)} is {_kind(value)}: put it in quotes"
    return f"must be a text, not {_kind(value)}"


def _mapping(one: Mapping[str, Any], part: type[Part]) -> str:
    inner = _part_at(part, tuple(one["loc"]))
    fields = f" with fields such as {', '.join(list(inner.model_fields)[:3])}" if inner else ""
    return f"must be a mapping{fields}, not {_kind(one['input'])}"


def _must_be(what: str) -> Callable[[Mapping[str, Any], type[Part]], str]:
    return lambda one, _: f"must be {what}, not {_shown(one)}"


def _bound(what: str, key: str) -> Callable[[Mapping[str, Any], type[Part]], str]:
    return lambda one, _: f"must be {what} {one['ctx'][key]:g}, and is {_shown(one)}"


def _one_of(one: Mapping[str, Any], _: type[Part]) -> str:
    return f"must be {one['ctx']['expected']}, not {_shown(one)}"


def _as_told(one: Mapping[str, Any], _: type[Part]) -> str:
    return str(one["msg"]).removeprefix("Value error, ")


_WORDS: Final[Mapping[str, Callable[[Mapping[str, Any], type[Part]], str]]] = {
    "extra_forbidden": _unknown,
    "missing": _missing,
    "string_type": _text,
    "string_too_short": lambda one, part: f"is empty{_missing(one, part).removeprefix('is missing')}",
    "literal_error": _one_of,
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _must_be("a whole number, as in 3")),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), _must_be("a number, as in 2.5")),
    **dict.fromkeys(("bool_type", "bool_parsing"), _must_be("true or false")),
    "list_type": _must_be("a list, as in [one, two]"),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), _mapping),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than_equal": _bound("at most", "le"),
    "greater_than": _bound("greater than", "gt"),
    "less_than": _bound("less than", "lt"),
}


def _part_at(part: type[Part], place: Place) -> type[Part] | None:
    for key in place:
        field = part.model_fields.get(str(key))
        inner = [one for one in _types(field.annotation) if isclass(one) and issubclass(one, Part)] if field else []
        if not inner:
            return None
        part = inner[0]
    return part


def _types(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) or (annotation,)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, dict):
        return "a mapping"
    return "nothing" if value is None else "a list" if isinstance(value, list) else "a text"


def _shown(one: Mapping[str, Any]) -> str:
    value = one["input"]
    if isinstance(value, dict | list):
        return _kind(value)
    if _SECRET_FIELD.search(str(one["loc"][-1])) or (isinstance(value, str) and _SECRET_VALUE.search(value)):
        return "what stands there"
    return one_line(json.dumps(value, ensure_ascii=False, default=str), 80)


def _without_secrets(message: str, value: Any) -> str:
    for text in _texts(value):
        if _SECRET_VALUE.search(text):
            message = message.replace(repr(text), "'…'").replace(text, "…")
    return message


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)
