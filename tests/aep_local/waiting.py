"""Waiting for what happens sooner or later."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def awaited(read: Callable[[], Value], true: Callable[[Value], object] = bool, seconds: float = 60) -> Value:
    """What ``read`` gives, once it is as it shall be."""
    deadline = time.monotonic() + seconds
    while not true(found := read()):
        assert time.monotonic() < deadline, str(found)[-2000:]
        time.sleep(0.01)
    return found
