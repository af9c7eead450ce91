"""What an entry of the cache says of an identifier, with the HTTP status that says the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from csid import names
from csid.address import Address
from csid.client import wire
from csid.client.answer import RCODES, interpret
from csid.client.wire import MessageError
from csid.errors import CsidError, IdentifierError, RecordError, RefusedError
from csid.identifier import Identifier, fold, parse
from csid.limits import HEADER_OCTETS
from csid.protocol import CSID, NOERROR, NXDOMAIN, SOA
from csid.record import Record, decode
from gateway.http.problems import Problem
from gateway.resolving.problems import Fault, unavailable
from resolver.answer.reply import Reply
from resolver.cache import entry as entries

HERE: Final = Address("the authority", 0)
_RETRY_MOST: Final = 30  # seconds
_ZONES: Final = 1_024  # that are remembered


class Named(NamedTuple):
    """An identifier, and the name it has in the DNS: wire form, lower case."""

    identifier: Identifier
    name: bytes


class Meaning(NamedTuple):
    """What an identifier resolves to.

    Attributes:
        status: 200; 301 of an alias of another identifier; 410 of one that is retired.
        record: None of an alias that leads to none.
        alias_of: the identifier, or else the DNS name, that it is an alias of.
        stale: its authority cannot be asked, and has said so before.
    """

    status: int
    record: Record | None
    alias_of: str | None
    stale: bool


class Suffixes:
    """The names at which identifiers are.

    Args:
        texts: the suffixes; identifiers without one are at the first.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._wires = [names.from_text(text).lower() for text in texts]
        self.keys = tuple(names.key_of(wire) for wire in self._wires)
        self._texts = [names.to_text(wire) for wire in self._wires]
        self._ends = ["." + text.rstrip(".").upper() for text in self._texts]

    @property
    def first(self) -> bytes:
        """The first one, in wire form."""
        return self._wires[0]

    def read(self, text: str) -> Named:
        """The identifier that is written as such, as DNS name or as Handle.

        Raises:
            IdentifierError: it is none.
        """
        which = self._which(text)
        found = parse(text, suffix=self._texts[which])
        return Named(found, found.to_wire(self._wires[which]))

    def at(self, name: str) -> Identifier | None:
        """The identifier at a DNS name, if there is one."""
        try:
            return self.read(name).identifier
        except IdentifierError:
            return None

    def dns_name(self, named: Named) -> str:
        """The DNS name of an identifier as text."""
        return names.to_text(named.name)

    def _which(self, text: str) -> int:
        if len(self._ends) > 1 and "/" not in text:
            folded = fold(text[:1_000]).removesuffix(".")
            for number, end in enumerate(self._ends):
                if folded.endswith(end):
                    return number
        return 0


def meaning_of(named: Named, entry: bytes, now: int, suffixes: Suffixes) -> Meaning:
    """What an entry of type CSID says of an identifier.

    Raises:
        Problem: nothing is there, what is there is not valid, or nobody can say.
    """
    packed = entries.only_record(entry, CSID)
    try:
        if packed:
            return _of_record(decode(packed), None, entries.is_stale(entry))
        return _thoroughly(named, entry, now, suffixes)
    except RecordError as error:
        raise Problem(Fault.RECORD, f"{named.identifier}: {error}") from None


def _of_record(record: Record, alias: str | None, stale: bool) -> Meaning:
    return Meaning(410 if record.state == "retired" else 200, record, alias, stale)


def _thoroughly(named: Named, entry: bytes, now: int, suffixes: Suffixes) -> Meaning:
    rcode = entries.rcode_of(entry)
    if rcode not in (NOERROR, NXDOMAIN):
        wait = min(max(entries.expires(entry) - now, 1), _RETRY_MOST)
        said = RCODES.get(rcode, f"{rcode}")
        raise unavailable(f"{named.identifier}: no authority answers, or it says {said}", wait)
    try:
        said_of = interpret(message_of(named.name, CSID, entry, now), named.name, HERE)
    except (RefusedError, MessageError) as error:
        raise unavailable(f"{named.identifier}: {error}") from None
    stale = entries.is_stale(entry)
    alias = said_of.alias_of
    if alias is not None:
        other = suffixes.at(alias)
        if other is not None:
            return Meaning(301, said_of.record, str(other), stale)
    if said_of.record is not None:
        return _of_record(said_of.record, alias, stale)
    zone = said_of.authority.zone or "its authority"
    what = "there is a name, and no record" if said_of.exists else "there is no such name"
    headers = {"Cache-Control": f"max-age={max(entries.expires(entry) - now, 0)}"}
    raise Problem(Fault.NOT_ASSIGNED, f"{named.identifier}: {zone} says: {what}", headers)


def message_of(name: bytes, rrtype: int, entry: bytes, now: int) -> wire.Message:
    """An entry as a message that answers a question.

    Raises:
        MessageError: it is none.
    """
    asked = wire.question(name, rrtype)
    query = wire.query(b"\0\0", asked, b"")
    reply = Reply(query, b"", True)
    entries.fill(reply, entry, now)
    counts = (1, reply.answer_number, reply.authority_number, reply.additional_number)
    head = b"".join([b"\0\0", b"\x80", bytes((reply.rcode & 15,))])
    head += b"".join([one.to_bytes(2, "big") for one in counts])
    assert len(head) == HEADER_OCTETS
    records = (reply.answer, reply.authority, reply.additional)
    return wire.read(b"".join((head, asked, *records)), asked)


@lru_cache(_ZONES)
def zone_of(name: bytes, entry: bytes) -> Mapping[str, Any] | None:
    """The zone that a name lies in, and its first server, as an entry of type SOA has them."""
    try:
        message = message_of(name, SOA, entry, 0)
        for row in (*message.answers, *message.authorities):
            if row.type == SOA:
                zone = names.to_text(wire.owner(message, row, name))
                server, _ = wire.read_name(message.octets, row.start)
                return {"zone": zone, "server": names.to_text(server)}
    except (CsidError, IndexError):
        return None
    return None
