"""Lists of Flow Service: filters, order, paging, count."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from aep_local.core.store import Scope, Store

from .conftest import FLOW, SERVICENOW, Chain, Platform, code
from .moments import later

LIST = f"{FLOW}/connections"


@pytest.fixture(scope="module")
def eight(platform: Platform) -> Iterator[httpx.Client]:
    """A sandbox with the connections c1 to c7 and 'two words', for tests that only look."""
    with platform.client("eight@AdobeOrg") as client:
        fill(Chain(client))
        yield client


def fill(chain: Chain) -> None:
    for name in ("c3", "c1", "c2", "two words", "c7", "c5", "c6", "c4"):
        chain.connection(name=name)


@pytest.fixture
def named(eight: httpx.Client) -> Callable[..., list[str]]:
    """The names of the connections that a query finds."""

    def names(*properties: str, **query: Any) -> list[str]:
        pairs = [("property", each) for each in properties] + list(query.items())
        answer = eight.get(LIST, params=pairs)
        assert answer.status_code == 200, answer.text
        return [item["name"] for item in answer.json()["items"]]

    return names


def test_filters(named: Callable[..., list[str]]) -> None:
    assert named() == ["c4", "c6", "c5", "c7", "two words", "c2", "c1", "c3"], "the newest first"
    assert named("name==c2") == ["c2"]
    assert named('name=="c2"') == ["c2"]
    assert named("name==two words") == ["two words"]
    assert named("name==c1,c7,nobody") == ["c7", "c1"], "a comma means or"
    assert named('name=="c1","c7"') == ["c7", "c1"]
    assert named('name=="c1,c7"') == [], "not inside quotes"
    assert named("name==C2") == []
    assert named("name!=two words,c1") == ["c4", "c6", "c5", "c7", "c2", "c3"]
    assert named("name>=c5", "name<c7") == ["c6", "c5"], "repeated filters must all hold"
    assert named(f"connectionSpec.id=={SERVICENOW}", "name<=c1") == ["c1"]
    assert named("auth.params.username==ann", "name==c1") == ["c1"]
    assert named("nothing.there==x") == []
    assert named(f"createdAt<{time.time_ns() // 10**6 + 10_000}", "name==c1") == ["c1"]
    assert named("createdAt>99999999999999") == []
    assert named("_local.secrets==x") == []


def test_filters_look_into_arrays_and_booleans(aep: httpx.Client, chain: Chain) -> None:
    base = chain.connection()
    source = chain.source(base)
    chain.source(base, params={"tableName": "Other", "columns": [{"name": "X", "type": "string"}], "cdcEnabled": True})

    def found(path: str, *properties: str) -> list[str]:
        answer = aep.get(f"{FLOW}/{path}", params=[("property", each) for each in properties])
        assert answer.status_code == 200
        return [item["id"] for item in answer.json()["items"]]

    assert found("sourceConnections", "params.columns[].name==Id", f"baseConnectionId=={base}") == [source]
    assert found("sourceConnections", "params.columns[].meta:xdmType==date-time") == [source]
    assert found("sourceConnections", "params.columns.name==Id") == []
    assert len(found("sourceConnections", "params.cdcEnabled==TRUE")) == 1
    assert len(found("sourceConnections", f"baseConnectionId=={base},x")) == 2
    flow = chain.flow()
    its = chain.get(f"{FLOW}/flows/{flow}")
    both = (f"sourceConnectionIds[]=={its['sourceConnectionIds'][0]}", f"flowSpec.id=={its['flowSpec']['id']}")
    assert found("flows", *both) == [flow]
    assert found("flows", "inheritedAttributes.properties.isSourceFlow==true") == [flow]
    assert found("flows", "scheduleParams.interval>=15") == [flow]
    assert found("flows", f"id==a,{flow},b") == [flow]


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ([("property", "name~c")], "1440"),
        ([("property", "name>=a,b")], "1443"),
        ([("property", "name")], "1448"),
        ([("property", "name==")], "1448"),
        ([("property", "==c1")], "1448"),
        ([("property", 'name=="c1')], "1448"),
        ([("property", "name=c1")], "1448"),
        ([("limit", "1"), ("count", "true")], "1401"),
        ([("limit", "0")], "1454"),
        ([("limit", "101")], "1454"),
        ([("limit", "ten")], "1454"),
        ([("count", "perhaps")], "1454"),
        ([("orderby", "")], "1432"),
        ([("orderby", "name desc")], "1433"),
        ([("orderby", "--name")], "1433"),
        ([("start", "1")], "1451"),
        ([("continuationToken", "abc")], "1454"),
        ([("continuationToken", "eyJhZnRlciI6IFtbXV19")], "1454"),
    ],
)
def test_a_wrong_query_is_refused(aep: httpx.Client, query: list[tuple[str, str]], number: str) -> None:
    for path in ("connections", "flows", "runs", "flowSpecs"):
        answer = aep.get(f"{FLOW}/{path}", params=query)
        assert (answer.status_code, code(answer)) == (400, number)


def test_order(named: Callable[..., list[str]]) -> None:
    ascending = ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "two words"]
    assert named(orderby="name") == ascending
    assert named(orderby="+name") == ascending
    assert named(orderby="-name") == ascending[::-1]
    assert named(orderby="createdAt")[0] in {"c3", "c1"}
    assert named(orderby="description") == ["c4", "c6", "c5", "c7", "two words", "c2", "c1", "c3"]


def test_count(eight: httpx.Client) -> None:
    assert eight.get(LIST, params={"count": "true"}).json() == {"count": 8}
    assert eight.get(LIST, params={"count": "true", "property": "name==c1,c2"}).json() == {"count": 2}
    assert len(eight.get(LIST, params={"count": "false", "limit": "3"}).json()["items"]) == 3


def pages(aep: httpx.Client, query: list[tuple[str, str]], *, repeat: bool) -> list[list[str]]:
    found: list[list[str]] = []
    answer = aep.get(LIST, params=query).json()
    while True:
        found.append([item["name"] for item in answer["items"]])
        if "next" not in answer["_links"]:
            assert answer["_links"] == {}
            return found
        href = answer["_links"]["next"]["href"]
        assert href.startswith("/connections?continuationToken=")
        assert href.endswith("==")
        token = dict(parse_qsl(urlsplit(href).query))["continuationToken"]
        next_query = [("continuationToken", token), *(query if repeat else [])]
        answer = aep.get(LIST, params=next_query).json()


@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize("orderby", [None, "name", "-name", "description"])
def test_pages(eight: httpx.Client, orderby: str | None, repeat: bool) -> None:
    query = [("limit", "3"), ("property", "name!=c7")] + ([("orderby", orderby)] if orderby else [])
    found = pages(eight, query, repeat=repeat)
    assert [len(page) for page in found] == [3, 3, 1]
    whole = eight.get(LIST, params=[pair for pair in query if pair[0] != "limit"]).json()["items"]
    assert [name for page in found for name in page] == [item["name"] for item in whole]


def test_a_page_that_is_just_full_is_the_last(eight: httpx.Client) -> None:
    assert [len(page) for page in pages(eight, [("limit", "4")], repeat=True)] == [4, 4]


def test_new_objects_do_not_disturb_later_pages(aep: httpx.Client, chain: Chain) -> None:
    fill(chain)
    first = aep.get(LIST, params={"limit": "4"}).json()
    chain.connection(name="newer")
    second = aep.get(FLOW + first["_links"]["next"]["href"]).json()
    names = [item["name"] for page in (first, second) for item in page["items"]]
    assert names == ["c4", "c6", "c5", "c7", "two words", "c2", "c1", "c3"]


def test_a_token_belongs_to_its_query(eight: httpx.Client) -> None:
    link = eight.get(LIST, params={"limit": "2", "property": "name!=c7"}).json()["_links"]["next"]["href"]
    assert code(eight.get(f"{FLOW}{link}&property=name==c1")) == "1454"
    assert code(eight.get(f"{FLOW}{link}&orderby=name")) == "1454"


def test_a_token_may_forget_the_query(inside: Callable[..., Any]) -> None:
    with inside(assume={"continuation": "position_only"}).client() as aep:
        chain = Chain(aep)
        for name in ("c1", "x", "c1", "c1"):
            chain.connection(name=name)
        answer = aep.get(LIST, params={"limit": "2", "property": "name==c1"}).json()
        link = FLOW + answer["_links"]["next"]["href"]
        assert [item["name"] for item in aep.get(link).json()["items"]] == ["x", "c1"]
        assert [item["name"] for item in aep.get(link + "&property=name==c1").json()["items"]] == ["c1"]


def test_a_page_has_twenty_items_unless_asked(aep: httpx.Client, chain: Chain) -> None:
    for _ in range(21):
        chain.connection()
    assert len(aep.get(LIST).json()["items"]) == 20
    assert len(aep.get(LIST, params={"limit": 100}).json()["items"]) == 21


def test_new_objects_may_be_missing_in_lists_for_a_while(
    inside: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with inside(assume={"listing_lag_seconds": 300}, time_scale=1).client() as aep:
        id = Chain(aep).connection()
        assert aep.get(f"{LIST}/{id}").status_code == 200
        assert aep.get(LIST).json()["items"] == []
        assert aep.post(f"{LIST}/search", json={"limit": 5}).json()["items"] == []
        later(monkeypatch, 301)
        assert [item["id"] for item in aep.get(LIST).json()["items"]] == [id]


# --- search


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"queryString": ""}, ["c4", "c6", "c5", "c7", "two words", "c2", "c1", "c3"]),
        ({"queryString": "property=name==c1,c7"}, ["c7", "c1"]),
        ({"queryString": "?property=name>=c5&property=name<c7"}, ["c6", "c5"]),
        ({"queryString": "property=name%3D%3Dtwo%20words"}, ["two words"]),
        ({"queryString": "property=name!=two words", "orderby": "-name", "limit": 2}, ["c7", "c6"]),
        ({"limit": 1000, "orderby": "name"}, ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "two words"]),
    ],
)
def test_search(eight: httpx.Client, body: dict[str, Any], names: list[str]) -> None:
    answer = eight.post(f"{LIST}/search", json=body)
    assert answer.status_code == 200, answer.text
    assert [item["name"] for item in answer.json()["items"]] == names


def test_search_counts_projects_and_pages(eight: httpx.Client) -> None:
    query = {"queryString": "property=name!=c7"}
    assert eight.post(f"{LIST}/search", json=query | {"count": True}).json() == {"count": 7}
    projected = eight.post(f"{LIST}/search", json=query | {"projectionFields": ["name", "auth.specName", "no.such"]})
    assert projected.json()["items"][0] == {"name": "c4", "auth": {"specName": "Basic Authentication"}}
    page = eight.post(f"{LIST}/search", json=query | {"limit": 4}).json()
    href = page["_links"]["next"]["href"]
    assert href.startswith("/connections/search?continuationToken=")
    rest = eight.post(FLOW + href, json=query | {"limit": 4}).json()
    names = [item["name"] for each in (page, rest) for item in each["items"]]
    assert names == ["c4", "c6", "c5", "two words", "c2", "c1", "c3"]
    assert rest["_links"] == {}


@pytest.mark.parametrize(
    ("body", "number"),
    [
        ({}, "1405"),
        ([], "1405"),
        ({"limit": 1001}, "1454"),
        ({"limit": 0}, "1454"),
        ({"limit": "5"}, "1454"),
        ({"limit": True}, "1454"),
        ({"count": "true"}, "1454"),
        ({"limit": 5, "count": True}, "1401"),
        ({"queryString": "name==c1"}, "1451"),
        ({"queryString": "property=name"}, "1448"),
        ({"queryString": "property=name~c"}, "1440"),
        ({"queryString": ["property=name==c1"]}, "1454"),
        ({"projectionFields": "name"}, "1454"),
        ({"projectionFields": [1]}, "1454"),
        ({"orderby": "name desc"}, "1433"),
        ({"colour": "blue"}, "1451"),
    ],
)
def test_a_wrong_search_is_refused(eight: httpx.Client, body: Any, number: str) -> None:
    answer = eight.post(f"{LIST}/search", json=body)
    assert (answer.status_code, code(answer)) == (400, number)


def test_every_list_can_be_searched(aep: httpx.Client, chain: Chain) -> None:
    chain.flow()
    for kind in (
        "connections",
        "sourceConnections",
        "targetConnections",
        "flows",
        "runs",
        "connectionSpecs",
        "flowSpecs",
    ):
        listed = aep.get(f"{FLOW}/{kind}", params={"limit": 100}).json()
        answer = aep.post(f"{FLOW}/{kind}/search", json={"limit": 1000})
        assert (answer.status_code, answer.json()) == (200, listed), kind
        assert listed["items"] or kind == "runs"
    assert aep.post(f"{FLOW}/colours/search", json={"limit": 5}).status_code == 404


def test_a_search_stays_in_its_sandbox(eight: httpx.Client, platform: Platform) -> None:
    with platform.client("eight@AdobeOrg", "stage") as stage:
        assert stage.post(f"{LIST}/search", json={"limit": 5}).json()["items"] == []


# --- switches


@pytest.mark.parametrize(("setting", "found"), [("works", 1), ("ignored", 2), ("empty", 0), ("refused", None)])
def test_a_filter_by_the_name_of_a_source_or_target(
    inside: Callable[..., Any], setting: str, found: int | None
) -> None:
    aep = inside(assume={"name_filter": setting}).client()
    chain = Chain(aep)
    base, dataset = chain.connection(name="a"), chain.dataset(chain.schema())
    for name in ("a", "b"):
        chain.source(base, name=name)
        chain.target(dataset, name=name)
    for kind in ("sourceConnections", "targetConnections"):
        answer = aep.get(f"{FLOW}/{kind}", params={"property": "name==a"})
        searched = aep.post(f"{FLOW}/{kind}/search", json={"queryString": "property=name==a"})
        assert answer.status_code == searched.status_code
        if found is None:
            assert code(answer) == code(searched) == "1449"
        else:
            assert len(answer.json()["items"]) == len(searched.json()["items"]) == found
    by_base = aep.get(f"{FLOW}/sourceConnections", params={"property": f"baseConnectionId=={base}"})
    assert len(by_base.json()["items"]) == 2, "other filters work, and so does the name of a connection"
    assert len(aep.get(LIST, params={"property": "name==a"}).json()["items"]) == 1


@pytest.mark.parametrize(
    ("setting", "found"), [("works", ["b", "a"]), ("ignored", ["c", "b", "a"]), ("empty", []), ("refused", None)]
)
def test_a_filter_of_several_values_in_the_list_of_flows(
    inside: Callable[..., Any], setting: str, found: list[str] | None
) -> None:
    aep = inside(assume={"several_values_filter": setting}).client()
    chain = Chain(aep)
    body = chain.flow_body()
    ids = {name: chain.post(f"{FLOW}/flows", body | {"name": name})["id"] for name in "abc"}

    def flows(*conditions: str, **query: str) -> httpx.Response:
        return aep.get(f"{FLOW}/flows", params=[*(("property", each) for each in conditions), *query.items()])

    def names(answer: httpx.Response) -> list[str]:
        assert answer.status_code == 200, answer.text
        return [item["name"] for item in answer.json()["items"]]

    for condition in (f"id=={ids['a']},{ids['b']}", "name==a,b", 'name=="a","b"', "name==b,a,nobody"):
        answers = [flows(condition), aep.post(f"{FLOW}/flows/search", json={"queryString": f"property={condition}"})]
        for answer in answers:
            if found is None:
                assert (answer.status_code, code(answer)) == (400, "1454"), answer.text
            else:
                assert names(answer) == found, condition
    if found is not None:
        assert flows("name==a,b", count="true").json() == {"count": len(found)}
        assert names(flows("name==a,b", "name!=b")) == [name for name in found if name != "b"], "the other one holds"
    assert names(flows(f"id=={ids['a']}")) == ["a"], "one value always works"
    assert names(flows('name=="a,b"')) == [], "and a comma in quotes makes no two of it"
    assert names(flows("name!=a,b")) == ["c"]
    chain.connection(name="z")
    assert len(aep.get(LIST, params={"property": "name==base,z"}).json()["items"]) == 2, "nor is it other lists' matter"


@pytest.mark.parametrize(("setting", "found"), [("exact", ["Some"]), ("insensitive", ["some", "Some"])])
def test_the_case_of_texts_in_filters(inside: Callable[..., Any], setting: str, found: list[str]) -> None:
    aep = inside(assume={"filter_case": setting}).client()
    ids = [Chain(aep).connection(name=name) for name in ("Some", "some", "other")]

    def names(condition: str) -> list[str]:
        return [item["name"] for item in aep.get(LIST, params={"property": condition}).json()["items"]]

    assert names("name==Some") == found
    assert len(names("name!=Some")) == 3 - len(found)
    assert names(f"id=={ids[2].upper()}") == ([] if setting == "exact" else ["other"])


@pytest.mark.parametrize("size", [20, 2])
def test_how_long_a_page_is_unless_asked(inside: Callable[..., Any], size: int) -> None:
    aep = inside(assume={"page_size": size}).client()
    for _ in range(3):
        Chain(aep).connection()
    page = aep.get(LIST).json()
    assert len(page["items"]) == min(size, 3)
    assert bool(page["_links"]) == (size < 3)
    assert len(aep.get(LIST, params={"limit": 100}).json()["items"]) == 3


@pytest.mark.slow
def test_runs_are_found_fast_among_ten_thousand(start_platform: Callable[..., Platform], tmp_path: Path) -> None:
    state = tmp_path / "runs"
    state.mkdir()
    store, scope = Store(state / "platform.db"), Scope("A@AdobeOrg", "prod")
    with store.transaction():
        for number in range(10_000):
            status = "failed" if number == 5 else "success"
            metrics = {"statusSummary": {"status": status}, "durationSummary": {"startedAtUTC": number}}
            run = {"id": f"run{number}", "flowId": f"flow{number % 100}", "createdAt": 1, "metrics": metrics}
            run |= {"_local": {"secret": "x"}}
            store.insert("runs", run["id"], scope, run, ref=run["flowId"])
    store.close()
    platform = start_platform(state=state)
    with platform.client("A@AdobeOrg") as aep:

        def runs(*properties: str, limit: str = "100") -> list[Any]:
            answer = aep.get(f"{FLOW}/runs", params=[("limit", limit), *(("property", each) for each in properties)])
            assert answer.status_code == 200, answer.text
            return list(answer.json()["items"])

        runs()
        began = time.perf_counter()
        assert [run["id"] for run in runs("flowId==flow7", limit="2")] == ["run9907", "run9807"]
        assert len(runs("id==" + ",".join(f"run{number}" for number in range(100)))) == 100
        assert runs()[0]["id"] == "run9999"
        assert time.perf_counter() - began < 0.5
        assert [run["id"] for run in runs("state==failed")] == ["run5"]
        assert [run["id"] for run in runs("metrics.statusSummary.status==failed")] == ["run5"]
        assert len(runs("metrics.durationSummary.startedAtUTC>9990")) == 9
        assert "_local" not in runs("id==run5")[0]
        assert aep.get(f"{FLOW}/runs/run5").json() == {"items": runs("id==run5")}
        assert aep.get(f"{FLOW}/runs", params={"count": "true", "property": "flowId==flow7"}).json() == {"count": 100}
