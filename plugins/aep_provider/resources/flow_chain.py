"""The objects that a flow is made of, followed from its document: what each is called, and its id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aep_provider.errors import AepAnswerError, AepError, AepNotFoundError, one_line
from aep_provider.platform.services import CATALOG, SCHEMA_REGISTRY
from aep_provider.resources import flow_service, mapping_set
from aep_provider.verdict import mapping

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

_SCHEMA: Mapping[str, str] = {"Accept": "application/vnd.adobe.xed+json; version=1"}


@dataclass(frozen=True)
class Part:
    """
    An object of a dataflow.

    :param id: empty where nothing tells it.
    :param name: empty where it has none, or could not be read.
    :param flaw: why it could not be read, in a few words.
    """

    kind: str
    id: str = ""
    name: str = ""
    flaw: str = ""


def told_by(flow: Mapping[str, Any]) -> list[Part]:
    """Return what a flow's document alone tells of its chain, in the order in which rows pass it."""
    inherited = mapping(flow.get("inheritedAttributes"))
    base = next((mapping(mapping(one).get("baseConnection")) for one in inherited.get("sourceConnections") or []), {})
    by_name = {
        mapping(one).get("name"): mapping(mapping(one).get("params")) for one in flow.get("transformations") or []
    }
    return [
        Part("base connection", _text(base.get("id"))),
        Part("source connection", _first(flow.get("sourceConnectionIds"))),
        Part("schema"),
        Part("dataset"),
        Part("target connection", _first(flow.get("targetConnectionIds"))),
        Part("mapping set", _text(by_name.get("Mapping", {}).get("mappingId"))),
        Part("flow", _text(flow.get("id")), _text(flow.get("name"))),
    ]


def read_chain(client: AepClient, flow: Mapping[str, Any]) -> list[Part]:
    """
    Return the whole chain; seven requests at the most. What cannot be read says why, and costs the others nothing.

    :raises AepError: none of it can be read.
    """
    parts = {part.kind: part for part in told_by(flow)}
    source = _read(parts, "source connection", lambda one: flow_service.read(client, "sourceConnections", one))
    if not parts["base connection"].id:
        parts["base connection"] = Part("base connection", _text(source.get("baseConnectionId")))
    _read(parts, "base connection", lambda one: flow_service.read(client, "connections", one))
    target = _read(parts, "target connection", lambda one: flow_service.read(client, "targetConnections", one))
    parts["dataset"] = Part("dataset", _text(mapping(target.get("params")).get("dataSetId")))
    dataset = _read(parts, "dataset", lambda one: _dataset(client, one))
    schema = mapping(dataset.get("schemaRef")).get("id") or mapping(mapping(target.get("data")).get("schema")).get("id")
    parts["schema"] = Part("schema", _text(schema))
    _read(parts, "schema", lambda one: _schema(client, one))
    _read(parts, "mapping set", lambda one: mapping_set.read(client, one))
    return list(parts.values())


def _read(parts: dict[str, Part], kind: str, look: Any) -> Mapping[str, Any]:
    """Look a part up, and put its name into the chain."""
    part = parts[kind]
    if not part.id:
        return {}
    try:
        document: Mapping[str, Any] = look(part.id)
    except AepNotFoundError:
        parts[kind] = Part(kind, part.id, flaw="not there any more")
    except AepError as error:
        if error.final and not isinstance(error, AepAnswerError) and kind == "source connection":
            raise
        parts[kind] = Part(kind, part.id, flaw=one_line(error, 200))
    else:
        parts[kind] = Part(kind, part.id, _text(document.get("name") or document.get("title")))
        return document
    return {}


def _dataset(client: AepClient, dataset_id: str) -> Mapping[str, Any]:
    """Catalog tells one object as it tells many: by its id."""
    return mapping(mapping(client.get(f"{CATALOG}/dataSets/{quote(dataset_id, safe='')}").body).get(dataset_id))


def _schema(client: AepClient, schema_id: str) -> Mapping[str, Any]:
    path = f"{SCHEMA_REGISTRY}/tenant/schemas/{quote(schema_id, safe='')}"
    return mapping(client.get(path, headers=_SCHEMA).body)


def _first(ids: object) -> str:
    return _text(ids[0]) if isinstance(ids, list) and ids else ""


def _text(value: object) -> str:
    return one_line(value, 300) if isinstance(value, str) else ""
