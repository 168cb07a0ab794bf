"""Base connections: the credentials of a source system, and a look into it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from jsonschema import Draft7Validator

from aep_local.core import credentials
from aep_local.core.documents import INTERNAL
from aep_local.core.problems import Problem, connector, flow_service
from aep_local.core.specs import auth_spec, connection_spec
from aep_local.core.store import Document
from aep_local.flow_service import common, lists, names
from aep_local.rows.tables import TableError
from aep_local.web import documents, listing
from aep_local.web.bodies import FLOW_SERVICE
from aep_local.web.gateway import CallerDep, JsonBody
from aep_local.web.services import Services, ServicesDep

router = APIRouter()
KIND = "connections"
_PATH = f"{FLOW_SERVICE}/{KIND}"
_PREVIEW_ROWS = 100


@router.post(_PATH)
def create(body: JsonBody, caller: CallerDep, services: ServicesDep, mode: str | None = None) -> Response:
    """A new base connection; whether its name may be taken is a switch."""
    caller.require("sources", "write")
    documents.no_drafts(mode)
    body = documents.as_object(body)
    name = documents.text(body, "name")
    spec = _spec(body, services)
    given = _valid_auth(spec, body.get("auth"))
    auth, hashes = credentials.sealed(spec, given)
    fields = {
        "name": name,
        **documents.optional_text(body, "description"),
        "connectionSpec": {"id": spec["id"], "version": spec["version"]},
        "state": "enabled",
        "auth": auth,
        INTERNAL: {"secrets": hashes},
    }
    doc = documents.new(caller, services.clock, fields)
    if services.settings.assume.credentials_checked_at_create == "yes":
        _let_in(services, doc)
    with services.store.transaction():
        names.refuse_taken(services, caller, KIND, doc)
        services.store.insert(KIND, doc["id"], caller.scope, doc)
    _remember(services, doc, given["params"])
    return documents.created(KIND, doc)


@router.get(_PATH)
def list_all(request: Request, caller: CallerDep, services: ServicesDep) -> Response:
    """Base connections."""
    caller.require("sources", "read")
    return listing.stored(request, services, caller, lists.connections(services))


@router.get(_PATH + "/{id}")
def get(id: str, caller: CallerDep, services: ServicesDep) -> Response:
    """One base connection; how its secrets are shown is a switch."""
    caller.require("sources", "read")
    return JSONResponse({"items": [lists.connection_shown(documents.found(services, caller, KIND, id), services)]})


@router.patch(_PATH + "/{id}")
def patch(id: str, request: Request, body: JsonBody, caller: CallerDep, services: ServicesDep) -> Response:
    """Change name, description or credentials."""
    caller.require("sources", "write")
    with services.store.transaction():
        doc, changed = common.patched(request, body, caller, services, kind=KIND, id=id, more=("auth",))
        spec = connection_spec(doc["connectionSpec"]["id"]) or {"authSpec": []}
        given = _valid_auth(spec, changed.get("auth"))
        changed["auth"], hashes = credentials.sealed(spec, given, doc)
        changed[INTERNAL] = {"secrets": hashes}
        documents.touch(changed, services.clock, caller)
        services.store.put(KIND, id, caller.scope, changed)
        _remember(services, changed, given["params"])
    return documents.changed(changed)


@router.delete(_PATH + "/{id}")
def delete(id: str, caller: CallerDep, services: ServicesDep) -> Response:
    """Remove a base connection that no flow uses."""
    caller.require("sources", "write")
    with services.store.transaction():
        documents.found(services, caller, KIND, id)
        used = {doc["id"] for doc in services.store.all("sourceConnections", caller.scope, ref=id)}
        if used and any(used & set(flow["sourceConnectionIds"]) for flow in services.store.all("flows", caller.scope)):
            raise flow_service(1418, 400, f"connection {id} is used by a flow", id=id, kind=KIND)
        services.store.delete(KIND, id, caller.scope)
    services.echoed.pop(id, None)
    return Response(status_code=204)


@router.get(_PATH + "/{id}/test")
def test(id: str, caller: CallerDep, services: ServicesDep) -> Response:
    """Whether the source lets us in: ``{"result": true|false}``."""
    caller.require("sources", "read")
    doc = documents.found(services, caller, KIND, id)
    result = credentials.accepted(services.accounts, doc)
    if not result and services.settings.assume.test_bad_credentials == "400":
        raise _wrong_credentials()
    return JSONResponse({"result": result})


@router.get(_PATH + "/{id}/explore")
def explore(
    id: str,
    caller: CallerDep,
    services: ServicesDep,
    *,
    objectType: str | None = None,
    object: str | None = None,
    preview: str = "false",
    filters: str | None = None,
) -> Response:
    """The source's tables (``objectType=root``), or the columns and first rows of one (``objectType=table``)."""
    caller.require("sources", "read")
    doc = documents.found(services, caller, KIND, id)
    if objectType is None:
        raise connector(1334, "Query parameter objectType is missing")
    if objectType.lower() not in {"root", "table"}:
        raise connector(1358, "Query parameter objectType must be root or table")
    if preview.lower() not in {"true", "false"}:
        raise connector(1359, "Query parameter preview must be true or false")
    if filters is not None:
        # nothing here evaluates them, and unfiltered rows would be wrong rows
        raise connector(1349, "Filters at the source are not supported by this source")
    _let_in(services, doc)
    if objectType.lower() == "root":
        return JSONResponse([_listed(name) for name in services.tables.names()])
    if not object:
        raise connector(1337, "Query parameter object is missing")
    return JSONResponse(_table(services, object, with_rows=preview.lower() == "true"))


def table_columns(services: Services, name: str) -> list[Document]:
    """The columns of a source table.

    :raises Problem: 1330-400 when there is no such table or it has no columns, 1308-400 when it cannot be read.
    """
    try:
        columns = services.tables.columns(name)
    except KeyError:
        raise connector(1330, f"Table {name[:100]} is not found") from None
    except TableError as error:
        raise connector(1308, str(error)) from None
    if not columns:
        raise connector(1330, f"Table {name[:100]} has no columns")
    return columns


def _table(services: Services, name: str, *, with_rows: bool) -> Document:
    columns = table_columns(services, name)
    answer: Document = {"format": "flat", "schema": {"columns": columns}}
    if with_rows:
        try:
            answer["data"] = services.tables.preview(name, _PREVIEW_ROWS)
        except TableError as error:
            raise connector(1308, str(error)) from None
    return answer


def _listed(name: str) -> Document:
    return {"type": "table", "name": name, "path": name, "canPreview": True, "canFetchSchema": True}


def _remember(services: Services, doc: Document, given: Document) -> None:
    """Keep the secrets of a connection for its answers, in memory only and only where a switch asks for it."""
    if services.settings.assume.secrets_in_answers != "echoed":
        return
    before = services.echoed.get(doc["id"], {})
    secrets = {name: given[name] for name in doc[INTERNAL]["secrets"]}
    services.echoed[doc["id"]] = {
        name: before.get(name, value) if value == credentials.MASK else value for name, value in secrets.items()
    }


def _spec(body: Document, services: Services) -> Document:
    given = body.get("connectionSpec")
    given = given if isinstance(given, dict) else {}
    spec = services.specs.connection(given.get("id"))
    if spec is None or not spec["authSpec"]:
        raise flow_service(1413, 400, "connectionSpec.id is not the id of a connection specification with credentials")
    if given.get("version", spec["version"]) != spec["version"]:
        raise flow_service(1413, 400, f"connection specification {spec['id']} has no such version")
    return spec


def _valid_auth(spec: Document, auth: Any) -> Document:
    if not isinstance(auth, dict) or not isinstance(auth.get("specName"), str):
        raise documents.missing("auth.specName")
    described = auth_spec(spec, auth["specName"])
    if described is None:
        raise flow_service(1415, 400, f"Auth spec {auth['specName'][:100]} is unknown for connection spec {spec['id']}")
    if not isinstance(auth.get("params"), dict):
        raise documents.missing("auth.params")
    for error in Draft7Validator(described["spec"]).iter_errors(auth["params"]):
        # The validator's own text repeats the value, which may be a secret.
        if error.validator == "required":
            raise documents.missing(f"auth.params: {error.message}")
        raise documents.missing("auth.params." + ".".join(map(str, error.absolute_path)))
    return {"specName": auth["specName"], "params": auth["params"]}


def _let_in(services: Services, connection: Document) -> None:
    if not credentials.accepted(services.accounts, connection):
        raise _wrong_credentials()


def _wrong_credentials() -> Problem:
    return connector(1308, "The source refused the connection: user name or password is not right")
