"""The time of the platform: moments are real, waits can be shortened."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """Real moments and scaled waits.

    :param time_scale: what every wait is multiplied by; 0.001 turns two minutes into 0.12 seconds.
    """

    time_scale: float = 1.0

    def now_ms(self) -> int:
        """Now, epoch milliseconds."""
        return time.time_ns() // 1_000_000

    def scaled(self, seconds: float) -> float:
        """How long a wait of so many seconds really lasts, in seconds."""
        return seconds * self.time_scale

    def after_ms(self, seconds: float) -> int:
        """When a wait of so many seconds that begins now is over, epoch milliseconds."""
        return self.now_ms() + round(self.scaled(seconds) * 1000)

    def reached_ms(self, moment_ms: int) -> int:
        """When a wait until a moment is over, epoch milliseconds: the moment itself unless waits are scaled."""
        now = self.now_ms()
        return moment_ms if moment_ms <= now else now + round((moment_ms - now) * self.time_scale)
