"""What is no plain query, in a process that answers: `resolver.sync.front` says what is to be done,
and what takes no longer than an answer is done here. The rest is left to the server around.
"""

from __future__ import annotations

from collections.abc import Callable

from csid.protocol import AXFR, IXFR, NOTIFY, QUERY, UPDATE
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.answer.reply import Reply
from resolver.answer.resolve import TreeSource
from resolver.answer.source import Source
from resolver.server import counters as places
from resolver.server.bell import Bell
from resolver.server.counters import Counters
from resolver.store.environment import Store
from resolver.sync.front import Forward, Front, Transfer
from resolver.sync.transfer.outgoing import answer_udp

# Hands an UPDATE over to the writer, whose answer goes to an origin (`resolver.server.datagrams`)
# some time later; if there is none, the answer that is given with it. False: it is not taken.
HandOver = Callable[[Forward, bytes, bytes], bool]

_COUNTED = {
    (NOTIFY, 0): places.NOTIFIES,
    (UPDATE, 0): places.UPDATES,
    (QUERY, AXFR): places.AXFRS,
    (QUERY, IXFR): places.IXFRS,
}


def no_writer(_forward: Forward, _failure: bytes, _origin: bytes) -> bool:
    """Where no UPDATE can be carried out."""
    return False


class Special:
    """Looks after what is no plain query.

    Args:
        store: what is answered from.
        answerer: makes the answers; it asks here from now on.
        opt: writes OPT records.
        bell: rung by NOTIFY, and told who signs.
        hand_over: what came over UDP, to the writer.
        counters: what was asked is counted there.

    Attributes:
        left: what the message answered last leaves to be done by the server around, if any.
    """

    def __init__(
        self,
        store: Store,
        answerer: Answerer,
        opt: OptWriter,
        bell: Bell,
        hand_over: HandOver = no_writer,
        counters: Counters | None = None,
    ) -> None:
        self._counters = counters or places.unread()
        self._store = store
        self._front = Front(answerer, opt, bell.ring, bell.hear)
        self._hand_over = hand_over
        self.left: Transfer | Forward | None = None
        answerer.special = self.handle

    def handle(self, reply: Reply, source: Source, now: int) -> bytes | None:
        """The answer to a message; None if there is none yet, see `left`."""
        assert isinstance(source, TreeSource)
        self._count(reply)
        moment = self._store.reading(source.moment)
        outcome = self._front.handle(reply, source, moment, now)
        if isinstance(outcome, Transfer) and not outcome.request.stream:
            return answer_udp(outcome.request, moment, now)
        if isinstance(outcome, Transfer | Forward):
            self.left = outcome
            return None
        return outcome

    def _count(self, reply: Reply) -> None:
        """What was asked, granted or not."""
        opcode = reply.packet[2] >> 3 & 15
        at = _COUNTED.get((opcode, reply.qtype if opcode == QUERY else 0))
        if at is not None:
            self._counters[at] += 1
        if reply.signed:
            self._counters[places.SIGNED] += 1

    def take(self) -> Transfer | Forward | None:
        """What is left, which the caller sees to."""
        left, self.left = self.left, None
        return left

    def hand_over(self, forward: Forward, origin: bytes, now: int) -> bytes | None:
        """Have the writer answer an UPDATE; the answer if it cannot.

        Args:
            origin: whence the question came, which is to get the answer.
        """
        failure = self.unreachable(forward, now)
        return None if self._hand_over(forward, failure, origin) else failure

    def unreachable(self, forward: Forward, now: int) -> bytes:
        """The answer to an UPDATE that could not be handed to the writer."""
        return self._front.unreachable(forward, now)
