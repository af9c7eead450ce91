"""What the engine is about at the moment: zones, notices, errands, connections."""

from __future__ import annotations

from collections import deque

from csid import names
from resolver.sync.actions import Errand
from resolver.sync.settings import Target
from resolver.sync.states import StateRow
from resolver.sync.timers import Soa
from resolver.sync.tsig import Key


class Zone:
    """A zone that is looked at now.

    Attributes:
        apex, origin: canonical key, wire form.
        primaries: all it has; `left` those not tried yet, by their places, `at` the present one.
        state: as it was before.
        soa: of what is held; None if nothing is.
        flags: of it.
        since: when it was taken up, on the steady clock.
        taken: the `due` under which it was taken up.
        wanted: the serial that a notice told of.
        is_full: it is asked for as a whole; `is_forced` if it is taken whatever serial it has.
        is_wanted: it is known to have changed: it is transferred without being asked for its SOA.
        is_urgent: a notice or somebody at the terminal waits for it.
        is_noticed: another notice came meanwhile.
        is_crowded: so many zones wait for a primary that it could not be asked now.
        is_again: the present question is asked for the second time, on another connection.
        there: the serial that a primary said.
        expire: seconds that it said are left (RFC 7314); `is_new`, of what it transferred.
        reason: why the last primary tried could not help.
        begun: when its transfer began, on the steady clock.
    """

    __slots__ = (
        "apex",
        "at",
        "begun",
        "expire",
        "flags",
        "is_again",
        "is_crowded",
        "is_forced",
        "is_full",
        "is_new",
        "is_noticed",
        "is_urgent",
        "is_wanted",
        "left",
        "origin",
        "primaries",
        "reason",
        "since",
        "soa",
        "state",
        "taken",
        "there",
        "wanted",
    )

    def __init__(
        self,
        apex: bytes,
        primaries: tuple[Target, ...],
        state: StateRow,
        soa: Soa | None,
        flags: int,
    ) -> None:
        self.apex = apex
        self.origin = names.wire_of_key(apex)
        self.primaries = primaries
        first = state.primary % len(primaries) if primaries else 0
        self.left = [*range(first, len(primaries)), *range(first)]
        self.at = 0
        self.state = state
        self.soa = soa
        self.flags = flags
        self.since = 0.0
        self.taken = state.due
        self.wanted: int | None = None
        self.is_full = self.is_forced = False
        self.is_wanted = soa is None
        self.is_urgent = self.is_noticed = self.is_again = self.is_crowded = False
        self.there: int | None = None
        self.expire: int | None = None
        self.is_new = False
        self.reason = ""
        self.begun = 0.0

    @property
    def key(self) -> bytes:
        """Name of the key for the present primary."""
        return self.primaries[self.at].key


class Queue:
    """Zones in the order in which they come; those that were notified of, before the others.

    Attributes:
        count: of them.
    """

    def __init__(self) -> None:
        self.count = 0
        self._urgent: deque[Zone] = deque()
        self._others: deque[Zone] = deque()

    def add(self, zone: Zone, first: bool = False) -> None:
        """Add a zone behind those like it, or before all."""
        self.count += 1
        if first:
            self._urgent.appendleft(zone)
        else:
            (self._urgent if zone.is_urgent else self._others).append(zone)

    def take(self) -> Zone:
        """The next zone, which is no longer in it."""
        self.count -= 1
        return (self._urgent or self._others).popleft()

    def drain(self) -> list[Zone]:
        """All of them; none is in it any more."""
        zones = [*self._urgent, *self._others]
        self._urgent.clear()
        self._others.clear()
        self.count = 0
        return zones


class Notice:
    """A change that a server is to be told of.

    Attributes:
        key: name of the key to sign with.
        since: when it was last wanted, on the steady clock.
        sent: the serial that was told.
        failures: how often it was answered by "not now" in a row.
        is_sent: it is on its way; `is_renewed` if the zone has changed since.
    """

    __slots__ = ("apex", "failures", "is_again", "is_renewed", "is_sent", "key", "sent", "since")

    def __init__(self, apex: bytes, key: bytes, since: float) -> None:
        self.apex = apex
        self.key = key
        self.since = since
        self.sent = self.failures = 0
        self.is_sent = self.is_renewed = self.is_again = False

    @property
    def origin(self) -> bytes:
        """The apex in wire form."""
        return names.wire_of_key(self.apex)


class Sending:
    """An errand that waits, or is on its way."""

    __slots__ = ("errand", "is_again")

    def __init__(self, errand: Errand) -> None:
        self.errand = errand
        self.is_again = False

    @property
    def key(self) -> bytes:
        """Name of the key to sign with."""
        return self.errand.target.key


class Asked:
    """A question that waits for its answer, until a time on the steady clock."""

    __slots__ = ("key", "mac", "until", "what")

    def __init__(
        self, what: Zone | Notice | Sending, key: Key | None, mac: bytes, until: float
    ) -> None:
        self.what = what
        self.key = key
        self.mac = mac
        self.until = until


class Line:
    """A connection, as far as it matters here.

    Attributes:
        used: how much was answered on it.
        quiet_since: when it was last used, on the steady clock.
        zone: the one that is being transferred on it.
    """

    __slots__ = ("is_datagram", "is_open", "is_transfer", "number", "quiet_since", "used", "zone")

    def __init__(self, number: int, is_transfer: bool, is_datagram: bool) -> None:
        self.number = number
        self.is_transfer = is_transfer
        self.is_datagram = is_datagram
        self.is_open = False
        self.used = 0
        self.quiet_since = 0.0
        self.zone: Zone | None = None
