"""From nodes to a function of a row: every attribute bound to its column, every function to its body.

What comes out is a tree of plain functions, one call a node; nothing is looked up by name while rows pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from aep_local.xdm.expressions import operators
from aep_local.xdm.expressions.functions import FUNCTIONS, PATH_FUNCTIONS
from aep_local.xdm.expressions.grammar import ExpressionError
from aep_local.xdm.expressions.nodes import Array, Call, Literal, Node, Object, Operation, Reference
from aep_local.xdm.expressions.paths import inside, located, names
from aep_local.xdm.expressions.signatures import Evaluate, Function
from aep_local.xdm.values import Refused


@dataclass(frozen=True)
class Expression:
    """An expression bound to the columns of a source.

    :param columns: the columns that it reads, each once.
    :param evaluate: from a row to the value; it raises ``aep_local.xdm.values.Refused`` and nothing else.
    """

    columns: tuple[str, ...]
    evaluate: Evaluate


def bind(node: Node, columns: Iterable[str] | None) -> Expression:
    """Bind an expression.

    :param columns: the source's columns, None when they are not known: then any attribute is taken for one.
    :raises ExpressionError: attributes that the source does not have; the text names each.
    """
    binding = _Binding(None if columns is None else frozenset(columns))
    evaluate = binding.bound(node)
    if binding.unknown:
        raise ExpressionError("; ".join(binding.unknown))
    return Expression(tuple(dict.fromkeys(binding.read)), evaluate)


class _Binding:
    def __init__(self, columns: frozenset[str] | None) -> None:
        self._columns = columns
        self.read: list[str] = []
        self.unknown: list[str] = []

    def bound(self, node: Node) -> Evaluate:  # noqa: PLR0911 - one kind of node each
        """A function from a row to the node's value."""
        match node:
            case Literal(value=value):
                return lambda _row: value
            case Reference(path=path):
                return self._reference(path, node.position)
            case Call(name=name, arguments=arguments):
                if name in PATH_FUNCTIONS:
                    return self._path(name, arguments[0])
                return _called(FUNCTIONS[name], [self.bound(each) for each in arguments])
            case Array(items=items):
                parts = [self.bound(each) for each in items]
                return lambda row: [part(row) for part in parts]
            case Object(names=keys, values=values):
                pairs = list(zip(keys, [self.bound(each) for each in values], strict=True))
                return lambda row: {key: value(row) for key, value in pairs}
            case Operation(symbol=symbol, operands=operands):
                return _operated(symbol, [self.bound(each) for each in operands])
        raise AssertionError(node)

    def _reference(self, path: tuple[str, ...], position: int) -> Evaluate:
        if self._columns is None:
            return inside(path[0], path[1:])
        found = located(path, self._columns)
        if found is None:
            self.unknown.append(f"source attribute {'.'.join(path)[:100]} is unknown (position {position})")
            return lambda _row: None
        self.read.append(found[0])
        return inside(*found)

    def _path(self, name: str, argument: Node) -> Evaluate:
        """A function of a path: an attribute that the source does not have is what it is there to find."""
        assert isinstance(argument, Literal)  # noqa: S101 - checked when it was read
        path = names(str(argument.value))
        found = None if self._columns is None else located(path, self._columns)
        if found is not None:
            self.read.append(found[0])
        value: Evaluate = inside(*found) if found is not None else lambda _row: None
        return _called(FUNCTIONS[name], [value])


def _called(function: Function, arguments: list[Evaluate]) -> Evaluate:
    name, body = function.name, function.body
    if function.lazy:
        return lambda row: body(row, *arguments)
    parameters = [function.parameter(index) for index in range(len(arguments))]
    if len(arguments) == 1 and not parameters[0].nullable:
        return _single(name, body, parameters[0].convert, arguments[0])
    prepared = [(argument, each.convert, each.nullable) for argument, each in zip(arguments, parameters, strict=True)]

    def run(row: Any) -> Any:
        # arguments are evaluated outside the try, so that a failure names only the function in which it happened
        values = [argument(row) for argument, _, _ in prepared]
        try:
            for index, (_, convert, nullable) in enumerate(prepared):
                value = values[index]
                if value is not None:
                    values[index] = convert(value)
                elif not nullable:
                    return None
            return body(*values)
        except Refused as error:
            raise Refused(f"{name}: {error}") from None

    return run


def _single(name: str, body: Callable[..., Any], convert: Callable[[Any], Any], argument: Evaluate) -> Evaluate:
    def run(row: Any) -> Any:
        value = argument(row)
        if value is None:
            return None
        try:
            return body(convert(value))
        except Refused as error:
            raise Refused(f"{name}: {error}") from None

    return run


_NULL_IF_NULL: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operators.add,
    "-": operators.subtract,
    "*": operators.multiply,
    "/": operators.divide,
    "%": operators.modulo,
    "get": operators.get,
}
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operators.equal,
    "!=": lambda left, right: not operators.equal(left, right),
    "<": operators.before,
    "<=": operators.not_after,
    ">": lambda left, right: operators.before(right, left),
    ">=": lambda left, right: operators.not_after(right, left),
}


def _operated(symbol: str, operands: list[Evaluate]) -> Evaluate:
    if len(operands) == 3:
        condition, yes, no = operands
        return lambda row: yes(row) if operators.truth(condition(row)) else no(row)
    if len(operands) == 1:
        (operand,) = operands
        if symbol == "!":
            return lambda row: not operators.truth(operand(row))
        return lambda row: None if (value := operand(row)) is None else _named("-", operators.negate, value)
    left, right = operands
    return _between(symbol, left, right)


def _between(symbol: str, left: Evaluate, right: Evaluate) -> Evaluate:
    match symbol:
        case "&&":
            return lambda row: operators.truth(left(row)) and operators.truth(right(row))
        case "||":
            return lambda row: operators.truth(left(row)) or operators.truth(right(row))
        case "?:":
            return lambda row: value if (value := left(row)) is not None and value != "" else right(row)
    compare = _COMPARE.get(symbol)
    if compare is not None:
        return lambda row: _named(symbol, compare, left(row), right(row))
    apply = _NULL_IF_NULL[symbol]

    def run(row: Any) -> Any:
        one, other = left(row), right(row)
        return None if one is None or other is None else _named(symbol, apply, one, other)

    return run


def _named(symbol: str, apply: Callable[..., Any], *values: Any) -> Any:
    try:
        return apply(*values)
    except Refused as error:
        raise Refused(f"{symbol}: {error}") from None
