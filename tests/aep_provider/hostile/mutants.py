"""
Answers that no AEP should give, made from one that it gives: always the same ones for the same seed.

What is changed is the document, its bytes, or the status and headers around them.
"""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

from .world import TOKEN, Headers, Written

EVIL: Final = "evil.example"


class Raw(str):
    """What stands in a document as it is, though Python could not hold it, or would write it otherwise."""


def _deep(levels: int) -> Raw:
    return Raw("[" * levels + "]" * levels)


NUMBERS: Final[tuple[Any, ...]] = (
    0, -1, 1, 7, 0.5, -0.0, 2**31, 2**53, 2**63, 10**18, 10**30, -(10**30), 9999999999999999, 253402300800, 253402300800000,
    Raw("1e999"), Raw("-1e999"), Raw("1e308"), Raw("1E400"), Raw("NaN"), Raw("Infinity"), Raw("-Infinity"),
    Raw("9" * 4300), Raw("9" * 10_000), Raw("1." + "0" * 5000), Raw("1e-400"),
)  # fmt: skip
TEXTS: Final[tuple[Any, ...]] = (
    "", " ", "0", "-1", "1e5", "1.5", "NaN", "inf", "1e999", "9" * 4299, "9" * 5000, "١٢٣", "²", "true", "null", "None",
    "\x00", "a\x00b", "\x1b[31mred", "\u202eabc", "\u2028", "\r\nX-Evil: 1", "a\nb", "\ufeffa", "\ufffe", "\U000e0041",
    Raw('"\\ud800"'), Raw('"a\\udfffb"'), Raw('"\\ud83d"'), "../../../etc/passwd", "..", ".", "%2e%2e%2f", "a/b?c#d", "a,b=c&d",
    "'", '"', "\\", "{{ 7*7 }}", "{0}", "%s", "${x}", "x" * 3000, "a b", "0000-00-00T00:00:00Z", "9999-99-99", "Success",
    "FAILED", "disabled", "initializing", "once", "week", TOKEN, f"Bearer {TOKEN}", "ı", "ﬁ", "İ", "ß",
)  # fmt: skip
OTHERS: Final[tuple[Any, ...]] = (
    None, True, False, [], {}, [[]], [{}], [None], ["x"], [1], [""], {"": None}, {"id": {}}, {"id": []}, {"name": ["x"]},
    {"id": None, "name": None}, [{"id": "x", "name": {}}], {"$ref": "#/"}, {"$ref": "#"}, [[], {}, None, 0, "x"],
    _deep(60), _deep(300), _deep(700), _deep(950),
)  # fmt: skip
LINKS: Final[tuple[Any, ...]] = (
    f"https://{EVIL}/data/foundation/export/batches/1/meta?path=row_errors", f"//{EVIL}/flows", f"https:{EVIL}",
    f"https:/{EVIL}/x", f"https:///{EVIL}/x", f"https://127.0.0.1:9@{EVIL}/x", f"https://{EVIL}#@127.0.0.1:9/x",
    f"\\\\{EVIL}\\x", f"/\\{EVIL}/x", f"https:\\\\{EVIL}\\x", f"https://127.0.0.1:9\\@{EVIL}/x", f"@{EVIL}/x", f":80@{EVIL}/x",
    f".{EVIL}/x", f"/data/foundation/../../@{EVIL}", "/data/foundation/export/%2e%2e/catalog/x", f"/x\r\nHost: {EVIL}\r\n\r\n",
    f"/data/foundation/export/x%0d%0aHost:%20{EVIL}", "http://[::1", "http://[::1]:99999/x", f"https://{EVIL}:99999999/x",
    f"https://xn--{EVIL}", "https://ｅｖｉｌ.example/x", "javascript:alert(1)", "file:///etc/passwd", f"ftp://{EVIL}/x",
    "data:text/plain,x", "?", "#", "/", "//", "///", "?continuationToken=", f"?a={'b' * 5000}", f"/flows?{'a&' * 2000}",
    "/data/foundation/export", "/data/foundation/export/", f"/data/foundation/flowservice/connections/{'x' * 3000}",
    Raw('"/flows?continuationToken=\\ud800"'), Raw('"/flo\\udc00ws"'), "/flows?continuationToken=\x00", "/flows?%ff=%fe",
    f"HTTPS://{EVIL}/X", f"\thttps://{EVIL}/x", f" //{EVIL}/x", f"/\t/{EVIL}/x", f"https://{EVIL}/%00",
)  # fmt: skip
_LINK_KEYS: Final = frozenset({"href", "next", "failedRecords", "sampleErrors", "runs", "_links", "start"})

BODIES: Final = (
    b"", b" \r\n ", b"null", b"[]", b"{}", b'""', b"0", b"true", b"[null]", b"[[]]", b"[{}]", b'{"items": {}}',
    b'{"items": [[]]}', b"NaN", b"1e999", b"9" * 10_000, b"{", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b'{"a": "\xff"}',
    b"[" * 100_000, b'{"a":' * 100_000, b"[" * 900 + b"]" * 900, b'{"items":' * 400 + b"1" + b"}" * 400,
    b"<html><body>502 Bad Gateway</body></html>", '{"items": []}'.encode("utf-16"), '{"items": []}'.encode("utf-32"),
    b"\xef\xbb\xbf{}", b"\xef\xbb\xbf\xef\xbb\xbf{}", b"{}{}", b'{"a":1,}', b"{'a':1}", b"/*x*/{}",
    b'{"items": [], "items": 1}', gzip.compress(b"{}"), b"data: {}\n\n", TOKEN.encode(),
)  # fmt: skip
HUGE: Final[tuple[Callable[[], bytes], ...]] = (
    lambda: b'{"items": "' + b"x" * 10_000_000 + b'"}', lambda: b"[" + b"[]," * 100_000 + b"[]]",
    lambda: b'{"items": [' + b"{}," * 100_000 + b"{}]}", lambda: b" " * 5_000_000, lambda: b"[" * 3_000_000,
    lambda: b'{"' + b"k" * 3_000_000 + b'": 1}',
)  # fmt: skip

PROBLEMS: Final[tuple[Any, ...]] = (
    {"error_code": "403010", "message": "Oauth token is missing."},
    {"error_code": 401013, "message": f"Oauth token {TOKEN} is not valid"},
    {"type": "https://ns.adobe.com/aep/errors/FLOW-1440-400", "title": "Bad", "report": {"detailed-message": "no"}},
    {"type": "https://ns.adobe.com/aep/errors/FLOW-2105-400", "title": "Bad", "report": {"request-id": "r", "sub-errors": []}},
    {"type": "https://ns.adobe.com/aep/errors/CONNECTOR-1308-400", "errorMessage": "login refused", "errorDetails": "x"},
    {"type": "http://ns.adobe.com/aep/errors/XDM-1012-404", "detail": "Title must be unique. https://ns.adobe.com/a/schemas/1"},
    {"type": "/placeholder/type/uri", "status": 400, "title": "BadRequestError", "detail": "x"},
    {"error": "invalid_client", "error_description": "no"},
)  # fmt: skip
STATUSES: Final = (
    100, 101, 199, 200, 201, 202, 204, 205, 206, 226, 299, 300, 301, 302, 303, 304, 307, 308, 399, 400, 401, 402, 403, 404, 405,
    406, 408, 409, 410, 412, 415, 418, 422, 425, 429, 451, 499, 500, 501, 502, 503, 504, 511, 599, 600, 999,
)  # fmt: skip
WAITS: Final = (
    "", "0", "-1", "1e9", "9" * 5000, "٣", "²", "1, 2", "\x00", TOKEN, "NaN", "inf", "x" * 5000, "Wed, 99 Foo 2015",
    "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 00 Jan 0000 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 +9999",
    "Wed, 21 Oct 2015 07:28:00 -9999999999",
)  # fmt: skip
"""Of ``Retry-After``."""
_HEADERS: Final[tuple[tuple[str, str], ...]] = (
    *((name, str(link)) for name in ("Location", "Content-Location", "Link", "Refresh") for link in LINKS[:12]),
    *(
        ("Retry-After", value)
        for value in WAITS
    ),
    ("Content-Type", "text/html; charset=\x00"), ("Content-Type", "application/json; charset=utf-16"), ("Content-Type", ""),
    ("ETag", '"\r\n"'), ("Date", "x"), ("Date", "Fri, 31 Dec 9999 23:59:59 GMT"), ("Set-Cookie", "a=b"), ("Content-Type", TOKEN),
)  # fmt: skip


def mutant(answer: Written, chance: Random) -> Written:
    """Return what came of an answer. Most often its document is changed in one to three places."""
    status, headers, body = answer
    luck = chance.random()
    if luck < 0.003:
        return status, headers, chance.choice(HUGE)()
    if luck < 0.08:
        return status, headers, _bytes(body, chance)
    if luck < 0.16:
        return _refusal(answer, chance)
    try:
        document = json.loads(body)
    except ValueError:
        return status, headers, _lines(body, chance)
    return status, headers, _written(_changed(document, chance), chance)


def mutants(answer: Written, seed: str, count: int) -> Iterator[Written]:
    """Yield as many of them."""
    for number in range(count):
        yield mutant(answer, Random(f"{seed} {number}"))


def _bytes(body: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(body) + 1)
    match chance.randrange(5):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]
        case 2:
            return (
                body[:at]
                + chance.choice((b"\x00", b"\xff", b"\xed\xa0\x80", b"\n", b'"', b"[", b"}", b"\\u"))
                + body[at:]
            )
        case 3:
            return body[at:] + body[:at]
    return chance.choice(BODIES)


def _lines(body: bytes, chance: Random) -> bytes:
    """A file of JSON lines, one of which is changed."""
    lines = body.split(b"\n")
    at = chance.randrange(len(lines))
    try:
        lines[at] = _written(_changed(json.loads(lines[at]), chance), chance)
    except ValueError:
        return _bytes(body, chance)
    return b"\n".join(lines)


def _refusal(answer: Written, chance: Random) -> Written:
    _, headers, body = answer
    more: Headers = dict(chance.choice(_HEADERS) for _ in range(chance.randrange(3)))
    if chance.random() < 0.7:
        body = _written(_changed(json.loads(json.dumps(chance.choice(PROBLEMS))), chance), chance)
    return chance.choice(STATUSES), {**headers, **more}, body


def _changed(document: Any, chance: Random) -> Any:
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        document = _change(document, chance)
    return document


def _change(document: Any, chance: Random) -> Any:
    places = list(_places(document))
    if not places or chance.random() < 0.02:
        return _strange("", document, chance)
    holder, key = chance.choice(places)
    match chance.randrange(12):
        case 0 | 1:
            del holder[key]
        case 2 if isinstance(holder, dict):
            name = chance.choice((str(key).upper(), f"{key}s", f" {key}", "", "id", "name", "\x00"))
            holder[name] = holder.pop(key)
        case 3:
            holder[key] = [holder[key]]
        case 4:
            holder[key] = {"id": holder[key]} if chance.random() < 0.5 else {str(key): holder[key]}
        case 5 if isinstance(holder, list):
            holder *= chance.choice((2, 3, 50))
        case 6 if isinstance(holder[key], list | dict) and holder[key]:
            holder[key] = next(iter(holder[key].values() if isinstance(holder[key], dict) else holder[key]))
        case 7:
            other, name = chance.choice(places)
            if not _holds(other[name], holder):
                holder[key] = other[name]
        case 8 if isinstance(holder, dict) and all(isinstance(one, str) for one in holder):
            # The same name twice: which of the two counts is the parser's choice.
            holder[_Again(key)] = _strange(str(key), holder[key], chance)
        case _:
            holder[key] = _strange(str(key), holder[key], chance)
    return document


class _Again(str):
    """A key that is equal to none, so that a mapping can hold it beside the one that it repeats."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other


def _strange(key: str, value: Any, chance: Random) -> Any:
    if key in _LINK_KEYS and chance.random() < 0.7:
        return chance.choice(LINKS)
    match chance.randrange(8):
        case 0 | 1:
            return chance.choice(NUMBERS)
        case 2 | 3:
            return chance.choice(TEXTS)
        case 4 | 5:
            # A copy, for the next change may be within it.
            return copy.deepcopy(chance.choice(OTHERS))
        case 6 if isinstance(value, str):
            at = chance.randrange(len(value) + 1)
            more = chance.choice([text for text in TEXTS if not isinstance(text, Raw)])
            return value[:at] + more + value[at:]
        case 6 if isinstance(value, int | float) and not isinstance(value, bool):
            return chance.choice((str(value), -value, value * 1000, float(value), f" {value} "))
    return chance.choice((*LINKS, *NUMBERS, *TEXTS))


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    left = [document]
    while left:
        holder = left.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            yield holder, key
            left.append(holder[key])


def _holds(value: Any, holder: Any) -> bool:
    return value is holder or any(inner is holder for inner, _ in _places(value))


def _written(document: Any, chance: Random) -> bytes:
    plain = chance.random() < 0.5
    return _text(document, plain).encode("utf-8", "surrogatepass")


def _text(value: Any, plain: bool) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        members = (f"{json.dumps(str(name), ensure_ascii=plain)}:{_text(one, plain)}" for name, one in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_text(one, plain) for one in value) + "]"
    return json.dumps(value, ensure_ascii=plain)
