"""What others made, in the dialects of AEP's tutorials, becomes files for which a plan has nothing to do."""

from __future__ import annotations

import copy
import re
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from aep_provider.cli.export import export as command_export
from aep_provider.dataflows.chain import Sandbox
from aep_provider.dataflows.planning import make_plan
from aep_provider.dataflows.reading.document import parse
from aep_provider.dataflows.reading.load import load_folder
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.dataflows.survey import look_around
from aep_provider.dataflows.writing.delta import delta_choice
from aep_provider.dataflows.writing.export import export_dataflows
from aep_provider.dataflows.writing.from_flow import Exported
from aep_provider.dataflows.writing.spec_text import spec_text
from aep_provider.errors import AepConfigError
from aep_provider.platform.client import AepClient
from aep_provider.platform.settings import AepSettings
from aep_provider.resources import flow_service
from aep_provider.resources.dataset import Dataset
from aep_provider.resources.flow import REDECLARED, Flow
from aep_provider.resources.flow_state import FlowState, set_state
from aep_provider.resources.inventory import KINDS, Inventory
from aep_provider.resources.mapping_set import MappingSet
from aep_provider.resources.resource import IfExists
from aep_provider.resources.schema import Schema
from aep_provider.resources.source_connection import SourceConnection
from aep_provider.resources.target_connection import TargetConnection

from ..made import declared, made
from ..on_demand import LOGIN, await_

SERVICENOW = "eb13cb25-47ab-407f-ba89-c0125281c563"
SALESFORCE = "cb66ab34-8619-49cb-96d1-39b37ede86ea"
DATA_LAKE = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
CRM_TO_AEP = "14518937-270c-4525-bdec-c2ba7cce3860"
PROFILE = "https://ns.adobe.com/xdm/context/profile"
VERSION = "application/vnd.adobe.xed-full+json;version=1"
FLOWS = "/data/foundation/flowservice"
REGISTRY = "/data/foundation/schemaregistry"
MAPPING_SETS = "/data/foundation/conversion/mappingSets"
FAR = 2_145_916_800
TEXT = {"type": "string", "xdm": {"type": "string"}}
DATE = {"type": "string", "meta:xdmType": "date-time", "xdm": {"type": "string", "format": "date-time"}}
COLUMNS = [{"name": "sys_id", **TEXT}, {"name": "number", **TEXT}, {"name": "sys_updated_at", **DATE}]


class Curl:
    """Somebody with the tutorial open in one window and a shell in the other."""

    def __init__(self, url: str, org: str) -> None:
        self.url, self.session = url, requests.Session()
        form = {"grant_type": "client_credentials", "client_id": "curl", "client_secret": "curl-secret"}
        token = requests.post(f"{url}/ims/token/v3", data=form, timeout=20).json()["access_token"]
        headers = {"x-api-key": "curl", "x-gw-ims-org-id": org, "x-sandbox-name": "prod", "Accept": "application/json"}
        self.session.headers.update({"Authorization": f"Bearer {token}", **headers})
        self.tenant = "_" + self.call("GET", f"{REGISTRY}/stats")["tenantId"]

    def call(self, method: str, path: str, **options: Any) -> Any:
        answer = self.session.request(method, self.url + path, timeout=20, **options)
        assert answer.ok, answer.text
        return answer.json()

    def read(self, collection: str, object_id: str) -> Any:
        return self.call("GET", f"{FLOWS}/{collection}/{object_id}")["items"][0]

    def post(self, collection: str, body: Mapping[str, Any]) -> str:
        return str(self.call("POST", f"{FLOWS}/{collection}", json=body)["id"])

    def base(self, name: str, spec: str = SERVICENOW) -> str:
        given = {"endpoint": "https://dev1.service-now.example", "username": "ann", "password": "pw-of-ann"}
        if spec == SALESFORCE:
            given = {"username": "ann", "password": "pw-of-ann", "securityToken": "token-of-ann"}
        body = {"name": name, "auth": {"specName": "Basic Authentication", "params": given}}
        return self.post("connections", {**body, "connectionSpec": {"id": spec, "version": "1.0"}})

    def source(self, name: str, base: str, spec: str = SERVICENOW, **params: Any) -> str:
        body = {"name": name, "baseConnectionId": base, "data": {"format": "tabular"}}
        told = {"tableName": "incident", "columns": COLUMNS, **params}
        told = {key: value for key, value in told.items() if value is not None}
        return self.post("sourceConnections", {**body, "params": told, "connectionSpec": {"id": spec}})

    def schema(self, title: str) -> str:
        fields = {column["name"]: {"type": "string"} for column in COLUMNS}
        nested = {self.tenant: {"type": "object", "properties": {"incident": {"type": "object", "properties": fields}}}}
        group = {
            "type": "object", "title": f"{title} fields", "meta:intendedToExtend": [PROFILE],
            "definitions": {"x": {"properties": nested}}, "allOf": [{"$ref": "#/definitions/x"}],
        }  # fmt: skip
        made_group = self.call("POST", f"{REGISTRY}/tenant/fieldgroups", json=group)["$id"]
        body = {"type": "object", "title": title, "allOf": [{"$ref": PROFILE}, {"$ref": made_group}]}
        return str(self.call("POST", f"{REGISTRY}/tenant/schemas", json=body)["$id"])

    def dataset(self, name: str, schema: str) -> str:
        body = {"name": name, "schemaRef": {"id": schema, "contentType": "application/vnd.adobe.xed+json;version=1"}}
        return str(self.call("POST", "/data/foundation/catalog/dataSets", json=body)[0].rsplit("/", 1)[-1])

    def target(self, name: str, dataset: str, schema: str, **data: Any) -> str:
        data = {**data, "schema": {"id": schema, "version": VERSION}}
        body = {"name": name, "data": data, "params": {"dataSetId": dataset}, "connectionSpec": {"id": DATA_LAKE}}
        return self.post("targetConnections", body)

    def path(self, column: str) -> str:
        return f"{self.tenant}.incident.{column}"

    def legacy(self, schema: str) -> str:
        mappings = [
            {"sourceAttribute": one["name"], "destinationXdmPath": self.path(one["name"]), "identity": False,
             "identityGroup": None, "namespaceCode": None, "version": 0}
            for one in COLUMNS
        ]  # fmt: skip
        body = {"version": 0, "xdmSchema": schema, "xdmVersion": "1.0", "id": None, "mappings": mappings}
        return str(self.call("POST", MAPPING_SETS, json=body)["id"])

    def mapping(self, schema: str, *mappings: tuple[str, str, str]) -> str:
        chosen = mappings or [("ATTRIBUTE", one["name"], one["name"]) for one in COLUMNS]
        body = {"outputSchema": {"schemaRef": {"id": schema, "contentType": VERSION}}, "mappings": [
            {"sourceType": kind, "source": source, "destination": self.path(column)} for kind, source, column in chosen
        ]}  # fmt: skip
        return str(self.call("POST", MAPPING_SETS, json=body)["id"])

    def flow(self, name: str, source: str, target: str, mapping: str, schedule: Mapping[str, Any], **more: Any) -> str:
        delta, version = more.pop("delta", None), more.pop("version", "0")
        copied = [{"name": "Copy", "params": {"deltaColumn": delta}}] if delta else []
        mapped = {"name": "Mapping", "params": {"mappingId": mapping, "mappingVersion": version}}
        ends = {"sourceConnectionIds": [source], "targetConnectionIds": [target]}
        body = {"name": name, "flowSpec": {"id": CRM_TO_AEP, "version": "1.0"}, **ends, **more}
        return self.post("flows", {**body, "transformations": [*copied, mapped], "scheduleParams": schedule})


def soon(seconds: int = 10**7) -> int:
    return int(time.time()) + seconds


@pytest.fixture
def curl(platform: Any, org: str) -> Curl:
    return Curl(platform.url, org)


def fill(curl: Curl) -> dict[str, str]:
    """Eight flows in as many dialects, over two base connections; by name, the ids."""
    base, other = curl.base("ServiceNow of the desk"), curl.base("Salesforce of the desk", SALESFORCE)
    schema = curl.schema("Incidents, all of them")
    dataset = curl.dataset("Incidents in the lake", schema)
    source = curl.source("Source connection for incidents", base)
    target = curl.target("Target connection for incidents", dataset, schema, format="parquet_xdm")
    ids: dict[str, str] = {}

    def flow(name: str, *parts: Any, **more: Any) -> None:
        ids[name] = curl.flow(name, *parts, **more)

    # As the tutorial has it: texts for numbers, the mapping in the old dialect, no options, four names.
    texts = {"startTime": str(soon()), "frequency": "minute", "interval": "15", "backfill": "true"}
    flow("Tutorial", source, target, curl.legacy(schema), texts, version=0, description="As in the tutorial",
         delta={"name": "sys_updated_at", "dateFormat": "YYYY-MM-DD", "timezone": "UTC"})  # fmt: skip
    # On the same connections and into the same dataset; no time zone, no date format.
    typed = {"startTime": soon(), "frequency": "day", "interval": 1, "backfill": True}
    flow("Shared", source, target, curl.mapping(schema), typed, delta={"name": "sys_updated_at"})
    # No columns; backfill off as a text; options as texts; the package's own date format.
    bare = curl.source("No columns", base, columns=None)
    own = curl.dataset("No columns", schema)
    flow("No columns", bare, curl.target("No columns", own, schema), curl.mapping(schema),
         {"startTime": str(soon()), "frequency": "hour", "interval": "6", "backfill": "false"},
         delta={"name": "sys_updated_at", "dateFormat": "yyyy-MM-dd HH:mm:ss", "timezone": "Europe/Amsterdam"},
         options={"partialIngestionPercent": "12.5", "errorDiagnosticsEnabled": "false"})  # fmt: skip
    # Loaded once, without options, from the other source system.
    lone = curl.source("Cases", other, SALESFORCE)
    flow("Cases", lone, curl.target("Cases", curl.dataset("Cases", schema), schema), curl.mapping(schema),
         {"startTime": soon(), "frequency": "once"}, options={"errorDiagnosticsEnabled": True})  # fmt: skip
    # Expressions, a value for all rows, and the second version of a mapping set.
    expressive = curl.mapping(
        schema, ("EXPRESSION", 'iif(number == "1e5", "a: b", concat(sys_id, ", #1"))', "number"),
        ("STATIC", "0123", "sys_id"), ("ATTRIBUTE", "sys_updated_at", "sys_updated_at"),
    )  # fmt: skip
    text = curl.call("GET", f"{MAPPING_SETS}/{expressive}")
    sent = {"outputSchema": text["outputSchema"], "mappings": text["mappings"][:2]}
    curl.call("PUT", f"{MAPPING_SETS}/{expressive}", json=sent)
    for version in ("0", "1"):
        name = f"Expressions {version}"
        parts = curl.source(name, base), curl.target(name, curl.dataset(f"{name} rows", schema), schema)
        flow(name, *parts, expressive, {"startTime": soon(), "frequency": "week", "interval": 2}, version=version,
             delta={"name": "sys_updated_at", "timezone": "UTC"},
             options={"partialIngestionPercent": 5, "errorDiagnosticsEnabled": True})  # fmt: skip
    # On demand, by somebody who posts runs, and before anybody has.
    for name in ("On demand", "On demand later"):
        parts = curl.source(name, base), curl.target(name, curl.dataset(name, schema), schema)
        flow(name, *parts, curl.mapping(schema), {"startTime": str(FAR), "frequency": "once"})
    await_(lambda: curl.read("flows", ids["On demand"])["state"] == "enabled")
    params = {"startTime": int(time.time()), "windowStartTime": 1, "windowEndTime": 2,
              "deltaColumn": {"name": "sys_updated_at"}}  # fmt: skip
    curl.call("POST", f"{FLOWS}/runs", json={"flowId": ids["On demand"], "params": params})
    await_(lambda: len(curl.read("flows", ids["On demand"])["transformations"]) == 2)
    return ids


def nobody(conn_id: str) -> Any:
    raise AssertionError(f"asked for the credentials of {conn_id}")


@pytest.fixture
def look(client: AepClient) -> Callable[[], Sandbox]:
    return lambda: look_around(client, nobody)


def specs_of(texts: Mapping[str, str]) -> list[DataflowSpec]:
    return [DataflowSpec.model_validate(parse(text, Path(name)).content) for name, text in texts.items()]


def texts_of(done: list[Exported]) -> dict[str, str]:
    return {one.spec.name: spec_text(one.fields, notes=one.notes) for one in done}


def reads_only(wire: Any) -> bool:
    return {seen.method for seen in wire.seen if "/ims/" not in seen.path} == {"GET"}


def asks_a_source(wire: Any) -> bool:
    return any(seen.path.endswith(("/explore", "/test")) for seen in wire.seen)


class TestRoundTrip:
    def test_whoever_made_it_a_plan_has_nothing_to_do(self, curl: Curl, look: Any, wire: Any) -> None:
        ids = fill(curl)
        wire.seen.clear()
        done, left = export_dataflows(look())
        assert left == []
        assert {one.spec.name: one.flow_id for one in done} == ids
        plan, _ = make_plan(specs_of(texts_of(done)), look(), whole=True)
        assert (plan.has_work, plan.errors, plan.orphans) == (False, [], ())
        assert reads_only(wire)
        assert not asks_a_source(wire)
        again, _ = export_dataflows(look())
        assert texts_of(again) == texts_of(done)

    def test_what_the_tutorial_makes(self, curl: Curl, look: Any) -> None:
        fill(curl)
        texts = texts_of(export_dataflows(look(), names=["Tutorial"])[0])
        assert texts == {"Tutorial": TUTORIAL.replace("_TENANT", curl.tenant)}

    def test_only_what_is_no_default_is_written(self, curl: Curl, look: Any) -> None:
        fill(curl)
        told = {one.spec.name: one.fields for one in export_dataflows(look())[0]}
        always = {"name", "source", "base_connection", "table", "target", "columns", "mapping"}
        own = {
            name: {key: value for key, value in fields.items() if key not in always} for name, fields in told.items()
        }
        sloppy = {"error_diagnostics": False, "partial_ingestion_percent": None}
        assert own["Shared"] == {
            "load": "recurring", "recurrence": {"frequency": "day", "interval": 1}, "delta_column": "sys_updated_at",
            "delta_format": "", "policy": sloppy,
            "names": {"source_connection": "Source connection for incidents",
                      "target_connection": "Target connection for incidents"},
        }  # fmt: skip
        assert own["No columns"] == {
            "load": "recurring", "recurrence": {"frequency": "hour", "interval": 6, "backfill": False},
            "delta_column": "sys_updated_at", "delta_timezone": "Europe/Amsterdam",
            "policy": {"error_diagnostics": False, "partial_ingestion_percent": 12.5},
        }  # fmt: skip
        assert told["No columns"]["columns"] == []
        assert own["Cases"] == {"load": "one_time", "policy": {"partial_ingestion_percent": None}}
        assert told["Cases"]["source"] == "salesforce_service_cloud"
        assert own["Expressions 1"].keys() == {"load", "recurrence", "delta_column", "delta_format"}
        assert told["Expressions 1"]["target"]["dataset"] == "Expressions 1 rows"
        assert [len(told[f"Expressions {version}"]["mapping"]) for version in (0, 1)] == [3, 2]

    def test_an_on_demand_flow_has_no_cron(self, curl: Curl, look: Any) -> None:
        fill(curl)
        texts = texts_of(export_dataflows(look())[0])
        assert "# schedule:\n#   cron:" in texts["On demand"]
        assert "To be checked" not in texts["On demand"]
        assert "# To be checked: no run has told AEP the delta column" in texts["On demand later"]
        assert "# schedule:" not in texts["Cases"] + texts["Shared"]

    @pytest.mark.parametrize("shape", ["on_demand", "recurring", "one_time"])
    def test_what_this_package_made(self, client: AepClient, look: Any, wire: Any, shape: str) -> None:
        """From a declaration that leaves columns and mappings to the source system."""
        made(client, LOGIN, declared(shape=shape, description="For the desk", target={"dataset": "rows"}))
        wire.seen.clear()
        done, left = export_dataflows(look())
        assert left == []
        (spec,) = specs_of(texts_of(done))
        assert (spec.description, spec.base_connection) == ("For the desk", "ServiceNow via aep_source_servicenow")
        plan, _ = make_plan([spec], look(), whole=True)
        assert (plan.has_work, plan.errors) == (False, [])
        assert reads_only(wire)
        assert not asks_a_source(wire)

    def test_what_was_edited_by_hand_since_is_taken_as_it_is(self, client: AepClient, look: Any) -> None:
        flow_id = made(client, LOGIN, declared(shape="recurring")).flow_id
        await_(lambda: flow_service.read(client, "flows", flow_id)["state"] == "enabled")
        document = flow_service.read(client, "flows", flow_id)
        edit = [{"op": "replace", "path": "/scheduleParams/interval", "value": 45}]
        flow_service.patch(client, "flows", flow_id, document["etag"], edit)
        (one,), left = export_dataflows(look())
        assert (one.fields["recurrence"]["interval"], left) == (45, [])
        assert not make_plan([one.spec], look(), whole=True)[0].has_work

    def test_an_edit_of_the_file_is_seen_and_applied(self, client: AepClient, look: Any) -> None:
        """The declaration that was recorded first is not taken for the edited one, and neither is the other way round."""
        first = declared(shape="recurring")
        made(client, LOGIN, first)
        (one,), _ = export_dataflows(look())
        # What it leaves to the source system has to be noted with the flow.
        part = DataflowSpec.model_validate({key: value for key, value in one.fields.items() if key != "columns"})
        steps = list(make_plan([part], look(), whole=False)[0].steps())
        assert [step.lines for step in steps if step.is_work] == [(REDECLARED,)]
        fewer = {**one.fields, "mapping": one.fields["mapping"][:2]}
        edited = DataflowSpec.model_validate(fewer)
        plan, _ = make_plan([edited], look(), whole=False)
        assert {step.kind for step in plan.steps() if step.is_work} == {MappingSet.kind, Flow.kind}
        flow_id = one.flow_id
        await_(lambda: flow_service.read(client, "flows", flow_id)["state"] == "enabled")
        made(client, LOGIN, edited, if_exists=IfExists.UPDATE)
        assert not make_plan([edited], look(), whole=False)[0].has_work
        back = look_around(client, lambda _: LOGIN)
        assert make_plan([first], back, whole=False)[0].has_work


TUTORIAL = """\
name: Tutorial
description: As in the tutorial
source: servicenow
base_connection: ServiceNow of the desk
table: incident
load: recurring
recurrence:
  frequency: minute
  interval: 15
delta_column: sys_updated_at
delta_format: YYYY-MM-DD
target:
  dataset: Incidents in the lake
  existing_schema: "Incidents, all of them"
names:
  source_connection: Source connection for incidents
  target_connection: Target connection for incidents
policy:
  error_diagnostics: false
  partial_ingestion_percent: null
columns:
  - {name: sys_id, type: string, xdm: {type: string}}
  - {name: number, type: string, xdm: {type: string}}
  - {name: sys_updated_at, type: string, "meta:xdmType": date-time, xdm: {type: string, format: date-time}}
mapping:
  - {source: sys_id, destination: _TENANT.incident.sys_id}
  - {source: number, destination: _TENANT.incident.number}
  - {source: sys_updated_at, destination: _TENANT.incident.sys_updated_at}
"""


@pytest.fixture(scope="module")
def one_flow(platform: Any) -> dict[Any, Any]:
    """By kind, the document of each object of a flow."""
    org = "5EE0000000001@AdobeOrg"
    curl = Curl(platform.url, org)
    base, schema = curl.base("ServiceNow"), curl.schema("incidents")
    target = curl.target("incidents", curl.dataset("incidents", schema), schema)
    typed = {"startTime": soon(), "frequency": "day", "interval": 1}
    delta = {"name": "sys_updated_at"}
    curl.flow("incidents", curl.source("incidents", base), target, curl.mapping(schema), typed, delta=delta)
    values = {"ims_org_id": org, "client_id": "tester", "client_secret": "p8e-client-secret-0123456789"}
    settings = AepSettings.parse(gateway=platform.url, token_url=f"{platform.url}/ims/token/v3", **values)
    with AepClient(settings) as client:
        return {kind: documents[0] for kind, documents in Inventory.read(client).documents.items()}


class TestLeftOut:
    def test_what_a_file_cannot_say(self, curl: Curl, look: Any, wire: Any, client: AepClient) -> None:
        base, schema = curl.base("ServiceNow"), curl.schema("incidents")
        dataset, mapping = curl.dataset("incidents", schema), curl.mapping(schema)
        once = {"startTime": soon(), "frequency": "once"}

        def flow(name: str, source: str = "", target: str = "") -> str:
            at = curl.source(source or name, base)
            return curl.flow(name, at, curl.target(target or name, dataset, schema), mapping, once)

        good = flow("good")
        flow("with, comma")
        flow("twice")
        flow("twice")
        flow("a b")
        flow("a_B")
        flow("source twice", source="another")
        curl.source("another", base)
        flow("::")
        flow("good (replaced 2026-01-01 00:00:00Z)")
        resting = flow("resting")
        far = {"startTime": FAR, "frequency": "once"}
        curl.flow(
            "blind", curl.source("blind", base, columns=None), curl.target("blind", dataset, schema), mapping, far
        )
        await_(lambda: curl.read("flows", resting)["state"] == "enabled")
        set_state(client, resting, FlowState.DISABLED)
        wire.seen.clear()
        done, left = export_dataflows(look())
        assert [(one.flow_id, one.fields.get("enabled")) for one in done] == [(good, None), (resting, False)]
        specs = specs_of(texts_of(done))
        assert not make_plan(specs, look(), whole=True)[0].has_work
        set_state(client, resting, FlowState.ENABLED)
        (step,) = [step for step in make_plan(specs, look(), whole=True)[0].steps() if step.is_work]
        assert step.lines == ('state: "enabled" in AEP, "disabled" wanted',)
        made(client, LOGIN, specs[1], if_exists=IfExists.UPDATE, adopt=True)
        assert curl.read("flows", resting)["state"] == "disabled"
        assert not make_plan(specs, look(), whole=True)[0].has_work
        wire.seen[:] = [
            seen
            for seen in wire.seen
            if seen.method == "GET" and "/explore" not in seen.path and "/test" not in seen.path
        ]
        with pytest.raises(AepConfigError, match="leave enabled out"):
            made(client, LOGIN, declared("new", enabled=False))
        wire.seen.clear()
        export_dataflows(look())
        reasons = {one.name: one.reason for one in left}
        told = {
            "with, comma": "holds a comma", "twice": "there are 2 flows of this name", "a b": "a_b.yaml", "a_B": "a_B.yaml",
            "source twice": "2 source connections with the name 'another'", "::": "no letter or digit",
            "blind": "no run yet",
        }  # fmt: skip
        assert reasons.keys() == told.keys()
        assert {name for name, part in told.items() if part not in reasons[name]} == set()
        assert not any(one.foreign for one in left)
        assert reads_only(wire)
        assert not asks_a_source(wire)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda held: held[Flow].update(flowSpec={"id": "another"}), "no flow of a table"),
            (lambda held: held[Flow].update(state="draft"), "draft"),
            (lambda held: held[Flow].update(name=None), "no letter or digit"),
            (lambda held: held[Flow].update(sourceConnectionIds=["a", "b"]), "2 source connections"),
            (lambda held: held[Flow].update(sourceConnectionIds=["a"]), "source connection a is not in the sandbox"),
            (lambda held: held[Flow]["scheduleParams"].update(frequency="month"), "runs every month"),
            (lambda held: held[Flow]["scheduleParams"].update(interval=0), "recurrence"),
            (lambda held: held[Flow].update(transformations=[]), "no Mapping"),
            (lambda held: held[Flow]["transformations"].append({"name": "Filter"}), "transformation Filter"),
            (lambda held: held[Flow]["transformations"][0]["params"].update(mode="x"), "Copy has mode"),
            (lambda held: held[Flow]["transformations"][0]["params"]["deltaColumn"].update(x=1), "Copy has x"),
            (lambda held: held[Flow].update(options={"partialIngestionPercent": 400}), "partial_ingestion_percent"),
            (lambda held: held[Flow].update(description="see https://ann:pw@host/"), None),
            (lambda held: held[Flow].update(description="a {{ template }}"), None),
            (lambda held: held[SourceConnection].update(data={"format": "delimited"}), "files"),
            (lambda held: held[SourceConnection]["params"].update(filters={"a": 1}), "has filters"),
            (lambda held: held[SourceConnection]["params"].update(cdcEnabled=True), "has cdcEnabled"),
            (lambda held: held[SourceConnection]["params"].update(cdcEnabled=False), None),
            (lambda held: held[SourceConnection]["params"]["columns"].append({"name": "number"}), "more than once"),
            (
                lambda held: held[SourceConnection].update(connectionSpec={"id": "zendesk"}),
                "none that this package knows",
            ),
            (lambda held: held[SourceConnection].update(baseConnectionId="b"), "base connection is not in the sandbox"),
            (lambda held: held[SourceConnection].update(state="disabled"), "no row arrives"),
            (lambda held: held[SourceConnection].update(name=None), "has no name"),
            (lambda held: held[TargetConnection].update(connectionSpec={"id": "s3"}), "not the data lake"),
            (lambda held: held[TargetConnection].update(data={}), "does not tell its schema"),
            (lambda held: held[TargetConnection]["params"].update(dataSetId="d"), "dataset is not in the sandbox"),
            (lambda held: held[Dataset]["schemaRef"].update(id="other"), "its dataset has other"),
            (lambda held: held[MappingSet]["outputSchema"]["schemaRef"].update(id="other"), "its mapping has other"),
        ],
    )
    def test_what_others_may_have_made(
        self, one_flow: Mapping[Any, Any], look: Any, change: Any, reason: str | None
    ) -> None:
        held = copy.deepcopy(dict(one_flow))
        change(held)
        sandbox = look()
        sandbox.inventory = Inventory({kind: [document] for kind, document in held.items()})
        done, left = export_dataflows(sandbox)
        assert (len(done), len(left)) == ((1, 0) if reason is None else (0, 1)), left
        if reason:
            assert reason in left[0].reason
            assert left[0].foreign is (reason == "no flow of a table")

    def test_a_set_of_ours_with_the_very_mappings_is_not_in_the_way(
        self, one_flow: Mapping[Any, Any], look: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Were it taken before the one that the flow uses, a plan would not be empty: such a dataflow is left out."""
        sandbox = look()
        used = one_flow[MappingSet]
        own = MappingSet(sandbox.client, schema_id=used["xdmSchema"], mappings=used["mappings"])
        documents = {kind: [document] for kind, document in one_flow.items()}
        documents[MappingSet] = [used, {**used, "id": "own", "name": own.name}]
        sandbox.inventory = Inventory(documents)
        done, left = export_dataflows(sandbox)
        assert (len(done), left) == (1, [])
        monkeypatch.setattr(
            "aep_provider.dataflows.planning._found", lambda resource, _, sandbox: sandbox.inventory.found(resource)
        )
        done, left = export_dataflows(sandbox)
        assert (done, len(left)) == ([], 1)
        assert left[0].reason.startswith("a plan for it would not be empty: ")

    def test_runs_that_somebody_posts_to_a_flow_that_loads_once_are_told(
        self, one_flow: Mapping[Any, Any], look: Any
    ) -> None:
        held = copy.deepcopy(dict(one_flow))
        held[Flow]["scheduleParams"] = {"startTime": "1700000000", "frequency": "once"}
        sandbox = look()
        sandbox.inventory = Inventory({kind: [document] for kind, document in held.items()})
        (one,), _ = export_dataflows(sandbox)
        assert (one.fields["load"], "delta_column" in one.fields) == ("one_time", False)
        assert "# Somebody posts runs to this flow, by the column sys_updated_at." in texts_of([one])["incidents"]

    def test_a_schema_without_a_title_of_its_own_goes_by_its_id(self, curl: Curl, look: Any) -> None:
        fill(curl)
        sandbox = look()
        documents = {kind: list(sandbox.inventory.documents[kind]) for kind in KINDS}
        (schema,) = documents[Schema]
        documents[Schema].append({**schema, "$id": "another"})
        sandbox.inventory = Inventory(documents)
        done, left = export_dataflows(sandbox)
        assert ({one.fields["target"]["existing_schema"] for one in done}, left) == ({schema["$id"]}, [])


class TestText:
    ODD = (
        "1e5", ".5", "0123", "null", "~", "true", "yes", "on", "a: b", "#x", "- x", " x", "x ", "x\ny", "é", "{a}", "[",
        "@x", "`", "%", "'q", '"dq', "2026-01-31", "a\tb", "meta:x", "\u2028z", "a\\b", "!t", "&a", "*a", "|", "? x", "=",
        "---", "", "-", "1:30",
    )  # fmt: skip

    def test_any_text_is_read_back_as_it_was(self) -> None:
        columns = [{"name": text, text or "_": text} for text in self.ODD]
        fields = {"name": "n", "table": self.ODD[0], "columns": columns, "mapping": [], "policy": {"pool": None}}
        text = spec_text(fields, head=["two\nlines"], notes={"schedule": ["x\ny: z"]})
        assert parse(text, Path("f")).content == fields
        assert text.count("\n#") == 1
        assert "pool: null" in text
        assert '"on": "on"' in text

    @pytest.mark.parametrize("secret", ["https://ann:pw@host/x", "jdbc:postgresql://u:p@h/db"])
    def test_an_address_with_a_password_is_refused(self, secret: str) -> None:
        with pytest.raises(AepConfigError, match="password") as refused:
            spec_text({"name": "n", "description": f"see {secret}"})
        assert secret not in str(refused.value)

    def test_what_cannot_be_read_back_is_refused(self) -> None:
        with pytest.raises(AepConfigError, match="<<"):
            spec_text({"name": "n", "columns": [{"name": "a", "<<": "b"}]})


@pytest.mark.parametrize(
    ("names", "first", "words"),
    [
        (["sys_created_on", "sys_updated_on", "opened_at"], "sys_updated_on", "every change"),
        (["CreatedDate", "LastModifiedDate", "SystemModstamp"], "SystemModstamp", "by itself"),
        (["CreatedDate", "LastViewedDate", "LastModifiedDate"], "LastModifiedDate", "last changed"),
        (["created", "modified"], "modified", "last changed"),
        (["due", "created_at", "price_changed_at"], "price_changed_at", "whole row"),
        (["opened", "due"], "opened", "when a row was made"),
        (["due", "birthday"], "due", "does not tell"),
    ],
)
def test_the_likeliest_delta_column(names: list[str], first: str, words: str) -> None:
    choice = delta_choice([{"name": "id", **TEXT}, *({"name": name, **DATE} for name in names)])
    assert choice is not None
    assert (choice.name, words in choice.because, len(choice.others)) == (first, True, len(names) - 1)
    assert delta_choice([{"name": "updated", **TEXT}]) is None


class TestCommand:
    @pytest.fixture
    def command(self, aep: Any, no_waits: None, capsys: Any, monkeypatch: Any, tmp_path: Path) -> Any:
        monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")

        def run(folder: Path = tmp_path / "out", **given: Any) -> tuple[int, str, str]:
            defaults = {"sandbox": None, "conn_id": "aep_default", "out": str(folder), "names": [], "force": False}
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                command_export(Namespace(**{**defaults, **given}))
            return int(ended.value.code or 0), *capsys.readouterr()

        return run

    def test_files_that_load_and_plan_to_nothing(self, curl: Curl, look: Any, command: Any, tmp_path: Path) -> None:
        fill(curl)
        status, out, err = command()
        assert (status, err) == (0, "")
        folder = tmp_path / "out"
        assert sorted(path.stem for path in folder.iterdir()) == [
            "Cases", "Expressions_0", "Expressions_1", "No_columns", "On_demand", "On_demand_later", "Shared", "Tutorial",
        ]  # fmt: skip
        loaded = load_folder(folder, sandbox="prod")
        assert loaded.wrong == []
        assert not make_plan(loaded.specs, look(), whole=True)[0].has_work
        assert out.count("written ") == 8
        assert "To be checked: no run has told AEP" in out
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        status, out, _ = command()
        assert (status, out.count("the same"), out.count("written")) == (0, 8, 0)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    def test_what_is_there_is_not_overwritten_unasked(self, curl: Curl, command: Any, tmp_path: Path) -> None:
        fill(curl)
        folder = tmp_path / "out"
        folder.mkdir()
        (folder / "Cases.yaml").write_text("mine")
        status, out, _ = command(names=["Cases", "Shared"])
        assert (status, (folder / "Cases.yaml").read_text()) == (2, "mine")
        assert re.search(r"left out  Cases .*--force", out)
        assert (folder / "Shared.yaml").exists()
        assert command(names=["Cases"], force=True)[0] == 0
        assert (folder / "Cases.yaml").read_text().startswith("# From the flow")

    def test_a_file_of_another_name_declares_it_already(self, curl: Curl, command: Any, tmp_path: Path) -> None:
        fill(curl)
        assert command(names=["Cases"])[0] == 0
        (tmp_path / "out" / "Cases.yaml").rename(tmp_path / "out" / "A.yaml")
        status, out, _ = command(names=["Cases"])
        assert (status, [path.name for path in (tmp_path / "out").iterdir()]) == (2, ["A.yaml"])
        assert "also the name of A.yaml" in out

    def test_what_dataflows_share_must_not_change_it(self, curl: Curl, command: Any, tmp_path: Path) -> None:
        fill(curl)
        folder = tmp_path / "out"
        folder.mkdir()
        (folder / "_defaults.yaml").write_text("policy: {error_diagnostics: false}\n")
        status, out, _ = command(names=["Cases", "Expressions 1"])
        assert status == 2
        assert "would change its policy" in out
        assert sorted(path.name for path in folder.iterdir()) == ["_defaults.yaml"]
        (folder / "_defaults.yaml").write_text("schedule: null\n")
        assert command(names=["Cases", "Expressions 1"])[0] == 0

    def test_the_schema_beside_is_named(self, curl: Curl, command: Any, tmp_path: Path) -> None:
        fill(curl)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "dataflow.schema.json").write_text("{}")
        assert command(names=["Cases"])[0] == 0
        first = (tmp_path / "out" / "Cases.yaml").read_text().splitlines()[0]
        assert first == "# yaml-language-server: $schema=dataflow.schema.json"

    def test_an_unknown_name(self, curl: Curl, command: Any, tmp_path: Path) -> None:
        fill(curl)
        status, out, err = command(names=["Case"])
        assert (status, out) == (1, "")
        assert "Did you mean 'Cases'" in err
        assert not (tmp_path / "out").exists()

    def test_another_sandbox(self, command: Any, aep: Any) -> None:
        assert command(sandbox="stage")[0] == 0
        assert {seen.headers["x-sandbox-name"] for seen in aep.seen if "/ims/" not in seen.path} == {"stage"}

    def test_no_secret_is_written(self, curl: Curl, command: Any, tmp_path: Path) -> None:
        fill(curl)
        command()
        everything = "".join(path.read_text() for path in (tmp_path / "out").iterdir())
        assert not re.search("pw-of-ann|token-of-ann|service-now.example|p8e-client", everything)

    def test_a_folder_that_cannot_be_made(self, curl: Curl, command: Any, tmp_path: Path) -> None:
        fill(curl)
        (tmp_path / "file").write_text("")
        status, _, err = command(folder=tmp_path / "file" / "in")
        assert (status, "cannot be made" in err) == (1, True)

    def test_the_command_line_gives_what_it_takes(self) -> None:
        from airflow.cli import cli_parser

        given = vars(cli_parser.get_parser().parse_args(["aep", "export", "--name", "a"]))
        wanted = {
            "names": ["a"], "out": None, "force": False, "sandbox": None, "conn_id": "aep_default",
        }  # fmt: skip
        assert {key: given[key] for key in wanted} == wanted
