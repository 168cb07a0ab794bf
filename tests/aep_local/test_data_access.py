"""Data Access over HTTP: the rows that a run rejected, and the file that it landed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .conftest import FLOW, Inside
from .lake import Lake, batch_id, counts, field, status

EXPORT = "/data/foundation/export"
RUNS = f"{FLOW}/runs"
OPTIONS = {"errorDiagnosticsEnabled": True, "partialIngestionPercent": 50}


@pytest.fixture
def lake_tables(tmp_path: Path) -> Path:
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "t.csv").write_text("n,name\n1,a\nx,b\n3,c\n", encoding="utf-8")
    return tables


@pytest.fixture
def lake(inside: Callable[..., Inside], lake_tables: Path) -> Lake:
    platform = inside(tables=lake_tables)
    return Lake(platform, platform.client())


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


@pytest.mark.parametrize(("percent", "ended"), [(50, ("success", (3, 2, 1))), (5, ("failed", (3, 0, 1)))])
def test_following_the_links_to_the_rejected_rows(
    lake: Lake, percent: int, ended: tuple[str, tuple[int, int, int]]
) -> None:
    """A run that failed as a whole, for too many rows were rejected, says no less of them."""
    run, dataset = run_once(lake, errorDiagnosticsEnabled=True, partialIngestionPercent=percent)
    assert (status(run), counts(run)) == ended
    assert len(lake.files(dataset)) == (ended[0] == "success")
    manifest = run["activities"][1]["statusSummary"]["extensions"]["manifest"]
    listing = lake.ok("GET", rebased(manifest["failedRecords"]))
    assert listing["_page"] == {"count": 1, "limit": 100}
    (entry,) = listing["data"]
    content = lake.client.get(rebased(entry["_links"]["self"]["href"]))
    assert len(content.content) == int(entry["length"])
    (line,) = content.text.splitlines()
    told = json.loads(line)
    assert told["row"] == {"n": "x", "name": "b"}
    assert [(error["code"], error["column"].rpartition(".")[2]) for error in told["_errors"]] == [
        ("MAPPER-3700-400", "n")
    ]
    samples = lake.client.get(rebased(manifest["sampleErrors"]))
    assert samples.text.splitlines() == [line]
    assert lake.ok("GET", f"{EXPORT}/batches/{batch_id(run)}/failed")["data"] == [entry]
    batch = lake.batch(run)
    assert batch["errors"][-1]["recordCount"] == 1
    assert batch["metrics"]["failedRecordCount"] == 1


@pytest.mark.parametrize(
    ("setting", "served"),
    [
        ("row_error_samples.json", "row_error_samples.json"),
        ("row_errors_sample.json", "row_errors_sample.json"),
        ("absent", None),
    ],
)
def test_the_sample_file_has_either_published_name_or_is_not_there(
    inside: Callable[..., Inside], lake_tables: Path, setting: str, served: str | None
) -> None:
    platform = inside(tables=lake_tables, assume={"sample_errors_file": setting})
    lake = Lake(platform, platform.client())
    run, _ = run_once(lake, errorDiagnosticsEnabled=True, partialIngestionPercent=5)
    (listed,) = lake.runs(run["flowId"])
    assert listed == run == lake.ok("GET", f"{RUNS}/{run['id']}")["items"][0]
    manifest = run["activities"][1]["statusSummary"]["extensions"]["manifest"]
    (entry,) = lake.ok("GET", rebased(manifest["failedRecords"]))["data"]
    rejected = lake.client.get(rebased(entry["_links"]["self"]["href"])).text
    assert len(rejected.splitlines()) == 1
    path = f"{EXPORT}/batches/{batch_id(run)}/meta"
    assert ("sampleErrors" in manifest) is (served is not None)
    if served is not None:
        assert manifest["sampleErrors"] == f"https://platform.adobe.io{path}?path={served}"
        assert lake.client.get(rebased(manifest["sampleErrors"])).text == rejected
    for name in {"row_error_samples.json", "row_errors_sample.json"} - {served}:
        assert lake.client.get(path, params={"path": name}).status_code == 404, "who builds the link finds nothing"


def test_many_rejected_rows_are_listed_page_by_page(inside: Callable[..., Inside], tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    rows = 2345
    (tables / "t.csv").write_text("n,name\n0,good\n" + "".join(f"x,{each}\n" for each in range(rows)), encoding="utf-8")
    platform = inside(tables=tables)
    lake = Lake(platform, platform.client())
    run, _ = run_once(lake, errorDiagnosticsEnabled=True, partialIngestionPercent=100)
    assert counts(run)[2] == rows
    path = f"{EXPORT}/batches/{batch_id(run)}/meta"
    entries = []
    for start in range(4):
        page = lake.ok("GET", path, params={"path": "row_errors", "limit": 1, "start": start})
        assert page["_page"] == {"count": len(page["data"]), "limit": 1}
        entries += page["data"]
    assert entries == lake.ok("GET", path, params={"path": "row_errors"})["data"]
    assert len(entries) == len({each["name"] for each in entries}) == 3
    names = []
    for entry in entries:
        content = lake.client.get(rebased(entry["_links"]["self"]["href"])).content
        assert len(content) == int(entry["length"])
        names += [json.loads(line)["row"]["name"] for line in content.splitlines()]
    assert names == [str(each) for each in range(rows)]
    assert len(lake.client.get(path, params={"path": "row_error_samples.json"}).text.splitlines()) == 100
    for wrong in ({"limit": 0}, {"limit": 101}, {"start": -1}, {"limit": "many"}, {"start": "9" * 5000}):
        answer = lake.client.get(path, params={"path": "row_errors"} | wrong)
        assert answer.status_code == 400
        assert {"type", "title", "status", "detail"} <= set(answer.json())


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
