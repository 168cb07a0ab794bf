"""This package as Airflow runs it, but without Airflow: each try a process that knows only what was kept for its task."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from aep_provider.dataflows.ensured import Ensured, ensure_dataflows
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepError
from aep_provider.platform.client import AepClient
from aep_provider.platform.settings import AepSettings
from aep_provider.platform.token_cache import TOKENS
from aep_provider.resources.authentication import SourceLogin
from aep_provider.resources.ensure import Patience
from aep_provider.resources.resource import IfExists
from aep_provider.resources.run_looks import Filters, look_for
from aep_provider.resources.run_wait import Awaited, Kind, RunWait
from aep_provider.resources.window_run import WindowRequest, start_window
from aep_provider.verdict import RunState

from .world import DELTA, Done, Job, World, table_of

CLIENT_SECRET = "p8e-client-secret-0123456789"
SOURCE_PASSWORD = "hunter2-of-the-source"
BATCH = 40
"""Dataflows that one task makes sure of."""
SHORTEST = 0.001
"""What the client waits between repetitions is cut to this, seconds."""
# The platform's waits take a thousandth of AEP's, so this is what minutes are there.
PATIENCE = Patience(settle_seconds=1.0, look_every_seconds=0.02)
WAIT_SECONDS = 20.0


def spec_of(name: str, *, changed: bool = False) -> DataflowSpec:
    """A dataflow whose windows Airflow has loaded; once it is changed, another flow has to take the place of the first."""
    shape = {"source": "servicenow", "source_conn_id": "aep_source_servicenow", "delta_column": DELTA}
    policy = {"policy": {"partial_ingestion_percent": 7}} if changed else {}
    return DataflowSpec.model_validate({"name": name, "table": table_of(name), **shape, **policy})


def login(conn_id: str) -> SourceLogin:
    """What the Airflow connection of the source system holds."""
    return SourceLogin(conn_id, "https://dev1.service-now.example", "ann", SOURCE_PASSWORD)


class Kept:
    """What Airflow keeps for tasks and assets: JSON, which outlives every process."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def memory(self, *task: object) -> _Kept:
        """The memory of a task, or the ledger of an asset."""
        return _Kept(self.values, ":".join(map(str, task)))


class _Kept:
    def __init__(self, values: dict[str, str], task: str) -> None:
        self._values = values
        self._task = task

    def get(self, key: str) -> Any:
        kept = self._values.get(f"{self._task}:{key}")
        return None if kept is None else json.loads(kept)

    def set(self, key: str, value: Any) -> None:
        self._values[f"{self._task}:{key}"] = json.dumps(value)

    def recall(self) -> Any:
        return self.get("note")

    def remember(self, note: Any) -> None:
        self.set("note", note)


class Ours:
    """
    Does a job, task by task.

    :param tries: how often a task is tried before somebody has to clear it.
    :param workers: how many tasks run side by side.
    """

    def __init__(self, world: World, *, tries: int = 5, workers: int = 8) -> None:
        self.world = world
        self.kept = Kept()
        self.failures: list[str] = []
        self._tries = tries
        self._workers = workers

    def work(self, job: Job, *, changed: bool = False) -> Done:
        """
        Make sure of all dataflows, then have each window loaded.

        :param changed: each dataflow is declared in another way by now.
        """
        flows: dict[str, Ensured] = {}
        batches = [job.names[at : at + BATCH] for at in range(0, len(job.names), BATCH)]
        for batch in batches:
            made = self._tried(functools.partial(self._ensure, batch, changed=changed))
            flows |= {one.name: one for one in made or ()}
        done = Done()
        with ThreadPoolExecutor(self._workers) as pool:
            list(pool.map(lambda one: self._load_all(job, one, done), flows.values()))
        return done

    @contextmanager
    def _process(self) -> Iterator[AepClient]:
        """A client that remembers nothing of those before, but for the token that a process shares."""
        settings = AepSettings.parse(
            gateway=self.world.url, token_url=f"{self.world.url}/ims/token/v3", ims_org_id=self.world.org,
            client_id="ours", client_secret=CLIENT_SECRET, read_timeout=2, answer_timeout=4, connect_timeout=2,
        )  # fmt: skip
        with AepClient(settings, sleep=lambda seconds: time.sleep(min(seconds, SHORTEST))) as client:
            yield client

    def _tried(self, task: Callable[[], Any]) -> Any:
        """What a task returns; None if no try of it came to an end, or none could help."""
        for _ in range(self._tries):
            try:
                return task()
            except AepError as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                if error.final:
                    return None
        return None

    def _ensure(self, names: Sequence[str], *, changed: bool) -> list[Ensured]:
        ledgers = {name: self.kept.memory("asset", name) for name in names}
        known = {name: ledger.get("flow") for name, ledger in ledgers.items() if ledger.get("flow")}
        with self._process() as client:
            made = ensure_dataflows(
                client, login, [spec_of(name, changed=changed) for name in names], patience=PATIENCE,
                if_exists=IfExists.UPDATE, accept=True,
                memory_for=lambda kind, name: self.kept.memory("ensure", changed, names[0], kind, name), known_flows=known,
            )  # fmt: skip
        for one in made:
            ledgers[one.name].set("flow", one.flow_id)
        return made

    def _load_all(self, job: Job, flow: Ensured, done: Done) -> None:
        for number, window in enumerate(job.windows):
            said = self._tried(functools.partial(self._load, flow, number, window))
            if said is not None:
                done.verdicts[flow.name, number] = said

    def _load(self, flow: Ensured, number: int, window: Any) -> bool:
        """Start the window's run and wait until it has ended; whether its rows arrived."""
        request = WindowRequest(flow.flow_id, window, delta_column=DELTA, earlier_flow_ids=flow.earlier_flow_ids)
        memory, ledger = self.kept.memory("window", flow.name, number), self.kept.memory("asset", flow.name)
        with self._process() as client:
            started = start_window(client, request, memory=memory, ledger=ledger, patience=PATIENCE)
            now = time.time()
            wait = RunWait(
                Awaited(run_ids=(started.run_id,), started=now, deadline=now + WAIT_SECONDS, trouble=WAIT_SECONDS)
            )
            filters = Filters()
            while not (ending := wait.ending(time.time())):
                look_for(client, wait, filters)
                time.sleep(0.01)
        if ending.kind is not Kind.ENDED:
            raise AepError(ending.message)
        return ending.verdicts[0].state is RunState.SUCCEEDED


def new_process() -> None:
    """Forget the tokens that a process shares."""
    TOKENS.clear()
