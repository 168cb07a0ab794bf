"""Pages of a list with the most recently updated first, while its documents are updated."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aep_local.web import recency

NEW = "new"


class Documents:
    """What a store would hold: documents in order of creation, each with the numbers of its updates."""

    def __init__(self) -> None:
        self.updates: list[list[int]] = []
        self.last = 0

    def create(self) -> None:
        self.last += 1
        self.updates.append([self.last])

    def update(self, place: int) -> None:
        self.last += 1
        self.updates[place].append(self.last)

    def listed(self) -> list[tuple[int, dict[str, Any]]]:
        numbered = list(enumerate(self.updates))
        return [(place, {"id": place, "_local": {"updates": list(numbers)}}) for place, numbers in reversed(numbered)]


def pages(documents: Documents, limit: int, between: list[list[Any]]) -> list[list[int]]:
    """All pages; before each but the first one, some documents are updated or created."""
    found: list[list[int]] = []
    after: recency.Position | None = None
    happening = iter(between)
    while True:
        page = list(recency.ordered(documents.listed(), documents.last, after))
        found.append([doc["id"] for _, doc in page[:limit]])
        if len(page) <= limit:
            return found
        after = page[limit - 1][0]
        for what in next(happening, []):
            documents.create() if what == NEW else documents.update(what % len(documents.updates))


@given(
    before=st.lists(st.integers(0, 9), max_size=12),
    limit=st.integers(1, 4),
    between=st.lists(st.lists(st.one_of(st.just(NEW), st.integers(0, 9)), max_size=6), max_size=10),
)
def test_every_document_comes_once_in_the_order_of_the_first_page(
    before: list[int], limit: int, between: list[list[Any]]
) -> None:
    documents = Documents()
    for _ in range(10):
        documents.create()
    for place in before:
        documents.update(place)
    order = sorted(range(10), key=lambda place: -documents.updates[place][-1])
    found = pages(documents, limit, between)
    assert [each for page in found for each in page] == order
    assert all(len(page) == limit for page in found[:-1])


def test_a_document_that_changes_while_the_first_page_is_read_keeps_its_place() -> None:
    documents = Documents()
    for _ in range(3):
        documents.create()
    last_number = documents.last
    documents.update(0)
    documents.create()
    assert [doc["id"] for _, doc in recency.ordered(documents.listed(), last_number, None)] == [2, 1, 0]


def test_documents_without_numbers_are_the_oldest() -> None:
    """A state of a platform that did not number updates."""
    bare = [(place, {"id": place}) for place in (8, 7)]
    numbered = [(9, {"id": 9, "_local": {"updates": [1]}})]
    assert [doc["id"] for _, doc in recency.ordered([*bare, *numbered], 1, None)] == [9, 8, 7]
