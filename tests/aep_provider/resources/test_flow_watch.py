"""A watch tells what is wrong once, whatever order AEP lists runs in and however late it does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aep_provider.errors import AepConfigError
from aep_provider.resources.watch_findings import Kind
from aep_provider.resources.watch_memory import SPARE_MARKS, WatchMemory, mark
from aep_provider.resources.watch_words import MOST_ROWS, counts, headline, message, table
from aep_provider.verdict import Tolerance

from .watching import DAY, HOUR, NOW, REFUSED, Sandbox, Watch, flow, run, told


def one(sandbox: Sandbox, **request: Any) -> Any:
    return Watch(sandbox, **request).look()


@pytest.fixture
def nights() -> Sandbox:
    """The password expired: 40 flows failed in two nights, and one over another connection."""
    flows = [flow(f"table {number:02}") for number in range(40)]
    runs = [
        run(f"run {number}-{night}", f"table {number:02}", NOW - night * DAY + number, NOW - night * DAY + 600 + number)
        for night in (1, 2)
        for number in range(40)
    ]
    return Sandbox(flows, runs)


class TestCauses:
    def test_80_runs_1_cause(self, nights: Sandbox) -> None:
        watched = one(nights, lookback=3 * DAY)
        assert counts(watched) == {"failed": 80, "causes": 1, "missed": 0, "disabled": 0, "late": 0}
        assert headline(watched, "prod") == "80 runs failed, 1 cause (sandbox prod)"
        assert nights.asked == ["runs", "flows", "connections/b1"]

    def test_what_the_text_says(self, nights: Sandbox) -> None:
        lines = message(one(nights, lookback=3 * DAY), "prod").splitlines()
        assert lines[0] == "80 runs failed, 1 cause (sandbox prod)"
        assert lines[1] == (
            "- 80 runs of 40 flows (table 00, table 01, table 02, table 03, table 04 and 35 more), "
            "2026-01-03T08:10:00+00:00 to 2026-01-04T08:10:39+00:00: CONNECTOR-1001-500, by base connection ServiceNow (b1)"
        )
        assert lines[2] == f"  AEP says: {REFUSED[1]}"
        assert lines[3].startswith("  It means: The source system refuses the credentials")
        assert lines[4].startswith("  To do: ")
        assert len(lines) == 5

    def test_the_table_has_a_row_for_each_flow(self, nights: Sandbox) -> None:
        rows = table(one(nights, lookback=3 * DAY))
        assert len(rows) == 40
        assert rows[7] == {
            "kind": "failed",
            "flow": "table 07",
            "flow_id": "flow table 07",
            "run_ids": ["run 7-1", "run 7-2"],
            "cause": "CONNECTOR-1001-500, by base connection ServiceNow (b1)",
            "code": "CONNECTOR-1001-500",
            "message": REFUSED[1],
            "since": "2026-01-03T08:10:07+00:00",
            "count": 2,
            "new": True,
        }
        json.dumps(rows)

    def test_base_connection_and_code_tell_causes_apart(self) -> None:
        flows = [flow("a"), flow("b", base="b2"), flow("c")]
        bad_rows = ("CONNECTOR-2001-500", "6 % of the rows")
        runs = [
            run("r1", "a", NOW - 900, NOW - 600),
            run("r2", "b", NOW - 900, NOW - 600),
            run("r3", "c", NOW - 900, NOW - 600, error=bad_rows),
            run("r4", "a", NOW - 800, NOW - 500),
        ]
        watched = one(Sandbox(flows, runs))
        assert [(cause.base_connection_name, cause.code, len(cause.runs)) for cause in watched.causes] == [
            ("ServiceNow", "CONNECTOR-1001-500", 2),
            ("", "CONNECTOR-1001-500", 1),
            ("ServiceNow", "CONNECTOR-2001-500", 1),
        ]
        assert headline(watched, "prod").startswith("4 runs failed, 3 causes")
        assert "by base connection (b2)" in message(watched, "prod")

    def test_words_that_differ_under_one_code_are_all_told(self) -> None:
        """AEP gives one code for whatever hinders the copy."""
        gone = ("CONNECTOR-1001-500", "the source has no such table")
        runs = [run(f"r{n}", "a", NOW - 900 + n, NOW - 600 + n, error=gone if n == 2 else REFUSED) for n in range(4)]
        lines = message(one(Sandbox([flow("a")], runs)), "prod").splitlines()
        assert lines[0].startswith("4 runs failed, 1 cause")
        assert [line for line in lines if "AEP says" in line] == [
            f"  AEP says: {REFUSED[1]} (3 runs)",
            f"  AEP says: {gone[1]} (1 run)",
        ]
        assert sum("It means" in line for line in lines) == 2

    def test_without_a_code_the_words_count_but_for_what_is_particular(self) -> None:
        words = ["Login of 'ann' refused (request 81723)", "Login of 'bob' refused (request 9)", "No space left"]
        runs = [run(f"r{n}", "a", NOW - 900, NOW - 600, error=("", text)) for n, text in enumerate(words)]
        assert [len(cause.runs) for cause in one(Sandbox([flow("a")], runs)).causes] == [2, 1]

    def test_no_reason_at_all(self) -> None:
        runs = [run("r1", "a", NOW - 900, NOW - 600, error=None, bare=True)]
        watched = one(Sandbox([flow("a")], runs))
        assert "AEP tells no reason, by base connection ServiceNow (b1)" in message(watched, "prod")
        assert "AEP says: nothing" in message(watched, "prod")

    def test_flows_whose_base_connection_is_not_known_are_not_taken_together(self) -> None:
        flows = [flow("a", inheritedAttributes=None), flow("b", inheritedAttributes={"sourceConnections": [{}]})]
        runs = [run("r1", "a", NOW - 900, NOW - 600), run("r2", "b", NOW - 900, NOW - 600)]
        runs += [run("r3", "deleted", NOW - 900, NOW - 600)]
        watched = one(Sandbox(flows, runs))
        assert len(watched.causes) == 3
        assert {row["flow"] for row in table(watched)} == {"a", "b", "flow deleted"}

    def test_rejected_rows(self) -> None:
        some = {"inputRecordCount": 100, "outputRecordCount": 99, "failedRecordCount": 1}
        runs = [
            run("r1", "a", NOW - 900, NOW - 600, "success", **some),
            run("r2", "a", NOW - 900, NOW - 600, "success", inputRecordCount=100, outputRecordCount=100),
            run("r3", "a", NOW - 900, NOW - 600, "success", inputRecordCount=0, outputRecordCount=0),
            run("r4", "a", NOW - 900, NOW - 600),
        ]
        sandbox = Sandbox([flow("a")], runs)
        watched = one(sandbox)
        assert told(watched) == ["r1", "r4"]
        assert headline(watched, "prod") == "1 run failed and 1 run rejected too many rows, 2 causes (sandbox prod)"
        assert told(one(sandbox, tolerance=Tolerance(percent=1))) == ["r4"]
        empty = one(sandbox, tolerance=Tolerance(rows=1, accept_empty=False))
        assert told(empty) == ["r3", "r4"]
        assert "1 run brought no rows" in headline(empty, "prod")
        assert "the run read no row" in message(empty, "prod")

    def test_a_text_and_a_table_of_bearable_length(self) -> None:
        flows = [flow(f"{number}", base=f"b{number}", state="disabled") for number in range(1500)]
        runs = [run(f"r{n}", f"{n}", NOW - 900, NOW - 600, error=("", "x" * 10_000)) for n in range(1500)]
        sandbox = Sandbox(flows, runs)
        watched = one(sandbox)
        text = message(watched, "prod")
        assert len(text) < 20_000
        assert len(sandbox.asked) == 15 + 15 + 20
        assert "- 1490 runs of 1490 further causes" in text
        assert len(table(watched)) == MOST_ROWS

    def test_what_aep_says_stays_on_its_line(self) -> None:
        runs = [run("r1", "a", NOW - 900, NOW - 600, error=("X\n1", "bad\r\n- 0 runs failed \x1b[2J"))]
        lines = message(one(Sandbox([{**flow("a"), "name": "a\nb"}], runs)), "prod").splitlines()
        assert len(lines) == 3
        assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("several", ["works", "ignored", "empty", "refused"])
@pytest.mark.parametrize("order", ["created", "updated", "none"])
class TestOnce:
    @pytest.fixture
    def sandbox(self, order: str, several: str) -> Sandbox:
        return Sandbox([flow("a")], order=order, several=several, page=5)

    def test_a_second_look_tells_nothing_new(self, sandbox: Sandbox) -> None:
        sandbox.runs = [run(f"r{n}", "a", NOW - 900 + n, NOW - 600 + n) for n in range(12)]
        watching = Watch(sandbox)
        assert len(told(watching.look())) == 12
        for later in (1, 60, 1800, 3600, DAY):
            assert not watching.look(NOW + later).is_news

    def test_a_new_failure_is_told_once(self, sandbox: Sandbox) -> None:
        sandbox.runs = [run(f"r{n}", "a", NOW - 900 + n, NOW - 600 + n) for n in range(12)]
        watching = Watch(sandbox)
        watching.look()
        sandbox.runs.append(run("new", "a", NOW + 10, NOW + 20))
        assert told(watching.look(NOW + 1800)) == ["new"]
        assert not watching.look(NOW + 3600).is_news

    def test_a_run_that_was_open_and_fails_later(self, sandbox: Sandbox) -> None:
        old = [run(f"r{n}", "a", NOW - 900 - n, NOW - 300 - n, "success") for n in range(200)]
        sandbox.runs = [run("open", "a", NOW - HOUR), *old]
        watching = Watch(sandbox)
        assert not watching.look().is_news
        sandbox.runs += [run(f"s{n}", "a", NOW + n, NOW + 60 + n, "success") for n in range(200)]
        sandbox.runs[0] = run("open", "a", NOW - HOUR, NOW + DAY)
        assert told(watching.look(NOW + DAY + 60)) == ["open"]
        assert not watching.look(NOW + DAY + 120).is_news

    def test_after_a_weekend_without_a_look(self, sandbox: Sandbox) -> None:
        watching = Watch(sandbox)
        watching.look(NOW - 3 * DAY)
        sandbox.runs = [
            run(f"r{n:02}", "a", NOW - 3 * DAY + 60 + n * HOUR, NOW - 3 * DAY + 90 + n * HOUR) for n in range(70)
        ]
        assert len(told(watching.look())) == 70

    def test_a_run_that_is_listed_late(self, sandbox: Sandbox) -> None:
        watching = Watch(sandbox, grace=0)
        watching.look()
        sandbox.runs = [run("late", "a", NOW - 600, NOW - 500)]
        assert told(watching.look(NOW + 30)) == ["late"]
        assert not watching.look(NOW + 1800).is_news

    def test_what_was_told_but_not_remembered_is_told_again(self, sandbox: Sandbox) -> None:
        sandbox.runs = [run("r", "a", NOW - 900, NOW - 600)]
        watching = Watch(sandbox)
        assert told(watching.look(remember=False)) == ["r"]
        assert told(watching.look(NOW + 60)) == ["r"]
        assert not watching.look(NOW + 120).is_news

    def test_an_old_failure_whose_document_is_touched(self, sandbox: Sandbox) -> None:
        sandbox.runs = [run("old", "a", NOW - 900, NOW - 600, bare=True)]
        watching = Watch(sandbox)
        watching.look()
        watching.look(NOW + 2 * DAY)
        sandbox.runs[0]["updatedAt"] = (NOW + 2 * DAY + 60) * 1000
        assert not watching.look(NOW + 2 * DAY + 120).is_news


class TestReading:
    def test_no_further_than_the_last_look_got(self) -> None:
        runs = [run(f"r{n}", "a", NOW - n * 60, NOW - n * 60 + 30, "success") for n in range(1000)]
        sandbox = Sandbox([flow("a")], runs)
        watching = Watch(sandbox)
        watching.look()
        assert sandbox.asked == ["runs"] * 10 + ["flows"]
        sandbox.asked.clear()
        watching.look(NOW + 60)
        assert sandbox.asked == ["runs", "flows"]

    def test_a_long_run_that_ended_just_now_ends_no_list(self) -> None:
        long = run("long", "a", NOW - 2 * DAY, NOW - 60, "success")
        sandbox = Sandbox([flow("a")], [long, run("new", "a", NOW - 900, NOW - 600)], order="updated", page=1)
        assert told(one(sandbox)) == ["new"]

    def test_a_list_with_the_oldest_first(self, caplog: pytest.LogCaptureFixture) -> None:
        runs = [run(f"r{n}", "a", NOW - 9 * DAY + n, NOW - 9 * DAY + n, "success") for n in range(300)]
        sandbox = Sandbox([flow("a")], [*runs, run("new", "a", NOW - 900, NOW - 600)], order="oldest")
        assert told(one(sandbox)) == ["new"]
        assert "neither by creation nor by change" in caplog.text

    def test_runs_and_flows_on_later_pages(self) -> None:
        flows = [flow(f"{number}") for number in range(250)]
        runs = [run(f"r{number:03}", f"{number}", NOW - 900 + number, NOW - 600 + number) for number in range(250)]
        sandbox = Sandbox(flows, runs)
        watched = one(sandbox)
        assert len(told(watched)) == 250
        assert {row["flow"] for row in table(watched)} == {f"{number}" for number in range(250)}
        assert sandbox.asked == ["runs"] * 3 + ["flows"] * 3 + ["connections/b1"]

    def test_open_runs_are_looked_up_many_in_one_request(self) -> None:
        runs = [run(f"r{number}", "a", NOW - HOUR - number) for number in range(250)]
        sandbox = Sandbox([flow("a")], runs)
        watching = Watch(sandbox)
        watching.look()
        sandbox.runs = [run(f"s{n}", "a", NOW + DAY - n, NOW + DAY, "success") for n in range(150)]
        sandbox.runs += [run(f"o{n}", "a", NOW - HOUR + 1, NOW - HOUR + 2, "success") for n in range(100)]
        sandbox.runs += [run(each["id"], "a", each["createdAt"] // 1000, NOW + HOUR) for each in runs]
        sandbox.asked.clear()
        assert len(told(watching.look(NOW + DAY))) == 250
        # The list up to the last look, and three lots of the open ones.
        assert sandbox.asked == ["runs"] * 2 + ["runs"] * 3 + ["flows", "connections/b1"]

    def test_an_open_run_that_is_gone(self, caplog: pytest.LogCaptureFixture) -> None:
        sandbox = Sandbox([flow("a")], [run("r", "a", NOW - HOUR)])
        watching = Watch(sandbox)
        watching.look()
        sandbox.runs = []
        assert not watching.look(NOW + 60).is_news
        assert "Run r, which went on when it was last seen, is not there any more" in caplog.text
        assert json.loads(str(watching.kept))["open_runs"] == {}

    def test_runs_that_tell_no_moment(self) -> None:
        """Nothing says that they are old, so they end no list; told once all the same."""
        bare = {key: value for key, value in run("r", "a", NOW, NOW).items() if key not in ("createdAt", "updatedAt")}
        bare["metrics"] = {"statusSummary": {"status": "failed"}}
        runs = [bare, *(run(f"r{n}", "a", NOW - 900 + n, NOW - 600 + n, "success") for n in range(9))]
        watching = Watch(Sandbox([flow("a")], runs, page=3))
        assert told(watching.look()) == ["r"]
        assert not watching.look(NOW + DAY).is_news

    def test_a_first_look_goes_back_as_far_as_told(self) -> None:
        runs = [run(f"r{days}", "a", NOW - days * DAY - 600, NOW - days * DAY - 300) for days in range(5)]
        assert told(one(Sandbox([flow("a")], runs))) == ["r0"]
        assert told(one(Sandbox([flow("a")], runs), lookback=3 * DAY)) == ["r0", "r1", "r2"]

    def test_an_empty_sandbox(self) -> None:
        watched = one(Sandbox())
        assert not watched.is_news
        assert (message(watched, "prod"), table(watched)) == ("", [])


class TestNames:
    def test_other_flows_are_left_out(self) -> None:
        flows = [flow("a"), flow("b"), flow("c", state="disabled")]
        runs = [
            run("r1", "a", NOW - 900, NOW - 600),
            run("r2", "b", NOW - 900, NOW - 600),
            run("r3", "b", NOW - DAY // 2),
        ]
        watching = Watch(Sandbox(flows, runs), flows=("a",))
        watched = watching.look()
        assert told(watched) == ["r1"]
        assert watched.findings == []
        assert json.loads(str(watching.kept))["open_runs"] == {}

    def test_two_flows_of_one_name(self) -> None:
        flows = [flow("a"), {**flow("b"), "name": "a"}]
        runs = [run("r1", "a", NOW - 900, NOW - 600), run("r2", "b", NOW - 900, NOW - 600)]
        assert told(one(Sandbox(flows, runs), flows=("a",))) == ["r1", "r2"]

    def test_names_that_are_not_there(self) -> None:
        sandbox = Sandbox([flow("ServiceNow incident"), flow("ServiceNow problem"), flow("other")])
        with pytest.raises(
            AepConfigError, match="Sandbox prod has no flow of the name 'ServiceNow incidents'"
        ) as raised:
            one(sandbox, flows=("ServiceNow incidents", "other", "zzz"))
        assert "but 'ServiceNow incident', 'ServiceNow problem'); 'zzz'." in str(raised.value)


class TestMissed:
    @pytest.fixture
    def daily(self) -> Sandbox:
        """AEP starts it at 7 each day; it is 8."""
        return Sandbox([flow("a", frequency="day", start=NOW - 10 * DAY - HOUR)])

    def test_told_once_and_standing(self, daily: Sandbox) -> None:
        watching = Watch(daily)
        (finding,) = watching.look().findings
        assert (finding.kind, finding.since, finding.new) == (Kind.MISSED, NOW - HOUR, True)
        for later in (60, 1800, DAY // 2):
            watched = watching.look(NOW + later)
            assert not watched.is_news
            assert [(row["kind"], row["new"], row["since"]) for row in table(watched)] == [
                ("missed", False, "2026-01-05T07:00:00+00:00")
            ]

    def test_a_day_later_it_is_the_same_state(self, daily: Sandbox) -> None:
        watching = Watch(daily)
        watching.look()
        watched = watching.look(NOW + DAY)
        assert not watched.is_news
        assert [each.since for each in watched.findings] == [NOW - HOUR]

    def test_once_it_ran_the_next_miss_is_news(self, daily: Sandbox) -> None:
        watching = Watch(daily)
        watching.look()
        daily.runs = [run("r", "a", NOW + 60, NOW + 90, "success")]
        assert watching.look(NOW + 1800).findings == []
        (finding,) = watching.look(NOW + DAY).findings
        assert (finding.new, finding.since) == (True, NOW - HOUR + DAY)

    @pytest.mark.parametrize("status", ["success", "failed"])
    def test_a_run_is_a_run(self, daily: Sandbox, status: str) -> None:
        daily.runs = [run("r", "a", NOW - HOUR + 150, NOW - HOUR + 300, status)]
        assert one(daily).of(Kind.MISSED) == []

    def test_not_before_the_grace_is_over(self, daily: Sandbox) -> None:
        watching = Watch(daily, grace=2 * HOUR)
        assert watching.look().findings == []
        assert watching.look(NOW + HOUR - 1).findings == []
        assert [each.new for each in watching.look(NOW + HOUR).findings] == [True]

    def test_a_run_seen_by_the_look_before_counts(self, daily: Sandbox) -> None:
        """It is read back to the start that is judged."""
        daily.runs = [run("r", "a", NOW - HOUR + 150, NOW - HOUR + 300, "success")]
        daily.runs += [run(f"o{n}", "b", NOW - HOUR + 200 + n, NOW - HOUR + 300 + n, "success") for n in range(300)]
        watching = Watch(daily, grace=3 * HOUR)
        for later in (0, HOUR, 2 * HOUR, 3 * HOUR):
            assert watching.look(NOW + later).findings == []

    def test_a_shorter_grace_judges_each_start_once(self, daily: Sandbox) -> None:
        daily.runs = [run("r", "a", NOW - HOUR + 150, NOW - HOUR + 300, "success")]
        watching = Watch(daily, grace=5 * HOUR)
        watching.look()
        later = Watch(daily, grace=60)
        later.kept = watching.kept
        assert later.look(NOW + 60).findings == []

    def test_one_that_still_does_an_earlier_run_is_late_but_not_missed(self, daily: Sandbox) -> None:
        daily.runs = [run("r", "a", NOW - 5 * HOUR)]
        assert [each.kind for each in one(daily).findings] == [Kind.LATE]

    def test_minutes(self) -> None:
        sandbox = Sandbox([flow("a", frequency="minute", interval=15, start=NOW - 10 * DAY)])
        sandbox.runs = [run("r", "a", NOW - HOUR, NOW - HOUR + 60, "success")]
        watching = Watch(sandbox)
        assert [each.since for each in watching.look().findings] == [NOW - HOUR // 2]
        sandbox.runs += [run("s", "a", NOW + 60, NOW + 90, "success")]
        assert watching.look(NOW + 1800).findings == []

    @pytest.mark.parametrize(
        "never",
        [
            flow("a"),
            flow("a", frequency="day", start=NOW + DAY),
            flow("a", frequency="day", start=NOW - 10 * DAY - HOUR, createdAt=NOW * 1000),
            flow("a", frequency="day", start=NOW - 10 * DAY - HOUR, state="initializing"),
            flow("a", frequency="fortnight", start=NOW - 10 * DAY),
            flow("a", scheduleParams=None),
            flow("a", frequency="week", start=NOW - 10 * DAY),
        ],
        ids=["on demand", "later", "just made", "not ready", "junk", "nothing", "before the first look"],
    )
    def test_flows_that_need_not_have_run(self, never: Any) -> None:
        assert one(Sandbox([never])).findings == []

    def test_a_table_that_was_to_be_loaded_once(self) -> None:
        sandbox = Sandbox([flow("a", start=NOW - HOUR)])
        assert [each.since for each in one(sandbox).of(Kind.MISSED)] == [NOW - HOUR]

    def test_after_a_rest_only_what_is_due_later_is_missed(self, daily: Sandbox) -> None:
        daily.flows[0]["state"] = "disabled"
        watching = Watch(daily)
        watching.look(NOW - 2 * HOUR)
        daily.flows[0]["state"] = "enabled"
        for later in (0, HOUR, DAY - 2 * HOUR):
            assert watching.look(NOW + later).findings == []
        assert [each.since for each in watching.look(NOW + DAY).findings] == [NOW + DAY - HOUR]
        assert json.loads(str(watching.kept))["resumed"] == {}


class TestStates:
    def test_disabled_is_told_once_and_again_after_it_was_enabled(self) -> None:
        sandbox = Sandbox([flow("a", state="disabled")])
        watching = Watch(sandbox)
        assert "1 flow is disabled" in headline(watching.look(), "prod")
        watched = watching.look(NOW + 60)
        assert not watched.is_news
        assert [(row["kind"], row["flow"], row["new"]) for row in table(watched)] == [("disabled", "a", False)]
        sandbox.flows[0]["state"] = "enabled"
        assert table(watching.look(NOW + 120)) == []
        sandbox.flows[0]["state"] = "disabled"
        assert watching.look(NOW + 180).is_news

    def test_a_flow_that_was_replaced_rests_for_good(self) -> None:
        assert one(Sandbox([flow("a (replaced 2026-01-01T00:00:00Z)", state="disabled")])).findings == []

    def test_late_is_told_once(self) -> None:
        sandbox = Sandbox([flow("a")], [run("r", "a", NOW - 2 * HOUR)])
        watching = Watch(sandbox)
        assert watching.look().findings == []
        watched = watching.look(NOW + HOUR)
        assert headline(watched, "prod") == "1 run is late (sandbox prod)"
        assert "Still running: a, run r since 2026-01-05T06:00:00+00:00" in message(watched, "prod")
        again = watching.look(NOW + 2 * HOUR)
        assert not again.is_news
        assert [(row["kind"], row["run_ids"]) for row in table(again)] == [("late", ["r"])]
        sandbox.runs = [run("r", "a", NOW - 2 * HOUR, NOW + 3 * HOUR, "success")]
        assert table(watching.look(NOW + 4 * HOUR)) == []

    def test_a_status_that_nobody_knows_goes_on(self) -> None:
        sandbox = Sandbox([flow("a")], [run("r", "a", NOW - 3 * HOUR, NOW - 2 * HOUR, "pondering")])
        assert [each.kind for each in one(sandbox).findings] == [Kind.LATE]


class TestMemory:
    def test_it_comes_back_as_it_was(self) -> None:
        memory = WatchMemory(1, 2, {"r": True}, ("m",), {"f": 3}, frozenset({"d"}), {"e": 4})
        assert WatchMemory.from_json(json.loads(json.dumps(memory.as_json()))) == memory
        assert WatchMemory.from_json(None) is None

    @pytest.mark.parametrize(
        "junk",
        [
            [],
            "x",
            {},
            {"form": 99},
            {**WatchMemory(1, 2).as_json(), "told_runs": {}},
            {**WatchMemory(1, 2).as_json(), "form": 2},
        ]
        + [{**WatchMemory(1, 2).as_json(), key: "x"} for key in ("read_until", "open_runs", "missed", "resumed")],
    )
    def test_another_form_is_told_as_such(self, junk: Any) -> None:
        with pytest.raises(ValueError, match="what was remembered"):
            WatchMemory.from_json(junk)

    def test_it_stays_small(self) -> None:
        """Airflow warns of more than 65,535 bytes."""
        flows = [flow(f"{n}", state="disabled") for n in range(2000)]
        flows += [flow(f"m{n}", frequency="hour", start=NOW - DAY) for n in range(500)]
        runs = [run(f"00000000-0000-0000-0000-{n:012}", f"{n}", NOW - DAY + n, NOW - DAY + n + 60) for n in range(4000)]
        watching = Watch(Sandbox(flows, runs), lookback=2 * DAY)
        assert len(told(watching.look())) == 4000
        assert len(json.loads(str(watching.kept))["told_runs"]) <= SPARE_MARKS
        assert len(str(watching.kept)) < 65_535
        assert not watching.look(NOW + 60).is_news

    def test_marks_differ(self) -> None:
        assert len({mark(f"{number}") for number in range(20_000)}) == 20_000


SETTLE = 900
LAST = 3 * HOUR


@st.composite
def stories(draw: Any) -> list[tuple[int, int, int, int, bool, bool]]:
    """Runs: created, listed and ended so many seconds later, shown as ended so many after that; failed; bare."""
    late = st.integers(0, SETTLE)
    one_run = st.tuples(st.integers(1, LAST), late, st.integers(0, LAST // 4), late, st.booleans(), st.booleans())
    return list(draw(st.lists(one_run, max_size=40)))


@given(
    story=stories(),
    looks=st.lists(st.tuples(st.integers(0, 5 * HOUR), st.booleans()), max_size=30),
    order=st.sampled_from(["created", "updated"]),
    several=st.sampled_from(["works", "ignored", "empty", "refused"]),
    page=st.integers(1, 5),
    grace=st.sampled_from([0, 1800]),
)
@settings(max_examples=300, deadline=None)
def test_each_failure_is_told_once(story: Any, looks: Any, order: str, several: str, page: int, grace: int) -> None:
    """However runs are listed late, and whenever somebody looks; some looks come to nothing."""
    sandbox = Sandbox([flow("a")], order=order, several=several, page=page)
    watching = Watch(sandbox, grace=grace)

    def shown(at: int) -> list[Any]:
        runs = []
        for number, (created, listed, lasts, late, failed, bare) in enumerate(story):
            if created + listed > at:
                continue
            ended = created + lasts if created + lasts + late <= at else None
            status = "failed" if failed else "success"
            document = run(f"r{number}", "a", NOW + created, ended and NOW + ended, status, bare=bare)
            document["updatedAt"] += late * 1000 if ended else 0
            runs.append(document)
        return runs

    seen: list[str] = []
    for at, comes_to_something in [(0, True), *sorted(looks), (DAY, True)]:
        sandbox.runs = shown(at)
        watched = watching.look(NOW + at, remember=comes_to_something)
        if comes_to_something:
            seen += told(watched)
    assert sorted(seen) == sorted(f"r{number}" for number, each in enumerate(story) if each[4])
