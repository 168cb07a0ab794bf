"""Who may do what: organisations, sandboxes, clients and source credentials, from a file or open to everybody.

The file is YAML or JSON::

    organisations:
      - id: 1234@AdobeOrg
        tenant: acme                 # derived from the id when left out
        sandboxes: [prod, dev]
    clients:
      - id: my-client
        secret: …
        organisation: 1234@AdobeOrg
        permissions:                 # left out: everything
          sources: [read, write]     # also schemas, datasets, mappings
          sandboxes: [prod]          # left out: all of the organisation; or rights of their own for each:
          # sandboxes: {prod: {sources: [read]}, dev: {}}
    source_credentials:
      - connector: service-now       # a connection spec's name or id
        params: {endpoint: https://…, username: …, password: …}
    connectors:
      retired: [oracle-service-cloud]         # no specification any more
      outside_flow_spec: [zoho-crm]           # a specification, but CRMToAEP does not serve it
"""

from __future__ import annotations

import hmac
import re
import uuid
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from aep_local.core.connectors import CONNECTORS

Right = Literal["read", "write"]
Service = Literal["sources", "schemas", "datasets", "mappings"]
DEFAULT_SANDBOXES = ("prod", "stage", "dev")
_CONNECTOR_IDS = {key: each.id for each in CONNECTORS for key in (each.id, each.name)}
_NAMESPACE = uuid.UUID("8b8e3a0e-6d0c-4c57-9b4b-4f0c8a0f6d11")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Organisation(_Model):
    """An organisation with its tenant id and its sandboxes."""

    id: str
    tenant: str = ""
    sandboxes: tuple[str, ...] = DEFAULT_SANDBOXES


class Rights(_Model):
    """What a client may do in a sandbox; None leaves it to the client's general rights."""

    sources: tuple[Right, ...] | None = None
    schemas: tuple[Right, ...] | None = None
    datasets: tuple[Right, ...] | None = None
    mappings: tuple[Right, ...] | None = None


class Permissions(_Model):
    """What a client may do; each service defaults to everything, in every sandbox of the organisation."""

    sources: tuple[Right, ...] = ("read", "write")
    schemas: tuple[Right, ...] = ("read", "write")
    datasets: tuple[Right, ...] = ("read", "write")
    mappings: tuple[Right, ...] = ("read", "write")
    sandboxes: dict[str, Rights] | None = None

    @field_validator("sandboxes", mode="before")
    @classmethod
    def _named_only(cls, value: Any) -> Any:
        return {each: {} for each in value} if isinstance(value, list) else value

    def opens(self, sandbox: str) -> bool:
        """Whether a client may enter a sandbox at all."""
        return self.sandboxes is None or sandbox in self.sandboxes

    def allows(self, service: Service, right: Right, sandbox: str) -> bool:
        """Whether a client may read or write with a service in a sandbox."""
        here = self.sandboxes.get(sandbox) if self.sandboxes else None
        own: tuple[Right, ...] | None = getattr(here, service, None)
        general: tuple[Right, ...] = getattr(self, service)
        return right in (general if own is None else own)


class Client(_Model):
    """A technical account: its credentials, its organisation and what it may do there."""

    id: str
    secret: SecretStr
    organisation: str
    permissions: Permissions = Permissions()


class SourceCredential(_Model):
    """Parameters with which a source system lets us in."""

    connector: str
    params: dict[str, SecretStr]


class Connectors(_Model):
    """Which sources are not as published, by the name or the id of their connection specification.

    :param retired: have no specification any more; what was made with them stays.
    :param outside_flow_spec: have one, but the flow specification does not serve it.
    """

    retired: tuple[str, ...] = ()
    outside_flow_spec: tuple[str, ...] = ()

    @field_validator("retired", "outside_flow_spec")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [each for each in value if each not in _CONNECTOR_IDS]
        if unknown:
            raise ValueError(f"{unknown[0]} is not the name or id of a connector")
        return value

    @property
    def retired_ids(self) -> frozenset[str]:
        """The ids of what is retired."""
        return frozenset(_CONNECTOR_IDS[each] for each in self.retired)

    @property
    def outside_ids(self) -> frozenset[str]:
        """The ids of what the flow specification does not serve."""
        return frozenset(_CONNECTOR_IDS[each] for each in self.outside_flow_spec)


class AccountsFile(_Model):
    """The content of an accounts file."""

    organisations: tuple[Organisation, ...]
    clients: tuple[Client, ...]
    source_credentials: tuple[SourceCredential, ...] = Field(default=())
    connectors: Connectors = Connectors()

    @model_validator(mode="after")
    def _clients_belong_somewhere(self) -> Self:
        known = {organisation.id for organisation in self.organisations}
        for client in self.clients:
            if client.organisation not in known:
                raise ValueError(f"client {client.id}: organisation {client.organisation} is not listed")
        return self


class Accounts:
    """The rules of one platform. Without a file everybody is let in.

    :param file: what the accounts file says.
    """

    def __init__(self, file: AccountsFile | None = None) -> None:
        self._open = file is None
        self._organisations = {each.id: each for each in file.organisations} if file else {}
        self._clients = {each.id: each for each in file.clients} if file else {}
        self.source_credentials = file.source_credentials if file else ()
        self.connectors = file.connectors if file else Connectors()

    @property
    def open(self) -> bool:
        """True when there is no accounts file."""
        return self._open

    def login(self, client_id: str, secret: str) -> bool:
        """Whether these client credentials are right."""
        if self._open:
            return bool(client_id and secret)
        client = self._clients.get(client_id)
        expected = client.secret.get_secret_value() if client else ""
        return hmac.compare_digest(expected.encode(), secret.encode()) and client is not None

    def may_enter(self, client_id: str, org: str) -> bool:
        """Whether a client works for an organisation."""
        client = self._clients.get(client_id)
        return self._open or (client is not None and client.organisation == org)

    def sandboxes(self, org: str) -> tuple[str, ...]:
        """The sandboxes of an organisation."""
        organisation = self._organisations.get(org)
        return organisation.sandboxes if organisation else DEFAULT_SANDBOXES

    def permissions(self, client_id: str) -> Permissions:
        """What a client may do."""
        client = self._clients.get(client_id)
        return client.permissions if client else Permissions()

    def tenant(self, org: str) -> str:
        """The tenant id of an organisation: lower-case letters and digits."""
        organisation = self._organisations.get(org)
        if organisation and organisation.tenant:
            return organisation.tenant
        return re.sub(r"[^a-z0-9]", "", org.partition("@")[0].lower()) or "tenant"


def sandbox_id(org: str, sandbox: str) -> str:
    """The uuid of a sandbox."""
    return str(uuid.uuid5(_NAMESPACE, f"{org}/{sandbox}"))


def load(path: Path | None) -> Accounts:
    """Read an accounts file; None lets everybody in.

    :raises ValueError: the file cannot be read or says something impossible; the text repeats no value of the file.
    """
    if path is None:
        return Accounts()
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        return Accounts(AccountsFile.model_validate(content))
    except OSError as error:
        raise ValueError(f"accounts file {path}: {error.strerror}") from None
    except (YAMLError, UnicodeDecodeError):
        raise ValueError(f"accounts file {path}: neither YAML nor JSON") from None
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)]
        raise ValueError(f"accounts file {path}: " + "; ".join(lines)) from None
