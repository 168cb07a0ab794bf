"""
JSON as AEP may send it: no deeper, and with no other numbers and characters, than everything that reads it can bear.

What is nested without end breaks whoever walks through it, what is no finite number of 64 bits whoever computes with it, and
half of a character whoever writes it down.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

DEEPEST: Final = 100
"""Levels. A schema with all its fields in place, the deepest of AEP's documents, has some dozens."""
MOST_PARTS: Final = 4_000_000
"""Lists and objects. The shortest take thirty times more memory than characters."""
_LARGEST: Final = 2**63
# Most answers hold none, and then need no second look.
_ESCAPED_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")


class UnreadableError(ValueError):
    """It is JSON, and more than anybody can bear."""

    def __init__(self, what: str) -> None:
        super().__init__(f"is not JSON that can be read: {what}")


def text_in(content: bytes) -> str:
    """
    Return the text that an answer holds.

    :raises ValueError: it holds none, as the end of a sentence that begins with the answer.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("is not text, or was cut") from None


def document_in(content: bytes) -> Any:
    """
    Return the document that an answer holds.

    Halves of characters, as a text that was cut in the middle of one has them, become question marks.

    :raises ValueError: it is not JSON, or more than can be read, as the end of a sentence that begins with the answer.
    """
    try:
        text = content.decode("utf-8-sig")
        if text.count("{") + text.count("[") > MOST_PARTS:
            raise UnreadableError(f"more than {MOST_PARTS} lists and objects")
        document = _DECODER.decode(text)
        too_deep = is_deeper(document, DEEPEST)
    except UnreadableError:
        raise
    except RecursionError:
        too_deep = True
    except ValueError:
        raise ValueError("is not JSON, or was cut") from None
    if too_deep:
        raise UnreadableError(f"nested deeper than {DEEPEST} levels")
    return _with_whole_characters(document) if _ESCAPED_HALF.search(text) else document


def is_deeper(document: Any, levels: int) -> bool:
    """Whether lists and objects are nested deeper. Walks level by level: recursion would fail where it is needed."""
    level = [document] if isinstance(document, dict | list) else []
    for _ in range(levels):
        inside = (one.values() if type(one) is dict else one for one in level)
        level = [inner for parts in inside for inner in parts if type(inner) is dict or type(inner) is list]
    return bool(level)


def _whole(written: str) -> int:
    # Before it is read: Python takes its time for numbers of many digits, and refuses those of too many.
    number = int(written) if len(written) <= len(str(_LARGEST)) + 1 else _LARGEST
    if abs(number) >= _LARGEST:
        raise UnreadableError("a number of more than 64 bits")
    return number


def _finite(written: str) -> float:
    number = float(written)
    if not math.isfinite(number):
        raise UnreadableError("a number that is not finite")
    return number


_DECODER: Final = json.JSONDecoder(parse_int=_whole, parse_float=_finite, parse_constant=_finite)


def _with_whole_characters(document: Any) -> Any:
    written = json.dumps(document, ensure_ascii=False)
    return json.loads(written.encode("utf-8", "replace"))
