"""What a UDP worker does with questions that the cache has no answer to: one packet a batch."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Final

from csid.protocol import EDE_PROHIBITED, REFUSED
from resolver.answer.reply import Reply
from resolver.server.counters import MISSED, UNHEARD, Counters
from resolver.server.recursive.packets import PACKET_OCTETS, Missed, missed

_ORIGIN_OCTETS: Final = 128  # that the head and the origin of a question have at most
NOBODY: Final = b""  # the origin of what is asked ahead of time


def is_refused(reply: Reply, served: tuple[bytes, ...]) -> bool:
    """Refuse a question for a name that is not at or below one of those with these keys."""
    if reply.key.startswith(served):
        return False
    reply.rcode, reply.ede = REFUSED, EDE_PROHIBITED
    return True


class Misses:
    """Gathers the questions of a batch, and hands them on once it is answered.

    It stands where `resolver.server.udp` has what looks after what is left, and what is told of
    each batch.

    Args:
        out: to the process that asks others.
        sock: where the questions come to.
        served: keys of the names at and below which others are asked; of all others none is.
        counters: where is counted what was handed on, and what nobody took.
    """

    def __init__(
        self, out: socket.socket, sock: socket.socket, served: Sequence[bytes], counters: Counters
    ) -> None:
        self._out = out
        self._number = os.fstat(sock.fileno()).st_ino
        self._served = tuple(served)
        self._counters = counters
        self._left: Reply | None = None
        self._held: list[Missed] = []
        self._octets = 0

    # -- of the cache (`resolver.cache.source`)

    def missed(self, reply: Reply) -> bool:
        """Leave a question to be asked; one that is not for us is refused at once."""
        if is_refused(reply, self._served):
            return True
        self._left = reply
        return False

    def ahead(self, reply: Reply) -> None:
        """Have a question asked for which nobody waits."""
        self._hold(NOBODY, reply)

    # -- of the batch

    def take(self) -> Reply | None:
        """The question that is left, which the caller hands over."""
        left, self._left = self._left, None
        return left

    def hand_over(self, reply: Reply, origin: bytes, _now: int) -> bytes | None:
        """Have a question answered later."""
        self._hold(origin, reply)
        return None

    def __call__(self, _packets: object, _addresses: object, _replies: object) -> None:
        """The batch is answered."""
        if self._held:
            self.flush()

    def flush(self) -> None:
        """Hand on what is held. What the other side has no room for is lost, as a datagram is."""
        if not self._held:
            return
        packet = missed(self._number, self._held)
        try:
            self._out.send(packet, socket.MSG_DONTWAIT)
        except OSError:
            self._counters[UNHEARD] += len(self._held)
        self._counters[MISSED] += len(self._held)
        self._held.clear()
        self._octets = 0

    def _hold(self, origin: bytes, reply: Reply) -> None:
        octets = len(reply.packet) + _ORIGIN_OCTETS
        if self._octets + octets > PACKET_OCTETS:
            self.flush()
        self._held.append(Missed(origin, reply.packet))
        self._octets += octets
