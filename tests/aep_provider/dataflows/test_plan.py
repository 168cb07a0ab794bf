"""A plan: it only reads, is the same for the same, tells everything and no secret, and can be kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from aep_provider.dataflows.apply import refuse, refuse_unfit
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError, AepDifferenceError
from aep_provider.resources import flow_service
from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.flow_state import FlowState, set_state

from ..conftest import Platform
from .estate import (
    CLIENT_SECRET,
    PASSWORD,
    SECURITY_TOKEN,
    Estate,
    Line,
    Looked,
    dataflow,
    dataflows,
    day,
    ensured,
    load,
    multiply,
    serve_estate,
)

FEW = ["sys_id", "number", "sys_updated_on"]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = serve_estate(tmp_path_factory.mktemp("plan") / "aep", "--time-scale", "0.001", tables=40)
    yield running
    running.end()


@pytest.fixture
def estate(platform: Platform) -> Estate:
    return Estate(platform)


def disable(estate: Estate, spec: DataflowSpec) -> None:
    """Somebody puts a flow to rest by hand."""
    flow_id = ensured(estate, spec).flow_id
    with estate.process() as client:
        set_state(client, flow_id, FlowState.DISABLED)


RARELY: dict[str, Any] = {
    "load": "recurring",
    "recurrence": {"frequency": "hour", "interval": 6, "start": "2037-01-01"},
}
GOLDEN = """\
Organisation GOLDEN@AdobeOrg, sandbox prod

Base connections
  +   create          base connection   Salesforce Service Cloud via aep_source_salesforce

incidents 00
  -/+ replace         source connection incidents 00 (…): the other connection of its flow is new
  +   create          dataset           elsewhere
  -/+ replace         target connection incidents 00 (…): AEP does not let it be changed once a flow uses it
        dataset: "…" in AEP, "(the new dataset 'elsewhere')" wanted
  -/+ replace         flow              incidents 00 (…): AEP does not let it be changed once a flow uses it
        source[0]: "…" in AEP, "(the new source connection 'incidents 00')" wanted
        target[0]: "…" in AEP, "(the new target connection 'incidents 00')" wanted
        declaration: not the one that is recorded in AEP
      needs --accept: What was loaded stays in the old dataset, and the new one begins empty: load the windows again with a \
backfill, or its rows are missed. Loaded until now: 1 row in 1 run, of the time 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z.

cases 01
  +   create          source connection cases 01
  +   create          field group       cases 01 columns
  +   create          schema            cases 01
  +   create          dataset           cases 01
  +   create          target connection cases 01
  +   create          mapping set       cases 01
  +   create          flow              cases 01
      Columns and mappings are known, and checked, once the base connection is there.

incidents 02
  ~   update in place flow              incidents 02 (…)
        schedule.interval: 6 in AEP, 3 wanted
        declaration: not the one that is recorded in AEP

incidents 04
  !   drifted         flow              incidents 04 (…): edited by hand since it was last applied, overwriting means \
update in place
        state: "disabled" in AEP, "enabled" wanted

1 dataflow unchanged

Made by this package, and declared nowhere (left alone; `airflow aep destroy` takes them down):
  ?   orphaned        source connection incidents 06 (…)
  ?   orphaned        target connection incidents 06 (…)
  ?   orphaned        flow              incidents 06 (…)
  ?   orphaned        dataset           incidents 00 (…)
  ?   orphaned        dataset           incidents 06 (…)
  ?   orphaned        schema            incidents 06 (…)
  ?   orphaned        field group       incidents 06 columns (…)

Plan: 9 to create, 1 to update in place, 3 to replace, 1 drifted, 7 orphaned, 23 unchanged.
"""
_ID = re.compile(r"https://ns\.adobe\.com/\S+?(?=\))|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{24}\b")


class TestSomethingOfEverything:
    """New, changed, edited by hand, left as it is, and declared nowhere."""

    @pytest.fixture(scope="class")
    @staticmethod
    def mixed(platform: Platform) -> tuple[Estate, list[DataflowSpec]]:
        estate = Estate(platform, "GOLDEN@AdobeOrg")
        before = [dataflow(0), dataflow(2, **RARELY), dataflow(4), dataflow(6), dataflow(8)]
        estate.apply(*before)
        load(estate, before[0], day(1))
        disable(estate, before[2])
        more_often = {**RARELY, "recurrence": {**RARELY["recurrence"], "interval": 3}}
        moved = dataflow(0, target={"dataset": "elsewhere"})
        return estate, [moved, dataflow(1), dataflow(2, **more_often), before[2], before[4]]

    def test_as_text(self, mixed: tuple[Estate, list[DataflowSpec]]) -> None:
        estate, specs = mixed
        assert _ID.sub("…", estate.plan(*specs).text) == GOLDEN

    def test_is_the_same_twice(self, mixed: tuple[Estate, list[DataflowSpec]]) -> None:
        estate, specs = mixed
        once, again = estate.plan(*specs, workers=1), estate.plan(*specs, workers=8)
        assert (once.text, once.plan.document()) == (again.text, again.plan.document())

    def test_only_reads(self, mixed: tuple[Estate, list[DataflowSpec]]) -> None:
        estate, specs = mixed
        line = Line()
        with line.open():
            estate.plan(*specs)
            estate.plan(*specs, overwrite=True)
        assert line.only_reads

    def test_tells_all_that_somebody_has_to_know(self, mixed: tuple[Estate, list[DataflowSpec]]) -> None:
        estate, specs = mixed
        plan = estate.plan(*specs).plan
        assert (plan.has_work, plan.errors, [name for name, _ in plan.losses]) == (True, [], ["incidents 00"])
        counts = {"create": 9, "update in place": 1, "replace": 3, "unchanged": 23, "drifted": 1, "orphaned": 7}
        assert plan.document()["counts"] == counts


class TestAnswers:
    """From what exit statuses are made."""

    def test_nothing_to_do(self, estate: Estate) -> None:
        """What is orphaned is left alone, so it is nothing to do."""
        estate.apply(dataflow(), dataflow(2))
        plan = estate.plan(dataflow()).plan
        assert (plan.has_work, plan.errors, plan.losses, bool(plan.orphans)) == (False, [], [], True)

    def test_drift_is_something_to_decide(self, estate: Estate) -> None:
        estate.apply(dataflow())
        disable(estate, dataflow())
        assert estate.plan(dataflow()).plan.has_work

    def test_what_cannot_be_stops_an_apply_before_it_begins(self, estate: Estate) -> None:
        estate.apply(dataflow(2))
        wrong = dataflow(columns=["sys_id", "sys_updated"])
        looked = estate.plan(dataflow(2), wrong)
        ((name, why),) = looked.plan.errors
        assert (name, "has no column 'sys_updated'. Did you mean 'sys_updated_on'" in why) == (wrong.name, True)
        assert (looked.plan.has_work, looked.plan.orphans) == (False, None)
        with pytest.raises(AepConfigError, match="There is no plan for incidents 00: The table"):
            refuse(looked.plan, accept=True)

    def test_a_name_is_declared_once(self, estate: Estate) -> None:
        """Also where nothing is known of the two but their names, and where they are the same."""
        plan = estate.plan(dataflow(), dataflow(columns=FEW), dataflow(2), dataflow(2)).plan
        assert plan.errors == [
            (name, f"The dataflow {name!r} is declared twice: give one of the two another name.")
            for name in (dataflow().name, dataflow(2).name)
        ]

    def test_two_dataflows_share_an_object_only_if_it_is_the_same(self, estate: Estate) -> None:
        names = {"source_connection": "shared"}
        one, same = dataflow(names=names), dataflow(name="the same", names=names)
        other = dataflow(2, names=names)
        plan = estate.plan(one, same, other).plan
        assert [name for name, _ in plan.errors] == [other.name]
        assert "'shared' is also wanted by the dataflow 'incidents 00', and not the same" in plan.errors[0][1]

    def test_nor_where_that_shows_only_once_the_source_was_asked(self, estate: Estate) -> None:
        """Nothing is known of columns as long as there is no base connection."""
        names = {"source_connection": "shared"}
        one = dataflow(names=names, columns=FEW)
        other = dataflow(name="the other", names=names, columns=["sys_id", "sys_updated_on"])
        with estate.look([one, other]) as looked:
            assert looked.plan.errors == []
            failed = looked.apply().failed
        assert ["'shared' is also wanted by the dataflow" in why for why in failed.values()] == [True]


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that shows secrets in its answers."""
    assume = ("--assume", "secrets_in_answers=echoed")
    running = serve_estate(tmp_path_factory.mktemp("telling") / "aep", *assume)
    yield running
    running.end()


def test_no_plan_holds_a_secret(telling: Platform, caplog: pytest.LogCaptureFixture) -> None:
    """Neither those that are sent nor those that AEP shows."""
    caplog.set_level("DEBUG")
    estate, of_eve = Estate(telling), "p-of-eve-0123456789"
    secrets = [CLIENT_SECRET, PASSWORD, SECURITY_TOKEN, of_eve]
    plans = [estate.plan(dataflow(), dataflow(1))]
    estate.apply(dataflow(), dataflow(1))
    (base,) = estate.inventory().named(BaseConnection, dataflow().base_name)
    with estate.process() as client:
        params = {"endpoint": "https://elsewhere.service-now.example", "username": "eve", "password": of_eve}
        change = [{"op": "replace", "path": "/auth/params", "value": params}]
        flow_service.patch(client, "connections", base["id"], base["etag"], change)
    plans += [estate.plan(dataflow(), dataflow(1)), estate.plan(dataflow(), dataflow(1), overwrite=True)]
    assert "elsewhere" in plans[1].text
    told = [json.dumps(each.plan.document()) + each.text + repr(each) for each in plans]
    assert [secret for secret in secrets if secret in "".join(told) + caplog.text] == []


def kept(looked: Looked) -> Mapping[str, Any]:
    """A plan as it comes out of a file."""
    return dict(json.loads(json.dumps(looked.plan.document())))


class TestKept:
    """A plan that was looked at, and is applied later."""

    def test_fits_as_long_as_nothing_has_changed(self, estate: Estate) -> None:
        plan = kept(estate.plan(dataflow(), dataflow(1)))
        with estate.look([dataflow(), dataflow(1)]) as looked:
            refuse_unfit(plan, looked.plan.document())
            assert looked.apply().failed == {}
        assert not estate.plan(dataflow(), dataflow(1)).plan.has_work

    def test_fits_although_windows_were_loaded_since(self, estate: Estate) -> None:
        """They count as done, as those before them do: what was loaded until now is told, and nothing that is decided about."""
        estate.apply(dataflow())
        load(estate, dataflow(), day(1))
        plan = kept(estate.plan(dataflow(columns=FEW)))
        load(estate, dataflow(), day(2))
        now = estate.plan(dataflow(columns=FEW)).plan.document()
        told = [one["dataflows"][0]["consequences"][0]["loaded_until_now"] for one in (plan, now)]
        assert [each.partition(",")[0] for each in told] == ["1 row in 1 run", "2 rows in 2 runs"]
        assert plan["digest"] == now["digest"]
        refuse_unfit(plan, now)

    def test_does_not_fit_once_there_are_rows_where_there_were_none(self, estate: Estate) -> None:
        estate.apply(dataflow())
        plan = kept(estate.plan(dataflow(columns=FEW)))
        load(estate, dataflow(), day(1))
        with pytest.raises(AepDifferenceError, match="what becomes of the rows of 'incidents 00' has changed"):
            refuse_unfit(plan, estate.plan(dataflow(columns=FEW)).plan.document())

    @pytest.mark.parametrize(
        ("now", "told"),
        [
            (
                [dataflow(policy={"partial_ingestion_percent": 9})],
                "the digest of the declaration of 'incidents 00' has",
            ),
            ([dataflow(), dataflow(2)], "'incidents 02' was not declared then"),
            ([], "'incidents 00' is not declared any more"),
        ],
    )
    def test_does_not_fit_once_a_file_has_changed(self, estate: Estate, now: list[DataflowSpec], told: str) -> None:
        plan = kept(estate.plan(dataflow()))
        with pytest.raises(AepDifferenceError, match=told) as refused:
            refuse_unfit(plan, estate.plan(*now).plan.document())
        assert "The plan does not fit any more: the files or AEP have changed since" in str(refused.value)
        assert "Make a new plan and look at it" in str(refused.value)

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (
                lambda estate: estate.apply(dataflow(columns=FEW)),
                "source connection 'incidents 00': replace then, unchanged",
            ),
            (lambda estate: disable(estate, dataflow()), "flow 'incidents 00': replace then, drifted now"),
            (lambda estate: estate.apply(dataflow(), dataflow(2)), "the list of orphans has changed"),
        ],
    )
    def test_does_not_fit_once_aep_has_changed(
        self, estate: Estate, change: Callable[[Estate], Any], told: str
    ) -> None:
        estate.apply(dataflow())
        ensured(estate, dataflow())
        plan = kept(estate.plan(dataflow(columns=FEW)))
        change(estate)
        with pytest.raises(AepDifferenceError, match=told):
            refuse_unfit(plan, estate.plan(dataflow(columns=FEW)).plan.document())

    def test_is_for_one_organisation(self, estate: Estate, platform: Platform) -> None:
        plan, elsewhere = kept(estate.plan(dataflow())), Estate(platform)
        with pytest.raises(AepDifferenceError, match=f"made for the organisation '{estate.org}', and this is"):
            refuse_unfit(plan, elsewhere.plan(dataflow()).plan.document())

    def test_is_with_or_without_overwriting(self, estate: Estate) -> None:
        plan = kept(estate.plan(dataflow()))
        with pytest.raises(AepDifferenceError, match="what is done about drift has changed"):
            refuse_unfit(plan, estate.plan(dataflow(), overwrite=True).plan.document())


def test_forty_that_are_as_declared_take_twelve_requests(estate: Estate) -> None:
    """Whether they are planned or applied, that for a token included."""
    first, second = dataflows(2)
    estate.apply(first, second)
    specs = [first, second]
    specs += multiply(estate, first, [f"incidents {number:03}" for number in range(1, 20)])
    specs += multiply(estate, second, [f"cases {number:03}" for number in range(1, 20)])
    for do in (estate.plan, estate.apply):
        line = Line()
        with line.open():
            do(*specs)
        assert (line.only_reads, len(line.sent) <= 12) == (True, True)
    plan = estate.plan(*specs).plan
    assert (len(plan.dataflows), plan.has_work, plan.orphans) == (40, False, ())


@pytest.mark.slow
def test_a_thousand_that_are_as_declared_take_seventy_requests(estate: Estate) -> None:
    first, second = dataflows(2)
    estate.apply(first, second)
    specs = [first, second]
    specs += multiply(estate, first, [f"incidents {number:04}" for number in range(1, 500)])
    specs += multiply(estate, second, [f"cases {number:04}" for number in range(1, 500)])
    line = Line()
    with line.open():
        applied = estate.apply(*specs)
    assert (len(specs), len(applied.ids) > 7000, applied.outcomes) == (1000, True, {})
    assert (line.only_reads, len(line.sent) <= 70) == (True, True)
