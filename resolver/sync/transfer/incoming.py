"""One transfer as its messages come (RFC 5936, RFC 1995): what each says of the zone, or what is
wrong with it. Nothing is known of sockets, clocks or the store here.

    AXFR    SOA, the records of the zone, the same SOA
    IXFR    SOA, then for each version: its SOA, what is taken away, the next SOA, what is added;
            the first SOA again. Or as AXFR; or the SOA alone, if there is nothing newer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from csid import names
from csid.limits import (
    HEADER_OCTETS,
    INCOMING_MESSAGES,
    INCOMING_OCTETS,
    INCOMING_RECORDS,
)
from csid.protocol import AXFR, CLASS_IN, FORMERR, IXFR, NOTIMP, REFUSED, SOA
from resolver.store.node import encode_one
from resolver.sync.transfer import layouts
from resolver.sync.transfer.errors import TransferError
from resolver.sync.transfer.unpack import Pieces, Record
from resolver.zonefile.canonical import folded

try:
    from resolver.sync.transfer.cunpack import record as record
    from resolver.sync.transfer.cunpack import run as run
except ImportError:  # not compiled on this machine
    from resolver.sync.transfer.unpack import record as record
    from resolver.sync.transfer.unpack import run as run

_HEADER: Final = struct.Struct(">HHHHHH")
_QR: Final = 0x8000
_OPCODE: Final = 0x7800
_TC: Final = 0x0200
_RCODE: Final = 0x000F
_RCODES: Final = {
    1: "FORMERR: it takes the request for malformed",
    2: "SERVFAIL: it fails, or its copy has expired",
    3: "NXDOMAIN: it knows no such name",
    4: "NOTIMP: it knows no such transfers",
    5: "REFUSED: it does not allow us to transfer the zone",
    9: "NOTAUTH: it does not have the zone, or not the key",
}
_AS_AXFR: Final = frozenset({FORMERR, NOTIMP, REFUSED})  # to an IXFR: an AXFR may be answered

# What pieces are.
WHOLE: Final = 0  # of the zone, all of which comes
REMOVED: Final = 1  # taken away
ADDED: Final = 2

# Where a transfer is.
_BEGIN: Final = 0  # before the first SOA
_SECOND: Final = 1  # behind it: what comes next tells how the answer is made
_ALL: Final = 2  # inside a whole zone
_OLD: Final = 3  # inside what is taken away
_NEW: Final = 4  # inside what is added
_END: Final = 5

CURRENT: Final = "CURRENT"


class Limits(NamedTuple):
    """What one transfer may come to."""

    octets: int = INCOMING_OCTETS
    records: int = INCOMING_RECORDS
    messages: int = INCOMING_MESSAGES


class Part(NamedTuple):
    """Records of one kind that came in a row; none at the beginning of what is added."""

    what: int
    pieces: Pieces


class Incoming:
    """The state of one transfer.

    Args:
        identity: of the request.
        origin: the apex, wire form.
        serial: that is held; None asks for the whole zone.
        forced: take a serial that is not beyond the one held, too.

    Attributes:
        kind: "AXFR" or "IXFR", how the zone comes; CURRENT if there is nothing newer; empty as long
            as it is not known.
        serial: of the zone as it comes.
        octets, messages, records: that came.
        retry_full: it failed, and an AXFR may not.
    """

    def __init__(
        self,
        identity: int,
        origin: bytes,
        serial: int | None,
        is_full: bool,
        forced: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.kind = ""
        self.serial = 0
        self.octets = self.messages = self.records = 0
        self.retry_full = False
        self._identity = identity
        self._apex = names.key_of(origin)
        self._held = serial
        self._type = AXFR if is_full or serial is None else IXFR
        self._forced = forced
        self._limits = limits or Limits()
        self._state = _BEGIN
        self._soa: tuple[int, bytes] = (0, b"")  # TTL and data of the first SOA
        self._reached = 0  # serial that the changes so far lead to

    @property
    def is_done(self) -> bool:
        """Whether the transfer is at its end."""
        return self._state == _END

    @property
    def is_undecided(self) -> bool:
        """Whether changes were asked for, and neither they nor a whole zone have begun to come."""
        return self._type == IXFR and self._state in (_BEGIN, _SECOND)

    def parts(self, message: bytes) -> Iterator[Part]:
        """What a message (without TSIG record) says, in its order; to be read to its end, and only
        then is the message known to be whole.

        Raises:
            TransferError: it is no message of this transfer, or what it says makes no sense.
        """
        if self.is_done:
            raise TransferError("the primary sends more messages behind the end of the transfer")
        self.messages += 1
        self.octets += len(message)
        answers, others, at = self._header(message)
        self.records += answers
        for said, reached, limit in (
            ("octets", self.octets, self._limits.octets),
            ("records", self.records, self._limits.records),
            ("messages", self.messages, self._limits.messages),
        ):
            if reached > limit:
                raise TransferError(f"the transfer has more than {limit:,} {said}, the limit")
        left = answers
        while left:
            if self.is_done:
                raise TransferError("there are records behind the end of the transfer")
            if self._state in (_ALL, _OLD, _NEW):
                pieces, at, left = run(message, at, left, self._apex)
                if pieces.pieces:
                    yield Part(self._state - _ALL, pieces)
                if not left:
                    break
            one = record(message, at)
            if one[1] == SOA:
                at = one[-1]
                left -= 1
                yield from self._at_soa(one)
            elif self._state == _SECOND:
                yield self._whole()
            else:
                raise TransferError("the first record is not the SOA of the zone")
        for _ in range(others):  # of no use, but they show where the message ends
            at = record(message, at)[-1]
        if at != len(message):
            raise TransferError(f"a message with {len(message) - at} octets behind its records")
        if self._state == _SECOND and self.messages == 1 and self._is_held():
            self._end(CURRENT)

    def _header(self, message: bytes) -> tuple[int, int, int]:
        """The number of answers and of other records, and where they begin. AA is not looked at:
        Knot does not set it in transfers.
        """
        if len(message) < HEADER_OCTETS:
            raise TransferError(f"a message of {len(message)} octets is shorter than its header")
        identity, flags, questions, answers, others, more = _HEADER.unpack_from(message)
        if identity != self._identity:
            raise TransferError("a message that answers another request: its ID differs")
        if not flags & _QR or flags & _OPCODE:
            raise TransferError("a message that is no answer to a query")
        if rcode := flags & _RCODE:
            self.retry_full = self._type == IXFR and self.messages == 1 and rcode in _AS_AXFR
            raise TransferError(refusal(message))
        if flags & _TC:
            raise TransferError("a message that says it is truncated (TC)")
        if not answers:
            raise TransferError("a message without records")
        at = HEADER_OCTETS
        if questions > 1 or (not questions and self.messages == 1):
            raise TransferError(f"a message with {questions} questions, not 1")
        if questions:
            key, at = names.read_key(message, at)
            wanted = self._type.to_bytes(2, "big") + CLASS_IN.to_bytes(2, "big")
            if not at or key != self._apex or message[at : at + 4] != wanted:
                raise TransferError("a message that answers another question")
            at += 4
        return answers, others + more, at

    def _at_soa(self, soa: Record) -> Iterator[Part]:
        """An SOA record, which stands between the parts of a transfer."""
        key, _, rrclass, ttl, data, _ = soa
        if rrclass != CLASS_IN:
            raise TransferError(layouts.WRONG_CLASS)
        if key != self._apex:
            raise TransferError("an SOA record at another name than the apex of the zone")
        serial = int.from_bytes(data[-20:-16], "big")
        # Names may come in another case where they are compressed.
        is_first = (ttl, folded(SOA, data)) == (self._soa[0], folded(SOA, self._soa[1]))
        state = self._state
        if state == _BEGIN:
            self._begin(ttl, data, serial)
        elif state == _SECOND and self._type == IXFR and not (is_first and not self._is_held()):
            if serial != self._held:
                self.retry_full = True
                raise TransferError(
                    f"the changes begin at serial {serial}, not at {self._held}, which is held here"
                )
            self.kind = "IXFR"
            self._reached = serial
            yield self._changed(REMOVED, ttl, data)
        elif state == _SECOND:
            yield self._whole()
            yield from self._at_soa(soa)
        elif state == _ALL:
            if not is_first:
                raise TransferError("an SOA record in the middle, or another one at the end")
            self._end("AXFR")
        elif state == _OLD:
            self._reached = serial
            yield self._changed(ADDED, ttl, data)
        elif is_first and self._reached == self.serial:
            self._end("IXFR")
        elif serial == self._reached:
            yield self._changed(REMOVED, ttl, data)
        else:
            raise TransferError(
                f"changes from serial {serial} behind changes to serial {self._reached}"
            )

    def _begin(self, ttl: int, data: bytes, serial: int) -> None:
        self._soa = (ttl, data)
        self.serial = serial
        self._state = _SECOND
        if self._held is None or self._forced:
            return
        if serial != self._held and not is_beyond(serial, self._held):
            raise TransferError(
                f"the primary has serial {serial}, which is before {self._held}, which is held "
                "here (RFC 1982): raise it there, or have the zone transferred by force"
            )

    def _is_held(self) -> bool:
        return self._type == IXFR and self.serial == self._held

    def _whole(self) -> Part:
        """The first SOA, once it is known that the whole zone comes."""
        self.kind = "AXFR"
        self._state = _ALL
        return _alone(WHOLE, *self._soa)

    def _changed(self, what: int, ttl: int, data: bytes) -> Part:
        self._state = _ALL + what
        return _alone(what, ttl, data)

    def _end(self, kind: str) -> None:
        self.kind = kind
        self._state = _END


def _alone(what: int, ttl: int, data: bytes) -> Part:
    """An SOA record."""
    blob = encode_one(SOA, ttl, data)
    return Part(what, Pieces([(b"", blob)], [0], len(blob)))


def refusal(message: bytes) -> str:
    """What the RCODE of a message says, in words; empty if it says that all is well."""
    rcode = message[3] & _RCODE if len(message) >= HEADER_OCTETS else 0
    return f"the primary answers {_RCODES.get(rcode, f'RCODE {rcode}')}" if rcode else ""


def is_beyond(serial: int, other: int) -> bool:
    """Whether a serial is greater than another (RFC 1982 section 3.2)."""
    return 0 < (serial - other) % 2**32 < 2**31
