"""`airflow aep runs`: windows as Airflow makes them, from what AEP reports, in words and in an exit status."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.timetables.base import TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable

import aep_provider.cli.definition as definition
from aep_provider.cli.report import print_text
from aep_provider.cli.schedule import moment_of, read_moment, windows_in
from aep_provider.dataflows.spec import Schedule
from aep_provider.errors import AepConfigError
from aep_provider.platform.client import AepClient
from aep_provider.resources.window import Window

AMSTERDAM = "Europe/Amsterdam"


@pytest.fixture(autouse=True)
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections come from the environment; what the command sets for its process ends with the test."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")


@pytest.fixture(scope="module")
def parser() -> Any:
    from airflow.cli import cli_parser

    return cli_parser.get_parser()


def test_airflow_shows_it(parser: Any) -> None:
    assert "aep" in parser.format_help()
    args = parser.parse_args(["aep", "runs", "--from", "2026-01-01", "--to", "2026-02-01", "a", "b", "--json"])
    assert (args.from_, args.to, args.names, args.output) == ("2026-01-01", "2026-02-01", ["a", "b"], True)


def test_every_airflow_command_pays_for_nothing() -> None:
    tree = ast.parse(Path(definition.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= {"__future__", "typing", "airflow.cli.cli_config"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]


def asked(start: str, end: str, timezone: str = AMSTERDAM) -> Window:
    return Window.between(read_moment(start, "--from", timezone), read_moment(end, "--to", timezone))


def hours(schedule: Schedule, start: str, end: str) -> list[float]:
    return [(one.end - one.start) / 3600 for one in windows_in(schedule, asked(start, end, schedule.timezone))]


class TestWindows:
    DAILY = Schedule(cron="0 0 * * *", timezone=AMSTERDAM, start=date(2024, 1, 1))

    @pytest.mark.parametrize(
        ("start", "end", "expected"),
        [
            ("2026-03-28", "2026-03-31", [24, 23, 24]),
            ("2026-10-24", "2026-10-27", [24, 25, 24]),
            ("2026-03-29", "2026-03-30", [23]),
            ("2026-10-25", "2026-10-26", [25]),
            ("2026-03-29T02:30", "2026-03-29T02:31", [23]),
            ("2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", [25]),
            ("2024-02-28", "2024-03-02", [24, 24, 24]),
            ("2026-02-28", "2026-03-01", [24]),
            ("2023-12-30", "2024-01-02", [24]),
            ("2023-12-30", "2024-01-01", []),
        ],
    )
    def test_days_on_which_clocks_change_and_leap_days(self, start: str, end: str, expected: list[float]) -> None:
        assert hours(self.DAILY, start, end) == expected

    def test_no_window_begins_after_the_end_of_the_schedule(self) -> None:
        """As a DAG's end date: a window may begin on it."""
        schedule = self.DAILY.model_copy(update={"end": date(2024, 1, 3)})
        assert len(hours(schedule, "2024-01-01", "2024-02-01")) == 3

    def test_a_range_that_cuts_windows_shows_them_whole(self) -> None:
        found = windows_in(self.DAILY, asked("2026-01-01T12:00", "2026-01-02T00:00:01"))
        assert found == [asked("2026-01-01", "2026-01-02"), asked("2026-01-02", "2026-01-03")]

    @pytest.mark.parametrize("cron", ["0 0 * * *", "0 */6 * * *", "30 2 * * *", "0 * * * *", "@weekly", "0 0 1 * *"])
    @pytest.mark.parametrize(
        "timezone",
        [AMSTERDAM, *(pytest.param(name, marks=pytest.mark.slow) for name in ("America/New_York", "Asia/Kolkata"))],
    )
    @pytest.mark.parametrize("begin", ["2026-03-06", "2026-03-27T13:17", "2026-10-24T02:30", "2026-10-25T03:30"])
    def test_they_are_those_that_the_scheduler_makes(self, cron: str, timezone: str, begin: str) -> None:
        """From the first one on, one after the other, as it does."""
        first = read_moment(begin, "--from", timezone)
        schedule = Schedule(cron=cron, timezone=timezone, start=first.date() - timedelta(days=9))
        range_ = Window.between(first, first + timedelta(days=3))
        timetable = CronDataIntervalTimetable(cron, timezone=timezone)
        start = pendulum.instance(moment_of(schedule.start, timezone))
        last, made = None, []
        while info := timetable.next_dagrun_info(
            last_automated_data_interval=last, restriction=TimeRestriction(start, None, catchup=True)
        ):
            last = info.data_interval
            assert last is not None
            if last.start.timestamp() >= range_.end:
                break
            made.append(Window.between(last.start, last.end))
        assert windows_in(schedule, range_) == [one for one in made if one.overlaps(range_)]

    def test_a_range_without_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("aep_provider.cli.schedule.MOST_WINDOWS", 50)
        with pytest.raises(AepConfigError, match="more than 50 windows"):
            windows_in(self.DAILY, asked("2026-01-01", "9999-01-01"))


class TestMoments:
    def test_a_date_is_midnight_where_the_schedule_is(self) -> None:
        assert read_moment("2026-07-01", "--from", AMSTERDAM) == datetime(2026, 6, 30, 22, tzinfo=UTC)

    def test_a_moment_without_offset_is_read_there_too(self) -> None:
        assert read_moment("2026-01-01T06:00", "--from", AMSTERDAM) == datetime(2026, 1, 1, 5, tzinfo=UTC)

    def test_an_offset_counts(self) -> None:
        assert read_moment("2026-01-01T06:00Z", "--from", AMSTERDAM) == datetime(2026, 1, 1, 6, tzinfo=UTC)

    @pytest.mark.parametrize("text", ["yesterday", "", "2026-02-30", "1767225600", "2026-13-01"])
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(AepConfigError, match="--to is"):
            read_moment(text, "--to", "UTC")


SPEC = """\
source: servicenow
source_conn_id: aep_source_servicenow
table: incident
delta_column: sys_updated_at
schedule: {cron: "0 0 * * *", start: 2026-01-01}
"""


class Printed:
    """What the command printed, and its exit status."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> Any:
        (dataflow,) = json.loads(self.out)["dataflows"]
        return dataflow

    def lines(self, kind: str) -> list[list[str]]:
        fields = [line.split("\t") for line in self.out.splitlines()]
        return [one[1:] for one in fields if one[0] == kind]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "incidents.yaml").write_text(SPEC)
    return tmp_path


@pytest.fixture
def command(
    parser: Any, folder: Path, capsys: pytest.CaptureFixture[str], aep: Any, no_waits: None
) -> Callable[..., Printed]:
    def run(*arguments: str, start: str = "2026-01-01", end: str = "2026-01-04") -> Printed:
        given = ["aep", "runs", "--from", start, "--to", end, "--specs", str(folder), *arguments]
        args = parser.parse_args(given)
        with pytest.raises(SystemExit) as ended:
            args.func(args)
        printed = capsys.readouterr()
        return Printed(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def dataflow(client: AepClient, platform: Any, on_demand: Any) -> Any:
    return on_demand(client, platform)


class TestRuns:
    def test_everything_was_loaded(self, command: Any, dataflow: Any) -> None:
        ids = dataflow.run(*(dataflow.day(number) for number in (1, 2, 3)))
        told = command()
        assert told.status == 0
        moments = [f"2026-01-0{number}T00:00:00+00:00" for number in (1, 2, 3, 4)]
        assert told.lines("window") == [
            ["incidents", moments[at], moments[at + 1], "succeeded", "1", "0", ids[at]] for at in range(3)
        ]
        assert told.lines("answer") == [["incidents", moments[0], moments[3], "complete", "3 succeeded"]]
        assert len(told.out.splitlines()) == 4

    def test_gaps_failures_and_overlaps_over_all_generations(
        self, command: Any, dataflow: Any, client: AepClient, platform: Any, on_demand: Any
    ) -> None:
        old = dataflow.run(dataflow.day(1))
        failed = dataflow.fail(dataflow.day(2))
        dataflow.rename("incidents (replaced 2026-01-03T00:00:00Z)")
        later = on_demand(
            client, platform, "incidents 2", target={"dataset": "incidents", "existing_schema": "incidents"}
        )
        later.rename("incidents")
        new = later.run(later.day(1))
        told = command("--json")
        assert told.status == 2
        windows = told.json["windows"]
        assert [one["state"] for one in windows] == ["succeeded", "failed", "never ran"]
        assert {run["id"] for run in windows[0]["runs"]} == {*old, *new}
        assert [run["id"] for run in windows[1]["runs"]] == failed
        assert told.json["gaps"] == [{"from": "2026-01-02T00:00:00+00:00", "to": "2026-01-04T00:00:00+00:00"}]
        assert [set(one["runs"]) for one in told.json["overlaps"]] == [{*old, *new}]
        assert [one["id"] for one in told.json["flows"]] == [later.flow_id, dataflow.flow_id]
        plain = command()
        assert plain.lines("gap") == [["incidents", *told.json["gaps"][0].values()]]
        assert plain.lines("overlap")[0][1:3] == list(told.json["overlaps"][0].values())[:2]

    def test_what_is_not_due_is_not_missed(self, command: Any, dataflow: Any) -> None:
        told = command(start="2100-01-01", end="2100-01-03")
        assert (told.status, [one[3] for one in told.lines("window")]) == (0, ["not due yet"] * 2)

    def test_the_lag_counts_before_a_window_is_due(self, command: Any, dataflow: Any, folder: Path) -> None:
        (folder / "incidents.yaml").write_text(SPEC.replace("2026-01-01}", "2026-01-01, lag: 99999d}"))
        assert command().status == 0

    def test_rejected_rows(self, command: Any, aep: Any, folder: Path) -> None:
        aep.answer(
            "GET", "/flows", {"items": [{"id": "f", "name": "incidents", "scheduleParams": {"frequency": "once"}}]}
        )
        aep.answer(
            "GET", "/runs", {"items": [posted("r", 1, 4, inputRecordCount=9, outputRecordCount=7, failedRecordCount=2)]}
        )
        told = command()
        assert told.status == 2
        assert told.lines("rejected rows") == [["incidents", "2", "r"]]
        assert [one[3:6] for one in told.lines("window")] == [["partly succeeded", "7", "2"]] * 3
        (folder / "incidents.yaml").write_text(SPEC + "policy: {max_rejected_rows: 2}\n")
        assert command().status == 0

    @pytest.mark.slow
    def test_runs_that_do_not_tell_their_window(
        self, command: Any, start_platform: Any, make_client: Any, on_demand: Any, set_connection: Any, org: str
    ) -> None:
        platform = start_platform("--time-scale", "0.001", "--assume", "run_window_in_document=none")
        extra = {"ims_org_id": org, "sandbox": "prod", "token_url": f"{platform.url}/ims/token/v3"}
        login = {"login": "tester", "password": "p8e-client-secret-0123456789"}
        set_connection("aep_default", conn_type="aep", host=platform.url, extra=json.dumps(extra), **login)
        dataflow = on_demand(make_client(platform.url), platform)
        ids = dataflow.run(dataflow.day(1))
        told = command()
        assert told.status == 3
        assert told.lines("window unknown") == [["incidents", "succeeded", *ids]]
        assert [one[3] for one in told.lines("window")] == ["cannot be told"] * 3
        assert told.lines("answer")[0][3] == "cannot be told"

    @pytest.mark.slow
    def test_a_flow_that_aep_schedules(self, command: Any, client: AepClient, platform: Any, on_demand: Any) -> None:
        """Its first run takes all that is there; the next ones are hours apart on the platform's fast clock."""
        dataflow = on_demand(client, platform, shape="recurring", recurrence={"frequency": "week", "interval": 1})
        while not dataflow.runs():
            pass
        dataflow.settle()
        told = command("--json")
        assert [one["state"] for one in told.json["windows"]] == ["succeeded"] * 3
        assert told.json["gaps"] == []

    def test_a_dataflow_without_schedule(self, command: Any, dataflow: Any, folder: Path) -> None:
        (folder / "incidents.yaml").write_text(SPEC[: SPEC.index("schedule")])
        dataflow.run(dataflow.day(1, 2))
        told = command("--json")
        assert told.status == 2
        assert [one["scheduled"] for one in told.json["windows"]] == [False]
        assert told.json["gaps"] == [{"from": "2026-01-03T00:00:00+00:00", "to": "2026-01-04T00:00:00+00:00"}]

    def test_a_lost_answer_is_asked_for_again(self, command: Any, dataflow: Any, aep: Any) -> None:
        dataflow.run(dataflow.day(1, 3))
        for collection in ("/flows", "/runs"):
            aep.lose("GET", collection, carried_out=True)
            aep.lose("GET", collection, carried_out=False, status=503)
        assert command().status == 0

    def test_no_flow_yet(self, command: Any) -> None:
        told = command()
        assert told.status == 2
        assert "no flow of this name in sandbox prod" in told.out

    def test_many_dataflows_of_a_sandbox_ask_for_its_flows_once(self, command: Any, aep: Any, folder: Path) -> None:
        for number in range(5):
            (folder / f"more {number}.yaml").write_text(SPEC + ("sandbox: stage\n" if number == 2 else ""))
        told = command()
        assert [one[0] for one in told.lines("answer")] == [
            "incidents",
            *(f"more {number}" for number in (0, 1, 3, 4, 2)),
        ]
        assert sum(seen.path.endswith("/flows") for seen in aep.seen) == 2

    def test_on_a_terminal_it_is_a_table(
        self, command: Any, dataflow: Any, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        dataflow.run(dataflow.day(1), dataflow.day(1))
        screen = Terminal()
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr("aep_provider.cli.runs.print_text", lambda told, out: print_text(told, screen))
        command()
        shown = screen.getvalue()
        for word in (
            "2026-01-01T00:00:00+00:00",
            "succeeded",
            "never ran",
            "gap: ",
            "rows are there twice",
            "incomplete",
        ):
            assert word in shown


def posted(run_id: str, first: int, last: int, **records: int) -> dict[str, Any]:
    """A run of a window of January 2026, posted by hand."""
    start, end = (int(datetime(2026, 1, day, tzinfo=UTC).timestamp()) for day in (first, last))
    metrics = {"statusSummary": {"status": "success"}, "recordSummary": records}
    params = {"windowStartTime": start, "windowEndTime": str(end)}
    return {"id": run_id, "flowId": "f", "createdAt": 1, "metrics": metrics, "activities": [], "params": params}


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["incident"], r"no dataflow 'incident' .* Did you mean 'incidents'"),
            (["incidents", "zzz"], "no dataflow 'zzz'"),
            (["--from", "soon"], "--from is 'soon'"),
            (["--to", "2026-01-01"], "is empty"),
            (["--to", "2025-01-01"], "ends before it starts"),
            (["--from", "0001-01-01"], "no moment|beyond"),
            (["--specs", "/nowhere"], "no folder /nowhere"),
        ],
    )
    def test_what_is_asked_wrongly(self, command: Any, aep: Any, arguments: list[str], message: str) -> None:
        told = command(*arguments)
        assert told.status == 1
        assert re.search(message, told.err)
        assert not aep.seen

    def test_both_edges_are_needed(self, parser: Any, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        args = parser.parse_args(["aep", "runs", "--from", "2026-01-01", "--specs", str(folder)])
        with pytest.raises(SystemExit, match="1"):
            args.func(args)
        assert "--from and --to" in capsys.readouterr().err

    def test_names_as_in_the_dag_and_each_once(self, command: Any, folder: Path) -> None:
        (folder / "other one.yaml").write_text(SPEC)
        (folder / "broken.yaml").write_text("source: [")
        told = command("other_one", "other one")
        assert [one[0] for one in told.lines("answer")] == ["other one"]
        assert told.status == 2

    def test_a_file_that_cannot_be_read(self, command: Any, dataflow: Any, folder: Path) -> None:
        (folder / "broken.yaml").write_text("source: [")
        dataflow.run(dataflow.day(1, 3))
        told = command()
        assert told.status == 1
        assert "broken.yaml" in told.err
        assert told.lines("answer")[0][3] == "complete"
        assert "broken.yaml" in command("broken").err

    def test_an_empty_folder(self, command: Any, folder: Path) -> None:
        (folder / "incidents.yaml").unlink()
        told = command()
        assert (told.status, "no dataflow in" in told.err) == (1, True)

    def test_one_sandbox_that_cannot_be_reached(self, command: Any, dataflow: Any, folder: Path) -> None:
        dataflow.run(dataflow.day(1, 3))
        (folder / "other.yaml").write_text(SPEC + "aep_conn_id: missing\n")
        told = command("--json")
        assert told.status == 1
        assert told.json["answer"] == "complete"
        (error,) = json.loads(told.out)["errors"]
        assert error.startswith("other: ")
        assert "missing" in error

    def test_no_secret_is_shown(self, command: Any, aep: Any, secrets: list[str]) -> None:
        refused = {"error": "invalid_client", "error_description": f"no {secrets[0]}"}
        aep.answer("POST", "/ims/token/v3", refused, status=400, times=1)
        token = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6IjEyMyJ9.c2lnbmF0dXJlLW9mLXRva2Vu"
        aep.answer("GET", "/flows", {"title": "no", "detail": f"token {token}", "status": 403}, status=403)
        secrets = [*secrets, token]
        for told in (command(), command("--json")):
            assert told.status == 1
            assert not any(secret in told.out + told.err for secret in secrets)

    def test_the_folder_beside_the_dags(
        self, parser: Any, aep: Any, capsys: Any, tmp_path: Path, monkeypatch: Any
    ) -> None:
        dags, specs = tmp_path / "dags", tmp_path / "include" / "dataflows"
        specs.mkdir(parents=True)
        (specs / "beside.yaml").write_text(SPEC)
        other = tmp_path / "other"
        other.mkdir()
        (other / "configured.yaml").write_text(SPEC)
        monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(dags))
        args = parser.parse_args(["aep", "runs", "--from", "2026-01-01", "--to", "2026-01-02"])
        for name in ("beside", "configured"):
            with pytest.raises(SystemExit):
                args.func(args)
            assert f"\t{name}\t" in capsys.readouterr().out
            monkeypatch.setenv("AIRFLOW__AEP__DATAFLOWS_FOLDER", str(other))


@pytest.mark.thorough
def test_the_whole_command_with_a_connection_of_airflows_database(
    dataflow: Any, wire: Any, org: str, folder: Path, tmp_path: Path, secrets: list[str]
) -> None:
    """As in a shell; JSON is alone on the standard output."""
    dataflow.run(dataflow.day(1, 3))
    home = tmp_path / "home"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_CONN_", "_AIRFLOW"))
    }
    environment |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    }

    def airflow(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "airflow", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    assert airflow("db", "migrate").returncode == 0
    extra = {"ims_org_id": org, "sandbox": "prod", "token_url": f"{wire.url}/ims/token/v3"}
    connection = {"conn_type": "aep", "host": wire.url, "login": "tester", "password": secrets[0], "extra": extra}
    accounts = tmp_path / "accounts.json"
    accounts.write_text(json.dumps({"aep_default": connection}))
    assert airflow("connections", "import", str(accounts)).returncode == 0
    done = airflow("aep", "runs", "--from", "2026-01-01", "--to", "2026-01-04", "--specs", str(folder), "--json")
    assert (done.returncode, json.loads(done.stdout)["dataflows"][0]["answer"]) == (0, "complete"), done.stderr
    assert not any(secret in done.stdout + done.stderr for secret in secrets)
