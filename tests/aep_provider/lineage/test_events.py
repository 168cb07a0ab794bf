"""What OpenLineage's events hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from airflow.sdk import Asset
from openlineage.client.serde import Serde

from aep_provider.dag_factory import dataflow_asset, watch_asset
from aep_provider.lineage.assets import to_openlineage
from aep_provider.lineage.events import lineage_of_made, lineage_of_runs
from aep_provider.resources.lineage import Lineage
from aep_provider.verdict import RunState, Verdict

KNOWN = Lineage(
    "prod",
    "incidents",
    "servicenow://dev1.example",
    "incident",
    "ACME@AdobeOrg",
    columns={"sys_id": "string", "opened": ""},
    fields={"_acme.id": "string", "_acme.name": ""},
    origins={"_acme.id": "sys_id"},
)
RUN = Verdict(
    "r1", "f1", RunState.SUCCEEDED, "success", rows_read=5, rows_written=3, rows_rejected=2, bytes_read=50, bytes_written=30,
    reasons=["a sentence that quotes hunter2"], codes=["MAPPER-1"], batch_ids=["b1"],
)  # fmt: skip
HERE = ("prod", "incidents")


def plain(lineage: Any) -> dict[str, Any]:
    """As it is sent."""
    return {
        "inputs": [Serde.to_dict(one) for one in lineage.inputs],
        "outputs": [Serde.to_dict(one) for one in lineage.outputs],
        "run": {name: Serde.to_dict(one) for name, one in lineage.run_facets.items()},
    }


def counts(lineage: Any) -> tuple[Any, Any]:
    """Rows and bytes read and written, as the datasets tell them; None where they do not."""
    told = plain(lineage)
    read = [one["inputFacets"].get("inputStatistics") for one in told["inputs"]]
    written = [one["outputFacets"].get("outputStatistics") for one in told["outputs"]]
    return tuple([one and (one["rowCount"], one.get("size")) for one in each] for each in (read, written))  # type: ignore[return-value]


def test_a_run_is_told_from_table_to_dataset() -> None:
    window = {"window_start": "2026-01-01T00:00:00+00:00", "window_end": "2026-01-02T00:00:00+00:00"}
    told = plain(lineage_of_runs(KNOWN, [HERE], [RUN], window, "posted"))
    (source,), (dataset,) = told["inputs"], told["outputs"]
    assert (source["namespace"], source["name"]) == ("servicenow://dev1.example", "incident")
    assert [(one["name"], one.get("type")) for one in source["facets"]["schema"]["fields"]] == [
        ("sys_id", "string"), ("opened", None),
    ]  # fmt: skip
    assert (dataset["namespace"], dataset["name"]) == ("aep://prod", "incidents")
    assert [one["name"] for one in dataset["facets"]["schema"]["fields"]] == ["_acme.id", "_acme.name"]
    (field,) = dataset["facets"]["columnLineage"]["fields"]["_acme.id"]["inputFields"]
    assert (field["namespace"], field["name"], field["field"]) == (source["namespace"], "incident", "sys_id")
    assert list(dataset["facets"]["columnLineage"]["fields"]) == ["_acme.id"]
    assert counts(lineage_of_runs(KNOWN, [HERE], [RUN])) == ([(5, 50)], [(3, 30)])
    facet = told["run"]["aep_flowRun"]
    assert (facet["organisation"], facet["sandbox"], facet["how"]) == ("ACME@AdobeOrg", "prod", "posted")
    assert (facet["windowStart"], facet["windowEnd"]) == tuple(window.values())
    (run,) = facet["runs"]
    assert (run["runId"], run["flowId"], run["rowsRejected"], run["batchIds"]) == ("r1", "f1", 2, ["b1"])
    assert told["run"]["externalQuery"]["externalQueryId"] == "r1"
    assert "hunter2" not in str(told)


def test_before_it_ran_there_are_names_and_no_counts() -> None:
    told = lineage_of_runs(KNOWN, [HERE])
    assert counts(told) == ([None], [None])
    assert told.run_facets == {}


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.RUNNING, RunState.UNKNOWN])
def test_a_run_that_left_no_rows_has_no_counts(state: RunState) -> None:
    told = lineage_of_runs(KNOWN, [], [replace(RUN, state=state)])
    assert counts(told) == ([None], [None])
    assert plain(told)["run"]["aep_flowRun"]["runs"][0]["state"] == state.value


def test_what_aep_does_not_count_is_not_made_up() -> None:
    unknown = replace(RUN, rows_read=None, bytes_written=None)
    assert counts(lineage_of_runs(KNOWN, [], [unknown])) == ([None], [(3, None)])


def test_runs_of_one_flow_are_added_up_as_far_as_they_brought_rows() -> None:
    runs = [RUN, replace(RUN, run_id="r2", state=RunState.PARTIAL), replace(RUN, run_id="r3", state=RunState.FAILED)]
    told = lineage_of_runs(KNOWN, [], runs)
    assert counts(told) == ([(10, 100)], [(6, 60)])
    assert "externalQuery" not in told.run_facets


def test_runs_of_several_flows_are_told_one_by_one() -> None:
    told = lineage_of_runs(KNOWN, [], [RUN, replace(RUN, flow_id="f2")])
    assert counts(told) == ([None], [None])
    assert len(plain(told)["run"]["aep_flowRun"]["runs"]) == 2


def test_without_more_the_dataset_of_an_outlet_has_the_rows() -> None:
    assert counts(lineage_of_runs(None, [HERE], [RUN])) == ([], [(3, 30)])
    assert counts(lineage_of_runs(None, [HERE, ("prod", "others")], [RUN])) == ([], [None, None])
    assert counts(lineage_of_runs(KNOWN, [("prod", "others")], [RUN])) == ([(5, 50)], [(3, 30), None])
    assert plain(lineage_of_runs(None, [], [RUN]))["run"]["aep_flowRun"]["runs"]


def test_a_dataset_that_was_made() -> None:
    told = plain(lineage_of_made([(KNOWN, True), (replace(KNOWN, dataset="others"), False)], [HERE, ("prod", "third")]))
    assert told["inputs"] == []
    assert [one["name"] for one in told["outputs"]] == ["incidents", "others", "third"]
    changes = [one["facets"].get("lifecycleStateChange", {}).get("lifecycleStateChange") for one in told["outputs"]]
    assert changes == ["CREATE", None, None]
    assert told["outputs"][1]["facets"]["schema"]


@pytest.mark.parametrize("name", ["incidents", "a/b", "100 % näh"])
def test_assets_and_tasks_give_a_dataset_one_name(name: str) -> None:
    from airflow.providers.openlineage.utils.utils import translate_airflow_asset

    asset = dataflow_asset("prod", name)
    (told,) = plain(lineage_of_runs(replace(KNOWN, dataset=name), []))["outputs"]
    translated = translate_airflow_asset(asset, None)
    assert translated is not None, "Airflow finds the converter"
    assert (translated.namespace, translated.name) == (told["namespace"], told["name"]) == ("aep://prod", name)
    assert asset.uri == asset.normalized_uri, "a converter changes no URI that stands in somebody's database"


def test_what_is_no_dataset_becomes_none() -> None:
    assert to_openlineage(watch_asset("prod")) is None
    assert to_openlineage(Asset("aep://prod/")) is None
