"""Specifications: what can be said, and what is told of what cannot, with file, line and field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from aep_provider.dataflows.load import load_spec, refuse_clashes, spec_files, with_mappings
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError

LEAST = {"name": "n", "source": "servicenow", "source_conn_id": "aep_source_x", "table": "t", "delta_column": "d"}
SCHEDULE = {"cron": "@daily", "start": "2026-01-01"}
GOOD = """\
source: servicenow
source_conn_id: aep_source_servicenow
table: incident
delta_column: sys_updated_at
"""


def spec(**fields: Any) -> DataflowSpec:
    return DataflowSpec.model_validate({**LEAST, **fields})


@pytest.mark.parametrize(
    ("given", "meant"), [("90s", 90), ("15m", 900), (" 2 h ", 7200), ("1d", 86400), (7, 7), ("7", 7)]
)
def test_lengths_of_time(given: Any, meant: int) -> None:
    schedule = spec(schedule={**SCHEDULE, "lag": given}).schedule
    assert schedule is not None
    assert schedule.lag == meant


@pytest.mark.parametrize(
    ("fields", "place", "told"),
    [
        ({"tabel": "x"}, "tabel", "Extra inputs"),
        ({"source": "servicenaw"}, "source", "There is no source 'servicenaw'. Did you mean 'servicenow'"),
        ({"name": "a,b"}, "", "name of the dataflow"),
        ({"target": {"dataset": "a&b"}}, "", "name of the dataset"),
        ({"target": {"existing_schema": "s", "field_groups": ["g"]}}, "", "leave one of them out"),
        ({"target": {"derive_fields": False}}, "", "name at least one"),
        ({"schedule": {**SCHEDULE, "timezone": "Europe/Amsterdan"}}, "schedule.timezone", "no time zone"),
        ({"schedule": {**SCHEDULE, "timezone": "../etc/passwd"}}, "schedule.timezone", "no time zone"),
        ({"schedule": {**SCHEDULE, "cron": "0 0 * *"}}, "schedule.cron", "no cron expression"),
        ({"schedule": {**SCHEDULE, "cron": "61 0 * * *"}}, "schedule.cron", "no cron expression"),
        ({"schedule": {**SCHEDULE, "cron": "0 0 31 2 *"}}, "schedule.cron", "never comes"),
        ({"schedule": {**SCHEDULE, "lag": "soon"}}, "schedule.lag", "integer"),
        ({"schedule": {**SCHEDULE, "lag": -1}}, "schedule.lag", "greater than or equal to 0"),
        ({"policy": {"on_failed_run": "again"}}, "policy.on_failed_run", "'retrigger', 'new' or 'fail'"),
        ({"policy": {"max_rejected_percent": 101}}, "policy.max_rejected_percent", "less than or equal to 100"),
        ({"policy": {"partial_ingestion_percent": 0}}, "policy.partial_ingestion_percent", "greater than 0"),
        ({"delta_column": ""}, "delta_column", "at least 1 character"),
    ],
)
def test_what_cannot_be(fields: dict[str, Any], place: str, told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        spec(**fields)
    (problem,) = refused.value.errors()
    assert ".".join(map(str, problem["loc"])) == place
    assert told in problem["msg"]


def test_a_copy_through_json_is_the_same() -> None:
    whole = spec(schedule=SCHEDULE, target={"field_groups": ["profile-person-details"]}, mapping=[{"source": "a"}])
    copy = DataflowSpec.model_validate(whole.model_dump(mode="json"))
    assert (copy, copy.digest()) == (whole, whole.digest())


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({"schedule": SCHEDULE}, False),
        ({"description": "text"}, False),
        ({"policy": {"retries": 9}}, False),
        ({"policy": {"partial_ingestion_percent": 6}}, True),
        ({"table": "u"}, True),
        ({"columns": ["d"]}, True),
        ({"mapping": [{"source": "a", "destination": "b"}]}, True),
        ({"target": {"dataset": "other"}}, True),
        ({"sandbox": "stage"}, True),
    ],
)
def test_the_fingerprint_is_of_what_aep_holds(fields: dict[str, Any], changes: bool) -> None:
    assert (spec(**fields).digest() != spec().digest()) is changes


class TestFiles:
    @pytest.fixture
    def write(self, tmp_path: Path) -> Any:
        def write(text: str, name: str = "flow.yaml") -> Path:
            (tmp_path / name).write_text(text, encoding="utf-8")
            return tmp_path / name

        return write

    def test_called_after_its_file(self, write: Any) -> None:
        assert load_spec(write(GOOD)).name == "flow"
        assert load_spec(write(GOOD + "name: ServiceNow incident")).slug == "ServiceNow_incident"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            (GOOD + "tabel: x\n", "flow.yaml: line 5: tabel: Extra inputs"),
            (GOOD + "schedule:\n  start: 2026-01-01\n  cron: '@daily'\n  lag: soon\n", "line 8: schedule.lag: "),
            (GOOD + "schedule:\n  start: 2026-01-01\n", "line 5: schedule.cron: Field required"),
            ("source: servicenow\n", "table: Field required"),
            ("- a\n- b\n", "flow.yaml: a dataflow is a mapping"),
            ("", "flow.yaml: a dataflow is a mapping"),
            ("a: [1\n", "flow.yaml, line 2: no YAML"),
            ("a: 1\na: 2\n", "no YAML"),
            ("a: !!python/object/apply:os.system ['true']\n", "flow.yaml"),
        ],
    )
    def test_what_is_wrong_is_told_with_its_line(self, write: Any, text: str, told: str) -> None:
        with pytest.raises(AepConfigError) as refused:
            load_spec(write(text))
        assert told in str(refused.value)

    def test_two_files_of_one_name(self, write: Any) -> None:
        files = [write(GOOD + "name: a b", "one.yaml"), write(GOOD + "name: a_b", "two.yaml")]
        with pytest.raises(AepConfigError, match=r"two.yaml: the name 'a_b' is also that of one.yaml"):
            refuse_clashes([(file, load_spec(file)) for file in files])

    def test_mappings_from_a_file(self, write: Any, tmp_path: Path) -> None:
        write("- {source: sys_id, destination: _id}\n", "m.yaml")
        read = with_mappings(load_spec(write(GOOD + "mapping: m.yaml")), tmp_path)
        assert read.mapping == [{"sourceType": "ATTRIBUTE", "source": "sys_id", "destination": "_id"}]
        with pytest.raises(AepConfigError, match="There is no mapping file"):
            with_mappings(load_spec(write(GOOD + "mapping: ../m.yaml")), tmp_path)

    def test_files_in_order(self, write: Any, tmp_path: Path) -> None:
        for name in ("b.yml", "a.yaml", "c.txt", "d.yaml~"):
            write(GOOD, name)
        assert [file.name for file in spec_files(tmp_path)] == ["a.yaml", "b.yml"]
