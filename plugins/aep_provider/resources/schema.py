"""The target schema: an existing one, or a class with field groups, one of which may be derived from the table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aep_provider.errors import AepAnswerError, AepConfigError, AepConflictError, AepDifferenceError, AepNotFoundError
from aep_provider.errors import AepInvalidRequestError as Refused
from aep_provider.platform.paging import registry_results
from aep_provider.platform.services import SCHEMA_REGISTRY
from aep_provider.resources.ensure import Existing
from aep_provider.resources.fingerprint import read_mark
from aep_provider.resources.named import NamedResource
from aep_provider.resources.names import nearest
from aep_provider.resources.xdm import DerivedFields

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

PROFILE_CLASS = "https://ns.adobe.com/xdm/context/profile"
_STANDARD = "https://ns.adobe.com/xdm/context/"
# Field groups were called mixins once, and their ids still are.
_KINDS_IN_IDS = frozenset({"schemas", "fieldgroups", "mixins"})
# Of the tenant's own: https://ns.adobe.com/{TENANT_ID}/mixins/{hash}
_TENANT_ID = re.compile(r"https://ns\.adobe\.com/[^/]+/(schemas|classes|mixins|fieldgroups)/[0-9a-f]+")
_ONE_OF = {"classes": "class", "fieldgroups": "field group", "schemas": "schema"}
_AS_WRITTEN = {"Accept": "application/vnd.adobe.xed+json; version=1"}
_RESOLVED = {"Accept": "application/vnd.adobe.xed-full+json; version=1"}


def full_id(name: str) -> str:
    """Return the ``$id`` of a standard class or field group that was named by its last part: ``"profile"``."""
    return name if "://" in name else _STANDARD + name


def tenant_id(client: AepClient) -> str:
    """Return the organisation's ``TENANT_ID``, under which (with a leading underscore) its own fields stand."""
    body = client.get(f"{SCHEMA_REGISTRY}/stats", headers={"Accept": "application/json"}).body
    tenant = body.get("tenantId") if isinstance(body, dict) else None
    if not isinstance(tenant, str) or not tenant:
        raise AepAnswerError("GET /stats of the Schema Registry: the answer bears no tenantId.")
    return tenant


def resolved(client: AepClient, kind: str, object_id: str) -> dict[str, Any]:
    """
    Return a class, field group or schema with all its fields in place.

    :param kind: ``classes``, ``fieldgroups`` or ``schemas``.
    :raises AepConfigError: if there is none of this id.
    """
    containers = ["tenant", "global"] if _TENANT_ID.fullmatch(object_id) else ["global", "tenant"]
    try:
        return _look_up(client, f"{containers[0]}/{kind}", object_id, _RESOLVED)
    except AepNotFoundError:
        # An id only hints at where its object lives.
        with suppress(AepNotFoundError):
            return _look_up(client, f"{containers[1]}/{kind}", object_id, _RESOLVED)
        raise AepConfigError(
            f"There is no {_ONE_OF[kind]} {object_id!r} in the sandbox, neither Adobe's nor your own: check its $id."
        ) from None


def existing_schema(client: AepClient, title_or_id: str) -> str:
    """
    Return the ``$id`` of a schema of the sandbox that a user named by title or by ``$id``.

    :raises AepConfigError: if there is none of this title; the message names the nearest.
    """
    if title_or_id.startswith("https://"):
        try:
            return str(_look_up(client, "tenant/schemas", title_or_id, _AS_WRITTEN)["$id"])
        except AepNotFoundError:
            raise AepConfigError(f"There is no schema {title_or_id!r} in the sandbox: check its $id.") from None
    for entry in registry_results(client, "/tenant/schemas", _by_title(title_or_id)):
        if entry.get("title") == title_or_id:
            return str(entry["$id"])
    # The title of somebody else's schema may hold what filters cannot carry, such as a comma.
    known = {}
    for entry in registry_results(client, "/tenant/schemas", {"orderby": "title"}):
        known[str(entry.get("title"))] = str(entry["$id"])
    if title_or_id in known:
        return known[title_or_id]
    raise AepConfigError(
        f"There is no schema with the title {title_or_id!r} in the sandbox.{nearest(title_or_id, known)}"
    )


class _RegistryResource(NamedResource):
    """What schemas and field groups have in common: a title that is unique over both of them."""

    collection: str
    kinds_in_ids: frozenset[str]
    """What stands in the ``$id`` of its own kind."""

    def body(self) -> dict[str, Any]:
        raise NotImplementedError

    def comparable(self, document: Mapping[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def content(self) -> dict[str, Any]:
        return self.comparable(self.body())

    def find(self) -> list[Existing]:
        found = registry_results(self.client, f"/{self.collection}", _by_title(self.name))
        ids = [str(entry["$id"]) for entry in found if entry.get("title") == self.name]
        return [self._existing(_look_up(self.client, self.collection, one, _AS_WRITTEN)) for one in ids]

    def create(self, description: str) -> tuple[str, str | None]:
        try:
            answer = self.client.post(
                f"{SCHEMA_REGISTRY}/{self.collection}",
                json={**self.body(), "description": description},
                headers={"Accept": "application/json"},
            )
        except Refused as error:
            self._explain_taken_title(error)
            raise
        if not (isinstance(answer.body, dict) and isinstance(answer.body.get("$id"), str)):
            raise AepAnswerError(f"POST {self.collection}: the answer to a creation bears no $id.", ambiguous=True)
        return answer.body["$id"], None

    def _explain_taken_title(self, error: Refused) -> None:
        """A title may be taken by our own earlier request, or for good by an object of the other kind."""
        detail = error.detail or ""
        if "must be unique" not in detail:
            return
        if any(f"/{kind}/" in detail for kind in _KINDS_IN_IDS - self.kinds_in_ids):
            raise AepDifferenceError(
                f"The title {self.name!r} is taken by an object of another kind ({detail}): titles are unique over schemas "
                "and field groups. Choose another one."
            ) from error
        raise AepConflictError(
            status=error.status, title=error.title, detail=detail, code=error.code, number=error.number,
            request_id=error.request_id, method=error.method, path=error.path,
        ) from error  # fmt: skip

    def _existing(self, document: Mapping[str, Any]) -> Existing:
        registry = document.get("meta:registryMetadata") or {}
        return Existing(
            id=str(document["$id"]),
            name=self.name,
            content=self.comparable(document),
            mark=read_mark(document.get("description")),
            created_at=registry.get("repo:createdDate") or 0,
            description=document.get("description"),
        )


class DerivedFieldGroup(_RegistryResource):
    """A field group of the tenant with one field for each column of a table."""

    kind = "field group"
    collection = "tenant/fieldgroups"
    kinds_in_ids = frozenset({"fieldgroups", "mixins"})
    fixed_because = "fields of a schema in use cannot be changed or taken away: choose another title for the schema"

    def __init__(
        self, client: AepClient, *, title: str, class_id: str, fields: DerivedFields, description: str | None = None
    ) -> None:
        super().__init__(client, title, description)
        self._class_id = class_id
        self._fields = fields

    def body(self) -> dict[str, Any]:
        return {
            "type": "object",
            "title": self.name,
            "meta:intendedToExtend": [self._class_id],
            "definitions": {"columns": {"properties": self._fields.properties()}},
            "allOf": [{"$ref": "#/definitions/columns"}],
        }

    def comparable(self, document: Mapping[str, Any]) -> dict[str, Any]:
        definitions = document.get("definitions") or {}
        properties: dict[str, Any] = {}
        for definition in definitions.values():
            properties |= definition.get("properties") or {}
        return {
            "class": sorted(document.get("meta:intendedToExtend") or []),
            "fields": {name: _type_only(node) for name, node in properties.items()},
        }


class Schema(_RegistryResource):
    """
    A schema that should be there.

    :param class_id: ``$id`` of its class.
    :param field_groups: ``$id`` of each field group.
    """

    kind = "schema"
    collection = "tenant/schemas"
    kinds_in_ids = frozenset({"schemas"})
    fixed_because = "changing a schema changes every dataset of it: choose another title, or name the existing schema"

    def __init__(
        self,
        client: AepClient,
        *,
        title: str,
        class_id: str,
        field_groups: Sequence[str],
        description: str | None = None,
    ) -> None:
        super().__init__(client, title, description)
        self._parts = [class_id, *field_groups]

    def body(self) -> dict[str, Any]:
        return {"type": "object", "title": self.name, "allOf": [{"$ref": part} for part in self._parts]}

    def comparable(self, document: Mapping[str, Any]) -> dict[str, Any]:
        return {"parts": sorted(str(part.get("$ref")) for part in document.get("allOf") or [])}


def _by_title(title: str) -> list[tuple[str, str]]:
    return [("property", f"title=={title}"), ("orderby", "title")]


def _look_up(client: AepClient, collection: str, object_id: str, headers: Mapping[str, str]) -> dict[str, Any]:
    answer = client.get(f"{SCHEMA_REGISTRY}/{collection}/{quote(object_id, safe='')}", headers=headers)
    if not isinstance(answer.body, dict):
        raise AepAnswerError(f"GET {collection}: the answer is no object.")
    return answer.body


def _type_only(node: Mapping[str, Any]) -> dict[str, Any]:
    """A field without what AEP adds to it (``meta:xdmType``, titles)."""
    if isinstance(node.get("properties"), Mapping):
        return {name: _type_only(inner) for name, inner in node["properties"].items()}
    return {key: node[key] for key in ("type", "format") if key in node}
