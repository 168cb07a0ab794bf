"""One request, and what becomes of it."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aep_local.faults.answer import Answer
from aep_local.faults.asked import Asked
from aep_local.faults.wire import Wire
from aep_local.web.bodies import MAX_BYTES
from aep_local.web.services import Services


class Exchange:
    """A request that a fault may happen to.

    :param app: does the work.
    :param query: the request's query as the caller sent it; the scope may have another.
    :param stopping: set when the server stops.
    """

    def __init__(  # noqa: PLR0917 - the first four are ASGI's
        self,
        app: ASGIApp,
        scope: Scope,
        receive: Receive,
        send: Send,
        asked: Asked,
        query: str,
        stopping: asyncio.Event,
    ) -> None:
        self._app = app
        self._scope = scope
        self._receive = receive
        self._send = send
        self._body: list[Message] | None = None
        self._answer: Answer | None = None
        self._stopping = stopping
        self.asked: Final = asked
        self.query: Final = query
        self.services: Services = scope["state"].get("services") or scope["app"].state.services

    @property
    def wire(self) -> Wire:
        """The connection that the request came through.

        :raises RuntimeError: uvicorn serves with a protocol of its own.
        """
        wire = self._scope["state"].get("wire")
        if not isinstance(wire, Wire):
            raise RuntimeError("faults of connections need aep_local.faults.wire.WiredProtocol")
        return wire

    async def pause(self, seconds: float | None, *, although_hung_up: bool = False) -> bool:
        """Wait, for ever when None; False as soon as the server stops or, unless told otherwise, the caller has hung up."""
        ends = [self._stopping] if although_hung_up else [self._stopping, self.wire.lost]
        waiting = [asyncio.ensure_future(each.wait()) for each in ends]
        done, pending = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for each in pending:
            each.cancel()
        return not done

    async def read(self) -> None:
        """Take in the body (as much as a service would), so that a caller who hangs up later has asked all the same."""
        if self._body is not None:
            return
        self._body = []
        size = 0
        while size <= MAX_BYTES:
            message = await self._receive()
            self._body.append(message)
            size += len(message.get("body", b""))
            if not message.get("more_body", False):
                return

    async def work(self, *, query: str | None = None, services: Services | None = None) -> Answer:
        """Let the platform do what is asked, and keep the answer.

        :param query: asks for something else than the request.
        :param services: what the request is served from, other than usual.
        """
        await self.read()
        state = {**self._scope["state"], **({} if services is None else {"services": services})}
        scope = {**self._scope, "state": state}
        if query is not None:
            scope["query_string"] = query.encode("latin-1")
        status, headers, body = 500, (), bytearray()

        async def kept(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], tuple(message.get("headers", ()))
            else:
                body.extend(message.get("body", b""))

        await self._app(scope, self._replayed(), kept)
        answer = Answer(status, headers, bytes(body))
        if query is None:
            self._answer = answer
        return answer

    async def go_on(self, services: Services | None = None) -> None:
        """Answer as ever, with what was done already or, where there are other services, by these."""
        if services is not None:
            await self.work(services=services)
        if self._answer is None:
            await self._app(self._scope, self._replayed(), self._send)
        else:
            await self.send(self._answer)

    async def send(self, answer: Answer) -> None:
        """Send an answer as it is."""
        await self.begin(answer)
        await self.send_part(answer.body, more=False)

    async def begin(self, answer: Answer) -> None:
        """Send status and headers of an answer."""
        message = {"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)}
        await self._send(message)

    async def send_part(self, part: bytes, *, more: bool) -> None:
        """Send a part of a body, the last one when there is no more."""
        await self._send({"type": "http.response.body", "body": part, "more_body": more})

    def _replayed(self) -> Receive:
        """The request's body once more, and then what else comes."""
        messages = iter(self._body or ())

        async def receive() -> Message:
            return next(messages, None) or await self._receive()

        return receive
