"""The parts of an expression that has been read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Node:
    """Anything that has a value.

    :param position: where it begins in the text, counted from 1.
    """

    position: int

    @property
    def children(self) -> tuple[Node, ...]:
        """The nodes that it is made of."""
        return ()

    @cached_property
    def depth(self) -> int:
        """1 for a node without children; counted from the bottom up, so that no recursion grows with it."""
        return 1 + max((each.depth for each in self.children), default=0)


@dataclass(frozen=True)
class Literal(Node):
    """A text, a number, true, false or null."""

    value: Any


@dataclass(frozen=True)
class Reference(Node):
    """A source attribute: its path, of which the first names may together be one column."""

    path: tuple[str, ...]


@dataclass(frozen=True)
class Call(Node):
    """A function, or a method with what stands before the dot as its first argument."""

    name: str
    arguments: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return self.arguments


@dataclass(frozen=True)
class Operation(Node):
    """An operator: ``+ - * / % == != < <= > >= && || !``, ``neg`` for a sign, ``get`` for ``[ ]``, ``?`` and ``?:``."""

    symbol: str
    operands: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return self.operands


@dataclass(frozen=True)
class Array(Node):
    """``[1, 2]``"""

    items: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return self.items


@dataclass(frozen=True)
class Object(Node):
    """``{"name": value}``"""

    names: tuple[str, ...]
    values: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return self.values
