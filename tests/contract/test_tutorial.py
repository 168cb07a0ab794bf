"""The requests of Adobe's tutorial as they are printed, repaired where they must be, give the answers printed there."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from . import models
from .parts import Parts
from .platform import CATALOG, FLOW, RECORD, REGISTRY, SERVICE_CLOUD, Caller, anybody, checked, refused

TUTORIAL = Path(__file__).resolve().parents[3] / "shared" / "reference" / "tutorial-customer-success.nl.md"
PERSON = "https://ns.adobe.com/xdm/context/profile-person-details"
pytestmark = pytest.mark.skipif(not TUTORIAL.exists(), reason="the tutorial lies beside the checkout, and is not there")


class Printed:
    """A request of the tutorial and the answer under it."""

    def __init__(self, text: str) -> None:
        method, url = re.search(r"curl -X (\w+) \\\s+'([^']+)'", text).groups()  # type: ignore[union-attr]
        self.method = method
        self.path = "/data/" + url.split("/data/", 1)[1]
        self.authorised = "Authorization: Bearer" in text
        body = re.search(r"-d '(\{.*?\})'\s*```", text, re.DOTALL)
        self.text = body[1] if body else ""
        self.answer = json.loads(re.search(r"```json\n(.*?)\n```", text, re.DOTALL)[1])  # type: ignore[index]

    @property
    def body(self) -> dict[str, Any]:
        """The request's body without its trailing commas."""
        return dict(json.loads(re.sub(r",(\s*[}\]])", r"\1", self.text)))


@pytest.fixture(scope="module")
def printed() -> dict[str, Printed]:
    texts = TUTORIAL.read_text(encoding="utf-8").split("\n**Verzoek**\n")[1:] if TUTORIAL.exists() else []
    # The request for a target connection stands without that heading.
    texts = [part for text in texts for part in re.split(r"\n(?=```shell\n)", text) if "curl -X" in part]
    requests = [Printed(text) for text in texts]
    return {re.split(r"[/?]", request.path)[4]: request for request in requests}


def test_the_five_requests_repaired(aep: Caller, printed: dict[str, Printed]) -> None:
    assert set(printed) == {"sourceConnections", "targetConnections", "mappingSets", "flowSpecs", "flows"}
    answers: dict[str, Any] = {}

    def send(name: str, body: dict[str, Any]) -> str:
        answer = aep.post(printed[name].path, body)
        model = models.MappingSetCreated if name == "mappingSets" else models.Created
        told = checked(answer, model, 200 if name == "mappingSets" else 201)
        answers[name] = answer.json()
        assert set(answers[name]) == set(printed[name].answer)
        assert {key: type(value) for key, value in answers[name].items()} == {
            key: type(value) for key, value in printed[name].answer.items()
        }
        return told.id

    params = {"username": "ann", "password": "p", "securityToken": "t"}
    auth = {"specName": "Basic Authentication", "params": params}
    base = aep.base(connectionSpec={"id": SERVICE_CLOUD, "version": "1.0"}, auth=auth)
    references = [{"$ref": RECORD}, {"$ref": PERSON}]
    schema_body = {"type": "object", "title": "Customer success", "allOf": references}
    schema = checked(aep.post(f"{REGISTRY}/tenant/schemas", schema_body), models.Schema, 201).id
    dataset = aep.dataset(schema)

    source = send("sourceConnections", printed["sourceConnections"].body | {"baseConnectionId": base})
    target_body = printed["targetConnections"].body
    target_body["data"]["schema"]["id"], target_body["params"]["dataSetId"] = schema, dataset
    target = send("targetConnections", target_body)
    mapping = send("mappingSets", printed["mappingSets"].body | {"xdmSchema": schema})

    answer = aep.get(printed["flowSpecs"].path)
    (spec,) = checked(answer, models.Listing[models.FlowSpec]).items
    (shown,) = printed["flowSpecs"].answer["items"]
    assert (spec.id, spec.name) == (shown["id"], shown["name"])
    assert set(shown["sourceConnectionSpecIds"]) <= set(spec.sourceConnectionSpecIds)
    told = answer.json()["items"][0]
    for step in shown["transformationSpecs"]:
        assert spec.steps[step["name"]]["properties"].keys() == step["spec"]["properties"].keys()
    rules = ("properties", "required", "if", "then", "else")
    assert {rule: told["scheduleSpec"]["spec"][rule] for rule in rules} == {
        rule: shown["scheduleSpec"]["spec"][rule] for rule in rules
    }
    assert told["permissionsInfo"] == shown["permissionsInfo"]

    body = printed["flows"].body | {"sourceConnectionIds": [source], "targetConnectionIds": [target]}
    body["transformations"][0]["params"]["deltaColumn"]["name"] = "CreatedDate"
    body["transformations"][1]["params"]["mappingId"] = mapping
    body["scheduleParams"]["startTime"] = str(int(time.time()) + 9_000_000)
    flow = aep.settled(send("flows", body))
    kept = aep.get(f"{FLOW}/flows/{flow.id}").json()["items"][0]
    assert kept["scheduleParams"] == body["scheduleParams"], "strings stay strings"
    assert kept["transformations"][1]["params"]["mappingVersion"] == "0"
    assert kept["name"] == body["name"]


def test_as_printed_they_fail(parts: Parts, printed: dict[str, Printed]) -> None:
    aep = parts.aep
    as_json = {"content-type": "application/json"}
    answer = aep.post(printed["sourceConnections"].path, content=printed["sourceConnections"].text, headers=as_json)
    assert answer.status_code == 400, "a trailing comma is no JSON"
    for name in ("flowSpecs", "flows"):
        assert not printed[name].authorised
        headers = {key: value for key, value in aep.http.headers.items() if key.startswith("x-")}
        sent = anybody(printed[name].method, aep.server.url + printed[name].path, headers=headers)
        assert str(checked(sent, models.GatewayError, 403).error_code) == "403010"
    refused(aep.post(printed["targetConnections"].path, printed["targetConnections"].body))
    body = printed["flows"].body | {"sourceConnectionIds": [parts.source], "targetConnectionIds": [parts.target]}
    body["transformations"][0]["params"]["deltaColumn"]["name"] = "CreatedDate"
    body["transformations"][1]["params"]["mappingId"] = parts.mapping
    refused(aep.post(printed["flows"].path, body), 1360)
    assert checked(aep.get(f"{CATALOG}/dataSets"), models.DataSets).root.keys() == {parts.dataset}
