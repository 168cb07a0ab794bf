"""Files that commands leave behind."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from aep_provider.errors import AepConfigError


def write_file(path: str | Path, text: str, *, private: bool = False) -> None:
    """
    Write a file as a whole or not at all.

    :param private: whether only its owner may read it.
    :raises AepConfigError: it cannot be written.
    """
    target = Path(path)
    scratch: str | None = None
    try:
        handle, scratch = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        if not private:
            mask = os.umask(0)
            os.umask(mask)
            Path(scratch).chmod(0o666 & ~mask)
        Path(scratch).replace(target)
    except OSError as error:
        if scratch:
            Path(scratch).unlink(missing_ok=True)
        raise AepConfigError(f"{target} cannot be written: {error.strerror}.") from error
