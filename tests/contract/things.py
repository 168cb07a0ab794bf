"""What the model of the state machine knows of each object, and the filters that find it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from .platform import SERVICENOW

NAMES = ["alpha", "beta", "gamma", "übung 雪", "two words", "O'Hara", "50%"]
names = st.sampled_from(NAMES)


@dataclass
class Thing:
    """What the model knows of one object."""

    kind: str
    sandbox: int
    name: str
    id: str
    etag: str
    description: str | None = None
    state: str = "enabled"
    refers: dict[str, Thing] = field(default_factory=dict)
    schema: int = 0
    version: int = 0
    there: bool = True
    stale: list[str] = field(default_factory=list)


def filter_of(kind: str, known: list[Thing]) -> st.SearchStrategy[tuple[str, Callable[[Thing], bool]]]:
    """A filter as it is sent, and the same as a predicate of the model."""
    name = names.map(lambda name: (f"name=={name}", lambda thing: thing.name == name))
    quoted = names.map(lambda name: (f'name=="{name}"', lambda thing: thing.name == name))
    other = names.map(lambda name: (f"name!={name}", lambda thing: thing.name != name))
    two = st.tuples(names, names).map(lambda two: (f"name=={two[0]},{two[1]}", lambda thing: thing.name in two))
    state = st.sampled_from(["enabled", "disabled"]).map(
        lambda state: (f"state=={state}", lambda thing: thing.state == state)
    )
    found = [name, quoted, other, two, state]
    ids = [each.id for each in known if each.kind == kind]
    if ids:
        some = st.lists(st.sampled_from(ids), min_size=1, max_size=3)
        found.append(some.map(lambda some: ("id==" + ",".join(some), lambda thing: thing.id in some)))
    if kind == "connections":
        found.append(st.just((f"connectionSpec.id=={SERVICENOW}", lambda thing: True)))
        text = names.map(lambda name: f"{name} described")
        found.append(text.map(lambda text: (f"description=={text}", lambda thing: thing.description == text)))
    if kind == "sourceConnections":
        found.append(st.just(("params.tableName==Account", lambda thing: True)))
        found.append(st.just(("params.columns[].name==Name", lambda thing: True)))
        found.append(st.just(("params.columns[].name==Nome", lambda thing: False)))
        found += _reference(known, "baseConnectionId", "connections", "base")
    if kind == "targetConnections":
        found += _reference(known, "params.dataSetId", "dataSets", "dataset")
    if kind == "flows":
        found.append(st.just(("inheritedAttributes.properties.isSourceFlow==true", lambda thing: True)))
        found += _reference(known, "sourceConnectionIds[]", "sourceConnections", "source")
        found += _reference(known, "targetConnectionIds[]", "targetConnections", "target")
    return st.one_of(found)


def _reference(known: list[Thing], path: str, kind: str, role: str) -> list[st.SearchStrategy[Any]]:
    ids = [each.id for each in known if each.kind == kind]
    if not ids:
        return []
    return [st.sampled_from(ids).map(lambda id: (f"{path}=={id}", lambda thing: thing.refers[role].id == id))]
