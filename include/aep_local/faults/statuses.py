"""Faults of the status: an answer that says that something failed, or that the answer is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from time import time
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from aep_local.core import problems
from aep_local.core.problems import Problem
from aep_local.faults.answer import Answer
from aep_local.faults.asked import ROOTS, Service
from aep_local.faults.exchange import Exchange
from aep_local.faults.fault import Fault, Happening, Strict, When

_FLOW_SERVICE: Final[Mapping[int, tuple[int, str]]] = {
    500: (1102, "FLOW"),
    502: (1103, "FLOW"),
    503: (1011, "CONNECTOR"),
    504: (1012, "CONNECTOR"),
}
_IMS: Final[Mapping[int, str]] = {403: "access_denied", 500: "server_error"}
_REGISTRY: Final = 1500
"""No code of the registry for its own failures is published."""


def failure(service: Service, status: int) -> Problem:
    """A service's own words for a failure of its own."""
    detail = HTTPStatus(status).phrase
    match service:
        case "ims":
            return Problem(status, {"error": _IMS.get(status, "temporarily_unavailable"), "error_description": detail})
        case "flowservice":
            code, prefix = _FLOW_SERVICE[status]
            return problems.flow_service(code, status, detail, prefix)
        case "schemaregistry":
            return problems.registry(_REGISTRY, status, detail)
    return problems.generic(status, detail, detail)


def forbidden(service: Service) -> Problem:
    """A service's own words for a permission that is missing."""
    if service == "ims":
        return failure(service, 403)
    if service == "flowservice":
        return problems.flow_service(2120, 403, "manage denied on Enterprise Source")
    return problems.generic(403, "Forbidden", f"access denied on {service}")


_FARTHEST: Final = 10**9


class DateIn(Strict):
    """A date so many seconds from now."""

    date_in: Annotated[float, Field(ge=-_FARTHEST, le=_FARTHEST, allow_inf_nan=False)]


def _as_header(value: Any) -> Any:
    match value:
        case bool():
            pass
        case int() | float():
            return str(value)
        case str() if value.isascii() and value.isprintable() and len(value) <= 200:
            return value
        case dict():
            with suppress(ValidationError):
                return DateIn.model_validate(value)
    raise ValueError(f"must be a number, a text (ASCII), or {{date_in: seconds from -{_FARTHEST} to {_FARTHEST}}}")


class Status(Fault):
    """A failure or a limit, in the service's own shape; after the work it is a lie.

    :param retry_after: the header of that name: a text (or number) as it is sent, or a date.
    """

    kind: Literal["status"]
    status: Literal[429, 500, 502, 503, 504]
    when: When = "before"
    retry_after: Annotated[str | DateIn | None, BeforeValidator(_as_header)] = None

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        await _begin(exchange, self.when)
        problem = failure(exchange.asked.service, self.status) if self.status >= 500 else _too_many()
        match self.retry_after:
            case str() as text:
                problem.headers["Retry-After"] = text
            case DateIn(date_in=seconds):
                problem.headers["Retry-After"] = formatdate(time() + seconds, usegmt=True)
        told.happens()
        await exchange.send(Answer.refusing(problem))


def _too_many() -> Problem:
    return problems.gateway("429050", "Too many requests")


class Forbidden(Fault):
    """A permission is withdrawn: 403 in the service's own shape."""

    kind: Literal["forbidden"]

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        await exchange.read()
        told.happens()
        await exchange.send(Answer.refusing(forbidden(exchange.asked.service)))


class Html(Fault):
    """A page of a gateway that has its own idea of an answer."""

    kind: Literal["html"]
    status: Literal[200, 502, 503, 504]
    when: When = "before"

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        await _begin(exchange, self.when)
        title = "Please wait" if self.status == 200 else f"{self.status} {HTTPStatus(self.status).phrase}"
        page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
        headers = ((b"content-type", b"text/html; charset=utf-8"),)
        told.happens()
        await exchange.send(Answer(self.status, headers, b"").with_body(page.encode()))


class Empty(Fault):
    """A plain 200 without a body."""

    kind: Literal["empty"]
    when: When = "after"

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        await _begin(exchange, self.when)
        told.happens()
        await exchange.send(Answer(200, ((b"content-type", b"application/json"),), b"").with_body(b""))


def _host(value: str) -> str:
    address = urlsplit(value)
    plain = value.isascii() and value.isprintable() and " " not in value
    more = address.username or address.query or address.fragment
    if address.scheme not in {"http", "https"} or not address.hostname or more or not plain:
        raise ValueError("must be the address of a host, for example https://elsewhere.example")
    return value.rstrip("/")


class Redirect(Fault):
    """The same path and query at another host."""

    kind: Literal["redirect"]
    status: Literal[301, 302, 307, 308] = 302
    to: Annotated[str, Field(max_length=1000), AfterValidator(_host)]

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        await exchange.read()
        asked, query = exchange.asked, exchange.query
        place = f"{self.to}{ROOTS[asked.service]}{asked.path}" + (f"?{query}" if query else "")
        told.happens()
        await exchange.send(Answer(self.status, ((b"location", place.encode("latin-1")),), b"").with_body(b""))


async def _begin(exchange: Exchange, when: When) -> None:
    if when == "after":
        await exchange.work()
    else:
        await exchange.read()
