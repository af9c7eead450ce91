"""Walks from the root, and single questions about any type, over our sessions."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import dns.exception
import dns.message

from csid import names
from csid.address import Address
from csid.client import wire
from csid.errors import CsidError, DomainNameError, ResolutionError, UnreachableError
from csid.protocol import CSID, NOERROR, NXDOMAIN, RCODES
from csid.record import Record, decode
from resolver.cache import entry as entries
from resolver.client.blocking import Line, addresses_of, look_up
from resolver.client.sockets import Sockets
from resolver.recursion.cuts import Cut, top
from resolver.recursion.steps import Step, Steps
from resolver.recursion.table import begin

ASK_SECONDS: Final = 5.0  # for an answer
WALK_SECONDS: Final = 30.0  # for a walk from the root, from when on nothing more is asked


class Reply(NamedTuple):
    """What came back for one question."""

    message: dns.message.QueryMessage
    transport: str  # "udp" or "tcp"
    seconds: float  # from asking, attempts without answer included, to the whole answer
    octets: int


class Found(NamedTuple):
    """What the walk found.

    Attributes:
        canonical: the name that the record is at, another one behind an alias.
        rcode: NOERROR without a record: the name exists and has none.
        ttl: seconds that the answer may be remembered.
        step: the last one, whose server said so.
    """

    canonical: str
    rcode: str
    record: Record | None
    ttl: int
    step: Step


class Walked(NamedTuple):
    """A walk from the root, as far as it came; and why there is no more, if there is none."""

    steps: list[Step]
    found: Found | None
    error: CsidError | None


def walk(
    name: str,
    roots: Sequence[Address],
    suffix: str,
    port: int | None = None,
    over_tcp: bool = False,
) -> Walked:
    """Walk from the root to the CSID record at a DNS name, as a gateway does that knows nothing
    (`resolver.recursion`), but that each server is asked for the whole name.

    Args:
        suffix: of the deployment.
        port: of servers that are found by referral; None is that of the root.
    """
    steps = Steps()
    try:
        wire_name = names.from_text(name).lower()
        cut = top(names.from_text(suffix), addresses_of(roots), port=port)
        entry, why = _drive(wire_name, [cut], steps, WALK_SECONDS, over_tcp)
        if entries.rcode_of(entry) not in (NOERROR, NXDOMAIN):
            raise ResolutionError(why)
        last = next(one for one in reversed(steps.taken) if not one.depth)
        record = decode(last.data[0]) if last.data else None
    except CsidError as error:
        return Walked(steps.taken, None, error)
    rcode = RCODES[entries.rcode_of(entry)]
    found = Found(names.to_text(last.end), rcode, record, entries.lifetime(entry), last)
    return Walked(steps.taken, found, None)


def steps_to(name: bytes, tops: Sequence[Cut], seconds: float) -> list[Step]:
    """The steps of such a walk alone, as far as it comes.

    Args:
        name: wire form, lower case.
        tops: zones whose servers are configured.
        seconds: from when on nothing more is asked.
    """
    steps = Steps()
    with contextlib.suppress(CsidError):
        _drive(name, tops, steps, seconds, False)
    return steps.taken


def _drive(
    name: bytes, tops: Sequence[Cut], steps: Steps, seconds: float, over_tcp: bool
) -> tuple[bytes, str]:
    """The answer as a cache would keep it, and if there is none, why."""
    table, session = begin(
        tops, os.urandom, _nothing, minimises=False, note=steps.note, over_tcp=over_tcp
    )
    sockets = Sockets(session)
    end = time.monotonic() + seconds
    try:
        table.ask(name, CSID, name, time.monotonic(), int(time.time()))
        while not table.answered:
            now = time.monotonic()
            if now > end:
                raise ResolutionError(f"no end of the walk within {seconds:.0f} s")
            sockets.send(now)
            if not session.finished:
                due = table.deadline()
                sockets.wait(max(0.0, min(end, due or end) - now))
                now = time.monotonic()
                sockets.take(now)
            table.go_on(now, int(time.time()))
    finally:
        sockets.close()
    return table.answered[0][1], table.why


def _nothing(_key: bytes) -> bytes | None:
    """A cache that is empty."""
    return None


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
