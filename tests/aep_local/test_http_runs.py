"""Runs on demand over HTTP: what is taken and refused, what they read, and which may be done again."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from aep_local.core.settings import Settings
from aep_local.core.store import Store
from aep_local.rows.tables import TableFolder

from .conftest import FLOW, Inside, code
from .lake import STARTED, Lake, batch_id, counts, status
from .moments import later
from .waiting import awaited

pytestmark = pytest.mark.slow

RUNS = f"{FLOW}/runs"
GONE = "00000000-0000-4000-8000-000000000000"
FAR = {"startTime": int(time.time()) + 3_000_000, "frequency": "once"}
MIDNIGHT = 1767225600  # 2026-01-01 00:00:00 UTC, in seconds
HOUR = 3600
WHOLE = {"type": "integer"}
TEXT = {"type": "string"}
ROWS = "n,at,name\n" + "".join(f"{n},2026-01-01T0{n}:00:00Z,name {n}\n" for n in range(6)) + "9,,timeless\n"
Start = Callable[..., Any]


class OnDemand:
    """A flow of frequency once over the table ``t``: six rows, one an hour from midnight, and one without a moment."""

    def __init__(self, platform: Any, client: httpx.Client, table: Path, rows: str = ROWS, **more: Any) -> None:
        self.table = table
        self.table.write_text(rows)
        self.client = client
        self.lake = Lake(platform, client)
        schema = self.lake.schema({"n": WHOLE, "name": TEXT}, title=table.stem)
        base = self.lake.base()
        columns = more.pop("columns", None) or self.lake.columns(base, table.stem)
        mappings = self.lake.same(["n", "name"])
        self.id, self.dataset = self.lake.flow(
            table.stem, schema, mappings, columns=columns, **({"schedule": FAR} | more)
        )
        self.until(lambda flow: flow["state"] == "enabled")

    def flow(self) -> dict[str, Any]:
        return dict(self.lake.ok("GET", f"{FLOW}/flows/{self.id}")["items"][0])

    def until(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        return awaited(self.flow, true)

    def body(self, start: Any = MIDNIGHT, end: Any = MIDNIGHT + 2 * HOUR, **params: Any) -> dict[str, Any]:
        given = {"startTime": int(time.time()), "windowStartTime": start, "windowEndTime": end}
        given |= {"deltaColumn": {"name": "at"}} | params
        return {"flowId": self.id, "params": {key: value for key, value in given.items() if value is not None}}

    def post(self, *window: Any, **params: Any) -> httpx.Response:
        return self.client.post(RUNS, json=self.body(*window, **params))

    def posted(self, *window: Any, **params: Any) -> str:
        answer = self.post(*window, **params)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["items"][0]["id"])

    def run(self, id: str) -> dict[str, Any]:
        """The run once it has ended; found by its id, for lists have it later."""
        return self.seen(id, lambda word: word not in STARTED)

    def seen(self, id: str, true: Callable[[str], bool]) -> dict[str, Any]:
        """The run once its status is as it shall be."""
        return awaited(lambda: dict(self.lake.ok("GET", f"{RUNS}/{id}")["items"][0]), lambda run: true(status(run)))

    def again(self, id: str, op: str = "re-trigger") -> httpx.Response:
        return self.client.post(f"{RUNS}/{id}/action", params={"op": op})

    def act(self, op: str) -> None:
        assert self.client.post(f"{FLOW}/flows/{self.id}/action", params={"op": op}).status_code == 200

    def landed(self) -> list[int]:
        if not self.lake.files(self.dataset):
            return []
        return sorted(n for (n,) in self.lake.rows(self.dataset, f"{self.lake.tenant}.row.n"))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run-tables")


@pytest.fixture(scope="module")
def runner(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One platform for the tests that need no switch."""
    settings = Settings(tables=tables, state=tmp_path_factory.mktemp("runner") / "state", time_scale=0.001)
    platform = Inside(settings)
    yield platform
    platform.end()


@pytest.fixture
def demand(runner: Inside, tables: Path, org: str) -> Any:
    """Makes flows on demand in the test's own organisation."""
    with runner.client(org) as client:
        yield lambda **more: OnDemand(runner, client, tables / f"t{org.partition('@')[0]}.csv", **more)


@pytest.fixture
def switched(inside: Start, tmp_path: Path) -> Callable[..., OnDemand]:
    """A flow on demand on a platform with other switches."""

    def make(*, rows: str = ROWS, schedule: Any = FAR, options: Any = None, **settings: Any) -> OnDemand:
        (tmp_path / "tables").mkdir(exist_ok=True)
        platform = inside(tables=tmp_path / "tables", **settings)
        table = tmp_path / "tables" / "t.csv"
        return OnDemand(platform, platform.client(), table, rows, schedule=schedule, options=options)

    return make


# --- what a run reads


@pytest.mark.parametrize("kind", [int, str])
def test_a_posted_run_reads_its_window_and_nothing_else(demand: Any, kind: Callable[[int], Any]) -> None:
    flow = demand()
    run = flow.run(flow.posted(kind(MIDNIGHT + HOUR), kind(MIDNIGHT + 3 * HOUR), startTime=kind(int(time.time()))))
    assert (status(run), counts(run)) == ("success", (2, 2, 0))
    assert flow.landed() == [1, 2]
    assert run["params"]["windowStartTime"] == kind(MIDNIGHT + HOUR), "as it was sent"
    assert run["activities"][0]["durationSummary"]["extensions"] == {
        "windowStart": (MIDNIGHT + HOUR) * 1000,
        "windowEnd": (MIDNIGHT + 3 * HOUR) * 1000,
    }
    assert "extensions" not in run["activities"][0]["statusSummary"], "it is not a one-time load"


def test_equal_requests_are_two_runs_and_rows_twice(demand: Any) -> None:
    flow = demand()
    body = flow.body()
    ids = [flow.client.post(path, json=body).json()["items"][0]["id"] for path in (RUNS, RUNS + "/")]
    assert len(set(ids)) == 2
    assert [counts(flow.run(id)) for id in ids] == [(2, 2, 0)] * 2
    assert flow.landed() == [0, 0, 1, 1]


def test_adjacent_windows_take_every_row_once(demand: Any) -> None:
    flow = demand()
    ids = [flow.posted(MIDNIGHT + hour * HOUR, MIDNIGHT + (hour + 1) * HOUR) for hour in range(6)]
    assert [counts(flow.run(id)) for id in ids] == [(1, 1, 0)] * 6
    assert flow.landed() == [0, 1, 2, 3, 4, 5], "a row without a moment is in no window"
    nothing = flow.run(flow.posted(MIDNIGHT, MIDNIGHT))
    assert (status(nothing), counts(nothing)) == ("success", (0, 0, 0))


def test_many_runs_at_once_all_end_and_none_is_lost(demand: Any) -> None:
    flow = demand()

    def post(hour: int) -> str:
        return str(flow.posted(MIDNIGHT + hour * HOUR, MIDNIGHT + (hour + 1) * HOUR))

    with ThreadPoolExecutor(6) as pool:
        ids = list(pool.map(post, [hour for hour in range(6) for _ in range(3)]))
    assert {status(flow.run(id)) for id in ids} == {"success"}
    assert Counter(flow.landed()) == dict.fromkeys(range(6), 3)
    assert len(flow.lake.files(flow.dataset)) == 18
    assert flow.flow()["lastRunDetails"]["id"] in ids


def test_the_first_run_writes_its_delta_column_and_later_ones_are_held_to_it(demand: Any) -> None:
    flow = demand()
    before = flow.flow()
    assert [step["name"] for step in before["transformations"]] == ["Mapping"]
    refused = flow.post(deltaColumn=None)
    assert code(refused) == "1383"
    first = {"name": "at", "dateFormat": "yyyy-MM-dd HH:mm:ss"}
    flow.posted(deltaColumn=first)
    after = flow.flow()
    assert after["transformations"] == [{"name": "Copy", "params": {"deltaColumn": first}}, *before["transformations"]]
    assert after["etag"] != before["etag"]
    for other in ({"name": "n"}, {"name": "at", "dateFormat": "yyyy"}, {"name": "at", "timezone": "UTC"}):
        assert code(flow.post(deltaColumn=other)) == "1382"
    for same in (None, {"name": "at"}, first):
        assert counts(flow.run(flow.posted(deltaColumn=same))) == (2, 2, 0)
    assert flow.flow()["transformations"] == after["transformations"]


def test_a_flows_own_run_takes_the_whole_table_again(demand: Any) -> None:
    """What a posted run wrote into the flow does not make its own load one of a window."""
    flow = demand(schedule={"startTime": int(time.time()) + 400, "frequency": "once"})
    posted = flow.posted()
    assert counts(flow.run(posted)) == (2, 2, 0)
    own = flow.run(
        flow.until(lambda it: it.get("lastRunDetails", {}).get("id") not in {None, posted})["lastRunDetails"]["id"]
    )
    assert counts(own) == (7, 7, 0)
    assert own["activities"][0]["statusSummary"]["extensions"] == {"type": "one-time"}
    assert flow.landed() == [0, 0, 1, 1, 2, 3, 4, 5, 9]


def test_a_run_ends_though_its_flow_is_deleted(demand: Any) -> None:
    flow = demand()
    id = flow.posted()
    assert flow.client.delete(f"{FLOW}/flows/{flow.id}").status_code == 204
    assert counts(flow.run(id)) == (2, 2, 0)
    assert flow.landed() == [0, 1]
    assert [run["id"] for run in flow.lake.ended(flow.id)] == [id]


def test_of_two_first_runs_at_once_one_names_the_delta_column(demand: Any) -> None:
    flow = demand()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda name: flow.post(deltaColumn={"name": name}), ["at", "n"] * 4))
    written = flow.flow()["transformations"][0]["params"]["deltaColumn"]["name"]
    taken = [name for name, answer in zip(["at", "n"] * 4, answers, strict=True) if answer.status_code == 201]
    assert set(taken) == {written}
    assert {code(answer) for answer in answers if answer.status_code != 201} == {"1382"}


def test_a_run_that_was_not_kept_leaves_no_copy_either(
    switched: Callable[..., OnDemand], monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = switched()
    before = flow.flow()
    insert = Store.insert

    def full(store: Store, kind: str, *rest: Any, **more: Any) -> None:
        if kind == "runs":
            raise OSError("no space left")
        insert(store, kind, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "insert", full)
        # a server that met an unexpected error closes the connection, so it is not one to go on with
        answer = flow.client.post(RUNS, json=flow.body(), headers={"Connection": "close"})
        assert answer.status_code == 500
    assert flow.flow() == before
    assert flow.lake.runs(flow.id) == []
    assert counts(flow.run(flow.posted())) == (2, 2, 0)


def test_a_run_begins_when_it_is_told_to(demand: Any) -> None:
    flow = demand()
    waits = flow.posted(startTime=int(time.time()) + 3_000_000)
    began = time.monotonic()
    flow.run(flow.posted(startTime=int(time.time()) + 400))
    assert time.monotonic() - began > 0.35, "400 seconds are 0.4 on this platform's scale"
    assert status(flow.lake.ok("GET", f"{RUNS}/{waits}")["items"][0]) == "scheduled"


# --- what is refused


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"params": None}, "1384"),
        ({"params": {}}, "1384"),
        ({"params": []}, "1384"),
        ({"flowId": None}, "1304"),
        ({"flowId": 7}, "1304"),
        ({"flowId": GONE}, "1430"),
        ({"windowStartTime": None}, "1304"),
        ({"windowEndTime": None}, "1304"),
        ({"windowEndTime": "soon"}, "1304"),
        ({"windowEndTime": True}, "1304"),
        ({"windowEndTime": 1.5}, "1304"),
        ({"startTime": "now"}, "1304"),
        ({"windowStartTime": -1}, "1380"),
        ({"windowEndTime": MIDNIGHT * 1000}, "1380"),
        ({"windowEndTime": MIDNIGHT - 1}, "1381"),
        ({"deltaColumn": None}, "1383"),
        ({"deltaColumn": "at"}, "1304"),
        ({"deltaColumn": {"dateFormat": "yyyy"}}, "1304"),
    ],
)
def test_a_wrong_request_is_refused_and_leaves_nothing(shared: OnDemand, change: dict[str, Any], number: str) -> None:
    outside = {key: change[key] for key in ("params", "flowId") if key in change}
    body = shared.body(**{key: value for key, value in change.items() if key not in outside}) | outside
    answer = shared.client.post(RUNS, json={key: value for key, value in body.items() if value is not None})
    assert (answer.status_code, code(answer)) == (400, number), answer.text
    assert shared.lake.runs(shared.id) == []
    assert len(shared.flow()["transformations"]) == 1


@pytest.fixture(scope="module")
def shared(runner: Inside, tables: Path) -> Any:
    """A flow without any run, for requests that are refused."""
    with runner.client("shared-runs@AdobeOrg") as client:
        yield OnDemand(runner, client, tables / "shared.csv")


def test_an_empty_body_is_none(shared: OnDemand) -> None:
    for body in ({}, []):
        assert code(shared.client.post(RUNS, json=body)) == "1405"
    assert code(shared.client.post(RUNS)) == "1405"


def test_only_flows_of_frequency_once_that_are_enabled(demand: Any) -> None:
    flow = demand()
    flow.act("disable")
    assert code(flow.post()) == "1380"
    flow.act("enable")
    flow.posted()


def test_a_flow_that_aep_schedules_takes_no_runs(demand: Any) -> None:
    assert code(demand(delta="at", schedule=FAR | {"frequency": "day", "interval": 1}).post()) == "1386"


def test_a_flow_of_another_sandbox_is_none(demand: Any, runner: Inside, org: str) -> None:
    flow = demand()
    with runner.client(org, "stage") as stage:
        assert code(stage.post(RUNS, json=flow.body())) == "1430"


def test_users_write_no_runs(demand: Any) -> None:
    flow = demand()
    id = flow.posted()
    run = flow.run(id)
    answer = flow.client.put(f"{RUNS}/{id}", json=run, headers={"If-Match": run["etag"]})
    assert (answer.status_code, code(answer)) == (400, "1427")
    assert flow.client.put(f"{RUNS}/{GONE}", json=run).status_code == 404
    assert flow.run(id) == run


def test_who_may_only_read_posts_no_run(inside: Start, tables: Path, tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(
        "organisations:\n  - {id: ONE@AdobeOrg}\nclients:\n"
        "  - {id: writer, secret: s3cret, organisation: ONE@AdobeOrg}\n"
        "  - {id: reader, secret: s3cret, organisation: ONE@AdobeOrg, permissions: {sources: [read]}}\n"
        "source_credentials:\n  - {connector: service-now, params: {}}\n"
    )
    platform = inside(tables=tables, accounts=accounts)
    flow = OnDemand(platform, platform.client("ONE@AdobeOrg", client_id="writer"), tables / "t.csv")
    id = flow.posted()
    reader = platform.client("ONE@AdobeOrg", client_id="reader")
    assert reader.get(f"{RUNS}/{id}").status_code == 200
    for answer in (reader.post(RUNS, json=flow.body()), reader.post(f"{RUNS}/{id}/action?op=re-trigger")):
        assert (answer.status_code, code(answer)) == (403, "2120")


# --- a run that fails, and doing it again


def break_it(flow: OnDemand, what: str) -> None:
    match what:
        case "no table":
            flow.table.unlink()
        case "no column":
            flow.table.write_text(ROWS.replace("n,at,name", "n,at,title"))
        case "no delta column":
            flow.table.write_text(ROWS.replace("n,at,name", "n,then,name"))
        case "a moment that is none":
            flow.table.write_text(ROWS + "7,yesterday,odd\n")
        case "threshold":
            flow.table.write_text(ROWS.replace("\n1,", "\none,"))
        case "no dataset":
            flow.lake.ok("DELETE", f"/data/foundation/catalog/dataSets/{flow.dataset}")


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("no table", "CONNECTOR-1001-500"),
        ("no column", "CONNECTOR-1001-500"),
        ("no delta column", "CONNECTOR-1001-500"),
        ("a moment that is none", "CONNECTOR-1001-500"),
        ("threshold", "CONNECTOR-2001-500"),
        ("no dataset", "CONNECTOR-3001-500"),
    ],
)
def test_a_run_that_fails_leaves_no_rows_and_can_be_done_again(demand: Any, what: str, reason: str) -> None:
    flow = demand(options={"errorDiagnosticsEnabled": True, "partialIngestionPercent": 50})
    break_it(flow, what)
    id = flow.posted()
    failed = flow.run(id)
    assert (status(failed), counts(failed)[1]) == ("failed", 0)
    assert [error["code"] for error in failed["metrics"]["statusSummary"]["errors"]] == [reason]
    assert flow.lake.files(flow.dataset) == []
    assert flow.flow()["lastRunDetails"]["state"] == "failed"
    if what == "no dataset":
        return
    flow.table.write_text(ROWS)
    answer = flow.again(id)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"id", "etag"}
    again = flow.run(answer.json()["id"])
    assert again["id"] != id
    assert (status(again), counts(again), flow.landed()) == ("success", (2, 2, 0), [0, 1])
    assert again["params"] == failed["params"], "it has the window of the run that it repeats"
    assert flow.run(id) == failed, "which stays as it is"


def test_credentials_that_became_wrong_fail_the_copy(inside: Start, tables: Path, tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(
        "organisations:\n  - {id: ONE@AdobeOrg}\nclients:\n  - {id: tester, secret: s3cret, organisation: ONE@AdobeOrg}\n"
        "source_credentials:\n  - {connector: service-now, params: {username: ann, password: pw}}\n"
    )
    platform = inside(tables=tables, accounts=accounts)
    flow = OnDemand(platform, platform.client("ONE@AdobeOrg"), tables / "t.csv")
    source = flow.flow()["inheritedAttributes"]["sourceConnections"][0]
    base = f"{FLOW}/connections/{source['baseConnection']['id']}"

    def password(value: str) -> None:
        etag = flow.client.get(base).json()["items"][0]["etag"]
        patch = [{"op": "replace", "path": "/auth/params/password", "value": value}]
        assert flow.client.patch(base, json=patch, headers={"If-Match": etag}).status_code == 200

    password("expired-xyzzy")
    id = flow.posted()
    run = flow.run(id)
    (error,) = run["metrics"]["statusSummary"]["errors"]
    assert (status(run), error["code"], flow.landed()) == ("failed", "CONNECTOR-1001-500", [])
    assert "xyzzy" not in str(run)
    password("pw")
    assert counts(flow.run(flow.again(id).json()["id"])) == (2, 2, 0)


def test_a_run_that_rejects_some_rows_says_which(demand: Any) -> None:
    flow = demand(
        rows=ROWS.replace("\n1,", "\none,"), options={"errorDiagnosticsEnabled": True, "partialIngestionPercent": 60}
    )
    run = flow.run(flow.posted())
    assert (status(run), counts(run), flow.landed()) == ("success", (2, 1, 1), [0])
    assert [each["code"] for each in run["metrics"]["statusSummary"]["errors"]] == ["CONNECTOR-2001-500"]
    manifest = run["activities"][1]["statusSummary"]["extensions"]["manifest"]
    assert manifest["failedRecords"].endswith(f"/batches/{batch_id(run)}/meta?path=row_errors")
    path = f"/data/foundation/export/batches/{batch_id(run)}/meta"
    (entry,) = flow.lake.ok("GET", path, params={"path": "row_errors"})["data"]
    link = httpx.URL(entry["_links"]["self"]["href"]).raw_path.decode()
    (line,) = flow.client.get(link).text.splitlines()
    assert '"one"' in line


@pytest.mark.parametrize("op", ["RE_TRIGGER", "re_trigger", "Re-Trigger"])
def test_a_run_without_records_can_be_done_again(demand: Any, op: str) -> None:
    flow = demand()
    id = flow.posted(MIDNIGHT + 9 * HOUR, MIDNIGHT + 10 * HOUR)
    assert (status(flow.run(id)), counts(flow.run(id))) == ("success", (0, 0, 0))
    with flow.table.open("a") as file:
        file.write("8,2026-01-01T09:30:00Z,late\n")
    assert counts(flow.run(flow.again(id, op).json()["id"])) == (1, 1, 0)


def test_what_cannot_be_done_again(demand: Any) -> None:
    flow = demand()
    waiting = flow.posted(startTime=int(time.time()) + 3_000_000)
    assert code(flow.again(waiting)) == "1387"
    good = flow.posted()
    flow.run(good)
    assert code(flow.again(good)) == "1387"
    assert code(flow.again(good, "explode")) == "1401"
    assert code(flow.again(good, "")) == "1401"
    assert flow.again(GONE).status_code == 404
    flow.table.unlink()
    bad = flow.posted()
    flow.run(bad)
    flow.act("disable")
    assert code(flow.again(bad)) == "1388"
    assert flow.client.delete(f"{FLOW}/flows/{flow.id}").status_code == 204
    assert code(flow.again(bad)) == "1430"
    assert code(flow.post()) == "1430"


def test_a_flows_own_run_is_done_again_over_the_whole_table(demand: Any) -> None:
    schedule = {"startTime": int(time.time()) + 60, "frequency": "once"}
    flow = demand(schedule=schedule, rows=ROWS.replace("\n1,", "\none,"))
    (failed,) = flow.lake.ended(flow.id)
    assert (status(failed), flow.landed()) == ("failed", [])
    flow.table.write_text(ROWS)
    assert counts(flow.run(flow.again(failed["id"]).json()["id"])) == (7, 7, 0)


# --- the switches


@pytest.mark.parametrize(
    ("edges", "landed"),
    [
        ("start_inclusive", [1, 2]),
        ("end_inclusive", [2, 3]),
        ("both_inclusive", [1, 2, 3]),
        ("neither_inclusive", [2]),
    ],
)
def test_window_edges(switched: Callable[..., OnDemand], edges: str, landed: list[int]) -> None:
    flow = switched(assume={"window_edges": edges})
    run = flow.run(flow.posted(MIDNIGHT + HOUR, MIDNIGHT + 3 * HOUR))
    assert (counts(run)[0], flow.landed()) == (len(landed), landed)


@pytest.mark.parametrize(
    ("told", "params", "extensions"), [("params", True, True), ("extensions", False, True), ("none", False, False)]
)
def test_where_a_run_tells_its_window(
    switched: Callable[..., OnDemand], told: str, params: bool, extensions: bool
) -> None:
    flow = switched(assume={"run_window_in_document": told})
    id = flow.posted()
    at_once = flow.lake.ok("GET", f"{RUNS}/{id}")["items"][0]
    assert ("params" in at_once) is params
    run = flow.run(id)
    assert ("params" in run, "extensions" in run["activities"][0]["durationSummary"]) == (params, extensions)
    assert flow.landed() == [0, 1]


@pytest.mark.parametrize(("setting", "status_code"), [("items", 201), ("id", 201), ("run", 200)])
def test_what_posting_answers(switched: Callable[..., OnDemand], setting: str, status_code: int) -> None:
    flow = switched(assume={"post_runs_answer": setting})
    answer = flow.post()
    told = answer.json()
    assert answer.status_code == status_code
    id = told["items"][0]["id"] if setting == "items" else told["id"]
    if setting == "run":
        assert (status(told), told["activities"], told["params"]["windowStartTime"]) == ("scheduled", [], MIDNIGHT)
        assert "_local" not in told
    else:
        assert set(told["items"][0] if setting == "items" else told) == {"id", "etag"}
    assert counts(flow.run(id)) == (2, 2, 0)


@pytest.mark.parametrize("hours", [0, 100])
def test_lists_have_a_posted_run_late(
    switched: Callable[..., OnDemand], monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """100 hours are six minutes on this platform's scale; later than that no other test's flow may become due."""
    flow = switched(assume={"run_appears_after_seconds": hours * HOUR})
    ids = [flow.posted(), flow.posted(MIDNIGHT + HOUR)]
    for id in ids:
        assert flow.client.get(f"{RUNS}/{id}").status_code == 200, "it is there at once"
        assert flow.run(id)["id"] == id, "and it may end before any list has it"

    def listed(condition: str) -> list[str]:
        found = flow.lake.ok("GET", RUNS, params={"property": condition})["items"]
        searched = flow.lake.ok("POST", f"{RUNS}/search", {"queryString": f"property={condition}"})["items"]
        assert found == searched
        return [run["id"] for run in found]

    conditions = (
        f"flowId=={flow.id}",
        f"id=={ids[0]},{ids[1]}",
        f"id=={ids[1]},{ids[0]},{GONE}",
        f"flowId==x,{flow.id}",
    )
    for condition in conditions:
        assert listed(condition) == ([] if hours else ids[::-1]), condition
    assert listed(f"id=={ids[0]}") == ([] if hours else ids[:1])
    assert flow.client.get(RUNS, params={"count": "true"}).json() == {"count": 0 if hours else 2}
    later(monkeypatch, HOUR / 10 + 1)
    for condition in conditions:
        assert listed(condition) == ids[::-1], condition


def test_a_hundred_runs_by_their_ids_on_one_page(
    switched: Callable[..., OnDemand], monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = switched(assume={"run_appears_after_seconds": 100 * HOUR})
    ids = [flow.posted(MIDNIGHT, MIDNIGHT) for _ in range(101)]
    wanted = ids[:100]
    query = {"property": "id==" + ",".join(wanted), "limit": 100}
    assert flow.lake.ok("GET", RUNS, params=query) == {"items": [], "_links": {}}
    assert {flow.run(id)["id"] for id in ids} == set(ids)
    later(monkeypatch, HOUR / 10 + 1)
    page = flow.lake.ok("GET", RUNS, params=query)
    assert ([run["id"] for run in page["items"]], page["_links"]) == (wanted[::-1], {})
    first = flow.lake.ok("GET", RUNS, params=query | {"limit": 60})
    second = flow.lake.ok("GET", FLOW + first["_links"]["next"]["href"])
    assert [run["id"] for each in (first, second) for run in each["items"]] == wanted[::-1]
    assert flow.lake.ok("GET", RUNS, params={"property": query["property"], "count": "true"}) == {"count": 100}


@pytest.mark.parametrize("setting", ["accepted", "refused"])
def test_a_run_before_the_flows_start(switched: Callable[..., OnDemand], setting: str) -> None:
    assume = {"run_before_flow_start": setting, "once_runs_by_itself": "no"}
    early = switched(assume=assume)
    if setting == "accepted":
        early.posted()
        return
    assert code(early.post()) == "1380"
    schedule = {"startTime": int(time.time()) + 60, "frequency": "once"}
    flow = switched(assume=assume, schedule=schedule)
    answers: list[httpx.Response] = []
    awaited(lambda: answers.append(flow.post()), lambda _: answers[-1].status_code == 201)
    assert {code(answer) for answer in answers[:-1]} <= {"1380"}


@pytest.mark.parametrize(("setting", "told"), [("whole", True), ("bare", False)])
def test_what_a_failed_run_tells(switched: Callable[..., OnDemand], setting: str, told: bool) -> None:
    flow = switched(assume={"failed_run_document": setting, "run_appears_after_seconds": 0})
    good = flow.run(flow.posted())
    flow.table.unlink()
    bad = flow.run(flow.posted())
    for run, expected in ((good, True), (bad, told)):
        assert ("recordSummary" in run["metrics"]) is expected
        assert ("completedAtUTC" in run["metrics"]["durationSummary"]) is expected
    assert flow.lake.runs(flow.id) == [bad, good]


def test_what_is_no_parameter_is_not_echoed(demand: Any) -> None:
    flow = demand()
    run = flow.run(flow.posted(colour="blue"))
    assert set(run["params"]) == {"startTime", "windowStartTime", "windowEndTime", "deltaColumn"}


@pytest.mark.parametrize("setting", ["allowed", "refused"])
def test_doing_a_run_again_twice(switched: Callable[..., OnDemand], setting: str) -> None:
    flow = switched(assume={"retrigger_again": setting})
    flow.table.unlink()
    id = flow.posted()
    flow.run(id)
    flow.table.write_text(ROWS)
    flow.run(flow.again(id).json()["id"])
    answer = flow.again(id)
    if setting == "refused":
        assert (code(answer), flow.landed()) == ("1387", [0, 1])
    else:
        flow.run(answer.json()["id"])
        assert flow.landed() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("documented", ("scheduled", "success", "failed")),
        ("partial", ("scheduled", "partialSuccess", "failed")),
        ("capitalised", ("Waiting", "Success", "Failed")),
        ("provider", ("SCHEDULED", "PARTIAL_SUCCESS", "FAILED")),
    ],
)
def test_the_words_for_a_runs_status(inside: Start, tmp_path: Path, setting: str, words: tuple[str, str, str]) -> None:
    (tmp_path / "tables").mkdir()
    platform = inside(tables=tmp_path / "tables", assume={"run_statuses": setting, "run_appears_after_seconds": 0})
    table = tmp_path / "tables" / "t.csv"
    rows = ROWS.replace("\n1,", "\none,")
    flow = OnDemand(platform, platform.client(), table, rows, options={"partialIngestionPercent": 60})
    waiting = flow.posted(startTime=int(time.time()) + 3_000_000)

    def ended(id: str, word: str) -> dict[str, Any]:
        return flow.seen(id, lambda status: status == word)

    ended(waiting, words[0])
    partial = ended(flow.posted(), words[1])
    assert partial["activities"][1]["statusSummary"]["status"] == words[1]
    clean = {"partial": "success", "provider": "SUCCESS"}.get(setting, words[1])
    ended(flow.posted(MIDNIGHT + 2 * HOUR, MIDNIGHT + 4 * HOUR), clean)
    table.unlink()
    failed = ended(flow.posted(), words[2])["id"]
    found = flow.lake.ok("GET", RUNS, params={"property": f"metrics.statusSummary.status=={words[2]}"})["items"]
    assert [run["id"] for run in found] == [failed], "filters see what answers show"


@pytest.mark.parametrize(("setting", "found"), [("works", 1), ("ignored", 2), ("empty", 0), ("refused", None)])
def test_a_filter_by_a_runs_window(switched: Callable[..., OnDemand], setting: str, found: int | None) -> None:
    flow = switched(assume={"run_window_filter": setting, "run_appears_after_seconds": 0})
    flow.run(flow.posted())
    flow.run(flow.posted(MIDNIGHT + HOUR))
    answer = flow.client.get(RUNS, params={"property": f"params.windowStartTime=={MIDNIGHT}"})
    if found is None:
        assert code(answer) == "1449"
    else:
        assert len(answer.json()["items"]) == found


@pytest.mark.parametrize(("setting", "found"), [("works", "ab"), ("ignored", "abc"), ("empty", ""), ("refused", None)])
def test_a_filter_of_several_values(switched: Callable[..., OnDemand], setting: str, found: str | None) -> None:
    flows = {"a": switched(assume={"several_values_filter": setting, "run_appears_after_seconds": 0})}
    client = flows["a"].client
    for name in "bc":
        flows[name] = OnDemand(flows["a"].lake.platform, client, flows["a"].table.with_name(f"{name}.csv"))
    runs = {name: flow.run(flow.posted())["id"] for name, flow in flows.items()}

    def asked(*conditions: str) -> httpx.Response:
        return client.get(RUNS, params=[("property", each) for each in conditions])

    for condition in (f"flowId=={flows['a'].id},{flows['b'].id}", f"id=={runs['b']},{runs['a']},{GONE}"):
        searched = client.post(f"{RUNS}/search", json={"queryString": f"property={condition}"})
        for answer in (asked(condition), searched):
            if found is None:
                assert (answer.status_code, code(answer)) == (400, "1454")
            else:
                assert [run["id"] for run in answer.json()["items"]] == [runs[name] for name in reversed(found)]
    several = f"id=={runs['a']},{runs['b']}"
    if found is not None:
        also = asked(several, f"flowId=={flows['a'].id}").json()["items"]
        assert [run["id"] for run in also] == [runs[name] for name in found if name == "a"], "the other filter holds"
    for single in (f"flowId=={flows['c'].id}", f"id=={runs['c']}"):
        assert [run["id"] for run in asked(single).json()["items"]] == [runs["c"]], "one value always works"


# --- the order of the list


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[threading.Event]]:
    """A slow source: a window that starts at hour n is read once gate n is open. Two runs are read at a time."""
    hours = [threading.Event() for _ in range(6)]
    read = TableFolder.read

    def slow(folder: TableFolder, table: str, columns: Any, delta: Any, start_ms: int, *rest: Any, **more: Any) -> Any:
        hours[(start_ms // 1000 - MIDNIGHT) // HOUR].wait(timeout=60)
        return read(folder, table, columns, delta, start_ms, *rest, **more)

    monkeypatch.setattr(TableFolder, "read", slow)
    yield hours
    for each in hours:
        each.set()


def hourly(flow: OnDemand, count: int) -> list[str]:
    """Runs of one hour each, the oldest first, once all are waiting for their source."""
    ids = [flow.posted(MIDNIGHT + hour * HOUR, MIDNIGHT + (hour + 1) * HOUR) for hour in range(count)]
    for id in ids:
        flow.seen(id, lambda word: word == "inProgress")
    return ids


@pytest.mark.parametrize("setting", ["created", "updated"])
def test_which_run_is_listed_first(
    switched: Callable[..., OnDemand], gates: list[threading.Event], setting: str
) -> None:
    flow = switched(assume={"runs_order": setting, "run_appears_after_seconds": 0})
    first, second = hourly(flow, 2)

    def listed() -> list[str]:
        found = flow.lake.runs(flow.id)
        moments = [run["createdAt" if setting == "created" else "updatedAt"] for run in found]
        assert moments == sorted(moments, reverse=True)
        for query in ({"limit": 5}, {"property": f"id=={first},{second}"}, {"property": "flowId!=x"}):
            assert flow.lake.ok("GET", RUNS, params=query)["items"] == found
        assert flow.lake.ok("POST", f"{RUNS}/search", {"limit": 1000})["items"] == found
        by_word = flow.lake.ok("GET", RUNS, params={"orderby": "createdAt"})["items"]
        assert [run["id"] for run in by_word] in ([first, second], [second, first])
        return [run["id"] for run in found]

    assert listed() == [second, first]
    gates[0].set()
    flow.run(first)
    assert listed() == ([second, first] if setting == "created" else [first, second])
    gates[1].set()
    flow.run(second)
    assert listed() == [second, first]


@pytest.mark.parametrize("continuation", ["self_contained", "position_only"])
@pytest.mark.parametrize("setting", ["created", "updated"])
def test_no_run_is_lost_or_repeated_for_being_updated_between_two_pages(
    switched: Callable[..., OnDemand], gates: list[threading.Event], setting: str, continuation: str
) -> None:
    """Pages go on in the order that the list had when the first of them was read; what they show is of now."""
    assume = {"runs_order": setting, "continuation": continuation, "run_appears_after_seconds": 0}
    flow = switched(assume=assume)
    ids = hourly(flow, 5)
    gates[0].set()
    flow.run(ids[0])
    order = ids[::-1] if setting == "created" else [ids[0], *ids[:0:-1]]
    query = [("property", f"flowId=={flow.id}"), ("limit", "2")]
    page = flow.lake.ok("GET", RUNS, params=query)
    assert [run["id"] for run in page["items"]] == order[:2]
    for gate in gates:
        gate.set()
    for id in reversed(ids):
        flow.run(id)
    newer = flow.run(flow.posted(MIDNIGHT + 5 * HOUR, MIDNIGHT + 6 * HOUR))["id"]
    found = []
    while "next" in page["_links"]:
        token = httpx.URL(page["_links"]["next"]["href"]).params["continuationToken"]
        again = query if continuation == "position_only" else []
        page = flow.lake.ok("GET", RUNS, params=[*again, ("continuationToken", token)])
        found.append([run["id"] for run in page["items"]])
        assert {status(run) for run in page["items"]} == {"success"}
    assert found == [order[2:4], order[4:]], "neither the newer run nor one that ended since disturbs them"
    whole = [run["id"] for run in flow.lake.runs(flow.id)]
    assert (whole[0], sorted(whole)) == (newer, sorted([newer, *ids]))


def test_a_token_of_one_order_is_none_of_the_other(inside: Start, tmp_path: Path, gates: list[threading.Event]) -> None:
    (tmp_path / "tables").mkdir()
    for gate in gates:
        gate.set()
    links = []
    for order in ("created", "updated"):
        assume = {"runs_order": order, "run_appears_after_seconds": 0}
        platform = inside(tables=tmp_path / "tables", assume=assume)
        flow = OnDemand(platform, platform.client(), tmp_path / "tables" / "t.csv")
        for _ in range(2):
            flow.posted()
        links.append((flow, FLOW + flow.lake.ok("GET", RUNS, params={"limit": 1})["_links"]["next"]["href"]))
    (created, its), (updated, other) = links
    for client, link, status_code in (
        (created.client, its, 200),
        (updated.client, other, 200),
        (created.client, other, 400),
        (updated.client, its, 400),
    ):
        answer = client.get(link)
        assert answer.status_code == status_code
        assert status_code == 200 or code(answer) == "1454"


# --- how a run's document is spelt


@pytest.mark.parametrize("setting", ["none", "activites", "seconds", "unknown_word"])
def test_quirks_of_a_runs_document(switched: Callable[..., OnDemand], setting: str) -> None:
    assume = {"run_document_quirks": setting, "run_appears_after_seconds": 0, "post_runs_answer": "run"}
    flow = switched(assume=assume)
    answered = flow.post().json()
    good = flow.run(answered["id"])
    flow.table.unlink()
    bad = flow.run(flow.post().json()["id"])
    assert flow.lake.runs(flow.id) == [bad, good]
    assert flow.lake.ok("POST", f"{RUNS}/search", {"limit": 9})["items"] == [bad, good]

    activities = "activites" if setting == "activites" else "activities"
    etag = "eTag" if setting == "activites" else "etag"
    for run in (answered, good, bad):
        assert {"activities", "activites", "etag", "eTag"} & set(run) == {activities, etag}
        assert run[etag] == run["version"]
    assert [len(run[activities]) for run in (answered, good, bad)] == [0, 2, 1]
    assert batch_id({"activities": good[activities]})

    unit = 1000 if setting == "seconds" else 1
    for run in (answered, good, bad):
        for part in (run["metrics"], *run[activities]):
            moments = part["durationSummary"]
            ended = [moments["completedAtUTC"]] if run is not answered else []
            assert ("completedAtUTC" in moments) is (run is not answered)
            for moment in (moments["startedAtUTC"], *ended):
                assert run["createdAt"] - 1000 < moment * unit <= run["updatedAt"], "no other moment changes its unit"
        assert all(each["updatedAtUTC"] == run["updatedAt"] for each in run[activities])
    assert good[activities][0]["durationSummary"]["extensions"]["windowStart"] == MIDNIGHT * 1000
    details = flow.flow()["lastRunDetails"]
    assert (details["state"], details["completedAtUTC"]) == ("failed", bad["updatedAt"]), "the flow spells as ever"

    word = "FINALIZED_OK" if setting == "unknown_word" else "success"
    assert [status(run) for run in (answered, good, bad)] == ["scheduled", word, "failed"]
    assert [each["statusSummary"]["status"] for each in good[activities]] == [word, word]
    found = flow.lake.ok("GET", RUNS, params={"property": f"state=={word}"})["items"]
    assert found == [good], "filters see what answers show"
    bound = 10**10 if setting == "seconds" else 10**13
    by_moment = {"property": f"metrics.durationSummary.startedAtUTC<{bound}"}
    assert flow.lake.ok("GET", RUNS, params=by_moment)["items"] == [bad, good]


@pytest.mark.parametrize("words", ["documented", "partial", "provider"])
def test_the_unknown_word_stands_for_every_run_that_ended_well(switched: Callable[..., OnDemand], words: str) -> None:
    """Whatever the other words are, and whether or not it rejected rows."""
    assume = {"run_document_quirks": "unknown_word", "run_statuses": words}
    flow = switched(rows=ROWS.replace("\n1,", "\none,"), assume=assume, options={"partialIngestionPercent": 60})
    known = {"documented": STARTED | {"failed"}, "provider": {"SCHEDULED", "IN_PROGRESS", "FAILED"}}
    for window in ((MIDNIGHT, MIDNIGHT + 2 * HOUR), (MIDNIGHT + 2 * HOUR, MIDNIGHT + 4 * HOUR)):
        run = flow.seen(flow.posted(*window), lambda word: word not in known.get(words, STARTED))
        assert (status(run), counts(run)[1]) == ("FINALIZED_OK", 1 if window[0] == MIDNIGHT else 2)
    flow.table.unlink()
    failed = flow.seen(flow.posted(), lambda word: word.lower() == "failed")
    assert status(failed) == ("FAILED" if words == "provider" else "failed")


def test_quirks_go_with_a_bare_document(switched: Callable[..., OnDemand]) -> None:
    assume = {"run_document_quirks": "seconds", "failed_run_document": "bare", "run_statuses": "capitalised"}
    flow = switched(assume=assume)
    flow.table.unlink()
    run = flow.seen(flow.posted(), lambda word: word == "Failed")
    assert set(run["metrics"]["durationSummary"]) == {"startedAtUTC"}
    assert run["metrics"]["durationSummary"]["startedAtUTC"] < 10**10
