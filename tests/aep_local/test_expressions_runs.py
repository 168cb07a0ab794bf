"""Expressions in runs: what lands, what is rejected and why, and that a flow keeps the version of its mappings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aep_local.xdm.expressions import dates

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
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    made = Workshop(tmp_path, assume=getattr(request, "param", None))
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


@pytest.mark.parametrize("shop", [{"failed_transformation": "null_with_warning"}], indirect=True)
def test_failed_expressions_may_be_warnings(shop: Workshop) -> None:
    """The third row's empty tier makes no warning: nothing failed for it."""
    shop.table("people", PEOPLE)
    shop.prepare(FIELDS, MAPPINGS)
    run = shop.ended(shop.run(shop.flow("people")))
    assert (status(run), counts(run)) == ("success", (3, 3, 0))
    summaries = [run["metrics"]["recordSummary"], run["activities"][1]["recordSummary"]]
    assert [each["warningRecordCount"] for each in summaries] == [2, 2]
    assert shop.rows("id, born::VARCHAR, share") == [
        ("1", "2000-02-29", 10.0), ("2", "1999-12-31", None), ("3", None, 20.0)
    ]  # fmt: skip


@pytest.mark.parametrize("shop", [{"failed_transformation": "null_with_warning"}], indirect=True)
def test_a_row_whose_required_value_could_not_be_computed_is_rejected_and_no_warning(shop: Workshop) -> None:
    shop.table("people", PEOPLE)
    shop.prepare(FIELDS, MAPPINGS, required=["share"])
    run = shop.ended(shop.run(shop.flow("people", options={"partialIngestionPercent": 90})))
    assert (status(run), counts(run)) == ("success", (3, 2, 1))
    assert run["metrics"]["recordSummary"]["warningRecordCount"] == 1
    assert shop.rows("id") == [("1",), ("3",)]


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


def test_the_current_moment_is_the_clocks_whatever_the_time_scale(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dates, "time", SimpleNamespace(time_ns=lambda: 1_771_891_200_123_456_789))
    shop.table("one", "id\n1\n")
    shop.prepare({"at": {"type": "string", "format": "date-time"}, "ms": {"type": "integer"}}, [
        {"sourceType": "EXPRESSION", "source": "now()", "destination": "at"},
        {"sourceType": "EXPRESSION", "source": "timestamp()", "destination": "ms"},
    ])  # fmt: skip
    shop.ended(shop.run(shop.flow("one")))
    assert shop.rows('epoch_us("at"), ms') == [(1_771_891_200_123_456, 1_771_891_200_123)]
