"""What the national node owes to others: receipts for what they have filed, many in one UPDATE (RFC
2136) under the key of the node that gets them (registry/network/receipts.py takes them there).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgpack

from csid.address import Address
from csid.protocol import NOERROR, RECEIPT
from registry.network import membership, owed
from registry.network.receipt_seal import Said, seal
from registry.sync.hooks import Unit
from registry.tables.naming import Names
from registry.tables.node_keys import SECRET
from registry.tables.transaction import ANSWERED, OWED
from registry.zones import others
from registry.zones.others import Other
from resolver.store import node
from resolver.store.read import ReadTransaction
from resolver.sync.actions import Errand
from resolver.sync.settings import Target
from resolver.sync.update.message import request

AT_ONCE: Final = 500  # receipts in one message ...
MAX_OCTETS: Final = 64_000  # ... and of them, so that with all else it has less than 64 KiB
LANES: Final = 2  # messages for a node: while one is carried out there, the next is made
TURN_SECONDS: Final = 15  # for an answer, before another address of the node is tried
PAUSE_SECONDS: Final = 10  # after an answer other than that they are taken
SEEN_SECONDS: Final = 10  # for the copy of a zone to show what has come of what was answered
_PREFIX: Final = b"receipts/"  # of the names of errands
_APEX: Final = b"\xc0\x0c"  # a pointer to the name of the zone
_unpack: Final[Any] = msgpack.unpackb

Row = tuple[bytes, bytes]


class Sent(NamedTuple):
    """Receipts that are under way to one address of a node."""

    errand: Errand
    rows: list[Row]
    is_full: bool  # there may be more for the node
    is_older: bool  # under the key before its present one
    taken: int | None = None  # by the node, Unix seconds; the rows go with the unit of the answer


class Turn(NamedTuple):
    """Which of its addresses a node is sent to."""

    number: int
    since: int  # Unix seconds


class _Named:
    """The names of identifiers as one message has them; most lie beside the one before."""

    def __init__(self, named: Names) -> None:
        self._named = named
        self._place = ""
        self._key = self._owner = b""

    def of(self, identifier: str) -> tuple[bytes, bytes]:
        """The canonical key, and the wire form with the end compressed."""
        place, _, spec = identifier.lower().rpartition("/")
        if place != self._place:
            labels = place.encode("ascii").split(b"/")[::-1]
            self._owner = b"".join(bytes((len(label),)) + label for label in labels) + _APEX
            self._key = self._named.key(place)
            self._place = place
        last = spec.encode("ascii")
        return self._key + last + b"\0", bytes((len(last),)) + last + self._owner


class ReceiptDuty:
    """Sends the receipts of a data directory: a `registry.sync.hooks.Duty`.

    Attributes:
        is_overdue: what was answered is not seen in the copies, and is to be looked at once more,
            as `looked_again` then says.
    """

    def __init__(self, suffix: str) -> None:
        self._named = Names(suffix)
        self._sent: dict[bytes, Sent] = {}  # by the names of errands
        self._turns: dict[str, Turn] = {}
        self._again: dict[str, int] = {}  # nodes that are left alone, and until when
        self._older: set[str] = set()  # nodes that have the key before their present one
        self._wake: int | None = None
        self._answered: int | None = None  # since when something is that is not seen
        self.is_overdue = False

    def due(self, read: ReadTransaction, now: int, /) -> list[Errand]:
        """The next receipts for each node, those that are under way among them."""
        longest = now + PAUSE_SECONDS  # else the clock was set back
        self._again = {name: at for name, at in self._again.items() if now < at <= longest}
        self._wake = min(self._again.values(), default=None)
        self._forget(read, now)
        self._await_copies(read, now)
        return [
            errand
            for name in _owing(read)
            if name not in self._again
            for errand in self._errands(read, name, now)
        ]

    def looked_again(self) -> None:
        """What was overdue was looked at."""
        self.is_overdue, self._answered = False, None

    def _await_copies(self, read: ReadTransaction, now: int) -> None:
        if self.is_overdue:
            return
        if read.table(ANSWERED).first(b"", b"\0") is None:
            self._answered = None
            return
        if self._answered is None or now < self._answered:
            self._answered = now
        ends = self._answered + SEEN_SECONDS
        self.is_overdue = ends <= now
        if not self.is_overdue:
            self._wake_at(ends)

    def _errands(self, read: ReadTransaction, name: str, now: int) -> Iterator[Errand]:
        """The messages for a node that are under way, and those that may be."""
        other = others.node(read, self._named, name)
        if other is None or not other.addresses:
            return
        target = Target(self._address(other, now), other.port)
        lanes = _lanes(name, target.host, target.port)
        is_full = True  # the message of the lane before
        for lane in lanes:
            sent = self._sent.get(lane)
            if sent is None and is_full:
                sent = self._begin(read, other, target, lanes, lane)
                if sent is not None:
                    self._turns[name] = self._turns.get(name, Turn(0, now))._replace(since=now)
            if sent is not None and sent.taken is None:
                yield sent.errand
            is_full = sent is not None and sent.is_full

    def _begin(
        self,
        read: ReadTransaction,
        other: Other,
        target: Target,
        lanes: Sequence[bytes],
        lane: bytes,
    ) -> Sent | None:
        """Make the next message for a node; None if there is nothing that is not under way."""
        older = membership.key_of(read, other, 1) if other.name in self._older else None
        key = older or membership.key_of(read, other)
        if key is None:
            return None
        [other_lane] = [one for one in lanes if one != lane]  # what is under way is in that
        under_way = dict(self._sent[other_lane].rows) if other_lane in self._sent else {}
        rows, message, is_full = self._message(read, other.name, under_way)
        if not rows:
            return None
        errand = Errand(lane, target._replace(key=key), message)
        sent = self._sent[lane] = Sent(errand, rows, is_full, other.name in self._older)
        return sent

    def _forget(self, read: ReadTransaction, now: int) -> None:
        """Let go of what was taken once the unit of the answer is done: its first row is not there
        any more as it was sent. It may have come back as it was, so this does not wait for ever.
        """
        owed = read.table(OWED)
        for errand_name, sent in list(self._sent.items()):
            if sent.taken is None:
                continue
            key, value = sent.rows[0]
            ends = sent.taken + PAUSE_SECONDS
            if owed.get(key) != value or not sent.taken <= now < ends:
                del self._sent[errand_name]
            else:
                self._wake_at(ends)

    def _wake_at(self, moment: int) -> None:
        self._wake = moment if self._wake is None else min(self._wake, moment)

    def _address(self, other: Other, now: int) -> str:
        """The address that a node is sent to: the next one while that before it does not answer."""
        addresses = other.addresses
        turn = self._turns.get(other.name, Turn(0, now))
        address = addresses[turn.number % len(addresses)]
        lanes = _lanes(other.name, address, other.port)
        waits = any(one in self._sent and self._sent[one].taken is None for one in lanes)
        if len(addresses) == 1 or not waits:
            return address
        if not 0 <= now - turn.since < TURN_SECONDS:
            turn = self._turns[other.name] = Turn(turn.number + 1, now)
        ends = turn.since + TURN_SECONDS
        self._wake_at(ends)
        return addresses[turn.number % len(addresses)]

    def _message(
        self, read: ReadTransaction, name: str, under_way: Mapping[bytes, bytes]
    ) -> tuple[list[Row], bytes, bool]:
        """The UPDATE that has the first receipts for a node that are not under way, as many as have
        room, and their seal; its ID is zero. Behind it, whether there may be more.
        """
        rows: list[Row] = []
        records: list[bytes] = []
        sealed: list[Said] = []
        octets = 0
        named = _Named(self._named)
        is_full = False
        for row in read.table(OWED).scan(owed.owed_to(name)):
            if under_way.get(row[0]) == row[1]:
                continue
            identifier, data = _unpack(row[1])
            key, owner = named.of(identifier)
            record = node.rr(owner, RECEIPT, 0, data)
            octets += len(record)
            is_full = octets > MAX_OCTETS or len(rows) == AT_ONCE
            if is_full:
                break
            rows.append(row)
            records.append(record)
            sealed.append((key, data))
        secret = read.table(b"meta").get(SECRET) or b""
        records.append(node.rr(_APEX, RECEIPT, 0, seal(secret, name, sealed)))
        return rows, request(self._named.wire, records), is_full

    def wake(self) -> int | None:
        """When there may be more though nothing has changed, in Unix seconds."""
        return self._wake

    def answered(self, errand: Errand, answer: bytes, reason: str, now: int, /) -> Unit | None:
        """The unit that forgets what was taken. What was not is sent again, at once by the key
        before the present one if there is one, as the node may not have the new one yet.
        """
        name = _node_of(errand.name)
        sent = self._sent.pop(errand.name)
        if answer and answer[3] & 15 == NOERROR:
            self._sent[errand.name] = sent._replace(taken=now)
            return Unit(owed.UNIT, [sent.rows, ""])
        if sent.is_older != (name in self._older):
            return None  # another one has told of that key
        if name in self._older:  # neither key was taken
            self._again[name] = now + PAUSE_SECONDS
            self._wake = min(self._again.values())
        self._older ^= {name}
        return None


def _lanes(name: str, host: str, port: int) -> list[bytes]:
    """The names of the errands to an address of a node."""
    first = _PREFIX + f"{name}/{Address(host, port)}".encode("ascii")
    return [first, *(b"%s %d" % (first, lane) for lane in range(2, LANES + 1))]


def _node_of(errand_name: bytes) -> str:
    return errand_name.removeprefix(_PREFIX).partition(b"/")[0].decode("ascii")


def _owing(read: ReadTransaction) -> Iterator[str]:
    """The nodes to which something is owed."""
    table = read.table(OWED)
    row = table.first(b"", b"\0")
    while row is not None:
        name = row[0].partition(b"\0")[0]
        yield name.decode("ascii")
        row = table.first(b"", name + b"\1")
