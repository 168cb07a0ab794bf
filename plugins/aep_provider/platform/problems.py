"""What AEP says when it refuses: every shape of error body, and the error that becomes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, quote_plus

from aep_provider.errors import (
    AepApiError,
    AepAuthenticationError,
    AepConflictError,
    AepInvalidRequestError,
    AepNotFoundError,
    AepPermissionError,
    AepPreconditionError,
    AepSandboxError,
    AepServerError,
    AepThrottledError,
)

BY_STATUS: Final[dict[int, type[AepApiError]]] = {
    401: AepAuthenticationError,
    403: AepPermissionError,
    404: AepNotFoundError,
    408: AepServerError,
    409: AepConflictError,
    412: AepPreconditionError,
    429: AepThrottledError,
}
# Flow Service: not found (2100-2104), header missing (2105), given by id or as a wildcard (2110-2113).
SANDBOX_NUMBERS: Final = frozenset({2100, 2101, 2102, 2103, 2104, 2105, 2110, 2111, 2112, 2113})
TOKEN_NUMBERS: Final = frozenset({2114, 2115})
# 1308 wraps an error of the source system, which may pass.
PASSING_NUMBERS: Final = frozenset({1308})
TOKEN_MISSING: Final = 403010
_TOKEN: Final = re.compile(r"\beyJ[A-Za-z0-9_.-]{5,}")
_CODE: Final = re.compile(r"(?:^|/)((?:[A-Z][A-Z0-9]{1,30}-)?(\d{1,9})-(\d{3}))$")


@dataclass(frozen=True)
class Problem:
    """The body of a refusal, whichever service wrote it. What it did not say is ``None``."""

    code: str | None = None
    number: int | None = None
    title: str | None = None
    detail: str | None = None
    request_id: str | None = None


def read_problem(body: bytes) -> Problem:
    """Read an error body of the gateway, of any service, or of none of them. Never fails."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return Problem()
    if not isinstance(document, dict):
        return Problem()
    report = document.get("report")
    report = report if isinstance(report, dict) else {}
    code, number = _code(document)
    return Problem(
        code=code,
        number=number,
        title=_text(document.get("title")),
        detail=_first(
            report.get("detailed-message"),
            document.get("errorMessage"),
            document.get("detail"),
            document.get("message"),
            document.get("error_description"),
            document.get("errorDetails"),
        ),
        request_id=_first(report.get("request-id"), report.get("registryRequestId"), document.get("request_id")),
    )


def refusal(
    status: int,
    body: bytes,
    *,
    method: str,
    path: str,
    sandbox: str | None = None,
    request_id: str | None = None,
    retry_after: float | None = None,
    ambiguous: bool = False,
    hidden: Iterable[str] = (),
    message: str = "",
) -> AepApiError:
    """The error for a refusal.

    :param ambiguous: a write that AEP may have carried out although it answered with 408 or 5xx.
    :param hidden: secrets that AEP may have echoed.
    """
    problem = read_problem(body)
    kind = _kind(status, problem)
    fields: dict[str, Any] = {
        "status": status,
        "code": hide(problem.code, hidden),
        "number": problem.number,
        "title": hide(problem.title, hidden),
        "detail": hide(problem.detail, hidden),
        "method": method,
        "path": path,
        "sandbox": sandbox,
        "request_id": hide(problem.request_id, hidden) or request_id,
        "ambiguous": ambiguous,
    }
    if issubclass(kind, AepThrottledError):
        fields["retry_after"] = retry_after
    if problem.number in PASSING_NUMBERS:
        fields["final"] = False
    return kind(message, **fields)


def hide(text: str | None, hidden: Iterable[str]) -> str | None:
    """``text`` with every secret in it replaced, and everything that looks like a token."""
    if not text:
        return text
    for secret in sorted(filter(None, hidden), key=len, reverse=True):
        for written in (secret, quote(secret, safe=""), quote_plus(secret)):
            text = text.replace(written, "***")
    return _TOKEN.sub("***", text)


def _kind(status: int, problem: Problem) -> type[AepApiError]:
    flow_service = (problem.code or "").startswith("FLOW-")
    if flow_service and problem.number in SANDBOX_NUMBERS:
        return AepSandboxError
    if flow_service and problem.number in TOKEN_NUMBERS:
        return AepAuthenticationError
    return BY_STATUS.get(status, AepServerError if status >= 500 else AepInvalidRequestError)


def _code(document: dict[str, Any]) -> tuple[str | None, int | None]:
    # The gateway writes error_code as a string, sometimes as an integer; the services a URL in `type`.
    plain = _text(document.get("error_code"))
    if plain and re.fullmatch(r"[0-9]{1,9}", plain):
        return plain, int(plain)
    for value in (document.get("type"), document.get("code"), document.get("errorCode")):
        found = _CODE.search(_text(value) or "")
        if found:
            return found[1], int(found[2])
    named = _text(document.get("error"))
    return (named, None) if named and re.fullmatch(r"[a-z_]{1,60}", named) else (None, None)


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**12 else None


def _first(*values: object) -> str | None:
    return next((text for text in map(_text, values) if text), None)
