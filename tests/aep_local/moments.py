"""Moving the clock of the platforms in this process, so that no test races against a wait."""

from __future__ import annotations

import time

import pytest

from aep_local.core.clock import Clock


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """From here on it is so many seconds later than it really is, on every platform in this process."""
    monkeypatch.setattr(Clock, "now_ms", lambda _: time.time_ns() // 1_000_000 + round(seconds * 1000))
