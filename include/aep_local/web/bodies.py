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
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BYTES:
            raise gateway("413001", "Request entity is too large.")
        parts.append(part)
    return b"".join(parts)


async def read_json(request: Request) -> Any:
    """The body as JSON.

    :raises Problem: 400 for an empty body, a wrong content type, or anything that is not strictly JSON.
    """
    raw = await read_body(request)
    if not raw.strip():
        raise _empty(request)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in JSON_TYPES:
        raise placeholder(400, "BadRequestError", "Content-Type must be application/json")
    try:
        value = json.loads(raw, parse_constant=_no_constant, parse_float=_finite)
        _check(value, 0)
    except (ValueError, RecursionError):
        raise placeholder(400, "BadRequestError", "The request body is not well-formed JSON") from None
    return value


def _empty(request: Request) -> Problem:
    if request.url.path.startswith(FLOW_SERVICE):
        return flow_service(1405, 400, "The request body is empty")
    return placeholder(400, "BadRequestError", "The request body is empty")


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
