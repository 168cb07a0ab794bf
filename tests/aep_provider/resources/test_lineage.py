"""The names that lineage goes by."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aep_provider.resources.lineage import Lineage, dataset_of_uri, dataset_uri, source_namespace

KNOWN = Lineage("prod", "incidents", "servicenow://dev1.example", "incident", "ACME@AdobeOrg")


@pytest.mark.parametrize(
    ("address", "namespace"),
    [
        ("https://dev1.service-now.example", "servicenow://dev1.service-now.example"),
        ("dev1.service-now.example", "servicenow://dev1.service-now.example"),
        ("https://Dev1.Example:8443/now?x=1", "servicenow://dev1.example:8443"),
        ("https://ann:hunter2@dev1.example/", "servicenow://dev1.example"),
        ("ann:hunter2@dev1.example:1", "servicenow://dev1.example:1"),
        (None, "servicenow://the%20base%2Fone"),
        ("", "servicenow://the%20base%2Fone"),
        ("https://[broken", "servicenow://the%20base%2Fone"),
        ("host:not-a-port", "servicenow://the%20base%2Fone"),
    ],
)
def test_a_source_system_is_named_by_its_address_alone(address: str | None, namespace: str) -> None:
    assert source_namespace("servicenow", address, "the base/one") == namespace


@pytest.mark.parametrize("name", ["incidents", "ServiceNow incident", "a/b", "100 % näh?#:@"])
def test_a_dataset_is_found_again_in_its_uri(name: str) -> None:
    assert dataset_of_uri(dataset_uri("prod", name)) == ("prod", name)


@pytest.mark.parametrize("uri", ["aep://prod/watch/flow-runs", "aep://prod", "aep://prod/", "s3://prod/x", "x", ""])
def test_what_stands_for_no_dataset(uri: str) -> None:
    assert dataset_of_uri(uri) is None


def test_it_crosses_the_database_whole_and_through_a_template() -> None:
    columns = [{"name": "sys_id", "type": "string"}, {"name": "opened", "xdm": {"type": "integer"}}, {"name": "x"}]
    mappings = [
        {"sourceType": "ATTRIBUTE", "source": "sys_id", "destination": "_acme.id"},
        {"sourceType": "EXPRESSION", "source": "concat(sys_id)", "destination": "_acme.name"},
        {"sourceType": "STATIC", "source": "sys_id", "destination": "_acme.fixed"},
    ]
    settled = KNOWN.settled(columns, mappings, {"_acme.id": "string"})
    assert settled.columns == {"sys_id": "string", "opened": "integer", "x": ""}
    assert settled.fields == {"_acme.id": "string", "_acme.name": "", "_acme.fixed": ""}
    assert settled.origins == {"_acme.id": "sys_id"}
    document = json.loads(json.dumps(settled.as_json()))
    assert Lineage.of(document) == settled == Lineage.of(json.dumps(document))


@pytest.mark.parametrize(
    "document", [None, "null", "", "[", "[" * 100_000, [], 3, {}, {"sandbox": "prod"}, {"sandbox": "", "dataset": "x"}]
)
def test_what_tells_nothing(document: Any) -> None:
    assert Lineage.of(document) is None


def test_what_is_written_by_hand_may_hold_other_types() -> None:
    told = Lineage.of({"sandbox": "prod", "dataset": 7, "columns": ["a"], "fields": {"a": None}})
    assert told == Lineage("prod", "7", fields={"a": ""})
