"""What published documents of runs spell in more than one way."""

from __future__ import annotations

import copy
from typing import Final

from aep_local.core.settings import Assumptions
from aep_local.core.store import Document

_OPENAPI: Final = {"activities": "activites", "etag": "eTag"}
"""The OpenAPI's names of two keys."""

_SAMPLES: Final = "row_error_samples.json"
"""The sample file's name in the documents that are kept."""


def spelt(run: Document, assume: Assumptions) -> Document:
    """A run's document as the switches have it spelt; it is kept in the usual way, so that all answers agree."""
    quirk, samples = assume.run_document_quirks, assume.sample_errors_file
    if quirk not in {"activites", "seconds"} and samples == _SAMPLES:
        return run
    run = copy.deepcopy(run)
    activities = run.get("activities", [])
    for activity in activities:
        _name_samples(activity["statusSummary"].get("extensions", {}).get("manifest", {}), samples)
    if quirk == "seconds":
        for part in (run["metrics"], *activities):
            _to_seconds(part["durationSummary"])
    if quirk == "activites":
        return {_OPENAPI.get(key, key): value for key, value in run.items()}
    return run


def _to_seconds(duration: Document) -> None:
    """As the sample of a success notification tells them; all other moments stay milliseconds."""
    for key in ("startedAtUTC", "completedAtUTC"):
        if key in duration:
            duration[key] //= 1000


def _name_samples(manifest: Document, file: str) -> None:
    link = manifest.pop("sampleErrors", None)
    if link is not None and file != "absent":
        manifest["sampleErrors"] = link.replace(_SAMPLES, file)
