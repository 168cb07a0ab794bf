"""
Many organisations on one platform, dataflows over tables of ServiceNow and Salesforce, and a process that can be killed at
any request.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import secrets
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from aep_provider.dataflows.apply import Applied, Options, apply_plan, failure
from aep_provider.dataflows.chain import Key, Node, Sandbox, chain
from aep_provider.dataflows.ensured import Ensured, ensure_dataflows
from aep_provider.dataflows.plan import Change, DataflowPlan, Plan
from aep_provider.dataflows.plan_text import plan_text
from aep_provider.dataflows.planning import Planned, make_plan
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.dataflows.survey import look_around
from aep_provider.errors import AepError
from aep_provider.platform import auth, blocking
from aep_provider.platform.blocking import Raw
from aep_provider.platform.client import AepClient
from aep_provider.platform.exchange import Sending
from aep_provider.platform.settings import AepSettings
from aep_provider.platform.token_cache import TOKENS
from aep_provider.resources import flow_service
from aep_provider.resources.authentication import SourceLogin
from aep_provider.resources.check import Checked
from aep_provider.resources.connection import BaseConnection
from aep_provider.resources.ensure import Patience
from aep_provider.resources.fingerprint import fingerprint
from aep_provider.resources.inventory import KINDS, Inventory
from aep_provider.resources.mapping import normal_mappings
from aep_provider.resources.run import read_run, runs_of
from aep_provider.resources.window import Window
from aep_provider.resources.window_run import Started, WindowRequest, start_window
from aep_provider.verdict import judge

from ..conftest import Platform, serve

CLIENT_SECRET = "p8e-client-secret-0123456789"
PASSWORD = "hunter2-of-the-source"
NEXT_PASSWORD = "hunter3-of-the-source"
SECURITY_TOKEN = "s3curity-token-of-the-source"
SERVICENOW_HOST = "https://dev1.service-now.example"
QUICK = Patience(settle_seconds=0.5, look_every_seconds=0.02)
DAYS = 6
"""Rows of a table: one in each of the first days of 2026."""
DEADLINE_SECONDS = 30
_SERVICENOW = ("sys_id", "number", "priority", "short_description", "active", "sys_created_on", "sys_updated_on")
_SALESFORCE = ("Id", "CaseNumber", "Priority", "Subject", "IsClosed", "CreatedDate", "SystemModstamp")
_SHAPES: tuple[Mapping[str, Any], ...] = (
    {},
    {"load": "recurring", "recurrence": {"frequency": "hour", "interval": 6, "start": "2037-01-01"}},
    {"load": "one_time", "delta_column": None},
)
_orgs = itertools.count(1)


def login(conn_id: str, password: str = PASSWORD, host: str = SERVICENOW_HOST) -> SourceLogin:
    """What the Airflow connection of a source system holds."""
    if conn_id == "aep_source_servicenow":
        return SourceLogin(conn_id, host, "ann", password)
    return SourceLogin(
        conn_id, "https://acme.my.salesforce.example", "ann", password, extra={"securityToken": SECURITY_TOKEN}
    )


def dataflow(number: int = 0, **more: Any) -> DataflowSpec:
    """
    A dataflow over a generated table: even ones are of ServiceNow, odd ones of Salesforce.

    :param more: fields beside or instead of those.
    """
    servicenow = number % 2 == 0
    least = {
        "name": f"{'incidents' if servicenow else 'cases'} {number:02}",
        "source": "servicenow" if servicenow else "salesforce_service_cloud",
        "source_conn_id": "aep_source_servicenow" if servicenow else "aep_source_salesforce",
        "table": table(number),
        "delta_column": "sys_updated_on" if servicenow else "SystemModstamp",
    }
    return DataflowSpec.model_validate({**least, **more})


def dataflows(count: int) -> list[DataflowSpec]:
    """Dataflows of two systems, and of all three ways of loading."""
    return [dataflow(number, **_SHAPES[number % 3]) for number in range(count)]


def table(number: int) -> str:
    """What the source system calls the table of a dataflow."""
    return f"incident_{number:02}" if number % 2 == 0 else f"Case_{number:02}"


def write_table(folder: Path, number: int, *more_columns: str) -> None:
    """A row in each of the first days of 2026, with a key that no other table has."""
    columns = [*(_SERVICENOW if number % 2 == 0 else _SALESFORCE), *more_columns]
    with (folder / f"{table(number)}.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(columns)
        for day in range(1, DAYS + 1):
            moment = datetime(2026, 1, day, 8)
            made, changed = moment - timedelta(days=20), moment
            own = [f"t{number:02}d{day}", f"N{day:04}", day % 3 + 1, f"text {day}", "true", made, changed]
            rows.writerow([*own, *(f"{name} {day}" for name in more_columns)])


def day(number: int, last: int | None = None) -> Window:
    """From midnight (UTC) of a day of January 2026 to the next one, or to that after ``last``."""
    return Window(*(int(datetime(2026, 1, one, tzinfo=UTC).timestamp()) for one in (number, (last or number) + 1)))


def until(condition: Callable[[], Any]) -> Any:
    """Wait until something holds, and return it."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (held := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.03)
    return held


def serve_estate(folder: Path, *arguments: str, tables: int = 6) -> Platform:
    """Start a platform over generated tables."""
    (folder / "tables").mkdir(parents=True)
    for number in range(tables):
        write_table(folder / "tables", number)
    return serve(folder, *arguments)


class Killed(BaseException):
    """The process is no more: nothing in it may clean up."""


@dataclass(frozen=True)
class Request:
    """A request that was about to leave."""

    method: str
    url: str

    @property
    def writes(self) -> bool:
        """Whether it may change what AEP holds: validating a mapping set and asking for a token do not."""
        return self.method != "GET" and not self.url.endswith(("/validate", "/ims/token/v3"))


Counts = Callable[[Request, bool], bool]
"""Whether a request is counted, told whether something was written before."""


def every(_: Request, __: bool) -> bool:
    """Count all requests."""
    return True


def from_the_first_write(request: Request, written: bool) -> bool:
    """Count requests before which something may have changed."""
    return written or request.writes


def writes(request: Request, _: bool) -> bool:
    """Count requests that change something."""
    return request.writes


class Line:
    """
    All requests of a process, those for tokens too.

    :param dies_at: at which request the process is killed, counted from 1; 0 never.
    :param arrived: whether that request still reaches the platform, so that only its answer is lost.
    :param counts: which requests are counted.
    """

    def __init__(self, dies_at: int = 0, *, arrived: bool = False, counts: Counts = every) -> None:
        self.sent: list[Request] = []
        self.dead = False
        self._left = dies_at
        self._arrived = arrived
        self._counts = counts
        self._lock = threading.Lock()
        self._send = blocking.send

    def send(self, session: Any, settings: AepSettings, sending: Sending) -> Raw:
        request = Request(sending.method, sending.url)
        with self._lock:
            if self.dead:
                raise Killed
            counted = self._counts(request, any(one.writes for one in self.sent))
            self._left -= counted
            mine = counted and self._left == 0
            self.sent.append(request)
            if mine and not self._arrived:
                self.dead = True
                raise Killed
        raw = self._send(session, settings, sending)
        with self._lock:
            self.dead = self.dead or mine
            if self.dead:
                raise Killed
        return raw

    @property
    def only_reads(self) -> bool:
        """Whether nothing was sent that may change what AEP holds; a POST that validates is none of those either."""
        return all(one.method == "GET" or "/ims/" in one.url for one in self.sent)

    @contextmanager
    def open(self) -> Iterator[Line]:
        """Send everything over this line."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(blocking, "send", self.send)
            patch.setattr(auth, "send", self.send)
            yield self


@dataclass
class Looked:
    """A plan, and what carries it out."""

    client: AepClient
    sandbox: Sandbox
    plan: Plan
    planned: list[Planned]

    @property
    def text(self) -> str:
        return plan_text(self.plan)

    def of(self, spec: DataflowSpec) -> DataflowPlan:
        return next(one for one in self.plan.dataflows if one.name == spec.name)

    def changes(self, spec: DataflowSpec) -> dict[str, Change]:
        """By kind, what becomes of each object of a dataflow that does not stay as it is."""
        return {step.kind: step.change for step in self.of(spec).steps if step.is_work}

    def lines(self, spec: DataflowSpec, kind: str) -> tuple[str, ...]:
        return next(step.lines for step in self.of(spec).steps if step.kind == kind)

    def apply(self, **options: Any) -> Applied:
        return apply_plan(self.plan, self.planned, self.sandbox, Options(**{"patience": QUICK, **options}))


@dataclass
class Estate:
    """
    An organisation of its own on a platform.

    :param login: what the Airflow connections of source systems hold.
    :param account: how to ask AEP, where it is not as anybody may.
    """

    platform: Platform
    org: str = field(default_factory=lambda: f"{os.getpid():X}E{next(_orgs):08d}@AdobeOrg")
    login: Callable[[str], SourceLogin] = login
    account: Mapping[str, Any] = field(default_factory=dict)

    @contextmanager
    def process(self) -> Iterator[AepClient]:
        """A client that remembers nothing of those before."""
        TOKENS.clear()
        url = self.platform.url
        anybody = {"client_id": "tester", "client_secret": CLIENT_SECRET, "gateway": url, "ims_org_id": self.org}
        settings = AepSettings.parse(**{"token_url": f"{url}/ims/token/v3", **anybody, **self.account})
        with AepClient(settings, sleep=lambda _: None) as client:
            yield client

    @contextmanager
    def look(self, specs: Sequence[DataflowSpec], *, whole: bool = True, **options: Any) -> Iterator[Looked]:
        """Plan in a process of its own."""
        with self.process() as client:
            sandbox = look_around(client, self.login)
            plan, planned = make_plan(specs, sandbox, whole=whole, **options)
            yield Looked(client, sandbox, plan, planned)

    def plan(self, *specs: DataflowSpec, **options: Any) -> Looked:
        with self.look(specs, **options) as looked:
            return looked

    def apply(self, *specs: DataflowSpec, overwrite: bool = False, whole: bool = True, **options: Any) -> Applied:
        """
        Plan and apply in a process of its own.

        :raises AepError: something was not done.
        """
        with self.look(specs, overwrite=overwrite, whole=whole) as looked:
            applied = looked.apply(**options)
        wrong = failure(applied)
        if wrong:
            raise wrong
        return applied

    def inventory(self) -> Inventory:
        with self.process() as client:
            return Inventory.read(client)


def tally(inventory: Inventory) -> dict[str, Counter[str]]:
    """By kind, how often each name is there."""
    return {kind.kind: Counter(str(one.get(kind.key)) for one in inventory.documents[kind]) for kind in KINDS}


def wanted(specs: Sequence[DataflowSpec]) -> dict[str, Counter[str]]:
    """By kind, the names of the objects that some dataflows consist of; mapping sets are called after what they hold."""
    names = Counter(spec.name for spec in specs)
    return {
        "base connection": Counter({spec.base_name: 1 for spec in specs}),
        **dict.fromkeys(("source connection", "schema", "dataset", "target connection", "flow"), names),
        "field group": Counter(f"{name} columns" for name in names),
    }


def repeated(estate: Estate, *specs: DataflowSpec, replaced: int = 0, sets_before: int = 0) -> list[str]:
    """
    Apply again; what is not as it should be then.

    :param replaced: how many flows gave way to another.
    :param sets_before: how many mapping sets were there that cannot be deleted.
    """
    try:
        estate.apply(*specs)
    except AepError as error:
        return [f"{type(error).__name__}: {error}"]
    looked = estate.plan(*specs)
    there = tally(looked.sandbox.inventory)
    told: list[str] = []
    for kind, names in wanted(specs).items():
        new = {name: count for name, count in there[kind].items() if "(replaced " not in name}
        if new != names:
            told.append(f"{kind}: {new} instead of {dict(names)}")
    sets = there["mapping set"].total()
    told += [f"{sets} mapping sets"] if sets != len(specs) + sets_before else []
    old = [name for name in there["flow"] if "(replaced " in name]
    told += [f"{len(old)} flows gave way instead of {replaced}"] if len(old) != replaced else []
    told += [f"orphaned: {step.kind} {step.name}" for step in looked.plan.orphans or ()]
    told += [looked.text] if looked.plan.has_work or looked.plan.errors else []
    return told


def ensured(estate: Estate, spec: DataflowSpec, **options: Any) -> Ensured:
    """What a task makes sure of before it has a window loaded."""
    with estate.process() as client:
        (one,) = ensure_dataflows(client, estate.login, [spec], **options)
        until(lambda: flow_service.read(client, "flows", one.flow_id)["state"] != "initializing")
        return one


def load(estate: Estate, spec: DataflowSpec, window: Window, one: Ensured | None = None) -> Started:
    """Have a window loaded as a task does, and wait until its run has ended and is listed."""
    one = one or ensured(estate, spec)
    with estate.process() as client:
        request = WindowRequest(
            one.flow_id, window, delta_column=spec.delta_column, earlier_flow_ids=one.earlier_flow_ids
        )
        started = start_window(client, request, patience=QUICK)
        flow_ids = [one.flow_id, *one.earlier_flow_ids]
        until(lambda: any(run["id"] == started.run_id for flow_id in flow_ids for run in runs_of(client, flow_id)))
        until(lambda: judge(read_run(client, started.run_id)).state.has_ended)
        return started


def rows(estate: Estate, dataset_id: str) -> list[dict[str, Any]]:
    """The rows of a dataset as they lie in the data lake, without what holds them together."""
    folder = estate.platform.state / "datasets" / dataset_id
    if not list(folder.glob("*.parquet")):
        return []
    with duckdb.connect() as database:
        query = f"select to_json(row)::varchar from read_parquet('{folder}/*.parquet', union_by_name = true) row"
        return [_flat(json.loads(row)) for (row,) in database.execute(query).fetchall()]


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a row by the last part of their paths."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        flat |= _flat(value) if isinstance(value, dict) else {name: value}
    return flat


def keys(found: Iterable[Mapping[str, Any]], field_name: str = "sys_id") -> list[str]:
    return sorted(str(row.get(field_name)) for row in found)


def multiply(estate: Estate, spec: DataflowSpec, names: Sequence[str]) -> list[DataflowSpec]:
    """
    Put further dataflows into the platform's store, like one that was applied: a thousand take seconds.

    :return: their declarations.
    """
    copies = [spec.model_copy(update={"name": name}) for name in names]
    with estate.look([spec]) as looked, closing(sqlite3.connect(estate.platform.state / "platform.db")) as store, store:
        ids = {step.key: str(step.id) for step in looked.plan.steps()}
        documents: dict[Key, Row] = {
            key: store.execute(
                "SELECT kind, org, sandbox, ref, doc FROM documents WHERE id = ?", (ids[key],)
            ).fetchone()
            for key in ids
        }
        checked = Checked(
            json.loads(documents["source connection", spec.name][-1])["params"]["columns"],
            normal_mappings(json.loads(documents["mapping set", spec.name][-1])["versions"][0]["content"]["mappings"]),
        )
        for copy in copies:
            _copy_in(store, copy, chain(copy, checked, looked.sandbox), ids, documents, spec.name)
    return copies


Row = tuple[str, str, str, str, str]


def _copy_in(
    store: sqlite3.Connection, copy: DataflowSpec, nodes: Sequence[Node], ids: Mapping[Key, str],
    documents: Mapping[Key, Row], name: str,
) -> None:  # fmt: skip
    own: dict[Key, str] = {}
    tokens = {name: copy.name}
    for node in nodes:
        key = (node.key[0], node.key[1].replace(copy.name, name))
        if node.kind is BaseConnection:
            own[node.key] = ids[key]
            continue
        token = ids[key].rpartition("/")[2]
        tokens[token] = re.sub("[0-9a-f]", lambda _: secrets.choice("0123456789abcdef"), token)
        own[node.key] = ids[key].replace(token, tokens[token])
    for node in nodes:
        key = (node.key[0], node.key[1].replace(copy.name, name))
        if node.kind is BaseConnection:
            continue
        kind, org, sandbox, ref, text = documents[key]
        for old, new in tokens.items():
            text = text.replace(old, new)
        resource = node.resource(own)
        mark = fingerprint(resource.content())
        text = re.sub(r"airflow-aep (?=[0-9a-f])\w{32}", f"airflow-aep {mark}", text)
        text = re.sub(r"sha256=\w{32}", f"sha256={mark}", text)
        text = re.sub(r"dataflow=\w{32}", f"dataflow={copy.digest()}", text)
        insert = "INSERT INTO documents (kind, id, org, sandbox, ref, doc) VALUES (?, ?, ?, ?, ?, ?)"
        store.execute(insert, (kind, own[node.key], org, sandbox, ref, text))
