"""Objects whose natural key is a name that people give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aep_provider.resources.names import check_name
from aep_provider.resources.resource import Resource

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient


class NamedResource(Resource):
    """
    An object with a name and a description.

    :param name: the natural key; must be one that AEP's filters can find again.
    :param description: what people read about it; the mark is appended.
    """

    def __init__(self, client: AepClient, name: str, description: str | None = None) -> None:
        self.client = client
        self._name = check_name(name, f"name of the {self.kind}")
        self._description = description

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str | None:
        return self._description
