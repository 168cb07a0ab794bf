"""What is below HTTP: the connection that an answer goes through, to cut it or to keep it waiting."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios
import time
from typing import Literal

from uvicorn.protocols.http.h11_impl import H11Protocol

Cut = Literal["reset", "close"]
_AT_ONCE = struct.pack("ii", 1, 0)
"""A socket that does not linger ends with a reset (RST) instead of an orderly end (FIN)."""
_PATIENCE = 2.0


class Wire:
    """One connection.

    :param transport: what uvicorn writes to.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.lost = asyncio.Event()

    async def flushed(self) -> None:
        """Wait until the caller has what was written, but not for one that does not read."""
        began, waiting = time.monotonic(), True
        while waiting and not self.lost.is_set() and time.monotonic() - began < _PATIENCE:
            # also where nothing seems to wait: uvloop writes at the end of a turn of its loop
            await asyncio.sleep(0.001)
            waiting = self._transport.get_write_buffer_size() > 0 or self._under_way() > 0

    def _under_way(self) -> int:
        """How many bytes the system holds that have not arrived, which a reset would throw away; 0 where it does not tell."""
        try:
            raw = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0" * 4)
        except OSError:
            return 0
        return int.from_bytes(raw, sys.byteorder)

    @property
    def _socket(self) -> socket.socket:
        connection: socket.socket = self._transport.get_extra_info("socket")
        return connection

    def write(self, raw: bytes) -> None:
        """Send bytes that are no message of HTTP; the connection is of no use afterwards."""
        self._transport.write(raw)

    async def cut(self, by: Cut) -> None:
        """End the connection, and wait until it has ended: the server must not answer itself where nothing was answered."""
        if not self.lost.is_set():
            if by == "reset":
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                self._transport.abort()
            else:
                self._transport.close()
            await self.lost.wait()


class WiredProtocol(H11Protocol):
    """uvicorn's protocol, whose requests find their connection in the state of their scope, under ``wire``."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wire = Wire(transport)
        self.app_state = {**self.app_state, "wire": self._wire}

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._wire.lost.set()
