"""The mix that ``aep-local faults`` prints can be outlived: a caller that looks before it tries again gets one of everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from aep_local.faults.mix import MIX

from .conftest import CATALOG, FLOW, FULL, MAPPINGS, SCHEMAS, Chain, Platform, authorised
from .faulty import NO_TLS, Faulty
from .lake import STARTED, status
from .waiting import awaited

pytestmark = pytest.mark.slow

SETTLED = 1.2
"""Seconds after which every list of the mix has what was made."""
PATIENCE = 60
MIDNIGHT = 1767225600
TITLES = {"Accept": "application/vnd.adobe.xed-id+json"}


class Unclear(Exception):
    """What came says nothing about what is there."""


class Careful:
    """A caller that believes an answer only if it is what the contract says, and of a write that is unclear nothing at all."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = authorised(url, "none yet", "A@AdobeOrg", "prod", "tester")
        self.client.timeout = httpx.Timeout(2)
        self.unclear = 0

    def token(self) -> None:
        form = {"grant_type": "client_credentials", "client_id": "tester", "client_secret": "s"}
        found = httpx.post(f"{self.url}/ims/token/v3", data=form, timeout=2, verify=NO_TLS)
        self.client.headers["Authorization"] = f"Bearer {found.json()['access_token']}"

    def once(self, method: str, path: str, **more: Any) -> Any:
        """The document that a request is answered with, or ``Unclear``; what is refused for good is a failure of the test."""
        try:
            answer = self.client.request(method, path, **more)
            if answer.status_code == 401:
                self.token()
            if answer.status_code not in {200, 201, 401, 403, 404, 307, 429, 500, 502, 503, 504}:
                raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")
            if answer.status_code in {200, 201}:
                return answer.json()
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise Unclear from error
        raise Unclear

    def sure(self, ask: Callable[[], Any]) -> Any:
        """What a question is answered with in the end."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return ask()
            except Unclear:
                self.unclear += 1
                assert time.monotonic() < deadline, "nothing came through any more"
                time.sleep(0.05)

    def all(self, kind: str) -> list[dict[str, Any]]:
        return list(self.sure(lambda: {each["id"]: each for each in self._pages(kind)}).values())

    def _pages(self, kind: str) -> Iterator[dict[str, Any]]:
        params: dict[str, Any] = {"limit": 2}
        seen: set[str] = set()
        while True:
            page = self.once("GET", f"{FLOW}/{kind}", params=params)
            match page:
                case {"items": list() as items, "_links": dict() as links}:
                    yield from items
                case _:
                    raise Unclear
            if "next" not in links:
                return
            token = parse_qs(urlsplit(links["next"]["href"]).query)["continuationToken"][0]
            if token in seen:
                raise Unclear
            seen.add(token)
            params["continuationToken"] = token

    def flow_service(self, kind: str, body: dict[str, Any]) -> str:
        def found() -> list[str]:
            return [each["id"] for each in self.all(kind) if each["name"] == body["name"]]

        return self.one(found, lambda: self.once("POST", f"{FLOW}/{kind}", json=body)["id"])

    def schema(self, body: dict[str, Any]) -> str:
        def read() -> list[str]:
            params = {"property": f"title=={body['title']}"}
            page = self.once("GET", f"{SCHEMAS}/tenant/schemas", params=params, headers=TITLES)
            match page:
                case {"results": list() as results}:
                    return [each["$id"] for each in results]
            raise Unclear

        return self.one(
            lambda: self.sure(read), lambda: self.once("POST", f"{SCHEMAS}/tenant/schemas", json=body)["$id"]
        )

    def dataset(self, body: dict[str, Any]) -> str:
        def read() -> list[str]:
            page = self.once("GET", f"{CATALOG}/dataSets", params={"name": body["name"]})
            if not isinstance(page, dict):
                raise Unclear
            return list(page)

        def post() -> str:
            match self.once("POST", f"{CATALOG}/dataSets", json=body):
                case [str() as place]:
                    return place.rpartition("/")[2]
            raise Unclear

        return self.one(lambda: self.sure(read), post)

    def mapping(self, body: dict[str, Any]) -> str:
        def read() -> list[str]:
            page = self.once("GET", f"{MAPPINGS}/mappingSets", params={"limit": 100, "start": 0, "name": body["name"]})
            match page:
                case {"data": list() as data}:
                    return [each["id"] for each in data]
            raise Unclear

        return self.one(lambda: self.sure(read), lambda: self.once("POST", f"{MAPPINGS}/mappingSets", json=body)["id"])

    def one(self, found: Callable[[], list[str]], post: Callable[[], str]) -> str:
        """What is there, or else is made: nothing is posted unless it is not there for sure."""
        for _ in range(PATIENCE):
            there = set(found())
            if there:
                (id,) = there
                return id
            try:
                return post()
            except (Unclear, KeyError, TypeError):
                self.unclear += 1
                time.sleep(SETTLED)
        raise AssertionError("nothing could be made")


@pytest.mark.parametrize(
    "seed", [1, pytest.param(2, marks=pytest.mark.thorough), pytest.param(3, marks=pytest.mark.thorough)]
)
def test_a_careful_caller_gets_one_of_everything(
    start_platform: Callable[..., Platform], tmp_path: Path, seed: int
) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(MIX.replace("seed: 1", f"seed: {seed}"))
    platform = start_platform("--faults", str(file))
    caller = Careful(platform.url)
    with caller.client:
        faulty = Faulty(platform, caller.client, "A@AdobeOrg")
        bodies = Chain(caller.client)
        connections = [caller.flow_service("connections", bodies.connection_body(name=f"base {n}")) for n in range(12)]
        sources = [
            caller.flow_service("sourceConnections", bodies.source_body(each, name=f"source {n}"))
            for n, each in enumerate(connections)
        ]
        schema = caller.schema(
            {"type": "object", "title": "mine", "allOf": [{"$ref": "https://ns.adobe.com/xdm/context/profile"}]}
        )
        dataset = caller.dataset({"name": "mine", "schemaRef": {"id": schema, "contentType": FULL}})
        targets = [
            caller.flow_service("targetConnections", bodies.target_body(dataset, name=f"target {n}")) for n in range(3)
        ]
        output = {"schemaRef": {"id": schema, "contentType": FULL}}
        mappings = [{"sourceType": "ATTRIBUTE", "source": "Id", "destination": "_id"}]
        mapping = caller.mapping({"name": "mine", "outputSchema": output, "mappings": mappings})
        flow_body = {
            "name": "mine",
            "flowSpec": {"id": "14518937-270c-4525-bdec-c2ba7cce3860", "version": "1.0"},
            "sourceConnectionIds": sources[:1],
            "targetConnectionIds": targets[:1],
            "transformations": [{"name": "Mapping", "params": {"mappingId": mapping, "mappingVersion": "0"}}],
            "scheduleParams": {"startTime": int(time.time()) + 3_000_000, "frequency": "once"},
        }
        flow = caller.flow_service("flows", flow_body)
        read = f"{FLOW}/flows/{flow}"
        awaited(lambda: caller.sure(lambda: one_of(caller, read)["state"] == "enabled"))
        params = {
            "windowStartTime": MIDNIGHT,
            "windowEndTime": MIDNIGHT + 2 * 86400,
            "deltaColumn": {"name": "CreatedDate"},
        }
        caller.one(
            lambda: [each["id"] for each in caller.all("runs")],
            lambda: caller.once("POST", f"{FLOW}/runs", json={"flowId": flow, "params": params})["items"][0]["id"],
        )

        def over() -> bool:
            return all(
                status(each) not in STARTED | {"IN_PROGRESS", "Waiting", "Processing"} for each in caller.all("runs")
            )

        awaited(over)
        told = faulty.control().json()["rules"]
        faulty.go_wrong()
        caller.token()
        assert caller.unclear > 10
        assert len({each["kind"] for each in told if each["injected"]}) > 8
        for kind, expected in (("connections", 12), ("sourceConnections", 12), ("targetConnections", 3), ("flows", 1)):
            names = faulty.names(f"{FLOW}/{kind}")
            assert len(names) == len(set(names)) == expected
        (run,) = awaited(lambda: caller.all("runs"))
        assert status(run) == "success"
        assert len(caller.client.get(f"{CATALOG}/dataSets").json()) == 1
        assert len(caller.client.get(f"{SCHEMAS}/tenant/schemas", headers=TITLES).json()["results"]) == 1
        sets = caller.client.get(f"{MAPPINGS}/mappingSets", params={"limit": 100, "start": 0}).json()
        assert len(sets["data"]) == 1


def one_of(caller: Careful, path: str) -> dict[str, Any]:
    match caller.once("GET", path):
        case {"items": [dict() as item]}:
            return item
    raise Unclear
