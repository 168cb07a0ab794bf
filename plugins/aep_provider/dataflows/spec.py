"""What a user declares of a dataflow: one document, checked as a whole before anything is asked or sent."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from aep_provider.dataflows.parts import DEFAULT_CONN_ID, SANDBOX_NAME, Moment, MomentInUtc, Part, Seconds, Zone, said
from aep_provider.resources.columns import check_columns
from aep_provider.resources.connectors import connector
from aep_provider.resources.fingerprint import fingerprint
from aep_provider.resources.mapping import normal_mappings
from aep_provider.resources.names import check_name
from aep_provider.resources.schedule import check_schedule
from aep_provider.resources.schema import PROFILE_CLASS
from aep_provider.resources.target import SchemaChoice
from aep_provider.verdict import Tolerance


class Target(Part):
    """Where rows land. Without any of it: a dataset and a schema of the dataflow's name, with a field for each column."""

    dataset: str | None = Field(default=None, description="name of the dataset, by default the dataflow's")
    existing_schema: str | None = Field(default=None, description="title or $id of a schema that is there")
    schema_class: str = Field(
        default=PROFILE_CLASS, description="$id or last part of the class of the schema to compose"
    )
    field_groups: list[str] = Field(default=[], description="$id or last part of each standard field group")
    derive_fields: bool = Field(default=True, strict=True, description="whether a field is made for each column")

    @field_validator("dataset")
    @classmethod
    def _findable(cls, value: str | None) -> str | None:
        return value if value is None else said(lambda: check_name(value, "name of the dataset"))


class Names(Part):
    """What objects of the dataflow are called in AEP, where they are not called after it."""

    source_connection: str | None = Field(default=None, description="name of the source connection")
    target_connection: str | None = Field(default=None, description="name of the target connection")

    @field_validator("source_connection", "target_connection")
    @classmethod
    def _findable(cls, value: str | None, info: ValidationInfo) -> str | None:
        what = f"name of the {str(info.field_name).replace('_', ' ')}"
        return value if value is None else said(lambda: check_name(value, what))


class Schedule(Part):
    """When windows end, for load on_demand. Each is loaded once it is over."""

    cron: str = Field(
        description="five fields, or @hourly, @daily and the like: where one window ends and the next begins",
        examples=["0 0 * * *"],
    )
    timezone: Zone = Field(default="UTC", description="in which the cron expression is read")
    start: Moment = Field(description="the first window begins at or after this moment", examples=["2026-01-31"])
    end: Moment | None = Field(default=None, description="no window begins after this moment")
    catchup: bool = Field(
        default=False, strict=True, description="whether windows from the start until now are loaded by themselves"
    )
    lag: Seconds = Field(default=0, description="how long to wait after a window's end for rows that come late")

    @field_validator("cron")
    @classmethod
    def _read(cls, value: str) -> str:
        # A DAG file that only names operators need not wait for it.
        from croniter import CroniterBadDateError, croniter  # noqa: PLC0415

        if not croniter.is_valid(value):
            raise ValueError(f"{value!r} is no cron expression, as in 0 0 * * * or @daily")
        try:
            croniter(value).get_next()
        except CroniterBadDateError:
            raise ValueError(f"{value!r} is a date that never comes: write one that does, as in 0 0 * * *") from None
        return value


class Recurrence(Part):
    """How often AEP comes back by itself, for load recurring."""

    frequency: Literal["minute", "hour", "day", "week"] = Field(
        description="the unit of the interval", examples=["hour"]
    )
    interval: int = Field(
        strict=True, description="every so many of them: at least 15 minutes, or 1 of the others", examples=[1]
    )
    backfill: bool = Field(default=True, strict=True, description="whether the first run takes all that is there")
    start: MomentInUtc = Field(
        default=None,
        description="when AEP runs it first, in UTC without an offset; by default a minute after the flow is made. It is "
        "never compared",
    )

    @field_validator("interval")
    @classmethod
    def _taken(cls, value: int, info: ValidationInfo) -> int:
        if "frequency" in info.data:
            _check_schedule(info.data["frequency"], value, None, "any", mend="write the least, or a longer frequency")
        return value


class Policy(Part):
    """What is borne, and what is done about what is not."""

    on_failed_run: Literal["retrigger", "new", "fail"] = Field(
        default="retrigger", description="what a retry does about a window whose run failed"
    )
    max_rejected_rows: int = Field(default=0, ge=0, strict=True, description="how many rejected rows a window may have")
    max_rejected_percent: float = Field(
        default=0, ge=0, le=100, strict=True, description="which share of its rows may be rejected"
    )
    accept_empty: bool = Field(default=True, strict=True, description="whether a window without rows is a success")
    accept_partial: bool = Field(
        default=False, strict=True, description="whether a partial success is one, however many rows were rejected"
    )
    error_diagnostics: bool = Field(
        default=True, strict=True, description="whether AEP keeps rejected rows, so that the reasons can be told"
    )
    partial_ingestion_percent: float | None = Field(
        default=5, gt=0, le=100, strict=True,
        description="AEP fails a run when as many percent of its rows are rejected; null leaves it to AEP",
    )  # fmt: skip
    retries: int = Field(default=3, ge=0, strict=True, description="how often Airflow tries a window again")
    retry_delay: Seconds = Field(default=300, description="how long it waits before")
    timeout: Seconds = Field(default=6 * 3600, description="how long to wait for the end of one run")
    settle: Seconds = Field(default=300, description="how late a posted run may appear in AEP's lists")
    poll_interval: Seconds = Field(default=30, ge=1, description="how often a run is looked at, at the most")
    pool: str | None = Field(default=None, description="an Airflow pool, to cap what runs at once over many dataflows")
    windows_at_once: int = Field(
        default=1, ge=1, strict=True, description="how many windows of this dataflow are loaded side by side"
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
    One table of a source system, and the dataset in which its rows land.

    :raises pydantic.ValidationError: naming each field that is wrong.
    """

    # Of fields that depend on each other, the one that is checked against the others comes after them.
    name: str = Field(description="of the dataflow and its objects in AEP; by default that of its file")
    description: str | None = Field(default=None, description="what it is for, shown in AEP and in Airflow")
    source: str = Field(
        description="the source system, such as servicenow or salesforce_service_cloud", examples=["servicenow"]
    )
    source_conn_id: str | None = Field(
        default=None,
        description="Airflow connection with the source system's address and credentials; its id begins with aep_source_",
    )
    base_connection: str | None = Field(
        default=None,
        description="name of the base connection in AEP. With source_conn_id it is made by this name (by default as in "
        "'ServiceNow via aep_source_servicenow'); without, it is there already, and no credentials are sent. One of the two "
        "is required",
    )
    authentication: str | None = Field(
        default=None, description="AEP's name of the way in, where there is more than one"
    )
    table: str = Field(min_length=1, description="as the source system calls it", examples=["incident"])
    columns: list[str | dict[str, Any]] | None = Field(
        default=None,
        description="which columns to take, by name or in AEP's own form; all by default. An empty list sends none, and "
        "AEP takes all",
    )
    load: Literal["on_demand", "recurring", "one_time"] = Field(
        default="on_demand",
        description="on_demand: Airflow has one run posted for each window; recurring: AEP comes back by itself; one_time: "
        "AEP loads the table once",
    )
    recurrence: Recurrence | None = Field(default=None, description="how often AEP comes back, with load recurring")
    delta_column: str | None = Field(
        default=None,
        description="the column by whose dates new rows are told from old; required, but refused with load one_time",
        examples=["sys_updated_at"],
    )
    delta_format: str | None = Field(
        default=None,
        description="how its dates are written, by default as the source is known for; an empty text sends none",
    )
    delta_timezone: Zone = Field(default="UTC", description="in which its dates are read, with load recurring")
    aep_conn_id: str = Field(default=DEFAULT_CONN_ID, min_length=1, description="Airflow connection of the type aep")
    sandbox: str = Field(default="prod", description="the sandbox, told here so that the asset's URI is known")
    target: Target = Field(default=Target(), description="where rows land")
    names: Names = Field(default=Names(), description="what objects in AEP are called that are not called after it")
    mapping: list[dict[str, Any]] | str | None = Field(
        default=None,
        description="a list of source and destination, or the name of a JSON or YAML file below include/; derived by default. "
        "{TENANT_ID} stands for the organisation's tenant",
    )
    schedule: Schedule | None = Field(
        default=None, description="when windows end, with load on_demand; without, they are only loaded by hand"
    )
    enabled: bool = Field(
        default=True,
        strict=True,
        description="false for a flow that is there and rests: AEP runs nothing of it until it is true",
    )
    policy: Policy = Field(default=Policy(), description="what is borne, and what is done about what is not")

    @field_validator("name")
    @classmethod
    def _findable(cls, value: str) -> str:
        return said(lambda: check_name(value, "name of the dataflow"))

    @field_validator("source")
    @classmethod
    def _served(cls, value: str) -> str:
        return said(lambda: connector(value).key)

    @field_validator("source_conn_id")
    @classmethod
    def _gives_a_name(cls, value: str | None) -> str | None:
        """The base connection is called after it."""
        return value if value is None else said(lambda: check_name(value, "id of the Airflow connection"))

    @field_validator("base_connection")
    @classmethod
    def _reached(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            return said(lambda: check_name(value, "name of the base connection"))
        if info.data.get("source_conn_id", "") is None:
            raise ValueError(
                "nothing says how AEP gets in: name the Airflow connection with the credentials (source_conn_id), or a base "
                "connection that is in AEP already (base_connection)"
            )
        return None

    @field_validator("columns", mode="before")
    @classmethod
    def _distinct(cls, value: Any) -> Any:
        if isinstance(value, list) and value:
            said(lambda: check_columns([{"name": one} if isinstance(one, str) else one for one in value]))
        return value

    @field_validator("recurrence")
    @classmethod
    def _recurs(cls, value: Recurrence | None, info: ValidationInfo) -> Recurrence | None:
        load = info.data.get("load")
        if load == "recurring" and value is None:
            raise ValueError(
                "load recurring needs to know how often AEP comes back, as in recurrence: {frequency: day, interval: 1}"
            )
        if load in ("one_time", "on_demand") and value is not None:
            _check_schedule(
                load, value.interval, value.backfill, None if load == "one_time" else "any",
                mend="leave recurrence out, or write load: recurring",
            )  # fmt: skip
        return value

    @field_validator("delta_column")
    @classmethod
    def _tells_new_from_old(cls, value: str | None, info: ValidationInfo) -> str | None:
        load = info.data.get("load")
        if load == "one_time":
            _check_schedule(load, None, None, value, mend="leave it out")
        elif load:
            recurrence = info.data.get("recurrence")
            mend = "name it, as in delta_column: sys_updated_at"
            if load == "on_demand":
                _check_schedule(load, None, None, value, mend=f"{mend}, or write load: one_time to load the table once")
            else:
                frequency, interval = (recurrence.frequency, recurrence.interval) if recurrence else ("day", 1)
                _check_schedule(frequency, interval, None, value, mend=mend)
        return value

    @field_validator("sandbox")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if not SANDBOX_NAME.fullmatch(value):
            raise ValueError(
                f"{value!r} is no sandbox's name: lower case letters, digits and hyphens, not its title, as in prod"
            )
        return value

    @field_validator("target")
    @classmethod
    def _composable(cls, value: Target, info: ValidationInfo) -> Target:
        if "name" in info.data:
            said(lambda: _schema_choice(value, info.data["name"]).check())
        return value

    @field_validator("mapping", mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        return said(lambda: normal_mappings(value))

    @field_validator("schedule")
    @classmethod
    def _in_airflow(cls, value: Schedule | None, info: ValidationInfo) -> Schedule | None:
        load = info.data.get("load")
        if value is not None and load == "recurring":
            raise ValueError("with load recurring AEP has the schedule: write recurrence instead, or load: on_demand")
        if value is not None and load == "one_time":
            raise ValueError(
                "with load one_time AEP loads the table once: leave schedule out, or write load: on_demand"
            )
        return value

    @property
    def dataset(self) -> str:
        """The name of the dataset."""
        return self.target.dataset or self.name

    @property
    def base_name(self) -> str:
        """The name of the base connection."""
        return self.base_connection or f"{connector(self.source).title} via {self.source_conn_id}"

    @property
    def slug(self) -> str:
        """The name as ids of DAGs may be written."""
        return slug_of(self.name)

    def schema_choice(self) -> SchemaChoice:
        """Return which schema rows land in."""
        return _schema_choice(self.target, self.name)

    def digest(self) -> str:
        """
        Return a fingerprint of what AEP is to hold, 32 hexadecimal digits.

        When windows are loaded and where is not part of it, and neither is a default: a field that a later version adds
        changes no fingerprint.
        """
        held = self.model_dump(
            mode="json",
            exclude_defaults=True,
            exclude={
                **dict.fromkeys(("schedule", "policy", "description", "aep_conn_id", "sandbox", "enabled"), True),
                # Told to AEP when the flow is made, and never compared.
                "recurrence": {"start"},
            },
        )
        options = {"error_diagnostics", "partial_ingestion_percent"}
        return fingerprint({**held, **self.policy.model_dump(mode="json", include=options)})


def slug_of(name: str) -> str:
    """Return a name as ids of DAGs may be written."""
    return re.sub(r"[^\w.-]+", "_", name).strip("_")


def _schema_choice(target: Target, title: str) -> SchemaChoice:
    return SchemaChoice(
        existing=target.existing_schema,
        title=title,
        schema_class=target.schema_class,
        field_groups=tuple(target.field_groups),
        derive=target.derive_fields,
    )


def _check_schedule(
    frequency: str, interval: int | None, backfill: bool | None, delta_column: str | None, *, mend: str
) -> None:
    """AEP's own code is in the message, and how to mend it in terms of the file."""
    try:
        said(lambda: check_schedule(frequency, interval, backfill, delta_column))
    except ValueError as error:
        told = str(error).removeprefix("The schedule is not possible: ").rstrip(".")
        raise ValueError(f"{told}: {mend}") from None
