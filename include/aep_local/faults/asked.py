"""What rules look at of a request: which service it is for, what it asks for, and whether it writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, get_args

from starlette.types import Scope

from aep_local.core.store import Scope as Place

Service = Literal["ims", "flowservice", "schemaregistry", "catalog", "conversion", "export"]
SERVICES: Final[frozenset[Service]] = frozenset(get_args(Service))
BEHIND_THE_GATEWAY: Final[frozenset[Service]] = SERVICES - {"ims"}
ROOTS: Final[Mapping[Service, str]] = {
    each: "/ims" if each == "ims" else f"/data/foundation/{each}" for each in get_args(Service)
}
"""Where each service begins; ``conversion`` is Data Prep, ``export`` is Data Access."""

_ONLY_LOOKS = re.compile(r"/token/v\d|/\w+/search|/mappingSets/(validate|preview)", re.ASCII)
"""What is posted and changes nothing that a caller could see."""
_LISTS: Final[Mapping[Service, re.Pattern[str]]] = {
    "flowservice": re.compile(r"/[^/]+"),
    "schemaregistry": re.compile(r"/(tenant|global)/[^/]+"),
    "catalog": re.compile(r"/(dataSets|batches)"),
    "conversion": re.compile(r"/mappingSets"),
    "export": re.compile(r"/batches/[^/]+/(meta|files|failed)"),
}


@dataclass(frozen=True)
class Asked:
    """A request as rules see it.

    :param path: below the service, as it was sent (percent-encoded), without a slash at its end.
    :param headers: by their names in lower case.
    """

    service: Service
    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def writes(self) -> bool:
        """Whether it may change what the platform holds."""
        return self.method in {"POST", "PUT", "PATCH", "DELETE"} and _ONLY_LOOKS.fullmatch(self.path) is None

    @property
    def lists(self) -> bool:
        """Whether it is answered with a list."""
        if self.method == "POST":
            return self.service == "flowservice" and self.path.endswith("/search")
        return self.method == "GET" and self.service in _LISTS and bool(_LISTS[self.service].fullmatch(self.path))

    @property
    def place(self) -> Place:
        """The organisation and the sandbox that it names."""
        return Place(self.headers.get("x-gw-ims-org-id", ""), self.headers.get("x-sandbox-name", ""))

    @property
    def token(self) -> str:
        """Its access token, empty when it has none."""
        scheme, _, token = self.headers.get("authorization", "").strip().partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


def asked(scope: Scope) -> Asked | None:
    """What is asked of a service; None for a request that is for none of them."""
    path = scope["raw_path"].decode("latin-1").rstrip("/")
    for service, root in ROOTS.items():
        if path.startswith(f"{root}/"):
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            return Asked(service, scope["method"], path.removeprefix(root), headers)
    return None


@lru_cache
def pattern(text: str) -> re.Pattern[str]:
    """A path as rules give it: ``{name}`` is one part, ``*`` anything within a part, ``**`` anything at all.

    :raises ValueError: it is no path.
    """
    if not text.startswith("/") or re.search(r"[{}]", re.sub(r"\{\w*\}", "", text)):
        raise ValueError("must be a path below its service that begins with /, for example /flows/{id} or /runs**")
    parts = re.split(r"(\{\w*\}|\*\*|\*)", text)
    kinds = {"*": "[^/]*", "**": ".*"}
    return re.compile("".join(kinds.get(each, "[^/]+" if each.startswith("{") else re.escape(each)) for each in parts))
