"""A lock that lasts as long as its holders do: this process, and the children that are handed the open file."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO


class InUseError(RuntimeError):
    """Somebody else holds it; the message says who."""


def hold(path: Path, what: str) -> IO[str]:
    """Take the lock, or say which process has it. Closing the file (in every holder) gives it free.

    :param what: what the lock guards, for the message.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip()
        lock.close()
        raise InUseError(f"{what} is in use by {holder or 'another process'}: end that first") from None
    lock.truncate(0)
    lock.write(f"process {os.getpid()}")
    lock.flush()
    return lock
