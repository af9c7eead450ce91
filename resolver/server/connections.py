"""The connections of the TCP server: who may come in, and who has to go when there is no room.

No socket and no task. A connection counts from `admit` until it ends by itself (`leave`) or is told
to end: then its scope is cancelled, it counts no more, and nothing it still does changes that. Its
own task alone closes it.

Who has to go is chosen by peer first, so that nobody who opens many connections or leaves many
octets lying about can push out the others: the peer that has most gives one up.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from typing import Final

import trio

IPV6_PEER_OCTETS: Final = 8  # a site has a /64 at the least, and any address in it (RFC 6177)


class Connection:
    """One connection, as the others are affected by it.

    Attributes:
        address: the peer's IP address, 4 or 16 octets.
        peer: whom it counts for: the address, of IPv6 its /64.
        deadline: when it is ended, in seconds on trio's clock.
        own: octets that it takes by itself, as for TLS.
        over_tls: it goes over TLS.
        held: octets kept for it: these, those of queries not answered yet and of answers not taken
            yet.
        counted: it is admitted and not told to end.
        unreleased: octets it held when it was told to end, until its task has ended.
        scope: what its task runs in.
    """

    __slots__ = (
        "address",
        "counted",
        "deadline",
        "held",
        "over_tls",
        "own",
        "peer",
        "scope",
        "unreleased",
    )

    def __init__(
        self, address: bytes, deadline: float, own: int = 0, over_tls: bool = False
    ) -> None:
        self.address = address
        self.over_tls = over_tls
        self.peer = address if len(address) == 4 else address[:IPV6_PEER_OCTETS]
        self.deadline = deadline
        self.own = own
        self.held = 0
        self.counted = False
        self.unreleased = 0
        self.scope = trio.CancelScope()


class Connections:
    """All connections that count.

    Args:
        most: connections at once, at least 1.
        most_per_peer: of them, from one peer.
        most_held: octets held for all of them together.

    Attributes:
        open: connections that count.
        held: octets held for them.
        unreleased: octets of those that were told to end and whose tasks have not ended yet.
        accepted, refused, shed, expired: connections admitted so far, refused for their peer had
            its share, ended to make room, and ended at their deadline.
    """

    def __init__(self, most: int, most_per_peer: int, most_held: int) -> None:
        self._most = most
        self._most_per_peer = most_per_peer
        self._most_held = most_held
        # Of each peer, by their last answer, the longest ago first.
        self._peers: dict[bytes, OrderedDict[Connection, None]] = {}
        # Peers by how many connections they have, again by their last answer; and the most any has.
        self._ranks: dict[int, OrderedDict[bytes, None]] = {}
        self._highest = 0
        self.open = self.held = self.unreleased = 0
        self.accepted = self.refused = self.shed = self.expired = 0

    def __iter__(self) -> Iterator[Connection]:
        for own in self._peers.values():
            yield from own

    def of_peer(self, peer: bytes) -> int:
        """How many connections of a peer count."""
        return len(self._peers.get(peer, ()))

    def admit(self, connection: Connection) -> bool:
        """Count a new connection, making room for it; False if its peer has its share already."""
        peer = connection.peer
        if self.of_peer(peer) >= self._most_per_peer:
            self.refused += 1
            return False
        if self.open >= self._most:
            self.make_room()
        own = self._peers.setdefault(peer, OrderedDict())
        own[connection] = None
        self._rank(peer, len(own) - 1, len(own))
        connection.counted = True
        self.open += 1
        self.accepted += 1
        if connection.own:
            self.hold(connection, 0)
        return True

    def answered(self, connection: Connection, octets: int, deadline: float) -> None:
        """A connection has got its answers: it may go on until `deadline`, and now holds less."""
        if connection.counted:
            connection.deadline = deadline
            self._keep(connection, octets)
            own = self._peers[connection.peer]
            own.move_to_end(connection)
            self._ranks[len(own)].move_to_end(connection.peer)

    def hold(self, connection: Connection, octets: int) -> None:
        """A connection holds so many octets now beside its own; others, or this one, may have to go
        for them.
        """
        if connection.counted:
            self._keep(connection, octets)
            if self.held > self._most_held:
                self._let_go()

    def _keep(self, connection: Connection, octets: int) -> None:
        octets += connection.own
        self.held += octets - connection.held
        connection.held = octets

    def crowded(self) -> bool:
        """So much is yet to be released that nobody should make more before others had a turn."""
        return self.unreleased > self._most_held

    def make_room(self) -> bool:
        """End one connection: of the peer that has most, the one whose last answer is longest ago.

        Returns whether there was any.
        """
        if not self.open:
            return False
        peer = next(iter(self._ranks[self._highest]))
        self._shed(next(iter(self._peers[peer])))
        return True

    def expire(self, now: float) -> None:
        """End the connections that are past their deadline."""
        for connection in [one for one in self if one.deadline <= now]:
            self.expired += 1
            self._end(connection)

    def end_quiet(self, deadline: float) -> None:
        """End the connections for which nothing is held and that end before a deadline: the last
        answer to any of them was so long ago.
        """
        for connection in [one for one in self if one.held == one.own and one.deadline < deadline]:
            self._end(connection)

    def leave(self, connection: Connection) -> None:
        """A connection has ended, whichever side ended it; for its own task to call."""
        if connection.counted:
            self._discount(connection)
        self.unreleased -= connection.unreleased
        connection.unreleased = 0

    def _let_go(self) -> None:
        """End connections for what they hold: of the peer that holds most, the one whose deadline
        is nearest, again and again.

        It goes on below the cap: the look at all connections then comes once in as many octets.
        """
        holders: defaultdict[bytes, list[Connection]] = defaultdict(list)
        for connection in self:
            if connection.held:
                holders[connection.peer].append(connection)
        for own in holders.values():
            own.sort(key=lambda one: one.deadline, reverse=True)
        # Negative, for heapq gives the smallest.
        totals = [(-sum(one.held for one in own), peer) for peer, own in holders.items()]
        heapq.heapify(totals)
        enough = self._most_held - self._most_held // 8
        while self.held > enough:
            total, peer = totals[0]
            connection = holders[peer].pop()
            heapq.heapreplace(totals, (total + connection.held, peer))
            self._shed(connection)

    def _shed(self, connection: Connection) -> None:
        self.shed += 1
        self._end(connection)

    def _end(self, connection: Connection) -> None:
        connection.unreleased = connection.held
        self.unreleased += connection.held
        self._discount(connection)
        connection.scope.cancel()

    def _discount(self, connection: Connection) -> None:
        connection.counted = False
        self.open -= 1
        self.held -= connection.held
        connection.held = 0
        own = self._peers[connection.peer]
        del own[connection]
        self._rank(connection.peer, len(own) + 1, len(own))
        if not own:
            del self._peers[connection.peer]

    def _rank(self, peer: bytes, before: int, after: int) -> None:
        """A peer has one connection more or one less than before."""
        if before:
            del self._ranks[before][peer]
            if not self._ranks[before]:
                del self._ranks[before]
        if after:
            self._ranks.setdefault(after, OrderedDict())[peer] = None
        if after > self._highest or self._highest not in self._ranks:
            self._highest = after
