"""Everything that reads what AEP answers, each with what is done with it by those who asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from aep_provider.dataflows.apply import Options, apply_plan, failure
from aep_provider.dataflows.destroy import Extent, Names, takedown
from aep_provider.dataflows.destroying import carry_out
from aep_provider.dataflows.plan_text import plan_text, summary
from aep_provider.dataflows.planning import make_plan
from aep_provider.dataflows.survey import look_around
from aep_provider.dataflows.takedown import take_down
from aep_provider.dataflows.twins import beside
from aep_provider.dataflows.writing.export import export_dataflows
from aep_provider.dataflows.writing.scaffold import Wish, scaffold_dataflow
from aep_provider.dataflows.writing.spec_text import spec_text
from aep_provider.errors import AepError
from aep_provider.links import link_urls
from aep_provider.platform.client import AepClient
from aep_provider.platform.paging import catalog_objects, data_prep_sets, flow_service_items, registry_results
from aep_provider.resources import connection, flow_service, mapping_set, schema
from aep_provider.resources.arrivals import arrived
from aep_provider.resources.authentication import credentials
from aep_provider.resources.check import DataflowRequest, check_dataflow
from aep_provider.resources.columns import choose_columns
from aep_provider.resources.coverage import Expectation, all_flows, cover, generations, of_one_dataset, past_runs
from aep_provider.resources.ensure import Patience, ensure
from aep_provider.resources.facts import Facts
from aep_provider.resources.failed_flows import flows_with_failed_runs
from aep_provider.resources.flow import Flow, FlowDefinition
from aep_provider.resources.flow_spec import find_flow_spec
from aep_provider.resources.flow_state import FlowState, set_state
from aep_provider.resources.flow_watch import WatchRequest, watch
from aep_provider.resources.inventory import Inventory
from aep_provider.resources.lifecycle import delete_flow
from aep_provider.resources.retrigger import retrigger
from aep_provider.resources.retrigger_range import Notes, RangeRequest, retrigger_range
from aep_provider.resources.row_errors import read_row_errors
from aep_provider.resources.run import read_run, runs_of
from aep_provider.resources.run_history import NoLedger
from aep_provider.resources.run_looks import Filters, first_runs, flows_by_id, look_async, look_for, runs_by_id
from aep_provider.resources.run_report import MAX_LINES, read_report
from aep_provider.resources.run_wait import Awaited, Ending, RunWait
from aep_provider.resources.target import SchemaChoice
from aep_provider.resources.watch_memory import WatchMemory
from aep_provider.resources.watch_words import headline, message, table
from aep_provider.resources.window import Window
from aep_provider.resources.window_run import WindowRequest, start_window
from aep_provider.resources.xdm import field_paths
from aep_provider.verdict import Tolerance, judge, verdict_of

from .texts import flaws
from .world import (
    BASE,
    DATASET,
    DECLARED,
    FLOW,
    KINDS,
    LOGIN,
    MAPPING,
    NAME,
    NOW,
    RUNS,
    SEEDS,
    SERVICENOW,
    SOURCE,
    TARGET,
    Time,
    World,
    WorldClient,
    Written,
    resources,
    runs,
    written,
)

Read = Callable[[AepClient], Any]
OTHER_WINDOW: Final = Window(NOW - 40_000, NOW - 36_400)


@dataclass(frozen=True)
class Parser:
    """
    Something that reads answers.

    :param read: asks for them, and does with them what those do who ask.
    :param lacks: kinds of objects that are not there yet.
    :param given: answers of this sandbox that are not the usual ones.
    :param share: of the mutants that the others get, this one gets so many in a hundred: it asks for much.
    """

    name: str
    read: Read
    lacks: Collection[str] = ()
    given: Mapping[str, Written] = field(default_factory=dict)
    share: int = 100

    def run(self, instead: Mapping[str, Written]) -> World:
        """Read the sandbox with some answers replaced; what goes wrong is raised."""
        world = World(lacks=self.lacks, instead={**self.given, **instead})
        with WorldClient(world) as client:
            told(self.read(client))
        return world

    def answers(self) -> dict[str, Written]:
        """The answers that it reads, by name."""
        return {name: self.given.get(name) or SEEDS[name] for name in self.run({}).asked}


def told(result: Any) -> None:
    """What is returned crosses Airflow's database as JSON, and is shown."""
    json.dumps(result, default=str)
    str(result)


def quick() -> Patience:
    """Waits that take no time."""
    time = Time()
    return Patience(settle_seconds=20, look_every_seconds=10, attempts=2, sleep=time.sleep, now=time)


class Kept:
    """What a task remembers, as it crosses Airflow's database."""

    def __init__(self, note: Any = None) -> None:
        self._note = json.dumps(note)

    def recall(self) -> Any:
        return json.loads(self._note)

    def remember(self, note: Mapping[str, Any]) -> None:
        self._note = json.dumps(note)


# --- Lists, and single objects ---


def _listed(client: AepClient) -> list[Any]:
    return [
        list(flow_service_items(client, "/flows")),
        list(registry_results(client, "/tenant/schemas", {"orderby": "title"})),
        list(catalog_objects(client)),
        list(data_prep_sets(client)),
    ]


def _read(client: AepClient) -> list[Any]:
    return [
        flow_service.read(client, "flows", FLOW),
        flow_service.read(client, "connections", BASE),
        read_run(client, RUNS[0]),
        mapping_set.read(client, MAPPING),
    ]


def _named(client: AepClient) -> Any:
    return list(flow_service.named(client, "sourceConnections", NAME, SERVICENOW.spec_id))


def _inventory(client: AepClient) -> Any:
    inventory = Inventory.read(client)
    return [inventory.found(one) for one in resources(client).values()]


# --- Sources and schemas ---


def _source(client: AepClient) -> Any:
    connection.test_connection(client, BASE)
    connection.check_table("incident", connection.tables(client, BASE))
    return choose_columns(connection.table_columns(client, BASE, "incident"), None, "incident")


def _ways_in(client: AepClient) -> Any:
    found = credentials(client, SERVICENOW, LOGIN)
    return found.spec_name, list(found.address)


def _flow_spec(client: AepClient) -> Any:
    spec = find_flow_spec(client)
    spec.serve(SERVICENOW)
    flow: Any = resources(client)["flows"]
    spec.check(flow.body())
    return spec.version


def _schemas(client: AepClient) -> Any:
    found = schema.existing_schema(client, NAME)
    return (
        schema.tenant_id(client),
        field_paths(schema.resolved(client, "schemas", found)),
        field_paths(schema.resolved(client, "classes", schema.PROFILE_CLASS)),
        schema.existing_schema(client, found),
    )


def _checked(client: AepClient) -> Any:
    request = DataflowRequest(
        NAME, SERVICENOW, "incident", SchemaChoice(title=NAME), delta_column="sys_updated_on", frequency="on_demand"
    )
    into = replace(request, schema=SchemaChoice(existing=NAME))
    facts = Facts(client)
    return [check_dataflow(facts, one, BASE) for one in (request, into)]


# --- Making and changing ---


def _ensured(kind: str, if_exists: str) -> Read:
    def ensured(client: AepClient) -> Any:
        one = resources(client)[kind]
        outcome = ensure(one, if_exists=if_exists, adopt=if_exists == "update", memory=Kept(), patience=quick())
        return outcome.id, outcome.etag, outcome.changes, outcome.duplicates

    return ensured


def _rested(client: AepClient) -> Any:
    return set_state(client, FLOW, FlowState.DISABLED), set_state(client, FLOW, FlowState.ENABLED)


def _deleted(client: AepClient) -> Any:
    return delete_flow(client, FLOW, with_base_connection=True, memory=Kept())


# --- Runs ---


def _runs(client: AepClient) -> Any:
    verdicts = [judge(run) for run in runs_of(client, FLOW)]
    tolerance = Tolerance(rows=1, percent=1, accept_empty=False)
    links = [link_urls(client.settings, flow_id=one.flow_id, run_id=one.run_id) for one in verdicts]
    kept = [verdict_of(json.loads(json.dumps(one.as_json()))) for one in verdicts]
    words = [(one.in_words(), one.warning(), tolerance.bears(one)) for one in verdicts]
    return json.dumps(arrived(verdicts)) if verdicts else None, kept, words, links


def _report(client: AepClient) -> Any:
    reports = [read_report(client, run_id, show_values=values) for run_id in RUNS[1:] for values in (False, True)]
    lines = [line for report in reports for line in report.lines()]
    assert len(lines) <= 4 * MAX_LINES
    assert not [flaw for line in lines for flaw in flaws(line)]
    return lines


def _rows(client: AepClient) -> Any:
    run = read_run(client, RUNS[1])
    return [read_row_errors(client, run, rows=3, show_values=values) for values in (False, True)]


def _waited(client: AepClient) -> Any:
    endings = []
    for awaited in (Awaited(run_ids=RUNS, deadline=NOW + 60), Awaited(flow_id=FLOW, since=1, deadline=NOW + 60)):
        wait, clock = RunWait(awaited), Time()
        filters = Filters()
        while (ending := wait.ending(clock.now)) is None:
            look_for(client, wait, filters, clock)
            clock.sleep(50)
        endings.append(Ending.of(json.loads(json.dumps(ending.as_json()))))
        endings.append([note.text for note in wait.notes()])
    return endings


def _looked(client: AepClient) -> Any:
    """As the triggerer does."""

    async def look() -> Any:
        async with client.asynchronous() as asynchronous:  # type: ignore[attr-defined]
            filters = Filters()
            return [
                await look_async(asynchronous, runs_by_id(RUNS, filters)),
                await look_async(asynchronous, runs_by_id(RUNS[:1], filters)),
                await look_async(asynchronous, first_runs({FLOW: 1}, filters)),
                await look_async(asynchronous, first_runs({FLOW: 1, "f-2": 2}, filters)),
                await look_async(asynchronous, flows_by_id([FLOW], filters)),
                await look_async(asynchronous, flows_by_id([FLOW, "f-2"], filters)),
            ]

    return asyncio.run(look())


def _window_taken_over(client: AepClient) -> Any:
    start = (NOW - 86_400 - 700) // 86_400 * 86_400
    request = WindowRequest(FLOW, Window(start, start + 3600), "sys_updated_on")
    return start_window(client, request, memory=Kept(), patience=quick())


def _window_posted(client: AepClient) -> Any:
    request = WindowRequest(FLOW, OTHER_WINDOW, "sys_updated_on", earlier_flow_ids=["f-0"])
    return start_window(client, request, memory=Kept(), patience=quick())


def _window_done_again(client: AepClient) -> Any:
    start = (NOW - 2 * 86_400 - 700) // 86_400 * 86_400
    request = WindowRequest(FLOW, Window(start, start + 3600), "sys_updated_on")
    return start_window(client, request, memory=Kept(), patience=quick())


def _window_looked_for(client: AepClient) -> Any:
    """After a try that was killed while it posted."""
    note = {"flow": FLOW, "window": OTHER_WINDOW.as_json(), "force": False, "at": NOW - 100, "known": []}
    request = WindowRequest(FLOW, OTHER_WINDOW, "sys_updated_on")
    return start_window(client, request, memory=Kept(note), patience=quick())


def _retriggered(client: AepClient) -> Any:
    started = retrigger(client, RUNS[2], memory=Kept(), patience=quick())
    looked = retrigger(client, RUNS[2], memory=Kept({"run": RUNS[2], "at": NOW - 100_000}), patience=quick())
    return started, looked


def _range(client: AepClient) -> Any:
    request = RangeRequest(FLOW, Window(NOW - 400_000, NOW), earlier_flow_ids=["f-0"], max_at_once=2)
    notes = Notes(Kept(), FLOW)
    notes.begin_try()
    return [retrigger_range(client, request, notes, NoLedger(), quick()) for _ in range(2)]


def _coverage(client: AepClient) -> Any:
    flows = of_one_dataset(client, generations(all_flows(client), NAME), NAME)
    runs = past_runs(client, flows)
    asked = Window(NOW - 400_000, NOW)
    windows = [Window(start, start + 3600) for start in range(asked.start, asked.end - 3600, 3600)]
    covered = [cover(runs, Expectation(asked, planned, NOW, Tolerance())) for planned in (windows, None)]
    return [(str(one.answer), [str(gap) for gap in one.gaps], [run.in_words() for run in one.short]) for one in covered]


def _watched(client: AepClient) -> Any:
    kept = WatchMemory(NOW - 300_000, NOW - 300_000, open_runs={RUNS[0]: False})
    seen = [watch(client, WatchRequest(), memory, now=NOW) for memory in (None, kept)]
    seen.append(watch(client, WatchRequest(flows=[NAME]), seen[0].memory, now=NOW + 10_000))
    text = json.dumps([[headline(one, "prod"), message(one, "prod"), table(one), one.memory.as_json()] for one in seen])
    return text


def _failed_flows(client: AepClient) -> Any:
    return flows_with_failed_runs(client, NOW - 400_000, [NAME])


# --- Dataflows as code ---


def _planned(client: AepClient) -> Any:
    sandbox = look_around(client, lambda _: LOGIN)
    other = DECLARED.model_copy(update={"delta_column": "sys_id"})
    found = []
    for spec in (DECLARED, other):
        plan, _ = make_plan([spec], sandbox, whole=True, workers=1)
        found.append((plan_text(plan), summary(plan), json.dumps(plan.document())))
    return found


def _applied(client: AepClient) -> Any:
    sandbox = look_around(client, lambda _: LOGIN)
    plan, planned = make_plan([DECLARED], sandbox, whole=False, overwrite=True, workers=1)
    options = Options(accept=True, workers=1, patience=quick(), send_credentials=True)
    applied = apply_plan(plan, planned, sandbox, options)
    wrong = failure(applied)
    return str(wrong), [outcome.id for outcome in applied.outcomes.values()]


def _exported(client: AepClient) -> Any:
    done, left = export_dataflows(look_around(client, lambda _: LOGIN))
    texts = []
    for one in done:
        try:
            texts.append(spec_text(one.fields, head=["from AEP"], notes=one.notes))
        except AepError as error:
            texts.append(str(error))
    return texts, [one.reason for one in left]


def _scaffolded(client: AepClient) -> Any:
    wish = Wish("servicenow", "incident", "prod", source_conn_id=LOGIN.conn_id, name="another")
    made = scaffold_dataflow(look_around(client, lambda _: LOGIN), wish, today=date(2026, 1, 1))
    return spec_text(made.fields, notes=made.notes), json.dumps(made.plan.document())


def _destroyed(client: AepClient) -> Any:
    inventory = Inventory.read(client)
    extent = Extent(dataset=True, schema=True, base_connection=True, all_generations=True)
    down = takedown(inventory, [Names.of(DECLARED)], extent)
    carry_out(client, down.goes, patience=quick(), timeout=5)
    return down


def _replaced(client: AepClient) -> Any:
    wanted = resources(client)
    flows, *pair = (
        [one.document for one in wanted[kind].find()] for kind in ("flows", "sourceConnections", "targetConnections")
    )
    take_down(client, flows, [*pair[0], *pair[1]], patience=quick(), timeout=5)
    return beside(client, FLOW, [one for one in Flow.listing(client) if one["id"] != FLOW], patience=quick())


def _edited(name: str, edit: Callable[[Any], Any]) -> dict[str, Written]:
    """An answer of the sandbox with something changed by hand."""
    status, headers, body = SEEDS[name]
    document = json.loads(body)
    edit(document)
    return {name: (status, headers, json.dumps(document).encode())}


def _recurring(client: AepClient) -> Any:
    """A flow that AEP runs by itself, of which mapping, interval and options may be changed."""
    spec = find_flow_spec(client)
    definition = FlowDefinition(
        name=NAME,
        source_connection_id=SOURCE,
        target_connection_id=TARGET,
        mapping_set_id=MAPPING,
        frequency="hour",
        interval=2,
        delta_column="sys_updated_on",
    )
    one = Flow(client, definition, spec)
    outcome = ensure(one, if_exists="update", adopt=True, memory=Kept(), patience=quick())
    return outcome.id, outcome.changes


def _runs_hourly(document: Any) -> None:
    flow = document["items"][0]
    flow["scheduleParams"] = {"startTime": str(NOW), "frequency": "hour", "interval": "1", "backfill": "true"}
    flow["transformations"].reverse()
    flow["options"] = {}


def _fields(group: Any) -> Any:
    return group["definitions"]["columns"]["properties"]["_acme"]["properties"]["incident"]["properties"]


def _samples_only_by_list(document: Any) -> None:
    for activity in document["items"][0]["activities"]:
        activity["statusSummary"].get("extensions", {}).get("manifest", {}).pop("sampleErrors", None)


AT_REST: Final = {"runs": written({"items": runs()[1:], "_links": {}})}
"""No run of the flow goes on."""
PARSERS: Final[tuple[Parser, ...]] = (
    Parser("lists of all services", _listed),
    Parser("single objects", _read),
    Parser("objects by name", _named),
    Parser("inventory", _inventory),
    Parser("source: test, tables, columns", _source),
    Parser("connection specifications", _ways_in),
    Parser("flow specifications", _flow_spec),
    Parser("schemas and their fields", _schemas),
    Parser("check before the first step", _checked, share=40),
    *(Parser(f"{kind}: reused", _ensured(kind, "reuse")) for kind in KINDS),
    *(Parser(f"{kind}: updated", _ensured(kind, "update")) for kind in KINDS),
    *(Parser(f"{kind}: created", _ensured(kind, "reuse"), lacks=[kind]) for kind in KINDS),
    Parser("state of a flow", _rested),
    Parser("flow deleted", _deleted),
    Parser("verdicts on runs", _runs),
    Parser("report on a run", _report),
    Parser("rejected rows", _rows),
    Parser("rejected rows, in files", _rows, given=_edited(f"runs {RUNS[1]}", _samples_only_by_list)),
    Parser(
        "flows: changed", _recurring, given=_edited("flows 2", _runs_hourly) | _edited(f"flows {FLOW}", _runs_hourly)
    ),
    Parser(
        "schemas: extended",
        _ensured("schemas", "update"),
        given=_edited("schemas 2", lambda document: document["results"][0]["allOf"].pop())
        | _edited("schemas one", lambda document: document["allOf"].pop()),
    ),
    Parser(
        "fieldgroups: extended",
        _ensured("fieldgroups", "update"),
        given=_edited("fieldgroups 2", lambda document: _fields(document["results"][0]).popitem())
        | _edited("fieldgroups one", lambda document: _fields(document).popitem()),
    ),
    Parser(
        "dataSets: changed",
        _ensured("dataSets", "update"),
        given=_edited("dataSets", lambda document: document[DATASET]["tags"].update(unifiedProfile=["enabled:false"])),
    ),
    Parser("waiting, in a worker", _waited),
    Parser("looks, in the triggerer", _looked, share=60),
    Parser("window taken over", _window_taken_over),
    Parser("window posted", _window_posted),
    Parser("window done again", _window_done_again),
    Parser("window looked for", _window_looked_for),
    Parser("run started again", _retriggered),
    Parser("range started again", _range, share=60),
    Parser("coverage", _coverage, share=60),
    Parser("watch", _watched, share=60),
    Parser("flows with failed runs", _failed_flows),
    Parser("plan", _planned, share=25),
    Parser("plan of what is not there", _planned, lacks=KINDS, share=25),
    Parser("apply", _applied, share=25),
    Parser("apply what is not there", _applied, lacks=KINDS, share=25),
    Parser("export", _exported, share=25),
    Parser("scaffold", _scaffolded, share=25),
    Parser("destroy", _destroyed, given=AT_REST, share=40),
    Parser("flow replaced", _replaced, given=AT_REST),
)
