"""How a platform is set up, and the switches for what is not known about AEP."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo


class Assumptions(BaseModel):
    """One switch for each behaviour of AEP that nobody has confirmed; the defaults are what we expect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    once_runs_by_itself: Literal["yes", "no"] = Field(
        default="yes", description="a flow of frequency once also runs by itself at its start time"
    )
    run_window_in_document: Literal["params", "extensions", "none"] = Field(
        default="params",
        description="where a run tells its window: a posted one in params at once and every one in the copy activity's "
        "extensions when it has ended; in these extensions only; or nowhere",
    )
    window_edges: Literal["start_inclusive", "end_inclusive", "both_inclusive", "neither_inclusive"] = Field(
        default="start_inclusive",
        description="which edges of its window a posted run takes; the platform's own schedules stay seamless",
    )
    run_before_flow_start: Literal["accepted", "refused"] = Field(
        default="accepted", description="a run may be posted before the start time of its flow, or 1380"
    )
    post_runs_answer: Literal["items", "id", "run"] = Field(
        default="items",
        description="POST /runs answers 201 with items of id and etag, 201 with id and etag, or 200 with the whole run",
    )
    retrigger_again: Literal["allowed", "refused"] = Field(
        default="allowed",
        description="a run that failed or brought no rows may be re-triggered more than once, each time a new run, or 1387",
    )
    run_statuses: Literal["documented", "partial", "capitalised", "provider"] = Field(
        default="documented",
        description="the words for a run's status: scheduled inProgress success failed; the same with partialSuccess; "
        "Waiting Processing Success Failed; or SCHEDULED IN_PROGRESS SUCCESS PARTIAL_SUCCESS FAILED",
    )
    failed_run_document: Literal["whole", "bare"] = Field(
        default="whole",
        description="a failed run tells its end and its records, or neither completedAtUTC nor recordSummary",
    )
    run_document_quirks: Literal["none", "activites", "seconds", "unknown_word"] = Field(
        default="none",
        description="a run's document is as the pages show it; has the OpenAPI's keys activites and eTag; tells "
        "startedAtUTC and completedAtUTC in seconds; or says FINALIZED_OK, which nobody published, for success",
    )
    sample_errors_file: Literal["row_error_samples.json", "row_errors_sample.json", "absent"] = Field(
        default="row_error_samples.json",
        description="what the file with a sample of a batch's rejected rows is called; absent: there is neither the file "
        "nor a link to it, only the list of all rejected rows",
    )
    failed_transformation: Literal["rejects_row", "null_with_warning"] = Field(
        default="rejects_row",
        description="an expression that fails for a row, or whose result does not convert, rejects the row; or its "
        "attribute is null, only the schema may still reject the row, and otherwise it counts in warningRecordCount",
    )
    once_flow_patch: Literal["accepted", "refused"] = Field(
        default="accepted",
        description="a flow of frequency once may be changed while it holds the Copy that its first posted run wrote, "
        "or 1369 until the change removes it",
    )
    once_flow_edits: Literal["accepted", "refused"] = Field(
        default="accepted",
        description="schedule, transformations and options of a flow of frequency once may be changed, or 1365; its name "
        "and its description always may",
    )
    start_time_skew: float = Field(
        default=0.0, ge=0, description="how many real seconds a flow's start time may lie in the past, else 1360"
    )
    duplicate_names: Literal["allowed", "refused"] = Field(
        default="allowed", description="two objects of one kind of Flow Service may have the same name, or 409"
    )
    name_filter: Literal["works", "ignored", "empty", "refused"] = Field(
        default="works",
        description="a filter by name in the lists of source and target connections works, changes nothing, "
        "finds nothing, or is refused (1449)",
    )
    run_window_filter: Literal["works", "ignored", "empty", "refused"] = Field(
        default="works", description="the same for a filter by params in the list of runs"
    )
    several_values_filter: Literal["works", "ignored", "empty", "refused"] = Field(
        default="works",
        description="a filter == of several values (id==a,b) in the lists of flows and runs finds what has any of them, "
        "changes nothing, finds nothing, or is refused (1454)",
    )
    runs_order: Literal["created", "updated"] = Field(
        default="created",
        description="the list of runs has the most recently created or the most recently updated first; either way its "
        "pages go on in the order that the list had when the first of them was read",
    )
    mapping_sets_list: Literal["full", "short"] = Field(
        default="full",
        description="the list of mapping sets has each with its mappings, or only with id, name, version, dates and schema",
    )
    registry_list: Literal["with_description", "bare"] = Field(
        default="with_description",
        description="a list of the Schema Registry that is asked for as xed+json has whole documents, or only $id, "
        "meta:altId, version and title as for xed-id+json",
    )
    filter_case: Literal["exact", "insensitive"] = Field(
        default="exact", description="whether the texts in filters of Flow Service agree only in the same case"
    )
    page_size: int = Field(
        default=20, ge=1, le=100, description="how many objects a page of Flow Service has when no limit is asked"
    )
    validation_lag_seconds: float = Field(
        default=0.0,
        ge=0,
        description="how long Flow Service cannot validate a new dataset (2200-500) or mapping set (2250-500) (scaled)",
    )
    test_bad_credentials: Literal["result_false", "400"] = Field(
        default="result_false",
        description="what the test of a connection with wrong credentials answers: 200 with result false, or 1308-400",
    )
    credentials_checked_at_create: Literal["no", "yes"] = Field(
        default="no", description="creating a base connection with wrong credentials is refused (1308)"
    )
    secrets_in_answers: Literal["masked", "absent", "echoed"] = Field(
        default="masked", description="how a base connection's answer shows its secrets; echoed ends with the process"
    )
    connectors_in_flow_spec: Literal["all", "tutorial", "page", "template"] = Field(
        default="all", description="which published list of sources the flow specification CRMToAEP serves"
    )
    listing_lag_seconds: float = Field(
        default=0.0, ge=0, description="how long a new object is missing in lists and searches of Flow Service (scaled)"
    )
    continuation: Literal["self_contained", "position_only"] = Field(
        default="self_contained",
        description="a continuation token carries filter, order and limit, or the next request must repeat them",
    )
    run_appears_after_seconds: float = Field(
        default=120.0,
        ge=0,
        description="how long after its start time a scheduled run appears, and a posted one is in lists (scaled)",
    )

    @classmethod
    def parse(cls, pairs: Iterable[str]) -> Assumptions:
        """Read ``KEY=VALUE`` texts.

        :raises ValueError: an unknown key or value; the text lists what there is.
        """
        values: dict[str, str] = {}
        for pair in pairs:
            key, equals, value = pair.partition("=")
            if not equals or key not in cls.model_fields:
                raise ValueError(f"--assume {pair!r}: expected KEY=VALUE with one of these keys:\n{cls.describe()}")
            values[key] = value
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problem = error.errors()[0]
            raise ValueError(f"--assume {problem['loc'][0]}: {problem['msg']}") from None

    @classmethod
    def describe(cls) -> str:
        """Every switch: its key and default, its settings, and what it is about."""
        return "\n".join(
            f"  {key}={field.default}\n"
            f"      settings: {_settings(field)}\n"
            f"{textwrap.fill(str(field.description), 100, initial_indent=' ' * 6, subsequent_indent=' ' * 6)}"
            for key, field in cls.model_fields.items()
        )


def _settings(field: FieldInfo) -> str:
    """What a switch can be set to."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(get_args(field.annotation))
    least, most = (
        next((getattr(each, end) for each in field.metadata if hasattr(each, end)), None) for end in ("ge", "le")
    )
    kind = "a whole number" if field.annotation is int else "a number"
    return f"{kind}, {least} or more" if most is None else f"{kind} from {least} to {most}"


class Settings(BaseModel):
    """How one platform is set up.

    :param tables: the folder with the source tables (CSV or Parquet, one file a table).
    :param state: the folder that holds everything the platform keeps.
    :param accounts: a file that lists who may do what; without it everybody may do everything.
    :param faults: a file that lists what goes wrong; without it nothing does, and nothing can be made to.
    :param latency_ms: added to every answer, milliseconds.
    :param time_scale: what every wait is multiplied by.
    :param token_seconds: how long an access token is valid, seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tables: Path
    state: Path
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)
    accounts: Path | None = None
    faults: Path | None = None
    latency_ms: float = Field(default=0.0, ge=0)
    time_scale: float = Field(default=1.0, ge=0)
    token_seconds: float = Field(default=86399, gt=0)
    assume: Assumptions = Assumptions()
