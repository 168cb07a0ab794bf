"""The steps of a dataflow, one operator after another, on the local platform."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from aep_provider.errors import AepError, AepServerError
from aep_provider.operators import (
    AepCheckDataflowOperator,
    AepCreateConnectionOperator,
    AepCreateDatasetOperator,
    AepCreateFlowOperator,
    AepCreateMappingSetOperator,
    AepCreateSchemaOperator,
    AepCreateSourceConnectionOperator,
    AepCreateTargetConnectionOperator,
    AepGetFlowSpecOperator,
)
from aep_provider.resources.ensure import Patience


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, no_waits: None) -> None:
    """Objects settle at once."""
    monkeypatch.setattr("aep_provider.resources.ensure.Patience", lambda: Patience(0.3, 0.05))


class Steps:
    """The tasks of the DAG, with the ids handed on."""

    def __init__(self, task: Any, **check: Any) -> None:
        self.task = task
        self.check_arguments = check
        self.tasks: dict[str, Any] = {}

    def do(self, step: str, operator: type, /, **arguments: Any) -> Any:
        done = self.tasks.setdefault(step, self.task(None))
        done.operator = operator(task_id=step, **arguments)
        return done.run()

    def xcom(self, name: str, key: str) -> Any:
        return self.tasks[name].ti.xcoms[key]

    def connection(self, **changes: Any) -> str:
        values = {"source": "servicenow", "source_conn_id": "aep_source_servicenow", **changes}
        return str(self.do("connection", AepCreateConnectionOperator, **values))

    def check(self) -> str:
        values = {"base_connection_id": self.connection(), "source": "servicenow", "table": "incident"}
        return str(self.do("check", AepCheckDataflowOperator, **{**values, **self.check_arguments}))

    def all(self, **flow: Any) -> dict[str, str]:
        """Do the whole chain and return the id of each step."""
        base = self.check()
        name, columns = self.xcom("check", "name"), self.xcom("check", "columns")
        schema = self.do("schema", AepCreateSchemaOperator, title=name, table="incident", columns=columns)
        source = self.do(
            "source", AepCreateSourceConnectionOperator,
            source="servicenow", base_connection_id=base, table="incident", columns=columns, name=name,
        )  # fmt: skip
        dataset = self.do("dataset", AepCreateDatasetOperator, name=self.xcom("check", "dataset"), schema_id=schema)
        target = self.do("target", AepCreateTargetConnectionOperator, name=name, dataset_id=dataset, schema_id=schema)
        mapping = self.do(
            "mapping", AepCreateMappingSetOperator, schema_id=schema, mappings=self.xcom("check", "mappings")
        )
        spec = self.do("spec", AepGetFlowSpecOperator, source="servicenow")
        made = self.do(
            "flow", AepCreateFlowOperator, name=name, source="servicenow", source_connection_id=source,
            target_connection_id=target, mapping_set_id=mapping, flow_spec_id=spec,
            start_time=self.xcom("check", "start_time"), **flow,
        )  # fmt: skip
        return {
            "connection": base, "schema": schema, "source": source, "dataset": dataset, "target": target,
            "mapping": mapping, "flow": made,
        }  # fmt: skip


@pytest.fixture
def steps(aep: Any, task: Any) -> Callable[..., Steps]:
    return lambda **check: Steps(task, **check)


RECURRING = {"frequency": "minute", "interval": 15, "backfill": True, "delta_column": "sys_updated_at"}


@pytest.mark.parametrize("schedule", [{}, RECURRING], ids=["one time", "recurring"])
def test_the_whole_chain_is_made_once_and_then_reused(
    steps: Callable[..., Steps], schedule: dict[str, Any], aep: Any, client: Any, listed: Any
) -> None:
    first = steps(**schedule)
    ids = first.all(**schedule)
    kinds = [
        "connections",
        "fieldgroups",
        "schemas",
        "sourceConnections",
        "dataSets",
        "targetConnections",
        "mappingSets",
        "flows",
    ]
    assert sorted(aep.created()) == sorted(kinds)
    assert all(first.xcom(step, "created") is True for step in ids)
    assert all(isinstance(one, str) for one in ids.values())

    there, posts = listed(client), len(aep.created())
    second = steps(**schedule)
    assert second.all(**schedule) == ids
    assert listed(client) == there
    assert len(aep.created()) == posts
    assert {second.xcom(step, "action") for step in ids} == {"reused"}
    assert not any(second.xcom(step, "created") for step in ids)


def test_the_check_makes_nothing(steps: Callable[..., Steps], aep: Any, client: Any, listed: Any) -> None:
    made = steps()
    made.connection()
    before = listed(client)
    made.check()
    assert listed(client) == before
    assert [column["name"] for column in made.xcom("check", "columns")][:2] == ["sys_id", "number"]
    assert len(made.xcom("check", "mappings")) == 7
    assert made.xcom("check", "requests") <= 14


def test_requests_are_counted_also_when_the_step_fails(steps: Callable[..., Steps]) -> None:
    made = steps(table="nowhere")
    with pytest.raises(AirflowFailException):
        made.check()
    assert made.xcom("check", "requests") > 3


def test_what_templates_render_is_read(steps: Callable[..., Steps], aep: Any) -> None:
    written = {
        "frequency": "minute", "interval": "15", "backfill": "True", "delta_column": "sys_updated_at",
        "start_time": "None", "sandbox": "None",
    }  # fmt: skip
    made = steps(
        **written, columns="None", schema="None", derive_fields="True", mappings="None", name="None", dataset="None",
        field_groups="[]",
    )  # fmt: skip
    made.connection(name="None", authentication="None", description="None", adopt="False")
    flow = {key: value for key, value in written.items() if key != "start_time"}
    made.all(
        **flow, partial_ingestion_percent="7.5", error_diagnostics="false", start_delay_seconds="90",
        mapping_version="0", delta_format="None", description="None", adopt="False",
    )  # fmt: skip
    body = next(seen for seen in aep.seen if seen.method == "POST" and seen.path.endswith("/flows")).json
    assert {**body["scheduleParams"], "startTime": 0} == {
        "startTime": 0, "frequency": "minute", "interval": 15, "backfill": True,
    }  # fmt: skip
    assert body["options"] == {"errorDiagnosticsEnabled": False, "partialIngestionPercent": 7.5}
    assert body["transformations"][0]["params"]["deltaColumn"]["dateFormat"] == "yyyy-MM-dd HH:mm:ss"
    assert "None" not in json.dumps(body)


@pytest.mark.parametrize("written", ["yes", "1", "Truthy"])
def test_adopt_is_never_guessed(steps: Callable[..., Steps], written: str) -> None:
    with pytest.raises(AirflowFailException, match="adopt is"):
        steps().connection(adopt=written)


def test_columns_given_by_name_are_the_ones_taken(steps: Callable[..., Steps], aep: Any) -> None:
    steps(columns=["sys_id", "sys_updated_at"], **RECURRING).all(**RECURRING)
    body = next(seen for seen in aep.seen if seen.method == "POST" and seen.path.endswith("/sourceConnections")).json
    assert [column["name"] for column in body["params"]["columns"]] == ["sys_id", "sys_updated_at"]


@pytest.mark.parametrize("written", ["m.json", "m.yaml"])
def test_mappings_from_a_file(steps: Callable[..., Steps], tmp_path: Path, task: Any, written: str) -> None:
    mappings = [
        {"source": "sys_id", "destination": "_id"},
        {"source": "number", "destination": "_{TENANT_ID}.incident.number"},
    ]
    (tmp_path / written).write_text(json.dumps(mappings))
    made = steps(mappings=written)
    made.tasks["check"] = task(None, search=[str(tmp_path)])
    made.check()
    settled = made.xcom("check", "mappings")
    assert [one["source"] for one in settled] == ["sys_id", "number"]
    assert "{TENANT_ID}" not in json.dumps(settled)


def test_an_existing_schema_with_standard_fields(steps: Callable[..., Steps], task: Any) -> None:
    made = steps()
    groups = ["profile-person-details"]
    schema = made.do("s", AepCreateSchemaOperator, title="People", field_groups=groups, derive_fields=False)
    again = made.do("again", AepCreateSchemaOperator, schema="People")
    assert (again, made.xcom("again", "action")) == (schema, "reused")
    checked = steps(schema="People", mappings=[{"source": "number", "destination": "person.name.fullName"}])
    checked.check()
    assert checked.xcom("check", "mappings")[0]["destination"] == "person.name.fullName"


class TestNeverTwice:
    """Promise 1, through the operators: answers get lost, processes die, listings lag."""

    @pytest.mark.parametrize("status", [0, 502], ids=["hung up", "502"])
    def test_every_answer_gets_lost(
        self, steps: Callable[..., Steps], aep: Any, client: Any, listed: Any, status: int
    ) -> None:
        for kind in listed(client):
            aep.lose("POST", f"/{kind}", carried_out=True, status=status)
        steps().all()
        assert {kind: len(ids) for kind, ids in listed(client).items()} == dict.fromkeys(listed(client), 1)

    def test_a_task_that_died_between_sending_and_answer_finds_what_it_made(
        self, steps: Callable[..., Steps], aep: Any, client: Any, listed: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = steps()

        def die(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("aep_provider.resources.flow_service.made_by", die)
            with pytest.raises(KeyboardInterrupt):
                made.connection()
        assert made.tasks["connection"].store.held
        made.connection()
        assert len(listed(client)["connections"]) == 1

    def test_listings_that_lag_make_no_second_one(
        self, start_platform: Callable[..., Any], make_wire: Any, set_connection: Any, task: Any, make_client: Any,
        listed: Any, monkeypatch: pytest.MonkeyPatch, aep: Any, org: str,
    ) -> None:  # fmt: skip
        """The first try dies before it has looked; the second one looks until listings have settled."""
        lagging = make_wire(start_platform("--assume", "listing_lag_seconds=1"))
        _connect(set_connection, lagging, "tester", "s3cret-s3cret", ims_org_id=org)
        made = Steps(task)

        def die(_: float) -> None:
            raise KeyboardInterrupt

        lagging.lose("POST", "/connections", carried_out=True)
        with monkeypatch.context() as patch:
            patch.setattr("aep_provider.resources.ensure.Patience", lambda: Patience(5, 0.1, sleep=die))
            with pytest.raises(KeyboardInterrupt):
                made.connection()
        monkeypatch.setattr("aep_provider.resources.ensure.Patience", lambda: Patience(5, 0.1))
        made.connection()
        assert lagging.created() == ["connections"]
        assert len(listed(make_client(lagging.url))["connections"]) == 1


class TestErrors:
    def test_final_ones_end_the_task(self, steps: Callable[..., Steps]) -> None:
        made = steps()
        made.connection()
        with pytest.raises(AirflowFailException, match="is there already") as ended:
            Steps(made.task).connection(if_exists="fail")
        assert "\n" not in str(ended.value)

    def test_others_keep_their_type_so_that_airflow_retries(self, steps: Callable[..., Steps], aep: Any) -> None:
        aep.lose("GET", "/connections", carried_out=False, status=503, times=99)
        with pytest.raises(AepServerError):
            steps().connection()

    def test_wrong_credentials_fail_again_when_the_task_is_run_again(
        self, strict_platform: Any, make_wire: Any, set_connection: Any, task: Any, secrets: list[str]
    ) -> None:
        """The base connection may be there since the first try; that makes its credentials no better."""
        _connect(set_connection, make_wire(strict_platform), "robot", secrets[0])
        set_connection(
            "aep_source_servicenow",
            conn_type="http",
            host="https://dev1.service-now.example",
            login="ann",
            password="wrong-one",
        )
        made = Steps(task)
        for _ in range(2):
            with pytest.raises(AirflowFailException, match="cannot log in") as ended:
                made.connection(name="wrong credentials")
            assert "wrong-one" not in str(ended.value)


def _connect(set_connection: Any, wire: Any, login: str, password: str, **extra: Any) -> None:
    extras = {"ims_org_id": "ACME@AdobeOrg", "sandbox": "prod", "token_url": f"{wire.url}/ims/token/v3", **extra}
    set_connection(
        "aep_default", conn_type="aep", host=wire.url, login=login, password=password, extra=json.dumps(extras)
    )


class TestSecrets:
    def test_they_are_seen_nowhere(
        self, steps: Callable[..., Steps], aep: Any, secrets: list[str], caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        with caplog.at_level(logging.DEBUG):
            made = steps()
            made.all()
            made.connection(if_exists="update")
        tokens = {seen.headers["authorization"].split()[1] for seen in aep.seen if "authorization" in seen.headers}
        assert tokens
        hidden = [*secrets, *tokens]
        places = {
            "log": caplog.text,
            "task log": (task_log := "".join(capfd.readouterr())),
            "records": "".join(repr(vars(record)) for record in caplog.records),
            "xcoms": json.dumps([one.ti.xcoms for one in made.tasks.values()]),
            "state": json.dumps([one.store.held for one in made.tasks.values()]),
            "rendered": repr(
                [[getattr(one.operator, name) for name in one.operator.template_fields] for one in made.tasks.values()]
            ),
            "operators": repr([vars(one.operator) for one in made.tasks.values()]),
            "targets": repr([seen.target for seen in aep.seen]),
        }
        assert "Created the" in task_log + caplog.text
        assert "Requests sent to AEP" in task_log
        assert [place for place, text in places.items() for secret in hidden if secret in text] == []

    @pytest.mark.parametrize("status", [400, 401, 403, 500])
    def test_an_answer_that_echoes_them_hides_them(
        self, steps: Callable[..., Steps], aep: Any, secrets: list[str], status: int, caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        aep.lose("POST", "/connections", carried_out=False, status=status, times=9)
        token = "eyJ0b2tlbi1lY2hv.abc.def"
        aep.faults[-1].body = json.dumps(
            {"title": f"{secrets[1]} is wrong", "detail": f"Bearer {token}, {secrets[1]}"}
        ).encode()
        with caplog.at_level(logging.DEBUG), pytest.raises((AirflowFailException, AepError)) as raised:
            steps().connection()
        chain: list[BaseException] = [raised.value]
        while following := chain[-1].__cause__ or chain[-1].__context__:
            chain.append(following)
        texts = [caplog.text, *capfd.readouterr(), *(f"{error} {error!r} {vars(error)}" for error in chain)]
        assert [text for text in texts for secret in (*secrets, token) if secret in text] == []
