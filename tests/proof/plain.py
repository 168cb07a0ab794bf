"""What people write today: a DAG of plain requests, each a task that is retried, with `Retry` on all verbs below."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
from urllib3.util.retry import Retry

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from plain import FLOW_SERVICE, PlainClient, base_connection, provision

from .world import DELTA, Done, Job, World, table_of

LOOKS = 400


class _Retry(Retry):
    """As urllib3's, but its pauses are short."""

    def sleep(self, response: Any = None) -> None:
        time.sleep(0.001)


class _Tasks(PlainClient):
    """Each call is a task of its own, whose result Airflow keeps: what is done is not done again."""

    timeout = 2.0

    def __init__(self, world: World, results: dict[str, list[Any]]) -> None:
        super().__init__(world.url, world.org, "prod")
        retry = _Retry(5, status_forcelist=[429, 500, 502, 503, 504], allowed_methods=None, backoff_factor=0.0)
        self.session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
        self._results = results
        self._task, self._at = "", 0

    def begin(self, task: str) -> None:
        """The calls from here on belong to this."""
        self._task, self._at = task, 0

    def call(self, method: str, path: str, **options: Any) -> Any:
        results = self._results.setdefault(self._task, [])
        if self._at == len(results):
            results.append(super().call(method, path, **options))
        self._at += 1
        return results[self._at - 1]

    def look(self, path: str) -> Any:
        """A sensor's look: its result is not kept."""
        return super().call("GET", path)


class Plain:
    """Does the same job."""

    def __init__(self, world: World, *, tries: int = 5, workers: int = 8) -> None:
        self.world = world
        self.results: dict[str, list[Any]] = {}
        self.failures: list[str] = []
        self._tries = tries
        self._workers = workers

    def work(self, job: Job, *, changed: bool = False) -> Done:
        """
        Make all objects, one after another, then have each window loaded.

        :param changed: nobody writes a DAG that changes what is there; nothing more is done.
        """
        base = self._tried(lambda client: base_connection(client, "plain base"), "base")
        done = Done()
        flows = {
            name: self._tried(lambda client, name=name: self._provision(client, base, name), name) for name in job.names
        }
        with ThreadPoolExecutor(self._workers) as pool:
            list(
                pool.map(
                    lambda name: self._load_all(job, name, flows[name], done),
                    [name for name in job.names if flows[name]],
                )
            )
        return done

    def _provision(self, client: _Tasks, base: str | None, name: str) -> str:
        if base is None:
            raise ValueError("there is no base connection")
        return provision(client, base, name, table_of(name), DELTA, on_demand=True)

    def _tried(self, task: Any, name: str) -> Any:
        for _ in range(self._tries):
            try:
                client = _Tasks(self.world, self.results)
                client.begin(name)
                return task(client)
            except (requests.RequestException, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
        return None

    def _load_all(self, job: Job, name: str, flow_id: str, done: Done) -> None:
        for number, window in enumerate(job.windows):
            said = self._tried(lambda client, window=window: self._load(client, flow_id, window), f"{name} {number}")
            if said is not None:
                done.verdicts[name, number] = said

    @staticmethod
    def _load(client: _Tasks, flow_id: str, window: Any) -> bool:
        params = {"startTime": int(time.time()), "windowStartTime": window.start, "windowEndTime": window.end}
        body = {"flowId": flow_id, "params": {**params, "deltaColumn": {"name": DELTA}}}
        run_id = client.call("POST", f"{FLOW_SERVICE}/runs", json=body)["items"][0]["id"]
        for _ in range(LOOKS):
            run = client.look(f"{FLOW_SERVICE}/runs/{run_id}")["items"][0]
            status = run["metrics"]["statusSummary"]["status"]
            if status in ("success", "partialSuccess", "failed"):
                return bool(status == "success")
            time.sleep(0.01)
        raise ValueError("the run does not end")
