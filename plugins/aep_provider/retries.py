"""
When a task that talks to AEP is worth another try, and after how long.

As ``default_args={"retries": 4, "retry_policy": AepRetryPolicy()}`` it holds for all tasks of a DAG, ours and others. Airflow
asks it in the worker, with the exception at hand; the scheduler only sees the outcome.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import timedelta
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import RetryDecision, RetryPolicy

from aep_provider.errors import (
    AepAnswerError,
    AepConfigError,
    AepError,
    AepServerError,
    AepThrottledError,
    AepTransportError,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["AepRetryPolicy"]

_MAY_PASS_BY_ITSELF: Final = (AepThrottledError, AepTransportError, AepAnswerError, AepServerError)
_SPREAD: Final = 0.25
# Beyond this a doubled second is longer than any bound.
_MAX_DOUBLINGS: Final = 30

_chance = SystemRandom()


@dataclass(frozen=True, kw_only=True)
class AepRetryPolicy(RetryPolicy):
    """
    Decide by our errors, also where another exception was raised from one.

    What repeating cannot help fails at once. What AEP throttles waits as long as AEP says, and up to a quarter longer, so that
    many tasks do not come back at the same moment. No answer, a broken one, and AEP's own errors wait ever longer: each wait
    lies between half of and all of ``first_delay``, doubled with every try. A failed flow run and everything that is not ours
    are left to the task's ``retry_delay``. The task's ``retries`` bound all of it.

    :param first_delay: seconds before the second try, at the most.
    :param max_delay: seconds that a doubled wait may take.
    :param max_retry_after: seconds that are waited if AEP asks for more.
    """

    first_delay: float = 30
    max_delay: float = 900
    max_retry_after: float = 3600

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not (isinstance(value, int | float) and 0 < value <= timedelta(days=1).total_seconds()):
                raise AepConfigError(f"{name} of the retry policy is {value!r}, but must be seconds, at most a day.")

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,  # noqa: ARG002  Airflow's signature
        context: Context | None = None,  # noqa: ARG002
    ) -> RetryDecision:
        """Return what is to happen after ``exception``."""
        error = _ours(exception)
        if error is None:
            return RetryDecision.default()
        kind = type(error).__name__
        if error.final:
            return RetryDecision.fail(f"{kind}: trying again cannot help")
        if not isinstance(error, _MAY_PASS_BY_ITSELF):
            return RetryDecision.default()
        asked = _seconds(getattr(error, "retry_after", None))
        if asked is None:
            delay = self._doubled(try_number)
            return RetryDecision.retry(timedelta(seconds=delay), f"{kind}: again after {delay:.0f} s")
        delay = min(asked, self.max_retry_after)
        delay += _chance.uniform(0, max(1.0, delay * _SPREAD))
        return RetryDecision.retry(
            timedelta(seconds=delay), f"{kind}: again after {delay:.0f} s, AEP asked for {asked:g} s"
        )

    def _doubled(self, try_number: int) -> float:
        longest = min(self.max_delay, self.first_delay * 2 ** min(max(try_number - 1, 0), _MAX_DOUBLINGS))
        return _chance.uniform(longest / 2, longest)

    def serialize(self) -> dict[str, Any]:
        """Return the policy as JSON."""
        return asdict(self)

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> AepRetryPolicy:
        """Return the policy that :meth:`serialize` wrote."""
        return cls(**data)


def _ours(exception: BaseException) -> AepError | None:
    """Return the exception, or what it was raised from, if it is one of ours."""
    seen: set[int] = set()
    found: BaseException | None = exception
    while found is not None and id(found) not in seen:
        if isinstance(found, AepError):
            return found
        seen.add(id(found))
        found = found.__cause__
    return None


def _seconds(value: Any) -> float | None:
    if isinstance(value, int | float) and math.isfinite(value) and value >= 0:
        return float(value)
    return None
