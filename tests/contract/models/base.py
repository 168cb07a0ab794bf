"""What all answers share: the forms of ids, times and etags, and what every object of Flow Service has."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from jsonschema import Draft7Validator
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

HEX = "[0-9a-f]"
UUID = rf"{HEX}{{8}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{12}}"


def _tail_is_a_second(etag: str) -> str:
    second = int(etag.strip('"').rpartition("-")[2][:8], 16)
    if not 1_500_000_000 < second < 2_500_000_000:
        raise ValueError(f"the last group of {etag} is no epoch second")
    return etag


def _is_schema(value: dict[str, Any]) -> dict[str, Any]:
    if "draft-07" not in value.get("$schema", ""):
        raise ValueError("a flow spec's schemas are of draft-07")
    Draft7Validator.check_schema(value)
    return value


Text = Annotated[str, StringConstraints(min_length=1)]
Uuid = Annotated[str, StringConstraints(pattern=rf"^{UUID}$")]
Hex24 = Annotated[str, StringConstraints(pattern=rf"^{HEX}{{24}}$")]
Hex32 = Annotated[str, StringConstraints(pattern=rf"^{HEX}{{32}}$")]
Etag = Annotated[
    str,
    StringConstraints(pattern=rf'^"{HEX}{{8}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{12}}"$'),
    AfterValidator(_tail_is_a_second),
]
Milliseconds = Annotated[int, Field(ge=10**12, lt=10**13)]
Seconds = Annotated[int, Field(ge=10**9, lt=10**10)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=-1)]  # -1 when AEP does not know
Link = Annotated[str, StringConstraints(pattern=r"^/[^/]")]  # relative to the service's root
JsonSchema = Annotated[dict[str, Any], AfterValidator(_is_schema)]
SchemaId = Annotated[str, StringConstraints(pattern=rf"^https://ns\.adobe\.com/[a-z0-9]+/schemas/{HEX}+$")]
Organisation = Annotated[str, StringConstraints(pattern="^[^@]+@AdobeOrg$")]
Person = Annotated[str, StringConstraints(pattern="^[^@]+@AdobeID$")]
State = Literal[
    "enabled",
    "disabled",
    "initializing",
    "inProgress",
    "updating",
    "enabling",
    "disabling",
    "pending",
    "enabled-finalizing",
    "delete-finalizing",
    "draft",
]


class Closed(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Open(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class Created(Closed):
    id: Uuid
    etag: Etag


class Next(Closed):
    href: Link


class Links(Closed):
    next: Next | None = None


Item = TypeVar("Item")


class Listing(Closed, Generic[Item]):
    items: list[Item]
    links: Links = Field(alias="_links")
    count: Count | None = None


class One(Closed, Generic[Item]):
    """GET of one object wraps it too."""

    items: Annotated[list[Item], Field(min_length=1, max_length=1)]
    links: Links | None = Field(alias="_links", default=None)


class OnlyCount(Closed):
    count: Count


class Spec(Closed):
    id: Uuid
    version: Text | None = None


class Kept(Closed):
    id: Uuid
    createdAt: Milliseconds
    updatedAt: Milliseconds
    createdBy: Person
    updatedBy: Person
    createdClient: Text
    updatedClient: Text
    sandboxId: Uuid
    sandboxName: Text
    imsOrgId: Organisation
    etag: Etag
    version: Etag | None = None

    @model_validator(mode="after")
    def _one_version(self) -> Kept:
        if self.version is not None and self.version != self.etag:
            raise ValueError("version equals etag")
        if self.createdAt > self.updatedAt:
            raise ValueError("updated before it was created")
        return self


class Named(Kept):
    version: Etag
    name: Text
    description: str | None = None
    state: State
    labels: list[str] | None = None
