"""Functions of objects and arrays, and those that choose between values."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable
from typing import Any, Final

from aep_local.xdm.expressions import operators
from aep_local.xdm.expressions.signatures import (
    ANY,
    ARRAY,
    BOOLEAN,
    NULLABLE_TEXT,
    OBJECT,
    TEXT,
    Category,
    Evaluate,
    Row,
    bounded_items,
    text_of,
)
from aep_local.xdm.values import Refused, kind_of

OBJECTS: Final = Category("Hierarchies - Objects")
ARRAYS: Final = Category("Hierarchies - Arrays")
CHOICES: Final = Category("Logical operators")
SPECIAL: Final = Category("Special operations")

_MAX_NESTED: Final = 64


# --- objects


@OBJECTS.add("is_empty", takes=(ANY,))
def _is_empty(value: Any) -> bool:
    """is_empty(value): whether it is null, or a text, an array or an object without content."""
    return value is None or (isinstance(value, str | list | tuple | dict) and not value)


@OBJECTS.add("to_object", rest=ANY)
def _to_object(*pairs: Any) -> dict[str, Any]:
    """to_object(name, value, …): an object of these pairs."""
    return dict(_pairs(pairs))


@OBJECTS.add("arrays_to_objects", "arrays_to_object", rest=ANY)
def _arrays_to_objects(*pairs: Any) -> list[dict[str, Any]]:
    """arrays_to_objects(name, array, …): an array of objects, the first with the first item of each array, and so on."""
    columns = [(name, ARRAY.convert(values)) for name, values in _pairs(pairs) if values is not None]
    count = max((len(values) for _, values in columns), default=0)
    return [{name: values[index] for name, values in columns if index < len(values)} for index in range(count)]


@OBJECTS.add("str_to_object", takes=(TEXT, NULLABLE_TEXT, NULLABLE_TEXT), optional=2)
def _str_to_object(text: str, between: str | None = None, after: str | None = None) -> dict[str, str]:
    """str_to_object(text, value_delimiter, field_delimiter): "a:1,b:2" as an object; ":" and "," when not given."""
    fields = text.split(after or ",")
    bounded_items(len(fields))
    found: dict[str, str] = {}
    for each in fields:
        name, there, value = each.partition(between or ":")
        if there and name.strip():
            found.setdefault(name.strip(), value.strip())
    return found


@OBJECTS.add("get_values", takes=(TEXT, TEXT, NULLABLE_TEXT, NULLABLE_TEXT), optional=1)
def _get_values(text: str, key: str, between: str | None, after: str | None = None) -> str | None:
    """get_values(text, key, value_delimiter, field_delimiter): one value of "a:1,b:2"; null when it has none."""
    return _str_to_object(text, between, after).get(key)  # type: ignore[no-any-return]


@OBJECTS.add("get_keys", takes=(OBJECT,))
def _get_keys(value: dict[str, Any]) -> list[str]:
    """get_keys(object): its names."""
    return list(value)


@OBJECTS.add("get", takes=(ANY, ANY))
def _get(holder: Any, key: Any) -> Any:
    """object.get(name): the value of a name, or an array's item; null when there is none."""
    return operators.get(holder, key)


@OBJECTS.add("contains_key", "is_set", takes=(ANY,))
def _contains_key(value: Any) -> bool:
    """contains_key("path"): whether the source's row has a value there."""
    return value is not None


@OBJECTS.add("nullify")
def _nullify() -> None:
    """nullify(): null, nothing lands."""


@OBJECTS.add("json_to_object", takes=(TEXT,))
def _json_to_object(text: str) -> Any:
    """json_to_object(text): what a JSON text describes."""
    try:
        found = json.loads(text, parse_constant=_finite, parse_float=_finite)
        # half a pair of surrogates can be written in JSON and nowhere else
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Refused("text is not JSON") from None
    if _deeper(found, _MAX_NESTED):
        raise Refused(f"the JSON nests deeper than {_MAX_NESTED}")
    return found


def _deeper(value: Any, than: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return than == 0 or any(_deeper(each, than - 1) for each in parts)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("not a number of JSON")
    return number


# --- arrays


@ARRAYS.add("size_of", takes=(ANY,))
def _size_of(value: Any) -> int:
    """size_of(value): how many items an array, fields an object or characters a text has; 0 for null."""
    if value is None:
        return 0
    if not isinstance(value, str | list | tuple | dict):
        raise Refused(f"{kind_of(value)} has no size")
    return len(value)


@ARRAYS.add("first", rest=ANY)
def _first(*values: Any) -> Any:
    """first(value, …): the first of an array, or of the arguments; null when there is none."""
    items = _items(values)
    return items[0] if items else None


@ARRAYS.add("last", rest=ANY)
def _last(*values: Any) -> Any:
    """last(value, …): the last of an array, or of the arguments; null when there is none."""
    items = _items(values)
    return items[-1] if items else None


@ARRAYS.add("to_array", takes=(BOOLEAN,), rest=ANY)
def _to_array(nulls: bool, *values: Any) -> list[Any]:
    """to_array(include_nulls, value, …): the values as an array."""
    return [value for value in values if nulls or value is not None]


@ARRAYS.add("add_to_array", takes=(ARRAY,), rest=ANY)
def _add_to_array(array: list[Any], *values: Any) -> list[Any]:
    """add_to_array(array, value, …): the array with the values at its end."""
    return _joined([array, list(values)])


@ARRAYS.add("join_arrays", takes=(ARRAY,), rest=ARRAY)
def _join_arrays(*arrays: list[Any]) -> list[Any]:
    """join_arrays(array, …): the items of all arrays in one."""
    return _joined(arrays)


@ARRAYS.add("upsert_array_append", "upsert_array_replace", takes=(ARRAY,), rest=ANY)
def _upsert(array: list[Any], *_rest: Any) -> list[Any]:
    """upsert_array_append(array): the array itself; it makes a difference only to updates of profiles."""
    return array


# --- choices


@ARRAYS.add("coalesce", takes=(ANY,), rest=ANY, lazy=True)
def _coalesce(row: Row, *values: Evaluate) -> Any:
    """coalesce(value, …): the first value that is not null, of the arguments or of one array."""
    for each in values:
        value = each(row)
        if len(values) == 1 and isinstance(value, list | tuple):
            return next((item for item in value if item is not None), None)
        if value is not None:
            return value
    return None


@CHOICES.add("iif", takes=(ANY, ANY, ANY), lazy=True)
def _iif(row: Row, condition: Evaluate, yes: Evaluate, no: Evaluate) -> Any:
    """iif(condition, yes, no): one of two values."""
    return yes(row) if operators.truth(condition(row)) else no(row)


@CHOICES.add("decode", takes=(ANY, ANY), rest=ANY, lazy=True)
def _decode(row: Row, key: Evaluate, *options: Evaluate) -> Any:
    """decode(key, match, value, …, default): the value after what the key equals, else the default or null."""
    wanted = key(row)
    for match, value in zip(options[::2], options[1::2], strict=False):
        if operators.equal(wanted, match(row)):
            return value(row)
    return options[-1](row) if len(options) % 2 else None


@SPECIAL.add("uuid", "guid")
def _uuid() -> str:
    """uuid(): a new random id."""
    return str(uuid.uuid4())


def _pairs(flat: tuple[Any, ...]) -> Iterable[tuple[str, Any]]:
    if len(flat) % 2:
        raise Refused("names and values must come in pairs")
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        if name is None:
            raise Refused("a name must not be null")
        yield text_of(name), value


def _items(values: tuple[Any, ...]) -> Any:
    return values[0] if len(values) == 1 and isinstance(values[0], list | tuple) else values


def _joined(arrays: Iterable[list[Any]]) -> list[Any]:
    joined = [item for array in arrays for item in array]
    bounded_items(len(joined))
    return joined
