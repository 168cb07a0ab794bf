"""The mapping set: which source column goes to which XDM path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aep_provider.errors import AepAnswerError, AepConfigError
from aep_provider.platform.paging import data_prep_sets
from aep_provider.platform.services import DATA_PREP
from aep_provider.platform.wire import is_id
from aep_provider.resources.fingerprint import fingerprint
from aep_provider.resources.mapping import NormalMapping, normal_mapping, normal_mappings
from aep_provider.resources.resource import Document, Existing, Resource
from aep_provider.resources.shapes import relied_on
from aep_provider.verdict import milliseconds

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

COLLECTION = f"{DATA_PREP}/mappingSets"
CONTENT_TYPE = "application/vnd.adobe.xed-full+json;version=1"


class MappingSet(Resource):
    """
    A mapping set that should be there. Its natural key is its content: the same mappings to the same schema are the same set.

    A mapping set has no description, so the fingerprint stands in its name.
    """

    kind = "mapping set"
    collection = "mappingSets"

    def __init__(self, client: AepClient, *, schema_id: str, mappings: Sequence[object]) -> None:
        self._client = client
        self._schema_id = schema_id
        self._mappings = normal_mappings(mappings)

    @property
    def name(self) -> str:
        return f"airflow-aep {fingerprint(self.content())}"

    def content(self) -> dict[str, Any]:
        return _comparable(self._schema_id, self._mappings)

    def body(self) -> dict[str, Any]:
        """What is sent, also to be validated."""
        return {
            "name": self.name,
            "outputSchema": {"schemaRef": {"id": self._schema_id, "contentType": CONTENT_TYPE}},
            "mappings": self._mappings,
        }

    @classmethod
    def listing(cls, client: AepClient) -> Iterator[Document]:
        return (relied_on(item, cls.collection) for item in data_prep_sets(client))

    def search(self) -> Iterable[Document]:
        return data_prep_sets(self._client, {"name": self.name})

    def recognise(self, documents: Iterable[Document]) -> list[Existing]:
        """A list may leave out the mappings, so sets of the name are read."""
        named = [item for item in documents if item.get("name") == self.name]
        found = (self.existing(item) for item in named)
        return [one for one in found if one.content == self.content()]

    def existing(self, document: Document) -> Existing:
        """Return a set in the comparable form, whatever it is called."""
        relied_on(document, self.collection)
        told = document if document.get("mappings") else read(self._client, str(document["id"]))
        return _existing(told, self.name)

    def create(self, description: str) -> tuple[str, str | None]:  # noqa: ARG002  a mapping set has no description
        self._validate()
        answer = self._client.post(COLLECTION, json=self.body())
        if not (isinstance(answer.body, dict) and is_id(answer.body.get("id"))):
            raise AepAnswerError(f"POST {COLLECTION}: the answer to a creation bears no id.", ambiguous=True)
        return answer.body["id"], None

    def _validate(self) -> None:
        """Let AEP judge each mapping first: a mapping set cannot be deleted again."""
        answer = self._client.post(f"{COLLECTION}/validate", json=self.body())
        judged = answer.body.get("validationResponse") if isinstance(answer.body, dict) else None
        if not isinstance(judged, list):
            raise AepAnswerError(f"POST {COLLECTION}/validate: the answer bears no validationResponse.")
        refused = []
        for mapping, judgement in zip(self._mappings, judged, strict=False):
            if isinstance(judgement, Mapping) and judgement.get("status") == "FAILED":
                refused.append(f"{mapping['source']!r} to {mapping['destination']!r}: {_said(judgement.get('errors'))}")
        if refused:
            raise AepConfigError(
                f"AEP refuses {len(refused)} of {len(self._mappings)} mappings: {'; '.join(refused[:8])}"
            )


def read(client: AepClient, mapping_set_id: str, version: int | None = None) -> dict[str, Any]:
    """
    Return one mapping set in AEP's form.

    :param version: the newest by default.
    :raises AepNotFoundError: if there is none of this id in the sandbox.
    """
    params = None if version is None else {"version": str(version)}
    body = client.get(f"{COLLECTION}/{quote(mapping_set_id, safe='')}", params=params).body
    if not (isinstance(body, dict) and is_id(body.get("id"))):
        raise AepAnswerError(f"GET {COLLECTION}: the answer is no mapping set.")
    return relied_on(body, MappingSet.collection)


def schema_of(document: Mapping[str, Any]) -> str | None:
    """Return the ``$id`` of the schema that a mapping set leads to, in whichever dialect it is told."""
    output = (document.get("outputSchema") or {}).get("schemaRef") or document.get("schemaRef") or {}
    return output.get("id") or document.get("xdmSchema")


def _comparable(schema_id: Any, mappings: Sequence[NormalMapping]) -> dict[str, Any]:
    return {"schema": schema_id, "mappings": {mapping["destination"]: mapping for mapping in mappings}}


def _existing(document: Mapping[str, Any], name: str) -> Existing:
    mappings = [normal_mapping(mapping) for mapping in document.get("mappings") or []]
    content = _comparable(schema_of(document), mappings)
    return Existing(
        id=str(document["id"]),
        name=name,
        content=content,
        mark=name.rsplit(" ", 1)[-1] if document.get("name") == name else None,
        created_at=milliseconds(document.get("createdDate")) or 0,
        document=document,
    )


def _said(errors: object) -> str:
    parts = errors if isinstance(errors, list) else [errors]
    texts = [str(part.get("message") or part) if isinstance(part, Mapping) else str(part) for part in parts]
    return ", ".join(" ".join(text.split())[:200] for text in texts)
