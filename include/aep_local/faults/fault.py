"""What all kinds of faults have in common."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from aep_local.faults.asked import SERVICES, Asked, Service
from aep_local.faults.exchange import Exchange

Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]
"""Real seconds: ``--time-scale`` changes none of them."""

When = Literal["before", "after"]
"""Whether a fault keeps the platform from doing what is asked, or only its answer from saying so."""


class Strict(BaseModel):
    """A part of a faults file, in which everything is known and of its own type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Happening(Protocol):
    """Where a fault says what it does."""

    def happens(self) -> None:
        """The fault happens now: to be called before anybody can notice it."""

    def hide_run(self, id: str, seconds: float | None) -> None:
        """A run is not to be seen for so many seconds, for ever when None."""


class Fault(Strict):
    """A kind of fault; what is set in a rule beside ``kind`` are its fields."""

    at: ClassVar[frozenset[Service]] = SERVICES
    kind: str

    def fits(self, asked: Asked) -> bool:
        """Whether it could happen to a request at all."""
        return asked.service in self.at

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        """Answer the request in the wrong way, or leave it alone: then it is answered as ever, and nothing has happened."""
        raise NotImplementedError
