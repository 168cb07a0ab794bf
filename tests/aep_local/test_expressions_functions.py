"""Every function of the language but dates: from an expression to its value."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from aep_local.xdm.expressions import FUNCTIONS
from aep_local.xdm.values import Refused

from .expressing import value
from .test_expressions_dates import DATES

ROW: dict[str, Any] = {
    "name": "Zoë",
    "padded": " \t Zoë \n",
    "none": None,
    "blank": "",
    "n": 7,
    "text_n": "7",
    "price": Decimal("9.90"),
    "on": True,
    "day": date(2024, 2, 29),
    "at": datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
    "object": {"first": "Ann", "none": None, "inner": {"a.b": 1}},
    "array": ["a", None, "c"],
    "blob": b"\x00",
    "csv": "a,b,,c,,",
}

TEXTS = [
    ('concat("Hi, ", "there", "!")', "Hi, there!"),
    ("concat(name)", "Zoë"),
    ("concat(none, name, blank)", "Zoë"),
    ("concat(none, none)", None),
    ("concat(blank, none)", ""),
    ('concat(n, " ", price, " ", on, " ", day)', "7 9.90 true 2024-02-29"),
    ("concat(at)", "2024-02-29T12:30:00Z"),
    ("upper(name)", "ZOË"),
    ('ucase("straße")', "STRASSE"),
    ("upper(none)", None),
    ("upper(blank)", ""),
    ("upper(n)", "7"),
    ('lower("HeLLo")', "hello"),
    ('lcase("İ")', "i̇"),
    ("trim(padded)", "Zoë"),
    ("ltrim(padded)", "Zoë \n"),
    ("rtrim(padded)", " \t Zoë"),
    ('trim("\\u00a0x")', "\u00a0x"),
    ("trim(none)", None),
    ('substr("This is a substring test", 7, 8)', " a subst"),
    ("substr(name, 2, 99)", "ë"),
    ("substr(name, 99, 1)", ""),
    ("substr(name, 0, 0)", ""),
    ("substr(none, 0, 1)", None),
    ("substr(name, none, 1)", None),
    ('substr("😀x", 0, 1)', "😀"),
    ('left("abcde", 2)', "ab"),
    ('left("abcde", 9)', "abcde"),
    ('right("abcde", 2)', "de"),
    ('right("abcde", 0)', ""),
    ('right("abcde", 9)', "abcde"),
    ('lpad("bat", 8, "yz")', "yzyzybat"),
    ('rpad("bat", 8, "yz")', "batyzyzy"),
    ('lpad("bat", 2, "yz")', "bat"),
    ('lpad(none, 2, "0")', "00"),
    ('rpad("a", 3, none)', "a  "),
    ('lpad("a", 3, "")', "  a"),
    ('replacestr("This is a string re test", "re", "replace")', "This is a string replace test"),
    ('replacestr("aaa", "", "b")', "aaa"),
    ('replacestr("aaa", "a", "")', ""),
    ('replacestr(name, "x", none)', None),
    ('instr("adobe.com", "com")', 6),
    ('instr("adobe.com", "x")', -1),
    ('instr("a.b.c", ".", 2)', 3),
    ('instr("a.b.c", ".", 0, 2)', 3),
    ('instr("a.b.c", ".", 0, 9)', -1),
    ('split("Hello world", " ")', ["Hello", "world"]),
    ('split("a,b;c", ",;")', ["a", "b", "c"]),
    ("split(csv, ',')", ["a", "b", "c"]),
    ('split("a-]b", "]-")', ["a", "b"]),
    ('split("a\\\\b", "\\\\")', ["a", "b"]),
    ('split("ab", "")', ["ab"]),
    ("split(none, ',')", None),
    ('explode("Hi, there!", " ")', ["Hi,", "there!"]),
    ("explode(csv)", ["a", "b", "", "c"]),
    ("explode(blank)", [""]),
    ('explode("id1|id2", "\\|")', ["id1", "id2"]),
    ('explode("a1b22c", "[0-9]+")', ["a", "b", "c"]),
    ('join(" ", to_array(true, "Hello", "world"))', "Hello world"),
    ('join("-", array)', "a-c"),
    ('join(",", [])', ""),
    ('join(",", [1, true, 2.5])', "1,true,2.5"),
    ('"string1".equals("STRING1")', False),
    ("name.equals(name)", True),
    ("none.equals(none)", True),
    ("name.equals(none)", False),
    ('"s".equalsIgnoreCase("S")', True),
    ('"STRASSE".equalsIgnoreCase("straße")', True),
    ("none.equalsIgnoreCase(name)", False),
    ('matches_regex("E259,E259B_009,1_1", "([^,]+),[^,]*,([^,]+)")', True),
    ('matches_regex("abc", "b")', False),
    ('matches_regex(none, "b")', None),
    ('extract_regex("E259,E259B_009,1_1", "([^,]+),[^,]*,([^,]+)")', ["E259,E259B_009,1_1", "E259", "1_1"]),
    ('extract_regex("x[1]", "\\[(\\d)[)(]?")', ["[1", "1"]),
    ('extract_regex("abc", "(z)")', []),
]

DIGESTS = [
    ('md5("my text", "UTF-8")', "d3b96ce8c9fb4e9bd0198d03ba6852c7"),
    ('sha1("my text")', "c3599c11e47719df18a2448690840c5dfcce3c80"),
    ('sha256("my text", "utf-8")', "7330d2b39ca35eaf4cb95fc846c21ee6a39af698154a83a586ee270a0d372104"),
    (
        'sha512("my text")',
        "a3d7e45a0d9be5fd4e4b9a3b8c9c2163c21ef708bf11b4232bb21d2a8704ada2"
        "cdcd7b367dd0788a89a5c908cfe377aceb1072a7b386b7d4fd2ff68a8fd24d16",
    ),
    ('crc32("my text", "UTF-8")', "8df92e80"),
    ('md5("é", "ISO-8859-1") == md5("é")', False),
    ('md5("é", "US-ASCII") == md5("?")', True),
    ('md5("a", "UTF-16") == md5("a")', False),
    ("md5(none)", None),
    ('get_url_protocol("https://platform.adobe.com/home")', "https"),
    ('get_url_host("https://platform.adobe.com/home")', "platform.adobe.com"),
    ('get_url_host("no url")', None),
    ('get_url_host("http://[")', None),
    ('get_url_port("sftp://example.com//home/joe/employee.csv")', 22),
    ('get_url_port("http://example.com:8042/")', 8042),
    ('get_url_port("http://example.com:x/")', None),
    ('get_url_path("sftp://example.com//home/joe/employee.csv")', "//home/joe/employee.csv"),
    ('get_url_path("http://example.com/a/b.csv", false)', "b.csv"),
    ('get_url_query_str("foo://example.com:8042/over?name=ferret#nose", "retain")', {"name": "ferret#nose"}),
    ('get_url_query_str("foo://example.com:8042/over?name=ferret#nose", "remove")', {"name": "ferret"}),
    (
        'get_url_query_str("foo://example.com/over?name=ferret#nose", "append")',
        {"name": "ferret", "_anchor_": "nose"},
    ),
    ('get_url_encoded("https://example.com/a b")', "https%3A%2F%2Fexample.com%2Fa%20b"),
    ('get_url_decoded("https%3A%2F%2Fexample.com%2Fa%20b")', "https://example.com/a b"),
]

HIERARCHIES = [
    ("is_empty(none)", True),
    ("is_empty(blank)", True),
    ('is_empty(" ")', False),
    ("is_empty([])", True),
    ("is_empty({})", True),
    ("is_empty(0)", False),
    ("is_empty([1, null, 2, 3])", False),
    ('to_object("firstName", "John", "n", none)', {"firstName": "John", "n": None}),
    ("to_object()", {}),
    (
        """arrays_to_objects('sku', explode("id1|id2", '\\\\|'), 'price', [22.5,14.35])""",
        [{"sku": "id1", "price": 22.5}, {"sku": "id2", "price": 14.35}],
    ),
    ("arrays_to_object('a', [1, 2], 'b', [3], 'c', none)", [{"a": 1, "b": 3}, {"a": 2}]),
    ('str_to_object("a=1, b = 2,c", "=", ",")', {"a": "1", "b": "2"}),
    ('str_to_object("a:1,a:2")', {"a": "1"}),
    ('str_to_object("first - John ; last - ", "-", ";").get("first")', "John"),
    ('get_values("first - John , last - Cena", "first", "-", ",")', "John"),
    ('get_values("a:1", "b", none)', None),
    ("get_keys(object)", ["first", "none", "inner"]),
    ('object.get("first")', "Ann"),
    ("get(array, 2)", "c"),
    ("get(array, 9)", None),
    ('contains_key("object.first")', True),
    ('contains_key("object.none")', False),
    ('contains_key("nowhere.at.all")', False),
    ('is_set("name")', True),
    ("nullify()", None),
    ('json_to_object("{\\"a\\": [1, 2.5, null]}")', {"a": [1, 2.5, None]}),
    ("size_of([1, 2, 3, 4])", 4),
    ("size_of(name)", 3),
    ("size_of(object)", 3),
    ("size_of(none)", 0),
    ('first("1", "2", "3")', "1"),
    ("first(array)", "a"),
    ("first([])", None),
    ("first()", None),
    ('last("1", "2", "3")', "3"),
    ("last(array)", "c"),
    ("to_array(false, 1, null, 2, 3)", [1, 2, 3]),
    ("to_array(true, 1, null)", [1, None]),
    ("add_to_array(['a', 'b'], 'c', none)", ["a", "b", "c", None]),
    ("add_to_array(none, 'c')", None),
    ("join_arrays(['a', 'b'], ['c'], ['d', 'e'])", ["a", "b", "c", "d", "e"]),
    ("upsert_array_append([123, 456])", [123, 456]),
    ("upsert_array_replace([123, 456], 1)", [123, 456]),
]

CHOICES = [
    ('coalesce(null, null, "first", null, "second")', "first"),
    ("coalesce(array)", "a"),
    ("coalesce(none, blank)", ""),
    ("coalesce(none)", None),
    ('coalesce(name, to_integer("not evaluated"))', "Zoë"),
    ('iif(n > 5, "big", "small")', "big"),
    ('iif(none, "yes", "no")', "no"),
    ('iif("TRUE", 1, 2)', 1),
    ("iif(is_empty(blank), null, to_integer(blank))", None),
    ('decode("pa", "ca", "California", "pa", "Pennsylvania", "N/A")', "Pennsylvania"),
    ('decode("xx", "ca", "California", "N/A")', "N/A"),
    ('decode("xx", "ca", "California")', None),
    ('decode(none, null, "nothing", "N/A")', "nothing"),
    ('decode(text_n, 7, "seven")', "seven"),
]

NUMBERS = [
    ("min(3, 1, 4)", 1),
    ("max(3, 1, 4)", 4),
    ('min("b", none, "a")', "a"),
    ('max(2, "10")', "10"),
    ("max([1, 5, 2])", 5),
    ("max(none)", None),
    ("max(day, at)", datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
    ('to_integer("12")', 12),
    ('to_integer(" -12.9 ")', -12),
    ("to_integer(price)", 9),
    ('to_integer("9007199254740993")', 9007199254740993),
    ("to_integer(none)", None),
    ('to_bigint("1000000.34")', 1000000),
    ('to_bigint("9223372036854775808")', 9223372036854775808),
    ('to_decimal("20.5")', 20.5),
    ("to_decimal(n)", 7.0),
    ('to_decimal("1e3")', 1000.0),
    ('to_float("12.3456")', 12.3456),
    ('to_float("16777217")', 16777216.0),
]


@pytest.mark.parametrize(("text", "expected"), TEXTS + DIGESTS + HIERARCHIES + CHOICES + NUMBERS)
def test_value(text: str, expected: Any) -> None:
    found = value(text, ROW)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("upper(object)", "upper: object is not a string"),
        ("concat(name, array)", "concat: array is not a string"),
        ("trim(blob)", "trim: binary is not a string"),
        ("substr(name, 'a', 1)", "substr: text is not an integer"),
        ("substr(name, -1, 1)", "substr: the start must not be negative"),
        ("left(name, 1.5)", "left: number with a fraction is not an integer"),
        ("lower(upper(object))", "upper: object is not a string"),
        ("lpad(name, 9999999, 'x')", "lpad: the text would be longer than 1000000 characters"),
        ("instr(name, 'a', 0, 0)", "instr: the occurrence must be at least 1"),
        ("join(',', name)", "join: text is not an array"),
        ("join(',', [[1]])", "join: array is not a string"),
        ("matches_regex(name, '(')", "matches_regex: the text or its regular expression cannot be read"),
        ("extract_regex(name, '(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)')", "extract_regex: the regular expression has more"),
        ("md5(name, 'EBCDIC')", "md5: the charset is none of"),
        ("get_url_query_str('http://a/?b=c', 'drop')", "get_url_query_str: the anchor must be"),
        ("to_object('a')", "to_object: names and values must come in pairs"),
        ("to_object(none, 1)", "to_object: a name must not be null"),
        ("json_to_object('{')", "json_to_object: text is not JSON"),
        (f"json_to_object('{'[' * 66}{']' * 66}')", "json_to_object: the JSON nests deeper than 64"),
        (f"json_to_object('{'[' * 2000}{']' * 2000}')", "json_to_object: "),
        (f"json_to_object('1{'0' * 400}') * 1.5", "*: number is too large"),
        ("to_bigint(1e50)", "to_bigint: number has more than 40 digits"),
        ("json_to_object('NaN')", "json_to_object: text is not JSON"),
        ("json_to_object('1e999')", "json_to_object: text is not JSON"),
        (r"""json_to_object('"\\ud800"')""", "json_to_object: text is not JSON"),
        ("size_of(n)", "size_of: integer has no size"),
        ("first(to_integer(name))", "to_integer: text is not a number"),
        ("to_integer(blank)", "to_integer: text is not a number"),
        ("to_integer(on)", "to_integer: boolean is not a number"),
        ("to_integer('1e300')", "to_integer: number has more than 40 digits"),
        ("to_integer('9223372036854775808')", "to_integer: integer does not fit into 64 bits"),
        ("to_decimal('1e400')", "to_decimal: number is not finite"),
        ("to_float('1e39')", "to_float: number is too large for single precision"),
        ("max(name, 1)", "max: text is not a number"),
        ("iif(name, 1, 2)", "text is not a condition"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        value(text, ROW)
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize("name", ["uuid", "guid"])
def test_random_ids(name: str) -> None:
    one, other = value(f"{name}()"), value(f"{name}()")
    assert one != other
    assert str(UUID(one)) == one


def test_what_grows_in_rounds_is_bounded() -> None:
    grown = '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"'
    for _ in range(8):
        grown = f'replacestr({grown}, "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")'
    with pytest.raises(Refused, match="longer than"):
        value(grown)
    with pytest.raises(Refused, match="more than"):
        value("explode(x)", {"x": "," * 200_000 + "x"})


def test_every_function_has_a_row_in_the_tables_and_a_line_of_documentation() -> None:
    tables = " ".join(text for text, _ in [*TEXTS, *DIGESTS, *HIERARCHIES, *CHOICES, *NUMBERS, *DATES])
    seen = set(re.findall(r"\w+(?=\()", tables)) | {"uuid", "guid"}
    assert set(FUNCTIONS) - seen == set()
    for name, function in FUNCTIONS.items():
        assert function.about.startswith(name) or any(
            other.body is function.body and function.about.split("(")[0].endswith(other.name)
            for other in FUNCTIONS.values()
        ), name
