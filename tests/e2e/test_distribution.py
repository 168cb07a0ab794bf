"""The wheel in a bare Airflow, far from the checkout: forms, commands, operators, pages, and rows that land."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from children import Child
from environment import ROOT

from ..distribution import build
from .bare import BareAirflow, bare_airflow

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

DAG_FILE = """\
from pathlib import Path
from aep_provider.dag_factory import dataflow_dags
globals().update(dataflow_dags(Path(__file__).parent / "dataflows"))  # DAGs of Airflow
"""
SPEC = """\
name: orders
source: servicenow
source_conn_id: aep_source_servicenow
table: orders
delta_column: updated_at
policy: {poll_interval: 1, retries: 0}
"""
ORDERS = ["o-1,2024-03-04 00:00:00", "o-2,2024-03-04 23:59:59", "o-3,2024-03-05 00:00:00"]

AEP = {"conn_type": "aep", "login": "c", "password": "local-secret"}
SOURCE = {
    "conn_type": "http",
    "host": "https://dev1.service-now.example",
    "login": "a",
    "password": "local-source-secret",
}
LOOK = """
import json, sys
from importlib.metadata import distribution

import aep_local, aep_provider, aep_provider.operators as operators
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
from airflow.plugins_manager import get_import_errors

entry_points = distribution("airflow-provider-aep").entry_points
(form,) = [one for one in HookMetaService.hook_meta_data() if one.connection_type == "aep"]
print("seen", json.dumps({
    "form": {"name": form.hook_name, "fields": sorted(form.extra_fields)},
    "operators": sorted(name for name in operators.__all__ if getattr(operators, name)),
    "files": [aep_local.__file__, aep_provider.__file__],
    "groups": sorted({one.group for one in entry_points if callable(one.load())}),
    "plugin_errors": get_import_errors(),
    "path": sys.path,
}))
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, demand: Callable[[bool, str], None]) -> Iterator[BareAirflow]:
    """A bare Airflow with the wheel, first without the extra and then with it."""
    folder = tmp_path_factory.mktemp("bare")
    wheel = build("wheel", folder / "wheel")
    with bare_airflow(folder / "airflow", demand) as made:
        made.install(str(wheel))
        assert "pip install 'airflow-provider-aep[local]'" in made.run("aep-local", "--help", check=False)
        made.install(f"{wheel}[local]")
        yield made


@pytest.fixture
def platform(bare: BareAirflow, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The local platform as the wheel brings it, on a table of orders: its address, and the folder of its datasets."""
    tables, state = tmp_path / "tables", tmp_path / "state"
    tables.mkdir()
    (tables / "orders.csv").write_text("\n".join(["order,updated_at", *ORDERS]) + "\n", encoding="utf-8")
    command = [str(bare.bin / "aep-local"), "serve", "--tables", str(tables), "--state", str(state)]
    command += ["--time-scale", "0.01"]
    child = Child("aep-local", command, environment=bare.environment, log=tmp_path / "aep.log", folder=bare.elsewhere)
    try:
        while not (ready := re.search(r"^ready (\S+)$", child.output(), re.MULTILINE)):
            assert child.process.poll() is None, child.output()
        yield ready[1], state / "datasets"
    finally:
        child.stop()


def test_airflow_knows_all_that_the_wheel_brings(bare: BareAirflow) -> None:
    assert "airflow-provider-aep" in bare.run("airflow", "providers", "list", "--output", "plain")
    told = bare.run("airflow", "aep", "--help")
    assert all(command in told for command in ("plan", "apply", "runs", "export", "destroy", "scaffold", "rotate"))
    told = bare.run("python", "-c", LOOK)
    seen = json.loads(told[told.index("seen ") + 5 :].splitlines()[0])
    assert seen["form"] == {
        "name": "Adobe Experience Platform",
        "fields": ["access_token", "ims_org_id", "sandbox", "scopes", "token_url"],
    }
    assert {"AepEnsureDataflowOperator", "AepCreateFlowRunOperator"} <= set(seen["operators"])
    assert all(file.startswith(str(bare.bin.parent)) for file in seen["files"])
    assert {"apache_airflow_provider", "console_scripts"} <= set(seen["groups"])
    assert seen["plugin_errors"] == {}
    assert not [one for one in seen["path"] if one.startswith(str(ROOT))]


def test_a_dag_of_three_lines_loads_a_window(bare: BareAirflow, platform: tuple[str, Path], tmp_path: Path) -> None:
    url, datasets = platform
    (tmp_path / "dags" / "dataflows").mkdir(parents=True)
    (tmp_path / "dags" / "ours.py").write_text(DAG_FILE, encoding="utf-8")
    (tmp_path / "dags" / "dataflows" / "orders.yaml").write_text(SPEC, encoding="utf-8")
    extra = {"ims_org_id": "LOCAL@AdobeOrg", "token_url": f"{url}/ims/token/v3"}
    environment = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW_CONN_AEP_DEFAULT": json.dumps({**AEP, "host": url, "extra": extra}),
        "AIRFLOW_CONN_AEP_SOURCE_SERVICENOW": json.dumps(SOURCE),
    }
    bare.run("airflow", "db", "migrate", **environment)
    window = {"window_start": "2024-03-04T00:00:00Z", "window_end": "2024-03-05T00:00:00Z"}
    bare.run("airflow", "dags", "test", "aep_dataflow__orders", "--conf", json.dumps(window), **environment)
    with duckdb.connect() as database:
        found = database.execute(
            f"select to_json(row)::varchar from read_parquet('{datasets}/*/*.parquet') row"
        ).fetchall()
    assert sorted(re.findall(r"o-\d", " ".join(text for (text,) in found))) == ["o-1", "o-2"]
