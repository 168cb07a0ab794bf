"""What each list of Flow Service is like, for ``GET`` and for ``POST …/search``."""

from __future__ import annotations

from typing import Final

from aep_local.core.documents import INTERNAL
from aep_local.core.store import Document
from aep_local.flow_service.run_spellings import spelt
from aep_local.flow_service.run_words import worded
from aep_local.web import documents
from aep_local.web.listing import Listed
from aep_local.web.services import Services

# That connections and flows are filtered by name is published; for the rest it is assumed.
_NAME: Final = {"name": "name_filter"}
SOURCE_CONNECTIONS: Final = Listed("sourceConnections", ref="baseConnectionId", doubtful=_NAME)
TARGET_CONNECTIONS: Final = Listed("targetConnections", doubtful=_NAME)
# That a comma means "or" is published for their ids, and nobody has seen it; whoever asks for many at once rests on it.
_SEVERAL: Final = "several_values_filter"
FLOWS: Final = Listed("flows", several=_SEVERAL)


def connections(services: Services) -> Listed:
    """The list of base connections."""
    return Listed("connections", shown=lambda doc: connection_shown(doc, services))


def connection_shown(doc: Document, services: Services) -> Document:
    """A base connection as answers show it: its secrets masked, left out or in clear."""
    shown, secrets = documents.shown(doc), doc[INTERNAL]["secrets"]
    params = shown["auth"]["params"]
    match services.settings.assume.secrets_in_answers:
        case "absent":
            params = {name: value for name, value in params.items() if name not in secrets}
        case "echoed":
            params = params | services.echoed.get(doc["id"], {})
    return {**shown, "auth": {**shown["auth"], "params": params}}


def run_shown(run: Document, services: Services) -> Document:
    """A run as answers show it on this platform; several kinds are published."""
    assume, shown = services.settings.assume, documents.shown(run)
    metrics = shown["metrics"]
    if assume.failed_run_document == "bare" and metrics["statusSummary"]["status"] == "failed":
        duration = {"startedAtUTC": metrics["durationSummary"]["startedAtUTC"]}
        rest = {key: value for key, value in metrics.items() if key != "recordSummary"}
        shown = {**shown, "metrics": {**rest, "durationSummary": duration}}
    return spelt(worded(shown, assume), assume)


def runs(services: Services) -> Listed:
    """The list of runs; ``state`` is another name for a run's status in its filters.

    It is "most recently created/updated first", so a switch says which of the two.
    """
    return Listed(
        "runs",
        ref="flowId",
        aliases={"state": "metrics.statusSummary.status"},
        shown=lambda run: run_shown(run, services),
        doubtful={"params": "run_window_filter"},
        several=_SEVERAL,
        by_update=services.settings.assume.runs_order == "updated",
    )
