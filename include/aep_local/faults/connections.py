"""Faults of the connection: it ends too early, too late, or is slow."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aep_local.faults.exchange import Exchange
from aep_local.faults.fault import Fault, Happening, Seconds, When
from aep_local.faults.wire import Cut

_TURNS_A_SECOND = 20


class HangUp(Fault):
    """The connection ends without a whole answer: before the work, after it, or in the middle of the answer.

    :param by: a reset (RST), or an orderly end (FIN), which leaves a body shorter than its ``Content-Length``.
    """

    kind: Literal["hang_up"]
    when: Literal["before", "middle", "after"] = "after"
    by: Cut = "reset"

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        await exchange.read()
        answer = None if self.when == "before" else await exchange.work()
        told.happens()
        if answer is not None and self.when == "middle":
            if len(answer.body) > 1:
                await exchange.begin(answer.with_body(answer.body))
                await exchange.send_part(answer.body[: len(answer.body) // 2], more=True)
            else:
                exchange.wire.write(b"HTTP/1.1 2")
            await exchange.wire.flushed()
        await exchange.wire.cut(self.by)


class Never(Fault):
    """No answer comes, until the caller hangs up."""

    kind: Literal["never"]
    when: When = "after"

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        await exchange.read()
        if self.when == "after":
            await exchange.work()
        told.happens()
        await exchange.pause(None)
        await exchange.wire.cut("reset")


class SlowStart(Fault):
    """The first byte of the answer comes late.

    :param when: whether the wait is before the work, which is then done even if the caller has given up, or after it.
    """

    kind: Literal["slow_start"]
    seconds: Seconds
    when: When = "after"

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        await exchange.read()
        answer = await exchange.work() if self.when == "after" else None
        told.happens()
        if not await exchange.pause(self.seconds, although_hung_up=self.when == "before"):
            await exchange.wire.cut("reset")
            return
        await exchange.send(answer or await exchange.work())


class Drip(Fault):
    """The body of the answer comes slowly, its head at once."""

    kind: Literal["drip"]
    bytes_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    async def inject(self, exchange: Exchange, told: Happening) -> None:
        answer = await exchange.work()
        if not answer.body:
            return
        told.happens()
        await exchange.begin(answer)
        size = max(1, round(self.bytes_per_second / _TURNS_A_SECOND))
        for start in range(0, len(answer.body), size):
            if not await exchange.pause(size / self.bytes_per_second):
                await exchange.wire.cut("reset")
                return
            await exchange.send_part(answer.body[start : start + size], more=True)
        await exchange.send_part(b"", more=False)
