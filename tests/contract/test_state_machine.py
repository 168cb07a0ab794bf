"""Random sequences of requests against a model of what must be there.

Two sandboxes of one organisation side by side: what exists, which etag is current, which state a flow is in, what may
not be deleted, and that neither sandbox ever sees the other's objects. One server for all; each example has an
organisation of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from . import models
from .platform import (
    CATALOG,
    DATA_PREP,
    FLOW,
    SERVICE_CLOUD,
    Server,
    checked,
    new_organisation,
    refused,
    until,
)
from .things import Thing, filter_of, names

COLUMNS = [{"name": name, "type": "string", "xdm": {"type": "string"}} for name in ("Id", "Name", "CreatedDate")]
STALE = '"00000000-0000-0200-0000-5ed18cea0000"'
KINDS = {
    "connections": models.Connection,
    "sourceConnections": models.SourceConnection,
    "targetConnections": models.TargetConnection,
    "flows": models.Flow,
}
sandboxes = st.integers(0, 1)


class PlatformMachine(RuleBasedStateMachine):
    """The rules. ``server`` is given by the test that runs it."""

    server: Server
    things = Bundle("things")

    def __init__(self) -> None:
        super().__init__()
        organisation = new_organisation()
        self.callers = [self.server.caller(organisation, name) for name in ("prod", "stage")]
        self.known: list[Thing] = []

    def teardown(self) -> None:
        for caller in self.callers:
            caller.http.close()

    @initialize()
    def two_schemas_in_each_sandbox(self) -> None:
        text = {"type": "string"}
        self.tenant = self.callers[0].tenant()
        self.schemas = [
            [caller.schema({"id": text, "name": text}, title=f"schema {number}") for number in range(2)]
            for caller in self.callers
        ]

        for name in ("alpha", "beta", "alpha", "50%"):
            self.create_base(sandbox=0, name=name, described=False)
        source, target, mapping = (
            self.some(kind, 0) for kind in ("sourceConnections", "targetConnections", "mappingSets")
        )
        self.create_flow_over(source, target, mapping, "first")

    # -- the model

    def alive(self, kind: str, sandbox: int) -> list[Thing]:
        return [each for each in self.known if each.kind == kind and each.sandbox == sandbox and each.there]

    def flows_over(self, thing: Thing) -> list[Thing]:
        def uses(flow: Thing) -> bool:
            source, target = flow.refers["source"], flow.refers["target"]
            return thing in {id(each): each for each in (source, target, source.refers["base"])}.values()

        return [flow for flow in self.alive("flows", thing.sandbox) if uses(flow)]

    def remember(self, thing: Thing) -> Thing:
        self.known.append(thing)
        return thing

    def path(self, thing: Thing) -> str:
        return f"{FLOW}/{thing.kind}/{thing.id}"

    def read(self, thing: Thing) -> Any:
        """The object as it is when nothing is going on with it."""
        model = models.One[KINDS[thing.kind]]  # type: ignore[valid-type]
        caller = self.callers[thing.sandbox]

        def settled(item: Any) -> bool:
            ended = thing.kind != "flows" or item.lastOperation.status.value == "completed"
            return ended and item.state in {"enabled", "disabled"}

        return until(lambda: checked(caller.get(self.path(thing)), model).items[0], settled)

    def created(self, answer: httpx.Response, thing: Callable[[str, str], Thing]) -> Thing:
        told = checked(answer, models.Created, 201)
        made = thing(told.id, told.etag)
        assert made.id not in {each.id for each in self.known}, "an id is given once"
        if made.kind == "flows":
            made.etag = self.read(made).etag
        return self.remember(made)

    # -- creating

    @rule(target=things, sandbox=sandboxes, name=names, described=st.booleans())
    def create_base(self, sandbox: int, name: str, described: bool) -> Thing:
        caller = self.callers[sandbox]
        more = {"description": f"{name} described"} if described else {}
        answer = caller.post(f"{FLOW}/connections", caller.connection_body(name=name, **more))
        description = more.get("description")
        return self.created(answer, lambda id, etag: Thing("connections", sandbox, name, id, etag, description))

    @rule(target=things, base=things, sandbox=sandboxes, name=names)
    def create_source(self, base: Thing, sandbox: int, name: str) -> Thing:
        base = base if base.kind == "connections" else self.some("connections", sandbox)
        caller = self.callers[sandbox]
        answer = caller.post(f"{FLOW}/sourceConnections", caller.source_body(base.id, "Account", COLUMNS, name=name))
        if base.sandbox != sandbox or not base.there:
            assert answer.status_code in {400, 404}, answer.text
            models.FlowProblem.model_validate_json(answer.content)
            return base
        refers = {"base": base}
        return self.created(answer, lambda id, etag: Thing("sourceConnections", sandbox, name, id, etag, refers=refers))

    @rule(target=things, sandbox=sandboxes, name=names, schema=sandboxes)
    def create_dataset(self, sandbox: int, name: str, schema: int) -> Thing:
        id = self.callers[sandbox].dataset(self.schemas[sandbox][schema], name=name)
        return self.remember(Thing("dataSets", sandbox, name, id, "", schema=schema))

    @rule(target=things, sandbox=sandboxes, schema=sandboxes)
    def create_mapping(self, sandbox: int, schema: int) -> Thing:
        pairs = [("Id", f"{self.tenant}.row.id"), ("Name", f"{self.tenant}.row.name")]
        id = self.callers[sandbox].mapping(self.schemas[sandbox][schema], pairs)
        return self.remember(Thing("mappingSets", sandbox, "", id, "", schema=schema))

    @rule(target=things, dataset=things, sandbox=sandboxes, name=names)
    def create_target(self, dataset: Thing, sandbox: int, name: str) -> Thing:
        dataset = dataset if dataset.kind == "dataSets" else self.some("dataSets", sandbox)
        caller = self.callers[sandbox]
        body = caller.target_body(dataset.id, self.schemas[sandbox][dataset.schema], name=name)
        answer = caller.post(f"{FLOW}/targetConnections", body)
        if dataset.sandbox != sandbox or not dataset.there:
            refused(answer)
            return dataset
        refers = {"dataset": dataset}
        return self.created(
            answer,
            lambda id, etag: Thing("targetConnections", sandbox, name, id, etag, refers=refers, schema=dataset.schema),
        )

    @rule(target=things, sandbox=sandboxes, name=names, data=st.data())
    def create_flow(self, sandbox: int, name: str, data: st.DataObject) -> Thing:
        sources = self.alive("sourceConnections", sandbox) or [self.some("sourceConnections", sandbox)]
        targets = self.alive("targetConnections", sandbox) or [self.some("targetConnections", sandbox)]
        source, target = data.draw(st.sampled_from(sources)), data.draw(st.sampled_from(targets))
        mappings = self.alive("mappingSets", sandbox) or [self.some("mappingSets", sandbox)]
        return self.create_flow_over(source, target, data.draw(st.sampled_from(mappings)), name)

    def create_flow_over(self, source: Thing, target: Thing, mapping: Thing, name: str) -> Thing:
        sandbox = source.sandbox
        caller = self.callers[sandbox]
        step = {"mappingId": mapping.id, "mappingVersion": str(mapping.version)}
        delta = {"name": "CreatedDate", "dateFormat": "yyyy-MM-dd HH:mm:ss", "timezone": "UTC"}
        transformations = [{"name": "Copy", "params": {"deltaColumn": delta}}, {"name": "Mapping", "params": step}]
        schedule = {"startTime": int(time.time()) + 9_000_000, "frequency": "hour", "interval": 1, "backfill": True}
        body = caller.flow_body(source.id, target.id, mapping.id, name=name, transformations=transformations)
        answer = caller.post(f"{FLOW}/flows", body | {"scheduleParams": schedule})
        broken = not (source.refers["base"].there and target.refers["dataset"].there)
        if broken:  # what it stands on was deleted: it may be refused, with whatever code
            if answer.status_code != 201:
                models.FlowProblem.model_validate_json(answer.content)
                return source
        elif target.schema != mapping.schema:
            refused(answer, 1425)
            return target
        refers = {"source": source, "target": target, "mapping": mapping}
        return self.created(answer, lambda id, etag: Thing("flows", sandbox, name, id, etag, refers=refers))

    def some(self, kind: str, sandbox: int) -> Thing:
        """Any live object of the kind, made if there is none, so that sequences get far."""
        if found := self.alive(kind, sandbox):
            return found[-1]
        if kind == "connections":
            return self.create_base(sandbox=sandbox, name="base", described=False)
        if kind == "sourceConnections":
            return self.create_source(base=self.some("connections", sandbox), sandbox=sandbox, name="source")
        if kind == "dataSets":
            return self.create_dataset(sandbox=sandbox, name="dataset", schema=0)
        if kind == "mappingSets":
            return self.create_mapping(sandbox=sandbox, schema=0)
        return self.create_target(dataset=self.some("dataSets", sandbox), sandbox=sandbox, name="target")

    # -- reading

    @rule(thing=things)
    def get_one(self, thing: Thing) -> None:
        caller, other = self.callers[thing.sandbox], self.callers[1 - thing.sandbox]
        if thing.kind == "dataSets":
            path = f"{CATALOG}/dataSets/{thing.id}"
            checked(other.get(path), models.Problem, 404)
            if thing.there:
                assert checked(caller.get(path), models.DataSets).root[thing.id].name == thing.name
            else:
                checked(caller.get(path), models.Problem, 404)
            return
        if thing.kind == "mappingSets":
            path = f"{DATA_PREP}/mappingSets/{thing.id}"
            checked(other.get(path), models.Problem, 404)
            read = checked(caller.get(path), models.MappingSet)
            assert (read.version, read.xdmSchema) == (thing.version, self.schemas[thing.sandbox][thing.schema])
            return
        refused(other.get(self.path(thing)), status=404)
        if not thing.there:
            refused(caller.get(self.path(thing)), status=404)
            return
        item = self.read(thing)
        told = (item.name, item.description or None, item.state, item.etag)
        assert told == (thing.name, thing.description, thing.state, thing.etag)
        assert item.sandboxName == caller.sandbox
        if thing.kind == "sourceConnections":
            assert item.baseConnectionId == thing.refers["base"].id
        if thing.kind == "flows":
            assert item.sourceConnectionIds == [thing.refers["source"].id]
            assert item.targetConnectionIds == [thing.refers["target"].id]

    @rule(kind=st.sampled_from(sorted(KINDS)), sandbox=sandboxes, limit=st.integers(1, 4), data=st.data())
    def list_filtered(self, kind: str, sandbox: int, limit: int, data: st.DataObject) -> None:
        filters: list[tuple[str, Callable[[Thing], bool]]] = []
        for _ in range(data.draw(st.integers(0, 2))):
            filters.append(data.draw(filter_of(kind, self.known)))
        wanted = {each.id for each in self.alive(kind, sandbox) if all(true(each) for _, true in filters)}
        query: list[tuple[str, str | int]] = [("property", text) for text, _ in filters]
        by_name = data.draw(st.booleans())
        order: list[tuple[str, str | int]] = [("orderby", "name")] if by_name else []
        items = list(self.pages(kind, sandbox, [*query, *order], limit))
        assert len(items) == len({item.id for item in items}), "no object twice"
        assert {item.id for item in items} == wanted
        if by_name:
            listed = [item.name for item in items]
            assert listed == sorted(listed)
        counted = self.callers[sandbox].get(f"{FLOW}/{kind}", params=[*query, ("count", "true")])
        assert checked(counted, models.OnlyCount).count == len(wanted)

    def pages(self, kind: str, sandbox: int, query: list[tuple[str, str | int]], limit: int) -> Iterator[Any]:
        model = models.Listing[KINDS[kind]]  # type: ignore[valid-type]
        query = [*query, ("limit", limit)]
        while True:
            page = checked(self.callers[sandbox].get(f"{FLOW}/{kind}", params=query), model)
            assert len(page.items) <= limit
            yield from page.items
            if page.links.next is None:
                return
            assert page.links.next.href.startswith(f"/{kind}?")
            assert page.items, "a next page after nothing"
            told = httpx.URL(page.links.next.href).params
            assert "continuationToken" in told
            query = [pair for pair in query if pair[0] not in told] + list(told.multi_items())

    @rule(sandbox=sandboxes, name=names)
    def list_datasets(self, sandbox: int, name: str) -> None:
        caller = self.callers[sandbox]
        every = checked(caller.get(f"{CATALOG}/dataSets", params={"limit": 100}), models.DataSets).root
        assert set(every) == {each.id for each in self.alive("dataSets", sandbox)}
        found = checked(caller.get(f"{CATALOG}/dataSets", params={"property": f"name=={name}"}), models.DataSets).root
        assert set(found) == {each.id for each in self.alive("dataSets", sandbox) if each.name == name}

    @rule(sandbox=sandboxes)
    def list_mapping_sets(self, sandbox: int) -> None:
        answer = self.callers[sandbox].get(f"{DATA_PREP}/mappingSets", params={"limit": 100, "start": 0})
        listed = [each.id for each in checked(answer, models.MappingSetList).data]
        assert sorted(listed) == sorted(each.id for each in self.alive("mappingSets", sandbox))

    @rule(thing=things)
    def test_connection(self, thing: Thing) -> None:
        answer = self.callers[thing.sandbox].get(f"{FLOW}/connections/{thing.id}/test")
        if thing.kind == "connections" and thing.there:
            assert checked(answer, models.Tested).result is True
        else:
            refused(answer, status=404)

    # -- changing

    @rule(thing=things, name=names, guard=st.sampled_from(["current", "current", "current", "none", "stale", "bare"]))
    def rename(self, thing: Thing, name: str, guard: str) -> None:
        if thing.kind not in KINDS:
            return
        caller = self.callers[thing.sandbox]
        old = thing.stale[-1] if thing.stale else STALE
        etag = {"current": thing.etag, "none": None, "stale": old, "bare": thing.etag.strip('"')}[guard]
        answer = caller.patch(self.path(thing), [{"op": "replace", "path": "/name", "value": name}], etag)
        if not thing.there:
            assert answer.status_code == 404 or guard == "none", answer.text
        elif guard == "none":
            refused(answer, 1403)
        elif guard != "current":
            assert answer.status_code == 412, answer.text
        else:
            told = checked(answer, models.Created)
            assert told.etag != thing.etag
            thing.stale.append(thing.etag)
            thing.name, thing.etag = name, self.read(thing).etag if thing.kind == "flows" else told.etag

    @rule(thing=things, wrong=st.sampled_from(["move", "spec", "path"]))
    def refuse_a_patch(self, thing: Thing, wrong: str) -> None:
        if thing.kind not in KINDS or not thing.there:
            return
        if wrong == "spec" and thing.kind != "connections":
            return  # documented for base connections only
        operation, code = {
            "move": ({"op": "move", "from": "/name", "path": "/description"}, 1434),
            "spec": ({"op": "replace", "path": "/connectionSpec", "value": {"id": SERVICE_CLOUD}}, 1414),
            "path": ({"op": "replace"}, None),
        }[wrong]
        refused(self.callers[thing.sandbox].patch(self.path(thing), [operation], thing.etag), code)

    @rule(thing=things, operation=st.sampled_from(["enable", "disable"]))
    def act(self, thing: Thing, operation: str) -> None:
        if thing.kind != "flows":
            return
        caller = self.callers[thing.sandbox]
        answer = caller.http.post(f"{self.path(thing)}/action", params={"op": operation})
        if not thing.there:
            refused(answer, status=404)
        elif thing.state == operation + "d":
            refused(answer, 1422)
        else:
            checked(answer, models.Created)
            thing.state = operation + "d"
            item = self.read(thing)
            assert item.state == thing.state
            if item.etag != thing.etag:
                thing.stale.append(thing.etag)
            thing.etag = item.etag

    @rule(thing=things)
    def replace_mapping(self, thing: Thing) -> None:
        if thing.kind != "mappingSets":
            return
        caller = self.callers[thing.sandbox]
        pairs = [("Id", f"{self.tenant}.row.id"), ("Name", f"{self.tenant}.row.name")]
        body = caller.mapping_body(self.schemas[thing.sandbox][thing.schema], pairs)
        told = checked(caller.http.put(f"{DATA_PREP}/mappingSets/{thing.id}", json=body), models.MappingSetCreated)
        thing.version += 1
        assert (told.id, told.version) == (thing.id, thing.version)

    @rule(thing=things, name=names)
    def rename_dataset(self, thing: Thing, name: str) -> None:
        if thing.kind != "dataSets":
            return
        caller = self.callers[thing.sandbox]
        answer = caller.http.patch(f"{CATALOG}/dataSets/{thing.id}", json={"name": name})
        if thing.there:
            assert checked(answer, models.DataSetCreated).id == thing.id
            thing.name = name
        else:
            checked(answer, models.Problem, 404)

    # -- deleting

    @rule(thing=things)
    def delete(self, thing: Thing) -> None:
        caller, other = self.callers[thing.sandbox], self.callers[1 - thing.sandbox]
        if thing.kind == "mappingSets":
            return
        if thing.kind == "dataSets":
            # Whether AEP deletes a dataset that a target connection names is not documented.
            if any(each.refers["dataset"] is thing for each in self.alive("targetConnections", thing.sandbox)):
                return
            answer = caller.delete(f"{CATALOG}/dataSets/{thing.id}")
            assert answer.status_code == (200 if thing.there else 404), answer.text
            thing.there = False
            return
        refused(other.delete(self.path(thing)), status=404)
        if thing.there and self.flows_over(thing):
            if thing.kind == "connections":
                refused(caller.delete(self.path(thing)), 1418)
            return  # for source and target connections AEP's documents give the order, and no code
        answer = caller.delete(self.path(thing))
        if thing.there:
            assert (answer.status_code, answer.content) == (204, b""), answer.text
            thing.there = False
        else:
            refused(answer, status=404)

    @rule(data=st.data())
    def delete_what_a_flow_stands_on(self, data: st.DataObject) -> None:
        flows = [flow for sandbox in (0, 1) for flow in self.alive("flows", sandbox)]
        if flows:
            self.delete(thing=data.draw(st.sampled_from(flows)).refers["source"].refers["base"])

    @invariant()
    def the_platform_is_up(self) -> None:
        assert self.server.process.poll() is None


def play(server: Server, examples: int, steps: int, *phases: Phase) -> None:
    machine = type("Machine", (PlatformMachine,), {"server": server})
    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, *phases],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=profile)


def test_short_sequences(server: Server) -> None:
    play(server, 8, 30)


@pytest.mark.thorough
@pytest.mark.slow
def test_long_sequences(server: Server) -> None:
    play(server, 60, 60, Phase.shrink)
