"""Flows and their runs, from their creation to the batch and the rejected rows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from . import models
from .parts import STRING, Parts
from .platform import (
    CATALOG,
    CRM_TO_AEP,
    DATA_ACCESS,
    FLOW,
    Caller,
    checked,
    refused,
    until,
)

NOBODY = "00000000-0000-4000-8000-000000000000"


# --- flows and runs


def test_the_document_of_a_flow_before_its_first_run(parts: Parts) -> None:
    answer = parts.aep.post(f"{FLOW}/flows", parts.scheduled_body())
    created = checked(answer, models.Created, 201)
    assert answer.headers["location"].endswith(f"/flows/{created.id}")
    at_once = parts.aep.flow(created.id)
    assert at_once.state in {"initializing", "enabled"}
    flow = parts.aep.settled(created.id)
    assert flow.state == "enabled"
    assert flow.lastRunDetails is None
    assert [step.name for step in flow.transformations] == ["Copy", "Mapping"]
    assert flow.inheritedAttributes.sourceConnections[0].baseConnection.id == parts.base
    assert flow.inheritedAttributes.targetConnections[0].id == parts.target
    assert (flow.sourceConnectionIds, flow.targetConnectionIds) == ([parts.source], [parts.target])
    assert created.id in flow.runs
    assert flow.lastOperation.operation == "create"
    assert parts.aep.runs(created.id) == []
    listed = parts.aep.get(f"{FLOW}/flows", params={"property": "flowSpec.id==" + CRM_TO_AEP})
    assert checked(listed, models.Listing[models.Flow]).items == [flow]


def test_a_run_from_flow_to_batch(parts: Parts) -> None:
    aep = parts.aep
    flow = aep.create("flows", parts.flow_body())
    (run,) = aep.ended_runs(flow)
    assert (run.flowId, run.status, run.metrics.statusSummary.status) == (flow, "success", "success")
    assert checked(aep.get(f"{FLOW}/runs/{run.id}"), models.One[models.Run]).items == [run]
    assert run.metrics.recordSummary is not None
    assert (run.metrics.recordSummary.inputRecordCount, run.metrics.recordSummary.outputRecordCount) == (4, 4)
    assert run.metrics.durationSummary.completedAtUTC is not None
    assert run.metrics.durationSummary.startedAtUTC <= run.metrics.durationSummary.completedAtUTC
    assert [info.id for info in run.copy_activity.sourceInfo or []] == [parts.source]
    assert [info.id for info in run.promotion_activity.targetInfo or []] == [parts.target]
    batch = aep.batch(run.batch)
    assert (batch.status, batch.metrics.inputRecordCount, batch.metrics.outputRecordCount) == ("success", 4, 4)
    assert [(each.type, each.id) for each in batch.relatedObjects] == [("dataSet", parts.dataset)]
    last = aep.flow(flow).lastRunDetails
    assert last is not None
    assert (last.id, last.state) == (run.id, "success")
    assert aep.get(f"{DATA_ACCESS}/batches/{run.batch}/files").status_code == 200
    assert aep.get(f"{DATA_ACCESS}/batches/{run.batch}/failed").status_code == 200


def test_the_rows_a_run_rejected(aep: Caller) -> None:
    tenant, base = aep.tenant(), aep.base()
    columns = aep.columns(base, "Account")
    source = aep.create("sourceConnections", aep.source_body(base, "Account", columns))
    schema = aep.schema({"id": STRING, "phone": STRING}, required=["phone"])
    dataset = aep.dataset(schema)
    target = aep.create("targetConnections", aep.target_body(dataset, schema))
    mapping = aep.mapping(schema, [("Id", f"{tenant}.row.id"), ("Phone", f"{tenant}.row.phone")])
    options = {"errorDiagnosticsEnabled": True, "partialIngestionPercent": 50}
    flow = aep.create("flows", aep.flow_body(source, target, mapping, options=options))
    (run,) = aep.ended_runs(flow)
    assert run.status in {"success", "partialsuccess"}, "one of four is below 50 percent"
    records = run.metrics.recordSummary
    assert records is not None
    assert (records.inputRecordCount, records.outputRecordCount, records.failedRecordCount) == (4, 3, 1)
    assert run.metrics.statusSummary.errors
    extensions = run.promotion_activity.statusSummary.extensions
    assert extensions is not None
    assert extensions.manifest is not None
    assert extensions.manifest.failedRecords is not None
    listing = checked(aep.follow(extensions.manifest.failedRecords), models.Entries)
    assert listing == checked(aep.get(f"{DATA_ACCESS}/batches/{run.batch}/meta?path=row_errors"), models.Entries)
    lines = [line for entry in listing.data for line in aep.follow(entry.links.self.href).text.splitlines()]
    assert len(lines) == 1
    assert "003" in lines[0]
    json.loads(lines[0])
    assert extensions.manifest.sampleErrors is not None
    assert aep.follow(extensions.manifest.sampleErrors).status_code == 200
    assert aep.batch(run.batch).metrics.failedRecordCount == 1


def test_unknown_ids_are_404_in_every_kind(aep: Caller) -> None:
    for kind in ("connections", "sourceConnections", "targetConnections", "flows", "runs"):
        problem = refused(aep.get(f"{FLOW}/{kind}/{NOBODY}"), status=404)
        assert problem.code in {"1439", "1101"}
        assert problem.report.id == NOBODY
        if kind != "runs":
            refused(aep.delete(f"{FLOW}/{kind}/{NOBODY}"), status=404)
    for kind in ("connectionSpecs", "flowSpecs"):
        refused(aep.get(f"{FLOW}/{kind}/{NOBODY}"), status=404)
    checked(aep.get(f"{CATALOG}/dataSets/5ed18e0f4f90b719196f44a9"), models.Problem, 404)
    checked(aep.get(f"{CATALOG}/batches/01M85ZT7CT65KWH45NFJE6Q3QV"), models.Problem, 404)
    checked(aep.get(f"{DATA_ACCESS}/batches/01M85ZT7CT65KWH45NFJE6Q3QV/meta?path=row_errors"), models.Problem, 404)


def test_bodies_that_are_none(aep: Caller) -> None:
    path = f"{FLOW}/connections"
    as_json = {"content-type": "application/json"}
    trailing = json.dumps(aep.connection_body())[:-1] + ",}"
    for text in (trailing, '"text"', "[]", "{"):
        assert aep.post(path, content=text.encode(), headers=as_json).status_code == 400, text
    refused(aep.post(path, content=b"", headers=as_json), 1405)
    answer = aep.post(path, content=json.dumps(aep.connection_body()).encode(), headers={"content-type": "text/plain"})
    assert checked(answer, models.PlaceholderError, 400).title == "BadRequestError"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"state": "enabled"}, 1410),
        ({"mode": "draft"}, 1368),
        ({"flowSpec": {"id": NOBODY, "version": "1.0"}}, 1413),
        ({"sourceConnectionIds": []}, None),
        ({"sourceConnectionIds": [NOBODY, NOBODY]}, None),
        ({"targetConnectionIds": []}, None),
        ({"transformations": []}, 1370),
        ({"scheduleParams": {}}, 1317),
        ({"scheduleParams": {"startTime": 1590792316, "frequency": "once"}}, 1360),
        ({"scheduleParams": {"startTime": 4102444800, "frequency": "once", "interval": 15}}, 1361),
        ({"scheduleParams": {"startTime": 4102444800, "frequency": "once", "backfill": True}}, 1364),
        ({"scheduleParams": {"startTime": 4102444800, "frequency": "fortnight"}}, 1397),
        ({"scheduleParams": {"startTime": 4102444800, "frequency": "day", "interval": 1}}, 1367),
    ],
)
def test_a_flow_refused(parts: Parts, change: dict[str, Any], code: int | None) -> None:
    problem = refused(parts.aep.post(f"{FLOW}/flows", parts.flow_body(**change)), code)
    if code is None:
        assert problem.code in {"1320", "1321", "1338"}


@pytest.mark.parametrize(
    ("schedule", "codes"),
    [
        ({"frequency": "once"}, {"1369"}),
        ({"frequency": "minute", "interval": 14}, {"1362", "1363", "1394"}),
        ({"frequency": "minute", "interval": 0}, {"1362", "1363", "1394"}),
        ({"frequency": "week", "interval": 0}, {"1362", "1363", "1394"}),
    ],
)
def test_a_schedule_with_a_delta_column_refused(parts: Parts, schedule: dict[str, Any], codes: set[str]) -> None:
    body = parts.scheduled_body(scheduleParams={"startTime": int(time.time()) + 3_000_000} | schedule)
    assert refused(parts.aep.post(f"{FLOW}/flows", body)).code in codes


def test_a_schedule_by_the_schema_not_by_the_prose(parts: Parts) -> None:
    """The tutorial's text wants 15 for every frequency, its schema only for minutes."""
    schedule = {"startTime": int(time.time()) + 3_000_000, "frequency": "hour", "interval": 1}
    assert parts.create_flow(parts.scheduled_body(scheduleParams=schedule)).scheduleParams.interval == 1


def test_a_flow_whose_mapping_is_wrong(parts: Parts) -> None:
    def with_mapping(id: str, version: Any) -> httpx.Response:
        step = {"name": "Mapping", "params": {"mappingId": id, "mappingVersion": version}}
        return parts.aep.post(f"{FLOW}/flows", parts.flow_body(transformations=[step]))

    assert refused(with_mapping("0" * 32, "0")).code in {"1419", "1412"}
    assert refused(with_mapping(parts.mapping, "7")).code in {"1419", "1412"}
    assert refused(with_mapping(parts.mapping, "nought")).code in {"1419", "1412"}
    other = parts.aep.schema({"id": STRING, "name": STRING}, title="other")
    foreign = parts.aep.mapping(other, parts.pairs)
    refused(with_mapping(foreign, "0"), 1425)


def test_strings_in_a_schedule_come_back_as_sent(parts: Parts) -> None:
    """And mappingVersion comes back as a string whatever was sent."""
    start = str(int(time.time()) + 3_000_000)
    schedule = {"startTime": start, "frequency": "minute", "interval": "15", "backfill": "true"}
    body = parts.scheduled_body(scheduleParams=schedule)
    body["transformations"][1]["params"]["mappingVersion"] = 0
    flow = parts.create_flow(body)
    assert parts.aep.get(f"{FLOW}/flows/{flow.id}").json()["items"][0]["scheduleParams"] == schedule
    mapping = flow.transformations[1]
    assert isinstance(mapping, models.MappingStep)
    assert mapping.params.mappingVersion == "0"


# --- on-demand runs


def run_body(flow: str, **changes: Any) -> dict[str, Any]:
    params = {
        "startTime": int(time.time()),
        "windowStartTime": 1767225600,  # 2026-01-01
        "windowEndTime": 1767225600 + 2 * 86400,
        "deltaColumn": {"name": "CreatedDate"},
    }
    return {"flowId": flow, "params": params | changes}


@pytest.mark.parametrize("path", ["/runs", "/runs/"])
@pytest.mark.parametrize("kind", [int, str])
def test_a_run_on_demand_reads_its_window(parts: Parts, path: str, kind: Callable[[int], Any]) -> None:
    aep = parts.aep
    far = {"startTime": int(time.time()) + 3_000_000, "frequency": "once"}
    flow = parts.create_flow(parts.flow_body(scheduleParams=far)).id
    body = run_body(flow)
    for name in ("startTime", "windowStartTime", "windowEndTime"):
        body["params"][name] = kind(body["params"][name])
    answer = aep.post(FLOW + path, body)
    assert answer.status_code in {200, 201}, answer.text
    told = posted_id(answer)
    (run,) = aep.ended_runs(flow)
    assert run.id == told
    assert run.status == "success"
    assert run.metrics.recordSummary is not None
    assert run.metrics.recordSummary.outputRecordCount == 2
    copy = [step for step in aep.flow(flow).transformations if isinstance(step, models.Copy)]
    assert [step.params.deltaColumn.name for step in copy] == ["CreatedDate"], "the first run writes its delta column"
    # a second run over the same window is a second run
    again = aep.post(f"{FLOW}/runs", run_body(flow))
    assert posted_id(again) != told
    assert len(aep.ended_runs(flow, 2)) == 2


def posted_id(answer: httpx.Response) -> str:
    """The run's id from any of the three documented answers, each of which must be right."""
    assert answer.status_code in {200, 201}, answer.text
    told = answer.json()
    if "items" in told:
        return models.ItemsCreated.model_validate_json(answer.content).items[0].id
    if "activities" in told:
        return models.ScheduledRun.model_validate_json(answer.content).id
    return models.Created.model_validate_json(answer.content).id


def test_runs_on_demand_refused(parts: Parts) -> None:
    aep = parts.aep
    far = {"startTime": int(time.time()) + 3_000_000, "frequency": "once"}
    flow = parts.create_flow(parts.flow_body(scheduleParams=far)).id
    first = run_body(flow)
    del first["params"]["deltaColumn"]
    refused(aep.post(f"{FLOW}/runs", first), 1383)
    refused(aep.post(f"{FLOW}/runs", run_body(flow, windowEndTime=1767225600 - 1)), 1381)
    refused(aep.post(f"{FLOW}/runs", {"flowId": flow, "params": {}}), 1384)
    problem = aep.post(f"{FLOW}/runs", run_body(NOBODY))
    assert problem.status_code in {400, 404}
    models.FlowProblem.model_validate_json(problem.content)
    posted_id(aep.post(f"{FLOW}/runs", run_body(flow)))
    refused(aep.post(f"{FLOW}/runs", run_body(flow, deltaColumn={"name": "Name"})), 1382)
    without = run_body(flow)
    del without["params"]["deltaColumn"]
    posted_id(aep.post(f"{FLOW}/runs", without))
    recurring = parts.create_flow(parts.scheduled_body()).id
    refused(aep.post(f"{FLOW}/runs", run_body(recurring)), 1386)


def test_a_failed_run_posted_again(parts: Parts) -> None:
    aep = parts.aep
    schema = aep.schema({"id": {"type": "integer"}}, title="numbers")
    dataset = aep.dataset(schema)
    target = aep.create("targetConnections", aep.target_body(dataset, schema))
    mapping = aep.mapping(schema, [("Name", f"{parts.tenant}.row.id")])
    flow = aep.settled(aep.create("flows", aep.flow_body(parts.source, target, mapping))).id
    (failed,) = aep.ended_runs(flow)
    assert failed.status == "failed"
    answer = aep.http.post(f"{FLOW}/runs/{failed.id}/action", params={"op": "re-trigger"})
    assert answer.status_code in {200, 201}, answer.text
    again = models.Created.model_validate_json(answer.content).id
    assert again != failed.id
    runs = aep.ended_runs(flow, 2)
    assert {run.id for run in runs} == {failed.id, again}
    checked(aep.http.post(f"{FLOW}/flows/{flow}/action", params={"op": "disable"}), models.Created)
    until(lambda: aep.flow(flow).state, lambda state: state == "disabled")
    refused(aep.http.post(f"{FLOW}/runs/{failed.id}/action", params={"op": "RE_TRIGGER"}), 1388)


def test_a_good_run_is_not_posted_again(parts: Parts) -> None:
    flow = parts.aep.create("flows", parts.flow_body())
    (run,) = parts.aep.ended_runs(flow)
    refused(parts.aep.http.post(f"{FLOW}/runs/{run.id}/action", params={"op": "re-trigger"}), 1387)
