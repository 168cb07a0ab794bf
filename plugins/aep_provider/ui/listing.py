"""Searching, filtering, sorting and leafing through the rows of the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from aep_provider.ui.rows import Health, Row

PAGE: Final = 50
_WORST_FIRST: Final = {health: rank for rank, health in enumerate(Health)}

SORTS: Final[dict[str, Callable[[Row], Any]]] = {
    "health": lambda row: _WORST_FIRST[row.health],
    "name": lambda row: row.name.casefold(),
    "last_run": lambda row: -(row.last_run_at or 0),
    "rows_in": lambda row: -row.rows_in,
    "rejected": lambda row: -row.rows_rejected,
    "late": lambda row: -(row.windows_late or 0),
    "next_due": lambda row: row.next_due or float("inf"),
}
"""By what rows can be sorted: what one would look at first comes first."""


@dataclass(frozen=True)
class Asked:
    """
    What somebody wants to see.

    :param sort: one of :data:`SORTS`, turned round by a hyphen before it.
    :param page: from 1 on.
    """

    place: str = ""
    q: str = ""
    health: str = ""
    sort: str = "health"
    page: int = 1

    def but(self, **changes: Any) -> str:
        """Return the query of an address that asks for the same with some changes."""
        fields = {"place": self.place, "q": self.q, "health": self.health, "sort": self.sort, "page": self.page}
        told = {**fields, **({} if "page" in changes else {"page": 1}), **changes}
        plain = {"sort": "health", "page": 1}
        return urlencode({name: value for name, value in told.items() if value and plain.get(name) != value})

    def sorted_by(self, name: str) -> str:
        """Return the query of an address that sorts by a column, or turns the order round where it is so already."""
        return self.but(sort=f"-{name}" if self.sort == name else name)

    def aria(self, name: str) -> str:
        """Return how a column is sorted, in the words of assistive technology."""
        if self.sort.removeprefix("-") != name:
            return "none"
        falls = name in ("last_run", "rows_in", "rejected", "late")
        return "descending" if falls != self.sort.startswith("-") else "ascending"


@dataclass(frozen=True)
class Listed:
    """
    A page of rows.

    :param counts: how many rows there are by health, whatever is asked for.
    """

    rows: Sequence[Row]
    counts: dict[Health, int]
    total: int
    found: int
    page: int
    pages: int


def listed(rows: Iterable[Row], asked: Asked) -> Listed:
    """Return what was asked for."""
    every = list(rows)
    words = asked.q.casefold().split()
    found = [row for row in every if (not asked.health or row.health == asked.health) and _matches(row, words)]
    by = SORTS.get(asked.sort.removeprefix("-"), SORTS["health"])
    found.sort(key=lambda row: (row.name.casefold(), row.name))
    found.sort(key=by, reverse=asked.sort.startswith("-"))
    pages = max(1, -(-len(found) // PAGE))
    page = min(max(1, asked.page), pages)
    counts = Counter(row.health for row in every)
    return Listed(
        rows=found[(page - 1) * PAGE : page * PAGE],
        counts={health: counts[health] for health in Health if counts[health]},
        total=len(every),
        found=len(found),
        page=page,
        pages=pages,
    )


def _matches(row: Row, words: Sequence[str]) -> bool:
    text = f"{row.name} {row.table} {row.flow_id} {row.why}".casefold()
    return all(word in text for word in words)
