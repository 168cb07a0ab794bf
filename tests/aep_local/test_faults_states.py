"""Faults of tokens, versions, switches and runs: what the platform really does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from aep_local.core.settings import Assumptions

from .conftest import CATALOG, FLOW, FULL, SCHEMAS, Chain, Inside, Platform, anybody, code, token_of
from .faulty import Faulty
from .lake import status
from .test_http_runs import RUNS, OnDemand
from .waiting import awaited

LIST = f"{FLOW}/connections"


@pytest.fixture
def renewed(faulty: Faulty, platform_with_faults: Platform) -> Faulty:
    """The platform, with a token that no other test uses."""
    token = token_of(faulty.url, "tester", "s3cret")
    faulty.client.headers["Authorization"] = f"Bearer {token}"
    return faulty


def test_a_token_that_is_revoked_is_so_for_good_and_another_one_works(renewed: Faulty) -> None:
    renewed.go_wrong({"after": 1, "fault": "token_revoked"})
    answers = [renewed.client.get(path) for path in (LIST, LIST, LIST, f"{SCHEMAS}/stats")]
    assert [answer.status_code for answer in answers] == [200, 401, 401, 401]
    assert answers[1].json()["error_code"] == "401013"
    assert renewed.counts() == [(4, 1)], "it is revoked once"
    renewed.go_wrong()
    renewed.client.headers["Authorization"] = f"Bearer {token_of(renewed.url, 'tester', 's3cret')}"
    assert renewed.client.get(LIST).status_code == 200


def test_a_token_that_is_none_cannot_be_revoked(renewed: Faulty) -> None:
    renewed.go_wrong("token_revoked")
    del renewed.client.headers["Authorization"]
    assert renewed.client.get(LIST).status_code == 403
    assert renewed.client.get(LIST, headers={"Authorization": "Bearer forged"}).status_code == 401
    assert renewed.counts() == [(1, 0)]


def test_a_request_whose_token_is_revoked_does_nothing(renewed: Faulty) -> None:
    body = Chain(renewed.client).connection_body(name="mine")
    renewed.go_wrong("token_revoked")
    assert renewed.client.post(LIST, json=body).status_code == 401
    renewed.go_wrong()
    renewed.client.headers["Authorization"] = f"Bearer {token_of(renewed.url, 'tester', 's3cret')}"
    assert renewed.names(LIST) == []


def test_a_token_expires_before_it_was_said_to(faulty: Faulty) -> None:
    faulty.go_wrong({"kind": "token_expires_early", "seconds": 1})
    form = {"grant_type": "client_credentials", "client_id": "tester", "client_secret": "s"}
    token = anybody("POST", f"{faulty.url}/ims/token/v3", data=form).json()
    assert token["expires_in"] == 86399
    faulty.client.headers["Authorization"] = f"Bearer {token['access_token']}"
    assert faulty.client.get(LIST).status_code == 200
    answer = awaited(lambda: faulty.client.get(LIST), lambda answer: answer.status_code != 200)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "401013")
    assert faulty.injected() == [1]
    refused = anybody("POST", f"{faulty.url}/ims/token/v3", data=form | {"grant_type": "x"})
    assert refused.status_code == 400
    assert faulty.counts() == [(2, 1)]


def test_the_identity_service_is_down_and_the_rest_is_not(faulty: Faulty) -> None:
    faulty.go_wrong({"service": "ims", "times": 2, "fault": {"kind": "status", "status": 503}})
    form = {"grant_type": "client_credentials", "client_id": "tester", "client_secret": "s"}
    answers = [anybody("POST", f"{faulty.url}/ims/token/v3", data=form) for _ in range(3)]
    assert [each.status_code for each in answers] == [503, 503, 200]
    assert answers[0].json()["error"] == "temporarily_unavailable"
    assert faulty.names(LIST) == []


def test_somebody_else_edits_a_connection_just_before(faulty: Faulty) -> None:
    id = Chain(faulty.client).connection(name="mine")
    before = faulty.client.get(f"{LIST}/{id}").json()["items"][0]
    faulty.go_wrong({"times": 1, "fault": "concurrent_edit"})
    patch = [{"op": "replace", "path": "/name", "value": "changed"}]
    answer = faulty.client.patch(f"{LIST}/{id}", json=patch, headers={"If-Match": before["etag"]})
    assert (answer.status_code, code(answer)) == (412, "1404")
    now = faulty.client.get(f"{LIST}/{id}").json()["items"][0]
    assert {key for key in now if now[key] != before[key]} == {"etag", "version", "updatedAt"}
    answer = faulty.client.patch(f"{LIST}/{id}", json=patch, headers={"If-Match": now["etag"]})
    assert answer.status_code == 200
    assert faulty.counts() == [(2, 1)]


def test_somebody_else_edits_a_dataset_just_before(faulty: Faulty) -> None:
    schema = Chain(faulty.client).schema()
    body = {"name": "mine", "schemaRef": {"id": schema, "contentType": FULL}}
    id = faulty.client.post(f"{CATALOG}/dataSets", json=body).json()[0].rpartition("/")[2]
    before = faulty.client.get(f"{CATALOG}/dataSets/{id}").json()[id]
    faulty.go_wrong("concurrent_edit")
    change = {"name": "changed"}
    path = f"{CATALOG}/dataSets/{id}"
    assert faulty.client.patch(path, json=change, headers={"If-Match": before["version"]}).status_code == 412
    now = faulty.client.get(path).json()[id]
    assert {key for key in now if now[key] != before[key]} <= {"version", "updated"}
    assert (before["version"], now["version"]) == ("1.0.0", "1.0.1")
    assert faulty.client.patch(path, json=change).status_code == 200, (
        "who names no version has not said what it expects"
    )
    assert faulty.counts() == [(1, 1)]


def test_nobody_edits_what_is_not_there_or_elsewhere(faulty: Faulty, platform_with_faults: Platform) -> None:
    id = Chain(faulty.client).connection()
    etag = faulty.client.get(f"{LIST}/{id}").json()["items"][0]["etag"]
    faulty.go_wrong("concurrent_edit")
    with platform_with_faults.client("other" + faulty.org) as stranger:
        answer = stranger.patch(f"{LIST}/{id}", json=[], headers={"If-Match": etag})
    assert answer.status_code == 404
    assert faulty.client.get(f"{LIST}/{id}").json()["items"][0]["etag"] == etag
    assert faulty.counts() == [(1, 0)]


def test_a_flow_that_somebody_else_edits_goes_on(faulty: Faulty) -> None:
    chain = Chain(faulty.client)
    id = chain.flow()
    etag = chain.get(f"{FLOW}/flows/{id}")["etag"]
    faulty.go_wrong({"times": 1, "fault": "concurrent_edit"})
    path = f"{FLOW}/flows/{id}/action?op=disable"
    assert faulty.client.post(path, headers={"If-Match": etag}).status_code == 412
    assert faulty.client.post(path, headers={"If-Match": chain.get(f"{FLOW}/flows/{id}")["etag"]}).status_code == 200
    assert chain.get(f"{FLOW}/flows/{id}")["state"] == "disabled"


def test_switches_are_set_for_one_request_only(faulty: Faulty) -> None:
    chain = Chain(faulty.client)
    chain.connection()
    faulty.go_wrong({"after": 1, "times": 1, "fault": {"kind": "switches", "set": {"secrets_in_answers": "absent"}}})
    shown = [faulty.client.get(LIST).json()["items"][0]["auth"]["params"] for _ in range(3)]
    assert ["password" in each for each in shown] == [True, False, True]
    faulty.go_wrong({"kind": "switches", "set": {"page_size": 1}})
    chain.connection()
    assert len(faulty.client.get(LIST).json()["items"]) == 1
    faulty.go_wrong({"kind": "switches", "set": {"duplicate_names": "refused"}})
    assert faulty.client.post(LIST, json=chain.connection_body()).status_code == 409
    assert faulty.injected() == [1]


def test_switches_that_are_set_leave_the_others_alone(inside: Callable[..., Inside], tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("rules: [{fault: {kind: switches, set: {secrets_in_answers: absent}}}]")
    client = inside(assume=Assumptions(page_size=1).model_dump(), faults=file).client()
    for _ in range(2):
        Chain(client).connection()
    items = client.get(LIST).json()["items"]
    assert len(items) == 1
    assert "password" not in items[0]["auth"]["params"]


@pytest.fixture
def demand(faulty: Faulty, platform_with_faults: Platform) -> OnDemand:
    """A flow on demand."""
    table = platform_with_faults.tables / f"t{faulty.org.partition('@')[0]}.csv"
    return OnDemand(platform_with_faults, faulty.client, table)


def listed(demand: OnDemand) -> list[str]:
    answer = demand.client.get(RUNS, params={"property": f"flowId=={demand.id}"})
    return [each["id"] for each in answer.json()["items"]]


def found(demand: OnDemand, id: str) -> int:
    return demand.client.get(f"{RUNS}/{id}").status_code


def test_a_run_is_stuck_as_long_as_its_rule_is_there(faulty: Faulty, demand: OnDemand) -> None:
    faulty.go_wrong({"chance": 0, "fault": "run_stuck"}, {"times": 1, "fault": "run_stuck"})
    stuck = demand.posted()
    awaited(lambda: faulty.counts() == [(1, 0), (1, 1)])
    assert demand.run(demand.posted()), "another one is not"
    assert faulty.counts() == [(2, 0), (2, 1)]
    since = time.monotonic()
    while time.monotonic() - since < 0.6:
        assert status(demand.seen(stuck, bool)) == "inProgress"
        time.sleep(0.05)
    assert faulty.counts() == [(2, 0), (2, 1)], "each run is looked at once"
    assert demand.landed() == [0, 1], "its rows are not there, those of the other one are"
    assert demand.again(stuck).status_code == 400
    faulty.go_wrong()
    assert status(demand.run(stuck)) == "success"
    assert demand.landed() == [0, 0, 1, 1]


def test_a_run_is_stuck_for_a_while(faulty: Faulty, demand: OnDemand) -> None:
    faulty.go_wrong({"kind": "run_stuck", "seconds": 0.5})
    began = time.monotonic()
    run = demand.run(demand.posted())
    assert time.monotonic() - began >= 0.5
    assert status(run) == "success"
    assert demand.landed() == [0, 1]
    assert faulty.counts() == [(1, 1)]


def test_which_runs_are_stuck_is_a_matter_of_chance(faulty: Faulty, demand: OnDemand) -> None:
    faulty.go_wrong({"chance": 0.5, "fault": "run_stuck"})
    ids = [demand.posted() for _ in range(8)]
    awaited(lambda: faulty.counts()[0][0] == 8)
    injected = faulty.injected()[0]
    assert 0 < injected < 8
    words = awaited(
        lambda: [status(demand.seen(id, bool)) for id in ids], lambda words: words.count("success") == 8 - injected
    )
    assert words.count("inProgress") == injected


def test_a_run_that_vanished_is_nowhere(faulty: Faulty, demand: OnDemand) -> None:
    ids = [demand.posted() for _ in range(2)]
    for id in ids:
        demand.run(id)
    awaited(lambda: listed(demand), lambda listed: listed == ids[::-1])
    faulty.go_wrong({"times": 1, "fault": "run_vanished"})
    answer = demand.client.get(f"{RUNS}/{ids[0]}")
    assert (answer.status_code, code(answer)) == (404, "1439")
    assert listed(demand) == ids[1:]
    search = {"queryString": f"property=id=={ids[0]}"}
    assert demand.client.post(f"{RUNS}/search", json=search).json()["items"] == []
    assert demand.client.get(RUNS, params={"property": f"flowId=={demand.id}", "count": "true"}).json() == {"count": 1}
    assert demand.again(ids[0]).status_code == 404
    assert found(demand, ids[1]) == 200
    assert faulty.injected() == [1]
    faulty.go_wrong()
    assert listed(demand) == ids[::-1], "nothing was deleted"


def test_a_run_vanishes_from_the_very_list_that_had_it_and_comes_back(faulty: Faulty, demand: OnDemand) -> None:
    ids = [demand.posted() for _ in range(2)]
    awaited(lambda: listed(demand), lambda listed: listed == ids[::-1])
    faulty.go_wrong({"times": 1, "fault": {"kind": "run_vanished", "seconds": 1}})
    assert listed(demand) == ids[:1], "the first one, which is the newest"
    assert found(demand, ids[1]) == 404
    awaited(lambda: found(demand, ids[1]) == 200)
    assert listed(demand) == ids[::-1]


def test_a_list_without_runs_loses_none(faulty: Faulty) -> None:
    faulty.go_wrong("run_vanished")
    assert faulty.client.get(RUNS).json()["items"] == []
    assert faulty.client.get(f"{RUNS}/none").status_code == 404
    assert faulty.counts() == [(2, 0)]


def test_a_run_says_it_in_other_words(faulty: Faulty, demand: OnDemand) -> None:
    id = demand.posted()
    demand.run(id)
    awaited(lambda: listed(demand) == [id])
    faulty.go_wrong({"kind": "run_words", "words": {"success": "Completed", "failed": "FAILED"}})
    answers = [demand.client.get(f"{RUNS}/{id}"), demand.client.get(RUNS, params={"property": f"flowId=={demand.id}"})]
    for answer in answers:
        (run,) = answer.json()["items"]
        assert status(run) == "Completed"
        assert run["activities"], "and so do its activities"
        assert {each["statusSummary"]["status"] for each in run["activities"]} == {"Completed"}
    assert faulty.injected() == [2]
    assert demand.flow()["lastRunDetails"]["state"] == "success"
    faulty.go_wrong({"kind": "run_words", "words": {"inProgress": "RUNNING"}})
    assert status(demand.run(id)) == "success"
    assert faulty.counts() == [(1, 0)]


def test_a_run_in_the_words_of_a_switch(faulty: Faulty, demand: OnDemand) -> None:
    id = demand.posted()
    demand.run(id)
    words = []
    for setting in ("documented", "capitalised", "provider"):
        faulty.go_wrong({"path": "/runs**", "fault": {"kind": "switches", "set": {"run_statuses": setting}}})
        words.append(status(demand.seen(id, bool)))
    assert words == ["success", "Success", "SUCCESS"]


def test_rows_land_once_although_the_answer_was_lost(faulty: Faulty, demand: OnDemand) -> None:
    faulty.go_wrong({"path": "/runs", "method": "POST", "fault": "hang_up"})
    with pytest.raises(httpx.ReadError):
        demand.post()
    faulty.go_wrong()
    (id,) = awaited(lambda: listed(demand))
    assert status(demand.run(id)) == "success"
    assert demand.landed() == [0, 1]
