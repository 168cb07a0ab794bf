"""What goes wrong, and when: a faults file.

The file is YAML or JSON::

    seed: 7                            # another seed, other requests; 0 when left out
    rules:
      - service: flowservice           # also ims, schemaregistry, catalog, conversion, export; one or a list
        method: [POST, PATCH]          # one or a list
        path: /flows/{id}              # below the service; {name} one part, * within a part, ** anything
        writes: true                   # only what writes; false: only what looks
        chance: 0.2                    # of every request that fits; 1 when left out
        after: 3                       # leave the first three alone
        in_a_row: 2                    # what is hit, and the next one that fits
        times: 5                       # five times at most
        fault: {kind: status, status: 503, when: after}

All but ``fault`` may be left out. The first rule that hits a request is the one that happens to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from aep_local.faults import connections, contents, lists, runs, states, statuses
from aep_local.faults.asked import Asked, Service, pattern
from aep_local.faults.fault import Fault, Strict

AnyFault = Annotated[
    connections.HangUp
    | connections.Never
    | connections.SlowStart
    | connections.Drip
    | statuses.Status
    | statuses.Forbidden
    | statuses.Html
    | statuses.Empty
    | statuses.Redirect
    | contents.CutJson
    | contents.WrongJson
    | contents.RunWords
    | lists.DuplicateItem
    | lists.LaggingList
    | lists.RepeatingCursor
    | lists.SpecialCursor
    | states.TokenRevoked
    | states.TokenExpiresEarly
    | states.ConcurrentEdit
    | states.Switches
    | runs.RunStuck
    | runs.RunVanished,
    Field(discriminator="kind"),
]
KINDS: Final[Mapping[str, type[Fault]]] = {
    get_args(each.model_fields["kind"].annotation)[0]: each for each in get_args(get_args(AnyFault)[0])
}
_KIND_OF_VALUE: Final = {
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "mapping_type": "must be an object",
    "string_type": "must be a text",
    "tuple_type": "must be a list",
}
_MOST_IN_A_ROW: Final = 1000
_MOST_RULES: Final = 1000


def _several(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,)


def _is_pattern(value: str) -> str:
    pattern(value)
    return value


class Rule(Strict):
    """Which requests a fault happens to.

    :param chance: of each request that fits.
    :param after: how many that fit are left alone first.
    :param in_a_row: how many requests that fit a hit takes, itself included.
    :param times: how often it happens at most.
    """

    service: Annotated[tuple[Service, ...], BeforeValidator(_several), Field(min_length=1)] | None = None
    method: (
        Annotated[
            tuple[Literal["GET", "POST", "PUT", "PATCH", "DELETE"], ...], BeforeValidator(_several), Field(min_length=1)
        ]
        | None
    ) = None
    path: Annotated[str, Field(max_length=500), AfterValidator(_is_pattern)] | None = None
    writes: bool | None = None
    chance: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 1.0
    after: Annotated[int, Field(ge=0)] = 0
    in_a_row: Annotated[int, Field(ge=1, le=_MOST_IN_A_ROW)] = 1
    times: Annotated[int, Field(ge=1)] | None = None
    fault: Annotated[AnyFault, BeforeValidator(lambda value: {"kind": value} if isinstance(value, str) else value)]

    @field_validator("fault")
    @classmethod
    def _can_happen(cls, value: Fault, others: ValidationInfo) -> Fault:
        given = [name for name in ("service", "method", "path", "writes") if others.data.get(name) is not None]
        if isinstance(value, runs.RunStuck) and given:
            raise ValueError(f"run_stuck happens to runs, and {given[0]} selects requests: leave it out")
        if given and not value.at.issuperset(others.data.get("service") or value.at):
            raise ValueError(f"{value.kind} happens at {', '.join(sorted(value.at))} only")
        return value

    def fits(self, asked: Asked) -> bool:
        """Whether the rule is about a request."""
        return (
            (self.service is None or asked.service in self.service)
            and (self.method is None or asked.method in self.method)
            and (self.path is None or pattern(self.path).fullmatch(asked.path) is not None)
            and (self.writes is None or asked.writes is self.writes)
            and self.fault.fits(asked)
        )

    def hits(self, seed: int, number: int, nth: int) -> bool:
        """Whether the fault is to happen to the n-th that fits, from 1: always the same for the same seed and rule."""
        first = max(self.after, nth - self.in_a_row) + 1
        return any(_drawn(seed, number, each) < self.chance for each in range(first, nth + 1))


def _drawn(seed: int, number: int, nth: int) -> float:
    """A number from 0 to below 1."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}/{nth}".encode()).digest()[:6], "big") / 2**48


class Plan(Strict):
    """The content of a faults file."""

    seed: int = 0
    rules: Annotated[
        tuple[Rule, ...],
        BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
        Field(max_length=_MOST_RULES),
    ]


def parse(text: str) -> Plan:
    """Read a plan.

    :raises ValueError: it is none; the text says which rule, which field of it, and what is allowed there.
    """
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f" (line {mark.line + 1})"
        raise ValueError(f"neither YAML nor JSON{place}") from None
    if not isinstance(content, dict):
        raise ValueError("there must be rules: a list of them, or [] for none")
    try:
        return Plan.model_validate(content)
    except ValidationError as error:
        raise ValueError("; ".join(dict.fromkeys(_told(error)))) from None


def load(path: Path) -> Plan:
    """Read a faults file.

    :raises ValueError: as :func:`parse`, and where the file cannot be read.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"--faults {path}: {error.strerror}") from None
    except ValueError as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise ValueError(f"--faults {path}: {reason}") from None


def _told(error: ValidationError) -> Iterator[str]:
    for each in error.errors(include_url=False, include_input=False):
        place, model = _place(each["loc"])
        context = each.get("ctx", {})
        match each["type"]:
            case "extra_forbidden":
                told = f"is unknown; there is {', '.join(model.model_fields)}"
            case "missing":
                told = "is missing"
            case "literal_error":
                told = f"must be {context['expected']}"
            case "union_tag_invalid" | "union_tag_not_found":
                told = f"kind must be one of {', '.join(KINDS)}"
            case "model_attributes_type":
                told = "must be a kind, or an object with its kind and its fields"
            case "model_type":
                told = f"must be an object with some of {', '.join(model.model_fields)}"
            case "value_error":
                told = str(context["error"])
            case "too_short":
                told = f"must have at least {context['min_length']}"
            case "too_long":
                told = f"must have at most {context['max_length']}"
            case _:
                told = _KIND_OF_VALUE.get(each["type"]) or each["msg"].replace("Input should", "must")
        yield f"{place}: {told}"


def _place(loc: tuple[int | str, ...]) -> tuple[str, type[Strict]]:
    """Where something is wrong, in words, and what it is a part of."""
    match loc:
        case ("rules", int(index), *parts):
            rule = f"rule {index + 1}"
            match parts:
                case ["fault", str(kind), str(name), *_] if kind in KINDS:
                    return f"{rule}, fault.{name}", KINDS[kind]
                case ["fault", *_]:
                    return f"{rule}, fault", Rule
                case [str(name), *_]:
                    return f"{rule}, {name}", Rule
            return rule, Rule
    return str(loc[0]), Plan
