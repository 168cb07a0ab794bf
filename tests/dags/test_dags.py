"""The rules every DAG of the project keeps."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from aep_provider.dag_factory import watch_asset
from environment import ROOT

FOLDER = ROOT / "dags"


@pytest.fixture(scope="module")
def bag() -> DagBag:
    """The DAGs, parsed where no connection to anywhere can be opened."""
    with pytest.MonkeyPatch.context() as patch:

        def refuse(*arguments: object, **options: object) -> None:
            raise AssertionError("a DAG file opened a connection while it was parsed")

        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        return DagBag(dag_folder=str(FOLDER), bundle_path=FOLDER, bundle_name="dags-folder")


def test_every_file_can_be_imported(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert "aep_provision_dataflow" in bag.dags


def test_every_file_holds_a_dag(bag: DagBag) -> None:
    files = {str(file) for file in FOLDER.glob("*.py")}
    assert files == {dag.fileloc for dag in bag.dags.values()}


def test_every_dag_says_what_it_is_for_and_retries(bag: DagBag) -> None:
    for dag in bag.dags.values():
        assert dag.tags, dag.dag_id
        assert dag.doc_md, dag.dag_id
        assert dag.default_args.get("retries", 0) >= 2, dag.dag_id


def test_every_parameter_is_typed_and_described(bag: DagBag) -> None:
    for dag in bag.dags.values():
        for name in dag.params:
            param = dag.params.get_param(name)
            assert param.description, f"{dag.dag_id}: {name}"
            assert "type" in param.schema or "enum" in param.schema, f"{dag.dag_id}: {name}"


def test_the_watch_runs_by_itself_once_somebody_says_so(bag: DagBag) -> None:
    dag = bag.dags["aep_watch_flow_runs"]
    assert (dag.catchup, dag.max_active_runs, dag.is_paused_upon_creation) == (False, 1, True)
    assert dag.schedule == "*/30 * * * *"
    (task,) = dag.tasks
    # What it remembers is kept with the asset of the sandbox that it watches.
    assert [asset.uri for asset in task.outlets] == [watch_asset(task.sandbox).uri]
    assert set(dag.params) <= set(task.template_fields)


def test_parsing_is_quick(bag: DagBag) -> None:
    """Airflow parses the files again and again, for as long as it runs."""
    for file in bag.dagbag_stats:
        assert file.duration.total_seconds() < 2, Path(file.file).name
