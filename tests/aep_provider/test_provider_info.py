"""What Airflow's connection form shows."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
from airflow.providers_manager import ProvidersManager
from airflow.sdk import conf

import aep_provider.provider_info as module
from aep_provider.hooks.aep import AepHook
from aep_provider.links import AepDatasetLink, AepFlowLink, AepFlowRunLink
from aep_provider.platform.settings import AepSettings
from aep_provider.resources.window import Edges


@pytest.fixture(scope="module")
def form() -> Any:
    (found,) = [hook for hook in HookMetaService.hook_meta_data() if hook.connection_type == "aep"]
    return found


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    (connection,) = module.get_provider_info()["connection-types"]
    return connection  # type: ignore[no-any-return]


def test_the_form_shows_the_type_under_its_name(form: Any) -> None:
    assert form.hook_name == "Adobe Experience Platform"
    assert form.hook_class_name == "aep_provider.hooks.aep.AepHook"
    assert form.default_conn_name in (None, "aep_default")


def test_the_form_has_every_field_and_no_other(form: Any) -> None:
    assert set(form.extra_fields) == {"ims_org_id", "sandbox", "token_url", "scopes", "access_token"}
    assert form.extra_fields["access_token"]["schema"]["format"] == "password"
    assert form.extra_fields["ims_org_id"]["schema"]["title"] == "Organisation ID"


def test_the_standard_fields_say_what_goes_into_them(form: Any) -> None:
    fields = form.standard_fields
    assert (fields.host.title, fields.login.title, fields.password.title) == (
        "Gateway URL", "Client ID (API key)", "Client secret",
    )  # fmt: skip
    assert (fields.url_schema.hidden, bool(fields.port.hidden), fields.port.placeholder) == (True, False, "443")


def test_it_fits_airflows_own_schema() -> None:
    import airflow
    from jsonschema import Draft7Validator

    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    assert [error.message for error in Draft7Validator(schema).iter_errors(module.get_provider_info())] == []


def test_hook_and_declaration_agree(declared: dict[str, Any]) -> None:
    assert declared["connection-type"] == AepHook.conn_type
    assert declared["hook-name"] == AepHook.hook_name
    assert declared["hook-class-name"] == f"{AepHook.__module__}.{AepHook.__qualname__}"


def test_every_extra_is_a_setting(declared: dict[str, Any]) -> None:
    assert set(declared["conn-fields"]) <= set(AepSettings.model_fields)


def test_airflow_knows_the_connection_type() -> None:
    assert ProvidersManager().hooks["aep"] is not None


def test_reading_it_imports_nothing() -> None:
    tree = ast.parse(Path(module.__file__).read_text())
    imported = {
        alias.name.split(".")[0] if isinstance(node, ast.Import) else (node.module or "").split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= {"__future__", "typing"}


def test_every_option_that_is_read_is_declared_with_the_default_that_holds() -> None:
    """So that `airflow config list` and the reference show all of them."""
    package = Path(module.__file__).parent
    code = "\n".join(file.read_text(encoding="utf-8") for file in sorted(package.rglob("*.py")))
    read = set(re.findall(r'conf\.get\w*\(\s*"aep", "(\w+)"', code))
    read |= {link.option for link in (AepFlowLink(), AepFlowRunLink(), AepDatasetLink())} | {"ui_tenant"}
    options = module.get_provider_info()["config"]["aep"]["options"]
    assert set(options) == read
    assert options["window_edges"]["default"] == Edges.START_INCLUSIVE
    assert options["source_connection_prefix"]["default"] == conf.get("aep", "source_connection_prefix")
