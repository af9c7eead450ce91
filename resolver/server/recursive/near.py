"""How a process of trio's asks the one that asks others, and waits for what it says."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Final

import trio

from resolver.server.recursive.packets import (
    GIVE_UP_SECONDS,
    PACKET_OCTETS,
    TAG_OCTETS,
    Asked,
    PacketError,
    asked,
    read_answered,
)

WAITING_MAX: Final = 20_000  # questions at once; more are not asked


class _Waiting:
    def __init__(self) -> None:
        self.came = trio.Event()
        self.entry: bytes | None = None


class Near:
    """Questions to the process that asks others.

    Args:
        sock: this end of the pair.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._waiting: dict[bytes, _Waiting] = {}
        self._hearing = trio.CancelScope()
        # What an earlier process has asked may still be answered, so numbers begin anywhere.
        self._number = int.from_bytes(os.urandom(TAG_OCTETS))

    async def ask(self, name: bytes, rrtype: int, is_fresh: bool = False) -> bytes | None:
        """What is at a name, as the cache keeps it; None if nobody says within GIVE_UP_SECONDS.

        Args:
            name: wire form, lower case.
            is_fresh: what the cache has is not good enough.
        """
        if len(self._waiting) >= WAITING_MAX or self._hearing.cancel_called:
            return None
        self._number = (self._number + 1) % 2 ** (8 * TAG_OCTETS)
        tag = self._number.to_bytes(TAG_OCTETS)
        waiting = self._waiting[tag] = _Waiting()
        try:
            self._sock.send(asked([Asked(tag, rrtype, name, is_fresh)]))
            with trio.move_on_after(GIVE_UP_SECONDS):
                await waiting.came.wait()
        except OSError:  # it has more to do than it can
            return None
        finally:
            del self._waiting[tag]
        return waiting.entry

    def close(self) -> None:
        """Take no more answers: those that come are for the process that follows this one."""
        self._hearing.cancel()
        for waiting in self._waiting.values():
            waiting.came.set()

    async def hear(self) -> None:
        """Take answers, until it is closed."""
        with self._hearing:
            await self._hear()

    async def _hear(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._sock)
            with contextlib.suppress(BlockingIOError, PacketError):
                for tag, entry in read_answered(self._sock.recv(PACKET_OCTETS)):
                    waiting = self._waiting.get(tag)
                    if waiting is not None:
                        waiting.entry = entry
                        waiting.came.set()
