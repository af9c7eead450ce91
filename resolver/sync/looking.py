"""The zones that are looked at now: when one is taken up, which of its primaries is asked, what
that comes to, and when it is looked at next.

Only these are in memory; all others are rows (resolver/sync/timers.py), of which only those that
are due are read.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol

from resolver.store.apexes import EXPIRED, SERVED
from resolver.sync import checks, expire, timers
from resolver.sync.actions import Present
from resolver.sync.job import Zone
from resolver.sync.outcomes import Outcomes
from resolver.sync.peer import Peer
from resolver.sync.settings import follow_of
from resolver.sync.states import Settled, StateRow, state_of
from resolver.sync.timers import is_ahead

if TYPE_CHECKING:
    from resolver.sync.engine import Engine


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


class Looking:
    """One for an engine, which knows the servers.

    Attributes:
        outcomes: what looks came to, to be written.
        next_due: when the next zone is to be taken up, in Unix seconds; None if there is none.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._zones: dict[bytes, Zone] = {}
        self.outcomes = Outcomes(self._zones)
        self.next_due: int | None = None
        self._cursor = timers.timer_key(timers.AGAIN + 1, b"")  # rows before it have been taken up
        self._expired_at = 0.0  # when zones in hand were last looked at for that
        self._asked = b""  # the row of the first one to be looked at at once that had no room

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
                self._engine.peer(target).revive()
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

    @property
    def in_hand(self) -> int:
        """How many zones are being looked at."""
        return len(self._zones)

    def take_up(self, present: Present) -> None:
        """Take up the zones that are due."""
        self.next_due = None
        self._take_up_asked(present)
        taken = 0
        for key, due, apex, _ in timers.rows(present.moment, self._cursor):
            if due > present.unix or taken >= self._engine.limits.taken:
                self.next_due = due
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
            if len(self._zones) >= self._engine.limits.zones:
                self._asked = key
                return
            if self._is_free(apex):
                self._start(present, apex, is_full=is_full, is_timed=True)

    def expire_meanwhile(self, present: Present) -> None:
        """Do without zones that expire while a primary keeps us waiting, as long as it likes to."""
        limits = self._engine.limits
        if present.steady < self._expired_at + limits.between:
            return
        self._expired_at = present.steady
        for zone in self._zones.values():
            is_old = 0 < zone.state.expires <= present.unix
            if is_old and zone.flags == SERVED and present.steady >= zone.since + limits.patience:
                zone.flags = EXPIRED
                reason = zone.reason or f"{zone.primaries[zone.at].host}: has not finished yet"
                state = zone.state._replace(due=zone.taken, error=reason)
                self.outcomes.add(Settled(zone.apex, zone.taken, state, EXPIRED))

    def _is_free(self, apex: bytes) -> bool:
        return not (apex in self._zones or apex in self.outcomes)

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
            self.outcomes.add(Settled(apex, due, None))
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
        coming = self.outcomes.state(apex)
        if held is None or coming is None:
            return held
        return coming._replace(due=held.due)

    def _next(self, present: Present, zone: Zone) -> None:
        """Turn to the next primary of a zone."""
        while zone.left:
            zone.at = zone.left.pop(0)
            zone.is_again = False
            peer = self._engine.peer(zone.primaries[zone.at])
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

    def transferred(self, present: Present, peer: Peer, zone: Zone, fetched: Fetched) -> None:
        """A zone's transfer from a primary is through."""
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
            due=now + timers.earlier(wait, self._engine.random),
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
        return zone.flags == EXPIRED or self.outcomes.expires(zone.apex)

    def _fail(self, present: Present, zone: Zone) -> None:
        """No primary could help: try again later, and do without if that lasts."""
        now, before = present.unix, zone.state
        if zone.is_crowded and not now >= before.expires > 0:  # nobody's failure but ours
            due = now + timers.earlier(self._engine.limits.crowded, self._engine.random)
            self._settle(present, zone, before._replace(due=due), None)
            return
        failures = before.failures + 1
        flag = None
        if zone.soa is None:
            due = now + timers.bootstrap(failures, self._engine.random)
        else:
            due = now + timers.earlier(zone.soa.times.retry, self._engine.random)
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
        if flag is None:
            flag = self.outcomes.flag(zone.apex)
        self.outcomes.add(Settled(zone.apex, zone.taken, state, flag))
        if zone.is_noticed and not state.failures:
            held = zone.soa.serial if zone.soa is not None else None
            if zone.wanted is None or held is None or is_ahead(zone.wanted, held):
                self._start(present, zone.apex, wanted=zone.wanted)
