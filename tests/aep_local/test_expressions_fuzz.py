"""Whatever the text and whatever the row: one kind of error each, and never for long."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aep_local.xdm.expressions import FUNCTIONS, ExpressionError, bind, parse
from aep_local.xdm.expressions.grammar import RESERVED
from aep_local.xdm.values import Refused, json_ready

COLUMNS = ["a", "b", "c", "First Name"]
PIECES = [
    *FUNCTIONS,
    *RESERVED,
    *COLUMNS,
    *("${First Name}", "${", "}", "(", ")", "[", "]", "{", "}", ",", ".", ":", "?", "?:", "+", "-", "*", "/", "%"),
    *("==", "!=", "<", "<=", "&&", "||", "!", '"x"', "'", '"', "\\", "1", "0.5", "1e9", " ", "\n", "é", "\ud800", "\0"),
]


def judged(text: str) -> None:
    began = time.process_time()
    with suppress(ExpressionError):
        bind(parse(text), COLUMNS)
    assert time.process_time() - began < 2


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    judged(text)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_any_pieces_are_read_or_refused(text: str) -> None:
    judged(text)


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.decimals().filter(lambda number: not number.is_snan())
    | st.text(max_size=20)
    | st.sampled_from(["", "0", "-1", "1e400", "2024-02-29", "9999-12-31T23:59:59-12:00", "x:1,y:2", "{", "[1]", "PST"])
    | st.dates()
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC))
    | st.timedeltas()
    | st.uuids()
    | st.binary(max_size=5)
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
literals = st.sampled_from(
    ["null", "true", "0", "1", "-1", "2.5", "1e300", '""', '"abc"', '"yyyy-MM-dd"', '"HH"', '"year"', '"w"', '"UTC"',
     '"Europe/Paris"', '","', "[]", "[1, null, 'a']", "{}", "{'k': 1}", '"(.)"', '"["', '"-12"', '"12.5"']
)  # fmt: skip
leaves = literals | st.sampled_from(["a", "b", "c", "${First Name}", "a.k", "b[0]"])


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> str:
    if depth == 0 or draw(st.booleans()):
        return draw(leaves)
    inner = expressions(depth=depth - 1)
    kind = draw(st.sampled_from(["call", "operator", "choice", "sign", "item"]))
    if kind == "operator":
        symbol = draw(st.sampled_from(["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "?:"]))
        return f"({draw(inner)} {symbol} {draw(inner)})"
    if kind == "choice":
        return f"({draw(inner)} ? {draw(inner)} : {draw(inner)})"
    if kind == "sign":
        return draw(st.sampled_from(["-", "!"])) + f"({draw(inner)})"
    if kind == "item":
        return f"({draw(inner)})[{draw(inner)}]"
    function = FUNCTIONS[draw(st.sampled_from(sorted(FUNCTIONS)))]
    most = function.needed + 2 if function.rest else len(function.parameters)
    count = draw(st.integers(function.needed, max(function.needed, most)))
    if function.name in {"contains_key", "is_set"}:
        return f'{function.name}("a.k")'
    return f"{function.name}({', '.join(draw(inner) for _ in range(count))})"


def evaluated(text: str, row: dict[str, Any]) -> None:
    expression = bind(parse(text), COLUMNS)
    with suppress(Refused):
        # what comes out can be shown
        json_ready(expression.evaluate(row))


@settings(max_examples=150, deadline=None)
@given(expressions(), st.lists(anything, min_size=4, max_size=4))
def test_any_row_gives_a_value_or_is_refused(text: str, values: list[Any]) -> None:
    evaluated(text, dict(zip(COLUMNS, values, strict=True)))


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_every_function_takes_any_value_or_refuses_it(data: st.DataObject) -> None:
    row: dict[str, Any] = dict(zip(COLUMNS, data.draw(st.lists(anything, min_size=4, max_size=4)), strict=True))
    for function in FUNCTIONS.values():
        if function.name in {"contains_key", "is_set"}:
            continue
        for count in {function.needed, len(function.parameters) + (2 if function.rest else 0)}:
            evaluated(f"{function.name}({', '.join((['a', 'b', 'c', '${First Name}'] * 3)[:count])})", row)


def test_the_edges_of_time_are_no_failure() -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    for moment in (first, last, datetime.min, datetime.max):
        for text in (
            "zone_date_to_zone(a, '+14:00')",
            "zone_date_to_zone(a, 'America/Los_Angeles')",
            "format(zone_date_to_zone(a, 'Asia/Tokyo'), 'yyyy ww YYYY W D E')",
            "format(a, 'yyyy ww YYYY W D E z')",
            "set_date_part('year', 1, a)",
            "date_part('week', a)",
            "a < b",
        ):
            evaluated(text, {"a": moment, "b": Decimal("NaN"), "c": None, "First Name": None})
