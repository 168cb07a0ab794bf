"""What every stored document has, whichever service it belongs to."""

from __future__ import annotations

import secrets
from typing import Final

INTERNAL: Final = "_local"
"""The key of a document under which the platform keeps what no answer shows."""


def etag(now_ms: int) -> str:
    """A new etag; its double quotes belong to it, its last group tells the second of the write."""
    return f'"{secrets.token_hex(4)}-0000-0200-0000-{now_ms // 1000:08x}0000"'
