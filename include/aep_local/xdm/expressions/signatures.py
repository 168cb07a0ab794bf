"""How a function is described: what it takes, what null does to it, and a line for whoever looks for it.

A function's body gets arguments of the right kind and gives a value, or raises :class:`aep_local.xdm.values.Refused`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from aep_local.xdm import values
from aep_local.xdm.values import Refused, kind_of

MAX_TEXT: Final = 1_000_000
"""Characters in a text that an expression makes; texts that come from a table may be longer."""

MAX_ITEMS: Final = 100_000
"""Items in an array that an expression makes."""

Row = Any
Evaluate = Callable[[Row], Any]


@dataclass(frozen=True)
class Parameter:
    """What a function takes at one place.

    :param kind: for documentation: ``text integer number boolean date array object any``.
    :param convert: from any value but null to what the body gets; it raises ``Refused``.
    :param nullable: whether the body gets null itself; otherwise null makes the result null.
    """

    kind: str
    convert: Callable[[Any], Any]
    nullable: bool = False


@dataclass(frozen=True)
class Function:
    """One function of the language.

    :param parameters: by position; ``needed`` of them must be given.
    :param rest: what any number of further arguments are, None when there may be none.
    :param body: gets the arguments; a lazy one gets the row and how to evaluate each.
    :param about: a line of documentation, with the names of the parameters.
    """

    name: str
    category: str
    parameters: tuple[Parameter, ...]
    needed: int
    rest: Parameter | None
    body: Callable[..., Any]
    lazy: bool
    about: str

    def counted(self, given: int) -> str | None:
        """What is wrong with so many arguments, None when nothing is."""
        most = None if self.rest is not None else len(self.parameters)
        if given >= self.needed and (most is None or given <= most):
            return None
        if most is None:
            wanted = f"at least {self.needed}"
        elif most == self.needed:
            wanted = str(most) if most else "no"
        else:
            wanted = f"{self.needed} to {most}"
        arguments = "argument" if wanted in {"1", "at least 1"} else "arguments"
        return f"the function {self.name} takes {wanted} {arguments}, not {given}"

    def parameter(self, index: int) -> Parameter:
        """What the argument at an index (from 0) is."""
        if index < len(self.parameters):
            return self.parameters[index]
        assert self.rest is not None  # noqa: S101 - counted before
        return self.rest


@dataclass
class Category:
    """A part of the catalogue; its decorator adds functions to it.

    :param title: as Data Prep's own documents name the part.
    """

    title: str
    functions: dict[str, Function] = field(default_factory=dict)

    def add(
        self,
        *names: str,
        takes: tuple[Parameter, ...] = (),
        optional: int = 0,
        rest: Parameter | None = None,
        lazy: bool = False,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Add the decorated body under these names; its docstring is the line of documentation.

        :param optional: how many of ``takes``, counted from the end, may be left out.
        """

        def added(body: Callable[..., Any]) -> Callable[..., Any]:
            for name in names:
                self.functions[name] = Function(
                    name, self.title, takes, len(takes) - optional, rest, body, lazy, (body.__doc__ or "").strip()
                )
            return body

        return added


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise Refused(f"{kind_of(value)} is not an array")
    return list(value)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused(f"{kind_of(value)} is not an object")
    return value


def number(value: Any) -> int | float:
    """A number to count with: an integer, or a double for everything else; text counts when it reads as a number."""
    if isinstance(value, bool):
        raise Refused("boolean is not a number")
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        text = value.strip()
        if not values.NUMBER.fullmatch(text):
            raise Refused("text is not a number")
        if values.INTEGER.fullmatch(text):
            return int(text)
        result = float(text)
    elif isinstance(value, float | Decimal):
        result = float(value)
    else:
        raise Refused(f"{kind_of(value)} is not a number")
    if not math.isfinite(result):
        raise Refused("number is not finite")
    return result


def text_of(value: Any) -> str:
    """A scalar as text. What a table holds may be long; what an expression makes is bounded where it is made."""
    return value if isinstance(value, str) else values.to_string(value)


def bounded(length: int) -> None:
    """Refuse to make a text of so many characters.

    :raises Refused: it would be too long.
    """
    if length > MAX_TEXT:
        raise Refused(f"the text would be longer than {MAX_TEXT} characters")


def bounded_items(count: int) -> None:
    """Refuse to make an array of so many items.

    :raises Refused: it would be too long.
    """
    if count > MAX_ITEMS:
        raise Refused(f"the array would have more than {MAX_ITEMS} items")


def same(value: Any) -> Any:
    """The value itself."""
    return value


def as_date_text(value: Any) -> Any:
    """A date, a moment or a text that may be one; refused are other kinds."""
    if not isinstance(value, str | date | datetime):
        raise Refused(f"{kind_of(value)} is not a date")
    return value


TEXT: Final = Parameter("text", text_of)
INTEGER: Final = Parameter("integer", values.to_integer)
NUMBER: Final = Parameter("number", number)
BOOLEAN: Final = Parameter("boolean", values.to_boolean)
ARRAY: Final = Parameter("array", _array)
OBJECT: Final = Parameter("object", _object)
ANY: Final = Parameter("any", same, nullable=True)
NULLABLE_TEXT: Final = Parameter("text", text_of, nullable=True)
