"""How a process of trio's asks the one that asks others, and waits for what it says."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Final

import trio

from resolver.server.recursive.packets import (
    AGAIN_SECONDS,
    GIVE_UP_SECONDS,
    LEAVE_SECONDS,
    PACKET_OCTETS,
    TAG_OCTETS,
    Answered,
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
        self._is_leaving = self._is_deaf = False
        # What an earlier process has asked may still be answered, so numbers begin anywhere.
        self._number = int.from_bytes(os.urandom(TAG_OCTETS))

    async def ask(self, name: bytes, rrtype: int, is_fresh: bool = False) -> bytes | None:
        """What is at a name, as the cache keeps it; None if nobody says within GIVE_UP_SECONDS.

        Args:
            name: wire form, lower case.
            is_fresh: what the cache has is not good enough.
        """
        if len(self._waiting) >= WAITING_MAX or self._is_deaf:
            return None
        self._number = (self._number + 1) % 2 ** (8 * TAG_OCTETS)
        tag = self._number.to_bytes(TAG_OCTETS)
        waiting = self._waiting[tag] = _Waiting()
        packet = asked([Asked(tag, rrtype, name, is_fresh)])
        try:
            # What was lost with a process that was replaced is asked once more.
            for seconds in (AGAIN_SECONDS, GIVE_UP_SECONDS - AGAIN_SECONDS):
                self._sock.send(packet)
                with trio.move_on_after(seconds):
                    await waiting.came.wait()
                    break
        except OSError:  # it has more to do than it can
            return None
        finally:
            del self._waiting[tag]
        return waiting.entry

    def leave(self) -> None:
        """Take what is still answered for LEAVE_SECONDS at most, then nothing more: it is for the
        process that follows this one.
        """
        self._is_leaving = True
        self._hearing.deadline = trio.current_time() + LEAVE_SECONDS
        if not self._waiting:
            self._hearing.cancel()

    async def hear(self) -> None:
        """Take answers, until it leaves."""
        with self._hearing:
            while not self._is_leaving or self._waits():
                await trio.lowlevel.wait_readable(self._sock)
                with contextlib.suppress(BlockingIOError, PacketError):
                    self._take(read_answered(self._sock.recv(PACKET_OCTETS)))
        self._is_deaf = True
        for waiting in self._waiting.values():
            waiting.came.set()

    def _waits(self) -> bool:
        return not all(one.came.is_set() for one in self._waiting.values())

    def _take(self, answers: list[Answered]) -> None:
        for tag, entry in answers:
            waiting = self._waiting.get(tag)
            if waiting is not None:
                waiting.entry = entry
                waiting.came.set()
