"""Lists with the most recently updated first.

What is updated while somebody goes through the pages moves to the front, so a page that begins where the last one ended
would miss it. Documents of such lists therefore keep the numbers of their updates, and a position says up to which number
updates count: that of the first page. So all pages have one order, nothing is missing in them and nothing comes twice,
while each document is shown as it is now. What was created after the first page is in none of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from aep_local.core.documents import INTERNAL
from aep_local.core.store import Document

Position = list[int]
"""Up to which number updates count, the number of the document's last update, its place in the store; negative, so that
positions ascend."""


def ordered(
    items: Iterable[tuple[int, Document]], last_number: int, after: Position | None
) -> Iterator[tuple[Position, Document]]:
    """Pairs of position and document, the most recently updated first.

    :param items: pairs of place and document.
    :param last_number: the store's last number from before the items were read; counts where there is no ``after``.
    :param after: the position after which to go on.
    """
    as_of = after[0] if after else -last_number
    placed: list[tuple[Position, Document]] = []
    for seq, doc in items:
        # a state of an earlier platform has no numbers; its documents are older than all that have
        numbers = [number for number in doc.get(INTERNAL, {}).get("updates", [0]) if number <= -as_of]
        if numbers:
            placed.append(([as_of, -max(numbers), -seq], doc))
    placed.sort(key=lambda each: each[0])
    return (each for each in placed if after is None or each[0] > after)
