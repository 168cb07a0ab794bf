"""Accounts that may look and not touch, and accounts that may write with some services only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import CATALOG, FLOW, FULL, MAPPINGS, PROFILE, SCHEMAS, Chain, Inside

ORG = "ONE@AdobeOrg"
PARAMS = {"endpoint": "https://dev1.service-now.example", "username": "ann", "password": "right-s3cret"}
ACCOUNTS = """
organisations: [{id: ONE@AdobeOrg, tenant: one}]
clients:
  - {id: admin, secret: s3cret, organisation: ONE@AdobeOrg}
  - id: planner
    secret: s3cret
    organisation: ONE@AdobeOrg
    permissions: {sources: [read], schemas: [read], datasets: [read], mappings: [read]}
  - {id: sources, secret: s3cret, organisation: ONE@AdobeOrg, permissions: {sources: [read]}}
  - {id: schemas, secret: s3cret, organisation: ONE@AdobeOrg, permissions: {schemas: [read]}}
  - {id: datasets, secret: s3cret, organisation: ONE@AdobeOrg, permissions: {datasets: [read]}}
  - {id: mappings, secret: s3cret, organisation: ONE@AdobeOrg, permissions: {mappings: [read]}}
source_credentials:
  - connector: service-now
    params: {endpoint: "https://dev1.service-now.example", username: ann, password: right-s3cret}
"""
ALL = {"Accept": "application/vnd.adobe.xed+json"}
SERVICES = ("sources", "schemas", "datasets", "mappings")


class Held:
    """A dataflow that an administrator made, and clients that meet it."""

    def __init__(self, platform: Inside) -> None:
        self.platform = platform
        chain = Chain(self.client("admin"))
        base = chain.connection(auth={"specName": "Basic Authentication", "params": PARAMS})
        self.body = chain.flow_body(sourceConnectionIds=[chain.source(base)])
        self.flow = chain.flow(self.body)
        self.paths = {
            "base": f"{FLOW}/connections/{base}",
            "source": f"{FLOW}/sourceConnections/{self.body['sourceConnectionIds'][0]}",
            "target": f"{FLOW}/targetConnections/{self.body['targetConnectionIds'][0]}",
            "flow": f"{FLOW}/flows/{self.flow}",
            "mapping": f"{MAPPINGS}/mappingSets/{self.body['transformations'][1]['params']['mappingId']}",
        }
        dataset = chain.get(self.paths["target"])["params"]["dataSetId"]
        self.paths["dataset"] = f"{CATALOG}/dataSets/{dataset}"
        (schema,) = chain.client.get(f"{SCHEMAS}/tenant/schemas", headers=ALL).json()["results"]
        self.schema = schema["$id"]
        self.paths["schema"] = f"{SCHEMAS}/tenant/schemas/{schema['meta:altId']}"

    def client(self, id: str) -> httpx.Client:
        return self.platform.client(ORG, client_id=id)

    def state(self) -> list[Any]:
        """All that a client can see of it."""
        client = self.client("admin")
        return [client.get(path, headers={"Accept": FULL}).json() for path in self.paths.values()]

    def writes(self) -> dict[str, list[tuple[str, str, Any]]]:
        """For each service requests that would write, each valid but for the right to do so."""
        name = [{"op": "replace", "path": "/name", "value": "x"}]
        mapping = {
            "xdmSchema": self.schema,
            "mappings": [{"sourceType": "ATTRIBUTE", "source": "Id", "destination": "_id"}],
        }
        schema = {"type": "object", "title": "x", "allOf": [{"$ref": PROFILE}]}
        dataset = {"name": "x", "schemaRef": {"id": self.schema, "contentType": FULL}}
        credentials = {"specName": "Basic Authentication", "params": PARAMS}
        base = {"name": "x", "connectionSpec": {"id": "eb13cb25-47ab-407f-ba89-c0125281c563"}, "auth": credentials}
        objects = [self.paths[each] for each in ("flow", "source", "target", "base")]
        return {
            "sources": [
                ("POST", f"{FLOW}/connections", base),
                ("POST", f"{FLOW}/flows", self.body),
                ("POST", f"{self.paths['flow']}/action?op=disable", None),
                *(("PATCH", path, name) for path in objects),
                *(("DELETE", path, None) for path in objects),
            ],
            "schemas": [
                ("POST", f"{SCHEMAS}/tenant/schemas", schema),
                ("PATCH", self.paths["schema"], [{"op": "add", "path": "/description", "value": "x"}]),
                ("PUT", self.paths["schema"], schema),
                ("DELETE", self.paths["schema"], None),
            ],
            "datasets": [
                ("POST", f"{CATALOG}/dataSets", dataset),
                ("PATCH", self.paths["dataset"], {"name": "x"}),
                ("DELETE", self.paths["dataset"], None),
            ],
            "mappings": [("POST", f"{MAPPINGS}/mappingSets", mapping), ("PUT", self.paths["mapping"], mapping)],
        }

    def reads(self) -> list[tuple[str, dict[str, str]]]:
        """Every look that a comparison of what is wanted with what is there takes."""
        base = self.paths["base"]
        plain = {"Accept": "application/json"}
        return [
            *(
                (f"{FLOW}/{kind}?limit=100", plain)
                for kind in ("connections", "sourceConnections", "targetConnections")
            ),
            *((f"{FLOW}/{kind}?limit=100", plain) for kind in ("flows", "runs", "flowSpecs", "connectionSpecs")),
            (f"{FLOW}/flows?property=name==flow", plain),
            (f"{base}/test", plain),
            (f"{base}/explore?objectType=root", plain),
            (f"{base}/explore?objectType=table&object=Account", plain),
            (f"{base}/explore?objectType=table&object=Account&preview=true", plain),
            (f"{SCHEMAS}/stats", plain),
            *((f"{SCHEMAS}/tenant/{kind}", ALL) for kind in ("schemas", "fieldgroups", "classes")),
            (f"{SCHEMAS}/global/fieldgroups", ALL),
            (f"{CATALOG}/dataSets?limit=100", plain),
            (f"{CATALOG}/batches", plain),
            (f"{MAPPINGS}/mappingSets?limit=100&start=0", plain),
            (f"{self.paths['mapping']}?version=0", plain),
            *((path, {"Accept": FULL} if "schemaregistry" in path else plain) for path in self.paths.values()),
        ]


@pytest.fixture
def held(inside: Callable[..., Inside], tmp_path: Path) -> Held:
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(ACCOUNTS)
    return Held(inside(accounts=accounts))


def test_a_plan_takes_rights_to_read_only(held: Held) -> None:
    planner, admin = held.client("planner"), held.client("admin")
    for path, headers in held.reads():
        answer = planner.get(path, headers=headers)
        assert answer.status_code == 200, (path, answer.text)
        assert answer.json() == admin.get(path, headers=headers).json(), path
    assert planner.get(f"{held.paths['base']}/test").json() == {"result": True}
    before = held.state()
    for requests in held.writes().values():
        for method, path, body in requests:
            answer = planner.request(method, path, json=body, headers={"If-Match": "x"})
            assert answer.status_code == 403, (method, path, answer.text)
    assert held.state() == before


@pytest.mark.parametrize("service", SERVICES)
def test_rights_are_given_for_each_service(held: Held, service: str) -> None:
    client = held.client(service)
    for each, requests in held.writes().items():
        for method, path, body in requests:
            answer = client.request(method, path, json=body, headers={"If-Match": "x"})
            assert (answer.status_code == 403) is (each == service), (method, path, answer.text)
