"""Other sources than ServiceNow, by way of real Airflow: the tutorial's own table, and a database."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests

import local_aep
from local_aep import ACCOUNT, SANDBOX, LocalAep
from run import LOGINS, dag_conf, run_dag

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ACCOUNTS = [
    ("001A", "Łódź Logistics", "+48 42 555 01 00", "2026-01-01T08:00:00Z", "not taken"),
    ("001B", "O'Neill, Sons", "", "2026-01-02T09:30:00Z", "not taken"),
    ("001C", "東京商事", "+81 3 5550 0100", "2026-02-03T10:45:30Z", "not taken"),
]
HEADER = ["Id", "Name", "Phone", "CreatedDate", "Secret"]
MAPPINGS = [
    {"sourceAttribute": "Id", "destinationXdmPath": "_id"},
    {"sourceAttribute": "Name", "destinationXdmPath": "person.name.fullName"},
    {"sourceAttribute": "Phone", "destinationXdmPath": "mobilePhone.number"},
    {"sourceAttribute": "CreatedDate", "destinationXdmPath": "_repo.createDate"},
]
BASIC = {
    "conn_type": "generic", "login": "ann@example.com", "password": "local-source-secret",
    "extra": {"security_token": "local-security-token"},
}  # fmt: skip


def connections(aep: LocalAep) -> list[dict[str, Any]]:
    """The base connections that the platform holds, asked over plain HTTP."""
    form = {"grant_type": "client_credentials", "scope": "openid"}
    form |= {key: ACCOUNT[key] for key in ("client_id", "client_secret")}
    token = requests.post(aep.token_url, data=form, timeout=30).json()["access_token"]
    headers = {
        "Authorization": f"Bearer {token}", "x-api-key": ACCOUNT["client_id"],
        "x-gw-ims-org-id": ACCOUNT["ims_org_id"], "x-sandbox-name": SANDBOX,
    }  # fmt: skip
    answer = requests.get(f"{aep.url}/data/foundation/flowservice/connections", headers=headers, timeout=30)
    return list(answer.json()["items"])


@pytest.mark.parametrize(
    ("source", "login", "authentication", "spec"),
    [
        pytest.param(
            "salesforce_service_cloud",
            BASIC,
            "Basic Authentication",
            "cb66ab34-8619-49cb-96d1-39b37ede86ea",
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            "salesforce_service_cloud",
            LOGINS["salesforce_service_cloud"],
            "OAuth2 Client Credential",
            "cb66ab34-8619-49cb-96d1-39b37ede86ea",
            marks=pytest.mark.thorough,
        ),
        (
            "postgresql",
            LOGINS["postgresql"],
            "Connection String Based Authentication",
            "74a1c565-4e59-48d7-9d67-7c03b8a13137",
        ),
    ],
    ids=["salesforce basic", "salesforce oauth2", "postgresql"],
)
def test_the_table_account_lands_row_by_row(
    tmp_path: Path, source: str, login: dict[str, Any], authentication: str, spec: str
) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    with (tables / "Account.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADER, *ACCOUNTS])
    conf = dag_conf("Account", "CreatedDate", source)
    conf |= {"columns": HEADER[:4], "mappings": MAPPINGS, "derive_fields": False}
    conf |= {"field_groups": ["profile-person-details", "profile-personal-details"]}
    aep = local_aep.start(tables, tmp_path / "state")
    try:
        outcome, log = run_dag(conf, aep, tmp_path / "home", login)
        made = connections(aep)
    finally:
        aep.stop()
    assert outcome["state"] == "success", (outcome, log.read_text(encoding="utf-8")[-4000:])
    (base,) = made
    assert (base["connectionSpec"]["id"], base["auth"]["specName"]) == (spec, authentication)
    assert "local-source-secret" not in log.read_text(encoding="utf-8")
    files = str(aep.state / "datasets" / outcome["result"]["dataset_id"] / "*.parquet")
    query = """
        SELECT _id, person.name.fullName, mobilePhone.number, strftime(_repo.createDate AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')
        FROM read_parquet($1, union_by_name = true) ORDER BY _id
    """
    assert duckdb.execute(query, [files]).fetchall() == [(*row[:2], row[2] or None, row[3]) for row in ACCOUNTS]
