"""The way to an answer, for people: which server was asked what, and what it said."""

from __future__ import annotations

from typing import Final, NamedTuple

import dns.edns
import dns.exception
import dns.message
import dns.rdatatype

from csid.address import Address
from csid.client.session import Question as Asked
from csid.client.wire import Message
from csid.names import to_text
from csid.protocol import NOERROR, NXDOMAIN, RCODES
from resolver.recursion.reading import ALIAS, ANSWER, LAME, NO_NAME, REFERRAL, Said

SILENT: Final = "no answer"
_NO_ANSWER: Final = "no answer in time"


class Step(NamedTuple):
    """A server that was asked, with what came of it.

    Attributes:
        zone: whose server it is; of the root and of a resolver, the zone that is configured.
        server: where it was asked.
        host: its name; empty where it is configured. All names are in wire form, lower case.
        name, rrtype: what it was asked.
        depth: 0 for what was to be found, more for addresses of name servers.
        seconds: until it had answered, or was given up.
        outcome: one of the words of `resolver.recursion.reading`, or SILENT.
        said: the same in words.
        end: where the records are that it gave: another name behind an alias.
        data: of these records.
        over_tcp: it was asked over TCP.
        octets: of its message.
    """

    zone: bytes
    server: Address
    host: bytes
    name: bytes
    rrtype: int
    depth: int
    seconds: float
    outcome: str
    said: str
    end: bytes = b""
    data: tuple[bytes, ...] = ()
    over_tcp: bool = False
    octets: int = 0


class Steps:
    """Notes the steps of a table (`resolver.recursion.table.Table`, its `note`).

    Attributes:
        taken: in the order in which they ended.
    """

    def __init__(self) -> None:
        self.taken: list[Step] = []

    def note(
        self,
        asked: Asked,
        said: Said | None,
        zone: bytes,
        hosts: dict[Address, bytes],
        name: bytes,
        rrtype: int,
        depth: int,
    ) -> None:
        """See `resolver.recursion.task.Note`."""
        self._note_silent(asked, zone, hosts, name, rrtype, depth)
        if said is None:
            return
        assert asked.channel is not None and asked.message is not None
        server = asked.channel.server.address
        self.taken.append(
            Step(
                zone,
                server,
                hosts.get(server, b""),
                name,
                rrtype,
                depth,
                asked.answered_at - asked.sent_at,
                said.outcome,
                words(said, asked.message, name, zone),
                said.name,
                said.data,
                asked.channel.is_stream,
                len(asked.message.octets),
            )
        )

    def _note_silent(
        self,
        asked: Asked,
        zone: bytes,
        hosts: dict[Address, bytes],
        name: bytes,
        rrtype: int,
        depth: int,
    ) -> None:
        """Those that were asked in vain, before one answered or until time was up."""
        answered = None
        if asked.message is not None and asked.channel is not None:
            answered = asked.channel.server
        refused = asked.refused or {}
        passed = [one for one in asked.servers[: asked.attempts] if one is not answered]
        end = asked.end if answered is None else asked.sent_at
        for one in passed:
            seconds = (end - asked.asked_at) / len(passed)
            why = refused.get(one) or _NO_ANSWER
            host = hosts.get(one.address, b"")
            self.taken.append(
                Step(zone, one.address, host, name, rrtype, depth, seconds, SILENT, why)
            )


def json_of(step: Step) -> dict[str, object]:
    """A step for programs; times in milliseconds."""
    return {
        "zone": to_text(step.zone),
        "server": str(step.server),
        "server_name": server_name(step),
        "name": to_text(step.name),
        "type": type_of(step),
        "depth": step.depth,
        "milliseconds": round(step.seconds * 1000, 3),
        "outcome": step.outcome,
        "said": step.said,
    }


def server_name(step: Step) -> str | None:
    """The name of its server; None where it is configured."""
    return to_text(step.host) if step.host else None


def type_of(step: Step) -> str:
    """The type that was asked for, as text."""
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(step.rrtype))


def words(said: Said, message: Message, name: bytes, zone: bytes) -> str:
    """What a message says, in words."""
    through = f"alias of {to_text(said.name)}: " if said.number and said.name != name else ""
    if said.outcome == ANSWER:
        return f"{through}answer"
    if said.outcome == ALIAS:
        return f"alias of {to_text(said.name)}"
    if said.outcome == NO_NAME:
        return f"{through}NXDOMAIN: no such name"
    if said.outcome == REFERRAL:
        hosts = ", ".join([to_text(host.name) for host in said.hosts])
        return f"referral to {to_text(said.name)}: {hosts}"
    if said.outcome != LAME:
        return f"{through}the name has no such record"
    if said.rcode in (NOERROR, NXDOMAIN):
        return f"lame: it says neither what is there nor who knows, below {to_text(zone)}"
    return " ".join([RCODES.get(said.rcode, f"RCODE{said.rcode}"), *_reasons(message)])


def _reasons(message: Message) -> list[str]:
    """What extended errors say (RFC 8914)."""
    try:
        options = dns.message.from_wire(message.octets, ignore_trailing=True).options
    except (dns.exception.DNSException, ValueError):
        return []
    return [
        f"{option.text or ''} (EDE {int(option.code)})".strip()
        for option in options
        if isinstance(option, dns.edns.EDEOption)
    ]
