"""Each setting of each switch for what nobody knows of AEP: it changes what it may, and no shape."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from . import models
from .platform import DATA_LAKE, DATA_PREP, FLOW, FULL, SERVICENOW, Caller, Server, checked, refused, until

JANUARY = 1767225600  # 2026-01-01 00:00:00 UTC, in seconds
DAY = 86400
# the first of each is what a platform assumes unless told otherwise
SETTINGS: dict[str, list[str]] = {
    "once_runs_by_itself": ["yes", "no"],
    "run_window_in_document": ["params", "extensions", "none"],
    "window_edges": ["start_inclusive", "end_inclusive", "both_inclusive", "neither_inclusive"],
    "run_before_flow_start": ["accepted", "refused"],
    "post_runs_answer": ["items", "id", "run"],
    "retrigger_again": ["allowed", "refused"],
    "run_statuses": ["documented", "partial", "capitalised", "provider"],
    "failed_run_document": ["whole", "bare"],
    "failed_transformation": ["rejects_row", "null_with_warning"],
    "once_flow_patch": ["accepted", "refused"],
    "start_time_skew": ["0", "600"],
    "duplicate_names": ["allowed", "refused"],
    "name_filter": ["works", "ignored", "empty", "refused"],
    "run_window_filter": ["works", "ignored", "empty", "refused"],
    "several_values_filter": ["works", "ignored", "empty", "refused"],
    "runs_order": ["created", "updated"],
    "sample_errors_file": ["row_error_samples.json", "row_errors_sample.json", "absent"],
    "run_document_quirks": ["none", "activites", "seconds", "unknown_word"],
    "filter_case": ["exact", "insensitive"],
    "page_size": ["20", "1"],
    "validation_lag_seconds": ["0", "100"],
    "test_bad_credentials": ["result_false", "400"],
    "credentials_checked_at_create": ["no", "yes"],
    "listing_lag_seconds": ["0", "300"],
    "continuation": ["self_contained", "position_only"],
    "run_appears_after_seconds": ["120", "0", "1000"],
    "secrets_in_answers": ["masked", "absent", "echoed"],
    "connectors_in_flow_spec": ["all", "tutorial", "page", "template"],
    "once_flow_edits": ["accepted", "refused"],
    "mapping_sets_list": ["full", "short"],
    "registry_list": ["with_description", "bare"],
}
# what these change is the shape itself, see test_run_document_quirks
UNSHAPELY = {f"run_document_quirks={setting}" for setting in ("activites", "seconds", "unknown_word")}
EVERY = [f"{switch}={setting}" for switch, settings in SETTINGS.items() for setting in settings]
ACCOUNTS = """\
organisations:
  - {id: ONE@AdobeOrg, tenant: one, sandboxes: [prod]}
clients:
  - {id: tester, secret: s3cret, organisation: ONE@AdobeOrg}
source_credentials:
  - connector: service-now
    params: {endpoint: "https://dev1.service-now.example", username: ann, password: hunter2-secret}
"""
Start = Callable[..., Server]
Assuming = Callable[[str, str], Server]
far_away = {"frequency": "once", "startTime": int(time.time()) + 9_000_000}


@pytest.fixture
def assuming(server: Server, start: Start) -> Assuming:
    """A platform with one switch set; where that is no change, the one that all tests share."""

    def one(switch: str, setting: str) -> Server:
        return server if setting == SETTINGS[switch][0] else start("--assume", f"{switch}={setting}")

    return one


def both_ends(switch: str) -> list[Any]:
    """The settings of a switch; in the quick loop only its default, for the platform's own tests try the others there."""
    first, *others = SETTINGS[switch]
    return [first, *(pytest.param(each, marks=pytest.mark.slow) for each in others)]


class Dataflow:
    """A flow over ``Account`` whose ``row.id`` is the account's id; the rows that landed are read from its runs."""

    def __init__(
        self, aep: Caller, first: dict[str, Any] | None = None, computed: str | None = None, **changes: Any
    ) -> None:
        """With ``first``, a transformation before the mapping; with ``computed``, an expression for ``row.share``."""
        self.aep = aep
        tenant, base = aep.tenant(), aep.base()
        columns = aep.columns(base, "Account")
        source = aep.create("sourceConnections", aep.source_body(base, "Account", columns))
        fields = {"id": {"type": "string"}, "share": {"type": "number"}}
        schema = aep.schema(fields, title=f"schema over {source}")
        self.dataset = aep.dataset(schema)
        target = self.created("targetConnections", aep.target_body(self.dataset, schema))
        mapping = self.mapping(schema, tenant, computed)
        body = aep.flow_body(source, target, mapping, **changes)
        body["transformations"] = [*([first] if first else []), *body["transformations"]]
        self.id = aep.settled(self.created("flows", body)).id

    def mapping(self, schema: str, tenant: str, computed: str | None) -> str:
        if computed is None:
            return self.aep.mapping(schema, [("Id", f"{tenant}.row.id")])
        mappings = [
            {"sourceType": "ATTRIBUTE", "source": "Id", "destination": f"{tenant}.row.id"},
            {"sourceType": "EXPRESSION", "source": computed, "destination": f"{tenant}.row.share"},
        ]
        body = {"outputSchema": {"schemaRef": {"id": schema, "contentType": FULL}}, "mappings": mappings}
        return checked(self.aep.post(f"{DATA_PREP}/mappingSets", body), models.MappingSetCreated).id

    def created(self, kind: str, body: dict[str, Any]) -> str:
        """Created once Flow Service can validate what it names."""
        answer = until(lambda: self.aep.post(f"{FLOW}/{kind}", body), lambda answer: answer.status_code != 500)
        return checked(answer, models.Created, 201).id

    def post(self, start: int, end: int, **more: Any) -> httpx.Response:
        params = {"startTime": int(time.time()), "windowStartTime": start, "windowEndTime": end}
        body = {"flowId": self.id, "params": params | {"deltaColumn": {"name": "CreatedDate"}}}
        return self.aep.post(f"{FLOW}/runs", body, **more)

    def written(self) -> int:
        """How many rows the runs say they wrote."""
        summaries = [run.metrics.recordSummary for run in self.aep.runs(self.id)]
        return sum(summary.outputRecordCount for summary in summaries if summary)


def told(answer: httpx.Response) -> str:
    """The id of a posted run, from any of the three documented shapes."""
    assert answer.status_code in {200, 201}, answer.text
    body = answer.json()
    if "items" in body:
        return models.ItemsCreated.model_validate_json(answer.content).items[0].id
    model = models.ScheduledRun if "metrics" in body else models.Created
    return model.model_validate_json(answer.content).id


def test_no_switch_is_left_out() -> None:
    command = [sys.executable, "-m", "aep_local.cli", "serve", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    defaults = dict(re.findall(r"^  (\w+)=(\S+)", shown, re.MULTILINE))
    assert {switch: value.removesuffix(".0") for switch, value in defaults.items()} == {
        switch: settings[0] for switch, settings in SETTINGS.items()
    }


@pytest.mark.parametrize(
    "wrong",
    [
        "once_runs_by_itself=perhaps",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("no_such_switch=yes", "window_edges", "=yes")),
    ],
)
def test_a_switch_that_is_none_is_refused_at_start(tmp_path: Path, wrong: str) -> None:
    command = [sys.executable, "-m", "aep_local.cli", "serve", "--tables", str(tmp_path), "--state", str(tmp_path)]
    ended = subprocess.run([*command, "--assume", wrong], check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "--assume" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.thorough
@pytest.mark.parametrize("setting", [each for each in EVERY if each not in UNSHAPELY])
def test_every_setting_keeps_the_shapes(start: Start, setting: str) -> None:
    """The whole chain, listed and read, and one run on demand: the models judge every answer."""
    not_by_itself = ["--assume", "once_runs_by_itself=no"] if setting == "run_before_flow_start=refused" else []
    with start("--assume", setting, *not_by_itself).caller() as aep:
        flow = Dataflow(aep, **({} if not_by_itself else {"scheduleParams": far_away}))
        answer = until(
            lambda: flow.post(JANUARY, JANUARY + 30 * DAY),
            lambda answer: not not_by_itself or answer.status_code != 400,
        )
        id = told(answer)
        runs = aep.ended_runs(flow.id)
        assert [run.id for run in runs] == [id]
        assert checked(aep.get(f"{FLOW}/runs/{id}"), models.One[models.Run]).items == runs
        assert flow.written() == 4
        assert aep.batch(runs[0].batch).metrics.outputRecordCount == 4
        for kind, model in (
            ("connections", models.Connection),
            ("sourceConnections", models.SourceConnection),
            ("targetConnections", models.TargetConnection),
            ("flows", models.Flow),
        ):
            until(
                lambda kind=kind, model=model: checked(aep.get(f"{FLOW}/{kind}"), models.Listing[model]).items,  # type: ignore[valid-type]
                lambda items: len(items) == 1,
            )


@pytest.mark.parametrize("setting", both_ends("once_runs_by_itself"))
def test_once_runs_by_itself(assuming: Assuming, setting: str) -> None:
    with assuming("once_runs_by_itself", setting).caller() as aep:
        flow = Dataflow(aep)
        if setting == "yes":
            (run,) = aep.ended_runs(flow.id)
            assert run.status == "success"
            assert flow.written() == 4
            return
        later = Dataflow(aep)  # when this one's posted run is over, the first one's time is long past
        time_to_run = flow.aep.flow(flow.id).scheduleParams.startTime
        assert isinstance(time_to_run, int)
        posted = told(later.post(JANUARY, JANUARY + 30 * DAY))
        assert [run.id for run in aep.ended_runs(later.id)] == [posted]
        assert aep.runs(flow.id) == []
        assert aep.flow(flow.id).lastRunDetails is None


def test_a_run_may_be_posted_before_the_flows_own_time(assuming: Assuming) -> None:
    with assuming("once_runs_by_itself", "yes").caller() as aep:
        flow = Dataflow(aep, scheduleParams=far_away)
        posted = told(flow.post(JANUARY, JANUARY + 2 * DAY))
        assert [run.id for run in aep.ended_runs(flow.id)] == [posted]
        assert flow.written() == 2


@pytest.mark.parametrize("setting", both_ends("run_window_in_document"))
def test_run_window_in_document(assuming: Assuming, setting: str) -> None:
    with assuming("run_window_in_document", setting).caller() as aep:
        flow = Dataflow(aep, scheduleParams=far_away)
        answer = flow.post(JANUARY, JANUARY + 2 * DAY)
        id = told(answer)
        at_once = checked(aep.get(f"{FLOW}/runs/{id}"), models.One[models.Run]).items[0]
        assert (at_once.params is not None) == (setting == "params"), "in params at once"
        (run,) = aep.ended_runs(flow.id)
        assert flow.written() == 2, "the window holds, whether the document tells it or not"
        if setting == "none":
            assert run.params is None
            assert window(run) == (None, None)
            found = aep.get(f"{FLOW}/runs", params={"property": f"params.windowStartTime=={JANUARY}"})
            assert checked(found, models.Listing[models.Run]).items == []
        elif setting == "extensions":
            assert window(run) == (JANUARY * 1000, (JANUARY + 2 * DAY) * 1000), "milliseconds"
        else:
            assert run.params is not None
            sent = (run.params.windowStartTime, run.params.windowEndTime)
            assert tuple(int(each) for each in sent) == (JANUARY, JANUARY + 2 * DAY), "seconds, as sent"


@pytest.mark.parametrize("setting", both_ends("run_window_in_document"))
def test_run_window_of_a_schedule(assuming: Assuming, setting: str) -> None:
    """Every run of a schedule has a window, which its document tells somewhere, or nowhere."""
    with assuming("run_window_in_document", setting).caller() as aep:
        copy = {"name": "Copy", "params": {"deltaColumn": {"name": "CreatedDate"}}}
        schedule = {"startTime": int(time.time()) + 60, "frequency": "minute", "interval": 15, "backfill": True}
        flow = Dataflow(aep, first=copy, scheduleParams=schedule)
        runs = aep.ended_runs(flow.id, 2)
        assert {run.status for run in runs} == {"success"}
        assert flow.written() == 4, "the first run takes everything, the next what is new"
        for run in runs:
            in_extensions, in_params = window(run) != (None, None), run.params is not None
            assert (in_extensions or in_params) == (setting != "none")
            if setting == "extensions":
                assert in_extensions
                assert not in_params
        first, second = runs[-1], runs[-2]
        if setting == "extensions":
            assert window(first)[1] == window(second)[0], "no gap between two windows"
        # on a scaled platform a schedule runs about once a second for ever
        assert aep.delete(f"{FLOW}/flows/{flow.id}").status_code == 204


def window(run: models.Run) -> tuple[int | None, int | None]:
    extensions = run.copy_activity.durationSummary.extensions
    return (extensions.windowStart, extensions.windowEnd) if extensions else (None, None)


@pytest.mark.parametrize("setting", both_ends("window_edges"))
def test_window_edges(assuming: Assuming, setting: str) -> None:
    """Accounts 001 to 004 are of 1 to 4 January, each at 08:00."""
    with assuming("window_edges", setting).caller() as aep:
        flow = Dataflow(aep, scheduleParams=far_away)
        eight = JANUARY + 8 * 3600

        def rows(start: int, end: int) -> int:
            before, count = flow.written(), len(aep.runs(flow.id))
            told(flow.post(start, end))
            aep.ended_runs(flow.id, count + 1)
            return flow.written() - before

        at_start, at_end = rows(eight + DAY, eight + DAY + 60), rows(eight + DAY - 60, eight + DAY)
        expected = {
            "start_inclusive": (1, 0),
            "end_inclusive": (0, 1),
            "both_inclusive": (1, 1),
            "neither_inclusive": (0, 0),
        }
        assert (at_start, at_end) == expected[setting]
        assert rows(eight + DAY + 1, eight + 2 * DAY - 1) == 0
        assert rows(eight + DAY - 1, eight + DAY + 1) == 1


@pytest.mark.parametrize("setting", both_ends("post_runs_answer"))
def test_post_runs_answer(assuming: Assuming, setting: str) -> None:
    with assuming("post_runs_answer", setting).caller() as aep:
        flow = Dataflow(aep, scheduleParams=far_away)
        answer = flow.post(JANUARY, JANUARY + 2 * DAY)
        posted = told(answer)
        assert ("items" in answer.json(), "metrics" in answer.json()) == (setting == "items", setting == "run")
        if setting == "run":
            assert answer.json()["params"]["windowStartTime"] == JANUARY
        assert [run.id for run in aep.ended_runs(flow.id)] == [posted]


@pytest.mark.parametrize("setting", both_ends("several_values_filter"))
def test_several_values_filter(assuming: Assuming, setting: str) -> None:
    """Commas mean *or* in the lists of flows and runs, which is what a look at many of them at once rests on."""
    with assuming("several_values_filter", setting).caller() as aep:
        flows = [Dataflow(aep, scheduleParams=far_away) for _ in range(3)]
        posted = [told(flow.post(JANUARY, JANUARY + DAY)) for flow in flows]
        for flow in flows:
            aep.ended_runs(flow.id)

        def ids(kind: str, condition: str) -> list[str] | None:
            answer = aep.get(f"{FLOW}/{kind}", params={"property": condition})
            if setting == "refused" and "," in condition:
                refused(answer, 1454)
                return None
            model = models.Listing[models.Flow] if kind == "flows" else models.Listing[models.Run]
            return [each.id for each in checked(answer, model).items]

        of_flows = [flow.id for flow in flows]
        for kind, path, wanted, there in (
            ("flows", "id", of_flows, of_flows),
            ("runs", "id", posted, posted),
            ("runs", "flowId", of_flows, posted),
        ):
            found = {"works": there[1::-1], "ignored": there[::-1], "empty": [], "refused": None}[setting]
            assert ids(kind, f"{path}=={wanted[0]},{wanted[1]}") == found
            assert ids(kind, f"{path}=={wanted[0]}") == [there[0]], "one value always works"


@pytest.mark.parametrize("setting", both_ends("runs_order"))
def test_runs_order(assuming: Assuming, setting: str) -> None:
    """Newest first, by either moment, and page by page the same; the moments differ, for the first run begins late."""
    with assuming("runs_order", setting).caller() as aep:
        flow = Dataflow(aep, scheduleParams=far_away)
        late = {"startTime": int(time.time()) + 2000, "windowStartTime": JANUARY, "windowEndTime": JANUARY + DAY}
        body = {"flowId": flow.id, "params": late | {"deltaColumn": {"name": "CreatedDate"}}}
        ids = [told(aep.post(f"{FLOW}/runs", body)), *(told(flow.post(JANUARY, JANUARY + DAY)) for _ in range(4))]
        runs = aep.ended_runs(flow.id, 5)
        assert {run.id for run in runs} == set(ids)
        moments = [run.createdAt if setting == "created" else run.updatedAt for run in runs]
        assert moments == sorted(moments, reverse=True)
        if setting == "created":
            assert [run.id for run in runs] == ids[::-1]
        page = checked(aep.get(f"{FLOW}/runs", params={"limit": 2}), models.Listing[models.Run])
        paged = page.items
        while page.links.next:
            page = checked(aep.follow(FLOW + page.links.next.href), models.Listing[models.Run])
            paged = paged + page.items
        assert paged == runs


@pytest.mark.parametrize("setting", both_ends("sample_errors_file"))
@pytest.mark.parametrize(("percent", "status"), [(50, "success"), (5, "failed")])
def test_sample_errors_file(assuming: Assuming, setting: str, percent: int, status: str) -> None:
    """The second account's share is divided by zero; the run may land the others or fail as a whole."""
    with assuming("sample_errors_file", setting).caller() as aep:
        options = {"errorDiagnosticsEnabled": True, "partialIngestionPercent": percent}
        flow = Dataflow(aep, computed="100.0 / (to_integer(Id) - 2)", options=options, scheduleParams=far_away)
        told(flow.post(JANUARY, JANUARY + 30 * DAY))
        (run,) = aep.ended_runs(flow.id)
        assert run.status == status
        extensions = run.promotion_activity.statusSummary.extensions
        assert extensions is not None
        assert extensions.manifest is not None
        manifest = extensions.manifest
        assert manifest.failedRecords is not None
        (entry,) = checked(aep.follow(manifest.failedRecords), models.Entries).data
        (line,) = aep.follow(entry.links.self.href).text.splitlines()
        assert json.loads(line)["row"]["Id"] == "002"
        assert "MAPPER-3700-400" in line
        if setting == "absent":
            assert manifest.sampleErrors is None
            return
        assert manifest.sampleErrors is not None
        assert httpx.URL(manifest.sampleErrors).params["path"] == setting
        assert aep.follow(manifest.sampleErrors).text.splitlines() == [line]


@pytest.mark.parametrize("setting", both_ends("run_document_quirks"))
def test_run_document_quirks(assuming: Assuming, setting: str) -> None:
    """Apart from its quirk the document has the shape that all have."""
    with assuming("run_document_quirks", setting).caller() as aep:
        flow = Dataflow(aep, scheduleParams=far_away)
        id = told(flow.post(JANUARY, JANUARY + 2 * DAY))

        def read() -> dict[str, Any]:
            return dict(aep.get(f"{FLOW}/runs/{id}").json()["items"][0])

        busy = {"scheduled", "inProgress"}
        run = until(read, lambda run: run["metrics"]["statusSummary"]["status"] not in busy)
        (listed,) = until(lambda: aep.get(f"{FLOW}/runs").json()["items"], lambda items: len(items) == 1)
        assert listed == run
        if setting == "activites":
            run = {"activities": run.pop("activites"), "etag": run.pop("eTag")} | run
        for part in (run["metrics"], *run["activities"]):
            if setting == "seconds":
                moments = part["durationSummary"]
                moments |= {key: moments[key] * 1000 for key in ("startedAtUTC", "completedAtUTC")}
            if setting == "unknown_word":
                assert part["statusSummary"]["status"] == "FINALIZED_OK"
                part["statusSummary"]["status"] = "success"
        usual = models.Run.model_validate_json(json.dumps(run))
        assert usual.status == "success"
        assert usual.metrics.recordSummary is not None
        assert usual.metrics.recordSummary.outputRecordCount == 2
        assert aep.batch(usual.batch).metrics.outputRecordCount == 2


@pytest.mark.parametrize("setting", both_ends("failed_transformation"))
def test_failed_transformation(assuming: Assuming, setting: str) -> None:
    """The second account's share is divided by zero."""
    with assuming("failed_transformation", setting).caller() as aep:
        options = {"errorDiagnosticsEnabled": True, "partialIngestionPercent": 50}
        flow = Dataflow(aep, computed="100.0 / (to_integer(Id) - 2)", options=options, scheduleParams=far_away)
        told(flow.post(JANUARY, JANUARY + 30 * DAY))
        (run,) = aep.ended_runs(flow.id)
        assert run.status == "success"
        for records in (run.metrics.recordSummary, run.promotion_activity.recordSummary):
            assert records is not None
            counts = (records.outputRecordCount, records.failedRecordCount, records.warningRecordCount)
            assert counts == ((3, 1, None) if setting == "rejects_row" else (4, 0, 1))
        assert aep.batch(run.batch).metrics.outputRecordCount == (3 if setting == "rejects_row" else 4)
        assert bool(run.metrics.statusSummary.errors) is (setting == "rejects_row"), "a warning is no error"


@pytest.mark.parametrize("setting", both_ends("duplicate_names"))
def test_duplicate_names(assuming: Assuming, setting: str) -> None:
    with assuming("duplicate_names", setting).caller() as aep:
        base, columns = aep.base(), [{"name": "Id", "type": "string", "xdm": {"type": "string"}}]
        body = aep.source_body(base, "Account", columns, name="same")
        first = aep.create("sourceConnections", body)
        again = aep.post(f"{FLOW}/sourceConnections", body)
        if setting == "allowed":
            assert checked(again, models.Created, 201).id != first
        else:
            assert refused(again, status=409).report.id == first
        answer = aep.get(f"{FLOW}/sourceConnections", params={"property": "name==same"})
        found = checked(answer, models.Listing[models.SourceConnection]).items
        assert len(found) == (2 if setting == "allowed" else 1)


@pytest.mark.parametrize("setting", both_ends("duplicate_names"))
def test_duplicate_names_of_connections(assuming: Assuming, setting: str) -> None:
    with assuming("duplicate_names", setting).caller() as aep:
        first = aep.base(name="same")
        again = aep.post(f"{FLOW}/connections", aep.connection_body(name="same"))
        if setting == "allowed":
            assert checked(again, models.Created, 201).id != first
        else:
            refused(again, status=409)


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    file = tmp_path / "accounts.yaml"
    file.write_text(ACCOUNTS)
    return file


def wrong_credentials(aep: Caller) -> dict[str, Any]:
    body = aep.connection_body()
    body["auth"]["params"]["password"] = "not-it-xyzzy"
    return body


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS["test_bad_credentials"])
def test_test_bad_credentials(start: Start, accounts: Path, setting: str) -> None:
    server = start("--accounts", str(accounts), "--assume", f"test_bad_credentials={setting}")
    with server.caller("ONE@AdobeOrg") as aep:
        good, bad = aep.base(), aep.create("connections", wrong_credentials(aep))
        assert checked(aep.get(f"{FLOW}/connections/{good}/test"), models.Tested).result is True
        answer = aep.get(f"{FLOW}/connections/{bad}/test")
        assert "xyzzy" not in answer.text
        if setting == "result_false":
            assert checked(answer, models.Tested).result is False
        else:
            refused(answer, 1308)
    assert "xyzzy" not in server.log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS["credentials_checked_at_create"])
def test_credentials_checked_at_create(start: Start, accounts: Path, setting: str) -> None:
    server = start("--accounts", str(accounts), "--assume", f"credentials_checked_at_create={setting}")
    with server.caller("ONE@AdobeOrg") as aep:
        checked(aep.post(f"{FLOW}/connections", aep.connection_body()), models.Created, 201)
        answer = aep.post(f"{FLOW}/connections", wrong_credentials(aep))
        listed = checked(aep.get(f"{FLOW}/connections"), models.Listing[models.Connection]).items
        if setting == "no":
            checked(answer, models.Created, 201)
            assert len(listed) == 2
        else:
            assert "xyzzy" not in refused(answer, 1308).errorMessage
            assert len(listed) == 1, "what was refused is not there"


@pytest.mark.parametrize("setting", both_ends("listing_lag_seconds"))
def test_listing_lag(assuming: Assuming, setting: str) -> None:
    """Scaled: 300 seconds are 0.3."""
    with assuming("listing_lag_seconds", setting).caller() as aep:
        id = aep.base()
        before = time.monotonic()
        assert checked(aep.get(f"{FLOW}/connections/{id}"), models.One[models.Connection]).items[0].id == id
        listed = checked(aep.get(f"{FLOW}/connections"), models.Listing[models.Connection]).items
        by_name = aep.get(f"{FLOW}/connections", params={"property": "name==base"})
        assert len(checked(by_name, models.Listing[models.Connection]).items) == len(listed)
        if setting == "0":
            assert [each.id for each in listed] == [id]
        elif time.monotonic() - before < 0.25:
            assert listed == [], "it is there, and no list has it yet"
        until(
            lambda: checked(aep.get(f"{FLOW}/connections"), models.Listing[models.Connection]).items,
            lambda items: [each.id for each in items] == [id],
        )


@pytest.mark.parametrize("setting", both_ends("continuation"))
def test_continuation(assuming: Assuming, setting: str) -> None:
    with assuming("continuation", setting).caller() as aep:
        for number in range(7):
            aep.base(name=f"{'odd' if number % 2 else 'even'}")
        query: dict[str, Any] = {"property": "name==even", "limit": 2, "orderby": "name"}
        first = checked(aep.get(f"{FLOW}/connections", params=query), models.Listing[models.Connection])
        found, page = [each.id for each in first.items], first
        while page.links.next:
            more = dict(httpx.URL(page.links.next.href).params)
            page = checked(aep.get(f"{FLOW}/connections", params=query | more), models.Listing[models.Connection])
            assert {each.name for each in page.items} <= {"even"}
            found += [each.id for each in page.items]
            assert len(found) <= 4
        assert len(set(found)) == 4, "who repeats the filter gets everything once under either setting"
        assert first.links.next is not None
        bare = aep.follow(FLOW + first.links.next.href)
        if setting == "self_contained":
            following = checked(bare, models.Listing[models.Connection])
            assert [each.id for each in following.items] == found[2:4]
        elif bare.status_code == 200:
            models.Listing[models.Connection].model_validate_json(bare.content)
        else:
            refused(bare)


@pytest.mark.parametrize("setting", both_ends("run_appears_after_seconds"))
def test_run_appears_after(assuming: Assuming, setting: str) -> None:
    """Scaled: 1000 seconds are one. The flow's own time comes after a scaled minute."""
    with assuming("run_appears_after_seconds", setting).caller() as aep:
        begun = time.monotonic()
        flow = Dataflow(aep)
        if setting == "1000" and time.monotonic() - begun < 0.8:
            assert aep.runs(flow.id) == [], "an empty list is normal, not a failure"
            assert aep.flow(flow.id).lastRunDetails is None
        (run,) = aep.ended_runs(flow.id)
        assert run.status == "success"
        if setting == "1000":
            assert time.monotonic() - begun > 0.9


@pytest.mark.slow
def test_the_specs_do_not_depend_on_switches(start: Start) -> None:
    with start("--assume", "once_runs_by_itself=no", "--assume", "run_window_in_document=none").caller() as aep:
        (spec,) = checked(
            aep.get(f"{FLOW}/flowSpecs", params={"property": "name==CRMToAEP"}), models.Listing[models.FlowSpec]
        ).items
        assert SERVICENOW in spec.sourceConnectionSpecIds
        assert spec.targetConnectionSpecIds == [DATA_LAKE]
