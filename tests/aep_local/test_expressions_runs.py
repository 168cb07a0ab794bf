"""Expressions in runs: what lands, what is rejected and why, and that a flow keeps the version of its mappings."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aep_local.core.clock import Clock

from .lake import batch_id, counts, status
from .workshop import MAPPING, SCOPE, Workshop

TEXT = {"type": "string"}
PEOPLE = "id,given,family,born,score,tier\n1,Ann,Lee,29.02.2000,10,g\n2,Bob,,31.12.1999,0,s\n3,Cy,Day,30.02.2001,5,\n"
FIELDS = {
    "id": TEXT,
    "full": TEXT,
    "born": {"type": "string", "format": "date"},
    "share": {"type": "number"},
    "tier": TEXT,
    "tags": {"type": "array", "items": TEXT},
}
MAPPINGS = [
    {"sourceType": "ATTRIBUTE", "source": "id", "destination": "id"},
    {"sourceType": "EXPRESSION", "source": 'trim(concat(given, " ", family))', "destination": "full"},
    {"sourceType": "EXPRESSION", "source": 'date(born, "dd.MM.yyyy")', "destination": "born"},
    {"sourceType": "EXPRESSION", "source": "100.0 / score", "destination": "share"},
    {"sourceType": "EXPRESSION", "source": 'decode(tier, "g", "gold", "s", "silver")', "destination": "tier"},
    {"sourceType": "EXPRESSION", "source": "to_array(false, given, family)", "destination": "tags"},
]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    made.engine.start()
    yield made
    made.close()


def test_rows_land_computed_or_are_rejected_with_expression_and_reason(shop: Workshop) -> None:
    shop.table("people", PEOPLE)
    shop.prepare(FIELDS, MAPPINGS)
    options = {"partialIngestionPercent": 90, "errorDiagnosticsEnabled": True}
    run = shop.ended(shop.run(shop.flow("people", options=options)))
    assert (status(run), counts(run)) == ("success", (3, 1, 2))
    assert shop.rows("id, \"full\", born::VARCHAR, share, tier, tags") == [
        ("1", "Ann Lee", "2000-02-29", 10.0, "gold", ["Ann", "Lee"])
    ]  # fmt: skip
    lines = shop.engine.landing.row_errors(batch_id(run)).read_text().splitlines()
    errors = {each["_row"]: each["_errors"] for each in map(json.loads, lines)}
    assert errors == {
        2: [
            {
                "code": "MAPPER-3700-400",
                "column": "share",
                "message": "row 2, share: /: division by zero (expression 100.0 / score of column score)",
            }
        ],
        3: [
            {
                "code": "MAPPER-3700-400",
                "column": "born",
                "message": "row 3, born: date: there is no such date "
                '(expression date(born, "dd.MM.yyyy") of column born)',
            }
        ],
    }


def test_without_a_threshold_a_failed_expression_fails_the_run_and_nothing_lands(shop: Workshop) -> None:
    shop.table("people", PEOPLE)
    shop.prepare(FIELDS, MAPPINGS)
    run = shop.ended(shop.run(shop.flow("people")))
    assert (status(run), counts(run)) == ("failed", (3, 0, 2))
    assert shop.files() == []


def test_an_expression_over_a_column_that_is_gone_fails_the_run_by_name(shop: Workshop) -> None:
    shop.table("people", PEOPLE.replace("score", "points", 1))
    shop.prepare(FIELDS, MAPPINGS)
    run = shop.ended(shop.run(shop.flow("people")))
    assert status(run) == "failed"
    assert "mapping 3 (share): source attribute score is unknown (position 9)" in json.dumps(run)


def test_a_flow_keeps_its_version_until_it_is_patched(shop: Workshop) -> None:
    shop.table("people", PEOPLE)
    shop.prepare({"full": TEXT}, [{"sourceType": "EXPRESSION", "source": "upper(given)", "destination": "full"}])
    flow = shop.flow("people")
    sets = shop.store.get("mappingSets", MAPPING, SCOPE)
    assert sets is not None
    (first,) = sets["versions"]
    newer = [{"sourceType": "EXPRESSION", "source": "lower(given)", "destination": "full"}]
    second = first | {"content": first["content"] | {"mappings": newer}}
    shop.store.put("mappingSets", MAPPING, SCOPE, sets | {"versions": [first, second]})

    def landed() -> list[tuple[Any, ...]]:
        before = set(shop.files())
        shop.ended(shop.run(flow))
        (new,) = set(shop.files()) - before
        return [row for row in shop.rows('"full", filename') if row[1] == str(new)]

    assert [full for full, _ in landed()] == ["ANN", "BOB", "CY"]
    flow["transformations"][0]["params"]["mappingVersion"] = "1"
    assert [full for full, _ in landed()] == ["ann", "bob", "cy"]


def test_the_current_moment_is_real_whatever_the_time_scale(shop: Workshop) -> None:
    shop.table("one", "id\n1\n")
    shop.prepare({"at": {"type": "string", "format": "date-time"}, "ms": {"type": "integer"}}, [
        {"sourceType": "EXPRESSION", "source": "now()", "destination": "at"},
        {"sourceType": "EXPRESSION", "source": "timestamp()", "destination": "ms"},
    ])  # fmt: skip
    began = Clock(1).now_ms()
    shop.ended(shop.run(shop.flow("one")))
    ((at, ms),) = shop.rows('epoch_us("at") // 1000, ms')
    assert began <= at <= ms <= time.time() * 1000
