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
          sandboxes: [prod]          # left out: all of the organisation
    source_credentials:
      - connector: servicenow        # a connection spec's name or id
        params: {endpoint: https://…, username: …, password: …}
"""

from __future__ import annotations

import hmac
import re
import uuid
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

Right = Literal["read", "write"]
Service = Literal["sources", "schemas", "datasets", "mappings"]
DEFAULT_SANDBOXES = ("prod", "stage", "dev")
_NAMESPACE = uuid.UUID("8b8e3a0e-6d0c-4c57-9b4b-4f0c8a0f6d11")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Organisation(_Model):
    """An organisation with its tenant id and its sandboxes."""

    id: str
    tenant: str = ""
    sandboxes: tuple[str, ...] = DEFAULT_SANDBOXES


class Permissions(_Model):
    """What a client may do; each service defaults to everything."""

    sources: tuple[Right, ...] = ("read", "write")
    schemas: tuple[Right, ...] = ("read", "write")
    datasets: tuple[Right, ...] = ("read", "write")
    mappings: tuple[Right, ...] = ("read", "write")
    sandboxes: tuple[str, ...] | None = None


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


class AccountsFile(_Model):
    """The content of an accounts file."""

    organisations: tuple[Organisation, ...]
    clients: tuple[Client, ...]
    source_credentials: tuple[SourceCredential, ...] = Field(default=())

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
