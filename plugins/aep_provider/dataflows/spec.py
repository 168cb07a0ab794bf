"""What a user declares of a dataflow: one document, checked as a whole before anything is asked or sent."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, croniter
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from aep_provider.errors import AepError
from aep_provider.resources.connectors import connector
from aep_provider.resources.names import check_name
from aep_provider.resources.schema import PROFILE_CLASS
from aep_provider.resources.target import SchemaChoice
from aep_provider.verdict import Tolerance

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(value: Any) -> Any:
    """Return a length of time as seconds: a number, or a text such as ``90s``, ``15m``, ``2h`` or ``1d``."""
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(\d+)\s*([smhd])\s*", value)):
        return int(match[1]) * _UNITS[match[2]]
    return value


Seconds = Annotated[int, BeforeValidator(seconds), Field(ge=0)]
"""A length of time in seconds; ``15m`` and the like are read too."""


class Part(BaseModel):
    """Nothing in a specification is guessed: a field that does not exist is an error."""

    # Defaults too, so that a specification and its copy through JSON have one fingerprint.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Target(Part):
    """Where rows land. Without any of it: a dataset and a schema of the dataflow's name, with a field for each column."""

    dataset: str | None = Field(default=None, description="name of the dataset, by default the dataflow's")
    existing_schema: str | None = Field(default=None, description="title or $id of a schema that is there")
    schema_class: str = Field(
        default=PROFILE_CLASS, description="$id or last part of the class of the schema to compose"
    )
    field_groups: list[str] = Field(default=[], description="$id or last part of each standard field group")
    derive_fields: bool = Field(default=True, description="whether a field is made for each column")


class Schedule(Part):
    """When windows end. Each is loaded once it is over."""

    cron: str = Field(
        description="five fields, or @hourly, @daily and the like: where one window ends and the next begins"
    )
    timezone: str = Field(default="UTC", description="in which the cron expression is read")
    start: datetime | date = Field(description="the first window begins at or after this moment")
    end: datetime | date | None = Field(default=None, description="no window begins after this moment")
    catchup: bool = Field(
        default=False, description="whether windows from the start until now are loaded by themselves"
    )
    lag: Seconds = Field(default=0, description="how long to wait after a window's end for rows that come late")

    @field_validator("cron")
    @classmethod
    def _read(cls, value: str) -> str:
        if not croniter.is_valid(value):
            raise ValueError(f"{value!r} is no cron expression, as in 0 0 * * * or @daily")
        try:
            croniter(value).get_next()
        except CroniterBadDateError:
            raise ValueError(f"{value!r} is a date that never comes") from None
        return value

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone, as in Europe/Amsterdam") from None
        return value


class Policy(Part):
    """What is borne, and what is done about what is not."""

    on_failed_run: Literal["retrigger", "new", "fail"] = Field(
        default="retrigger", description="what a retry does about a window whose run failed"
    )
    max_rejected_rows: int = Field(default=0, ge=0, description="how many rejected rows a window may have")
    max_rejected_percent: float = Field(default=0, ge=0, le=100, description="which share of its rows may be rejected")
    accept_empty: bool = Field(default=True, description="whether a window without rows is a success")
    accept_partial: bool = Field(
        default=False, description="whether a partial success is one, however many rows were rejected"
    )
    partial_ingestion_percent: float = Field(
        default=5, gt=0, le=100, description="AEP fails a run when as many percent of its rows are rejected"
    )
    retries: int = Field(default=3, ge=0, description="how often Airflow tries a window again")
    retry_delay: Seconds = Field(default=300, description="how long it waits before")
    timeout: Seconds = Field(default=6 * 3600, description="how long to wait for the end of one run")
    settle: Seconds = Field(default=300, description="how late a posted run may appear in AEP's lists")
    poll_interval: Seconds = Field(default=30, ge=1, description="how often a run is looked at, at the most")
    pool: str | None = Field(default=None, description="an Airflow pool, to cap what runs at once over many dataflows")
    windows_at_once: int = Field(
        default=1, ge=1, description="how many windows of this dataflow are loaded side by side"
    )

    def tolerance(self) -> Tolerance:
        """Return what is borne of a run."""
        return Tolerance(
            rows=self.max_rejected_rows,
            percent=self.max_rejected_percent,
            accept_empty=self.accept_empty,
            accept_partial=self.accept_partial,
        )


class DataflowSpec(Part):
    """
    One table of a source system, and the dataset in which its rows land window by window.

    :raises pydantic.ValidationError: naming each field that is wrong.
    """

    name: str = Field(description="of the dataflow and its objects in AEP; the DAG is called after it")
    description: str | None = None
    source: str = Field(description="the source system, such as servicenow or salesforce-service-cloud")
    source_conn_id: str = Field(description="Airflow connection with the source system's address and credentials")
    authentication: str | None = Field(
        default=None, description="AEP's name of the way in, where there is more than one"
    )
    table: str = Field(min_length=1, description="as the source system calls it")
    columns: list[str] | None = Field(default=None, description="which columns to take; all by default")
    delta_column: str = Field(min_length=1, description="the column by whose dates a window finds its rows")
    aep_conn_id: str = Field(default="aep_default", description="Airflow connection of the type aep")
    sandbox: str = Field(default="prod", description="the sandbox, told here so that the asset's URI is known")
    target: Target = Target()
    mapping: list[dict[str, Any]] | str | None = Field(
        default=None, description="source and destination of each field, or a file below include/; derived by default"
    )
    schedule: Schedule | None = Field(default=None, description="none: windows are only loaded by hand")
    policy: Policy = Policy()

    @field_validator("source")
    @classmethod
    def _served(cls, value: str) -> str:
        return str(_said(lambda: connector(value).key, value))

    @model_validator(mode="after")
    def _possible(self) -> DataflowSpec:
        def check() -> None:
            check_name(self.name, "name of the dataflow")
            check_name(self.dataset, "name of the dataset")
            self.schema_choice().check()

        _said(check, None)
        return self

    @property
    def dataset(self) -> str:
        """The name of the dataset."""
        return self.target.dataset or self.name

    @property
    def slug(self) -> str:
        """The name as ids of DAGs may be written."""
        return re.sub(r"[^\w.-]+", "_", self.name).strip("_")

    def schema_choice(self) -> SchemaChoice:
        """Return which schema rows land in."""
        target = self.target
        return SchemaChoice(
            existing=target.existing_schema,
            title=self.name,
            schema_class=target.schema_class,
            field_groups=tuple(target.field_groups),
            derive=target.derive_fields,
        )

    def digest(self) -> str:
        """Return a fingerprint of what AEP is to hold; when windows are loaded is not part of it."""
        held = self.model_dump(mode="json", exclude={"schedule", "policy", "description"})
        held["partial_ingestion_percent"] = self.policy.partial_ingestion_percent
        return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()


def _said(check: Any, value: Any) -> Any:
    """Let pydantic name the place of what our own checks refuse."""
    try:
        return check() or value
    except AepError as error:
        raise ValueError(str(error)) from None
