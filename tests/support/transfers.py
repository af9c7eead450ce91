"""Transfers as a primary sends them, made by dnspython: the records of zones in messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.renderer
import dns.rrset
import dns.zone

from resolver.sync.transfer.fetch import Fetch

NOW = 1_700_000_000


class Line(NamedTuple):
    """A record."""

    owner: str
    rrtype: str
    data: str
    ttl: int = 60
    rrclass: str = "IN"

    def rrset(self) -> dns.rrset.RRset:
        """As dnspython has it."""
        return dns.rrset.from_text(
            dns.name.from_text(self.owner), self.ttl, self.rrclass, self.rrtype, self.data
        )


def soa(origin: str, serial: int) -> Line:
    """The SOA of a zone."""
    return Line(origin, "SOA", f"ns.{origin} host.{origin} {serial} 1 1 1 60")


def message(
    request: bytes,
    lines: Iterable[Line],
    flags: int = dns.flags.QR | dns.flags.AA,
    with_question: bool = True,
    compressed: bool = True,
) -> bytes:
    """One message of an answer."""
    asked = dns.message.from_wire(request, question_only=True)
    made = dns.renderer.Renderer(asked.id, flags, 65_535)
    if with_question:
        question = asked.question[0]
        made.add_question(question.name, question.rdtype, question.rdclass)
    for line in lines:
        if not compressed:
            made.compress = {}
        made.add_rrset(dns.renderer.ANSWER, line.rrset())
    made.write_header()
    return made.get_wire()


def messages(request: bytes, lines: Sequence[Line], most: int = 100) -> list[bytes]:
    """An answer in messages of at most `most` records, the question in the first."""
    return [
        message(request, lines[start : start + most], with_question=not start)
        for start in range(0, len(lines), most)
    ]


def whole(origin: str, serial: int, lines: Sequence[Line]) -> list[Line]:
    """The records of an AXFR of a zone."""
    return [soa(origin, serial), *lines, soa(origin, serial)]


def lines_of(text: str, origin: str) -> list[Line]:
    """The records of master file text but the SOA, as dnspython reads them, in the text's order."""
    zone = dns.zone.from_text(text, origin=origin, relativize=False, check_origin=False)
    return [
        Line(name.to_text(), dns.rdatatype.to_text(rdataset.rdtype), rdata.to_text(), rdataset.ttl)
        for name, rdataset in zone.iterate_rdatasets()
        for rdata in rdataset
        if rdataset.rdtype != dns.rdatatype.SOA
    ]


def given(fetch: Fetch, sent: Iterable[bytes]) -> bool:
    """Give a transfer its messages; whether it is through."""
    is_through = False
    for one in sent:
        is_through = fetch.receive(one, NOW)
    return is_through
