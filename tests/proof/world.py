"""A local AEP over generated tables, dataflows over them, and what is truly there afterwards."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import duckdb
import requests

from aep_provider.resources.window import Window

from .. import platforms
from ..leaks import ROW_VALUE

DELTA = "sys_updated_on"
FIRST = datetime(2024, 2, 26, tzinfo=UTC)
"""Three days on, there is a leap day."""
TABLES = 20
HOURS = (0, 8, 23)
"""When rows of a day changed: the first at midnight sharp, the last a second before the next one."""
_orgs = itertools.count(1)
_FLOW_SERVICE = ("connections", "sourceConnections", "targetConnections", "flows")


@dataclass
class Tally:
    """
    What is not as it should be, counted.

    :param windows: that were to be loaded.
    :param duplicates: objects beyond one of each kind and name.
    :param orphans: objects that no flow stands on.
    :param rows_lost: rows that are not there, of windows of which the client says that they are.
    :param rows_twice: rows that are there once more than they should be.
    :param wrong_verdicts: windows of which the client says the opposite of what happened.
    :param secrets: places in which one was found.
    :param not_done: windows that did not load, as the client knows.
    """

    windows: int = 0
    duplicates: int = 0
    orphans: int = 0
    rows_lost: int = 0
    rows_twice: int = 0
    wrong_verdicts: int = 0
    secrets: int = 0
    not_done: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    @property
    def is_clean(self) -> bool:
        """Whether nothing was made, loaded or told wrongly, and everything was done."""
        return not any(getattr(self, one.name) for one in fields(self) if one.name != "windows")


@dataclass(frozen=True)
class Job:
    """
    What a client is to do: dataflows, each into a dataset of its own, and for each of them windows that are loaded once.

    :param names: of the dataflows.
    :param windows: days that follow each other, from :data:`FIRST` on.
    """

    names: Sequence[str]
    windows: Sequence[Window]

    @classmethod
    def of(cls, dataflows: int, windows: int) -> Job:
        days = [FIRST + timedelta(days=number) for number in range(windows + 1)]
        spans = [Window.between(start, end) for start, end in itertools.pairwise(days)]
        return cls([f"proof {number:04}" for number in range(dataflows)], spans)


def table_of(name: str) -> str:
    """The table that a dataflow loads; its name in the source system tells nothing of any other."""
    return f"table_{int(name.rpartition(' ')[2]) % TABLES:02}"


def keys_of(name: str, window: int) -> list[str]:
    """The keys of the rows that changed in a window."""
    return [f"{table_of(name)}-{window}-{hour}" for hour in HOURS]


def write_tables(folder: Path, days: int) -> None:
    """All tables, with rows before and after the windows, too."""
    folder.mkdir(parents=True)
    for number in range(TABLES):
        table = f"table_{number:02}"
        with (folder / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["sys_id", "number", "short_description", DELTA])
            for day in range(-1, days + 1):
                for hour in HOURS:
                    moment = FIRST + timedelta(days=day, hours=hour, seconds=3599 if hour == HOURS[-1] else 0)
                    rows.writerow([f"{table}-{day}-{hour}", f"N{day}", f"{ROW_VALUE}, with a comma", f"{moment:%F %T}"])


@dataclass
class Done:
    """
    What a client says it has done.

    :param verdicts: by dataflow and window, whether its rows arrived; a window of which nothing is known is missing.
    """

    verdicts: dict[tuple[str, int], bool] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """
    An organisation of its own on a running platform.

    :param control: how to get at the platform's faults: the token that it printed.
    """

    url: str
    state: Path
    control: str
    org: str = field(default_factory=lambda: f"{next(_orgs):08X}@AdobeOrg")

    def another(self) -> World:
        """Another organisation, in which nothing is yet."""
        return World(self.url, self.state, self.control)

    def faults(self, rules: Sequence[Mapping[str, Any]], seed: int = 7) -> None:
        """Break what the rules say from now on, and nothing else."""
        answer = requests.put(
            f"{self.url}/local/faults", json={"seed": seed, "rules": list(rules)}, headers=self._may_control, timeout=30
        )
        assert answer.ok, answer.text

    def injected(self) -> int:
        """How many faults there have been since the rules were set."""
        answer = requests.get(f"{self.url}/local/faults", headers=self._may_control, timeout=30)
        return sum(rule["injected"] for rule in answer.json()["rules"])

    @property
    def _may_control(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.control}"}

    def truth(self, job: Job, done: Done) -> Tally:
        """Compare what is there with what there should be, and with what was said. Ends all faults first."""
        self.faults([])
        there = Looker(self.url, self.org).everything()
        found = Tally(windows=len(job.names) * len(job.windows))
        found.duplicates = sum(_too_many(kind, there[kind], job) for kind in there)
        found.orphans = len(list(_orphans(there)))
        for name in job.names:
            landed: Counter[str] = Counter()
            for dataset in there["dataSets"]:
                if dataset["name"] == name:
                    landed += self._keys(dataset["id"])
            for number in range(len(job.windows)):
                _count_window(found, landed, keys_of(name, number), done.verdicts.get((name, number)))
        return found

    def _keys(self, dataset_id: str) -> Counter[str]:
        folder = self.state / "datasets" / dataset_id
        if not list(folder.glob("*.parquet")):
            return Counter()
        with duckdb.connect() as database:
            query = f"select to_json(row)::varchar from read_parquet('{folder}/*.parquet') row"
            rows = database.execute(query).fetchall()
        return Counter(re.findall(r'"sys_id":"([^"]*)"', "".join(row for (row,) in rows)))


def _count_window(found: Tally, landed: Counter[str], wanted: list[str], said: bool | None) -> None:
    lost = sum(not landed[key] for key in wanted)
    found.rows_twice += sum(max(0, landed[key] - 1) for key in wanted)
    found.rows_lost += lost if said else 0
    found.wrong_verdicts += said is not None and said != (lost == 0)
    # Of what is not there and not said to be, somebody knows.
    found.not_done += not said


def _too_many(kind: str, documents: Sequence[Mapping[str, Any]], job: Job) -> int:
    if kind == "connections":
        return max(0, len(documents) - 1)
    if kind == "mappingSets":
        return max(0, len(documents) - len(job.names))
    wanted = {f"{name} columns" if kind == "fieldgroups" else name for name in job.names}
    named = Counter(str(one.get("title") or one.get("name")) for one in documents)
    return sum(named[name] - 1 for name in wanted if named[name] > 1)


def _orphans(there: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """What no flow stands on, directly or not."""
    flows = there["flows"]
    used = {each for flow in flows for key in ("sourceConnectionIds", "targetConnectionIds") for each in flow[key]}
    used |= {str((part.get("params") or {}).get("mappingId")) for flow in flows for part in flow["transformations"]}
    used |= {one["baseConnectionId"] for one in there["sourceConnections"] if one["id"] in used}
    used |= {one["params"]["dataSetId"] for one in there["targetConnections"] if one["id"] in used}
    used |= {one["schemaRef"]["id"] for one in there["dataSets"] if one["id"] in used}
    for schema in there["schemas"]:
        used |= {part["$ref"] for part in schema["allOf"]} if schema["$id"] in used else set()
    for kind in set(there) - {"flows"}:
        yield from (
            f"{kind} {one}" for one in (each.get("$id") or each["id"] for each in there[kind]) if one not in used
        )


class Looker:
    """Somebody who lists everything, and knows AEP but neither of the clients."""

    def __init__(self, url: str, org: str) -> None:
        self._url = f"{url}/data/foundation"
        form = {"grant_type": "client_credentials", "client_id": "looker", "client_secret": "looker-secret"}
        token = requests.post(f"{url}/ims/token/v3", data=form, timeout=30).json()["access_token"]
        self._session = requests.Session()
        self._session.headers.update(
            {
                "Authorization": f"Bearer {token}",
                "x-api-key": "looker",
                "x-gw-ims-org-id": org,
                "x-sandbox-name": "prod",
            }
        )

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """All objects of the sandbox by collection."""
        found = {kind: self._flow_service(kind) for kind in _FLOW_SERVICE}
        found |= {kind: self._registry(kind) for kind in ("schemas", "fieldgroups")}
        found["dataSets"] = self._catalog()
        found["mappingSets"] = self._data_prep()
        return found

    def _get(self, path: str, **params: Any) -> Any:
        accept = "application/vnd.adobe.xed+json" if "schemaregistry" in path else "application/json"
        answer = self._session.get(urljoin(self._url, path), params=params, headers={"Accept": accept}, timeout=60)
        assert answer.ok, answer.text
        return answer.json()

    def _flow_service(self, kind: str) -> list[dict[str, Any]]:
        page = self._get(f"{self._url}/flowservice/{kind}", limit=100)
        found = list(page["items"])
        while following := (page.get("_links") or {}).get("next"):
            page = self._get(f"{self._url}/flowservice{following['href']}")
            found += page["items"]
        return found

    def _registry(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        params: dict[str, Any] = {"orderby": "title", "limit": 100}
        while True:
            page = self._get(f"{self._url}/schemaregistry/tenant/{kind}", **params)
            found += page["results"]
            if not (following := (page.get("_page") or {}).get("next")):
                return found
            params["start"] = following

    def _catalog(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while page := self._get(f"{self._url}/catalog/dataSets", limit=100, start=len(found)):
            found += [{"id": key, **value} for key, value in page.items()]
        return found

    def _data_prep(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while page := self._get(f"{self._url}/conversion/mappingSets", limit=100, start=len(found))["data"]:
            found += page
        return found


@contextmanager
def world(folder: Path, job: Job, *options: str) -> Iterator[World]:
    """Serve a platform whose waits take a thousandth of AEP's."""
    write_tables(folder / "tables", len(job.windows))
    (folder / "faults.json").write_text(json.dumps({"seed": 7, "rules": []}))
    command = ["serve", "--tables", str(folder / "tables"), "--state", str(folder / "state"), "--time-scale", "0.001"]
    with (folder / "log").open("w") as log:
        process = platforms.start([*command, "--faults", str(folder / "faults.json"), *options], log)
    assert process.stdout is not None
    control = ""
    try:
        for line in process.stdout:
            word, _, rest = line.strip().partition(" ")
            control = rest if word == "faults-token" else control
            if word == "ready":
                yield World(rest, folder / "state", control)
                break
        else:
            raise AssertionError(f"the platform did not start: {(folder / 'log').read_text()}")
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()
