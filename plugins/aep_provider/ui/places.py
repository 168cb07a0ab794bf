"""Which sandboxes the page may show: what Airflow's configuration names, and nothing that a URL makes up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from airflow.sdk import conf

from aep_provider.errors import AepConfigError, one_line
from aep_provider.provider_info import DEFAULT_CONN_ID

_DAYS: Final = range(1, 91)
_ONE: Final = re.compile(r"[^@,\s]+(?:@[a-z0-9-]+)?")


@dataclass(frozen=True, order=True)
class Place:
    """
    A sandbox, reached over an Airflow connection.

    :param sandbox: None for the connection's own.
    """

    conn_id: str
    sandbox: str | None = None

    @property
    def label(self) -> str:
        """How configuration, addresses and people call it."""
        return f"{self.conn_id}@{self.sandbox}" if self.sandbox else self.conn_id


def configured_places() -> list[Place]:
    """
    Return the sandboxes that may be shown, in the order of the configuration.

    :raises AepConfigError: ``page_connections`` is not as it should be.
    """
    found = []
    for word in conf.get("aep", "page_connections", fallback=DEFAULT_CONN_ID).replace(",", " ").split():
        if not _ONE.fullmatch(word):
            raise AepConfigError(
                f"page_connections in the section [aep] of Airflow's configuration has {one_line(word, 80)!r}, but must "
                "have ids of connections, each perhaps with a sandbox's name in lower case, as in aep_default@stage."
            )
        conn_id, _, sandbox = word.partition("@")
        found.append(Place(conn_id, sandbox or None))
    return list(dict.fromkeys(found))


def configured_days() -> int:
    """
    Return how many days of runs are shown.

    :raises AepConfigError: ``page_days`` is not as it should be.
    """
    told = conf.get("aep", "page_days", fallback="30").strip()
    if not (told.isdecimal() and int(told) in _DAYS):
        raise AepConfigError(
            f"page_days in the section [aep] of Airflow's configuration is {one_line(told, 80)!r}, but must be a whole "
            "number from 1 to 90."
        )
    return int(told)
