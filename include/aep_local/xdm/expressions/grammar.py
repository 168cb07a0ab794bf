"""The grammar of expressions, and how its pieces become nodes.

An LALR parser: time and memory grow with the text's length, whatever the text. The limit on length is Data Prep's own.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Final

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from aep_local.xdm.expressions.functions import METHODS, check_call, is_function
from aep_local.xdm.expressions.nodes import Array, Call, Literal, Node, Object, Operation, Reference
from aep_local.xdm.expressions.paths import names

MAX_LENGTH: Final = 4096
MAX_DEPTH: Final = 100
"""How deep an expression may nest; a chain of operators is as deep as it is long."""

_RESERVED: Final = (
    "new mod or break var lt for false while eq gt div not null continue else and ne true le if ge return _errors do "
    "function empty size"
)
RESERVED: Final = frozenset(_RESERVED.split())
"""Words that name an attribute only within ``${…}``; the names of functions are reserved too."""

_GRAMMAR: Final = r"""
start: choice

?choice: either
    | either "?" choice ":" choice -> conditional
    | either "?:" choice -> otherwise

?either: both | either OR both -> binary
?both: equality | both AND equality -> binary
?equality: relation | equality EQUALITY relation -> binary
?relation: sum | relation RELATION sum -> binary
?sum: product | sum (PLUS | MINUS) product -> binary
?product: unary | product PRODUCT unary -> binary
?unary: postfix
    | MINUS unary -> sign
    | NOT unary -> negation

?postfix: primary
    | postfix "." NAME -> member
    | postfix "." QUOTED -> member
    | postfix "." NAME "(" arguments ")" -> method
    | postfix "[" choice "]" -> item

?primary: NAME "(" arguments ")" -> call
    | NAME -> reference
    | QUOTED -> reference
    | STRING -> string
    | NUMBER -> number
    | (TRUE | FALSE | NULL) -> word
    | "(" choice ")"
    | OPEN arguments "]" -> array
    | BRACE [pair ("," pair)*] "}" -> object

arguments: [choice ("," choice)*]
pair: STRING ":" choice

OR: /\|\||or(?![\w$\\])/
AND: /&&|and(?![\w$\\])/
EQUALITY: /[!=]=|(?:eq|ne)(?![\w$\\])/
RELATION: /[<>]=?|[lg][et](?![\w$\\])/
PRODUCT: /[*\/%]|(?:div|mod)(?![\w$\\])/
NOT.2: /!|not(?![\w$\\])/
PLUS: "+"
MINUS: "-"
OPEN: "["
BRACE: "{"
TRUE: "true"
FALSE: "false"
NULL: "null"
NAME: /(?:[^\W\d]|\$(?!\{))(?:\w|\$(?!\{)|\\[^\w\s])*/
QUOTED: /\$\{(?:[^}\\]|\\.)+\}/
STRING: /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/s
NUMBER: /[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/
%ignore /\s+/
"""


class ExpressionError(ValueError):
    """An expression that cannot be applied; the text says what is wrong and where."""


_WORDS: Final = {"or": "||", "and": "&&", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_WORDS.update({"div": "/", "mod": "%"})
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\"}


@functools.lru_cache(maxsize=512)
def parse(text: str) -> Node:
    """An expression's nodes.

    :raises ExpressionError: it cannot be read, is too long or too deep, or calls a function that there is not.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"the expression is longer than {MAX_LENGTH} characters")
    if not text.strip():
        raise ExpressionError("the expression is empty")
    try:
        node: Any = _PARSER.parse(text)
    except UnexpectedInput as error:
        raise ExpressionError(_unreadable(error, text)) from None
    assert isinstance(node, Node)  # noqa: S101 - the grammar's start gives one
    return node


def _unreadable(error: UnexpectedInput, text: str) -> str:
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        return f"syntax error at position {error.token.start_pos + 1}: {error.token.value[:30]!r} is unexpected"
    if isinstance(error, UnexpectedCharacters):
        position = error.pos_in_stream or 0
        found = text[position]
        kind = "a text that does not end" if found in "\"'" else f"{found!r} is unexpected"
        return f"syntax error at position {position + 1}: {kind}"
    return f"syntax error at position {len(text) + 1}: the expression ends too early"


def _string(token: Token) -> str:
    # an unknown escape keeps its backslash, so that patterns such as "\|" arrive whole
    text = _ESCAPE.sub(_unescaped, token.value[1:-1])
    try:
        # two escapes may stand for one character, half of them for none
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise ExpressionError(f"the text at position {_position(token)} has half a character") from None


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) == 5:
        return chr(int(code[1:], 16))
    return _ESCAPED.get(code, "\\" + code)


@v_args(inline=True)
class _Nodes(Transformer[Token, Any]):
    def start(self, node: Node) -> Node:
        return node

    def arguments(self, *found: Node | None) -> tuple[Node, ...]:
        return tuple(each for each in found if each is not None)

    def pair(self, name: Token, value: Node) -> tuple[str, Node]:
        return _string(name), value

    def string(self, token: Token) -> Node:
        return Literal(_position(token), _string(token))

    def number(self, token: Token) -> Node:
        if token.value.isdigit():
            if len(token.value) > 40:
                raise ExpressionError(f"the number at position {_position(token)} has too many digits")
            return Literal(_position(token), int(token.value))
        number = float(token.value)
        if number == float("inf"):
            raise ExpressionError(f"the number at position {_position(token)} is too large")
        return Literal(_position(token), number)

    def word(self, token: Token) -> Node:
        return Literal(_position(token), {"true": True, "false": False, "null": None}[token.value])

    def reference(self, token: Token) -> Node:
        if token.type == "NAME" and (token.value in RESERVED or is_function(token.value)):
            what = "a reserved word" if token.value in RESERVED else "the name of a function"
            raise ExpressionError(
                f"{token.value} at position {_position(token)} is {what}; an attribute of this name is written "
                f"${{{token.value}}}"
            )
        return Reference(_position(token), names(token.value))

    def member(self, node: Node, token: Token) -> Node:
        if isinstance(node, Reference):
            return Reference(node.position, node.path + names(token.value))
        for name in names(token.value):
            node = _bounded(Operation(node.position, "get", (node, Literal(_position(token), name))))
        return node

    def item(self, node: Node, index: Node) -> Node:
        return _bounded(Operation(node.position, "get", (node, index)))

    def call(self, name: Token, arguments: tuple[Node, ...]) -> Node:
        return _called(name, arguments)

    def method(self, node: Node, name: Token, arguments: tuple[Node, ...]) -> Node:
        if name.value not in METHODS:
            known = ", ".join(sorted(METHODS))
            raise ExpressionError(
                f"the method {name.value[:60]} at position {_position(name)} does not exist; there are {known}"
            )
        return _called(name, (node, *arguments))

    def array(self, opening: Token, items: tuple[Node, ...]) -> Node:
        return _bounded(Array(_position(opening), items))

    def object(self, opening: Token, *pairs: tuple[str, Node] | None) -> Node:
        found = [each for each in pairs if each is not None]
        return _bounded(
            Object(_position(opening), tuple(name for name, _ in found), tuple(value for _, value in found))
        )

    def binary(self, left: Node, operator: Token, right: Node) -> Node:
        return _bounded(Operation(left.position, _WORDS.get(operator.value, operator.value), (left, right)))

    def sign(self, operator: Token, node: Node) -> Node:
        return _bounded(Operation(_position(operator), "neg", (node,)))

    def negation(self, operator: Token, node: Node) -> Node:
        return _bounded(Operation(_position(operator), "!", (node,)))

    def conditional(self, condition: Node, yes: Node, no: Node) -> Node:
        return _bounded(Operation(condition.position, "?", (condition, yes, no)))

    def otherwise(self, value: Node, other: Node) -> Node:
        return _bounded(Operation(value.position, "?:", (value, other)))


def _called(name: Token, arguments: tuple[Node, ...]) -> Node:
    wrong = check_call(name.value, arguments)
    if wrong is not None:
        raise ExpressionError(f"{wrong} (position {_position(name)})")
    return _bounded(Call(_position(name), name.value, arguments))


def _position(token: Token) -> int:
    return (token.start_pos or 0) + 1


def _bounded(node: Node) -> Node:
    if node.depth > MAX_DEPTH:
        raise ExpressionError(f"the expression nests deeper than {MAX_DEPTH} at position {node.position}")
    return node


_PARSER: Final = Lark(_GRAMMAR, parser="lalr", lexer="contextual", transformer=_Nodes(), maybe_placeholders=True)
