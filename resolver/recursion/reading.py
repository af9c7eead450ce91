"""What a message says of a name, as far as the servers of a zone may say it.

They are believed at and below the cut at which they were asked, and nowhere else: an answer is read
as far as its aliases stay there, a referral has to lead strictly down, an address of a name server
is taken where its name lies below the cut, and absence has to come from there (RFC 2181 5.4.1).
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final, NamedTuple

from csid.client import wire
from csid.client.wire import AA, Message, MessageError, Row
from csid.limits import MAX_CHAIN, MAX_NAME_OCTETS, MAX_TTL
from csid.names import is_at_or_below
from csid.protocol import AAAA, CNAME, DNAME, NOERROR, NS, NXDOMAIN, SOA, SRV, A
from resolver.recursion.records import least_ttl, rdata, ready, record

ANSWER: Final = "answer"
ALIAS: Final = "alias"
NO_NAME: Final = "NXDOMAIN"
NO_DATA: Final = "no data"
REFERRAL: Final = "referral"
LAME: Final = "lame"

MAX_SERVERS: Final = 13  # of one delegation, and of those, addresses
SERVICE: Final = b"\x05_sync\x04_tcp"  # below a node's name: the port at which it is asked


class Host(NamedTuple):
    """A name server of a delegation.

    Attributes:
        name: wire form, lower case.
        addresses: that the referral gives and may give, 4 or 16 octets each.
        port: as the referral says, or None.
    """

    name: bytes
    addresses: tuple[bytes, ...] = ()
    port: int | None = None


class Said(NamedTuple):
    """What a message says.

    Attributes:
        outcome: one of the words above.
        name: the last of the aliases, where the records are or are not; for ALIAS, where they lead;
            for REFERRAL the name of the delegation. Wire form, lower case.
        answer: ready records, those of the aliases first, and their number.
        soa: of the zone that says what is not there, ready; empty where none is given.
        ttl: seconds that all of it holds.
        data: of ANSWER, the data of the records that were asked for.
        hosts: of REFERRAL, the name servers.
        rcode: of the message.
    """

    outcome: str
    name: bytes
    answer: bytes = b""
    number: int = 0
    soa: bytes = b""
    ttl: int = 0
    data: tuple[bytes, ...] = ()
    hosts: tuple[Host, ...] = ()
    rcode: int = NOERROR


def read(
    message: Message, asked: bytes, rrtype: int, cut: bytes, shown: bytes, forwards: bool = False
) -> Said:
    """What a message says.

    Args:
        asked: the name in its question, wire form, lower case.
        rrtype: that was asked for.
        cut: apex of the zone whose servers were asked.
        shown: the name in the question of the message that the records are for.
        forwards: it comes of a resolver, which passes on what others say.

    Raises:
        MessageError: a part of it that would be believed is not whole.
    """
    rcode = message.rcode
    if rcode not in (NOERROR, NXDOMAIN):
        return Said(LAME, asked, rcode=rcode)
    if not message.flags & AA and not forwards:
        return _referral(message, asked, cut)
    found: dict[bytes, list[Row]] = {}
    for row in message.answers:
        if row.type == rrtype:
            owner = wire.owner(message, row, asked)
            if is_at_or_below(owner, cut):
                found.setdefault(owner, []).append(row)
    name, ttl, aliases = _behind_aliases(message, asked, cut, found, shown)
    rows = found.get(name)
    if rows is not None:
        ttl = min(ttl, least_ttl(rows))
        records = aliases + [ready(message, row, asked, ttl, shown) for row in rows]
        data = tuple([rdata(message, row) for row in rows])
        return Said(ANSWER, name, b"".join(records), len(records), b"", ttl, data, rcode=rcode)
    soa = _soa(message, name, asked, cut, shown)
    if aliases and soa is None:
        return Said(ALIAS, name, b"".join(aliases), len(aliases), b"", ttl, rcode=rcode)
    if soa is None and any(row.type == NS for row in message.authorities):
        return _referral(message, asked, cut)
    said, seconds = soa or (b"", 0)
    outcome = NO_NAME if rcode == NXDOMAIN else NO_DATA
    ttl = min(ttl, seconds)
    return Said(outcome, name, b"".join(aliases), len(aliases), said, ttl, rcode=rcode)


def _behind_aliases(
    message: Message, asked: bytes, cut: bytes, found: Container[bytes], shown: bytes
) -> tuple[bytes, int, list[bytes]]:
    """Where the aliases of a message lead, as far as they stay below the cut; the least of their
    TTLs; and they themselves. A name that is `found` is the end of them.
    """
    name, ttl = asked, MAX_TTL
    records: list[bytes] = []
    rows = [row for row in message.answers if row.type in (CNAME, DNAME)]
    if not rows:
        return name, ttl, records
    owners = [wire.owner(message, row, asked) for row in rows]
    seen = {name}
    for _ in range(MAX_CHAIN):
        if name in found or not is_at_or_below(name, cut):
            break
        followed = _followed(message, rows, owners, name, cut)
        if followed is None:
            break
        row, target = followed
        if row.type == DNAME:
            records.append(ready(message, row, asked, row.ttl, shown))
            records.append(record(name, CNAME, row.ttl, target, shown))
        else:
            records.append(ready(message, row, asked, row.ttl, shown))
        ttl = min(ttl, row.ttl)
        name = target
        if name in seen:
            raise MessageError("aliases in a circle")
        seen.add(name)
    return name, ttl, records


def _followed(
    message: Message, rows: list[Row], owners: list[bytes], name: bytes, cut: bytes
) -> tuple[Row, bytes] | None:
    """The alias at or above a name, and where it leads."""
    for row, owner in zip(rows, owners, strict=True):
        if row.type == DNAME and owner != name and is_at_or_below(name, owner):
            if not is_at_or_below(owner, cut):
                continue
            target = name[: len(name) - len(owner)] + wire.target(message, row)
            if len(target) > MAX_NAME_OCTETS:
                return None
            return row, target
    for row, owner in zip(rows, owners, strict=True):
        if row.type == CNAME and owner == name:
            return row, wire.target(message, row)
    return None


def _soa(
    message: Message, name: bytes, asked: bytes, cut: bytes, shown: bytes
) -> tuple[bytes, int] | None:
    """The SOA record with which absence comes, and for how long that holds (RFC 2308 section 5)."""
    for row in message.authorities:
        if row.type != SOA:
            continue
        zone = wire.owner(message, row, asked)
        if is_at_or_below(name, zone) and is_at_or_below(zone, cut):
            ttl = wire.negative_ttl(message, row)
            return ready(message, row, asked, ttl, shown), ttl
    return None


def _referral(message: Message, asked: bytes, cut: bytes) -> Said:
    """Whom a message refers to; LAME where that is nobody further down."""
    rows: list[Row] = []
    below = b""
    for row in message.authorities:
        if row.type != NS:
            continue
        owner = wire.owner(message, row, asked)
        if not is_at_or_below(asked, owner):
            continue
        if owner == cut or not is_at_or_below(owner, cut) or (rows and owner != below):
            return Said(LAME, asked, rcode=message.rcode)
        below = owner
        rows.append(row)
    if not rows:
        return Said(LAME, asked, rcode=message.rcode)
    names = sorted({wire.target(message, row) for row in rows})[:MAX_SERVERS]
    ttl = least_ttl(rows)
    glue = _glue(message, asked, cut)
    hosts = tuple(Host(one, *glue.get(one, ((), None))) for one in names)
    return Said(REFERRAL, below, ttl=ttl, hosts=hosts, rcode=message.rcode)


def _glue(
    message: Message, asked: bytes, cut: bytes
) -> dict[bytes, tuple[tuple[bytes, ...], int | None]]:
    """Addresses and ports of name servers that lie below the cut."""
    addresses: dict[bytes, tuple[bytes, ...]] = {}
    ports: dict[bytes, int] = {}
    octets = message.octets
    for row in message.additionals:
        size = row.end - row.start
        if row.type == SRV and size > 6:
            name = wire.owner(message, row, asked)
            if name.startswith(SERVICE) and is_at_or_below(name, cut):
                host = name[len(SERVICE) :]
                ports[host] = int.from_bytes(octets[row.start + 4 : row.start + 6], "big")
        elif (row.type, size) in ((A, 4), (AAAA, 16)):
            name = wire.owner(message, row, asked)
            if is_at_or_below(name, cut):
                known = addresses.get(name, ())
                if len(known) < MAX_SERVERS:
                    addresses[name] = (*known, octets[row.start : row.end])
    return {
        name: (addresses.get(name, ()), ports.get(name)) for name in addresses.keys() | ports.keys()
    }
