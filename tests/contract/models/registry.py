"""Schema Registry, in each form that Accept asks for."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal

from pydantic import Field, StringConstraints, model_validator

from .base import Closed, Count, Item, Milliseconds, Open, Organisation, SchemaId, Text, Uuid


class Stats(Open):
    imsOrg: Organisation
    tenantId: Text


class ShortSchema(Closed):
    id: SchemaId = Field(alias="$id")
    alternative: Text = Field(alias="meta:altId")
    version: Text
    title: Text


class Reference(Closed):
    ref: Text = Field(alias="$ref")
    type: Literal["object"]
    xdm_type: Literal["object"] = Field(alias="meta:xdmType")


class RegistryMetadata(Closed):
    created: Milliseconds = Field(alias="repo:createdDate")
    modified: Milliseconds = Field(alias="repo:lastModifiedDate")
    created_client: Text = Field(alias="xdm:createdClientId")
    modified_client: Text = Field(alias="xdm:lastModifiedClientId")
    created_user: Text = Field(alias="xdm:createdUserId")
    modified_user: Text = Field(alias="xdm:lastModifiedUserId")
    etag: Text = Field(alias="eTag")
    library: Text = Field(alias="meta:globalLibVersion")


class _SchemaHead(Closed):
    id: SchemaId = Field(alias="$id")
    alternative: Text = Field(alias="meta:altId")
    kind: Literal["schemas"] = Field(alias="meta:resourceType")
    version: Annotated[str, StringConstraints(pattern=r"^1\.\d+$")]
    type: Literal["object"]
    organisation: Organisation = Field(alias="imsOrg")
    extensible: Literal[False] = Field(alias="meta:extensible")
    abstract: Literal[False] = Field(alias="meta:abstract")
    extends: list[Text] = Field(alias="meta:extends")
    xdm_type: Literal["object"] = Field(alias="meta:xdmType")
    metadata: RegistryMetadata = Field(alias="meta:registryMetadata")
    class_: Text = Field(alias="meta:class")
    container: Literal["tenant"] = Field(alias="meta:containerId")
    sandbox: Uuid = Field(alias="meta:sandboxId")
    sandbox_type: Literal["production", "development"] = Field(alias="meta:sandboxType")
    namespace: Text = Field(alias="meta:tenantNamespace")

    @model_validator(mode="after")
    def _ids_agree(self) -> _SchemaHead:
        tenant, _, digest = self.id.removeprefix("https://ns.adobe.com/").partition("/schemas/")
        if self.alternative != f"_{tenant}.schemas.{digest}" or self.namespace != f"_{tenant}":
            raise ValueError(f"{self.id}, {self.alternative} and {self.namespace} do not belong together")
        return self


class Schema(_SchemaHead):
    """As it was composed (``xed``)."""

    title: Text
    description: str | None = None
    all_of: Annotated[list[Reference], Field(min_length=1)] = Field(alias="allOf")
    refs: list[Text]


class SchemaWithoutText(_SchemaHead):
    """``xed-notext``: no titles, no descriptions."""

    all_of: Annotated[list[Reference], Field(min_length=1)] = Field(alias="allOf")
    refs: list[Text]


class FullSchema(_SchemaHead):
    """``xed-full``: references resolved into properties."""

    title: Text
    description: str | None = None
    properties: dict[str, Any]
    required: list[str] | None = None


class FullSchemaWithoutText(_SchemaHead):
    properties: dict[str, Any]
    required: list[str] | None = None


class RegistryPage(Closed):
    orderby: Text | None
    next: Text | None
    count: Count


class Href(Closed):
    href: Text


class RegistryLinks(Closed):
    next: Href | None = None
    global_schemas: Href


class SchemaList(Closed, Generic[Item]):
    results: list[Item]
    page: RegistryPage = Field(alias="_page")
    links: RegistryLinks = Field(alias="_links")
