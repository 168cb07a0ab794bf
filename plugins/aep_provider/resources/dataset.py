"""The dataset: where rows land."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aep_provider.errors import AepAnswerError
from aep_provider.platform.paging import catalog_objects
from aep_provider.platform.services import CATALOG
from aep_provider.resources.ensure import Existing
from aep_provider.resources.fingerprint import fingerprint, read_mark
from aep_provider.resources.named import NamedResource

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

    def find(self) -> list[Existing]:
        filters = [("property", f"name=={self.name}")]
        found = catalog_objects(self.client, "/dataSets", filters)
        return [self._existing(key, item) for key, item in found if item.get("name") == self.name]

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
            case [str(reference), *_]:
                return reference.rsplit("/", 1)[-1], None
        raise AepAnswerError(f"POST {COLLECTION}: the answer to a creation names no dataset.", ambiguous=True)

    def change(self, existing: Existing, description: str) -> str | None:
        """Tags can be changed, the schema cannot."""
        if existing.content["schema"] != self._schema_id:
            return super().change(existing, description)
        path = f"{COLLECTION}/{quote(existing.id, safe='')}"
        # Whether AEP merges tags or replaces them all is nowhere said, so those of others are sent along.
        there = self.client.get(path).body
        item = there.get(existing.id) if isinstance(there, dict) else None
        if not isinstance(item, dict):
            raise AepAnswerError(f"GET {COLLECTION}: the answer does not hold the dataset.")
        self.client.patch(path, json={"description": description, "tags": {**(item.get("tags") or {}), **self._tags}})
        return None

    def written_by_us(self, existing: Existing) -> bool:
        """A tag that we wrote once and want no longer looks like one of somebody else's; our mark tells them apart."""
        schema, ours = existing.content["schema"], existing.content["tags"]
        others = list(self._tags_of_others.get(existing.id, {}).items())[:_MOST_TAGS]
        perhaps = (some for count in range(len(others) + 1) for some in combinations(others, count))
        return any(existing.mark == fingerprint({"schema": schema, "tags": ours | dict(some)}) for some in perhaps)

    def _existing(self, key: str, item: Mapping[str, Any]) -> Existing:
        tags = item.get("tags") or {}
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
            created_at=item.get("created") or 0,
            description=item.get("description"),
        )


def _without_blanks(tags: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """AEP's own texts write both ``enabled:true`` and ``enabled: true``."""
    return {key: sorted(str(value).replace(" ", "") for value in values) for key, values in tags.items()}
