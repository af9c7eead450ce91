"""What a node does about the zones it follows and the servers it notifies: when it asks whom, what
it has transferred, what it says to whom, and what it tries again.

No socket, no clock, no thread: it is told what happens (`opened`, `lost`, `received`,
`transferred`, `failed`, `notice`, `send`, `telling.changed`) and the time (`look`), and says what
is to be done (`actions`) and to be written (`take_settled` and its like). Chance comes from a
generator it is given, so the same events lead to the same actions.

It keeps in memory only what it is about at the moment: zones that are being looked at, notices that
are not confirmed, servers it has to do with. All others are rows (resolver/sync/timers.py), of
which only those that are due are read.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from ipaddress import ip_address
from random import Random
from typing import Final, NamedTuple, Protocol

from csid import names
from csid.protocol import SOA
from resolver.store import node
from resolver.store.apexes import EXPIRED, SERVED, split_zone_entry
from resolver.store.seek import APEX_PREFIX
from resolver.sync import checks, expire, timers
from resolver.sync.access import keyring
from resolver.sync.actions import Action, Errand, Limits, Present, Where
from resolver.sync.job import Line, Zone
from resolver.sync.peer import Peer, where_of
from resolver.sync.settings import Target, follow_of
from resolver.sync.states import PeerRow, Settled, StateRow, state_of
from resolver.sync.telling import Telling
from resolver.sync.timers import is_ahead
from resolver.sync.tsig import Key

_LIMITS: Final = Limits()


class Fetched(Protocol):
    """What a transfer came to."""

    @property
    def kind(self) -> str: ...  # "AXFR", "IXFR", "CURRENT"

    @property
    def serial(self) -> int: ...

    @property
    def octets(self) -> int: ...

    @property
    def expire(self) -> int | None: ...  # seconds that the primary says are left (RFC 7314)


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
        self._zones: dict[bytes, Zone] = {}
        self._settled: dict[bytes, Settled] = {}
        self._settling: dict[bytes, Settled] = {}
        self._starved: deque[Peer] = deque()  # with transfers that wait for others to end
        self._alarms: list[tuple[float, int, Callable[[Present], None]]] = []
        self._alarm_count = 0
        self._cursor = timers.timer_key(timers.AGAIN + 1, b"")  # rows before it have been taken up
        self._next_due: int | None = None
        self._expired_at = 0.0  # when zones in hand were last looked at for that
        self._asked = b""  # the row of the first one to be looked at at once that had no room
        self.telling = Telling(self.peer)
        self._changed_peers: dict[Where, PeerRow] = {}
        self._errands: set[bytes] = set()

    # -- what happens

    def look(self, present: Present) -> None:
        """Time has passed, or the store was written to: take up what is due."""
        alarms = self._alarms
        while alarms and alarms[0][0] <= present.steady:
            heapq.heappop(alarms)[2](present)
        self._take_up(present)
        self._expire_meanwhile(present)

    def wake(self, present: Present) -> float:
        """When to `look` next, on the steady clock; infinity if nothing is to come."""
        if self._next_due is None:
            return self.next_alarm
        return min(self.next_alarm, present.steady + max(0, self._next_due - present.unix))

    @property
    def next_alarm(self) -> float:
        """When something is to be done though nothing happens, on the steady clock."""
        return self._alarms[0][0] if self._alarms else float("inf")

    def clock_moved(self) -> None:
        """The clock that people set was set: what is due is looked for from the beginning."""
        self._cursor = timers.timer_key(timers.AGAIN + 1, b"")

    def notice(self, present: Present, apex: bytes, serial: int | None, address: bytes) -> None:
        """A server has said that a zone has changed (RFC 1996).

        Args:
            serial: that it told, if it did.
            address: of the server, 4 or 16 octets.
        """
        follow = follow_of(present.moment, apex)
        if follow is None:
            return
        host = str(ip_address(address)) if address else ""
        for target in follow.primaries:
            if target.host == host:
                self.peer(target).revive()
        zone = self._zones.get(apex)
        if zone is not None:
            zone.is_noticed = True
            if serial is not None and (zone.wanted is None or is_ahead(serial, zone.wanted)):
                zone.wanted = serial
            return
        soa = timers.soa_of(present.moment, apex)
        if soa is not None and serial is not None and not is_ahead(serial, soa.serial):
            return
        self._start(present, apex, wanted=serial, host=host)

    def check(self, present: Present, apex: bytes) -> None:
        """Look at a zone though it is not due, unless that is being done."""
        if self._is_free(apex):
            self._start(present, apex, is_timed=True)

    def asked(self, present: Present, apex: bytes) -> None:
        """Somebody has asked for a look at a zone: it need not wait for others to have theirs."""
        state = state_of(present.moment, apex)
        if state is not None and state.is_open and self._is_free(apex):
            is_full = timers.is_full(present.moment, state.due, apex)
            self._start(present, apex, is_full=is_full, is_timed=True)

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
        zone.there = fetched.serial
        zone.expire, zone.is_new = fetched.expire, fetched.kind != "CURRENT"
        zone.soa, zone.flags = timers.held_of(present.moment, zone.apex)
        if fetched.kind != "CURRENT":
            zone.state = zone.state._replace(
                changed=present.unix,
                kind=fetched.kind,
                octets=fetched.octets,
                milliseconds=round(1_000 * (present.steady - zone.begun)),
            )
        self._compared(present, peer, zone, fetched.serial)
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
                self.failed_at(present, zone, f"{peer.where}: {reason}")
        peer.drive(present)
        self._feed_starved(present)

    @property
    def in_hand(self) -> int:
        """How many zones are being looked at."""
        return len(self._zones)

    # -- what is to be written

    def take_settled(self) -> list[Settled]:
        """What looks came to, to be written; `wrote_settled` says whether it was."""
        self._settling = self._settled
        self._settled = {}
        return list(self._settling.values())

    def wrote_settled(self, is_written: bool) -> None:
        """What was taken has been written, or could not be and is given out again."""
        if is_written:
            for one in self._settling.values():
                self._stands(one)
        else:
            self._settled = self._settling | self._settled
        self._settling = {}

    def _stands(self, one: Settled) -> None:
        """What was written of a zone stands: whatever was begun before that takes it from there."""
        if one.state is None:
            return
        later, zone = self._settled.get(one.apex), self._zones.get(one.apex)
        if later is not None and later.taken == one.taken:
            self._settled[one.apex] = later._replace(taken=one.state.due)
        if zone is not None and zone.taken == one.taken:
            zone.taken = one.state.due

    @property
    def batches(self) -> int:
        """In how many batches the present outcomes of looks are written: one may be under way."""
        return bool(self._settling) + bool(self._settled)

    @property
    def is_urgent(self) -> bool:
        """Whether something is to be written that others wait for: a zone expires or returns."""
        return any(one.flag is not None for one in self._settled.values())

    @property
    def has_settled(self) -> bool:
        """Whether anything is to be written."""
        return bool(self._settled or self.telling.has_news or self._changed_peers)

    def take_peers(self) -> list[tuple[Where, PeerRow]]:
        """Which servers have gone or come back."""
        changed, self._changed_peers = self._changed_peers, {}
        return list(changed.items())

    # -- zones

    def _take_up(self, present: Present) -> None:
        """Take up the zones that are due."""
        self._next_due = None
        self._take_up_asked(present)
        taken = 0
        for key, due, apex, _ in timers.rows(present.moment, self._cursor):
            if due > present.unix or taken >= self.limits.taken:
                self._next_due = due
                break
            self._cursor = key + b"\0"
            if self._is_free(apex):
                taken += 1
                self._start(present, apex, is_timed=True)

    def _take_up_asked(self, present: Present) -> None:
        """Take up the zones that are to be looked at at once, while there is room for them."""
        start, self._asked = self._asked, b""
        for key, due, apex, is_full in timers.rows(present.moment, start):
            if due > timers.AGAIN:
                return  # from the beginning next time: more may have come in front
            if len(self._zones) >= self.limits.zones:
                self._asked = key
                return
            if self._is_free(apex):
                self._start(present, apex, is_full=is_full, is_timed=True)

    def _expire_meanwhile(self, present: Present) -> None:
        """Do without zones that expire while a primary keeps us waiting, as long as it likes to."""
        limits = self.limits
        if present.steady < self._expired_at + limits.between:
            return
        self._expired_at = present.steady
        for zone in self._zones.values():
            is_old = 0 < zone.state.expires <= present.unix
            if is_old and zone.flags == SERVED and present.steady >= zone.since + limits.patience:
                zone.flags = EXPIRED
                reason = zone.reason or f"{zone.primaries[zone.at].host}: has not finished yet"
                state = zone.state._replace(due=zone.taken, error=reason)
                self._settled[zone.apex] = Settled(zone.apex, zone.taken, state, EXPIRED)

    def _is_free(self, apex: bytes) -> bool:
        return not (apex in self._zones or apex in self._settled or apex in self._settling)

    def _start(
        self,
        present: Present,
        apex: bytes,
        wanted: int | None = None,
        host: str = "",
        is_full: bool = False,
        is_timed: bool = False,
    ) -> None:
        """Look at a zone: because it is due, or because a server at `host` said that it changed."""
        follow = follow_of(present.moment, apex)
        state = self._state(present, apex)
        if state is None or follow is None:
            due = state.due if state is not None else timers.AT_ONCE
            self._settled[apex] = Settled(apex, due, None)
            return
        zone = Zone(apex, follow.primaries, state, *timers.held_of(present.moment, apex))
        if not follow.primaries:
            zone.reason = "no server is known that it could be transferred from"
            self._zones[apex] = zone
            self._fail(present, zone)
            return
        if host:
            zone.left.sort(key=lambda at: follow.primaries[at].host != host)
        zone.since = present.steady
        zone.wanted = wanted
        zone.is_full = zone.is_forced = is_full
        zone.is_urgent = not is_timed or state.is_open
        # A server that answers IXFR by the whole zone is asked for its SOA first.
        knows = wanted is not None and state.kind != "AXFR"
        zone.is_wanted = zone.soa is None or is_full or knows
        self._zones[apex] = zone
        self._next(present, zone)

    def _state(self, present: Present, apex: bytes) -> StateRow | None:
        """The state of a zone, as it is or is about to be written; ``due`` is as it is written."""
        held = state_of(present.moment, apex)
        coming = self._settled.get(apex) or self._settling.get(apex)
        if held is None or coming is None or coming.state is None:
            return held
        return coming.state._replace(due=held.due)

    def _next(self, present: Present, zone: Zone) -> None:
        """Turn to the next primary of a zone."""
        while zone.left:
            zone.at = zone.left.pop(0)
            zone.is_again = False
            peer = self.peer(zone.primaries[zone.at])
            if present.steady < peer.down_until:
                zone.reason = peer.error
                continue
            if not peer.take(present, zone):
                zone.is_crowded = True
                continue
            return
        self._fail(present, zone)

    def failed_at(self, present: Present, zone: Zone, reason: str) -> None:
        """A primary could not help a zone."""
        zone.reason = reason
        self._next(present, zone)

    def checked(self, present: Present, peer: Peer, zone: Zone, message: bytes) -> None:
        """A primary has answered for the SOA of a zone."""
        serial = checks.serial_in(message, zone.origin)
        if isinstance(serial, str):
            self.failed_at(present, zone, f"{peer.where}: {serial}")
            return
        zone.there = serial
        zone.expire = expire.told(message)
        if zone.soa is None or is_ahead(serial, zone.soa.serial):
            zone.is_wanted = True
            if not peer.take(present, zone):
                zone.is_crowded = True
                self._next(present, zone)
        else:
            self._compared(present, peer, zone, serial)

    def _compared(self, present: Present, peer: Peer, zone: Zone, serial: int) -> None:
        """A primary has no later serial than is held now; another one may."""
        soa = zone.soa
        if soa is None:
            self.failed_at(present, zone, f"{peer.where}: what it sent is not held here")
            return
        zone.reason = ""
        if serial != soa.serial:
            zone.reason = f"{peer.where}: has serial {serial}, which is behind {soa.serial} here"
        is_missed = zone.wanted is not None and is_ahead(zone.wanted, soa.serial)
        if (zone.reason or is_missed) and zone.left:
            zone.is_wanted = False
            self._next(present, zone)
        else:
            self._succeed(present, zone, soa, is_missed)

    def _succeed(self, present: Present, zone: Zone, soa: timers.Soa, is_missed: bool) -> None:
        times, now, before = soa.times, present.unix, zone.state
        wait = min(times.refresh, times.retry) if is_missed else times.refresh
        state = StateRow(
            due=now + timers.earlier(wait, self.random),
            serial=soa.serial,
            there=zone.there,
            refreshed=now,
            expires=expire.until(now, times.expire, zone.expire, before.expires, zone.is_new),
            changed=before.changed,
            kind=before.kind,
            octets=before.octets,
            milliseconds=before.milliseconds,
            primary=zone.at,
            failures=0,
            error=zone.reason,
        )
        self._settle(present, zone, state, SERVED if self._is_expired(zone) else None)

    def _is_expired(self, zone: Zone) -> bool:
        """Whether a zone is held as expired, or is about to be."""
        if zone.flags == EXPIRED:
            return True
        pending = (self._settled.get(zone.apex), self._settling.get(zone.apex))
        return any(one is not None and one.flag == EXPIRED for one in pending)

    def _fail(self, present: Present, zone: Zone) -> None:
        """No primary could help: try again later, and do without if that lasts."""
        now, before = present.unix, zone.state
        if zone.is_crowded and not now >= before.expires > 0:  # nobody's failure but ours
            due = now + timers.earlier(self.limits.crowded, self.random)
            self._settle(present, zone, before._replace(due=due), None)
            return
        failures = before.failures + 1
        flag = None
        if zone.soa is None:
            due = now + timers.bootstrap(failures, self.random)
        else:
            due = now + timers.earlier(zone.soa.times.retry, self.random)
            if now >= before.expires > 0:
                flag = None if self._is_expired(zone) else EXPIRED
            elif before.expires:
                due = min(due, before.expires)
        state = before._replace(due=due, there=zone.there, failures=failures, error=zone.reason)
        if zone.there is None:
            state = state._replace(there=before.there)
        self._settle(present, zone, state, flag)

    def _settle(self, present: Present, zone: Zone, state: StateRow, flag: int | None) -> None:
        del self._zones[zone.apex]
        pending = self._settled.get(zone.apex)
        if pending is not None and flag is None:
            flag = pending.flag
        self._settled[zone.apex] = Settled(zone.apex, zone.taken, state, flag)
        if zone.is_noticed and not state.failures:
            held = zone.soa.serial if zone.soa is not None else None
            if zone.wanted is None or held is None or is_ahead(zone.wanted, held):
                self._start(present, zone.apex, wanted=zone.wanted)

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
