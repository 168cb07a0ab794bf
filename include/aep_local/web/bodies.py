"""Reading request bodies from strangers: limited in size and depth, strict about JSON."""

from __future__ import annotations

import json
import math
from typing import Any

from fastapi import Request

from aep_local.core.problems import Problem, flow_service, gateway, placeholder

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
FLOW_SERVICE = "/data/foundation/flowservice"
JSON_TYPES = frozenset({"application/json", "application/json-patch+json"})


async def read_body(request: Request) -> bytes:
    """The raw body.

    :raises Problem: 413 for more than 1 MiB.
    """
    if _announced(request) > MAX_BYTES:
        raise gateway("413001", "Request entity is too large.")
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BYTES:
            raise gateway("413001", "Request entity is too large.")
        parts.append(part)
    return b"".join(parts)


def _announced(request: Request) -> int:
    """The body's length by its header, so that nobody waits for what is refused anyway."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


async def read_json(request: Request) -> Any:
    """The body as JSON.

    :raises Problem: 400 for an empty body, a wrong content type, or anything that is not strictly JSON.
    """
    raw = await read_body(request)
    if not raw.strip():
        raise _empty(request)
    content_type, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    if content_type.strip() not in JSON_TYPES:
        raise placeholder(400, "BadRequestError", "Content-Type must be application/json")
    charset = parameters.strip().removeprefix("charset=").strip('"')
    if charset not in {"", "utf-8", "utf8"}:
        raise placeholder(400, "BadRequestError", "The charset of a JSON body is utf-8")
    try:
        # Decoded here, for json would also take UTF-16 and UTF-32, which RFC 8259 does not allow between strangers.
        value = json.loads(
            raw.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_unambiguous
        )
        _check(value, 0)
    except (ValueError, RecursionError):
        raise placeholder(400, "BadRequestError", "The request body is not well-formed JSON") from None
    return value


def _empty(request: Request) -> Problem:
    if request.url.path.startswith(FLOW_SERVICE):
        return flow_service(1405, 400, "The request body is empty")
    return placeholder(400, "BadRequestError", "The request body is empty")


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, unless a name stands in it twice: readers differ on which one counts."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _check(value: Any, depth: int) -> None:
    """Refuse what is nested too deep, integers that no service takes, and text that is not Unicode."""
    if depth > MAX_DEPTH:
        raise ValueError("too deep")
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, int):
        if abs(value) >= 2**63:
            raise ValueError("integer too large")
    elif isinstance(value, dict):
        for key, each in value.items():
            key.encode()
            _check(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            _check(each, depth + 1)
