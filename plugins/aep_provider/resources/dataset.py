"""The dataset: where rows land."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aep_provider.errors import AepAnswerError
from aep_provider.platform.paging import catalog_objects
from aep_provider.platform.services import CATALOG
from aep_provider.platform.wire import is_id
from aep_provider.resources.fingerprint import differences, fingerprint, read_mark
from aep_provider.resources.named import NamedResource
from aep_provider.resources.resource import Document, Existing
from aep_provider.resources.shapes import TAGS, relied_on, shaped
from aep_provider.verdict import milliseconds

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

COLLECTION = f"{CATALOG}/dataSets"
CONTENT_TYPE = "application/vnd.adobe.xed+json;version=1"
# Each further one doubles how many fingerprints a look at an edited dataset takes.
_MOST_TAGS = 12


class Dataset(NamedResource):
    """
    A dataset that should be there.

    :param schema_id: ``$id`` of its schema, which AEP does not let one change.
    :param tags: for example ``{"unifiedProfile": ["enabled:true"]}``; tags that others set are left alone.
    """

    kind = "dataset"
    collection = "dataSets"
    fixed_because = "AEP keeps a dataset's schema for good: choose another name for the dataset"

    def __init__(
        self,
        client: AepClient,
        *,
        name: str,
        schema_id: str,
        tags: Mapping[str, Sequence[str]] | None = None,
        description: str | None = None,
    ) -> None:
        super().__init__(client, name, description)
        self._schema_id = schema_id
        self._tags = {key: list(values) for key, values in (tags or {}).items()}
        self._tags_of_others: dict[str, dict[str, list[str]]] = {}

    def content(self) -> dict[str, Any]:
        return {"schema": self._schema_id, "tags": _without_blanks(self._tags)}

    @classmethod
    def listing(cls, client: AepClient) -> Iterator[Document]:
        return (relied_on(each, cls.collection) for each in _with_ids(catalog_objects(client, "/dataSets")))

    def search(self) -> Iterable[Document]:
        return _with_ids(catalog_objects(self.client, "/dataSets", [("property", f"name=={self.name}")]))

    def recognise(self, documents: Iterable[Document]) -> list[Existing]:
        return [self._existing(relied_on(item, self.collection)) for item in documents if item.get("name") == self.name]

    def create(self, description: str) -> tuple[str, str | None]:
        body: dict[str, Any] = {
            "name": self.name,
            "description": description,
            "schemaRef": {"id": self._schema_id, "contentType": CONTENT_TYPE},
        }
        if self._tags:
            body["tags"] = self._tags
        answer = self.client.post(COLLECTION, json=body)
        match answer.body:
            case [str(reference), *_] if is_id(made := reference.rsplit("/", 1)[-1]):
                return made, None
        raise AepAnswerError(f"POST {COLLECTION}: the answer to a creation names no dataset.", ambiguous=True)

    def frozen(self, existing: Existing) -> list[str]:
        """Tags can be changed, the schema cannot."""
        return differences(existing.content["schema"], self._schema_id, "schema")

    def change(self, existing: Existing, description: str) -> str | None:
        path = f"{COLLECTION}/{quote(existing.id, safe='')}"
        # Whether AEP merges tags or replaces them all is nowhere said, so those of others are sent along.
        there = self.client.get(path).body
        item = there.get(existing.id) if isinstance(there, dict) else None
        if not isinstance(item, dict):
            raise AepAnswerError(f"GET {COLLECTION}: the answer does not hold the dataset.")
        tags = _tags_of(relied_on({**item, "id": existing.id}, self.collection))
        self.client.patch(path, json={"description": description, "tags": {**tags, **self._tags}})
        return None

    def written_by_us(self, existing: Existing) -> bool:
        """A tag that we wrote once and want no longer looks like one of somebody else's; our mark tells them apart."""
        schema, ours = existing.content["schema"], existing.content["tags"]
        others = list(self._tags_of_others.get(existing.id, {}).items())[:_MOST_TAGS]
        perhaps = (some for count in range(len(others) + 1) for some in combinations(others, count))
        return any(existing.mark == fingerprint({"schema": schema, "tags": ours | dict(some)}) for some in perhaps)

    def _existing(self, item: Document) -> Existing:
        key = str(item["id"])
        tags = _tags_of(item)
        others = {name: values for name, values in tags.items() if name not in self._tags}
        self._tags_of_others[key] = _without_blanks(others)
        return Existing(
            id=key,
            name=self.name,
            content={
                "schema": (item.get("schemaRef") or {}).get("id"),
                "tags": _without_blanks({name: tags[name] for name in self._tags if name in tags}),
            },
            mark=read_mark(item.get("description")),
            created_at=milliseconds(item.get("created")) or 0,
            description=item.get("description"),
            document=item,
        )


def _with_ids(objects: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[Document]:
    """Catalog tells ids as keys."""
    return ({**item, "id": key} for key, item in objects)


def _tags_of(item: Mapping[str, Any]) -> Mapping[str, list[Any]]:
    return shaped(item.get("tags") or {}, TAGS, f"the tags of the dataset {item['id']}")


def _without_blanks(tags: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """AEP's own texts write both ``enabled:true`` and ``enabled: true``."""
    return {key: sorted(str(value).replace(" ", "") for value in values) for key, values in tags.items()}
