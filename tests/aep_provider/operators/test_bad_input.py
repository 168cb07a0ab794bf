"""What is wrong is told in one line of its own, before anything but the base connection is made."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from aep_provider.operators import AepCheckDataflowOperator, AepCreateConnectionOperator

RECURRING = {"frequency": "minute", "interval": 15, "backfill": True, "delta_column": "sys_updated_at"}


@pytest.fixture(autouse=True)
def quick(no_waits: None) -> None:
    """Repetitions take no time."""


@pytest.fixture
def refused(aep: Any, task: Any, secrets: list[str]) -> Any:
    """Run the first two steps and return the one line with which they end; only the base connection may be there then."""

    def run(connection: dict[str, Any] | None = None, **check: Any) -> str:
        reach = {key: check.pop(key) for key in ("sandbox",) if key in check}
        first = {"source": "servicenow", "source_conn_id": "aep_source_servicenow", **reach, **(connection or {})}

        def both_steps() -> None:
            base = task(AepCreateConnectionOperator(task_id="connection", **first)).run()
            values = {"base_connection_id": base, "source": "servicenow", "table": "incident", **reach, **check}
            task(AepCheckDataflowOperator(task_id="check", **values)).run()

        with pytest.raises(AirflowFailException) as ended:
            both_steps()
        assert set(aep.created()) <= {"connections"}
        line = str(ended.value)
        assert "\n" not in line
        assert len(line) < 1000
        assert not [secret for secret in secrets if secret in line]
        return line

    return run


CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a table that is not there": ({"table": "incidnet"}, ["no table 'incidnet'", "Did you mean 'incident'"]),
    "a table in the wrong case": ({"table": "Incident"}, ["no table 'Incident'", "Did you mean 'incident'"]),
    "no table": ({"table": ""}, ["No table is named"]),
    "a path for a table": ({"table": "../incident.csv"}, ["no table"]),
    "a column that is not there": (
        {"columns": ["sys_id", "priorty"]},
        ["no column 'priorty'", "Did you mean 'priority'"],
    ),
    "a column twice": ({"columns": ["sys_id", "sys_id"]}, ["'sys_id' more than once"]),
    "columns that are a text": ({"columns": "sys_id"}, ["columns is 'sys_id'", "must be a list"]),
    "a delta column that is not there": (
        {**RECURRING, "delta_column": "updated_at"},
        ["'updated_at' is not among", "Did you mean 'sys_updated_at'"],
    ),
    "a delta column that is not taken": (
        {**RECURRING, "columns": ["sys_id", "number"]},
        ["'sys_updated_at' is not among the columns"],
    ),
    "a delta column without dates": (
        {**RECURRING, "delta_column": "number"},
        ["'number' holds no date", "'sys_updated_at'"],
    ),
    "a delta column of days": ({**RECURRING, "delta_column": "opened"}, ["'opened' holds no date and time"]),
    "14 minutes": ({**RECURRING, "interval": 14}, ["interval 14", "15", "1362"]),
    "no interval": ({**RECURRING, "interval": None}, ["needs an interval"]),
    "an interval in words": ({**RECURRING, "interval": "often"}, ["interval is 'often'", "whole number"]),
    "an unknown frequency": ({**RECURRING, "frequency": "month"}, ["'month'", "one_time, minute, hour, day, week"]),
    "no delta column": ({**RECURRING, "delta_column": None}, ["needs a delta column", "1367"]),
    "one time with all the rest": ({**RECURRING, "frequency": "one_time"}, ["1361", "1364", "1369"]),
    "a start in the past": ({**RECURRING, "start_time": "2020-01-01T00:00:00Z"}, ["2020-01-01", "past", "1360"]),
    "a start in milliseconds": ({**RECURRING, "start_time": str(int(time.time() * 1000) + 10**8)}, ["milliseconds"]),
    "no start": ({**RECURRING, "start_time": "tomorrow"}, ["'tomorrow' is no date and time"]),
    "a mapping to no path": (
        {"mappings": [{"source": "number", "destination": "_id"}, {"source": "number", "destination": "person.nmae"}]},
        ["'person.nmae'", "does not have"],
    ),
    "a mapping from no column": ({"mappings": [{"source": "nubmer", "destination": "_id"}]}, ["'nubmer'", "'number'"]),
    "two mappings to one path": (
        {"mappings": [{"source": "number", "destination": "_id"}, {"source": "sys_id", "destination": "_id"}]},
        ["Two mappings", "'_id'"],
    ),
    "half a mapping": ({"mappings": [{"source": "number"}]}, ["incomplete"]),
    "no mapping": ({"mappings": []}, ["at least one mapping"]),
    "a mapping file that is not there": ({"mappings": "mappings/none.yaml"}, ["no mapping file 'mappings/none.yaml'"]),
    "a mapping file outside": ({"mappings": "../../../etc/passwd"}, ["no mapping file"]),
    "a schema that is not there": (
        {"schema": "Incidents of long ago"},
        ["no schema with the title 'Incidents of long ago'"],
    ),
    "a schema id that is not there": ({"schema": "https://ns.adobe.com/x/schemas/0"}, ["404"]),
    "a schema and field groups": (
        {"schema": "x", "field_groups": ["profile-person-details"]},
        ["leave one of them out"],
    ),
    "a class that is not there": ({"schema_class": "profil"}, ["404"]),
    "a field group that is not there": ({"field_groups": ["profile-persn-details"]}, ["404"]),
    "no fields at all": ({"derive_fields": False}, ["no field group"]),
    "an unknown source": ({"source": "service-now"}, ["no source 'service-now'", "'servicenow'"]),
    "a dataset with a comma": ({"dataset": "a,b"}, ["name of the dataset 'a,b'", "comma"]),
    "a name too long for its field group": ({"name": "n" * 195}, ["derived field group", "shorten"]),
    "a derive_fields that is neither": ({"derive_fields": "maybe"}, ["derive_fields is 'maybe'"]),
}


@pytest.mark.parametrize("case", CASES)
def test_told_by_the_check(refused: Any, case: str) -> None:
    check, told = CASES[case]
    line = refused(**check)
    assert [text for text in told if text not in line] == []


@pytest.mark.parametrize(
    ("character", "spoken"),
    [
        (",", "comma"),
        ("&", "ampersand"),
        ("=", "equals"),
        ("<", "less-than"),
        (">", "greater-than"),
        ('"', "quote"),
        ("'", "quote"),
    ],
)
def test_a_name_that_filters_cannot_carry(refused: Any, character: str, spoken: str) -> None:
    line = refused(name=f"Incidents{character} all")
    assert "name of the dataflow" in line
    assert spoken in line


def test_the_same_in_the_name_of_the_base_connection(refused: Any, aep: Any) -> None:
    assert "comma" in refused(connection={"name": "a,b"})
    assert aep.created() == []


def test_each_is_told_apart_and_only_the_base_connection_is_there(refused: Any, client: Any, listed: Any) -> None:
    told = ["a table that is not there", "a column that is not there", "a delta column without dates", "14 minutes"]
    assert len({refused(**CASES[case][0]) for case in told}) == len(told)
    assert {kind: len(ids) for kind, ids in listed(client).items() if ids} == {"connections": 1}


def test_an_unknown_sandbox(refused: Any, aep: Any) -> None:
    line = refused(sandbox="nowhere")
    assert "nowhere" in line
    assert "sandbox" in line
    assert aep.created() == []


def test_a_source_connection_of_another_prefix(refused: Any, aep: Any) -> None:
    assert "'aep_source_'" in refused(connection={"source_conn_id": "aep_default"})
    assert aep.created() == []


def test_a_source_login_without_a_password(refused: Any, aep: Any, set_connection: Any) -> None:
    set_connection("aep_source_servicenow", conn_type="http", host="https://dev1.service-now.example", login="ann")
    line = refused()
    assert "password" in line
    assert "aep_source_servicenow" in line
    assert aep.created() == []


class TestAccounts:
    @pytest.fixture
    def strict(self, strict_platform: Any, make_wire: Any, set_connection: Any, aep: Any, secrets: list[str]) -> Any:
        """Connect as one of the accounts of the strict platform."""
        wire = make_wire(strict_platform)

        def connect(login: str, password: str | None = None, sandbox: str = "prod") -> Any:
            extra = {"ims_org_id": "ACME@AdobeOrg", "sandbox": sandbox, "token_url": f"{wire.url}/ims/token/v3"}
            set_connection(
                "aep_default",
                conn_type="aep",
                host=wire.url,
                login=login,
                password=password or secrets[0],
                extra=json.dumps(extra),
            )
            return wire

        return connect

    def test_a_wrong_secret(self, refused: Any, strict: Any) -> None:
        wire = strict("robot", "wrong-client-secret")
        line = refused()
        assert "identity service refused" in line
        assert "password (client secret)" in line
        assert "wrong-client-secret" not in line
        assert wire.created() == []

    def test_an_unknown_client(self, refused: Any, strict: Any) -> None:
        strict("nobody")
        assert "login (client id)" in refused()

    def test_a_sandbox_that_the_account_may_not_enter(self, refused: Any, strict: Any) -> None:
        wire = strict("reader", sandbox="stage")
        line = refused()
        assert "stage" in line
        assert wire.created() == []

    def test_a_permission_to_write_sources_is_missing(self, refused: Any, strict: Any) -> None:
        wire = strict("viewer")
        line = refused()
        assert "403" in line
        assert "permission" in line
        assert wire.created() == []

    def test_a_permission_to_read_datasets_is_missing(self, refused: Any, strict: Any) -> None:
        wire = strict("reader")
        line = refused(connection={"name": "of the reader"})
        assert "403" in line
        assert "permission" in line
        assert set(wire.created()) <= {"connections"}
