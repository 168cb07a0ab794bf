"""What went wrong while AEP was asked, in a sentence, and what to do about it in another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from airflow.sdk.exceptions import AirflowNotFoundException

from aep_provider.errors import (
    AepAuthenticationError,
    AepConfigError,
    AepError,
    AepPermissionError,
    AepSandboxError,
    AepServerError,
    AepThrottledError,
    AepTransportError,
    one_line,
)
from aep_provider.ui.places import Place

_KINDS: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (
        AirflowNotFoundException,
        "There is no Airflow connection {conn_id}.",
        "Make it, or name another one as page_connections in the section [aep] of Airflow's configuration.",
    ),
    (
        AepAuthenticationError,
        "AEP does not let us in: it refuses the credentials of the Airflow connection {conn_id}.",
        "Give the connection a client ID and secret that are valid, and press Test.",
    ),
    (
        AepSandboxError,
        "AEP does not know the sandbox of {place}, or does not let the account into it.",
        "Check the sandbox's name (not its title), and that the account of {conn_id} may use it.",
    ),
    (
        AepPermissionError,
        "The account of the Airflow connection {conn_id} may not read the flows and runs of this sandbox.",
        "Give its product profile in Adobe's Admin Console the permission to view sources in this sandbox.",
    ),
    (AepConfigError, "What Airflow is told about {place} is not right.", "Mend what the message below names."),
    (
        AepTransportError,
        "AEP could not be reached.",
        "It is tried again by itself. If that does not help, check the connection's gateway and the network.",
    ),
    (AepThrottledError, "AEP was asked too much and turns us away.", "It is tried again by itself, a little later."),
    (AepServerError, "AEP has an error of its own.", "It is tried again by itself."),
    (AepError, "AEP gave an answer that is not understood.", "It is tried again by itself."),
)
_ELSE: Final = ("Something went wrong in the page itself.", "The API server's log says where.")


@dataclass(frozen=True)
class Trouble:
    """
    Why the last reading failed.

    :param at: epoch seconds.
    """

    what: str
    remedy: str
    detail: str
    at: float


def trouble_of(error: Exception, place: Place, at: float) -> Trouble:
    """Return what to tell of an error."""
    what, remedy = next(((what, remedy) for kind, what, remedy in _KINDS if isinstance(error, kind)), _ELSE)
    known = isinstance(error, AepError | AirflowNotFoundException)
    # What an error of another kind says may hold anything.
    detail = one_line(error, 600) if known else type(error).__name__
    words = {"conn_id": place.conn_id, "place": place.label}
    return Trouble(what.format(**words), remedy.format(**words), detail, at)
