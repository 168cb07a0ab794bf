"""What a faults file may say, what is told about a wrong one, and what a rule hits."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aep_local.cli import main
from aep_local.faults.asked import Asked, pattern
from aep_local.faults.injector import Faults
from aep_local.faults.mix import MIX
from aep_local.faults.rules import KINDS, Plan, Rule, parse
from aep_local.faults.statuses import DateIn

DOCS = Path(__file__).resolve().parents[2] / "docs" / "faults.md"


def rule(**fields: Any) -> Rule:
    return Rule(**{"fault": "cut_json", **fields})


def asked(method: str, path: str, service: Any = "flowservice", headers: Mapping[str, str] | None = None) -> Asked:
    return Asked(service, method, path, headers or {})


BROKEN = {
    "rules: [": "neither YAML nor JSON (line 1)",
    '{"rules": [}': "neither YAML nor JSON (line 1)",
    "rules:\n  - fault: empty\n    fault: never": "neither YAML nor JSON (line 3)",
    "": "there must be rules: a list of them, or [] for none",
    "- fault: empty": "there must be rules: a list of them, or [] for none",
    "seed: 3": "rules: is missing",
    "rules: {fault: empty}": "rules: must be a list",
    "rules:": "rules: must be a list",
    "rules: []\nsalt: 3": "salt: is unknown; there is seed, rules",
    "rules: []\nseed: three": "seed: must be a whole number",
    "rules: [empty]": "rule 1: must be an object with some of service, method, path, writes, chance, after, in_a_row, "
    "times, fault",
    "rules: [{chance: 1}]": "rule 1, fault: is missing",
    "rules: [{fault: 3}]": "rule 1, fault: must be a kind, or an object with its kind and its fields",
    "rules: [{fault: meteor}]": f"rule 1, fault: kind must be one of {', '.join(KINDS)}",
    "rules: [{fault: {status: 500}}]": f"rule 1, fault: kind must be one of {', '.join(KINDS)}",
    "rules: [{fault: empty}, {fault: empty, chances: 1}]": "rule 2, chances: is unknown; there is service, method, "
    "path, writes, chance, after, in_a_row, times, fault",
    "rules: [{fault: empty, chance: 1.5}]": "rule 1, chance: must be less than or equal to 1",
    "rules: [{fault: empty, chance: .nan}]": "rule 1, chance: must be a finite number",
    "rules: [{fault: empty, chance: '0.5'}]": "rule 1, chance: must be a number",
    "rules: [{fault: empty, times: 0}]": "rule 1, times: must be greater than or equal to 1",
    "rules: [{fault: empty, after: -1}]": "rule 1, after: must be greater than or equal to 0",
    "rules: [{fault: empty, in_a_row: 0}]": "rule 1, in_a_row: must be greater than or equal to 1",
    "rules: [{fault: empty, writes: often}]": "rule 1, writes: must be true or false",
    "rules: [{fault: empty, service: flows}]": "rule 1, service: must be 'ims', 'flowservice', 'schemaregistry', "
    "'catalog', 'conversion' or 'export'",
    "rules: [{fault: empty, service: []}]": "rule 1, service: must have at least 1",
    "rules: [{fault: empty, method: [GET, get]}]": "rule 1, method: must be 'GET', 'POST', 'PUT', 'PATCH' or 'DELETE'",
    "rules: [{fault: empty, path: 'flows'}]": "rule 1, path: must be a path below its service that begins with /",
    "rules: [{fault: empty, path: '/flows/{id'}]": "rule 1, path: must be a path below its service",
    "rules: [{fault: duplicate_item, service: ims}]": "rule 1, fault: duplicate_item happens at catalog, conversion, "
    "export, flowservice, schemaregistry only",
    "rules: [{fault: {kind: token_expires_early, seconds: 1}, service: [ims, catalog]}]": "rule 1, fault: "
    "token_expires_early happens at ims only",
    "rules: [{fault: run_stuck, path: /runs}]": "rule 1, fault: run_stuck happens to runs, and path selects requests: "
    "leave it out",
    "rules: [{fault: {kind: status, status: 404}}]": "rule 1, fault.status: must be 429, 500, 502, 503 or 504",
    "rules: [{fault: {kind: status}}]": "rule 1, fault.status: is missing",
    "rules: [{fault: {kind: status, status: 500, code: 1}}]": "rule 1, fault.code: is unknown; there is kind, status, "
    "when, retry_after",
    "rules: [{fault: {kind: status, status: 429, retry_after: [1]}}]": "rule 1, fault.retry_after: must be a number, a "
    "text (ASCII), or {date_in: seconds from -1000000000 to 1000000000}",
    'rules: [{fault: {kind: status, status: 429, retry_after: "1\\r\\nx: y"}}]': "rule 1, fault.retry_after: must be",
    "rules: [{fault: {kind: status, status: 429, retry_after: {date_in: 1e12}}}]": "rule 1, fault.retry_after: must be",
    "rules: [{fault: {kind: hang_up, when: sometimes}}]": "rule 1, fault.when: must be 'before', 'middle' or 'after'",
    "rules: [{fault: {kind: slow_start, seconds: -1}}]": "rule 1, fault.seconds: must be greater than 0",
    "rules: [{fault: {kind: slow_start, seconds: .inf}}]": "rule 1, fault.seconds: must be",
    "rules: [{fault: {kind: drip, bytes_per_second: 0}}]": "rule 1, fault.bytes_per_second: must be greater than 0",
    "rules: [{fault: {kind: redirect, to: elsewhere}}]": "rule 1, fault.to: must be the address of a host, for example",
    "rules: [{fault: {kind: redirect, to: 'http://a:b@c'}}]": "rule 1, fault.to: must be the address of a host",
    'rules: [{fault: {kind: redirect, to: "http://a\\r\\nx: y"}}]': "rule 1, fault.to: must be the address of a host",
    "rules: [{fault: {kind: redirect, to: 3}}]": "rule 1, fault.to: must be a text",
    "rules: [{fault: {kind: [status]}}]": f"rule 1, fault: kind must be one of {', '.join(KINDS)}",
    "rules: [{fault: {kind: switches, set: all}}]": "rule 1, fault.set: must be an object",
    "rules: [{fault: {kind: switches, set: {gravity: off}}}]": "rule 1, fault.set: gravity is no switch; aep-local "
    "assumptions lists them",
    "rules: [{fault: {kind: switches, set: {runs_order: up}}}]": "rule 1, fault.set: runs_order: Input should be "
    "'created' or 'updated'",
    "rules: [{fault: {kind: run_words, words: {}}}]": "rule 1, fault.words: must have at least 1",
    "rules: [{fault: {kind: run_words, words: {success: 1}}}]": "rule 1, fault.words: must be a text",
    "rules: [{fault: empty, chance: 2}, {fault: {kind: html, status: 9}}]": "rule 1, chance: must be less than or "
    "equal to 1; rule 2, fault.status: must be 200, 502, 503 or 504",
}


@pytest.mark.parametrize(("text", "told"), BROKEN.items())
def test_a_wrong_file_is_told_which_rule_which_field_and_what_is_allowed(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(told)}"):
        parse(text)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"rules: [{fault: meteor}]", "rule 1, fault: kind must be one of hang_up, never"),
        (b"rules: [{fault: \xff}]", "not UTF-8"),
        (None, "No such file or directory"),
    ],
)
def test_the_server_does_not_start_with_a_wrong_file(
    sample_tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, told: str
) -> None:
    file = tmp_path / "faults.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SystemExit) as refused:
        main(["serve", "--tables", str(sample_tables), "--state", str(tmp_path / "s"), "--faults", str(file)])
    assert refused.value.code == 2
    said = capsys.readouterr()
    assert f"--faults {file}: {told}" in said.err
    assert said.out == ""


def test_json_is_read_too_and_so_is_a_single_service_or_method() -> None:
    plan = parse('{"seed": 7, "rules": [{"service": "ims", "method": "POST", "fault": "empty"}]}')
    assert plan.seed == 7
    assert (plan.rules[0].service, plan.rules[0].method) == (("ims",), ("POST",))
    listed = parse("{seed: 7, rules: [{service: [ims], method: [POST], fault: {kind: empty, when: after}}]}")
    assert listed.rules[0] == plan.rules[0].model_copy(update={"fault": listed.rules[0].fault})


@pytest.mark.parametrize(
    ("path", "fits", "fits_not"),
    [
        ("/flows", ["/flows"], ["/flows/1", "/flowSpecs", "/flow"]),
        ("/flows/{id}", ["/flows/1", "/flows/a%2Fb"], ["/flows", "/flows/", "/flows/1/action"]),
        ("/flows/{id}/action", ["/flows/1/action"], ["/flows/1"]),
        ("/flow*", ["/flows", "/flowSpecs"], ["/flows/1"]),
        ("/runs**", ["/runs", "/runs/1", "/runs/1/action"], ["/flows"]),
        ("/**/action", ["/flows/1/action", "/runs/1/action"], ["/flows/1"]),
        ("/a.b", ["/a.b"], ["/axb"]),
    ],
)
def test_paths(path: str, fits: list[str], fits_not: list[str]) -> None:
    assert all(pattern(path).fullmatch(each) for each in fits)
    assert not any(pattern(path).fullmatch(each) for each in fits_not)


@pytest.mark.parametrize(
    ("method", "path", "service", "writes"),
    [
        ("GET", "/flows", "flowservice", False),
        ("POST", "/flows", "flowservice", True),
        ("POST", "/flows/search", "flowservice", False),
        ("POST", "/flows/1/action", "flowservice", True),
        ("PATCH", "/flows/1", "flowservice", True),
        ("DELETE", "/flows/1", "flowservice", True),
        ("PUT", "/mappingSets/1", "conversion", True),
        ("POST", "/mappingSets", "conversion", True),
        ("POST", "/mappingSets/validate", "conversion", False),
        ("POST", "/mappingSets/preview", "conversion", False),
        ("POST", "/token/v3", "ims", False),
    ],
)
def test_what_writes(method: str, path: str, service: str, writes: bool) -> None:
    request = asked(method, path, service)
    assert rule(writes=writes).fits(request)
    assert not rule(writes=not writes).fits(request)
    assert rule().fits(request)


def test_all_that_a_rule_selects_by_must_fit() -> None:
    whole = rule(service=["flowservice"], method=["PATCH", "PUT"], path="/flows/{id}", writes=True)
    assert whole.fits(asked("PATCH", "/flows/1"))
    assert not whole.fits(asked("DELETE", "/flows/1"))
    assert not whole.fits(asked("PATCH", "/runs/1"))
    assert not whole.fits(asked("PATCH", "/flows/1", "catalog"))


@pytest.mark.parametrize(
    ("fault", "fits", "fits_not"),
    [
        ("duplicate_item", asked("GET", "/flows"), asked("GET", "/flows/1")),
        ("duplicate_item", asked("POST", "/flows/search"), asked("POST", "/flows")),
        ("duplicate_item", asked("GET", "/dataSets", "catalog"), asked("GET", "/dataSets/1", "catalog")),
        ("repeating_cursor", asked("GET", "/tenant/schemas", "schemaregistry"), asked("GET", "/dataSets", "catalog")),
        ("run_vanished", asked("GET", "/runs/1"), asked("GET", "/flows/1")),
        ("run_vanished", asked("GET", "/runs"), asked("POST", "/runs")),
        ("token_revoked", asked("GET", "/flows", headers={"authorization": "Bearer x"}), asked("GET", "/flows")),
        ("concurrent_edit", asked("PATCH", "/flows/1", headers={"if-match": "x"}), asked("PATCH", "/flows/1")),
        (
            "concurrent_edit",
            asked("POST", "/flows/1/action", headers={"if-match": "x"}),
            asked("GET", "/flows/1", headers={"if-match": "x"}),
        ),
    ],
)
def test_a_kind_looks_only_at_what_it_can_happen_to(fault: str, fits: Asked, fits_not: Asked) -> None:
    assert rule(fault=fault).fits(fits)
    assert not rule(fault=fault).fits(fits_not)


def hits(one: Rule, requests: int, seed: int = 0, number: int = 1) -> list[int]:
    return [nth for nth in range(1, requests + 1) if one.hits(seed, number, nth)]


def test_what_is_hit_depends_on_seed_rule_and_count_alone() -> None:
    some = rule(chance=0.2)
    assert hits(some, 30) == hits(some, 30) == [1, 3, 11, 20], "as it was in every earlier version"
    assert hits(some, 30, seed=1) != hits(some, 30)
    assert hits(some, 30, number=2) != hits(some, 30)


@pytest.mark.parametrize("chance", [0.0, 0.01, 0.2, 0.5, 0.99, 1.0])
def test_as_many_are_hit_as_the_chance_says(chance: float) -> None:
    share = len(hits(rule(chance=chance), 20_000)) / 20_000
    assert share == pytest.approx(chance, abs=0.01)
    if chance in {0.0, 1.0}:
        assert share == chance


def test_the_first_are_left_alone_and_a_hit_takes_those_after_it_too() -> None:
    assert hits(rule(after=3), 6) == [4, 5, 6]
    single = hits(rule(chance=0.1), 100)
    assert hits(rule(chance=0.1, in_a_row=3), 100) == sorted({n + k for n in single for k in range(3) if n + k <= 100})
    assert hits(rule(chance=0.1, in_a_row=3, after=40), 100) == sorted(
        {n + k for n in single if n > 40 for k in range(3) if n + k <= 100}
    )


def test_the_mix_has_every_kind_and_about_every_fifth_request_meets_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults"]) == 0
    assert capsys.readouterr().out == MIX
    plan = parse(MIX)
    assert {each.fault.kind for each in plan.rules} == set(KINDS)
    headers = {"authorization": "Bearer x"}
    chain = [
        ("GET", "/connections", "flowservice"),
        ("POST", "/connections", "flowservice"),
        ("POST", "/sourceConnections", "flowservice"),
        ("GET", "/tenant/schemas", "schemaregistry"),
        ("POST", "/tenant/schemas", "schemaregistry"),
        ("GET", "/dataSets", "catalog"),
        ("POST", "/dataSets", "catalog"),
        ("POST", "/mappingSets", "conversion"),
        ("POST", "/flows", "flowservice"),
        ("GET", "/flows/1", "flowservice"),
        ("PATCH", "/flows/1", "flowservice"),
        ("GET", "/runs/1", "flowservice"),
    ]
    share = [met(plan, asked(*each, headers=headers)) for each in chain]
    assert all(0.1 < each < 0.4 for each in share)
    assert sum(share) / len(share) == pytest.approx(0.2, abs=0.03)
    for when in ("before", "after"):
        faults = [each.fault for each in plan.rules if each.fits(asked("POST", "/flows", headers=headers))]
        assert sum(getattr(each, "when", None) == when for each in faults) >= 4


def met(plan: Plan, request: Asked) -> float:
    """How likely a request meets one of the faults."""
    spared = 1.0
    for each in plan.rules:
        if each.fits(request):
            spared *= 1 - each.chance
    return 1 - spared


def test_a_report_is_a_file_again() -> None:
    plan = parse(MIX)
    told = json.dumps(Faults(plan).report())
    rules = [each["rule"] for each in json.loads(told)["rules"]]
    assert parse(json.dumps({"seed": 1, "rules": rules})) == plan


def test_nothing_in_the_mix_lasts() -> None:
    for each in parse(MIX).rules:
        fault = each.fault
        if fault.kind in {"never", "redirect", "forbidden", "repeating_cursor"}:
            assert each.times is not None, fault
        if fault.kind in {"run_stuck", "run_vanished", "slow_start", "lagging_list"}:
            assert 0 < getattr(fault, "seconds", 0) <= 3, fault
        absurd = getattr(fault, "retry_after", None)
        assert absurd not in ("1000000000", DateIn(date_in=10**9)) or each.times is not None


def test_every_rule_of_the_mix_is_explained() -> None:
    lines = [line.strip() for line in MIX.partition("rules:\n")[2].splitlines()]
    assert lines[0].startswith("#")
    assert all(line.startswith(("#", "- {")) for line in lines)


def test_every_kind_and_field_is_in_the_docs_and_their_examples_are_read() -> None:
    page = DOCS.read_text(encoding="utf-8")
    for name, kind in KINDS.items():
        row = next((line for line in page.splitlines() if line.startswith(f"| `{name}` |")), "")
        assert row, name
        for field in kind.model_fields.keys() - {"kind"}:
            assert f"`{field}`" in row or f"`{field}:" in row, (name, field)
    for name in (*Rule.model_fields, *Plan.model_fields):
        assert f"`{name}`" in page, name
    blocks = re.findall(r"^```yml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    kinds = {each.fault.kind for block in blocks for each in parse(textwrap.dedent(block)).rules}
    assert kinds == set(KINDS)
