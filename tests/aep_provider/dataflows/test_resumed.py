"""What may be left of a plan that was begun, and what may not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from aep_provider.dataflows.plan import Change, Consequence, DataflowPlan, Plan, Step
from aep_provider.dataflows.resumed import essence, refuse_other_than_rest
from aep_provider.errors import AepDifferenceError

BASE = ("base connection", "ServiceNow")
SOURCE, TARGET, FLOW = ("source connection", "a"), ("target connection", "a"), ("flow", "a")
LOSS = Consequence("Rows come twice.", loses=True)


def step(key: tuple[str, str], change: Change, object_id: str | None = None, *lines: str, **more: Any) -> Step:
    return Step(*key, change, object_id, lines, **more)


def plan(*steps: Step, **of_dataflow: Any) -> Plan:
    return Plan("ACME@AdobeOrg", "dev", dataflows=(DataflowPlan("a", "d1", steps, **of_dataflow),))


def goes_on(kept: Plan, now: Plan) -> bool:
    """Whether it does, both with the plan as it was kept and with its essence."""
    answers = set()
    for document in (kept.document(), essence(kept.document())):
        try:
            refuse_other_than_rest(json.loads(json.dumps(document)), now)
        except AepDifferenceError:
            answers.add(False)
        else:
            answers.add(True)
    (answer,) = answers
    return answer


@pytest.mark.parametrize(
    ("planned", "left"),
    [
        pytest.param(step(FLOW, Change.CREATE), step(FLOW, Change.CREATE), id="not made yet"),
        pytest.param(step(FLOW, Change.CREATE), step(FLOW, Change.UNCHANGED, "f1"), id="made"),
        pytest.param(step(FLOW, Change.UPDATE, "f1", "x: 1"), step(FLOW, Change.UPDATE, "f1", "x: 1"), id="to change"),
        pytest.param(step(FLOW, Change.UPDATE, "f1", "x: 1"), step(FLOW, Change.UNCHANGED, "f1"), id="changed"),
        pytest.param(
            step(FLOW, Change.REPLACE, "f1", 'source: "s1" in AEP, "(the new one)" wanted'),
            step(FLOW, Change.REPLACE, "f1", 'source: "s1" in AEP, "s2" wanted', "state: disabled"),
            id="disabled, what it needs is made",
        ),
        pytest.param(step(FLOW, Change.REPLACE, "f1"), step(FLOW, Change.CREATE), id="renamed"),
        pytest.param(step(FLOW, Change.REPLACE, "f1"), step(FLOW, Change.UNCHANGED, "f2"), id="replaced"),
        pytest.param(step(FLOW, Change.UNCHANGED, "f1"), step(FLOW, Change.UNCHANGED, "f1"), id="nothing to do"),
    ],
)
def test_a_step_done_in_part_goes_on(planned: Step, left: Step) -> None:
    assert goes_on(plan(planned), plan(left))


@pytest.mark.parametrize(
    ("planned", "left"),
    [
        pytest.param(step(FLOW, Change.UNCHANGED, "f1"), step(FLOW, Change.UPDATE, "f1"), id="another change"),
        pytest.param(step(FLOW, Change.UNCHANGED, "f1"), step(FLOW, Change.CREATE), id="deleted since"),
        pytest.param(step(FLOW, Change.UPDATE, "f1"), step(FLOW, Change.CREATE), id="deleted instead of changed"),
        pytest.param(step(FLOW, Change.UPDATE, "f1"), step(FLOW, Change.REPLACE, "f1"), id="more than a change"),
        pytest.param(step(FLOW, Change.REPLACE, "f1"), step(FLOW, Change.UPDATE, "f1"), id="less than a replacement"),
        pytest.param(step(FLOW, Change.CREATE), step(FLOW, Change.UPDATE, "f2"), id="made by somebody else"),
        pytest.param(step(FLOW, Change.UPDATE, "f1"), step(FLOW, Change.UPDATE, "f2"), id="another object to change"),
        pytest.param(step(FLOW, Change.REPLACE, "f1"), step(FLOW, Change.REPLACE, "f2"), id="another one to replace"),
        pytest.param(
            step(FLOW, Change.UPDATE, "f1", "x: 1"), step(FLOW, Change.DRIFTED, "f1", "x: 2", then=Change.UPDATE), id="edited"
        ),
        pytest.param(
            step(FLOW, Change.REPLACE, "f1", "x: 1"), step(FLOW, Change.DRIFTED, "f1", "x: 1", then=Change.REPLACE),
            id="edited before it was replaced",
        ),
        pytest.param(step(FLOW, Change.CREATE), step(SOURCE, Change.CREATE), id="an object that was not in it"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("overwrite", [False, True])
def test_anything_else_is_refused(planned: Step, left: Step, overwrite: bool) -> None:
    """Also with overwrite: nobody has seen these edits."""
    kept, now = (replace(one, overwrite=overwrite) for one in (plan(planned), plan(left)))
    assert not goes_on(kept, now)


def drifted(then: Change, *lines: str, object_id: str = "f1") -> Step:
    return step(FLOW, Change.DRIFTED, object_id, *lines, then=then)


@pytest.mark.parametrize(
    ("kept", "now", "goes"),
    [
        (drifted(Change.UPDATE, "x: 1", "y: 1"), drifted(Change.UPDATE, "x: 1", "y: 1"), True),
        (drifted(Change.UPDATE, "x: 1", "state: off"), drifted(Change.UPDATE, "state: off"), True),
        (drifted(Change.UPDATE, "x: 1"), drifted(Change.UPDATE, "x: 1", "y: 1"), False),
        (drifted(Change.UPDATE, "x: 1"), drifted(Change.UPDATE, "x: 1", "state: off"), False),
        (drifted(Change.UPDATE, "x: 1"), drifted(Change.UPDATE, "x: 1", object_id="f2"), False),
        (drifted(Change.UPDATE, "x: 1"), drifted(Change.REPLACE, "x: 1"), False),
        (drifted(Change.UPDATE, "x: 1"), step(FLOW, Change.UPDATE, "f1"), True),
        (drifted(Change.REPLACE, "x: 1"), drifted(Change.REPLACE, "x: 2", "state: off"), True),
        (drifted(Change.REPLACE, "x: 1"), drifted(Change.REPLACE, "x: 1", "y: 1"), False),
        (drifted(Change.REPLACE, "x: 1"), step(FLOW, Change.CREATE), True),
        (drifted(Change.REPLACE, "x: 1"), step(FLOW, Change.UNCHANGED, "f2"), True),
    ],
)
def test_an_edit_that_is_overwritten(kept: Step, now: Step, goes: bool) -> None:
    """It goes on with that edit, and with no further one. Without overwrite nothing of it is ever begun."""
    assert goes_on(replace(plan(kept), overwrite=True), replace(plan(now), overwrite=True)) is goes
    assert not goes_on(plan(kept), plan(now)) or now.change is Change.UNCHANGED


class TestWhatIsAround:
    made = plan(step(FLOW, Change.UNCHANGED, "f1"))
    kept = plan(step(FLOW, Change.CREATE))

    def test_orphans_do_not_matter(self) -> None:
        """What was replaced leaves objects behind that nobody declares."""
        assert goes_on(self.kept, replace(self.made, orphans=(step(SOURCE, Change.ORPHANED, "s1"),)))

    @pytest.mark.parametrize("field", ["organisation", "sandbox"])
    def test_another_place(self, field: str) -> None:
        assert not goes_on(self.kept, replace(self.made, **{field: "other"}))

    def test_another_word_about_edits(self) -> None:
        assert not goes_on(self.kept, replace(self.made, overwrite=True))

    def test_another_declaration(self) -> None:
        (one,) = self.made.dataflows
        assert not goes_on(self.kept, replace(self.made, dataflows=(replace(one, digest="d2"),)))

    def test_a_dataflow_more_or_less(self) -> None:
        (one,) = self.made.dataflows
        two = replace(self.made, dataflows=(one, replace(one, name="b")))
        assert not goes_on(self.kept, two)
        assert not goes_on(two, self.kept)

    @pytest.mark.parametrize(
        ("kept", "now", "goes"), [((), (LOSS,), False), ((LOSS,), (LOSS,), True), ((LOSS,), (), True)]
    )
    def test_rows(self, kept: Any, now: Any, goes: bool) -> None:
        flow = step(FLOW, Change.REPLACE, "f1")
        assert goes_on(plan(flow, consequences=kept), plan(flow, consequences=now)) is goes

    def test_a_base_connection_is_judged_too(self) -> None:
        kept = replace(self.kept, shared=(step(BASE, Change.UNCHANGED, "b1"),))
        assert goes_on(kept, replace(self.made, shared=(step(BASE, Change.UNCHANGED, "b1"),)))
        assert not goes_on(kept, replace(self.made, shared=(step(BASE, Change.UPDATE, "b1"),)))


def test_what_could_only_be_known_later_follows_from_the_plan() -> None:
    """Before there is a base connection, nobody can ask which columns a table has."""
    kept = replace(
        plan(step(SOURCE, Change.CREATE), step(TARGET, Change.UNCHANGED, "t1"), certain=False),
        shared=(step(BASE, Change.CREATE),),
    )
    now = plan(step(SOURCE, Change.UNCHANGED, "s1"), step(TARGET, Change.REPLACE, "t1"))
    assert goes_on(kept, now)
    assert not goes_on(replace(kept, dataflows=(replace(kept.dataflows[0], certain=True),)), now)


def test_the_message_names_what_is_beyond_the_plan() -> None:
    many = tuple(step(("dataset", f"d{number}"), Change.CREATE) for number in range(11))
    with pytest.raises(AepDifferenceError) as refused:
        refuse_other_than_rest(plan().document(), plan(*many))
    told = str(refused.value)
    assert "the dataset 'd0' was planned as unchanged, and is create now" in told
    assert "'d7'" in told
    assert "'d8'" not in told
    assert "and 3 more" in told
    assert refused.value.final


def test_the_essence_leaves_out_what_is_unchanged() -> None:
    document = plan(step(FLOW, Change.UNCHANGED, "f1"), step(SOURCE, Change.CREATE)).document()
    held = essence(document)
    assert [one["kind"] for one in held["dataflows"][0]["steps"]] == ["source connection"]
    assert held["digest"] == document["digest"]
    assert "orphans" not in held
