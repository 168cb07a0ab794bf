"""Data Access over HTTP: the rows that a run rejected, and the file that it landed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .conftest import FLOW, SERVICENOW, Platform
from .lake import Lake, batch_id, counts, field, status

EXPORT = "/data/foundation/export"
OPTIONS = {"errorDiagnosticsEnabled": True, "partialIngestionPercent": 50}


@pytest.fixture
def lake(start_platform: Callable[..., Platform], tmp_path: Path, org: str) -> Iterator[Lake]:
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "t.csv").write_text("n,name\n1,a\nx,b\n3,c\n", encoding="utf-8")
    platform = start_platform(tables=tables)
    with platform.client(org) as client:
        yield Lake(platform, client)


def run_once(lake: Lake, **options: object) -> tuple[dict, str]:
    columns = [{"name": "n", "type": "integer", "xdm": {"type": "integer"}}]
    columns.append({"name": "name", "type": "string", "xdm": {"type": "string"}})
    schema = lake.schema({each["name"]: field(each) for each in columns})
    flow, dataset = lake.flow("t", schema, lake.same(["n", "name"]), columns=columns, options=dict(options))
    (run,) = lake.ended(flow)
    return run, dataset


def rebased(href: str) -> str:
    parts = urlsplit(href)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def test_following_the_links_to_the_rejected_rows(lake: Lake) -> None:
    run, _ = run_once(lake, **OPTIONS)
    assert (status(run), counts(run)) == ("success", (3, 2, 1))
    manifest = run["activities"][1]["statusSummary"]["extensions"]["manifest"]
    listing = lake.ok("GET", rebased(manifest["failedRecords"]))
    assert listing["_page"] == {"count": 1, "limit": 100}
    (entry,) = listing["data"]
    content = lake.client.get(rebased(entry["_links"]["self"]["href"]))
    assert len(content.content) == int(entry["length"])
    (line,) = content.text.splitlines()
    assert json.loads(line)["row"] == {"n": "x", "name": "b"}
    samples = lake.client.get(rebased(manifest["sampleErrors"]))
    assert samples.text.splitlines() == [line]
    assert lake.ok("GET", f"{EXPORT}/batches/{batch_id(run)}/failed")["data"] == [entry]
    batch = lake.batch(run)
    assert batch["errors"][-1]["recordCount"] == 1
    assert batch["metrics"]["failedRecordCount"] == 1


def test_downloading_the_landed_file(lake: Lake) -> None:
    run, dataset = run_once(lake, **OPTIONS)
    (entry,) = lake.ok("GET", f"{EXPORT}/batches/{batch_id(run)}/files")["data"]
    (part,) = lake.ok("GET", rebased(entry["_links"]["self"]["href"]))["data"]
    content = lake.client.get(rebased(part["_links"]["self"]["href"])).content
    (file,) = lake.files(dataset)
    assert content == file.read_bytes()


def test_a_failed_batch_has_no_file(lake: Lake) -> None:
    run, dataset = run_once(lake)
    assert (status(run), lake.files(dataset)) == ("failed", [])
    id = batch_id(run)
    assert lake.ok("GET", f"{EXPORT}/batches/{id}/files")["data"] == []
    assert lake.ok("GET", f"{EXPORT}/batches/{id}/meta", params={"path": "row_errors"})["data"] == []
    for path in ("", "nothing", "../platform.db", f"row_errors/../../{id}.json", "row_errors/x.json"):
        answer = lake.client.get(f"{EXPORT}/batches/{id}/meta", params={"path": path})
        assert answer.status_code == 404, path
    assert lake.client.get(f"{EXPORT}/files/{id}").status_code == 404
    assert lake.client.get(f"{EXPORT}/batches/none/files").status_code == 404
    other = lake.client.get(f"{EXPORT}/batches/{id}/files", headers={"x-sandbox-name": "dev"})
    assert other.status_code == 404


ACCOUNTS = f"""
organisations: [{{id: ORG, sandboxes: [prod]}}]
clients: [{{id: tester, secret: s3cret, organisation: ORG}}]
source_credentials:
  - connector: {SERVICENOW}
    params: {{username: ann, password: right}}
"""


def test_credentials_that_are_no_longer_right_fail_the_run(
    start_platform: Callable[..., Platform], tmp_path: Path, org: str
) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "t.csv").write_text("n\n1\n", encoding="utf-8")
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(ACCOUNTS.replace("ORG", org), encoding="utf-8")
    platform = start_platform("--accounts", str(accounts), tables=tables)
    with platform.client(org) as client:
        lake = Lake(platform, client)
        columns = [{"name": "n", "type": "integer", "xdm": {"type": "integer"}}]
        schema = lake.schema({"n": {"type": "integer"}})
        flow, dataset = lake.flow("t", schema, lake.same(["n"]), columns=columns)
        (run,) = lake.ended(flow)
        assert status(run) == "failed"
        assert run["metrics"]["statusSummary"]["errors"][0]["code"] == "CONNECTOR-1001-500"
        assert lake.files(dataset) == []
        assert lake.ok("GET", f"{FLOW}/flows/{flow}")["items"][0]["lastRunDetails"]["state"] == "failed"
