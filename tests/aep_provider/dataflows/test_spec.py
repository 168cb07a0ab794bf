"""Specifications: what can be said, what cannot, and what makes another fingerprint."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import Field, ValidationError

from aep_provider.dataflows.spec import DataflowSpec, Policy

LEAST = {"name": "n", "source": "servicenow", "source_conn_id": "aep_source_x", "table": "t", "delta_column": "d"}
SCHEDULE = {"cron": "@daily", "start": "2026-01-01"}
HOURLY = {"frequency": "hour", "interval": 1}
RECURRING = {"load": "recurring", "recurrence": HOURLY}
ONE_TIME = {"load": "one_time", "delta_column": None}


def spec(**fields: Any) -> DataflowSpec:
    return DataflowSpec.model_validate({**LEAST, **fields})


def refused(**fields: Any) -> tuple[str, str]:
    """The place of the one thing that is wrong, and what is told."""
    with pytest.raises(ValidationError) as wrong:
        spec(**fields)
    (problem,) = wrong.value.errors()
    return ".".join(map(str, problem["loc"])), str(problem["msg"]).removeprefix("Value error, ")


@pytest.mark.parametrize(
    ("given", "meant"), [("90s", 90), ("15m", 900), (" 2 h ", 7200), ("1d", 86400), (7, 7), ("7", 7)]
)
def test_lengths_of_time(given: Any, meant: int) -> None:
    schedule = spec(schedule={**SCHEDULE, "lag": given}).schedule
    assert schedule is not None
    assert schedule.lag == meant


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2026-01-31", date(2026, 1, 31)),
        ("2026-01-31 06:00", datetime(2026, 1, 31, 6)),
        ("2026-01-31T06:00Z", datetime(2026, 1, 31, 6, tzinfo=UTC)),
    ],
)
def test_moments_are_what_stands_there(given: str, meant: date) -> None:
    schedule = spec(schedule={**SCHEDULE, "start": given}).schedule
    assert schedule is not None
    assert (schedule.start, type(schedule.start)) == (meant, type(meant))


@pytest.mark.parametrize("given", ["2026-01-31", "2026-01-31T00:00", "2026-01-31T00:00Z", "2026-01-31T01:00+01:00"])
def test_aep_starts_by_utc(given: str) -> None:
    recurrence = spec(load="recurring", recurrence={**HOURLY, "start": given}).recurrence
    assert recurrence is not None
    assert recurrence.start == datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "place", "told"),
    [
        ({"tabel": "x"}, "tabel", "Extra inputs"),
        ({"source": "servicenaw"}, "source", "There is no source 'servicenaw'. Did you mean 'servicenow'"),
        ({"name": "a,b"}, "name", "name of the dataflow"),
        ({"target": {"dataset": "a&b"}}, "target.dataset", "name of the dataset"),
        ({"names": {"source_connection": "a=b"}}, "names.source_connection", "name of the source connection"),
        ({"names": {"target_connection": ""}}, "names.target_connection", "name of the target connection is empty"),
        ({"base_connection": "a<b"}, "base_connection", "name of the base connection"),
        ({"source_conn_id": "a,b"}, "source_conn_id", "id of the Airflow connection"),
        ({"source_conn_id": None}, "base_connection", "nothing says how AEP gets in"),
        ({"target": {"existing_schema": "s", "field_groups": ["g"]}}, "target", "leave one of them out"),
        ({"target": {"derive_fields": False}}, "target", "name at least one"),
        ({"schedule": {**SCHEDULE, "timezone": "Europe/Amsterdan"}}, "schedule.timezone", "no time zone"),
        ({"schedule": {**SCHEDULE, "timezone": "../etc/passwd"}}, "schedule.timezone", "no time zone"),
        ({"delta_timezone": "here"}, "delta_timezone", "no time zone"),
        ({"schedule": {**SCHEDULE, "cron": "0 0 * *"}}, "schedule.cron", "no cron expression"),
        ({"schedule": {**SCHEDULE, "cron": "61 0 * * *"}}, "schedule.cron", "no cron expression"),
        ({"schedule": {**SCHEDULE, "cron": "0 0 31 2 *"}}, "schedule.cron", "never comes"),
        ({"schedule": {**SCHEDULE, "start": "2026-02-30"}}, "schedule.start", "no moment"),
        ({"schedule": {**SCHEDULE, "end": 1767225600}}, "schedule.end", "no moment"),
        ({"schedule": {**SCHEDULE, "lag": "soon"}}, "schedule.lag", "no length of time"),
        ({"schedule": {**SCHEDULE, "lag": True}}, "schedule.lag", "no length of time"),
        ({"schedule": {**SCHEDULE, "lag": 1.5}}, "schedule.lag", "no length of time"),
        ({"schedule": {**SCHEDULE, "lag": -1}}, "schedule.lag", "greater than or equal to 0"),
        ({"schedule": {**SCHEDULE, "catchup": "yes"}}, "schedule.catchup", "valid boolean"),
        ({"policy": {"on_failed_run": "again"}}, "policy.on_failed_run", "'retrigger', 'new' or 'fail'"),
        ({"policy": {"max_rejected_percent": 101}}, "policy.max_rejected_percent", "less than or equal to 100"),
        ({"policy": {"max_rejected_rows": True}}, "policy.max_rejected_rows", "valid integer"),
        ({"policy": {"partial_ingestion_percent": 0}}, "policy.partial_ingestion_percent", "greater than 0"),
        ({"policy": {"poll_interval": 0}}, "policy.poll_interval", "greater than or equal to 1"),
        ({"table": ""}, "table", "at least 1 character"),
        ({"columns": "a"}, "columns", "valid list"),
        ({"columns": ["a", 3]}, "columns", "column 3 is malformed"),
        ({"columns": ["a", {"name": "a"}]}, "columns", "'a' more than once"),
        ({"columns": [{"type": "string"}]}, "columns", "malformed"),
        ({"mapping": []}, "mapping", "at least one mapping"),
        ({"mapping": [{"source": "a"}]}, "mapping", "incomplete"),
        ({"sandbox": "Production"}, "sandbox", "not its title"),
        ({"load": "weekly"}, "load", "'on_demand', 'recurring' or 'one_time'"),
    ],
)
def test_what_cannot_be(fields: dict[str, Any], place: str, told: str) -> None:
    where, what = refused(**fields)
    assert where == place
    assert told in what


class TestTheThreeShapes:
    """AEP's own codes are told (contract 2.8), by the rules of resources/schedule."""

    @pytest.mark.parametrize(
        ("fields", "place", "code"),
        [
            (
                {**RECURRING, "recurrence": {**HOURLY, "frequency": "minute", "interval": 14}},
                "recurrence.interval",
                1362,
            ),
            ({**RECURRING, "recurrence": {**HOURLY, "interval": 0}}, "recurrence.interval", 1394),
            ({**RECURRING, "delta_column": None}, "delta_column", 1367),
            ({**RECURRING, "delta_column": ""}, "delta_column", 1367),
            ({"delta_column": None}, "delta_column", 1383),
            ({"load": "one_time"}, "delta_column", 1369),
            ({**ONE_TIME, "recurrence": HOURLY}, "recurrence", 1361),
            ({**ONE_TIME, "recurrence": HOURLY}, "recurrence", 1364),
            ({"recurrence": HOURLY}, "recurrence", 1361),
        ],
    )
    def test_what_aep_would_refuse(self, fields: dict[str, Any], place: str, code: int) -> None:
        where, what = refused(**fields)
        assert where == place
        assert f"(AEP would answer {code})" in what

    @pytest.mark.parametrize(
        ("fields", "place", "told"),
        [
            ({"load": "recurring"}, "recurrence", "recurrence: {frequency: day, interval: 1}"),
            ({**RECURRING, "schedule": SCHEDULE}, "schedule", "write recurrence instead, or load: on_demand"),
            ({**ONE_TIME, "schedule": SCHEDULE}, "schedule", "leave schedule out, or write load: on_demand"),
        ],
    )
    def test_what_does_not_fit_together(self, fields: dict[str, Any], place: str, told: str) -> None:
        where, what = refused(**fields)
        assert where == place
        assert told in what

    @pytest.mark.parametrize(
        "recurrence",
        [{"frequency": "minute", "interval": 15}, HOURLY, {"frequency": "week", "interval": 3, "backfill": False}],
    )
    def test_recurring(self, recurrence: dict[str, Any]) -> None:
        read = spec(load="recurring", recurrence=recurrence).recurrence
        assert read is not None
        assert read.model_dump(exclude_unset=True) == recurrence

    def test_one_time(self) -> None:
        assert spec(**ONE_TIME).delta_column is None

    def test_on_demand_is_the_default(self) -> None:
        assert (spec().load, spec().recurrence, spec().schedule) == ("on_demand", None, None)


class TestTheWayIn:
    def test_by_an_airflow_connection(self) -> None:
        assert spec().base_name == "ServiceNow via aep_source_x"

    def test_by_an_airflow_connection_under_another_name(self) -> None:
        assert spec(base_connection="Incidents").base_name == "Incidents"

    def test_by_what_is_in_aep_already(self) -> None:
        assert spec(source_conn_id=None, base_connection="made by hand").base_name == "made by hand"


class TestNull:
    """Null takes back what a lower layer says, so it means the default."""

    def test_is_the_default(self) -> None:
        fields = ("sandbox", "load", "target", "names", "policy", "aep_conn_id", "schedule", "columns")
        assert spec(**dict.fromkeys(fields)) == spec()
        assert spec(policy={"retries": None, "timeout": None}) == spec()

    def test_is_a_value_where_there_is_such_a_one(self) -> None:
        assert spec(policy={"partial_ingestion_percent": None}).policy.partial_ingestion_percent is None
        assert spec().policy.partial_ingestion_percent == 5

    @pytest.mark.parametrize("field", ["table", "source", "name"])
    def test_is_no_value_of_what_must_be_there(self, field: str) -> None:
        assert refused(**{field: None}) == (field, "Field required")


class TestTemplates:
    """A template in an operator's field could read Airflow's connections."""

    @pytest.mark.parametrize("text", ["{{ conn.aep_default.password }}", "a {% if x %}", "{#", "{{"])
    @pytest.mark.parametrize(
        ("fields", "place"),
        [
            (lambda text: {"delta_column": text}, "delta_column"),
            (lambda text: {"table": text}, "table"),
            (lambda text: {"name": text}, "name"),
            (lambda text: {"description": text}, "description"),
            (lambda text: {"aep_conn_id": text}, "aep_conn_id"),
            (lambda text: {"source_conn_id": text}, "source_conn_id"),
            (lambda text: {"delta_format": text}, "delta_format"),
            (lambda text: {"authentication": text}, "authentication"),
            (lambda text: {"columns": ["a", text]}, "columns"),
            (lambda text: {"columns": [{"name": "a", "xdm": {"type": text}}]}, "columns"),
            (lambda text: {"mapping": text}, "mapping"),
            (lambda text: {"mapping": [{"source": text, "destination": "b"}]}, "mapping"),
            (lambda text: {"mapping": [{"source": "a", "destination": text}]}, "mapping"),
            (lambda text: {"target": {"existing_schema": text}}, "target.existing_schema"),
            (lambda text: {"target": {"field_groups": [text]}}, "target.field_groups"),
            (lambda text: {"names": {"source_connection": text}}, "names.source_connection"),
            (lambda text: {"schedule": {**SCHEDULE, "cron": text}}, "schedule.cron"),
            (lambda text: {"policy": {"pool": text}}, "policy.pool"),
        ],
    )
    def test_are_refused_in_every_text(self, fields: Any, place: str, text: str) -> None:
        where, what = refused(**fields(text))
        assert where == place
        assert "template mark" in what
        assert "password" not in what

    def test_the_tenant_may_be_left_open(self) -> None:
        mapping = [{"source": "a", "destination": "_{TENANT_ID}.b"}]
        assert spec(mapping=mapping).mapping == [{"sourceType": "ATTRIBUTE", **mapping[0]}]


class TestFingerprint:
    @pytest.mark.parametrize(
        "fields",
        [
            {"schedule": SCHEDULE},
            {"description": "text"},
            {"aep_conn_id": "other"},
            {"sandbox": "stage"},
            {"policy": {"retries": 9}},
            {"load": "on_demand", "target": {"derive_fields": True}, "names": {}, "delta_timezone": "UTC"},
        ],
    )
    def test_the_same(self, fields: dict[str, Any]) -> None:
        assert spec(**fields).digest() == spec().digest()

    @pytest.mark.parametrize(
        "fields",
        [
            {"policy": {"partial_ingestion_percent": 6}},
            {"policy": {"partial_ingestion_percent": None}},
            {"policy": {"error_diagnostics": False}},
            {"table": "u"},
            {"source_conn_id": "aep_source_y"},
            {"base_connection": "b"},
            {"columns": ["d"]},
            {"columns": []},
            {"mapping": [{"source": "a", "destination": "b"}]},
            {"target": {"dataset": "other"}},
            {"names": {"source_connection": "other"}},
            {"delta_format": ""},
            {"delta_timezone": "Europe/Amsterdam"},
            ONE_TIME,
            RECURRING,
        ],
    )
    def test_another(self, fields: dict[str, Any]) -> None:
        assert spec(**fields).digest() != spec().digest()

    def test_of_a_recurrence(self) -> None:
        here = spec(**RECURRING).digest()
        assert spec(load="recurring", recurrence={**HOURLY, "start": "2026-01-01"}).digest() == here
        assert spec(load="recurring", recurrence={**HOURLY, "backfill": False}).digest() != here

    def test_both_dialects_of_a_mapping_are_one(self) -> None:
        one = spec(mapping=[{"source": "a", "destination": "b"}])
        other = spec(mapping=[{"sourceType": "text/x.schema-path", "sourceAttribute": "a", "destinationXdmPath": "b"}])
        assert one.digest() == other.digest()

    def test_a_copy_through_json_has_the_same(self) -> None:
        whole = spec(
            schedule=SCHEDULE,
            target={"field_groups": ["profile-person-details"]},
            columns=["a", {"name": "b", "type": "string"}],
            mapping=[{"source": "a", "destination": "b"}],
        )
        copy = DataflowSpec.model_validate(whole.model_dump(mode="json"))
        assert (copy, copy.digest()) == (whole, whole.digest())

    def test_a_field_that_comes_later_changes_none(self) -> None:
        class LaterPolicy(Policy):
            colour: str = "blue"

        class Later(DataflowSpec):
            further: str | None = Field(default="x")
            policy: LaterPolicy = LaterPolicy()

        later = Later.model_validate(LEAST)
        assert later.digest() == spec().digest()

    def test_is_what_it_was(self) -> None:
        """It stands in AEP: another one would have every flow declared anew."""
        assert spec().digest() == "c4dfb2ed79cfbc100006b394b02855a3"


def test_a_name_as_ids_of_dags_may_be_written() -> None:
    assert spec(name="ServiceNow / incident").slug == "ServiceNow_incident"
