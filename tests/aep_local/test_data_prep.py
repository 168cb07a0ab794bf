"""Data Prep over HTTP: two dialects in, both vocabularies out, versions, validation, preview."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from .conftest import FULL, MAPPINGS, Chain, Inside
from .waiting import awaited

SETS = f"{MAPPINGS}/mappingSets"
LEGACY = {"sourceAttribute": "Id", "destinationXdmPath": "_id", "identity": False, "version": 0}
CURRENT = {"sourceType": "ATTRIBUTE", "source": "Id", "destination": "_id"}


def body(schema: str, *mappings: dict[str, Any], **more: Any) -> dict[str, Any]:
    reference = {"schemaRef": {"id": schema, "contentType": FULL}}
    return {"outputSchema": reference, "mappings": list(mappings or (CURRENT,))} | more


def create(aep: httpx.Client, content: dict[str, Any]) -> str:
    answer = aep.post(SETS, json=content)
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == 0
    assert set(answer.json()) == {"id", "version", "createdDate", "modifiedDate", "createdBy", "modifiedBy"}
    return str(answer.json()["id"])


def test_both_dialects_come_back_in_both(aep: httpx.Client, chain: Chain) -> None:
    schema = chain.schema()
    legacy = {"version": 0, "xdmSchema": schema, "xdmVersion": "1.0", "id": None, "mappings": [LEGACY]}
    shown = [aep.get(f"{SETS}/{create(aep, each)}").json() for each in (legacy, body(schema))]
    for each in shown:
        assert len(each["id"]) == 32
        assert each["xdmSchema"] == each["schemaRef"]["id"] == each["outputSchema"]["schemaRef"]["id"] == schema
        (mapping,) = each["mappings"]
        assert (mapping["source"], mapping["sourceAttribute"]) == ("Id", "Id")
        assert (mapping["destination"], mapping["destinationXdmPath"]) == ("_id", "_id")
        assert mapping["sourceType"] == "text/x.schema-path"
    # what an answer shows can be sent again
    assert create(aep, {key: shown[0][key] for key in ("outputSchema", "mappings")})


def test_versions(aep: httpx.Client, chain: Chain) -> None:
    schema = chain.schema()
    id = create(aep, body(schema))
    other = {"sourceType": "ATTRIBUTE", "source": "Name", "destination": "_id"}
    assert aep.put(f"{SETS}/{id}", json=body(schema, other)).json()["version"] == 1
    for version, source in ((None, "Name"), ("0", "Id"), ("1", "Name")):
        answer = aep.get(f"{SETS}/{id}", params={} if version is None else {"version": version})
        assert answer.json()["mappings"][0]["source"] == source
    assert aep.get(f"{SETS}/{id}/mappings").json()["data"][0]["source"] == "Name"
    for wrong in ({"version": "2"}, {"version": "x"}):
        assert aep.get(f"{SETS}/{id}", params=wrong).status_code in {400, 404}
    assert aep.put(f"{SETS}/{'0' * 32}", json=body(schema)).status_code == 404
    assert aep.get(f"{SETS}/{'0' * 32}").status_code == 404
    assert aep.delete(f"{SETS}/{id}").status_code == 405


def test_lists_need_limit_and_start(aep: httpx.Client, chain: Chain) -> None:
    schema = chain.schema()
    ids = [create(aep, body(schema, name=name)) for name in ("a", "b", "a")]
    page = aep.get(SETS, params={"limit": "2", "start": "0"}).json()
    assert [each["id"] for each in page["data"]] == ids[:0:-1]
    assert page["_page"] == {"count": 2, "limit": 2}
    assert page["_links"]["next"]["href"]
    rest = aep.get(SETS, params={"limit": "2", "start": "2"}).json()
    assert ([each["id"] for each in rest["data"]], rest["_links"]) == (ids[:1], {})
    named = aep.get(SETS, params={"limit": "9", "start": "0", "name": "a", "orderBy": "+createdDate"}).json()
    assert [each["id"] for each in named["data"]] == ids[::2]
    for wrong in ({}, {"limit": "2"}, {"start": "0"}, {"limit": "0", "start": "0"}, {"limit": "x", "start": "0"}):
        assert aep.get(SETS, params=wrong).status_code == 400, wrong


def test_lists_are_ordered_by_either_date(aep: httpx.Client, chain: Chain) -> None:
    schema = chain.schema()

    def made_in_the_past() -> str:
        made = create(aep, body(schema))
        moment = aep.get(f"{SETS}/{made}").json()["createdDate"]
        awaited(lambda: time.time() * 1000 > moment + 1)
        return made

    first, second = made_in_the_past(), made_in_the_past()
    assert aep.put(f"{SETS}/{first}", json=body(schema)).status_code == 200
    for order, ids in (
        ("-createdDate", [second, first]),
        ("+createdDate", [first, second]),
        ("-updatedDate", [first, second]),
        ("+updatedDate", [second, first]),
        (None, [second, first]),
    ):
        query = {"limit": "9", "start": "0", **({"orderBy": order} if order else {})}
        assert [each["id"] for each in aep.get(SETS, params=query).json()["data"]] == ids, order
    for wrong in ("name", "-", ""):
        assert aep.get(SETS, params={"limit": "9", "start": "0", "orderBy": wrong}).status_code == 400


WRONG = [
    ({"source": "Id", "destination": "_nowhere"}, "_nowhere"),
    ({"source": "Zip", "destination": "_id"}, "Zip"),
    ({"sourceType": "STATIC", "source": "soon", "destination": "_repo.createDate"}, "static value"),
    ({"sourceType": "EXPRESSION", "source": "foo(Id)", "destination": "_id"}, "the function foo does not exist"),
    ({"sourceType": "EXPRESSION", "source": "upper(Zip)", "destination": "_id"}, "source attribute Zip is unknown"),
    ({"sourceType": "EXPRESSION", "source": "upper()", "destination": "_id"}, "upper takes 1 argument, not 0"),
    ({"sourceType": "EXPRESSION", "source": "upper(Id", "destination": "_id"}, "syntax error at position 9"),
    ({"sourceType": "EXPRESSION", "source": "upper(Id)", "destination": "_gone"}, "destination _gone is not"),
]


@pytest.mark.parametrize(("mapping", "told"), WRONG)
def test_a_wrong_mapping_is_told_by_validate_and_refused_by_create(
    aep: httpx.Client, chain: Chain, mapping: dict[str, Any], told: str
) -> None:
    right = {"source": "Name", "destination": "person.name.fullName"}
    known = {"inputSchema": {"properties": {"Id": {}, "Name": {}}}}
    content = body(chain.schema(), right, mapping, **known)
    answer = aep.post(f"{SETS}/validate", json=content)
    assert answer.status_code == 200
    first, second = answer.json()["validationResponse"]
    assert first == {"status": "SUCCESS", "errors": None}
    assert second["status"] == "FAILED"
    assert told in second["errors"][0]["message"]
    refused = aep.post(SETS, json=content)
    assert refused.status_code == 400
    assert told in refused.json()["detail"]


@pytest.mark.parametrize(
    "change",
    [
        {"mappings": []},
        {"mappings": [1]},
        {"mappings": [{"source": "Id"}]},
        {"mappings": [{"destination": "_id"}]},
        {"mappings": [{**CURRENT, "sourceType": "MAGIC"}]},
        {"mappings": [CURRENT, CURRENT]},
        {"outputSchema": {}},
        {"outputSchema": {"schemaRef": {"id": "https://ns.adobe.com/none"}}},
        {"name": 5},
    ],
)
def test_sets_that_are_refused(aep: httpx.Client, chain: Chain, change: dict[str, Any]) -> None:
    assert aep.post(SETS, json=body(chain.schema()) | change).status_code == 400


def test_preview(aep: httpx.Client, chain: Chain) -> None:
    mappings = [CURRENT, {"source": "At", "destination": "_repo.createDate"}]
    rows = [{"Id": 7, "At": "2024-02-29 10:00:00"}, {"Id": None, "At": "soon"}]
    answer = aep.post(f"{SETS}/preview", json={"data": rows, "mappingSet": body(chain.schema(), *mappings)})
    assert answer.status_code == 200
    good, bad = answer.json()
    assert good == {"data": {"_id": "7", "_repo": {"createDate": "2024-02-29T10:00:00Z"}}, "errors": None}
    assert bad["data"] is None
    assert bad["errors"][0]["message"] == "_repo.createDate: text is not a date-time"


def test_a_preview_evaluates_expressions(aep: httpx.Client, chain: Chain) -> None:
    mappings = [
        {"sourceType": "EXPRESSION", "source": 'concat(upper(given), "-", id)', "destination": "_id"},
        {"sourceType": "EXPRESSION", "source": 'date(born, "dd.MM.yyyy")', "destination": "person.birthDate"},
        {"sourceType": "EXPRESSION", "source": "names.nick", "destination": "person.name.fullName"},
        {"sourceType": "STATIC", "source": 1999, "destination": "person.birthYear"},
    ]
    rows = [
        {"id": 7, "given": "zoë", "born": "29.02.2000", "names": {"nick": "Z"}},
        {"id": 8, "given": None, "born": "29.02.2001"},
        {"id": None, "born": None},
    ]
    chained = body(chain.schema(), *mappings)
    answer = aep.post(f"{SETS}/preview", json={"data": rows, "mappingSet": chained})
    assert answer.status_code == 200, answer.text
    good, bad, bare = answer.json()
    person = {"birthDate": "2000-02-29", "name": {"fullName": "Z"}, "birthYear": 1999}
    assert good == {"data": {"_id": "ZOË-7", "person": person}, "errors": None}
    assert bad["data"] is None
    assert [each["message"] for each in bad["errors"]] == [
        'person.birthDate: date: there is no such date (expression date(born, "dd.MM.yyyy") of column born)'
    ]
    assert bare == {"data": {"_id": "-", "person": {"birthYear": 1999}}, "errors": None}


def test_a_preview_may_show_a_failed_expression_beside_its_row(inside: Callable[..., Inside]) -> None:
    chain = Chain(inside(assume={"failed_transformation": "null_with_warning"}).client())
    mappings = [
        CURRENT,
        {"sourceType": "EXPRESSION", "source": 'date(born, "dd.MM.yyyy")', "destination": "person.birthDate"},
    ]
    rows = [{"Id": "7", "born": "29.02.2001"}, {"Id": "8", "born": "29.02.2000"}]
    asked = {"data": rows, "mappingSet": body(chain.schema(), *mappings)}
    warned, good = chain.post(f"{SETS}/preview", asked, 200)
    assert warned["data"] == {"_id": "7"}
    assert [each["message"].partition(" (")[0] for each in warned["errors"]] == [
        "person.birthDate: date: there is no such date"
    ]
    assert good == {"data": {"_id": "8", "person": {"birthDate": "2000-02-29"}}, "errors": None}


def test_a_preview_is_bounded(aep: httpx.Client, chain: Chain) -> None:
    mappings = [{"source": "Id", "destination": f"{name}"} for name in ("_id", "_repo.createDate", "person.birthDate")]
    content = body(chain.schema(), *mappings * 30)
    refused = aep.post(f"{SETS}/preview", json={"data": [{"Id": 1}] * 1000, "mappingSet": content})
    assert refused.status_code == 400
    assert "at most 50000 values" in refused.json()["detail"]


def test_an_expression_comes_back_as_it_was_sent_and_can_be_sent_again(aep: httpx.Client, chain: Chain) -> None:
    source = 'iif(is_empty(${First Name}), "?", ${First Name})'
    mapping = {"sourceType": "EXPRESSION", "source": source, "destination": "_id"}
    shown = aep.get(f"{SETS}/{create(aep, body(chain.schema(), mapping))}").json()
    (written,) = shown["mappings"]
    assert (written["source"], written["sourceAttribute"], written["sourceType"]) == (source, source, "text/x.aep-xl")
    again = aep.get(f"{SETS}/{create(aep, {key: shown[key] for key in ('outputSchema', 'mappings')})}").json()
    assert again["mappings"][0]["source"] == source


def test_a_replacement_that_is_refused_makes_no_version(aep: httpx.Client, chain: Chain) -> None:
    schema = chain.schema()
    id = create(aep, body(schema, {"sourceType": "EXPRESSION", "source": "upper(Id)", "destination": "_id"}))
    wrong = body(schema, {"sourceType": "EXPRESSION", "source": "uper(Id)", "destination": "_id"})
    refused = aep.put(f"{SETS}/{id}", json=wrong)
    assert (refused.status_code, "the function uper does not exist; near names: upper" in refused.text) == (400, True)
    assert aep.get(f"{SETS}/{id}").json()["version"] == 0
