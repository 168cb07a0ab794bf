"""Faults of lists: what a caller finds who goes through all pages."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from .conftest import CATALOG, EXPORT, FLOW, FULL, MAPPINGS, SCHEMAS, Chain, Inside, Platform
from .faulty import Faulty
from .waiting import awaited

LIST = f"{FLOW}/connections"
NEWEST_FIRST = ["e", "d", "c", "b", "a"]
SHORT = {"Accept": "application/vnd.adobe.xed-id+json"}


@pytest.fixture(scope="module")
def everything(platform_with_faults: Platform) -> Iterator[Faulty]:
    """An organisation with five connections, five schemas, five datasets and five mapping sets, called a to e."""
    with platform_with_faults.client("FIVE@AdobeOrg") as client:
        chain = Chain(client)
        for name in reversed(NEWEST_FIRST):
            chain.connection(name=name)
            schema = chain.schema(name)
            chain.post(f"{CATALOG}/dataSets", {"name": name, "schemaRef": {"id": schema, "contentType": FULL}})
            mappings = [{"sourceType": "STATIC", "source": name, "destination": "_id"}]
            output = {"schemaRef": {"id": schema, "contentType": FULL}}
            chain.post(f"{MAPPINGS}/mappingSets", {"name": name, "outputSchema": output, "mappings": mappings}, 200)
        yield Faulty(platform_with_faults, client, "FIVE@AdobeOrg")


@pytest.fixture
def five(everything: Faulty) -> Iterator[Faulty]:
    yield everything
    everything.go_wrong()


def ok(client: httpx.Client, path: str, **more: Any) -> Any:
    answer = client.get(path, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def flow_service(client: httpx.Client, kind: str = "connections", **query: Any) -> Iterator[list[str]]:
    """The names on each page, which a caller reaches who takes a link apart and puts its token into a request of its own."""
    params: dict[str, Any] = {"limit": 2, **query}
    while True:
        page = ok(client, f"{FLOW}/{kind}", params=params)
        yield [each["name"] for each in page["items"]]
        if "next" not in page["_links"]:
            return
        href = page["_links"]["next"]["href"]
        assert urlsplit(href).path == f"/{kind}"
        params = {"limit": 2, **query, "continuationToken": parse_qs(urlsplit(href).query)["continuationToken"][0]}


def flow_service_links(client: httpx.Client) -> Iterator[list[str]]:
    """The same for a caller who follows the link as it is."""
    href = "/connections?limit=2"
    while href:
        page = ok(client, FLOW + href)
        yield [each["name"] for each in page["items"]]
        href = page["_links"].get("next", {}).get("href")


def registry(client: httpx.Client) -> Iterator[list[str]]:
    params: dict[str, Any] = {"limit": 2, "orderby": "-title"}
    while True:
        page = ok(client, f"{SCHEMAS}/tenant/schemas", params=params, headers=SHORT)
        yield [each["title"] for each in page["results"]]
        if not page["_page"]["next"]:
            return
        params["start"] = page["_page"]["next"]


def registry_links(client: httpx.Client) -> Iterator[list[str]]:
    href = f"{SCHEMAS}/tenant/schemas?limit=2&orderby=-title"
    while href:
        page = ok(client, href, headers=SHORT)
        yield [each["title"] for each in page["results"]]
        href = page["_links"].get("next", {}).get("href")


def catalog(client: httpx.Client) -> Iterator[list[str]]:
    for start in itertools.count(0, 2):
        params = {"limit": 2, "start": start, "orderBy": "desc:created"}
        page = ok(client, f"{CATALOG}/dataSets", params=params)
        yield [each["name"] for each in page.values()]
        if not page:
            return


def catalog_offset(client: httpx.Client) -> Iterator[list[str]]:
    for offset in (0, 2, 4):
        params = {"limit": 2, "offset": offset, "orderBy": "desc:created"}
        yield [each["name"] for each in ok(client, f"{CATALOG}/dataSets", params=params).values()]


def data_prep(client: httpx.Client) -> Iterator[list[str]]:
    for start in itertools.count(0, 2):
        page = ok(client, f"{MAPPINGS}/mappingSets", params={"limit": 2, "start": start})
        yield [each["name"] for each in page["data"]]
        if not page["data"]:
            return


def data_prep_links(client: httpx.Client) -> Iterator[list[str]]:
    href = "/mappingSets?limit=2&start=0"
    while href:
        page = ok(client, MAPPINGS + href)
        yield [each["name"] for each in page["data"]]
        href = page["_links"].get("next", {}).get("href")


def joined(pages: Iterator[list[str]]) -> list[str]:
    return list(itertools.chain.from_iterable(pages))


Pages = Callable[[httpx.Client], Iterator[list[str]]]
ALL: list[Pages] = [
    flow_service,
    flow_service_links,
    registry,
    registry_links,
    catalog,
    catalog_offset,
    data_prep,
    data_prep_links,
]


@pytest.mark.parametrize("pages", ALL)
def test_without_faults_everything_comes_once(five: Faulty, pages: Pages) -> None:
    assert joined(pages(five.client)) == NEWEST_FIRST


@pytest.mark.parametrize("pages", ALL)
def test_something_comes_twice(five: Faulty, pages: Pages) -> None:
    five.go_wrong("duplicate_item")
    found = [page for page in pages(five.client) if page]
    maps = pages in (catalog, catalog_offset)
    first = ["e", "d"] if maps else ["e", "d", "e"]
    assert found[:3] == [first, ["d", "c", "b"], ["b", "a"]], "twice on a page, and once more on the next one"
    assert five.injected()[0] >= len(found) - maps, "a map cannot hold anything twice"


@pytest.mark.parametrize("order", ["name", "-name", "+createdAt"])
def test_something_comes_twice_in_every_order(five: Faulty, order: str) -> None:
    query = {"orderby": order, "property": "state==enabled"}
    plain = joined(flow_service(five.client, **query))
    assert sorted(plain) == sorted(NEWEST_FIRST)
    five.go_wrong({"after": 1, "fault": "duplicate_item"})
    assert joined(flow_service(five.client, **query)) == [*plain[:2], plain[1], *plain[2:4], plain[3], plain[4]]
    assert five.injected() == [2]


def test_something_comes_twice_in_a_search(five: Faulty) -> None:
    five.go_wrong("duplicate_item")
    body = {"queryString": "property=name!=c", "limit": 2}
    first = five.client.post(f"{LIST}/search", json=body).json()
    assert [each["name"] for each in first["items"]] == ["e", "d", "e"]
    second = five.client.post(FLOW + first["_links"]["next"]["href"], json=body).json()
    assert [each["name"] for each in second["items"]] == ["d", "b", "a"]


def test_an_empty_list_holds_nothing_twice(faulty: Faulty) -> None:
    faulty.go_wrong("duplicate_item")
    assert faulty.names(LIST) == []
    assert ok(faulty.client, LIST, params={"count": "true"}) == {"count": 0}
    assert faulty.client.get(f"{EXPORT}/batches/none/meta?path=row_errors").status_code == 404
    assert faulty.counts() == [(3, 0)]


@pytest.mark.parametrize("pages", ALL)
def test_what_is_new_is_in_no_list_yet(five: Faulty, pages: Pages) -> None:
    five.go_wrong({"kind": "lagging_list", "seconds": 600})
    assert joined(pages(five.client)) == []
    matched, injected = five.counts()[0]
    assert injected > 0
    five.go_wrong({"kind": "lagging_list", "seconds": 0.001})
    assert joined(pages(five.client)) == NEWEST_FIRST
    assert five.injected() == [0], "nothing is so new any more"
    assert matched > 0


def test_what_is_new_appears_after_a_while_and_is_there_by_its_id_at_once(faulty: Faulty) -> None:
    faulty.go_wrong({"kind": "lagging_list", "seconds": 600})
    id = Chain(faulty.client).connection(name="new")
    assert ok(faulty.client, f"{LIST}/{id}")["items"][0]["name"] == "new"
    assert faulty.names(LIST) == []
    assert ok(faulty.client, LIST, params={"property": f"id=={id}"})["items"] == []
    assert ok(faulty.client, LIST, params={"count": "true"}) == {"count": 0}
    assert faulty.injected() == [3]
    faulty.go_wrong({"kind": "lagging_list", "seconds": 0.5})
    awaited(lambda: faulty.names(LIST), lambda names: names == ["new"])


def test_new_descriptors_too(faulty: Faulty) -> None:
    schema = Chain(faulty.client).schema()
    body = {
        "@type": "xdm:descriptorIdentity",
        "xdm:sourceSchema": schema,
        "xdm:sourceVersion": 1,
        "xdm:sourceProperty": "/_id",
        "xdm:namespace": "Email",
        "xdm:property": "xdm:code",
    }
    assert faulty.client.post(f"{SCHEMAS}/tenant/descriptors", json=body).status_code == 201
    accept = {"Accept": "application/vnd.adobe.xdm-id+json"}
    assert ok(faulty.client, f"{SCHEMAS}/tenant/descriptors", headers=accept)
    faulty.go_wrong({"kind": "lagging_list", "seconds": 600})
    assert ok(faulty.client, f"{SCHEMAS}/tenant/descriptors", headers=accept) == {}


@pytest.mark.parametrize("pages", [flow_service, flow_service_links, registry, registry_links, data_prep_links])
def test_a_page_that_leads_to_itself_for_ever(five: Faulty, pages: Pages) -> None:
    five.go_wrong("repeating_cursor")
    assert list(itertools.islice(pages(five.client), 5)) == [["e", "d"]] * 5
    assert five.injected() == [5]


@pytest.mark.parametrize("pages", [flow_service, flow_service_links, registry, registry_links, data_prep_links])
def test_a_later_page_that_leads_to_itself(five: Faulty, pages: Pages) -> None:
    five.go_wrong({"after": 1, "times": 3, "fault": "repeating_cursor"})
    assert list(pages(five.client)) == [["e", "d"], *[["c", "b"]] * 4, ["a"]], "and at last to the next one"
    assert five.injected() == [3]
    five.go_wrong({"after": 2, "times": 2, "fault": "repeating_cursor"})
    assert list(pages(five.client)) == [["e", "d"], ["c", "b"], *[["a"]] * 3], "the last page leads on, which is wrong"


def test_a_page_that_leads_to_itself_keeps_its_query(five: Faulty) -> None:
    five.go_wrong({"times": 2, "fault": "repeating_cursor"})
    query = {"property": ["name!=d", "state==enabled"], "orderby": "+name"}
    assert list(flow_service(five.client, **query)) == [["a", "b"], ["a", "b"], ["a", "b"], ["c", "e"]]
    five.go_wrong({"times": 2, "fault": "repeating_cursor"})
    body = {"queryString": "property=name!=d", "limit": 3}
    path, found = "/connections/search", []
    for _ in range(4):
        page = five.client.post(FLOW + path, json=body).json()
        found.append("".join(each["name"] for each in page["items"]))
        path = page["_links"].get("next", {}).get("href", "")
    assert found == ["ecb", "ecb", "ecb", "a"]


def test_a_list_without_pages_leads_nowhere(five: Faulty) -> None:
    five.go_wrong("repeating_cursor")
    page = ok(five.client, f"{SCHEMAS}/tenant/schemas", headers=SHORT)
    assert page["_page"]["next"] is None
    assert len(ok(five.client, f"{CATALOG}/dataSets")) == 5
    assert ok(five.client, LIST, params={"property": "name==nobody"})["_links"] == {}
    assert five.counts() == [(2, 0)], "Catalog has no links at all"


@pytest.mark.parametrize("pages", [flow_service, flow_service_links, registry, registry_links])
def test_a_cursor_with_letters_of_its_own_is_passed_through(five: Faulty, pages: Pages) -> None:
    five.go_wrong("special_cursor")
    assert list(pages(five.client)) == [["e", "d"], ["c", "b"], ["a"]]
    assert five.injected() == [2], "the last page has none"


@pytest.mark.parametrize("pages", [flow_service_links, registry_links])
def test_cursors_are_understood_after_their_rule_is_gone(five: Faulty, pages: Pages) -> None:
    for kind, rest in (("special_cursor", [["c", "b"], ["a"]]), ("repeating_cursor", [["e", "d"], ["c", "b"], ["a"]])):
        five.go_wrong(kind)
        going = pages(five.client)
        assert next(going) == ["e", "d"]
        five.go_wrong()
        assert list(going) == rest


def test_who_does_not_encode_a_cursor_fails(five: Faulty) -> None:
    five.go_wrong("special_cursor")
    href = ok(five.client, LIST, params={"limit": 2})["_links"]["next"]["href"]
    query = urlsplit(href).query
    assert "%26" in query
    token = parse_qs(query)["continuationToken"][0]
    assert token.count("&") == 2
    assert "=" in token
    careless = five.client.get(f"{LIST}?continuationToken={token}")
    assert careless.status_code == 400
    assert careless.json()["type"].endswith("FLOW-1451-400")
    cut = five.client.get(LIST, params={"continuationToken": href.split("=")[1]})
    assert cut.status_code == 400


def test_a_cursor_that_was_made_up_is_refused_as_ever(faulty: Faulty) -> None:
    for token in ("again.", "again.%%%", "again.x", "a=1&b=2&", "a=1&b=2&again.x", "x"):
        answer = faulty.client.get(LIST, params={"continuationToken": token})
        assert answer.status_code in {200, 400}, answer.text


def test_pages_whose_tokens_hold_a_position_only(inside: Callable[..., Inside], tmp_path: Any) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("rules: [{fault: duplicate_item}]")
    client = inside(assume={"continuation": "position_only", "runs_order": "updated"}, faults=file).client()
    for name in reversed(NEWEST_FIRST):
        Chain(client).connection(name=name)
    found = list(flow_service(client, property="name!=c", orderby="-name"))
    assert found == [["e", "d", "e"], ["d", "b", "a"]]
