"""The client for programs of an event loop: the same steps as `blocking`, awaited.

Trio and asyncio differ in how they wait for a file, how they leave a lookup to a thread, and how
they bound what goes on at once; nothing else is written twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, Final, Protocol, Self

import sniffio
import trio

from csid.client.answer import Answer, Result
from csid.client.servers import Servers
from csid.identifier import Identifier
from resolver.client.blocking import Lines, look_up, steps
from resolver.client.settings import Settings
from resolver.client.sockets import Sockets

CALLS_MAX: Final = 64  # of one client that have sockets at once; others wait for them


class _Loop(Protocol):
    """What an event loop does for us."""

    token: object  # of the loop that runs
    turns: AbstractAsyncContextManager[Any]  # bounds what goes on at once

    async def wait(self, sockets: Sockets, seconds: float) -> None: ...

    async def look_up(self, settings: Settings) -> Servers: ...


class _Trio:
    def __init__(self) -> None:
        self.token: object = trio.lowlevel.current_trio_token()
        self.turns: AbstractAsyncContextManager[Any] = trio.Semaphore(CALLS_MAX)

    async def wait(self, sockets: Sockets, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await trio.lowlevel.wait_readable(sockets.fileno())

    async def look_up(self, settings: Settings) -> Servers:
        return await trio.to_thread.run_sync(look_up, settings.servers)


class _Asyncio:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.token: object = self._loop
        self.turns: AbstractAsyncContextManager[Any] = asyncio.Semaphore(CALLS_MAX)

    async def wait(self, sockets: Sockets, seconds: float) -> None:
        ready = asyncio.Event()
        self._loop.add_reader(sockets.fileno(), ready.set)
        try:
            async with asyncio.timeout(seconds):
                await ready.wait()
        except TimeoutError:
            pass
        finally:
            self._loop.remove_reader(sockets.fileno())

    async def look_up(self, settings: Settings) -> Servers:
        return await self._loop.run_in_executor(None, look_up, settings.servers)


def _loop_here(known: _Loop | None) -> _Loop:
    """The event loop that runs; the one that is known if it is that."""
    is_trio = sniffio.current_async_library() == "trio"
    token = trio.lowlevel.current_trio_token() if is_trio else asyncio.get_running_loop()
    if known is not None and known.token is token:
        return known
    return _Trio() if is_trio else _Asyncio()


class AsyncClient:
    """Resolves compute identifiers under trio or asyncio. Tasks of one event loop may share it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lines = Lines(settings)
        self._loop: _Loop | None = None

    async def resolve(self, identifier: str | Identifier, *, over_tcp: bool = False) -> Answer:
        """See `resolver.client.blocking.Client.resolve`."""
        (result,) = await self.resolve_many((identifier,), over_tcp=over_tcp)
        return result.require()

    async def resolve_many(
        self, identifiers: Iterable[str | Identifier], *, over_tcp: bool = False
    ) -> list[Result]:
        """See `resolver.client.blocking.Client.resolve_many`."""
        async with aclosing(self.resolve_each(identifiers, over_tcp=over_tcp)) as results:
            return [one async for one in results]

    async def resolve_each(
        self, identifiers: Iterable[str | Identifier], *, over_tcp: bool = False
    ) -> AsyncGenerator[Result, None]:
        """See `resolver.client.blocking.Client.resolve_each`. One that is not taken to its end is
        to be closed (`contextlib.aclosing`).
        """
        loop = self._loop = _loop_here(self._loop)
        lines = self._lines
        if lines.servers is None:
            lines.servers = await loop.look_up(self.settings)
        async with loop.turns:
            line = lines.take()
            try:
                for step in steps(line, lines.asking(line, identifiers, over_tcp)):
                    if isinstance(step, float):
                        await loop.wait(line.sockets, step)
                    else:
                        for result in step:
                            yield result
            finally:
                lines.give_back(line)

    def forget(self) -> None:
        """Remember no answer that came so far."""
        self._lines.memory.clear()

    async def aclose(self) -> None:
        """Close its sockets; it is of no use afterwards."""
        self._lines.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
