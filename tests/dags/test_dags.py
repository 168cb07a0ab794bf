"""The rules every DAG of the project keeps."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException

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


class TestApply:
    """A plan, an approval, and what was approved."""

    @pytest.fixture
    def dag(self, bag: DagBag) -> Any:
        return bag.dags["aep_apply_dataflows"]

    def test_it_runs_by_hand_and_one_at_a_time(self, dag: Any) -> None:
        assert (dag.schedule, dag.max_active_runs) == (None, 1)
        assert dag.params["approval"] is True
        assert (dag.params["overwrite"], dag.params["accept"]) == (False, False)

    def test_nothing_is_applied_that_was_not_asked_about(self, dag: Any) -> None:
        assert dag.get_task("apply").upstream_task_ids == {"plan", "next_step", "approval"}
        assert dag.get_task("apply").trigger_rule == "none_failed_min_one_success"
        assert dag.get_task("approval").upstream_task_ids == {"plan", "next_step"}

    def test_both_read_the_same(self, dag: Any) -> None:
        plan, apply = dag.get_task("plan"), dag.get_task("apply")
        for field in ("folder", "aep_conn_id", "sandbox", "names", "overwrite"):
            assert str(getattr(plan, field)) == str(getattr(apply, field))
        assert Path(plan.folder) == ROOT / "include" / "dataflows"

    def test_an_approval_ends_without_an_answer(self, dag: Any) -> None:
        """And is not asked for again; no answer is none, so nothing is applied."""
        approval = dag.get_task("approval")
        assert approval.response_timeout
        assert (approval.retries, approval.defaults) == (0, None)

    def test_whatever_the_plan_holds_is_no_template(self, dag: Any) -> None:
        hostile = "{{ 7*7 }} {% raw %} {{ conn.aep_default.password }} {#"

        def pulled(task_ids: str, key: str, **_: Any) -> str:
            return f"{task_ids} {key} {hostile}"

        approval = dag.get_task("approval").prepare_for_execution()
        approval.render_template_fields({"ti": SimpleNamespace(xcom_pull=pulled)})
        assert (approval.subject, approval.body) == (f"plan headline {hostile}", f"plan markdown {hostile}")

    @pytest.mark.parametrize(
        ("plan", "params", "following"),
        [
            ((True, 0, False), {}, ["approval"]),
            ((True, 0, False), {"approval": False}, ["apply"]),
            ((False, 0, False), {}, []),
            ((False, 0, False), {"approval": False}, []),
            ((True, 2, False), {}, "2 objects were edited .* with overwrite"),
            ((True, 2, False), {"overwrite": True}, ["approval"]),
            ((True, 0, True), {}, "come twice or be missed.* with accept"),
            ((True, 0, True), {"overwrite": True}, "come twice or be missed"),
            ((True, 0, True), {"accept": True}, ["approval"]),
            ((True, 1, True), {"accept": True, "overwrite": True, "approval": False}, ["apply"]),
        ],
    )
    def test_what_follows_a_plan(self, dag: Any, plan: Any, params: dict[str, bool], following: Any) -> None:
        """Nobody is asked about what would be refused."""
        step = dag.get_task("next_step").python_callable
        given = {**dag.params.dump(), **params}
        if isinstance(following, list):
            assert step(*plan, params=given) == following
        else:
            with pytest.raises(AirflowFailException, match=following):
                step(*plan, params=given)


def test_parsing_is_quick(bag: DagBag) -> None:
    """Airflow parses the files again and again, for as long as it runs."""
    for file in bag.dagbag_stats:
        assert file.duration.total_seconds() < 2, Path(file.file).name
