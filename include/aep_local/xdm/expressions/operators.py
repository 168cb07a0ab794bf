"""What the operators do: counting, comparing, joining, and looking into arrays and objects."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from aep_local.xdm.expressions.signatures import bounded, number, text_of
from aep_local.xdm.values import Refused, kind_of, to_moment

_LARGEST: Final = 10**40


def truth(value: Any) -> bool:
    """A condition's value; null is false.

    :raises Refused: it is neither a boolean nor the word true or false.
    """
    if value is True or value is False:
        return bool(value)
    if value is None:
        return False
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return value.strip().lower() == "true"
    raise Refused(f"{kind_of(value)} is not a condition")


def add(left: Any, right: Any) -> Any:
    """A sum; two texts are joined, and so are a text that is no number and anything else."""
    if isinstance(left, str) and isinstance(right, str):
        return _joined(left, right)
    if isinstance(left, str) or isinstance(right, str):
        try:
            return _counted(operator.add, left, right)
        except Refused:
            return _joined(text_of(left), text_of(right))
    return _counted(operator.add, left, right)


def subtract(left: Any, right: Any) -> Any:
    """A difference."""
    return _counted(operator.sub, left, right)


def multiply(left: Any, right: Any) -> Any:
    """A product."""
    return _counted(operator.mul, left, right)


def divide(left: Any, right: Any) -> Any:
    """A quotient; of two integers the integer towards zero."""
    return _counted(_quotient, left, right)


def modulo(left: Any, right: Any) -> Any:
    """What a division leaves, with the sign of the dividend."""
    return _counted(_rest, left, right)


def negate(value: Any) -> Any:
    """A number with the other sign."""
    return -number(value)


def equal(left: Any, right: Any) -> bool:
    """Whether two values are the same; numbers by what they count, a text like the other kind when it reads so."""
    if left is None or right is None:
        return left is None and right is None
    if type(left) is type(right):
        return _alike(left, right)
    try:
        one, other = _comparable(left, right)
    except Refused:
        return False
    return bool(one == other)


def before(left: Any, right: Any) -> bool:
    """Whether one value comes before another; null before nothing and after nothing.

    :raises Refused: the two have no order.
    """
    if left is None or right is None:
        return False
    one, other = _comparable(left, right)
    return bool(one < other)


def not_after(left: Any, right: Any) -> bool:
    """Whether one value comes before another or is the same; null is neither."""
    if left is None or right is None:
        return False
    one, other = _comparable(left, right)
    return bool(one <= other)


def get(holder: Any, key: Any) -> Any:
    """An array's item (from 0) or an object's value; null when it has none."""
    if holder is None or key is None:
        return None
    if isinstance(holder, dict):
        return holder.get(key if isinstance(key, str) else text_of(key))
    if isinstance(holder, list | tuple):
        index = number(key)
        if not isinstance(index, int):
            raise Refused("the index of an array must be an integer")
        return holder[index] if 0 <= index < len(holder) else None
    raise Refused(f"{kind_of(holder)} has no parts")


def _joined(left: str, right: str) -> str:
    bounded(len(left) + len(right))
    return left + right


def _counted(apply: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    try:
        result = apply(number(left), number(right))
    except OverflowError:
        raise Refused("number is too large") from None
    if isinstance(result, int):
        if not -_LARGEST < result < _LARGEST:
            raise Refused("number is too large")
    elif not math.isfinite(result):
        raise Refused("number is too large")
    return result


def _quotient(left: Any, right: Any) -> Any:
    if right == 0:
        raise Refused("division by zero")
    if isinstance(left, int) and isinstance(right, int):
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    return left / right


def _rest(left: Any, right: Any) -> Any:
    if right == 0:
        raise Refused("division by zero")
    if isinstance(left, int) and isinstance(right, int):
        return left - right * _quotient(left, right)
    return math.fmod(left, right)


def _alike(left: Any, right: Any) -> bool:
    if isinstance(left, datetime):
        return to_moment(left) == to_moment(right)
    return bool(left == right)


def _comparable(left: Any, right: Any) -> tuple[Any, Any]:
    """Both values as one kind that has an order."""
    if isinstance(left, str) and isinstance(right, str):
        return left, right
    if isinstance(left, bool) or isinstance(right, bool):
        return truth(left), truth(right)
    if isinstance(left, int | float | Decimal) or isinstance(right, int | float | Decimal):
        return number(left), number(right)
    if isinstance(left, date | datetime) or isinstance(right, date | datetime):
        return to_moment(left), to_moment(right)
    if isinstance(left, dict | list | tuple) or isinstance(right, dict | list | tuple):
        raise Refused(f"{kind_of(left)} and {kind_of(right)} cannot be compared")
    return text_of(left), text_of(right)
