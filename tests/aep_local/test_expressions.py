"""The language of expressions: what is read, what is refused and where, how attributes are found, what operators do."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from aep_local.xdm.expressions import MAX_DEPTH, MAX_LENGTH, ExpressionError, bind, parse
from aep_local.xdm.values import Refused

from .expressing import value

ROW: dict[str, Any] = {
    "a": "x",
    "n": 7,
    "text_n": "7",
    "price": Decimal("9.90"),
    "none": None,
    "on": True,
    "day": date(2024, 2, 29),
    "at": datetime(2024, 2, 29, tzinfo=UTC),
    "First Name": "Ann",
    "a.b": "dotted",
    "address": {"city": "Bonn", "street.name": "Main", "lines": ["one", "two"], "deep": {"er": 1}},
    "été": "summer",
    "_x1": 1,
    "$y": 2,
    "not": "reserved",
    "left": "function",
    "order": 5,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # literals
        ("1", 1),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("true", True),
        ("null", None),
        ('"a\\"b\'c\\n\\t\\\\"', "a\"b'c\n\t\\"),
        ("'a\"b\\'c'", "a\"b'c"),
        ('"\\u00e9\\ud83d\\ude00"', "é😀"),
        ('"\\|"', "\\|"),
        ('""', ""),
        ("[]", []),
        ("[1, 'a', [null]]", [1, "a", [None]]),
        ("{'a': 1, \"b\": {'c': n}}", {"a": 1, "b": {"c": 7}}),
        ("{}", {}),
        # attributes
        ("a", "x"),
        (" \n a \t", "x"),
        ("${First Name}", "Ann"),
        ("${a.b}", "dotted"),
        ("a.b", "dotted"),
        ("a\\.b", "dotted"),
        ("address.city", "Bonn"),
        ("${address}.city", "Bonn"),
        ("address.${city}", "Bonn"),
        ("address.street\\.name", "Main"),
        ("${address.street\\.name}", "Main"),
        ("address.${street\\.name}", "Main"),
        ("address.nowhere.at.all", None),
        ("a.nowhere", None),
        ("address.lines[1]", "two"),
        ("address.lines[7]", None),
        ("address['city']", "Bonn"),
        ("address['deep'].er", 1),
        ("address.get('deep').get('er')", 1),
        ("none[0]", None),
        ("été", "summer"),
        ("_x1 + $y", 3),
        ("${not}", "reserved"),
        ("${left}", "function"),
        ("order", 5),
        # operators, loosest first
        ("on ? 1 : 2", 1),
        ("none ? 1 : none ? 2 : 3", 3),
        ("n > 5 ? 'big' : 'small'", "big"),
        ("none ?: 'other'", "other"),
        ("'' ?: 'other'", "other"),
        ("0 ?: 'other'", 0),
        ("true || false && false", True),
        ("true or false and false", True),
        ("not on", False),
        ("!on == false", True),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 3 - 2", 5),
        ("2 - -3", 5),
        ("--3", 3),
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("7 div 2.0", 3.5),
        ("7 % 4", 3),
        ("-7 mod 4", -3),
        ("7.5 % 2", 1.5),
        ("price * 2", 19.8),
        ("text_n * 2", 14),
        ("text_n + 1", 8),
        ("'7' + '1'", "71"),
        ("a + 1", "x1"),
        ("1 + a", "1x"),
        ("a + '-' + n", "x-7"),
        ("a + price", "x9.90"),
        ("none + 1", None),
        ("none + a", None),
        ("-none", None),
        ("9007199254740993 + 0", 9007199254740993),
        ("n == 7.0", True),
        ("n eq text_n", True),
        ("price == '9.9'", True),
        ("n != 8", True),
        ("n ne 7", False),
        ("a == n", False),
        ("on == 'TRUE'", True),
        ("on == 1", False),
        ("none == null", True),
        ("none == ''", False),
        ("none != 1", True),
        ("none < 1", False),
        ("none >= none", False),
        ("day == at", True),
        ("at == '2024-02-29'", True),
        ("day < '2024-03-01'", True),
        ("at >= day", True),
        ("'a' < 'b'", True),
        ("'B' < 'a'", True),
        ("'10' < '9'", True),
        ("10 < '9'", False),
        ("1 le 1 and 1 ge 1 and not (1 lt 1) and not (1 gt 1)", True),
        ("[1, 2] == [1, 2]", True),
        ("address.lines == ['one', 'two']", True),
        ("{'a': 1} == {'a': 2}", False),
        # the unneeded half is not evaluated
        ("false && 1 / 0 > 1", False),
        ("true || 1 / 0 > 1", True),
        ("on ? 1 : 1 / 0", 1),
    ],
)
def test_value(text: str, expected: Any) -> None:
    found = value(text, ROW)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the expression is empty"),
        (" \n", "the expression is empty"),
        ("1 +", "syntax error at position 4: the expression ends too early"),
        ("upper(a", "syntax error at position 8: the expression ends too early"),
        ("upper(a))", "syntax error at position 9: ')' is unexpected"),
        ("a b", "syntax error at position 3: 'b' is unexpected"),
        ("a orb", "syntax error at position 3: 'orb' is unexpected"),
        ("a..b", "syntax error at position 3: '.' is unexpected"),
        ("a # b", "syntax error at position 3: '#' is unexpected"),
        ('"abc', "syntax error at position 1: a text that does not end"),
        ("a = 1", "syntax error at position 3: '=' is unexpected"),
        ("concat(a,)", "syntax error at position 10: ')' is unexpected"),
        ("${}", "syntax error at position 1: '$' is unexpected"),
        ("${open", "syntax error at position 1: '$' is unexpected"),
        ("a; b", "syntax error at position 2: ';' is unexpected"),
        ("a.__class__.upper()", "the method upper at position 13 does not exist"),
        ("foo(a)", "the function foo does not exist"),
        ("__import__('os')", "the function __import__ does not exist"),
        ("eval('1')", "the function eval does not exist"),
        (f"{'x' * 4000}(a)", f"the function {'x' * 60}… does not exist (position 1)"),
        ("Upper(a)", "the function Upper does not exist; near names: upper"),
        ("trimm(a)", "the function trimm does not exist; near names: trim, "),
        ("1 + nullif(a, '')", "the function nullif does not exist; write iif(a == b, null, a) (position 5)"),
        ("replace(a, 'b', 'c')", "the function replace does not exist; write replacestr"),
        ("to_boolean(a)", "the function to_boolean does not exist; write nothing"),
        ("ua_os_name(a)", "the function ua_os_name is not served by this platform, although Data Prep has it"),
        ("substr(a)", "the function substr takes 3 arguments, not 1 (position 1)"),
        ("upper()", "the function upper takes 1 argument, not 0"),
        ("now(1)", "the function now takes no arguments, not 1"),
        ("date()", "the function date takes 1 to 3 arguments, not 0"),
        ("concat()", "the function concat takes at least 1 argument, not 0"),
        ("a.equals()", "the function equals takes 2 arguments, not 1"),
        ("contains_key(a)", "the function contains_key takes a path as quoted text"),
        ("not", "syntax error at position 4"),
        ("new + 1", "new at position 1 is a reserved word; an attribute of this name is written ${new}"),
        ("1 + left", "left at position 5 is the name of a function; an attribute of this name is written ${left}"),
        ("9" * 41, "the number at position 1 has too many digits"),
        ("1e999", "the number at position 1 is too large"),
        ('"\\ud800"', "the text at position 1 has half a character"),
        ("a" * (MAX_LENGTH + 1), f"the expression is longer than {MAX_LENGTH} characters"),
        ("-" * (MAX_DEPTH + 5) + "1", f"the expression nests deeper than {MAX_DEPTH}"),
        ("+".join("1" * (MAX_DEPTH + 5)), f"the expression nests deeper than {MAX_DEPTH}"),
    ],
)
def test_what_cannot_be_read(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert str(caught.value).startswith(reason)


def test_unknown_attributes_are_all_named() -> None:
    node = parse("concat(a, Nmae, ${First Nmae}, address.x)")
    with pytest.raises(ExpressionError) as caught:
        bind(node, ROW)
    assert str(caught.value) == (
        "source attribute Nmae is unknown (position 11); source attribute First Nmae is unknown (position 17)"
    )
    assert bind(node, None).columns == ()


def test_only_what_is_read_is_named_as_a_column() -> None:
    assert bind(parse("concat(a.b, a, address.city, a)"), ROW).columns == ("a.b", "a", "address")
    assert bind(parse("contains_key('address.city')"), ROW).columns == ("address",)
    assert bind(parse("contains_key('gone')"), ROW).columns == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 / 0", "/: division by zero"),
        ("1.5 / 0", "/: division by zero"),
        ("1 % 0", "%: division by zero"),
        ("a * 2", "*: text is not a number"),
        ("on + 1", "+: boolean is not a number"),
        ("-a", "-: text is not a number"),
        ("1e308 * 10", "*: number is too large"),
        (f"{'9' * 40} * 9", "*: number is too large"),
        (f"{'9' * 40} * 1e300", "*: number is too large"),
        ("a < 1", "<: text is not a number"),
        ("at < 'soon'", "<: text is not a date-time"),
        ("[1] < [2]", "<: array and array cannot be compared"),
        ("a ? 1 : 2", "text is not a condition"),
        ("n && on", "integer is not a condition"),
        ("a['x']", "get: text has no parts"),
        ("address.lines['x']", "get: text is not a number"),
        ("address.lines[1.5]", "get: the index of an array must be an integer"),
        ("address + a", "+: object is not a string"),
    ],
)
def test_what_cannot_be_computed(text: str, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        value(text, ROW)
    assert str(caught.value) == reason


def test_the_deepest_expression_is_evaluated() -> None:
    depth = MAX_DEPTH - 2
    assert value("-" * depth + "1") == (-1) ** depth
    assert value("upper(" * depth + "'a'" + ")" * depth) == "A"
    assert value("iif(true, " * depth + "1" + ", 2)" * depth) == 1
    assert value("coalesce(null, " * depth + "'a'" + ")" * depth) == "a"
    assert value("true ? (" * depth + "1" + ") : 2" * depth) == 1
    assert value("[" * depth + "1" + "]" * depth + " == " + "[" * depth + "1" + "]" * depth) is True
    assert value("(" * 2000 + "1" + ")" * 2000) == 1


@pytest.mark.parametrize(
    "text",
    [
        "(" * MAX_LENGTH,
        "[" * MAX_LENGTH,
        "-" * MAX_LENGTH,
        "a." * (MAX_LENGTH // 2),
        "a[" * (MAX_LENGTH // 2),
        "${" * (MAX_LENGTH // 2),
        '"\\' * (MAX_LENGTH // 2),
        "a ?" * (MAX_LENGTH // 3),
        "upper(" * (MAX_LENGTH // 6),
        "\\" * MAX_LENGTH,
        " " * (MAX_LENGTH - 1) + "(",
    ],
)
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ExpressionError):
        parse(text)
    assert time.process_time() - began < 2
