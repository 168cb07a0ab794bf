"""Functions of numbers: conversions, and the least and greatest of several values."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from typing import Any, Final

from aep_local.xdm.expressions.operators import before
from aep_local.xdm.expressions.signatures import ANY, Category, Parameter, number
from aep_local.xdm.values import INTEGER_MAX, INTEGER_MIN, NUMBER, Refused, kind_of

AGGREGATION: Final = Category("Aggregation")
CONVERSIONS: Final = Category("Type conversions")


def _scalar(value: Any) -> Any:
    """A number or a text that reads as one."""
    if isinstance(value, str):
        if not NUMBER.fullmatch(value.strip()):
            raise Refused("text is not a number")
        return Decimal(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Refused(f"{kind_of(value)} is not a number")
    if not isinstance(value, int) and not math.isfinite(value):
        raise Refused("number is not finite")
    return value


_NUMBER: Final = Parameter("number", _scalar)


@AGGREGATION.add("min", takes=(ANY,), rest=ANY)
def _min(*values: Any) -> Any:
    """min(value, …): the least value; null is skipped."""
    return _extreme(values, least=True)


@AGGREGATION.add("max", takes=(ANY,), rest=ANY)
def _max(*values: Any) -> Any:
    """max(value, …): the greatest value; null is skipped."""
    return _extreme(values, least=False)


def _extreme(values: tuple[Any, ...], *, least: bool) -> Any:
    if len(values) == 1 and isinstance(values[0], list | tuple):
        values = tuple(values[0])
    given = [value for value in values if value is not None]
    if not given:
        return None
    best = given[0]
    for value in given[1:]:
        if before(value, best) if least else before(best, value):
            best = value
    return best


@CONVERSIONS.add("to_integer", takes=(_NUMBER,))
def _to_integer(value: Any) -> int:
    """to_integer(text): a whole number of 64 bits; a fraction is cut off."""
    whole = _whole(value)
    if not INTEGER_MIN <= whole <= INTEGER_MAX:
        raise Refused("integer does not fit into 64 bits")
    return whole


@CONVERSIONS.add("to_bigint", takes=(_NUMBER,))
def _to_bigint(value: Any) -> int:
    """to_bigint(text): a whole number of up to 40 digits; a fraction is cut off."""
    return _whole(value)


@CONVERSIONS.add("to_decimal", takes=(_NUMBER,))
def _to_decimal(value: Any) -> float:
    """to_decimal(text): a double."""
    return _double(value)


@CONVERSIONS.add("to_float", takes=(_NUMBER,))
def _to_float(value: Any) -> float:
    """to_float(text): a number of single precision."""
    try:
        single: float = struct.unpack("<f", struct.pack("<f", _double(value)))[0]
    except OverflowError:
        raise Refused("number is too large for single precision") from None
    # the shortest digits that mean the same single, so that 12.3456 stays 12.3456
    for digits in range(6, 10):
        short = float(f"{single:.{digits}g}")
        if struct.pack("<f", short) == struct.pack("<f", single):
            return short
    return single


def _whole(value: Any) -> int:
    if isinstance(value, Decimal) and value.adjusted() > 40:
        raise Refused("number has more than 40 digits")
    whole = int(value)
    if abs(whole) >= 10**40:
        raise Refused("number has more than 40 digits")
    return whole


def _double(value: Any) -> float:
    try:
        result = float(number(value))
    except OverflowError:
        raise Refused("number is too large for a double") from None
    return result
