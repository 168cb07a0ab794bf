"""Adobe's tutorial, its requests repaired and sent with curl, gives the answers that it prints."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from typing import Any

import httpx
import pytest

from .conftest import CATALOG, FLOW, MAPPINGS, PROFILE, SCHEMAS, SERVICE_CLOUD, Chain, Platform

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ETAG = re.compile(r'"[0-9a-f]{8}-0000-0200-0000-[0-9a-f]{12}"')


class Curl:
    def __init__(self, platform: Platform, aep: httpx.Client) -> None:
        names = ("authorization", "x-api-key", "x-gw-ims-org-id", "x-sandbox-name")
        self.url = platform.url
        self.headers = "".join(f"{name}: {aep.headers[name]}\n" for name in names)

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        command = ["curl", "-sS", "-g", "-X", method, self.url + path, "-H", "@-", "-w", "\n%{http_code}"]
        if body is not None:
            command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        # Not on the command line, which others can read.
        done = subprocess.run(command, input=self.headers, capture_output=True, text=True, check=True, timeout=60)
        answer, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(answer)


@pytest.fixture
def curl(platform: Platform, aep: httpx.Client) -> Curl:
    return Curl(platform, aep)


def columns() -> list[dict[str, Any]]:
    plain = [{"name": name, "type": "string", "xdm": {"type": "string"}} for name in ("Id", "Name", "Phone")]
    created = {"name": "CreatedDate", "type": "string", "meta:xdmType": "date-time"}
    return [*plain, {**created, "xdm": {"type": "string", "format": "date-time"}}]


def test_the_five_requests(curl: Curl, chain: Chain) -> None:
    params = {"username": "ann", "password": "p", "securityToken": "t"}
    spec = {"id": SERVICE_CLOUD, "version": "1.0"}
    auth = {"specName": "Basic Authentication", "params": params}
    base = chain.connection(connectionSpec=spec, auth=auth)

    status, source = curl(
        "POST",
        f"{FLOW}/sourceConnections",
        {
            "name": "Source connection for Customer Success",
            "baseConnectionId": base,
            "description": "Source connection for a Customer Success connector",
            "data": {"format": "tabular"},
            "params": {"tableName": "Account", "columns": columns()},
            "connectionSpec": spec,
        },
    )
    assert status == 201
    assert_id_and_etag(source)

    groups = [PROFILE, "https://ns.adobe.com/xdm/context/profile-person-details"]
    body = {"type": "object", "title": "Customer Success", "allOf": [{"$ref": each} for each in groups]}
    status, schema = curl("POST", f"{SCHEMAS}/tenant/schemas", body)
    assert status == 201
    reference = {"id": schema["$id"], "contentType": "application/vnd.adobe.xed-full+json;version=1"}
    status, dataset = curl("POST", f"{CATALOG}/dataSets", {"name": "Customer Success", "schemaRef": reference})
    assert status == 201

    status, target = curl(
        "POST",
        f"{FLOW}/targetConnections",
        {
            "name": "Target Connection for a customer success connector",
            "description": "Target Connection for a customer success connector",
            "data": {
                "format": "parquet_xdm",
                "schema": {"id": schema["$id"], "version": "application/vnd.adobe.xed-full+json;version=1"},
            },
            "params": {"dataSetId": dataset[0].rpartition("/")[2]},
            "connectionSpec": {"id": "c604ff05-7f1a-43c0-8e18-33bf874cb11c", "version": "1.0"},
        },
    )
    assert status == 201
    assert_id_and_etag(target)

    status, mapping = curl(
        "POST",
        f"{MAPPINGS}/mappingSets",
        {
            "version": 0,
            "xdmSchema": schema["$id"],
            "xdmVersion": "1.0",
            "id": None,
            "mappings": [
                {
                    "destinationXdmPath": destination,
                    "sourceAttribute": source_attribute,
                    "identity": False,
                    "identityGroup": None,
                    "namespaceCode": None,
                    "version": 0,
                }
                for destination, source_attribute in (
                    ("_id", "Id"),
                    ("person.name.fullName", "Name"),
                    ("_repo.createDate", "CreatedDate"),
                )
            ],
        },
    )
    assert status == 200
    assert set(mapping) == {"id", "version", "createdDate", "modifiedDate", "createdBy", "modifiedBy"}
    assert re.fullmatch("[0-9a-f]{32}", mapping["id"])
    assert mapping["version"] == 0

    status, specs = curl("GET", f'{FLOW}/flowSpecs?property=name=="CRMToAEP"')
    assert status == 200
    assert [each["name"] for each in specs["items"]] == ["CRMToAEP"]
    flow_spec = specs["items"][0]
    assert flow_spec["id"] == "14518937-270c-4525-bdec-c2ba7cce3860"
    assert len(set(flow_spec["sourceConnectionSpecIds"])) == 37
    assert SERVICE_CLOUD in flow_spec["sourceConnectionSpecIds"]
    assert flow_spec["scheduleSpec"]["spec"]["required"] == ["startTime", "frequency"]

    start = str(int(time.time()) + 3600)
    schedule = {"startTime": start, "frequency": "minute", "interval": "15", "backfill": "true"}
    delta = {"name": "CreatedDate", "dateFormat": "YYYY-MM-DD", "timezone": "UTC"}
    status, flow = curl(
        "POST",
        f"{FLOW}/flows",
        {
            "name": "Creating a dataflow for a Customer Success connector",
            "description": "Creating a dataflow for a Customer Success connector",
            "flowSpec": {"id": flow_spec["id"], "version": "1.0"},
            "sourceConnectionIds": [source["id"]],
            "targetConnectionIds": [target["id"]],
            "transformations": [
                {"name": "Copy", "params": {"deltaColumn": delta}},
                {"name": "Mapping", "params": {"mappingId": mapping["id"], "mappingVersion": 0}},
            ],
            "scheduleParams": schedule,
        },
    )
    assert status == 201
    assert_id_and_etag(flow)

    kept = chain.get(f"{FLOW}/flows/{flow['id']}")
    assert kept["scheduleParams"] == schedule, "the schedule comes back as it was sent"
    assert kept["transformations"][1]["params"]["mappingVersion"] == "0"


def assert_id_and_etag(answer: dict[str, Any]) -> None:
    assert set(answer) == {"id", "etag"}
    assert UUID.fullmatch(answer["id"])
    assert ETAG.fullmatch(answer["etag"]), "the double quotes belong to the etag"
    written = int(answer["etag"].strip('"').rpartition("-")[2][:8], 16)
    assert abs(written - time.time()) < 30
