"""How a schema may change once data can be written with it: by additions only.

A dataset, or the tag ``union``, binds a schema, and with it every document that it is put together from. From then on no
field is taken away, becomes another kind or takes fewer values; new fields, new demands and other texts are allowed.
"""

from __future__ import annotations

from collections.abc import Iterator

from aep_local.core.holdings import DATASETS
from aep_local.core.store import Document
from aep_local.schema_registry import documents
from aep_local.web.gateway import Caller
from aep_local.web.services import Services
from aep_local.xdm import fields as xdm
from aep_local.xdm import standard as registry_data


def check(changed: Document, caller: Caller, services: Services) -> None:
    """Refuse a change that is more than an addition to a schema that is bound.

    :param changed: the document as it would be; the store still has it as it is.
    :raises Problem: 400.
    """
    before = xdm.loader(services.store, caller.scope)

    def after(id: str) -> Document | None:
        return changed if id == changed["$id"] else before(id)

    for schema in _bound(changed["$id"], caller, services):
        try:
            there = xdm.tree(xdm.expanded(after(schema["$id"]) or schema, after))
        except xdm.SchemaError as error:
            raise documents.bad(f"schema {schema['$id']} is in use: {error}") from None
        lost = next(_losses(xdm.tree(xdm.expanded(schema, before)), there), None)
        if lost is not None:
            raise documents.bad(f"schema {schema['$id']} is in use, so nothing can be taken away: {lost}")


def _bound(id: str, caller: Caller, services: Services) -> Iterator[Document]:
    """The schemas with datasets, or with the tag ``union``, that a document is part of."""
    store, scope = services.store, caller.scope
    used = {dataset["schemaRef"]["id"] for dataset in store.all(DATASETS, scope)}
    parts = _containing(id, [doc for kind in xdm.KINDS for doc in store.all(kind, scope)])
    for schema in store.all("schemas", scope):
        tagged = registry_data.UNION_TAG in schema.get("meta:immutableTags", [])
        if schema["$id"] in parts and (tagged or schema["$id"] in used):
            yield schema


def _containing(id: str, docs: list[Document]) -> set[str]:
    """A document and all that refer to it, directly or through others."""
    references = {doc["$id"]: set(documents.references(doc)) for doc in docs}
    reached = {id}
    while more := {each for each, named in references.items() if each not in reached and named & reached}:
        reached |= more
    return reached


def _losses(before: xdm.Field, after: xdm.Field | None) -> Iterator[str]:
    """What a field and all below it would lose."""
    if after is None:
        yield f"field {before.path} would be gone"
        return
    if after.kind != before.kind:
        yield f"field {before.path} would become {after.kind}, it is {before.kind}"
        return
    if _is_narrower(before, after):
        yield f"field {before.path} would take fewer values"
    for name, each in before.fields.items():
        yield from _losses(each, after.fields.get(name))
    if before.item is not None:
        yield from _losses(before.item, after.item)


def _is_narrower(before: xdm.Field, after: xdm.Field) -> bool:
    if after.enum and not (before.enum and set(before.enum) <= set(after.enum)):
        return True
    floors = ((before.minimum, after.minimum), (before.min_length, after.min_length))
    ceilings = ((before.maximum, after.maximum), (before.max_length, after.max_length))
    return any(new is not None and (old is None or new > old) for old, new in floors) or any(
        new is not None and (old is None or new < old) for old, new in ceilings
    )
