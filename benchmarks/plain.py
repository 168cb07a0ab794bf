"""What people write today: the same steps with plain `requests`, one after another, nothing looked up or checked."""

from __future__ import annotations

import time
from typing import Any

import requests

SERVICENOW = "eb13cb25-47ab-407f-ba89-c0125281c563"
DATA_LAKE = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
FLOW_SERVICE = "/data/foundation/flowservice"
REGISTRY = "/data/foundation/schemaregistry"
DAILY = {"frequency": "day", "interval": 1, "backfill": True}
ON_DEMAND = {"frequency": "once", "startTime": 2_147_483_000}
"""Its start lies far ahead, so that AEP does not run it by itself."""


class PlainClient:
    """A session, and a count of what it sent."""

    timeout = 60.0
    """Seconds."""

    def __init__(self, url: str, org: str, sandbox: str) -> None:
        self.url, self.sent = url, 0
        token = requests.post(
            f"{url}/ims/token/v3",
            data={"grant_type": "client_credentials", "client_id": "plain", "client_secret": "plain-secret"},
            timeout=self.timeout,
        ).json()["access_token"]
        self.session = requests.Session()
        self.session.headers.update(
            {
                "Authorization": f"Bearer {token}",
                "x-api-key": "plain",
                "x-gw-ims-org-id": org,
                "x-sandbox-name": sandbox,
            }
        )

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Send one request and return its body."""
        self.sent += 1
        answer = self.session.request(method, self.url + path, timeout=self.timeout, **options)
        answer.raise_for_status()
        return answer.json()


def base_connection(client: PlainClient, name: str) -> str:
    """The credentials of the source system."""
    params = {"endpoint": "https://bench.service-now.example", "username": "bench", "password": "bench-secret"}
    body = {
        "name": name,
        "connectionSpec": {"id": SERVICENOW, "version": "1.0"},
        "auth": {"specName": "Basic Authentication", "params": params},
    }
    connection_id = client.call("POST", f"{FLOW_SERVICE}/connections", json=body)["id"]
    client.call("GET", f"{FLOW_SERVICE}/connections/{connection_id}/test")
    return str(connection_id)


def provision(client: PlainClient, base: str, name: str, table: str, delta: str, *, on_demand: bool = False) -> str:
    """
    Source connection, field group, schema, dataset, target connection, mapping set and flow of one dataflow.

    :param on_demand: have its runs posted, instead of one a day.
    """
    call = client.call
    explore = {"objectType": "table", "object": table}
    columns = call("GET", f"{FLOW_SERVICE}/connections/{base}/explore", params=explore)["schema"]["columns"]
    tenant = "_" + call("GET", f"{REGISTRY}/stats", headers={"Accept": "application/json"})["tenantId"]
    source = call(
        "POST",
        f"{FLOW_SERVICE}/sourceConnections",
        json={
            "name": name,
            "baseConnectionId": base,
            "data": {"format": "tabular"},
            "params": {"tableName": table, "columns": columns},
            "connectionSpec": {"id": SERVICENOW, "version": "1.0"},
        },
    )["id"]
    fields = {column["name"]: {"type": "string"} for column in columns}
    nested = {tenant: {"type": "object", "properties": {table: {"type": "object", "properties": fields}}}}
    profile = "https://ns.adobe.com/xdm/context/profile"
    group = call(
        "POST",
        f"{REGISTRY}/tenant/fieldgroups",
        json={
            "type": "object",
            "title": f"{name} columns",
            "meta:intendedToExtend": [profile],
            "definitions": {"columns": {"properties": nested}},
            "allOf": [{"$ref": "#/definitions/columns"}],
        },
    )["$id"]
    schema = call(
        "POST",
        f"{REGISTRY}/tenant/schemas",
        json={"type": "object", "title": name, "allOf": [{"$ref": profile}, {"$ref": group}]},
    )["$id"]
    version = "application/vnd.adobe.xed-full+json;version=1"
    dataset = call(
        "POST",
        "/data/foundation/catalog/dataSets",
        json={"name": name, "schemaRef": {"id": schema, "contentType": version}},
    )[0].rsplit("/", 1)[-1]
    target = call(
        "POST",
        f"{FLOW_SERVICE}/targetConnections",
        json={
            "name": name,
            "data": {"format": "parquet_xdm", "schema": {"id": schema, "version": version}},
            "params": {"dataSetId": dataset},
            "connectionSpec": {"id": DATA_LAKE, "version": "1.0"},
        },
    )["id"]
    mappings = [
        {"sourceType": "ATTRIBUTE", "source": column["name"], "destination": f"{tenant}.{table}.{column['name']}"}
        for column in columns
    ]
    mapping = call(
        "POST",
        "/data/foundation/conversion/mappingSets",
        json={"outputSchema": {"schemaRef": {"id": schema, "contentType": version}}, "mappings": mappings},
    )["id"]
    spec = call("GET", f"{FLOW_SERVICE}/flowSpecs", params={"property": "name==CRMToAEP"})["items"][0]
    flow = call(
        "POST",
        f"{FLOW_SERVICE}/flows",
        json={
            "name": name,
            "flowSpec": {"id": spec["id"], "version": spec["version"]},
            "sourceConnectionIds": [source],
            "targetConnectionIds": [target],
            "transformations": [
                *([] if on_demand else [{"name": "Copy", "params": {"deltaColumn": {"name": delta}}}]),
                {"name": "Mapping", "params": {"mappingId": mapping, "mappingVersion": "0"}},
            ],
            "scheduleParams": ON_DEMAND if on_demand else {**DAILY, "startTime": int(time.time()) + 3600},
        },
    )["id"]
    return str(flow)
