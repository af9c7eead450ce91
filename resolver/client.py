"""Our client: asks a server, or a resolver (RD is set), for the record of a compute identifier.

UDP first, again after a time without answer, and TCP where the answer does not fit (RFC 1035
section 4.2.1, RFC 7766 section 5). An answer is believed only if it comes from the server asked and
repeats the id, the question and our cookie (RFC 5452 section 9.1, RFC 7873 section 5.3).
"""

from __future__ import annotations

import secrets
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from csid.address import Address
from csid.errors import CsidError
from csid.limits import EDNS_UDP_OCTETS, MAX_MESSAGE_OCTETS
from csid.protocol import CSID, OPTION_COOKIE, SOA
from csid.record import Record, decode
from resolver.walk import Server, Step, Walk

DEFAULT_PORT: Final = 5300
UDP_SECONDS: Final = (1.0, 2.0, 3.0)  # waited for an answer before each next attempt
TCP_SECONDS: Final = 5.0  # for a whole exchange
WALK_UDP_SECONDS: Final = (0.5, 1.5)  # as UDP_SECONDS, where there are other servers to ask
WALK_SECONDS: Final = 30.0  # for a walk from the root, from when on nothing more is asked
CLIENT_COOKIE_OCTETS: Final = 8

UDP: Final = "udp"
TCP: Final = "tcp"


class AskError(CsidError):
    """The server could not be asked, or did not say whether the identifier exists."""


class Reply(NamedTuple):
    """What came back for one question."""

    message: dns.message.QueryMessage
    transport: str  # UDP or TCP
    seconds: float  # from asking, attempts without answer included, to the whole answer
    octets: int


class Resolution(NamedTuple):
    """What a server says of an identifier; without a record, why is in `rcode`."""

    name: str  # the DNS name asked for
    canonical: str  # the name the record is at, another one behind an alias
    rcode: str  # NOERROR without a record: the name exists and has none
    record: Record | None
    ttl: int  # seconds the answer may be remembered
    reply: Reply


def resolve(name: str, server: Address, over_tcp: bool = False) -> Resolution:
    """Ask for the CSID record at a DNS name.

    Raises:
        AskError: no answer came, or one that says neither what it is nor that it is not.
        RecordError: the record that came is not valid.
    """
    reply = ask(name, CSID, server, over_tcp)
    message = reply.message
    rcode = message.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise AskError(
            f"{server} answers {dns.rcode.to_text(rcode)} for {name}"
            + (": it does not hold this name" if rcode == dns.rcode.REFUSED else "")
        )
    try:
        chain = message.resolve_chaining()
    except dns.exception.DNSException as error:
        raise AskError(f"{server} gives aliases that lead nowhere: {error}") from None
    if chain.answer is None and not any(one.rdtype == SOA for one in message.authority):
        # Absence comes with the SOA of the zone that says so (RFC 2308 section 2).
        raise AskError(f"{server} does not hold {chain.canonical_name}{_referral(message)}")
    record = None
    if chain.answer is not None:
        record = decode(chain.answer[0].to_wire())
    return Resolution(
        name,
        chain.canonical_name.to_text(),
        dns.rcode.to_text(rcode),
        record,
        chain.minimum_ttl,
        reply,
    )


class Walked(NamedTuple):
    """A walk from the root, as far as it came."""

    steps: list[Step]
    found: Resolution | None
    server: Server | None  # which said so
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
                raise AskError(f"no end of the walk to {name} within {WALK_SECONDS:.0f} s")
            said: dns.message.Message | str
            try:
                reply = ask(
                    question.name.to_text(),
                    question.rrtype,
                    question.server.address,
                    over_tcp,
                    recursive=False,
                    waits=WALK_UDP_SECONDS,
                )
                said = reply.message
            except AskError as error:
                said = str(error)
            walking.receive(said, (time.monotonic() - begin) * 1000)
        outcome = walking.outcome
        assert outcome is not None and reply is not None
        record = None if outcome.rrset is None else decode(outcome.rrset[0].to_wire())
    except CsidError as error:
        return Walked(walking.steps, None, None, error)
    rcode = dns.rcode.to_text(dns.rcode.Rcode(outcome.rcode))
    canonical = outcome.name.to_text()
    found = Resolution(name, canonical, rcode, record, outcome.ttl, reply)
    return Walked(walking.steps, found, outcome.server, None)


def ask(
    name: str,
    rrtype: int,
    server: Address,
    over_tcp: bool = False,
    recursive: bool = True,
    waits: Sequence[float] = UDP_SECONDS,
) -> Reply:
    """Ask one question, over UDP first unless told otherwise.

    Args:
        recursive: the server may ask others on our behalf (RD).
        waits: seconds to wait for each attempt over UDP.

    Raises:
        AskError: no answer to be believed came in time.
    """
    cookie = secrets.token_bytes(CLIENT_COOKIE_OCTETS)
    try:
        query = dns.message.make_query(
            name,
            dns.rdatatype.RdataType.make(rrtype),
            use_edns=0,
            payload=EDNS_UDP_OCTETS,
            options=[dns.edns.CookieOption(cookie, b"")],
            flags=dns.flags.RD if recursive else 0,
        )
    except dns.exception.DNSException as error:
        raise AskError(f"{name!r} is no DNS name: {error}") from None
    begin = time.monotonic()
    transport, octets = UDP, b""
    try:
        if not over_tcp:
            octets = _over_udp(query, server, cookie, waits)
        if over_tcp or _believed(query, octets, cookie).flags & dns.flags.TC:
            transport, octets = TCP, _over_tcp(query, server)
        message = _believed(query, octets, cookie)
    except TimeoutError:
        raise AskError(f"no answer from {server} over {transport} in time") from None
    except socket.gaierror as error:
        raise AskError(f"{server.host}: {error.strerror}") from None
    except ConnectionRefusedError:
        raise AskError(f"no server listens at {server}; start one with: csid serve") from None
    except (OSError, EOFError) as error:
        raise AskError(f"{server} cannot be asked over {transport}: {error}") from None
    except ValueError as error:
        raise AskError(f"{server} gives no answer to be believed: {error}") from None
    return Reply(message, transport, time.monotonic() - begin, len(octets))


def _over_udp(
    query: dns.message.QueryMessage, server: Address, cookie: bytes, waits: Sequence[float]
) -> bytes:
    """The first answer to be believed among all datagrams that come."""
    family, kind, _, _, address = _addresses(server, socket.SOCK_DGRAM)
    with socket.socket(family, kind) as sock:
        sock.connect(address)  # the kernel then drops what others send
        for seconds in waits:
            sock.send(query.to_wire())
            end = time.monotonic() + seconds
            with suppress(TimeoutError):
                while (left := end - time.monotonic()) > 0:
                    sock.settimeout(left)
                    octets = sock.recv(MAX_MESSAGE_OCTETS)
                    with suppress(ValueError):
                        _believed(query, octets, cookie)
                        return octets
    raise TimeoutError


def _over_tcp(query: dns.message.QueryMessage, server: Address) -> bytes:
    end = time.monotonic() + TCP_SECONDS
    family, kind, _, _, address = _addresses(server, socket.SOCK_STREAM)
    with socket.socket(family, kind) as sock:
        sock.settimeout(TCP_SECONDS)
        sock.connect(address)
        sock.sendall(query.to_wire(prepend_length=True))
        (length,) = struct.unpack(">H", _read(sock, 2, end))
        return _read(sock, length, end)


def _read(sock: socket.socket, octets: int, end: float) -> bytes:
    """Exactly so many octets, before `end` on the monotonic clock."""
    got = b""
    while len(got) < octets:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        piece = sock.recv(octets - len(got))
        if not piece:
            raise EOFError("it closed the connection within an answer")
        got += piece
    return got


def _addresses(
    server: Address, kind: socket.SocketKind
) -> tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]:
    try:
        return socket.getaddrinfo(server.host, server.port, type=kind)[0]
    except UnicodeError:  # of the IDNA codec, which has no words for it
        raise AskError(f"{server.host[:80]!r} is no name of a host") from None


def _believed(
    query: dns.message.QueryMessage, octets: bytes, cookie: bytes
) -> dns.message.QueryMessage:
    """The message in `octets`, if it answers the query; ValueError if not."""
    try:
        message = dns.message.from_wire(octets)
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"not a DNS message: {error}") from None
    if not query.is_response(message) or not isinstance(message, dns.message.QueryMessage):
        raise ValueError("its id or question is not ours")
    for option in message.options:
        if option.otype == OPTION_COOKIE and not option.to_wire().startswith(cookie):
            raise ValueError("its cookie is not ours")
    return message


def _referral(message: dns.message.QueryMessage) -> str:
    """Whom a referral names: the servers of the delegation."""
    hosts = [
        str(rdata)
        for rrset in message.authority
        if rrset.rdtype == dns.rdatatype.NS
        for rdata in rrset
    ]
    if not hosts:
        return ""
    return f"; it refers to {', '.join(hosts)}: ask there, or go from the root with --root"
