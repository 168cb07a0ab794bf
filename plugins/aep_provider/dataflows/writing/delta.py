"""Which column of a table tells new rows from old, as far as names tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aep_provider.resources.columns import Column, column_names, is_date_time

# The first that fits counts; of two columns with the same, the first of the table.
_RANKS: Final = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"systemmodstamp", "changes with every change of a row, also one that the system makes by itself"),
        (r"sysupdated(on|at)", "changes with every change of a row"),
        (r"(last)?(updated|modified|changed)(on|at|date|datetime|time|timestamp)?", "says when a row last changed"),
        (r".*(updat|modif|modstamp|chang).*", "seems to say when something of a row last changed: see that it is the whole row"),
        (r".*(creat|insert|added|open).*", "says when a row was made: what changes in a row later is not taken"),
        (r".*", "holds dates, but its name does not tell of which change: see that every new or changed row gets a later one"),
    )
)  # fmt: skip


@dataclass(frozen=True)
class DeltaChoice:
    """
    The likeliest delta column.

    :param because: what its name says, after the column's name.
    :param others: further columns that hold dates and times, the likelier first.
    """

    name: str
    because: str
    others: tuple[str, ...] = ()

    def explained(self) -> Iterator[str]:
        """Yield what a file should say about it."""
        yield f"{self.name} {self.because}."
        if self.others:
            yield f"Others that hold dates and times: {', '.join(self.others)}."


def delta_choice(columns: Sequence[Column]) -> DeltaChoice | None:
    """Return the likeliest delta column; None if no column holds dates and times."""
    dates = [name for column, name in zip(columns, column_names(columns), strict=True) if is_date_time(column)]
    if not dates:
        return None
    first, *rest = sorted(dates, key=_rank)
    return DeltaChoice(first, _RANKS[_rank(first)][1], tuple(rest))


def _rank(name: str) -> int:
    plain = "".join(character for character in name.casefold() if character.isalnum())
    return next(rank for rank, (pattern, _) in enumerate(_RANKS) if pattern.fullmatch(plain))
