"""
What is wrong is told in one line, before anything but the base connection is made: the table in docs/bad-input.md, row by
row, with its very words. Where AEP refuses too, a second test sends the same past our checks.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.sdk.exceptions import AirflowFailException

from aep_provider.errors import AepApiError
from aep_provider.operators import (
    AepCheckDataflowOperator,
    AepCreateConnectionOperator,
    AepCreateDatasetOperator,
    AepCreateFlowOperator,
    AepCreateMappingSetOperator,
    AepCreateSchemaOperator,
    AepCreateSourceConnectionOperator,
    AepCreateTargetConnectionOperator,
    AepExploreOperator,
    AepTestConnectionOperator,
)
from aep_provider.platform.client import AepClient
from aep_provider.sensors import AepFlowRunSensor

pytestmark = pytest.mark.slow

DOCUMENT = Path(__file__).parents[3] / "docs" / "bad-input.md"
GONE = "00000000-0000-4000-8000-000000000000"
RECURRING = {"frequency": "minute", "interval": 15, "backfill": True, "delta_column": "sys_updated_at"}
SERVICENOW = {"id": "eb13cb25-47ab-407f-ba89-c0125281c563", "version": "1.0"}
DATA_LAKE = {"id": "c604ff05-7f1a-43c0-8e18-33bf874cb11c", "version": "1.0"}
TABULAR = {"id": "14518937-270c-4525-bdec-c2ba7cce3860", "version": "1.0"}
NEWEST = "application/vnd.adobe.xed-full+json;version=1"


def rows() -> dict[str, tuple[str, str]]:
    """The table of the document: by what was wrong, the message (``…`` is any text) and AEP's code, if any."""
    found = {}
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 4 and cells[1].startswith("`"):
            found[cells[0]] = (cells[1].strip("`").strip(), cells[2])
    return found


ROWS = rows()


class World:
    """What a user does, and the line that stops them."""

    def __init__(self, aep: Any, task: Any, set_connection: Any, org: str, tmp_path: Path) -> None:
        self.aep, self.task, self.set_connection, self.org, self.tmp_path = aep, task, set_connection, org, tmp_path
        self.raw: Raw | None = None

    def line(self, operator: type, **arguments: Any) -> str:
        with pytest.raises(AirflowFailException) as ended:
            self.do(operator, **arguments)
        return str(ended.value)

    def do(self, operator: type, **arguments: Any) -> Any:
        return self.task(operator(task_id="step", **arguments), search=[str(self.tmp_path)]).run()

    def connect(self, **connection: Any) -> str:
        values = {"source": "servicenow", "source_conn_id": "aep_source_servicenow", **connection}
        return str(self.do(AepCreateConnectionOperator, **values))

    def refused_connection(self, **connection: Any) -> str:
        values = {"source": "servicenow", "source_conn_id": "aep_source_servicenow", **connection}
        return self.line(AepCreateConnectionOperator, **values)

    def refused_check(self, connection: dict[str, Any] | None = None, **check: Any) -> str:
        values = {"source": "servicenow", "table": "incident", **check}
        return self.line(AepCheckDataflowOperator, base_connection_id=self.connect(**(connection or {})), **values)

    def refused_flow(self, raw: Raw, **flow: Any) -> str:
        return self.line(AepCreateFlowOperator, **{**raw.ids(), "source": "servicenow", "name": "incidents", **flow})

    def account(self, login: str, password: str, sandbox: str = "prod", **extra: Any) -> None:
        extras = {
            "ims_org_id": "ACME@AdobeOrg",
            "token_url": f"{self.aep.url}/ims/token/v3",
            "sandbox": sandbox,
            **extra,
        }
        self.set_connection(
            "aep_default", conn_type="aep", host=self.aep.url, login=login, password=password, extra=json.dumps(extras)
        )

    def source(self, source: str = "servicenow", **fields: Any) -> str:
        self.set_connection(f"aep_source_{source}", conn_type="http", **fields)
        return f"aep_source_{source}"


class Raw:
    """A chain made by plain requests, past all our checks."""

    def __init__(self, client: AepClient) -> None:
        self.client = client
        self._made: dict[str, str] = {}

    def post(self, path: str, body: Any) -> Any:
        answer = self.client.post(f"/data/foundation/{path}", json=body).body
        return answer[0].rpartition("/")[2] if isinstance(answer, list) else answer.get("id", answer.get("$id"))

    def base(self, spec: str = SERVICENOW["id"], **auth: Any) -> str:
        params = {"endpoint": "https://dev1.service-now.example", "username": "ann", "password": "of-the-raw-one"}
        body = {"specName": "Basic Authentication", "params": params, **auth}
        return str(self.post("flowservice/connections", {"name": "raw", "connectionSpec": {"id": spec}, "auth": body}))

    def source(self, base: str | None = None, spec: str = SERVICENOW["id"], table: str = "incident") -> str:
        columns = [{"name": name, "type": "string", "xdm": {"type": "string"}} for name in ("sys_id", "number")]
        return str(
            self.post(
                "flowservice/sourceConnections",
                {"name": "raw", "baseConnectionId": base or self.base(), "connectionSpec": {"id": spec},
                 "data": {"format": "tabular"}, "params": {"tableName": table, "columns": columns}},
            )
        )  # fmt: skip

    def schema(self, title: str = "raw") -> str:
        parts = ["https://ns.adobe.com/xdm/context/profile", "https://ns.adobe.com/xdm/context/profile-person-details"]
        body = {"type": "object", "title": title, "allOf": [{"$ref": part} for part in parts]}
        return str(self.post("schemaregistry/tenant/schemas", body))

    def dataset(self, schema: str) -> str:
        return str(self.post("catalog/dataSets", {"name": "raw", "schemaRef": {"id": schema, "contentType": NEWEST}}))

    def target(self, schema: str, dataset: str | None = None, spec: dict[str, str] = DATA_LAKE) -> str:
        body = {
            "name": "raw", "params": {"dataSetId": dataset or self.dataset(schema)}, "connectionSpec": spec,
            "data": {"format": "parquet_xdm", "schema": {"id": schema, "version": NEWEST}},
        }  # fmt: skip
        return str(self.post("flowservice/targetConnections", body))

    def mapping(self, schema: str, destination: str = "_id") -> str:
        reference = {"schemaRef": {"id": schema, "contentType": NEWEST}}
        mappings = [{"sourceType": "ATTRIBUTE", "source": "sys_id", "destination": destination}]
        return str(self.post("conversion/mappingSets", {"outputSchema": reference, "mappings": mappings}))

    def ids(self) -> dict[str, str]:
        """As the operator for flows takes them."""
        if not self._made:
            schema = self.schema()
            self._made = {
                "source_connection_id": self.source(), "target_connection_id": self.target(schema),
                "mapping_set_id": self.mapping(schema),
            }  # fmt: skip
        return self._made

    def flow(self, schedule: dict[str, Any] | None = None, delta: str | None = None, **ids: Any) -> str:
        ids = {**self.ids(), **ids}
        parts = [{"name": "Mapping", "params": {"mappingId": ids["mapping_set_id"], "mappingVersion": "0"}}]
        if delta:
            parts.insert(0, {"name": "Copy", "params": {"deltaColumn": {"name": delta}}})
        start = {"startTime": int(time.time()) + 60, "frequency": "once"}
        body = {
            "name": "incidents", "flowSpec": TABULAR, "sourceConnectionIds": [ids["source_connection_id"]],
            "targetConnectionIds": [ids["target_connection_id"]], "transformations": parts,
            "scheduleParams": {**start, **(schedule or {})},
        }  # fmt: skip
        return str(self.post("flowservice/flows", body))


Case = Callable[[World], str]
CASES: dict[str, Case] = {
    "The table does not exist": lambda w: w.refused_check(table="incidnet"),
    "The table's name is a path": lambda w: w.refused_check(table="../incident.csv", name="incidents"),
    "The table's name holds quotes or a semicolon": lambda w: w.refused_check(
        table="incident'; DROP TABLE x; --", name="incidents"
    ),
    "No table is named": lambda w: w.refused_check(table=""),
    "A column does not exist": lambda w: w.refused_check(columns=["sys_id", "priorty"]),
    "A column comes twice": lambda w: w.refused_check(columns=["sys_id", "sys_id"]),
    "A column is malformed": lambda w: w.refused_check(columns=[{"type": "string"}]),
    "The columns are no list": lambda w: w.refused_check(columns="sys_id"),
    "The delta column does not exist, or is not among the columns": lambda w: w.refused_check(
        **{**RECURRING, "delta_column": "updated_at"}
    ),
    "The delta column holds no dates": lambda w: w.refused_check(**{**RECURRING, "delta_column": "number"}),
    "An interval of 14 minutes": lambda w: w.refused_check(**{**RECURRING, "interval": 14}),
    "A schedule without delta column": lambda w: w.refused_check(**{**RECURRING, "delta_column": None}),
    "An unknown frequency": lambda w: w.refused_check(**{**RECURRING, "frequency": "month"}),
    "A start in the past": lambda w: w.refused_check(**RECURRING, start_time="2020-01-01T00:00:00Z"),
    "A start in milliseconds": lambda w: w.refused_check(**RECURRING, start_time="4102444800000"),
    "`one_time` with an interval": lambda w: w.refused_check(frequency="one_time", interval=15),
    "`one_time` with backfill": lambda w: w.refused_check(frequency="one_time", backfill=True),
    "`one_time` with a delta column": lambda w: w.refused_check(frequency="one_time", delta_column="sys_updated_at"),
    "A mapping to a path that the schema lacks": lambda w: w.refused_check(
        schema_class="profile",
        field_groups=["profile-person-details"],
        mappings=[{"source": "number", "destination": "person.nmae.fullName"}],
    ),
    "A mapping from a column that is not read": lambda w: w.refused_check(
        mappings=[{"source": "nubmer", "destination": "_id"}]
    ),
    "Two mappings to one path": lambda w: w.refused_check(
        mappings=[{"source": "number", "destination": "_id"}, {"source": "sys_id", "destination": "_id"}]
    ),
    "A trailing comma in a mapping file": lambda w: (
        (w.tmp_path / "m.json").write_text('[{"source": "number", "destination": "_id"},]'),
        w.refused_check(mappings="m.json"),
    )[1],
    "A trailing comma in mappings typed into the form": lambda w: w.refused_check(
        mappings='[{"source": "number", "destination": "_id"},]'
    ),
    "A mapping file outside of the DAG's folders": lambda w: w.refused_check(mappings="../../../etc/passwd"),
    "The existing schema does not exist": lambda w: w.refused_check(schema="Incidents of long ago"),
    "A field group does not exist": lambda w: w.refused_check(field_groups=["profile-persn-details"]),
    "A name with a comma": lambda w: w.refused_check(name="Incidents, all"),
    "A name with an ampersand": lambda w: w.refused_check(name="Incidents & all"),
    "A name with an equals sign": lambda w: w.refused_check(name="Incidents = all"),
    "A name with a less-than sign": lambda w: w.refused_check(name="Incidents < all"),
    "A name with a greater-than sign": lambda w: w.refused_check(name="Incidents > all"),
    "A name with a double quote": lambda w: w.refused_check(name='Incidents "all"'),
    "A name with a single quote": lambda w: w.refused_check(name="Incidents 'all'"),
    "The source is unknown": lambda w: w.refused_connection(source="service-now"),
    "The way to log in is unknown": lambda w: w.refused_connection(authentication="Basic"),
    "A field of the login is missing": lambda w: w.refused_connection(
        source_conn_id=w.source(host="https://dev1.service-now.example", login="ann")
    ),
    "The source's connection has another prefix": lambda w: w.refused_connection(source_conn_id="aep_default"),
    "The sandbox is unknown": lambda w: w.refused_connection(sandbox="nowhere"),
    "The organisation is missing": lambda w: (
        w.account("tester", "s3cret-s3cret", ims_org_id=""),
        w.refused_connection(),
    )[1],
    "The base connection is gone": lambda w: w.line(AepTestConnectionOperator, base_connection_id=GONE),
    "The base connection to explore is gone": lambda w: w.line(AepExploreOperator, base_connection_id=GONE),
}  # fmt: skip

# As one of the accounts of the strict platform.
STRICT: dict[str, Case] = {
    "The client secret is wrong": lambda w: (w.account("robot", "wrong-client-secret"), w.refused_connection())[1],
    "The token has no access to the organisation": lambda w: (
        w.account("robot", "p8e-client-secret-0123456789", ims_org_id="OTHER@AdobeOrg"), w.refused_connection()
    )[1],
    "A permission is missing": lambda w: (w.account("viewer", "p8e-client-secret-0123456789"), w.refused_connection())[1],
    "The source's password is wrong": lambda w: (
        w.account("robot", "p8e-client-secret-0123456789"),
        w.source(host="https://dev1.service-now.example", login="ann", password="not-the-right-one"),
        w.refused_connection(name=f"wrong {w.org}"),
    )[-1],
    "AEP does not serve the source any more": lambda w: (
        w.account("robot", "p8e-client-secret-0123456789"),
        w.refused_check(
            {"source": "shopify", "source_conn_id": w.source("shopify", host="shop.example", password="hunter2-of-the-source")},
            source="shopify",
        ),
    )[-1],
    "AEP has no specification of the source any more": lambda w: (
        w.account("robot", "p8e-client-secret-0123456789"), w.refused_connection(source="paypal")
    )[-1],
}  # fmt: skip

# These come after other objects were made.
LATER: dict[str, Callable[[World, Raw], str]] = {
    "The source connection is gone": lambda w, raw: w.refused_flow(raw, source_connection_id=GONE),
    "The target connection is gone": lambda w, raw: w.refused_flow(raw, target_connection_id=GONE),
    "The mapping set is gone": lambda w, raw: w.refused_flow(raw, mapping_set_id="0" * 32),
    "The dataset is gone": lambda w, raw: w.line(
        AepCreateTargetConnectionOperator, name="incidents", dataset_id="0" * 24, schema_id=raw.schema()
    ),
    "Mapping set and dataset have different schemas": lambda w, raw: w.refused_flow(
        raw, mapping_set_id=raw.mapping(raw.schema("another"))
    ),
    "The base connection of a source connection is gone": lambda w, raw: w.line(
        AepCreateSourceConnectionOperator,
        source="servicenow",
        base_connection_id=GONE,
        table="incident",
        columns=[{"name": "sys_id", "type": "string", "xdm": {"type": "string"}}],
    ),
    "The flow is there, but disabled": lambda w, raw: (_disabled(raw, raw.flow()), w.refused_flow(raw))[1],
    "The flow to wait for is gone": lambda w, raw: w.line(AepFlowRunSensor, flow_id=GONE, deferrable=False),
    "The flow to wait for is disabled and has no run": lambda w, raw: w.line(
        AepFlowRunSensor, flow_id=_disabled(raw, raw.flow({"startTime": 4102444800})), deferrable=False
    ),
    "Another target than the data lake": lambda w, raw: _told(lambda: raw.target(raw.schema(), spec=SERVICENOW)),
}


def _told(send: Callable[[], Any]) -> str:
    """What somebody sees who sends a request of their own through the hook's client."""
    with pytest.raises(AepApiError) as raised:
        send()
    return str(raised.value)


def _disabled(raw: Raw, flow_id: str) -> str:
    deadline = time.monotonic() + 10
    path = f"/data/foundation/flowservice/flows/{flow_id}"
    while raw.client.get(path).body["items"][0]["state"] != "enabled":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    raw.client.post(f"{path}/action", params={"op": "disable"})
    return flow_id


def fits(line: str, wording: str) -> bool:
    """Whether a line is what the document says, ``…`` standing for any text."""
    return re.fullmatch(".*".join(map(re.escape, wording.split("…"))), line) is not None


@pytest.fixture(autouse=True)
def quick(no_waits: None) -> None:
    """Repetitions take no time."""


@pytest.fixture
def world(aep: Any, task: Any, set_connection: Any, org: str, tmp_path: Path) -> World:
    return World(aep, task, set_connection, org, tmp_path)


def check_line(case: str, line: str, secrets: list[str]) -> None:
    wording, code = ROWS[case]
    assert fits(line, wording), f"{case}:\n{line}\n{wording}"
    assert "\n" not in line
    assert len(line) < 1000
    assert not [secret for secret in (*secrets, "wrong-client-secret", "not-the-right-one") if secret in line]
    assert not code or code in line, f"the message does not name {code}"


@pytest.mark.parametrize("case", CASES)
def test_told_before_anything_is_made(world: World, case: str, secrets: list[str]) -> None:
    check_line(case, CASES[case](world), secrets)
    assert set(world.aep.created()) <= {"connections"}


@pytest.mark.parametrize("case", STRICT)
def test_told_to_an_account(world: World, case: str, secrets: list[str], strict_platform: Any, make_wire: Any) -> None:
    world.aep = make_wire(strict_platform)
    check_line(case, STRICT[case](world), secrets)
    assert set(world.aep.created()) <= {"connections"}


@pytest.mark.parametrize("case", LATER)
def test_told_by_a_later_step(world: World, client: AepClient, case: str, secrets: list[str], listed: Any) -> None:
    raw = Raw(client)
    check_line(case, LATER[case](world, raw), secrets)


def test_every_row_is_tried_and_every_case_has_its_row() -> None:
    assert sorted(ROWS) == sorted([*CASES, *STRICT, *LATER])


BASIC = {"endpoint": "https://dev1.service-now.example", "username": "ann"}
SHOPIFY = "4f63aa36-bd48-4e33-bb83-49fbcd11c708"
# The same, sent as it is.
BYPASS: dict[str, Callable[[Raw], Any]] = {
    "The table does not exist": lambda raw: raw.flow(source_connection_id=raw.source(table="incidnet")),
    "The table's name is a path": lambda raw: raw.flow(source_connection_id=raw.source(table="../incident.csv")),
    "The table's name holds quotes or a semicolon": lambda raw: raw.flow(
        source_connection_id=raw.source(table="incident'; DROP TABLE x; --")
    ),
    "An interval of 14 minutes": lambda raw: raw.flow({"frequency": "minute", "interval": 14}, "sys_updated_at"),
    "A schedule without delta column": lambda raw: raw.flow({"frequency": "minute", "interval": 15}),
    "An unknown frequency": lambda raw: raw.flow({"frequency": "month", "interval": 1}, "sys_updated_at"),
    "A start in the past": lambda raw: raw.flow({"startTime": 1577836800}),
    "`one_time` with an interval": lambda raw: raw.flow({"interval": 15}),
    "`one_time` with backfill": lambda raw: raw.flow({"backfill": True}),
    "`one_time` with a delta column": lambda raw: raw.flow(delta="sys_updated_at"),
    "The way to log in is unknown": lambda raw: raw.base(specName="Basic"),
    "A field of the login is missing": lambda raw: raw.base(params=BASIC),
    "The base connection is gone": lambda raw: raw.client.get(f"/data/foundation/flowservice/connections/{GONE}/test"),
    "The base connection to explore is gone": lambda raw: raw.client.get(
        f"/data/foundation/flowservice/connections/{GONE}/explore", params={"objectType": "root"}
    ),
    "The mapping set is gone": lambda raw: raw.flow(mapping_set_id="0" * 32),
    "The base connection of a source connection is gone": lambda raw: raw.source(base=GONE),
    "The dataset is gone": lambda raw: raw.target(raw.schema(), dataset="0" * 24),
    "Mapping set and dataset have different schemas": lambda raw: raw.flow(
        mapping_set_id=raw.mapping(raw.schema("another"))
    ),
    "Another target than the data lake": lambda raw: raw.target(raw.schema(), spec=SERVICENOW),
    "The flow to wait for is gone": lambda raw: raw.client.get(f"/data/foundation/flowservice/flows/{GONE}"),
}


@pytest.mark.parametrize("case", BYPASS)
def test_aep_refuses_it_too_and_with_the_code_that_is_named(client: AepClient, case: str) -> None:
    with pytest.raises(AepApiError) as raised:
        BYPASS[case](Raw(client))
    assert str(raised.value.number) == ROWS[case][1]


def test_what_is_not_served_is_refused_too(strict_platform: Any, make_wire: Any, make_client: Any) -> None:
    wire = make_wire(strict_platform)
    account = {"ims_org_id": "ACME@AdobeOrg", "client_id": "robot", "client_secret": "p8e-client-secret-0123456789"}
    raw = Raw(make_client(wire.url, **account))
    params = {"host": "shop.example", "accessToken": "hunter2-of-the-source"}
    base = raw.base(SHOPIFY, params=params)
    schema = raw.schema(f"shop {time.time_ns()}")
    ids = {
        "source_connection_id": raw.source(base, SHOPIFY), "target_connection_id": raw.target(schema),
        "mapping_set_id": raw.mapping(schema),
    }  # fmt: skip
    raw._made = ids
    with pytest.raises(AepApiError) as raised:
        raw.flow()
    assert str(raised.value.number) == ROWS["AEP does not serve the source any more"][1]


def test_a_trailing_comma_in_a_request_is_refused(client: AepClient, platform: Any) -> None:
    """Our client cannot send one; the platform takes no more than AEP does."""
    client.get("/data/foundation/flowservice/connections", params={"limit": "1"})
    path = f"{platform.url}/data/foundation/flowservice/connections"
    token = requests.post(
        f"{platform.url}/ims/token/v3",
        data={"grant_type": "client_credentials", "client_id": "x", "client_secret": "y", "scope": "openid"},
        timeout=10,
    ).json()["access_token"]
    headers = {
        "Authorization": f"Bearer {token}", "x-api-key": "x", "x-gw-ims-org-id": "X@AdobeOrg", "x-sandbox-name": "prod",
        "Content-Type": "application/json",
    }  # fmt: skip
    answer = requests.post(path, headers=headers, data='{"name": "x",}', timeout=10)
    assert answer.status_code == 400


@pytest.mark.parametrize("table", ["t0", "t500"])
def test_tables_without_rows_and_with_500_columns_work(
    world: World, client: AepClient, table: str, platform: Any
) -> None:
    base = world.connect()
    task = world.task(
        AepCheckDataflowOperator(task_id="c", base_connection_id=base, source="servicenow", table=table, name=table)
    )
    task.run()
    columns = task.ti.xcoms["columns"]
    schema = world.do(AepCreateSchemaOperator, title=table, table=table, columns=columns)
    ids = {
        "source_connection_id": world.do(
            AepCreateSourceConnectionOperator, source="servicenow", base_connection_id=base, table=table, columns=columns
        ),
        "target_connection_id": world.do(
            AepCreateTargetConnectionOperator, name=table, schema_id=schema,
            dataset_id=world.do(AepCreateDatasetOperator, name=table, schema_id=schema),
        ),
        "mapping_set_id": world.do(
            AepCreateMappingSetOperator, schema_id=schema, mappings=task.ti.xcoms["mappings"]
        ),
    }  # fmt: skip
    flow = world.do(AepCreateFlowOperator, name=table, source="servicenow", **ids)
    sensor = world.task(AepFlowRunSensor(task_id="s", flow_id=flow, deferrable=False, poke_interval=0.05, timeout=30))
    assert sensor.run()
    count = 0 if table == "t0" else 1
    assert len(columns) == (2 if table == "t0" else 500)
    assert [sensor.ti.xcoms["outcome"][key] for key in ("rows_read", "rows_written", "rows_rejected")] == [
        count,
        count,
        0,
    ]


@pytest.mark.parametrize("name", ["事件 東京", "حوادث", "Zażółć gęślą jaźń", "🚒 Brand", "происшествия"])
def test_names_in_every_script_work(world: World, name: str) -> None:
    base = world.connect(name=name)
    assert world.connect(name=name) == base
    check = {"base_connection_id": base, "source": "servicenow", "table": "incident"}
    assert world.do(AepCheckDataflowOperator, name=name, **check) == base
