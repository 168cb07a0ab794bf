"""How a platform is set up, and the switches for what is not known about AEP."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Assumptions(BaseModel):
    """One switch for each behaviour of AEP that nobody has confirmed; the defaults are what we expect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    once_runs_by_itself: Literal["yes", "no"] = Field(
        default="yes", description="a flow of frequency once also runs by itself at its start time"
    )
    run_window_in_document: Literal["params", "extensions", "none"] = Field(
        default="params",
        description="where a run tells its window: in params at once, in the copy activity's extensions, or nowhere",
    )
    window_edges: Literal["start_inclusive"] = Field(
        default="start_inclusive", description="a run takes rows with windowStart <= delta < windowEnd"
    )
    duplicate_names: Literal["allowed"] = Field(
        default="allowed", description="two objects of Flow Service may have the same name"
    )
    test_bad_credentials: Literal["result_false", "400"] = Field(
        default="result_false", description="what the test of a connection with wrong credentials answers"
    )
    credentials_checked_at_create: Literal["no", "yes"] = Field(
        default="no", description="creating a base connection with wrong credentials is refused"
    )
    secrets_in_answers: Literal["masked", "absent", "echoed"] = Field(
        default="masked", description="how a base connection's answer shows its secrets; echoed ends with the process"
    )
    connectors_in_flow_spec: Literal["all", "tutorial", "page", "template"] = Field(
        default="all", description="which published list of sources the flow specification CRMToAEP serves"
    )
    listing_lag_seconds: float = Field(
        default=0.0, ge=0, description="how long a new object is missing in listings (scaled)"
    )
    continuation: Literal["self_contained", "position_only"] = Field(
        default="self_contained",
        description="a continuation token carries filter, order and limit, or the next request must repeat them",
    )
    run_appears_after_seconds: float = Field(
        default=120.0, ge=0, description="how long after its start time a run appears (scaled)"
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
        """The switches with their defaults, one a line."""
        return "\n".join(f"  {key}={field.default}  {field.description}" for key, field in cls.model_fields.items())


class Settings(BaseModel):
    """How one platform is set up.

    :param tables: the folder with the source tables (CSV or Parquet, one file a table).
    :param state: the folder that holds everything the platform keeps.
    :param accounts: a file that lists who may do what; without it everybody may do everything.
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
    latency_ms: float = Field(default=0.0, ge=0)
    time_scale: float = Field(default=1.0, ge=0)
    token_seconds: float = Field(default=86399, gt=0)
    assume: Assumptions = Assumptions()
