"""What is no plain query: signed ones, transfers, NOTIFY and UPDATE. Who may is answered or passed
on, who may not is told.

    signature (tsig.py) → the message without it is read again → by its kind:
        a query for data   answered as any other, and the answer signed; of an SOA, with what is
                           left until the zone expires, if that is asked (expire.py)
        AXFR, IXFR         right "transfer" (access.py) → Transfer, for outgoing.py
        NOTIFY             right "notify" → the bell is rung; answered at once (RFC 1996)
        UPDATE             right "update" → Forward, for the writer, who looks again (RFC 2136)

The same for every transport. No clock and no socket: the time, the asker, what to answer from and
the bell are arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from csid.limits import EDNS_UDP_OCTETS, HEADER_OCTETS
from csid.protocol import (
    CLASS_IN,
    EDE_INVALID_DATA,
    EDE_NOT_AUTHORITATIVE,
    EDE_NOT_READY,
    EDE_PROHIBITED,
    FORMERR,
    IXFR,
    NOERROR,
    NOTAUTH,
    NOTIFY,
    REFUSED,
    SERVFAIL,
    SOA,
    UPDATE,
)
from resolver.answer.edns import OptWriter
from resolver.answer.parse import parse
from resolver.answer.process import Answerer
from resolver.answer.reply import Reply
from resolver.answer.source import Source
from resolver.store.apexes import EXPIRED, NOT_READY
from resolver.store.read import ReadTransaction
from resolver.sync import expire, notify, tsig
from resolver.sync.access import Right, keyring, may
from resolver.sync.settings import follow_of, key_row
from resolver.sync.transfer.outgoing import Request
from resolver.sync.wire import serial_at

_NOT_SERVED: Final = {EXPIRED: EDE_INVALID_DATA, NOT_READY: EDE_NOT_READY}

# Told that a zone may have changed: canonical key of its apex, its serial if that is known, and the
# address of who says so; whether that was heard, or need not be.
Ring = Callable[[bytes, "int | None", bytes], bool]
Hear = Callable[[bytes, int], None]  # name of a key in wire form, Unix seconds


def _hear_nothing(_key: bytes, _now: int) -> None:
    """Nobody wants to know who signs."""


class Transfer(NamedTuple):
    """A transfer that is granted: to be answered by `resolver.sync.transfer.outgoing`."""

    request: Request


class Forward(NamedTuple):
    """An UPDATE that may be tried: to be answered by the writer.

    Attributes:
        packet: as received, with its signature, which the writer verifies again.
        reply: for the answer if the writer cannot be reached, see `Front.unreachable`.
    """

    packet: bytes
    reply: Reply


Outcome = bytes | Transfer | Forward | None


class Front:
    """Looks after what is no plain query.

    Args:
        answerer: answers what is a query for data, and makes the messages of all other answers.
        opt: writes OPT records.
        ring: rings the bell.
        hear: told of each message that is signed well.
    """

    def __init__(
        self, answerer: Answerer, opt: OptWriter, ring: Ring, hear: Hear = _hear_nothing
    ) -> None:
        self._answerer = answerer
        self._opt = opt
        self._ring = ring
        self._hear = hear

    def handle(self, reply: Reply, source: Source, moment: ReadTransaction, now: int) -> Outcome:
        """What is to be done about a message.

        Args:
            reply: of a message that is `special`, as parsed.
            source: what to answer from; `moment` is the same moment of the store.
            now: seconds since 1970.

        Returns:
            The answer; or what is to be done to get one; or None if it is pending at the source.
        """
        signed = None
        if reply.signed:
            found = tsig.verify(reply.packet, keyring(moment, now), now, at=reply.signed)
            if not isinstance(found, tsig.Signed):
                return self._refuse_signature(reply, found, now)
            self._hear(found.key.name, now)
            signed, packet = found, reply.packet
            inner = parse(found.message, reply.address, reply.stream)
            assert inner is not None  # it has the header that the packet has
            inner.sign = _sealed(found, packet[:2])
            inner.reserved = tsig.room(found.key)
            reply = inner
            if reply.asks:
                return self._data(reply, source, moment, now)
            if not reply.special:
                return self._answerer.finish(reply, now)
        elif reply.asks:
            return self._data(reply, source, moment, now)
        else:
            packet = reply.packet
        opcode = packet[2] >> 3 & 15
        if opcode == NOTIFY:
            return self._notify(reply, moment, signed, now)
        if opcode == UPDATE:
            return self._update(reply, packet, moment, signed, now)
        return self._transfer(reply, moment, signed, now)

    def _data(
        self, reply: Reply, source: Source, moment: ReadTransaction, now: int
    ) -> bytes | None:
        """Answer a query for data."""
        if not self._answerer.ask(reply, source, now):
            return None
        if reply.qtype == SOA and reply.aa and reply.rcode == NOERROR:
            self._tell_expire(reply, moment, now)
        return self._answerer.finish(reply, now)

    def _tell_expire(self, reply: Reply, moment: ReadTransaction, now: int) -> None:
        """Say when the zone expires, if that is asked (RFC 7314)."""
        if reply.asks_expire:
            left = expire.left(moment, reply.key, now)
            reply.expire = -1 if left is None else left

    def unreachable(self, forward: Forward, now: int) -> bytes:
        """The answer to an UPDATE that could not be handed to the writer."""
        return self._say(forward.reply, SERVFAIL, EDE_NOT_READY, now)

    def _refuse_signature(self, reply: Reply, fault: tsig.Fault | None, now: int) -> bytes:
        reply.rcode, reply.ede = FORMERR, -1
        if fault is not None:
            reply.rcode, reply.sign = fault.rcode, fault.answer
        return self._answerer.finish(reply, now)

    def _transfer(
        self, reply: Reply, moment: ReadTransaction, signed: tsig.Signed | None, now: int
    ) -> bytes | Transfer:
        apex = reply.key
        if reply.qclass != CLASS_IN:
            return self._say(reply, REFUSED, EDE_NOT_AUTHORITATIVE, now)
        serial = None
        if reply.qtype == IXFR:
            serial = _serial_in(reply)
            if serial is None:
                return self._say(reply, FORMERR, -1, now)
        elif not reply.stream:  # RFC 5936 section 4.2
            return self._say(reply, FORMERR, -1, now)
        zone = moment.snapshot.zone_of(apex)
        if zone is None or zone.apex != apex:
            return self._say(reply, NOTAUTH, EDE_NOT_AUTHORITATIVE, now)
        if not self._may(moment, "transfer", reply, _name(signed)):
            return self._say(reply, REFUSED, EDE_PROHIBITED, now)
        if zone.flags:
            return self._say(reply, SERVFAIL, _NOT_SERVED[zone.flags], now)
        reply.rcode, reply.ede = NOERROR, -1
        self._tell_expire(reply, moment, now)
        return Transfer(
            Request(
                reply.packet,
                apex,
                serial,
                None if signed is None else signed.key,
                b"" if signed is None else signed.mac,
                reply.stream,
                self._opt.write(reply, now) if reply.edns else b"",
                min(reply.udp_octets, EDNS_UDP_OCTETS),
                reply.pads and self._answerer.over_tls,
            )
        )

    def _notify(
        self, reply: Reply, moment: ReadTransaction, signed: tsig.Signed | None, now: int
    ) -> bytes:
        told = notify.read(reply.packet)
        if told is None:
            return self._say(reply, FORMERR, -1, now)
        apex = reply.key
        if follow_of(moment, apex) is None:
            return self._say(reply, NOTAUTH, EDE_NOT_AUTHORITATIVE, now)
        if not self._may(moment, "notify", reply, _name(signed)):
            return self._say(reply, REFUSED, EDE_PROHIBITED, now)
        if not self._ring(apex, told.serial, reply.address):
            return self._say(reply, SERVFAIL, -1, now)  # to be told again later
        reply.aa = True
        return self._say(reply, NOERROR, -1, now)

    def _update(
        self,
        reply: Reply,
        packet: bytes,
        moment: ReadTransaction,
        signed: tsig.Signed | None,
        now: int,
    ) -> bytes | Forward:
        apex, key = reply.key, _name(signed)
        if reply.qtype != SOA or reply.qclass != CLASS_IN:  # RFC 2136 section 3.1.1
            return self._say(reply, FORMERR, -1, now)
        row = key_row(moment, key)
        if row is not None and row.node:
            return Forward(packet, reply)  # what a node of the network may, the writer says
        zone = moment.snapshot.zone_of(apex)
        is_ours = zone is not None and zone.apex == apex and follow_of(moment, apex) is None
        if not is_ours:
            return self._say(reply, NOTAUTH, EDE_NOT_AUTHORITATIVE, now)
        if not self._may(moment, "update", reply, key):
            return self._say(reply, REFUSED, EDE_PROHIBITED, now)
        return Forward(packet, reply)

    def _may(self, moment: ReadTransaction, right: Right, reply: Reply, key: bytes) -> bool:
        """Whether who asks has a right to the zone asked about."""
        return may(moment, reply.key, right, reply.address, key, self._answerer.over_tls)

    def _say(self, reply: Reply, rcode: int, ede: int, now: int) -> bytes:
        reply.rcode, reply.ede = rcode, ede
        return self._answerer.finish(reply, now)


def _name(signed: tsig.Signed | None) -> bytes:
    """The name of the key that has signed; empty if none has."""
    return b"" if signed is None else signed.key.name


def _sealed(asked: tsig.Signed, identity: bytes) -> Callable[[bytes, int], bytes]:
    """What signs the answer to a message, which came with an ID that may be another than it was
    signed with (RFC 8945 section 5.1).
    """

    def sign(message: bytes, now: int) -> bytes:
        made, _ = tsig.sign(message, asked.key, now, asked.mac)
        return identity + made[2:]

    return sign


def _serial_in(reply: Reply) -> int | None:
    """The serial that the asker of an IXFR has (RFC 1995 section 3); None if it is not told."""
    packet = reply.packet
    if packet[6:10] != b"\0\0\0\1":
        return None
    try:
        return serial_at(packet, reply.end, packet[HEADER_OCTETS : reply.end - 4].lower())
    except (IndexError, ValueError):
        return None
