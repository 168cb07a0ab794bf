"""Batches as they land: short ones take little memory, and rows may have any length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from aep_local.core import duck
from aep_local.rows.landing import Landing
from aep_local.xdm.fields import Field

ROOT = Field("", "object", {"n": Field("n", "integer"), "text": Field("text", "string")})


@pytest.fixture
def landing(tmp_path: Path) -> Iterator[Landing]:
    made = Landing(tmp_path)
    yield made
    made.close()


def land(landing: Landing, batch: str, *texts: str) -> list[tuple[int, str]]:
    """A batch of these texts as it stands in its file, in order."""
    with landing.write(batch, ROOT) as writer:
        for number, text in enumerate(texts):
            writer.add({"n": number, "text": text})
        size = writer.finish()
    assert size == landing.staged(batch).stat().st_size
    with duckdb.connect() as reader:
        found = reader.execute("SELECT n, text FROM read_parquet(?) ORDER BY n", [str(landing.staged(batch))])
        return [(n, text) for n, text in found.fetchall()]


def test_a_short_batch_takes_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duck, "_MEMORY", "120MB")  # several batches land at once and share what there is
    landing = Landing(tmp_path)
    assert land(landing, "batch", "a", "b") == [(0, "a"), (1, "b")]
    landing.close()


@pytest.mark.parametrize("length", [2**24, 40 * 2**20])
def test_a_row_may_be_long(landing: Landing, length: int) -> None:
    texts = ("short", "é" * (length // 2), "short again")
    assert land(landing, "batch", *texts) == list(enumerate(texts))
