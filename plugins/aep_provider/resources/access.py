"""Whether the credentials of a connection let us in: token, organisation, sandbox and permissions, one after another."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aep_provider.errors import (
    AepAuthenticationError,
    AepError,
    AepInvalidRequestError,
    AepPermissionError,
    AepSandboxError,
)
from aep_provider.platform.services import FLOW_SERVICE
from aep_provider.resources.facts import Facts

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient


class Door(StrEnum):
    """What has to open before AEP answers, in this order."""

    TOKEN = "token"  # noqa: S105
    """Adobe's identity service takes client id, secret and scopes, and AEP the token and the API key."""
    GATEWAY = "gateway"
    """AEP answers at all."""
    ORGANISATION = "organisation"
    SANDBOX = "sandbox"
    PERMISSIONS = "permissions"
    """The technical account may read what the steps of a dataflow read."""


# Flow Service: no access to the organisation, none named, malformed. Gateway: none named, no profile in it.
_ORGANISATION_NUMBERS: Final = frozenset({2000, 2001, 2002, 400003, 403025, 403027})
# Those of the gateway itself about the token and the API key.
_GATEWAY_NUMBERS: Final = range(400_000, 500_000)


@dataclass(frozen=True)
class Access:
    """How far the credentials lead.

    :param sandbox: the one that was asked for.
    :param closed: the door that stays closed; ``None`` if all are open.
    :param why: AEP's words, and how to mend it.
    """

    sandbox: str
    closed: Door | None = None
    why: str = ""

    def __str__(self) -> str:
        """What was tried, on one line."""
        if self.closed is None:
            return (
                f"Token, organisation, sandbox {self.sandbox} and permissions are right: sources, schemas, datasets and "
                "mapping sets may be read. Whether they may be created shows when the first one is."
            )
        doors = list(Door)
        opened = ", ".join(doors[: doors.index(self.closed)])
        return f"The test of the {self.closed} failed{f' (right: {opened})' if opened else ''}. {self.why}"


def check_access(client: AepClient) -> Access:
    """
    Try one door after another, only reading, with five requests at the most, and say which one stays closed.

    AEP's errors are part of the answer and not raised.
    """
    sandbox = client.settings.sandbox
    try:
        client.authorise()
    except AepError as error:
        return Access(sandbox, Door.TOKEN, str(error))
    denied = {}
    try:
        client.get(f"{FLOW_SERVICE}/connections", params={"limit": "1"})
    except AepError as error:
        door = _door(error)
        if door is not Door.PERMISSIONS:
            return Access(sandbox, door, _mended(error, door))
        denied["sources"] = error
    facts = Facts(client)
    others = {
        "schemas": facts.tenant,
        "datasets": facts.datasets_are_readable,
        "mapping sets": facts.mapping_sets_are_readable,
    }
    for what, read in others.items():
        try:
            read()
        except AepPermissionError as error:
            denied[what] = error
        except AepError as error:
            return Access(sandbox, Door.GATEWAY, str(error))
    if denied:
        first = next(iter(denied.values()))
        return Access(sandbox, Door.PERMISSIONS, f"Not allowed to read {', '.join(denied)}: {first}")
    return Access(sandbox)


def _door(error: AepError) -> Door:
    if isinstance(error, AepSandboxError):
        return Door.SANDBOX
    if not isinstance(error, AepAuthenticationError | AepPermissionError | AepInvalidRequestError):
        return Door.GATEWAY
    if error.number in _ORGANISATION_NUMBERS:
        return Door.ORGANISATION
    if isinstance(error, AepAuthenticationError) or error.number in _GATEWAY_NUMBERS:
        return Door.TOKEN
    return Door.PERMISSIONS if isinstance(error, AepPermissionError) else Door.GATEWAY


def _mended(error: AepError, door: Door) -> str:
    if door is Door.ORGANISATION:
        error.hint = (
            "Set the organisation ID (ims_org_id) to the one that the client id was made in, as in "
            "1234567890ABCDEF@AdobeOrg"
        )
    return str(error)
