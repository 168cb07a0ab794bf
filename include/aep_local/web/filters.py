"""The filter grammar of Flow Service: ``name==A``, ``params.columns[].name=="Id"``, ``createdAt>=1593134665781``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lark import Lark, Token
from lark.exceptions import LarkError

from aep_local.core.problems import flow_service
from aep_local.core.store import Document

_GRAMMAR = r"""
    start: PATH OPERATOR value ("," value)*
    ?value: QUOTED | PLAIN
    PATH: /[A-Za-z_@$][^=!<>~,"\s]*/
    OPERATOR: "==" | "!=" | "<=" | ">=" | "<" | ">" | "~"
    QUOTED: /"[^"]*"/
    PLAIN: /[^",]+/
"""
_PARSER = Lark(_GRAMMAR, parser="lalr", lexer="contextual")
_MAX_LENGTH = 16384
_RANGES: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Condition:
    """One filter: a path into a document, an operator, and one or more values (any of them may match).

    :param exact: whether texts must agree in case.
    """

    path: str
    operator: str
    values: tuple[str, ...]
    exact: bool = True

    def is_single(self, path: str) -> bool:
        """Whether this asks for exactly one value of a path."""
        return self.path == path and self.operator == "==" and len(self.values) == 1

    def holds(self, doc: Document) -> bool:
        """Whether a document passes."""
        there = values_at(doc, self.path)
        if self.operator == "==":
            return any(_equal(value, wanted, self.exact) for value in there for wanted in self.values)
        if self.operator == "!=":
            return not any(_equal(value, wanted, self.exact) for value in there for wanted in self.values)
        compare = _RANGES[self.operator]
        return any(_in_range(value, self.values[0], compare) for value in there)


def parse(text: str, aliases: Mapping[str, str]) -> Condition:
    """Read one ``property`` parameter.

    :raises Problem: 1440 for ``~``, 1443 for a range of several values, 1448 for anything that is no filter, 1454 for more
        than 16,384 letters.
    """
    if len(text) > _MAX_LENGTH:
        raise flow_service(1454, 400, "property is too long")
    try:
        tree = _PARSER.parse(text)
    except LarkError:
        raise flow_service(1448, 400, "property must be <path><operator><value>") from None
    path, sign, *values = [str(token) for token in tree.children if isinstance(token, Token)]
    path = path.strip()
    if sign == "~":
        raise flow_service(1440, 400, "Operator ~ is not implemented")
    if sign in _RANGES and len(values) > 1:
        raise flow_service(1443, 400, f"Operator {sign} takes one value")
    plain = tuple(value[1:-1] if value.startswith('"') else value for value in values)
    return Condition(aliases.get(path, path), sign, plain)


def values_at(doc: Document, path: str) -> Iterator[Any]:
    """What a dotted path leads to; ``[]`` after a name goes into each element of an array."""
    found: list[Any] = [doc]
    for part in path.split("."):
        name = part.removesuffix("[]")
        found = [each[name] for each in found if isinstance(each, dict) and name in each]
        if part.endswith("[]"):
            found = [element for each in found if isinstance(each, list) for element in each]
    return iter(found)


def _equal(value: Any, wanted: str, exact: bool) -> bool:
    if isinstance(value, bool):
        return wanted.lower() == str(value).lower()
    if isinstance(value, int | float):
        number = _number(wanted)
        return number is not None and number == value
    if isinstance(value, str) and not exact:
        return value.casefold() == wanted.casefold()
    return bool(value == wanted)


def _in_range(value: Any, wanted: str, compare: Callable[[Any, Any], bool]) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    number, bound = _number(value), _number(wanted)
    if number is not None and bound is not None:
        return compare(number, bound)
    return isinstance(value, str) and compare(value, wanted)


def _number(value: Any) -> int | float | None:
    try:
        return int(value)
    except (ValueError, TypeError):
        pass
    try:
        return float(value)
    except (ValueError, TypeError):
        return None
