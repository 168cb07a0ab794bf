"""What a text must not hold that people read in a log."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Final

from .world import SOURCE_PASSWORD, TOKEN

LONGEST: Final = 2000
"""Characters of a message."""
_SECRETS: Final = (TOKEN, SOURCE_PASSWORD)


def flaws(text: str, longest: int = LONGEST) -> Iterator[str]:
    """Yield what makes a text unfit for a log."""
    if len(text) > longest:
        yield "is too long"
    if any(unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") for one in text):
        yield "holds control characters"
    if any(secret in text for secret in _SECRETS):
        yield "holds a secret"
