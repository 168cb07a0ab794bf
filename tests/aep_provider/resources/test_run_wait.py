"""A wait for runs: what was seen goes in, how it ends comes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aep_provider.errors import AepAnswerError, AepPermissionError, AepServerError
from aep_provider.resources.arrivals import arrived
from aep_provider.resources.run_wait import LAST_LOOK_SECONDS, Awaited, Ending, Kind, RunWait
from aep_provider.verdict import RunState, Verdict

BEGAN = 1_800_000_000.0


def wait(*run_ids: str, **fields: Any) -> RunWait:
    values = {"started": BEGAN, "deadline": BEGAN + 600, "grace": 60, "trouble": 30, **fields}
    return RunWait(Awaited(run_ids=run_ids, **values))


def run(status: str = "success", run_id: str = "r1") -> dict[str, Any]:
    return {"id": run_id, "flowId": "f1", "metrics": {"statusSummary": {"status": status}}}


def kind(waiting: RunWait, now: float) -> Kind | None:
    ending = waiting.ending(now)
    return ending.kind if ending else None


class TestEnding:
    def test_nothing_ends_before_a_look(self) -> None:
        """Whoever takes a wait up again may come hours later."""
        waiting = wait("r1")
        assert kind(waiting, BEGAN + 610) is None
        waiting.saw_run("r1", run(), BEGAN + 610)
        assert kind(waiting, BEGAN + 610) is Kind.ENDED

    def test_time_is_up_after_a_look_at_the_deadline(self) -> None:
        waiting = wait("r1")
        waiting.saw_run("r1", run("inProgress"), BEGAN + 599)
        assert kind(waiting, BEGAN + 601) is None
        waiting.saw_run("r1", run("inProgress"), BEGAN + 601)
        assert kind(waiting, BEGAN + 601) is Kind.TIMEOUT

    def test_time_is_up_where_no_look_comes(self) -> None:
        waiting = wait("r1")
        assert kind(waiting, BEGAN + 600 + LAST_LOOK_SECONDS - 1) is None
        assert kind(waiting, BEGAN + 600 + LAST_LOOK_SECONDS) is Kind.TIMEOUT

    def test_all_of_many_have_to_end(self) -> None:
        waiting = wait("r1", "r2")
        waiting.saw_run("r1", run("failed"), BEGAN)
        assert (kind(waiting, BEGAN), waiting.open_ids) == (None, ["r2"])
        waiting.saw_run("r2", run(run_id="r2"), BEGAN)
        ending = waiting.ending(BEGAN)
        assert ending
        assert [verdict.state for verdict in ending.verdicts] == [RunState.FAILED, RunState.SUCCEEDED]


class TestAbsence:
    def test_grace_is_borne_and_then_told(self) -> None:
        """Three minutes of an empty list are nothing, half an hour is."""
        waiting = wait(flow_id="f1", grace=1800, deadline=BEGAN + 7200)
        for seconds in range(0, 1801, 30):
            waiting.saw_first_run(None, BEGAN + seconds)
            assert kind(waiting, BEGAN + seconds) is None
        waiting.saw_first_run(None, BEGAN + 1801)
        assert kind(waiting, BEGAN + 1801) is Kind.ABSENT

    def test_only_what_was_looked_for_after_the_grace_is_missing(self) -> None:
        waiting = wait("r1")
        waiting.saw_run("r1", None, BEGAN + 59)
        assert kind(waiting, BEGAN + 500) is None

    def test_what_appears_is_not_missing(self) -> None:
        waiting = wait("r1")
        waiting.saw_run("r1", None, BEGAN + 61)
        assert kind(waiting, BEGAN + 61) is Kind.ABSENT
        waiting.saw_run("r1", run("inProgress"), BEGAN + 62)
        assert kind(waiting, BEGAN + 62) is None

    @pytest.mark.parametrize(
        ("since", "schedule", "due"),
        [
            (0, {}, BEGAN),
            (BEGAN + 300, {}, BEGAN + 300),
            (BEGAN - 9999, {}, BEGAN),
            (0, {"frequency": "once", "startTime": BEGAN + 200}, BEGAN + 200),
            (0, {"frequency": "day", "interval": 1, "startTime": BEGAN - 86400 + 100}, BEGAN + 100),
            (BEGAN - 50, {"frequency": "hour", "interval": 1, "startTime": str(int(BEGAN) - 7200 - 10)}, BEGAN),
            (0, {"frequency": "once", "startTime": 2_145_916_800}, BEGAN),
        ],
    )
    def test_grace_counts_from_when_a_run_is_due(self, since: float, schedule: dict[str, Any], due: float) -> None:
        waiting = wait(flow_id="f1", since=int(since * 1000), deadline=BEGAN + 10**6)
        waiting.saw_flow({"id": "f1", "state": "enabled", "scheduleParams": schedule}, BEGAN)
        for seconds, ended in ((60, None), (61, Kind.ABSENT)):
            waiting.saw_first_run(None, due + seconds)
            assert kind(waiting, due + seconds) is ended


class TestTrouble:
    def test_unbroken_trouble_is_borne_within_its_budget(self) -> None:
        waiting = wait("r1")
        for seconds in (0, 15, 30):
            waiting.failed(AepServerError(status=503), BEGAN + seconds)
            assert kind(waiting, BEGAN + seconds) is None
        waiting.failed(AepServerError(status=503), BEGAN + 31)
        ending = waiting.ending(BEGAN + 31)
        assert ending
        assert (ending.kind, ending.final) == (Kind.ERROR, False)
        assert "could not be asked for 31 seconds" in ending.message

    def test_a_good_look_ends_the_trouble(self) -> None:
        waiting = wait("r1")
        waiting.failed(AepServerError(status=503), BEGAN)
        waiting.saw_run("r1", run("inProgress"), BEGAN + 20)
        waiting.failed(AepServerError(status=503), BEGAN + 40)
        assert kind(waiting, BEGAN + 60) is None

    def test_what_is_final_ends_at_once(self) -> None:
        waiting = wait("r1")
        waiting.failed(AepPermissionError(status=403), BEGAN)
        ending = waiting.ending(BEGAN)
        assert ending
        assert (ending.kind, ending.final) == (Kind.ERROR, True)

    def test_the_same_trouble_is_told_once(self) -> None:
        waiting = wait("r1")
        for seconds in range(5):
            waiting.failed(AepServerError(status=503), BEGAN + seconds)
        waiting.failed(AepServerError(status=500), BEGAN + 6)
        assert len(waiting.notes()) == 2


def test_an_unknown_word_is_warned_of_once_for_each_word() -> None:
    waiting = wait("r1")
    for word in ("odd", "odd", "odder", "odd"):
        waiting.saw_run("r1", run(word), BEGAN)
    assert [note.text.count("not known") for note in waiting.notes() if note.warning] == [1, 1]


def test_a_wait_is_taken_up_where_it_was() -> None:
    waiting = RunWait(
        Awaited(flow_id="f1", started=BEGAN, deadline=BEGAN + 600, trouble=30),
        pinned="r1", troubled_since=BEGAN, unknown_words=["odd"],
    )  # fmt: skip
    assert waiting.run_ids == ["r1"]
    waiting.failed(AepServerError(status=503), BEGAN + 31)
    assert kind(waiting, BEGAN + 31) is Kind.ERROR
    waiting.saw_run("r1", run("odd"), BEGAN + 32)
    assert not [note for note in waiting.notes() if "not known" in note.text]


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["ended", "timeout", "succeeded"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["ending", "verdicts", "message", "final", "state", "run_id"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(JUNK)
def test_no_junk_is_taken_for_an_ending(event: Any) -> None:
    """Least of all for one that went well."""
    try:
        ending = Ending.of(event)
    except AepAnswerError:
        return
    assert ending.kind is not Kind.ENDED
    assert Ending.of(json.loads(json.dumps(ending.as_json()))) == ending


class TestArrivals:
    def test_several_runs_are_told_as_one(self) -> None:
        one = Verdict("r1", "f1", RunState.SUCCEEDED, "success", rows_read=3, rows_written=3, batch_ids=["b1"], started_at=5,
                      completed_at=9)  # fmt: skip
        two = Verdict("r2", "f1", RunState.PARTIAL, "success", rows_read=4, rows_rejected=1, codes=["X"], batch_ids=["b2"],
                      started_at=7)  # fmt: skip
        told = arrived([one, two])
        assert (told["state"], told["flow_id"], told["rows_read"], told["rows_written"]) == (
            "partially succeeded", "f1", 7, None,
        )  # fmt: skip
        assert (told["batch_ids"], told["codes"], told["started_at"], told["completed_at"]) == (
            ["b1", "b2"],
            ["X"],
            5,
            None,
        )
        assert [run["run_id"] for run in told["runs"]] == ["r1", "r2"]

    def test_one_run_is_told_as_it_is(self) -> None:
        one = Verdict("r1", "f1", RunState.SUCCEEDED, "success", rows_read=3)
        assert arrived([one]) == {key: value for key, value in one.as_json().items() if key != "run_id"}
