"""Where the rows of a dataflow come from and where they go, in the names that lineage goes by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from aep_provider.resources.columns import Column
    from aep_provider.resources.mapping import NormalMapping

SCHEME = "aep"
"""Of the URIs that stand for datasets: ``aep://<sandbox>/<dataset>``, both quoted."""


@dataclass(frozen=True)
class Lineage:
    """
    One dataflow, as lineage has it.

    :param sandbox: of the dataset.
    :param dataset: its name.
    :param source: the source system, a namespace such as ``servicenow://example.service-now.com``; empty if it is not known.
    :param table: as AEP's explore calls it.
    :param organisation: whose sandbox it is.
    :param columns: of the table, each with its type (empty where it is not known).
    :param fields: of the dataset that a mapping fills: paths with dots, each with its type.
    :param origins: by such a path, the column that comes there as it is.
    """

    sandbox: str
    dataset: str
    source: str = ""
    table: str = ""
    organisation: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: object) -> Lineage | None:
        """Return what :meth:`as_json` made a document of, or a template a text; None of anything else."""
        if isinstance(document, str):
            try:
                document = json.loads(document)
            except (ValueError, RecursionError):
                return None
        if not isinstance(document, Mapping) or not (document.get("sandbox") and document.get("dataset")):
            return None
        texts = {key: str(document.get(key) or "") for key in ("sandbox", "dataset", "source", "table", "organisation")}
        pairs = {key: _texts(document.get(key)) for key in ("columns", "fields", "origins")}
        return cls(**texts, **pairs)  # type: ignore[arg-type]

    def as_json(self) -> dict[str, Any]:
        """Return it in plain JSON types, without what is not known."""
        return {key: value for key, value in asdict(self).items() if value}

    def settled(
        self, columns: Sequence[Column], mappings: Sequence[NormalMapping], types: Mapping[str, str]
    ) -> Lineage:
        """Return it with what a check has settled."""
        names = {str(column["name"]): _type_of(column) for column in columns}
        return Lineage(
            self.sandbox,
            self.dataset,
            self.source,
            self.table,
            self.organisation,
            columns=names,
            fields={one["destination"]: types.get(one["destination"], "") for one in mappings},
            origins={
                one["destination"]: one["source"]
                for one in mappings
                if one["sourceType"] == "ATTRIBUTE" and one["source"] in names
            },
        )


def source_namespace(source: str, address: str | None, otherwise: str) -> str:
    """
    Return the namespace of a source system: ``<source>://<host>``, as OpenLineage names databases.

    :param address: of the system: a URL, or a host; nothing of it but host and port is taken.
    :param otherwise: what else tells it from others of its kind, where it has no address: its base connection.
    """
    try:
        parts = urlsplit(address if address and "://" in address else f"//{address or ''}")
        host = f"{parts.hostname}:{parts.port}" if parts.hostname and parts.port else parts.hostname
    except ValueError:
        host = None
    return f"{source}://{host or quote(otherwise, safe='')}"


def dataset_uri(sandbox: str, dataset: str) -> str:
    """Return the URI that stands for a dataset."""
    return f"{SCHEME}://{quote(sandbox, safe='')}/{quote(dataset, safe='')}"


def dataset_of_uri(uri: str) -> tuple[str, str] | None:
    """Return sandbox and name of the dataset that a URI stands for, None if it stands for something else."""
    scheme, _, rest = uri.partition("://")
    sandbox, _, dataset = rest.partition("/")
    if scheme != SCHEME or not sandbox or not dataset or "/" in dataset:
        return None
    return unquote(sandbox), unquote(dataset)


def _type_of(column: Column) -> str:
    return str(column.get("type") or (column.get("xdm") or {}).get("type") or "")


def _texts(value: object) -> dict[str, str]:
    return {str(key): str(each or "") for key, each in value.items()} if isinstance(value, Mapping) else {}
