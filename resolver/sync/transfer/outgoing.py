"""Transfers of a zone to others, as the messages to be sent (RFC 5936, RFC 1995).

A zone that has changed since is sent as one difference, condensed (RFC 1995 section 5): the SOA
record as it is, then that of then and what is gone, then that of now and what has come. It is sent
whole where the journal does not reach back so far or would give more than there is in the zone.
Both end with the SOA record they begin with; who is up to date gets it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple

from csid import names
from csid.limits import HEADER_OCTETS, PLAIN_UDP_OCTETS
from csid.protocol import SOA
from resolver.answer.edns import padded
from resolver.store import node
from resolver.store.difference import with_serial
from resolver.store.entries import beyond
from resolver.store.journal import is_beyond
from resolver.store.read import Held, ReadTransaction
from resolver.sync.tsig import Key, Signer, room

try:
    from resolver.sync.transfer.cpack import Packer as Packer
except ImportError:  # not compiled on this machine
    from resolver.sync.transfer.pack import Packer

_ANSWER: Final = 0x84  # QR and AA (RFC 5936 section 2.2.1)
_RD: Final = 1
UDP_STEPS: Final = 100  # changes looked through for an answer that is to fit a datagram

Node = tuple[bytes, bytes]  # key below the apex, node


class Request(NamedTuple):
    """A query for a transfer that is to be granted.

    Attributes:
        message: as it was asked, without its TSIG record.
        apex: of the zone, canonical key.
        serial: that the asker has; None in a query for the whole zone.
        key: that the query was signed with, None if with none; `mac` is its MAC.
        stream: it was asked over TCP or TLS.
        opt: the OPT record of the answer's first message; empty if the query had none.
        octets: of the largest datagram that the asker takes.
        pads: each message has an OPT record, with padding (RFC 7830; RFC 9103 section 7.9.1).
    """

    message: bytes
    apex: bytes
    serial: int | None = None
    key: Key | None = None
    mac: bytes = b""
    stream: bool = True
    opt: bytes = b""
    octets: int = PLAIN_UDP_OCTETS
    pads: bool = False


def messages(request: Request, moment: ReadTransaction, now: int) -> Iterator[bytes]:
    """The messages that answer a query over a stream, without their lengths, signed.

    Args:
        moment: must last until the last message is made.
        now: seconds since 1970.

    Raises:
        ZoneError: the zone is not held.
        LookupError, ValueError: its nodes are damaged.
    """
    seal = sealer(request)
    return (seal(message, now) for message in unsigned(request, moment))


def unsigned(request: Request, moment: ReadTransaction) -> Iterator[bytes]:
    """The same without signatures: for who sends them some time later."""
    return _with_opt(request, _packed(request, moment))


def sealer(request: Request) -> Callable[[bytes, int], bytes]:
    """What signs the messages (message, seconds since 1970), in their order, as the query was; it
    leaves them as they are if it was not.
    """
    if request.key is None:
        return lambda message, now: message
    return Signer(request.key, request.mac).sign


def steps_for(request: Request, moment: ReadTransaction) -> int:
    """How many changes are to be looked through before the first message.

    Raises:
        ZoneError: the zone is not held.
    """
    if request.serial is None:
        return 0
    journal = moment.journal(moment.zone(names.wire_of_key(request.apex)))
    number = journal.number_of(request.serial)
    return 0 if number is None else journal.following - number


def answer_udp(request: Request, moment: ReadTransaction, now: int) -> bytes:
    """The message that answers an IXFR query over UDP: the difference if it fits, else the SOA
    record alone, upon which the asker comes over TCP (RFC 1995 section 2).

    Raises:
        as `messages`.
    """
    zone = moment.zone(names.wire_of_key(request.apex))
    soa = _soa(moment, zone)
    difference = _difference(request, moment, zone, soa, UDP_STEPS)
    if difference is not None:
        first, *others = [*islice(_with_opt(request, difference), 2)]
        signed = sealer(request)(first, now)
        if not others and len(signed) <= request.octets:
            return signed
    (alone,) = _with_opt(request, iter(_alone(request, soa)))
    return sealer(request)(alone, now)


def _with_opt(request: Request, made: Iterator[bytes]) -> Iterator[bytes]:
    """Messages with the OPT record in the first one; in all of them, if they are padded."""
    opt = request.opt
    if opt:
        reserved = len(opt) + (room(request.key) if request.key else 0)
        for message in made:
            own = padded(opt, len(message) + reserved) if request.pads else opt
            yield message[:10] + b"\0\1" + message[HEADER_OCTETS:] + own
            if not request.pads:
                break
    yield from made


def _packed(request: Request, moment: ReadTransaction) -> Iterator[bytes]:
    zone = moment.zone(names.wire_of_key(request.apex))
    soa = _soa(moment, zone)
    if request.serial is not None:
        difference = _difference(request, moment, zone, soa)
        if difference is not None:
            yield from difference
            return
    packer = Packer(_head(request), zone.generation)
    packer.apex(soa)
    nodes = moment.stored_nodes(zone.generation)
    while packer.nodes(nodes, 1):
        yield from packer.take()
    packer.apex(soa)
    yield from packer.end()


def _difference(
    request: Request, moment: ReadTransaction, zone: Held, soa: bytes, steps: int | None = None
) -> Iterator[bytes] | None:
    """What answers an IXFR query; None if that is the whole zone.

    Args:
        steps: changes to be looked through at most.
    """
    serial = request.serial
    assert serial is not None
    present = _serial(soa)
    if serial == present or is_beyond(serial, present):
        return iter(_alone(request, soa))
    journal = moment.journal(zone)
    number = journal.number_of(serial)
    if number is None or (steps is not None and journal.following - number > steps):
        return None
    held = journal.since_number(number)
    if held is None or _is_larger(held, moment, zone):
        return None
    return _changes(request, moment, zone, soa, held)


def _changes(
    request: Request,
    moment: ReadTransaction,
    zone: Held,
    soa: bytes,
    held: Mapping[bytes, bytes],
) -> Iterator[bytes]:
    assert request.serial is not None
    tree = moment.tree(zone.generation)
    keys = sorted(held)
    packer = Packer(_head(request))
    packer.apex(soa)
    packer.apex(_soa_under(soa, held.get(b"") or b"", request.serial))
    for is_new in (False, True):
        if is_new:
            packer.apex(soa)
        parts = (
            (key, _beside(tree.get(key) or b"", held[key], is_new, at_apex=not key)) for key in keys
        )
        while packer.nodes(parts, 1):
            yield from packer.take()
    packer.apex(soa)
    yield from packer.end()


def _beside(present: bytes, before: bytes, is_new: bool, at_apex: bool) -> bytes:
    """A node of the records that one of two nodes of a name has and the other has not: of those
    that have come, or of those that are gone.
    """
    one, other = (present, before) if is_new else (before, present)
    return beyond(one or node.EMPTY, other or node.EMPTY, SOA if at_apex else 0)


def _is_larger(held: Mapping[bytes, bytes], moment: ReadTransaction, zone: Held) -> bool:
    """Whether a difference has more octets than its zone; no more of that is read than has to be.

    Args:
        held: what names had before.
    """
    tree = moment.tree(zone.generation)
    octets = sum(len(blob) + len(tree.get(key) or b"") for key, blob in held.items())
    for _, blob in moment.nodes(zone.generation):
        octets -= len(blob)
        if octets <= 0:
            return False
    return True


def _alone(request: Request, soa: bytes) -> list[bytes]:
    packer = Packer(_head(request))
    packer.apex(soa)
    alone: list[bytes] = packer.end()
    return alone


def _head(request: Request) -> bytes:
    """The header of the messages, and the question."""
    message = request.message
    _, end = names.read_key(message, HEADER_OCTETS)
    flags = bytes((_ANSWER | message[2] & _RD, 0))
    return message[:2] + flags + bytes(8) + message[HEADER_OCTETS : end + 4]


def _soa(moment: ReadTransaction, zone: Held) -> bytes:
    """The SOA record as the node of the apex has it."""
    blob = moment.tree(zone.generation).get(b"") or b""
    at = node.find_entry(blob, SOA)
    if not at:
        raise LookupError(f"the tree has no SOA record for {names.to_text(zone.origin)}")
    return node.records_at(blob, at)


def _soa_under(soa: bytes, before: bytes, serial: int) -> bytes:
    """The SOA record of then, from the node that the apex had then; it is empty if the apex has
    not changed since.
    """
    if not before:
        return soa[:-20] + serial.to_bytes(4, "big") + soa[-16:]
    blob = with_serial(before, serial)
    return node.records_at(blob, node.find_entry(blob, SOA))


def _serial(soa: bytes) -> int:
    return int.from_bytes(soa[-20:-16], "big")
