"""What edits of a dataflow's objects do to its runs, told by the rows that land."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from aep_local.rows.tables import TableFolder

from .conftest import CATALOG, FLOW, FULL, MAPPINGS, SCHEMAS, Inside, code
from .lake import STARTED, Lake, counts, status
from .moments import later
from .waiting import awaited

pytestmark = pytest.mark.slow

MIDNIGHT = 1767225600  # 2026-01-01 00:00:00 UTC, in seconds
HOUR = 3600
FAR = {"startTime": int(time.time()) + 3_000_000, "frequency": "once"}
WHOLE = {"type": "integer"}
TEXT = {"type": "string"}
Start = Callable[..., Inside]


def table(*numbers: int) -> str:
    """A row an hour from midnight for each number."""
    rows = "".join(f"{n},word {n},2026-01-01T{hour:02}:00:00Z\n" for hour, n in enumerate(numbers))
    return f"n,word,at\n{rows}"


class Dataflow:
    """A flow over a table with the columns n, word and at, of which it lands n."""

    def __init__(self, lake: Lake, name: str, **more: Any) -> None:
        self.lake = lake
        self.schema = lake.schema({"n": WHOLE}, title=name)
        self.id, self.dataset = lake.flow(name, self.schema, lake.same(["n"]), **({"schedule": FAR} | more))
        awaited(self.document, lambda flow: flow["state"] == "enabled")

    def document(self) -> dict[str, Any]:
        return self.get(f"flows/{self.id}")

    def get(self, path: str) -> dict[str, Any]:
        return dict(self.lake.ok("GET", f"{FLOW}/{path}")["items"][0])

    @property
    def source(self) -> str:
        return f"sourceConnections/{self.document()['sourceConnectionIds'][0]}"

    @property
    def target(self) -> str:
        return f"targetConnections/{self.document()['targetConnectionIds'][0]}"

    @property
    def base(self) -> str:
        return f"connections/{self.get(self.source)['baseConnectionId']}"

    def edit(self, path: str, **values: Any) -> None:
        """Replace values of an object of Flow Service; ``__`` in a name goes one level down."""
        operations = [
            {"op": "replace", "path": "/" + name.replace("__", "/"), "value": value} for name, value in values.items()
        ]
        headers = {"If-Match": self.get(path)["etag"]}
        self.lake.ok("PATCH", f"{FLOW}/{path}", operations, headers=headers)

    def post(self, start: int = MIDNIGHT, end: int = MIDNIGHT + 24 * HOUR, **more: int) -> httpx.Response:
        params = {"windowStartTime": start, "windowEndTime": end, "deltaColumn": {"name": "at"}, **more}
        return self.lake.client.post(f"{FLOW}/runs", json={"flowId": self.id, "params": params})

    def posted(self, *window: int, **more: int) -> str:
        answer = self.post(*window, **more)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["items"][0]["id"])

    def run(self, id: str) -> dict[str, Any]:
        """A run once it has ended."""
        return awaited(lambda: self.get(f"runs/{id}"), lambda run: status(run) not in STARTED)

    def ran(self, *window: int) -> dict[str, Any]:
        run = self.run(self.posted(*window))
        assert status(run) == "success", run["metrics"]
        return run

    def act(self, op: str) -> None:
        self.lake.ok("POST", f"{FLOW}/flows/{self.id}/action?op={op}")

    def landed(self, dataset: str | None = None) -> list[int]:
        if not self.lake.files(dataset or self.dataset):
            return []
        return sorted(n for (n,) in self.lake.rows(dataset or self.dataset, f"{self.lake.tenant}.row.n"))


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "old.csv").write_text(table(1, 2, 3))
    (folder / "new.csv").write_text(table(7, 8, 9))
    return folder


@pytest.fixture
def lake(inside: Start, tables: Path) -> Lake:
    platform = inside(tables=tables)
    return Lake(platform, platform.client())


# --- frozen by use


def repointed(flow: Dataflow) -> str:
    """Lead a flow's source connection to another table and its target connection to another dataset, which is given."""
    other = flow.lake.dataset(flow.schema)
    flow.edit(flow.source, params__tableName="new", name="renamed")
    flow.edit(flow.target, params__dataSetId=other, name="renamed")
    assert flow.get(flow.source)["params"]["tableName"] == "new"
    assert flow.get(flow.target)["params"]["dataSetId"] == other
    return other


def test_a_flow_goes_on_with_its_connections_as_they_were(lake: Lake) -> None:
    flow = Dataflow(lake, "old")
    flow.ran(MIDNIGHT, MIDNIGHT + HOUR)
    other = repointed(flow)
    flow.ran(MIDNIGHT + HOUR, MIDNIGHT + 24 * HOUR)
    assert (flow.landed(), flow.landed(other)) == ([1, 2, 3], [])
    flow.edit(f"flows/{flow.id}", name="renamed")
    flow.ran()
    assert (flow.landed(), flow.landed(other)) == ([1, 1, 2, 2, 3, 3], [])


def test_columns_that_a_source_connection_loses_still_come(lake: Lake) -> None:
    flow = Dataflow(lake, "old")
    flow.edit(flow.source, params__columns=[{"name": "word", "type": "string"}])
    flow.ran()
    assert flow.landed() == [1, 2, 3]


def test_a_run_of_the_flows_own_goes_by_the_old_connections_too(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = Dataflow(lake, "old")
    other = repointed(flow)
    later(monkeypatch, 4000)  # a start in 3,000,000 seconds is 3,000 away at this time scale
    flow.edit(f"flows/{flow.id}", name="renamed")
    (run,) = lake.ended(flow.id)
    assert (counts(run), flow.landed(), flow.landed(other)) == ((3, 3, 0), [1, 2, 3], [])


def test_a_run_that_is_done_again_goes_by_the_old_connections_too(lake: Lake, tables: Path) -> None:
    flow = Dataflow(lake, "old")
    (tables / "old.csv").unlink()
    failed = flow.run(flow.posted())
    assert status(failed) == "failed"
    other = repointed(flow)
    (tables / "old.csv").write_text(table(1, 2, 3))
    answer = lake.ok("POST", f"{FLOW}/runs/{failed['id']}/action?op=re-trigger")
    assert status(flow.run(answer["id"])) == "success"
    assert (flow.landed(), flow.landed(other)) == ([1, 2, 3], [])


def test_a_flow_made_later_goes_by_the_edited_connections(lake: Lake) -> None:
    first = Dataflow(lake, "old")
    other = repointed(first)
    body = {name: value for name, value in first.document().items() if name in {"name", "flowSpec", "transformations"}}
    body |= {"sourceConnectionIds": [first.source.partition("/")[2]]}
    body |= {"targetConnectionIds": [first.target.partition("/")[2]], "scheduleParams": FAR}
    first.id = str(lake.ok("POST", f"{FLOW}/flows", body)["id"])
    awaited(first.document, lambda flow: flow["state"] == "enabled")
    first.ran()
    assert (first.landed(), first.landed(other)) == ([], [7, 8, 9])


def test_names_do_not_disturb_runs(lake: Lake) -> None:
    flow = Dataflow(lake, "old")
    flow.ran(MIDNIGHT, MIDNIGHT + HOUR)
    for path in (flow.base, flow.source, flow.target, f"flows/{flow.id}"):
        before = flow.get(path)
        flow.edit(path, name="another name")
        after = flow.get(path)
        assert (after["name"], after["id"]) == ("another name", before["id"])
        assert after["etag"] != before["etag"]
    lake.ok("PATCH", f"{CATALOG}/dataSets/{flow.dataset}", {"name": "another name", "tags": {"own": ["word"]}})
    group = lake.ok("GET", f"{SCHEMAS}/tenant/fieldgroups", headers={"Accept": "application/vnd.adobe.xed-id+json"})
    for kind, id in (("schemas", flow.schema), ("fieldgroups", group["results"][0]["$id"])):
        title = [{"op": "replace", "path": "/title", "value": f"another title of {kind}"}]
        path = f"{SCHEMAS}/tenant/{kind}/" + id.replace("https://ns.adobe.com/", "_").replace("/", ".")
        assert lake.ok("PATCH", path, title)["title"] == f"another title of {kind}"
    flow.ran(MIDNIGHT + HOUR, MIDNIGHT + 24 * HOUR)
    assert flow.landed() == [1, 2, 3]


# --- a schema that got a field


def test_rows_have_a_field_from_when_schema_mapping_and_flow_have_it(lake: Lake) -> None:
    flow = Dataflow(lake, "old")
    mapping = flow.document()["transformations"][0]["params"]["mappingId"]
    flow.ran(MIDNIGHT, MIDNIGHT + HOUR)

    (group,) = lake.ok("GET", f"{SCHEMAS}/tenant/fieldgroups", headers={"Accept": "application/vnd.adobe.xed+json"})[
        "results"
    ]
    fields = f"/definitions/x/properties/{lake.tenant}/properties/row/properties"
    added = [{"op": "add", "path": f"{fields}/word", "value": TEXT}]
    lake.ok("PATCH", f"{SCHEMAS}/tenant/fieldgroups/{group['meta:altId']}", added)
    reference = {"schemaRef": {"id": flow.schema, "contentType": FULL}}
    body = {"outputSchema": reference, "mappings": lake.same(["n", "word"])}
    assert lake.ok("PUT", f"{MAPPINGS}/mappingSets/{mapping}", body)["version"] == 1
    destinations = [
        [
            each["destination"].rpartition(".")[2]
            for each in lake.ok("GET", f"{MAPPINGS}/mappingSets/{mapping}?version={n}")["mappings"]
        ]
        for n in (0, 1)
    ]
    assert destinations == [["n"], ["n", "word"]]
    flow.ran(MIDNIGHT + HOUR, MIDNIGHT + 2 * HOUR)

    steps = flow.document()["transformations"]
    assert [step["name"] for step in steps] == ["Copy", "Mapping"], "the first posted run wrote a Copy"
    flow.edit(f"flows/{flow.id}", transformations__1__params__mappingVersion="1")
    flow.ran(MIDNIGHT + 2 * HOUR, MIDNIGHT + 24 * HOUR)
    with duckdb.connect() as reader:
        pattern = str(lake.platform.state / "datasets" / flow.dataset / "*.parquet")
        row = f"{lake.tenant}.row"
        select = f"SELECT {row}.n, {row}.word FROM read_parquet(?, union_by_name = true) ORDER BY 1"
        assert reader.execute(select, [pattern]).fetchall() == [(1, None), (2, None), (3, "word 3")]


# --- disabled while a run goes on


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """No run reads its rows before this is set."""
    opened = threading.Event()
    read = TableFolder.read

    def waiting(*args: Any, **more: Any) -> Iterator[dict[str, Any]]:
        assert opened.wait(60)
        return read(*args, **more)

    monkeypatch.setattr(TableFolder, "read", waiting)
    yield opened
    opened.set()


def test_a_run_ends_though_its_flow_is_disabled(lake: Lake, gate: threading.Event) -> None:
    flow = Dataflow(lake, "old")
    id = flow.posted()
    awaited(lambda: flow.get(f"runs/{id}"), lambda run: status(run) == "inProgress")
    flow.act("disable")
    assert code(flow.post()) == "1380"
    gate.set()
    run = flow.run(id)
    assert (status(run), counts(run), flow.landed()) == ("success", (3, 3, 0), [1, 2, 3])
    document = flow.document()
    assert (document["state"], document["lastRunDetails"]["id"]) == ("disabled", id)
    flow.act("enable")
    flow.ran(MIDNIGHT, MIDNIGHT + HOUR)


def test_a_run_begins_and_ends_though_its_flow_was_disabled_before(lake: Lake) -> None:
    flow = Dataflow(lake, "old")
    id = flow.posted(startTime=int(time.time()) + 500)
    flow.act("disable")
    assert status(flow.get(f"runs/{id}")) == "scheduled"
    assert (status(flow.run(id)), flow.landed()) == ("success", [1, 2, 3])


def test_a_disabled_flow_does_no_run_again(lake: Lake, tables: Path) -> None:
    flow = Dataflow(lake, "old")
    (tables / "old.csv").unlink()
    failed = flow.run(flow.posted())
    again = f"{FLOW}/runs/{failed['id']}/action?op=re-trigger"
    flow.act("disable")
    answer = lake.client.post(again)
    assert (answer.status_code, code(answer)) == (400, "1388")
    (tables / "old.csv").write_text(table(1))
    flow.act("enable")
    assert status(flow.run(lake.ok("POST", again)["id"])) == "success"


def test_no_run_of_a_disabled_flow_begins(lake: Lake, gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    hourly = {"startTime": int(time.time()) + 60, "frequency": "hour", "interval": 1000}
    flow = Dataflow(lake, "old", schedule=hourly, delta="at")
    (first,) = awaited(lambda: lake.runs(flow.id))
    awaited(lambda: flow.get(f"runs/{first['id']}"), lambda run: status(run) == "inProgress")
    flow.act("disable")
    later(monkeypatch, 4000)  # 1,000 hours pass in an hour at this time scale
    flow.edit(f"flows/{flow.id}", name="renamed")
    gate.set()
    assert status(flow.run(first["id"])) == "success"
    time.sleep(0.2)  # in which one would begin; that nothing happens cannot be awaited
    assert [run["id"] for run in lake.runs(flow.id)] == [first["id"]]
    flow.act("enable")
    awaited(lambda: lake.runs(flow.id), lambda runs: len(runs) == 2)


# --- many at once


def test_runs_side_by_side_while_everything_is_edited(lake: Lake, tables: Path) -> None:
    for number in range(4):
        (tables / f"t{number}.csv").write_text(table(*range(20)))
    flows = [Dataflow(lake, f"t{number}") for number in range(4)]
    paths = [path for flow in flows for path in (flow.source, flow.target, f"flows/{flow.id}")]
    done = threading.Event()

    def edits() -> Counter[int]:
        statuses: Counter[int] = Counter()
        with lake.platform.client("A@AdobeOrg") as client:
            for number in range(10_000):
                if done.is_set():
                    break
                path = f"{FLOW}/{paths[number % len(paths)]}"
                etag = client.get(path).json()["items"][0]["etag"]
                name = [{"op": "replace", "path": "/name", "value": f"name {number}"}]
                statuses[client.patch(path, json=name, headers={"If-Match": etag}).status_code] += 1
        return statuses

    with ThreadPoolExecutor(1) as pool:
        editing = pool.submit(edits)
        ids = [(flow, flow.posted()) for _ in range(6) for flow in flows]
        ended = [flow.run(id) for flow, id in ids]
        done.set()
        statuses = editing.result()
    assert {status(run) for run in ended} == {"success"}, [run["metrics"] for run in ended]
    assert all(flow.landed() == sorted([*range(20)] * 6) for flow in flows)
    assert statuses[200] > 0
    assert set(statuses) <= {200, 412}
