"""What the client gives: answers, and what is made of a message of a server."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from csid import names
from csid.address import Address
from csid.client import wire
from csid.client.wire import AA, Message, MessageError, Row
from csid.endpoint import Endpoint
from csid.errors import CsidError, RefusedError
from csid.identifier import Identifier
from csid.limits import MAX_CHAIN, MAX_TTL
from csid.protocol import CNAME, CSID, NOERROR, NS, NXDOMAIN, REFUSED, SERVFAIL, SOA
from csid.record import Record, decode

RCODES: Final = {NOERROR: "NOERROR", SERVFAIL: "SERVFAIL", NXDOMAIN: "NXDOMAIN", REFUSED: "REFUSED"}
_MORE_RCODES: Final = {1: "FORMERR", 4: "NOTIMP", 9: "NOTAUTH", 16: "BADVERS", 23: "BADCOOKIE"}
_AUTHORITIES: Final = 64  # servers, with and without AA, that are remembered
new: Final = tuple.__new__  # of named tuples, in half of the time that their own takes


class Authority(NamedTuple):
    """Who says so.

    Attributes:
        server: that was asked.
        is_authoritative: whether it holds the zone (AA); otherwise it passes on what it was told.
        zone: of a name that is not there: the zone that says so, as a DNS name; otherwise None.
    """

    server: Address
    is_authoritative: bool
    zone: str | None


class Answer(NamedTuple):
    """What is known of an identifier. It does not change.

    Attributes:
        identifier: that was asked for.
        record: None where the identifier does not exist, or has none.
        exists: whether there is the name; without a record it is a name between others.
        ttl: seconds that it holds.
        alias_of: the DNS name that has the record, where the identifier is an alias of it.
        authority: who says so.
        transport: "udp" or "tcp"; "memory" where the client knew it.
        seconds: from asking to the whole answer.
        octets: of the message.
    """

    identifier: Identifier
    record: Record | None
    exists: bool
    ttl: int
    alias_of: str | None
    authority: Authority
    transport: str
    seconds: float
    octets: int

    @property
    def state(self) -> str | None:
        """The word of the life cycle, one of csid.fields.STATES; None without a record."""
        return None if self.record is None else self.record.state

    @property
    def is_active(self) -> bool:
        """Whether the resource may be used."""
        return self.record is not None and self.record.values["st"] == "active"

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where the resource is reached, best first; empty if nothing is declared."""
        return () if self.record is None else self.record.endpoints

    @property
    def rcode(self) -> str:
        """NOERROR or NXDOMAIN."""
        return "NOERROR" if self.exists else "NXDOMAIN"


class Result(NamedTuple):
    """What came of one of many.

    Attributes:
        given: the text, or the identifier, that was asked for.
        answer: None where there is an error.
        error: why there is no answer.
    """

    given: str | Identifier
    answer: Answer | None
    error: CsidError | None

    @property
    def record(self) -> Record | None:
        """That of the answer."""
        return None if self.answer is None else self.answer.record

    @property
    def state(self) -> str | None:
        """That of the answer."""
        return None if self.answer is None else self.answer.state

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Those of the answer."""
        return () if self.answer is None else self.answer.endpoints

    def require(self) -> Answer:
        """The answer; raises the error where there is none."""
        if self.answer is None:
            assert self.error is not None
            raise self.error
        return self.answer


class Said(NamedTuple):
    """What a message says of a name: all of an answer but whose it is and how it came."""

    record: Record | None
    exists: bool
    ttl: int
    alias_of: str | None
    authority: Authority


def interpret(message: Message, asked: bytes, server: Address) -> Said:
    """What a message says of the name that was asked for (wire form, lower case).

    Raises:
        RefusedError: neither what is there nor that nothing is.
        RecordError: the record is not valid.
    """
    if message.rcode not in (NOERROR, NXDOMAIN):
        told = RCODES.get(message.rcode) or _MORE_RCODES.get(message.rcode) or f"{message.rcode}"
        hint = ": it does not hold this name" if message.rcode == REFUSED else ""
        raise RefusedError(f"{server} answers {told} for {names.to_text(asked)}{hint}")
    return plainly(message, asked, server) or thoroughly(message, asked, server)


def thoroughly(message: Message, asked: bytes, server: Address) -> Said:
    """What a message says, whatever it holds.

    Raises:
        RefusedError, RecordError: as `interpret`.
    """
    try:
        name, ttl = _end_of_aliases(message, asked)
        found = [
            row
            for row in message.answers
            if row.type == CSID and wire.owner(message, row, asked) == name
        ]
        alias = None if name == asked else names.to_text(name)
        is_authoritative = bool(message.flags & AA)
        if found and message.rcode == NXDOMAIN:
            raise MessageError("a record, and that there is no such name")
        if found:
            record = _only(message, found, server)
            ttl = min(ttl, min([row.ttl for row in found]))
            return Said(record, True, ttl, alias, _authority(server, is_authoritative))
        for row in message.authorities:
            # Absence comes with the SOA of the zone that says so (RFC 2308 section 2).
            if row.type != SOA:
                continue
            zone = wire.owner(message, row, asked)
            if names.is_at_or_below(name, zone):
                ttl = min(ttl, wire.negative_ttl(message, row))
                authority = Authority(server, is_authoritative, names.to_text(zone))
                return Said(None, message.rcode == NOERROR, ttl, alias, authority)
        referred = _referral(message)
    except MessageError as error:
        raise RefusedError(f"{server} gives no answer to be believed: {error}") from None
    raise RefusedError(f"{server} does not hold {names.to_text(name)}{referred}")


def plainly(message: Message, asked: bytes, server: Address) -> Said | None:
    """What a message says whose one answer is the record of the name, as that of most is; None of
    any other.

    Raises:
        RecordError: the record is not valid.
    """
    if len(message.answers) != 1 or message.rcode != NOERROR:
        return None
    row = message.answers[0]
    if row.type != CSID or wire.owner(message, row, asked) != asked:
        return None
    authority = _authority(server, bool(message.flags & AA))
    record = decode(message.octets[row.start : row.end])
    return new(Said, (record, True, row.ttl, None, authority))


@lru_cache(_AUTHORITIES)
def _authority(server: Address, is_authoritative: bool) -> Authority:
    """Of answers; most are of one server."""
    return Authority(server, is_authoritative, None)


def _end_of_aliases(message: Message, asked: bytes) -> tuple[bytes, int]:
    """The name behind all CNAMEs, and the least TTL of these.

    Raises:
        MessageError: they lead nowhere.
    """
    name, ttl = asked, MAX_TTL
    aliases = [row for row in message.answers if row.type == CNAME]
    if not aliases:
        return name, ttl
    by_owner = {wire.owner(message, row, asked): row for row in reversed(aliases)}
    for _ in range(MAX_CHAIN + 1):
        row = by_owner.get(name)
        if row is None:
            return name, ttl
        ttl = min(ttl, row.ttl)
        name = wire.target(message, row)
    raise MessageError(f"aliases that lead nowhere, the last of them to {names.to_text(name)}")


def _only(message: Message, found: list[Row], server: Address) -> Record:
    """The record that a name has; a copy of it counts for nothing."""
    octets = message.octets
    packed = {octets[row.start : row.end] for row in found}
    if len(packed) > 1:
        raise MessageError(f"{len(packed)} records at one name, where there is to be one")
    return decode(packed.pop())


def _referral(message: Message) -> str:
    """Whom a referral names: the servers of the delegation."""
    hosts = [
        names.to_text(wire.target(message, row)) for row in message.authorities if row.type == NS
    ]
    if not hosts:
        return ""
    return f"; it refers to {', '.join(hosts)}: ask there, or go from the root with --root"
