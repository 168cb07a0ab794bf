"""What all parts of a specification have in common: nothing is guessed, no text is a template, null says nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from aep_provider.errors import AepError

_T = TypeVar("_T")
DEFAULT_CONN_ID = "aep_default"
"""The Airflow connection of the type ``aep`` where none is named."""
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LENGTH = re.compile(r"\s*([0-9]{1,12})\s*([smhd]?)\s*")
SANDBOX_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_TEMPLATE_MARKS = ("{{", "{%", "{#")


def seconds(value: Any) -> int:
    """Return a length of time as seconds: a number, or a text such as ``90s``, ``15m``, ``2h`` or ``1d``."""
    if isinstance(value, str) and (match := _LENGTH.fullmatch(value)):
        return int(match[1]) * _UNITS[match[2]]
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{value!r} is no length of time: write seconds, or a number with s, m, h or d, as in 15m")


def moment(value: Any) -> date:
    """Return a moment that a file tells in ISO 8601; a date stays one."""
    if isinstance(value, date):
        return value
    for read in (date.fromisoformat, datetime.fromisoformat):
        if isinstance(value, str):
            try:
                return read(value)
            except ValueError:
                continue
    raise ValueError(
        f"{value!r} is no moment: write a date, as in 2026-01-31, or a date and time, as in 2026-01-31T06:00:00Z"
    )


def moment_utc(value: Any) -> datetime | None:
    """Return a moment with an offset: a date is its midnight, and what has no offset is in UTC."""
    if value is None:
        return None
    told = moment(value)
    at = told if isinstance(told, datetime) else datetime(told.year, told.month, told.day)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def zone(value: str) -> str:
    """Return the name of a time zone, if there is one of that name."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value!r} is no time zone, as in Europe/Amsterdam") from None
    return value


def said(check: Callable[[], _T]) -> _T:
    """Let pydantic name the place of what our own checks refuse."""
    try:
        return check()
    except AepError as error:
        raise ValueError(str(error)) from None


class _AsLength:
    """How a JSON Schema tells a length of time."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        told = handler(core)
        # Pydantic knows the bound of a function's input by another name.
        number = {"type": "integer", "minimum": told.get("minimum", told.get("ge", 0))}
        return {"anyOf": [number, {"type": "string", "pattern": r"^\s*[0-9]{1,12}\s*[smhd]?\s*$"}]}


class _AsMoment:
    """How a JSON Schema tells a moment: the formats it knows leave the offset no choice."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        time = r"[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?"
        return {"type": "string", "pattern": rf"^\d{{4}}-\d{{2}}-\d{{2}}({time})?$"}


Seconds = Annotated[int, BeforeValidator(seconds), Field(ge=0), _AsLength()]
"""A length of time in seconds; ``15m`` and the like are read too."""
Moment = Annotated[datetime | date, BeforeValidator(moment), _AsMoment()]
MomentInUtc = Annotated[datetime | None, BeforeValidator(moment_utc), _AsMoment()]
Zone = Annotated[str, AfterValidator(zone)]


class Part(BaseModel):
    """Nothing in a specification is guessed: a field that does not exist is an error."""

    # Defaults too, so that a specification and its copy through JSON have one fingerprint.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _null_says_nothing(cls, given: Any) -> Any:
        """A layer takes back with null what a lower one says. Where null is a value of the field, it stays one."""
        if not isinstance(given, dict) or None not in given.values():
            return given
        unsaid = cls.model_fields.keys() - nullable(cls)
        return {field: value for field, value in given.items() if value is not None or field not in unsaid}

    @field_validator("*", mode="before")
    @classmethod
    def _no_template(cls, value: Any) -> Any:
        """Airflow renders the fields of operators, and a template in them could read its connections."""
        if isinstance(value, str | list) and _is_template(value):
            raise ValueError("holds a template mark ({{, {% or {#), and nothing here is rendered: write what is meant")
        return value


@cache
def nullable(part: type[Part]) -> frozenset[str]:
    """Return the fields of which null is a value."""
    return frozenset(name for name, field in part.model_fields.items() if NoneType in get_args(field.annotation))


def _is_template(value: Any) -> bool:
    if isinstance(value, str):
        return "{" in value and any(mark in value for mark in _TEMPLATE_MARKS)
    if isinstance(value, dict):
        return any(_is_template(key) or _is_template(inner) for key, inner in value.items())
    return isinstance(value, list) and any(map(_is_template, value))
