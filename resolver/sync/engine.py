"""What a node does about the zones it follows and the servers it notifies: when it asks whom, what
it has transferred, what it says to whom, and what it tries again.

No socket, no clock, no thread: it is told what happens (`opened`, `lost`, `received`,
`transferred`, `failed`, `send`, `looking.notice`, `telling.changed`) and the time (`look`), and
says what is to be done (`actions`) and to be written (`looking.outcomes` and its like). Chance
comes from a generator it is given, so the same events lead to the same actions.

It keeps in memory only what it is about at the moment: zones that are being looked at, notices that
are not confirmed, servers it has to do with. All others are rows (resolver/sync/timers.py), of
which only those that are due are read.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple

from csid import names
from csid.protocol import SOA
from resolver.store import node
from resolver.store.apexes import split_zone_entry
from resolver.store.seek import APEX_PREFIX
from resolver.sync.access import keyring
from resolver.sync.actions import Action, Errand, Limits, Present, Where
from resolver.sync.job import Line
from resolver.sync.looking import Fetched, Looking
from resolver.sync.peer import Peer, where_of
from resolver.sync.settings import Target
from resolver.sync.states import PeerRow
from resolver.sync.telling import Telling
from resolver.sync.tsig import Key

_LIMITS: Final = Limits()


class SoaRecord(NamedTuple):
    """The SOA record of a zone that is held."""

    serial: int
    ttl: int
    data: bytes


class Engine:
    """One for a data directory.

    Attributes:
        actions: what is to be done, in order; whoever does it takes them away.
        random: where chance comes from.
        limits: how much is done at once.
        transferring: transfers that are under way.
        looking: the zones that it follows.
        telling: what others are told of changes here.
    """

    def __init__(self, random: Random, limits: Limits = _LIMITS) -> None:
        self.actions: list[Action] = []
        self.random = random
        self.limits = limits
        self.transferring = 0
        self._peers: dict[Where, Peer] = {}
        self._lines: dict[int, tuple[Peer, Line]] = {}
        self._last_line = 0
        self._starved: deque[Peer] = deque()  # with transfers that wait for others to end
        self._alarms: list[tuple[float, int, Callable[[Present], None]]] = []
        self._alarm_count = 0
        self.looking = Looking(self)
        self.telling = Telling(self.peer)
        self._changed_peers: dict[Where, PeerRow] = {}
        self._errands: set[bytes] = set()

    # -- what happens

    def look(self, present: Present) -> None:
        """Time has passed, or the store was written to: take up what is due."""
        alarms = self._alarms
        while alarms and alarms[0][0] <= present.steady:
            heapq.heappop(alarms)[2](present)
        self.looking.take_up(present)
        self.looking.expire_meanwhile(present)

    def wake(self, present: Present) -> float:
        """When to `look` next, on the steady clock; infinity if nothing is to come."""
        due = self.looking.next_due
        if due is None:
            return self.next_alarm
        return min(self.next_alarm, present.steady + max(0, due - present.unix))

    @property
    def next_alarm(self) -> float:
        """When something is to be done though nothing happens, on the steady clock."""
        return self._alarms[0][0] if self._alarms else float("inf")

    def send(self, present: Present, errand: Errand) -> bool:
        """Put a request to a server until it is answered, unless one of this name is under way."""
        if errand.name in self._errands:
            return False
        self._errands.add(errand.name)
        self.peer(errand.target).send(present, errand)
        return True

    def errand_done(self, errand: Errand) -> None:
        """What followed from the answer to an errand has been written."""
        self._errands.discard(errand.name)

    def opened(self, present: Present, link: int) -> None:
        """A connection is there."""
        if link in self._lines:
            peer, line = self._lines[link]
            peer.opened(present, line)

    def lost(self, present: Present, link: int, reason: str) -> None:
        """A connection has ended, or has not come about."""
        if link in self._lines:
            peer, line = self._lines[link]
            peer.lost(present, line, reason)

    def received(self, present: Present, link: int, message: bytes) -> None:
        """A message has come on a connection on which no transfer runs."""
        if link in self._lines:
            peer, line = self._lines[link]
            peer.received(present, line, message)

    def transferred(self, present: Present, link: int, fetched: Fetched) -> None:
        """The transfer on a connection is through, and its zone is served."""
        peer, line = self._lines[link]
        zone = line.zone
        assert zone is not None
        peer.transferred(present, line)
        self.looking.transferred(present, peer, zone, fetched)
        peer.drive(present)
        self._feed_starved(present)

    def failed(
        self,
        present: Present,
        link: int,
        reason: str,
        is_closed: bool = False,
        is_hung: bool = False,
        may_full: bool = False,
    ) -> None:
        """The transfer on a connection has come to nothing; the connection is gone.

        Args:
            is_closed: the server ended the connection before it said anything.
            is_hung: the server said nothing for too long.
            may_full: it may do better when it is asked for the whole zone.
        """
        peer, line = self._lines[link]
        zone = line.zone
        assert zone is not None
        if not peer.broken(present, line, is_closed):
            if may_full and not zone.is_full:
                zone.is_full = True
                peer.take(present, zone, first=True)
            else:
                if is_hung:
                    peer.fail(present, reason)
                self.looking.failed_at(present, zone, f"{peer.where}: {reason}")
        peer.drive(present)
        self._feed_starved(present)

    # -- what is to be written

    @property
    def has_settled(self) -> bool:
        """Whether anything is to be written."""
        return bool(self.looking.outcomes or self.telling.has_news or self._changed_peers)

    def take_peers(self) -> list[tuple[Where, PeerRow]]:
        """Which servers have gone or come back."""
        changed, self._changed_peers = self._changed_peers, {}
        return list(changed.items())

    # -- for peers

    def alarm(self, at: float, what: Callable[[Present], None]) -> None:
        """Have something called at a time on the steady clock."""
        self._alarm_count += 1
        heapq.heappush(self._alarms, (at, self._alarm_count, what))

    def new_line(self, peer: Peer, is_transfer: bool, is_datagram: bool) -> Line:
        """A connection that is to be opened."""
        self._last_line += 1
        line = Line(self._last_line, is_transfer, is_datagram)
        self._lines[line.number] = (peer, line)
        return line

    def drop_line(self, line: Line) -> None:
        """A connection that is no more."""
        self._lines.pop(line.number, None)

    def key(self, present: Present, name: bytes) -> Key | None:
        """The key to sign with; None if there is none that is in force."""
        return keyring(present.moment, present.unix)(name)

    def key_fault(self, name: bytes) -> str:
        """What to say where there is none."""
        return f"the key {names.to_text(name)} is not here, or holds no more: csid key add"

    def soa_record(self, present: Present, apex: bytes) -> SoaRecord | None:
        """The SOA of a zone that is held; None if there is none."""
        entry = present.moment.table(b"apexes").get(APEX_PREFIX + apex)
        blob = entry and present.moment.table(b"tree").get(split_zone_entry(entry).generation)
        soa = dict(node.rrsets_of(blob)).get(SOA) if blob else None
        if soa is None:
            return None
        data = soa.rdatas[0]
        return SoaRecord(int.from_bytes(data[-20:-16], "big"), soa.ttl, data)

    def may_transfer(self, peer: Peer) -> bool:
        """Whether another transfer may begin; a peer that may not is asked again later. Those that
        are slow must not take what others need: each has room for one of its own.
        """
        limits = self.limits
        if self.transferring < (limits.transfers if peer.busy else limits.first_transfers):
            return True
        if peer not in self._starved:
            self._starved.append(peer)
        return False

    def _feed_starved(self, present: Present) -> None:
        for _ in range(len(self._starved)):
            if self.transferring >= self.limits.first_transfers:
                return
            self._starved.popleft().drive(present)

    def peer_changed(self, peer: Peer) -> None:
        """A server has gone or come back, or is behind or no longer."""
        row = PeerRow(peer.failures, peer.since, peer.error, peer.is_behind)
        self._changed_peers[peer.where] = row

    @property
    def lasting(self) -> set[str]:
        """The servers of which a row is kept, by their names."""
        return {str(peer.where) for peer in self._peers.values() if peer.failures or peer.is_behind}

    def forget(self, peer: Peer) -> None:
        """Nothing of a server needs to be kept."""
        if self._peers.get(peer.where) is peer:
            del self._peers[peer.where]

    def peer(self, target: Target) -> Peer:
        """What there is to do with a server."""
        where = where_of(target)
        peer = self._peers.get(where)
        if peer is None:
            peer = self._peers[where] = Peer(self, where)
        return peer
