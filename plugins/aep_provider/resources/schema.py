"""The target schema: an existing one, or a class with field groups, one of which may be derived from the table."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aep_provider.errors import AepAnswerError, AepConfigError, AepConflictError, AepDifferenceError, AepNotFoundError
from aep_provider.errors import AepInvalidRequestError as Refused
from aep_provider.platform.paging import registry_results
from aep_provider.platform.services import SCHEMA_REGISTRY
from aep_provider.platform.wire import is_id
from aep_provider.resources.fingerprint import contradictions, fingerprint, marked, missing, read_mark
from aep_provider.resources.named import NamedResource
from aep_provider.resources.names import nearest
from aep_provider.resources.resource import Document, Existing
from aep_provider.resources.shapes import relied_on
from aep_provider.resources.xdm import DerivedFields
from aep_provider.verdict import milliseconds

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
_WHOLE_LIST = "application/vnd.adobe.xed+json"
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
            return str(relied_on(entry, Schema.collection)["$id"])
    # The title of somebody else's schema may hold what filters cannot carry, such as a comma.
    known = {}
    for entry in registry_results(client, "/tenant/schemas", {"orderby": "title"}):
        known[str(entry.get("title"))] = str(relied_on(entry, Schema.collection)["$id"])
    if title_or_id in known:
        return known[title_or_id]
    raise AepConfigError(
        f"There is no schema with the title {title_or_id!r} in the sandbox.{nearest(title_or_id, known)}"
    )


class _RegistryResource(NamedResource):
    """What schemas and field groups have in common: a title that is unique over both of them."""

    key = "title"
    id_key = "$id"
    kinds_in_ids: frozenset[str]
    """What stands in the ``$id`` of its own kind."""

    def body(self) -> dict[str, Any]:
        raise NotImplementedError

    def comparable(self, document: Mapping[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def content(self) -> dict[str, Any]:
        return self.comparable(self.body())

    @classmethod
    def listing(cls, client: AepClient) -> Iterator[Document]:
        found = registry_results(client, f"/{cls.collection}", {"orderby": "title"}, accept=_WHOLE_LIST)
        return (relied_on(each, cls.collection) for each in found)

    def search(self) -> Iterable[Document]:
        return registry_results(self.client, f"/{self.collection}", _by_title(self.name))

    def recognise(self, documents: Iterable[Document]) -> list[Existing]:
        """A list may tell of each no more than its title; those are looked up."""
        named = [relied_on(each, self.collection) for each in documents if each.get("title") == self.name]
        return [self._existing(each if "allOf" in each else self._looked_up(str(each["$id"]))) for each in named]

    def frozen(self, existing: Existing) -> list[str]:
        """What is there stays, for datasets hold rows of it; what is missing can be added."""
        return contradictions(existing.content, self.content())

    def change(self, existing: Existing, description: str) -> str | None:
        """Add what is missing. The mark is that of all that is there then."""
        there = self._looked_up(existing.id)
        operations, after = self.additions(there)
        described = marked(description, fingerprint(self.comparable(after)))
        operation = "replace" if there.get("description") is not None else "add"
        operations.append({"op": operation, "path": "/description", "value": described})
        path = f"{SCHEMA_REGISTRY}/{self.collection}/{quote(existing.id, safe='')}"
        self.client.patch(path, json=operations, headers={"Accept": "application/json"})
        return None

    def additions(self, there: Document) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Return the operations that add what is missing, and the document that comes of them."""
        raise NotImplementedError

    def _looked_up(self, object_id: str) -> dict[str, Any]:
        return relied_on(_look_up(self.client, self.collection, object_id, _AS_WRITTEN), self.collection)

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
        if not (isinstance(answer.body, dict) and is_id(answer.body.get("$id"))):
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
            created_at=milliseconds(registry.get("repo:createdDate")) or 0,
            description=document.get("description"),
            document=document,
        )


class DerivedFieldGroup(_RegistryResource):
    """A field group of the tenant with one field for each column of a table."""

    kind = "field group"
    collection = "tenant/fieldgroups"
    kinds_in_ids = frozenset({"fieldgroups", "mixins"})
    fixed_because = "a field that is there cannot change its type: choose another title for the schema"

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

    def differences(self, existing: Existing) -> list[str]:
        """Fields that are no longer wanted stay; nothing is said about them."""
        return [
            *contradictions(existing.content, self.content()),
            *(f"{path}: missing in AEP, {json.dumps(value)} wanted" for path, value in self._missing(existing.content)),
        ]

    def _missing(self, content: Mapping[str, Any]) -> list[tuple[str, Any]]:
        return [(".".join(path), value) for path, value in missing(content["fields"], self.content()["fields"])]

    def additions(self, there: Document) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        after = copy.deepcopy(dict(there))
        after["definitions"] = after.get("definitions") or {"columns": {"properties": {}}}
        name = next(iter(after["definitions"]))
        operations = []
        for path, _ in missing(self.comparable(there)["fields"], self.content()["fields"]):
            steps = ["definitions", name]
            node, wanted = after["definitions"][name], {"properties": self._fields.properties()}
            for step in path:
                steps += ["properties", step]
                parent = node.setdefault("properties", {}) if isinstance(node, dict) else None
                if not isinstance(parent, dict) or "properties" not in wanted:
                    raise AepAnswerError(
                        f"The field group {self.name!r} cannot be extended: {'.'.join(path)} in AEP is not of its form."
                    )
                wanted = wanted["properties"][step]
                node = parent.setdefault(step, wanted)
            operations.append({"op": "add", "path": _pointer(steps), "value": wanted})
        return operations, after


class Schema(_RegistryResource):
    """
    A schema that should be there.

    :param class_id: ``$id`` of its class.
    :param field_groups: ``$id`` of each field group.
    """

    kind = "schema"
    collection = "tenant/schemas"
    kinds_in_ids = frozenset({"schemas"})
    fixed_because = "a schema keeps its class for good: choose another title, or name the existing schema"

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

    def differences(self, existing: Existing) -> list[str]:
        """Field groups that others added stay; nothing is said about them."""
        return [f"parts: {part} missing in AEP" for part in self._missing(existing.content)]

    def frozen(self, existing: Existing) -> list[str]:
        """A field group can be added, another class cannot."""
        return [f"parts: {part} missing in AEP" for part in self._missing(existing.content) if part == self._parts[0]]

    def additions(self, there: Document) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        added = [{"$ref": part} for part in self._missing(self.comparable(there))]
        operations = [{"op": "add", "path": "/allOf/-", "value": part} for part in added]
        return operations, {**there, "allOf": [*(there.get("allOf") or []), *added]}

    def _missing(self, content: Mapping[str, Any]) -> list[str]:
        return [part for part in self._parts if part not in content["parts"]]


def _by_title(title: str) -> list[tuple[str, str]]:
    return [("property", f"title=={title}"), ("orderby", "title")]


def _look_up(client: AepClient, collection: str, object_id: str, headers: Mapping[str, str]) -> dict[str, Any]:
    answer = client.get(f"{SCHEMA_REGISTRY}/{collection}/{quote(object_id, safe='')}", headers=headers)
    if not (isinstance(answer.body, dict) and is_id(answer.body.get("$id"))):
        raise AepAnswerError(f"GET {collection}: the answer is no object of the Schema Registry.")
    return answer.body


def _pointer(steps: Sequence[str]) -> str:
    """A path into a document, as JSON-Patch writes it."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def _type_only(node: Any) -> dict[str, Any]:
    """A field without what AEP adds to it (``meta:xdmType``, titles)."""
    if not isinstance(node, Mapping):
        return {}
    if isinstance(node.get("properties"), Mapping):
        return {name: _type_only(inner) for name, inner in node["properties"].items()}
    return {key: node[key] for key in ("type", "format") if key in node}
