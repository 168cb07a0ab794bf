"""Changes, deletions, listings, and what one sandbox sees of another."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from . import models
from .parts import Parts
from .platform import (
    CATALOG,
    DATA_PREP,
    FLOW,
    REGISTRY,
    SERVICE_CLOUD,
    Caller,
    Server,
    checked,
    refused,
    until,
)

NOBODY = "00000000-0000-4000-8000-000000000000"


# --- changing


def test_etags_guard_every_change(parts: Parts) -> None:
    aep = parts.aep
    flow = parts.create_flow(parts.scheduled_body())
    change = [{"op": "replace", "path": "/name", "value": "renamed"}]
    for kind, id in (
        ("connections", parts.base),
        ("sourceConnections", parts.source),
        ("targetConnections", parts.target),
        ("flows", flow.id),
    ):
        path = f"{FLOW}/{kind}/{id}"
        etag = aep.get(path).json()["items"][0]["etag"]
        refused(aep.patch(path, change), 1403)
        in_query = aep.http.patch(path, json=change, params={"if-match": etag})
        refused(in_query, 1403)
        stale = '"00000000-0000-0200-0000-5ed18cea0000"'
        for wrong in (stale, etag.strip('"')):
            answer = aep.patch(path, change, wrong)
            assert answer.status_code == 412, answer.text
            told = answer.json()
            model = models.FlowProblem if "type" in told else models.FlowErrorOlder
            assert "does not match the current version" in model.model_validate(told).errorMessage
        refused(aep.patch(path, [{"op": "move", "from": "/name", "path": "/description"}], etag), 1434)
        if kind == "connections":
            spec = {"op": "replace", "path": "/connectionSpec", "value": {"id": SERVICE_CLOUD, "version": "1.0"}}
            refused(aep.patch(path, [spec], etag), 1414)
        shouted = [{"op": "REPLACE", "path": "/name", "value": "renamed"}]
        changed = checked(aep.patch(path, shouted, etag), models.Created)
        assert changed.id == id
        assert changed.etag != etag
        after = until(
            lambda path=path: aep.get(path).json()["items"][0], lambda item: item["state"] in {"enabled", "disabled"}
        )
        assert after["name"] == "renamed"
        assert after["updatedAt"] >= after["createdAt"]
        assert aep.patch(path, change, etag).status_code == 412


def test_a_flow_disabled_and_enabled(parts: Parts) -> None:
    aep = parts.aep
    flow = parts.create_flow(parts.scheduled_body())

    def act(operation: str) -> httpx.Response:
        return aep.http.post(f"{FLOW}/flows/{flow.id}/action", params={"op": operation})

    def is_now(state: str) -> None:
        until(lambda: aep.flow(flow.id).state, lambda now: now == state)

    refused(act("enable"), 1422)
    assert checked(act("disable"), models.Created).id == flow.id
    is_now("disabled")
    refused(act("disable"), 1422)
    assert checked(act("ENABLE"), models.Created).id == flow.id
    is_now("enabled")
    assert refused(act("levitate")).code in {"1398", "1436", "1401"}


def test_deleted_things_are_gone_and_what_is_used_stays(parts: Parts) -> None:
    aep = parts.aep
    flow = parts.create_flow(parts.scheduled_body())
    refused(aep.delete(f"{FLOW}/connections/{parts.base}"), 1418)
    for kind, id in (
        ("flows", flow.id),
        ("sourceConnections", parts.source),
        ("targetConnections", parts.target),
        ("connections", parts.base),
    ):
        answer = aep.delete(f"{FLOW}/{kind}/{id}")
        assert (answer.status_code, answer.content) == (204, b""), answer.text
        refused(aep.get(f"{FLOW}/{kind}/{id}"), status=404)
        refused(aep.delete(f"{FLOW}/{kind}/{id}"), status=404)
    assert parts.dataset in checked(aep.get(f"{CATALOG}/dataSets/{parts.dataset}"), models.DataSets).root


# --- listing


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=1&count=true", {"1401"}),
        ("property=name~abc", {"1440"}),
        ("property=createdAt<=1,2", {"1443"}),
        ("colour=blue", {"1451"}),
        ("orderby=*name", {"1432", "1433"}),
        ("property=name", {str(code) for code in range(1448, 1455)}),
    ],
)
def test_a_listing_refused(aep: Caller, query: str, code: set[str]) -> None:
    assert refused(aep.get(f"{FLOW}/connections?{query}")).code in code


def test_count_without_items(aep: Caller) -> None:
    for _ in range(3):
        aep.base()
    assert checked(aep.get(f"{FLOW}/connections", params={"count": "true"}), models.OnlyCount).count == 3
    answer = aep.get(f"{FLOW}/connections", params={"count": "false", "limit": 2})
    assert len(checked(answer, models.Listing[models.Connection]).items) == 2


def test_runs_of_a_sandbox_filtered(parts: Parts) -> None:
    flow = parts.aep.create("flows", parts.flow_body())
    (run,) = parts.aep.ended_runs(flow)
    started = run.metrics.durationSummary.startedAtUTC

    def ids(*filters: str) -> list[str]:
        answer = parts.aep.get(f"{FLOW}/runs", params=[("property", each) for each in filters])
        return [each.id for each in checked(answer, models.Listing[models.Run]).items]

    assert ids() == [run.id]
    assert ids(f"flowId=={flow}", f"metrics.durationSummary.startedAtUTC>{started - 1}") == [run.id]
    assert ids(f"flowId=={flow}", f"metrics.durationSummary.startedAtUTC>{started}") == []
    assert ids("metrics.statusSummary.status==success") == [run.id]
    assert ids("metrics.statusSummary.status==failed") == []
    assert ids(f"id=={NOBODY},{run.id}") == [run.id]
    assert ids("state==inProgress") == []


@pytest.mark.parametrize("kind", ["connections", "flows", "flowSpecs"])
def test_search_is_a_listing_too(parts: Parts, kind: str) -> None:
    parts.create_flow(parts.scheduled_body())
    model = {"connections": models.Connection, "flows": models.Flow, "flowSpecs": models.FlowSpec}[kind]
    whole = checked(parts.aep.get(f"{FLOW}/{kind}"), models.Listing[model])  # type: ignore[valid-type]
    answer = parts.aep.post(f"{FLOW}/{kind}/search", {"queryString": "", "limit": 1000})
    assert checked(answer, models.Listing[model]).items == whole.items  # type: ignore[valid-type]


# --- isolation


def test_what_a_sandbox_holds_no_other_sees(parts: Parts) -> None:
    with parts.aep.other("stage") as stage, parts.aep.server.caller() as stranger:
        for elsewhere in (stage, stranger):
            for kind, id in (
                ("connections", parts.base),
                ("sourceConnections", parts.source),
                ("targetConnections", parts.target),
            ):
                refused(elsewhere.get(f"{FLOW}/{kind}/{id}"), status=404)
                refused(elsewhere.delete(f"{FLOW}/{kind}/{id}"), status=404)
                assert elsewhere.get(f"{FLOW}/{kind}").json()["items"] == []
            checked(elsewhere.get(f"{CATALOG}/dataSets/{parts.dataset}"), models.Problem, 404)
            checked(elsewhere.get(f"{DATA_PREP}/mappingSets/{parts.mapping}"), models.Problem, 404)
            path = f"{REGISTRY}/tenant/schemas/{quote(parts.schema, safe='')}"
            accept = {"Accept": "application/vnd.adobe.xed+json;version=1"}
            checked(elsewhere.get(path, headers=accept), models.RegistryError, 404)
            body = elsewhere.source_body(parts.base, "Account", parts.columns)
            assert elsewhere.post(f"{FLOW}/sourceConnections", body).status_code in {400, 404}


def test_the_newest_comes_first_unless_asked_otherwise(aep: Caller) -> None:
    ids = [aep.base(name=name) for name in ("b", "c", "a")]

    def listed(**query: str) -> list[str]:
        answer = aep.get(f"{FLOW}/connections", params=query)
        return [each.id for each in checked(answer, models.Listing[models.Connection]).items]

    assert listed() == ids[::-1]
    assert listed(orderby="name") == listed(orderby="+name") == [ids[2], ids[0], ids[1]]
    assert listed(orderby="-name") == [ids[1], ids[0], ids[2]]


@pytest.mark.parametrize("limit", ["101", "0", "-1", "many"])
def test_a_limit_that_is_none(aep: Caller, limit: str) -> None:
    refused(aep.get(f"{FLOW}/connections", params={"limit": limit}))


ONCE = [
    {"op": "replace", "path": "/scheduleParams/frequency", "value": "once"},
    {"op": "remove", "path": "/scheduleParams/interval"},
    {"op": "remove", "path": "/scheduleParams/backfill"},
    {"op": "remove", "path": "/transformations/0"},
]


def test_after_its_start_a_schedule_is_fixed(parts: Parts) -> None:
    start = int(time.time()) + 2
    schedule = {"startTime": start, "frequency": "week", "interval": 52, "backfill": True}
    flow = parts.create_flow(parts.scheduled_body(scheduleParams=schedule)).id
    parts.aep.ended_runs(flow)
    until(time.time, lambda now: now > start + 0.1)  # past by the clock too, not only by the platform's own time
    etag = parts.aep.flow(flow).etag
    for change, code in (
        ([{"op": "replace", "path": "/scheduleParams/startTime", "value": start + 9_000_000}], 1366),
        ([{"op": "replace", "path": "/scheduleParams/backfill", "value": False}], 1404),
        (ONCE, 1403),
    ):
        refused(parts.aep.patch(f"{FLOW}/flows/{flow}", change, etag), code)


def test_a_mapping_is_changed_where_it_stands(parts: Parts) -> None:
    flow = parts.create_flow(parts.scheduled_body())
    other = parts.aep.mapping(parts.schema, parts.pairs[:1])
    step = {"name": "Mapping", "params": {"mappingId": other, "mappingVersion": 0}}
    change = [{"op": "replace", "path": "/transformations/1", "value": step}]
    checked(parts.aep.patch(f"{FLOW}/flows/{flow.id}", change, flow.etag), models.Created)
    copy, mapping = parts.aep.settled(flow.id).transformations
    assert isinstance(copy, models.Copy)
    assert isinstance(mapping, models.MappingStep)
    assert (mapping.params.mappingId, mapping.params.mappingVersion) == (other, "0")
    assert parts.aep.flow(flow.id).lastOperation.operation == "update"


@pytest.mark.slow
def test_who_may_only_read(start: Callable[..., Server], tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(
        "organisations:\n  - {id: ONE@AdobeOrg, tenant: one, sandboxes: [prod]}\n  - {id: TWO@AdobeOrg}\nclients:\n"
        "  - {id: tester, secret: s3cret, organisation: ONE@AdobeOrg, permissions: {sources: [read]}}\n"
    )
    with start("--accounts", str(accounts)).caller("ONE@AdobeOrg") as aep:
        assert checked(aep.get(f"{FLOW}/connections"), models.Listing[models.Connection]).items == []
        problem = refused(aep.post(f"{FLOW}/connections", aep.connection_body()), status=403)
        assert problem.code in {"2118", "2120", "2121"}
        assert problem.title == "Forbidden"
        assert (problem.report.id, problem.report.type) == (None, None)
        refused(aep.get(f"{FLOW}/connections", headers={"x-sandbox-name": "stage"}), status=404)
        foreign = aep.get(f"{FLOW}/connections", headers={"x-gw-ims-org-id": "TWO@AdobeOrg"})
        assert refused(foreign, status=401).code in {"2000", "2001", "2002"}
