"""How things are written in requests and answers: headers, queries, links, waiting times."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from aep_provider.errors import AepAnswerError
from aep_provider.platform.settings import AepSettings

Params = Mapping[str, Any] | Iterable[tuple[str, Any]]

# Ids stand in addresses, in logs and in Airflow's database.
_ID: Final = re.compile(r"[\x21-\x7e]{1,500}")
MAX_RETRY_AFTER: Final = 24 * 3600.0
OWN_HEADERS: Final = frozenset(
    {
        "authorization",
        "x-api-key",
        "x-gw-ims-org-id",
        "x-sandbox-name",
        "x-sandbox-id",
        "x-request-id",
        "user-agent",
        "host",
        "content-length",
        "transfer-encoding",
        "cookie",
        "proxy-authorization",
    }
)


def credentials(settings: AepSettings, token: str) -> dict[str, str]:
    """The headers that say who asks, for which organisation and sandbox."""
    return {
        "Authorization": f"Bearer {token}",
        "x-api-key": settings.client_id,
        "x-gw-ims-org-id": settings.ims_org_id,
        "x-sandbox-name": settings.sandbox,
    }


def user_agent(caller: str) -> str:
    """This package and its version, and who uses it."""
    return f"airflow-provider-aep/{_release()} {caller}".strip()


@cache
def _release() -> str:
    try:
        return version("airflow-provider-aep")
    except PackageNotFoundError:
        return "unknown"


def pairs_of(params: Params | None) -> list[tuple[str, str]]:
    """Query parameters as pairs of text. Lists repeat their name, ``None`` is left out, booleans are lower case."""
    given = list(params.items()) if isinstance(params, Mapping) else list(params or ())
    pairs: list[tuple[str, str]] = []
    for name, value in given:
        values = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, str(one).lower() if isinstance(one, bool) else str(one)) for one in values if one is not None]
    return pairs


def query_of(params: Params | None) -> str:
    """Query parameters, encoded for both drivers alike."""
    return urlencode(pairs_of(params))


def is_id(value: object) -> bool:
    """Whether a value can be the id of an object: those of AEP are UUIDs, hexadecimal digits and, of schemas, URLs."""
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def is_plain_path(path: str) -> bool:
    """Whether a path can lead nowhere else than it says: an id in it may hold dots, a query or a second address."""
    plain = all("\x20" < char < "\x7f" and char not in "?#\\" for char in path)
    rooted = path.startswith("/") and not path.startswith("//")
    return plain and rooted and not {".", ".."} & set(unquote(path).split("/"))


def rebased(link: str, service: str = "") -> tuple[str, list[tuple[str, str]]]:
    """Path and parameters of a link in an answer, whatever host it names.

    Links are relative to the root of their service, or absolute with a host that may be an internal one of Adobe's.

    :param service: root of the service that gave the link.
    """
    try:
        parts = urlsplit(link)
    except ValueError:
        parts = urlsplit("")
    path = "/" + parts.path.lstrip("/")
    if not path.startswith("/data/foundation/"):
        path = service + path
    if not (parts.path or parts.query) or not is_plain_path(path):
        raise AepAnswerError("AEP gave a link that leads nowhere", path=service or None)
    return path, parse_qsl(parts.query, keep_blank_values=True)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``Retry-After`` asks to wait (names in lower case), at most a day; ``None`` if it says nothing."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:12]), MAX_RETRY_AFTER)
    try:
        then = parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    try:
        # The sender's own clock, since ours may differ from it.
        now = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, TypeError, OverflowError):
        now = time.time()
    return min(max(then - now, 0.0), MAX_RETRY_AFTER)


def host_of(location: str | None) -> str:
    try:
        return urlsplit(location or "").hostname or "a path of its own"
    except ValueError:
        return "an address that is none"


def secrets_in(document: Any) -> set[str]:
    """Credentials of a source system in a body: AEP wraps that system's own words, which may repeat them."""
    if isinstance(document, list):
        parts = [op.get("value") for op in document if isinstance(op, dict) and _is_auth(op.get("path"))]
    else:
        parts = [document.get("auth")] if isinstance(document, dict) else []
    found: set[str] = set()
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            parts += [value for name, value in part.items() if name not in {"specName", "type"}]
        elif isinstance(part, list):
            parts += part
        elif isinstance(part, str) and not part.startswith(("http://", "https://")):
            found.add(part)
    return found


def _is_auth(path: object) -> bool:
    return isinstance(path, str) and path.startswith("/auth")
