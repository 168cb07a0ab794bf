"""Lists of all services, page by page."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote

import pytest

from aep_provider.errors import AepAnswerError
from aep_provider.platform.paging import (
    FlowPages,
    catalog_objects,
    data_prep_sets,
    flow_service_items,
    registry_results,
    single,
)


def flow_page(ids: list[int], link: Any = None) -> dict[str, Any]:
    return {"items": [{"id": number} for number in ids], "_links": {"next": {"href": link}} if link else {}}


def queries(server: Any) -> list[list[tuple[str, str]]]:
    return [parse_qsl(seen.query) for seen in server.seen]


class TestFlowService:
    @pytest.mark.parametrize(
        "last",
        [
            {"items": []},
            {"items": [], "_links": {}},
            {"items": [], "_links": None},
            {"items": [], "_links": {"next": {}}},
            {"items": [], "_links": {"next": {"href": ""}}},
            {"items": [], "_links": {"next": None}},
        ],
    )
    def test_an_empty_list(self, aep: Any, client: Any, last: Any) -> None:
        aep.say(200, last)
        assert list(flow_service_items(client, "/flows")) == []
        assert aep.seen[0].target == "/data/foundation/flowservice/flows?limit=100"

    def test_a_cursor_is_taken_whole(self, aep: Any, client: Any) -> None:
        cursor = "a+b/c=d&e=="
        link = f"/flows?continuationToken={quote(cursor, safe='')}&more=1"
        aep.say(200, flow_page([1, 2], link)).say(200, flow_page([3]))
        params = [("property", "state==enabled"), ("property", "name==a b"), ("orderby", "-name")]
        items = list(flow_service_items(client, "/flows", params, limit=2))
        assert [item["id"] for item in items] == [1, 2, 3]
        assert queries(aep)[1] == [("continuationToken", cursor), ("more", "1"), *params, ("limit", "2")]
        assert aep.seen[1].path == "/data/foundation/flowservice/flows"

    def test_what_the_link_says_itself_counts(self, aep: Any, client: Any) -> None:
        aep.say(200, flow_page([1], "/flows?continuationToken=x&limit=7&property=a==b")).say(200, flow_page([]))
        list(flow_service_items(client, "/flows", {"property": ["a==b", "c==d"]}))
        assert queries(aep)[1] == [("continuationToken", "x"), ("limit", "7"), ("property", "a==b")]

    @pytest.mark.parametrize(
        "link",
        [
            "{foreign}/data/foundation/flowservice/flows?continuationToken=x",
            "//evil.example/data/foundation/flowservice/flows?continuationToken=x",
            "/data/foundation/flowservice/flows?continuationToken=x",
            "flows?continuationToken=x",
        ],
    )
    def test_a_link_to_another_host_stays_on_the_gateway(self, aep: Any, server: Any, client: Any, link: str) -> None:
        foreign = server()
        aep.say(200, flow_page([1], link.format(foreign=foreign.url))).say(200, flow_page([2]))
        assert len(list(flow_service_items(client, "/flows"))) == 2
        assert aep.seen[1].path == "/data/foundation/flowservice/flows"
        assert foreign.seen == []

    def test_a_cursor_that_comes_back_is_an_error(self, aep: Any, client: Any) -> None:
        for cursor in ("a", "b", "a"):
            aep.say(200, flow_page([1], f"/flows?continuationToken={cursor}"))
        with pytest.raises(AepAnswerError, match="already read"):
            list(flow_service_items(client, "/flows"))
        assert len(aep.seen) == 3

    @pytest.mark.parametrize(
        "body",
        [
            None,
            [],
            {},
            {"items": None},
            {"items": {}},
            {"items": [1]},
            {"items": [], "_links": {"next": {"href": 5}}},
            {"items": [], "_links": {"next": {"href": "http://[:/"}}},
            {"items": [], "_links": {"next": {"href": "/../../secret?a=b"}}},
        ],
    )
    def test_what_is_no_list_is_not_an_empty_one(self, aep: Any, client: Any, body: Any) -> None:
        aep.say(200, body, times=9)
        with pytest.raises(AepAnswerError):
            list(flow_service_items(client, "/flows"))

    def test_pages_are_read_when_wanted(self, aep: Any, client: Any) -> None:
        aep.say(200, flow_page([1], "/flows?continuationToken=a"))
        next(iter(flow_service_items(client, "/flows")))
        assert len(aep.seen) == 1

    def test_pages_can_be_turned_without_a_client(self) -> None:
        pages = FlowPages("/runs", {"property": "id==1,2,3"})
        found = pages.items(flow_page([1, 2], "/runs?continuationToken=a%3D"))
        assert pages.params == [("continuationToken", "a="), ("property", "id==1,2,3"), ("limit", "100")]
        found += pages.items(flow_page([3]))
        assert [item["id"] for item in found] == [1, 2, 3]
        assert not pages.more


class TestSchemaRegistry:
    def test_start_and_order_come_from_the_page(self, aep: Any, client: Any) -> None:
        aep.say(200, {"results": [{"$id": "a"}], "_page": {"orderby": "updated", "next": "5", "count": 1}})
        aep.say(200, {"results": [{"$id": "b"}], "_page": {"orderby": "updated", "next": None, "count": 1}})
        found = list(registry_results(client, "/tenant/schemas", {"property": "title==x"}))
        assert [schema["$id"] for schema in found] == ["a", "b"]
        assert queries(aep) == [
            [("property", "title==x"), ("limit", "300")],
            [("property", "title==x"), ("limit", "300"), ("start", "5"), ("orderby", "updated")],
        ]
        assert aep.seen[0].headers["accept"] == "application/vnd.adobe.xed-id+json"

    def test_an_order_that_was_asked_for_stays(self, aep: Any, client: Any) -> None:
        aep.say(200, {"results": [], "_page": {"next": "T1"}}).say(200, {"results": []})
        list(registry_results(client, "/tenant/schemas", {"orderby": "title"}))
        assert queries(aep) == [
            [("orderby", "title"), ("limit", "300")],
            [("limit", "300"), ("start", "T1"), ("orderby", "title")],
        ]

    def test_a_page_that_comes_back_is_an_error(self, aep: Any, client: Any) -> None:
        aep.say(200, {"results": [], "_page": {"next": "T1"}}, times=2)
        with pytest.raises(AepAnswerError, match="already read"):
            list(registry_results(client, "/tenant/schemas"))


class TestCatalog:
    def test_a_short_page_is_the_last(self, aep: Any, client: Any) -> None:
        aep.say(200, {"a": {"name": "A"}, "b": {"name": "B"}}).say(200, {"c": {"name": "C"}})
        found = list(catalog_objects(client, "/dataSets", {"name": "x"}, limit=2))
        assert found == [("a", {"name": "A"}), ("b", {"name": "B"}), ("c", {"name": "C"})]
        assert queries(aep) == [
            [("name", "x"), ("limit", "2"), ("start", "0")],
            [("name", "x"), ("limit", "2"), ("start", "2")],
        ]

    def test_an_empty_list(self, aep: Any, client: Any) -> None:
        aep.say(200, {})
        assert list(catalog_objects(client)) == []

    def test_a_page_that_comes_back_is_an_error(self, aep: Any, client: Any) -> None:
        aep.say(200, {"a": {}}, times=2)
        with pytest.raises(AepAnswerError, match="already read"):
            list(catalog_objects(client, limit=1))

    @pytest.mark.parametrize("body", [None, [], ["@/dataSets/1"], {"a": 1}])
    def test_what_is_no_list_is_not_an_empty_one(self, aep: Any, client: Any, body: Any) -> None:
        aep.say(200, body, times=9)
        with pytest.raises(AepAnswerError):
            list(catalog_objects(client))


class TestDataPrep:
    def test_every_page_has_limit_and_start(self, aep: Any, client: Any) -> None:
        aep.say(200, {"data": [{"id": "a"}]}).say(200, {"data": []})
        assert list(data_prep_sets(client, limit=1)) == [{"id": "a"}]
        assert queries(aep) == [[("limit", "1"), ("start", "0")], [("limit", "1"), ("start", "1")]]

    def test_a_page_that_comes_back_is_an_error(self, aep: Any, client: Any) -> None:
        aep.say(200, {"data": [{"id": "a"}]}, times=2)
        with pytest.raises(AepAnswerError, match="already read"):
            list(data_prep_sets(client, limit=1))


@pytest.mark.parametrize("body", [{"items": [{"id": 1}]}, {"id": 1}])
def test_one_object_may_be_wrapped(body: Any) -> None:
    assert single(body) == {"id": 1}


@pytest.mark.parametrize("body", [None, [], "x", {"items": []}, {"items": [{}, {}]}, {"items": [1]}, {"items": 1}])
def test_none_or_several_are_not_one(body: Any) -> None:
    with pytest.raises(AepAnswerError):
        single(body)
