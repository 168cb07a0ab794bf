"""Counts what arrived in a dataset, from both ends: the rows in its files, and what the platform's runs say of it.

Asks over plain HTTP and opens the files itself, so that it is a check on the library and not a use of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import duckdb
import requests

from local_aep import ACCOUNT, SANDBOX, LocalAep

_FLOW_SERVICE = "/data/foundation/flowservice"
_SETTLE_SECONDS = 5.0


@dataclass(frozen=True)
class Arrivals:
    """Rows of one dataset.

    :param folder: where its Parquet files lie.
    :param stored: rows in these files.
    :param reported: rows that all runs of all flows into this dataset say they wrote.
    """

    folder: Path
    stored: int
    reported: int

    @classmethod
    def of(cls, aep: LocalAep, dataset_id: str) -> Arrivals:
        """Count until both agree; a flow on a schedule may be writing just now, so for 5 seconds at most."""
        folder = aep.state / "datasets" / dataset_id
        platform = _Platform(aep)
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            arrivals = cls(folder, rows_in(folder), platform.rows_reported(dataset_id))
            if arrivals.stored == arrivals.reported or time.monotonic() > deadline:
                return arrivals
            time.sleep(0.2)


def rows_in(folder: Path) -> int:
    """Rows in the Parquet files of a folder."""
    files = sorted(str(file) for file in folder.glob("*.parquet"))
    if not files:
        return 0
    with duckdb.connect() as database:
        row = database.execute("SELECT count(*) FROM read_parquet($1, union_by_name = true)", [files]).fetchone()
    return int(row[0]) if row else 0


class _Platform:
    def __init__(self, aep: LocalAep) -> None:
        self.base = aep.url + _FLOW_SERVICE
        self.session = requests.Session()
        self.session.trust_env = False
        form = {"grant_type": "client_credentials", "scope": "openid,AdobeID"}
        form |= {key: ACCOUNT[key] for key in ("client_id", "client_secret")}
        answer = self.session.post(aep.token_url, data=form, timeout=30)
        answer.raise_for_status()
        self.session.headers.update(
            {
                "Authorization": f"Bearer {answer.json()['access_token']}",
                "x-api-key": ACCOUNT["client_id"],
                "x-gw-ims-org-id": ACCOUNT["ims_org_id"],
                "x-sandbox-name": SANDBOX,
            }
        )

    def rows_reported(self, dataset_id: str) -> int:
        """What every run into the dataset says it wrote, summed."""
        targets = {item["id"] for item in self.items("/targetConnections") if _dataset(item) == dataset_id}
        flows = [flow["id"] for flow in self.items("/flows") if targets & set(flow.get("targetConnectionIds") or ())]
        runs = (run for flow in flows for run in self.items("/runs", property=f"flowId=={flow}"))
        return sum((run["metrics"].get("recordSummary") or {}).get("outputRecordCount") or 0 for run in runs)

    def items(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Every item of a list, over all its pages."""
        asked = {"limit": "100", **query}
        while True:
            answer = self.session.get(self.base + path, params=asked, timeout=30, allow_redirects=False)
            answer.raise_for_status()
            page = answer.json()
            yield from page["items"]
            link = ((page.get("_links") or {}).get("next") or {}).get("href")
            if not link:
                return
            asked |= dict(parse_qsl(urlsplit(link).query))


def _dataset(target: dict[str, Any]) -> str | None:
    params = target.get("params") or {}
    return params.get("dataSetId") or params.get("datasetId")
