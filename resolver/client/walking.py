"""Walks from the root (`resolver.walk`), and single questions about any type, over our sessions.

What comes is read by dnspython: a walk looks at name servers, addresses and extended errors.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import dns.exception
import dns.message
import dns.name
import dns.rcode

from csid import names
from csid.address import Address
from csid.client import wire
from csid.errors import CsidError, DomainNameError, ResolutionError, UnreachableError
from csid.protocol import CSID
from csid.record import Record, decode
from resolver.client.blocking import Line, look_up
from resolver.walk import Server, Step, Walk

ASK_SECONDS: Final = 5.0  # for an answer
WALK_ASK_SECONDS: Final = 2.0  # the same, where there are other servers to ask
WALK_SECONDS: Final = 30.0  # for a walk from the root, from when on nothing more is asked


class Reply(NamedTuple):
    """What came back for one question."""

    message: dns.message.QueryMessage
    transport: str  # "udp" or "tcp"
    seconds: float  # from asking, attempts without answer included, to the whole answer
    octets: int


class Found(NamedTuple):
    """What the walk found."""

    canonical: str  # the name the record is at, another one behind an alias
    rcode: str  # NOERROR without a record: the name exists and has none
    record: Record | None
    ttl: int  # seconds the answer may be remembered
    server: Server  # which said so
    reply: Reply


class Walked(NamedTuple):
    """A walk from the root, as far as it came."""

    steps: list[Step]
    found: Found | None
    error: CsidError | None  # why there is no more


def walk(
    name: str,
    roots: Sequence[Address],
    suffix: str,
    port: int | None = None,
    over_tcp: bool = False,
) -> Walked:
    """Walk from the root to the CSID record at a DNS name, see `resolver.walk`.

    Args:
        suffix: of the deployment.
        port: of servers that are found by referral; None is that of the root.
    """
    walking = Walk(dns.name.from_text(name), CSID, roots, dns.name.from_text(suffix), port)
    end = time.monotonic() + WALK_SECONDS
    reply: Reply | None = None
    try:
        while (question := walking.question) is not None:
            begin = time.monotonic()
            if begin > end:
                raise ResolutionError(f"no end of the walk to {name} within {WALK_SECONDS:.0f} s")
            said: dns.message.Message | str
            try:
                reply = ask(
                    question.name.to_text(),
                    question.rrtype,
                    question.server.address,
                    over_tcp,
                    is_recursive=False,
                    seconds=WALK_ASK_SECONDS,
                )
                said = reply.message
            except ResolutionError as error:
                said = str(error)
            walking.receive(said, (time.monotonic() - begin) * 1000)
        outcome = walking.outcome
        assert outcome is not None and reply is not None
        record = None if outcome.rrset is None else decode(outcome.rrset[0].to_wire())
    except CsidError as error:
        return Walked(walking.steps, None, error)
    rcode = dns.rcode.to_text(dns.rcode.Rcode(outcome.rcode))
    found = Found(outcome.name.to_text(), rcode, record, outcome.ttl, outcome.server, reply)
    return Walked(walking.steps, found, None)


def ask(
    name: str,
    rrtype: int,
    server: Address,
    over_tcp: bool = False,
    is_recursive: bool = True,
    seconds: float = ASK_SECONDS,
) -> Reply:
    """Ask one question, over UDP first unless told otherwise.

    Args:
        is_recursive: the server may ask others on our behalf (RD).
        seconds: for all attempts.

    Raises:
        ResolutionError: no answer to be believed came in time.
    """
    try:
        asked = wire.question(names.from_text(name), rrtype)
    except DomainNameError as error:
        raise ResolutionError(f"{name!r} is no DNS name: {error}") from None
    line = Line(look_up([server]))
    session, sockets = line.session, line.sockets
    try:
        question = session.ask(asked, None, time.monotonic(), seconds, over_tcp, is_recursive)
        while not question.is_done:
            now = time.monotonic()
            sockets.send(now)
            deadline = session.deadline()
            if deadline is not None:
                sockets.wait(max(deadline - now, 0.0))
                now = time.monotonic()
                sockets.take(now)
                session.tick(now)
    finally:
        sockets.close()
    if question.message is None or question.channel is None:
        raise question.error or UnreachableError(str(server))
    octets = question.message.octets
    try:
        message = dns.message.from_wire(octets)
    except (dns.exception.DNSException, ValueError) as error:
        raise ResolutionError(f"{server} gives no answer to be believed: {error}") from None
    assert isinstance(message, dns.message.QueryMessage)
    transport = "tcp" if question.channel.is_stream else "udp"
    return Reply(message, transport, question.answered_at - question.asked_at, len(octets))
