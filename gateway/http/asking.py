"""The writer of the node, asked in the loop of the interface: one request at a time of each call,
without a thread that waits for it.

What is out of the ordinary is left to threads (`work.py`): no writer, one that ends, another one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

from csid.errors import CsidError
from csid.limits import MAX_IN_FLIGHT
from registry.rules.decision import Decision
from registry.rules.requests import Request
from registry.writer import protocol
from registry.writer.client import ANSWER_SECONDS, Greeted
from registry.writer.protocol import Frames, ProtocolError

AGAIN_SECONDS: Final = 1.0  # between two attempts to reach a writer
_NOBODY: Final = (None, 0.0)


class NotBegun(Exception):
    """Of what was asked nothing was begun, and it may be asked elsewhere."""


class _Answers(asyncio.Protocol):
    """Answers of one writer, by the numbers of what was asked."""

    def __init__(self, frames: Frames) -> None:
        # By number, the oldest first: who waits, and until when.
        self.waiting: dict[int, tuple[asyncio.Future[tuple[Any, ...]], float]] = {}
        self.is_open = True
        self._frames = frames
        self._transport: asyncio.BaseTransport | None = None
        self._loop = asyncio.get_running_loop()
        self._look: asyncio.TimerHandle | None = None  # for those who have waited too long

    def awaited(self, number: int) -> asyncio.Future[tuple[Any, ...]]:
        """The answer to what is asked under a number."""
        future = self._loop.create_future()
        until = self._loop.time() + ANSWER_SECONDS
        self.waiting[number] = future, until
        if self._look is None:  # one for all: most are answered long before
            self._look = self._loop.call_at(until, self._give_up)
        return future

    def _give_up(self) -> None:
        self._look = None
        for number, (future, until) in list(self.waiting.items()):
            if until > self._loop.time():
                self._look = self._loop.call_at(until, self._give_up)
                return
            del self.waiting[number]
            if not future.done():
                future.set_exception(CsidError("the writer has not answered in time"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._frames.receive(data)
            while (values := self._frames.take()) is not None:
                if values[:2] == (0, protocol.BYE):
                    self._end(NotBegun())
                    return
                future, _ = self.waiting.pop(values[0], _NOBODY)
                if future is not None and not future.done():
                    future.set_result(values)
        except ProtocolError as error:
            self._end(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(CsidError("the writer has ended; whether this was done is not known"))

    def _end(self, error: Exception) -> None:
        self.is_open = False
        if self._transport is not None:
            self._transport.close()
        if self._look is not None:
            self._look.cancel()
            self._look = None
        left, self.waiting = self.waiting, {}
        for future, _ in left.values():
            if not future.done():
                future.set_exception(error)


class Asking:
    """Asks the writer.

    Args:
        greet: connects, and says hello; None if there is no writer. It may wait.
    """

    def __init__(self, greet: Callable[[], Greeted | None]) -> None:
        self._greet = greet
        self._answers: _Answers | None = None
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._due = 0.0
        self._number = 0

    def close(self) -> None:
        """End the use."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.abort()

    async def submit(self, request: Request) -> Decision:
        """Decide on a request and carry it out; returns once it is durable.

        Raises:
            NotBegun: nothing was begun: there is no writer at the moment, or it has much to do.
            CsidError: as the writer says, or it is not known whether it was done.
        """
        answers, transport = self._answers, self._transport
        if answers is None or transport is None or not answers.is_open:
            self._connect()
            raise NotBegun
        if len(answers.waiting) >= MAX_IN_FLIGHT:
            raise NotBegun
        self._number += 1
        number = self._number
        octets = protocol.requests(number, (request,))
        future = answers.awaited(number)
        transport.write(octets)
        try:
            _, kind, *rest = await future
        finally:
            answers.waiting.pop(number, None)
        if kind == protocol.ERROR and len(rest) == 1:
            raise protocol.read_error(rest[0])
        if kind != protocol.DECISIONS or len(rest) != 1:
            raise ProtocolError("the writer's answer is none to what was asked")
        (outcome,) = protocol.read_outcomes(rest[0])
        if isinstance(outcome, CsidError):
            raise outcome
        return outcome

    def _connect(self) -> None:
        """Have a connection for those who come later."""
        loop = asyncio.get_running_loop()
        if self._connecting is None and loop.time() >= self._due:
            self._connecting = loop.create_task(self._connected())
            self._connecting.add_done_callback(self._settle)

    def _settle(self, _: asyncio.Task[None]) -> None:
        self._connecting = None
        self._due = asyncio.get_running_loop().time() + AGAIN_SECONDS

    async def _connected(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(CsidError, OSError):
            greeted = await loop.run_in_executor(None, self._greet)
            if greeted is None:
                return
            sock, frames = greeted
            sock.setblocking(False)
            answers = _Answers(frames)
            self._transport, _ = await loop.create_connection(lambda: answers, sock=sock)
            self._answers = answers
            answers.data_received(b"")
