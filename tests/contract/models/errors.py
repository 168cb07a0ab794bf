"""IMS, and the errors of every layer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from .base import Closed, Text, Uuid


class Token(Closed):
    access_token: Text
    token_type: Literal["bearer"]
    expires_in: Annotated[int, Field(gt=0, le=10**6)]  # seconds


class ImsError(Closed):
    error: Text
    error_description: Text


class GatewayError(Closed):
    """(a) before any service."""

    error_code: Annotated[str, StringConstraints(pattern=r"^\d{6}$")] | int
    message: Text


class FlowReport(Closed):
    detailed_message: Text = Field(alias="detailed-message")
    request_id: Uuid = Field(alias="request-id")
    id: Text | None = None
    type: Text | None = None


class FlowProblem(Closed):
    """(b) Flow Service today."""

    type: Annotated[
        str, StringConstraints(pattern=r"^https://ns\.adobe\.com/aep/errors/(FLOW|CONNECTOR)-\d{4}-[45]\d\d$")
    ]
    title: Text
    status: int
    report: FlowReport
    errorMessage: Text
    errorDetails: Text

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> FlowProblem:
        if not self.type.endswith(f"-{self.status}"):
            raise ValueError(f"{self.type} with status {self.status}")
        if {self.errorMessage, self.errorDetails} != {self.report.detailed_message}:
            raise ValueError("errorMessage and errorDetails repeat the detailed message")
        return self

    @property
    def code(self) -> str:
        return self.type.rpartition("/")[2].split("-")[1]


class FlowErrorOlder(Closed):
    """(c) Flow Service as it was."""

    errorMessage: Text
    errorDetails: Text


class RegistryReport(Closed):
    registryRequestId: Uuid
    timestamp: Annotated[str, StringConstraints(pattern=r"^\d\d-\d\d-\d{4} \d\d:\d\d:\d\d$")]
    detailed_message: Text = Field(alias="detailed-message")
    sub_errors: list[RegistryError] = Field(alias="sub-errors")


class RegistryError(Closed):
    """(d) Schema Registry; ``http:``, unlike Flow Service."""

    type: Annotated[str, StringConstraints(pattern=r"^http://ns\.adobe\.com/aep/errors/XDM-\d{4}-[45]\d\d$")]
    title: Text
    status: int
    report: RegistryReport
    detail: Text

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> RegistryError:
        if not self.type.endswith(f"-{self.status}"):
            raise ValueError(f"{self.type} with status {self.status}")
        return self


RegistryReport.model_rebuild()


class PlaceholderError(Closed):
    """(e) a wrong content type, and the registry's older errors."""

    type: Literal["/placeholder/type/uri"]
    title: Literal["BadRequestError", "NotFoundError", "NotAcceptableError"]
    status: int
    detail: Text


class Problem(Closed):
    """(f) Catalog, Data Prep, Data Access."""

    type: Text
    title: Text
    status: int
    detail: Text
