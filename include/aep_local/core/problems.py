"""The errors of the platform: one exception, and a constructor for the shape of each layer.

Several error shapes live on one host; the layer that fails chooses. What an answer says never names a file, a query
or a secret.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse


class Problem(Exception):
    """An answer that is an error.

    :param status: the HTTP status.
    :param body: the JSON body as sent.
    :param headers: further response headers.
    """

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def gateway(error_code: str, message: str, status: int | None = None) -> Problem:
    """What the gateway says before any service is reached, for example ``gateway("403010", …)``.

    :param status: the HTTP status; the first three digits of the code when not given.
    """
    return Problem(status or int(error_code[:3]), {"error_code": error_code, "message": message})


def flow_service(
    code: int,
    status: int,
    detail: str,
    prefix: str = "FLOW",
    *,
    title: str | None = None,
    id: str | None = None,
    kind: str | None = None,
) -> Problem:
    """An error of Flow Service, or with the prefix ``CONNECTOR`` of the source connectors behind it.

    :param id: the resource that it is about, with ``kind`` as its type (``flows``, ``connections``, …).
    """
    report: dict[str, Any] = {"detailed-message": detail, "request-id": str(uuid.uuid4())}
    if id is not None:
        report["id"] = id
    if kind is not None:
        report["type"] = kind
    body = {
        "type": f"https://ns.adobe.com/aep/errors/{prefix}-{code}-{status}",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "report": report,
        "errorMessage": detail,
        "errorDetails": detail,
    }
    return Problem(status, body)


def connector(code: int, detail: str, status: int = 400) -> Problem:
    """An error of a source connector, for example 1360 for a start time in the past."""
    return flow_service(code, status, detail, "CONNECTOR")


def not_found(kind: str, id: str) -> Problem:
    """Flow Service has no such resource: FLOW-1439-404."""
    detail = f"{kind} not found with id = [{id}]"
    return flow_service(1439, 404, detail, title="Resource not found", id=id, kind=kind)


def registry(code: int, status: int, detail: str, *, title: str | None = None) -> Problem:
    """An error of the Schema Registry, for example ``registry(1012, 404, …)``."""
    report = {
        "registryRequestId": str(uuid.uuid4()),
        "timestamp": time.strftime("%m-%d-%Y %H:%M:%S", time.gmtime()),
        "detailed-message": detail,
        "sub-errors": [],
    }
    body = {
        "type": f"http://ns.adobe.com/aep/errors/XDM-{code}-{status}",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "report": report,
        "detail": detail,
    }
    return Problem(status, body)


def placeholder(status: int, title: str, detail: str) -> Problem:
    """The older generic shape: wrong content types (400), a missing Accept of the Schema Registry (406)."""
    return Problem(status, {"type": "/placeholder/type/uri", "status": status, "title": title, "detail": detail})


def generic(status: int, title: str, detail: str) -> Problem:
    """Catalog, Data Prep and Data Access; their error bodies are not published, so a plain problem document."""
    return Problem(status, {"type": "about:blank", "title": title, "status": status, "detail": detail})


async def answer(_request: Request, error: Exception) -> JSONResponse:
    """Turn a :class:`Problem` into its answer."""
    if not isinstance(error, Problem):
        raise error
    return JSONResponse(error.body, status_code=error.status, headers=error.headers)
